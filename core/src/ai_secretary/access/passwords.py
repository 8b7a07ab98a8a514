"""Passwords: Argon2id in threads, a few at a time, and a rule for what is long enough."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ai_secretary.errors import InvalidInput

MIN_LENGTH = 10
MAX_LENGTH = 256
_PARALLEL = 2
"""Verifications at once: each takes 64 MiB for some tens of milliseconds."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def generate_password() -> str:
    """18 characters that are hard to confuse when read aloud, about 104 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(18))


def check_password_rule(password: str, *, username: str = "") -> None:
    """Raises `InvalidInput` for a password that is too short, too long or trivial."""
    if len(password) < MIN_LENGTH:
        raise InvalidInput(
            "The password is too short: {minimum} characters or more are needed",
            code="password_too_short",
            hint="Three unrelated words make a good password.",
            field="password",
            minimum=MIN_LENGTH,
        )
    if len(password) > MAX_LENGTH:
        raise InvalidInput(
            "The password is too long: {maximum} characters at most",
            code="password_too_long",
            field="password",
            maximum=MAX_LENGTH,
        )
    folded = password.casefold()
    if len(set(folded)) < 4 or (username and folded.replace(username.casefold(), "").strip("0123456789!. ") == ""):
        raise InvalidInput(
            "The password is too easy to guess",
            code="password_too_weak",
            hint="Three unrelated words make a good password.",
            field="password",
        )


def _normal(password: str) -> bytes:
    # The same letters typed on another keyboard or system must give the same bytes (й may be one code point or two).
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace")


class Passwords:
    """Hashes and verifies off the event loop. Verifying against nothing costs what a real verification costs."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._dummy = self._hasher.hash(secrets.token_bytes(16))
        self._slots = asyncio.Semaphore(_PARALLEL)

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, _normal(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """`stored=None` (no such user) takes the same time and is never true."""
        async with self._slots:
            matches = await asyncio.to_thread(self._matches, stored or self._dummy, password[: 4 * MAX_LENGTH])
        return matches and stored is not None

    def needs_rehash(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
