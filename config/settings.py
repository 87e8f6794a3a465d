"""Every setting, and the only reader of the environment.

In development each setting has a default that works with the others; in production a missing one
stops the start with a sentence that names it. `PUBLIC_BASE_URL` is used exactly as given, for the
provider signs the address that it was given.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re

from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.places import CAMPAIGN_CENTRES, ROOT, VAR, own_postgres_url, own_redis_url
from config.production import E164, refusals

# Known to everybody, so good for nothing but a machine that talks to itself.
DEVELOPMENT_ACCOUNT_SID = "AC00000000000000000000000000000001"
DEVELOPMENT_AUTH_TOKEN = "development-auth-token-not-secret"  # noqa: S105
DEVELOPMENT_SECRET = "development-secret-key-not-secret"  # noqa: S105
DEVELOPMENT_NUMBER = "+33974750001"
DEVELOPMENT_DATA_KEY = base64.b64encode(
    hashlib.sha256(DEVELOPMENT_SECRET.encode()).digest()
).decode()
KNOWN = frozenset(
    {
        DEVELOPMENT_ACCOUNT_SID,
        DEVELOPMENT_AUTH_TOKEN,
        DEVELOPMENT_SECRET,
        DEVELOPMENT_DATA_KEY,
    }
)

_REQUIRED_IN_PRODUCTION = (
    "database_url",
    "redis_url",
    "public_base_url",
    "secret_key",
    "data_keys",
    "twilio_account_sid",
    "twilio_auth_token",
    "national_number",
    "outbound_caller_id",
    "sms_sender",
    "campaign",
)

# What the provider grants a sender with a name, and many numbers, unless it agreed to more.
PARTS_PER_SECOND_OF_A_NAME = 10.0
SLOWEST_PACE = 0.2


# Of production, where nothing else is said.
DRAIN_SECONDS = 5.0
# A sealed value names its key in one byte.
_MOST_KEYS = 256
_KEY_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_REGION = re.compile(r"[A-Z]{2}")
_MAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_SHORT_NUMBER = re.compile(r"[1-9][0-9]{4}")
# Country codes of French numbers beyond the mainland.
_OVERSEAS = ("+262", "+508", "+590", "+594", "+596", "+681", "+687", "+689")


class BadSettings(SystemExit):
    """What is missing or wrong, for the operator: a sentence for each, with the setting's name.

    A program that does not catch it ends with these lines alone, and with exit status 1.
    """


class Settings(BaseSettings):
    """The settings of docs/operations.md. Names in the environment are these in capitals."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore")

    # In production what is missing or not safe stops the start; in development all has defaults.
    environment: Literal["development", "production"] = "development"
    # The address of this machine that the web listens at, and its port; 0.0.0.0 and :: are all of
    # them. Empty: 0.0.0.0 in production, 127.0.0.1 in development.
    bind_address: str = ""
    port: int = Field(default=8000, ge=1, le=65535)
    # The port of the stand-in for the provider, in development; empty: PORT + 10.
    simulator_port: int | None = Field(default=None, ge=1, le=65535)
    # A PostgreSQL over TLS, postgresql://USER:PASSWORD@HOST/NAME?sslmode=verify-full, or by a local
    # socket, postgresql:///NAME?host=/run/postgresql. One that is reached through a pooler has
    # "pgbouncer=true" (or "prepared", where it keeps prepared statements) in its query.
    database_url: str = ""
    # The same database as the owner of its tables reaches it, past any pooler: for `flask migrate`
    # and `flask db grant`. Empty: DATABASE_URL.
    migration_database_url: str = ""
    # A copy of the database that is only read, for what may be ten seconds old; empty: none.
    replica_database_url: str = ""
    # So many standbys must have each commit on their disk before it counts; 0: the last seconds may
    # be lost with the server. `flask doctor` compares it with what the server does.
    synchronous_standbys: int = Field(default=0, ge=0, le=10)
    # rediss://, redis:// with a password, or a local socket: unix:///run/redis/redis.sock
    redis_url: str = ""
    # The address that the provider and visitors know, https://…, without a slash at the end: the
    # provider signs what it sends with it.
    public_base_url: str = ""
    # Signs sessions of browsers: 32 random bytes, `head -c 32 /dev/urandom | base64`
    secret_key: str = ""
    # Base64 of 32 bytes each, oldest first, separated by commas; the last one seals. "2:" before
    # one says its number; those without are 1, 2, 3 in their order.
    data_keys: str = ""
    # Base64 of 32 bytes: makes look-up hashes. Empty: what the data key of lowest number gives.
    index_key: str = ""
    # The account at the provider: AC and 32 digits or letters; and its token, which signs webhooks.
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    # The token before the last rotation, still accepted on webhooks.
    twilio_auth_token_previous: str = ""
    # Where the provider is asked; empty: at its own address.
    twilio_api_base_url: str = ""
    # Other hosts than the provider's to which its account's password may go, separated by commas.
    twilio_api_hosts: str = ""
    # An API key of the account and its application, for voice in agents' browsers; without a key
    # there is none.
    twilio_api_key_sid: str = ""
    twilio_api_key_secret: str = ""
    twilio_twiml_app_sid: str = ""
    # The number that people call, in international form, or a short one of three to six digits.
    national_number: str = ""
    # What a call there costs, as pages say beside the number. "auto": by the number (an ordinary
    # call, a free one, else nothing is said); "ordinary", "free" or "none"; or words of your own,
    # which every language shows as they are.
    call_cost: str = Field(default="auto", max_length=120)
    # The numbers that people call and what each decides (a TOML file, docs/numbers.md); empty: the
    # one above alone, with the settings here.
    numbers_file: str = ""
    # Where the document of `flask deploy fallback` lies, at another origin: the provider asks there
    # when we do not answer. Empty: our own /voice/fallback.
    voice_fallback_url: str = ""
    # What people see when we ring them: E.164, and no mobile.
    outbound_caller_id: str = ""
    # Calls that the account may begin in a second; the provider grants more on request.
    calls_per_second: float = Field(default=1.0, gt=0, le=1000)
    # The sender of texts: at most 11 letters and digits, or a number.
    sms_sender: str = ""
    # The day (2026-03-01) on which the operators took the sender's name, through the provider.
    # Without it the doctor warns.
    sms_sender_registered_on: str = ""
    # The server that mails leave by: smtp://user:password@host:587 (with STARTTLS, but for one on
    # this machine) or smtps://… (TLS from the first byte), and their sender. Empty: none do.
    smtp_url: str = ""
    mail_from: str = ""
    # Where texts of people come in, in E.164 or a short number of five digits; empty: nowhere.
    sms_reply_number: str = ""
    # The number by which people book by texts, in E.164 or a short number of five digits, named on
    # the site and in texts; it may be SMS_REPLY_NUMBER. Empty: no person books by texts.
    text_booking_number: str = ""
    # Answers that a number gets in 24 hours while it books by texts.
    text_answers_per_number: int = Field(default=60, ge=1, le=1000)
    # An answer to a menu that comes sooner than so many seconds after it was sent is not taken for
    # one: two texts have crossed. 0: every one is taken.
    text_answer_seconds: float = Field(default=3.0, ge=0, le=60)
    # Budgets of a day, by the calendar of Paris: parts of texts and euros for all together, parts
    # for each number, client (a visitor's address, a calling line) and prefix of numbers; calls out
    # and their minutes. 0: by the size of the campaign (services/messages/spend.py). Beyond them a
    # text is held back and told otherwise, and a call waits.
    sms_parts_per_day: int = Field(default=0, ge=0, le=100_000_000)
    # Texts that the account may hand to the provider in a second, and parts of texts that its
    # sender may send in one; all processes together keep to it. 0: no pace. Parts that are not
    # said: none in development; in production what the provider grants a name.
    sms_per_second: float = Field(default=0.0, ge=0, le=1000)
    sms_sender_parts_per_second: float | None = Field(default=None, ge=0, le=1000)
    # Parts of texts that may lie at the provider without a report before reminders wait. 0: any.
    sms_queue_most: int = Field(default=0, ge=0, le=10_000_000)
    # Minutes: a confirmation that would leave later is not promised.
    sms_late_minutes: float = Field(default=10.0, gt=0, le=1440)
    sms_euros_per_day: float = Field(default=0.0, ge=0, le=10_000_000)
    sms_parts_per_number: int = Field(default=20, ge=4, le=1_000_000)
    sms_parts_per_client: int = Field(default=0, ge=0, le=100_000_000)
    sms_parts_per_prefix: int = Field(default=0, ge=0, le=100_000_000)
    calls_per_day: int = Field(default=0, ge=0, le=100_000_000)
    call_minutes_per_day: int = Field(default=0, ge=0, le=100_000_000)
    # Regions beside France and its overseas whose ordinary numbers get texts and calls: their codes
    # of ISO 3166 with commas, as BE,LU. Premium, shared-cost and short numbers never do.
    numbers_also_from: str = ""
    # What the provider asks, in euros: for a part to the mainland, for one to a number overseas,
    # for a minute of a call.
    sms_euros_per_part: float = Field(default=0.08, gt=0, le=10)
    sms_euros_per_part_overseas: float = Field(default=0.25, gt=0, le=10)
    call_euros_per_minute: float = Field(default=0.06, gt=0, le=10)
    # Bookings of 24 hours whose number was not proved to be reached, from a client address, for a
    # birth date and on a number: the next one needs a code that is texted to it. 0: any number.
    unproved_per_address: int = Field(default=2, ge=0)
    unproved_per_birth_date: int = Field(default=2, ge=0)
    unproved_per_number: int = Field(default=2, ge=0)
    # Such codes of 24 hours: from an address that were not typed back, and to a number. 0: any.
    codes_per_address: int = Field(default=3, ge=0)
    codes_per_number: int = Field(default=3, ge=0)
    # Live bookings without any number, of an address, or of a birth date and a postcode; 0: any.
    bookings_without_number: int = Field(default=1, ge=0)
    # Bookings of an hour beyond which a proof, or an agent, is asked for: at one centre on numbers
    # that were typed, and without any (where more is usual, that counts); from lines in a row; and
    # from lines of their own of one birth date in one postcode. 0: any number.
    typed_per_hour: int = Field(default=20, ge=0)
    numberless_per_hour: int = Field(default=5, ge=0)
    row_per_hour: int = Field(default=8, ge=0)
    alike_per_hour: int = Field(default=3, ge=0)
    # Visits of the site that may hold places at one time, from a client address, of a browser, and
    # for a number that was typed. 0: any number.
    holds_per_address: int = Field(default=50, ge=0)
    holds_per_browser: int = Field(default=1, ge=0)
    holds_per_number: int = Field(default=1, ge=0)
    # Live bookings of two days that share a name, a birth date, the beginning of a number or an
    # address, from so many on, are shown to supervisors; 0: none are looked for.
    cluster_size: int = Field(default=8, ge=0)
    # Days that a turn of a call is kept once it is counted; yesterday is looked at again. On
    # PostgreSQL days go whole, up to two days later.
    turns_kept_days: int = Field(default=7, ge=2, le=365)
    # Seconds in which a caller who asks for the same offers again gets the same ones; 0: new ones.
    offers_stay_seconds: float = Field(default=20.0, ge=0, le=300)
    # Seconds that a person needs for a page of the site, and for the one that books; a form that
    # comes sooner is asked for once more. 0: it is taken.
    seconds_per_answer: float = Field(default=1.0, ge=0, le=10)
    seconds_to_book: float = Field(default=2.0, ge=0, le=10)
    # Whether the provider is asked what a line is before its first text (Lookup v2, which costs).
    twilio_lookup: bool = False
    # A campaign's file (TOML), or a folder of them: who may come, when, which doses.
    campaign: str = ""
    # Where alerts of the board are POSTed to as JSON; empty: nowhere.
    alert_webhook_url: str = ""
    # Its host, where that is a private one: else production refuses it.
    alert_webhook_private_host: str = ""
    # Secrets that the chain of what is recorded is made with, oldest first, separated by commas.
    # The last one links, all of them verify. Empty: SECRET_KEY.
    traces_secret: str = ""
    # Where the end of that chain is told each hour: a file that is only added to, and an address
    # that gets a POST of JSON. Empty: not there.
    traces_anchor_file: str = ""
    traces_anchor_webhook_url: str = ""
    # Where a person writes who found a hole in the service (an URI, mailto: or https:); empty: the
    # national number. It stands in /.well-known/security.txt.
    security_contact: str = ""
    # How many proxies stand in front and add the address they saw to X-Forwarded-For.
    proxy_hops: int = Field(default=0, ge=0, le=5)
    # Which partners are read, where and how often (a TOML file); empty: none.
    partners: str = ""
    # The key pair of Keldoc's partner API, where that file says that we book there.
    keldoc_key: str = ""
    keldoc_secret: str = ""
    # Where the feed of free slots for others lies; web servers of one service share it.
    feed_folder: str = ""
    # Seconds for which a web worker that is told to end (SIGTERM) still answers, while /readyz says
    # that it goes: as long as a proxy in front needs to notice. The server kills it after 20.
    # Empty: 5 in production, 0 in development. Under honcho, which kills after 5, 2 at most.
    drain_seconds: float | None = Field(default=None, ge=0, le=12)
    # Threads of a web worker that answer requests.
    web_threads: int = Field(default=6, ge=2, le=64)
    # So many answers of visits wait for their turn; at least half of these places are for visits
    # that have begun. Those who work here have as many places of their own.
    web_queue: int = Field(default=26, ge=0, le=64)
    # The waiting room in front of the web: "auto" has one around openings and in a crowd, "always"
    # has one now, "never" leaves that to another server.
    web_room: Literal["auto", "always", "never"] = "auto"
    # People that are let in from there in a second, at the most; 0: what the web can serve.
    web_inlet_most: float = Field(default=0.0, ge=0, le=10_000)
    # What the log tells, on standard output: DEBUG, INFO, WARNING or ERROR and above.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    # A folder for the counters of one run of the web, which no other run uses.
    prometheus_multiproc_dir: str = ""
    # Who may read /metrics and the details of /readyz in production: "Authorization: Bearer …".
    # Empty: programs of this machine alone, and no program where PROXY_HOPS is not 0.
    metrics_token: str = ""
    # Where traces are sent to (OTLP over HTTP, a collector's address without a path); empty: there
    # are none, and nothing is loaded for them.
    otel_exporter_otlp_endpoint: str = ""

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        missing = []
        if self.environment == "production":
            missing = [name.upper() for name in _REQUIRED_IN_PRODUCTION if not getattr(self, name)]
        self._fill_in()
        # Of a setting that is missing, what stands in its place here says nothing.
        unfit = [fault for fault in self._unfit() if fault.split()[0] not in missing]
        if missing:
            names = ", ".join(missing)
            unfit.insert(0, f"ENVIRONMENT is production and these settings are missing: {names}")
        if unfit:
            raise ValueError("\n".join(unfit))
        return self

    def _unfit(self) -> list[str]:
        """A sentence for each setting that cannot be, each once."""
        found = []
        for check in (
            self._check_pace,
            self._check_databases,
            self._check_public_base_url,
            self._check_bind_address,
            self._check_caller_id,
            self._check_reply_number,
            self._check_registered,
            self._check_mail,
            self.regions_also_served,
            self.vault_keys,
            self.trace_secrets,
            self.look_up_key,
        ):
            try:
                check()
            except ValueError as error:
                found.append(str(error))
        if self.environment == "production":
            found += [f"{fault}." for fault in refusals(self, KNOWN)]
        # The index key is compared with the data keys, whose mistake is said once.
        return list(dict.fromkeys(found))

    def _check_databases(self) -> None:
        """Raises ValueError."""
        for name in ("database_url", "replica_database_url", "migration_database_url"):
            scheme = re.split(r"[+:]", getattr(self, name))[0]
            if scheme not in {"", "postgresql", "postgres"}:
                raise ValueError(f"{name.upper()} must be a PostgreSQL: postgresql://…")

    def _check_public_base_url(self) -> None:
        """Raises ValueError."""
        if self.public_base_url.endswith("/"):
            raise ValueError("PUBLIC_BASE_URL must not end in a slash")

    def _fill_in(self) -> None:
        """Give each setting that is not given its default, which may depend on those that are."""
        is_production = self.environment == "production"
        if self.drain_seconds is None:
            self.drain_seconds = DRAIN_SECONDS if is_production else 0.0
        if self.simulator_port is None:
            self.simulator_port = self.port + 10
        defaults = {
            "database_url": own_postgres_url(self._of_campaign("allo")),
            "redis_url": own_redis_url(),
            # A stranger who reaches the web past a proxy may say which address is theirs.
            "bind_address": (
                "0.0.0.0" if is_production and not self.proxy_hops else "127.0.0.1"  # noqa: S104
            ),
            "public_base_url": f"http://127.0.0.1:{self.port}",
            "secret_key": DEVELOPMENT_SECRET,
            "data_keys": DEVELOPMENT_DATA_KEY,
            "twilio_account_sid": DEVELOPMENT_ACCOUNT_SID,
            "twilio_auth_token": DEVELOPMENT_AUTH_TOKEN,
            "twilio_api_base_url": (
                "https://api.twilio.com"
                if is_production
                else f"http://127.0.0.1:{self.simulator_port}"
            ),
            "national_number": DEVELOPMENT_NUMBER,
            "outbound_caller_id": DEVELOPMENT_NUMBER,
            "sms_sender": "AlloRDV",
            # The simulator takes mails a port above its own.
            "smtp_url": "" if is_production else f"smtp://127.0.0.1:{self.simulator_port + 1}",
            "mail_from": "" if is_production else "rendez-vous@allo.example",
            "campaign": str(ROOT / "campaigns" / "demonstration.toml"),
            "feed_folder": str(VAR / self._of_campaign("feed", "feed-")),
            "traces_secret": self.secret_key or DEVELOPMENT_SECRET,
            "traces_anchor_file": self._anchor_file(),
        }
        for name, default in defaults.items():
            if not getattr(self, name):
                setattr(self, name, default)
        if self.sms_sender_parts_per_second is None:
            self.sms_sender_parts_per_second = PARTS_PER_SECOND_OF_A_NAME if is_production else 0.0

    def _check_bind_address(self) -> None:
        """Raises ValueError. The server takes no names."""
        try:
            ipaddress.ip_address(self.bind_address)
        except ValueError:
            raise ValueError(
                "BIND_ADDRESS must be an address of this machine, as 127.0.0.1, 0.0.0.0 or ::"
            ) from None

    def _check_mail(self) -> None:
        """Raises ValueError. By smtp:// the client asks for TLS, and sends nothing without it."""
        if not self.smtp_url:
            return
        try:
            server = urlsplit(self.smtp_url)
            is_named = server.scheme in {"smtp", "smtps"} and server.hostname and server.port != 0
        except ValueError:
            # Not in Python's words: what is no port may be a password.
            is_named = False
        if not is_named:
            raise ValueError("SMTP_URL must be smtp://user:password@host:587 or smtps://…:465")
        if not _MAIL_ADDRESS.fullmatch(self.mail_from):
            raise ValueError(
                "MAIL_FROM must be the address that mails come from, as rendez-vous@example.fr"
            )

    def _check_pace(self) -> None:
        """Raises ValueError. At a slower one a text would wait for longer than a relay does."""
        paces = {
            "SMS_PER_SECOND": self.sms_per_second,
            "SMS_SENDER_PARTS_PER_SECOND": self.sms_sender_parts_per_second or 0.0,
        }
        for name, pace in paces.items():
            if 0 < pace < SLOWEST_PACE:
                raise ValueError(f"{name} must be 0 (no pace) or at least {SLOWEST_PACE}")

    def _check_caller_id(self) -> None:
        """Raises ValueError. Mobile numbers are forbidden to automatic systems and call centres.

        Source: the French numbering plan (decision 2018-0881 of Arcep, as changed in 2022).
        """
        number = self.outbound_caller_id
        if not E164.fullmatch(number):
            raise ValueError(
                "OUTBOUND_CALLER_ID must be a number in international form, as +33974750001"
            )
        if _is_french_mobile(number):
            raise ValueError(
                "OUTBOUND_CALLER_ID is a French mobile number (06 or 07): call centres and"
                " automatic systems may not call with one; give a number like +33974750001"
            )

    def _check_reply_number(self) -> None:
        """Raises ValueError. A machine answers: the rule is that of `_check_caller_id`."""
        numbers = {
            "SMS_REPLY_NUMBER": self.sms_reply_number,
            "TEXT_BOOKING_NUMBER": self.text_booking_number,
        }
        for name, number in numbers.items():
            if not number:
                continue
            if not E164.fullmatch(number) and not _SHORT_NUMBER.fullmatch(number):
                raise ValueError(
                    f"{name} must be a number in international form, as +33974750001,"
                    " or a short one of five digits"
                )
            if _is_french_mobile(number):
                raise ValueError(
                    f"{name} is a French mobile number (06 or 07): automatic systems may not"
                    " write with one"
                )

    def _check_registered(self) -> None:
        """Raises ValueError."""
        given = self.sms_sender_registered_on
        try:
            is_past = not given or date.fromisoformat(given) <= date.today()  # noqa: DTZ011
        except ValueError:
            is_past = False
        if not is_past:
            raise ValueError("SMS_SENDER_REGISTERED_ON must be a day that was, as 2026-03-01")

    def regions_also_served(self) -> list[str]:
        """The codes of NUMBERS_ALSO_FROM. Raises ValueError for one that is none."""
        codes = [code.strip() for code in self.numbers_also_from.split(",") if code.strip()]
        for code in codes:
            if not _REGION.fullmatch(code):
                raise ValueError(
                    "NUMBERS_ALSO_FROM must hold codes of two capital letters with commas, as BE,LU"
                )
        return codes

    def centres_of_campaign(self) -> Path | None:
        """The file of centres that lies in the folder CAMPAIGN; None where there is none."""
        file = Path(self.campaign) / CAMPAIGN_CENTRES
        return file if self.campaign and file.is_file() else None

    def _of_campaign(self, usual: str, before: str = "") -> str:
        """The name of what lies in var/: its own for a campaign that brings its own centres.

        A town hall's appointments are not given in the halls of another demonstration.
        """
        own = self.centres_of_campaign()
        return f"{before}{own.parent.name}" if own else usual

    def own_database(self) -> str:
        """The database's name in the PostgreSQL that comes with the service; empty for another."""
        name = unquote(urlsplit(self.database_url).path.removeprefix("/"))
        is_own = self.database_url == own_postgres_url(name)
        return name if is_own else ""

    def _anchor_file(self) -> str:
        """Beside the data that they are of; in production in the folder of this copy; else none.

        A database of PostgreSQL that a test or a measurement makes is another one the next day.
        """
        name = self.own_database() if self.database_url else self._of_campaign("allo")
        if name:
            return str(VAR / f"{name}.anchors")
        return str(VAR / "anchors") if self.environment == "production" else ""

    def trace_secrets(self) -> list[str]:
        """The secrets of the chain, oldest first. Raises ValueError about TRACES_SECRET."""
        if self.traces_secret == self.secret_key:
            return [self.secret_key]
        secrets = [part.strip() for part in self.traces_secret.split(",")]
        if not all(secrets):
            raise ValueError("TRACES_SECRET must hold a secret, or several with commas")
        return secrets

    def provider_hosts(self) -> frozenset[str]:
        """Hosts beside the provider's own that may be sent its account's password."""
        said = (host.strip().lower() for host in self.twilio_api_hosts.split(","))
        return frozenset(host for host in said if host)

    def vault_keys(self) -> dict[int, bytes]:
        """The data keys as bytes by their numbers, from 0. Raises ValueError about DATA_KEYS."""
        keys: dict[int, bytes] = {}
        unnumbered = 0
        for part in self.data_keys.split(","):
            said, colon, encoded = part.strip().rpartition(":")
            if not colon:
                unnumbered += 1
                said = str(unnumbered)
            key = _bytes_of_key(encoded)
            if key is None:
                raise ValueError("DATA_KEYS must hold base64 of 32 bytes, or several with commas")
            if not _KEY_NUMBER.fullmatch(said) or int(said) > _MOST_KEYS:
                raise ValueError(
                    f"DATA_KEYS must number its keys from 1 to {_MOST_KEYS}, as in 2:…"
                )
            if int(said) - 1 in keys:
                raise ValueError(f"DATA_KEYS holds two keys of the number {int(said)}")
            if key in keys.values():
                raise ValueError("DATA_KEYS holds the same key twice")
            keys[int(said) - 1] = key
        return keys

    def look_up_key(self) -> bytes | None:
        """The index key as bytes; None where there is none. Raises ValueError about INDEX_KEY."""
        if not self.index_key:
            return None
        key = _bytes_of_key(self.index_key)
        if key is None:
            raise ValueError("INDEX_KEY must be base64 of 32 bytes")
        if key in self.vault_keys().values():
            raise ValueError("INDEX_KEY is one of DATA_KEYS: it must be another key")
        return key


