"""Who is meant at a centre's door: by a date, digits, a reference or a code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial

import pytest

from sqlalchemy import select, update

from models.booking import changes
from models.booking.tables import booking
from models.centre_day.tables import attendance
from services.accounts.staff import read_acts
from services.booking.change_booking import cancel
from services.booking.changed import By, Cancelled
from services.centre_day import secretary
from services.centre_day.find_people import FindWord, code_in
from services.centre_day.secretary import AtCentre, AttendanceState
from services.short_links import LinkKind
from services.slots.allocate import Channel
from tests.centre_day.at_the_door import (
    FAR,
    LATER,
    MORNING,
    NEXT_DAY,
    at_centre,
    books,
    finds,
    on_day,
    opens_two_centres,
)
from tests.support.house import House, a_mobile, house
from tests.support.race import at_once
from tests.support.rows import clock_of

# As scanned at a French computer by a scanner that is set to an American keyboard.
_AMERICAN = "1234567890qawzQAWZmM;:/.,-?"
_FRENCH = "&é\"'(-è_çàaqzwAQZW,?mM!:;)§"


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url, links=True) as one:
        opens_two_centres(one)
        yield one


def changed(at: AtCentre, key: str, state: AttendanceState, seen: str) -> secretary.Marked | None:
    booking_id, dose = key.split("-")
    with at.store.database.transaction() as connection:
        return secretary.mark(connection, at, booking_id, int(dose), state=state, seen=seen)


def test_people_are_found_by_what_they_say_and_only_at_their_own_centre(made: House):
    reference, _ = books(made, 78, "12031942")
    books(made, 79, "05071943")
    theirs, _ = books(made, 80, "12031942", code=FAR)
    clock_of(made).moment = MORNING
    at, other = at_centre(made), at_centre(made, "2")
    (lucette,) = finds(at, "12031942").people
    assert (lucette.born, lucette.number_ends, lucette.name) == ("1942-03-12", "78", "")
    number = a_mobile(78)
    for typed in (
        "12/03/1942", "12.3.42", "12 3 1942", "12 mars 1942", "120342", " 12-03-1942 ",
        number[-4:], f"0{number[3:]}", "06 12 00 00 78", number, "+33 6 12 00 00 78",
        reference, f"{reference[:2]} {reference[2:6]} {reference[6:]}", reference[-4:],
    ):  # fmt: skip
        found = finds(at, typed)
        assert (found.word, [one.key for one in found.people]) == ("one", [lucette.key]), typed
    assert len(finds(at, "9h").people) == 2
    # Of another centre nobody is found, by nothing that they could say.
    for typed in ("12/03/1942", theirs, a_mobile(80)[-4:]):
        assert lucette.key not in {one.key for one in finds(other, typed).people}
    for typed in (theirs, a_mobile(80)[-6:], a_mobile(80)):
        found = finds(at, typed)
        assert (found.word, list(found.people), found.values) == ("nobody", [], {}), typed
    assert finds(at, "078").word is FindWord.TOO_SHORT
    assert finds(at, "Garnier").word is FindWord.UNREAD
    # Each look is written down, with how it was done and nothing of what was typed.
    acts = [one.act for one in read_acts(made.store) if one.act.what == "find_person"]
    looks = [act for act in acts if act.staff_id == at.who.id]
    assert len(looks) == 21
    first = looks[-1]
    assert first.subject == lucette.booking_id
    assert first.details == {
        "by": "birth date", "day": "2026-11-26", "found": 1, "told": "one",
    }  # fmt: skip
    assert all("1942" not in str(act) and reference not in str(act) for act in acts)


def test_a_year_of_two_digits_is_asked_about_where_there_are_people_of_both(made: House):
    books(made, 1, "12031915")
    clock_of(made).moment = MORNING
    at = at_centre(made)
    found = finds(at, "12.3.15")
    assert (found.word, [one.born for one in found.people]) == ("one", ["1915-03-12"])
    # A child is brought with an older person; whose name was booked is not known here.
    reference, _ = books(made, 2, "05071943")
    with made.database.transaction() as connection:
        booking_id = changes.id_by_reference(connection, made.store.vault, reference)
        sealed = made.store.vault.seal_text("2015-03-12", f"booking.dob:{booking_id}")
        connection.execute(update(booking).where(booking.c.id == booking_id).values(dob_enc=sealed))
    asked = finds(at, "12.3.15")
    assert asked.word is FindWord.WHICH_YEAR
    assert list(asked.years) == [date(1915, 3, 12), date(2015, 3, 12)]
    assert [one.born for one in finds(at, "12032015").people] == ["2015-03-12"]


def test_a_code_notes_its_person_as_present_once_and_for_all(made: House):
    _, link = books(made, 78, "12031942")
    clock_of(made).moment = MORNING
    at = at_centre(made)
    found = finds(at, link)
    assert found.word is FindWord.PRESENT
    assert found.checked_in is not None
    assert (found.checked_in.state, found.values["start"]) == ("present", MORNING)
    clock_of(made).advance(timedelta(minutes=2))
    for again in (link, link.rsplit("/", 1)[1], f"{link}\n", f"{link}?lang=en"):
        told = finds(at, again)
        assert (told.word, told.values["noted"]) == ("already", MORNING)
    with made.database.statement() as connection:
        assert list(connection.execute(select(attendance.c.state)).scalars()) == ["present"]
    marks = [one for one in read_acts(made.store) if one.act.what == "attendance"]
    assert len(marks) == 1
    # Who is done is not there again by a code; who was absent has come after all.
    key = found.people[0].key
    assert changed(at, key, AttendanceState.DONE, "present").done  # type: ignore[union-attr]
    assert finds(at, link).word is FindWord.ALREADY_DONE
    assert changed(at, key, AttendanceState.PRESENT, "done").done  # type: ignore[union-attr]
    assert changed(at, key, AttendanceState.OPEN, "present").done  # type: ignore[union-attr]
    clock_of(made).advance(timedelta(minutes=2))
    assert changed(at, key, AttendanceState.ABSENT, "").done  # type: ignore[union-attr]
    assert finds(at, link).word is FindWord.PRESENT


def test_two_secretaries_who_read_the_same_code_note_one_arrival(made: House):
    _, link = books(made, 78, "12031942")
    clock_of(made).moment = MORNING
    doors = [at_centre(made) for _ in range(2)]
    told = at_once(*[partial(finds, at, link) for at in doors])
    assert sorted(found.word for found in told) == ["already", "present"]
    assert [one.act.what for one in read_acts(made.store)].count("attendance") == 1


def test_a_code_of_no_use_here_says_why(made: House):
    _, link = books(made, 78, "12031942")
    reference, gone = books(made, 79, "05071943")
    _, elsewhere = books(made, 80, "12031942", code=FAR)
    clock_of(made).moment = MORNING
    at = at_centre(made)
    with made.database.transaction() as connection:
        cancelled = cancel(
            connection,
            made.store,
            changes.id_by_reference(connection, made.store.vault, reference) or "",
            by=By("caller", Channel.PHONE),
        )
    # What has begun is not cancelled by the person.
    assert not isinstance(cancelled, Cancelled)
    clock_of(made).moment = MORNING - timedelta(hours=2)
    with made.database.transaction() as connection:
        booking_id = changes.id_by_reference(connection, made.store.vault, reference) or ""
        by = By("caller", Channel.PHONE)
        assert isinstance(cancel(connection, made.store, booking_id, by=by), Cancelled)
    clock_of(made).moment = MORNING
    assert finds(at, gone).word is FindWord.CANCELLED
    assert finds(at, reference).word is FindWord.CANCELLED
    # Of another centre: that it is one, and neither which nor when.
    told = finds(at, elsewhere)
    assert (told.word, told.people, told.values) == ("elsewhere", (), {})
    links = made.store.links
    assert links is not None
    unfinished = links.of_code("204061", MORNING + timedelta(hours=3))
    assert finds(at, unfinished).word is FindWord.UNFINISHED
    made_up = link[:-1] + ("a" if link[-1] != "a" else "b")
    assert finds(at, made_up).word is FindWord.UNKNOWN
    # On another day's list, and before or after the day itself.
    tomorrow = on_day(at, NEXT_DAY.date())
    told = finds(tomorrow, link)
    assert (told.word, told.values["start"]) == ("today", MORNING)
    clock_of(made).moment = MORNING - timedelta(days=1)
    yesterday = on_day(at, MORNING.date() - timedelta(days=1))
    told = finds(yesterday, link)
    assert (told.word, told.values["start"]) == ("other_day", MORNING)
    assert finds(at, link).word is FindWord.TOO_EARLY
    clock_of(made).moment = MORNING + timedelta(days=30)
    late = on_day(at, MORNING.date() + timedelta(days=30))
    told = finds(late, link)
    assert (told.word, told.values["start"]) == ("past", MORNING)
    # Nothing was noted by any of them.
    with made.database.statement() as connection:
        assert list(connection.execute(select(attendance.c.state))) == []
    # Erased with its person; and what only looked like a booking is none.
    with made.database.transaction() as connection:
        stand_in = update(booking).where(booking.c.id == booking_id).values(state="stand_in")
        connection.execute(stand_in)
    assert finds(late, gone).word is FindWord.STANDS_IN
    assert finds(late, reference).word is FindWord.NOBODY
    with made.database.transaction() as connection:
        erased = update(booking).where(booking.c.id == booking_id)
        connection.execute(erased.values(reference_enc=None, reference_idx=None))
    assert finds(late, gone).word is FindWord.OLD


def test_a_code_that_was_written_before_its_appointment_moved_opens_the_door(made: House):
    """The link's own day is past; the booking behind it is here and now."""
    _, link = books(made, 78, "12031942")
    clock_of(made).moment = MORNING
    links = made.store.links
    assert links is not None
    reference = made.bookings()[-1].reference
    old = links.of_booking(reference, [MORNING - timedelta(days=20)])
    assert old != link
    token = old.rsplit("/", 1)[1]
    assert links.read(LinkKind.BOOKING, token, MORNING.date()) is None
    assert finds(at_centre(made), old).word is FindWord.PRESENT


