"""`flask restore`: after a restore nothing leaves until what left before it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import click

from commands import operator
from commands.terminal import Commands, as_moment, moment, progress_bar
from services.backups import restore
from services.backups.restore import Reconciler, RestoreRefused
from services.ports import Busy, NoAnswer, ProviderRefused
from services.privacy.anchor_traces import BadAnchors, Fitted
from services.store import Store

# What each count of the report is, in the order in which it is told.
WORDS: Final[Mapping[str, str]] = {
    "texts": "texts that the provider lists",
    "texts_known": "are known here as sent",
    "texts_marked": "waited here, are marked as sent and do not go again",
    "texts_true": "say what the store says of their booking",
    "texts_passing": "leave nothing to be done",
    "texts_to_cases": "tell what the store does not know: in a case",
    "calls": "calls that the provider lists",
    "calls_known": "are known here",
    "calls_of_ours": "are agents' lines",
    "calls_withheld": "came from withheld numbers: nobody can ring those back",
    "calls_unanswered": "were not answered",
    "calls_passing": "leave nothing to be done",
    "calls_to_cases": "may have told or booked something: in a case",
    "cases": "cases opened for agents",
    "dropped": "messages dropped, for an agent speaks with their person",
    "promises_ended": "promises of a call ended, for the number was rung since",
}
# Makes what compares, for a dry run or not.
MakeReconciler = Callable[[bool], Reconciler]


# Makes the file of anchors one of the store that came back; None where there is no such file.
FitAnchors = Callable[[], Fitted | None]


def make(store: Store, reconciler: MakeReconciler, fit_anchors: FitAnchors) -> click.Group:
    """The group `restore`; the provider is asked by what `reconciler` makes."""
    group = Commands(
        "restore",
        help="After a restore: freeze what leaves, compare with the provider, let it leave again.",
    )
    _add_freeze(group, store, fit_anchors)
    _add_reconcile(group, store, reconciler)
    return group


def _add_freeze(group: click.Group, store: Store, fit_anchors: FitAnchors) -> None:
    @group.command("begin", epilog="Example: flask restore begin --since 2026-11-28T02:00")
    @click.option("--since", metavar="TIME", help="When the back-up was begun (UTC).")
    def begin(*, since: str | None) -> None:
        """Let no text and no call back leave from now on, in any process of any machine.

        Callers and visitors go on booking, agents go on answering. The provider is asked later what
        left since the back-up: without --since from the newest moment that the store knows. May be
        run again at any time.

        Anchors (TRACES_ANCHOR_FILE) of lines that are lost go to a file beside, so that `flask
        store verify` can be clean again. Run it on each machine that has such a file.
        """
        begun = restore.begin(store, _who(), _moment(since))
        freeze = begun.freeze
        click.echo(
            f"Nothing leaves since {moment(freeze.began_at)}: {begun.waiting} messages wait."
            if begun.is_new
            else f"Nothing leaves since {moment(freeze.began_at)} already; nothing was changed."
        )
        click.echo(f"The provider will be asked what left since {moment(freeze.since_at)}.")
        if begun.processes:
            click.echo(f"{begun.processes} processes that ran at the back-up are noted as over.")
        if begun.being_sent:
            click.echo(
                f"{begun.being_sent} may be leaving at this moment; that is over in half a minute."
            )
        try:
            fitted = fit_anchors()
        except BadAnchors as error:
            raise click.ClickException(
                f"everything is frozen, but {error}; mend it and run this again"
            ) from None
        _tell_anchors(fitted)

    @group.command("status", epilog="Example: flask restore status")
    @click.pass_context
    def status(context: click.Context) -> None:
        """Whether anything is frozen, since when, what came of it; exit status 3 while it is."""
        found = restore.status(store)
        freeze = found.freeze
        if freeze is None or not found.lasts:
            click.echo("Nothing is frozen.")
            return
        click.echo(f"{restore.sentence(freeze)}; {found.waiting} messages wait")
        _tell(freeze.counts)
        context.exit(3)

    @group.command("end", epilog="Example: flask restore end")
    @click.option("--anyway", is_flag=True, help="Though nothing was compared: texts come twice.")
    def end(*, anyway: bool) -> None:
        """Let texts and call backs leave again. Refused as long as nothing was compared."""
        waiting = restore.end(store, _who(), anyway=anyway)
        click.echo(f"Everything leaves again: {waiting} messages wait for it.")


def _add_reconcile(group: click.Group, store: Store, reconciler: MakeReconciler) -> None:
    @group.command("reconcile", epilog="Example: flask restore reconcile --dry-run")
    @click.option("--since", metavar="TIME", help="Ask from then on (UTC), not from the back-up.")
    @click.option("--dry-run", is_flag=True, help="Count, and change nothing.")
    @click.option("--release", is_flag=True, help="Then let everything leave again.")
    def reconcile(*, since: str | None, dry_run: bool, release: bool) -> None:
        """Compare the provider's lists of texts and calls since the back-up with this store.

        What left and waits here is marked as sent. What left and is not known here is a case for an
        agent, with its words. Everything else waits on. Each text is settled by itself, so that
        this may be stopped and run again: what is settled is passed over.
        """
        if dry_run and release:
            raise click.UsageError("a dry run releases nothing")
        work = reconciler(dry_run)
        with progress_bar("comparing", 1) as progress:
            work.watch = progress
            try:
                counts = work.run(_moment(since))
            except (ProviderRefused, Busy, NoAnswer) as error:
                told = getattr(error, "code", "") or "no answer"
                raise RestoreRefused(
                    f"the provider did not give its lists ({told}): what was compared stays so;"
                    " run it again"
                ) from error
        _tell(counts)
        if dry_run:
            click.echo("Nothing was changed.")
        if release:
            waiting = restore.end(store, _who())
            click.echo(f"Everything leaves again: {waiting} messages wait for it.")


def _tell_anchors(fitted: Fitted | None) -> None:
    """What the chain of what is recorded can prove from now on, and what it cannot."""
    if fitted is None:
        return
    if fitted.lost:
        up_to = (
            f"vouches for what was recorded up to {moment(fitted.reach)}"
            if fitted.reach
            else "vouches for nothing that was recorded before now"
        )
        click.echo(
            f"{fitted.lost} anchors in {fitted.path} were of lines that this store does not have."
            f" The whole file is {fitted.aside} now; what stays of it {up_to}. What was recorded"
            " afterwards is lost, and nothing can show what it said."
        )
    if fitted.anew:
        click.echo(
            f"{fitted.path} lacked the newest anchors of {', '.join(fitted.anew)}, so ones of now"
            " were added: they show what is changed from now on, not what was changed before."
        )


def _tell(counts: Mapping[str, int]) -> None:
    for name, words in WORDS.items():
        if counts.get(name) or name in {"texts", "calls", "cases"}:
            click.echo(f"{counts.get(name, 0)} {words}")


def _who() -> str:
    return f"operator {operator.name()}"[:60]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else as_moment(text, "2026-11-28T02:00, in UTC")
