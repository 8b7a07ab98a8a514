"""Personas: the built-in ones, edits and resets, new ones, and what takes effect where."""

from __future__ import annotations

import pytest

from ai_secretary.dialogue.parameters import SamplingValues, merge, parse_sampling
from ai_secretary.dialogue.personas import Personas, PersonasChanged
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.errors import Conflict, InvalidInput, NotFound
from ai_secretary.events import EventBus
from ai_secretary.llm import Sampling
from ai_secretary.storage import Database, Preferences


@pytest.fixture
async def personas(database: Database) -> Personas:
    bus = EventBus()
    made = Personas(database, Preferences(database, bus), bus)
    await made.load()
    return made


async def test_the_two_of_the_house(personas: Personas) -> None:
    anna, marina = personas.all()
    assert (anna.id, anna.temperature, anna.max_tokens, anna.top_p, anna.repetition_penalty) == ("anna", 0.7, 512, 0.9, 1.1)
    assert (marina.id, marina.temperature, marina.top_p, marina.repetition_penalty) == ("marina", 0.5, 0.85, 1.15)
    assert personas.default() is anna
    for persona in (anna, marina):
        for text in (persona.prompt_ru, persona.prompt_en, persona.greeting_ru, persona.greeting_en):
            assert text
        assert "{" not in personas.prompt(persona, "ru")
    assert personas.find("gulya") is anna
    assert personas.find("lidia-secretary-qwen") is marina
    assert personas.find("secretary") is anna
    assert personas.find("нет") is None


async def test_names_are_preferences(personas: Personas) -> None:
    await personas._preferences.set(SUBJECT, DialoguePreferences(company="ООО «Ромашка»", owner="Пётр"))
    prompt = personas.prompt(personas.get("anna"), "ru")
    assert "ООО «Ромашка»" in prompt
    assert "Пётр" in prompt
    await personas.update("anna", {"prompt_en": 'Answer as JSON {"text": 1} for {owner}'})
    assert personas.prompt(personas.get("anna"), "en") == 'Answer as JSON {"text": 1} for Пётр'


async def test_an_edited_builtin_survives_a_restart_and_can_be_reset(personas: Personas, database: Database) -> None:
    first = personas.get("anna")
    await personas.update("anna", {"prompt_ru": "Коротко.", "temperature": 1.2})
    again = Personas(database, personas._preferences, EventBus())
    await again.load()
    edited = again.get("anna")
    assert (edited.prompt_ru, edited.temperature, edited.builtin, edited.edited) == ("Коротко.", 1.2, True, True)
    assert (await again.reset("anna", only=("prompt_ru", "prompt_en"))).temperature == 1.2
    assert again.get("anna").prompt_ru == first.prompt_ru
    assert await again.reset("anna") == first
    with pytest.raises(Conflict, match="cannot be deleted"):
        await again.delete("anna")


async def test_a_new_persona_answers_everywhere_once_activated(personas: Personas, database: Database) -> None:
    told: list[str] = []
    personas._bus.subscribe(PersonasChanged, lambda event: told.append(event.persona_id))
    await personas.create("brief-one", {"name_ru": "Краткая", "prompt_ru": "Отвечай одним словом.", "max_tokens": 20})
    assert personas.get("brief-one").prompt_en == "Отвечай одним словом."
    await personas._preferences.set(SUBJECT, DialoguePreferences(sampling=SamplingValues(temperature=1.9)))
    assert personas.sampling(personas.get("brief-one")).temperature == 1.9
    await personas.activate("brief-one")
    assert personas.find("secretary") == personas.get("brief-one")
    assert personas.sampling(personas.default()) == Sampling(max_tokens=20)
    with pytest.raises(Conflict):
        await personas.delete("brief-one")
    with pytest.raises(Conflict):
        await personas.update("brief-one", {"enabled": False})
    await personas.activate("anna")
    await personas.update("brief-one", {"max_tokens": None, "enabled": False})
    assert personas.get("brief-one").max_tokens is None
    with pytest.raises(Conflict, match="switched off"):
        await personas.activate("brief-one")
    await personas.delete("brief-one")
    with pytest.raises(NotFound):
        personas.get("brief-one")
    await personas._bus.drain()
    assert told.count("brief-one") == 4


@pytest.mark.parametrize("persona_id", ["", "A", "x", "с-кириллицей", "a/b", "current", "secretary", "gulya", "a" * 50, "-a"])
async def test_bad_ids_are_refused(personas: Personas, persona_id: str) -> None:
    with pytest.raises(InvalidInput):
        await personas.create(persona_id, {"name_ru": "а", "prompt_ru": "б"})


async def test_bad_values_are_refused(personas: Personas) -> None:
    with pytest.raises(Conflict):
        await personas.create("anna", {"name_ru": "а", "prompt_ru": "б"})
    with pytest.raises(InvalidInput, match="name and a prompt"):
        await personas.create("empty", {"name_ru": "а"})
    with pytest.raises(InvalidInput, match="no field colour"):
        await personas.update("anna", {"colour": "red"})
    with pytest.raises(InvalidInput, match="at most"):
        await personas.update("anna", {"name_ru": "а" * 101})
    with pytest.raises(InvalidInput) as error:
        await personas.update("anna", {"temperature": 2.1})
    assert error.value.message == "temperature is a number from 0 to 2, not 2.1"
    assert personas.get("anna").temperature == 0.7


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("temperature", -0.1, 0),
        ("temperature", "warm", 2),
        ("top_p", 0.05, 0.1),
        ("max_tokens", 0, 1),
        ("max_tokens", 4097, 4096),
        ("repetition_penalty", 0.9, 2),
        ("presence_penalty", 3, -2),
        ("temperature", float("nan"), 1),
    ],
)
def test_ranges(name: str, bad: object, good: float) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_sampling({name: bad})
    assert error.value.field == name
    assert getattr(parse_sampling({name: good}), name) == good


def test_the_nearest_level_wins() -> None:
    merged = merge(Sampling(temperature=0.0), None, Sampling(temperature=1.0, top_p=0.5), Sampling(max_tokens=5))
    assert merged == Sampling(temperature=0.0, top_p=0.5, max_tokens=5)
