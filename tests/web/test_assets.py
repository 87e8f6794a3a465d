"""Files of pages: ours are served, those of others are fetched once, and nothing else is."""

from __future__ import annotations

import json
import stat
import subprocess

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from flask import Flask, url_for

import web.operations.assets

from commands import assets
from models.operations import shared_files
from services.health.shared_assets import OtherVersions, share
from tests.support.house import House
from tests.support.keeper import ROOT
from tests.support.rows import clock_of, on_the_wire

NPM = """#!/bin/sh
echo "$PWD|$*" >> "{log}"
{ending}
for path in {paths}; do
  mkdir -p "node_modules/$(dirname "$path")"
  echo "$path" > "node_modules/$path"
done
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space in its name, and an npm that brings what it should."""
    folder = tmp_path / "with a space"
    (folder / "bin").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (folder / name).write_bytes((ROOT / "web" / name).read_bytes())
    has_npm(folder)
    monkeypatch.setattr(assets, "npms", lambda: iter([[str(folder / "bin" / "npm")]]))
    return folder


def has_npm(folder: Path, ending: str = "", paths: tuple[str, ...] | None = None) -> None:
    wanted = paths if paths is not None else (*assets.FILES.values(), *assets.CHECKING.values())
    script = NPM.format(log=folder / "log", ending=ending, paths=" ".join(wanted))
    file = folder / "bin" / "npm"
    file.write_text(script)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def asked(folder: Path) -> list[str]:
    file = folder / "log"
    return file.read_text().splitlines() if file.exists() else []


def test_files_are_fetched_once_and_only_what_pages_use_is_kept(machine: Path):
    assert assets.install(machine, machine / "var")
    assert not assets.install(machine, machine / "var")
    (line,) = asked(machine)
    assert "|ci --ignore-scripts" in line
    assert "--omit=dev" in line
    kept = {path.name for path in (machine / "var" / "static").iterdir()}
    assert kept == {*assets.FILES, "installed"}
    assert not (machine / "var" / "npm").exists()


def test_where_they_are_there_nothing_is_written(machine: Path):
    """In an image, whose folders are closed to writing."""
    var = machine / "var"
    assert assets.install(machine, var)
    (var / "npm.lock").unlink()
    assert not assets.install(machine, var)
    assert not (var / "npm.lock").exists()


def test_another_lock_or_a_lost_file_fetches_them_again(machine: Path):
    assets.install(machine, machine / "var")
    (machine / "var" / "static" / "htmx.min.js").unlink()
    assert assets.install(machine, machine / "var")
    (machine / "package-lock.json").write_text("{}")
    assert assets.install(machine, machine / "var")
    assert len(asked(machine)) == 3


def test_checks_need_one_more(machine: Path):
    assets.install(machine, machine / "var")
    assert assets.install(machine, machine / "var", checks=True)
    assert (machine / "var" / "static" / "axe.min.js").is_file()
    assert "--omit=dev" not in asked(machine)[1]
    assert not assets.install(machine, machine / "var")


@pytest.mark.parametrize(
    ("ending", "said"),
    [("echo 'npm error network no way out' >&2; exit 1", "no way out"), ("exit 7", "exit code 7")],
)
def test_without_a_network_one_sentence_says_so(machine: Path, ending: str, said: str):
    has_npm(machine, ending)
    with pytest.raises(assets.CannotInstall, match=said):
        assets.install(machine, machine / "var")
    assert not (machine / "var" / "static" / "installed").exists()


def test_a_package_without_the_file_is_no_success(machine: Path):
    has_npm(machine, paths=())
    with pytest.raises(assets.CannotInstall, match="npm brought no"):
        assets.install(machine, machine / "var")


def test_without_any_npm_one_sentence_says_so(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assets, "npms", lambda: iter(()))
    with pytest.raises(assets.CannotInstall):
        assets.install(machine, machine / "var")


