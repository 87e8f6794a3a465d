"""What for: asked where there is a choice, and of nobody else."""

from __future__ import annotations

import pytest

from flows.session import Session
from flows.verification.rehearsed import my_halves, services
from flows.world import Choice, Eligibility, TakenUp, Unbooked
from prompts.catalogue import PAUSE, languages, load
from tests.flows.fake_world import MORNING, FakeWorld
from tests.flows.talk import Talk

BORN = "12031942"
FLU, COVID, CARD = "flu-2026", "covid-2026", "card-2026"
MAY = Eligibility(MORNING.date())


def autumn(**options: object) -> FakeWorld:
    """An outside with influenza and Covid, of which both are in one appointment."""
    of_services = {
        name: options.pop(name)
        for name in ("since", "apart", "card", "all_together", "town")
        if name in options
    }
    world = FakeWorld(may_have=services(**of_services), **options)  # type: ignore[arg-type]
    world.rules_ = type(world.rules_)("tests", minimum_age=65, horizon_days=35, services=2)
    return world


def at_the_question(world: FakeWorld | None = None, *whom: str) -> Talk:
    return Talk(world or autumn()).presses(*(whom or "1"), BORN)


def heard(talk: Talk, language: str = "fr") -> str:
    catalogue = load(language)
    lines = (line for line in talk.speech.lines if not line.language)
    return PAUSE.join(catalogue.say(line.key, line.values, line.wording) for line in lines)


# ---------------------------------------------------------------- who is asked


def test_two_services_are_one_question_that_reads_the_birth_date_back():
    talk = at_the_question()
    assert talk.said == ["typed_birth_date", "service_2_both"]
    assert "12 mars 1942" in heard(talk)
    assert "Pour la grippe, tapez 1" in heard(talk)
    assert "Pour les deux, tapez 3" in heard(talk)


def test_of_the_one_service_of_today_nothing_is_kept_in_the_session():
    plain = FakeWorld(may_have=(Choice("tests", "", MAY),))
    talk = Talk(plain).presses("1", BORN, "1", "75011")
    assert talk.step == "offers"
    assert talk.session.wanted == ()
    assert "wanted" not in talk.session.to_json()
    assert "what_for" not in talk.said


@pytest.mark.parametrize(("key", "wanted"), [("1", (FLU,)), ("2", (COVID,)), ("3", (FLU, COVID))])
def test_each_key_is_what_it_says(key: str, wanted: tuple[str, ...]):
    talk = at_the_question(autumn(since=0)).presses(key)
    assert talk.step == "postcode"
    assert talk.session.wanted == wanted


def test_services_that_do_not_go_together_are_not_offered_together():
    talk = at_the_question(autumn(apart=True))
    assert talk.said[-1] == "service_2"
    assert talk.presses("3").said[0] == "reason.key"


def test_of_three_the_two_that_go_together_are_the_fourth_key():
    talk = at_the_question(autumn(card=True, since=0))
    assert talk.said[-1] == "service_3_pair"
    assert "Pour la grippe et le Covid, tapez 4" in heard(talk)
    assert talk.presses("4").session.wanted == (FLU, COVID)


# ---------------------------------------------------------------- as every question


def test_the_star_corrects_the_birth_date_that_was_typed():
    talk = at_the_question().presses("*")
    assert talk.step == "date_of_birth"
    assert "typed_birth_date" in talk.presses("13031942").said
    assert "13 mars 1942" in heard(talk)


def test_the_star_corrects_what_was_chosen():
    talk = at_the_question().presses("1", "*")
    assert talk.step == "service"
    assert talk.presses("3", "1").session.wanted == (FLU, COVID)


def test_a_date_that_was_said_is_read_back_by_itself():
    talk = Talk(autumn()).presses("1").stays_silent().says("douze mars quarante-deux")
    assert talk.step == "date_of_birth_check"
    talk.presses("1")
    assert talk.said == ["service_2_both"]


