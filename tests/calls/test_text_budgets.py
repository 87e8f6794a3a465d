"""While a budget of texts is spent, a caller hears the reference and is offered calls; as a visitor
sees it on the page. The booking stands, and its text is held back, listed and told on the board."""

from __future__ import annotations

import json

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from models.database import Connection
from models.messages import messages
from models.supervision import alerts, snapshots
from services.campaign.campaigns import Campaigns
from services.messages.spend import Budgets
from services.messages.topics import Topic
from services.supervision import supervise
from services.supervision.alerts import tell_alerts
from services.supervision.write_board import NAME, WriteBoard
from tests.calls.telephone import Post
from tests.messages.test_budgets import PLENTY
from tests.online.visitors import Visitor
from tests.support.house import LANDLINE, MOBILE, House, Phone, a_mobile, house, mornings
from tests.support.rows import clock_of

BORN = "12031942"


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(34, first=8), capacity=5)
        yield made


def with_budgets(made: House, **limits: Any) -> Post:
    post = Post(made)
    budgets = Budgets(replace(PLENTY, **limits))
    post.means = replace(post.means, budgets=budgets)
    post.office.call_back = replace(post.office.call_back, budgets=budgets)
    return post


def books(made: House, number: str, born: str = BORN) -> Phone:
    """Somebody with a mobile books, with the text to the number that rings."""
    return made.phone(number).goes_to("reach", born=born).presses("1").goes_to("ready")


def held(made: House) -> list[Any]:
    with made.database.statement() as connection:
        return list(messages.list_held(connection, limit=100))


@pytest.fixture
def spent(service: House) -> Post:
    """One text a day, and it is gone; a second caller's was held back."""
    post = with_budgets(service, parts_a_day=1)
    for number in (1, 2):
        books(service, a_mobile(number))
        post.works()
    assert len(post.texts.sent) == 1
    assert len(held(service)) == 1
    return post


def test_a_caller_hears_at_once_that_no_text_comes_and_the_reference_twice(spent: Post):
    made = spent.house
    caller = books(made, MOBILE)
    caller.hears_text("Le SMS ne part pas tout de suite")
    assert len(made.bookings()) == 3
    caller.goes_to("reference")
    caller.hears_text("Notez votre référence").hears_text("Je répète, référence")
    assert "SMS" not in caller.since_input
    # As a landline is: a call in the evening and before.
    caller.presses("1").hears_text("L'appel viendra du 09, 74, 75, 00, 01").presses("1")
    caller.hears_text("Nous vous appellerons du 09, 74, 75, 00, 01")
    assert caller.ended_normally
    spent.works()
    assert {one.topic for one in held(made)} == {Topic.CONFIRMATION}
    assert len(held(made)) == 2
    spent.passes_until("17:55")
    call = spent.picks_up(MOBILE, by="18:30")
    call.presses("1").hears_text("date de naissance")


def test_within_the_budgets_nothing_is_heard_of_them(service: House):
    post = with_budgets(service)
    caller = books(service, MOBILE)
    assert "ne part pas" not in caller.since_input
    caller.hears_text("ous recevez un SMS")
    post.works()
    assert [to for to, _ in post.texts.sent] == [MOBILE]


def test_both_of_a_couple_hear_it_and_the_second_is_asked_no_number(spent: Post):
    made = spent.house
    first = made.phone(MOBILE).goes_to("for_whom").presses("3").goes_to("reach").presses("1")
    first.goes_to("ready").hears_text("Le SMS ne part pas tout de suite")
    first.goes_to("date_of_birth").goes_to("offers", born="05061944").presses("1")
    first.goes_to("ready")
    first.hears_text("Le SMS ne part pas tout de suite")
    assert len(made.bookings()) == 4
    spent.works()
    assert len(held(made)) == 3


def test_a_line_without_texts_hears_no_more_than_before(spent: Post):
    caller = spent.house.phone(LANDLINE).goes_to("ready")
    assert "SMS" not in caller.since_input


def test_a_visitor_sees_it_and_the_reference(spent: Post):
    made = spent.house
    visitor = Visitor(made).comes_to("confirmer")
    visitor.presses("/rendez-vous/confirmer")
    visitor.reads("Notez bien la référence : elle suffit. Aucun SMS ne part pour le moment.")
    assert "Un SMS part au" not in visitor.page
    assert len(made.bookings()) == 3
    spent.works()
    assert len(held(made)) == 2


# ---------------------------------------------------------------- the board


