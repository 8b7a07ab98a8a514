"""`/v1/embeddings` for models that can embed."""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec

from ai_secretary.api.v1.asgi import JSON, ClientGone, Departure, respond
from ai_secretary.api.v1.call import Call
from ai_secretary.api.v1.requests import EmbeddingsIn
from ai_secretary.conversations import Journal, UsageRecord
from ai_secretary.errors import InvalidInput
from ai_secretary.llm import ChatModel, EmbeddingModel

MOST_TEXTS = 2048
_encode = msgspec.json.Encoder().encode


async def serve_embeddings(call: Call, model: ChatModel, wanted: EmbeddingsIn, journal: Journal) -> None:
    """OpenAI's clients ask for base64 (little-endian float32) unless told otherwise, so both forms are there."""
    if not isinstance(model, EmbeddingModel):
        raise InvalidInput(
            "The model {model} has no embeddings", model=wanted.model, field="model", code="embeddings_not_supported"
        )
    texts = _texts(wanted)
    try:
        async with Departure(call.receive):
            result = await model.embed(texts, dimensions=wanted.dimensions)
    except ClientGone:
        return
    data: list[dict[str, Any]] = []
    for index, vector in enumerate(result.vectors):
        value: Any = vector
        if wanted.encoding_format == "base64":
            value = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": value})
    usage = result.usage
    await journal.record(
        UsageRecord(
            "llm",
            actor_id=call.principal.id,
            source="api",
            model=model.info.id,
            units=float(len(texts)),
            prompt_tokens=usage.prompt_tokens,
            cost_usd=usage.cost_usd,
            duration_ms=call.elapsed_ms,
        )
    )
    answer = {
        "object": "list",
        "data": data,
        "model": wanted.model,
        "usage": {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens},
    }
    await respond(call.send, 200, call.headers(JSON), _encode(answer))


def _texts(wanted: EmbeddingsIn) -> list[str]:
    given = [wanted.input] if isinstance(wanted.input, str) else wanted.input
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) != len(given):
        raise InvalidInput("Invalid value for {param}: tokens are not taken, send text", param="input", field="input")
    if not texts or any(not text for text in texts):
        raise InvalidInput("Invalid value for {param}: it must not be empty", param="input", field="input")
    if len(texts) > MOST_TEXTS:
        raise InvalidInput(
            "Invalid value for {param}: at most {most} texts at once", param="input", most=MOST_TEXTS, field="input"
        )
    return texts
