"""Transactions that wait for each other, without a row that both would lock."""

from __future__ import annotations

import zlib

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, bindparam, func, select

from models.prepared import Prepared, Values

# Of the two numbers of such a lock, the first; the lock of a turn has one number alone.
_OF_KEYS = 1


def one_after_another(connection: Connection, keys: Iterable[bytes]) -> None:
    """Until this transaction ends, others that name one of these keys wait here."""
    # Locks are taken in one order, or two transactions would wait for each other; one statement
    # takes them from left to right.
    numbers = sorted({zlib.crc32(key) for key in keys})
    if numbers:
        # The second number of a lock is a signed one.
        values = {f"key_{at}": number - 2**31 for at, number in enumerate(numbers)}
        _locks(len(numbers)).rows(connection, values)


def alone(
    connection: Connection, keys: Iterable[bytes], statement: Prepared, values: Values
) -> list[Any]:
    """The rows of a statement that begins once no other transaction names one of these keys.

    Others that name one wait until this transaction ends. If the statement itself waited, it would
    not see what they wrote meanwhile.
    """
    one_after_another(connection, keys)
    return statement.rows(connection, values)


@lru_cache
def _locks(count: int) -> Prepared:
    keys: list[BindParameter[int]] = [bindparam(f"key_{at}", type_=Integer) for at in range(count)]
    locks = (func.pg_advisory_xact_lock(_OF_KEYS, key).label(key.key) for key in keys)
    return Prepared(select(*locks))