def test_what_is_proved_by_a_birth_date_is_read_back_by_itself():
    talk = Talk(autumn()).presses("3", "4521738908", "1", BORN)
    assert talk.step == "date_of_birth_check"


def test_silence_and_wrong_keys_lead_to_a_person():
    talk = at_the_question().stays_silent().presses("7")
    assert talk.step == "service"
    assert talk.presses("7").step == "person"


@pytest.mark.parametrize(
    ("language", "said", "wanted"),
    [
        ("fr", "la grippe", (FLU,)),
        ("fr", "euh le covid s'il vous plaît", (COVID,)),
        ("fr", "les deux", (FLU, COVID)),
        ("fr", "pour la grippe et le covid", (FLU, COVID)),
        ("fr", "tous les deux", (FLU, COVID)),
        ("en", "both please", (FLU, COVID)),
        ("en", "the covid", (COVID,)),
        ("es", "las dos cosas", (FLU, COVID)),
        ("es", "covid", (COVID,)),
    ],
)
def test_it_is_understood_in_words(language: str, said: str, wanted: tuple[str, ...]):
    talk = at_the_question(autumn(since=0)).stays_silent()
    talk.session = talk.session.but(language=language)
    assert talk.says(said).session.wanted == wanted


@pytest.mark.parametrize("said", ["pas la grippe", "deux", "je ne sais pas", "il pleut"])
def test_what_is_not_clear_is_asked_again(said: str):
    talk = at_the_question().stays_silent().says(said)
    assert talk.step == "service"
    assert talk.session.wanted == ()


def test_what_does_not_go_together_is_not_taken_together():
    talk = at_the_question(autumn(apart=True)).stays_silent().says("la grippe et le covid")
    assert talk.said[0] == "reason.not_together"


def test_a_date_that_nobody_agreed_to_is_asked_again_after_a_cut():
    world = autumn()
    assert resumed(world, at_the_question(world).session).step == "date_of_birth"


def resumed(world: FakeWorld, was: Session) -> Talk:
    world.cut = TakenUp(was, kept=False)
    again = Talk(world)
    again._rings_anew("resume")
    return again.presses("1")


# ---------------------------------------------------------------- six months, by their own word


def test_only_who_chose_it_is_asked_for_the_months():
    assert at_the_question().presses("1").step == "postcode"
    talk = at_the_question().presses("2")
    assert talk.said == ["since_last"]
    assert "Pour le Covid, la dernière fois date-t-elle d'au moins 6 mois ?" in heard(talk)


def test_who_says_no_goes_on_with_the_other():
    talk = at_the_question().presses("3", "2")
    assert talk.said == ["since_too_short", "on_for", "postcode"]
    assert "Nous continuons pour la grippe" in heard(talk)
    assert talk.session.wanted == (FLU,)
    # The newest answer counts.
    assert talk.presses("*", "1").session.wanted == (FLU, COVID)


def test_who_says_no_to_all_they_asked_for_hears_what_else_there_is():
    talk = at_the_question().presses("2", "2")
    assert talk.said == ["not_since_other"]
    assert "Pour la grippe, tapez 1" in heard(talk)
    assert talk.presses("1").session.wanted == (FLU,)


def test_who_may_have_nothing_else_is_told_the_truth_and_may_correct_it():
    world = autumn()
    world.may_have = services()[1:]
    talk = at_the_question(world).presses("1", "2")
    assert talk.said == ["not_since"]
    assert at_the_question(world).presses("1", "2", "1").step == "since_last"
    assert talk.presses("2").ended


def test_a_word_alone_does_not_certify_it():
    talk = at_the_question().presses("2").stays_silent().says("oui")
    assert talk.step == "since_last"
    assert talk.said[0] == "reason.by_key"


# ---------------------------------------------------------------- to the end


def test_where_one_service_is_open_nothing_is_said_of_it():
    world = autumn()
    world.may_have = services()[:1]
    world.rules_ = type(world.rules_)("tests", minimum_age=65, horizon_days=35)
    talk = at_the_question(world).presses("1", "75011")
    assert "what_for" not in talk.said


