"""The only jobs that a worker does: functions of a closed list, by name, with checked arguments.

RQ calls what a job's name says, and its callbacks, whatever module that is of. A person who can
write to Redis must not be able to run code, so of what Redis says of a job only the function's name
and its arguments are read, and compared with `FUNCTIONS`. How long it may take and what follows it
stands here and is never read.

A job that is none of ours is removed from Redis, counted and raises the alert `strange_jobs`.
"""

from __future__ import annotations

import json
import zlib

from collections.abc import Callable, Mapping
from typing import Any, Final, Never

import structlog

from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.utils import str_to_date

from jobs import tasks
from jobs.queues import DELIVER, FAILURE_TTL, JOB_TIMEOUT, outbox_queue, pass_on

FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {DELIVER: tasks.deliver}
# Jobs of an earlier version name the messages that they are for: a version's ids have 32 letters.
MOST_ARGUMENTS, LONGEST_ARGUMENT = 100, 64
# Bytes of a job's packed and unpacked data: ours have some forty.
MOST_BYTES: Final = 16 * 1024
# Jobs that may wait at once: one is enough however much is due, and web workers that ask in the
# same moment put one each. Beyond it the list is filled by others, and is removed as a whole.
MOST_WAITING: Final = 200

log = structlog.get_logger()


class StrangeJob(ValueError):
    """What Redis says is no job of ours."""


class ClosedJob(Job):
    """A job as RQ knows it, of which only what `FUNCTIONS` allows is read from Redis."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read the job. Raises NoSuchJobError, which RQ passes over, for one that is none of ours.

        RQ reads every job by this: one that it is to do, and one that a dead worker has left.
        """
        try:
            name, arguments = called(raw_data)
            enqueued_at = raw_data.get(b"enqueued_at")
            self.enqueued_at = str_to_date(enqueued_at) if enqueued_at else None
            status = raw_data.get(b"status", b"queued").decode("ascii")
            self._status = JobStatus(status)
        except ValueError as error:
            self._refuse(error)
        self.data = json.dumps([name, None, arguments, {}]).encode()
        self.origin = outbox_queue(self.connection).name
        self.description = name
        self.timeout, self.result_ttl, self.failure_ttl = JOB_TIMEOUT, 0, FAILURE_TTL

    @property
    def func(self) -> Callable[..., Any]:
        """What is called. Raises KeyError for a name that is not on the list."""
        return FUNCTIONS[str(self.func_name)]

    def _refuse(self, error: ValueError) -> Never:
        outbox = outbox_queue(self.connection)
        refused = 1
        if outbox.count > MOST_WAITING:
            refused += outbox.count
            self.connection.unlink(outbox.key)
            # One of ours may have been among them.
            pass_on(outbox)
        self.connection.unlink(self.key)
        self.connection.lrem(outbox.intermediate_queue_key, 0, self.id)
        log.error("strange job", refused=refused, why=str(error))
        tasks.refuse(refused)
        raise NoSuchJobError(self.id) from error


def called(stored: Mapping[bytes, bytes]) -> tuple[str, list[str]]:
    """The function of a stored job, and its arguments. Raises StrangeJob, with none of them."""
    packed = stored.get(b"data", b"")
    if len(packed) > MOST_BYTES:
        raise StrangeJob("too long")
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(packed, MOST_BYTES)
        parts = json.loads(data)
    except (zlib.error, ValueError, RecursionError):
        raise StrangeJob("not readable") from None
    try:
        name, instance, arguments, named = parts
    except (TypeError, ValueError):
        raise StrangeJob("not of the form that RQ stores") from None
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise StrangeJob("a function that is not on the list")
    if (
        unpacking.unconsumed_tail
        or instance is not None
        or named
        or not isinstance(arguments, list)
    ):
        raise StrangeJob("other arguments")
    if len(arguments) > MOST_ARGUMENTS or not all(_is_id(argument) for argument in arguments):
        raise StrangeJob("other arguments")
    return name, arguments


def _is_id(argument: object) -> bool:
    return isinstance(argument, str) and len(argument) <= LONGEST_ARGUMENT and argument.isalnum()
