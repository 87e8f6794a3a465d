"""On PostgreSQL turns lie by the day on which their call rang; places are written in their page.

The table of before becomes the partition of all days up to FLOOR, the day after tomorrow. Until
then both versions write into it by its key of before. See docs/decisions/0001.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_column

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

# So many days after today are one partition with what was before: the version before must not be at
# work any more when the first day begins that has a partition of its own.
DAYS_BESIDE = 2
COMMENT = "the day (UTC) on which its call rang: the partition that it lies in"
TODAY = "CAST(timezone('UTC', now()) AS date)"
# Rows of a page that find room beside them when they are written anew.
FILLED = 85

# What is written of a call has one day, however long it lasts. It is inlined into each statement.
_TURN_DAY = (
    "CREATE OR REPLACE FUNCTION turn_day(day date) RETURNS date LANGUAGE sql IMMUTABLE "
    "PARALLEL SAFE AS $$ SELECT greatest(day, DATE '{floor}') $$"
)
# As the owner, whoever calls them. Nothing but a day is given; a name is made of it alone.
_AS_OWNER = (
    "LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms'"
)
# ATTACH lets all others read and write `turn`; what lies in no partition waits for it. So that this
# is short, few rows are looked through and moved.
_MAKE = f"""
CREATE OR REPLACE FUNCTION make_turn_day(day date) RETURNS text {_AS_OWNER} AS $$
DECLARE
    named text := 'turn_' || to_char(day, 'YYYYMMDD');
    most CONSTANT bigint := 20000;
    strays bigint;
BEGIN
    IF day IS NULL OR NOT isfinite(day) OR extract(year FROM day) NOT BETWEEN 2000 AND 9998
        OR day <= turn_day('-infinity') THEN
        RETURN 'before';
    END IF;
    IF to_regclass(format('public.%I', named)) IS NOT NULL THEN
        RETURN 'there';
    END IF;
    IF (SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.turn'::regclass) > 800 THEN
        RETURN 'full';
    END IF;
    LOCK TABLE ONLY public.turn IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE public.turn_other IN ACCESS EXCLUSIVE MODE;
    SELECT count(*) INTO strays FROM (SELECT FROM public.turn_other LIMIT most + 1) AS few;
    IF strays > most THEN
        RETURN 'full';
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.turn INCLUDING DEFAULTS, '
        'CONSTRAINT %I PRIMARY KEY (call_id, number))', named, 'pk_' || named);
    EXECUTE format('WITH gone AS (DELETE FROM public.turn_other WHERE rang_on = %L RETURNING *) '
        'INSERT INTO public.%I SELECT * FROM gone', day, named);
    EXECUTE format('ALTER TABLE public.turn ATTACH PARTITION public.%I '
        'FOR VALUES FROM (%L) TO (%L)', named, day, day + 1);
    RETURN 'made';
EXCEPTION
    WHEN lock_not_available OR deadlock_detected THEN RETURN 'busy';
    -- One that was made by hand has several days, and this is one of them.
    WHEN invalid_object_definition THEN RETURN 'there';
END $$
"""  # noqa: S608
# DROP needs `turn` for itself for an instant.
_DROP = f"""
CREATE OR REPLACE FUNCTION drop_turn_day(day date, until timestamptz) RETURNS text {_AS_OWNER} AS $$
DECLARE
    named text := CASE WHEN day = turn_day('-infinity') THEN 'turn_before'
        ELSE 'turn_' || to_char(day, 'YYYYMMDD') END;
    young boolean;
