"""Personas: the built-in ones as edited, and those that people add. Kept in memory, so that a turn never waits for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import delete, select

from ai_secretary.dialogue.builtin_personas import ALIASES, BUILTIN, FIRST
from ai_secretary.dialogue.models import PersonaRow
from ai_secretary.dialogue.parameters import SamplingValues, merge, parse_sampling
from ai_secretary.dialogue.persona import Persona
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.errors import Conflict, InvalidInput, NotFound
from ai_secretary.events import EventBus
from ai_secretary.llm import Sampling
from ai_secretary.storage import Database, Preferences

DEFAULT_ALIAS = "secretary"
"""Model id on `/v1` that means whoever is the default persona."""

_ID = re.compile(r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")
_RESERVED = frozenset({DEFAULT_ALIAS, "current", "default", *ALIASES})
_OLD_MODEL = re.compile(r"^([a-z0-9-]+)-secretary-[a-z0-9._-]+$")
_COLUMNS = [column.name for column in PersonaRow.__table__.columns if column.name not in ("created_at", "updated_at")]
_SAMPLING = ("temperature", "top_p", "max_tokens", "repetition_penalty")
_TEXTS = {
    "name_ru": 100, "name_en": 100, "description_ru": 1000, "description_en": 1000, "prompt_ru": 50_000, "prompt_en": 50_000,
    "greeting_ru": 2000, "greeting_en": 2000,
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class PersonasChanged:
    """A persona was made, edited, deleted, or another one is the default now."""

    persona_id: str


class Personas:
    def __init__(self, database: Database, preferences: Preferences, bus: EventBus, first: str | None = None) -> None:
        """`first`: id (or alias) of the default persona while no administrator has chosen one."""
        self._database = database
        self._preferences = preferences
        self._bus = bus
        self._first = first
        self._personas: dict[str, Persona] = dict(BUILTIN)

    async def load(self) -> None:
        async with self._database.session() as session:
            rows = (await session.execute(select(PersonaRow).order_by(PersonaRow.created_at))).scalars().all()
        self._personas = dict(BUILTIN)
        for row in rows:
            builtin = row.id in BUILTIN
            values = {name: getattr(row, name) for name in _COLUMNS}
            self._personas[row.id] = Persona(**values, builtin=builtin, edited=builtin)

    # ---- reading ----

    def all(self) -> list[Persona]:
        return list(self._personas.values())

    def find(self, name: str) -> Persona | None:
        """By id, by an id of earlier installations (`gulya`, `gulya-secretary-qwen`), or `secretary` for the default one."""
        if name == DEFAULT_ALIAS:
            return self.default()
        name = ALIASES.get(name, name)
        found = self._personas.get(name)
        if found is None and (match := _OLD_MODEL.match(name)):
            found = self._personas.get(ALIASES.get(match[1], match[1]))
        return found

    def get(self, name: str) -> Persona:
        """As `find`; raises `NotFound`."""
        found = self.find(name)
        if found is None:
            raise NotFound(
                "There is no persona {id}", code="persona_not_found", id=name[:60], hint="The list of personas shows their ids."
            )
        return found

    def default(self) -> Persona:
        """Who answers when nothing else is asked for. Never fails: if the chosen one is gone, the first built-in one answers."""
        for name in (self._preferences.get(SUBJECT, DialoguePreferences).persona, self._first):
            found = self._personas.get(ALIASES.get(name, name)) if name else None
            if found is not None and found.enabled:
                return found
        return self._personas[FIRST]

    def sampling(self, persona: Persona) -> Sampling:
        """The persona's parameters under those that are set for all."""
        return merge(self._preferences.get(SUBJECT, DialoguePreferences).sampling.to_sampling(), persona.sampling)

    def prompt(self, persona: Persona, language: str) -> str:
        preferences = self._preferences.get(SUBJECT, DialoguePreferences)
        return persona.prompt(language, company=preferences.company, owner=preferences.owner)

    # ---- changing ----

    async def create(self, persona_id: str, values: Mapping[str, Any]) -> Persona:
        """Texts given in one language only serve for both. Raises `InvalidInput`, `Conflict`."""
        if not _ID.match(persona_id) or persona_id in _RESERVED:
            raise InvalidInput(
                "A persona's id has 2 to 40 small Latin letters, digits and dashes; these are taken: {reserved}",
                code="persona_id",
                field="id",
                reserved=", ".join(sorted(_RESERVED)),
            )
        if persona_id in self._personas:
            raise Conflict("There is a persona {id} already", code="persona_exists", field="id", id=persona_id)
        texts = dict(values)
        for name in ("name", "description", "prompt", "greeting"):
            for language, other in (("ru", "en"), ("en", "ru")):
                if not texts.get(f"{name}_{language}"):
                    texts[f"{name}_{language}"] = texts.get(f"{name}_{other}") or ""
        empty = Persona(persona_id, "", "", "", "")
        return await self._save(_changed(empty, texts))

    async def update(self, name: str, values: Mapping[str, Any]) -> Persona:
        """Keys that are absent stay; None clears a parameter or the model. Raises `NotFound`, `InvalidInput`."""
        persona = self.get(name)
        changed = _changed(persona, values)
        if not changed.enabled and changed.id == self.default().id:
            raise Conflict(
                "{name} is the default persona and cannot be switched off",
                code="persona_in_use",
                name=changed.name_en,
                hint="Make another persona the default first.",
            )
        return await self._save(changed)

    async def delete(self, name: str) -> None:
        """Raises `NotFound`; `Conflict` for a built-in persona and for the default one."""
        persona = self.get(name)
        if persona.builtin:
            raise Conflict(
                "A built-in persona cannot be deleted",
                code="persona_builtin",
                hint="Switch it off, or reset it to its first text.",
            )
        if persona.id == self.default().id:
            raise Conflict(
                "{name} is the default persona and cannot be deleted",
                code="persona_in_use",
                name=persona.name_en,
                hint="Make another persona the default first.",
            )
        await self._remove_row(persona.id)
        del self._personas[persona.id]
        self._bus.publish(PersonasChanged(persona.id))

    async def reset(self, name: str, *, only: tuple[str, ...] = ()) -> Persona:
        """A built-in persona back to the release's text; `only`: just these fields. Raises `Conflict` for others."""
        persona = self.get(name)
        original = BUILTIN.get(persona.id)
        if original is None:
            raise Conflict("Only a built-in persona can be reset", code="persona_not_builtin")
        if only:
            partly = replace(persona, **{field: getattr(original, field) for field in only})
            if replace(partly, edited=False) != original:
                return await self._save(partly)
        await self._remove_row(persona.id)
        self._personas[persona.id] = original
        self._bus.publish(PersonasChanged(persona.id))
        return original

    async def activate(self, name: str) -> Persona:
        """Make it the default one everywhere; parameters that were set for all give way to its own."""
        persona = self.get(name)
        if not persona.enabled:
            raise Conflict(
                "{name} is switched off", code="persona_disabled", name=persona.name_en, hint="Switch the persona on first."
            )
        preferences = self._preferences.get(SUBJECT, DialoguePreferences)
        await self._preferences.set(SUBJECT, preferences.model_copy(update={"persona": persona.id, "sampling": SamplingValues()}))
        self._bus.publish(PersonasChanged(persona.id))
        return persona

    async def _save(self, persona: Persona) -> Persona:
        persona = replace(persona, edited=persona.builtin)
        async with self._database.transaction() as session:
            await session.merge(PersonaRow(**{name: getattr(persona, name) for name in _COLUMNS}))
        self._personas[persona.id] = persona
        self._bus.publish(PersonasChanged(persona.id))
        return persona

    async def _remove_row(self, persona_id: str) -> None:
        async with self._database.transaction() as session:
            await session.execute(delete(PersonaRow).where(PersonaRow.id == persona_id))


_EDITABLE = {field.name for field in fields(Persona)} - {"id", "builtin", "edited"}


def _changed(persona: Persona, values: Mapping[str, Any]) -> Persona:
    """`values` checked and applied."""
    unknown = set(values) - _EDITABLE
    if unknown:
        raise InvalidInput("A persona has no field {name}", field=min(unknown), name=min(unknown))
    given = dict(values)
    given.update(
        parse_sampling({name: given[name] for name in _SAMPLING if name in given}).model_dump(include=set(given) & set(_SAMPLING))
    )
    for name, most in _TEXTS.items():
        if name in given:
            text = str(given[name] or "").strip()
            if len(text) > most:
                raise InvalidInput("{name} has at most {most} characters", field=name, name=name, most=most)
            given[name] = text
    changed = replace(persona, **given)
    for name in ("name_ru", "name_en", "prompt_ru", "prompt_en"):
        if not getattr(changed, name):
            raise InvalidInput("A persona needs a name and a prompt", code="persona_incomplete", field=name)
    return changed
