from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from ai_secretary.access import Access, KeyChange, Principal
from ai_secretary.access.models import ApiKeyRow
from ai_secretary.config import Settings
from ai_secretary.errors import Conflict, InvalidInput, NotFound, RateLimited, Unauthenticated
from ai_secretary.storage import Database, now

PASSWORD = "correct horse battery"


# -- roles and scopes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("viewer", ["faq:read", "audit:read", "v1:models"], ["faq:write", "users:admin", "v1:chat", "nonsense", ""]),
        ("operator", ["faq:read", "faq:write", "v1:chat", "v1:audio"], ["users:admin", "plugins:admin", "nonsense"]),
        ("admin", ["faq:read", "faq:write", "users:admin", "v1:chat"], []),
    ],
)
def test_what_a_role_may_do(role: Any, allowed: list[str], refused: list[str]) -> None:
    principal = Principal("usr_1", "user", "somebody", role=role)
    assert all(principal.allows(permission) for permission in allowed)
    assert not any(principal.allows(permission) for permission in refused)


def test_a_key_may_do_exactly_what_its_scopes_say() -> None:
    key = Principal("key_1", "key", "program", scopes=frozenset({"v1:chat", "faq:read"}))
    assert key.allows("v1:chat")
    assert key.allows("faq:read")
    assert not any(key.allows(permission) for permission in ("v1:audio", "faq:write", "users:admin", "chat:read", "*"))
    everything = Principal("key_2", "key", "program", scopes=frozenset({"*"}))
    assert everything.allows("v1:audio")
    assert not everything.allows("faq:read"), "* is all of /v1, not of the administration"


# -- users -------------------------------------------------------------------------------------------------------------


async def test_a_new_role_holds_at_once(access: Access) -> None:
    user = await access.users.create("olga", PASSWORD, "operator")
    login = await access.login("olga", PASSWORD, "203.0.113.7", "")
    await access.users.update(user.id, role="viewer")
    principal = access.verify_access_token(login.access_token)
    assert principal is not None
    assert principal.role == "viewer"
    assert not principal.allows("faq:write")


async def test_deactivating_ends_every_session(access: Access) -> None:
    user = await access.users.create("olga", PASSWORD, "operator")
    login = await access.login("olga", PASSWORD, "203.0.113.7", "")
    await access.users.update(user.id, active=False)
    assert access.verify_access_token(login.access_token) is None
    await access.users.update(user.id, active=True)
    assert access.verify_access_token(login.access_token) is None, "an old session came back"


async def test_deleting_a_user_ends_everything_of_theirs(access: Access) -> None:
    user = await access.users.create("olga", PASSWORD, "operator")
    login = await access.login("olga", PASSWORD, "203.0.113.7", "")
    await access.users.delete(user.id)
    assert access.verify_session(login.refresh_token) is None
    with pytest.raises(NotFound):
        await access.users.get(user.id)
    with pytest.raises(Unauthenticated):
        await access.login("olga", PASSWORD, "203.0.113.7", "")


async def test_the_last_administrator_stays(access: Access) -> None:
    [admin] = await access.users.all()
    await access.users.create("idle", PASSWORD, "admin", active=False)
    for attempt in (
        lambda: access.users.delete(admin.id),
        lambda: access.users.update(admin.id, role="operator"),
        lambda: access.users.update(admin.id, active=False),
    ):
        with pytest.raises(Conflict) as refused:
            await attempt()
        assert refused.value.code == "last_admin"
    assert (await access.users.get(admin.id)).role == "admin"


async def test_two_administrators_cannot_remove_each_other_at_once(access: Access) -> None:
    [first] = await access.users.all()
    second = await access.users.create("second", PASSWORD, "admin")
    await asyncio.gather(
        access.users.update(first.id, role="viewer"), access.users.update(second.id, active=False), return_exceptions=True
    )
    rows = await access.users.all()
    assert sum(row.role == "admin" and row.active for row in rows) == 1


async def test_resetting_a_password_gives_a_good_one_and_ends_sessions(access: Access) -> None:
    user = await access.users.create("olga", PASSWORD, "operator")
    login = await access.login("olga", PASSWORD, "203.0.113.7", "")
    fresh = await access.users.set_password(user.id, None)
    assert len(fresh) >= 16
    assert access.verify_session(login.refresh_token) is None
    await access.login("olga", fresh, "203.0.113.7", "")


@pytest.mark.parametrize("name", ["", "a", "two words", "x" * 65, "<script>", "a/b", "name\n", "=cmd"])
async def test_bad_names_are_refused(sqlite_access: Access, name: str) -> None:
    if name.endswith("\n"):
        name = "na\nme"
    with pytest.raises(InvalidInput):
        await sqlite_access.users.create(name, PASSWORD, "viewer")


