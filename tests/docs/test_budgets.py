"""The house stays one that three people can own: no budget is passed in silence."""

from __future__ import annotations

import subprocess

from pathlib import Path

import pytest

from tests.support.budgets import FILE, Budgets, sizes
from tests.support.keeper import ROOT

SMALL = """
[lines]
flows = 2
[words]
docs = 3
[code]
files_above_600_lines = 0
hidden_actors = 0
hidden_things = 0
"""


def test_no_budget_is_passed():
    budgets = Budgets.read((ROOT / FILE).read_text("utf-8"))
    assert list(budgets.passed(sizes())) == []


def checkout(folder: Path, **files: str) -> dict[str, int]:
    """The sizes of a checkout that has these files: `flows__steps` stands for flows/steps.py."""
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)  # noqa: S607
    for name, text in files.items():
        ending = ".md" if name == "README" else ".py"
        path = folder / (name.replace("__", "/") + ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return sizes(folder)


def test_a_passed_budget_says_which_by_how_much_and_how_to_raise_it(tmp_path: Path):
    found = checkout(tmp_path, flows__steps="a = 1\nb = 2\nc = 3\n", README="one two three")
    (told,) = Budgets.read(SMALL).passed(found)
    assert told.startswith("lines.flows: 3, 1 more than its budget of 2.")
    assert 'figure = "lines.flows", by = 1 and users_get' in told
    raised = '[[raised]]\nfigure = "lines.flows"\nby = 1\nusers_get = "a third step"\n'
    assert list(Budgets.read(SMALL + raised).passed(found)) == []


@pytest.mark.parametrize(
    "raised", ['figure = "lines.flows"', 'figure = "lines.x"\nusers_get = "x"']
)
def test_a_budget_is_not_raised_without_what_a_user_gets_or_for_what_is_not_there(raised: str):
    with pytest.raises(ValueError, match="users_get"):
        Budgets.read(f"{SMALL}[[raised]]\nby = 1\n{raised}\n")


def test_a_new_folder_needs_a_budget(tmp_path: Path):
    (told,) = Budgets.read(SMALL).passed(checkout(tmp_path, other__thing="a = 1\n"))
    assert told.startswith("lines.other has no budget")


def test_names_that_hide_who_acts_or_what_a_list_has_are_counted_in_the_product_alone(
    tmp_path: Path,
):
    hidden = "# Whoever rings, and nobody else.\nfor one in []:\n    pass\n"
    found = checkout(tmp_path, flows__steps=hidden, tests__test_steps=hidden)
    assert (found["code.hidden_actors"], found["code.hidden_things"]) == (2, 1)
    assert (found["lines.flows"], found["lines.tests"]) == (3, 3)


def test_a_long_file_counts(tmp_path: Path):
    found = checkout(tmp_path, flows__long="a = 1\n" * 601, flows__not="a = 1\n" * 600)
    assert found["code.files_above_600_lines"] == 1
