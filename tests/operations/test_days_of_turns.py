"""On PostgreSQL turns lie by the day on which their call rang: nobody notices the change of day."""

from __future__ import annotations

import re

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from psycopg.errors import InsufficientPrivilege
from sqlalchemy import func, insert, select, text

from models import turn_days
from models.booking.tables import booking
from models.call import turns
from models.call.tables import call, turn
from models.call.turns import Body
from models.clock import FixedClock
from models.database import Connection, Database
from models.migrations.runner import upgrade
from models.supervision import board, tallies
from models.supervision.tallies import QUARTER
from models.turn_days import Said
from services.findings import Level
from services.health import doctor
from services.health.store_gauges import StoreCollector
from services.privacy import days_of_turns
from services.privacy.days_of_turns import AHEAD, DaysAhead, make_ahead
from services.privacy.erase_data import erase_data
from services.privacy.person_rights import Actor, Given, erase
from tests.ivr.line import INCOMING, Line
from tests.ivr.plays import BOOKING, no_place_is_given_twice, play
from tests.operations.turn_days import days_begin_after
from tests.support.house import MOBILE, NOON, House, house, mornings
from tests.support.keeper import ROOT
from tests.support.locks import driver_url
from tests.support.postgres import as_restricted, forget_role, make_restricted
from tests.support.rows import clock_of, rows_of

pytestmark = pytest.mark.owner

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
TODAY = NOON.date()
# The last seconds of a day (UTC).
NIGHT = NOON.replace(hour=23, minute=59, second=50)
BODY = Body("1", "{}", "<Response/>")


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    database = Database(url)
    try:
        with database.statement() as connection:
            yield connection
    finally:
        database.dispose()


@pytest.fixture
def by_day(database_url: str) -> str:
    """A database in which days have partitions since a month before NOON."""
    days = (TODAY + number * DAY for number in range(-10, 4))
    days_begin_after(database_url, TODAY - 30 * DAY, *days)
    return database_url


@pytest.fixture
def service(by_day: str) -> Iterator[House]:
    with house(by_day, clock=FixedClock(NIGHT)) as made:
        for gid in ("1", "2", "3"):
            made.opens_centre(gid, kilometres=int(gid), starts=mornings(30), capacity=2)
        yield made


def lies_in(made: House) -> dict[str, int]:
    """How many turns lie in each partition that has any."""
    statement = select(text("tableoid::regclass::text AS part"), func.count().label("turns"))
    found = rows_of(made.database, statement.select_from(turn).group_by(text("1")))
    return {row.part: row.turns for row in found}


def spoken(made: House, call_id: str, day: date, *moments: datetime) -> None:
    rows = [
        {
            "call_id": call_id,
            "number": number,
            "at": at,
            "step": "birth_date",
            "outcome": "taken",
            "body_enc": b"what was said",
            "rang_on": day,
        }
        for number, at in enumerate(moments)
    ]
    with made.database.transaction() as connection:
        connection.execute(insert(turn), rows)


def counted(made: House, day: date, quarters: int = 96, *, but: int = -1) -> None:
    """The board's tallies of a day are written, of all its quarters or of all `but` one."""
    begins = datetime.combine(day, datetime.min.time(), NOON.tzinfo)
    with made.database.transaction() as connection:
        for number in range(quarters):
            if number != but:
                tallies.write(connection, begins + number * QUARTER, {})


# ---------------------------------------------------------------- a call beyond midnight


def test_a_call_beyond_midnight_lies_in_the_day_on_which_it_rang(service: House):
    caller = service.phone().goes_to("postcode")
    clock_of(service).advance(20 * SECOND)
    caller.answers("75011").goes_to("reference")
    assert list(lies_in(service)) == [f"turn_{TODAY:%Y%m%d}"]
    assert len(service.bookings()) == 1
    # Who rings after midnight lies in the next.
    service.phone("+33612345699").dials()
    assert set(lies_in(service)) == {f"turn_{TODAY:%Y%m%d}", f"turn_{TODAY + DAY:%Y%m%d}"}


def test_a_copy_of_the_ring_after_midnight_is_answered_the_same(service: House):
    line = Line(service.app)
    first = line.post(INCOMING)
    clock_of(service).advance(20 * SECOND)
    assert line.post(INCOMING) == first
    assert sum(lies_in(service).values()) == 1


