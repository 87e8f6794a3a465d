"""What a partner's answer tells, whichever partner it is; and how its bytes and times are read.

Readers are pure: bytes in, a `Reading` out, nothing asked and nothing stored. What they do not
understand is left out by name, never guessed.
"""

from __future__ import annotations

import json
import re

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from models.centres import geography
from models.partners.rows import PartnerCentreRow
from partners.motives import is_reserved_centre
from partners.phones import read_phones

# Real answers have some tens of kilobytes; a whole département's list less than one megabyte.
LARGEST_BYTES: Final = 10 * 1024 * 1024
PARIS: Final = ZoneInfo(geography.DEFAULT_TIME_ZONE)
# The partner does not tell which people it is for.
UNKNOWN: Final = "unknown"
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)? ?(?:Z|z|[+-]\d\d(?::?\d\d)?)?"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FRACTION = re.compile(r"[.,]\d+")


class NotAnAnswer(Exception):
    """One sentence: why these bytes tell nothing of this partner."""


class NoMoment(Exception):
    """Some words: why a value is no moment."""


class DayOnly(NoMoment):
    """A day without an hour."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of an answer that is not given on: where it stands in it, and why."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Motive:
    """What an appointment is for, as the partner calls it.

    `name` is exactly the partner's (Maiia is asked by it), `excluded` why this service sends no
    caller there ("" where it may). `agendas` are where it is done, in the partner's order; empty:
    not told. `second_after` are days to the second dose that must come with it.
    """

    id: str
    name: str
    dose: int
    bookable_for: str
    excluded: str = ""
    second_after: int = 0
    agendas: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name on one line; its spaces stay, for a partner tells names apart by them."""
        return _printable(self.name).strip()


@dataclass(frozen=True, slots=True)
class Agenda:
    """A diary at the partner. `practices` maps a practice to the motives done there."""

    id: str
    motives_at: Mapping[str, frozenset[str]]
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class ReadSlot:
    """A free moment (UTC) of an answer. `centre` is the partner's own id, "" if it is not told."""

    centre: str
    start_at: datetime
    dose: int
    motive: str
    bookable_for: str
    seconds_at: datetime | None = None


