"""Why the launcher ends."""

from __future__ import annotations

from collections.abc import Iterable


class CannotStart(Exception):
    """One sentence for the operator: what is missing or taken, and what to do about it."""


class Failed(Exception):
    """One sentence for the operator: which process gave up, and the end of what it wrote."""

    def __init__(self, sentence: str, last_lines: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.last_lines = list(last_lines)


class Stopped(Exception):
    """The end was asked for: Ctrl-C, SIGTERM, SIGHUP, or no program reads our output."""
