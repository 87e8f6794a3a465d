"""Tries are counted in the database, by call, number and reference, and the counts are strict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import Connection, func, select, text
from structlog.testing import capture_logs

from flows.world import NotMine
from jobs import scheduler
from models.attempts import EVERYBODY, AttemptCountQuery, Subject, add, attempt, counts
from models.booking import changes
from models.booking.tables import booking
from models.clock import DatabaseClock
from models.supervision import alerts
from services import attempts
from services.attempts import (
    BY_TELEPHONE,
    MOST_WRONG_BORNE,
    ON_SITE,
    OWN_TRIES_A_DAY,
    TRIES_A_CALL,
    TRIES_A_DAY,
    before_look_up,
    caution,
    count_try,
)
from services.booking.find_booking import FoundBooking, find_booking
from services.online.attempts import before_try
from services.privacy.erase_data import erase_data
from tests.booking.test_changes import books
from tests.support.house import LANDLINE, MOBILE, House, a_mobile, mornings
from tests.support.rows import clock_of, on_the_wire, rows_of
from tests.support.statements import plan_of

BORN, OTHER = date(1942, 3, 12), date(1941, 3, 12)
UNKNOWN = "0000000001"
DAY = timedelta(days=1)


@pytest.fixture
def booked(service: House) -> tuple[House, str]:
    """A booking, and its reference."""
    service.opens_centre("1", starts=mornings(5))
    return service, books(service).reference


def looks(
    house: House,
    reference: str,
    born: date = BORN,
    *,
    caller: str = MOBILE,
    call_id: str = "CA-1",
) -> FoundBooking | NotMine:
    with house.database.transaction() as connection:
        return find_booking(
            connection,
            house.store,
            reference=reference,
            born=born,
            caller=caller,
            call_id=call_id,
        )


@pytest.mark.parametrize("wrong", ["reference", "birth date"])
def test_what_was_wrong_makes_no_difference(booked: tuple[House, str], wrong: str):
    house, reference = booked
    asked: Any = (UNKNOWN, BORN) if wrong == "reference" else (reference, OTHER)
    tries = [looks(house, *asked) for _ in range(TRIES_A_CALL)]
    assert tries == [NotMine.TRY_AGAIN, NotMine.TRY_AGAIN, NotMine.PERSON]


def test_known_and_unknown_send_the_same_statements(booked: tuple[House, str]):
    house, reference = booked
    sent = []
    for asked, call_id in (((reference, OTHER), "CA-1"), ((UNKNOWN, BORN), "CA-2")):
        with on_the_wire(house.database) as said:
            looks(house, *asked, call_id=call_id)
        # Values differ, and with them the lengths of lists that are expanded.
        sent.append([one.split(" WHERE ")[0][:200] for one in said])
    assert len(sent[0]) == len(sent[1])


def test_after_three_wrong_ones_a_right_one_finds_nothing_in_this_call(
    booked: tuple[House, str],
):
    house, reference = booked
    for _ in range(TRIES_A_CALL):
        looks(house, UNKNOWN, caller="")
    assert looks(house, reference, caller="") == NotMine.PERSON
    assert isinstance(looks(house, reference, caller="", call_id="CA-2"), FoundBooking)


def test_right_ones_close_nothing(booked: tuple[House, str]):
    house, reference = booked
    for number in range(2 * TRIES_A_DAY):
        assert isinstance(looks(house, reference, call_id=f"CA-{number % 2}"), FoundBooking)


def test_five_wrong_ones_a_day_close_a_number(booked: tuple[House, str]):
    house, reference = booked
    for number in range(TRIES_A_DAY):
        looks(house, f"000000000{number}", caller=LANDLINE, call_id=f"CA-{number}")
    assert looks(house, reference, caller=LANDLINE, call_id="CA-9") == NotMine.PERSON
    # Not the reference: from another line it is found.
    assert isinstance(looks(house, reference, caller=a_mobile(7), call_id="CA-10"), FoundBooking)
    clock_of(house).advance(DAY)
    assert isinstance(looks(house, reference, caller=LANDLINE, call_id="CA-11"), FoundBooking)


@pytest.mark.parametrize("guessed", ["references", "birth dates"])
def test_strangers_who_show_its_number_do_not_shut_an_owner_out(
    booked: tuple[House, str], guessed: str
):
    """A caller's number can be forged: what was guessed with it is none of its owner's."""
    house, reference = booked
    for number in range(2 * TRIES_A_DAY):
        wrong: Any = (UNKNOWN, BORN) if guessed == "references" else (reference, OTHER)
        looks(house, *wrong, call_id=f"CA-{number}")
    assert isinstance(looks(house, reference, call_id="CA-99"), FoundBooking)
    # From another line that reference is closed, where it was guessed for.
    other = looks(house, reference, caller=LANDLINE, call_id="CA-98")
    assert isinstance(other, FoundBooking) is (guessed == "references")


def test_not_even_on_its_own_line_is_a_birth_date_found_by_trying(booked: tuple[House, str]):
    house, reference = booked
    for number in range(OWN_TRIES_A_DAY):
        looks(house, reference, OTHER, call_id=f"CA-{number}")
    assert looks(house, reference, call_id="CA-99") == NotMine.PERSON
    # Nor after the third in one call.
    clock_of(house).advance(DAY)
    for _ in range(TRIES_A_CALL):
        looks(house, reference, OTHER, call_id="CA-100")
    assert looks(house, reference, call_id="CA-100") == NotMine.PERSON


def test_five_wrong_ones_a_day_close_a_reference_and_not_for_agents(booked: tuple[House, str]):
    house, reference = booked
    for number in range(TRIES_A_DAY):
        looks(house, reference, OTHER, caller=a_mobile(number), call_id=f"CA-{number}")
    assert looks(house, reference, caller=LANDLINE, call_id="CA-9") == NotMine.PERSON
    with house.database.statement() as connection:
        assert changes.find_by_reference(connection, house.store.vault, reference) is not None
    # Whoever is right while it is closed does not close it for longer.
    clock_of(house).advance(DAY)
    assert isinstance(looks(house, reference, caller=LANDLINE, call_id="CA-10"), FoundBooking)


def test_a_withheld_number_has_no_count_of_its_own(booked: tuple[House, str]):
    house, reference = booked
    for number in range(3 * TRIES_A_DAY):
        looks(house, f"00000000{number:02d}", caller="", call_id=f"CA-{number}")
    assert isinstance(looks(house, reference, caller="", call_id="CA-99"), FoundBooking)


def test_lines_that_try_at_once_have_no_more_tries_than_one_after_the_other(
    booked: tuple[House, str],
):
    house, reference = booked

    def guesses(number: int) -> FoundBooking | NotMine:
        born = BORN if number >= TRIES_A_DAY else OTHER
        return looks(house, reference, born, caller=a_mobile(number), call_id=f"CA-{number}")

    with ThreadPoolExecutor(8) as threads:
        wrong = list(threads.map(guesses, range(TRIES_A_DAY)))
        right = list(threads.map(guesses, range(TRIES_A_DAY, 3 * TRIES_A_DAY)))
    # Exactly one of the five was the last.
    assert wrong.count(NotMine.PERSON) == 1
    assert right == [NotMine.PERSON] * (2 * TRIES_A_DAY)


def test_nothing_is_looked_up_where_nothing_can_be_counted(
    booked: tuple[House, str], monkeypatch: pytest.MonkeyPatch
):
    house, reference = booked

    def broken(*_: Any, **__: Any) -> None:
        raise OSError("no room left")

    monkeypatch.setattr("models.attempts.add_each", broken)
    with pytest.raises(OSError, match="no room"):
        looks(house, reference)


@contextmanager
def reading_tries(connection: Connection) -> Iterator[list[int]]:
    """How many rows of the tries were read is appended."""
    seen: list[int] = []
    asked = text(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
        " WHERE relname = 'attempt'"
    )
    before = connection.execute(asked).scalar_one()
    yield seen
    seen.append(connection.execute(asked).scalar_one() - before)


@pytest.mark.parametrize("where", [BY_TELEPHONE, ON_SITE], ids=["telephone", "site"])
def test_a_look_up_reads_no_tries_of_others(booked: tuple[House, str], where: Subject):
    """A morning's look-ups are many: each that counted them all would take longer than the last."""
    house, reference = booked

    def read_by_one(number: int) -> int:
        with house.database.transaction() as connection, reading_tries(connection) as seen:
            if where is BY_TELEPHONE:
                tries = before_look_up(
                    connection,
                    house.store,
                    reference=reference,
                    caller=a_mobile(number),
                    call_id=f"CA-{number}",
                )
            else:
                tries = before_try(connection, house.store, what=reference, place=f"town {number}")
            count_try(connection, house.store, tries, right=True)
        return seen[0]

    alone = read_by_one(1)
    with house.database.transaction() as connection:
        for _ in range(20):
            add(connection, house.clock, [where] * 100, good=True)
    assert read_by_one(2) <= alone + 20


