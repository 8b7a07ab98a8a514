"""`/admin/audit`: who did what, when and from where."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from ai_secretary.api.problems import problem_responses
from ai_secretary.api.security import require
from ai_secretary.audit import AuditFilter
from ai_secretary.audit.ddl import KEEP_DAYS
from ai_secretary.audit.log import LONGEST_PAGE, row_as_dict
from ai_secretary.errors import InvalidInput
from ai_secretary.storage import now

if TYPE_CHECKING:
    from ai_secretary.app import Application


class AuditEntry(BaseModel):
    id: int
    at: datetime
    action: str
    resource: str
    resource_id: str
    actor_kind: str = Field(description="user, key, system or anonymous")
    actor_id: str
    actor_name: str
    address: str
    request_id: str
    details: dict[str, Any]
    chain: str
    seq: int
    hash: str


class AuditReply(BaseModel):
    entries: list[AuditEntry]
    count: int = Field(description="How many entries are in this answer")
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page; null on the last")


class Count(BaseModel):
    name: str
    count: int


class AuditStatsReply(BaseModel):
    total: int
    last_24h: int
    by_action: list[Count]
    by_resource: list[Count]
    by_actor: list[Count]


class CleanupRequest(BaseModel):
    days: int = Field(90, ge=KEEP_DAYS, le=36_500, description="Delete what is older than this")


class CleanupReply(BaseModel):
    deleted: int
    retention_days: int


class BreakReply(BaseModel):
    chain: str
    seq: int
    kind: str = Field(description="changed, missing, relinked or unanchored")


class HeadReply(BaseModel):
    chain: str
    seq: int
    hash: str = Field(description="Kept elsewhere, it proves later that nothing was cut off")
    rows: int


class VerifyReply(BaseModel):
    intact: bool
    rows: int
    breaks: list[BreakReply]
    heads: list[HeadReply]


def moment(text: str, zone: ZoneInfo, *, field: str, end: bool = False) -> datetime:
    """`2026-01-31` or `2026-01-31T14:00[+03:00]`; without an offset in the installation's time zone.

    As an end, a day counts whole. Raises `InvalidInput` naming the field.
    """
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            parsed = datetime.combine(day, time(), zone)
        else:
            # In a query string an unescaped plus arrives as a space.
            parsed = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            parsed = parsed.replace(tzinfo=zone) if parsed.tzinfo is None else parsed
        parsed.timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            "{param}: “{text}” is not a date",
            field=field,
            param=field,
            text=text[:40],
            hint="Write 2026-01-31 or 2026-01-31T14:00.",
        ) from error
    return parsed


def build_router(application: Application) -> APIRouter:
    audit = application.audit
    zone = ZoneInfo(application.settings.timezone)
    router = APIRouter(prefix="/admin/audit", tags=["audit"], responses=problem_responses(401, 403))
    reading, governing = Depends(require("audit:read")), Depends(require("audit:admin"))

    async def wanted(
        action: Annotated[str, Query(max_length=100, description="faq.create, or faq.* for an area")] = "",
        resource: Annotated[str, Query(max_length=64)] = "",
        resource_id: Annotated[str, Query(max_length=200)] = "",
        user: Annotated[str, Query(max_length=100, description="Id or name of who did it")] = "",
        address: Annotated[str, Query(max_length=64)] = "",
        from_date: Annotated[
            str, Query(max_length=40, alias="from", description="First moment: 2026-01-31 or 2026-01-31T14:00")
        ] = "",
        to_date: Annotated[str, Query(max_length=40, alias="to", description="Last day, or the moment before which")] = "",
    ) -> AuditFilter:
        return AuditFilter(
            action=action,
            resource=resource,
            resource_id=resource_id,
            actor=user,
            address=address,
            since=moment(from_date, zone, field="from") if from_date else None,
            until=moment(to_date, zone, field="to", end=True) if to_date else None,
        )

    @router.get("", summary="Entries, newest first", dependencies=[reading], responses=problem_responses(400))
    async def entries(
        wanted: AuditFilter = Depends(wanted),
        limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 100,
        cursor: Annotated[
            str | None, Query(max_length=20, pattern=r"^[0-9]{1,18}$", description="next_cursor of the page before")
        ] = None,
    ) -> AuditReply:
        page = await audit.query(wanted, before=int(cursor) if cursor else None, limit=limit)
        found = [AuditEntry.model_validate(row_as_dict(row)) for row in page.rows]
        return AuditReply(entries=found, count=len(found), next_cursor=str(page.next) if page.next is not None else None)

    @router.get(
        "/stats", summary="How many, by action, resource and caller", dependencies=[reading], responses=problem_responses(400)
    )
    async def stats(wanted: AuditFilter = Depends(wanted)) -> AuditStatsReply:
        found = await audit.stats(wanted)

        def counts(pairs: list[tuple[str, int]]) -> list[Count]:
            return [Count(name=name, count=count) for name, count in pairs]

        return AuditStatsReply(
            total=found.total,
            last_24h=found.last_24h,
            by_action=counts(found.by_action),
            by_resource=counts(found.by_resource),
            by_actor=counts(found.by_actor),
        )

    @router.get(
        "/export",
        summary="All matching entries as a file",
        dependencies=[governing],
        response_class=StreamingResponse,
        responses={
            **problem_responses(400),
            200: {"description": "A file", "content": {"application/json": {"schema": {"type": "array"}}, "text/csv": {}}},
        },
    )
    async def export(wanted: AuditFilter = Depends(wanted), format: Literal["json", "csv"] = "json") -> StreamingResponse:
        """Sent as it is read. The CSV has no cell that a spreadsheet would take for a formula."""
        name = f"audit-{now().astimezone(zone):%Y-%m-%d}.{format}"
        return StreamingResponse(
            audit.export(format, wanted),
            media_type="text/csv; charset=utf-8" if format == "csv" else "application/json",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    @router.post("/cleanup", summary="Delete old entries", dependencies=[governing], responses=problem_responses(400))
    async def cleanup(body: CleanupRequest | None = None) -> CleanupReply:
        """The last 7 days always stay; what remains can still be verified."""
        days = (body or CleanupRequest()).days
        return CleanupReply(deleted=await audit.cleanup(days), retention_days=days)

    @router.get("/verify", summary="Was anything changed or removed?", dependencies=[reading])
    async def verify() -> VerifyReply:
        """Recomputes every hash; takes some seconds per million entries."""
        found = await audit.verify()
        return VerifyReply(
            intact=found.intact,
            rows=found.rows,
            breaks=[BreakReply(chain=item.chain, seq=item.seq, kind=item.kind) for item in found.breaks],
            heads=[HeadReply(chain=item.chain, seq=item.seq, hash=item.hash, rows=item.rows) for item in found.heads],
        )

    return router
