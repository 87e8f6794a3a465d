"""What the engine hears and what it answers, without a word of any language in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Heard(StrEnum):
    RING = "ring"
    KEYS = "keys"
    SILENCE = "silence"


@dataclass(frozen=True)
class Input:
    """One thing heard: the ring itself, keys in the order they were pressed, or nothing."""

    kind: Heard
    keys: str = ""


RING = Input(Heard.RING)
SILENCE = Input(Heard.SILENCE)


def keys(pressed: str) -> Input:
    return Input(Heard.KEYS, pressed)


@dataclass(frozen=True)
class Line:
    """One entry of `prompts/` to be said, with its values; `wording` counts from 0.

    A wording beyond the last one means the last one.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    wording: int = 0


@dataclass(frozen=True)
class Listen:
    """Wait for keys: one key for a menu, up to `digits` for an entry (ended by # or silence)."""

    digits: int = 1

    @property
    def is_menu(self) -> bool:
        return self.digits == 1


class Outcome(StrEnum):
    """What a turn came to; counted by step in the metrics."""

    ASKED = "asked"  # answered, and the next question put
    REPEATED = "repeated"
    BACK = "back"
    MISSED = "missed"
    SILENT = "silent"
    BOOKED = "booked"
    PROMISED = "promised"
    ENDED = "ended"


@dataclass(frozen=True)
class Speech:
    """The answer to one input: lines to say, then either listen or end the call."""

    lines: tuple[Line, ...]
    listen: Listen | None
    outcome: Outcome
    language: str = "fr"
    slow: bool = False
