"""The second half of the composition root: what `flask …` does, and the processes beside the web.

Apart from `app.web` because a web worker runs none of it: with the commands come Alembic, RQ's
worker, partners' readers and the map of calls, some 8 MiB in each worker.
"""

from __future__ import annotations

import platform
import time

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

import commands.assets
import commands.backup
import commands.bookings
import commands.calls
import commands.campaign
import commands.capacity
import commands.centres
import commands.db
import commands.deploy
import commands.doctor
import commands.keys
import commands.legal
import commands.messages
import commands.numbers
import commands.operations
import commands.partners
import commands.person
import commands.processes
import commands.prompts
import commands.provider
import commands.public
import commands.queues
import commands.restore
import commands.setup
import commands.slots
import commands.staff
import commands.store
import commands.understand
import config
import web.operations.assets

from app.delivery import make_delivery_dependencies, make_pace
from app.parts import (
    Parts,
    known_to_numbers,
    make_account,
    make_around,
    make_chainer,
    make_control,
    make_ports,
    make_provider_log,
    make_records,
    refuse_wrong_keys,
)
from commands import operator
from commands.terminal import says_what_grants
from ivr.addresses import TEXT_OVERRIDES, Addresses
from jobs import feeds, partner_feeds, partner_mirror
from jobs.alert_listener import HttpListener, TellAlerts
from jobs.certificate import certificate_tasks
from jobs.signs import WorkerSigns
from jobs.smart_feed import feed_tasks
from jobs.tasks import Ports
from jobs.timed import Task
from jobs.traces import trace_tasks
from models.database import Database
from models.queue import call_queues
from prompts.catalogue import COUNTRY_LANGUAGE, load
from services.admission.admission_controller import AdmissionController
from services.agents.call_back import CallBack
from services.backups.backups import Programs
from services.backups.restore import Reconciler
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.take_centres import TakeCentres
from services.health.doctor import checks
from services.health.process_counts import JobCounts, ProcessSigns
from services.health.shared_assets import share
from services.health.watch_processes import (
    DISPATCHER,
    SCHEDULER,
    WATCH_EVERY,
    WORKER,
    WatchProcesses,
    forget_old,
)
from services.keys.check_keys import WrongKeys
from services.messages.texts import filled
from services.numbers.numbers import Known
from services.ports import CallControl
from services.privacy.anchor_traces import Fitted, fit_anchors
from services.privacy.erase_at_provider import erase_at_provider
from services.privacy.person_rights import finish_all
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.public.write_state import WriteState
from services.queue.wait_estimate import write_throughput
from services.setup.demonstration_people import add_people
from services.setup.going_live import Installation
from services.setup.provider_account import STATUS, VOICE, VOICE_FALLBACK, Wanted
from services.setup.set_up import SetUp
from services.supervision.alerts import tell_alerts
from services.supervision.free_places import CountFree
from services.supervision.write_board import WriteBoard
from tools.launcher.postgres_keeper import program

