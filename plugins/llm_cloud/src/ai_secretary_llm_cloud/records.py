"""A connected provider as a value, apart from its row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ai_secretary.plugins.provider_types import ProviderConnection

Extra = dict[str, str | int | float | bool]


@dataclass(slots=True, frozen=True)
class Draft:
    """Everything an admin says of a provider. Checked by `drafts.check`."""

    name: str
    type: str
    model: str
    api_key: str = field(default="", repr=False)
    base_url: str = ""
    more_models: tuple[str, ...] = ()
    enabled: bool = True
    timeout_s: float = 60.0
    price_prompt: float | None = None
    price_completion: float | None = None
    context_window: int | None = None
    proxies: tuple[str, ...] = field(default=(), repr=False)
    extra: Extra = field(default_factory=dict)
    description: str = ""

    def connection(self, provider_id: str) -> ProviderConnection:
        return ProviderConnection(
            id=provider_id,
            title=self.name,
            base_url=self.base_url,
            api_key=self.api_key,
            model=self.model,
            timeout_s=self.timeout_s,
            proxies=self.proxies,
            extra=self.extra,
            price_prompt=self.price_prompt,
            price_completion=self.price_completion,
        )


@dataclass(slots=True, frozen=True)
class Provider:
    id: str
    draft: Draft
    position: int
    created_at: datetime
    updated_at: datetime

    @property
    def model_id(self) -> str:
        """Public id of its default model."""
        return f"{self.id}/{self.draft.model}"

    @property
    def masked_key(self) -> str:
        return mask(self.draft.api_key)


def mask(key: str) -> str:
    """Enough to tell keys apart, too little to use one: the last four characters of a key of twelve or more."""
    if not key:
        return ""
    return f"•••• {key[-4:]}" if len(key) >= 12 else "••••"
