"""The scheduler process: what must happen without Redis, at its own steady pace.

Every sweep delivers what is due in the outbox itself. A worker that was told may be delivering the
same message: the claim in the database lets one of them through.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import structlog

from jobs import timed
from jobs.timed import Alone, Lead, Task
from models.messages import outbox
from models.slots import places
from models.waiting_list import waiting
from services.booking import stand_in
from services.booking.free_unreached import free_unreached
from services.campaign.campaign import Campaign
from services.messages import late_texts, reminders, spend
from services.messages.deliver_message import (
    FIRST_KINDS,
    KINDS,
    LAST_KINDS,
    NEXT_KINDS,
    PACED,
    UNPACED_KINDS,
    DeliveryDependencies,
    deliver_message,
)
from services.messages.provider_pace import REST, ProviderPace
from services.operations.erase_data import erase_data
from services.operations.leadership import SCHEDULER, Leadership
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
LATE_EVERY = 30
STAND_INS_EVERY = 60
CANCELLATIONS_EVERY = 30
ERASE_EVERY = 3600
_AT_ONCE = 200
_SENDERS = 8
# At a pace, as many as have permits ahead, and most of them only wait.
_MOST_SENDERS = 64
_SWEEP = "sweep"
_FAILED = "failed"
# A message that the sweep had found, and leaves to the next one because this process ends.
_LEFT = "left"
_ALONE = Alone()
_NO_MEANS = DeliveryDependencies()

# A campaign by its name; None where there is none (any more).
CampaignOf = Callable[[str], Campaign | None]
AllCampaigns = Callable[[], Sequence[Campaign]]

log = structlog.get_logger()


def sweep(
    store: Store,
    messenger: Messenger,
    means: DeliveryDependencies = _NO_MEANS,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    senders: int | None = None,
) -> int:
    """Deliver everything that is due, as long as it `goes_on`; gives how many were tried.

    At a pace this takes as long as the texts take. `senders` are threads; None: as many as suit the
    pace.
    """
    pace = means.pace
    if pace is not None and pace.is_set:
        many = senders or min(max(_SENDERS, pace.at_once), _MOST_SENDERS)
        with ThreadPoolExecutor(many, thread_name_prefix="sweep") as threads:
            return _PacedSweep(store, messenger, means, pace, threads).run(goes_on)
    tried = 0

    def deliver(message_id: str) -> str:
        return _deliver(store, messenger, message_id, means) if goes_on() else _LEFT

    with ThreadPoolExecutor(senders or _SENDERS, thread_name_prefix="sweep") as threads:
        while goes_on():
            with store.database.statement() as connection:
                due = outbox.due(connection, store.clock, KINDS, limit=_AT_ONCE)
            results = list(threads.map(deliver, due))
            for message_id, result in zip(due, results, strict=True):
                if result != _LEFT:
                    log.info("delivery", message=message_id, result=result, by="sweep")
            tried += len(due) - results.count(_LEFT)
            # Where none could be tried at all, nor can those behind them.
            if len(due) < _AT_ONCE or set(results) == {_FAILED} or _LEFT in results:
                break
    return tried


@dataclass
class _PacedSweep:
    """One sweep at the provider's pace: as many in hand as have turns ahead, and no more."""

    store: Store
    messenger: Messenger
    means: DeliveryDependencies
    pace: ProviderPace
    threads: Executor
    in_hand: dict[Future[str], str] = field(default_factory=dict)
    # What could not even be tried is left to the next sweep.
    failed: set[str] = field(default_factory=set)

    def run(self, goes_on: Callable[[], bool]) -> int:
        tried, most = 0, self.pace.at_once
        while True:
            # Some are always on their way, or permits would pass while others are looked for.
            found: list[str] = []
            if len(self.in_hand) <= most * 3 // 4 and goes_on():
                found = self._next(most - len(self.in_hand))
                for one in found:
                    self.in_hand[self._begin(one)] = one
                tried += len(found)
            if not self.in_hand:
                return tried
            if PACED in self._finished():
                # Others have the permits. What was put back here is due again by then.
                self.pace.pause(REST)

    def _begin(self, message_id: str) -> Future[str]:
        return self.threads.submit(_deliver, self.store, self.messenger, message_id, self.means)

    def _next(self, room: int) -> list[str]:
        """What is due now, the most urgent first: so many as may become texts, and all others."""
        taken = {*self.in_hand.values(), *self.failed}
        found = self._due(UNPACED_KINDS, _AT_ONCE, taken)
        left = room
        others = () if self.pace.is_full(self.store) else (NEXT_KINDS, LAST_KINDS)
        for kinds in (FIRST_KINDS, *others):
            if left > 0:
                some = self._due(kinds, left, taken)
                left -= len(some)
                found += some
        return found

    def _due(self, kinds: tuple[str, ...], most: int, taken: Collection[str]) -> list[str]:
        limit = most + len(taken)
        # Whoever waits for a text has it in their turn; what is far behind is late already.
        latest = kinds == NEXT_KINDS
        with self.store.database.statement() as connection:
            due = outbox.due(connection, self.store.clock, kinds, limit=limit, latest=latest)
        return [one for one in due if one not in taken][:most]

    def _finished(self) -> set[str]:
        """Wait until one is done; gives what came of all that are."""
        done, _ = wait(self.in_hand, return_when=FIRST_COMPLETED)
        results = set()
        for one in done:
            message_id, result = self.in_hand.pop(one), one.result()
            log.info("delivery", message=message_id, result=result, by="sweep")
            results.add(result)
            if result == _FAILED:
                self.failed.add(message_id)
        return results


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
    *,
    goes_on: Callable[[], bool] = lambda: True,
) -> list[Task]:
    """What happens by itself. A sweep ends between two messages where it no longer `goes_on`."""
    return [
        Task(_SWEEP, SWEEP_EVERY, lambda: sweep(store, messenger, means, goes_on=goes_on)),
        Task("spend", SPEND_EVERY, lambda: spend.watch(store, means.budgets)),
        Task("late", LATE_EVERY, lambda: late_texts.look_after(store, messenger, means)),
        Task("reminders", REMIND_EVERY, lambda: reminders.plan(store, campaigns())),
        Task("cancellations", CANCELLATIONS_EVERY, WatchCancellations(store)),
        Task("stand_ins", STAND_INS_EVERY, lambda: stand_in.look_after(store)),
        # Before the holds that ran out are forgotten: after a pause, some were kept for the next.
        Task("waiting", WAITING_EVERY, lambda: advance(store, campaign_of, campaigns)),
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
    """Work until SIGTERM or SIGINT, or wait until no other scheduler does.

    `more` are slow tasks of other parts.
    """
    stop = timed.stopped_by_signal()
    log.info("scheduler starts")
    lead = Leadership(store, SCHEDULER)

    def goes_on() -> bool:
        return lead.is_ours() and not stop.is_set()

    with lead.kept():
        planned = tasks(store, messenger, campaign_of, means, campaigns, goes_on=goes_on)
        work(planned, stop, more, lead)


def work(
    planned: Sequence[Task],
    stop: threading.Event,
    more: Sequence[Task] = (),
    lead: Lead = _ALONE,
) -> None:
    """Do all of it until `stop`, the sweep and each of `more` beside the other tasks.

    A morning's reminders, or a provider that does not answer, take a sweep longer than offers of
    freed places can wait.
    """
    sweeps = [task for task in planned if task.name == _SWEEP]
    others = [task for task in planned if task.name != _SWEEP]
    with ThreadPoolExecutor(2, thread_name_prefix=_SWEEP) as beside:
        beside.submit(timed.run, sweeps, stop, lead)
        if more:
            beside.submit(timed.run_beside, more, stop, lead)
        try:
            timed.run(others, stop, lead)
        finally:
            stop.set()
