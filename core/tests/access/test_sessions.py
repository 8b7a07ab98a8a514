from __future__ import annotations

import asyncio
import base64
import json
import statistics
import time
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from ai_secretary.access import Access, AccessChanged, Passwords, SessionRevoked
from ai_secretary.access.models import SessionRow, UserRow
from ai_secretary.access.tokens import AUDIENCE, ISSUER, AccessTokens
from ai_secretary.errors import Conflict, InvalidInput, NotFound, RateLimited, Unauthenticated
from ai_secretary.events import EventBus
from ai_secretary.storage import Database, Vault, now

PASSWORD = "correct horse battery"


async def test_log_in_gives_tokens_that_are_known_at_once(access: Access, recorder: Any) -> None:
    login = await access.login(" Admin ", PASSWORD, "203.0.113.7", "Firefox")
    for principal in (access.verify_access_token(login.access_token), access.verify_session(login.refresh_token)):
        assert principal is not None
        assert (principal.kind, principal.name, principal.role) == ("user", "admin", "admin")
        assert principal.session_id == login.principal.session_id
    assert recorder.actions[-1] == "auth.login"
    assert recorder.events[-1].address == "203.0.113.7"
    [session] = await access.sessions(login.principal.id)
    assert (session.user_agent, session.address) == ("Firefox", "203.0.113.7")
    assert (await access.users.get(login.principal.id)).last_login_at is not None


async def test_only_digests_are_stored(access: Access, database: Database) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    async with database.session() as session:
        [stored] = (await session.scalars(select(SessionRow.token_hash))).all()
        [password] = (await session.scalars(select(UserRow.password_hash))).all()
    assert stored not in login.refresh_token
    assert login.refresh_token not in stored
    assert password.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("name", "password"), [("admin", "wrong password"), ("nobody", PASSWORD), ("", ""), ("admin\x00", PASSWORD)]
)
async def test_wrong_credentials_all_get_the_same_answer(access: Access, recorder: Any, name: str, password: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await access.login(name, password, "203.0.113.7", "")
    assert refused.value.code == "invalid_credentials"
    assert refused.value.message == "The name or the password is not right"
    assert recorder.actions[-1] == "auth.login_failed"
    assert password == "" or password not in repr(recorder.events)


async def test_an_inactive_user_cannot_log_in(access: Access) -> None:
    user = await access.users.create("olga", PASSWORD, "operator", active=False)
    with pytest.raises(Unauthenticated):
        await access.login("olga", PASSWORD, "203.0.113.7", "")
    await access.users.update(user.id, active=True)
    await access.login("olga", PASSWORD, "203.0.113.7", "")


async def test_an_unknown_user_costs_as_much_time_as_a_wrong_password() -> None:
    passwords = Passwords()
    stored = await passwords.hash(PASSWORD)

    async def duration(stored: str | None) -> float:
        began = time.perf_counter()
        assert not await passwords.verify(stored, "wrong password")
        return time.perf_counter() - began

    known, unknown = [], []
    for _ in range(7):
        known.append(await duration(stored))
        unknown.append(await duration(None))
    assert 0.5 < statistics.median(unknown) / statistics.median(known) < 2
    assert statistics.median(unknown) > 0.005, "nothing was computed"


async def test_nobody_logs_in_with_the_password_of_the_dummy_hash() -> None:
    passwords = Passwords()
    passwords._dummy = await passwords.hash(PASSWORD)
    assert not await passwords.verify(None, PASSWORD)


async def test_hashing_does_not_block_the_event_loop() -> None:
    passwords = Passwords()
    longest, last = 0.0, time.perf_counter()

    async def watch() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.001)
            current = time.perf_counter()
            longest, last = max(longest, current - last), current

    watcher = asyncio.create_task(watch())
    began = time.perf_counter()
    await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(6)))
    spent = time.perf_counter() - began
    watcher.cancel()
    assert longest < spent / 2


