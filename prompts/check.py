"""Finds what is wrong with the sentences of the languages: see `check`.

Each rule is one that callers feel: docs/prompts.md says why. French is the reference; what it has,
every other language has too.
"""

from __future__ import annotations

import re
import string
import tomllib

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError

from prompts import recorded, service_words
from prompts.by_text import BY_TEXT, is_there
from prompts.catalogue import (
    ALOUD,
    AUDIO,
    AUDIO_KINDS,
    COUNTRY_LANGUAGE,
    FOLDER,
    FULL_RATE,
    OF_SERVICE,
    PAUSE,
    Catalogue,
    flat,
    languages,
    of_source,
)
from prompts.check_by_text import of_conversations
from prompts.check_rules import (
    ANSWER,
    COMMON_ADDRESS,
    COMMON_TEXT,
    EVERYWHERE,
    FORBIDDEN,
    HEALTH,
    MARK_UP,
    MOMENT_WORDS,
    MOST_CHOICES,
    MOST_WORDS,
    MOST_WORDS_SLOW,
    NEVER_SAID,
    ONE_PART,
    PERSON_KEY,
    PIECE,
    SIGN,
    SLOWEST_RATE,
    TELLS_PERSON,
    TWO_PARTS,
    WITH_LINK,
    Problem,
    length_of,
    long_of,
    longest,
    names_of,
    sentences_of,
    septets,
    unfilled,
    unknown_formats,
)
from prompts.joined import SAID
from prompts.reading_time import words
from prompts.service_words import PAGE, SPOKEN, TEXT, ServiceWords, Words, found_never
from prompts.values import JOINED, Part
from prompts.voices import misfit

PAGES = "pages"
TABLES = ("language", "formats", "say", "text")
MAY_HAVE = frozenset({*TABLES, ALOUD, "heard", "fewer"})
LANGUAGE_ENTRIES = ("locale", "voice_language", "voice", "press", "star", "hash")
# In a language's [formats] where it needs them.
FORMATS_AT_WILL = frozenset({"noon", "midnight", "midnight_minutes", JOINED})


def check(folder: Path = FOLDER, service: Words | None = None) -> list[Problem]:
    """Everything that is wrong with the languages of a folder, in the order of the files.

    As they are with these words of a service; None: with those that come with this service.
    """
    service = service or service_words.usual()
    problems: list[Problem] = []
    reference: _Language | None = None
    found = languages(folder)
    if COUNTRY_LANGUAGE not in found:
        what = "there is no such file, and every language is compared with it"
        return [Problem(f"{COUNTRY_LANGUAGE}.toml", "", what)]
    for name in found:
        try:
            language = _Language.read(folder / f"{name}.toml", service)
        except _Unreadable as unreadable:
            problems.append(Problem(f"{name}.toml", "", str(unreadable)))
            if reference is None:
                return problems
            continue
        problems += language.problems()
        if reference is None:
            reference = language
        else:
            problems += language.compared(reference)
        # A language without that file answers no texts; a folder without any is for telephones.
        if is_there(name, folder) or (name == COUNTRY_LANGUAGE and (folder / BY_TEXT).is_dir()):
            problems += of_conversations(name, folder, service)
    problems += _of_pages(folder)
    return problems + list(_of_no_language(folder, found))


def _of_no_language(folder: Path, found: Sequence[str]) -> Iterator[Problem]:
    """Recordings of a language that there is not."""
    for file in sorted((folder / AUDIO).glob("*/*")):
        language = file.parent.name
        if language not in found and language not in recorded.NO_LANGUAGES:
            where = f"{AUDIO}/{language}/{file.name}"
            yield Problem(f"{language}.toml", where, "there is no such language; take it out")


def _of_pages(folder: Path) -> Iterator[Problem]:
    """Placeholders on pages that no words of a service fill."""
    for path in sorted((folder / PAGES).glob("*.toml")):
        try:
            source = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            yield Problem(f"{PAGES}/{path.name}", "", f"it cannot be read: {error}")
            continue
        for where, what in unfilled(PAGE, source):
            yield Problem(f"{PAGES}/{path.name}", where, what)


class _Unreadable(Exception):
    """A file of which no catalogue can be made; the message says why and what to do."""


