"""The keys that mean the same at every question: 0 a person, 9 again, * back, 8 slower."""

from __future__ import annotations

from functools import lru_cache

import pytest

from flows.agents import QueuePlace
from flows.engine import PERSON_STEPS
from flows.session import CallerKind
from flows.speech import TurnOutcome
from flows.steps import STEPS
from flows.steps.resume import is_worth_resuming
from flows.verification.rehearsed import services
from flows.verification.turns import WalkTurn
from flows.world import Unbooked
from tests.flows.fake_world import OWN_PHONE, PARTNER, FakeWorld, closed, not_yet_open, offers
from tests.flows.talk import Talk
from tests.flows.walk import kept_weathers, my_weathers, walk, weathers


def nothing_free() -> FakeWorld:
    return FakeWorld(found=())


def two_services() -> FakeWorld:
    return FakeWorld(may_have=services())


def one_with_a_time_of_waiting() -> FakeWorld:
    return FakeWorld(may_have=services()[1:])


WORLDS = {
    "not_yet_open": not_yet_open,
    "closed": closed,
    "other_languages": lambda: FakeWorld(spoken_here=("fr", "en", "es", "en")),
    "group": lambda: FakeWorld(groups={"soignants": 30}),
    "own_centre": lambda: FakeWorld(found=(), own=OWN_PHONE),
    "partner_centre": lambda: FakeWorld(found=(), own=PARTNER),
    "service": two_services,
    **dict.fromkeys(("since_last", "not_since"), one_with_a_time_of_waiting),
    **dict.fromkeys(("no_slot", "waiting", "tell_number", "tell_number_check"), nothing_free),
}
EVERYWHERE = sorted(STEPS)


def is_far(step: str) -> bool:
    """Where only somebody comes who has an appointment, or for whom a place is kept."""
    return step.startswith("my_") or step in {"untold_birth_date", "kept_place_check"}


@lru_cache
def way_to(step: str) -> WalkTurn:
    """A turn of the walk that leads to a step from another one."""
    return next(
        turn
        for turn in walk().turns
        if turn.after.step == step
        and turn.before.step != step
        and turn.after.alive
        and not turn.after.misses
    )


def at(step: str, kind: CallerKind = CallerKind.MOBILE) -> Talk:
    if is_far(step):
        turn = way_to(step)
        worlds = {**weathers(), **my_weathers(), **kept_weathers()}
        return Talk(worlds.get(turn.weather)).stands_after(turn)
    talk = Talk(WORLDS.get(step, FakeWorld)(), kind).goes_to(step)
    return talk.presses("5") if step in {"welcome", "not_yet_open", "closed"} else talk


@pytest.mark.parametrize("step", sorted(set(EVERYWHERE) - PERSON_STEPS))
@pytest.mark.parametrize("key", ["0", "00", "000"])
def test_zero_leads_to_a_person_and_back_to_the_same_question(step: str, key: str):
    talk = at(step)
    before = talk.session
    talk.presses(key)
    assert talk.step == "person"
    assert talk.speech.outcome is TurnOutcome.ASKED
    known = before.caller_kind != CallerKind.NONE
    assert talk.asked.key == ("person_known_or_go_on" if known else "person_unknown_or_go_on")
    talk.presses("3" if known else "2")
    assert talk.step == step
    assert talk.session.trail == before.trail


@pytest.mark.parametrize("key", ["0", "00", "000", "1"])
def test_zero_again_at_the_person_promises_the_call(key: str):
    talk = Talk().presses("0", key)
    assert talk.speech.outcome is TurnOutcome.PROMISED
    assert talk.ended
    assert talk.world.promises == [("+33612345678", "welcome")]


@pytest.mark.parametrize("half", ["1*", "12*", "1203*", "1203194*", "75*", "0*", "***"])
@pytest.mark.parametrize("step", ["date_of_birth", "postcode", "reach_number", "person_number"])
def test_half_an_entry_and_a_star_asks_anew_and_is_no_mistake(step: str, half: str):
    talk = at(step)
    asked, before = talk.asked, talk.session
    talk.presses(half)
    assert talk.said[-1] == asked.key
    assert talk.asked == asked
    assert talk.session == before


@pytest.mark.parametrize("star", ["*", "**"])
def test_star_goes_one_step_back_each_time_as_far_as_the_welcome(star: str):
    talk = Talk().goes_to("confirm")
    back = []
    while talk.step != "welcome":
        talk.presses(star)
        assert talk.speech.outcome is TurnOutcome.BACK
        assert talk.session.misses == 0
        back.append(talk.step)
        assert len(back) < 20
    assert back == ["offers", "postcode", "date_of_birth_check", "date_of_birth", "welcome"]
    # Nothing before the welcome: it is said again.
    talk.presses(star)
    assert talk.step == "welcome"


