"""Which model answers: candidates in order, time-outs, retries before the first token, rest for a model that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import structlog

from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.errors import NotFound, ProviderError, ProviderTimeout, SecretaryError, Unavailable
from ai_secretary.events import EventBus
from ai_secretary.llm import ChatDelta, ChatModel, ChatRequest, ModelInfo
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Preferences, now

log = structlog.get_logger(__name__)

RETRYABLE = frozenset(
    {"rate_limited", "unreachable", "overloaded", "bad_reply", "provider_error", "worker_crashed", "unavailable"}
)
"""Codes after which the same model may answer a moment later."""
TIRING = frozenset({"key_refused", "out_of_funds"})
"""Codes that will not pass by themselves soon: the model rests longer."""
LONG_REST_S = 60.0
LONGEST_REST_S = 600.0
SHORT_WAIT_S = 2.0
"""A `retry_after` up to this is waited for; a longer one hands over to the next candidate."""
AUTOMATIC = 3
"""Candidates when nobody has chosen a model."""
_ORDER = {"ready": 0, "idle": 1, "loading": 2, "unavailable": 3}

Prepare = Callable[[ChatModel, ChatRequest], ChatRequest]
"""Fits a request to the model that will get it (context window, its own name for itself). Raises `SecretaryError`."""


@dataclass(slots=True, frozen=True)
class ModelStateChanged:
    """The model that answers has changed, or one failed or recovered."""

    model_id: str
    state: Literal["answering", "failing", "recovered"]
    reason: str = ""


@dataclass(slots=True)
class Attempt:
    """A candidate that was asked in vain."""

    model_id: str
    code: str
    message: str


@dataclass(slots=True)
class CandidateStatus:
    """For display: one candidate of the system's order."""

    id: str
    title: str
    provider_title: str
    state: str
    """As `ModelInfo.state`, or `resting` after failures, or `missing` where no plugin has this model."""
    reason: str = ""
    demo: bool = False
    answering: bool = False
    """The one that the next turn will ask first."""
    resting_s: float = 0.0
    """Seconds until it is asked again before others."""
    failures: int = 0
    """In a row."""
    last_error: str = ""
    last_error_code: str = ""
    last_error_at: datetime | None = None


@dataclass(slots=True)
class _Record:
    failures: int = 0
    resting_until: float = 0.0
    """By the event loop's clock."""
    error: SecretaryError | None = None
    error_at: datetime | None = None


class RoutedReply(AsyncIterator[ChatDelta]):
    """A reply as it comes. After the first delta `model` says who answers; closing it stops the provider at once."""

    def __init__(self, run: Callable[[RoutedReply], AsyncIterator[ChatDelta]]) -> None:
        self.model: ModelInfo | None = None
        self.attempts: list[Attempt] = []
        self.request: ChatRequest | None = None
        """As the model got it."""
        self._stream: Any = run(self)

    def __aiter__(self) -> RoutedReply:
        return self

    async def __anext__(self) -> ChatDelta:
        delta: ChatDelta = await self._stream.__anext__()
        return delta

    async def aclose(self) -> None:
        await self._stream.aclose()


