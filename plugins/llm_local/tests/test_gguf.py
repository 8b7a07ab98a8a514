"""Reading model files: what they say, and that no file can do harm."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_local_files import gguf_bytes, tiny_model

from ai_secretary_llm_local.gguf import GgufError, read_head


def test_the_demo_model_describes_itself(demo_file: Path) -> None:
    head = read_head(demo_file)
    assert (head.architecture, head.parameters, head.context_length, head.quantisation) == ("llama", 134_515_008, 8192, "Q4_1")
    assert head.languages == ("en",)
    assert head.licence == "apache-2.0"
    assert "<|im_start|>" in head.chat_template
    # 30 layers, 3 key-value heads of 64, keys and values, two bytes each
    assert head.kv_bytes_per_token == 30 * 3 * 64 * 2 * 2


def test_a_small_model_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_model("Tiny 1K", general__languages=["en", "ru"]))
    head = read_head(path)
    assert (head.name, head.parameters, head.context_length, head.quantisation) == ("Tiny 1K", 1024, 2048, "Q4_K_M")
    assert head.languages == ("en", "ru")
    assert head.kv_bytes_per_token == 2 * 2 * (16 + 16) * 2


def test_a_large_vocabulary_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    words = [f"w{number}" for number in range(50_000)]
    path.write_bytes(
        gguf_bytes({"tokenizer.ggml.tokens": words, "tokenizer.ggml.scores": list(range(50_000)), "general.name": "After"})
    )
    assert read_head(path).name == "After"


def test_the_largest_value_of_a_list_per_layer_counts(tmp_path: Path) -> None:
    path = tmp_path / "l.gguf"
    path.write_bytes(tiny_model(llama__attention__head_count_kv=[1, 4]))
    assert read_head(path).kv_bytes_per_token == 2 * 4 * (16 + 16) * 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "only 0 bytes"),
        (b"<html>not a model at all</html>", "first bytes"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 40), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 60) + b"x", "ends inside"),
        (gguf_bytes({"general.architecture": None}), "architecture"),
        (gguf_bytes({"general.alignment": 0}), "alignment 0"),
        (gguf_bytes(tensors=[("w", [1] * 9, 0, 0)]), "9 dimensions"),
        (tiny_model()[:-100], "incomplete"),
        (gguf_bytes()[:40], "ends inside"),
    ],
)
def test_a_bad_file_is_told_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError, match=reason):
        read_head(path)


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=300), cut=st.integers(24, 400), place=st.integers(24, 390))
def test_no_file_does_harm(tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int, place: int) -> None:
    path = tmp_path_factory.mktemp("noise") / "n.gguf"
    good = tiny_model()
    damaged = good[:place] + noise + good[place + len(noise) :]
    path.write_bytes(damaged[: max(cut, 24)])
    with contextlib.suppress(GgufError):
        assert read_head(path).size == path.stat().st_size
