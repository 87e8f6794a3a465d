"""What an operator may say of the SIP leg: settings of the environment, and one file.

`read` makes a `Plan` of both: who may ring whom. Whatever it does not name is not possible: only
these networks are heard, only these accounts are telephones of ours, and only the trunk's prefixes
are called outside. The file is described in docs/sip.md. Nothing here needs the extra's packages.
"""

import ipaddress
import re
import socket
import tomllib

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn, Self, cast

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

# The SIP port is so many above the service's unless told otherwise; the simulator's is 10 above.
PORT_OFFSET: Final = 20
# One sound that is fetched, as it comes and as it is kept (ten minutes).
FETCHED_BYTES: Final = 10 * 2**20
FETCHED_S: Final = 600.0

# Known to everybody, and of use on this machine only: without a file nobody else is heard.
DEVELOPMENT_PASSWORD: Final = "poste-demonstration-1"  # noqa: S105
# Set aside by the regulator for works of fiction.
_DEVELOPMENT_NUMBER: Final = "+331990001{:02d}"
_DEVELOPMENT_ACCOUNTS: Final = 5

_LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
# French numbers that cost who calls them more than a call: 081, 082 and 089. A shorter prefix does
# not open them. Source: the French numbering plan (decision 2018-0881 of Arcep).
_DEAR: Final = ("+3381", "+3382", "+3389")

# A number of France has nine digits behind +33. Short ones, as a directory service's 118 XYZ, are
# among the dearest, and stand below a prefix as harmless as +331.
_FRANCE: Final = "+33"
_FRENCH: Final = re.compile(r"\+33[1-9][0-9]{8}")

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_RUNG_AS: Final = re.compile(rf"(?:{_E164.pattern})|client:[A-Za-z0-9_.@+-]{{1,120}}")
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_PORTS: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
# Who knows an account can ring and be rung: a password may not be guessed.
_SHORTEST_PASSWORD: Final = 12
_MOST_ACCOUNTS: Final = 1000
# What the simulator takes of one process (`rest/far_phones.py`): one too many, and it takes none.
_MOST_RINGS: Final = 1000
_MOST_PREFIXES: Final = 100
# Below are a system's own.
_OWN_PORTS: Final = 1024
_LAST_PORT: Final = 65535

Network = IPv4Network | IPv6Network


class BadFile(Exception):
    """One sentence for the operator: which setting, or which file and key, and what it must be."""


