"""What a number can get: a text, a call, or nothing.

First by the numbering plan, each overseas number by that of its own region. Then by what is
remembered of it: its real kind as the provider has told (services.ports.LineTypes) or as its
refusals have shown, whether its owner wants no texts, whether it belongs to another person.

Networks are wrong at times. A mobile that was refused as a landline is tried again after
DOUBTED_AFTER, and once when its owner gives it anew. Each further refusal counts longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import phonenumbers
import structlog

from flows.session import CallerKind
from flows.understanding import NotUnderstood, telephone
from models.database import Connection
from models.messages import phone_lines
from models.messages.phone_lines import Remembered
from services.ports import Busy, LineTypes, NoAnswer, ProviderRefused
from services.store import Store

# How long the first refusal of a mobile counts, the second, and each further one.
DOUBTED_AFTER: Final = (timedelta(days=3), timedelta(days=30), timedelta(days=180))
# Where a kind comes from that a network's refusal has shown.
REFUSAL: Final = "refusal"
# After so many refusals a number is not tried for being given anew: each try is paid for.
TWICE: Final = 2
# Numbers move between networks and kinds; half a year is what the provider's own data lasts.
FRESH_FOR: Final = timedelta(days=180)

log = structlog.get_logger()


class ContactWay(StrEnum):
    """How the owner of a number can be told something."""

    TEXT = "text"
    CALL = "call"
    NONE = "none"


class PhoneKind(StrEnum):
    """What a line is."""

    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    NONE = "none"  # withheld, foreign, short, premium: neither texts nor calls of ours


@dataclass(frozen=True)
class PhoneCapabilities:
    """A number's line. `stopped`: wants no texts. `wrong`: belongs to another person."""

    kind: PhoneKind
    stopped: bool = False
    wrong: bool = False

    @property
    def text(self) -> bool:
        """Whether a text reaches the number's owner, and is wanted."""
        return self.way is ContactWay.TEXT

    @property
    def way(self) -> ContactWay:
        """The way to reach the number's owner; a call where texts are not wanted."""
        if self.wrong or self.kind is PhoneKind.NONE:
            return ContactWay.NONE
        texts = self.kind is PhoneKind.MOBILE and not self.stopped
        return ContactWay.TEXT if texts else ContactWay.CALL


def kind_of_number(number: str | None) -> PhoneKind:
    """The kind of a number (E.164) by its numbering plan alone."""
    if not number:
        return PhoneKind.NONE
    try:
        e164, kind = telephone(number)
    except NotUnderstood:
        return PhoneKind.NONE
    if kind is CallerKind.MOBILE:
        return PhoneKind.MOBILE
    exactly = phonenumbers.number_type(phonenumbers.parse(e164, None))
    return PhoneKind.VOIP if exactly == phonenumbers.PhoneNumberType.VOIP else PhoneKind.LANDLINE


def takes_texts(number: str | None) -> bool:
    """Whether a number (E.164) is a mobile by its numbering plan."""
    return kind_of_number(number) is PhoneKind.MOBILE


def line_from(
    number: str | None,
    remembered: Remembered | None,
    *,
    now: datetime,
    given_at: datetime | None = None,
) -> PhoneCapabilities:
    """The line of a number (E.164), by its plan and by what is remembered of it at a moment (UTC).

    A number that no message may reach stays so, whatever is remembered. `given_at` (UTC) is when a
    caller gave the number and asked for a text. Replies from before that do not count: an incoming
    text proves nothing, and numbers change hands.
    """
    kind = kind_of_number(number)
    if remembered is None:
        return PhoneCapabilities(kind)
    doubted = kind is PhoneKind.MOBILE and is_doubted(remembered, now, given_at)
    if kind is not PhoneKind.NONE and remembered.kind and not doubted:
        kind = PhoneKind(remembered.kind)
    said = (remembered.stopped_at, remembered.wrong_at)
    stopped, wrong = (at is not None and (given_at is None or at >= given_at) for at in said)
    return PhoneCapabilities(kind, stopped=stopped, wrong=wrong)


