"""Fair to the telephone: a share of each centre is its own until shortly before, then for all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate, count

import pytest

from sqlalchemy import select, update

from models.slots import slots
from models.slots.tables import place
from services.slots.allocate import Channel
from tests.support.house import CAMPAIGN, NOON, House, campaign_with, house, mornings
from tests.support.rows import change, clock_of, confirms, holds, near, rows_of

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# Some days ahead, so that nothing is shared out yet.
FAR = NOON.replace(hour=9) + 10 * DAY
SHARED_OUT = FAR - CAMPAIGN.phone_share_until
ALL = (Channel.PHONE, Channel.AGENT, Channel.WAITING, Channel.SUPERVISOR)
WITHOUT_SHARE = (Channel.WEB, Channel.PARTNER)


_takers = count()


def lots(service: House) -> list[int]:
    """The lot of each place, in the order in which the places were made."""
    statement = select(place.c.lot).order_by(place.c.start_at, place.c.slot_id, place.c.number)
    return [row.lot for row in rows_of(service.database, statement)]


def takes_all(service: House, channel: Channel) -> list[int]:
    """Everything that callers of a channel can hold, one after the other: the lots, in order."""
    nearby = near(service)
    found: list[int] = []
    while held := holds(service, f"taker-{next(_takers)}", channel=channel, near=nearby):
        for one in held:
            lot = select(place.c.lot).where(place.c.id == one.place.place_id)
            found.append(rows_of(service.database, lot)[0].lot)
    return found


def no_more(service: House, channel: Channel) -> bool:
    return holds(service, f"{channel}-more", channel=channel) == []


@pytest.fixture
def one_slot(service: House) -> House:
    service.opens_centre("1", starts=[FAR], capacity=20)
    return service


# ---------------------------------------------------------------- who may have what


@pytest.mark.parametrize("channel", WITHOUT_SHARE)
def test_the_web_and_partners_cannot_empty_a_centre(one_slot: House, channel: Channel):
    open_to_all = sorted(lot for lot in lots(one_slot) if lot >= CAMPAIGN.phone_share)
    assert sorted(takes_all(one_slot, channel)) == open_to_all
    assert 0 < len(open_to_all) < 20
    for other in WITHOUT_SHARE:
        assert no_more(one_slot, other)
    # The first caller on the telephone is served after all that.
    assert len(takes_all(one_slot, Channel.PHONE)) == 20 - len(open_to_all)


@pytest.mark.parametrize("channel", ALL)
def test_the_telephone_may_have_all_and_takes_its_own_share_first(
    one_slot: House, channel: Channel
):
    assert takes_all(one_slot, channel) == sorted(lots(one_slot))


@pytest.mark.parametrize("channel", WITHOUT_SHARE)
def test_what_is_left_of_the_share_is_for_all_48_hours_before(one_slot: House, channel: Channel):
    own = sorted(lot for lot in lots(one_slot) if lot < CAMPAIGN.phone_share)
    takes_all(one_slot, channel)
    clock = clock_of(one_slot)
    clock.moment = SHARED_OUT - SECOND
    # The holds of before have run out: the open part can be had again, the share cannot.
    assert len(takes_all(one_slot, channel)) == 20 - len(own)
    clock.moment = SHARED_OUT
    assert takes_all(one_slot, channel) == own, "an unused floor must not rot"


def test_the_share_and_its_end_are_the_campaigns(one_slot: House):
    for share, until in ((0, 48), (100, 48), (25, 48), (40, 24 * 30)):
        campaign = campaign_with(phone_share=share, phone_share_until=timedelta(hours=until))
        held = holds(one_slot, "web-1", campaign=campaign, channel=Channel.WEB)
        reach = [lot for lot in lots(one_slot) if lot >= share or until > 48]
        assert bool(held) == bool(reach)
        if held:
            lot = select(place.c.lot).where(place.c.held_by == "web-1")
            assert {row.lot for row in rows_of(one_slot.database, lot)} == {min(reach)}
        change(one_slot.database, update(place).values(held_by=None, hold_expires_at=None))


def test_places_of_before_the_shares_are_for_all(one_slot: House):
    """A migration gives them lot 99 and writes no row."""
    change(one_slot.database, update(place).values(lot=99))
    assert len(takes_all(one_slot, Channel.WEB)) == 20


def test_a_hold_that_ran_out_is_not_taken_anew_from_the_telephones_share(one_slot: House):
    (held,) = holds(one_slot, "web-late", channel=Channel.WEB)[:1]
    clock_of(one_slot).advance(5 * timedelta(minutes=1))
    takes_all(one_slot, Channel.WEB)
    assert confirms(one_slot, "web-late", held, channel=Channel.WEB) is None
    assert confirms(one_slot, "CA-1", held)


def test_a_channel_is_told_of_what_it_may_have_and_not_of_more(one_slot: House):
    """The web says "none for you here now", and does not hold one place at a time for nothing."""
    share = CAMPAIGN.phone_share
    change(one_slot.database, update(place).where(place.c.lot >= share).values(blocked=True))
    assert no_more(one_slot, Channel.WEB)
    assert not no_more(one_slot, Channel.PHONE)


# ---------------------------------------------------------------- two doses


@pytest.fixture
def two_doses(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(doses=2)) as made:
        made.opens_centre("1", starts=[FAR, FAR + 21 * DAY])
        yield made


def set_lot(service: House, start: datetime, lot: int) -> None:
    change(service.database, update(place).where(place.c.start_at == start).values(lot=lot))


@pytest.mark.parametrize(
    ("first", "second", "of_the_web"), [(99, 99, 1), (99, 0, 0), (0, 99, 0), (40, 40, 1)]
)
def test_both_doses_count_against_the_share(
    two_doses: House, first: int, second: int, of_the_web: int
):
    set_lot(two_doses, FAR, first)
    set_lot(two_doses, FAR + 21 * DAY, second)
    assert len(holds(two_doses, "web-1", channel=Channel.WEB)) == of_the_web
    assert two_doses.held() == 2 * of_the_web
    if not of_the_web:
        assert len(holds(two_doses, "CA-1")) == 1


def test_a_first_that_is_for_all_may_have_a_second_whose_share_still_counts(two_doses: House):
    set_lot(two_doses, FAR, 0)
    set_lot(two_doses, FAR + 21 * DAY, 0)
    clock_of(two_doses).moment = SHARED_OUT
    assert holds(two_doses, "web-1", channel=Channel.WEB) == []
    set_lot(two_doses, FAR + 21 * DAY, 99)
    assert len(holds(two_doses, "web-1", channel=Channel.WEB)) == 1


# ---------------------------------------------------------------- released at a moment


@pytest.fixture
def released(service: House) -> House:
    """Places that come at eight o'clock tomorrow."""
    service.opens_centre("1")
    wanted = slots.SlotsToOpen("1", (FAR,), 20, released_at=NOON + DAY)
    slots.open_slots(service.database, [wanted])
    return service


