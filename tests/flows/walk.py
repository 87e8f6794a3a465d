"""The walk through the conversation, with the words of the languages."""

from __future__ import annotations

import gc

from functools import lru_cache, partial

from flows.steps import STEPS
from flows.verification import walking
from flows.verification import weathers as states
from flows.verification.turns import Broken, WalkTurn
from flows.verification.walking import (
    COMMANDS,
    FIVE_HUNDRED,
    MANGLED,
    SENSIBLE,
    SINGLE,
    Walk,
    place,
    questions,
)
from tests.flows.fake_world import FakeWorld

CAMPAIGNS = {name: partial(make, FakeWorld) for name, make in states.CAMPAIGNS.items()}


@lru_cache
def walk() -> Walk:
    """The walk with the words of the languages, made once in a process."""
    # Of its objects none is ever garbage in a cycle: without looking for some it takes two thirds
    # of the time, and so does every test that comes after it in this process.
    gc.disable()
    try:
        found = walking.walk(FakeWorld)
    finally:
        gc.enable()
    gc.freeze()
    return found


starts = partial(walking.starts, FakeWorld)
turns_of = partial(walking.turns_of, FakeWorld)


def weathers() -> dict[str, FakeWorld]:
    found = states.scenarios(FakeWorld) | states.rare_scenarios(FakeWorld)
    return {name: make() for name, make in found.items()}  # type: ignore[misc]


def my_weathers() -> dict[str, FakeWorld]:
    return {name: make() for name, make in states.my_scenarios(FakeWorld).items()}  # type: ignore[misc]


def kept_weathers() -> dict[str, FakeWorld]:
    return {name: make() for name, make in states.kept_scenarios(FakeWorld).items()}  # type: ignore[misc]


@lru_cache
def _makers() -> states.Scenarios:
    usual, rare = states.scenarios(FakeWorld), states.rare_scenarios(FakeWorld)
    return {**usual, **rare, **states.my_scenarios(FakeWorld)}


def weather(name: str) -> FakeWorld:
    """The one of `weathers` and `my_weathers` by that name, made now; else the usual one."""
    made = _makers().get(name, FakeWorld)()
    assert isinstance(made, FakeWorld)
    return made


__all__ = [
    "CAMPAIGNS",
    "COMMANDS",
    "FIVE_HUNDRED",
    "MANGLED",
    "SENSIBLE",
    "SINGLE",
    "STEPS",
    "Broken",
    "Walk",
    "WalkTurn",
    "kept_weathers",
    "my_weathers",
    "place",
    "questions",
    "starts",
    "turns_of",
    "walk",
    "weather",
    "weathers",
]