# How a copy may come: as it was; without the day that we wrote into it; with another one.
CHANGED = {
    "as it was": lambda url: url,
    "without its day": lambda url: re.sub(r"&d=\d+", "", url),
    "with the next day": lambda url: re.sub(r"&d=\d+", f"&d={TODAY + DAY:%Y%m%d}", url),
    "with a day of no partition": lambda url: re.sub(r"&d=\d+", "&d=20990101", url),
    "with no day at all": lambda url: re.sub(r"&d=\d+", "&d=20261399", url),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_copies_of_each_webhook_after_midnight_book_nothing_twice(service: House, changed: Any):
    """Each is answered with its own bytes, whatever day its address tells."""
    played = play(Line(service.app), BOOKING)
    clock_of(service).advance(20 * SECOND)
    for (url, fields), answer in zip(played.posts, played.answers, strict=True):
        assert ("&d=" in url) == (url != INCOMING)
        assert played.line.post(changed(url), **fields) == answer
    with service.database.statement() as connection:
        assert connection.execute(select(func.count()).select_from(booking)).scalar_one() == 1
    assert sum(lies_in(service).values()) == len(played.posts)
    no_place_is_given_twice(service)


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_a_call_goes_on_after_midnight_whatever_day_its_addresses_tell(
    service: House, changed: Any
):
    line = Line(service.app)
    played = play(line, BOOKING[:4])
    clock_of(service).advance(20 * SECOND)
    document = played.last
    for keys in BOOKING[4:]:
        document = line.hear(changed(document.action), Digits=keys, msg="Gather End")
    assert "Au revoir" in document.said
    assert lies_in(service) == {f"turn_{TODAY:%Y%m%d}": len(BOOKING) + 1}


def test_a_turn_in_flight_at_midnight_is_waited_for(service: House):
    """Its copy claims the same key, and not one of the next day."""
    with service.database.transaction() as connection:
        store = service.store
        assert turns.claim(connection, store.clock, "CA-1", 3, TODAY)
        with service.database.statement() as other:
            other.execute(text("SET statement_timeout = 200"))
            with pytest.raises(Exception, match="statement timeout"):
                turns.claim(other, store.clock, "CA-1", 3, TODAY)
            other.execute(text("RESET statement_timeout"))


def test_a_conversation_by_text_lies_in_the_day_on_which_it_began(service: House):
    """Its turns name the day of the first; there is no call that would."""
    store = service.store
    with service.database.transaction() as connection:
        for number in range(2):
            assert turns.claim(connection, store.clock, "T-1", number, TODAY)
    clock_of(service).advance(20 * SECOND)
    with service.database.statement() as connection:
        newest = turns.newest(connection, store.vault, "T-1")
    assert newest is not None
    assert (newest.number, newest.day) == (1, TODAY)


# ---------------------------------------------------------------- days are made ahead


def test_today_and_some_days_after_it_are_made(database_url: str):
    days_begin_after(database_url, TODAY - DAY)
    with house(database_url, clock=FixedClock(NIGHT)) as made:
        assert days_of_turns.look(made.store) == DaysAhead(-1, 0)
        assert make_ahead(made.store) == AHEAD + 1
        assert make_ahead(made.store) == 0
        assert days_of_turns.look(made.store) == DaysAhead(AHEAD, 0)
        clock_of(made).advance(20 * SECOND)
        assert make_ahead(made.store) == 1
        clock_of(made).advance((AHEAD - 2) * DAY)
        found = days_of_turns.look(made.store)
        assert found is not None
        assert (found.ahead, found.too_few) == (2, True)


def test_what_was_before_and_the_two_days_after_are_one(empty_url: str):
    """The version before must not be at work any more when the first day of its own begins."""
    # Today: databases of other tests are copies of one that may be of yesterday.
    upgrade(empty_url)
    with opened(empty_url) as connection:
        (before,) = turn_days.kept(connection)
        now = connection.execute(text("SELECT timezone('UTC', now())::date")).scalar_one()
        assert before.is_before
        assert before.day == now + 2 * DAY
        assert turn_days.make(connection, before.day) is Said.BEFORE
        assert turn_days.make(connection, before.day + DAY) is Said.MADE


def test_a_day_without_a_partition_loses_nothing_and_is_moved_when_it_has_one(
    database_url: str,
):
    days_begin_after(database_url, TODAY - DAY)
    with house(database_url, clock=FixedClock(NIGHT)) as made:
        made.opens_centre("1", starts=mornings(30), capacity=2)
        caller = made.phone().goes_to("postcode")
        assert set(lies_in(made)) == {"turn_other"}
        found = days_of_turns.look(made.store)
        assert found is not None
        assert (found.ahead, found.stray) == (-1, sum(lies_in(made).values()))
        make_ahead(made.store)
        assert set(lies_in(made)) == {f"turn_{TODAY:%Y%m%d}"}
        caller.goes_to("reference")
        assert set(lies_in(made)) == {f"turn_{TODAY:%Y%m%d}"}
        assert len(made.bookings()) == 1


def test_where_too_much_would_be_looked_through_it_stays_and_is_said(database_url: str):
    """All who write on that day would wait meanwhile."""
    days_begin_after(database_url, TODAY - DAY)
    with house(database_url, clock=FixedClock(NOON)) as made:
        with made.database.transaction() as connection:
            connection.execute(
                text(
                    "INSERT INTO turn (call_id, number, at, step, outcome, rang_on)"
                    " SELECT 'CA' || n, 0, :at, '', '', :day FROM generate_series(0, :most) AS n"
                ),
                {"at": NOON, "day": TODAY, "most": 20000},
            )
            assert turn_days.make(connection, TODAY) is Said.FULL
        assert make_ahead(made.store) == 0
        found = days_of_turns.look(made.store)
        assert found is not None
        assert (found.ahead, found.stray) == (-1, 1000)
        with made.database.transaction() as connection:
            connection.execute(text("DELETE FROM turn WHERE call_id = 'CA0'"))
        assert make_ahead(made.store) == AHEAD + 1
        assert lies_in(made) == {f"turn_{TODAY:%Y%m%d}": 20000}


def test_a_partition_that_others_keep_locked_is_tried_again(database_url: str):
    days_begin_after(database_url, TODAY - DAY)
    with house(database_url, clock=FixedClock(NIGHT)) as made:
        with psycopg.connect(driver_url(database_url)) as reader:
            reader.execute("SELECT FROM turn_other")
            assert make_ahead(made.store) == 0
            # Callers wait for none of the two.
            made.phone().dials()
        assert make_ahead(made.store) == AHEAD + 1
        assert set(lies_in(made)) == {f"turn_{TODAY:%Y%m%d}"}


def test_what_lies_in_no_day_is_made_a_partition_of_several_by_hand(database_url: str):
    """As docs/at-3am.md says, to the letter but for the days."""
    days_begin_after(database_url, TODAY - DAY)
    page = (ROOT / "docs" / "at-3am.md").read_text("utf-8")
    ((told, end),) = re.findall(r"\n( +BEGIN; SET LOCAL.+?)( +COMMIT;)", page, re.DOTALL)
    steps = (told + end).replace("20261207", f"{TODAY + DAY:%Y%m%d}")
    for day, ours in (("05", TODAY), ("08", TODAY + 2 * DAY)):
        steps = steps.replace(f"2026-12-{day}", f"{ours}")
    with house(database_url, clock=FixedClock(NIGHT)) as made:
        made.opens_centre("1", starts=mornings(30), capacity=2)
        caller = made.phone().goes_to("postcode")
        with psycopg.connect(driver_url(database_url), autocommit=True) as owner:
            owner.execute(steps)
        assert set(lies_in(made)) == {f"turn_{TODAY + DAY:%Y%m%d}"}
        assert days_of_turns.look(made.store) == DaysAhead(1, 0)
        with made.database.transaction() as connection:
            assert turn_days.make(connection, TODAY) is Said.THERE
        assert make_ahead(made.store) == AHEAD - 1
        caller.goes_to("reference")
        clock_of(made).advance(10 * DAY)
        for ago in range(10, 6, -1):
            counted(made, TODAY + (10 - ago) * DAY)
        # With it what was before, and the empty day behind it.
        assert erase_data(made.store)["days of turns"] == 3
        assert lies_in(made) == {}


@pytest.mark.parametrize("day", ["-infinity", "infinity", "1999-12-31", "9999-01-01", None])
def test_only_days_that_can_be_are_made(by_day: str, day: str | None):
    with psycopg.connect(driver_url(by_day)) as connection:
        said = connection.execute("SELECT make_turn_day(%s::date)", (day,)).fetchone()
    assert said == ("before",)


@pytest.mark.parametrize(
    ("ahead", "stray", "level", "says"),
    [
        (7, 0, Level.GOOD, "reach 7 days ahead"),
        (3, 0, Level.GOOD, "reach 3 days ahead"),
        (2, 0, Level.WARNING, "reach 2 days ahead"),
        (-1, 5, Level.WARNING, "today has no partition"),
        (7, 5, Level.WARNING, "5 turns or more lie in no day"),
    ],
)
def test_the_doctor_says_how_far_they_reach(ahead: int, stray: int, level: Level, says: str):
    found = doctor.days(DaysAhead(ahead, stray))
    assert found.level is level
    assert says in found.says


def test_the_doctor_and_the_gauges_look_at_the_store(service: House):
    found = {
        family.name: family.samples[0].value
        for family in StoreCollector(service.store, lambda: service.campaign).collect()
        if family.name.startswith("allo_turn")
    }
    assert found == {"allo_turn_days_ahead": 3, "allo_turns_stray": 0}


# ---------------------------------------------------------------- days go


def test_a_day_that_is_due_goes_whole(service: House):
    for ago in (9, 8, 7, 3):
        spoken(service, f"CA-{ago}", TODAY - ago * DAY, *[NOON - ago * DAY] * 3)
        counted(service, TODAY - ago * DAY)
    erased = erase_data(service.store)
    # Empty ones of days before them went, too.
    assert erased["days of turns"] == 4
    assert erased["old turns"] == 0
    assert lies_in(service) == {
        f"turn_{TODAY - 7 * DAY:%Y%m%d}": 3,
        f"turn_{TODAY - 3 * DAY:%Y%m%d}": 3,
    }
    with service.database.statement() as connection:
        kept = [one.day for one in turn_days.kept(connection) if not one.is_before]
    assert kept[0] == TODAY - 7 * DAY


def test_a_day_whose_last_call_ended_on_the_next_waits_for_it(service: House):
    late = NIGHT - 7 * DAY + HOUR
    spoken(service, "CA-1", TODAY - 8 * DAY, NIGHT - 8 * DAY, late)
    for ago in range(10, 5, -1):
        counted(service, TODAY - ago * DAY)
    erase_data(service.store)
    assert lies_in(service) == {f"turn_{TODAY - 8 * DAY:%Y%m%d}": 2}
    clock_of(service).advance(2 * HOUR)
    erase_data(service.store)
    assert lies_in(service) == {}


def test_of_a_day_with_a_quarter_that_nothing_counted_the_rest_goes_in_bites(service: House):
    moments = [NOON - 8 * DAY + number * QUARTER for number in range(4)]
    spoken(service, "CA-1", TODAY - 8 * DAY, *moments)
    for ago in range(10, 0, -1):
        counted(service, TODAY - ago * DAY, but=34 if ago == 8 else -1)
    assert erase_data(service.store)["old turns"] == 0
    assert lies_in(service) == {f"turn_{TODAY - 8 * DAY:%Y%m%d}": 4}
    # Whole days would have gone by now.
    clock_of(service).advance(2 * DAY)
    assert erase_data(service.store)["old turns"] == 3
    assert [row.at for row in rows_of(service.database, select(turn.c.at))] == [moments[2]]
    clock_of(service).advance(366 * DAY)
    erase_data(service.store)
    assert lies_in(service) == {}


def test_an_uncounted_day_goes_whole_after_a_year(service: House):
    spoken(service, "CA-1", TODAY - 8 * DAY, NOON - 8 * DAY)
    erase_data(service.store)
    assert sum(lies_in(service).values()) == 1
    clock_of(service).advance(366 * DAY)
    erased = erase_data(service.store)
    assert (erased["uncounted turns"], sum(lies_in(service).values())) == (0, 0)
    assert erased["days of turns"] > 0


def test_what_was_before_goes_whole_as_well(service: House):
    floor = TODAY - 30 * DAY
    spoken(service, "CA-1", floor, NOON - 40 * DAY, NOON - 31 * DAY)
    for ago in (40, 31):
        counted(service, TODAY - ago * DAY)
    erase_data(service.store)
    with service.database.statement() as connection:
        assert not any(one.is_before for one in turn_days.kept(connection))
    # Whoever still writes there is taken up by what lies in no day.
    spoken(service, "CA-2", floor, NOON)
    assert lies_in(service) == {"turn_other": 1}


def test_what_was_before_stays_while_a_quarter_of_it_was_not_counted(service: House):
    floor = TODAY - 30 * DAY
    spoken(service, "CA-1", floor, NOON - 40 * DAY, NOON - 31 * DAY)
    counted(service, TODAY - 40 * DAY)
    erase_data(service.store)
    assert lies_in(service) == {"turn_before": 1}


def test_a_reader_is_not_waited_for(service: House, by_day: str):
    """The day goes when nobody has it; all who call meanwhile are answered."""
    day = TODAY - 9 * DAY
    spoken(service, "CA-1", day, NOON - 9 * DAY)
    counted(service, day)
    with psycopg.connect(driver_url(by_day)) as reader:
        reader.execute("SELECT count(*) FROM turn")
        with service.database.transaction() as connection:
            assert turn_days.drop(connection, day, NOON - 7 * DAY) is Said.BUSY
        service.phone().dials()
        assert reader.execute(
            "SELECT count(*) FROM turn WHERE rang_on = %s", (day,)
        ).fetchone() == (1,)
    with service.database.transaction() as connection:
        assert turn_days.drop(connection, day, NOON - 7 * DAY) is Said.DROPPED
        assert turn_days.drop(connection, day, NOON - 7 * DAY) is Said.GONE


@pytest.mark.parametrize(
    "until", [NOON - 9 * DAY, NOON - 9 * DAY + HOUR, NOON - 8 * DAY - 9 * HOUR]
)
def test_no_day_is_dropped_that_is_not_over(service: House, until: datetime):
    day = TODAY - 9 * DAY
    spoken(service, "CA-1", day, NOON - 9 * DAY)
    with service.database.transaction() as connection:
        assert turn_days.drop(connection, day, until) is Said.YOUNG


# ---------------------------------------------------------------- who may


def test_the_service_makes_and_drops_days_and_no_other_table(by_day: str, postgres_server: Any):
    role = f"{postgres_server.prefix}_days"
    make_restricted(by_day, role)
    url = as_restricted(by_day, role)
    try:
        with house(by_day, clock=FixedClock(NIGHT)) as owner:
            counted(owner, TODAY - 9 * DAY)
            spoken(owner, "CA-1", TODAY - 9 * DAY, NOON - 9 * DAY)
        made = House(url, clock=FixedClock(NIGHT + 2 * DAY))
        assert make_ahead(made.store) == 6
        made.phone().dials()
        assert erase_data(made.store)["days of turns"] >= 1
        assert f"turn_{TODAY - 9 * DAY:%Y%m%d}" not in lies_in(made)
        made.close()
        with psycopg.connect(driver_url(url), autocommit=True) as connection:
            for refused in (
                "CREATE TABLE turn_20300101 (LIKE turn)",
                f"DROP TABLE turn_{TODAY:%Y%m%d}",
                "ALTER TABLE turn DETACH PARTITION turn_other",
                "TRUNCATE turn_other",
            ):
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(refused)
    finally:
        with psycopg.connect(driver_url(by_day), autocommit=True) as connection:
            connection.execute(f'DROP OWNED BY "{role}"')
        forget_role(by_day, role)


def test_nobody_else_may(by_day: str, postgres_server: Any):
    stranger = f"{postgres_server.prefix}_stranger"
    with psycopg.connect(driver_url(by_day), autocommit=True) as connection:
        connection.execute(f'CREATE ROLE "{stranger}"')
        try:
            connection.execute(f'SET ROLE "{stranger}"')
            with pytest.raises(InsufficientPrivilege, match="make_turn_day"):
                connection.execute("SELECT make_turn_day('2030-01-01')")
            with pytest.raises(InsufficientPrivilege, match="drop_turn_day"):
                connection.execute("SELECT drop_turn_day('2026-11-25', now())")
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f'DROP ROLE "{stranger}"')


