"""Errors over HTTP: one shape for the administration (problem+json, RFC 9457), OpenAI's shape for `/v1`. Never a traceback."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from ai_secretary.context import current_request
from ai_secretary.errors import InvalidInput, SecretaryError, TooLarge, Unavailable
from ai_secretary.i18n import translate_anywhere
from ai_secretary.logs import redact_text

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
_REALM = 'Bearer realm="ai-secretary"'


class FieldError(BaseModel):
    """One thing that was wrong with the input."""

    param: str | None = Field(description="Path of the field, like messages.0.role")
    message: str
    code: str


class Problem(BaseModel):
    """An error (RFC 9457): what was wrong, what was expected, what to do next."""

    type: str = Field(description="urn:ai-secretary:problem:<code>")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable name of the error")
    hint: str = ""
    param: str | None = Field(None, description="The offending field")
    request_id: str = Field("", description="Find it in the logs by this")
    errors: list[FieldError] = Field(default_factory=list, description="Every offending field, where there are several")


class OpenAIErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """An error in OpenAI's shape."""

    error: OpenAIErrorDetail


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses in the problem shape, for `responses=` of a route or router."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


ERRORS: dict[int | str, dict[str, Any]] = problem_responses(400, 401, 403, 404, 409, 429)
"""What nearly every route of the administration can answer besides success."""


# -- from errors to bytes ----------------------------------------------------------------------------------------------

Headers = list[tuple[bytes, bytes]]


def is_v1(path: str) -> bool:
    return path.startswith("/v1/") or path == "/v1"


def _openai_type(status: int, code: str) -> str:
    if code == "insufficient_quota":
        return "insufficient_quota"
    named = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    return named.get(status) or ("server_error" if status >= 500 else "invalid_request_error")


def _text(error: SecretaryError) -> tuple[str, str]:
    """Message and hint in the language that the caller asked for, without registered secrets."""
    context = current_request()
    language = (context.language if context is not None else None) or "en"
    template, hint = error.template, error.hint
    if language != "en":
        template, hint = translate_anywhere(template, language), translate_anywhere(hint, language) if hint else ""
    return redact_text(template.format(**error.params) if error.params else template), redact_text(hint)


def error_headers(error: SecretaryError, content_type: str, size: int) -> Headers:
    headers: Headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % size),
        (b"cache-control", b"no-store"),
    ]
    if error.status == 401:
        headers.append((b"www-authenticate", _REALM.encode()))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    return headers


def openai_error_body(error: SecretaryError) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an error on `/v1`, for handlers on bare ASGI too."""
    message, hint = _text(error)
    if hint:
        message = f"{message.rstrip('.')}. {hint}"
    detail = {"message": message, "type": _openai_type(error.status, error.code), "param": error.field, "code": error.code}
    body = json.dumps({"error": detail}, ensure_ascii=False).encode("utf-8", "replace")
    return error.status, error_headers(error, "application/json", len(body)), body


def problem_body(error: SecretaryError, errors: Sequence[FieldError] = ()) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an error everywhere else."""
    message, hint = _text(error)
    context = current_request()
    content: dict[str, Any] = {
        "type": f"urn:ai-secretary:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": message,
        "code": error.code,
        "hint": hint,
        "param": error.field,
        "request_id": context.request_id if context is not None else "",
    }
    if errors:
        content["errors"] = [item.model_dump() for item in errors]
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    return error.status, error_headers(error, PROBLEM_JSON, len(body)), body


def error_body(error: SecretaryError, path: str, errors: Sequence[FieldError] = ()) -> tuple[int, Headers, bytes]:
    """The shape that belongs to the path."""
    return openai_error_body(error) if is_v1(path) else problem_body(error, errors)


# -- from anything to a SecretaryError ---------------------------------------------------------------------------------


class InternalError(SecretaryError):
    """Something that nobody expected; its cause is in the logs under the request's id, and nowhere else."""

    status = 500
    default_code = "internal_error"


class HttpError(SecretaryError):
    """An error that the framework raised, with its own status."""

    def __init__(self, status: int, template: str, *, code: str, hint: str = "", **params: str) -> None:
        super().__init__(template, code=code, hint=hint, field=None, retry_after=None, **params)
        self.status = status  # type: ignore[misc]  # one class for every status of the framework


def internal_error() -> InternalError:
    return InternalError(
        "Something went wrong inside the server", hint="The details are in the server's log under the id of this request."
    )


_FRAMEWORK: Mapping[int, tuple[str, str, str]] = {
    404: ("There is nothing at {path}", "not_found", "The OpenAPI document at /openapi.json lists every path."),
    405: ("{method} is not possible at {path}", "method_not_allowed", "The Allow header lists what is."),
    415: ("The type of the body is not supported", "unsupported_media_type", "Send JSON, or what the path documents."),
    400: ("The body cannot be read", "invalid_body", "Send it as the content type says."),
}


