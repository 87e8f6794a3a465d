"""Reads the languages and fills values into their sentences.

A template names its values with a format, as in `{start:day_hour}`; the formats are below and say
how a date, a number or a distance is spoken in that language (Babel knows the calendars, the units
and their plurals). A language is a file of this folder: docs/adding.md has the recipe. What is
booked is in the words of the campaign (`prompts.service_words`), filled in when the file is read.

How a voice is told to say a value (its digits one by one, a date as a date, a pause between two
pairs) goes with its format, never with a sentence: see `Catalogue.marked`.

A moment of today or tomorrow is said with that word beside its date, where it is known when it is
said: by the clock of the place (`near_day`), in calls, on pages and in texts alike.

A line can be replaced by a recording that lies in `audio/<language>/`: see `Catalogue.takes`, and
`Catalogue.joined` for one with values.
"""

from __future__ import annotations

import re
import string
import tomllib

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime, format_time
from babel.lists import format_list
from babel.units import format_unit

from prompts import service_words
from prompts.joined import SAID, clips, letters, samples, words
from prompts.reading_time import BETWEEN_GROUPS, NORMAL, SLOW, VoicePauses
from prompts.service_words import Words
from prompts.voices import CARDINAL, DATE, DIGITS, UnknownVoice, Voice, voice

FOLDER = Path(__file__).resolve().parent
# What a call begins in; the other languages have all that it has.
COUNTRY_LANGUAGE = "fr"
PAUSE = "|"
WEEK = 7  # days
NOON = 12
# From here on how far away a place is, is told once more before it is booked.
TOLD_AGAIN_FROM_KILOMETRES = 15.0
METRES = 1000
AUDIO = "audio"
# The table of [formats] with words that become one with the name after them.
JOINED = "joined"
# The table with how a question is put to a caller who speaks.
ALOUD = "aloud"
# The tables of [formats] with the word for each person, and with "born" as it is said of them.
PERSON = "person"
BORN = "born"
# The table of [say] with shorter sentences.
SHORT = "short"
# Days that are said with their date, by the entry of [formats] that has the word.
TODAY = "today"
TOMORROW = "tomorrow"
DAY_HOUR = "day_hour"
# The same of a day to choose in the coming weeks, without its month: it is told before it counts.
MENU_HOUR = "menu_hour"
NO_MONTH = timedelta(weeks=3)
# Stands before the name of a service, in the name of a recording that says its words.
OF_SERVICE = "@"
# What the provider plays.
AUDIO_KINDS = (".mp3", ".wav")
# How fast a voice speaks by itself, in percent.
FULL_RATE = 100
# How a text that has no room writes a day and an hour.
_SHORTER = {"written_day_hour": "short_day_hour"}


class NoSuchSentence(KeyError):
    """A key that the language does not have."""


@dataclass(frozen=True)
class Part:
    """A piece of a template: literal text, then a value in a format (or none)."""

    text: str
    name: str = ""
    format: str = ""


@dataclass(frozen=True)
class Said:
    """Words of a value, and how a voice is told to say them.

    `how` is "digits" (one by one), "cardinal" (one number), "date", `GROUP` for what stands between
    two groups of digits, or empty: as they are written. A date has its `figures` and their
    `pattern`, as SSML wants them ("12-03-1942", "dmy"); the words are what a voice says of them.
    """

    words: str
    how: str = ""
    figures: str = ""
    pattern: str = ""


# Between two groups of digits: a pause for a caller who writes.
GROUP = "group"
_BETWEEN = Said(", ", GROUP)
# Digits of a sentence itself: a group that begins with 0, or the place between two groups.
_DICTATED = re.compile(rf"(?<![0-9:])(?P<group>0[0-9]+)|{BETWEEN_GROUPS.pattern}")


@dataclass(frozen=True)
class Take:
    """What is said in one go: by a recording where there is one, else by the voice.

    `name` is what a recording of it is called, without its ending; empty where a value is in it.
    `around` then names the recordings of what stands before each part's value, empty where nothing
    does. `recording` is the file below `audio/` ("fr/goodbye.mp3"), `files` are those of `around`.
    """

    parts: tuple[Part, ...]
    name: str = ""
    recording: str | None = None
    around: tuple[str, ...] = ()
    files: tuple[str | None, ...] = ()

    @property
    def text(self) -> str:
        """The words of a take without values."""
        return "".join(part.text for part in self.parts).strip()

    def readings(self) -> Iterator[tuple[str, str]]:
        """The names of its recordings, each with what is read."""
        if self.name:
            yield self.name, self.text
        for name, part in zip(self.around, self.parts, strict=False):
            if name:
                yield name, part.text.strip().lstrip(",.:; ")


