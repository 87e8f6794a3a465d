"""The bill of materials of a release, and the look for known holes: "none" is never said unseen."""

from __future__ import annotations

import json
import re
import shutil

from collections.abc import Sequence
from pathlib import Path

import pytest

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.support import audit
from tests.support.audit import FOUND, NONE, NOT_LOOKED, NotReached, report
from tests.support.keeper import ROOT
from tests.support.sbom import EXTRAS, bill, components, main

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


# ---------------------------------------------------------------- the bill


def test_it_is_valid_cyclonedx_and_the_same_each_time():
    text = bill()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert bill() == text
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str('{"bomFormat": "x"}') is not None


def test_it_has_every_library_of_the_locks_with_its_version_and_hashes():
    told = json.loads(bill())
    purls = {one["purl"]: one for one in told["components"]}
    for lock in ("requirements.txt", "requirements/sip.txt", "requirements/tracing.txt"):
        pinned = PINNED.findall((ROOT / lock).read_text("utf-8"))
        assert len(pinned) > 3
        for name, version in pinned:
            assert f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}" in purls
    assert "pkg:npm/htmx.org@2.0.11" in purls
    assert "pkg:npm/%40picocss/pico@2.1.1" in purls
    # What the checks alone need is in no release.
    assert not [purl for purl in purls if "axe-core" in purl or "pytest" in purl]
    for one in purls.values():
        assert one["hashes"], one["purl"]
    assert purls["pkg:pypi/flask@" + version_of("flask")]["scope"] == "required"
    assert purls["pkg:pypi/aiortp@0.8.0"]["scope"] == "optional"


def version_of(name: str) -> str:
    pinned = PINNED.findall((ROOT / "requirements.txt").read_text("utf-8"))
    return str(dict(pinned)[name])


def test_it_changes_with_a_lock(tmp_path: Path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "web").mkdir()
    for name in ("requirements.txt", *EXTRAS, "web/package-lock.json", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    before = bill(tmp_path)
    lock = tmp_path / "requirements.txt"
    version = version_of("flask")
    lock.write_text(lock.read_text("utf-8").replace(f"flask=={version}", "flask==0.0.1"), "utf-8")
    after = bill(tmp_path)
    assert "pkg:pypi/flask@0.0.1" in after
    assert json.loads(before)["serialNumber"] != json.loads(after)["serialNumber"]


def test_it_is_written_where_one_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "release" / "bill.json"
    assert main([str(file)]) == 0
    assert file.read_text("utf-8") == bill()
    assert f"{len(components())} components" in capsys.readouterr().out


# ---------------------------------------------------------------- known holes


class Source:
    """A source of advisories: what it knows by name and version, and whether it answers."""

    def __init__(self, holes: dict[str, str], *, answers: bool = True, skips: str = "") -> None:
        self.holes, self.answers, self.skips = holes, answers, skips
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str], folder: Path) -> str:
        self.asked.append(" ".join(command))
        if not self.answers:
            return ""
        if "audit" in command:
            return self._npm(folder)
        assert "--strict" in command
        parts = PINNED.findall(Path(command[-1]).read_text("utf-8"))
        told = [
            {"name": name, "skip_reason": "not found"}
            if name == self.skips
            else {"name": name, "version": version, "vulns": self._of(name)}
            for name, version in parts
        ]
        return json.dumps({"dependencies": told})

    def _of(self, name: str) -> list[dict[str, str]]:
        return [{"id": self.holes[name]}] if name in self.holes else []

    def _npm(self, folder: Path) -> str:
        locked = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
        names = {path.rpartition("node_modules/")[2] for path in locked if path}
        found = {one: {"severity": "high"} for one in names if one in self.holes}
        return json.dumps({"auditReportVersion": 2, "vulnerabilities": found})


GOOD = {"jinja2": "PYSEC-2019-217", "lodash": "GHSA-x"}


def said_by(source: Source) -> tuple[int, str]:
    said: list[str] = []
    status = report(
        {
            "Python": lambda: audit.look_at_python("pip-audit", ROOT, source),
            "scripts": lambda: audit.look_at_scripts(["npm"], ROOT / "web", source),
        },
        said.append,
    )
    return status, "\n".join(said)


def without_jinja(source: Source) -> Source:
    """Our own Jinja has no hole; the one that is known to have some is another version."""
    of = source._of

    def only_the_old(name: str) -> list[dict[str, str]]:
        old = "known.txt" in source.asked[-1]
        return of(name) if name != "jinja2" or old else []

    source._of = only_the_old  # type: ignore[method-assign]
    return source


def test_where_nothing_is_known_of_ours_it_says_so_after_a_look():
    source = without_jinja(Source(GOOD))
    status, said = said_by(source)
    assert (status, said) == (
        NONE,
        "Python: looked up, no known hole\nscripts: looked up, no known hole",
    )
    for lock in audit.LOCKS:
        assert any(asked.endswith(lock) for asked in source.asked)


def test_a_hole_is_named():
    status, said = said_by(without_jinja(Source(GOOD | {"flask": "GHSA-1", "htmx.org": "GHSA-2"})))
    assert status == FOUND
    assert f"flask {version_of('flask')}: GHSA-1" in said
    assert "htmx.org: high" in said


@pytest.mark.parametrize(
    "source",
    [
        Source(GOOD, answers=False),
        # It answers, and knows nothing of what everybody knows.
        Source({}),
    ],
)
def test_without_a_source_nothing_is_said_about_holes(source: Source):
    status, said = said_by(source)
    assert status == NOT_LOOKED
    assert said.count("not looked up") == 2
    assert "no known hole" not in said


def test_a_library_that_was_skipped_was_not_looked_up():
    with pytest.raises(NotReached):
        audit.look_at_python("pip-audit", ROOT, without_jinja(Source(GOOD, skips="flask")))


def test_a_hole_counts_more_than_a_source_that_is_away():
    away = Source(GOOD, answers=False)
    there = without_jinja(Source(GOOD | {"flask": "GHSA-1"}))
    said: list[str] = []
    looks = {
        "Python": lambda: audit.look_at_python("pip-audit", ROOT, there),
        "scripts": lambda: audit.look_at_scripts(["npm"], ROOT / "web", away),
    }
    assert report(looks, said.append) == FOUND
    assert report(dict(reversed(looks.items())), said.append) == FOUND


def test_a_program_that_is_not_there_is_no_answer(tmp_path: Path):
    assert audit.run(["/no/such/program"], tmp_path) == ""
