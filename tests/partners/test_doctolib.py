"""Doctolib's answers and their odd cases, through `flask partners read`."""

from __future__ import annotations

from pathlib import Path

import pytest

from partners.platforms import read_link
from tests.partners.answers import Told, doctolib_page, doctolib_slots, tell


@pytest.fixture
def doctolib(tmp_path: Path):
    def told(*answers, options: tuple[str, ...] = ()) -> Told:
        return tell(tmp_path, "doctolib", *answers, options=options)

    return told


def test_a_slot_is_an_object_a_text_or_a_pair(doctolib):
    told = doctolib(
        doctolib_slots(
            {"start_date": "2021-05-03T09:20:00.000+02:00"},
            "2021-05-03T09:00:00.000+02:00",
            ["2021-05-03T09:10:00.000+02:00", "2021-06-14T09:10:00.000+02:00"],
            [{"start_date": "2021-05-03T09:30:00+0200"}, {"start_date": "2021-06-14T09:30:00Z"}],
            {
                "start_date": "2021-05-03T09:40:00Z",
                "steps": [{}, {"start_date": "2021-06-14T09:40:00Z"}],
            },
        )
    )
    assert [(row["start"], row["dose"]) for row in told.rows] == [
        ("2021-05-03T07:00:00Z", "0"),
        ("2021-05-03T07:10:00Z", "1"),
        ("2021-05-03T07:20:00Z", "0"),
        ("2021-05-03T07:30:00Z", "1"),
        ("2021-05-03T09:40:00Z", "1"),
    ]
    assert {(row["platform"], row["motive"], row["bookable_for"]) for row in told.rows} == {
        ("doctolib", "", "unknown")
    }
    assert told.status == 0


def test_a_bare_day_is_no_moment_unless_its_first_step_has_the_hour(doctolib):
    told = doctolib(
        doctolib_slots(
            {"start_date": "2021-05-04"},
            "2021-05-05",
            {
                "start_date": "2021-05-06",
                "steps": [{"start_date": "2021-05-06T08:00:00.000+02:00"}, {}],
            },
        )
    )
    assert told.starts == ["2021-05-06T06:00:00Z"]
    assert "left out: availabilities[0].slots[0]: a day without an hour: 2021-05-04" in told.said
    assert "left out: availabilities[0].slots[1]: a day without an hour: 2021-05-05" in told.said
    assert "1 slots, 2 left out, 0 repeated" in told.said


@pytest.mark.parametrize("next_slot", ["2021-05-20T12:00:00.000+02:00", "2021-05-20"])
def test_the_next_slot_is_a_hint_and_no_slot(doctolib, next_slot):
    told = doctolib({"availabilities": [{"slots": []}], "next_slot": next_slot, "total": 0})
    assert told.rows == []
    assert f"next slot after the window: {next_slot}" in told.said
    assert told.status == 0


def test_what_is_unsorted_past_repeated_or_miscounted_is_each_slot_once(doctolib):
    answer = {
        "total": 0,
        "availabilities": [
            {
                "date": "2021-05-03",
                "slots": ["2021-05-03T10:00:00+02:00", "2020-05-03T10:00:00+02:00"],
            },
            {"date": "2021-05-03", "slots": [{"start_date": "2021-05-03T08:00:00.000000Z"}]},
        ],
    }
    told = doctolib(answer)
    assert told.starts == ["2020-05-03T08:00:00Z", "2021-05-03T08:00:00Z"]
    assert "total says 0" in told.said
    assert "1 repeated" in told.said
    later = doctolib(answer, options=("--now", "2021-01-01T00:00:00Z"))
    assert later.starts == ["2021-05-03T08:00:00Z"]
    assert "left out: slot at 2020-05-03T08:00:00Z: it lies in the past" in later.said


def test_no_availabilities_comes_with_a_reason_and_a_message(doctolib):
    told = doctolib(
        {"availabilities": [], "total": 0, "reason": "no_availabilities", "message": "Complet."}
    )
    assert told.rows == []
    assert "reason: no_availabilities" in told.said
    assert "message: Complet." in told.said


def test_slots_of_wrong_kinds_are_left_out_by_name_and_the_others_printed(doctolib):
    told = doctolib(
        {
            "availabilities": [
                {"slots": [7, None, [], {}, "demain", "2021-02-30T10:00:00Z", ["x"], True]},
                {"slots": "none"},
                "a day",
                {"slots": None},
                {"slots": ["2021-05-03T10:00:00.123456+02:00"]},
            ]
        }
    )
    assert told.starts == ["2021-05-03T08:00:00Z"]
    assert "1 slots, 10 left out" in told.said
    assert told.status == 0


