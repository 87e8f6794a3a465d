"""What each kind of line gets: the table of docs/messages.md is what is done."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ivr.lookup import TwilioLineTypes
from models.messages import outbox
from models.messages.outbox import Retry
from services.messages import phone_capabilities, retry_plan
from services.messages.deliver_message import DeliveryDependencies
from services.messages.phone_capabilities import ContactWay, PhoneKind
from services.messages.retry_plan import FATES, ErrorMeaning, next_try
from services.messages.topics import MANNERS, Topic
from services.ports import Busy, NoAnswer, ProviderRefused
from tests.support.house import ACCOUNT, MOBILE, TOKEN, House
from tests.support.office import Office, Provider

PAGE = (Path(__file__).parents[2] / "docs" / "messages.md").read_text("utf-8")
WAYS = {"text": ContactWay.TEXT, "call": ContactWay.CALL, "nothing": ContactWay.NONE}
LINES = re.findall(r"^\| (.+) \| (\+\d+)(?: (\w+))? \| (text|call|nothing) \|$", PAGE, re.MULTILINE)
VOIP = "+33974750001"


def test_the_table_is_there():
    said = " ".join(what for what, *_ in LINES)
    for kind in ("mobile", "landline", "VoIP", "Réunion", "Monaco", "Belgian", "short", "premium"):
        assert kind in said
    assert {way for *_, way in LINES} == set(WAYS)
    assert len(LINES) >= 20


@pytest.mark.parametrize(("what", "number", "known", "way"), LINES)
def test_each_line_gets_what_the_table_says(  # noqa: PLR0917
    office: Office, provider: Provider, what: str, number: str, known: str, way: str
):
    store = office.house.store
    with office.house.database.transaction() as connection:
        if known == "stopped":
            phone_capabilities.stop_texts(connection, store, number)
        elif known == "wrong":
            phone_capabilities.mark_wrong(connection, store, number)
        elif known:
            phone_capabilities.remember_kind(connection, store, number, PhoneKind(known), "lookup")
            provider.faults.set({"line_types": {number: known}})
        assert phone_capabilities.way_of(connection, store, number) is WAYS[way], what
    text = office.writes(number, topic=Topic.CONFIRMATION)
    sent = office.delivers(text) == "sent"
    assert sent is (way == "text")
    assert len(provider.texts()) == sent


def test_a_number_that_was_never_given_gets_nothing(service: House):
    with service.database.statement() as connection:
        assert phone_capabilities.way_of(connection, service.store, None) is ContactWay.NONE
        assert phone_capabilities.way_of(connection, service.store, "") is ContactWay.NONE


# ---------------------------------------------------------------- Lookup


@pytest.fixture
def line_types(provider: Provider) -> Iterator[TwilioLineTypes]:
    made = TwilioLineTypes(ACCOUNT, TOKEN, base_url=provider.url)
    yield made
    made._http.session.close()


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("mobile", "mobile"),
        ("landline", "landline"),
        ("fixedVoip", "voip"),
        ("nonFixedVoip", "voip"),
        ("tollFree", ""),
        ("unknown", ""),
    ],
)
def test_the_provider_is_understood(
    provider: Provider, line_types: TwilioLineTypes, told: str, kind: str
):
    provider.faults.set({"line_types": {MOBILE: told}})
    assert line_types.kind(MOBILE) == kind


class Asked:
    """Line types that count how often they are asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.numbers = answer, list[str]()

    def kind(self, number: str) -> str:
        self.numbers.append(number)
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


def asking(office: Office, types: Any) -> Office:
    office.means = DeliveryDependencies(line_types=types)
    return office


def test_a_ported_number_is_asked_about_once_and_remembered(
    office: Office, provider: Provider, line_types: TwilioLineTypes
):
    provider.faults.set({"line_types": {MOBILE: "landline", VOIP: "mobile"}})
    asking(office, line_types)
    assert office.delivers(office.writes(MOBILE)) == "case"
    assert office.delivers(office.writes(VOIP)) == "sent"
    assert [text.recipient for text in provider.texts()] == [VOIP]
    # From now on nobody needs to be asked.
    counting = Asked("mobile")
    asking(office, counting)
    assert office.delivers(office.writes(MOBILE)) == "case"
    assert office.delivers(office.writes(VOIP)) == "sent"
    assert counting.numbers == []


