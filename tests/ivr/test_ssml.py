"""What a voice of the provider is told: pauses, digits, dates; and that it takes all of it."""

from __future__ import annotations

import re
import tomllib

from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from exchange.twiml import ENUMS, TwimlError, Verb, parse
from flows.speech import Line, Listen, Speech, TurnOutcome
from ivr.addresses import Addresses, QueueListener
from ivr.twiml import render, waiting_document
from prompts.catalogue import FOLDER, Catalogue, languages, load
from prompts.check_rules import LONGEST_OF_FORMAT, long_of, longest
from prompts.reading_time import NORMAL, SLOW, seconds
from prompts.values import Part
from prompts.voices import _POLLY, UnknownVoice, misfit, voice

LANGUAGES = languages()
ADDRESSES = Addresses("https://allo.example")
REFERENCE, BORN = "0612345608", date(1942, 3, 12)
FIRST = date(1940, 1, 1)
MOMENT = datetime(2026, 11, 26, 10, 0)  # noqa: DTZ001 (by the clock of the place)
FIRST_MOMENT = datetime(2026, 12, 1, 9, 5)  # noqa: DTZ001


def speaking(sentence: str, language: str = "fr", **changed: Any) -> Catalogue:
    """A language with one sentence, "said", by another voice where `voice` is given."""
    source = written(language)
    spoken_by = {**source["language"], **changed}
    return Catalogue(language, {**source, "say": {"said": [sentence]}, "language": spoken_by})


@lru_cache
def written(language: str) -> dict[str, Any]:
    """The file of a language."""
    return tomllib.loads((FOLDER / f"{language}.toml").read_text("utf-8"))


