"""Recordings that a <Play> names, fetched from the service and made ready for the line."""

import logging
import threading
import time

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import urldefrag

import miniaudio

from exchange.sip.kept import Kept
from exchange.sip.narrow import Narrow
from exchange.sip.parts import RATE, Sound, coded
from exchange.sip.settings import FETCHED_BYTES, FETCHED_S
from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Reply, Transport

log = logging.getLogger(__name__)

# Ten of the longest would not fit; a queue has one, of 40 s.
MOST_BYTES: Final = 8 * 2**20
# What was fetched is fetched anew after so long (seconds): somebody may have recorded it again.
FRESH_S: Final = 600.0
# What could not be had is tried again after so long; a <Play> may repeat itself without end.
AGAIN_S: Final = 5.0
# URLs whose fate is remembered.
MOST_URLS: Final = 500
# Samples that are decoded at a time.
_FRAMES: Final = 16_384
# What is played as a recording, samples a second; a header may say anything.
_RATES: Final = range(2_000, 400_000)


class Unplayable(Exception):
    """It is neither WAV nor MP3, or broken; the text says why, without what is in it."""


class Sounds:
    """Recordings by URL, from any thread; each is fetched by one thread while others wait."""

    def __init__(
        self,
        transport: Transport,
        *,
        most_bytes: int = MOST_BYTES,
        most_seconds: float = FETCHED_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport, self._now = transport, now
        self._most_seconds = most_seconds
        self._kept: Kept[str] = Kept(most_bytes)
        self._lock = threading.Lock()
        # When what is known of a URL is too old: of a recording, or of there being none.
        self._stale: OrderedDict[str, float] = OrderedDict()
        self._missing: OrderedDict[str, float] = OrderedDict()

    def of(self, url: str) -> Sound | None:
        """Return a recording; None where it cannot be had or played, which the log says why.

        Blocks while it is fetched, for as long as the transport waits.
        """
        url = urldefrag(url).url
        with self._lock:
            if self._now() < self._missing.get(url, float("-inf")):
                return None
            stale = self._now() >= self._stale.get(url, float("inf"))
            if stale:
                del self._stale[url]
        if stale:
            self._kept.forget(url)
        ulaw = self._kept.get(url, lambda: self._fetched(url))
        return None if ulaw is None else Sound(ulaw)

    def _fetched(self, url: str) -> bytes | None:
        ulaw: bytes | None = None
        try:
            reply = self._transport.send(Outgoing("GET", url, {}, {"Accept": "audio/*"}))
            ulaw = _played(reply, self._most_seconds)
        except (ConnectFailed, ReadTimedOut) as error:
            self._complain(url, type(error).__name__)
        except Unplayable as why:
            self._complain(url, str(why))
        with self._lock:
            if ulaw is None:
                _note(self._missing, url, self._now() + AGAIN_S)
            else:
                self._missing.pop(url, None)
                _note(self._stale, url, self._now() + FRESH_S)
        return ulaw

    @staticmethod
    def _complain(url: str, why: str) -> None:
        # Without the query, which may say whose call it is.
        log.warning("no sound of %s: %s", url.partition("?")[0], why)


def _played(reply: Reply, most_seconds: float) -> bytes:
    """Return µ-law of what was fetched. Raises Unplayable."""
    if reply.status not in range(200, 300):
        raise Unplayable(f"status {reply.status}")
    if len(reply.body) > FETCHED_BYTES:
        raise Unplayable(f"{len(reply.body)} bytes are too many")
    return decoded(reply.body, most_seconds)


def _note(moments: OrderedDict[str, float], url: str, moment: float) -> None:
    moments.pop(url, None)
    moments[url] = moment
    while len(moments) > MOST_URLS:
        moments.popitem(last=False)


def decoded(audio: bytes, most_seconds: float = FETCHED_S) -> bytes:
    """Return µ-law of a WAV (PCM, A-law, µ-law) or MP3 file, its channels as one.

    What is longer is cut there. Raises Unplayable.
    """
    try:
        if audio[:4] == b"RIFF":
            rate = miniaudio.wav_get_info(audio).sample_rate
        else:
            rate = miniaudio.mp3_get_info(audio).sample_rate
        if rate not in _RATES:
            raise Unplayable(f"{rate} samples a second")
        # At its own rate: miniaudio's way to another lets false tones through.
        pieces = miniaudio.stream_memory(
            audio, miniaudio.SampleFormat.SIGNED16, 1, rate, frames_to_read=_FRAMES
        )
        narrow, most = Narrow(rate), round(most_seconds * RATE)
        ulaw = bytearray()
        for piece in pieces:
            ulaw += coded(narrow.feed(piece.tobytes()), "PCMU")
            if len(ulaw) >= most:
                return bytes(ulaw[:most])
        ulaw += coded(narrow.rest(), "PCMU")
    except miniaudio.MiniaudioError as error:
        raise Unplayable("neither WAV nor MP3") from error
    if not ulaw:
        raise Unplayable("nothing is in it")
    return bytes(ulaw)
