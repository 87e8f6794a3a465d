"""The whole service inside a test, and a telephone to ring it.

Only the outside is given: the clock, the randomness, the provider. Centres, postcodes and slots
are real rows; a call goes through the signature check, the store and the TwiML as it would.
"""

from __future__ import annotations

import itertools
import json
import secrets

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from jinja2 import TemplateRuntimeError, Undefined, UndefinedError
from jinja2.utils import missing
from sqlalchemy import func, select
from werkzeug.datastructures import Headers

from app.web import make_app
from config import Settings
from exchange.interpreter import Call
from exchange.transport import WsgiTransport
from flows.session import Session
from jobs.partner_files import NAMES
from models.accounts import staff as staff_rows
from models.accounts.staff import Staff
from models.booking import bookings
from models.booking.bookings import BookingRow
from models.call import turns
from models.centres.tables import centre, postcode
from models.clock import Clock, FixedClock
from models.crypto import Vault
from models.database import Database
from models.messages.tables import message
from models.operations import processes
from models.queue import queues
from models.queue.queues import QueueEntry
from models.queue.tables import queue_entry
from models.slots import slots
from models.slots.tables import place
from prompts.catalogue import Catalogue, load
from services.accounts import passwords, second_factor
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.numbers.numbers import CalledNumber, Numbers
from services.parts import Parts
from services.service import Service
from services.short_links import Links
from services.store import NO_LIMITS, NO_PACE, NO_SHARES, HoldShares, PaceLimits, ReachLimits, Store
from services.waiting_list.freed_slot_offers import OfferFreedPlaces
from tests.support.shared_work import share_rules, share_statements, share_templates

BASE = "https://allo.example"
TOKEN = "a-token-of-the-tests"
ACCOUNT = "AC00000000000000000000000000000001"
MOBILE = "+33612345678"
LANDLINE = "+33491223344"
WITHHELD = "+266696687"
# A Wednesday, nine o'clock in Paris.
NOON = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)

CAMPAIGN = Campaign(
    name="tests",
    minimum_age=75,
    radius_kilometres=100,
    horizon_days=35,
    lead=timedelta(hours=1),
    hold_lease=timedelta(minutes=4),
    hold_longest=timedelta(minutes=20),
    few_places=12,
)


def a_mobile(number: int) -> str:
    """A mobile of somebody else for each number: one person is booked once."""
    return f"+33612{number:06d}"


# Each code with its town, département, territory, latitude and longitude.
POSTCODES = {
    "75011": ("Paris 11e", "75", "metropole", 48.859, 2.378),
    "35000": ("Rennes", "35", "metropole", 48.112, -1.682),
    "20000": ("Ajaccio", "2A", "corse", 41.935, 8.701),
}


share_rules()
share_templates()


