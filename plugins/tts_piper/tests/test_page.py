"""The page in a real browser, served by the real command."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from piper_mirror import add_voice
from playwright.async_api import Browser, Page, async_playwright, expect

from ai_secretary.testing.mirror import Mirror
from ai_secretary.testing.services import free_port

PASSWORD = "correct horse battery"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@dataclass
class House:
    url: str
    folder: Path
    errors: list[str]
    """What the browser complained of."""


@pytest.fixture
async def house(tmp_path: Path, mirror: Mirror, joe: Path) -> AsyncIterator[House]:
    """A server whose catalogue is the mirror and whose voices folder holds a broken file."""
    for key in ("ru_RU-irina-medium", "en_US-amy-medium"):
        add_voice(mirror, key, joe.read_bytes(), joe.with_name(joe.name + ".json").read_bytes())
    folder = tmp_path / "data" / "voices" / "piper"
    folder.mkdir(parents=True)
    (folder / "en_US-broken-low.onnx").write_bytes(b"x")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SECRETARY_")} | {
        "SECRETARY_PORT": str(port),
        "SECRETARY_DATA_DIR": str(tmp_path / "data"),
        "SECRETARY_ADMIN_PASSWORD": PASSWORD,
        "SECRETARY_PLUGINS": "tts_piper,ui",
    }
    with (tmp_path / "server.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).parent / "ai-secretary"), "serve", cwd=tmp_path, env=environment, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for _ in range(300):
            try:
                await client.get("/health")
                break
            except httpx.TransportError:
                assert server.returncode is None, (tmp_path / "server.log").read_text()
                await asyncio.sleep(0.1)
        answer = await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        await client.put("/admin/tts/piper/params", json={"catalogue_url": mirror.url})
    yield House(url, folder, [])
    server.send_signal(signal.SIGTERM)
    await server.wait()


async def open_page(browser: Browser, house: House, language: str) -> Page:
    context = await browser.new_context(locale=language, viewport={"width": 1280, "height": 1000})
    page = await context.new_page()
    page.on("pageerror", lambda error: house.errors.append(str(error)))
    page.on("console", lambda message: house.errors.append(message.text) if message.type == "error" else None)
    await page.goto(f"{house.url}/ui/login")
    fields = page.locator("input:visible")
    await fields.nth(0).fill("admin")
    await fields.nth(1).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "login" not in url)
    await page.goto(f"{house.url}/ui/piper-voices")
    return page


async def test_a_voice_is_downloaded_heard_set_and_deleted(house: House) -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await open_page(browser, house, "ru-RU")
        await expect(page.get_by_role("heading", name="Голоса Piper", exact=True)).to_be_visible()
        await expect(page.get_by_text("Файл голоса обрезан: 1 байт")).to_be_visible()
        await page.get_by_role(
            "button", name="Скачать"
        ).first.click()  # Irina (its file says US): the reader's language comes first
        await expect(page.get_by_role("button", name="Настроить: Irina (US, medium)")).to_be_visible(timeout=30_000)
        assert (house.folder / "ru_RU-irina-medium.onnx").exists()
        async with page.expect_response(lambda response: "/ui/media/speech/" in response.url) as spoken:
            await page.get_by_role("button", name="Послушать: Irina (US, medium)").click()
        assert (await spoken.value).status == 200
        await page.get_by_role("button", name="Настроить: Irina (US, medium)").click()
        await page.get_by_label("Живость").fill("0.3")
        await page.get_by_role("button", name="Сохранить настройки").click()
        await expect(page.get_by_text("Irina (US, medium) настроен")).to_be_visible()
        await page.get_by_role("button", name="Удалить: Irina (US, medium)").click()
        await page.get_by_role("button", name="Удалить голос").click()
        await expect(page.get_by_role("button", name="Настроить: Irina (US, medium)")).to_have_count(0)
        assert not (house.folder / "ru_RU-irina-medium.onnx").exists()
        english = await open_page(browser, house, "en-US")
        await expect(english.get_by_role("heading", name="Piper voices", exact=True)).to_be_visible()
        await expect(english.get_by_text("The voice file is cut short")).to_be_visible()
        await browser.close()
    assert house.errors == []
