"""The plugin's options: what an admin sets at run time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import psutil
from pydantic import BaseModel, Field, SecretStr, field_validator

DEFAULT_HUB = "https://huggingface.co"


def default_threads() -> int:
    """One thread on up to two cores (more only spin against each other and the server), else half of the physical cores."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return 1 if (os.cpu_count() or 1) <= 2 else max(1, min(cores // 2, 16))


class LocalModelOptions(BaseModel):
    """How models run on this machine and where their files come from."""

    threads: Annotated[
        int,
        Field(0, ge=0, le=256, title="Processor threads", description="Per loaded model. 0: chosen for this machine."),
    ]
    context_tokens: Annotated[
        int,
        Field(
            4096, ge=512, le=1_048_576, title="Context, tokens",
            description="How much of a conversation one request may hold. More needs more memory; a model's own limit stays.",
        ),
    ]  # fmt: skip
    parallel: Annotated[
        int,
        Field(2, ge=1, le=32, title="Requests at once", description="Per model; further ones wait for a free place."),
    ]
    idle_minutes: Annotated[
        float,
        Field(30, ge=0, le=10_080, title="Unload after, minutes", description="Without requests. 0: keep loaded."),
    ]
    warm_up: Annotated[
        bool,
        Field(True, title="Load at start", description="Load the answering model in the background when the server starts."),
    ]
    thinking: Annotated[
        bool,
        Field(False, title="Let models think", description="Reasoning models think before they answer: better, and much later."),
    ]
    prompt_cache_mb: Annotated[
        int,
        Field(
            64,
            ge=0,
            le=65_536,
            title="Prompt memory, MB",
            description="Remembers earlier conversations, so that they go on faster.",
        ),
    ]
    memory_reserve_mb: Annotated[
        int,
        Field(
            512, ge=0, le=1_048_576, title="Memory to leave free, MB", description="A model is not loaded if less would remain."
        ),
    ]
    model_folders: Annotated[
        list[str],
        Field(
            default_factory=list,
            title="Further model folders",
            description="Absolute paths that are searched for GGUF files, too.",
        ),
    ]
    hub_url: Annotated[
        str,
        Field(
            DEFAULT_HUB,
            title="Model hub",
            description="Address of the Hugging Face hub, or of a mirror that speaks its protocol.",
        ),
    ]
    hub_token: Annotated[
        SecretStr | None,
        Field(None, title="Hub access key", description="Only for models that the hub shows after their terms were accepted."),
    ]

    @field_validator("hub_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the hub's address begins with https:// and names a host")
        return value.strip().rstrip("/")

    @field_validator("model_folders")
    @classmethod
    def _absolute(cls, value: list[str]) -> list[str]:
        folders = [folder.strip() for folder in value if folder.strip()]
        for folder in folders:
            if not Path(folder).is_absolute():
                raise ValueError(f"{folder!r} is not an absolute path")
        return folders

    @property
    def used_threads(self) -> int:
        return self.threads or default_threads()
