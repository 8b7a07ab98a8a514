"""Who is at the other end of a page or a socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nicegui import Client, core
from nicegui.slot import Slot
from starlette.requests import Request

from ai_secretary.context import RequestContext, request_context
from ai_secretary.i18n import LANGUAGES, add_language_resolver, set_language
from ai_secretary.ids import new_id
from ai_secretary_ui import house
from ai_secretary_ui.shell.head import LANGUAGE_COOKIE, THEME_COOKIE, THEMES

if TYPE_CHECKING:
    from ai_secretary.access import Principal

SESSION_COOKIE = "secretary_session"
_VISITOR = "_visitor"


@dataclass(slots=True)
class Visitor:
    """The reader of an open page."""

    principal: Principal
    token: str
    address: str
    language: str
    theme: str


def language_of(cookies: Mapping[str, str], accepted: str = "") -> str:
    """The chosen language, else the browser's first one that we speak, else the installation's."""
    chosen = cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for part in accepted.split(","):
        code = part.partition(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return house.current().settings.language


def theme_of(cookies: Mapping[str, str]) -> str:
    chosen = cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"


def identify(request: Request) -> Visitor | None:
    """The reader of this request by the session cookie, or None. Sets language and request context for what follows."""
    language = language_of(request.cookies, request.headers.get("accept-language", ""))
    set_language(language)
    token = request.cookies.get(SESSION_COOKIE, "")
    principal = house.current().access.verify_session(token) if token else None
    if principal is None:
        return None
    address = request.client.host if request.client is not None else ""
    known = request_context.get()
    if known is not None:
        address = known.address or address
    request_context.set(RequestContext(known.request_id if known else new_id("req"), address, principal, language))
    return Visitor(principal, token, address, language, theme_of(request.cookies))


class _Held:
    """Keeps NiceGUI's observable storage from looking into the visitor."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor


def hold(client: Client, visitor: Visitor) -> None:
    client.storage[_VISITOR] = _Held(visitor)


def visitor_of(client: Client) -> Visitor | None:
    held = client.storage.get(_VISITOR)
    return held.visitor if isinstance(held, _Held) else None


def _page_language() -> str | None:
    """The language of the page whose elements are being made or whose event is being handled."""
    for slot in reversed(Slot.get_stack()):
        try:
            visitor = visitor_of(slot.parent.client)
        except RuntimeError:  # the element is gone
            continue
        if visitor is not None:
            return visitor.language
    return None


def login_address(next_page: str = "") -> str:
    from urllib.parse import quote

    return f"/ui/login?next={quote(next_page, safe='')}" if next_page else "/ui/login"


def send_to_login(client: Client) -> None:
    """Lead an open page whose session has ended back to the login."""
    client.run_javascript("location.href='/ui/login?next='+encodeURIComponent(location.pathname+location.search)")


def watch_events() -> None:
    """Give every event of a page its reader: who acts (for the audit), in which language, and whether the session still lives."""
    original = core.sio.handlers["/"]["event"]

    def on_event(sid: str, message: dict[str, Any]) -> Any:
        client = Client.instances.get(str(message.get("client_id")))
        visitor = visitor_of(client) if client is not None else None
        if client is not None and visitor is not None:
            principal = house.current().access.verify_session(visitor.token)
            if principal is None:
                send_to_login(client)
                return None
            visitor.principal = principal
            set_language(visitor.language)
            request_context.set(RequestContext(new_id("req"), visitor.address, principal, visitor.language))
        return original(sid, message)

    core.sio.on("event", on_event)
    add_language_resolver(_page_language)


def end_sessions(matches: Any) -> None:
    """Send every open page whose session is no longer valid to the login."""
    access = house.current().access
    for client in list(Client.instances.values()):
        visitor = visitor_of(client)
        if visitor is not None and access.verify_session(visitor.token) is None:
            send_to_login(client)
