"""What the endpoints take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ai_secretary.downloads import HubFile
from ai_secretary.jobs import Job
from ai_secretary_llm_local.hub import HubRepository
from ai_secretary_llm_local.service import ModelStatus, Recommendation

Sha256 = Annotated[str, Field("", pattern=r"^([0-9a-f]{64})?$")]


class ModelReply(BaseModel):
    id: str
    title: str
    file: str
    size: int
    origin: Literal["own", "hub_cache", "folder", "embedded"]
    repo: str
    kind: Literal["chat", "embedding", "part"]
    format: Literal["gguf"] = "gguf"
    architecture: str
    parameters: int
    quantisation: str
    context_length: int
    context: int
    languages: list[str] | None
    licence: str
    chat_template: bool
    demo: bool
    deletable: bool
    state: Literal["stopped", "starting", "ready", "restarting", "failed", "broken"]
    reason: str
    memory_needed: int
    memory: int
    busy: int
    tokens_per_second: float | None
    load_seconds: float | None
    restarts: int

    @classmethod
    def of(cls, status: ModelStatus) -> Self:
        model, head = status.model, status.model.head
        return cls(
            id=model.id,
            title=model.title,
            file=model.path.name,
            size=model.size,
            origin=model.origin,
            repo=model.repo,
            kind=model.kind,
            architecture=head.architecture if head else "",
            parameters=model.parameters,
            quantisation=head.quantisation if head else "",
            context_length=head.context_length if head else 0,
            context=status.context,
            languages=sorted(model.languages) if model.languages is not None else None,
            licence=head.licence if head else "",
            chat_template=bool(head and head.chat_template),
            demo=model.demo,
            deletable=model.deletable,
            state="broken" if model.problem is not None else status.state,
            reason=status.reason,
            memory_needed=status.needed,
            memory=status.memory,
            busy=status.busy,
            tokens_per_second=status.tokens_per_second,
            load_seconds=status.load_seconds,
            restarts=status.restarts,
        )


class ModelsReply(BaseModel):
    models: list[ModelReply]
    memory_total: int
    memory_free: int
    folder: str


class RescanReply(BaseModel):
    changed: bool
    models: int


class DeletedReply(BaseModel):
    freed: int


class DownloadReply(BaseModel):
    """A download; pause, resume and cancel it by `/admin/jobs/{id}/…`."""

    id: str
    title: str
    state: str
    done: int
    total: int | None
    progress: float | None
    message: str
    error: str
    created_at: datetime

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            id=job.id,
            title=job.title,
            state=job.state,
            done=job.done,
            total=job.total,
            progress=job.progress,
            message=job.message,
            error=job.error,
            created_at=job.created_at,
        )


class DownloadsReply(BaseModel):
    downloads: list[DownloadReply]


class EntryReply(BaseModel):
    id: str
    title: str
    repo: str
    file: str
    size: int
    ram_gb: int
    parameters: str
    languages: list[str]
    licence: str
    terms: str
    note: str
    recommended: bool
    fits: bool
    tokens_per_second: float
    """Estimated for this machine."""
    installed: str | None
    download: DownloadReply | None

    @classmethod
    def of(cls, item: Recommendation) -> Self:
        entry = item.entry
        return cls(
            id=entry.id,
            title=entry.title,
            repo=entry.repo,
            file=entry.file,
            size=entry.size,
            ram_gb=entry.ram_gb,
            parameters=entry.parameters,
            languages=list(entry.languages),
            licence=entry.licence,
            terms=entry.terms,
            note=entry.note,
            recommended=entry.recommended,
            fits=item.fits,
            tokens_per_second=round(item.speed, 1),
            installed=item.installed.id if item.installed else None,
            download=DownloadReply.of(item.job) if item.job else None,
        )


class CatalogueReply(BaseModel):
    entries: list[EntryReply]
    memory_total: int


class RepositoryReply(BaseModel):
    id: str
    downloads: int
    likes: int
    gated: bool
    updated: str
    licence: str

    @classmethod
    def of(cls, item: HubRepository) -> Self:
        return cls(
            id=item.id, downloads=item.downloads, likes=item.likes, gated=item.gated, updated=item.updated, licence=item.licence
        )


class SearchReply(BaseModel):
    repositories: list[RepositoryReply]


class FileReply(BaseModel):
    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, item: HubFile) -> Self:
        return cls(name=item.name, size=item.size or 0, sha256=item.sha256)


class FilesReply(BaseModel):
    repo: str
    files: list[FileReply]


class DownloadRequest(BaseModel):
    """One of: a catalogue entry, a file of a hub repository, a direct https address."""

    model_config = ConfigDict(extra="forbid")

    entry: str = Field("", max_length=60)
    repo: str = Field("", max_length=200)
    file: str = Field("", max_length=400)
    revision: str = Field("main", max_length=100)
    url: str = Field("", max_length=2000)
    sha256: Sha256

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if [bool(self.entry), bool(self.repo or self.file), bool(self.url)].count(True) != 1:
            raise ValueError("give exactly one of entry, repo with file, or url")
        if bool(self.repo) != bool(self.file):
            raise ValueError("repo and file belong together")
        return self
