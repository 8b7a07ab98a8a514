"""The loaded models: who may stay in memory, who has to go, who is asked right now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil
import structlog

from ai_secretary.openai_wire import Dialect, Timeouts, WireClient
from ai_secretary_llm_local.engine import EngineSettings
from ai_secretary_llm_local.errors import ModelBusy, ModelUnavailable
from ai_secretary_llm_local.library import LocalModel
from ai_secretary_llm_local.memory import Memory, estimate, machine_memory
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.process import EngineProcess, Spawn

log = structlog.get_logger(__name__)

_SILENCE_S = 600.0
"""Between two pieces of an answer: a long prompt on a slow processor, or a wait for a free place, takes minutes."""
_DEMO_TEMPERATURE = 0.2
_SHORTEST_CHECK_S, _LONGEST_CHECK_S = 0.1, 15.0


@dataclass(slots=True)
class Loaded:
    """One model and its process."""

    model: LocalModel
    process: EngineProcess
    needed: int
    """Bytes that it was estimated to take."""
    busy: int = 0
    """Requests that are being answered."""
    used_at: float = field(default_factory=time.monotonic)
    client: WireClient | None = None
    client_of: str = ""

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self.busy else time.monotonic() - self.used_at

    def wire(self) -> WireClient:
        """The client of the process as it runs now (a restart has a new port and a new key)."""
        if self.client is None or self.client_of != self.process.api_key:
            self.client_of = self.process.api_key
            self.client = WireClient(
                f"{self.process.address}/v1",
                self.process.api_key,
                title=self.model.title,
                timeouts=Timeouts(connect=5.0, read=_SILENCE_S),
                dialect=Dialect(),
            )
        return self.client


class ModelPool:
    """Models in memory, least recently used first out. Every method is called on the event loop."""

    def __init__(
        self,
        options: Callable[[], LocalModelOptions],
        *,
        spawn: Spawn,
        on_change: Callable[[], None] = lambda: None,
        memory: Callable[[], Memory] = machine_memory,
    ) -> None:
        self._options = options
        self._spawn = spawn
        self._on_change = on_change
        self._memory = memory
        self._loaded: dict[str, Loaded] = {}
        self._deciding = asyncio.Lock()

    def get(self, model_id: str) -> Loaded | None:
        return self._loaded.get(model_id)

    @property
    def loaded(self) -> list[Loaded]:
        """Least recently used first."""
        return sorted(self._loaded.values(), key=lambda item: item.used_at)

    def needed(self, model: LocalModel) -> int:
        """Bytes that `model` would take with the present options."""
        settings = self._settings(model)
        head = model.head
        return estimate(
            file_size=model.size,
            kv_bytes_per_token=head.kv_bytes_per_token if head else 0,
            context=settings.context,
            parallel=settings.parallel,
            width=head.embedding_length if head else 0,
            prompt_cache=settings.prompt_cache_mb << 20,
        )

    def context_of(self, model: LocalModel) -> int:
        """Tokens that one request to `model` may hold."""
        wanted = self._options().context_tokens
        own = model.head.context_length if model.head else 0
        return min(wanted, own) if own else wanted

    @asynccontextmanager
    async def use(self, model: LocalModel) -> AsyncIterator[Loaded]:
        """The model, loaded and kept in memory while the block runs. Raises `ModelUnavailable`."""
        loaded = self._loaded.get(model.id)
        if loaded is None or loaded.model.paths != model.paths:
            loaded = await self._enter(model)
        loaded.busy += 1
        try:
            if loaded.process.state != "ready":
                await loaded.process.ensure_ready()
            yield loaded
        finally:
            loaded.busy -= 1
            loaded.used_at = time.monotonic()

    async def load(self, model: LocalModel) -> Loaded:
        """Load now, also after a failure. Raises `ModelUnavailable`."""
        loaded = self._loaded.get(model.id) or await self._enter(model)
        loaded.busy += 1
        try:
            await loaded.process.ensure_ready(retry=True)
        finally:
            loaded.busy -= 1
            loaded.used_at = time.monotonic()
        return loaded

    async def unload(self, model_id: str, *, force: bool = False) -> bool:
        """Free the memory. Raises `ModelBusy` while it answers somebody, unless `force` breaks those answers off."""
        loaded = self._loaded.get(model_id)
        if loaded is None:
            return False
        if loaded.busy and not force:
            raise ModelBusy(
                "The model {title} is answering: {count} requests at this moment",
                hint="Wait until it has answered, or stop it all the same.",
                title=loaded.model.title,
                count=loaded.busy,
            )
        await self._drop(loaded)
        return True

    async def apply_options(self) -> None:
        """Unload idle models that run with other settings than the present ones; they load anew at the next request."""
        for loaded in self.loaded:
            if not loaded.busy and loaded.process.settings != self._settings(loaded.model):
                await self._drop(loaded)

    async def watch_idle(self) -> None:
        """Unload models that nobody has asked for a while, for ever."""
        while True:
            limit = self._options().idle_minutes * 60
            await asyncio.sleep(min(max(limit / 4, _SHORTEST_CHECK_S), _LONGEST_CHECK_S) if limit else _LONGEST_CHECK_S)
            for loaded in self.loaded:
                if limit and loaded.idle_seconds >= limit and loaded.process.state in {"ready", "restarting"}:
                    log.info("idle_model_unloaded", model=loaded.model.id)
                    await self._drop(loaded)
            await self.apply_options()

    async def close(self) -> None:
        """Stop every process."""
        await asyncio.gather(*(self._drop(loaded) for loaded in self.loaded))

    # ---- inside ----

    def _settings(self, model: LocalModel) -> EngineSettings:
        options = self._options()
        return EngineSettings(
            path=str(model.path),
            alias=model.id,
            api_key="",
            context=self.context_of(model),
            parallel=options.parallel,
            threads=options.used_threads,
            thinking=options.thinking,
            embedding=model.kind == "embedding",
            prompt_cache_mb=options.prompt_cache_mb,
            temperature=_DEMO_TEMPERATURE if model.demo else None,
        )

    async def _enter(self, model: LocalModel) -> Loaded:
        """Give the model its place in memory; the process itself starts afterwards, so that two models may load side by side."""
        async with self._deciding:
            loaded = self._loaded.get(model.id)
            if loaded is not None and loaded.model.paths == model.paths:
                return loaded
            if loaded is not None:
                await self._drop(loaded)
            if model.problem is not None:
                raise model.problem.error()
            needed = self.needed(model)
            await self._make_room(model, needed)
            settings = self._settings(model)
            process = EngineProcess(settings, title=model.title, spawn=self._spawn, on_change=self._on_change)
            loaded = self._loaded[model.id] = Loaded(model, process, needed)
            return loaded

    async def _make_room(self, model: LocalModel, needed: int) -> None:
        reserve = self._options().memory_reserve_mb << 20
        while True:
            free = await asyncio.to_thread(self._free, [(item.process.pid, item.needed) for item in self._loaded.values()])
            if needed + reserve <= free:
                return
            idle = next((item for item in self.loaded if not item.busy), None)
            if idle is None:
                raise ModelUnavailable(
                    "The model {title} will not fit: it needs {needed} GB of memory, {free} GB are free",
                    code="not_enough_memory",
                    hint="Choose a smaller or more compressed model, shorten the context, or unload another model.",
                    title=model.title,
                    needed=_gigabytes(needed + reserve),
                    free=_gigabytes(free),
                )
            log.info("model_unloaded_for_another", model=idle.model.id, wanted=model.id)
            await self._drop(idle)

    def _free(self, loaded: list[tuple[int | None, int]]) -> int:
        """Free bytes, less what loading models will still take, and less mapped weights, which the system counts as free."""
        free = self._memory().free
        for pid, needed in loaded:
            resident, mapped = 0, 0
            if pid is not None:
                try:
                    figures = psutil.Process(pid).memory_info()
                    resident, mapped = int(figures.rss), int(getattr(figures, "shared", 0))
                except psutil.Error:
                    resident, mapped = 0, 0
            free -= mapped + max(needed - resident, 0)
        return max(free, 0)

    async def _drop(self, loaded: Loaded) -> None:
        if self._loaded.get(loaded.model.id) is loaded:
            del self._loaded[loaded.model.id]
        client, loaded.client = loaded.client, None
        await loaded.process.stop()
        if client is not None:
            await client.close()
        self._on_change()


def _gigabytes(count: int) -> str:
    return f"{count / (1 << 30):.1f}"
