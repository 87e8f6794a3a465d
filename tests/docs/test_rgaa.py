"""The audit of accessibility is whole, and the statement says what it counted."""

from __future__ import annotations

import re

from collections import Counter

import pytest

from prompts.screens import LANGUAGES, screen
from services.public.accessibility import AUDIT
from tests.support.house import House
from tests.support.keeper import ROOT

PAGE = ROOT / "docs" / "accessibilite" / "rgaa.md"
ROW = re.compile(r"^\| (\d+\.\d+) \| ([^|]+) \| (met|not met|n\.a\.) \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"\btest_\w+")
DEFINED = re.compile(r"^\s*def (test_\w+)", re.MULTILINE)
COUNTED = re.compile(r"\*\*(\d+) met, (\d+) not met, (\d+) n\.a\.: (\d+) %")


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall(PAGE.read_text("utf-8"))


def test_the_counts_are_those_of_the_table():
    states = Counter(state for _, _, state, _ in rows())
    counted = COUNTED.search(PAGE.read_text("utf-8"))
    assert counted
    assert [int(one) for one in counted.groups()] == [
        states["met"],
        states["not met"],
        states["n.a."],
        100 * states["met"] // (states["met"] + states["not met"]),
    ]
    gaps = tuple(number for number, _, state, _ in rows() if state == "not met")
    assert (AUDIT.met, AUDIT.gaps, AUDIT.not_applicable) == (states["met"], gaps, states["n.a."])


def test_what_is_said_to_be_tested_is_tested():
    named = {one for *_, how in rows() for one in NAMED.findall(how)}
    there = {
        one
        for path in (ROOT / "tests").rglob("test_*.py")
        for one in DEFINED.findall(path.read_text("utf-8"))
    }
    assert named
    assert named - there == set()
    for number, _, state, how in rows():
        assert state != "met" or NAMED.search(how) or "by hand" in how, number


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_statement_says_what_the_audit_counted(made: House, language: str):
    page = made.app.test_client().get(f"/accessibilite?lang={language}").get_data(as_text=True)
    words = screen(language)
    said = words.text(
        "statement.results",
        concerned=AUDIT.concerned,
        met=AUDIT.met,
        percent=AUDIT.percent,
        gaps=len(AUDIT.gaps),
        none=AUDIT.not_applicable,
    )
    assert said in page
    assert words["statement.partly"] in page
    assert AUDIT.state == "partly"
    assert str(AUDIT.on.year) in page
    gaps = {key for key in words if key.startswith("statement.gap.")}
    assert gaps == {f"statement.gap.{one.replace('.', '_')}" for one in AUDIT.gaps}
    for key in gaps:
        assert words[key] in page
        assert key.rpartition(".")[2].replace("_", ".") in words[key]
    # Ways of recourse, and how to reach us.
    assert "defenseurdesdroits.fr" in page
    assert "71120" in page
    assert "tel:+33974750001" in page
