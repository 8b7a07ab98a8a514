"""The policy of the web app's pages: strict in the header, and NiceGUI lives under it in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse

from ai_secretary.api.middleware import HttpLayer
from ai_secretary.config import Settings
from ai_secretary.metrics import Metrics
from ai_secretary.testing.services import free_port

PAGE = (
    "<html><head><script type='importmap'>{}</script></head><body><script>x()</script>&lt;script&gt;"
    + "я" * 2000
    + "</body></html>"
)
HTML = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture
async def pages(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.get("/ui/page", response_class=HTMLResponse)
    async def page() -> str:
        return PAGE

    @app.get("/ui/streamed")
    async def streamed() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            yield "<html><scr"
            yield "ipt>x()</script></html>"

        return StreamingResponse(pieces(), media_type="text/html")

    @app.get("/ui/own")
    async def own() -> HTMLResponse:
        return HTMLResponse("<html></html>", headers={"content-security-policy": "default-src 'none'"})

    @app.get("/ui/file.js")
    async def script() -> PlainTextResponse:
        return PlainTextResponse("<script>", media_type="text/javascript")

    @app.post("/ui/save")
    async def save() -> dict[str, str]:
        return {"saved": "yes"}

    layer = HttpLayer(app, settings, Metrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=layer), base_url="http://secretary.test") as client:
        yield client


async def test_a_page_has_a_policy_with_a_nonce_of_its_own(pages: httpx.AsyncClient) -> None:
    first, second = await pages.get("/ui/page", headers=HTML), await pages.get("/ui/page", headers=HTML)
    nonces = []
    for answer in (first, second):
        policy = {part.split()[0]: part.split()[1:] for part in answer.headers["content-security-policy"].split("; ")}
        [nonce] = [source[7:-1] for source in policy["script-src"] if source.startswith("'nonce-")]
        nonces.append(nonce)
        assert "'unsafe-inline'" not in policy["script-src"]
        assert policy["script-src-attr"] == policy["object-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
        assert policy["default-src"] == policy["connect-src"] == ["'self'"]
        sources = {source for values in policy.values() for source in values}
        assert not any("." in source or "*" in source or source.startswith("http") for source in sources), "an external host"
        tags = re.findall(r"<script[^>]*>", answer.text)
        assert len(tags) == 2
        assert all(f'nonce="{nonce}"' in tag for tag in tags)
        assert "&lt;script&gt;" in answer.text
        assert len(answer.headers.get_list("content-security-policy")) == 1
    assert nonces[0] != nonces[1]


async def test_a_page_is_compressed_for_who_can_read_that(pages: httpx.AsyncClient) -> None:
    zipped = await pages.get("/ui/page", headers=HTML | {"accept-encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(PAGE)
    assert zipped.text.endswith("</body></html>")
    plain = await pages.get("/ui/page", headers=HTML | {"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    for answer in (zipped, plain):
        assert "accept-encoding" in answer.headers["vary"].lower()


async def test_a_script_tag_cut_in_two_is_found(pages: httpx.AsyncClient) -> None:
    assert 'nonce="' in (await pages.get("/ui/streamed", headers=HTML)).text


async def test_a_route_may_be_stricter(pages: httpx.AsyncClient) -> None:
    assert (await pages.get("/ui/own", headers=HTML)).headers.get_list("content-security-policy") == ["default-src 'none'"]


async def test_files_are_left_as_they_are(pages: httpx.AsyncClient) -> None:
    answer = await pages.get("/ui/file.js", headers={"accept": "*/*"})
    assert answer.text == "<script>"
    assert answer.headers["content-security-policy"] == "default-src 'self'; frame-ancestors 'none'"


@pytest.mark.parametrize(("origin", "status"), [("http://secretary.test", 200), ("https://evil.test", 403), ("null", 403)])
async def test_other_websites_cannot_post_to_the_web_app(pages: httpx.AsyncClient, origin: str, status: int) -> None:
    assert (await pages.post("/ui/save", headers={"origin": origin})).status_code == status


@pytest.fixture
def nicegui_page(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("nicegui", reason="the web app is a plugin; the core's tests run without it")
    port = free_port()
    process = subprocess.Popen([sys.executable, str(Path(__file__).parent / "nicegui_page.py"), str(port)], cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/ui/", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, "the page's process ended"
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/ui/"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.browser
async def test_nicegui_works_and_injected_code_does_not(nicegui_page: str) -> None:
    from playwright.async_api import async_playwright

    said: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page: Any = await browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        await page.goto(nicegui_page)
        await page.wait_for_selector(".probe")
        assert await page.inner_text(".probe") == "Имя <script>window.hacked=2</script>", "text of users was changed"
        assert await page.title() == "<script>window.hacked=1</script>"
        await page.locator("#link").click()
        await page.get_by_text("press", exact=True).click()
        await page.wait_for_function("window.answered === 1")
        await page.wait_for_selector(".q-notification")
        assert await page.evaluate("window.own_script") == 1
        assert await page.evaluate("window.hacked") is None
        await browser.close()
    blocked = [line for line in said if "Content Security Policy" in line]
    assert blocked, "the browser was never asked to run the injected handler"
    assert all("inline event handler" in line or "javascript:" in line.lower() or "navigat" in line for line in blocked), blocked
    assert not [line for line in said if line.startswith("error:")]
