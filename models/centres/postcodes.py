"""Postcodes in the store, as an import writes them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from models.centres.tables import postcode
from models.database import Database
from models.dialects import insert

_CODES_PER_STATEMENT = 500


def count(database: Database) -> int:
    with database.statement() as connection:
        return connection.execute(select(func.count()).select_from(postcode)).scalar_one()


def known(database: Database) -> dict[str, str]:
    """Fingerprint of every postcode, by code."""
    with database.statement() as connection:
        rows = connection.execute(select(postcode.c.code, postcode.c.fingerprint))
        return {row.code: row.fingerprint for row in rows}


def save(database: Database, rows: Sequence[dict[str, object]]) -> None:
    """Insert or replace postcodes (rows with every column of the table), in one transaction."""
    with database.transaction() as connection:
        new = insert(connection, postcode)
        others = [column.name for column in postcode.c if not column.primary_key]
        again = new.on_conflict_do_update(
            index_elements=[postcode.c.code], set_={name: new.excluded[name] for name in others}
        )
        connection.execute(again, list(rows))


def remove(database: Database, codes: Sequence[str]) -> None:
    for start in range(0, len(codes), _CODES_PER_STATEMENT):
        with database.transaction() as connection:
            connection.execute(
                delete(postcode).where(
                    postcode.c.code.in_(codes[start : start + _CODES_PER_STATEMENT])
                )
            )
