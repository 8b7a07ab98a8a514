"""The page and its section: connected providers in fallback order."""

from __future__ import annotations

from nicegui import context as page_context
from nicegui.element import Element

from ai_secretary.dialogue.routing import ModelStateChanged
from ai_secretary.i18n import Translator
from ai_secretary.storage import PreferencesChanged
from ai_secretary_llm_cloud.panel.form import ProviderForm
from ai_secretary_llm_cloud.panel.listing import ProviderRow
from ai_secretary_llm_cloud.providers import CloudProviders
from ai_secretary_llm_cloud.records import Provider
from ai_secretary_llm_cloud.trial import Trial
from ai_secretary_ui import PageView
from ai_secretary_ui import components as c
from ai_secretary_ui.shell import updates

_ = Translator("llm_cloud")

_ADDRESS_ASKS = {"1": "", "new": "", "openai_compatible": "custom"}
"""What other pages write after `?new=`, besides ids of types."""


async def build(view: PageView) -> None:
    providers: CloudProviders = view.application.registries.service("llm_cloud.providers")
    section = ProvidersSection(view, providers)
    c.page_header(
        _("Cloud models"),
        _("Models that answer by key or at another address. What is said goes to the provider that answers"),
        section.add_button,
    )
    section.draw()
    asked = view.query.get("new")
    if asked is not None and section.may_write:
        section.add(_ADDRESS_ASKS.get(asked, asked))


async def build_providers(view: PageView) -> None:
    """The same section for another page, with its own button."""
    providers: CloudProviders = view.application.registries.service("llm_cloud.providers")
    ProvidersSection(view, providers).draw(own_button=True)


class ProvidersSection:
    """One open list. Drawn again when providers, the order of answer or the state of a model change."""

    def __init__(self, view: PageView, providers: CloudProviders) -> None:
        self.view = view
        self.providers = providers
        self.may_write = view.can("llm:write")
        self.trials: dict[str, Trial] = {}
        """Results of tests on this page, by provider."""
        self.testing: set[str] = set()
        self.anchor: Element
        """Where dialogs and messages belong: rows are drawn anew under them."""
        self._body: Element
        self._own_button = False

    def draw(self, *, own_button: bool = False) -> None:
        self._own_button = own_button
        self.anchor = c.el()
        self._body = c.el("as-grid as-cols1")
        self.redraw()
        bus, client = self.view.application.bus, page_context.client
        updates.on_bus(client, bus, ModelStateChanged, lambda _event: self.redraw())
        updates.on_bus(client, bus, PreferencesChanged, lambda _event: self.redraw())

    def redraw(self) -> None:
        if self._body.is_deleted:
            return
        self._body.clear()
        listed = self.providers.all()
        with self._body:
            if not listed:
                with c.card():
                    c.empty(
                        _("No provider is connected"),
                        _("With a key of a provider the secretary answers like a person within two minutes. "
                          "Nothing is sent anywhere until you add one."),
                        self.add_button if self.may_write else None,
                    )  # fmt: skip
                return
            actions = self.add_button if self._own_button else None
            hint = _("asked from top to bottom when the first one fails") if len(listed) > 1 else ""
            with c.card(_("Providers"), len(listed), actions, hint=hint, pad=False, divide=True):
                for place, provider in enumerate(listed):
                    ProviderRow(self, provider, place, len(listed)).draw()

    def add_button(self) -> None:
        refusal = "" if self.may_write else _("Your role may look, not change")
        c.button(_("Add a provider"), lambda: self.add(""), kind="filled", icon="add", disabled=refusal)

    def add(self, type_id: str) -> None:
        with self.anchor:
            ProviderForm(self, None, type_id).open()

    def edit(self, provider: Provider) -> None:
        with self.anchor:
            ProviderForm(self, provider, provider.draft.type).open()

    def type_title(self, type_id: str) -> str:
        kind = self.providers.type(type_id)
        return _(kind.title) if kind is not None else type_id
