"""The 23 rules for older callers, each by its number, on the whole conversation.

Most are looked for at every prompt that a walk through the conversation comes to, in each language;
what only a call can show is shown by one that goes through the service.
"""

from __future__ import annotations

import re

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from prometheus_client.parser import text_string_to_metric_families

from flows.engine import ENDED, PERSON_STEPS
from flows.session import CallerKind, MineState, Offer
from flows.speech import Heard, Speech, TurnOutcome
from flows.steps import STEPS
from flows.steps.common import Told
from flows.steps.long_call import LONG_CALL
from flows.steps.service import TYPED_BIRTH_DATE
from flows.steps.service_over import SERVICE, TYPED
from flows.verification.rehearsed import my_booking
from ivr.twiml import apology, elsewhere
from prompts.catalogue import load
from prompts.reading_time import seconds, words
from prompts.values import Part
from tests.flows.fake_world import MOBILE as A_MOBILE
from tests.flows.fake_world import REFERENCE, FakeWorld
from tests.flows.talk import Talk
from tests.flows.walk import Walk, walk
from tests.ivr.line import Document, read
from tests.prompts.sentences import Wording, everything_said, wordings
from tests.rules.conversation import (
    ADDRESSES,
    NEVER,
    PERSON_KEYS,
    Goes,
    Place,
    document,
    places,
    prompts,
    reached,
    said,
    sentences,
)
from tests.support.house import LANDLINE, MOBILE, House, Phone, campaign_with, house, mornings
from tests.support.keeper import ROOT

pytestmark = pytest.mark.slow

RULES = 23
# Those of which is known here how they say what the rules ask for.
LANGUAGES = ("fr", "en")
CHOICE_KEYS = tuple("1234567")
# Menus that only ask whether what was understood is right.
READ_BACKS = {"resume", "confirm", *(step for step in STEPS if step.endswith("_check"))}
# Menus of a caller who rings again, and is about to choose nothing.
BACK = {"resume", "booked_before"}
ALERTS = ROOT / "deploy" / "alerts.yml"

# How each language says what the rules ask for.
PERSON = {"fr": "personne", "en": "person"}
KEY = {
    "fr": re.compile(
        r"\b(?:tapez|faites) (?P<key>[0-9](?![ ,]*[0-9])|étoile)\b(?! chiffres)", re.IGNORECASE
    ),
    "en": re.compile(r"\bpress (?P<key>[0-9](?![ ,]*[0-9])|star)\b(?! digits)", re.IGNORECASE),
}
# Said before anything happens that the caller did not do: what will happen.
WARNS = {
    "fr": re.compile(r"sans réponse|si vous ne faites rien", re.IGNORECASE),
    "en": re.compile(r"without an answer|if you do nothing", re.IGNORECASE),
}
MORE_TIME = {
    "fr": re.compile(r"(plus de temps|ralentisse|lentement)[^.]*tapez 8"),
    "en": re.compile(r"(more time|slow down|slowly)[^.]*press 8"),
}
NUMBERS = {"fr": ("un", "deux", "trois"), "en": ("one", "two", "three")}
ASKS_FOR_A_PERSON = {
    "fr": "je voudrais parler à une personne s'il vous plaît",
    "en": "I would like to speak to a person please",
}
ASKS_TO_HEAR_IT_AGAIN = {"fr": "vous pouvez répéter s'il vous plaît", "en": "please repeat that"}
# Who calls must not be advertised to, nor taught about health, before anything was chosen.
PROMOTES = re.compile(
    r"gratuit|protég|recommand|efficace|découvr|profit|actualité|nouveau service|partenaire"
    r"|enquête|satisfaction|épidémi|virus|covid|grippe|gestes|barrière|santé publique|risque"
    r"|free of charge|protect|recommend|effective|discover|survey|health|epidemic",
    re.IGNORECASE,
)
SENT_TO_THE_INTERNET = re.compile(
    r"internet|\bsites?\b|\bwww\b|https?:|\b\w+\.(fr|com|org|gouv)\b|\bappli|\bweb|e-?mail|courriel"
    r"|(?<!restez )(?<!rester )(?<!restons )\ben ligne\b|\bonline\b|\bwebsite|\bapps?\b"
    r"|\bdownload|télécharg",
    re.IGNORECASE,
)
MOST_WORDS_BEFORE_A_CHOICE, MOST_SECONDS_BEFORE_A_CHOICE = 30, 15
FIRST_KEY_SECONDS = 10
END_OF_SPEECH_SECONDS = 3
# Where whoever asks for a person comes: into the line, or to why not and what is offered.
TO_PERSON = frozenset({"person", "queue", "with_agent"})
# As often as a step asks, and as many steps as there may be until somebody else must help.
MOST_TRIES, MOST_STEPS = 3, 4
# Who gave a sign of life and has no number is waited for so long.
LONG_SILENCE = 40
HOURS_TOLD = {"person_hours", "person_hours_now"}


def none_of(found: Iterable[object]) -> None:
    """Fail with the first places that broke a rule."""
    broken = list(dict.fromkeys(map(str, found)))
    assert not broken, f"{len(broken)} places, such as\n" + "\n".join(broken[:20])


def all_wordings() -> Iterator[Wording]:
    for language in LANGUAGES:
        yield from wordings(language)