async def test_changes_are_audited_without_passwords(access: Access, recorder: Any) -> None:
    user = await access.users.create("olga", PASSWORD, "operator")
    await access.users.update(user.id, role="viewer")
    await access.users.set_password(user.id, "another good password")
    await access.users.delete(user.id)
    assert recorder.actions[-4:] == ["user.create", "user.update", "user.reset_password", "user.delete"]
    assert recorder.events[-3].details["changes"] == {"role": {"from": "operator", "to": "viewer"}}
    assert "good password" not in repr(recorder.events)
    assert PASSWORD not in repr(recorder.events)


# -- keys --------------------------------------------------------------------------------------------------------------


async def test_a_key_works_until_it_is_deleted(access: Access, recorder: Any) -> None:
    new = await access.keys.create(KeyChange("program", scopes=("v1:chat",), per_minute=7))
    principal = access.verify_key(new.raw)
    assert principal is not None
    assert (principal.kind, principal.name, principal.per_minute) == ("key", "program", 7)
    assert principal.allows("v1:chat")
    assert not principal.allows("v1:audio")
    await access.keys.delete(new.row.id)
    assert access.verify_key(new.raw) is None
    assert recorder.actions[-2:] == ["key.create", "key.delete"]
    assert new.raw not in repr(recorder.events)


async def test_the_key_itself_is_not_stored(access: Access, database: Database) -> None:
    new = await access.keys.create(KeyChange("program"))
    async with database.session() as session:
        [row] = (await session.scalars(select(ApiKeyRow))).all()
    assert new.raw.startswith(row.prefix)
    assert len(row.prefix) <= 8
    assert new.raw not in (row.key_hash, row.prefix, row.name)


async def test_expired_disabled_and_unknown_keys_are_nobody(access: Access) -> None:
    expired = await access.keys.create(KeyChange("old", expires_at=now() - timedelta(seconds=1)))
    disabled = await access.keys.create(KeyChange("off", enabled=False))
    good = await access.keys.create(KeyChange("good", expires_at=now() + timedelta(hours=1)))
    assert access.verify_key(good.raw) is not None
    for raw in (expired.raw, disabled.raw, "", "sk-", good.raw + "x", good.raw[:-1], good.raw.upper(), "\udcff", "я" * 50):
        assert access.verify_key(raw) is None
    await access.keys.update(good.row.id, KeyChange("good", enabled=False))
    assert access.verify_key(good.raw) is None


async def test_rotating_a_key_kills_the_old_one_at_once(access: Access) -> None:
    old = await access.keys.create(KeyChange("program", scopes=("v1:chat",)))
    new = await access.keys.rotate(old.row.id)
    assert access.verify_key(old.raw) is None
    principal = access.verify_key(new.raw)
    assert principal is not None
    assert principal.scopes == {"v1:chat"}
    assert principal.id == old.row.id


async def test_optional_fields_of_a_key_can_be_cleared(access: Access) -> None:
    new = await access.keys.create(KeyChange("program", expires_at=now() + timedelta(days=1), per_minute=5, monthly_tokens=100))
    row = await access.keys.update(new.row.id, KeyChange("program"))
    assert (row.expires_at, row.per_minute, row.monthly_tokens) == (None, None, None)
    principal = access.verify_key(new.raw)
    assert principal is not None
    assert principal.per_minute is None


@pytest.mark.parametrize(
    "change",
    [
        KeyChange(" "),
        KeyChange("x", scopes=()),
        KeyChange("x", scopes=("everything",)),
        KeyChange("x", scopes=("v1:*",)),
        KeyChange("x", per_minute=0),
        KeyChange("x", monthly_tokens=-1),
    ],
)
async def test_a_bad_key_description_is_refused(sqlite_access: Access, change: KeyChange) -> None:
    with pytest.raises(InvalidInput):
        await sqlite_access.keys.create(change)
    assert await sqlite_access.keys.all() == []


async def test_last_use_is_saved_in_batches(access: Access) -> None:
    new = await access.keys.create(KeyChange("program"))
    access.verify_key(new.raw)
    assert (await access.keys.get(new.row.id)).last_used_at is None
    await access.flush()
    used = (await access.keys.get(new.row.id)).last_used_at
    assert used is not None
    assert abs((now() - used).total_seconds()) < 5


