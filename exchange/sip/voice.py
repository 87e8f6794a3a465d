"""The voice of the exchange: text in, sound out, spoken by processes of their own and kept.

py-nanotts speaks 2.7 s in 12 ms, but holds the interpreter meanwhile: it has worker processes, see
`voice_worker`. Where it is missing or fails, espeak-ng speaks; where that is missing too, it is
silent for about as long as the words would take.
"""

import importlib.util
import io
import logging
import shutil
import subprocess
import sys
import threading
import time
import wave

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, Self

from exchange.sip.kept import Kept
from exchange.sip.narrow import spoken
from exchange.sip.parts import Sound
from exchange.sip.piped import Lost, Piped
from exchange.sip.reading import sentences, voice_of
from exchange.twiml import CHARACTERS_PER_SECOND, MAX_BREAK_MS, Piece

log = logging.getLogger(__name__)

Kind = Literal["auto", "nanotts", "espeak", "off"]

# Not quite an hour of G.711.
MOST_BYTES: Final = 24 * 2**20
WORKERS: Final = 2
# A sentence takes a tenth of a second; a machine that is busy takes its time.
PATIENCE_S: Final = 5.0
# How long a thread waits for a worker at most, when many say something new at once: espeak-ng,
# which takes more of the machine, would only make that worse.
QUEUES_S: Final = 20.0
# How long workers are left alone after two were lost in a row.
RESTS_S: Final = 30.0
# The French voice says 18 characters a second, which is fast for who is old, and more than the rest
# of the exchange reckons with; the English ones say 15.
PACES: Final = {"fr-FR": 0.85}
# What the synthesis takes; in hundredths, so that what is kept is found again.
SLOWEST: Final = 0.2
FASTEST: Final = 5.0
# Silence (seconds) after a sentence, and where a long one breathes.
AFTER_SENTENCE_S: Final = 0.3
AFTER_BREATH_S: Final = 0.12
# With the memory that malloc gives back the synthesis reads what it never wrote, and the same text
# comes out differently: this has it start on fresh pages each time.
WORKER: Final = (
    *("env", "MALLOC_MMAP_THRESHOLD_=65536"),
    *(sys.executable, "-m", "exchange.sip.voice_worker"),
)

_ESPEAK: Final = "espeak-ng"
_ESPEAK_VOICES: Final = {"fr-FR": "fr-fr", "en-GB": "en-gb", "en-US": "en-us"}
_ESPEAK_WORDS: Final = 160
_ESPEAK_GAIN: Final = 1.0
# It streams, so its header has no length; there is nothing to read after the samples.
_ESPEAK_HEADER: Final = 44


