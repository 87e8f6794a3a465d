"""Nobody goes round the door: who writes to places, found by reading the code itself."""

from __future__ import annotations

import ast
import re

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.keeper import ROOT

# Of models.slots.places, what changes who holds or has a place.
WRITERS = frozenset(
    {
        "hold", "hold_slot", "renewal", "book", "give_up", "unbook", "unbook_and_hold", "keep",
        "release", "forget_ended", "hand_over", "block_free",
    }
)  # fmt: skip
# Those that no other table has.
COLUMNS = frozenset({"held_by", "hold_expires_at", "hold_limit_at", "blocked"})
TABLE = "models.slots.tables.place"
STATEMENTS = frozenset({"update", "insert", "delete"})
RAW = re.compile(r"\b(?:update|insert\s+into|delete\s+from)\s+\"?place\"?(?=\s|\()", re.IGNORECASE)

# Who may, and why.
THE_DOOR = {
    "services/slots/allocate.py": "the door itself",
    "services/slots/give_back.py": "its other side",
    "models/slots/places.py": "the statements behind it",
    "models/slots/services.py": "says what places are for: nobody gets or loses one by it",
    "models/slots/slots.py": "opens slots: new places, which nobody has yet",
    "models/call/turns.py": "renews a live call's holds in the statement that saves its session",
    "models/online/web_sessions.py": "the same for a visit, with the answer that prolongs its hold",
    "models/queue/order.py": "renews what a waiting caller had chosen where their place is read",
    "models/partners/mirror.py": "as a partner's agenda shows: nobody gets or loses one by it",
    "models/centre_day/operations.py": "an operator blocks and adds places; nobody gets one by it",
    "jobs/scheduler.py": "tidies up holds that have run out: they were free already",
}
# Not the service.
ELSEWHERE = {"tests", "bench", "var", "shared", "data", "docs", "node_modules"}
# Besides, tables come and go in migrations.
MIGRATIONS = "models/migrations/"


def python_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.py")):
        where = path.relative_to(ROOT)
        top = where.parts[0]
        if top in ELSEWHERE or top.startswith(".") or str(where).startswith(MIGRATIONS):
            continue
        yield path


class Finder(ast.NodeVisitor):
    """Finds what writes to places, whatever names a module gives to what it imports."""

    def __init__(self) -> None:
        # Local name -> what it is, with its module.
        self.names: dict[str, str] = {}
        self.found: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        for name in node.names:
            self.names[name.asname or name.name] = name.name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name in node.names:
            whole = f"{node.module}.{name.name}"
            self.names[name.asname or name.name] = whole
            if name.name in WRITERS and whole.startswith("models.slots.places."):
                self.found.add(whole)
            if whole == "models.slots.places.*":
                self.found.add(whole)

    def whole_name(self, node: ast.AST) -> str:
        """`places.book` as models.slots.places.book; empty for what is no plain name."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            dotted = f"{ast.unparse(node.value)}"
            return f"{self.names.get(dotted, self.whole_name(node.value))}.{node.attr}"
        return ""

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in WRITERS:
            name = self.whole_name(node)
            if name.startswith("models.slots.places."):
                self.found.add(name)
        # place.update(), place.insert(), place.delete() of the table.
        if node.attr in STATEMENTS and self.is_table(node.value):
            self.found.add(f"place.{node.attr}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        func = node.func
        called = func.attr if isinstance(func, ast.Attribute) else self.whole_name(func)
        called = called.rpartition(".")[2]
        if called in STATEMENTS and any(self.is_table(arg) for arg in node.args):
            self.found.add(f"{called}(place)")
        if called in {"getattr", "import_module", "__import__"}:
            said = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            if said & WRITERS and any("places" in ast.unparse(arg) for arg in node.args):
                self.found.add(f"{called} of models.slots.places")
            if "models.slots.places" in said:
                self.found.add(f"{called} of models.slots.places")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and RAW.search(node.value):
            self.found.add("SQL: " + " ".join(node.value.split())[:60])

    def is_table(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return self.whole_name(node.func) == f"{TABLE}.alias"
        return self.whole_name(node) == TABLE


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def writes_to_places(source: str) -> set[str]:
    # Whatever is found has the word, or is imported from a module that has it in its name.
    if "place" not in source.casefold():
        return set()
    finder = Finder()
    tree = parsed(source)
    # Imports first: a function may stand above one that is further down.
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            finder.visit(node)
    finder.visit(tree)
    # Prose that tells of SQL is no SQL.
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            said = ast.get_docstring(node, clean=False)
            if said and RAW.search(said):
                finder.found.discard("SQL: " + " ".join(said.split())[:60])
    return finder.found


def scanned() -> dict[str, set[str]]:
    return {
        str(path.relative_to(ROOT)): writes_to_places(path.read_text("utf-8"))
        for path in python_files()
    }


def test_only_the_door_writes_to_places() -> None:
    round_the_door = {
        path: sorted(found) for path, found in scanned().items() if found and path not in THE_DOOR
    }
    assert round_the_door == {}, "go through the door: services/slots/allocate.py, give_back.py"


def test_whoever_is_on_the_list_still_needs_it():
    found = scanned()
    assert [path for path in THE_DOOR if not found.get(path)] == []


def test_every_writing_statement_is_on_the_list():
    """A new function of `places` that writes must be known here, or the scan is blind."""
    tree = ast.parse((ROOT / "models/slots/places.py").read_text("utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    writing = {
        name
        for name, node in functions.items()
        if any(
            isinstance(one, ast.Call)
            and isinstance(one.func, ast.Name)
            and one.func.id in STATEMENTS
            for one in ast.walk(node)
        )
    }
    prepared = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and "update(place)" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    # Whoever uses one that writes writes, too.
    while True:
        more = {
            name
            for name, node in functions.items()
            if name not in writing
            and any(
                isinstance(one, ast.Name) and one.id in writing | prepared for one in ast.walk(node)
            )
        }
        if not more:
            break
        writing |= more
    assert {name for name in writing if not name.startswith("_")} == WRITERS


def test_the_service_changes_no_place_through_columns_named_elsewhere():
    """`.values(held_by=…)` outside of the statements' own files."""
    found = {}
    for path in python_files():
        where = str(path.relative_to(ROOT))
        source = path.read_text("utf-8")
        if where in THE_DOOR or not any(column in source for column in COLUMNS):
            continue
        tree = parsed(source)
        names = {
            keyword.arg
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "values"
            for keyword in node.keywords
            if keyword.arg in COLUMNS
        }
        if names:
            found[where] = sorted(names)
    assert found == {}


