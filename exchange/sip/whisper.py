"""Speech understood by faster-whisper, in a process of its own; see `whisper_worker`.

It takes some 550 MB and a second or two a phrase, and hears dates well and lone digits badly: a
trial, never needed, for every question can be answered with keys.
"""

import json
import logging
import re
import sys

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exchange.sip.piped import Lost, Piped

log = logging.getLogger(__name__)

# The smallest that understands French at all.
MODEL: Final = "base"
WORKER: Final = (sys.executable, "-m", "exchange.sip.whisper_worker")
# A model takes some seconds to be loaded, and a phrase one or two where nothing else runs.
PATIENCE_S: Final = 20.0
# Twilio's classes of words ("$OOV_CLASS_DIGIT_SEQUENCE") mean nothing to others.
_CLASS: Final = re.compile(r"\$\w+,?\s*")
_MOST_HINTS: Final = 600


@dataclass(frozen=True)
class Understood:
    """What somebody said, and how sure that is, from 0.0 to 1.0."""

    text: str
    confidence: float


class Whisper:
    """Turns speech into text, from one thread; its process is started again when it is lost."""

    def __init__(
        self,
        model: str = "",
        *,
        command: Sequence[str] = WORKER,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`model` is a folder, or a name that faster-whisper knows."""
        self._command = (*command, model or MODEL)
        self._patience = patience_s
        self._worker: Piped | None = None
        self._start()

    def _start(self) -> Piped | None:
        if self._worker is None:
            try:
                self._worker = Piped(self._command)
            except Lost:
                log.warning("no process can be started that understands speech")
        return self._worker

    def words(self, pcm: bytes, language: str, hints: str) -> Understood | None:
        """Return what is said in 16-bit samples at 8 kHz; None where it is nothing or fails.

        What is lost is silence to the caller, who is asked again.
        """
        worker = self._start()
        if worker is None:
            return None
        head = {"language": language[:2], "hints": _CLASS.sub("", hints)[:_MOST_HINTS]}
        try:
            answer = worker.ask(json.dumps(head).encode() + b"\n" + pcm, self._patience)
            heard = json.loads(answer)
            text, confidence = str(heard["text"]).strip(), float(heard["confidence"])
        except (Lost, ValueError, KeyError, TypeError) as why:
            log.warning("a process that understands speech was lost: %s", type(why).__name__)
            worker.close(kindly=False)
            self._worker = None
            return None
        return Understood(text, min(1.0, max(0.0, confidence))) if text else None

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close(kindly=False)
            self._worker = None
