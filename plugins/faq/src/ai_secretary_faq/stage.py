"""The stage of the dialogue that answers from the FAQ."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from ai_secretary.dialogue import AnswerSource, Final, Next, ReplyEvent, TextDelta, Timings, Turn
from ai_secretary_faq.catalogue import FaqCatalogue
from ai_secretary_faq.entries import Match
from ai_secretary_faq.hits import HitCounter
from ai_secretary_faq.options import FaqOptions
from ai_secretary_faq.placeholders import fill


class FaqStage:
    """Answers when an entry fits; otherwise the turn goes on as if this stage were not there."""

    def __init__(self, catalogue: FaqCatalogue, hits: HitCounter, options: Callable[[], FaqOptions]) -> None:
        self._catalogue = catalogue
        self._hits = hits
        self._options = options

    async def handle(self, turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        # A program that brought tools or asked for a format expects the model's answer in it.
        if turn.overrides.tools or turn.overrides.response_format is not None:
            return await proceed(turn)
        started = time.perf_counter()
        match = self._catalogue.find(turn.text, turn.language, self._options())
        if match is None:
            return await proceed(turn)
        return self._answer(match, turn, started)

    async def _answer(self, match: Match, turn: Turn, started: float) -> AsyncIterator[ReplyEvent]:
        entry = match.entry
        text = fill(entry.answer, turn.language, turn.timezone)
        self._hits.add(entry.id)
        elapsed = (time.perf_counter() - started) * 1000
        yield TextDelta(text)
        yield Final(
            source=AnswerSource("faq", label=entry.question, id=entry.id),
            timings=Timings(first_token_ms=elapsed, total_ms=elapsed, stages={"rule": elapsed}),
            details={"matched_by": match.how, "score": round(match.score, 3)},
        )
