"""The file of numbers: what it gives, and one sentence with line and remedy for each mistake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.numbers.file import load
from services.numbers.numbers import BadNumbers, Numbers, dialled
from services.numbers.watch import read
from services.watched_files import LOOK_SECONDS
from tests.campaign.files import save
from tests.numbers.files import (
    BRETAGNE,
    ENGLISH,
    EXAMPLE,
    GREETING,
    KNOWN,
    NATIONAL,
    numbers_file,
)


def mistakes(path, known=KNOWN) -> list[str]:
    with pytest.raises(BadNumbers) as told:
        load(path, known)
    return [one.removeprefix(f"{path}, ") for one in told.value.problems]


def test_the_example_has_three_numbers():
    national, bretagne, english = load(EXAMPLE, replace(KNOWN, staffed=None))
    assert (national.number, national.greets("fr"), national.has_area) == (NATIONAL, "", False)
    assert bretagne.greets("fr").startswith("Bonjour. Ici les rendez-vous")
    assert bretagne.serves("35000", "35")
    assert not bretagne.serves("75011", "75")
    assert (bretagne.sender, bretagne.caller_id) == ("RDVBretagne", BRETAGNE)
    assert bretagne.hours is not None
    assert bretagne.hours.weekdays[5] == ()
    assert (english.language, english.queue, english.overflow_queue) == ("en", "en", "fr")
    assert english.overflow == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("entry", "line", "sentence"),
    [
        (
            'sender = "AlloRDV"',
            3,
            "numbers.sender: there is no such entry; did you mean sms_sender?",
        ),
        (
            'sms_sender = "Rendez-vous!"',
            3,
            (
                'numbers.sms_sender: "Rendez-vous!" is no sender; give at most 11 letters (without'
                ' accents) and digits, as "AlloRDV", or a number as "+33974750001"'
            ),
        ),
        (
            'sms_sender = "RendezVousFr"',
            3,
            (
                'numbers.sms_sender: "RendezVousFr" is no sender; give at most 11 letters (without'
                ' accents) and digits, as "AlloRDV", or a number as "+33974750001"'
            ),
        ),
        (
            'queue = "bretagne"',
            3,
            'numbers.queue: there is no queue "bretagne"; there are en, fr',
        ),
        (
            'queue = "en"',
            3,
            (
                'numbers.queue: nobody answers the queue "en"; give it somebody with'
                " `flask queues add en LOGIN`"
            ),
        ),
        ('language = "de"', 3, 'numbers.language: there is no language "de"; there are en, es, fr'),
        (
            'campaign = "2012"',
            3,
            'numbers.campaign: there is no campaign "2012"; did you mean 2021?',
        ),
        (
            'departements = ["35", "99"]',
            3,
            'numbers.departements: "99" is no département; write them as ["35"]',
        ),
        (
            'postcodes = ["35 000"]',
            3,
            'numbers.postcodes: "35 000" is no postcode; write them as ["35000"]',
        ),
        (
            'caller_id = "09 74 75 00 35"',
            3,
            'numbers.caller_id: "09 74 75 00 35" is no number; did you mean "+33974750035"?',
        ),
        (
            'caller_id = "+33612345678"',
            3,
            (
                "numbers.caller_id: +33612345678 is a mobile number, and no call centre may ring"
                ' with one; give one like "+33974750001"'
            ),
        ),
        (
            'queue = "fr"\noverflow_queue = "fr"',
            4,
            "numbers.overflow_queue: it is the queue itself; name another one",
        ),
        (
            "overflow_minutes = 400",
            3,
            (
                "numbers.overflow_minutes: 400 is not between 0 and 120; it is how many minutes"
                " callers wait until the other queue takes them, too"
            ),
        ),
        (
            'greeting = { fr = "Bonjour.", en = "Hello." }',
            3,
            'numbers.greeting: it is missing in a language; add es = "…"',
        ),
        (
            f'greeting = {{ fr = "Bonjour {"très " * 20}.", en = "Hello.", es = "Hola." }}',
            3,
            (
                "numbers.greeting.fr: 21 words in a sentence are too long to hear; at most 20, so"
                " make it two or shorten it"
            ),
        ),
        (
            f'greeting = {{ fr = "{"Bonjour à tous. " * 10}", en = "Hello.", es = "Hola." }}',
            3,
            (
                "numbers.greeting.fr: it takes 11 seconds, too long to hear before a first choice;"
                " shorten it to 10"
            ),
        ),
        (
            'greeting = { fr = "Bonjour {nom}.", en = "Hello.", es = "Hola." }',
            3,
            "numbers.greeting.fr: it is one line of words as they are said, without < > { } or |",
        ),
        (
            '[numbers.hours]\nmondays = ["09:00-18:00"]',
            4,
            "numbers.hours.mondays: there is no such entry; did you mean monday?",
        ),
        (
            '[numbers.hours]\nmonday = ["09:00-18:99"]',
            4,
            (
                'numbers.hours.monday: "09:00-18:99" are no hours of one day; write "08:00-12:00",'
                ' at the latest "…-24:00"'
            ),
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path, entry, line, sentence):
    found = mistakes(numbers_file(tmp_path, *entry.split("\n")))
    assert f"line {line}: {sentence}" in found
    assert len(found) == 1


def test_a_number_is_there_once_and_is_a_number(tmp_path):
    assert mistakes(numbers_file(tmp_path, "[[numbers]]", f'number = "{BRETAGNE}"')) == [
        f"line 4: numbers.number: {BRETAGNE} is here twice; leave one of them out"
    ]
    assert mistakes(numbers_file(tmp_path, number="09 74 75 00 35")) == [
        'line 2: numbers.number: "09 74 75 00 35" is no number; did you mean "+33974750035"?'
    ]
    assert mistakes(save(tmp_path / "numbers.toml", "[[number]]\n")) == [
        "line 1: number: there is no such entry; did you mean numbers?",
        "line 1: numbers: there is no number; begin the first with a line [[numbers]]",
    ]
    assert load(numbers_file(tmp_path, number="3975"), KNOWN)[0].number == "3975"


def test_all_numbers_are_of_one_campaign(tmp_path):
    known = replace(KNOWN, campaigns={"2021", "2022"})
    other = ("[[numbers]]", f'number = "{NATIONAL}"', 'campaign = "2022"')
    assert mistakes(numbers_file(tmp_path, 'campaign = "2021"', *other), known) == [
        (
            'line 6: numbers.campaign: another number is for "2021", and one campaign is open at a'
            " time; give all numbers the same, or leave it out"
        )
    ]


def test_a_greeting_may_lie_in_a_folder(tmp_path):
    path = numbers_file(tmp_path, 'greeting = "bretagne"')
    assert mistakes(path) == [
        (
            'line 3: numbers.greeting: there is no folder "bretagne" beside this file; put'
            ' bretagne/fr.txt and so on there, or write greeting = { fr = "Bonjour. …", … }'
        )
    ]
    folder = tmp_path / "bretagne"
    folder.mkdir()
    for language, words in (("fr", "Bonjour la Bretagne.\n"), ("en", "Hello.\n")):
        save(folder / f"{language}.txt", words)
    assert mistakes(path) == [
        (
            f"line 3: numbers.greeting: {folder / 'es.txt'} cannot be read; write the greeting"
            " there, as UTF-8"
        )
    ]
    save(folder / "es.txt", "Hola.\n")
    assert load(path, KNOWN)[0].greets("fr") == "Bonjour la Bretagne."


@pytest.mark.parametrize(
    ("to", "number"),
    [
        (NATIONAL, NATIONAL),
        (f"sip:{NATIONAL}@house.example;transport=udp", NATIONAL),
        ("sip:3975@house.example", "3975"),
        ("client:camille", ""),
        ("", ""),
    ],
)
def test_a_number_is_read_from_what_the_provider_says(to, number):
    assert dialled(to) == number


def test_what_a_call_keeps_of_its_number():
    one, two = load(EXAMPLE, replace(KNOWN, staffed=None))[1:]
    numbers = Numbers.fixed(NATIONAL, one, two)
    assert numbers.called(f"sip:{BRETAGNE}@x") is one
    assert numbers.called(NATIONAL) == numbers.default
    assert numbers.called("+33900000000") is None
    assert numbers.of("+33900000000") == numbers.default
    assert numbers.serving("35000", "35") is one
    assert numbers.serving("75011", "75") == numbers.default
    # Without a file there is one number, whatever was dialled.
    alone = Numbers.fixed(NATIONAL)
    assert alone.called("+33900000000") == alone.default
    assert alone.all() == ()


def test_a_change_is_read_and_a_mistake_changes_nothing(tmp_path):
    moment = 100.0
    path = numbers_file(tmp_path, 'sms_sender = "Un"')
    numbers = read(NATIONAL, path, lambda: KNOWN, ticks=lambda: moment)

    def sender() -> str:
        nonlocal moment
        for _ in range(2):
            moment += LOOK_SECONDS
            numbers.of(BRETAGNE)
        return numbers.of(BRETAGNE).sender

    numbers_file(tmp_path, 'sms_sender = "Deux"')
    assert sender() == "Deux"
    numbers_file(tmp_path, 'sms_sender = "Rendez-vous!"')
    assert sender() == "Deux"
    numbers_file(tmp_path, 'sms_sender = "Trois"', GREETING)
    assert sender() == "Trois"
    assert numbers.of(BRETAGNE).greets("en") == "Hello. This is Brittany."
    assert numbers.of(ENGLISH) == numbers.default
