"""`flask person`: tell a person what is kept about them, or erase it."""

from __future__ import annotations

import json
import sys

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import click

from commands import operator
from flows.understanding import NotUnderstood, telephone
from prompts.screens import LANGUAGES
from services.accounts.staff import OPERATOR
from services.ports import ProviderRecords
from services.privacy import person_rights
from services.privacy.person_page import person_page
from services.privacy.person_rights import (
    Actor,
    CampaignOf,
    DecidedBefore,
    Finished,
    Given,
    NobodyFound,
    OnTheLine,
    Plan,
    SeveralPeople,
)
from services.store import REFERENCE_DIGITS, Store

# Records at the provider are left, or tables that this role may not look after: run `finish` again.
LEFT = 3
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d%m%Y")
_SENTENCES: dict[type[Exception], str] = {
    NobodyFound: "nothing is kept under this birth date with this number or reference",
    SeveralPeople: "two people of this birth date share this number: give the reference as well",
    OnTheLine: "the person is in a call at this moment; again once it is over",
    DecidedBefore: "this request was decided before, or there is none",
}
_REASON = click.Choice(person_rights.REASONS)
_ASKS = (
    "Three lines are read, from the terminal or from standard input: birth date, number, reference;"
    " an empty line where one is not known. They are never arguments, which others on this machine"
    " could read."
)


def make(
    store: Store, campaign_of: CampaignOf, provider: Callable[[], ProviderRecords]
) -> click.Group:
    """The group `person`; `provider` gives what deletes records at the provider."""
    group = click.Group(
        "person",
        help="One person's rights: to know what is kept about them, and to have it erased.",
    )
    _add_export(group, store)
    _add_erase(group, store, campaign_of, provider)
    _add_finish(group, store, provider)
    return group


def _add_export(group: click.Group, store: Store) -> None:
    @group.command("export", epilog="Example: flask person export --reason post --folder exports")
    @click.option("--reason", type=_REASON, required=True, help="How they asked.")
    @click.option(
        "--folder",
        type=click.Path(file_okay=False, path_type=Path),
        help="Write FOLDER/ID.json and ID.txt, for this account alone; without: JSON here.",
    )
    @click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0])
    def export(*, reason: str, folder: Path | None, language: str) -> None:
        """Tell all that is kept about one person: JSON, and a page to read and print.

        It is written into the history of acts, with the account of this machine and the reason.
        """
        given = _read_person()
        with _refusals():
            told = person_rights.export(store, given, by=_by(), reason=reason)
        document = json.dumps(
            {"request": told.request_id, "at": told.at.isoformat(), "kept": told.kept},
            ensure_ascii=False,
            indent=2,
            default=_plain,
        )
        if folder is None:
            click.echo(document)
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for ending, text in (("json", document), ("txt", person_page(told, language))):
            file = folder / f"{told.request_id}.{ending}"
            file.touch(mode=0o600)
            file.write_text(text + "\n", "utf-8")
            click.echo(str(file))

    export.help = f"{export.help}\n\n{_ASKS}"


def _add_erase(
    group: click.Group,
    store: Store,
    campaign_of: CampaignOf,
    provider: Callable[[], ProviderRecords],
) -> None:
    @group.command("erase", epilog="Example: flask person erase --reason post --dry-run")
    @click.option("--reason", type=_REASON, required=True, help="How they asked.")
    @click.option("--dry-run", is_flag=True, help="Only say what would go.")
    @click.option("--yes", is_flag=True, help="Do not ask again (for programs).")
    @click.option("--rewrite", is_flag=True, help="PostgreSQL: write the tables anew (locks them).")
    @click.pass_context
    def erase(
        context: click.Context, *, reason: str, dry_run: bool, yes: bool, rewrite: bool
    ) -> None:
        """Erase one person from every table, and free the appointments that are ahead.

        Says first what will go, and asks. It is written into the history of acts. Run again it
        finds nobody; `flask person finish` goes on with what was cut off. Exit status 3: something
        is left to do, which is said.
        """
        given = _read_person()
        with _refusals():
            plan = person_rights.look_as_operator(store, given, by=_by(), reason=reason)
        for line in _planned(plan):
            click.echo(line)
        if dry_run:
            return
        if not yes:
            click.confirm("Erase all this? It cannot be taken back.", abort=True, err=True)
        with _refusals():
            request_id = person_rights.erase(store, campaign_of, given, by=_by(), reason=reason)
            click.echo(f"erased: request {request_id}")
            done = person_rights.finish(store, request_id, provider(), rewrite=rewrite)
        _tell(context, request_id, done)

    erase.help = f"{erase.help}\n\n{_ASKS}"


