"""`flask bookings`: export, show, cancel, restore, move."""

from __future__ import annotations

import csv
import io
import json

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from commands import operator
from commands.bookings import DAY
from models.accounts.tables import staff_act
from models.booking import changes
from models.booking.changes import BookingDetails
from models.booking.tables import booking
from services.booking.confirm_booking import Booked
from services.slots.give_back import UNDO_WITHIN
from tests.support.approvals import for_two
from tests.support.house import LANDLINE, MOBILE, NOON, House, campaign_with, mornings
from tests.support.rows import (
    booked_places,
    change,
    clock_of,
    holds,
    orders,
    request_for,
    rows_of,
)

HEADER = "reference,channel,centre_id,centre_name,start,dose,state,created_at"


@pytest.fixture
def town(service: House) -> House:
    """Two centres, a campaign of two doses, and one person booked at the nearer one."""
    service.campaign = campaign_with(doses=2, horizon_days=60)
    service.app = service.application()
    for gid in ("1", "2"):
        service.opens_centre(gid, kilometres=float(gid), starts=mornings(40))
    return service


@pytest.fixture
def booked(town: House) -> BookingDetails:
    return books(town)


def books(house: House, holder: str = "CA-1", **changes_: Any) -> BookingDetails:
    held = holds(house, holder, campaign=house.campaign)[0]
    request = replace(request_for(held, holder), **{"number": MOBILE, **changes_})
    done = orders(house, request)
    assert isinstance(done, Booked)
    with house.database.statement() as connection:
        found = changes.find_by_reference(connection, house.store.vault, done.reference)
    assert found is not None
    return found


