"""A centre closes, a day, an hour moves, capacity is cut: whoever is booked there is not lost."""

from __future__ import annotations

import threading

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest

from click.testing import CliRunner, Result
from sqlalchemy import func, select, update

from commands import centres as centres_commands
from commands import operations as operations_commands
from commands import slots as slots_commands
from models.all_tables import metadata
from models.booking import changes, history
from models.booking.changes import BookingDetails
from models.centre_day import operations
from models.centre_day.operations import holds_id, ids_in, with_ids
from models.centres.centres import CentreState
from models.centres.tables import centre
from models.desk import cases
from models.slots.tables import place, slot
from models.waiting_list.waiting import Waiter
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.verify_store import verify_store
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.move_people import MoveOutcome
from services.centre_day.operation import LifeRefused, LifeReport, OperationKind, OperationRequest
from services.centres.directory import Directory
from services.slots.allocate import Allocate, Channel, Chosen, Holder
from services.slots.offer import offer_at
from services.waiting_list.entries import join
from services.work import Work
from tests.support.approvals import for_two
from tests.support.house import NOON, House, campaign_with, mornings
from tests.support.imports import centre_row, write_centres
from tests.support.race import at_once
from tests.support.rows import (
    booked_places,
    change,
    clock_of,
    doubles,
    holds,
    knows_postcode,
    near,
    opens_centre_at,
    rows_of,
)
from tests.support.statements import plan_of

PARIS_ZONE = ZoneInfo("Europe/Paris")
WHY = OperationRequest("la salle est inondée")
TWO_DOSES = campaign_with(doses=2)
# Wednesday 25 November 2026 is NOON; the week after begins on Monday 30.
MONDAY = date(2026, 11, 30)


# ---------------------------------------------------------------- the story's means


def life(house: House) -> CentreLife:
    return CentreLife(
        house.store,
        Campaigns.fixed(house.campaign),
        directory=Directory(house.database, centres_fresh_seconds=0),
    )


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of the clocks in Paris, as UTC."""
    return datetime.combine(day, time(hour, minute), tzinfo=PARIS_ZONE).astimezone(UTC)


def slot_at(house: House, gid: str, start: datetime) -> int:
    statement = select(slot.c.id).where(slot.c.centre_id == gid, slot.c.start_at == start)
    return int(rows_of(house.database, statement)[0].id)


ANYWHERE = CentreState("1", "", "", "", "", "Europe/Paris")
_NUMBERS = iter(range(10_000_000, 99_999_999))


def books(
    house: House,
    gid: str,
    *starts: datetime,
    number: str | None = "",
    born: date = date(1942, 3, 12),
) -> str:
    """Somebody with a telephone of their own is booked at these times; gives the booking's id."""
    number = f"+336{next(_NUMBERS)}" if number == "" else number
    holder = f"CA-{next(_NUMBERS)}"
    channel_holder = Holder(Channel.PHONE, holder)
    with house.database.transaction() as connection:
        allocator = Allocate(Work(connection, house.store, house.campaign), channel_holder)
        held = [allocator.hold_slot(slot_at(house, gid, start)) for start in starts]
        assert all(held)
        booked = confirm_booking(
            Work(connection, house.store, house.campaign),
            Request(
                holder=channel_holder,
                offer=offer_at(ANYWHERE, *(one for one in held if one)),
                born=born,
                postcode="75011",
                number=number,
                text_to=None,
            ),
            catalogue=house.phone().words,
            national_number="+33974750001",
        )
        assert isinstance(booked, Booked)
        found = changes.find_by_reference(connection, house.store.vault, booked.reference)
    assert found is not None
    return found.id


def file_of(house: House, booking_id: str) -> BookingDetails:
    with house.database.statement() as connection:
        found = changes.load(connection, house.store.vault, booking_id)
    assert found is not None
    return found


def where(house: House, booking_id: str) -> list[tuple[int, str, datetime]]:
    return [(o.dose, o.centre_id, o.start_at) for o in file_of(house, booking_id).live]


def lines(house: House, booking_id: str) -> list[tuple[str, str]]:
    with house.database.statement() as connection:
        found = history.of_booking(connection, booking_id, house.store.vault)
    return [(line.change.what, line.change.why) for line in found]


def told(house: House, booking_id: str) -> list[str]:
    """The kinds of what the outbox has for somebody."""
    return [row.kind for row in house.messages() if row.booking_id == booking_id]


def open_cases(house: House) -> Counter[str]:
    with house.database.statement() as connection:
        found = cases.waiting(connection, limit=1000)
    return Counter(one.booking_id or "" for one in found)


def free_at(house: House, gid: str) -> int:
    statement = select(func.count()).where(
        place.c.centre_id == gid, place.c.booking_id.is_(None), ~place.c.blocked
    )
    return int(rows_of(house.database, statement)[0][0])


