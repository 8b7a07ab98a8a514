"""Connect a provider, or change one: what its type needs, a test before saving, errors beside their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator, current_language, translate_anywhere
from ai_secretary.plugins.provider_types import ProviderType
from ai_secretary_llm_cloud.panel.listing import trial_note
from ai_secretary_llm_cloud.records import Draft, Provider
from ai_secretary_llm_cloud.service import merge
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_llm_cloud.panel.page import ProvidersSection

_ = Translator("llm_cloud")


class ProviderForm:
    """One open dialog. Nothing typed is lost by an error, and nothing secret comes back from the server."""

    def __init__(self, section: ProvidersSection, provider: Provider | None, type_id: str) -> None:
        self._section = section
        self._provider = provider
        kinds = [kind for _owner, kind in section.providers.types()]
        self._kinds: dict[str, ProviderType] = {kind.id: kind for kind in kinds}
        self._type = type_id if type_id in self._kinds else next(iter(self._kinds), "")
        title = _("Change “{name}”", name=provider.draft.name) if provider else _("Add a provider")
        self._sheet = c.sheet(title)
        self._places: dict[str, Element] = {}
        self._fields: Element
        self._result: Element
        self._general: ui.label
        self._names: list[str] = []

    def open(self) -> None:
        with self._sheet, c.el("as-form"):
            titles = {kind.id: _(kind.title) for kind in self._kinds.values()}
            self._type_box = c.select_field(_("Provider"), titles, self._type, on_change=self._change_type)
            self._fields = c.el("as-form")
            with self._fields:
                self._draw_fields()
            self._result = c.el()
            self._general = ui.label("").classes("as-fielderror").props("role=alert")
            self._general.set_visibility(False)
        self._sheet.actions(self._draw_actions)
        self._sheet.dialog.on("hide", self._sheet.destroy)
        self._sheet.open()

    def _draw_actions(self) -> None:
        c.button(_("Cancel"), self._close, kind="quiet")
        c.button(_("Test"), self._test, icon="play_arrow")
        c.button(_("Save provider") if self._provider else _("Connect provider"), self._save, kind="filled")

    def _change_type(self, type_id: str) -> None:
        self._type = type_id
        self._names = []
        self._result.clear()
        self._fields.clear()
        with self._fields:
            self._draw_fields()

    @property
    def _kind(self) -> ProviderType:
        return self._kinds[self._type]

    def _draw_fields(self) -> None:
        kind = self._kind
        old = self._provider.draft if self._provider is not None and self._provider.draft.type == self._type else None
        places: dict[str, Element] = {}
        suggested = "" if kind.requires_base_url else kind.title.partition(" (")[0]
        places["name"] = c.text_field(
            _("Name"), old.name if old else suggested, _("You see it in lists; its models are called after it"), max_length=100
        )
        if kind.requires_base_url:
            places["base_url"] = self._address(old, _("Where the server listens, for example http://192.168.1.20:8000/v1"))
        saved = self._provider.masked_key if self._provider is not None and old is not None else ""
        hint = _("Stored encrypted and never shown again") if kind.requires_key else _("Only if the server asks for one")
        places["api_key"] = c.password_field(_("Key"), hint, saved=saved)
        if kind.key_url:
            c.link(_("Where to get a key"), kind.key_url, new_tab=True)
        self._draw_model(kind, old, places)
        with c.details(_("More"), open_=False), c.el("as-form"):
            if not kind.requires_base_url:
                places["base_url"] = self._address(old, _("Empty: {address}", address=kind.default_base_url))
            self._draw_more(old, places)
        self._places = places

    @staticmethod
    def _address(old: Draft | None, hint: str) -> Element:
        return c.text_field(_("Address"), old.base_url if old else "", hint, max_length=500)

    def _draw_model(self, kind: ProviderType, old: Draft | None, places: dict[str, Element]) -> None:
        names = list(dict.fromkeys([*([old.model] if old else []), *self._names, *kind.default_models]))
        value = old.model if old else next(iter(kind.default_models), None)
        box = c.select_field(
            _("Model"), names, value, _("Choose one, or write its name and press Enter"), searchable=True, clearable=True
        )
        box.props("new-value-mode=add-unique")
        places["model"] = box
        c.button(_("Load the list from the provider"), self._load_names, small=True, icon="refresh")

    def _draw_more(self, old: Draft | None, places: dict[str, Element]) -> None:
        places["more_models"] = c.chips_input(
            _("Further models on offer"), old.more_models if old else (), _("Press Enter after each")
        )
        places["timeout_s"] = c.number_field(
            _("Time limit"), old.timeout_s if old else 60, _("Silence between two pieces of an answer, 1 to 600 s"),
            minimum=1, maximum=600, unit=formatting.unit("s"),
        )  # fmt: skip
        places["price_prompt"] = c.number_field(
            _("Price of a question"), old.price_prompt if old else None, _("US dollars per million tokens"), minimum=0, unit="$"
        )
        places["price_completion"] = c.number_field(
            _("Price of an answer"),
            old.price_completion if old else None,
            _("US dollars per million tokens"),
            minimum=0,
            unit="$",
        )
        places["context_window"] = c.number_field(
            _("Context window"), old.context_window if old else None, _("Tokens; empty: what is known of the model"), minimum=512
        )
        count = len(old.proxies) if old else 0
        hint = _("One address a line, tried in order, for this provider only")
        if count:
            hint = _.plural("{n} proxy is saved. Empty keeps it", "{n} proxies are saved. Empty keeps them", count)
        places["proxies"] = c.text_area(_("Proxies"), "", hint, rows=1)
        self._drop_proxies = c.checkbox(_("Remove the saved proxies")) if count else None
        places["description"] = c.text_area(_("Note"), old.description if old else "", rows=1, max_length=2000)

    # ---- what was typed ----

    def _changes(self) -> dict[str, Any]:
        """Fields as the service takes them; an empty secret keeps what is stored."""
        value = {name: getattr(place, "value", None) for name, place in self._places.items()}
        made: dict[str, Any] = {
            "name": value["name"] or "",
            "type": self._type,
            "base_url": (value["base_url"] or "").strip(),
            "model": (value["model"] or "").strip(),
            "more_models": tuple(value["more_models"] or ()),
            "timeout_s": float(value["timeout_s"]) if value["timeout_s"] is not None else 60.0,
            "price_prompt": value["price_prompt"],
            "price_completion": value["price_completion"],
            "context_window": int(value["context_window"]) if value["context_window"] is not None else None,
            "description": value["description"] or "",
        }
        if value["api_key"]:
            made["api_key"] = value["api_key"]
        proxies = tuple(line.strip() for line in (value["proxies"] or "").splitlines() if line.strip())
        if proxies or (self._drop_proxies is not None and self._drop_proxies.value):
            made["proxies"] = proxies
        return made

    def _draft(self) -> Draft:
        changes = self._changes()
        return merge(self._provider.draft, changes) if self._provider is not None else Draft(**changes)

    # ---- actions ----

    async def _load_names(self) -> None:
        self._clear_errors()
        try:
            names = await self._section.providers.list_models_of_draft(self._draft())
        except SecretaryError as error:
            self._show(error)
            return
        box = self._places["model"]
        if isinstance(box, ui.select):
            current = box.value
            self._names = list(names)
            box.set_options([*([current] if current and current not in names else []), *names], value=current)
        c.toast(_.plural("{n} model for this key", "{n} models for this key", len(names)))

    async def _test(self) -> None:
        self._clear_errors()
        self._result.clear()
        with self._result:
            c.text(_("Asking the model for one word…"), "as-13 as-muted")
        try:
            trial = await self._section.providers.test_draft(self._draft())
        except SecretaryError as error:
            self._result.clear()
            self._show(error)
            return
        self._result.clear()
        with self._result:
            trial_note(trial)

    async def _save(self) -> None:
        self._clear_errors()
        try:
            if self._provider is None:
                made = await self._section.providers.create(self._draft())
                c.toast(_("{name} is connected. Test it once to be sure.", name=made.draft.name))
            else:
                await self._section.providers.update(self._provider.id, self._changes())
                c.toast(_("Saved. The next answer uses it already."))
        except SecretaryError as error:
            self._show(error)
            return
        self._section.redraw()
        self._close()

    def _close(self) -> None:
        self._sheet.close()

    # ---- errors ----

    def _clear_errors(self) -> None:
        for place in self._places.values():
            c.field_of(place).error("")
        self._general.set_visibility(False)

    def _show(self, error: SecretaryError) -> None:
        hint = translate_anywhere(error.hint, current_language()) if error.hint else ""
        message = f"{_.error(error)}. {hint}" if hint else _.error(error)
        place = self._places.get(error.field or "")
        if place is not None:
            c.field_of(place).error(message)
            return
        self._general.set_text(message)
        self._general.set_visibility(True)
