"""A local model server that speaks OpenAI's wire format, and can misbehave in every way that real ones do.

It writes the bytes of HTTP itself, so that a test decides where a chunk ends, when the line goes dead and what garbage comes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class SeenRequest:
    """One request as the server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client closed the connection before the answer was finished."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the whole answer was written."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Script:
    """How to answer. `pieces` are written one by one, `pause` seconds apart."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    think: float = 0.0
    """Seconds before the head of the answer."""
    end: Literal["clean", "cut", "stall", "close"] = "clean"
    """`cut`: the connection breaks early; `stall`: nothing more comes; `close`: the body ends with the connection."""
    raw: bool = False
    """Write `pieces` as they are, without any HTTP around them."""


def chunk(
    delta: dict[str, Any] | None, *, finish: str | None = None, usage: dict[str, int] | None = None, model: str = "test-model"
) -> bytes:
    """One SSE event of a streamed chat completion. `delta=None`: the usage chunk, which has no choices."""
    choices: list[dict[str, Any]] = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model, "choices": choices}
    if usage is not None:
        event["usage"] = usage
    return b"data: " + json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def stream_of(texts: Sequence[str], *, usage: bool = True, finish: str = "stop") -> list[bytes]:
    """The events of a whole streamed answer, `[DONE]` included."""
    events = [chunk({"role": "assistant", "content": ""})]
    events += [chunk({"content": text}) for text in texts]
    events.append(chunk({}, finish=finish))
    if usage:
        events.append(chunk(None, usage=USAGE))
    events.append(b"data: [DONE]\n\n")
    return events


def completion(
    text: str | None, *, model: str = "test-model", finish: str = "stop", tool_calls: list[Any] | None = None
) -> bytes:
    """A whole chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if tool_calls:
        message["tool_calls"] = tool_calls
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": USAGE,
        },
        ensure_ascii=False,
    ).encode()


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Until the client has closed the connection; nothing is read ahead of the next request."""
    while not reader.at_eof() and reader.exception() is None:  # noqa: ASYNC110 - a reader has no event for it
        await asyncio.sleep(0.005)


Responder = Callable[[SeenRequest], Script]


class ModelServer:
    """`answer` decides per request; the default says «Hello, world.» in the form that was asked for."""

    def __init__(self) -> None:
        self.requests: list[SeenRequest] = []
        self.answer: Responder = self.hello
        self.connections = 0
        """How many connections were ever opened."""
        self.open_answers = 0
        """Answers being written now."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Base URL as an admin would enter it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def hello(self, request: SeenRequest) -> Script:
        if request.path.endswith("/models"):
            models = [{"id": "test-model", "object": "model", "created": 1, "owned_by": "test"}, {"id": "other/model:free"}]
            return Script([json.dumps({"object": "list", "data": models}).encode()])
        if request.path.endswith("/embeddings"):
            texts = request.json["input"]
            data = [{"object": "embedding", "index": i, "embedding": [0.25, -0.5, float(len(t))]} for i, t in enumerate(texts)]
            return Script([json.dumps({"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 3}}).encode()])
        if request.json.get("stream"):
            asked = (request.json.get("stream_options") or {}).get("include_usage", False)
            return Script(stream_of(["Hello", ", ", "world."], usage=asked), content_type="text/event-stream")
        return Script([completion("Hello, world.", model=str(request.json.get("model")))])

    def say(self, *scripts: Script) -> None:
        """Answer the next requests with these, the last one again and again."""
        waiting = list(scripts)

        def next_script(_request: SeenRequest) -> Script:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

        self.answer = next_script

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[ModelServer]:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = SeenRequest(method, path, headers, body)
        self.requests.append(request)
        script = self.answer(request)
        self.open_answers += 1
        gone = asyncio.ensure_future(_until_gone(reader))
        writing = asyncio.ensure_future(self._write(writer, script))
        try:
            await asyncio.wait({gone, writing}, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                request.left.set()
                return False
            again = writing.result()
            request.finished.set()
            return again and not gone.done()
        finally:
            self.open_answers -= 1
            for pending in (gone, writing):
                pending.cancel()
            await asyncio.gather(gone, writing, return_exceptions=True)

    async def _write(self, writer: asyncio.StreamWriter, script: Script) -> bool:
        if script.think:
            await asyncio.sleep(script.think)
        if script.raw:
            for piece in script.pieces:
                writer.write(piece)
                await writer.drain()
            writer.close()
            return False
        framing = "" if script.end == "close" else "transfer-encoding: chunked\r\n"
        extra = "".join(f"{name}: {value}\r\n" for name, value in script.headers.items())
        writer.write(
            f"HTTP/1.1 {script.status} Test\r\ncontent-type: {script.content_type}\r\n{extra}{framing}\r\n".encode("latin-1")
        )
        for number, piece in enumerate(script.pieces):
            if number and script.pause:
                await asyncio.sleep(script.pause)
            writer.write(piece if script.end == "close" else b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if script.end == "stall":
            await asyncio.Event().wait()
        if script.end in {"cut", "close"}:
            writer.close()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
