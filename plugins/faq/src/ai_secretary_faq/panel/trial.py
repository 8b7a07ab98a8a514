"""A trial: what would be answered to this, and why not something else. Counts no hit."""

from __future__ import annotations

import re

from nicegui.element import Element

from ai_secretary.i18n import N_, Translator
from ai_secretary_faq.actions import FaqActions, Tested
from ai_secretary_faq.entries import Candidate
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c

_ = Translator("faq")

HOWS = {"exact": N_("the very question"), "keywords": N_("keywords"), "fuzzy": N_("similarity")}
REASONS = {
    "too_short": N_("Too short to answer: one letter fits everything."),
    "too_long": N_("Too long: such speech goes to the model, which understands it as a whole."),
    "nothing_similar": N_("No entry is close enough, so the model will answer."),
    "off": N_("The FAQ is switched off, so the model will answer."),
}
_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


class Trial:
    def __init__(self, view: PageView, actions: FaqActions) -> None:
        self.view = view
        self.actions = actions
        self._text = ""
        self._asked = 0
        self._result: Element

    def draw(self) -> None:
        with c.card(_("Try it")):
            box = c.text_field(_("What a person says"), placeholder=_("For instance: until when are you open?"), max_length=500)
            box.props("debounce=250 clearable")
            box.on_value_change(lambda event: self._typed(event.value))
            self._result = c.el("as-grid", aria_live="polite").style("margin-top:10px")
            with self._result:
                c.text(_("Type something: the answer and its reason appear here."), "as-13 as-faint")

    async def _typed(self, value: str | None) -> None:
        self._text = value or ""
        await self.run()

    async def run(self) -> None:
        """Try the text of the box again, for instance after an entry changed."""
        if not self._text.strip():
            self._result.clear()
            return
        self._asked += 1
        asked = self._asked
        language = "ru" if _CYRILLIC.search(self._text) else "en"
        assert self.view.context is not None
        tested = await self.actions.test(self._text, language, self.view.context.settings.timezone)
        if asked != self._asked or self._result.is_deleted:
            return
        self._result.clear()
        with self._result:
            self._show(tested)

    def _show(self, tested: Tested) -> None:
        explanation = tested.explanation
        if explanation.match is not None and tested.answer is not None:
            match = explanation.match
            with c.el("as-badges"):
                c.source_badge("faq", match.entry.question)
            with c.el().style("background:var(--surface-2);border-radius:var(--r-md);padding:10px 12px"):
                c.text(tested.answer, "as-15").style("white-space:pre-wrap;overflow-wrap:anywhere")
            how = _("Found by {how}, {score}", how=_(HOWS[match.how]), score=formatting.percent(match.score))
            milliseconds = formatting.number(explanation.milliseconds, 1)
            c.text(f"{how} · {milliseconds}\u00a0{_('ms')}", "as-12 as-faint as-num")
        elif explanation.reason in REASONS:
            c.note("info", _(REASONS[explanation.reason]))
        others = [candidate for candidate in explanation.candidates if candidate.verdict != "matched"]
        if others:
            with c.details(_("What else was considered"), open_=explanation.match is None), c.el("as-divide"):
                for candidate in others:
                    self._candidate(candidate)

    @staticmethod
    def _candidate(candidate: Candidate) -> None:
        with c.el().style("padding:8px 0"):
            with c.el("as-badges").style("justify-content:space-between"):
                c.text(candidate.entry.question, "as-13 as-b").style("overflow-wrap:anywhere;min-width:0")
                c.text(formatting.percent(candidate.score), "as-12 as-num as-faint")
            c.text(reason(candidate), "as-12 as-muted")


def reason(candidate: Candidate) -> str:
    """Why an entry does not answer, in words."""
    if candidate.verdict == "disabled":
        return _("Fits, but is switched off")
    if candidate.verdict == "other_language":
        return _("Fits, but answers only in another language ({language})", language=candidate.entry.language)
    if candidate.verdict == "outranked":
        return _("Fits too, but another entry fits better or is older")
    if candidate.verdict == "too_long":
        return _("The speech is longer than the options allow")
    if candidate.verdict == "fuzzy_off":
        return _("Similar, but similar questions are switched off")
    if candidate.verdict == "keyword_share":
        return _(
            "The keyword “{keyword}” is only {share} of what was said; {needed} are needed",
            keyword=candidate.keyword,
            share=formatting.percent(candidate.score),
            needed=formatting.percent(candidate.needed),
        )
    parts = [
        _(
            "Only {score} alike; {needed} are needed",
            score=formatting.percent(candidate.score),
            needed=formatting.percent(candidate.needed),
        )
    ]
    if candidate.missing:
        parts.append(_("not said: {words}", words=", ".join(candidate.missing[:6])))
    if candidate.extra:
        parts.append(_("beside it: {words}", words=", ".join(candidate.extra[:6])))
    return " · ".join(parts)
