"""The stand-in is strict to what is described, our client keeps to it, and both fail as it says."""

from __future__ import annotations

import json
import socket
import threading

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from exchange.clock import VirtualClock
from exchange.settings import Settings
from jobs.partner_mirror import make_keldoc
from models.partners.bookings import OrderedPerson
from partners.partners_file import BadPartnersFile, read_partners_file
from partners.platforms.keldoc.booking import (
    ACCEPT,
    BookedCentre,
    Keldoc,
    KeldocAccount,
    authorization,
    cut,
    merged,
)
from services.partners.slots import FreeMoment
from services.ports import Busy, NoAnswer, PartnerTime, ProviderRefused
from tests.support.house import ACCOUNT, TOKEN
from tests.support.keldoc import AGENDA, FIRST, SECOND, listening
from tools.simulator.app import create_app
from tools.simulator.keldoc import KEY, SECRET
from tools.simulator.keldoc_diary import Diary, Open

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
START = NOW + timedelta(days=1)
JEANNE = OrderedPerson("Jeanne", "Martin", date(1942, 3, 12), "75011")
TIME = PartnerTime("k1", 1, START)


@pytest.fixture
def diary() -> Diary:
    made = Diary(VirtualClock(NOW), lambda seconds: None)
    made.opens(Open(AGENDA, START, START + timedelta(minutes=30)))
    return made


@pytest.fixture
def base(diary: Diary) -> Iterator[str]:
    with listening(diary) as found:
        yield found


def client(base: str, *, motives: tuple[int, ...] = (FIRST,), key: str = KEY) -> Keldoc:
    centres = [BookedCentre("k1", (AGENDA,), motives)]
    return Keldoc(KeldocAccount(base, key, SECRET), centres, now=lambda: NOW)


def ask(base: str, method: str, path: str, *, body: Any = None, **changes: str) -> tuple[int, Any]:
    """A request as it must be, but for what is changed; status and answer."""
    moment = changes.get("Date", "2026-11-26T09:00:00+01:00")
    headers = {
        "Date": moment,
        "Accept": ACCEPT,
        "Content-Type": "application/json",
        "Authorization": authorization(KEY, SECRET, moment),
        **changes,
    }
    sent = json.dumps(body) if isinstance(body, dict) else body
    answer = requests.request(method, base + path, data=sent, headers=headers, timeout=8)
    return answer.status_code, answer.json()


APPOINTMENT = {
    "start_at": START.isoformat(),
    "agenda_id": AGENDA,
    "state": "confirmed",
    "motive_id": FIRST,
    "duration": 600,
    "patient": {"first_name": "Jeanne", "last_name": "Martin", "gender": "f"},
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in APPOINTMENT.items() if key != name}


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "changes"),
    [
        (401, "GET", "/agendas", None, {"Authorization": f"Bearer {KEY}:AAAA"}),
        (401, "GET", "/agendas", None, {"Date": "2026-11-26T09:30:00+01:00"}),
        (401, "GET", "/agendas", None, {"Date": "Thu, 26 Nov 2026 08:00:00 GMT"}),
        (406, "GET", "/agendas", None, {"Accept": "application/json"}),
        (400, "POST", "/patients", "not JSON", {}),
        (400, "POST", "/appointments", APPOINTMENT | {"when": "soon"}, {}),
        (400, "GET", "/available_slots?agenda_id=552&from=2026-11-27", None, {}),
        (404, "GET", "/available_slots?agenda_id=9&start_date=2026-11-27&end_date=2026-11-28",
         None, {}),
        (404, "PUT", "/appointments/1", APPOINTMENT, {}),
        (404, "DELETE", "/appointments/1", None, {}),
        (422, "POST", "/appointments", without("start_at"), {}),
        (422, "POST", "/appointments", APPOINTMENT | {"start_at": "27/11/2026 09:00"}, {}),
        # Minutes, where seconds are meant.
        (422, "POST", "/appointments", APPOINTMENT | {"duration": 10}, {}),
        (422, "POST", "/appointments", APPOINTMENT | {"state": "true"}, {}),
        (422, "POST", "/appointments", APPOINTMENT | {"patient_id": 7}, {}),
        (422, "POST", "/appointments", APPOINTMENT | {"skip_sms_reminder": "yes"}, {}),
        (422, "POST", "/appointments",
         APPOINTMENT | {"start_at": (START + timedelta(hours=3)).isoformat()}, {}),
        (422, "POST", "/patients", {"first_name": "Jeanne"}, {}),
        (422, "POST", "/patients",
         {"first_name": "Jeanne", "last_name": "M", "gender": "x"}, {}),
        (422, "GET", "/availabilities?motive_id=366&start_date=2026-11-26&end_date=2026-12-04",
         None, {}),
        (422, "GET", "/available_slots?agenda_id=552&start_date=2026-11-26&end_date=2027-02-01",
         None, {}),
        (422, "GET", "/available_slots?agenda_id=552&start_date=26.11.2026&end_date=2026-11-28",
         None, {}),
    ],
)  # fmt: skip
def test_what_is_not_as_described_is_refused(  # noqa: PLR0917
    base: str, diary: Diary, status: int, method: str, path: str, body: Any, changes: dict[str, str]
):
    given, answer = ask(base, method, path, body=body, **changes)
    assert given == status, answer
    assert diary.appointments == {}


