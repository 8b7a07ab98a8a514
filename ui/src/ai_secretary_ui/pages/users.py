"""Users, their roles and sessions, and access keys for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.access import ROLES, V1_SCOPES, KeyChange
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c
from ai_secretary_ui.components.base import MenuItem
from ai_secretary_ui.shell.frame import ROLE_NAMES, initials

if TYPE_CHECKING:
    from ai_secretary.access.models import ApiKeyRow, UserRow

_ = Translator("ui")

ROLE_HINTS = {
    "admin": N_("Everything, plugins, users and keys included"),
    "operator": N_("Sees and changes everything but plugins, users and keys"),
    "viewer": N_("Sees everything, changes nothing"),
}
SCOPES = {
    "*": N_("All of /v1"),
    "v1:chat": N_("Conversations"),
    "v1:audio": N_("Speech and recognition"),
    "v1:embeddings": N_("Embeddings"),
    "v1:models": N_("List of models"),
}
LIFETIMES = {0: N_("Without end"), 30: N_("30 days"), 90: N_("90 days"), 365: N_("A year")}


async def build(view: PageView) -> None:
    await UsersPage(view).draw()


class UsersPage:
    """One open page."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.access = view.application.access
        self._users: Element
        self._keys: Element

    async def draw(self) -> None:
        c.page_header(_("Users & keys"), _("People log in by name and password, programs by an access key"))
        with c.grid(2, classes="as-stretch"):
            with c.card(
                _("Users"), actions=lambda: c.button(_("User"), lambda: self._edit_user(None), icon="add", small=True), pad=False
            ) as self._users:
                pass
            with c.card(
                _("Access keys"),
                actions=lambda: c.button(_("Key"), lambda: self._edit_key(None), icon="add", small=True),
                pad=False,
            ) as self._keys:
                pass
        await self._draw_users()
        await self._draw_keys()

    # ---- users ----

    async def _draw_users(self) -> None:
        users = await self.access.users.all()
        self._users.clear()
        with self._users, c.el("as-divide"):
            for user in users:
                with c.el("as-row"):
                    c.text(initials(user.display_name or user.username), "as-avatar")
                    with c.el("as-rowtext"):
                        c.text(user.display_name or user.username, "as-b as-ell")
                        seen = (
                            _("last here {when}", when=formatting.when(user.last_login_at))
                            if user.last_login_at
                            else _("has not been here yet")
                        )
                        c.text(
                            " · ".join(part for part in (user.username if user.display_name else "", seen) if part),
                            "as-12 as-faint as-ell",
                        )
                    c.el("as-sp")
                    if not user.active:
                        c.badge("", _("off"), "pause_circle")
                    c.badge("acc" if user.role == "admin" else "", _(ROLE_NAMES[user.role]))
                    self._user_menu(user)

    def _user_menu(self, user: UserRow) -> None:
        own = user.id == self.view.principal.id
        items: list[MenuItem | None] = [
            MenuItem(_("Edit"), lambda: self._edit_user(user), "edit"),
            MenuItem(_("New password"), lambda: self._new_password(user), "password"),
            MenuItem(_("Log out everywhere"), lambda: self._log_out(user), "logout"),
        ]
        if not own:
            items += [None, MenuItem(_("Delete user"), lambda: self._delete_user(user), "delete", danger=True)]
        c.menu(items, label=_("Actions for {name}", name=user.username))

    def _edit_user(self, user: UserRow | None) -> None:
        sheet = c.sheet(_("New user") if user is None else _("User “{name}”", name=user.username))
        with sheet:
            name = c.text_field(_("Name to log in"), user.username if user is not None else "", disabled=user is not None)
            shown = c.text_field(_("Name to show"), user.display_name if user is not None else "", _("May be empty"))
            password = (
                c.password_field(
                    _("Password"), _("12 characters or more; empty: one is made and shown once"), autocomplete="new-password"
                )
                if user is None
                else None
            )
            chosen = {"role": user.role if user is not None else "operator"}
            c.choice_cards(
                [c.Choice(role, _(ROLE_NAMES[role]), _(ROLE_HINTS[role])) for role in ROLES],
                chosen["role"],
                lambda role: chosen.update(role=role),
                label=_("Role"),
                columns=1,
            )
            active = (
                c.switch_row(_("May log in"), user.active, None, _("Switched off, all sessions end at once"))
                if user is not None
                else None
            )

        async def save() -> None:
            role = next(known for known in ROLES if known == chosen["role"])
            made = ""
            if user is None:
                from ai_secretary.access import generate_password

                given = str(password.value or "") if password is not None else ""
                made = "" if given else generate_password()
                await self.access.users.create(str(name.value or ""), given or made, role, display_name=str(shown.value or ""))
            else:
                await self.access.users.update(
                    user.id,
                    role=role,
                    active=bool(active.value) if active is not None else None,
                    display_name=str(shown.value or ""),
                )
            sheet.close()
            await self._draw_users()
            if made:
                show_once(_("Password of “{name}”", name=str(name.value or "")), made)
            else:
                c.toast(_("User saved"))

        sheet.actions(lambda: (c.button(_("Cancel"), sheet.close, kind="quiet"), c.button(_("Save user"), save, kind="filled")))
        sheet.open()

    async def _new_password(self, user: UserRow) -> None:
        if await c.confirm(
            _("New password for “{name}”?", name=user.username),
            _("The old one stops working and every session of this user ends. The new one is shown once."),
            _("Make password"),
        ):
            show_once(_("Password of “{name}”", name=user.username), await self.access.users.set_password(user.id, None))

    async def _log_out(self, user: UserRow) -> None:
        own = user.id == self.view.principal.id
        ended = await self.access.users.end_sessions(user.id, keep_session=self.view.principal.session_id if own else None)
        c.toast(_.plural("{n} session ended", "{n} sessions ended", ended))

    async def _delete_user(self, user: UserRow) -> None:
        if await c.confirm(
            _("Delete the user “{name}”?", name=user.username),
            _("Sessions end at once. What the user did stays in the audit log."),
            _("Delete user"),
            danger=True,
        ):
            await self.access.users.delete(user.id)
            await self._draw_users()
            c.toast(_("User deleted"))

    # ---- keys ----

    async def _draw_keys(self) -> None:
        keys = await self.access.keys.all()
        self._keys.clear()
        with self._keys:
            if not keys:
                c.empty(
                    _("No keys yet"),
                    _("A key lets a program use the secretary through the OpenAI API at /v1."),
                    lambda: c.button(_("Make a key"), lambda: self._edit_key(None), kind="filled"),
                )
                return
            with c.el("as-divide"):
                for key in keys:
                    with c.el("as-row"):
                        with c.el("as-src", "span"):
                            c.icon("key")
                        with c.el("as-rowtext"):
                            c.text(key.name, "as-b as-ell")
                            used = (
                                _("used {when}", when=formatting.when(key.last_used_at))
                                if key.last_used_at
                                else _("not used yet")
                            )
                            c.text(f"{key.prefix}… · {used}", "as-12 as-faint as-ell")
                        c.el("as-sp")
                        self._key_marks(key)
                        self._key_menu(key)

    def _key_marks(self, key: ApiKeyRow) -> None:
        if not key.enabled:
            c.badge("", _("off"), "pause_circle")
        elif key.expires_at is not None and key.expires_at < datetime.now(UTC):
            c.badge("err", _("expired"), "error")
        scopes = ", ".join(_(SCOPES.get(scope, scope)) for scope in key.scopes[:2]) + ("…" if len(key.scopes) > 2 else "")
        c.badge("line", scopes)

    def _key_menu(self, key: ApiKeyRow) -> None:
        c.menu(
            [
                MenuItem(_("Edit"), lambda: self._edit_key(key), "edit"),
                MenuItem(_("Replace the key"), lambda: self._rotate(key), "refresh"),
                None,
                MenuItem(_("Delete key"), lambda: self._delete_key(key), "delete", danger=True),
            ],
            label=_("Actions for {name}", name=key.name),
        )

    def _edit_key(self, key: ApiKeyRow | None) -> None:
        sheet = c.sheet(_("New access key") if key is None else _("Key “{name}”", name=key.name))
        with sheet:
            name = c.text_field(_("Name"), key.name if key is not None else "", _("Which program will use it"), max_length=100)
            shown = {scope: _(SCOPES[scope]) for scope in ("*", *V1_SCOPES)}
            for scope in key.scopes if key is not None else ():
                shown.setdefault(scope, scope)
            scopes = c.select_field(_("May use"), shown, list(key.scopes) if key is not None else ["*"], multiple=True)
            lifetime = (
                c.select_field(_("Valid for"), {days: _(word) for days, word in LIFETIMES.items()}, 0) if key is None else None
            )
            per_minute = c.number_field(
                _("Requests a minute"), key.per_minute if key is not None else None, _("Empty: no limit of its own"), minimum=1
            )
            tokens = c.number_field(
                _("Tokens a month"), key.monthly_tokens if key is not None else None, _("Empty: no limit"), minimum=1
            )
            enabled = c.switch_row(_("Works"), key.enabled) if key is not None else None

        async def save() -> None:
            days = int(lifetime.value or 0) if lifetime is not None else 0
            change = KeyChange(
                name=str(name.value or ""),
                scopes=tuple(scopes.value or ()),
                enabled=bool(enabled.value) if enabled is not None else True,
                expires_at=(datetime.now(UTC) + timedelta(days=days) if days else None) if key is None else key.expires_at,
                per_minute=int(per_minute.value) if per_minute.value else None,
                monthly_tokens=int(tokens.value) if tokens.value else None,
            )
            raw = ""
            if key is None:
                raw = (await self.access.keys.create(change)).raw
            else:
                await self.access.keys.update(key.id, change)
            sheet.close()
            await self._draw_keys()
            if raw:
                show_once(_("Access key “{name}”", name=change.name), raw)
            else:
                c.toast(_("Key saved"))

        sheet.actions(lambda: (c.button(_("Cancel"), sheet.close, kind="quiet"), c.button(_("Save key"), save, kind="filled")))
        sheet.open()

    async def _rotate(self, key: ApiKeyRow) -> None:
        if await c.confirm(
            _("Replace the key “{name}”?", name=key.name),
            _("The old key stops working at once; its rights and limits stay."),
            _("Replace key"),
            danger=True,
        ):
            show_once(_("Access key “{name}”", name=key.name), (await self.access.keys.rotate(key.id)).raw)
            await self._draw_keys()

    async def _delete_key(self, key: ApiKeyRow) -> None:
        if await c.confirm(
            _("Delete the key “{name}”?", name=key.name),
            _("Programs that use it stop being answered. Their conversations stay."),
            _("Delete key"),
            danger=True,
        ):
            await self.access.keys.delete(key.id)
            await self._draw_keys()
            c.toast(_("Key deleted"))


def show_once(title: str, secret: str) -> None:
    """A secret that cannot be shown again, with a button to copy it."""
    sheet = c.sheet(title)
    with sheet:
        c.note("warn", _("It is shown this one time. Keep it now: later it can only be replaced."))
        with c.el("u-secret"):
            ui.label(secret).classes("as-mono u-secrettext")
            copy = c.icon_button("content_copy", _("Copy"))
            copy.on("click", lambda: c.toast(_("Copied")), js_handler=f"() => asCopy({json.dumps(secret)}).then(() => emit())")
    sheet.actions(lambda: c.button(_("I have kept it"), sheet.destroy, kind="filled"))
    sheet.open()
