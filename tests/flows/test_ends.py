"""Where nothing can be booked: the truth, and what the caller can do or what we promise."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from flows.agents import QueuePlace
from flows.session import CallerKind, Party, Session
from flows.speech import RETURNED, Line, TurnOutcome
from flows.steps.tell import known_number
from flows.world import Far, NamedCentre, News
from prompts.catalogue import load
from tests.flows.fake_world import (
    FAR,
    FAR_CENTRES,
    LANDLINE,
    MOBILE,
    OPENING,
    OWN_PHONE,
    PARTNER,
    TOWNS,
    FakeWorld,
    closed,
    not_yet_open,
    offers,
)
from tests.flows.talk import Talk

FRENCH = load("fr")
LYON = tuple(TOWNS[code] for code in ("69001", "69002", "69003"))


def heard(talk: Talk) -> str:
    """All that is said in French, as it is said."""
    lines = (line for line in talk.speech.lines if not line.language)
    return " ".join(FRENCH.say(line.key, line.values, line.wording) for line in lines)


def nothing_near(kind: CallerKind = CallerKind.MOBILE, **weather: object) -> Talk:
    return Talk(FakeWorld(found=(), **weather), kind).goes_to("no_slot")  # type: ignore[arg-type]


# ---------------------------------------------------------------- nothing near


def test_nothing_near_is_said_and_the_nearest_town_that_has_something_is_named():
    talk = nothing_near(far=FAR)
    assert talk.said == ["typed_postcode", "none_near", "no_slot_but_far"]
    assert "Laval, à 65 kilomètres à vol d'oiseau, tapez 1" in heard(talk)


def test_far_away_is_searched_only_when_it_is_asked_for_and_a_little_beyond():
    talk = nothing_near(far=FAR)
    assert [search.within_kilometres for search in talk.world.searches] == [0.0]
    talk.world.found = offers(2, centres=FAR_CENTRES)
    talk.presses("1")
    assert talk.step == "offers"
    assert talk.world.searches[-1].within_kilometres == pytest.approx(95.3)


def test_after_far_offers_other_days_are_searched_as_far_away():
    talk = nothing_near(far=FAR)
    talk.world.found = offers(2, centres=FAR_CENTRES)
    talk.presses("1", "4", "1")
    assert talk.world.searches[-1].within_kilometres == pytest.approx(95.3)


def test_another_town_is_searched_within_the_campaigns_own_radius_again():
    talk = nothing_near(far=FAR)
    talk.world.found = offers(2, centres=FAR_CENTRES)
    talk.presses("1", "4", "4", "75011", "1")
    assert talk.world.searches[-1].within_kilometres == 0.0


def test_what_was_far_away_and_is_gone_leads_back_to_the_truth():
    talk = nothing_near(far=FAR).presses("1")
    assert talk.said == ["none_near", "no_slot_but_far"]


def test_where_no_land_has_anything_no_town_is_named():
    talk = nothing_near()
    assert talk.said == ["typed_postcode", "none_near", "no_slot"]
    talk.presses("3")
    assert len(talk.world.searches) == 2


def test_farther_than_the_farthest_heard_may_be_farther_than_the_radius():
    world = FakeWorld(found_anew=(), far=Far("Laval", 65.3))
    talk = Talk(world).goes_to("other_offers").presses("3")
    assert [search.within_kilometres for search in world.searches][1:3] == [0.0, 95.3]
    assert world.searches[2].beyond_kilometres == 12.2
    assert talk.step == "offers"


# ---------------------------------------------------------------- the waiting list


def test_a_caller_waits_at_the_number_that_rings_and_hears_how_many_are_before_them():
    talk = nothing_near().presses("1")
    assert talk.step == "waiting"
    assert talk.world.waits == []
    talk.presses("1")
    assert talk.ended
    assert talk.speech.outcome is TurnOutcome.PROMISED
    (wait,) = talk.world.waits
    assert (wait.number, wait.born, wait.postcode) == (MOBILE, date(1942, 3, 12), "75011")
    assert (wait.latitude, wait.territory, wait.for_other) == (48.859, "metropole", False)
    assert talk.speech.lines == (
        Line("waiting_ahead", {"ahead": 10}),
        Line("waiting_promised", {"ending": "78"}),
    )
    assert heard(talk).endswith(
        "Nous vous rappellerons dès qu'une place se libère, au numéro qui se termine par 78."
        " Au revoir."
    )


@pytest.mark.parametrize(
    ("ahead", "told"), [(0, None), (9, None), (14, 10), (96, 100), (430, 450), (2349, 2300)]
)
def test_the_place_in_the_line_is_told_rounded(ahead: int, told: int | None):
    talk = nothing_near(ahead=ahead).presses("1", "1")
    first = talk.speech.lines[0]
    expected = Line("waiting_few_ahead") if told is None else Line("waiting_ahead", {"ahead": told})
    assert first == expected


def test_silence_at_the_waiting_list_is_no_objection_and_is_told_so_before():
    talk = nothing_near().presses("1").stays_silent(2)
    assert "Si vous ne faites rien, nous vous rappellerons" in heard(talk)
    talk.stays_silent()
    assert talk.speech.outcome is TurnOutcome.PROMISED
    assert len(talk.world.waits) == 1


def test_a_withheld_number_is_asked_for_one_and_reads_it_back():
    talk = nothing_near(CallerKind.NONE).presses("1")
    assert talk.step == "tell_number"
    talk.presses("0142685300")
    assert talk.asked.values["number"] == "+33142685300"
    talk.presses("1")
    assert [wait.number for wait in talk.world.waits] == ["+33142685300"]
    assert talk.speech.outcome is TurnOutcome.PROMISED


def test_a_number_that_was_given_before_is_not_asked_for_again():
    given = Session(number="+33699999999", caller="", caller_kind=CallerKind.NONE)
    assert known_number(given) == "+33699999999"
    assert known_number(replace(given, number="")) == ""
    assert known_number(Session(caller=LANDLINE, caller_kind=CallerKind.LANDLINE)) == LANDLINE


def test_where_nobody_can_wait_a_person_is_offered_and_nothing_is_promised():
    talk = nothing_near(ahead=None).presses("1", "1")
    assert talk.step == "person"
    assert not talk.ended


def test_the_first_of_two_waits_and_the_second_is_served_all_the_same():
    talk = Talk(FakeWorld(found=())).presses("2", "2", "12031942", "1", "75011", "1", "1")
    assert talk.step == "date_of_birth"
    assert talk.session.whom == Party.TWO
    assert talk.session.second_person
    assert talk.said[:2] == ["waiting_noted", "on_to_second"]
    talk.presses("13041943", "1", "1", "1")
    assert [wait.born.isoformat() for wait in talk.world.waits] == ["1942-03-12", "1943-04-13"]
    assert talk.world.waits[1].for_other
    assert talk.ended


# ---------------------------------------------------------------- a centre that books for itself


def test_a_near_centre_that_books_for_itself_is_named_and_the_call_is_connected():
    talk = Talk(FakeWorld(found=(), own=OWN_PHONE)).goes_to("own_centre")
    assert "Clinique des Lilas, aux Lilas, à 3 kilomètres" in heard(talk)
    talk.presses("1")
    assert talk.speech.dial == OWN_PHONE.number
    assert talk.speech.outcome is TurnOutcome.CONNECTED
    assert heard(talk).count("01, 42, 03, 04, 05") == 2


def test_who_comes_back_from_there_can_still_do_everything():
    talk = Talk(FakeWorld(found=(), own=OWN_PHONE)).goes_to("own_centre").presses("1")
    talk._hear(RETURNED)
    assert talk.step == "own_centre"
    talk.presses("2")
    assert talk.said == ["none_near", "no_slot"]


def test_it_is_named_before_far_offers_too_and_silence_leads_on_to_them():
    world = FakeWorld(found=offers(2, centres=FAR_CENTRES), own=OWN_PHONE)
    talk = Talk(world).goes_to("own_centre")
    assert talk.asked.key == "own_centre_or_offers"
    talk.stays_silent(3)
    assert talk.step == "offers"


@pytest.mark.parametrize(("own_at", "named"), [(20.4, True), (20.6, False)])
def test_it_is_named_only_where_nothing_of_ours_is_within_twice_its_distance(
    *, own_at: float, named: bool
):
    own = replace(OWN_PHONE, kilometres=own_at)
    world = FakeWorld(found=offers(2, centres=FAR_CENTRES), own=own)
    talk = Talk(world).goes_to("postcode_check").presses("1")
    assert (talk.step == "own_centre") is named


def test_it_is_named_once_and_not_at_each_search():
    talk = Talk(FakeWorld(found=(), own=OWN_PHONE)).goes_to("own_centre").presses("2", "3")
    assert talk.step == "no_slot"


def test_where_it_has_no_telephone_an_agent_is_passed_who_has_it_on_the_screen():
    person = QueuePlace("e" * 32, "fr", 3, 290)
    talk = Talk(FakeWorld(found=(), own=PARTNER, person=person)).goes_to("partner_centre")
    assert "Il y a plus d'une heure" in heard(talk)
    talk.presses("1")
    assert talk.speech.outcome is TurnOutcome.QUEUED
    assert talk.world.line == [("join", "partner")]
    known = talk.session.known
    assert (known["partner"], known["partner_centre"], known["partner_town"]) == (
        *("Doctolib", "Gymnase Japy"),
        "Les Lilas",
    )


def test_where_nobody_can_be_passed_for_it_nobody_is_said_to_be():
    talk = Talk(FakeWorld(found=(), own=PARTNER)).goes_to("partner_centre").presses("1")
    assert talk.said[:2] == ["partner_centre_person", "no_person.nobody"]
    assert "passe" not in heard(talk)
    assert talk.presses("3").step == "partner_centre"


def test_near_offers_are_read_without_asking_who_else_there_is():
    talk = Talk(FakeWorld(own=replace(OWN_PHONE, kilometres=0.1)))
    assert talk.goes_to("postcode_check").presses("1").step == "offers"


# ---------------------------------------------------------------- not eligible


def too_young(kind: CallerKind = CallerKind.MOBILE, **weather: object) -> Talk:
    talk = Talk(FakeWorld(**weather), kind)  # type: ignore[arg-type]
    return talk.goes_to("not_eligible")


def test_too_young_by_months_hears_from_which_day_on():
    talk = Talk(FakeWorld()).goes_to("date_of_birth").presses("01051952", "1")
    assert talk.said == ["not_yet_by_age", "not_eligible"]
    assert "le 1er mai 2027" in heard(talk)


def test_who_may_book_soon_is_told_then_by_text_on_a_mobile():
    talk = too_young(tell_at=OPENING)
    assert talk.said == ["not_open_at_age", "not_eligible_told"]
    talk.presses("2")
    assert talk.world.news == [(MOBILE, News.TURN, OPENING, True)]
    assert talk.said == ["turn_promised_text"]
    assert talk.speech.outcome is TurnOutcome.PROMISED


def test_a_landline_is_called():
    talk = too_young(CallerKind.LANDLINE, tell_at=OPENING).presses("2")
    assert talk.world.news == [(LANDLINE, News.TURN, OPENING, False)]
    assert talk.said == ["turn_promised_call"]


def test_a_withheld_number_is_asked_for_one_to_be_told_at():
    talk = too_young(CallerKind.NONE, tell_at=OPENING).presses("2", "0612345678", "1")
    assert talk.world.news == [(MOBILE, News.TURN, OPENING, True)]


def test_whose_class_opens_later_hears_the_moment():
    talk = too_young(turn_at=OPENING, tell_at=OPENING)
    assert talk.said[0] == "not_yet_their_turn"
    assert "mardi 1er décembre à 8 heures" in heard(talk)


def test_where_nobody_knows_when_it_changes_that_is_said():
    assert too_young(day_known=False).said == ["not_for_all", "not_eligible"]


def test_the_date_can_be_corrected():
    assert too_young().presses("1").step == "date_of_birth"


def test_a_group_for_which_the_age_would_do_is_asked_before_anything_is_refused():
    talk = Talk(FakeWorld(groups={"soignants": 30})).goes_to("group")
    assert "soignants" in heard(talk)
    talk.presses("1")
    assert talk.step == "postcode"
    talk.presses("75011")
    assert talk.world.searches[-1].first_day == date(2020, 3, 12)
    talk.presses("1", "1")
    (order,) = talk.world.orders
    assert order.groups == ("soignants",)


def test_each_group_is_asked_once_and_who_is_in_none_is_told_plainly():
    talk = Talk(FakeWorld(groups={"soignants": 30, "pompiers": 30})).goes_to("group").presses("2")
    assert talk.asked.values["group"] == "pompiers"
    talk.presses("2")
    assert talk.step == "not_eligible"
    assert talk.session.groups == ()


def test_a_group_that_the_age_does_not_do_for_is_not_asked():
    talk = Talk(FakeWorld(groups={"soignants": 50}))
    assert talk.goes_to("date_of_birth").presses("12031990", "1").step == "not_eligible"


def test_a_new_date_of_birth_is_asked_about_its_groups_anew():
    talk = Talk(FakeWorld(groups={"soignants": 30})).goes_to("group").presses("2", "1")
    talk.presses("12031989", "1")
    assert talk.step == "group"


def test_the_first_of_two_may_be_too_young_and_the_second_is_served():
    talk = Talk(FakeWorld(tell_at=OPENING)).presses("2", "2", "12031990", "1")
    assert talk.asked.key == "not_eligible_told_or_second"
    talk.presses("2")
    assert talk.world.news == [(MOBILE, News.TURN, OPENING, True)]
    assert talk.said[:2] == ["turn_noted", "on_to_second"]
    talk.presses("12031942", "1")
    assert talk.step == "postcode"


# ---------------------------------------------------------------- before and after the campaign


@pytest.mark.parametrize(("key", "by_text"), [("1", True), ("2", False)])
def test_before_the_opening_a_mobile_is_texted_or_called_at_that_moment(*, key: str, by_text: bool):
    talk = Talk(not_yet_open())
    assert "mardi 1er décembre à 8 heures" in heard(talk)
    talk.presses(key)
    assert talk.world.news == [(MOBILE, News.OPENING, OPENING, by_text)]
    assert talk.speech.outcome is TurnOutcome.PROMISED


def test_before_the_opening_a_landline_is_called():
    talk = Talk(not_yet_open(), CallerKind.LANDLINE)
    assert "message" not in heard(talk)
    talk.presses("1")
    assert talk.world.news == [(LANDLINE, News.OPENING, OPENING, False)]


def test_before_the_opening_a_withheld_number_gives_one():
    talk = Talk(not_yet_open(), CallerKind.NONE).presses("1", "0612345678", "1")
    assert talk.world.news == [(MOBILE, News.OPENING, OPENING, True)]


def test_who_listened_until_it_opened_is_let_in():
    talk = Talk(not_yet_open())
    talk.world = replace(talk.world, moment=OPENING)
    assert talk.presses("1").step == "welcome"


def test_after_the_end_an_appointment_can_still_be_heard():
    talk = Talk(closed())
    assert "Pour un rendez-vous déjà pris, tapez 2" in heard(talk)
    assert talk.presses("2").step == "my_reference"


@pytest.mark.parametrize("world", [not_yet_open, closed])
def test_english_is_spoken_there_too(world: object):
    talk = Talk(world()).presses("4")  # type: ignore[operator]
    assert talk.session.language == "en"
    assert talk.step in {"not_yet_open", "closed"}


# ---------------------------------------------------------------- the town


def test_digits_that_are_missing_twice_lead_to_the_town_too():
    talk = Talk().goes_to("postcode").presses("355")
    assert talk.said[0] == "reason.postcode_incomplete"
    talk.presses("355")
    assert talk.said[-2:] == ["easier_town", "town"]


@pytest.mark.parametrize("step", ["postcode", "town"])
def test_a_cedex_code_is_read_back_with_its_town_and_searched_there(step: str):
    talk = Talk().goes_to(step)
    before = len(talk.world.searches)
    talk.presses("35506")
    assert talk.said[0] == "cedex"
    assert "Le 3 5 5 0 6 est sans doute un code CEDEX de Vitré" in heard(talk)
    assert talk.step == "town_check"
    assert len(talk.world.searches) == before
    talk.presses("1")
    assert talk.world.searches[-1].latitude == 48.124
    assert talk.session.postcode == "35500"


def test_a_cedex_code_that_is_another_towns_is_corrected_by_the_towns_name():
    talk = Talk().goes_to("postcode").presses("35506").presses("2")
    assert talk.step == "town"
    assert not talk.world.searches


def test_a_cedex_code_may_be_said():
    talk = Talk().goes_to("postcode").stays_silent()
    talk.says("trente-cinq cinq cent six")
    assert "Le 3 5 5 0 6 est sans doute un code CEDEX de Vitré" in heard(talk)


def test_corsicas_digits_name_two_towns_and_the_caller_chooses():
    talk = Talk().goes_to("town").presses("20")
    assert "Ajaccio, Corse-du-Sud, tapez 1" in heard(talk)
    assert "Bastia, Haute-Corse, tapez 2" in heard(talk)
    talk.presses("2")
    assert (talk.session.postcode, talk.session.territory) == ("20200", "corse")
    assert talk.step == "offers"


def test_an_unknown_departement_is_no_town():
    talk = Talk().goes_to("town").presses("13")
    assert talk.said[0] == "reason.no_such_departement"


def test_a_town_that_is_named_is_read_back_with_its_departement():
    talk = Talk(FakeWorld(named_towns=(TOWNS["35500"],))).goes_to("town")
    talk.says("j'habite à côté de Vitré")
    assert talk.said == ["town_check"]
    assert talk.presses("2").step == "town"


def test_towns_of_one_name_are_asked_never_guessed_and_told_apart_by_more_than_it():
    talk = Talk(FakeWorld(named_towns=LYON)).goes_to("town").says("à Lyon")
    assert talk.asked.key == "town_which_3"
    same = tuple(replace(town, name="Lyon") for town in LYON)
    talk = Talk(FakeWorld(named_towns=same)).goes_to("town").says("à Lyon")
    assert "Lyon, 6 9 0 0 2, tapez 2" in heard(talk)
    assert talk.presses("4").step == "town"


def test_the_choice_among_towns_survives_being_stored():
    talk = Talk(FakeWorld(named_towns=LYON)).goes_to("town").says("à Lyon")
    assert Session.from_json(talk.session.to_json()) == talk.session


def test_a_centre_that_is_named_is_searched_alone():
    centre = NamedCentre("2", "Gymnase Jaurès", "Paris 11e")
    talk = Talk(FakeWorld(named_centre=centre)).goes_to("town").says("au gymnase Jaurès")
    assert talk.world.searches[-1].centre_id == "2"
    assert talk.step == "offers"


def test_a_centre_that_has_nothing_is_said_and_what_is_around_is_read():
    class Elsewhere(FakeWorld):
        def hold_nearest(self, search):
            found = super().hold_nearest(search)
            return () if search.centre_id else found

    centre = NamedCentre("2", "Gymnase Jaurès", "Paris 11e")
    talk = Talk(Elsewhere(named_centre=centre)).goes_to("town").says("au gymnase Jaurès")
    assert talk.said[0] == "none_at_centre"
    assert talk.step == "offers"
    assert talk.session.centre_id == ""


def test_words_that_name_nothing_are_no_answer():
    talk = Talk().goes_to("town").says("il fait beau aujourd'hui")
    assert talk.step == "town"
    assert talk.said[0] == "reason.not_understood"


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize(
    "key",
    [
        *("waiting_promised", "opening_promised_text", "opening_promised_call"),
        *("turn_promised_text", "turn_promised_call"),
    ],
)
def test_a_promise_is_the_last_thing_said_before_goodbye(key: str):
    said = FRENCH.say(key, {"ending": "78"}).split("|")[-1].strip()
    promise, goodbye = said.split(". ")
    assert promise.startswith("Nous vous rappellerons ")
    assert goodbye == "Au revoir."