def test_what_is_as_described_is_answered_so(base: str, diary: Diary):
    assert ask(base, "GET", "/agendas")[1][0]["id"] == AGENDA
    motives = ask(base, "GET", "/motives")[1]
    assert motives[0] == {
        "id": FIRST, "name": "1re injection", "specialty_id": 144, "duration": 10,
    }  # fmt: skip
    window = "start_date=2026-11-26&end_date=2026-12-03"
    status, free = ask(base, "GET", f"/availabilities?motive_id=366&{window}&agenda_ids=552")
    assert (status, len(free[0]["availabilities"])) == (200, 1)
    status, made = ask(base, "POST", "/appointments", body=APPOINTMENT)
    assert (status, made["state"], made["duration"]) == (200, "confirmed", 600)
    # The same time once more is nobody's; canceled, it is anybody's.
    assert ask(base, "POST", "/appointments", body=APPOINTMENT)[0] == 422
    canceled = APPOINTMENT | {"state": "canceled"}
    assert ask(base, "PUT", f"/appointments/{made['id']}", body=canceled)[0] == 200
    assert ask(base, "POST", "/appointments", body=APPOINTMENT)[0] == 200
    diary.set_faults({"quota": 0})
    assert ask(base, "GET", "/agendas") == (402, {"error": "Over plan quota on this endpoint."})


def test_our_client_keeps_to_it(base: str, diary: Diary):
    keldoc = client(base)
    assert keldoc.free_times("k1", NOW.date(), NOW.date() + timedelta(days=90)) == [
        FreeMoment(START + timedelta(minutes=10 * n), 1, frozenset()) for n in range(3)
    ]
    patient = keldoc.register("k1", JEANNE)
    agenda = keldoc.free_agenda(TIME)
    assert agenda == str(AGENDA)
    appointment = keldoc.prepare(TIME, agenda, patient)
    assert keldoc.free_agenda(TIME) == agenda, "written down takes nobody's time"
    keldoc.confirm(TIME, agenda, patient, appointment)
    keldoc.confirm(TIME, agenda, patient, appointment)
    assert len(diary.confirmed()) == 1
    assert keldoc.free_agenda(TIME) == ""
    keldoc.cancel("k1", appointment)
    keldoc.cancel("k1", appointment)
    assert diary.appointments == {}


def test_each_dose_has_its_motive(base: str, diary: Diary):
    later = START + timedelta(hours=2)
    diary.opens(Open(AGENDA, later, later + timedelta(minutes=10), (SECOND,)))
    found = client(base, motives=(FIRST, SECOND)).free_times("k1", NOW.date(), START.date())
    assert [one.doses for one in found] == [{1, 2}, {1, 2}, {1, 2}, {2}]
    with pytest.raises(ProviderRefused, match="no motive"):
        client(base, motives=(999,)).free_times("k1", NOW.date(), START.date())


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        *((str(code), ProviderRefused, str(code)) for code in (400, 401, 402, 404, 406, 422)),
        ("500", NoAnswer, None),
        ("cut", NoAnswer, None),
        ("lost", NoAnswer, None),
    ],
)
def test_what_each_failure_means(
    base: str, diary: Diary, fault: str, error: type[Exception], code: str | None
):
    diary.set_faults({"next": [fault]})
    with pytest.raises(error) as raised:
        client(base).register("k1", JEANNE)
    assert getattr(raised.value, "code", None) == code
    if fault in {"400", "lost"}:
        assert diary.patients == {}


def test_nobody_there_and_a_wrong_key(base: str):
    with pytest.raises(Busy):
        client("http://127.0.0.1:1/partners").register("k1", JEANNE)
    with pytest.raises(ProviderRefused, match="401"):
        client(base, key="another").register("k1", JEANNE)


