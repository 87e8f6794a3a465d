"""`flask db grant`: the role that the service works with on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import click

from commands.terminal import refusals
from models.database import STORE_ERRORS, Database, first_line
from models.operations import grants
from models.operations.grants import BadRole


def make(owner: Callable[[], Database]) -> click.Group:
    """The group `db`; `owner` gives the database as the owner of its tables reaches it."""
    group = click.Group("db", help="Look after the database's roles.")

    @group.command(epilog="Example: flask db grant allo")
    @click.argument("role")
    @click.option("--sql", is_flag=True, help="Print the statements, and run none.")
    def grant(role: str, *, sql: bool) -> None:
        """Make ROLE, or give it what it lacks: to work with every table and to own none.

        It is made where it is not there, without a password. It cannot change what is recorded, and
        its statements have four seconds, through a pooler as well. Run it as the owner of the
        tables (MIGRATION_DATABASE_URL), after each migration; it may be run again at any time.
        """
        with refusals(BadRole):
            if sql:
                click.echo(grants.script(role), nl=False)
                return
            _grant(owner(), role)
        click.echo(
            f"{role} may work with every table, and owns none. A new role has no password: give it"
            f" one (\\password {role} in psql), then put it into DATABASE_URL."
        )

    return group


def _grant(database: Database, role: str) -> None:
    """Raises BadRole."""
    try:
        with database.transaction() as connection:
            grants.grant(connection, role)
    except STORE_ERRORS as error:
        raise BadRole(
            f"not granted, and nothing is changed ({first_line(error)}): run this as the"
            " owner of the tables (MIGRATION_DATABASE_URL), who may make roles"
        ) from None
    finally:
        database.dispose()
