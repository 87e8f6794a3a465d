"""What is missing before callers can be answered, each with a sentence and its remedy.

`missing` is the only place that says what "ready" means: `flask setup` mends it, step by step.
"""

from __future__ import annotations

import re

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from models.accounts import staff as staff_rows
from models.centres import centres, directory, postcodes
from models.database import STORE_ERRORS
from models.migrations.schema import newest, revision
from models.slots.places import look
from models.slots.slot_query import Apart, SlotQuery
from services.campaign.campaign import Campaign
from services.centre_day.said_hours import find_outside
from services.setup.town import OPEN_DAYS
from services.store import Store
from services.store_refusals import refusal

# Centres that are looked at together.
_TOGETHER: Final = 60
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT: Final = re.compile(r"[1-9][0-9]{2,5}")
# Roles without which a caller who needs a person, or an act for two, gets nowhere.
_ROLES: Final = {
    "agent": "no agent has an account, so nobody answers callers who need a person",
    "supervisor": "no supervisor has an account, so nobody watches the queue nor agrees to an act "
    "for two",
}


class Missing(NamedTuple):
    """One thing that is missing: a word for it, a sentence, and what mends it."""

    what: str
    sentence: str
    remedy: str

    def line(self) -> str:
        """For a terminal."""
        return f"{self.what}: {self.sentence}. {self.remedy}"


@dataclass(frozen=True)
class Installation:
    """What the settings say; `known` are values that stand in the source, good for nothing live.

    `production` as ENVIRONMENT has it. Numbers and the sender are as in docs/operations.md.
    """

    production: bool
    national_number: str
    caller_id: str
    sms_sender: str
    account_sid: str
    auth_token: str
    api_base_url: str
    known: frozenset[str] = frozenset()

    @property
    def stand_in(self) -> str:
        """Where a stand-in for the provider answers; empty for the provider itself."""
        host = re.sub(r"^https?://", "", self.api_base_url).partition("/")[0]
        there = host.partition(":")[0]
        return host if there in {"127.0.0.1", "localhost"} else ""


def missing(store: Store, campaign: Campaign, installed: Installation) -> list[Missing]:
    """All that is missing, in the order in which it is mended; empty: callers can be answered.

    `campaign` is that of now (services.campaign.campaigns.choose). Nothing is changed and the
    provider is not asked.
    """
    try:
        schema = list(_schema(store))
        if schema:
            # There is nothing to look into yet.
            return [*schema, *_settings(installed)]
        return [
            *_directory(store),
            *_campaign(campaign, store.clock.now()),
            *_slots(store, campaign),
            *_hours(store),
            *_staff(store, production=installed.production),
            *_settings(installed),
        ]
    except STORE_ERRORS as error:
        sentence, remedy = refusal(error)
        return [Missing("database", sentence, remedy), *_settings(installed)]


def _schema(store: Store) -> Iterator[Missing]:
    with store.database.statement() as connection:
        here = revision(connection)
    if here == newest():
        return
    if here is not None and here > newest():
        yield Missing(
            "schema",
            f"the database is at {here}, and this version knows {newest()} only",
            "Run the newer version that brought it there",
        )
        return
    at = f"at {here}" if here else "empty"
    yield Missing("schema", f"the database is {at}, and must be at {newest()}", "`flask migrate`")


def _directory(store: Store) -> Iterator[Missing]:
    if not postcodes.count(store.database):
        yield Missing(
            "postcodes",
            "no postcode is known, so no caller can say where they live",
            "`flask postcodes import data/postcodes.csv.gz`, or a newer file of La Poste",
        )
    if not centres.count(store.database):
        yield Missing(
            "directory",
            "no centre is known",
            "`flask centres import FILE` with the official file of centres",
        )


