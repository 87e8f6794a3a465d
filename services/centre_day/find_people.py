"""Find people of a centre's day at its door: by birth date, number, reference, or a code they show.

Only this centre's own people are found, and no person learns by it where else a person is booked.
Each look for a person is a line of the history of acts, with how it was done and nothing of what
was typed. A code is the link of a text as a picture (`services.short_links`): a person who shows it
is there, so that they are noted as present at once.
"""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from flows.understanding.dates import dates
from models.booking import changes
from models.booking.changes import BookedAppointment, BookingDetails
from models.centre_day import attendance
from models.centre_day.attendance import Comes, Wanted
from models.database import Connection
from services.centre_day.secretary import AtCentre, AttendanceState, mark, today_of
from services.short_links import LETTERS, LinkKind
from services.store import REFERENCE_DIGITS
from services.vocabulary import vocabulary

FOUND: Final = "find_person"
# Fewer digits would find half of a day's people.
FEWEST_DIGITS: Final = 4
LONGEST: Final = 200
_LINK = re.compile(rf"/([rs])/([0-9A-Za-z]{{{LETTERS}}})(?:[/?#].*)?$")
_TOKEN = re.compile(rf"[0-9A-Za-z]{{{LETTERS}}}")
_HOUR = re.compile(r"([0-9]{1,2})\s*[h:]\s*([0-9]{2})?")
# What people write between digits.
_BETWEEN = re.compile(r"[\s.\u00a0\u202f+()/-]+")
# What a French keyboard makes of the keys that a scanner set to an American one presses.
_FRENCH: Final = "&é\"'(-è_çàaqzwAQZW,?mM!:;)§"
_AMERICAN: Final = "1234567890qawzQAWZmM;:/.,-?"
_AS_TYPED = str.maketrans(_FRENCH, _AMERICAN)


class FoundBy(StrEnum):
    """By what a person was looked for, as the history of acts says it."""

    CODE = "code"
    BIRTH_DATE = "birth date"
    DIGITS = "digits"
    HOUR = "hour"
    NOTHING = "nothing that could be read"


class FindWord(StrEnum):
    """What a look came to: a key of the page's words."""

    ONE = "one"
    SEVERAL = "several"
    NOBODY = "nobody"
    WHICH_YEAR = "which_year"
    TOO_SHORT = "too_short"
    UNREAD = "unread"
    # Of a code.
    PRESENT = "present"
    ALREADY = "already"
    ALREADY_DONE = "already_done"
    GIVEN_AWAY = "given_away"
    TOO_EARLY = "too_early"
    CANCELLED = "cancelled"
    PAST = "past"
    TODAY = "today"
    OTHER_DAY = "other_day"
    ELSEWHERE = "elsewhere"
    STANDS_IN = "stands_in"
    UNFINISHED = "unfinished"
    OLD = "old"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class FoundPeople:
    """Who was found, and what is to be said: a word with the moments (UTC) that fill it.

    `checked_in` is the person that a code noted as present, or who was so already. `years` are the
    birth dates that a year of two digits may mean, where there are people of both.
    """

    word: FindWord
    people: Sequence[Comes] = ()
    values: Mapping[str, datetime] = field(default_factory=dict)
    checked_in: Comes | None = None
    years: Sequence[date] = ()


def find_people(connection: Connection, at: AtCentre, typed: str, language: str) -> FoundPeople:
    """Find who is meant by what was typed or scanned, in the caller's transaction.

    `language` is that of the page ("fr"), in which a month may be written.
    """
    text = typed.strip()[:LONGEST]
    code = code_in(text)
    if code is not None:
        return _by_code(connection, at, *code)
    hour = _HOUR.fullmatch(text.lower())
    digits = _BETWEEN.sub("", text)
    if hour:
        return _at_hour(connection, at, *hour.groups())
    today = today_of(at.day.centre, at.store.clock.now())
    births = dates(text, vocabulary(language), today)
    is_digits = digits.isascii() and digits.isdecimal()
    # A date in its parts is one; digits in one go may be the end of a number, too.
    may_be_ends = is_digits and (text.isdecimal() or not births)
    ends = digits if may_be_ends and len(digits) >= FEWEST_DIGITS else ""
    if not births and not ends:
        word = FindWord.TOO_SHORT if is_digits else FindWord.UNREAD
        return _told(connection, at, FoundBy.NOTHING, FoundPeople(word))
    wanted = Wanted(frozenset(birth.isoformat() for birth in births), ends)
    people = _found(connection, at, wanted)
    by = FoundBy.BIRTH_DATE if births else FoundBy.DIGITS
    if not people and len(ends) == REFERENCE_DIGITS:
        return _by_reference(connection, at, ends)
    seen = {person.born for person in people}
    years = [birth for birth in births if birth.isoformat() in seen]
    if len(years) > 1:
        return _told(connection, at, by, FoundPeople(FindWord.WHICH_YEAR, people, years=years))
    return _told(connection, at, by, FoundPeople(_word_for(people), people))


def code_in(text: str) -> tuple[LinkKind, str] | None:
    """The kind and the letters of a link in what was scanned; None where there is none.

    A scanner presses keys: one that is set to an American keyboard, at a computer with a French
    one, types other letters, which are turned back.
    """
    for read in (text, text.translate(_AS_TYPED)):
        link = _LINK.search(read)
        if link:
            return LinkKind(link[1]), link[2]
    return (LinkKind.BOOKING, text) if _TOKEN.fullmatch(text) else None


