"""The lines that tell which step of a start takes long."""

from __future__ import annotations

import threading

from tools.launcher.steps import DEMONSTRATION, step


def test_step_that_takes_long_is_told_in_one_line():
    told, is_told = [], threading.Event()

    def say(text: str) -> None:
        told.append(text)
        is_told.set()

    with step(DEMONSTRATION, say, long=0):
        assert is_told.wait(30)
    assert told == ["make run: demonstration centres and slots (step 2 of 5) …"]


def test_step_that_is_short_is_not_told():
    told: list[str] = []
    with step(DEMONSTRATION, told.append, long=30):
        pass
    assert told == []
