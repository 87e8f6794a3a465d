"""Reads the numbers of a service from a TOML file, and names every mistake in it.

Each entry is described in docs/numbers.md.
"""

from __future__ import annotations

import re

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from flows.understanding import NotUnderstood, telephone
from prompts.reading_time import seconds, words
from services.campaign.fields import meant, plain_value
from services.campaign.file import hours_of, parse
from services.campaign.opening_hours import OpeningHours
from services.campaign.toml_lines import Entry, line_of, lines_of
from services.centres.towns import areas
from services.numbers.numbers import BadNumbers, CalledNumber, Known

EXAMPLE: Final = "deploy/numbers.toml"
TABLE: Final = "numbers"
ENTRIES: Final = (
    "number",
    "name",
    "language",
    "campaign",
    "departements",
    "postcodes",
    "greeting",
    "hours",
    "queue",
    "overflow_queue",
    "overflow_minutes",
    "sms_sender",
    "caller_id",
)
LONGEST_NAME: Final = 40
MOST_OVERFLOW_MINUTES: Final = 120
# As in [say] of prompts/: a sentence of a caller's first seconds, and all of it together.
GREETING_WORDS: Final = 20
GREETING_SECONDS: Final = 10.0
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT: Final = re.compile(r"[1-9][0-9]{2,5}")
_LETTERS: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_POSTCODE: Final = re.compile(r"[0-9]{5}")
_FOLDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])\s+")
_NOT_SAID: Final = re.compile(r"[<>{}|\n]")
_MOBILE: Final = re.compile(r"\+33[67].*")


def load(path: str | Path, known: Known) -> tuple[CalledNumber, ...]:
    """Read one file, and compare it with what is `known`. Raises BadNumbers with all mistakes."""
    path = Path(path)
    source, text = parse(path, EXAMPLE, BadNumbers)
    reader = _Reader(path, lines_of(text), known)
    found = reader.numbers(source)
    if reader.mistakes:
        raise BadNumbers(*(f"{path}, line {at}: {said}" for at, said in sorted(reader.mistakes)))
    return found


