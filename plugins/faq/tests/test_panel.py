"""The page in a real browser, served by the real program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ai_secretary.testing.services import free_port

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The program with the web admin and this plugin; gives its address."""
    folder = tmp_path_factory.mktemp("house")
    port = free_port()
    environment = os.environ | {
        "SECRETARY_DATA_DIR": str(folder / "data"),
        "SECRETARY_PORT": str(port),
        "SECRETARY_PLUGINS": "ui,faq",
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


def open_page(browser: Browser, house: str, *, width: int, height: int) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}, locale="ru-RU").new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{house}/ui/login")
    page.locator("input[autocomplete=username]").fill("admin")
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{house}/ui/")
    page.goto(f"{house}/ui/faq")
    return page


def test_from_the_first_three_questions_to_undo(browser: Browser, house: str) -> None:
    page = open_page(browser, house, width=1440, height=900)
    page.get_by_role("button", name="Добавить все три").click()
    expect(page.get_by_text("3 вопроса с готовым ответом, без модели")).to_be_visible()

    # a trial, with its reason
    page.get_by_label("Что говорит человек").fill("подскажите часы работы")
    expect(page.get_by_text("Найдено: ключевые слова", exact=False)).to_be_visible()
    page.get_by_label("Что говорит человек").fill("а")
    expect(page.get_by_text("Слишком коротко для ответа", exact=False)).to_be_visible()

    # an error stands beside its field, and what was typed stays
    page.get_by_text("Где вы находитесь?").click()
    page.get_by_label("Вопрос", exact=True).fill("я")
    page.get_by_label("Ответ", exact=True).fill("Невский, 1")
    page.get_by_role("button", name="Сохранить вопрос").click()
    expect(page.get_by_text("В вопросе нужны хотя бы две буквы", exact=False)).to_be_visible()
    page.get_by_label("Вопрос", exact=True).fill("Где ваш магазин?")
    page.get_by_role("button", name="Сохранить вопрос").click()
    expect(page.get_by_text("Где ваш магазин?")).to_be_visible()
    expect(page.get_by_text("Невский, 1")).to_be_visible()

    # delete and undo
    page.get_by_label("Действия с вопросом").first.click()
    page.get_by_text("Удалить", exact=True).click()
    expect(page.get_by_text("2 вопроса с готовым ответом, без модели")).to_be_visible()
    page.get_by_text("Вернуть", exact=True).click()
    expect(page.get_by_text("3 вопроса с готовым ответом, без модели")).to_be_visible()

    # search, and the way out of an empty filter
    page.get_by_placeholder("Найти вопрос или ответ").fill("нет такого")
    page.get_by_role("button", name="Сбросить фильтр").click()
    expect(page.get_by_text("Где ваш магазин?")).to_be_visible()
    page.context.close()


def test_it_fits_a_phone(browser: Browser, house: str) -> None:
    page = open_page(browser, house, width=390, height=844)
    expect(page.get_by_label("Что говорит человек")).to_be_attached()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        if box is not None and box["width"] > 0:
            assert box["x"] >= 0, button.inner_text()
            assert box["x"] + box["width"] <= 391, button.inner_text()
    page.context.close()
