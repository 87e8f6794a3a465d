"""The conversation as a map, drawn from what it does: steps, what leads from one to the next, ends.

The map is made of the turns of `walking`, so it cannot differ from the code. A read-back is a
menu that only asks whether what was understood is right.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flows.engine import ENDED
from flows.speech import Heard, TurnOutcome
from flows.steps import HELD, STEPS
from flows.steps.common import reads_back
from flows.verification.turns import WalkTurn

START = "ring"
# The call script: keys that mean the same everywhere are no choices of a menu.
EVERYWHERE = frozenset("089*#")
CHOICES = frozenset("1234567")
# What a search found, or that it found nothing: an answer of ours, and a new beginning.
FOUND = frozenset({"offers", "no_slot"})
PERSON, NOT_UNDERSTOOD, ANSWER, SILENCE = "0", "not understood", "an answer", "silence"
_KINDS = {
    Heard.RING: "rings",
    Heard.SILENCE: SILENCE,
    Heard.SPEECH: ANSWER,
    Heard.QUEUED: "out of the queue",
    Heard.RETURNED: "back",
}
_NO_WAY = frozenset({TurnOutcome.BACK, TurnOutcome.REPEATED})
MOST_CHOICES = 4
MOST_MENUS = 3
_ALL = frozenset({*STEPS, *HELD})


@dataclass(frozen=True)
class MapEdge:
    """One way from a step to another, or to an end; `by` is what leads there."""

    start: str
    end: str
    by: tuple[str, ...]


@dataclass
class CallMap:
    """What was met: edges, the choices of each menu, and which steps are menus."""

    edges: tuple[MapEdge, ...] = ()
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
        return sorted(step for step in _ALL if not ways.get(step, frozenset()) - {step})

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
        return sorted(_ALL - seen)

    def not_met(self) -> list[str]:
        return sorted(_ALL - {edge.end for edge in self.edges})

    def distances(self) -> Mapping[str, int]:
        """How many questions lie between the ring and each step, on the shortest way."""
        ways, far = self.leads_to(), {START: 0}
        waiting = deque([START])
        while waiting:
            step = waiting.popleft()
            for end in ways.get(step, frozenset()) - far.keys():
                far[end] = far[step] + 1
                waiting.append(end)
        return far

    def menus_deep(self) -> Mapping[str, int]:
        """How many menus lie one upon another on the shortest way to each step, itself included.

        The count starts anew where the caller types something, agrees to what was read back, or
        hears what a search found.
        """
        deep = {START: 0}
        waiting = deque([START])
        ways = self.leads_to()
        while waiting:
            step = waiting.popleft()
            for end in ways.get(step, ()):
                depth = deep[step] + 1 if end in self.menus else 0
                depth = min(depth, 1) if end in FOUND else depth
                if depth < deep.get(end, len(STEPS)):
                    deep[end] = depth
                    waiting.append(end)
        return deep

    def long_menus(self) -> Mapping[str, frozenset[str]]:
        """Menus with too many choices to be remembered; what is printed only has not to be.

        Nor has what other languages tell.
        """
        others = {name: step.printed_keys | step.language_keys for name, step in STEPS.items()}
        told = {step: keys - others.get(step, frozenset()) for step, keys in self.choices.items()}
        return {step: keys for step, keys in told.items() if len(keys) > MOST_CHOICES}


def read(turns: Iterable[WalkTurn]) -> CallMap:
    """Make the map of these turns."""
    turns = tuple(turns)
    choices = _choices(turns)
    by: dict[tuple[str, str], set[str]] = defaultdict(set)
    for turn in turns:
        start = turn.before.step or START
        cause = _cause(turn, choices.get(start, frozenset()))
        if cause:
            by[start, turn.after.step].add(cause)
    menus = {
        turn.after.step
        for turn in turns
        if turn.speech.listen is not None
        and turn.speech.listen.is_menu
        and not reads_back(turn.after.step)
    }
    return CallMap(
        edges=tuple(MapEdge(start, end, tuple(sorted(why))) for (start, end), why in by.items()),
        choices={step: keys for step, keys in choices.items() if step in menus},
        menus=frozenset(menus),
    )


def _choices(turns: Iterable[WalkTurn]) -> Mapping[str, frozenset[str]]:
    """The keys that each step takes: at the first try a wrong one is always told to be wrong."""
    taken: dict[str, set[str]] = defaultdict(set)
    for turn in turns:
        first_try = not turn.before.misses and turn.speech.outcome is not TurnOutcome.MISSED
        if turn.heard.kind is Heard.KEYS and turn.heard.keys in CHOICES and first_try:
            taken[turn.before.step].add(turn.heard.keys)
    return {step: frozenset(keys) for step, keys in taken.items()}


def _cause(turn: WalkTurn, choices: frozenset[str]) -> str:
    """What led from one step to the next; empty for what means the same everywhere."""
    heard = turn.heard
    if turn.speech.outcome in _NO_WAY:
        return ""
    if heard.kind is not Heard.KEYS:
        return _KINDS.get(heard.kind, "")
    if heard.keys in choices:
        return heard.keys
    if heard.keys in {"0", "00", "000"}:
        return PERSON
    if heard.keys in EVERYWHERE:
        return ""
    # Whatever the caller presses when the tries of a question are used up.
    gave_up = bool(choices) or turn.speech.outcome is TurnOutcome.MISSED
    return NOT_UNDERSTOOD if gave_up else ANSWER