def test_a_service_that_closed_before_the_search_is_said():
    world = autumn()
    talk = at_the_question(world).presses("3", "1")
    world.may_have = services()[:1]
    assert talk.presses("75011").said[:2] == ["service_over", "service_1"]
    world.may_have = ()
    assert talk.presses("9").said == ["closed"]
    assert talk.presses("1").step == "closed"


@pytest.mark.parametrize("said", ["trois", "3"])
def test_a_bare_number_that_may_be_a_key_or_all_of_three_is_asked_again(said: str):
    world = autumn(card=True, all_together=True, since=0)
    talk = at_the_question(world).stays_silent().says(said)
    assert talk.step == "service"
    assert talk.session.wanted == ()
    assert talk.says("les trois").session.wanted == (FLU, COVID, "card-2026")


def test_a_postcode_typed_before_a_service_closed_is_read_with_the_other_one():
    world = autumn(since=0)
    talk = at_the_question(world).presses("1")
    world.may_have = services(since=0)[1:]
    assert talk.presses("75011").said[:2] == ["service_over", "service_1"]
    talk.presses("1")
    assert talk.step == "offers"
    assert "typed_postcode" in talk.said
    assert "7 5 0 1 1, Paris 11e" in heard(talk)
    assert talk.presses("*").step == "postcode"
    assert talk.presses("20000").session.town == "Ajaccio"


def test_a_postcode_is_read_where_nothing_is_found_for_the_other_one():
    world = autumn(since=0, found=())
    talk = at_the_question(world).presses("1")
    world.may_have = services(since=0)[1:]
    talk.presses("75011", "1")
    assert talk.step == "no_slot"
    assert talk.said[0] == "typed_postcode"


def test_a_postcode_that_was_read_is_not_read_again_when_a_service_closes():
    world = autumn()
    talk = at_the_question(world).presses("3", "1", "75011", "1")
    world.reference = Unbooked.CLOSED
    world.may_have = services()[:1]
    talk.presses("1")
    world.reference = "4521738908"
    assert "typed_postcode" not in talk.presses("1").said


def test_an_agent_sees_what_was_asked_for():
    assert at_the_question().presses("1").session.known["wanted"] == FLU


# ---------------------------------------------------------------- one of the two, later


def my_menu(**options: int) -> Talk:
    talk = Talk(autumn(mine=my_halves(**options))).presses("3", "4521738908", "1", BORN, "1")
    assert talk.step == "my_menu"
    return talk


def test_my_appointment_says_what_it_is_for():
    assert my_menu().said == ["what_for", "my_one", "my_menu"]
    talk = my_menu(days_apart=2)
    assert talk.said == ["my_services", "my_menu"]
    assert "Pour la grippe, vous venez le samedi 28 novembre à 10 heures" in heard(talk)
    assert "Pour le Covid, le lundi 30 novembre à 10 heures" in heard(talk)


def test_the_one_that_is_to_be_cancelled_may_be_named():
    talk = my_menu().presses("3").stays_silent().says("le covid")
    assert talk.step == "my_cancel_check"
    assert talk.session.half == "covid"
    assert my_menu().presses("3").stays_silent().says("les deux").session.half == ""


def test_both_of_one_appointment_move_together():
    talk = my_menu().presses("2", "3")
    assert talk.world.searches[-1].wanted == (FLU, COVID)
    talk.presses("1", "1")
    assert talk.world.changed[-1] == ("move", "first", 1)


def test_of_two_days_each_moves_by_itself():
    talk = my_menu(days_apart=2).presses("2")
    assert talk.said == ["my_move_half_apart"]
    assert talk.presses("3").said[0] == "reason.key"
    talk.presses("2", "1")
    assert "L'ancien, celui du lundi 30 novembre" in heard(talk)


