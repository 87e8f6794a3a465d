"""A reader who follows the number of a decision comes to the page that has the fact today."""

from __future__ import annotations

import re

from tests.docs.test_paths import files
from tests.support.keeper import ROOT

DECISIONS = "decisions"
FOLDER = f"docs/{DECISIONS}"
# By path from the root, or as a link of a page beside them.
REFERENCE = re.compile(r"decisions/(?P<number>0\d{3})(?P<rest>-[\w-]+\.md)?")
LINK = re.compile(r"\]\((?P<name>0\d{3}-[\w-]+\.md)")
# It keeps the numbers of their day; the README of the decisions leads on from them.
OF_ALL_DAYS = "CHANGELOG.md"
OVERTAKEN = re.compile(r"^- (?P<number>0\d{3}) .*\]\((?P<name>0\d{3}-[\w-]+\.md)\)", re.MULTILINE)


def pages(known: set[str]) -> dict[str, str]:
    """The name of each living decision by its number."""
    names = (path.rpartition("/")[2] for path in known if path.startswith(f"{FOLDER}/0"))
    return {name[:4]: name for name in names}


def leads(number: str, rest: str, living: dict[str, str]) -> bool:
    """Whether a number, or the whole name of a page, is that of a living decision."""
    return number in living and rest in ("", living[number][4:])


def astray(path: str, text: str, living: dict[str, str]) -> list[str]:
    """The references of a text that lead to no decision of today."""
    wrong = [
        found.group()
        for found in REFERENCE.finditer(text)
        if not leads(found["number"], found["rest"] or "", living)
    ]
    if path.startswith(FOLDER):
        wrong += [name for name in LINK.findall(text) if name not in living.values()]
    return wrong


def test_references_to_decisions_lead_to_a_page():
    known = files()
    living = pages(known)
    texts = {
        path: (ROOT / path).read_text("utf-8", errors="ignore")
        for path in known
        if path != OF_ALL_DAYS
        and path.endswith((".py", ".md", ".toml", ".sql"))
        and (ROOT / path).is_file()
    }
    found = {path: astray(path, text, living) for path, text in texts.items()}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_what_was_overtaken_leads_to_what_took_its_place():
    living = pages(files())
    text = (ROOT / FOLDER / "README.md").read_text("utf-8")
    overtaken = dict(OVERTAKEN.findall(text))
    assert not overtaken.keys() & living.keys()
    assert set(overtaken.values()) <= set(living.values())
    assert set(re.findall(r"\((0\d{3})-", text)) == living.keys()


def test_a_reference_that_leads_nowhere_is_found():
    living = {"0001": "0001-turns-are-rows.md"}
    text = f"{FOLDER}/0001, {FOLDER}/0001-turns-are-rows.md, {FOLDER}/0001-old.md, {FOLDER}/0999"
    assert astray("a.py", text, living) == [f"{DECISIONS}/0001-old.md", f"{DECISIONS}/0999"]
    assert astray(f"{FOLDER}/0001.md", "[x](0998-door.md)", living) == ["0998-door.md"]
