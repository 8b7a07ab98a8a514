from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ai_secretary.errors import InvalidInput, NotFound, ProviderError, SecretaryError, Unavailable
from ai_secretary.events import EventBus
from ai_secretary.plugins.registries import Registries
from ai_secretary.speech import Audio, AudioChunk
from ai_secretary.storage import Database, Preferences
from ai_secretary.voice import Voice, VoicePreferences
from ai_secretary.voice.codecs import wav_file
from ai_secretary.voice.normalization import warm_up

from .engines import EchoRecognizer, PiperVoice, RecognizerSource, ToneVoice, VoiceSource

XTTS = {"temperature": 0.75, "repetition_penalty": 4.0, "top_k": 50, "top_p": 0.8}


class House:
    def __init__(self, database: Database) -> None:
        self.russian = ToneVoice("tone/anna", ("ru",))
        self.english = ToneVoice("tone/john", ("en",))
        self.clone = ToneVoice("clone/marina", ("ru", "en"), parameters=XTTS)
        self.whisper = EchoRecognizer("whisper/base", None)
        self.vosk = EchoRecognizer("vosk/small-ru", ("ru",))
        registries = Registries()
        registries.add_synthesizer_source("a", VoiceSource("tone", [self.russian, self.english]))
        registries.add_synthesizer_source(
            "b", VoiceSource("clone", [self.clone, ToneVoice("clone/off", ("ru",), state="unavailable")])
        )
        registries.add_recognizer_source("c", RecognizerSource("whisper", [self.whisper]))
        registries.add_recognizer_source("d", RecognizerSource("vosk", [self.vosk]))
        self.registries = registries
        self.preferences = Preferences(database, EventBus())
        self.voice = Voice(registries, self.preferences, database)


@pytest.fixture
async def house(sqlite_database: Database) -> AsyncIterator[House]:
    house = House(sqlite_database)
    await house.voice.load()
    await warm_up()
    yield house
    await house.voice.close()


async def everything(stream: AsyncIterator[AudioChunk]) -> list[AudioChunk]:
    return [chunk async for chunk in stream]


async def refusal(stream: AsyncIterator[AudioChunk]) -> SecretaryError:
    with pytest.raises(SecretaryError) as caught:
        await everything(stream)
    return caught.value


# ---- which voice ----


async def test_the_language_of_the_text_chooses_the_voice(house: House) -> None:
    await everything(house.voice.speak("Добрый день."))
    await everything(house.voice.speak("Good day."))
    assert (house.russian.said, house.english.said) == (["Добрый день."], ["Good day."])


async def test_voices_by_id_bare_name_and_stock_name(house: House) -> None:
    assert house.voice.resolve("clone/marina").info.id == "clone/marina"
    assert house.voice.resolve("Marina").info.id == "clone/marina"
    assert house.voice.resolve("alloy", "ru").info.id == "tone/anna"
    assert house.voice.resolve(None, "en").info.id == "tone/john"
    await house.voice.save_preferences(VoicePreferences(voice_ru="clone/marina"))
    assert house.voice.resolve("nova", "ru").info.id == "clone/marina"


async def test_refusals_come_before_sound_and_say_what_to_do(house: House) -> None:
    unknown = await refusal(house.voice.speak("Да", voice="nobody"))
    assert isinstance(unknown, InvalidInput)
    assert (unknown.code, unknown.field) == ("voice_not_found", "voice")
    assert isinstance(await refusal(house.voice.speak("Да", voice="clone/off")), Unavailable)
    nobody = await refusal(house.voice.speak("Guten Tag", language="de"))
    assert (nobody.code, nobody.status) == ("no_voice", 503)
    assert (await refusal(house.voice.speak("Да", speed=9))).code == "speed_out_of_range"
    assert (await refusal(house.voice.speak("Да", preset="loud"))).code == "unknown_preset"
    assert (await refusal(house.voice.speak("Да", sample_rate=10))).code == "sample_rate_out_of_range"


async def test_nothing_to_say_is_silence_and_no_call_of_the_engine(house: House) -> None:
    assert await everything(house.voice.speak("😀 ...")) == []
    assert house.russian.said == house.english.said == []


# ---- how it is spoken ----


async def test_text_is_normalised_and_cut(house: House) -> None:
    await everything(house.voice.speak("**Цена** 5 ₽. Звоните до 10:30!"))
    assert house.russian.said == ["Цена пять рублей.", "Звоните до десяти тридцати!"]
    await everything(house.voice.speak("Цена 5 ₽", normalise=False))
    assert house.russian.said[-1] == "Цена 5 ₽"


async def test_a_voice_reads_foreign_text_in_its_own_letters(house: House) -> None:
    await everything(house.voice.speak("Привет!", voice="tone/john"))
    assert house.english.said == ["Privet!"]


