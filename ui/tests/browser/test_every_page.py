"""Every page in both languages, all themes, on desktop and phone: no console errors, nothing sideways, nothing from outside."""

from __future__ import annotations

import pytest
from ui_server import UiServer

from .conftest import Visitors

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LOOKS = [
    ("ru", "light", 1440),
    ("ru", "dark", 390),
    ("ru", "night", 1440),
    ("en", "light", 390),
    ("en", "dark", 1440),
    ("en", "night", 390),
]


def page_ids(server: UiServer) -> list[str]:
    return ["account", "group?name=channels", *(page.id for page in server.application.registries.pages.values())]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
async def test_pages_are_clean(visitors: Visitors, server: UiServer, language: str, theme: str, width: int) -> None:
    visit = await visitors.enter(width=width, theme=theme, language=language)
    problems: list[str] = []
    for page_id in page_ids(server):
        await visit.open(page_id)
        name = page_id.partition("?")[0]
        await visit.shot(f"{name}-{language}-{theme}-{width}")
        if await visit.page.locator(".as-empty[role=alert]").count():
            problems.append(f"{name} failed to build")
        if (wider := await visit.sideways()) > 0:
            problems.append(f"{name} scrolls {wider} px sideways")
        assert await visit.page.evaluate("document.documentElement.dataset.theme") == theme
        assert await visit.page.evaluate("document.documentElement.lang") == language
        assert (await visit.page.title()).endswith("AI Secretary")
        problems += [f"{name}: {trouble}" for trouble in visit.troubles]
        visit.troubles.clear()
    assert problems == []


@pytest.mark.timeout(240)
@pytest.mark.parametrize("width", [360, 820, 1100])
async def test_no_width_scrolls_sideways(visitors: Visitors, server: UiServer, width: int) -> None:
    visit = await visitors.enter(width=width)
    problems: dict[str, int] = {}
    for page_id in page_ids(server):
        await visit.open(page_id)
        if (wider := await visit.sideways()) > 0:
            problems[page_id] = wider
    assert problems == {}


async def test_night_has_no_white_and_no_blue(visitors: Visitors) -> None:
    """night-eyes is warm: the blue channel of every text and ground is at most 0.62 of the red one."""
    visit = await visitors.enter(theme="night")
    for page_id in ("dashboard", "llm", "plugins", "chat"):
        await visit.open(page_id)
        cold = await visit.page.evaluate(
            """() => [...document.querySelectorAll('.as-app *')].filter(e => e.offsetParent).flatMap(e => {
                const style = getComputedStyle(e);
                return [['color', style.color], ['ground', style.backgroundColor]].filter(([kind, value]) => {
                    const parts = value.match(/[\\d.]+/g).map(Number);
                    if (parts.length === 4 && parts[3] < 0.05) return false;
                    if (value.startsWith('color(')) return false;
                    const [r, , b] = parts;
                    return b > 0.62 * r + 3;
                }).map(([kind, value]) => `${e.tagName}.${e.className} ${kind} ${value}`);
            }).slice(0, 10)"""
        )
        assert cold == [], f"{page_id}: {cold}"


async def test_motion_stands_still_when_asked(visitors: Visitors) -> None:
    visit = await visitors.enter()
    await visit.page.emulate_media(reduced_motion="reduce")
    await visit.open("about")
    assert await visit.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--t-base').trim()") in {
        "0ms",
        "0s",
    }
