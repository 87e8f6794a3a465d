"""Visits to the site, on their rows: what comes twice, at once, too late or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from unittest.mock import ANY

import pytest

from sqlalchemy import select

from flows.session import Session
from models.online import web_sessions as rows
from models.online.tables import visit
from models.slots.tables import place
from services.desk.booking import DeskOrder, Made, PersonToBook, book
from services.desk.offers import Desk, DeskWork, SearchCriteria, find_offers, towns
from services.online import answers, web_sessions
from services.online.from_call import from_call
from services.online.web_sessions import (
    LEASE,
    Act,
    WebAnswer,
    WebSession,
    WebWorld,
    for_web,
)
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel
from services.work import Work
from tests.support.house import CAMPAIGN, House, a_mobile, mornings
from tests.support.race import at_once
from tests.support.rows import clock_of, on_the_wire, rows_of
from tests.support.statements import statements

LAPSED = LEASE + timedelta(seconds=1)


@pytest.fixture
def last_place(service: House) -> House:
    service.opens_centre("1", starts=mornings(1))
    return service


def test_with_changes_it_is_as_dataclasses_would_make_it():
    visit = WebSession("one", 1, "fr", Session(step="reach"), typed={"number": "06"}, last="heard")
    changes: dict[str, Any] = {"number": 2, "notice": "said", "seen_for": timedelta(1)}
    assert vars(visit.but(**changes)) == vars(replace(visit, **changes))
    assert visit.number == 1
    with pytest.raises(TypeError, match="nummer"):
        visit.but(nummer=2)


def test_holds_of_the_web_are_of_its_own_campaign_each():
    short = replace(CAMPAIGN, hold_lease=LEASE / 2)
    for days in range(1, 200):
        one = replace(short, horizon_days=days)
        assert for_web(one) == for_web(one) == replace(one, hold_lease=LEASE)
    long = replace(CAMPAIGN, hold_lease=LEASE * 2)
    assert for_web(long) is long


class Site:
    """A visit that is answered as its pages would, without the pages."""

    def __init__(self, house: House, whom: str = "self") -> None:
        self.house, self.service = house, house.service()
        session = Session(step="date_of_birth", whom=str(answers.WHOM[whom]))
        self.visit = web_sessions.new_web_session(
            house.store, "fr", web_sessions.new_id(house.store), session
        )

    def tries(self, act: Act, said: str = "") -> WebAnswer:
        """Answer the page that was seen last; what it led to is not looked at."""
        visit = self.visit
        return web_sessions.answer(self.house.store, self.service, visit, visit.number, act, said)

    def answers(self, act: Act) -> Site:
        led = self.tries(act)
        assert led.acted
        self.visit = led.visit
        return self

    def comes_to_confirm(self, number: str, born: str = "1942") -> Site:
        self.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", born))
        self.answers(lambda visit, world: answers.postcode(visit, world, "75011"))
        self.answers(
            lambda visit, world: answers.take_offer(
                visit, world, str(visit.session.offers[0].place_id)
            )
        )
        return self.answers(lambda visit, world: answers.reach(visit, world, number))

    def now(self) -> WebSession:
        found = web_sessions.load(self.house.store, self.visit.id)
        assert found is not None
        return found


def test_a_double_click_on_confirm_books_once_and_both_see_it(last_place: House):
    site = Site(last_place).comes_to_confirm(a_mobile(1))
    first, second = at_once(*[lambda: site.tries(answers.confirm, "confirm")] * 2)
    assert sorted([first.acted, second.acted]) == [False, True]
    assert {first.visit.step, second.visit.step} == {"ready"}
    copy = first if second.acted else second
    assert copy.is_copy
    assert len(last_place.bookings()) == 1
    assert len(last_place.messages()) == 1
    assert site.now().done[0].reference == last_place.bookings()[0].reference


def test_an_answer_gives_what_is_stored_so_that_its_page_needs_no_look(last_place: House):
    site = Site(last_place)
    steps: list[Act] = [
        lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"),
        lambda visit, world: answers.postcode(visit, world, "75011"),
        lambda visit, world: answers.take_offer(
            visit, world, str(visit.session.offers[0].place_id)
        ),
        lambda visit, world: answers.reach(visit, world, a_mobile(1)),
        answers.confirm,
    ]
    for act in steps:
        clock_of(last_place).advance(timedelta(seconds=10))
        assert site.answers(act).visit == site.now()
    assert site.visit.step == "ready"


def test_without_the_claim_a_copy_would_take_the_confirmed_page_away(
    last_place: House, monkeypatch: pytest.MonkeyPatch
):
    """What the number is for: the booking would still be one, but its page would be lost."""
    site = Site(last_place).comes_to_confirm(a_mobile(1))
    assert site.tries(answers.confirm).acted
    assert not site.tries(answers.confirm).acted
    assert site.now().step == "ready"
    with monkeypatch.context() as patched:
        patched.setattr(rows, "claim", lambda *_: ANY)
        site.tries(answers.confirm)
    assert site.now().step == "no_slot"
    assert len(last_place.bookings()) == 1


def test_an_answer_without_effects_counts_once_too(last_place: House):
    site = Site(last_place)

    def born(year: str) -> Act:
        return lambda visit, world: answers.date_of_birth(visit, world, "12", "3", year)

    one, other = at_once(
        lambda: site.tries(born("1942"), "a"), lambda: site.tries(born("1943"), "b")
    )
    winner, late = (one, other) if one.acted else (other, one)
    assert winner.acted
    assert not late.acted
    assert not late.is_copy
    assert site.now().session.born == winner.visit.session.born
    assert site.now().number == 2


def test_the_same_last_place_is_one_of_web_phone_and_desk(last_place: House):
    """Each had it in turn, and their time ran out; now all three want it in one moment."""
    clock = clock_of(last_place)
    sites = [Site(last_place).comes_to_confirm(a_mobile(1))]
    clock.moment += LAPSED
    sites.append(Site(last_place).comes_to_confirm(a_mobile(2)))
    clock.moment += LAPSED
    caller = last_place.phone(a_mobile(3)).goes_to("confirm")
    clock.moment += LAPSED
    service, desk = last_place.service(), Desk("agent-1", number=a_mobile(4))
    with last_place.database.transaction() as connection:
        (town,) = towns(DeskWork(connection, last_place.store, service, desk), "75011")
        wish = SearchCriteria((date(1942, 3, 12),), town)
        (offer,) = find_offers(DeskWork(connection, last_place.store, service, desk), wish).offers
    clock.moment += timedelta(minutes=15)
    order = DeskOrder(
        (PersonToBook(date(1942, 3, 12), offer.places),), "75011", a_mobile(4), "0" * 24
    )

    def by_desk() -> bool:
        with last_place.database.transaction() as connection:
            at = DeskWork(connection, last_place.store, service, desk)
            return isinstance(book(at, order), Made)

    def by_web(site: Site) -> bool:
        return site.tries(answers.confirm).visit.step == "ready"

    def by_phone() -> bool:
        caller.presses("1")
        return caller.step == "ready"

    won = at_once(lambda: by_web(sites[0]), lambda: by_web(sites[1]), by_phone, by_desk)
    assert won.count(True) == 1
    (booked,) = last_place.bookings()
    channels = (Channel.WEB, Channel.WEB, Channel.PHONE, Channel.AGENT)
    assert booked.channel == channels[won.index(True)]
    # Whoever lost on the site was told the truth, and nothing that they gave is lost.
    for site, has_won in zip(sites, won, strict=False):
        if not has_won:
            assert site.now().step == "no_slot"
            assert site.now().session.born == "1942-03-12"


def test_what_fails_in_the_middle_of_an_answer_leaves_everything_as_it_was(last_place: House):
    site = Site(last_place)
    site.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"))

    def breaks(visit: WebSession, world: WebWorld) -> WebSession:
        answers.postcode(visit, world, "75011")
        raise RuntimeError("the worker is gone")

    with pytest.raises(RuntimeError):
        site.tries(breaks)
    assert last_place.held() == 0
    assert site.now() == site.visit
    assert site.answers(
        lambda visit, world: answers.postcode(visit, world, "75011")
    ).visit.step == ("offers")


def test_each_answer_prolongs_what_is_held_and_leaving_gives_it_back(last_place: House):
    site = Site(last_place).comes_to_confirm(a_mobile(1))
    clock = clock_of(last_place)
    assert site.now().kept_until == clock.now() + LEASE
    clock.moment += timedelta(minutes=4)
    site.answers(lambda visit, world: answers.reach(visit, world, a_mobile(5)))
    assert site.now().kept_until == clock.now() + LEASE
    # Never longer in all than a call's.
    for _ in range(5):
        clock.moment += timedelta(minutes=4)
        site.answers(lambda visit, world: answers.reach(visit, world, a_mobile(5)))
    assert site.now().kept_until is None
    again = Site(last_place).comes_to_confirm(a_mobile(2))
    assert last_place.held() == 1
    assert web_sessions.end(last_place.store, again.visit.id)
    assert last_place.held() == 0
    assert not again.tries(answers.confirm).acted


def test_an_answer_that_only_prolongs_what_is_held_is_one_statement(last_place: House):
    site = Site(last_place)
    site.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"))
    site.answers(lambda visit, world: answers.postcode(visit, world, "75011"))
    place_id = str(site.visit.session.offers[0].place_id)
    clock_of(last_place).advance(timedelta(minutes=1))
    with on_the_wire(last_place.database) as sent:
        site.answers(lambda visit, world: answers.take_offer(visit, world, place_id))
    assert len(sent) == 1
    (held,) = rows_of(last_place.database, select(place.c.hold_expires_at))
    assert held.hold_expires_at == last_place.clock.now() + LEASE


def test_what_is_held_is_not_prolonged_by_an_answer_that_came_second(
    last_place: House,
):
    site = Site(last_place)
    site.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"))
    site.answers(lambda visit, world: answers.postcode(visit, world, "75011"))
    before = rows_of(last_place.database, select(place.c.hold_expires_at))
    place_id = str(site.visit.session.offers[0].place_id)
    stale = replace(site.visit, number=site.visit.number - 1)
    clock_of(last_place).advance(timedelta(minutes=1))
    site.visit = stale
    assert not site.tries(lambda visit, world: answers.take_offer(visit, world, place_id)).acted
    assert rows_of(last_place.database, select(place.c.hold_expires_at)) == before


def test_nobody_types_a_number_and_frees_what_is_kept_for_its_line(last_place: House):
    """A landline that is typed proves nothing: the phone's kept places are no matter of the web."""
    landline = "+33491223344"
    caller = last_place.phone(landline).goes_to("confirm")
    caller.hangs_up()
    assert last_place.held() == 1
    site = Site(last_place)
    site.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"))
    site.answers(
        lambda visit, world: visit.at(visit.session.but(caller=landline, caller_kind="landline"))
    )
    site.answers(lambda visit, world: answers.postcode(visit, world, "75011"))
    assert site.visit.step == "no_slot"
    assert last_place.held() == 1


