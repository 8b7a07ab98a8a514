"""Voices on the disk, whole and broken, and their settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from piper_running import Running, Start, until

from ai_secretary.errors import Conflict, InvalidInput, NotFound, ProviderError, Unavailable
from ai_secretary.i18n import set_language
from ai_secretary.speech import VoiceOptions
from ai_secretary_tts_piper.files import scan
from ai_secretary_tts_piper.options import PiperOptions, VoiceSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The voices folder of the settings fixture."""
    folder = tmp_path / "data" / "voices" / "piper"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, joe: Path, name: str, **changes: object) -> Path:
    """A copy of the English voice under another name, its description changed."""
    model = folder / f"{name}.onnx"
    model.symlink_to(joe)
    description = json.loads(joe.with_name(joe.name + ".json").read_text()) | changes
    model.with_name(model.name + ".json").write_text(json.dumps(description))
    return model


async def speak(running: Running, voice: str, **parameters: object) -> bytes:
    found = running.registries.find_voice(voice)
    assert found is not None
    options = VoiceOptions(parameters=parameters)  # type: ignore[arg-type]
    return b"".join([chunk.pcm async for chunk in found.synthesize("Hello.", options)])


async def test_a_voice_put_into_the_folder_is_found_at_the_next_look(start: Start, folder: Path, joe: Path) -> None:
    running = await start()
    russian = {"language": {"family": "ru", "region": "RU"}, "dataset": "irina"}
    put(folder, joe, "ru_RU-irina-medium", **russian)
    assert running.registries.find_voice("irina") is None
    await running.voices.rescan()
    found = running.registries.find_voice("irina")
    assert found is not None
    info = found.info
    assert (info.id, info.title, info.languages) == ("piper/ru_RU-irina-medium", "Irina (RU, medium)", ("ru",))
    assert (info.gender, info.sample_rate, info.engine) == ("female", 22050, "piper")
    assert await speak(running, "irina")


async def test_a_voice_of_the_folder_hides_the_same_of_a_package(start: Start, folder: Path, joe: Path) -> None:
    put(folder, joe, "en_US-joe-medium", audio={"sample_rate": 16000, "quality": "low"})
    running = await start()
    found = running.registries.find_voice("joe")
    assert found is not None
    assert found.info.sample_rate == 16000


def test_what_is_wrong_with_a_voice_is_told(folder: Path, joe: Path) -> None:
    put(folder, joe, "en_US-nolanguage-low", language={})
    (folder / "en_US-alone-low.onnx").symlink_to(joe)
    (folder / "en_US-short-low.onnx").write_bytes(b"x")
    (folder / "en_US-ghost-low.onnx.json").write_text("{}")
    put(folder, joe, "en_US-list-low").with_name("en_US-list-low.onnx.json").write_text("[]")
    put(folder, joe, "en_US-bytes-low").with_name("en_US-bytes-low.onnx.json").write_bytes(b"\xff\xfe\x00")
    put(folder, joe, "he_IL-kind-low", phoneme_type="hebrew")
    put(folder, joe, "en_US-rate-low", audio={"sample_rate": 1})
    put(folder, joe, "en_US-empty-low", phoneme_id_map={})
    put(folder, joe, "bad name!")
    (folder / "en_US-coming-low.onnx.part").write_bytes(b"x")
    (folder / "en_US-coming-low.onnx.json").write_text("{}")
    problems = {voice.name: (voice.problem, voice.detail) for voice in scan(folder) if voice.problem}
    assert problems.pop("en_US-alone-low") == ("Its description {detail} is missing", "en_US-alone-low.onnx.json")
    assert problems.pop("en_US-short-low") == ("The voice file is cut short: {detail} bytes", "1")
    assert problems.pop("en_US-ghost-low") == ("The voice file {detail} is missing", "en_US-ghost-low.onnx")
    assert problems.pop("he_IL-kind-low") == ("Voices of the kind {detail} are not supported", "hebrew")
    for name in ("list", "bytes", "rate", "empty"):
        assert problems.pop(f"en_US-{name}-low")[0] == "Its description cannot be read: {detail}"
    assert problems == {}
    assert {voice.language for voice in scan(folder) if "nolanguage" in voice.name} == {"en"}  # from its pronunciation


async def test_a_broken_voice_has_its_reason_and_harms_no_other(start: Start, folder: Path, joe: Path) -> None:
    broken = put(folder, joe, "en_US-noise-low")
    broken.unlink()
    broken.write_bytes(b"not a model " * 20_000)
    running = await start()
    with pytest.raises(ProviderError) as caught:
        await speak(running, "en_US-noise-low")
    assert caught.value.code == "piper_voice_broken"
    found = running.registries.find_voice("en_US-noise-low")
    assert found is not None
    assert found.info.state == "unavailable"
    set_language("ru")
    assert "не загружается" in found.info.reason
    set_language("en")
    with pytest.raises(Unavailable):
        await speak(running, "en_US-noise-low")
    assert await speak(running, "joe")
    broken.unlink()
    shutil.copy(joe, broken)  # mended
    await running.voices.rescan()
    assert await speak(running, "en_US-noise-low")