def everything(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with house.database.statement() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def is_sound(house: House) -> None:
    said: list[str] = []
    verify_store(house.store, [house.campaign], limit=10, say=said.append)
    assert said == []
    assert doubles(house.database) == 0


def nobody_is_lost(house: House, gid: str, report: LifeReport, booked: Sequence[str]) -> None:
    """Everybody is elsewhere or a case, with a line of history and a message."""
    assert set(report.fates) == set(booked)
    waiting = open_cases(house)
    for booking_id, fate in report.fates.items():
        centres = {one.centre_id for one in file_of(house, booking_id).live}
        assert centres
        if fate is MoveOutcome.MOVED:
            assert gid not in centres
            assert booking_id not in waiting
            assert lines(house, booking_id)[-1] == ("moved", WHY.why)
            assert told(house, booking_id) == ["booking_changed"]
        else:
            assert fate is MoveOutcome.CASE
            assert gid in centres
            assert waiting[booking_id] == 1
            assert lines(house, booking_id)[-1] == ("case", WHY.why)
            assert told(house, booking_id) == ["case"]
    assert free_at(house, gid) == 0
    is_sound(house)


# ---------------------------------------------------------------- a centre closes


@pytest.fixture(params=[4, pytest.param(20, marks=pytest.mark.long)])
def many(request: pytest.FixtureRequest) -> int:
    """How many moments each of the five mornings of centre 1 has."""
    return int(request.param)


@pytest.fixture
def people(service: House, many: int) -> list[str]:
    """Two booked at each moment of centre 1; the others have places for three in four of them."""
    starts = [
        start + timedelta(minutes=5 * n) for start in mornings(5, first=5) for n in range(many)
    ]
    service.opens_centre("1", kilometres=0.4, starts=starts, capacity=3)
    service.opens_centre("2", kilometres=4.1, starts=starts[: len(starts) // 2], capacity=2)
    service.opens_centre("3", kilometres=12.2, starts=mornings(5, first=12), capacity=many // 2)
    return [books(service, "1", start) for start in starts for _ in range(2)]


def test_a_centre_at_which_many_are_booked_closes_and_opens_again(
    service: House, people: list[str]
):
    quarter = len(people) // 4
    before = {one: where(service, one) for one in people}

    report = life(service).close_centre("1", WHY)

    fates = {MoveOutcome.MOVED: 3 * quarter, MoveOutcome.CASE: quarter}
    assert Counter(report.fates.values()) == fates
    assert report.blocked == 6 * quarter
    nobody_is_lost(service, "1", report, people)
    assert booked_places(service.database) == 4 * quarter
    # The same week goes before a later one, even farther away.
    gone_to = Counter(where(service, one)[0][1] for one in people)
    assert gone_to == {"1": quarter, "2": 2 * quarter, "3": quarter}
    assert [one.centre.id for one in near(service)] == ["2", "3"]
    found = life(service).find(report.operation_id)
    # Ids only, and thousands of places as ranges.
    assert len(found.details["blocked"]) == 1
    assert set(found.details["bookings"]) == set(people)
    shown = list(life(service).lines_of(found))
    assert Counter(line.what for _, line in shown) == {"moved": 3 * quarter, "case": quarter}

    undone = life(service).undo(report.operation_id, OperationRequest(""))

    fates = {MoveOutcome.BACK: 3 * quarter, MoveOutcome.CASE_CLOSED: quarter}
    assert Counter(undone.fates.values()) == fates
    assert {one: where(service, one) for one in people} == before
    assert not open_cases(service)
    assert free_at(service, "1") == 2 * quarter
    assert [one.centre.id for one in near(service)] == ["1", "2", "3"]
    assert all(told(service, one)[-1] == "booking_changed" for one in people)
    is_sound(service)

    state = everything(service)
    again = life(service).undo(report.operation_id, OperationRequest(""))
    assert again.nothing_to_do
    assert everything(service) == state


def test_a_dry_run_counts_the_same_and_changes_nothing(service: House, people: list[str]):
    quarter = len(people) // 4
    state = everything(service)
    dry = life(service).close_centre("1", replace(WHY, dry_run=True))
    assert everything(service) == state
    fates = {MoveOutcome.MOVED: 3 * quarter, MoveOutcome.CASE: quarter}
    assert Counter(dry.fates.values()) == fates
    assert dry.last_line() == (
        f"dry run, nothing is changed: {4 * quarter} booked, {3 * quarter} moved, {quarter} cases"
        f" for an agent; {6 * quarter} places blocked, 0 opened"
    )

    done = life(service).close_centre("1", WHY)
    assert Counter(done.fates.values()) == Counter(dry.fates.values())

    state = everything(service)
    back = life(service).undo(done.operation_id, OperationRequest("", dry_run=True))
    assert everything(service) == state
    fates = {MoveOutcome.BACK: 3 * quarter, MoveOutcome.CASE_CLOSED: quarter}
    assert Counter(back.fates.values()) == fates


@pytest.mark.parametrize("after", [0, 1, 7, 19])
def test_what_was_stopped_goes_on(service: House, after: int):
    starts = mornings(10, first=5)
    service.opens_centre("1", starts=starts, capacity=2)
    service.opens_centre("2", kilometres=4.1, starts=starts)
    booked = [books(service, "1", start) for start in starts for _ in range(2)]

    with pytest.raises(KeyboardInterrupt):
        life(service).close_centre("1", replace(WHY, watch=stopped(after)))
    assert booked_places(service.database) == 20
    begun = life(service).newest(limit=2)
    assert [one.details["done"] for one in begun] == [False]

    report = life(service).close_centre("1", WHY)

    assert report.operation_id == begun[0].id
    assert Counter(report.fates.values()) == {MoveOutcome.MOVED: 10, MoveOutcome.CASE: 10}
    nobody_is_lost(service, "1", report, booked)
    assert all(len(lines(service, one)) == 2 for one in booked)
    with pytest.raises(LifeRefused, match="closed already"):
        life(service).close_centre("1", WHY)

    with pytest.raises(KeyboardInterrupt):
        life(service).undo(report.operation_id, OperationRequest("", watch=stopped(after)))
    with pytest.raises(LifeRefused, match=r"being undone|closed already"):
        life(service).close_centre("1", WHY)
    undone = life(service).undo(report.operation_id, OperationRequest(""))
    assert Counter(undone.fates.values()) == {MoveOutcome.BACK: 10, MoveOutcome.CASE_CLOSED: 10}
    assert all(len(lines(service, one)) == 3 for one in booked)
    assert booked_places(service.database) == 20
    is_sound(service)


def stopped(after: int) -> Any:
    """A progress that is killed when so many bookings are done."""

    @contextmanager
    def watch(_what: str, _total: int) -> Any:
        done = Counter[str]()
        if not after:
            raise KeyboardInterrupt

        def progress(count: int) -> None:
            done["all"] += count
            if done["all"] >= after:
                raise KeyboardInterrupt

        yield progress

    return watch


def test_what_is_past_stays(service: House):
    service.opens_centre("1", starts=mornings(3))
    service.opens_centre("2", kilometres=2, starts=mornings(3))
    first, later = books(service, "1", mornings(1)[0]), books(service, "1", mornings(2)[1])
    clock_of(service).advance(timedelta(days=1, hours=2))
    report = life(service).close_centre("1", WHY)
    assert report.fates == {later: MoveOutcome.MOVED}
    assert where(service, first) == [(1, "1", mornings(1)[0])]
    assert report.blocked == 2


def test_whoever_cannot_be_told_is_a_case(service: House):
    service.opens_centre("1", starts=mornings(3))
    service.opens_centre("2", kilometres=2, starts=mornings(3))
    nobody = books(service, "1", mornings(1)[0], number=None)
    report = life(service).close_centre("1", WHY)
    assert report.fates == {nobody: MoveOutcome.CASE}
    assert told(service, nobody) == []
    assert open_cases(service)[nobody] == 1


def test_nobody_is_sent_beyond_the_radius_or_over_a_sea(service: House):
    service.opens_centre("1", starts=mornings(3))
    service.opens_centre("far", kilometres=160, starts=mornings(3))
    opens_centre_at(service, "island", 48.9, 2.4, territory="corse", starts=mornings(3))
    booked = books(service, "1", mornings(1)[0])
    assert life(service).close_centre("1", WHY).fates == {booked: MoveOutcome.CASE}


def test_the_distance_is_from_where_the_person_lives(service: House):
    service.opens_centre("1", starts=mornings(3, first=5))
    opens_centre_at(service, "north", 49.5, 2.378, starts=mornings(3, first=5))
    opens_centre_at(service, "south", 48.6, 2.378, starts=mornings(3, first=5))
    knows_postcode(service, "60000", 49.6, 2.378, "metropole")
    southern = books(service, "1", mornings(1, first=5)[0])
    northern = books(service, "1", mornings(2, first=5)[1])
    change(
        service.database,
        update(metadata.tables["booking"]).values(postcode="60000").where(
            metadata.tables["booking"].c.id == northern
        ),
    )  # fmt: skip
    life(service).close_centre("1", WHY)
    assert where(service, southern)[0][1] == "south"
    assert where(service, northern)[0][1] == "north"


def test_nobody_has_less_than_a_day_to_hear_of_an_earlier_time(service: House):
    booked_for = mornings(1, first=6)[0]
    soon = NOON + timedelta(hours=20)
    service.opens_centre("1", starts=[booked_for])
    service.opens_centre("2", kilometres=2, starts=[soon])
    one = books(service, "1", booked_for)
    report = life(service).close_centre("1", WHY)
    assert report.fates == {one: MoveOutcome.CASE}


def test_nobody_is_moved_to_a_day_before_the_birthday_that_lets_them_in(service: House):
    # 75 on Tuesday 1 December, and booked for that Wednesday.
    booked_for = at(MONDAY + timedelta(days=2), 10)
    service.opens_centre("1", starts=[booked_for])
    service.opens_centre(
        "2", kilometres=2, starts=[at(MONDAY, 10), at(MONDAY + timedelta(days=4), 10)]
    )
    young = books(service, "1", booked_for, born=date(1951, 12, 1))
    life(service).close_centre("1", WHY)
    assert where(service, young) == [(1, "2", at(MONDAY + timedelta(days=4), 10))]


def test_a_campaign_that_is_gone_makes_cases(service: House):
    service.opens_centre("1", starts=mornings(3))
    service.opens_centre("2", kilometres=2, starts=mornings(3))
    one = books(service, "1", mornings(1)[0])
    service.campaign = campaign_with(name="another")
    assert life(service).close_centre("1", WHY).fates == {one: MoveOutcome.CASE}


# ---------------------------------------------------------------- the door


def test_a_caller_who_holds_a_place_hears_that_it_is_gone(service: House):
    service.opens_centre("1", starts=mornings(2), capacity=2)
    phone = service.phone().goes_to("confirm")
    life(service).close_centre("1", WHY)
    phone.presses("1")
    assert phone.step != "ready"
    assert booked_places(service.database) == 0


@pytest.mark.parametrize("round_", range(3))
def test_confirming_while_the_centre_closes(service: House, round_: int):
    """Whoever is booked at a closed centre has a case, and all others were told the truth.

    Half of the callers confirm while places are being blocked, the others while people are moved.
    """
    callers, starts = 16, mornings(4, first=5)
    service.opens_centre("1", starts=starts, capacity=5)
    before = books(service, "1", starts[0])
    service.opens_centre("2", kilometres=3, starts=starts)
    held = {}
    with service.database.transaction() as connection:
        for number in range(callers):
            holder = Holder(Channel.PHONE, f"CA-{number}")
            allocator = Allocate(Work(connection, service.store, service.campaign), holder)
            held[number] = allocator.hold_slot(slot_at(service, "1", starts[number % 4]))
    together = threading.Barrier(callers // 2 + 1, timeout=20)
    blocked = threading.Event()

    @contextmanager
    def when_blocked(_what: str, _total: int) -> Any:
        blocked.set()
        yield lambda _done: None

    def confirms_it(number: int) -> str | None:
        offer = held[number]
        assert offer
        if number % 2:
            together.wait()
        else:
            assert blocked.wait(timeout=20)
        with service.database.transaction() as connection:
            booked = confirm_booking(
                Work(connection,
                service.store,
                service.campaign),
                Request(
                    holder=Holder(Channel.PHONE, f"CA-{number}"),
                    offer=offer_at(ANYWHERE, offer),
                    born=date(1942, 3, 12),
                    postcode="75011",
                    number=f"+3361111{number:04d}",
                    text_to=None,
                ),
                catalogue=service.phone().words,
                national_number="+33974750001"
            )  # fmt: skip
        assert number % 2 or not isinstance(booked, Booked)
        return booked.reference if isinstance(booked, Booked) else None

    def closes() -> LifeReport:
        together.wait()
        return life(service).close_centre("1", replace(WHY, watch=when_blocked))

    with ThreadPoolExecutor(callers + 1) as threads:
        closing = threads.submit(closes)
        confirmed = [one for one in threads.map(confirms_it, range(callers)) if one]
    report = closing.result()

    with service.database.statement() as connection:
        booked = [
            found.id
            for one in confirmed
            if (found := changes.find_by_reference(connection, service.store.vault, one))
        ]
    assert len(booked) == len(confirmed)
    booked.append(before)
    nobody_is_lost(service, "1", report, booked)
    assert booked_places(service.database) == len(booked)


def test_two_operators_close_the_same_centre(service: House):
    starts = mornings(6, first=5)
    service.opens_centre("1", starts=starts, capacity=2)
    service.opens_centre("2", kilometres=3, starts=starts)
    booked = [books(service, "1", start) for start in starts for _ in range(2)]

    def closes() -> LifeReport | None:
        try:
            return life(service).close_centre("1", WHY)
        except LifeRefused:
            return None

    reports = [one for one in at_once(closes, closes) if one]
    assert len({report.operation_id for report in reports}) == 1
    nobody_is_lost(service, "1", reports[0], booked)


# ---------------------------------------------------------------- two doses


@pytest.fixture
def two_doses(service: House) -> House:
    service.campaign = TWO_DOSES
    return service


def pair(first: date, days: int = 22, hour: int = 10) -> tuple[datetime, datetime]:
    return at(first, hour), at(first + timedelta(days=days), hour)


def test_both_doses_go_to_one_centre_within_the_interval(two_doses: House):
    first, second = pair(MONDAY)
    two_doses.opens_centre("1", starts=[first, second])
    # Nearer, but without a second; then one whose second is too late; then one that has both.
    two_doses.opens_centre("2", kilometres=2, starts=[first])
    two_doses.opens_centre("3", kilometres=3, starts=[first, at(MONDAY + timedelta(days=29), 10)])
    two_doses.opens_centre("4", kilometres=4, starts=[first, at(MONDAY + timedelta(days=28), 9)])
    one = books(two_doses, "1", first, second)
    report = life(two_doses).close_centre("1", WHY)
    assert report.fates == {one: MoveOutcome.MOVED}
    assert where(two_doses, one) == [
        (1, "4", first),
        (2, "4", at(MONDAY + timedelta(days=28), 9)),
    ]
    is_sound(two_doses)
    life(two_doses).undo(report.operation_id, OperationRequest(""))
    assert where(two_doses, one) == [(1, "1", first), (2, "1", second)]
    is_sound(two_doses)


def test_where_no_centre_has_both_nothing_is_half_moved(two_doses: House):
    first, second = pair(MONDAY)
    two_doses.opens_centre("1", starts=[first, second])
    two_doses.opens_centre("2", kilometres=2, starts=[first])
    two_doses.opens_centre("3", kilometres=3, starts=[second])
    one = books(two_doses, "1", first, second)
    assert life(two_doses).close_centre("1", WHY).fates == {one: MoveOutcome.CASE}
    assert where(two_doses, one) == [(1, "1", first), (2, "1", second)]


def test_a_second_dose_whose_first_was_given_goes_elsewhere_in_its_interval(two_doses: House):
    first, second = pair(MONDAY)
    two_doses.opens_centre("1", starts=[first, second])
    two_doses.opens_centre(
        "2", kilometres=2, starts=[at(MONDAY + timedelta(days=n), 9) for n in (19, 24, 30)]
    )
    one = books(two_doses, "1", first, second)
    clock_of(two_doses).advance(timedelta(days=8))
    assert life(two_doses).close_centre("1", WHY).fates == {one: MoveOutcome.MOVED}
    assert where(two_doses, one) == [(1, "1", first), (2, "2", at(MONDAY + timedelta(days=24), 9))]


def test_a_day_closes_and_one_dose_moves_within_its_centre(two_doses: House):
    first, second = pair(MONDAY, 22)
    tuesday = at(MONDAY + timedelta(days=1), 10)
    two_doses.opens_centre("1", starts=[first, tuesday, second])
    two_doses.opens_centre("2", kilometres=0.1, starts=[first, second])
    one = books(two_doses, "1", first, second)
    report = life(two_doses).close_day("1", MONDAY, WHY)
    assert report.fates == {one: MoveOutcome.MOVED}
    assert where(two_doses, one) == [(1, "1", tuesday), (2, "1", second)]
    is_sound(two_doses)


def test_a_dose_that_moves_along_gives_its_place_to_others(two_doses: House):
    first, second = pair(MONDAY, 22)
    two_doses.opens_centre("1", starts=[first, second])
    two_doses.opens_centre("2", kilometres=3, starts=[first, second])
    one = books(two_doses, "1", first, second)
    report = life(two_doses).close_day("1", MONDAY, WHY)
    assert report.fates == {one: MoveOutcome.MOVED}
    assert where(two_doses, one) == [(1, "2", first), (2, "2", second)]
    assert free_at(two_doses, "1") == 1
    life(two_doses).undo(report.operation_id, OperationRequest(""))
    assert where(two_doses, one) == [(1, "1", first), (2, "1", second)]


def test_whoever_waits_has_the_place_that_moving_along_frees(two_doses: House):
    first, second = pair(MONDAY, 22)
    two_doses.opens_centre("1", starts=[first, second])
    two_doses.opens_centre("2", kilometres=3, starts=[first, second])
    books(two_doses, "1", first, second)
    one_dose = replace(TWO_DOSES, doses=1)
    with two_doses.database.transaction() as connection:
        waits = Waiter(date(1940, 1, 1), "+33699999999", "75011", centre_id="1")
        join(Work(connection, two_doses.store, one_dose), waits)
    life(two_doses).close_day("1", MONDAY, WHY)
    assert two_doses.held() == 1
    assert len(two_doses.messages("waiting_offer")) == 1


# ---------------------------------------------------------------- a day


def test_a_day_closes_and_the_same_week_goes_before_another_centre(service: House):
    days = [at(MONDAY + timedelta(days=n), 10) for n in range(3)]
    service.opens_centre("1", starts=days, capacity=2)
    service.opens_centre("2", kilometres=2, starts=days, capacity=2)
    booked = [books(service, "1", days[0]) for _ in range(2)]
    state = everything(service)
    dry = life(service).close_day("1", MONDAY, replace(WHY, dry_run=True))
    assert everything(service) == state
    report = life(service).close_day("1", MONDAY, WHY)
    assert report.fates == dry.fates == dict.fromkeys(booked, MoveOutcome.MOVED)
    assert {where(service, one)[0] for one in booked} == {(1, "1", days[1])}
    assert free_at(service, "1") == 2
    is_sound(service)
    with pytest.raises(LifeRefused, match="no open place on 2026-11-30"):
        life(service).close_day("1", MONDAY, WHY)
    with pytest.raises(LifeRefused, match="2026-11-24 is past"):
        life(service).close_day("1", date(2026, 11, 24), WHY)
    life(service).undo(report.operation_id, OperationRequest(""))
    assert {where(service, one)[0] for one in booked} == {(1, "1", days[0])}


def test_a_day_is_the_centres_own(service: House):
    zone = ZoneInfo("Indian/Reunion")
    # 01:00 and 23:00 of one day in La Réunion lie on two days of UTC.
    early = datetime.combine(MONDAY, time(1), tzinfo=zone).astimezone(UTC)
    late = datetime.combine(MONDAY, time(23), tzinfo=zone).astimezone(UTC)
    opens_centre_at(
        service, "974", -21.3, 55.5, territory="974", time_zone="Indian/Reunion",
        starts=[early, late, late + timedelta(hours=2)],
    )  # fmt: skip
    assert life(service).close_day("974", MONDAY, WHY).blocked == 2
    assert free_at(service, "974") == 1


# ---------------------------------------------------------------- capacity


def usable(house: House, gid: str, start: datetime) -> list[int]:
    statement = (
        select(place.c.number)
        .where(place.c.centre_id == gid, place.c.start_at == start, ~place.c.blocked)
        .order_by(place.c.number)
    )
    return [row.number for row in rows_of(house.database, statement)]


def test_capacity_is_cut_from_the_free_places_first(service: House):
    monday, tuesday = (at(MONDAY + timedelta(days=n), 10) for n in range(2))
    service.opens_centre("1", starts=[monday, tuesday], capacity=4)
    booked = [books(service, "1", monday) for _ in range(2)]
    taken = rows_of(
        service.database,
        select(place.c.number).where(place.c.booking_id.is_not(None)).order_by(place.c.number),
    )
    report = life(service).set_capacity("1", MONDAY, MONDAY, 2, WHY)
    assert report.fates == {}
    assert report.blocked == 2
    assert usable(service, "1", monday) == [row.number for row in taken]
    assert len(usable(service, "1", tuesday)) == 4
    assert all(where(service, one) == [(1, "1", monday)] for one in booked)


def test_the_surplus_of_people_is_moved_and_comes_back(service: House):
    monday, tuesday = (at(MONDAY + timedelta(days=n), 10) for n in range(2))
    service.opens_centre("1", starts=[monday], capacity=4)
    service.opens_slots("1", [tuesday])
    booked = [books(service, "1", monday) for _ in range(4)]
    held_before = {one: file_of(service, one).live[0].place_id for one in booked}
    wish = replace(WHY, dry_run=True)
    state = everything(service)
    dry = life(service).set_capacity("1", MONDAY, MONDAY, 2, wish)
    assert everything(service) == state
    report = life(service).set_capacity("1", MONDAY, MONDAY, 2, WHY)
    assert Counter(report.fates.values()) == {MoveOutcome.MOVED: 1, MoveOutcome.CASE: 1}
    assert Counter(dry.fates.values()) == Counter(report.fates.values())
    # The highest numbers had to go.
    gone = {place_id for one, place_id in held_before.items() if one in report.fates}
    assert gone == set(sorted(held_before.values())[2:])
    assert usable(service, "1", monday) == [1, 2]
    is_sound(service)
    # What is cut to what it is changes nothing, and is an operation all the same.
    assert life(service).set_capacity("1", MONDAY, MONDAY, 2, WHY).blocked == 0
    for one in life(service).newest(limit=2):
        life(service).undo(one.id, OperationRequest(""))
    assert all(where(service, one) == [(1, "1", monday)] for one in booked)
    assert usable(service, "1", monday) == [1, 2, 3, 4]
    assert not open_cases(service)
    is_sound(service)


def test_capacity_is_added_and_taken_away_again(service: House):
    monday = at(MONDAY, 10)
    service.opens_centre("1", starts=[monday], capacity=2)
    cut = life(service).set_capacity("1", MONDAY, MONDAY, 1, WHY)
    added = life(service).set_capacity("1", MONDAY, MONDAY, 4, WHY)
    # The blocked one comes first, then new ones.
    assert (cut.blocked, added.opened) == (1, 3)
    assert usable(service, "1", monday) == [1, 2, 3, 4]
    booked = [books(service, "1", monday) for _ in range(4)]
    is_sound(service)
    with pytest.raises(LifeRefused, match="came later"):
        life(service).undo(cut.operation_id, OperationRequest(""))

    service.opens_centre("2", kilometres=2, starts=[monday], capacity=2)
    undone = life(service).undo(added.operation_id, OperationRequest(""))
    assert Counter(undone.fates.values()) == {MoveOutcome.MOVED: 2, MoveOutcome.CASE: 1}
    assert usable(service, "1", monday) == [1]
    assert Counter(where(service, one)[0][1] for one in booked) == {"1": 2, "2": 2}
    assert sum(open_cases(service).values()) == 1
    is_sound(service)


def test_whoever_waits_is_offered_what_is_added(service: House):
    monday = at(MONDAY, 10)
    service.opens_centre("1", starts=[monday])
    books(service, "1", monday)
    with service.database.transaction() as connection:
        waits = Waiter(date(1940, 1, 1), "+33699999999", "75011", centre_id="1")
        join(Work(connection, service.store, service.campaign), waits)
    life(service).set_capacity("1", MONDAY, MONDAY, 2, WHY)
    assert service.held() == 1
    assert len(service.messages("waiting_offer")) == 1


def test_added_places_are_released_with_their_slot(service: House):
    monday, eight = at(MONDAY, 10), NOON + timedelta(days=1)
    service.opens_centre("1", starts=[monday])
    change(service.database, update(place).values(released_at=eight))
    life(service).set_capacity("1", MONDAY, MONDAY, 3, WHY)
    assert [row[0] for row in rows_of(service.database, select(place.c.released_at))] == [eight] * 3


def test_a_closed_day_is_not_opened_by_its_capacity(service: House):
    service.opens_centre("1", starts=[at(MONDAY, 10)])
    closed = life(service).close_day("1", MONDAY, WHY)
    with pytest.raises(LifeRefused, match=closed.operation_id):
        life(service).set_capacity("1", MONDAY, MONDAY, 3, WHY)


# ---------------------------------------------------------------- an hour


def test_an_hour_moves_with_the_people_in_it(service: House):
    nine, eleven = at(MONDAY, 9), at(MONDAY, 11)
    service.opens_centre("1", starts=[nine], capacity=3)
    booked = [books(service, "1", nine) for _ in range(2)]
    move = life(service).move_hour
    state = everything(service)
    dry = move("1", MONDAY, time(9), time(11), replace(WHY, dry_run=True))
    assert everything(service) == state
    report = move("1", MONDAY, time(9), time(11), WHY)
    assert report.fates == dry.fates == dict.fromkeys(booked, MoveOutcome.MOVED)
    assert (report.blocked, report.opened) == (dry.blocked, dry.opened) == (3, 3)
    assert all(where(service, one) == [(1, "1", eleven)] for one in booked)
    assert usable(service, "1", nine) == []
    assert len(usable(service, "1", eleven)) == 3
    assert all(told(service, one) == ["booking_changed"] for one in booked)
    is_sound(service)
    # One more in it since: the hour goes back with everybody who is in it.
    booked.append(books(service, "1", eleven))
    undone = life(service).undo(report.operation_id, OperationRequest(""))
    assert Counter(undone.fates.values()) == {MoveOutcome.BACK: 2, MoveOutcome.MOVED: 1}
    assert all(where(service, one) == [(1, "1", nine)] for one in booked)
    assert usable(service, "1", eleven) == []
    is_sound(service)
    # The place of the hour that was undone is no hindrance.
    assert move("1", MONDAY, time(9), time(11), WHY).opened == 3
    assert all(where(service, one) == [(1, "1", eleven)] for one in booked)
    is_sound(service)


def test_whoever_confirms_the_old_hour_does_not_get_the_new_one_unheard(service: House):
    service.opens_centre("1", starts=[at(MONDAY, 9)])
    phone = service.phone().goes_to("confirm")
    life(service).move_hour("1", MONDAY, time(9), time(11), WHY)
    phone.presses("1")
    assert phone.step != "ready"
    assert booked_places(service.database) == 0


def test_an_hour_that_cannot_be(service: House):
    spring, autumn = date(2027, 3, 28), date(2027, 10, 31)
    service.opens_centre("1", starts=[at(MONDAY, 9), at(MONDAY, 10), at(spring, 9), at(autumn, 9)])
    move = life(service).move_hour
    for day, start, to, why in (
        (spring, time(9), time(2, 30), "there is no 02:30 on 2027-03-28 in Europe/Paris"),
        (MONDAY, time(9), time(9), "the hours are the same"),
        (MONDAY, time(8), time(9), "no slot with open places"),
        (MONDAY, time(9), time(10), "has a slot at the new hour already"),
        (date(2026, 11, 25), time(9), time(8), "the hour is past"),
    ):
        with pytest.raises(LifeRefused, match=why):
            move("1", day, start, to, WHY)
    # Of an hour that comes twice the first is meant: summer time still.
    move("1", autumn, time(9), time(2, 30), WHY)
    assert usable(service, "1", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)) == [1]


# ---------------------------------------------------------------- undoing


def test_whoever_changed_since_is_left_alone(service: House):
    starts = mornings(3, first=5)
    service.opens_centre("1", starts=starts)
    service.opens_centre("2", kilometres=2, starts=starts)
    stays, cancels = books(service, "1", starts[0]), books(service, "1", starts[1])
    report = life(service).close_centre("1", WHY)
    with service.database.transaction() as connection:
        by = By("caller", Channel.PHONE)
        cancel(connection, service.store, cancels, by=by)
    undone = life(service).undo(report.operation_id, OperationRequest(""))
    assert undone.fates == {stays: MoveOutcome.BACK, cancels: MoveOutcome.CHANGED}
    assert where(service, cancels) == []
    assert free_at(service, "1") == 2


def test_whoever_cannot_go_back_is_told_where_they_are(service: House):
    starts = mornings(2, first=5)
    service.opens_centre("1", starts=[starts[0]])
    service.opens_centre("2", kilometres=2, starts=[starts[1]])
    one = books(service, "1", starts[0])
    report = life(service).close_centre("1", WHY)
    clock_of(service).advance(starts[0] - NOON + timedelta(hours=1))
    undone = life(service).undo(report.operation_id, OperationRequest(""))
    assert undone.fates == {one: MoveOutcome.STAYS}
    assert where(service, one) == [(1, "2", starts[1])]
    assert [what for what, _ in lines(service, one)] == ["booked", "moved", "kept"]
    assert told(service, one) == ["booking_changed", "booking_changed"]


def test_a_case_that_an_agent_settled_is_not_touched(service: House):
    starts = mornings(1, first=5)
    service.opens_centre("1", starts=starts)
    one = books(service, "1", starts[0])
    report = life(service).close_centre("1", WHY)
    with service.database.transaction() as connection:
        (case,) = cases.of_booking(connection, one)
        assert (case.kind, case.operation_id) == (OperationKind.CENTRE, report.operation_id)
        assert cases.close(connection, service.clock, case.id)
        assert not cases.close(connection, service.clock, case.id)
    assert life(service).undo(report.operation_id, OperationRequest("")).fates == {
        one: MoveOutcome.CHANGED
    }


def test_a_closed_day_at_a_closed_centre_is_undone_last_first(service: House):
    service.opens_centre("1", starts=mornings(3, first=5))
    day = life(service).close_day("1", MONDAY, WHY)
    closed = life(service).close_centre("1", WHY)
    assert (day.blocked, closed.blocked) == (1, 2)
    with pytest.raises(LifeRefused, match="came later"):
        life(service).undo(day.operation_id, OperationRequest(""))
    life(service).undo(closed.operation_id, OperationRequest(""))
    assert free_at(service, "1") == 2
    life(service).undo(day.operation_id, OperationRequest(""))
    assert free_at(service, "1") == 3


# ---------------------------------------------------------------- imports, and other modes


@pytest.fixture
def run(service: House, tmp_path: Any) -> Any:
    """Run a command line as an operator does; a list of rows is a file of centres."""
    group = click.Group()
    its_life = life(service)
    group.add_command(centres_commands.make(service.database, service.clock, its_life))
    group.add_command(slots_commands.make(service.store, its_life))
    group.add_command(operations_commands.make(its_life))

    def invoke(*arguments: object) -> Result:
        texts = [
            str(write_centres(tmp_path / "centres.csv", argument))
            if isinstance(argument, list)
            else str(argument)
            for argument in arguments
        ]
        result = CliRunner().invoke(group, texts)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def from_file(service: House, run: Any) -> list[dict[str, str]]:
    """Twenty centres of a file, near one another; two with slots are ours."""
    there = {"lat_coor1": "48.86", "long_coor1": "2.37", "com_cp": "75011", "com_insee": "75111"}
    rows = [centre_row(str(n), **there) for n in range(1, 21)]
    assert run("centres", "import", rows).exit_code == 0
    change(
        service.database,
        update(centre).where(centre.c.id.in_(["1", "2"])).values(booking_mode="ours"),
    )
    for gid in ("1", "2"):
        service.opens_slots(gid, mornings(3, first=5))
    return rows


def test_a_centre_that_leaves_the_file_loses_nobody(service: House, run: Any, from_file: Any):
    one = books(service, "1", mornings(1, first=5)[0])
    result = run("centres", "import", from_file[1:])
    assert result.exit_code == 0
    assert where(service, one) == [(1, "2", mornings(1, first=5)[0])]
    assert told(service, one) == ["booking_changed"]
    assert "centre 1: 1 booked, 1 moved; 3 places blocked" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("19 read, 0 new, 0 updated, 19 unchanged")
    assert free_at(service, "1") == 0
    assert "centre 1" not in run("centres", "import", from_file[1:]).stdout
    back = run("centres", "import", from_file)
    closing = life(service).newest(limit=1)[0]
    assert f"`flask operations undo {closing.id}`" in back.stdout
    assert where(service, one) == [(1, "2", mornings(1, first=5)[0])]
    assert run("operations", "undo", closing.id, "--yes").exit_code == 0
    assert where(service, one) == [(1, "1", mornings(1, first=5)[0])]
    assert "centre 1" not in run("centres", "import", from_file).stdout


def test_an_import_that_was_cut_is_finished_by_the_next(service: House, run: Any, from_file: Any):
    one = books(service, "1", mornings(1, first=5)[0])
    # The import was killed when it had closed the centre, or in the middle of its people.
    change(service.database, update(centre).where(centre.c.id == "1").values(closed_at=NOON))
    with pytest.raises(KeyboardInterrupt):
        life(service).settle(OperationRequest("no longer so", "import", watch=stopped(0)))
    assert where(service, one)[0][1] == "1"
    run("centres", "import", from_file[1:])
    assert where(service, one)[0][1] == "2"
    assert len(lines(service, one)) == 2


def test_a_closing_that_was_cut_does_not_go_on_at_a_centre_that_is_back(
    service: House, run: Any, from_file: Any
):
    one = books(service, "1", mornings(1, first=5)[0])
    change(service.database, update(centre).where(centre.c.id == "1").values(closed_at=NOON))
    with pytest.raises(KeyboardInterrupt):
        life(service).settle(OperationRequest("no longer so", "import", watch=stopped(0)))
    back = run("centres", "import", from_file)
    assert "centre 1 is back" in back.stdout
    assert where(service, one)[0][1] == "1"
    run("operations", "undo", life(service).newest(limit=1)[0].id, "--yes")
    assert free_at(service, "1") == 2


def test_a_centre_that_the_file_reserves_keeps_its_people_as_cases(
    service: House, run: Any, from_file: Any
):
    one = books(service, "1", mornings(1, first=5)[0])
    from_file[0]["rdv_modalites"] = "Réservé aux professionnels"
    result = run("centres", "import", from_file)
    assert "centre 1: 1 booked, 1 cases for an agent; 3 places blocked" in result.stdout
    assert where(service, one) == [(1, "1", mornings(1, first=5)[0])]
    assert open_cases(service) == {one: 1}
    assert told(service, one) == ["case"]
    is_sound(service)


def test_a_last_day_that_is_past_closes_and_loses_nobody(service: House, run: Any, from_file: Any):
    """With another centre near, people are moved; when that one ends as well, they are cases."""
    one = books(service, "1", mornings(1, first=5)[0])
    # Yesterday; today is the last day of nobody yet.
    from_file[0]["date_fermeture"] = "2026-11-24"
    from_file[1]["date_fermeture"] = "2026-11-25"
    result = run("centres", "import", from_file)
    assert "1 closed" in result.stdout.splitlines()
    assert "centre 1: 1 booked, 1 moved; 3 places blocked" in result.stdout
    assert where(service, one) == [(1, "2", mornings(1, first=5)[0])]
    service.clock.advance(timedelta(days=1))  # type: ignore[attr-defined]
    result = run("centres", "import", from_file)
    assert "centre 2: 1 booked, 1 cases for an agent; 3 places blocked" in result.stdout
    assert where(service, one) == [(1, "2", mornings(1, first=5)[0])]
    assert open_cases(service) == {one: 1}
    assert free_at(service, "1") == free_at(service, "2") == 0
    is_sound(service)


@pytest.mark.parametrize("mode", ["reserved", "own_phone", "partner"])
def test_a_centre_that_books_otherwise_is_never_offered(service: House, mode: str):
    starts = mornings(3, first=5)
    service.opens_centre("1", starts=starts, capacity=2)
    one = books(service, "1", starts[0])
    known = near(service)
    held = holds(service, "CA-1", near=known)[0]
    change(service.database, update(centre).values(booking_mode=mode))
    # Not even to a worker that has not heard of it yet.
    assert near(service) == []
    assert holds(service, "CA-2", near=known) == []

    (report,) = life(service).settle(OperationRequest("par son propre numéro", "import"))

    assert report.kind == OperationKind.NOT_OURS
    assert report.fates == {one: MoveOutcome.CASE}
    assert free_at(service, "1") == 0
    assert life(service).settle(OperationRequest("par son propre numéro", "import")) == []
    with service.database.transaction() as connection:
        allocator = Allocate(
            Work(connection, service.store, service.campaign), Holder(Channel.PHONE, "CA-1")
        )
        assert (
            allocator.book([Chosen(held.place.place_id, held.place.slot_id, NOON)], "nobody")
            is None
        )
    life(service).undo(report.operation_id, OperationRequest(""))
    assert [o.centre.id for o in near(service)] == ["1"]
    assert free_at(service, "1") == 5
    assert not open_cases(service)


def test_an_import_does_not_open_what_an_operator_closed(service: House, run: Any, from_file: Any):
    close = ("centres", "close", "1", "--why", "inondation")
    assert for_two(service, lambda: run(*close)).exit_code == 0
    again = run("centres", "import", from_file)
    assert again.stdout.splitlines()[-1].startswith("20 read, 0 new, 0 updated, 20 unchanged")
    from_file[0]["nom"] = "Autre nom"
    run("centres", "import", from_file)
    (row,) = rows_of(service.database, select(centre).where(centre.c.id == "1"))
    assert row.name == "Autre nom"
    assert row.closed_at is not None
    closing = life(service).newest(limit=1)[0]
    run("operations", "undo", closing.id, "--yes")
    run("centres", "import", from_file)
    assert [one.centre.id for one in near(service)] == ["1", "2"]


# ---------------------------------------------------------------- as an operator meets it


def test_commands(service: House, run: Any):
    starts = [at(MONDAY + timedelta(days=n), 10) for n in range(2)]
    service.opens_centre("1", starts=starts, capacity=2)
    service.opens_centre("2", kilometres=2, starts=starts)
    one = books(service, "1", starts[0])
    asked: tuple[str, ...] = ("--why", "inondation")

    dry = run("centres", "close", "1", *asked, "--dry-run").stdout.splitlines()
    assert dry[0] == f"{one} moved"
    assert dry[-1].startswith("dry run, nothing is changed: 1 booked, 1 moved; 4 places blocked")
    # Somebody is booked: it asks, and does nothing for whoever does not say yes.
    unasked = run("centres", "close", "1", *asked)
    assert unasked.exit_code == 1
    assert "This touches 1 booked" in unasked.stderr
    assert life(service).newest(limit=1) == []
    asked = (*asked, "--yes")
    closed = for_two(service, lambda: run("centres", "close", "1", *asked))
    assert closed.exit_code == 0
    closing = life(service).newest(limit=1)[0]
    assert closed.stdout.splitlines()[-1] == (
        f"1 booked, 1 moved; 4 places blocked, 0 opened; operation {closing.id}"
    )
    listed = run("operations", "list").stdout.splitlines()
    assert listed[0].startswith(f"{closing.id} 2026-11-25T08:00:00+00:00 centre_closed centre 1")
    assert "done, by operator: inondation" in listed[0]
    assert listed[-1] == "1 operations"
    shown = run("operations", "show", closing.id).stdout.splitlines()
    assert shown[1] == (f"{one} moved 1@1 {starts[0].isoformat()} → 1@2 {starts[0].isoformat()}")
    assert shown[-1] == "1 bookings"
    assert "1 moved back" in run("operations", "undo", closing.id, "--yes").stdout
    assert "undone already" in run("operations", "undo", closing.id, "--dry-run").stdout
    assert "undone" in run("operations", "list", "--centre", "1").stdout

    day = ("--centre", "1", "--day", MONDAY)
    span = ("--centre", "1", "--from", MONDAY, "--to", MONDAY)
    moved = run("slots", "move-hour", *day, "--from", "10:00", "--to", "11:30", *asked)
    assert "1 booked, 1 moved; 2 places blocked, 2 opened" in moved.stdout
    cut = run("slots", "capacity", *span, "--capacity", "1", *asked)
    assert "0 booked; 1 places blocked, 1 opened" in cut.stdout
    shut = run("slots", "close-day", *day, *asked, "--who", "s-12")
    assert "1 booked, 1 moved; 2 places blocked" in shut.stdout
    assert life(service).newest(limit=1)[0].who == "s-12"
    is_sound(service)


def test_bad_input_is_one_sentence(service: House, run: Any):
    service.opens_centre("1", starts=[at(MONDAY, 10)])
    service.opens_centre("2")
    state = everything(service)
    why = ("--why", "x")
    day = ("slots", "close-day", "--centre", "1", *why, "--day")
    hour = ("slots", "move-hour", "--centre", "1", "--day", MONDAY, *why)
    span = ("slots", "capacity", "--centre", "1", *why, "--from", MONDAY, "--to")
    for arguments, sentence in (
        (("centres", "close", "nowhere", *why), "there is no centre nowhere"),
        (("centres", "close", "1", "--why", " "), "say why"),
        (("centres", "close", "1", "--why", "x" * 81), "80 at most"),
        (("centres", "close", "1", *why, "--who", ""), "1 to 60 letters"),
        ((*day, "30/11/2026"), "write it like 2021-01-18"),
        ((*day, "2026-12-01"), "no open place on 2026-12-01"),
        ((*day, "2020-12-01"), "2020-12-01 is past"),
        ((*hour, "--from", "10h", "--to", "11:00"), "write it like 09:00"),
        ((*hour, "--from", "10:00", "--to", "10:00:30"), "write it like 09:00"),
        ((*span, MONDAY, "--capacity", "-1"), "a capacity of -1 cannot be"),
        ((*span, MONDAY, "--capacity", "201"), "a capacity of 201 cannot be"),
        ((*span, "2026-11-29", "--capacity", "1"), "no span of 1 to 366 days"),
        (("slots", "capacity", "--centre", "2", *why, "--from", MONDAY, "--to", MONDAY,
          "--capacity", "1"), "centre 2 has no slot"),
        (("operations", "undo", "0f"), "there is no operation 0f"),
        (("operations", "show", "0f"), "there is no operation 0f"),
    ):  # fmt: skip
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        assert sentence in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert everything(service) == state


def plan_of_the_last_look(house: House, gid: str) -> str:
    """How the database looks whether a centre has any place left to block."""
    until = at(date(2027, 11, 30), 0)
    with house.database.transaction() as connection:
        return "\n".join(
            plan_of(
                connection,
                lambda: operations.lock_open(connection, gid, NOON, until, limit=1, wait=True),
                "place",
            )
        )


def test_what_is_left_at_a_centre_is_found_without_a_look_at_others(service: House):
    """Each centre that closes asks for it; it must not take longer the more places there are."""
    starts = [at(MONDAY, 8) + timedelta(minutes=10 * number) for number in range(1500)]
    for gid, its in (("1", starts[:100]), ("2", starts), ("3", starts)):
        service.opens_centre(gid, starts=its, capacity=2)
    service.database.analyze()
    plan = plan_of_the_last_look(service, "1")
    assert "uq_slot_centre_id_start_at" in plan
    assert "pk_place" not in plan


def test_ranges():
    assert with_ids([], []) == []
    assert with_ids([[1, 3]], [4, 8, 7]) == [[1, 4], [7, 8]]
    assert list(ids_in([[1, 2], [5, 5]])) == [1, 2, 5]
    assert [n for n in range(10) if holds_id([[2, 3], [6, 6]], n)] == [2, 3, 6]
    assert not holds_id([], 1)
