"""The main job in a real browser: log in, ask, hear the answer, speak a question and get it answered. English and Russian."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .conftest import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.models]

RESULTS = Path(__file__).resolve().parents[2] / "test-results" / "e2e"
LISTENING = """
window.heard = { seconds: 0, peak: 0 };
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...rest) {
  const samples = this.buffer.getChannelData(0);
  for (let i = 0; i < samples.length; i += 7) window.heard.peak = Math.max(window.heard.peak, Math.abs(samples[i]));
  window.heard.seconds += this.buffer.duration;
  return start.apply(this, rest);
};
"""
"""Notes what the page sends to the loudspeaker."""
PATIENCE = 90_000
"""Milliseconds: the demonstration model answers in a few seconds, on a busy machine in many."""


def recording(server: Server, folder: Path, text: str, voice: str) -> Path:
    """A spoken question as Chromium's fake microphone wants it: 48 kHz WAV, a pause on both sides."""
    sound = server.client().post(
        "/v1/audio/speech", json={"model": "tts-1", "voice": voice, "input": text, "response_format": "wav"}
    )
    assert sound.status_code == 200, sound.text
    samples, rate = soundfile.read(io.BytesIO(sound.content), dtype="float32")
    resampled = soxr.resample(samples, rate, 48_000)
    silence = np.zeros(24_000, dtype="float32")
    path = folder / "question.wav"
    soundfile.write(path, np.concatenate([silence, resampled, silence]), 48_000, subtype="PCM_16")
    return path


@pytest.fixture
def open_page(server: Server) -> Iterator[object]:
    """Opens logged-in pages, each in a Chromium of its own that hears the given recording."""
    with sync_playwright() as playwright:
        browsers: list[Browser] = []

        def enter(microphone: Path | None = None, language: str = "en") -> Page:
            arguments = [
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--autoplay-policy=no-user-gesture-required",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ]
            if microphone is not None:
                arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
            browsers.append(browser)
            context = browser.new_context(viewport={"width": 1440, "height": 900}, permissions=["microphone"])
            context.add_cookies([{"name": "secretary_language", "value": language, "url": server.url}])
            context.add_init_script(LISTENING)
            page = context.new_page()
            page.goto(f"{server.url}/ui/chat")
            page.fill("#username", "admin")
            page.fill("#password", PASSWORD)
            page.click(".go")
            page.wait_for_url(f"{server.url}/ui/chat*")
            page.wait_for_selector("[data-composer] textarea")
            return page

        yield enter
        for browser in browsers:
            browser.close()


def ask(page: Page, text: str) -> None:
    box = page.locator("[data-composer] textarea")
    box.fill(text)
    box.press("Enter")


def finished_answer(page: Page, number: int) -> str:
    """The text of the secretary's answer with this number once it can be listened to, which is when it is complete."""
    expect(page.locator("[data-voice]")).to_have_count(number, timeout=PATIENCE)
    return page.locator(".as-msg:not(.me) .as-bub").nth(number - 1).inner_text()


def listen(page: Page) -> None:
    """Press «Listen» under the first answer and wait until real sound goes to the loudspeaker."""
    page.locator("[data-voice]").first.click()
    page.wait_for_function("() => window.heard.seconds > 0.5 && window.heard.peak > 0.05", timeout=PATIENCE)


def shot(page: Page, name: str) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=RESULTS / f"{name}.png")


def test_ask_and_hear_the_answer_in_english(open_page: object) -> None:
    page: Page = open_page()  # type: ignore[operator]
    ask(page, "Say hello to our guests.")
    assert len(finished_answer(page, 1).split()) >= 2
    listen(page)
    shot(page, "chat-english")


def test_speak_a_question_in_english_and_get_it_answered(server: Server, open_page: object, tmp_path: Path) -> None:
    voice = next(item["id"] for item in server.client().get("/v1/voices").json()["voices"] if item["id"].startswith("piper/"))
    with server.admin() as admin:
        saved = admin.post("/admin/faq", json={"question": "When do you open?", "answer": "We open at nine in the morning."})
        assert saved.status_code in (200, 201, 409), saved.text
    page: Page = open_page(recording(server, tmp_path, "When do you open?", voice))  # type: ignore[operator]
    page.keyboard.press("Control+m")
    page.wait_for_timeout(3500)
    page.keyboard.press("Control+m")
    assert finished_answer(page, 1) == "We open at nine in the morning."
    assert "open" in page.locator(".as-msg.me .as-bub").first.inner_text().casefold()
    shot(page, "chat-spoken-english")


def test_speak_a_question_in_russian_and_get_it_answered(server: Server, open_page: object, tmp_path: Path) -> None:
    voice = next(item["id"] for item in server.client().get("/v1/voices").json()["voices"] if item["id"].startswith("festival/"))
    with server.admin() as admin:
        saved = admin.post("/admin/faq", json={"question": "Сколько стоит доставка?", "answer": "Доставка бесплатная."})
        assert saved.status_code in (200, 201, 409), saved.text
    page: Page = open_page(recording(server, tmp_path, "Сколько стоит доставка?", voice), "ru")  # type: ignore[operator]
    page.keyboard.press("Control+m")
    page.wait_for_timeout(4500)
    page.keyboard.press("Control+m")
    assert finished_answer(page, 1) == "Доставка бесплатная."
    listen(page)
    shot(page, "chat-spoken-russian")
