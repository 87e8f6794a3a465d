"""The pieces that the feed's slots lie in, and the list that says what was published last.

A piece is a centre, a week of it or a day of it, whichever keeps it small: what one booking changes
is then little to read, to write and to fetch.
"""

from __future__ import annotations

import gzip
import json

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.public.feed_resources import fhir_id

# Slots that a piece may have on the average.
SMALL: Final = 400
# Changes whenever pieces or lines are put together otherwise: all is written anew then.
FORMAT: Final = 1
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Span(StrEnum):
    """What a piece has of a centre."""

    ALL = "all"
    WEEK = "week"
    DAY = "day"


class Piece(NamedTuple):
    """A file as it was published. Without a tag there is none, for it would be empty.

    `tag` is of its text; `changed` is when that changed last, in microseconds of UTC; `due` is when
    places of it are released, in seconds of UTC.
    """

    tag: str
    changed: int
    due: float | None = None


@dataclass
class CentrePieces:
    """The pieces of a centre by their keys, and when (seconds of UTC) what passes was looked at.

    `read` is when all of them were read together, `edge` when those were that time alone changes.
    """

    span: Span
    zone: str
    read: float
    edge: float
    pieces: dict[str, Piece] = field(default_factory=dict)


@dataclass
class Edition:
    """What was published last, and how far changes were read for it.

    `rules` is a hash of all that counts for every slot, `facts` one of the centres; `at` is in
    seconds of UTC. `files` are the other files by name, `held` the pieces with a held place.
    """

    rules: str = ""
    facts: str = ""
    at: float = 0.0
    history: int = 0
    place: int = 0
    centres: dict[str, CentrePieces] = field(default_factory=dict)
    files: dict[str, Piece] = field(default_factory=dict)
    held: set[tuple[str, str]] = field(default_factory=set)

    def all_files(self) -> Iterator[tuple[str, Piece]]:
        """Every published file by the name it is stored under, the manifest last."""
        for centre_id, centre in self.centres.items():
            begins = piece_begins(centre_id)
            for key, piece in centre.pieces.items():
                if piece.tag:
                    yield packed(f"{begins}{piece_ends(key)}"), piece
        for name, piece in self.files.items():
            yield packed(name), piece

    def packed(self) -> bytes:
        """As it is stored."""
        told = {
            "format": FORMAT,
            "rules": self.rules,
            "facts": self.facts,
            "at": self.at,
            "history": self.history,
            "place": self.place,
            "files": self.files,
            "held": sorted(self.held),
            "centres": {
                one: [made.span, made.zone, made.read, made.edge, made.pieces]
                for one, made in self.centres.items()
            },
        }
        text = json.dumps(told, separators=(",", ":"), check_circular=False)
        return gzip.compress(text.encode(), 1, mtime=0)


def read_edition(body: bytes) -> Edition | None:
    """An edition as `Edition.packed` made it; None for one of another format."""
    told: dict[str, Any] = json.loads(gzip.decompress(body))
    if told["format"] != FORMAT:
        return None
    centres = {
        one: CentrePieces(Span(span), zone, read, edge, _pieces(pieces))
        for one, (span, zone, read, edge, pieces) in told["centres"].items()
    }
    return Edition(
        told["rules"],
        told["facts"],
        told["at"],
        told["history"],
        told["place"],
        centres,
        _pieces(told["files"]),
        {(centre_id, key) for centre_id, key in told["held"]},
    )


def _pieces(told: dict[str, list[Any]]) -> dict[str, Piece]:
    return {key: Piece(*one) for key, one in told.items()}


def packed(name: str) -> str:
    """The name that a published file is stored under."""
    return f"{name}.gz"


def piece_name(centre_id: str, key: str) -> str:
    """The file of a piece, as its address ends."""
    return f"{piece_begins(centre_id)}{piece_ends(key)}"


def piece_begins(centre_id: str) -> str:
    """What the files of a centre begin with."""
    return f"centre-{fhir_id(centre_id)}"


def piece_ends(key: str) -> str:
    """What stands after it."""
    # No id has this sign, so no centre's name is another's with a day.
    return f"_{key}.ndjson" if key else ".ndjson"


def key_of(span: Span, day: date) -> str:
    """The key of the piece with this day; keys of one span are in the order of time."""
    if span is Span.ALL:
        return ""
    if span is Span.DAY:
        return day.isoformat()
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def hours_of(key: str, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """From when to when (UTC) a piece goes; None for one that has all of its centre."""
    if not key:
        return None
    if "W" in key:
        year, week = key.split("-W")
        first = date.fromisocalendar(int(year), int(week), 1)
        days = 7
    else:
        first, days = date.fromisoformat(key), 1
    return _midnight(first, zone), _midnight(first + timedelta(days=days), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The day of a moment at a centre."""
    return at.astimezone(zone).date()


def keys_between(span: Span, first: datetime, last: datetime, zone: ZoneInfo) -> set[str]:
    """The keys of all pieces with a moment from `first` to `last`, both included."""
    day, end = day_of(first, zone), day_of(last, zone)
    found = {key_of(span, end)}
    while day <= end and span is not Span.ALL:
        found.add(key_of(span, day))
        day += timedelta(days=1)
    return found


def span_for(days: Sequence[date], slots: int, before: Span | None) -> Span:
    """What keeps the pieces of a centre small, which has so many slots on these days.

    As it was `before` it stays until pieces are twice as large, so that addresses last.
    """
    for span in (Span.ALL, Span.WEEK):
        pieces = len({key_of(span, day) for day in days})
        if slots <= SMALL * max(pieces, 1) * (2 if span is before else 1):
            return span
    return Span.DAY


def microseconds(at: datetime) -> int:
    """A moment as `Piece.changed` has it."""
    return (at - _BEGINNING) // timedelta(microseconds=1)


def moment_of(microseconds: int) -> datetime:
    """The other way round."""
    return _BEGINNING + timedelta(microseconds=microseconds)
