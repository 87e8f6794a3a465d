"""A call as a WAV file: G.711 µ-law in stereo, 16 kB a second, which every player knows."""

from __future__ import annotations

import struct

from pathlib import Path
from typing import Final

from exchange.sip.parts import RATE, Sound

# WAVE_FORMAT_MULAW of the format's registry.
MULAW: Final = 7
FORMAT: Final = struct.Struct("<HHIIHHH")
CHUNK: Final = struct.Struct("<4sI")


def write(file: Path, left: Sound, right: Sound) -> None:
    """Write both sides, the shorter one with silence at its end. Raises OSError."""
    samples = max(len(left.ulaw), len(right.ulaw))
    data = bytearray(b"\xff" * (2 * samples))
    data[0 : 2 * len(left.ulaw) : 2] = left.ulaw
    data[1 : 2 * len(right.ulaw) + 1 : 2] = right.ulaw
    form = FORMAT.pack(MULAW, 2, RATE, 2 * RATE, 2, 8, 0)
    # What is not plain PCM must say how many samples it has.
    parts = [(b"fmt ", form), (b"fact", struct.pack("<I", samples)), (b"data", bytes(data))]
    body = b"WAVE" + b"".join(
        CHUNK.pack(name, len(part)) + part + bytes(len(part) % 2) for name, part in parts
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CHUNK.pack(b"RIFF", len(body)) + body)
