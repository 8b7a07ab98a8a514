"""Downloads against a hub that cuts connections, changes files, lies about checksums and redirects to odd places."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ai_secretary.downloads import DownloadFailed, Hub, Part, PlainSource, Transfer
from ai_secretary.testing.mirror import Mirror

REPO, NAME = "org/repo", "model.bin"
PATH = f"{REPO}/{NAME}"
BODY = b"HEAD" + os.urandom(3_000_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def hub(mirror: Mirror) -> Hub:
    mirror.files[PATH] = BODY
    return Hub(mirror.url)


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(tmp_path / "models" / NAME)


def transfer(hub: Hub, part: Part, **more: object) -> Transfer:
    return Transfer(source=hub, url=hub.file_url(REPO, NAME), part=part, first_wait_s=0.01, **more)  # type: ignore[arg-type]


def plain(mirror: Mirror, part: Part, **more: object) -> Transfer:
    """The same file at a plain address, of which nothing is told beforehand."""
    mirror.files[PATH] = BODY
    return Transfer(f"{mirror.url}/{PATH}", part, PlainSource("test"), first_wait_s=0.01, **more)  # type: ignore[arg-type]


def ranges(mirror: Mirror) -> list[str]:
    return mirror.asked()


async def test_a_file_arrives_whole_and_checked(hub: Hub, part: Part, mirror: Mirror) -> None:
    seen: list[tuple[int, int | None]] = []

    async def progress(done: int, total: int | None, message: str) -> None:
        seen.append((done, total))

    assert await transfer(hub, part, progress=progress).run() == DIGEST
    assert part.final.read_bytes() == BODY
    assert sorted(path.name for path in part.final.parent.iterdir()) == [NAME]
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


async def test_cut_connections_go_on_where_they_stopped(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.cut_after = [1_000_000, 500_000]
    assert await transfer(hub, part).run() == DIGEST
    first, second, third = ranges(mirror)
    assert first == ""
    assert second == "bytes=1000000-"
    assert third == "bytes=1500000-"
    assert part.final.read_bytes() == BODY


async def test_a_stopped_download_goes_on_after_a_restart_of_everything(hub: Hub, part: Part, mirror: Mirror) -> None:
    asked = False

    async def progress(done: int, total: int | None, message: str) -> None:
        nonlocal asked
        asked = done >= 1_000_000

    assert await transfer(hub, part, stopping=lambda: asked, progress=progress).run() is None
    have = part.size()
    assert 1_000_000 <= have < len(BODY)
    assert not part.final.exists()
    assert await transfer(hub, part).run() == DIGEST
    assert ranges(mirror)[-1] == f"bytes={have}-"


async def test_a_whole_part_that_was_never_moved_is_checked_and_moved(hub: Hub, part: Part, mirror: Mirror) -> None:
    part.final.parent.mkdir(parents=True)
    part.path.write_bytes(BODY)
    assert await transfer(hub, part).run() == DIGEST
    assert part.final.read_bytes() == BODY


async def test_a_damaged_part_is_found_out_and_fetched_anew(hub: Hub, part: Part, mirror: Mirror) -> None:
    part.final.parent.mkdir(parents=True)
    part.path.write_bytes(b"HEAD" + b"\0" * 999_996)
    assert await transfer(hub, part).run() == DIGEST
    assert ranges(mirror) == ["bytes=1000000-", ""]
    assert part.final.read_bytes() == BODY


async def test_a_file_that_has_changed_meanwhile_is_fetched_anew(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.cut_after = [1_000_000]
    mirror.statuses = [0, 403]
    with pytest.raises(DownloadFailed):
        await transfer(hub, part).run()
    changed = mirror.files[PATH] = os.urandom(2_000_000)
    assert await transfer(hub, part).run() == hashlib.sha256(changed).hexdigest()
    assert part.final.read_bytes() == changed
    assert ranges(mirror)[-1] == "bytes=1000000-"  # asked to go on, was told by If-Range that it is another file


async def test_a_shorter_file_without_any_validator_is_fetched_anew(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.etags = False
    part.final.parent.mkdir(parents=True)
    part.path.write_bytes(BODY + b"more")
    assert await transfer(hub, part).run() == DIGEST


async def test_a_server_without_ranges_starts_over(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.ranges = False
    mirror.cut_after = [1_000_000]
    assert await transfer(hub, part).run() == DIGEST
    assert part.final.read_bytes() == BODY


async def test_a_wrong_checksum_is_tried_once_more_and_never_used(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.corrupt = [True]
    assert await transfer(hub, part).run() == DIGEST
    part.final.unlink()
    mirror.wrong_digest = True
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part).run()
    assert caught.value.code == "checksum_mismatch"
    assert list(part.final.parent.iterdir()) == []


async def test_a_pinned_checksum_counts_more_than_the_hub(hub: Hub, part: Part, mirror: Mirror) -> None:
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part, digest="0" * 64).run()
    assert caught.value.code == "checksum_mismatch"


async def test_busy_servers_are_asked_again_and_given_up_in_the_end(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.statuses = [503, 429, 502]
    assert await transfer(hub, part).run() == DIGEST
    part.final.unlink()
    mirror.statuses = [503] * 50
    with pytest.raises(DownloadFailed, match="8 times in a row: HTTP 503"):
        await transfer(hub, part).run()
    assert len(mirror.statuses) == 42


async def test_nobody_there_is_told_plainly(part: Part) -> None:
    hub = Hub("http://127.0.0.1:9")
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part).run()
    assert caught.value.code == "source_unreachable"
    assert "kept" in caught.value.hint


@pytest.mark.parametrize(("status", "code"), [(404, "hub_not_found"), (403, "hub_refused"), (418, "download_failed")])
async def test_refusals_are_final(hub: Hub, part: Part, mirror: Mirror, status: int, code: str) -> None:
    mirror.statuses = [status]
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part).run()
    assert caught.value.code == code
    assert len(ranges(mirror)) == 1


async def test_a_missing_file_of_the_hub(part: Part, mirror: Mirror) -> None:
    hub = Hub(mirror.url)
    with pytest.raises(DownloadFailed, match="no such file"):
        await transfer(hub, part).run()


async def test_the_hubs_key_is_sent_to_the_hub_only(part: Part, mirror: Mirror) -> None:
    mirror.files[PATH] = BODY
    mirror.token = "hf_secret"
    other = mirror.url.replace("127.0.0.1", "localhost")
    mirror.redirect_to = f"{other}/cdn/{PATH}"
    hub = Hub(mirror.url, token="hf_secret")
    assert await transfer(hub, part).run() == DIGEST
    assert [request.headers.get("authorization") for request in mirror.requests] == ["Bearer hf_secret", None]
    with pytest.raises(DownloadFailed, match="strangers"):
        await transfer(Hub(mirror.url), Part(part.final.with_name("b.gguf"))).run()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/x.gguf", "gopher://x", "//"])
async def test_redirects_lead_to_http_only(hub: Hub, part: Part, mirror: Mirror, target: str) -> None:
    mirror.redirect_to = target
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part).run()
    assert caught.value.code == "bad_redirect"


async def test_redirects_in_a_circle_end(hub: Hub, part: Part, mirror: Mirror) -> None:
    mirror.redirect_to = hub.file_url(REPO, NAME)
    with pytest.raises(DownloadFailed, match="circle"):
        await transfer(hub, part).run()


async def test_a_wrong_beginning_is_refused_before_anything_is_written(hub: Hub, part: Part, mirror: Mirror) -> None:
    def check_head(data: bytes) -> None:
        if not data.startswith(b"HEAD"):
            raise DownloadFailed("This is not it", code="not_it")

    mirror.files[PATH] = b"<!doctype html>" + b" " * 3_000_000
    with pytest.raises(DownloadFailed) as caught:
        await transfer(hub, part, check_head=check_head).run()
    assert caught.value.code == "not_it"
    assert part.size() == 0
    assert not part.final.exists()
    mirror.files[PATH] = BODY
    assert await transfer(hub, part, check_head=check_head).run() == DIGEST


async def test_a_whole_file_that_is_refused_is_thrown_away(hub: Hub, part: Part) -> None:
    async def check(path: Path) -> None:
        assert path.read_bytes() == BODY
        raise DownloadFailed("Of no use", code="no_use")

    with pytest.raises(DownloadFailed, match="Of no use"):
        await transfer(hub, part, check=check).run()
    assert list(part.final.parent.iterdir()) == []


async def test_a_disk_without_room_is_told_before_anything_is_written(hub: Hub, part: Part, mirror: Mirror) -> None:
    with pytest.raises(DownloadFailed, match="not enough room") as caught:
        await transfer(hub, part, disk_free=lambda folder: 200 << 20).run()
    assert caught.value.code == "disk_full"
    assert part.size() == 0


async def test_a_disk_that_fills_up_keeps_what_has_arrived(hub: Hub, part: Part, mirror: Mirror) -> None:
    import resource
    import signal

    # The kernel refuses to let any file of this process grow past a megabyte: the write itself fails, as on a full disk.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(DownloadFailed, match="disk is full") as caught:
            await transfer(hub, part).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.code == "disk_full"
    assert part.size() == 1 << 20
    assert await transfer(hub, part).run() == DIGEST
    assert ranges(mirror)[-1] == f"bytes={1 << 20}-"


async def test_nothing_is_written_through_a_link(hub: Hub, part: Part, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    part.final.parent.mkdir(parents=True)
    part.path.symlink_to(precious)
    with pytest.raises(DownloadFailed, match="cannot be written"):
        await transfer(hub, part).run()
    assert precious.read_text() == "keep me"


# ---- plain servers, of whose files somebody else told the size and the digest ----


async def test_a_plain_file_arrives(part: Part, mirror: Mirror) -> None:
    mirror.cut_after = [1_000_000]
    assert await plain(mirror, part).run() == DIGEST
    assert ranges(mirror) == ["", "bytes=1000000-"]
    assert mirror.requests[0].headers["user-agent"] == "test"
    assert part.final.read_bytes() == BODY


async def test_an_announced_md5_is_checked(part: Part, mirror: Mirror) -> None:
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    mirror.corrupt = [True]
    assert await plain(mirror, part, size=len(BODY), digest=md5.upper(), algorithm="md5").run() == md5
    assert ranges(mirror) == ["", ""]
    part.final.unlink()
    mirror.corrupt = [True, True]
    with pytest.raises(DownloadFailed) as caught:
        await plain(mirror, part, digest=md5, algorithm="md5").run()
    assert caught.value.code == "checksum_mismatch"
    assert list(part.final.parent.iterdir()) == []


@pytest.mark.parametrize("difference", [-1000, 1000])
async def test_a_file_of_another_size_is_never_used(part: Part, mirror: Mirror, difference: int) -> None:
    with pytest.raises(DownloadFailed) as caught:
        await plain(mirror, part, size=len(BODY) + difference).run()
    assert caught.value.code == "checksum_mismatch"
    assert len(ranges(mirror)) == 2
    assert not part.final.exists()


async def test_a_whole_part_with_a_known_digest_needs_no_server(part: Part, mirror: Mirror) -> None:
    part.final.parent.mkdir(parents=True)
    part.path.write_bytes(BODY)
    mirror.down = True
    wanted = plain(mirror, part, size=len(BODY), digest=DIGEST)
    assert not await wanted.arrived()
    assert await wanted.run() == DIGEST
    assert await wanted.arrived()
    assert mirror.requests == []


async def test_a_file_that_is_there_but_another_one_has_not_arrived(part: Part, mirror: Mirror) -> None:
    part.final.parent.mkdir(parents=True)
    part.final.write_bytes(BODY[:-1] + b"?")
    assert await plain(mirror, part, size=len(BODY)).arrived()
    assert not await plain(mirror, part, size=len(BODY) + 1).arrived()
    wanted = plain(mirror, part, size=len(BODY), digest=DIGEST)
    assert not await wanted.arrived()
    assert await wanted.run() == DIGEST
    assert part.final.read_bytes() == BODY


async def test_a_plain_servers_refusal_names_the_host(part: Part, mirror: Mirror) -> None:
    wanted = plain(mirror, part)
    mirror.files.clear()
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1:\d+ does not have the file \(HTTP 404\)"):
        await wanted.run()
