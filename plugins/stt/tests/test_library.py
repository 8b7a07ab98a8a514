"""What is found on the disk, and how the embedded model comes together."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ai_secretary.errors import Conflict, NotFound
from ai_secretary_stt import embedded
from ai_secretary_stt.library import Library, engine_of, model_name, vosk_languages

from .conftest import Running, Start, until


def whisper_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    for name in ("model.bin", "config.json", "vocabulary.json"):
        (path / name).write_bytes(b"{}")
    return path


def vosk_folder(path: Path) -> Path:
    (path / "am").mkdir(parents=True)
    (path / "conf").mkdir()
    (path / "am" / "final.mdl").write_bytes(b"mdl")
    return path


def test_models_are_found_in_the_folder_the_cache_and_the_packages(tmp_path: Path) -> None:
    folder, cache = tmp_path / "stt", tmp_path / "hub"
    whisper_folder(folder / "whisper-small")
    vosk_folder(folder / "vosk-model-small-ru-0.22")
    (folder / "notes").mkdir()
    whisper_folder(folder / ".downloads" / "whisper-medium")
    whisper_folder(cache / "models--Systran--faster-whisper-large-v3" / "snapshots" / "abc")
    whisper_folder(cache / "models--Systran--faster-whisper-small" / "snapshots" / "abc")
    (cache / "models--openai--whisper-tiny" / "snapshots" / "empty").mkdir(parents=True)
    library = Library(folder, hub_cache=cache)
    found = {model.id: model for model in library.scan()}
    assert set(found) == {"whisper/small", "whisper/large-v3", "whisper/tiny.en", "vosk/small-ru-0.22", "vosk/small-ko"}
    assert (found["whisper/small"].origin, found["whisper/small"].deletable) == ("folder", True)
    assert (found["whisper/large-v3"].origin, found["whisper/large-v3"].deletable) == ("cache", False)
    assert (found["vosk/small-ko"].origin, found["vosk/small-ko"].languages) == ("package", ("ko",))
    assert found["vosk/small-ru-0.22"].languages == ("ru",)
    assert found["whisper/tiny.en"].languages == ("en",)
    assert found["whisper/small"].languages is None


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("vosk-model-small-ru-0.22", ("ru",)),
        ("vosk-model-en-us-0.22-lgraph", ("en",)),
        ("vosk-model-small-cn-0.22", ("zh",)),
        ("small-uk-v3", ("uk",)),
        ("mine", None),
    ],
)
def test_the_name_of_a_vosk_model_gives_its_language(name: str, languages: tuple[str, ...] | None) -> None:
    assert vosk_languages(name) == languages


def test_names_become_harmless_ids() -> None:
    assert model_name("whisper", "faster-whisper-large-v3-turbo") == "large-v3-turbo"
    assert model_name("whisper", "whisper-base") == "base"
    assert model_name("vosk", "vosk-model-ru-0.42") == "ru-0.42"
    assert model_name("whisper", "моя модель/../x") == "x"
    assert model_name("whisper", "модель") == "model"


def test_the_embedded_model_is_put_together_once_and_checked(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        targets = list(pool.map(lambda _: embedded.assemble(tmp_path), range(3)))
    assert set(targets) == {tmp_path / "whisper-base"}
    assert engine_of(targets[0]) == "whisper"
    with (targets[0] / "model.bin").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == embedded.SHA256["model.bin"]
    assert sorted(path.name for path in targets[0].iterdir()) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    stamp = (targets[0] / "model.bin").stat()
    embedded.assemble(tmp_path)
    assert (targets[0] / "model.bin").stat().st_ino == stamp.st_ino


def test_damaged_parts_are_refused_and_nothing_is_left_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / "packages"
    for number, (module, name) in enumerate(embedded.PARTS):
        place = packages / f"x{module}" / name
        place.parent.mkdir(parents=True)
        place.write_bytes(b"not the weights")
        (packages / f"x{module}" / "__init__.py").touch()
        if number == 0:
            root = embedded.package_folder(module)
            assert root is not None
            for extra in ("config.json", "tokenizer.json", "vocabulary.txt"):
                os.link(root / "data" / extra, place.with_name(extra))
    monkeypatch.syspath_prepend(str(packages))
    monkeypatch.setattr(embedded, "PARTS", tuple((f"x{module}", name) for module, name in embedded.PARTS))
    with pytest.raises(embedded.EmbeddedModelDamaged):
        embedded.assemble(tmp_path / "models")
    assert engine_of(tmp_path / "models" / "whisper-base") is None
    assert not [path for path in (tmp_path / "models" / "whisper-base").iterdir() if path.name.startswith(".")]


async def test_only_our_own_models_can_be_deleted(stt: Running, tmp_path: Path) -> None:
    mine = whisper_folder(stt.models.folder / "whisper-mine")
    elsewhere = whisper_folder(tmp_path / "elsewhere")
    (stt.models.folder / "whisper-linked").symlink_to(elsewhere)
    await stt.models.refresh()
    for model_id in ("whisper/base", "vosk/small-ko", "whisper/linked"):
        with pytest.raises(Conflict):
            await stt.models.delete(model_id)
    for model_id in ("whisper/../../x", "whisper/none", "..", ""):
        with pytest.raises(NotFound):
            await stt.models.delete(model_id)
    await stt.models.delete("whisper/mine")
    assert not mine.exists()
    assert (elsewhere / "model.bin").exists()
    assert stt.models.library.find("whisper/mine") is None
    assert [(event.action, event.resource_id) for event in stt.audited] == [("stt.model.delete", "whisper/mine")]


async def test_the_plugin_is_up_before_the_embedded_model_is(start_plugin: Start) -> None:
    running = await start_plugin()
    assert running.plugin.health().state in {"ok", "warning"}
    await until(lambda: running.registries.find_recognizer("whisper/base") is not None)
    assert running.recognizer("whisper/base").info.state == "idle"
    assert running.plugin.health().state == "ok"
