"""The French sentences keep the rules of the call script: what is told first, in which words."""

from __future__ import annotations

import re
import tomllib

import pytest

from flows.engine import PERSON_STEPS
from flows.steps import STEPS
from prompts.catalogue import FOLDER
from simulator.answers import AnswersLeg, read_question
from tests.flows.walk import walk
from tests.prompts.sentences import FRENCH, Wording, examples, spoken_lines, wordings
from tests.support.keeper import ROOT

# Said by the telephone's edge when something of ours fails, not by a step.
BY_THE_EDGE = frozenset(
    key
    for file in (ROOT / "ivr").glob("*.py")
    for key in re.findall(r'"(\w+)"', file.read_text("utf-8"))
    if key in FRENCH.keys
)
ALL = list(wordings())
MENUS = [wording for wording in ALL if wording.is_menu]
ENTRIES = [wording for wording in ALL if not wording.is_menu]
YES = re.compile(r"\b(exacte?|correcte?|bien|bonn?e?|oui|confirme[rz]?|valide[rz]?)\b")
NO = re.compile(r"\b(pas|non|sinon|corrige[rz]?|change[rz]?)\b")
# Menus in which one key agrees to what was read, and one does not.
CHECKS = {
    "date_of_birth_check", "postcode_check", "reach_check", "person_number_check", "confirm",
}  # fmt: skip
FIELDS = {
    "date_of_birth": "date de naissance",
    "birth_year": "année",
    "birth_month": "mois",
    "birth_day": "jour",
    "postcode": "code postal",
    "reach_number": "portable",
    "person_number": "numéro de téléphone",
}
OTHER_FIELDS = {
    "date_of_birth": ("code postal", "commune", "téléphone", "portable", "référence"),
    "birth_year": ("mois", "jour", "code postal", "téléphone", "date de naissance"),
    "birth_month": ("année", "jour", "code postal", "téléphone", "date de naissance"),
    "birth_day": ("année", "mois", "code postal", "téléphone", "date de naissance"),
    "postcode": ("naissance", "commune", "téléphone", "portable", "référence"),
    "reach_number": ("naissance", "code postal", "référence"),
    "person_number": ("naissance", "code postal", "référence"),
}
ASKS = re.compile(r"\b(tapez|composez|quel(le)? est)\b", re.IGNORECASE)
READ_AS = {
    "date_of_birth": "dob",
    "birth_year": "year",
    "birth_month": "month",
    "birth_day": "day",
    "postcode": "postcode",
    "reach_number": "phone",
    "person_number": "phone",
}
HEALTH = re.compile(
    r"vaccin|covid|virus|dose|injection|h[ôo]pital|clinique|m[ée]dic|m[ée]decin|sant[ée]|soins?\b"
    r"|pharmac|docteur|infirmi|maladie|patient|gériatr",
    re.IGNORECASE,
)


def ids(wording: Wording) -> str:
    return str(wording)


def source() -> dict[str, dict[str, object]]:
    with (FOLDER / "fr.toml").open("rb") as file:
        return tomllib.load(file)


# ---------------------------------------------------------------- complete


def test_every_sentence_that_a_call_can_hear_is_there():
    assert set(spoken_lines()) <= FRENCH.keys


def test_no_sentence_is_kept_that_no_call_can_hear():
    assert FRENCH.keys - set(spoken_lines()) - BY_THE_EDGE == set()


def test_every_step_has_a_wording_for_each_of_its_tries():
    """A third try that hears the second one's words again is told nothing new."""
    short = [
        f"{prompt} has {FRENCH.wordings(prompt)} wordings, {step} asks {STEPS[step].patience} times"
        for step, question in examples().values()
        for prompt in (question.prompt, question.lead)
        if prompt and FRENCH.wordings(prompt) < STEPS[step].patience
    ]
    assert not short, "\n".join(short)


def test_no_two_wordings_of_a_question_are_the_same():
    for name, (step, question) in examples().items():
        numbers = range(FRENCH.wordings(question.prompt))
        texts = [Wording(step, question, n).text for n in numbers]
        assert len(set(texts)) == len(texts), name
        if question.lead:
            leads = {FRENCH.say(question.lead, question.values, n) for n in numbers}
            assert len(leads) == len(texts), name


def test_the_walk_came_to_every_question():
    assert {step for step, _ in examples().values()} == set(STEPS)


# ---------------------------------------------------------------- menus


