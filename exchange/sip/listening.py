"""Listens to callers who speak instead of pressing keys.

`Listener` is what a call's leg knows. It finds by loudness where a caller begins and ends, and has
what they said understood by a `Whisper`, one at a time and away from the loop's thread. Nothing
that was said is logged or kept.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import threading

from collections import deque
from collections.abc import Callable
from typing import Final

from exchange.sip.parts import FRAME_S, WIDTH
from exchange.sip.samples import audioop
from exchange.sip.whisper import Understood, Whisper

log = logging.getLogger(__name__)

# Silence (seconds) that ends what somebody says; Twilio's "auto" takes about as long.
SILENCE_S: Final = 1.0
# The most that is listened to at once; Twilio's maxSpeechTime is 60 s, and an answer is short.
MOST_S: Final = 30.0
# A caller speaks when it is so many times as loud as the line's own noise, and never below this.
TIMES_NOISE: Final = 3.0
QUIETEST: Final = 250
# So many loud frames of the last ones are a beginning; a click is shorter.
LOUD_FRAMES: Final = 5
OF_FRAMES: Final = 8
# Frames from before the beginning: words begin softly.
BEFORE_FRAMES: Final = 15
# How fast the noise is learnt: down at once, nearly; up within half a second, and not at all while
# somebody speaks, whose vowels would become noise to themselves.
_UP: Final = 0.05
_DOWN: Final = 0.3
# Answers that wait to be understood; further ones count as silence.
MOST_WAITING: Final = 8
_NEEDS: Final = "faster-whisper"


class NoRecogniser(Exception):
    """One sentence for the operator: what SIP_RECOGNISER asks for, and what it lacks."""


class Endpoints:
    """Where a caller begins and ends to speak, by loudness, 20 ms at a time."""

    def __init__(self, silence_s: float = SILENCE_S, most_s: float = MOST_S) -> None:
        self._silent_frames = round(silence_s / FRAME_S)
        self._most_frames = round(most_s / FRAME_S)
        self._noise = float(QUIETEST) / TIMES_NOISE
        self._recent: deque[bool] = deque(maxlen=OF_FRAMES)
        self._before: deque[bytes] = deque(maxlen=BEFORE_FRAMES + LOUD_FRAMES)
        self._said: list[bytes] = []
        self._silent = 0
        self.started = False
        self.ended = False

    def take(self, frame: bytes) -> bool:
        """Take 20 ms of 16-bit samples; return whether the caller has just ended."""
        if self.ended:
            return False
        loudness = audioop.rms(frame, WIDTH)
        loud = loudness > max(QUIETEST, TIMES_NOISE * self._noise)
        if loudness < self._noise or not self.started:
            self._noise += (loudness - self._noise) * (_UP if loudness > self._noise else _DOWN)
        if not self.started:
            self._before.append(frame)
            self._recent.append(loud)
            if sum(self._recent) >= LOUD_FRAMES:
                self.started = True
                self._said.extend(self._before)
            return False
        self._said.append(frame)
        self._silent = 0 if loud else self._silent + 1
        self.ended = self._silent >= self._silent_frames or len(self._said) >= self._most_frames
        return self.ended

    @property
    def pcm(self) -> bytes:
        """What was said, with a little before it, and the silence that ended it."""
        return b"".join(self._said)


class Hearing:
    """Somebody is listened to, once."""

    def __init__(
        self,
        language: str,
        hints: str,
        told: Callable[[str, float | None], None],
        ends: Callable[[Hearing], None],
        endpoints: Endpoints,
    ) -> None:
        self.language, self.hints = language, hints
        self._told, self._ends, self._endpoints = told, ends, endpoints
        self._lock = threading.Lock()
        # Whether nobody wants to know any more.
        self.done = False

    @property
    def speaking(self) -> bool:
        """Whether somebody has begun to speak, and what they said is not known yet."""
        return self._endpoints.started and not self.done

    @property
    def pcm(self) -> bytes:
        """What was said so far."""
        return self._endpoints.pcm

    def take(self, pcm: bytes) -> None:
        """Take 20 ms of 16-bit samples. On the loop's thread."""
        if not self.done and self._endpoints.take(pcm):
            self._ends(self)

    def tell(self, understood: Understood | None) -> None:
        """Tell once, if anybody wants to know. From any thread."""
        with self._lock:
            done, self.done = self.done, True
        if not done:
            if understood is None:
                self._told("", None)
            else:
                self._told(understood.text, understood.confidence)

    def close(self) -> None:
        """Listen no more, and tell nothing more. From any thread."""
        with self._lock:
            self.done = True


class Listener:
    """Listens to callers, each once at a time. From any thread."""

    def __init__(
        self, transcriber: Whisper, *, silence_s: float = SILENCE_S, most_s: float = MOST_S
    ) -> None:
        self._transcriber = transcriber
        self._silence, self._most = silence_s, most_s
        self._waiting: queue.Queue[Hearing | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._understand, name="recogniser", daemon=True)
        self._thread.start()

    def begin(
        self, language: str, hints: str, told: Callable[[str, float | None], None]
    ) -> Hearing:
        """Begin to listen; `told` hears once what was said, or an empty text where nothing was."""
        endpoints = Endpoints(self._silence, self._most)
        return Hearing(language, hints, told, self._ended, endpoints)

    def close(self) -> None:
        """End, after what is being understood; those who wait are told of silence."""
        while True:
            try:
                hearing = self._waiting.get_nowait()
            except queue.Empty:
                break
            if hearing is not None:
                hearing.tell(None)
        self._waiting.put(None)
        self._thread.join()
        self._transcriber.close()

    def _ended(self, hearing: Hearing) -> None:
        try:
            self._waiting.put_nowait(hearing)
        except queue.Full:
            log.warning("too many speak at once: an answer counts as silence")
            hearing.tell(None)

    def _understand(self) -> None:
        while (hearing := self._waiting.get()) is not None:
            if not hearing.done:
                hearing.tell(self._transcriber.words(hearing.pcm, hearing.language, hearing.hints))


def recogniser_of(setting: str) -> Listener | None:
    """Return what the setting asks for: nothing, or `whisper`, or `whisper:` and a model.

    A model is a folder, or a name that faster-whisper knows and downloads; it is loaded at once, in
    the background. Raises NoRecogniser.
    """
    kind, _, model = setting.strip().partition(":")
    if not kind:
        return None
    if kind != "whisper":
        raise NoRecogniser(f"SIP_RECOGNISER={setting}: it may be empty, or whisper.")
    if importlib.util.find_spec(_NEEDS.replace("-", "_")) is None:
        raise NoRecogniser(
            f"SIP_RECOGNISER={setting} needs the package {_NEEDS}: .venv/bin/pip install {_NEEDS}"
        )
    return Listener(Whisper(model))
