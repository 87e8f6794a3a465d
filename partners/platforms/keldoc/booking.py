"""Keldoc's partner API, which books: https://github.com/rimiti/keldoc-js-sdk describes it.

Each request bears `Authorization: Bearer <key>:<signature>`, where the signature is the Base64 of
the HMAC-SHA256 of "<Date>,<Content-Type>" under the secret, and Date is an ISO 8601 moment of
Paris. Motives last so many minutes, appointments so many seconds. Free time comes as ranges per
agenda, which overlap and repeat; `motive_ids` of none means any motive.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, Final
from zoneinfo import ZoneInfo

import requests

from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import HTTPError, NewConnectionError

from models.partners.bookings import OrderedPerson
from partners.in_time import in_time
from partners.platforms.keldoc.reader import PLATFORM
from services.partners.slots import FreeMoment
from services.ports import Busy, NoAnswer, PartnerTime, ProviderRefused

CONTENT_TYPE: Final = "application/json"
ACCEPT: Final = "application/vnd.keldoc-v1+json"
PARIS: Final = ZoneInfo("Europe/Paris")
# Seconds: to connect, and for an answer.
TIMEOUTS: Final = (3.0, 8.0)
# The longest stretch of free time that may be asked for at once.
LONGEST_WINDOW: Final = timedelta(days=59)
# An answer is some kilobytes; whatever is longer is none.
MOST_BYTES: Final = 2_000_000
# Seconds: an answer that comes slower counts as none.
MOST_SECONDS: Final = 15.0
_MOTIVES_FRESH: Final = timedelta(hours=1)
_BUSY: Final = frozenset({429, 503})
_NOT_FOUND: Final = 404
_REFUSED_FROM, _BROKEN_FROM = 300, 500
# What a signature keeps of its Base64.
_DROPPED: Final = re.compile(r"[^A-Za-z0-9=:\s]")
_SECONDS: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class KeldocAccount:
    """An installation's access. `base` ends in the path of the API, without a final slash."""

    base: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class BookedCentre:
    """A centre of ours, its agendas there, and the motive of each dose, the first one first.

    `service` is what they are for; empty: for the one service of the operator.
    """

    centre_id: str
    agendas: tuple[int, ...]
    motives: tuple[int, ...]
    service: str = ""

    def motive(self, dose: int) -> int:
        """The motive of a dose; one for all where there is but one."""
        return self.motives[min(dose, len(self.motives)) - 1]


def authorization(key: str, secret: str, moment: str) -> str:
    """The header that proves our identity, for a Date header of `moment`."""
    message = f"{moment},{CONTENT_TYPE}".encode()
    digest = hmac.digest(secret.encode(), message, hashlib.sha256)
    return _DROPPED.sub("", f"Bearer {key}:{base64.b64encode(digest).decode()}")