def menus() -> Iterator[Wording]:
    yield from (wording for wording in all_wordings() if wording.is_menu)


def in_each_language(found: Iterable[Place]) -> Iterator[tuple[Place, str]]:
    for place in found:
        for language in LANGUAGES:
            yield place, language


def waits(heard: Document) -> tuple[int, int]:
    """Seconds until a first key must come, and between two keys."""
    assert heard.gather
    (pause,) = (verb for verb in heard.gather.children if verb.name == "Pause")
    between = int(heard.gather.attributes["timeout"])
    return int(pause.attributes["length"]) + between, between


def pauses(heard: Document) -> list[float]:
    """Seconds of each pause within what is said."""
    says = [v for verb in heard.verbs for v in (verb, *verb.children) if v.name == "Say"]
    return [piece.pause_s for say in says for piece in say.pieces if piece.pause_s]


def heard_words(heard: Document) -> int:
    return words(heard.said)


@pytest.fixture(scope="module")
def walked() -> Walk:
    found = walk()
    assert set(STEPS) <= found.steps, f"not met: {sorted(set(STEPS) - found.steps)}"
    return found


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    """Two centres, with room for three people side by side."""
    with house(database_url, campaign=campaign_with(per_number=6)) as made:
        for gid, name, kilometres in (("1", "Salle des fêtes", 0.4), ("2", "Gymnase Jaurès", 4.1)):
            made.opens_centre(
                gid, name=name, kilometres=kilometres, starts=mornings(30), capacity=3
            )
        yield made


def test_there_is_one_test_for_each_rule():
    numbers = [
        int(found[1]) for name in globals() if (found := re.match(r"test_rule_(\d\d)_", name))
    ]
    assert numbers == list(range(1, RULES + 1))


# ---------------------------------------------------------------- menus


def test_rule_01_no_menu_has_more_than_four_choices_and_none_lies_deeper_than_three(walked: Walk):
    none_of(f"{menu}: {menu.choices}" for menu in menus() if len(menu.choices) > 4)
    # What is taken, too, and not only what is told; a key that is printed is not kept in mind.
    for place in places():
        if place.question().listen.is_menu:
            printed = STEPS[place.step].printed_keys
            taken = [key for key in CHOICE_KEYS if key not in printed and takes(place, key)]
            assert len(taken) <= 4, f"{place}: {taken}"
    deep = menus_deep(walked)
    assert deep.keys() >= {place.step for place in places() if place.question().listen.is_menu}
    none_of((step, menus) for step, menus in deep.items() if menus > 3)


def takes(place: Place, key: str) -> bool:
    return Goes(place).presses(key).speech.outcome is not TurnOutcome.MISSED


def menus_deep(walked: Walk) -> dict[str, int]:
    """How many menus lie one upon another on the shortest way to each step, itself included.

    What is typed or read back is no menu, and whoever has come to it is deep in none. Ways back
    (from a person, from a line that was cut) are no ways to a step.
    """
    flat = (
        {place.step for place in places() if not place.question().listen.is_menu}
        | READ_BACKS
        | BACK
    )
    ways: dict[str, set[str]] = defaultdict(set)
    for turn in walked.turns:
        # What follows a sentence is come to by words alone.
        answered = turn.heard.kind in {Heard.KEYS, Heard.SPEECH} and turn.speech.outcome in {
            TurnOutcome.ASKED,
            TurnOutcome.BOOKED,
        }
        returning = turn.before.step in {*BACK, *PERSON_STEPS}
        back = returning and turn.after.step not in PERSON_STEPS
        if turn.heard.kind is Heard.RING or (answered and not back):
            ways[turn.before.step].add(turn.after.step)
    deep, waiting = {"": 0}, [""]
    for step in waiting:
        for end in ways[step]:
            depth = 0 if end in {*flat, ENDED} else deep[step] + 1
            if depth < deep.get(end, len(STEPS)):
                deep[end] = depth
                waiting.append(end)
    return deep


def test_rule_02_zero_reaches_a_person_from_every_prompt_and_is_told_before_the_options(
    walked: Walk,
):
    pressed = [
        turn
        for turn in walked.turns
        if turn.heard.keys in PERSON_KEYS and turn.before.step not in {ENDED, *PERSON_STEPS}
    ]
    assert {turn.before.step for turn in pressed} == set(STEPS) - PERSON_STEPS
    # To one who is there, or to what can be promised.
    none_of(turn for turn in pressed if turn.after.step not in TO_PERSON)
    # Where a person was asked for already, it is no mistake to insist.
    none_of(
        turn
        for turn in walked.turns
        if turn.heard.keys in PERSON_KEYS
        and turn.before.step in PERSON_STEPS
        and not turn.before.rung_for
        and turn.speech.outcome not in {TurnOutcome.PROMISED, TurnOutcome.ASKED, TurnOutcome.QUEUED}
    )
    # Told at the welcome, at the end and after each failed try; else the options alone are said.
    none_of(
        f"{menu}: {menu.options}"
        for menu in menus()
        if menu.step not in {*PERSON_STEPS, LONG_CALL}
        and (menu.number or menu.step in {"welcome", "reference", "not_eligible", "no_slot"})
        and PERSON[menu.language] not in dict(menu.options).get("0", "")
    )
    none_of(late_zeros())
    none_of(
        f"{place}, {language}"
        for place, language in in_each_language(prompts())
        if place.step not in PERSON_STEPS
        and Goes(place, language=language).says(ASKS_FOR_A_PERSON[language]).step not in TO_PERSON
    )


