"""What was begun and left must not colour what comes after it."""

from __future__ import annotations

from dataclasses import replace

from flows.session import CallerKind, MineState
from flows.steps.common import offer_to_resume
from flows.verification.rehearsal import earlier
from flows.verification.rehearsed import cut_call, my_booking
from flows.world import Unbooked
from tests.flows.fake_world import REFERENCE, FakeWorld, closed, ringing
from tests.flows.talk import Talk


def test_whoever_came_back_from_my_appointment_books_and_proves_nothing():
    talk = Talk().presses("3", "1", "*", "*", "1", "12031942", "1")
    assert talk.step == "postcode"
    assert talk.world.asked_for == []


def test_whoever_chose_two_people_and_came_back_asks_for_their_own_appointment():
    talk = Talk().presses("2", "2", "*", "*", "3", "1", "1")
    assert "about_first" not in talk.said


def test_the_newest_answer_about_a_group_counts():
    talk = Talk(FakeWorld(groups={"soignants": 18})).presses("1", "12031990", "1", "1")
    assert list(talk.session.groups) == ["soignants"]
    talk.presses("*", "2")
    assert talk.step == "not_eligible"
    assert list(talk.session.groups) == []
    assert list(talk.session.groups_refused) == ["soignants"]


def resumed(world: FakeWorld) -> Talk:
    talk = Talk(world)
    talk.session = offer_to_resume(ringing(CallerKind.MOBILE), earlier(world))
    return talk.rings_again()


def test_a_birth_date_is_told_to_nobody_who_resumes_at_the_group():
    world = FakeWorld(cut=cut_call("group"), groups={"soignants": 18})
    talk = resumed(world).presses("1")
    assert talk.step == "date_of_birth"


def test_a_town_that_was_refused_is_not_searched():
    talk = Talk().goes_to("offers").presses("4", "4", "35", "2", "*", "*")
    assert talk.step == "offers"
    assert talk.session.town == "Paris 11e"
    talk.presses("1", "1")
    assert talk.world.orders[-1].postcode == "75011"


def test_after_the_campaign_nothing_new_is_begun_from_a_past_appointment():
    world = closed()
    world.mine = my_booking(state=MineState.PAST)
    talk = Talk(replace(world)).presses("2", REFERENCE, "1", "12031942", "1")
    assert talk.step == "my_over"
    assert talk.presses("1").step == "closed"


def test_the_vosges_are_a_departement_and_no_wish():
    talk = Talk().goes_to("town").presses("88")
    assert not talk.session.slow


def test_farther_away_leaves_the_centre_that_was_named():
    talk = Talk().goes_to("offers")
    talk.session = talk.session.but(centre_id="1")
    talk.presses("4", "3")
    assert talk.world.searches[-1].centre_id == ""


def test_the_second_of_two_hears_what_the_first_did_not_take():
    talk = Talk(FakeWorld(adjacent=False), CallerKind.LANDLINE).goes_to("couple_choice")
    talk.presses("1").goes_to("reference").presses("1", "04071941", "1")
    assert talk.world.searches[-1].skip_slots == ()


def test_where_the_last_slot_went_nobody_is_promised_others():
    talk = Talk().goes_to("confirm")
    talk.world.reference, talk.world.found = Unbooked.GONE, ()
    talk.presses("1")
    assert talk.said == ["just_taken", "none_near", "no_slot"]


def test_english_stays_english_when_nothing_can_be_taken_up():
    world = FakeWorld(cut=None)
    talk = Talk(world)
    talk.session = ringing(CallerKind.MOBILE).but(language="en", earlier="CA1")
    talk.rings_again().presses("1")
    assert (talk.step, talk.session.language) == ("welcome", "en")
