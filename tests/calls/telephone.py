"""A house that writes to people and rings them, and the calls that it makes, on a fake clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from jobs.partner_files import NAMES
from jobs.relay import sweep
from models.messages.outbox import FOLLOW_UP
from models.messages.tables import message
from models.queue.tables import queue_entry
from services.centres.directory import Directory
from services.delivery import make_call_back, make_delivery_dependencies
from services.messages.reminders import plan
from services.ports import Messenger
from services.service import Service
from tests.agents.rings import Office, Ring, Rung
from tests.support.house import House
from tests.support.rows import clock_of, rows_of

PARIS = ZoneInfo("Europe/Paris")
# How often the processes beside the web look at what is due: seldom, while the hour is far.
OFTEN = timedelta(minutes=5)
STEPS = (timedelta(hours=2), timedelta(hours=1), timedelta(minutes=15), OFTEN)
# By night nothing is written and nobody is rung; hours of Paris.
MORNING, NIGHT = 7, 21


class Texts(Messenger):
    """A provider that takes every text."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        # Whom each of them came from; empty: the account's own sender.
        self.senders: list[str] = []

    def send(self, message_id: str, to: str, body: str, *, sender: str = "") -> str:
        self.sent.append((to, body))
        self.senders.append(sender)
        return f"SM{len(self.sent):032x}"

    def find(self, to: str, body: str, since: datetime) -> str | None:
        return None


class Post:
    """What delivers messages of a house: the relay, the planner, the calls by the machine."""

    def __init__(self, house: House) -> None:
        self.house, self.texts = house, Texts()
        self.office = Office(house)
        service = _service_of(house)
        self.means = make_delivery_dependencies(house.settings, service)
        self.office.call_back = make_call_back(house.settings, service, house.woken)
        self.rung: list[Ring] = []

    # Time

    def passes_until(self, hour: str, *, on: str = "") -> None:
        """Let time pass, by the clock of Paris, with everything that happens in it.

        `on` is a day as 2026-11-27; without it, it is this day.
        """
        now = self.house.clock.now().astimezone(PARIS)
        day = datetime.fromisoformat(on).date() if on else now.date()
        then = datetime.combine(day, datetime.fromisoformat(f"{day}T{hour}").time(), tzinfo=PARIS)
        assert then >= now, f"{then} is over"
        while (left := then - self.house.clock.now()) > timedelta():
            clock_of(self.house).advance(min(self._step(left), left))
            self.works()

    def _step(self, left: timedelta) -> timedelta:
        """How long until the next look, with so much time left: the night is one."""
        now = self.house.clock.now().astimezone(PARIS)
        if MORNING <= now.hour < NIGHT:
            return next((step for step in STEPS if left >= 2 * step), OFTEN)
        morning = now.replace(hour=MORNING, minute=0, second=0, microsecond=0)
        if now.hour >= NIGHT:
            morning += timedelta(days=1)
        # The instants, where the clocks are changed this night.
        return morning.astimezone(UTC) - now.astimezone(UTC)

    def works(self) -> None:
        """One round of what is due."""
        plan(self.house.store, [self.house.campaign])
        sweep(self.house.store, self.texts, self.means)
        self.office.call_back.look_after(self.house.store)
        self.office.call_back.dial_machines(self.house.store, self.office.control)
        self.office.sweeps()

    # Calls

    def rings(self, number: str) -> Ring:
        """The one new ring of a number since the last that was looked at."""
        new = [one for one in self._to_callers() if one not in self.rung]
        assert [one.to for one in new] == [number], new
        self.rung += new
        return new[0]

    def rings_by(self, hour: str, number: str) -> Ring:
        """The next ring, as soon as there is one; by that hour of this day."""
        while self.rings_nobody():
            now = self.house.clock.now().astimezone(PARIS)
            assert f"{now:%H:%M}" < hour, f"nobody is rung by {hour}"
            clock_of(self.house).advance(OFTEN)
            self.works()
        return self.rings(number)

    def rings_nobody(self) -> bool:
        return all(one in self.rung for one in self._to_callers())

    def _to_callers(self) -> list[Ring]:
        return [ring for ring in self.office.control.rings if not ring.to.startswith("client:")]

    def picks_up(self, number: str, by: str = "") -> Rung:
        """Somebody or something answers the ring of now, or the next one `by` an hour."""
        call = Rung(self.house, self.rings_by(by, number) if by else self.rings(number))
        call.dials()
        return call

    # What there is

    def messages(self, topic: str = "") -> list[tuple[str, str, str | None]]:
        """Topic, state and way of each message, in order."""
        told = select(message).where(message.c.kind != FOLLOW_UP)
        rows = rows_of(self.house.database, told.order_by(message.c.created_at))
        return [(row.topic, row.state, row.way) for row in rows if topic in ("", row.topic)]

    def entries(self) -> list[Any]:
        told = select(queue_entry).where(queue_entry.c.message_id.is_not(None))
        return list(rows_of(self.house.database, told.order_by(queue_entry.c.created_at)))


def _service_of(house: House) -> Service:
    directory = Directory(house.database, centres_fresh_seconds=0)
    return Service(
        directory,
        house.campaign,
        house.settings.national_number,
        platforms=lambda: NAMES,
        numbers=house.numbers,
    )
