"""What an agent sees of a caller before the first word: all that was given, and where it stopped.

It is made of the turns of the call, while they are kept (a day), else of what the line of people
remembers. Whose booking there may be is not told by the number that rings, for a line may be
shared: only what was proved or booked in this very call is shown, or what a search found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from flows.session import CallerKind, Offer, Party, Session
from flows.steps import STEPS
from flows.understanding import is_digits
from models.database import Connection
from models.desk import desk as rows
from models.desk.desk import Contact, TurnRow
from models.queue.queues import CALLBACK, QueueEntry
from services.agents.call_back import kind_of
from services.booking.find_booking import FoundBooking, read_booking
from services.booking.stand_in import behind
from services.call.resume_call import chosen_places, holders_of
from services.store import Store

# How far back earlier calls of a line are counted.
RINGS_WITHIN = timedelta(days=7)
CONTACTS_WITHIN = timedelta(hours=24)
# In a draft: the ids of what was booked for the entry at a desk, or opened by a search.
BOOKED = "booked"
# In a draft: the code of a conversation by what was done last in it at the desk.
DONE = "done"
_TYPED = frozenset("0123456789*#")
_WITH_PEOPLE = frozenset({"queue", "with_agent"})
_MISSED = frozenset({"missed", "silent"})
_DATE_DIGITS = 8
# Steps of one question, with the answer read back: what is typed there is a birth date.


@dataclass(frozen=True)
class CallerAnswer:
    """One answer of the caller. `step` is the question it was given to; `at` is UTC.

    `kind`: keys, words, silence or ring. `right` is False where we did not understand; `choice` is
    the key of a menu, for the words of what it stands for.
    """

    at: datetime
    step: str
    kind: str
    said: str
    choice: str
    right: bool
    outcome: str


@dataclass(frozen=True)
class OfferHeard:
    """A slot that the caller heard. `until` (UTC): held for them so long, by call or desk."""

    offer: Offer
    chosen: bool = False
    until: datetime | None = None


@dataclass(frozen=True)
class CallerContact:
    """Who rings. `number` is E.164, empty where it is withheld or cannot be rung.

    `rings`: how often this line did in RINGS_WITHIN, this call among them.
    """

    number: str
    kind: str
    language: str
    slow: bool
    rings: int


@dataclass(frozen=True)
class CallerDetails:
    """What the caller gave for each who comes. Empty: not yet. `born` is an ISO date.

    `number` (E.164) is where the text is to go, where that was answered.
    """

    whom: str = ""
    born: str = ""
    postcode: str = ""
    town: str = ""
    groups: tuple[str, ...] = ()
    number: str = ""
    number_answered: bool = False
    # A partner's centre that they heard of: which partner, and where.
    partner: str = ""
    partner_centre: str = ""
    # The language of the interpreter that they asked for, by ISO 639-1, or "other".
    interpreter: str = ""
    # The campaigns of which they want an appointment, by name, where several are open.
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallerProfile:
    """A caller's file. Moments are UTC; `missing` are keys of what is still to be asked."""

    entry: QueueEntry
    caller: CallerContact
    given: CallerDetails
    stopped_at: str
    heard: tuple[CallerAnswer, ...]
    offers: tuple[OfferHeard, ...]
    missing: tuple[str, ...]
    bookings: tuple[FoundBooking, ...]
    contacts: tuple[Contact, ...]
    proved: bool = False
    asked_reference: str = ""
    # False once what was said is erased.
    told: bool = True
    session: Session | None = None

    @property
    def is_callback(self) -> bool:
        """True where we ring them: another person may answer."""
        return self.entry.kind == CALLBACK

    @property
    def by_text(self) -> bool:
        """Whether they wrote texts, as who does not hear or speak well may."""
        return self.session is not None and self.session.by_text


def read_caller_profile(
    connection: Connection, store: Store, entry: QueueEntry, *, desk_holder: str = ""
) -> CallerProfile:
    """The file of an entry of the line. The page that shows it writes down that it was read."""
    calls = list(dict.fromkeys(call for call in (entry.origin_call_id, entry.call_id) if call))
    turns = [turn for call in calls for turn in rows.turns_of(connection, store.vault, call)]
    session = session_of(turns)
    known = _given(entry.known, session)
    line = store.vault.index("phone", entry.number or None)
    known_of = _Known(connection, store, entry, calls, session, line)
    bookings = known_of.bookings()
    return CallerProfile(
        entry=entry,
        caller=known_of.caller(),
        given=known,
        # The question they were at before they asked for a person, or one was given to them.
        stopped_at=str(entry.known.get("step", ""))
        if not session
        else session.resume or session.step,
        heard=tuple(heard_in(turns)),
        offers=known_of.offers(turns, desk_holder),
        missing=missing(known, session, booked=len(bookings)),
        bookings=bookings,
        contacts=known_of.contacts(),
        proved=bool(session and session.mine),
        asked_reference=session.asked if session else "",
        told=any(turn.body for turn in turns) or not calls,
        session=session,
    )


def session_of(turns: Sequence[TurnRow]) -> Session | None:
    """The newest session that is kept."""
    for turn in reversed(turns):
        if turn.body is not None:
            return Session.from_json(turn.body.session)
    return None


def heard_in(turns: Sequence[TurnRow]) -> list[CallerAnswer]:
    """What the caller answered, turn by turn."""
    found: list[CallerAnswer] = []
    for before, turn in pairwise(turns):
        # The ring of a second call; and what is heard with a person, or before one, is no answer.
        if turn.number != before.number + 1 or before.step in _WITH_PEOPLE:
            continue
        said = turn.body.heard if turn.body else ""
        kind = _kind(said) if turn.body else ""
        found.append(
            CallerAnswer(
                at=turn.at,
                step=before.step,
                kind=kind,
                said=_written(before.step, said),
                choice=said if kind == "keys" and len(said) == 1 else "",
                right=turn.outcome not in _MISSED,
                outcome=turn.outcome,
            )
        )
    return found


