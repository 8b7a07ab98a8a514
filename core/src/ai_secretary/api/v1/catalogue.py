"""`/v1/models`: personas first, then the models of every provider."""

from __future__ import annotations

from typing import Any

import msgspec

from ai_secretary.dialogue.personas import DEFAULT_ALIAS, Personas
from ai_secretary.llm import ModelInfo
from ai_secretary.plugins.registries import Registries

CREATED = 1_735_689_600
"""2025-01-01: clients want a number here, and nobody knows when a provider made its model."""
_OWNER = "ai-secretary"

_encode = msgspec.json.Encoder().encode


def _entry(model_id: str, owner: str, description: str = "", **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": model_id, "object": "model", "created": CREATED, "owned_by": owner}
    if description:
        entry["description"] = description
    entry.update(more)
    return entry


class Catalogue:
    """Encoded at each request: it is asked for rarely, and what is on offer may change at any time."""

    def __init__(self, registries: Registries, personas: Personas) -> None:
        self._registries = registries
        self._personas = personas

    def list(self) -> bytes:
        entries = [_entry(DEFAULT_ALIAS, _OWNER, self._personas.default().description_en)]
        entries += [_entry(persona.id, _OWNER, persona.description_en) for persona in self._personas.all() if persona.enabled]
        entries += [_of(info) for info in self._registries.models()]
        return _encode({"object": "list", "data": entries})

    def one(self, model_id: str) -> bytes | None:
        """A model by its id, also one that is reachable but not listed; None if there is none."""
        model = self._registries.find_model(model_id) if "/" in model_id else None
        if model is not None:
            return _encode(_of(model.info))
        persona = self._personas.find(model_id)
        if persona is None or not persona.enabled:
            return None
        return _encode(_entry(model_id, _OWNER, persona.description_en))


def _of(info: ModelInfo) -> dict[str, Any]:
    return _entry(info.id, info.provider_title or _OWNER, info.description, context_window=info.context_window)
