"""A stand-in for Keldoc's partner API, strict to how it is described, under /keldoc/partners.

What the description says is checked: the signature, Accept and content types, which fields there
are, which are needed and what they may be, windows of 7 days and of 2 months, minutes of motives
and seconds of appointments, ISO 8601. An appointment that is `canceled` takes no time; one
time of an agenda is confirmed once. Control paths (with the account's Basic key, as /_faults):
`/keldoc/_faults` says what goes wrong with the next requests, `/keldoc/_diary` opens time and shows
who has it, `/keldoc/_public` takes a time as a visitor on Keldoc's own site would.
"""

import base64
import hashlib
import hmac
import re

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from flask import Blueprint, Response, jsonify, request

from exchange.rest.paths import CutBody
from tools.simulator.keldoc_diary import PARIS, WORDS, Appointment, Diary, Motive, Open, Refusal

ACCEPT = "application/vnd.keldoc-v1+json"
KEY, SECRET = "keldoc-development-key", "keldoc-development-secret-not-secret"
# A signature is good for so long around its Date.
SIGNED_FOR = timedelta(minutes=15)
MOST_DAYS, MOST_DAYS_OF_RANGES = 7, 62
_STRINGS = {
    "first_name", "last_name", "maiden_name", "phone", "phone2", "email", "street", "city",
}  # fmt: skip
PATIENT_FIELDS = _STRINGS | {"gender", "zipcode", "birth_date"}
_FLAGS = {
    "skip_sms_confirmation", "skip_email_confirmation", "skip_sms_reminder",
    "skip_email_reminder", "no_show", "no_show_excused", "patient_arrived",
}  # fmt: skip
APPOINTMENT_FIELDS = _FLAGS | {
    "start_at", "agenda_id", "state", "duration", "motive_id", "patient_id", "patient",
    "patient_comment",
}  # fmt: skip
_ZIPCODE = re.compile(r"[0-9]{5}")
_PHONE = re.compile(r"(\+33|0)[1-9][0-9]{8}")
_DROPPED = re.compile(r"[^A-Za-z0-9=:\s]")


T = TypeVar("T")


# ------------------------------------------------------------------ what a request must be


def signature(key: str, secret: str, moment: str, content_type: str) -> str:
    """The Authorization header of a request."""
    digest = hmac.digest(secret.encode(), f"{moment},{content_type}".encode(), hashlib.sha256)
    return _DROPPED.sub("", f"Bearer {key}:{base64.b64encode(digest).decode()}")


def check_headers(now: datetime) -> None:
    """Raise Refusal for a request that does not say who it is, or in which form."""
    content_type = request.headers.get("Content-Type", "")
    moment = request.headers.get("Date", "")
    ours = signature(KEY, SECRET, moment, content_type)
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), ours.encode()):
        raise Refusal(401)
    try:
        signed_at = datetime.fromisoformat(moment)
    except ValueError:
        raise Refusal(401, "Date is not ISO 8601") from None
    if signed_at.tzinfo is None or abs(now - signed_at) > SIGNED_FOR:
        raise Refusal(401, "Date is not of now")
    if request.headers.get("Accept", "") != ACCEPT:
        raise Refusal(406)
    if request.method in {"POST", "PUT"} and content_type != "application/json":
        raise Refusal(400, "Content-Type")


def _object() -> dict[str, Any]:
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise Refusal(400, "the body is not a JSON object")
    return found


def _body(allowed: set[str], needed: Sequence[str]) -> dict[str, Any]:
    return _known(_object(), allowed, needed)


def _known(found: dict[str, Any], allowed: set[str], needed: Sequence[str]) -> dict[str, Any]:
    unknown = sorted(set(found) - allowed)
    if unknown:
        raise Refusal(400, f"unknown parameters: {', '.join(unknown)}")
    missing = [name for name in needed if found.get(name) in {None, ""}]
    if missing:
        raise Refusal(422, f"missing parameters: {', '.join(missing)}")
    return found


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(422, f"{name}: not a whole number")
    return value


def _instant(value: Any, name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Refusal(422, f"{name}: not ISO 8601") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=PARIS)
    return moment.astimezone(UTC)


def _patient(found: dict[str, Any]) -> dict[str, Any]:
    """Check the fields of a patient. Raises Refusal."""
    for name in _STRINGS & found.keys():
        if not isinstance(found[name], str):
            raise Refusal(422, f"{name}: not a text")
    if found.get("gender", "m") not in {"m", "f"}:
        raise Refusal(422, "gender: m or f")
    if "zipcode" in found and not _ZIPCODE.fullmatch(str(found["zipcode"])):
        raise Refusal(422, "zipcode: five digits")
    for name in {"phone", "phone2"} & found.keys():
        if not _PHONE.fullmatch(found[name]):
            raise Refusal(422, f"{name}: not a French number")
    if "birth_date" in found:
        try:
            date.fromisoformat(found["birth_date"])
        except (TypeError, ValueError):
            raise Refusal(422, "birth_date: not ISO 8601") from None
    return found


