"""What Ctrl+K finds: actions, pages, conversations. Filtering of the first two happens in the browser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ai_secretary.conversations.records import Visibility
from ai_secretary.i18n import Translator
from ai_secretary_ui import formatting, house
from ai_secretary_ui.shell.navigation import GROUPS, group_name, places
from ai_secretary_ui.shell.session import identify

_ = Translator("ui")

SOURCE_ICONS = {"admin": "science", "test": "science", "api": "api", "telegram": "send", "widget": "language", "phone": "call"}
FOUND = 6


async def palette(request: Request) -> Response:
    """Without `q`: every action and page that the reader may use. With `q`: conversations in which it was said."""
    visitor = identify(request)
    if visitor is None:
        return JSONResponse({"error": "unauthenticated"}, 401)
    application = house.current()
    query = request.query_params.get("q", "").strip()
    if query:
        if len(query) < 2 or not visitor.principal.allows("chat:read"):
            return JSONResponse({"items": []})
        page = await application.conversations.list(Visibility.of(visitor.principal), search=query, limit=FOUND)
        return JSONResponse(
            {
                "items": [
                    {
                        "group": _("Conversations"),
                        "icon": SOURCE_ICONS.get(item.source, "forum"),
                        "label": item.title or item.person_name or _("Conversation"),
                        "note": item.last_message[:80],
                        "key": formatting.when(item.updated_at),
                        "href": f"/ui/chat?id={item.id}",
                    }
                    for item in page.items
                ]
            }
        )
    pages = places(application, visitor.principal)
    actions: list[dict[str, object]] = [
        {
            "icon": "add_comment",
            "label": _("New conversation"),
            "href": "/ui/chat?new=1",
            "words": "new chat разговор диалог чат",
        },
        {"icon": "record_voice_over", "label": _("Change the secretary's voice"), "href": "/ui/voices", "words": "voice голос"},
        {"icon": "sentiment_satisfied", "label": _("Change the persona"), "href": "/ui/llm", "words": "persona характер"},
        {"icon": "light_mode", "label": _("Theme: light"), "theme": "light", "words": "theme тема"},
        {"icon": "dark_mode", "label": _("Theme: dark"), "theme": "dark", "words": "theme тема"},
        {"icon": "bedtime", "label": _("Theme: night, warm"), "theme": "night", "words": "theme тема"},
        {"icon": "contrast", "label": _("Theme: as in the system"), "theme": "system", "words": "theme тема"},
        {"icon": "language", "label": "Русский язык", "language": "ru", "words": "language russian"},
        {"icon": "language", "label": "English", "language": "en", "words": "language английский язык"},
        {"icon": "logout", "label": _("Log out"), "logout": True, "words": "logout exit выход выйти"},
    ]
    reachable = {place.page.id for entries in pages.values() for place in entries}
    items: list[dict[str, object]] = []
    for action in actions:
        target = str(action.get("href", "")).partition("?")[0].removeprefix("/ui/")
        if not target or target in reachable:
            items.append({"group": _("Actions"), **action})
    for group in GROUPS:
        for place in pages[group]:
            items.append(
                {
                    "group": _("Pages"),
                    "icon": place.page.icon,
                    "label": place.title,
                    "note": group_name(group),
                    "href": place.address,
                    "words": " ".join((*place.page.keywords, place.page.id)),
                }
            )
    return JSONResponse(
        {
            "items": items,
            "texts": {
                "placeholder": _("Find or run…"),
                "label": _("Find or run"),
                "choose": _("choose"),
                "run": _("run"),
                "aside": _("open beside"),
                "nothing": _("Nothing like this"),
            },
        }
    )
