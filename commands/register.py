"""Registers each command with `flask`, and what the processes beside the web need.

A web worker loads none of it: with the commands come Alembic, RQ's worker, partners' readers and
the map of calls, some 8 MiB in each worker.
"""

from __future__ import annotations

import platform

from collections.abc import Callable, Mapping
from dataclasses import replace
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

from commands import operator
from commands.terminal import says_what_grants
from ivr.addresses import TEXT_OVERRIDES, Addresses
from ivr.provider import (
    make_account,
    make_control,
    make_eraser,
    make_line_types,
    make_messenger,
    make_provider_log,
)
from jobs import feeds
from jobs.partner_mirror import make_keldoc
from jobs.plan import dispatcher_tasks, make_feed, scheduler_tasks, services_of
from jobs.queues import redis_problem
from jobs.tasks import Ports
from models.database import Database
from models.queue import call_queues
from prompts.catalogue import COUNTRY_LANGUAGE, load
from services.agents.call_back import CallBack
from services.backups.backups import Programs
from services.backups.restore import Reconciler
from services.centre_day.centre_life import CentreLife
from services.centre_day.take_centres import TakeCentres
from services.delivery import make_delivery_dependencies, make_pace
from services.health.doctor import Check, checks
from services.health.process_counts import ProcessSigns
from services.health.shared_assets import share
from services.keys.check_keys import WrongKeys
from services.messages.mails import Mails
from services.messages.texts import filled
from services.numbers.numbers import Known
from services.partners.deliver import OrderProcessor
from services.parts import Parts, known_to_numbers, make_around, make_chainer, refuse_wrong_keys
from services.ports import CallControl
from services.privacy.anchor_traces import Fitted, fit_anchors
from services.service import Service
from services.setup.demonstration_people import add_people
from services.setup.going_live import Installation
from services.setup.provider_account import STATUS, VOICE, VOICE_FALLBACK, Wanted
from services.setup.set_up import SetUp
from services.store import Store

# France and its overseas départements, whose callers are rung; Saint-Pierre-et-Miquelon as well.
FRENCH_REGIONS = ("FR", "GP", "MQ", "GF", "RE", "YT", "PM")


def add_commands(
    group: click.Group,
    parts: Parts,
    call_back: CallBack,
    page_files: Callable[[], Mapping[str, Path]],
    own_programs: Callable[[], str],
) -> None:
    """Add every command to `flask`.

    `page_files` are those that this machine has for pages; `own_programs` is the folder of programs
    that fit the PostgreSQL which comes with the service, empty where another one is in use.
    """
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

    owners_url = _owners_url(settings)
    life = CentreLife(store, campaigns)
    for command in (
        commands.assets.make(config.ROOT / "web", config.VAR, lambda: share(store, page_files())),
        commands.backup.make(
            store,
            config.VAR / "backups",
            campaigns.all,
            lambda folder: Programs(folder or own_programs(), config.environment()),
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
        commands.doctor.make(lambda: _looks(parts)),
        commands.public.make_feed(make_feed(parts), Path(settings.feed_folder)),
        commands.public.make_incidents(store),
        commands.keys.make(store, config.change_file),
        _make_legal(parts),
        commands.messages.make(store, make_pace(settings)),
        commands.numbers.make(
            parts.service.numbers, settings.numbers_file, lambda: _known_to_numbers(parts)
        ),
        commands.operations.make(life),
        commands.partners.make(
            store.database, store.clock, settings.partners, partial(services_of, campaigns)
        ),
        commands.person.make(store, campaigns.by_name, lambda: make_eraser(settings)),
        commands.centres.make_postcodes(store.database),
        commands.processes.make_dispatcher(
            store, control, campaigns.current, call_back, lambda: dispatcher_tasks(parts), signs
        ),
        commands.processes.make_scheduler(
            ports,
            campaigns.by_name,
            campaigns.all,
            lambda: scheduler_tasks(parts, make_eraser(settings)),
            signs,
        ),
        commands.processes.make_worker(settings.redis_url, ports, signs),
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


def _looks(parts: Parts) -> list[Check]:
    """What the doctor looks at, the provider among it."""
    redis = partial(redis_problem, parts.settings.redis_url)
    return checks(make_around(parts, redis, make_control(parts.settings).problem))


def _known_to_numbers(parts: Parts) -> Known:
    """With the queues of the store, and who answers them."""
    known = known_to_numbers(parts.service.campaigns)
    with parts.store.database.statement() as connection:
        there = {queue.id for queue in call_queues.all_queues(connection)}
        return replace(known, queues=there, staffed=call_queues.staffed(connection))


def _make_legal(parts: Parts) -> click.Group:
    """With what people see of each number of ours."""
    settings, numbers = parts.settings, parts.service.numbers.all()
    return commands.legal.make(
        {
            "OUTBOUND_CALLER_ID": settings.outbound_caller_id,
            **{f"caller_id of {line.number}": line.caller_id for line in numbers if line.caller_id},
        },
        {
            "SMS_SENDER": settings.sms_sender,
            **{f"sender of {line.number}": line.sender for line in numbers if line.sender},
        },
        settings.sms_sender_registered_on,
    )


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


def _wanted(parts: Parts) -> Wanted:
    """What the settings need at the provider."""
    settings = parts.settings
    called = (line.number for line in parts.service.numbers.all())
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
        called=tuple(digits for digits in called if digits != settings.national_number),
        senders=tuple(line.texted for line in parts.service.numbers.all() if line.texted),
        words=lambda: filled(
            load(COUNTRY_LANGUAGE), "reply_unknown", number=settings.national_number
        ),
    )


def make_ports(settings: config.Settings, store: Store, service: Service) -> Ports:
    """What jobs need."""
    dependencies = make_delivery_dependencies(
        settings,
        service,
        line_types=make_line_types(settings),
        partner=make_order_processor(settings, store, service),
        mails=make_mails(settings, store, service),
    )
    return Ports(store, make_messenger(settings), dependencies)


def make_mails(settings: config.Settings, store: Store, service: Service) -> Mails | None:
    """Who delivers mails; None where an operator set no server for them."""
    if not settings.smtp_url:
        return None
    from jobs.mailer import SmtpMailer  # noqa: PLC0415 (a client that web workers do not need)

    mailer = SmtpMailer(settings.smtp_url, settings.mail_from, store.clock)
    return Mails(store, mailer, service.numbers)


def make_order_processor(
    settings: config.Settings, store: Store, service: Service
) -> OrderProcessor:
    """Who attends to orders at partners, with those that the operator's file says we book at."""
    keldoc = make_keldoc(settings.partners, settings.keldoc_key, settings.keldoc_secret)
    return OrderProcessor(store, service, keldoc)