def likely(catalogue: Catalogue) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sentence with values for all its wordings, at both paces."""
    for key in catalogue.spoken_keys:
        if not long_of(key):
            said = (key, catalogue.short(key))
            parts = [p for one in said for n in range(9) for p in catalogue.parts(one, n)]
            yield key, longest(parts)


def rendered(catalogue: Catalogue, *, slow: bool = False, **values: Any) -> str:
    speech = Speech((Line("said", values),), None, TurnOutcome.ENDED, slow=slow)
    return render(speech, catalogue, ADDRESSES, 1)


def inside(catalogue: Catalogue, *, slow: bool = False, **values: Any) -> str:
    """What stands within the one <Say>."""
    document = rendered(catalogue, slow=slow, **values)
    found = document.split("<Say ")[1].partition(">")[2].partition("</Say>")[0]
    return found.strip().replace('interpret-as="', '"').replace("say-as ", "")


def heard(catalogue: Catalogue, *, slow: bool = False, **values: Any) -> Verb:
    return parse(rendered(catalogue, slow=slow, **values).encode(), "text/xml")[0]


# ---------------------------------------------------------------- digits, dates, pauses


def test_a_reference_is_dictated_in_pairs_with_a_moment_between_them():
    said = speaking("Notez : {reference:pairs}.")
    assert inside(said, reference=REFERENCE) == (
        'Notez : <"digits">06</say-as>, <break time="200ms" /><"cardinal">12</say-as>,'
        ' <break time="200ms" /><"cardinal">34</say-as>, <break time="200ms" />'
        '<"cardinal">56</say-as>, <break time="200ms" /><"digits">08</say-as>.'
    )
    pieces = heard(said, reference=REFERENCE).pieces
    assert [p.text or p.pause_s for p in pieces] == [
        *("Notez : 0 6,", 0.2, "12,", 0.2, "34,", 0.2, "56,", 0.2, "0 8.")
    ]
    english = speaking("Note: {reference:pairs}.", "en")
    assert inside(english, reference="4521").endswith(
        '<"digits">4 5</say-as>, <break time="200ms" /><"digits">2 1</say-as>.'
    )


def test_at_the_slower_pace_there_is_time_to_write_each_pair():
    said = speaking("Notez : {reference:pairs}.")
    pauses = [piece.pause_s for piece in heard(said, slow=True, reference=REFERENCE).pieces]
    assert [pause for pause in pauses if pause] == [0.9] * 5


def test_a_telephone_number_and_a_postcode_are_told_as_digits():
    number = heard(speaking("Le {phone:number}."), phone="+33612345678")
    assert number.text == "Le 06, 12, 34, 56, 78."
    postcode = speaking("Le code {code:digits}.")
    assert inside(postcode, code="75011") == 'Le code <"digits">7 5 0 1 1</say-as>.'


@pytest.mark.parametrize(
    ("language", "day", "marked", "words"),
    [
        ("fr", BORN, '<say-as format="dmy" "date">12-03-1942</say-as>', "12 mars 1942"),
        # The words say it; figures would leave it to the voice.
        ("fr", FIRST, "1er janvier 1940", "1er janvier 1940"),
        ("en", BORN, '<say-as format="dmy" "date">12-03-1942</say-as>', "12 March 1942"),
        ("en", FIRST, '<say-as format="dmy" "date">01-01-1940</say-as>', "1 January 1940"),
        ("es", BORN, '<say-as format="dmy" "date">12-03-1942</say-as>', "12 de marzo de 1942"),
    ],
)
def test_a_date_is_told_as_a_date_and_heard_in_its_words(
    language: str, day: date, marked: str, words: str
):
    said = speaking("({day:date})", language)
    assert inside(said, day=day).replace("<format", "<say-as format") == f"({marked})"
    assert heard(said, day=day).text == f"({words})"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("moment", [MOMENT, FIRST_MOMENT])
def test_what_is_heard_of_a_value_are_the_words_of_its_language(language: str, moment: datetime):
    """A text, a page and a voice without mark-up have the same words."""
    values = {**LONGEST_OF_FORMAT, "day_hour": moment, "date": moment.date()}
    catalogue = load(language)
    assert catalogue.marked_formats <= values.keys()
    for name in sorted(catalogue.marked_formats):
        part = Part("", "value", name)
        told = catalogue.spoken(part, {"value": values[name]})
        assert "".join(s.words for s in catalogue.marked(part, {"value": values[name]})) == told
        said = speaking(f"{{value:{name}}}.", language)
        assert heard(said, value=values[name]).text == f"{told}."


def test_digits_of_a_sentence_itself_are_told_as_those_of_a_value():
    said = speaking("Par exemple, pour le 5 mars 1940 : 05, 03, 1940. | À 9:05, tapez 1, 2 ou 3.")
    marked = inside(said)
    assert '<"digits">05</say-as>, <break time="200ms" /><"digits">03</say-as>, <break' in marked
    assert "À 9:05" in marked
    assert heard(said).text == said.say("said", {}).replace(" | ", " ")


def test_the_seconds_that_are_reckoned_with_count_each_pause_that_is_heard():
    for language in LANGUAGES:
        catalogue = load(language)
        for key, values in likely(catalogue):
            for pace, slow in ((NORMAL, False), (SLOW, True)):
                speech = Speech((Line(key, values),), None, TurnOutcome.ENDED, slow=slow)
                verbs = parse(render(speech, catalogue, ADDRESSES, 1).encode(), "text/xml")
                pauses = sum(p.pause_s for verb in verbs for p in verb.pieces)
                told = catalogue.short(key) if slow else key
                said = catalogue.say(told, values)
                silent = seconds(said, pace) - seconds(re.sub(r"[|.!?:;,]", " ", said), pace)
                if slow:
                    # A name with a comma in it is said in one breath.
                    assert pauses <= silent + 0.01, (language, key)
                else:
                    assert pauses == pytest.approx(silent), (language, key)


def test_a_voice_is_slowed_only_where_its_language_says_so():
    assert "prosody" not in rendered(speaking("Un. | Deux."), slow=True)
    said = speaking("Un. | Le {day:date}.", slow_rate=90)
    assert "prosody" not in rendered(said, day=BORN)
    assert said.pace(slow=True).rate == 0.9
    assert speaking("Un.").pace(slow=True) == SLOW
    slowly = heard(said, slow=True, day=BORN)
    assert [(p.text, p.rate) for p in slowly.pieces if p.text] == [
        ("Un.", 0.9),
        ("Le 12 mars 1942.", 0.9),
    ]


# ---------------------------------------------------------------- names


STRANGE = ["Salle <A> & « B »", 'L"Espace', "]]> <break/>", "A &amp; B", "12, 13 rue"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_is_words_and_never_mark_up(name: str):
    for voice_name in ("Polly.Lea-Neural", "woman"):
        said = speaking("À {place}, le {start:day_hour}.", voice=voice_name)
        verb = heard(said, place=name, start=MOMENT)
        assert verb.text == f"À {name}, le jeudi 26 novembre à 10 heures."
    # In the queue, where a document is made for one caller alone.
    listener = QueueListener("fr")
    key = next(k for k in sorted(load("fr").keys) if _has_plain_value(k))
    line = Line(key, {p.name: name for p in load("fr").parts(key) if p.name})
    made = waiting_document(ADDRESSES, [line], None, listener, listener)
    verbs = parse(made.encode(), "text/xml")
    assert verbs[0].text == " ".join(load("fr").say(key, line.values).replace("|", " ").split())


def _has_plain_value(key: str) -> bool:
    parts = [part for part in load("fr").parts(key) if part.name]
    return bool(parts) and all(not part.format for part in parts)


# ---------------------------------------------------------------- what a voice takes


def tags(document: str) -> Iterator[tuple[str, ET.Element]]:
    """Each tag within a <Say>, with the voice that is to take it."""
    for say in ET.fromstring(document).iter("Say"):  # noqa: S314 (our own document)
        for tag in say.iter():
            if tag is not say:
                yield say.attrib["voice"], tag


def test_every_document_has_tags_that_its_voice_takes_and_no_others():
    """All sentences of all calls, in each wording, at both paces, in each language."""
    found = set()
    for language in LANGUAGES:
        catalogue = load(language)
        for key, values in likely(catalogue):
            for wording in range(catalogue.wordings(key)):
                for slow in (False, True):
                    line = Line(key, values, wording)
                    speech = Speech((line,), Listen(), TurnOutcome.ASKED, slow=slow)
                    document = render(speech, catalogue, ADDRESSES, 7)
                    # Refused where the provider would refuse it.
                    parse(document.encode(), "text/xml")
                    for name, tag in tags(document):
                        one = voice(name)
                        assert tag.tag in one.tags, (key, name)
                        if tag.tag == "say-as":
                            assert one.says(tag.attrib["interpret-as"]), (key, name)
                        found.add((language, tag.tag, tag.attrib.get("interpret-as")))
    for language in LANGUAGES:
        assert {(language, "break", None), (language, "say-as", "date")} <= found
        assert (language, "say-as", "digits") in found


VALUES: dict[str, Any] = {"reference": REFERENCE, "day": BORN, "start": MOMENT, "code": "75011"}
EACH_FORMAT = "Un. | {reference:pairs} | {day:date} | {start:day_hour} | {code:digits}"


@pytest.mark.parametrize(
    "name",
    [
        *("woman", "alice", "Polly.Lea", "Polly.Lea-Neural", "Polly.Lea-Generative"),
        *("Google.fr-FR-Standard-A", "Google.fr-FR-Wavenet-A", "Google.fr-FR-Neural2-A"),
        "Google.fr-FR-Chirp3-HD-Kore",
    ],
)
def test_any_voice_gets_what_it_takes_and_says_the_same_words(name: str):
    said = speaking(EACH_FORMAT, voice=name, slow_rate=90)
    for slow in (False, True):
        verb = heard(said, slow=slow, **VALUES)
        assert verb.text == " ".join(said.say("said", VALUES).replace("|", " ").split())
        document = rendered(said, slow=slow, **VALUES)
        assert ("<break" in document) == voice(name).pauses
        assert ("<prosody" in document) == (slow and voice(name).slows)
        assert ("digits" in document) == voice(name).says("digits")


def test_a_voice_that_is_not_known_gets_words_and_the_call_goes_on():
    assert "<break" not in rendered(speaking(EACH_FORMAT, voice="Polly"), slow=True, **VALUES)


def test_a_voice_without_mark_up_gets_none():
    assert inside(speaking(EACH_FORMAT, voice="woman"), **VALUES) == (
        "Un.  06, 12, 34, 56, 08  12 mars 1942  jeudi 26 novembre à 10 heures  7 5 0 1 1"
    )


def test_the_voices_are_those_of_the_provider_and_go_with_their_languages():
    known = set(ENUMS["SayVoice"])
    for language, names in _POLLY.items():
        for name in names.split():
            assert f"Polly.{name}" in known
            assert misfit(f"Polly.{name}", language) == ""
    assert "these do: Polly.Celine" in misfit("Polly.Nobody", "fr-FR")
    assert "speaks fr-FR" in misfit("Google.fr-FR-Neural2-A", "en-GB")
    with pytest.raises(UnknownVoice):
        voice("Lea")
    for name in known:
        assert voice(name).most_characters >= 3000
    for language in LANGUAGES:
        assert load(language).speaker.name.endswith("-Neural")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Polly.Lea-Neural", '<emphasis level="strong">oui</emphasis>'),
        ("Polly.Lea-Neural", '<prosody pitch="high">oui</prosody>'),
        ("Polly.Lea-Neural", '<say-as interpret-as="characters">oui</say-as>'),
        ("Polly.Lea-Generative", "<emphasis>oui</emphasis>"),
        ("Google.fr-FR-Neural2-A", '<say-as interpret-as="digits">12</say-as>'),
        ("Google.fr-FR-Chirp3-HD-Kore", 'oui <break time="1s"/>'),
        ("woman", "<p>oui</p>"),
    ],
)
def test_the_exchange_and_the_service_read_the_makers_rules_alike(name: str, words: str):
    """What the exchange refuses for a voice, this service never gives to that voice."""
    body = f'<Response><Say language="fr-FR" voice="{name}">{words}</Say></Response>'
    with pytest.raises(TwimlError):
        parse(body.encode(), "text/xml")
    (tag,) = (one for _, one in tags(body))
    one = voice(name)
    taken = tag.tag in one.tags and set(tag.attrib) <= {*one.prosody, "interpret-as", "time"}
    assert not taken or not one.says(tag.attrib.get("interpret-as", ""))
