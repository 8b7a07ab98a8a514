"""`provider/model`: a plain gateway to one model. Where it speaks the wire format, its bytes go through untouched."""

from __future__ import annotations

from typing import cast

import structlog

from ai_secretary.api.problems import internal_error
from ai_secretary.api.v1.asgi import JSON, ClientGone, Departure, EventStream, closed_after, respond
from ai_secretary.api.v1.call import Call
from ai_secretary.api.v1.failures import error_event
from ai_secretary.api.v1.rendering import ChunkWriter, Collected, new_completion_id
from ai_secretary.api.v1.requests import ChatIn, chat_request, upstream_body
from ai_secretary.api.v1.sse import DONE, DoneFinder, UsageStripper
from ai_secretary.audit import AuditEvent
from ai_secretary.conversations import Exchange, Journal, RawExchange
from ai_secretary.errors import InvalidInput, ProviderError, SecretaryError
from ai_secretary.llm import ChatModel, ChatRequest, RelayingChatModel, RelayResponse
from ai_secretary.openai_wire import failure

log = structlog.get_logger(__name__)

SSE_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_MAX_ERROR = 256 * 1024


class PassThrough:
    """Serves chat requests for provider models."""

    def __init__(self, journal: Journal, *, ping_s: float) -> None:
        self._journal = journal
        self.ping_s = ping_s
        self._relays: dict[type, bool] = {}
        """Whether a class speaks the wire format: asking a protocol takes as long as the rest of a request."""

    async def serve(self, call: Call, model: ChatModel, chat: ChatIn, body: bytes) -> None:
        kind = type(model)
        relays = self._relays.get(kind)
        if relays is None:
            relays = self._relays[kind] = isinstance(model, RelayingChatModel)
        if relays:
            await self._relay(call, model, cast(RelayingChatModel, model), chat, body)
        else:
            await self._render(call, model, chat, body)

    # ---- models that speak the wire format ----

    async def _relay(self, call: Call, model: ChatModel, wire: RelayingChatModel, chat: ChatIn, body: bytes) -> None:
        strip = bool(chat.stream) and not chat.wants_usage and bool(model.info.metadata.get("stream_usage", True))
        sent = upstream_body(body, chat, wire.upstream_model, ask_usage=strip)
        record = self._raw(call, model, body)
        stream = EventStream(call.send, call.headers(*SSE_HEADERS), self.ping_s) if chat.stream else None
        try:
            async with Departure(call.receive) as departure, wire.relay(sent) as response:
                if not 200 <= response.status < 300:
                    raise await _refused(model, response)
                kind = response.headers.get("content-type", "application/json")
                if kind.startswith("text/event-stream"):
                    if stream is None:
                        raise ProviderError(
                            "{provider} streamed an answer that was not to be streamed",
                            provider=model.info.provider_title,
                            code="bad_reply",
                        )
                    await self._relay_events(call, response, stream, record, UsageStripper() if strip else None, departure)
                else:
                    await self._relay_whole(call, response, record, stream, kind, departure)
        except ClientGone:
            if record.response:
                record.cancelled = True
                record.total_ms = call.elapsed_ms
                await self._journal.record(record)
        except Exception as error:
            if stream is None or not stream.started:
                raise
            await self._break_off(call, stream, record, error)
        finally:
            if stream is not None:
                stream.stop()

    async def _relay_whole(
        self,
        call: Call,
        response: RelayResponse,
        record: RawExchange,
        stream: EventStream | None,
        kind: str,
        departure: Departure,
    ) -> None:
        parts = [part async for part in response.chunks]
        answer = parts[0] if len(parts) == 1 else b"".join(parts)
        if kind.startswith("text/html"):
            raise ProviderError(
                "{provider} sent an answer that cannot be read: {what}",
                provider=record.provider_title,
                what="a web page",
                code="bad_reply",
            )
        departure.over()
        record.response = answer
        record.total_ms = call.elapsed_ms
        await self._journal.record(record)
        if stream is not None and stream.started:
            # A comment has kept the connection alive, so this is an event stream now: the answer becomes one event of it.
            await stream.write(b"data: " + answer.replace(b"\n", b" ") + b"\n\n" + DONE)
            await stream.end()
            return
        await respond(call.send, response.status, call.headers((b"content-type", kind.encode("latin-1"))), answer)

    async def _relay_events(
        self,
        call: Call,
        response: RelayResponse,
        stream: EventStream,
        record: RawExchange,
        stripper: UsageStripper | None,
        departure: Departure,
    ) -> None:
        finder = DoneFinder()
        parts: list[bytes] = []
        record.streamed = True
        recorded = False
        try:
            async for chunk in response.chunks:
                if not parts:
                    record.first_token_ms = call.elapsed_ms
                parts.append(chunk)
                end = -1 if recorded else finder.find(chunk)
                if end >= 0:
                    # The end mark waits until the exchange is stored; what comes before it does not.
                    first, chunk = chunk[:end], chunk[end:]
                    if stripper is not None:
                        first = stripper.feed(first)
                    if first:
                        await stream.write(first)
                    departure.over()
                    recorded = True
                    await self._store(call, record, parts)
                data = chunk if stripper is None else stripper.feed(chunk)
                if data:
                    await stream.write(data)
            if stripper is not None and (rest := stripper.finish()):
                await stream.write(rest)
        except BaseException:
            record.response = b"".join(parts)
            raise
        if not recorded:
            departure.over()
            await self._store(call, record, parts)
        await stream.end()

    async def _store(self, call: Call, record: RawExchange, parts: list[bytes]) -> None:
        record.response = b"".join(parts)
        record.total_ms = call.elapsed_ms
        await self._journal.record(record)

    async def _break_off(self, call: Call, stream: EventStream, record: RawExchange, error: Exception) -> None:
        """The answer has begun: the error is an event, and what was received until then is kept."""
        shown = error if isinstance(error, SecretaryError) else internal_error()
        if shown is not error:
            log.error("v1_stream_failed", model=record.model, exc_info=error)
        event = error_event(shown)
        await stream.write(event)
        await stream.end()
        record.response += event
        record.total_ms = call.elapsed_ms
        try:
            await self._journal.record(record)
        except SecretaryError as failed:
            log.error("v1_broken_off_not_stored", model=record.model, code=failed.code)

    # ---- models that do not ----

    async def _render(self, call: Call, model: ChatModel, chat: ChatIn, body: bytes) -> None:
        check_choices(chat)
        request = chat_request(chat, model.info.id.partition("/")[2])
        check_abilities(chat, model)
        record = self._raw(call, model, body)
        if chat.stream:
            await self._render_events(call, model, chat, request, record)
            return
        collected = Collected()
        try:
            async with Departure(call.receive), closed_after(model.stream(request)) as deltas:
                async for delta in deltas:
                    if record.first_token_ms is None and delta.text:
                        record.first_token_ms = call.elapsed_ms
                    collected.add(delta)
        except ClientGone:
            return
        answer = collected.completion(new_completion_id(), chat.model, legacy_functions=uses_functions(chat))
        record.response = answer
        record.total_ms = call.elapsed_ms
        await self._journal.record(record)
        await respond(call.send, 200, call.headers(JSON), answer)

    async def _render_events(self, call: Call, model: ChatModel, chat: ChatIn, request: ChatRequest, record: RawExchange) -> None:
        stream = EventStream(call.send, call.headers(*SSE_HEADERS), self.ping_s)
        writer = ChunkWriter(
            new_completion_id(), chat.model, include_usage=chat.wants_usage, legacy_functions=uses_functions(chat)
        )
        parts: list[bytes] = []
        collected = Collected()
        record.streamed = True
        try:
            async with Departure(call.receive) as departure, closed_after(model.stream(request)) as deltas:
                async for delta in deltas:
                    collected.add(delta)
                    if data := writer.delta(delta):
                        if not parts:
                            record.first_token_ms = call.elapsed_ms
                        parts.append(data)
                        await stream.write(data)
                end = writer.finish(collected.finish)
                usage = writer.usage(collected.usage)
                await stream.write(end + usage if chat.wants_usage else end)
                departure.over()
                await self._store(call, record, [*parts, end, usage, DONE])
                await stream.write(DONE)
                await stream.end()
        except ClientGone:
            if parts:
                record.cancelled = True
                await self._store(call, record, parts)
        except Exception as error:
            if not stream.started:
                raise
            record.response = b"".join(parts)
            await self._break_off(call, stream, record, error)
        finally:
            stream.stop()

    # ---- both ----

    def _raw(self, call: Call, model: ChatModel, body: bytes) -> RawExchange:
        info = model.info
        principal = call.principal

        def audit_of(exchange: Exchange) -> AuditEvent:
            usage = exchange.usage[0] if exchange.usage else None
            tokens = usage.prompt_tokens + usage.completion_tokens if usage is not None else 0
            return call.audit("chat.completion", "conversation", exchange.conversation_id, {"model": info.id, "tokens": tokens})

        return RawExchange(
            request=body,
            response=b"",
            actor_id=principal.id,
            actor_name=principal.name,
            model=info.id,
            provider_title=info.provider_title,
            demo=info.demo,
            price_prompt=info.price_prompt,
            price_completion=info.price_completion,
            audit_of=audit_of,
        )