def _word_for(people: Sequence[Comes]) -> FindWord:
    if len(people) > 1:
        return FindWord.SEVERAL
    return FindWord.ONE if people else FindWord.NOBODY


def _found(connection: Connection, at: AtCentre, wanted: Wanted) -> list[Comes]:
    day = at.day
    return attendance.day(connection, at.store.vault, day.centre.id, day.window, wanted)


def _at_hour(connection: Connection, at: AtCentre, hour: str, minute: str | None) -> FoundPeople:
    starts = f"{int(hour):02d}:{minute or ''}"
    people = [
        person
        for person in attendance.day(connection, at.store.vault, at.day.centre.id, at.day.window)
        if f"{person.start_at.astimezone(at.day.zone):%H:%M}".startswith(starts)
    ]
    return _told(connection, at, FoundBy.HOUR, FoundPeople(_word_for(people), people))


def _told(
    connection: Connection,
    at: AtCentre,
    by: FoundBy,
    found: FoundPeople,
    subject: str = "",
) -> FoundPeople:
    """What is said, once it is written down that a person was looked for."""
    if len(found.people) == 1:
        subject = found.people[0].booking_id
    day = at.day.day.isoformat()
    told = str(found.word)
    at.record(connection, FOUND, subject, by=str(by), day=day, found=len(found.people), told=told)
    return found


# ---------------------------------------------------------------- a code, or a whole reference


def _by_reference(connection: Connection, at: AtCentre, reference: str) -> FoundPeople:
    """A person of this centre who is not on the day's list; of other centres none is found."""
    booking_id = changes.id_by_reference(connection, at.store.vault, reference)
    file = changes.load(connection, at.store.vault, booking_id) if booking_id else None
    here = (
        [appointment for appointment in file.appointments if _is_here(at, appointment)]
        if file
        else []
    )
    if file is None or not here or file.is_stand_in:
        return _told(connection, at, FoundBy.DIGITS, FoundPeople(FindWord.NOBODY))
    return _told(connection, at, FoundBy.DIGITS, _not_today(at, file), file.id)


def _by_code(connection: Connection, at: AtCentre, kind: LinkKind, token: str) -> FoundPeople:
    named = at.store.links.named(kind, token) if at.store.links else None
    if named is None:
        return _told(connection, at, FoundBy.CODE, FoundPeople(FindWord.UNKNOWN))
    if kind is LinkKind.CODE:
        return _told(connection, at, FoundBy.CODE, FoundPeople(FindWord.UNFINISHED))
    booking_id = changes.id_by_reference(connection, at.store.vault, named.value)
    file = changes.load(connection, at.store.vault, booking_id) if booking_id else None
    if file is None:
        # Of so long ago that the reference was erased, or of another database.
        return _told(connection, at, FoundBy.CODE, FoundPeople(FindWord.OLD))
    first, end = at.day.window
    due = [
        appointment
        for appointment in file.live
        if _is_here(at, appointment) and first <= appointment.start_at < end
    ]
    if file.is_stand_in or not due:
        return _told(connection, at, FoundBy.CODE, _not_today(at, file), file.id)
    return _check_in(connection, at, file.id, due[0].dose)


def _check_in(connection: Connection, at: AtCentre, booking_id: str, dose: int) -> FoundPeople:
    """Note the person of a code as present, unless they are noted as done.

    The same code again changes nothing.
    """
    before = attendance.lock(connection, at.day.centre.id, booking_id, dose)
    state = AttendanceState(before.state if before else "")
    values: dict[str, datetime] = {}
    word = FindWord.ALREADY_DONE if state is AttendanceState.DONE else FindWord.ALREADY
    if state not in {AttendanceState.PRESENT, AttendanceState.DONE}:
        made = mark(
            connection, at, booking_id, dose, state=AttendanceState.PRESENT, seen=str(state)
        )
        word = FindWord.PRESENT
        if made is None or not made.done:
            word = FindWord.TOO_EARLY
        elif made.given:
            word = FindWord.GIVEN_AWAY
    person = next(
        booked
        for booked in attendance.day(connection, at.store.vault, at.day.centre.id, at.day.window)
        if (booked.booking_id, booked.dose) == (booking_id, dose)
    )
    values["start"] = person.start_at
    if person.noted_at is not None:
        values["noted"] = person.noted_at
    checked = None if word is FindWord.TOO_EARLY else person
    found = FoundPeople(word, [person], values, checked_in=checked)
    return _told(connection, at, FoundBy.CODE, found)


def _is_here(at: AtCentre, one: BookedAppointment) -> bool:
    return one.centre_id == at.day.centre.id


def _not_today(at: AtCentre, file: BookingDetails) -> FoundPeople:
    """Why a person is not on the list of this day, as far as this centre is concerned."""
    if file.is_stand_in:
        return FoundPeople(FindWord.STANDS_IN)
    here = [appointment.start_at for appointment in file.live if _is_here(at, appointment)]
    if not file.live:
        return FoundPeople(FindWord.CANCELLED)
    if not here:
        return FoundPeople(FindWord.ELSEWHERE)
    now, zone = at.store.clock.now(), ZoneInfo(at.day.centre.time_zone)
    today = today_of(at.day.centre, now)
    days = [(start.astimezone(zone).date(), start) for start in here]
    for day, start in days:
        if day == today:
            return FoundPeople(FindWord.TODAY, values={"start": start})
    ahead = [start for day, start in days if day > today]
    if ahead:
        return FoundPeople(FindWord.OTHER_DAY, values={"start": ahead[0]})
    return FoundPeople(FindWord.PAST, values={"start": days[-1][1]})
