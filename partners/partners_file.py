"""The operator's file of partners: which are read, where, how often. Without it none is.

Every mistake is one sentence with its line. Described in docs/partners.md.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from partners.links import address_of
from partners.partner import Departements, Partner
from partners.platforms import PARTNERS
from partners.walking import LinkToRead
from services.campaign.campaign import is_service
from services.campaign.toml_lines import Entry, line_of, lines_of

_CONTACT = re.compile(r"https://\S+|mailto:\S+@\S+|[^\s@]+@[^\s@]+\.[a-z]{2,}")
# Entry: its type in words, lowest, highest, what it is when it is not told.
_NUMBERS: Final = {
    "seconds_between": (1, 60, 2.0),
    "every_minutes": (5, 24 * 60, 15.0),
    "days": (1, 60, 7.0),
}
_KNOWN: Final = {
    "read",
    "host",
    "departements",
    "from_our_centres",
    "centres",
    # Read by what books there.
    "booking",
    # What its appointments are for.
    "service",
    *_NUMBERS,
    *(name for partner in PARTNERS.values() for name in partner.more_hosts),
}


class BadPartnersFile(Exception):
    """Every mistake, one sentence a line."""


@dataclass(frozen=True)
class Platform:
    """One platform as the file has it: `between` in seconds, `every` in minutes, `days` ahead.

    With `from_our_centres` every open centre of the official file that books there is read.
    """

    name: str
    host: str
    hosts: frozenset[str]
    between: float = 2.0
    every: float = 15.0
    days: int = 7
    links: tuple[LinkToRead, ...] = ()
    departements: tuple[str, ...] = ()
    from_our_centres: bool = False
    # By the name of their entry: see partners.partner.
    more_hosts: Mapping[str, str] = field(default_factory=dict)
    # What its motives are for; empty: for the one service of the operator.
    service: str = ""


@dataclass(frozen=True)
class PartnersFile:
    """`contact` is where partners reach us: it stands in every request."""

    contact: str
    platforms: tuple[Platform, ...] = ()

    def for_services(self, services: Collection[str]) -> tuple[PartnersFile, list[str]]:
        """The file with what each platform is for, and why others are not read, one sentence each.

        `services` are those of the campaigns, "" for one without a name. Where there is one, all is
        for it.
        """
        told, refused = [], []
        for platform in self.platforms:
            service, why = service_meant(f"[{platform.name}]", platform.service, services)
            if why:
                refused.append(why)
            else:
                told.append(replace(platform, service=service))
        return replace(self, platforms=tuple(told)), refused

    @property
    def user_agent(self) -> str:
        return f"AlloRendezVous/1.0 (+{self.contact})"


@dataclass
class _Reader:
    lines: dict[Entry, int]
    name: str
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, entry: Entry, sentence: str) -> None:
        self.mistakes.append((line_of(self.lines, entry) or 1, sentence))

    def refuse(self) -> None:
        if self.mistakes:
            told = sorted(self.mistakes)
            raise BadPartnersFile("\n".join(f"{self.name}:{line}: {said}" for line, said in told))


def read_partners_file(path: Path) -> PartnersFile:
    """Read and check the file. Raises BadPartnersFile with every mistake in it."""
    try:
        text = path.read_text("utf-8")
        told = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadPartnersFile(f"{path.name}: the file cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadPartnersFile(f"{path.name}: not TOML: {error}") from None
    reader = _Reader(lines_of(text), path.name)
    contact = told.pop("contact", "")
    if not isinstance(contact, str) or not _CONTACT.fullmatch(contact):
        reader.wrong(
            ("contact",),
            'contact is missing or no address: write contact = "https://…" or an e-mail',
        )
        contact = ""
    platforms = []
    for name, table in told.items():
        partner = PARTNERS.get(name)
        if partner is None:
            reader.wrong((name,), f"{name} is no platform: there are {', '.join(PARTNERS)}")
        elif not isinstance(table, dict):
            reader.wrong((name,), f"{name} is a table: write [{name}]")
        else:
            if partner.check_booking and "booking" in table:
                for entry, sentence in partner.check_booking(table["booking"]):
                    reader.wrong((name, "booking", *entry), sentence)
            only_books = "booking" in table and table.keys() <= {"booking", "read"}
            if table.get("read", True) is not False and not only_books:
                platforms.append(_platform(reader, partner, table))
    reader.refuse()
    return PartnersFile(contact, tuple(platforms))


def service_meant(where: str, service: str, services: Collection[str]) -> tuple[str, str]:
    """The service that an entry of the file is for; or the sentence why it is refused."""
    names = sorted(name for name in services if name)
    if service in services:
        return service, ""
    if not service and len(services) == 1:
        return next(iter(services)), ""
    listed = ", ".join(names)
    if service:
        there = f"there are {listed}" if listed else "the campaign names none"
        return "", f'{where}: service = "{service}" is of no campaign; {there}'
    return "", (
        f"{where}: there are several services ({listed}), and nothing says which of them its"
        f' motives are for; write service = "{names[0]}", or another of them'
    )


def _platform(reader: _Reader, partner: Partner, table: dict[str, Any]) -> Platform:
    name = partner.name
    for key in table:
        if key not in _KNOWN:
            reader.wrong((name, key), f"{key} is not known: there are {', '.join(sorted(_KNOWN))}")
    numbers = {key: _number(reader, name, key, table) for key in _NUMBERS}
    host = _host(reader, (name, "host"), table.get("host", partner.host))
    more_hosts = {
        key: _host(reader, (name, key), table.get(key, usual if "host" not in table else host))
        for key, usual in partner.more_hosts.items()
    }
    links = tuple(_links(reader, partner, table.get("centres", [])))
    departements = tuple(_departements(reader, partner, table.get("departements", [])))
    ours = table.get("from_our_centres", False)
    if not isinstance(ours, bool):
        reader.wrong((name, "from_our_centres"), "from_our_centres is true or false")
    if not (links or departements or ours):
        reader.wrong(
            (name,),
            f"[{name}] names nothing to read: give centres, departements or"
            " from_our_centres = true",
        )
    service = table.get("service", "")
    if not isinstance(service, str) or (service and not is_service(service)):
        reader.wrong(
            (name, "service"), 'service is what its motives are for, as in a campaign: "covid"'
        )
        service = ""
    asked_at = {urlsplit(address).netloc.lower() for address in (host, *more_hosts.values())}
    return Platform(
        name=name,
        host=host,
        hosts=frozenset({*partner.hosts, *asked_at}),
        between=numbers["seconds_between"],
        every=numbers["every_minutes"],
        days=int(numbers["days"]),
        links=links,
        departements=departements,
        from_our_centres=ours is True,
        more_hosts=more_hosts,
        service=service,
    )


def _number(reader: _Reader, name: str, key: str, table: dict[str, Any]) -> float:
    lowest, highest, usual = _NUMBERS[key]
    value = table.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        reader.wrong((name, key), f"{key} is a number from {lowest} to {highest}")
        return usual
    if not lowest <= value <= highest:
        reader.wrong((name, key), f"{key} is {value}: it must be from {lowest} to {highest}")
        return usual
    return float(value)


def _host(reader: _Reader, entry: Entry, value: object) -> str:
    parts = address_of(value)
    if parts is None:
        reader.wrong(entry, f"{entry[-1]} is an address like https://www.example.fr")
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _links(reader: _Reader, partner: Partner, told: object) -> Iterator[LinkToRead]:
    """Links, or tables `{ link = "…", gid = "…" }`."""
    name = partner.name
    if not isinstance(told, list):
        reader.wrong((name, "centres"), "centres is a list of booking links")
        return
    for number, one in enumerate(told):
        entry: Entry = (name, "centres", number)
        link, gid = (one.get("link"), one.get("gid", "")) if isinstance(one, dict) else (one, "")
        if not isinstance(link, str) or not isinstance(gid, str):
            reader.wrong(entry, 'a centre is a link, or { link = "https://…", gid = "…" }')
            continue
        if partner.links.read(link) is None:
            reader.wrong(entry, f"{link!r} is no booking link of {name}")
            continue
        yield LinkToRead(link, gid)


def _departements(reader: _Reader, partner: Partner, told: object) -> Iterator[str]:
    name, lists = partner.name, partner.departements or Departements()
    if not isinstance(told, list):
        reader.wrong((name, "departements"), f"departements is a list of such as {lists.example}")
        return
    if told and partner.departements is None:
        reader.wrong((name, "departements"), f"{name} is read by links: give centres")
    for number, one in enumerate(told):
        if isinstance(one, str) and lists.pattern.fullmatch(one):
            yield one
        else:
            reader.wrong(
                (name, "departements", number), f"{one!r} is no département: write {lists.example}"
            )
