"""What is offered: the nearest first, this side of the sea, open, and by the centre's own clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import event, func, insert, literal, select, text, update

from models.centres.tables import centre
from models.slots import places
from models.slots.slot_query import Apart, SlotQuery
from models.slots.tables import held_place, place, slot
from services.slots.hold_slot import HeldSlot
from tests.support.house import NOON, House, campaign_with, mornings
from tests.support.rows import (
    PARIS,
    change,
    clock_of,
    confirms,
    holds,
    near,
    opens_centre_at,
    rows_of,
)

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
REUNION = (-20.88, 55.45)
TAHITI = (-17.53, -149.56)


def centres_of(held: list[HeldSlot]) -> list[str]:
    return [one.near.centre.id for one in held]


def local_times(held: list[HeldSlot]) -> list[datetime]:
    return [one.place.start_at.astimezone(ZoneInfo(one.near.centre.time_zone)) for one in held]


def test_the_three_nearest_are_offered_nearest_first(service: House):
    for gid, kilometres in (("far", 30), ("near", 2), ("farther", 60), ("middle", 11)):
        service.opens_centre(gid, kilometres=kilometres, starts=mornings(20))
    assert centres_of(holds(service, "CA-1")) == ["near", "middle", "far"]


def test_a_centre_without_a_free_slot_makes_room_for_the_next(service: House):
    service.opens_centre("full", kilometres=1)
    for gid, kilometres in (("a", 2), ("b", 3), ("c", 4)):
        service.opens_centre(gid, kilometres=kilometres, starts=mornings(20))
    assert centres_of(holds(service, "CA-1")) == ["a", "b", "c"]


def test_nobody_is_sent_beyond_the_radius(service: House):
    service.opens_centre("inside", kilometres=99.5, starts=mornings(20))
    service.opens_centre("outside", kilometres=101, starts=mornings(20))
    assert set(centres_of(holds(service, "CA-1"))) == {"inside"}


def test_nobody_is_sent_across_a_sea(service: House):
    """Corsica's north is nearer to Nice than many a French town; no one drives there."""
    opens_centre_at(service, "bastia", 42.70, 9.45, territory="corse", starts=mornings(20))
    opens_centre_at(service, "nice", 43.70, 7.27, starts=mornings(20))
    nice = near(service, 43.70, 7.27, "metropole", 400)
    bastia = near(service, 42.70, 9.45, "corse", 400)
    assert set(centres_of(holds(service, "CA-1", near=nice))) == {"nice"}
    assert set(centres_of(holds(service, "CA-2", near=bastia))) == {"bastia"}


@pytest.mark.parametrize("mode", ["partner", "own_phone", "reserved"])
def test_places_that_are_not_ours_are_not_offered(service: House, mode: str):
    service.opens_centre("theirs", kilometres=1, mode=mode, starts=mornings(20))
    assert holds(service, "CA-1") == []


@pytest.mark.parametrize(
    "becomes", [{"closed_at": NOON}, {"booking_mode": "partner"}], ids=["closed", "a partner's"]
)
def test_a_centre_that_closes_or_is_given_away_between_two_calls_is_not_offered(
    service: House, becomes: dict[str, Any]
):
    """Also when this worker still remembers it as open."""
    service.opens_centre("1", kilometres=1, starts=mornings(20))
    remembered = near(service)
    change(service.database, update(centre).values(**becomes))
    assert holds(service, "CA-1", near=remembered) == []


def test_a_blocked_place_is_not_offered(service: House):
    service.opens_centre("1", starts=mornings(1))
    change(service.database, update(place).values(blocked=True))
    assert holds(service, "CA-1") == []


def test_nothing_is_offered_sooner_than_one_can_get_there_or_later_than_the_campaign(
    service: House,
):
    service.opens_centre("1", starts=[NOON + HOUR / 2, NOON + timedelta(days=36)])
    assert holds(service, "CA-1") == []
    service.opens_slots("1", [NOON + HOUR])
    assert [one.place.start_at for one in holds(service, "CA-1")] == [NOON + HOUR]


def test_one_centre_offers_hours_and_a_day_apart(service: House):
    day = NOON.replace(hour=8) + timedelta(days=1)
    service.opens_centre("1", starts=[day + n * HOUR / 2 for n in range(12)])
    service.opens_slots("1", [day + timedelta(days=1) + n * HOUR / 2 for n in range(12)])
    first, second, third = (one.place.start_at for one in holds(service, "CA-1"))
    assert first == day
    assert second >= first + 3 * HOUR
    assert second.date() == first.date()
    assert third.date() == first.date() + timedelta(days=1)


def test_one_centre_late_in_the_day_offers_other_days(service: House):
    day = NOON.replace(hour=21) + timedelta(days=1)
    service.opens_centre("1", starts=[day + timedelta(days=n) for n in range(5)], capacity=3)
    starts = [one.place.start_at for one in holds(service, "CA-1")]
    assert starts == [day, day + timedelta(days=1), day + timedelta(days=2)]


