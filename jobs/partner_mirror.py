"""Read the agendas of Keldoc centres that are booked from here, again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog

from jobs.timed import Task
from partners.partners_file import service_meant
from partners.platforms.keldoc.booking_file import read_booking
from services.campaign.campaign import Campaign
from services.partners.slots import forget_others, mirror_partner
from services.ports import Busy, NoAnswer, ProviderRefused
from services.store import Store

if TYPE_CHECKING:
    from partners.platforms.keldoc.booking import Keldoc

PARIS: Final = ZoneInfo("Europe/Paris")
# Seconds. What goes in between is refused by the partner when it is asked for.
MIRROR_EVERY = 120

log = structlog.get_logger()


def mirror_all(store: Store, keldoc: Keldoc, *campaigns: Campaign) -> int:
    """Read every centre's agendas once; gives how many were read. One that fails holds up none.

    `campaigns` are those of now, of each service one; a centre is read for the one that it is for.
    """
    read = 0
    by_service = {campaign.service: campaign for campaign in campaigns}
    for centre_id, booked in keldoc.centres.items():
        service, why = service_meant(f"centre {centre_id}", booked.service, by_service)
        if why:
            log.error("nothing is booked at a partner", why=why)
            continue
        try:
            read += _mirror(store, keldoc, by_service[service], centre_id)
        except (ProviderRefused, Busy, NoAnswer) as error:
            code = "" if isinstance(error, NoAnswer) else error.code
            log.warning("mirror", centre=centre_id, error=type(error).__name__, code=code)
        except Exception as error:  # noqa: BLE001 (the other centres are still read)
            log.error("mirror failed", centre=centre_id, error=type(error).__name__)
    forget_others(store, keldoc.platform, set(keldoc.centres))
    return read


def _mirror(store: Store, keldoc: Keldoc, campaign: Campaign, centre_id: str) -> bool:
    asked_at = store.clock.now()
    today = asked_at.astimezone(PARIS).date()
    later = campaign.second_after_days[1] + 1 if campaign.doses > 1 else 0
    last = today + timedelta(days=campaign.horizon_days + later)
    times = keldoc.free_times(centre_id, today, last)
    ends = datetime.combine(last + timedelta(days=1), time.min, tzinfo=PARIS)
    done = mirror_partner(
        store,
        keldoc.platform,
        centre_id,
        [moment for moment in times if moment.start_at > asked_at],
        since=asked_at,
        until=ends.astimezone(UTC),
        asked_at=asked_at,
        service=campaign.service,
    )
    if done is None:
        log.error("mirror", centre=centre_id, error="no centre of ours that a partner books")
        return False
    log.info("mirror", centre=centre_id, opened=done.opened, blocked=done.blocked)
    return True


def make_keldoc(path: str, key: str, secret: str) -> Keldoc | None:
    """Make the client that books at Keldoc by the operator's file.

    None without the file, without keys, or with a bad file. Requests are signed by the clock of
    this machine.
    """
    if not path:
        return None
    try:
        found = read_booking(Path(path))
    except (OSError, ValueError) as error:
        # The process that reads partners logs the whole error.
        log.error("nothing is booked at a partner", why=str(error))
        return None
    if found is None:
        return None
    if not (key and secret):
        log.error("nothing is booked at a partner", why="KELDOC_KEY or KELDOC_SECRET is missing")
        return None
    # Its HTTP client is loaded only to ask a partner: `flask` builds every command each time.
    from partners.platforms.keldoc.booking import Keldoc, KeldocAccount  # noqa: PLC0415

    base, centres = found
    return Keldoc(KeldocAccount(base, key, secret), centres)


def mirror_tasks(
    store: Store, keldoc: Keldoc | None, campaigns: Callable[[], Sequence[Campaign]]
) -> list[Task]:
    """For the scheduler process, beside everything else there; none where nothing is booked.

    `campaigns` are those of now, of each service one.
    """
    if keldoc is None:
        return []
    return [Task("mirror", MIRROR_EVERY, lambda: mirror_all(store, keldoc, *campaigns()))]
