"""`flask worker` and `flask scheduler`: the processes beside the web server."""

from __future__ import annotations

from collections.abc import Callable

import click

from jobs import scheduler, worker
from jobs.tasks import Ports
from jobs.worker import NoRedis


def make_worker(redis_url: str, ports: Callable[[], Ports]) -> click.Command:
    """The command `worker`."""

    @click.command("worker", epilog="Example: flask worker")
    def work() -> None:
        """Deliver messages as soon as they are stored (RQ)."""
        try:
            worker.run(redis_url, ports())
        except NoRedis as error:
            raise click.ClickException(str(error)) from None

    return work


def make_scheduler(ports: Callable[[], Ports], campaign_of: scheduler.CampaignOf) -> click.Command:
    """The command `scheduler`; `campaign_of` knows campaigns by name."""

    @click.command("scheduler", epilog="Example: flask scheduler")
    def schedule() -> None:
        """Sweep the outbox, pass on offers, tidy up, erase what is due. One of these is enough."""
        given = ports()
        scheduler.run(given.store, given.messenger, campaign_of)

    return schedule
