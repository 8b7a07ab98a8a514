"""The page Model files: what is on this machine, what runs, what could be downloaded."""

from __future__ import annotations

import time
from typing import Literal

from nicegui import context as page_context
from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import Forbidden, SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job, JobChanged
from ai_secretary_llm_local.catalogue import RAM_CLASSES, ram_class
from ai_secretary_llm_local.downloads import JOB_KIND
from ai_secretary_llm_local.hub import HubFile
from ai_secretary_llm_local.memory import Memory
from ai_secretary_llm_local.service import LocalModels, LocalModelsChanged, ModelStatus, Recommendation
from ai_secretary_ui import PageView, formatting, names
from ai_secretary_ui import components as c

_ = Translator("llm_local")

ORIGINS = {
    "own": "in the model folder",
    "hub_cache": "in the Hugging Face cache",
    "folder": "in a further folder",
    "embedded": "comes with the program",
}
_TICK_S = 1.0
_FIGURES_S = 10.0
"""How often memory and speed are looked at while a model is loaded."""


async def build(view: PageView) -> None:
    models: LocalModels = view.application.registries.service("llm_local.models")
    await ModelFilesPage(view, models).draw()


class ModelFilesPage:
    """One open page."""

    def __init__(self, view: PageView, models: LocalModels) -> None:
        self.view = view
        self.models = models
        self.may_write = view.can("llm:write")
        self.may_delete = view.can("llm:admin")
        self.ram = 0
        self.statuses: list[ModelStatus] = []
        self.recommendations: list[Recommendation] = []
        self.memory = Memory(0, 0)
        self._fact: Element
        self._banner: Element
        self._downloads: Element
        self._files: Element
        self._catalogue: Element
        self._lines: dict[str, c.Progress] = {}
        self._speeds: dict[str, tuple[float, int]] = {}
        self._latest: dict[str, Job] = {}
        self._dirty = False
        self._figures_at = time.monotonic()

    # ---- frame ----

    async def draw(self) -> None:
        self._fact = c.page_header(
            _("Model files"),
            "",
            lambda: c.button(
                _("Look again"), self.rescan, icon="refresh", disabled="" if self.may_write else self._not_allowed()
            ),
        )
        with c.el("as-grid as-cols1"):
            self._banner = c.el()
            self._downloads = c.el()
            self._files = c.el()
            self._catalogue = c.el()
            if self.may_write:
                self._other_card()
        self._listen()
        await self._load()
        self.ram = ram_class(self.memory.total) or RAM_CLASSES[0]
        await self._draw_all()

    def _listen(self) -> None:
        bus = self.view.application.bus
        ends = [
            bus.subscribe(LocalModelsChanged, lambda _event: self._mark(), owner="llm_local"),
            bus.subscribe(JobChanged, self._job_changed, owner="llm_local"),
        ]
        for end in ends:
            page_context.client.on_delete(end)
        ui.timer(_TICK_S, self._tick)

    def _mark(self) -> None:
        self._dirty = True

    def _job_changed(self, event: JobChanged) -> None:
        if event.job.kind == JOB_KIND:
            before = self._latest.get(event.job.id)
            self._latest[event.job.id] = event.job
            # Progress alone moves a bar; a new state changes what can be pressed.
            self._dirty = self._dirty or before is None or before.state != event.job.state

    async def _tick(self) -> None:
        """Once a second: what events said meanwhile, drawn in one go."""
        running = any(status.state == "ready" for status in self.statuses)
        if self._dirty or (running and time.monotonic() - self._figures_at >= _FIGURES_S):
            self._dirty = False
            await self._load(look=False)
            await self._draw_all()
            return
        for job_id, line in self._lines.items():
            if (job := self._latest.get(job_id)) is not None:
                self._move(line, job)

    async def _load(self, *, look: bool = True) -> None:
        self.statuses = await self.models.statuses(look=look)
        self.recommendations = await self.models.recommendations()
        self.memory = await self.models.memory()
        self._figures_at = time.monotonic()

    async def _draw_all(self) -> None:
        if self._files.is_deleted:
            return
        if isinstance(self._fact, ui.label):
            self._fact.set_text(
                _(
                    "They answer on this machine, nothing leaves it. Memory: {free} of {total} free",
                    free=formatting.size(self.memory.free),
                    total=formatting.size(self.memory.total),
                )
            )
        jobs = await self.models.downloads.list()
        for place, draw in (
            (self._banner, self._draw_banner),
            (self._downloads, lambda: self._draw_downloads(jobs)),
            (self._files, self._draw_files),
            (self._catalogue, self._draw_catalogue),
        ):
            place.clear()
            with place:
                draw()

    async def _changed(self) -> None:
        await self._load()
        await self._draw_all()

    @staticmethod
    def _not_allowed() -> str:
        return _("Your role may look, not change")

    # ---- the demo model ----

    def _draw_banner(self) -> None:
        registries = self.view.application.registries
        real = [info for info in registries.models() if not info.demo and info.state != "unavailable"]
        if real or not any(status.model.demo for status in self.statuses):
            return
        page = "/ui/llm" if registries.pages.get("llm") is not None else "/ui/plugins"
        with c.card(state="warn"):
            with c.el("as-row").style("padding:0;align-items:flex-start"):
                c.icon("school", size=24).style("color:var(--warn)")
                with c.el("as-rowtext"):
                    c.text(_("The demo model is answering"), "as-h2")
                    c.text(
                        _(
                            "It is small and free so that everything works at once. It speaks English only and mixes up facts. "
                            "For real calls choose one of three ways."
                        ),
                        "as-13 as-muted as-prose",
                    )
            with c.grid(3).style("margin-top:14px"):
                self._file_way(next((item for item in self._of_class(self.ram) if item.entry.recommended), None))
                self._way(
                    "key",
                    _("A cloud model by key"),
                    _("Two minutes. You need a provider's key and pay for what is answered."),
                    lambda: c.button(_("Enter a key"), href=page, small=True),
                )
                self._way(
                    "dns",
                    _("A vLLM server"),
                    _("Any address that speaks the OpenAI format: your own graphics card or another computer."),
                    lambda: c.button(_("Enter an address"), href=page, small=True),
                )

    def _file_way(self, item: Recommendation | None) -> None:
        title = _("A better file for this machine")
        if item is None:
            self._way("download", title, _("Choose one from the list below. Free, and nothing leaves this machine."))
            return
        text = _(
            "{title}, {size}. Free, and nothing leaves this machine.",
            title=item.entry.title,
            size=formatting.size(item.entry.size),
        )

        def draw() -> None:
            if item.job is None and item.installed is None and self.may_write:
                self._download_button(item, kind="filled")

        self._way("download", title, text, draw)

    @staticmethod
    def _way(icon: str, title: str, text: str, action: c.Draw | None = None) -> None:
        way = c.el().style(
            "border:1px solid var(--line);border-radius:var(--r-md);padding:12px 14px;background:var(--surface-2);"
            "display:flex;flex-direction:column;gap:6px;align-items:flex-start"
        )
        with way:
            with c.el().style("display:flex;gap:8px;align-items:center"):
                c.icon(icon, size=20).style("color:var(--accent-text)")
                c.text(title, "as-b")
            c.text(text, "as-13 as-muted").style("flex:1")
            if action is not None:
                action()

    # ---- downloads ----

    def _draw_downloads(self, jobs: list[Job]) -> None:
        self._lines = {}
        if not jobs:
            return
        with c.card(_("Downloads"), len(jobs), pad=False, divide=True):
            for job in jobs:
                line = c.progress_row(job.title, subtitle=" ", actions=lambda job=job: self._download_actions(job))
                self._lines[job.id] = line
                self._move(line, self._latest.get(job.id, job))
                if job.state == "failed":
                    with c.el().style("padding:0 16px 12px"):
                        c.note("err", self._job_error(job), title=_("The download has stopped"))

    def _download_actions(self, job: Job) -> None:
        if not self.may_write:
            return
        jobs = self.view.application.jobs
        with c.el("as-actions"):
            if job.state in {"queued", "running"}:
                c.button(_("Pause"), lambda: self._act(jobs.pause(job.id)), icon="pause", small=True)
            elif job.state == "paused":
                c.button(_("Resume"), lambda: self._act(jobs.resume(job.id)), icon="play_arrow", small=True)
            else:
                c.button(_("Try again"), lambda: self._act(jobs.resume(job.id)), icon="refresh", small=True)
            c.icon_button("close", _("Cancel the download of {title}", title=job.title), lambda: self._cancel(job), small=True)

    async def _cancel(self, job: Job) -> None:
        if job.state == "failed":
            await self._act(self._drop_failed(job))
            return
        sure = await c.confirm(
            _("Cancel the download of {title}?", title=job.title),
            _("What has arrived ({size}) is thrown away. To go on later, pause it instead.", size=formatting.size(job.done)),
            _("Cancel the download"),
            True,
        )
        if sure:
            await self._act(self.view.application.jobs.cancel(job.id))

    async def _drop_failed(self, job: Job) -> None:
        """A failed job has ended already: start it and call it off, which throws its part away."""
        jobs = self.view.application.jobs
        await jobs.resume(job.id)
        await jobs.cancel(job.id)

    def _move(self, line: c.Progress, job: Job) -> None:
        state = {"paused": "paused", "failed": "err", "done": "ok"}.get(job.state, "")
        line.set(job.progress, self._caption(job), state=state)  # type: ignore[arg-type]  # one of the bar's states

    def _caption(self, job: Job) -> str:
        amount = (
            _("{done} of {total}", done=formatting.size(job.done), total=formatting.size(job.total))
            if job.total
            else formatting.size(job.done)
        )
        if job.state == "queued":
            return _("Waiting for its turn")
        if job.state == "paused":
            return _("Paused, {amount} kept", amount=amount)
        if job.state == "failed":
            return _("Stopped, {amount} kept", amount=amount)
        if job.message:
            return f"{_(job.message)} · {amount}"
        now, before = time.monotonic(), self._speeds.get(job.id)
        if before is None or job.done < before[1]:
            self._speeds[job.id] = (now, job.done)
            return amount
        seconds, arrived = now - before[0], job.done - before[1]
        if seconds < 1 or not arrived:
            return amount
        rate = arrived / seconds
        left = f" · {_('{time} left', time=formatting.duration((job.total - job.done) / rate))}" if job.total else ""
        return f"{amount} · {_('{size} per second', size=formatting.size(rate))}{left}"

    def _job_error(self, job: Job) -> str:
        known = self.models.downloads.failures.get(job.id)
        if known is None:
            return _(job.error)
        return f"{_.error(known)}. {_(known.hint)}" if known.hint else _.error(known)

    async def _act(self, doing: object) -> None:
        """Await an action; say what went wrong; draw what has changed."""
        try:
            await doing  # type: ignore[misc]  # coroutines of the service
        except SecretaryError as error:
            c.error_toast(error, _)
        await self._changed()

    # ---- files ----

    def _draw_files(self) -> None:
        with c.card(_("On this machine"), len(self.statuses) or None, pad=False, divide=True):
            if not self.statuses:
                c.empty(
                    _("No model file yet"),
                    _("Without one, only cloud models answer. Download one below, or put a GGUF file into {folder}.",
                      folder=str(self.models.library.own_folder)),
                )  # fmt: skip
                return
            for status in self.statuses:
                self._file_row(status)

    def _file_row(self, status: ModelStatus) -> None:
        model, head = status.model, status.model.head
        facts = [formatting.size(model.size)]
        if head is not None:
            facts += [head.quantisation, _("{n} parameters", n=formatting.compact(head.parameters)) if head.parameters else ""]
        facts.append(_(ORIGINS[model.origin]))
        icon = "school" if model.demo else "hard_drive"
        with c.row(model.title, " · ".join(fact for fact in facts if fact), icon_name=icon, live=bool(status.busy)) as row:
            c.el("as-sp")
            with c.el("as-rowright").style("display:flex;gap:12px;align-items:center;flex-wrap:wrap;justify-content:flex-end"):
                if model.demo:
                    c.badge("warn", _("Demo model"), "school")
                elif model.kind == "embedding":
                    c.badge("", _("For search, not for talking"))
                self._state(status)
                self._file_actions(status)
        row.classes("max-md:flex-wrap")
        if status.reason:
            with c.el().style("padding:0 16px 12px"):
                c.note("err" if model.problem is not None or status.state == "failed" else "warn", self._reason(status))

    def _reason(self, status: ModelStatus) -> str:
        if status.model.problem is not None:
            return _.error(status.model.problem.error())
        loaded = self.models.pool.get(status.model.id)
        failure = loaded.process.failure if loaded is not None else None
        return _.error(failure) + (f" {_(failure.hint)}" if failure.hint else "") if failure is not None else status.reason

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

    def _file_actions(self, status: ModelStatus) -> None:
        model = status.model
        if not self.may_write:
            return
        if model.problem is None and model.kind != "part":
            if status.state in {"ready", "starting", "restarting"}:
                c.button(_("Unload"), lambda: self._unload(status), small=True)
            else:
                c.button(_("Load"), lambda: self._act(self.models.load(model.id)), small=True)
        if self.may_delete and model.deletable:
            c.menu(
                [c.MenuItem(_("Delete the file"), lambda: self._delete(status), "delete", danger=True)],
                label=_("Actions for {title}", title=model.title),
            )

    async def _unload(self, status: ModelStatus) -> None:
        if status.busy:
            sure = await c.confirm(
                _("Unload {title} while it is answering?", title=status.model.title),
                _("The answers that it is giving break off. Further requests load it again."),
                _("Unload the model"),
                True,
            )
            if not sure:
                return
        await self._act(self.models.unload(status.model.id, force=True))

    async def _delete(self, status: ModelStatus) -> None:
        model = status.model
        sure = await c.confirm(
            _("Delete {title}?", title=model.title),
            _("The file {file} goes for good and frees {size}. Conversations stay; the next model in the order answers.",
              file=model.path.name, size=formatting.size(model.size)),
            _("Delete the file"),
            True,
        )  # fmt: skip
        if sure:
            await self._act(self.models.delete(model.id))

    async def rescan(self) -> None:
        await self.models.refresh(force=True)
        await self._changed()
        c.toast(_.plural("{n} model found", "{n} models found", len(self.statuses)))

    # ---- catalogue ----

    def _of_class(self, ram: int) -> list[Recommendation]:
        prefer = self.view.language
        found = [item for item in self.recommendations if item.entry.ram_gb == ram]
        return sorted(found, key=lambda item: (not item.entry.recommended, item.entry.languages[0] != prefer))

    def _draw_catalogue(self) -> None:
        mine = ram_class(self.memory.total)
        with c.card(_("Recommended"), hint=_("for Russian and English, by the memory of the machine"), pad=False):
            with c.el().style("padding:0 16px 12px"):
                c.tabs({str(size): _("{n} GB", n=size) for size in RAM_CLASSES}, str(self.ram), self._choose_class)
            if self.ram > mine:
                with c.el().style("padding:0 16px 12px"):
                    c.note("warn", _("This machine has {size}: these models will be slow or will not load.",
                                     size=formatting.size(self.memory.total)))  # fmt: skip
            with c.el("as-divide"):
                for item in self._of_class(self.ram):
                    self._entry_row(item)

    def _choose_class(self, key: str) -> None:
        self.ram = int(key)
        self._catalogue.clear()
        with self._catalogue:
            self._draw_catalogue()

    def _entry_row(self, item: Recommendation) -> None:
        entry = item.entry
        with c.row(icon_name="star" if entry.recommended else "hard_drive") as row:
            with c.el("as-rowtext"):
                c.text(entry.title, "as-b as-ell")
                c.text(_(entry.note), "as-13 as-muted")
                with c.el("as-badges").style("margin-top:6px"):
                    if item.fits and entry.recommended:
                        c.badge("ok", _("Fits this machine"), "check_circle")
                    for language in entry.languages:
                        c.badge("", names.language_name(language))
                    with c.badge("line", entry.licence):
                        ui.tooltip(_(entry.terms))
            c.el("as-sp")
            with c.el("as-rowright").style("display:flex;gap:12px;align-items:center"):
                c.text(formatting.size(entry.size), "as-13 as-muted as-num")
                if item.installed is not None:
                    c.stat("ok", _("On this machine"))
                elif item.job is not None:
                    c.stat("off", _("Being downloaded") if item.job.state == "running" else _("Waiting"), "schedule")
                elif self.may_write:
                    self._download_button(item)
        row.classes("max-md:flex-wrap")

    def _download_button(self, item: Recommendation, *, kind: Literal["filled", "outline"] = "outline") -> None:
        c.button(
            _("Download"), lambda: self._act(self.models.download_entry(item.entry.id)), kind=kind, icon="download", small=True
        )  # fmt: skip

    # ---- another file ----

    def _other_card(self) -> None:
        with c.card(_("Another file"), hint=_("from the model hub, or by its address")), c.el("as-form"):
            repo = c.text_field(
                _("Repository or address"),
                "",
                _("owner/name, as on the hub; an administrator may enter an https address that ends with .gguf"),
                placeholder="Qwen/Qwen3-4B-GGUF",
                icon_name="search",
                max_length=2000,
            )
            files = c.el()

            async def look() -> None:
                files.clear()
                c.field_of(repo).error("")
                entered = (repo.value or "").strip()
                try:
                    if entered.startswith(("http://", "https://")):
                        if not self.may_delete:
                            raise Forbidden("Only an administrator may download from a direct address")
                        await self.models.download_url(entered)
                        repo.set_value("")
                        await self._changed()
                        return
                    found = await self.models.downloads.hub.files(entered)
                except SecretaryError as error:
                    c.field_of(repo).error(_.error(error) + (f". {_(error.hint)}" if error.hint else ""))
                    return
                with files:
                    self._hub_files(entered, found)

            with c.el("as-actions"):
                c.button(_("Show files"), look, icon="search")
            repo.on("keydown.enter", look)

    def _hub_files(self, repo: str, found: list[HubFile]) -> None:
        if not found:
            c.note("info", _("This repository has no GGUF files. Look for one whose name ends with GGUF."))
            return
        options = {file.name: f"{file.name} · {formatting.size(file.size)}" if file.size else file.name for file in found}
        preferred = next((name for name in options if "q4_k_m" in name.lower()), next(iter(options)))
        choice = c.select_field(_("File"), options, preferred, _("Q4_K_M is a good balance of size and sense"), searchable=True)

        async def download() -> None:
            digest = next((file.sha256 for file in found if file.name == choice.value), "")
            await self._act(self.models.download_from_hub(repo, str(choice.value), sha256=digest))

        with c.el("as-actions").style("margin-top:10px"):
            c.button(_("Download"), download, kind="filled", icon="download")
