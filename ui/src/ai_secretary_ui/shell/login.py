"""The login: a plain page that works without scripts and opens no socket for strangers."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ai_secretary.access import SESSION_COOKIE, SESSION_S
from ai_secretary.errors import RateLimited, SecretaryError, Unauthenticated
from ai_secretary.i18n import Translator, set_language
from ai_secretary_ui import formatting, house, pictures
from ai_secretary_ui.shell.assets import Assets
from ai_secretary_ui.shell.head import FIRST_PAINT
from ai_secretary_ui.shell.session import identify, language_of

_ = Translator("ui")

SCRIPT = """
const form=document.querySelector('form'),go=form.querySelector('.go'),box=document.getElementById('password');
const eye=document.querySelector('.eye');
eye.addEventListener('click',()=>{const hidden=box.type==='password';box.type=hidden?'text':'password';
 eye.setAttribute('aria-pressed',hidden);eye.querySelector('.ms').textContent=hidden?'visibility_off':'visibility';box.focus()});
form.addEventListener('submit',()=>{go.disabled=true;go.innerHTML='<span class="as-spin"></span>'+go.dataset.busy});
addEventListener('pageshow',()=>{go.disabled=!!go.dataset.wait;go.textContent=go.dataset.text});
document.querySelector('[data-language]').addEventListener('click',(e)=>{e.preventDefault();asLanguage(e.target.dataset.language)});
const wait=document.querySelector('[data-seconds]');
if(wait){let left=+wait.dataset.seconds;go.dataset.wait='1';go.disabled=true;
 const tick=setInterval(()=>{left-=1;wait.textContent=left;
 if(left<=0){clearInterval(tick);delete go.dataset.wait;go.disabled=false;wait.closest('.as-note').remove()}},1000)}
