"""What is wrong with the words of conversations by text."""

from __future__ import annotations

import re
import tomllib

from collections.abc import Iterator, Sequence
from pathlib import Path

from prompts.by_text import BY_TEXT, NOT_WRITTEN, ByText, by_text, for_the_ear, needed, values_of
from prompts.check_rules import (
    COMMON_PLACE,
    EVERYWHERE,
    HEALTH,
    NEVER_SAID,
    TWO_PARTS,
    Problem,
    length_of,
    longest,
    names_of,
    unfilled,
    unknown_formats,
)
from prompts.service_words import TEXT, ServiceWords, Words, found_never
from prompts.values import Part

# A key and what it is for: "2 Un proche". Behind a digit of a date or an hour stands no such word.
_WRITTEN_OPTION = re.compile(r"(?<![\w/.])([0-9*])(?= (?:[^\W\d_]|[¿{]))")


def of_conversations(name: str, folder: Path, service: Words) -> Iterator[Problem]:
    """What is wrong with the words of conversations by text in one language.

    An entry that the file lacks is made of what is spoken, where that makes a text; else it is
    missing.
    """
    file = f"{BY_TEXT}/{name}.toml"
    try:
        said = tomllib.loads((folder / file).read_text("utf-8")).get("say", {})
        left = list(unfilled(TEXT, said, "say"))
        if left:
            yield from (Problem(file, where, what) for where, what in left)
            return
        words = by_text(name, folder, service)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, re.error) as error:
        yield Problem(file, "", f"it cannot be read: {error}; copy it from {BY_TEXT}/fr.toml")
        return
    wanted = needed(words.spoken)
    for key in words.written.spoken_keys:
        if key not in wanted:
            yield Problem(file, f"say.{key}", "no text says it; take it out")
    for key in wanted:
        for where, what in _of_entry(words, key, service[name]):
            yield Problem(file, where, what)
    if set(re.findall(r"{(.*?)}", words.unknown)) != {"number"}:
        yield Problem(file, "unknown", "name the {number} to ring, and no other value")
    if not words.begins.fullmatch(words.word.casefold()):
        yield Problem(file, "word", f"{words.word} begins nothing; begins has to match it")


def _of_entry(words: ByText, key: str, service: ServiceWords) -> Iterator[tuple[str, str]]:
    has_own = key in words.written.keys
    if not has_own and key not in words.spoken.keys:
        yield f"say.{key}", f"missing; {BY_TEXT}/fr.toml has it"
        return
    source = words.written if has_own else words.spoken
    for number in range(source.wordings(key)):
        parts = source.parts(key, number)
        what = unknown_formats(parts, source) or _of_written(words, key, number, parts, service)
        if what and not has_own:
            what = f"missing, and what is spoken makes no text: {what}"
        if what:
            yield f"say.{key}[{number}]", what


def _of_written(
    words: ByText, key: str, number: int, parts: Sequence[Part], service: ServiceWords
) -> str:
    """What is wrong with one wording of an entry; empty where nothing is."""
    strange = sorted(names_of(parts) - values_of(words.spoken, key))
    if strange:
        return f"{{{strange[0]}}} is not given there"
    text = words.say(key, {**longest(parts), "address": COMMON_PLACE}, number)
    literal = "".join(f"{part.text}{part.name and 'X'}" for part in parts)
    if key not in words.written.keys:
        literal = text
    heard, health = for_the_ear(literal), HEALTH.search(literal)
    offered = sorted(set(_WRITTEN_OPTION.findall(literal)) - EVERYWHERE)
    spoken = sorted(set(_choices(words, key)) - NOT_WRITTEN.get(key, frozenset()))
    if heard:
        return f'"{heard}" is for the ear; write what is read'
    if health or (never := found_never(service, [literal])):
        about = "tells whoever reads it what this is about"
        return f'"{health[0]}" {about}' if health else f'"{never}" {NEVER_SAID}'
    if length_of(text) > TWO_PARTS:
        return f"{length_of(text)} letters; two parts hold {TWO_PARTS}: shorten it"
    if spoken and offered != spoken:
        return f"offer the keys that are spoken: {', '.join(spoken)}"
    return ""


def _choices(words: ByText, key: str) -> list[str]:
    """The keys that an entry offers when it is spoken; none for what texts alone say."""
    if key not in words.spoken.keys:
        return []
    option = re.compile(rf"\b{re.escape(words.press)} ([1-7])(?![ ,]*[0-9])(?!\w)", re.IGNORECASE)
    return option.findall("".join(part.text for part in words.spoken.parts(key, 0)))
