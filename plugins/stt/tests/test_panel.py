"""The page in a real browser that hears a recorded sentence through its microphone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from ai_secretary.speech import Audio
from ai_secretary.testing.services import free_port

from .conftest import at

pytestmark = [pytest.mark.browser, pytest.mark.models, pytest.mark.timeout(240)]
PASSWORD = "correct horse battery"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {
        "SECRETARY_DATA_DIR": str(tmp_path / "data"),
        "SECRETARY_PORT": str(port),
        "SECRETARY_PLUGINS": "ui,stt",
        "SECRETARY_ADMIN_PASSWORD": PASSWORD,
        "SECRETARY_API_KEY": "sk-test-0123456789",
        "SECRETARY_LANGUAGE": "ru",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from ai_secretary.cli import main; main()", "serve"],
            cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=2).close()
                    break
                except (urllib.error.URLError, OSError):
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def spoken(tmp_path: Path, russian_speech: Audio) -> Path:
    """The sentence as the file that Chromium plays into its fake microphone."""
    sound = at(russian_speech, 48_000)
    with wave.open(str(tmp_path / "spoken.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(sound.pcm)
    return tmp_path / "spoken.wav"


def test_what_is_said_into_the_microphone_is_written_with_its_time(house: str, spoken: Path, russian_speech: Audio) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is not installed: run scripts/system-packages.sh test"
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}%noloop",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_context(viewport={"width": 390, "height": 844}, locale="ru-RU", permissions=["microphone"]).new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{house}/ui/login")
        page.locator("input[autocomplete=username]").fill("admin")
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{house}/ui/")
        page.goto(f"{house}/ui/recognition")
        expect(page.get_by_text("Готова", exact=True)).to_be_visible(timeout=60_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Говорить").click()
        expect(page.get_by_role("button", name="Хватит, распознать")).to_be_visible()
        page.wait_for_timeout(int(russian_speech.duration * 1000) + 700)
        page.get_by_role("button", name="Хватит, распознать").click()
        expect(page.get_by_text("доставка в Москву", exact=False)).to_be_visible(timeout=60_000)
        expect(page.get_by_text("звука за", exact=False)).to_be_visible()
        # something that is no sound at all
        page.set_input_files("input[type=file]", {"name": "x.wav", "mimeType": "audio/wav", "buffer": b"no sound at all"})
        expect(page.get_by_role("alert").first).to_be_visible()
        browser.close()
