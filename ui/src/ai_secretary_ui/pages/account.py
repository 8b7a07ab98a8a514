"""One's own sessions and password."""

from __future__ import annotations

from nicegui.element import Element

from ai_secretary.access import SessionInfo
from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c

_ = Translator("ui")


async def build(view: PageView) -> None:
    await AccountPage(view).draw()


class AccountPage:
    """One open page."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.access = view.application.access
        self._sessions: Element

    async def draw(self) -> None:
        c.page_header(_("Sessions and password"), self.view.principal.name)
        with c.grid(2):
            with c.card(_("Where you are logged in"), pad=False) as self._sessions:
                c.skeleton_rows(2)
            with c.card(_("Password")), c.el("as-form"):
                self._password()
        await self._draw_sessions()

    async def _draw_sessions(self) -> None:
        sessions = await self.access.sessions(self.view.principal.id)
        self._sessions.clear()
        with self._sessions, c.el("as-divide"):
            for session in sessions:
                self._row(session)

    def _row(self, session: SessionInfo) -> None:
        own = session.id == self.view.principal.session_id
        with c.el("as-row"):
            with c.el("as-src", "span"):
                c.icon("smartphone" if "Mobile" in session.user_agent else "computer")
            with c.el("as-rowtext"):
                c.text(device(session.user_agent), "as-b as-ell")
                c.text(
                    f"{session.address} · {_('last seen {when}', when=formatting.when(session.last_seen_at))}",
                    "as-12 as-faint as-ell",
                )
            c.el("as-sp")
            if own:
                c.badge("acc", _("this one"))
            else:

                async def end() -> None:
                    await self.access.revoke_session(session.id, user_id=self.view.principal.id)
                    await self._draw_sessions()
                    c.toast(_("Session ended"))

                c.button(_("End session"), end, small=True)

    def _password(self) -> None:
        old = c.password_field(_("Current password"), autocomplete="current-password")
        new = c.password_field(_("New password"), _("12 characters or more"), autocomplete="new-password")

        async def save() -> None:
            c.field_of(old).error("")
            c.field_of(new).error("")
            try:
                await self.access.change_password(self.view.principal, str(old.value or ""), str(new.value or ""))
            except SecretaryError as error:
                place = old if error.field == "current_password" else new
                c.field_of(place).error(_.error(error))
                return
            old.set_value("")
            new.set_value("")
            await self._draw_sessions()
            c.toast(_("Password changed. Other sessions have ended."))

        c.button(_("Change password"), save, kind="filled", classes="u-start")


def device(user_agent: str) -> str:
    """Browser and system in words."""
    browsers = (
        ("Edg/", "Edge"),
        ("YaBrowser", "Yandex"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in user_agent), "")
    system = next((name for mark, name in systems if mark in user_agent), "")
    return " · ".join(part for part in (browser, system) if part) or user_agent[:60] or _("unknown device")
