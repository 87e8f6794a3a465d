"""What is still to be played on a line: filled by its call's thread, emptied by the beat."""

import threading

from collections import deque
from typing import Final

from exchange.sip.parts import FRAME, RATE, Sound

# An hour, in so many pieces: nobody listens longer to what was decided so long before.
MOST_BYTES: Final = 3600 * RATE
MOST_SOUNDS: Final = 1000
QUIET: Final = b"\xff"


class Playing:
    """A bounded queue of sounds, given out 20 ms at a time. The sounds' bytes are never copied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sounds: deque[bytes] = deque()
        self._bytes = 0
        # Where the first of them goes on.
        self._at = 0
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether anything is to be played still, or its end was not told yet."""
        return self._busy

    def add(self, sound: Sound) -> bool:
        """Play it after what is there; False where that is too much, and it is left out."""
        ulaw = sound.ulaw
        with self._lock:
            if len(self._sounds) >= MOST_SOUNDS or self._bytes + len(ulaw) > MOST_BYTES:
                return False
            # Of an empty sound too the end is told.
            self._busy = True
            if ulaw:
                self._sounds.append(ulaw)
                self._bytes += len(ulaw)
            return True

    def forget(self) -> None:
        """Play nothing of it any more."""
        with self._lock:
            self._sounds.clear()
            self._bytes = self._at = 0

    def take(self) -> tuple[bytes | None, bool]:
        """Return the next 20 ms of µ-law, if any, and whether all before it has just ended."""
        if not self._busy:
            return None, False
        with self._lock:
            if not self._sounds:
                self._busy = False
                return None, True
            frame = self._sounds[0][self._at : self._at + FRAME]
            self._at += FRAME
            while self._sounds and self._at >= len(self._sounds[0]):
                first = self._sounds.popleft()
                self._at -= len(first)
                self._bytes -= len(first)
                if self._sounds and len(frame) < FRAME:
                    # The next one begins within this packet.
                    frame += self._sounds[0][: self._at]
            if not self._sounds:
                self._at = 0
            return frame.ljust(FRAME, QUIET), False
