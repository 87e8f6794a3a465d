"""Two machines behind a proxy, and one of them gets the next version while callers book.

Both are here: each has its own web server, worker, scheduler, dispatcher and folders, and they
share a database, a Redis and a provider. The next version is a copy of this one with other files
for pages. `deploy/rolling.py` replaces the first machine.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from honcho.environ import parse_procfile
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import select

from deploy.rolling import Node, Rolling, Steps
from exchange.interpreter import Call
from exchange.testing.ports import free_port
from exchange.transport import ConnectFailed, HttpTransport, Outgoing, ReadTimedOut, Reply
from models.call import turns
from models.messages.tables import message
from models.operations import leases
from services.health.leadership import DISPATCHER, SCHEDULER
from tests.crash.conftest import Town
from tests.support import parts
from tests.support.house import ACCOUNT, TOKEN
from tests.support.keeper import ROOT
from tests.support.rows import doubles, rows_of, soon
from tests.support.until import wait_for
from tools.launcher.ports import answers

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
]

CALLS, LINES = 200, 4
# The machine is replaced once so many have begun, and so many are left for afterwards.
BEFORE, AFTER = 40, 60
# Seconds after which a caller wonders.
SLOW = 2.0
PROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 10s
    option redispatch
    retries 3
    retry-on conn-failure empty-response
frontend all
    bind 127.0.0.1:{port}
    default_backend web
backend web
    balance roundrobin
    option httpchk GET /readyz/machine
    default-server check inter 500ms fall 1 rise 2
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""
MANIFEST = "/api/slots/$bulk-publish"
PROCESSES = ("web", "worker", "scheduler", "dispatcher")


@dataclass
class Machine:
    """`tree` is the version that it has; its folders stay."""

    town: Town
    name: str
    port: int
    folder: Path
    tree: Path = ROOT
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def starts(self) -> None:
        lines = parse_procfile((self.tree / "Procfile").read_text("utf-8")).processes
        env = self.town.env | {
            "PORT": str(self.port),
            "WEB_WORKERS": "1",
            "DRAIN_SECONDS": "3",
            "FEED_FOLDER": str(self.folder / "feed"),
            # One for both, as where they share a disk: each server has its own folder in it.
            "PROMETHEUS_MULTIPROC_DIR": str(self.town.folder / "counters"),
            "FLASK_APP": "app.web:create_app",
        }
        for name in PROCESSES:
            with (self.town.folder / f"{self.name}-{name}.log").open("ab") as log:
                line = lines[name]
                started = subprocess.Popen(  # noqa: S603 - as a platform does
                    # The shell gives its place away, so that signals meet the program itself.
                    ["/bin/sh", "-c", line if "exec env" in line else f"exec {line}"],
                    cwd=self.tree,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.running[name] = self.town.running[f"{self.name}-{name}"] = started

    def ends(self) -> None:
        """As a process manager ends a service: SIGTERM, and wait."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.running.items():
            assert process.wait(30) in {0, -signal.SIGTERM}, name

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            headers.pop("date", None)
            return answer.status, headers, answer.read()
        finally:
            connection.close()

    def calls_counted(self) -> float:
        status, _, body = self.get("/metrics")
        assert status == 200
        return counted(body.decode())

    def calls_left_behind(self) -> float:
        """What it had counted when it ended."""
        registry = CollectorRegistry()
        folder = self.town.folder / "counters" / f"web-{self.port}"
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
        return counted(generate_latest(registry).decode())


def counted(metrics: str) -> float:
    found = re.findall(r"^allo_calls_total\{[^}]*\} (\S+)$", metrics, re.MULTILINE)
    return sum(float(one) for one in found)


@dataclass
class Ring:
    """A provider's HTTP: a try that failed is made once more, unchanged."""

    http: HttpTransport
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    again: int = 0

    def send(self, request: Outgoing) -> Reply:
        try:
            reply = self.http.send(request)
        except (ConnectFailed, ReadTimedOut):
            self.again += 1
            reply = self.http.send(request)
        self.seconds.append(reply.elapsed_s)
        self.statuses[reply.status] += 1
        return reply


