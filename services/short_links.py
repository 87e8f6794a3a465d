"""Short links in texts: they name a booking, or a code to go on with, and prove nothing.

A link is fifteen letters and no row of a table: what it names is sealed in it, so that a made-up
link costs a computation and no question to the database. A person who has one needs the birth
date, too, and each try with one counts (`services.online.attempts`).

The seal is a synthetic initialisation vector (as in RFC 5297, with HMAC-SHA256 cut short): the tag
of what is named is the beginning of the link and makes the stream that hides the rest. A link that
is made up is right once in 2**40 times.
"""

from __future__ import annotations

import hashlib
import hmac

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
LETTERS = 15
_TAG_BYTES = 5
_NAMED_BITS, _DAY_BITS = 34, 14
_NAMED_BYTES = (_NAMED_BITS + _DAY_BITS) // 8
_BYTES = _TAG_BYTES + _NAMED_BYTES
# Days are counted from here, and end forty-four years later.
_DAY_ONE = date(2020, 1, 1)
# A link is good for so long after the last appointment that its text told of: a person who missed
# it books another one from there.
GOOD_AFTER = timedelta(days=2)


class LinkKind(StrEnum):
    """What a link names. Each kind has its own keys: a link of one is invalid as another."""

    BOOKING = "r"  # a reference of ten digits
    CODE = "s"  # a code of six digits, of a call or a web session that was not finished


@dataclass(frozen=True)
class Named:
    """What a token names (a reference or a code), and the last day (UTC) on which it is good."""

    value: str
    until: date


@dataclass(frozen=True)
class Links:
    """Makes and reads them; `base_url` is where people reach us, `secret` the service's own key."""

    base_url: str
    secret: str = field(repr=False)

    def of_booking(self, reference: str, starts: Iterable[datetime]) -> str:
        """The address of a booking, good until some days after the last of its `starts` (aware).

        Empty where there is no reference any more.
        """
        until = max((start.date() for start in starts), default=None)
        if until is None or not reference:
            return ""
        return self._address(LinkKind.BOOKING, int(reference), until + GOOD_AFTER)

    def of_code(self, code: str, until: datetime) -> str:
        """The address to go on at with a code, good for the day of `until` (UTC).

        That the code itself ran out earlier is checked where it is looked up.
        """
        return self._address(LinkKind.CODE, int(code), until.date())

    def read(self, kind: LinkKind, token: str, today: date) -> str | None:
        """The reference or the code that a token names; None for one that is not good today.

        `today` is the day in UTC.
        """
        told = self.named(kind, token)
        return told.value if told is not None and today <= told.until else None

    def named(self, kind: LinkKind, token: str) -> Named | None:
        """What a token names, though its day be past; None for one that was not made here.

        For staff alone, who have proved who they are: a centre's door is not closed to a person
        whose appointment was moved after the text was written.
        """
        sealed = _bytes(token)
        if sealed is None:
            return None
        tag, hidden = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        named = _mixed(hidden, self._stream(kind, tag))
        if not hmac.compare_digest(tag, self._tag(kind, named)):
            return None
        value = int.from_bytes(named)
        until = _DAY_ONE + timedelta(days=value & ((1 << _DAY_BITS) - 1))
        digits = 10 if kind is LinkKind.BOOKING else 6
        return Named(f"{value >> _DAY_BITS:0{digits}d}", until)

    def address(self, kind: LinkKind, token: str) -> str:
        """The address of a token, of whichever maker; empty for what has not the form of one."""
        return "" if _bytes(token) is None else f"{self.base_url}/{kind}/{token}"

    def token(self, kind: LinkKind, number: int, until: date) -> str:
        """The letters of a link."""
        days = max(0, min((until - _DAY_ONE).days, (1 << _DAY_BITS) - 1))
        named = ((number << _DAY_BITS) | days).to_bytes(_NAMED_BYTES)
        tag = self._tag(kind, named)
        value = int.from_bytes(tag + _mixed(named, self._stream(kind, tag)))
        letters = []
        for _ in range(LETTERS):
            value, letter = divmod(value, len(_ALPHABET))
            letters.append(_ALPHABET[letter])
        return "".join(reversed(letters))

    def _address(self, kind: LinkKind, number: int, until: date) -> str:
        return f"{self.base_url}/{kind}/{self.token(kind, number, until)}"

    def _tag(self, kind: LinkKind, named: bytes) -> bytes:
        return self._hash(f"short link {kind} tag", named)[:_TAG_BYTES]

    def _stream(self, kind: LinkKind, tag: bytes) -> bytes:
        return self._hash(f"short link {kind} stream", tag)[:_NAMED_BYTES]

    def _hash(self, purpose: str, told: bytes) -> bytes:
        key = hmac.digest(self.secret.encode(), purpose.encode(), hashlib.sha256)
        return hmac.digest(key, told, hashlib.sha256)


def _bytes(token: str) -> bytes | None:
    if len(token) != LETTERS or not set(token) <= _VALUES.keys():
        return None
    value = 0
    for letter in token:
        value = value * len(_ALPHABET) + _VALUES[letter]
    # Fifteen letters hold a little more than eleven bytes: what is beyond was never made here.
    return value.to_bytes(_BYTES) if value < 1 << (8 * _BYTES) else None


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
