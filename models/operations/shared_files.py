"""Files that every machine gives, whichever wrote them: the feed, and what pages load.

Pieces of a publication of the feed are put beside those of the one before. The list, the manifest
and the end of the pieces that they replace are one transaction, so there is always one whole
publication.
"""

from __future__ import annotations

import hashlib

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, and_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.operations.tables import shared_file

FEED, ASSETS = "feed", "assets"
# Rows without a content: centres that are to be read again, and the one row that publishers lock.
AGAIN: Final = "feed again"
_TURN: Final = "feed turn"
_DIGITS = 32


@dataclass(frozen=True)
class Stored:
    """A file with the name of its content; a packed one's is of its text, not of its bytes."""

    name: str
    tag: str
    body: bytes


def tag_of(body: bytes) -> str:
    """What names this content."""
    return hashlib.sha256(body).hexdigest()[:_DIGITS]


def listed(
    connection: Connection, folder: str, before: datetime | None = None
) -> list[tuple[str, str]]:
    """Name and tag of all files of a folder; what was written last comes last.

    With `before` (UTC) of what was put earlier alone.
    """
    c = shared_file.c
    statement = select(c.name, c.tag).where(c.folder == folder)
    if before is not None:
        statement = statement.where(c.wanted_at < before)
    rows = connection.execute(statement.order_by(c.changed_at, c.name, c.tag))
    return [(row.name, row.tag) for row in rows]


def read(connection: Connection, folder: str, name: str, tag: str) -> bytes | None:
    """The content of one; None where it is not there (any more)."""
    c = shared_file.c
    statement = select(c.body).where(c.folder == folder, c.name == name, c.tag == tag)
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else bytes(found)


def put(connection: Connection, clock: Clock, folder: str, files: Sequence[Stored]) -> None:
    """Store contents beside others of the same names, or note that they are wanted still."""
    if not files:
        return
    new = insert(shared_file).values(changed_at=clock.at(), wanted_at=clock.at())
    keep = new.on_conflict_do_update(
        index_elements=["folder", "name", "tag"], set_={"wanted_at": clock.at()}
    )
    rows = [{"folder": folder, "name": f.name, "tag": f.tag, "body": f.body} for f in files]
    connection.execute(keep, rows)


def forget(connection: Connection, folder: str, gone: Iterable[tuple[str, str]]) -> None:
    """Delete contents by name and tag. In a transaction."""
    rows = [{"the_name": name, "the_tag": tag} for name, tag in gone]
    if rows:
        c = shared_file.c
        these = and_(
            c.folder == folder, c.name == bindparam("the_name"), c.tag == bindparam("the_tag")
        )
        connection.execute(delete(shared_file).where(these), rows)


def forget_unwanted(
    connection: Connection, clock: Clock, folder: str, after: timedelta, *, but: int
) -> None:
    """Delete what no machine has wanted for so long, `but` the newest so many of each name."""
    c = shared_file.c
    newest_first = func.row_number().over(partition_by=c.name, order_by=c.wanted_at.desc())
    numbered = (
        select(c.name, c.tag, c.wanted_at, newest_first.label("number"))
        .where(c.folder == folder)
        .subquery()
    )
    old = select(numbered.c.name, numbered.c.tag).where(
        numbered.c.number > but, numbered.c.wanted_at < clock.at(-after)
    )
    forget(connection, folder, [(name, tag) for name, tag in connection.execute(old)])


# ---------------------------------------------------------------- the feed


def tag_there(connection: Connection, name: str) -> str | None:
    """The newest content's tag of a file of the feed; None where there is none."""
    c = shared_file.c
    statement = (
        select(c.tag)
        .where(c.folder == FEED, c.name == name)
        .order_by(c.changed_at.desc(), c.tag)
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def take_turn(connection: Connection, clock: Clock) -> None:
    """Until this transaction ends no other publisher ends its own. Nothing else locks this row."""
    put(connection, clock, _TURN, [_mark("")])


def read_again(connection: Connection, clock: Clock, centre_id: str) -> None:
    """Let the feed read all slots of a centre again, for what leaves no other sign.

    One row for each centre. It is for operators' and supervisors' changes, never for a booking.
    """
    put(connection, clock, AGAIN, [_mark(centre_id)])


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


def _mark(name: str) -> Stored:
    return Stored(name, "", b"")