"""


def safe_next(value: str) -> str:
    """A page of this admin to go on to; anything else leads to the dashboard."""
    parts = urlsplit(value)
    inside = parts.path in {"/ui", "/ui/"} or (
        parts.path.startswith("/ui/") and not parts.path.startswith(("/ui/login", "/ui/_"))
    )
    if not value.startswith("/") or value.startswith("//") or "\\" in value or parts.scheme or parts.netloc or not inside:
        return "/ui/"
    return value


def same_origin(request: Request) -> bool:
    """A form may only come from a page of this server. Browsers always say where a POST comes from."""
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    return urlsplit(origin).netloc == request.headers.get("host", "")


class LoginPages:
    """`GET` and `POST /ui/login`, `POST /ui/logout`."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def show(self, request: Request) -> Response:
        target = safe_next(request.query_params.get("next", ""))
        if identify(request) is not None:
            return RedirectResponse(target, 303)
        return self._page(request, target)

    async def enter(self, request: Request) -> Response:
        set_language(language_of(request.cookies, request.headers.get("accept-language", "")))
        if not same_origin(request):
            return HTMLResponse(_("This form came from another site"), 403)
        form = await request.form(max_files=0, max_fields=10)
        name, password = str(form.get("username", ""))[:200], str(form.get("password", ""))[:1000]
        target = safe_next(str(form.get("next", "")))
        if not name.strip() or not password:
            return self._page(request, target, name, _("Enter the name and the password"), status=400)
        address = request.client.host if request.client is not None else ""
        try:
            login = await house.current().access.login(name, password, address, request.headers.get("user-agent", ""))
        except RateLimited as error:
            seconds = max(1, round(error.retry_after or 60))
            return self._page(request, target, name, _("Too many attempts. The next one is possible in"), seconds, status=429)
        except Unauthenticated:
            return self._page(
                request, target, name, _("The name or the password is not right. Check the keyboard layout."), status=401
            )
        except SecretaryError as error:
            return self._page(request, target, name, _.error(error), status=error.status)
        response = RedirectResponse(target, 303)
        response.set_cookie(
            SESSION_COOKIE,
            login.refresh_token,
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return response

    async def leave(self, request: Request) -> Response:
        if not same_origin(request):
            return JSONResponse({"error": "forbidden"}, 403)
        visitor = identify(request)
        if visitor is not None and visitor.principal.session_id:
            await house.current().access.logout(visitor.principal.session_id)
        response = JSONResponse({"ok": True})
        response.delete_cookie(SESSION_COOKIE, path="/")
        return response

    def _page(
        self, request: Request, target: str, name: str = "", error: str = "", seconds: int = 0, *, status: int = 200
    ) -> HTMLResponse:
        language = language_of(request.cookies, request.headers.get("accept-language", ""))
        set_language(language)
        other = "en" if language == "ru" else "ru"
        note = ""
        if error:
            counted = (
                f' <b class="as-num" data-seconds="{seconds}">{seconds}</b> {escape(formatting.unit("s"))}' if seconds else ""
            )
            icon = "schedule" if seconds else "error"
            kind = "warn" if seconds else "err"
            note = (
                f'<div class="as-note {kind}" role="alert" id="login-error"><span class="ms" aria-hidden="true">{icon}</span>'
                f"<div>{escape(error)}{counted}</div></div>"
            )
        described = ' aria-describedby="login-error" aria-invalid="true"' if error and not seconds else ""
        icon_font = self._assets.url("icons.woff2")
        body = f"""<!doctype html><html lang="{language}"><head><meta charset="utf-8">
<title>{escape(_("Log in"))} · AI Secretary</title><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="theme-color" content="#12292E"><meta name="robots" content="noindex"><script>{FIRST_PAINT}</script>
<link rel="icon" href="{self._assets.url("favicon.svg")}" type="image/svg+xml">
<link rel="preload" href="{icon_font}" as="font" type="font/woff2" crossorigin>
<style>@layer base,components;@layer base{{*{{box-sizing:border-box;margin:0;padding:0}}}}</style>
<link rel="stylesheet" href="{self._assets.url("ui.css")}"></head><body><main class="as-login"><div class="as-loginbox">
<div class="as-loginhead">{pictures.brand("")}<div><b>AI Secretary</b><small>{
            escape(_("Answers calls and messages"))
        }</small></div></div>
<form class="as-card as-loginform" method="post" action="/ui/login" novalidate><h1 class="as-h1">{escape(_("Entrance"))}</h1>{
            note
        }
<input type="hidden" name="next" value="{escape(target, quote=True)}">
<div><label for="username">{escape(_("Name"))}</label><div class="in"><input id="username" name="username" autocomplete="username"
 autocapitalize="none" spellcheck="false" value="{escape(name or "admin", quote=True)}"{described} required></div></div>
<div><label for="password">{escape(_("Password"))}</label><div class="in"><input id="password" name="password" type="password"
 autocomplete="current-password" autofocus{described} required><button type="button" class="as-icon eye" aria-pressed="false"
 aria-label="{escape(_("Show or hide"), quote=True)}"><span class="ms" aria-hidden="true">visibility</span></button></div></div>
<button class="go" type="submit" data-text="{escape(_("Log in"), quote=True)}" data-busy="{escape(_("Checking…"), quote=True)}">
{escape(_("Log in"))}</button>
<details class="as-details"><summary class="as-12">{escape(_("Where is the password of the first start?"))}</summary>
<p class="as-13 as-muted" style="margin-top:8px;line-height:1.5">{
            escape(
                _(
                    "The server printed it once, in the terminal or in its journal, in the line “admin”. "
                    "It can also be set before the first start: SECRETARY_ADMIN_PASSWORD. A lost one is replaced by the command"
                )
            )
        } <span class="as-mono">ai-secretary user password admin</span>.</p></details></form>
<div class="as-loginfoot"><span>{escape(_("Nothing leaves this server without your key"))}</span>
<a href="#" lang="{other}" data-language="{other}">{"English" if other == "en" else "Русский"}</a></div>
</div></main><script>{SCRIPT}</script></body></html>"""
        return HTMLResponse(body, status, headers={"cache-control": "no-store"})
