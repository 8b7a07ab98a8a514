"""Secrets at rest: AES-256-GCM under one installation key.

The key comes from `SECRETARY_SECRET_KEY` or from the file `secret.key` in the data folder (made at the first start, mode 0600).
Losing it makes stored secrets unreadable; everything else stays.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ai_secretary.errors import SecretaryError

_PREFIX = "v1:"


class VaultError(SecretaryError):
    default_code = "secret_unreadable"


class Vault:
    """Encrypts and decrypts short texts; also derives independent keys for signing."""

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the secret key must have at least 16 bytes")
        self._root = hashlib.sha256(b"ai-secretary vault" + key).digest()
        self._cipher = AESGCM(self.derive("columns"))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (`"jwt"`, `"session"`); different purposes give independent keys."""
        return hashlib.blake2b(purpose.encode(), key=self._root, digest_size=32).digest()

    def encrypt(self, text: str) -> str:
        nonce = secrets.token_bytes(12)
        return _PREFIX + base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def decrypt(self, stored: str) -> str:
        """Raises `VaultError` when the value was written under another key."""
        if not stored.startswith(_PREFIX):
            raise VaultError("A stored secret is not in a known format")
        raw = base64.urlsafe_b64decode(stored[len(_PREFIX) :])
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], None).decode()
        except InvalidTag as error:
            raise VaultError(
                "A stored secret cannot be read: the installation's secret key has changed",
                hint="Restore secret.key in the data folder, or enter the secret again.",
            ) from error


def load_key(data_dir: Path, configured: str | None) -> bytes:
    """The configured key, or the data folder's, made at the first call."""
    if configured:
        return configured.encode()
    path = data_dir / "secret.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    key = base64.urlsafe_b64encode(secrets.token_bytes(32))
    with os.fdopen(descriptor, "wb") as file:
        file.write(key + b"\n")
    return key


_current: list[Vault] = []


def install_vault(vault: Vault) -> None:
    """Make `vault` the one that encrypted columns use (set once at start-up)."""
    _current[:] = [vault]


def current_vault() -> Vault:
    if not _current:
        raise RuntimeError("no vault is installed: start the application, or call install_vault() in a test")
    return _current[0]
