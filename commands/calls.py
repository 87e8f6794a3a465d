"""`flask calls map` draws the conversation, `flask calls walk` looks for places where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from commands.common_call import path_seconds
from flows import call_map
from flows.call_map import MOST_CHOICES, MOST_MENUS, CallMap
from flows.engine import ENDED, PERSON_STEPS
from flows.rehearsal import Rehearsal
from flows.steps.common import reads_back
from flows.walking import Walk, left_alone, walk
from prompts.catalogue import COUNTRY_LANGUAGE, Catalogue, load
from services.call_world import vocabulary

COLOURS = {
    "menu": "#dbeafe",
    "entry": "#fef3c7",
    "read-back": "#dcfce7",
    "person": "#fde2e2",
    "end": "#e5e7eb",
}
# Longer labels make a map that nobody can look at.
MOST_LABEL = 34


def make() -> click.Group:
    """The group `calls`."""

    @click.group("calls")
    def calls() -> None:
        """The conversation: a map of it, and a walk through all of it."""

    calls.add_command(_draw)
    calls.add_command(_walk_all)
    return calls


@click.command("map", epilog="Example: flask calls map --output /tmp/map.svg")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/pictures/call-map.svg"),
    show_default=True,
)
def _draw(output: Path) -> None:
    """Draw the whole conversation from the code, as SVG."""
    try:
        import pygraphviz  # noqa: PLC0415 (the checks' requirements have it, the service's not)
    except ImportError:
        raise click.ClickException(
            "the map is drawn by pygraphviz, which is not installed:"
            " .venv/bin/pip install -r requirements-dev.txt"
        ) from None
    found = call_map.read(_walk().turns)
    graph = pygraphviz.AGraph(directed=True, strict=False, rankdir="TB", nodesep=0.25)
    graph.node_attr.update(
        shape="box", style="rounded,filled", fontname="sans-serif", fontsize=11, color="#64748b"
    )
    graph.edge_attr.update(fontname="sans-serif", fontsize=9, color="#64748b")
    catalogue = load(COUNTRY_LANGUAGE)
    for step in sorted(_steps(found)):
        graph.add_node(step, label=_label(step, catalogue), fillcolor=COLOURS[_kind(step, found)])
    for edge in sorted(found.edges, key=lambda one: (one.start, one.end)):
        if edge.start != edge.end and edge.by != ("0",):
            graph.add_edge(edge.start, edge.end, label=" " + _causes(edge.by))
    output.parent.mkdir(parents=True, exist_ok=True)
    graph.draw(str(output), format="svg", prog="dot")
    click.echo(f"{output}: {len(_steps(found))} steps, {len(found.edges)} ways")


@click.command("walk", epilog="Example: flask calls walk")
def _walk_all() -> None:
    """Go everywhere with every kind of answer; exit 1 at a dead end or a loop without exit."""
    found = _walk()
    read = call_map.read(found.turns)
    step, menus = max(read.menus_deep().items(), key=lambda one: one[1])
    steps = len(found.steps - {ENDED})
    click.echo(f"{steps} steps, {found.places:,} places, {len(found.turns):,} turns")
    click.echo(f"deepest: {menus} menus, at {step} (at most {MOST_MENUS})")
    for name, seconds, answers in path_seconds():
        click.echo(f"{name}: {answers} answers, {seconds:.0f} spoken seconds")
    complaints = list(_complaints(found))
    for complaint in complaints:
        click.echo(complaint)
    click.echo(f"{len(complaints)} complaints")
    if complaints:
        raise SystemExit(1)


_make = partial(Rehearsal, vocabularies=vocabulary)


def _walk() -> Walk:
    return walk(_make)


def _complaints(found: Walk) -> Iterator[str]:
    read = call_map.read(found.turns)
    yield from (f"raised: {broken}" for broken in found.broken)
    yield from (f"never met: {step}" for step in read.not_met())
    yield from (f"dead end: {step}" for step in read.dead_ends())
    yield from (f"no way out: {step}" for step in read.without_exit())
    yield from (
        f"too deep: {step} lies under {depth} menus"
        for step, depth in read.menus_deep().items()
        if depth > MOST_MENUS
    )
    yield from (
        f"too many choices: {step} has {len(keys)}, at most {MOST_CHOICES}"
        for step, keys in read.long_menus().items()
    )
    yield from (f"left in silence: {place}" for place in left_alone(_make, found))


def _steps(found: CallMap) -> set[str]:
    return {edge.start for edge in found.edges} | {edge.end for edge in found.edges}


def _kind(step: str, found: CallMap) -> str:
    if step in {ENDED, call_map.START}:
        return "end"
    if step in PERSON_STEPS:
        return "person"
    if reads_back(step):
        return "read-back"
    return "menu" if step in found.menus else "entry"


def _label(step: str, catalogue: Catalogue) -> str:
    """The step's name, with the first words that are heard there."""
    if step not in catalogue.keys:
        return step
    said = catalogue.parts(step)[0].text.split("|")[0].strip().rstrip(".")
    return f"{step}\n{said[:MOST_LABEL]}{'…' if len(said) > MOST_LABEL else ''}" if said else step


def _causes(by: tuple[str, ...]) -> str:
    return ", ".join(cause for cause in by if cause != "0")
