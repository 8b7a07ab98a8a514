"""The plugin's rules: what is on this machine, what runs, what is fetched. Used by the endpoints and by the page alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from ai_secretary.audit import AuditEvent
from ai_secretary.jobs import Job, JobChanged
from ai_secretary.plugins import Health, PluginContext
from ai_secretary.storage import PreferencesChanged
from ai_secretary_llm_local.catalogue import CATALOGUE, CatalogueEntry, find_entry, ram_class
from ai_secretary_llm_local.downloads import Downloads, Order, order_from_entry, order_from_hub, order_from_url
from ai_secretary_llm_local.errors import ModelUnavailable, NotOurFile, UnknownModel
from ai_secretary_llm_local.library import LocalModel, ModelLibrary
from ai_secretary_llm_local.memory import Memory, machine_memory
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.pool import Loaded, ModelPool
from ai_secretary_llm_local.process import ProcessState
from ai_secretary_llm_local.source import LocalModelSource

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 5.0
_FIRST_LOOK_S = 1.5
_BYTES_PER_SECOND = 8e9
"""Weights that one thread reads per second while it writes (measured with the demo model on a virtual machine)."""
_MOST_BYTES_PER_SECOND = 40e9
"""What the memory of an ordinary machine gives to all threads together."""
SPEAKING_SPEED = 4.0
"""Tokens per second below which an answer comes slower than it can be read aloud."""


@dataclass(slots=True, frozen=True)
class LocalModelsChanged:
    """Published when the list of files or the state of a model has changed."""


@dataclass(slots=True, frozen=True)
class ModelStatus:
    """One model with what it is doing now."""

    model: LocalModel
    state: ProcessState
    reason: str
    """English, empty if all is well."""
    needed: int
    """Bytes of memory it is estimated to take."""
    memory: int
    """Resident bytes now."""
    busy: int
    tokens_per_second: float | None
    load_seconds: float | None
    restarts: int
    context: int


@dataclass(slots=True, frozen=True)
class Recommendation:
    """A catalogue entry with what it means for this machine."""

    entry: CatalogueEntry
    fits: bool
    """The machine has as much memory as the entry wants."""
    speed: float
    """Tokens per second to expect here."""
    installed: LocalModel | None
    job: Job | None

    @property
    def fluent(self) -> bool:
        """Fits, and answers at the speed of speech."""
        return self.fits and self.speed >= SPEAKING_SPEED


class LocalModels:
    """Everything of one run of the plugin."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.library = ModelLibrary(
            context.settings.data_dir.resolve() / "models" / "llm",
            state_folder=context.data_dir,
            further=self.options.model_folders,
        )
        self.pool = ModelPool(lambda: self.options, spawn=self._spawn, on_change=self._changed)
        self.downloads = Downloads(
            self.library.own_folder,
            lambda: self.options,
            context.jobs,
            user_agent=context.http_user_agent,
            on_finished=self._downloaded,
        )
        self.source = LocalModelSource(self.library, self.pool, on_look=self._look)
        self._looked_at = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._first_look: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def options(self) -> LocalModelOptions:
        return self._context.options(LocalModelOptions)

    # ---- life ----

    async def look_first(self) -> None:
        """The first look at the folders. A moment is waited for it, so that the first request after a start finds its model;
        large libraries on slow disks go on in the background."""
        self._first_look = self._spawn(self._look_again(), "first-look")
        await asyncio.wait({self._first_look}, timeout=_FIRST_LOOK_S)

    def start(self) -> None:
        """Load the answering model, watch what is idle: all in the background."""
        bus, owner = self._context.bus, self._context.plugin_id
        bus.subscribe(PreferencesChanged, self._preferences_changed, owner=owner)
        bus.subscribe(JobChanged, self.downloads.orders.on_change, owner=owner)
        self._spawn(self._begin(), "begin")
        self._spawn(self.pool.watch_idle(), "watch-idle")

    async def stop(self) -> None:
        await self.pool.close()

    async def _begin(self) -> None:
        if self._first_look is not None:
            await asyncio.wait({self._first_look})
        await self._context.ready.wait()
        await self.downloads.tidy()
        if self.options.warm_up and (model := self._answering()) is not None:
            try:
                await self.pool.load(model)
            except ModelUnavailable as error:
                log.warning("warm_up_failed", model=model.id, reason=error.message)

    def _answering(self) -> LocalModel | None:
        """The local model that will be asked first: the chosen default, or the best of ours while nobody has chosen."""
        from ai_secretary.dialogue.preferences import DialoguePreferences

        chosen = self._context.preferences.get("dialogue", DialoguePreferences).model
        if chosen:
            return self.library.get(chosen)
        usable = [model for model in self.library.models if model.problem is None and model.kind == "chat"]
        total = machine_memory().total
        return next((model for model in usable if self.pool.needed(model) < total), None)

    # ---- reading ----

    async def statuses(self, *, look: bool = True) -> list[ModelStatus]:
        """Every model file with its state; looks at the folders first."""
        if look:
            await self.refresh()
        loaded = [item for model in self.library.models if (item := self.pool.get(model.id)) is not None]
        speeds = dict(zip((item.model.id for item in loaded), await asyncio.gather(*map(_speed, loaded)), strict=True))
        return await asyncio.to_thread(lambda: [self._status(model, speeds.get(model.id)) for model in self.library.models])

    def _status(self, model: LocalModel, speed: float | None) -> ModelStatus:
        loaded = self.pool.get(model.id)
        process = loaded.process if loaded is not None else None
        reason = model.problem.text if model.problem else ""
        if process is not None and process.failure is not None:
            reason = process.failure.message
        return ModelStatus(
            model=model,
            state=process.state if process is not None else "stopped",
            reason=reason,
            needed=self.pool.needed(model),
            memory=process.memory if process is not None else 0,
            busy=loaded.busy if loaded is not None else 0,
            tokens_per_second=speed,
            load_seconds=process.load_seconds if process is not None and process.state == "ready" else None,
            restarts=process.restarts if process is not None else 0,
            context=self.pool.context_of(model),
        )

    async def memory(self) -> Memory:
        return await asyncio.to_thread(machine_memory)

    async def recommendations(self) -> list[Recommendation]:
        """The catalogue, what fits this machine marked."""
        await self.refresh()
        size_class = ram_class((await self.memory()).total)
        jobs = {str(file.get("file", "")): job for job in await self.downloads.list() for file in job.payload.get("files", ())}
        names = {path.name.lower(): model for model in self.library.models for path in model.paths}
        bandwidth = await self._bandwidth()
        return [
            Recommendation(
                entry,
                fits=entry.ram_gb <= size_class,
                speed=bandwidth / (entry.size * entry.active),
                installed=names.get(entry.file.lower()),
                job=jobs.get(entry.file),
            )
            for entry in CATALOGUE
        ]

    async def _bandwidth(self) -> float:
        """Bytes of weights per second: writing a token reads all of them once, so this bounds the speed of any model here.

        As the loaded models show it, else by the number of threads.
        """
        for loaded in reversed(self.pool.loaded):
            if loaded.process.state == "ready" and (speed := await _speed(loaded)) is not None:
                return speed * loaded.model.size
        return min(_BYTES_PER_SECOND * self.options.used_threads, _MOST_BYTES_PER_SECOND)

    @staticmethod
    def best(items: Sequence[Recommendation]) -> Recommendation | None:
        """What to suggest first: the largest that answers fluently, else the smallest that fits."""
        wanted = [item for item in items if item.entry.recommended and item.fits]
        fluent = [item for item in wanted if item.fluent]
        if fluent:
            return max(fluent, key=lambda item: item.entry.size)
        return min(wanted, key=lambda item: item.entry.size, default=None)

    async def refresh(self, *, force: bool = False) -> bool:
        """Look at the folders now. True if something changed."""
        changed = await self.library.refresh(force=force)
        self._looked_at = time.monotonic()
        if changed:
            await self._forget_gone()
            self._changed()
        return changed

    def find(self, model_id: str) -> LocalModel:
        """By public id or by its part after `local/`. Raises `UnknownModel`."""
        model = self.library.get(model_id) or self.library.get(f"local/{model_id}")
        if model is None:
            raise UnknownModel(
                "There is no model {id} on this machine", id=model_id, hint="Look for files again, or download one."
            )
        return model

    # ---- doing ----

    async def load(self, model_id: str) -> LocalModel:
        """Raises `UnknownModel`, `ModelUnavailable`."""
        model = self.find(model_id)
        await self.pool.load(model)
        self._audit("llm_local.load", model.id)
        return model

    async def unload(self, model_id: str, *, force: bool = False) -> bool:
        """Raises `UnknownModel`, `ModelBusy`."""
        model = self.find(model_id)
        done = await self.pool.unload(model.id, force=force)
        if done:
            self._audit("llm_local.unload", model.id, force=force)
        return done

    async def delete(self, model_id: str) -> int:
        """Remove a file of our own folder; returns the bytes freed. Raises `UnknownModel`, `ModelBusy`, `NotOurFile`."""
        model = self.find(model_id)
        if not model.deletable:
            raise NotOurFile(
                "{name} lies outside the model folder and is not deleted from here",
                name=model.path.name,
                hint="Delete it with the program that put it there.",
            )
        await self.pool.unload(model.id)
        freed = await self.library.delete(model)
        self._audit("llm_local.delete", model.id, file=model.path.name, freed=freed)
        await self.refresh()
        return freed

    async def download_entry(self, entry_id: str) -> Job:
        entry = find_entry(entry_id)
        if entry is None:
            raise UnknownModel("The catalogue has no entry {id}", id=entry_id, code="unknown_entry")
        return await self._order(order_from_entry(entry), entry=entry.id)

    async def download_from_hub(self, repo: str, file: str, *, revision: str = "main", sha256: str = "") -> Job:
        return await self._order(order_from_hub(repo, file, revision=revision, sha256=sha256), repo=repo, file=file)

    async def download_url(self, url: str, *, sha256: str = "") -> Job:
        # The query of an address may hold a signature: it is left out of the audit.
        return await self._order(order_from_url(url, sha256=sha256), url=url.partition("?")[0])

    async def _order(self, order: Order, **details: str) -> Job:
        job = await self.downloads.order(order)
        self._audit("llm_local.download", job.id, **details)
        return job

    def _audit(self, action: str, resource_id: str, **details: object) -> None:
        self._context.audit.record(
            AuditEvent(action=action, resource="llm_model", resource_id=resource_id, details=dict(details))
        )

    # ---- health ----

    def health(self) -> Health:
        """One fact on the models of this machine."""
        states = {item.process.state for item in self.pool.loaded}
        if "restarting" in states:
            return Health(
                "warning", "A model stopped unexpectedly and is being restarted", "If it keeps happening, choose a smaller model."
            )
        if "failed" in states:
            return Health("error", "A model cannot be loaded", "Open Model files to see why.")
        usable = [model for model in self.library.models if model.problem is None and model.kind == "chat"]
        if not usable:
            return Health("off", "No model file on this machine", "Download one from the catalogue under Model files.")
        if "starting" in states:
            return Health("ok", "A model is being loaded")
        if "ready" in states:
            return Health("ok", "A model is loaded and answers")
        return Health("ok", "No model is loaded; the first request loads one")

    # ---- inside ----

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._context.tasks.spawn(coroutine, name=name)

    def _changed(self) -> None:
        self._context.bus.publish(LocalModelsChanged())

    def _look(self) -> None:
        """Somebody reads the list: if the last look is a while ago, look again in the background. Safe from any thread."""
        if time.monotonic() - self._looked_at < _LOOK_AGAIN_S:
            return
        self._looked_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._start_looking)

    def _start_looking(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = self._spawn(self._look_again(), "look")

    async def _look_again(self) -> None:
        await self.refresh()

    async def _forget_gone(self) -> None:
        """A file that has gone or changed must not go on answering from memory."""
        for loaded in self.pool.loaded:
            present = self.library.get(loaded.model.id)
            if not loaded.busy and (present is None or present.paths != loaded.model.paths or present.size != loaded.model.size):
                await self.pool.unload(loaded.model.id)

    async def _downloaded(self) -> None:
        await self.refresh()

    async def _preferences_changed(self, event: PreferencesChanged) -> None:
        if event.subject != f"plugin:{self._context.plugin_id}":
            return
        self.library.further = tuple(self.options.model_folders)
        await self.refresh()
        await self.pool.apply_options()


_SPEED_TIMEOUT = aiohttp.ClientTimeout(total=2)


async def _speed(loaded: Loaded) -> float | None:
    """Tokens per second that the model has written on average since it was loaded, by llama.cpp's own counters."""
    process = loaded.process
    if process.state != "ready":
        return None
    try:
        async with (
            aiohttp.ClientSession(timeout=_SPEED_TIMEOUT) as session,
            session.get(f"{process.address}/metrics", headers={"authorization": f"Bearer {process.api_key}"}) as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return None
    figures = {name: value for name, _, value in (line.partition(" ") for line in text.splitlines()) if not name.startswith("#")}
    try:
        tokens = float(figures["llamacpp:tokens_predicted_total"])
        seconds = float(figures["llamacpp:tokens_predicted_seconds_total"])
    except (KeyError, ValueError):
        return None
    return tokens / seconds if tokens and seconds else None
