"""A personal column says so where it is defined: by its type, or with `personal`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import Column, LargeBinary, MetaData, String, Table

from models.all_tables import metadata
from models.operations.person_rows import KINDS, Erasing
from models.tables import is_personal, may, nothing_personal
from models.types import LookUp, Sealed

# Words of names of columns that would tell who or where a person is, or how to reach them.
WORDS = frozenset(
    ("phone", "postcode", "latitude", "longitude", "born", "dob", "mail", "caller", "name")
)
# Tables with such columns that tell of no person: of centres, partners, towns, keys, files, counts.
NOBODYS = {
    *("centre", "centre_name", "postcode", "partner_centre", "service", "trace_link", "trace_cut"),
    *("alert", "board_setting", "snapshot", "tally", "process_lease", "rate_bucket"),
    *("shared_file", "key_canary"),
}
# Of staff, who sign in by a name: docs/privacy.md, "Staff".
OF_STAFF = {"staff", "staff_passkey", "staff_session", "staff_recovery"}
# Personal, and of no person's trail: told or erased by a time, by another act, or counted only.
APART = {"booking_cluster", "watched_name", "person_request", "operation", "budget", *OF_STAFF}


def unmarked(tables: MetaData) -> Iterator[str]:
    """Columns that look personal and are not marked."""
    for table in tables.tables.values():
        for column in table.columns:
            if is_personal(column) or table.name in NOBODYS | OF_STAFF:
                continue
            sealed = column.name.endswith(("_enc", "_idx"))
            named = not WORDS.isdisjoint(column.name.split("_"))
            if sealed or named:
                yield f"{table.name}.{column.name}"


def test_every_personal_column_is_marked():
    assert list(unmarked(metadata)) == []


@pytest.mark.parametrize(
    "column",
    [
        Column("phone_enc", LargeBinary),
        Column("mother_idx", LargeBinary),
        Column("phone", String(16)),
        Column("postcode_of_home", String(5)),
    ],
)
def test_a_personal_column_without_a_mark_is_found(column: Column[object]):
    made = MetaData()
    Table("visitor", made, column)
    assert list(unmarked(made)) == [f"visitor.{column.name}"]


def test_types_and_the_word_are_marks():
    table = Table(
        "visitor",
        MetaData(),
        may("id", String(4)),
        may("phone_enc", Sealed),
        may("phone_idx", LookUp("phone", "phone_enc")),
        may("postcode", String(5), personal=True),
    )
    assert nothing_personal(table) == {"phone_enc": None, "phone_idx": None, "postcode": None}


def test_each_table_with_personal_columns_is_of_an_export_or_named_here():
    marked = {table.name for table in metadata.tables.values() if nothing_personal(table)}
    assert marked - {kind.table.name for kind in KINDS} - APART == set()


def test_what_stays_of_a_row_may_be_without_what_is_personal():
    wrong = [
        f"{kind.table.name}.{name}"
        for kind in KINDS
        if kind.erasing is Erasing.BLANK
        for name in nothing_personal(kind.table)
        if not kind.table.c[name].nullable
    ]
    assert wrong == []
