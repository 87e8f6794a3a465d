"""The queues on the board: who waits, until when, who answers, and how well. Pure."""

from __future__ import annotations

import math

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from models.queue.call_queues import AT_WORK, CallQueue
from models.supervision.board import AgentSeen, QueueCounts
from services.numbers.numbers import CalledNumber
from services.queue.wait_estimate import wait_seconds
from services.supervision import board_facts
from services.supervision.board_facts import Facts
from services.supervision.counts import IN_TIME, MINUTE, BoardFigures, total

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


def _unserved(rows: Iterable[QueueCounts], queue: str = "") -> dict[str, Any]:
    """Everyone that no agent has answered yet, of one queue or of all, and the parts of them.

    A caller whose agent is being rung still waits, and so does one who is being rung.
    """
    here = [row for row in rows if queue in {"", row.queue_id}]
    calls = [row for row in here if row.kind == "call" and row.state in UNANSWERED]
    callbacks = [row for row in here if row.kind == "callback" and row.state in UNANSWERED]
    kept = [row for row in here if row.state == KEPT]
    everybody = [*calls, *callbacks, *kept]
    return {
        "people": sum(row.count for row in everybody),
        "calls": sum(call.count for call in calls),
        "callbacks": sum(callback.count for callback in callbacks),
        "kept": sum(row.count for row in kept),
        "oldest": board_facts.iso(min((row.since for row in everybody), default=None)),
        "longest": board_facts.iso(min((call.since for call in calls), default=None)),
    }


def backlog(facts: Facts) -> dict[str, Any]:
    """How many people are to be served, on the line and by calls promised, and the oldest of them.

    `at_work`: agents at work; `open`: whether a queue lets callers in at this moment.
    """
    found = _unserved(facts.line)
    del found["longest"]
    return {
        **found,
        "at_work": sum(agent.state in AT_WORK for agent in facts.agents),
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
    if not any(agent.state in AT_WORK for agent in facts.agents):
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
    minutes = board_facts.minutes_of_hour(facts.now)
    seen = facts.seen

    def each(name: str) -> list[int]:
        return [int(total(seen.minutes.get(minute, {}), name)) for minute in minutes]

    ends = [seen.levels.get(minute + MINUTE) for minute in minutes[:-1]]
    return {
        "first": board_facts.iso(minutes[0]),
        "people": [*ends, _unserved(facts.line)["people"]],
        "answered": each("answered"),
        "called_back": each("called_back"),
        "abandoned": each("abandoned"),
    }


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
                "level": board_facts.percent(
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
    rows = [_of_number(facts, number) for number in facts.numbers]
    if rows:
        whole = {
            "calls": total(today, "calls"),
            "booked": sum(today.get(("booked", channel), 0) for channel in ("phone", "agent")),
            **{name: total(today, name) for name in ("answered", "in_time", "abandoned")},
        }
        for name, number in whole.items():
            others = sum(row[name] for row in rows[1:])
            rows[0][name] = max(round(number) - others, 0)
    for row in rows:
        row["level"] = board_facts.percent(row.pop("in_time"), row["answered"])
    return rows


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
        "longest": board_facts.iso(min((row.since for row in calls), default=None)),
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
    verdict = next(verdict for verdict in ("bad", "watch", "good", "none") if verdict in states)
    if breaks and verdict != "bad":
        # Those answered so far say nothing of those who wait.
        verdict = "none"
    return {
        **now,
        "in_time": int(total(today, "in_time")),
        "turned_back": int(total(today, "turned_back")),
        "called_back": int(total(today, "called_back")),
        "taken_over": int(total(today, "taken_over")),
        "state": judge_level(now["level"]),
        "strict_state": judge_level(now["strict"]),
        # Of the tile: it is not green while callers give up before an agent answers.
        "verdict": verdict,
        "abandoned_rate": board_facts.percent(now["abandoned"], now["answered"] + now["abandoned"]),
        "yesterday": None if seen.yesterday is None else _levels(seen.yesterday),
    }


def _levels(counts: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """How many of a day's callers were answered and gave up; in per cent, answered in time."""
    answered, in_time, abandoned = (
        total(counts, name) for name in ("answered", "in_time", "abandoned")
    )
    return {
        "answered": round(answered),
        "abandoned": round(abandoned),
        "level": board_facts.percent(in_time, answered),
        "strict": board_facts.percent(in_time, answered + abandoned),
    }


def agents(seen: Sequence[AgentSeen], members: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The agents at work, and what they do."""
    states = Counter[str](dict.fromkeys(("ready", "reserved", "talking", "wrapup", "paused"), 0))
    states.update(agent.state for agent in seen)
    return {
        "states": dict(states),
        "at_work": sum(states[state] for state in AT_WORK),
        "list": [
            {
                "id": agent.staff_id,
                "name": agent.name,
                "state": agent.state,
                "since": board_facts.iso(agent.since),
                "reason": agent.reason,
                "entry": agent.entry_id,
                "voice": agent.voice,
                "queues": list(members.get(agent.staff_id, ())),
            }
            for agent in seen
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
        **board_facts.shown(facts.promised),
        "rung_by": board_facts.iso(rung_by),
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
