"""What is said when an answer is not understood: another wording, an easier way, a person."""

from __future__ import annotations

import pytest

from flows.session import CallerKind
from flows.speech import TurnOutcome
from prompts.catalogue import load
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk
from tests.flows.test_commands import EVERYWHERE, at

FRENCH = load("fr")
# No answer to any question, and no menu has such a key.
NEVER = "77"


def heard(talk: Talk) -> str:
    return FRENCH.say(talk.asked.key, talk.asked.values, talk.asked.wording)


@pytest.mark.parametrize("step", [one for one in EVERYWHERE if one != "reference"])
def test_silence_and_a_wrong_key_are_told_apart(step: str):
    assert at(step).stays_silent().said[0].startswith("reason.silence")
    wrong = at(step).presses(NEVER)
    assert wrong.said[0].startswith("reason.")
    assert wrong.said[0] != "reason.silence"
    assert wrong.speech.outcome is TurnOutcome.MISSED


def test_after_two_failed_dates_year_month_and_day_are_asked_apart():
    talk = Talk().goes_to("date_of_birth").presses("31021940")
    assert talk.said == ["reason.no_such_date", "date_of_birth"]
    talk.presses("9")  # the same again: no try
    talk.presses("12")
    assert talk.said == ["reason.date_incomplete", "easier_date", "birth_year"]
    talk.presses("1942")
    assert talk.said == ["birth_month"]
    talk.presses("3")
    assert talk.said == ["birth_day"]
    talk.presses("12")
    assert talk.said == ["date_of_birth_check"]
    assert talk.session.born == "1942-03-12"
    talk.presses("1")
    assert talk.step == "postcode"


@pytest.mark.parametrize(
    ("step", "pressed", "why"),
    [
        ("birth_year", "1899", "year"),
        ("birth_year", "2027", "year"),
        ("birth_year", "42", "year"),
        ("birth_year", "1" * 500, "year"),
        ("birth_year", "١٩٤٢", "year"),
        ("birth_month", "13", "month"),
        ("birth_month", "00", "month"),
        ("birth_month", "1" * 500, "month"),
        ("birth_day", "32", "no_such_date"),
        ("birth_day", "31", ""),
        ("birth_day", "1" * 500, "no_such_date"),
    ],
)
def test_a_wrong_part_of_a_date_is_refused_where_it_is_typed(step: str, pressed: str, why: str):
    talk = Talk().goes_to(step)
    if pressed == "00":
        # Two noughts ask for a person at every question, this one among them.
        assert talk.presses(pressed).step == "person"
        return
    talk.presses(pressed)
    if why:
        assert talk.step == step
        assert talk.said == [f"reason.{why}", step]
    else:
        assert talk.session.born == "1942-03-31"


@pytest.mark.parametrize(("month", "day"), [("02", "30"), ("04", "31"), ("02", "29")])
def test_a_day_that_its_month_does_not_have_is_refused_at_the_day(month: str, day: str):
    talk = Talk().goes_to("birth_month").presses(month, day)
    assert talk.step == "birth_day"
    assert talk.said[0] == "reason.no_such_date"


def test_a_wrong_readback_leads_to_typing_it_again_as_often_as_needed():
    talk = Talk().goes_to("date_of_birth")
    for _ in range(4):
        talk.presses("12031942", "2")
        assert talk.step == "date_of_birth"
        assert talk.asked.wording == 0


def test_a_number_that_cannot_be_typed_does_not_stand_in_the_way_of_a_booking():
    talk = Talk().goes_to("reach_number").presses("0899123456", "3975", "12")
    assert talk.said[-2:] == ["on_without_number", "confirm"]
    assert talk.session.number == ""
    talk.presses("1")
    assert talk.world.orders[0].number == ""


def test_a_landline_cannot_receive_the_text_and_the_caller_hears_why():
    talk = Talk().goes_to("reach_number").presses("0142685300")
    assert talk.said == ["reason.number_landline", "reach_number"]


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        (CallerKind.MOBILE, "reach_mobile"),
        (CallerKind.LANDLINE, "reach_landline"),
        (CallerKind.NONE, "reach_withheld"),
    ],
)
def test_how_to_reach_the_caller_is_asked_by_what_rings(kind: CallerKind, prompt: str):
    assert Talk(kind=kind).goes_to("reach").asked.key == prompt


@pytest.mark.parametrize(
    ("typed", "step"),
    [
        # 75 within the 35 days that can be booked, the last of them included.
        ("30121951", "postcode"),
        ("31121951", "not_eligible"),
        ("25111951", "postcode"),
    ],
)
def test_who_turns_old_enough_before_the_last_day_that_can_be_booked_may_book(
    typed: str, step: str
):
    talk = Talk().goes_to("date_of_birth").presses(typed, "1")
    assert talk.step == step


def test_nobody_is_offered_a_day_on_which_they_are_too_young():
    talk = Talk().goes_to("date_of_birth").presses("20121951", "1", "75011")
    assert talk.world.searches[0].first_day.isoformat() == "2026-12-20"


def test_others_are_searched_from_the_next_day_in_the_centres_own_calendar():
    talk = Talk().goes_to("other_offers").presses("1")
    # Thursday ten o'clock was the last heard: Friday in Paris begins at 23:00 UTC.
    assert talk.world.searches[-1].not_before.isoformat() == "2026-11-26T23:00:00+00:00"
    assert talk.world.searches[-1].skip_slots == (101, 102, 103)


@pytest.mark.parametrize(("pressed", "part"), [("1", "morning"), ("2", "afternoon")])
def test_morning_and_afternoon_are_searched(pressed: str, part: str):
    talk = Talk().goes_to("part_of_day").presses(pressed)
    assert talk.world.searches[-1].part_of_day == part


def test_where_nothing_else_is_free_the_caller_hears_so_and_what_there_is():
    talk = Talk(FakeWorld(found_anew=())).goes_to("other_offers").presses("1")
    assert talk.said == ["no_others", "offers_3"]


def test_silence_after_the_booking_leads_to_the_reference_and_undoes_nothing():
    talk = Talk().goes_to("ready").stays_silent(3)
    assert talk.step == "reference"
    # All is told: who says nothing is not told everything again.
    talk.stays_silent()
    assert talk.step == "calls_offer"
    # Nobody is rung who says nothing.
    talk.stays_silent(2)
    assert talk.ended
    assert talk.said == ["goodbye_booked"]
    assert talk.world.wishes == []
