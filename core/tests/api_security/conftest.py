"""A small application with the real rooms of access and audit, the real HTTP layers, and a few routes to knock at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, SecretStr, field_validator

from ai_secretary.access import Access, KeyChange, Passwords, Principal, RateLimits
from ai_secretary.api import audit as audit_api
from ai_secretary.api import auth, keys, users
from ai_secretary.api.middleware import HttpLayer, RateLimitLayer
from ai_secretary.api.openapi import install_openapi
from ai_secretary.api.problems import install_problems
from ai_secretary.api.security import require, secretary
from ai_secretary.audit import AuditLog, ThreadSink
from ai_secretary.config import Settings
from ai_secretary.errors import Conflict, ProviderError
from ai_secretary.events import EventBus
from ai_secretary.metrics import Metrics
from ai_secretary.storage import Database, Vault

PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class House:
    """What the composition root will be: the services, the application and clients."""

    settings: Settings
    database: Database
    access: Access
    audit: AuditLog
    limits: RateLimits
    metrics: Metrics
    bus: EventBus
    app: FastAPI
    asgi: Any
    stack: AsyncExitStack
    key: str = ""
    passwords: dict[str, str] = field(default_factory=dict)

    async def client(self, address: str = "203.0.113.7", **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.asgi, client=(address, 40000), raise_app_exceptions=False)
        options.setdefault("base_url", "http://secretary.test")
        return await self.stack.enter_async_context(httpx.AsyncClient(transport=transport, **options))

    async def log_in(self, username: str = "admin") -> dict[str, str]:
        """Headers of a fresh log-in."""
        client = await self.client("198.51.100.250")
        answer = await client.post("/admin/auth/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def browser(self, username: str = "admin") -> httpx.AsyncClient:
        """A client with the session cookie, as a browser on our own pages has it."""
        client = await self.client()
        answer = await client.post(
            "/admin/auth/login",
            json={"username": username, "password": PASSWORD, "cookie": True},
            headers={"origin": "http://secretary.test", "sec-fetch-site": "same-origin"},
        )
        assert answer.status_code == 200, answer.text
        return client

    async def stored(self) -> None:
        assert isinstance(self.audit.sink, ThreadSink)
        assert await asyncio.to_thread(self.audit.sink.flush)


class Person(BaseModel):
    name: str
    password: SecretStr
    ages: list[int] = []

    @field_validator("password")
    @classmethod
    def _not_that(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() == "planted-secret-value":
            raise ValueError("planted-secret-value is not allowed")
        return value


def probes() -> APIRouter:
    router = APIRouter()

    @router.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @router.post("/v1/echo")
    async def v1_echo(person: Person) -> dict[str, str]:
        return {"name": person.name}

    @router.post("/admin/people")
    async def people(person: Person, principal: Principal = Depends(require("people:write"))) -> dict[str, str]:
        return {"by": principal.name}

    @router.get("/admin/people")
    async def read_people(
        principal: Principal = Depends(require("people:read")), house: Any = Depends(secretary)
    ) -> dict[str, Any]:
        return {"by": principal.name, "settings": house.settings.port}

    @router.get("/v1/things/{thing:path}")
    async def things(thing: str, principal: Principal = Depends(require("v1:models"))) -> dict[str, str]:
        return {"thing": thing}

    @router.get("/boom")
    async def boom() -> None:
        raise LookupError("the planted-secret-value broke it")

    @router.get("/v1/boom")
    async def v1_boom() -> None:
        raise LookupError("the planted-secret-value broke it")

    @router.get("/cut")
    async def cut() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begin"
            raise LookupError("amid")

        return StreamingResponse(pieces())

    @router.get("/v1/provider")
    async def provider() -> None:
        raise ProviderError("The provider {name} refused", hint="Check its key.", name="x", retry_after=7.2)

    @router.get("/conflict")
    async def conflict() -> None:
        raise Conflict("The name {username} is taken", field="username", username="olga", hint="Choose another name.")

    @router.post("/chat")
    async def chat(principal: Principal = Depends(require("v1:chat")), house: Any = Depends(secretary)) -> dict[str, str]:
        # As an endpoint does that may be reached past the HTTP layer too.
        await house.limits.check("chat", principal.id, principal.per_minute)
        await house.limits.check("tts", principal.id, principal.per_minute)
        return {"by": principal.name}

    @router.get("/address")
    async def address(request: Request) -> dict[str, str]:
        assert request.client is not None
        return {"address": request.client.host, "scheme": request.url.scheme}

    @router.get("/widget/thing")
    async def widget() -> dict[str, str]:
        return {"open": "to others"}

    @router.websocket("/admin/socket")
    async def socket(websocket: WebSocket, principal: Principal = Depends(require("people:read"))) -> None:
        await websocket.accept()
        await websocket.send_json({"by": principal.name})
        await websocket.close()

    return router


BuildHouse = Callable[..., Any]


@pytest.fixture
async def build_house(vault: Vault, bus: EventBus, settings: Settings) -> AsyncIterator[BuildHouse]:
    async with AsyncExitStack() as stack:

        async def build(database: Database, *, rules: dict[str, str] | None = None, **changes: Any) -> House:
            configured = settings.model_copy(update=changes)
            audit = AuditLog(database, ThreadSink(database))
            stack.push_async_callback(asyncio.to_thread, audit.sink.close)  # type: ignore[attr-defined]
            limits = RateLimits({"auth": "10/minute", "default": "off"} | (rules or {}))
            access = Access(database, vault, bus, audit, limits, passwords=Passwords(QUICK))
            await access.load()
            for role in ("admin", "operator", "viewer"):
                await access.users.create(role, PASSWORD, role)  # type: ignore[arg-type]
            key = await access.keys.create(KeyChange("program"))
            metrics = Metrics()
            app = FastAPI(docs_url=None, redoc_url=None)
            asgi = HttpLayer(RateLimitLayer(app, access, limits), configured, metrics)
            house = House(configured, database, access, audit, limits, metrics, bus, app, asgi, stack, key.raw)
            app.state.secretary = house
            install_problems(app)
            install_openapi(app)
            for module in (auth, users, keys, audit_api):
                app.include_router(module.build_router(house))  # type: ignore[arg-type]  # the part of Application they use
            app.include_router(probes())
            return house

        yield build


@pytest.fixture
async def house(build_house: BuildHouse, sqlite_database: Database) -> House:
    found: House = await build_house(sqlite_database)
    return found


@pytest.fixture
async def client(house: House) -> httpx.AsyncClient:
    return await house.client()
