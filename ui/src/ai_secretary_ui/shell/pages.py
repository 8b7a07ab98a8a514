"""The one NiceGUI page behind every address of the admin."""

from __future__ import annotations

from nicegui import Client, ui
from nicegui.element import Element
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.pages import Group
from ai_secretary_ui import components as c
from ai_secretary_ui import house
from ai_secretary_ui.shell.frame import Frame
from ai_secretary_ui.shell.guarded import GuardedSlot
from ai_secretary_ui.shell.navigation import GROUPS, Place, find, group_name, places
from ai_secretary_ui.shell.session import Visitor, hold, identify, login_address
from ai_secretary_ui.view import PageView

_ = Translator("ui")

HOME = "dashboard"
FLUSH = frozenset({"chat"})
"""Pages that fill the window by themselves."""
HIDDEN = {"account": "ai_secretary_ui.pages.account:build"}
"""Pages that stand in no group."""


def _owner_title(owner: str) -> str:
    for record in house.current().host.list():
        if record.id == owner:
            return Translator(owner)(record.title)
    return owner


def _show_error(error: Exception) -> None:
    """What an event of the page raised: told to the reader, recorded by NiceGUI's own log."""
    if isinstance(error, SecretaryError):
        c.error_toast(error)
    else:
        c.toast(_("This did not work: {reason}. Nothing else is affected.", reason=type(error).__name__), "negative")


async def serve(request: Request, page_id: str) -> Response | None:
    """Draw the shell and the page `page_id`, or lead to the login."""
    visitor = identify(request)
    if visitor is None:
        asked = request.scope.get("root_path", "") + request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(login_address(f"{asked}{query}" if page_id else ""), 303)
    client = ui.context.client
    hold(client, visitor)
    client.on_exception(_show_error)
    application = house.current()
    groups = places(application, visitor.principal)
    wanted = page_id or HOME
    if wanted == "group":
        return _group_page(client, visitor, groups, str(request.query_params.get("name", "")))
    if wanted in HIDDEN:
        client.title = f"{_('Sessions and password')} · AI Secretary"
        frame = Frame(visitor, groups, None, wanted, flush=False)
        view = _view(visitor, None, request)
        await _build(frame.main, "ui", wanted, HIDDEN[wanted], view)
        return None
    place = find(application, wanted)
    if place is None or not visitor.principal.allows(place.page.permission):
        client.status_code = 404 if place is None else 403
        client.title = "AI Secretary"
        frame = Frame(visitor, groups, None, "", flush=False)
        with frame.main, c.card():
            _missing(place)
        return None
    client.title = f"{place.title} · AI Secretary"
    frame = Frame(visitor, groups, place.page.group, place.page.id, flush=place.page.id in FLUSH)
    await _build(frame.main, place.owner, place.page.id, place.page.build, _view(visitor, place, request))
    return None


def _view(visitor: Visitor, place: Place | None, request: Request) -> PageView:
    application = house.current()
    context = None
    if place is not None:
        context = next((record.context for record in application.host.list() if record.id == place.owner), None)
    return PageView(
        application=application,
        context=context,
        principal=visitor.principal,
        language=visitor.language,
        theme=visitor.theme,
        page=place.page if place is not None else None,
        query=dict(request.query_params),
    )


async def _build(main: Element, owner: str, page_id: str, build: object, view: PageView) -> None:
    with main:
        slot = GuardedSlot(owner, _owner_title(owner), page_id, build, view)  # type: ignore[arg-type]  # str or function
    await slot.show()


def _missing(place: Place | None) -> None:
    if place is not None:
        c.empty(
            _("This page is not open to you"),
            _(
                "“{page}” needs a permission that your role does not have. An administrator can change your role.",
                page=place.title,
            ),
            lambda: c.button(_("To the dashboard"), href="/ui/", kind="filled"),
            picture="broken",
        )
        return
    c.empty(
        _("There is no such page"),
        _("Its plugin may be turned off or not installed. Nothing is lost: turned on again, it brings the page back."),
        lambda: (
            c.button(_("Open plugins"), href="/ui/plugins", kind="filled"),
            c.button(_("To the dashboard"), href="/ui/", kind="quiet"),
        ),
        picture="broken",
    )


def _group_page(client: Client, visitor: Visitor, groups: dict[Group, list[Place]], name: str) -> Response | None:
    group = next((known for known in GROUPS if known == name), None)
    if group is None:
        return RedirectResponse("/ui/", 303)
    if groups[group]:
        return RedirectResponse(groups[group][0].address, 303)
    client.title = f"{group_name(group)} · AI Secretary"
    frame = Frame(visitor, groups, group, "", flush=False)
    with frame.main:
        c.page_header(group_name(group), _(GROUPS[group][2]))
        with c.card():
            c.empty(
                _("No pages here yet"),
                _("Plugins bring the pages of this group. None of the plugins that run now has one that you may see."),
                lambda: c.button(_("Open plugins"), href="/ui/plugins", kind="filled"),
            )
    return None