def _from_http(error: HTTPException, connection: HTTPConnection) -> SecretaryError:
    status = error.status_code
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
    if status == 413:
        return TooLarge("The request is too large")
    if status >= 500 and error.detail in (phrase, ""):
        return internal_error() if status == 500 else HttpError(status, phrase, code=phrase.lower().replace(" ", "_"))
    known = _FRAMEWORK.get(status)
    if known is not None and error.detail in (phrase, "", "There was an error parsing the body"):
        template, code, hint = known
        path = connection.scope.get("path", "")
        return HttpError(status, template, code=code, hint=hint, path=path, method=connection.scope.get("method", ""))
    # A detail of a plugin or of the framework, in its own words; braces in it are no placeholders.
    return HttpError(status, "{detail}", code=phrase.lower().replace(" ", "_"), detail=str(error.detail))


def _field_path(location: Sequence[str | int]) -> str | None:
    """`("body", "messages", 0, "role")` → `messages.0.role`."""
    parts = list(location[1:]) if location and location[0] in ("body", "query", "path", "header", "cookie") else list(location)
    return ".".join(str(part) for part in parts) or None


def _from_validation(error: RequestValidationError) -> tuple[SecretaryError, list[FieldError]]:
    """Which fields, and what was expected. What was sent is not repeated: it may be a password."""
    found: list[FieldError] = []
    for item in error.errors():
        kind = str(item.get("type", "invalid"))
        if kind == "json_invalid":
            reason = str((item.get("ctx") or {}).get("error", ""))
            message = f"The body is not valid JSON: {reason}" if reason else "The body is not valid JSON"
            found.append(FieldError(param=None, message=message, code=kind))
            continue
        message = str(item.get("msg", "")).removeprefix("Value error, ").removeprefix("Assertion failed, ")
        found.append(FieldError(param=_field_path(item.get("loc", ())), message=redact_text(message), code=kind))
    first = found[0] if found else FieldError(param=None, message="The input is not valid", code="invalid")
    summary = "{param}: {message}" if first.param else "{message}"
    code = "invalid_json" if first.code == "json_invalid" else "invalid_input"
    return InvalidInput(summary, code=code, field=first.param, param=first.param, message=first.message), found


def _from_database(error: DBAPIError) -> SecretaryError:
    text = str(error.orig).casefold()
    if "0x00" in text or "null character" in text or "nul" in text.split() or "surrogates" in text:
        return _unstorable_text()
    if error.connection_invalidated or type(error).__name__ in ("OperationalError", "InterfaceError"):
        return Unavailable(
            "The database does not answer",
            code="database_away",
            hint="Nothing was changed. Try again in a moment.",
            retry_after=2,
        )
    return internal_error()


def _unstorable_text() -> InvalidInput:
    return InvalidInput("A text contains a NUL or half of a character pair, which cannot be stored", code="invalid_text")


def as_secretary_error(error: Exception, connection: HTTPConnection) -> tuple[SecretaryError, list[FieldError]]:
    """Any exception as one that may be shown; the unexpected becomes `InternalError`."""
    if isinstance(error, SecretaryError):
        return error, []
    if isinstance(error, RequestValidationError | WebSocketRequestValidationError):
        return _from_validation(RequestValidationError(error.errors()))
    if isinstance(error, HTTPException):
        return _from_http(error, connection), []
    if isinstance(error, DBAPIError):
        return _from_database(error), []
    if isinstance(error, UnicodeEncodeError) and "surrogates" in str(error):
        return _unstorable_text(), []
    return internal_error(), []


async def answer_error(connection: HTTPConnection, error: Exception) -> Response | None:
    """The one exception handler of the application, for HTTP and WebSocket routes alike."""
    shown, errors = as_secretary_error(error, connection)
    if shown.status >= 500 and not isinstance(error, SecretaryError | HTTPException):
        log.error("unhandled_error", path=connection.scope.get("path"), code=shown.code, exc_info=error)
    if isinstance(connection, WebSocket):
        if connection.application_state != WebSocketState.DISCONNECTED:
            message, _hint = _text(shown)
            await connection.close(code=1011 if shown.status >= 500 else 1008, reason=_short(f"{shown.code}: {message}"))
        return None
    status, headers, body = error_body(shown, connection.scope.get("path", ""), errors)
    response = Response(body, status)
    response.raw_headers = headers
    for name, value in (getattr(error, "headers", None) or {}).items():
        if isinstance(error, HTTPException) and name.lower() not in ("content-type", "content-length"):
            response.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return response


def _short(reason: str) -> str:
    """A close reason has 123 bytes at most (RFC 6455)."""
    return reason.encode()[:120].decode("utf-8", "ignore")


def install_problems(app: FastAPI) -> None:
    """Every error of this application in the shapes above."""
    for kind in (
        SecretaryError,
        HTTPException,
        RequestValidationError,
        WebSocketRequestValidationError,
        DBAPIError,
        UnicodeEncodeError,
        Exception,
    ):
        app.add_exception_handler(kind, answer_error)  # type: ignore[arg-type]  # it takes both kinds of connection
