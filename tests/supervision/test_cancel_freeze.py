"""A spike of cancellations: only agents cancel; it is told, lifted by hand, and over by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.booking import freezes, history
from models.booking.history import Change
from models.supervision import alerts
from services.accounts.staff import read_acts
from services.booking.change_booking import cancel
from services.booking.changed import By, Cancelled, Unchanged, WhyNot
from services.slots.allocate import Channel
from services.supervision import supervise
from services.supervision.cancel_freeze import (
    ALERT,
    LASTS_FOR,
    LEAST,
    LIFTED_FOR,
    WatchCancellations,
    is_spike,
)
from tests.booking.test_changes import books
from tests.calls.test_my_appointment import BORN, booked, gives
from tests.online.visitors import Visitor, link_in
from tests.supervision.test_board import Board
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import clock_of

MINUTE = timedelta(minutes=1)


@pytest.fixture
def town(service: House) -> House:
    service.opens_centre("1", starts=mornings(30), capacity=4)
    return service


def cancelled(town: House, count: int, channel: str = "phone") -> None:
    """So many lines of cancellations, as of bookings that nothing else is said of."""
    with town.database.transaction() as connection:
        for number in range(count):
            line = Change("caller", channel, "cancelled")
            history.add(connection, town.clock, town.store.vault, f"gone-{number}", line)


def is_frozen(town: House) -> bool:
    with town.database.statement() as connection:
        return freezes.is_on(connection, town.clock)


def raised(town: House) -> list[str]:
    with town.database.statement() as connection:
        return [one.name for one in alerts.raised(connection)]


# ---------------------------------------------------------------- what is a spike


@pytest.mark.parametrize(
    ("lately", "in_hour", "hours", "spike"),
    [
        pytest.param(30, 30, [0] * 336, True, id="after quiet days"),
        pytest.param(29, 200, [0] * 336, False, id="a few"),
        pytest.param(30, 40, [40] * 336, False, id="as always"),
        pytest.param(30, 41, [40] * 336, True, id="always the same, and now more"),
        # Mean 20, deviation 20: 80 is where it begins.
        pytest.param(60, 80, [0, 40] * 168, False, id="within three deviations"),
        pytest.param(60, 81, [0, 40] * 168, True, id="beyond three deviations"),
        pytest.param(30, 30, [], True, id="on the first day"),
    ],
)
def test_what_a_spike_is(lately: int, in_hour: int, hours: list[int], *, spike: bool):
    assert is_spike(lately, in_hour, hours) is spike


def test_a_spike_freezes_and_raises_one_alert(town: House):
    watch = WatchCancellations(town.store)
    cancelled(town, LEAST - 1)
    assert watch() == 0
    assert not is_frozen(town)
    cancelled(town, 1, "web")
    assert watch() == 1
    assert is_frozen(town)
    assert raised(town) == [ALERT]
    # Two processes may watch.
    assert WatchCancellations(town.store)() == 0
    assert raised(town) == [ALERT]


def test_what_agents_and_closed_centres_cancel_is_no_spike(town: House):
    cancelled(town, 3 * LEAST, "agent")
    cancelled(town, 3 * LEAST, "supervisor")
    assert WatchCancellations(town.store)() == 0
    assert not is_frozen(town)


def test_what_every_hour_has_is_no_spike(town: House):
    watch = WatchCancellations(town.store)
    for _ in range(14 * 24):
        cancelled(town, 3)
        clock_of(town).advance(timedelta(hours=1))
    cancelled(town, 2 * LEAST)
    assert watch() == 1, "sixty where there are three an hour"
    clock_of(town).advance(LASTS_FOR)
    for _ in range(14 * 24):
        cancelled(town, 2 * LEAST)
        clock_of(town).advance(timedelta(hours=1))
    cancelled(town, 2 * LEAST)
    WatchCancellations(town.store)()
    assert not is_frozen(town)


def test_it_lasts_an_hour_after_the_last_sign_of_it(town: House):
    watch = WatchCancellations(town.store)
    cancelled(town, LEAST)
    watch()
    clock_of(town).advance(30 * MINUTE)
    cancelled(town, 2 * LEAST)
    assert watch() == 0
    clock_of(town).advance(LASTS_FOR - MINUTE)
    assert is_frozen(town)
    clock_of(town).advance(MINUTE)
    # By itself, whoever watches.
    assert not is_frozen(town)
    assert watch() == 1
    assert raised(town) == []


# ---------------------------------------------------------------- while it lasts


@pytest.fixture
def frozen(town: House) -> House:
    cancelled(town, LEAST)
    WatchCancellations(town.store)()
    assert is_frozen(town)
    return town


def test_telephone_and_site_do_not_cancel_and_an_agent_does(frozen: House):
    file = books(frozen)
    for channel in (Channel.PHONE, Channel.WEB):
        with frozen.database.transaction() as connection:
            done = cancel(connection, frozen.store, file.id, by=By("caller", channel))
        assert done == Unchanged(WhyNot.FROZEN)
    with frozen.database.transaction() as connection:
        by = By("agent-1", Channel.AGENT)
        done = cancel(connection, frozen.store, file.id, by=by)
    assert isinstance(done, Cancelled)


def test_a_caller_who_would_cancel_gets_a_person_and_may_move_by_herself(town: House):
    reference = booked(town)
    caller = gives(town, reference, BORN).hears_text("Votre rendez-vous")
    at_the_yes = gives(town, reference, BORN).presses("3")
    cancelled(town, LEAST)
    WatchCancellations(town.store)()
    caller.presses("3").hears_text("une personne le fera avec vous")
    at_the_yes.presses("1").hears_text("une personne le fera avec vous")
    caller.presses("3").presses("2").hears_text("reste à vous")


def test_a_visitor_who_would_cancel_is_asked_to_ring(database_url: str):
    with house(database_url, links=True) as town:
        town.opens_centre("1", starts=mornings(6))
        town.phone(MOBILE).goes_to("reach").answers("1").books()
        (row,) = town.messages("sms")
        visitor = Visitor(town).opens_link(link_in(town.text_of(row)))
        cancelled(town, LEAST)
        WatchCancellations(town.store)()
        visitor.presses("/mon-rendez-vous/voir", wish="cancel")
        visitor.presses("/mon-rendez-vous/annuler", wish="yes")
        visitor.reads("09 74 75 00 01")
        assert visitor.path.endswith("/par-telephone"), visitor.path


# ---------------------------------------------------------------- lifted by hand


@pytest.fixture
def board(service: House) -> Board:
    return Board(service)


def test_a_supervisor_lifts_it_with_a_reason_which_is_written_down(board: Board):
    town = board.made
    cancelled(town, LEAST)
    watch = WatchCancellations(town.store)
    watch()
    assert board.does("/gel", 409, reason="  ! ")["why"] == "reason"
    assert is_frozen(town)
    board.does("/gel", reason="Neige à Rennes, tout le monde annule")
    assert not is_frozen(town)
    assert raised(town) == []
    (act,) = read_acts(town.store, limit=1)
    assert (act.act.what, act.act.why) == (
        supervise.FREEZE_LIFTED,
        "Neige à Rennes, tout le monde annule",
    )
    assert board.does("/gel", 409, reason="encore une fois")["why"] == "no_freeze"
    # What goes on is what the supervisor has looked at.
    cancelled(town, LEAST)
    clock_of(town).advance(LIFTED_FOR - MINUTE)
    assert watch() == 0
    cancelled(town, LEAST)
    clock_of(town).advance(2 * MINUTE)
    assert watch() == 1


def test_the_board_shows_it(board: Board):
    cancelled(board.made, LEAST)
    WatchCancellations(board.made.store)()
    board.writes()
    board.writes()
    assert [one["name"] for one in board.sees().json["alerts"]] == [ALERT]
