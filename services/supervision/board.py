"""What the supervisors' board shows, put together from counts. Pure.

Moments are ISO 8601 in UTC, and never ages: the same facts are the same text a second later, and
the page counts the seconds itself. Nothing of a caller is in it; of agents, their names.
docs/supervision.md says what each figure means.
"""

from __future__ import annotations

import math

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flows.questions import Part
from flows.steps import STEPS
from models.about import SEVERAL
from models.messages.budgets import SpentBudget
from models.messages.messages import HeldMessages, TopicBacklog
from models.queue.queues import AT_WORK, CallQueue
from models.supervision.alerts import Alert
from models.supervision.board import (
    AgentSeen,
    CampaignCounts,
    EntrySeen,
    NumberCounts,
    OwedCallbacks,
    QueueCounts,
    Texts,
    together,
)
from services.campaign.campaign import Campaign
from services.messages.spend import CALL_DAY, CALL_PREFIX, DAY, PREFIX
from services.numbers.numbers import CalledNumber
from services.queue.wait_estimate import Throughput, wait_seconds
from services.supervision.counts import (
    GOODBYE,
    IN_TIME,
    MINUTE,
    UNSAID,
    ZONE,
    BoardFigures,
    by_services,
    is_of,
)
from services.waiting_list.offer_figures import OfferFigures

MINUTES_SHOWN: Final = 60
ROUNDED: Final = timedelta(minutes=5)
# Of answered callers so many in a hundred within the minute: good from here, bad up to there.
GOOD_LEVEL: Final = 90
BAD_LEVEL: Final = 60
# With a place in a queue, and no agent has answered; a kept place is that of a line that was cut.
UNANSWERED: Final = frozenset({"waiting", "reserved"})
KEPT: Final = "kept"
# Why those who wait now cannot be served in time: no agent is at work, the line moves too slowly,
# or a call will be later than it was promised.
NOBODY, TOO_SLOW, TOO_LATE = "nobody", "wait", "promises"
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


@dataclass(frozen=True)
class MessageFacts:
    """Waiting and come to nothing by topic, open cases by kind, offers, budgets of the day.

    `budgets` are those of all together and those of which something is held back.
    """

    waiting: Sequence[TopicBacklog]
    missing: Mapping[str, int]
    cases: Mapping[str, int]
    offers: OfferFigures
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
    # Open campaigns of several services, and what is counted of each; none where there is one.
    services: Sequence[Campaign] = ()
    by_campaign: Sequence[CampaignCounts] = ()
    # `promised` in parts, by what they are about (models.about).
    promised_for: Mapping[str, OwedCallbacks] = field(default_factory=dict)


