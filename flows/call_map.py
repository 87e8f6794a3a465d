"""The conversation as a map, drawn from what it does: steps, what leads from one to the next, ends.

The map is made of the turns of `flows.walking`, so it cannot differ from the code. A read-back is a
menu that only asks whether what was understood is right.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flows.engine import ENDED
from flows.speech import Heard, Outcome
from flows.steps import STEPS
from flows.steps.common import reads_back
from flows.walking import Turn

START = "ring"
# The call script: keys that mean the same everywhere are no choices of a menu.
EVERYWHERE = frozenset("089*#")
CHOICES = frozenset("1234567")
_NO_WAY = frozenset({Outcome.BACK, Outcome.REPEATED})
MOST_CHOICES = 4
MOST_MENUS = 3


@dataclass(frozen=True)
class Edge:
    """One way from a step to another, or to an end; `by` is what leads there."""

    start: str
    end: str
    by: tuple[str, ...]


@dataclass
class CallMap:
    """What was met: edges, the choices of each menu, and which steps are menus."""

    edges: tuple[Edge, ...] = ()
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    menus: frozenset[str] = frozenset()

    def leads_to(self) -> Mapping[str, frozenset[str]]:
        ways: dict[str, set[str]] = defaultdict(set)
        for edge in self.edges:
            ways[edge.start].add(edge.end)
        return {start: frozenset(ends) for start, ends in ways.items()}

    def dead_ends(self) -> list[str]:
        """Steps that lead nowhere but to themselves."""
        ways = self.leads_to()
        return sorted(step for step in STEPS if not ways.get(step, frozenset()) - {step})

    def without_exit(self) -> list[str]:
        """Steps from which no way leads to an end of the call."""
        back: dict[str, set[str]] = defaultdict(set)
        for edge in self.edges:
            back[edge.end].add(edge.start)
        seen, waiting = {ENDED}, deque([ENDED])
        while waiting:
            for step in back[waiting.popleft()] - seen:
                seen.add(step)
                waiting.append(step)
        return sorted(set(STEPS) - seen)

    def not_met(self) -> list[str]:
        return sorted(set(STEPS) - {edge.end for edge in self.edges})

    def menus_deep(self) -> Mapping[str, int]:
        """How many menus lie one upon another on the shortest way to each step, itself included.

        Whoever types something, or agrees to what was read back, is deep in no menu any more.
        """
        deep = {START: 0}
        waiting = deque([START])
        ways = self.leads_to()
        while waiting:
            step = waiting.popleft()
            for end in ways.get(step, ()):
                depth = deep[step] + 1 if end in self.menus else 0
                if depth < deep.get(end, len(STEPS)):
                    deep[end] = depth
                    waiting.append(end)
        return deep

    def long_menus(self) -> Mapping[str, frozenset[str]]:
        """Menus with too many choices to be remembered."""
        return {step: keys for step, keys in self.choices.items() if len(keys) > MOST_CHOICES}


def read(turns: Iterable[Turn]) -> CallMap:
    """Make the map of these turns."""
    by: dict[tuple[str, str], set[str]] = defaultdict(set)
    choices: dict[str, set[str]] = defaultdict(set)
    menus: set[str] = set()
    for turn in turns:
        start = turn.before.step or START
        if turn.speech.listen is not None and turn.speech.listen.is_menu:
            menus.add(turn.after.step)
        cause = _cause(turn)
        if cause:
            by[start, turn.after.step].add(cause)
        # At the first try a wrong key is always told to be one.
        first_try = not turn.before.misses and turn.speech.outcome is not Outcome.MISSED
        if cause in CHOICES and first_try:
            choices[start].add(cause)
    return CallMap(
        edges=tuple(Edge(start, end, tuple(sorted(why))) for (start, end), why in by.items()),
        choices={step: frozenset(keys) for step, keys in choices.items() if step in menus},
        menus=frozenset(step for step in menus if not reads_back(step)),
    )


def _cause(turn: Turn) -> str:
    """What led from one step to the next; empty for what means the same everywhere."""
    heard = turn.heard
    if heard.kind is Heard.KEYS:
        return _key(turn)
    if heard.kind is Heard.SPEECH and turn.speech.outcome in _NO_WAY:
        return ""
    return {Heard.RING: "rings", Heard.SILENCE: "silence", Heard.SPEECH: "words"}.get(
        heard.kind, ""
    )


def _key(turn: Turn) -> str:
    pressed = turn.heard.keys
    if turn.speech.outcome in _NO_WAY or pressed in EVERYWHERE - {"0"}:
        return ""
    if pressed in {"0", "00", "000"}:
        return "0"
    if len(pressed) == 1:
        return pressed
    return "not understood" if turn.speech.outcome is Outcome.MISSED else "an answer"
