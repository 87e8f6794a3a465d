"""`flask demo`: from the extracts that the project ships."""

from __future__ import annotations

import csv
import io

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from click.testing import CliRunner
from sqlalchemy import Select, func, select, update

from commands import store as store_commands
from jobs import feeds
from models.centres.centres import CentreHours, hours_of
from models.centres.geography import distance_km
from models.centres.tables import centre, postcode
from models.clock import FixedClock
from models.database import Database
from models.slots.tables import place, slot
from services.campaign.file import load
from services.centres.directory import Directory
from services.centres.import_postcodes import PostcodeFeed, TownRow
from services.setup import demonstration
from services.setup.demonstration import (
    HORIZON_DAYS,
    DemonstrationReport,
    is_closed,
    prepare,
)
from services.slots.look_beyond import Beyond
from services.slots.open_slots import OpenReport
from services.store import Store
from services.work import Work
from tests.support.imports import DAYS, Run, centre_row, write_centres


def test_the_extracts_say_what_the_published_files_say(official_file, laposte_file):
    assert feeds.read_centres() == feeds.read_centres(official_file)
    assert feeds.read_postcodes() == feeds.read_postcodes(laposte_file)


# Centres that open for the first time after the eight days of `horizon`.
OPEN_LATER = 3


@pytest.fixture
def horizon(database, monkeypatch) -> int:
    """Days for which slots are open: eight.

    The places of 35 take minutes of a busy machine and show nothing more: the tests with `small`
    have the whole horizon.
    """
    days = 8
    monkeypatch.setattr(demonstration, "HORIZON_DAYS", days)
    return days


@pytest.fixture
def demo(run, horizon):
    result = run("demo")
    assert result.exit_code == 0
    return result.stdout.splitlines()


def one(database: Database, statement: Select[Any]) -> Any:
    with database.statement() as connection:
        return connection.execute(statement).one()


def counts(database: Database) -> tuple[int, ...]:
    return tuple(
        one(database, select(func.count()).select_from(table))[0] for table in (slot, place)
    )


def test_a_fresh_installation(run, demo, horizon, database, clock):
    assert demo[0].startswith("postcodes: 39193 read, 6328 codes, 6328 new")
    assert demo[1] == (
        "centres: 854 read, 854 new, 0 updated, 0 unchanged, "
        "852 placed, 2 without position, 0 refused"
    )
    assert demo[2].startswith("110 centres have no hours and get no slots: ")
    assert len(demo[2].split(": ")[1].split(", ")) == 110
    modes = select(centre.c.booking_mode).distinct().order_by(centre.c.booking_mode)
    with database.statement() as connection:
        assert list(connection.execute(modes).scalars()) == ["ours", "reserved"]
        without = connection.execute(
            select(func.count())
            .select_from(centre.outerjoin(slot))
            .where(slot.c.id.is_(None), centre.c.hours != "{}")
        ).scalar_one()
    assert without == (OPEN_LATER)
    first, last = one(database, select(func.min(slot.c.start_at), func.max(slot.c.start_at)))
    assert first > clock.moment
    assert timedelta(days=horizon - 1) <= last - clock.moment < timedelta(days=horizon)
    check_near(database)
    if horizon == HORIZON_DAYS:
        check_main_towns(database, clock)
    check_again(run, database, clock, half_a_week=counts(database)[0] * 3.5 / horizon)


def check_near(database: Database) -> None:
    """Callers hear places that a person there would call near."""
    for code, town, kilometres in (
        ("75011", "Paris", 2),
        ("35000", "Rennes", 2),
        ("13001", "Marseille", 10),
        ("97410", "Saint-Pierre", 5),
        ("20000", "Ajaccio", 6),
    ):
        here = one(database, select(postcode).where(postcode.c.code == code))
        with database.statement() as connection:
            near = connection.execute(
                select(centre).where(
                    centre.c.territory == here.territory,
                    centre.c.booking_mode == "ours",
                    centre.c.latitude.is_not(None),
                    centre.c.hours != "{}",
                )
            ).all()
        distance, name = min(
            (distance_km(here.latitude, here.longitude, c.latitude, c.longitude), c.town)
            for c in near
        )
        assert distance < kilometres, code
        assert name == town