def test_the_summaries_of_all_days_are_made(by_day: str):
    with opened(by_day) as connection:
        assert board.summarise(connection)


# ---------------------------------------------------------------- who reads by person


def test_a_person_is_erased_in_all_days(service: House):
    born = date(1942, 3, 12)
    for _ in range(3):
        service.phone(MOBILE).goes_to("postcode", born="12031942").hangs_up()
        clock_of(service).advance(DAY)
    assert len(lies_in(service)) == 3
    said = select(turn.c.call_id).where(turn.c.body_enc.is_not(None)).distinct()
    assert len(rows_of(service.database, said)) == 3
    service.phone(MOBILE).goes_to("reference", born="12031942").hangs_up()
    erase(
        service.store,
        lambda _name: service.campaign,
        Given(born, MOBILE, service.bookings()[0].reference),
        by=Actor("operator", "exploitation"),
        reason="post",
    )
    assert rows_of(service.database, said) == []


# ---------------------------------------------------------------- the version before

# To the letter what it writes and reads.
OLD_CLAIM = text(
    "INSERT INTO turn (call_id, number, at, step, outcome)"
    " VALUES (:call, :number, clock_timestamp(), '', 'claimed') ON CONFLICT DO NOTHING"
)
OLD_COMPLETE = text(
    "UPDATE turn SET step = 's', outcome = 'held', body_enc = NULL, about = NULL"
    " WHERE turn.call_id = :call AND turn.number = :number"
)
OLD_NEWEST = text(
    "SELECT turn.number, turn.step, turn.body_enc FROM turn WHERE turn.call_id = :call"
    " AND turn.number <= 32767 ORDER BY turn.number DESC LIMIT 1"
)


