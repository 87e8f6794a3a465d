"""What the engine hears and what it answers, without a word of any language in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Heard(StrEnum):
    RING = "ring"
    KEYS = "keys"
    SPEECH = "speech"
    SILENCE = "silence"
    RETURNED = "returned"
    QUEUED = "queued"
    FAILED = "failed"


@dataclass(frozen=True)
class Input:
    """One thing heard: the ring itself, keys in the order they were pressed, words, or nothing.

    RETURNED is a caller who was connected to another line and is back. QUEUED is one who is out of
    the queue again, for the reason in `keys`, in the provider's words. FAILED is our fault: this
    service could not answer, several times on end.

    `text` is what a recogniser made of the words; `confidence` is its own belief in that, from 0 to
    1, or None where it gives none.
    """

    kind: Heard
    keys: str = ""
    text: str = ""
    confidence: float | None = None


RING = Input(Heard.RING)
SILENCE = Input(Heard.SILENCE)
RETURNED = Input(Heard.RETURNED)
FAILED = Input(Heard.FAILED)


def keys(pressed: str) -> Input:
    return Input(Heard.KEYS, pressed)


def queued(result: str) -> Input:
    return Input(Heard.QUEUED, result)


def spoken(text: str, confidence: float | None = None) -> Input:
    return Input(Heard.SPEECH, text=text, confidence=confidence)


@dataclass(frozen=True)
class Line:
    """One entry of `prompts/` to be said, with its values; `wording` counts from 0.

    A wording beyond the last one means the last one. `language` is empty for the call's own.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    wording: int = 0
    language: str = ""


@dataclass(frozen=True)
class Listen:
    """Wait for keys: one key for a menu, up to `digits` for an entry (ended by # or silence).

    `speech`: words are taken as well; `hints` are what a recogniser may expect to hear. `invites`:
    the caller speaks, so the question says that its answer may be said, too. `patient`: the caller
    asked for time, and gets more of it than a question gives.
    """

    digits: int = 1
    speech: bool = False
    invites: bool = False
    patient: bool = False
    hints: tuple[str, ...] = ()

    @property
    def is_menu(self) -> bool:
        return self.digits == 1


class TurnOutcome(StrEnum):
    """What a turn came to; counted by step in the metrics."""

    ASKED = "asked"  # answered, and the next question put
    REPEATED = "repeated"
    BACK = "back"
    MISSED = "missed"
    SILENT = "silent"
    BOOKED = "booked"
    PROMISED = "promised"
    CONNECTED = "connected"
    QUEUED = "queued"
    ENDED = "ended"


@dataclass(frozen=True)
class Speech:
    """The answer to one input: lines to say, then either listen or end the call."""

    lines: tuple[Line, ...]
    listen: Listen | None
    outcome: TurnOutcome
    language: str = "fr"
    slow: bool = False
    # E.164: the caller is connected there after the lines, and comes back when that is over.
    dial: str = ""
    # The same with a queue, in which they wait for a person, or with the conference of an agent.
    queue: str = ""
    conference: str = ""
    # Whether something is held for them, which is kept while they wait in the queue.
    keeps: bool = False
    # When it is said (UTC), for "today" and "tomorrow"; None: days are told by their dates alone.
    now: datetime | None = field(default=None, compare=False)
