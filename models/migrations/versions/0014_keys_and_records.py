"""The life of each data key, sealing append-only tables anew, and what a provider must delete."""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_index, drop_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COLUMNS = (
    (
        "used_at",
        sa.DateTime(timezone=True),
        "when a process first started that seals with it; null: none has",
    ),
    ("retired_at", sa.DateTime(timezone=True), "from then on the key may be missing"),
    (
        "gone_at",
        sa.DateTime(timezone=True),
        "when a process first started without it, and no row needed it",
    ),
    ("next_idx", sa.LargeBinary(), "by the index key that look-ups are being rewritten for"),
)
# Erased messages that the provider still has.
_KEPT_SIDS = "ix_message_kept_at_provider"
_IS_KEPT = "recipient_enc IS NULL AND provider_sid IS NOT NULL"
_ACTS_KEPT = "365 days"
_OLD_ACTS_MAY_GO = (
    "IF TG_OP = 'DELETE' THEN "
    f"IF OLD.at < clock_timestamp() - interval '{_ACTS_KEPT}' THEN RETURN OLD; END IF; "
    "END IF; "
)
# Sealed columns alone, and none of them from or to nothing. The right to UPDATE is nobody's: the
# owner of the table takes it for a transaction of `flask keys reseal`, and this says so.
_SEALED_ANEW_MAY_GO = (
    "IF TG_OP = 'UPDATE' THEN "
    "IF current_setting('allo.resealing', true) = TG_TABLE_NAME "
    "AND only_resealed(to_jsonb(OLD), to_jsonb(NEW)) THEN RETURN NEW; END IF; "
    "END IF; "
)
_ONLY_RESEALED = (
    "CREATE FUNCTION only_resealed(old jsonb, new jsonb) RETURNS boolean "
    "LANGUAGE sql IMMUTABLE AS $$ "
    "SELECT bool_and(before.value = after.value OR right(key, 4) = '_enc' "
    "AND jsonb_typeof(before.value) = 'string' AND jsonb_typeof(after.value) = 'string') "
    "FROM jsonb_each(old) AS before(key, value) JOIN jsonb_each(new) AS after(key, value) "
    "USING (key) $$"
)


def upgrade() -> None:
    """Every key that is known was used."""
    for name, kind, comment in _COLUMNS:
        op.add_column("key_canary", sa.Column(name, kind, nullable=True, comment=comment))
    op.execute("UPDATE key_canary SET used_at = now()")
    op.create_table(
        "provider_record",
        sa.Column(
            "sid", sa.String(40), nullable=False, comment="the provider's id of a text or a call"
        ),
        sa.Column(
            "due_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="is asked to be deleted from then on",
        ),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "error_code",
            sa.String(12),
            server_default="",
            nullable=False,
            comment="the provider's, of the last try",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_provider_record")),
    )
    op.create_index("ix_provider_record_due_at", "provider_record", ["due_at"])
    op.execute("UPDATE booking SET call_id = NULL WHERE erased_at IS NOT NULL")
    add_index(_KEPT_SIDS, "message", ["id"], where=_IS_KEPT)
    op.execute(_ONLY_RESEALED)
    op.execute(_append_only("history", _SEALED_ANEW_MAY_GO))
    op.execute(_append_only("staff_act", _OLD_ACTS_MAY_GO + _SEALED_ANEW_MAY_GO))


def downgrade() -> None:
    """Forget what became of the keys: one that was retired is missed again.

    What the provider has not deleted yet, it keeps.
    """
    drop_index(_KEPT_SIDS, "message")
    op.drop_table("provider_record")
    for name, _, _ in reversed(_COLUMNS):
        op.drop_column("key_canary", name)
    op.execute(_append_only("history", ""))
    op.execute(_append_only("staff_act", _OLD_ACTS_MAY_GO))
    op.execute("DROP FUNCTION only_resealed(jsonb, jsonb)")


def _append_only(table: str, unless: str) -> str:
    return (
        f"CREATE OR REPLACE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {unless}RAISE EXCEPTION '{table} is append only'; END $$"
    )
