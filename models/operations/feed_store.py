"""The feed of free slots as it lies in the store: pieces, the list that names them, who writes.

Pieces of a publication are put beside those of the one before. The list, the manifest and the end
of the pieces that they replace are one transaction, so there is always one whole publication.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.operations.shared_files import FEED
from models.operations.tables import shared_file

# Rows without a content: centres that are to be read again, and the one row that publishers lock.
AGAIN: Final = "feed again"
_TURN: Final = "feed turn"
_NO_TAG: Final = ""


@dataclass(frozen=True)
class Stored:
    """A file with the name of its content, which is of its text and not of its packed bytes."""

    name: str
    tag: str
    body: bytes


def put(connection: Connection, clock: Clock, files: Sequence[Stored]) -> None:
    """Store contents beside others of the same names. In a transaction."""
    if not files:
        return
    new = insert(shared_file).values(changed_at=clock.at(), wanted_at=clock.at())
    keep = new.on_conflict_do_update(
        index_elements=["folder", "name", "tag"], set_={"wanted_at": clock.at()}
    )
    rows = [{"folder": FEED, "name": f.name, "tag": f.tag, "body": f.body} for f in files]
    connection.execute(keep, rows)


def tag_there(connection: Connection, name: str) -> str | None:
    """The newest content's tag of a file; None where there is none."""
    c = shared_file.c
    statement = (
        select(c.tag)
        .where(c.folder == FEED, c.name == name)
        .order_by(c.changed_at.desc(), c.tag)
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def take_turn(connection: Connection, clock: Clock) -> None:
    """Until this transaction ends no other publisher ends its own. No other code locks this row."""
    _touch(connection, clock, _TURN, "")


def forget(connection: Connection, gone: Iterable[tuple[str, str]]) -> None:
    """Delete contents by name and tag. In a transaction."""
    rows = [{"the_name": name, "the_tag": tag} for name, tag in gone]
    if rows:
        c = shared_file.c
        these = and_(
            c.folder == FEED, c.name == bindparam("the_name"), c.tag == bindparam("the_tag")
        )
        connection.execute(delete(shared_file).where(these), rows)


def listed(connection: Connection, before: datetime | None = None) -> list[tuple[str, str]]:
    """Name and tag of all that is stored; with `before` (UTC) of what was put earlier alone."""
    c = shared_file.c
    statement = select(c.name, c.tag).where(c.folder == FEED)
    if before is not None:
        statement = statement.where(c.wanted_at < before)
    return [(row.name, row.tag) for row in connection.execute(statement)]


# ---------------------------------------------------------------- centres to read again


def read_again(connection: Connection, clock: Clock, centre_id: str) -> None:
    """Let the feed read all slots of a centre again, for what leaves no other sign.

    One row for each centre. It is for operators' and supervisors' changes, never for a booking.
    """
    _touch(connection, clock, AGAIN, centre_id)


def to_read_again(connection: Connection) -> dict[str, datetime]:
    """Centres that are to be read again, and since when (UTC)."""
    c = shared_file.c
    rows = connection.execute(select(c.name, c.wanted_at).where(c.folder == AGAIN))
    return {row.name: row.wanted_at for row in rows}


def was_read(connection: Connection, asked: dict[str, datetime]) -> None:
    """Forget that these were to be read again, unless it was asked for anew since."""
    c = shared_file.c
    for centre_id, at in asked.items():
        mine = and_(c.folder == AGAIN, c.name == centre_id, c.wanted_at <= at)
        connection.execute(delete(shared_file).where(mine))


def _touch(connection: Connection, clock: Clock, folder: str, name: str) -> None:
    values: dict[str, Any] = {"folder": folder, "name": name, "tag": _NO_TAG, "body": b""}
    new = insert(shared_file).values(**values, changed_at=clock.at(), wanted_at=clock.at())
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["folder", "name", "tag"], set_={"wanted_at": clock.at()}
        )
    )
