"""The OpenAPI document: permissions, ways to prove who one is, and the errors that every route shares."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from ai_secretary.access import SESSION_COOKIE
from ai_secretary.api.problems import PROBLEM_JSON, OpenAIError, Problem, is_v1
from ai_secretary.api.security import permission_of

_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or the access token of a log-in"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "The session of a browser; unsafe methods must come from the same origin",
    },
}
_SHARED = (400, 429)
_SECURED = (401, 403)
_REFERENCE = "#/components/schemas/{model}"


def _permissions(dependant: Dependant) -> Iterator[str]:
    for dependency in dependant.dependencies:
        permission = permission_of(dependency.call)
        if permission is not None:
            yield permission
        yield from _permissions(dependency)


def route_permissions(app: FastAPI) -> dict[tuple[str, str], list[str]]:
    """`(method, path template)` of every API route → the permissions that it asks for (an empty list: public)."""
    found: dict[tuple[str, str], list[str]] = {}
    for context in iter_route_contexts(app.routes):
        route = cast(Any, context)
        if not isinstance(context.original_route, APIRoute):
            continue
        for method in route.methods or ():
            found[(method.lower(), route.path_format)] = sorted(set(_permissions(route.dependant)))
    return found


def _error(status: int, path: str) -> dict[str, Any]:
    model, media = ("OpenAIError", "application/json") if is_v1(path) else ("Problem", PROBLEM_JSON)
    description = HTTPStatus(status).phrase if status else "Any other error"
    return {"description": description, "content": {media: {"schema": {"$ref": _REFERENCE.format(model=model)}}}}


def _complete(operation: dict[str, Any], path: str, permissions: list[str]) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    # FastAPI documents 422; here a bad input is a 400 (see `problems`).
    responses.pop("422", None)
    statuses = [*_SHARED, *(_SECURED if permissions else ()), *((413,) if "requestBody" in operation else ())]
    for status in statuses:
        responses.setdefault(str(status), _error(status, path))
    if is_v1(path):
        for status in list(responses):
            if status.isdigit() and int(status) >= 400:
                responses[status] = _error(int(status), path)
    responses.setdefault("default", _error(0, path))
    if permissions:
        operation["x-permission"] = permissions[0] if len(permissions) == 1 else permissions
        operation["security"] = [{name: []} for name in _SCHEMES]


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` tell permissions, security schemes and errors; built once per set of routes."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        if "securitySchemes" in components:
            return document
        permissions = route_permissions(app)
        for path, operations in document.get("paths", {}).items():
            for method, operation in operations.items():
                if isinstance(operation, dict):
                    _complete(operation, path, permissions.get((method, path), []))
        components["securitySchemes"] = dict(_SCHEMES)
        for model in (Problem, OpenAIError):
            schema = model.model_json_schema(ref_template=_REFERENCE)
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
