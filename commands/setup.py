"""`flask setup`: from an empty database to `Ready for callers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

from models.database import STORE_ERRORS
from services.campaign.campaigns import Campaigns
from services.centre_day.take_centres import Terms
from services.refused import OperatorRefused
from services.setup.going_live import Installation, Missing, missing
from services.setup.set_up import SetUp, not_as_told
from services.setup.town import OPEN_DAYS, BadTown, CentresOf, Person, Town, read_town
from services.slots.week import parse_week

READY = "Ready for callers"
_AGAIN = "Run `flask setup` again when it is mended: what is done stays done."


def make(
    steps: SetUp,
    installed: Installation,
    campaigns: Campaigns,
    campaign_file: Path,
    keys_fit: Callable[[], None],
) -> click.Command:
    """The command `setup`; `campaign_file` is what CAMPAIGN names.

    `keys_fit` raises click.ClickException where DATA_KEYS are not those of the database.
    """

    @click.command("setup", epilog="Example: flask setup --from deploy/town.toml")
    @click.option(
        "--from",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Number, campaign, centres, staff: deploy/town.toml is one. Nothing is asked.",
    )
    @click.option("--check", is_flag=True, help="Only say what is missing; change nothing.")
    def setup(*, file: Path | None, check: bool) -> None:
        """Go live step by step: schema, directory, campaign, centres with slots, staff.

        Does only what is missing, so it may be stopped and run again at any time. With --from it
        reads one file; else it asks. Settings are compared and never written. It ends with
        `Ready for callers`, or names each thing that is missing with what mends it: exit status 1.
        """
        keys_fit()
        town = _town(file)

        def left() -> list[Missing]:
            told = not_as_told(town, number=installed.national_number, campaign=campaign_file)
            return [*missing(steps.store, campaigns.current(), installed), *told]

        refused = 0
        if not check:
            try:
                lines = steps.all_of(town) if file else _asking(steps, left)
                for line in lines:
                    refusal = line.startswith("Not done: ")
                    refused += refusal
                    click.echo(line, err=refusal)
            except click.Abort:
                # An operator who stops hears what is still missing.
                click.echo(err=True)
                refused += 1
            except STORE_ERRORS:
                # What `missing` says about it is clearer.
                refused += 1
        found = left()
        for finding in found:
            click.echo(finding.line(), err=True)
        if found or refused:
            click.echo(f"{len(found)} missing, {refused} not done. {_AGAIN}", err=True)
            raise click.exceptions.Exit(1)
        if installed.stand_in:
            click.echo(f"This is a rehearsal: a stand-in at {installed.stand_in} is the provider.")
        click.echo(READY)

    return setup


def _town(file: Path | None) -> Town:
    if file is None:
        return Town()
    try:
        return read_town(file)
    except BadTown as bad:
        raise click.ClickException(f"nothing is changed\n{bad}") from None


# ---------------------------------------------------------------- asking


def _asking(steps: SetUp, left: Callable[[], list[Missing]]) -> Iterator[str]:
    """Ask for what is missing, one thing after the other; a step that is declined is left out."""
    declined: set[str] = set()
    while True:
        todo = [
            finding for finding in left() if finding.what in _ASKS and finding.what not in declined
        ]
        if not todo:
            return
        one = todo[0]
        click.echo(f"\n{one.sentence[0].upper()}{one.sentence[1:]}.")
        before = [each.sentence for each in left()]
        try:
            yield from _ASKS[one.what](steps)
        except OperatorRefused as refused:
            yield f"Not done: {refused}"
        if [each.sentence for each in left()] == before:
            declined.add(one.what)


def _ask_schema(steps: SetUp) -> Iterator[str]:
    if click.confirm("Bring it to the newest schema?", default=True):
        yield from steps.schema()


def _ask_postcodes(steps: SetUp) -> Iterator[str]:
    yield from steps.postcodes(_file("File of postcodes", steps.postcodes_file))


def _ask_directory(steps: SetUp) -> Iterator[str]:
    yield from steps.directory(_file("File of the directory of centres", steps.centres_file))


def _file(question: str, usual: Path) -> Path:
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    found: Path = click.prompt(question, default=usual, type=kind)
    return found


def _ask_centres(steps: SetUp) -> Iterator[str]:
    answer = click.prompt(
        "Which centres shall be ours: gids with blanks between, or a département as dep 35"
    )
    words = answer.replace(",", " ").split()
    week = click.prompt(
        "Hours, as mon-fri 09:00-12:00 14:00-17:00; empty: the directory's",
        default="",
        show_default=False,
    )
    terms = Terms(
        parse_week(week) if week.strip() else None,
        click.prompt("Places of a slot", default=1, type=int),
        click.prompt("Minutes from one slot to the next", default=10, type=int),
    )
    terms.check()
    if words and words[0].lower() in {"dep", "dép", "departement", "département"}:
        wanted = [CentresOf(terms, departement=word.upper()) for word in words[1:]]
    else:
        wanted = [CentresOf(terms, gid=word) for word in words]
    yield from steps.take(wanted)
    yield from steps.open(wanted, _open_days())


def _ask_slots(steps: SetUp) -> Iterator[str]:
    yield from steps.open_all(_open_days())


def _open_days() -> int:
    days: int = click.prompt("Days for which slots are opened, from tomorrow on", default=OPEN_DAYS)
    return days


def _ask_staff(role: str, steps: SetUp) -> Iterator[str]:
    login = click.prompt(f"Login of the {role}, as camille")
    name = click.prompt("Name, as colleagues see it")
    yield from steps.staff([Person(login, name, role)])


_ASKS: dict[str, Callable[[SetUp], Iterator[str]]] = {
    "schema": _ask_schema,
    "postcodes": _ask_postcodes,
    "directory": _ask_directory,
    "centres": _ask_centres,
    "slots": _ask_slots,
    "agent": partial(_ask_staff, "agent"),
    "supervisor": partial(_ask_staff, "supervisor"),
}