# -- tokens that are not ours ------------------------------------------------------------------------------------------


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_forged_tokens_are_refused(sqlite_access: Access, vault: Vault) -> None:
    access = sqlite_access
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    claims = jwt.decode(login.access_token, options={"verify_signature": False})
    key = vault.derive("jwt")
    header, body, signature = login.access_token.split(".")
    assert access.verify_access_token(jwt.encode(claims, key, "HS256")) is not None, (
        "the forgeries below differ only where they say"
    )

    other = Vault(b"another installation")
    forgeries = {
        "empty key": jwt.encode(claims, b"", "HS256") if _accepts_empty_key() else f"{header}.{body}.",
        "another key": jwt.encode(claims, other.derive("jwt"), "HS256"),
        "the column key": jwt.encode(claims, vault.derive("columns"), "HS256"),
        "alg none": f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "alg None": f"{_segment({'alg': 'None'})}.{body}.{signature}",
        "another algorithm": jwt.encode(claims, key * 2, "HS512"),
        "changed body": f"{header}.{_segment({**claims, 'sub': 'usr_other'})}.{signature}",
        "expired": jwt.encode({**claims, "exp": int(time.time()) - 1}, key, "HS256"),
        "not yet": jwt.encode({**claims, "nbf": int(time.time()) + 600}, key, "HS256"),
        "another issuer": jwt.encode({**claims, "iss": "evil"}, key, "HS256"),
        "another audience": jwt.encode({**claims, "aud": "evil"}, key, "HS256"),
        "no session": jwt.encode({name: value for name, value in claims.items() if name != "sid"}, key, "HS256"),
        "no end": jwt.encode({name: value for name, value in claims.items() if name != "exp"}, key, "HS256"),
        "unknown session": jwt.encode({**claims, "sid": "ses_nowhere"}, key, "HS256"),
        "session of another": jwt.encode({**claims, "sub": "usr_other"}, key, "HS256"),
        "garbage": "eyJ.eyJ.",
        "empty": "",
        "huge": "eyJ" + "A" * 100_000,
        "not text": "eyJ\udcff\x00",
    }
    for name, token in forgeries.items():
        assert access.verify_access_token(token) is None, name
        assert access.authenticate({"authorization": f"Bearer {token}"}, {}) is None, name


def _accepts_empty_key() -> bool:
    try:
        jwt.encode({}, b"", "HS256")
    except jwt.InvalidKeyError:
        return False
    return True


async def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Vault(b"")


async def test_tokens_of_another_installation_mean_nothing(sqlite_database: Database, make_access: Callable[..., Access]) -> None:
    here = make_access(sqlite_database)
    there = make_access(sqlite_database, vault=Vault(b"a key of another house"))
    await here.users.create("admin", PASSWORD, "admin")
    await there.load()
    login = await here.login("admin", PASSWORD, "203.0.113.7", "")
    await there.load()
    assert there.verify_access_token(login.access_token) is None
    with pytest.raises(Unauthenticated):
        await there.refresh(login.refresh_token)


async def test_an_access_token_ends_after_its_time(sqlite_access: Access, vault: Vault) -> None:
    login = await sqlite_access.login("admin", PASSWORD, "203.0.113.7", "")
    claims = AccessTokens(vault).read(login.access_token)
    assert claims is not None
    assert 890 <= claims.expires - time.time() <= 901
    raw = jwt.decode(login.access_token, options={"verify_signature": False})
    assert (raw["iss"], raw["aud"]) == (ISSUER, AUDIENCE)
    soon = jwt.encode({**raw, "exp": int(time.time()) + 1}, vault.derive("jwt"), "HS256")
    assert sqlite_access.verify_access_token(soon) is not None
    deadline = time.time() + 5
    while sqlite_access.verify_access_token(soon) is not None:
        assert time.time() < deadline, "a cached token outlived its end"
        await asyncio.sleep(0.05)


# -- the end of sessions -----------------------------------------------------------------------------------------------


async def test_a_revoked_session_is_dead_at_once(access: Access, bus: EventBus, recorder: Any) -> None:
    told: list[SessionRevoked] = []
    bus.subscribe(SessionRevoked, told.append)
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    other = await access.login("admin", PASSWORD, "203.0.113.8", "")
    session_id = login.principal.session_id
    assert session_id is not None
    await access.revoke_session(session_id)
    assert access.verify_access_token(login.access_token) is None
    assert access.verify_session(login.refresh_token) is None
    with pytest.raises(Unauthenticated):
        await access.refresh(login.refresh_token)
    assert access.verify_access_token(other.access_token) is not None
    await bus.drain()
    assert told == [SessionRevoked(session_id)]
    assert recorder.actions[-1] == "auth.session_revoke"
    await access.load()
    assert access.verify_session(login.refresh_token) is None, "it came back after a restart"