def test_star_after_a_failed_try_starts_with_the_first_wording():
    talk = Talk().goes_to("postcode").presses("12")
    assert talk.session.misses == 1
    talk.presses("*").presses("1")
    assert talk.step == "postcode"
    assert talk.asked.wording == 0


def test_star_at_the_easier_date_goes_back_year_by_month_by_day():
    talk = Talk().goes_to("birth_day")
    assert [talk.presses("*").step for _ in range(3)] == ["birth_month", "birth_year", "welcome"]


def test_what_was_given_is_kept_when_going_back():
    talk = Talk().goes_to("confirm").presses("*", "*")
    assert talk.step == "postcode"
    assert (talk.session.born, talk.session.postcode) == ("1942-03-12", "75011")


def test_a_booking_cannot_be_left_backwards():
    talk = Talk().goes_to("confirm").presses("1")
    for _ in range(3):
        assert talk.presses("*").step == "ready"
    talk.presses("1")
    for _ in range(3):
        assert talk.presses("*").step == "reference"
    assert len(talk.world.orders) == 1


def test_star_after_a_slot_that_went_and_left_nothing_asks_something_that_exists():
    talk = Talk().goes_to("confirm")
    talk.world.reference, talk.world.found = Unbooked.GONE, ()
    talk.presses("1")
    assert talk.step == "no_slot"
    for _ in range(8):
        talk.presses("*")
        assert talk.step not in {"confirm", "reach", "offers"}


def test_star_after_a_slot_that_went_never_leads_to_one_that_was_not_chosen():
    talk = Talk().goes_to("confirm")
    talk.world.reference = Unbooked.GONE
    talk.presses("1")
    assert talk.said[0] == "just_taken"
    assert talk.step == "offers"
    for _ in range(8):
        talk.presses("*")
        assert talk.step not in {"confirm", "reach"}


def test_other_offers_that_found_nothing_do_not_lead_back_to_offers_that_are_gone():
    talk = Talk().goes_to("other_offers")
    talk.world.found = talk.world.found_anew = ()
    talk.presses("1")
    assert talk.step == "no_slot"
    talk.presses("*", "*")
    assert talk.asked.key != "offers_0"


def test_the_number_is_asked_once_and_not_again_for_another_slot():
    talk = Talk().goes_to("reach").presses("1")
    assert talk.step == "confirm"
    talk.presses("2", "2")
    assert talk.step == "confirm"
    assert talk.session.choice == offers()[1]


@pytest.mark.parametrize("kind", list(CallerKind))
def test_the_way_out_of_a_misunderstanding_is_a_person_with_the_way_back(kind: CallerKind):
    talk = Talk(kind=kind).goes_to("postcode_check").presses("5", "6", "7")
    assert talk.step == "person"
    assert talk.said[-3:-1] == ["hard_to_understand", "no_person.nobody"]
    talk.presses("3" if kind != CallerKind.NONE else "2")
    assert talk.step == "postcode_check"


def test_a_withheld_caller_who_goes_on_pressing_wrong_keys_is_not_hung_up_on():
    talk = Talk(kind=CallerKind.NONE).presses("0")
    for _ in range(60):
        talk.presses("5")
        assert not talk.ended
        assert talk.step in {"person", "person_number"}


def test_a_withheld_caller_who_falls_silent_hears_when_to_ring_after_three_wordings():
    talk = Talk(kind=CallerKind.NONE).presses("0").stays_silent(2)
    assert not talk.ended
    talk.stays_silent()
    assert talk.said == ["person_hours_now", "goodbye_unreachable"]


def test_what_a_withheld_caller_gave_is_kept_under_a_code_that_is_told():
    talk = Talk(kind=CallerKind.NONE).goes_to("postcode")
    while not talk.ended:
        talk.stays_silent()
    assert talk.said == ["person_hours_now", "kept_with_code", "goodbye_unreachable"]
    # Another call goes on from here.
    assert is_worth_resuming(talk.session)


def test_a_withheld_caller_who_falls_silent_goes_to_a_person_where_agents_are_there():
    talk = Talk(FakeWorld(person=QueuePlace("e" * 32, "fr", 3, 290)), CallerKind.NONE).goes_to(
        "postcode"
    )
    while not talk.ended:
        talk.stays_silent()
    assert talk.step == "queue"
    assert ("join", "quiet") in talk.world.line


def test_each_request_for_a_person_has_the_whole_patience():
    """Rounds of an earlier misunderstanding do not shorten a later one."""
    talk = Talk(kind=CallerKind.NONE)
    for _ in range(5):
        talk.presses("0", "1").stays_silent(3)
        assert talk.step == "person"
        talk.presses("2")
        assert talk.step == "welcome"
