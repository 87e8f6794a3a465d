"""On PostgreSQL a hold is written into its own page alone: no index knows who holds a place.

The version before looks by that index and notes no hold. Where it may be at work, for there are
places, the index stays and a trigger notes; a migration of a later version takes both away. See
docs/decisions/0002.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_index, drop_index

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# PostgreSQL plans to read a table of no pages from its beginning, and sees a minute late that there
# are many. So this one has some forty before anything is noted, and none of them is given back.
_HAS_PAGES = (
    "ALTER TABLE held_place SET (vacuum_truncate = false)",
    "INSERT INTO held_place SELECT repeat(' ', 40), 0 FROM generate_series(1, 4000)",
    "DELETE FROM held_place WHERE place_id = 0",
)
# As the owner: the role of the version before may have no right to the new table yet.
_TO_NOTE = (
    "CREATE OR REPLACE FUNCTION note_hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN "
    "INSERT INTO public.held_place (holder, place_id) VALUES (NEW.held_by, NEW.id); "
    "RETURN NULL; END $$"
)
_NOTES = (
    "CREATE OR REPLACE TRIGGER place_notes_hold AFTER UPDATE OF held_by ON place FOR EACH ROW "
    "WHEN (NEW.held_by IS NOT NULL AND NEW.held_by IS DISTINCT FROM OLD.held_by) "
    "EXECUTE FUNCTION note_hold()"
)
_NOTE = "INSERT INTO held_place SELECT held_by, id FROM place WHERE held_by IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "held_place",
        sa.Column(
            "holder",
            sa.String(40),
            nullable=False,
            comment="who held it then; whether they do says the place",
        ),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_held_place", "held_place", ["holder", "place_id"], if_not_exists=True)
    for one in _HAS_PAGES:
        op.execute(one)
    if not op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM place)")).scalar_one():
        drop_index("ix_place_held_by", "place")
        return
    # The trigger first: nothing is held between the two that is not noted.
    with op.get_context().autocommit_block():
        op.execute(_TO_NOTE)
        op.execute(_NOTES)
    op.execute(_NOTE)


def downgrade() -> None:
    add_index("ix_place_held_by", "place", ["held_by"], where="held_by IS NOT NULL")
    op.execute("DROP TRIGGER IF EXISTS place_notes_hold ON place")
    op.execute("DROP FUNCTION IF EXISTS note_hold()")
    op.drop_table("held_place")
