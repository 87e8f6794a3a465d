"""`flask capacity`: machines, connections, disk, the provider's limits and euros for a day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from services.operations.capacity import (
    Assumed,
    Demand,
    NotMeasured,
    PlanLine,
    measured_by,
    plan,
    read_costs,
)


def make(results: Path, beside: Path) -> click.Command:
    """The command `capacity`; what `make bench` and `python -m bench.beside` wrote."""

    @click.command("capacity", epilog="Example: flask capacity --calls 230 --visitors 8000")
    @click.option(
        "--calls", type=float, default=230.0, show_default=True, help="That begin, a second."
    )
    @click.option(
        "--visitors",
        type=float,
        default=8000.0,
        show_default=True,
        help="Requests of the web that come to the proxies, a second.",
    )
    @click.option("--slots", type=int, default=10_000_000, show_default=True, help="Places.")
    @click.option(
        "--hours",
        type=float,
        default=12.0,
        show_default=True,
        help="Hours at that rate that the day is worth.",
    )
    @click.option(
        "--cores", type=click.IntRange(1), default=8, show_default=True, help="Of a stateless node."
    )
    @click.option(
        "--euros-a-minute",
        type=float,
        default=Assumed.euros_a_minute,
        show_default=True,
        help="Of a call.",
    )
    @click.option(
        "--euros-a-part",
        type=float,
        default=Assumed.euros_a_part,
        show_default=True,
        help="Of a text.",
    )
    @click.option(
        "--euros-a-core-hour",
        type=float,
        default=Assumed.euros_a_core_hour,
        show_default=True,
        help="Of a machine.",
    )
    @click.option(
        "--results",
        "file",
        type=click.Path(path_type=Path),
        default=results,
        help="Of another measurement.",
    )
    @click.option(
        "--beside",
        type=click.Path(path_type=Path),
        default=beside,
        help="Of another measurement at the pace of a day.",
    )
    @click.pass_context
    def capacity(context: click.Context, /, file: Path, beside: Path, **options: Any) -> None:
        """Say what a day needs, by costs that `make bench` measured; docs/scale.md has the reasons.

        Exit status 1 where a cost was not measured: its line says which part of the bench does.
        """
        demand = Demand(
            options["calls"],
            options["visitors"],
            options["slots"],
            options["hours"],
            options["cores"],
        )
        assumed = Assumed(
            **{
                name: options[name]
                for name in ("euros_a_minute", "euros_a_part", "euros_a_core_hour")
            }
        )
        try:
            costs, void = read_costs(file, beside)
        except NotMeasured as problem:
            raise click.ClickException(str(problem)) from None
        if void:
            click.echo(f"What a day costs at its pace is to be measured again: {void}.")
        click.echo(
            f"By what was measured {costs.results.get('date', 'once')} at commit"
            f" {costs.results.get('commit', 'unknown')}, on"
            f" {costs.results.get('machine', 'some machine')}."
        )
        lines = plan(demand, costs, assumed)
        for one in lines:
            click.echo(_shown(one))
        if any(one.missing for one in lines):
            context.exit(1)

    return capacity


def _shown(one: PlanLine) -> str:
    if one.value is None:
        by = ", ".join(dict.fromkeys(measured_by(name) for name in one.missing))
        return f"{one.name:<28}{'?':>12}  not measured: {', '.join(one.missing)} ({by})"
    value = f"{one.value:,.0f}" if one.value >= 10 else f"{one.value:.1f}".removesuffix(".0")  # noqa: PLR2004
    return f"{one.name:<28}{value:>12} {one.unit:<18} {one.why}"
