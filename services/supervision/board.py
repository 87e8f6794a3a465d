"""What the supervisors' board shows, put together from counts. Pure.

Moments are ISO 8601 in UTC, and never ages: the same facts are the same text a second later, and
the page counts the seconds itself. Nothing of a caller is in it; of agents, their names.
docs/supervision.md says what each figure means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from flows.questions import Part
from flows.steps import STEPS
from models.about import SEVERAL
from models.messages.budgets import SpentBudget
from models.supervision.board import together
from services.messages.spend import CALL_DAY, CALL_PREFIX, DAY, PREFIX
from services.supervision import board_facts, board_queues
from services.supervision.board_facts import Facts, MessageFacts
from services.supervision.counts import (
    GOODBYE,
    UNSAID,
    ZONE,
    BoardFigures,
    by_services,
    is_of,
    total,
)

# Where a caller is with people, not with the machine.
WITH_PEOPLE: Final = frozenset({"queue", "with_agent"})

OTHER: Final = "other"
# The steps of the menu in groups that are told at a glance.
_GROUP_OF = {name: str(step.part) for name, step in STEPS.items()}
_ORDER = {step: number for number, step in enumerate(STEPS)}
# What is told of each day.
OF_A_DAY: Final = (
    "calls",
    "booked",
    "answered",
    "in_time",
    "abandoned",
    "called_back",
    "taken_over",
    "undelivered",
)
_FUNNEL = ("entered", "missed", "silent", "repeated", "hung_up")


def put_together(facts: Facts) -> dict[str, Any]:
    """The body of the snapshot."""
    expected = board_queues.forecast(facts)
    by_service = {name: of_service(facts, name, expected) for name in _looked_at(facts)}
    return {
        **_of_people(facts, expected),
        "day": facts.now.astimezone(ZONE).date().isoformat(),
        # Where the day is not counted up to now: up to when it is.
        "counted_to": board_facts.iso(facts.seen.counted_to),
        "campaign": facts.campaign,
        "forecast": expected,
        "numbers": board_queues.numbers(facts),
        "services": services(facts, by_service),
        "of": by_service,
        "agents": board_queues.agents(facts.agents, facts.members),
        "places": {
            "free": dict(sorted(facts.places.free.items())),
            # No caller is told "none" of what was not counted.
            "total": sum(facts.places.free.values()) if facts.places.at else None,
            # To the minute: the same text from one count to the next.
            "counted_at": board_facts.to_the_minute(facts.places.at),
            "days": facts.horizon.days,
        },
        "texts": {
            **board_facts.shown(facts.texts),
            "missing": facts.texts.failed + facts.texts.undelivered + facts.texts.unclear,
        },
        "messages": messages(facts.messages),
        "cases": dict(sorted(facts.messages.cases.items())),
        "offers": {
            "out": facts.messages.offers.out,
            "untold": facts.messages.offers.untold,
            "taken": facts.messages.offers.taken,
            "passed": facts.messages.offers.refused + facts.messages.offers.lapsed,
            "minutes": facts.messages.offers.median_minutes,
        },
        "spent": _spent(facts.messages.budgets, DAY, "parts"),
        "calls_spent": _spent(facts.messages.budgets, CALL_DAY, "calls"),
        "held": held(facts.messages),
        "alerts": [
            {
                "id": alert.id,
                "name": alert.name,
                "value": alert.value,
                "threshold": alert.threshold,
                "since": board_facts.iso(alert.began_at),
                "seen": alert.seen_by is not None,
            }
            for alert in facts.alerts
        ],
        "thresholds": dict(facts.thresholds),
        "floor": {"set": facts.floor, "campaign": facts.floor_of_campaign},
    }


def _of_people(facts: Facts, expected: Mapping[str, Any]) -> dict[str, Any]:
    """What the whole board and that of one service show alike: callers, visitors, bookings."""
    return {
        "backlog": board_queues.backlog(facts),
        "curve": board_queues.curve(facts),
        "sums": sums(facts.seen.today),
        "calls": board_facts.compared(facts.seen, "calls"),
        "finished": board_facts.compared(facts.seen, "finished"),
        "menu": menu(facts.seen.live),
        "line": board_queues.line(facts),
        "service": board_queues.served(facts.seen, expected["breaks"]),
        "entries": [board_facts.shown(entry) for entry in facts.entries],
        "callbacks": board_queues.callbacks(facts),
        "told": board_queues.told(facts.seen.errors),
        "bookings": bookings(facts.seen, facts.now),
        "funnel": funnel(facts.seen),
    }


def _looked_at(facts: Facts) -> list[str]:
    """The services that the board can be looked at for; none where there is one."""
    names = [campaign.service for campaign in facts.services if campaign.service]
    return [*names, UNSAID] if names else []


def of_service(facts: Facts, service: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """What the board shows of one service alone, or UNSAID, in the shape of the whole.

    A caller who comes for several services is in each of them, and `shared` says how often that
    was. Agents are those of all services, and so is `expected`, how long a caller who rings now
    waits.
    """
    promised = [owed for about, owed in facts.promised_for.items() if is_of(about, service)]
    mine = replace(
        facts,
        seen=facts.seen.of(service),
        line=[row for row in facts.line if is_of(row.about, service)],
        entries=[entry for entry in facts.entries if is_of(entry.about, service)],
        promised=together(promised),
    )
    found = _of_people(mine, expected)
    # Texts name no service.
    del found["sums"]["undelivered"]
    return {**found, "shared": shared(facts.seen, service)}


def shared(seen: BoardFigures, service: str) -> dict[str, int]:
    """How many of a service's questions and appointments are also another's, and count there."""
    several = {
        about: counts
        for about, counts in by_services(seen.today).items()
        if SEVERAL in about and is_of(about, service)
    }
    return {
        name: sum(round(total(counts, name)) for counts in several.values())
        for name in ("entered", "booked")
    }


def messages(facts: MessageFacts) -> list[dict[str, Any]]:
    """By topic: what waits, since when, and what came to nothing today with nothing following."""
    waiting = {topic.topic: topic for topic in facts.waiting}
    topics = sorted(waiting.keys() | facts.missing.keys())
    return [
        {
            "topic": topic,
            "waiting": waiting[topic].count if topic in waiting else 0,
            "oldest": board_facts.iso(waiting[topic].oldest) if topic in waiting else None,
            "missing": facts.missing.get(topic, 0),
        }
        for topic in topics
    ]


def _spent(budgets: Sequence[SpentBudget], kind: str, units: str) -> dict[str, Any] | None:
    """What all texts, or all calls, of today have cost; None where there was none. In euros."""
    found = next((budget for budget in budgets if budget.kind == kind), None)
    if found is None:
        return None
    return {
        units: found.units,
        "limit": found.most_units,
        "euros": round(found.millieuros / 1000),
        "most_euros": round(found.most_millieuros / 1000),
    }


def held(facts: MessageFacts) -> dict[str, Any]:
    """What budgets hold back: how many texts wait, since when, and which budgets are spent.

    Of a prefix the digits are told, which a hundred thousand numbers share; of a number or a client
    only how many there are.
    """
    shut = [
        budget for budget in facts.budgets if budget.refused and (budget.subject or budget.over)
    ]
    return {
        "count": facts.held.count,
        "oldest": board_facts.iso(facts.held.oldest),
        "budgets": dict(sorted(Counter(budget.kind for budget in shut).items())),
        "prefixes": sorted(
            {budget.subject.decode() for budget in shut if budget.kind in {PREFIX, CALL_PREFIX}}
        ),
    }


def menu(live: Mapping[str, int]) -> dict[str, Any]:
    """Calls that talk with the machine at this moment, by group of steps."""
    groups = Counter[str](dict.fromkeys(map(str, Part), 0))
    for step, number in live.items():
        if step != GOODBYE and step not in WITH_PEOPLE:
            groups[_GROUP_OF.get(step, OTHER)] += number
    return {"calls": sum(groups.values()), "groups": [[*group] for group in groups.items()]}


def sums(counts: Mapping[tuple[str, str], float]) -> dict[str, int]:
    """What is told of a day in one line: the same names and sums for each day and for today."""
    return {name: round(total(counts, name)) for name in OF_A_DAY}


def services(facts: Facts, by_service: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The day by service: appointments by channel, and people on the waiting list.

    Of a campaign whose service has no name no appointment is told: they are among those of none.
    """
    found = []
    for campaign in facts.services:
        booked = by_service[campaign.service]["bookings"] if campaign.service else {}
        channels = {way: count for way, count in booked.get("channels", {}).items() if count}
        found.append(
            {
                "campaign": campaign.name,
                "service": campaign.service,
                "booked": sum(channels.values()),
                "channels": channels,
                "waiting": facts.messages.waiting_lists.get(campaign.name, 0),
            }
        )
    return found


