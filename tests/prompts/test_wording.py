"""Sentences keep the rules of the call script in every language: what is told first, and how.

What can be found without playing a call is found by `flask prompts check`: see test_check.py.
"""

from __future__ import annotations

import re

from dataclasses import dataclass
from functools import lru_cache

import pytest

from flows.engine import PERSON_STEPS
from flows.questions import Question
from flows.steps import STEPS
from flows.steps.long_call import LONG_CALL
from prompts.catalogue import load
from prompts.check_rules import longest
from prompts.reading_time import seconds, words
from tests.flows.walk import walk
from tests.prompts.each import each
from tests.prompts.sentences import (
    FRENCH,
    KEYS,
    LANGUAGES,
    Wording,
    everything_said,
    examples,
    sentences_of,
    spoken_lines,
    wordings,
)
from tests.support.keeper import ROOT
from tools.simulator.answers import AnswersLeg, read_question


@dataclass(frozen=True)
class Manners:
    """How a language says what the rules ask for."""

    person: str
    yes: re.Pattern[str]
    no: re.Pattern[str]
    # What the question of a step is about, and what it must not name.
    fields: dict[str, str]
    other_fields: dict[str, tuple[str, ...]]
    asks: re.Pattern[str]
    # An example, and a sentence about a key that ends with hash.
    example: str
    key_in_entry: re.Pattern[str]
    person_in_entry: str
    greeting: str
    reference: re.Pattern[str]
    reference_word: str
    first_digits: str
    promise: re.Pattern[str]
    called_booked: re.Pattern[str]


