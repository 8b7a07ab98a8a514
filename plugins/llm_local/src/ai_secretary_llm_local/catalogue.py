"""Recommended model files for Russian and English, by the memory that a machine has.

Sizes are those of the files at the time of writing and only help to choose; what is downloaded is checked against the digest that
the hub gives for it. `licence` is the licence of the weights, not of this plugin, and `terms` says what it asks of a business.
Measured figures are not given: nothing of this could be run where this list was made, so the notes state what the authors say.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_secretary.i18n import N_


@dataclass(slots=True, frozen=True)
class CatalogueEntry:
    """One recommendation. Texts are English message ids."""

    id: str
    title: str
    repo: str
    file: str
    size: int
    """Bytes, rounded."""
    ram_gb: int
    """Memory of the machine that it suits: 2, 4, 8, 16 or 32."""
    parameters: str
    languages: tuple[str, ...]
    """Those it is recommended for, best first."""
    licence: str
    """SPDX id, or the name of the vendor's own licence."""
    terms: str
    """What the licence means for a business, in one sentence."""
    note: str
    recommended: bool = False
    """First choice of its memory class."""
    active: float = 1.0
    """Share of the file that is read for one token: less than all in a mixture of experts."""


_FREE = N_("Free to use in a business")
_GEMMA = N_("Google's own terms: a business may use it, with a list of forbidden uses")
_LLAMA = N_("Meta's own terms: a business may use it and must name Llama")
_YANDEX = N_("Yandex's own terms: read them before using it in a business")
_GB = 1_000_000_000

CATALOGUE: tuple[CatalogueEntry, ...] = (
    CatalogueEntry(
        "qwen3-0.6b", "Qwen3 0.6B", "Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", 639_000_000, 2, "0.6B", ("en", "ru"),
        "Apache-2.0", _FREE, N_("The smallest that holds a simple conversation; mixes up facts"), True,
    ),
    CatalogueEntry(
        "gemma-3-1b", "Gemma 3 1B", "ggml-org/gemma-3-1b-it-GGUF", "gemma-3-1b-it-Q4_K_M.gguf", 806_000_000, 2, "1B",
        ("en", "ru"), "Gemma", _GEMMA, N_("Fluent for its size, short answers"),
    ),
    CatalogueEntry(
        "qwen3-1.7b", "Qwen3 1.7B", "ggml-org/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q4_K_M.gguf", 1_282_000_000, 4, "1.7B", ("en", "ru"),
        "Apache-2.0", _FREE, N_("Follows instructions and calls tools; simple Russian"), True,
    ),
    CatalogueEntry(
        "llama-3.2-3b", "Llama 3.2 3B", "bartowski/Llama-3.2-3B-Instruct-GGUF", "Llama-3.2-3B-Instruct-Q4_K_M.gguf",
        2_019_000_000, 4, "3B", ("en",), "Llama 3.2 Community", _LLAMA, N_("Good English; Russian is not among its languages"),
    ),
    CatalogueEntry(
        "qvikhr-3-4b", "QVikhr 3 4B", "Vikhrmodels/QVikhr-3-4B-Instruction-GGUF", "QVikhr-3-4B-Instruction-Q4_K_M.gguf",
        2_497_000_000, 8, "4B", ("ru", "en"), "Apache-2.0", _FREE, N_("Qwen3 4B, trained further for Russian"), True,
    ),
    CatalogueEntry(
        "qwen3-4b", "Qwen3 4B", "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", 2_497_000_000, 8, "4B", ("en", "ru"),
        "Apache-2.0", _FREE, N_("Even in both languages, good with tools"), True,
    ),
    CatalogueEntry(
        "gemma-3-4b", "Gemma 3 4B", "ggml-org/gemma-3-4b-it-GGUF", "gemma-3-4b-it-Q4_K_M.gguf", int(2.49 * _GB), 8, "4B",
        ("ru", "en"), "Gemma", _GEMMA, N_("Natural Russian and English"),
    ),
    CatalogueEntry(
        "phi-4-mini", "Phi-4 mini", "unsloth/Phi-4-mini-instruct-GGUF", "Phi-4-mini-instruct-Q4_K_M.gguf", 2_492_000_000, 8,
        "3.8B", ("en", "ru"), "MIT", _FREE, N_("Strong reasoning in English, plainer Russian"),
    ),
    CatalogueEntry(
        "qwen3-8b", "Qwen3 8B", "Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf", int(5.03 * _GB), 16, "8B", ("en", "ru"),
        "Apache-2.0", _FREE, N_("A dependable secretary in both languages; wants a fast processor"), True,
    ),
    CatalogueEntry(
        "yandexgpt-5-lite", "YandexGPT 5 Lite 8B", "yandex/YandexGPT-5-Lite-8B-instruct-GGUF",
        "YandexGPT-5-Lite-8B-instruct-Q4_K_M.gguf", int(4.9 * _GB), 16, "8B", ("ru", "en"), "YandexGPT-5-Lite-8B", _YANDEX,
        N_("Trained on Russian from the start"),
    ),
    CatalogueEntry(
        "vikhr-nemo-12b", "Vikhr Nemo 12B", "bartowski/Vikhr-Nemo-12B-Instruct-R-21-09-24-GGUF",
        "Vikhr-Nemo-12B-Instruct-R-21-09-24-Q4_K_M.gguf", 7_477_000_000, 16, "12B", ("ru", "en"), "Apache-2.0", _FREE,
        N_("Mistral Nemo, trained further for Russian"), True,
    ),
    CatalogueEntry(
        "saiga-nemo-12b", "Saiga Nemo 12B", "IlyaGusev/saiga_nemo_12b_gguf", "saiga_nemo_12b.Q4_K_M.gguf", int(7.48 * _GB), 16,
        "12B", ("ru", "en"), "Apache-2.0", _FREE, N_("Lively Russian; may answer with less restraint than others"),
    ),
    CatalogueEntry(
        "gemma-3-12b", "Gemma 3 12B", "ggml-org/gemma-3-12b-it-GGUF", "gemma-3-12b-it-Q4_K_M.gguf", int(7.3 * _GB), 16, "12B",
        ("ru", "en"), "Gemma", _GEMMA, N_("The most natural Russian of this class"),
    ),
    CatalogueEntry(
        "qwen3-30b-a3b", "Qwen3 30B A3B", "unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF", "Qwen3-30B-A3B-Instruct-2507-Q4_K_M.gguf",
        int(18.6 * _GB), 32, "30B, 3B at work", ("en", "ru"), "Apache-2.0", _FREE,
        N_("Knows much and answers as fast as a small one: only a tenth of it works at a time"), True, 0.11,
    ),
    CatalogueEntry(
        "gigachat-20b-a3b", "GigaChat 20B A3B", "ai-sage/GigaChat-20B-A3B-instruct-v1.5-GGUF",
        "GigaChat-20B-A3B-instruct-v1.5-q4_K_M.gguf", int(12.5 * _GB), 32, "20B, 3B at work", ("ru", "en"), "MIT", _FREE,
        N_("Trained on Russian from the start; fast for its size"), True, 0.17,
    ),
)  # fmt: skip

RAM_CLASSES = (2, 4, 8, 16, 32)


def find_entry(entry_id: str) -> CatalogueEntry | None:
    return next((entry for entry in CATALOGUE if entry.id == entry_id), None)


def ram_class(total_bytes: int) -> int:
    """The memory class of a machine; a little is always taken by the system, so 7.6 GB count as 8. 0: less than any."""
    return max((size for size in RAM_CLASSES if size <= total_bytes / (1 << 30) * 1.08), default=0)
