"""What can go wrong with a model on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ai_secretary.errors import Conflict, Forbidden, NotFound, ProviderError


class ModelUnavailable(ProviderError):
    """The model cannot answer now: it does not fit, cannot be loaded or has crashed."""

    status: ClassVar[int] = 503
    default_code: ClassVar[str] = "model_unavailable"


def model_unavailable(
    template: str, params: Mapping[str, object], *, code: str, hint: str = "", retry_after: float | None = None
) -> ModelUnavailable:
    """The error for a reason that was kept apart from an exception."""
    error = ModelUnavailable(template, code=code, hint=hint, retry_after=retry_after)
    error.params = dict(params)
    error.args = (error.message,)
    return error


class ModelBusy(Conflict):
    """Somebody is being answered by the model that should go."""

    default_code: ClassVar[str] = "model_busy"


class UnknownModel(NotFound):
    default_code: ClassVar[str] = "model_not_found"


class NotOurFile(Forbidden):
    """The file lies outside the folder that this plugin owns."""

    default_code: ClassVar[str] = "not_our_file"


class AlreadyThere(Conflict):
    default_code: ClassVar[str] = "already_downloaded"
