"""A lost second factor: an operator asks, a supervisor confirms; neither does it alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.accounts import factors
from models.accounts.staff import Staff
from services.accounts import four_eyes
from services.accounts import staff as accounts
from services.accounts.four_eyes import NotYours, SecondNeeded
from services.accounts.lost_factor import take_factor_away
from tests.support.approvals import confirms_all
from tests.support.house import House, house


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as service:
        for login in ("camille", "maxence", "dominique"):
            service.employs("supervisor", login=login)
            accounts.give_second_factor(service.store, login)
        yield service


def staff(made: House, login: str) -> Staff:
    with made.database.statement() as connection:
        return accounts.find(connection, made.store, login)


def has_factor(made: House, login: str) -> bool:
    with made.database.statement() as connection:
        return factors.has_any(connection, staff(made, login).id)


def asks(made: House, *, second: str = "maxence", why: str = "telephone stolen") -> None:
    take_factor_away(made.store, "camille", second=second, operator="root", why=why)


def test_nothing_goes_before_the_second_person_has_confirmed(made: House):
    with pytest.raises(SecondNeeded, match="maxence must confirm"):
        asks(made)
    with pytest.raises(SecondNeeded):
        asks(made)
    assert has_factor(made, "camille")
    assert len(four_eyes.waiting(made.store)) == 1
    confirms_all(made, "maxence")
    asks(made)
    assert not has_factor(made, "camille")
    # Once.
    accounts.give_second_factor(made.store, "camille")
    with pytest.raises(SecondNeeded):
        asks(made)
    assert has_factor(made, "camille")


def test_its_owner_cannot_confirm_it(made: House):
    with pytest.raises(SecondNeeded):
        asks(made)
    (asked,) = four_eyes.waiting(made.store)
    with pytest.raises(NotYours):
        four_eyes.give(made.store, staff(made, "camille"), asked.id)
    with pytest.raises(SecondNeeded):
        asks(made)


def test_somebody_else_than_was_named_has_not_confirmed_it(made: House):
    with pytest.raises(SecondNeeded):
        asks(made)
    confirms_all(made, "dominique")
    with pytest.raises(accounts.StaffRefused, match="it was not maxence who confirmed"):
        asks(made)
    assert has_factor(made, "camille")
    asks(made, second="dominique")
    assert not has_factor(made, "camille")


def test_the_page_says_whose_it_is(made: House):
    with pytest.raises(SecondNeeded):
        asks(made)
    page = made.signs_in("supervisor").get("/supervision/accords").text
    assert "Retirer un second facteur perdu" in page
    assert staff(made, "camille").name in page