def is_doubted(remembered: Remembered, now: datetime, given_at: datetime | None = None) -> bool:
    """Whether what refusals have shown of a mobile is due for another try, at a moment (UTC)."""
    if remembered.source != REFUSAL or not remembered.kind:
        return False
    if remembered.refused_at is None:
        # Noted by an earlier version, without its date.
        return True
    if given_at is not None and given_at > remembered.refused_at and remembered.refusals < TWICE:
        return True
    longest = len(DOUBTED_AFTER)
    counts = DOUBTED_AFTER[min(max(remembered.refusals, 1), longest) - 1]
    return now >= remembered.refused_at + counts


def line_of(connection: Connection, store: Store, number: str | None) -> PhoneCapabilities:
    """The line of a number (E.164), with what is remembered of it: one statement."""
    if not number:
        return PhoneCapabilities(PhoneKind.NONE)
    remembered = phone_lines.get(connection, _index(store, number))
    return line_from(number, remembered, now=store.clock.now())


def way_of(connection: Connection, store: Store, number: str | None) -> ContactWay:
    """How the owner of a number (E.164) can be told something."""
    return line_of(connection, store, number).way


def stop_texts(connection: Connection, store: Store, number: str) -> None:
    """The owner of this number (E.164) wants no more texts."""
    phone_lines.mark(connection, store.clock, _index(store, number), stopped=True)


def allow_texts(connection: Connection, store: Store, number: str) -> None:
    """The owner wants texts again, and so is the person we write to."""
    phone_lines.mark(connection, store.clock, _index(store, number), stopped=False, wrong=False)


def given_anew(connection: Connection, store: Store, number: str) -> None:
    """A caller gave this number (E.164) for a booking; the doubt about its owner is cleared."""
    phone_lines.mark(connection, store.clock, _index(store, number), wrong=False)


def mark_wrong(connection: Connection, store: Store, number: str) -> None:
    """A person says that this number (E.164) is theirs and not that of the person we write to."""
    phone_lines.mark(connection, store.clock, _index(store, number), wrong=True)


def remember_kind(
    connection: Connection, store: Store, number: str, kind: PhoneKind | None, source: str
) -> None:
    """Note what a line is, as `source` (lookup, refusal) has told; None: it could not be told."""
    phone_lines.note_kind(
        connection, store.clock, _index(store, number), str(kind or ""), source=source
    )


def remember_refusal(
    connection: Connection, store: Store, number: str, *, sent_at: datetime
) -> None:
    """A text that left at a moment (UTC) met a landline, says the network that refused it."""
    index = _index(store, number)
    kind = str(PhoneKind.LANDLINE)
    phone_lines.note_refusal(connection, store.clock, index, kind, sent_at=sent_at)


def _index(store: Store, number: str) -> bytes:
    return store.vault.index("phone", number) or b""


# ---------------------------------------------------------------- asked of the provider


def look_up_line(
    store: Store, types: LineTypes, number: str, known: Remembered | None
) -> Remembered | None:
    """What is remembered of a number (E.164), after a look-up where it was not asked yet.

    Outside of any webhook: a look-up takes time. Whatever fails changes nothing: the number's plan
    says what it can get. What cannot be told is remembered too, and not asked again before
    FRESH_FOR.
    """
    if kind_of_number(number) is PhoneKind.NONE or _is_fresh(store, known):
        return known
    try:
        kind = types.kind(number)
    except (ProviderRefused, Busy, NoAnswer) as error:
        log.warning("line not looked up", error=type(error).__name__)
        return known
    with store.database.transaction() as connection:
        remember_kind(connection, store, number, PhoneKind(kind) if kind else None, "lookup")
        return phone_lines.get(connection, _index(store, number))


def _is_fresh(store: Store, known: Remembered | None) -> bool:
    if known is None:
        return False
    # What its refusals have shown is nearer to the truth than any register.
    if known.source == REFUSAL and known.kind:
        return True
    asked = known.looked_up_at
    return asked is not None and asked > store.clock.now() - FRESH_FOR
