"""What people come for: asking, listening, speaking, turning plugins off and on, making users and keys."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright, expect
from ui_server import PASSWORD, UiServer

from ai_secretary.plugins.guard import Failure

from .conftest import ARGUMENTS, Visitors

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]


@pytest.fixture
def question(server: UiServer) -> str:
    """A question that FAQ answers, so that nothing depends on what a small model says."""
    return "When are you open?"


@pytest_asyncio.fixture(loop_scope="session")
async def faq_entry(server: UiServer, question: str) -> AsyncIterator[None]:
    import httpx

    async with httpx.AsyncClient(base_url=server.address) as client:
        reply = await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})
        token = reply.json()["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        made = await client.post(
            "/admin/faq", json={"question": question, "answer": "We are open **until eight**."}, headers=headers
        )
        assert made.status_code in {200, 201}, made.text
        yield
        await client.delete(f"/admin/faq/{made.json()['id']}", headers=headers)


async def audited(server: UiServer, *actions: str) -> None:
    """Each of these is in the audit log, by the admin and from an address: pages leave rows as the API does."""
    import httpx

    async with httpx.AsyncClient(base_url=server.address) as client:
        reply = await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})
        headers = {"authorization": f"Bearer {reply.json()['access_token']}"}
        for action in actions:
            async with asyncio.timeout(10):  # rows are written behind
                while not (
                    rows := (await client.get("/admin/audit", params={"action": action}, headers=headers)).json()["entries"]
                ):
                    await asyncio.sleep(0.1)
            assert (rows[0]["actor_name"], rows[0]["address"]) == ("admin", "127.0.0.1"), rows[0]


async def test_ask_edit_and_go_between_branches(visitors: Visitors, server: UiServer, faq_entry: None, question: str) -> None:
    visit = await visitors.enter(language="en")
    page = visit.page
    await visit.open("chat?new=1")
    box = page.get_by_role("textbox", name="Message")
    await box.fill(question)
    await box.press("Enter")
    answer = page.locator(".as-msg:not(.me) .as-bub").last
    await expect(answer).to_contain_text("until eight")
    await expect(answer.locator("strong")).to_have_text("until eight")
    await expect(page.locator(".as-badge.ok", has_text="FAQ")).to_be_visible()
    await expect(page).to_have_url(re.compile(r"/ui/chat\?id=conv_"))
    await expect(page.locator(".c-it.on")).to_contain_text(question)

    await page.locator(".as-msg.me").hover()
    await page.get_by_role("button", name="Change the question").click()
    await expect(box).to_have_value(question)
    await box.fill("when are you open")
    await box.press("Enter")
    branches = page.locator(".as-msg.me .c-br")
    await expect(branches).to_contain_text("2 of 2")
    await page.get_by_role("button", name="Previous version").first.click()
    await expect(branches).to_contain_text("1 of 2")
    await expect(page.locator(".as-msg.me .as-bub")).to_have_text(question)

    # the address alone brings it all back
    await page.reload()
    await expect(page.locator(".as-msg.me .as-bub")).to_have_text(question)
    await visit.shot("work-chat")
    assert visit.troubles == []
    await audited(server, "chat.reply", "chat.activate_branch")


async def test_search_rename_export_and_bulk_delete(visitors: Visitors, server: UiServer, faq_entry: None, question: str) -> None:
    visit = await visitors.enter(language="en")
    page = visit.page
    for _number in range(2):
        await visit.open("chat?new=1")
        await page.get_by_role("textbox", name="Message").fill(question)
        await page.get_by_role("textbox", name="Message").press("Enter")
        await expect(page.locator(".as-msg:not(.me) .as-bub").last).to_contain_text("until eight")
        await expect(page).to_have_url(re.compile("id=conv_"))
    await page.get_by_role("button", name="Actions for this conversation").click()
    await page.get_by_text("Rename", exact=True).click()
    name = page.get_by_role("textbox", name="Name")
    await name.fill("Opening hours, checked")
    await page.get_by_role("button", name="Save name").click()
    await expect(page.locator(".c-it.on .n")).to_have_text("Opening hours, checked")
    await page.get_by_role("button", name="Actions for this conversation").click()
    async with page.expect_download() as caught:
        await page.get_by_text("Save as Markdown").click()
    download = await caught.value
    assert "until eight" in Path(await download.path()).read_text()

    search = page.get_by_role("searchbox", name="Search")
    await search.fill("checked")
    await expect(page.locator(".c-it")).to_have_count(1)
    await search.fill("no such words at all")
    await expect(page.get_by_role("heading", name="No such conversations")).to_be_visible()
    await search.fill("checked")
    await expect(page.locator(".c-it")).to_have_count(1)
    await page.get_by_role("button", name="Select several").click()
    await page.locator(".c-it").first.click()
    await expect(page.locator(".c-listfoot")).to_contain_text("1 selected")
    await page.locator(".c-listfoot").get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Delete 1 conversation").click()
    await expect(page.get_by_role("heading", name="No such conversations")).to_be_visible()


async def test_an_answer_can_be_heard(visitors: Visitors, faq_entry: None, question: str, server: UiServer) -> None:
    if not any("en" in voice.languages for voice in server.application.voice.voices()):
        pytest.skip("no English voice is installed on this machine")
    visit = await visitors.enter(language="en")
    page = visit.page
    await visit.open("chat?new=1")
    await page.get_by_role("textbox", name="Message").fill(question)
    await page.get_by_role("textbox", name="Message").press("Enter")
    await expect(page.locator(".as-msg:not(.me) .as-bub").last).to_contain_text("until eight")
    await expect(page).to_have_url(re.compile("id=conv_"))
    async with page.expect_response(re.compile("/ui/media/speech/")) as caught:
        await page.get_by_role("button", name="Listen").last.click()
    reply = await caught.value
    assert reply.status == 200
    assert reply.headers["content-type"] == "audio/wav"
    await page.wait_for_function("document.querySelector('.as-play2.playing')")
    await page.wait_for_function("!asVoice.key", timeout=30000)
    assert visit.troubles == []
    await audited(server, "chat.update", "chat.export", "chat.bulk_delete")


@pytest.mark.models
async def test_a_spoken_question_is_written_and_answered(server: UiServer, faq_entry: None, tmp_path: Path) -> None:
    """A recorded sentence goes through Chromium's fake microphone, the recogniser and FAQ."""
    if shutil.which("espeak-ng") is None or shutil.which("ffmpeg") is None:
        pytest.skip("espeak-ng and ffmpeg make the recording; scripts/system-packages.sh installs them")
    if not server.application.voice.recognizers():
        pytest.skip("no recogniser is installed on this machine")
    said, sound = tmp_path / "said.wav", tmp_path / "microphone.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(said), "When are you open?"], check=True)
    subprocess.run(
        [
            "ffmpeg",
            "-loglevel",
            "error",
            "-i",
            str(said),
            "-af",
            "adelay=500,apad=pad_dur=6",
            "-ar",
            "48000",
            "-ac",
            "1",
            str(sound),
        ],
        check=True,
    )
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*ARGUMENTS, f"--use-file-for-fake-audio-capture={sound}%noloop"]
        )
        visit = await Visitors(chromium, server).enter(language="en")
        page = visit.page
        await visit.open("chat?new=1")
        microphone = page.get_by_role("button", name="Speak (Ctrl + M)")
        await microphone.click()
        await expect(page.locator("[data-composer].recording")).to_be_visible()
        await page.wait_for_timeout(3500)  # the length of the recording
        await microphone.click()
        await expect(page.locator(".as-msg.me .as-bub")).to_contain_text("open", timeout=60000)
        await expect(page.locator(".as-msg:not(.me) .as-bub").last).to_contain_text("until eight", timeout=60000)
        assert visit.troubles == []
        await chromium.close()


