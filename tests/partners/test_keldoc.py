"""Keldoc's answers and their odd cases, through `flask partners read`."""

from __future__ import annotations

from pathlib import Path

import pytest

from partners.platforms.keldoc import reader
from partners.reading import Context
from tests.partners.answers import Told, keldoc_motives, keldoc_slots, tell


@pytest.fixture
def told_by(tmp_path: Path):
    def told(*answers, options: tuple[str, ...] = (), platform: str = "keldoc") -> Told:
        return tell(tmp_path, platform, *answers, options=options)

    return told


def test_a_timetable_is_days_with_times_unsorted_and_repeated(told_by):
    told = told_by(
        keldoc_slots(
            "2021-05-03T16:53:00.000000+0200",
            "2021-05-03T16:50:00.000+02:00",
            "2021-05-03T14:50:00Z",
            **{"2021-05-04": [{"start_time": "2021-05-04T08:12:12.000000+0200"}, {}, "x"]},
        )
    )
    assert told.starts == [
        "2021-05-03T14:50:00Z",
        "2021-05-03T14:53:00Z",
        "2021-05-04T06:12:12Z",
    ]
    assert "3 slots, 2 left out, 1 repeated" in told.said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({}, "a timetable with nothing in it"),
        ({"availabilities": {}}, "0 slots"),
        ({"availabilities": []}, "0 slots"),
        (
            {
                "text": "Prochain RDV disponible le 20 Mai 2021 à 16h55",
                "date": "2021-05-20T16:55:00.000+02:00",
            },
            "next slot after the window: 2021-05-20T16:55:00.000+02:00",
        ),
        (
            {"text": "uniquement", "num": "02 99 74 00 01", "phone_number": "+33299740001"},
            "by telephone: +33299740001",
        ),
    ],
)
def test_answers_without_a_slot_in_the_window(told_by, answer, said):
    told = told_by(answer)
    assert (told.rows, told.status) == ([], 0)
    assert said in told.said


def test_dose_and_eligibility_are_in_names_alone(told_by):
    slots = keldoc_slots("2021-05-03T16:50:00.000000+0200")
    motives = keldoc_motives((7, "INJ1 Pfizer"), (8, "PFZ 2"), category="+ 70 ANS (PF)")
    told = told_by(motives, slots, options=("--motive", "8", "--centre", "16910"))
    assert [tuple(row.values())[1:] for row in told.rows] == [
        ("16910", "2021-05-03T14:50:00Z", "2", "PFZ 2", "age>=70")
    ]
    reserved = told_by(keldoc_motives((7, "INJ1"), category="Vaccination PS"), slots)
    assert reserved.rows == []
    assert "it is for professionals" in reserved.said


@pytest.mark.parametrize(
    ("location", "street", "postcode", "town"),
    [
        (
            "Salle Lin 10 Rue du Pré, 35500, Vitré,France",
            "Salle Lin 10 Rue du Pré",
            "35500",
            "Vitré",
        ),
        ("104 Rue de la Gare, 35500 Vitré", "104 Rue de la Gare", "35500", "Vitré"),
        ("1 Rue des Armées 35000 Rennes ", "1 Rue des Armées", "35000", "Rennes"),
        ("Place du Lin, 35500, Vitré", "Place du Lin", "35500", "Vitré"),
        ("Vitré", "Vitré", "", ""),
    ],
)
def test_an_address_is_one_text(location, street, postcode, town):
    cabinets = [{"id": 5, "name": "Halle", "location": location, "latitude": 48.1, "longitude": -1}]
    (centre,) = reader.read(cabinets, Context()).centres
    assert (centre.street, centre.postcode, centre.town) == (street, postcode, town)


def test_a_department_s_list_has_centres_and_hints(told_by):
    row = {
        "id": 5,
        "title": "Halle aux grains",
        "cabinet": {"location": "Place du Lin, 35500, Vitré"},
        "agenda": {"next_availability": "2021-05-20T09:30:00.000+02:00"},
        "coordinates": "48.1226,-1.2161",
        "url": "/cabinet-medical/vitre-35500/halle",
    }
    answer = {"results": {"section_1": {"data": [row]}, "section_2": {"data": []}}}
    (centre,) = reader.read(answer, Context()).centres
    assert (centre.latitude, centre.longitude) == (48.1226, -1.2161)
    told = told_by(answer)
    assert told.rows == []
    assert "centre 5: next slot 2021-05-20T09:30:00.000+02:00" in told.said


RANGES = [
    {
        "start_time": "2021-05-03T09:00:00.000+02:00",
        "end_time": "2021-05-03T12:00:00.000+02:00",
        "motive_ids": [7, 7, 9],
    },
    {
        "start_time": "2021-05-03T14:00:00.000+02:00",
        "end_time": "2021-05-03T14:30:00.000+02:00",
        "motive_ids": [9],
    },
    {
        "start_time": "2021-05-04T09:00:00.000+02:00",
        "end_time": "2021-05-04T12:00:00.000+02:00",
        "motive_ids": [],
    },
]
BY_DAY = {
    "2021-05-03": [{"start_time": "2021-05-03T09:00:00.000000+0200"}],
    "2021-05-04": [{"start_time": "2021-05-04T09:00:00.000000+0200"}],
}


@pytest.mark.parametrize("free", [RANGES, BY_DAY])
@pytest.mark.parametrize(
    "around",
    [
        lambda free: {"availabilities": free},
        lambda free: [{"availabilities": free}],
        # One object for each agenda, each with the same free time.
        lambda free: [{"availabilities": free}, {"availabilities": free}],
    ],
    ids=["object", "list", "two objects"],
)
def test_free_time_stands_in_an_object_or_in_a_list_around_it(told_by, free, around):
    motives = keldoc_motives((7, "INJ1 Pfizer"), (9, "INJ2 Pfizer"))
    told = told_by(motives, around(free), options=("--motive", "7"))
    assert told.starts == ["2021-05-03T07:00:00Z", "2021-05-04T07:00:00Z"]
    assert told.status == 0


def test_a_list_around_something_else_than_free_time_is_refused(told_by):
    told = told_by([{"availabilities": RANGES}, {"availabilities": 7}])
    assert (told.rows, told.status) == ([], 1)
    assert "its availabilities are no object" in told.said


def test_ranges_of_the_partner_api_overlap_and_repeat(told_by):
    ranges = [
        {"start_time": "2021-05-03T09:00:00+02:00", "end_time": "2021-05-03T12:00:00+02:00"},
        {"start_time": "2021-05-03T09:00:00+02:00", "end_time": "2021-05-03T10:00:00+02:00"},
        {"start_time": "2021-05-03T09:30:00+02:00", "motive_ids": []},
        {"start_time": "3 mai"},
    ]
    told = told_by(ranges, platform="keldoc_partner")
    assert told.starts == ["2021-05-03T07:00:00Z", "2021-05-03T07:30:00Z"]
    assert "2 slots, 1 left out, 1 repeated" in told.said
