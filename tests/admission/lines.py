"""How many requests wait for their turn, as tests look at a load shedder."""

from __future__ import annotations

import threading

from collections.abc import Callable

from services.admission.load_shedder import LoadShedder


def visits_waiting(load_shedder: LoadShedder) -> int:
    """Of running web sessions."""
    return len(load_shedder._web.first)


def new_waiting(load_shedder: LoadShedder) -> int:
    """Of visitors who begin."""
    return len(load_shedder._web.second)


def staff_waiting(load_shedder: LoadShedder) -> int:
    """Of those who work here, their screens included."""
    return load_shedder._staff.waiting


class Line:
    """Requests that wait for their turn, each in a thread of its own."""

    def __init__(self, load_shedder: LoadShedder) -> None:
        self._load_shedder = load_shedder
        self._threads: list[threading.Thread] = []
        # Names in the order in which they were told: that it is their turn, or that it is not.
        self.told: list[str] = []

    def joined_by(self, name: str, begins: Callable[[], bool]) -> threading.Thread:
        """One more waits, where there is a place."""

        def stand() -> None:
            self.told.append(name if begins() else f"no {name}")

        before = self._length()
        thread = threading.Thread(target=stand, daemon=True)
        self._threads.append(thread)
        thread.start()
        while thread.is_alive() and self._length() == before:
            thread.join(0.001)
        return thread

    def ends(self) -> list[str]:
        """All of them, in order, once each was told."""
        for thread in self._threads:
            thread.join(30)
        return self.told

    def _length(self) -> int:
        load_shedder = self._load_shedder
        return (
            visits_waiting(load_shedder) + new_waiting(load_shedder) + staff_waiting(load_shedder)
        )
