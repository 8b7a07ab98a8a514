from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog

from ai_secretary.access import KeyChange
from ai_secretary.errors import RateLimited
from ai_secretary.logs import mask_secret, unmask_secret
from ai_secretary.storage import Database

SECRET = "planted-secret-value"


@pytest.fixture
def planted() -> Any:
    mask_secret(SECRET)
    yield SECRET
    unmask_secret(SECRET)


# -- request ids and addresses -----------------------------------------------------------------------------------------


async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    first, second = await client.get("/address"), await client.get("/nowhere")
    assert re.fullmatch(r"req_[0-9a-f]+", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert second.json()["request_id"] == second.headers["x-request-id"]
    mine = await client.get("/address", headers={"x-request-id": "Trace-1.2:3_4"})
    assert mine.headers["x-request-id"] == "Trace-1.2:3_4"


@pytest.mark.parametrize("value", ["", "a b", "x" * 65, "<script>", "a,b", "é", "a\tb"])
async def test_a_request_id_that_is_none_is_replaced(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.get("/address", headers={"x-request-id": value.encode()})
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "seen"),
    [
        ((), "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ((), "127.0.0.1", "198.51.100.1", "127.0.0.1"),
        (("10.0.0.0/8",), "203.0.113.7", "198.51.100.1", "203.0.113.7"),
        (("10.0.0.0/8",), "10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (("10.0.0.0/8",), "10.0.0.1", "198.51.100.1:5000", "198.51.100.1"),
        (("10.0.0.0/8",), "10.0.0.1", "[2001:db8::1]:5000", "2001:db8::1"),
        (("10.0.0.0/8",), "10.0.0.1", "1.2.3.4, garbage", "10.0.0.1"),
        (("10.0.0.0/8",), "10.0.0.1", "", "10.0.0.1"),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (("2001:db8::/32",), "2001:db8::9", "198.51.100.1", "198.51.100.1"),
    ],
)
async def test_the_clients_address(
    build_house: Any, sqlite_database: Database, proxies: tuple[str, ...], peer: str, forwarded: str, seen: str
) -> None:
    house = await build_house(sqlite_database, trusted_proxies=proxies)
    client = await house.client(peer)
    answer = await client.get("/address", headers={"x-forwarded-for": forwarded})
    assert answer.json()["address"] == seen


async def test_several_forwarded_headers_are_one_list(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, trusted_proxies=("10.0.0.1",))
    client = await house.client("10.0.0.1")
    answer = await client.get("/address", headers=[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.1")])
    assert answer.json()["address"] == "198.51.100.1"


async def test_only_a_trusted_proxy_may_say_https(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, trusted_proxies=("10.0.0.1",))
    for peer, scheme in (("10.0.0.1", "https"), ("203.0.113.7", "http")):
        client = await house.client(peer)
        answer = await client.get("/address", headers={"x-forwarded-proto": "https"})
        assert answer.json()["scheme"] == scheme
        assert ("strict-transport-security" in answer.headers) is (scheme == "https")


# -- size of the body --------------------------------------------------------------------------------------------------


async def _pieces(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("path", ["/echo", "/v1/echo"])
async def test_a_body_over_the_limit_is_413_however_it_is_sent(build_house: Any, sqlite_database: Database, path: str) -> None:
    house = await build_house(sqlite_database, max_body_mb=1)
    client = await house.client()
    for body in (b"x" * (1024 * 1024 + 1), _pieces(2 * 1024 * 1024)):
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        error = answer.json()["error"] if path.startswith("/v1") else answer.json()
        assert error["code"] == "too_large"
    for lie in ("-1", "1e9", "9" * 30, "0x10", "²"):
        answer = await client.post(path, content=b"{}", headers={"content-length": lie.encode()})
        assert answer.status_code == 413, "a length that is none"


async def test_a_body_within_the_limit_passes(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, max_body_mb=1)
    client = await house.client()
    assert (await client.post("/echo", content=_pieces(1024 * 1024))).json() == {"size": 1024 * 1024}
    assert (await client.post("/echo", content=b"x" * 1024 * 1024)).json() == {"size": 1024 * 1024}


async def test_what_is_too_large_is_not_read_to_its_end(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, max_body_mb=1)
    client = await house.client()
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 500 * 1024 * 1024:
            sent += 65536
            yield b"x" * 65536

    assert (await client.post("/echo", content=endless())).status_code == 413
    assert sent < 4 * 1024 * 1024


# -- websites that may call --------------------------------------------------------------------------------------------


async def test_an_allowed_website_may_call_v1_with_a_key(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, cors_origins=("https://shop.test",))
    client = await house.client()
    preflight = await client.options(
        "/v1/things/a",
        headers={
            "origin": "https://shop.test",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,x-stainless-os",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://shop.test"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in preflight.headers, "cookies are never for other websites"
    answer = await client.get("/v1/things/a", headers={"origin": "https://shop.test", "authorization": f"Bearer {house.key}"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.test"
    assert "origin" in answer.headers["vary"].lower()
    refused = await client.get("/v1/things/a", headers={"origin": "https://shop.test"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://shop.test")


@pytest.mark.parametrize(
    "origin", ["https://evil.test", "null", "https://shop.test.evil.test", "http://shop.test", "https://shop.test:444", "*"]
)
async def test_other_websites_are_told_nothing(build_house: Any, sqlite_database: Database, origin: str) -> None:
    house = await build_house(sqlite_database, cors_origins=("https://shop.test",))
    client = await house.client()
    preflight = await client.options("/v1/things/a", headers={"origin": origin, "access-control-request-method": "GET"})
    assert preflight.status_code == 403
    answer = await client.get("/v1/things/a", headers={"origin": origin, "authorization": f"Bearer {house.key}"})
    for headers in (preflight.headers, answer.headers):
        assert not any(name.startswith("access-control-") for name in headers)


async def test_a_wildcard_is_refused_even_past_the_settings(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, cors_origins=("*",))
    client = await house.client()
    answer = await client.get("/v1/things/a", headers={"origin": "https://evil.test"})
    assert "access-control-allow-origin" not in answer.headers


async def test_the_widget_decides_for_itself_who_may_call(client: httpx.AsyncClient) -> None:
    preflight = await client.options(
        "/widget/thing", headers={"origin": "https://a.test", "access-control-request-method": "GET"}
    )
    assert preflight.status_code == 405, "it reached the widget's own route"


# -- security headers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/address", "/nowhere", "/v1/things/a", "/boom", "/admin/auth/status"])
async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "microphone=(self)" in headers["permissions-policy"]
    assert "camera=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    for name in ("content-security-policy", "x-request-id", "cache-control"):
        assert len(headers.get_list(name)) == 1


async def test_https_is_remembered(house: Any) -> None:
    client = await house.client(base_url="https://secretary.test")
    assert int(re.findall(r"\d+", (await client.get("/address")).headers["strict-transport-security"])[0]) >= 31536000


# -- errors ------------------------------------------------------------------------------------------------------------


async def test_problem_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/conflict")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:ai-secretary:problem:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "The name olga is taken",
        "code": "conflict",
        "hint": "Choose another name.",
        "param": "username",
        "request_id": answer.headers["x-request-id"],
    }


async def test_openai_errors(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/provider")
    assert answer.status_code == 502
    assert answer.headers["retry-after"] == "8"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("server_error", "provider_error")
    assert error["message"] == "The provider x refused. Check its key."
    missing = await client.get("/v1/nowhere")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")
    nobody = await client.get("/v1/things/a")
    assert (nobody.status_code, nobody.json()["error"]["type"]) == (401, "authentication_error")


async def test_errors_are_in_the_callers_language(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"accept-language": "de, ru;q=0.8, en;q=0.5"})
    assert re.search(r"[а-яё]", answer.json()["detail"])
    assert re.search(r"[а-яё]", answer.json()["hint"])
    english = await client.get("/nowhere", headers={"accept-language": "en-GB, ru;q=0.8"})
    assert english.json()["detail"] == "There is nothing at /nowhere"


async def test_wrong_paths_and_methods(client: httpx.AsyncClient) -> None:
    missing = await client.get("/admin/nowhere/{braces}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await client.delete("/echo")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


async def test_bad_input_names_the_field_and_repeats_no_value(client: httpx.AsyncClient) -> None:
    body = {"name": 5, "password": {"deep": "my-secret-password"}, "ages": [1, "two"]}
    answer = await client.post("/v1/echo", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "name"
    assert "my-secret-password" not in answer.text
    echoed = await client.post("/v1/echo", json={"name": "x", "password": SECRET})
    assert echoed.status_code == 400
    house_errors = await client.post("/admin/users", json={})
    assert house_errors.status_code == 401, "who may not enter learns nothing about the fields"


async def test_every_bad_field_is_listed(house: Any, client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/users", json={"username": ["x"], "role": "king"}, headers=await house.log_in())
    assert answer.status_code == 400
    assert {item["param"] for item in answer.json()["errors"]} == {"username", "password", "role"}


async def test_a_validators_message_does_not_give_the_secret_away(client: httpx.AsyncClient, planted: str) -> None:
    answer = await client.post("/v1/echo", json={"name": "x", "password": planted})
    assert answer.status_code == 400
    assert planted not in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,2", b"\xff\xfe", b'{"name": NaN', b"[" * 100_000, b'{"a":' * 50_000, b"null", b'"text"', b"5"]
)
async def test_broken_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/v1/echo", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/boom", "/v1/boom"])
async def test_what_nobody_expected_is_500_without_a_traceback(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 500
    body = answer.json().get("error", answer.json())
    assert body["code"] == "internal_error"
    for word in ("Traceback", "LookupError", SECRET, ".py"):
        assert word not in answer.text
    assert answer.headers["x-request-id"]


async def test_an_answer_that_fails_amid_is_cut(house: Any) -> None:
    transport = httpx.ASGITransport(app=house.asgi, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://secretary.test") as client:
        with pytest.raises(LookupError):
            await client.get("/cut")


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_limits_count_by_address_and_by_caller(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, rules={"default": "3/minute", "chat": "2/minute"})
    client, neighbour = await house.client(), await house.client("203.0.113.8")
    answers = [await client.get("/address") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    assert answers[0].headers["ratelimit-limit"] == "3"
    assert answers[3].json()["code"] == "rate_limited"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 20
    assert answers[3].headers["content-security-policy"]
    assert (await neighbour.get("/address")).status_code == 200
    key = {"authorization": f"Bearer {house.key}"}
    assert (await client.get("/address", headers=key)).status_code == 200, "the key is counted by itself"
    statuses = [(await client.post("/v1/chat/completions", headers=key)).status_code for _ in range(3)]
    assert statuses == [404, 404, 429], "the group of chat has a limit of its own"
    refused = await client.post("/v1/chat/completions", headers=key)
    assert refused.json()["error"]["type"] == "rate_limit_error"


async def test_a_request_is_counted_once_per_group(build_house: Any, sqlite_database: Database) -> None:
    house = await build_house(sqlite_database, rules={"chat": "3/minute", "tts": "2/minute"})
    client = await house.client()
    key = await house.access.keys.create(KeyChange("program", per_minute=3))
    for headers in ({"x-api-key": house.key}, {"x-api-key": key.raw}):
        statuses = [(await client.post("/chat", headers=headers)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429], "the second group is counted too, each once"
    house.limits.check_fast("default", key.row.id)
    with pytest.raises(RateLimited):
        house.limits.check_fast("chat", key.row.id)


# -- metrics -----------------------------------------------------------------------------------------------------------


async def test_metrics_have_templates_for_labels(house: Any, client: httpx.AsyncClient) -> None:
    admin = await house.log_in()
    for number in range(5):
        await client.get(f"/admin/users/usr_{number}", headers=admin)
        await client.get(f"/nowhere/{number}")
        await client.get(f"/ui/page-{number}")
        await client.request(f"METHOD{number}", "/address")
    _type, body = house.metrics.render()
    text = body.decode()
    assert 'secretary_http_requests_total{method="GET",route="/admin/users/{user_id}",status="4xx"} 5.0' in text
    assert 'secretary_http_requests_total{method="GET",route="unmatched",status="4xx"} 5.0' in text
    assert 'route="/ui"' in text
    assert 'method="OTHER"' in text
    for word in ("usr_", "nowhere", "page-", "METHOD"):
        assert word not in text
    assert "secretary_http_requests_in_flight 0.0" in text
    assert "process_resident_memory_bytes" in text


# -- the log -----------------------------------------------------------------------------------------------------------


async def test_a_line_for_every_request(house: Any, client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as lines:
        await client.get("/v1/things/a?token=very-secret", headers={"authorization": f"Bearer {house.key}"})
        await client.get("/boom")
    [first] = [line for line in lines if line.get("path") == "/v1/things/a"]
    assert (first["status"], first["method"], first["address"]) == (200, "GET", "203.0.113.7")
    assert first["caller"].startswith("key_")
    assert first["ms"] >= 0
    assert "very-secret" not in json.dumps(lines, default=str), "query strings are not logged"
    assert house.key not in json.dumps(lines, default=str)
    [broken] = [line for line in lines if line["event"] == "unhandled_error"]
    assert isinstance(broken["exc_info"], LookupError)


async def test_requests_side_by_side_keep_their_own_context(house: Any) -> None:
    clients = [await house.client(f"203.0.113.{number}") for number in range(20)]
    answers = await asyncio.gather(
        *(client.get("/nowhere", headers={"x-request-id": f"id-{n}"}) for n, client in enumerate(clients))
    )
    assert [answer.json()["request_id"] for answer in answers] == [f"id-{number}" for number in range(20)]


# -- the document ------------------------------------------------------------------------------------------------------


async def test_openapi_tells_permissions_and_errors(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    users = document["paths"]["/admin/users"]["post"]
    assert users["x-permission"] == "users:admin"
    assert {"bearer": []} in users["security"]
    assert {"201", "400", "401", "403", "409", "413", "429", "default"} <= set(users["responses"])
    assert "422" not in users["responses"]
    assert list(users["responses"]["400"]["content"]) == ["application/problem+json"]
    assert document["paths"]["/admin/audit"]["get"]["x-permission"] == "audit:read"
    assert document["paths"]["/v1/things/{thing}"]["get"]["x-permission"] == "v1:models"
    v1 = document["paths"]["/v1/echo"]["post"]["responses"]["400"]["content"]
    assert v1["application/json"]["schema"]["$ref"].endswith("/OpenAIError")
    assert "x-permission" not in document["paths"]["/admin/auth/login"]["post"]
    assert document["paths"]["/admin/auth/sessions"]["get"]["x-permission"] == "own"
    assert {"Problem", "OpenAIError", "FieldError"} <= set(document["components"]["schemas"])
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    for path, operations in document["paths"].items():
        if path.startswith("/admin/") and not path.startswith("/admin/auth/"):
            for operation in operations.values():
                assert operation.get("x-permission"), f"{path} is open to everybody"
