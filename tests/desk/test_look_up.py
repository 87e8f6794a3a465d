"""A look-up at a desk: what it asks of the database, and its limit when two open at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from sqlalchemy import text

from models import attempts, libpq
from services.accounts.staff import read_acts
from services.attempts import subject
from services.desk.search import (
    MOST_FILES,
    Criteria,
    TooManyProfiles,
    open_found,
    search,
)
from tests.desk.test_desk import KNOWN, MASKED, Desk, booked, busy, desk, idle, opens
from tests.support.house import MOBILE, House
from tests.support.rows import as_in_production
from tests.support.until import comes

__all__ = ["busy", "desk"]

BORN = date(1942, 3, 12)


@pytest.fixture
def made(service: House) -> House:
    return service


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements went to PostgreSQL together, for each round trip."""
    seen: list[int] = []
    run_all, command = libpq.Prepared.run_all, libpq.command

    def together(self: libpq.Prepared, asked: Sequence[Any], **how: Any) -> Any:
        seen.append(len(self.waiting) + len(asked))
        return run_all(self, asked, **how)

    def alone(driver: Any, sql: bytes) -> None:
        seen.append(1)
        command(driver, sql)

    monkeypatch.setattr(libpq.Prepared, "run_all", together)
    monkeypatch.setattr(libpq, "command", alone)
    return seen


def test_a_look_up_is_a_few_round_trips(busy: Desk, trips: list[int]):
    if busy.made.database.is_sqlite:
        pytest.skip("SQLite is in the same process")
    booked(busy)
    as_in_production(busy.made)
    other = idle(busy)
    opens(other, other.does("/chercher", **KNOWN))
    # Of the helper that sends the form, one more each: whom the agent has on the line.
    trips.clear()
    found = other.does("/chercher", **KNOWN)
    # Whose session it is; how many files there were, and who is meant; the act, with COMMIT.
    assert trips == [1, 1, 3, 1]
    trips.clear()
    assert "12 mars 1942" in opens(other, found)
    # What was found, the lock and how many files there were, the booking, its appointments, changes
    # and messages; its centre, with the try and the act; the act's reason, with COMMIT.
    assert trips == [1, 1, 8, 3, 1]


def test_of_two_that_are_opened_at_once_one_is_beyond_the_limit(busy: Desk):
    """Each waits for the other, and then counts it: the booking is read, and not shown."""
    made = busy.made
    if made.database.is_sqlite:
        pytest.skip("SQLite has one writer at a time")
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

    waiting = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
    )
    with ThreadPoolExecutor(2) as pool:
        with made.database.transaction() as connection:
            attempts.wait_for_others(connection, [who])
            both = [pool.submit(opened) for _ in range(2)]
            with made.database.statement() as looks:
                assert comes(lambda: looks.execute(waiting).scalar_one() == 2)
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
