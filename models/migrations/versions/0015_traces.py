"""Reasons of acts are sealed, and what is recorded is chained by hash.

What staff typed as a reason lay in clear in `staff_act`. It goes into `act_reason`, sealed: a line
of `staff_act` never changes, and sealed bytes change when the data key does.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from alembic import context, op

from models.crypto import Vault
from models.migrations.runner import NoKeys

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

RowId = sa.BigInteger()
Moment = sa.DateTime(timezone=True)
_AT_ONCE = 1000
# A line of `staff_act` is deleted after so long (migration 0007), and its link with it.
_ACTS_KEPT = "365 days"

_act = sa.table("staff_act", sa.column("id", RowId), sa.column("why", sa.Text()))
_reason = sa.table("act_reason", sa.column("id", RowId), sa.column("why_enc", sa.LargeBinary()))

# Of each table: whether a row may be changed at all, and when it may be deleted; None: never.
_SEALED_ANEW = True
_GUARDS = {
    "act_reason": (
        _SEALED_ANEW,
        "NOT EXISTS (SELECT 1 FROM staff_act WHERE id = OLD.id)",
    ),
    "trace_link": (
        False,
        f"OLD.chain = 'staff_act' AND OLD.at < clock_timestamp() - interval '{_ACTS_KEPT}'",
    ),
    "trace_cut": (False, None),
    "trace_anchor": (False, None),
}


def upgrade() -> None:
    """Seal every reason, and leave no byte of it in the table of acts; make the chain's tables."""
    _make_tables()
    for table, guard in _GUARDS.items():
        may_change, delete = guard
        for statement in _guard(table, delete, may_change=may_change):
            op.execute(statement)
    _alone_with("staff_act")
    for rows in _in_clear():
        vault = _vault()
        sealed = [
            {"id": number, "why_enc": vault.seal_text(why, f"act_reason.why:{number}")}
            for number, why in rows
        ]
        op.bulk_insert(_reason, sealed)
    # A dropped column stays in the bytes of every row: this writes the table anew, and calls
    # no trigger.
    op.execute("ALTER TABLE staff_act ALTER COLUMN why TYPE text USING ''")
    op.drop_column("staff_act", "why")


def downgrade() -> None:
    """Put the reasons back in clear, where the earlier version reads them; forget the chain."""
    _alone_with("staff_act")
    op.add_column("staff_act", sa.Column("why", sa.String(120), server_default="", nullable=False))
    reasons = _sealed()
    if reasons:
        vault = _vault()
        opened = [
            {"number": number, "text": vault.open_text(sealed, f"act_reason.why:{number}")}
            for number, sealed in reasons
        ]
        _write_reasons(opened)
    op.alter_column("staff_act", "why", server_default=None)
    for table in reversed(_GUARDS):
        op.drop_table(table)
        op.execute(f"DROP FUNCTION {table}_is_append_only()")


def _make_tables() -> None:
    op.create_table(
        "act_reason",
        sa.Column("id", RowId, autoincrement=False, nullable=False, comment="of the act"),
        sa.Column("why_enc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_act_reason")),
    )
    op.create_table(
        "trace_link",
        _column("chain", sa.String(10), "the table whose lines are chained"),
        _column("position", sa.BigInteger(), "from 1 on, without a gap", autoincrement=False),
        _column("row_id", sa.BigInteger(), "of the line; 0: a mark, that no line waited then"),
        _column("at", Moment, "of the line"),
        _column("linked_at", Moment),
        _column("digest", sa.LargeBinary(), "keyed, of what the line says"),
        _column("chained", sa.LargeBinary(), "keyed, of this link and the one before"),
        _column("key_name", sa.String(8), "which secret made both"),
        sa.PrimaryKeyConstraint("chain", "position", name=op.f("pk_trace_link")),
    )
    op.create_index(
        "uq_trace_link_row",
        "trace_link",
        ["chain", "row_id"],
        unique=True,
        postgresql_where=sa.text("row_id > 0"),
    )
    op.create_table(
        "trace_cut",
        _column("chain", sa.String(10)),
        _column("position", sa.BigInteger(), "of the last link cut off", autoincrement=False),
        _column("chained", sa.LargeBinary(), "of that link"),
        _column("at", Moment),
        _column("key_name", sa.String(8)),
        _column("proof", sa.LargeBinary(), "keyed, of all of this"),
        sa.PrimaryKeyConstraint("chain", "position", name=op.f("pk_trace_cut")),
    )
    op.create_table(
        "trace_anchor",
        _column("id", RowId),
        _column("chain", sa.String(10)),
        _column("position", sa.BigInteger()),
        _column("chained", sa.LargeBinary()),
        _column("at", Moment),
        _column("way", sa.String(8), "file, webhook; empty: it left nowhere"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trace_anchor")),
    )
    op.create_index("ix_trace_anchor_chain_at", "trace_anchor", ["chain", "at"])


def _column(
    name: str, kind: sa.types.TypeEngine, comment: str | None = None, **more: bool
) -> sa.Column:
    return sa.Column(name, kind, nullable=False, comment=comment, **more)


def _guard(table: str, delete: str | None, *, may_change: bool) -> Iterator[str]:
    """Statements that refuse to change rows, and to delete them too early."""
    told = f"{table} is append only"
    unless = f"IF TG_OP = 'DELETE' THEN IF {delete} THEN RETURN OLD; END IF; END IF; "
    yield (
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {unless if delete else ''}RAISE EXCEPTION '{told}'; END $$"
    )
    verbs = "DELETE" if may_change else "UPDATE OR DELETE"
    yield (
        f"CREATE TRIGGER {table}_no_change BEFORE {verbs} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_is_append_only()"
    )
    yield (
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    )
    rights = "TRUNCATE" if may_change else "UPDATE, TRUNCATE"
    if not delete:
        rights = "UPDATE, DELETE, TRUNCATE"
    yield f"REVOKE {rights} ON {table} FROM PUBLIC, CURRENT_USER"


def _alone_with(table: str) -> None:
    """No other writes an act between the reading of the reasons and the end of this."""
    op.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


def _in_clear() -> Iterator[list[tuple[int, str]]]:
    """Acts that have a reason, some at a time: number and reason."""
    last = 0
    while True:
        statement = (
            sa.select(_act.c.id, _act.c.why)
            .where(_act.c.id > last, _act.c.why != "")
            .order_by(_act.c.id)
            .limit(_AT_ONCE)
        )
        rows = [tuple(row) for row in op.get_bind().execute(statement)]
        if not rows:
            return
        yield rows
        last = rows[-1][0]


def _sealed() -> list[tuple[int, bytes]]:
    return [tuple(row) for row in op.get_bind().execute(sa.select(_reason))]


def _vault() -> Vault:
    vault = context.config.attributes.get("vault")
    if vault is None:
        raise NoKeys(
            "reasons of acts are to be sealed, and no data keys are given: run `flask migrate`,"
            " which has them"
        )
    return vault


def _write_reasons(opened: list[dict[str, object]]) -> None:
    """Write into lines that nothing else may change, which is put back as it was."""
    statement = (
        _act.update().where(_act.c.id == sa.bindparam("number")).values(why=sa.bindparam("text"))
    )
    bind = op.get_bind()
    op.execute("GRANT UPDATE ON staff_act TO CURRENT_USER")
    op.execute("ALTER TABLE staff_act DISABLE TRIGGER USER")
    bind.execute(statement, opened)
    op.execute("ALTER TABLE staff_act ENABLE TRIGGER USER")
    op.execute("REVOKE UPDATE ON staff_act FROM CURRENT_USER")
