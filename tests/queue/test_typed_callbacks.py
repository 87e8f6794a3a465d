"""A typed number is rung by the machine only after its owner's yes; else an agent decides."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import func, select

from models.desk import cases
from models.queue.tables import callback_request, queue_entry
from services.desk import cases as desk_cases
from services.queue.typed_callback import ANSWER_WITHIN
from tests.agents.rings import Office
from tests.messages.conftest import INBOX, Writer
from tests.support.house import LANDLINE, MOBILE, WITHHELD, House, a_mobile, house
from tests.support.rows import clock_of, rows_of


@pytest.fixture
def inbox(database_url: str) -> Iterator[House]:
    """A house that texts can be written to, with nobody at the desks."""
    with house(database_url) as made:
        made.settings.sms_reply_number = INBOX
        made.app = made.application()
        yield made


@pytest.fixture
def office(inbox: House) -> Office:
    return Office(inbox)


def typed(number: str) -> str:
    """As it is typed in France."""
    return f"0{number.removeprefix('+33')}"


def asks_for_a_call(made: House, number: str, *, caller: str = WITHHELD) -> Any:
    """A withheld caller asks for a person where none is, and types a number."""
    phone = made.phone(caller).dials().presses("0")
    phone.presses("1" if caller == WITHHELD else "2").presses(typed(number)).presses("1")
    assert phone.ended_normally
    return phone


def rung(made: House) -> int:
    """How many promises there are that a machine or an agent's line dials."""
    count = select(func.count()).select_from(queue_entry)
    return int(rows_of(made.database, count)[0][0])


def open_cases(made: House) -> list[Any]:
    with made.database.statement() as connection:
        return list(cases.waiting(connection, limit=5000))


def texts(made: House) -> list[Any]:
    return [row for row in made.messages("sms") if row.topic == "call_consent"]


def test_a_stranger_whose_number_was_typed_gets_one_text_and_is_not_rung(office: Office):
    made = office.house
    phone = asks_for_a_call(made, MOBILE)
    phone.hears_text("répondez oui")
    (text,) = texts(made)
    assert "envoyez OUI au 09 74 75 00 99" in made.text_of(text)
    assert made.promises() == []
    # Asked for by whomever, as often as one likes: one text, and nobody is rung.
    for _ in range(3):
        asks_for_a_call(made, MOBILE)
    clock_of(made).advance(timedelta(minutes=10))
    office.call_back.look_after(office.store)
    assert len(texts(made)) == 1
    assert rung(made) == 0
    assert office.control.rings == []


@pytest.mark.parametrize("word", ["OUI", "yes", "Sí", "oui svp"])
def test_who_answers_yes_has_the_place_that_was_asked_for(office: Office, word: str):
    made = office.house
    before = made.clock.now()
    asks_for_a_call(made, MOBILE)
    clock_of(made).advance(timedelta(minutes=5))
    (answer,) = Writer(made, made.app, MOBILE).writes(word)
    assert answer
    (promised,) = made.promises()
    assert (promised.number, promised.mode, promised.state) == (MOBILE, "agent", "waiting")
    assert promised.joined_at == before
    # One yes is one call: the next one is to something else.
    Writer(made, made.app, MOBILE).writes(word, sid="SM" + "f" * 32)
    assert len(made.promises()) == 1


def test_a_yes_of_another_number_or_of_nobody_asked_rings_nobody(office: Office):
    made = office.house
    asks_for_a_call(made, MOBILE)
    Writer(made, made.app, a_mobile(77)).writes("oui")
    assert rung(made) == 0


def test_without_an_answer_an_agent_has_a_case_and_rings(office: Office):
    made = office.house
    asks_for_a_call(made, MOBILE)
    assert open_cases(made) == []
    clock_of(made).advance(ANSWER_WITHIN + timedelta(seconds=1))
    assert office.call_back.look_after(office.store) == 1
    (case,) = open_cases(made)
    assert (case.kind, case.why) == ("typed_callback", "no answer to the text")
    agent = made.employs("agent")
    with made.database.transaction() as connection:
        opened = desk_cases.open_case(connection, made.store, agent, case.id)
        assert opened is not None
        assert (opened.may_ring, opened.ending) == (True, MOBILE[-4:])
        assert desk_cases.ring(connection, made.store, agent, case.id) is True
        assert desk_cases.ring(connection, made.store, agent, case.id) is False
    (promised,) = made.promises()
    assert (promised.number, promised.mode) == (MOBILE, "agent")
    # Too late: they were rung.
    Writer(made, made.app, MOBILE).writes("oui")
    assert len(made.promises()) == 1


def test_a_late_yes_closes_the_case(office: Office):
    made = office.house
    asks_for_a_call(made, MOBILE)
    clock_of(made).advance(timedelta(hours=3))
    office.call_back.look_after(office.store)
    assert len(open_cases(made)) == 1
    Writer(made, made.app, MOBILE).writes("oui")
    assert open_cases(made) == []
    assert len(made.promises()) == 1


def test_a_landline_and_a_house_without_an_inbox_are_an_agents_at_once(office: Office):
    made = office.house
    asks_for_a_call(made, LANDLINE)
    made.settings.sms_reply_number = ""
    made.app = made.application()
    asks_for_a_call(made, MOBILE)
    assert texts(made) == []
    assert [case.why for case in open_cases(made)] == ["a number that gets no text"] * 2
    assert rung(made) == 0


def test_who_rings_from_the_number_is_reached_already(office: Office):
    """Nothing changes: the number that rings is the one that is rung back."""
    made = office.house
    phone = made.phone(MOBILE).dials().presses("0").presses("1")
    assert phone.ended_normally
    (promised,) = made.promises()
    assert promised.number == MOBILE
    assert texts(made) == []


def test_who_rings_from_one_number_and_types_another_is_asked_like_everybody(office: Office):
    made = office.house
    asks_for_a_call(made, MOBILE, caller=LANDLINE)
    assert made.promises() == []
    assert len(texts(made)) == 1


def test_a_typed_number_changes_nothing_of_its_owners_own_promise(office: Office):
    made = office.house
    made.phone(MOBILE).dials().presses("0").presses("1")
    (before,) = made.promises()
    asks_for_a_call(made, MOBILE)
    assert made.promises() == [before]
    assert texts(made) == []
    assert rows_of(made.database, select(callback_request)) == []


def many(made: House, office: Office, count: int, every: int) -> tuple[int, int]:
    """Calls asked for at so many numbers, and a yes of every so manieth; rung, and the yeses."""
    agreed = 0
    for number in range(count):
        asks_for_a_call(made, a_mobile(number))
        if number % every == 0:
            Writer(made, made.app, a_mobile(number)).writes("oui", sid=f"SM{number:032x}")
            agreed += 1
    clock_of(made).advance(timedelta(hours=1))
    while office.call_back.look_after(office.store):
        pass
    return rung(made), agreed


def test_of_forty_typed_numbers_no_more_are_rung_than_agreed(office: Office):
    made = office.house
    found, agreed = many(made, office, 40, 8)
    assert found == agreed == 5
    # Nothing is lost: each of the others is an agent's.
    assert len(open_cases(made)) == 35