@pytest.mark.parametrize("answer", [NoAnswer(), Busy("20429"), ProviderRefused("20404")])
def test_a_look_up_that_fails_changes_nothing(office: Office, provider: Provider, answer: Any):
    types = Asked(answer)
    asking(office, types)
    for _ in range(2):
        assert office.delivers(office.writes(MOBILE)) == "sent"
    assert types.numbers == [MOBILE] * 2


def test_what_cannot_be_told_is_not_asked_again_for_half_a_year(office: Office, provider: Provider):
    types = Asked("")
    asking(office, types)
    for _ in range(3):
        assert office.delivers(office.writes(MOBILE)) == "sent"
    assert types.numbers == [MOBILE]
    office.later(days=181)
    office.delivers(office.writes(MOBILE))
    assert types.numbers == [MOBILE] * 2


def test_nobody_pays_for_a_number_that_gets_nothing(office: Office):
    types = Asked("mobile")
    asking(office, types)
    assert office.delivers(office.writes("+3639")) == "case"
    assert types.numbers == []


def test_what_a_refusal_has_shown_stands_against_any_register(office: Office, provider: Provider):
    types = Asked("mobile")
    asking(office, types)
    with office.house.database.transaction() as connection:
        now = office.house.clock.now()
        phone_capabilities.remember_refusal(connection, office.house.store, MOBILE, sent_at=now)
    office.later(days=2)
    assert office.delivers(office.writes(MOBILE, topic=Topic.AGAIN)) == "dropped"
    assert types.numbers == []


# ---------------------------------------------------------------- the other tables of the page


def test_the_page_says_what_each_topic_may_do():
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE
    )
    told = {name: [cell.strip() for cell in cells] for name, *cells in rows}
    assert set(told) == set(Topic)
    for topic, manner in MANNERS.items():
        any_hour, capped, by_call, case = told[topic]
        assert (any_hour == "yes") is manner.any_hour, topic
        assert (capped == "yes") is manner.capped, topic
        assert (case == "yes") is manner.case, topic
        assert (by_call == "yes") is (manner.by_call and topic is not Topic.UNFINISHED), topic


def test_the_page_names_every_state():
    states = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert states == list(outbox.STATE_RANK)


def test_the_page_names_every_code():
    plan = PAGE[PAGE.index("## What is done about each error") :]
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", plan, re.MULTILINE))
    words = {
        "ours": ErrorMeaning.OURS,
        "one more text": ErrorMeaning.ONCE_LATER,
        "remembered as a landline": ErrorMeaning.LANDLINE,
        "remembered as STOP": ErrorMeaning.STOPPED,
        "never again": ErrorMeaning.DEAD_END,
    }
    told = {
        code: next(fate for word, fate in words.items() if then.startswith(word))
        for codes, then in rows.items()
        for code in re.findall(r"\b\d{5}\b", codes)
    }
    assert told == dict(FATES)


# ---------------------------------------------------------------- the plan by itself


def test_waits_double_up_to_five_minutes_and_end_after_a_day():
    waits = [next_try(Busy("x"), number) for number in range(1, retry_plan.MOST_ATTEMPTS)]
    seconds = [wait.after.total_seconds() for wait in waits if wait]
    assert seconds[:8] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert timedelta(hours=23) < timedelta(seconds=sum(seconds)) < timedelta(hours=26)
    assert next_try(Busy("x"), retry_plan.MOST_ATTEMPTS) is None


def test_a_header_says_when_and_never_sooner_than_a_second():
    assert next_try(Busy("20429", timedelta(seconds=17)), 9) == Retry(
        timedelta(seconds=17), "20429", ambiguous=False
    )
    assert next_try(Busy("20429", timedelta(microseconds=1)), 1) == Retry(
        timedelta(seconds=1), "20429", ambiguous=False
    )


@pytest.mark.parametrize("error", [NoAnswer(), Busy("x"), ProviderRefused("20003")])
def test_what_is_in_doubt_stays_so_until_it_is_settled(error: Any):
    again = next_try(error, 2, ambiguous=True)
    assert again is not None
    assert again.ambiguous
    first = next_try(error, 2)
    assert first is not None
    assert first.ambiguous is isinstance(error, NoAnswer)