def put_together(facts: Facts) -> dict[str, Any]:
    """The body of the snapshot."""
    expected = forecast(facts)
    return {
        "day": facts.now.astimezone(ZONE).date().isoformat(),
        # Where the day is not counted up to now: up to when it is.
        "counted_to": iso(facts.seen.counted_to),
        "campaign": facts.campaign,
        "backlog": backlog(facts),
        "forecast": expected,
        "curve": curve(facts),
        "sums": sums(facts.seen.today),
        "calls": _compared(facts.seen, "calls"),
        "finished": _compared(facts.seen, "finished"),
        "menu": menu(facts.seen.live),
        "line": line(facts),
        "numbers": numbers(facts),
        "services": services(facts),
        "of": {name: of_service(facts, name, expected) for name in _looked_at(facts)},
        "service": served(facts.seen, expected["breaks"]),
        "agents": agents(facts.agents, facts.members),
        "entries": [_shown(entry) for entry in facts.entries],
        "callbacks": callbacks(facts),
        "told": told(facts.seen.errors),
        "bookings": bookings(facts.seen, facts.now),
        "places": {
            "free": dict(sorted(facts.places.free.items())),
            # Nobody is told "none" of what was not counted.
            "total": sum(facts.places.free.values()) if facts.places.at else None,
            # To the minute: the same text from one count to the next.
            "counted_at": _minute(facts.places.at),
            "days": facts.horizon.days,
        },
        "texts": {
            **_shown(facts.texts),
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
        "funnel": funnel(facts.seen),
        "alerts": [
            {
                "id": alert.id,
                "name": alert.name,
                "value": alert.value,
                "threshold": alert.threshold,
                "since": iso(alert.began_at),
                "seen": alert.seen_by is not None,
            }
            for alert in facts.alerts
        ],
        "thresholds": dict(facts.thresholds),
        "floor": {"set": facts.floor, "campaign": facts.floor_of_campaign},
    }


def _looked_at(facts: Facts) -> list[str]:
    """The services that the board can be looked at for; none where there is one."""
    names = [one.service for one in facts.services if one.service]
    return [*names, UNSAID] if names else []


def of_service(facts: Facts, service: str, expected: Mapping[str, Any]) -> dict[str, Any]:
    """What the board shows of one service alone, or UNSAID, in the shape of the whole.

    Whoever comes for several services is in each of them, and `shared` says how often that was.
    Agents are everybody's, and so is `expected`, how long a caller who rings now waits.
    """
    promised = [one for about, one in facts.promised_for.items() if is_of(about, service)]
    mine = replace(
        facts,
        seen=facts.seen.of(service),
        line=[one for one in facts.line if is_of(one.about, service)],
        entries=[one for one in facts.entries if is_of(one.about, service)],
        promised=together(promised),
    )
    of_day = sums(mine.seen.today)
    # Texts name no service.
    del of_day["undelivered"]
    return {
        "backlog": backlog(mine),
        "curve": curve(mine),
        "sums": of_day,
        "calls": _compared(mine.seen, "calls"),
        "finished": _compared(mine.seen, "finished"),
        "menu": menu(mine.seen.live),
        "line": line(mine),
        "service": served(mine.seen, expected["breaks"]),
        "entries": [_shown(one) for one in mine.entries],
        "callbacks": callbacks(mine),
        "told": told(mine.seen.errors),
        "bookings": bookings(mine.seen, mine.now),
        "funnel": funnel(mine.seen),
        "shared": shared(facts.seen, service),
    }


def shared(seen: BoardFigures, service: str) -> dict[str, int]:
    """How many of a service's questions and appointments are also another's, and count there."""
    several = {
        about: counts
        for about, counts in by_services(seen.today).items()
        if SEVERAL in about and is_of(about, service)
    }
    return {
        name: sum(round(_total(counts, name)) for counts in several.values())
        for name in ("entered", "booked")
    }


def messages(facts: MessageFacts) -> list[dict[str, Any]]:
    """By topic: what waits, since when, and what came to nothing today with nothing following."""
    waiting = {one.topic: one for one in facts.waiting}
    topics = sorted(waiting.keys() | facts.missing.keys())
    return [
        {
            "topic": topic,
            "waiting": waiting[topic].count if topic in waiting else 0,
            "oldest": iso(waiting[topic].oldest) if topic in waiting else None,
            "missing": facts.missing.get(topic, 0),
        }
        for topic in topics
    ]


def _spent(budgets: Sequence[SpentBudget], kind: str, units: str) -> dict[str, Any] | None:
    """What all texts, or all calls, of today have cost; None where there was none. In euros."""
    found = next((one for one in budgets if one.kind == kind), None)
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
    shut = [one for one in facts.budgets if one.refused and (one.subject or one.over)]
    return {
        "count": facts.held.count,
        "oldest": iso(facts.held.oldest),
        "budgets": dict(sorted(Counter(one.kind for one in shut).items())),
        "prefixes": sorted(
            {one.subject.decode() for one in shut if one.kind in {PREFIX, CALL_PREFIX}}
        ),
    }


def iso(moment: datetime | None) -> str | None:
    """A moment as everywhere on the board: UTC, to the second."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _minute(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment.replace(second=0))


def _shown(facts: Any) -> dict[str, Any]:
    """A dataclass, by the names of its fields, with its moments as on the board."""
    values = {one.name: getattr(facts, one.name) for one in fields(facts)}
    return {name: iso(it) if isinstance(it, datetime) else it for name, it in values.items()}


def _total(counts: Mapping[tuple[str, str], float], name: str) -> float:
    return sum(value for (one, _label), value in counts.items() if one == name)


def _compared(seen: BoardFigures, name: str) -> dict[str, Any]:
    before = None if seen.yesterday is None else round(_total(seen.yesterday, name))
    return {"today": int(_total(seen.today, name)), "yesterday": before}


def menu(live: Mapping[str, int]) -> dict[str, Any]:
    """Calls that talk with the machine at this moment, by group of steps."""
    groups = Counter[str](dict.fromkeys(map(str, Part), 0))
    for step, number in live.items():
        if step != GOODBYE and step not in WITH_PEOPLE:
            groups[_GROUP_OF.get(step, OTHER)] += number
    return {"calls": sum(groups.values()), "groups": [[*group] for group in groups.items()]}


def _unserved(rows: Iterable[QueueCounts], queue: str = "") -> dict[str, Any]:
    """Everybody whom no agent has answered yet, of one queue or of all, and the parts of them.

    A caller for whom an agent is being rung still waits, and so does one who is being rung.
    """
    here = [one for one in rows if queue in {"", one.queue_id}]
    calls = [one for one in here if one.kind == "call" and one.state in UNANSWERED]
    callbacks = [one for one in here if one.kind == "callback" and one.state in UNANSWERED]
    kept = [one for one in here if one.state == KEPT]
    everybody = [*calls, *callbacks, *kept]
    return {
        "people": sum(one.count for one in everybody),
        "calls": sum(one.count for one in calls),
        "callbacks": sum(one.count for one in callbacks),
        "kept": sum(one.count for one in kept),
        "oldest": iso(min((one.since for one in everybody), default=None)),
        "longest": iso(min((one.since for one in calls), default=None)),
    }


def backlog(facts: Facts) -> dict[str, Any]:
    """How many people are to be served, on the line and by calls promised, and the oldest of them.

    `at_work`: agents at work; `open`: whether a queue lets callers in at this moment.
    """
    found = _unserved(facts.line)
    del found["longest"]
    return {
        **found,
        "at_work": sum(one.state in AT_WORK for one in facts.agents),
        "open": any(facts.doors.values()),
    }


def forecast(facts: Facts) -> dict[str, Any]:
    """What a caller who rings now waits (in minutes, rounded up), and why it will not be in time.

    The same estimate as callers are told, of the language in which it is worst. `breaks` is empty
    where those who wait now can be served in time.
    """
    language_of = {queue.id: queue.language for queue in facts.queues}
    due, on_the_line = Counter[str](), Counter[str]()
    for row in facts.line:
        if row.state == "waiting":
            due[language_of[row.queue_id]] += row.due
            if row.kind == "call":
                on_the_line[language_of[row.queue_id]] += row.count
    waits = {
        language: wait_seconds(due[language], pace)
        for language, pace in facts.paces.items()
        if pace.agents or on_the_line[language]
    }
    known = [seconds for seconds in waits.values() if seconds is not None]
    slow = any(
        seconds is not None and due[language] and timedelta(seconds=seconds) > IN_TIME
        for language, seconds in waits.items()
    )
    breaks = ""
    if not any(one.state in AT_WORK for one in facts.agents):
        if any(facts.doors.values()) or on_the_line.total():
            breaks = NOBODY
    elif slow:
        breaks = TOO_SLOW
    if not breaks and _is_too_late(facts):
        breaks = TOO_LATE
    return {
        # Whole minutes: the same text from one second to the next.
        "minutes": math.ceil(max(known) / 60) if known else None,
        "breaks": breaks,
    }


def _is_too_late(facts: Facts) -> bool:
    owed = facts.promised
    if not owed.promised or owed.last is None:
        return False
    return owed.overdue > 0 or facts.rung_by is None or facts.rung_by > owed.last


def curve(facts: Facts) -> dict[str, Any]:
    """The last hour in steps of a minute, the running minute included.

    `people`: who was to be served at the end of each, now for the running one. The others happened
    within the minute.
    """
    minutes = _minutes(facts.now)
    seen = facts.seen

    def each(name: str) -> list[int]:
        return [int(_total(seen.minutes.get(minute, {}), name)) for minute in minutes]

    ends = [seen.levels.get(minute + MINUTE) for minute in minutes[:-1]]
    return {
        "first": iso(minutes[0]),
        "people": [*ends, _unserved(facts.line)["people"]],
        "answered": each("answered"),
        "called_back": each("called_back"),
        "abandoned": each("abandoned"),
    }


def _minutes(now: datetime) -> list[datetime]:
    """When each minute of the last hour begins, the running one last."""
    newest = now.replace(second=0, microsecond=0)
    return [newest - number * MINUTE for number in reversed(range(MINUTES_SHOWN))]


def sums(counts: Mapping[tuple[str, str], float]) -> dict[str, int]:
    """What is told of a day in one line: the same names and sums for each day and for today."""
    return {name: round(_total(counts, name)) for name in OF_A_DAY}


def line(facts: Facts) -> dict[str, Any]:
    """Callers waiting for an agent, by queue; the longest wait is of a caller on the line."""
    today, rows = facts.seen.today, facts.line

    def number(kind: str, state: str) -> int:
        return sum(row.count for row in rows if row.kind == kind and row.state == state)

    at_work = Counter[str]()
    for agent in facts.agents:
        if agent.state in AT_WORK:
            at_work.update(_queues_of(agent, facts.members, facts.queues))
    everybody = _unserved(rows)
    by_queue = {queue.id: _unserved(rows, queue.id) for queue in facts.queues}
    return {
        "calls": everybody["calls"],
        "callbacks": everybody["callbacks"],
        "kept": everybody["kept"],
        "reserved": number("call", "reserved") + number("callback", "reserved"),
        "talking": number("call", "talking") + number("callback", "talking"),
        "longest": everybody["longest"],
        "queues": [
            {
                "id": queue.id,
                "language": queue.language,
                "region": queue.region,
                "state": queue.state,
                "open": facts.doors.get(queue.id, False),
                "overflow_minutes": queue.overflow_minutes,
                "announcement": queue.announcement,
                "translations": dict(queue.translations),
                **{
                    name: by_queue[queue.id][name]
                    for name in ("people", "calls", "callbacks", "kept", "longest")
                },
                "agents": at_work[queue.id],
                "answered": today.get(("answered", queue.id), 0),
                "abandoned": today.get(("abandoned", queue.id), 0),
                "level": _percent(
                    today.get(("in_time", queue.id), 0), today.get(("answered", queue.id), 0)
                ),
            }
            for queue in facts.queues
        ],
    }


def numbers(facts: Facts) -> list[dict[str, Any]]:
    """The day and the queue by the number that was called; none where there is one number.

    What came in by no number of the file is the default's, so that the rows add up to the day.
    """
    today = facts.seen.today
    rows = [_of_number(facts, one) for one in facts.numbers]
    if rows:
        whole = {
            "calls": _total(today, "calls"),
            "booked": sum(today.get(("booked", channel), 0) for channel in ("phone", "agent")),
            **{name: _total(today, name) for name in ("answered", "in_time", "abandoned")},
        }
        for name, total in whole.items():
            others = sum(row[name] for row in rows[1:])
            rows[0][name] = max(round(total) - others, 0)
    for row in rows:
        row["level"] = _percent(row.pop("in_time"), row["answered"])
    return rows


def services(facts: Facts) -> list[dict[str, Any]]:
    """The day by service: appointments by channel, and people on the waiting list."""
    known = {one.campaign: one for one in facts.by_campaign}
    return [
        {
            "campaign": campaign.name,
            "service": campaign.service,
            "booked": sum(known[campaign.name].channels.values()) if campaign.name in known else 0,
            "channels": dict(known[campaign.name].channels) if campaign.name in known else {},
            "waiting": known[campaign.name].waiting if campaign.name in known else 0,
        }
        for campaign in facts.services
    ]


def _of_number(facts: Facts, one: CalledNumber) -> dict[str, Any]:
    """What is counted of a number; of the default, whatever is none of the others'."""
    today, is_default = facts.seen.today, one is facts.numbers[0]
    others = {other.number for other in facts.numbers[1:]}
    here = [
        row
        for row in facts.line_by_number
        if (row.called not in others if is_default else row.called == one.number)
    ]
    calls = [row for row in here if row.kind == "call" and row.state != KEPT]
    return {
        "number": one.number,
        "people": sum(row.count for row in here),
        "on_line": sum(row.count for row in calls),
        "callbacks": sum(row.count for row in here if row.kind == "callback"),
        "longest": iso(min((row.since for row in calls), default=None)),
        **{
            name: today.get((f"{name}_to", one.number), 0)
            for name in ("calls", "booked", "answered", "in_time", "abandoned")
        },
    }


def _queues_of(
    agent: AgentSeen, members: Mapping[str, Sequence[str]], queues: Iterable[CallQueue]
) -> set[str]:
    mine = members.get(agent.staff_id)
    if mine is not None:
        return set(mine)
    spoken = agent.languages.split()
    return {queue.id for queue in queues if not queue.region and queue.language in spoken}


def _percent(part: float, whole: float) -> int | None:
    """Whole per cent, rounded down: 89.9 is not 90."""
    return math.floor(100 * part / whole) if whole else None


def judge_level(level: int | None) -> str:
    """good, watch or bad; none where no call was answered."""
    if level is None:
        return "none"
    if level >= GOOD_LEVEL:
        return "good"
    return "watch" if level > BAD_LEVEL else "bad"


def served(seen: BoardFigures, breaks: str = "") -> dict[str, Any]:
    """Answered within the minute: of the answered, and of all who were answered or gave up.

    `breaks`: why those who wait now will not be served in time; empty where they can be.
    """
    today, now = seen.today, _levels(seen.today)
    states = {judge_level(now["level"]), judge_level(now["strict"])}
    verdict = next(one for one in ("bad", "watch", "good", "none") if one in states)
    if breaks and verdict != "bad":
        # Those answered so far say nothing of those who wait.
        verdict = "none"
    return {
        **now,
        "in_time": int(_total(today, "in_time")),
        "turned_back": int(_total(today, "turned_back")),
        "called_back": int(_total(today, "called_back")),
        "taken_over": int(_total(today, "taken_over")),
        "state": judge_level(now["level"]),
        "strict_state": judge_level(now["strict"]),
        # Of the tile: it is not green while callers give up before an agent answers.
        "verdict": verdict,
        "abandoned_rate": _percent(now["abandoned"], now["answered"] + now["abandoned"]),
        "yesterday": None if seen.yesterday is None else _levels(seen.yesterday),
    }


def _levels(counts: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """How many of a day's callers were answered and gave up; in per cent, answered in time."""
    answered, in_time, abandoned = (
        _total(counts, name) for name in ("answered", "in_time", "abandoned")
    )
    return {
        "answered": round(answered),
        "abandoned": round(abandoned),
        "level": _percent(in_time, answered),
        "strict": _percent(in_time, answered + abandoned),
    }


def agents(seen: Sequence[AgentSeen], members: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The agents at work, and what they do."""
    states = Counter[str](dict.fromkeys(("ready", "reserved", "talking", "wrapup", "paused"), 0))
    states.update(one.state for one in seen)
    return {
        "states": dict(states),
        "at_work": sum(states[state] for state in AT_WORK),
        "list": [
            {
                "id": one.staff_id,
                "name": one.name,
                "state": one.state,
                "since": iso(one.since),
                "reason": one.reason,
                "entry": one.entry_id,
                "voice": one.voice,
                "queues": list(members.get(one.staff_id, ())),
            }
            for one in seen
        ],
    }


def callbacks(facts: Facts) -> dict[str, Any]:
    """What agents owe, until when it was promised, and when it will be done at this pace."""
    rung_by = None
    if facts.rung_by is not None and facts.promised.promised:
        # Rounded up: the same text from one second to the next.
        rung_by = facts.rung_by.astimezone(UTC) + ROUNDED - timedelta(microseconds=1)
        rung_by -= (rung_by - datetime.min.replace(tzinfo=UTC)) % ROUNDED
    return {
        **_shown(facts.promised),
        "rung_by": iso(rung_by),
    }


def told(errors: Mapping[int, int]) -> dict[str, Any]:
    """How wrong the waits were that were told: the median of all of today, in per cent.

    `errors`: how many were wrong by so many thousandths.
    """
    waits, seen = sum(errors.values()), 0
    for error in sorted(errors):
        seen += errors[error]
        if 2 * seen >= waits:
            return {"waits": waits, "error": round(error / 10)}
    return {"waits": 0, "error": None}


def bookings(seen: BoardFigures, now: datetime) -> dict[str, Any]:
    """Today by channel, and minute by minute for the last hour, the running one included."""
    minutes = _minutes(now)
    channels = sorted({channel for name, channel in seen.today if name == "booked"} | {"phone"})
    return {
        **_compared(seen, "booked"),
        "channels": {one: seen.today.get(("booked", one), 0) for one in channels},
        "first": iso(minutes[0]),
        "minutes": {
            one: [seen.minutes.get(minute, {}).get(("booked", one), 0) for minute in minutes]
            for one in channels
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