def test_an_address_that_has_texts_sent_to_strangers_is_held_back_alone(service: House):
    """What a client may have sent is counted by its address, whatever numbers it types."""
    post = with_budgets(service, parts_a_client=3)
    for number in range(5):
        other_day = {"day": str(number + 1), "month": "3", "year": "1942"}
        _books_online(service, a_mobile(number), "192.0.2.66", other_day)
    post.works()
    assert len(post.texts.sent) == 3
    assert [one.held_why for one in held(service)] == ["client"] * 2
    assert len(service.bookings()) == 5
    _books_online(service, a_mobile(9), "198.51.100.9", {"day": "9", "month": "3", "year": "1942"})
    post.works()
    assert len(post.texts.sent) == 4


def _books_online(made: House, number: str, address: str, born: dict[str, str]) -> None:
    visitor = Visitor(made, address=address)
    visitor.sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", **born)
    visitor.presses("/rendez-vous/commune", where="75011")
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/rendez-vous/joindre", number=f"0{number[3:]}")
    visitor.presses("/rendez-vous/confirmer").reads("Votre")


class Ears:
    """Where alerts are told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def tell(self, news: dict[str, Any]) -> bool:
        self.heard.append(news)
        return True


def test_the_board_has_a_line_and_the_listener_is_told_before_anything_else_happens(spent: Post):
    made = spent.house
    ears = Ears()
    assert tell_alerts(made.store, ears, "https://allo.example/supervision")
    assert [(one["name"], one["state"]) for one in ears.heard] == [("texts_spent", "raised")]
    clock = clock_of(made)
    WriteBoard(made.store, Campaigns.fixed(made.campaign, now=clock.now))()
    with made.database.statement() as connection:
        shown = snapshots.get(connection, NAME)
    assert shown is not None
    body = json.loads(shown.body or "")
    assert body["held"]["count"] == 1
    assert body["held"]["budgets"] == {"day": 1}
    assert body["spent"] == {"parts": 1, "limit": 1, "euros": 0, "most_euros": 0}
    assert [one["name"] for one in body["alerts"]] == ["texts_spent"]


def test_a_supervisor_sees_the_list_and_sends_one_all_the_same(spent: Post):
    made = spent.house
    (message,) = held(made)
    boss = made.signs_in("supervisor")
    page = boss.get("/supervision/retenus").get_data(as_text=True)
    assert "Confirmation" in page
    assert "Envoyer quand même" in page
    # Neither whom it goes to nor what it says.
    assert "612000" not in page
    answer = boss.post("/supervision/retenus", data={"message": message.id})
    assert (answer.get_json()["done"], answer.get_json()["changed"]) == (True, 1)
    assert held(made) == []
    spent.works()
    assert len(spent.texts.sent) == 2
    acts = boss.get("/supervision/actes").get_data(as_text=True)
    assert "messages retenus envoyés quand même" in acts
    assert supervise.LET_GO in supervise.ACTS


def test_an_operator_reads_the_list_and_sends_nothing(spent: Post):
    made = spent.house
    (message,) = held(made)
    operator = made.signs_in("operator")
    assert "Envoyer quand même" not in operator.get("/supervision/retenus").get_data(as_text=True)
    assert operator.post("/supervision/retenus", data={"message": message.id}).status_code == 403
    assert len(held(made)) == 1


# ---------------------------------------------------------------- calls by the machine


def test_beyond_the_budget_of_calls_the_machines_wait_for_the_next_day(service: House):
    post = with_budgets(service, calls_a_day=1)
    for number in range(3):
        born = f"1{number}031942"
        caller = service.phone(f"+3349122334{number}").goes_to("reference", born=born)
        caller.presses("1").presses("1")
        assert caller.ended_normally
    post.passes_until("19:00")
    assert len(post.office.control.rings) == 1
    with service.database.statement() as connection:
        assert {one.name for one in alerts.raised(connection)} == {"calls_spent"}
    # None is lost: each waits in the line, and is rung when the next day allows it.
    assert sorted(one.tries for one in post.entries()) == [0, 0, 1]
    waiting = [one for one in post.entries() if not one.tries]
    assert {one.state for one in waiting} == {"waiting"}
    assert {one.due_at.date().isoformat() for one in waiting} == {"2026-11-26"}


def test_what_a_call_lasted_counts_in_minutes(service: House):
    post = with_budgets(service, calls_a_day=10, call_minutes_a_day=10)
    budgets = post.office.call_back.budgets
    assert budgets is not None
    store = service.store

    def charge(connection: Connection) -> Any:
        return budgets.charge_call(connection, store, LANDLINE)

    with service.database.transaction() as connection:
        charge(connection)
        budgets.add_seconds(connection, store, LANDLINE, 59)
        # Begun minutes, of which the first was counted.
        budgets.add_seconds(connection, store, LANDLINE, 8 * 60 + 1)
        assert not _is_over(charge(connection))
        assert _is_over(charge(connection))


def _is_over(charged: Any) -> bool:
    return not hasattr(charged, "limits")
