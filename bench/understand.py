"""How long one sentence takes to be understood, in processor time: it waits for nothing."""

from __future__ import annotations

import csv
import gc
import time
import tomllib

from collections.abc import Callable
from datetime import UTC, datetime

import config

from bench.servers import CannotMeasure
from bench.timing import p99
from flows.understanding import COUNTRY_ZONE
from flows.understanding.dates import dates
from flows.understanding.digits import digit_readings, phones
from flows.understanding.postcodes import postcodes
from flows.understanding.town_names import towns
from flows.understanding.words import command, yes_no
from jobs import feeds
from services.centres.towns import town_table_of
from services.vocabulary import vocabulary

# The sentences that the tests use.
SENTENCES = config.ROOT / "tests" / "understanding" / "data"
ROUNDS = 3
# Every so manieth town is looked for, under its name and with two letters changed places.
EVERY_TOWN = 150
A_STORY = (
    "alors attendez je vais vous dire moi vous savez je suis née il y a bien longtemps à Rennes et "
    "maintenant j'habite à Vitré depuis quarante ans au 12 rue de la gare avec mon mari qui a "
    "quatre-vingt-cinq ans et nous voudrions venir plutôt le mardi matin si c'est possible merci"
)
Understand = Callable[[str], object]


def measure() -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    return {"understand_p99_ms": round(p99_ms(), 2)}, []


def p99_ms() -> float:
    """Return the slowest of a hundred of all kinds of sentences, each as often. A few seconds."""
    words, today = vocabulary("fr"), datetime.now(UTC).astimezone(COUNTRY_ZONE).date()
    feed = feeds.read_postcodes()
    table, codes = town_table_of(feed), frozenset(town.code for town in feed.towns)
    kinds: dict[str, Understand] = {
        "date": lambda text: dates(text, words, today),
        "postcode": lambda text: postcodes(text, words, codes.__contains__),
        "digits": lambda text: digit_readings(text, words),
        "phone": lambda text: phones(text, words),
    }
    said = [(kinds[kind], text) for kind, text in _sentences() if kind in kinds]
    if not said:
        raise CannotMeasure(f"no sentences in {SENTENCES}")
    names = [town.name for town in feed.towns[::EVERY_TOWN]]
    said += [
        (lambda text: towns(text, words, table), text)
        for name in names
        for text in (f"j'habite à {name}", name[:2] + name[3:4] + name[2:3] + name[4:])
    ]
    everyone: list[Understand] = [
        *kinds.values(),
        lambda text: towns(text, words, table),
        lambda text: yes_no(text, words),
        lambda text: command(text, words),
    ]
    said += [(understand, A_STORY) for understand in everyone]
    taken = [_milliseconds(understand, text) for _ in range(ROUNDS) for understand, text in said]
    return p99(taken, "sentences")


def _milliseconds(understand: Understand, text: str) -> float:
    gc.disable()
    try:
        started = time.thread_time()
        understand(text)
        return 1000 * (time.thread_time() - started)
    finally:
        gc.enable()


def _sentences() -> list[tuple[str, str]]:
    """Kinds and sentences."""
    found = []
    for name, kind in (
        ("dates_of_birth", "date"),
        ("postcodes", "postcode"),
        ("ambiguous_postcodes", "postcode"),
    ):
        with (SENTENCES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found += [(kind, row["text"]) for row in csv.DictReader(file, delimiter=";")]
    with (SENTENCES / "harder_numbers.toml").open("rb") as file:
        for kind, rows in tomllib.load(file).items():
            found += [(kind, text) for text, _ in rows]
    return found