MANNERS = {
    "fr": Manners(
        person="personne",
        yes=re.compile(r"\b(exacte?|correcte?|bien|bonn?e?|oui|confirme[rz]?|valide[rz]?)\b"),
        no=re.compile(r"\b(pas|non|sinon|corrige[rz]?|change[rz]?)\b"),
        fields={
            "date_of_birth": "date de naissance",
            "birth_year": "année",
            "birth_month": "mois",
            "birth_day": "jour",
            "postcode": "code postal",
            "reach_number": "portable",
            "person_number": "numéro de téléphone",
            "tell_number": "numéro de téléphone",
            "town": "code postal",
        },
        other_fields={
            "date_of_birth": ("code postal", "commune", "téléphone", "portable", "référence"),
            "birth_year": ("mois", "jour", "code postal", "téléphone", "date de naissance"),
            "birth_month": ("année", "jour", "code postal", "téléphone", "date de naissance"),
            "birth_day": ("année", "mois", "code postal", "téléphone", "date de naissance"),
            "postcode": ("naissance", "commune", "téléphone", "portable", "référence"),
            "reach_number": ("naissance", "code postal", "référence"),
            "person_number": ("naissance", "code postal", "référence"),
            "tell_number": ("naissance", "code postal", "référence"),
            "town": ("naissance", "téléphone", "portable", "référence"),
        },
        asks=re.compile(r"\b(tapez|composez|quel(le)? est)\b", re.IGNORECASE),
        example="exemple",
        key_in_entry=re.compile(r"tapez (0|9|étoile), puis dièse"),
        person_in_entry="personne, tapez 0, puis dièse",
        greeting="Bonjour",
        reference=re.compile(r"référence : \d\d(, \d\d){4}\.$", re.IGNORECASE),
        reference_word="référence",
        first_digits="45, 21, 73, 89, 08",
        promise=re.compile(r"nous vous rappellerons|vous serez rappelé", re.IGNORECASE),
        called_booked=re.compile(
            r"\b(est|sont) (tous les deux |bien )?(confirmé|enregistré|réservé)s?\b"
        ),
    ),
    "en": Manners(
        person="person",
        yes=re.compile(r"\b(right|correct|yes|confirm)\b"),
        no=re.compile(r"\b(no|not|otherwise|change)\b"),
        fields={
            "date_of_birth": "date of birth",
            "birth_year": "year",
            "birth_month": "month",
            "birth_day": "day",
            "postcode": "postcode",
            "reach_number": "mobile",
            "person_number": "phone number",
            "tell_number": "phone number",
            "town": "postcode",
        },
        other_fields={
            "date_of_birth": (
                "postcode",
                "town",
                "telephone",
                "phone number",
                "mobile",
                "reference",
            ),
            "birth_year": ("month", "day", "postcode", "telephone", "date of birth"),
            "birth_month": ("year", "day", "postcode", "telephone", "date of birth"),
            "birth_day": ("year", "month", "postcode", "telephone", "date of birth"),
            "postcode": ("birth", "town", "telephone", "phone number", "mobile", "reference"),
            "reach_number": ("birth", "postcode", "reference"),
            "person_number": ("birth", "postcode", "reference"),
            "tell_number": ("birth", "postcode", "reference"),
            "town": ("birth", "telephone", "phone number", "mobile", "reference"),
        },
        asks=re.compile(r"\b(type|press|what is)\b", re.IGNORECASE),
        example="example",
        key_in_entry=re.compile(r"press (0|9|star), then hash"),
        person_in_entry="person, press 0, then hash",
        greeting="Hello",
        reference=re.compile(r"reference: \d \d(, \d \d){4}\.$", re.IGNORECASE),
        reference_word="reference",
        first_digits="4 5, 2 1, 7 3, 8 9, 0 8",
        promise=re.compile(r"we will call you back|you will be called back", re.IGNORECASE),
        called_booked=re.compile(r"\b(is|are) (both )?(confirmed|booked)\b"),
    ),
    "es": Manners(
        person="persona",
        yes=re.compile(r"\b(correct[oa]s?|bien|sí|confirm(o|ar|arl[ao]s?))(?!\w)"),
        no=re.compile(r"\b(no|cambi(ar|arl[ao]s?)|correg(ir|irl[ao]s?))\b"),
        fields={
            "date_of_birth": "fecha de nacimiento",
            "birth_year": "año",
            "birth_month": "mes",
            "birth_day": "día",
            "postcode": "código postal",
            "reach_number": "móvil",
            "person_number": "número de teléfono",
            "tell_number": "número de teléfono",
            "town": "código postal",
        },
        other_fields={
            "date_of_birth": ("código postal", "localidad", "teléfono", "móvil", "referencia"),
            "birth_year": ("mes", "día", "código postal", "teléfono", "fecha de nacimiento"),
            "birth_month": ("año", "día", "código postal", "teléfono", "fecha de nacimiento"),
            "birth_day": ("año", "mes", "código postal", "teléfono", "fecha de nacimiento"),
            "postcode": ("nacimiento", "localidad", "teléfono", "móvil", "referencia"),
            "reach_number": ("nacimiento", "código postal", "referencia"),
            "person_number": ("nacimiento", "código postal", "referencia"),
            "tell_number": ("nacimiento", "código postal", "referencia"),
            "town": ("nacimiento", "teléfono", "móvil", "referencia"),
        },
        asks=re.compile(r"\b(marque|diga|cuál es)\b", re.IGNORECASE),
        example="ejemplo",
        key_in_entry=re.compile(r"pulse (0|9|asterisco) y luego almohadilla"),
        person_in_entry="persona, pulse 0 y luego almohadilla",
        greeting="Hola",
        reference=re.compile(r"referencia: \d \d(, \d \d){4}\.$", re.IGNORECASE),
        reference_word="referencia",
        first_digits="4 5, 2 1, 7 3, 8 9, 0 8",
        promise=re.compile(r"le llamaremos", re.IGNORECASE),
        called_booked=re.compile(
            r"\b(está|están|queda|quedan) (las dos )?(confirmad|reservad)as?\b"
        ),
    ),
}
# Said by the telephone's edge or by the engine, whatever the step.
NAMED_IN_CODE = frozenset(
    key
    for room in ("ivr", "flows")
    for file in (ROOT / room).rglob("*.py")
    for key in re.findall(r'"([\w.]+)"', file.read_text("utf-8"))
)
# A new language is judged by these rules as soon as it has its manners here.
JUDGED = [language for language in LANGUAGES if language in MANNERS]
# Menus in which one key agrees to what was read, and one does not.
CHECKS = {
    "date_of_birth_check", "postcode_check", "reach_check", "person_number_check", "confirm",
    "town_check", "tell_number_check",
}  # fmt: skip
READ_AS = {
    "date_of_birth": "dob",
    "birth_year": "year",
    "birth_month": "month",
    "birth_day": "day",
    "postcode": "postcode",
    "reach_number": "phone",
    "person_number": "phone",
    "tell_number": "phone",
    "town": "postcode",
}
# What somebody chooses who wants an appointment; at the others several choices are sensible.
LEADS_ON = {
    "welcome": "1", "closed": "1", "for_whom": "1", "date_of_birth_check": "1",
    "postcode_check": "1", "offers": "1", "reach_check": "1", "confirm": "1", "ready": "1",
    "person_number_check": "1",
}  # fmt: skip

languages = pytest.mark.parametrize("language", JUDGED)


@lru_cache
def all_wordings() -> tuple[Wording, ...]:
    return tuple(wording for language in JUDGED for wording in wordings(language))


