"""A persona: who answers, in which manner, with which parameters."""

from __future__ import annotations

from dataclasses import dataclass

from ai_secretary.dialogue.language import house_language
from ai_secretary.llm import Sampling

_NOBODY = {"ru": ("название не указано", "имя не указано"), "en": ("name not given", "name not given")}


@dataclass(slots=True, frozen=True)
class Persona:
    id: str
    name_ru: str
    name_en: str
    prompt_ru: str
    prompt_en: str
    description_ru: str = ""
    description_en: str = ""
    greeting_ru: str = ""
    greeting_en: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    repetition_penalty: float | None = None
    model: str | None = None
    """Public id of the model that this persona prefers; None: the system's."""
    enabled: bool = True
    builtin: bool = False
    edited: bool = False
    """A built-in one that differs from the release's text."""

    @property
    def sampling(self) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            repetition_penalty=self.repetition_penalty,
        )

    def name(self, language: str) -> str:
        return self.name_ru if house_language(language) == "ru" else self.name_en

    def description(self, language: str) -> str:
        return self.description_ru if house_language(language) == "ru" else self.description_en

    def greeting(self, language: str) -> str:
        return self.greeting_ru if house_language(language) == "ru" else self.greeting_en

    def prompt(self, language: str, *, company: str = "", owner: str = "") -> str:
        """The system prompt with names filled in. Other braces are left alone: an administrator may write JSON there."""
        language = house_language(language)
        text = self.prompt_ru if language == "ru" else self.prompt_en
        company_word, owner_word = _NOBODY[language]
        return text.replace("{company}", company or company_word).replace("{owner}", owner or owner_word)
