"""`flask slots open` and `flask slots list`."""

from __future__ import annotations

import csv
import io

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import func, select, text, update

from models.centres import centres
from models.centres.tables import centre
from models.database import Database
from models.slots.tables import place, slot
from services.slots.open_slots import Span, day_starts, open_spans
from tests.support.imports import Run, centre_row, write_centres

REUNION = {
    "com_cp": "97410",
    "com_insee": "97416",
    "com_nom": "Saint-Pierre",
    "lat_coor1": "-21.34",
    "long_coor1": "55.49",
}


@pytest.fixture
def open_(run, tmp_path):
    """Three centres: 1 in Vitré, 2 in Réunion, 3 in Vitré without hours."""
    rows = [centre_row("1"), centre_row("2", **REUNION), centre_row("3", rdv_lundi="fermé")]
    run("centres", "import", write_centres(tmp_path / "c.csv", rows))

    def invoke(*arguments, centre="1", first="2021-01-18", days=1):
        return run(
            *("slots", "open", "--centre", centre, "--from", first, "--days", days), *arguments
        )

    return invoke


def listed(run: Run, gid: str = "1") -> list[dict[str, str]]:
    result = run("slots", "list", "--centre", gid)
    assert result.exit_code == 0
    return list(csv.DictReader(io.StringIO(result.stdout)))


def places(database: Database) -> int:
    with database.statement() as connection:
        return connection.execute(select(func.count()).select_from(place)).scalar_one()


def test_open_by_hours(run, open_):
    result = open_(
        "--hours", "09:00-10:00", "--hours", "14:00-14:25", "--every", 20, "--capacity", 2
    )
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "4 slots opened, 0 already there, 8 places added, 1 centres"
    )
    rows = listed(run)
    assert rows[0] == {
        "start": "2021-01-18T09:00:00+01:00",
        "capacity": "2",
        "booked": "0",
        "held": "0",
        "blocked": "0",
    }
    assert [row["start"][11:16] for row in rows] == ["09:00", "09:20", "09:40", "14:00"]


def test_twice_does_not_double(run, open_, database):
    open_("--hours", "09:00-10:00", "--capacity", 2)
    result = open_("--hours", "09:00-10:00", "--capacity", 2)
    assert "0 slots opened, 6 already there, 0 places added" in result.stdout
    assert (len(listed(run)), places(database)) == (6, 12)


def test_a_larger_capacity_adds_places_and_a_smaller_takes_none(run, open_, database):
    open_("--hours", "09:00-10:00", "--capacity", 1)
    more = open_("--hours", "09:00-09:30", "--capacity", 3)
    assert "0 slots opened, 3 already there, 6 places added" in more.stdout
    assert [row["capacity"] for row in listed(run)] == ["3", "3", "3", "1", "1", "1"]
    assert places(database) == 12
    less = open_("--hours", "09:00-10:00", "--capacity", 2)
    assert "3 slots have more places than asked and keep them" in less.stdout
    assert "3 places added" in less.stdout
    assert places(database) == 15
    with database.statement() as connection:
        odd = connection.execute(
            select(func.count())
            .select_from(place.join(slot))
            .where(
                (place.c.number > slot.c.capacity)
                | (place.c.start_at != slot.c.start_at)
                | (place.c.centre_id != slot.c.centre_id)
            )
        ).scalar_one()
    assert odd == 0


def test_own_hours_and_own_time_zone(run, open_):
    assert open_("--every", 60, centre="2", days=14).exit_code == 0
    # It is eleven o'clock in Réunion.
    assert [row["start"] for row in listed(run, "2")] == [
        f"2021-01-25T{hour}:00:00+04:00" for hour in ("09", "10", "11")
    ]


def test_moments_that_are_past_get_no_slot(run, open_, clock):
    clock.advance(timedelta(hours=2, minutes=30))  # 10:30 in Vitré
    open_("--every", 30)
    assert [row["start"][11:16] for row in listed(run)] == ["11:00", "11:30"]


def test_all_of_ours_by_their_own_hours(run, open_):
    run("centres", "take", "1", "2", "3")
    result = run("slots", "open", "--all", "--from", "2021-01-25", "--days", 7, "--every", 60)
    assert result.exit_code == 0
    assert "1 centres have no hours: 3" in result.stdout
    assert "6 slots opened, 0 already there, 6 places added, 2 centres" in result.stdout


def test_days_outside_a_centres_dates(run, open_, database):
    with database.transaction() as connection:
        connection.execute(
            update(centre).values(opens_on=date(2021, 1, 25), closes_on=date(2021, 1, 31))
        )
    result = open_(days=21)
    assert "2 days are before a centre opens or after it closes" in result.stdout
    assert {row["start"][:10] for row in listed(run)} == {"2021-01-25"}