@lru_cache
def menus() -> tuple[Wording, ...]:
    return tuple(wording for wording in all_wordings() if wording.is_menu)


def menus_that_choose() -> list[Wording]:
    # At the last, only keys that mean the same everywhere are told: everything has been said.
    return [wording for wording in menus() if wording.step != "reference"]


def menus_before_a_person() -> list[Wording]:
    # Where a person was asked for already, 0 goes without saying.
    return [wording for wording in menus() if wording.step not in PERSON_STEPS]


def checks() -> list[Wording]:
    return [wording for wording in menus() if wording.step in CHECKS]


def french_menus() -> list[Wording]:
    return [wording for wording in menus() if wording.language == "fr"]


@lru_cache
def entries() -> tuple[Wording, ...]:
    return tuple(
        wording for wording in all_wordings() if not wording.is_menu and wording.step in READ_AS
    )


def last_entries() -> list[Wording]:
    return [
        wording
        for wording in all_wordings()
        if not wording.is_menu
        and wording.step not in PERSON_STEPS
        and wording.number >= STEPS[wording.step].patience - 1
    ]


@lru_cache
def keys_taken() -> dict[str, frozenset[str]]:
    """By step, what is understood there."""
    taken: dict[str, set[str]] = {}
    for turn in walk().turns:
        if turn.speech.lines and turn.speech.lines[0].key != "reason.key":
            taken.setdefault(turn.before.step, set()).add(turn.heard.keys)
    return {step: frozenset(keys) for step, keys in taken.items()}


def manners(wording: Wording) -> Manners:
    return MANNERS[wording.language]


# ---------------------------------------------------------------- complete


@languages
def test_every_sentence_that_a_call_can_hear_is_there(language: str):
    assert set(spoken_lines()) <= load(language).keys


def test_no_sentence_is_kept_that_no_call_can_hear():
    named = NAMED_IN_CODE | {f"{key}_both" for key in NAMED_IN_CODE}
    named |= {f"reason.{key}" for key in NAMED_IN_CODE}
    # What no call of the walk hears, none hears at the slower pace either.
    named |= {FRENCH.short(key) for key in named if key in FRENCH.keys - set(spoken_lines())}
    assert FRENCH.keys - set(spoken_lines()) - named == set()


@languages
def test_every_step_has_a_wording_for_each_of_its_tries(language: str):
    """A third try that hears the second one's words again is told nothing new."""
    catalogue = load(language)
    short = [
        f"{prompt} has {catalogue.wordings(prompt)} wordings, {step} asks {STEPS[step].patience}"
        for step, question in examples().values()
        for prompt in (question.prompt, question.lead)
        if prompt and catalogue.wordings(prompt) < STEPS[step].patience
    ]
    assert not short, "\n".join(short)


def test_the_walk_came_to_every_question():
    assert {step for step, _ in examples().values()} == set(STEPS)


# ---------------------------------------------------------------- menus


@each(menus_before_a_person)
def test_a_person_is_told_at_the_start_at_the_end_and_after_a_failed_try_behind_the_options(
    wording: Wording,
):
    told = [key for key, _ in wording.options]
    step = STEPS[wording.step]
    if wording.step == LONG_CALL:
        # Its first key leads there.
        assert manners(wording).person in wording.text
        return
    if not step.tells_person(wording.question, wording.number):
        assert wording.number == 0
        assert "0" not in told, wording.text
        return
    # In the languages of others one more choice may follow.
    own = [key for key in told[: told.index("0")] if key in "1234567"]
    assert own or wording.step in {"reference", "other_languages"}, wording.text
    assert manners(wording).person in dict(wording.options)["0"]


def test_the_steps_that_tell_of_a_person_at_once():
    assert {name for name, step in STEPS.items() if step.tells_person_at_once} == {
        *("welcome", "not_yet_open", "closed", "resume", "booked_before"),
        *("not_eligible", "not_since", "no_slot"),
        *("reference", "about_visit", "calls_offer", "my_no_text", "my_over", "my_cancelled"),
    }


@each(menus)
def test_a_key_that_is_only_printed_is_not_spoken(wording: Wording):
    """Else it would be one choice more to remember: see Step.printed_keys."""
    assert not STEPS[wording.step].printed_keys & set(wording.choices)


@each(menus)
def test_there_is_a_pause_before_and_between_the_choices(wording: Wording):
    for piece in wording.marked.split("|"):
        assert len(re.findall(r"\b(?:tapez|press|pulse) \d", piece)) <= 1, piece


@each(menus)
def test_another_reader_of_menus_finds_the_same_choices(wording: Wording):
    """A caller, or a machine that calls, goes by label, verb and key."""
    assert set(wording.as_read_by_a_machine()) == set(wording.choices)


