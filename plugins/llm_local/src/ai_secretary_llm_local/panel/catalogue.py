"""Recommended files by the memory of the machine, and any other file of the hub."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.downloads import HubFile
from ai_secretary.errors import Forbidden, SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary_llm_local.catalogue import RAM_CLASSES, ram_class
from ai_secretary_llm_local.panel.state import WRAPPING
from ai_secretary_llm_local.service import Recommendation
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting, names

if TYPE_CHECKING:
    from ai_secretary_llm_local.panel.page import ModelFilesPage

_ = Translator("llm_local")


class CatalogueCard:
    def __init__(self, page: ModelFilesPage) -> None:
        self._page = page
        self._chosen: int | None = None

    @property
    def ram(self) -> int:
        """The memory class that is shown: the reader's choice, else that of the best file for this machine."""
        if self._chosen is not None:
            return self._chosen
        best = self._page.data.suggestion(self._page.models, self._page.reader.language)
        return best.entry.ram_gb if best is not None else RAM_CLASSES[0]

    def _shown(self) -> list[Recommendation]:
        found = [item for item in self._page.data.recommendations if item.entry.ram_gb == self.ram]
        language = self._page.reader.language
        return sorted(found, key=lambda item: (not item.entry.recommended, item.entry.languages[0] != language))

    def key(self) -> Hashable:
        return self.ram, tuple(
            (item.entry.id, item.fits, item.fluent, _pace(item), item.installed is not None, item.job.state if item.job else "")
            for item in self._shown()
        )

    def draw(self) -> None:
        memory = self._page.data.memory.total
        with c.card(_("Recommended"), hint=_("for Russian and English, by the memory of the machine"), pad=False):
            with c.el().style("padding:12px 16px"):
                c.tabs({str(size): _("{n} GB", n=size) for size in RAM_CLASSES}, str(self.ram), self._choose)
            if self.ram > ram_class(memory):
                with c.el().style("padding:0 16px 12px"):
                    size = formatting.size(memory)
                    c.note("warn", _("This machine has {size}: these models will be slow or will not load.", size=size))
            with c.el("as-divide as-ruled"):
                for item in self._shown():
                    self._row(item)

    def _choose(self, key: str) -> None:
        self._chosen = int(key)
        self._page.show()

    def _row(self, item: Recommendation) -> None:
        entry, page = item.entry, self._page
        with c.row(icon_name="star" if entry.recommended else "hard_drive") as row:
            with c.el("as-rowtext"):
                c.text(entry.title, "as-b as-ell")
                c.text(_(entry.note), "as-13 as-muted")
                with c.el("as-badges").style("margin-top:6px"):
                    self._fitness(item)
                    for language in entry.languages:
                        c.badge("", names.language_name(language))
                    with c.badge("line", entry.licence):
                        ui.tooltip(_(entry.terms))
            c.el("as-sp")
            with c.el("as-rowright max-md:w-full max-md:justify-end"):
                with c.el().style("text-align:right"):
                    c.text(formatting.size(entry.size), "as-13 as-num")
                    c.text(_("about {n} tokens per second", n=_pace(item)), "as-12 as-faint as-num")
                if item.installed is not None:
                    c.stat("ok", _("On this machine"))
                elif item.job is not None:
                    c.stat("off", _("Being downloaded") if item.job.state == "running" else _("Waiting"), "schedule")
                elif page.reader.may_write:
                    c.button(_("Download"), lambda: page.act(page.models.download_entry(entry.id)), icon="download", small=True)
        row.classes(WRAPPING)

    @staticmethod
    def _fitness(item: Recommendation) -> None:
        if not item.fits:
            c.badge("err", _("Needs {n} GB of memory", n=item.entry.ram_gb), "error")
        elif item.fluent:
            c.badge("ok", _("Fits this machine"), "check_circle")
        else:
            c.badge("warn", _("Slower than speech here"), "schedule")


def _pace(item: Recommendation) -> str:
    return formatting.number(item.speed, 0 if item.speed >= 10 else 1)


class OtherFileCard:
    """A file that the catalogue does not have: by its repository, or by its address."""

    def __init__(self, page: ModelFilesPage) -> None:
        self._page = page
        self._box: ui.input
        self._files: Element

    def draw(self) -> None:
        with c.card(_("Another file"), hint=_("from the model hub, or by its address")), c.el("as-form"):
            self._box = c.text_field(
                _("Repository or address"),
                "",
                _("owner/name, as on the hub; an administrator may enter an https address that ends with .gguf"),
                placeholder="Qwen/Qwen3-4B-GGUF",
                icon_name="search",
                max_length=2000,
            )
            self._box.on("keydown.enter", self._look)
            with c.el("as-actions"):
                c.button(_("Show files"), self._look, icon="search")
            self._files = c.el()
            self._files.set_visibility(False)

    async def _look(self) -> None:
        place = c.field_of(self._box)
        self._files.clear()
        self._files.set_visibility(False)
        place.error("")
        entered = (self._box.value or "").strip()
        try:
            if entered.startswith(("http://", "https://")):
                await self._fetch(entered)
                return
            found = await self._page.models.downloads.hub.files(entered)
        except SecretaryError as error:
            place.error(f"{_.error(error)}. {_(error.hint)}" if error.hint else _.error(error))
            return
        self._files.set_visibility(True)
        with self._files:
            self._choice(entered, found)

    async def _fetch(self, address: str) -> None:
        if not self._page.reader.may_delete:
            raise Forbidden("Only an administrator may download from a direct address")
        await self._page.models.download_url(address)
        self._box.set_value("")
        await self._page.refresh()

    def _choice(self, repo: str, found: list[HubFile]) -> None:
        if not found:
            c.note("info", _("This repository has no GGUF files. Look for one whose name ends with GGUF."))
            return
        options = {file.name: f"{file.name} · {formatting.size(file.size)}" if file.size else file.name for file in found}
        preferred = next((name for name in options if "q4_k_m" in name.lower()), next(iter(options)))
        choice = c.select_field(_("File"), options, preferred, _("Q4_K_M is a good balance of size and sense"), searchable=True)

        async def download() -> None:
            digest = next((file.sha256 for file in found if file.name == choice.value), "")
            await self._page.act(self._page.models.download_from_hub(repo, str(choice.value), sha256=digest))

        with c.el("as-actions").style("margin-top:12px"):
            c.button(_("Download"), download, kind="filled", icon="download")
