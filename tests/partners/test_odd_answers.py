"""Answers that are odd in more than one way: one moment is one slot, and nobody is sent wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partners.motives import is_reserved_centre
from partners.platforms.keldoc import reader
from partners.reading import Context
from tests.partners.answers import (
    Told,
    doctolib_page,
    doctolib_slots,
    keldoc_motives,
    keldoc_slots,
    maiia_centre,
    maiia_page,
    maiia_reason,
    maiia_slot,
    tell,
    tell_files,
)

FIRST = "2021-05-03T09:00:00+02:00"
SEVEN = "2021-05-03T07:00:00Z"


@pytest.fixture
def told_by(tmp_path: Path):
    def told(platform: str, *answers: Any, options: tuple[str, ...] = ()) -> Told:
        return tell(tmp_path, platform, *answers, options=options)

    return told


def test_a_moment_is_one_slot_whatever_second_comes_with_it_and_however_fine_it_is(told_by):
    pair = [FIRST, "2021-06-01T09:00:00+02:00"]
    later = [FIRST, "2021-06-02T09:00:00+02:00"]
    told = told_by("doctolib", doctolib_slots(pair, later), doctolib_slots(later))
    assert (told.starts, "1 slots, 0 left out, 2 repeated" in told.said) == ([SEVEN], True)
    fine = told_by("doctolib", doctolib_slots("2021-05-03T07:00:00.1Z", "2021-05-03T07:00:00.2Z"))
    assert fine.starts == [SEVEN]


@pytest.mark.parametrize(
    ("time", "start"),
    [
        ("2021-10-31T02:30:00+02:00", "2021-10-31T00:30:00Z"),
        ("2021-10-31T02:30:00+01:00", "2021-10-31T01:30:00Z"),
        ("2021-10-31T02:30:00", "2021-10-31T00:30:00Z"),
        ("2021-03-28T02:30:00", ""),
        ("2021-03-28T02:30:00+01:00", "2021-03-28T01:30:00Z"),
    ],
)
def test_the_two_hours_of_october_and_the_one_that_march_lacks(told_by, time, start):
    told = told_by("doctolib", doctolib_slots(time))
    assert told.starts == [start] * bool(start)
    assert ("summer time leaves out" in told.said) is not start


def test_a_diary_for_one_motive_tells_what_its_slots_are_for(told_by):
    page = doctolib_page(
        agendas=[
            {"id": 31, "practice_id": 701, "visit_motive_ids": [12]},
            {"id": 32, "practice_id": 701, "visit_motive_ids": [11]},
        ]
    )
    slots = doctolib_slots(*({"start_date": FIRST, "agenda_id": agenda} for agenda in (31, 32)))
    told = told_by("doctolib", page, slots)
    assert [(row["dose"], row["bookable_for"]) for row in told.rows] == [("1", "public")]
    assert "it is for professionals" in told.said


def test_ranges_are_for_their_motives_and_have_a_length(told_by):
    motives = [
        {"id": 366, "name": "Vaccin COVID 1ère injection", "specialty_id": 3, "duration": 10},
        {"id": 587, "name": "Consultation", "specialty_id": 3, "duration": 20},
    ]
    ranges = [
        {"start_time": f"2021-05-0{day}T09:00:00+02:00", "end_time": end, "motive_ids": ids}
        for day, ids, end in (
            (3, [366, 587], "2021-05-03T12:00:00+02:00"),
            (4, [587], "2021-05-04T12:00:00+02:00"),
            (5, [], "2021-05-05T12:00:00+02:00"),
            (6, [366], "2021-05-06T09:00:00+02:00"),
            (7, [999], "2021-05-07T12:00:00+02:00"),
        )
    ]
    told = told_by("keldoc_partner", motives, ranges)
    assert [(row["start"][8:10], row["dose"]) for row in told.rows] == [
        ("03", "1"),
        ("05", "0"),
        ("07", "0"),
    ]
    assert "it is not a vaccination (Consultation)" in told.said
    assert "it ends before it begins" in told.said
    asked = told_by("keldoc_partner", motives, ranges, options=("--motive", "366"))
    assert [row["start"][8:10] for row in asked.rows] == ["03", "05"]
    assert "for other motives" in asked.said


@pytest.mark.parametrize("platform", ["keldoc", "keldoc_partner"])
def test_an_answer_of_another_platform_is_none(told_by, platform):
    told = told_by(platform, doctolib_slots(FIRST))
    assert (told.rows, told.status) == ([], 1)


def test_a_file_that_is_not_there_and_a_folder_hide_no_slots(tmp_path, told_by):
    told_by("keldoc", keldoc_slots(FIRST))
    good = tmp_path / "keldoc-0.json"
    told = tell_files("keldoc", tmp_path / "none.json", good, tmp_path)
    assert (told.starts, told.status) == ([SEVEN], 1)
    assert told.said.count("Error: ") == 2
    assert "Usage" not in told.said


def test_a_motive_is_asked_for_by_its_name_and_keeps_its_spaces(told_by):
    name = 'Dispositif  "Allez-vers" / +75  ans'
    told = told_by(
        "maiia",
        maiia_page(maiia_reason(name, "r7", injectionType="FIRST"), maiia_reason("Test PCR", "r8")),
        maiia_page(maiia_slot(FIRST, "another id")),
        options=("--motive", name),
    )
    assert [(row["motive"], row["bookable_for"]) for row in told.rows] == [(name, "age>=75")]


def test_a_page_of_demonstrations_is_a_page(told_by):
    row = maiia_centre()
    row["center"]["isDemo"] = True
    told = told_by("maiia", maiia_page(row))
    assert (told.rows, told.status) == ([], 0)


def test_addresses_of_keldoc_end_in_a_country_or_in_a_town_that_is_called_so():
    told = [
        {"id": 1, "location": "Rue des Arts, 97200 Fort-de-France"},
        {"id": 2, "location": "BP 12345, 56100 Lorient France"},
    ]
    centres = reader.read(told, Context()).centres
    assert [(one.postcode, one.town) for one in centres] == [
        ("97200", "Fort-de-France"),
        ("56100", "Lorient"),
    ]


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("Centre Hospitalier Professionnels Hôpital du Lin", True),
        ("Centre du Lin - Professionnels de santé", True),
        ("Maison des professionnels du Lin", False),
        ("Centre du Lin, professionnels et grand public", False),
        ("Centre du Lin (hors professionnels)", False),
    ],
)
def test_a_centre_s_name_may_keep_it_for_professionals(told_by, name, reserved):
    assert is_reserved_centre(name) is reserved
    cabinets = [{"id": 5, "name": name, "location": "Place du Lin, 35500, Vitré"}]
    told = told_by("keldoc", cabinets, keldoc_motives((7, "INJ1")), keldoc_slots(FIRST))
    assert len(told.rows) == 1 - reserved
    assert ("the centre is for professionals" in told.said) is reserved
