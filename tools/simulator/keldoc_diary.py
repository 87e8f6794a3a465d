"""What the stand-in for Keldoc keeps: agendas, free time, patients, appointments, and faults."""

import itertools
import threading

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import request

from exchange.clock import Clock

PARIS = ZoneInfo("Europe/Paris")
WORDS = {
    400: "Bad request.",
    401: "Your API key is invalid.",
    402: "Over plan quota on this endpoint.",
    404: "The resource does not exist.",
    406: "Not acceptable (Accept header).",
    422: "A validation error occurred.",
    500: "An error occurred with our API.",
}
# What may go wrong with one request; `cut`: done, and then the connection is cut; `lost`: it is cut
# before anything was done.
_FAULTS = {"ok", "cut", "lost", *(str(status) for status in WORDS)}


class Refusal(Exception):
    """An answer with one of the described errors."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class Motive:
    """`duration` is in minutes."""

    id: int
    name: str
    specialty_id: int
    duration: int


@dataclass(frozen=True)
class Open:
    """Time in which an agenda takes people; no motives: any."""

    agenda_id: int
    start: datetime
    end: datetime
    motive_ids: tuple[int, ...] = ()

    def takes(self, motive_id: int) -> bool:
        """Whether people come for this motive then."""
        return not self.motive_ids or motive_id in self.motive_ids

    def shown(self) -> dict[str, Any]:
        start, end = _told(self.start), _told(self.end)
        return {"start_time": start, "end_time": end, "motive_ids": self.motive_ids}


@dataclass(frozen=True)
class Appointment:
    id: int
    agenda_id: int
    motive_id: int
    start_at: datetime
    duration: int
    state: str
    patient_id: int
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        return self.start_at + timedelta(seconds=self.duration)

    def shown(self) -> dict[str, Any]:
        shown = asdict(self) | {"start_at": _told(self.start_at)} | dict(self.fields)
        del shown["fields"]
        return shown


class Diary:
    """What Keldoc has: agendas, free time, patients, appointments. Safe between threads."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self.clock, self._sleep = clock, sleep
        self.lock = threading.RLock()
        self.agendas = {552: "Centre de vaccination, ligne 1", 553: "Centre, ligne 2"}
        self.motives = {
            366: Motive(366, "1re injection", 144, 10),
            367: Motive(367, "2de injection", 144, 10),
        }
        self.specialties = {144: "Centre de vaccination"}
        self.open: list[Open] = []
        self.patients: dict[int, dict[str, Any]] = {}
        self.appointments: dict[int, Appointment] = {}
        self.webhook = ""
        self.quota: int | None = None
        # Every request that came, by method and path: what was tried how often.
        self.seen: list[tuple[str, str]] = []
        self._faults: deque[tuple[str, float]] = deque()
        self._ids = itertools.count(21_354)

    def next_id(self) -> int:
        return next(self._ids)

    def confirmed(self) -> list[Appointment]:
        """Who has time, in the order of ids."""
        with self.lock:
            return [
                appointment
                for appointment in self.appointments.values()
                if appointment.state == "confirmed"
            ]

    # ------------------------------------------------------------ faults

    def set_faults(self, wanted: Mapping[str, Any]) -> None:
        """`next`: a list, one for each request to come; `quota`: requests left; `reset` first."""
        faults = [_fault(fault) for fault in wanted.get("next", [])]
        unknown = set(wanted) - {"next", "quota", "reset"}
        if unknown:
            raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}")
        with self.lock:
            if wanted.get("reset"):
                self._faults.clear()
                self.quota = None
            self._faults.extend(faults)
            if "quota" in wanted:
                self.quota = wanted["quota"]

    def take_fault(self) -> str:
        """What is to happen to this request. Raises Refusal for what is answered at once."""
        with self.lock:
            self.seen.append((request.method, request.path))
            kind, seconds = self._faults.popleft() if self._faults else ("ok", 0.0)
            if self.quota is not None:
                self.quota -= 1
                if self.quota < 0:
                    raise Refusal(402)
        if seconds:
            self._sleep(seconds)
        if kind.isdecimal():
            raise Refusal(int(kind), "as asked")
        return kind

    # ------------------------------------------------------------ time

    def opens(self, one: Open) -> None:
        with self.lock:
            if one.agenda_id not in self.agendas:
                raise ValueError(f"there is no agenda {one.agenda_id}")
            self.open.append(one)

    def free(self, agenda_id: int, start: datetime, end: datetime, but: int = 0) -> list[Open]:
        """What is left of an agenda's open time from `start` to `end`, as if `but` were not."""
        with self.lock:
            taken = sorted(
                (appointment.start_at, appointment.end)
                for appointment in self.appointments.values()
                if appointment.agenda_id == agenda_id
                and appointment.state == "confirmed"
                and appointment.id != but
            )
            mine = [opening for opening in self.open if opening.agenda_id == agenda_id]
        found = []
        for opening in mine:
            moment = max(opening.start, start)
            last = min(opening.end, end)
            for begins, ends in taken:
                if ends <= moment or begins >= last:
                    continue
                if begins > moment:
                    found.append(replace(opening, start=moment, end=begins))
                moment = max(moment, ends)
            if moment < last:
                found.append(replace(opening, start=moment, end=last))
        return found

    def put(self, made: Appointment) -> Appointment:
        """Store it. Raises Refusal(422) where its time is not to be had."""
        with self.lock:
            free = self.free(made.agenda_id, made.start_at, made.end, but=made.id)
            # What is left of the very stretch that is wanted is all of it, or it is not to be had.
            may_be = any(
                (opening.start, opening.end) == (made.start_at, made.end)
                and opening.takes(made.motive_id)
                for opening in free
            )
            if made.state == "confirmed" and not may_be:
                raise Refusal(422, "start_at: this time is not available")
            self.appointments[made.id] = made
            return made


def _fault(written: Any) -> tuple[str, float]:
    """`"ok"`, `"cut"`, `"lost"`, `"422"` … or `{"delay": seconds}`. Raises ValueError."""
    if isinstance(written, Mapping) and set(written) == {"delay"}:
        seconds = written["delay"]
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
            return "ok", float(seconds)
    if str(written) in _FAULTS:
        return str(written), 0.0
    raise ValueError(f"{written!r} is no fault; known are {', '.join(sorted(_FAULTS))}")


def _told(moment: datetime) -> str:
    return moment.astimezone(PARIS).isoformat(timespec="milliseconds")
