"""Tables say what they are: RGAA 5.4."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

from tests.support.keeper import ROOT

TEMPLATES = ROOT / "web" / "templates"
TABLE = re.compile(r"<table\b([^>]*)>\s*(<caption\b)?")
TITLE = re.compile(r'aria-labelledby="([^"]+)"')
PAGES = sorted(path for path in TEMPLATES.rglob("*.html") if "<table" in path.read_text("utf-8"))


def untitled(page: str) -> list[str]:
    """The tables of a template that nothing names: no caption, and no title of the same page."""
    return [
        found[0]
        for found in TABLE.finditer(page)
        if found[2] is None
        and not ((title := TITLE.search(found[1])) and f'id="{title[1]}"' in page)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.parent.name + "/" + path.name)
def test_a_table_has_a_title_that_is_tied_to_it(path: Path):
    assert untitled(path.read_text("utf-8")) == []


def test_one_without_or_with_another_pages_title_is_found():
    assert len(untitled('<h2 id="a-title">A</h2><table><tr>')) == 1
    assert len(untitled('<table aria-labelledby="elsewhere-title">')) == 1
    assert untitled('<h2 id="a-title">A</h2><table aria-labelledby="a-title">') == []
    assert untitled('<table class="stacks">\n  <caption class="visually-hidden">A</caption>') == []
