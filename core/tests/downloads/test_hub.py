"""Questions to a hub, and JSON documents in general."""

from __future__ import annotations

import hashlib

import pytest

from ai_secretary.downloads import DownloadFailed, Hub, HubError, PlainSource, fetch_json
from ai_secretary.errors import InvalidInput
from ai_secretary.testing.mirror import Mirror

REPO = "org/repo"


async def test_a_repository_is_listed_with_sizes_digests_and_the_commit(mirror: Mirror) -> None:
    mirror.files |= {f"{REPO}/model.bin": b"weights", f"{REPO}/config.json": b"{}", f"{REPO}/../evil.bin": b"x"}
    listing = await Hub(mirror.url).listing(REPO)
    assert listing.revision == mirror.revision
    assert [(file.name, file.size, file.sha256) for file in listing.files] == [
        ("config.json", 2, ""),
        ("model.bin", 7, hashlib.sha256(b"weights").hexdigest()),
    ]


async def test_a_repository_that_is_not_there(mirror: Mirror) -> None:
    with pytest.raises(HubError, match="no such repository") as caught:
        await Hub(mirror.url).listing("org/nothing")
    assert caught.value.code == "hub_not_found"
    mirror.down = True
    with pytest.raises(DownloadFailed, match="HTTP 503"):
        await Hub(mirror.url).listing(REPO)
    with pytest.raises(HubError, match="cannot be reached"):
        await Hub("http://127.0.0.1:9").listing(REPO)


@pytest.mark.parametrize(
    ("repo", "name", "revision"),
    [("org", "x.bin", "main"), ("../../etc", "x.bin", "main"), (REPO, "../x.bin", "main"), (REPO, "x.bin", "../main")],
)
def test_odd_names_are_refused(repo: str, name: str, revision: str) -> None:
    with pytest.raises(InvalidInput):
        Hub("https://hub.example").file_url(repo, name, revision)


@pytest.mark.parametrize("answer", ["not a list", [], {"siblings": "x"}])
async def test_an_answer_that_is_no_listing(mirror: Mirror, answer: object) -> None:
    mirror.documents["odd/api/models/org/repo/revision/main"] = lambda: answer
    with pytest.raises(HubError, match="cannot be read"):
        await Hub(f"{mirror.url}/odd").listing(REPO)


async def test_documents_are_fetched_through_safe_redirects_only(mirror: Mirror) -> None:
    mirror.documents["list.json"] = lambda: {"a": 1}
    assert await fetch_json(PlainSource(), f"{mirror.url}/list.json") == {"a": 1}
    mirror.files["org/repo/model.bin"] = b""
    mirror.redirect_to = f"{mirror.url}/list.json"
    assert await fetch_json(Hub(mirror.url), f"{mirror.url}/{REPO}/resolve/main/model.bin") == {"a": 1}
    mirror.redirect_to = "file:///etc/passwd"
    with pytest.raises(DownloadFailed) as caught:
        await fetch_json(Hub(mirror.url), f"{mirror.url}/{REPO}/resolve/main/model.bin")
    assert caught.value.code == "bad_redirect"


async def test_documents_that_are_none(mirror: Mirror) -> None:
    mirror.files |= {"page.json": b"<html>", "long.json": b" " * (17 << 20)}
    with pytest.raises(DownloadFailed, match="cannot be read"):
        await fetch_json(PlainSource(), f"{mirror.url}/page.json")
    with pytest.raises(DownloadFailed, match="too long"):
        await fetch_json(PlainSource(), f"{mirror.url}/long.json")
    with pytest.raises(DownloadFailed, match=r"does not have the file \(HTTP 404\)"):
        await fetch_json(PlainSource(), f"{mirror.url}/nothing.json")
