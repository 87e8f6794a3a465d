"""The scheduler process: what must happen without Redis, at its own steady pace.

Every sweep delivers what is due in the outbox itself. A worker that was told may be delivering the
same message: the claim in the database lets one of them through.
"""

from __future__ import annotations

import threading

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import structlog

from jobs import timed
from jobs.timed import Alone, Lead, Task
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
    InHand,
    deliver_taken,
    leave,
    take_due,
)
from services.messages.provider_pace import REST, ProviderPace
from services.operations.days_of_turns import make_ahead
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
DAYS_EVERY = 600
ERASE_EVERY = 3600
_AT_ONCE = 200
_SENDERS = 8
# For each of them so many messages are taken at a time, where there is no pace.
_IN_HAND = 3
# At a pace, as many as have permits ahead, and most of them only wait.
_MOST_SENDERS = 64
_SWEEP, _REMINDERS = "sweep", "reminders"
# What takes longer than the other tasks can wait: each has a thread of its own.
_LONG = (_SWEEP, _REMINDERS)
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

    Several processes may do so at once: each takes what no other has. At a pace this takes as long
    as the texts take. `senders` are threads; None: as many as suit the pace.
    """
    pace = means.pace if means.pace is not None and means.pace.is_set else None
    many = senders or _SENDERS
    if pace is not None and not senders:
        many = min(max(_SENDERS, pace.at_once), _MOST_SENDERS)
    with ThreadPoolExecutor(many, thread_name_prefix="sweep") as threads:
        most = pace.at_once if pace is not None else many * _IN_HAND
        return _Sweep(store, messenger, means, pace, most, threads).run(goes_on)


@dataclass
class _Sweep:
    """One sweep: `most` messages in hand at a time, those that its threads deliver now or next.

    At the provider's pace as many as have turns ahead, and no more.
    """

    store: Store
    messenger: Messenger
    means: DeliveryDependencies
    pace: ProviderPace | None
    most: int
    threads: Executor
    in_hand: dict[Future[str], InHand] = field(default_factory=dict)
    # Where none of as many as are in hand could be tried, nor can those behind them.
    failed: int = 0
    worked: bool = False
    # Those that cannot be opened: tried, and put aside.
    unreadable: list[str] = field(default_factory=list)

    def run(self, goes_on: Callable[[], bool]) -> int:
        tried, left = 0, list[InHand]()
        while True:
            before = len(self.unreadable)
            # Some are always on their way, or permits would pass while others are looked for.
            if len(self.in_hand) <= self._low and goes_on() and not self._is_hopeless:
                found = self._next(self.most - len(self.in_hand))
                for one in found:
                    self.in_hand[self.threads.submit(self._deliver, one, goes_on)] = one
                tried += len(found)
            if not self.in_hand and len(self.unreadable) > before:
                # Behind them there may be others.
                continue
            if not self.in_hand:
                leave(self.store, left)
                return tried + len(self.unreadable) - len(left)
            paced = self._finished(left)
            if paced and self.pace is not None:
                # Others have the permits. What was put back here is due again by then.
                self.pace.pause(REST)

    @property
    def _is_hopeless(self) -> bool:
        return not self.worked and self.failed >= self.most

    @property
    def _low(self) -> int:
        return self.most * 3 // 4 if self.pace is not None else self.most // 2

    def _next(self, room: int) -> list[InHand]:
        """Take what is due now; at a pace the most urgent first: so many as may become texts."""
        pace = self.pace
        if pace is None:
            return self._take(KINDS, room)
        # No more than are begun before their leases end: an order at a partner may take long.
        found = self._take(UNPACED_KINDS, _SENDERS * _IN_HAND)
        others = () if pace.is_full(self.store) else (NEXT_KINDS, LAST_KINDS)
        for kinds in (FIRST_KINDS, *others):
            if room > 0:
                # Whoever waits for a text has it in their turn; what is far behind is late already.
                latest = kinds == NEXT_KINDS
                some = self._take(kinds, room, latest=latest)
                room -= len(some)
                found += some
        return found

    def _take(self, kinds: Sequence[str], limit: int, *, latest: bool = True) -> list[InHand]:
        return take_due(self.store, kinds, limit=limit, latest=latest, unreadable=self.unreadable)

    def _deliver(self, one: InHand, goes_on: Callable[[], bool]) -> str:
        """What came of one message; whatever goes wrong with it, all others leave."""
        if not goes_on():
            return _LEFT
        try:
            return deliver_taken(self.store, self.messenger, one, self.means)
        except Exception as error:  # noqa: BLE001 (when its lease is over, it is tried again)
            log.error("delivery failed", message=one.message.id, error=type(error).__name__)
            return _FAILED

    def _finished(self, left: list[InHand]) -> bool:
        """Wait until one is done; gives whether any had no permit, and what was `left`."""
        done, _ = wait(self.in_hand, return_when=FIRST_COMPLETED)
        is_paced = False
        for one in done:
            message, result = self.in_hand.pop(one), one.result()
            if result == _LEFT:
                left.append(message)
                continue
            log.info("delivery", message=message.message.id, result=result, by="sweep")
            self.failed += result == _FAILED
            self.worked |= result != _FAILED
            is_paced |= result == PACED
        return is_paced


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
    """What happens by itself. A sweep ends between two messages where it no longer `goes_on`.

    Messages, and the parts of a day of reminders, are shared by all schedulers. With SQLite, which
    has one writer at a time, one does it all.
    """
    is_shared = not store.database.is_sqlite

    def sweeps() -> int:
        return sweep(store, messenger, means, goes_on=goes_on)

    def plans() -> int:
        return reminders.plan(store, campaigns(), goes_on=goes_on)

    return [
        Task(_SWEEP, SWEEP_EVERY, sweeps, is_shared=is_shared),
        Task(_REMINDERS, REMIND_EVERY, plans, is_shared=is_shared),
        Task("spend", SPEND_EVERY, lambda: spend.watch(store, means.budgets)),
        Task("late", LATE_EVERY, lambda: late_texts.look_after(store, messenger, means)),
        Task("cancellations", CANCELLATIONS_EVERY, WatchCancellations(store)),
        Task("stand_ins", STAND_INS_EVERY, lambda: stand_in.look_after(store)),
        # Before the holds that ran out are forgotten: after a pause, some were kept for the next.
        Task("waiting", WAITING_EVERY, lambda: advance(store, campaign_of, campaigns)),
        Task("unreached", UNREACHED_EVERY, lambda: free_unreached(store, campaign_of)),
        Task("clusters", CLUSTERS_EVERY, lambda: find_clusters(store, store.cluster_size)),
        Task("tidy", TIDY_EVERY, lambda: tidy(store, campaigns)),
        Task("days", DAYS_EVERY, lambda: make_ahead(store)),
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
    """Work until SIGTERM or SIGINT; where another scheduler works, only do what both share.

    `more` are slow tasks of other parts.
    """
    stop = timed.stopped_by_signal()
    log.info("scheduler starts")
    lead = Leadership(store, SCHEDULER)

    def goes_on() -> bool:
        return not stop.is_set() and (not store.database.is_sqlite or lead.is_ours())

    with lead.kept():
        planned = tasks(store, messenger, campaign_of, means, campaigns, goes_on=goes_on)
        work(planned, stop, more, lead)


def work(
    planned: Sequence[Task],
    stop: threading.Event,
    more: Sequence[Task] = (),
    lead: Lead = _ALONE,
) -> None:
    """Do all of it until `stop`, the sweep, the reminders and each of `more` beside the others.

    A morning's reminders, or a provider that does not answer, take a sweep longer than offers of
    freed places can wait; and so does planning a nation's day of them.
    """
    alone = [[task] for task in planned if task.name in _LONG]
    others = [task for task in planned if task.name not in _LONG]
    with ThreadPoolExecutor(len(alone) + 1, thread_name_prefix=_SWEEP) as beside:
        for task in alone:
            beside.submit(timed.run, task, stop, lead)
        if more:
            beside.submit(timed.run_beside, more, stop, lead)
        try:
            timed.run(others, stop, lead)
        finally:
            stop.set()
