"""docs/security.md has each requirement and threat once, and what it names is there."""

from __future__ import annotations

import re

from collections import Counter
from typing import NamedTuple

import pytest

from tests.docs.asvs import requirements
from tests.docs.test_paths import files, is_there
from tests.support.keeper import ROOT

PAGE = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (\d) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE)
THREAT = re.compile(r"^\| T(\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)
COUNTS = re.compile(r"^\| L(\d) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
# A file by its path, with a test in it or without.
NAMED = re.compile(r"`((?:[\w.-]+/)*[\w.-]+)(?:::(\w+))?`")
FILE = re.compile(r"\.(?:py|md|toml|txt|json|html|js)$|^Procfile$|^Makefile$")
STATES = ("met", "n/a", "open")
# In the place of a risk while somebody builds what is missing.
UNDER_WAY = "being built"


class Row(NamedTuple):
    id: str
    level: str
    what: str
    state: str
    shown: str


def rows(text: str) -> list[Row]:
    return [Row(*found) for found in ROW.findall(text)]


def missing(text: str, known: set[str]) -> list[str]:
    """Files and tests that are named and are not there."""
    absent = []
    for path, test in NAMED.findall(text):
        if not FILE.search(path):
            continue
        if not is_there(path, known):
            absent.append(path)
        elif test and not re.search(rf"\bdef {test}\(", (ROOT / path).read_text("utf-8")):
            absent.append(f"{path}::{test}")
    return absent


def proofs(text: str, known: set[str]) -> list[str]:
    return [path for path, _ in NAMED.findall(text) if FILE.search(path) and is_there(path, known)]


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text("utf-8")


def test_the_standard_has_as_many_as_it_says():
    assert Counter(requirements().values()) == {1: 70, 2: 183, 3: 92}


def test_each_requirement_of_two_levels_is_there_once_in_order(page: str):
    expected = [(one, str(level)) for one, level in requirements().items() if level < 3]
    assert [(row.id, row.level) for row in rows(page)] == expected


def test_each_has_a_state_and_what_shows_it(page: str):
    known = files()
    for row in rows(page):
        assert row.state in STATES, row
        assert len(row.what) > 2, row
        assert missing(row.shown, known) == [], row.id
        if row.state == "met":
            assert proofs(row.shown, known), row
            assert UNDER_WAY not in row.shown, row
        elif row.state == "n/a":
            assert row.shown.strip(), row
        else:
            assert "Risk: " in row.shown or UNDER_WAY in row.shown, row


def test_the_counts_at_the_head_are_right(page: str):
    counted = Counter((row.level, row.state) for row in rows(page))
    told = {level: [int(count) for count in counts] for level, *counts in COUNTS.findall(page)}
    for level in ("1", "2"):
        each = [counted[level, state] for state in STATES]
        assert told[level] == [*each, sum(each)]
    assert len(told) == 2


def test_each_threat_has_a_test_or_a_reason(page: str):
    known = files()
    found = THREAT.findall(page)
    assert [int(number) for number, *_ in found] == list(range(1, 29))
    for number, _, _, shown, lacking in found:
        assert missing(shown, known) == [], number
        tests = [test for _, test in NAMED.findall(shown) if test]
        assert tests or len(lacking) > 20, number


def test_what_is_not_there_is_found():
    known = files()
    here = "`tests/docs/test_security_page.py::test_what_is_not_there_is_found`"
    assert missing(here, known) == []
    assert missing("`tests/docs/nowhere.py::test_x`", known) == ["tests/docs/nowhere.py"]
    gone = "tests/docs/test_security_page.py::test_that_is_not"
    assert missing(f"`{gone}`", known) == [gone]
    assert proofs("words alone", known) == []
