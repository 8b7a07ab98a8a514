"""Events are the same wherever the network cuts the stream."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_secretary.errors import ProviderError
from ai_secretary.openai_wire import SSEDecoder
from ai_secretary.openai_wire import sse as sse_module

STREAM = (
    '\ufeff: привет\n\ndata: {"a":"Здравствуйте 👋"}\n\nevent: x\nid: 7\ndata:no space\ndata: second line\n\n'
    ": ping\n\ndata: last\n\n"
)
EXPECTED = ['{"a":"Здравствуйте 👋"}', "no space\nsecond line", "last"]


def decode(pieces: list[bytes]) -> list[str]:
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return [event.decode() for event in events + decoder.finish()]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_single_byte_may_come_alone(line_end: str) -> None:
    raw = STREAM.replace("\n", line_end).encode()
    assert decode([raw[i : i + 1] for i in range(len(raw))]) == EXPECTED


@given(st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=12))
def test_any_cuts(line_end: str, cuts: list[int]) -> None:
    raw = STREAM.replace("\n", line_end).encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    assert decode([raw[a:b] for a, b in itertools.pairwise(places)]) == EXPECTED


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert decode([b"data: one\n\ndata: two"]) == ["one", "two"]


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_module, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(ProviderError) as caught:
        decode([b"data: " + b"x" * 90] * 100)
    assert caught.value.code == "bad_reply"