@each(french_menus)
def test_whatever_is_offered_is_also_understood(wording: Wording):
    assert set(wording.choices) <= keys_taken()[wording.step]


@each(checks)
def test_yes_says_yes_and_no_says_no(wording: Wording):
    said = manners(wording)
    yes, no = wording.choices["1"], wording.choices["2"]
    assert said.yes.search(yes), yes
    assert not said.no.search(yes), yes
    assert said.no.search(no), no


@each(menus)
def test_nothing_but_an_agreement_sounds_like_one(wording: Wording):
    said = manners(wording)
    agreeing = [
        key
        for key, label in wording.choices.items()
        if said.yes.search(label) and not said.no.search(label)
    ]
    assert len(agreeing) <= 1, wording.choices


@each(menus_that_choose)
def test_a_caller_who_reads_menus_gets_on_at_each_of_them(wording: Wording):
    caller = AnswersLeg({"dob": "12031942", "postcode": "75011"}, sender="+33612345678")
    question = read_question(wording.text, wording.gather)
    assert question.options, wording.text
    chosen = caller.choose(question.options)
    assert chosen in wording.choices
    if wording.question.prompt.startswith("booked_first"):
        # They would rather note it before they go on.
        assert chosen == "2", wording.text
        return
    assert chosen == LEADS_ON.get(wording.step, chosen), wording.text


# ---------------------------------------------------------------- entries


@each(entries)
def test_the_sentence_that_asks_names_what_is_asked(wording: Wording):
    said = manners(wording)
    asking = [
        sentence
        for sentence in wording.sentences
        if said.asks.search(sentence) and not said.key_in_entry.search(sentence)
    ]
    field = said.fields[wording.step]
    named = [s for s in asking if field in s.casefold() and said.example not in s.casefold()]
    assert named, f"no sentence of {asking} names {field!r}"


@each(entries)
def test_nothing_else_is_named_that_could_be_asked(wording: Wording):
    alone = Wording(
        wording.language,
        wording.step,
        Question(wording.question.prompt, wording.question.listen, wording.question.values),
        wording.number,
    )
    others = manners(wording).other_fields[wording.step]
    assert [field for field in others if field in alone.text.casefold()] == []


@each(entries)
def test_another_reader_understands_what_is_to_be_typed(wording: Wording):
    assert read_question(wording.text, wording.gather).field == READ_AS[wording.step]


@each(last_entries)
def test_the_last_wording_of_an_entry_tells_how_to_reach_a_person(wording: Wording):
    """The wordings before it are kept short."""
    assert manners(wording).person_in_entry in wording.text, wording.text


# ---------------------------------------------------------------- the reference, promises, words


@languages
def test_the_word_reference_stands_right_before_its_ten_digits_and_far_from_other_numbers(
    language: str,
):
    said, told = MANNERS[language], 0
    for key, text in everything_said(language):
        for sentence in sentences_of(text):
            # The key that asks for it is told in a sentence without it.
            digits = re.sub(r"\D", "", KEYS[language].sub("", sentence))
            if said.reference_word not in sentence.casefold() or not digits:
                continue
            told += 1
            assert said.reference.search(sentence.strip()), (key, sentence)
            assert len(digits) == 10, sentence
    assert told >= 4


@languages
def test_the_reference_is_told_twice_before_anything_is_asked(language: str):
    for key in ("reference", "reference_with_text", "reference_both", "reference_with_text_both"):
        first = dict(everything_said(language)[::-1])[key]
        digits = MANNERS[language].first_digits
        assert first.count(digits) == 2
        assert first.rindex(digits) < re.search(r"tapez|press|pulse", first).start()  # type: ignore[union-attr]


@languages
def test_a_promise_is_the_last_thing_said_and_in_the_words_agreed(language: str):
    ends = {
        turn.speech.lines[-1].key
        for turn in walk().turns
        if turn.speech.outcome == "promised" and turn.speech.listen is None
    }
    assert ends >= {"promise", "goodbye_silent_promised"}
    for key in ("promise", "goodbye_silent_promised"):
        *_, last, goodbye = sentences_of(dict(everything_said(language))[key])
        assert goodbye in {"Au revoir.", "Goodbye.", "Adiós."}
        assert MANNERS[language].promise.search(last), last


@languages
def test_nothing_is_called_confirmed_before_it_is(language: str):
    """Whoever listens only for that word must not take a question for an answer."""
    after = re.compile(r"(short\.)?(ready|booked|reference|goodbye_booked|goodbye_calls|my_)")
    for key, text in everything_said(language):
        if after.match(key):
            continue
        for sentence in sentences_of(text):
            assert not MANNERS[language].called_booked.search(sentence), (key, sentence)


