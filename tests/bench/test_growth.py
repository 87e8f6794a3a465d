"""What grows is told of what grows, and tables that are filled are bare meanwhile."""

from __future__ import annotations

import pytest

from sqlalchemy import make_url

from bench import growth, servers
from bench.servers import opened

# Tables are changed.
pytestmark = pytest.mark.owner

INDEXES = """
SELECT indexdef FROM pg_indexes WHERE tablename IN ('slot', 'place') ORDER BY indexdef
"""


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with opened(url) as database, database.statement() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement).all()]


def count_of_indexes(url: str, *tables: str) -> int:
    named = ", ".join(f"'{table}'" for table in tables)
    ((found,),) = rows(url, f"SELECT count(*) FROM pg_indexes WHERE tablename IN ({named})")  # noqa: S608
    assert isinstance(found, int)
    return found


def test_tables_have_no_index_while_they_are_filled_and_then_all_that_they_had(database_url: str):
    before = rows(database_url, INDEXES)
    assert before
    with growth.filling(database_url, "slot", "place"):
        assert rows(database_url, INDEXES) == []
    assert rows(database_url, INDEXES) == before


def test_an_index_that_nobody_named_is_not_made_again(database_url: str):
    """Whoever adds one to the table makes nothing slower."""
    rows_of = "SELECT count(*) FROM pg_indexes WHERE tablename = 'message' AND indexname = 'late'"
    with opened(database_url) as database, database.statement() as connection:
        connection.exec_driver_sql("CREATE INDEX late ON message (kind)")
    growth.fill_texts(database_url, growth.FEW_TEXTS)
    assert rows(database_url, rows_of) == [(0,)]
    assert count_of_indexes(database_url, "message") == len(growth.ASKED)


@pytest.mark.parametrize("times", [1, 3])
def test_each_centre_has_a_hundred_days_of_slots_with_a_place_of_its_own(
    database_url: str, monkeypatch: pytest.MonkeyPatch, times: int
):
    monkeypatch.setattr(growth, "CENTRES", 4)
    growth.fill_slots(database_url, 4 * growth.DAYS * times)
    found = rows(
        database_url,
        "SELECT centre_id, count(*), count(DISTINCT start_at), count(DISTINCT start_at::date),"
        " count(DISTINCT lot) > 90 FROM place GROUP BY centre_id ORDER BY centre_id",
    )
    each = growth.DAYS * times
    assert found == [(f"bench{number:04d}", each, each, growth.DAYS, True) for number in range(4)]
    ((together,),) = rows(
        database_url,
        "SELECT count(*) FROM slot JOIN place ON place.slot_id = slot.id"
        " AND place.centre_id = slot.centre_id AND place.start_at = slot.start_at",
    )
    assert together == 4 * each


@pytest.mark.parametrize(
    "rows_of",
    [
        "SELECT centre_id, start_at FROM slot ORDER BY ctid",
        "SELECT centre_id, start_at FROM place ORDER BY ctid",
    ],
    ids=["slot", "place"],
)
def test_what_a_centre_has_lies_together_in_the_order_of_its_moments(
    database_url: str, monkeypatch: pytest.MonkeyPatch, rows_of: str
):
    """As the service writes it, where there are more moments than centres, too."""
    monkeypatch.setattr(growth, "CENTRES", 4)
    growth.fill_slots(database_url, 4 * growth.DAYS * 20)
    found = rows(database_url, rows_of)
    assert len(found) == 4 * growth.DAYS * 20
    assert found == sorted(found)


def test_what_is_due_is_spread_among_all_that_is_done(database_url: str):
    growth.fill_texts(database_url, growth.FEW_TEXTS)
    ((due, every),) = rows(
        database_url, "SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FROM message"
    )
    assert (due, every) == (growth.DUE, growth.FEW_TEXTS)
    found = rows(
        database_url,
        "SELECT DISTINCT bucket FROM (SELECT state, ntile(10) OVER (ORDER BY id) AS bucket"
        " FROM message) one WHERE state = 'pending'",
    )
    assert len(found) == 10


def test_a_copy_of_a_database_has_what_that_has(database_url: str):
    name = f"source_{make_url(database_url).database}"
    source = servers.beside(database_url, name)
    with opened(source) as database, database.statement() as connection:
        connection.exec_driver_sql("CREATE TABLE filled (id INTEGER)")
        connection.exec_driver_sql("INSERT INTO filled VALUES (7)")
    copied = servers.beside(database_url, f"copy_of_{name}", name)
    assert rows(copied, "SELECT id FROM filled") == [(7,)]


def test_the_first_rounds_are_not_counted_and_each_is_asked_all_questions_in_a_row():
    asked: list[str] = []

    def ask(name: str, seconds: float) -> growth.Ask:
        def one(question: int) -> float:
            asked.append(f"{name}{question}")
            return 9.0 if len(asked) <= 2 * 3 * growth.WARM_ROUNDS else seconds

        return one

    found = growth.compared([ask("few", 0.002), ask("many", 0.003)], 3)
    assert found == pytest.approx([2.0, 3.0])
    assert asked[:6] == ["few0", "few1", "few2", "many0", "many1", "many2"]


def test_a_slow_question_counts_and_a_slow_moment_does_not():
    moments = [0]

    def ask(slow: float) -> growth.Ask:
        def one(question: int) -> float:
            moments[0] += 1
            # Of two hundred questions five are slow each time; and one in fifty meets something.
            met = 0.050 if moments[0] % 49 == 0 else 0.0
            return (slow if question < 5 else 0.001) + met

        return one

    assert growth.compared([ask(0.004), ask(0.006)], 200) == pytest.approx([4.0, 6.0])


def test_the_questions_of_a_search_are_all_different():
    questions = range(growth.SEARCHES)
    assert len({(one % 60, one * 7 % 30, one * 11 % 32) for one in questions}) == growth.SEARCHES


def test_a_search_among_many_and_a_look_at_the_outbox_are_asked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    made = [servers.store_of(database_url) for _ in range(2)]
    left = made.copy()
    monkeypatch.setattr(growth, "store_of", lambda _url: left.pop())
    growth.fill_slots(database_url, growth.CENTRES * growth.DAYS)
    growth.fill_texts(database_url, growth.FEW_TEXTS)
    assert growth.searches(database_url)(7) > 0
    assert growth.looks(database_url)(0) > 0
    for store in made:
        store.database.dispose()
