"""The stages of the house: quota (500) and the model (1000)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date

from ai_secretary.access.principal import Principal
from ai_secretary.context import current_request
from ai_secretary.dialogue.context import Fitted, fit
from ai_secretary.dialogue.events import AnswerSource, Final, ReplyEvent, TextDelta, Timings, ToolCall
from ai_secretary.dialogue.language import house_language, in_language
from ai_secretary.dialogue.parameters import merge
from ai_secretary.dialogue.persona import Persona
from ai_secretary.dialogue.personas import Personas
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.dialogue.routing import ModelRouter, RoutedReply
from ai_secretary.dialogue.stage import Next
from ai_secretary.dialogue.turn import Turn
from ai_secretary.errors import InvalidInput
from ai_secretary.i18n import Translator
from ai_secretary.llm import ChatMessage, ChatModel, ChatRequest, FinishReason, ModelInfo, Sampling, ToolCallRequest, Usage
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Preferences

_ = Translator("core")

Budget = Callable[[Principal], None]
"""Raises `RateLimited` when a caller has spent what it may spend (`Access.check_budget`)."""

_BRIEF_PROMPT = "You are a friendly secretary. Answer in one or two short sentences."
_BRIEF_SAMPLING = Sampling(temperature=0.2, top_p=0.9, max_tokens=120, repetition_penalty=1.15)
"""For a demonstration model: a hundred million parameters lose a page of instructions, and wander when they may."""

_SPOKEN = {
    "ru": "Твой ответ прозвучит голосом: только слова и знаки препинания, никаких символов и разметки.",
    "en": "Your answer will be spoken aloud: words and punctuation only, no symbols and no markup.",
}
_TODAY = {"ru": "Сегодня {date}.", "en": "Today is {date}."}
_LANGUAGE = {"ru": "Отвечай по-русски.", "en": "Answer in English."}


def _briefly(messages: tuple[ChatMessage, ...], turn: Turn) -> tuple[ChatMessage, ...]:
    """The same conversation under one short instruction; what stages and the caller added stays behind it."""
    rest = messages[1:] if messages[0].role == "system" else messages
    return (ChatMessage("system", "\n\n".join((_BRIEF_PROMPT, *turn.instructions))), *rest)


class QuotaStage:
    """Refuses before a model costs anything. FAQ and flows come earlier and stay free."""

    def __init__(self, budget: Budget | None) -> None:
        self._budget = budget

    async def handle(self, turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        if self._budget is not None:
            request = current_request()
            if request is not None and request.principal is not None:
                self._budget(request.principal)
        return await proceed(turn)


@dataclass(slots=True)
class _Collected:
    text_length: int = 0
    usage: Usage | None = None
    finish_reason: FinishReason = "stop"
    first_ms: float | None = None


class ModelStage:
    """Asks a language model: persona, context, candidates."""

    def __init__(self, registries: Registries, preferences: Preferences, personas: Personas, router: ModelRouter) -> None:
        self._registries = registries
        self._preferences = preferences
        self._personas = personas
        self._router = router

    async def handle(self, turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        started = time.perf_counter()
        wanted = turn.overrides
        persona = self._personas.get(wanted.persona) if wanted.persona else self._personas.default()
        first = wanted.model
        if first is None and persona.model is not None:
            first = self._router.resolve(persona.model)  # a persona's model that is gone is no reason to be silent
        candidates = self._router.candidates(first, wanted.fallbacks)
        speaking, mute = self._by_language(candidates, turn.language)
        if not speaking:
            return self._phrase(turn, mute[0])
        return self._answer(turn, persona, speaking, started)

    def _by_language(self, candidates: list[str], language: str) -> tuple[list[str], list[ModelInfo]]:
        known = {info.id: info for info in self._registries.models()}
        mute = [
            info for model_id in candidates if (info := known.get(model_id)) and info.languages and language not in info.languages
        ]
        silent = {info.id for info in mute}
        return [model_id for model_id in candidates if model_id not in silent], mute

    async def _phrase(self, turn: Turn, model: ModelInfo) -> AsyncIterator[ReplyEvent]:
        """Better a fixed sentence than babble in a language that the model has not learnt."""
        if model.demo:
            text = in_language(
                turn.language,
                lambda: _(
                    "I understand you, but the demo model that answers now does not speak this language. Please write in "
                    "English, or ask the owner to connect another model: download one, add a key of a provider, "
                    "or connect a model server."
                ),
            )
        else:
            text = in_language(
                turn.language,
                lambda: _(
                    "The model that answers now ({model}) does not speak this language. Please choose another model, "
                    "or write in another language.",
                    model=model.title,
                ),
            )
        yield TextDelta(text)
        yield Final(AnswerSource("phrase", label=model.title, id="language_not_spoken"), details={"language": turn.language})

    async def _answer(self, turn: Turn, persona: Persona, candidates: list[str], started: float) -> AsyncIterator[ReplyEvent]:
        preferences = self._preferences.get(SUBJECT, DialoguePreferences)
        sampling = merge(turn.overrides.sampling, self._personas.sampling(persona))
        request = ChatRequest(
            model="",
            messages=self._messages(turn, persona),
            sampling=sampling,
            tools=turn.overrides.tools,
            tool_choice=turn.overrides.tool_choice,
            response_format=turn.overrides.response_format,
        )
        plain = turn.overrides.system_prompt is None and persona.builtin and not persona.edited
        fitted: list[Fitted] = []

        def prepare(model: ChatModel, request: ChatRequest) -> ChatRequest:
            _check_abilities(model.info, request)
            chosen, messages = sampling, request.messages
            if model.info.demo and plain:
                chosen, messages = merge(turn.overrides.sampling, _BRIEF_SAMPLING), _briefly(request.messages, turn)
            found = fit(messages, model, max_tokens=chosen.max_tokens, reserve=preferences.reserve_tokens)
            fitted[:] = [found]
            return replace(
                request,
                model=model.info.id.partition("/")[2] or model.info.id,
                messages=found.messages,
                sampling=replace(chosen, max_tokens=found.max_tokens),
            )

        reply = self._router.stream(request, candidates, prepare=prepare)
        collected = _Collected()
        calls: dict[int, ToolCallRequest] = {}
        texts: list[str] = []
        try:
            async for delta in reply:
                if delta.text:
                    if collected.first_ms is None:
                        collected.first_ms = (time.perf_counter() - started) * 1000
                    texts.append(delta.text)
                    yield TextDelta(delta.text)
                for part in delta.tool_calls:
                    known = calls.get(part.index, ToolCallRequest("", "", ""))
                    calls[part.index] = ToolCallRequest(
                        part.id or known.id, part.name or known.name, known.arguments + part.arguments
                    )
                collected.finish_reason = delta.finish_reason or collected.finish_reason
                collected.usage = delta.usage or collected.usage
        finally:
            await reply.aclose()
        for index in sorted(calls):
            yield ToolCall(calls[index], index)
        yield self._final(reply, fitted[0], "".join(texts), collected, (time.perf_counter() - started) * 1000, persona)

    def _final(
        self, reply: RoutedReply, fitted: Fitted, text: str, collected: _Collected, total_ms: float, persona: Persona
    ) -> Final:
        info = reply.model
        assert info is not None, "a reply without a model cannot come to its end"
        details: dict[str, Any] = {"model": info.id, "persona": persona.id}
        if fitted.trimmed:
            details["trimmed"] = fitted.trimmed
        if reply.attempts and reply.attempts[0].model_id != info.id:
            details["fallback_from"] = reply.attempts[0].model_id
            details["fallback_reason"] = reply.attempts[0].code
        usage = collected.usage
        if usage is None:
            model = self._registries.find_model(info.id)
            usage = Usage(fitted.prompt_tokens, model.count_tokens(text) if model is not None else 0)
            details["usage"] = "estimated"
        return Final(
            AnswerSource("demo_model" if info.demo else "model", label=info.title, id=info.id),
            usage=_priced(usage, info),
            timings=Timings(collected.first_ms, total_ms, {"llm": total_ms}),
            finish_reason=collected.finish_reason,
            details=details,
        )

    def _messages(self, turn: Turn, persona: Persona) -> tuple[ChatMessage, ...]:
        language = house_language(turn.language)
        if turn.overrides.system_prompt is not None:
            parts = [turn.overrides.system_prompt]
        else:
            today = datetime.now(ZoneInfo(turn.timezone))
            # The day and not the minute: a model that keeps the beginning of the prompt in memory would read all of it anew.
            parts = [
                self._personas.prompt(persona, turn.language),
                _TODAY[language].format(date=format_date(today, "full", locale=language)),
                _LANGUAGE[language] if turn.language == language else "",
                _SPOKEN[language] if turn.capabilities.speech else "",
            ]
        system = "\n\n".join(part for part in (*parts, *turn.instructions) if part.strip())
        messages = [ChatMessage("system", system)] if system else []
        return (*messages, *turn.history, ChatMessage("user", turn.text), *turn.following)


def _check_abilities(info: ModelInfo, request: ChatRequest) -> None:
    if request.tools and not info.supports_tools:
        raise InvalidInput("{model} cannot use tools", code="tools_not_supported", field="tools", model=info.title)
    wants_schema = request.response_format is not None and request.response_format.get("type") == "json_schema"
    if wants_schema and not info.supports_json_schema:
        raise InvalidInput(
            "{model} cannot follow a JSON schema", code="response_format_not_supported", field="response_format", model=info.title
        )


def _priced(usage: Usage, info: ModelInfo) -> Usage:
    if usage.cost_usd is not None:
        return usage
    if info.local:
        return replace(usage, cost_usd=0.0)
    if info.price_prompt is None or info.price_completion is None:
        return usage
    cost = (usage.prompt_tokens * info.price_prompt + usage.completion_tokens * info.price_completion) / 1_000_000
    return replace(usage, cost_usd=cost)