def _window(most: int) -> tuple[datetime, datetime]:
    """The stretch from start_date to end_date, as moments. Raises Refusal beyond `most` days."""
    first, last = (
        _instant(request.args.get(name), name).astimezone(PARIS).date()
        for name in ("start_date", "end_date")
    )
    if last < first or (last - first).days > most:
        raise Refusal(422, f"end_date: at most {most} days after start_date")
    begins = datetime.combine(first, datetime.min.time(), tzinfo=PARIS)
    # A day that is both the first and the last is one whole day.
    ends = datetime.combine(max(last, first + timedelta(days=1)), datetime.min.time(), tzinfo=PARIS)
    return begins.astimezone(UTC), ends.astimezone(UTC)


def _query(allowed: set[str]) -> None:
    unknown = sorted(set(request.args) - allowed)
    if unknown:
        raise Refusal(400, f"unknown parameters: {', '.join(unknown)}")


# ------------------------------------------------------------------ the paths


def blueprint(diary: Diary, authenticate: Callable[[], None]) -> Blueprint:
    """Everything below /keldoc; `authenticate` guards the control paths."""
    keldoc = Blueprint("keldoc", __name__, url_prefix="/keldoc")
    keldoc.register_error_handler(Refusal, _refused)
    _Api(diary).add_to(keldoc)
    _add_control(keldoc, diary, authenticate)
    return keldoc


def _refused(refusal: Refusal) -> tuple[dict[str, str], int]:
    told = {"error": WORDS[refusal.status]}
    return told | ({"detail": refusal.detail} if refusal.detail else {}), refusal.status


class _Api:
    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def add_to(self, keldoc: Blueprint) -> None:
        for methods, path, view in (
            ("GET", "/agendas", self.agendas),
            ("GET", "/motives", self.motives),
            ("GET", "/specialties", self.specialties),
            ("GET", "/availabilities", self.availabilities),
            ("GET", "/available_slots", self.available_slots),
            ("POST", "/patients", self.new_patient),
            ("PUT", "/patients/<int:number>", self.change_patient),
            ("POST", "/appointments", self.new_appointment),
            ("PUT", "/appointments/<int:number>", self.change_appointment),
            ("DELETE", "/appointments/<int:number>", self.remove_appointment),
            ("POST PUT DELETE", "/config/webhooks", self.webhook),
        ):
            keldoc.add_url_rule(
                f"/partners{path}", view.__name__, self._as_asked(view), methods=methods.split()
            )

    def _as_asked(self, view: Callable[..., Any]) -> Callable[..., Response]:
        def answer(**values: int) -> Response:
            # Else the server waits for the rest of it before it lets go of the line.
            request.get_data()
            fault = self.diary.take_fault()
            if fault == "lost":
                return Response(CutBody())
            check_headers(self.diary.clock.now())
            found = view(**values)
            if fault == "cut":
                return Response(CutBody())
            return jsonify(found)

        return answer

    def agendas(self) -> Any:
        return [{"id": number, "name": name} for number, name in self.diary.agendas.items()]

    def motives(self) -> Any:
        return [asdict(motive) for motive in self.diary.motives.values()]

    def specialties(self) -> Any:
        return [{"id": number, "name": name} for number, name in self.diary.specialties.items()]

    def availabilities(self) -> Any:
        """Ranges for a motive; how its answer looks is not described: as that of the other."""
        _query({"motive_id", "start_date", "end_date", "agenda_ids", "agenda_ids[]"})
        motive = self._motive(request.args.get("motive_id", ""))
        start, end = _window(MOST_DAYS)
        asked = request.args.getlist("agenda_ids") + request.args.getlist("agenda_ids[]")
        return [
            {
                "availabilities": [
                    span.shown()
                    for span in self.diary.free(agenda, start, end)
                    if span.takes(motive.id)
                ]
            }
            for agenda in (
                [self._agenda(agenda_id) for agenda_id in asked] or list(self.diary.agendas)
            )
        ]

    def available_slots(self) -> Any:
        _query({"agenda_id", "start_date", "end_date"})
        agenda = self._agenda(request.args.get("agenda_id", ""))
        start, end = _window(MOST_DAYS_OF_RANGES)
        # They repeat, as it is described: a reader who counts them counts twice.
        ranges = [span.shown() for span in self.diary.free(agenda, start, end)]
        return [{"availabilities": [span for span in ranges for _ in range(2)]}]

    def new_patient(self) -> Any:
        number = self._new_patient(_object())
        return {"id": number, **self.diary.patients[number]}

    def _new_patient(self, body: dict[str, Any]) -> int:
        found = _patient(_known(body, PATIENT_FIELDS, ("first_name", "last_name")))
        with self.diary.lock:
            number = self.diary.next_id()
            self.diary.patients[number] = found
        return number

    def change_patient(self, number: int) -> Any:
        if number not in self.diary.patients:
            raise Refusal(404)
        found = _patient(_body(PATIENT_FIELDS, ()))
        self.diary.patients[number] |= found
        return {"id": number, **self.diary.patients[number]}

    def new_appointment(self) -> Any:
        body = _body(APPOINTMENT_FIELDS, ("start_at", "agenda_id", "state"))
        with self.diary.lock:
            return self.diary.put(self._appointment(body, self.diary.next_id())).shown()

    def change_appointment(self, number: int) -> Any:
        with self.diary.lock:
            before = self.diary.appointments.get(number)
            if before is None:
                raise Refusal(404)
            body = _body(APPOINTMENT_FIELDS, ("start_at", "agenda_id"))
            kept = {
                "state": before.state,
                "motive_id": before.motive_id,
                "duration": before.duration,
                **({} if "patient" in body else {"patient_id": before.patient_id}),
            }
            return self.diary.put(self._appointment(kept | body, number)).shown()

    def remove_appointment(self, number: int) -> Any:
        with self.diary.lock:
            if self.diary.appointments.pop(number, None) is None:
                raise Refusal(404)
        return {}

    def webhook(self) -> Any:
        if request.method == "DELETE":
            self.diary.webhook = ""
            return {}
        self.diary.webhook = str(_body({"url"}, ("url",))["url"])
        return {"url": self.diary.webhook}

    def _appointment(self, body: dict[str, Any], number: int) -> Appointment:
        """Check the fields of an appointment. Raises Refusal."""
        if body["state"] not in {"confirmed", "canceled"}:
            raise Refusal(422, "state: confirmed or canceled")
        for name in _FLAGS & body.keys():
            if not isinstance(body[name], bool):
                raise Refusal(422, f"{name}: true or false")
        motive = self._motive(_whole(body.get("motive_id"), "motive_id"))
        duration = _whole(body.get("duration", motive.duration * 60), "duration")
        if duration != motive.duration * 60:
            raise Refusal(422, f"duration: {motive.duration * 60} seconds")
        return Appointment(
            id=number,
            agenda_id=self._agenda(_whole(body["agenda_id"], "agenda_id")),
            motive_id=motive.id,
            start_at=_instant(body["start_at"], "start_at"),
            duration=duration,
            state=body["state"],
            patient_id=self._patient_of(body),
            fields={name: body[name] for name in sorted(_FLAGS & body.keys())},
        )

    def _patient_of(self, body: dict[str, Any]) -> int:
        if ("patient_id" in body) == ("patient" in body):
            raise Refusal(422, "patient_id or patient")
        if "patient_id" in body:
            number = _whole(body["patient_id"], "patient_id")
            if number not in self.diary.patients:
                raise Refusal(422, "patient_id: unknown")
            return number
        if not isinstance(body["patient"], dict):
            raise Refusal(422, "patient: not an object")
        return self._new_patient(body["patient"])

    def _agenda(self, given: Any) -> int:
        return self._numbered(given, "agenda_id", self.diary.agendas)[0]

    def _motive(self, given: Any) -> Motive:
        return self._numbered(given, "motive_id", self.diary.motives)[1]

    @staticmethod
    def _numbered(given: Any, name: str, kept: Mapping[int, T]) -> tuple[int, T]:
        if not str(given).isdecimal():
            raise Refusal(422, f"{name}: not a whole number")
        if int(given) not in kept:
            raise Refusal(404)
        return int(given), kept[int(given)]