def test_many_wrong_ones_of_all_need_a_person_for_changes_and_raise_one_alert(service: House):
    def need() -> bool:
        with service.database.statement() as connection:
            return caution(connection, service.store).guessed

    watch = look_ups_are_watched(service)
    with capture_logs() as logs:
        for number in range(MOST_WRONG_BORNE):
            looks(service, f"{number:010d}", caller="", call_id=f"CA-{number}")
        assert (need(), watch()) == (False, 0)
        looks(service, UNKNOWN, caller="", call_id="CB-1")
        assert (need(), watch()) == (True, 1)
        looks(service, UNKNOWN, caller="", call_id="CB-2")
        assert watch() == 0
    assert told(logs) == [("look_ups_guessed", MOST_WRONG_BORNE + 1)]
    assert on_the_board(service) == {"look_ups_guessed": MOST_WRONG_BORNE + 1}
    clock_of(service).advance(attempts.LOOK_BACK)
    assert (need(), watch()) == (False, 0)
    assert on_the_board(service) == {}


def test_guessing_on_the_site_sends_no_caller_to_a_person_and_is_told_each_time(service: House):
    watch = look_ups_are_watched(service)
    with capture_logs() as logs:
        for _ in range(2):
            guesses_on_site(service, MOST_WRONG_BORNE + 1)
            assert watch() == 1
            with service.database.statement() as connection:
                assert not caution(connection, service.store).guessed
            clock_of(service).advance(attempts.LOOK_BACK)
            assert watch() == 0
    assert told(logs) == 2 * [("look_ups_guessed_site", MOST_WRONG_BORNE + 1)]


