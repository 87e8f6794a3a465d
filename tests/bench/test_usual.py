"""The usual application keeps its promises: a call books once, a webhook has one answer."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker
from twilio.request_validator import RequestValidator

from bench import stock, traffic
from bench.peers import usual
from exchange.interpreter import Call, Gather
from exchange.transport import Outgoing, Reply, WsgiTransport
from tests.support.house import House

MOBILE, LANDLINE = "+33612345678", "+33491223344"
# It is given no clock.
SOON = [datetime.now(UTC) + timedelta(days=number) for number in (2, 3, 4)]


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    house = House(database_url)
    house.knows_postcodes()
    for gid in ("1", "2"):
        house.opens_centre(gid, kilometres=float(gid), starts=SOON, capacity=2)
    house.close()
    stock.fill_usual(database_url)
    made = usual.create_app(
        stock.driver(database_url), base_url=traffic.BASE, auth_token=traffic.TOKEN
    )
    yield made
    made.extensions["engine"].dispose()


@pytest.fixture
def rows(app: Flask) -> Iterator[Session]:
    sessions: sessionmaker[Session] = app.extensions["sessions"]
    with sessions() as session:
        yield session


class Remembering:
    """Sends requests to the application, and keeps them with what came back."""

    def __init__(self, app: Flask) -> None:
        self._inner = WsgiTransport(app)
        self.sent: list[tuple[Outgoing, Reply]] = []

    def send(self, request: Outgoing) -> Reply:
        reply = self._inner.send(request)
        self.sent.append((request, reply))
        return reply


def a_call(transport: Remembering, number: str = MOBILE) -> Call:
    return Call(
        url=f"{traffic.BASE}/voice/incoming",
        fallback_url=f"{traffic.BASE}/voice/incoming",
        status_url=f"{traffic.BASE}/voice/status",
        transport=transport,
        auth_token=traffic.TOKEN,
        account_sid=traffic.ACCOUNT,
        sender=number,
    ).dial()


def goes_to_confirm(app: Flask, offer: str = "1", number: str = MOBILE) -> Call:
    call = a_call(Remembering(app), number)
    for keys in ("1", traffic.BORN, "1", "75011", offer):
        call.press(keys)
    return call


def count(rows: Session, kind: type[usual.Base]) -> int:
    rows.rollback()
    return rows.scalar(select(func.count()).select_from(kind)) or 0


def free(rows: Session) -> int:
    rows.rollback()
    return rows.scalar(select(func.sum(usual.Slot.free))) or 0


def test_a_call_of_ten_webhooks_books_once_with_its_text(app: Flask, rows: Session):
    before = free(rows)
    # The questions of ours, in their order: whom, birth date and its check, postcode, offers, all
    # of it once more, told, reference, goodbye; and the status.
    pattern = traffic.rehearse(WsgiTransport(app), "75011")
    assert [webhook.target.partition("?")[0] for webhook in pattern] == [
        f"/voice/{name}" for name in (*usual.ANSWERS, "status")
    ]
    assert len(pattern) == 10
    assert (count(rows, usual.Booking), count(rows, usual.Outbox)) == (1, 1)
    booking = rows.scalars(select(usual.Booking)).one()
    assert (booking.slot.centre_id, booking.phone) == ("1", dict(pattern[0].form)["From"])
    text = rows.scalars(select(usual.Outbox)).one()
    assert booking.reference in text.body
    assert free(rows) == before - 1


def test_webhooks_that_come_again_get_the_same_bytes_and_change_nothing(app: Flask, rows: Session):
    transport = Remembering(app)
    call = a_call(transport)
    for keys in ("1", traffic.BORN, "1", "75011", "2", "1", "1", "1"):
        call.press(keys)
    before, turns = free(rows), count(rows, usual.Turn)
    for request, reply in list(transport.sent):
        again = transport.send(request)
        assert (again.status, again.body) == (reply.status, reply.body)
    assert (count(rows, usual.Booking), count(rows, usual.Outbox)) == (1, 1)
    assert (free(rows), count(rows, usual.Turn)) == (before, turns) == (before, 9)


def test_a_wrong_signature_is_refused(app: Flask, rows: Session):
    form = {"CallSid": "CA" + "1" * 32, "From": MOBILE}
    for headers in ({}, {"X-Twilio-Signature": "wrong"}):
        answer = app.test_client().post("/voice/incoming", data=form, headers=headers)
        assert answer.status_code == 403
    assert count(rows, usual.Call) == 0


def leaves_one_place(rows: Session) -> None:
    rows.execute(update(usual.Slot).values(free=0))
    first = select(func.min(usual.Slot.id)).scalar_subquery()
    rows.execute(update(usual.Slot).where(usual.Slot.id == first).values(free=1))
    rows.commit()


def test_of_two_callers_one_gets_the_last_place(app: Flask, rows: Session):
    leaves_one_place(rows)
    callers = []
    for number in (MOBILE, LANDLINE):
        call = a_call(Remembering(app), number)
        for keys in ("1", traffic.BORN, "1", "75011"):
            call.press(keys)
        callers.append(call)
    # Both were offered it, and both want it at the same moment.
    together = threading.Barrier(2)

    def chooses(call: Call) -> None:
        together.wait()
        call.press("1")

    threads = [threading.Thread(target=chooses, args=[call]) for call in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at_confirm = [call for call in callers if isinstance(call.waiting, Gather)]
    assert len(at_confirm) == 1
    at_confirm[0].press("1")
    assert (count(rows, usual.Booking), free(rows)) == (1, 0)


def test_who_hangs_up_gives_the_place_back(app: Flask, rows: Session):
    before = free(rows)
    call = goes_to_confirm(app)
    assert free(rows) == before - 1
    call.hang_up()
    assert free(rows) == before
    assert count(rows, usual.Booking) == 0


def test_a_place_that_was_held_for_too_long_is_given_back_once(app: Flask, rows: Session):
    before = free(rows)
    call = goes_to_confirm(app)
    rows.execute(update(usual.Call).values(held_until=datetime.now(UTC)))
    rows.commit()
    assert usual.give_back_expired(app.extensions["sessions"]) == 1
    assert usual.give_back_expired(app.extensions["sessions"]) == 0
    assert free(rows) == before
    # Who confirms after that is asked to choose anew.
    call.press("1")
    assert "n'est plus gardé" in call.heard[-1].text
    assert count(rows, usual.Booking) == 0


@pytest.mark.parametrize("keys", [("1", "31021942"), ("1", "01012000", "1"), ("5",), ("",)])
def test_what_is_not_understood_is_asked_again_or_refused(
    app: Flask, rows: Session, keys: tuple[str, ...]
):
    call = a_call(Remembering(app))
    for one in keys:
        if one:
            call.press(one)
        else:
            call.silence()
    assert any(
        words in call.heard[-1].text for words in ("pas compris", "rien entendu", "Il faut avoir")
    )
    assert count(rows, usual.Booking) == 0


def test_an_answer_to_another_question_gets_the_last_one_again(app: Flask, rows: Session):
    transport = Remembering(app)
    call = a_call(transport)
    call.press("1")
    asked = transport.sent[-1][1].body
    form = dict(transport.sent[-1][0].form) | {"Digits": "1"}
    url = f"{traffic.BASE}/voice/told?n=2"
    signature = RequestValidator(traffic.TOKEN).compute_signature(url, form)
    reply = transport.send(Outgoing("POST", url, form, {"X-Twilio-Signature": signature}))
    assert reply.status == 200
    assert reply.body == asked.replace(b"?n=2", b"?n=3")
    assert count(rows, usual.Booking) == 0
