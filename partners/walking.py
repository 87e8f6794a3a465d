"""Walks over a partner's answers: which are asked for, in which order, and what comes of them.

A walk asks nothing itself. It yields what it wants to know (`Ask`) and is sent the `PartnerAnswer`;
in between it yields what it found. So the driver decides when the next question is polite and can
stop at any of them, and a test needs no network.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol

from models.partners.rows import PartnerCentreRow, PartnerSlot
from partners.motives import is_reserved_centre
from partners.reading import NotAnAnswer, Reading, ReadSlot, parse, shortened

OK: Final = 200
NOT_FOUND: Final = 404
GONE: Final = 410
# Whatever a partner says about further pages, this is where a list ends.
MOST_PAGES: Final = 60
# It is part of a key, and keys have a length.
_MOTIVE_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Ask:
    """A GET: the whole address without its query, and the query in order."""

    url: str
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerAnswer:
    """`status` 200, 404, 410, or 0 where nothing usable came: `why` says what did."""

    status: int
    content: bytes = b""
    why: str = ""


class Blocked(Exception):
    """The partner refuses us. `retry_after` in seconds, where it says how long; else 0."""

    def __init__(self, why: str, retry_after: float = 0) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Asker(Protocol):
    """What asks a platform: partners.polite, or a test's memory."""

    requests_made: int

    def wait_for(self, url: str) -> float:
        """Seconds until this address may be asked."""
        ...

    def get(self, ask: Ask) -> PartnerAnswer:
        """Ask. Raises Blocked."""
        ...


@dataclass(frozen=True, slots=True)
class CentreReading:
    """A centre and everything that is free there."""

    centre: PartnerCentreRow
    slots: tuple[PartnerSlot, ...] = ()
    left_out: int = 0
    gid: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """The partner says that a page (its link without a query) is no more."""

    page: str


@dataclass(frozen=True, slots=True)
class ReadingTrouble:
    """A centre of which not everything could be read: what was known of it stays as it is."""

    what: str
    why: str


@dataclass(frozen=True)
class LinkToRead:
    """A booking link to be read; `gid` is the centre of ours that the operator says it is."""

    link: str
    gid: str = ""


@dataclass(frozen=True)
class ReadingPlan:
    """What to read of one platform: by links, or by départements (INSEE) of its own list.

    `host` is where it is asked, `days` how far ahead. `today` is the day in Paris.
    """

    host: str
    today: date
    days: int = 7
    links: tuple[LinkToRead, ...] = ()
    departements: tuple[str, ...] = ()
    more_hosts: Mapping[str, str] | None = None

    def host_of(self, name: str) -> str:
        return (self.more_hosts or {}).get(name, self.host)


Step = Ask | CentreReading | Gone | ReadingTrouble
Walk = Generator[Step, PartnerAnswer | None, None]
# What a part of a walk gives back to the walk.
Part = Generator[Step, PartnerAnswer | None, Any]


class Failed(Exception):
    """Some words: why a centre cannot be read now."""


class PageGone(Failed):
    """The partner says that there is no such thing (any more)."""


def asked(
    url: str, query: Sequence[tuple[str, str]] = ()
) -> Generator[Step, PartnerAnswer | None, Any]:
    """Ask once; gives the JSON. Raises PageGone or Failed."""
    answer = yield Ask(url, tuple(query))
    if answer is None:
        raise Failed("nobody answered")
    if answer.status in {NOT_FOUND, GONE}:
        raise PageGone(f"answer {answer.status}")
    if answer.status != OK:
        raise Failed(answer.why or f"answer {answer.status}")
    try:
        return parse(answer.content)
    except NotAnAnswer as no:
        raise Failed(str(no)) from None


def part_of_page(
    url: str, query: Sequence[tuple[str, str]] = ()
) -> Generator[Step, PartnerAnswer | None, Any]:
    """Ask for something of a page that there is: without it the page is not gone. Raises Failed."""
    try:
        return (yield from asked(url, query))
    except PageGone as gone:
        raise Failed(f"{gone} for a part of the page") from None


def expected(read: Reading, *kinds: str) -> Reading:
    """The reading of an answer of the kind that was asked for. Raises Failed.

    A refusal has no slots either, and what is known is not replaced by it.
    """
    if not read.kind.startswith(kinds):
        raise Failed(f"not {kinds[0]} but {read.kind}")
    return read


def found(
    centre: PartnerCentreRow, slots: Sequence[ReadSlot], left_out: int, gid: str = ""
) -> CentreReading:
    """A centre with its slots as they are stored; none where its name is for professionals."""
    if is_reserved_centre(centre.name):
        return CentreReading(centre, (), left_out + len(slots), gid)
    return CentreReading(centre, tuple(map(_stored, slots)), left_out, gid)


def _stored(slot: ReadSlot) -> PartnerSlot:
    motive = shortened(slot.motive, _MOTIVE_LENGTH)
    return PartnerSlot(slot.start_at, slot.dose, motive, slot.bookable_for, slot.seconds_at)


def without_query(link: str) -> str:
    return link.partition("?")[0].rstrip("/")
