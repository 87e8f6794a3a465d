"""Where the time of one webhook goes, in one process and one thread: `python -m bench profile`.

The service's application is called directly, with no server in front, on SQLite and on PostgreSQL,
and so is floor (b). Stages are timed by wrapping the functions named in `_STAGES`; what a stage
calls of another stage is taken off it. Wall time includes waiting for the database; CPU time is
this process alone.
"""

from __future__ import annotations

import contextlib
import cProfile
import gc
import io
import itertools
import pstats
import sys
import time

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO
from unittest import mock

import sqlalchemy
import sqlalchemy.engine.default
import werkzeug.wrappers

from flask import Flask
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

import config
import ivr.conversation
import ivr.signature
import ivr.voice
import models.call.turns
import models.prepared
import prompts.catalogue
import wiring
import wiring_parts

from bench import floors, servers, stock, traffic
from exchange.transport import WsgiTransport
from flows.session import Session
from models.crypto import Vault
from services import logs

WARM_CALLS, CALLS = 30, 120
LONE_CALLS, LONE_TURNS = 20, 40
# Enough of a statement to know it by.
STATEMENT_LETTERS = 110
Environ = dict[str, Any]
TextOf = Callable[..., str] | None

# stage, owner, attribute. The order is that of a webhook.
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("signature, form and fields", ivr.signature.SignatureCheck, "read_plain"),
    ("signature: HMAC and compare", ivr.signature.SignatureCheck, "check"),
    ("form parsing", werkzeug.wrappers.Request, "_load_form_data"),
    ("pool: connection out", sqlalchemy.Engine, "connect"),
    ("pool: connection back", sqlalchemy.Connection, "close"),
    ("transaction: begin and commit", sqlalchemy.engine.base.Transaction, "close"),
    ("SQLAlchemy execute", sqlalchemy.Connection, "execute"),
    ("prepared statements", models.prepared.Prepared, "rows"),
    ("prepared statements", models.prepared.Prepared, "count"),
    ("session from and to JSON", Session, "from_json"),
    ("session from and to JSON", Session, "to_json"),
    ("seal and open (AES-GCM)", Vault, "seal"),
    ("seal and open (AES-GCM)", Vault, "open"),
    ("record: building the statement", models.call.turns, "record"),
    ("engine", ivr.conversation, "advance"),
    ("render TwiML", ivr.conversation, "render"),
    ("fill sentences", prompts.catalogue.Catalogue, "say"),
    ("metrics", Counter, "inc"),
    ("metrics", Histogram, "observe"),
    ("metrics", MetricWrapperBase, "labels"),
)
_TRANSACTIONS = ("do_begin", "do_commit", "do_rollback")
_REST = "Flask, Werkzeug, our own glue"


@dataclass
class Stages:
    """Exclusive wall time by stage, in seconds."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    statements: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0.0, 0])
    )
    _open: list[float] = field(default_factory=list)

    def wrap(
        self, stage: str, function: Callable[..., Any], text_of: TextOf = None
    ) -> Callable[..., Any]:
        """Return the function with a timer; `text_of` gives the statement of a call."""
        clock = time.perf_counter

        def timed(*arguments: Any, **named: Any) -> Any:
            self._open.append(0.0)
            started = clock()
            try:
                return function(*arguments, **named)
            finally:
                took = clock() - started
                self.spent[stage] += took - self._open.pop()
                self.calls[stage] += 1
                if self._open:
                    self._open[-1] += took
                if text_of is not None:
                    text = " ".join(text_of(*arguments).split())
                    entry = self.statements[text[:STATEMENT_LETTERS]]
                    entry[0] += took
                    entry[1] += 1

        return timed

    @contextmanager
    def installed(self, driver: str) -> Iterator[None]:
        """Put the timers around every stage while the block lasts."""
        dialect = sqlalchemy.engine.default.DefaultDialect
        plan = models.prepared._Plan  # noqa: SLF001 - where the driver is called
        statements = f"driver and {driver}: statements"
        transactions = f"driver and {driver}: begin, commit, rollback"
        every: list[tuple[str, Any, str, TextOf]] = [
            *((stage, owner, name, None) for stage, owner, name in _STAGES),
            (statements, dialect, "do_execute", lambda _, _cursor, text, *_more: text),
            (statements, plan, "_run", lambda plan, *_: plan.sql),
            *(
                [(statements, plan, "_asked", lambda plan, *_: plan.sql)]
                if driver != servers.SQLITE
                else []
            ),
            *((transactions, dialect, name, None) for name in _TRANSACTIONS),
        ]
        with ExitStack() as stack:
            for stage, owner, name, text_of in every:
                raw = vars(owner)[name]
                if isinstance(raw, classmethod):
                    wrapped: Any = classmethod(self.wrap(stage, raw.__func__, text_of))
                else:
                    wrapped = self.wrap(stage, raw, text_of)
                stack.enter_context(mock.patch.object(owner, name, wrapped))
            log = mock.Mock()
            log.info = self.wrap("log line", ivr.voice.log.info)
            log.error = ivr.voice.log.error
            stack.enter_context(mock.patch.object(ivr.voice, "log", log))
            yield


def environ(raw: bytes) -> Environ:
    """Return what a WSGI server makes of a whole HTTP request."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    method, target, _protocol = first.split(" ")
    path, _, query = target.partition("?")
    headers = Headers(tuple(line.split(": ", 1)) for line in lines)  # type: ignore[misc]
    return EnvironBuilder(
        path, method=method, query_string=query, headers=headers, input_stream=io.BytesIO(body)
    ).get_environ()


