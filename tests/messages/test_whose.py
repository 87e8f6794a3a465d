"""Whose a text is: a couple tells its two texts apart, and whoever is alone is told no more."""

from __future__ import annotations

import json
import re

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from exchange.segments import segment_count
from models.booking import changes
from models.booking.look_up import OnOneNumber
from prompts.catalogue import languages, load
from services.messages import text_names, texts
from services.messages.sms_parts import Encoding, encoding, parts
from services.messages.texts import Dose, MessagePlace, Writer
from services.messages.told_texts import name_of_words
from services.messages.whose import Whose, of_booking
from tests.messages.examples import (
    ABOUT,
    GYM,
    HALL,
    LINK,
    NUMBER,
    REFERENCE,
    SECOND,
    SECOND_WAS,
    START,
    UNTIL,
    WAS,
    of_no_place,
    of_place,
)
from tests.messages.test_texts import WHAT_FOR, places
from tests.support.house import MOBILE, House, campaign_with, house, mornings

HIM, HER = Whose(date(1941, 7, 4)), Whose(date(1942, 3, 12))
# The longest that can be said.
LONGEST = Whose(date(1941, 9, 4), month=True, nth=2)


def people(*born: str) -> list[OnOneNumber]:
    """By birth date; a rank of 2 behind a slash."""
    split = [one.partition("/") for one in born]
    return [OnOneNumber(date.fromisoformat(day), int(rank or 1)) for day, _, rank in split]


def whose(mine: str, *others: str) -> str:
    """What is told of the first of these people, in French."""
    me, *_ = people(mine)
    found = Whose.among(me.born, me.rank, people(mine, *others))
    return found.signed(load("fr"), "…").removesuffix(" : …") if found else ""


# ---------------------------------------------------------------- how a person is told


def test_whoever_is_alone_on_a_telephone_is_told_nothing_of_it():
    assert whose("1941-07-04") == ""
    assert whose("1941-07-04", "1941-07-04") == ""


def test_a_couple_is_told_apart_by_the_year():
    assert whose("1941-07-04", "1942-03-12") == "Allo Rendez-vous, personne née en 1941"
    assert whose("1942-03-12", "1941-07-04") == "Allo Rendez-vous, personne née en 1942"


def test_of_one_year_by_the_month_and_never_by_the_day():
    assert whose("1941-07-04", "1941-09-12") == "Allo Rendez-vous, personne née en juillet 1941"
    assert whose("1941-09-12", "1941-07-04") == "Allo Rendez-vous, personne née en septembre 1941"


def test_of_one_month_and_twins_by_the_order_in_which_they_booked():
    first = whose("1941-07-04", "1941-07-30")
    assert first == "Allo Rendez-vous, personne 1 née en juillet 1941"
    both = people("1941-07-04", "1941-07-04/2")
    told = [Whose.among(one.born, one.rank, both) for one in both]
    assert [one.nth for one in told if one] == [1, 2]


def test_each_language_has_its_words():
    assert LONGEST.signed(load("en"), "x") == "Allo Rendez-vous, person 2 born in September 1941: x"
    assert HIM.signed(load("es"), "x") == "Allo Rendez-vous, persona nacida en 1941: x"


# ---------------------------------------------------------------- every text


def of_person(person: Whose | None, language: str, where: MessagePlace = HALL) -> dict[str, str]:
    """Each text of one place to one person."""
    writer = Writer(load(language), **ABOUT, link=LINK, whose=person)
    one, two = Dose(1, START, where), Dose(2, SECOND, where)
    moved, moved_two = replace(one, was=WAS), replace(two, was=SECOND_WAS)
    both = (START, SECOND)
    apart = replace(moved_two, where=GYM)
    gone = [replace(each, became="cancelled") for each in (one, two)]
    more: dict[str, Any] = {"number": NUMBER, "whose": person}
    return {
        "confirmation": texts.confirmation(writer, starts=(START,), where=where),
        "confirmation_both": texts.confirmation(writer, starts=both, where=where),
        "already_both": texts.already(writer, starts=both, where=where),
        "changed": texts.moved(writer, doses=(moved,)),
        "changed_both": texts.moved(writer, doses=(moved, moved_two)),
        "changed_apart": texts.moved(writer, doses=(moved, apart)),
        "changed_first": texts.moved(writer, doses=(moved, two)),
        "closed": texts.moved(writer, doses=(moved,), kind="day_closed"),
        "closed_both": texts.moved(writer, doses=(moved, moved_two), kind="day_closed"),
        "closed_apart": texts.moved(writer, doses=(moved, apart), kind="day_closed"),
        "closed_second": texts.moved(writer, doses=(one, moved_two), kind="day_closed"),
        "closed_case": texts.case(writer, doses=(one, two), kind="day_closed"),
        "restored": texts.restored(writer, doses=[replace(one, became="restored")]),
        "kept": texts.kept(writer, doses=(one, two)),
        "cancelled": texts.cancelled(writer, doses=gone),
        "cancelled_second": texts.cancelled(writer, doses=(one, gone[1])),
        "reminder": texts.reminder(writer, starts=(START,), where=where, which=2),
        "reminder_tomorrow": texts.reminder(writer, starts=(START,), where=where, tomorrow=True),
        "reminder_both": texts.reminder(
            writer, starts=(START, START.replace(hour=12)), where=where
        ),
        "evening": texts.evening(writer, starts=both, where=where),
        "offer": texts.offer(
            load(language), starts=both, where=where, kilometres=58.0, until=UNTIL, **more
        ),
        "turn": texts.filled(load(language), "turn", **more),
        "unfinished": texts.unfinished(load(language), town=where.town, until=UNTIL, **more),
    }


