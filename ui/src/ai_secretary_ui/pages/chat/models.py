"""What a conversation may be answered by: models and personas, with "as usual" first."""

from __future__ import annotations

from dataclasses import dataclass

from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, names

_ = Translator("ui")

STATE_COLORS = {"ready": "ok", "idle": "ok", "loading": "warn", "unavailable": "err"}


@dataclass(slots=True, frozen=True)
class ModelChoice:
    """`id` is empty for the order of the house."""

    id: str
    title: str
    label: str
    icon: str
    color: str


def model_choices(view: PageView) -> list[ModelChoice]:
    """The usual order first, then every model of every provider."""
    usual = ModelChoice("", _("As usual"), _("As usual: the order of answer models"), "low_priority", "ok")
    found = [usual]
    for model in view.application.registries.models():
        icon = "school" if model.demo else "memory" if model.local else "cloud"
        label = f"{model.title} · {_('demo model')}" if model.demo else f"{model.title} · {names.provider_title(model)}"
        found.append(ModelChoice(model.id, model.title, label, icon, STATE_COLORS.get(model.state, "ok")))
    return found


def persona_choices(view: PageView) -> list[tuple[str, str]]:
    """(id, title); the empty id is the default persona."""
    personas = view.application.personas
    listed = [(persona.id, persona.name(view.language)) for persona in personas.all() if persona.enabled]
    return [("", _("Usual: {name}", name=personas.default().name(view.language))), *listed]
