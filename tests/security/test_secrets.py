"""Secrets go in and never come out: not from any route, not in the audit log, the log or the database's files."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from ai_secretary.config import Settings
from ai_secretary.logs import configure_logging, forget_request_lines
from ai_secretary.testing.model_server import ModelServer

from .conftest import API_KEY, PASSWORD, House
from .knocking import PARAMETER, knock

PLANTED = {
    "provider": "sk-planted-provider-7f3a9c",
    "replaced": "sk-planted-replaced-81bd22",
    "draft": "sk-planted-draft-55aa10",
    "proxy": "planted-proxy-password-9",
    "hub": "hf_planted_hub_token_4411",
    "user": "planted user password",
    "reset": "planted reset password",
    "typed": "planted mistyped password",
    "refresh": "planted-made-up-refresh-token",
}


@pytest.fixture
def log(settings: Settings) -> Iterator[io.StringIO]:
    """Everything that is logged, down to debug, as it would stand in a file."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(settings.model_copy(update={"log_format": "json", "log_level": "debug"}), stream=stream)
    yield stream
    forget_request_lines()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


async def _plant(house: House, server: ModelServer) -> tuple[list[str], dict[str, list[str]]]:
    """Give every secret away once; the secrets that the house made itself, and the ids that paths need."""
    made = await house.provider(
        server, api_key=PLANTED["replaced"], proxies=[f"http://someone:{PLANTED['proxy']}@127.0.0.1:9"], enabled=True
    )
    await house.done("PUT", f"/admin/llm/providers/{made['id']}", {"api_key": PLANTED["provider"]})
    await house.ask("POST", f"/admin/llm/providers/{made['id']}/test", {})
    draft = {"name": "Draft", "type": "custom", "base_url": server.url, "model": "m", "api_key": PLANTED["draft"]}
    await house.ask("POST", "/admin/llm/providers/test", draft)
    refused = await house.ask("POST", "/admin/llm/providers", {**draft, "base_url": "nonsense"})
    assert refused.status in {400, 422}
    assert PLANTED["draft"] not in refused.text
    await house.done("PUT", "/admin/plugins/llm_local/options", {"hub_token": PLANTED["hub"]})
    person = await house.done("POST", "/admin/users", {"username": "olga", "password": PLANTED["user"], "role": "operator"})
    await house.done("POST", f"/admin/users/{person['id']}/password", {"password": PLANTED["reset"]})
    assert (await house.ask("POST", "/admin/auth/login", {"username": "olga", "password": PLANTED["typed"]})).status == 401
    assert (await house.ask("POST", "/admin/auth/refresh", {"refresh_token": PLANTED["refresh"]})).status == 401
    key = await house.done("POST", "/admin/keys", {"name": "planted", "scopes": ["v1:models"]})
    rotated = await house.done("POST", f"/admin/keys/{key['id']}/rotate")
    session = await house.done("POST", "/admin/chat/sessions", {"title": "Of a test"})
    logged_in = await house.done("POST", "/admin/auth/login", {"username": "admin", "password": PASSWORD})
    own = [key["key"], rotated["key"], logged_in["access_token"], logged_in["refresh_token"], API_KEY, PASSWORD]
    ids = {
        "provider_id": [made["id"]],
        "user_id": [person["id"]],
        "key_id": [key["id"]],
        "session_id": [session["id"]],
        "plugin_id": [record.id for record in house.application.host.list()],
        "persona_id": [persona.id for persona in house.application.personas.all()],
        "preset_id": [persona.id for persona in house.application.personas.all()],
        "persona": [persona.id for persona in house.application.personas.all()],
    }
    return own, ids


async def test_no_secret_comes_back_from_anywhere(house: House, server: ModelServer, log: io.StringIO) -> None:
    made, ids = await _plant(house, server)
    secrets = [*PLANTED.values(), *made]
    await house.application.journal.flush()
    asked = 0
    for operation in await house.operations():
        if operation.method != "GET":
            continue
        names = PARAMETER.findall(operation.path)
        fillings = [{names[0]: value} for value in ids.get(names[0], ["x1"])] if names else [{}]
        for filling in fillings:
            for query in ("", "?include_key=true&include_secrets=true&include_token=1&reveal=1", "?format=csv"):
                answer = await knock(house.web, "GET", operation.filled(**filling) + query, house.admin, seconds=1)
                asked += 1
                for secret in secrets:
                    assert secret not in answer.text, f"{operation} gives a secret away"
    assert asked > 200
    exported = await house.ask("GET", "/admin/audit/export")
    assert exported.status == 200
    assert "llm_provider" in exported.text
    assert not [secret for secret in secrets if secret in exported.text]

    assert "request" in log.getvalue()
    assert not [secret for secret in secrets if secret in log.getvalue()], "a secret is in the log"


async def test_a_secret_is_shown_masked_and_known_to_be_there(house: House, server: ModelServer) -> None:
    made = await house.provider(server, api_key=PLANTED["provider"])
    shown = await house.done("GET", f"/admin/llm/providers/{made['id']}")
    assert shown["api_key_masked"]
    assert PLANTED["provider"][4:] not in shown["api_key_masked"]
    await house.done("PUT", "/admin/plugins/llm_local/options", {"hub_token": PLANTED["hub"]})
    options = (await house.done("GET", "/admin/plugins/llm_local/options"))["options"]
    assert options["hub_token"]
    assert options["hub_token"] not in PLANTED["hub"]


async def test_no_secret_lies_readable_on_the_disk(house: House, server: ModelServer) -> None:
    """Neither the database (nor what SQLite writes beside it) nor any other file holds one in plain."""
    made, _ = await _plant(house, server)
    await house.application.journal.flush()
    files = [path for path in house.folder.rglob("*") if path.is_file()]
    assert any(path.name == "secretary.db" for path in files)
    for path in files:
        content = path.read_bytes()
        for secret in [*PLANTED.values(), *made]:
            assert secret.encode() not in content, f"{path.name} holds a secret"
    assert (house.folder / "secret.key").stat().st_mode & 0o077 == 0


async def test_settings_do_not_print_their_secrets(house: House) -> None:
    settings: Any = house.application.settings
    told = repr(settings) + str(settings) + json.dumps(settings.model_dump(mode="json")) + settings.model_dump_json()
    assert API_KEY not in told
    assert PASSWORD not in told
