"""A version is released once, from what is committed, and says what an operator must do."""

from __future__ import annotations

import json

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import config

from tests.support.keeper import ROOT
from tests.support.release import main, operators_lines, problems, sections, write

WELL = """# Changelog

## Unreleased

- More.

### What an operator must do

- Nothing.

## 0.2.0 (2026-12-01)

- Much.

### What an operator must do

- Run `flask migrate`.
- Give `PROXY_HOPS`.

## 0.1.0 (2026-11-01)

- Some.
"""


@dataclass
class Repository:
    """What git says of one that is as a release wants it."""

    changed: str = ""
    tags: str = ""
    done: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, *arguments: str) -> str:
        self.done.append(arguments)
        if arguments[0] == "status":
            return self.changed
        return self.tags if arguments[:2] == ("tag", "--list") else ""


def test_each_section_of_the_changelog_says_what_an_operator_must_do():
    found = sections((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert "Unreleased" in found
    assert [version for version, one in found.items() if not operators_lines(one)] == []


def test_the_lines_are_those_of_one_version():
    assert operators_lines(sections(WELL)["0.2.0"]) == [
        "- Run `flask migrate`.",
        "- Give `PROXY_HOPS`.",
    ]


def test_what_is_as_it_must_be_may_be_released():
    assert problems("0.2.0", WELL, "0.2.0", Repository()) == []


@pytest.mark.parametrize(
    ("version", "project", "git", "sentence"),
    [
        ("0.2", "0.2", Repository(), "'0.2' is no version"),
        ("0.3.0", "0.3.0", Repository(), "CHANGELOG.md has no section 0.3.0"),
        ("0.2.0", "0.1.0", Repository(), "pyproject.toml says 0.1.0"),
        ("0.2.0", "0.2.0", Repository(changed=" M config.py"), "changes that are not committed"),
        ("0.2.0", "0.2.0", Repository(tags="v0.2.0"), "the tag v0.2.0 is there already"),
        ("0.1.0", "0.1.0", Repository(), "says nothing under"),
        ("Unreleased", "Unreleased", Repository(), "gives no day"),
    ],
)
def test_what_speaks_against_it_is_said(version: str, project: str, git: Repository, sentence: str):
    assert any(sentence in one for one in problems(version, WELL, project, git))


def test_nothing_is_written_where_something_speaks_against_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    git = Repository(changed=" M config.py")
    assert main(["0.9.9"], git, tmp_path / "none") == 1
    assert capsys.readouterr().err.count("release: ") == 3
    assert not (tmp_path / "none").exists()
    assert not [one for one in git.done if one[0] in {"archive", "tag"} and "--list" not in one]
    assert main([]) == 2


def test_a_release_has_its_bill_of_materials(tmp_path: Path):
    git = Repository()
    archive, materials = write("0.2.0", tmp_path, git)
    assert git.done == [("archive", "--prefix=allo-rendez-vous-0.2.0/", "-o", str(archive), "HEAD")]
    assert json.loads(materials.read_text("utf-8"))["bomFormat"] == "CycloneDX"


def test_the_version_is_said_in_one_place():
    assert f'version = "{config.version()}"' in (ROOT / "pyproject.toml").read_text("utf-8")
