"""What RQ calls. A job carries ids only; what it needs else is given once, when a worker starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from services import tracing
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.operations.process_counts import JobCounts
from services.ports import Messenger
from services.store import Store
from services.telemetry import JOBS

# Of one job's messages so many leave at a time.
SENDERS = 4

log = structlog.get_logger()


@dataclass(frozen=True)
class Ports:
    """What a job works with. `counts` begins to count for it; None: nobody reads what is counted.

    A work-horse ends with its job, and what it counted is handed on before that.
    """

    store: Store
    messenger: Messenger
    means: DeliveryDependencies = field(default_factory=DeliveryDependencies)
    counts: Callable[[], JobCounts] | None = None


_ports: list[Ports] = []


class NotReady(Exception):
    """A job ran in a process that was not given its ports."""


def give(ports: Ports) -> None:
    """Called by the composition root before the first job."""
    _ports[:] = [ports]


def deliver(*message_ids: str) -> list[str]:
    """Deliver messages of the outbox; what came of each."""
    if not _ports:
        raise NotReady
    ports = _ports[0]

    def one(message_id: str) -> str:
        result = deliver_message(ports.store, ports.messenger, message_id, ports.means)
        log.info("delivery", message=message_id, result=result, by="worker")
        return result

    with _counted(ports):
        if len(message_ids) == 1:
            return [one(message_ids[0])]
        # While one waits for the disk or the provider, another goes on.
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="deliver") as senders:
            return list(senders.map(one, message_ids))


@contextmanager
def _counted(ports: Ports) -> Iterator[None]:
    """Around a job: what it counts is handed on, whatever comes of it."""
    counts = ports.counts() if ports.counts else None
    result = "failed"
    try:
        with tracing.span("job deliver"):
            yield
        result = "done"
    finally:
        JOBS.labels(result).inc()
        tracing.flush()
        if counts is not None:
            try:
                counts.hand_on()
            except Exception as error:  # noqa: BLE001 (the messages are delivered all the same)
                log.warning("counts lost", error=type(error).__name__)