async def test_sound_comes_before_the_rest_is_made(house: House) -> None:
    house.russian.hold = asyncio.Event()
    stream = house.voice.speak("Первое предложение. Второе предложение. Третье. Четвёртое.")
    first = await asyncio.wait_for(anext(stream), 5)
    assert first.duration == pytest.approx(0.2)
    assert house.russian.said == ["Первое предложение."]
    house.russian.hold.set()
    await stream.aclose()


async def test_one_clause_is_made_ahead_and_no_more(house: House) -> None:
    stream = house.voice.speak("Раз раз. Два два. Три три. Четыре. Пять.")
    await anext(stream)
    await asyncio.sleep(0.1)
    assert house.russian.said == ["Раз раз.", "Два два."]
    await stream.aclose()


async def test_closing_stops_the_engine_and_frees_the_place(house: House) -> None:
    house.russian.hold = asyncio.Event()
    stream = house.voice.speak("Долгая речь, которая не кончится.")
    await anext(stream)
    started = time.perf_counter()
    await stream.aclose()
    assert time.perf_counter() - started < 1
    assert (house.russian.cancelled, house.russian.active, house.voice.active) == (1, 0, 0)


async def test_speech_begins_while_the_model_still_writes(house: House) -> None:
    more = asyncio.Event()
    closed = asyncio.Event()

    async def model() -> AsyncIterator[str]:
        try:
            for token in ("Добрый", " день", ", вас", " слушает", " секретарь", ". Что", " вам"):
                yield token
            await more.wait()
            yield " нужно?"
        finally:
            closed.set()

    stream = house.voice.speak_stream(model())
    await asyncio.wait_for(anext(stream), 5)
    assert house.russian.said[0] == "Добрый день, вас слушает секретарь."
    assert not more.is_set()
    more.set()
    await everything(stream)
    assert house.russian.said[1:] == ["Что вам нужно?"]
    assert closed.is_set()


async def test_a_pausing_model_is_spoken_up_to_there(house: House) -> None:
    async def model() -> AsyncIterator[str]:
        yield "Одну минуту я посмотрю "
        await asyncio.sleep(30)

    stream = house.voice.speak_stream(model())
    started = time.perf_counter()
    await asyncio.wait_for(anext(stream), 5)
    assert time.perf_counter() - started < 2
    assert house.russian.said == ["Одну минуту я посмотрю"]
    await asyncio.wait_for(stream.aclose(), 2)


async def test_errors_of_the_model_and_the_engine_reach_the_listener(house: House) -> None:
    async def model() -> AsyncIterator[str]:
        yield "Добрый день. "
        raise ProviderError("The model fell over", code="unreachable")

    assert (await refusal(house.voice.speak_stream(model()))).code == "unreachable"
    house.russian.fail_at = "Второе"
    stream = house.voice.speak("Первое. Второе.")
    await anext(stream)
    assert (await refusal(stream)).code == "engine_failed"
    assert house.voice.active == 0


async def test_sound_is_resampled_once_and_keeps_its_length(house: House) -> None:
    native = sum(chunk.duration for chunk in await everything(house.voice.speak("Раз. Два три четыре.")))
    phone = await everything(house.voice.speak("Раз. Два три четыре.", sample_rate=8000))
    assert {chunk.sample_rate for chunk in phone} == {8000}
    assert sum(chunk.duration for chunk in phone) == pytest.approx(native, abs=0.01)


# ---- presets ----


async def test_presets_reach_voices_that_understand_them(house: House) -> None:
    await everything(house.voice.speak("Да, конечно.", voice="marina", preset="calm"))
    assert house.clone.options[-1].parameters == {"temperature": 0.5, "repetition_penalty": 6.0, "top_k": 40, "top_p": 0.8}
    assert house.clone.options[-1].speed == 0.9
    await everything(house.voice.speak("Да, конечно.", voice="anna", preset="calm"))
    assert (house.russian.options[-1].parameters, house.russian.options[-1].speed) == ({}, 0.9)
    await everything(house.voice.speak("Да, безусловно.", voice="anna"))
    assert house.russian.options[-1].speed == 1.0
    await everything(house.voice.speak("Да, безусловно.", voice="anna", speed=1.5))
    assert house.russian.options[-1].speed == 1.5