# ------------------------------------------------------------------ control


def _add_control(keldoc: Blueprint, diary: Diary, authenticate: Callable[[], None]) -> None:
    def wanted() -> dict[str, Any]:
        authenticate()
        return _object()

    @keldoc.post("/_faults")
    def set_faults() -> Response:
        try:
            diary.set_faults(wanted())
        except (ValueError, TypeError) as error:
            raise Refusal(400, str(error)) from error
        return jsonify({"quota": diary.quota})

    @keldoc.post("/_diary")
    def open_time() -> Response:
        body = wanted()
        try:
            one = Open(
                agenda_id=int(body["agenda_id"]),
                start=_instant(body["start_time"], "start_time"),
                end=_instant(body["end_time"], "end_time"),
                motive_ids=tuple(int(motive) for motive in body.get("motive_ids", ())),
            )
            diary.opens(one)
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal(400, str(error)) from error
        return jsonify(one.shown())

    @keldoc.get("/_diary")
    def show() -> Response:
        authenticate()
        with diary.lock:
            return jsonify(
                {
                    "appointments": [
                        appointment.shown() for appointment in diary.appointments.values()
                    ],
                    "patients": [{"id": at, **one} for at, one in diary.patients.items()],
                    "seen": diary.seen,
                }
            )

    @keldoc.post("/_public")
    def take() -> Response:
        body = wanted()
        return jsonify(take_as_public(diary, body).shown())


def take_as_public(diary: Diary, body: Mapping[str, Any]) -> Appointment:
    """Take a time as a visitor of Keldoc's site would. Raises Refusal(422) where it is taken."""
    motive = diary.motives[int(body.get("motive_id", next(iter(diary.motives))))]
    with diary.lock:
        return diary.put(
            Appointment(
                id=diary.next_id(),
                agenda_id=int(body["agenda_id"]),
                motive_id=motive.id,
                start_at=_instant(body["start_at"], "start_at"),
                duration=motive.duration * 60,
                state="confirmed",
                patient_id=0,
            )
        )
