"""Files that every machine gives, whichever wrote them: the feed, and what pages load."""

from __future__ import annotations

import hashlib

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.operations.tables import shared_file

FEED, ASSETS = "feed", "assets"
_DIGITS = 32


@dataclass(frozen=True)
class SharedFile:
    """A file as it is listed. `changed_at` (UTC) is when its content was written first."""

    name: str
    tag: str
    changed_at: datetime


def tag_of(body: bytes) -> str:
    """What names this content."""
    return hashlib.sha256(body).hexdigest()[:_DIGITS]


def listed(connection: Connection, folder: str) -> list[SharedFile]:
    """All files of a folder, without their content; what was written last comes last."""
    c = shared_file.c
    statement = (
        select(c.name, c.tag, c.changed_at)
        .where(c.folder == folder)
        .order_by(c.changed_at, c.name, c.tag)
    )
    return [SharedFile(*row) for row in connection.execute(statement)]


def read(connection: Connection, folder: str, name: str, tag: str) -> bytes | None:
    """The content of one; None where it is not there (any more)."""
    c = shared_file.c
    statement = select(c.body).where(c.folder == folder, c.name == name, c.tag == tag)
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else bytes(found)


def put(connection: Connection, clock: Clock, folder: str, name: str, body: bytes) -> None:
    """Store a content under its tag, or note that it is wanted still."""
    values = {"folder": folder, "name": name, "tag": tag_of(body), "body": body}
    moments = {"changed_at": clock.at(), "wanted_at": clock.at()}
    new = insert(shared_file).values(**values, **moments)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["folder", "name", "tag"], set_={"wanted_at": clock.at()}
        )
    )


def replace(connection: Connection, clock: Clock, folder: str, name: str, body: bytes) -> None:
    """Store a content in the place of all others of this name. In a transaction."""
    c = shared_file.c
    others = and_(c.folder == folder, c.name == name, c.tag != tag_of(body))
    connection.execute(delete(shared_file).where(others))
    put(connection, clock, folder, name, body)
    # What was there before, and is again, is written anew for those who have the other.
    mine = and_(c.folder == folder, c.name == name)
    connection.execute(update(shared_file).where(mine).values(changed_at=clock.at()))


def forget_unwanted(
    connection: Connection, clock: Clock, folder: str, after: timedelta, *, but: int
) -> int:
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
    gone = [and_(c.name == name, c.tag == tag) for name, tag in connection.execute(old)]
    if not gone:
        return 0
    return connection.execute(delete(shared_file).where(c.folder == folder, or_(*gone))).rowcount