def late_zeros() -> Iterator[str]:
    """Menus in which key 0 is told behind another, as a caller hears them."""
    for place, language in in_each_language(prompts()):
        if not place.question().listen.is_menu:
            continue
        for wording, slow in product(range(MOST_TRIES), (False, True)):
            heard = document(place.speech(wording=wording, slow=slow, language=language)).said
            told = [key for key in KEY[language].findall(heard) if key in "01234567"]
            if "0" in told and told[0] != "0":
                yield f"{place}, {language}: {told}"


def test_rule_03_the_label_is_spoken_before_its_key_with_a_pause_between_and_after(walked: Walk):
    for wording in all_wordings():
        for language, text in wording.lines:
            if language not in LANGUAGES:
                continue
            # Between two pauses there is one label and its key; between the two, a comma.
            for piece in text.split("|"):
                told = list(KEY[language].finditer(piece))
                if wording.is_menu:
                    assert len(told) <= 1, f"{wording}: {piece}"
                for match in told:
                    label = re.split(r"[.!?] ", piece[: match.start()])[-1]
                    assert len(label.split()) >= 2, f"{wording}: {piece}"
                    assert label.endswith(", "), f"{wording}: {piece}"
    # And the voice does pause there.
    for place, language in in_each_language(prompts()):
        heard = document(place.speech(language=language))
        options = len(KEY[language].findall(heard.said))
        if place.question().listen.is_menu and options > 1:
            assert len(pauses(heard)) >= options - 1, f"{place}, {language}"


def stubborn(place: Place, language: str, pressed: str) -> tuple[Goes, list[tuple[str, str]]]:
    """Fail, by a wrong key or by silence, until somebody else must help; with each prompt heard."""
    talk = Goes(place, language=language)
    heard = [(talk.step, talk.question_heard)]
    for _ in range(MOST_TRIES * MOST_STEPS):
        talk = talk.presses(pressed) if pressed else talk.stays_silent()
        if talk.ended:
            break
        heard.append((talk.step, talk.question_heard))
        if talk.step in TO_PERSON:
            break
    return talk, heard


@pytest.mark.parametrize("pressed", ["", NEVER], ids=["silence", "a wrong key"])
def test_rule_04_no_prompt_is_heard_twice_in_the_same_words_and_then_a_person_helps(pressed: str):
    for place, language in in_each_language(prompts()):
        if place.session.rung_for:
            # Whom we rang is a machine, or somebody else, until they say so: it is tried again.
            continue
        talk, heard = stubborn(place, language, pressed)
        what = f"{place}, {language}: {[step for step, _ in heard]}"
        texts = [text for _, text in heard]
        assert len(set(texts)) == len(texts), what
        for step, _ in heard:
            assert [one for one, _ in heard].count(step) <= MOST_TRIES, what
        helped = talk.step in TO_PERSON or talk.promised
        told = talk.session.reference or isinstance(STEPS[place.step], Told)
        assert helped or (talk.ended and told), what


def test_rule_05_silence_at_every_prompt_ends_no_call_and_leads_to_nothing_harder():
    for place in places():
        if place.session.rung_for:
            continue
        talk = Goes(place)
        for _ in range(LONG_SILENCE):
            before, step = talk.speech.listen, talk.step
            talk.stays_silent()
            if talk.ended:
                # Whoever is in the line is not left alone either.
                break
            assert before
            assert talk.speech.listen
            # For somebody else there is more to ask; a person is no harder way.
            same = talk.session.second_person == place.session.second_person
            if same and talk.step not in {step, *PERSON_STEPS}:
                assert talk.speech.listen.digits <= before.digits, f"{place} -> {talk.step}"
        else:
            raise AssertionError(f"{place}: never ends, but listens at {talk.step}")
        # Not alone: all is done and told, or a promise made. Who cannot be rung hears when to ring.
        told = talk.session.reference or isinstance(STEPS[place.step], Told)
        unpromised = place.session.caller_kind == CallerKind.NONE or talk.session.no_promise
        nobody = unpromised and HOURS_TOLD.intersection(talk.said)
        assert talk.promised or told or nobody, f"{place}: {talk.said}"


def test_rule_06_the_number_of_offers_is_said_before_the_first_of_them():
    for wording in all_wordings():
        found = re.fullmatch(r"offers_(?:one_centre_)?(\d)", wording.question.prompt)
        if not found or wording.number:
            continue
        number = NUMBERS[wording.language][int(found[1]) - 1]
        own = load(wording.language).say(wording.question.prompt, wording.question.values)
        assert re.search(rf"\b{number}\b", sentences(own)[0], re.IGNORECASE), f"{wording}: {own}"


def test_rule_07_nothing_is_promoted_before_the_first_choice(walked: Walk):
    greeted = [turn for turn in walked.turns if turn.heard.kind is Heard.RING]
    assert {turn.after.step for turn in greeted} >= {"welcome", "not_yet_open", "closed", "resume"}
    for turn in greeted:
        for language in LANGUAGES:
            own = tuple(line for line in turn.speech.lines if not line.language)
            marked = said(Speech(own, None, TurnOutcome.ASKED, language))
            first = KEY[language].search(marked)
            assert first, marked
            before = marked[: first.start()]
            assert words(before) <= MOST_WORDS_BEFORE_A_CHOICE, before
            assert seconds(before) <= MOST_SECONDS_BEFORE_A_CHOICE, before
            assert not PROMOTES.search(before), before


