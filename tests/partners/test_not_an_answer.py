"""What is no answer: one sentence, a header, exit status 1; and every recorded file, counted."""

from __future__ import annotations

import json

from pathlib import Path

import pytest

from partners.reading import LARGEST_BYTES
from tests.partners.answers import (
    doctolib_slots,
    keldoc_slots,
    maiia_page,
    maiia_slot,
    tell,
    tell_files,
)

SLOT = json.dumps(doctolib_slots("2021-05-03T09:00:00Z")).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Just a moment</title>", "a web page or XML"),
        (b"  \n<?xml version='1.0'?>", "a web page or XML"),
        (SLOT[:-8], "broken JSON: it stops in the middle"),
        (SLOT[:30], "broken JSON: it stops in the middle"),
        (b'{"availabilities": [,]}', "broken JSON: "),
        (b"Anti dDos", "as the partner sends to block: 'Anti dDos'"),
        (b"", "this is empty"),
        (b" \n\t", "this is empty"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (b'{"availabilities": ["\xe9"]}', "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"availabilities": ' + b"9" * 5000 + b"}", "an endless number"),
        (b'{"availabilities": 3}', "its availabilities are no list"),
        (b"[]", "no answer of Doctolib"),
        (b"{}", "no answer of Doctolib"),
        (json.dumps(maiia_page(maiia_slot("2021-05-03T09:00:00Z"))).encode(), "no answer of Doct"),
        (json.dumps(keldoc_slots("2021-05-03T09:00:00Z")).encode(), "are no list"),
    ],
)
def test_one_sentence_says_what_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    told = tell(tmp_path, "doctolib", content)
    assert (told.rows, told.status) == ([], 1)
    assert told.said.startswith("Error: ")
    assert said in told.said
    assert len(told.said.splitlines()) == 1


def test_what_is_too_large_is_not_even_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.write(SLOT)
        file.truncate(5 * LARGEST_BYTES)
    told = tell_files("doctolib", large)
    assert told.status == 1
    assert "larger than 10 MiB" in told.said


def test_a_bad_file_among_good_ones_takes_nothing_away(tmp_path: Path) -> None:
    told = tell(tmp_path, "doctolib", b"<html>", SLOT, SLOT)
    assert told.starts == ["2021-05-03T09:00:00Z"]
    assert told.status == 1
    assert "1 slots, 0 left out, 1 repeated" in told.said


def test_foreign_text_stays_on_its_line(tmp_path: Path) -> None:
    name = 'Première injection,\n"covid"\ud800\0\x1b[2J  rive'
    reasons = maiia_page({"id": "r1", "name": name, "injectionType": "FIRST"})
    told = tell(tmp_path, "maiia", reasons, maiia_page(maiia_slot("2021-05-03T09:00:00Z")))
    assert [row["motive"] for row in told.rows] == ['Première injection, "covid"?  [2J  rive']


# What reading each recorded file by eye tells; everything else in the folder has no slot.
SLOTS_OF = {
    "doctolib/availabilities-two-doses.json": 2,
    "doctolib/basic-availabilities.json": 2,
    "keldoc/timetable-with-slots.json": 4,
    "maiia/availabilities-first-60.json": 60,
    "maiia/availability-closests.json": 1,
}
# Answers that refuse.
REFUSED = {"doctolib/error-403.txt", "maiia/error-404.txt"}


def test_every_recorded_file_has_the_slots_that_one_counts_in_it(shared: Path) -> None:
    folder = shared / "data" / "platforms"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    counts = {}
    statuses = {}
    for file in sorted(folder.glob("*/*")):
        name = f"{file.parent.name}/{file.name}"
        told = tell_files(file.parent.name, file)
        counts[name] = len(told.rows)
        statuses[name] = told.status
        assert told.said
    assert {name: count for name, count in counts.items() if count} == SLOTS_OF
    assert {name for name, status in statuses.items() if status} == REFUSED
    assert set(SLOTS_OF) | REFUSED <= set(counts)
    # Its own reasons tell what the sixty are for.
    maiia = folder / "maiia"
    told = tell_files(
        "maiia", maiia / "consultation-reason-hcd.json", maiia / "availabilities-first-60.json"
    )
    assert {(row["dose"], row["bookable_for"]) for row in told.rows} == {("1", "condition")}
