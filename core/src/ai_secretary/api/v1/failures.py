"""Errors in OpenAI's shape and with the statuses that its clients act on."""

from __future__ import annotations

import re

import msgspec

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
_CODE = {"out_of_funds": "insufficient_quota", "rate_limited": "rate_limit_exceeded", "unauthenticated": "invalid_api_key"}
_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    429: "rate_limit_error",
}

_encode = msgspec.json.Encoder().encode


def status_of(error: SecretaryError) -> int:
    if isinstance(error, ProviderError):
        return _STATUS.get(error.code, 502)
    return error.status


def error_object(error: SecretaryError) -> dict[str, str | None]:
    """The value of `error`; all keys are always there."""
    status = status_of(error)
    code = _CODE.get(error.code, error.code)
    kind = "insufficient_quota" if code == "insufficient_quota" else _TYPE.get(status, "server_error")
    message = error.message if not error.hint else f"{error.message}. {error.hint}"
    return {"message": message, "type": kind, "param": error.field, "code": code}


def error_body(error: SecretaryError) -> bytes:
    return _encode({"error": error_object(error)})


def error_event(error: SecretaryError) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + error_body(error) + b"\n\n"


def retry_after_header(error: SecretaryError) -> list[tuple[bytes, bytes]]:
    if error.retry_after is None:
        return []
    return [(b"retry-after", str(max(1, int(error.retry_after + 0.999))).encode())]


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