def uses_functions(chat: ChatIn) -> bool:
    """Whether the client speaks the older dialect and must be answered in it."""
    return bytes(chat.functions) not in {b"null", b"[]"} and bytes(chat.tools) in {b"null", b"[]"}


def check_choices(chat: ChatIn) -> None:
    if chat.n is not None and chat.n > 1:
        raise InvalidInput("This model gives one answer at a time: n must be 1", field="n", code="n_not_supported")


def check_abilities(chat: ChatIn, model: ChatModel) -> None:
    """Raises `InvalidInput` for what the model cannot do: prose in place of a promised schema would be worse than a refusal."""
    info = model.info
    empty = {b"null", b"[]"}
    if not info.supports_tools and (bytes(chat.tools) not in empty or bytes(chat.functions) not in empty):
        raise InvalidInput("The model {model} cannot use tools", model=info.id, field="tools", code="tools_not_supported")
    wanted = bytes(chat.response_format)
    if not info.supports_json_schema and wanted != b"null" and b'"text"' not in wanted:
        raise InvalidInput(
            "The model {model} cannot keep to a response format",
            model=info.id,
            field="response_format",
            code="response_format_not_supported",
        )


async def _refused(model: ChatModel, response: RelayResponse) -> ProviderError:
    """What an upstream answer other than 2xx means. Its body is not passed on: it speaks of our key, not the caller's."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.chunks:
            parts.append(part)
            size += len(part)
            if size > _MAX_ERROR:
                break
    except ProviderError:
        parts.clear()
    name = model.info.id.partition("/")[2]
    return failure(model.info.provider_title, response.status, response.headers, b"".join(parts), model=name)
