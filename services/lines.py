"""What a number can get: a text, a call, or nothing.

First by the numbering plan, each overseas number by that of its own region; then by what is
remembered of it: its real kind as the provider has told (services.ports.LineTypes) or as its
refusals have shown, whether somebody there wants no texts, whether it is somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import phonenumbers

from flows.session import CallerKind
from flows.understanding import NotUnderstood, telephone
from models import phone_lines
from models.database import Connection
from models.phone_lines import Remembered
from services.store import Store


class Way(StrEnum):
    """How somebody at a number can be told something."""

    TEXT = "text"
    CALL = "call"
    NONE = "none"


class Kind(StrEnum):
    """What a line is."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    NONE = "none"  # withheld, foreign, short, premium: neither texts nor calls of ours


@dataclass(frozen=True)
class Line:
    """A number's line. `stopped`: wants no texts. `wrong`: belongs to somebody else."""

    kind: Kind
    stopped: bool = False
    wrong: bool = False

    @property
    def text(self) -> bool:
        """Whether a text reaches whoever is there, and is wanted."""
        return self.way is Way.TEXT

    @property
    def way(self) -> Way:
        """The way to whoever is there; a call where texts are not wanted."""
        if self.wrong or self.kind is Kind.NONE:
            return Way.NONE
        return Way.TEXT if self.kind is Kind.MOBILE and not self.stopped else Way.CALL


def kind_of_number(number: str | None) -> Kind:
    """The kind of a number (E.164) by its numbering plan alone."""
    if not number:
        return Kind.NONE
    try:
        e164, kind = telephone(number)
    except NotUnderstood:
        return Kind.NONE
    if kind is CallerKind.MOBILE:
        return Kind.MOBILE
    exactly = phonenumbers.number_type(phonenumbers.parse(e164, None))
    return Kind.VOIP if exactly == phonenumbers.PhoneNumberType.VOIP else Kind.LANDLINE


def takes_texts(number: str | None) -> bool:
    """Whether a number (E.164) is a mobile by its numbering plan."""
    return kind_of_number(number) is Kind.MOBILE


def line_from(
    number: str | None, remembered: Remembered | None, *, given_at: datetime | None = None
) -> Line:
    """The line of a number (E.164), by its plan and by what is remembered of it.

    A number that nothing of ours may reach stays so, whatever is remembered. `given_at` (UTC) is
    when somebody gave it and asked for a text: what was said there before that is past, for a text
    that comes in proves nothing, and numbers change hands.
    """
    kind = kind_of_number(number)
    if remembered is None:
        return Line(kind)
    if kind is not Kind.NONE and remembered.kind:
        kind = Kind(remembered.kind)
    said = (remembered.stopped_at, remembered.wrong_at)
    stopped, wrong = (at is not None and (given_at is None or at >= given_at) for at in said)
    return Line(kind, stopped=stopped, wrong=wrong)


def line_of(connection: Connection, store: Store, number: str | None) -> Line:
    """The line of a number (E.164), with what is remembered of it: one statement."""
    if not number:
        return Line(Kind.NONE)
    return line_from(number, remembered_of(connection, store, number))


def remembered_of(connection: Connection, store: Store, number: str) -> Remembered | None:
    """What is remembered of a number (E.164)."""
    return phone_lines.get(connection, _index(store, number))


def way_of(connection: Connection, store: Store, number: str | None) -> Way:
    """How somebody at a number (E.164) can be told something."""
    return line_of(connection, store, number).way


def stop_texts(connection: Connection, store: Store, number: str) -> None:
    """Somebody at this number (E.164) wants no more texts."""
    phone_lines.mark_stopped(connection, store.clock, _index(store, number), stopped=True)


def allow_texts(connection: Connection, store: Store, number: str) -> None:
    """They want them again, and so they are who is written to."""
    phone_lines.mark_right(connection, store.clock, _index(store, number))
    phone_lines.mark_stopped(connection, store.clock, _index(store, number), stopped=False)


def given_anew(connection: Connection, store: Store, number: str) -> None:
    """Somebody gave this number (E.164) for a booking and agreed to it, after all that was said."""
    phone_lines.mark_right(connection, store.clock, _index(store, number))


def mark_wrong(connection: Connection, store: Store, number: str) -> None:
    """Somebody says that this number (E.164) is theirs and not of whom we write to."""
    phone_lines.mark_wrong(connection, store.clock, _index(store, number))


def remember_kind(
    connection: Connection, store: Store, number: str, kind: Kind | None, source: str
) -> None:
    """Note what a line is, as `source` (lookup, refusal) has told; None: it could not be told."""
    phone_lines.note_kind(
        connection, store.clock, _index(store, number), str(kind or ""), source=source
    )


def _index(store: Store, number: str) -> bytes:
    return store.vault.index("phone", number) or b""
