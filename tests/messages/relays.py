"""Relays that live half a second: a worker and a sweep, killed without warning and begun anew.

A program of its own, for nobody catches SIGKILL: `python -m tests.messages.relays <lease seconds>`,
with the settings of the service in its environment. It ends when its standard input does. Lines of
its output count what was killed.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Never

from rq import SimpleWorker
from rq.serializers import JSONSerializer

import config

from app.parts import make_parts
from commands.register import make_ports
from jobs.queues import connect, outbox_queue
from jobs.relay import sweep
from jobs.tasks import Ports, deliver, give
from services import logs
from services.messages import deliver_message

LIFE = 0.5
BETWEEN_SWEEPS = 0.1


def _works(redis_url: str) -> None:
    redis = connect(redis_url)
    worker = SimpleWorker([outbox_queue(redis)], connection=redis, serializer=JSONSerializer)
    worker.work(logging_level="ERROR")


def _sweeps(ports: Ports) -> None:
    over: list[object] = []
    while not over:
        sweep(ports.store, ports.messenger, ports.means)
        over, _, _ = select.select([sys.stdin], [], [], BETWEEN_SWEEPS)


def _begin(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        _child(work)
    return child


def _child(work: Callable[[], None]) -> Never:
    try:
        work()
    finally:
        # Whatever goes wrong in one of them, the next begins anew.
        os._exit(1)


def main(lease: float) -> None:
    logs.configure("ERROR")
    deliver_message.LEASE = timedelta(seconds=lease)
    settings = config.load()
    parts = make_parts(settings)
    ports = make_ports(settings, parts.store, parts.service)
    give(ports)
    # Half a second is short: statements are written once, and each relay opens connections of its
    # own. No thread may live when they are begun.
    sweep(ports.store, ports.messenger, ports.means)
    deliver()
    for engine in ports.store.database.engines:
        engine.dispose()
    killed = 0
    while True:
        children = [
            _begin(partial(_works, settings.redis_url)),
            _begin(partial(_sweeps, ports)),
        ]
        over, _, _ = select.select([sys.stdin], [], [], LIFE)
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
        if over:
            sys.stdout.write(f"{killed}\n")
            return


if __name__ == "__main__":
    main(float(sys.argv[1]))
