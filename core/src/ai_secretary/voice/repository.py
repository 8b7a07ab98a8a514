"""Queries of the voice room."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.storage import now
from ai_secretary.voice.models import VoicePresetRow


async def presets(session: AsyncSession) -> list[VoicePresetRow]:
    return list((await session.execute(select(VoicePresetRow).order_by(VoicePresetRow.name))).scalars())


async def save_preset(session: AsyncSession, name: str, parameters: str) -> None:
    row = await session.get(VoicePresetRow, name)
    if row is None:
        session.add(VoicePresetRow(name=name, parameters=parameters))
    else:
        row.parameters = parameters
        row.updated_at = now()


async def delete_preset(session: AsyncSession, name: str) -> None:
    await session.execute(delete(VoicePresetRow).where(VoicePresetRow.name == name))
