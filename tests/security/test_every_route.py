"""What holds for every route, whoever wrote it: the document and the routing table say which there are."""

from __future__ import annotations

from typing import Any

import pytest

from ai_secretary.config import Settings

from .conftest import House, opened
from .knocking import Operation, knock, knock_socket, routes_of

PUBLIC = {
    "GET /",
    "GET /admin",
    "GET /admin/",
    "GET /admin/auth/status",
    "GET /health",
    "GET /openapi.json",
    "POST /admin/auth/login",
}
"""All that a stranger may ask: two doors that lead to the log-in, the log-in, whether the house is up, and the API's document."""
GATEWAY = ("/v1/chat/completions", "/v1/models", "/v1/audio/speech", "/v1/embeddings")
"""What is answered before FastAPI looks at it."""


def table(house: House) -> list[tuple[str, str, Any]]:
    """FastAPI's own routing table, which also has what the document leaves out."""
    routes = house.application.plugin_routes
    assert routes is not None
    found = list(routes_of(routes._app.routes))
    assert len(found) > 150
    return found


async def everything(house: House) -> list[Operation]:
    known = {str(operation): operation for operation in await house.operations()}
    for method, path, _ in table(house):
        plain = path.replace(":path}", "}")
        if method != "WS":
            known.setdefault(f"{method} {plain}", Operation(method, plain))
    return list(known.values())


async def test_nothing_answers_a_stranger(house: House) -> None:
    wrong = {"authorization": "Bearer sk-nobody-has-this-key-0123"}
    for operation in await everything(house):
        for headers in ({}, wrong, {"x-api-key": "sk-nobody-has-this-key"}, {"cookie": "secretary_session=made.up.token"}):
            for body in ({}, ...):
                answer = await knock(house.web, operation.method, operation.filled(), headers, json_body=body, seconds=3)
                if str(operation) in PUBLIC:
                    assert answer.status in {200, 307, 400, 401, 422}, f"{operation}: {answer.status}"
                else:
                    assert answer.status in {401, 403}, f"{operation} answers a stranger with {answer.status}: {answer.text}"


async def test_the_public_routes_tell_nothing_of_the_house(house: House) -> None:
    assert {"status", "version"} <= set((await house.done("GET", "/health", headers={})).keys())
    status = await house.done("GET", "/admin/auth/status", headers={})
    assert (status["enabled"], status["authenticated"], status["username"]) == (True, False, None)
    for path in ("/", "/health", "/admin/auth/status", "/admin"):
        answer = await house.ask("GET", path, headers={})
        assert str(house.folder) not in answer.text
        assert "admin_password" not in answer.text


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/models", "/v1/audio/speech", "/v1/embeddings", "/v1/models/secretary"]
)
async def test_no_spelling_of_a_v1_path_goes_round_the_key(house: House, path: str) -> None:
    spellings = [path, path + "/", "/" + path, path.upper(), path.replace("/v1/", "/v1//"), "/x/.." + path, path + "?api_key=x"]
    spellings += [path.replace("/v1", "/%76%31"), path.replace("/v1", "/v1/."), path + "%00", path + ";x=1"]
    for spelling in spellings:
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = await knock(house.web, method, spelling, {}, json_body={"model": "secretary", "messages": [], "input": "x"})
            assert answer.status in {307, 401, 403, 404, 405}, f"{method} {spelling}: {answer.status} {answer.text}"
            assert answer.status != 307 or answer.headers["location"].partition("?")[0] == f"http://secretary.test{path}"


async def test_sockets_close_before_a_stranger(house: House) -> None:
    sockets = [path for method, path, _ in table(house) if method == "WS"]
    assert "/admin/tts/ws/stream" in sockets
    for path in sockets:
        assert await knock_socket(house.web, path) == ["websocket.close"]
        assert (await knock_socket(house.web, path, house.admin))[0] == "websocket.accept"


async def test_every_documented_route_names_what_it_asks_for(house: House) -> None:
    nameless = {str(operation) for operation in await house.operations() if operation.permission is None}
    assert nameless <= PUBLIC | {"POST /admin/auth/refresh"}, "the refresh token itself is the credential of a refresh"