@dataclass(frozen=True)
class Reading:
    """An answer understood. `kind` says what it is; `notes` what it tells besides slots."""

    kind: str
    slots: tuple[ReadSlot, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    centres: tuple[PartnerCentreRow, ...] = ()
    motives: tuple[Motive, ...] = ()
    agendas: tuple[Agenda, ...] = ()
    repeated: int = 0


@dataclass(frozen=True)
class Context:
    """What is known when slots are read: from other answers, or from the asking code.

    `motive` is the id of the one motive that was asked for. Times without a zone are the centre's.
    """

    motives: Mapping[str, Motive] = field(default_factory=dict)
    agendas: Mapping[str, Agenda] = field(default_factory=dict)
    centres: Mapping[str, PartnerCentreRow] = field(default_factory=dict)
    centre: str = ""
    motive: str = ""
    zone: ZoneInfo = PARIS

    def plus(self, reading: Reading) -> Context:
        """The same with what one more answer told."""
        return replace(
            self,
            motives={**self.motives, **{motive.id: motive for motive in reading.motives}},
            agendas={**self.agendas, **{agenda.id: agenda for agenda in reading.agendas}},
            centres={**self.centres, **{own_id(centre): centre for centre in reading.centres}},
        )

    def the_motive(self, told: str = "") -> Motive | None:
        """The motive of that id, or the only one that it can be."""
        wanted = told or self.motive
        if wanted:
            return self.motives.get(wanted)
        return next(iter(self.motives.values())) if len(self.motives) == 1 else None

    def named(self, motive: str) -> str:
        """The id of a motive that is told by its id or by its name, to the letter."""
        if motive in self.motives:
            return motive
        return next((known.id for known in self.motives.values() if motive == known.name), motive)

    def the_centre(self, told: str = "") -> str:
        """The centre of that id, or the only one that it can be."""
        if told or self.centre:
            return told or self.centre
        return next(iter(self.centres)) if len(self.centres) == 1 else ""

    def zone_of(self, centre: str) -> ZoneInfo:
        known = self.centres.get(centre)
        return ZoneInfo(known.time_zone) if known else self.zone


def by_time(slot: ReadSlot) -> tuple[datetime, str, str, int]:
    """The order in which slots are told."""
    return slot.start_at, slot.centre, slot.motive, slot.dose


def own_id(centre: PartnerCentreRow) -> str:
    """The partner's own id of a centre, without our prefix."""
    return centre.id.partition(":")[2]


class Collector:
    """Slots as they are found, each once, and what was left out."""

    def __init__(self) -> None:
        self._slots: dict[ReadSlot, ReadSlot] = {}
        self.left_out: list[LeftOut] = []
        self.repeated = 0

    def add(self, slot: ReadSlot) -> None:
        bare = replace(slot, seconds_at=None)
        known = self._slots.get(bare)
        self.repeated += known is not None
        # One that comes with its second appointment says more than the same one without.
        if known is None or (known.seconds_at is None and slot.seconds_at is not None):
            self._slots[bare] = slot

    def take(
        self, told: object, where: str, context: Context, centre: str, motive: Motive | None
    ) -> None:
        """Add what begins when `told` says, or leave it out and say why."""
        try:
            start_at = moment(told, context.zone_of(centre))
        except NoMoment as no:
            self.leave_out(where, str(no))
            return
        if motive and motive.excluded:
            self.leave_out(where, f"{motive.excluded} ({shortened(motive.name)})")
            return
        self.add(
            ReadSlot(
                centre=centre,
                start_at=start_at,
                dose=motive.dose if motive else 0,
                motive=motive.shown if motive else "",
                bookable_for=motive.bookable_for if motive else UNKNOWN,
            )
        )

    def leave_out(self, where: str, why: str) -> None:
        self.left_out.append(LeftOut(where, why))

    def slots(self) -> tuple[ReadSlot, ...]:
        return tuple(sorted(self._slots.values(), key=by_time))

    def reading(self, kind: str, notes: Iterable[str] = (), **told: Any) -> Reading:
        """An answer of a kind, with what was found; `told` are further fields of a Reading."""
        left_out, repeated = tuple(self.left_out), self.repeated
        return Reading(kind, self.slots(), left_out, tuple(notes), repeated=repeated, **told)


def read_bytes(path: Path) -> bytes:
    """The content of a recorded answer. Raises NotAnAnswer; never reads more than the limit."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise NotAnAnswer(f"the file cannot be read: {error.strerror}") from None
    return content


def parse(content: bytes) -> Any:
    """The JSON of an answer. Raises NotAnAnswer with the sentence that fits what came instead."""
    if len(content) > LARGEST_BYTES:
        raise NotAnAnswer(
            f"this is larger than {LARGEST_BYTES // 1024**2} MiB, no answer of a partner is"
        )
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:100]
    if not start:
        raise NotAnAnswer("this is empty, as the answer 404 is: the partner knows nothing of it")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotAnAnswer("this is not JSON in UTF-8")
    if start.startswith(b"<"):
        raise NotAnAnswer("this is a web page or XML, not JSON")
    if not start.startswith((b"{", b"[")):
        words = start.decode("utf-8", "replace").split("\n")[0][:40]
        raise NotAnAnswer(f"this is not JSON but text, as the partner sends to block: {words!r}")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotAnAnswer("this is not UTF-8") from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) - 1 or "Unterminated" in error.msg
        what = "it stops in the middle" if cut else f"{error.msg} at line {error.lineno}"
        raise NotAnAnswer(f"this is broken JSON: {what}") from None
    except (ValueError, RecursionError):
        raise NotAnAnswer(
            "this is JSON that cannot be: nested too deep, or an endless number"
        ) from (None)


def moment(value: object, zone: ZoneInfo = PARIS) -> datetime:
    """A moment in UTC from ISO 8601: `Z`, `+0200`, `+02:00`, milli- and microseconds.

    Without a zone it is the local time of `zone`. Raises DayOnly for a day, NoMoment for the rest.
    """
    if not isinstance(value, str):
        raise NoMoment("no moment" if value is None else f"{type(value).__name__}, not a moment")
    text = value.strip()
    if _DAY.fullmatch(text) and _is_day(text):
        raise DayOnly(f"a day without an hour: {text}")
    if not _MOMENT.fullmatch(text):
        raise NoMoment(f"not a moment: {shortened(text)!r}")
    # Python knows three digits or six behind the second, and no more.
    text = _FRACTION.sub(lambda found: f".{found[0][1:7]:0<6}", text).replace("z", "Z")
    try:
        read = datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", ""))
        # Of the hour that October has twice, the first. An appointment begins with a second.
        local = (read if read.tzinfo else read.replace(tzinfo=zone)).replace(microsecond=0)
        told = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NoMoment(f"a moment that cannot be: {shortened(text)!r}") from None
    if told.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None):
        raise NoMoment(f"an hour that the change to summer time leaves out: {shortened(text)!r}")
    return told


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def shortened(text: str, length: int = 60) -> str:
    """Foreign text as it may stand in a sentence of ours: one line, cut at `length` characters."""
    plain = _one_line(text)
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def text_of(value: object) -> str:
    """A foreign value as text on one line; "" where it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return _one_line(str(value))


def _one_line(text: str) -> str:
    """Without what steers a terminal, and what no database and no file takes."""
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    encodable = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in encodable)


