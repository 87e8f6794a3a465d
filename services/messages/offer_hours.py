"""When a person can be told of a place kept for them: by a call or, on a mobile, a text."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.campaign.call_hours import next_call_at, next_text_at
from services.campaign.campaign import Campaign
from services.messages.phone_capabilities import PhoneKind, kind_of_number
from services.messages.text_names import wanted

# An offer leaves so much later at most, where nothing is wrong: shortly before the end of the hours
# it would find them over, and its time would run out at night.
ON_ITS_WAY = timedelta(minutes=5)


def may_ring(campaign: Campaign, number: str, moment: datetime) -> bool:
    """Whether a machine may ring a number (E.164) at an aware moment."""
    return next_call_at(campaign, number, moment, machine=True) <= moment


def tells_at(campaign: Campaign, number: str, now: datetime) -> datetime:
    """When a person can be told, at the earliest (UTC): `now`, or when the hours begin.

    A machine rings no one on a Sunday; a mobile is written to on every day.
    """
    moment = _next(campaign, number, now)
    if moment <= now:
        later = now + ON_ITS_WAY
        moment = _next(campaign, number, later)
        if moment <= later:
            return now
    return moment


def _next(campaign: Campaign, number: str, moment: datetime) -> datetime:
    rung = next_call_at(campaign, number, moment, machine=True)
    writes = wanted(campaign, "offer") and kind_of_number(number) is PhoneKind.MOBILE
    if rung <= moment or not writes:
        return rung
    return min(rung, next_text_at(campaign, number, moment))
