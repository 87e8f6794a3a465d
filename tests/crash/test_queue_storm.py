"""Three hundred callers, five agents, and everything that can be killed is killed meanwhile.

Nobody is lost, nobody is overtaken but by what agents were doing in that moment, nobody is rung
twice, and every promise is kept or still stands.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time

from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import pytest
import redis

from sqlalchemy import select

from models.agents.tables import agent, leg
from models.clock import DatabaseClock
from models.queue.tables import queue_entry
from tests.crash.conftest import Town, children
from tests.support.house import ACCOUNT, TOKEN
from tests.support.keeper import ROOT
from tests.support.until import PATIENCE, wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
]

CALLERS, AGENTS, MINUTES, SPEED = 300, 5, 3.0, 60
# Seconds between two kills, and what is killed in turn.
BETWEEN = 11.0
VICTIMS = ("web", "dispatcher", "web", "worker", "web", "scheduler")
ENDED = {"done", "left", "lost"}


def asks(town: Town, method: str, path: str, body: Any = None) -> Any:
    """A request at the simulator, with the account's credentials."""
    connection = http.client.HTTPConnection("127.0.0.1", town.simulator_port, timeout=15)
    login = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body and json.dumps(body), headers)
        return json.load(connection.getresponse())
    finally:
        connection.close()


def staff(town: Town) -> list[dict[str, str]]:
    made = subprocess.run(  # noqa: S603 - our own command
        [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "app.web",
            "staff",
            "demo",
            "--agents",
            str(AGENTS),
        ],
        cwd=ROOT,
        env=town.env,
        capture_output=True,
        text=True,
        check=True,
    )
    return [{"login": one["login"], "password": one["password"]} for one in json.loads(made.stdout)]


def kills_something(town: Town, name: str, chance: random.Random) -> None:
    """SIGKILL to one process; whoever watches over them starts it again."""
    process = town.running[name]
    if name == "web" and process.poll() is None:
        workers = children(process.pid)
        if workers:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
        return
    town.kills(name)
    town.starts(name)


def test_a_storm_of_callers_with_everything_killed(town: Town, redis_url: str):
    town.starts("simulator", "web", "worker", "scheduler", "dispatcher")
    wait_for(lambda: asks(town, "GET", "/_crowd") is not None, "the simulator answers")
    plan = {
        "callers": CALLERS,
        "minutes": MINUTES,
        "speed": SPEED,
        "seed": 2021,
        "agents": staff(town),
    }
    assert asks(town, "POST", "/_crowd", plan)["running"]
    chance, kills, flushed = random.Random(14012021), 0, 0  # noqa: S311
    next_kill = time.monotonic() + BETWEEN
    with redis.Redis.from_url(redis_url) as client:
        while not (state := asks(town, "GET", "/_crowd"))["over"]:
            if town.running["web"].poll() is not None:
                town.starts("web")
            if time.monotonic() >= next_kill:
                kills_something(town, VICTIMS[kills % len(VICTIMS)], chance)
                kills += 1
                next_kill = time.monotonic() + BETWEEN
            if flushed < 2 and state["seconds"] > (flushed + 1) * MINUTES * 20:
                client.flushall()
                flushed += 1
            with suppress(subprocess.TimeoutExpired):
                # Half a second, or less where the web application ends by itself.
                town.running["web"].wait(0.5)
    wait_for(lambda: not asks(town, "GET", "/_crowd")["running"], "everybody is home", PATIENCE)
    assert kills >= 8
    assert flushed == 2
    wait_for(lambda: not busy(town), "nothing is left half done", PATIENCE)
    found = entries(town)
    print(*sorted(counted(found).items()), f"served {state['served']}", state["count"], sep="\n")  # noqa: T201
    assert state["served"] >= CALLERS // 6, "a storm in which agents did something"
    assert nobody_is_lost(found) == []
    overtaken = inversions(town, found)
    assert len(overtaken) <= AGENTS, overtaken
    assert rung_too_often(town, found) == []


def busy(town: Town) -> list[tuple[str, str]]:
    """Places that are neither ended nor waiting, and agents that are in a call."""
    with town.house.database.statement() as connection:
        places = connection.execute(
            select(queue_entry.c.id, queue_entry.c.state).where(
                queue_entry.c.state.in_(("reserved", "talking", "wrapup"))
            )
        ).all()
        agents = connection.execute(
            select(agent.c.staff_id, agent.c.state).where(
                agent.c.state.in_(("reserved", "talking", "wrapup"))
            )
        ).all()
    return [tuple(row) for row in (*places, *agents)]


def entries(town: Town) -> list[Any]:
    with town.house.database.statement() as connection:
        return list(connection.execute(select(queue_entry).order_by(queue_entry.c.joined_at)))


def counted(found: list[Any]) -> dict[tuple[str, str, str], int]:
    count: dict[tuple[str, str, str], int] = {}
    for one in found:
        key = (one.kind, one.state, one.outcome)
        count[key] = count.get(key, 0) + 1
    return count


def nobody_is_lost(found: list[Any]) -> list[Any]:
    """Places that have no end and no promise: on the line with nobody at the other end of it."""
    now = DatabaseClock().now()
    return [
        (one.id, one.kind, one.state, one.outcome)
        for one in found
        if one.state not in ENDED
        and not (one.state == "kept" and (now - one.updated_at).total_seconds() < 700)
        and not (one.kind == "callback" and one.state == "waiting")
    ]


def inversions(town: Town, found: list[Any]) -> list[tuple[str, str]]:
    """Who was taken while somebody with an older place waited on the line."""
    with town.house.database.statement() as connection:
        rung = connection.execute(
            select(leg.c.entry_id, leg.c.created_at)
            .where(leg.c.kind == "agent")
            .order_by(leg.c.created_at)
        ).all()
    first: dict[str, datetime] = {}
    for row in rung:
        first.setdefault(row.entry_id, row.created_at)
    calls = [one for one in found if one.kind == "call" and one.reason != "taken"]
    overtaken = []
    for later in calls:
        taken = first.get(later.id)
        if taken is None:
            continue
        for older in calls:
            if (older.joined_at, older.id) >= (later.joined_at, later.id):
                break
            if older.language != later.language:
                continue
            until = first.get(older.id) or older.ended_at
            # In the line for as long as that, and nobody had come for them.
            if until is None or until > taken:
                overtaken.append((later.id, older.id))
                break
    return overtaken


def rung_too_often(town: Town, found: list[Any]) -> list[tuple[str, int]]:
    """Numbers that were rung more often than their promises allow, or twice at once."""
    page, calls = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?PageSize=1000", []
    while page:
        answer = asks(town, "GET", page)
        calls += answer["calls"]
        page = answer.get("next_page_uri")
    by_number: dict[str, list[Any]] = {}
    for call in calls:
        if call["direction"].startswith("outbound") and not call["to"].startswith("client:"):
            by_number.setdefault(call["to"], []).append(call)
    tries: dict[bytes, int] = {}
    for one in found:
        if one.phone_idx:
            tries[one.phone_idx] = tries.get(one.phone_idx, 0) + one.tries
    wrong = []
    for number, made in by_number.items():
        promised = tries.get(town.house.store.vault.index("phone", number) or b"", 0)
        made.sort(key=lambda call: parsedate_to_datetime(call["date_created"]))
        at_once = any(
            before["end_time"] is None
            or parsedate_to_datetime(after["date_created"])
            < parsedate_to_datetime(before["end_time"])
            for before, after in pairwise(made)
        )
        if len(made) > promised or at_once:
            wrong.append((number[-4:], len(made)))
    return wrong
