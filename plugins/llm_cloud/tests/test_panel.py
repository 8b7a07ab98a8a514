"""The page in a real browser, served by the real program, with a local model server behind it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ai_secretary.testing.model_server import ModelServer, Script
from ai_secretary.testing.services import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"
SECRET = "sk-office-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """A model server on an event loop of its own, because the browser's client blocks this thread."""
    made = ModelServer()
    loop = asyncio.new_event_loop()
    started, ending = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with made.serve():
            started.set()
            await ending.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield made
    loop.call_soon_threadsafe(ending.set)
    thread.join(10)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program with the web admin and this plugin; gives its address."""
    folder = tmp_path_factory.mktemp("house")
    port = free_port()
    environment = os.environ | {
        "SECRETARY_DATA_DIR": str(folder / "data"),
        "SECRETARY_PORT": str(port),
        "SECRETARY_PLUGINS": "ui,llm_cloud",
        "SECRETARY_ADMIN_PASSWORD": PASSWORD,
        "SECRETARY_API_KEY": "sk-test-0123456789",
        "SECRETARY_LANGUAGE": "ru",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from ai_secretary.cli import main; main()", "serve"],
            cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/health", process, folder / "log")
            yield address
        finally:
            process.terminate()
            process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is not installed: run scripts/system-packages.sh test"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


def open_page(browser: Browser, house: str, address: str, *, width: int = 1440, height: int = 900) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}, locale="ru-RU").new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{house}/ui/login")
    page.locator("input[autocomplete=username]").fill("admin")
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{house}/ui/")
    page.goto(f"{house}/ui/{address}")
    return page


def test_from_an_empty_page_to_an_answer(browser: Browser, house: str, server: ModelServer) -> None:
    page = open_page(browser, house, "cloud-models")
    expect(page.get_by_text("Провайдеров пока нет")).to_be_visible()

    page.goto(f"{house}/ui/cloud-models?new=openai_compatible")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Название", exact=True).fill("Офис")

    # an error stands beside its field, and what was typed stays
    dialog.get_by_label("Адрес", exact=True).fill("http://169.254.169.254/v1")
    dialog.get_by_label("Модель", exact=True).fill("test-model")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Подключить провайдера").click()
    expect(dialog.get_by_text("не разрешён", exact=False)).to_be_visible()
    dialog.get_by_label("Адрес", exact=True).fill(server.url)
    dialog.get_by_label("Ключ", exact=True).fill(SECRET)

    # a test before saving, and the list of the provider
    dialog.get_by_role("button", name="Проверить").click()
    expect(dialog.get_by_text("test-model отвечает: «Hello, world.»")).to_be_visible()
    dialog.get_by_role("button", name="Загрузить список у провайдера").click()
    expect(page.get_by_text("2 модели для этого ключа").first).to_be_visible()
    dialog.get_by_role("button", name="Подключить провайдера").click()
    expect(page.get_by_text("ofis/test-model", exact=False)).to_be_visible()

    main = page.locator("#as-main")
    # the list: test, make it the first, refuse the key
    main.get_by_role("button", name="Проверить").click()
    expect(main.get_by_text("test-model отвечает: «Hello, world.»")).to_be_visible()
    page.get_by_label("Действия: Офис").click()
    page.get_by_text("Пусть отвечает первым", exact=True).click()
    expect(page.get_by_text("Отвечает первым", exact=True)).to_be_visible()
    server.say(Script([b'{"error":{"message":"no","code":"invalid_api_key"}}'], status=401))
    main.get_by_role("button", name="Проверить").click()
    expect(page.get_by_text("Офис: ключ не подошёл")).to_be_visible()

    # the key is shown masked only
    page.get_by_label("Действия: Офис").click()
    page.get_by_text("Изменить", exact=True).click()
    expect(page.get_by_text("•••• 6789")).to_be_visible()
    assert SECRET not in page.content()
    page.get_by_role("dialog").get_by_role("button", name="Отмена").click()

    # delete, and the page is empty again
    page.get_by_label("Действия: Офис").click()
    page.get_by_text("Удалить провайдера", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Удалить провайдера").click()
    expect(page.get_by_text("Провайдеров пока нет")).to_be_visible()
    page.context.close()


def test_it_fits_a_phone(browser: Browser, house: str) -> None:
    page = open_page(browser, house, "cloud-models?new=1", width=390, height=844)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Ключ", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Подключить провайдера").click()
    expect(dialog.get_by_text("Не указан ключ", exact=False)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.context.close()
