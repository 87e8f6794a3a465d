"""Why the store cannot be reached: what PostgreSQL, a pooler or the way there says, told apart.

A connection that is refused has no SQLSTATE, so the words of libpq, of the server and of PgBouncer
are compared. Of these words nothing is repeated: they may hold an address.
"""

from __future__ import annotations

import re

from typing import Final

from models.database import does_not_answer, first_line, lacks_right

# What is said, what it means, and what to do; the first that fits counts.
_REFUSALS: Final = tuple(
    (re.compile(said, re.IGNORECASE), means, remedy)
    for said, means, remedy in (
        (
            r"unsupported startup parameter",
            "the pooler does not take what the service asks of PostgreSQL itself",
            "end DATABASE_URL in pgbouncer=prepared (pgbouncer=true before PgBouncer 1.21)",
        ),
        (
            r"(relation|column) .* does not exist",
            "it lacks tables of this version",
            "run flask migrate, as the owner of the tables",
        ),
        (
            r"password|SASL|SCRAM|authentication failed",
            "the server refuses the password of the role",
            "put the right one into DATABASE_URL, or set it anew: \\password ROLE in psql",
        ),
        (
            r"database \"[^\"]*\" does not exist|no such database",
            "the server has no database of that name",
            "make it (createdb -O OWNER NAME), or name another in DATABASE_URL",
        ),
        (
            r"role \"[^\"]*\" does not exist|no such user",
            "the server has no role of that name",
            "make it (createuser NAME), or name another in DATABASE_URL",
        ),
        (
            r"pg_hba\.conf|not allowed|permission denied|not permitted to log in",
            "the server does not let the role in from here",
            "look at its pg_hba.conf, and at GRANT CONNECT ON DATABASE",
        ),
        (
            r"SSL|TLS|certificate",
            "no encrypted connection comes about",
            "look at sslmode and sslrootcert in DATABASE_URL, and at the server's certificate",
        ),
        (
            r"too many (clients|connections)|connection slots|no more connections",
            "the server has no connection left",
            "raise its max_connections, or put a pooler in front (deploy/pgbouncer.ini)",
        ),
        (
            r"resolve|translate host|name or service|nodename",
            "no machine has the name that is asked",
            "look at the host in DATABASE_URL, and at the name server",
        ),
        (
            r"refused|no such file|timed? ?out|unreachable|no route",
            "nothing answers where it should be",
            "start the database, and look at the host, the port and the way there (DATABASE_URL)",
        ),
    )
)
# PostgreSQL's words for a table and a column that are not there.
_NOT_THERE: Final = frozenset({"42P01", "42703"})
GRANT: Final = "run flask db grant ROLE as the owner of the tables, after each flask migrate"


def refusal(error: BaseException) -> tuple[str, str]:
    """What a failure of the store means, and its remedy; neither repeats an address or a value."""
    if lacks_right(error):
        return f"the database's role lacks a right ({first_line(error)})", GRANT
    said = str(getattr(error, "orig", None) or error)
    for pattern, means, remedy in _REFUSALS:
        if pattern.search(said):
            return f"the store cannot be used: {means}", remedy
    return (
        f"the store does not answer ({type(getattr(error, 'orig', None) or error).__name__})",
        "start the database, and look at DATABASE_URL and the way there",
    )


def is_known(error: BaseException) -> bool:
    """Whether `refusal` knows what a failure means; one of another kind is a mistake of ours."""
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    return does_not_answer(error) or sqlstate in _NOT_THERE
