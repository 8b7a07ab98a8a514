"""What a passed-through request and its answer said: text, tokens, error. Runs in the journal's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ai_secretary.conversations.models import TITLE_LENGTH
from ai_secretary.conversations.records import (
    ConversationRecord,
    Exchange,
    MessageRecord,
    MessageSource,
    RawExchange,
    UsageRecord,
)
from ai_secretary.conversations.threads import Fingerprint, Thread, Threads
from ai_secretary.ids import new_ids
from ai_secretary.llm import Usage
from ai_secretary.openai_wire.sse import SSEDecoder
from ai_secretary.openai_wire.structs import Answer, ToolCallPart, answer_decoder

TITLE_FROM = 50
"""Characters of the first message that name a conversation."""


class _Message(msgspec.Struct):
    role: str
    content: str | list[Any] | None = None


class _Request(msgspec.Struct):
    messages: list[_Message] = []


_request = msgspec.json.Decoder(_Request)


@dataclass(slots=True)
class Reply:
    text: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    tool_calls: list[dict[str, str]] | None = None


def title_of(text: str) -> str:
    """The beginning of a first message, as a title."""
    line = " ".join(text[: TITLE_LENGTH * 2].split())
    return line if len(line) <= TITLE_FROM else line[:TITLE_FROM].rstrip() + "…"


def text_of(content: str | list[Any] | None) -> str:
    if isinstance(content, str):
        return content
    parts = [str(part.get("text", "")) for part in content or () if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(parts)


def estimate_tokens(text: str) -> int:
    """A cautious guess where the server told nothing: about 4 Latin or 2.5 Cyrillic characters to a token."""
    return (len(text.encode("utf-8", "replace")) + 4) // 4 if text else 0


def parse_request(body: bytes) -> list[tuple[str, str]]:
    """(role, text) of every message; empty when the body is not a chat request."""
    try:
        return [(message.role, text_of(message.content)) for message in _request.decode(body).messages]
    except msgspec.MsgspecError:
        return []


def parse_reply(raw: RawExchange) -> Reply:
    reply = Reply()
    if raw.streamed and raw.status < 400:
        decoder = SSEDecoder()
        chunks = [*decoder.feed(raw.response), *decoder.finish()]
    else:
        chunks = [raw.response]
    texts: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        if chunk[:1] != b"{":
            continue
        try:
            answer = answer_decoder.decode(chunk)
        except msgspec.MsgspecError:
            reply.error_code = reply.error_code or "bad_reply"
            continue
        _take(answer, reply, texts, calls)
    reply.text = "".join(texts)
    if calls:
        reply.tool_calls = [calls[index] for index in sorted(calls)]
    if raw.status >= 400:
        reply.error_code = reply.error_code or f"http_{raw.status}"
    elif not chunks and not raw.cancelled:
        reply.error_code = "bad_reply"
    return reply


def _take(answer: Answer, reply: Reply, texts: list[str], calls: dict[int, dict[str, str]]) -> None:
    if answer.usage is not None:
        reply.prompt_tokens = answer.usage.prompt_tokens
        reply.completion_tokens = answer.usage.completion_tokens
        reply.cost_usd = answer.usage.cost
    if answer.error is not None:
        code = answer.error.get("code") or answer.error.get("type") if isinstance(answer.error, dict) else None
        reply.error_code = str(code or "provider_error")[:64]
    for choice in answer.choices:
        if choice.index:
            continue
        reply.finish_reason = choice.finish_reason or reply.finish_reason
        content = choice.message or choice.delta
        if content is None:
            continue
        if content.text:
            texts.append(content.text)
        for position, part in enumerate(content.tool_calls or ()):
            _take_call(calls, part, position)


def _take_call(calls: dict[int, dict[str, str]], part: ToolCallPart, position: int) -> None:
    call = calls.setdefault(part.index if part.index is not None else position, {"id": "", "name": "", "arguments": ""})
    if part.id:
        call["id"] = part.id
    if part.function is not None:
        call["name"] = part.function.name or call["name"]
        if isinstance(part.function.arguments, str):
            call["arguments"] += part.function.arguments


def _cost(raw: RawExchange, reply: Reply, prompt_tokens: int, completion_tokens: int) -> float | None:
    if reply.cost_usd is not None:
        return reply.cost_usd
    if raw.price_prompt is None or raw.price_completion is None:
        return None
    return (prompt_tokens * raw.price_prompt + completion_tokens * raw.price_completion) / 1_000_000


def to_exchange(raw: RawExchange, threads: Threads) -> Exchange:
    """The exchange that these bytes were. Never fails on what is inside them: what cannot be read is stored as an error."""
    said = parse_request(raw.request)
    reply = parse_reply(raw)
    # What follows the last user message (results of tools) belongs to the request, not to the person.
    last_user = next((index for index in range(len(said) - 1, -1, -1) if said[index][0] == "user"), None)
    before = Fingerprint(raw.actor_id, said[:last_user] if last_user is not None else said)
    thread = threads.find(before)
    for role, content in said[before.length :]:
        before.add(role, content)
    question = said[last_user][1] if last_user is not None else ""

    estimated = reply.prompt_tokens is None and reply.completion_tokens is None and not reply.error_code
    prompt_tokens, completion_tokens = reply.prompt_tokens or 0, reply.completion_tokens or 0
    if estimated:
        prompt_tokens = sum(estimate_tokens(content) + 4 for _, content in said)
        completion_tokens = estimate_tokens(reply.text)
    cost = _cost(raw, reply, prompt_tokens, completion_tokens)
    details: dict[str, Any] = {}
    if estimated:
        details["usage"] = "estimated"
    if reply.finish_reason not in (None, "stop"):
        details["finish_reason"] = reply.finish_reason
    if reply.tool_calls:
        details["tool_calls"] = reply.tool_calls

    new_conversation, user_id, assistant_id = new_ids("conv", "msg", "msg")
    conversation_id = thread.conversation_id if thread else new_conversation
    user = MessageRecord(conversation_id, thread.head_id if thread else None, "user", question, user_id, created_at=raw.at)
    timings: dict[str, Any] = {"total_ms": round(raw.total_ms, 1), "stages": {"llm": round(raw.total_ms, 1)}}
    if raw.first_token_ms is not None:
        timings["first_token_ms"] = round(raw.first_token_ms, 1)
    assistant = MessageRecord(
        conversation_id,
        user.id,
        "assistant",
        reply.text,
        assistant_id,
        status="cancelled" if raw.cancelled else "error" if reply.error_code else "ok",
        error_code=reply.error_code,
        source=MessageSource("demo_model" if raw.demo else "model", raw.provider_title, raw.model),
        model=raw.model,
        usage=Usage(prompt_tokens, completion_tokens, cost),
        timings=timings,
        details=details,
    )
    before.add("assistant", reply.text)
    if assistant.status == "ok":
        threads.remember(before, Thread(conversation_id, assistant.id))
    exchange = Exchange(
        conversation_id,
        (user, assistant),
        conversation=None
        if thread
        else ConversationRecord(
            conversation_id,
            raw.source,
            owner_id=raw.actor_id,
            person_id=raw.actor_id or "",
            person_name=raw.actor_name,
            model=raw.model,
        ),
        usage=(
            UsageRecord(
                "llm",
                actor_id=raw.actor_id,
                source=raw.source,
                model=raw.model,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                cost_usd=cost,
                duration_ms=raw.total_ms,
                conversation_id=conversation_id,
                at=raw.at,
            ),
        ),
        audit=raw.audit,
        title=title_of(question),
    )
    if raw.audit_of is not None:
        exchange.audit = (*exchange.audit, raw.audit_of(exchange))
    return exchange
