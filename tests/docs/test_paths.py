"""Files and modules that the docs name are there."""

from __future__ import annotations

import re
import subprocess

from pathlib import Path

from tests.support.keeper import ROOT

PACKAGES = (
    "bench|campaigns|commands|deploy|exchange|flows|ivr|jobs|launcher|models|partners|prompts"
    "|services|simulator|tests|web"
)
# A path from the root, a module with its package, or a file by its name alone, in backticks.
PATH = re.compile(rf"`(?P<path>(?:{PACKAGES})/[\w./-]*)(?:::\w+)?`")
MODULE = re.compile(rf"`(?P<module>(?:{PACKAGES})(?:\.[a-z_]+)+)(?:\.\w+)*`")
FILE = re.compile(r"`(?P<file>[a-z_]+\.py)`")


def pages() -> list[Path]:
    """What a newcomer reads. Decisions tell of their day, and the changelog of all days."""
    docs = [page for page in (ROOT / "docs").glob("*.md") if page.name != "performance.md"]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(docs)]


def files() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.splitlines())


def is_there(path: str, known: set[str]) -> bool:
    return path in known or any(one.startswith(path.rstrip("/") + "/") for one in known)


def module_is_there(module: str, known: set[str]) -> bool:
    """The module itself, or one of which this is a name."""
    parts = module.split(".")
    return any(
        is_there("/".join(parts[:length]) + ending, known)
        for length in range(2, len(parts) + 1)
        for ending in (".py", "/__init__.py")
    )


def missing(text: str, known: set[str]) -> list[str]:
    names = {path.rpartition("/")[2] for path in known}
    return [
        *(path for path in PATH.findall(text) if not is_there(path, known)),
        *(module for module in MODULE.findall(text) if not module_is_there(module, known)),
        *(file for file in FILE.findall(text) if file not in names),
    ]


def test_what_the_docs_name_is_there():
    known = files()
    found = {
        str(page.relative_to(ROOT)): missing(page.read_text("utf-8"), known) for page in pages()
    }
    assert {page: names for page, names in found.items() if names} == {}


def test_a_name_that_is_not_there_is_found():
    there = "`services/slots/allocate.py`, `models.slots.places.hold`, `allocate.py`"
    text = f"{there}, `services/door.py`, `models.door`, `door.py`"
    assert missing(text, files()) == ["services/door.py", "models.door", "door.py"]
