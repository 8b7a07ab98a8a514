"""What went wrong at a model server, in the house's codes (see `llm.protocols.ChatModel.stream`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from ai_secretary.errors import ProviderError, ProviderTimeout
from ai_secretary.openai_wire.structs import ErrorDetail

_CONTEXT = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|too many tokens|prompt is too long|input (is )?too long"
    r"|exceeds? the (maximum|available)|reduce the length",
    re.IGNORECASE,
)
_FUNDS = re.compile(
    r"insufficient[ _-](quota|balance|funds|credit)|exceeded your current quota|billing|payment required|out of credits", re.I
)
_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|unknown|not supported|no access)|unknown model|no such model", re.I | re.S
)
_STATUS_OF_TYPE = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "authentication_error": 401,
    "invalid_request_error": 400,
}
_KEY = re.compile(r"\b(sk|pk|rk|key|AIza|gsk|xai|hf)[-_]?[A-Za-z0-9_\-*•]{12,}")


class ProviderRateLimited(ProviderError):
    """The provider asks to wait; `retry_after` in seconds where it says how long."""

    status = 429
    default_code = "rate_limited"


class RequestRefused(ProviderError):
    """The provider says that the request itself is wrong: another provider may still take it."""

    status = 400
    default_code = "request_refused"


class ModelUnknown(ProviderError):
    status = 404
    default_code = "model_not_found"


def error_detail(body: bytes) -> ErrorDetail:
    """The error object of an answer, as far as there is one: `{"error": {…}}`, `{"error": "…"}`, `{"detail": …}`."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorDetail()
    return detail_of(found)


def detail_of(found: Any) -> ErrorDetail:
    if isinstance(found, list) and found:
        found = found[0]  # Google's OpenAI-compatible endpoint wraps the object in a list
    if not isinstance(found, dict):
        return ErrorDetail(message=str(found)) if isinstance(found, str) else ErrorDetail()
    error = found.get("error", found.get("detail", found))
    if isinstance(error, str):
        return ErrorDetail(message=error, code=found.get("code") if isinstance(found.get("code"), (str, int)) else None)
    if isinstance(error, list) and error and isinstance(error[0], dict):  # FastAPI's validation errors
        place = ".".join(str(part) for part in error[0].get("loc", ())[1:])
        return ErrorDetail(message=str(error[0].get("msg", "")), param=place or None)
    if not isinstance(error, dict):
        return ErrorDetail()
    text = error.get("message") or error.get("msg") or ""
    code = error.get("code")
    return ErrorDetail(
        message=str(text) or None,
        type=str(error["type"]) if error.get("type") else None,
        code=code if isinstance(code, (str, int)) and not isinstance(code, bool) else None,
        param=str(error["param"]) if error.get("param") else None,
    )


def words(text: str | None, secret: str = "") -> str:
    """The provider's own words, short, on one line and without anything that looks like a key."""
    cleaned = " ".join((text or "").split())
    if secret:
        cleaned = cleaned.replace(secret, "•••")
    return _KEY.sub("•••", cleaned)[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the `retry-after-ms` or `retry-after` header asks for (a number or an HTTP date), at most an hour."""
    milliseconds = headers.get("retry-after-ms")
    value = headers.get("retry-after")
    seconds: float | None = None
    try:
        if milliseconds is not None:
            seconds = float(milliseconds) / 1000
        elif value is not None:
            seconds = float(value)
    except ValueError:
        if value is not None:
            try:
                when = parsedate_to_datetime(value)
                seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
            except (TypeError, ValueError):
                seconds = None
    if seconds is None or seconds != seconds:
        return None
    return min(max(seconds, 0.0), 3600.0)


def failure(
    provider: str, status: int, headers: Mapping[str, str], body: bytes, *, model: str = "", secret: str = ""
) -> ProviderError:
    """The error that an HTTP answer other than 2xx means."""
    detail = error_detail(body)
    return classify(provider, status, detail, retry_after=retry_after(headers), model=model, secret=secret)


def classify(
    provider: str, status: int, detail: ErrorDetail, *, retry_after: float | None = None, model: str = "", secret: str = ""
) -> ProviderError:
    code = str(detail.code or "").lower()
    kind = str(detail.type or "").lower()
    message = detail.message or ""
    said = words(message, secret)
    params: dict[str, Any] = {"provider": provider, "said": said, "model": model, "http_status": status}
    if (
        status == 402
        or code in {"insufficient_quota", "insufficient_balance"}
        or kind == "insufficient_quota"
        or (status in {400, 403, 429} and _FUNDS.search(message))
    ):
        return ProviderError(
            "{provider}: the account is out of funds",
            code="out_of_funds",
            hint="Top up the provider's account; it works again without a restart.",
            **params,
        )
    lowered = message.lower()
    if status in {401, 403} or code == "invalid_api_key" or (status == 400 and "api key" in lowered and "valid" in lowered):
        return ProviderError(
            "{provider} refused the key",
            code="key_refused",
            hint="Make a new key at the provider and replace this one.",
            **params,
        )
    if status == 429:
        return ProviderRateLimited("{provider} asks to wait: too many requests", retry_after=retry_after, **params)
    if code == "context_length_exceeded" or status == 413 or (status in {400, 422} and _CONTEXT.search(message)):
        return RequestRefused(
            "The conversation is too long for {model}" if model else "The conversation is too long for the model",
            code="context_length_exceeded",
            hint="Shorten the messages or choose a model with a larger context window.",
            **params,
        )
    if code == "model_not_found" or (status in {400, 404, 422} and _MODEL.search(message)):
        return ModelUnknown(
            "{provider} does not know the model {model}",
            hint="Choose one of the models that the provider lists.",
            **params,
        )
    if status in {404, 405} or 300 <= status < 400:
        return ProviderError(
            "{provider}: there is no OpenAI-compatible API at this address",
            code="bad_reply",
            hint="Check the address; it usually ends with /v1.",
            **params,
        )
    if status in {408, 504, 524}:
        return ProviderTimeout("{provider} did not answer in time", **params)
    if 400 <= status < 500:
        refused = RequestRefused("{provider} refused the request: {said}" if said else "{provider} refused the request", **params)
        refused.field = detail.param
        return refused
    return ProviderError(
        "{provider} is having trouble (HTTP {http_status})",
        code="unreachable",
        retry_after=retry_after,
        hint="Nothing to do here: the provider usually recovers within minutes.",
        **params,
    )


def in_stream(provider: str, error: Any, *, model: str = "", secret: str = "") -> ProviderError:
    """The error that a `{"error": …}` object in the middle of a stream (or in a 200 answer) means."""
    detail = detail_of({"error": error})
    code = detail.code
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 0
    if not 400 <= status <= 599:
        status = _STATUS_OF_TYPE.get(str(code or detail.type or ""), 500)
    return classify(provider, status, detail, model=model, secret=secret)


def bad_reply(provider: str, what: str) -> ProviderError:
    return ProviderError(
        "{provider} sent an answer that cannot be read: {what}",
        provider=provider,
        what=what,
        code="bad_reply",
        hint="Check that the address leads to an OpenAI-compatible API.",
    )


def unknown_host(provider: str, host: str) -> ProviderError:
    return ProviderError(
        "{provider}: there is no server with the name {host}",
        provider=provider,
        host=host,
        code="unreachable",
        hint="Check the address, and whether this machine has a connection to the network.",
    )
