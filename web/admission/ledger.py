"""The gate's work beside requests: it measures, tells the store of arrivals, hears of the room.

In two threads of its own, so that no answer waits for the store on its behalf.
"""

from __future__ import annotations

import secrets
import threading

from collections.abc import Callable
from typing import Final

import structlog

from models.admission import arrivals
from models.supervision import snapshots
from services.admission.load_shedder import LOOK_EVERY, LoadShedder
from services.admission.waiting_room import NAME
from services.store import Store
from web.admission.room import RoomOfWorker

# Seconds between two wakings of the thread that measures, and between two writings.
PULSE: Final = 0.05
LEDGER: Final = 1.0
# A worker with nothing to tell writes every so many seconds all the same.
SIGN_OF_LIFE: Final = 3.0
_WORTH_TELLING: Final = ("steps", "web", "away", "lost")

log = structlog.get_logger()


class Ledger:
    """One for each web worker. `also_look` is called as often as the load shedder looks."""

    def __init__(
        self,
        store: Store,
        load_shedder: LoadShedder,
        room: RoomOfWorker,
        also_look: Callable[[], None],
    ) -> None:
        self._store, self._load_shedder, self._room = store, load_shedder, room
        self._also_look = also_look
        self._ticks: Callable[[], float] = load_shedder.ticks
        self.worker = secrets.token_hex(8)
        self._wrote_at = 0.0
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
                self._load_shedder.look()
                self._also_look()

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
        room, database, clock = self._room, self._store.database, self._store.clock
        room.look_at_campaign()
        body = self._load_shedder.measured()
        body["present"] = room.presence.counted(room.told.frontier)
        body["first"] = room.ranks.first
        came = room.ranks.counted()
        if came:
            try:
                with database.transaction() as connection:
                    arrivals.add(connection, came)
            except Exception:
                room.ranks.back(came)
                raise
        now = self._ticks()
        is_silent = now - self._wrote_at >= SIGN_OF_LIFE
        has_news = came or body["present"]["buckets"] or any(body[name] for name in _WORTH_TELLING)
        with database.statement() as connection:
            if has_news or is_silent:
                arrivals.tell_load(connection, clock, self.worker, body)
                self._wrote_at = now
            found = snapshots.get(connection, NAME, room.tag)
        if found is not None:
            room.hear(found)
