"""Coming in, finding the way, and what happens when something breaks."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from playwright.async_api import Browser, expect
from ui_server import PASSWORD, UiServer

from ai_secretary.pages import Page
from ai_secretary_ui import PageView
from ai_secretary_ui import components as c

from .conftest import Visitors

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_login_asks_again_and_leads_back(browser: Browser, server: UiServer) -> None:
    context = await browser.new_context(locale="ru-RU")
    page = await context.new_page()
    await page.goto(f"{server.address}/ui/plugins")
    await expect(page).to_have_url(f"{server.address}/ui/login?next=%2Fui%2Fplugins")
    await page.fill("#password", "wrong password")
    await page.click(".go")
    await expect(page.get_by_role("alert")).to_contain_text("не подошли")
    await page.fill("#password", PASSWORD)
    await page.get_by_role("button", name="Показать или скрыть").click()
    assert await page.get_attribute("#password", "type") == "text"
    await page.click(".go")
    await expect(page).to_have_url(f"{server.address}/ui/plugins")
    cookies = {cookie["name"]: cookie for cookie in await context.cookies()}
    assert cookies["secretary_session"]["httpOnly"]
    assert cookies["secretary_session"]["sameSite"] == "Lax"
    await context.close()


async def test_login_is_throttled_in_words(server: UiServer) -> None:
    """The limit is the core's; here it is only told, with the seconds."""
    from ai_secretary.access import RateLimits

    limits = server.application.access.limits
    replaced = RateLimits({"auth": "2/minute"})
    server.application.access._parts.limits = replaced
    server.application.access.limits = replaced
    try:
        async with httpx.AsyncClient(base_url=server.address, headers={"accept-language": "en"}) as client:
            form = {"username": "admin", "password": "no no no no"}
            replies = [await client.post("/ui/login", data=form) for _attempt in range(4)]
        assert replies[0].status_code == 401
        assert replies[-1].status_code == 429
        assert "Too many attempts" in replies[-1].text
        assert "data-seconds=" in replies[-1].text
    finally:
        server.application.access._parts.limits = limits
        server.application.access.limits = limits


async def test_strangers_get_nothing(server: UiServer) -> None:
    async with httpx.AsyncClient(base_url=server.address) as client:
        assert (await client.get("/ui/chat")).status_code == 303
        assert (await client.get("/ui/palette.json")).status_code == 401
        assert (await client.get("/ui/media/speech/say_x")).status_code == 401
        assert (await client.post("/ui/media/transcribe", content=b"x")).status_code == 401
        cross = await client.post(
            "/ui/login", data={"username": "admin", "password": PASSWORD}, headers={"origin": "https://evil.example"}
        )
        assert cross.status_code == 403
        assert "secretary_session" not in cross.cookies


async def test_front_door_leads_to_the_admin(server: UiServer) -> None:
    async with httpx.AsyncClient(base_url=server.address, headers={"accept": "text/html"}) as client:
        reply = await client.get("/")
        assert reply.status_code in {302, 303, 307}
        assert reply.headers["location"] == "/ui/"


async def test_palette_understands_both_layouts(visitors: Visitors) -> None:
    visit = await visitors.enter()
    await visit.open("")
    await visit.page.keyboard.press("Control+KeyK")
    box = visit.page.get_by_role("combobox")
    await box.fill("ujk")  # "гол" on the other layout
    first = visit.page.get_by_role("option").first
    await expect(first).to_contain_text("Голоса")
    await expect(first.locator("mark")).to_have_text("Гол")
    await visit.page.keyboard.press("Enter")
    await expect(visit.page).to_have_url(f"{visit.address}/ui/voices")


async def test_theme_and_language_are_kept(visitors: Visitors) -> None:
    visit = await visitors.enter(theme="night")
    await visit.open("about")
    await visit.page.get_by_role("button", name="Тема", exact=True).click()
    await visit.page.get_by_text("Светлая").click()
    await expect(visit.page.locator("html")).to_have_attribute("data-theme", "light")
    await visit.page.wait_for_function("Quasar.Dark.isActive === false")
    await visit.open("about")
    assert await visit.page.evaluate("document.documentElement.dataset.theme") == "light"
    await visit.page.get_by_role("button", name="Язык").click()
    await visit.page.get_by_text("English", exact=True).click()
    await expect(visit.page.get_by_role("heading", name="About")).to_be_visible()
    assert await visit.page.evaluate("document.documentElement.lang") == "en"