class Books(Call):
    """A caller through the proxy."""

    def __init__(self, town: Town, base: str, number: str) -> None:
        self.ring = Ring(HttpTransport(base, base))
        super().__init__(
            url=f"{base}/voice/incoming",
            fallback_url=f"{base}/voice/fallback",
            status_url=f"{base}/voice/status",
            transport=self.ring,
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=number,
        )
        self.town = town
        # How often they were told to stay on the line.
        self.waited = 0

    def step(self) -> str:
        """Where the call is; empty as long as it hears that there are too many."""
        with self.town.house.database.statement() as connection:
            newest = turns.newest(connection, self.town.house.store.vault, self.sid)
        return self.town.house.session(self.sid).step if newest else ""

    def books(self) -> None:
        keys = {"date_of_birth": "12031942", "postcode": "75011"}
        self.dial()
        while (step := self.step()) != "reference":
            if step:
                self.press(keys.get(step, "1"))
            else:
                self.waited += 1
                self.silence()
        self.press("1")
        assert self.ended_normally, self.errors
        self.ring.http.close()


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """A copy of this one, with another style sheet and another script."""
    tree = tmp_path / "next"
    left_out = shutil.ignore_patterns("tests", "docs", ".git", ".venv", "var", "bench", ".*_cache")
    shutil.copytree(ROOT, tree, ignore=left_out, symlinks=True)
    for name in ("site.css", "book.js"):
        with (tree / "web" / "static" / name).open("a") as file:
            file.write("\n/* of the next version */\n")
    return tree


@dataclass
class Nodes:
    town: Town
    base: str
    a: Machine
    b: Machine

    def both(self) -> tuple[Machine, Machine]:
        return self.a, self.b


