"""A plugin's options as an admin sees and changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr

O = TypeVar("O", bound=BaseModel)  # noqa: E741 - the usual name for options

DOTS = "••••"


def mask(secret: str) -> str:
    """`•••• 4f2a` for a long secret, dots alone for a short one, empty for none."""
    if not secret:
        return ""
    return f"{DOTS} {secret[-4:]}" if len(secret) >= 12 else DOTS


def mask_secrets(options: BaseModel) -> dict[str, Any]:
    """JSON of the options with every secret masked."""
    data: dict[str, Any] = options.model_dump(mode="json")
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr):
            data[name] = mask(value.get_secret_value())
    return data


def merge_options(current: O, changes: Mapping[str, Any]) -> O:
    """`current` with `changes`: null gives the default, an unchanged mask keeps the secret.

    Raises pydantic's `ValidationError` for unknown or wrong values.
    """
    fields = type(current).model_fields
    values: dict[str, Any] = {name: getattr(current, name) for name in fields}
    for name, value in changes.items():
        if name not in fields:
            values[name] = value  # let the model say what it thinks of it
        elif value is None:
            values[name] = fields[name].get_default(call_default_factory=True, validated_data={})
        elif isinstance(values[name], SecretStr) and value == mask(values[name].get_secret_value()):
            continue
        else:
            values[name] = value
    return type(current).model_validate(values)
