"""When a person may be rung: between 8 and 20 h, by the clocks here and where they live.

A campaign may say otherwise, as the demonstration does, which makes no calls. An agent rings in the
hours in which agents answer. The machine rings on working days only: never on a Sunday or a public
holiday.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.campaign.campaign import Campaign
from services.campaign.opening_hours import USUAL, OpeningHours

# French numbers whose clocks are not those of Paris.
_ZONES = {
    "+262": "Indian/Reunion",
    "+590": "America/Guadeloupe",
    "+594": "America/Cayenne",
    "+596": "America/Martinique",
    "+508": "America/Miquelon",
    "+687": "Pacific/Noumea",
    "+689": "Pacific/Tahiti",
    "+681": "Pacific/Wallis",
}
# Where the days of both clocks hardly meet, after so many looks the hours here alone count.
_LOOKS = 12


def next_call_at(
    campaign: Campaign, number: str, moment: datetime, *, machine: bool = False
) -> datetime:
    """The moment itself if a number (E.164) may be rung at it, else the next one at which it may.

    Far away where there is no such moment for weeks. The moment is aware, and so is the answer.
    """
    calls, hours = campaign.hours.calls, calling_hours(campaign.hours)
    if machine:
        hours = OpeningHours(USUAL.zone_name, (*[(calls,)] * 6, ()), calls)
    found = moment
    for _ in range(_LOOKS):
        opens = hours.next_opening(found)
        if opens is None:
            return moment + timedelta(days=1)
        there = awake(number, opens, *calls)
        if there == opens:
            # The moment itself stays what it was, to the letter.
            return moment if opens == moment else opens
        found = there
    return hours.next_opening(moment) or moment + timedelta(days=1)


def next_text_at(campaign: Campaign, number: str, moment: datetime) -> datetime:
    """The moment itself if a number (E.164) may be written to at it, else the next that it may.

    The moment is aware, and so is the answer. Sundays and holidays are days like others: the law's
    limits are for advertising, which this never is.
    """
    return awake(number, moment, *campaign.text_hours)


@lru_cache
def calling_hours(hours: OpeningHours) -> OpeningHours:
    """The part of the agents' hours in which a person may be rung."""
    earliest, latest = hours.calls
    clipped = tuple(
        tuple(
            (max(start, earliest), min(end, latest))
            for start, end in day
            if max(start, earliest) < min(end, latest)
        )
        for day in hours.weekdays
    )
    return OpeningHours(hours.zone_name, clipped, hours.calls)


def awake(number: str, moment: datetime, earliest: int, latest: int) -> datetime:
    """The moment itself if it is day where the number is, else when the next day begins there."""
    zone = ZoneInfo(_ZONES.get(number[:4], "Europe/Paris"))
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if earliest <= minute < latest:
        return moment
    day = local.date() + timedelta(days=minute >= latest)
    return datetime.combine(day, time(earliest // 60, earliest % 60), tzinfo=zone)
