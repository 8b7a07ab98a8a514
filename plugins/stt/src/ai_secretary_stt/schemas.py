"""The models of the recogniser as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai_secretary.jobs import Job
from ai_secretary_stt.service import Listed, Offered


class ModelOut(BaseModel):
    """A model on this machine."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    engine: Literal["whisper", "vosk"]
    name: str
    title: str
    languages: list[str] | None
    """ISO 639-1; null: many."""
    streaming: bool
    state: Literal["ready", "loading", "idle", "unavailable"]
    reason: str
    size_bytes: int | None
    size_mb: float
    origin: Literal["folder", "package", "cache"]
    deletable: bool
    load_seconds: float | None

    @classmethod
    def of(cls, listed: Listed) -> ModelOut:
        model, info = listed.model, listed.info
        return cls(
            id=model.id,
            engine=model.engine,
            name=model.name,
            title=info.title,
            languages=None if model.languages is None else list(model.languages),
            streaming=info.streaming,
            state=info.state,
            reason=info.reason,
            size_bytes=model.size_bytes,
            size_mb=round(model.size_bytes / 1e6, 1),
            origin=model.origin,
            deletable=model.deletable,
            load_seconds=None if listed.status.load_seconds is None else round(listed.status.load_seconds, 2),
        )


class DownloadOut(BaseModel):
    """The job behind a download; pause, resume and cancel it by `/admin/jobs/{id}/…`."""

    id: str
    state: str
    done: int
    total: int | None
    progress: float | None
    message: str
    error: str

    @classmethod
    def of(cls, job: Job) -> DownloadOut:
        return cls(
            id=job.id,
            state=job.state,
            done=job.done,
            total=job.total,
            progress=job.progress,
            message=job.message,
            error=job.error,
        )


class OfferOut(BaseModel):
    """A model of the catalogue."""

    id: str
    engine: Literal["whisper", "vosk"]
    languages: list[str] | None
    size_mb: int
    ram_mb: int
    note: str
    installed: bool
    download: DownloadOut | None

    @classmethod
    def of(cls, offered: Offered, note: str) -> OfferOut:
        item = offered.item
        return cls(
            id=item.id,
            engine=item.engine,
            languages=None if item.languages is None else list(item.languages),
            size_mb=item.size_mb,
            ram_mb=item.ram_mb,
            note=note,
            installed=offered.here,
            download=None if offered.job is None else DownloadOut.of(offered.job),
        )


class ModelsOut(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    models_dir: str
    models: list[ModelOut]
    catalogue: list[OfferOut]
    download_url: str
    """Where Vosk models come from, for those who prefer to put them there by hand."""


class DownloadIn(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str = Field(max_length=120)
    """Id of the catalogue, for instance whisper/small."""
