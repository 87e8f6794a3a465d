"""`flask understand`: what the service makes of sentences; no call and no database are needed."""

from __future__ import annotations

import sys

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TextIO

import click

from flows.understanding import COUNTRY_ZONE
from flows.understanding.dates import dates
from flows.understanding.digits import digit_readings, phones
from flows.understanding.postcodes import postcodes
from flows.understanding.sentences import request_of
from flows.understanding.town_names import towns
from flows.understanding.town_table import TownName, TownTable
from flows.understanding.vocabulary import IncompleteVocabulary, Vocabulary
from flows.understanding.words import command, yes_no
from jobs import feeds
from models.clock import Clock
from services.centres.towns import town_table_of
from services.vocabulary import vocabulary

NOTHING = "?"
Understood = Callable[[str, Vocabulary], tuple[str, ...]]


def make(clock: Clock) -> click.Command:
    def today() -> date:
        return clock.now().astimezone(COUNTRY_ZONE).date()

    kinds: Mapping[str, Understood] = {
        "date": lambda text, words: tuple(d.isoformat() for d in dates(text, words, today())),
        "postcode": lambda text, words: postcodes(text, words, _official().postcodes.__contains__),
        "town": lambda text, words: _official().understood(text, words),
        "yesno": _yes_no,
        "phone": phones,
        "digits": digit_readings,
        "command": _command,
        "sentence": lambda text, words: _sentence(text, words, today()),
    }

    @click.command(epilog="Example: echo 'né le douze mars quarante-deux' | flask understand date")
    @click.argument("kind", type=click.Choice(list(kinds)))
    @click.argument("file", type=click.File(encoding="utf-8", errors="replace"), default="-")
    @click.option(
        "--language",
        default="fr",
        show_default=True,
        metavar="CODE",
        help="The language that is spoken: fr, en, or another with a file in prompts/.",
    )
    def understand(*, kind: str, file: TextIO, language: str) -> None:
        r"""Understand each line of FILE or standard input; print one line for each.

        A line is what a recogniser makes of an answer. Printed is its meaning, several separated
        by commas where the words really mean several things, or "?" for none.

        \b
        date      a birth date: 1942-03-12
        postcode  five digits of a postcode that exists: 75011
        town      its official name; with the département where others bear it: Saint-Denis (93)
        yesno     yes or no
        phone     an ordinary number of France or overseas, as E.164: +33612345678
        digits    the digits that were said: 0452173890
        command   person, again, slower, back, wait, cancel or emergency
        sentence  what a whole request says for certain: who, birth date, place

        Postcodes and towns are those of data/, so that no database is needed.
        """
        try:
            words = vocabulary(language)
        except FileNotFoundError:
            raise click.BadParameter(
                f"there is no prompts/{language}.toml", param_hint="--language"
            ) from None
        except IncompleteVocabulary as incomplete:
            raise click.ClickException(str(incomplete)) from None
        understood = kinds[kind]
        answer(file, sys.stdout, lambda text: understood(text, words))

    return understand


def answer(said: Iterable[str], told: TextIO, understood: Callable[[str], tuple[str, ...]]) -> None:
    """Print a line for each line, before the next is read."""
    for line in said:
        click.echo(",".join(understood(line.strip())) or NOTHING, file=told)


def _yes_no(text: str, words: Vocabulary) -> tuple[str, ...]:
    said = yes_no(text, words)
    return () if said is None else ("yes" if said else "no",)


def _command(text: str, words: Vocabulary) -> tuple[str, ...]:
    said = command(text, words)
    return () if said is None else (str(said),)


def _sentence(text: str, words: Vocabulary, today: date) -> tuple[str, ...]:
    """`who=husband born=1942-03-12 place=Vitré`; what is not certain is left out."""
    request = request_of(text, words, today, _Spoken(words))
    told = {
        "intent": request.intent,
        "who": request.who,
        "born": request.born,
        "postcode": request.postcode,
        "place": request.place and _official().named(request.place),
    }
    parts = " ".join(f"{name}={value}" for name, value in told.items() if value)
    return (parts,) if parts else ()


@dataclass(frozen=True)
class _Spoken:
    """The official towns, as they are named in one language."""

    words: Vocabulary

    def towns(self, text: str) -> tuple[TownName, ...]:
        return towns(text, self.words, _official().towns)

    def town(self, postcode: str) -> TownName | None:
        return _official().main_town(postcode)


@dataclass(frozen=True)
class _Official:
    """The official tables of data/; `shared` are the names of several towns."""

    postcodes: frozenset[str]
    towns: TownTable
    shared: frozenset[str]

    def understood(self, text: str, words: Vocabulary) -> tuple[str, ...]:
        """The towns that are meant, each name with its département where that is needed."""
        return tuple(map(self.named, towns(text, words, self.towns)))

    def named(self, town: TownName) -> str:
        return f"{town.name} ({town.departement})" if town.name in self.shared else town.name

    def main_town(self, postcode: str) -> TownName | None:
        """The largest town of a postcode."""
        if postcode not in self.postcodes:
            return None
        table = self.towns
        there = (at for at in range(len(table)) if postcode in table.postcodes(at))
        return max(map(table.town, there), key=lambda town: town.inhabitants, default=None)


@lru_cache
def _official() -> _Official:
    feed = feeds.read_postcodes()
    named = {(town.name, town.insee) for town in feed.towns}
    borne = Counter(name for name, _ in named)
    return _Official(
        postcodes=frozenset(town.code for town in feed.towns),
        towns=town_table_of(feed),
        shared=frozenset(name for name, times in borne.items() if times > 1),
    )