def objects(value: object) -> Iterable[dict[str, Any]]:
    """The objects of a foreign list; nothing where it is no list."""
    return (row for row in value if isinstance(row, dict)) if isinstance(value, list) else ()


def inside(value: object, *path: str) -> Any:
    """What stands at the end of a path of keys; None where the way ends before."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def position(latitude: object, longitude: object) -> tuple[float | None, float | None]:
    """Two degrees that can be, or none at all."""
    try:
        found = float(latitude), float(longitude)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None, None
    if isinstance(latitude, bool) or not geography.is_plausible(*found, ""):
        return None, None
    return found


def told_motives(motives: Sequence[Motive]) -> tuple[str, ...]:
    """A sentence for each motive: what it was taken for."""
    return tuple(
        f"motive {motive.id or '(without id)'} {shortened(motive.name, 100)!r}: "
        + (
            f"left out, {motive.excluded}"
            if motive.excluded
            else f"dose {motive.dose}, {motive.bookable_for}"
        )
        for motive in motives
    )


def told_centres(centres: Sequence[PartnerCentreRow]) -> tuple[str, ...]:
    """A sentence for each centre."""
    return tuple(
        (
            f"centre {own_id(centre)} {shortened(centre.name, 100)!r},"
            f" {centre.postcode} {centre.town}"
        ).rstrip(", ")
        + (
            ": for professionals, none of its slots is given"
            if is_reserved_centre(centre.name)
            else ""
        )
        for centre in centres
    )


def centre_of(
    platform: str,
    own: str,
    *,
    name: str,
    street: str,
    postcode: str,
    town: str,
    where: tuple[object, object],
    insee: str = "",
    phone: str = "",
    link: str = "",
    zone: str = "",
    phone_only: bool = False,
) -> PartnerCentreRow:
    """A centre from what a partner tells of it; `own` is its id there, `where` latitude, longitude.

    `zone` is the partner's word for the time zone, empty where the address tells it.
    """
    postcode = postcode if geography.is_postcode(postcode) else ""
    departement = geography.departement(insee, postcode)
    latitude, longitude = position(*where)
    return PartnerCentreRow(
        id=f"{platform}:{own}"[:80],
        platform=platform,
        name=name,
        street=street,
        postcode=postcode,
        town=town,
        territory=geography.territory(departement, postcode),
        latitude=latitude,
        longitude=longitude,
        time_zone=zone or geography.time_zone(departement),
        phone=next(iter(read_phones(phone, departement)), ""),
        link=link,
        phone_only=phone_only,
    )
