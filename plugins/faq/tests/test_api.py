"""`/admin/faq` over HTTP, with real users of each role."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from ai_secretary.access import Access, Passwords, RateLimits
from ai_secretary.api.problems import install_problems
from ai_secretary.i18n import set_language
from ai_secretary.plugins.registrars import RoutesRegistrar
from ai_secretary.storage import Vault

from .conftest import Running

PASSWORD = "correct horse battery"


@dataclass
class Http:
    faq: Running
    admin: httpx.AsyncClient
    operator: httpx.AsyncClient
    viewer: httpx.AsyncClient
    stranger: httpx.AsyncClient

    async def add(self, question: str, answer: str = "Ответ", **more: object) -> dict[str, object]:
        answered = await self.admin.post("/admin/faq", json={"question": question, "answer": answer} | more)
        assert answered.status_code == 201, answered.text
        return answered.json()  # type: ignore[no-any-return]


@pytest.fixture
async def http(sqlite_faq: Running, vault: Vault) -> AsyncIterator[Http]:
    context = sqlite_faq.context
    hasher = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    access = Access(
        context.database, vault, context.bus, context.audit, RateLimits({"auth": "off", "default": "off"}), passwords=hasher
    )
    await access.load()
    app = FastAPI()
    app.state.secretary = SimpleNamespace(access=access)
    install_problems(app)
    sqlite_faq.plugin.register_routes(RoutesRegistrar(sqlite_faq.registries, context))
    [(router, prefix)] = sqlite_faq.registries.routes.values()
    app.include_router(router, prefix=prefix)
    clients = {"": httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://secretary.test")}
    for role in ("admin", "operator", "viewer"):
        await access.users.create(role, PASSWORD, role)
        login = await access.login(role, PASSWORD, "203.0.113.7", "test")
        clients[role] = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://secretary.test",
            headers={"authorization": f"Bearer {login.access_token}"},
        )
    sqlite_faq.audited.clear()
    yield Http(sqlite_faq, clients["admin"], clients["operator"], clients["viewer"], clients[""])
    for client in clients.values():
        await client.aclose()
    await access.close()


async def test_an_entry_lives_from_post_to_delete(http: Http) -> None:
    made = await http.add("Где парковка?", "Во дворе", keywords=["машина", "Машина ", "стоянка"], language="ru")
    assert made["keywords"] == ["машина", "стоянка"]
    path = f"/admin/faq/{made['id']}"
    assert (await http.viewer.get(path)).json() == made
    changed = await http.operator.put(path, json={"answer": "За углом", "language": None, "keywords": None})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["answer"], changed.json()["language"], changed.json()["keywords"]) == ("За углом", None, [])
    assert changed.json()["question"] == "Где парковка?"
    listed = (await http.viewer.get("/admin/faq", params={"search": "ПАРКОВКА", "limit": 10})).json()
    assert (listed["total"], [item["id"] for item in listed["items"]]) == (1, [made["id"]])
    assert (await http.admin.delete(path)).status_code == 204
    assert (await http.admin.get(path)).status_code == 404
    assert [(event.action, event.actor_name) for event in http.faq.audited] == [
        ("faq.create", "admin"),
        ("faq.update", "operator"),
        ("faq.delete", "admin"),
    ]


async def test_each_role_may_what_it_may(http: Http) -> None:
    made = await http.add("Где парковка?")
    path = f"/admin/faq/{made['id']}"
    reads = [
        ("GET", "/admin/faq", None),
        ("GET", path, None),
        ("GET", "/admin/faq/export", None),
        ("POST", "/admin/faq/test", {"text": "а"}),
    ]
    writes = [
        ("POST", "/admin/faq", {"question": "Новый вопрос", "answer": "да"}),
        ("PUT", path, {"enabled": False}),
        ("POST", "/admin/faq/reload", None),
        ("POST", "/admin/faq/import", {}),
        ("DELETE", path, None),
    ]
    for method, url, body in (*reads, *writes):
        assert (await http.stranger.request(method, url, json=body)).status_code == 401, url
    for method, url, body in reads:
        assert (await http.viewer.request(method, url, json=body)).status_code == 200, url
    for method, url, body in writes:
        assert (await http.viewer.request(method, url, json=body)).status_code == 403, url
    assert (await http.admin.get(path)).status_code == 200  # nothing was lost


async def test_a_trial_says_what_matched_and_why(http: Http) -> None:
    made = await http.add("Где парковка?", "Во дворе, сейчас {current_time}", keywords=["стоянка"])
    await http.add("Где вход?")
    found = (await http.viewer.post("/admin/faq/test", json={"text": "а где у вас стоянка", "timezone": "Europe/Moscow"})).json()
    assert (found["match"]["id"], found["how"], found["reason"], found["language"]) == (made["id"], "keywords", "matched", "ru")
    assert "{" not in found["answer"]
    assert found["candidates"][0]["keyword"] == "стоянка"
    assert found["milliseconds"] < 50
    nothing = (await http.viewer.post("/admin/faq/test", json={"text": "а"})).json()
    assert (nothing["match"], nothing["answer"], nothing["reason"]) == (None, None, "too_short")
    other = (await http.viewer.post("/admin/faq/test", json={"text": "где вход для курьеров"})).json()
    assert {candidate["verdict"] for candidate in other["candidates"]} == {"too_different"} or other["match"] is not None
    assert (await http.viewer.get(f"/admin/faq/{made['id']}")).json()["hit_count"] == 0


async def test_import_takes_json_csv_and_forms_and_names_wrong_lines(http: Http) -> None:
    dry = await http.admin.post("/admin/faq/import?dry_run=true", json={"Где парковка?": "Во дворе"})
    assert dry.json() | {"errors": 0} == {
        "total": 1, "added": 1, "updated": 0, "unchanged": 0, "skipped": 0, "errors": 0, "dry_run": True,
    }  # fmt: skip
    assert (await http.admin.get("/admin/faq")).json()["total"] == 0
    table = "question,answer,keywords\nГде парковка?,Во дворе,машина\nа,б,\n"
    done = await http.admin.post("/admin/faq/import", content=table.encode(), headers={"content-type": "text/csv"})
    assert done.json()["added"] == 1
    assert done.json()["errors"] == [
        {
            "line": 3,
            "field": "question",
            "code": "faq_question_short",
            "message": "A question needs at least two letters or digits",
        }
    ]
    form = await http.admin.post(
        "/admin/faq/import?on_existing=skip",
        files={
            "file": (
                "../../FAQ.CSV",
                "question;answer\nГде парковка;Нет\nГде вход;Там\n".encode("cp1251"),
                "application/octet-stream",
            )
        },
    )
    assert form.status_code == 200, form.text
    assert (form.json()["added"], form.json()["skipped"]) == (1, 1)
    for file_format in ("json", "csv"):
        exported = await http.viewer.get("/admin/faq/export", params={"format": file_format})
        assert f'filename="faq.{file_format}"' in exported.headers["content-disposition"]
        again = await http.admin.post(
            f"/admin/faq/import?format={file_format}",
            content=exported.content,
            headers={"content-type": "application/octet-stream"},
        )
        assert (again.json()["unchanged"], again.json()["errors"]) == (2, [])


async def test_wrong_input_is_a_clear_problem_in_the_reader_s_language(http: Http) -> None:
    await http.add("Где парковка?")
    taken = await http.admin.post("/admin/faq", json={"question": "где парковка", "answer": "x"})
    assert (taken.status_code, taken.json()["code"], taken.json()["param"]) == (409, "faq_question_taken", "question")
    assert "Где парковка" in taken.json()["detail"] or "где парковка" in taken.json()["detail"]
    for body in ({"question": "а", "answer": "x"}, {"question": "Вопрос"}, {"question": "Вопрос", "answer": "x", "hits": 5}, []):
        assert (await http.admin.post("/admin/faq", json=body)).status_code in {400, 422}, body
    assert (await http.admin.put("/admin/faq/faq_none", json={"answer": "x"})).status_code == 404
    assert (await http.admin.get("/admin/faq", params={"limit": 100_000})).status_code in {400, 422}
    broken = await http.admin.post("/admin/faq/import", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "faq_import_json")
    huge = await http.admin.post("/admin/faq/import", content=b"x" * (9 << 20), headers={"content-type": "text/csv"})
    assert huge.status_code == 413
    set_language("ru")
    from importlib.resources import files

    from ai_secretary.i18n import register_catalogue

    register_catalogue("faq", files("ai_secretary_faq").joinpath("locale"))
    russian = await http.admin.post("/admin/faq/import", content=json.dumps([{"question": "а", "answer": "x"}]).encode())
    assert russian.json()["errors"][0]["message"] == "В вопросе нужны хотя бы две буквы или цифры"


async def test_the_paths_are_in_the_document_and_static_ones_are_not_taken_for_ids(http: Http) -> None:
    assert (await http.admin.post("/admin/faq/reload")).json() == {"status": "ok", "count": 0}
    assert (await http.admin.get("/admin/faq/export")).status_code == 200
