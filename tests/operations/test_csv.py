"""CSV is written by one function, and no text in it is a formula to a spreadsheet."""

from __future__ import annotations

import ast
import csv
import io

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.csv_cells import FORMULAS, write_rows
from tests.support.keeper import ROOT

WRITER = Path("services/csv_cells.py")
# It makes the extracts in data/, which the product reads and no person opens: a number +33… must
# stay one there.
MACHINES = {Path("data/extract.py")}
NOT_OURS = {".venv", "var", "tests", "node_modules", ".git"}


def sources() -> Iterator[Path]:
    for path in ROOT.rglob("*.py"):
        inside = path.relative_to(ROOT)
        if not NOT_OURS & set(inside.parts):
            yield inside


def writes(source: str) -> bool:
    """Whether it names a writer of the module csv, by whatever name it imports it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in {"writer", "DictWriter", "to_csv"}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "csv":
            return any(one.name in {"writer", "DictWriter", "*"} for one in node.names)
    return False


def test_nothing_else_writes_csv():
    # To be read as Python takes long; a writer of the module is not had without its name.
    texts = {path: (ROOT / path).read_text("utf-8") for path in sources()}
    found = {path for path, text in texts.items() if "csv" in text and writes(text)}
    assert found - MACHINES == {WRITER}


@pytest.mark.parametrize(
    "source",
    [
        "import csv\ncsv.writer(file)",
        "import csv as c\nc.DictWriter(file, [])",
        "from csv import writer",
    ],
)
def test_a_writer_is_known_by_any_name(source: str):
    assert writes(source)


@pytest.mark.parametrize("first", FORMULAS)
def test_a_formula_becomes_a_text(first: str):
    file = io.StringIO(newline="")
    write_rows(file, [["name", "count"], [f"{first}1+1", -3], [None, 1.5]])
    file.seek(0)
    assert list(csv.reader(file)) == [["name", "count"], [f"'{first}1+1", "-3"], ["", "1.5"]]
