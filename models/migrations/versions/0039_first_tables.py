"""All tables, as they were before anything was released.

Frozen: `models/` says what they are now. Its number is that of the last of the steps that led here,
so a database that has gone through them is where it should be, and nothing is done to it. It is not
taken down: an empty database is a new one.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations.first_tables import (
    appointments,  # noqa: F401 (to import it makes its tables)
    conversations,  # noqa: F401
    frozen,
    house,  # noqa: F401
)

revision = "0039"
down_revision = None
branch_labels = None
depends_on = None

# The national queues, without which no caller could wait for a person.
_LANGUAGES = ("fr", "en")


def upgrade() -> None:
    frozen.create_all(op.get_bind(), checkfirst=False)
    _refuse_changes_of_what_is_recorded()
    _lay_turns_by_day()
    op.execute("ALTER TABLE place SET (fillfactor = 85)")
    for statement in _HELD_PLACE_HAS_PAGES:
        op.execute(statement)
    for language in _LANGUAGES:
        op.execute(
            "INSERT INTO agent_queue (id, language, created_at, updated_at)"  # noqa: S608
            f" VALUES ('{language}', '{language}', now(), now())"
        )


# PostgreSQL plans to read a table of no pages from its beginning, and sees a minute late that there
# are many. So this one has some forty before anything is noted, and none of them is given back.
_HELD_PLACE_HAS_PAGES = (
    "ALTER TABLE held_place SET (vacuum_truncate = false)",
    "INSERT INTO held_place SELECT repeat(' ', 40), 0 FROM generate_series(1, 4000)",
    "DELETE FROM held_place WHERE place_id = 0",
)

# ---------------------------------------------------------------- what is recorded

# A line of `staff_act` is deleted after a year and not before, by the database's own clock, and its
# link with it.
_IS_OLD = "OLD.at < clock_timestamp() - interval '365 days'"
_ACT_IS_GONE = "NOT EXISTS (SELECT 1 FROM staff_act WHERE id = OLD.id)"
# Sealed columns alone, and none of them from or to nothing. No role has the right to UPDATE: the
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


def _refuse_changes_of_what_is_recorded() -> None:
    changes = "UPDATE OR DELETE"
    old_act, old_link = _IS_OLD, f"OLD.chain = 'staff_act' AND {_IS_OLD}"
    op.execute(_ONLY_RESEALED)
    _guard("history", changes, _SEALED_ANEW_MAY_GO)
    _guard("staff_act", changes, _may_go(old_act) + _SEALED_ANEW_MAY_GO)
    _guard("act_reason", "DELETE", _may_go(_ACT_IS_GONE))
    _guard("trace_link", changes, _may_go(old_link))
    _guard("trace_cut", changes)
    _guard("trace_anchor", changes)
    # The owner of a table may do without a right, too: an error in the code meets both walls. What
    # a trigger lets go keeps its right.
    for rights, tables in (
        ("UPDATE, DELETE, TRUNCATE", "history, trace_cut, trace_anchor"),
        ("UPDATE, TRUNCATE", "staff_act, trace_link"),
        ("TRUNCATE", "act_reason"),
    ):
        op.execute(f"REVOKE {rights} ON {tables} FROM PUBLIC, CURRENT_USER")


def _may_go(condition: str) -> str:
    return f"IF TG_OP = 'DELETE' THEN IF {condition} THEN RETURN OLD; END IF; END IF; "


def _guard(table: str, verbs: str, unless: str = "") -> None:
    """Refuse these verbs on a table's rows where `unless` returns nothing, and to empty it."""
    op.execute(
        f"CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {unless}RAISE EXCEPTION '{table} is append only'; END $$"
    )
    for name, event, each in (("change", verbs, "ROW"), ("truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table} "
            f"FOR EACH {each} EXECUTE FUNCTION {table}_is_append_only()"
        )


# ---------------------------------------------------------------- turns by day

# Turns of this day and the next two lie in one partition, with what has no day of its own.
_DAYS_TOGETHER = 2
_TODAY = "CAST(timezone('UTC', now()) AS date)"


def _lay_turns_by_day() -> None:
    """A partition for each day on which calls rang. See docs/decisions/0001."""
    floor = op.get_bind().execute(sa.text(f"SELECT {_TODAY} + {_DAYS_TOGETHER}")).scalar_one()
    # What is written of a call has one day, however long it lasts. It is inlined everywhere.
    op.execute(
        "CREATE FUNCTION turn_day(day date) RETURNS date LANGUAGE sql IMMUTABLE "
        f"PARALLEL SAFE AS $$ SELECT greatest(day, DATE '{floor}') $$"
    )
    op.execute("ALTER TABLE turn RENAME TO turn_before")
    op.execute(f"ALTER TABLE turn_before ALTER COLUMN rang_on SET DEFAULT '{floor}'")
    op.execute(
        "CREATE TABLE turn (LIKE turn_before INCLUDING DEFAULTS INCLUDING COMMENTS)"
        " PARTITION BY RANGE (rang_on)"
    )
    op.execute(f"ALTER TABLE turn ALTER COLUMN rang_on SET DEFAULT turn_day({_TODAY})")
    op.execute("CREATE INDEX ix_turn_at ON turn USING brin (at)")
    op.execute(
        "ALTER TABLE turn ATTACH PARTITION turn_before"
        f" FOR VALUES FROM (MINVALUE) TO (DATE '{floor}' + 1)"
    )
    # What has no partition lies here, and is lost no more than any other.
    op.execute("CREATE TABLE turn_other PARTITION OF turn DEFAULT")
    op.execute("ALTER TABLE turn_other ADD CONSTRAINT pk_turn_other PRIMARY KEY (call_id, number)")
    for function in (_MAKE, _DROP, _SUMMARISE):
        op.execute(function)
    # `flask db grant` lets the service call them.
    for name in (
        "make_turn_day(date)",
        "drop_turn_day(date, timestamptz)",
        "summarise_moments()",
    ):
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")


# As the owner, for every caller. Nothing but a day is given; a name is made of it alone.
_AS_OWNER = (
    "LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms'"
)
# ATTACH lets all others read and write `turn`; what lies in no partition waits for it. So that this
# is short, few rows are looked through and moved.
_MAKE = f"""
CREATE FUNCTION make_turn_day(day date) RETURNS text {_AS_OWNER} AS $$
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
CREATE FUNCTION drop_turn_day(day date, until timestamptz) RETURNS text {_AS_OWNER} AS $$
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
    f"CREATE FUNCTION summarise_moments() RETURNS void {_AS_OWNER} AS $$ BEGIN "
    "PERFORM brin_summarize_new_values(inhrelid) FROM pg_inherits "
    "WHERE inhparent = 'ix_turn_at'::regclass ORDER BY inhrelid; "
    "PERFORM brin_summarize_new_values('ix_call_started_at'::regclass); "
    "END $$"
)
