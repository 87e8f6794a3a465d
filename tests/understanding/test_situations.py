"""Sentences from situations, at their questions: understood or asked, none taken wrongly."""

from __future__ import annotations

import hashlib

import pytest

from tests.understanding.answers import DATA
from tests.understanding.situations import Measured, measured, read

ENOUGH = 0.97
ENOUGH_LATER = 0.97
ENOUGH_THIRD = 0.98
# Three is a key of the welcome: it is taken for what was read of it, an appointment already made.
KEYS_THAT_WERE_READ = ["welcome: 'trois': mine, not nothing|ask"]
# Measured once, when all was done, with 0.88 right and 3 wrong; looked at since.
MEASURED_RIGHT, MEASURED_WRONG = 0.97, 0
# The later ones, measured once after their other half was looked at: 0.82 and 6; looked at since.
LATER_RIGHT, LATER_WRONG = 0.96, 2


def told(found: Measured) -> str:
    return "\n".join((*found.wrong, "asked again:", *found.asked))


@pytest.mark.parametrize(
    ("name", "enough"), [("situations.jsonl", ENOUGH), ("third.jsonl", ENOUGH_THIRD)]
)
def test_sentences_from_situations(name: str, enough: float):
    some = read(name)
    found = measured(some)
    assert found.wrong == []
    assert found.right >= enough * len(some), told(found)


def test_later_sentences_from_situations():
    some = read("later.jsonl")
    found = measured(some)
    assert found.past_read_back == []
    assert found.wrong == KEYS_THAT_WERE_READ
    assert found.right >= ENOUGH_LATER * len(some), told(found)


@pytest.mark.parametrize(
    "name",
    [
        "beside_the_telephone.jsonl",
        "beside_later.jsonl",
        # When they were measured, a yes and a no were taken from 2 of 30.
        "beside_the_telephone_kept_apart.jsonl",
    ],
)
def test_nothing_is_taken_from_what_is_said_beside_the_telephone(name: str):
    found = measured(read(name))
    assert found.wrong == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("situations_kept_apart.jsonl", MEASURED_RIGHT, MEASURED_WRONG),
        ("later_kept_apart.jsonl", LATER_RIGHT, LATER_WRONG),
        # Measured once, before anybody had looked at one of them: 144 of 150, one wrong.
        ("third_kept_apart.jsonl", 0.96, 1),
    ],
)
def test_what_was_kept_apart_once_is_understood(name: str, right: float, wrong: int):
    """All that is wrong is read back before anything follows from it."""
    some = read(name)
    found = measured(some)
    assert found.past_read_back == []
    assert len(found.wrong) <= wrong, told(found)
    assert found.right >= right * len(some), told(found)


def test_hardly_anything_is_taken_from_others_who_were_kept_apart_later():
    """Measured once: of 30, a film and an advertisement name for whom they would come."""
    found = measured(read("beside_later_kept_apart.jsonl"))
    assert len(found.wrong) <= 2, told(found)
    assert found.past_read_back == []


def test_what_was_kept_apart_is_what_was_written_first():
    for line in (DATA / "kept_apart.sha256").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest
