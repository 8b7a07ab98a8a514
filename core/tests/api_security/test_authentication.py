from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ai_secretary.storage import Database, now

PASSWORD = "correct horse battery"
SAME = {"sec-fetch-site": "same-origin"}


async def test_log_in_refresh_and_log_out(house: Any, client: httpx.AsyncClient) -> None:
    answer = await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    mine = {"authorization": f"Bearer {tokens['access_token']}"}
    me = (await client.get("/admin/auth/me", headers=mine)).json()
    assert (me["username"], me["role"], me["kind"]) == ("admin", "admin", "user")

    renewed = await client.post("/admin/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert renewed.status_code == 200
    newer = {"authorization": f"Bearer {renewed.json()['access_token']}"}
    assert (await client.post("/admin/auth/logout", headers=newer)).status_code == 204
    for headers in (mine, newer):
        assert (await client.get("/admin/auth/me", headers=headers)).status_code == 401
    again = await client.post("/admin/auth/refresh", json={"refresh_token": renewed.json()["refresh_token"]})
    assert again.status_code == 401
    await house.stored()
    actions = [row.action for row in (await house.audit.query()).rows]
    assert actions[:2] == ["auth.logout", "auth.login"]


async def test_an_old_refresh_token_ends_the_session(client: httpx.AsyncClient) -> None:
    first = (await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})).json()
    second = (await client.post("/admin/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    assert (await client.post("/admin/auth/refresh", json={"refresh_token": first["refresh_token"]})).status_code == 401
    assert (await client.post("/admin/auth/refresh", json={"refresh_token": second["refresh_token"]})).status_code == 401
    dead = {"authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/admin/auth/me", headers=dead)).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(house: Any) -> None:
    browser = await house.client(base_url="https://secretary.test")
    answer = await browser.post(
        "/admin/auth/login", json={"username": "admin", "password": PASSWORD, "cookie": True}, headers=SAME
    )
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("secretary_session=ss-")
    for part in ("httponly", "samesite=lax", "secure", "path=/"):
        assert part in cookie
    assert answer.json()["refresh_token"] is None, "a script could read it from the answer"
    assert (await browser.get("/admin/auth/me")).json()["username"] == "admin"
    status = (await browser.get("/admin/auth/status")).json()
    assert (status["enabled"], status["authenticated"], status["username"]) == (True, True, "admin")
    gone = await browser.post("/admin/auth/logout", headers=SAME)
    assert gone.status_code == 204
    assert 'secretary_session=""' in gone.headers["set-cookie"]
    assert (await browser.get("/admin/auth/me")).status_code == 401


async def test_a_form_logs_in_and_goes_on_to_a_local_page(client: httpx.AsyncClient) -> None:
    form = {"username": "admin", "password": PASSWORD, "next": "/ui/chat?x=1"}
    answer = await client.post("/admin/auth/login", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/chat?x=1"
    assert "secretary_session=ss-" in answer.headers["set-cookie"]


@pytest.mark.parametrize("target", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/\tx", "evil"])
async def test_a_form_never_leads_to_another_website(client: httpx.AsyncClient, target: str) -> None:
    answer = await client.post("/admin/auth/login", data={"username": "admin", "password": PASSWORD, "next": target})
    assert answer.status_code == 200
    assert "location" not in answer.headers


async def test_another_website_cannot_log_a_visitor_in(client: httpx.AsyncClient) -> None:
    for headers in ({"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        answer = await client.post("/admin/auth/login", data={"username": "admin", "password": PASSWORD}, headers=headers)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic " + base64.b64encode(b"admin:correct horse battery").decode()},
        {"authorization": "bearer\twrong"},
        {"x-api-key": "sk-wrong"},
        {"x-api-key": ""},
        {"cookie": "secretary_session=ss-x.y.z"},
        {"cookie": "secretary_session"},
        {"cookie": "\x00"},
    ],
)
async def test_no_or_wrong_credentials_are_401(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for path in ("/admin/people", "/v1/things/a"):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "wrong" not in answer.text


async def test_the_three_ways_of_a_key(house: Any, client: httpx.AsyncClient) -> None:
    for headers in (
        {"authorization": f"Bearer {house.key}"},
        {"authorization": f"bearer   {house.key} "},
        {"x-api-key": house.key},
    ):
        assert (await client.get("/v1/things/a/b", headers=headers)).json() == {"thing": "a/b"}
        refused = await client.get("/admin/people", headers=headers)
        assert refused.status_code == 403, "* is all of /v1, not of the administration"
        assert refused.json()["code"] == "missing_permission"


async def test_a_wrong_token_beside_a_good_cookie_is_wrong(house: Any) -> None:
    browser = await house.browser()
    answer = await browser.get("/admin/people", headers={"authorization": "Bearer sk-wrong"})
    assert answer.status_code == 401


async def test_the_basic_authentication_of_a_proxy_does_not_disturb_the_cookie(house: Any) -> None:
    browser = await house.browser()
    assert (await browser.get("/admin/people", headers={"authorization": "Basic eDp5"})).status_code == 200


@pytest.mark.parametrize(("role", "reads", "writes"), [("viewer", 200, 403), ("operator", 200, 200), ("admin", 200, 200)])
async def test_roles(house: Any, client: httpx.AsyncClient, role: str, reads: int, writes: int) -> None:
    headers = await house.log_in(role)
    assert (await client.get("/admin/people", headers=headers)).status_code == reads
    body = {"name": "x", "password": "y"}
    assert (await client.post("/admin/people", json=body, headers=headers)).status_code == writes


# -- requests from other websites --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://secretary.test"}, 200),
        ({"origin": "https://secretary.test"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "http://secretary.test"}, 200),
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "http://secretary.test:8080"}, 403),
        ({"origin": "http://secretary.test.evil.test"}, 403),
        ({"origin": "http://secretary.test@evil.test"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://secretary.test"}, 403),
    ],
)
async def test_a_cookie_counts_only_on_our_own_pages(house: Any, headers: dict[str, str], status: int) -> None:
    browser = await house.browser()
    body = {"name": "x", "password": "y"}
    answer = await browser.post("/admin/people", json=body, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site_request"
    assert (await browser.get("/admin/people", headers=headers)).status_code == 200, "reading is safe"


async def test_a_token_needs_no_origin(house: Any, client: httpx.AsyncClient) -> None:
    headers = await house.log_in() | {"origin": "https://evil.test"}
    assert (await client.post("/admin/people", json={"name": "x", "password": "y"}, headers=headers)).status_code == 200


async def test_refreshing_by_cookie_from_another_website_is_refused(house: Any) -> None:
    browser = await house.browser()
    assert (await browser.post("/admin/auth/refresh", headers={"origin": "https://evil.test"})).status_code == 403
    renewed = await browser.post("/admin/auth/refresh", headers=SAME)
    assert renewed.status_code == 200
    assert renewed.json()["refresh_token"] is None
    assert (await browser.get("/admin/people")).status_code == 200


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_session_ended_by_an_administrator_is_dead_at_once(house: Any, client: httpx.AsyncClient) -> None:
    browser = await house.browser("operator")
    me = (await browser.get("/admin/auth/me")).json()
    token = {"authorization": f"Bearer {(await browser.post('/admin/auth/refresh', headers=SAME)).json()['access_token']}"}
    assert (await client.get("/admin/people", headers=token)).status_code == 200
    admin = await house.log_in()
    ended = await client.delete(f"/admin/auth/sessions/{me['session_id']}", headers=admin)
    assert ended.status_code == 204
    assert (await client.get("/admin/people", headers=token)).status_code == 401
    assert (await browser.get("/admin/people")).status_code == 401


async def test_one_sees_and_ends_only_ones_own_sessions(house: Any, client: httpx.AsyncClient) -> None:
    viewer, operator = await house.log_in("viewer"), await house.log_in("operator")
    [session] = (await client.get("/admin/auth/sessions", headers=operator)).json()["sessions"]
    assert session["current"]
    assert (await client.delete(f"/admin/auth/sessions/{session['id']}", headers=viewer)).status_code == 404
    assert (await client.delete(f"/admin/auth/sessions/{session['id']}", headers=operator)).status_code == 204
    assert (await client.get("/admin/auth/sessions", headers=operator)).status_code == 401


async def test_deactivating_a_user_throws_them_out(house: Any, client: httpx.AsyncClient) -> None:
    browser = await house.browser("operator")
    admin = await house.log_in()
    [user] = [
        user for user in (await client.get("/admin/users", headers=admin)).json()["users"] if user["username"] == "operator"
    ]
    changed = await client.put(f"/admin/users/{user['id']}", json={"active": False}, headers=admin)
    assert changed.json()["active"] is False
    assert (await browser.get("/admin/people")).status_code == 401


async def test_a_websocket_asks_for_the_same_credentials(house: Any) -> None:
    login = await house.log_in("viewer")
    browser = await house.browser("viewer")
    cookie = f"secretary_session={browser.cookies['secretary_session']}"
    with TestClient(house.asgi, base_url="http://secretary.test") as plain:
        for headers in (
            login,
            {"cookie": cookie, "origin": "http://secretary.test"},
        ):
            with plain.websocket_connect("ws://secretary.test/admin/socket", headers=headers) as socket:
                assert socket.receive_json() == {"by": "viewer"}
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"cookie": cookie},
            {"cookie": cookie, "origin": "https://evil.test"},
            {"authorization": f"Bearer {house.key}"},
            login | {"origin": "https://evil.test"},
        ):
            with (
                pytest.raises(WebSocketDisconnect) as refused,
                plain.websocket_connect("ws://secretary.test/admin/socket", headers=headers),
            ):
                pass
            assert refused.value.code == 1008