class CountingChance:
    """References and identifiers that a test can foresee."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def reference(self) -> str:
        return f"{4_521_000_000 + next(self._numbers):010d}"

    def identifier(self) -> str:
        return f"{next(self._numbers):032x}"

    def code(self) -> str:
        return f"{204_060 + next(self._numbers):06d}"


@dataclass
class WokenUp:
    """A wake-up that remembers whom it woke for."""

    messages: list[str] = field(default_factory=list)

    def message(self, message_id: str) -> None:
        self.messages.append(message_id)


class NoSuchAttribute(Undefined):
    """A page may ask for a name that it was not given, but no object for what it never has."""

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        if obj is not missing and not isinstance(obj, Mapping):
            raise AttributeError(f"a template asks {type(obj).__name__} for {name!r}")


class House:
    """One service on one database. `clock` stands still until a test moves it."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock | None = None,
        campaign: Campaign = CAMPAIGN,
        beside: Sequence[Campaign] = (),
        chance: Any = None,
        links: bool = False,
        reach: ReachLimits = NO_LIMITS,
        pace: PaceLimits = NO_PACE,
        shares: HoldShares = NO_SHARES,
        numbers: Sequence[CalledNumber] = (),
        mails: bool = False,
    ) -> None:
        self.clock = clock or FixedClock(NOON)
        self.database = Database(url)
        share_statements(*self.database.engines)
        self.store = Store(
            self.database,
            Vault([bytes(range(32))]),
            self.clock,
            chance or CountingChance(),
            # Most tests read texts as they are without a site.
            Links(BASE, "a-secret-of-the-tests") if links else None,
            # Most tests book many people from one address; the limits have tests of their own.
            reach,
            # Nor are they slow.
            pace,
            shares,
            on_places_freed=[OfferFreedPlaces(lambda: self.known_campaigns().all())],
        )
        self.woken = WokenUp()
        self.mails = mails
        self.settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            database_url=url,
            public_base_url=BASE,
            twilio_auth_token=TOKEN,
            twilio_account_sid=ACCOUNT,
            prometheus_multiproc_dir="",
            # Whoever finds no room is told so at once: there is nobody else who would make some.
            web_queue=0,
            # What a service on this machine writes is none of a test's.
            feed_folder="no-such-folder",
        )
        self.campaign = campaign
        # Those of other services, open at the same time.
        self.beside = tuple(beside)
        # What is answered with instead of these two: campaigns that change with the clock.
        self.campaigns: Campaigns | None = None
        # Those that people call; none: the national one alone.
        self.numbers = Numbers.fixed(self.settings.national_number, *numbers)
        self._logins = itertools.count(1)

    def known_campaigns(self) -> Campaigns:
        return self.campaigns or Campaigns.fixed(self.campaign, *self.beside, now=self.clock.now)

    @cached_property
    def app(self) -> Flask:
        """The web application; many a test asks nothing of it, and it costs as much as the rest."""
        return self.application()

    def service(self, campaigns: Campaigns | None = None) -> Service:
        """The service as this house has it now, or with other campaigns.

        It reads its centres anew each time.
        """
        return Service(
            Directory(self.database, centres_fresh_seconds=0),
            campaigns or self.known_campaigns(),
            self.settings.national_number,
            platforms=lambda: NAMES,
            reply_number=self.settings.sms_reply_number,
            text_number=self.settings.text_booking_number,
            numbers=self.numbers,
            mails=self.mails,
        )

    def application(
        self, control: Any = None, service: Service | None = None, **changed: Any
    ) -> Flask:
        """The web application, made anew: as after a restart of the web server.

        `control` stands for the provider, `service` for the house's own; `changed` are settings
        that are this application's alone.
        """
        settings = self.settings.model_copy(update=changed) if changed else self.settings
        made = make_app(Parts(settings, self.store, service or self.service(), self.woken, control))
        made.jinja_env.undefined = NoSuchAttribute
        return made

    def close(self) -> None:
        self.database.dispose()

    # What there is

    def knows_postcodes(self) -> None:
        rows = [
            {
                "code": code,
                "main_town": town,
                "towns": json.dumps([{"name": town, "departement": departement}]),
                "departement": departement,
                "territory": territory,
                "latitude": latitude,
                "longitude": longitude,
                "fingerprint": "",
            }
            for code, (town, departement, territory, latitude, longitude) in POSTCODES.items()
        ]
        with self.database.transaction() as connection:
            connection.execute(postcode.insert(), rows)

    def opens_centre(
        self,
        gid: str = "1",
        *,
        name: str = "Salle des fêtes",
        street: str = "12 rue de la Paix",
        code: str = "75011",
        kilometres: float = 1.0,
        mode: str = "ours",
        starts: Sequence[datetime] = (),
        capacity: int = 1,
    ) -> None:
        """A centre `kilometres` north of the postcode's position, with slots at `starts` (UTC)."""
        town, departement, territory, latitude, longitude = POSTCODES[code]
        row = {
            "id": gid,
            "name": name,
            "street": street,
            "postcode": code,
            "town": town,
            "departement": departement,
            "territory": territory,
            "latitude": latitude + kilometres / 111.2,
            "longitude": longitude,
            "time_zone": "Europe/Paris",
            "booking_mode": mode,
            "source": "tests",
            "fingerprint": "",
            "created_at": NOON,
            "updated_at": NOON,
        }
        with self.database.transaction() as connection:
            connection.execute(centre.insert(), [row])
        self.opens_slots(gid, starts, capacity)

    def opens_slots(self, gid: str, starts: Sequence[datetime], capacity: int = 1) -> None:
        wanted = slots.SlotsToOpen(centre_id=gid, capacity=capacity, starts=tuple(starts))
        slots.open_slots(self.database, [wanted])

    # Who works here

    def has_processes(self) -> None:
        """All that work beside the web gave a sign just now."""
        with self.database.transaction() as connection:
            for kind in ("dispatcher", "scheduler", "worker"):
                processes.sign(connection, self.clock, f"the {kind}", kind, "here")

    def employs(self, role: str, *, login: str = "", name: str = "", **options: Any) -> Staff:
        """Somebody with this role; agents and others are made anew at each call."""
        login = login or f"{role}{next(self._logins)}"
        name = name or f"Camille {role.title()}"
        password = options.pop("password", None)
        more = {"password_temporary": options.pop("temporary", False)}
        languages = options.pop("languages", ("fr",))
        new = Staff(self.store.chance.identifier(), login, name, role, languages, **options)
        # Hashing takes its time, and few tests look at a password.
        hashed = passwords.hash_of(password) if password else "no password fits this"
        with self.database.transaction() as connection:
            assert staff_rows.add(connection, self.clock, new, hashed, **more)
        return new

    def signs_in(
        self,
        role: str = "agent",
        *,
        staff: Staff | None = None,
        app: Flask | None = None,
        **options: Any,
    ) -> StaffClient:
        """A browser of somebody who is signed in; `staff` for somebody who is there already.

        It sends the token of forms and our origin by itself with whatever is not a GET.
        """
        staff = staff or self.employs(role, **options)
        token = secrets.token_urlsafe(32)
        with self.database.transaction() as connection:
            staff_rows.begin_session(connection, self.clock, token, staff.id, strong=True)
            secret = second_factor.new_secret()
            staff_rows.change_secret(connection, self.clock, self.store.vault, staff.id, secret)
        return StaffClient(app or self.app, staff, token)

    # What happened

    def bookings(self) -> list[BookingRow]:
        with self.database.transaction() as connection:
            return list(bookings.export(connection, self.store.vault))

    def messages(self, kind: str | None = None) -> list[Any]:
        """Rows of the outbox, oldest first."""
        statement = select(message).order_by(message.c.created_at, message.c.id)
        with self.database.statement() as connection:
            rows = connection.execute(statement).all()
        return [row for row in rows if kind in (None, row.kind)]

    def promises(self) -> list[QueueEntry]:
        """Promises to ring back, kept or not, the oldest place first."""
        statement = (
            select(queue_entry.c.id)
            .where(queue_entry.c.kind == queues.CALLBACK)
            .order_by(queue_entry.c.joined_at, queue_entry.c.id)
        )
        with self.database.statement() as connection:
            found = connection.execute(statement).scalars().all()
            entries = [queues.load(connection, self.store.vault, one) for one in found]
        return [entry for entry in entries if entry is not None]

    def text_of(self, row: Any) -> str:
        """The personal part of a message, opened."""
        return self.store.vault.open_text(row.payload_enc, f"message.payload:{row.id}") or ""

    def held(self) -> int:
        statement = select(func.count()).where(
            place.c.held_by.is_not(None), place.c.hold_expires_at > self.clock.at()
        )
        with self.database.statement() as connection:
            return connection.execute(statement).scalar_one()

    def session(self, call_id: str) -> Session:
        with self.database.statement() as connection:
            newest = turns.newest(connection, self.store.vault, call_id)
        assert newest is not None
        assert newest.body is not None
        return Session.from_json(newest.body.session)

    # Who rings

    def phone(self, number: str = MOBILE, **options: Any) -> Phone:
        return Phone(self, number, **options)