def test_a_booking_page_tells_what_slots_are_for(doctolib):
    slots = doctolib_slots(
        {
            "start_date": "2021-05-03T09:00:00+02:00",
            "agenda_id": 21,
            "steps": [{"visit_motive_id": 11}, {"start_date": "2021-06-01T09:00:00+02:00"}],
        },
        {
            "start_date": "2021-05-03T09:10:00+02:00",
            "agenda_id": 22,
            "steps": [{"visit_motive_id": 12}],
        },
        {
            "start_date": "2021-05-03T09:20:00+02:00",
            "agenda_id": 23,
            "steps": [{"visit_motive_id": 11}],
        },
        {"start_date": "2021-05-03T09:30:00+02:00", "visit_motive_id": 13},
        {
            "start_date": "2021-05-03T09:40:00+02:00",
            "agenda_id": 22,
            "steps": [{"visit_motive_id": 11}],
        },
    )
    told = doctolib(doctolib_page(), slots)
    assert [tuple(row.values()) for row in told.rows] == [
        (
            *("doctolib", "practice-702", "2021-05-03T07:00:00Z", "1"),
            *("1ère injection vaccin COVID-19 (Moderna)", "public"),
        ),
        (
            *("doctolib", "practice-701", "2021-05-03T07:40:00Z", "1"),
            *("1ère injection vaccin COVID-19 (Moderna)", "public"),
        ),
    ]
    assert "it is for professionals" in told.said
    assert "agenda 23 is closed to the web" in told.said
    assert "it is not a vaccination" in told.said
    assert "1 slots without the second appointment that their motive needs" in told.said


def test_one_motive_that_was_asked_for_is_told_by_its_id(doctolib):
    told = doctolib(
        doctolib_page(),
        doctolib_slots("2021-05-03T09:00:00+02:00"),
        options=("--motive", "12", "--centre", "practice-701"),
    )
    assert told.rows == []
    assert "it is for professionals" in told.said


def test_a_page_whose_agendas_are_all_closed_is_by_telephone_only(doctolib):
    closed = [{"id": 1, "booking_disabled": True}, {"id": 2, "booking_temporary_disabled": True}]
    assert "by telephone only" in doctolib(doctolib_page(agendas=closed)).said
    assert "by telephone only" not in doctolib(doctolib_page()).said


def test_a_motive_for_known_people_alone_is_for_nobody_of_ours(doctolib):
    motives = [{"id": 1, "name": "1ère injection", "allow_new_patients": False}]
    told = doctolib(doctolib_page(visit_motives=motives), doctolib_slots("2021-05-03T09:00:00Z"))
    assert told.rows == []
    assert "it is for people whom the centre knows" in told.said


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "slot taken"}, "a refusal: 'slot taken'"),
        ({"confirmed": True}, "the answer to a confirmation"),
        ({"id": "x", "appointment": {"custom_fields": []}}, "an appointment that somebody makes"),
        ({"data": {"doctors": []}}, "a centre's booking page"),
    ],
)
def test_answers_without_slots_are_named(doctolib, answer, kind):
    told = doctolib(answer)
    assert (told.rows, told.status) == ([], 0)
    assert told.said.startswith(kind)


def test_times_without_a_zone_are_the_centre_s(doctolib):
    place = {"id": "practice-9", "zipcode": "97490", "city": "Saint-Denis"}
    page = doctolib_page(places=[place], agendas=[])
    told = doctolib(page, doctolib_slots("2021-05-03T10:00:00"), options=("--motive", "11"))
    assert told.starts == ["2021-05-03T06:00:00Z"]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("?pid=practice-162589", "practice-162589"),
        ("?pid=practice-162589&?speciality_id=5494", "practice-162589"),
        ("?pid=practice-162589?speciality_id=5494&enable_cookies_consent=1", "practice-162589"),
        ("?speciality_id=5494?pid=practice-162589", "practice-162589"),
        ("?highlight%5Bspeciality_ids%5D%5B%5D=5494&pid=practice-162589", "practice-162589"),
        ("?pid=practice-", ""),
        ("?speciality_id=5494", ""),
        ("", ""),
    ],
)
def test_a_link_selects_a_place_also_in_its_broken_forms(query, place):
    link = read_link(f"https://www.doctolib.fr/centre-de-sante/vitre/centre-du-marais{query} ")
    assert link is not None
    assert (link.platform, link.page, link.place) == ("doctolib", "centre-du-marais", place)
