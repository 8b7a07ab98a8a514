"""The model files of this machine: what each is, what it is doing, and what can be done with it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from ai_secretary.i18n import N_, Translator
from ai_secretary_llm_local.panel.state import WRAPPING
from ai_secretary_llm_local.service import ModelStatus
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_llm_local.panel.page import ModelFilesPage

_ = Translator("llm_local")

ORIGINS = {
    "own": N_("in the model folder"),
    "hub_cache": N_("in the Hugging Face cache"),
    "folder": N_("in a further folder"),
    "embedded": N_("comes with the program"),
}


class FilesCard:
    def __init__(self, page: ModelFilesPage) -> None:
        self._page = page

    def key(self) -> Hashable:
        return tuple(
            (
                status.model.id,
                status.model.title,
                status.model.size,
                status.model.problem is None,
                status.state,
                status.reason,
                status.busy > 0,
                formatting.size(status.memory),
                round(status.tokens_per_second or 0),
                formatting.size(status.needed),
            )
            for status in self._page.data.statuses
        )

    def draw(self) -> None:
        statuses = self._page.data.statuses
        with c.card(_("On this machine"), len(statuses) or None, pad=False, divide=True):
            if not statuses:
                folder = str(self._page.models.library.own_folder)
                c.empty(
                    _("No model file yet"),
                    _(
                        "Without one, only cloud models answer. Download one below, or put a GGUF file into {folder}.",
                        folder=folder,
                    ),
                )
            for status in statuses:
                self._row(status)

    def _row(self, status: ModelStatus) -> None:
        model, head = status.model, status.model.head
        facts = [formatting.size(model.size)]
        if head is not None:
            facts += [head.quantisation, _("{n} parameters", n=formatting.compact(head.parameters)) if head.parameters else ""]
        facts.append(_(ORIGINS[model.origin]))
        icon = "school" if model.demo else "hard_drive"
        with c.el():
            with c.row(model.title, " · ".join(fact for fact in facts if fact), icon_name=icon, live=bool(status.busy)) as row:
                c.el("as-sp")
                with c.el("as-rowright max-md:w-full max-md:justify-end max-md:flex-wrap"):
                    if model.demo:
                        c.badge("warn", _("Demo model"), "school")
                    elif model.kind == "embedding":
                        c.badge("", _("For search, not for talking"))
                    self._state(status)
                    self._actions(status)
            row.classes(WRAPPING)
            if status.reason:
                serious = model.problem is not None or status.state == "failed"
                with c.el().style("padding:0 16px 12px"):
                    c.note("err" if serious else "warn", self._reason(status))

    def _reason(self, status: ModelStatus) -> str:
        if status.model.problem is not None:
            return _.error(status.model.problem.error())
        loaded = self._page.models.pool.get(status.model.id)
        failure = loaded.process.failure if loaded is not None else None
        if failure is None:
            return status.reason
        return f"{_.error(failure)}. {_(failure.hint)}" if failure.hint else _.error(failure)

    def _state(self, status: ModelStatus) -> None:
        if status.model.problem is not None:
            c.stat("err", _("Cannot be used"))
        elif status.model.kind == "part":
            c.stat("off", _("Belongs to another model"), "extension")
        elif status.state == "ready":
            words = [formatting.size(status.memory)]
            if status.tokens_per_second:
                words.append(_("{n} tokens per second", n=formatting.number(status.tokens_per_second)))
            with c.el().style("text-align:right"):
                c.stat("live" if status.busy else "ok", _("Answering") if status.busy else _("Loaded"))
                c.text(" · ".join(words), "as-12 as-faint as-num")
        elif status.state == "starting":
            c.stat("off", _("Loading"), "schedule")
        elif status.state == "restarting":
            c.stat("warn", _("Restarting"))
        elif status.state == "failed":
            c.stat("err", _("Did not load"))
        else:
            with c.el().style("text-align:right"):
                c.stat("off", _("Not loaded"))
                c.text(_("needs {size}", size=formatting.size(status.needed)), "as-12 as-faint as-num")

    def _actions(self, status: ModelStatus) -> None:
        model, page = status.model, self._page
        if not page.reader.may_write:
            return
        if model.problem is None and model.kind != "part":
            if status.state in {"ready", "starting", "restarting"}:
                c.button(_("Unload"), lambda: self._unload(status), small=True)
            else:
                c.button(_("Load"), lambda: page.act(page.models.load(model.id)), small=True)
        if page.reader.may_delete and model.deletable:
            c.menu(
                [c.MenuItem(_("Delete the file"), lambda: self._delete(status), "delete", danger=True)],
                label=_("Actions for {title}", title=model.title),
                small=False,
            )

    async def _unload(self, status: ModelStatus) -> None:
        loaded = self._page.models.pool.get(status.model.id)
        if loaded is not None and loaded.busy:
            sure = await c.confirm(
                _("Unload {title} while it is answering?", title=status.model.title),
                _("The answers that it is giving break off. Further requests load it again."),
                _("Unload the model"),
                True,
            )
            if not sure:
                return
        await self._page.act(self._page.models.unload(status.model.id, force=True))

    async def _delete(self, status: ModelStatus) -> None:
        model = status.model
        sure = await c.confirm(
            _("Delete {title}?", title=model.title),
            _(
                "The file {file} goes for good and frees {size}. Conversations stay; the next model in the order answers.",
                file=model.path.name,
                size=formatting.size(model.size),
            ),
            _("Delete the file"),
            True,
        )
        if sure:
            await self._page.act(self._page.models.delete(model.id))
