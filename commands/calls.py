"""The conversation: `flask calls map` draws it, `walk` tries all of it, `time` tells its length."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import click

from commands.common_call import PATHS, common_call, path_seconds
from commands.terminal import Mistakes
from flows.engine import ENDED, PERSON_STEPS
from flows.steps.common import reads_back
from flows.steps.line import LINE_STEPS
from flows.verification import call_map
from flows.verification.call_map import MOST_CHOICES, MOST_MENUS, CallMap, MapEdge
from flows.verification.rehearsal import RehearsedWorld, common_path, ringing
from flows.verification.walking import Walk, left_alone, walk
from prompts.catalogue import COUNTRY_LANGUAGE, PAUSE, Catalogue, load
from services.vocabulary import vocabulary

COLOURS = {
    "menu": "#dbeafe",
    "entry": "#fef3c7",
    "read-back": "#dcfce7",
    "person": "#fde2e2",
    "end": "#e5e7eb",
}
_LEGEND_TITLE = (
    "0 leads to a person from everywhere, and back;\\nafter three tries so does silence.\\n"
    "9 repeats, * goes back, 8 slows down.\\nThick: the common path. Dashed: an easier way."
)
_LEGEND_NODES = {
    "l_menu": ("a menu", COLOURS["menu"]),
    "l_entry": ("digits or words", COLOURS["entry"]),
    "l_read": ("read back", COLOURS["read-back"]),
    "l_person": ("a person", COLOURS["person"]),
    "l_end": ("the call may end here", "white"),
}
# Longer labels make a map that is too wide to read.
MOST_LABEL = 34


def make() -> click.Group:
    """The group `calls`."""
    calls = click.Group(
        "calls", help="The conversation: a map of it, and a walk through all of it."
    )
    calls.add_command(_draw)
    calls.add_command(_walk_all)
    calls.add_command(_time)
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
            " .venv/bin/pip install -r requirements/dev.txt"
        ) from None
    found = call_map.read(_walk().turns)
    graph = pygraphviz.AGraph(directed=True, strict=False, rankdir="TB", nodesep=0.2, ranksep=0.45)
    graph.node_attr.update(
        shape="box", style="rounded,filled", fontname="sans-serif", fontsize=11, color="#64748b"
    )
    graph.edge_attr.update(fontname="sans-serif", fontsize=10, color="#64748b")
    catalogue = load(COUNTRY_LANGUAGE)
    may_end = {edge.start for edge in found.edges if edge.end == ENDED}
    for step in sorted(_steps(found) - {ENDED}):
        graph.add_node(
            step,
            label=_label(step, catalogue),
            fillcolor=COLOURS[_kind(step, found)],
            peripheries=2 if step in may_end else 1,
        )
    common = _common_steps()
    distance = found.distances()
    for edge in sorted(found.edges, key=lambda one: (one.start, one.end)):
        if _is_drawn(edge):
            easier = not set(edge.by) - {call_map.NOT_UNDERSTOOD, call_map.SILENCE}
            is_common = (edge.start, edge.end) in common
            # A way back must not turn the map upside down: it is laid out as one that goes on.
            back = distance[edge.end] < distance[edge.start]
            ends = (edge.end, edge.start) if back else (edge.start, edge.end)
            graph.add_edge(
                *ends,
                label="" if easier else " " + ", ".join(edge.by),
                dir="back" if back else "forward",
                style="dashed" if easier else "solid",
                penwidth=2.5 if is_common else 1,
                weight=20 if is_common else 1,
            )
    graph.add_node("l_title", label=_LEGEND_TITLE, shape="plaintext", style="")
    for name, (text, colour) in _LEGEND_NODES.items():
        graph.add_node(name, label=text, fillcolor=colour, peripheries=2 if name == "l_end" else 1)
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


@click.command("time", epilog="Example: flask calls time")
def _time() -> None:
    """Tell the spoken seconds and the answers of the common calls, by step.

    Each is played on the real conversation, for two appointments with the first offer taken, until
    all is told and the caller may hang up. Exit 1 where one is above its bar.
    """
    complaints = []
    for path in PATHS:
        call, bars = common_call(path), path.bars
        click.echo(
            f"{path.name}: {call.answers} answers (at most {bars.answers}),"
            f" {call.seconds:.1f} s spoken (at most {bars.seconds}),"
            f" the first offer at {call.first_offer:.1f} s (at most {bars.first_offer})"
        )
        for row in call.rows():
            click.echo(row)
        complaints += [f"{path.name}: {what}" for what in call.over(bars)]
    if complaints:
        raise Mistakes(complaints)


_make = partial(RehearsedWorld, vocabularies=vocabulary)


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
    if step in PERSON_STEPS or step in LINE_STEPS:
        return "person"
    if reads_back(step):
        return "read-back"
    return "menu" if step in found.menus else "entry"


def _label(step: str, catalogue: Catalogue) -> str:
    """The step's name, with the first words that are heard there."""
    if step not in catalogue.keys:
        return step
    pieces = catalogue.parts(step)[0].text.split(PAUSE)
    said = next((piece.strip(" .") for piece in pieces), "")
    return f"{step}\n{said[:MOST_LABEL]}{'…' if len(said) > MOST_LABEL else ''}" if said else step


def _is_drawn(edge: MapEdge) -> bool:
    """Ways that are the same everywhere would hide the others: the legend tells them."""
    if edge.end in {edge.start, ENDED}:
        return False
    of_person = PERSON_STEPS | LINE_STEPS
    if edge.end in {"person", *LINE_STEPS} - {edge.start} and edge.start not in of_person:
        # Reached from every step; the way to an agent is drawn once, at the person step.
        return False
    if edge.start in of_person and edge.end not in of_person:
        return False
    return edge.by != (call_map.PERSON,)


def _common_steps() -> set[tuple[str, str]]:
    """The edges that a caller takes who answers at once and takes the first offer."""
    path = common_path(ringing(), _make())
    steps = [call_map.START, *(exchange.after.step for exchange in path)]
    return set(pairwise(steps))