def check_main_towns(database: Database, clock: FixedClock) -> None:
    """The main town of every département has both doses within the campaign's radius."""
    campaign = load("campaigns/demonstration.toml")
    assert (campaign.radius_kilometres, campaign.doses) == (60, 2)
    known, store = Directory(database), cast("Store", SimpleNamespace(clock=clock))
    codes, without = feeds.read_main_towns(), []
    with database.transaction() as connection:
        for code in codes:
            here = known.postcode(connection, code)
            assert here is not None, code
            place = (here.latitude or 0.0, here.longitude or 0.0)
            near = known.nearest(
                connection, *place, here.territory, campaign.radius_kilometres, postcode=code
            )
            if Beyond().nearest(Work(connection, store, campaign), near, clock.now()) is None:
                without.append(code)
    assert len(codes) == 101
    assert without == []


def check_again(run: Run, database: Database, clock: FixedClock, half_a_week: float) -> None:
    """A second start adds nothing; the next day adds one day; an import keeps `ours`."""
    before = counts(database)
    again = run("demo").stdout.splitlines()
    looked_at = OPEN_LATER
    nothing = f"0 slots opened, 0 already there, 0 places added, {looked_at} centres"
    assert again[-1] == nothing
    assert counts(database) == before
    clock.advance(timedelta(days=1))
    next_day = run("demo").stdout.splitlines()
    opened = int(next_day[-1].split()[0])
    assert 0 < opened < half_a_week
    rows = list(csv.DictReader(io.StringIO(run("slots", "list", "--centre", "493").stdout)))
    starts = [row["start"] for row in rows]
    assert starts == sorted(set(starts))
    assert all(start.endswith("+04:00") for start in starts)
    with database.transaction() as connection:
        connection.execute(update(centre).where(centre.c.id == "493").values(fingerprint="old"))
    assert "1 updated, 853 unchanged" in run("centres", "import", feeds.CENTRES_EXTRACT).stdout
    assert one(database, select(centre).where(centre.c.id == "493")).booking_mode == "ours"


@pytest.fixture
def small(database, clock, tmp_path):
    """A demonstration of two centres, one of which closed for good in the file."""
    rows = [centre_row("1"), centre_row("2", date_fermeture="17/01/2021")]
    centres = write_centres(tmp_path / "c.csv", rows)

    def start(*, refresh: bool = False) -> DemonstrationReport:
        return prepare(
            database,
            clock,
            read_postcodes=lambda: PostcodeFeed(
                1, [TownRow("35500", "35360", "Vitré", 48.1, -1.2)]
            ),
            read_centres=lambda: feeds.read_centres(centres),
            refresh=refresh,
        )

    return start


@pytest.mark.parametrize("options", [(), ("--people", "3")])
def test_production_has_no_demonstration(database, clock, options):
    demo = store_commands.make_demo(database, clock, production=True)
    result = CliRunner().invoke(demo, options)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ENVIRONMENT is production, and a demonstration")
    assert len(result.stderr.splitlines()) == 1
    assert one(database, select(func.count()).select_from(centre))[0] == 0


def test_a_closing_date_in_the_past_is_forgotten(small, database):
    report = small()
    assert report.opened.centres == 2
    assert one(database, select(func.count()).where(centre.c.closes_on.is_not(None)))[0] == 0


def test_a_start_tops_up_and_doubles_nothing(small, database, clock):
    # Five Mondays of six half hours; this Monday's are still to come.
    assert small().opened.opened.slots == 2 * 5 * 6
    assert small().opened.opened.slots == 0
    clock.advance(timedelta(days=7))
    assert small().opened.opened.slots == 2 * 6
    assert counts(database) == (2 * 6 * 6, 2 * 2 * 6 * 6)


