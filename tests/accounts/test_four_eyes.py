"""What concerns many people takes two: one asks, another confirms, and then the first does it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from commands import operator
from models.accounts import approvals
from models.clock import DatabaseClock
from services.accounts import four_eyes
from services.accounts.four_eyes import MANY, WITHIN, NotYours, SecondNeeded, Wish
from services.accounts.staff import read_acts
from tests.support.house import House, house, mornings
from tests.support.rows import clock_of

WISH = Wish(four_eyes.CENTRE, "centre_closed 1", 12, "operator root")


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield made


def acts(made: House) -> list[tuple[str, str]]:
    """Oldest first."""
    found = [(one.act.what, one.act.staff_id) for one in read_acts(made.store)]
    return [one for one in reversed(found) if one[0].startswith("approval")]


def test_an_act_is_asked_for_confirmed_by_another_and_done_once(service: House):
    store, supervisor = service.store, service.employs("supervisor")
    with pytest.raises(SecondNeeded, match="touches 12 people"):
        four_eyes.demand(store, WISH)
    with pytest.raises(SecondNeeded):
        four_eyes.demand(store, WISH)
    # Asked for once, however often it is tried.
    (asked,) = four_eyes.waiting(store)
    assert four_eyes.give(store, supervisor, asked.id)
    assert four_eyes.waiting(store) == []
    four_eyes.demand(store, WISH)
    with pytest.raises(SecondNeeded):
        four_eyes.demand(store, WISH)
    assert acts(service) == [
        ("approval_asked", "operator"),
        ("approval_given", supervisor.id),
        ("approval_used", "operator"),
        ("approval_asked", "operator"),
    ]


@pytest.mark.parametrize("role", ["supervisor", "secretary", "agent", "operator"])
def test_nobody_confirms_their_own_act_and_only_supervisors_confirm(service: House, role: str):
    store, who = service.store, service.employs(role, login="root")
    own = Wish(four_eyes.MOVED, "day_closed 1", 60, who.id)
    at_command_line = Wish(four_eyes.CENTRE, "centre_closed 1", 60, four_eyes.account("Root"))
    for wish in (own, at_command_line):
        asked = four_eyes.ask(store, wish)
        with pytest.raises(NotYours):
            four_eyes.give(store, who, asked.id)
        assert not four_eyes.use(store, wish)
    asked = four_eyes.ask(store, own)
    with service.database.transaction() as connection:
        # Nor by a way around the service.
        assert not approvals.give(connection, service.clock, asked.id, who.id)


def test_a_confirmation_is_for_this_act_and_so_many_people(service: House):
    store, supervisor = service.store, service.employs("supervisor")
    assert four_eyes.give(store, supervisor, four_eyes.ask(store, WISH).id)
    others = [
        Wish(WISH.kind, "centre_closed 2", 12, WISH.by),
        Wish(WISH.kind, WISH.subject, 12, "operator other"),
        Wish(four_eyes.EXPORT, WISH.subject, 12, WISH.by),
        Wish(WISH.kind, WISH.subject, 30, WISH.by),
    ]
    for other in others:
        assert not four_eyes.use(store, other), other
    # Somebody was booked meanwhile.
    assert four_eyes.use(store, Wish(WISH.kind, WISH.subject, 14, WISH.by))


def test_an_hour_later_it_is_asked_for_anew(service: House):
    store, supervisor = service.store, service.employs("supervisor")
    asked = four_eyes.ask(store, WISH)
    clock_of(service).advance(WITHIN)
    assert four_eyes.waiting(store) == []
    assert not four_eyes.give(store, supervisor, asked.id)
    again = four_eyes.ask(store, WISH)
    assert four_eyes.give(store, supervisor, again.id)
    assert not four_eyes.give(store, supervisor, again.id)
    clock_of(service).advance(WITHIN)
    assert not four_eyes.use(store, WISH)
    with service.database.transaction() as connection:
        assert approvals.forget(connection, service.clock, timedelta(days=7)) == 0
        assert approvals.forget(connection, service.clock, timedelta(minutes=30)) == 1


@pytest.fixture
def running(database_url: str) -> Iterator[House]:
    with house(database_url, clock=DatabaseClock()) as made:
        yield made


def used_at_once(made: House) -> int:
    """How many of several who do a confirmed act at once get it."""
    asked = four_eyes.ask(made.store, WISH)
    assert four_eyes.give(made.store, made.employs("supervisor"), asked.id)

    def use(_number: int) -> bool:
        with made.database.transaction() as connection:
            return approvals.use(connection, made.clock, asked.id)

    with ThreadPoolExecutor(6) as pool:
        return sum(pool.map(use, range(6)))


def test_of_two_who_do_it_at_once_one_does(running: House):
    assert used_at_once(running) == 1


# ---------------------------------------------------------------- on the page


def test_a_supervisor_sees_what_waits_and_confirms_it(made: House):
    asked = four_eyes.ask(made.store, WISH)
    browser = made.signs_in("supervisor")
    page = browser.get("/supervision/accords").text
    assert "Fermer un centre" in page
    assert "concernées\xa0: 12" in page
    done = browser.post("/supervision/accords", data={"approval": asked.id})
    assert "Confirmé." in done.text
    assert four_eyes.use(made.store, WISH)
    late = browser.post("/supervision/accords", data={"approval": asked.id})
    assert late.status_code == 409


def test_an_own_act_has_no_button_and_an_open_page_confirms_nothing(made: House):
    browser = made.signs_in("supervisor")
    assert browser.staff is not None
    asked = four_eyes.ask(made.store, Wish(four_eyes.MOVED, "day_closed 1", 60, browser.staff.id))
    assert "une autre personne la confirme" in browser.get("/supervision/accords").text
    assert browser.post("/supervision/accords", data={"approval": asked.id}).status_code == 409
    other = made.signs_in("supervisor")
    made.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    answer = other.post("/supervision/accords", data={"approval": asked.id})
    assert answer.headers["Location"].startswith("/compte/preuve")
    assert four_eyes.waiting(made.store)


# ---------------------------------------------------------------- on the command line


def flask(made: House, *arguments: str) -> Any:
    return made.app.test_cli_runner().invoke(args=list(arguments))


def test_a_centre_is_closed_by_two_whatever_is_said_to_be_sure(made: House):
    made.opens_centre("1", starts=mornings(3))
    close = ("centres", "close", "1", "--why", "flood", "--yes")
    alone = flask(made, *close)
    assert alone.exit_code == 1
    assert "nothing is changed yet" in alone.output
    assert "/supervision/accords" in alone.output
    (asked,) = four_eyes.waiting(made.store)
    assert asked.asked_by == four_eyes.account(operator.name())
    assert "0 booked" in flask(made, *close, "--dry-run").output
    assert four_eyes.give(made.store, made.employs("supervisor"), asked.id)
    assert flask(made, *close).exit_code == 0


def test_people_are_exported_by_two_each_time(made: House):
    export = ("bookings", "export", "--with-people")
    assert flask(made, *export).exit_code == 1
    (asked,) = four_eyes.waiting(made.store)
    assert four_eyes.give(made.store, made.employs("supervisor"), asked.id)
    assert flask(made, *export).exit_code == 0
    assert flask(made, *export).exit_code == 1
    # Without people nobody is asked.
    assert flask(made, "bookings", "export").exit_code == 0


def test_moving_many_takes_two_and_moving_few_does_not(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    starts = mornings(1)
    made.opens_centre("1", starts=starts, capacity=3)
    made.opens_centre("2", kilometres=3, starts=starts, capacity=9)
    for number in range(2):
        made.phone(f"+3361200000{number}").books()
    day = ("--centre", "1", "--day", starts[0].date().isoformat(), "--why", "flood", "--yes")
    monkeypatch.setattr(four_eyes, "MANY", 1)
    alone = flask(made, "slots", "close-day", *day)
    assert alone.exit_code == 1
    assert "touches 2 people" in alone.output
    monkeypatch.setattr(four_eyes, "MANY", 2)
    assert flask(made, "slots", "close-day", *day).exit_code == 0
    assert MANY == 50
