"""A look-up at a desk: what it asks of the database, and its limit when two open at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from sqlalchemy import text

from models import attempts
from models.accounts import staff as staff_rows
from models.booking import changes
from services.accounts import staff as accounts
from services.accounts.staff import read_acts
from services.attempts import subject
from services.booking.find_booking import read_booking
from services.desk.search import (
    MOST_FILES,
    Criteria,
    TooManyProfiles,
    open_found,
    search,
)
from tests.desk.test_desk import HTMX, KNOWN, MASKED, Desk, booked, busy, desk, idle, opens
from tests.support.house import MOBILE, House
from tests.support.locks import WAITING_ADVISORY
from tests.support.rows import as_in_production, clock_of, on_the_wire
from tests.support.until import comes

__all__ = ["busy", "desk"]

BORN = date(1942, 3, 12)


@pytest.fixture
def made(service: House) -> House:
    return service


def found_id(desk: Desk) -> str:
    """The id of the booking that a search finds."""
    (booking_id,) = MASKED.findall(idle(desk).does("/chercher", **KNOWN))
    return str(booking_id)


@pytest.mark.direct
def test_a_look_up_is_a_few_round_trips(busy: Desk):
    booked(busy)
    as_in_production(busy.made)
    other = idle(busy)
    opens(other, other.does("/chercher", **KNOWN))
    with on_the_wire(busy.made.database) as sent:
        found = other.does("/chercher", **KNOWN)
    # The helper that sends the form asks whom the agent has on the line. Then whose session it is;
    # between BEGIN and COMMIT whom they have, how many files there were, who is meant, the act.
    assert len(sent) <= 8, sent
    with on_the_wire(busy.made.database) as sent:
        assert "12 mars 1942" in opens(other, found)
    # The same, but: the lock, what was found, the lock and how many files there were, the try, the
    # act and its reason, the booking, its appointments, changes, centre and messages.
    assert len(sent) <= 17, sent


def test_an_act_has_its_number_only_where_something_was_found(busy: Desk):
    """And once: a member of staff may have searched for the same several times."""
    made = busy.made
    booked(busy)
    known = found_id(busy)
    other = idle(busy)
    for _ in range(3):
        other.does("/chercher", **KNOWN)

    def numbers() -> int:
        with made.database.statement() as connection:
            asked = text("SELECT last_value FROM staff_act_id_seq")
            return int(connection.execute(asked).scalar_one())

    before = numbers()
    nothing = {"booking_id": "0" * 32, "reason": "asked"}
    answer = other.client.post("/poste/chercher/ouvrir", data=nothing, headers=HTMX)
    assert (answer.status_code, numbers()) == (404, before)
    assert "12 mars 1942" in other.does("/chercher/ouvrir", booking_id=known, reason="asked")
    assert numbers() == before + 1
    newest = read_acts(made.store)[0]
    assert (newest.number, newest.act.what, newest.act.why) == (before + 1, "read_file", "asked")


def test_no_booking_is_looked_for_by_as_many_statements(busy: Desk):
    booked(busy)
    known = found_id(busy)
    sent = {}
    # What is prepared once is prepared before.
    for booking_id in (known, known, changes.NO_FILE.id):
        with (
            on_the_wire(busy.made.database) as said,
            busy.made.database.transaction() as connection,
        ):
            read_booking(connection, busy.made.store, booking_id)
        sent[booking_id] = len(said)
    assert sent[changes.NO_FILE.id] == sent[known] > 0


def test_of_two_that_are_opened_at_once_one_is_beyond_the_limit(busy: Desk):
    """Each waits for the other, and then counts it: the booking is read, and not shown."""
    made = busy.made
    booked(busy)
    staff = idle(busy).staff
    who = subject(made.store, "desk_file", "staff", staff.id)
    known = Criteria(number=MOBILE, born=BORN, postcode="75011")
    with made.database.transaction() as connection:
        (found,) = search(connection, made.store, staff, known, on_line=False)
        attempts.add(connection, made.store.clock, [who] * (MOST_FILES - 1), good=True)

    def opened() -> bool:
        with made.database.transaction() as connection:
            try:
                shown = open_found(
                    connection, made.store, staff, found.id, reason="asked", on_line=False
                )
            except TooManyProfiles:
                return False
            return shown is not None

    with ThreadPoolExecutor(2) as pool:
        with made.database.transaction() as connection:
            attempts.wait_for_others(connection, [who])
            both = [pool.submit(opened) for _ in range(2)]
            with made.database.statement() as looks:
                assert comes(lambda: len(looks.execute(WAITING_ADVISORY).all()) == 2)
        assert sorted(one.result() for one in both) == [False, True]
    acts = [one.act.what for one in read_acts(made.store) if one.act.staff_id == staff.id]
    assert sorted(acts) == ["read_file", "search_limit", "searched"]


def test_what_was_asked_before_the_limits_is_not_shown_beyond_them(busy: Desk):
    booked(busy)
    other = idle(busy)
    found = other.does("/chercher", **KNOWN)
    (booking_id,) = MASKED.findall(found)
    who = subject(busy.made.store, "desk_file", "staff", other.staff.id)
    with busy.made.database.transaction() as connection:
        attempts.add(connection, busy.made.store.clock, [who] * MOST_FILES, good=True)
    shown = [other.does("/chercher", **KNOWN), opens(other, found)]
    shown.append(other.does("/chercher/ouvrir", booking_id=booking_id, reason="because"))
    too_few = KNOWN | {"postcode": ""}
    shown.append(other.does("/chercher", **too_few))
    for one in shown:
        assert "1942" not in one
        assert booking_id not in one
    acts = [one.act for one in read_acts(busy.made.store) if one.act.staff_id == other.staff.id]
    assert sorted(one.what for one in acts) == ["search_limit", "searched"]


# ---------------------------------------------------------------- whose session it is


def ends_session(other: Desk) -> None:
    kept = other.client.get_cookie(other.client.cookie)
    assert kept is not None
    with other.made.database.transaction() as connection:
        staff_rows.end_session(connection, other.made.clock, kept.value)


def is_disabled(other: Desk) -> None:
    accounts.disable(other.made.store, other.staff.login)


def has_another_role(other: Desk) -> None:
    accounts.change_role(other.made.store, other.staff.login, "supervisor")


def has_another_password(other: Desk) -> None:
    accounts.give_password(other.made.store, other.staff.login, "long enough for anybody")


def is_away(other: Desk) -> None:
    """An agent at whose page nobody was seen for an hour; the process saw a poll of it just now."""
    clock_of(other.made).advance(timedelta(hours=1, seconds=1))


ENDED = pytest.mark.parametrize(
    "ends", [ends_session, is_disabled, has_another_role, has_another_password, is_away]
)


def acts_of(desk: Desk) -> list[str]:
    return sorted(
        one.act.what for one in read_acts(desk.made.store) if one.act.staff_id == desk.staff.id
    )


@ENDED
def test_whose_session_is_over_finds_and_opens_nothing(busy: Desk, ends: Callable[[Desk], None]):
    """The worker knew the session a moment ago, and looks at its row."""
    booked(busy)
    other = idle(busy)
    (booking_id,) = MASKED.findall(other.does("/chercher", **KNOWN))
    before = acts_of(other)
    ends(other)
    form = {"booking_id": booking_id, "reason": "asked"}
    # By a script, and without one.
    for headers in (HTMX, {"Accept": "text/html"}):
        for path, sent in (("/chercher/ouvrir", form), ("/chercher", KNOWN)):
            answer = other.posts(path, headers, **sent)
            assert answer.status_code == 401, path
            assert "1942" not in answer.text
            assert booking_id not in answer.text
            assert other.staff.name not in answer.text
    # Nor is it told what is there.
    unknown = form | {"booking_id": "f" * 32}
    assert other.posts("/chercher/ouvrir", headers, **unknown).status_code == 401
    assert [one for one in acts_of(other) if one in {"searched", "read_file"}] == before
    with busy.made.database.statement() as connection:
        who = subject(busy.made.store, "desk_file", "staff", other.staff.id)
        asked = [attempts.AttemptCountQuery(who, timedelta(days=1), failed=False)]
        assert attempts.counts(connection, busy.made.clock, asked) == [0]


def test_a_look_up_is_a_sign_of_its_agent(busy: Desk):
    """For hours nothing else is asked: each minute it is written down that somebody is there."""
    booked(busy)
    other = idle(busy)
    for _ in range(6):
        clock_of(busy.made).advance(timedelta(minutes=25))
        opens(other, other.does("/chercher", **KNOWN))