async def test_turn_a_plugin_off_and_on(visitors: Visitors, server: UiServer) -> None:
    visit = await visitors.enter(language="en")
    page = visit.page
    await visit.open("plugins")
    card = page.locator(".p-card", has=page.get_by_role("heading", name="FAQ", exact=True))
    await card.get_by_role("switch").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("Nothing is deleted")
    await dialog.get_by_role("button", name="Turn off").click()
    await expect(card).to_contain_text("Off")
    assert server.application.host.get("faq").state == "blocked"
    await page.goto(f"{visit.address}/ui/faq")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await visit.open("plugins")
    await card.get_by_role("switch").click()
    confirm = page.get_by_role("button", name="Turn on", exact=True)
    if await confirm.count():
        await confirm.click()
    await expect(card).to_contain_text("Working")
    assert server.application.host.get("faq").running


async def test_a_failing_plugin_comes_first_and_says_why(visitors: Visitors, server: UiServer) -> None:
    host = server.application.host
    record = host.get("faq")
    before = (record.state, record.reason, record.hint, record.details)
    record.state, record.reason, record.hint = "failed", "The table of questions cannot be read", "Restore the backup of Monday."
    record.details = "Traceback (most recent call last):\n  boom"
    record.failures.append(Failure("faq", "setup", "disk is gone", "", 1.0))
    try:
        visit = await visitors.enter(language="en")
        await visit.open("plugins")
        failed = visit.page.locator(".p-grid > article").first
        await expect(failed).to_contain_text("The table of questions cannot be read")
        await expect(failed).to_contain_text("Restore the backup of Monday.")
        await expect(failed).to_contain_text("disk is gone")
        await expect(failed.get_by_role("button", name="Check again")).to_be_visible()
        await visit.shot("work-plugin-failed")
        assert await visit.sideways() <= 0
    finally:
        record.state, record.reason, record.hint, record.details = before
        record.failures.clear()


