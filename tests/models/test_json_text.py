"""JSON by a writer that is made once is what `json.dumps` writes."""

from __future__ import annotations

import json

from datetime import date
from enum import StrEnum
from typing import Any

import pytest

from models import json_text
from models.json_text import json_writer


class Word(StrEnum):
    ONE = "one"


VALUES = [
    {},
    {"body": "Référence 12 €\u2028 \"'\\ \x1b 😀"},
    {"places": [1, 2], "starts": [], "text": True, "none": None, "share": 0.1, "deep": [{"a": ()}]},
    {1: 2, None: 3, Word.ONE: Word.ONE},
    ["é", float("inf")],
    "é",
    7,
]
WAYS: list[dict[str, Any]] = [{}, {"ensure_ascii": False}, {"separators": (",", ":")}]


@pytest.fixture(params=[True, False])
def _has_it(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Python's own writer, and where it has none."""
    if not request.param:
        monkeypatch.setattr(json_text, "_WRITER", None)


@pytest.mark.usefixtures("_has_it")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_what_python_writes(way: dict[str, Any], value: Any):
    write = json_writer(**way)
    assert write(value) == write(value) == json.dumps(value, **way)


@pytest.mark.usefixtures("_has_it")
def test_what_is_no_json_is_refused_and_the_next_value_written():
    write = json_writer()
    with pytest.raises(TypeError, match="date is not JSON serializable"):
        write({"born": date(1942, 3, 12)})
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(RecursionError):
        write(itself)
    assert write([1]) == "[1]"


def test_this_python_has_a_writer():
    assert json_text._WRITER is not None
