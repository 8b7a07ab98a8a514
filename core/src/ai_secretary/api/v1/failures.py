"""Errors in OpenAI's shape and with the statuses that its clients act on."""

from __future__ import annotations

import re

import msgspec

from ai_secretary.api.problems import openai_error_body
from ai_secretary.errors import InvalidInput, ProviderError, SecretaryError

_STATUS = {
    "rate_limited": 429,
    "out_of_funds": 429,
    "model_not_found": 404,
    "context_length_exceeded": 400,
    "request_refused": 400,
    "provider_timeout": 504,
}
"""Of provider errors, by code; the others are 502. A refused key is ours, so the caller never sees 401 for it."""
_CODE = {"out_of_funds": "insufficient_quota", "rate_limited": "rate_limit_exceeded"}


class _ProviderFailed(ProviderError):
    """A provider's error as the caller of `/v1` gets it."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(
            error.template,
            code=_CODE.get(error.code, error.code),
            hint=error.hint,
            field=error.field,
            retry_after=error.retry_after,
            **error.params,
        )
        self.status = _STATUS.get(error.code, 502)  # type: ignore[misc]  # one class for every status


def for_client(error: SecretaryError) -> SecretaryError:
    """The error with the status and the code that a client of `/v1` acts on."""
    return _ProviderFailed(error) if isinstance(error, ProviderError) else error


def status_of(error: SecretaryError) -> int:
    return for_client(error).status


def error_body(error: SecretaryError) -> bytes:
    """`{"error": {…}}`; all keys are always there."""
    return openai_error_body(for_client(error))[2]


def retry_after_header(error: SecretaryError) -> list[tuple[bytes, bytes]]:
    if error.retry_after is None:
        return []
    return [(b"retry-after", b"%d" % max(1, int(error.retry_after + 0.999)))]


def error_event(error: SecretaryError) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + error_body(error) + b"\n\n"


_MISSING = re.compile(r"missing required field `([^`]+)`")
_PLACE = re.compile(r" - at `\$([^`]*)`$")


def invalid_body(error: msgspec.MsgspecError | UnicodeDecodeError) -> InvalidInput:
    """What is wrong with a JSON body, with the path of the field as clients know it (`messages.0.role`)."""
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return InvalidInput(
            "The request body is not valid JSON", code="invalid_json", hint="Check commas, quotes and encoding (UTF-8)."
        )
    place = _PLACE.search(text)
    what = text[: place.start()] if place else text
    path = _dotted(place.group(1)) if place else ""
    missing = _MISSING.search(what)
    if missing is not None:
        name = missing.group(1)
        path = f"{path}.{name}" if path else name
        return InvalidInput("Missing required parameter: {param}", param=path, field=path, code="missing_required_parameter")
    return InvalidInput(
        "Invalid value for {param}: {what}", param=path or "the body", what=what.replace("`", "'"), field=path or None
    )


def _dotted(path: str) -> str:
    """`.messages[0].role` → `messages.0.role`."""
    return path.replace("[", ".").replace("]", "").strip(".")
