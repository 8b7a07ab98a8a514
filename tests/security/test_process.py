"""The process as a whole: importing does nothing, engines do not hold up the loop, the database is shared well."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import event, text

from ai_secretary.config import Settings
from ai_secretary.ids import new_id, new_ids
from ai_secretary.testing.loop_probe import LoopProbe
from ai_secretary.testing.model_server import ModelServer

from .conftest import PASSWORD, House, opened
from .knocking import form_file, knock

HEAVY = (
    *("torch", "transformers", "faster_whisper", "ctranslate2", "vosk", "piper", "onnxruntime", "xllamacpp", "openai"),
    *("anthropic", "google.genai", "nicegui", "soundfile", "av", "pymorphy3", "num2words"),
)
IMPORTING = f"""
import logging, os, sys, threading
before = dict(os.environ)
import ai_secretary.app, ai_secretary.app.web, ai_secretary.cli.main
from importlib.metadata import entry_points
manifests = [entry.load().manifest.id for entry in entry_points(group="ai_secretary.plugins")]
assert len(manifests) >= 7, manifests
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(heavy, logging.getLogger().handlers, threading.active_count(), dict(os.environ) == before)
"""


def test_importing_everything_does_nothing_and_needs_nothing_heavy(tmp_path: Path) -> None:
    """The core and the manifests of all plugins: no file, no log handler, no thread, no variable, no engine."""
    cold = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", IMPORTING], cwd=tmp_path, env=cold, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[] [] 1 True\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


async def test_the_environment_is_the_same_after_work(house: House, server: ModelServer) -> None:
    """A proxy or a key of one provider never becomes one of the whole process."""
    before = dict(os.environ)
    made = await house.provider(server, proxies=["http://someone:planted@127.0.0.1:9"])
    await house.ask("POST", f"/admin/llm/providers/{made['id']}/test", {})
    draft = {"name": "G", "type": "gemini", "model": "gemini-2.0-flash", "api_key": "planted-0123456789"}
    assert (await house.ask("POST", "/admin/llm/providers", draft)).status in {201, 400, 422}
    assert dict(os.environ) == before


async def test_admin_admin_opens_nothing_even_without_users_or_database(settings: Settings) -> None:
    house = await opened(settings, plugins=("faq",))
    try:
        guesses = [("admin", "admin"), ("admin", ""), ("root", "root"), ("", "")]
        for username, password in guesses:
            answer = await house.ask("POST", "/admin/auth/login", {"username": username, "password": password}, headers={})
            assert answer.status in {400, 401, 422}
        async with house.application.database.transaction() as session:
            for table in ("user_sessions", "users"):
                await session.execute(text(f"ALTER TABLE {table} RENAME TO gone_{table}"))
        for username, password in [*guesses, ("admin", PASSWORD)]:
            answer = await house.ask("POST", "/admin/auth/login", {"username": username, "password": password}, headers={})
            assert answer.status in {400, 401, 422, 500, 503}, "a database in trouble is no open door"
            assert "access_token" not in answer.text
    finally:
        await house.application.close()


async def test_sqlite_is_opened_for_many_at_once(house: House) -> None:
    """Write-ahead log, foreign keys, patience for locks, and more than one connection."""
    database = house.application.database
    async with database.engine.connect() as first, database.engine.connect() as second:
        for connection in (first, second):
            pragmas = {
                name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "foreign_keys", "busy_timeout")
            }
            assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000}
        one, two = [(await connection.get_raw_connection()).driver_connection for connection in (first, second)]
        assert one is not two


async def test_a_list_costs_the_same_number_of_queries_however_long(house: House, server: ModelServer) -> None:
    await house.provider(server, is_default=True)
    counted = 0

    def count(*_args: object) -> None:
        nonlocal counted
        counted += 1

    async def queries(path: str) -> int:
        nonlocal counted
        counted = 0
        await house.done("GET", path)
        return counted

    engine = house.application.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    paths = ["/admin/chat/sessions", "/admin/chat/sessions?group_by=source", "/admin/faq", "/admin/audit", "/admin/users"]
    few: list[int] = []
    for length in (2, 12):
        for number in range(length):
            session = (await house.done("POST", "/admin/chat/sessions", {"title": f"{length}-{number}"}))["id"]
            await house.done("POST", f"/admin/chat/sessions/{session}/messages", {"content": f"say {length} {number}"})
            await house.done("POST", "/admin/faq", {"question": f"Question {length} number {number}?", "answer": "Yes."})
            await house.done(
                "POST", "/admin/users", {"username": f"user{length}-{number}", "password": PASSWORD, "role": "viewer"}
            )
        await house.application.journal.flush()
        costs = [await queries(path) for path in paths]
        assert not few or costs == few, dict(zip(paths, costs, strict=True))
        few = costs
    assert max(few) <= 5
    conversation = (await house.done("GET", "/admin/chat/sessions"))["sessions"][0]["id"]
    short = await queries(f"/admin/chat/sessions/{conversation}")
    for number in range(6):
        await house.done("POST", f"/admin/chat/sessions/{conversation}/messages", {"content": f"turn {number}"})
    assert await queries(f"/admin/chat/sessions/{conversation}") == short


def test_ids_of_one_moment_differ_and_sort_by_time() -> None:
    made = [new_id("msg") for _ in range(10_000)] + new_ids(*["msg"] * 1_000)
    assert len(set(made)) == len(made)
    times = [id.removeprefix("msg_")[:12] for id in made]
    assert times == sorted(times)


async def test_every_moment_that_is_shown_has_its_zone(house: House, server: ModelServer) -> None:
    await house.provider(server, is_default=True)
    session = (await house.done("POST", "/admin/chat/sessions", {}))["id"]
    await house.done("POST", f"/admin/chat/sessions/{session}/messages", {"content": "hello"})
    await house.done("POST", "/admin/faq", {"question": "When do you open?", "answer": "At nine."})
    paths = [
        "/admin/chat/sessions",
        f"/admin/chat/sessions/{session}",
        "/admin/audit",
        "/admin/users",
        "/admin/keys",
        "/admin/faq",
    ]
    for path in [*paths, "/admin/auth/sessions", "/admin/llm/providers"]:
        moments = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]+)"', (await house.ask("GET", path)).text)
        assert moments, path
        assert all(re.search(r"(Z|\+00:00)$", moment) for moment in moments), f"{path}: {moments}"


@pytest.mark.models
async def test_the_loop_stays_free_while_it_thinks_speaks_and_listens(house: House) -> None:
    """The embedded engines, all at once, through HTTP: the loop that serves everybody is never held for 50 ms."""
    chat = {"model": "local/smollm2-135m", "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 40}
    speech = {
        "model": "tts-1",
        "voice": "piper/en_US-joe-medium",
        "input": "The office opens at nine. " * 6,
        "response_format": "wav",
    }

    async def think() -> bytes:
        return (await house.ask("POST", "/v1/chat/completions", {**chat, "stream": True}, seconds=120)).body

    async def speak() -> bytes:
        answer = await house.ask("POST", "/v1/audio/speech", speech, seconds=120)
        assert answer.status == 200, answer.text
        return answer.body

    async def listen(sound: bytes) -> str:
        body, headers = form_file("file", "question.wav", sound, {"model": "whisper-1", "language": "en"})
        answer = await knock(house.web, "POST", "/v1/audio/transcriptions", {**house.admin, **headers}, body=body, seconds=120)
        assert answer.status == 200, answer.text
        return answer.text

    sound = await speak()  # engines are loaded first
    assert "office" in await listen(sound)
    assert b"[DONE]" in await think()
    async with LoopProbe() as probe:
        thought, _spoken, heard = await asyncio.gather(think(), speak(), listen(sound))
    assert b"[DONE]" in thought
    assert "office" in heard
    assert probe.held < 0.05, f"the loop was held for {probe.held * 1000:.0f} ms"