@dataclass
class _Reader:
    path: Path
    lines: dict[Entry, int]
    known: Known
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, entry: Entry, sentence: str) -> None:
        name = ".".join(key for key in entry if isinstance(key, str))
        self.mistakes.append((line_of(self.lines, entry) or 1, f"{name}: {sentence}"))

    def numbers(self, source: Mapping[str, Any]) -> tuple[CalledNumber, ...]:
        for name in source:
            if name != TABLE:
                self.wrong((name,), f"there is no such entry; {meant(name, [TABLE])}")
        tables = source.get(TABLE, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.wrong((TABLE,), "it is no list of tables; begin each with a line [[numbers]]")
            return ()
        if not tables:
            self.wrong((TABLE,), "there is no number; begin the first with a line [[numbers]]")
        found: dict[str, CalledNumber] = {}
        for place, table in enumerate(tables):
            one = self._number(table, (TABLE, place))
            if one.number in found:
                self.wrong(
                    (TABLE, place, "number"), f"{one.number} is here twice; leave one of them out"
                )
            elif one.number:
                found[one.number] = one
        self._of_one_campaign(tables)
        return tuple(found.values())

    def _of_one_campaign(self, tables: list[dict[str, Any]]) -> None:
        """Until several campaigns are open at a time, all numbers are of the one that is."""
        first = next((table["campaign"] for table in tables if "campaign" in table), None)
        for place, table in enumerate(tables):
            if table.get("campaign", first) != first:
                self.wrong(
                    (TABLE, place, "campaign"),
                    f"another number is for {plain_value(first)}, and one campaign is open at a"
                    " time; give all numbers the same, or leave it out",
                )

    def _number(self, table: dict[str, Any], at: Entry) -> CalledNumber:
        for name in table:
            if name not in ENTRIES:
                self.wrong((*at, name), f"there is no such entry; {meant(name, ENTRIES)}")
        queue = self._queue(table, at, "queue")
        overflow_queue = self._queue(table, at, "overflow_queue")
        if overflow_queue and not queue:
            self.wrong((*at, "overflow_queue"), 'it needs a queue before; add queue = "fr"')
        if overflow_queue and overflow_queue == queue:
            self.wrong((*at, "overflow_queue"), "it is the queue itself; name another one")
        return CalledNumber(
            number=self._dialled(table, at),
            name=self._name(table, at),
            language=self._one_of(table, at, "language", self.known.languages, "language"),
            campaign=self._one_of(table, at, "campaign", self.known.campaigns, "campaign"),
            departements=self._area(table, at, "departements"),
            postcodes=self._area(table, at, "postcodes"),
            greeting=self._greeting(table, at),
            hours=self._hours(table, at),
            queue=queue,
            overflow_queue=overflow_queue,
            overflow=self._overflow(table, at),
            sender=self._sender(table, at),
            caller_id=self._caller_id(table, at),
        )

    def _dialled(self, table: Mapping[str, Any], at: Entry) -> str:
        value = table.get("number")
        if value is None:
            self.wrong(at, 'a number is needed; add number = "+33974750001" below this line')
            return ""
        if isinstance(value, str) and (_E164.fullmatch(value) or _SHORT.fullmatch(value)):
            return value
        self.wrong((*at, "number"), f"{plain_value(value)} is no number; {_in_full(value)}")
        return ""

    def _name(self, table: Mapping[str, Any], at: Entry) -> str:
        value = table.get("name", "")
        if isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable():
            return value
        self.wrong(
            (*at, "name"), f"it is no name; write one line of {LONGEST_NAME} letters or less"
        )
        return ""

    def _one_of(
        self,
        table: Mapping[str, Any],
        at: Entry,
        name: str,
        known: Collection[str] | None,
        what: str,
    ) -> str:
        value = table.get(name, "")
        if not isinstance(value, str):
            self.wrong((*at, name), f'{plain_value(value)} is no name; write {name} = "…"')
            return ""
        if value and known is not None and value not in known:
            sentence = f"there is no {what} {plain_value(value)}; {meant(value, known)}"
            self.wrong((*at, name), sentence)
        return value

    def _queue(self, table: Mapping[str, Any], at: Entry, name: str) -> str:
        value = self._one_of(table, at, name, self.known.queues, "queue")
        known, staffed = self.known.queues or (), self.known.staffed
        if value in known and staffed is not None and value not in staffed:
            self.wrong(
                (*at, name),
                f"nobody answers the queue {plain_value(value)}; give it somebody with"
                f" `flask queues add {value} LOGIN`",
            )
        return value

    def _overflow(self, table: Mapping[str, Any], at: Entry) -> timedelta:
        value = table.get("overflow_minutes", 3)
        if type(value) is not int or not 0 <= value <= MOST_OVERFLOW_MINUTES:
            self.wrong(
                (*at, "overflow_minutes"),
                f"{plain_value(value)} is not between 0 and {MOST_OVERFLOW_MINUTES}; it is how many"
                " minutes callers wait until the other queue takes them, too",
            )
            return timedelta()
        if "overflow_minutes" in table and not table.get("overflow_queue"):
            self.wrong((*at, "overflow_minutes"), 'they need the queue; add overflow_queue = "fr"')
        return timedelta(minutes=value)

    def _area(self, table: Mapping[str, Any], at: Entry, name: str) -> frozenset[str]:
        value = table.get(name, [])
        example = '["35"]' if name == "departements" else '["35000"]'
        if not isinstance(value, list):
            self.wrong((*at, name), f"{plain_value(value)} is no list; write {example}")
            return frozenset()
        departements = {area.code for area in areas()}
        for place, one in enumerate(value):
            fits = isinstance(one, str) and (
                one in departements if name == "departements" else _POSTCODE.fullmatch(one)
            )
            what = "département" if name == "departements" else "postcode"
            if not fits:
                sentence = f"{plain_value(one)} is no {what}; write them as {example}"
                self.wrong((*at, name, place), sentence)
            elif one in value[:place]:
                self.wrong((*at, name, place), f"{plain_value(one)} is here twice; leave one out")
        return frozenset(area for area in value if isinstance(area, str))

    def _hours(self, table: Mapping[str, Any], at: Entry) -> OpeningHours | None:
        value = table.get("hours")
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong((*at, "hours"), "it is no table; begin it with a line [numbers.hours]")
            return None
        hours, mistakes = hours_of(value)
        for entry, sentence in mistakes:
            self.wrong((*at, "hours", *entry), sentence)
        return hours

    def _sender(self, table: Mapping[str, Any], at: Entry) -> str:
        value = table.get("sms_sender", "")
        kinds = (_LETTERS, _E164, _SHORT)
        if isinstance(value, str) and (not value or any(kind.fullmatch(value) for kind in kinds)):
            return value
        self.wrong(
            (*at, "sms_sender"),
            f"{plain_value(value)} is no sender; give at most 11 letters (without accents) and"
            ' digits, as "AlloRDV", or a number as "+33974750001"',
        )
        return ""

    def _caller_id(self, table: Mapping[str, Any], at: Entry) -> str:
        value = table.get("caller_id", "")
        if value == "":
            return ""
        if not isinstance(value, str) or not _E164.fullmatch(value):
            self.wrong((*at, "caller_id"), f"{plain_value(value)} is no number; {_in_full(value)}")
        elif _MOBILE.fullmatch(value):
            # The French numbering plan, as config says of OUTBOUND_CALLER_ID.
            self.wrong(
                (*at, "caller_id"),
                f"{value} is a mobile number, and no call centre may ring with one; give one like"
                ' "+33974750001"',
            )
        return value if isinstance(value, str) else ""

    # ------------------------------------------------------------ greetings

    def _greeting(self, table: Mapping[str, Any], at: Entry) -> tuple[tuple[str, str], ...]:
        value = table.get("greeting")
        at = (*at, "greeting")
        if value is None:
            return ()
        if isinstance(value, str):
            value = self._from_folder(value, at)
        elif not isinstance(value, dict):
            self.wrong(at, 'it has no words; write greeting = { fr = "Bonjour. …", … }')
            return ()
        for language in self.known.languages:
            if language not in value:
                self.wrong(at, f'it is missing in a language; add {language} = "…"')
        found = []
        for language, said in value.items():
            if language not in self.known.languages:
                sentence = f"there is no such language; {meant(language, self.known.languages)}"
                self.wrong((*at, language), sentence)
            else:
                problem = _not_to_be_said(said)
                if problem:
                    self.wrong((*at, language), problem)
                found.append((language, str(said).strip()))
        return tuple(found)

    def _from_folder(self, name: str, at: Entry) -> dict[str, str]:
        """The words of a folder beside the file: one text for each language."""
        folder = self.path.parent / name
        if not _FOLDER.fullmatch(name) or not folder.is_dir():
            self.wrong(
                at,
                f"there is no folder {plain_value(name)} beside this file; put {name}/fr.txt and so"
                ' on there, or write greeting = { fr = "Bonjour. …", … }',
            )
            return dict.fromkeys(self.known.languages, "-")
        found = {}
        for language in self.known.languages:
            file = folder / f"{language}.txt"
            try:
                found[language] = file.read_text("utf-8-sig").strip()
            except (OSError, UnicodeDecodeError):
                self.wrong(at, f"{file} cannot be read; write the greeting there, as UTF-8")
                found[language] = "-"
        return found


def _not_to_be_said(said: object) -> str:
    """Why a greeting cannot be said on the telephone; empty where it can."""
    if not isinstance(said, str) or not said.strip():
        return 'it has no words; write one as "Bonjour. Ici les rendez-vous de la Bretagne."'
    if _NOT_SAID.search(said):
        return "it is one line of words as they are said, without < > { } or |"
    for sentence in _SENTENCE_END.split(said.strip()):
        if words(sentence) > GREETING_WORDS:
            return (
                f"{words(sentence)} words in a sentence are too long to hear; at most"
                f" {GREETING_WORDS}, so make it two or shorten it"
            )
    long = seconds(said)
    if long > GREETING_SECONDS:
        return (
            f"it takes {long:.0f} seconds, too long to hear before a first choice; shorten it to"
            f" {GREETING_SECONDS:.0f}"
        )
    return ""


def _in_full(value: object) -> str:
    """The remedy for what is no number: how it is written from anywhere, if that can be told."""
    text = re.sub(r"[ .-]", "", value) if isinstance(value, str) else str(value)
    with suppress(NotUnderstood):
        return f'did you mean "{telephone(text)[0]}"?'
    return 'write it as "+33974750001", or a short one of three to six digits, in quotes'
