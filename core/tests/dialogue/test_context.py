"""What fits into a model's window, whatever the conversation looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_secretary.dialogue.context import MESSAGE_OVERHEAD, exchanges, fit, message_tokens
from ai_secretary.errors import InvalidInput
from ai_secretary.llm import ChatMessage

from .scripted import ScriptedModel


def _words(count: int) -> str:
    return " ".join(["слово"] * count)


def test_old_exchanges_go_whole_and_the_prompt_stays() -> None:
    model = ScriptedModel("a/b", window=200)
    messages = [ChatMessage("system", _words(10))]
    for _ in range(10):
        messages += [ChatMessage("user", _words(10)), ChatMessage("assistant", _words(10))]
    messages.append(ChatMessage("user", "вопрос"))
    fitted = fit(messages, model, max_tokens=60, reserve=8)
    assert fitted.messages[0] is messages[0]
    assert fitted.messages[-1] is messages[-1]
    assert fitted.messages[1].role == "user"
    assert fitted.trimmed + len(fitted.messages) == len(messages)
    assert fitted.trimmed % 2 == 0
    assert fitted.trimmed > 0
    assert fitted.max_tokens == 60


def test_a_message_that_cannot_fit_is_refused_with_numbers() -> None:
    model = ScriptedModel("a/b", window=100, title="Малая")
    with pytest.raises(InvalidInput) as error:
        fit([ChatMessage("system", "s"), ChatMessage("user", _words(500))], model, max_tokens=20, reserve=0)
    assert error.value.code == "context_length_exceeded"
    assert (error.value.params["needed"], error.value.params["budget"]) == (509, 80)
    assert "Малая" in error.value.message


def test_a_prompt_that_cannot_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="system prompt"):
        fit([ChatMessage("system", _words(500))], ScriptedModel("a/b", window=100), max_tokens=20, reserve=0)


def test_the_reply_never_takes_more_than_half_of_a_small_window() -> None:
    fitted = fit([ChatMessage("user", "а")], ScriptedModel("a/b", window=256), max_tokens=4096, reserve=0)
    assert fitted.max_tokens == 128


_message = st.builds(ChatMessage, st.sampled_from(["user", "assistant", "tool"]), st.integers(0, 30).map(_words))


@given(
    st.lists(_message, max_size=40),
    st.integers(0, 20),
    st.integers(1, 30),
    st.integers(200, 600),
    st.integers(1, 4096),
    st.integers(0, 64),
)
def test_what_is_kept_is_a_suffix_of_whole_exchanges_within_the_window(
    history: list[ChatMessage], prompt: int, last: int, window: int, max_tokens: int, reserve: int
) -> None:
    model = ScriptedModel("a/b", window=window)
    system, question = ChatMessage("system", _words(prompt)), ChatMessage("user", _words(last))
    messages = [system, *history, question]
    fitted = fit(messages, model, max_tokens=max_tokens, reserve=reserve)
    kept = list(fitted.messages[1:])
    assert fitted.messages[0] is system
    assert kept == messages[len(messages) - len(kept) :]
    assert fitted.trimmed == len(history) + 1 - len(kept)
    assert fitted.prompt_tokens == sum(message_tokens(model, message) for message in fitted.messages)
    assert fitted.prompt_tokens + fitted.max_tokens <= window
    whole = [message for exchange in exchanges([*history, question])[-len(exchanges(kept)) :] for message in exchange]
    assert kept == whole
    if fitted.trimmed:
        dropped = exchanges(messages[1 : 1 + fitted.trimmed])[-1]
        more = fitted.prompt_tokens + sum(message_tokens(model, message) for message in dropped)
        assert more + fitted.max_tokens + min(reserve, window // 8) > window
    assert MESSAGE_OVERHEAD > 0
