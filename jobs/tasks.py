"""What RQ calls. A job carries nothing; what it needs is given once, when a worker starts.

RQ forks for each job, which costs far more than a text does. So a job delivers all that is due, and
stays for a while for what is stored after it has looked: forks follow time and not texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol

import structlog

from jobs.relay import Relay
from services import tracing
from services.health.process_counts import SIGN_EVERY, JobCounts
from services.messages.deliver_message import DeliveryDependencies
from services.messages.take_messages import LAST_KINDS
from services.ports import Messenger
from services.store import Store
from services.telemetry import JOBS

# Of a job's messages so many leave at a time, where the provider's pace allows it: a text takes a
# few milliseconds of a processor, and twenty times as long at the provider.
SENDERS: Final = 16
# It has so many in hand: a worker that is killed leaves them for the length of a lease.
MOST_IN_HAND: Final = 24
# Seconds. After so long a job takes no more: what its process may hoard is gone with it. It ends
# before that where no wake-up came for a while. jobs.queues.JOB_TIMEOUT is longer.
STAYS: Final = 30.0
LINGERS: Final = 5.0

log = structlog.get_logger()


class WakeUps(Protocol):
    """Wake-ups that wait in the queue (jobs.queues.WaitingWakeUps)."""

    def take(self) -> bool: ...

    def wait(self, seconds: float, goes_on: Callable[[], bool]) -> bool: ...

    def pass_on(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Ports:
    """What a job works with. `counts` begins to count for it; None: nobody reads what is counted.

    A work-horse ends with its job, and what it counted is handed on before that. `wake_ups` opens
    its own connection to the queue; None: a job delivers what is due and does not stay.
    """

    store: Store
    messenger: Messenger
    means: DeliveryDependencies = field(default_factory=DeliveryDependencies)
    counts: Callable[[], JobCounts] | None = None
    wake_ups: Callable[[], WakeUps] | None = None


_ports: list[Ports] = []
# Not empty when this process was told to end. A signal's handler may append to a list at any time.
_ending: list[bool] = []


class NotReady(Exception):
    """A job ran in a process that was not given its ports."""


def give(ports: Ports) -> None:
    """Called by the composition root before the first job."""
    _ports[:] = [ports]


def end_soon() -> None:
    """The process is told to end: its job takes no more, and finishes what it has begun."""
    _ending.append(True)


def deliver(*_message_ids: str) -> int:
    """Deliver what is due in the outbox, and what is stored meanwhile; gives how many were tried.

    Jobs of an earlier version have ids, which are due like all others. What many people are told at
    one moment is left to the schedulers, so that nobody who waits for a text stands behind it.
    """
    if not _ports:
        raise NotReady
    ports, until = _ports[0], monotonic() + STAYS

    def goes_on() -> bool:
        return not _ending and monotonic() < until

    with _counted(ports) as counts, ThreadPoolExecutor(SENDERS, "deliver") as threads:
        relay = Relay(
            ports.store,
            ports.messenger,
            ports.means,
            threads,
            MOST_IN_HAND,
            but=LAST_KINDS,
            by="worker",
        )
        if ports.wake_ups is None:
            return relay.run(goes_on)
        with closing(ports.wake_ups()) as wake_ups:
            return _stay(relay, wake_ups, counts, goes_on)


def _stay(relay: Relay, wake_ups: WakeUps, counts: _Counts, goes_on: Callable[[], bool]) -> int:
    """Deliver until nobody asks for anything more, or the job has stayed for long enough."""

    def is_told() -> bool:
        counts.hand_on_at_times()
        return wake_ups.take()

    relay.is_told = is_told
    tried = relay.run(goes_on)
    while not relay.is_hopeless and wake_ups.wait(LINGERS, goes_on):
        # Once it was taken, nobody else will look for its text.
        relay.may_be_more = True
        tried += relay.run(goes_on)
        counts.hand_on_at_times()
    if relay.may_be_more and not relay.is_hopeless:
        wake_ups.pass_on()
    return tried


class _Counts:
    """What a job counts, handed on at times and at its end. `begun` None: nobody reads it."""

    def __init__(self, begun: JobCounts | None) -> None:
        self._begun = begun
        self._next_at = monotonic() + SIGN_EVERY

    def hand_on_at_times(self) -> None:
        """Hand it on, where that was not done for a while."""
        if monotonic() >= self._next_at:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand it on; the messages are delivered whatever comes of that."""
        self._next_at = monotonic() + SIGN_EVERY
        if self._begun is None:
            return
        try:
            self._begun.hand_on()
        except Exception as error:  # noqa: BLE001 (see above)
            log.warning("counts lost", error=type(error).__name__)


@contextmanager
def _counted(ports: Ports) -> Iterator[_Counts]:
    """Around a job: what it counts is handed on, whatever comes of it."""
    counts = _Counts(ports.counts() if ports.counts else None)
    result = "failed"
    try:
        with tracing.span("job deliver"):
            yield counts
        result = "done"
    finally:
        JOBS.labels(result).inc()
        tracing.flush()
        counts.hand_on()
