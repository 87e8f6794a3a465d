"""What three people can own: the sizes of this house, against what budgets.toml allows.

    python -m tests.support.budgets

prints each size and its budget.
"""

from __future__ import annotations

import re
import subprocess
import tomllib

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.keeper import ROOT

FILE = "budgets.toml"
LONG_FILE = 600
# What is counted apart, and by itself: it is no product of the service.
BESIDE = ("tests", "exchange")
# Words that hide who acts, and names that hide what a list has.
HIDDEN_ACTORS = re.compile(r"\b(whoever|somebody|nobody|whom)\b", re.IGNORECASE)
HIDDEN_THINGS = re.compile(r"\bfor (one|item|it|x) in\b")


@dataclass(frozen=True)
class Budgets:
    """The most of each thing: `begun` with, and what each raise added, with what a user got."""

    begun: Mapping[str, int]
    raised: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """From the text of a file. Raises ValueError for a raise that names no use or figure."""
        told = tomllib.loads(text)
        begun = {
            f"{table}.{name}": most
            for table, figures in told.items()
            if table != "raised"
            for name, most in figures.items()
        }
        raised = tuple(told.get("raised", ()))
        for each in raised:
            if each.get("figure") not in begun or not str(each.get("users_get", "")).strip():
                raise ValueError(
                    f"{FILE}: a raise needs a figure of this file and users_get: {each}"
                )
        return cls(begun, raised)

    @property
    def most(self) -> Mapping[str, int]:
        """What may be there of each thing today."""
        allowed = Counter(self.begun)
        for each in self.raised:
            allowed[each["figure"]] += each["by"]
        return allowed

    def passed(self, sizes: Mapping[str, int]) -> Iterator[str]:
        """A sentence for each budget that is passed, with how to go on."""
        for name, size in sorted(sizes.items()):
            most = self.most.get(name)
            if most is None:
                yield f"{name} has no budget: give it one in {FILE}"
            elif size > most:
                yield (
                    f"{name}: {size}, {size - most} more than its budget of {most}. Delete, or let"
                    f" a kept library do it. Where people get something for it, add to {FILE}:"
                    f' [[raised]] with figure = "{name}", by = {size - most} and users_get = "…"'
                )


def sizes(root: Path = ROOT) -> dict[str, int]:
    """The sizes of a checkout: lines of Python by folder, long files, words of docs, hidden names.

    Files that stand at the root count as "root".
    """
    found: Counter[str] = Counter()
    for path in _tracked(root):
        file = root / path
        if path.endswith(".md"):
            found["words.docs"] += len(file.read_text("utf-8").split())
        if not path.endswith(".py"):
            continue
        folder, _, rest = path.partition("/")
        text = file.read_text("utf-8")
        lines = text.count("\n")
        found[f"lines.{_room(folder, rest)}"] += lines
        if folder in BESIDE:
            continue
        found["code.files_above_600_lines"] += lines > LONG_FILE
        found["code.hidden_actors"] += len(HIDDEN_ACTORS.findall(text))
        found["code.hidden_things"] += len(HIDDEN_THINGS.findall(text))
    return dict(found)


def _room(folder: str, rest: str) -> str:
    if not rest:
        return "root"
    own_tests = folder == "exchange" and rest.startswith(("tests/", "testing/"))
    return "exchange_tests" if own_tests else folder


def _tracked(root: Path) -> list[str]:
    """Each file that is committed, or would be, and is there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in sorted(set(listed.stdout.splitlines())) if (root / path).is_file()]


def main() -> None:
    """Print them."""
    budgets = Budgets.read((ROOT / FILE).read_text("utf-8"))
    for name, size in sorted(sizes().items()):
        print(f"{name:32} {size:8} of {budgets.most.get(name, 0):8}")  # noqa: T201


if __name__ == "__main__":
    main()
