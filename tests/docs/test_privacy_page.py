"""docs/privacy.md names each personal column, and how long the software really keeps it."""

from __future__ import annotations

import re

from datetime import timedelta
from typing import NamedTuple

import pytest

from models.all_tables import metadata
from models.operations.person_rows import KINDS
from services.privacy.erase_data import STEPS
from tests.support.keeper import ROOT

PAGE = ROOT / "docs" / "privacy.md"
ROW = re.compile(
    r"^\| (`\w+\.\w+`(?:, `\w+\.\w+`)*) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
    re.MULTILINE,
)
COLUMN = re.compile(r"`(\w+)\.(\w+)`")
TIME = re.compile(r"(\d+) (hours|days)")
NOBODY = re.compile(r"^No people are in: (.*?)\.$", re.MULTILINE | re.DOTALL)
# What would tell why somebody may come, or how they are: no table has a place for it.
HEALTH = re.compile(
    r"health|illness|disease|patholog|diagnos|comorbid|pregnan|profession|priorit|group|medical"
)


class Row(NamedTuple):
    columns: tuple[tuple[str, str], ...]
    step: str
    after: str


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [
        Row(tuple(COLUMN.findall(columns)), step.strip("` "), after)
        for columns, _, _, step, after in ROW.findall(PAGE.read_text("utf-8"))
    ]


def sealed() -> set[tuple[str, str]]:
    return {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(("_enc", "_idx"))
    }


def times(after: str) -> set[timedelta]:
    return {timedelta(**{unit: int(count)}) for count, unit in TIME.findall(after)}


def test_each_personal_column_is_named_with_how_long(rows: list[Row]):
    named = [column for row in rows for column in row.columns]
    assert len(named) == len(set(named))
    assert sealed() - set(named) == set()
    for table, column in named:
        assert column in metadata.tables[table].c, f"{table}.{column}"


def test_the_time_is_that_after_which_it_is_erased(rows: list[Row]):
    for row in rows:
        if row.step == "–":
            continue
        assert row.step in STEPS, row
        assert STEPS[row.step][1] in times(row.after), row
    # Each step that erases is told of, but what has nobody in it.
    told = {row.step for row in rows}
    assert set(STEPS) - told == {"old visits", "acts for two"}


def test_each_table_is_one_with_people_or_without(rows: list[Row]):
    found = NOBODY.search(PAGE.read_text("utf-8"))
    assert found
    without = set(re.findall(r"`(\w+)`", found.group(1)))
    with_people = {table for row in rows for table, _ in row.columns}
    assert with_people & without == set()
    assert with_people | without == set(metadata.tables)


def test_each_table_with_somebodys_columns_is_told_and_erased_on_request():
    """A new table is of nobody's right to know until it is one of these."""
    told = {kind.table.name for kind in KINDS}
    of_staff = {"staff", "staff_session", "staff_recovery", "key_canary"}
    # It protects whom a supervisor entered, leads to nobody by itself, and goes with the person.
    of_staff |= {"watched_name"}
    # A value that several bookings share, which are told by themselves.
    of_staff |= {"booking_cluster"}
    # Why a centre was closed: about no person, though a name may come into it. It goes by itself.
    of_staff |= {"operation"}
    # Who asks is in it, and the erasing empties it itself.
    asking = {"person_request"}
    assert {table for table, _ in sealed()} - told == of_staff | asking


def test_no_column_says_why_somebody_may_come():
    found = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if HEALTH.search(column.name)
    }
    assert found == set()
