"""The mask of a QR code is chosen as segno chooses it, in less time."""

from __future__ import annotations

import random

import pytest
import segno

from web.online import qr_code
from web.online.door_code import door_code

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHANCE = random.Random(18004)  # noqa: S311 - nothing secret


def link(letters: int) -> str:
    return "https://allo.example/r/" + "".join(CHANCE.choices(ALPHABET, k=letters))


@pytest.mark.parametrize("letters", [0, 2, 15, 16, 30, 40, 60, 83])
def test_a_code_is_the_one_that_segno_makes(letters: int):
    for _ in range(8):
        text = link(letters)
        made, theirs = qr_code.make(text, "m"), segno.make_qr(text, error="m")
        assert made == theirs
        assert (made.mask, made.designator) == (theirs.mask, theirs.designator)


def test_every_mask_is_the_best_of_some_text():
    # Else the test above would compare a few of them alone.
    assert {qr_code.make(link(15), "m").mask for _ in range(150)} == set(qr_code.MASKS)


def test_what_is_too_long_for_a_small_code_is_made_by_segno_alone():
    text = link(200)
    assert qr_code.make(text, "m") == segno.make_qr(text, error="m")


def test_a_picture_is_byte_for_byte_the_same():
    text = link(15)
    theirs = segno.make_qr(text, error="m")
    picture = theirs.svg_inline(border=4, dark="#000", light="#fff", omitsize=True)
    assert door_code(text) == picture
