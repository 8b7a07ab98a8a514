"""What an admin may enter: ranges and shapes, checked on the server whatever the form did."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import replace

from ai_secretary.errors import InvalidInput
from ai_secretary.openai_wire import check_base_url, check_key, check_proxy
from ai_secretary.plugins.provider_types import ProviderType
from ai_secretary_llm_cloud.records import Draft

TIMEOUT_S = (1.0, 600.0)
PRICE = (0.0, 10_000.0)
CONTEXT = (512, 20_000_000)
_MODEL = re.compile(r"^[\w.:@/+\-]{1,200}$")
_RESERVED = frozenset({"secretary", "local", "cloud", "new", "order", "test", "types"})
_LETTERS = (
    "а a б b в v г g д d е e ё e ж zh з z и i й y к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч ch ш sh щ sch "
    "ы y э e ю yu я ya"
)
_LATIN = str.maketrans({**dict(zip(_LETTERS.split()[::2], _LETTERS.split()[1::2], strict=True)), "ъ": "", "ь": ""})


def check(draft: Draft, kind: ProviderType) -> Draft:
    """The draft in its final form. Raises `InvalidInput` with the field's name."""
    name = " ".join(draft.name.split())
    if not 1 <= len(name) <= 100:
        raise InvalidInput("The name needs 1 to 100 characters", field="name", code="name_length")
    base_url = check_base_url(draft.base_url) if draft.base_url.strip() else ""
    if kind.requires_base_url and not base_url:
        raise InvalidInput(
            "The address of the server is missing",
            field="base_url",
            code="base_url_required",
            hint="For example http://192.168.1.20:8000/v1.",
        )
    key = check_key(draft.api_key)
    if kind.requires_key and not key:
        raise InvalidInput(
            "The key is missing", field="api_key", code="key_required", hint="The provider shows it once, when you make it."
        )
    model = _model(draft.model.strip() or next(iter(kind.default_models), ""), "model")
    more = tuple(dict.fromkeys(_model(text.strip(), "more_models") for text in draft.more_models if text.strip()))
    if len(more) > 200:
        raise InvalidInput("At most 200 further models can be on offer", field="more_models", code="too_many_models")
    if len(draft.proxies) > 20:
        raise InvalidInput("At most 20 proxies can be tried in order", field="proxies", code="too_many_proxies")
    if len(draft.description) > 2000:
        raise InvalidInput("The description needs at most 2000 characters", field="description", code="description_length")
    return replace(
        draft,
        name=name,
        type=kind.id,
        model=model,
        api_key=key,
        base_url=base_url,
        more_models=tuple(text for text in more if text != model),
        timeout_s=_within(draft.timeout_s, TIMEOUT_S, "timeout_s"),
        price_prompt=None if draft.price_prompt is None else _within(draft.price_prompt, PRICE, "price_prompt"),
        price_completion=None if draft.price_completion is None else _within(draft.price_completion, PRICE, "price_completion"),
        context_window=None if draft.context_window is None else int(_within(draft.context_window, CONTEXT, "context_window")),
        proxies=tuple(check_proxy(proxy) for proxy in draft.proxies if proxy.strip()),
        description=draft.description.strip(),
    )


def _model(text: str, field: str) -> str:
    if not _MODEL.match(text):
        raise InvalidInput(
            "{name} is not a name of a model" if text else "The model's name is missing",
            name=text[:80],
            field=field,
            code="model_invalid",
            hint="Take it from the provider's list, for example gpt-5.4-mini.",
        )
    return text


def _within(value: float, bounds: tuple[float, float], field: str) -> float:
    low, high = bounds
    if not math.isfinite(value) or not low <= value <= high:
        raise InvalidInput(
            "{field} is a number from {low} to {high}", field=field, low=f"{low:g}", high=f"{high:g}", code="out_of_range"
        )
    return value


def slug(name: str, kind: str, taken: Collection[str]) -> str:
    """A short id from the provider's name, unlike every id in `taken`."""
    text = re.sub(r"[^a-z0-9]+", "-", name.casefold().translate(_LATIN)).strip("-")[:30].strip("-") or kind
    unavailable = _RESERVED | set(taken)
    if text not in unavailable:
        return text
    number = 2
    while f"{text}-{number}" in unavailable:
        number += 1
    return f"{text}-{number}"