BEGIN
    IF day IS NULL OR until IS NULL OR day >= CAST(timezone('UTC', until) AS date) THEN
        RETURN 'young';
    END IF;
    PERFORM FROM pg_inherits WHERE inhrelid = to_regclass(format('public.%I', named))
        AND inhparent = 'public.turn'::regclass;
    IF NOT FOUND THEN
        RETURN 'gone';
    END IF;
    EXECUTE format('LOCK TABLE public.%I IN SHARE MODE', named);
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE at >= $1)', named)
        INTO young USING until;
    IF young THEN
        RETURN 'young';
    END IF;
    EXECUTE format('DROP TABLE public.%I', named);
    RETURN 'dropped';
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    RETURN 'busy';
END $$
"""  # noqa: S608
# The index of the whole has no pages of its own.
_SUMMARISE = (
    "CREATE OR REPLACE FUNCTION summarise_moments() RETURNS void "
    "LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$ BEGIN "
    "PERFORM brin_summarize_new_values(inhrelid) FROM pg_inherits "
    "WHERE inhparent = 'ix_turn_at'::regclass ORDER BY inhrelid; "
    "PERFORM brin_summarize_new_values('ix_call_started_at'::regclass); "
    "END $$"
)
_SUMMARISE_OF_BEFORE = (
    "CREATE OR REPLACE FUNCTION summarise_moments() RETURNS void "
    "LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$ BEGIN "
    "PERFORM brin_summarize_new_values('ix_turn_at'::regclass); "
    "PERFORM brin_summarize_new_values('ix_call_started_at'::regclass); "
    "END $$"
)
# Whoever may read and write the table of before may do the same with the whole.
_SAME_RIGHTS = """
DO $$ DECLARE given record; BEGIN
    FOR given IN
        SELECT privilege_type AS right_to, CASE WHEN grantee = 0 THEN 'PUBLIC'
            ELSE quote_ident(pg_get_userbyid(grantee)) END AS who
        FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = 'public.{source}'::regclass AND grantee <> relowner
            AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
    LOOP
        EXECUTE format('GRANT %s ON public.turn TO %s', given.right_to, given.who);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """No row is written anew, and none is copied. Each step may be cut off and run again."""
    op.execute(f"ALTER TABLE place SET (fillfactor = {FILLED})")
    floor = op.get_bind().execute(sa.text(f"SELECT {TODAY} + {DAYS_BESIDE}")).scalar_one()
    with op.get_context().autocommit_block():
        # What a run that was cut off has left is of an earlier day.
        op.execute("ALTER TABLE turn DROP COLUMN IF EXISTS rang_on")
        op.execute(_TURN_DAY.format(floor=floor))
    add_column(
        "turn",
        sa.Column("rang_on", sa.Date(), server_default=f"{floor}", nullable=False, comment=COMMENT),
    )
    with op.get_context().autocommit_block():
        # ATTACH then need not look at the rows while all others wait for it.
        op.execute(
            "ALTER TABLE turn ADD CONSTRAINT ck_turn_before"
            f" CHECK (rang_on < DATE '{floor}' + 1) NOT VALID"
        )
        op.execute("ALTER TABLE turn VALIDATE CONSTRAINT ck_turn_before")
    op.execute("ALTER TABLE turn RENAME TO turn_before")
    op.execute("ALTER INDEX ix_turn_at RENAME TO ix_turn_before_at")
    op.execute(
        "CREATE TABLE turn (LIKE turn_before INCLUDING DEFAULTS INCLUDING COMMENTS)"
        " PARTITION BY RANGE (rang_on)"
    )
    op.execute(f"ALTER TABLE turn ALTER COLUMN rang_on SET DEFAULT turn_day({TODAY})")
    op.execute("CREATE INDEX ix_turn_at ON turn USING brin (at)")
    op.execute(
        "ALTER TABLE turn ATTACH PARTITION turn_before"
        f" FOR VALUES FROM (MINVALUE) TO (DATE '{floor}' + 1)"
    )
    op.execute("ALTER TABLE turn_before DROP CONSTRAINT ck_turn_before")
    # What has no partition lies here, and is lost no more than any other.
    op.execute("CREATE TABLE turn_other PARTITION OF turn DEFAULT")
    op.execute("ALTER TABLE turn_other ADD CONSTRAINT pk_turn_other PRIMARY KEY (call_id, number)")
    op.execute(_SAME_RIGHTS.format(source="turn_before"))
    op.execute(_MAKE)
    op.execute(_DROP)
    op.execute(_SUMMARISE)
    op.execute("REVOKE EXECUTE ON FUNCTION make_turn_day(date) FROM PUBLIC")
    op.execute("REVOKE EXECUTE ON FUNCTION drop_turn_day(date, timestamptz) FROM PUBLIC")


def downgrade() -> None:
    """All turns lie in one table again. Those of days with a partition of their own are copied."""
    op.execute("ALTER TABLE place RESET (fillfactor)")
    op.execute("LOCK TABLE turn IN ACCESS EXCLUSIVE MODE")
    if _there("turn_before"):
        op.execute("ALTER TABLE turn DETACH PARTITION turn_before")
    else:
        # It was dropped when all in it was due.
        op.execute("CREATE TABLE turn_before (LIKE turn INCLUDING DEFAULTS INCLUDING COMMENTS)")
        op.execute("ALTER TABLE turn_before ADD CONSTRAINT pk_turn PRIMARY KEY (call_id, number)")
        op.execute("CREATE INDEX ix_turn_before_at ON turn_before USING brin (at)")
    op.execute("INSERT INTO turn_before SELECT * FROM turn ON CONFLICT DO NOTHING")
    op.execute("ALTER TABLE turn RENAME TO turn_by_day")
    op.execute("DROP INDEX ix_turn_at")
    op.execute("ALTER TABLE turn_before RENAME TO turn")
    op.execute("ALTER INDEX ix_turn_before_at RENAME TO ix_turn_at")
    op.execute(_SAME_RIGHTS.format(source="turn_by_day"))
    op.execute("DROP TABLE turn_by_day")
    op.drop_column("turn", "rang_on")
    op.execute(_SUMMARISE_OF_BEFORE)
    op.execute("DROP FUNCTION make_turn_day(date)")
    op.execute("DROP FUNCTION drop_turn_day(date, timestamptz)")
    op.execute("DROP FUNCTION turn_day(date)")


def _there(table: str) -> bool:
    found = op.get_bind().execute(sa.text("SELECT to_regclass(:name)"), {"name": table})
    return found.scalar_one() is not None
