"""A real Chromium against the real server; one of each for the whole session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright
from ui_server import PASSWORD, UiServer

RESULTS = Path(__file__).resolve().parents[3] / "test-results" / "ui"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[UiServer]:
    async with UiServer(tmp_path_factory.mktemp("ui-data")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        await chromium.close()


@dataclass
class Visit:
    """A logged-in page that remembers everything that went wrong."""

    page: Page
    context: BrowserContext
    address: str
    troubles: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        """Go to a page of the admin and wait until it is built and connected."""
        await self.page.goto(f"{self.address}/ui/{path}")
        await self.page.wait_for_function("window.socket && window.socket.connected && window.did_handshake")
        await self.page.wait_for_selector(".as-app")
        await self.page.wait_for_function("!document.querySelector('.as-slot > .as-late')", timeout=15000)
        await self.page.wait_for_function("document.fonts.status === 'loaded'")

    async def sideways(self) -> int:
        """Pixels by which the page or its content is wider than the window."""
        return int(
            await self.page.evaluate(
                "Math.max(document.documentElement.scrollWidth - innerWidth,"
                " ...[...document.querySelectorAll('.as-page, .c-scroll, .c-listbody')].map(e => e.scrollWidth - e.clientWidth))"
            )
        )

    async def shot(self, name: str) -> None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=RESULTS / f"{name}.png")


class Visitors:
    """Makes logged-in pages; every one is closed at the end of the test."""

    def __init__(self, browser: Browser, server: UiServer) -> None:
        self._browser = browser
        self._server = server
        self.contexts: list[BrowserContext] = []

    async def enter(
        self, *, width: int = 1440, theme: str = "light", language: str = "ru", username: str = "admin", password: str = PASSWORD
    ) -> Visit:
        phone = width <= 720
        context = await self._browser.new_context(
            viewport={"width": width, "height": 844 if phone else 900},
            is_mobile=phone,
            has_touch=phone,
            permissions=["microphone", "clipboard-read", "clipboard-write"],
        )
        self.contexts.append(context)
        await context.add_cookies(
            [
                {"name": "secretary_theme", "value": theme, "url": self._server.address},
                {"name": "secretary_language", "value": language, "url": self._server.address},
            ]
        )
        page = await context.new_page()
        visit = Visit(page, context, self._server.address)
        page.on("pageerror", lambda error: visit.troubles.append(f"script error: {error}"))
        page.on("console", lambda said: visit.troubles.append(f"console: {said.text}") if said.type == "error" else None)

        def asked(url: str) -> None:
            if not url.startswith((self._server.address, f"ws://127.0.0.1:{self._server.port}", "data:", "blob:")):
                visit.troubles.append(f"a request to the outside: {url}")

        page.on("request", lambda request: asked(request.url))
        await page.goto(f"{self._server.address}/ui/login")
        await page.fill("#username", username)
        await page.fill("#password", password)
        await page.click(".go")
        await page.wait_for_url(f"{self._server.address}/ui/")
        return visit


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, server: UiServer) -> AsyncIterator[Visitors]:
    made = Visitors(browser, server)
    yield made
    for context in made.contexts:
        await context.close()