def test_two_centres_give_two_offers(service: House):
    for gid in ("1", "2"):
        service.opens_centre(gid, kilometres=int(gid), starts=mornings(20))
    assert centres_of(holds(service, "CA-1")) == ["1", "2"]


def test_the_last_places_are_offered_one_at_a_time(service: House):
    few = campaign_with(few_places=4)
    for gid in ("1", "2", "3"):
        service.opens_centre(gid, kilometres=int(gid), starts=mornings(1))
    assert len(holds(service, "CA-1", campaign=few)) == 1
    assert len(holds(service, "CA-2", campaign=few)) == 1
    assert len(holds(service, "CA-3", campaign=few)) == 1
    assert holds(service, "CA-4", campaign=few) == []


def test_who_searches_again_hears_other_slots(service: House):
    service.opens_centre("1", starts=mornings(20))
    heard = tuple(one.place.slot_id for one in holds(service, "CA-1"))
    again = [one.place.slot_id for one in holds(service, "CA-1", skip_slots=heard)]
    assert again
    assert not set(again) & set(heard)
    assert service.held() == len(again)


def test_the_74th_centre_is_offered_before_anybody_hears_no(service: House):
    """123 centres lie within 100 km of Paris: one that is open must not be out of sight."""
    for number in range(73):
        service.opens_centre(f"full-{number:02d}", kilometres=1 + number / 10)
    service.opens_centre("free", kilometres=20, starts=mornings(20))
    assert set(centres_of(holds(service, "CA-1"))) == {"free"}


# ---------------------------------------------------------------- by the centre's own clock


@pytest.mark.parametrize(
    ("territory", "position", "zone"),
    [
        ("metropole", PARIS, "Europe/Paris"),
        ("974", REUNION, "Indian/Reunion"),
        ("987", TAHITI, "Pacific/Tahiti"),
    ],
)
@pytest.mark.parametrize("part", ["morning", "afternoon"])
def test_part_of_day_is_told_by_the_centres_clock(
    service: House, territory: str, position: tuple[float, float], zone: str, part: str
):
    around_the_clock = [NOON + n * HOUR for n in range(2, 24 * 6)]
    opens_centre_at(
        service, "1", *position, territory=territory, time_zone=zone, starts=around_the_clock
    )
    held = holds(service, "CA-1", near=near(service, *position, territory), part_of_day=part)
    assert held
    for local in local_times(held):
        assert (local.hour, local.minute) < (12, 30) if part == "morning" else local.hour >= 12


def test_an_afternoon_in_the_fourth_week_is_found_too(service: House):
    """The campaign reaches five weeks ahead: "no afternoon" must be true of all five."""
    afternoon = NOON.replace(hour=14) + timedelta(days=20)
    service.opens_centre("1", starts=[*mornings(20), afternoon])
    held = holds(service, "CA-1", part_of_day="afternoon")
    assert [one.place.start_at for one in held] == [afternoon]


@pytest.mark.parametrize(
    "changes_on", [datetime(2026, 10, 25, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC)]
)
def test_the_day_the_clocks_change_has_its_morning_and_its_afternoon(
    service: House, changes_on: datetime
):
    clock_of(service).moment = changes_on - timedelta(days=1)
    paris = ZoneInfo("Europe/Paris")
    at = [
        datetime(changes_on.year, changes_on.month, changes_on.day, hour, minute, tzinfo=paris)
        for hour, minute in ((12, 0), (12, 30))
    ]
    service.opens_centre("1", starts=[moment.astimezone(UTC) for moment in at])
    (morning,) = holds(service, "CA-1", part_of_day="morning")
    assert local_times([morning])[0].hour == 12
    assert local_times([morning])[0].minute == 0
    afternoon = holds(service, "CA-2", part_of_day="afternoon")
    assert [(t.hour, t.minute) for t in local_times(afternoon)] == [(12, 30)]


# ---------------------------------------------------------------- with fifty thousand places


@pytest.fixture
def large(service: House) -> House:
    """A hundred centres within reach, five hundred slots each, mostly booked out at the start."""
    fills(service, 100, [NOON + 2 * HOUR + n * HOUR for n in range(500)])
    assert rows_of(service.database, select(func.count()).select_from(place)) == [(50_000,)]
    return service


def fills(service: House, centres: int, starts: list[datetime]) -> None:
    """Open so many centres, with one place at each of these times."""
    for number in range(centres):
        service.opens_centre(f"c{number:02d}", kilometres=0.5 + number / 2)
    with service.database.transaction() as connection:
        for number in range(centres):
            connection.execute(
                insert(slot),
                [{"centre_id": f"c{number:02d}", "start_at": at, "capacity": 1} for at in starts],
            )
        connection.execute(
            insert(place).from_select(
                ["slot_id", "number", "centre_id", "start_at"],
                select(slot.c.id, 1, slot.c.centre_id, slot.c.start_at),
            )
        )
        # What other calls held before: of an empty table the planner prefers a scan.
        connection.execute(
            insert(held_place).from_select(
                ["holder", "place_id"], select(literal("CA-before"), place.c.id).limit(2000)
            )
        )
    with service.database.statement() as connection:
        connection.execute(text("ANALYZE"))


