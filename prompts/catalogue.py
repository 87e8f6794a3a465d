"""Reads the languages and fills values into their sentences.

A template names its values with a format, as in `{start:day_hour}`: `prompts.values` has the
formats. A language is a file of this folder: docs/adding.md has the recipe. What is
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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from prompts import service_words
from prompts.joined import SAID, clips, letters, samples, words
from prompts.reading_time import NORMAL, SLOW, VoicePauses
from prompts.service_words import Words
from prompts.values import PERSON, TODAY, TOMORROW, Part, SpokenValues, _parse
from prompts.voices import UnknownVoice, Voice, voice

FOLDER = Path(__file__).resolve().parent
# What a call begins in; the other languages have all that it has.
COUNTRY_LANGUAGE = "fr"
# In what order callers are invited to the languages; what has a file and no place here comes last.
INVITED = (COUNTRY_LANGUAGE, "en", "es")
PAUSE = "|"
AUDIO = "audio"
# The table with how a question is put to a caller who speaks.
ALOUD = "aloud"
# The table of [say] with shorter sentences.
SHORT = "short"
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


class Catalogue(SpokenValues):
    """One language."""

    def __init__(
        self, language: str, source: Mapping[str, Any], recordings: Mapping[str, str] | None = None
    ) -> None:
        """`recordings`: files below `audio/` by what is recorded in them, see `recordings_in`."""
        self.language = language
        self._recordings = recordings or {}
        super().__init__(source["language"]["locale"], source["formats"])
        self.voice_language: str = source["language"]["voice_language"]
        self.voice: str = source["language"]["voice"]
        # How fast the voice speaks to a caller who pressed 8, in percent.
        self.slow_rate: int = source["language"].get("slow_rate", FULL_RATE)
        # How an option names its key.
        self.press: str = source["language"]["press"]
        # What callers say in this language: flows.understanding makes use of it.
        self.heard: Mapping[str, Any] = source.get("heard", {})
        aloud: Mapping[str, str] = source.get(ALOUD, {})
        self._aloud = tuple((re.compile(keys), both) for keys, both in aloud.items())
        self._say = {key: tuple(_parse(w) for w in ws) for key, ws in flat(source["say"])}
        self._text = {key: _parse(wording) for key, wording in source["text"].items()}

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._say)

    @property
    def spoken_keys(self) -> tuple[str, ...]:
        """The same in the order of the file."""
        return tuple(self._say)

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

        Names of towns and of places are read by the voice that their recordings shall have.
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


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All entries of a table and of the tables in it, by their dotted names."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


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
    """The languages that a folder has a file of, in the order of INVITED."""
    return as_invited(path.stem for path in folder.glob("*.toml"))


def as_invited(codes: Iterable[str]) -> tuple[str, ...]:
    """Codes of languages as they are offered: in the order of INVITED, then by name."""
    places = {code: place for place, code in enumerate(INVITED)}
    return tuple(sorted(codes, key=lambda code: (places.get(code, len(INVITED)), code)))


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
