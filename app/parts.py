"""Parts that the web application and `flask …` are both made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import structlog

import config

from flows.understanding import serve_also
from ivr.conversation import LANGUAGE
from jobs.queues import RedisWakeUp
from models.clock import DatabaseClock
from models.crypto import Vault
from models.database import POOL_SIZE, Database
from models.replica import Replica
from prompts import service_words
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.messages.text_names import text_names
from services.numbers import watch
from services.numbers.numbers import Numbers
from services.parts import Parts, known_to_numbers
from services.service import Service
from services.short_links import Links
from services.store import HoldShares, PaceLimits, ReachLimits, Store
from services.waiting_list.freed_slot_offers import OfferFreedPlaces

# Threads of a web worker beside those that answer requests, each with a statement now and then.
BESIDE_THREADS = 6

log = structlog.get_logger()


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


def reach_limits(settings: config.Settings) -> ReachLimits:
    """How much is booked without a proof that a number is reached."""
    return ReachLimits(
        per_address=settings.unproved_per_address,
        per_birth_date=settings.unproved_per_birth_date,
        per_number=settings.unproved_per_number,
        codes_per_address=settings.codes_per_address,
        codes_per_number=settings.codes_per_number,
        without_number=settings.bookings_without_number,
        typed_an_hour=settings.typed_per_hour,
        numberless_an_hour=settings.numberless_per_hour,
        row_an_hour=settings.row_per_hour,
        alike_an_hour=settings.alike_per_hour,
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
