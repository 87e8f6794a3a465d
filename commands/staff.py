"""`flask staff`: accounts of the staff."""

from __future__ import annotations

import json
import sys

from datetime import date

import click

from commands import operator
from commands.operator import Seen
from commands.terminal import Commands, moment
from models.accounts.staff import ROLES
from services.accounts import lost_factor
from services.accounts import staff as accounts
from services.desk import watched
from services.qr_code import qr_code
from services.store import Store

# The most agents that `make crowd` may put at desks.
MOST_IN_A_CROWD = 20


def make(store: Store, *, production: bool) -> click.Group:
    """The group `staff`."""
    group = Commands(
        "staff",
        help="Accounts: agents, supervisors, secretaries of centres, operators. See docs/staff.md.",
    )
    _add_making(group, store, production=production)
    _add_changing(group, store)
    _add_signing_in(group, store)
    _add_looking(group, store)
    _add_watching(group, store)
    return group


def _add_making(group: click.Group, store: Store, *, production: bool) -> None:
    @group.command(epilog='Example: flask staff add camille --role agent --name "Camille Martin"')
    @click.argument("login")
    @click.option("--role", required=True, type=click.Choice(ROLES))
    @click.option("--name", required=True, help="As colleagues see it.")
    @click.option(
        "--languages",
        default="fr",
        show_default=True,
        help="Which they speak: fr,en.",
        metavar="LIST",
    )
    @click.option("--centre", "centre_id", metavar="GID", help="Of a secretary; all without.")
    @click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    @click.option("--totp", is_flag=True, help="Make the second factor now and print it.")
    def add(
        *,
        login: str,
        role: str,
        name: str,
        languages: str,
        centre_id: str | None,
        password_stdin: bool,
        totp: bool,
    ) -> None:
        """Make an account.

        Without --password-stdin a password is made up and printed, to be changed at the first
        sign-in. Everybody needs a second factor: the first sign-in asks for it before it shows
        anything else, unless --totp prints one here.
        """
        given = _from_stdin() if password_stdin else ""
        new = accounts.add(
            store,
            login=login,
            name=name,
            role=role,
            languages=tuple(
                language for language in languages.replace(",", " ").split() if language
            ),
            centre_id=centre_id,
            password=given or (made := accounts.new_password()),
            temporary=not given,
        )
        click.echo(f"{new.login} is {_a(role)}")
        if not given:
            click.echo(f"password, to be changed at the first sign-in: {made}")
        if totp:
            _show_second_factor(accounts.give_second_factor(store, new.login))

    @group.command(epilog="Example: flask staff demo")
    @click.option(
        "--agents",
        type=click.IntRange(1, MOST_IN_A_CROWD),
        metavar="COUNT",
        help="Agents for `make crowd` instead, all of them as JSON.",
    )
    def demo(*, agents: int | None) -> None:
        """Accounts to try with, with a password that everybody knows. Not in production."""
        if production:
            raise click.ClickException(
                "ENVIRONMENT is production: accounts that everybody knows are for development"
            )
        password = accounts.DEMONSTRATION_PASSWORD
        if agents is not None:
            made = accounts.make_crowd(store, agents)
            click.echo(json.dumps([{"login": login, "password": password} for login in made]))
            return
        for login in accounts.make_demonstration(store):
            click.echo(f"staff: {login} / {password}")


def _add_changing(group: click.Group, store: Store) -> None:
    @group.command(epilog="Example: flask staff role camille supervisor")
    @click.argument("login")
    @click.argument("role", type=click.Choice(ROLES))
    @click.option("--centre", "centre_id", metavar="GID", help="Of a secretary; all without.")
    def role(*, login: str, role: str, centre_id: str | None) -> None:
        """Give somebody another role. They are signed out."""
        accounts.change_role(store, login, role, centre_id=centre_id)
        click.echo(f"{accounts.fold(login)} is {_a(role)}")

    @group.command(epilog="Example: flask staff disable camille")
    @click.argument("login")
    @click.option("--enable", is_flag=True, help="Open the account again.")
    def disable(*, login: str, enable: bool) -> None:
        """Close an account: its sessions end with their next request. Nothing is deleted."""
        accounts.disable(store, login, disabled=not enable)
        click.echo(f"{accounts.fold(login)} is {'enabled' if enable else 'disabled'}")

    @group.command(epilog="Example: flask staff queues camille fr-bretagne,fr --in-order")
    @click.argument("login")
    @click.argument("queues", nargs=-1, metavar="[QUEUE]...")
    @click.option(
        "--in-order", is_flag=True, help="Whoever waits in the first comes before the next ones."
    )
    def queues(*, login: str, queues: tuple[str, ...], in_order: bool) -> None:
        """Say whose callers somebody takes; no queue: the national ones of their languages.

        Without --in-order who waits longest comes first, in whichever of them.
        """
        wanted = [queue for name in queues for queue in name.split(",") if queue]
        now = accounts.set_queues(store, login, wanted, in_order=in_order)
        click.echo(f"{accounts.fold(login)} takes {', '.join(now) or 'the national queues'}")


