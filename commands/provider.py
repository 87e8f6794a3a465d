"""`flask provider`: what the account at the provider lacks, and setting where our numbers lead."""

from __future__ import annotations

import re
import time

from collections.abc import Callable, Iterable
from typing import Final

import click

from commands import operator
from commands.terminal import Commands
from services.findings import Finding, Level
from services.ports import ProviderAccount
from services.setup import provider_account
from services.setup.provider_account import Change, Wanted
from services.store import Store

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
# What is missing makes the command fail; a note is for knowing.
_WORDS: Final = {Level.GOOD: "ok", Level.WARNING: "note", Level.BAD: "missing"}


def make(
    store: Store,
    account: Callable[[], ProviderAccount],
    wanted: Wanted,
    wait: Callable[[float], object] = time.sleep,
) -> click.Group:
    """The group `provider`; `wanted` is what our settings need there. `wait`: so many seconds."""
    group = Commands(
        "provider",
        help="""The account at the provider: its number, sender, caller id, and whom it may ring.

        Nothing here buys, releases or removes anything.
        """,
    )

    @group.command(epilog="Example: flask provider check --text-to +33612345678")
    @click.option(
        "--text-to",
        metavar="NUMBER",
        callback=_number,
        help="Send one real text to a telephone of yours, and say what became of it.",
    )
    def check(text_to: str | None) -> None:
        """Look at everything that the provider tells of what the settings need; change nothing.

        Each line begins with ok, note or missing. Fails where something is missing. A text to try
        costs what a text costs, and is recorded as an operator's act, without its number.
        """
        found = provider_account.check(account(), wanted)
        if text_to:
            provider_account.record_try(store, by=operator.name())
            found.append(provider_account.try_text(account(), wanted, text_to, wait=wait))
        _tell(found)
        _end(found, "Nothing is missing at the provider.")

    @group.command(epilog="Example: flask provider connect, and then with --yes")
    @click.option("--yes", is_flag=True, help="Set it. Without: say what would be set.")
    def connect(*, yes: bool) -> None:
        """Set where calls and texts of our numbers come in, from what it is to what it will be.

        May be run again: what is right already is left alone. It is recorded as an operator's act.
        """
        asked = account()
        plan = provider_account.plan(asked, wanted)
        for change in plan.changes:
            click.echo(_change(change))
        for hindrance in plan.hindered:
            click.echo(_line(hindrance), err=True)
        if yes and plan.changes:
            provider_account.connect(store, asked, plan.changes, by=operator.name())
        if not plan.changes:
            told = "Nothing is to be set."
        elif yes:
            told = f"{_fields(plan.changes)} set."
        else:
            told = f"A dry run: nothing was set. With --yes {_fields(plan.changes)} set."
        _end(plan.hindered, told)

    return group


def _number(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    """Raises click.BadParameter for what is no number."""
    if given and not _E164.fullmatch(given):
        raise click.BadParameter("give the number with its country, as +33612345678")
    return given


def _fields(changes: list[Change]) -> str:
    return "1 field is" if len(changes) == 1 else f"{len(changes)} fields are"


def _tell(found: Iterable[Finding]) -> None:
    for finding in found:
        click.echo(_line(finding))


def _line(one: Finding) -> str:
    remedy = f" {one.remedy}." if one.remedy else ""
    return f"{_WORDS[one.level]:<8}{one.says}{remedy}"


def _change(one: Change) -> str:
    return f"{one.number} {one.name}: {one.before or '(empty)'} → {one.after}"


def _end(found: Iterable[Finding], told: str) -> None:
    """Raises click.ClickException where something is missing."""
    missing = sum(finding.level is Level.BAD for finding in found)
    if missing:
        things = "1 thing is missing" if missing == 1 else f"{missing} things are missing"
        raise click.ClickException(f"{things} at the provider")
    click.echo(told)
