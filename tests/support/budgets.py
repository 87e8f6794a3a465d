"""Compare the sizes of this house with what budgets.toml allows.

`python -m tests.support.budgets` prints each size and its budget. It ends with 1 and a sentence for
each budget that is passed, or with a line and 0 if there is no git to ask.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from tests.support.keeper import ROOT

FILE = "budgets.toml"
# Folders that are no product of the service: their lines have a budget, their names have none.
BESIDE = ("tests", "exchange")
# Words that hide who acts, and names that hide what a list has.
HIDDEN_ACTORS = re.compile(r"\b(whoever|somebody|nobody|whom)\b", re.IGNORECASE)
HIDDEN_THINGS = re.compile(r"\bfor (one|item|it|x) in\b")
COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Budgets:
    """The most of each thing."""

    most: Mapping[str, int]

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a budgets file. Raises ValueError for a raise without figure, use or commit."""
        tables = tomllib.loads(text)
        raises = tables.pop("raised", [])
        most: Counter[str] = Counter()
        for table, figures in tables.items():
            most.update({f"{table}.{name}": figure for name, figure in figures.items()})
        for each in raises:
            is_used = each.get("figure") in most and str(each.get("users_get", "")).strip()
            if not is_used or not COMMIT.fullmatch(str(each.get("commit", ""))):
                needs = "a figure of this file, users_get, and 7 digits of the commit behind it"
                raise ValueError(f"{FILE}: a raise needs {needs}: {each}")
            most[each["figure"]] += each["by"]
        return cls(most)

    def passed(self, sizes: Mapping[str, int]) -> Iterator[str]:
        """Give a sentence for each budget that is passed, with how to go on."""
        for name, size in sorted(sizes.items()):
            most = self.most.get(name)
            if most is None:
                yield f"{name} has no budget: give it one in {FILE}"
            elif size > most:
                yield (
                    f"{name}: {size}, {size - most} more than its budget of {most}. Delete, or let"
                    f" a kept library do it. Where people get something for it, add to {FILE}:"
                    f' [[raised]] with figure = "{name}", by = {size - most}, users_get = "…" and'
                    ' commit = "…"'
                )


def sizes() -> dict[str, int]:
    """Count lines of Python by folder or "root", words of docs and hidden names."""
    found: Counter[str] = Counter()
    listed = git("ls-files", "--cached", "--others", "--exclude-standard")
    for path in set(listed.splitlines()):
        if not path.endswith((".md", ".py")) or not (ROOT / path).is_file():
            continue
        text = (ROOT / path).read_text("utf-8")
        if path.endswith(".md"):
            found["words.docs"] += len(text.split())
            continue
        folder, _, rest = path.partition("/")
        own_tests = folder == "exchange" and rest.startswith(("tests/", "testing/"))
        room = "exchange_tests" if own_tests else folder if rest else "root"
        found[f"lines.{room}"] += text.count("\n")
        if folder not in BESIDE:
            found["code.hidden_actors"] += len(HIDDEN_ACTORS.findall(text))
            found["code.hidden_things"] += len(HIDDEN_THINGS.findall(text))
    return dict(found)


def git(*arguments: str) -> str:
    """Return what git prints. Raises OSError without git, CalledProcessError when it refuses."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603


def main() -> None:
    """Print the sizes, and end with 1 and a sentence for each budget that is passed."""
    try:
        found = sizes()
        budgets = Budgets.read((ROOT / FILE).read_text("utf-8"))
    except (OSError, subprocess.CalledProcessError):
        sys.stdout.write("budgets: left out, for git does not know this folder\n")
        return
    except ValueError as problem:
        sys.exit(str(problem))
    for name, size in sorted(found.items()):
        sys.stdout.write(f"{name:32} {size:8} of {budgets.most.get(name, 0):8}\n")
    sys.exit("\n".join(budgets.passed(found)) or 0)


if __name__ == "__main__":
    main()
