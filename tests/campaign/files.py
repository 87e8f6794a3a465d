"""A campaign file that is right, and ways to make it wrong."""

from __future__ import annotations

import os

from itertools import count
from pathlib import Path

from tests.support.keeper import ROOT

EXAMPLE = ROOT / "campaigns" / "example.toml"
DEMONSTRATION = ROOT / "campaigns" / "demonstration.toml"

SMALL = """\
name = "{name}"
minimum_age = 75
radius_kilometres = 100
horizon_days = 35
lead_minutes = 180
hold_minutes = 4
hold_minutes_at_most = 20
few_places = 12
"""

_seconds = count(1_600_000_000)


def save(path: Path, text: str) -> Path:
    """Write a file as somebody does who takes their time: no two have the same moment."""
    path.write_text(text, "utf-8")
    second = next(_seconds)
    os.utime(path, (second, second))
    return path


def small(name: str, *more: str) -> str:
    return "\n".join([SMALL.format(name=name), *more, ""])
