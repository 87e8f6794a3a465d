"""Looks have names: a style sheet of ours uses those of tokens.css and no colour of its own."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

from tests.support.keeper import ROOT

STATIC = ROOT / "web" / "static"
TOKENS = STATIC / "tokens.css"
# Written into pages that load nothing (web/alone.py).
ALONE = STATIC / "alone.css"
OTHERS = sorted(path for path in STATIC.glob("*.css") if path not in {TOKENS, ALONE})
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# `name: value` within a rule; a selector such as `a:hover` is followed by a brace.
DECLARATION = re.compile(r"(--[\w-]+|[a-z-]+)\s*:\s*([^;{}]+)(?=[;}])")
RAW = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(|\b(?:white|black|red|green|blue"
    r"|gr[ae]y|silver|orange|yellow|navy|maroon|teal|purple)\b",
    re.IGNORECASE,
)
# The system's own colours, of which a person chose what they look like.
SYSTEM = {"CanvasText", "Canvas", "Highlight", "ButtonText", "GrayText", "LinkText"}
USED = re.compile(r"var\((--[\w-]+)")
SET = re.compile(r"(--[\w-]+)\s*:")


def declarations(path: Path) -> list[tuple[str, str]]:
    return DECLARATION.findall(COMMENT.sub("", path.read_text("utf-8")))


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_no_sheet_has_a_colour_of_its_own(path: Path):
    found = [f"{name}: {value}" for name, value in declarations(path) if RAW.search(value)]
    assert found == []


def test_a_colour_of_ones_own_is_found(tmp_path: Path):
    sheet = tmp_path / "raw.css"
    sheet.write_text("a:hover { color: #fff; border: 1px solid RGB(0 0 0); } b { color: white }")
    assert len([one for _, one in declarations(sheet) if RAW.search(one)]) == 3


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_every_name_that_is_used_is_there(path: Path):
    own = set(SET.findall(path.read_text("utf-8")))
    named = set(SET.findall(TOKENS.read_text("utf-8")))
    used = set(USED.findall(COMMENT.sub("", path.read_text("utf-8"))))
    # A script sets how far a bar goes.
    assert {one for one in used - own - named if not one.startswith("--pico-")} <= {"--part"}


def variant(start: str) -> dict[str, str]:
    """The colours of the block that begins so."""
    text = COMMENT.sub("", TOKENS.read_text("utf-8")).partition(start)[2]
    block = (
        text.partition("{")[2].partition("}")[0] if start == ":root" else text.partition("}\n}")[0]
    )
    return dict(re.findall(r"(--[\w-]+)\s*:\s*([^;]+);", block))


# The same in every variant: what is printed, and codes for a reader.
PAPER = {"--paper", "--paper-ink", "--paper-line"}
COLOURS = {
    name: value
    for name, value in variant(":root").items()
    if value.startswith("#") and name not in PAPER
}


def test_a_page_that_stands_alone_has_the_same_colours():
    text = ALONE.read_text("utf-8")
    usual, dark = (
        dict(re.findall(r"(--[\w-]+): ([^;]+);", part)) for part in text.split("@media", 1)
    )
    assert usual.items() <= COLOURS.items()
    assert dark.items() <= variant("(prefers-color-scheme: dark)").items()
    assert usual.keys() == dark.keys()


@pytest.mark.parametrize(
    "start", ["(prefers-color-scheme: dark)", "(forced-colors: active)", "@media print"]
)
def test_every_colour_has_its_variant(start: str):
    assert COLOURS.keys() - variant(start).keys() == set()
    if "forced" in start:
        assert set(variant(start).values()) <= SYSTEM


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("start", [":root", "(prefers-color-scheme: dark)", "@media print"])
def test_what_is_read_is_read_by_anyone(start: str):
    """WCAG 1.4.6 for text, 1.4.11 for edges and the ring; RGAA 3.2, 3.3."""
    colours = COLOURS | variant(start)
    for ground, letters in (
        ("--ground", ("--ink", "--ink-soft", "--accent", "--good", "--warn", "--bad")),
        ("--raised", ("--ink", "--ink-soft", "--accent")),
        ("--accent", ("--accent-ink",)),
        ("--good-ground", ("--good",)),
        ("--warn-ground", ("--warn",)),
        ("--bad-ground", ("--bad",)),
    ):
        for letter in letters:
            assert contrast(colours[ground], colours[letter]) >= 7, (ground, letter)
    for edge in ("--line", "--focus"):
        for ground in ("--ground", "--raised"):
            assert contrast(colours[ground], colours[edge]) >= 3, (ground, edge)
