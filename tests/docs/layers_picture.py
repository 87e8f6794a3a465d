"""Draws docs/pictures/layers.svg from the import contracts: `python -m tests.docs.layers_picture`.

A row of the picture is a layer of `[tool.importlinter]` in pyproject.toml: what stands in it may
import what stands below it, and packages beside one another do not know each other.
"""

from __future__ import annotations

import tomllib

from html import escape
from pathlib import Path

from tests.support.keeper import ROOT

PICTURE = ROOT / "docs" / "pictures" / "layers.svg"
# Pixels.
WIDTH, ROW, GAP, HEAD, MARGIN = 420, 26, 6, 40, 16
# Packages in one line of a layer.
MOST_IN_LINE = 5


def columns() -> list[tuple[str, list[list[str]]]]:
    """A title and its layers, the highest first, for each contract of layers."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return [
        (
            " ".join(contract.get("containers", ["project"])) + "/",
            [[name.strip() for name in layer.split("|")] for layer in contract["layers"]],
        )
        for contract in rules["contracts"]
        if contract["type"] == "layers"
    ]


def drawing() -> str:
    """The picture, as SVG."""
    drawn = [
        _column(title, layers, MARGIN + number * (WIDTH + MARGIN))
        for number, (title, layers) in enumerate(columns())
    ]
    deepest = max(_height(layers) for _, layers in columns())
    width = MARGIN + len(drawn) * (WIDTH + MARGIN)
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEAD + deepest}"'
                ' font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">'
            ),
            "<title>Layers: each may import those below it</title>",
            f'<rect width="{width}" height="{HEAD + deepest}" fill="#ffffff"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _rows(layers: list[list[str]]) -> list[list[str]]:
    """Layers cut into lines of so many packages."""
    return [
        layer[at : at + MOST_IN_LINE]
        for layer in layers
        for at in range(0, len(layer), MOST_IN_LINE)
    ]


def _height(layers: list[list[str]]) -> int:
    return len(_rows(layers)) * (ROW + GAP) + MARGIN


def _column(title: str, layers: list[list[str]], left: int) -> str:
    lines = [
        f'<text x="{left}" y="{HEAD - 14}" font-size="16" fill="#1b1b1b">{escape(title)}</text>'
    ]
    top = HEAD
    for number, layer in enumerate(layers):
        shade = "#dbe7f3" if number % 2 else "#eef3d9"
        for row in _rows([layer]):
            each = (WIDTH - GAP * (len(row) - 1)) // len(row)
            for place, name in enumerate(row):
                x = left + place * (each + GAP)
                lines.append(
                    f'<rect x="{x}" y="{top}" width="{each}" height="{ROW}" rx="4"'
                    f' fill="{shade}" stroke="#4a5a6a"/>'
                    f'<text x="{x + each // 2}" y="{top + 17}" text-anchor="middle"'
                    f' fill="#1b1b1b">{escape(name)}</text>'
                )
            top += ROW + GAP
    return "\n".join(lines)


def write(picture: Path = PICTURE) -> None:
    picture.write_text(drawing(), "utf-8")


if __name__ == "__main__":
    write()
