"""The scheduler process: what must happen without Redis, at its own steady pace.

Every sweep delivers what is due in the outbox itself. A worker that was told may be delivering the
same message: the claim in the database lets one of them through.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from jobs import timed
from jobs.timed import Task
from models.messages import outbox
from models.slots import places
from models.waiting_list import waiting
from services.booking import stand_in
from services.booking.free_unreached import free_unreached
from services.campaign.campaign import Campaign
from services.messages import reminders, spend
from services.messages.deliver_message import KINDS, DeliveryDependencies, deliver_message
from services.operations.erase_data import erase_data
from services.operations.signs import SCHEDULER, SIGN_EVERY, give_sign
from services.ports import Messenger
from services.slots.freed_slot_offers import SlotReleaseNotifier
from services.store import Store
from services.supervision.cancel_freeze import WatchCancellations
from services.supervision.clusters import find_clusters
from services.waiting_list.entries import advance

# Seconds. With the lease of 25 a message is late by 45 at most when its worker dies.
SWEEP_EVERY = 15
TIDY_EVERY = 5
WAITING_EVERY = 3
SPEND_EVERY = 20
UNREACHED_EVERY = 60
CLUSTERS_EVERY = 180
REMIND_EVERY = 60
STAND_INS_EVERY = 60
CANCELLATIONS_EVERY = 30
ERASE_EVERY = 3600
_AT_ONCE = 200
_SENDERS = 8
_SWEEP = "sweep"
_FAILED = "failed"
_NO_MEANS = DeliveryDependencies()

# A campaign by its name; None where there is none (any more).
CampaignOf = Callable[[str], Campaign | None]
AllCampaigns = Callable[[], Sequence[Campaign]]

log = structlog.get_logger()


def sweep(store: Store, messenger: Messenger, means: DeliveryDependencies = _NO_MEANS) -> int:
    """Deliver everything that is due; gives how many were tried."""
    tried = 0
    with ThreadPoolExecutor(_SENDERS, thread_name_prefix="sweep") as senders:
        while True:
            with store.database.statement() as connection:
                due = outbox.due(connection, store.clock, KINDS, limit=_AT_ONCE)
            results = list(senders.map(lambda one: _deliver(store, messenger, one, means), due))
            for message_id, result in zip(due, results, strict=True):
                log.info("delivery", message=message_id, result=result, by="sweep")
            tried += len(due)
            # Where none could be tried at all, nor can those behind them.
            if len(due) < _AT_ONCE or set(results) == {_FAILED}:
                return tried


def _deliver(
    store: Store, messenger: Messenger, message_id: str, means: DeliveryDependencies
) -> str:
    """What came of one message; whatever goes wrong with it, all others leave."""
    try:
        return deliver_message(store, messenger, message_id, means)
    except Exception as error:  # noqa: BLE001 (the next sweep tries again)
        log.error("delivery failed", message=message_id, error=type(error).__name__)
        return _FAILED


def tidy(store: Store, campaigns: AllCampaigns = tuple) -> int:
    """Forget holds that ran out, and give back what an ended call still holds.

    What nobody took since is offered to those who wait, for others look for it all the time.
    """
    with store.database.transaction() as connection:
        freed = places.forget_ended(connection, store.clock)
        if freed and waiting.anybody(connection):
            waits = SlotReleaseNotifier(store, campaigns)
            for start in range(0, len(freed), _AT_ONCE):
                waits.offer(connection, freed[start : start + _AT_ONCE])
        return len(freed)


def tasks(
    store: Store,
    messenger: Messenger,
    campaign_of: CampaignOf,
    means: DeliveryDependencies = _NO_MEANS,
    campaigns: AllCampaigns = tuple,
) -> list[Task]:
    return [
        Task(_SWEEP, SWEEP_EVERY, lambda: sweep(store, messenger, means)),
        # In their row, so that it stops where one of them does not end.
        Task("sign", SIGN_EVERY, lambda: give_sign(store, SCHEDULER)),
        Task("spend", SPEND_EVERY, lambda: spend.watch(store, means.budgets)),
        Task("reminders", REMIND_EVERY, lambda: reminders.plan(store, campaigns())),
        Task("cancellations", CANCELLATIONS_EVERY, WatchCancellations(store)),
        Task("stand_ins", STAND_INS_EVERY, lambda: stand_in.look_after(store)),
        # Before the holds that ran out are forgotten: after a pause, some were kept for the next.
        Task("waiting", WAITING_EVERY, lambda: advance(store, campaign_of)),
        Task("unreached", UNREACHED_EVERY, lambda: free_unreached(store, campaign_of)),
        Task("clusters", CLUSTERS_EVERY, lambda: find_clusters(store, store.cluster_size)),
        Task("tidy", TIDY_EVERY, lambda: tidy(store, campaigns)),
        Task("erase", ERASE_EVERY, lambda: sum(erase_data(store).values())),
    ]


def run(  # noqa: PLR0917 (what the process is made of)
    store: Store,
    messenger: Messenger,
    campaign_of: CampaignOf,
    means: DeliveryDependencies,
    campaigns: AllCampaigns,
    more: Sequence[Task] = (),
) -> None:
    """Work until SIGTERM or SIGINT. `more` are slow tasks of other parts."""
    stop = timed.stopped_by_signal()
    log.info("scheduler starts")
    work(tasks(store, messenger, campaign_of, means, campaigns), stop, more)


def work(planned: Sequence[Task], stop: threading.Event, more: Sequence[Task] = ()) -> None:
    """Do all of it until `stop`, the sweep and each of `more` beside the other tasks.

    A morning's reminders, or a provider that does not answer, take a sweep longer than offers of
    freed places can wait.
    """
    sweeps = [task for task in planned if task.name == _SWEEP]
    others = [task for task in planned if task.name != _SWEEP]
    with ThreadPoolExecutor(2, thread_name_prefix=_SWEEP) as beside:
        beside.submit(timed.run, sweeps, stop)
        if more:
            beside.submit(timed.run_beside, more, stop)
        try:
            timed.run(others, stop)
        finally:
            stop.set()
