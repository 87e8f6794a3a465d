"""Which way a message goes: by text, by call, later, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.campaign.call_hours import next_text_at
from services.campaign.campaign import Campaign
from services.messages.delivery_failures import ForSomebody
from services.messages.notices import CallPlan, ReadyNotice
from services.messages.phone_capabilities import PhoneCapabilities, PhoneKind
from services.messages.topics import Manner


@dataclass(frozen=True)
class ByText:
    """Its text leaves now."""


@dataclass(frozen=True)
class ByCall:
    """A call tells it; when, the hours of calls say."""

    plan: CallPlan


@dataclass(frozen=True)
class DeliverLater:
    """It may wait, and does `until` (UTC or the zone of the number, aware)."""

    until: datetime


@dataclass(frozen=True)
class Drop:
    """It goes no way; `why` is a word of 12 letters at most."""

    why: str


Route = ByText | ByCall | DeliverLater | Drop | ForSomebody


def choose(
    ready: ReadyNotice,
    manner: Manner,
    line: PhoneCapabilities,
    *,
    now: datetime,
    campaign: Campaign | None,
    texts: Callable[[], int],
    is_spent: Callable[[], bool],
) -> Route:
    """The way of a message whose topic has this manner, to this line.

    `texts` counts those of capped topics that the number had in 24 hours, and `is_spent` says
    whether the spend breaker is open; both are asked only where it matters. `campaign` None: there
    are no hours and no cap.
    """
    unreachable = _unreachable(line)
    if unreachable:
        return ForSomebody(unreachable) if manner.case else Drop(unreachable)
    if not (ready.text and line.text) or (ready.by_call_first and ready.call):
        # A person who wants no texts is rung only about what they must know or asked for.
        if line.stopped and not (manner.case or manner.wished):
            return Drop("stopped")
        return _by_call(ready, manner, "no way")
    opens = _opens(ready, manner, now, campaign)
    if opens is not None:
        return DeliverLater(opens)
    over = _over(manner, campaign, texts, is_spent)
    return _by_call(ready, manner, over) if over else ByText()


def _unreachable(line: PhoneCapabilities) -> str:
    if line.wrong:
        return "wrong"
    return "no way" if line.kind is PhoneKind.NONE else ""


def _opens(
    ready: ReadyNotice, manner: Manner, now: datetime, campaign: Campaign | None
) -> datetime | None:
    """When a text may leave that may wait; None: now."""
    if campaign is None or manner.any_hour or ready.any_hour:
        return None
    opens = next_text_at(campaign, ready.recipient, now)
    too_late = ready.latest is not None and opens > ready.latest
    return None if opens <= now or too_late else opens


def _over(
    manner: Manner,
    campaign: Campaign | None,
    texts: Callable[[], int],
    is_spent: Callable[[], bool],
) -> str:
    """The limit that a text would go beyond; empty for none."""
    if not manner.capped:
        return ""
    if campaign is not None and texts() >= campaign.texts_per_number:
        return "cap"
    return "spend" if is_spent() else ""


def _by_call(ready: ReadyNotice, manner: Manner, why: str) -> Route:
    if manner.by_call and ready.call is not None:
        return ByCall(ready.call)
    return ForSomebody(why) if manner.case else Drop(why)
