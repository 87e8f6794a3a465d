"""Personal columns: AES-256-GCM with a key that is never in the database, and keyed look-up.

Sealed bytes are: key number (1 byte), nonce (12 bytes), ciphertext and tag. The associated data
is the place where the value lives ("booking.phone:<id>"), so that a ciphertext copied into another
row does not open. Look-up indexes are HMAC-SHA256 under a second key derived from the first.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
KEY_BYTES = 32
INDEX_BYTES = 16


class CannotOpen(Exception):
    """The bytes were sealed with another key, for another place, or were changed."""


class Vault:
    """Seals and opens personal values.

    `keys` are 32-byte data keys, oldest first; the last one seals, all of them open. The index key
    comes from the first, for an index must stay the same when a new data key is added.
    `random_bytes` gives nonces (a cryptographic source; tests may give their own).
    """

    def __init__(
        self, keys: list[bytes], *, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        self._ciphers = [AESGCM(_derive(key, b"seal")) for key in keys]
        self._index_key = _derive(keys[0], b"index")
        self._random_bytes = random_bytes

    @property
    def keys(self) -> int:
        """How many data keys there are."""
        return len(self._ciphers)

    def seal(self, value: bytes, where: str, *, number: int | None = None) -> bytes:
        """With the newest key, or with that of this number."""
        if number is None:
            number = len(self._ciphers) - 1
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._ciphers[number].encrypt(nonce, value, where.encode())
        return bytes([number]) + nonce + sealed

    def open(self, sealed: bytes, where: str) -> bytes:
        """Raises CannotOpen."""
        if len(sealed) <= 1 + _NONCE_BYTES or sealed[0] >= len(self._ciphers):
            raise CannotOpen(where)
        number, nonce = sealed[0], sealed[1 : 1 + _NONCE_BYTES]
        try:
            return self._ciphers[number].decrypt(nonce, sealed[1 + _NONCE_BYTES :], where.encode())
        except InvalidTag:
            raise CannotOpen(where) from None

    def seal_text(self, value: str | None, where: str) -> bytes | None:
        return None if value is None else self.seal(value.encode(), where)

    def open_text(self, sealed: bytes | None, where: str) -> str | None:
        return None if sealed is None else self.open(sealed, where).decode()

    def index(self, kind: str, value: str | None) -> bytes | None:
        """The look-up value of a normalised personal value (E.164, ISO date, digits)."""
        if value is None:
            return None
        message = f"{kind}:{value}".encode()
        return hmac.digest(self._index_key, message, hashlib.sha256)[:INDEX_BYTES]


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