@pytest.mark.parametrize("language", languages())
def test_each_text_of_a_couple_says_whose_it_is(language: str):
    his, hers = of_person(HIM, language), of_person(HER, language)
    for name, text in his.items():
        assert re.match(r"Allo Rendez-vous, person[ae]?n?e? \w+ (en|in) 1941 ?: ", text), (
            name,
            text,
        )
        assert text != hers[name]
        assert hers[name] == text.replace("1941", "1942"), name


@pytest.mark.parametrize("language", languages())
def test_no_text_of_a_couple_is_longer_than_two_parts_wherever_it_is(language: str):
    longest = sorted(places(), key=lambda one: -len(f"{one.told}{one.commune}"))[:40]
    for where in (*longest, *places()[::40]):
        for name, text in of_person(LONGEST, language, where).items():
            assert encoding(text) is Encoding.GSM_7, (name, text)
            assert parts(text) == segment_count(text) <= 2, (name, text)
            assert not WHAT_FOR.search(text), (name, text)
            assert name in {"offer", "turn", "unfinished"} or REFERENCE in text, (name, text)
            assert "09 74 75 00 01" in text, (name, text)


def test_a_day_of_birth_stands_in_no_text():
    """With the reference beside it, it would be all that "my appointment" asks for."""
    for person in (HIM, LONGEST):
        for text in of_person(person, "fr").values():
            sign = text.partition(" : ")[0]
            assert not re.search(r"\b0?4\b", sign), text


@pytest.mark.parametrize("language", languages())
def test_what_left_is_known_again_with_the_service_before_it_and_without(language: str):
    """A restore reads what the provider keeps: texts of today, and of an earlier version."""
    for key, make in (*of_place(HALL), *of_no_place()):
        text = make(load(language))
        before = re.sub(r"^Allo Rendez-vous ?: (.)", lambda found: found[1].upper(), text)
        name = text_names.name_of(key)
        assert name_of_words(text) == name, (key, text)
        assert name_of_words(before) == name, (key, before)
    for name, text in of_person(LONGEST, language).items():
        assert name_of_words(text) == text_names.name_of(name), (name, text)


# ---------------------------------------------------------------- as they are sent

SELF, OTHER, TWO = "1", "2", "3"


@pytest.fixture
def hall(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(doses=2, per_number=6)) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=2)
        yield made


def books(service: House, whom: str, born: str) -> None:
    """One person, for whom there is one text."""
    caller = service.phone(MOBILE).goes_to("for_whom").presses(whom)
    caller.presses(born).goes_to("reach").presses("1").goes_to("reference")


def signs(service: House) -> list[str]:
    """How each text begins, in the order in which they were written."""
    bodies = [json.loads(service.text_of(one))["body"] for one in service.messages("sms")]
    return [body.partition(" : ")[0] for body in bodies]


def test_the_first_of_two_who_book_together_is_named_before_the_second_is_known(hall: House):
    caller = hall.phone(MOBILE).goes_to("for_whom").presses(TWO).presses("04071941")
    caller.goes_to("postcode").presses("75011").presses("1").answers("1").presses("1")
    assert caller.step == "date_of_birth"
    caller.presses("12031942").presses("1").presses("1").answers("1")
    assert signs(hall) == [
        "Allo Rendez-vous, personne née en 1941",
        "Allo Rendez-vous, personne née en 1942",
    ]


def test_who_books_for_themselves_is_not_named_until_another_person_shares_the_number(hall: House):
    books(hall, SELF, "04071941")
    books(hall, OTHER, "12091941")
    assert signs(hall) == ["Allo Rendez-vous", "Allo Rendez-vous, personne née en septembre 1941"]
    # What is told from then on names the first one, too, by what tells them apart.
    assert told_whose(hall) == ["juillet 1941", "septembre 1941"]


def test_whoever_has_cancelled_is_still_one_of_two(hall: House):
    books(hall, SELF, "04071941")
    books(hall, OTHER, "12031942")
    first = ids(hall)[0]
    with hall.database.transaction() as connection:
        changes.cancel_appointments(connection, hall.store.clock, first, (1, 2))
    assert told_whose(hall) == ["1941", "1942"]


def ids(service: House) -> list[str]:
    """The bookings, in the order in which they were made."""
    return [one.booking_id for one in service.messages("sms")]


def told_whose(service: House) -> list[str]:
    """What is told of each person by now."""
    found = []
    made = ids(service)
    with service.database.statement() as connection:
        for booking_id in made:
            file = changes.load(connection, service.store.vault, booking_id)
            assert file is not None
            person = of_booking(connection, service.store, file)
            assert person is not None
            found.append(person.signed(load("fr"), "").partition("née en ")[2].removesuffix(" : "))
    return found