def _campaign(campaign: Campaign, now: datetime) -> Iterator[Missing]:
    if campaign.closes_at is not None and campaign.closes_at <= now:
        closed = campaign.closes_at.astimezone(ZoneInfo(campaign.zone))
        yield Missing(
            "campaign",
            f"the campaign {campaign.name} closed on {closed:%Y-%m-%d at %H:%M}, "
            "and none opens later",
            "Let CAMPAIGN name a file of one that is open or will be; `flask campaign check FILE` "
            "reads it",
        )


def _slots(store: Store, campaign: Campaign) -> Iterator[Missing]:
    with store.database.statement() as connection:
        ours = [centre.id for centre in directory.bookable_centres(connection)]
        if not ours:
            yield Missing(
                "centres",
                "no open centre with a position is ours, so nobody can book",
                "`flask centres take GID` (or --departement CODE, --from FILE); `flask centres "
                "list` has their GIDs",
            )
            return
        begins = max(store.clock.now(), campaign.opens_at or store.clock.now())
        window = (begins + campaign.lead, begins + timedelta(days=campaign.horizon_days))
        apart = Apart(*campaign.second_after_days) if campaign.doses > 1 else None
        wish = SlotQuery((window,), apart=apart)
        for start in range(0, len(ours), _TOGETHER):
            some = ours[start : start + _TOGETHER]
            free = look(connection, store.clock, some, wish, nearest=1, count_up_to=1)
            if free.centre_ids:
                return
    yield Missing(
        "slots",
        f"{_so_many(len(ours), 'centre is ours and has', 'centres are ours and have')} "
        f"{_none_free(campaign)} from {window[0]:%Y-%m-%d} to {window[1]:%Y-%m-%d}",
        f"`flask slots open --all --from DAY --days {OPEN_DAYS}`",
    )


def _hours(store: Store) -> Iterator[Missing]:
    for found in find_outside(store.database, store.clock):
        yield Missing("hours", found.line(), found.remedy)


def _none_free(campaign: Campaign) -> str:
    if campaign.doses == 1:
        return "no free place"
    least, most = campaign.second_after_days
    return f"no free place with a second one {least} to {most} days later"


def _so_many(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _staff(store: Store, *, production: bool) -> Iterator[Missing]:
    with store.database.statement() as connection:
        public = set(staff_rows.for_demonstration(connection))
        there = [
            one.role
            for one, disabled, _ in staff_rows.everybody(connection)
            if not disabled and not (production and one.login in public)
        ]
    for role, sentence in _ROLES.items():
        if role not in there:
            yield Missing(
                role, sentence, f'`flask staff add LOGIN --role {role} --name "First Last"`'
            )
    if production and public:
        logins = sorted(public)
        yield Missing(
            "passwords",
            f"everybody knows the password of {', '.join(logins)}, and the service does not start",
            f"`flask staff disable {logins[0]}`, and so on",
        )


def _settings(installed: Installation) -> Iterator[Missing]:
    number = installed.national_number
    if not _E164.fullmatch(number) and not _SHORT.fullmatch(number):
        yield Missing(
            "number",
            f"NATIONAL_NUMBER is {number!r}, which is no number",
            "Write it as +33974750001, or a short number of three to six digits",
        )
    if not installed.production:
        return
    for name, value in (
        ("NATIONAL_NUMBER", number),
        ("OUTBOUND_CALLER_ID", installed.caller_id),
    ):
        if value in installed.known:
            yield Missing(
                "number", f"{name} is the made-up number of development", f"Set {name} to yours"
            )
    for name, value in (
        ("TWILIO_ACCOUNT_SID", installed.account_sid),
        ("TWILIO_AUTH_TOKEN", installed.auth_token),
        ("SMS_SENDER", installed.sms_sender),
        ("TWILIO_API_BASE_URL", installed.api_base_url),
    ):
        if not value or value in installed.known:
            yield Missing(
                "provider",
                f"{name} is not set to the provider's own",
                f"Set {name} as docs/operations.md says",
            )


def told(found: Collection[Missing] | Sequence[Missing]) -> list[str]:
    """The lines for a terminal."""
    return [gap.line() for gap in found]
