"""The screen: the list at the left, one conversation at the right."""

from __future__ import annotations

import json

from nicegui import Client, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.audit import AuditEvent
from ai_secretary.conversations.records import Conversation, Visibility
from ai_secretary.conversations.service import ConversationChanges
from ai_secretary.errors import NotFound
from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, names
from ai_secretary_ui import components as c
from ai_secretary_ui.components.base import MenuItem
from ai_secretary_ui.pages.chat.composer import Composer
from ai_secretary_ui.pages.chat.listing import Listing
from ai_secretary_ui.pages.chat.models import model_choices, persona_choices
from ai_secretary_ui.pages.chat.thread import Thread

_ = Translator("ui")

AUTO_SPEAK = "chat_auto_speak"


async def build(view: PageView) -> None:
    page = ChatPage(view)
    page.draw()
    await page.open_asked()


class ChatPage:
    """State of one open chat screen."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.client: Client = ui.context.client
        self.visible = Visibility.of(view.principal)
        self.conversation: Conversation | None = None
        self.model: str | None = None
        """Wish for a conversation that does not exist yet."""
        self.persona: str | None = None
        self.auto_speak = False
        self.may_write = view.can("chat:write")
        self.root: Element
        self.head: Element
        self.listing = Listing(self)
        self.thread = Thread(self)
        self.composer = Composer(self)

    # ---- drawing ----

    def draw(self) -> None:
        from nicegui import app

        self.auto_speak = bool(app.storage.user.get(AUTO_SPEAK, False))
        with c.el("c-root") as self.root:
            self.listing.draw()
            with c.el("c-main", "section", aria_label=_("Conversation")):
                self.head = c.el("c-head")
                self.thread.draw()
                self.composer.draw()
        ui.on("as-voice", self._voice)
        ui.on("as-mic", self.composer.microphone)

    async def open_asked(self) -> None:
        await self.listing.refresh()
        asked = self.view.query.get("id", "")
        if asked:
            await self.open(asked)
        else:
            await self.start_new(keep_list="new" not in self.view.query)

    def draw_head(self) -> None:
        self.head.clear()
        with self.head:
            back = c.icon_button("arrow_back", _("All conversations"), self.show_list, classes="only-phone")
            back.classes("c-back")
            conversation = self.conversation
            source = conversation.source if conversation is not None else "admin"
            with c.el("as-src only-desk", "span"):
                c.icon(names.source_icon(source))
            with c.el("c-title"):
                c.text(self.title, "as-b as-ell")
                c.text(self._subtitle(source), "as-12 as-faint as-ell only-desk")
            c.el("as-sp")
            if self.may_write:
                self._choosers()
            speak = c.icon_button(
                "volume_up" if self.auto_speak else "volume_off",
                _("Speak answers aloud: on") if self.auto_speak else _("Speak answers aloud: off"),
                self._toggle_speaking,
                classes="on" if self.auto_speak else "",
            )
            speak.props["aria-pressed"] = "true" if self.auto_speak else "false"
            self._menu()

    @property
    def title(self) -> str:
        conversation = self.conversation
        if conversation is None:
            return _("New conversation")
        return conversation.title or conversation.person_name or _("Conversation")

    def _subtitle(self, source: str) -> str:
        if source in {"admin", "test"}:
            return f"{names.source_name(source)} · {_('the secretary answers as it answers people')}"
        person = self.conversation.person_name or self.conversation.person_id if self.conversation is not None else ""
        return " · ".join(part for part in (names.source_name(source), person) if part)

    def _choosers(self) -> None:
        models = model_choices(self.view)
        model = self.conversation.model if self.conversation is not None else self.model
        shown = next((choice for choice in models if choice.id == (model or "")), models[0])
        with c.el("as-select c-choose", "button", type="button", aria_label=_("Model: {name}", name=shown.title)):
            c.el("as-dot", "i").style(f"background:var(--{shown.color});border-radius:50%")
            c.text(shown.title, "as-ell")
            c.icon("expand_more")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                c.menu_items(
                    [
                        MenuItem(choice.label, self._setter("model", choice.id), choice.icon, selected=choice.id == shown.id)
                        for choice in models
                    ]
                )
        personas = persona_choices(self.view)
        persona = self.conversation.persona if self.conversation is not None else self.persona
        name = next((title for key, title in personas if key == (persona or "")), personas[0][1])
        with c.el("as-select c-choose", "button", type="button", aria_label=_("Persona: {name}", name=name)):
            c.text(name, "as-ell")
            c.icon("expand_more")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                c.menu_items(
                    [
                        MenuItem(title, self._setter("persona", key), "sentiment_satisfied", selected=key == (persona or ""))
                        for key, title in personas
                    ]
                )

    def _setter(self, field: str, value: str) -> c.Click:
        async def choose() -> None:
            wish = value or None
            if self.conversation is None:
                setattr(self, field, wish)
            else:
                changes: ConversationChanges = {"model": wish} if field == "model" else {"persona": wish}
                self.conversation = await self.view.application.conversations.update(self.visible, self.conversation.id, changes)
                self._record("update", self.conversation.id, fields=[field])
            self.draw_head()

        return choose

    def _menu(self) -> None:
        conversation = self.conversation
        if conversation is None:
            return
        items: list[MenuItem | None] = []
        if self.may_write:
            items.append(MenuItem(_("Rename"), self.rename, "edit"))
        items += [
            MenuItem(_("Save as text"), self._exporter("txt"), "download"),
            MenuItem(_("Save as Markdown"), self._exporter("markdown"), "download"),
            MenuItem(_("Save as JSON, all branches"), self._exporter("json"), "download"),
        ]
        if self.may_write:
            items += [None, MenuItem(_("Delete conversation"), self.delete, "delete", danger=True)]
        c.menu(items, label=_("Actions for this conversation"), small=False)

    # ---- actions ----

    async def open(self, conversation_id: str) -> None:
        """Show a conversation; one that is gone says so and leaves a new one open."""
        try:
            self.conversation = await self.view.application.conversations.get(self.visible, conversation_id)
        except NotFound as error:
            c.error_toast(error)
            await self.start_new()
            return
        self.composer.reset()
        self.root.classes(add="open")
        self.draw_head()
        self.listing.mark(conversation_id)
        self._address(f"/ui/chat?id={conversation_id}")
        await self.thread.load()

    async def start_new(self, *, keep_list: bool = False) -> None:
        self.conversation = None
        self.model = self.persona = None
        self.composer.reset()
        self.root.classes(add="" if keep_list else "open", remove="open" if keep_list else "")
        self.draw_head()
        self.listing.mark("")
        self._address("/ui/chat")
        self.thread.show_empty()
        self.composer.focus()

    def show_list(self) -> None:
        self.root.classes(remove="open")

    def _address(self, address: str) -> None:
        ui.run_javascript(f"history.replaceState(null,'',{json.dumps(address)})")

    async def adopt(self, conversation_id: str) -> None:
        """A conversation was made by the first answer."""
        self.conversation = await self.view.application.conversations.get(self.visible, conversation_id)
        self._address(f"/ui/chat?id={conversation_id}")
        self.draw_head()

    async def rename(self) -> None:
        conversation = self.conversation
        if conversation is None:
            return
        sheet = c.sheet(_("Rename conversation"))
        with sheet:
            name = c.text_field(_("Name"), conversation.title, max_length=200)

        async def save() -> None:
            self.conversation = await self.view.application.conversations.update(
                self.visible, conversation.id, {"title": str(name.value or "")}
            )
            self._record("update", conversation.id, fields=["title"])
            sheet.close()
            self.draw_head()
            await self.listing.refresh()

        sheet.actions(lambda: (c.button(_("Cancel"), sheet.close, kind="quiet"), c.button(_("Save name"), save, kind="filled")))
        name.on("keydown.enter", save)
        sheet.open()

    def _exporter(self, kind: str) -> c.Click:
        async def export() -> None:
            if self.conversation is None:
                return
            file = await self.view.application.conversations.export(self.visible, self.conversation.id, kind)
            self._record("export", self.conversation.id, format=kind)
            ui.download(file.content.encode(), file.filename, file.media_type)

        return export

    def _record(self, action: str, conversation_id: str, **details: object) -> None:
        self.view.application.audit.record(AuditEvent(f"chat.{action}", "conversation", conversation_id, details))

    async def delete(self) -> None:
        conversation = self.conversation
        if conversation is None or not await c.confirm(
            _("Delete “{title}”?", title=self.title),
            _("All its messages and branches go with it. This cannot be undone."),
            _("Delete conversation"),
            danger=True,
        ):
            return
        await self.view.application.conversations.delete(self.visible, conversation.id)
        self._record("delete", conversation.id)
        await self.start_new(keep_list=True)
        await self.listing.refresh()
        c.toast(_("Conversation deleted"))

    def _toggle_speaking(self) -> None:
        from nicegui import app

        self.auto_speak = not self.auto_speak
        app.storage.user[AUTO_SPEAK] = self.auto_speak
        ui.run_javascript("asVoice.ready()" if self.auto_speak else "asVoice.stop()")
        self.draw_head()

    def _voice(self, event: GenericEventArguments) -> None:
        if isinstance(event.args, dict) and event.args.get("state") == "failed":
            c.toast(_("The answer could not be spoken: {reason}", reason=str(event.args.get("message") or "")), "negative")
