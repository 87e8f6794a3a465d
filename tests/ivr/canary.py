"""A person who must leave no trace: is booked, meets errors, gets a text, is promised a call.

Run as a process of its own, with the logging of production and nothing caught:

    python -m tests.ivr.canary DATABASE_URL OUT_FILE

What it prints is what the service logs. OUT_FILE gets, as JSON, what must not be found, the
addresses that left the service, what was said, and the metrics.
"""

from __future__ import annotations

import json
import sys

from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from sqlalchemy import Connection, select

from exchange.interpreter import Call
from models.booking.tables import booking
from services import logs
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.messages.deliver_message import deliver_message
from services.ports import NoAnswer, ProviderRefused
from services.slots.allocate import Channel
from services.store import CryptographicChance
from tests.ivr.conftest import furnish
from tests.ivr.faults import Faults, FaultyTransport
from tests.ivr.line import Line, read
from tests.ivr.plays import to_the_end
from tests.ivr.webhooks import genuine
from tests.support.house import BASE, WITHHELD, House, house

# Where texts of people come in.
INBOX = "+33974750099"
# One that the numbering plan knows, and one that it keeps for films.
NUMBERS = ("+33658941273", "+33639980123")
BORN = "29021936"
DATES = (
    "1936-02-29",
    "29/02/1936",
    "29-02-1936",
    "29.02.1936",
    "29 février 1936",
    "19360229",
    BORN,
)


class SlipperyMessenger:
    """A provider whose errors repeat what they were given, as real ones do."""

    def __init__(self, error: type[NoAnswer | ProviderRefused]) -> None:
        self._error = error

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        raise self._error("no") from RuntimeError(f"{recipient}: {body}")

    def find(self, *_: Any) -> str | None:
        raise self._error("no")


def slippery(_connection: Connection) -> None:
    """An error that has everything in its text."""
    raise RuntimeError(f"INSERT … {NUMBERS[0]}, {BORN}, {DATES[0]}")


def gives_up_what_is_booked(service: House) -> None:
    """Cancel, so that the same person can be booked again."""
    with service.database.transaction() as connection:
        statement = select(booking.c.id).where(booking.c.state == "confirmed")
        for booking_id in connection.execute(statement).scalars().all():
            by = By("caller", Channel.PHONE, why="a journey")
            cancel(connection, service.store, booking_id, by=by)


def journeys(service: House) -> list[Call]:
    """Every way through the service that this person can take."""
    calls: list[Call] = [to_the_end(service.phone(NUMBERS[0]), BORN)]
    # From a line without a number, typing it.
    gives_up_what_is_booked(service)
    typing = service.phone(WITHHELD).goes_to("reach", born=BORN).presses("1")
    calls.append(typing.presses(NUMBERS[0].replace("+33", "0")).presses("1").presses("1"))
    for number in NUMBERS:
        calls.append(service.phone(number).goes_to("postcode", born=BORN).presses("0").presses("1"))
        silent = service.phone(number).dials()
        for _ in range(3):
            silent.stays_silent()
        calls.append(silent)
    # Mangled entries, then a whole call under errors at each turn.
    wrong = service.phone(NUMBERS[0]).dials().presses("1").presses(BORN[:-1]).presses("31021936")
    calls.append(wrong.presses("1936").presses("02").presses("29").hangs_up())
    faults = Faults(service.database)
    for webhook in range(11):
        transport = FaultyTransport(service, lambda: faults.at_statement(1, slippery), webhook)
        gives_up_what_is_booked(service)
        calls.append(to_the_end(service.phone(NUMBERS[0], transport=transport), BORN))
    line = Line(service.app, sender=NUMBERS[0])
    with faults.at_statement(0, slippery):
        read(line.rings().body)
        line.post(f"{BASE}/voice/turn?n=3", Digits=BORN)
        line.post(f"{BASE}/voice/fallback", ErrorUrl=f"{BASE}/?{BORN}", ErrorCode=BORN)
        line.post(f"{BASE}/voice/status", CallStatus="completed", To=NUMBERS[0])
        genuine("/sms/status", To=NUMBERS[0], ErrorMessage=BORN).signed().send(service.app)
    return calls


def webhooks_of_strangers(service: House) -> None:
    """Refused ones: who is refused is not written down either."""
    for path in ("/voice/incoming", "/voice/turn", "/sms/status", f"/voice/{BORN}"):
        hook = genuine(path, From=NUMBERS[0], Digits=BORN, Body=DATES[0])
        hook.send(service.app)
        hook.signed(token="another").send(service.app)
    genuine("/sms/incoming", From=NUMBERS[0], Body=f"{BORN} {DATES[4]}").signed().send(service.app)
    for number, body in enumerate(
        ("adresse", f"annuler {DATES[4]}", "oui", "stop", "ce n'est pas moi")
    ):
        hook = genuine(
            "/sms/incoming",
            MessageSid=f"SM{number:032x}",
            From=NUMBERS[0],
            To=INBOX,
            Body=f"{body} {'' if number else BORN}",
        )
        assert hook.signed().send(service.app).status_code == 200
    service.app.test_client().get(f"/{BORN}?{BORN}={NUMBERS[0]}")


def texts(service: House) -> None:
    """The confirmation that cannot be delivered, and the report of one that was."""
    for row, error in zip(service.messages("sms"), (NoAnswer, ProviderRefused), strict=False):
        deliver_message(service.store, SlipperyMessenger(error), row.id)
        report = genuine(
            "/sms/status", To=NUMBERS[0], MessageStatus="undelivered", ErrorCode="30003"
        )
        report.signed().send(service.app)


def main(url: str, out: str) -> None:
    logs.configure("DEBUG")
    with house(url, chance=CryptographicChance()) as service:
        service.settings.sms_reply_number = INBOX
        service.app = service.application()
        furnish(service)
        calls = journeys(service)
        webhooks_of_strangers(service)
        texts(service)
        references = [booking.reference for booking in service.bookings()]
        addresses = {request.url for call in calls for request in call.requests}
        for call in calls:
            for body in call.documents:
                for verb in read(body).verbs:
                    addresses |= {verb.attributes.get("action", ""), verb.text}
        found = {
            "numbers": NUMBERS,
            "dates": DATES,
            "references": references,
            "addresses": sorted(address for address in addresses if address.startswith("http")),
            "said": " ".join(text for call in calls for text in call.spoken),
            "metrics": generate_latest().decode(),
        }
        Path(out).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