def test_a_scanner_at_a_keyboard_of_another_country_is_read():
    link = "https://allo.example/r/aQzWm0123456789"
    token = "aQzWm0123456789"
    typed = link.translate(str.maketrans(_AMERICAN, _FRENCH))
    assert typed.startswith("httpsM!!qllo:exq,ple!r!qA")
    assert code_in(typed) == code_in(link) == (LinkKind.BOOKING, token)
    assert code_in(token) == (LinkKind.BOOKING, token)
    for other in ("", "12/03/1942", "4521000001", f"{link}x", "https://allo.example/r/short"):
        assert code_in(other) is None


def test_what_was_noted_is_taken_back_by_an_act_more_and_the_counts_follow(made: House):
    _, link = books(made, 78, "12031942")
    books(made, 79, "05071943")
    clock_of(made).moment = LATER
    at = at_centre(made)
    key = finds(at, link).people[0].key
    other = next(one.key for one in secretary.read_day(at).people if one.key != key)

    def counts() -> tuple[int, ...]:
        _, one = secretary.read_marks(at)
        return (one.expected, one.present, one.done, one.absent, one.left, one.to_give)

    free = counts()[-1]
    assert counts() == (1, 1, 0, 0, 0, free)
    steps = (
        (key, AttendanceState.DONE, "present", (1, 0, 1, 0, 0, free)),
        (other, AttendanceState.ABSENT, "", (0, 0, 1, 1, 1, free + 1)),
        # Taken back, each in its turn.
        (other, AttendanceState.OPEN, "absent", (1, 0, 1, 0, 0, free)),
        (key, AttendanceState.PRESENT, "done", (1, 1, 0, 0, 0, free)),
        (key, AttendanceState.OPEN, "present", (2, 0, 0, 0, 0, free)),
    )
    for number, (whom, state, seen, expected) in enumerate(steps, 2):
        assert changed(at, whom, state, seen).done  # type: ignore[union-attr]
        assert counts() == expected
        acts = [one.act for one in read_acts(made.store) if one.act.what == "attendance"]
        # One line more, and all of those before.
        assert len(acts) == number
        assert (acts[0].details["before"], acts[0].details["after"]) == (seen, str(state))
    # Until the end of the day after; then it stays as it is.
    assert changed(at, key, AttendanceState.PRESENT, "").done  # type: ignore[union-attr]
    clock_of(made).moment = LATER + timedelta(days=1, hours=13)
    assert changed(at, key, AttendanceState.DONE, "present").done  # type: ignore[union-attr]
    clock_of(made).moment = LATER + timedelta(days=1, hours=15)
    late = changed(at, key, AttendanceState.PRESENT, "done")
    assert late is not None
    assert (late.done, late.too_early) == (False, True)
