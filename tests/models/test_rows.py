"""Rows and dataclasses whose fields are called alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest

from sqlalchemy import Column, Integer, MetaData, Table, Text

from models.rows import columns_of, from_row, record, values_of


class Row(NamedTuple):
    number: int
    name: str
    left_out: str


ROW = Row(7, "seven", "never read")
TABLE = Table("some", MetaData(), Column("name", Text), Column("number", Integer))


@dataclass(frozen=True)
class Whole:
    name: str
    number: int
    other: str = "none"


@dataclass(frozen=True)
class Half:
    number: int


@dataclass(frozen=True)
class Elsewhere:
    colour: str


def test_each_field_is_the_column_of_its_name_or_what_is_given():
    assert from_row(Whole, ROW, other="given") == Whole("seven", 7, "given")
    assert from_row(Whole, ROW, other="o", name="given") == Whole("given", 7, "o")
    assert from_row(Half, ROW) == Half(7)
    assert from_row(Half, ROW, number=8) == Half(8)


def test_a_field_that_is_nowhere_is_no_default():
    with pytest.raises(AttributeError, match="other"):
        from_row(Whole, ROW)


def test_what_is_no_field_is_refused():
    with pytest.raises(TypeError, match="nothing"):
        from_row(Half, ROW, nothing=1)


def test_an_insert_has_the_fields_that_are_columns():
    assert values_of(Whole("seven", 7), TABLE) == {"name": "seven", "number": 7}
    assert values_of(Half(7), TABLE) == {"number": 7}
    assert values_of(Elsewhere("red"), TABLE) == {}
    assert [one.name for one in columns_of(Whole, TABLE)] == ["name", "number"]


@record(frozen=True)
class Made:
    name: str
    number: int = 7


def test_what_is_made_for_each_booking_is_a_frozen_dataclass_to_mypy():
    made = Made("seven")
    assert from_row(Made, ROW) == made != Made("eight")
    assert replace(made, number=8) == Made("seven", 8)
    assert {made: "found"}[Made("seven", 7)] == "found"
    # mypy refuses this, or else it would refuse the comment.
    made.name = "eight"  # type: ignore[misc]