def answer(app: Flask, made: Environ) -> bytes:
    status: list[str] = []

    def start_response(line: str, *_more: Any) -> Callable[[bytes], object]:
        status.append(line)
        return bytes

    body = b"".join(app.wsgi_app(made, start_response))
    if not status[0].startswith("200"):
        raise servers.CannotMeasure(f"{made['PATH_INFO']} was answered {status[0]}")
    return body


@dataclass
class Timing:
    """Wall and CPU seconds, and how many requests they are for."""

    wall: float = 0.0
    cpu: float = 0.0
    requests: int = 0

    def line(self, name: str) -> str:
        wall, cpu = (1e6 * spent / max(self.requests, 1) for spent in (self.wall, self.cpu))
        return f"  {name:<34}{wall:9.0f}{cpu:9.0f}"


def timed(app: Flask, requests: Sequence[bytes], into: Sequence[Timing]) -> None:
    """Answer each request, and add what it took to the timing at the same place."""
    for raw, timing in zip(requests, into, strict=True):
        made = environ(raw)
        cpu, wall = time.process_time(), time.perf_counter()
        answer(app, made)
        timing.wall += time.perf_counter() - wall
        timing.cpu += time.process_time() - cpu
        timing.requests += 1


def run(out: TextIO = sys.stdout) -> None:
    """Print the profile for both databases."""
    with (
        servers.workshop() as folder,
        servers.redis(folder) as redis_url,
        (folder / "log").open("w") as log,
        contextlib.redirect_stdout(log),
    ):
        # Loggers keep the stream that they were first used with.
        logs.configure("INFO")
        for kind in (servers.SQLITE, servers.POSTGRES):
            if kind == servers.SQLITE:
                url = f"sqlite:///{folder / 'allo.sqlite3'}"
            else:
                url = servers.postgres_url(folder)
            env = servers.environment(url, redis_url)
            for step in ("migrate", "demo"):
                servers.command(step, environment=env)
            floors.fill(url)
            servers.settle(url)
            _profile(kind, servers.settings(url, redis_url), out)


@dataclass
class Wrapped:
    """Requests answered with the timers on."""

    stages: Stages = field(default_factory=Stages)
    wall: float = 0.0
    requests: int = 0
    answered_bytes: int = 0

    def answer(self, app: Flask, kind: str, requests: Sequence[bytes]) -> None:
        with self.stages.installed(kind):
            for raw in requests:
                made = environ(raw)
                started = time.perf_counter()
                self.answered_bytes += len(answer(app, made))
                self.wall += time.perf_counter() - started
                self.requests += 1

    def lines(self, title: str) -> Iterator[str]:
        each = 1e6 / self.requests
        yield f"  {title}: {self.wall * each:.0f} microseconds per webhook, by stage"
        parts = dict(self.stages.spent)
        parts[_REST] = self.wall - sum(parts.values())
        for stage, seconds in sorted(parts.items(), key=lambda item: -item[1]):
            often = self.stages.calls.get(stage, 0) / self.requests
            share = 100 * seconds / self.wall
            yield f"    {stage:<46}{seconds * each:8.0f}{share:6.1f} %{often:7.1f} x"
        yield "    the statements, microseconds each (not per webhook):"
        for text, (seconds, count) in sorted(
            self.stages.statements.items(), key=lambda item: -item[1][0]
        ):
            yield f"    {1e6 * seconds / count:8.0f}  {count / self.requests:5.2f} x  {text}"