def on_the_board(house: House) -> dict[str, float]:
    with house.database.statement() as connection:
        return {alert.name: alert.value for alert in alerts.raised(connection)}


def look_ups_are_watched(house: House) -> Callable[[], int]:
    """The task of the scheduler, as it makes it."""
    tasks = scheduler.tasks(house.store, None, {}.get)  # type: ignore[arg-type]
    (watch,) = [task.do for task in tasks if task.name == "look_ups"]
    return watch


def guesses_on_site(house: House, count: int) -> None:
    for number in range(count):
        with house.database.transaction() as connection:
            tries = before_try(connection, house.store, what=f"{number:010d}", place="a town")
            count_try(connection, house.store, tries, right=False)


def told(logs: Sequence[Any]) -> list[tuple[str, int]]:
    assert {log["log_level"] for log in logs if log["event"] == "alert"} == {"error"}
    return [(log["alert"], log["wrong"]) for log in logs if log["event"] == "alert"]


def test_where_nearly_all_are_right_a_few_dozen_wrong_ones_are_none():
    assert not attempts.too_many(MOST_WRONG_BORNE + 1, 10_000)
    assert attempts.too_many(101, 10_000)


# A hundred lines day and night, a call of three tries in twenty seconds; three million bookings and
# birth dates of thirty years.
TRIES = 100 * TRIES_A_CALL * DAY.total_seconds() / 20
CHANCE = 3_000_000 / 10**10 / (30 * 365)


def test_guessing_references_stays_hopeless():
    """docs/decisions/0010: what is changed below the price, and what is heard above it."""
    cheap = MOST_WRONG_BORNE * (DAY / attempts.LOOK_BACK) * CHANCE
    assert cheap < 0.0005
    assert TRIES * CHANCE < 0.05


def test_no_row_says_what_was_tried_and_all_are_forgotten(booked: tuple[House, str]):
    house, reference = booked
    looks(house, reference)
    rows = rows_of(house.database, select(attempt))
    known = {MOBILE.encode(), reference.encode(), BORN.isoformat().encode()}
    index = rows_of(house.database, select(booking.c.reference_idx))[0][0]
    assert {row.kind for row in rows} == {"call", "caller", "reference", "all"}
    assert not {row.subject_idx for row in rows} & known
    assert index in {row.subject_idx for row in rows}
    clock_of(house).advance(2 * DAY + timedelta(seconds=1))
    assert erase_data(house.store)["tries"] == len(rows)
    assert rows_of(house.database, select(func.count()).select_from(attempt)) == [(0,)]


def test_tries_of_days_are_not_read_to_count_those_of_minutes(service: House):
    """All tries together are one subject: whoever looks something up would read them all."""
    everybody = Subject("all", EVERYBODY)
    # The database's own clock, of which a planner knows nothing beforehand.
    clock = DatabaseClock()
    now = clock.now() - timedelta(seconds=30)
    with service.database.transaction() as connection:
        rows = [
            {
                "kind": "all",
                "subject_idx": EVERYBODY,
                "at": now - timedelta(minutes=n),
                "good": True,
            }
            for n in range(2000)
        ]
        connection.execute(attempt.insert(), rows)
    asked = [
        AttemptCountQuery(everybody, timedelta(minutes=5), failed=failed)
        for failed in (True, False)
    ]
    with service.database.statement() as connection:
        connection.exec_driver_sql("ANALYZE attempt")
        assert counts(connection, clock, asked) == [0, 5]
        plan = plan_of(connection, lambda: counts(connection, clock, asked))
    # The wrong ones and all of them come from one look.
    assert sum("Index Cond" in line and "(at > " in line for line in plan) == 1, plan
    assert not any("Seq Scan" in line for line in plan)