async def test_own_presets_are_kept_and_checked(database: Database) -> None:
    house = House(database)
    presets = house.voice.presets
    await presets.create("Моё утро", {"temperature": 0.6, "speed": 1.2})
    for parameters, field in (
        ({"temperature": 2}, "params.temperature"),
        ({"speed": 0.1}, "params.speed"),
        ({"nonsense": 1}, "params.nonsense"),
    ):
        with pytest.raises(InvalidInput) as caught:
            await presets.create("Другое", parameters)
        assert caught.value.field == field
    with pytest.raises(SecretaryError, match="already exists"):
        await presets.create("natural", {})
    with pytest.raises(SecretaryError, match="built in"):
        await presets.delete("natural")
    await presets.update("Моё утро", {"temperature": 0.7})
    again = House(database).voice.presets
    await again.load()
    assert again.get("Моё утро").intonation.temperature == 0.7
    await again.delete("Моё утро")
    with pytest.raises(NotFound):
        await again.delete("Моё утро")


# ---- cache and crowd ----


async def test_a_phrase_is_made_once(house: House) -> None:
    first = await everything(house.voice.speak("Здравствуйте."))
    second = await everything(house.voice.speak("Здравствуйте."))
    assert b"".join(chunk.pcm for chunk in first) == b"".join(chunk.pcm for chunk in second)
    assert house.russian.said == ["Здравствуйте."]
    await everything(house.voice.speak("Здравствуйте.", speed=1.5))
    assert len(house.russian.said) == 2
    stats = house.voice.cache_stats()
    assert (stats.phrases, stats.hits) == (2, 1)
    assert house.voice.clear_cache() == 2
    assert house.voice.cache_stats().bytes == 0


async def test_an_interrupted_phrase_is_not_kept(house: House) -> None:
    stream = house.voice.speak("Долгая речь без конца и края.")
    await anext(stream)
    await stream.aclose()
    first = len(house.russian.said)
    await everything(house.voice.speak("Долгая речь без конца и края."))
    assert len(house.russian.said) in (first, first + 1)
    total = sum(chunk.duration for chunk in await everything(house.voice.speak("Долгая речь без конца и края.")))
    assert total == pytest.approx(0.06 * len("Долгая речь без конца и края."), abs=0.01)


async def test_at_most_so_many_voices_at_once_and_a_full_queue_says_so(house: House) -> None:
    await house.voice.save_preferences(VoicePreferences(parallel=2, queue=3))
    house.russian.hold = asyncio.Event()
    streams = [house.voice.speak(f"Речь номер {name}.") for name in ("один", "два", "три")]
    readers = [asyncio.ensure_future(everything(stream)) for stream in streams]
    while house.voice.active < 3:
        await asyncio.sleep(0.01)
    full = await refusal(house.voice.speak("Ещё одна речь."))
    assert (full.status, full.code, full.retry_after) == (503, "queue_full", 2.0)
    house.russian.hold.set()
    await asyncio.gather(*readers)
    assert house.russian.most_active == 2
    assert await everything(house.voice.speak("Ещё одна речь."))


# ---- listening ----


async def test_a_recogniser_is_chosen_by_language_and_name(house: House) -> None:
    assert house.voice.resolve_recognizer(None, "ru").info.id == "vosk/small-ru"
    assert house.voice.resolve_recognizer(None, None).info.id == "whisper/base"
    house.whisper.info = replace(house.whisper.info, state="loading")
    assert house.voice.resolve_recognizer(None, None).info.id == "whisper/base", "a specialist would hear its own language only"
    assert house.voice.resolve_recognizer("whisper-1", "en").info.id == "whisper/base"
    assert house.voice.resolve_recognizer("whisper", "ru").info.id == "whisper/base"
    await house.voice.save_preferences(VoicePreferences(recognizer_ru="whisper/base"))
    assert house.voice.resolve_recognizer("auto", "ru").info.id == "whisper/base"
    with pytest.raises(NotFound) as caught:
        house.voice.resolve_recognizer("gpt-5")
    assert caught.value.code == "model_not_found"


async def test_a_file_is_decoded_and_brought_down_to_what_is_heard(house: House) -> None:
    file = wav_file(Audio(b"\1\0" * 48_000, 48_000))
    transcript = await house.voice.transcribe(file, language="ru", word_timestamps=True)
    assert transcript.text == "Привет, мир."
    assert (house.vosk.heard[0].sample_rate, house.vosk.heard[0].duration) == (16_000, pytest.approx(1.0, abs=0.01))
    assert house.vosk.options[0].word_timestamps
    with pytest.raises(InvalidInput):
        await house.voice.transcribe(b"not audio")


@pytest.mark.models
async def test_a_real_voice_speaks(sqlite_database: Database) -> None:
    registries = Registries()
    registries.add_synthesizer_source("p", VoiceSource("piper", [PiperVoice()]))
    voice = Voice(registries, Preferences(sqlite_database, EventBus()), sqlite_database)
    sound = await everything(voice.speak("Hello, it costs $5. Please call back at 10:30.", sample_rate=8000))
    assert 2.5 < sum(chunk.duration for chunk in sound) < 9
    await voice.close()