async def test_log_out_ends_only_this_session(access: Access) -> None:
    first = await access.login("admin", PASSWORD, "203.0.113.7", "")
    second = await access.login("admin", PASSWORD, "203.0.113.7", "")
    assert first.principal.session_id is not None
    await access.logout(first.principal.session_id)
    assert access.verify_session(first.refresh_token) is None
    assert access.verify_session(second.refresh_token) is not None


async def test_a_session_of_somebody_else_cannot_be_revoked(access: Access) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    assert login.principal.session_id is not None
    with pytest.raises(NotFound):
        await access.revoke_session(login.principal.session_id, user_id="usr_other")
    assert access.verify_session(login.refresh_token) is not None


async def test_refreshing_rotates_the_token(access: Access) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    renewed = await access.refresh(login.refresh_token)
    assert renewed.refresh_token != login.refresh_token
    assert access.verify_session(renewed.refresh_token) is not None
    assert access.verify_session(login.refresh_token) is None
    assert access.verify_access_token(login.access_token) is not None, "the session goes on"
    assert access.verify_access_token(renewed.access_token) is not None
    again = await access.refresh(renewed.refresh_token)
    assert access.verify_session(again.refresh_token) is not None


async def test_a_refresh_token_that_comes_back_ends_the_session(access: Access, recorder: Any) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    renewed = await access.refresh(login.refresh_token)
    with pytest.raises(Unauthenticated):
        await access.refresh(login.refresh_token)
    assert "auth.refresh_reused" in recorder.actions
    assert access.verify_access_token(renewed.access_token) is None
    assert access.verify_session(renewed.refresh_token) is None
    with pytest.raises(Unauthenticated):
        await access.refresh(renewed.refresh_token)
    await access.load()
    assert access.verify_session(renewed.refresh_token) is None


async def test_of_two_refreshes_at_once_one_wins(access: Access) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    results = await asyncio.gather(*(access.refresh(login.refresh_token) for _ in range(2)), return_exceptions=True)
    assert sum(isinstance(result, Unauthenticated) for result in results) == 1


@pytest.mark.parametrize("token", ["", "ss-x", "ss-ses_1.abc.def", "é" * 10, "a.b.c", "ss-" + "x" * 10_000])
async def test_an_invented_refresh_token_changes_nothing(sqlite_access: Access, token: str) -> None:
    login = await sqlite_access.login("admin", PASSWORD, "203.0.113.7", "")
    with pytest.raises(Unauthenticated):
        await sqlite_access.refresh(token)
    forged = f"ss-{login.principal.session_id}.guess.AAAAAAAAAAAAAAAAAAAAAAAA"
    with pytest.raises(Unauthenticated):
        await sqlite_access.refresh(forged)
    assert sqlite_access.verify_session(login.refresh_token) is not None, "knowing a session's id is enough to end it"


async def test_an_idle_session_ends(access: Access, database: Database) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    async with database.transaction() as session:
        await session.execute(update(SessionRow).values(last_seen_at=now() - timedelta(days=8)))
    await access.load()
    assert access.verify_session(login.refresh_token) is None
    assert access.verify_access_token(login.access_token) is None
    with pytest.raises(Unauthenticated):
        await access.refresh(login.refresh_token)


async def test_last_seen_is_written_in_batches(access: Access, database: Database) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    async with database.transaction() as session:
        await session.execute(update(SessionRow).values(last_seen_at=now() - timedelta(days=1)))
    await access.load()

    async def stored() -> Any:
        async with database.session() as session:
            return await session.scalar(select(SessionRow.last_seen_at))

    before = await stored()
    for _ in range(100):
        assert access.verify_session(login.refresh_token) is not None
    assert await stored() == before
    await access.flush()
    assert (await stored()) - before > timedelta(hours=23)


async def test_sessions_survive_a_restart(access: Access, database: Database, make_access: Callable[..., Access]) -> None:
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    restarted = make_access(database)
    await restarted.load()
    assert restarted.verify_session(login.refresh_token) is not None
    assert restarted.verify_access_token(login.access_token) is not None


