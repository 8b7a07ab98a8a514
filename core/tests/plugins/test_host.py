"""One plugin's trouble is that plugin's state, never the server's."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy import text

from ai_secretary.errors import Conflict
from ai_secretary.pages import Page
from ai_secretary.plugins import Health, Plugin, PluginContext, hookimpl
from ai_secretary.plugins import host as host_module
from ai_secretary.plugins.health import HealthMonitor
from ai_secretary.plugins.options import mask_secrets, merge_options
from ai_secretary.plugins.registrars import (
    HealthRegistrar,
    MigrationsRegistrar,
    PagesRegistrar,
    SettingsRegistrar,
    StagesRegistrar,
)

from .conftest import House, installed, manifest


class Options(BaseModel):
    greeting: str = "Hello"
    key: SecretStr = SecretStr("")


class PassOn:
    async def handle(self, turn: Any, proceed: Any) -> Any:
        return await proceed(turn)


class Good(Plugin):
    manifest = manifest("good")

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def setup(self, context: PluginContext) -> None:
        self.context = context
        self.calls.append("setup")

    async def start(self) -> None:
        self.calls.append("start")
        self.context.tasks.spawn(asyncio.sleep(3600), name="forever")

    async def stop(self) -> None:
        self.calls.append("stop")

    @hookimpl
    def register_settings(self, registrar: SettingsRegistrar) -> None:
        registrar.add(Options)

    @hookimpl
    def register_stages(self, registrar: StagesRegistrar) -> None:
        registrar.add(PassOn(), id="good", title="Good", order=350)

    @hookimpl
    def register_pages(self, registrar: PagesRegistrar) -> None:
        registrar.add(Page("good", "system", "Good", "extension", "good.panel:build", "good:read"))


def test_every_hook_of_the_host_exists() -> None:
    from ai_secretary.plugins import hookspecs

    specs = {name for name in dir(hookspecs) if name.startswith("register_")}
    assert set(host_module.REGISTRARS) | {"register_settings", "register_migrations"} == specs


async def test_a_plugin_starts_registers_and_leaves_without_a_trace(house: House) -> None:
    plugin = Good()
    host = house.host(installed(plugin))
    await host.start_all()
    assert host.get("good").state == "started"
    assert [stage.id for stage in house.registries.stages()] == ["good"]
    assert house.registries.pages.owner_of("good") == "good"
    context = plugin.context
    assert len(context.tasks) == 1

    record = await host.disable("good")
    assert (record.state, record.code) == ("blocked", "disabled")
    assert house.registries.stages() == []
    assert len(house.registries.pages) == 0
    assert len(context.tasks) == 0
    assert plugin.calls == ["setup", "start", "stop"]

    await host.enable("good")
    assert host.get("good").state == "started"
    await host.stop_all()
    assert host.get("good").state == "stopped"


async def test_what_was_turned_off_stays_off_after_a_restart(house: House) -> None:
    host = house.host(installed(Good()))
    await host.start_all()
    await host.disable("good")
    again = house.host(installed(Good()))
    await again.start_all()
    assert again.get("good").code == "disabled"


def failing_import() -> Plugin:
    raise ImportError("libfoo.so is missing")


class FailsInHook(Plugin):
    manifest = manifest("fails_in_hook")

    @hookimpl
    def register_pages(self, registrar: PagesRegistrar) -> None:
        raise RuntimeError("no page today")


class FailsInSetup(Good):
    manifest = manifest("fails_in_setup")

    async def setup(self, context: PluginContext) -> None:
        raise RuntimeError("no set-up today")


class FailsInStart(Good):
    manifest = manifest("fails_in_start")

    @hookimpl
    def register_stages(self, registrar: StagesRegistrar) -> None:
        registrar.add(PassOn(), id="fails_in_start", title="x", order=351)

    @hookimpl
    def register_pages(self, registrar: PagesRegistrar) -> None:
        registrar.add(Page("fails-in-start", "system", "x", "extension", "x:y", "x:read"))

    async def start(self) -> None:
        raise RuntimeError("no start today")


class UnknownHook(Good):
    manifest = manifest("unknown_hook")

    @hookimpl
    def register_teapots(self, registrar: Any) -> None: ...


class WrongPermission(Plugin):
    manifest = manifest("wrong_permission")

    @hookimpl
    def register_pages(self, registrar: PagesRegistrar) -> None:
        registrar.add(Page("x", "system", "x", "extension", "x:y", "everything"))


class SamePage(Plugin):
    manifest = manifest("same_page")

    @hookimpl
    def register_pages(self, registrar: PagesRegistrar) -> None:
        registrar.add(Page("good", "system", "Mine", "extension", "x:y", "x:read"))


@pytest.mark.parametrize(
    ("bad", "step", "words"),
    [
        (installed(failing_import, plugin_id="bad_import"), "import", "libfoo.so is missing"),
        (installed(FailsInHook()), "register_pages", "no page today"),
        (installed(FailsInSetup()), "setup", "no set-up today"),
        (installed(FailsInStart()), "start", "no start today"),
        (installed(UnknownHook()), "manifest", "no hook register_teapots"),
        (installed(WrongPermission()), "register_pages", "everything"),
        (installed(SamePage()), "register_pages", "already taken by plugin good"),
        (installed(lambda: "a string", plugin_id="not_a_plugin"), "manifest", "not an instance of Plugin"),
        (installed(Good(), plugin_id="other_name"), "manifest", "the entry point says other_name"),
    ],
    ids=lambda value: value.id if hasattr(value, "id") else None,
)
async def test_a_failing_plugin_fails_alone(house: House, bad: Any, step: str, words: str) -> None:
    host = house.host(installed(Good()), bad)
    await host.start_all()
    record = host.get(bad.id)
    assert record.state == "failed"
    assert record.reason.startswith(step)
    assert words in record.reason
    assert "Traceback" in record.details or "Error" in record.details
    assert host.get("good").state == "started"
    assert {owner for owner, _ in house.registries.pages.items()} == {"good"}
    assert {owner for owner, _ in house.registries.stage_entries.items()} == {"good"}
    await host.stop_all()


async def test_a_hanging_import_or_hook_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "IMPORT_SECONDS", 0.2)
    monkeypatch.setattr(host_module, "HOOK_SECONDS", 0.2)
    release = threading.Event()

    class HangsInHook(Plugin):
        manifest = manifest("hangs_in_hook")

        @hookimpl
        def register_pages(self, registrar: PagesRegistrar) -> None:
            release.wait(5)
            registrar.add(Page("late", "system", "x", "extension", "x:y", "x:read"))

    def hanging_import() -> Plugin:
        release.wait(5)
        return Good()

    host = house.host(installed(hanging_import, plugin_id="hangs_in_import"), installed(HangsInHook()), installed(Good()))
    started = time.monotonic()
    await host.start_all()
    assert time.monotonic() - started < 3
    assert host.get("hangs_in_import").state == "failed"
    assert host.get("hangs_in_hook").state == "failed"
    assert "no answer within 0.2 s" in host.get("hangs_in_hook").reason
    assert host.get("good").state == "started"
    release.set()
    await asyncio.sleep(0.1)
    assert house.registries.pages.get("late") is None, "a late registration must find the door closed"


async def test_another_core_range_is_not_even_imported(house: House) -> None:
    def must_not_run() -> Plugin:
        raise AssertionError("imported")

    host = house.host(installed(must_not_run, plugin_id="future", requires_core=">=99"))
    await host.start_all()
    assert host.get("future").state == "incompatible"
    with pytest.raises(Conflict):
        await host.enable("future")


async def test_safe_mode_loads_built_ins_only(house: House) -> None:
    house.settings = house.settings.model_copy(update={"safe_mode": True})
    third_party = installed(Good())
    host = house.host(third_party)
    await host.start_all()
    assert (host.get("good").state, host.get("good").code) == ("blocked", "safe_mode")
    host = house.host(installed(Good(), distribution="ai-secretary-faq"))
    await host.start_all()
    assert host.get("good").state == "started"


async def test_the_allow_list_is_obeyed(house: House) -> None:
    house.settings = house.settings.model_copy(update={"plugins": ("faq",)})
    host = house.host(installed(Good()))
    await host.start_all()
    assert host.get("good").code == "not_allowed"


async def test_two_distributions_with_one_id_the_first_wins(house: House) -> None:
    host = house.host(installed(Good(), distribution="first"), installed(Good(), distribution="second"))
    await host.start_all()
    assert host.get("good").found.distribution == "first"
    assert host.get("good").rivals == ["second"]


async def test_tables_are_migrated_before_set_up_and_kept_after(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "revisions"
    folder.mkdir()
    (folder / "one.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision = 'keeper_0001'\ndown_revision = None\nbranch_labels = ('keeper',)\ndepends_on = None\n"
        "def upgrade() -> None:\n    op.create_table('keeper_notes', sa.Column('id', sa.Integer, primary_key=True))\n"
        "def downgrade() -> None:\n    op.drop_table('keeper_notes')\n"
    )

    class Keeper(Plugin):
        manifest = manifest("keeper")

        @hookimpl
        def register_migrations(self, registrar: MigrationsRegistrar) -> None:
            registrar.add(folder)

        async def setup(self, context: PluginContext) -> None:
            async with context.database.transaction() as session:
                await session.execute(text("INSERT INTO keeper_notes DEFAULT VALUES"))

    host = house.host(installed(Keeper()))
    await host.start_all()
    assert host.get("keeper").state == "started", host.get("keeper").reason
    await host.disable("keeper")
    await host.enable("keeper")
    async with house.database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM keeper_notes"))).scalar() == 2


async def test_repeated_failures_degrade_and_recovery_heals(house: House) -> None:
    fail = True

    class Moody(Plugin):
        manifest = manifest("moody")

        @hookimpl
        def register_health(self, registrar: HealthRegistrar) -> None:
            registrar.add("moody", self.check, title="Moody")

        def check(self) -> Health:
            if fail:
                raise RuntimeError("out of sorts")
            return Health("ok", "fine")

    host = house.host(installed(Moody()))
    await host.start_all()
    check = house.registries.health.values()[0].check
    for _ in range(3):
        with pytest.raises(Exception, match="out of sorts"):
            await house.guard.call("moody", "health moody", check, timeout=1)
    assert host.get("moody").state == "degraded"
    assert "out of sorts" in host.get("moody").reason
    fail = False
    await house.guard.call("moody", "health moody", check, timeout=1)
    assert host.get("moody").state == "started"


async def test_a_failing_health_check_is_an_error_in_words(house: House) -> None:
    class Ill(Plugin):
        manifest = manifest("ill")

        @hookimpl
        def register_health(self, registrar: HealthRegistrar) -> None:
            def check() -> Health:
                raise RuntimeError("no pulse")

            registrar.add("ill", check, title="Ill")

    host = house.host(installed(Ill()))
    await host.start_all()
    monitor = HealthMonitor(house.registries, house.guard, house.bus)
    (report,) = await monitor.check_all()
    assert (report.state, report.summary) == ("error", "no pulse")
    await host.disable("ill")
    assert monitor.latest() == []


async def test_loading_and_unloading_fifty_times_leaks_nothing(house: House) -> None:
    host = house.host(installed(Good()))
    await host.start_all()
    tasks = len(asyncio.all_tasks())
    for _ in range(50):
        await host.disable("good")
        await host.enable("good")
    await house.bus.drain()
    assert len(asyncio.all_tasks()) == tasks
    assert len(house.registries.pages) == 1
    await host.stop_all()


def test_secret_options_are_masked_and_a_returned_mask_changes_nothing() -> None:
    options = Options(key=SecretStr("sk-1234567890abcd"))
    shown = mask_secrets(options)
    assert shown == {"greeting": "Hello", "key": "•••• abcd"}
    assert merge_options(options, {"key": shown["key"], "greeting": "Hi"}).key == options.key
    assert merge_options(options, {"key": None}).key.get_secret_value() == ""
    assert merge_options(options, {"key": "new-secret-value"}).key.get_secret_value() == "new-secret-value"
