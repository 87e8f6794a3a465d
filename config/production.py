"""What settings must be in production; each refusal is one sentence that names the setting.

`config` calls it, and nothing else does. It opens no connection: what a server says of itself (its
durability, its accounts) is looked at when the service starts.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import socket

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from services.health.french_rules import MOBILE, forbidden_number, forbidden_sender

if TYPE_CHECKING:
    from config.settings import Settings

# A secret has so many letters, and so many different ones: 32 random bytes in base64 have 25 to 40.
SECRET_LETTERS: Final = 32
DIFFERENT_LETTERS: Final = 10
# And so many different bytes has a random key of 32: the chance of fewer is one in ten million.
DIFFERENT_BYTES: Final = 20
HOW_TO_MAKE_ONE: Final = "`head -c 32 /dev/urandom | base64` makes one"
# A password or token that is typed into two settings has so many letters, and different ones.
PASSWORD_LETTERS: Final = 16
DIFFERENT_OF_A_PASSWORD: Final = 8
# No limit may be more than so many times its default: it would hold no script back.
MOST_TIMES_A_DEFAULT: Final = 20
# Seconds below which no person answers a page.
LEAST_SECONDS_PER_ANSWER: Final = 0.2
# Live bookings that share something, from which on a group is one.
LEAST_CLUSTER: Final = 2
# The provider's hosts; the account's password goes there.
_PROVIDER: Final = re.compile(r"(?:[a-z0-9-]+\.)*twilio\.com")
# Parameters by which libpq goes elsewhere than the address says, with what they do.
_PAST_THE_ADDRESS: Final = {
    "hostaddr": "leads past the host that the certificate is compared with",
    "service": "takes the address from a file that is not looked at",
    "servicefile": "takes the address from a file that is not looked at",
}
# Parameters of redis-py by which a certificate is not looked at, and their harmless value.
_CERTIFICATE_OF_REDIS: Final = {"ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
# What libpq calls the server that is written to, and an encrypted connection.
_WRITTEN_TO: Final = frozenset({"read-write", "primary"})
_TLS: Final = frozenset({"require", "verify-ca", "verify-full"})
_SID: Final = re.compile(r"AC[0-9a-f]{32}")
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT: Final = re.compile(r"[1-9][0-9]{2,5}")
# A sender in letters: at most 11 of GSM's plain ones, and not digits alone (the provider's rule).
_LETTERS: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
_CONTACT: Final = re.compile(r"mailto:[^@\s]+@[^@\s]+\.[^@\s]+|https://[^\s/]+\.[^\s]+")
_NAMES_AT_HOME: Final = (".local", ".localhost", ".internal", ".lan", ".home", ".intranet")

_T = TypeVar("_T")


def refusals(given: Settings, known: Collection[str]) -> list[str]:
    """Why these settings are not fit for production; empty where they are.

    `known` are values that stand in this source: none may be a secret or an account.
    """
    checks: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: _address(given.public_base_url),
        lambda: _secrets(given, known),
        lambda: _data_keys(list((_readable(given.vault_keys) or {}).values()), known),
        lambda: _index_key(_readable(given.look_up_key), given.secret_key, known),
        lambda: _provider(given, known),
        lambda: _numbers(given),
        lambda: _database("DATABASE_URL", given.database_url),
        lambda: _database("REPLICA_DATABASE_URL", given.replica_database_url),
        lambda: _database("MIGRATION_DATABASE_URL", given.migration_database_url),
        lambda: _redis(given.redis_url),
        lambda: _fallback(given.voice_fallback_url),
        lambda: _told_to(
            "ALERT_WEBHOOK_URL", given.alert_webhook_url, given.alert_webhook_private_host
        ),
        lambda: _told_to(
            "TRACES_ANCHOR_WEBHOOK_URL",
            given.traces_anchor_webhook_url,
            given.alert_webhook_private_host,
        ),
        lambda: _collector(given.otel_exporter_otlp_endpoint),
        lambda: _rest(given),
    )
    return [sentence for check in checks for sentence in check()]


def _readable(read: Callable[[], _T]) -> _T | None:
    """None for what cannot be read at all, which `config` tells."""
    try:
        return read()
    except ValueError:
        return None


# ---------------------------------------------------------------- addresses and secrets


def _address(url: str) -> Iterator[str]:
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not parts.hostname:
        yield "PUBLIC_BASE_URL must begin with https:// and name a host"
    elif parts.username is not None or parts.query or parts.fragment:
        yield "PUBLIC_BASE_URL must be an address alone: no name, password, ? or # in it"
    elif _is_private(parts.hostname):
        yield "PUBLIC_BASE_URL names a host that the provider and callers cannot reach"


def _fallback(url: str) -> Iterator[str]:
    parts = _split(url)
    if not url:
        return
    if parts is None or parts.scheme != "https" or _is_private(parts.hostname or ""):
        yield (
            "VOICE_FALLBACK_URL must begin with https:// and name a host that the provider reaches"
        )


def _secrets(given: Settings, known: Collection[str]) -> Iterator[str]:
    secrets = {
        "SECRET_KEY": given.secret_key,
        "TWILIO_AUTH_TOKEN": given.twilio_auth_token,
        "TWILIO_AUTH_TOKEN_PREVIOUS": given.twilio_auth_token_previous,
    }
    said = [
        *secrets.items(),
        # SECRET_KEY stands in where none is given, and is looked at once.
        *(
            ("TRACES_SECRET", secret)
            for secret in _readable(given.trace_secrets) or []
            if secret != given.secret_key
        ),
    ]
    for name, secret in said:
        if not secret:
            continue
        if secret in known:
            yield f"{name} is a value that everybody knows: it stands in the source"
        elif len(secret) < SECRET_LETTERS or len(set(secret)) < DIFFERENT_LETTERS:
            ours = name in {"SECRET_KEY", "TRACES_SECRET"}
            remedy = HOW_TO_MAKE_ONE if ours else "take the provider's own"
            yield f"{name} must be random and have at least {SECRET_LETTERS} letters; {remedy}"
    if given.metrics_token and _is_guessed(given.metrics_token):
        yield f"METRICS_TOKEN must have at least {PASSWORD_LETTERS} letters; {HOW_TO_MAKE_ONE}"
    if len(given.secret_key) >= SECRET_LETTERS and given.secret_key in {
        given.twilio_auth_token,
        given.twilio_auth_token_previous,
    }:
        yield "SECRET_KEY must not be the provider's token, which others know"


def _is_guessed(password: str) -> bool:
    return len(password) < PASSWORD_LETTERS or len(set(password)) < DIFFERENT_OF_A_PASSWORD


def _data_keys(keys: list[bytes], known: Collection[str]) -> Iterator[str]:
    if any(base64.b64encode(key).decode() in known for key in keys):
        yield "DATA_KEYS holds the key of development, which everybody knows"
    elif any(len(set(key)) < DIFFERENT_BYTES for key in keys):
        yield f"DATA_KEYS holds a key that is not random; {HOW_TO_MAKE_ONE}"


def _index_key(key: bytes | None, secret: str, known: Collection[str]) -> Iterator[str]:
    if key is None:
        return
    encoded = base64.b64encode(key).decode()
    if encoded in known:
        yield "INDEX_KEY is the key of development, which everybody knows"
    elif len(set(key)) < DIFFERENT_BYTES:
        yield f"INDEX_KEY is not random; {HOW_TO_MAKE_ONE}"
    elif encoded == secret:
        yield "INDEX_KEY must not be SECRET_KEY, which has another purpose"


# ---------------------------------------------------------------- the provider, and numbers


def _provider(given: Settings, known: Collection[str]) -> Iterator[str]:
    if given.twilio_account_sid in known:
        yield "TWILIO_ACCOUNT_SID is the made-up one of development"
    elif not _SID.fullmatch(given.twilio_account_sid):
        yield "TWILIO_ACCOUNT_SID must be AC and 32 digits or letters from a to f"
    parts = _split(given.twilio_api_base_url)
    host = (parts.hostname or "") if parts else ""
    if (
        parts is None
        or not host
        or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))
    ):
        yield "TWILIO_API_BASE_URL must begin with https://, for the account's password goes there"
    elif not (_PROVIDER.fullmatch(host) or _is_loopback(host) or host in given.provider_hosts()):
        yield (
            "TWILIO_API_BASE_URL names a host that is none of the provider's; if the account's"
            f" password is meant for it, TWILIO_API_HOSTS={host} allows it"
        )
    if bool(given.twilio_api_key_sid) != bool(given.twilio_api_key_secret):
        yield "TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET must be given both, or neither"
    if bool(given.keldoc_key) != bool(given.keldoc_secret):
        yield "KELDOC_KEY and KELDOC_SECRET must be given both, or neither"


def _numbers(given: Settings) -> Iterator[str]:
    number = given.national_number
    if not E164.fullmatch(number) and not _SHORT.fullmatch(number):
        yield (
            "NATIONAL_NUMBER must be in international form, as +33974750001, or a short number of"
            " three to six digits"
        )
    sender = given.sms_sender
    if not (_LETTERS.fullmatch(sender) or E164.fullmatch(sender) or _SHORT.fullmatch(sender)):
        yield (
            "SMS_SENDER must be at most 11 letters and digits, a number in international form, or a"
            " short number"
        )
    seen = {
        "OUTBOUND_CALLER_ID": forbidden_number(given.outbound_caller_id),
        "SMS_SENDER": forbidden_sender(sender),
    }
    for name, forbidden in seen.items():
        # `config` refuses a mobile everywhere that people would see.
        if forbidden and (name, forbidden) != ("OUTBOUND_CALLER_ID", MOBILE):
            yield f"{name} {forbidden}"


# ---------------------------------------------------------------- the servers behind


def _database(name: str, url: str) -> Iterator[str]:
    if not url.startswith("postgres"):
        # One that is none of PostgreSQL is told by `config`, wherever it runs.
        return
    hosts, query = _hosts(url)
    for parameter, why in _PAST_THE_ADDRESS.items():
        if parameter in query:
            yield f"{name} must not have {parameter}=, which {why}"
            return
    if hosts is None:
        yield (
            f"{name} is not an address: postgresql://name:password@host:5432/database, or several"
            " hosts with commas, each with its port"
        )
        return
    # Without a host the driver takes the socket of this machine.
    afar = [host for host in hosts if host and not host.startswith("/")]
    if afar and query.get("sslmode", [""])[-1] not in _TLS:
        yield (
            f"{name} must end in ?sslmode=require (verify-full is better), or name the folder"
            " of a local socket: ?host=/run/postgresql"
        )
    if query.get("pgbouncer", ["false"])[-1] not in {"true", "prepared", "false"}:
        yield f"{name} must say pgbouncer=true, pgbouncer=prepared, or nothing of it"
    writes = query.get("target_session_attrs", [""])[-1] in _WRITTEN_TO
    if name == "DATABASE_URL" and len(hosts) > 1 and not writes:
        yield (
            "DATABASE_URL names several hosts and must say &target_session_attrs=read-write, or"
            " the service takes a standby that nothing can be booked at"
        )


def _hosts(url: str) -> tuple[list[str] | None, dict[str, list[str]]]:
    """All hosts of an address, those of its query as well, and its query; None: it is none."""
    parts = _split(url)
    if parts is None:
        return None, {}
    query = parse_qs(parts.query)
    said = [
        *parts.netloc.rpartition("@")[2].split(","),
        *(host for each in query.get("host", []) for host in each.split(",")),
    ]
    ports = [host[host.rfind("]") + 1 :].partition(":")[2] for host in said]
    if any(port and not port.isdigit() for port in ports):
        return None, query
    hosts = [host if host.startswith("/") else host.partition(":")[0] for host in said]
    # A host of the query takes the place of none before it.
    return [host for host in hosts if host] or [""], query


def _redis(url: str) -> Iterator[str]:
    parts = _split(url)
    if parts is None or parts.scheme not in {"redis", "rediss", "unix"}:
        yield "REDIS_URL must begin with rediss://, redis:// or unix://"
        return
    if parts.scheme == "redis" and not parts.password:
        yield "REDIS_URL must have a password, TLS (rediss://) or a local socket (unix://)"
    elif parts.scheme == "redis" and _is_guessed(unquote(parts.password or "")):
        yield (
            f"REDIS_URL must have a password of at least {PASSWORD_LETTERS} letters;"
            f" {HOW_TO_MAKE_ONE}"
        )
    query = parse_qs(parts.query)
    for parameter, safe in _CERTIFICATE_OF_REDIS.items():
        if query.get(parameter, [safe])[-1].lower() != safe:
            yield f"REDIS_URL must not say {parameter}, for then no certificate is looked at"


def _told_to(name: str, url: str, private_host: str) -> Iterator[str]:
    if not url:
        return
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not parts.hostname:
        yield f"{name} must begin with https:// and name a host"
    elif _is_private(parts.hostname) and parts.hostname != private_host.lower():
        yield (
            f"{name} names a private address; if it is meant,"
            f" ALERT_WEBHOOK_PRIVATE_HOST={parts.hostname} allows it"
        )


def _collector(url: str) -> Iterator[str]:
    """Ids of calls go there."""
    parts = _split(url)
    if url and (
        parts is None
        or not parts.hostname
        or parts.scheme not in {"http", "https"}
        or (parts.scheme == "http" and not _is_private(parts.hostname))
    ):
        yield (
            "OTEL_EXPORTER_OTLP_ENDPOINT must begin with https://, or with http:// for a collector"
            " on this machine or in this house"
        )


def _rest(given: Settings) -> Iterator[str]:
    if "proxy_hops" not in given.model_fields_set:
        yield (
            "PROXY_HOPS must say how many proxies stand in front: 0 where none does, else all who"
            " come count as one"
        )
    if given.sms_parts_per_day <= 0:
        yield "SMS_PARTS_PER_DAY must be more than 0: without a budget a stranger spends yours"
    else:
        narrower = {
            "SMS_PARTS_PER_NUMBER": given.sms_parts_per_number,
            "SMS_PARTS_PER_CLIENT": given.sms_parts_per_client,
            "SMS_PARTS_PER_PREFIX": given.sms_parts_per_prefix,
        }
        for name, parts in narrower.items():
            if parts > given.sms_parts_per_day:
                yield f"{name} is more than SMS_PARTS_PER_DAY: it would hold nothing back"
    yield from _limits(given)
    yield from _anchor(given.traces_anchor_file)
    if not _CONTACT.fullmatch(given.security_contact):
        yield (
            "SECURITY_CONTACT must say where a hole in the service is reported: mailto:… or https://…"
        )


def _anchor(file: str) -> Iterator[str]:
    """A file that is only added to; what was said to /dev/null proves nothing."""
    if file and (Path(file).is_relative_to("/dev") or _is_no_file(Path(file))):
        yield "TRACES_ANCHOR_FILE must be a file that keeps what is added to it"


def _is_no_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_file()
    except OSError:
        return False


def _limits(given: Settings) -> Iterator[str]:
    """0 is no limit, which measurements and tests ask for; and so are millions."""
    limits = {
        "UNPROVED_PER_ADDRESS": given.unproved_per_address,
        "UNPROVED_PER_BIRTH_DATE": given.unproved_per_birth_date,
        "UNPROVED_PER_NUMBER": given.unproved_per_number,
        "CODES_PER_ADDRESS": given.codes_per_address,
        "CODES_PER_NUMBER": given.codes_per_number,
        "BOOKINGS_WITHOUT_NUMBER": given.bookings_without_number,
        "TYPED_PER_HOUR": given.typed_per_hour,
        "NUMBERLESS_PER_HOUR": given.numberless_per_hour,
        "ROW_PER_HOUR": given.row_per_hour,
        "ALIKE_PER_HOUR": given.alike_per_hour,
        "HOLDS_PER_ADDRESS": given.holds_per_address,
        "HOLDS_PER_BROWSER": given.holds_per_browser,
        "HOLDS_PER_NUMBER": given.holds_per_number,
    }
    for name, limit in limits.items():
        usual = type(given).model_fields[name.lower()].default
        if limit <= 0:
            yield f"{name} must be more than 0: without a limit one script books a whole centre"
        elif limit > MOST_TIMES_A_DEFAULT * usual:
            most = MOST_TIMES_A_DEFAULT * usual
            yield f"{name} must be {most} at the most: beyond that it holds no script back"
    largest = MOST_TIMES_A_DEFAULT * type(given).model_fields["cluster_size"].default
    if not LEAST_CLUSTER <= given.cluster_size <= largest:
        yield (
            f"CLUSTER_SIZE must be from {LEAST_CLUSTER} to {largest}: else no group of bookings is"
            " shown"
        )
    if given.seconds_per_answer < LEAST_SECONDS_PER_ANSWER:
        yield (
            f"SECONDS_PER_ANSWER must be at least {LEAST_SECONDS_PER_ANSWER}: a script that is"
            " quicker than any person is not held back else"
        )


# ---------------------------------------------------------------- of addresses


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None for what is none."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname
    except ValueError:
        return None
    return parts


def _ip(host: str) -> Any:
    """The address that a host is; None for a name. 127.1 and 0x7f000001 are addresses, too."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _is_loopback(host: str) -> bool:
    found = _ip(host)
    return host == "localhost" or (found is not None and found.is_loopback)


def _is_private(host: str) -> bool:
    """Whether a host is in this machine or this house: by its address, else by its name."""
    found = _ip(host)
    if found is not None:
        return not found.is_global
    return "." not in host or host.endswith(_NAMES_AT_HOME)