PLANTED = {
    "a call": "from models.slots import places\ndef f(c):\n    places.book(c, 1, 'web', [1], 'b')",
    "another name": "import models.slots.places as p\ndef f(c):\n    p.release(c, 'x')",
    "the whole name": "import models.slots.places\ndef f(c):\n models.slots.places.unbook(c, 'x')",
    "one function": "from models.slots.places import hold as h\n",
    "everything": "from models.slots.places import *\n",
    "a reference": "from models.slots import places\nf = places.keep\n",
    "by its name": "from models.slots import places\ndef f(c):\n    getattr(places, 'book')(c)",
    "an import at work": "import importlib\np = importlib.import_module('models.slots.places')\n",
    "an update": (
        "from sqlalchemy import update\nfrom models.slots.tables import place\n"
        "s = update(place).values(booking_id='b')"
    ),
    "an update by another name": (
        "import sqlalchemy as sa\nfrom models.slots import tables\n"
        "s = sa.update(tables.place).values(held_by='b')"
    ),
    "the table's own": (
        "from models.slots.tables import place as t\ns = t.update().values(blocked=True)"
    ),
    "an insert": (
        "from sqlalchemy.dialects.postgresql import insert\nfrom models.slots.tables import place\n"
        "s = insert(place)"
    ),
    "a delete": (
        "from sqlalchemy import delete\nfrom models.slots.tables import place\ns = delete(place)"
    ),
    "SQL": "SQL = 'UPDATE place SET held_by = NULL'",
    "SQL in lines": "SQL = '''\n  insert into\n  place (id) values (1)'''",
    "SQL put together": "def f(n):\n    return f'UPDATE place SET booking_id = {n}'",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED.keys())
def test_the_scan_finds_what_is_planted(source: str):
    assert writes_to_places(source)


HARMLESS = {
    "reading": (
        "from models.slots import places\nfrom models.slots.tables import place\n"
        "from sqlalchemy import select\ns = select(place).where(slot_query.is_free(1, place))"
    ),
    "another table": (
        "from sqlalchemy import update\nfrom models.booking.tables import booking\n"
        "s = update(booking).values(state='x')"
    ),
    "another's word": "def f(file):\n    file.release()\n    file.book(1)",
    "prose": "def f():\n    '''Nobody may update place by hand.'''",
    "a longer name": "SQL = 'UPDATE place_of_birth SET x = 1'",
}


@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS.keys())
def test_the_scan_lets_the_rest_alone(source: str):
    assert writes_to_places(source) == set()
