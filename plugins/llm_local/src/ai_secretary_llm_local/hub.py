"""The Hugging Face hub's protocol: addresses of files, what a repository holds, how to ask politely.

Facts used (Hub API documentation): `GET /{repo}/resolve/{revision}/{file}` answers with a redirect that carries `x-linked-size`
and `x-linked-etag` (of a large file its SHA-256); `GET /api/models/{repo}?blobs=true` lists files with sizes and digests;
`GET /api/models?search=…&filter=gguf` searches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import aiohttp

from ai_secretary.errors import InvalidInput
from ai_secretary_llm_local.errors import HubError
from ai_secretary_llm_local.gguf import SHARD
from ai_secretary_llm_local.options import LocalModelOptions

_REPO = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_FILE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._+()=-]*(?:/[A-Za-z0-9][A-Za-z0-9 ._+()=-]*)*$")
_REVISION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
MAX_REDIRECTS = 6
_MAX_JSON = 8 << 20
_JSON_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=10)


@dataclass(slots=True, frozen=True)
class HubFile:
    """A GGUF file of a repository; `size` in bytes, 0 if the hub does not say; `sha256` empty likewise."""

    name: str
    size: int
    sha256: str = ""


@dataclass(slots=True, frozen=True)
class HubRepository:
    id: str
    downloads: int
    likes: int
    gated: bool
    updated: str
    licence: str


def check_repo(repo: str) -> str:
    """`owner/name`. Raises `InvalidInput`."""
    cleaned = repo.strip().strip("/")
    if not _REPO.match(cleaned):
        raise InvalidInput(
            "{repo} is not a repository of the hub",
            repo=repo[:120],
            field="repo",
            code="bad_repo",
            hint="It looks like owner/name, for example Qwen/Qwen3-4B-GGUF.",
        )
    return cleaned


def check_file(name: str) -> str:
    """A GGUF file inside a repository. Raises `InvalidInput`."""
    cleaned = name.strip()
    if not _FILE.match(cleaned) or not cleaned.lower().endswith(".gguf"):
        raise InvalidInput(
            "{file} is not the name of a GGUF file",
            file=name[:120],
            field="file",
            code="bad_file",
            hint="Choose a file whose name ends with .gguf.",
        )
    return cleaned


def check_revision(revision: str) -> str:
    if not _REVISION.match(revision):
        raise InvalidInput(
            "{revision} is not a revision of the hub", revision=revision[:120], field="revision", code="bad_revision"
        )
    return revision


def check_url(url: str) -> str:
    """A direct address of a GGUF file: https, a host, a plain file name. Raises `InvalidInput`."""
    parts = urlsplit(url.strip())
    name = parts.path.rpartition("/")[2]
    if parts.scheme != "https" or not parts.hostname or parts.username or not name.lower().endswith(".gguf"):
        raise InvalidInput(
            "This is not an address of a GGUF file",
            field="url",
            code="bad_url",
            hint="It begins with https:// and its path ends with .gguf.",
        )
    return url.strip()


def file_name(path: str) -> str:
    """A name for our own folder: the last part only, nothing but letters, digits, dots, dashes and underscores."""
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", path.rpartition("/")[2]).lstrip(".-")
    return name if name.lower().endswith(".gguf") and len(name) > len(".gguf") else "model.gguf"


def all_parts(name: str) -> list[str]:
    """The files of a split model, given any of them; otherwise the file itself."""
    folder, slash, last = name.rpartition("/")
    shard = SHARD.match(last)
    if shard is None:
        return [name]
    count = int(shard["count"])
    if not 1 <= count <= 200:
        raise InvalidInput("{file} is not the name of a GGUF file", file=name[:120], field="file", code="bad_file")
    return [f"{folder}{slash}{shard['stem']}-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]


def sha256_in(headers: Mapping[str, str]) -> str:
    """The digest that the hub tells of a large file, or empty."""
    etag = headers.get("x-linked-etag", "").removeprefix("W/").strip('"').lower()
    return etag if _SHA256.match(etag) else ""


class Hub:
    """Addresses and questions; what is downloaded goes through `transfer`."""

    def __init__(self, options: LocalModelOptions, *, user_agent: str = "ai-secretary") -> None:
        self.base = options.hub_url
        self.user_agent = user_agent
        self._token = options.hub_token.get_secret_value() if options.hub_token else ""

    def file_url(self, repo: str, name: str, revision: str = "main") -> str:
        return f"{self.base}/{check_repo(repo)}/resolve/{quote(check_revision(revision))}/{quote(check_file(name))}"

    def headers_for(self, url: str) -> dict[str, str]:
        """The key goes to the hub itself and nowhere else, not even where the hub redirects to."""
        headers = {"user-agent": self.user_agent, "accept-encoding": "identity"}
        if self._token and _origin(url) == _origin(self.base):
            headers["authorization"] = f"Bearer {self._token}"
        return headers

    async def search(self, text: str, *, limit: int = 20) -> list[HubRepository]:
        """Repositories with GGUF files, most downloaded first. Raises `HubError`."""
        query = urlencode({"search": text, "filter": "gguf", "sort": "downloads", "direction": "-1", "limit": str(limit)})
        found = await self._json(f"{self.base}/api/models?{query}")
        return [_repository(entry) for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    async def files(self, repo: str) -> list[HubFile]:
        """GGUF files of a repository, by name. Raises `HubError`."""
        found = await self._json(f"{self.base}/api/models/{check_repo(repo)}?blobs=true")
        siblings = found.get("siblings") if isinstance(found, dict) else None
        files: list[HubFile] = []
        for entry in siblings if isinstance(siblings, list) else []:
            name = str(entry.get("rfilename", ""))
            if not name.lower().endswith(".gguf") or not _FILE.match(name):
                continue
            large = entry.get("lfs") if isinstance(entry.get("lfs"), dict) else {}
            digest = str(large.get("sha256") or large.get("oid") or "").lower()
            size = large.get("size") or entry.get("size") or 0
            files.append(HubFile(name, int(size) if isinstance(size, int) else 0, digest if _SHA256.match(digest) else ""))
        return sorted(files, key=lambda file: file.name)

    async def _json(self, url: str) -> Any:
        try:
            async with (
                aiohttp.ClientSession(timeout=_JSON_TIMEOUT, trust_env=True) as session,
                session.get(url, headers=self.headers_for(url), allow_redirects=False) as response,
            ):
                if response.status == 404:
                    raise HubError("The hub has no such repository", code="hub_not_found", hint="Check the name.")
                if response.status != 200:
                    raise HubError("The hub answered with an error (HTTP {status})", status=response.status)
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > _MAX_JSON:
                        raise HubError("The hub's answer is too long")
                return _decode(bytes(body))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HubError(
                "The model hub cannot be reached: {error}", error=str(error) or type(error).__name__,
                hint="Check this machine's connection, or set the address of a mirror in the settings.",
            ) from error  # fmt: skip


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise HubError("The hub's answer cannot be read") from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _repository(entry: Mapping[str, Any]) -> HubRepository:
    tags = entry.get("tags")
    licence = next((str(tag)[8:] for tag in tags if str(tag).startswith("license:")), "") if isinstance(tags, list) else ""
    return HubRepository(
        id=str(entry.get("id") or entry.get("modelId") or ""),
        downloads=int(entry.get("downloads") or 0),
        likes=int(entry.get("likes") or 0),
        gated=bool(entry.get("gated")),
        updated=str(entry.get("lastModified") or entry.get("createdAt") or ""),
        licence=licence,
    )


def next_hop(url: str, location: str) -> str:
    """Where a redirect leads. Raises `HubError` for anything but http(s), and for a step from https down to http."""
    target = urljoin(url, location)
    parts = urlsplit(target)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or (urlsplit(url).scheme == "https" and parts.scheme == "http")
    ):
        raise HubError("The hub redirects to an address that is not allowed", code="bad_redirect")
    return target
