#!/usr/bin/env python3
r"""Bring the next version to one machine after the other, while the others answer.

    python3 deploy/rolling.py --node web1=http://10.0.0.1:8000 --node web2=http://10.0.0.2:8000 \
        --drain "ssh lb /opt/allo/bin/proxy drain {node}" \
        --replace "ssh {node} /opt/allo/bin/install-next" \
        --join "ssh lb /opt/allo/bin/proxy ready {node}"

Migrate first (`flask migrate`, `flask assets install`, once for all machines): the version that
runs works with the next one's tables. Nothing is done unless every node is ready. Then, for each
node in the order given: `--drain` takes it out of the proxy, `--replace` puts the next version
there and starts it, `/readyz` must answer 200 several times in a row, `--join` puts it back.
`--drain` and `--join` may be left out where the proxy asks `/readyz` itself: a web server that is
told to end says there that it goes. Where a node does not come back, the others are left as they
are, and one sentence says what has which version. It needs Python 3.11 and nothing else.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_OK = 200


class Stopped(Exception):
    """One sentence: which node did not come back and why, and what has which version."""


@dataclass(frozen=True)
class Node:
    """A machine: its name, as commands have it in the place of {node}, and its web server."""

    name: str
    url: str


@dataclass(frozen=True)
class Steps:
    """Commands of a shell; empty ones are left out. `replace` ends once the node was restarted."""

    replace: str
    drain: str = ""
    join: str = ""


def shell(command: str) -> tuple[int, str]:
    """Run a command; gives its exit code and the last line that it said."""
    ran = subprocess.run(  # noqa: S602 (an operator's own commands)
        command, shell=True, capture_output=True, text=True, check=False
    )
    said = [*ran.stdout.splitlines(), *ran.stderr.splitlines()]
    return ran.returncode, said[-1].strip() if said else ""


def ask_ready(url: str) -> tuple[int, str]:
    """What /readyz answers: its status and first line; 0 where no server answers."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310
            return int(answer.status), answer.readline().decode("utf-8", "replace").strip()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.readline().decode("utf-8", "replace").strip()
    except (OSError, ValueError) as error:
        return 0, type(error).__name__


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass
class Rolling:
    """`seconds` a node has to come back, with `steady` good answers in a row, a second apart."""

    nodes: Sequence[Node]
    steps: Steps
    seconds: float = 120.0
    steady: int = 3
    run: Callable[[str], tuple[int, str]] = shell
    ready: Callable[[str], tuple[int, str]] = ask_ready
    ticks: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = say
    done: list[str] = field(default_factory=list)

    def roll(self) -> None:
        """Replace all. Raises Stopped."""
        for node in self.nodes:
            status, said = self.ready(node.url)
            if status != _OK:
                raise Stopped(
                    f"{node.name} is not ready ({_answer(status, said)}), so nothing was done: mend"
                    " it first, or leave it out"
                )
        for node in self.nodes:
            self._replace(node)
            self.done.append(node.name)
            self.say(f"{node.name}: has the next version")

    def _replace(self, node: Node) -> None:
        self._does(node, "drain", self.steps.drain)
        self._does(node, "replace", self.steps.replace)
        self._comes_back(node)
        self._does(node, "join", self.steps.join)

    def _does(self, node: Node, step: str, command: str) -> None:
        if not command:
            return
        self.say(f"{node.name}: {step}")
        code, said = self.run(command.replace("{node}", shlex.quote(node.name)))
        if code:
            ending = f"ended with {code}" + (f" ({said})" if said else "")
            raise Stopped(self._sentence(node, f"--{step} {ending}"))

    def _comes_back(self, node: Node) -> None:
        self.say(f"{node.name}: wait for /readyz")
        until, good = self.ticks() + self.seconds, 0
        while True:
            status, said = self.ready(node.url)
            good = good + 1 if status == _OK else 0
            if good >= self.steady:
                return
            if self.ticks() >= until:
                why = f"did not come back within {self.seconds:.0f} s"
                raise Stopped(self._sentence(node, f"{why}: {_answer(status, said)}"))
            self.wait(1.0)

    def _sentence(self, node: Node, why: str) -> str:
        names = [node.name for node in self.nodes]
        left = names[names.index(node.name) + 1 :]
        return (
            f"{node.name}: {why}; it is out, {', '.join(self.done) or 'no node'} has the next"
            f" version, {', '.join(left) or 'no node'} the one before, and nothing more was done"
        )


def _answer(status: int, said: str) -> str:
    return f"/readyz says {status} {said}" if status else f"nobody answers ({said})"


def _node(said: str) -> Node:
    name, equals, url = said.partition("=")
    if not equals or not name or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{said!r} is not NAME=http://HOST:PORT")
    return Node(name, url.rstrip("/"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Give the exit code: 0 where every node has the next version."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--node", type=_node, action="append", required=True, metavar="NAME=URL")
    parser.add_argument("--replace", required=True, metavar="COMMAND")
    parser.add_argument("--drain", default="", metavar="COMMAND")
    parser.add_argument("--join", default="", metavar="COMMAND")
    parser.add_argument("--seconds", type=float, default=120.0, help="for a node to come back")
    parser.add_argument("--steady", type=int, default=3, help="good answers in a row")
    said = parser.parse_args(arguments)
    steps = Steps(said.replace, said.drain, said.join)
    try:
        Rolling(said.node, steps, said.seconds, said.steady).roll()
    except Stopped as stopped:
        sys.stderr.write(f"rolling: {stopped}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
