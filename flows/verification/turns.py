"""One input at one session, tried in every weather of the outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flows.engine import advance
from flows.session import Session
from flows.speech import Heard, Input, Speech
from flows.verification.rehearsal import RehearsedWorld
from flows.verification.weathers import Weathers


@dataclass(frozen=True)
class WalkTurn:
    """One turn of the walk: from where, what was heard, in which weather, and what came of it."""

    before: Session
    heard: Input
    weather: str
    after: Session
    speech: Speech

    def __str__(self) -> str:
        pressed = self.heard.keys[:12] if self.heard.kind is Heard.KEYS else str(self.heard.kind)
        return f"{self.before.step}[{self.before.misses}] {pressed!r} ({self.weather})"


class Broken(Exception):
    """The engine raised; the message says where."""


# The attributes of the outside that the turn of now has read.
_read: set[str] = set()


# Kinds of outside that note what is read of them, by the kind that they are.
_kinds: dict[type[RehearsedWorld], type[RehearsedWorld]] = {}


def _noting(kind: type[RehearsedWorld]) -> type[RehearsedWorld]:
    """The same kind of outside, which notes what is read of it."""
    if kind not in _kinds:
        read, note = kind.__getattribute__, _read.add

        def noted(world: RehearsedWorld, name: str) -> Any:
            note(name)
            return read(world, name)

        _kinds[kind] = type(kind.__name__, (kind,), {"__getattribute__": noted})
    return _kinds[kind]


@dataclass(frozen=True)
class _Answer:
    """What came of an input, and what the turn asked of the outside: anything, and the line.

    `broken` is what the engine raised instead; the message names no weather.
    """

    after: Session
    speech: Speech | None
    asks: bool
    line: bool
    broken: str = ""


class TriedInput:
    """One input at one session, in all weathers.

    An answer follows from the session, from what was heard and from what the turn reads of the
    outside. So weathers that are alike in all of that have the same answer, which is worked out
    once: most of them differ in things of which a turn asks nothing.
    """

    def __init__(self, session: Session, heard: Input, known: dict[Session, Session]) -> None:
        self._session, self._heard, self._known = session, heard, known

    def answers(self, weathers: Weathers, names: Iterable[str]) -> Iterator[tuple[str, _Answer]]:
        """The answer in each of these weathers."""
        found: dict[frozenset[str], dict[tuple[int, ...], _Answer]] = {}
        for name in names:
            for attributes, answers in found.items():
                if answer := answers.get(weathers.alike(attributes)[name]):
                    break
            else:
                answer, attributes = self._answer(weathers.begins[name]())
                found.setdefault(attributes, {})[weathers.alike(attributes)[name]] = answer
            yield name, answer

    def turn(self, weather: str, answer: _Answer) -> WalkTurn | Broken:
        session = self._session
        if answer.speech is not None:
            return WalkTurn(session, self._heard, weather, answer.after, answer.speech)
        shown = self._heard.keys[:12] or self._heard.kind
        return Broken(
            f"{answer.broken} at {session.step} after {shown!r} ({weather}),"
            f" trail {session.trail}, chosen {session.chosen}, offers {len(session.offers)}"
        )

    def _answer(self, world: RehearsedWorld) -> tuple[_Answer, frozenset[str]]:
        """The answer, and what was read of the outside for it."""
        after, speech, broken = self._session, None, ""
        world.__class__ = _noting(type(world))
        _read.clear()
        try:
            after, speech = advance(self._session, self._heard, world)
        except Exception as error:  # noqa: BLE001 (the test says what was raised, and where)
            broken = f"{type(error).__name__}: {error}"
        read = frozenset(_read)
        asked = (world.searches, world.orders, world.promises, world.looks, world.asked_for)
        asks, line = any((*asked, world.changed)), bool(world.line)
        return _Answer(self._known.setdefault(after, after), speech, asks, line, broken), read
