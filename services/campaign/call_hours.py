"""When a person may be rung: between 8 and 20 h, by the clocks here and where they live.

A campaign may say otherwise, but no person is rung between 22 h and 8 h, whatever it says. An agent
rings in the hours in which agents answer. The machine rings on working days only: never on a Sunday
or a public holiday.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.campaign.campaign import Campaign
from services.campaign.opening_hours import USUAL, OpeningHours

# In minutes after midnight, by both clocks.
NEVER_BEFORE, NEVER_AFTER = 8 * 60, 22 * 60
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
    calls, hours = _by_day(campaign.hours), calling_hours(campaign.hours)
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
    earliest, latest = _by_day(hours)
    clipped = tuple(
        tuple(
            (max(start, earliest), min(end, latest))
            for start, end in day
            if max(start, earliest) < min(end, latest)
        )
        for day in hours.weekdays
    )
    return OpeningHours(hours.zone_name, clipped, hours.calls)


def _by_day(hours: OpeningHours) -> tuple[int, int]:
    """When people may be rung by these hours, in minutes after midnight."""
    earliest, latest = hours.calls
    return max(earliest, NEVER_BEFORE), min(latest, NEVER_AFTER)


def zone_of(number: str) -> ZoneInfo:
    """The clock of a number (E.164)."""
    return ZoneInfo(_ZONES.get(number[:4], "Europe/Paris"))


def awake(number: str, moment: datetime, earliest: int, latest: int) -> datetime:
    """The moment itself if it is day where the number is, else when the next day begins there."""
    zone = zone_of(number)
    local = moment.astimezone(zone)
    minute = local.hour * 60 + local.minute
    if earliest <= minute < latest:
        return moment
    day = local.date() + timedelta(days=minute >= latest)
    return datetime.combine(day, time(earliest // 60, earliest % 60), tzinfo=zone)