def bookings(seen: BoardFigures, now: datetime) -> dict[str, Any]:
    """Today by channel, and minute by minute for the last hour, the running one included."""
    minutes = board_facts.minutes_of_hour(now)
    channels = sorted({channel for name, channel in seen.today if name == "booked"} | {"phone"})
    return {
        **board_facts.compared(seen, "booked"),
        "channels": {way: seen.today.get(("booked", way), 0) for way in channels},
        "first": board_facts.iso(minutes[0]),
        "minutes": {
            way: [seen.minutes.get(minute, {}).get(("booked", way), 0) for minute in minutes]
            for way in channels
        },
    }


def funnel(seen: BoardFigures) -> list[dict[str, Any]]:
    """Each step that a caller came to, in the order of the call."""
    steps = {label for name, label in seen.today if name in _FUNNEL}
    if seen.yesterday is not None:
        steps |= {label for name, label in seen.yesterday if name in _FUNNEL}
    # A caller who says something after the goodbye was not asked for anything.
    steps -= {GOODBYE, ""}
    found = []
    for step in sorted(steps, key=lambda one: (_ORDER.get(one, len(_ORDER)), one)):
        row: dict[str, Any] = {"step": step, "group": _GROUP_OF.get(step, OTHER)}
        row |= {name: seen.today.get((name, step), 0) for name in _FUNNEL}
        before = seen.yesterday
        row["yesterday"] = (
            None
            if before is None
            else {name: round(before.get((name, step), 0)) for name in _FUNNEL}
        )
        found.append(row)
    return found
