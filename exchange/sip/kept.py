"""Sound that was made once and is kept: bounded, and made by one thread while others wait."""

import threading

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# What a sound costs besides its bytes, about.
OVERHEAD = 500


class Kept(Generic[Key]):
    """The sounds used last, as µ-law, up to so many bytes in all. From any thread."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._sounds: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._making: dict[Key, Future[bytes | None]] = {}

    def get(self, key: Key, make: Callable[[], bytes | None]) -> bytes | None:
        """Return what is kept, or what `make` makes, which is called by one thread at a time.

        None is not kept, and those who waited for it get it too. What `make` raises goes to who
        called it; the others get None.
        """
        with self._lock:
            found = self._sounds.get(key)
            if found is not None:
                self._sounds.move_to_end(key)
                return found
            making = self._making.get(key)
            mine = making is None
            if making is None:
                making = self._making[key] = Future()
        if not mine:
            return making.result()
        made: bytes | None = None
        try:
            made = make()
        finally:
            with self._lock:
                del self._making[key]
                if made is not None:
                    self._keep(key, made)
            making.set_result(made)
        return made

    def forget(self, key: Key) -> None:
        """Have it made anew next time."""
        with self._lock:
            gone = self._sounds.pop(key, None)
            if gone is not None:
                self._bytes -= len(gone) + OVERHEAD

    def _keep(self, key: Key, made: bytes) -> None:
        if len(made) + OVERHEAD > self._most:
            return
        self._sounds[key] = made
        self._bytes += len(made) + OVERHEAD
        while self._bytes > self._most:
            _, oldest = self._sounds.popitem(last=False)
            self._bytes -= len(oldest) + OVERHEAD
