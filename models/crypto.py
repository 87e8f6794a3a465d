"""Personal columns: AES-256-GCM with a key that is never in the database, and keyed look-up.

Sealed bytes are: key number (1 byte), nonce (12 bytes), ciphertext and tag. The associated data
is the place where the value lives ("booking.phone:<id>"), so that a ciphertext copied into another
row does not open. Look-up indexes are HMAC-SHA256 under a key of their own, the index key.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
KEY_BYTES = 32
# A key's number is one byte of what it sealed.
MOST_KEYS = 256
INDEX_BYTES = 16


class CannotOpen(Exception):
    """The bytes were sealed with another key, for another place, or were changed."""


class Vault:
    """Seals and opens personal values.

    `keys` are 32-byte data keys by their numbers, or a list that counts from 0. The one that was
    put in last seals, all of them open. `index_key` makes look-up indexes; None: a key derived from
    the data key with the lowest number, as installations without an index key began. `random_bytes`
    gives nonces (a cryptographic source; tests may give their own).
    """

    def __init__(
        self,
        keys: Sequence[bytes] | Mapping[int, bytes],
        *,
        index_key: bytes | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        numbered = dict(keys) if isinstance(keys, Mapping) else dict(enumerate(keys))
        if not numbered or any(len(key) != KEY_BYTES for key in numbered.values()):
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        if index_key is not None and len(index_key) != KEY_BYTES:
            raise ValueError(f"an index key has {KEY_BYTES} bytes")
        if not all(0 <= number < MOST_KEYS for number in numbered):
            raise ValueError(f"data keys are numbered from 0 to {MOST_KEYS - 1}")
        self._ciphers = {number: _cipher(key) for number, key in numbered.items()}
        self._keys = numbered
        self._given_index_key = index_key
        self._index_key = index_key or derived_index_key(numbered[min(numbered)])
        # To read the key in takes longer than to hash a value: each look-up copies this one.
        self._keyed = HMAC(self._index_key, SHA256())
        self._random_bytes = random_bytes
        self.seals_with = list(numbered)[-1]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the data keys, that of the one which seals last."""
        return tuple(self._ciphers)

    @property
    def has_index_key(self) -> bool:
        """Whether an index key was given; else it is derived from the data key of lowest number."""
        return self._given_index_key is not None

    def plus(self, number: int, key: bytes) -> Vault:
        """The same with one data key more, which seals; look-up indexes stay as they are."""
        keys = {**self._keys, number: key}
        return Vault(keys, index_key=self._index_key, random_bytes=self._random_bytes)

    @property
    def index_key(self) -> bytes:
        """What makes look-up indexes, given or derived: for the operator who keeps it apart."""
        return self._index_key

    def seal(self, value: bytes, where: str, *, number: int | None = None) -> bytes:
        """With the key that seals, or with that of this number."""
        if number is None:
            number = self.seals_with
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._ciphers[number].encrypt(nonce, value, where.encode())
        return bytes([number]) + nonce + sealed

    def open(self, sealed: bytes, where: str) -> bytes:
        """Raises CannotOpen."""
        cipher = self._ciphers.get(sealed[0]) if sealed else None
        if cipher is None:
            raise CannotOpen(where)
        return _opened(cipher, sealed, where)

    def index_key_opens(self, sealed: bytes, where: str) -> bool:
        """Whether it was the given index key, used as a data key, that sealed this."""
        if self._given_index_key is None:
            return False
        try:
            _opened(_cipher(self._given_index_key), sealed, where)
        except CannotOpen:
            return False
        return True

    def seal_text(self, value: str | None, where: str) -> bytes | None:
        return None if value is None else self.seal(value.encode(), where)

    def open_text(self, sealed: bytes | None, where: str) -> str | None:
        return None if sealed is None else self.open(sealed, where).decode()

    def index(self, kind: str, value: str | None) -> bytes | None:
        """The look-up value of a normalised personal value (E.164, ISO date, digits)."""
        if value is None:
            return None
        keyed = self._keyed.copy()
        keyed.update(f"{kind}:{value}".encode())
        return keyed.finalize()[:INDEX_BYTES]


def derived_index_key(data_key: bytes) -> bytes:
    """What makes look-up indexes where no index key is given."""
    return _derive(data_key, b"index")


def _opened(cipher: AESGCM, sealed: bytes, where: str) -> bytes:
    """Raises CannotOpen."""
    nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    if not rest:
        raise CannotOpen(where)
    try:
        return cipher.decrypt(nonce, rest, where.encode())
    except InvalidTag:
        raise CannotOpen(where) from None


def _cipher(data_key: bytes) -> AESGCM:
    return AESGCM(_derive(data_key, b"seal"))


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
