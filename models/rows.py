"""Dataclasses whose fields are called as columns are: what to select, to build and to insert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Column, Table

__all__ = ["columns_of", "from_row", "record", "values_of"]

Shape = TypeVar("Shape")
_Read = Callable[[Any], tuple[Any, ...]]
# Names of attributes, and what reads them.
_Names = tuple[tuple[str, ...], _Read]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool) -> Any:
        """A frozen dataclass, which mypy alone keeps from being changed.

        One that Python keeps from it sets each of its fields by a call. What a booking makes has a
        hundred of them.
        """
        return dataclass(unsafe_hash=frozen)


@cache
def _read_names(shape: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(shape))


def _reading(names: tuple[str, ...]) -> _Read:
    """What reads these attributes, in one call and in their order."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


@cache
def _read_common(shape: Any, table: Any) -> _Names:
    names = tuple(name for name in _names(shape) if name in table.c)
    return names, _reading(names)


@cache
def _read_left(shape: Any, given: tuple[str, ...]) -> _Names:
    names = tuple(name for name in _names(shape) if name not in given)
    return names, _reading(names)


# To a type checker not every type is hashable.
_names: Callable[[Any], tuple[str, ...]] = _read_names
_common: Callable[[Any, Table], _Names] = _read_common
_left: Callable[[Any, tuple[str, ...]], _Names] = _read_left


def columns_of(shape: type[Any], table: Table) -> tuple[Column[Any], ...]:
    """The columns of a table that a dataclass has fields for, in the order of its fields."""
    return tuple(table.c[name] for name in _common(shape, table)[0])


def from_row(shape: type[Shape], row: Any, **others: Any) -> Shape:
    """A dataclass from the columns of a row that are called as its fields; `others` are given.

    Raises AttributeError where a field is neither in the row nor among `others`.
    """
    names, read = _left(shape, tuple(others))
    return shape(**dict(zip(names, read(row), strict=True)), **others)


def values_of(new: Any, table: Table) -> dict[str, Any]:
    """The fields of a dataclass that a table has columns for, by name, for an INSERT."""
    names, read = _common(type(new), table)
    return dict(zip(names, read(new), strict=True))