def test_rule_08_everything_is_done_by_keypad_alone_and_by_a_person_everywhere(walked: Walk):
    alone = reached(walked.turns, {Heard.KEYS, Heard.SILENCE})
    # What is read back of a sentence, keys answer at the questions of their own.
    assert {turn.after.step for turn in alone} >= set(STEPS) - {"sentence_check", "sentence_which"}
    done = {line.key for turn in alone for line in turn.speech.lines}
    # Each thing that can be done here, by the sentence that says so.
    assert done >= {
        "ready", "ready_both", "booked", "booked_both", "resumed",
        "own_centre_dial", "promise",
        "waiting_promised", "opening_promised_text", "opening_promised_call", "turn_promised_text",
        "my_one", "my_both", "my_texted", "my_moved", "my_moved_both", "my_second_cancelled",
        "my_restored", "my_cancelled", "my_cancelled_both", "my_kept",
    }  # fmt: skip
    # No prompt takes words alone, whatever was said before.
    for place in places():
        for speaks in (False, True):
            heard = document(place.speech(speaks=speaks))
            assert heard.gather
            assert "dtmf" in heard.gather.attributes["input"].split(), place
    # From each prompt a person can go on with it.
    none_of(
        place
        for place in places()
        if place.step not in PERSON_STEPS and Goes(place).presses("0").step != "person"
    )


# ---------------------------------------------------------------- time, and the voice


def test_rule_09_the_first_key_of_an_entry_is_waited_for_ten_seconds_or_more():
    entries = [place for place in places() if not place.question().listen.is_menu]
    assert {place.step for place in entries} >= {"date_of_birth", "postcode", "reach_number"}
    for place, language in in_each_language(entries):
        for slow in (False, True):
            for wording in range(MOST_TRIES):
                speech = place.speech(wording=wording, slow=slow, language=language)
                first, _ = waits(document(speech))
                assert first >= FIRST_KEY_SECONDS, place


def test_rule_10_silence_warns_before_it_acts_and_more_time_can_be_had():
    none_of(silent_acts())
    for place in places():
        normal, slow = (document(place.speech(slow=slow)) for slow in (False, True))
        assert all(more > less for more, less in zip(waits(slow), waits(normal), strict=True))
        # Whoever wants more time loses nothing by it, and keeps it.
        talk = Goes(place).presses("8")
        assert (talk.step, talk.session.misses) == (place.step, 0), place
        assert waits(document(talk.speech)) == waits(slow), place
        assert talk.stays_silent().speech.slow, place


def silent_acts() -> Iterator[str]:
    """Where silence leads away without a warning, or is not told how to have more time."""
    for place, language in in_each_language(prompts()):
        talk = Goes(place, language=language)
        for tries in range(MOST_TRIES):
            warned, step = talk.heard, talk.step
            talk.stays_silent()
            if talk.ended or talk.step != step:
                if not WARNS[language].search(warned):
                    yield f"{place}, {language}: not warned before silence {tries + 1} leads on"
                break
            told = said(talk.speech, only={"reason.silence", "reason.silence_told"})
            if not MORE_TIME[language].search(told):
                yield f"{place}, {language}: no more time is offered after silence {tries + 1}"


# Eleven words and more, as people over seventy answer a machine.
LONG_ANSWERS = {
    "welcome": (
        "oui bonjour madame alors voilà je voudrais prendre un rendez-vous s'il vous plaît",
        "for_whom",
    ),
    "for_whom": (
        "eh bien écoutez c'est pour moi tout seul je vous remercie beaucoup",
        "date_of_birth",
    ),
    "date_of_birth": (
        "alors moi je suis né le douze mars mille neuf cent quarante-deux",
        "date_of_birth_check",
    ),
    "date_of_birth_check": (
        "oui oui c'est tout à fait ça c'est bien exact merci madame",
        "postcode",
    ),
    "postcode": (
        "alors j'habite à Paris dans le onzième le code c'est soixante-quinze zéro onze",
        "postcode_check",
    ),
    "offers": (
        "je crois bien que je vais prendre le deuxième s'il vous plaît madame",
        "confirm",
    ),
    # A yes is understood here, too, and a key is asked for: docs/decisions/0011.
    "confirm": (
        "non non madame ce n'est pas ça du tout je vous remercie beaucoup",
        "offers",
    ),
}


def test_rule_11_whole_sentences_are_waited_for_and_understood(service: House):
    listened = 0
    for place, language in in_each_language(places()):
        for speech in (
            place.speech(language=language, speaks=True),
            place.speech(language=language, wording=1),
            place.speech(language=language, speaks=True, slow=True),
        ):
            heard = document(speech)
            assert heard.gather
            assert "speech" in heard.gather.attributes["input"].split(), place
            silence = heard.gather.attributes["speechTimeout"]
            assert silence.isdecimal(), f"{place}: speechTimeout={silence}"
            assert int(silence) >= END_OF_SPEECH_SECONDS, place
            listened += 1
    assert listened > 500
    for step, (text, leads_to) in LONG_ANSWERS.items():
        assert len(text.split()) >= 11, text
        talk = Talk().goes_to(step)
        assert talk.says(text).step == leads_to, (step, text, talk.said)
    # A call: words are open from the second try.
    caller = service.phone(MOBILE).goes_to("date_of_birth").stays_silent()
    caller.says(LONG_ANSWERS["date_of_birth"][0]).hears_text("12 mars 1942")
    assert not caller.errors


