"""`flask legal check`: French rules for who rings and who writes, and what settings break."""

from __future__ import annotations

from collections.abc import Mapping

import click

from services.findings import Level
from services.health.french_rules import findings, rules


def make(
    caller_ids: Mapping[str, str], senders: Mapping[str, str], registered_on: str
) -> click.Group:
    """The commands of `legal`; the numbers that people see and the senders, by their settings."""
    group = click.Group("legal", help="Rules for who rings and who writes: docs/going-live.md.")

    @group.command("check", epilog="Example: flask legal check")
    @click.pass_context
    def check(context: click.Context) -> None:
        """Say each rule with its source and what it binds, and judge the settings by them.

        Exit status 1 where one is forbidden by its form. What no form shows is a warning, until a
        dated setting says it.
        """
        for rule in rules():
            click.echo(f"{rule.says}.")
            click.echo(f"  source: {rule.source}")
            click.echo(f"  binds: {rule.binds}")
            click.echo(f"  judged: {rule.judged}")
        click.echo()
        found = list(findings(caller_ids, senders, registered_on))
        for finding in found:
            click.echo(f"{finding.level.value:<7}  {finding.says}")
            if finding.remedy:
                click.echo(f"{'':<7}  -> {finding.remedy}")
        if any(finding.level is Level.BAD for finding in found):
            context.exit(1)

    return group
