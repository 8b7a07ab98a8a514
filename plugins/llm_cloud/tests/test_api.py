"""Providers in the real application: endpoints, permissions, audit, secrets, choosing, testing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from llm_cloud_house import KEY, House, configured
from pydantic import SecretStr
from sqlalchemy import text

from ai_secretary.app import Application
from ai_secretary.config import Settings
from ai_secretary.dialogue.preferences import DialoguePreferences
from ai_secretary.plugins.provider_types import ProviderConnection
from ai_secretary.storage.vault import current_vault
from ai_secretary.testing.model_server import ModelServer, Script, SeenRequest, stream_of
from ai_secretary_llm_cloud.types.openai_compatible import COMPATIBLE_TYPES, CompatibleType

SECRET = "sk-office-0123456789"


def refused(status: int = 401) -> Script:
    return Script([json.dumps({"error": {"message": f"bad key {SECRET}", "code": "invalid_api_key"}}).encode()], status=status)


async def test_types_are_listed_with_what_the_form_needs(house: House) -> None:
    types = {kind["id"]: kind for kind in (await house.ask("GET", "/admin/llm/provider-types")).json()["provider_types"]}
    assert list(types) == ["openai", "gemini", "claude", "deepseek", "kimi", "openrouter", "custom"]
    assert types["kimi"]["default_base_url"] == "https://api.moonshot.ai/v1"
    assert types["custom"]["requires_base_url"]
    assert not types["custom"]["requires_key"]
    assert all(kind["default_models"] or kind["id"] == "custom" for kind in types.values())
    assert all(kind["owner"] == "llm_cloud" for kind in types.values())


async def test_a_provider_from_creation_to_deletion(house: House, server: ModelServer) -> None:
    made = await house.connect(server, name="Офис № 1", price_prompt=1.5, description="В углу")
    assert made["id"] == "ofis-1"
    assert made["model_id"] == "ofis-1/test-model"
    assert made["api_key_masked"] == "•••• 6789"
    assert (await house.connect(server, name="Офис № 1"))["id"] == "ofis-1-2"

    one = (await house.ask("GET", "/admin/llm/providers/ofis-1")).json()
    assert one == made
    changed = (await house.ask("PUT", "/admin/llm/providers/ofis-1", {"price_prompt": None, "name": "Office"})).json()
    assert (changed["price_prompt"], changed["name"], changed["description"], changed["id"]) == (
        None,
        "Office",
        "В углу",
        "ofis-1",
    )
    assert changed["api_key_masked"] == "•••• 6789"

    await house.ask("PUT", "/admin/llm/providers/ofis-1-2", {"enabled": False})
    listed = (await house.ask("GET", "/admin/llm/providers?enabled_only=true")).json()["providers"]
    assert [provider["id"] for provider in listed] == ["ofis-1"]
    assert house.application.registries.find_model("ofis-1-2/test-model") is None

    assert (await house.ask("DELETE", "/admin/llm/providers/ofis-1")).status_code == 204
    assert (await house.ask("GET", "/admin/llm/providers/ofis-1")).status_code == 404
    assert (await house.ask("DELETE", "/admin/llm/providers/ofis-1")).status_code == 404


async def test_a_connected_provider_answers_on_v1(house: House, server: ModelServer) -> None:
    await house.connect(server, more_models=["org/big:latest"], price_prompt=10, price_completion=20)
    async with openai.AsyncOpenAI(base_url="http://secretary.test/v1", api_key=KEY, http_client=house.client) as client:  # type: ignore[arg-type]
        ids = [model.id for model in (await client.models.list()).data]
        assert ids[-2:] == ["office/test-model", "office/org/big:latest"]
        for model in ("office/test-model", "office/org/big:latest", "office/not-in-the-list", "secretary"):
            answer = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
            assert answer.choices[0].message.content == "Hello, world."
    names = [request.json["model"] for request in server.requests]
    assert names == ["test-model", "org/big:latest", "not-in-the-list", "test-model"]
    await house.application.journal.flush()
    async with house.application.database.session() as session:
        costs = list((await session.execute(text("SELECT cost_usd FROM usage_log ORDER BY number"))).scalars())
    assert costs[0] == pytest.approx((11 * 10 + 7 * 20) / 1e6)
    assert costs[1] is None, "the price is the default model's"


async def test_keys_never_come_out(house: House, server: ModelServer) -> None:
    proxy = "http://user:proxy-password@127.0.0.1:3128"
    await house.connect(server, proxies=[proxy])
    await house.ask("PUT", "/admin/llm/providers/office", {"api_key": "sk-new-key-9876543210", "proxies": []})
    server.say(refused())
    texts = [
        (await house.ask("GET", "/admin/llm/providers")).text,
        (await house.ask("GET", "/admin/llm/providers/office")).text,
        (await house.ask("GET", "/admin/llm/providers/office?include_key=true")).text,
        (await house.ask("POST", "/admin/llm/providers/office/test")).text,
        (await house.ask("GET", "/admin/llm/providers/office/models")).text,
        (await house.ask("GET", "/admin/audit/logs")).text,
    ]
    await house.application.journal.flush()
    async with house.application.database.session() as session:
        texts += [str(row) for row in (await session.execute(text("SELECT * FROM audit_log"))).all()]
        stored = list((await session.execute(text("SELECT * FROM llm_cloud_providers"))).mappings())
    texts.append(str(stored))
    for secret in (SECRET, "sk-new-key-9876543210", "proxy-password"):
        assert secret not in "\n".join(texts)
    assert current_vault().decrypt(stored[0]["api_key"]) == "sk-new-key-9876543210"


async def test_a_new_address_does_not_get_the_old_key(house: House, server: ModelServer) -> None:
    await house.connect(server)
    async with ModelServer().serve() as other:
        changed = await house.ask("PUT", "/admin/llm/providers/office", {"base_url": other.url})
        assert changed.json()["api_key_masked"] == ""
        await house.ask("POST", "/admin/llm/providers/office/test")
        assert other.requests
        assert all("authorization" not in request.headers for request in other.requests)
        with_key = await house.ask("PUT", "/admin/llm/providers/office", {"base_url": server.url, "api_key": "sk-another-000000"})
        assert with_key.json()["api_key_masked"] == "•••• 0000"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"type": "nothing"}, "type"),
        ({"base_url": None}, "base_url"),
        ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"base_url": "http://user:pw@host/v1"}, "base_url"),
        ({"api_key": "two words"}, "api_key"),
        ({"type": "openai", "base_url": None, "api_key": None}, "api_key"),
        ({"model": "bad name!"}, "model"),
        ({"model": None}, "model"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"price_prompt": -1}, "price_prompt"),
        ({"context_window": 5}, "context_window"),
        ({"proxies": ["socks://x"]}, "proxies"),
        ({"unknown": 1}, "unknown"),
    ],
)
async def test_wrong_input_is_named_and_nothing_is_stored(
    house: House, server: ModelServer, change: dict[str, Any], field: str
) -> None:
    body = {"name": "Office", "type": "custom", "base_url": server.url, "model": "m", "api_key": SECRET, **change}
    answer = await house.ask("POST", "/admin/llm/providers", body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["param"] == field
    assert (await house.ask("GET", "/admin/llm/providers")).json()["providers"] == []
    # On an existing provider the same.
    await house.connect(server)
    if change.get("api_key", "") is not None:
        assert (await house.ask("PUT", "/admin/llm/providers/office", change)).status_code == 400
        assert (await house.ask("GET", "/admin/llm/providers/office")).json()["name"] == "Office"


async def test_roles(house: House, server: ModelServer) -> None:
    await house.connect(server)
    viewer, operator = await house.user("viewer"), await house.user("operator")
    paths = ("/admin/llm/providers", "/admin/llm/providers/office", "/admin/llm/provider-types")
    for path in paths:
        assert (await house.ask("GET", path, headers={})).status_code == 401
        assert (await house.ask("GET", path, headers=viewer)).status_code == 200
    for method, path, body in (
        ("POST", "/admin/llm/providers", {"name": "x", "type": "custom"}),
        ("PUT", "/admin/llm/providers/office", {"name": "x"}),
        ("POST", "/admin/llm/providers/office/test", None),
        ("POST", "/admin/llm/providers/office/set-default", None),
        ("DELETE", "/admin/llm/providers/office", None),
    ):
        assert (await house.ask(method, path, body, headers=viewer)).status_code == 403
    assert (await house.ask("PUT", "/admin/llm/providers/office", {"name": "x"}, headers=operator)).status_code == 200


async def test_a_test_is_a_real_answer(house: House, server: ModelServer) -> None:
    await house.connect(server)
    good = (await house.ask("POST", "/admin/llm/providers/office/test")).json()
    assert (good["available"], good["reply"], good["models_listed"]) == (True, "Hello, world.", 2)
    assert "Hello, world." in good["message"]
    assert 0 < good["first_token_ms"] <= good["total_ms"]
    server.say(refused())
    bad = (await house.ask("POST", "/admin/llm/providers/office/test")).json()
    assert (bad["available"], bad["code"]) == (False, "key_refused")
    assert bad["hint"]
    server.say(refused(403))
    assert not (await house.ask("POST", "/admin/llm/providers/office/test")).json()["available"]


async def test_a_draft_can_be_tried_before_it_is_saved(house: House, server: ModelServer) -> None:
    body = {"name": "New", "type": "custom", "base_url": server.url, "model": "m", "api_key": SECRET}
    assert (await house.ask("POST", "/admin/llm/providers/test", body)).json()["available"]
    assert server.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
    dead = (await house.ask("POST", "/admin/llm/providers/test", {**body, "base_url": "http://127.0.0.1:1/v1"})).json()
    assert (dead["available"], dead["code"]) == (False, "unreachable")
    assert (await house.ask("GET", "/admin/llm/providers")).json()["providers"] == []


async def test_messages_are_in_the_readers_language(house: House, server: ModelServer) -> None:
    await house.connect(server)
    server.say(refused())
    answer = await house.ask("POST", "/admin/llm/providers/office/test", headers={**house.admin, "accept-language": "ru"})
    assert any("а" <= letter <= "я" for letter in answer.json()["message"])
    assert any("а" <= letter <= "я" for letter in answer.json()["hint"])


async def test_models_are_listed_and_kept(house: House, server: ModelServer) -> None:
    await house.connect(server)
    first = (await house.ask("GET", "/admin/llm/providers/office/models")).json()
    assert first == {"models": ["test-model", "other/model:free"], "cached": False}
    assert (await house.ask("GET", "/admin/llm/providers/office/models")).json()["cached"]
    assert not (await house.ask("GET", "/admin/llm/providers/office/models?refresh=true")).json()["cached"]
    server.say(refused())
    answer = await house.ask("GET", "/admin/llm/providers/office/models?refresh=true")
    assert answer.status_code == 502
    assert answer.json()["code"] == "key_refused"


async def test_default_and_order(house: House, server: ModelServer) -> None:
    for name in ("One", "Two", "Three"):
        await house.connect(server, name=name)
    preferences = house.application.preferences

    def chosen() -> DialoguePreferences:
        return preferences.get("dialogue", DialoguePreferences)

    assert (await house.ask("POST", "/admin/llm/providers/two/set-default")).json() == {"model": "two/test-model"}
    assert chosen().model == "two/test-model"
    listed = (await house.ask("POST", "/admin/llm/providers/order", {"ids": ["three", "two", "one"]})).json()["providers"]
    assert [provider["id"] for provider in listed] == ["three", "two", "one"]
    assert [provider["is_default"] for provider in listed] == [False, True, False]
    assert chosen().fallbacks == ("three/test-model", "one/test-model")
    await house.ask("PUT", "/admin/llm/providers/two", {"model": "other"})
    assert chosen().model == "two/other"
    await house.ask("DELETE", "/admin/llm/providers/three")
    await house.ask("DELETE", "/admin/llm/providers/two")
    assert (chosen().model, chosen().fallbacks) == (None, ("one/test-model",))
    assert (await house.ask("POST", "/admin/llm/providers/order", {"ids": ["nobody"]})).status_code == 404
    await house.ask("PUT", "/admin/llm/providers/one", {"enabled": False})
    assert (await house.ask("POST", "/admin/llm/providers/one/set-default")).status_code == 409


async def test_the_next_provider_steps_in(house: House, server: ModelServer) -> None:
    async with ModelServer().serve() as spare:
        await house.connect(server, name="First")
        await house.connect(spare, name="Second")
        await house.ask("POST", "/admin/llm/providers/first/set-default")
        await house.ask("POST", "/admin/llm/providers/order", {"ids": ["first", "second"]})
        server.say(refused())
        body = {"model": "secretary", "messages": [{"role": "user", "content": "Hi"}]}
        answer = await house.ask("POST", "/v1/chat/completions", body)
        assert answer.json()["choices"][0]["message"]["content"] == "Hello, world."
        assert len(spare.requests) == 1
        health = house.application.registries.health.get("llm_cloud").check()
        assert health.state == "warning"
        # A new key is tried at once, although the old one has just failed.
        server.answer = server.hello
        await house.ask("PUT", "/admin/llm/providers/first", {"api_key": "sk-better-0123456789"})
        await house.ask("POST", "/v1/chat/completions", body)
        assert len(spare.requests) == 1


async def test_everything_is_audited(house: House, server: ModelServer) -> None:
    await house.connect(server)
    await house.ask("PUT", "/admin/llm/providers/office", {"name": "Office 2", "api_key": "sk-new-0123456789"})
    await house.ask("POST", "/admin/llm/providers/office/test")
    await house.ask("POST", "/admin/llm/providers/office/set-default")
    await house.ask("POST", "/admin/llm/providers/order", {"ids": ["office"]})
    await house.ask("DELETE", "/admin/llm/providers/office")
    await house.application.journal.flush()
    async with house.application.database.session() as session:
        rows = (
            await session.execute(
                text("SELECT action, actor_name, details FROM audit_log WHERE resource = 'llm_provider' ORDER BY seq")
            )
        ).all()
    assert [row[0] for row in rows] == [
        "llm.provider_create", "llm.provider_update", "llm.provider_test", "llm.provider_set_default", "llm.provider_order",
        "llm.provider_delete",
    ]  # fmt: skip
    assert {row[1] for row in rows} == {"admin"}
    assert "Office 2" in str(rows[1][2])


async def test_a_running_answer_survives_a_change_of_its_provider(house: House, server: ModelServer) -> None:
    await house.connect(server)
    server.say(Script(stream_of(["a "] * 30), content_type="text/event-stream", pause=0.02))
    body = {"model": "office/test-model", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    task = asyncio.create_task(house.ask("POST", "/v1/chat/completions", body))
    while not server.requests:
        await asyncio.sleep(0.01)
    await house.ask("PUT", "/admin/llm/providers/office", {"name": "Renamed"})
    answer = await task
    assert answer.text.count("a ") == 30
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_disabling_the_plugin_takes_its_models_and_routes(house: House, server: ModelServer) -> None:
    await house.connect(server)
    await house.application.host.disable("llm_cloud")
    await house.application.bus.drain()
    assert house.application.registries.find_model("office/test-model") is None
    assert (await house.ask("GET", "/admin/llm/providers")).status_code == 404
    await house.application.host.enable("llm_cloud")
    await house.application.bus.drain()
    assert [provider["id"] for provider in (await house.ask("GET", "/admin/llm/providers")).json()["providers"]] == ["office"]
    assert house.application.registries.find_model("office/test-model") is not None


class OwnType(CompatibleType):
    """What a third party would register."""


async def test_a_third_party_adds_a_type(house: House, server: ModelServer) -> None:
    own = OwnType("acme", "Acme", server.url, ("acme-1",))
    house.application.registries.add_provider_type("acme_plugin", own)
    answer = await house.ask("POST", "/admin/llm/providers", {"name": "Acme", "type": "acme", "api_key": SECRET})
    assert answer.json()["model_id"] == "acme/acme-1"
    assert (await house.ask("POST", "/admin/llm/providers/acme/test")).json()["available"]
    # The type goes with its plugin: the provider stays and says what is wrong.
    house.application.registries.remove_owner("acme_plugin")
    await house.providers.load()
    assert house.application.registries.find_model("acme/acme-1") is None
    assert (await house.ask("GET", "/admin/llm/providers/acme")).json()["type_title"] == "acme"
    assert (await house.ask("POST", "/admin/llm/providers/acme/test")).status_code == 400


def test_the_bare_address_of_a_model_server_is_enough() -> None:
    custom = next(kind for kind in COMPATIBLE_TYPES if kind.id == "custom")
    client = custom.connect(ProviderConnection("x", "X", "http://gpu-box:8000", "", "m"))
    assert client._wire.base_url == "http://gpu-box:8000/v1"


async def test_variables_of_older_installations(settings: Settings, server: ModelServer) -> None:
    wanted = configured(
        settings,
        vllm_api_url=server.url.removesuffix("/v1"),
        gemini_api_key=SecretStr("AIzaOld0123456789"),
        gemini_model="gemini-2.0-flash",
        llm_backend="vllm",
    )

    async def start() -> list[tuple[str, str, str]]:
        application = Application(wanted)
        await application.open()
        providers = application.registries.service("llm_cloud.providers")
        for _ in range(200):
            if len(providers.all()) >= 2 or application.preferences.is_set("llm_cloud.seeded"):
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        found = [(provider.id, provider.draft.type, provider.draft.model) for provider in providers.all()]
        assert "vllm" not in {item[0] for item in found} or application.router.candidates()[0] == "vllm/test-model"
        if found:
            await providers.delete("gemini")
        await application.close()
        return found

    assert sorted(await start()) == [("gemini", "gemini", "gemini-2.0-flash"), ("vllm", "custom", "test-model")]
    assert [item[0] for item in await start_again(wanted)] == ["vllm"], "what was deleted does not come back"


async def start_again(wanted: Settings) -> list[tuple[str, str]]:
    application = Application(wanted)
    await application.open()
    await asyncio.sleep(0.2)
    found = [(provider.id, provider.draft.model) for provider in application.registries.service("llm_cloud.providers").all()]
    await application.close()
    return found


async def test_a_model_server_that_starts_later_is_waited_for(house: House, server: ModelServer) -> None:
    from ai_secretary_llm_cloud.seeding import seed

    down = True

    def answer(request: SeenRequest) -> Script:
        return Script(status=503) if down else server.hello(request)

    server.answer = answer
    context = house.providers._context
    context.settings.vllm_api_url = server.url
    task = asyncio.create_task(seed(context, house.providers, retry_s=0.05))
    while len(server.requests) < 3:
        await asyncio.sleep(0.01)
    down = False
    await asyncio.wait_for(task, 5)
    assert [provider.model_id for provider in house.providers.all()] == ["vllm/test-model"]


async def test_the_openapi_document_names_permissions(house: House) -> None:
    document = (await house.ask("GET", "/openapi.json")).json()
    assert document["paths"]["/admin/llm/providers"]["post"]["x-permission"] == "llm:write"
    assert document["paths"]["/admin/llm/providers/{provider_id}"]["get"]["x-permission"] == "llm:read"
