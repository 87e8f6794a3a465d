"""Tasks that a process does at their own steady pace, whatever goes wrong in one of them."""

from __future__ import annotations

import signal
import threading
import time

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from services import tracing
from services.telemetry import TASK_SECONDS, TASKS

# Between two looks at what is due, in seconds, at the least.
_LOOK = 0.05
# Seconds; the process manager that stops the process waits ten.
GRACE = 5.0
# Seconds until a process that does not work looks again whether it does now.
_ASK = 0.25

log = structlog.get_logger()


@dataclass
class Task:
    """Something done every so many seconds; a failure is logged and tried again next time.

    `notes_outages`: it is done as well where the store does not answer, to note that. `is_shared`:
    it is done by each process of a kind, whichever of them works.
    """

    name: str
    every: float
    do: Callable[[], int]
    next_at: float = field(default=0.0)
    notes_outages: bool = False
    is_shared: bool = False


class Lead(Protocol):
    """Whether this process works, where several of its kind run."""

    def is_ours(self) -> bool: ...

    def lost_by_silence(self) -> bool: ...


def _may_do(task: Task, lead: Lead) -> bool:
    may_always = task.is_shared or (task.notes_outages and lead.lost_by_silence())
    return may_always or lead.is_ours()


def _seconds_to_wait(planned: Sequence[Task], lead: Lead) -> float:
    if not lead.is_ours():
        return _ASK
    return max(_LOOK, min(task.next_at for task in planned) - time.monotonic())


def run_once(task: Task) -> None:
    """Do a task; whatever goes wrong, the process lives on."""
    began = time.monotonic()
    try:
        with tracing.span(f"task {task.name}"):
            done = task.do()
    except Exception as error:  # noqa: BLE001 (the next round tries again)
        TASKS.labels(task.name, "failed").inc()
        log.error("task failed", task=task.name, error=type(error).__name__)
    else:
        TASKS.labels(task.name, "done").inc()
        log.debug("task done", task=task.name, done=done)
    finally:
        TASK_SECONDS.labels(task.name).inc(time.monotonic() - began)


def stopped_by_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    stops_by_signal(stop)
    return stop


def stops_by_signal(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT set `stop`, whatever they did before."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())


def run(planned: Sequence[Task], stop: threading.Event, lead: Lead) -> None:
    """Do them one after the other until `stop`, while this process is the one that works."""
    while not stop.is_set():
        now = time.monotonic()
        for task in planned:
            if task.next_at <= now and not stop.is_set() and _may_do(task, lead):
                run_once(task)
                task.next_at = time.monotonic() + task.every
        stop.wait(_seconds_to_wait(planned, lead))


def run_beside(planned: Sequence[Task], stop: threading.Event, lead: Lead) -> None:
    """Do each in a thread of its own until `stop`: one that is slow holds up no other.

    Nor does it hold up the end of the process, which waits `GRACE` seconds for all of them.
    """
    running: dict[str, threading.Thread] = {}
    while not stop.is_set():
        now = time.monotonic()
        for task in planned:
            busy = running.get(task.name)
            is_due = task.next_at <= now and (busy is None or not busy.is_alive())
            if is_due and _may_do(task, lead):
                # A daemon: an executor's threads are waited for at exit, however long they take.
                thread = threading.Thread(
                    target=run_once, args=(task,), name=f"task {task.name}", daemon=True
                )
                thread.start()
                running[task.name] = thread
                task.next_at = now + task.every
        stop.wait(_seconds_to_wait(planned, lead))
    until = time.monotonic() + GRACE
    for thread in running.values():
        thread.join(max(0.0, until - time.monotonic()))
