"""Column types: moments with their time zone, and what is sealed or found by a keyed hash."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import DateTime, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return value if value.tzinfo is UTC else value.astimezone(UTC)


class Instant(TypeDecorator[datetime]):
    """A moment, `timestamptz`.

    Takes and gives aware datetimes only; a naive one is a mistake and raises ValueError.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


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
