"""`flask worker`, `scheduler` and `dispatcher`: the processes beside the web server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from jobs import dispatcher, scheduler, worker
from jobs.signs import MakeSigns, given_beside, sign_task, until_the_end
from jobs.tasks import Ports
from jobs.timed import Task
from services.agents.call_back import CallBack
from services.campaign.campaign import Campaign
from services.health.watch_processes import DISPATCHER, SCHEDULER, WORKER
from services.ports import CallControl
from services.store import Store


def make_worker(redis_url: str, ports: Callable[[], Ports], signs: MakeSigns) -> click.Command:
    """The command `worker`."""

    @click.command("worker", epilog="Example: flask worker")
    def work() -> None:
        """Deliver messages as soon as they are stored (RQ). Redis may come and go."""
        given = ports()
        with given_beside(signs(WORKER)):
            worker.run(redis_url, given)

    return work


def make_scheduler(
    ports: Callable[[], Ports],
    campaign_of: scheduler.CampaignOf,
    campaigns: scheduler.AllCampaigns,
    more: Callable[[], Sequence[Task]],
    signs: MakeSigns,
) -> click.Command:
    """The command `scheduler`; `campaign_of` knows campaigns by name, `campaigns` are all.

    `more` are slow tasks of other parts.
    """

    @click.command("scheduler", epilog="Example: flask scheduler")
    def schedule() -> None:
        """Sweep the outbox, remind, pass on offers, tidy up, erase. Of several one works."""
        given, own = ports(), signs(SCHEDULER)
        slow = [*more(), sign_task(own)]
        with until_the_end(own):
            scheduler.run(given.store, given.messenger, campaign_of, given.means, campaigns, slow)

    return schedule


def make_dispatcher(  # noqa: PLR0917 (what the process is made of)
    store: Store,
    control: Callable[[], CallControl],
    campaign: Callable[[], Campaign],
    call_back: CallBack,
    more: Callable[[], Sequence[Task]],
    signs: MakeSigns,
) -> click.Command:
    """The command `dispatcher`; `campaign` is that of now, `more` are tasks of other parts."""

    @click.command("dispatcher", epilog="Example: flask dispatcher")
    def dispatch() -> None:
        """Callers to agents, promises kept, the board written. Of several one works."""
        asks, own = control(), signs(DISPATCHER)
        with until_the_end(own):
            dispatcher.run(store, asks, campaign, call_back, [*more(), sign_task(own)])

    return dispatch
