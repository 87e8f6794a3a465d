"""What docs/security.md promises is shown by tests and files that exist."""

from __future__ import annotations

import re

from typing import Final

import pytest

from tests.support.keeper import ROOT

ROW: Final = re.compile(
    r"^\| (\d+\.\d+\.\d+) \| \d \| [^|]+ \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE
)
THREAT: Final = re.compile(r"^\| (T\d+) \| [^|]+ \| [^|]+ \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)
# A file by its path, with a test in it or without.
NAMED: Final = re.compile(r"`((?:[\w.-]+/)*[\w.-]+)(?:::(\w+))?`")
FILE: Final = re.compile(r"\.(?:py|md|toml|txt|json|html|js)$|^Procfile$|^Makefile$")


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "security.md").read_text("utf-8")


def proofs(text: str) -> list[tuple[str, str]]:
    return [(path, test) for path, test in NAMED.findall(text) if FILE.search(path)]


def test_files_and_tests_that_the_page_names_exist(page: str):
    for path, test in proofs(page):
        assert (ROOT / path).exists(), path
        text = (ROOT / path).read_text("utf-8") if test else ""
        assert not test or f"def {test}(" in text, f"{path}::{test}"


def test_each_requirement_that_is_met_names_its_proof(page: str):
    met = {number: shown for number, state, shown in ROW.findall(page) if state == "met"}
    assert len(met) > 150
    assert [number for number, shown in met.items() if not proofs(shown)] == []


def test_each_threat_names_a_test_or_what_is_missing(page: str):
    threats = THREAT.findall(page)
    assert len(threats) == 28
    for number, shown, missing in threats:
        assert any(test for _, test in proofs(shown)) or len(missing) > 20, number