class Keldoc:
    """The port services.ports.PartnerBooker, and what the mirror reads. Safe between threads.

    `now` is the clock of this machine, which the partner compares with its own.
    """

    platform: Final = PLATFORM

    def __init__(
        self,
        account: KeldocAccount,
        centres: Sequence[BookedCentre],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeouts: tuple[float, float] = TIMEOUTS,
    ) -> None:
        self._account = account
        self.centres = {centre.centre_id: centre for centre in centres}
        self._now = now
        self._timeouts = timeouts
        self._durations: tuple[datetime, Mapping[int, timedelta]] | None = None

    # ------------------------------------------------------------ the port

    def knows(self, centre_id: str) -> bool:
        """See the port."""
        return centre_id in self.centres

    def register(self, centre_id: str, patient: OrderedPerson) -> str:
        """See the port."""
        body = {
            "first_name": patient.first_name,
            "last_name": patient.last_name,
            "birth_date": patient.born.isoformat(),
            "zipcode": patient.postcode,
        }
        if patient.number:
            body["phone"] = patient.number
        return _id_of(self._request("POST", "/patients", body=body))

    def free_agenda(self, time: PartnerTime) -> str:
        """See the port."""
        centre = self.centres[time.centre_id]
        motive = centre.motive(time.dose)
        lasts = self._lasts(motive)
        day = time.start_at.astimezone(PARIS).date()
        for agenda in centre.agendas:
            ranges = self._ranges(agenda, day, day + timedelta(days=1))
            free = merged(_for_motive(ranges, motive))
            if any(start <= time.start_at and time.start_at + lasts <= end for start, end in free):
                return str(agenda)
        return ""

    def prepare(self, time: PartnerTime, agenda: str, patient: str) -> str:
        """See the port."""
        body = self._appointment(time, agenda, patient, "canceled")
        return _id_of(self._request("POST", "/appointments", body=body))

    def confirm(self, time: PartnerTime, agenda: str, patient: str, appointment: str) -> None:
        """See the port."""
        body = self._appointment(time, agenda, patient, "confirmed")
        self._request("PUT", f"/appointments/{appointment}", body=body)

    def cancel(self, centre_id: str, appointment: str) -> None:
        """See the port."""
        try:
            self._request("DELETE", f"/appointments/{appointment}")
        except ProviderRefused as refused:
            if refused.code != str(_NOT_FOUND):
                raise

    def _appointment(
        self, time: PartnerTime, agenda: str, patient: str, state: str
    ) -> dict[str, Any]:
        motive = self.centres[time.centre_id].motive(time.dose)
        return {
            "start_at": time.start_at.astimezone(PARIS).isoformat(),
            "agenda_id": int(agenda),
            "motive_id": motive,
            "duration": int(self._lasts(motive).total_seconds()),
            "patient_id": int(patient),
            "state": state,
            # Our own text confirms it, and our own reminds.
            "skip_sms_confirmation": True,
            "skip_email_confirmation": True,
            "skip_sms_reminder": True,
            "skip_email_reminder": True,
        }

    # ------------------------------------------------------------ the mirror

    def free_times(self, centre_id: str, first: date, last: date) -> list[FreeMoment]:
        """What is free at a centre from one day (of Paris) to another, both included; in order.

        Raises as the port.
        """
        centre = self.centres[centre_id]
        doses = range(1, len(centre.motives) + 1)
        agendas: dict[datetime, set[int]] = {}
        told: dict[datetime, set[int]] = {}
        for agenda in centre.agendas:
            ranges = list(self._all_ranges(agenda, first, last))
            for dose in doses:
                motive = centre.motive(dose)
                for start in cut(merged(_for_motive(ranges, motive)), self._lasts(motive)):
                    agendas.setdefault(start, set()).add(agenda)
                    told.setdefault(start, set()).add(dose)
        any_dose = len(set(centre.motives)) == 1
        return [
            FreeMoment(start, len(those), frozenset() if any_dose else frozenset(told[start]))
            for start, those in sorted(agendas.items())
        ]

    def _all_ranges(self, agenda: int, first: date, last: date) -> Iterator[dict[str, Any]]:
        start = first
        while start <= last:
            end = min(last + timedelta(days=1), start + LONGEST_WINDOW)
            yield from self._ranges(agenda, start, end)
            start = end

    def _ranges(self, agenda: int, first: date, last: date) -> list[dict[str, Any]]:
        """Free ranges of one agenda from the beginning of a day to that of another."""
        query = {
            "agenda_id": agenda,
            "start_date": first.isoformat(),
            "end_date": last.isoformat(),
        }
        answer = self._request("GET", "/available_slots", query=query)
        groups = answer if isinstance(answer, list) else [answer]
        found = []
        for group in groups:
            told = group.get("availabilities") if isinstance(group, dict) else None
            if not isinstance(told, list):
                raise NoAnswer
            found += [row for row in told if isinstance(row, dict)]
        return found

    def _lasts(self, motive: int) -> timedelta:
        """How long an appointment of a motive is. Raises Refused for one that is not there."""
        now = self._now()
        if self._durations is None or now - self._durations[0] > _MOTIVES_FRESH:
            answer = self._request("GET", "/motives")
            told = {
                kind["id"]: timedelta(minutes=kind["duration"])
                for kind in (answer if isinstance(answer, list) else [])
                if isinstance(kind, dict)
                and isinstance(kind.get("id"), int)
                and isinstance(kind.get("duration"), int)
                and kind["duration"] > 0
            }
            self._durations = (now, told)
        found = self._durations[1].get(motive)
        if found is None:
            raise ProviderRefused("no motive")
        return found

    # ------------------------------------------------------------ a request

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Ask, and give what the answer's JSON is. Raises Refused, Busy, NoAnswer."""
        moment = self._now().astimezone(PARIS).isoformat(timespec="seconds")
        account = self._account
        headers = {
            "Authorization": authorization(account.key, account.secret, moment),
            "Accept": ACCEPT,
            "Content-Type": CONTENT_TYPE,
            "Date": moment,
            "User-Agent": "AlloRendezVous/1.0",
        }
        try:
            # Each by itself: a connection that was kept may be cut just when it is used again.
            with (
                self._session() as session,
                session.request(
                    method,
                    account.base + path,
                    params=query,
                    data=None if body is None else json.dumps(body),
                    headers=headers,
                    timeout=self._timeouts,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                _check(response)
                return _json_of(response)
        except ConnectTimeout as error:
            raise Busy("unreachable") from error
        except NoConnection as error:
            if _never_connected(error):
                raise Busy("unreachable") from error
            raise NoAnswer from error
        except (RequestException, HTTPError) as error:
            raise NoAnswer from error

    def _session(self) -> requests.Session:
        session = requests.Session()
        in_time(session, lambda: MOST_SECONDS)
        return session


def _check(response: requests.Response) -> None:
    status = response.status_code
    if status < _REFUSED_FROM:
        return
    if status in _BUSY:
        after = response.headers.get("Retry-After", "")
        wait = timedelta(seconds=int(after)) if _SECONDS.fullmatch(after) else None
        raise Busy(str(status), wait)
    if status >= _BROKEN_FROM:
        # The partner failed, and how far it got is unknown.
        raise NoAnswer
    raise ProviderRefused(str(status))


def _json_of(response: requests.Response) -> Any:
    read = bytearray()
    give_up_at = monotonic() + MOST_SECONDS
    # As it comes: more than there is would be waited for, however long.
    while some := response.raw.read1(4096, decode_content=True):
        read += some
        if len(read) > MOST_BYTES or monotonic() > give_up_at:
            raise NoAnswer
    if not read.strip():
        return None
    try:
        return json.loads(read)
    except ValueError as error:
        raise NoAnswer from error


def _never_connected(error: BaseException) -> bool:
    """Whether nothing was sent: no connection was made."""
    seen: BaseException | None = error
    while seen is not None:
        reason = getattr(seen, "reason", None)
        if isinstance(seen, NewConnectionError) or isinstance(reason, NewConnectionError):
            return True
        arguments = [arg for arg in seen.args if isinstance(arg, BaseException)]
        seen = seen.__cause__ or (arguments[0] if arguments else None)
    return False


def _id_of(answer: Any) -> str:
    """The id of what was made. Raises Refused: without it nothing can be confirmed or undone."""
    found = answer.get("id") if isinstance(answer, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | str) or not str(found).isdecimal():
        raise ProviderRefused("no id")
    return str(found)


# ------------------------------------------------------------------ ranges of free time

Range = tuple[datetime, datetime]


def _for_motive(ranges: Sequence[Mapping[str, Any]], motive: int) -> list[Range]:
    """Those ranges in which a motive may be. Raises NoAnswer for moments that are none."""
    found = []
    for span in ranges:
        motives = span.get("motive_ids") or []
        if motives and motive not in motives:
            continue
        start, end = _moment(span.get("start_time")), _moment(span.get("end_time"))
        if start < end:
            found.append((start, end))
    return found


def _moment(told: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(told)
    except (TypeError, ValueError) as error:
        raise NoAnswer from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=PARIS)
    return moment.astimezone(UTC)


def merged(ranges: Sequence[Range]) -> list[Range]:
    """The same time, each moment of it once, in order."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def cut(ranges: Sequence[Range], lasts: timedelta) -> Iterator[datetime]:
    """When appointments of that length may start, one after the other."""
    for start, end in ranges:
        moment = start
        while moment + lasts <= end:
            yield moment
            moment += lasts