def test_rule_12_slower_means_less_at_a_time_and_longer_pauses_and_no_drawling_voice():
    more = 0
    for place, language in in_each_language(prompts()):
        for wording in range(MOST_TRIES):
            normal, slow = (
                document(place.speech(wording=wording, language=language, slow=slow))
                for slow in (False, True)
            )
            what = f"{place}, {language}, try {wording + 1}"
            assert b"prosody" not in slow.body, what
            assert b"rate=" not in slow.body, what
            assert len(pauses(slow)) >= len(pauses(normal)), what
            assert min(pauses(slow), default=1) > max(pauses(normal), default=0), what
            assert heard_words(slow) <= heard_words(normal), what
            more += len(pauses(slow)) > len(pauses(normal))
    assert more > 200


# ---------------------------------------------------------------- one thing at a time


# Of what a prompt may ask: each is asked alone.
ASKED_FOR = {
    "fr": ("date de naissance", "code postal", "numéro", "code de reprise", "référence"),
    "en": ("date of birth", "postcode", "number", "resume code", "reference"),
}
ASKING = {
    "fr": re.compile(r"^(tapez|quel)|\btapez les|\?$", re.IGNORECASE),
    "en": re.compile(r"^(type|what|which)|\btype the|\?$", re.IGNORECASE),
}


def test_rule_13_one_question_at_a_time_and_at_most_three_slots_each_with_its_own_key():
    for wording in all_wordings():
        assert wording.text.count("?") <= 1, wording
        asked = {
            name
            for sentence in wording.sentences
            if ASKING[wording.language].search(sentence) and not wording.is_menu
            for name in ASKED_FOR[wording.language]
            if name in sentence.casefold()
        }
        assert len(asked) <= 1, f"{wording}: {asked}"
    for place, language in in_each_language(prompts()):
        if place.step != "offers":
            continue
        offers = place.session.offers
        assert 1 <= len(offers) <= 3, place
        for tries in range(MOST_TRIES):
            speech = place.speech(wording=tries, language=language)
            marked = said(speech)
            start = 0
            for number, offer in enumerate(offers, start=1):
                (key,) = [m for m in KEY[language].finditer(marked) if m["key"] == str(number)]
                label = marked[start : key.start()]
                assert any(one in label for one in hours_told(offer, speech)), f"{place}: {label}"
                others = [one for one in offers if one.start_at != offer.start_at]
                for other in others:
                    heard = [one for one in hours_told(other, speech) if one in label]
                    assert not heard, f"{place}: {label}"
                start = key.end()
                chosen = Goes(place).presses(str(number)).session
                assert chosen.choice == offer, place


def hours_told(offer: Offer, speech: Speech) -> set[str]:
    """The day and hour of an offer as a caller may hear them, with the month and without."""
    parts = [Part("", "start", name) for name in ("day_hour", "menu_hour")]
    values = {"start": offer.local_start}
    return {load(speech.language).spoken(part, values, speech.now) for part in parts}


# What is typed is read back at the step beside it; a date in three parts, at the end.
READ_BACK = {
    "date_of_birth": {"date_of_birth_check"},
    "birth_year": {"birth_month"},
    "birth_month": {"birth_day"},
    "birth_day": {"date_of_birth_check"},
    "postcode": {"postcode_check", "town_check", "town_which"},
    "town": {"town_check", "town_which", "postcode_check"},
    "reach_number": {"reach_check"},
    "person_number": {"person_number_check"},
    "tell_number": {"tell_number_check"},
    "resume_code": {"resume"},
    "my_reference": {"my_reference_check"},
    # Only compared with what was given before; aloud it would be told to whoever shares the line.
    "untold_birth_date": {"ready"},
}
# In the place of a reference: there is none, or an appointment is wanted.
NO_REFERENCE, NEW_APPOINTMENT = "1", "2"
NO_SUCH_CODE = "perhaps_cedex"


