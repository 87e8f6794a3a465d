"""Sentences from situations, at their questions: understood or asked, none taken wrongly."""

from __future__ import annotations

import hashlib

from tests.understanding.answers import DATA
from tests.understanding.situations import Measured, measured, read

ENOUGH = 0.9


def told(found: Measured) -> str:
    return "\n".join((*found.wrong, "asked again:", *found.asked))


def test_sentences_from_situations():
    some = read("situations.jsonl")
    found = measured(some)
    assert found.wrong == []
    assert found.right >= ENOUGH * len(some), told(found)


def test_nothing_is_taken_from_what_is_said_beside_the_telephone():
    found = measured(read("beside_the_telephone.jsonl"))
    assert found.wrong == []


def test_what_was_kept_apart_is_what_was_written_first():
    for line in (DATA / "kept_apart.sha256").read_text().splitlines():
        digest, name = line.split()
        kept = DATA / name
        if kept.exists():
            assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest
