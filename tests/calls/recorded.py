"""Whole calls as data: what a caller does, which lines they hear, and which rows that makes.

A recording is a TOML file. Its author writes the title, the campaign and the centres, and what the
caller does; `pytest tests/calls/test_recorded_calls.py --update` writes the rest.

    title     what the call shows
    campaign  what differs from the campaign of the tests
    centre    the centres; without any: the three of `THREE_CENTRES`; `centre = []`: none
    turn      one after the other, each with
              do     "rings mobile" (landline, withheld, or a number) begins a call; "presses 1",
                     "says oui", "is silent", "hangs up"; "waits 10 minutes" moves the clock
              note   a remark (optional)
              hears  keys of `prompts/` with the values in them, in the order in which they are
                     said; the second wording of a line is "key#2"
              step   where the conversation is then
              writes keys of the written messages that the turn made, with their values
              language  of the call, where it is not French
              rows   what the turn changed in the store: "+" a row that is there now, "-" one that
                     was there before
              held   how many places are held, where the turn changed that
              ended  how the call came to its end

After the last turn the store is verified, as `flask bookings verify` does.

A reference is called "reference 1", "reference 2" in the order in which they were given, in values
and in what is pressed. Moments are UTC, but for those that a caller hears: these are the centre's.
"""

from __future__ import annotations

import json
import tomllib

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sqlalchemy import select

from flows.speech import Line, Speech
from ivr.twiml import render
from models.attempts import attempt
from models.booking.tables import history
from models.waiting_list.tables import waiting_entry
from models.waiting_list.waiting import of_row
from prompts.catalogue import Catalogue, load
from prompts.values import Part
from services.booking.verify_store import verify_store
from services.campaign.campaign import Eligible
from tests.support.house import (
    LANDLINE,
    MOBILE,
    WITHHELD,
    House,
    Phone,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import clock_of, rows_of

FOLDER = Path(__file__).resolve().parent
NUMBERS = {"mobile": MOBILE, "landline": LANDLINE, "withheld": WITHHELD}
NAMES = {number: name for name, number in NUMBERS.items()}
THREE_CENTRES: list[dict[str, Any]] = [
    {"id": "1", "name": "Salle des fêtes", "kilometres": 0.4},
    {"id": "2", "name": "Gymnase Jaurès", "kilometres": 4.1},
    {"id": "3", "name": "Mairie annexe", "kilometres": 12.2},
]
# What a centre of a recording has unless it says otherwise.
CENTRE = {"mornings": 20, "first": 1, "capacity": 2}
# Of a line of history: the rest are ids and versions.
DETAILS = ("for", "groups")
# Of what a promise keeps, what tells an agent nothing.
NOT_KEPT = frozenset({"call_id", "lines"})


def recordings() -> list[Path]:
    return sorted(FOLDER.glob("*.toml"))


def read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def played(recording: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The recording as the service plays it now."""
    with opened(recording, url) as made, listening() as heard:
        return Play(made, heard).plays(recording)


@contextmanager
def opened(recording: Mapping[str, Any], url: str) -> Iterator[House]:
    """The service that a recording is about."""
    changes = dict(recording.get("campaign", {}))
    if "eligible" in changes:
        changes["eligible"] = tuple(Eligible(**one) for one in changes["eligible"])
    with house(url, campaign=campaign_with(**changes)) as made:
        for given in recording.get("centre", THREE_CENTRES):
            one = CENTRE | given
            starts = mornings(one.pop("mornings"), first=one.pop("first"))
            made.opens_centre(one.pop("id"), starts=starts, **one)
        yield made


# ---------------------------------------------------------------- what is heard and written


@dataclass
class Heard:
    """What the service said and wrote since somebody last looked."""

    speeches: list[Speech] = field(default_factory=list)
    texts: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)

    def take(self) -> tuple[list[Speech], list[tuple[str, str, Mapping[str, Any]]]]:
        taken = self.speeches, self.texts
        self.speeches, self.texts = [], []
        return taken


@contextmanager
def listening() -> Iterator[Heard]:
    """Note each answer of the conversation and each written message before it becomes words."""
    heard = Heard()
    text = Catalogue.text

    def rendered(speech: Speech, *rest: Any) -> str:
        heard.speeches.append(speech)
        return render(speech, *rest)

    def written(catalogue: Catalogue, key: str, values: Mapping[str, Any], **how: Any) -> str:
        heard.texts.append((catalogue.language, key, values))
        return text(catalogue, key, values, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ivr.conversation.render", rendered)
        patch.setattr(Catalogue, "text", written)
        yield heard


# ---------------------------------------------------------------- a play


class Play:
    """One recording on one service."""

    def __init__(self, made: House, heard: Heard) -> None:
        self.house, self.heard = made, heard
        self.caller: Phone | None = None
        self.references: list[str] = []
        self.rows: Counter[str] = Counter()
        self.held = 0

    def plays(self, recording: Mapping[str, Any]) -> dict[str, Any]:
        turns = [self._turn(one) for one in recording["turn"]]
        verified = verify_store(self.house.store, [self.house.campaign], limit=5, say=print)
        assert not verified.contradictions
        return {**recording, "turn": turns}

    def _turn(self, given: Mapping[str, Any]) -> dict[str, Any]:
        turn = {name: given[name] for name in ("do", "note") if name in given}
        self._does(given["do"])
        self._sees_references()
        speeches, texts = self.heard.take()
        self.passed(given["do"], speeches, texts)
        if any(speech.lines for speech in speeches):
            turn["hears"] = [
                self._told(line, load(line.language or speech.language))
                for speech in speeches
                for line in speech.lines
            ]
        caller = self.caller
        assert caller is not None
        for speech in speeches:
            self._are_words(speech, caller)
            if speech.language != "fr":
                turn["language"] = speech.language
        if speeches:
            turn["step"] = caller.step
        if texts:
            turn["writes"] = [
                f"{language} {key}{self._said(values, load(language).text_parts(key))}"
                for language, key, values in texts
            ]
        turn |= self._changed()
        if caller.ended and not given["do"].startswith("waits"):
            turn["ended"] = caller.end_reason
        assert caller.errors == []
        return turn

    def passed(
        self, done: str, speeches: list[Speech], texts: list[tuple[str, str, Mapping[str, Any]]]
    ) -> None:
        """What a turn came to, for whoever writes it down; texts as language, key and values."""

    def _does(self, what: str) -> None:
        verb, _, rest = what.partition(" ")
        if verb == "rings":
            self.caller = self.house.phone(NUMBERS.get(rest, rest)).dials()
            return
        if verb == "waits":
            count, unit = rest.split()
            clock_of(self.house).advance(timedelta(**{unit: int(count)}))
            return
        assert self.caller is not None, f"{what!r}: nobody has rung yet"
        if verb == "presses":
            name, _, number = rest.partition(" ")
            self.caller.presses(self.references[int(number) - 1] if name == "reference" else rest)
        elif verb == "says":
            self.caller.says(rest)
        elif what == "is silent":
            self.caller.stays_silent()
        elif what == "hangs up":
            self.caller.hangs_up()
        else:
            raise AssertionError(f"{what!r} is nothing that a caller of a recording does")

    def _sees_references(self) -> None:
        new = {row.reference for row in self.house.bookings()} - set(self.references)
        self.references += sorted(new)

    def _are_words(self, speech: Speech, caller: Phone) -> None:
        """What the telephone hears is what these lines say, whatever the words are."""
        for line in speech.lines:
            words = load(line.language or speech.language)
            key = words.short(line.key) if speech.slow else line.key
            aloud = speech.listen is not None and speech.listen.invites and not line.language
            told = words.say(key, line.values, line.wording, now=speech.now, aloud=aloud)
            for said in told.split("|"):
                caller.hears_text(said.strip())

    # In words of a recording

    def _told(self, line: Line, words: Catalogue) -> str:
        wording = f"#{line.wording + 1}" if line.wording else ""
        language = f"{line.language}:" if line.language else ""
        parts = words.parts(line.key, line.wording)
        return f"{language}{line.key}{wording}{self._said(line.values, parts)}"

    def _said(self, values: Mapping[str, Any], parts: Sequence[Part]) -> str:
        """Of the values that a line is given, those that are in its words."""
        return self._values({part.name: values[part.name] for part in parts if part.name})

    def _values(self, values: Mapping[str, Any]) -> str:
        return "".join(f" {name}={self._value(one)}" for name, one in sorted(values.items()))

    def _value(self, one: Any) -> str:
        if isinstance(one, datetime):
            return f"{one:%Y-%m-%dT%H:%M}"
        if isinstance(one, date):
            return one.isoformat()
        if isinstance(one, float):
            return f"{one:.1f}"
        if isinstance(one, (list, tuple)):
            return f"[{', '.join(map(self._value, one))}]"
        return self._named(str(one))

    def _named(self, told: str) -> str:
        for number, reference in enumerate(self.references, start=1):
            told = told.replace(reference, f"(reference {number})")
        for line, name in NAMES.items():
            told = told.replace(line, f"({name})")
        return told

    # Rows

    def _changed(self) -> dict[str, Any]:
        """Which rows are there that were not before, or no more, and how many places are held."""
        before, self.rows = self.rows, Counter(self._all_rows())
        gone, new = before - self.rows, self.rows - before
        told = [f"- {row}" for row in sorted(gone.elements())]
        told += [f"+ {row}" for row in sorted(new.elements())]
        changed: dict[str, Any] = {"rows": told} if told else {}
        held = self.house.held()
        if held != self.held:
            self.held = changed["held"] = held
        return changed

    def _all_rows(self) -> Iterator[str]:
        made = self.house
        for row in made.bookings():
            number = self.references.index(row.reference) + 1
            yield (
                f"booking (reference {number}) dose {row.dose} {row.state} centre {row.centre_id}"
                f" {row.start_at:%Y-%m-%dT%H:%M} by {row.channel}"
            )
        yield from map(self._change, rows_of(made.database, select(history)))
        yield from map(self._message, made.messages())
        yield from map(self._promise, made.promises())
        yield from map(self._waits, rows_of(made.database, select(waiting_entry)))
        for row in rows_of(made.database, select(attempt.c.kind)):
            yield f"attempt {row.kind}"

    def _change(self, row: Any) -> str:
        details = json.loads(row.details)
        told = {name: details[name] for name in DETAILS if details.get(name)}
        return f"history {row.what} by {row.who}, {row.channel}{self._values(told)}"

    def _message(self, row: Any) -> str:
        """A message, and whether whoever delivers it was woken for it."""
        recipient = self.house.store.vault.open_text(
            row.recipient_enc, f"message.recipient:{row.id}"
        )
        woken = ", woken" if row.id in self.house.woken.messages else ""
        payload = self.house.text_of(row)
        names = [
            f" names (reference {number})"
            for number, one in enumerate(self.references, start=1)
            if one in payload
        ]
        if payload.startswith("{") and "news" in (told := json.loads(payload)):
            names.append(f" of {told['news']}")
        return self._named(
            f"message {row.kind} {row.topic or 'of no topic'} {row.state}{''.join(names)}"
            f" to {recipient or 'nobody'} due {row.due_at:%Y-%m-%dT%H:%M}{woken}"
        )

    def _promise(self, entry: Any) -> str:
        told = self._named(f"promise {entry.state} to {entry.number or 'nobody'}, {entry.language}")
        known = {name: one for name, one in entry.known.items() if name not in NOT_KEPT and one}
        return f"{told}{self._values(known)}"

    def _waits(self, row: Any) -> str:
        entry = of_row(row, self.house.store.vault)
        doses = f"dose{'s' * (entry.doses > 1)}"
        told = f"waiting list {entry.state} for {entry.doses} {doses} at {entry.number}"
        return self._named(f"{told}, born {entry.born}")


# ---------------------------------------------------------------- the file


def written(recording: Mapping[str, Any]) -> str:
    """A recording as a TOML file has it."""
    lines = [f"title = {_toml(recording['title'])}"]
    if recording.get("centre") == []:
        lines.append("centre = []")
    if "campaign" in recording:
        lines += ["", "[campaign]", *_pairs(recording["campaign"])]
    for one in recording.get("centre", []):
        lines += ["", "[[centre]]", *_pairs(one)]
    for one in recording["turn"]:
        lines += ["", "[[turn]]", *_pairs(one)]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in table.items()]


def _toml(value: Any) -> str:
    match value:
        case bool() | int() | float() | str():
            # As JSON writes them.
            return json.dumps(value, ensure_ascii=False)
        case date():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(_pairs(value)) + " }"
        case [str(), _, *_]:
            return "[\n" + "".join(f"    {_toml(one)},\n" for one in value) + "]"
        case _:
            return "[" + ", ".join(map(_toml, value)) + "]"
