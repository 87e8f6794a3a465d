"""How many questions a visit is asked, and which one its page is: "Question 2 sur 5".

Only what this visitor is really asked counts: a question that some are asked is counted from when
it is known that these are. The look at everything at the end is a check and no question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.session import Session
from flows.steps.service import SINCE
from flows.steps.service_over import SERVICE
from services.campaign.campaign import Campaign
from services.campaign.eligibility import choices, eligibility
from services.online.web_sessions import WebSession, came_for
from services.online.what_for import of_what_they_came_for

# The page that asks for a name, where a partner wants one (services.online.partner).
PARTNER_NAME = "partner_name"

# Of one person, where nothing more is asked; each by its name on the telephone.
FIRST = ("for_whom", "date_of_birth", "postcode", "offers", "reach")
# Where all that was answered is looked over.
CHECKS = frozenset({"confirm"})
# Pages of the site's own, by the question that they are another way to answer.
_IN_PLACE = {PARTNER_NAME: "reach", "days": "offers"}
# What a page that asks nothing stands behind, for the way back.
_BEHIND = {
    "not_eligible": ("group", "date_of_birth"),
    # What for is known by the birth date: a visitor who changes their mind begins there.
    SERVICE: ("group", "date_of_birth"),
    SINCE: ("date_of_birth",),
    "not_since": ("date_of_birth",),
    "no_slot": ("town_which", "postcode"),
    "confirm": ("reach", "offers"),
    "prove_number": ("confirm",),
    "days": ("offers", "no_slot"),
    PARTNER_NAME: ("offers", "no_slot"),
}


@dataclass(frozen=True)
class Place:
    """The question of a page is the `number`th of so many."""

    number: int
    of: int


def place(
    visit: WebSession, shown: str, campaigns: Sequence[Campaign], now: datetime
) -> Place | None:
    """Where a page is among the questions; None for a page that asks none. `now` is UTC.

    `campaigns` are those that give appointments now, one a service.
    """
    name = _IN_PLACE.get(shown, shown)
    asked = listed(visit, campaigns, now, name)
    if name not in asked:
        return None
    session = visit.session
    # The second of two is asked for a date of birth and a slot, as things stand.
    more = len(planned(session)) if session.is_first_of_two else visit.counted
    # Of several of one name (groups of the campaign, months of a service) the last is asked now,
    # but for those that are known to follow.
    at = len(asked) - asked[::-1].index(name)
    if name == SINCE:
        at -= len(_since_to_come(visit, campaigns, now))
    before = 0 if session.is_first_of_two else visit.counted
    return Place(before + at, len(asked) + more)


def listed(
    visit: WebSession, campaigns: Sequence[Campaign], now: datetime, shown: str = ""
) -> list[str]:
    """The questions of the person whose turn it is, in order; `now` is UTC."""
    session = visit.session
    plan = (visit.plan or planned(session)) if session.second_person else FIRST
    if not session.second_person and session.number_answered and "number" not in visit.typed:
        # It was answered on the telephone, or is not asked.
        plan = tuple(question for question in plan if question != "reach")
    asked: list[str] = []
    for question in plan:
        asked.append(question)
        if question == "date_of_birth":
            asked += ["group"] * _groups(session, campaigns, now)
            asked += _what_for(visit, campaigns, now)
        if question == "postcode" and session.towns_found:
            asked.append("town_which")
        if question == "offers" and _parted(session):
            asked.append("couple_choice")
    if shown in {"postcode", "town_which", "reach"} and shown not in asked:
        # Asked already for both, and changed for the second.
        after = "date_of_birth" if shown != "reach" else "offers"
        asked.insert(asked.index(after) + 1, shown)
    return asked


def planned(session: Session) -> tuple[str, ...]:
    """What the second of two is asked: not again what is known for both."""
    where = () if session.postcode else ("postcode",)
    reach = () if session.number_answered or session.is_first_of_two else ("reach",)
    if session.is_first_of_two:
        where = ()
    return ("date_of_birth", *where, "offers", *reach)


def answered(visit: WebSession, campaigns: Sequence[Campaign], now: datetime) -> int:
    """How many questions were answered until the page that a visit is at. `now` is UTC."""
    asked = listed(visit, campaigns, now)
    ends_before = {"not_eligible": "postcode", "not_since": "postcode", "no_slot": "offers"}.get(
        visit.session.step
    )
    return asked.index(ends_before) if ends_before in asked else len(asked)


def before(
    visit: WebSession, shown: str, campaigns: Sequence[Campaign], now: datetime
) -> tuple[str, ...]:
    """The questions before a page, the nearest first: one of them is the way back. `now` is UTC."""
    if shown in _BEHIND:
        return _BEHIND[shown]
    asked = listed(visit, campaigns, now, shown)
    if shown not in asked:
        return ()
    return tuple(dict.fromkeys(reversed(asked[: asked.index(shown)])))


def _what_for(visit: WebSession, campaigns: Sequence[Campaign], now: datetime) -> list[str]:
    """What for, where this person has a choice; then each "since the last one" of what they want.

    What was asked of something that they may not have yet was asked all the same.
    """
    session = visit.session
    if not session.born:
        return []
    may = choices(campaigns, session.born_on, session.groups, now)
    may = of_what_they_came_for(may, came_for(visit))
    asked = [SERVICE] if len(may) > 1 else []
    needs = {campaign.campaign for campaign in may if campaign.months_since}
    wished = (name for name in session.wished if name in needs)
    return asked + [SINCE] * len({*wished, *session.since_not} | _since_now(session))


def _since_now(session: Session) -> set[str]:
    return {session.since_asked} if session.step == SINCE else set()


def _since_to_come(visit: WebSession, campaigns: Sequence[Campaign], now: datetime) -> set[str]:
    """Of what is wanted, what is asked about after the one that is asked about now."""
    session = visit.session
    known = {session.since_asked, *session.since_passed, *session.since_not}
    needs = {campaign.name for campaign in campaigns if campaign.months_since}
    return {name for name in session.wished if name in needs} - known


def _groups(session: Session, campaigns: Sequence[Campaign], now: datetime) -> int:
    """How many groups of the campaigns this person is asked about, by their date of birth."""
    if not session.born or not session.group_asked:
        return 0
    by_age = (eligibility(campaign, session.born_on, (), now) for campaign in campaigns)
    if any(found.first_day is not None for found in by_age):
        # Asked about another date of birth, which was corrected.
        return 0
    settled = (*session.groups, *session.groups_refused)
    return len(settled) + (session.group_asked not in settled)


def _parted(session: Session) -> bool:
    """Whether the first of two chose what has no place beside it."""
    return session.is_first_of_two and session.chosen >= 0 and not session.adjacent
