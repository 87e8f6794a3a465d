"""`flask centres take` and `give`: make centres of the directory ours, and give them back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import click

from commands import operator
from commands.terminal import progress_bar
from commands.wishes import carry_out, tell_outside, yes_option
from models.centres import centres
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import LifeRefused, OperationRequest
from services.centre_day.said_hours import Outside, SaidHours, bookable, find_outside, said_of
from services.centre_day.take_centres import (
    MODES,
    OURS,
    GiveReport,
    Refusal,
    TakeCentres,
    TakeReport,
    TakeWish,
    Terms,
    to_be_taken,
)
from services.centre_day.take_file import TakeFile, read_take_file
from services.setup.town import OPEN_DAYS
from services.slots.week import parse_week

EXIT_ALL_REFUSED = 3
# So many centres are told one by one; of more, what was done is counted.
MOST_TOLD = 20


def add(group: click.Group, life: CentreLife) -> None:
    """Add the commands to `flask centres`."""
    _add_take(group, life)
    _add_give(group, life)


def _add_take(group: click.Group, life: CentreLife) -> None:
    @group.command(
        epilog="Example: flask centres take 21 22 --hours 'mon-fri 09:00-12:00 14:00-17:00' "
        "--capacity 4 --minutes 15"
    )
    @click.argument("centre_ids", nargs=-1, metavar="[GID]...")
    @click.option(
        "--from",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A .csv or .toml with gid, hours, capacity, minutes, mode (docs/going-live.md).",
    )
    @click.option(
        *("--departement", "--department"),
        metavar="CODE",
        help="Every open centre of a département that can be taken: 35, 2A, 971.",
    )
    @click.option(
        "--hours",
        multiple=True,
        metavar="WEEK",
        help="'mon-fri 09:00-12:00; sat 09:00-12:00', over the directory's; may be repeated.",
    )
    @click.option("--capacity", type=int, help="Places of a slot that is opened there.")
    @click.option("--minutes", type=int, help="From one slot to the next.")
    @click.option(
        "--mode",
        type=click.Choice(MODES),
        default=OURS,
        show_default=True,
        help="How it is booked from now on, whatever the directory says.",
    )
    @click.option(
        "--only",
        is_flag=True,
        help="Close what is open outside these hours, and with --from what it leaves out.",
    )
    @click.option("--why", default="", metavar="TEXT", help="With --only: kept with each booking.")
    @yes_option
    @click.option("--dry-run", is_flag=True, help="Say what would be; change nothing.")
    def take(
        *,
        centre_ids: tuple[str, ...],
        file: Path | None,
        departement: str | None,
        hours: tuple[str, ...],
        capacity: int | None,
        minutes: int | None,
        mode: str,
        only: bool,
        why: str,
        yes: bool,
        dry_run: bool,
    ) -> None:
        """Make centres ours, so that callers can book there once slots are open.

        What cannot be taken is named on standard error, and the rest is taken: exit status 1, or 3
        when nothing was. Run again it changes nothing. With a département, what is reserved or
        closed there is only counted. `flask centres give --last` takes it back.

        What was opened before outside these hours is named; with --only it is closed, and the
        people booked there are moved and told.
        """
        if only and not why:
            raise click.UsageError("--only closes what people may have booked: say --why")
        if (bool(centre_ids), file is not None, departement is not None).count(True) != 1:
            raise click.UsageError("say GID…, or --from FILE, or --departement CODE: one of them")
        week = parse_week("; ".join(hours)) if hours else None
        terms = Terms(week, capacity, minutes, mode)
        terms.check()
        asked = _asked(life, centre_ids, file, departement, terms)
        taking = TakeCentres(life, operator.name)
        with progress_bar("centres", len(asked.wishes)) as progress:
            report = taking.take(asked.wishes, dry_run=dry_run, progress=progress)
        report.refused = sorted([*asked.bad, *report.refused], key=lambda one: one.line)
        _tell_take(report, whole_departement=departement is not None)
        if mode == OURS and not dry_run:
            click.echo(
                f"next: flask slots open --centre GID --from DAY --days {OPEN_DAYS}, or --all"
            )
        left_out = _left_out(life, asked) if file is not None else []
        if only:
            wish = OperationRequest(why, dry_run=dry_run, watch=progress_bar)
            _close_outside(life, report, wish, yes=yes)
            _close_left_out(life, left_out, wish, yes=yes)
        else:
            tell_outside(_outside(life, report))
            if left_out:
                click.echo(
                    f"{len(left_out)} centres of ours are not in it, and stay ours: "
                    f"{', '.join(left_out)}; --only closes and gives them back",
                    err=True,
                )
        if report.refused and departement is None:
            raise click.exceptions.Exit(1)


def _outside(life: CentreLife, report: TakeReport) -> list[Outside]:
    store, here = life.store, [*report.taken, *report.changed, *report.already]
    return find_outside(store.database, store.clock, here, report.words)


def _close_outside(
    life: CentreLife, report: TakeReport, wish: OperationRequest, *, yes: bool
) -> None:
    for found in _outside(life, report):
        click.echo(found.line())
        (centre,) = centres.hours_of(life.store.database, [found.centre_id])
        close = partial(
            life.keep_to_hours,
            found.centre_id,
            said=said_of(centre, report.words.get(found.centre_id)),
        )
        carry_out(life, close, wish, yes=yes, about=found.centre_id)


def _left_out(life: CentreLife, asked: TakeFile) -> list[str]:
    """Centres of ours that a file does not name, where no line of it was bad."""
    named = {wish.centre_id for wish in asked.wishes}
    ours = bookable(life.store.database)
    return [] if asked.bad else [centre.id for centre in ours if centre.id not in named]


def _close_left_out(
    life: CentreLife, left_out: list[str], wish: OperationRequest, *, yes: bool
) -> None:
    """Close all that is open at these centres, and give back those with no booking left then."""
    for centre_id in left_out:
        click.echo(f"centre {centre_id} is not in the file")
        said = SaidHours("", {}, left_out=True)
        try:
            carry_out(
                life,
                partial(life.keep_to_hours, centre_id, said=said),
                wish,
                yes=yes,
                about=centre_id,
            )
        except LifeRefused as nothing_open:
            click.echo(f"{nothing_open}")
    report = TakeCentres(life, operator.name).give(left_out, dry_run=wish.dry_run)
    _tell(report.sentences)
    _tell_refused(report.refused)


def _asked(
    life: CentreLife,
    centre_ids: tuple[str, ...],
    file: Path | None,
    departement: str | None,
    terms: Terms,
) -> TakeFile:
    """What is to be taken. Raises TakeRefused."""
    if file is not None:
        return read_take_file(file, terms)
    if departement is not None:
        code = departement.strip().upper()
        return TakeFile(to_be_taken(life.store.database, terms, departement=code))
    return TakeFile([TakeWish(centre_id, terms) for centre_id in dict.fromkeys(centre_ids)])


def _tell_take(report: TakeReport, *, whole_departement: bool) -> None:
    """Say what was done. Raises click.exceptions.Exit where nothing was."""
    _tell(report.sentences)
    if whole_departement:
        for sentence, count in _counted(report.refused).items():
            click.echo(f"{count} {sentence}", err=True)
    else:
        _tell_refused(report.refused)
    if report.no_hours:
        click.echo(
            f"{len(report.no_hours)} have no hours, and get no slots without --hours: "
            f"{', '.join(report.no_hours)}"
        )
    click.echo(report.last_line())
    if not report.written and not report.already:
        raise click.exceptions.Exit(EXIT_ALL_REFUSED)


def _add_give(group: click.Group, life: CentreLife) -> None:
    @group.command(epilog="Example: flask centres give 21 --dry-run")
    @click.argument("centre_ids", nargs=-1, metavar="[GID]...")
    @click.option("--last", is_flag=True, help="Undo the last take, whatever it took or changed.")
    @click.option("--dry-run", is_flag=True, help="Say what would be; change nothing.")
    def give(*, centre_ids: tuple[str, ...], last: bool, dry_run: bool) -> None:
        """Give centres back: they are booked again as the directory says.

        A centre where somebody is booked stays ours, and a sentence says what to do; the others are
        given back (exit status 1, or 3 when nothing was). Their free places are blocked, and come
        back when the centre is taken again.
        """
        if last == bool(centre_ids):
            raise click.UsageError("say either GID… or --last")
        giving = TakeCentres(life, operator.name)
        report: GiveReport = (
            giving.undo_last(dry_run=dry_run) if last else giving.give(centre_ids, dry_run=dry_run)
        )
        _tell(report.sentences)
        _tell_refused(report.refused)
        click.echo(report.last_line())
        if report.refused:
            raise click.exceptions.Exit(1 if report.given else EXIT_ALL_REFUSED)


def _tell(sentences: dict[str, str]) -> None:
    for sentence in list(sentences.values())[:MOST_TOLD]:
        click.echo(sentence)
    more = len(sentences) - MOST_TOLD
    if more > 0:
        click.echo(f"… and {more} more")


def _tell_refused(refused: Iterable[Refusal]) -> None:
    for refusal in refused:
        where = f"line {refusal.line}: " if refusal.line else ""
        click.echo(f"{where}{refusal.sentence}", err=True)


def _counted(refused: Iterable[Refusal]) -> dict[str, int]:
    """What cannot be taken, each reason once with how many there are."""
    found: dict[str, int] = {}
    for refusal in refused:
        reason = refusal.sentence.partition(") ")[2] or refusal.sentence
        found[reason] = found.get(reason, 0) + 1
    return found
