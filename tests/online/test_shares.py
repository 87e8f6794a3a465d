"""One browser, one number and one address hold no more than their share, across visits."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from sqlalchemy import select

from models.database import Connection
from models.online import web_sessions as rows
from models.online.tables import visit as visit_table
from models.prepared import Prepared, Values
from models.slots.tables import place
from services.online import answers, web_sessions
from services.privacy.erase_data import erase_data
from services.store import NO_SHARES, HoldShares, ReachLimits
from tests.online.test_reach import code_to
from tests.online.visitors import BORN, Visitor
from tests.support.house import House, campaign_with, house, mornings
from tests.support.rows import as_in_production, clock_of, on_the_wire, rows_of

NUMBER = "0612345678"
ONE_CENTRE = campaign_with(few_places=1)
VISIT_COOKIE = "__Host-allo-visit"


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    """A site with the shares of production, and three addresses at most."""
    shares = replace(HoldShares(), per_address=3)
    with house(database_url, campaign=ONE_CENTRE, shares=shares) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        yield one


def at_offers(one: House, address: str = "192.0.2.7") -> Visitor:
    return Visitor(one, address=address).comes_to("creneaux")


def drops_its_visit(visitor: Visitor) -> Visitor:
    """A script that forgets the visit it was on, and begins another one."""
    visitor.client.delete_cookie(VISIT_COOKIE, domain="allo.example")
    return visitor.comes_to("creneaux")


def holders(one: House) -> set[str]:
    live = select(place.c.held_by).where(
        place.c.held_by.is_not(None), place.c.hold_expires_at > one.clock.at()
    )
    return {row.held_by for row in rows_of(one.database, live)}


def gives_number(visitor: Visitor, number: str = NUMBER) -> Visitor:
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    return visitor.presses("/rendez-vous/joindre", number=number, wish="number")


@pytest.fixture
def on_postgres(database_url: str) -> Iterator[House]:
    """The same on PostgreSQL, which knows centres and postcodes already."""
    shares = replace(HoldShares(), per_address=3)
    with house(database_url, campaign=ONE_CENTRE, shares=shares) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        as_in_production(one)
        yield one


# ---------------------------------------------------------------- one browser


def test_a_browser_that_begins_anew_gives_up_what_it_held(site: House):
    visitor = at_offers(site)
    for _ in range(6):
        drops_its_visit(visitor)
        assert len(holders(site)) == 1


def test_by_what_a_hold_counts_is_read_with_the_web_session(site: House):
    """It rides along with a statement that there is anyway."""
    visitor = Visitor(site).comes_to("commune")
    with on_the_wire(site.database) as sent:
        visitor._open("POST", "/rendez-vous/commune", visitor.hidden | {"where": "75011"})
    assert len(holders(site)) == 1
    assert not [one for one in sent if "SELECT visit.place_idx" in one]
    # The web session, its claim and the look at others.
    assert len([one for one in sent if "browser_idx" in one]) == 3


def test_a_copy_that_went_along_with_its_claim_changes_nothing(on_postgres: House):
    """What it wrote is undone, and who held the number holds on."""
    visitor = at_offers(on_postgres)
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    stale = dict(visitor.hidden)
    visitor.presses("/rendez-vous/joindre", number="0687654321", wish="number")
    other = gives_number(at_offers(on_postgres, "192.0.2.77"))
    before = rows_of(on_postgres.database, select(visit_table).order_by(visit_table.c.id))
    with on_postgres.database.statement() as connection:
        web_session = web_sessions.read(connection, on_postgres.store, before[0].id)
    assert web_session is not None
    was = replace(web_session, number=int(stale["n"]))
    led = web_sessions.answer(
        on_postgres.store,
        on_postgres.service(),
        was,
        was.number,
        lambda session, world: answers.reach(session, world, NUMBER),
    )
    assert not led.acted
    assert rows_of(on_postgres.database, select(visit_table).order_by(visit_table.c.id)) == before
    assert len(holders(on_postgres)) == 2
    assert other.path.endswith("confirmer")


def test_without_the_share_it_keeps_the_places_of_every_visit(database_url: str):
    """The weakness, with the guard off."""
    with house(database_url, campaign=ONE_CENTRE) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        visitor = at_offers(one)
        for _ in range(3):
            drops_its_visit(visitor)
        assert len(holders(one)) == 4


def test_the_older_visit_is_told_and_books_its_place_where_it_is_free(site: House):
    visitor = at_offers(site)
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/rendez-vous/joindre", wish="none")
    older = visitor.client.get_cookie(VISIT_COOKIE, domain="allo.example")
    assert older is not None
    drops_its_visit(visitor)
    visitor.client.set_cookie(VISIT_COOKIE, older.value, domain="allo.example")
    visitor.goes("/rendez-vous/confirmer").reads("Le créneau n’est plus gardé")
    visitor.presses("/rendez-vous/confirmer")
    assert visitor.path.endswith("fait")


def test_a_cookie_that_was_made_up_is_no_browser(site: House):
    visitor = Visitor(site)
    visitor.client.set_cookie("__Host-allo-browser", "somebody.else", domain="allo.example")
    visitor.comes_to("creneaux")
    kept = visitor.client.get_cookie("__Host-allo-browser", domain="allo.example")
    assert kept is not None
    assert kept.value != "somebody.else"
    assert kept.http_only
    assert kept.secure
    assert kept.expires is None


# ---------------------------------------------------------------- one number


def test_a_number_that_is_typed_holds_for_the_visit_that_gave_it_last(site: House):
    first = gives_number(at_offers(site))
    second = gives_number(at_offers(site, "192.0.2.8"))
    assert len(holders(site)) == 1
    first.goes("/rendez-vous/confirmer").reads("Le créneau n’est plus gardé")
    second.presses("/rendez-vous/confirmer")
    assert second.path.endswith("fait")


def test_a_couple_on_one_number_is_one_visit_and_holds_for_both(site: House):
    visitor = Visitor(site).sends("/rendez-vous", whom="two")
    visitor.presses("/rendez-vous/naissance", **BORN)
    visitor.presses("/rendez-vous/commune", where="75011")
    gives_number(visitor)
    visitor.presses("/rendez-vous/confirmer")
    visitor.presses("/rendez-vous/fait")
    visitor.presses("/rendez-vous/naissance", day="4", month="5", year="1941")
    assert visitor.path.endswith("creneaux")
    assert len(holders(site)) == 1


def test_who_proved_the_number_keeps_what_they_hold(database_url: str):
    """A stranger who types it afterwards takes nothing from its owner."""
    limits = ReachLimits(per_birth_date=1)
    with house(database_url, campaign=ONE_CENTRE, shares=HoldShares(), reach=limits) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        gives_number(at_offers(one), "0612000001").presses("/rendez-vous/confirmer")
        owner = Visitor(one, address="192.0.2.9").sends("/rendez-vous", whom="two")
        owner.presses("/rendez-vous/naissance", **BORN)
        owner.presses("/rendez-vous/commune", where="75011")
        gives_number(owner).presses("/rendez-vous/confirmer")
        assert owner.path.endswith("code")
        code = code_to(one, "+33612345678")
        owner.presses("/rendez-vous/code", code=code, wish="code")
        # The first of two is booked, and the place beside is held for the second.
        assert owner.path.endswith("fait")
        kept = holders(one)
        assert len(kept) == 1
        gives_number(Visitor(one, address="192.0.2.10").comes_to("creneaux"))
        assert holders(one) > kept


# ---------------------------------------------------------------- one address


@pytest.mark.parametrize("address", ["198.51.100.7", "10.1.2.3", "127.0.0.1", "2001:db8:1:200::1"])
def test_an_address_holds_its_share_whatever_address_it_is(site: House, address: str):
    """Found behind a private proxy that nobody counted: there was no limit at all."""
    for _ in range(3):
        at_offers(site, address)
    refused = Visitor(site, address=address).comes_to("commune")
    refused.presses("/rendez-vous/commune", where="75011")
    assert refused.status == 422
    refused.reads("Beaucoup de demandes gardent déjà des créneaux", 'value="75011"')
    assert len(holders(site)) == 3
    clock_of(site).advance(timedelta(minutes=6))
    refused.presses("/rendez-vous/commune", where="75011")
    assert refused.path.endswith("creneaux")


def test_a_home_is_one_network_of_ipv6(site: House):
    for number in range(3):
        at_offers(site, f"2001:db8:1:2{number:02x}::1")
    refused = Visitor(site, address="2001:db8:1:2ff::9").comes_to("commune")
    assert refused.presses("/rendez-vous/commune", where="75011").status == 422
    at_offers(site, "2001:db8:1:300::1")


def test_fifty_families_behind_one_address_hold_at_one_time(database_url: str):
    with house(database_url, campaign=ONE_CENTRE, shares=HoldShares()) as one:
        one.opens_centre("1", starts=mornings(30), capacity=9)
        for _ in range(50):
            at_offers(one)
        assert len(holders(one)) == 50


# ---------------------------------------------------------------- races


def comes_at_once(one: House, count: int) -> list[int]:
    """So many visits of one address that search at the same moment; gives their statuses."""
    visitors = [Visitor(one).comes_to("commune") for _ in range(count)]

    def searches(visitor: Visitor) -> int:
        return visitor.presses("/rendez-vous/commune", where="75011").status

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(searches, visitors))


def test_visits_that_search_at_once_do_not_all_pass_the_last_of_a_share(site: House):
    assert sorted(comes_at_once(site, 6)) == [200] * 3 + [422] * 3
    assert len(holders(site)) == 3


def together(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """No lock, and everybody has counted before anybody holds."""
    arrived = threading.Barrier(count, timeout=20)

    def counts_together(
        connection: Connection, _keys: Any, look: Prepared, values: Values
    ) -> list[Any]:
        found = look.rows(connection, values)
        arrived.wait()
        return found

    monkeypatch.setattr(rows, "alone", counts_together)


def test_without_the_lock_they_do(database_url: str, monkeypatch: pytest.MonkeyPatch):
    """The guard off, as a control."""
    with house(database_url, campaign=ONE_CENTRE, shares=HoldShares(per_address=3)) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        together(monkeypatch, 6)
        assert comes_at_once(one, 6) == [200] * 6


def types_at_once(one: House, count: int, *, before: Callable[[], None] = lambda: None) -> int:
    """So many visits that give one number at the same moment; gives how many hold on.

    `before` is called when all of them have come to that question.
    """
    visitors = [at_offers(one, f"192.0.2.{number}") for number in range(count)]
    for visitor in visitors:
        visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    before()

    def types(visitor: Visitor) -> None:
        visitor.presses("/rendez-vous/joindre", number=NUMBER, wish="number")

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(types, visitors))
    return len(holders(one))


def test_visits_that_type_one_number_at_once_hold_for_one(site: House):
    assert types_at_once(site, 4) == 1


def test_without_the_lock_they_hold_for_all(database_url: str, monkeypatch: pytest.MonkeyPatch):
    with house(database_url, campaign=ONE_CENTRE, shares=HoldShares()) as one:
        one.opens_centre("1", starts=mornings(20), capacity=9)
        apart = partial(together, monkeypatch, 4)
        assert types_at_once(one, 4, before=apart) == 4


# ---------------------------------------------------------------- what is kept of it


def test_by_what_a_visit_counts_is_erased_with_what_was_given(site: House):
    gives_number(at_offers(site))
    named = select(visit_table.c.browser_idx, visit_table.c.phone_idx, visit_table.c.place_idx)
    (row,) = rows_of(site.database, named)
    assert None not in row
    clock_of(site).advance(timedelta(hours=25))
    erase_data(site.store)
    (row,) = rows_of(site.database, named)
    assert tuple(row) == (None, None, None)


def test_a_new_store_has_the_shares_of_production():
    assert HoldShares() == HoldShares(50, 1, 1)
    assert HoldShares(0, 0, 0) == NO_SHARES
