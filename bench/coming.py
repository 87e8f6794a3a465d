"""Calls that come at a rate, as the provider sends them, for as long as is wanted."""

from __future__ import annotations

import time

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench import load, traffic
from bench.load import Script
from bench.servers import Web
from exchange.transport import HttpTransport
from launcher.ports import HOST

# Of the whole country on the day, a second; and of how many parts of it one comes here.
DAY_CALLS, DAY_PARTS = 230.0, 50.0
# Signed beforehand, and sent in so many seconds.
PIECE_SECONDS: Final = 60.0


class CallsAtARate:
    """Piece by piece: each call is signed just before it is sent."""

    def __init__(self, web: Web, folder: Path, postcodes: Sequence[str], rate: float) -> None:
        """`rate`: calls a second that begin. Raises Astray where one does not go as it should."""
        service = HttpTransport(f"http://{HOST}:{web.port}", traffic.BASE)
        self._web, self._folder, self._rate = web, folder, rate
        self._signer = traffic.Signer(traffic.rehearse(service, postcodes[0]))
        self._callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
        self.faults: list[str] = []
        # Webhooks that were answered.
        self.answers = 0

    def for_seconds(self, seconds: float) -> int:
        """Send calls for so long; returns how many came."""
        came = self.answers = 0
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 1:
            count = max(round(self._rate * min(left, PIECE_SECONDS)), 1)
            calls = [self._signer.call(one) for one in islice(self._callers, count)]
            script = Script.of_calls(self._folder / "calls-at-a-rate", calls)
            seen = load.replay(script, self._web.port, rate=self._rate * self._signer.webhooks)
            self.faults += [f"calls: {fault}" for fault in seen.faults()]
            self.answers += seen.answers
            came += count
        return came
