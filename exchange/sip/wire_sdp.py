"""What two sides agree to send (RFC 4566, RFC 3264): G.711 in 20 ms, and keys (RFC 4733).

aiosipua reads and writes SDP. Its own answer says telephone-event 101 whatever was offered, takes
an `m=audio 0`, SRTP that it does not have, any packet time, and looks at the first audio line only
and at no direction of the whole session: so the choice is made here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from aiosipua.sdp import (
    ConnectionData,
    MediaDescription,
    Origin,
    SdpMessage,
    parse_sdp,
    serialize_sdp,
)

from exchange.sip.parts import Law, Media
from exchange.sip.settings import is_address

LAWS: Final[dict[int, Law]] = {0: "PCMU", 8: "PCMA"}
# European telephones first; what the other side puts first is taken in an answer of ours.
OFFERED: Final = (8, 0)
KEYS: Final = 101
_ANSWERS: Final = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_NO_HOST: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - as an older way to hold a call
_MOST_LINES: Final = 8
_MOST_FORMATS: Final = 32
_BODY: Final = 8 * 1024


class NotAcceptable(Exception):
    """There is no sound in it that we can send and hear: 488."""


@dataclass(frozen=True)
class Offer:
    """What somebody offers, or answers: where and what, and all its lines for our answer."""

    media: Media
    payload: int
    direction: str
    line: int
    lines: tuple[MediaDescription, ...]


def read(body: bytes, instead: str, allowed: Callable[[str], bool]) -> Offer:
    """Return the first sound in there that can be had. Raises NotAcceptable.

    Sound goes to nobody who may not be heard: where another address stands there, or a name,
    it goes to `instead`, which is where the message came from.
    """
    if len(body) > _BODY:
        raise NotAcceptable
    try:
        sdp = parse_sdp(body.decode("utf-8", "replace"))
    except (ValueError, IndexError, TypeError):
        raise NotAcceptable from None
    if len(sdp.media) > _MOST_LINES:
        raise NotAcceptable
    for number, line in enumerate(sdp.media):
        found = _sound(sdp, line)
        if found is None:
            continue
        payload, keys = found
        direction = _direction(sdp, line)
        connection = line.connection or sdp.connection
        host = connection.address.split("/", 1)[0] if connection else instead
        held = host in _NO_HOST or direction in {"sendonly", "inactive"}
        media = Media(
            host=host if is_address(host) and allowed(host) else instead,
            port=line.port,
            law=LAWS[payload],
            keys=keys,
            hears=not held,
            # Who holds a call may play its own music meanwhile: nobody asked for that.
            speaks=not held and direction != "recvonly",
        )
        return Offer(media, payload, direction, number, tuple(sdp.media))
    raise NotAcceptable


def _sound(sdp: SdpMessage, line: MediaDescription) -> tuple[int, int | None] | None:
    """Return the payload types of sound and of keys; None where the line has neither."""
    usable = line.media == "audio" and line.proto.upper() == "RTP/AVP"
    if not usable or not 1 <= line.port <= 65535 or len(line.formats) > _MOST_FORMATS:  # noqa: PLR2004
        return None
    payload, keys = None, None
    for codec in line.codecs:
        name, rate = codec.encoding_name.upper(), codec.clock_rate or 8000
        if payload is None and name == LAWS.get(codec.payload_type) and rate == 8000:  # noqa: PLR2004
            payload = codec.payload_type
        dynamic = 96 <= codec.payload_type <= 127  # noqa: PLR2004 - RFC 3551 §6
        if keys is None and name == "TELEPHONE-EVENT" and rate == 8000 and dynamic:  # noqa: PLR2004
            keys = codec.payload_type
    return None if payload is None else (payload, keys)


def _direction(sdp: SdpMessage, line: MediaDescription) -> str:
    for attributes in (line.attributes, sdp.attributes):
        for direction in _ANSWERS:
            if direction in attributes:
                return direction
    return "sendrecv"


@dataclass
class OwnSide:
    """Our end of one call: what we say of it, with a version that goes up when it changes."""

    host: str
    port: int
    session: int
    version: int = 0
    _last: str = ""

    def offer(self) -> bytes:
        """Return an offer of both laws and of keys."""
        return self._told([self._line([*OFFERED, KEYS], KEYS, "sendrecv")])

    def answer(self, offer: Offer) -> bytes:
        """Return the answer: that line as chosen, every other one refused, in the same order."""
        lines = [
            replace(
                line,
                port=0,
                formats=line.formats or ["0"],
                connection=None,
                bandwidths=[],
                attributes={},
            )
            for line in offer.lines
        ]
        keys = offer.media.keys
        formats = [offer.payload] if keys is None else [offer.payload, keys]
        lines[offer.line] = self._line(formats, keys, _ANSWERS[offer.direction])
        return self._told(lines)

    def _line(self, formats: list[int], keys: int | None, direction: str) -> MediaDescription:
        maps = [f"{one} {LAWS[one]}/8000" for one in formats if one in LAWS]
        attributes: dict[str, list[str]] = {"rtpmap": maps}
        if keys is not None:
            maps.append(f"{keys} telephone-event/8000")
            attributes["fmtp"] = [f"{keys} 0-15"]
        attributes |= {"ptime": ["20"], direction: []}
        return MediaDescription(
            "audio", self.port, "RTP/AVP", [str(one) for one in formats], attributes=attributes
        )

    def _told(self, lines: list[MediaDescription]) -> bytes:
        kind = "IP6" if ":" in self.host else "IP4"
        sdp = SdpMessage(
            origin=Origin("-", str(self.session), "0", "IN", kind, self.host),
            session_name="-",
            connection=ConnectionData("IN", kind, self.host),
            media=lines,
        )
        told = serialize_sdp(sdp)
        if told != self._last:
            self._last, self.version = told, self.version + 1
        sdp.origin.session_version = str(self.version)
        return serialize_sdp(sdp).encode()
