"""Parts that the web application and `flask …` are both made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

import config

from app.delivery import (
    make_delivery_dependencies,
    make_line_types,
    make_mails,
    make_order_processor,
)
from flows.understanding import serve_also
from ivr.call_control import TwilioCallControl
from ivr.conversation import LANGUAGE
from jobs.queues import RedisWakeUp, redis_problem
from jobs.tasks import Ports
from models.all_tables import metadata
from models.clock import DatabaseClock
from models.crypto import Vault
from models.database import POOL_SIZE, STORE_ERRORS, Database
from models.replica import Replica
from prompts import service_words
from prompts.catalogue import languages
from services.backups.disk import disk_of
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.health.doctor import Around
from services.keys.check_keys import check_keys
from services.messages.text_names import text_names
from services.numbers import watch
from services.numbers.numbers import Known, Numbers
from services.ports import CallControl, ProviderAccount, ProviderLog, ProviderRecords, WakeUp
from services.privacy.traces import Chainer, TraceKeys
from services.service import Service
from services.short_links import Links
from services.store import HoldShares, PaceLimits, ReachLimits, Store
from services.waiting_list.freed_slot_offers import OfferFreedPlaces

# Threads of a web worker beside those that answer requests, each with a statement now and then.
BESIDE_THREADS = 6

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the web application is made of; tests put their own in."""

    settings: config.Settings
    store: Store
    service: Service
    wake_up: WakeUp
    # None: the provider's REST, by the settings.
    control: CallControl | None = None


def make_parts(settings: config.Settings) -> Parts:
    """The real parts. Raises BadCampaign and BadNumbers, for what is wrong in their files."""
    replica = settings.replica_database_url
    database = Database(
        settings.database_url,
        pool_size=max(POOL_SIZE, settings.web_threads + BESIDE_THREADS),
        durable=settings.environment == "production",
        replica=Replica(replica) if replica else None,
    )
    serve_also(settings.regions_also_served())
    clock = DatabaseClock()
    campaigns = Campaigns.read(
        settings.campaign, texts=text_names(LANGUAGE), now=clock.now, use=service_words.use
    )
    store = Store(
        database,
        Vault(settings.vault_keys(), index_key=settings.look_up_key()),
        clock,
        links=Links(settings.public_base_url, settings.secret_key),
        reach=reach_limits(settings),
        pace=pace_limits(settings),
        shares=hold_shares(settings),
        cluster_size=settings.cluster_size,
        turns_kept=timedelta(days=settings.turns_kept_days),
        on_places_freed=[OfferFreedPlaces(campaigns.all)],
    )
    service = Service(
        directory=Directory(store.database),
        campaign=campaigns,
        national_number=settings.national_number,
        caller_id=settings.outbound_caller_id,
        platforms=_platforms,
        reply_number=settings.sms_reply_number,
        text_number=settings.text_booking_number,
        numbers=make_numbers(settings, campaigns),
        mails=bool(settings.smtp_url),
    )
    return Parts(settings, store, service, RedisWakeUp(settings.redis_url))


def make_numbers(settings: config.Settings, campaigns: Campaigns) -> Numbers:
    """The numbers that people call. Raises BadNumbers."""
    if not settings.numbers_file:
        return Numbers.fixed(settings.national_number)
    return watch.read(
        settings.national_number, settings.numbers_file, partial(known_to_numbers, campaigns)
    )


def known_to_numbers(campaigns: Campaigns) -> Known:
    """What their file is compared with where a caller may be waiting: no store is asked."""
    return Known(languages(), campaigns={one.name for one in campaigns.all()})


def reach_limits(settings: config.Settings) -> ReachLimits:
    """How much is booked without a proof that a number is reached."""
    return ReachLimits(
        per_address=settings.unproved_per_address,
        per_birth_date=settings.unproved_per_birth_date,
        per_number=settings.unproved_per_number,
        codes_per_address=settings.codes_per_address,
        codes_per_number=settings.codes_per_number,
        without_number=settings.bookings_without_number,
    )


