"""What the public gets: `flask incidents` for the page /etat, `flask feed` for free slots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from babel import Locale

from commands.terminal import moment
from models.public.incidents import Incident
from prompts.catalogue import COUNTRY_LANGUAGE, languages
from services.public import incidents
from services.public.smart_feed import SmartFeed
from services.store import Store

# Incidents are told in these, whatever others there are.
REQUIRED: Final = frozenset({COUNTRY_LANGUAGE, "en"})


def make_incidents(store: Store) -> click.Group:
    """The group `incidents`."""
    group = click.Group(
        "incidents",
        help="""What went wrong, as the public page /etat tells it.

        A store that does not answer, an overload and a partner whose slots got old are told, and
        ended, by themselves.
        """,
    )

    @group.command(
        epilog='Example: flask incidents begin --fr "Une partie des appels est coupée."'
        ' --en "Some calls are cut off."'
    )
    @_in_each_language
    def begin(**texts: str | None) -> None:
        """Tell the public that something is wrong, from now on; prints the incident's id."""
        told = {
            code: _checked(text, f"--{code}") for code, text in texts.items() if text is not None
        }
        click.echo(incidents.tell(store, told.pop(COUNTRY_LANGUAGE), told, "operator"))

    @group.command(epilog="Example: flask incidents end 0f3a…")
    @click.argument("incident_id", metavar="ID")
    def end(*, incident_id: str) -> None:
        """Say that it is over. The page tells of it for seven days more."""
        try:
            incidents.end(store, incident_id)
        except incidents.NoIncident:
            raise click.ClickException(
                f"no incident {incident_id} goes on; flask incidents list shows those that do"
            ) from None
        click.echo("it is over")

    @group.command("list", epilog="Example: flask incidents list --last 10")
    @click.option(
        "--last", "most", type=click.IntRange(1, 1000), default=20, show_default=True,
        help="How many.",
    )  # fmt: skip
    def list_(*, most: int) -> None:
        """The newest: id, kind, when it began and ended (UTC, - while it goes on), who, text."""
        found = incidents.newest(store, most)
        for incident in found:
            click.echo(_line(incident))
        running = sum(incident.ended_at is None for incident in found)
        click.echo(f"{len(found)} incidents, {running} go on")

    return group


def _in_each_language(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each language; in French and English it must be given."""
    for code in reversed(languages()):
        name = Locale.parse(code).get_language_name("en")
        command = click.option(
            f"--{code}", code, required=code in REQUIRED, help=f"One or two sentences, in {name}."
        )(command)
    return command


def make_feed(feed: SmartFeed, folder: Path) -> click.Group:
    """The commands `feed …`; `folder` is where `feed` writes."""
    group = click.Group("feed", help="Our free slots for others (SMART Scheduling Links).")

    @group.command(epilog="Example: flask feed write --whole")
    @click.option("--whole", is_flag=True, help="Read all slots again, not only what changed.")
    def write(*, whole: bool) -> None:
        """Write the files that changed. The scheduler does so each half minute."""
        click.echo(f"{feed.write(whole=whole)} files are new; they are in {folder}")
        if feed.left_out:
            click.echo(
                f"{len(feed.left_out)} centres are not in it, for they have no town or no "
                f"postcode: {', '.join(feed.left_out)}",
                err=True,
            )

    return group


def _checked(text: str, option: str) -> str:
    """Raises click.ClickException."""
    text = " ".join(text.split())
    if not text or len(text) > incidents.TEXT_LENGTH:
        raise click.ClickException(
            f"{option}: write one or two sentences of at most {incidents.TEXT_LENGTH} letters"
        )
    return text


def _line(one: Incident) -> str:
    ended = moment(one.ended_at) if one.ended_at else "-"
    text = one.translations.get("en") or one.text or "-"
    return "\t".join((one.id, one.kind, moment(one.began_at), ended, one.who, text))
