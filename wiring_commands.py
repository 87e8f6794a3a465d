"""The second half of the composition root: what `flask …` does, and the processes beside the web.

Apart from `wiring` because a web worker runs none of it: with the commands come Alembic, RQ's
worker, partners' readers and the map of calls, some 8 MiB in each worker.
"""

from __future__ import annotations

import platform
import time

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

import commands.assets
import commands.bookings
import commands.calls
import commands.campaign
import commands.centres
import commands.deploy
import commands.keys
import commands.messages
import commands.operations
import commands.partners
import commands.person
import commands.processes
import commands.prompts
import commands.public
import commands.queues
import commands.slots
import commands.staff
import commands.store
import commands.understand
import config

from jobs import partner_feeds, partner_mirror
from jobs.alert_listener import HttpListener, TellAlerts
from jobs.certificate import certificate_tasks
from jobs.signs import WorkerSigns
from jobs.smart_feed import feed_tasks
from jobs.tasks import Ports
from jobs.timed import Task
from jobs.traces import trace_tasks
from models.database import Database
from services.admission.admission_controller import AdmissionController
from services.agents.call_back import CallBack
from services.centre_day.centre_life import CentreLife
from services.operations.check_keys import WrongKeys
from services.operations.demonstration_people import add_people
from services.operations.erase_at_provider import erase_at_provider
from services.operations.person_rights import finish_all
from services.operations.process_counts import JobCounts, ProcessSigns
from services.operations.watch_processes import (
    DISPATCHER,
    SCHEDULER,
    WATCH_EVERY,
    WORKER,
    WatchProcesses,
    forget_old,
)
from services.ports import CallControl
from services.public.smart_feed import Publisher, SmartFeed
from services.public.write_state import WriteState
from services.queue.wait_estimate import write_throughput
from services.slots.freed_slot_offers import SlotReleaseNotifier
from services.supervision.alerts import tell_alerts
from services.supervision.write_board import WriteBoard
from wiring_parts import (
    Parts,
    make_chainer,
    make_control,
    make_ports,
    make_records,
    refuse_wrong_keys,
)

# Seconds.
PACE_EVERY = 1
STATE_EVERY = 5
ADMISSION_EVERY = 1
PERSONS_EVERY = 3600
ALERTS_EVERY = 1
# What was erased each hour is deleted at the provider in small portions.
PROVIDER_EVERY = 60
# A screen that asks each second shows an event within two: this, a worker's memory of it
# (services.supervision.snapshots), and the second.
BOARD_EVERY = 0.6


def add_commands(group: click.Group, parts: Parts, call_back: CallBack) -> None:
    """Add every command to `flask`."""
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns

    def keys_fit() -> None:
        try:
            refuse_wrong_keys(store)
        except WrongKeys as error:
            raise click.ClickException(str(error)) from None

    def ports() -> Ports:
        keys_fit()
        return make_ports(settings, store, parts.service)

    def control() -> CallControl:
        keys_fit()
        return parts.control or make_control(settings)

    def signs(kind: str) -> ProcessSigns:
        return ProcessSigns(store, kind, platform.node())

    def worker_ports() -> Ports:
        return replace(ports(), counts=lambda: JobCounts(store, WORKER))

    def worker_signs() -> WorkerSigns:
        # Connections of its own: those of the store are the work-horses'.
        database = Database(settings.database_url, pool_size=2)
        own = replace(store, database=database)
        return WorkerSigns(ProcessSigns(own, WORKER, platform.node()), database)

    life = CentreLife(store, campaigns)
    for command in (
        commands.assets.make(config.ROOT, config.VAR),
        commands.bookings.make(store, campaigns.by_name),
        commands.calls.make(),
        commands.campaign.make(),
        commands.centres.make(store.database, store.clock, life),
        commands.store.make_data(store),
        commands.store.make_migrate(settings.database_url, store.vault),
        commands.store.make_demo(
            store.database, store.clock, lambda count: add_people(store, parts.service, count)
        ),
        commands.deploy.make(settings.public_base_url),
        commands.public.make_feed(_make_feed(parts), Path(settings.feed_folder)),
        commands.public.make_incidents(store),
        commands.keys.make(store, config.change_file),
        commands.messages.make(store),
        commands.operations.make(life),
        commands.partners.make(store.database, store.clock, settings.partners),
        commands.person.make(store, campaigns.by_name, lambda: make_records(settings)),
        commands.centres.make_postcodes(store.database),
        commands.processes.make_dispatcher(
            store, control, campaigns.current, call_back, lambda: _more_tasks(parts), signs
        ),
        commands.processes.make_scheduler(
            ports, campaigns.by_name, campaigns.all, lambda: _slow_tasks(parts), signs
        ),
        commands.processes.make_worker(settings.redis_url, worker_ports, worker_signs),
        commands.prompts.make(),
        commands.queues.make(store, control),
        commands.slots.make(
            store.database, store.clock, life, SlotReleaseNotifier(store, campaigns.all)
        ),
        commands.staff.make(store, production=settings.environment == "production"),
        commands.store.make(
            store, campaigns.all, make_chainer(settings, store), settings.traces_anchor_file
        ),
        commands.understand.make(store.clock),
    ):
        group.add_command(command)