async def test_another_process_hears_of_changes(
    access: Access, database: Database, bus: EventBus, make_access: Callable[..., Access]
) -> None:
    other = make_access(database)
    await other.load()
    bus.subscribe(AccessChanged, other.apply)
    login = await access.login("admin", PASSWORD, "203.0.113.7", "")
    await bus.drain()
    assert other.verify_access_token(login.access_token) is not None
    assert login.principal.session_id is not None
    await access.logout(login.principal.session_id)
    await bus.drain()
    assert other.verify_access_token(login.access_token) is None


# -- throttling --------------------------------------------------------------------------------------------------------


async def test_guessing_is_slowed_per_account_from_many_addresses(sqlite_access: Access) -> None:
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await sqlite_access.login("admin", "wrong password", f"203.0.113.{number}", "")
    with pytest.raises(RateLimited) as refused:
        await sqlite_access.login("ADMIN", PASSWORD, "198.51.100.1", "")
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 6.1


async def test_guessing_is_slowed_per_address_over_many_accounts(sqlite_access: Access) -> None:
    for number in range(10):
        with pytest.raises(Unauthenticated):
            await sqlite_access.login(f"user{number}", "wrong password", "203.0.113.7", "")
    with pytest.raises(RateLimited):
        await sqlite_access.login("admin", PASSWORD, "203.0.113.7", "")
    await sqlite_access.login("admin", PASSWORD, "198.51.100.1", "")


async def test_many_guesses_at_once_do_not_slip_through(sqlite_access: Access) -> None:
    attempts = [sqlite_access.login("admin", f"wrong password {n}", f"203.0.113.{n}", "") for n in range(40)]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(result, Unauthenticated) for result in results) <= 11


async def test_logging_in_well_is_not_counted(sqlite_access: Access) -> None:
    for _ in range(25):
        await sqlite_access.login("admin", PASSWORD, "203.0.113.7", "")


# -- passwords ---------------------------------------------------------------------------------------------------------


async def test_changing_ones_password_ends_the_other_sessions(access: Access) -> None:
    mine = await access.login("admin", PASSWORD, "203.0.113.7", "")
    other = await access.login("admin", PASSWORD, "203.0.113.8", "")
    with pytest.raises(Unauthenticated):
        await access.change_password(mine.principal, "wrong password", "a new good password")
    with pytest.raises(InvalidInput):
        await access.change_password(mine.principal, PASSWORD, "short")
    await access.change_password(mine.principal, PASSWORD, "a new good password")
    assert access.verify_session(mine.refresh_token) is not None
    assert access.verify_session(other.refresh_token) is None
    with pytest.raises(Unauthenticated):
        await access.login("admin", PASSWORD, "203.0.113.7", "")
    await access.login("admin", "a new good password", "203.0.113.7", "")


@pytest.mark.parametrize("password", ["", "short", "aaaaaaaaaaaa", "abcabcabcabc", "Olga123456", "x" * 257])
async def test_bad_passwords_are_refused(sqlite_access: Access, password: str) -> None:
    with pytest.raises(InvalidInput):
        await sqlite_access.users.create("olga", password, "viewer")


async def test_old_hashes_get_stronger_when_their_owner_logs_in(
    sqlite_database: Database, make_access: Callable[..., Access]
) -> None:
    weak = make_access(sqlite_database)
    user = await weak.users.create("admin", PASSWORD, "admin")
    strong = make_access(sqlite_database)
    strong._parts.passwords = Passwords()
    await strong.load()
    await strong.login("admin", PASSWORD, "203.0.113.7", "")
    stored = (await strong.users.get(user.id)).password_hash
    assert stored != user.password_hash
    assert not Passwords().needs_rehash(stored)
    await strong.login("admin", PASSWORD, "203.0.113.7", "")


async def test_the_same_letters_in_another_unicode_form_are_the_same_password(sqlite_access: Access) -> None:
    await sqlite_access.users.create("й_user", "мой надёжный пароль", "viewer")
    await sqlite_access.login(
        unicodedata.normalize("NFD", "й_user"), unicodedata.normalize("NFD", "мой надёжный пароль"), "203.0.113.7", ""
    )


async def test_a_name_is_taken_in_any_case(access: Access) -> None:
    with pytest.raises(Conflict):
        await access.users.create("ADMIN", PASSWORD, "viewer")