def _add_finish(group: click.Group, store: Store, provider: Callable[[], ProviderRecords]) -> None:
    @group.command("finish", epilog="Example: flask person finish 0f3a…")
    @click.argument("request_id", metavar="REQUEST", required=False)
    @click.option("--rewrite", is_flag=True, help="PostgreSQL: write the tables anew (locks them).")
    @click.pass_context
    def finish(context: click.Context, *, request_id: str | None, rewrite: bool) -> None:
        """Do what an erasure left: records at the provider, and the bytes of old rows.

        Without REQUEST: of all that are not done. May be cut off and repeated.
        """
        ids = [request_id] if request_id else _unfinished(store)
        for open_id in ids:
            with _refusals():
                done = person_rights.finish(store, open_id, provider(), rewrite=rewrite)
            _tell(context, open_id, done)
        if not ids:
            click.echo("nothing is left to do")


def _unfinished(store: Store) -> list[str]:
    return [request.id for request in person_rights.open_requests(store) if request.decided_at]


def _tell(context: click.Context, request_id: str, done: Finished) -> None:
    """What is left, a line each; exit status LEFT where anything is."""
    if done.at_provider:
        click.echo(f"request {request_id}: {done.at_provider} records are left at the provider")
    for table in done.scrubbed.not_owned:
        click.echo(f"request {request_id}: run VACUUM {table} as its owner")
    if done.scrubbed.still_seen:
        click.echo(
            f"request {request_id}: an older transaction, as of a back-up, still reads what was"
            f" erased, so its bytes were kept; run `flask person finish {request_id}` when it ended"
        )
    if done.done:
        click.echo(f"request {request_id}: done")
    else:
        context.exit(LEFT)


def _planned(plan: Plan) -> Iterator[str]:
    for start in plan.ahead:
        yield f"an appointment that is ahead is cancelled: {start.isoformat(timespec='minutes')}"
    for table, count in plan.counts.items():
        yield f"{table}: {count}"
    if plan.shared:
        yield "somebody else is known on this number: calls and texts of the number alone stay"
    if plan.on_the_line:
        yield "the person is in a call at this moment: erasing waits until it is over"


def _by() -> Actor:
    return Actor(OPERATOR, operator.name())


def _read_person() -> Given:
    """What the person proved, from the terminal or standard input. Raises ClickException."""
    asked = ("Birth date (1942-03-12 or 12/03/1942)", "Number", "Reference")
    if sys.stdin.isatty():
        lines = [
            click.prompt(question, default="", show_default=False, err=True) for question in asked
        ]
    else:
        lines = [sys.stdin.readline() for _ in asked]
    born, number, reference = (line.strip() for line in lines)
    digits = "".join(character for character in reference if character.isdigit())
    if reference and len(digits) != REFERENCE_DIGITS:
        raise click.ClickException(f"a reference has {REFERENCE_DIGITS} digits")
    return Given(_date(born), _number(number), digits)


def _date(typed: str) -> date:
    for form in _DATES:
        try:
            return datetime.strptime(typed, form).date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
    raise click.ClickException("the birth date must be like 1942-03-12 or 12/03/1942")


def _number(typed: str) -> str:
    if not typed:
        return ""
    try:
        return telephone(
            "".join(character for character in typed if character.isdigit() or character == "+")
        )[0]
    except NotUnderstood:
        raise click.ClickException("the number must be a French one, as 06 12 34 56 78") from None


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(value)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except tuple(_SENTENCES) as refused:
        raise click.ClickException(_SENTENCES[type(refused)]) from None