# Where a person was asked for already, 0 goes without saying.
@pytest.mark.parametrize("wording", [w for w in MENUS if w.step not in PERSON_STEPS], ids=ids)
def test_a_person_is_the_first_thing_that_a_menu_offers(wording: Wording):
    key, label = wording.options[0]
    assert key == "0", wording.text
    assert "personne" in label


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_a_menu_has_at_most_four_choices_and_says_each_once(wording: Wording):
    told = [key for key, _ in wording.options]
    assert 1 <= len(wording.choices) <= 4, wording.choices
    assert len(told) == len(set(told)), told


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_each_choice_is_a_sentence_of_its_own_with_the_label_before_the_key(wording: Wording):
    for key, label in wording.options:
        assert len(label.split()) >= 2, (key, label)
    # One key a sentence: two in a row are one thing too many to keep in mind.
    for sentence in wording.sentences:
        assert sum(sentence.count(f"tapez {key}") for key in "0123456789") <= 1, sentence
    keys = [key for key, _ in wording.options if key.isdigit() and key not in "089"]
    assert keys == sorted(keys), "choices are told in the order of the keypad"


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_there_is_a_pause_before_and_between_the_choices(wording: Wording):
    pieces = wording.marked.split("|")
    for piece in pieces:
        assert len(re.findall(r"\btapez \d", piece)) <= 1, piece


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_another_reader_of_menus_finds_the_same_choices(wording: Wording):
    """A caller, or a machine that calls, goes by label, verb and key."""
    assert set(wording.as_read_by_a_machine()) == set(wording.choices)


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_whatever_is_offered_is_also_understood(wording: Wording):
    taken = {
        turn.heard.keys
        for turn in walk().turns
        if turn.before.step == wording.step and turn.speech.lines[0].key != "reason.key"
    }
    assert set(wording.choices) <= taken


@pytest.mark.parametrize("wording", [w for w in MENUS if w.step in CHECKS], ids=ids)
def test_yes_says_yes_and_no_says_no(wording: Wording):
    yes, no = wording.choices["1"], wording.choices["2"]
    assert YES.search(yes), yes
    assert not NO.search(yes), yes
    assert NO.search(no), no


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_nothing_but_an_agreement_sounds_like_one(wording: Wording):
    agreeing = [
        key for key, label in wording.choices.items() if YES.search(label) and not NO.search(label)
    ]
    assert len(agreeing) <= 1, wording.choices


@pytest.mark.parametrize("wording", MENUS, ids=ids)
def test_a_caller_who_reads_menus_gets_on_at_each_of_them(wording: Wording):
    caller = AnswersLeg({"dob": "12031942", "postcode": "75011"}, sender="+33612345678")
    question = read_question(wording.text, wording.gather)
    assert question.options, wording.text
    chosen = caller.choose(question.options)
    leads_on = {
        "not_yet_open": "1", "closed": "1", "not_eligible": None, "no_slot": "1",
        "other_offers": None, "part_of_day": None, "reach": None,
        "person": None,
    }  # fmt: skip
    expected = leads_on.get(wording.step, "1")
    if expected is not None:
        assert chosen == expected, wording.text


# ---------------------------------------------------------------- entries


@pytest.mark.parametrize("wording", ENTRIES, ids=ids)
def test_the_sentence_that_asks_names_what_is_asked(wording: Wording):
    asking = [
        sentence
        for sentence in wording.sentences
        if ASKS.search(sentence) and not wording_of_a_key(sentence)
    ]
    field = FIELDS[wording.step]
    named = [s for s in asking if field in s.casefold() and "exemple" not in s.casefold()]
    assert named, f"no sentence of {asking} names {field!r}"


def wording_of_a_key(sentence: str) -> bool:
    return re.search(r"tapez (0|9|étoile), puis dièse", sentence) is not None


@pytest.mark.parametrize("wording", ENTRIES, ids=ids)
def test_nothing_else_is_named_that_could_be_asked(wording: Wording):
    said = wording.text.casefold()
    assert [field for field in OTHER_FIELDS[wording.step] if field in said] == []


@pytest.mark.parametrize("wording", ENTRIES, ids=ids)
def test_another_reader_understands_what_is_to_be_typed(wording: Wording):
    assert read_question(wording.text, wording.gather).field == READ_AS[wording.step]


