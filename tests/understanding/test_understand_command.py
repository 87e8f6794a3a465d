"""`flask understand`: a line for a line, and nothing else."""

from __future__ import annotations

import io

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from click.testing import CliRunner

from commands import understand
from models.clock import FixedClock

# The 26th has begun in Paris, and not in London.
CLOCK = FixedClock(datetime(2026, 11, 25, 23, 30, tzinfo=UTC))


@pytest.fixture
def run():
    def invoke(*arguments, said=""):
        return CliRunner().invoke(understand.make(CLOCK), list(arguments), input=said)

    return invoke


@pytest.mark.parametrize(
    ("kind", "said", "meaning"),
    [
        ("date", "né le douze mars quarante-deux", "1942-03-12"),
        ("date", "un un deux quatre deux", "1942-02-11,1942-12-01"),
        ("date", "bonjour", "?"),
        ("postcode", "soixante-quinze zéro onze", "75011"),
        ("postcode", "vingt deux cent vingt", "20220,22120"),
        ("town", "j'habite à côté de Vitré, en Bretagne", "Vitré"),
        ("town", "Saint-Denis à la Réunion", "Saint-Denis (974)"),
        ("yesno", "oui oui c'est ça", "yes"),
        ("yesno", "non pas du tout", "no"),
        ("yesno", "peut-être", "?"),
        ("phone", "06 12 34 56 78", "+33612345678"),
        ("digits", "zéro quatre cinquante-deux", "0452"),
        ("command", "répétez", "again"),
        ("command", "quelqu'un s'il vous plaît", "person"),
        ("command", "le douze mars", "?"),
        (
            "sentence",
            "je voudrais un rendez-vous pour mon mari il est né le douze mars 42 on habite à Vitré",
            "intent=book who=husband born=1942-03-12 place=Vitré",
        ),
        (
            "sentence",
            "pour moi né le douze mars 42 code postal 35500",
            "intent=book who=self born=1942-03-12 postcode=35500 place=Vitré",
        ),
        ("sentence", "j'ai quatre-vingt-deux ans et j'habite à Saint-Martin", "?"),
    ],
)
def test_each_kind_prints_its_value(run, kind, said, meaning):
    done = run(kind, said=f"{said}\n")
    assert (done.exit_code, done.stdout) == (0, f"{meaning}\n")


def test_a_line_for_each_line_even_an_empty_or_a_broken_one(run):
    done = run("date", said="12 mars 42\n\n\t \nle \xff\xfe\n12 mars 43".encode("latin-1"))
    assert done.stdout.splitlines() == ["1942-03-12", "?", "?", "?", "1943-03-12"]


def test_nothing_said_nothing_printed(run):
    done = run("date")
    assert (done.exit_code, done.output) == (0, "")


def test_today_is_the_day_of_the_country(run):
    assert run("date", said="26 novembre 2026\n").stdout == "2026-11-26\n"
    assert run("date", said="27 novembre 2026\n").stdout == "?\n"


def test_another_language(run):
    said = "the twelfth of March forty-two\n"
    assert run("date", "--language", "en", said=said).stdout == "1942-03-12\n"
    unknown = run("date", "--language", "xx", said=said)
    assert unknown.exit_code != 0
    assert "there is no prompts/xx.toml" in unknown.stderr


def test_an_unknown_kind_is_refused_in_a_sentence(run):
    done = run("shoe", said="12 mars 42\n")
    assert done.exit_code != 0
    assert done.stdout == ""
    assert "'shoe' is not one of 'date', 'postcode', 'town'" in done.stderr


def test_a_line_is_answered_before_the_next_one_is_read():
    told = io.StringIO()
    before: list[str] = []

    def said() -> Iterator[str]:
        for line in ("12\n", "13\n"):
            before.append(told.getvalue())
            yield line
        before.append(told.getvalue())

    understand.answer(said(), told, lambda text: (text,))
    assert before == ["", "12\n", "12\n13\n"]
