"""GGUF files of the model hub: their names and addresses, search, what a repository holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from ai_secretary.downloads import Hub, HubFile
from ai_secretary.downloads.hub import is_file_name
from ai_secretary.errors import InvalidInput
from ai_secretary_llm_local.gguf import SHARD
from ai_secretary_llm_local.options import LocalModelOptions


@dataclass(slots=True, frozen=True)
class HubRepository:
    id: str
    downloads: int
    likes: int
    gated: bool
    updated: str
    licence: str


def check_file(name: str) -> str:
    """A GGUF file inside a repository. Raises `InvalidInput`."""
    cleaned = name.strip()
    if not is_file_name(cleaned) or not cleaned.lower().endswith(".gguf"):
        raise InvalidInput(
            "{file} is not the name of a GGUF file",
            file=name[:120],
            field="file",
            code="bad_file",
            hint="Choose a file whose name ends with .gguf.",
        )
    return cleaned


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


class GgufHub(Hub):
    """The hub of the options, as far as it has GGUF files."""

    def __init__(self, options: LocalModelOptions, *, user_agent: str = "ai-secretary") -> None:
        token = options.hub_token.get_secret_value() if options.hub_token else ""
        super().__init__(options.hub_url, token=token, user_agent=user_agent)

    async def search(self, text: str, *, limit: int = 20) -> list[HubRepository]:
        """Repositories with GGUF files, most downloaded first. Raises `DownloadFailed`, mostly `HubError`."""
        query = urlencode({"search": text, "filter": "gguf", "sort": "downloads", "direction": "-1", "limit": str(limit)})
        found = await self.ask(f"/api/models?{query}")
        return [_repository(entry) for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []

    async def files(self, repo: str) -> list[HubFile]:
        """GGUF files of a repository, by name. Raises `InvalidInput`, `DownloadFailed` (mostly `HubError`)."""
        return [file for file in (await self.listing(repo)).files if file.name.lower().endswith(".gguf")]


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