class ModelRouter:
    """One per installation: it remembers which models fail."""

    def __init__(
        self, registries: Registries, preferences: Preferences, bus: EventBus, default_backend: str | None = None
    ) -> None:
        """`default_backend`: what the process's settings name (`LLM_BACKEND`) while no administrator has chosen."""
        self._registries = registries
        self._preferences = preferences
        self._bus = bus
        self._default_backend = default_backend
        self._records: dict[str, _Record] = {}
        self._answering: str | None = None

    # ---- choosing ----

    def resolve(self, name: str) -> str | None:
        """A public model id for what people and older settings write: an id, `cloud:<provider>`, a provider's prefix (`vllm`).

        None if nothing of that name is here.
        """
        models = self._registries.models()
        if any(info.id == name for info in models):
            return name
        prefix = name.removeprefix("cloud:").partition("/")[0]
        if "/" in name.removeprefix("cloud:"):
            return None
        found = [info for info in models if info.id.partition("/")[0] == prefix]
        return self._best(found)[0].id if found else None

    @staticmethod
    def _best(models: Sequence[ModelInfo]) -> list[ModelInfo]:
        """Real models before demonstrations, ready ones first; otherwise in the order of registration."""
        return sorted(models, key=lambda info: (info.demo, _ORDER[info.state]))

    def candidates(self, first: str | None = None, fallbacks: tuple[str, ...] | None = None) -> list[str]:
        """Model ids to ask, in order: `first` (what a turn, conversation or persona wants) or the system's choice; then spares.

        If none of the chosen ones exists any more (a provider was removed), the best of what is there answers instead.

        Raises `NotFound` (`model_not_found`) if `first` does not exist, `Unavailable` (`no_model`) if there is no model at all.
        """
        preferences = self._preferences.get(SUBJECT, DialoguePreferences)
        order: list[str] = []
        if first is not None:
            resolved = self.resolve(first)
            if resolved is None:
                raise NotFound(
                    "There is no model {model}",
                    code="model_not_found",
                    model=first[:100],
                    hint="The list of models shows their ids.",
                )
            order.append(resolved)
        elif preferences.model is not None:
            order.append(preferences.model)
        elif self._default_backend is not None and (resolved := self.resolve(self._default_backend)) is not None:
            order.append(resolved)
        order += preferences.fallbacks if fallbacks is None else fallbacks
        models = self._registries.models()
        if not {info.id for info in models}.intersection(order):
            order += [info.id for info in self._best(models)[:AUTOMATIC]]
        if not order:
            raise Unavailable(
                "No language model is connected, so nobody can answer",
                code="no_model",
                hint="Download a model, add a key of a provider, or connect a model server.",
            )
        return list(dict.fromkeys(order))

    # ---- asking ----

    def stream(self, request: ChatRequest, candidates: Sequence[str], *, prepare: Prepare | None = None) -> RoutedReply:
        """Ask the candidates in order until one begins to answer. After its first token there is no other try.

        Raises the last candidate's `SecretaryError`; its `code` says why nobody answered.
        """
        return RoutedReply(lambda reply: self._run(reply, request, list(candidates), prepare))

    async def _run(
        self, reply: RoutedReply, request: ChatRequest, candidates: list[str], prepare: Prepare | None
    ) -> AsyncIterator[ChatDelta]:
        preferences = self._preferences.get(SUBJECT, DialoguePreferences)
        error: SecretaryError | None = None
        for model_id in self._rested(candidates):
            model = self._registries.find_model(model_id)
            if model is None:
                error = ProviderError("There is no model {model}", code="model_not_found", model=model_id)
                self._note(reply, model_id, error)
                continue
            try:
                fitted = prepare(model, request) if prepare else replace(request, model=_own_name(model))
            except SecretaryError as refused:
                error = refused
                self._note(reply, model_id, error)
                continue
            for round_ in range(preferences.retries + 1):
                began = False
                reply.model, reply.request = model.info, fitted
                stream = self._timed(model, fitted, preferences)
                try:
                    async for delta in stream:
                        if not began:
                            began = True
                            self._succeeded(model_id)
                        yield delta
                    if began:
                        return
                    failure: SecretaryError = ProviderError(
                        "{model} gave an empty answer", code="bad_reply", model=model.info.title
                    )
                except SecretaryError as caught:
                    failure = caught
                except Exception as caught:
                    log.exception("model_failed", model=model_id)
                    failure = ProviderError(
                        "{model} failed: {reason}", model=model.info.title, reason=str(caught)[:200] or type(caught).__name__
                    )
                finally:
                    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
                error = failure
                self._failed(model_id, failure, preferences)
                if began:
                    raise failure
                self._note(reply, model_id, failure)
                if not isinstance(failure, ProviderError | Unavailable) and failure.code not in (
                    "context_length_exceeded",
                    "rate_limited",
                ):
                    raise failure  # the request itself is wrong: no other model will like it better
                if round_ == preferences.retries or not await self._wait_to_retry(failure, round_):
                    break
        if error is None:
            raise Unavailable("No language model could be asked", code="no_model")
        raise error

    async def _timed(self, model: ChatModel, request: ChatRequest, preferences: DialoguePreferences) -> AsyncIterator[ChatDelta]:
        """The model's stream with a deadline for the first meaningful delta and for every pause after it."""
        loading = model.info.state in ("idle", "loading")
        wait = preferences.loading_timeout_s if loading else preferences.first_token_timeout_s
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        began = False
        stream: Any = model.stream(request)
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        delta = await anext(stream)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise ProviderTimeout(
                        "{model} gave no answer within {seconds} s"
                        if not began
                        else "{model} stopped in mid-answer for {seconds} s",
                        model=model.info.title,
                        seconds=f"{preferences.idle_timeout_s if began else wait:g}",
                    ) from error
                if not began and not (delta.text or delta.tool_calls or delta.finish_reason):
                    continue
                began = True
                yield delta
                deadline = loop.time() + preferences.idle_timeout_s
        finally:
            await stream.aclose()

    @staticmethod
    async def _wait_to_retry(error: SecretaryError, round_: int) -> bool:
        if error.code not in RETRYABLE:
            return False
        if error.retry_after is not None:
            if error.retry_after > SHORT_WAIT_S:
                return False
            await asyncio.sleep(error.retry_after)
        else:
            await asyncio.sleep(0.25 * 2**round_ * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        return True

    # ---- memory ----

    def _rested(self, candidates: list[str]) -> list[str]:
        """Resting candidates are left out; if all rest, they are asked all the same: one of them may have recovered."""
        moment = asyncio.get_running_loop().time()
        fresh = [model_id for model_id in candidates if self._records.get(model_id, _IDLE).resting_until <= moment]
        return fresh or candidates

    def _note(self, reply: RoutedReply, model_id: str, error: SecretaryError) -> None:
        reply.attempts.append(Attempt(model_id, error.code, error.message))

    def _succeeded(self, model_id: str) -> None:
        record = self._records.get(model_id)
        if record is not None and record.failures:
            record.failures, record.resting_until = 0, 0.0
            self._bus.publish(ModelStateChanged(model_id, "recovered"))
        if self._answering != model_id:
            self._answering = model_id
            self._bus.publish(ModelStateChanged(model_id, "answering"))

    def _failed(self, model_id: str, error: SecretaryError, preferences: DialoguePreferences) -> None:
        if not isinstance(error, ProviderError | Unavailable) or error.code == "context_length_exceeded":
            return  # the request's fault, not the model's
        record = self._records.setdefault(model_id, _Record())
        record.failures += 1
        record.error, record.error_at = error, now()
        rest = preferences.cooldown_s * 2 ** min(record.failures - 1, 10)
        if error.code in TIRING:
            rest = max(rest, LONG_REST_S)
        if error.retry_after is not None:
            rest = max(rest, error.retry_after)
        record.resting_until = asyncio.get_running_loop().time() + min(rest, LONGEST_REST_S)
        self._bus.publish(ModelStateChanged(model_id, "failing", error.message))

    def forgive(self, model_id: str | None = None) -> None:
        """Ask again at once: the key was replaced, the server restarted, or a person pressed “Check again”."""
        for name in [model_id] if model_id else list(self._records):
            self._records.pop(name, None)

    def model_status(self) -> list[CandidateStatus]:
        """The system's candidates in order; `answering` marks the one that the next turn asks first."""
        try:
            candidates = self.candidates()
        except Unavailable:
            return []
        known = {info.id: info for info in self._registries.models()}
        try:
            moment = asyncio.get_running_loop().time()
        except RuntimeError:
            moment = 0.0
        found = [self._status(model_id, known.get(model_id), moment) for model_id in candidates]
        usable = [status for status in found if status.state not in ("missing", "unavailable", "resting")]
        for status in usable[:1] or [status for status in found if status.state == "resting"][:1]:
            status.answering = True
        return found

    def _status(self, model_id: str, info: ModelInfo | None, moment: float) -> CandidateStatus:
        status = CandidateStatus(model_id, model_id, "", "missing")
        if info is not None:
            status = CandidateStatus(model_id, info.title, info.provider_title, info.state, info.reason, info.demo)
        record = self._records.get(model_id)
        if record is not None:
            status.failures = record.failures
            status.resting_s = max(0.0, record.resting_until - moment)
            if record.error is not None:
                status.last_error, status.last_error_code = record.error.message, record.error.code
                status.last_error_at = record.error_at
            if status.resting_s and info is not None and status.state != "unavailable":
                status.state, status.reason = "resting", status.last_error
        return status


def _own_name(model: ChatModel) -> str:
    """What the model is called inside its provider."""
    return model.info.id.partition("/")[2] or model.info.id


_IDLE = _Record()
