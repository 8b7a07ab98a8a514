"""The models of this installation: what is here, what could be, and what a person may do with them."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog

from ai_secretary.audit import AuditEvent
from ai_secretary.errors import Conflict, NotFound, SecretaryError
from ai_secretary.events import EventBus
from ai_secretary.jobs import Job, JobChanged
from ai_secretary.plugins import PluginContext
from ai_secretary.speech import RecognizerInfo
from ai_secretary.storage import PreferencesChanged
from ai_secretary_stt import embedded
from ai_secretary_stt.catalogue import CATALOGUE, Downloadable
from ai_secretary_stt.downloads import Downloads
from ai_secretary_stt.engines import Engines, EngineStatus
from ai_secretary_stt.library import Library, StoredModel
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.recognizers import info_of

log = structlog.get_logger(__name__)


@dataclass(slots=True, frozen=True)
class RecognizersChanged:
    """Published when a recogniser came, went or changed its state."""


@dataclass(slots=True, frozen=True)
class Listed:
    """A model that is here."""

    model: StoredModel
    info: RecognizerInfo
    status: EngineStatus


@dataclass(slots=True, frozen=True)
class Offered:
    """A model that could be downloaded, with its job if there is or was one."""

    item: Downloadable
    here: bool
    job: Job | None


class SttModels:
    """Owns the library, the workers and the downloads."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._bus: EventBus = context.bus
        self.folder: Path = context.settings.data_dir / "models" / "stt"
        self.library = Library(self.folder, protected=frozenset({embedded.FOLDER}) if embedded.is_packaged() else frozenset())
        self.engines = Engines(self.options, context.tasks, self._announce)
        self.downloads = Downloads(self.folder, self.options, context.jobs, self.refresh, user_agent=context.http_user_agent)
        self.embedded_problem: SecretaryError | None = None
        self._engine_options = self._of_engines(self.options())
        context.bus.subscribe(PreferencesChanged, self._on_preferences, owner=context.plugin_id)
        context.bus.subscribe(JobChanged, self.downloads.orders.on_change, owner=context.plugin_id)

    def options(self) -> SttOptions:
        return self._context.options(SttOptions)

    # ---- life ----

    async def start(self) -> None:
        """See what is here; the embedded model is put together and loaded in the background."""
        await asyncio.to_thread(self._look)
        self._announce()
        self._context.tasks.spawn(self._prepare(), name="prepare")

    async def stop(self) -> None:
        await self.engines.stop_all()

    def _look(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.engines.check_libraries()
        self.library.scan()

    async def _prepare(self) -> None:
        await self._context.ready.wait()
        if embedded.is_packaged():
            try:
                await asyncio.to_thread(embedded.assemble, self.folder)
            except OSError as error:
                self.embedded_problem = Conflict(
                    "The embedded recognition model cannot be written: {error}",
                    error=error.strerror or str(error),
                    code="stt_disk",
                )
            except SecretaryError as error:
                self.embedded_problem = error
            if self.embedded_problem is not None:
                log.error("stt_embedded_model_failed", error=self.embedded_problem.message)
            await self.refresh()
        await self.downloads.tidy()
        options = self.options()
        model = self.library.find(options.warm_up_model)
        if options.warm_up and model is not None:
            await self.engines.warm_up(model)

    async def refresh(self) -> None:
        """Look at the disk again."""
        await asyncio.to_thread(self.library.scan)
        self._announce()

    def _announce(self) -> None:
        self._bus.publish(RecognizersChanged())

    async def _on_preferences(self, event: PreferencesChanged) -> None:
        if event.subject != f"plugin:{self._context.plugin_id}" or not isinstance(event.value, SttOptions):
            return
        wanted = self._of_engines(event.value)
        if wanted != self._engine_options:
            self._engine_options = wanted
            # The next request starts a worker with the new options.
            await self.engines.stop_all()

    @staticmethod
    def _of_engines(options: SttOptions) -> tuple[object, ...]:
        """Those options that a running worker cannot take over."""
        return options.threads, options.compute_type, options.unload_after_minutes

    # ---- what people see and do ----

    def installed(self) -> list[Listed]:
        return [Listed(model, info_of(model, self.engines), self.engines.status(model)) for model in self.library.models]

    async def offered(self) -> list[Offered]:
        jobs = await self.downloads.latest()
        return [Offered(item, self.library.find(item.id) is not None, jobs.get(item.id)) for item in CATALOGUE]

    async def download(self, model_id: str) -> Job:
        job = await self.downloads.order(model_id)
        self._record("stt.model.download", model_id, {"job": job.id})
        return job

    async def forget(self, job_id: str) -> None:
        """Cancel a download; what has arrived is deleted."""
        job = await self.downloads.orders.cancel(job_id)
        self._record("stt.model.cancel", str(job.payload.get("model", "")), {"job": job.id})

    async def save_options(self, options: SttOptions) -> None:
        await self._context.save_options(options)
        self._context.audit.record(AuditEvent(action="stt.options", resource="stt", details=options.model_dump(mode="json")))

    async def load(self, model_id: str) -> EngineStatus:
        """Load a model now; returns how it went."""
        model = self._get(model_id)
        await self.engines.warm_up(model)
        return self.engines.status(model)

    async def unload(self, model_id: str) -> None:
        """Free the memory of a model; the next request loads it again."""
        self._get(model_id)
        await self.engines.stop(model_id)
        self._record("stt.model.unload", model_id, {})
        self._announce()

    async def delete(self, model_id: str) -> None:
        """Delete a model from our own folder. Raises `NotFound`, `Conflict` for models that lie elsewhere."""
        model = self._get(model_id)
        if not model.deletable or not await asyncio.to_thread(self._is_ours, model.path):
            raise Conflict(
                "{id} cannot be deleted here", id=model_id, code="stt_not_deletable",
                hint="It came with an installed package or lies in a folder of another program.",
            )  # fmt: skip
        await self.engines.stop(model_id)
        await asyncio.to_thread(shutil.rmtree, model.path)
        self._record("stt.model.delete", model_id, {"size_bytes": model.size_bytes})
        await self.refresh()

    def _is_ours(self, path: Path) -> bool:
        """A real folder directly in ours: nothing is deleted through a link."""
        return not path.is_symlink() and path.resolve().parent == self.folder.resolve()

    def _get(self, model_id: str) -> StoredModel:
        model = self.library.find(model_id)
        if model is None:
            raise NotFound("There is no recognition model {id}", id=model_id[:80], code="stt_model_unknown")
        return model

    def _record(self, action: str, model_id: str, details: dict[str, object]) -> None:
        self._context.audit.record(AuditEvent(action=action, resource="stt_model", resource_id=model_id, details=details))
