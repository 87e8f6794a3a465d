"""Processes of the bench's own, beside the one that measures; each word is answered with a line.

A helper is a module with a `main` of its own: it waits for each `word`, and answers with `tell`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import subprocess
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import config

from bench.servers import CannotMeasure

PATIENCE_SECONDS = 60.0


class Helper:
    """The other end: its module, for sentences, and its process."""

    def __init__(self, module: str, process: subprocess.Popen[str]) -> None:
        self.module, self.process = module, process

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None  # noqa: S101 - it was asked for
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def hear(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Return its next line. Raises CannotMeasure where none comes within `seconds`."""
        assert self.process.stdout is not None  # noqa: S101 - it was asked for
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise CannotMeasure(f"{self.module} did not answer within {seconds:g} s")
        line = self.process.stdout.readline()
        if not line:
            raise CannotMeasure(f"{self.module} ended")
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, word: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Say a word, and return what is answered. Raises CannotMeasure."""
        self.tell(word)
        return self.hear(seconds)


@contextmanager
def helper(module: str, *arguments: str) -> Iterator[Helper]:
    """A helper that ends with the block, whatever it does then."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=config.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Helper(module, process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()


def outcome_of(module: str, plan: Any, file: Path, seconds: float) -> dict[str, Any]:
    """Run a helper to its end and return what it tells; `plan` (a dataclass) is written to `file`.

    Raises CannotMeasure where it fails or takes longer than `seconds`.
    """
    file.write_text(json.dumps(asdict(plan)), "utf-8")
    with helper(module, str(file)) as process:
        return process.hear(seconds)


# ---------------------------------------------------------------- in the helper's own process


async def word() -> str:
    """Wait for the next word; "" when the other end has gone."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return str(line).strip()


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)