def test_rule_14_each_value_is_read_back_and_agreed_to_before_it_is_used(
    walked: Walk, service: House
):
    entries = {place.step for place in places() if not place.question().listen.is_menu}
    assert entries == set(READ_BACK)
    none_of(
        turn
        for turn in walked.turns
        if turn.before.step in READ_BACK
        and turn.heard.kind in {Heard.KEYS, Heard.SPEECH}
        and turn.speech.outcome is TurnOutcome.ASKED
        and turn.heard.keys not in {*PERSON_KEYS, NO_REFERENCE, NEW_APPOINTMENT}
        and turn.after.step not in READ_BACK[turn.before.step]
        # A postcode that is typed is read together with what is found, and the star corrects it.
        and not any(line.key.startswith("typed_postcode") for line in turn.speech.lines)
        # So is a birth date with the question what for.
        and not any(line.key == TYPED_BIRTH_DATE for line in turn.speech.lines)
        # What was wanted is closed: the postcode is read with what is found for another service.
        and not (turn.after.step == SERVICE and turn.after.note(SERVICE) == TYPED)
        # A code that does not exist is no value: the town is asked for instead.
        and not any(line.key == NO_SUCH_CODE for line in turn.speech.lines)
        # A centre that was named is read back as what is offered there.
        and not (turn.heard.kind is Heard.SPEECH and turn.weather.startswith("a centre named"))
    )
    # By keys: 1 is right, 2 leads to giving it anew, and until then nothing was done with it.
    for place in places():
        if place.step not in READ_BACKS:
            continue
        assert not used(Goes(place).world), place
        otherwise = Goes(place).presses("2")
        assert otherwise.step != place.step, place
        assert not used(otherwise.world), place
        agreed = Goes(place).presses("1")
        assert agreed.step != place.step or agreed.ended, place
    # A call: in words, and with all that belongs to it.
    caller = service.phone(MOBILE).goes_to("date_of_birth").presses("12031942")
    caller.hears_text("12 mars 1942").hears_text("tapez 1").hears_text("tapez 2")
    caller.presses("2").hears_text("date de naissance").answers("12031942", "1")
    caller.presses("75011").hears_text("7 5 0 1 1, Paris 11e").hears_text("tapez étoile")
    assert service.held() > 0
    caller.presses("2").goes_to("confirm")
    for told in (
        "jeudi 26 novembre, demain, à 10 heures",
        "Gymnase Jaurès",
        "Paris 11e",
        "12 mars 1942",
    ):
        caller.hears_text(told)
    assert service.bookings() == []
    caller.presses("1")
    assert len(service.bookings()) == 1


def used(world: FakeWorld) -> bool:
    """Whether anything was searched, booked, changed or promised."""
    done: tuple[list[Any], ...] = (
        world.searches, world.orders, world.promises, world.waits, world.news, world.asked_for,
        world.changed,
    )  # fmt: skip
    return any(done)


def test_rule_15_each_later_prompt_differs_and_what_is_heard_with_it_is_longer():
    none_of(shorter_later())


def shorter_later() -> Iterator[str]:
    """Later tries, after silence or a wrong key, that are heard in no more words than the first."""
    for (place, language), pressed in product(in_each_language(prompts()), ("", NEVER)):
        talk = Goes(place, language=language)
        first, texts = words(talk.heard), [talk.question_heard]
        for tries in range(2, STEPS[place.step].patience + 1):
            talk = talk.presses(pressed) if pressed else talk.stays_silent()
            if talk.step != place.step:
                break
            texts.append(talk.question_heard)
            again = words(talk.heard)
            # Offers are many values: said again, day, hour and town are enough to choose by.
            if again <= first and place.step != "offers":
                yield f"{place.name}, {language}: try {tries} has {again} words, the first {first}"
        if len(set(texts)) != len(texts):
            yield f"{place.name}, {language}: the same again"


def test_rule_16_hearing_it_again_is_there_at_every_prompt_and_is_no_error(walked: Walk):
    again = [turn for turn in walked.turns if turn.heard.keys == "9" and turn.before.step != ENDED]
    assert {turn.before.step for turn in again} == set(STEPS)
    none_of(
        turn
        for turn in again
        if turn.speech.outcome is not TurnOutcome.REPEATED
        or (turn.after.step, turn.after.misses) != (turn.before.step, turn.before.misses)
        or any(line.key.startswith("reason.") for line in turn.speech.lines)
    )
    for place, language in in_each_language(places()):
        talk = Goes(place, language=language)
        asked = talk.question_heard
        for _ in range(12):
            assert talk.presses("9").question_heard == asked, place
        talk.says(ASKS_TO_HEAR_IT_AGAIN[language])
        assert (talk.step, talk.session.misses) == (place.step, 0), f"{place}, {language}"
        assert talk.question_heard == asked, f"{place}, {language}"


# ---------------------------------------------------------------- a person


# What was given by the time that a call is at a step of the common path.
GIVEN = {
    "welcome": {},
    "date_of_birth": {},
    "postcode": {"born": "1942-03-12"},
    "offers": {"born": "1942-03-12", "postcode": "75011", "town": "Paris 11e"},
    "reach": {"born": "1942-03-12", "postcode": "75011", "town": "Paris 11e", "centre_id": "1"},
    "confirm": {
        "born": "1942-03-12",
        "postcode": "75011",
        "town": "Paris 11e",
        "centre_id": "1",
        "centre": "Salle des fêtes",
        "start_at": "2026-11-26T09:00:00+00:00",
        "text_to": MOBILE,
    },
}


def test_rule_17_whoever_takes_over_has_all_that_was_given_and_nothing_is_asked_again(
    service: House,
):
    for number, (step, given) in enumerate(GIVEN.items()):
        sender = f"+3361200000{number}"
        # From the person back to where the call was: nothing that was given is asked anew.
        caller = service.phone(sender).goes_to("reach" if step == "confirm" else step)
        if step == "confirm":
            caller.presses("1")
        assert caller.answers("0", "3").step == step
        caller.answers("0", "1")
        assert caller.ended_normally, step
        promise = service.promises()[-1]
        known = promise.known
        expected = given | ({"text_to": sender} if "text_to" in given else {})
        assert known.items() >= expected.items(), step
    assert len(service.promises()) == len(GIVEN)