# France and its overseas départements, whose callers are rung; Saint-Pierre-et-Miquelon as well.
FRENCH_REGIONS = ("FR", "GP", "MQ", "GF", "RE", "YT", "PM")
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
# What happened is counted less often than who waits and who is at work.
COUNTS_EVERY = timedelta(seconds=1)


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

    def reconciler(dry_run: bool) -> Reconciler:  # noqa: FBT001 (the one thing that differs)
        keys_fit()
        means = make_delivery_dependencies(settings, parts.service)
        log = make_provider_log(settings)
        return Reconciler(store, log, means, campaigns.all, dry_run=dry_run)

    def signs(kind: str) -> ProcessSigns:
        return ProcessSigns(store, kind, platform.node())

    def worker_ports() -> Ports:
        return replace(ports(), counts=lambda: JobCounts(store, WORKER))

    def worker_signs() -> WorkerSigns:
        # Connections of its own: those of the store are the work-horses'.
        database = Database(settings.database_url, pool_size=2)
        own = replace(store, database=database)
        return WorkerSigns(ProcessSigns(own, WORKER, platform.node()), database)

    owners_url = _owners_url(settings)
    life = CentreLife(store, campaigns)
    for command in (
        commands.assets.make(config.ROOT / "web", config.VAR, lambda: _share_assets(parts)),
        commands.backup.make(
            store,
            config.VAR / "backups",
            campaigns.all,
            lambda folder: Programs(folder or _own_programs(settings), config.environment()),
        ),
        commands.bookings.make(store, campaigns.by_name),
        commands.calls.make(),
        commands.campaign.make(),
        commands.capacity.make(config.ROOT / "bench" / "results.json"),
        commands.centres.make(store.database, store.clock, life),
        commands.store.make_data(store),
        commands.db.make(lambda: Database(owners_url)),
        commands.store.make_migrate(owners_url),
        commands.store.make_demo(
            store.database,
            store.clock,
            lambda count: add_people(store, parts.service, count),
            own_centres=settings.centres_of_campaign(),
            production=settings.environment == "production",
        ),
        commands.deploy.make(settings.public_base_url, settings.national_number),
        commands.doctor.make(
            lambda: checks(make_around(settings, store, parts.service, ask_provider=True))
        ),
        commands.public.make_feed(_make_feed(parts), Path(settings.feed_folder)),
        commands.public.make_incidents(store),
        commands.keys.make(store, config.change_file),
        _make_legal(parts),
        commands.messages.make(store, make_pace(settings)),
        commands.numbers.make(
            parts.service.numbers, settings.numbers_file, lambda: _known_to_numbers(parts)
        ),
        commands.operations.make(life),
        commands.partners.make(
            store.database, store.clock, settings.partners, partial(_services_of, campaigns)
        ),
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
        commands.provider.make(store, lambda: make_account(settings), _wanted(parts)),
        commands.queues.make(store, control),
        _make_setup(parts, life, keys_fit),
        commands.restore.make(store, reconciler, lambda: _fit_anchors(parts)),
        commands.slots.make(store, life),
        commands.staff.make(store, production=settings.environment == "production"),
        commands.store.make(
            store, campaigns.all, make_chainer(settings, store), settings.traces_anchor_file
        ),
        commands.understand.make(store.clock),
    ):
        group.add_command(says_what_grants(command, store.database.url.username or ""))


def _known_to_numbers(parts: Parts) -> Known:
    """With the queues of the store, and who answers them."""
    known = known_to_numbers(parts.service.campaigns)
    with parts.store.database.statement() as connection:
        there = {one.id for one in call_queues.all_queues(connection)}
        return replace(known, queues=there, staffed=call_queues.staffed(connection))


def _make_legal(parts: Parts) -> click.Group:
    """With what people see of each number of ours."""
    settings, numbers = parts.settings, parts.service.numbers.all()
    return commands.legal.make(
        {
            "OUTBOUND_CALLER_ID": settings.outbound_caller_id,
            **{f"caller_id of {one.number}": one.caller_id for one in numbers if one.caller_id},
        },
        {
            "SMS_SENDER": settings.sms_sender,
            **{f"sender of {one.number}": one.sender for one in numbers if one.sender},
        },
        settings.sms_sender_registered_on,
    )


def _own_programs(settings: config.Settings) -> str:
    """The folder of programs that fit the PostgreSQL that comes with the service; else empty."""
    return str(Path(program("pg_dump")).parent) if settings.own_database() else ""


def _owners_url(settings: config.Settings) -> str:
    return settings.migration_database_url or settings.database_url


