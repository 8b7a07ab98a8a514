"""`/admin/auth`: log in and out, refresh, own sessions, own password."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field, SecretStr, ValidationError

from ai_secretary.access import SESSION_COOKIE, SESSION_S, Login, Principal, Role
from ai_secretary.access.tokens import ACCESS_TOKEN_S
from ai_secretary.api.problems import problem_responses
from ai_secretary.api.security import OWN, identify, is_same_origin, mark_permission, relevant_headers, unknown_caller
from ai_secretary.context import current_request
from ai_secretary.errors import Forbidden, InvalidInput, Unauthenticated

if TYPE_CHECKING:
    from ai_secretary.app import Application


class LoginRequest(BaseModel):
    username: str = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)
    cookie: bool = Field(False, description="Set the session cookie (for browsers); the refresh token is then not in the answer")


class UserReply(BaseModel):
    id: str
    username: str
    role: Role | None = Field(description="None for an API key")
    kind: str = Field(description="user or key")
    session_id: str | None
    scopes: list[str] = Field(description="Of an API key")


class LoginReply(BaseModel):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds that the access token is good for")
    refresh_token: str | None = Field(description="For POST /admin/auth/refresh; each one works once")
    user: UserReply


class RefreshRequest(BaseModel):
    refresh_token: SecretStr | None = Field(None, max_length=1024, description="Default: the session cookie")


class StatusReply(BaseModel):
    enabled: bool = Field(description="Always true: there is no mode without authentication")
    authenticated: bool
    username: str | None
    role: Role | None
    jwt_expiration_hours: float
    access_token_seconds: int
    session_seconds: int


class SessionReply(BaseModel):
    id: str
    user_id: str
    current: bool
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class SessionsReply(BaseModel):
    sessions: list[SessionReply]


class PasswordRequest(BaseModel):
    current_password: SecretStr = Field(max_length=1024)
    new_password: SecretStr = Field(max_length=1024, description="10 characters or more")


def user_reply(principal: Principal) -> UserReply:
    return UserReply(
        id=principal.id,
        username=principal.name,
        role=principal.role,
        kind=principal.kind,
        session_id=principal.session_id,
        scopes=sorted(principal.scopes),
    )


def _login_reply(login: Login, *, with_refresh: bool) -> LoginReply:
    return LoginReply(
        access_token=login.access_token,
        expires_in=login.expires_in,
        refresh_token=login.refresh_token if with_refresh else None,
        user=user_reply(login.principal),
    )


def set_session_cookie(response: Response, token: str, *, secure: bool) -> None:
    """The browser's session: not readable by scripts, not sent by other websites' forms."""
    response.set_cookie(SESSION_COOKIE, token, max_age=SESSION_S, path="/", httponly=True, samesite="lax", secure=secure)


def clear_session_cookie(response: Response, *, secure: bool) -> None:
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=secure)


def local_path(target: str) -> str | None:
    """A path on this server to go to after the log-in, or None for anything that might lead elsewhere."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target or any(ord(mark) < 32 for mark in target):
        return None
    return target


_LOGIN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": LoginRequest.model_json_schema()},
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["username", "password"],
                    "properties": {
                        "username": {"type": "string"},
                        "password": {"type": "string", "format": "password"},
                        "next": {"type": "string", "description": "Local path to go to; the answer is then 303"},
                    },
                }
            },
        },
    }
}


async def _read_login(request: Request) -> tuple[LoginRequest, str | None]:
    """The request, and where to go then."""
    body = await request.body()
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    try:
        if not form:
            return LoginRequest.model_validate_json(body), None
        fields = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).items()}
        wanted = LoginRequest.model_validate({**fields, "cookie": True})
        return wanted, local_path(fields["next"]) if fields.get("next") else None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        if field is None:
            raise InvalidInput("The body is not valid JSON", code="invalid_json") from None
        raise InvalidInput("{param}: {message}", field=field, param=field, message=first["msg"]) from None
    except ValueError:
        raise InvalidInput("The form cannot be read", code="invalid_body") from None