def test_rule_18_nobody_is_left_in_a_silent_wait(walked: Walk):
    documents = {repr(turn.speech): turn.speech for turn in walked.turns if not turn.speech.listen}
    spoken = [*documents.values(), *(place.speech() for place in places())]
    for speech in spoken:
        heard = document(speech)
        # It speaks, and then listens, ends or is connected; in the queue there is music of ours,
        # and behind it the call goes on.
        if not heard.said:
            # Whoever hung up hears nothing, and an agent speaks for themselves.
            assert heard.names in (["Hangup"], ["Dial", "Redirect"]), heard
            continue
        assert heard.names in (
            ["Gather", "Redirect"],
            ["Say", "Hangup"],
            ["Say", "Dial"],
            ["Say", "Dial", "Redirect"],
            ["Say", "Enqueue", "Redirect"],
        ), heard
        if "Enqueue" in heard.names:
            assert "/voice/wait?" in heard.verbs[1].attributes["waitUrl"]
        if heard.gather:
            assert heard.gather.children[0].name == "Say"
            assert sum(waits(heard)) <= 60, "that long a wait is a dead line"
    # Where something of ours fails, the wait is announced, short, and ends.
    for language in LANGUAGES:
        catalogue = load(language)
        sorry = [apology(catalogue, ADDRESSES, 3, tries) for tries in range(12)]
        for body in (*sorry, apology(catalogue, ADDRESSES, 0, 0), elsewhere(catalogue, ADDRESSES)):
            heard = read(body.encode())
            assert heard.names == ["Say", "Pause", "Redirect"]
            assert re.search(r"restez en ligne|stay on the line", heard.said, re.IGNORECASE)
            assert int(heard.verbs[1].attributes["length"]) <= 15


def test_rule_19_an_appointment_is_found_by_two_things_at_most_and_what_is_over_is_told_so(
    service: House,
):
    talk = Talk(FakeWorld(mine=my_booking())).presses("3")
    typed = []
    for _ in range(10):
        if talk.step == "my_menu":
            break
        assert talk.speech.listen
        if talk.speech.listen.is_menu:
            talk.presses("1")
            continue
        typed.append(talk.step)
        talk.presses(REFERENCE if talk.step == "my_reference" else "12031942")
    assert (talk.step, typed) == ("my_menu", ["my_reference", "date_of_birth"])
    # Without the reference, the date alone: the answer is written to the number on file.
    talk = Talk(FakeWorld(mine=my_booking())).presses("3", NO_REFERENCE, "12031942", "1")
    assert (talk.step, talk.world.asked_for) == ("my_texted", ["text"])
    assert talk.session.caller == A_MOBILE
    over = {
        MineState.PAST: {"fr": r"passé|déjà eu lieu", "en": r"\b(past|over|taken place)\b"},
        MineState.CANCELLED: {"fr": r"annulé", "en": r"\bcancelled\b"},
    }
    for state, told in over.items():
        for place, language in in_each_language(prompts()):
            mine = place.session.mine
            if mine is None or mine.state != state or not place.step.startswith("my_"):
                continue
            first = said(place.speech(language=language))
            assert re.search(told[language], sentences(first)[0]), f"{place}: {first}"
    # A call: what was cancelled is told to be cancelled.
    service.phone(MOBILE).books()
    (booking,) = service.bookings()
    caller = (
        service.phone(LANDLINE).asks_for_theirs().answers(booking.reference, "1", "12031942", "1")
    )
    caller.hears_text("jeudi 26 novembre, demain, à 10 heures").answers("3", "1").hears_text(
        "est annulé"
    )
    assert [row.state for row in service.bookings()] == ["cancelled"]
    again = (
        service.phone(LANDLINE).asks_for_theirs().answers(booking.reference, "1", "12031942", "1")
    )
    again.hears_text("est annulé")


# What is right at a question, for somebody who wants an appointment; 1 at all others.
RIGHT = {
    "date_of_birth": "12031942", "birth_year": "1942#", "birth_month": "03", "birth_day": "12",
    "postcode": "75011", "town": "75011#", "reach": "1",
}  # fmt: skip


def fails(caller: Phone, times: int) -> Phone:
    """Wrong so often at each question, and right after that."""
    tries: dict[str, int] = defaultdict(int)
    caller.dials()
    for _ in range(150):
        if caller.ended:
            return caller
        step = caller.step
        tries[step] += 1
        gather = caller.waiting_gather
        assert gather
        # At the welcome all keys are taken, and none is wrong.
        wrong = "7" if gather.num_digits == 1 else f"{NEVER}#"
        fails_here = tries[step] <= times and step != "welcome"
        caller.presses(wrong if fails_here else RIGHT.get(step, "1"))
    raise AssertionError(f"never ends, but is at {caller.step}")


def test_rule_20_whoever_fails_twice_everywhere_is_booked_or_promised_a_call(service: House):
    caller = fails(service.phone(MOBILE), times=2)
    assert caller.ended_normally, caller.spoken
    assert len(service.bookings()) + len(service.promises()) == 1
    # And whoever fails always is not left alone either.
    caller = fails(service.phone(LANDLINE), times=1000)
    assert caller.ended_normally, caller.spoken
    assert len(service.promises()) == 1
    caller.hears_text("nous vous rappellerons")


# ---------------------------------------------------------------- rule 21: a figure with an alert


