"""How many conversations are going on right now, and the chip in the top bar that says so."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import Client, ui
from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_ui.components.base import el, live_glyph

_ = Translator("ui")


class LiveBoard:
    """Counts what is live; pages listen. `enter` and `leave` come from events of the dialogue."""

    def __init__(self) -> None:
        self._active: dict[str, int] = {}
        self._listeners: dict[str, list[Callable[[int], None]]] = {}

    @property
    def count(self) -> int:
        return len(self._active)

    def enter(self, conversation_id: str) -> None:
        self._active[conversation_id] = self._active.get(conversation_id, 0) + 1
        self._tell()

    def leave(self, conversation_id: str) -> None:
        left = self._active.get(conversation_id, 0) - 1
        if left > 0:
            self._active[conversation_id] = left
        else:
            self._active.pop(conversation_id, None)
        self._tell()

    def active(self) -> list[str]:
        return list(self._active)

    def listen(self, client: Client, listener: Callable[[int], None]) -> None:
        """Tell `listener` of every change until the page is closed."""
        entries = self._listeners.setdefault(client.id, [])
        if not entries:
            client.on_delete(lambda: self._listeners.pop(client.id, None))
        entries.append(listener)

    def _tell(self) -> None:
        for client_id, listeners in list(self._listeners.items()):
            client = Client.instances.get(client_id)
            if client is None:
                self._listeners.pop(client_id, None)
                continue
            with client:
                for listener in listeners:
                    listener(self.count)


board = LiveBoard()


def chip(*, phone: bool) -> Element:
    """ "On the line: 2", hidden at 0."""
    with el("as-lines", "a", href="/ui/#live") as element:
        live_glyph()
        label = ui.label("").classes("as-inline as-num")

    def show(count: int) -> None:
        element.set_visibility(count > 0)
        label.set_text(str(count) if phone else _("On the line: {n}", n=count))
        element.props["aria-label"] = _("On the line: {n}", n=count)

    show(board.count)
    board.listen(ui.context.client, show)
    return element
