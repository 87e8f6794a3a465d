"""Keys that come as RTP packets (RFC 4733): each told once, by the first packet that arrives."""

from collections import deque
from typing import Final

from aiortp.dtmf import DtmfEvent

DIGITS: Final = frozenset("0123456789*#")
# Events remembered, so that packets of theirs that come late tell nothing anew.
REMEMBERED: Final = 32
# The longest duration that an event can say; a longer press goes on as another event that begins
# where this one ends. Source: RFC 4733, 2.5.1.3.
LONGEST: Final = 0xFFFF
TIMESTAMPS: Final = 1 << 32


class Keys:
    """Tells events apart by their timestamps, as all packets of one bear that of its beginning.

    So it does not matter which of its packets arrive, how often, or in which order. The library's
    `DtmfReceiver` waits for the end of a press, and an older event's late packet confuses it.
    """

    def __init__(self) -> None:
        # Source, beginning and event code.
        self._told: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED)

    def pressed(self, source: int, timestamp: int, payload: bytes) -> str:
        """Return the key that this packet is the first to tell of, or an empty string.

        `source` is the packet's SSRC. Events that are no keys of a caller's telephone (A to D,
        flash, tones) and payloads cut short say nothing.
        """
        try:
            event = DtmfEvent.parse(payload)
        except ValueError:
            return ""
        digit = event.digit
        if digit not in DIGITS:
            return ""
        this = (source, timestamp, event.event)
        if this in self._told:
            return ""
        goes_on = (source, (timestamp - LONGEST) % TIMESTAMPS, event.event) in self._told
        self._told.append(this)
        return "" if goes_on else digit
