"""The tables of the first migration, frozen: `models/` says what they are now.

With the tables of `models/` a database made tomorrow would have the columns of tomorrow before the
migration that adds them, and no test could see that a migration was forgotten.
"""

from sqlalchemy import DateTime, LargeBinary, MetaData, Table
from sqlalchemy.schema import SchemaItem

from models.tables import metadata

frozen = MetaData(naming_convention=metadata.naming_convention)
Moment = DateTime(timezone=True)
Bytes = LargeBinary


def table(name: str, *parts: SchemaItem) -> None:
    """A table with its columns, rules and indexes."""
    Table(name, frozen, *parts)