async def test_a_reader_changes_nothing(house: House) -> None:
    viewer = await house.person("viewer")
    asked = 0
    for operation in await house.operations():
        area, _, level = (operation.permission or "").partition(":")
        if not operation.path.startswith("/admin/") or level not in {"write", "admin"}:
            continue
        asked += 1
        answer = await knock(house.web, operation.method, operation.filled(), viewer, json_body={})
        assert answer.status == 403, f"{operation} lets a viewer through: {answer.status} {answer.text}"
        assert answer.json["code"] == "missing_permission", f"{operation}: {area}"
    assert asked > 60


async def test_a_key_opens_what_its_scopes_say_and_nothing_else(house: House) -> None:
    models = await house.key("v1:models")
    for operation in await house.operations():
        if operation.permission in {None, "own", "v1:models"}:
            continue
        answer = await knock(house.web, operation.method, operation.filled(), models, json_body={})
        assert answer.status == 403, f"{operation}: {answer.status} {answer.text}"


async def test_no_route_stands_twice_or_hides_another(house: House) -> None:
    """A fixed path behind a parameter (`/presets/{id}` before `/presets/current`) would never be reached."""
    routes = table(house)
    names = [f"{method} {path}" for method, path, _ in routes]
    assert sorted(names) == sorted(set(names))
    by_endpoint = {route.endpoint: f"{method} {path}" for method, path, route in routes}
    for method, path, route in routes:
        if method == "WS" or path.startswith(GATEWAY):
            continue
        answer = await knock(house.web, method, Operation(method, path).filled(), {}, seconds=3)
        found = answer.scope.get("endpoint")
        assert found is route.endpoint, f"{method} {path} is answered by {by_endpoint.get(found)}"


async def test_whatever_comes_is_an_answer_and_no_fault_of_the_server(house: House) -> None:
    """Methods that do not exist, missing tables, wrong types: 500 is none of the answers."""
    bodies: list[dict[str, Any]] = [{}, {"json_body": {}}, {"json_body": []}, {"json_body": None}, {"json_body": "text"}]
    bodies += [{"json_body": {"id": 5, "name": [], "text": {}, "model": 7, "content": None, "messages": {}, "fallbacks": 3}}]
    bodies += [{"body": b"{", "headers": {"content-type": "application/json"}}, {"body": b"\xff\xfe\x00", "headers": {}}]
    bodies += [{"body": b"--x\r\n\r\n", "headers": {"content-type": "multipart/form-data; boundary=x"}}]
    last = {"POST /admin/auth/logout", "POST /admin/auth/password"}
    for operation in sorted(await everything(house), key=lambda operation: str(operation) in last):
        if str(operation) == "GET /admin/audit/export":
            continue  # a long file, read by its own test
        for body in bodies if operation.method != "GET" else bodies[:1]:
            headers = {**house.admin, **body.get("headers", {})}
            rest = {name: value for name, value in body.items() if name != "headers"}
            answer = await knock(house.web, operation.method, operation.filled(), headers, seconds=1.5, **rest)
            assert answer.status < 500 or answer.status in {501, 503}, f"{operation} {body}: {answer.status} {answer.text}"


async def test_every_route_is_counted(settings: Settings) -> None:
    """Once the limits are used up, no route answers: none was forgotten."""
    limits = {f"rate_limit_{group}": "4/hour" for group in ("default", "chat", "tts", "stt")}
    limits["rate_limit_auth"] = "1/hour"
    house = await opened(settings, plugins=("faq", "llm_cloud", "ui"), **limits)
    await house.ask("POST", "/admin/auth/refresh", {"refresh_token": "made-up"})
    try:
        found = await house.operations()
        for path in ("/admin/faq", "/chat", "/tts", "/stt", "/v1/chat/completions", "/v1/audio/speech", "/v1/models"):
            for _ in range(4):
                await house.ask("POST", path, {})
        unlimited = set()
        for operation in found:
            answer = await house.ask(operation.method, operation.filled(), {}, address="198.51.100.77")
            if answer.status != 429:
                unlimited.add(str(operation))
        # A log-in counts its failures, per address and per account.
        assert unlimited == {"GET /health", "GET /metrics", "POST /admin/auth/login"}
    finally:
        await house.application.close()
