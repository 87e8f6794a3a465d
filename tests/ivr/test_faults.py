"""Whatever fails inside, the caller hears the truth, and the call goes on and is booked once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from flask import Flask
from sqlalchemy import func, select

from app.web import make_app
from exchange.transport import Outgoing, Reply, WsgiTransport
from exchange.twiml import parse
from ivr.conversation import Conversation
from models.booking.tables import booking
from models.database import POOL_SIZE
from models.messages.tables import message
from models.slots.tables import place
from services.call.world import CallWorld
from services.centres.directory import Directory
from services.parts import Parts
from services.service import Service
from tests.ivr.faults import Faults, FaultyTransport, connection_lost, refused
from tests.ivr.line import Document, Line, goes_on_or_ends, promises_a_call_back, read
from tests.ivr.plays import BOOKING, no_place_is_given_twice, play, to_the_end
from tests.support.house import BASE, LANDLINE, MOBILE, WITHHELD, House, Phone, a_mobile
from tests.support.keeper import ROOT

# The ring, ten answers of the caller's, and the status at the end.
WEBHOOKS = len(BOOKING) + 2
# What failed inside is told, and then the call comes back.
APOLOGY = ["Say", "Pause", "Redirect"]
FALLBACK_FILE = ROOT / "deploy" / "fallback.xml"

Kind = Callable[[Faults, int], AbstractContextManager[None]]
KINDS: dict[str, Kind] = {
    "refused": lambda faults, number: faults.at_statement(number, refused),
    "connection lost": lambda faults, number: faults.at_statement(number, connection_lost),
    "answer lost": lambda faults, number: faults.answer_lost(number),
}


def count(service: House, statement: Any) -> int:
    with service.database.statement() as connection:
        return int(connection.execute(statement).scalar_one())


def is_booked_once(service: House, phone: Phone) -> None:
    """The call came to its end as if nothing had been, and holds nothing any more."""
    assert phone.errors == []
    assert phone.ended_normally, phone.end_reason
    for body in phone.documents:
        goes_on_or_ends(read(body))
    mine = [booking.c.call_id == phone.sid]
    assert count(service, select(func.count()).where(*mine)) == 1
    texts = select(func.count()).where(message.c.call_id == phone.sid, message.c.kind == "sms")
    assert count(service, texts) == 1
    assert count(service, select(func.count()).where(place.c.held_by == phone.sid)) == 0


# By day each statement fails in one way, the next one in another.
IN_TURN = tuple(KINDS)
WAYS = [IN_TURN, *(pytest.param((kind,), id=kind, marks=pytest.mark.long) for kind in KINDS)]


@pytest.mark.parametrize("kinds", WAYS)
def test_whichever_statement_of_whichever_turn_fails_the_call_is_booked_once(
    service: House, kinds: tuple[str, ...]
):
    faults = Faults(service.database)
    calls = 0
    for webhook in range(WEBHOOKS - 1):
        number = 0
        while True:
            number += 1
            kind = KINDS[kinds[number % len(kinds)]]
            transport = FaultyTransport(service, partial(kind, faults, number), webhook)
            phone = to_the_end(service.phone(a_mobile(calls), transport=transport))
            calls += 1
            assert {reply.status for reply in transport.replies} == {200}
            is_booked_once(service, phone)
            if not faults.fired:
                break
        # Every turn of a call has something to read and something to write.
        assert number > 2, webhook
    assert len(service.bookings()) == calls
    assert service.held() == 0
    no_place_is_given_twice(service)


@pytest.mark.parametrize("done", [True, False])
def test_a_connection_lost_at_commit_goes_on_and_is_booked_once_done_or_not(
    service: House,
    done: bool,  # noqa: FBT001 (a parameter of the test)
):
    faults = Faults(service.database)
    broken = 0
    for webhook in range(WEBHOOKS - 1):
        transport = FaultyTransport(service, lambda: faults.commit_lost(done=done), webhook)
        phone = to_the_end(service.phone(a_mobile(webhook), transport=transport))
        broken += faults.fired
        is_booked_once(service, phone)
    # Holding and confirming are transactions.
    assert broken >= 2
    assert len(service.bookings()) == WEBHOOKS - 1
    no_place_is_given_twice(service)


@pytest.mark.parametrize("done", [True, False])
def test_a_promise_whose_commit_was_lost_is_kept_once(
    service: House,
    done: bool,  # noqa: FBT001 (a parameter of the test)
):
    faults = Faults(service.database)
    # The ring, 0, and the 1 that asks for the call.
    transport = FaultyTransport(service, lambda: faults.commit_lost(done=done), 2)
    phone = service.phone(MOBILE, transport=transport).dials().presses("0").presses("1")
    assert faults.fired
    while not phone.ended:
        phone.presses("1")
    assert phone.ended_normally
    assert len(service.promises()) == 1


def test_a_status_that_cannot_be_stored_is_answered_and_what_was_held_runs_out(service: House):
    faults = Faults(service.database)
    line = play(Line(service.app), BOOKING[:4]).line
    assert service.held() == 3
    with faults.at_statement(0, refused):
        line.hangs_up()
    assert faults.fired
    assert service.held() == 3
    service.clock.advance(service.campaign.hold_lease)  # type: ignore[attr-defined]
    assert service.held() == 0


@pytest.mark.parametrize("webhook", [0, 1, 5, 8])
@pytest.mark.parametrize("long", [1, 2, 5, 30])
def test_while_the_database_is_down_callers_hear_the_truth_and_go_on_once_it_is_back(
    service: House, webhook: int, long: int
):
    faults = Faults(service.database)
    transport = FaultyTransport(
        service, lambda: faults.at_statement(0, refused), webhook, webhook + long - 1
    )
    phone = to_the_end(service.phone(MOBILE, transport=transport))
    is_booked_once(service, phone)
    said = " ".join(phone.spoken)
    apologies = [read(body).names == APOLOGY for body in phone.documents]
    assert sum(apologies) == long
    assert "Un instant" in said
    if long > 3:
        # Who waits longer hears why, and that nothing is lost.
        assert "répondons trop lentement" in said
    assert "maintenance" not in said.casefold()


def test_the_words_while_the_database_is_down_do_not_stay_the_same_for_ever(service: House):
    faults = Faults(service.database)
    line = Line(service.app)
    with faults.at_statement(0, refused):
        document = line.rings()
        heard = [document]
        for _ in range(4):
            heard.append(line.hear(heard[-1].redirect))
    assert len({document.said for document in heard}) > 1
    pauses = [float(verb.attributes["length"]) for doc in heard for verb in doc.verbs[1:2]]
    # Longer and longer, so that a crowd of callers does not keep down what wants to come up.
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0]
    assert max(pauses) <= 15


def test_a_ring_that_fails_is_not_told_that_its_answer_was_lost(service: House):
    """Nothing was answered yet, so nothing can have been lost."""
    faults = Faults(service.database)
    with faults.at_statement(0, refused):
        said = Line(service.app).rings().said
    assert "Un instant" in said
    assert "votre réponse" not in said


# ---------------------------------------------------------------- the fallback


@pytest.mark.parametrize("turns", range(len(BOOKING)))
def test_the_fallback_says_the_newest_answer_again(service: House, turns: int):
    played = play(Line(service.app), BOOKING[:turns])
    apology = played.line.hear(f"{BASE}/voice/fallback", ErrorCode="11200", ErrorUrl=BASE)
    assert apology.names == APOLOGY
    assert played.line.post(apology.redirect) == played.answers[-1]


def test_the_fallback_of_a_call_never_heard_of_leads_to_the_greeting(service: House):
    line = Line(service.app)
    apology = line.hear(f"{BASE}/voice/fallback", ErrorCode="11200")
    assert "Bonjour. Allô Rendez-vous" in line.hear(apology.redirect).said


def test_the_fallback_needs_no_database(service: House):
    faults = Faults(service.database)
    with faults.at_statement(0, refused):
        goes_on_or_ends(Line(service.app).hear(f"{BASE}/voice/fallback", ErrorCode="11200"))
    assert not faults.fired


class Failing:
    """Answers some webhooks as a broken proxy would; the others reach the application."""

    def __init__(self, house: House, numbers: range) -> None:
        self._inner = WsgiTransport(house.app)
        self._numbers, self._sent = numbers, 0

    def send(self, request: Outgoing) -> Reply:
        number, self._sent = self._sent, self._sent + 1
        if number in self._numbers:
            return Reply(502, b"Bad Gateway", {"content-type": "text/html"})
        return self._inner.send(request)


@pytest.mark.parametrize("webhook", range(WEBHOOKS - 1))
def test_a_proxy_that_fails_three_times_leads_over_the_fallback_back_into_the_call(
    service: House, webhook: int
):
    # The addresses ask for two more tries; the incoming one is set at the provider's.
    tries = 1 if webhook == 0 else 3
    transport = Failing(service, range(webhook, webhook + tries))
    phone = to_the_end(service.phone(MOBILE, transport=transport))
    assert phone.end_reason == "hangup"
    assert len(service.bookings()) == 1


def fallback_document() -> Document:
    if not FALLBACK_FILE.is_file():
        pytest.skip(f"there is no {FALLBACK_FILE}")
    return Document(body := FALLBACK_FILE.read_bytes(), parse(body, "text/xml"))


def test_the_document_of_the_other_origin_is_one_that_the_provider_plays_and_speaks_french():
    document = fallback_document()
    goes_on_or_ends(document)
    say = document.verbs[0]
    assert say.name == "Say"
    assert say.attributes["language"] == "fr-FR"
    assert "Restez en ligne" in document.said
    # The provider plays a document that it holds itself only up to this length.
    assert len(document.body) <= 4000


@pytest.mark.parametrize("turns", [0, 3, 7, 9])
def test_the_document_of_the_other_origin_leads_back_into_the_call(service: House, turns: int):
    played = play(Line(service.app), BOOKING[:turns])
    origin, path = fallback_document().redirect.split("/voice/")
    assert origin.startswith("https://")
    assert played.line.post(f"{BASE}/voice/{path}") == played.answers[-1]


# ---------------------------------------------------------------- a crowd


def just_started(service: House) -> Flask:
    """The application as after a start: nothing is remembered of postcodes and centres."""
    number = service.settings.national_number
    fresh = Service(Directory(service.database), service.campaign, number)
    return make_app(Parts(service.settings, service.store, fresh, service.woken))


# Who must be where at the same time: the class and method, and the keys that lead to it.
CROWDS: dict[str, tuple[type, str, tuple[str, ...]]] = {
    "a postcode": (Directory, "postcode", BOOKING[:3]),
    "a search": (CallWorld, "hold_nearest", BOOKING[:3]),
    "a call never heard of": (Conversation, "ring", ()),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_as_many_callers_as_a_worker_has_threads_may_do_the_same_at_once(
    service: House, monkeypatch: pytest.MonkeyPatch, crowd: str
):
    """A turn that has one connection and waits for a second waits for others who do the same."""
    threads = POOL_SIZE
    owner, method, keys = CROWDS[crowd]
    if keys:
        calls = [play(Line(service.app), keys) for _ in range(threads)]
        asked = [(p.line, p.last.action, BOOKING[len(keys)]) for p in calls]
    else:
        asked = [(Line(service.app), f"{BASE}/voice/turn?n=3", "1") for _ in range(threads)]
    together, real = Barrier(threads), getattr(owner, method)

    def in_step(*arguments: Any) -> Any:
        together.wait(timeout=30)
        return real(*arguments)

    monkeypatch.setattr(owner, method, in_step)
    app = just_started(service)
    for line, _, _ in asked:
        line.app = app
    with ThreadPoolExecutor(threads) as pool:
        heard = list(pool.map(lambda ask: ask[0].hear(ask[1], Digits=ask[2]), asked))
    assert [document.names for document in heard] == [["Gather", "Redirect"]] * threads


@pytest.mark.parametrize("sender", [MOBILE, LANDLINE, WITHHELD])
def test_holds_are_renewed_while_the_call_lives_and_the_booking_stands(service: House, sender: str):
    """A caller who thinks for three minutes at each question is booked all the same."""
    phone = service.phone(sender).goes_to("offers")
    for _ in range(4):
        service.clock.advance(timedelta(minutes=3))  # type: ignore[attr-defined]
        phone.presses("9").hears_text("tapez 1")
        assert service.held() == 3
    to_the_end(phone)
    assert phone.ended_normally
    assert len(service.bookings()) == 1


def test_a_question_at_which_something_of_ours_always_fails_leads_to_a_person(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    caller = service.phone(MOBILE).goes_to("postcode")
    monkeypatch.setattr(CallWorld, "town", fails)
    for _ in range(3):
        assert caller.step == "postcode"
        caller.presses("75011")
    assert caller.step == "person"
    caller.presses("1")
    assert promises_a_call_back(caller.since_input)
    assert len(service.promises()) == 1


def test_an_outage_that_is_over_does_not_count_against_the_question(service: House):
    faults = Faults(service.database)
    caller = service.phone(MOBILE).goes_to("postcode")
    line = Line(service.app, sid=caller.sid)
    with faults.at_statement(0, refused):
        document = line.hear(caller.waiting.action, Digits="75011")  # type: ignore[union-attr]
        for _ in range(6):
            document = line.hear(document.redirect)
    document = line.hear(document.redirect)
    assert caller.step == "postcode"
    assert "code postal" in document.said
    assert line.presses(document, "75011").gather is not None
    assert caller.step == "offers"