# -- throttling of log-ins ---------------------------------------------------------------------------------------------


async def test_guessing_a_password_is_throttled(house: Any) -> None:
    statuses = []
    for number in range(14):
        client = await house.client(f"203.0.113.{number}")
        answer = await client.post("/admin/auth/login", json={"username": "admin", "password": f"guess number {number}"})
        statuses.append(answer.status_code)
    assert statuses == [401] * 10 + [429] * 4
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    await house.stored()
    failed = [row for row in (await house.audit.query()).rows if row.action == "auth.login_failed"]
    assert len(failed) == 10
    assert {row.address for row in failed} == {f"203.0.113.{number}" for number in range(10)}


async def test_an_address_is_throttled_whatever_it_writes_into_x_forwarded_for(client: httpx.AsyncClient) -> None:
    statuses = []
    for number in range(12):
        answer = await client.post(
            "/admin/auth/login",
            json={"username": f"user{number}", "password": "guess"},
            headers={"x-forwarded-for": f"198.51.100.{number}"},
        )
        statuses.append(answer.status_code)
    assert statuses == [401] * 10 + [429] * 2


# -- users and keys over HTTP ------------------------------------------------------------------------------------------


async def test_users_are_for_administrators(house: Any, client: httpx.AsyncClient) -> None:
    for role in ("viewer", "operator"):
        headers = await house.log_in(role)
        for method, path in (
            ("GET", "/admin/users"),
            ("GET", "/admin/keys"),
            ("POST", "/admin/audit/cleanup"),
            ("GET", "/admin/audit/export"),
        ):
            assert (await client.request(method, path, headers=headers)).status_code == 403
    assert (await client.get("/admin/users", headers={"x-api-key": house.key})).status_code == 403


