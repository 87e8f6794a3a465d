"""The chain of what is recorded: one link for each line of the history and of the acts of staff.

A link has a keyed digest of its line and of the link before it. Links are written by a process
behind, in batches, and never in the transaction of the line itself. The tables are append only, as
the lines are: triggers of the migrations refuse the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
)

from models.accounts import staff
from models.accounts.tables import act_reason, staff_act
from models.advisory_locks import one_after_another
from models.booking import history as changes
from models.booking.tables import history, history_reason
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.rows import from_row, values_of
from models.tables import RowId, index, key, metadata, must
from models.types import Instant

HISTORY: Final = history.name
ACTS: Final = staff_act.name
CHAINS: Final = (HISTORY, ACTS)
# A link of no line: at this moment no line waited to be linked.
MARK: Final = 0

trace_link = Table(
    "trace_link",
    metadata,
    key("chain", String(10), "the table whose lines are chained"),
    key("position", BigInteger, "from 1 on, without a gap", autoincrement=False),
    must("row_id", BigInteger, "of the line; 0: a mark, that no line waited then"),
    must("at", Instant, "of the line"),
    must("linked_at", Instant),
    must("digest", LargeBinary, "keyed, of what the line says"),
    must("chained", LargeBinary, "keyed, of this link and the one before"),
    must("key_name", String(8), "which secret made both"),
    index("uq_trace_link_row", "chain", "row_id", where="row_id > 0", unique=True),
)

# Links of acts that are forgotten go from the beginning of their chain; this is what stays.
trace_cut = Table(
    "trace_cut",
    metadata,
    key("chain", String(10)),
    key("position", BigInteger, "of the last link cut off", autoincrement=False),
    must("chained", LargeBinary, "of that link"),
    must("at", Instant),
    must("key_name", String(8)),
    must("proof", LargeBinary, "keyed, of all of this"),
)

# When the end of a chain was told outside; what was told is there, and not believed here.
trace_anchor = Table(
    "trace_anchor",
    metadata,
    key("id", RowId),
    must("chain", String(10)),
    must("position", BigInteger),
    must("chained", LargeBinary),
    must("at", Instant),
    must("way", String(8), "file, webhook; empty: it left nowhere"),
    index("ix_trace_anchor_chain_at", "chain", "at"),
)

# Written out, not bound: a partial index is used only for its very words.
_OF_A_LINE: ColumnElement[bool] = trace_link.c.row_id > literal_column("0")
_LOCK = b"traces"
_ROWS = 1000
_TABLES: dict[str, Table] = {HISTORY: history, ACTS: staff_act}
# Lines have columns of the same names.
_LINK = [column.label(f"link_{column.name}") for column in trace_link.c]


@dataclass(frozen=True)
class Line:
    """A line as it is now; `said` is all of it, in an order that never changes."""

    id: int
    at: datetime
    said: tuple[str | None, ...]


@dataclass(frozen=True)
class Link:
    """A link as it is stored. Moments are UTC."""

    position: int
    row_id: int
    at: datetime
    linked_at: datetime
    digest: bytes
    chained: bytes
    key_name: str


@dataclass(frozen=True)
class Cut:
    """Links up to `position` are gone, and rightly so where `proof` is ours."""

    position: int
    chained: bytes
    at: datetime
    key_name: str
    proof: bytes


@dataclass(frozen=True)
class Anchor:
    """The end of a chain at a moment (UTC)."""

    chain: str
    position: int
    chained: bytes
    at: datetime


def now(connection: Connection, clock: Clock) -> datetime:
    """The moment by the clock that writes the lines."""
    found: datetime = connection.execute(select(clock.at().label("now"))).scalar_one()
    return found


# ---------------------------------------------------------------- lines


def unlinked(
    connection: Connection, vault: Vault, chain: str, *, after: int, limit: int
) -> list[Line]:
    """Lines without a link whose number is above `after`, in the order of their numbers."""
    table = _TABLES[chain]
    statement = (
        _lines(chain).where(table.c.id > after, ~_linked(chain)).order_by(table.c.id).limit(limit)
    )
    return [_line(vault, chain, row) for row in connection.execute(statement)]


def _linked(chain: str) -> Any:
    of_line = trace_link.c.row_id == _TABLES[chain].c.id
    return exists().where(trace_link.c.chain == chain, of_line, _OF_A_LINE)


def _lines(chain: str) -> Select[Any]:
    if chain == HISTORY:
        typed = history_reason.c.id == history.c.id
        return select(history, history_reason.c.why_enc).outerjoin(history_reason, typed)
    reason = act_reason.c.id == staff_act.c.id
    return select(staff_act, act_reason.c.why_enc).outerjoin(act_reason, reason)


def _line(vault: Vault, chain: str, row: Any) -> Line:
    if chain == HISTORY:
        why = row.why
        if not why and row.why_enc is not None:
            # Written by a version that had it in clear, and chained with it. What
            # is typed since is chained as a word alone, for it goes with its booking.
            (why,) = _reason(vault, changes.reason_place(row.id), row.why_enc)
        said = (row.booking_id, row.who, row.channel, row.what, why, row.details)
    else:
        reason = _reason(vault, staff.reason_place(row.id), row.why_enc)
        said = (row.staff_id, row.what, row.subject, row.details, *reason)
    return Line(row.id, row.at, said)


def _reason(vault: Vault, place: str, sealed: bytes | None) -> tuple[str | None, ...]:
    """The reason in clear: sealed bytes change with the data key, and the digest must not."""
    if sealed is None:
        return ()
    try:
        return (vault.open_text(sealed, place),)
    except CannotOpen:
        return (None,)


# ---------------------------------------------------------------- links


def end(connection: Connection, chain: str) -> tuple[int, bytes]:
    """Position and chained digest of the last link; of the cut where no link is left."""
    newest = _last(connection, trace_link, chain)
    if newest is not None:
        return newest.position, newest.chained
    kept = cut(connection, chain)
    return (kept.position, kept.chained) if kept else (0, b"")


def is_marked(connection: Connection, chain: str, since: datetime) -> bool:
    """Whether the last link is a mark, of a moment (UTC) after `since`."""
    newest = _last(connection, trace_link, chain)
    return newest is not None and newest.row_id == MARK and newest.at > since


def _last(connection: Connection, table: Table, chain: str) -> Row[Any] | None:
    newest_first = table.c.position.desc()
    statement = select(table).where(table.c.chain == chain).order_by(newest_first).limit(1)
    return connection.execute(statement).first()


def lowest_of_newest(connection: Connection, chain: str, position: int) -> int:
    """The lowest number of a line among the links from `position` on; 0 where there is none."""
    statement = select(func.min(trace_link.c.row_id)).where(
        trace_link.c.chain == chain,
        trace_link.c.position >= position,
        _OF_A_LINE,
    )
    return connection.execute(statement).scalar() or 0


def append(connection: Connection, chain: str, end_before: int, links: Sequence[Link]) -> bool:
    """Write links behind position `end_before`, in a transaction.

    False, and nothing is written, where another process was quicker.
    """
    one_after_another(connection, [_LOCK])
    position, _ = end(connection, chain)
    if position != end_before:
        return False
    rows = [{"chain": chain, **values_of(link, trace_link)} for link in links]
    connection.execute(insert(trace_link), rows)
    return True


def compared(
    connection: Connection, vault: Vault, chain: str
) -> Iterator[tuple[Link, Line | None]]:
    """Every link in order, each with its line as it is now; None where that is gone."""
    lines = _lines(chain).add_columns(literal(1).label("there")).subquery()
    statement = (
        select(*_LINK, lines)
        .select_from(trace_link)
        .outerjoin(lines, (lines.c.id == trace_link.c.row_id) & (_OF_A_LINE))
        .where(trace_link.c.chain == chain)
        .order_by(trace_link.c.position)
    )
    with connection.execute(statement, execution_options={"yield_per": _ROWS}) as rows:
        for row in rows:
            yield _link(row), _line(vault, chain, row) if row.there else None


def _link(row: Any) -> Link:
    return Link(*(getattr(row, f"link_{field.name}") for field in fields(Link)))


def not_linked(connection: Connection, chain: str) -> Iterator[tuple[int, datetime]]:
    """Number and moment of every line without a link, in the order of their numbers."""
    table = _TABLES[chain]
    statement = select(table.c.id, table.c.at).where(~_linked(chain)).order_by(table.c.id)
    with connection.execute(statement, execution_options={"yield_per": _ROWS}) as rows:
        for row in rows:
            yield row.id, row.at


def waiting(connection: Connection, chain: str) -> int:
    """How many lines lie behind the newest that is linked; for a gauge, so by index alone."""
    table = _TABLES[chain]
    newest = (
        select(func.coalesce(func.max(trace_link.c.row_id), 0))
        .where(trace_link.c.chain == chain, _OF_A_LINE)
        .scalar_subquery()
    )
    return connection.execute(
        select(func.count()).select_from(table).where(table.c.id > newest)
    ).scalar_one()


# ---------------------------------------------------------------- cuts and anchors


def cut(connection: Connection, chain: str) -> Cut | None:
    """The newest."""
    row = _last(connection, trace_cut, chain)
    return from_row(Cut, row) if row else None


def oldest(connection: Connection, chain: str, *, before: datetime, limit: int) -> list[Link]:
    """The oldest links, as long as they are of lines before a moment (UTC) that are gone.

    They are from the beginning of the chain on, `limit` of them at most.
    """
    table = _TABLES[chain]
    statement = (
        select(*_LINK, table.c.id.label("there"))
        .select_from(trace_link)
        .outerjoin(table, (table.c.id == trace_link.c.row_id) & (_OF_A_LINE))
        .where(trace_link.c.chain == chain)
        .order_by(trace_link.c.position)
        .limit(limit)
    )
    found = []
    for row in connection.execute(statement):
        link = _link(row)
        if link.at >= before or row.there is not None:
            break
        found.append(link)
    return found


def cut_off(connection: Connection, chain: str, made: Cut) -> int:
    """Keep the cut, and delete the links that it stands for; gives how many."""
    connection.execute(insert(trace_cut).values(chain=chain, **values_of(made, trace_cut)))
    gone = delete(trace_link).where(
        trace_link.c.chain == chain, trace_link.c.position <= made.position
    )
    return connection.execute(gone).rowcount


def add_anchor(connection: Connection, anchor: Anchor, way: str) -> None:
    """Note that the end of a chain was told."""
    connection.execute(insert(trace_anchor).values(way=way, **values_of(anchor, trace_anchor)))


def last_anchor(connection: Connection, chain: str, way: str | None = None) -> datetime | None:
    """When the end of a chain was told last (UTC), by one way or by any; None: never."""
    statement = select(func.max(trace_anchor.c.at)).where(trace_anchor.c.chain == chain)
    if way is None:
        statement = statement.where(trace_anchor.c.way != "")
    else:
        statement = statement.where(trace_anchor.c.way == way)
    found: datetime | None = connection.execute(statement).scalar()
    return found
