"""How long recordings last. Twilio fetches what a <Play> names; so does the stand-in, once."""

import struct
import threading

from urllib.parse import urldefrag

from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Transport

RIFF_HEADER = 12
CHUNK_HEADER = 8
# Bits a second of MPEG-1 layer III by their index, in thousands.
MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
MP3_SYNC = 0xFFE


class Recordings:
    """The lengths of recordings by URL; safe between threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lengths: dict[str, float | None] = {}
        self._lock = threading.Lock()

    def length(self, url: str) -> float | None:
        """Return the seconds that a recording lasts; None when it cannot be had or read."""
        url = urldefrag(url).url
        with self._lock:
            if url in self._lengths:
                return self._lengths[url]
        try:
            reply = self._transport.send(Outgoing("GET", url, {}, {"Accept": "audio/*"}))
            found = seconds(reply.body) if reply.status in range(200, 300) else None
        except (ConnectFailed, ReadTimedOut):
            # The service may be starting; it is asked again next time.
            return None
        with self._lock:
            self._lengths[url] = found
        return found


def seconds(audio: bytes) -> float | None:
    """Return how long a WAV file, or an MP3 file of constant rate, lasts; None for any other."""
    if audio[:4] == b"RIFF" and audio[8:12] == b"WAVE":
        return _wav(audio)
    start = 0
    if audio[:3] == b"ID3" and len(audio) > 10:  # noqa: PLR2004 - the tag's own header
        size = audio[6:10]
        start = 10 + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])
    head = audio[start : start + 4]
    if len(head) == 4 and (head[0] << 4 | head[1] >> 4) & MP3_SYNC == MP3_SYNC:  # noqa: PLR2004
        kbits = MP3_KBITS[head[2] >> 4]
        return (len(audio) - start) * 8 / (kbits * 1000) if kbits else None
    return None


def _wav(audio: bytes) -> float | None:
    at, rate = RIFF_HEADER, 0
    while at + CHUNK_HEADER <= len(audio):
        name, size = audio[at : at + 4], struct.unpack_from("<I", audio, at + 4)[0]
        if name == b"fmt ":
            if at + CHUNK_HEADER + 12 > len(audio):
                # Cut off before it is said.
                return None
            rate = struct.unpack_from("<I", audio, at + CHUNK_HEADER + 8)[0]
        elif name == b"data":
            return float(size / rate) if rate else None
        at += CHUNK_HEADER + size + size % 2
    return None
