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
from jobs.relay import sweep
from jobs.timed import Lead, Task
from models.slots import places
from services.booking import close_pairs, stand_in
from services.campaign.campaign import Campaign
from services.centre_day.watch_hours import WatchHours
from services.health.leadership import SCHEDULER, Leadership
from services.messages import late_texts, reminders, spend
from services.messages.deliver_message import DeliveryDependencies
from services.ports import Messenger
from services.privacy.days_of_turns import make_ahead
from services.privacy.erase_data import erase_data
from services.store import Store
from services.supervision.booking_pace import WatchBookings
from services.supervision.cancel_freeze import WatchCancellations
from services.supervision.clusters import find_clusters
from services.supervision.guessing import WatchLookUps
from services.waiting_list.entries import advance

# Seconds. With the lease of 25 a message is late by 45 at most when its worker dies.
SWEEP_EVERY = 15
TIDY_EVERY = 5
WAITING_EVERY = 3
SPEND_EVERY = 20
CLUSTERS_EVERY = 30
REMIND_EVERY = 60
LATE_EVERY = 30
STAND_INS_EVERY = 60
CLOSE_PAIRS_EVERY = 30
CANCELLATIONS_EVERY = 30
LOOK_UPS_EVERY = 30
BOOKINGS_EVERY = 20
HOURS_EVERY = 600
DAYS_EVERY = 600
ERASE_EVERY = 3600
_SWEEP, _REMINDERS = "sweep", "reminders"
# What takes longer than the other tasks can wait: each has a thread of its own.
_LONG = (_SWEEP, _REMINDERS)
_NO_MEANS = DeliveryDependencies()

# A campaign by its name; None where there is none (any more).
CampaignOf = Callable[[str], Campaign | None]
AllCampaigns = Callable[[], Sequence[Campaign]]

log = structlog.get_logger()


def tidy(store: Store) -> int:
    """Forget holds that ran out, and give back what an ended call still holds.

    What no caller took since is offered to those who wait, for others look for it all the time.
    """
    with store.database.transaction() as connection:
        freed = places.forget_ended(connection, store.clock)
        store.publish_places_freed(connection, freed)
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

    Messages, and the parts of a day of reminders, are shared by all schedulers.
    """

    def sweeps() -> int:
        return sweep(store, messenger, means, goes_on=goes_on)

    def plans() -> int:
        return reminders.plan(store, campaigns(), goes_on=goes_on)

    return [
        Task(_SWEEP, SWEEP_EVERY, sweeps, is_shared=True),
        Task(_REMINDERS, REMIND_EVERY, plans, is_shared=True),
        Task("spend", SPEND_EVERY, lambda: spend.watch(store, means.budgets)),
        Task("late", LATE_EVERY, lambda: late_texts.look_after(store, messenger, means)),
        Task("cancellations", CANCELLATIONS_EVERY, WatchCancellations(store)),
        Task("booking_pace", BOOKINGS_EVERY, WatchBookings(store)),
        Task("outside_hours", HOURS_EVERY, WatchHours(store)),
        Task("look_ups", LOOK_UPS_EVERY, WatchLookUps(store)),
        Task("stand_ins", STAND_INS_EVERY, lambda: stand_in.look_after(store)),
        Task("close_pairs", CLOSE_PAIRS_EVERY, lambda: close_pairs.look_after(store, campaign_of)),
        # Before the holds that ran out are forgotten: after a pause, some were kept for the next.
        Task("waiting", WAITING_EVERY, lambda: advance(store, campaigns)),
        Task("clusters", CLUSTERS_EVERY, lambda: find_clusters(store, store.cluster_size)),
        Task("tidy", TIDY_EVERY, lambda: tidy(store)),
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
        return not stop.is_set()

    with lead.kept():
        planned = tasks(store, messenger, campaign_of, means, campaigns, goes_on=goes_on)
        work(planned, stop, lead, more)


def work(
    planned: Sequence[Task], stop: threading.Event, lead: Lead, more: Sequence[Task] = ()
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
