"""Tones to send through the parts that handle sound, and how loud what comes out is."""

import array
import io
import math
import struct
import wave

from exchange.sip.samples import audioop

__all__ = ["audioop", "decibels", "riff", "tone", "wav"]


def tone(hertz: float, rate: int = 8000, seconds: float = 1.0, loud: int = 16_000) -> bytes:
    """Return 16-bit samples of a sine."""
    count = round(seconds * rate)
    turn = math.tau * hertz / rate
    return array.array("h", [round(loud * math.sin(turn * at)) for at in range(count)]).tobytes()


def decibels(pcm: bytes, loud: int = 16_000) -> float:
    """Return how loud the middle of it is, compared with a sine of that loudness."""
    middle = pcm[len(pcm) // 10 & ~1 : -(len(pcm) // 10 & ~1)]
    return 20 * math.log10(max(audioop.rms(middle, 2), 0.5) / (loud / math.sqrt(2)))


def wav(pcm: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    """Return a WAV file of 16-bit samples."""
    written = io.BytesIO()
    with wave.open(written, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return written.getvalue()


def riff(kind: int, bits: int, data: bytes, rate: int = 8000, channels: int = 1) -> bytes:
    """Return a WAV file of any kind: 1 is PCM, 6 A-law, 7 µ-law."""
    size = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * size, size, bits)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(data)) + b"WAVE" + chunks + data