def plans_of(house: House, story: Callable[[], object]) -> list[tuple[str, str]]:
    """Each statement on places that the story sends in transactions, and how it is carried out."""
    sent: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "place" in statement:
            sent.append((statement, values))

    event.listen(house.database.engine, "before_cursor_execute", keep)
    try:
        story()
    finally:
        event.remove(house.database.engine, "before_cursor_execute", keep)
    with house.database.statement() as connection:
        return [
            (
                statement,
                "\n".join(
                    str(row) for row in connection.exec_driver_sql(f"EXPLAIN {statement}", values)
                ),
            )
            for statement, values in sent
        ]


def assert_no_scan(plans: list[tuple[str, str]]) -> None:
    for statement, plan in plans:
        for scan in (
            *("Seq Scan on place", "Seq Scan on held_place"),
            *("SCAN place", "SCAN mine", "SCAN near", "SCAN pick"),
        ):
            assert scan not in plan, f"{statement}\n{plan}"


def test_the_partial_index_serves_the_search_however_many_places_there_are(large: House):
    nearby = near(large)
    plans = plans_of(large, lambda: holds(large, "CA-1", near=nearby))
    look = [plan for statement, plan in plans if " AS mine" in statement]
    hold = [
        plan for statement, plan in plans if "UPDATE place" in statement and "pick0" in statement
    ]
    assert look
    assert hold
    for plan in (*look, *hold):
        assert "ix_place_free" in plan
    assert_no_scan(plans)
    held = rows_of(
        large.database,
        select(place.c.centre_id).where(place.c.held_by == "CA-1").order_by(place.c.id),
    )
    assert [row.centre_id for row in held] == ["c00", "c01", "c02"]


def test_what_is_past_is_not_read_where_there_are_few_centres(service: House):
    """PostgreSQL believes that a dozen free places of most centres are found anywhere."""
    fills(service, 16, [NOON + (n - 350) * HOUR for n in range(500)])
    nearby = near(service)
    plans = plans_of(service, lambda: holds(service, "CA-1", near=nearby))
    assert [plan for statement, plan in plans if " AS near" in statement]
    assert_no_scan(plans)


def test_a_search_for_two_doses_reads_no_other_index_than_that_of_free_places(large: House):
    """Nor a centre for each place to be held: the time zone of all is known."""
    now = large.clock.now()
    wish = SlotQuery(
        ((now + timedelta(hours=1), now + timedelta(days=30)),),
        apart=Apart(1, 7),
        zone="Europe/Paris",
    )
    ids = [one.centre.id for one in near(large)][:3]
    lease, longest = timedelta(minutes=4), timedelta(minutes=20)
    held = []

    def story() -> None:
        with large.database.transaction() as connection:
            clock = large.clock
            held.extend(
                places.hold(connection, clock, "CA-1", ids, wish, lease=lease, longest=longest)
            )

    ((statement, plan),) = plans_of(large, story)
    assert sorted(one.centre_id for one in held) == ids
    assert_no_scan([(statement, plan)])
    assert "FROM centre" not in statement
    assert "Tid Scan on place" in plan
    assert "pk_place" not in plan


@pytest.mark.parametrize("beside", [(), ("covid",)], ids=["one place", "two places"])
def test_the_search_for_two_services_is_a_seek_as_well(large: House, beside: tuple[str, ...]):
    nearby = near(large)
    wish = SlotQuery(
        ((large.clock.now() + timedelta(hours=1), large.clock.now() + timedelta(days=30)),),
        services=("grippe", "covid")[: 2 - len(beside)],
        beside=beside,
    )

    def story() -> None:
        ids = [one.centre.id for one in nearby]
        with large.database.transaction() as connection:
            places.look(connection, large.clock, ids[:12], wish, nearest=3, count_up_to=12)
            places.hold(
                connection,
                large.clock,
                "CA-1",
                ids[:3],
                wish,
                lease=timedelta(minutes=4),
                longest=timedelta(minutes=20),
            )

    plans = plans_of(large, story)
    assert len(plans) == 2
    for _, plan in plans:
        assert "ix_place_free" in plan
    assert_no_scan(plans)


def test_giving_back_and_booking_need_no_scan_either(large: House):
    held = holds(large, "CA-1")
    plans = plans_of(large, lambda: confirms(large, "CA-1", held[0]))
    # One statement books what was chosen and gives back the two others.
    assert len([1 for statement, _ in plans if statement.startswith("UPDATE place")]) == 1
    assert_no_scan(plans)
    assert large.held() == 0