async def test_the_voice_that_was_silent_longest_makes_room(start: Start, folder: Path, joe: Path) -> None:
    for name in ("en_US-a-low", "en_US-b-low"):
        put(folder, joe, name)
    running = await start(voices_in_memory=2)

    def ready() -> set[str]:
        return {info.id[-5] for info in running.registries.voices() if info.state == "ready"}

    for name in ("a", "b"):
        await speak(running, f"en_US-{name}-low")
    assert ready() == {"a", "b"}
    await speak(running, "en_US-a-low")
    await speak(running, "joe")
    assert {info.id for info in running.registries.voices() if info.state == "ready"} == {
        "piper/en_US-a-low",
        "piper/en_US-joe-medium",
    }
    await speak(running, "en_US-b-low")  # comes back by itself


async def test_settings_of_a_voice_are_kept_and_shown(start: Start) -> None:
    running = await start()
    voices = running.voices
    await voices.save_settings("en_US-joe-medium", VoiceSettings(noise_scale=0.3, volume=0.5))
    found = running.registries.find_voice("joe")
    assert found is not None
    assert found.info.parameters == {"noise_scale": 0.3, "noise_w": 0.8, "sentence_silence": 0.0, "volume": 0.5}
    assert [(event.action, event.resource_id, event.details) for event in running.audited] == [
        ("tts_piper.settings", "piper/en_US-joe-medium", {"noise_scale": 0.3, "volume": 0.5})
    ]
    quiet = await speak(running, "joe")
    loud = await speak(running, "joe", volume=1.0)  # a request overrides
    assert max(quiet[1::2]) < 256  # bytes exist
    peak = [
        max(abs(int.from_bytes(pcm[i : i + 2], "little", signed=True)) for i in range(0, len(pcm), 2)) for pcm in (quiet, loud)
    ]
    assert peak[0] == pytest.approx(peak[1] / 2, rel=0.05)
    with pytest.raises(InvalidInput):
        await voices.save_settings("en_US-joe-medium", VoiceSettings(speaker=4))
    with pytest.raises(NotFound):
        await voices.save_settings("../../etc/passwd", VoiceSettings())
    await voices.save_settings("en_US-joe-medium", VoiceSettings())
    assert found.info.parameters["volume"] == 1.0


async def test_several_speakers_by_number_and_name(start: Start, folder: Path, joe: Path) -> None:
    put(folder, joe, "en_US-many-low", num_speakers=3, speaker_id_map={"ann": 0, "bob": 1, "cy": 2})
    running = await start()
    from ai_secretary_tts_piper.synthesizer import speaking

    file = running.voices.file("en_US-many-low")

    def speaker(**parameters: object) -> object:
        options = VoiceOptions(parameters=parameters)  # type: ignore[arg-type]
        return speaking(file, PiperOptions(), VoiceSettings(speaker=2), options)["speaker"]

    assert [speaker(), speaker(speaker=1), speaker(speaker="bob"), speaker(speaker="0")] == [2, 1, 1, 0]
    for wrong in (3, "dave", -1):
        with pytest.raises(InvalidInput):
            speaker(speaker=wrong)


async def test_only_voices_of_the_folder_can_be_deleted(start: Start, folder: Path, joe: Path) -> None:
    put(folder, joe, "en_US-a-low")
    (folder / "en_US-a-low.MODEL_CARD").write_text("* License: CC BY 4.0\n")
    running = await start()
    assert running.voices.file("en_US-a-low").licence == "CC BY 4.0"
    await speak(running, "en_US-a-low")
    await running.voices.delete("piper/en_US-a-low")
    assert list(folder.iterdir()) == []
    assert running.registries.find_voice("piper/en_US-a-low") is None
    assert ("tts_piper.delete", "piper/en_US-a-low") in [(event.action, event.resource_id) for event in running.audited]
    assert joe.exists()
    with pytest.raises(Conflict):
        await running.voices.delete("en_US-joe-medium")
    assert joe.exists()


async def test_warm_up_loads_the_first_voice_in_the_background(start: Start) -> None:
    running = await start(warm_up=True)
    await until(lambda: running.registries.voices()[0].state == "ready")


async def test_health_follows_the_voices(start: Start) -> None:
    running = await start()
    (entry,) = running.registries.health.values()
    assert entry.check().state == "ok"  # type: ignore[union-attr]
    running.voices._files = {}
    assert entry.check().state == "warning"  # type: ignore[union-attr]