class SipSettings(BaseSettings):
    """Environment variables of the same names in capitals; empty ones count as absent."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    port: int = 8000
    # The address that telephones reach, for SIP and for sound.
    sip_host: str = "127.0.0.1"
    sip_port: int | None = Field(default=None, ge=1, le=65535)
    # From and to, the last one included; two of them a call.
    sip_rtp_ports: str = "20000-20999"
    sip_most_calls: int = Field(default=120, ge=1, le=1000)
    # Accounts, networks, trunk; empty: a handful of accounts, on this machine only.
    sip_file: str = ""
    # Who speaks: "auto" takes py-nanotts, and espeak-ng where that is missing; "off" is silent.
    sip_voice: Literal["auto", "nanotts", "espeak", "off"] = "auto"
    # What understands speech; empty: nothing does, and callers press keys.
    sip_recogniser: str = ""

    @property
    def own_port(self) -> int:
        """The port of SIP, over UDP and TCP."""
        return self.sip_port or self.port + PORT_OFFSET


@dataclass(frozen=True)
class Account:
    """A telephone that registers. `rings` is what it is rung as: E.164 or `client:<staff id>`."""

    name: str
    password: str
    rings: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """What others see when it rings them: its first number (E.164); "" where it has none."""
        return next((one for one in self.rings if _E164.fullmatch(one)), "")

    def __repr__(self) -> str:
        # The password stays out of logs and of a test's output.
        return f"Account({self.name!r}, rings={self.rings!r})"


@dataclass(frozen=True)
class Trunk:
    """A provider's line to everybody else's telephones.

    Calls come in from `networks`, and go out to `host`, only to numbers that `allows` is true of,
    at most `calls_per_second` begun and `most_calls` at once. With a `user` its challenges are
    answered.
    """

    host: str
    port: int
    transport: Literal["udp", "tcp"]
    user: str
    password: str
    networks: tuple[Network, ...]
    prefixes: tuple[str, ...]
    calls_per_second: float
    most_calls: int
    caller_ids: tuple[str, ...]

    def allows(self, number: str) -> bool:
        """Return whether `number` may be called: E.164, below an allowed prefix, and not dear."""
        pattern = _FRENCH if number.startswith(_FRANCE) else _E164
        if not pattern.fullmatch(number):
            return False
        dear = next((start for start in _DEAR if number.startswith(start)), "")
        return any(number.startswith(one) and one.startswith(dear) for one in self.prefixes)

    def shown(self, sender: str) -> str:
        """Return the number that is shown to who is called: `sender` where it is ours to show."""
        return sender if sender in self.caller_ids else self.caller_ids[0]

    def __repr__(self) -> str:
        return f"Trunk({self.host!r}, {self.port}, {self.transport!r}, prefixes={self.prefixes!r})"


@dataclass(frozen=True)
class Plan:
    """All that the SIP leg may do.

    `networks` are those whose messages are heard, the trunk's among them; `advertised_host` is the
    address that others are told to send to.
    """

    host: str
    port: int
    rtp_ports: tuple[int, int]
    most_calls: int
    accounts: Mapping[str, Account]
    networks: tuple[Network, ...]
    trunk: Trunk | None
    advertised_host: str

    def hears(self, host: str) -> bool:
        """Return whether a message from that address is read at all.

        Who hears the loopback address hears this machine under its other addresses, too: many a
        softphone sends from the one of the network even to a neighbour on the same machine.
        """
        return _is_in(host, self.networks) or (
            _is_in("127.0.0.1", self.networks) and _is_this_machine(host)
        )

    def is_trunk(self, host: str) -> bool:
        """Return whether that address is the provider's: it may ring us, and register nothing."""
        return self.trunk is not None and _is_in(host, self.trunk.networks)


def load() -> SipSettings:
    """Read the environment and `.env`. Raises BadFile with a sentence that names the setting."""
    try:
        return SipSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise BadFile(f"{name} is {first['input']!r}: {first['msg'].lower()}") from None


def read(settings: SipSettings) -> Plan:
    """Return what the settings and their file allow. Raises BadFile at the first mistake."""
    host = settings.sip_host
    if not is_address(host):
        raise BadFile(f"SIP_HOST is {host!r}: it must be an address of this machine, as 127.0.0.1")
    if settings.own_port > _LAST_PORT:
        raise BadFile(f"SIP_PORT is {settings.own_port} (PORT + {PORT_OFFSET}), which is no port")
    plan = Plan(
        host=host,
        port=settings.own_port,
        rtp_ports=_rtp_ports(settings),
        most_calls=settings.sip_most_calls,
        accounts=MappingProxyType(_development_accounts()),
        networks=_LOOPBACK,
        trunk=None,
        advertised_host=host,
    )
    if not settings.sip_file:
        if not ipaddress.ip_address(host).is_loopback:
            raise BadFile(
                f"SIP_HOST is {host}, which other machines reach: name a file with the accounts and"
                " the networks that are heard (SIP_FILE, see docs/sip.md)"
            )
        return plan
    file = _file(Path(settings.sip_file))
    networks = file.networks(*map(str, _LOOPBACK))
    accounts = _accounts(file)
    trunk = None
    if "trunk" in file.told:
        trunk = _trunk(file.table("trunk", set(Trunk.__dataclass_fields__)))
    if trunk is not None:
        networks += tuple(one for one in trunk.networks if one not in networks)
    advertised = file.told.get("advertised_host", host)
    if not isinstance(advertised, str) or not is_address(advertised):
        file.refuse("advertised_host", "must be an address, as 192.168.10.5")
    if ipaddress.ip_address(advertised).is_unspecified:
        why = f"is missing: with SIP_HOST={host} telephones must be told one"
        file.refuse("advertised_host", why)
    return replace(
        plan,
        accounts=MappingProxyType(accounts),
        networks=networks,
        trunk=trunk,
        advertised_host=advertised,
    )