def _bytes_of_key(encoded: str) -> bytes | None:
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == 32 else None  # noqa: PLR2004


def _is_french_mobile(number: str) -> bool:
    """By its first digits in the mainland, where not all ranges are in use; else by the plan."""
    if number.startswith(("+336", "+337")):
        return True
    if not number.startswith(_OVERSEAS):
        return False
    # The plan is loaded by the conversation anyway, and by nothing else of a short command.
    import phonenumbers  # noqa: PLC0415

    parsed = phonenumbers.parse(number, None)
    return phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE


def load(**overrides: object) -> Settings:
    """Read the environment and `.env`. Raises BadSettings with all that is wrong in them."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        found, kinds = _sentences(error)
    if kinds and "environment" not in kinds:
        # What is no number, or none that can be, hides the rest: look on without it.
        try:
            Settings(**{**overrides, **kinds})  # type: ignore[arg-type]
        except ValidationError as error:
            found += _sentences(error)[0]
    if len(found) > 1:
        found = [f"{fault.removesuffix('.')}." for fault in found]
    raise BadSettings("\n".join(found))


def _sentences(error: ValidationError) -> tuple[list[str], dict[str, object]]:
    """A line for each mistake, and the defaults of the settings that are not of their kind."""
    found: list[str] = []
    kinds: dict[str, object] = {}
    for each in error.errors(include_input=False):
        name = str(each["loc"][0]).lower() if each["loc"] else ""
        said = each["msg"].removeprefix("Value error, ")
        if name in Settings.model_fields:
            kinds[name] = Settings.model_fields[name].default
        found += [f"{name.upper()}: {said}"] if name else said.splitlines()
    return found, kinds
