"""Between the channels: what is left of a code, a visit or a place when another one goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from sqlalchemy import func, select

from flows.session import Session
from models.online import web_sessions as web_session_rows
from models.slots.tables import place
from services.call import resume_call
from services.centre_day import secretary
from services.centre_day.secretary import WalkIn
from services.desk.booking import BookingRefused
from services.online import partner, web_sessions
from services.work import Work
from tests.centre_day.test_centre_day import NONCE, at_centre
from tests.support.house import MOBILE, CountingChance, House, house, mornings


def a_visit(made: House, **session: Any) -> str:
    values = {"step": "postcode", "born": "1942-03-12", **session}
    visit_id = web_sessions.new_id(made.store)
    web_sessions.new_web_session(made.store, "fr", visit_id, Session(**values))
    return visit_id


def code_for_visit(made: House, visit_id: str) -> str:
    with made.database.transaction() as connection:
        return resume_call.new_web_session_code(
            Work(connection, made.store, made.campaign), visit_id
        )


def taken_up(made: House, visit_id: str) -> Any:
    with made.database.transaction() as connection:
        return resume_call.take_up(
            Work(connection, made.store, made.campaign), "desk:1", visit_id, into_call=False
        )


def test_the_code_of_a_visit_is_never_told_to_a_call(database_url: str):
    """The caller would be read whose it is not, and the visitor would find a stranger's call."""

    class Stuck(CountingChance):
        def code(self) -> str:
            return "123456"

    with house(database_url, chance=Stuck()) as made:
        visit_id = a_visit(made)
        assert code_for_visit(made, visit_id) == "123456"
        call_id = made.phone(MOBILE).dials().sid
        with made.database.transaction() as connection:
            assert resume_call.new_code(connection, made.store, call_id) == ""
            assert resume_call.of_code(connection, made.store, "123456") == visit_id
            # Whoever goes on with the visit has its code from then on.
            assert resume_call.take_up(
                Work(connection, made.store, made.campaign), call_id, visit_id
            )
            assert resume_call.of_code(connection, made.store, "123456") == call_id
            assert web_session_rows.take_code(connection, visit_id) is None


def test_what_is_being_asked_for_at_a_partner_is_nobody_elses_to_go_on_with(service: House):
    """Both would be booked: there, and wherever else it is gone on with."""
    visit_id = a_visit(service, step="offers", postcode="75011")
    code = code_for_visit(service, visit_id)
    assert code
    known = web_sessions.load(service.store, visit_id)
    assert known is not None

    def asks(one: web_sessions.WebSession, world: web_sessions.WebWorld) -> web_sessions.WebSession:
        world.turn.transaction()
        return replace(one.at(one.session), page=partner.WAITS)

    waits = web_sessions.answer(service.store, service.service(), known, known.number, asks)
    assert waits.acted
    assert taken_up(service, visit_id) is None
    assert code_for_visit(service, visit_id) == ""
    now = web_sessions.load(service.store, visit_id)
    assert now is not None
    assert (now.page, now.outcome) == (partner.WAITS, "")
    # The partner said no: whoever has the code goes on.
    web_sessions.answer(service.store, service.service(), now, now.number, partner.settle)
    assert taken_up(service, visit_id) is not None


@pytest.mark.parametrize("born", [date(1942, 3, 12), date(2020, 1, 1)])
def test_a_place_that_is_made_for_somebody_goes_with_a_refusal(service: House, born: date):
    """What nobody could be booked on would be one more than the centre has."""
    service.opens_centre("1", starts=mornings(1), capacity=1)
    service.phone(MOBILE).books(born="12031942")
    service.clock.moment = mornings(1)[0].replace(hour=6)  # type: ignore[attr-defined]
    at = at_centre(service)

    with service.database.transaction() as connection:
        walk_in = WalkIn(born, NONCE, number=MOBILE, extra=True)
        assert isinstance(secretary.book_now(connection, at, walk_in), BookingRefused)

    with service.database.statement() as connection:
        assert connection.execute(select(func.count()).select_from(place)).scalar_one() == 1