def _is_table(found: object) -> bool:
    """Whether a table was written: one that only has tables below it was not."""
    if not isinstance(found, dict):
        return False
    return not found or not all(isinstance(entry, dict) for entry in found.values())


@dataclass(frozen=True)
class _Language:
    """One file, as it is written and as it is spoken."""

    path: Path
    source: Mapping[str, Any]
    catalogue: Catalogue
    service: ServiceWords

    @classmethod
    def read(cls, path: Path, service: Words) -> _Language:
        try:
            source = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise _Unreadable(f"it cannot be read: {error}") from None
        missing = [table for table in TABLES if not _is_table(source.get(table))]
        if missing:
            raise _Unreadable(f"the table [{missing[0]}] is missing; copy it from fr.toml")
        for entry in LANGUAGE_ENTRIES:
            if not isinstance(source["language"].get(entry), str) or not source["language"][entry]:
                raise _Unreadable(f"language.{entry} is missing; fr.toml shows what it is for")
        try:
            Locale.parse(source["language"]["locale"])
        except (UnknownLocaleError, ValueError):
            raise _Unreadable(
                f"language.locale: Babel knows no {source['language']['locale']!r};"
                ' write one such as "fr" or "en_GB"'
            ) from None
        if wrong := misfit(source["language"]["voice"], source["language"]["voice_language"]):
            raise _Unreadable(f"language.voice: {wrong}")
        _shape(source)
        for rule in source.get(ALOUD, {}):
            try:
                re.compile(rule)
            except re.error as error:
                raise _Unreadable(f"{ALOUD}: {rule!r} is no pattern: {error}") from None
        said = (unfilled(SPOKEN, source["say"], "say"), unfilled(TEXT, source["text"], "text"))
        for where, what in chain(*said):
            raise _Unreadable(f"{where}: {what}")
        return cls(path, source, of_source(path, source, service), service[path.stem])

    def problem(self, where: str, what: str) -> Problem:
        return Problem(self.path.name, where, what)

    # ------------------------------------------------------------ by itself

    def problems(self) -> Iterator[Problem]:
        for table in self.source.keys() - MAY_HAVE:
            yield self.problem("", f"nobody reads the table [{table}]; take it out")
        yield from self._of_rate()
        for key in self.catalogue.spoken_keys:
            yield from self._of_sentence(key)
        for key in sorted(self.catalogue.texts):
            yield from self._of_text(key)
        yield from self._of_recordings()
        yield from self._of_aloud()

    def _of_aloud(self) -> Iterator[Problem]:
        """Each rule fits a sentence, and keeps the keys that it offers."""
        for rule, both in self.source.get(ALOUD, {}).items():
            where = f"{ALOUD}.{rule}"
            fits = False
            for key in self.catalogue.spoken_keys:
                for number in range(self.catalogue.wordings(key)):
                    keys = "".join(part.text for part in self.catalogue.parts(key, number))
                    said, changed = re.subn(rule, both, keys, count=1)
                    fits = fits or bool(changed)
                    if self.options(said) != self.options(keys):
                        yield self.problem(where, f"it changes the keys of {key}[{number}]")
            if not fits:
                yield self.problem(where, "it fits no sentence; take it out")

    def _of_rate(self) -> Iterator[Problem]:
        rate: object = self.source["language"].get("slow_rate", FULL_RATE)
        if not isinstance(rate, int) or not SLOWEST_RATE <= rate <= FULL_RATE:
            what = f"write percent from {SLOWEST_RATE} to {FULL_RATE}, which is the voice's own"
            yield self.problem("language.slow_rate", what)
        elif rate != FULL_RATE and not self.catalogue.speaker.slows:
            what = f"{self.catalogue.voice} cannot be slowed; take it out, or take another voice"
            yield self.problem("language.slow_rate", what)

    def _of_sentence(self, key: str) -> Iterator[Problem]:
        said = []
        long = long_of(key)
        if long and long not in self.catalogue.keys:
            yield self.problem(f"say.{key}", f"there is no {long} that it says in fewer words")
            return
        if long and self.catalogue.wordings(key) != self.catalogue.wordings(long):
            count = self.catalogue.wordings(long)
            yield self.problem(f"say.{key}", f"write as many wordings as {long} has: {count}")
            return
        for number in range(self.catalogue.wordings(key)):
            where = f"say.{key}[{number}]"
            parts = self.catalogue.parts(key, number)
            unknown = unknown_formats(parts, self.catalogue)
            if unknown:
                yield self.problem(where, unknown)
                continue
            try:
                marked = self.catalogue.say(key, longest(parts), number)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                yield self.problem(where, f"it cannot be filled in: {error}")
                continue
            for what in (*self._of_wording(key, marked), *self._of_voice(marked)):
                yield self.problem(where, what)
            if long:
                for what in self._shorter(key, number):
                    yield self.problem(where, what)
            said.append(" ".join(marked.casefold().replace(PAUSE, " ").split()))
            if said[-1] in said[:-1]:
                what = "the same words as a try before; say it differently, and explain more"
                yield self.problem(where, what)

    @cached_property
    def _most_words_slow(self) -> int:
        moment = Part("", "start", "day_hour")
        said = self.catalogue.spoken(moment, longest([moment]))
        return MOST_WORDS_SLOW + max(0, words(said) - MOMENT_WORDS)

    def _shorter(self, key: str, number: int) -> Iterator[str]:
        """What is wrong with a short wording compared with the long one that it stands for."""
        long = long_of(key)
        theirs = [self.catalogue.parts(long, n) for n in range(self.catalogue.wordings(long))]
        parts = self.catalogue.parts(key, number)
        for name in sorted(
            names_of(parts) - {name for other in theirs for name in names_of(other)}
        ):
            yield f"{{{name}}} is not given; {long} has the values there are"
            return
        if any(unknown_formats(their, self.catalogue) for their in theirs):
            return
        values = {**longest([part for other in theirs for part in other]), **longest(parts)}
        try:
            short, full = (self.catalogue.say(entry, values, number) for entry in (key, long))
        except KeyError:
            # What cannot be filled in is told of the sentence itself.
            return
        if words(short) >= words(full):
            yield f"{words(short)} words, and {words(full)} in {long}; say it in fewer"
        if self.choices(short) != self.choices(full):
            yield f"offer the keys of {long}: {', '.join(self.choices(full))}"

    def _of_wording(self, key: str, marked: str) -> Iterator[str]:
        most = self._most_words_slow if long_of(key) else MOST_WORDS
        for sentence in sentences_of(marked):
            count = words(sentence)
            if count > most:
                yield (
                    f'sentence of {count} words: "{sentence}": split it;'
                    f" {most} words at most are kept in mind"
                )
        forbidden = FORBIDDEN.search(marked)
        if forbidden:
            yield f'"{forbidden[0]}" helps nobody who rings; say what can be done by telephone'
        yield from self._of_manners(sentences_of(marked))
        told = self.options(marked)
        chosen = self.choices(marked)
        twice = sorted({option for option in told if told.count(option) > 1})
        if twice:
            yield f"key {', '.join(twice)} is told twice; tell each key once"
        if len(set(chosen)) > MOST_CHOICES:
            yield f"{len(set(chosen))} choices; at most {MOST_CHOICES}, the rest in another menu"
        if [option for option in chosen if chosen.count(option) == 1] != sorted(set(chosen)):
            yield "tell the choices in the order of their keys"
        crowded = [s for s in sentences_of(marked) if len(self.options(s)) > 1]
        if crowded:
            yield f'two keys in a sentence: "{crowded[0]}"; one sentence an option'
        press = str(self.source["language"]["press"]).casefold()
        backward = [
            s for s in sentences_of(marked) if self.options(s) and s.casefold().startswith(press)
        ]
        if backward:
            yield f'"{backward[0]}": say what a key does before the key itself'
        # Where a hash ends what is typed, a wording tells it itself.
        typed = str(self.source["language"]["hash"]).casefold() in marked.casefold()
        if PERSON_KEY in told and not typed and not (long_of(key) or key).startswith(TELLS_PERSON):
            yield "take out the person (key 0): person_key says it, before the first option"

    def _of_manners(self, said: Sequence[str]) -> Iterator[str]:
        """Goodbye is last, and no wording begins with a pronoun for what is not named before."""
        goodbye = sentences_of(self.catalogue.say("goodbye", {}))[-1]
        if goodbye in said[:-1]:
            yield f'"{goodbye}" ends a call; say before it what one must know'
        pronoun = re.match(self.source["language"].get("pronoun", "(?!)"), said[0])
        if pronoun:
            yield f'"{pronoun[0]}" stands for nothing that was named; name it'

    def _of_voice(self, marked: str) -> Iterator[str]:
        most = self.catalogue.speaker.most_characters
        if len(marked) > most:
            yield f"{len(marked)} letters; {self.catalogue.voice} says {most}: shorten it"
        if MARK_UP.search(marked):
            yield "a sentence has no mark-up; a value's format and | say how it is spoken"

    def choices(self, text: str) -> list[str]:
        """The keys that a text offers and that mean something else at other questions."""
        return [key for key in self.options(text) if key not in EVERYWHERE]

    def choices_of(self, key: str, number: int) -> list[str]:
        """The same of a wording as it is written."""
        return self.choices("".join(part.text for part in self.catalogue.parts(key, number)))

    def options(self, text: str) -> list[str]:
        """The keys that a text offers, in order; digits that are spelt out are none."""
        language = self.source["language"]
        named = {language["star"]: "*", language["hash"]: "#"}
        return [named.get(option.casefold(), option) for option in self._option.findall(text)]

    @cached_property
    def _option(self) -> re.Pattern[str]:
        """How a key is told, with the key as its group."""
        language = self.source["language"]
        press, star, hash_ = (re.escape(language[name]) for name in ("press", "star", "hash"))
        key = rf"[0-9](?![ ,]*[0-9])|{star}|{hash_}"
        return re.compile(rf"\b{press} ({key})(?!\w)", re.IGNORECASE)

    def _of_text(self, key: str) -> Iterator[Problem]:
        where = f"text.{key}"
        parts = self.catalogue.text_parts(key)
        unknown = unknown_formats(parts, self.catalogue)
        if unknown:
            yield self.problem(where, unknown)
            return
        literal = "".join(part.text for part in parts)
        strange = sorted({letter for letter in literal if septets(letter) is None})
        if strange:
            yield self.problem(
                where,
                f"{' '.join(strange)} is not in GSM-7, and would make the text cost double;"
                " use a letter that is",
            )
            return
        for pattern, why in (
            (HEALTH, " tells whoever reads it what this is about"),
            (FORBIDDEN, " helps nobody who rings"),
            (ANSWER, ": nobody can; name the number to ring"),
        ):
            found = pattern.search(literal)
            if found:
                yield self.problem(where, f'"{found[0]}"{why}')
        if never := found_never(self.service, [literal]):
            yield self.problem(where, f'"{never}" {NEVER_SAID}')
        if not (key.startswith(PIECE) or WITH_LINK.match(key)) and "number" not in names_of(parts):
            yield self.problem(where, "name the {number} to ring: nobody can answer a text")
        yield from self._of_length(key, parts)

    def _of_length(self, key: str, parts: Sequence[Part]) -> Iterator[Problem]:
        where = f"text.{key}"
        usual = {**longest(parts), "address": COMMON_ADDRESS}
        try:
            common, most = (
                length_of(self.catalogue.text(key, values)) for values in (usual, longest(parts))
            )
        except KeyError as error:
            yield self.problem(where, f"it cannot be filled in: {error}")
            return
        begins = 0
        if not key.startswith(PIECE):
            begins = length_of(self.catalogue.text(SIGN, {"text": ""}))
        length = begins + common
        if COMMON_TEXT.match(key) and length > ONE_PART:
            yield self.problem(where, f"{length} letters; one part holds {ONE_PART}: shorten it")
        length = begins + most
        if length > TWO_PARTS:
            yield self.problem(where, f"{length} letters; two parts hold {TWO_PARTS}: shorten it")

    def _of_recordings(self) -> Iterator[Problem]:
        names = self.catalogue.words_of_takes().keys()
        folder = self.path.parent / AUDIO / self.path.stem
        files = sorted(folder.glob("*"))
        for file in files:
            where = f"{AUDIO}/{self.path.stem}/{file.name}"
            key = file.stem.partition(OF_SERVICE)[0].split(".part", maxsplit=1)[0]
            if file.suffix not in AUDIO_KINDS:
                yield self.problem(where, f"it cannot be played; use {' or '.join(AUDIO_KINDS)}")
            elif file.stem.startswith(SAID):
                if wrong := recorded.unplayable(file):
                    yield self.problem(where, wrong)
            elif file.stem.partition(OF_SERVICE)[0] not in names:
                what = "no line is called so; `flask prompts script` prints the names there are"
                yield self.problem(where, what)
            elif key.startswith(recorded.BY_VOICE):
                what = "the voice says this when this service fails; it could not be fetched"
                yield self.problem(where, what)
            elif wrong := recorded.unplayable(file):
                yield self.problem(where, wrong)
            elif file.with_suffix(AUDIO_KINDS[0]) in files and file.suffix != AUDIO_KINDS[0]:
                what = f"{file.stem}{AUDIO_KINDS[0]} is played instead; keep one of the two"
                yield self.problem(where, what)

    # ------------------------------------------------------------ beside French

    def compared(self, reference: _Language) -> Iterator[Problem]:
        for table in ("formats", "text"):
            ours, theirs = self.source[table].keys(), reference.source[table].keys()
            for key in sorted(theirs - ours - FORMATS_AT_WILL):
                yield self.problem(f"{table}.{key}", "missing; fr.toml has it")
            at_will = FORMATS_AT_WILL if table == "formats" else frozenset()
            for key in sorted(ours - theirs - at_will):
                yield self.problem(f"{table}.{key}", "fr.toml has no such entry; take it out")
        for key in reference.catalogue.spoken_keys:
            if key in self.catalogue.keys:
                yield from self._beside(reference, key)
            else:
                yield self.problem(f"say.{key}", "missing; fr.toml has it")
        for key in self.catalogue.spoken_keys:
            if key not in reference.catalogue.keys:
                yield self.problem(f"say.{key}", "fr.toml has no such sentence; take it out")
        for key in sorted(self.catalogue.texts & reference.catalogue.texts):
            ours = names_of(self.catalogue.text_parts(key))
            theirs = names_of(reference.catalogue.text_parts(key))
            yield from self._values(f"text.{key}", ours, theirs, theirs)

    def _beside(self, reference: _Language, key: str) -> Iterator[Problem]:
        ours, theirs = self.catalogue.wordings(key), reference.catalogue.wordings(key)
        if ours != theirs and not self.source.get("fewer", {}).get(key):
            yield self.problem(
                f"say.{key}",
                f"wordings: {ours}, and {theirs} in French; write as many,"
                f' or say why not: "{key}" = "…" in a table [fewer]',
            )
        everywhere = {
            name for n in range(theirs) for name in names_of(reference.catalogue.parts(key, n))
        }
        for number in range(ours):
            yield from self._values(
                f"say.{key}[{number}]",
                names_of(self.catalogue.parts(key, number)),
                names_of(reference.catalogue.parts(key, number)) if number < theirs else set(),
                everywhere,
            )
        for number in range(min(ours, theirs)):
            needed = reference.choices_of(key, number)
            if self.choices_of(key, number) != needed:
                told = ", ".join(needed) or "none"
                yield self.problem(f"say.{key}[{number}]", f"offer the keys of French: {told}")

    def _values(
        self, where: str, ours: set[str], needed: set[str], known: set[str]
    ) -> Iterator[Problem]:
        for name in sorted(needed - ours):
            yield self.problem(where, f"{{{name}}} is missing; the French sentence tells it")
        for name in sorted(ours - known):
            yield self.problem(where, f"{{{name}}} is not given; fr.toml has the values there are")


def _shape(source: Mapping[str, Any]) -> None:
    """Raise _Unreadable unless sentences are lists of templates and texts are templates."""

    def sentences() -> Iterator[tuple[str, Any]]:
        for key, wordings in flat(source["say"], "say."):
            if not isinstance(wordings, list) or not wordings:
                raise _Unreadable(f'{key}: write a list of wordings: ["…", "…"]')
            for number, wording in enumerate(wordings):
                yield f"{key}[{number}]", wording

    texts = ((f"text.{key}", text) for key, text in source["text"].items())
    for where, template in (*sentences(), *texts):
        if not isinstance(template, str) or not template.strip():
            raise _Unreadable(f"{where}: write a sentence in quotes")
        try:
            list(string.Formatter().parse(template))
        except ValueError as error:
            raise _Unreadable(f"{where}: {error}; a value is written {{name:format}}") from None