@pytest.mark.parametrize(
    "wording",
    [w for w in ENTRIES if w.step not in PERSON_STEPS and w.number >= STEPS[w.step].patience - 1],
    ids=ids,
)
def test_the_last_wording_of_an_entry_tells_how_to_reach_a_person(wording: Wording):
    """The wordings before it are kept short."""
    assert re.search(r"personne, tapez 0, puis dièse", wording.text), wording.text


# ---------------------------------------------------------------- the reference, promises, words


def everything_said() -> list[tuple[str, str]]:
    said = []
    for key, values in spoken_lines().items():
        said += [(key, FRENCH.say(key, values, n)) for n in range(FRENCH.wordings(key))]
    return said


def sentences_of(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?])\s+|\|", text) if s.strip()]


def test_the_word_reference_stands_right_before_its_ten_digits_and_far_from_other_numbers():
    told = 0
    for key, text in everything_said():
        for sentence in sentences_of(text):
            digits = re.sub(r"\D", "", sentence)
            if "référence" not in sentence.casefold() or not digits:
                continue
            told += 1
            assert re.search(r"référence : \d\d(, \d\d){4}\.$", sentence.strip()), (key, sentence)
            assert len(digits) == 10, sentence
    assert told >= 4


def test_the_reference_is_told_twice_before_anything_is_asked():
    told = [key for key in spoken_lines() if key.startswith("reference")]
    assert len(told) == 4
    for key in told:
        values = spoken_lines()[key]
        first = FRENCH.say(key, values, 0)
        assert first.count("45, 21, 73, 89, 08") == 2
        assert first.rindex("45, 21") < first.index("tapez")


def test_a_promise_is_the_last_thing_said_and_in_the_words_agreed():
    ends = {turn.speech.lines[-1].key for turn in walk().turns if turn.speech.outcome == "promised"}
    assert ends == {"promise", "goodbye_silent_promised"}
    for key in ends:
        last = sentences_of(FRENCH.say(key, spoken_lines()[key]))[-1]
        assert re.search(r"nous vous rappellerons|vous serez rappelé", last, re.IGNORECASE), last


def test_nothing_is_called_confirmed_before_it_is():
    """Whoever listens only for that word must not take a question for an answer."""
    after = ("ready", "reference", "reference_with_text", "goodbye_booked")
    before = set(spoken_lines()) - {f"{key}{both}" for key in after for both in ("", "_both")}
    called = re.compile(r"\b(est|sont) (tous les deux |bien )?(confirmé|enregistré|réservé)s?\b")
    for key, text in everything_said():
        if key in before:
            for sentence in sentences_of(text):
                assert not called.search(sentence), (key, sentence)


def test_no_sentence_sends_a_caller_to_the_internet_or_calls_an_overload_maintenance():
    texts = [text for _, text in everything_said()]
    texts += [FRENCH.say(key, {}) for key in BY_THE_EDGE - set(spoken_lines())]
    for text in texts:
        assert not re.search(r"internet|\bsite\b|maintenance|\bwww\b", text, re.IGNORECASE)


def test_no_two_signs_of_punctuation_meet_and_no_value_is_left_open():
    for key, text in everything_said():
        assert not re.search(r"[{}]", text), key
        assert not re.search(r" [.,]|[.,]{2}|\s\|\s*\||,\s*\.", text), (key, text)


def test_sentences_are_short_enough_to_be_followed():
    """Somebody who hears a sentence once has to keep all of it in mind."""
    for key, text in everything_said():
        for sentence in sentences_of(text):
            assert len(sentence.split()) <= 36, (key, sentence)


def test_a_wording_after_the_first_does_not_begin_with_the_greeting_again():
    for name, (step, question) in examples().items():
        for number in range(1, FRENCH.wordings(question.prompt)):
            assert not Wording(step, question, number).text.startswith("Bonjour"), name


def test_silence_is_told_in_other_words_each_time():
    assert len({FRENCH.say("reason.silence", {}, number) for number in range(3)}) == 3


def test_the_written_texts_say_nothing_about_health():
    for key, template in source()["text"].items():
        assert not HEALTH.search(str(template)), key
    assert not HEALTH.search(str(source()["formats"]))


@pytest.mark.parametrize("key", ["8", "9", "*"])
def test_each_of_the_keys_that_mean_the_same_everywhere_is_told_somewhere(key: str):
    """A key that nobody is told of helps nobody."""
    told = {told for wording in ALL for told, _ in wording.options}
    assert key in told
