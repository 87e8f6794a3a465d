"""Whether a person may book now, and what they can be told if not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flows.world import Choice, Eligibility
from services.campaign.campaign import Campaign, are_together

# People who may book from a day on are told in the morning, not at midnight.
MORNING = time(9)
# As long as a person may wait on the list: after that they hardly remember having asked.
LONGEST_PROMISE = timedelta(days=180)


def eligibility(
    campaign: Campaign, born: date, groups: Collection[str], now: datetime
) -> Eligibility:
    """What the campaign says at an aware moment to a person who certifies these groups."""
    first_day = _first_day(campaign, born, groups, now)
    if first_day is not None:
        return Eligibility(first_day)
    would_do = tuple(
        dict.fromkeys(
            rule.group
            for rule in campaign.eligible
            if rule.group
            and rule.group not in groups
            and _first_day(campaign, born, [*groups, rule.group], now) is not None
        )
    )
    opening = campaign.opens_for(born, groups=groups)
    if opening is None:
        return Eligibility(None, groups=would_do)
    zone = ZoneInfo(campaign.zone)
    turn_at = opening.books_from if opening.books_from and opening.books_from > now else None
    day = opening.day_from - timedelta(days=campaign.horizon_days)
    within_horizon = datetime.combine(day, MORNING, tzinfo=zone)
    tell_at = max(within_horizon, turn_at or within_horizon, now)
    return Eligibility(
        None,
        day_from=opening.day_from,
        turn_at=turn_at,
        tell_at=tell_at if tell_at - now <= LONGEST_PROMISE else None,
        groups=would_do,
    )


def last_of(several: Iterable[Eligibility]) -> Eligibility:
    """What is true of a person who wants all of several: of the one that lets them come last."""
    return max(several, key=_when)


def first_of(several: Iterable[Eligibility]) -> Eligibility:
    """What is true of a person who has not said which of several: of the first they may have."""
    return min(several, key=_when)


def _when(one: Eligibility) -> tuple[bool, date, bool]:
    """Who may book comes before who may not yet; who never may comes last."""
    day = one.first_day or one.day_from or date.max
    return one.first_day is None, day, not one.groups


def choices(
    campaigns: Sequence[Campaign], born: date, groups: Collection[str], now: datetime
) -> tuple[Choice, ...]:
    """Which of these open campaigns a person may book of at an aware moment."""
    may = [
        (campaign, found)
        for campaign in campaigns
        if (found := eligibility(campaign, born, groups, now)).first_day is not None
    ]
    return tuple(
        Choice(
            one.name,
            one.service,
            found,
            tuple(other.name for other, _ in may if other is not one and are_together(one, other)),
            one.months_since,
        )
        for one, found in may
    )


def _first_day(
    campaign: Campaign, born: date, groups: Collection[str], now: datetime
) -> date | None:
    """The first day of an appointment that may be booked at this moment; None when none may."""
    last_day = now.astimezone(ZoneInfo(campaign.zone)).date() + timedelta(
        days=campaign.horizon_days
    )
    days = [
        day
        for rule in campaign.classes
        if (not rule.group or rule.group in groups) and rule.books_at(now)
        if (day := rule.first_day(born)) is not None and day <= last_day
    ]
    return min(days, default=None)
