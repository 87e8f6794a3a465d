"""The gate's work beside requests: it measures, tells the store of arrivals, hears of the room.

In two threads of its own, so that no answer waits for the store on its behalf.
"""

from __future__ import annotations

import secrets
import threading

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from models.admission import arrivals
from models.supervision import snapshots
from services.admission.load_shedder import LOOK_EVERY, LoadShedder
from services.admission.waiting_room import NAME
from services.store import Store
from services.telemetry import GATE_ANSWERS, GIVEN_WAY, ROOM_TICKETS
from web.admission.parts import LedgerTally, UnderWay
from web.admission.room import RoomOfWorker

# Seconds between two wakings of the thread that measures, and between two writings.
PULSE: Final = 0.05
LEDGER: Final = 1.0
# A worker with nothing to tell writes every so many seconds all the same.
SIGN_OF_LIFE: Final = 3.0
_WORTH_TELLING: Final = ("steps", "web", "away", "lost")

log = structlog.get_logger()


class Ledger:
    """One for each web worker."""

    def __init__(
        self,
        store: Store,
        load_shedder: LoadShedder,
        room: RoomOfWorker,
        tally: LedgerTally,
        under_way: UnderWay,
    ) -> None:
        self._under_way = under_way
        self._store, self._load_shedder, self._room, self._tally = store, load_shedder, room, tally
        self._ticks: Callable[[], float] = load_shedder.ticks
        self.worker = secrets.token_hex(8)
        self._wrote_at = 0.0
        self._asked_at = 0.0
        self._ended = threading.Event()

    def start(self) -> None:
        """From now on by itself, until `end`."""
        for work in (self._pulse, self._keep):
            threading.Thread(target=work, name=f"gate-{work.__name__}", daemon=True).start()

    def end(self) -> None:
        """A server's worker never calls it: its threads end with it."""
        self._ended.set()

    def _pulse(self) -> None:
        looked = before = self._ticks()
        while not self._ended.wait(PULSE):
            now = self._ticks()
            self._load_shedder.woke(now - before - PULSE)
            before = now
            if now - looked >= LOOK_EVERY:
                looked = now
                answers, self._tally.answers = self._tally.answers, 0
                self._load_shedder.look(self._under_way.requests, answers)

    def _keep(self) -> None:
        while not self._ended.is_set():
            try:
                self.write()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next round tries again)
                log.warning("ledger not written", error=type(error).__name__)
            self._ended.wait(LEDGER)

    def write(self) -> None:
        """Tell the store of arrivals and of the load, and hear from it how far the room is.

        Raises as the store does; arrivals that could not be told are told next time.
        """
        self._room.look_at_campaign()
        now = self._ticks()
        since = max(now - self._asked_at, 1e-3) if self._asked_at else LEDGER
        self._asked_at = now
        counts = self._tally.taken()
        _count(counts)
        body = self.load(counts, since) | {
            "present": self._room.presence.counted(self._room.told.frontier)
        }
        body["first"] = self._room.ranks.first
        came = self._add_arrivals()
        waited_for = body["present"]["buckets"] or any(body[name] for name in _WORTH_TELLING)
        if came or waited_for or self._is_silent(now):
            database = self._store.database
            with database.statement() as connection:
                arrivals.tell_load(connection, self._store.clock, self.worker, body)
            self._wrote_at = now
        self._read()

    def load(self, counts: Counter[tuple[str, str]], since: float) -> dict[str, Any]:
        """What was measured in `since` seconds, as `admission_controller.Loads` reads it."""
        measured = self._load_shedder.measured()
        for name in ("steps", "web"):
            measured[name] /= since
        measured["away"] = counts["away", "start"] / since
        measured["lost"] = counts["away", "lost"] / since
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in measured.items()
        }

    def _add_arrivals(self) -> bool:
        ranks = self._room.ranks
        came = ranks.counted()
        if not came:
            return False
        try:
            with self._store.database.transaction() as connection:
                arrivals.add(connection, came)
        except Exception:
            ranks.back(came)
            raise
        return True

    def _is_silent(self, now: float) -> bool:
        return now - self._wrote_at >= SIGN_OF_LIFE

    def _read(self) -> None:
        with self._store.database.statement() as connection:
            found = snapshots.get(connection, NAME, self._room.tag)
        if found is not None:
            self._room.hear(found)


def _count(counts: Counter[tuple[str, str]]) -> None:
    for (name, label), number in counts.items():
        if name == "given_way":
            GIVEN_WAY.labels(label).inc(number)
        elif name == "gate":
            GATE_ANSWERS.labels(label).inc(number)
        elif name == "ticket":
            ROOM_TICKETS.inc(number)