class StaffClient(FlaskClient):
    """A browser of somebody who works here. `cookie` is the name of their session's cookie."""

    cookie = "__Host-allo"

    def __init__(self, app: Flask, staff: Staff | None = None, token: str = "") -> None:
        super().__init__(app, app.response_class, use_cookies=True)
        self.staff = staff
        if token:
            self.set_cookie(self.cookie, token)

    def csrf(self) -> str:
        """The token that a page of this browser would have."""
        kept = self.get_cookie(self.cookie)
        cookies = {"Cookie": f"{self.cookie}={kept.value}"} if kept else {}
        with self.application.test_request_context("/", headers=cookies):
            return str(generate_csrf())

    def open(self, *args: Any, **options: Any) -> Any:
        if options.get("method", "GET") not in {"GET", "HEAD", "OPTIONS"}:
            headers = Headers(options.pop("headers", None))
            headers.setdefault("Origin", BASE)
            headers.setdefault("X-CSRFToken", self.csrf())
            options["headers"] = headers
        return super().open(*args, **options)


class Phone(Call):
    """A caller: rings, presses, stays silent, hears."""

    def __init__(self, house: House, number: str, **options: Any) -> None:
        super().__init__(
            url=f"{BASE}/voice/incoming",
            fallback_url=f"{BASE}/voice/fallback",
            status_url=f"{BASE}/voice/status",
            transport=options.pop("transport", None) or WsgiTransport(house.app),
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=number,
            **options,
        )
        self.house = house

    @property
    def words(self) -> Catalogue:
        return load("fr")

    @property
    def step(self) -> str:
        """Where the conversation is, as the store has it."""
        return self.house.session(self.sid).step

    def answers(self, *groups: str) -> Phone:
        """Press these groups of keys, one at each question; "" is silence."""
        for keys in groups:
            if keys:
                self.presses(keys)
            else:
                self.stays_silent()
        return self

    def asks_for_theirs(self) -> Phone:
        """Ring about an appointment that is there: a line that just booked is asked about it."""
        self.dials()
        return self.presses("2" if self.step == "booked_before" else "3")

    def goes_to(self, step: str, *, born: str = "12031942", code: str = "75011") -> Phone:
        """Ring (if need be) and answer sensibly until the conversation is at `step`."""
        if not self.documents:
            self.dials()
        sensible = {
            "date_of_birth": born,
            "postcode": code,
            "reach": "3" if self.sender == MOBILE else "2",
            # On alone, however long it lasts.
            "long_call": "2",
        }
        # Who was asked for a number before this has chosen.
        chose = self.step in {"confirm", "reach"}
        for _ in range(20):
            session = self.house.session(self.sid)
            # These callers want no text: the last look has a key for another telephone, or none.
            own = session.step == "confirm" and session.number == self.sender and not chose
            if session.step == step and not own:
                return self
            if session.step == "postcode" and step == "postcode_check":
                # A code that is typed is sure, and has no question of its own.
                self.stays_silent().says(f"mon code postal est le {code}")
            elif session.step == "welcome" and step == "for_whom":
                self.says("prendre rendez-vous")
            elif session.step == "welcome" and step == "for_others":
                self.presses("2")
            else:
                self.presses("3" if own else sensible.get(session.step, "1"))
        raise AssertionError(f"never came to {step}, but to {self.step}")

    def books(self, **options: str) -> Phone:
        """Ring, answer sensibly to the end, and be booked."""
        self.goes_to("reference", **options)
        self.answers("1")
        # Whoever gets no text is offered to be rung, and does not ask for it here.
        return self if self.ended or self.step != "calls_offer" else self.answers("2")


def mornings(count: int, *, first: int = 1) -> list[datetime]:
    """Nine o'clock UTC on the `count` days from `first` days after NOON on."""
    day = NOON.replace(hour=9)
    return [day + timedelta(days=first + number) for number in range(count)]


@contextmanager
def house(url: str, **options: Any) -> Iterator[House]:
    """A House with the postcodes of these tests; closed at the end."""
    made = House(url, **options)
    try:
        made.knows_postcodes()
        yield made
    finally:
        made.close()


def campaign_with(**changes: Any) -> Campaign:
    return replace(CAMPAIGN, **changes)