class Catalogue:
    """One language."""

    def __init__(
        self, language: str, source: Mapping[str, Any], recordings: Mapping[str, str] | None = None
    ) -> None:
        """`recordings`: files below `audio/` by what is recorded in them, see `recordings_in`."""
        self.language = language
        self._recordings = recordings or {}
        self.locale: str = source["language"]["locale"]
        self.voice_language: str = source["language"]["voice_language"]
        self.voice: str = source["language"]["voice"]
        # How fast the voice speaks to a caller who pressed 8, in percent.
        self.slow_rate: int = source["language"].get("slow_rate", FULL_RATE)
        # How an option names its key.
        self.press: str = source["language"]["press"]
        # What callers say in this language: flows.understanding makes use of it.
        self.heard: Mapping[str, Any] = source.get("heard", {})
        self._formats: Mapping[str, str] = source["formats"]
        self._people: Mapping[str, Mapping[str, str]] = {
            table: source["formats"].get(table, {}) for table in (PERSON, BORN)
        }
        joined: Mapping[str, str] = source["formats"].get(JOINED, {})
        self._joined = tuple((re.compile(apart), together) for apart, together in joined.items())
        aloud: Mapping[str, str] = source.get(ALOUD, {})
        self._aloud = tuple((re.compile(keys), both) for keys, both in aloud.items())
        self._say = {key: tuple(_parse(w) for w in ws) for key, ws in flat(source["say"])}
        self._text = {key: _parse(wording) for key, wording in source["text"].items()}
        # Many callers hear of the same hours; a date of birth is seldom heard twice.
        day_hour = lru_cache(4096)(self._day_hour)
        self._near_day_hour = lru_cache(4096)(self._day_hour)
        written = lru_cache(4096)(self._written)
        unit = lru_cache(1024)(self._unit)
        self._spoken: dict[str, Callable[[Any], str]] = {
            "": str,
            "date": self._date,
            # By its own clock: aware moments of different zones may be equal.
            "day_hour": lambda moment: day_hour(_local(moment)),
            MENU_HOUR: lambda moment: day_hour(_local(moment), in_menu=True),
            "written_day_hour": lambda moment: written("written_day_hour", _local(moment)),
            "short_day_hour": lambda moment: written("short_day_hour", _local(moment)),
            "tight_day_hour": lambda moment: written("tight_day_hour", _local(moment)),
            "hour": lambda moment: self._hour(_local(moment)),
            "written_hour": lambda moment: written("written_hour", _local(moment)),
            "digits": spaced,
            "pairs": self._in_twos,
            "number": lambda number: self._in_twos(national(number)),
            "written_number": written_number,
            "short_km": _in_brackets,
            "km": lambda kilometres: self._kilometres(kilometres, unit),
            "far": lambda kilometres: self._where_far(kilometres, unit),
            "there": lambda town: f", {self._with_name('at', town)}" if town else "",
            "weeks": lambda days: self._weeks(days, unit),
            "and": lambda names: format_list(list(names), locale=self.locale),
            "at": lambda town: self._with_name("at", town),
            "near": lambda town: self._with_name("near", town),
            PERSON: self._people[PERSON].__getitem__,
            BORN: self._people[BORN].__getitem__,
            "from_age": lambda age: self._formats["from_age"].format(age=age) if age else "",
        }
        marked_day_hour = lru_cache(4096)(self._marked_day_hour)
        self._near_marked_day_hour = marked_day_hour
        self._marked: dict[str, Callable[[Any], tuple[Said, ...]]] = {
            "date": self._marked_date,
            "day_hour": lambda moment: marked_day_hour(_local(moment)),
            "digits": lambda digits: (Said(spaced(digits), DIGITS),),
            "pairs": self._marked_twos,
            "number": lambda number: self._marked_twos(national(number)),
        }

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._say)

    @property
    def spoken_keys(self) -> tuple[str, ...]:
        """The same in the order of the file."""
        return tuple(self._say)

    @property
    def formats(self) -> frozenset[str]:
        """How a value can be said; the empty name says it as it is."""
        return frozenset(self._spoken)

    @cached_property
    def marked_formats(self) -> frozenset[str]:
        """The formats of which a voice must be told how to say them."""
        return frozenset(self._marked)

    @property
    def texts(self) -> frozenset[str]:
        """The keys of the written messages."""
        return frozenset(self._text)

    def wordings(self, key: str) -> int:
        """How many wordings a sentence has. Raises NoSuchSentence."""
        return len(self._wordings(key))

    def say(
        self,
        key: str,
        values: Mapping[str, Any],
        wording: int = 0,
        *,
        now: datetime | None = None,
        aloud: bool = False,
    ) -> str:
        """A spoken sentence; "|" marks the pauses. A wording beyond the last is the last.

        `now` as in `spoken`; `aloud`: to a caller who speaks. Raises NoSuchSentence, or KeyError
        when a value is missing.
        """
        return self._fill(self.parts(key, wording, aloud=aloud), values, now)

    def parts(self, key: str, wording: int = 0, *, aloud: bool = False) -> tuple[Part, ...]:
        """What `say` would fill in. Raises NoSuchSentence."""
        wordings = self._wordings(key)
        parts = wordings[min(wording, len(wordings) - 1)]
        return self._put_aloud(parts) if aloud else parts

    def _put_aloud(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """The same, with "dites ou tapez" once: where the first rule of [aloud] fits."""
        for keys, both in self._aloud:
            for number, part in enumerate(parts):
                text, changed = keys.subn(both, part.text, count=1)
                if changed:
                    return (*parts[:number], replace(part, text=text), *parts[number + 1 :])
        return parts

    def recording(self, key: str, wording: int = 0) -> str | None:
        """The recording of a whole line, as a file below `audio/`. Raises NoSuchSentence."""
        takes = self.takes(key, wording)
        return takes[0].recording if len(takes) == 1 else None

    def takes(self, key: str, wording: int = 0, *, aloud: bool = False) -> tuple[Take, ...]:
        """A line as an actor would read it; what stands between two takes is a pause.

        A line without values is one take, called KEY, KEY.1 for the second wording, and so on. One
        with values is a take for each piece between two pauses; those without a value are called
        KEY.part1, KEY.1.part2 … after their place in the line. A recording of the first take with
        the same words serves where there is none of its own. `aloud`: to a caller who speaks; a
        recording names the keys alone. Raises NoSuchSentence.
        """
        takes = self._takes(key, wording, aloud=aloud)
        if not self._recordings:
            return takes
        return tuple(map(self._with_files, takes))

    def _with_files(self, take: Take) -> Take:
        files = {
            name: self._recordings.get(name) or self._recordings.get(self._first_take.get(text, ""))
            for name, text in take.readings()
        }
        if take.name:
            return replace(take, recording=files[take.name])
        return replace(take, files=tuple(files.get(name) for name in take.around))

    def _takes(self, key: str, wording: int, *, aloud: bool = False) -> tuple[Take, ...]:
        number = min(wording, self.wordings(key) - 1)
        parts = self.parts(key, number, aloud=aloud)
        name = f"{key}.{number}" if number else key
        if not any(part.name for part in parts):
            return (Take(parts, name),)
        return tuple(
            _piece_of(piece, f"{name}.part{place}")
            for place, piece in enumerate(_between_pauses(parts), start=1)
        )

    @cached_property
    def joins(self) -> bool:
        """Whether words of values are recorded, so that sentences with values may be."""
        return any(name.startswith(SAID) for name in self._recordings)

    def joined(
        self, take: Take, values: Mapping[str, Any], now: datetime | None = None
    ) -> tuple[int, ...] | None:
        """Which parts of a take have a value that is heard, where recordings say all of the take.

        None where the voice has to say it.
        """
        around = zip(take.around, take.files, strict=False)
        if not take.files or any(name and not file for name, file in around):
            return None
        said = [self.clips(part, values, now) if part.name else () for part in take.parts]
        if None in said:
            return None
        return tuple(place for place, files in enumerate(said) if files)

    def clips(
        self, part: Part, values: Mapping[str, Any], now: datetime | None = None
    ) -> tuple[str, ...] | None:
        """The files below `audio/` that say the value of a part; None where words are missing."""
        return clips(self._recordings, self.spoken(part, values, now), part.name)

    @cached_property
    def _first_take(self) -> Mapping[str, str]:
        """The name of the first recording with these words."""
        first: dict[str, str] = {}
        for name, text in self.words_of_takes().items():
            first.setdefault(text, name)
        return first

    def short(self, key: str) -> str:
        """The entry that says the same in shorter sentences, where there is one; else itself.

        For the slower pace: less to keep in mind helps more than a slower voice does.
        """
        shorter = f"{SHORT}.{key}"
        return shorter if shorter in self._say else key

    def words_of_takes(self) -> Mapping[str, str]:
        """What an actor would read, by the recording's name: whole takes, then around values."""
        takes = [
            take
            for key, wordings in self._say.items()
            for number in range(len(wordings))
            for take in self._takes(key, number)
        ]
        takes.sort(key=lambda take: not take.name)
        return {name: text for take in takes for name, text in take.readings()}

    def words_of_values(self) -> Mapping[str, str]:
        """What is read of values, word by word, by the recording's name; then the letters.

        Names of towns and of places are read by whom their recordings shall say.
        """
        formats = {
            part.format
            for wordings in self._say.values()
            for parts in wordings
            for part in parts
            if part.name
        }
        said = [self.near_word(day) for day in (TODAY, TOMORROW)]
        for named in sorted(formats):
            said += map(self._spoken[named], samples(named, list(self._people[PERSON])))
        read = (word.strip(",.;") for value in said for word in value.split())
        found = {f"{SAID}{'-'.join(words(word))}": word for word in read if words(word)}
        return dict(sorted(found.items())) | dict(letters())

    def script(self, *, joined: bool = False) -> Mapping[str, str]:
        """What an actor reads, by the name of its file; words that come again are read once.

        `joined`: with what stands around values.
        """
        around = re.compile(r"\.part[0-9]+[a-z]$")
        script = {name: text for text, name in self._first_take.items()}
        return {name: text for name, text in script.items() if joined or not around.search(name)}

    def spoken(self, part: Part, values: Mapping[str, Any], now: datetime | None = None) -> str:
        """The value of a part, as it is said. Raises KeyError when it is missing.

        `now` is aware: a day and hour of today or tomorrow there has that word with it.
        """
        value = values[part.name]
        if now is not None and part.format in {DAY_HOUR, MENU_HOUR}:
            in_menu = part.format == MENU_HOUR and value - now < NO_MONTH
            return self._near_day_hour(_local(value), near_day(value, now), in_menu=in_menu)
        return self._spoken[part.format](value)

    def near_word(self, near: str) -> str:
        """TODAY or TOMORROW in this language; empty for neither."""
        return self._formats[near] if near else ""

    def marked(
        self, part: Part, values: Mapping[str, Any], now: datetime | None = None
    ) -> tuple[Said, ...]:
        """The same words as `spoken`, each with how a voice is told to say it.

        Of the formats in `marked_formats`; a value in another is said as it is written. Raises
        KeyError.
        """
        value = values[part.name]
        if now is not None and part.format == DAY_HOUR and (near := near_day(value, now)):
            return self._near_marked_day_hour(_local(value), near)
        return self._marked[part.format](value)

    @cached_property
    def speaker(self) -> Voice:
        """The voice, with what it takes; of one that is not known here, nothing."""
        try:
            return voice(self.voice)
        except UnknownVoice:
            return Voice(self.voice)

    def pace(self, *, slow: bool) -> VoicePauses:
        """How its voice speaks, for `reading_time.seconds`; `slow`: to a caller who pressed 8."""
        if not slow:
            return NORMAL
        if self.slow_rate == FULL_RATE or not self.speaker.slows:
            return SLOW
        return replace(SLOW, rate=self.slow_rate / FULL_RATE)

    def text_parts(self, key: str) -> tuple[Part, ...]:
        """What `text` would fill in. Raises NoSuchSentence."""
        try:
            return self._text[key]
        except KeyError:
            raise NoSuchSentence(key) from None

    def text(self, key: str, values: Mapping[str, Any], *, short_days: bool = False) -> str:
        """A written message. Raises NoSuchSentence, or KeyError when a value is missing.

        `short_days`: with days in figures where it has them in letters.
        """
        try:
            parts = self._text[key]
            if short_days:
                parts = tuple(
                    replace(part, format=_SHORTER.get(part.format, part.format)) for part in parts
                )
            return self._fill(parts, values)
        except KeyError as missing:
            raise NoSuchSentence(str(missing)) from None

    def _wordings(self, key: str) -> tuple[tuple[Part, ...], ...]:
        try:
            return self._say[key]
        except KeyError:
            raise NoSuchSentence(key) from None

    def _fill(
        self, parts: tuple[Part, ...], values: Mapping[str, Any], now: datetime | None = None
    ) -> str:
        filled = []
        for part in parts:
            filled.append(part.text)
            if part.name:
                filled.append(self.spoken(part, values, now))
        return "".join(filled)

    def _date(self, day: date) -> str:
        pattern = "first_of_month" if day.day == 1 else "date"
        return format_date(day, self._formats[pattern], locale=self.locale)

    def _day_hour(self, moment: datetime, near: str = "", *, in_menu: bool = False) -> str:
        """A day and an hour as the clocks there show it; with "today" or "tomorrow" if `near`.

        `in_menu`: without the month.
        """
        pattern = f"{'menu_' if in_menu else ''}{'first_day' if moment.day == 1 else 'day'}"
        day = format_date(moment, self._formats[pattern], locale=self.locale)
        if near:
            # Behind the date and never before it: "le demain" would be said of every sentence
            # that has an article there.
            day = self._formats["near_day"].format(day=day, near=self.near_word(near))
        return self._formats["day_hour"].format(day=day, hour=self._hour(moment))

    def _marked_date(self, day: date) -> tuple[Said, ...]:
        if self._is_special("date", "first_of_month", day):
            return (Said(self._date(day)),)
        return (Said(self._date(day), DATE, f"{day:%d-%m-%Y}", "dmy"),)

    def _is_special(self, usual: str, first: str, day: date) -> bool:
        """Whether the language says this day in a way of its own ("1er"), which its words tell."""
        return day.day == 1 and self._formats[usual] != self._formats[first]

    def _marked_day_hour(self, moment: datetime, near: str = "") -> tuple[Said, ...]:
        """As `_day_hour`."""
        said: list[Said] = []
        template = self._formats["day_hour"]
        if near:
            template = template.replace("{day}", self._formats["near_day"])
        for part in _parse(template):
            if part.text:
                said.append(Said(part.text))
            if part.name == "hour":
                said.append(Said(self._hour(moment)))
            elif part.name == "near":
                said.append(Said(self.near_word(near)))
            elif part.name:
                said += self._marked_day(moment)
        return tuple(said)

    def _marked_day(self, moment: datetime) -> Iterator[Said]:
        """A weekday as a word, and the day of its month as a date, in the language's order."""
        pattern = "first_day" if moment.day == 1 else "day"
        words = format_date(moment, self._formats[pattern], locale=self.locale)
        if self._is_special("day", "first_day", moment):
            yield Said(words)
            return
        weekday = format_date(moment, "EEEE", locale=self.locale)
        before, named, after = words.partition(weekday)
        for piece in (before, named, after):
            if piece == named or not piece.strip():
                yield Said(piece)
                continue
            day = piece.strip()
            lead, _, rest = piece.partition(day)
            yield from (Said(lead), Said(day, DATE, f"{moment:%d-%m}", "dm"), Said(rest))

    def _hour(self, moment: datetime) -> str:
        pattern = "hour_minutes" if moment.minute else "hour"
        named = {0: "midnight", NOON: "noon"}.get(moment.hour, pattern)
        if moment.minute:
            named += "_minutes"
        if named in self._formats:
            pattern = named
        return format_time(moment.time(), self._formats[pattern], locale=self.locale)

    def _written(self, name: str, local: datetime) -> str:
        return format_datetime(local, self._formats[name], locale=self.locale)

    def _unit(self, count: int, unit: str) -> str:
        """A count with its unit in full, in the plural that the language wants for it."""
        return format_unit(count, unit, locale=self.locale).replace("\u00a0", " ")

    def _in_twos(self, digits: str) -> str:
        """Digits as they are dictated, by twos: "45, 21", or "4 5, 2 1"."""
        return ", ".join(self._twos(digits))

    def _twos(self, digits: str) -> Iterator[str]:
        pair = self._formats["pair"]
        for two in (digits[i : i + 2] for i in range(0, len(digits), 2)):
            yield pair.format(first=two[0], second=two[1:]).strip()

    def _marked_twos(self, digits: str) -> tuple[Said, ...]:
        """By twos: "45" is one number where the language says so; "06" is two digits in each."""
        said: list[Said] = []
        for two in self._twos(digits):
            # Not the 6 that a voice may make of it.
            apart = two.startswith("0") or not two.isdecimal()
            said += (_BETWEEN, Said(two, DIGITS if apart else CARDINAL))
        return tuple(said[1:])

    def _weeks(self, days: tuple[int, int], unit: Callable[[int, str], str]) -> str:
        """From so many days to so many: in weeks where both are whole ones."""
        whole = not any(count % WEEK for count in days)
        least, most = (count // WEEK if whole else count for count in days)
        told = unit(most, "duration-week" if whole else "duration-day")
        return told if least == most else self._formats["from_to"].format(least=least, most=told)

    def _with_name(self, pattern: str, name: str) -> str:
        """A town with the word before it, as the two are said together: "au Mans", "d'Albi"."""
        said = self._formats[pattern].format(name=name)
        for apart, together in self._joined:
            said, changed = apart.subn(together, said, count=1)
            if changed:
                break
        return said

    def _where_far(self, kilometres: float, unit: Callable[[int, str], str]) -> str:
        """What follows a town once more: a distance from so far on, else nothing."""
        if kilometres < TOLD_AGAIN_FROM_KILOMETRES:
            return ""
        return self._formats["far"].format(kilometres=self._kilometres(kilometres, unit))

    def _kilometres(self, kilometres: float, unit: Callable[[int, str], str]) -> str:
        """A distance in whole kilometres; below one in hundreds of metres."""
        if kilometres < 0:
            # The position of the centre or of the postcode is not known.
            return self._formats["kilometres_not_known"]
        metres = max(1, round(kilometres * 10)) * 100
        if metres < METRES:
            distance = unit(metres, "length-meter")
        else:
            distance = unit(round(kilometres), "length-kilometer")
        return self._formats["kilometres"].format(distance=distance)


def near_day(moment: datetime, now: datetime) -> str:
    """TODAY or TOMORROW by the clock of the moment's own place; empty for any other day.

    Both are aware; a moment without a zone is of no place, and is never near.
    """
    if moment.tzinfo is None:
        return ""
    days = (moment.date() - now.astimezone(moment.tzinfo).date()).days
    return {0: TODAY, 1: TOMORROW}.get(days, "")


def _local(moment: datetime) -> datetime:
    # Babel would turn an aware moment into UTC; these are in their own zone already.
    return moment.replace(tzinfo=None)


def _in_brackets(kilometres: float) -> str:
    """A distance where there is little room, the same in every language: "(4 km)".

    Empty where the position of the centre or of the postcode is not known.
    """
    if kilometres < 0:
        return ""
    return "(< 1 km)" if kilometres < 1 else f"({round(kilometres)} km)"


def spaced(digits: str) -> str:
    """One digit after the other, for a voice that would read a number."""
    return " ".join(digits)


def dictated(text: str) -> Iterator[Said]:
    """A sentence's own words; digits that it dictates ("05, 03, 1940") are marked as those are."""
    begin = 0
    for found in _DICTATED.finditer(text):
        if found.start() > begin:
            yield Said(text[begin : found.start()])
        yield Said(found[0], DIGITS) if found["group"] else _BETWEEN
        begin = found.end()
    if begin < len(text):
        yield Said(text[begin:])


def in_twos(digits: str) -> str:
    """Ten digits as they are written for a Frenchman: 04, 52, 17, 38, 90."""
    return ", ".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def written_number(number: str) -> str:
    """An E.164 number as it is read in a text: 09 74 75 00 01."""
    return in_twos(national(number)).replace(",", "")


def national(number: str) -> str:
    """An E.164 number of France or overseas as people there dial it (ten digits)."""
    for prefix in ("+262", "+590", "+594", "+596", "+33"):
        if number.startswith(prefix):
            return "0" + number[len(prefix) :]
    return number.removeprefix("+")


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All entries of a table and of the tables in it, by their dotted names."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _parse(template: str) -> tuple[Part, ...]:
    return tuple(
        Part(text, name or "", spec or "")
        for text, name, spec, _ in string.Formatter().parse(template)
    )


def _piece_of(parts: tuple[Part, ...], name: str) -> Take:
    if not any(part.name for part in parts):
        return Take(parts, name)
    named = zip(string.ascii_lowercase, parts, strict=False)
    return Take(parts, around=tuple(f"{name}{x}" if words(part.text) else "" for x, part in named))


def _between_pauses(parts: tuple[Part, ...]) -> list[tuple[Part, ...]]:
    """The parts of each piece between two pauses; blank pieces are left out."""
    pieces: list[list[Part]] = [[]]
    for part in parts:
        *ended, last = part.text.split(PAUSE)
        for text in ended:
            pieces[-1].append(Part(text))
            pieces.append([])
        pieces[-1].append(Part(last, part.name, part.format))
    return [
        tuple(piece) for piece in pieces if any(part.name or part.text.strip() for part in piece)
    ]


def languages(folder: Path = FOLDER) -> tuple[str, ...]:
    """The languages that a folder has a file of: the country's own first, then by name."""
    return country_first(path.stem for path in folder.glob("*.toml"))


def country_first(codes: Iterable[str]) -> tuple[str, ...]:
    """Codes of languages as they are offered: the country's own first, then by name."""
    return tuple(sorted(codes, key=lambda code: (code != COUNTRY_LANGUAGE, code)))


def recordings_in(folder: Path, language: str) -> dict[str, str]:
    """What is recorded in a language: the file below `audio/` by the name of its take."""
    files = sorted((folder / AUDIO / language).glob("*"), reverse=True)
    return {file.stem: f"{language}/{file.name}" for file in files if file.suffix in AUDIO_KINDS}


def read(path: Path, words: Words | None = None) -> Catalogue:
    """A language from its file, filled with the words of a service; None: those in use.

    Raises OSError, tomllib.TOMLDecodeError, KeyError, ValueError, BadWords.
    """
    with path.open("rb") as file:
        source = tomllib.load(file)
    return of_source(path, source, words or service_words.in_use())


def of_source(path: Path, source: Mapping[str, Any], words: Words) -> Catalogue:
    """What a file says, filled; raises as `read`."""
    language = path.stem
    recordings = recordings_in(path.parent, language)
    filled = words[language].language_file(source)
    if recordings:
        recordings = _recorded_for(words, recordings, language, source)
    return Catalogue(language, filled, recordings)


def _recorded_for(
    words: Words, recordings: Mapping[str, str], language: str, source: Mapping[str, Any]
) -> dict[str, str]:
    """The recordings that say what these words say.

    A file without a service in its name says the words that come with this service. With other
    words it is played where a line is the same with both; else the line has a recording of its own
    (`goodbye_booked@mairie.wav`), or the voice says it.
    """
    own = f"{OF_SERVICE}{words.name}"
    found = {name: file for name, file in recordings.items() if OF_SERVICE not in name}
    usual = service_words.usual()
    if words is not usual and language in usual.languages:
        then, now = (
            Catalogue(language, wording[language].language_file(source)).words_of_takes()
            for wording in (usual, words)
        )
        found = {name: file for name, file in found.items() if then.get(name) == now.get(name)}
    named = {
        name.removesuffix(own): file for name, file in recordings.items() if name.endswith(own)
    }
    return found | named


def load(language: str, words: Words | None = None) -> Catalogue:
    """The catalogue of a language ("fr"), with the words of a service; None: those in use.

    Raises FileNotFoundError for one that is not here.
    """
    return _load(language, words or service_words.in_use())


@lru_cache(maxsize=64)
def _load(language: str, words: Words) -> Catalogue:
    return read(FOLDER / f"{language}.toml", words)
