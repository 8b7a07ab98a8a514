"""Models worth downloading, and where they are. Sizes are for people; the exact ones come with the download."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ai_secretary.i18n import N_
from ai_secretary_stt.library import Engine


@dataclass(slots=True, frozen=True)
class Downloadable:
    """`source`: a repository of the hub (Whisper), or the name of an archive of the Vosk site."""

    id: str
    engine: Engine
    folder: str
    """Name in our model folder."""
    source: str
    languages: tuple[str, ...] | None
    size_mb: int
    ram_mb: int
    note: str
    """English message id."""
    sha256: str = ""
    """Of the archive, where it is known beforehand."""


CATALOGUE: Final = (
    Downloadable(
        "whisper/tiny", "whisper", "whisper-tiny", "Systran/faster-whisper-tiny", None, 78, 210,
        N_("Fastest; makes mistakes in Russian"),
    ),
    Downloadable(
        "whisper/base", "whisper", "whisper-base", "Systran/faster-whisper-base", None, 148, 350,
        N_("The embedded model; good for clear speech"),
    ),
    Downloadable(
        "whisper/small", "whisper", "whisper-small", "Systran/faster-whisper-small", None, 486, 750,
        N_("Noticeably better, three times slower than base"),
    ),
    Downloadable(
        "whisper/medium", "whisper", "whisper-medium", "Systran/faster-whisper-medium", None, 1530, 2100,
        N_("Very good; needs a fast processor"),
    ),
    Downloadable(
        "whisper/large-v3-turbo", "whisper", "whisper-large-v3-turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        None, 1620, 2300,
        N_("Best of all for Russian; needs a fast processor"),
    ),
    Downloadable(
        "vosk/small-ru-0.22", "vosk", "vosk-model-small-ru-0.22", "vosk-model-small-ru-0.22", ("ru",), 45, 250,
        N_("Russian, writes along; enough for short answers on the phone"),
    ),
    Downloadable(
        "vosk/ru-0.42", "vosk", "vosk-model-ru-0.42", "vosk-model-ru-0.42", ("ru",), 1850, 5500,
        N_("Russian, writes along; the most exact of the Vosk models"),
    ),
    Downloadable(
        "vosk/small-en-us-0.15", "vosk", "vosk-model-small-en-us-0.15", "vosk-model-small-en-us-0.15", ("en",), 40, 250,
        N_("English, writes along; enough for short answers on the phone"),
    ),
    Downloadable(
        "vosk/en-us-0.22", "vosk", "vosk-model-en-us-0.22", "vosk-model-en-us-0.22", ("en",), 1850, 5500,
        N_("English, writes along; the most exact of the Vosk models"),
    ),
)  # fmt: skip


def entry(model_id: str) -> Downloadable | None:
    return next((item for item in CATALOGUE if item.id == model_id), None)