def test_a_call_goes_on_as_a_visit_with_the_slot_that_it_chose(last_place: House):
    caller = last_place.phone(a_mobile(1)).goes_to("confirm")
    session = last_place.session(caller.sid)
    with last_place.database.transaction() as connection:
        made, kept = from_call(
            Work(connection, last_place.store, last_place.campaign), session, (caller.sid,)
        )
    assert kept
    found = web_sessions.load(last_place.store, made.id)
    assert found is not None
    assert (found.step, found.session.born) == ("confirm", "1942-03-12")
    assert found.kept_until is not None
    with last_place.database.statement() as connection:
        assert connection.execute(select(place.c.held_by)).scalar_one() == made.id


def test_what_was_given_is_erased_after_a_day(last_place: House):
    site = Site(last_place).comes_to_confirm(a_mobile(1))
    with last_place.database.statement() as connection:
        sealed = connection.execute(select(visit.c.body_enc)).scalar_one()
    assert b"1942" not in sealed
    clock_of(last_place).moment += timedelta(hours=23)
    assert erase_data(last_place.store)["visits"] == 0
    clock_of(last_place).moment += timedelta(hours=2)
    assert erase_data(last_place.store)["visits"] == 1
    assert web_sessions.load(last_place.store, site.visit.id) is None
    clock_of(last_place).moment += timedelta(days=366)
    assert erase_data(last_place.store)["old visits"] == 1


def test_a_page_is_one_statement_and_a_plain_answer_one_more(last_place: House):
    site = Site(last_place)
    with statements(last_place.database) as asked:
        web_sessions.load(last_place.store, site.visit.id)
    assert len(asked) == 1
    with statements(last_place.database) as asked:
        site.answers(lambda visit, world: answers.date_of_birth(visit, world, "12", "3", "1942"))
    assert len(asked) == 1
    assert CAMPAIGN.hold_lease <= LEASE
