"""Summaries of pages that the board needs, made for a role that does not own the tables."""

from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

# Only the owner of an index may summarise it: this runs as the owner, whoever calls it. It gives
# up soon where a vacuum has the table, for PostgreSQL would stop that vacuum.
_SUMMARISE = (
    "CREATE OR REPLACE FUNCTION summarise_moments() RETURNS void "
    "LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$ BEGIN "
    "PERFORM brin_summarize_new_values('ix_turn_at'::regclass); "
    "PERFORM brin_summarize_new_values('ix_call_started_at'::regclass); "
    "END $$"
)


def upgrade() -> None:
    """One function, which `flask db grant` lets the service call."""
    op.execute(_SUMMARISE)
    op.execute("REVOKE EXECUTE ON FUNCTION summarise_moments() FROM PUBLIC")


def downgrade() -> None:
    """The owner alone may summarise again."""
    op.execute("DROP FUNCTION IF EXISTS summarise_moments()")
