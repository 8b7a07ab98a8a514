"""What an admin sets at run time: one typed pydantic model per subject, stored as JSON, cached, announced when it changes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, SecretStr
from sqlalchemy import String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from ai_secretary.events import EventBus
from ai_secretary.storage.database import Base, Database
from ai_secretary.storage.types import UtcDateTime, now
from ai_secretary.storage.vault import current_vault

M = TypeVar("M", bound=BaseModel)


class PreferenceRow(Base):
    __tablename__ = "preferences"
    subject: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    """JSON; secret fields are encrypted one by one."""
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


@dataclass(slots=True, frozen=True)
class PreferencesChanged:
    """Published after a subject was saved."""

    subject: str
    value: BaseModel


def _dump(value: BaseModel) -> str:
    """JSON in which every `SecretStr` is encrypted."""
    data = value.model_dump(mode="json")
    for name in type(value).model_fields:
        secret = getattr(value, name)
        if isinstance(secret, SecretStr):
            data[name] = {"$secret": current_vault().encrypt(secret.get_secret_value())}
    return json.dumps(data, ensure_ascii=False)


def _load(model: type[M], text: str) -> M:
    data = json.loads(text)
    for name, item in data.items():
        if isinstance(item, dict) and set(item) == {"$secret"}:
            data[name] = current_vault().decrypt(item["$secret"])
    return model.model_validate(data)


class Preferences:
    """`get` is a dictionary look-up and never touches the database; `load` fills the cache at start-up."""

    def __init__(self, database: Database, bus: EventBus) -> None:
        self._database = database
        self._bus = bus
        self._stored: dict[str, str] = {}
        self._cache: dict[str, BaseModel] = {}

    async def load(self) -> None:
        async with self._database.session() as session:
            rows = (await session.execute(select(PreferenceRow))).scalars()
            self._stored = {row.subject: row.value for row in rows}
        self._cache.clear()

    def get(self, subject: str, model: type[M]) -> M:
        """The stored value, or the model's defaults. Raises pydantic's error if a stored value no longer fits the model."""
        cached = self._cache.get(subject)
        if isinstance(cached, model):
            return cached
        stored = self._stored.get(subject)
        value = model() if stored is None else _load(model, stored)
        self._cache[subject] = value
        return value

    async def set(self, subject: str, value: BaseModel) -> None:
        text = _dump(value)
        async with self._database.transaction() as session:
            await session.merge(PreferenceRow(subject=subject, value=text, updated_at=now()))
        self._stored[subject] = text
        self._cache[subject] = value
        self._bus.publish(PreferencesChanged(subject, value))

    def is_set(self, subject: str) -> bool:
        return subject in self._stored