def test_ranges_that_overlap_and_repeat_are_the_same_time():
    def at(minutes: int) -> datetime:
        return NOW + timedelta(minutes=minutes)

    ranges = [(at(30), at(50)), (at(0), at(20)), (at(0), at(20)), (at(20), at(25)), (at(10), at(5))]
    assert merged([one for one in ranges if one[0] < one[1]]) == [
        (at(0), at(25)),
        (at(30), at(50)),
    ]
    assert list(cut([(at(0), at(25))], timedelta(minutes=10))) == [at(0), at(10)]


def test_it_stands_in_the_simulator_with_its_switches():
    settings = Settings(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN)
    app = create_app(settings, threads=0, clock=VirtualClock(NOW))
    browser = app.test_client()
    body = {"agenda_id": AGENDA, "start_time": START.isoformat(), "end_time": "2026-11-27T09:00Z"}
    assert browser.post("/keldoc/_diary", json=body).status_code == 401
    ours = {"auth": (ACCOUNT, TOKEN)}
    assert browser.post("/keldoc/_diary", json=body, **ours).status_code == 200
    take = {"agenda_id": AGENDA, "start_at": START.isoformat()}
    assert browser.post("/keldoc/_public", json=take, **ours).status_code == 200
    assert browser.post("/keldoc/_public", json=take, **ours).status_code == 422
    assert browser.post("/keldoc/_faults", json={"next": ["418"]}, **ours).status_code == 400
    assert browser.post("/keldoc/_faults", json={"next": ["500"]}, **ours).status_code == 200
    assert browser.get("/keldoc/partners/agendas").status_code == 500
    assert browser.get("/keldoc/partners/agendas").status_code == 401
    shown = browser.get("/keldoc/_diary", **ours).get_json()
    assert len(shown["appointments"]) == 1


def test_nothing_is_booked_without_a_file_or_keys(tmp_path: Path):
    file = tmp_path / "partners.toml"
    assert make_keldoc("", KEY, SECRET) is None
    assert make_keldoc(str(file), KEY, SECRET) is None
    file.write_text('contact = "ops@example.org"\n[keldoc]\nread = false\n', "utf-8")
    assert make_keldoc(str(file), KEY, SECRET) is None
    centre = "[[keldoc.booking.centres]]\ncentre = '1'\nagendas = [552]\nmotives = [366, 367]\n"
    file.write_text(file.read_text("utf-8") + centre, "utf-8")
    assert read_partners_file(file).platforms == ()
    assert make_keldoc(str(file), KEY, "") is None
    made = make_keldoc(str(file), KEY, SECRET)
    assert made is not None
    assert made.knows("1")
    assert not made.knows("2")
    assert [made.centres["1"].motive(dose) for dose in (1, 2, 3)] == [366, 367, 367]


def test_the_operators_file_is_told_every_mistake(tmp_path: Path):
    file = tmp_path / "partners.toml"
    file.write_text(
        'contact = "ops@example.org"\n'
        "[keldoc]\n"
        "read = false\n"
        "[keldoc.booking]\n"
        'base = "http://elsewhere/"\n'
        "[[keldoc.booking.centres]]\n"
        "agendas = [552, 552]\n"
        "motives = []\n",
        "utf-8",
    )
    with pytest.raises(BadPartnersFile) as bad:
        read_partners_file(file)
    told = str(bad.value)
    for number, word in ((5, "base"), (6, "gid"), (7, "agendas"), (8, "motives")):
        assert f":{number}: {word}" in told or (f":{number}: " in told and word in told)
    assert len(told.splitlines()) == 4


@pytest.mark.parametrize("begins", [b"X-Word: ", b"Content-Length: 9999\r\n\r\n"])
def test_who_answers_drop_by_drop_does_not_answer(begins: bytes, monkeypatch: pytest.MonkeyPatch):
    """Neither a head nor a body without an end holds whoever delivers."""
    monkeypatch.setattr("partners.platforms.keldoc.booking.MOST_SECONDS", 0.05)
    over = threading.Event()

    def drips(server: socket.socket) -> None:
        connection, _address = server.accept()
        with connection, suppress(OSError):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + begins)
            while not over.wait(0.01):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drips, args=(server,), daemon=True)
        thread.start()
        asks = client(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(NoAnswer):
            asks.register("k1", JEANNE)
        over.set()
        thread.join()