def test_the_npm_of_our_packages_works_without_one_on_the_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    (program,) = assets.npms()
    ran = subprocess.run(  # noqa: S603
        [*program, "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split(".")[0].isdigit()


def test_versions_are_exact_and_no_host_stands_in_the_lock():
    wanted = json.loads((ROOT / "web/package.json").read_text())
    lock = json.loads((ROOT / "web/package-lock.json").read_text())
    for version in (*wanted["dependencies"].values(), *wanted["devDependencies"].values()):
        assert version[0].isdigit()
    for name, package in lock["packages"].items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name
    assert "omit-lockfile-registry-resolved=true" in (ROOT / "web/.npmrc").read_text()


# ---------------------------------------------------------------- serving


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    (tmp_path / "pico.min.css").write_text("a{}")
    (tmp_path / "axe.min.js").write_text("checks")
    (tmp_path / "installed").write_text("stamp")
    made = Flask("files", static_folder=None)
    made.register_blueprint(web.operations.assets.blueprint(tmp_path, frozenset(assets.FILES)))
    return made


def test_a_file_is_kept_for_good_and_its_address_changes_with_it(app: Flask, tmp_path: Path):
    def address() -> str:
        with app.test_request_context():
            return url_for("assets.file", name="pico.min.css")

    first = address()
    with app.test_client().get(first) as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/css"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    (tmp_path / "pico.min.css").write_text("b{}  ")
    assert address() != first


@pytest.mark.parametrize(
    "name",
    [
        "axe.min.js",
        "installed",
        "htmx.min.js",
        "..%2Fassets.py",
        "../pages.py",
        "..",
        ".pico.min.css",
        "%2e%2e%2fpages.py",
        "site.css%00",
    ],
)
def test_nothing_else_is_served(app: Flask, name: str):
    with app.test_client().get(f"/assets/{name}") as answer:
        assert answer.status_code == 404


def test_pages_are_there_without_the_files_of_others(made: House):
    page = made.app.test_client().get("/connexion").text
    assert "/assets/site.css?v=" in page
    assert "/assets/pico.min.css" in page


# ---------------------------------------------------------------- machines of two versions


@dataclass
class Machine:
    """A machine of some version: its own files, and the store that all share."""

    house: House
    folder: Path
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.others = OtherVersions(self.house.store, ticks=lambda: self.seconds)
        self.app = Flask("files", static_folder=None)
        self.app.register_blueprint(
            web.operations.assets.blueprint(self.folder, frozenset(assets.FILES), self.others.find)
        )

    def installs(self, text: str) -> None:
        (self.folder / "htmx.min.js").write_text(text)
        share(self.house.store, {"htmx.min.js": self.folder / "htmx.min.js"})

    def address(self) -> str:
        with self.app.test_request_context():
            return url_for("assets.file", name="htmx.min.js")

    def gives(self, address: str) -> tuple[str, bool]:
        """What it answers, and whether a browser may keep that for good."""
        with self.app.test_client().get(address) as answer:
            assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
            kept = answer.cache_control
            return answer.get_data(as_text=True), bool(kept.immutable and not kept.no_cache)


@pytest.fixture
def two(service: House, tmp_path: Path) -> tuple[Machine, Machine]:
    old, new = Machine(service, tmp_path / "old"), Machine(service, tmp_path / "new")
    old.installs("of the old version")
    return old, new


def test_each_of_two_versions_gives_the_files_of_the_other(two: tuple[Machine, Machine]):
    """Without it a page of the one gets scripts of the other while a machine is replaced."""
    old, new = two
    new.installs("of the new version")
    for machine in two:
        assert machine.gives(old.address()) == ("of the old version", True)
        assert machine.gives(new.address()) == ("of the new version", True)


def test_a_sheet_is_the_same_from_the_machine_that_has_it_and_from_another(
    two: tuple[Machine, Machine],
):
    new = two[1]
    sheet = new.folder / "pico.min.css"
    sheet.write_text("/* of the next version */\nmain {\n  color: red;\n}\n")
    share(new.house.store, {sheet.name: sheet})
    with new.app.test_request_context():
        address = url_for("assets.file", name=sheet.name)
    given = [machine.app.test_client().get(address).get_data(as_text=True) for machine in two]
    assert given == ["main{color: red;}"] * 2


def test_a_machine_that_could_not_fetch_files_gives_those_of_another(
    two: tuple[Machine, Machine],
):
    old, new = two
    assert new.gives(new.address()) == ("of the old version", False)
    assert new.gives(old.address()) == ("of the old version", True)


def test_a_version_that_a_client_made_up_is_asked_for_once_in_a_while(
    two: tuple[Machine, Machine],
):
    old, _ = two
    old.gives(f"{old.address()}")
    with on_the_wire(old.house.database) as asked:
        for number in range(20):
            made_up = f"/assets/htmx.min.js?v={number:012x}"
            assert old.gives(made_up) == ("of the old version", False)
        assert old.gives("/assets/htmx.min.js?v=%00") == ("of the old version", False)
    assert len(asked) <= 2
    with old.app.test_client().get("/assets/evil.js?v=0123456789ab") as answer:
        assert answer.status_code == 404


def test_without_the_store_a_machine_gives_its_own(
    two: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
):
    old, _ = two

    def away() -> None:
        raise ConnectionError

    monkeypatch.setattr(old.house.database, "statement", away)
    assert old.gives("/assets/htmx.min.js?v=0123456789ab") == ("of the old version", False)
    assert old.gives(old.address()) == ("of the old version", True)


def test_old_versions_are_forgotten_but_the_last_ones(service: House, tmp_path: Path):
    machine = Machine(service, tmp_path / "machine")
    for number in range(6):
        machine.installs(f"version {number}")
        clock_of(service).advance(timedelta(days=40))
    machine.installs("version 6")
    with service.database.statement() as connection:
        kept = shared_files.listed(connection, shared_files.ASSETS)
    assert [tag for _, tag in kept] == [
        shared_files.tag_of(f"version {number}".encode()) for number in (4, 5, 6)
    ]


def test_all_that_pages_name_is_shared():
    names = frozenset(assets.FILES)
    shared = web.operations.assets.files(ROOT / "var" / "static", names)
    ours = {path.name for path in (ROOT / "web" / "static").iterdir() if path.is_file()}
    assert ours <= set(shared) <= ours | names


def test_styles_are_sent_without_comments_and_what_is_quoted_stays_as_it_is(made: House):
    sheet = """
        /* a { } */ .x  >  a:hover , .y :focus {
          content: "a  ;  b /* no */";
          width: calc(1px + 2px);
        }
    """
    lean = web.operations.assets.lean(sheet)
    assert lean == '.x > a:hover,.y :focus{content: "a  ;  b /* no */";width: calc(1px + 2px);}'
    sent = made.app.test_client().get("/assets/public.css").get_data(as_text=True)
    assert "/*" not in sent
    assert "body{display: flex;" in sent
    whole = (web.operations.assets.OURS / "public.css").read_text("utf-8")
    assert sent.count("{") == whole.count("{")
    assert len(sent) < 0.9 * len(whole)