def build_router(application: Application) -> APIRouter:
    """Nothing here needs a permission: it is about oneself."""
    access = application.access
    router = APIRouter(prefix="/admin/auth", tags=["auth"])

    async def caller(request: Request) -> Principal:
        principal, problem = identify(access, request.scope)
        if problem is not None:
            raise problem
        if principal is None:
            raise unknown_caller(request.scope)
        return principal

    async def user(principal: Principal = Depends(caller)) -> Principal:
        if principal.kind != "user":
            raise Forbidden("An API key has no sessions and no password", code="not_a_user", hint="Log in as a user.")
        return principal

    for dependency in (caller, user):
        mark_permission(dependency, OWN)

    def is_secure(request: Request) -> bool:
        return str(request.scope["scheme"]) == "https"

    @router.post(
        "/login",
        summary="Log in",
        response_model=LoginReply,
        responses={**problem_responses(400, 401, 403, 413, 429), 303: {"description": "After a form with `next`"}},
        openapi_extra=_LOGIN_BODY,
    )
    async def login(request: Request) -> Response:
        """Give an access token (15 minutes) and a refresh token; with `cookie`, or sent as a form, set the session cookie."""
        wanted, target = await _read_login(request)
        if wanted.cookie and _from_elsewhere(request):
            # Nobody shall be logged in as somebody else by another website.
            raise Forbidden("This request does not come from our own pages", code="cross_site_request")
        context = current_request()
        address = context.address if context is not None else (request.client.host if request.client else "")
        done = await access.login(
            wanted.username, wanted.password.get_secret_value(), address, request.headers.get("user-agent", "")
        )
        response: Response
        if target is not None:
            response = RedirectResponse(target, status_code=303)
        else:
            response = JSONResponse(_login_reply(done, with_refresh=not wanted.cookie).model_dump(mode="json"))
        if wanted.cookie:
            set_session_cookie(response, done.refresh_token, secure=is_secure(request))
        return response

    @router.post("/refresh", summary="Get new tokens", responses=problem_responses(400, 401, 403, 429))
    async def refresh(request: Request, response: Response, wanted: RefreshRequest | None = None) -> LoginReply:
        """Exchange the refresh token (or the session cookie). It works once; a second use ends the session."""
        given = wanted.refresh_token.get_secret_value() if wanted is not None and wanted.refresh_token is not None else None
        from_cookie = given is None
        if given is None:
            given = request.cookies.get(SESSION_COOKIE)
            if given is None:
                raise Unauthenticated("There is neither a refresh token nor a session", code="session_over", hint="Log in again.")
            if not is_same_origin(request.scope, relevant_headers(request.scope)):
                raise Forbidden("This request does not come from our own pages", code="cross_site_request")
        renewed = await access.refresh(given)
        if from_cookie:
            set_session_cookie(response, renewed.refresh_token, secure=is_secure(request))
        return _login_reply(renewed, with_refresh=not from_cookie)

    @router.post("/logout", summary="Log out", status_code=204, responses=problem_responses(401, 403))
    async def logout(request: Request, principal: Principal = Depends(user)) -> Response:
        """End this session: its access tokens and its cookie are dead at once."""
        if principal.session_id is not None:
            await access.logout(principal.session_id)
        response = Response(status_code=204)
        clear_session_cookie(response, secure=is_secure(request))
        return response

    @router.get("/me", summary="Who am I", responses=problem_responses(401))
    async def me(principal: Principal = Depends(caller)) -> UserReply:
        return user_reply(principal)

    @router.get("/status", summary="Is a log-in needed, and am I logged in")
    async def status(request: Request) -> StatusReply:
        """Public."""
        principal, _problem = identify(access, request.scope)
        return StatusReply(
            enabled=True,
            authenticated=principal is not None,
            username=principal.name if principal is not None else None,
            role=principal.role if principal is not None else None,
            jwt_expiration_hours=ACCESS_TOKEN_S / 3600,
            access_token_seconds=ACCESS_TOKEN_S,
            session_seconds=SESSION_S,
        )

    @router.get("/sessions", summary="My sessions", responses=problem_responses(401, 403))
    async def sessions(principal: Principal = Depends(user)) -> SessionsReply:
        found = await access.sessions(principal.id)
        return SessionsReply(
            sessions=[
                SessionReply(
                    id=item.id,
                    user_id=item.user_id,
                    current=item.id == principal.session_id,
                    user_agent=item.user_agent,
                    address=item.address,
                    created_at=item.created_at,
                    last_seen_at=item.last_seen_at,
                    expires_at=item.expires_at,
                )
                for item in found
            ]
        )

    @router.delete("/sessions/{session_id}", summary="End a session", status_code=204, responses=problem_responses(401, 403, 404))
    async def end_session(session_id: str, principal: Principal = Depends(user)) -> None:
        """One's own; an administrator may end anybody's."""
        await access.revoke_session(session_id, user_id=None if principal.allows("users:admin") else principal.id)

    @router.post("/password", summary="Change my password", status_code=204, responses=problem_responses(400, 401, 403, 413, 429))
    async def password(wanted: PasswordRequest, principal: Principal = Depends(user)) -> None:
        """All other sessions of mine end."""
        await access.change_password(
            principal, wanted.current_password.get_secret_value(), wanted.new_password.get_secret_value()
        )

    return router


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another website sent this. Programs say nothing."""
    headers = relevant_headers(request.scope)
    return ("origin" in headers or "sec-fetch-site" in headers) and not is_same_origin(request.scope, headers)