def _development_accounts() -> dict[str, Account]:
    """`poste1` to `poste5`, each rung under a number that no real person has."""
    names = [f"poste{number}" for number in range(1, _DEVELOPMENT_ACCOUNTS + 1)]
    return {
        name: Account(name, DEVELOPMENT_PASSWORD, (_DEVELOPMENT_NUMBER.format(number),))
        for number, name in enumerate(names, 1)
    }


def _rtp_ports(settings: SipSettings) -> tuple[int, int]:
    told = settings.sip_rtp_ports
    found = _PORTS.fullmatch(told)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not _OWN_PORTS <= first < last <= _LAST_PORT:
        raise BadFile(f"SIP_RTP_PORTS is {told!r}: it must be two ports, as 20000-20999")
    needed = 2 * settings.sip_most_calls
    if last - first + 1 < needed:
        raise BadFile(
            f"SIP_RTP_PORTS is {told}: SIP_MOST_CALLS={settings.sip_most_calls} needs {needed} of"
            " them, two a call"
        )
    if first <= settings.own_port <= last:
        raise BadFile(
            f"SIP_RTP_PORTS is {told}: port {settings.own_port} is SIP's own (SIP_PORT); choose"
            " others"
        )
    return first, last


# ---------------------------------------------------------------- the file


