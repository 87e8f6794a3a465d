"""What of `audio/` the provider plays, and which sentences are never played.

Twilio's <Play> takes MP3 and WAV (beside kinds that no actor's studio delivers); a WAV has PCM of
8 or 16 bits, or G.711. A file that it does not take is an error in the midst of a call, and the
caller hears nothing of the line.
"""

from __future__ import annotations

from pathlib import Path

# Lines that are said when this service fails: a recording would have to be fetched from it.
BY_VOICE = ("technical", "callback_nobody")
# Folders below `audio/` that are no language's.
NO_LANGUAGES = frozenset({"music"})

_MP3_STARTS = (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"\xff\xe3", b"\xff\xe2")
_PCM, _ALAW, _ULAW = 1, 6, 7
_BITS = {_PCM: (8, 16), _ALAW: (8,), _ULAW: (8,)}
_MOST_BYTES = 5_000_000  # five minutes of a telephone's 8 kHz in 16 bits


def unplayable(file: Path) -> str:
    """Why the provider would not play a recording; empty for one that it plays."""
    size = file.stat().st_size
    if size > _MOST_BYTES:
        return f"{size / 1e6:.0f} MB; a telephone has mono at 8 kHz: write it so"
    with file.open("rb") as opened:
        head = opened.read(4096)
    if file.suffix == ".mp3":
        return "" if head.startswith(_MP3_STARTS) else "it is no MP3; write it anew"
    return _wrong_wav(head)


def _wrong_wav(head: bytes) -> str:
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return "it is no WAV; write it anew"
    at = 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt ":
            kind = int.from_bytes(head[at + 8 : at + 10], "little")
            bits = int.from_bytes(head[at + 22 : at + 24], "little")
            if bits in _BITS.get(kind, ()):
                return ""
            return "this WAV cannot be played; write PCM of 16 bits, mono, 8 kHz"
        at += 8 + length + length % 2
    return "it is no WAV; write it anew"
