"""A nation's rows in a PostgreSQL: filled, measured, and what keeps that from being done."""

from __future__ import annotations

import contextlib
import json
import sys

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partialmethod
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlalchemy.exc import OperationalError

from bench import machine, nation, nation_rows, nation_work, servers
from bench.nation import Seen
from bench.nation_rows import Filled, Nation, Size
from bench.nation_work import Compared, Times
from bench.servers import CannotMeasure
from models.supervision.tallies import QUARTER
from tests.support import parts
from tests.support.postgres import OwnServer

NOW = datetime(2026, 11, 30, 5, 20, tzinfo=UTC)
SCALE, PART = 0.0005, 0.2
TABLES = {"place": Filled(rows=1000, copied=2.0, indexed=1.0, bytes=2**20)}
FEW = Times(asked=600, p50_ms=2.0, p99_ms=4.0, processor_ms=1.0)
SEEN = Seen(
    {
        "search": Compared("a search", replace(FEW, p50_ms=2.1), FEW),
        "erase": Compared("a person erased", replace(FEW, p50_ms=9.0), FEW),
    },
    {"many": {"capacity": 60.0, "orphan": 30.0}, "few": {"capacity": 0.6, "orphan": 0.3}},
    {"many": {"seconds": 44.0, "slots": 3_500_000, "files": 10_000}, "few": {"seconds": 0.5}},
)


@dataclass(frozen=True)
class Made:
    """A server with both databases, and PLAIN with no more than the migrations make.

    `server` and `folder` are where more could be made.
    """

    server: OwnServer
    folder: Path
    nations: Sequence[Nation]


PLAIN = "plain"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    parts.require(parts.POSTGRES)
    folder = tmp_path_factory.mktemp("nation")
    with nation.server(folder, kept=False) as server:
        servers.migrate(server.create(name=PLAIN))
        yield Made(server, folder, nation.filled(server, folder, SCALE, PART, lambda _: None))


def quiet(_sentence: str) -> None:
    """Tell nobody how far it is."""