class _Table:
    """A table of the file, and checks of what is in it by key; each raises BadFile."""

    def __init__(self, told: object, file: str, keys: tuple[str, ...], known: set[str]) -> None:
        """`keys` are those that lead to it, `known` those that it may have."""
        self._file, self._keys = file, keys
        if not isinstance(told, dict):
            self.refuse("", f"must be a table: write [{'.'.join(keys)}]")
        self.told: dict[str, Any] = told
        for key in told:
            if key not in known:
                self.refuse(key, f"is not known: there are {', '.join(sorted(known))}")

    def table(self, key: str, known: set[str]) -> Self:
        """Return the table of that key."""
        return type(self)(self.told[key], self._file, (*self._keys, key), known)

    def refuse(self, key: str, what: str) -> NoReturn:
        raise BadFile(f"{self._file}: {'.'.join(filter(None, (*self._keys, key)))} {what}")

    def text(self, key: str, pattern: re.Pattern[str], example: str, usual: str = "") -> str:
        return self._matching(key, self.told.get(key, usual), pattern, example)

    def texts(
        self, key: str, pattern: re.Pattern[str], example: str, usual: Sequence[str] = ()
    ) -> tuple[str, ...]:
        value = self.told.get(key, list(usual))
        if not isinstance(value, list):
            self.refuse(key, f"must be a list, as [{example}]")
        return tuple(self._matching(key, one, pattern, example) for one in value)

    def _matching(self, key: str, value: object, pattern: re.Pattern[str], example: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(key, f"must be a text, as {example}")
        return value

    def number(self, key: str, lowest: float, highest: float, usual: float) -> float:
        value = self.told.get(key, usual)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not lowest <= value <= highest:
            self.refuse(key, f"must be a number from {lowest:g} to {highest:g}")
        return float(value)

    def whole(self, key: str, lowest: int, highest: int, usual: int) -> int:
        if not isinstance(self.told.get(key, usual), int):
            self.refuse(key, f"must be a whole number from {lowest} to {highest}")
        return int(self.number(key, lowest, highest, usual))

    def password(self, key: str, shortest: int) -> str:
        value = self.told.get(key, "")
        if not isinstance(value, str) or len(value) < shortest or not value.isprintable():
            self.refuse(key, f"must be a text of at least {shortest} characters on one line")
        return value

    def networks(self, *usual: str) -> tuple[Network, ...]:
        """Return its `networks`, or the usual ones where it names none."""
        networks = []
        pattern = re.compile(r"[0-9A-Fa-f.:/]+")
        for one in self.texts("networks", pattern, '"192.168.10.0/24"', usual):
            try:
                network = ipaddress.ip_network(one)
            except ValueError:
                self.refuse("networks", f"has {one}, which is no network, as 192.168.10.0/24")
            if network.prefixlen == 0:
                self.refuse("networks", f"has {one}, which is the whole world: name whom you mean")
            networks.append(network)
        if not networks:
            self.refuse("networks", "is empty: nobody would be heard")
        return tuple(networks)


def _file(path: Path) -> _Table:
    """Return what an operator's file says. Raises BadFile."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8"
        raise BadFile(f"SIP_FILE is {path}, which cannot be read: {why}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadFile(f"{path.name}: not TOML: {error}") from None
    return _Table(told, path.name, (), {"networks", "advertised_host", "accounts", "trunk"})


def _accounts(file: _Table) -> dict[str, Account]:
    told = file.told.get("accounts", {})
    if not isinstance(told, dict) or len(told) > _MOST_ACCOUNTS:
        file.refuse("accounts", f"must be at most {_MOST_ACCOUNTS} tables, as [accounts.hall]")
    accounts: dict[str, Account] = {}
    whose: dict[str, str] = {}
    for name in told:
        if not _ACCOUNT.fullmatch(name):
            why = "is no name for an account: letters, digits, dot, hyphen"
            file.refuse(f"accounts.{name}", why)
        table = file.table("accounts", set(told)).table(name, {"password", "rings"})
        password = table.password("password", _SHORTEST_PASSWORD)
        rings = table.texts("rings", _RUNG_AS, '"+33142685300" or "client:…"')
        for one in rings:
            if whose.setdefault(one, name) != name:
                table.refuse("rings", f"has {one}, which is {whose[one]}'s already")
        accounts[name] = Account(name, password, rings)
    if len(whose) > _MOST_RINGS:
        file.refuse("accounts", f"rings more than {_MOST_RINGS} numbers and clients")
    return accounts


def _trunk(table: _Table) -> Trunk:
    host = table.text("host", _HOST, '"sip.example.net"')
    transport = table.text("transport", re.compile("udp|tcp"), '"udp" or "tcp"', "udp")
    user = table.text("user", re.compile(r"[^\s\"\\]{0,128}"), '"mairie"')
    password = table.password("password", 0)
    if bool(user) != bool(password):
        table.refuse("user", "and trunk.password go together: give both or none")
    if "networks" not in table.told and not is_address(host):
        table.refuse("networks", "is missing: say from which addresses its calls come")
    prefixes = table.texts("prefixes", _PREFIX, '"+331"')
    if len(prefixes) > _MOST_PREFIXES:
        table.refuse("prefixes", f"has more than {_MOST_PREFIXES}")
    caller_ids = table.texts("caller_ids", _E164, '"+33974750001"')
    if prefixes and not caller_ids:
        table.refuse("caller_ids", "is empty: say which numbers of yours it may show")
    return Trunk(
        host=host,
        port=table.whole("port", 1, _LAST_PORT, 5060),
        transport=cast(Literal["udp", "tcp"], transport),
        user=user,
        password=password,
        networks=table.networks(host),
        prefixes=prefixes,
        calls_per_second=table.number("calls_per_second", 0.01, 100, 1),
        most_calls=table.whole("most_calls", 1, 1000, 10),
        caller_ids=caller_ids,
    )


def is_address(text: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_this_machine(host: str) -> bool:
    """Return whether `host` is an address of this machine: it would be talked to from itself."""
    if not is_address(host):
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing. That a bind works proves nothing (net.ipv4.ip_nonlocal_bind).
            probe.connect((host, 9))
        except OSError:
            return False
        return str(probe.getsockname()[0]) == host


def _is_in(host: str, networks: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # A socket of both families writes IPv4 as ::ffff:192.0.2.1.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)