@pytest.fixture
def nodes(town: Town) -> Nodes:
    parts.require(parts.HAPROXY)
    port, ports = free_port(), (free_port(), free_port())
    town.base = f"http://127.0.0.1:{port}"
    town.env |= {"PUBLIC_BASE_URL": town.base, "PROXY_HOPS": "1"}
    config = town.folder / "haproxy.cfg"
    config.write_text(PROXY.format(port=port, a=ports[0], b=ports[1]))
    proxy = shutil.which("haproxy")
    assert proxy
    made = Nodes(
        town,
        town.base,
        Machine(town, "a", ports[0], town.folder / "a"),
        Machine(town, "b", ports[1], town.folder / "b"),
    )
    town.starts("simulator")
    installs(ROOT, town)
    for machine in made.both():
        machine.starts()
    with (town.folder / "haproxy.log").open("ab") as log:
        town.running["proxy"] = subprocess.Popen(  # noqa: S603
            [proxy, "-db", "-f", str(config)],
            env=town.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for machine in made.both():
        wait_for(partial(answers, machine.port, "/readyz"), machine.name, 90)
    wait_for(lambda: answers(port, "/readyz"), "the proxy")
    return made


def installs(tree: Path, town: Town) -> None:
    """The step before a version is put on machines; without a network it shares what is here."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "assets", "install"],
        cwd=tree,
        env=town.env | {"FLASK_APP": "app.web:create_app"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or "could not be fetched" in done.stderr, done


def holders(town: Town) -> dict[str, str]:
    with town.house.database.statement() as connection:
        found = {one: leases.holder_of(connection, one) for one in (SCHEDULER, DISPATCHER)}
    return {name: one[0] for name, one in found.items() if one}


def texts(town: Town) -> Counter[str]:
    """How many texts the provider has for each number."""
    told: Counter[str] = Counter()
    page: str | None = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize=1000"
    while page:
        found = asks(town, page)
        told.update(one["to"] for one in found["messages"])
        page = found.get("next_page_uri")
    return told


def asks(town: Town, path: str) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", town.simulator_port, timeout=10)
    login = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    try:
        connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
        return json.load(connection.getresponse())  # type: ignore[no-any-return]
    finally:
        connection.close()


def of_pages(machine: Machine) -> dict[str, str]:
    """Addresses of files that its pages name, by the files' names."""
    _, _, page = machine.get("/connexion")
    _, _, public = machine.get("/rendez-vous")
    found = re.findall(r"/assets/([\w.-]+)\?v=([0-9a-f]{12})", (page + public).decode())
    return {name: f"/assets/{name}?v={version}" for name, version in found}


@dataclass
class Day:
    """What became of all calls; `left_behind` is what the server that was replaced had counted."""

    callers: list[Books]
    left_behind: float

    def figures(self) -> list[float]:
        """Print them, and give how long each answer took in seconds."""
        rings = [one.ring for one in self.callers]
        seconds = sorted(one for ring in rings for one in ring.seconds)
        statuses = sum((ring.statuses for ring in rings), Counter())
        print(  # noqa: T201 - the figures of the test
            f"{len(rings)} calls, {len(seconds)} answers, statuses {dict(statuses)},"
            f" {sum(ring.again for ring in rings)} tried again,"
            f" {sum(one.waited for one in self.callers)} times told to stay on the line,"
            f" {sum(one > SLOW for one in seconds)} answers over {SLOW:.0f} s,"
            f" p50 {1000 * seconds[len(seconds) // 2]:.0f} ms,"
            f" p99 {1000 * seconds[len(seconds) * 99 // 100]:.0f} ms, longest {seconds[-1]:.2f} s"
        )
        assert set(statuses) <= {200, 204}
        return seconds


def a_day(nodes: Nodes, next_version: Path) -> Day:
    """All ring, and the first machine is replaced once some have begun."""
    town = nodes.town
    begun, replaced = threading.Semaphore(0), threading.Event()
    callers: list[Books] = []
    left_behind: list[float] = []

    def rings(number: int) -> None:
        # The last ones find the machine with its next version.
        if number >= CALLS - AFTER:
            assert replaced.wait(300)
        caller = Books(town, nodes.base, f"+336120{number:05d}")
        callers.append(caller)
        begun.release()
        caller.books()

    def replace(command: str) -> tuple[int, str]:
        assert command == "replace a"
        installs(next_version, town)
        nodes.a.ends()
        left_behind.append(nodes.a.calls_left_behind())
        nodes.a.tree = next_version
        nodes.a.starts()
        return 0, ""

    with ThreadPoolExecutor(LINES) as lines:
        calls = [lines.submit(rings, number) for number in range(CALLS)]
        try:
            for _ in range(BEFORE):
                assert begun.acquire(timeout=120)
            node = Node("a", f"http://127.0.0.1:{nodes.a.port}")
            Rolling([node], Steps("replace {node}"), run=replace).roll()
        finally:
            replaced.set()
        for call in calls:
            call.result()
    return Day(callers, *left_behind)


def each_call_is_counted_once(nodes: Nodes, day: Day) -> None:
    counts = [day.left_behind, nodes.a.calls_counted(), nodes.b.calls_counted()]
    print(f"calls counted: before {counts[0]:.0f}, {counts[1]:.0f}, {counts[2]:.0f}")  # noqa: T201
    assert sum(counts) == CALLS
    assert min(counts) > 0


def each_machine_gives_the_files_of_both_versions(nodes: Nodes) -> None:
    pages = {machine.name: of_pages(machine) for machine in nodes.both()}
    assert pages["a"]["site.css"] != pages["b"]["site.css"]
    for address in {one for addresses in pages.values() for one in addresses.values()}:
        (one, headers, body), (other, _, same) = (each.get(address) for each in nodes.both())
        assert (one, other, body) == (200, 200, same), address
        assert "immutable" in headers["cache-control"], address


def the_feed_is_the_same_on_both(nodes: Nodes) -> None:
    for machine in nodes.both():
        wait_for(partial(has_feed, machine), f"the feed on {machine.name}", 90)
    outputs = json.loads(nodes.b.get(MANIFEST)[2])["output"]
    paths = [MANIFEST, *(one["url"].removeprefix(nodes.base) for one in outputs)]
    assert len(paths) > 3

    def alike() -> bool:
        return all(
            nodes.a.get(path)[1:] == nodes.b.get(path)[1:] and nodes.a.get(path)[0] == 200
            for path in paths
        )

    wait_for(alike, "the feed is the same on both", 90)


def has_feed(machine: Machine) -> bool:
    return machine.get(MANIFEST)[0] == 200


def each_caller_has_one_text(town: Town) -> None:
    waiting = select(message.c.id).where(message.c.state.in_(("pending", "sending")))
    wait_for(lambda: not rows_of(town.house.database, waiting), "all texts have left", 120)
    told = texts(town)
    assert (len(told), set(told.values())) == (CALLS, {1})


def test_two_hundred_callers_book_while_one_machine_gets_the_next_version(
    nodes: Nodes, next_version: Path
):
    town = nodes.town
    for gid in ("1", "2", "3"):
        town.house.opens_slots(gid, soon(town.house, 30, minutes=30), capacity=8)
    day = a_day(nodes, next_version)
    seconds = day.figures()
    assert len(town.house.bookings()) == CALLS
    assert doubles(town.house.database) == 0
    assert [one for one in seconds if one > SLOW] == []
    each_call_is_counted_once(nodes, day)
    each_machine_gives_the_files_of_both_versions(nodes)
    the_feed_is_the_same_on_both(nodes)
    each_caller_has_one_text(town)


def test_a_scheduler_and_a_dispatcher_hand_over_within_seconds(nodes: Nodes):
    town = nodes.town
    for name in (SCHEDULER, DISPATCHER):
        wait_for(partial(at_work, nodes, name), f"a {name} works")
        (machine,) = at_work(nodes, name)
        process, before = machine.running[name], holders(town)[name]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        wait_for(partial(is_another, town, name, before), f"the other {name} works", 5)


def at_work(nodes: Nodes, name: str) -> list[Machine]:
    """The machines whose scheduler or dispatcher has said that it works."""
    return [
        one
        for one in nodes.both()
        if "works now" in (nodes.town.folder / f"{one.name}-{name}.log").read_text("utf-8")
    ]


def is_another(town: Town, name: str, before: str) -> bool:
    return holders(town)[name] != before
