"""A browser that a staff member signed in with before: it still works while strangers guess.

The browser holds a cookie of ours with a mark for each login that has signed in there. The mark
signs no user in; tries from it are counted apart. Several people may share a call centre's machine.
"""

from __future__ import annotations

import hmac

from dataclasses import dataclass
from datetime import date, timedelta

from models.crypto import Vault

KEPT = timedelta(days=180)
_MOST_LOGINS = 12
_MARK_BYTES = 6


@dataclass(frozen=True)
class Device:
    """`marks` are keyed hashes of the logins, the latest last."""

    id: str
    marks: tuple[str, ...] = ()

    def knows(self, vault: Vault, login: str) -> bool:
        return _mark(vault, login) in self.marks

    def learns(self, vault: Vault, login: str) -> Device:
        mark = _mark(vault, login)
        others = tuple(other for other in self.marks if other != mark)
        return Device(self.id, (*others, mark)[-_MOST_LOGINS:])

    def cookie(self, vault: Vault, today: date) -> str:
        text = f"{self.id}.{today.toordinal()}.{'-'.join(self.marks)}"
        return f"{text}.{_sign(vault, text)}"


def read(vault: Vault, cookie: str, today: date) -> Device | None:
    """The device of a cookie; None when the cookie is not ours or too old."""
    text, _, signature = cookie.rpartition(".")
    if not text or not hmac.compare_digest(_sign(vault, text).encode(), signature.encode()):
        return None
    device_id, day, marks = text.split(".")
    if not 0 <= today.toordinal() - int(day) <= KEPT.days:
        return None
    return Device(device_id, tuple(mark for mark in marks.split("-") if mark))


def _sign(vault: Vault, text: str) -> str:
    return (vault.index("device", text) or b"").hex()


def _mark(vault: Vault, login: str) -> str:
    return (vault.index("device login", login) or b"")[:_MARK_BYTES].hex()
