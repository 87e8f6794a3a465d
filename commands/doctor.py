"""`flask doctor`: whether callers can be booked, and what to do where they cannot."""

from __future__ import annotations

import time

from collections.abc import Callable, Sequence

import click

from services.health.doctor import Check, run


def make(listed: Callable[[], Sequence[Check]]) -> click.Command:
    """The command `doctor`; `listed` gives what is looked at."""

    @click.command("doctor", epilog="Example: flask doctor")
    @click.pass_context
    def doctor(context: click.Context) -> None:
        """Look at all that callers need; exit status 1 where anything is not well.

        Schema, keys, rights, a write that is taken back, clocks, disks, Redis, the processes beside
        the web, the campaign, centres with slots, and the provider, which is asked one harmless
        question. /readyz says the same but for the provider. What is bad is said with a remedy; a
        warning is something that callers are booked without.
        """
        began = time.monotonic()
        checks = listed()
        width = max(len(check.name) for check in checks)
        unwell = done = 0
        for result in run(checks):
            done += 1
            unwell += not result.is_good
            click.echo(
                f"{result.finding.level.value:<7}  {result.name:<{width}}  {result.finding.says}"
            )
            if not result.is_good:
                click.echo(f"{'':<7}  {'':<{width}}  -> {result.finding.remedy}")
        seconds = time.monotonic() - began
        if unwell:
            left = len(checks) - done
            more = f", and {left} could not be looked at" if left else ""
            click.echo(f"{unwell} of {len(checks)} are not well{more} ({seconds:.1f} s)")
            context.exit(1)
        click.echo(f"All {len(checks)} are well ({seconds:.1f} s)")

    return doctor
