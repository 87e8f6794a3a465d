"""A thousand people who are booked and a thousand who are not: the same end takes the same time."""

from __future__ import annotations

import random
import time

from dataclasses import replace

import pytest

from services.booking.confirm_booking import Booked
from services.slots.allocate import Channel, Holder
from tests.support.house import House, campaign_with, house, mornings
from tests.support.ranks import mann_whitney
from tests.support.rows import holds, orders, request_for

PEOPLE = 1000
# Less than one in a hundred pairs of samples of one distribution has a smaller p.
ALIKE = 0.01


def test_what_is_alike_and_what_is_not():
    """Against values worked out by scipy.stats.mannwhitneyu (asymptotic, with continuity)."""
    assert mann_whitney([1, 2, 3, 4, 5], [2, 3, 4, 5, 6]) == pytest.approx(0.3976, abs=1e-3)
    assert mann_whitney(range(100), range(50, 150)) < 1e-8
    assert mann_whitney([1.0] * 30, [1.0] * 30) == 1.0


def mobile(number: int) -> str:
    return f"+336{number:08d}"


def asks(town: House, holder: str, number: str, channel: Channel) -> float:
    """Ask for an appointment by text; gives the seconds that the end of it took."""
    held = holds(town, holder, channel=channel, campaign=town.campaign)[0]
    request = replace(
        request_for(held, holder),
        holder=Holder(channel, holder),
        number=number,
        text_to=number,
        call_id=None,
    )
    began = time.perf_counter()
    done = orders(town, request)
    took = time.perf_counter() - began
    assert isinstance(done, Booked)
    return took


@pytest.mark.long
@pytest.mark.parametrize("channel", [Channel.PHONE, Channel.WEB])
def test_the_times_of_known_and_unknown_people_are_alike(database_url: str, channel: Channel):
    with house(database_url, campaign=campaign_with(per_number=5, few_places=1)) as town:
        town.opens_centre("1", starts=mornings(30), capacity=200)
        for number in range(PEOPLE):
            asks(town, f"first-{number}", mobile(number), channel)
        people = [(mobile(number), number < PEOPLE) for number in range(2 * PEOPLE)]
        # In no order: what a machine does meanwhile meets both alike.
        random.Random(29).shuffle(people)  # noqa: S311 (no secret)
        took: dict[bool, list[float]] = {True: [], False: []}
        for turn, (theirs, known) in enumerate(people):
            took[known].append(asks(town, f"again-{turn}", theirs, channel))
    p = mann_whitney(took[True], took[False])
    assert p > ALIKE, p