def _add_signing_in(group: click.Group, store: Store) -> None:
    @group.command(epilog="Example: flask staff password camille")
    @click.argument("login")
    @click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    def password(*, login: str, password_stdin: bool) -> None:
        """Give somebody a password, to be changed at their next sign-in. They are signed out.

        Their second factor stays, and is asked for: see `flask staff lost`.
        """
        given = _from_stdin() if password_stdin else accounts.new_password()
        accounts.give_password(store, login, given)
        click.echo(f"{accounts.fold(login)} has another password")
        if not password_stdin:
            click.echo(f"password, to be changed at the next sign-in: {given}")

    @group.command(epilog="Example: flask staff totp camille")
    @click.argument("login")
    def totp(*, login: str) -> None:
        """Give somebody who has no second factor one now, and print it. They are signed out."""
        address = accounts.give_second_factor(store, login)
        _show_second_factor(address)

    @group.command(
        epilog='Example: flask staff lost camille --with maxence --why "telephone stolen"'
    )
    @click.argument("login")
    @click.option(
        "--with",
        "second",
        required=True,
        metavar="LOGIN",
        help="A supervisor who knows that the owner asks, and confirms; not you, not the owner.",
    )
    @click.option("--why", required=True, metavar="TEXT", help="Kept in the history.")
    def lost(*, login: str, second: str, why: str) -> None:
        """Take somebody's lost second factor away, with all passkeys and recovery codes.

        It takes two people: the first time this asks the supervisor to confirm it on the page of
        acts for two. Both names are kept. Every session of the owner ends; their next
        sign-in, with the password that they have, takes another second factor before anything else
        is shown.
        """
        lost_factor.take_factor_away(store, login, second=second, operator=operator.name(), why=why)
        click.echo(f"{accounts.fold(login)} has no second factor")

    @group.command(epilog="Example: flask staff signout camille")
    @click.argument("login")
    def signout(*, login: str) -> None:
        """End every session of somebody."""
        with store.database.statement() as connection:
            who = accounts.find(connection, store, login)
        ended = accounts.sign_out_everywhere(store, who.id, by=accounts.OPERATOR)
        click.echo(f"{who.login} is signed out of {ended} sessions")


def _add_looking(group: click.Group, store: Store) -> None:
    @group.command("list", epilog="Example: flask staff list")
    @click.option("--ids", is_flag=True, help="With ids: a provider rings client:ID.")
    def list_(*, ids: bool) -> None:
        """All accounts: login, role, name, languages, queues, and what is special."""
        lines = accounts.lines(store)
        for line in lines:
            special = [
                word
                for word, on in (
                    ("disabled", line.disabled),
                    ("second factor", line.second_factor),
                    (f"centre {line.staff.centre_id}", line.staff.centre_id),
                )
                if on
            ]
            queues = ",".join(line.queues) or "national"
            who = line.staff
            parts = [who.login, who.role, who.name, ",".join(who.languages), queues, *special]
            if ids:
                parts.insert(1, who.id)
            click.echo("  ".join(parts))
        click.echo(f"{len(lines)} accounts")

    @group.command(epilog="Example: flask staff acts --login camille --last 20")
    @click.option("--login", help="Only of this person.")
    @click.option("--subject", help="Only about this id.")
    @click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True)
    @operator.reads_people(store)
    def acts(seen: Seen, *, login: str | None, subject: str | None, last: int) -> None:
        """The newest acts: moment (UTC), who, what, about which id, why. Nobody can change them.

        Reasons tell of people, so that they were read is an act too.
        """
        names = {line.staff.id: line.staff.login for line in accounts.lines(store)}
        staff_id = None
        if login:
            with store.database.statement() as connection:
                staff_id = accounts.find(connection, store, login).id
        found = accounts.read_acts(store, limit=last, staff_id=staff_id, subject=subject)
        with store.database.transaction() as connection:
            seen(connection, "acts_shown", "acts")
        for written_act in found:
            at, act = moment(written_act.at), written_act.act
            who = names.get(act.staff_id, act.staff_id)
            click.echo(f"{at} {who} {act.what} {act.subject} {act.why}".rstrip())
        click.echo(f"{len(found)} acts")


def _add_watching(group: click.Group, store: Store) -> None:
    @group.command(epilog="Example: flask staff watch")
    def watch() -> None:
        """Watch a name: whoever opens its file is told to supervisors at once.

        The name and the birth date are asked for, or read from standard input (two lines): the
        arguments of a command can be read by others on the machine. They are kept as keyed hashes.
        """
        name = click.prompt("Name", err=True)
        born = click.prompt("Born (YYYY-MM-DD)", err=True)
        try:
            watch_id = watched.watch(store, name, date.fromisoformat(born), by=accounts.OPERATOR)
        except ValueError:
            raise click.ClickException("a birth date is written like 1942-03-12") from None
        except watched.NoName:
            raise click.ClickException("a name has a word of four letters or more") from None
        click.echo(watch_id)

    @group.command(epilog="Example: flask staff unwatch 0f3a…")
    @click.argument("watch_id", metavar="ID")
    def unwatch(*, watch_id: str) -> None:
        """Watch a name no longer."""
        if not watched.unwatch(store, watch_id):
            raise click.ClickException(f"no watched name has the id {watch_id}")

    @group.command("watched", epilog="Example: flask staff watched")
    def watched_() -> None:
        """The watched names: id, since when (UTC), by whom. The names are not kept."""
        found = watched.everyone(store)
        for act in found:
            click.echo(f"{act.id} {moment(act.at)} {act.who}")
        click.echo(f"{len(found)} watched names")


def _from_stdin() -> str:
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise click.ClickException("there is no password on standard input")
    return given


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def _show_second_factor(address: str) -> None:
    click.echo("for the authenticator, once:")
    click.echo(address)
    click.echo(qr_code(address, "L").letters())