async def test_a_key_stops_when_its_tokens_are_spent(
    access: Access, database: Database, make_access: Callable[..., Access]
) -> None:
    new = await access.keys.create(KeyChange("program", monthly_tokens=100))
    principal = access.verify_key(new.raw)
    assert principal is not None
    access.check_budget(principal)
    access.spend_tokens(principal.id, 60)
    assert access.tokens_left(principal) == 40
    await access.flush()
    access.spend_tokens(principal.id, 50)
    with pytest.raises(RateLimited) as refused:
        access.check_budget(principal)
    assert refused.value.code == "insufficient_quota"
    await access.keys.update(new.row.id, KeyChange("renamed", monthly_tokens=100))
    assert access.tokens_left(principal) == 0, "renaming gave the tokens back"
    await access.close()
    restarted = make_access(database)
    await restarted.load()
    assert restarted.months_tokens(new.row.id) == 110


async def test_two_processes_add_up_what_a_key_spends(
    access: Access, database: Database, make_access: Callable[..., Access]
) -> None:
    new = await access.keys.create(KeyChange("program", monthly_tokens=100))
    other = make_access(database)
    await other.load()
    access.spend_tokens(new.row.id, 10)
    other.spend_tokens(new.row.id, 20)
    await access.flush()
    await other.flush()
    assert other.months_tokens(new.row.id) == 30


# -- the first start ---------------------------------------------------------------------------------------------------


async def test_the_first_start_prints_what_it_made_up(
    database: Database, make_access: Callable[..., Access], settings: Settings
) -> None:
    access = make_access(database)
    await access.load()
    shown = await access.bootstrap(settings)
    assert [credential.kind for credential in shown] == ["password", "api_key"]
    password, key = (credential.secret for credential in shown)
    assert len(password) >= 16
    login = await access.login("admin", password, "203.0.113.7", "")
    assert login.principal.role == "admin"
    principal = access.verify_key(key)
    assert principal is not None
    assert principal.allows("v1:chat")
    assert await access.bootstrap(settings) == []
    assert len(await access.users.all()) == len(await access.keys.all()) == 1


async def test_configured_credentials_are_used_and_not_printed(
    database: Database, make_access: Callable[..., Access], settings: Settings
) -> None:
    settings.admin_password = SecretStr("chosen by the operator")
    settings.api_key = SecretStr("my-own-api-key")
    access = make_access(database)
    await access.load()
    assert await access.bootstrap(settings) == []
    await access.login("admin", "chosen by the operator", "203.0.113.7", "")
    assert access.verify_key("my-own-api-key") is not None
    [row] = await access.keys.all()
    assert len(row.prefix) <= 3, "a short key must not show half of itself"


async def test_admin_admin_does_not_exist(database: Database, make_access: Callable[..., Access], settings: Settings) -> None:
    access = make_access(database)
    await access.load()
    await access.bootstrap(settings)
    for password in ("admin", "", "password", "secretary"):
        with pytest.raises(Unauthenticated):
            await access.login("admin", password, "203.0.113.7", "")


async def test_a_key_that_is_configured_later_is_added_once(
    database: Database, make_access: Callable[..., Access], settings: Settings
) -> None:
    access = make_access(database)
    await access.load()
    await access.bootstrap(settings)
    settings.api_key = SecretStr("configured-later")
    for _ in range(2):
        restarted = make_access(database)
        await restarted.load()
        assert await restarted.bootstrap(settings) == []
        assert restarted.verify_key("configured-later") is not None
    assert len(await restarted.keys.all()) == 2


async def test_two_processes_that_start_together_make_one_admin(
    database: Database, make_access: Callable[..., Access], settings: Settings
) -> None:
    first, second = make_access(database), make_access(database)
    shown = await asyncio.gather(first.bootstrap(settings), second.bootstrap(settings))
    users = await first.users.all()
    assert [user.username for user in users] == ["admin"]
    passwords = [credential.secret for part in shown for credential in part if credential.kind == "password"]
    assert len(passwords) == 1
    await first.load()
    await first.login("admin", passwords[0], "203.0.113.7", "")


# -- speed -------------------------------------------------------------------------------------------------------------


async def test_verification_takes_microseconds(sqlite_access: Access) -> None:
    new = await sqlite_access.keys.create(KeyChange("program"))
    login = await sqlite_access.login("admin", PASSWORD, "203.0.113.7", "")

    def per_call(verify: Callable[[str], Any], value: str) -> float:
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(2000):
                verify(value)
            best = min(best, (time.perf_counter() - began) / 2000)
        return best * 1e6

    figures = {
        "key": per_call(sqlite_access.verify_key, new.raw),
        "cookie": per_call(sqlite_access.verify_session, login.refresh_token),
        "access token": per_call(sqlite_access.verify_access_token, login.access_token),
    }
    print({name: f"{figure:.2f} µs" for name, figure in figures.items()})
    assert all(figure < 20 for figure in figures.values()), figures