@pytest.mark.parametrize("first", ["old", "new"])
def test_both_versions_claim_the_same_turn(database_url: str, first: str):
    """Today, and beyond the next midnight: all of it lies in what was before."""
    with house(database_url) as made, made.database.statement() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
        day = turn_days.day_of(now)

        def old(number: int) -> bool:
            done = connection.execute(OLD_CLAIM, {"call": "CA-1", "number": number})
            return done.rowcount == 1

        def new(number: int, on: date) -> bool:
            return turns.claim(connection, made.store.clock, "CA-1", number, on)

        for number, on in enumerate((day - DAY, day, day + DAY)):
            if first == "old":
                assert old(number)
                assert not new(number, on)
            else:
                assert new(number, on)
                assert not old(number)
            done = connection.execute(OLD_COMPLETE, {"call": "CA-1", "number": number})
            assert done.rowcount == 1
            found = turns.newest(connection, made.store.vault, "CA-1", day=on)
            assert found is not None
            assert found.number == number
            assert connection.execute(OLD_NEWEST, {"call": "CA-1"}).one().number == number


def test_the_version_before_writes_on_the_day_of_now_later_on(database_url: str):
    """Whoever forgot a machine of it: on one day both still claim the same turn."""
    with opened(database_url) as connection:
        today = connection.execute(text("SELECT timezone('UTC', now())::date")).scalar_one()
    days_begin_after(database_url, today - DAY, today)
    with house(database_url) as made, made.database.statement() as connection:
        assert connection.execute(OLD_CLAIM, {"call": "CA-1", "number": 0}).rowcount == 1
        assert not turns.claim(connection, made.store.clock, "CA-1", 0, today)
        # What it wrote on another day than that of the call is found all the same.
        assert lies_in(made) == {f"turn_{today:%Y%m%d}": 1}


# ---------------------------------------------------------------- the migration


def test_a_call_is_known_by_its_day(database_url: str):
    with house(database_url, clock=FixedClock(NIGHT)) as made:
        caller = made.phone().dials()
        with made.database.statement() as connection:
            assert turn_days.of_call(connection, caller.sid) == TODAY
            assert turn_days.of_call(connection, "CA-unknown") is None
        assert rows_of(made.database, select(call.c.started_at))[0].started_at == NIGHT