def _make_setup(parts: Parts, life: CentreLife, keys_fit: Callable[[], None]) -> click.Command:
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns
    steps = SetUp(
        store,
        _owners_url(settings),
        TakeCentres(life, operator.name),
        feeds.read_centres,
        feeds.read_postcodes,
        feeds.CENTRES_EXTRACT,
        feeds.POSTCODES_EXTRACT,
    )
    installed = Installation(
        production=settings.environment == "production",
        national_number=settings.national_number,
        caller_id=settings.outbound_caller_id,
        sms_sender=settings.sms_sender,
        account_sid=settings.twilio_account_sid,
        auth_token=settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        known=config.KNOWN | {config.DEVELOPMENT_NUMBER},
    )
    return commands.setup.make(steps, installed, campaigns, Path(settings.campaign), keys_fit)


def _fit_anchors(parts: Parts) -> Fitted | None:
    file = parts.settings.traces_anchor_file
    return fit_anchors(parts.store, Path(file)) if file else None


def _share_assets(parts: Parts) -> int:
    theirs, names = config.VAR / "static", frozenset(commands.assets.FILES)
    return share(parts.store, web.operations.assets.files(theirs, names))


def _wanted(parts: Parts) -> Wanted:
    """What the settings need at the provider."""
    settings = parts.settings
    called = (one.number for one in parts.service.numbers.all())
    base = settings.public_base_url
    addresses = Addresses(base)
    return Wanted(
        national_number=settings.national_number,
        caller_id=settings.outbound_caller_id,
        sender=settings.sms_sender,
        reply_number=settings.sms_reply_number,
        text_number=settings.text_booking_number,
        leads={
            VOICE: addresses.at("/voice/incoming"),
            VOICE_FALLBACK: settings.voice_fallback_url or f"{base}/voice/fallback",
            STATUS: f"{base}/voice/status",
        },
        sms=f"{base}/sms/incoming{TEXT_OVERRIDES}",
        public_base_url=base,
        regions=(*FRENCH_REGIONS, *settings.regions_also_served()),
        calls_per_second=settings.calls_per_second,
        texts_per_second=make_pace(settings).per_second,
        called=tuple(one for one in called if one != settings.national_number),
        senders=tuple(one.texted for one in parts.service.numbers.all() if one.texted),
        words=lambda: filled(
            load(COUNTRY_LANGUAGE), "reply_unknown", number=settings.national_number
        ),
    )


def _make_feed(parts: Parts) -> SmartFeed:
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


def _services_of(campaigns: Campaigns) -> frozenset[str]:
    """The services of all campaigns, "" for one that has no name."""
    return frozenset(one.service for one in campaigns.all())


def _slow_tasks(parts: Parts) -> list[Task]:
    """What else the scheduler does, each in a thread of its own: feed, partners' slots, traces."""
    settings, store, campaigns = parts.settings, parts.store, parts.service.campaigns
    keldoc = partner_mirror.make_keldoc(
        settings.partners, settings.keldoc_key, settings.keldoc_secret
    )
    records = make_records(settings)
    return [
        _watch(parts, SCHEDULER),
        Task("old processes", PERSONS_EVERY, lambda: forget_old(store)),
        *certificate_tasks(store, settings.public_base_url),
        Task("person requests", PERSONS_EVERY, lambda: finish_all(store)),
        Task("provider", PROVIDER_EVERY, lambda: erase_at_provider(store, records)),
        *feed_tasks(_make_feed(parts)),
        *partner_feeds.feed_tasks(
            settings.partners, store.database, store.clock, _services_of(campaigns)
        ),
        *partner_mirror.mirror_tasks(store, keldoc, campaigns.of_each_service),
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
    """A look at all processes but that of the judge, which tells when nobody else can."""
    settings, store = parts.settings, parts.store
    tell = None
    if settings.alert_webhook_url and judge != DISPATCHER:
        listener, page = HttpListener(settings.alert_webhook_url), settings.public_base_url
        tell = partial(tell_alerts, store, listener, f"{page}/supervision")
    return Task("watch", WATCH_EVERY, WatchProcesses(store, judge, tell))