def rows(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


# ---------------------------------------------------------------- how much


def test_a_scale_of_one_is_what_a_nation_has():
    many, few = nation_rows.sizes(1.0, 0.01, NOW)
    assert many.places == 10_000_000
    assert many.bookings == pytest.approx(5_000_000, rel=0.01)
    assert many.rows["message"] == pytest.approx(10_000_000, rel=0.01)
    assert many.turns == pytest.approx(100_000_000, rel=0.001)
    assert few.places == pytest.approx(many.places / 100, rel=0.001)
    # Who searches looks at as many centres in both.
    assert few.centres == many.centres == 1000


def test_turns_of_a_day_are_those_of_its_calls():
    size = Size.of(0.01, 10, NOW)
    assert sum(len(range(*_calls(size, day))) for day in range(len(size.days()))) == size.calls
    # The day in Paris ends an hour before that of turns.
    assert size.calls_end == datetime(2026, 11, 29, 23, tzinfo=UTC)
    assert str(size.days()[-1]) == "2026-11-29"
    assert len(size.days()) == nation_rows.CALL_DAYS + 1
    assert size.call_day(size.calls - 1) == size.days()[-1]


def _calls(size: Size, number: int) -> tuple[int, int]:
    moments = [
        datetime.combine(day, datetime.min.time(), UTC)
        for day in (*size.days(), NOW.date())[number : number + 2]
    ]
    first, end = map(size.first_call, moments)
    return first, end


def test_it_is_not_begun_where_the_disk_is_too_small(tmp_path: Path, monkeypatch):
    size = Size.of(1.0, 1000, NOW)
    monkeypatch.setattr(
        nation_rows, "free_bytes", lambda _: size.bytes // 2 + nation_rows.LEFT_OVER
    )
    with pytest.raises(CannotMeasure, match=r"has .* GiB: 0\.5 times this scale would fit"):
        nation_rows.fits([size], tmp_path)
    monkeypatch.setattr(nation_rows, "free_bytes", lambda _: size.bytes + nation_rows.LEFT_OVER)
    nation_rows.fits([size], tmp_path)


# ---------------------------------------------------------------- filled


def test_every_table_has_its_rows(made: Made):
    for one in made.nations:
        for table, count in one.size.rows.items():
            assert rows(one.url, f"SELECT count(*) FROM {table}") == [(count,)]  # noqa: S608
            assert one.tables[table].rows == count
            assert one.tables[table].bytes > 0
    many, few = made.nations
    assert many.size.places > 4 * few.size.places


def test_tables_are_as_the_migrations_make_them(made: Made):
    """Indexes, keys, triggers: and none of them stays without a log.

    An index that was made of its own definition says the same types in other words.
    """
    plain = made.server.url_of(PLAIN)
    shape = r"""
        SELECT regexp_replace(
            replace(indexdef, 'turn_before', 'turn'),
            '::(text|character varying)(\[\])?|[()]', '', 'g'
        ) FROM pg_indexes
        WHERE schemaname = 'public' AND tablename !~ '^(bench|turn_[0-9])'
        UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' ||
            replace(pg_get_constraintdef(oid), ' NOT VALID', '')
        FROM pg_constraint WHERE conrelid <> 0 AND conrelid::regclass::text !~ '^turn_[0-9]'
            AND contype <> 'n'
        UNION ALL SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text
        FROM pg_trigger WHERE NOT tgisinternal
        ORDER BY 1
    """
    for one in made.nations:
        assert rows(one.url, shape) == rows(plain, shape)
        logged = "SELECT DISTINCT relpersistence FROM pg_class WHERE relkind IN ('r', 'i')"
        assert rows(one.url, f"{logged} AND relnamespace = 'public'::regnamespace") == [("p",)]
        days = "SELECT count(*) FROM pg_indexes WHERE tablename ~ '^turn_[0-9]' AND indexdef ~ "
        for kind in ("UNIQUE", "brin"):
            ((count,),) = rows(one.url, f"{days} '{kind}'")
            assert count >= nation_rows.CALL_DAYS + 1
    assert rows(plain, "SHOW wal_level") == [("replica",)]
    assert rows(plain, "SHOW autovacuum") == [("on",)]


def test_turns_lie_by_day_and_bodies_are_of_the_last(made: Made):
    many = made.nations[0]
    assert rows(many.url, "SELECT count(*) FROM turn_other") == [(0,)]
    assert rows(many.url, "SELECT count(*) FROM turn_before") == [(0,)]
    ((wrong,),) = rows(
        many.url,
        "SELECT count(*) FROM turn JOIN call ON call.id = call_id"
        " WHERE rang_on <> (started_at AT TIME ZONE 'UTC')::date",
    )
    assert wrong == 0
    ((kept, length),) = rows(
        many.url, "SELECT count(*), min(length(body_enc)) FROM turn WHERE body_enc IS NOT NULL"
    )
    assert kept == pytest.approx(many.size.bodies, abs=2 * nation_rows.TURNS_A_CALL)
    assert length == nation_rows.BODY


def test_what_was_filled_is_found_again(made: Made):
    def tells(sentence: str) -> None:
        raise AssertionError(sentence)

    again = nation.filled(made.server, made.folder, SCALE, PART, tells)
    assert again == list(made.nations)


def test_a_disk_that_fills_up_leaves_nothing(made: Made, monkeypatch):
    free = iter([10**12, 10**12, 10**12])
    monkeypatch.setattr(nation_rows, "free_bytes", lambda _: next(free, 1000))
    with pytest.raises(CannotMeasure, match=r"the disk has 0\.0 GiB left, and .* is dropped"):
        _fill_another(made, monkeypatch)
    assert _databases(made) == []


def test_a_disk_that_is_full_in_a_copy_is_said(made: Made, monkeypatch):
    prepare = nation_rows.prepare

    def full(url: str, size: Size) -> None:
        prepare(url, size)
        with psycopg.connect(url) as connection:
            # What PostgreSQL says where a file cannot grow.
            connection.execute(
                "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file';"
                " END $$"
            )
            connection.execute(
                "CREATE TRIGGER full_disk BEFORE INSERT ON message"
                " FOR EACH ROW EXECUTE FUNCTION is_full()"
            )
            connection.execute("ALTER TABLE message ENABLE ALWAYS TRIGGER full_disk")

    monkeypatch.setattr(nation_rows, "prepare", full)
    with pytest.raises(CannotMeasure, match=r"full while message was filled \(could not extend"):
        _fill_another(made, monkeypatch)
    assert _databases(made) == []


def test_rows_that_cannot_be_made_are_said(made: Made, monkeypatch):
    monkeypatch.setattr(nation_rows, "turns_of", lambda *_: "SELECT 1 / 0")
    with pytest.raises(CannotMeasure, match=r"was not filled: psql:.*division by zero"):
        _fill_another(made, monkeypatch)
    assert _databases(made) == []


def _fill_another(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases of other names, on the same server, which is not set up anew.

    Their tables are a copy of what the migrations have made: made anew they are the same.
    """
    create = partialmethod(OwnServer.create, template=PLAIN)
    monkeypatch.setattr(OwnServer, "create", create)
    monkeypatch.setattr(nation_rows, "migrate", lambda _: None)
    monkeypatch.setattr(nation, "NAMES", ("another", "small"))
    monkeypatch.setattr(OwnServer, "restarts", lambda _: None)
    nation.filled(made.server, made.folder, SCALE, PART, lambda _: None)


def _databases(made: Made) -> list[Any]:
    return rows(made.server.url, "SELECT datname FROM pg_database WHERE datname ~ 'another|small'")


# ---------------------------------------------------------------- measured


def test_everything_is_measured_in_both_and_nothing_contradicts(made: Made, monkeypatch):
    said: list[str] = []
    # Each look of the board catches up with one quarter more, in the same way: late in the day
    # there are a hundred of them.
    monkeypatch.setattr(nation, "day_begins", lambda now: now - 4 * QUARTER)
    seen = nation.measure(made.nations, made.folder, said.append, asked=nation.LEAST_ASKED)
    assert seen.operations.keys() == nation_work.OPERATIONS.keys()
    for one in seen.operations.values():
        assert one.many.asked == one.few.asked >= 2
        assert min(one.many.p50_ms, one.few.p50_ms) > 0
    assert seen.verified["many"].keys() == seen.verified["few"].keys() >= {"orphan", "capacity"}
    assert seen.published["many"]["slots"] > seen.published["few"]["slots"] > 0
    assert nation.told(seen).count("\n") == len(nation_work.OPERATIONS) + 1
    # What it did is there: people who booked, and those of them who were erased.
    few = made.nations[1]
    ((booked,),) = rows(few.url, "SELECT count(*) FROM booking")
    assert booked > few.size.bookings
    assert rows(few.url, "SELECT count(*) > 0 FROM booking WHERE erased_at IS NOT NULL") == [
        (True,)
    ]
    ((bodies,),) = rows(few.url, "SELECT count(*) FROM turn WHERE length(body_enc) = 1400")
    assert bodies < few.size.bodies


def test_a_store_that_contradicts_itself_is_not_measured(made: Made):
    few = made.nations[1]
    everything_else = tuple(nation_work.OPERATIONS)
    with psycopg.connect(few.url) as connection:
        connection.execute("UPDATE place SET lot = lot, number = 9 WHERE id = 3")
    try:
        with pytest.raises(CannotMeasure, match="contradicts itself: capacity: slot 2 has"):
            nation.measure(made.nations, made.folder, quiet, without=everything_else)
    finally:
        with psycopg.connect(few.url) as connection:
            connection.execute("UPDATE place SET number = 1 WHERE id = 3")
    found = nation.measure(made.nations, made.folder, quiet, without=everything_else)
    assert not found.operations


def test_operations_of_which_too_few_can_be_done_are_said(made: Made, monkeypatch):
    few = replace(nation_work.OPERATIONS["search"], most=lambda _: 1)
    monkeypatch.setattr("bench.nation.OPERATIONS", {"search": few})
    with pytest.raises(CannotMeasure, match="too little is there for a search"):
        nation.measure(made.nations, made.folder, quiet, without=["verify"])


# ---------------------------------------------------------------- told


def test_growth_is_of_the_quicker_half():
    assert SEEN.operations["search"].growth == pytest.approx(1.05)
    told = nation.told(SEEN)
    assert "| a search | 2.00 | 2.10 | 1.05 |" in told
    # What grows is seen.
    assert "| a person erased | 2.00 | 9.00 | **4.50** |" in told


def _nations() -> list[Nation]:
    return [
        Nation(f"postgresql:///{name}", size, TABLES)
        for name, size in zip(nation.NAMES, nation_rows.sizes(1.0, 0.01, NOW), strict=True)
    ]


FACTS = {
    "date": "2026-11-30",
    "commit": "abc",
    "machine": "two cores",
    "server_version": "18",
    "part": 0.01,
}


def test_the_page_and_the_file_have_what_was_measured(tmp_path: Path, monkeypatch):
    before = nation.PAGE.read_text("utf-8")
    assert before.count(nation.BEGINS) == before.count(nation.ENDS) == 1
    page, results = tmp_path / "scale.md", tmp_path / "nation.json"
    page.write_text(before, "utf-8")
    monkeypatch.setattr(nation, "PAGE", page)
    nation.write(_nations(), SEEN, FACTS, results, with_page=False)
    assert page.read_text("utf-8") == before
    nation.write(_nations(), SEEN, FACTS, results, with_page=True)
    told = page.read_text("utf-8")
    assert "10,000,000 places" in told
    assert "took 90.0 s (0.90 s at the part), the longest of them `capacity` 60.0 s" in told
    assert told.partition(nation.BEGINS)[0] == before.partition(nation.BEGINS)[0]
    kept = json.loads(results.read_text("utf-8"))
    assert kept["operations"]["erase"]["many"]["p50_ms"] == 9.0
    assert kept["tables"]["many"]["place"]["bytes"] == 2**20


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scale", "0"],
        ["--scale", "-1"],
        ["--scale", "nan"],
        ["--scale", "5"],
        ["--part", "1"],
        ["--asked", "1"],
        ["--fill"],
        ["--without", "nothing"],
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.nation", *arguments])
    with pytest.raises(SystemExit) as ended:
        nation.main()
    assert ended.value.code == nation.CANNOT
    assert arguments[0] in capsys.readouterr().err


def test_without_postgresql_it_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setenv(parts.POSTGRES.switch, "off")
    monkeypatch.setattr(sys, "argv", ["bench.nation", "--scale", "0.0005"])
    assert nation.main() == nation.CANNOT
    assert "is taken away by TEST_POSTGRES=off" in capsys.readouterr().err


@pytest.mark.parametrize("busy", ["", "the machine was busy"])
def test_a_busy_machine_is_in_the_file_and_not_on_the_page(
    busy: str, tmp_path: Path, monkeypatch, capsys
):
    @contextmanager
    def server(_folder: Path, *, kept: bool):
        yield None

    wrote: list[tuple[dict[str, Any], bool]] = []
    monkeypatch.setattr(nation, "server", server)
    monkeypatch.setattr(nation, "filled", lambda *_: _nations())
    monkeypatch.setattr(machine, "facts", lambda _: {"machine": "two cores"})
    monkeypatch.setattr(machine, "too_busy", lambda _: busy)
    monkeypatch.setattr(servers, "postgres_facts", lambda _: {"server_version": "18"})
    monkeypatch.setattr(nation, "measure", lambda *_, **__: SEEN)
    monkeypatch.setattr(
        nation,
        "write",
        lambda _nations, _seen, facts, _file, *, with_page: wrote.append((facts, with_page)),
    )
    monkeypatch.setattr(sys, "argv", ["bench.nation", "--page"])
    assert nation.main() == (nation.VOID if busy else 0)
    ((facts, with_page),) = wrote
    assert facts["void"] == busy
    assert with_page is not bool(busy)
    assert ("void" in capsys.readouterr().out) is bool(busy)


def test_a_call_with_fill_measures_nothing(tmp_path: Path, monkeypatch, capsys):
    @contextmanager
    def server(_folder: Path, *, kept: bool):
        assert kept
        yield None

    monkeypatch.setattr(nation, "server", server)
    monkeypatch.setattr(nation, "filled", lambda *_: _nations())
    monkeypatch.setattr(nation, "measure", None)
    monkeypatch.setattr(sys, "argv", ["bench.nation", "--fill", "--databases", str(tmp_path)])
    assert nation.main() == 0
    assert "| place | 1,000 | 2 | 3 | 1 | 1049 |" in capsys.readouterr().out


def test_what_a_measurement_erased_is_said_again_for_the_next(made: Made, tmp_path: Path):
    many = made.nations[0]
    said = "SELECT count(*), sum(length(body_enc)) FROM turn WHERE body_enc IS NOT NULL"
    before = rows(many.url, said)
    for _ in range(2):
        with contextlib.closing(nation_work.Side(many, tmp_path, 20)) as side:
            assert rows(many.url, said) == before
            side.bite(0)
            assert side.erased > 0
        assert rows(many.url, said) != before


def test_a_count_that_is_late_on_a_cold_disk_is_asked_again():
    late = [OperationalError("", None, Exception("late"))] * 3
    asked: list[None] = []

    def count() -> None:
        asked.append(None)
        if late:
            raise late.pop()

    nation._once_read(count)
    assert len(asked) == 4


def test_a_count_that_is_always_late_cannot_be_measured():
    def count() -> None:
        raise OperationalError("", None, Exception("late"))

    with pytest.raises(CannotMeasure, match="late"):
        nation._once_read(count)
