"""What RQ calls. A job carries nothing; what it needs is given once, when a worker starts.

A job delivers all that is due and what is stored meanwhile, and ends where nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from jobs.relay import Relay
from services import tracing
from services.messages.deliver_message import DeliveryDependencies
from services.messages.take_messages import LAST_KINDS
from services.ports import Messenger
from services.store import Store
from services.supervision.alerts import note_strange_jobs
from services.telemetry import JOBS

# Of a job's messages so many leave at a time, where the provider's pace allows it: a text takes a
# few milliseconds of a processor, and twenty times as long at the provider.
SENDERS: Final = 16
# It has so many in hand: a worker that is killed leaves them for the length of a lease.
MOST_IN_HAND: Final = 24
# Seconds. After so long a job takes no more, and another goes on: RQ looks after its worker between
# two jobs. jobs.queues.JOB_TIMEOUT is longer.
STAYS: Final = 30.0


@dataclass(frozen=True)
class Ports:
    """What a job works with. `pass_on` lets another job go on where this one ends before all left.

    Without it, what is left waits for the next wake-up or sweep.
    """

    store: Store
    messenger: Messenger
    means: DeliveryDependencies = field(default_factory=DeliveryDependencies)
    pass_on: Callable[[], object] = lambda: None


_ports: list[Ports] = []
# Not empty when this process was told to end. A signal's handler may append to a list at any time.
_ending: list[bool] = []


class NotReady(Exception):
    """A job ran in a process that was not given its ports."""


def give(ports: Ports) -> None:
    """Called by the composition root before the first job."""
    _ports[:] = [ports]


def refuse(count: int) -> None:
    """So many jobs in Redis were none of ours: they are counted, and supervisors are alerted.

    The alert lasts until a supervisor looks after it.
    """
    JOBS.labels("refused").inc(count)
    for ports in _ports:
        note_strange_jobs(ports.store, count)


def end_soon() -> None:
    """The process is told to end: its job takes no more, and finishes what it has begun."""
    _ending.append(True)


def deliver(*_message_ids: str) -> int:
    """Deliver what is due in the outbox, and what is stored meanwhile; gives how many were tried.

    Jobs of an earlier version have ids, which are due like all others. What many people are told at
    one moment is left to the schedulers, so that no text for which a person waits stands behind it.
    """
    if not _ports:
        raise NotReady
    ports, until = _ports[0], monotonic() + STAYS

    def goes_on() -> bool:
        return not _ending and monotonic() < until

    with _counted(), _senders() as threads:
        relay = Relay(
            ports.store,
            ports.messenger,
            ports.means,
            threads,
            MOST_IN_HAND,
            but=LAST_KINDS,
            by="worker",
        )
        tried = relay.run(goes_on)
    if relay.may_be_more and not relay.is_hopeless:
        ports.pass_on()
    return tried


@contextmanager
def _senders() -> Iterator[ThreadPoolExecutor]:
    """Threads that deliver. A job that ran out of its time does not wait for one that hangs."""
    threads = ThreadPoolExecutor(SENDERS, "deliver")
    try:
        yield threads
    finally:
        threads.shutdown(wait=False)


@contextmanager
def _counted() -> Iterator[None]:
    """Around a job: it is counted, whatever comes of it."""
    result = "failed"
    try:
        with tracing.span("job deliver"):
            yield
        result = "done"
    finally:
        JOBS.labels(result).inc()
