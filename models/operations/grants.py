"""What the service's role may do on PostgreSQL: statements that give it, and a look at what is so.

The role owns nothing: it cannot change or delete a line of what is recorded, cannot empty a table,
and cannot take a trigger away. deploy/roles.sql is `script()` for the name in the docs.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, text

from models.database import STATEMENT_TIMEOUT_MS

# Names of roles that need no quoting; PostgreSQL cuts longer ones.
ROLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
# What is recorded is only added to. Acts and their links are deleted once they are a year old: the
# triggers refuse that of any younger one.
_FEWER: Final[dict[str, tuple[str, ...]]] = {
    # How far the database is migrated is for the owner to say.
    "alembic_version": ("SELECT",),
    "history": ("SELECT", "INSERT"),
    "trace_cut": ("SELECT", "INSERT"),
    "trace_anchor": ("SELECT", "INSERT"),
    "staff_act": ("SELECT", "INSERT", "DELETE"),
    "trace_link": ("SELECT", "INSERT", "DELETE"),
}
# Functions of the migrations that run as the owner.
_FUNCTIONS: Final = (
    "summarise_moments()",
    "make_turn_day(date)",
    "drop_turn_day(date, timestamptz)",
)


class BadRole(Exception):
    """One sentence: why this role cannot be the service's, and what to do."""


def rights_of(table: str) -> tuple[str, ...]:
    """What the service needs of a table, and the most that it should have."""
    return _FEWER.get(table, _ALL)


def statements(role: str) -> list[str]:
    """What makes `role` the service's, each to be run by itself by the owner of the tables.

    They may be run again at any time. Raises BadRole for what is no plain name.
    """
    if not ROLE.fullmatch(role) or role.startswith("pg_") or role == "public":
        raise BadRole(
            f"{role!r} is no name for the service's role: small letters, digits and _, as allo"
        )
    revoked: dict[tuple[str, ...], list[str]] = {}
    for table, few in _FEWER.items():
        revoked.setdefault(tuple(right for right in _ALL if right not in few), []).append(table)
    return [
        # CREATE ROLE knows no IF NOT EXISTS. One that is there keeps what it is.
        (
            "DO $$ BEGIN\n"
            f"    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN\n"
            f"        CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;\n"
            "    END IF;\n"
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;\n"
            "END $$"
        ),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        # A restore gives them to everybody again.
        *(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC" for name in _FUNCTIONS),
        *(f"GRANT EXECUTE ON FUNCTION {name} TO {role}" for name in _FUNCTIONS),
        *(
            f"REVOKE {', '.join(rights)} ON {', '.join(tables)} FROM {role}"
            for rights, tables in revoked.items()
        ),
        # What a later migration makes, until this is run again after it.
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
            f" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
        ),
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO {role}",
        # A pooler takes no time limit from a connection's start; in milliseconds.
        f"ALTER ROLE {role} SET statement_timeout = {STATEMENT_TIMEOUT_MS}",
    ]


def script(role: str) -> str:
    """The same as a file for psql. Raises BadRole."""
    head = (
        "-- The role that the service works with on PostgreSQL. It owns nothing: it cannot change\n"
        "-- or delete a line of what is recorded, cannot empty a table, and cannot take a trigger\n"
        "-- away.\n"
        "--\n"
        '--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f deploy/roles.sql\n'
        "--\n"
        "-- Run it as the owner of the tables, after the first migration and after each one that\n"
        "-- makes a table; it may be run again. `flask db grant ROLE` does the same for any name,\n"
        "-- and `flask db grant ROLE --sql` wrote this file. A new role has no password:\n"
        "-- \\password in psql gives it one.\n"
    )
    return f"{head}\n" + "\n\n".join(f"{line};" for line in statements(role)) + "\n"


def grant(connection: Connection, role: str) -> None:
    """Give `role` what it needs, in the transaction of this connection. Raises BadRole.

    Raises SQLAlchemy's DBAPIError where the connected role may not give it.
    """
    wanted = statements(role)
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        raise BadRole("there are no tables yet: run flask migrate first, as their owner")
    found = connection.execute(
        text("SELECT rolsuper, rolname = current_user FROM pg_roles WHERE rolname = :role"),
        {"role": role},
    ).one_or_none()
    if found and found[0]:
        raise BadRole(f"{role} is a superuser, to whom no rule applies: take another name")
    if found and found[1]:
        raise BadRole(
            f"{role} is who is connected now, the tables' owner: the service needs a role that owns"
            " none of them"
        )
    theirs = connection.execute(_OWNED, {"role": role}).scalars().all() if found else []
    if theirs:
        raise BadRole(
            f"{role} owns {theirs[0]}, or is a member of its owner, so it could change what is"
            " recorded: take another name, or ALTER TABLE … OWNER TO the owner of the others"
        )
    for statement in wanted:
        connection.execute(text(statement))


def missing(connection: Connection, tables: Iterable[str]) -> list[str]:
    """What the role of this connection lacks, as "INSERT on booking".

    Of `tables` and all sequences. A table that is not there is none that a right is missing on.
    """
    names = [*sorted(tables), "alembic_version"]
    lacking = [
        f"{right} on {table}"
        for table, right in connection.execute(
            _RIGHTS, {"names": names, "rights": list(_ALL)}
        ).all()
        if right in rights_of(table)
    ]
    lacking += [f"USAGE on {name}" for name in connection.execute(_SEQUENCES).scalars()]
    return lacking


def owned(connection: Connection) -> Sequence[str]:
    """Tables that this connection's role owns, so that nothing holds it back."""
    return connection.execute(_OWNED, {"role": _current(connection)}).scalars().all()


def _current(connection: Connection) -> str:
    return str(connection.execute(text("SELECT current_user")).scalar_one())


_OWNED = text(
    "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = 'public' AND relkind IN ('r', 'p') AND pg_has_role(:role, relowner, 'USAGE')"
    " ORDER BY relname"
)
_RIGHTS = text(
    "SELECT relname, wanted FROM pg_class, unnest(CAST(:rights AS text[])) AS wanted"
    " WHERE oid = ANY(SELECT to_regclass(one) FROM unnest(CAST(:names AS text[])) AS one)"
    " AND NOT has_table_privilege(oid, wanted) ORDER BY relname, wanted"
)
# In a CASE, for PostgreSQL asks conditions of an AND in the order that it likes.
_SEQUENCES = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    " AND CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'USAGE') ELSE false END"
    " ORDER BY relname"
)
