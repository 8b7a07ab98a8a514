"""Words for things that several pages name: sources, languages, states, engines."""

from __future__ import annotations

from ai_secretary.i18n import N_, Translator
from ai_secretary.llm import ModelInfo
from ai_secretary_ui import house

_ = Translator("ui")

SOURCES: dict[str, tuple[str, str]] = {
    "admin": ("science", N_("Test")),
    "test": ("science", N_("Test")),
    "api": ("api", N_("API")),
    "telegram": ("send", N_("Telegram")),
    "widget": ("language", N_("Site")),
    "phone": ("call", N_("Phone")),
}
"""Icon and name (message id) by source of a conversation."""

LANGUAGES: dict[str, str] = {
    "ru": N_("Russian"),
    "en": N_("English"),
    "de": N_("German"),
    "fr": N_("French"),
    "es": N_("Spanish"),
    "it": N_("Italian"),
}


def source_icon(source: str) -> str:
    return SOURCES.get(source, ("forum", ""))[0]


def source_name(source: str) -> str:
    known = SOURCES.get(source)
    return _(known[1]) if known else source


def language_name(code: str) -> str:
    name = LANGUAGES.get(code)
    return _(name) if name else code


def plugin_title(plugin_id: str) -> str:
    """A plugin's name in the reader's language."""
    for record in house.current().host.list():
        if record.id == plugin_id:
            return Translator(plugin_id)(record.title)
    return plugin_id


def by_owner(owner: str | None, message: str) -> str:
    """A message id of a plugin's catalogue in the reader's language; text without an id stays as it is."""
    return Translator(owner)(message) if owner and message else message


def model_owner(model_id: str) -> str | None:
    """The plugin that brings this model."""
    for owner, source in house.current().registries.chat_sources.items():
        if any(model.id == model_id for model in source.models()):
            return owner
    return None


def provider_title(model: ModelInfo) -> str:
    """A model's provider in the reader's language."""
    return by_owner(model_owner(model.id), model.provider_title)


def engine_title(engine: str) -> str:
    """An engine of voices or recognisers, by its plugin's name."""
    registries = house.current().registries
    owner = registries.synthesizer_sources.owner_of(engine) or registries.recognizer_sources.owner_of(engine)
    return plugin_title(owner) if owner else engine