def run(house: House, *arguments: str) -> str:
    result = house.app.test_cli_runner().invoke(args=["bookings", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def exports_people(house: House) -> str:
    """With a supervisor who confirms it."""
    arguments = ["bookings", "export", "--with-people"]
    result = for_two(house, lambda: house.app.test_cli_runner().invoke(args=arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(house: House, *arguments: str, code: int = 1) -> str:
    result = house.app.test_cli_runner().invoke(args=["bookings", *arguments])
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr.strip()


# ---------------------------------------------------------------- export


def test_the_export_is_what_the_contract_says(town: House, booked: BookingDetails):
    assert run(town, "export").splitlines() == [
        HEADER,
        (
            f"{booked.reference},phone,1,Salle des fêtes,2026-11-26T10:00+01:00,1,confirmed,"
            "2026-11-25T08:00:00+00:00"
        ),
        (
            f"{booked.reference},phone,1,Salle des fêtes,2026-12-17T10:00+01:00,2,confirmed,"
            "2026-11-25T08:00:00+00:00"
        ),
    ]


def test_people_are_told_on_demand_and_at_the_end(town: House, booked: BookingDetails):
    books(town, "desk-1", number=LANDLINE, name="Durand, Jeanne")
    rows = list(csv.DictReader(io.StringIO(exports_people(town))))
    assert ",".join(rows[0]) == f"{HEADER},born,phone,name,postcode"
    # No spreadsheet takes a number for a formula.
    assert {row["phone"] for row in rows} == {f"'{MOBILE}", f"'{LANDLINE}"}
    assert {row["name"] for row in rows} == {"", "Durand, Jeanne"}
    assert {(row["born"], row["postcode"]) for row in rows} == {("1942-03-12", "75011")}
    assert MOBILE not in run(town, "export")


def test_a_name_that_was_typed_as_a_formula_is_none(town: House):
    books(town, "desk-1", number=LANDLINE, name='=HYPERLINK("https://x.example")')
    (row, *_) = csv.DictReader(io.StringIO(exports_people(town)))
    assert row["name"] == '\'=HYPERLINK("https://x.example")'


def test_who_reads_people_at_the_command_line_is_in_the_history_of_acts(
    town: House, booked: BookingDetails
):
    run(town, "export")
    run(town, "show", booked.reference)
    exports_people(town)
    run(town, "show", booked.reference, "--with-people")
    run(town, "cancel", booked.reference, "--why", "ill")
    acts = [one for one in acts_of(town)[::-1] if not one.what.startswith("approval")]
    assert [(one.what, one.subject) for one in acts] == [
        ("bookings_exported", "bookings"),
        ("booking_shown", booked.id),
        ("people_exported", "bookings"),
        ("person_shown", booked.id),
        ("booking_changed", booked.id),
    ]
    assert {one.staff_id for one in acts} == {"operator"}
    assert [json.loads(one.details) for one in acts] == [{"by": operator.name()}] * len(acts)


def acts_of(town: House) -> list[Any]:
    """The newest first; `staff_act` is all that is kept of who read what."""
    with town.database.statement() as connection:
        return list(connection.execute(select(staff_act).order_by(staff_act.c.id.desc())))


def test_each_dose_is_exported_with_its_own_centre(town: House, booked: BookingDetails):
    run(town, "cancel", booked.reference, "--dose", "2", "--why", "ill")
    run(
        town, "move", booked.reference, "--first", "2026-11-30T10:00", "--centre", "2", "--why", "x"
    )
    rows = list(csv.DictReader(io.StringIO(run(town, "export"))))
    assert [(row["dose"], row["centre_id"], row["state"]) for row in rows] == [
        ("1", "2", "confirmed"),
        ("2", "1", "cancelled"),
    ]


def test_what_is_erased_is_empty(town: House, booked: BookingDetails):
    gone = dict.fromkeys(
        ("reference_enc", "reference_idx", "dob_enc", "phone_enc", "name_enc", "postcode")
    )
    change(town.database, update(booking).values(erased_at=NOON, **gone))
    rows = list(csv.DictReader(io.StringIO(exports_people(town))))
    people = ("reference", "born", "phone", "name", "postcode")
    assert {row[one] for row in rows for one in people} == {""}


# ---------------------------------------------------------------- show


def test_show_tells_all_but_who(town: House, booked: BookingDetails):
    run(town, "move", booked.reference, "--second", "2026-12-20T10:00", "--why", "flooded")

    told = run(town, "show", booked.reference)

    where = "Salle des fêtes, 75011 Paris 11e (centre 1)"
    assert told.splitlines() == [
        "state: confirmed, version 2",
        "campaign: tests",
        "booked: 2026-11-25T08:00:00+00:00 by phone",
        (f"dose 1: confirmed, 2026-11-26T10:00+01:00, {where}, place {booked.live[0].place_id}"),
        (
            f"dose 2: confirmed, 2026-12-20T10:00+01:00, {where}, "
            f"place {booked.live[1].place_id + 3}"
        ),
        "history:",
        "  2026-11-25T08:00:00+00:00 booked by caller (phone)",
        (
            "  2026-11-25T08:00:00+00:00 moved by operator (supervisor), flooded: "
            "dose 1 kept 2026-11-26T09:00:00+00:00; dose 2 moved 2026-12-20T09:00:00+00:00"
        ),
    ]


def test_show_tells_who_on_demand(town: House, booked: BookingDetails):
    spaced = " ".join(booked.reference)
    told = run(town, "show", spaced, "--with-people").splitlines()
    assert {"born: 1942-03-12", f"phone: {MOBILE}", "postcode: 75011", "rank: 1"} <= set(told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "0000000000"),
        ("show", "nonsense"),
        ("cancel", "0000000000", "--why", "x"),
        ("restore", "0000000000", "--why", "x"),
        ("move", "0000000000", "--first", "2026-12-01T10:00", "--why", "x"),
    ],
)
def test_an_unknown_reference_is_one_sentence(town: House, arguments: tuple[str, ...]):
    said = fails(town, *arguments)
    assert said == "Error: no booking has this reference (an erased one has none)"


# ---------------------------------------------------------------- cancel, restore, move


def test_cancel_and_restore(town: House, booked: BookingDetails):
    assert run(town, "cancel", booked.reference, "--why", "moved away").splitlines() == [
        "dose 1: cancelled (2026-11-26T09:00:00+00:00)",
        (
            "dose 2: cancelled, for its interval counts from the first dose"
            " (2026-12-17T09:00:00+00:00)"
        ),
    ]
    assert booked_places(town.database) == 0
    assert "it is cancelled already" in fails(town, "cancel", booked.reference, "--why", "again")
    assert len(run(town, "restore", booked.reference, "--why", "mistaken").splitlines()) == 2
    assert booked_places(town.database) == 2
    run(town, "cancel", booked.reference, "--dose", "2", "--why", "ill")
    clock_of(town).advance(UNDO_WITHIN + timedelta(minutes=1))
    assert "more than ten minutes" in fails(town, "restore", booked.reference, "--why", "x")
    assert booked_places(town.database) == 1


def test_the_second_alone(town: House, booked: BookingDetails):
    said = run(town, "cancel", booked.reference, "--dose", "2", "--why", "ill").splitlines()
    assert said[0].startswith("dose 1: stays; its second dose is missing now")


def test_move(town: House, booked: BookingDetails):
    said = run(
        town, "move", booked.reference, "--first", "2026-12-02T10:00", "--centre", "2", "--why", "x"
    )
    assert said.splitlines() == [
        "dose 1: moved (2026-12-02T09:00:00+00:00)",
        "dose 2: moved along with the first dose (2026-12-23T09:00:00+00:00)",
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--second", "2027-01-02T10:00"), "not be as far apart"),
        (("--first", "2026-12-02T10:07"), "centre 1 has no slot at 2026-12-02T10:07"),
        (("--first", "2026-12-02T10:00", "--centre", "9"), "there is no centre 9"),
        (("--first", "2026-11-26T10:00"), "it is there already"),
    ],
)
def test_what_cannot_move_says_why(
    town: House, booked: BookingDetails, options: tuple[str, ...], why: str
):
    assert why in fails(town, "move", booked.reference, *options, "--why", "x")
    with town.database.statement() as connection:
        assert changes.load(connection, town.store.vault, booked.id) == booked


def test_options_that_make_no_sense(town: House, booked: BookingDetails):
    said = fails(town, "move", booked.reference, "--why", "x", code=2)
    assert "--first, --second or both" in said
    said = fails(town, "cancel", booked.reference, "--why", "x" * 81, code=2)
    assert "1 to 80 letters" in said


def test_a_campaign_that_is_no_more_can_still_be_cancelled(town: House, booked: BookingDetails):
    change(town.database, update(booking).values(campaign="spring"))
    said = fails(town, "move", booked.reference, "--first", "2026-12-02T10:00", "--why", "x")
    assert "the campaign spring" in said
    run(town, "cancel", booked.reference, "--why", "x")
    assert booked_places(town.database) == 0


def test_the_list_of_a_day_is_by_the_hour_and_that_it_was_read_is_recorded(
    town: House, booked: BookingDetails
):
    start = booked.appointments[0].start_at
    words = ["bookings", "day", "--centre", "1", "--date", f"{start:%Y-%m-%d}"]
    run = town.app.test_cli_runner().invoke
    (found,) = csv.DictReader(io.StringIO(run(args=words).stdout))
    assert found.keys() == set(DAY)
    assert (found["reference_ends"], found["dose"], found["state"]) == (
        booked.reference[-4:],
        "1",
        "expected",
    )
    assert found["start"].endswith("+01:00")
    (found,) = csv.DictReader(io.StringIO(run(args=[*words, "--with-people"]).stdout))
    assert found["born"] == "1942-03-12"
    acts = select(staff_act.c.what, staff_act.c.subject).where(staff_act.c.what == "day_exported")
    assert [tuple(row) for row in rows_of(town.database, acts)] == 2 * [("day_exported", "1")]
    words[-1] = f"{start + timedelta(days=1):%Y-%m-%d}"
    assert run(args=words).stdout.splitlines() == [",".join(DAY)]


def test_a_day_of_no_centre_or_of_no_date_is_one_sentence(town: House):
    run = town.app.test_cli_runner().invoke
    refused = run(args=["bookings", "day", "--centre", "404", "--date", "2026-12-03"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "there is no centre 404" in refused.stderr
    assert run(args=["bookings", "day", "--centre", "1", "--date", "demain"]).exit_code == 2
