"""Files that the browser gets: complete, compressed, cached, from here."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ai_secretary_ui.shell.assets import Assets, stylesheet

ROOT = Path(__file__).resolve().parents[2]


def test_no_used_icon_is_missing_from_the_font() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "ui/scripts/build_icons.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_text_has_its_russian() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/check_translations.py"), "ui"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_styles_load_nothing_from_elsewhere() -> None:
    for address in re.findall(r"url\(([^)]+)\)", stylesheet()):
        assert "//" not in address, address


def test_themes_define_the_same_tokens() -> None:
    css = (ROOT / "ui/src/ai_secretary_ui/assets/css/tokens.css").read_text()
    blocks = {
        name: set(re.findall(r"(--[\w-]+):", block))
        for name, block in re.findall(r'\[data-theme="(\w+)"\]\{(.*?)\n\}', css, re.S)
    }
    assert set(blocks) == {"light", "dark", "night"}
    assert blocks["light"] == blocks["dark"] == blocks["night"]


@pytest.mark.parametrize("name", ["ui.css", "ui.js", "favicon.svg", "icons.woff2", "golos-text-cyrillic-wght-normal.woff2"])
async def test_assets_are_served_packed_and_kept(name: str) -> None:
    assets = Assets()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=assets), base_url="http://x") as client:
        reply = await client.get(assets.url(name), headers={"accept-encoding": "gzip"})
        plain = await client.get(assets.url(name), headers={"accept-encoding": "identity"})
    assert reply.status_code == 200
    assert "immutable" in reply.headers["cache-control"]
    assert reply.content == plain.content
    if not name.endswith("woff2"):
        assert reply.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert len(gzip.compress(plain.content)) < len(plain.content)


async def test_an_unknown_asset_is_not_found() -> None:
    assets = Assets()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=assets), base_url="http://x") as client:
        assert (await client.get("/ui/assets/x/../../secret.key")).status_code == 404
