"""What a text costs on the air, exactly: the published vectors, and what no part may cut in two.

`segment_vectors.json` is of Twilio's message-segment-calculator (MIT; its licence is in the file).
"""

from __future__ import annotations

import json

from pathlib import Path
from typing import Any

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.segments import GSM7_BASIC, GSM7_EXTENSION, segment_count
from services.messages.sms_parts import (
    SIZES,
    Encoding,
    encoding,
    parts,
    septets,
    split,
    units,
)

VECTORS = json.loads(Path(__file__).with_name("segment_vectors.json").read_text("utf-8"))["vectors"]
# Of the header that says which part of which text this is.
HEADER_BITS = 48
derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=300)
letters = st.sampled_from([*"aé€[]|~^{}\\ç😜\u200d🌈\U0001f1ee", "\n", "\f"])


def is_as_published(vector: dict[str, Any]) -> None:
    body = vector["body"]
    used, count = encoding(body), parts(body)
    assert used == vector["encoding"]
    assert count == vector["segments"]
    bits = units(body) * SIZES[used].bits
    assert bits == vector.get("message_bits", bits)
    total = bits + (HEADER_BITS * count if count > 1 else 0)
    assert total == vector.get("total_bits", total)
    assert len(body) == vector.get("unicode_scalars", len(body))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_a_text_takes_the_published_parts(vector: dict[str, Any]):
    is_as_published(vector)


def test_the_vectors_are_all_there_and_those_of_the_shared_material(shared: Path):
    file = shared / "data" / "sms" / "segment_vectors.json"
    assert json.loads(file.read_text("utf-8"))["vectors"] == VECTORS
    for vector in json.loads(file.read_text("utf-8"))["vectors"]:
        is_as_published(vector)


def test_forty_four_vectors_of_both_alphabets():
    assert len(VECTORS) == 44
    assert {vector["encoding"] for vector in VECTORS} == set(Encoding)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", []),
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        # The pair of an escape does not fit any more: it goes on as a whole.
        ("a" * 152 + "€" + "b" * 20, [152, 22]),
        ("a" * 151 + "€" + "b" * 20, [153, 20]),
        ("€" * 80, [160]),
        ("€" * 81, [152, 10]),
        ("ç" * 70, [70]),
        ("ç" * 71, [67, 4]),
        ("ç" * 66 + "😜" + "ç" * 10, [66, 12]),
        ("ç" * 65 + "😜" + "ç" * 10, [67, 10]),
    ],
)
def test_what_takes_two_is_never_cut_in_two(text: str, sizes: list[int]):
    pieces = split(text)
    size = SIZES[encoding(text)]
    assert [
        septets(piece) if size.bits == 7 else len(piece.encode("utf-16-be")) // 2
        for piece in pieces
    ] == sizes
    assert "".join(pieces) == text


@derandomized
@given(st.text(alphabet=letters, max_size=400) | st.text(max_size=200))
@example("a" * 152 + "€" + "a" * 152 + "€")
@example("\x1b")
def test_any_text_is_cut_where_the_provider_cuts_it(text: str):
    pieces = split(text)
    assert "".join(pieces) == text
    assert len(pieces) == parts(text) == segment_count(text)
    size = SIZES[encoding(text)]
    for piece in pieces:
        taken = sum(
            (2 if letter in GSM7_EXTENSION else 1)
            if size.bits == 7
            else len(letter.encode("utf-16-be", "surrogatepass")) // 2
            for letter in piece
        )
        assert taken <= (size.alone if len(pieces) == 1 else size.joined)


def test_the_alphabet_is_the_published_one(shared: Path):
    known = json.loads((shared / "data" / "sms" / "gsm7_table.json").read_text("utf-8"))
    assert "basic" in str(known)
    for letter in GSM7_BASIC:
        assert septets(letter) == 1
    for letter in GSM7_EXTENSION:
        assert septets(letter) == 2
    for letter in "âçêëîïôœûÿÀÂÈÊËÎÏÔŒÙÛŸ«»’–—…ªº°\x1b":
        with pytest.raises(ValueError, match="not in GSM-7"):
            septets(letter)
