"""The Hugging Face hub's protocol: addresses of files, what a repository holds, how to ask politely.

Facts used (Hub API documentation): `GET /{repo}/resolve/{revision}/{file}` answers for a large file with a redirect that carries
`x-linked-etag`, its SHA-256; `GET /api/models/{repo}/revision/{revision}?blobs=true` lists files with sizes and digests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote

from ai_secretary.downloads.errors import DownloadFailed
from ai_secretary.downloads.sources import UNREACHABLE, PlainSource, fetch_json, origin
from ai_secretary.errors import InvalidInput

_REPO: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_FILE: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._+()=-]*(?:/[A-Za-z0-9][A-Za-z0-9 ._+()=-]*)*$")
_REVISION: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_SHA256: Final = re.compile(r"^[0-9a-f]{64}$")
_NOT_FOUND: Final = "hub_not_found"


class HubError(DownloadFailed):
    """The hub did not answer a question, or not as its protocol says."""

    status: ClassVar[int] = 503
    default_code: ClassVar[str] = "hub_unreachable"


@dataclass(slots=True, frozen=True)
class HubFile:
    """A file of a repository; `size` in bytes, None if the hub does not say; `sha256` empty likewise."""

    name: str
    size: int | None
    sha256: str = ""


@dataclass(slots=True, frozen=True)
class HubListing:
    """`revision`: the commit that was listed, or the name that was asked for if the hub does not say."""

    revision: str
    files: tuple[HubFile, ...]


def check_repo(repo: str) -> str:
    """`owner/name`. Raises `InvalidInput`."""
    cleaned = repo.strip().strip("/")
    if not _REPO.fullmatch(cleaned):
        raise InvalidInput(
            "{repo} is not a repository of the hub",
            repo=repo[:120],
            field="repo",
            code="bad_repo",
            hint="It looks like owner/name, for example Qwen/Qwen3-4B-GGUF.",
        )
    return cleaned


def check_revision(revision: str) -> str:
    """A branch, a tag or a commit. Raises `InvalidInput`."""
    if not _REVISION.fullmatch(revision):
        raise InvalidInput(
            "{revision} is not a revision of the hub", revision=revision[:120], field="revision", code="bad_revision"
        )
    return revision


def is_file_name(name: str) -> bool:
    """Whether this is a plain path inside a repository: no step upwards, nothing hidden."""
    return _FILE.fullmatch(name) is not None


class Hub(PlainSource):
    """A hub or a mirror of it at `base`, which has no slash at its end. `token`: an access key, sent to the hub itself only."""

    def __init__(self, base: str, *, token: str = "", user_agent: str = "ai-secretary") -> None:
        super().__init__(user_agent)
        self.base = base
        self._token = token

    def file_url(self, repo: str, name: str, revision: str = "main") -> str:
        """Raises `InvalidInput`."""
        if not is_file_name(name):
            raise InvalidInput("{file} is not the name of a file of the hub", file=name[:120], field="file", code="bad_file")
        return f"{self.base}/{check_repo(repo)}/resolve/{quote(check_revision(revision))}/{quote(name)}"

    def headers_for(self, url: str) -> dict[str, str]:
        """The key goes to the hub itself and nowhere else, not even where the hub redirects to."""
        headers = super().headers_for(url)
        if self._token and origin(url) == origin(self.base):
            headers["authorization"] = f"Bearer {self._token}"
        return headers

    def told_digest(self, headers: Mapping[str, str]) -> str:
        etag = headers.get("x-linked-etag", "").removeprefix("W/").strip('"').lower()
        return etag if _SHA256.fullmatch(etag) else ""

    def refusal(self, status: int, url: str) -> DownloadFailed:
        if status == 404:
            return DownloadFailed(
                "The hub has no such file", code=_NOT_FOUND, hint="It may have been renamed. Choose it from the repository."
            )
        if status in {401, 403}:
            return DownloadFailed(
                "The hub does not give this file to strangers",
                code="hub_refused",
                hint="Accept the model's terms on the hub's site, make an access key there and enter it in the settings.",
            )
        return DownloadFailed("The hub answered with an error (HTTP {status})", status=status)

    async def listing(self, repo: str, revision: str = "main") -> HubListing:
        """The files of a repository, by name. Raises `InvalidInput`, `DownloadFailed` (mostly `HubError`)."""
        found = await self.ask(f"/api/models/{check_repo(repo)}/revision/{quote(check_revision(revision))}?blobs=true")
        siblings = found.get("siblings") if isinstance(found, dict) else None
        if not isinstance(siblings, list):
            raise HubError("The hub's answer about {repo} cannot be read", repo=repo, code="bad_answer")
        commit = found.get("sha")
        files = [file for entry in siblings if (file := _file(entry)) is not None]
        return HubListing(
            commit if isinstance(commit, str) and _REVISION.fullmatch(commit) else revision,
            tuple(sorted(files, key=lambda file: file.name)),
        )

    async def ask(self, path: str) -> Any:
        """A JSON answer of the hub's API; `path` begins with `/api/`. Raises `DownloadFailed`, mostly `HubError`."""
        try:
            return await fetch_json(self, f"{self.base}{path}")
        except DownloadFailed as error:
            if error.code == _NOT_FOUND:
                raise HubError("The hub has no such repository", code=_NOT_FOUND, hint="Check the name.") from error
            if error.code == UNREACHABLE:
                raise HubError(
                    "The model hub cannot be reached: {error}",
                    error=error.params.get("error", ""),
                    hint="Check this machine's connection, or set the address of a mirror in the settings.",
                ) from error
            raise


def _file(entry: object) -> HubFile | None:
    name = entry.get("rfilename") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(name, str) or not is_file_name(name):
        return None
    large = entry.get("lfs")
    large = large if isinstance(large, dict) else {}
    digest = str(large.get("sha256") or large.get("oid") or "").lower()
    size = large.get("size") or entry.get("size")
    return HubFile(name, size if isinstance(size, int) else None, digest if _SHA256.fullmatch(digest) else "")
