"""`/admin/faq`: thin endpoints over `FaqActions`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response, status

from ai_secretary.api.security import require
from ai_secretary.errors import InvalidInput, TooLarge
from ai_secretary.i18n import Translator
from ai_secretary_faq.actions import FaqActions
from ai_secretary_faq.drafts import check
from ai_secretary_faq.exchange import MAX_BYTES
from ai_secretary_faq.repository import Sort
from ai_secretary_faq.schemas import (
    CandidateOut,
    EntryIn,
    EntryOut,
    EntryPage,
    EntryPatch,
    ImportOut,
    LineErrorOut,
    ReloadOut,
    TestIn,
    TestOut,
)
from ai_secretary_faq.service import OnExisting

_ = Translator("faq")
_CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


def guess_language(text: str) -> str:
    """Russian by its letters, English otherwise: enough to try an entry where nobody said the language."""
    return "ru" if _CYRILLIC.search(text) else "en"


def build_router(actions: FaqActions, default_timezone: str) -> APIRouter:
    router = APIRouter(tags=["faq"])
    reader, writer = Depends(require("faq:read")), Depends(require("faq:write"))

    @router.get("", dependencies=[reader], summary="List entries")
    async def list_entries(
        search: Annotated[str, Query(max_length=200, description="Words that question, keywords or answer must have")] = "",
        enabled: bool | None = None,
        language: Annotated[str | None, Query(max_length=8, description="ISO 639-1; empty: entries of every language")] = None,
        sort: Sort = "newest",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> EntryPage:
        items, total = await actions.page(
            search=search, enabled=enabled, language=language, sort=sort, limit=limit, offset=offset
        )
        return EntryPage(items=[EntryOut.of(item) for item in items], total=total, limit=limit, offset=offset)

    @router.post("", dependencies=[writer], status_code=status.HTTP_201_CREATED, summary="Add an entry")
    async def create_entry(body: EntryIn) -> EntryOut:
        draft = check(body.question, body.answer, body.keywords, body.language, body.enabled)
        return EntryOut.of(await actions.create(draft))

    @router.post("/test", dependencies=[reader], summary="Try a text: which entry answers, and why")
    async def test_text(body: TestIn) -> TestOut:
        language = body.language or guess_language(body.text)
        tested = await actions.test(body.text, language, body.timezone or default_timezone)
        match = tested.explanation.match
        return TestOut(
            match=None if match is None else EntryOut.of(match.entry),
            answer=tested.answer,
            how=None if match is None else match.how,
            score=None if match is None else round(match.score, 4),
            reason=tested.explanation.reason,
            language=language,
            milliseconds=round(tested.explanation.milliseconds, 3),
            candidates=[CandidateOut.of(candidate) for candidate in tested.explanation.candidates],
        )

    @router.post(
        "/import",
        dependencies=[writer],
        summary="Import entries from JSON or CSV",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {}},
                    "text/csv": {"schema": {"type": "string"}},
                    "multipart/form-data": {
                        "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
                    },
                },
            }
        },
    )
    async def import_entries(
        request: Request,
        file_format: Annotated[
            Literal["json", "csv"] | None, Query(alias="format", description="Default: by the content type")
        ] = None,
        on_existing: Annotated[OnExisting, Query(description="What happens to a question that is already there")] = "update",
        dry_run: Annotated[bool, Query(description="Only report what would happen")] = False,
    ) -> ImportOut:
        data, by_type = await _uploaded(request)
        report = await actions.import_file(data, file_format or by_type, on_existing=on_existing, dry_run=dry_run)
        return ImportOut(
            total=report.total,
            added=report.added,
            updated=report.updated,
            unchanged=report.unchanged,
            skipped=report.skipped,
            errors=[
                LineErrorOut(line=line, field=error.field, message=_.error(error), code=error.code)
                for line, error in report.errors
            ],
            dry_run=report.dry_run,
        )

    @router.get("/export", dependencies=[reader], summary="Export all entries", response_class=Response)
    async def export_entries(file_format: Annotated[Literal["json", "csv"], Query(alias="format")] = "json") -> Response:
        data = await actions.export_file(file_format)
        media_type = "application/json" if file_format == "json" else "text/csv; charset=utf-8"
        return Response(data, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="faq.{file_format}"'})

    @router.post("/reload", dependencies=[writer], summary="Read the entries again")
    async def reload_entries() -> ReloadOut:
        return ReloadOut(count=await actions.reload())

    @router.get("/{entry_id}", dependencies=[reader], summary="One entry")
    async def get_entry(entry_id: str) -> EntryOut:
        return EntryOut.of(await actions.get(entry_id))

    @router.put("/{entry_id}", dependencies=[writer], summary="Change fields of an entry")
    async def update_entry(entry_id: str, body: EntryPatch) -> EntryOut:
        changes = body.model_dump(exclude_unset=True)
        if changes.get("keywords", ()) is None:
            changes["keywords"] = ()
        return EntryOut.of(await actions.update(entry_id, changes))

    @router.delete("/{entry_id}", dependencies=[writer], status_code=status.HTTP_204_NO_CONTENT, summary="Delete an entry")
    async def delete_entry(entry_id: str) -> None:
        await actions.delete(entry_id)

    return router


async def _uploaded(request: Request) -> tuple[bytes, Literal["json", "csv"]]:
    """The file and its format by content type (of the body, or of the part `file`), at most `MAX_BYTES`."""
    content_type = request.headers.get("content-type", "").lower()
    name = ""
    if content_type.startswith("multipart/form-data"):
        form = await request.form(max_files=1, max_fields=4)
        try:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise InvalidInput("The form has no file", code="faq_import_file", field="file")
            data = await file.read(MAX_BYTES + 1)
            content_type, name = (file.content_type or "").lower(), (file.filename or "").lower()
        finally:
            await form.close()
    else:
        data = b""
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BYTES:
                break
    if len(data) > MAX_BYTES:
        raise TooLarge("The file is larger than {n} MB", n=MAX_BYTES // 1024 // 1024, code="faq_import_size", field="file")
    return data, "csv" if "csv" in content_type or name.endswith(".csv") else "json"