def test_no_text_names_what_it_is_for():
    talk = Talk(autumn())
    talk.session = talk.session.but(by_text=True)
    talk.presses("1", BORN, "1")
    assert talk.said[0] == "person_needed"
    assert "service_2_both" not in talk.said


@pytest.mark.parametrize(
    ("left", "step"),
    [(services()[1:], "person_needed"), ((), "closed")],
    ids=["another", "nothing"],
)
def test_no_text_names_what_closed_meanwhile(left: tuple[Choice, ...], step: str):
    world = autumn()
    world.may_have = services()[:1]
    talk = Talk(world)
    talk.session = talk.session.but(by_text=True)
    talk.presses("1", BORN, "1", "75011", "1")
    assert FLU in talk.session.wanted
    world.reference, world.may_have = Unbooked.CLOSED, left
    for _ in range(3):
        if talk.said[0] == step:
            break
        talk.presses("1")
    assert talk.said[0] == step
    assert talk.session.wanted == ()


# ---------------------------------------------------------------- the words


@pytest.mark.parametrize("language", languages())
def test_every_language_says_it(language: str):
    for world in (autumn(), autumn(apart=True), autumn(card=True)):
        talk = at_the_question(world)
        for _ in range(3):
            said = heard(talk, language)
            assert said.count("{") == 0
            talk.stays_silent()


# ---------------------------------------------------------------- more than three


def town_hall() -> Talk:
    return at_the_question(autumn(town=True, since=0))


def test_of_five_three_are_told_and_one_more_key_leads_to_the_rest():
    talk = town_hall()
    assert talk.said == ["typed_birth_date", "service_more_3"]
    for told in (
        "Pour la grippe, tapez 1",
        "Pour le Covid, tapez 2",
        "Pour la carte d'identité, tapez 3",
    ):
        assert told in heard(talk)
    assert "Pour autre chose, tapez 4" in heard(talk)
    # What goes together stands behind each by itself. The birth date was read already.
    talk.presses("4")
    assert talk.said == ["service_more_3"]
    for told in (
        "Pour le passeport, tapez 1",
        "Pour un acte de naissance, tapez 2",
        "Pour la grippe et le Covid, tapez 3",
    ):
        assert told in heard(talk)
    # Behind the last come the first.
    assert "Pour la grippe, tapez 1" in heard(talk.presses("4"))


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("1", (FLU,)),
        ("3", (CARD,)),
        ("41", ("passport-2026",)),
        ("43", (FLU, COVID)),
        ("442", (COVID,)),
    ],
)
def test_each_of_the_five_has_its_key(keys: str, wanted: tuple[str, ...]):
    talk = town_hall()
    for key in keys:
        talk.presses(key)
    assert talk.session.wanted == wanted
    assert talk.step == "postcode"


def test_one_that_was_not_told_yet_is_understood_in_words():
    talk = town_hall().says("pour le passeport")
    assert talk.session.wanted == ("passport-2026",)
    assert town_hall().says("la grippe et le covid").session.wanted == (FLU, COVID)
    assert "passeport" in heard(town_hall().says("autre chose"))


def test_the_star_corrects_the_birth_date_behind_it_and_the_first_are_told_again():
    talk = town_hall().presses("4").presses("*")
    assert talk.step == "date_of_birth"
    talk.presses(BORN)
    assert talk.said == ["typed_birth_date", "service_more_3"]
    assert "Pour la grippe, tapez 1" in heard(talk)


def test_silence_among_the_rest_tells_the_rest_again():
    talk = town_hall().presses("4").stays_silent()
    assert "Pour le passeport" in heard(talk)


def test_of_four_that_go_apart_the_last_stands_alone_behind_the_key():
    world = autumn(town=True, apart=True, since=0)
    world.may_have = world.may_have[:4]
    talk = at_the_question(world).presses("4")
    assert talk.said == ["service_more_1"]
    assert talk.presses("2").said[0] == "reason.key"
    assert talk.presses("1").session.wanted == ("passport-2026",)
