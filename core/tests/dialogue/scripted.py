"""Models whose behaviour a test writes down, and an event loop whose time passes at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ai_secretary.llm import ChatDelta, ChatModel, ChatRequest, ModelInfo, ToolCallDelta, Usage

T = TypeVar("T")
Step = str | float | Exception | ChatDelta
"""A text to say, seconds to wait, an error to raise, or a delta as it is."""


class ScriptedModel:
    """Plays one script per request (the last one again when they run out) and remembers what it was asked."""

    def __init__(self, model_id: str, *scripts: Sequence[Step], window: int = 4096, **info: Any) -> None:
        provider, _, name = model_id.partition("/")
        self.info = ModelInfo(model_id, info.pop("title", name), info.pop("provider_title", provider), window, **info)
        self._scripts = scripts or (["Хорошо"],)
        self.requests: list[ChatRequest] = []
        self.closed = 0
        """Streams that ended, by themselves or because they were closed."""

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        said = 0
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, ChatDelta):
                    yield step
                else:
                    said += 1
                    yield ChatDelta(step)
            if said:
                yield ChatDelta(finish_reason="stop", usage=Usage(10, said))
        finally:
            self.closed += 1

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class ScriptedSource:
    def __init__(self, *models: ScriptedModel, id: str = "scripted") -> None:
        self.id = id
        self._models = {model.info.id: model for model in models}

    def models(self) -> list[ModelInfo]:
        return [model.info for model in self._models.values()]

    def find(self, model_id: str) -> ChatModel | None:
        return self._models.get(model_id)


def tool_deltas() -> list[ChatDelta]:
    return [
        ChatDelta(tool_calls=(ToolCallDelta(0, "call_1", "weather", '{"city": '),)),
        ChatDelta(tool_calls=(ToolCallDelta(0, arguments='"Омск"}'),)),
        ChatDelta(finish_reason="tool_calls", usage=Usage(8, 4)),
    ]


class _Selector(selectors.SelectSelector):
    """Instead of waiting for the next timer, moves the clock to it."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.moment += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.moment


def in_virtual_time(play: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine; seconds pass as soon as nobody has anything to do."""

    async def main() -> T:
        return await play()

    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main())
