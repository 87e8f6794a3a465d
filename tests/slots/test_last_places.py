"""Thirty-two callers for the last ten places: ten are booked, nobody twice, nobody is lied to.

The same story with the guard taken away must end in double bookings, or the story proves nothing.
"""

from __future__ import annotations

import threading

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from models.booking.tables import appointment, booking
from models.slots import places, slot_query
from models.slots.tables import place
from tests.slots.crowd import look_only, write_only
from tests.support.house import CAMPAIGN, House, Phone, mornings
from tests.support.locks import WAITING
from tests.support.rows import (
    as_in_production,
    booked_places,
    change,
    confirms,
    doubles,
    holds,
    near,
    rows_of,
)

pytestmark = pytest.mark.once

CALLERS = 20
PLACES = 10


@pytest.fixture(params=["ten slots of one", "one slot of ten", "ten centres"])
def last_places(request: pytest.FixtureRequest, service: House) -> House:
    if request.param == "ten slots of one":
        service.opens_centre("1", starts=mornings(PLACES))
    elif request.param == "one slot of ten":
        service.opens_centre("1", starts=mornings(1), capacity=PLACES)
    else:
        for number in range(PLACES):
            service.opens_centre(str(number + 1), kilometres=number + 1, starts=mornings(1))
    return service


def ring_all(service: House, story: Callable[[Phone, threading.Barrier], str]) -> Counter[str]:
    """Let all callers ring at once; how many of them came to which end.

    As in production two web workers answer, with threads and a pool of connections each.
    """
    together = threading.Barrier(CALLERS, timeout=20)

    def safely(phone: Phone) -> str:
        try:
            return story(phone, together)
        except BaseException:
            together.abort()  # nobody waits for a caller who will not come
            raise

    second = House(service.database.url.render_as_string(hide_password=False))
    with closing(second), ThreadPoolExecutor(CALLERS) as threads:
        second.store = replace(second.store, chance=service.store.chance)
        for worker in (service, second):
            as_in_production(worker)
        phones = [
            (service, second)[number % 2].phone(f"+3361234{number:04d}")
            for number in range(CALLERS)
        ]
        return Counter(threads.map(safely, phones))


def books_or_hears_the_truth(phone: Phone, together: threading.Barrier) -> str:
    phone.goes_to("postcode_check")
    together.wait()
    phone.presses("1")
    while phone.step == "offers":
        phone.goes_to("confirm")
        phone.presses("1")
        if phone.step == "ready":
            phone.hears_text("Votre rendez-vous est confirmé")
            return "booked"
        phone.hears_text("vient d'être pris")
    phone.hears_text("pas de rendez-vous libre")
    assert phone.step == "no_slot"
    return "told the truth"


def test_the_last_ten_places_go_to_ten_callers(last_places: House):
    ends = ring_all(last_places, books_or_hears_the_truth)

    assert ends == {"booked": PLACES, "told the truth": CALLERS - PLACES}
    assert booked_places(last_places.database) == PLACES
    assert doubles(last_places.database) == 0
    assert len({row.reference for row in last_places.bookings()}) == PLACES
    assert len(last_places.messages("sms")) == 0  # nobody gave a number for it
    assert last_places.held() == 0


