"""Errors that a user may see: what was wrong, what was expected, what to do next, and a stable code."""

from __future__ import annotations

from typing import ClassVar


class SecretaryError(Exception):
    """Base of every expected error.

    `template` is English and doubles as the message id for translation, `params` fill its `{names}`; so the same error can be
    shown in the reader's language later. `hint` says what to do next. `field` names the offending input (`messages.0.role`).
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        template: str,
        /,
        *,
        code: str | None = None,
        hint: str = "",
        field: str | None = None,
        retry_after: float | None = None,
        **params: object,
    ) -> None:
        self.template = template
        self.params = {"field": field, **params} if field is not None and "{field" in template else params
        self.code = code or self.default_code
        self.hint = hint
        self.field = field
        self.retry_after = retry_after
        """Seconds after which the same request may succeed, if known."""
        super().__init__(self.message)

    @property
    def message(self) -> str:
        return self.template.format(**self.params) if self.params else self.template


class InvalidInput(SecretaryError):
    status = 400
    default_code = "invalid_input"


class Unauthenticated(SecretaryError):
    status = 401
    default_code = "unauthenticated"


class Forbidden(SecretaryError):
    status = 403
    default_code = "forbidden"


class NotFound(SecretaryError):
    status = 404
    default_code = "not_found"


class Conflict(SecretaryError):
    status = 409
    default_code = "conflict"


class TooLarge(SecretaryError):
    status = 413
    default_code = "too_large"


class RateLimited(SecretaryError):
    status = 429
    default_code = "rate_limited"


class ProviderError(SecretaryError):
    """A model, voice or other engine failed; never shown or spoken as if it were an answer."""

    status = 502
    default_code = "provider_error"


class Unavailable(SecretaryError):
    status = 503
    default_code = "unavailable"


class ProviderTimeout(ProviderError):
    status = 504
    default_code = "provider_timeout"