def _make_feed(parts: Parts) -> SmartFeed:
    settings = parts.settings
    publisher = Publisher(settings.public_base_url, settings.national_number)
    folder = Path(settings.feed_folder)
    return SmartFeed(parts.store, parts.service.campaigns.current, folder, publisher)


def _slow_tasks(parts: Parts) -> list[Task]:
    """What else the scheduler does, each in a thread of its own: feed, partners' slots, traces."""
    settings, store = parts.settings, parts.store
    keldoc = partner_mirror.make_keldoc(
        settings.partners, settings.keldoc_key, settings.keldoc_secret
    )
    records = make_records(settings)
    return [
        _watch(parts, SCHEDULER),
        Task("old processes", PERSONS_EVERY, lambda: forget_old(store)),
        *certificate_tasks(store, settings.public_base_url),
        Task("person requests", PERSONS_EVERY, lambda: finish_all(store, records)),
        Task("provider", PROVIDER_EVERY, lambda: erase_at_provider(store, records)),
        *feed_tasks(_make_feed(parts)),
        *partner_feeds.feed_tasks(parts.settings.partners, store.database, store.clock),
        *partner_mirror.mirror_tasks(store, keldoc, parts.service.campaigns.current),
        *trace_tasks(
            make_chainer(settings, store),
            settings.traces_anchor_file,
            settings.traces_anchor_webhook_url,
        ),
    ]


def _more_tasks(parts: Parts) -> list[Task]:
    """What else the dispatcher does: supervisors' board and alerts, the waiting room, the pace."""
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns
    admission = AdmissionController(
        store, campaigns, most=settings.web_inlet_most, mode=settings.web_room
    )
    board = WriteBoard(store, campaigns)
    planned = [
        Task("pace", PACE_EVERY, lambda: write_throughput(store, settings.calls_per_second)),
        Task("inlet", ADMISSION_EVERY, admission),
        Task("state", STATE_EVERY, WriteState(store, campaigns)),
        Task("board", BOARD_EVERY, board),
        _watch(parts, DISPATCHER),
    ]
    if settings.alert_webhook_url:
        listener, page = HttpListener(settings.alert_webhook_url), settings.public_base_url
        tell = TellAlerts(store, listener, f"{page}/supervision", ticks=time.monotonic)
        planned.append(Task("alerts", ALERTS_EVERY, tell))
    return planned


def _watch(parts: Parts, judge: str) -> Task:
    """A look at all processes but that of the judge, which tells when nobody else can."""
    settings, store = parts.settings, parts.store
    tell = None
    if settings.alert_webhook_url and judge != DISPATCHER:
        listener, page = HttpListener(settings.alert_webhook_url), settings.public_base_url
        tell = partial(tell_alerts, store, listener, f"{page}/supervision")
    return Task("watch", WATCH_EVERY, WatchProcesses(store, judge, tell))
