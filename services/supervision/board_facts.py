"""Everything that the supervisors' board is made of, and how moments and counts are shown."""

from __future__ import annotations

import math

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Final

from models.messages.budgets import SpentBudget
from models.messages.messages import HeldMessages, TopicBacklog
from models.queue.call_queues import CallQueue
from models.supervision.alerts import Alert
from models.supervision.board import (
    AgentSeen,
    EntrySeen,
    NumberCounts,
    OwedCallbacks,
    QueueCounts,
    Texts,
)
from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from services.queue.wait_estimate import Throughput
from services.supervision.counts import MINUTE, BoardFigures, total
from services.waiting_list.offer_figures import OfferFigures

MINUTES_SHOWN: Final = 60


@dataclass(frozen=True)
class MessageFacts:
    """Waiting and come to nothing by topic, open cases by kind, offers, budgets of the day.

    `waiting_lists`: how many people are on that of each campaign.
    `budgets` are those of all together and those of which something is held back.
    """

    waiting: Sequence[TopicBacklog]
    missing: Mapping[str, int]
    cases: Mapping[str, int]
    offers: OfferFigures
    waiting_lists: Mapping[str, int]
    held: HeldMessages
    budgets: Sequence[SpentBudget]


@dataclass(frozen=True)
class PlacesCounted:
    """Free places by département, and when counting them began (UTC; None: never yet)."""

    at: datetime | None
    free: Mapping[str, int]


@dataclass(frozen=True)
class Facts:
    """Everything the board is made of. Moments are UTC."""

    now: datetime
    seen: BoardFigures
    queues: Sequence[CallQueue]
    # Whether each queue lets callers in at this moment, by its id.
    doors: Mapping[str, bool]
    line: Sequence[QueueCounts]
    entries: Sequence[EntrySeen]
    promised: OwedCallbacks
    agents: Sequence[AgentSeen]
    members: Mapping[str, Sequence[str]]
    texts: Texts
    messages: MessageFacts
    places: PlacesCounted
    # By language; and whether and when agents will have rung all who were promised a call.
    paces: Mapping[str, Throughput]
    rung_by: datetime | None
    alerts: Sequence[Alert]
    thresholds: Mapping[str, float]
    campaign: str
    floor: int
    floor_of_campaign: int
    horizon: timedelta
    # What people call, where there is more than one, the default first; and who waits by number.
    numbers: Sequence[CalledNumber] = ()
    line_by_number: Sequence[NumberCounts] = ()
    # Open campaigns of several services; none where there is one.
    services: Sequence[Campaign] = ()
    # `promised` in parts, by what they are about (models.about).
    promised_for: Mapping[str, OwedCallbacks] = field(default_factory=dict)


def iso(moment: datetime | None) -> str | None:
    """A moment as everywhere on the board: UTC, to the second."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def to_the_minute(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment.replace(second=0))


def shown(facts: Any) -> dict[str, Any]:
    """A dataclass, by the names of its fields, with its moments as on the board."""
    values = {field.name: getattr(facts, field.name) for field in fields(facts)}
    return {name: iso(it) if isinstance(it, datetime) else it for name, it in values.items()}


def compared(seen: BoardFigures, name: str) -> dict[str, Any]:
    before = None if seen.yesterday is None else round(total(seen.yesterday, name))
    return {"today": int(total(seen.today, name)), "yesterday": before}


def minutes_of_hour(now: datetime) -> list[datetime]:
    """When each minute of the last hour begins, the running one last."""
    newest = now.replace(second=0, microsecond=0)
    return [newest - number * MINUTE for number in reversed(range(MINUTES_SHOWN))]


def percent(part: float, whole: float) -> int | None:
    """Whole per cent, rounded down: 89.9 is not 90."""
    return math.floor(100 * part / whole) if whole else None
