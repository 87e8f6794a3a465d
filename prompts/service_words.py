"""The words of a need ("to get vaccinated", what to bring), which lie beside its campaign.

The languages of `prompts/` say how one books; what one books for is a placeholder in them,
`{service:purpose}`, filled from `words/<language>.toml` of the campaign (docs/campaigns.md has the
entries). Spoken sentences are filled from its table [spoken], texts from [text], pages from [page]:
none of them can take what was written for another. [heard] adds what callers say for it.

A campaign without words of its own has those of `campaigns/words/`. Those of CAMPAIGN are `in_use`
in a process; a campaign beside it has its own words by `Campaign.words`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
# As in the catalogue, which reads these.
COUNTRY_LANGUAGE: Final = "fr"
WORDS: Final = "words"
USUAL: Final = ROOT / "campaigns" / WORDS
SPOKEN, TEXT, PAGE, HEARD = "spoken", "text", "page", "heard"
NAMED, NEVER = "named", "never_in_texts"
# How callers name the need: understood at the welcome as a wish to book.
_ASKS: Final = ("choices", "welcome", "book")
PLACEHOLDER: Final = re.compile(r"\{service:(?P<name>\w+)\}")
# Where an entry is left out: with the blank before it or, at the beginning, the one behind it.
_GONE: Final = "\0"
_LEFT_OUT: Final = re.compile(f"^(?:{_GONE} ?)+| ?{_GONE}")


@dataclass(frozen=True)
class Entry:
    """An entry of a table: what it is, for the author of a file, and values that may be in it."""

    what: str
    needed: bool = True
    listed: bool = False
    values: frozenset[str] = frozenset()


ENTRIES: Final[Mapping[str, Mapping[str, Entry]]] = {
    SPOKEN: {
        "name": Entry("what it is, as a choice in a menu: la vaccination"),
        "purpose": Entry("what callers ring for, behind the name: pour se faire vacciner"),
        "purpose_short": Entry("the same in fewer words: pour la vaccination"),
        "appointment": Entry("what they book: un rendez-vous de vaccination"),
        "bring": Entry("what to bring, behind Apportez: votre carte et une photo"),
        "bring_short": Entry("the same in fewer words: carte et photo"),
        "bring_again": Entry("the same in other words, for a second try: une photo et la carte"),
        "no_reason": Entry("a sentence: which reasons nobody is asked for"),
        "no_reason_short": Entry("the same in fewer words, or in the same ones"),
        "before": Entry("a sentence: what to know before one comes", needed=False),
        "walk_in": Entry("a sentence: when one may come without an appointment", needed=False),
        "price": Entry("a sentence: what it costs", needed=False),
        "lasts": Entry("a sentence: how long one stays", needed=False),
        "data": Entry("a sentence: what answers are for, where a law has it told", needed=False),
    },
    TEXT: {
        "bring": Entry("what to bring, behind Apportez, in the letters of a text"),
        "before": Entry("a sentence: what to know before one comes", needed=False),
        "walk_in": Entry("a sentence: when one may come without an appointment", needed=False),
    },
    PAGE: {
        "title": Entry("the headline of the first page: Rendez-vous de vaccination"),
        "appointment": Entry("what is booked: un rendez-vous de vaccination"),
        "discreet": Entry("what a calendar or a screen that others see may say: Rendez-vous"),
        "places": Entry("the headline above all places: Les centres de vaccination"),
        "place": Entry("a place without a name of its own: Centre de vaccination"),
        "authority": Entry("who answers for the service: l'autorité de santé"),
        "bring": Entry("what to bring, each a line of a list", listed=True),
        "no_reason": Entry("which reasons nobody is asked for, within a sentence"),
        "not_asked": Entry("a sentence: what the service does not ask"),
        "before": Entry("a sentence: what to know before one comes", needed=False),
        "walk_in": Entry("a sentence: when one may come without an appointment", needed=False),
        "first": Entry("the first of two, in a secretary's list: 1re dose"),
        "second": Entry("the second of two: 2e dose"),
        "nth": Entry("one more: dose {dose}", values=frozenset({"dose"})),
        "number": Entry("which of two, as the head of a column: dose"),
        "last_ones": Entry("what is left at the end of a day: Dernières doses"),
        "one": Entry("one of what a place is for: une dose"),
        "one_more": Entry("one more of them than planned: une dose de plus"),
        "another": Entry("another of them: une autre dose"),
    },
}
_TABLES: Final = (*ENTRIES, HEARD)


class BadWords(Exception):
    """What is wrong with the words of a service."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Mistake:
    """A file, the entry in it ("spoken", "bring"; none: the file itself), and what to do."""

    file: Path
    entry: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.entry)}: {self.what}".replace(": : ", ": ")


