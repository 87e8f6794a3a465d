"""Hours are what was said: what was opened before is found, closed, and its people are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from sqlalchemy import select

from models.booking.tables import appointment
from models.centres.tables import centre
from models.slots.tables import place, slot
from models.supervision import alerts
from services.centre_day.said_hours import find_outside
from services.centre_day.watch_hours import WatchHours
from tests.centre_day.test_centre_life import PARIS_ZONE, books, told
from tests.support.command_line import Flask, command_line
from tests.support.house import House
from tests.support.imports import centre_row, write_centres
from tests.support.rows import rows_of

# NOON is a Wednesday; the slots are those of Thursday on.
FIRST, DAYS = date(2026, 11, 26), 8
PARIS = {
    "com_cp": "75011",
    "com_insee": "75111",
    "com_nom": "Paris 11e",
    "lat_coor1": "48.860",
    "long_coor1": "2.379",
}
MORNINGS = "mon-fri 09:00-12:00"
WHY = ("--why", "le matin seulement")


@pytest.fixture
def flask(service: House) -> Flask:
    return command_line(service)


@pytest.fixture
def live(service: House, flask: Flask, tmp_path: Path) -> list[str]:
    """Centre 1 and 2 are open all day; forty people are booked at the first, half past noon."""
    rows = [centre_row(gid, **PARIS) for gid in ("1", "2")]
    flask("centres", "import", write_centres(tmp_path / "directory.csv", rows))
    week = "mon-fri 09:00-12:00 14:00-17:00"
    flask("centres", "take", "1", "2", "--hours", week, "--capacity", 4, "--minutes", 30)
    flask("slots", "open", "--all", "--from", FIRST, "--days", DAYS)
    return [
        books(service, "1", at(FIRST, hour, minute))
        for hour in (9, 10, 14, 15, 16)
        for minute in (0, 30)
        for _ in range(4)
    ]


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), tzinfo=PARIS_ZONE).astimezone(UTC)


def bookable_outside(service: House, gid: str = "1") -> list[datetime]:
    """Starts of places in the afternoon that are not blocked."""
    statement = (
        select(slot.c.start_at)
        .join(place, place.c.slot_id == slot.c.id)
        .where(slot.c.centre_id == gid, ~place.c.blocked)
    )
    starts = [row.start_at.astimezone(PARIS_ZONE) for row in rows_of(service.database, statement)]
    return [start for start in starts if not time(9) <= start.time() < time(12)]


def starts_of(service: House) -> dict[str, datetime]:
    statement = select(appointment.c.booking_id, appointment.c.start_at)
    return {
        row.booking_id: row.start_at.astimezone(PARIS_ZONE)
        for row in rows_of(service.database, statement)
    }


def test_hours_that_are_narrowed_are_named_with_their_people(flask: Flask, live: list[str]):
    took = flask("centres", "take", "1", "--hours", MORNINGS)
    assert took.exit_code == 0
    # Six days of six slots in the afternoon, of four places each.
    assert "centre 1: 144 open places of 36 slots, 24 of them booked, lie outside" in took.stderr
    assert "`flask slots keep-to-hours --centre 1 --why TEXT`" in took.stderr
    for said in (
        flask("slots", "outside").stdout,
        flask("slots", "open", "--centre", "1", "--from", FIRST, "--days", 1).stderr,
        flask("setup", "--check").stderr,
    ):
        assert "centre 1: 144 open places of 36 slots, 24 of them booked" in said


def test_these_hours_only_leaves_no_place_outside_and_tells_each_person(
    service: House, flask: Flask, live: list[str]
):
    dry = flask("centres", "take", "1", "--hours", MORNINGS, "--only", *WHY, "--dry-run")
    assert "dry run, nothing is changed: 24 booked, 24 moved" in dry.stdout
    assert bookable_outside(service)
    assert rows_of(service.database, select(centre.c.our_hours).where(centre.c.id == "1"))[
        0
    ].our_hours.count("14:00")

    done = flask("centres", "take", "1", "--hours", MORNINGS, "--only", *WHY, "--yes")
    assert done.exit_code == 0, done.stderr
    assert "24 booked, 24 moved; 144 places blocked" in done.stdout
    assert bookable_outside(service) == []
    moved = [booking_id for booking_id in live if told(service, booking_id)]
    assert len(moved) == 24
    # Each has one place, and none of the first centre's is in its afternoon.
    assert sorted(live) == sorted(starts_of(service))
    here = select(place.c.start_at).where(place.c.centre_id == "1", place.c.booking_id.is_not(None))
    for row in rows_of(service.database, here):
        assert time(9) <= row.start_at.astimezone(PARIS_ZONE).time() < time(12)
    assert flask("slots", "outside").exit_code == 0
    # The same once more has nothing to do.
    again = flask("slots", "keep-to-hours", "--centre", "1", *WHY, "--yes")
    assert again.exit_code == 1
    assert "has no open place outside its hours" in again.stderr


def test_it_is_taken_back(service: House, flask: Flask, live: list[str]):
    before = starts_of(service)
    flask("centres", "take", "1", "--hours", MORNINGS)
    flask("slots", "keep-to-hours", "--centre", "1", *WHY, "--yes")
    assert starts_of(service) != before
    listed = flask("operations", "list").stdout
    (id_,) = [line.split()[0] for line in listed.splitlines() if "hours_outside" in line]
    assert flask("operations", "undo", id_, "--yes").exit_code == 0
    assert starts_of(service) == before


def test_a_capacity_that_is_cut_moves_only_those_who_do_not_fit(
    service: House, flask: Flask, live: list[str]
):
    flask("centres", "take", "1", "--capacity", 3)
    (found,) = find_outside(service.database, service.clock)
    # A place of each of six days' twelve slots; ten of them have four people.
    assert (found.places, found.booked) == (72, 10)
    done = flask("slots", "keep-to-hours", "--centre", "1", *WHY, "--yes")
    assert "10 booked, 10 moved; 72 places blocked" in done.stdout


def test_what_was_told_apart_is_meant(service: House, flask: Flask, live: list[str]):
    saturday = FIRST + timedelta(days=2)
    opened = ("slots", "open", "--centre", "1", "--from", saturday, "--days", 1)
    flask(*opened, "--hours", "09:00-12:00", "--every", 30, "--capacity", 1)
    assert find_outside(service.database, service.clock) == []
    # Also where slots that are there are said once more.
    flask("centres", "take", "1", "--hours", "mon-wed 09:00-12:00 14:00-17:00; fri 09:00-12:00")
    (before,) = find_outside(service.database, service.clock)
    thursday = ("slots", "open", "--centre", "1", "--from", FIRST, "--days", 1)
    flask(*thursday, "--hours", "14:00-17:00", "--every", 30, "--capacity", 4)
    (after,) = find_outside(service.database, service.clock)
    assert before.places - after.places == 24


def test_a_centre_that_a_file_leaves_out_is_closed_and_given_back(
    service: House, flask: Flask, live: list[str], tmp_path: Path
):
    file = tmp_path / "centres.csv"
    file.write_text("gid,hours\n2,mon-fri 09:00-12:00 14:00-17:00\n")
    named = flask("centres", "take", "--from", file)
    assert "1 centres of ours are not in it, and stay ours: 1" in named.stderr
    done = flask("centres", "take", "--from", file, "--only", *WHY, "--yes")
    assert "40 booked, 40 moved" in done.stdout
    assert all(told(service, booking_id) for booking_id in live)
    modes = {row.id: row.booking_mode for row in rows_of(service.database, select(centre))}
    assert modes["1"] != "ours"
    assert modes["2"] == "ours"


def test_the_board_says_so_until_it_is_done(service: House, flask: Flask, live: list[str]):
    watch = WatchHours(service.store)
    assert watch() == 0
    flask("centres", "take", "1", "--hours", MORNINGS)
    assert watch() == 1
    assert watch() == 0
    with service.database.statement() as connection:
        (alert,) = alerts.raised(connection)
        assert (alert.name, alert.value) == ("outside_hours", 144)
    flask("slots", "keep-to-hours", "--centre", "1", *WHY, "--yes")
    watch()
    with service.database.statement() as connection:
        assert alerts.raised(connection) == []


def test_outside_refuses_a_centre_that_is_not_ours(flask: Flask, live: list[str]):
    refused = flask("slots", "outside", "--centre", "404")
    assert refused.exit_code == 1
    assert "centre 404 is not booked for here" in refused.stderr
    assert flask("slots", "outside", "--centre", "2").exit_code == 0


def test_without_a_reason_nothing_is_closed(service: House, flask: Flask, live: list[str]):
    refused = flask("centres", "take", "1", "--hours", MORNINGS, "--only")
    assert refused.exit_code == 2
    assert "say --why" in refused.stderr
    assert find_outside(service.database, service.clock) == []