async def test_unknown_page_is_a_friendly_card(visitors: Visitors) -> None:
    visit = await visitors.enter()
    reply = await visit.page.goto(f"{visit.address}/ui/nothing-here")
    assert reply is not None
    assert reply.status == 404
    await expect(visit.page.get_by_role("heading", name="Такой страницы нет")).to_be_visible()
    await expect(visit.page.locator(".as-rail")).to_be_visible()


async def test_a_broken_page_is_a_card_and_can_be_tried_again(visitors: Visitors, server: UiServer) -> None:
    healthy = False

    async def build(view: PageView) -> None:
        if not healthy:
            raise ZeroDivisionError("secret inner detail")
        c.page_header("Mended", view.language)

    registries = server.application.registries
    registries.add_page("faq", Page("broken", "system", "Broken", "error", build, "dashboard:read"))
    try:
        visit = await visitors.enter(language="en")
        await visit.open("broken")
        alert = visit.page.get_by_role("alert")
        await expect(alert).to_contain_text("could not show this page")
        await expect(alert).to_contain_text("Everything else keeps working")
        await expect(visit.page.get_by_text("secret inner detail")).to_be_hidden()
        await expect(visit.page.locator(".as-rail")).to_be_visible()
        healthy = True
        await visit.page.get_by_role("button", name="Check again").click()
        await expect(visit.page.get_by_role("heading", name="Mended")).to_be_visible()
    finally:
        registries.pages._entries.pop("broken")


@pytest.mark.slow
async def test_a_page_that_never_answers_is_given_up(visitors: Visitors, server: UiServer) -> None:
    async def build(_view: PageView) -> None:
        await asyncio.Event().wait()

    registries = server.application.registries
    registries.add_page("faq", Page("silent", "system", "Silent", "error", build, "dashboard:read"))
    try:
        visit = await visitors.enter(language="en")
        await visit.page.goto(f"{visit.address}/ui/silent")
        await expect(visit.page.locator(".as-skel").first).to_be_visible()
        await expect(visit.page.get_by_role("alert")).to_contain_text("did not answer within 10 seconds", timeout=15000)
    finally:
        registries.pages._entries.pop("silent")


async def test_a_revoked_session_loses_its_open_page(visitors: Visitors, server: UiServer) -> None:
    visit = await visitors.enter()
    await visit.open("about")
    users = await server.application.access.users.by_name("admin")
    assert users is not None
    sessions = await server.application.access.sessions(users.id)
    await server.application.access.revoke_session(sessions[0].id)
    await expect(visit.page).to_have_url(f"{visit.address}/ui/login?next=%2Fui%2Fabout")


async def test_a_viewer_sees_no_forbidden_pages(visitors: Visitors, server: UiServer) -> None:
    await server.application.access.users.create("looker", "a quiet long password", "viewer")
    visit = await visitors.enter(language="en", username="looker", password="a quiet long password")
    await visit.open("plugins")
    assert await visit.page.get_by_role("link", name="Users & keys").count() == 0
    assert await visit.page.locator(".p-card .q-toggle[aria-disabled=true]").count() >= 1
    reply = await visit.page.goto(f"{visit.address}/ui/users")
    assert reply is not None
    assert reply.status == 403
    await expect(visit.page.get_by_role("heading", name="This page is not open to you")).to_be_visible()


async def test_lost_connection_is_told_and_passes(visitors: Visitors) -> None:
    visit = await visitors.enter(language="en")
    await visit.open("about")
    await visit.page.evaluate("window.socket.disconnect()")
    lost = visit.page.locator("#as-lost")
    await expect(lost).to_be_visible(timeout=8000)
    await expect(lost).to_contain_text("Lost the server")
    await expect(lost.locator(".n")).to_contain_text(" s")
    await visit.page.evaluate("window.socket.connect()")
    await expect(lost).to_be_hidden(timeout=8000)
