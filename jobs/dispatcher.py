"""The dispatcher process: callers to agents, several times a second, without Redis.

Of several one works and the others wait to take over (services.health.leadership). Without any
desks still work by themselves: an agent who says ready gets the next caller at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import timedelta

import structlog

from jobs import timed
from jobs.timed import Task
from models.agents import stored_commands
from services.agents import presence, provider_commands, reserve
from services.agents.ask_after import ask_after
from services.agents.call_back import CallBack
from services.agents.struggling import WRITTEN_EVERY, WriteStruggling
from services.call.end_call import record_call_status
from services.campaign.campaign import Campaign
from services.health.leadership import DISPATCHER, Leadership
from services.ports import CallControl
from services.queue.entries import expire_kept, make_queues
from services.store import Store

# Seconds.
INTENTS_EVERY = 0.25
RESERVE_EVERY = 0.5
UNANSWERED_EVERY = 0.5
PAGES_EVERY = 2
WRAPUPS_EVERY = 1
STRANDED_EVERY = 5
KEPT_EVERY = 5
MACHINES_EVERY = 1
CALLBACKS_EVERY = 10
ASK_AFTER_EVERY = 10
QUEUES_EVERY = 30
FORGET_EVERY = 3600
# Legs and provider commands are of no use once no process asks about the call any more.
FORGET_AFTER = timedelta(days=7)
# Questions to the provider at the same time.
WORKERS = 8

log = structlog.get_logger()


def tasks(
    store: Store,
    control: CallControl,
    campaign: Callable[[], Campaign],
    call_back: CallBack,
    *,
    workers: Executor | None = None,
    more: Sequence[Task] = (),
) -> list[Task]:
    """Everything that happens by itself between callers and agents; `more` is other parts' own."""

    def call_over(call_id: str, status: str) -> bool:
        return record_call_status(
            store,
            campaign(),
            call_id,
            status,
            national_number=call_back.national_number,
            wake_up=call_back.wake_up,
        )

    return [
        Task("intents", INTENTS_EVERY, lambda: provider_commands.sweep(store, control, workers)),
        Task("reserve", RESERVE_EVERY, lambda: reserve.reserve_all(store, control, workers)),
        Task("unanswered", UNANSWERED_EVERY, lambda: reserve.give_up_unanswered(store)),
        Task("pages", PAGES_EVERY, lambda: presence.forget_closed_pages(store)),
        Task("struggling", WRITTEN_EVERY.total_seconds(), WriteStruggling(store)),
        Task("wrapups", WRAPUPS_EVERY, lambda: presence.end_wrapups(store)),
        Task("stranded", STRANDED_EVERY, lambda: presence.free_stranded(store)),
        Task("kept", KEPT_EVERY, lambda: expire_kept(store, campaign())),
        Task("machines", MACHINES_EVERY, lambda: call_back.dial_machines(store, control)),
        Task("callbacks", CALLBACKS_EVERY, lambda: call_back.look_after(store)),
        Task("ask_after", ASK_AFTER_EVERY, lambda: ask_after(store, control, call_over)),
        Task("queues", QUEUES_EVERY, lambda: _make_queues(store, control)),
        Task("forget", FORGET_EVERY, lambda: _forget(store)),
        *more,
    ]


def _make_queues(store: Store, control: CallControl) -> int:
    made, failed = make_queues(store, control)
    if failed:
        log.warning("queues not made", queues=failed)
    return len(made)


def _forget(store: Store) -> int:
    with store.database.transaction() as connection:
        return stored_commands.delete_old(connection, store.clock, FORGET_AFTER)


def run(
    store: Store,
    control: CallControl,
    campaign: Callable[[], Campaign],
    call_back: CallBack,
    more: Sequence[Task] = (),
) -> None:
    """Work until SIGTERM or SIGINT, or wait until no other dispatcher does."""
    stop = timed.stopped_by_signal()
    log.info("dispatcher starts")
    lead = Leadership(store, DISPATCHER)
    with lead.kept(), ThreadPoolExecutor(WORKERS, thread_name_prefix="ask") as workers:
        planned = tasks(store, control, campaign, call_back, workers=workers, more=more)
        timed.run_beside(planned, stop, lead)