class Voice:
    """Speaks, from any thread: `with Voice() as voice`, or `start` and `close`."""

    def __init__(
        self,
        kind: Kind = "auto",
        *,
        command: Sequence[str] = WORKER,
        workers: int = WORKERS,
        most_bytes: int = MOST_BYTES,
        patience_s: float = PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kind` is who speaks; `auto` takes what there is. `command` starts a worker."""
        self._kind, self._command = kind, tuple(command)
        self._patience, self._now = patience_s, now
        self._kept: Kept[tuple[str, str, float]] = Kept(most_bytes)
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(workers)
        self._idle: list[Piped] = []
        self._rests_until = float("-inf")
        self._closed = False
        self._told: set[str] = set()
        self._workers = kind in {"auto", "nanotts"} and self._has("py_nanotts")
        self._espeak = shutil.which(_ESPEAK) if kind != "off" else None

    def _has(self, module: str) -> bool:
        # Whoever gives a command of their own has what it needs.
        if self._command != WORKER or importlib.util.find_spec(module) is not None:
            return True
        self._tell("py-nanotts is not installed")
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start a worker, so that the first caller does not wait for that."""
        if self._workers:
            try:
                self._put_back(self._worker())
            except Lost:
                self._tell("no process can be started that speaks")

    def close(self) -> None:
        """End the workers. What is asked for afterwards is silent."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for worker in idle:
            worker.close()

    def say(self, pieces: Sequence[Piece], language: str) -> Iterator[Sound]:
        """Return what is said and paused, sentence by sentence as it is made.

        `language` is that of the <Say>, for pieces without their own. Blocks until a sentence that
        was never said before is made, some hundredths of a second; never raises.
        """
        for piece in pieces:
            if piece.pause_s > 0:
                yield Sound.silent(min(piece.pause_s, MAX_BREAK_MS / 1000))
            if piece.text:
                voice = voice_of(piece.language or language)
                pace = piece.rate * PACES.get(voice, 1.0)
                rate = round(min(FASTEST, max(SLOWEST, pace)), 2)
                for sentence in sentences(piece.text, voice):
                    yield Sound(self._said(sentence, voice, rate))

    def _said(self, sentence: str, voice: str, rate: float) -> bytes:
        key = (sentence, voice, rate)
        made = self._kept.get(key, lambda: self._make(sentence, voice, rate))
        # What nobody could speak is not kept: it is tried again next time.
        return _estimate(sentence, rate) if made is None else made

    def _make(self, sentence: str, voice: str, rate: float) -> bytes | None:
        if self._closed or self._kind == "off":
            return None
        ulaw = self._by_worker(sentence, voice, rate) or self._by_espeak(sentence, voice, rate)
        if not ulaw:
            self._tell("nobody speaks: prompts are silent")
            return None
        after = AFTER_SENTENCE_S if sentence[-1] in ".!?" else AFTER_BREATH_S
        return ulaw + Sound.silent(after).ulaw

    # py-nanotts

    def _by_worker(self, sentence: str, voice: str, rate: float) -> bytes:
        """Return µ-law, or nothing where no worker could; one that is lost is replaced once."""
        speed = "" if rate == 1 else str(rate)
        question = f"{voice}\n{speed}\n{sentence}".encode()
        if not self._workers or not self._free.acquire(timeout=QUEUES_S):
            return b""
        try:
            for _ in range(2):
                if self._now() < self._rests_until or self._closed:
                    return b""
                try:
                    return self._ask(question)
                except Lost as why:
                    log.warning("a process that speaks was lost: %s", why)
            self._rests_until = self._now() + RESTS_S
            return b""
        finally:
            self._free.release()

    def _ask(self, question: bytes) -> bytes:
        worker = self._worker()
        try:
            answer = worker.ask(question, self._patience)
        except Lost:
            worker.close(kindly=False)
            raise
        self._put_back(worker)
        return answer

    def _worker(self) -> Piped:
        """Return one that has nothing to do, the one that was used last, or a new one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Piped(self._command)

    def _put_back(self, worker: Piped) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
                return
        worker.close()

    # espeak-ng

    def _by_espeak(self, sentence: str, voice: str, rate: float) -> bytes:
        """Return µ-law, or nothing where espeak-ng is missing or fails."""
        if self._espeak is None:
            return b""
        self._tell("espeak-ng speaks")
        words = round(_ESPEAK_WORDS * rate)
        command = [self._espeak, "-v", _ESPEAK_VOICES.get(voice, voice[:2]), "-s", str(words)]
        try:
            wav = subprocess.run(  # noqa: S603 - the text goes over its standard input
                [*command, "--stdin", "--stdout"],
                input=sentence.encode(),
                capture_output=True,
                timeout=self._patience,
                check=True,
            ).stdout
            with wave.open(io.BytesIO(wav)) as header:
                hertz = header.getframerate()
        except (OSError, subprocess.SubprocessError, wave.Error, EOFError):
            return b""
        return spoken(wav[_ESPEAK_HEADER:], hertz, _ESPEAK_GAIN)

    def _tell(self, what: str) -> None:
        """Say once in the log who speaks, when it is not who should."""
        if what not in self._told:
            self._told.add(what)
            log.warning("voice: %s", what)


def _estimate(sentence: str, rate: float) -> bytes:
    """Return silence of about the time that the words take."""
    return Sound.silent(len(sentence) / CHARACTERS_PER_SECOND / rate).ulaw
