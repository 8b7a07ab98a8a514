"""Parameters for all personas, with words for what a number does; names and waiting times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nicegui.element import Element
from pydantic import BaseModel, create_model

from ai_secretary.audit import AuditEvent
from ai_secretary.dialogue.parameters import DEFAULTS, RANGES, SamplingValues
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_ui.pages.llm.page import LlmPage

_ = Translator("ui")
_core = Translator("core")

Words = tuple[tuple[float, str], ...]
WORDS: dict[str, Words] = {
    "temperature": (
        (0.25, N_("exact, repeats itself")),
        (0.6, N_("even")),
        (0.9, N_("livelier")),
        (1.3, N_("inventive")),
        (9, N_("unpredictable")),
    ),
    "top_p": ((0.5, N_("few likely words")), (0.85, N_("careful")), (0.96, N_("usual")), (9, N_("any words"))),
    "max_tokens": (
        (80, N_("one sentence")),
        (300, N_("a few sentences")),
        (800, N_("a paragraph or two")),
        (99999, N_("long texts")),
    ),
    "repetition_penalty": ((1.04, N_("none")), (1.2, N_("usual")), (1.5, N_("strong")), (9, N_("very strong"))),
}
TITLES = {
    "temperature": (N_("Temperature"), N_("How freely words are chosen")),
    "top_p": (N_("Top-p"), N_("From how many likely words")),
    "max_tokens": (N_("Longest reply"), N_("In tokens: a word is one to three")),
    "repetition_penalty": (N_("Repetition penalty"), N_("How much the model avoids saying the same again")),
}
FORM = (
    "company", "owner", "first_token_timeout_s", "loading_timeout_s", "idle_timeout_s", "retries", "cooldown_s",
)  # fmt: skip


def in_words(name: str) -> Callable[[float], str]:
    """ "0.7 — livelier"."""

    def words(value: float) -> str:
        digits = 0 if name == "max_tokens" else 2
        word = next(word for limit, word in WORDS[name] if value < limit)
        return f"{formatting.number(value, digits)} — {_(word)}"

    return words


def translate(message: str) -> str:
    """The core's catalogue first: the model is its own."""
    found = _core(message)
    return found if found != message else _(message)


class ParametersCard:
    """Sliders that take effect at once; a form for the rest."""

    def __init__(self, page: LlmPage) -> None:
        self._page = page
        self._body: Element

    @property
    def preferences(self) -> DialoguePreferences:
        return self._page.view.application.preferences.get(SUBJECT, DialoguePreferences)

    def draw(self) -> None:
        with c.card(_("Parameters"), hint=_("for every persona")) as self._body:
            self._content()

    def _redraw(self) -> None:
        self._body.clear()
        with self._body:
            self._content()

    def _content(self) -> None:
        value = self.preferences
        effective = self._page.view.application.personas.sampling(self._page.view.application.personas.default())
        with c.el("as-form"):
            for name, (title, hint) in TITLES.items():
                least, most, step = RANGES[name]
                current = getattr(effective, name) or getattr(DEFAULTS, name)
                if name == "max_tokens":
                    step = 16
                c.slider_field(
                    _(title), float(current), minimum=least, maximum=most, step=step, words=in_words(name), hint=_(hint),
                    on_change=self._setter(name) if self._page.may_write else None,
                )  # fmt: skip
            if value.sampling != SamplingValues() and self._page.may_write:
                c.button(_("Back to the persona's own"), self._reset, kind="quiet", small=True)
        with c.el("m-more"), c.details(_("Names and waiting times")):
            self._form(value)

    def _form(self, value: DialoguePreferences) -> None:
        fields: dict[str, Any] = {
            name: (DialoguePreferences.model_fields[name].annotation, DialoguePreferences.model_fields[name]) for name in FORM
        }
        model: type[BaseModel] = create_model("Waiting", **fields)

        async def save(changed: BaseModel) -> None:
            application = self._page.view.application
            await application.preferences.set(SUBJECT, self.preferences.model_copy(update=changed.model_dump()))
            application.audit.record(AuditEvent("llm.preferences", "preferences", SUBJECT, {"fields": list(FORM)}))
            self._page.order.redraw()

        current = model.model_validate(value.model_dump(include=set(FORM)))
        c.settings_form(model, current, save, translate=translate)

    def _setter(self, name: str) -> Callable[[float], object]:
        async def change(value: float) -> None:
            await self._save(name, int(value) if name == "max_tokens" else round(float(value), 2))

        return change

    async def _save(self, name: str, value: float | int) -> None:
        application = self._page.view.application
        before = self.preferences
        sampling = SamplingValues.model_validate(before.sampling.model_dump() | {name: value})
        await application.preferences.set(SUBJECT, before.model_copy(update={"sampling": sampling}))
        application.audit.record(AuditEvent("llm.parameters", "preferences", SUBJECT, {name: value}))

    async def _reset(self) -> None:
        application = self._page.view.application
        await application.preferences.set(SUBJECT, self.preferences.model_copy(update={"sampling": SamplingValues()}))
        application.audit.record(AuditEvent("llm.parameters", "preferences", SUBJECT, {"reset": True}))
        self._redraw()
        c.toast(_("Parameters are the persona's own again"))
