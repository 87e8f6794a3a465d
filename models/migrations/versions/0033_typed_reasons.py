"""What was typed as the reason of a change or an operation is sealed; provider records of requests.

It lay in clear in `history`, `operation` and `agent_case`. A word of the service's own stays where
it is. What was typed in `history` goes into `history_reason`: a line never changes, and sealed
bytes change when the data key does. Lines of before were chained with their reason in clear, so an
empty `why` with a reason beside it is read as that reason, and the chain stays whole; a line
written since says "typed", and its reason can be erased. A case reads the reason of its operation.

What the provider has of a person who asked to be erased is put down where all such ids are; what
requests hold of it, sealed, is taken over as each is finished.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from alembic import context, op

from models.crypto import Vault
from models.migrations.runner import NoKeys
from models.migrations.steps import add_column

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

RowId = sa.BigInteger()
OLD = {
    ("history", "why"): None,
    ("operation", "why"): None,
    ("person_request", "provider_enc"): "JSON: ids of messages and calls to delete at the provider",
}
NEW = {
    ("history", "why"): "a word of ours; typed: sealed in history_reason; empty: none",
    ("operation", "why"): "empty: it is sealed now",
    ("person_request", "provider_enc"): (
        "of earlier versions: ids at the provider, until they are in provider_record"
    ),
}
REQUEST = "ix_provider_record_request"
ASKED = sa.text("request_id IS NOT NULL")
# The reasons that this version writes in clear.
WORDS = (
    "",
    "asked for by telephone",
    "asked for on the site",
    "moved for a caller",
    "cancelled for a caller",
    "restored for a caller",
    "freed with others that resemble it",
    "its texts did not arrive, and nobody proved the number",
    "erasure asked for",
)
TYPED = "typed"
_AT_ONCE = 1000

_line = sa.table("history", sa.column("id", RowId), sa.column("why", sa.String(80)))
_reason = sa.table("history_reason", sa.column("id", RowId), sa.column("why_enc", sa.LargeBinary()))
_operation = sa.table(
    "operation",
    sa.column("id", sa.String(32)),
    sa.column("why", sa.String(80)),
    sa.column("why_enc", sa.LargeBinary()),
)
_case = sa.table("agent_case", sa.column("operation_id"), sa.column("why"))


def upgrade() -> None:
    """Seal every reason that somebody typed, and leave none in clear.

    On PostgreSQL bytes of old rows lie in the files until VACUUM has been there.
    """
    add_column(
        "operation",
        sa.Column("why_enc", sa.LargeBinary(), comment="as an operator or a secretary typed it"),
    )
    op.create_table(
        "history_reason",
        sa.Column("id", RowId, autoincrement=False, nullable=False, comment="of the line"),
        sa.Column("why_enc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history_reason")),
    )
    add_column(
        "provider_record",
        sa.Column(
            "request_id",
            sa.String(32),
            comment="the erasure that a person asked for; null: a time ran out",
        ),
    )
    op.create_index(REQUEST, "provider_record", ["request_id"], postgresql_where=ASKED)
    _comments(NEW)
    vault = context.config.attributes.get("vault")
    for rows in _some(_line, _line.c.why.not_in([*WORDS, TYPED])):
        sealed = [
            {"id": number, "why_enc": _known(vault).seal_text(why, f"history_reason.why:{number}")}
            for number, why in rows
        ]
        op.bulk_insert(_reason, sealed)
        _write([{"number": number, "text": ""} for number, _ in rows])
    for rows in _some(_operation, _operation.c.why != ""):
        for row, why in rows:
            sealed_why = _known(vault).seal_text(why, f"operation.why:{row}")
            found = _operation.c.id == row
            op.execute(_operation.update().where(found).values(why="", why_enc=sealed_why))
    op.execute(_case.update().where(_case.c.operation_id.is_not(None)).values(why=""))


def downgrade() -> None:
    """Put the reasons back in clear, where the earlier version reads them.

    A line that was written since and chained as "typed" stays so, or the chain would break.
    """
    vault = context.config.attributes.get("vault")
    found = sa.select(_reason.c.id, _reason.c.why_enc)
    of_before = found.join(_line, _line.c.id == _reason.c.id).where(_line.c.why == "")
    opened = [
        {"number": row, "text": _known(vault).open_text(sealed, f"history_reason.why:{row}")}
        for row, sealed in op.get_bind().execute(of_before).all()
    ]
    if opened:
        _write(opened)
    sealed_ones = sa.select(_operation.c.id, _operation.c.why_enc).where(
        _operation.c.why_enc.is_not(None)
    )
    for row, sealed in op.get_bind().execute(sealed_ones).all():
        why = _known(vault).open_text(sealed, f"operation.why:{row}")
        op.execute(_operation.update().where(_operation.c.id == row).values(why=why))
    its = sa.select(_operation.c.why).where(_operation.c.id == _case.c.operation_id)
    op.execute(
        _case.update()
        .where(_case.c.operation_id.in_(sa.select(_operation.c.id)))
        .values(why=its.scalar_subquery())
    )
    op.drop_index(REQUEST, "provider_record")
    op.drop_column("provider_record", "request_id")
    _comments(OLD)
    op.drop_table("history_reason")
    op.drop_column("operation", "why_enc")


def _comments(said: dict[tuple[str, str], str | None]) -> None:
    for (table, column), comment in said.items():
        op.alter_column(table, column, comment=comment)


def _some(table: sa.TableClause, which: sa.ColumnElement[bool]) -> Iterator[list[tuple]]:
    """Rows with a reason in clear, some at a time: key and reason; what was done is in none."""
    while True:
        statement = sa.select(table.c.id, table.c.why).where(which).limit(_AT_ONCE)
        rows = [tuple(row) for row in op.get_bind().execute(statement)]
        if not rows:
            return
        yield rows


def _known(vault: Vault | None) -> Vault:
    if vault is None:
        raise NoKeys(
            "reasons that were typed are to be sealed or opened, and no data keys are given: run"
            " `flask migrate`, which has them"
        )
    return vault


def _write(rows: list[dict[str, object]]) -> None:
    """Write reasons into lines that nothing else may change, which is put back as it was.

    On PostgreSQL the trigger's function is another one for this transaction, and nobody else sees
    it: bookings are written meanwhile.
    """
    statement = (
        _line.update().where(_line.c.id == sa.bindparam("number")).values(why=sa.bindparam("text"))
    )
    bind = op.get_bind()
    guard = bind.execute(
        sa.text("SELECT pg_get_functiondef('history_is_append_only()'::regprocedure)")
    ).scalar_one()
    op.execute("GRANT UPDATE (why) ON history TO CURRENT_USER")
    op.execute(
        "CREATE OR REPLACE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NEW; END $$"
    )
    bind.execute(statement, rows)
    # Its own words, which may hold what would look like a parameter.
    bind.exec_driver_sql(guard)
    op.execute("REVOKE UPDATE (why) ON history FROM CURRENT_USER")