class _Subject:
    """The service's application on one database, and callers for it."""

    def __init__(self, settings: config.Settings) -> None:
        self.app = wiring.make_app(wiring_parts.make_parts(settings))
        postcodes = stock.choose_postcodes(settings.database_url)
        self.pattern = traffic.rehearse(WsgiTransport(self.app), postcodes[0])
        self.signer = traffic.Signer(self.pattern)
        self._callers = traffic.callers(postcodes, seed=1)

    def calls(self, count: int) -> Iterator[list[bytes]]:
        """Whole calls, nothing of them answered yet."""
        return (self.signer.call(caller) for caller in itertools.islice(self._callers, count))

    def turns(self) -> Iterator[list[bytes]]:
        """Lone turns of calls that were brought to the question for the date of birth."""
        for caller in itertools.islice(self._callers, LONE_CALLS):
            for raw in self.signer.start(caller):
                answer(self.app, environ(raw))
            yield self.signer.lone_turns(caller, LONE_TURNS)

    def warm_up(self) -> None:
        for call in self.calls(WARM_CALLS):
            for raw in call:
                answer(self.app, environ(raw))
        gc.collect()


def _profile(kind: str, settings: config.Settings, out: TextIO) -> None:
    subject = _Subject(settings)
    subject.warm_up()
    by_webhook = [Timing() for _ in subject.pattern]
    for call in subject.calls(CALLS):
        timed(subject.app, call, by_webhook)
    lone = Timing()
    for turns in subject.turns():
        timed(subject.app, turns, [lone] * len(turns))
    with mock.patch.object(config, "load", return_value=settings):
        by_floor = [(floors.create_a(), Timing()), (floors.create_b(), Timing())]
    for sample in subject.calls(CALLS):
        for floor, timing in by_floor:
            timed(floor, sample, [timing] * len(sample))
    of_calls, of_turns = Wrapped(), Wrapped()
    for call in subject.calls(CALLS):
        of_calls.answer(subject.app, kind, call)
    for turns in subject.turns():
        of_turns.answer(subject.app, kind, turns)
    lines = [
        f"=== {kind}",
        f"  {'microseconds per webhook':<34}{'wall':>9}{'CPU':>9}",
        *(
            timing.line(f"{number:2d} {webhook.target} {dict(webhook.form).get('Digits', '')}")
            for number, (webhook, timing) in enumerate(
                zip(subject.pattern, by_webhook, strict=True)
            )
        ),
        _together(by_webhook).line("mean of the call"),
        lone.line("lone turn"),
        by_floor[0][1].line("floor (a)"),
        by_floor[1][1].line("floor (b)"),
        f"  answers have {of_calls.answered_bytes / of_calls.requests:.0f} bytes on average",
        "",
        *of_calls.lines(f"{kind}, call"),
        "",
        *of_turns.lines(f"{kind}, lone turn"),
        "",
        f"  {kind}, lone turn, cProfile (which makes Python code look slower than it is)",
        _functions(subject),
    ]
    print("\n".join(lines), file=out, flush=True)


def _together(timings: Sequence[Timing]) -> Timing:
    return Timing(
        sum(timing.wall for timing in timings),
        sum(timing.cpu for timing in timings),
        sum(timing.requests for timing in timings),
    )


def _functions(subject: _Subject) -> str:
    profile = cProfile.Profile()
    for turns in subject.turns():
        for made in [environ(raw) for raw in turns]:
            profile.enable()
            answer(subject.app, made)
            profile.disable()
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text).strip_dirs()
    stats.sort_stats("tottime").print_stats(40)
    stats.sort_stats("cumulative").print_stats(60)
    return text.getvalue()