def figures(service: House) -> dict[str, float]:
    """What /metrics of a running application has, each sample by its name and labels."""
    answer = service.app.test_client().get("/metrics")
    assert answer.status_code == 200
    return {
        sample.name + "".join(f",{k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def measured_by(service: House) -> set[str]:
    """Every name that /metrics has, those included of which nothing was counted so far."""
    answer = service.app.test_client().get("/metrics").text
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(answer)
    }


def counted(service: House, before: dict[str, float]) -> tuple[float, float]:
    """Calls that asked for a person since then, and those of them that came to one."""
    now = figures(service)
    asked, came = (
        now[name] - before[name]
        for name in ("allo_person_asked_total", "allo_person_reached_total,outcome=promise")
    )
    return asked, came


def test_rule_21_how_many_of_those_who_ask_for_a_person_reach_one_is_a_figure_with_an_alert(
    service: House,
):
    before = figures(service)
    service.phone("+33612000001").dials().answers("0", "1")
    assert counted(service, before) == (1, 1)
    # Several times in one call is one call; who hangs up has not reached anybody.
    service.phone("+33612000002").dials().answers("0", "3", "0", "3", "0").hangs_up()
    assert counted(service, before) == (2, 1)
    # The line is cut, and it goes on: one call that asked, and came to a person.
    service.phone("+33612000003").goes_to("postcode").answers("0", "3").hangs_up()
    assert counted(service, before) == (3, 1)
    service.phone("+33612000003").dials().answers("1", "0", "1")
    assert counted(service, before) == (3, 2)
    # In words, silent after that, from a number that can be rung.
    service.phone("+33612000004").dials().stays_silent().says(ASKS_FOR_A_PERSON["fr"]).answers(
        "", "", ""
    )
    assert counted(service, before) == (4, 3)
    # Who never asked is in neither.
    service.phone("+33612000005").books()
    fails(service.phone("+33612000006"), times=1000)
    assert counted(service, before) == (4, 3)

    rules = [rule for group in alerts() for rule in group["rules"]]
    measured = measured_by(service)
    # What holds of every rule is in tests/operations/test_alert_rules.py.
    (share,) = [rule for rule in rules if "allo_person_asked_total" in rule["expr"]]
    names = set(re.findall(r"[a-z_:]+(?=[\[{])", share["expr"]))
    assert names
    assert names <= measured
    told = " ".join(share["annotations"].values())
    assert set(re.findall(r"allo_\w+", told)) <= measured
    fires = [
        (came, asked)
        for came, asked in ((0, 20), (16, 20), (849, 1000))
        if fire(share, came, asked)
    ]
    assert fires == [(0, 20), (16, 20), (849, 1000)]
    assert not [one for one in ((17, 20), (850, 1000), (0, 19), (1, 2)) if fire(share, *one)]
    assert "person" in share["annotations"]["summary"]
    assert "docs/operations.md" in share["annotations"]["description"]
    assert share["alert"] in Path(ROOT / "docs" / "operations.md").read_text("utf-8")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    assert isinstance(groups, list)
    for group in groups:
        assert group.keys() == {"name", "rules"}
        for rule in group["rules"]:
            assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"\d+[smh]", rule["for"])
    return groups


def fire(rule: dict[str, Any], came: int, asked: int) -> bool:
    """What the rule says of an hour in which so many asked, and so many of them came to a person.

    Its expression is arithmetic once the two sums are numbers.
    """
    sums = {"allo_person_reached_total": came, "allo_person_asked_total": asked}
    expression = rule["expr"]
    for name, number in sums.items():
        expression = expression.replace(f"sum(increase({name}[1h]))", str(number))
    assert re.fullmatch(r"[\d\s/<>=.and]+", expression), expression
    return bool(eval(" ".join(expression.split())))  # noqa: S307 (our own file, digits and signs)


# ---------------------------------------------------------------- everybody


def test_rule_22_nobody_is_sent_to_the_internet():
    for language in LANGUAGES:
        catalogue = load(language)
        spoken = list(everything_said(language))
        written = [
            (key, " ".join(part.text for part in catalogue.text_parts(key)))
            for key in catalogue.texts
        ]
        assert len(spoken) > 200
        assert written
        for key, text in (*spoken, *written):
            assert not SENT_TO_THE_INTERNET.search(text), f"{language}: {key}: {text}"


def test_rule_23_somebody_else_and_two_people_are_served_in_the_same_call(service: House):
    # For her father, from her own telephone.
    caller = service.phone(MOBILE).dials().answers("2", "1")
    caller.hears_text("votre proche").presses("12031942").goes_to("reach").presses("1")
    caller.hears_text("Pour votre proche").presses("1").goes_to("reference")
    caller.presses("1")
    assert caller.ended_normally
    assert len(service.bookings()) == 1
    # For two, who have nothing but one landline.
    caller = service.phone(LANDLINE).dials().answers("2", "2")
    caller.presses("04071941").goes_to("reach").presses("2").presses("1").goes_to("reference")
    caller.presses("1").hears_text("la seconde personne").answers("13051940", "1")
    caller.goes_to("confirm").presses("1").goes_to("reference").presses("1")
    # No calls, thank you.
    assert caller.presses("2").ended_normally
    assert not caller.errors
    him, her = service.bookings()[1:]
    assert him.reference != her.reference
    # Together: the same hour at the same place.
    assert (him.centre_id, him.start_at) == (her.centre_id, her.start_at)
