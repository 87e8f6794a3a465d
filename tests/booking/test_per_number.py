"""How many bookings a number may have, where one booking is of two campaigns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pytest

from flows.world import Unbooked
from models.booking.reach import Proof
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.campaign.campaign import Campaign
from services.slots.allocate import Channel, Holder
from tests.booking.test_services import COVID, GRIPPE, cancels, file_of, holds, opens, orders
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import request_for

# Influenza lets a number have three, Covid two.
FLU, JAB = replace(GRIPPE, per_number=3), replace(COVID, per_number=2)
BOTH = (FLU, JAB)


@pytest.fixture
def autumn(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=FLU) as made:
        made.opens_centre("1")
        opens(made, mornings(2), capacity=6)
        yield made


def asks(
    made: House,
    campaigns: Sequence[Campaign],
    year: int,
    *,
    proof: Proof = Proof.CODE,
    number: str | None = MOBILE,
    place: str = "",
) -> Booked | Unbooked:
    """Somebody born in that year asks for these on the number of all."""
    holder = f"CA-{year}"
    (held, *_) = holds(made, holder, campaigns)
    request = replace(
        request_for(held, holder),
        holder=Holder(Channel.PHONE, holder),
        number=number,
        born=date(year, 3, 12),
        reach=Reach(proof, place),
    )
    return orders(made, campaigns, request)


def test_a_booking_of_both_counts_for_each(autumn: House):
    for year in (1930, 1931):
        assert isinstance(asks(autumn, BOTH, year), Booked)
    # Covid lets a number have two, and both of these are for Covid as well.
    assert asks(autumn, [JAB], 1932) is Unbooked.PERSON
    assert isinstance(asks(autumn, [FLU], 1932), Booked)
    assert asks(autumn, [FLU], 1933) is Unbooked.PERSON


def test_both_are_refused_where_one_of_them_has_enough(autumn: House):
    for year in (1930, 1931):
        assert isinstance(asks(autumn, [JAB], year), Booked)
    assert asks(autumn, BOTH, 1932) is Unbooked.PERSON
    assert isinstance(asks(autumn, [FLU], 1932), Booked)


def test_a_half_that_is_cancelled_counts_no_more(autumn: House):
    first = asks(autumn, BOTH, 1930)
    assert isinstance(first, Booked)
    assert isinstance(asks(autumn, BOTH, 1931), Booked)
    cancels(autumn, file_of(autumn, first.reference), "covid")
    assert isinstance(asks(autumn, [JAB], 1932), Booked)
    assert asks(autumn, [JAB], 1933) is Unbooked.PERSON


def test_without_a_proof_the_same_is_counted(autumn: House):
    for year in (1930, 1931):
        assert isinstance(asks(autumn, BOTH, year), Booked)
    assert asks(autumn, [JAB], 1932, proof=Proof.NONE) is Unbooked.NOT_PROVED
    assert isinstance(asks(autumn, [FLU], 1932, proof=Proof.NONE), Booked)


def test_so_are_people_without_any_number(autumn: House):
    """One line, no number: as many as the limits of the service let be, of either campaign."""
    limited = replace(autumn.store, reach=replace(autumn.store.reach, without_number=1))
    autumn.store = limited
    told = {"proof": Proof.NONE, "number": None, "place": "+33140000000"}
    assert isinstance(asks(autumn, BOTH, 1930, **told), Booked)  # type: ignore[arg-type]
    assert asks(autumn, [JAB], 1931, **told) is Unbooked.NOT_PROVED  # type: ignore[arg-type]