def test_how_places_are_taken(run, open_, database, clock):
    open_("--hours", "09:00-09:10", "--capacity", 4)
    with database.transaction() as connection:
        for number, values in (
            (1, {"held_by": "call", "hold_expires_at": clock.moment + timedelta(minutes=5)}),
            (2, {"held_by": "call", "hold_expires_at": clock.moment - timedelta(minutes=5)}),
            (3, {"blocked": True}),
        ):
            connection.execute(update(place).where(place.c.number == number).values(**values))
    (row,) = listed(run)
    assert (row["capacity"], row["booked"], row["held"], row["blocked"]) == ("4", "0", "1", "1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--hours", "9-12"], "write them like 09:00-12:00"),
        (["--hours", "12:00-09:00"], "end before they begin"),
        (["--hours", "09:00-12:00", "--hours", "11:00-13:00"], "overlap"),
        (["--hours", "09:00-09:05"], "no slot of 10 minutes fits"),
        (["--every", "0"], "every 0 minutes"),
        (["--capacity", "0"], "capacity of 0"),
        (["--days", "0"], "0 days cannot be"),
        (["--from", "2021-01-17"], "is past"),
        (["--centre", "nowhere"], "no centre nowhere"),
        (["--centre", "3"], "centre 3 (Centre 3) has no hours of its own"),
    ],
)
def test_bad_input_changes_nothing(open_, database, options, sentence):
    result = open_(*options)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert places(database) == 0


def test_a_closed_centre(run, open_, database, clock):
    with database.transaction() as connection:
        connection.execute(update(centre).values(closed_at=clock.at()))
    assert "is closed" in open_().stderr


def test_either_a_centre_or_all(run):
    base = ("slots", "open", "--from", "2021-01-18", "--days", 1)
    assert run(*base).exit_code == 2
    assert run(*base, "--all", "--centre", "1").exit_code == 2
    assert run(*base, "--all", "--hours", "09:00-12:00").exit_code == 2
    nothing = run(*base, "--all")
    assert (nothing.exit_code, "import a file of centres first" in nothing.stderr) == (1, True)


def test_list_of_an_unknown_centre(run):
    result = run("slots", "list", "--centre", "nowhere")
    assert result.exit_code == 1
    assert result.stderr == "Error: there is no centre nowhere\n"


@pytest.mark.parametrize(
    ("day", "first_utc", "number"),
    [
        (date(2021, 3, 27), "08:00", 3),  # before the clocks change: UTC+1
        (date(2021, 3, 29), "07:00", 3),  # after: UTC+2
    ],
)
def test_nine_is_nine_in_winter_and_in_summer(day, first_utc, number):
    starts = day_starts((("09:00", "12:00"),), day, "Europe/Paris", 60)
    assert starts[0].strftime("%H:%M") == first_utc
    assert len(starts) == number


def test_an_hour_that_does_not_exist_gets_no_slot():
    starts = day_starts((("01:00", "04:00"),), date(2021, 3, 28), "Europe/Paris", 60)
    paris = ZoneInfo("Europe/Paris")
    assert [start.astimezone(paris).hour for start in starts] == [1, 3]


def test_skipped_hour_gets_no_slot_at_the_end_of_hours():
    """On that day 02:00 does not exist; as a moment it is 03:00, when the centre is closed."""
    starts = day_starts((("01:00", "03:00"),), date(2021, 3, 28), "Europe/Paris", 60)
    assert [f"{start:%H:%M}" for start in starts] == ["00:00"]
    assert starts[0].astimezone(ZoneInfo("Europe/Paris")).hour == 1


def test_an_hour_that_comes_twice_gets_one_slot():
    starts = day_starts((("01:00", "04:00"),), date(2021, 10, 31), "Europe/Paris", 60)
    assert len(starts) == 3


def test_slots_open_as_fast_where_their_tables_were_counted_while_empty(
    run, database, clock, tmp_path
):
    """As a restore or an operator's VACUUM ANALYZE leaves them, before the first slot."""
    gids = [str(number) for number in range(1, 9)]
    run("centres", "import", write_centres(tmp_path / "c.csv", [centre_row(one) for one in gids]))
    database.analyze()

    # A small centre comes first, and its few slots fill no page of the table.
    first = date(2021, 1, 19)
    spans = [
        Span(one, first, first + timedelta(days=19 if number else 0))
        for number, one in enumerate(centres.hours_of(database, gids, ours=False))
    ]
    hours, minutes = [("08:00", "18:00")], 20
    opened = open_spans(database, clock, spans, hours=hours, every=minutes, capacity=2).opened
    assert opened.slots == (1 + 7 * 20) * 30
    # By the connection that opened them: the server counts what each has read.
    with database.transaction() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with database.transaction() as connection:
        read, sought = connection.execute(
            text("SELECT seq_tup_read, idx_scan FROM pg_stat_user_tables WHERE relname = 'slot'")
        ).one()
    assert sought > 0
    # Each of the places once through all slots would be 4,230 for each; so it is in a first batch.
    assert read < 2_000 * opened.slots
