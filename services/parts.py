"""What a process is made of; each package takes from it what it registers needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

import config

from models.all_tables import metadata
from models.database import STORE_ERRORS
from prompts.catalogue import languages
from services.backups.disk import disk_of
from services.campaign.campaigns import Campaigns
from services.health.doctor import Around
from services.keys.check_keys import check_keys
from services.numbers.numbers import Known
from services.ports import CallControl, WakeUp
from services.privacy.traces import Chainer, TraceKeys
from services.service import Service
from services.store import Store

log = structlog.get_logger()


@dataclass(frozen=True)
class Parts:
    """What the processes of this copy are made of; tests put their own in."""

    settings: config.Settings
    store: Store
    service: Service
    wake_up: WakeUp
    # None: the provider's REST, by the settings.
    control: CallControl | None = None


def known_to_numbers(campaigns: Campaigns) -> Known:
    """What their file is compared with where a caller may be waiting: no store is asked."""
    return Known(languages(), campaigns={campaign.name for campaign in campaigns.all()})


def make_chainer(settings: config.Settings, store: Store) -> Chainer:
    """What chains the lines that are recorded, and compares them."""
    return Chainer(store, TraceKeys(settings.trace_secrets()))


def make_around(
    parts: Parts, redis: Callable[[], str], provider: Callable[[], str] | None = None
) -> Around:
    """What the doctor looks at; with `provider` that, too, which takes its time.

    Both say what is wrong there, empty where nothing is.
    """
    settings = parts.settings
    return Around(
        parts.store,
        lambda: parts.service.campaign,
        metadata.tables,
        production=settings.environment == "production",
        redis=redis,
        folders=[config.VAR],
        free=lambda folder: disk_of(folder).free,
        provider=provider,
        provider_at=settings.twilio_api_base_url,
        synchronous_standbys=settings.synchronous_standbys,
        sender=settings.sms_sender,
        sender_registered_on=settings.sms_sender_registered_on,
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