class NoSuchWord(KeyError):
    """A placeholder for an entry that its table does not have."""


@dataclass(frozen=True, eq=False)
class ServiceWords:
    """One language. `spoken`, `text` and `page` are by the names in ENTRIES.

    A list has its lines apart by a line break; what may be left out and is, is not there. `named`
    is how callers name the need, `heard` what else they say, in the tables of a language's [heard].
    `never` finds what no text may hold; None: anything may stand there.
    """

    language: str
    spoken: Mapping[str, str]
    text: Mapping[str, str]
    page: Mapping[str, str]
    named: tuple[str, ...] = ()
    heard: Mapping[str, Any] = field(default_factory=dict)
    never: re.Pattern[str] | None = None

    def fill(self, table: str, template: str) -> str:
        """A template with the words of this table in it. Raises NoSuchWord.

        A name with a capital is that entry with a capital.
        """
        words = self.table(table)

        def word(found: re.Match[str]) -> str:
            name = found["name"]
            entry = ENTRIES[table].get(name.lower())
            if entry is None:
                raise NoSuchWord(name)
            said = words.get(name.lower(), "")
            if not said:
                return _GONE
            return said[0].upper() + said[1:] if name[0].isupper() else said

        return _LEFT_OUT.sub("", PLACEHOLDER.sub(word, template))

    def table(self, table: str) -> Mapping[str, str]:
        """SPOKEN, TEXT or PAGE."""
        return {SPOKEN: self.spoken, TEXT: self.text, PAGE: self.page}[table]

    def filled(self, table: str, source: Any) -> Any:
        """All templates in tables and lists filled in. Raises NoSuchWord."""
        if isinstance(source, str):
            return self.fill(table, source)
        if isinstance(source, list):
            return [self.filled(table, text) for text in source]
        if isinstance(source, Mapping):
            return {key: self.filled(table, one) for key, one in source.items()}
        return source

    def language_file(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """A language of `prompts/` as it is with these words. Raises NoSuchWord."""
        filled = dict(source)
        for name, table in (("say", SPOKEN), ("text", TEXT)):
            if name in filled:
                filled[name] = self.filled(table, filled[name])
        if HEARD in filled:
            asked: Any = list(self.named)
            for key in reversed(_ASKS):
                asked = {key: asked}
            filled[HEARD] = _joined(_joined(filled[HEARD], self.heard), asked)
        return filled

    def begins(self, pattern: str) -> str:
        """A pattern of how a text begins, with how callers name the need in it."""
        named = "|".join(re.escape(_bare(name)).replace(r"\ ", " ") for name in self.named)
        return pattern.replace("{service:named}", named)


@dataclass(frozen=True, eq=False)
class Words:
    """The words of one service in every language that it has; equal to itself alone."""

    folder: Path
    languages: Mapping[str, ServiceWords]

    @property
    def name(self) -> str:
        """What the folder of the campaign is called; recordings are named after it."""
        return self.folder.parent.name

    def __getitem__(self, language: str) -> ServiceWords:
        """The words of a language; of one without a file, those of the country's language.

        A campaign is refused while a language lacks its file (services.campaign.words). Raises
        KeyError where there are none at all.
        """
        return self.languages.get(language) or self.languages[COUNTRY_LANGUAGE]


def folder_of(source: Path) -> Path:
    """Where the words of a campaign's file, or of a folder of campaigns, lie.

    `words/` in the folder that is called like the file; else `words/` beside the file; else those
    that come with the service.
    """
    beside = source.parent if source.suffix == ".toml" else source
    own = source.with_suffix("") if source.suffix == ".toml" else source
    for folder in (own / WORDS, beside / WORDS):
        if folder.is_dir():
            # The same files by another path have the same words.
            return USUAL if folder.resolve() == USUAL else folder
    return USUAL


def read(folder: Path) -> Words:
    """The words of a folder. Raises BadWords with every mistake in its files."""
    languages: dict[str, ServiceWords] = {}
    mistakes: list[Mistake] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            languages[path.stem] = _language(path)
        except BadWords as bad:
            mistakes += bad.mistakes
    if not languages and not mistakes:
        what = "no words lie there; copy the files of campaigns/words/ and write what is booked"
        mistakes.append(Mistake(folder, (), what))
    if mistakes:
        raise BadWords(*mistakes)
    return Words(folder, languages)


@lru_cache
def usual() -> Words:
    """The words that come with the service, read once."""
    return read(USUAL)


class _InUse:
    words: Words | None = None


def use(words: Words | None) -> None:
    """Make these the words of this process: those of CAMPAIGN. None: those of the service."""
    _InUse.words = words


def in_use() -> Words:
    """What sentences, texts and pages are filled with where no other words are named."""
    return _InUse.words or usual()


def _language(path: Path) -> ServiceWords:
    try:
        source = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        what = f"it cannot be read ({error}); write tables of entries as in campaigns/words/fr.toml"
        raise BadWords(Mistake(path, (), what)) from None
    mistakes = [Mistake(path, entry, what) for entry, what in _wrong(source)]
    if mistakes:
        raise BadWords(*mistakes)
    tables = {
        table: {name: _one_text(said) for name, said in source.get(table, {}).items()}
        for table in ENTRIES
    }
    heard = dict(source[HEARD])
    named = tuple(heard.pop(NAMED))
    never = source[NEVER]
    return ServiceWords(
        path.stem,
        tables[SPOKEN],
        tables[TEXT],
        tables[PAGE],
        named,
        heard,
        re.compile("|".join(re.escape(_bare(word)) for word in never)) if never else None,
    )


def _wrong(source: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name in source.keys() - {*_TABLES, NEVER}:
        yield (name,), f"nobody reads it; there are {', '.join((*_TABLES, NEVER))}"
    if not _are_texts(source.get(NEVER)):
        what = 'write the beginnings of words that no text may hold, above the tables: ["vacc"]'
        yield (NEVER,), what
    for table, entries in ENTRIES.items():
        yield from _wrong_table(table, entries, source.get(table, {}))
    heard = source.get(HEARD)
    if not isinstance(heard, Mapping):
        yield (HEARD,), "it is no table; begin it with a line [heard]"
    elif not _are_texts(heard.get(NAMED)) or not heard[NAMED]:
        yield (HEARD, NAMED), 'write how callers name it, as named = ["vaccin", "vaccination"]'


def _wrong_table(
    table: str, entries: Mapping[str, Entry], given: object
) -> Iterator[tuple[tuple[str, ...], str]]:
    if not isinstance(given, Mapping):
        yield (table,), f"it is no table; begin it with a line [{table}]"
        return
    for name, entry in entries.items():
        if name in given:
            if what := _wrong_entry(entry, given[name]):
                yield (table, name), what
        elif entry.needed:
            yield (table, name), f"this entry is missing; write {entry.what}"
    for name in given.keys() - entries.keys():
        yield (table, name), f"there is no such entry; there are {', '.join(entries)}"


def _wrong_entry(entry: Entry, given: object) -> str:
    if entry.listed:
        if not _are_texts(given) or not given:
            return f'write a list, as ["…", "…"]: {entry.what}'
    elif not isinstance(given, str) or not given.strip() or "\n" in given:
        return f"write one line in quotes: {entry.what}"
    strange = set(re.findall(r"\{(.*?)\}|[{}]", _one_text(given))) - entry.values
    if strange:
        allowed = ", ".join(f"{{{value}}}" for value in sorted(entry.values)) or "none"
        return f"a value in brackets is not given there ({allowed} is); write words alone"
    return ""


def _are_texts(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(text, str) and text.strip() for text in given)


def _one_text(given: Any) -> str:
    return "\n".join(given) if isinstance(given, list) else str(given)


def _joined(ours: Any, more: Mapping[str, Any]) -> Any:
    """A table with the lists of another behind its own."""
    joined = dict(ours)
    for key, value in more.items():
        if isinstance(value, Mapping):
            joined[key] = _joined(joined.get(key, {}), value)
        else:
            joined[key] = [*joined.get(key, ()), *value]
    return joined


def _bare(text: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def found_never(words: ServiceWords, texts: Sequence[str]) -> str:
    """A word in these texts that none may hold; empty where there is none."""
    if words.never is None:
        return ""
    found = words.never.search(_bare("\n".join(texts)))
    return found[0] if found else ""
