"""What passes through a stream, wherever it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_secretary.api.v1.sse import DONE, DoneFinder, UsageStripper
from ai_secretary.testing.model_server import chunk, stream_of

SAID = 'He said: "data: [DONE]" and "choices":[] {"choices":[]}'
RAW = b"".join(stream_of(["Привет", SAID, "!"]))
WITHOUT = RAW.replace(chunk(None, usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}), b"")
CUTS = st.lists(st.integers(1, len(RAW) - 1), max_size=20)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    return [raw[a:b] for a, b in pairwise(sorted({0, len(raw), *(place for place in places if place < len(raw))}))]


@given(CUTS)
def test_the_end_mark_is_found_and_nothing_else(places: list[int]) -> None:
    finder = DoneFinder()
    before = b""
    for piece in cut(RAW, places):
        at = finder.find(piece)
        if at >= 0:
            before += piece[:at]
            break
        before += piece
    # Where the mark itself is cut, its beginning has gone ahead; the client has not seen the end before we know of it.
    assert RAW.startswith(before)
    assert len(RAW) - len(DONE) <= len(before) < len(RAW) - 2


def test_the_end_mark_byte_by_byte() -> None:
    finder = DoneFinder()
    found = [index for index in range(len(RAW)) if finder.find(RAW[index : index + 1]) >= 0]
    assert found == [RAW.rindex(b"]")]


@given(CUTS, st.booleans())
def test_the_usage_chunk_is_taken_out(places: list[int], crlf: bool) -> None:
    raw, expected = (RAW.replace(b"\n", b"\r\n"), WITHOUT.replace(b"\n", b"\r\n")) if crlf else (RAW, WITHOUT)
    stripper = UsageStripper()
    assert b"".join(stripper.feed(piece) for piece in cut(raw, places)) + stripper.finish() == expected


@pytest.mark.parametrize("ending", [b"", b'data: {"half'])
def test_an_unfinished_stream_is_passed_on(ending: bytes) -> None:
    stripper = UsageStripper()
    raw = stream_of(["one"])[1] + ending
    assert stripper.feed(raw) + stripper.finish() == raw


def test_an_error_without_choices_stays() -> None:
    event = b'data: {"error":{"message":"x"},"choices":[]}\n\n'
    assert UsageStripper().feed(event) == event