def test_demonstration_opens_no_slot_on_sunday_christmas_or_new_year(database, tmp_path):
    daily = dict.fromkeys((f"rdv_{day}" for day in DAYS), "9h-12h")
    path = write_centres(tmp_path / "c.csv", [centre_row("1", **daily)])
    prepare(
        database,
        FixedClock(datetime(2026, 12, 20, 7, tzinfo=UTC)),
        read_postcodes=lambda: PostcodeFeed(1, [TownRow("35500", "35360", "Vitré", 48.1, -1.2)]),
        read_centres=lambda: feeds.read_centres(path),
    )
    with database.statement() as connection:
        opened = {start.date() for start in connection.execute(select(slot.c.start_at)).scalars()}
    first = date(2026, 12, 20)
    days = {first + timedelta(days=n) for n in range(HORIZON_DAYS)}
    sundays = {first + timedelta(weeks=n) for n in range(HORIZON_DAYS // 7)}
    assert days - opened == sundays | {date(2026, 12, 25), date(2027, 1, 1)}


def centres_of_main_towns(database: Database, clock: FixedClock) -> dict[str, list[CentreHours]]:
    """The centres with hours in reach of each main town, by its postcode."""
    radius, known = load("campaigns/demonstration.toml").radius_kilometres, Directory(database)
    hours = {hall.id: hall for hall in hours_of(database) if hall.hours}
    found = {}
    with database.statement() as connection:
        for code in feeds.read_main_towns():
            here = known.postcode(connection, code)
            assert here is not None, code
            assert here.latitude is not None, code
            assert here.longitude is not None, code
            near = known.nearest(
                connection, here.latitude, here.longitude, here.territory, radius, postcode=code
            )
            found[code] = [hours[one.centre.id] for one in near if one.centre.id in hours]
    return found


def has_both_doses(hall: CentreHours, today: date) -> bool:
    """Tell if a centre has a first dose from tomorrow on, and a second 21 to 28 days after it."""
    ahead = [today + timedelta(days=n) for n in range(1, HORIZON_DAYS)]
    days = {day for day in ahead if day.weekday() in hall.hours and not is_closed(day)}
    return any(day + timedelta(days=n) in days for day in days for n in range(21, 29))


def test_every_main_town_has_both_doses_whatever_the_date(database, clock, monkeypatch):
    monkeypatch.setattr(demonstration, "open_spans", lambda *_, **__: OpenReport())
    prepare(
        database,
        clock,
        read_postcodes=feeds.read_postcodes,
        read_centres=feeds.read_centres,
        main_towns=feeds.read_main_towns(),
    )
    near = centres_of_main_towns(database, clock)
    assert len(near) == 101
    # Years in which the holidays fall on each day of the week.
    for today in (
        date(year, 11, 20) + timedelta(days=n) for year in range(2026, 2032) for n in range(50)
    ):
        without = [
            code
            for code, halls in near.items()
            if not any(has_both_doses(one, today) for one in halls)
        ]
        assert (today, without) == (today, [])


def test_refresh_reads_the_extracts_anew(small, database):
    small()
    with database.transaction() as connection:
        connection.execute(update(centre).values(name="x", fingerprint="old"))
    again = small()
    assert (again.centres, again.postcodes) == (None, None)
    fresh = small(refresh=True)
    assert fresh.centres is not None
    assert (fresh.centres.new, fresh.centres.updated) == (0, 2)
    assert one(database, select(centre).where(centre.c.id == "1")).name == "Centre 1"


def test_centres_without_hours_are_named(database, clock, tmp_path):
    rows = [
        centre_row("1"),
        centre_row("2", rdv_lundi="fermé"),
        centre_row("3", rdv_lundi="à préciser"),
    ]
    path = write_centres(tmp_path / "c.csv", rows)
    report = prepare(
        database,
        clock,
        read_postcodes=lambda: PostcodeFeed(1, [TownRow("35500", "35360", "Vitré", 48.1, -1.2)]),
        read_centres=lambda: feeds.read_centres(path),
    )
    assert (report.without_hours, report.unclear_hours) == (["2"], ["3"])
    assert "1 centres have no hours and get no slots: 2" in report.lines()
