"""Tokens: signed access tokens (15 minutes) and opaque session tokens that prove who issued them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

import jwt

from ai_secretary.ids import new_id
from ai_secretary.storage import Vault

ACCESS_TOKEN_S = 15 * 60
ISSUER = "ai-secretary"
AUDIENCE = "ai-secretary-api"
_ALGORITHM = "HS256"
_MAX_TOKEN = 4096
KEY_PREFIX_LENGTH = 8


def digest(token: str) -> bytes:
    """SHA-256 of a token or key: what is stored and looked up. Never raises, whatever a header held."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def new_api_key() -> str:
    """`sk-` and 256 random bits."""
    return "sk-" + secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    user_id: str
    session_id: str
    expires: float
    """Seconds since the epoch."""


class AccessTokens:
    """JSON web tokens, HS256 only: the algorithm in a token's header is never asked for its opinion."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.derive("jwt")

    def issue(self, user_id: str, session_id: str) -> str:
        issued = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": new_id("jti"),
            "iat": issued,
            "nbf": issued,
            "exp": issued + ACCESS_TOKEN_S,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def read(self, token: str) -> AccessClaims | None:
        """The claims of a token that we signed and that is still good; None for anything else."""
        if not token or len(token) > _MAX_TOKEN:
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "nbf", "sub", "sid", "jti", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            # Whatever was sent, it is not a token of ours; why is of no use to the sender.
            return None
        user_id, session_id = claims["sub"], claims["sid"]
        if not isinstance(user_id, str) or not isinstance(session_id, str):
            return None
        return AccessClaims(user_id, session_id, float(claims["exp"]))


class SessionTokens:
    """`ss-<session id>.<random>.<mac>`: the MAC shows that we issued it, so an old one that comes back is known for a reuse."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.derive("session")

    def issue(self, session_id: str) -> str:
        body = f"ss-{session_id}.{secrets.token_urlsafe(32)}"
        return f"{body}.{self._mac(body)}"

    def session_of(self, token: str) -> str | None:
        """The session that this token was issued for, be it the current one or an older one; None if it is not ours."""
        body, _, mac = token.rpartition(".")
        if not body.startswith("ss-") or len(token) > _MAX_TOKEN or not token.isascii():
            return None
        if not hmac.compare_digest(mac, self._mac(body)):
            return None
        return body[3:].partition(".")[0]

    def _mac(self, body: str) -> str:
        mac = hashlib.blake2b(body.encode(), key=self._key, digest_size=18).digest()
        return base64.urlsafe_b64encode(mac).decode()