def _kind(said: str) -> str:
    if not said:
        return "silence"
    return "keys" if set(said) <= _TYPED else "words"


def _written(step: str, said: str) -> str:
    """What was typed, as people write it."""
    digits = said.rstrip("#")
    asked = STEPS.get(step)
    if asked and asked.takes_date and is_digits(digits) and len(digits) == _DATE_DIGITS:
        return f"{digits[:2]}/{digits[2:4]}/{digits[4:]}"
    return said


def _at(name: str, town: str) -> str:
    return ", ".join(part for part in (name, town) if part)


def _given(remembered: Mapping[str, Any], session: Session | None) -> CallerDetails:
    """From the session, or from what outlives the turns: see Session.known."""
    known = session.known if session else remembered
    answered = session.number_answered if session else bool(known.get("text_to"))
    return CallerDetails(
        whom=str(known.get("for_whom", "")),
        born=str(known.get("born", "")),
        postcode=str(known.get("postcode", "")),
        town=str(known.get("town", "")),
        groups=tuple(str(known.get("groups", "")).split()),
        number=str(known.get("text_to", "")),
        number_answered=answered,
        partner=str(known.get("partner", "")),
        partner_centre=_at(
            str(known.get("partner_centre", "")), str(known.get("partner_town", ""))
        ),
        interpreter=str(known.get("interpreter", "")),
        wanted=session.wanted if session else (),
    )


def missing(given: CallerDetails, session: Session | None, *, booked: int = 0) -> tuple[str, ...]:
    """What is still to be asked, in the order of the form."""
    wanted = 2 if given.whom == Party.TWO else 1
    if booked >= wanted:
        return ()
    found = []
    if not given.born:
        found.append("born")
    if given.whom == Party.TWO:
        found.append("second")
    if not given.postcode:
        found.append("place")
    if session is None or not 0 <= session.chosen < len(session.offers):
        found.append("slot")
    if not given.number_answered:
        found.append("number")
    return tuple(found)


@dataclass(frozen=True)
class _Known:
    """What is read of one caller; `calls` are theirs, `line` is the keyed hash of their number."""

    connection: Connection
    store: Store
    entry: QueueEntry
    calls: Sequence[str]
    session: Session | None
    line: bytes | None

    def caller(self) -> CallerContact:
        entry, session, clock = self.entry, self.session, self.store.clock
        number = entry.number or (session.caller if session else "")
        kind = str(kind_of(number) or CallerKind.NONE)
        slow = bool(session and session.slow)
        rings = 1
        if self.line:
            rings = rows.count_rings(self.connection, clock, self.line, RINGS_WITHIN)
        return CallerContact(number, kind, entry.language, slow, max(rings, 1))

    def offers(self, turns: Sequence[TurnRow], desk_holder: str) -> tuple[OfferHeard, ...]:
        """Every slot that was read out, in that order; those of before that are gone come first."""
        session, store = self.session, self.store
        found: dict[int, Offer] = {}
        for turn in turns:
            if turn.body is None or '"offers"' not in turn.body.session:
                continue
            for offer in Session.from_json(turn.body.session).offers:
                found[offer.slot_id] = offer
        if not found or session is None:
            return ()
        holders = {desk_holder, *self.calls} - {""}
        for call in self.calls:
            holders.update(holders_of(store, session, call))
        held = rows.held_by(self.connection, store.clock, sorted(holders))
        # The desk may hold another place of the slot.
        until = {held_place.slot_id: held_place.until for held_place in held}
        chosen = chosen_places(session)
        return tuple(
            OfferHeard(offer, chosen=offer.place_id in chosen[:1], until=until.get(offer.slot_id))
            for offer in found.values()
        )

    def bookings(self) -> tuple[FoundBooking, ...]:
        """What was booked in this call, by machine or desk, and what the caller proved theirs."""
        # Under these keys services.booking.confirm_booking books in a call, two at most.
        keys = [f"{call}:{suffix}" for call in self.calls for suffix in ("1", "2")]
        made = rows.bookings_of_keys(self.connection, keys)
        ids = [made[key] for key in keys if key in made]
        ids += draft_of(self.entry).get(BOOKED, [])
        if self.session is not None and self.session.mine is not None:
            ids.append(self.session.mine.id)
        found = [read_booking(self.connection, self.store, id_) for id_ in dict.fromkeys(ids)]
        # In the place of a stand-in, the booking that there is.
        real = [
            behind(self.connection, self.store, hit.file) if hit.file.is_stand_in else hit.file.id
            for hit in found
            if hit is not None
        ]
        known = {hit.file.id: hit for hit in found if hit is not None}
        files = (
            known.get(id_) or read_booking(self.connection, self.store, id_)
            for id_ in dict.fromkeys(filter(None, real))
        )
        return tuple(file for file in files if file is not None)

    def contacts(self) -> tuple[Contact, ...]:
        if self.line is None:
            return ()
        found = rows.contacts(
            self.connection,
            self.store.clock,
            self.store.vault,
            self.line,
            CONTACTS_WITHIN,
            but_calls=self.calls,
            but_entry=self.entry.id,
        )
        return tuple(found)


def draft_of(entry: QueueEntry) -> dict[str, Any]:
    """What agents filled in and did for an entry so far, see models.desk.desk.remember."""
    draft = entry.known.get(rows.DRAFT)
    return dict(draft) if isinstance(draft, dict) else {}