async def test_the_life_of_a_user(house: Any, client: httpx.AsyncClient) -> None:
    admin = await house.log_in()
    made = await client.post("/admin/users", json={"username": "Olga", "password": PASSWORD, "role": "operator"}, headers=admin)
    assert made.status_code == 201
    user = made.json()
    assert (user["username"], user["role"], user["active"]) == ("olga", "operator", True)
    assert "password" not in made.text
    taken = await client.post("/admin/users", json={"username": "olga", "password": PASSWORD}, headers=admin)
    assert (taken.status_code, taken.json()["param"]) == (409, "username")
    weak = await client.post("/admin/users", json={"username": "ivan", "password": "short"}, headers=admin)
    assert (weak.status_code, weak.json()["code"]) == (400, "password_too_short")
    reset = (await client.post(f"/admin/users/{user['id']}/password", headers=admin)).json()
    signed = await client.post("/admin/auth/login", json={"username": "olga", "password": reset["password"]})
    assert signed.status_code == 200
    chosen = await client.post(f"/admin/users/{user['id']}/password", json={"password": PASSWORD}, headers=admin)
    assert chosen.json() == {"password": None}
    assert (await client.delete(f"/admin/users/{user['id']}", headers=admin)).status_code == 204
    assert (await client.get(f"/admin/users/{user['id']}", headers=admin)).status_code == 404
    [myself] = [item for item in (await client.get("/admin/users", headers=admin)).json()["users"] if item["username"] == "admin"]
    for answer in (
        await client.delete(f"/admin/users/{myself['id']}", headers=admin),
        await client.put(f"/admin/users/{myself['id']}", json={"role": "viewer"}, headers=admin),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


async def test_the_life_of_a_key(house: Any, client: httpx.AsyncClient) -> None:
    admin = await house.log_in()
    body = {"name": "site", "scopes": ["people:read"], "per_minute": 3, "expires_at": (now() + timedelta(days=1)).isoformat()}
    made = await client.post("/admin/keys", json=body, headers=admin)
    assert made.status_code == 201
    key = made.json()
    assert key["created_by"] == "admin"
    mine = {"x-api-key": key["key"]}
    for status in (200, 200, 200, 429):
        assert (await client.get("/admin/people", headers=mine)).status_code == status
    listed = await client.get("/admin/keys", headers=admin)
    assert key["key"] not in listed.text
    [seen] = [item for item in listed.json()["keys"] if item["id"] == key["id"]]
    assert seen["last_used_at"] is not None
    cleared = await client.put(f"/admin/keys/{key['id']}", json={"name": "site", "scopes": ["people:read"]}, headers=admin)
    assert cleared.json()["per_minute"] is None
    assert cleared.json()["expires_at"] is None
    rotated = (await client.post(f"/admin/keys/{key['id']}/rotate", headers=admin)).json()
    assert (await client.get("/admin/people", headers=mine)).status_code == 401
    assert (await client.get("/admin/people", headers={"x-api-key": rotated["key"]})).status_code == 200
    assert (await client.delete(f"/admin/keys/{key['id']}", headers=admin)).status_code == 204
    assert (await client.get("/admin/people", headers={"x-api-key": rotated["key"]})).status_code == 401
    wrong = await client.post("/admin/keys", json={"name": "x", "scopes": ["root"]}, headers=admin)
    assert (wrong.status_code, wrong.json()["param"]) == (400, "scopes")


async def test_changing_ones_own_password(house: Any, client: httpx.AsyncClient) -> None:
    headers = await house.log_in("operator")
    wrong = await client.post(
        "/admin/auth/password", json={"current_password": "wrong", "new_password": "another good one"}, headers=headers
    )
    assert wrong.status_code == 401
    good = await client.post(
        "/admin/auth/password", json={"current_password": PASSWORD, "new_password": "another good one"}, headers=headers
    )
    assert good.status_code == 204
    assert (await client.get("/admin/auth/me", headers=headers)).status_code == 200
    by_key = await client.post(
        "/admin/auth/password", json={"current_password": "x", "new_password": "y"}, headers={"x-api-key": house.key}
    )
    assert by_key.status_code == 403


# -- the audit log over HTTP -------------------------------------------------------------------------------------------


async def test_every_change_is_in_the_audit_log_with_who_and_from_where(house: Any) -> None:
    client = await house.client("203.0.113.99")
    admin = await house.log_in()
    await client.post(
        "/admin/users", json={"username": "olga", "password": PASSWORD}, headers=admin | {"x-request-id": "my-request"}
    )
    await house.stored()
    found = (await client.get("/admin/audit", params={"action": "user.*", "user": "admin"}, headers=admin)).json()
    [entry] = found["entries"]
    assert (entry["action"], entry["actor_name"], entry["actor_kind"]) == ("user.create", "admin", "user")
    assert (entry["address"], entry["request_id"]) == ("203.0.113.99", "my-request")
    assert PASSWORD not in str(found)


async def test_the_audit_log_by_pages_and_dates(house: Any, client: httpx.AsyncClient) -> None:
    admin = await house.log_in()
    for number in range(5):
        await client.post("/admin/keys", json={"name": f"key {number}"}, headers=admin)
    await house.stored()
    names, cursor = [], None
    while True:
        params = {"action": "key.create", "limit": 2, "from": now().date().isoformat()} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/admin/audit", params=params, headers=admin)).json()
        names += [entry["details"]["name"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["key 4", "key 3", "key 2", "key 1", "key 0", "program"]
    empty = await client.get("/admin/audit", params={"to": "2020-01-01"}, headers=admin)
    assert empty.json()["count"] == 0


@pytest.mark.parametrize(
    "value", ["yesterday", "2026-13-01", "2026-02-30", "31.01.2026", "1", "2026-01-31T99:00", "0001-01-01", "9999-12-31"]
)
@pytest.mark.parametrize("name", ["from", "to"])
async def test_an_invalid_date_is_an_error(house: Any, client: httpx.AsyncClient, name: str, value: str) -> None:
    admin = await house.log_in()
    for path in ("/admin/audit", "/admin/audit/stats", "/admin/audit/export"):
        answer = await client.get(path, params={name: value}, headers=admin)
        if value in ("0001-01-01", "9999-12-31"):
            assert answer.status_code in (200, 400)
        else:
            assert (answer.status_code, answer.json()["param"]) == (400, name)


async def test_export_cleanup_and_verification(house: Any, client: httpx.AsyncClient) -> None:
    admin = await house.log_in()
    await house.stored()
    exported = await client.get("/admin/audit/export", headers=admin)
    assert exported.headers["content-disposition"].startswith('attachment; filename="audit-')
    assert len(exported.json()) >= 5
    table = await client.get("/admin/audit/export", params={"format": "csv"}, headers=admin)
    assert table.headers["content-type"].startswith("text/csv")
    assert (await client.get("/admin/audit/export", params={"format": "exe"}, headers=admin)).status_code == 400
    assert (await client.post("/admin/audit/cleanup", json={"days": 3}, headers=admin)).status_code == 400
    assert (await client.post("/admin/audit/cleanup", headers=admin)).json() == {"deleted": 0, "retention_days": 90}
    verified = (await client.get("/admin/audit/verify", headers=await house.log_in("viewer"))).json()
    assert verified["intact"] is True
    assert verified["heads"][0]["chain"] == "main"
    stats = (await client.get("/admin/audit/stats", headers=admin)).json()
    assert stats["total"] == stats["last_24h"] > 0


async def test_nobody_can_fill_the_database_with_what_it_cannot_store(build_house: Any, database: Database) -> None:
    """NUL and lone surrogates: PostgreSQL refuses both, SQLite one of them; neither may be a 500."""
    house = await build_house(database)
    client = await house.client()
    admin = await house.log_in()
    for name in ('"a\\u0000b"', '"a\\ud800b"'):
        body = '{"name": ' + name + "}"
        answer = await client.post("/admin/keys", content=body, headers=admin | {"content-type": "application/json"})
        assert answer.status_code in (201, 400), answer.text
        login = '{"username": ' + name + ', "password": ' + name + "}"
        answer = await client.post("/admin/auth/login", content=login, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 401)
    for path in ("/admin/users/a%00b", "/admin/keys/%ED%A0%80", "/admin/audit?action=a%00b", "/admin/audit?resource=%ED%A0%80"):
        assert (await client.get(path, headers=admin)).status_code in (200, 400, 404), path
    assert (await client.get("/admin/keys", headers=admin)).status_code == 200