async def test_make_a_user_and_a_key(visitors: Visitors, server: UiServer) -> None:
    visit = await visitors.enter(language="en")
    page = visit.page
    await visit.open("users")
    await page.get_by_role("button", name="User", exact=True).click()
    await page.get_by_role("textbox", name="Name to log in").fill("maria")
    await page.get_by_role("radio", name=re.compile("Viewer")).click()
    await page.get_by_role("button", name="Save user").click()
    secret = page.locator(".u-secrettext")
    await expect(secret).to_be_visible()
    password = await secret.inner_text()
    await page.get_by_role("button", name="I have kept it").click()
    login = await server.application.access.login("maria", password, "127.0.0.1", "test")
    assert login.principal.role == "viewer"

    await page.get_by_role("button", name="Key", exact=True).click()
    await page.get_by_role("textbox", name="Name").fill("warehouse")
    await page.get_by_role("button", name="Save key").click()
    await expect(secret).to_be_visible()
    principal = server.application.access.verify_key(await secret.inner_text())
    assert principal is not None
    assert principal.name == "warehouse"


async def test_parameters_and_personas_take_effect(visitors: Visitors, server: UiServer) -> None:
    visit = await visitors.enter(language="en")
    page = visit.page
    await visit.open("llm")
    await expect(page.get_by_role("heading", name=re.compile("demo model is answering|Nobody can answer"))).to_be_visible()
    await page.get_by_role("slider").first.focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_text("Back to the persona's own")).to_have_count(0)
    await page.get_by_role("button", name="Persona", exact=True).click()
    sheet = page.locator(".as-sheet")
    await sheet.get_by_role("textbox", name="Name").fill("Brief")
    await sheet.get_by_role("textbox", name="Instructions").fill("Answer in one short sentence.")
    await sheet.get_by_role("button", name="Save persona").click()
    await expect(page.locator(".m-per", has_text="Brief")).to_be_visible()
    assert server.application.personas.get("brief").prompt_en == "Answer in one short sentence."
    await server.application.personas.delete("brief")


async def test_voices_say_what_will_be_spoken(visitors: Visitors) -> None:
    visit = await visitors.enter(language="ru")
    await visit.open("voices")
    box = visit.page.get_by_role("textbox", name="Фраза для пробы")
    await box.fill("Работаем до 20:00")
    await expect(visit.page.locator(".v-preview")).to_contain_text("двадцати")