def pace_limits(settings: config.Settings) -> PaceLimits:
    """What keeps being quick from paying."""
    return PaceLimits(
        offers_stay=timedelta(seconds=settings.offers_stay_seconds),
        answer_after=timedelta(seconds=settings.seconds_per_answer),
        book_after=timedelta(seconds=settings.seconds_to_book),
    )


def hold_shares(settings: config.Settings) -> HoldShares:
    """How many visits may hold places at one time."""
    return HoldShares(
        per_address=settings.holds_per_address,
        per_browser=settings.holds_per_browser,
        per_number=settings.holds_per_number,
    )


def _platforms() -> Mapping[str, str]:
    from jobs.partner_files import NAMES  # noqa: PLC0415 (readers: loaded where one is named)

    return NAMES


def make_chainer(settings: config.Settings, store: Store) -> Chainer:
    """What chains the lines that are recorded, and compares them."""
    return Chainer(store, TraceKeys(settings.trace_secrets()))


def make_around(
    settings: config.Settings, store: Store, service: Service, *, ask_provider: bool = False
) -> Around:
    """What the doctor looks at; with `ask_provider` the provider, too, which takes its time."""
    folders = [config.VAR]
    return Around(
        store,
        lambda: service.campaign,
        metadata.tables,
        production=settings.environment == "production",
        redis=partial(redis_problem, settings.redis_url),
        folders=list(dict.fromkeys(folders)),
        free=lambda folder: disk_of(folder).free,
        provider=make_control(settings).problem if ask_provider else None,
        provider_at=settings.twilio_api_base_url,
        synchronous_standbys=settings.synchronous_standbys,
        sender=settings.sms_sender,
        sender_registered_on=settings.sms_sender_registered_on,
    )


def make_control(settings: config.Settings) -> TwilioCallControl:
    """What acts on live calls; light enough for a web worker."""
    return TwilioCallControl(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        public_base_url=settings.public_base_url,
        caller_id=settings.outbound_caller_id,
        calls_per_second=settings.calls_per_second,
    )


def make_ports(settings: config.Settings, store: Store, service: Service) -> Ports:
    """What jobs need. The provider's REST client is loaded here and in no web worker."""
    from ivr.messenger import TwilioMessenger  # noqa: PLC0415 (see above)

    messenger = TwilioMessenger(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        public_base_url=settings.public_base_url,
        sender=settings.sms_sender,
    )
    dependencies = make_delivery_dependencies(
        settings,
        service,
        line_types=make_line_types(settings),
        partner=make_order_processor(settings, store, service),
        mails=make_mails(settings, store, service),
    )
    return Ports(store, messenger, dependencies)


def make_records(settings: config.Settings) -> ProviderRecords:
    """What deletes at the provider. Its REST client is loaded here and in no web worker."""
    from ivr.records import TwilioRecords  # noqa: PLC0415 (see above)

    return TwilioRecords(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
    )


def make_account(settings: config.Settings) -> ProviderAccount:
    """What looks at the account. Its REST client is loaded here and in no web worker."""
    from ivr.provider_account import TwilioAccount  # noqa: PLC0415 (see above)

    return TwilioAccount(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
    )


def make_provider_log(settings: config.Settings) -> ProviderLog:
    """What the provider says that left and came. Its REST client is loaded in no web worker."""
    from ivr.provider_log import TwilioLog  # noqa: PLC0415 (see above)

    return TwilioLog(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
    )


def refuse_wrong_keys(store: Store) -> None:
    """Raises WrongKeys. A store that does not answer is asked again by /readyz."""
    try:
        check_keys(store)
    except STORE_ERRORS as error:
        log.warning("keys not compared", error=type(error).__name__)
    finally:
        let_go_of_connections(store)


def let_go_of_connections(store: Store) -> None:
    """A server that forks after this must not share a connection among its workers."""
    store.database.renew()
