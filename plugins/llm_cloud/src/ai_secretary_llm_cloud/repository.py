"""Every query of the providers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.storage import now
from ai_secretary_llm_cloud.models import ProviderRow
from ai_secretary_llm_cloud.records import Draft, Provider


class ProviderRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def all(self) -> list[Provider]:
        """In fallback order."""
        rows = (await self._session.execute(select(ProviderRow).order_by(ProviderRow.position, ProviderRow.created_at))).scalars()
        return [_provider(row) for row in rows]

    async def get(self, provider_id: str) -> Provider | None:
        row = await self._session.get(ProviderRow, provider_id)
        return None if row is None else _provider(row)

    async def next_position(self) -> int:
        highest = (await self._session.execute(select(func.max(ProviderRow.position)))).scalar()
        return 0 if highest is None else int(highest) + 1

    async def add(self, provider: Provider) -> None:
        row = ProviderRow(
            id=provider.id, position=provider.position, created_at=provider.created_at, updated_at=provider.updated_at
        )
        _fill(row, provider.draft)
        self._session.add(row)
        await self._session.flush()

    async def replace(self, provider_id: str, draft: Draft) -> None:
        row = await self._session.get_one(ProviderRow, provider_id)
        _fill(row, draft)
        row.updated_at = now()
        await self._session.flush()

    async def delete(self, provider_id: str) -> None:
        await self._session.execute(delete(ProviderRow).where(ProviderRow.id == provider_id))

    async def set_order(self, ids: Sequence[str]) -> None:
        for row in (await self._session.execute(select(ProviderRow))).scalars():
            row.position = ids.index(row.id) if row.id in ids else len(ids) + row.position
        await self._session.flush()


def _fill(row: ProviderRow, draft: Draft) -> None:
    row.name = draft.name
    row.type = draft.type
    row.api_key = draft.api_key or None
    row.base_url = draft.base_url or None
    row.model = draft.model
    row.more_models = list(draft.more_models)
    row.enabled = draft.enabled
    row.timeout_s = draft.timeout_s
    row.price_prompt = draft.price_prompt
    row.price_completion = draft.price_completion
    row.context_window = draft.context_window
    row.proxies = "\n".join(draft.proxies) or None
    row.extra = dict(draft.extra)
    row.description = draft.description


def _provider(row: ProviderRow) -> Provider:
    draft = Draft(
        name=row.name,
        type=row.type,
        model=row.model,
        api_key=row.api_key or "",
        base_url=row.base_url or "",
        more_models=tuple(row.more_models),
        enabled=row.enabled,
        timeout_s=row.timeout_s,
        price_prompt=row.price_prompt,
        price_completion=row.price_completion,
        context_window=row.context_window,
        proxies=tuple(row.proxies.split("\n")) if row.proxies else (),
        extra=dict(row.extra),
        description=row.description,
    )
    return Provider(row.id, draft, row.position, row.created_at, row.updated_at)
