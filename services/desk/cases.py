"""Cases at a desk: what no machine could settle is looked at by an agent who has time.

The list names no person. To open a case is to read a file, and the case is the reason; what an
agent does about it, and that it is settled, is a line of the history of what staff did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.accounts import staff as staff_rows
from models.accounts.staff import RecordedAct, Staff
from models.database import Connection
from models.desk import cases, lost_texts
from models.desk import desk as rows
from models.desk.cases import Case
from models.desk.lost_texts import LostText
from models.queue import requests
from prompts.catalogue import COUNTRY_LANGUAGE
from services.accounts.staff import read_file, record_act
from services.booking.find_booking import FoundBooking, read_booking
from services.desk.booking import BookingRefused, Refusal
from services.desk.caller_profile import BOOKED
from services.desk.search import count
from services.desk.watched import note_opened
from services.messages import phone_capabilities
from services.messages.notices import Reason
from services.messages.phone_capabilities import PhoneKind
from services.numbers.numbers import Numbers
from services.queue import typed_callback
from services.queue.promise_callback import promise
from services.queue.typed_callback import TYPED_CALLBACK
from services.store import Store

# What came of a case, in a word; words for each are below desk.case.word.
WORDS = ("reached", "changed", "unreachable", "wrong_number", "needless", "other")
RUNG, CLOSED = "case_callback", "case_closed"
SHOWN = 20
# Kinds that speak of a number, and not of an operation on a centre.
_OF_MESSAGES = frozenset({"undelivered", "unwritten"})
_OF_NUMBERS = _OF_MESSAGES | {"wrong_number", TYPED_CALLBACK}
# So many digits of a typed number are shown to agents.
_ENDING = 4


@dataclass(frozen=True)
class Open:
    """A case that waits. `rung_at` (UTC): a call by an agent was promised then, by `rung_by`.

    `topic` and `code` say what of a message that did not arrive; `why` is an operator's word
    otherwise.
    """

    id: str
    kind: str
    since: datetime
    topic: str = ""
    code: str = ""
    why: str = ""
    booking: bool = False
    rung_at: datetime | None = None
    rung_by: str = ""


@dataclass(frozen=True)
class Cases:
    """The oldest cases that wait, and how many there are."""

    shown: tuple[Open, ...]
    count: int


def waiting(connection: Connection, store: Store) -> Cases:
    """What is to be settled, oldest first."""
    found = cases.waiting(connection, limit=SHOWN, vault=store.vault)
    total = sum(cases.count_open(connection).values())
    return Cases(tuple(_open(connection, found)), total)


def _open(connection: Connection, found: Sequence[Case]) -> list[Open]:
    acts = staff_rows.newest_acts(connection, RUNG, [case.id for case in found])
    names = staff_rows.names_of(connection, {act.act.staff_id for act in acts.values()})
    return [_shown(case, acts.get(case.id), names) for case in found]


def _shown(case: Case, rung: RecordedAct | None, names: Mapping[str, str]) -> Open:
    topic, _, code = case.why.partition(" ") if case.kind in _OF_MESSAGES else ("", "", "")
    return Open(
        id=case.id,
        kind=case.kind,
        since=case.created_at,
        topic=topic,
        code=code,
        why="" if case.kind in _OF_NUMBERS else case.why,
        booking=case.booking_id is not None,
        rung_at=rung.at if rung else None,
        rung_by=names.get(rung.act.staff_id, "") if rung else "",
    )


@dataclass(frozen=True)
class OpenedCase:
    """A case with its file; `found` None: it is about no booking, or that is erased."""

    case: Open
    found: FoundBooking | None
    may_ring: bool = False
    # The end of a typed number at which a call was asked for.
    ending: str = ""
    # What a person was told, or that they were on the telephone, of which a restored store knows
    # nothing.
    lost: tuple[LostText, ...] = ()


def open_case(
    connection: Connection, store: Store, staff: Staff, case_id: str, *, read: bool = True
) -> OpenedCase | None:
    """The file of a case that waits, in the caller's transaction; None where it is closed.

    `read`: it was not shown lately, so that it is written down and counts with what was searched
    for. Raises services.desk.search.TooManyProfiles.
    """
    case = cases.get(connection, case_id, vault=store.vault)
    if case is None or case.closed_at is not None:
        return None
    (shown,) = _open(connection, [case])
    if case.request_id is not None:
        # Whose number it is, no person knows yet: there is no file to read.
        asked = requests.load(connection, store.vault, case.request_id)
        if asked is None:
            return OpenedCase(shown, None)
        return OpenedCase(shown, None, may_ring=True, ending=asked.number[-_ENDING:])
    lost = lost_texts.of_case(connection, store.vault, case.id)
    if case.booking_id is None and not lost:
        return OpenedCase(shown, None)
    if read:
        why, subject = f"case {case.kind}", case.booking_id or case.id
        count(connection, store, staff, 1, why=why)
        read_file(connection, store, staff, subject, why=why, case=case.id)
    found = read_booking(connection, store, case.booking_id) if case.booking_id else None
    if read and found is not None:
        note_opened(connection, store, staff.id, found.file)
    return OpenedCase(shown, found, _may_ring(_number_of(found, lost)), lost=tuple(lost))


def _number_of(found: FoundBooking | None, lost: Sequence[LostText]) -> str | None:
    """The number of the booking, else the one that a restored store knows nothing of."""
    number = found.file.number if found else None
    return number or (lost[0].number if lost else None)


def _may_ring(number: str | None) -> bool:
    return phone_capabilities.kind_of_number(number) is not PhoneKind.NONE


def booking_of(connection: Connection, case_id: str) -> str | None:
    """The booking that a case is about; the case itself where it has texts of none."""
    case = cases.get(connection, case_id)
    return (case.booking_id or case.id) if case else None


def ring(
    connection: Connection,
    store: Store,
    staff: Staff,
    case_id: str,
    numbers: Numbers | None = None,
) -> bool | BookingRefused:
    """Promise the person of a case a call by an agent; False where one is promised already.

    The agent who rings has the booking on their page. `numbers` know in whose queue the call waits.
    """
    case = cases.get(connection, case_id, lock=True)
    if case is None or case.closed_at is not None:
        return BookingRefused(Refusal.UNKNOWN)
    if case.request_id is not None:
        return _ring_typed(connection, store, staff, case, numbers)
    found, lost, called = None, [], None
    # An agent rings a number that was told something of which a restored store knows nothing.
    known: dict[str, Any] = {"reason": str(Reason.CASE), "language": COUNTRY_LANGUAGE}
    details: dict[str, Any] = {}
    if case.booking_id is not None:
        found = read_booking(connection, store, case.booking_id)
    else:
        lost = lost_texts.of_case(connection, store.vault, case.id)
        if not lost:
            return BookingRefused(Refusal.UNKNOWN)
    number = _number_of(found, lost)
    # An agent rings that a text said to be another person, too: only they can find out.
    if not number or not _may_ring(number):
        return BookingRefused(Refusal.NO_CALLS)
    if found is not None:
        file = found.file
        known |= {
            "language": file.language,
            "born": file.born.isoformat() if file.born else "",
            "postcode": file.postcode or "",
            rows.DRAFT: {BOOKED: [file.id]},
        }
        details = {"booking": file.id}
        called = numbers.of(file.called) if numbers and file.called else None
    kept = promise(connection, store, number, None, known, called=called)
    if kept.is_new or not staff_rows.newest_acts(connection, RUNG, [case.id]):
        details["entry"] = kept.entry_id
        record_act(connection, store, staff.id, RUNG, case.id, details=details)
    return kept.is_new


def _ring_typed(
    connection: Connection, store: Store, staff: Staff, case: Case, numbers: Numbers | None
) -> bool:
    """An agent rings a number that was typed, whose owner did not answer."""
    entry_id = typed_callback.agent_rings(connection, store, case.request_id or "", numbers)
    if entry_id is None:
        return False
    record_act(connection, store, staff.id, RUNG, case.id, details={"entry": entry_id})
    return True


def close(
    connection: Connection, store: Store, staff: Staff, case_id: str, word: str
) -> bool | BookingRefused:
    """It is settled, in a word of WORDS; False where a person has closed it before."""
    if word not in WORDS:
        return BookingRefused(Refusal.NO_WORD)
    case = cases.get(connection, case_id, lock=True)
    if case is None:
        return BookingRefused(Refusal.UNKNOWN)
    if not cases.close(connection, store.clock, case_id):
        return False
    if case.request_id is not None:
        typed_callback.agent_closes(connection, store, case.request_id)
    details = {"kind": case.kind, "booking": case.booking_id}
    record_act(connection, store, staff.id, CLOSED, case_id, why=word, details=details)
    return True
