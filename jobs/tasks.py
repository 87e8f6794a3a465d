"""What RQ calls. A job carries ids only; what it needs else is given once, when a worker starts."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.deliver_message import deliver_message
from services.ports import Messenger
from services.store import Store

log = structlog.get_logger()


@dataclass(frozen=True)
class Ports:
    store: Store
    messenger: Messenger


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
    results = []
    for message_id in message_ids:
        result = deliver_message(ports.store, ports.messenger, message_id)
        log.info("delivery", message=message_id, result=result, by="worker")
        results.append(result)
    return results