def test_who_was_told_that_all_are_taken_gets_what_is_given_back(last_places: House):
    """Half of those who hold a place hang up: whoever stays on the line gets theirs."""
    fickle = threading.Semaphore(PLACES // 2)
    all_searched = threading.Barrier(CALLERS, timeout=20)
    all_left = threading.Barrier(CALLERS, timeout=20)

    def story(phone: Phone, together: threading.Barrier) -> str:
        phone.goes_to("postcode_check")
        together.wait()
        phone.presses("1")
        all_searched.wait()
        holds_one = phone.step == "offers"
        leaves = holds_one and fickle.acquire(blocking=False)
        if leaves:
            phone.hangs_up()
        all_left.wait()
        if leaves:
            return "left"
        if not holds_one:
            # Search again.
            phone.presses("3")
        if phone.step == "no_slot":
            return "told the truth"
        phone.goes_to("ready")
        return "booked"

    ends = ring_all(last_places, story)

    assert ends == {
        "left": PLACES // 2,
        "booked": PLACES,
        "told the truth": CALLERS - PLACES - PLACES // 2,
    }
    assert doubles(last_places.database) == 0
    assert booked_places(last_places.database) == PLACES


def test_nobody_waits_for_the_nearest_centre_while_another_one_is_free(service: House):
    """The last place of the nearest centre is being taken: the next centre is offered instead."""
    service.opens_centre("1", kilometres=1, starts=mornings(1))
    service.opens_centre("2", kilometres=2, starts=mornings(5))
    nearby = near(service)
    with service.database.transaction() as somebody_else:
        places.hold(
            somebody_else,
            service.clock,
            "CA-quicker",
            ["1"],
            slot_query.SlotQuery(((mornings(1)[0], mornings(2)[1]),)),
            lease=CAMPAIGN.hold_lease,
            longest=CAMPAIGN.hold_longest,
        )
        held = holds(service, "CA-second", near=nearby)
        assert [one.near.centre.id for one in held] == ["2"]


def test_nobody_hears_no_because_of_a_place_that_was_only_nearly_taken(service: House):
    """Somebody is taking the last place and fails: who asked meanwhile gets it, not a "no"."""
    service.opens_centre("1", kilometres=1, starts=mornings(1))
    nearby = near(service)
    with ThreadPoolExecutor(1) as caller:
        with service.database.engine.connect() as somebody_else:
            somebody_else.begin()
            somebody_else.execute(update(place).values(held_by="CA-quicker"))
            asked = caller.submit(holds, service, "CA-second", near=nearby)
            # Either the caller waits for the one in front, or has an answer already.
            while not asked.done() and not rows_of(service.database, WAITING)[0][0]:
                pass
            somebody_else.rollback()
        assert len(asked.result()) == 1


# ---------------------------------------------------------------- with the guard off


@pytest.fixture
def guard_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "hold", look_only)
    monkeypatch.setattr(places, "book", write_only)


def looks_then_writes(phone: Phone, together: threading.Barrier) -> str:
    phone.goes_to("confirm")
    # Between the check and the write: everybody has looked before anybody writes.
    together.wait()
    phone.presses("1")
    return phone.step


@pytest.mark.usefixtures("guard_off")
def test_without_the_guard_the_index_still_refuses_every_second_booking(service: House):
    """Law 1 holds whatever the code does: it is the database that says no."""
    service.opens_centre("1", starts=mornings(PLACES))
    ends = ring_all(service, looks_then_writes)

    assert ends["ready"] == 1
    assert ends["confirm"] == CALLERS - 1  # an apology, and the question once more
    assert doubles(service.database) == 0
    assert len(rows_of(service.database, select(booking.c.id))) == 1


def test_database_refuses_second_live_appointment_of_one_person(service: House):
    service.opens_centre("1", starts=mornings(2))
    for call in ("CA-1", "CA-2"):
        (held,) = holds(service, call)
        assert confirms(service, call, held)
    with pytest.raises(IntegrityError, match="uq_appointment_person_dose"):
        change(service.database, appointment.update().values(person_idx=b"one person"))


def test_database_refuses_second_live_appointment_for_dose_of_booking(service: House):
    service.opens_centre("1", starts=mornings(2))
    (held,) = holds(service, "CA-1")
    confirms(service, "CA-1", held)
    (first,) = rows_of(service.database, select(appointment))
    other = rows_of(service.database, select(place).where(place.c.id != first.place_id))[0]
    row = {**first._mapping, "id": first.id + 1, "place_id": other.id}
    with pytest.raises(IntegrityError, match="uq_appointment_booking_dose"):
        change(service.database, appointment.insert().values(**row))
