"""Listens to a recording: how long, how loud, whether it is clipped, and its silent ends."""

from __future__ import annotations

import array
import math
import sys
import wave

from dataclasses import dataclass
from pathlib import Path

_FULL = 32768
# So many samples in a row at the end of the scale were cut off there.
_CLIPPED = 4
# Below this share of its loudest sample a recording is silent.
_SILENT = 0.02
# What is below it is between words, and no part of how loud they are.
_BETWEEN = 0.05
_BYTES = 2


class NotHeard(Exception):
    """A file of a kind that cannot be listened to here; the message says what to write."""


@dataclass(frozen=True)
class Sound:
    """`seconds` in all, `before` and `after` of silence; `level` of the words, in dB of full."""

    seconds: float
    before: float
    after: float
    level: float
    is_clipped: bool


def listen(file: Path) -> Sound:
    """Raises NotHeard for what is no WAV with PCM of 16 bits, one channel, or is silent."""
    try:
        with wave.open(str(file)) as opened:
            if (opened.getnchannels(), opened.getsampwidth()) != (1, _BYTES):
                raise NotHeard("not listened to; write PCM of 16 bits, mono")
            rate, frames = opened.getframerate(), opened.readframes(opened.getnframes())
    except (wave.Error, EOFError) as error:
        raise NotHeard(f"not listened to ({error}); write a WAV, PCM of 16 bits, mono") from None
    samples = array.array("h", frames)
    if sys.byteorder == "big":
        samples.byteswap()
    loud = [abs(sample) for sample in samples]
    most = max(loud, default=0)
    heard = [place for place, one in enumerate(loud) if one > most * _SILENT]
    if not most or not heard:
        raise NotHeard("nothing is heard in it; record it again")
    voiced = [level for level in loud if level > most * _BETWEEN]
    power = math.fsum(level * level for level in voiced) / len(voiced)
    return Sound(
        seconds=len(loud) / rate,
        before=heard[0] / rate,
        after=(len(loud) - 1 - heard[-1]) / rate,
        level=10 * math.log10(power / _FULL**2),
        is_clipped=_is_clipped(loud),
    )


def _is_clipped(loud: list[int]) -> bool:
    in_a_row = 0
    for level in loud:
        in_a_row = in_a_row + 1 if level >= _FULL - 1 else 0
        if in_a_row == _CLIPPED:
            return True
    return False
