"""Column types that mean the same on PostgreSQL and on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Date, DateTime, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    if value is None:
        return None
    return _in_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


class Instant(TypeDecorator[datetime]):
    """A moment: `timestamptz` on PostgreSQL, UTC text with microseconds on SQLite.

    Takes and gives aware datetimes only; a naive one is a mistake and raises ValueError.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = _in_utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """SQLite's text is written in one call: its dialect does so field by field."""
        return _as_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Day(TypeDecorator[date]):
    """A day that is given, as `Date` has it, for statements that run with every booking."""

    impl = Date
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """As for a moment: SQLite's text is written in one call."""
        return date.isoformat if dialect.name == "sqlite" else super().bind_processor(dialect)


class Sealed(LargeBinary):
    """A personal value, sealed by `models.crypto.Vault`; the name of its column ends in `_enc`.

    The place that it is sealed for is "table.column:key" without that ending; several columns of a
    primary key stand there with colons in between. `flask keys` finds such columns by this type.
    """


class LookUpWay(Enum):
    """How a keyed hash is made anew when the index key changes."""

    VALUE = "from the sealed value beside it"
    PERSON = "from the birth date, number and rank of a person in a campaign"
    FOLLOWS = "it has no value beside it, and changes with those of the same number"
    LAPSES = "it cannot be made anew, and is not found any more: most live for minutes or days"


class LookUp(LargeBinary):
    """A keyed hash, by which a sealed value is found (`Vault.index`).

    `kind` is what the vault calls the value, `of` the sealed column that it is a hash of. Without
    these, `way` says what becomes of it when the index key changes.
    """

    def __init__(
        self,
        kind: str | None = None,
        of: str | None = None,
        *,
        way: LookUpWay = LookUpWay.VALUE,
        length: int | None = None,
    ) -> None:
        super().__init__(length)
        self.kind, self.of, self.way = kind, of, way