@languages
def test_no_two_signs_of_punctuation_meet_and_no_value_is_left_open(language: str):
    for key, text in everything_said(language):
        assert not re.search(r"[{}]", text), key
        assert not re.search(r" [.,]|[.,]{2}|\s\|\s*\||,\s*\.", text), (key, text)


@languages
def test_every_long_menu_of_the_call_is_shorter_at_the_slower_pace(language: str):
    """Above 38 words there is no menu that whoever pressed 8 has to hear whole."""
    catalogue = load(language)
    for step, question in examples().values():
        for number in range(catalogue.wordings(question.prompt)):
            said = catalogue.say(question.prompt, question.values, number)
            short = catalogue.short(question.prompt) != question.prompt
            assert short or words(said) <= 38, (step, question.prompt, number, words(said))


@languages
def test_the_offers_of_two_appointments_are_said_in_half_a_minute_when_said_again(language: str):
    catalogue = load(language)
    met = spoken_lines()
    for count in (1, 2, 3):
        for prompt in (f"offers_{count}", f"offers_one_centre_{count}"):
            if prompt not in catalogue.keys:
                continue
            for number in range(1, catalogue.wordings(prompt)):
                told = {f"{name}{n}": "Saint-Denis" for name in ("town", "spot") for n in (1, 2, 3)}
                values = met[prompt] | told
                lead = catalogue.say("second_comes_with_it", {"after": (21, 28)}, number)
                said = f"{lead} | {catalogue.say(prompt, values, number)}"
                assert seconds(said) <= 31, (prompt, number, seconds(said))


COUNTED = {
    "fr": r"\b(trois|quatre|cinq) (?:autres )?(?:réponses|choix)\b",
    "en": r"\b(three|four|five) (?:other )?(?:choices|answers)\b",
    "es": r"\b(tres|cuatro|cinco) opciones\b",
}
COUNTS = {
    "fr": ("trois", "quatre", "cinq"),
    "en": ("three", "four", "five"),
    "es": ("tres", "cuatro", "cinco"),
}


@languages
def test_a_count_of_choices_is_that_of_the_keys_that_follow_it(language: str):
    """A caller who hears "three" and then four keys waits for one that they missed.

    The person may come before the count or behind the last of the keys, and is none of them.
    """
    counted = 0
    for key, text in everything_said(language):
        found = re.search(COUNTED[language], text, re.IGNORECASE)
        if found is None:
            continue
        counted += 1
        told = KEYS[language].findall(text[found.end() :])
        while told and told[-1] in {"0", "8", "9"}:
            told.pop()
        assert len(told) == COUNTS[language].index(found[1].lower()) + 3, (key, text)
    assert counted >= 20


@languages
def test_a_menu_of_three_or_four_says_at_the_start_how_many_there_are(language: str):
    """Callers.md, rule 6; where the key of another language may follow, nobody can count."""
    told = ("other_offers", "reach_mobile", "no_slot", "no_slot_but_far", "my_menu")
    for key in told:
        catalogue = load(language)
        for one in (key, catalogue.short(key)):
            if one == "short.no_slot_but_far":
                # There it is said first where the places are.
                continue
            said = catalogue.say(one, longest(catalogue.parts(one)))
            found = re.search(COUNTED[language], said, re.IGNORECASE)
            assert found, (one, said)
            # Before the first choice; the person may come before.
            assert not {*KEYS[language].findall(said[: found.start()])} - {"0"}, (one, said)


@languages
def test_a_wording_after_the_first_does_not_begin_with_the_greeting_again(language: str):
    for name, (step, question) in examples().items():
        for number in range(1, load(language).wordings(question.prompt)):
            text = Wording(language, step, question, number).text
            assert not text.startswith(MANNERS[language].greeting), name


@languages
def test_silence_is_told_in_other_words_each_time_and_more_time_is_offered(language: str):
    told = {load(language).say("reason.silence", {}, number) for number in range(3)}
    assert len(told) == 3
    for text in told:
        assert re.search(r"\b(tapez|press|pulse) 8\.$", text)


@languages
@pytest.mark.parametrize("key", ["8", "9", "*"])
def test_each_of_the_keys_that_mean_the_same_everywhere_is_told_somewhere(language: str, key: str):
    """A key that nobody is told of helps nobody."""
    named = {"*": "étoile|star|asterisco"}.get(key, key)
    texts = " ".join(text for _, text in everything_said(language))
    assert re.search(rf"\b(tapez|press|pulse) ({named})\b", texts)
