"""What goes over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job
from ai_secretary.speech import VoiceInfo
from ai_secretary_tts_piper.catalogue import Offer
from ai_secretary_tts_piper.files import VoiceFile
from ai_secretary_tts_piper.options import VoiceSettings

_ = Translator("tts_piper")


class _Documented(BaseModel):
    """Texts below a field are its description in the API reference."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class PiperVoiceOut(_Documented):
    id: str = Field(examples=["piper/en_US-joe-medium"])
    name: str
    title: str
    language: str
    gender: Literal["female", "male", "neutral"]
    quality: str
    sample_rate: int
    """Hz"""
    speakers: dict[str, int]
    """Names and numbers of the speakers, where there are several"""
    size_bytes: int
    origin: Literal["folder", "package"]
    package: str
    licence: str
    state: Literal["ready", "loading", "idle", "unavailable"]
    reason: str
    parameters: dict[str, float | int | str | bool]
    """The values in force"""
    settings: VoiceSettings

    @classmethod
    def of(cls, file: VoiceFile, info: VoiceInfo, settings: VoiceSettings) -> PiperVoiceOut:
        return cls(
            id=file.id, name=file.name, title=info.title, language=file.language, gender=info.gender, quality=file.quality,
            sample_rate=file.sample_rate, speakers=file.speakers, size_bytes=file.size,
            origin="package" if file.package else "folder", package=file.package, licence=file.licence, state=info.state,
            reason=info.reason, parameters=dict(info.parameters), settings=settings,
        )  # fmt: skip


class PiperVoicesOut(_Documented):
    voices: list[PiperVoiceOut]
    folder: str
    """Voices put here are found at the next look"""


class OfferOut(_Documented):
    key: str = Field(examples=["ru_RU-dmitri-medium"])
    title: str
    language: str
    language_name: str
    region: str
    quality: str
    gender: Literal["female", "male", "neutral"]
    speakers: int
    size_bytes: int | None
    recommended: bool
    note: str
    installed: bool
    job: str | None = None
    """Id of the download under way."""

    @classmethod
    def of(cls, offer: Offer, installed: bool, job: Job | None) -> OfferOut:
        return cls(
            key=offer.key, title=offer.title, language=offer.language, language_name=offer.language_name, region=offer.region,
            quality=offer.quality, gender=offer.gender, speakers=offer.speakers, size_bytes=offer.size,
            recommended=offer.recommended, note=_(offer.note) if offer.note else "", installed=installed,
            job=job.id if job is not None and not job.ended else None,
        )  # fmt: skip


class CatalogueOut(_Documented):
    voices: list[OfferOut]
    languages: dict[str, str]
    """ISO 639-1 code and its own name, of all voices"""
    fetched_at: datetime | None
    problem: str
    """Why the list could not be refreshed, or empty"""


class DownloadIn(_Documented):
    voice: str = Field(max_length=100, examples=["ru_RU-irina-medium"])
    """Key of the catalogue."""


class DownloadOut(_Documented):
    id: str
    """Job id: /admin/jobs/{id}/pause, /resume and /cancel work on it"""
    voice: str
    title: str
    state: Literal["queued", "running", "paused", "done", "failed", "cancelled"]
    done_bytes: int
    total_bytes: int | None
    error: str

    @classmethod
    def of(cls, job: Job) -> DownloadOut:
        return cls(
            id=job.id, voice=str(job.payload.get("voice", "")), title=job.title, state=job.state, done_bytes=job.done,
            total_bytes=job.total, error=job.error,
        )  # fmt: skip


class DownloadsOut(_Documented):
    downloads: list[DownloadOut]


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
