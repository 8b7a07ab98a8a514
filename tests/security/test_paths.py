"""No name that comes from outside becomes a path: neither an id in an address, nor the name of an uploaded file."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import House, tree
from .knocking import PARAMETER, form_file, knock, quoted

SENTINEL = "sentinel-of-a-test-5d1f"
TRICKS = [
    "../secret.key",
    "../../outside.txt",
    "../../../../../../../../etc/passwd",
    "..\\..\\outside.txt",
    "/etc/passwd",
    "....//....//outside.txt",
    "..",
    ".",
    "secret.key\x00.gguf",
    "~/outside.txt",
    "file:///etc/passwd",
    "%2e%2e%2foutside.txt",
    "con\r\nset-cookie: a=b",
    "х" * 300,
]
WATCHED_AWAY = {"__pycache__": 1}


def _plant(house: House) -> Path:
    """Files that nobody may read or remove, inside and outside the data folder."""
    outside = house.folder.parent / "outside.txt"
    outside.write_text(SENTINEL)
    for folder in ("models", "voices", "plugins/llm_local", "plugins/tts_piper", "plugins/stt"):
        (house.folder / folder).mkdir(parents=True, exist_ok=True)
        (house.folder / folder / "outside.txt").write_text(SENTINEL)
    return outside


def _precious(root: Path) -> dict[str, int]:
    """All but what the database and the log of changes write all the time."""
    return {name: size for name, size in tree(root, without=WATCHED_AWAY).items() if ".db" not in name}


@pytest.mark.parametrize("encoded", [True, False], ids=["encoded", "raw"])
async def test_an_id_in_an_address_reaches_no_file(house: House, encoded: bool) -> None:
    _plant(house)
    key = (house.folder / "secret.key").read_text().strip()
    before = _precious(house.folder.parent)
    asked = 0
    for operation in await house.operations():
        names = PARAMETER.findall(operation.path)
        if not names or operation.path.startswith("/admin/plugins"):
            continue
        for trick in TRICKS:
            value = quoted(trick) if encoded else trick.replace("\x00", "%00").replace("\r\n", "%0d%0a").replace("х", "%D1%85")
            # With several parameters the last is the trick: the first chooses a kind that exists.
            filling = dict.fromkeys(names, value) if len(names) == 1 else {"engine": "whisper", names[-1]: value}
            path = operation.filled(**filling)
            answer = await knock(house.web, operation.method, path, house.admin, json_body={}, seconds=3)
            asked += 1
            assert answer.status < 500 or answer.status in {501, 503}, f"{operation} {trick!r}: {answer.status} {answer.text}"
            for forbidden in (SENTINEL, key, "root:x:0"):
                assert forbidden not in answer.text, f"{operation} {trick!r} reads a file"
            assert "set-cookie" not in answer.headers
    assert asked > 400
    assert _precious(house.folder.parent) == before


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/admin/stt/transcribe", "file"),
        ("/stt", "audio"),
        ("/v1/audio/transcriptions", "file"),
        ("/v1/audio/translations", "file"),
        ("/process_call", "audio"),
        ("/admin/faq/import", "file"),
    ],
)
async def test_the_name_of_an_upload_is_only_a_name(house: House, path: str, field: str) -> None:
    outside = _plant(house)
    before = _precious(house.folder.parent)
    for trick in TRICKS:
        name = trick.replace("\x00", "").replace("\r\n", " ").replace('"', "")
        for ending in ("", ".wav", ".csv"):
            body, headers = form_file(field, name + ending, b"this is no sound and no table", {"model": "whisper-1"})
            answer = await knock(house.web, "POST", path, {**house.admin, **headers}, body=body, seconds=5)
            assert answer.status < 500 or answer.status in {501, 503}, f"{trick!r}: {answer.status} {answer.text}"
            assert SENTINEL not in answer.text
    assert outside.read_text() == SENTINEL
    assert _precious(house.folder.parent) == before


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if len(trick) < 100])
async def test_a_name_in_a_body_reaches_no_file(house: House, trick: str) -> None:
    """Downloads, voices, presets, personas and models are chosen by name."""
    _plant(house)
    before = _precious(house.folder.parent)
    bodies = [
        ("POST", "/admin/llm/downloads", {"repo": trick, "file": "model.gguf"}),
        ("POST", "/admin/llm/downloads", {"repo": "owner/name", "file": trick}),
        ("POST", "/admin/llm/downloads", {"entry": trick}),
        ("POST", "/admin/llm/downloads", {"url": f"file://{trick}"}),
        ("POST", "/admin/stt/models/download", {"model": trick}),
        ("POST", "/admin/tts/piper/downloads", {"voice": trick}),
        ("PUT", "/admin/voices/current", {"voice": trick}),
        ("POST", "/admin/tts/preset", {"preset": trick}),
        ("POST", "/admin/tts/stream", {"text": "Hi", "voice": trick}),
        ("POST", "/v1/audio/speech", {"model": "tts-1", "input": "Hi", "voice": trick}),
        ("POST", "/v1/chat/completions", {"model": trick, "messages": [{"role": "user", "content": "Hi"}]}),
        ("POST", "/admin/llm/backend", {"backend": trick}),
        ("POST", "/admin/llm/personas", {"id": trick, "name_en": "A", "prompt_en": "B"}),
    ]
    for method, path, body in bodies:
        if body.get("repo") == "/etc/passwd":
            continue  # the slash before a repository's name is left out, as in a link: etc/passwd is a name like another
        answer = await house.ask(method, path, body, seconds=5)
        assert 400 <= answer.status < 500, f"{path} {body}: {answer.status} {answer.text}"
        assert SENTINEL not in answer.text
    assert _precious(house.folder.parent) == before


async def test_the_admins_files_lead_nowhere_else(house: House) -> None:
    outside = _plant(house)
    paths = ["/ui/assets/../../../../outside.txt", "/ui/assets/..%2f..%2f..%2foutside.txt", "/ui/_nicegui/../../outside.txt"]
    paths += [f"/ui/assets/{quoted(str(outside))}", "/ui/assets/%2e%2e/%2e%2e/pyproject.toml", "/admin/logs/.env", "/.env"]
    for path in paths:
        for headers in ({}, house.admin):
            answer = await knock(house.web, "GET", path, headers)
            assert answer.status in {303, 307, 401, 403, 404}, f"{path}: {answer.status}"
            assert SENTINEL not in answer.text
