"""Maiia's answers and their odd cases, through `flask partners read`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from partners.platforms.maiia import reader
from partners.reading import Context
from tests.partners.answers import (
    Told,
    maiia_centre,
    maiia_page,
    maiia_reason,
    maiia_slot,
    tell,
)


@pytest.fixture
def told_by(tmp_path: Path):
    def told(*answers, options: tuple[str, ...] = ()) -> Told:
        return tell(tmp_path, "maiia", *answers, options=options)

    return told


def test_slots_are_in_utc_in_winter_and_in_summer(told_by):
    told = told_by(
        maiia_page(
            maiia_slot("2021-04-20T08:00:00.000Z"),
            maiia_slot("2021-01-20T08:00:00.000Z"),
            maiia_slot("2021-01-20T08:00:00Z"),
            total=798,
        )
    )
    assert told.starts == ["2021-01-20T08:00:00Z", "2021-04-20T08:00:00Z"]
    assert {row["centre"] for row in told.rows} == {"c" * 24}
    assert "a page of 3; all pages have 798" in told.said
    assert "1 repeated" in told.said


def test_reasons_tell_who_is_meant_and_tests_are_dropped(told_by):
    reasons = maiia_page(
        maiia_reason('Dispositif "Bus"  des +75 ans / rive\tdroite', "r1", injectionType="FIRST"),
        maiia_reason("Test PCR covid", "r2", injectionType="NONE"),
        maiia_reason("Test antigénique", "r3"),
        maiia_reason("Vaccination grippe", "r4"),
        maiia_reason("Première injection professionnel de santé", "r5", injectionType="FIRST"),
        maiia_reason("2nde injection covid", "r6", injectionType="SECOND"),
        maiia_reason("Rappel covid", "r7", injectionType="BOOSTER"),
        maiia_reason("Première injection covid", "r8", patientLimitation="KNOWN"),
        maiia_reason("Entretien pharmaceutique", "r9"),
        maiia_reason("Injection", "r10", consultationType="TELECONSULTATION"),
    )
    slots = maiia_page(*(maiia_slot(f"2021-05-{n:02}T08:00:00Z", f"r{n}") for n in range(1, 11)))
    told = told_by(reasons, slots)
    assert [(row["start"][:10], row["dose"], row["bookable_for"]) for row in told.rows] == [
        ("2021-05-01", "1", "age>=75"),
        ("2021-05-06", "2", "public"),
        ("2021-05-07", "3", "public"),
    ]
    assert told.rows[0]["motive"] == 'Dispositif "Bus"  des +75 ans / rive droite'
    assert "3 slots, 7 left out" in told.said


def test_the_closest_availability_is_a_slot_and_a_bare_moment_is_none(told_by):
    slot = maiia_slot("2021-05-26T12:55:00.000Z")
    whole = {
        "availabilityCount": 1,
        "closestPhysicalAvailability": slot,
        "firstPhysicalStartDateTime": slot["startDateTime"],
    }
    assert told_by(whole).starts == ["2021-05-26T12:55:00Z"]
    told = told_by({"firstPhysicalStartDateTime": slot["startDateTime"]})
    assert told.rows == []
    assert "the first is at 2021-05-26T12:55:00.000Z, without a slot" in told.said


def test_a_centre_with_many_rows_is_one_and_has_its_town_s_place_if_no_other(told_by):
    address: dict[str, Any] = {
        "location": None,
        "inseeCode": "3536",
        "locality": {"location": {"x": -1.2, "y": 48.1}},
    }
    rows = [maiia_centre(**address), maiia_centre(**address)]
    rows[0]["url"] = None
    demonstration = maiia_centre("d" * 24)
    demonstration["center"]["isDemo"] = True
    rows.append(demonstration)
    reading = reader.read(maiia_page(*rows), Context())
    (centre,) = reading.centres
    assert (centre.latitude, centre.longitude) == (48.1, -1.2)
    assert (centre.phone, centre.territory) == ("+33299750001", "metropole")
    assert centre.link.endswith(f"/centre-de-vaccination/35500-vitre/quai?centerid={'c' * 24}")
    assert told_by(maiia_page(*rows)).rows == []


def test_items_of_wrong_kinds_are_left_out_by_name(told_by):
    told = told_by(
        maiia_page(
            None,
            3,
            maiia_slot(None),
            maiia_slot(20210503),
            maiia_slot("2021-05-03"),
            {"center": {"name": "without id"}},
            {"something": 1},
            maiia_slot("2021-05-03T08:00:00Z", centerId=None),
        )
    )
    assert [(row["start"], row["centre"]) for row in told.rows] == [("2021-05-03T08:00:00Z", "")]
    assert "1 slots, 7 left out" in told.said


def test_an_empty_page_is_an_answer_and_an_empty_body_is_none(told_by):
    assert told_by(maiia_page()).status == 0
    told = told_by(b"")
    assert (told.rows, told.status) == ([], 1)
    assert "this is empty" in told.said
