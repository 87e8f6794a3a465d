"""What scheduler and dispatcher do beside their own work, each task in a thread of its own."""

from __future__ import annotations

import time

from datetime import timedelta
from functools import partial
from pathlib import Path

from jobs import partner_feeds, partner_mirror
from jobs.alert_listener import HttpListener, TellAlerts
from jobs.certificate import certificate_tasks
from jobs.timed import Task
from jobs.traces import trace_tasks
from services.admission.admission_controller import AdmissionController
from services.campaign.campaigns import Campaigns
from services.health.watch_processes import (
    DISPATCHER,
    SCHEDULER,
    WATCH_EVERY,
    WatchProcesses,
    forget_old,
)
from services.parts import Parts, make_chainer
from services.ports import ProviderRecords
from services.privacy.erase_at_provider import erase_at_provider
from services.privacy.person_rights import finish_all
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.public.write_state import WriteState
from services.queue.wait_estimate import write_throughput
from services.supervision.alerts import tell_alerts
from services.supervision.free_places import CountFree
from services.supervision.write_board import WriteBoard

# Seconds.
PACE_EVERY = 1
STATE_EVERY = 5
ADMISSION_EVERY = 1
PERSONS_EVERY = 3600
FEED_EVERY = 30
ALERTS_EVERY = 1
# What was erased each hour is deleted at the provider in small portions.
PROVIDER_EVERY = 60
# A screen that asks each second shows an event within two: this, a worker's memory of it
# (services.supervision.snapshots), and the second.
BOARD_EVERY = 0.6
# What happened is counted less often than who waits and who is at work.
COUNTS_EVERY = timedelta(seconds=1)


def scheduler_tasks(parts: Parts, records: ProviderRecords) -> list[Task]:
    """The scheduler's: feed, partners' slots, traces, what `records` deletes at the provider."""
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns
    keldoc = partner_mirror.make_keldoc(
        settings.partners, settings.keldoc_key, settings.keldoc_secret
    )
    return [
        _watch(parts, SCHEDULER),
        Task("old processes", PERSONS_EVERY, lambda: forget_old(store)),
        *certificate_tasks(store, settings.public_base_url),
        Task("person requests", PERSONS_EVERY, lambda: finish_all(store)),
        Task("provider", PROVIDER_EVERY, lambda: erase_at_provider(store, records)),
        Task("feed", FEED_EVERY, make_feed(parts).write),
        *partner_feeds.feed_tasks(
            settings.partners, store.database, store.clock, services_of(campaigns)
        ),
        *partner_mirror.mirror_tasks(store, keldoc, campaigns.of_each_service),
        *trace_tasks(
            make_chainer(settings, store),
            settings.traces_anchor_file,
            settings.traces_anchor_webhook_url,
        ),
    ]


def dispatcher_tasks(parts: Parts) -> list[Task]:
    """The dispatcher's: supervisors' board and alerts, the waiting room, the pace."""
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns
    admission = AdmissionController(
        store, campaigns, most=settings.web_inlet_most, mode=settings.web_room
    )
    # Counted once for both.
    places = CountFree(store)
    board = WriteBoard(
        store, campaigns, parts.service.numbers, places=places, counts_every=COUNTS_EVERY
    )
    planned = [
        Task("pace", PACE_EVERY, lambda: write_throughput(store, settings.calls_per_second)),
        Task("inlet", ADMISSION_EVERY, admission),
        Task("state", STATE_EVERY, WriteState(store, campaigns, places), notes_outages=True),
        Task("board", BOARD_EVERY, board),
        _watch(parts, DISPATCHER),
    ]
    if settings.alert_webhook_url:
        listener, page = HttpListener(settings.alert_webhook_url), settings.public_base_url
        tell = TellAlerts(store, listener, f"{page}/supervision", ticks=time.monotonic)
        planned.append(Task("alerts", ALERTS_EVERY, tell))
    return planned


def _watch(parts: Parts, judge: str) -> Task:
    """A look at all processes but that of the judge, which tells when no other process can."""
    settings, store = parts.settings, parts.store
    tell = None
    if settings.alert_webhook_url and judge != DISPATCHER:
        listener, page = HttpListener(settings.alert_webhook_url), settings.public_base_url
        tell = partial(tell_alerts, store, listener, f"{page}/supervision")
    return Task("watch", WATCH_EVERY, WatchProcesses(store, judge, tell))


def make_feed(parts: Parts) -> SmartFeed:
    settings = parts.settings
    publisher = Publisher(settings.public_base_url, settings.national_number)
    folder = Path(settings.feed_folder)
    return SmartFeed(
        parts.store,
        parts.service.campaigns.current,
        folder,
        publisher,
        services=parts.service.campaigns.open_now,
        number_of=lambda one: parts.service.numbers.for_campaign(one.name).number,
    )


def services_of(campaigns: Campaigns) -> frozenset[str]:
    """The services of all campaigns, "" for one that has no name."""
    return frozenset(one.service for one in campaigns.all())
