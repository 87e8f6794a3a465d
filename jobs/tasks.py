"""What RQ calls. A job carries ids only; what it needs else is given once, when a worker starts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.ports import Messenger
from services.store import Store

# Of one job's messages so many leave at a time.
SENDERS = 4

log = structlog.get_logger()


@dataclass(frozen=True)
class Ports:
    store: Store
    messenger: Messenger
    means: DeliveryDependencies = field(default_factory=DeliveryDependencies)


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

    if len(message_ids) == 1:
        return [one(message_ids[0])]
    # While one waits for the disk or the provider, another goes on.
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="deliver") as senders:
        return list(senders.map(one, message_ids))
