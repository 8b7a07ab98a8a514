"""The table of connected providers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ai_secretary.storage import EncryptedText, UtcDateTime, now, plugin_metadata


class Base(DeclarativeBase):
    metadata = plugin_metadata()


class ProviderRow(Base):
    __tablename__ = "llm_cloud_providers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Slug, prefix of its model ids; never changes, so that choices made elsewhere stay valid."""
    name: Mapped[str] = mapped_column(String(100))
    type: Mapped[str] = mapped_column(String(40))
    """Id of a `ProviderType`."""
    api_key: Mapped[str | None] = mapped_column(EncryptedText)
    base_url: Mapped[str | None] = mapped_column(String(500))
    """NULL: the type's own."""
    model: Mapped[str] = mapped_column(String(200))
    """The model that answers when the provider is asked without a name."""
    more_models: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Further models on offer; any other name works too when it is asked for."""
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
    """Place in the fallback order."""
    timeout_s: Mapped[float] = mapped_column(Float, default=60.0)
    price_prompt: Mapped[float | None] = mapped_column(Float)
    price_completion: Mapped[float | None] = mapped_column(Float)
    """US dollars per million tokens."""
    context_window: Mapped[int | None] = mapped_column(Integer)
    """Tokens; NULL: what the type knows of the model."""
    proxies: Mapped[str | None] = mapped_column(EncryptedText)
    """One URL a line; encrypted because a proxy's password stands in it."""
    extra: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    description: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
