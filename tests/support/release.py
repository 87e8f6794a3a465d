"""A release: what must be so is looked at, its files are written, and it is tagged.

    python -m tests.support.release VERSION [--dry-run]

Every reason against it is said at once, and nothing is written then. Else var/release has the
archive of the commit and the bill of materials, and the commit bears the tag vVERSION, which is
pushed by hand. Each section of CHANGELOG.md tells what an operator must do.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.support.keeper import ROOT
from tests.support.sbom import bill

OPERATORS: Final = "### What an operator must do"
# "## 0.2.0 (2026-12-01)", and the one that is being written.
_SECTION: Final = re.compile(r"^## (?P<version>\S+)(?P<rest>.*)$", re.MULTILINE)
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+")
_DATED: Final = re.compile(r" \(\d{4}-\d{2}-\d{2}\)")

# Runs git with these arguments, and gives what it printed.
Git = Callable[..., str]


def sections(changelog: str) -> dict[str, str]:
    """What stands under each version, its heading included."""
    found = list(_SECTION.finditer(changelog))
    ends = [one.start() for one in found[1:]] + [len(changelog)]
    return {
        one["version"]: changelog[one.start() : end] for one, end in zip(found, ends, strict=True)
    }


def operators_lines(section: str) -> list[str]:
    """What an operator must do, a line each; "Nothing." is one, too."""
    _, heading, rest = section.partition(f"\n{OPERATORS}\n")
    if not heading:
        return []
    own = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return [line for line in own.splitlines() if line.startswith("- ")]


def problems(version: str, changelog: str, project: str, git: Git) -> list[str]:
    """Why this version may not be released, a sentence each; empty where it may."""
    found = []
    if not _VERSION.fullmatch(version):
        found.append(f"{version!r} is no version: three numbers, as 0.2.0")
    if version != project:
        found.append(f"pyproject.toml says {project}: write {version} there, and commit it")
    if git("status", "--porcelain").strip():
        found.append("there are changes that are not committed: commit them, or put them aside")
    if git("tag", "--list", f"v{version}").strip():
        found.append(f"the tag v{version} is there already: a version is released once")
    section = sections(changelog).get(version, "")
    if not section:
        found.append(f"CHANGELOG.md has no section {version}: give what is unreleased its heading")
    else:
        if not _DATED.fullmatch(section.splitlines()[0].removeprefix(f"## {version}")):
            found.append(f"CHANGELOG.md gives no day: ## {version} (2026-12-01)")
        if not operators_lines(section):
            found.append(f'CHANGELOG.md says nothing under "{OPERATORS}" of {version}')
    return found


def write(version: str, folder: Path, git: Git) -> list[Path]:
    """The files of a release."""
    folder.mkdir(parents=True, exist_ok=True)
    archive, materials = (
        folder / f"allo-rendez-vous-{version}.tar.gz",
        folder / f"allo-rendez-vous-{version}.cdx.json",
    )
    prefix = f"allo-rendez-vous-{version}/"
    git("archive", f"--prefix={prefix}", "-o", str(archive), "HEAD")
    materials.write_text(bill(), "utf-8")
    return [archive, materials]


def run_git(*arguments: str) -> str:
    """Raises CalledProcessError."""
    return subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def main(arguments: Sequence[str], git: Git = run_git, folder: Path = ROOT / "var/release") -> int:
    """Look, write and tag; gives the exit status."""
    given = [one for one in arguments if one != "--dry-run"]
    if len(given) != 1:
        sys.stderr.write("which version? make release ARGS='0.2.0 --dry-run'\n")
        return 2
    (version,) = given
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    found = problems(version, changelog, project, git)
    for sentence in found:
        sys.stderr.write(f"release: {sentence}\n")
    if found:
        return 1
    if "--dry-run" in arguments:
        sys.stdout.write(f"{version} may be released; nothing is written.\n")
        return 0
    for file in write(version, folder, git):
        sys.stdout.write(f"{file}\n")
    git("tag", "-a", f"v{version}", "-m", f"Allô Rendez-vous {version}")
    sys.stdout.write(f"Tagged v{version}: git push origin v{version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
