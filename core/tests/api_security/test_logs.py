from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ai_secretary.config import Settings
from ai_secretary.context import RequestContext, request_context
from ai_secretary.logs import configure_logging, forget_request_lines, is_secret_name, mask_secret, redact, unmask_secret

SECRET = "planted-secret-value"


@pytest.fixture
def output(settings: Settings) -> Iterator[io.StringIO]:
    """Logs as JSON lines in a buffer; the configuration of the test session is put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(settings.model_copy(update={"log_format": "json"}), stream=stream)
    mask_secret(SECRET)
    yield stream
    unmask_secret(SECRET)
    forget_request_lines()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_nothing_is_configured_at_import() -> None:
    import subprocess
    import sys

    code = "import logging, structlog, ai_secretary.logs; print(structlog.is_configured(), logging.getLogger().handlers)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False []\n"


def test_lines_are_json_with_the_requests_id(output: io.StringIO) -> None:
    token = request_context.set(RequestContext("req_1", "203.0.113.7"))
    try:
        structlog.get_logger("x").info("something_happened", count=5, name="Ёлка")
        logging.getLogger("other.library").warning("said %s", "this")
        logging.getLogger("uvicorn.error").info("started")
    finally:
        request_context.reset(token)
    structlog.get_logger("x").debug("not_shown")
    ours, theirs, uvicorn = lines(output)
    assert (ours["event"], ours["level"], ours["count"], ours["name"]) == ("something_happened", "info", 5, "Ёлка")
    assert ours["request_id"] == theirs["request_id"] == "req_1"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("said this", "warning", "other.library")
    assert uvicorn["event"] == "started"


def test_secrets_are_masked_by_name_and_by_value(output: io.StringIO) -> None:
    log = structlog.get_logger("x")
    log.info(
        "saved",
        api_key="sk-one",
        botToken="two-secret",
        headers={"Authorization": "Bearer three-secret", "accept": "x"},
        nested=[{"password": "four-secret"}],
        note=f"it was {SECRET} indeed",
        max_tokens=5,
    )
    log.info(f"event with {SECRET}")
    logging.getLogger("library").error("library says %s", SECRET)
    try:
        raise ValueError(f"bad value {SECRET}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed too")
    text = output.getvalue()
    for secret in ("sk-one", "two-secret", "three-secret", "four-secret", SECRET):
        assert secret not in text
    assert text.count("Traceback") == 2
    first = lines(output)[0]
    assert first["max_tokens"] == 5
    assert first["headers"]["accept"] == "x"


def test_a_person_gets_readable_lines(settings: Settings, output: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logging(settings.model_copy(update={"log_format": "console"}), stream=stream)
    structlog.get_logger("x").info("saved", api_key="sk-one", name="olga")
    text = stream.getvalue()
    assert "saved" in text
    assert "olga" in text
    assert "sk-one" not in text
    assert not text.startswith("{")


def test_a_line_break_in_a_value_makes_no_second_line(output: io.StringIO) -> None:
    structlog.get_logger("x").info("login", username='admin\n{"event": "forged"}')
    assert len(lines(output)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password",
        "api_key",
        "apiKey",
        "X-API-Key",
        "Authorization",
        "bot_token",
        "accessToken",
        "client_secret",
        "SECRET",
        "cookie",
        "SIM_PIN",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: "x"}) == {name: "***"}


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "tokens",
        "key_id",
        "keyboard",
        "token_count",
        "monkey",
        "secretary",
        "name",
        "spinning",
        "prompt_tokens",
        "key_prefix",
        "author",
    ],
)
def test_names_of_no_secrets(name: str) -> None:
    assert not is_secret_name(name)
    assert redact({name: "x"}) == {name: "x"}


async def test_request_lines_are_written_in_batches(house: Any, output: io.StringIO) -> None:
    client = await house.client()
    for number in range(3):
        await client.get(f"/nowhere/{number}/{SECRET}", headers={"x-request-id": f"id-{number}"})
    await client.get("/health")
    forget_request_lines()
    found = [line for line in lines(output) if line["event"] == "request"]
    assert [line["request_id"] for line in found[:3]] == ["id-0", "id-1", "id-2"]
    assert (found[0]["status"], found[0]["method"], found[0]["path"]) == (404, "GET", "/nowhere/0/***")
    assert found[0]["timestamp"].endswith("Z")