@pytest.mark.parametrize("channel", [*ALL, *WITHOUT_SHARE])
def test_nobody_has_anything_before_it_is_released(released: House, channel: Channel):
    clock_of(released).moment = NOON + DAY - timedelta(milliseconds=1)
    assert no_more(released, channel)
    clock_of(released).moment = NOON + DAY
    assert takes_all(released, channel)


def test_a_release_is_for_all_channels_alike_and_the_share_still_counts(released: House):
    clock_of(released).moment = NOON + DAY
    web, phone = takes_all(released, Channel.WEB), takes_all(released, Channel.PHONE)
    assert len(web) + len(phone) == 20
    assert min(web) >= CAMPAIGN.phone_share > max(phone)


def test_a_caller_hears_the_truth_before_the_release_and_an_offer_after_it(released: House):
    caller = released.phone().goes_to("no_slot")
    clock_of(released).moment = NOON + DAY
    # Search again; a call that lasts so long is offered help first, and goes on.
    caller.presses("3")
    assert caller.step == "long_call"
    caller.presses("2")
    assert caller.step == "offers"


def test_what_was_there_before_is_had_before(released: House):
    released.opens_slots("1", [FAR + DAY])
    (held,) = holds(released, "CA-1")
    assert held.place.start_at == FAR + DAY


# ---------------------------------------------------------------- how even it is


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 6, 10])
def test_any_stretch_of_a_centre_has_its_part_of_every_share(service: House, capacity: int):
    """Within two places of the percent at the usual share, within three at any, wherever it begins.

    The whole of it is exact after each hundred places.
    """
    # Another centre's slots before it: ids do not begin at 1.
    service.opens_centre("0", starts=mornings(7))
    service.opens_centre("1", starts=mornings(200), capacity=capacity)
    of_the_centre = select(place.c.lot).where(place.c.centre_id == "1")
    found = rows_of(service.database, of_the_centre.order_by(place.c.slot_id, place.c.number))
    for share in (10, 25, 40, 60):
        own = [row.lot < share for row in found]
        assert len(own) == 200 * capacity
        assert sum(own) * 100 == share * len(own)
        # Each sum of differences from the percent; two of them apart is what a stretch is off by.
        off = [0.0, *accumulate(mine - share / 100 for mine in own)]
        assert max(off) - min(off) < (2 if share in {40, 60} else 3), share


def test_places_that_are_added_have_their_part_too(service: House):
    service.opens_centre("1", starts=mornings(100), capacity=1)
    service.opens_slots("1", mornings(100), capacity=3)
    own = sum(lot < CAMPAIGN.phone_share for lot in lots(service))
    assert abs(own - 120) <= 6
