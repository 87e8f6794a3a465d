"""A bad line: a twentieth of all packets is lost, each up to 60 ms late; many change places."""

from __future__ import annotations

import asyncio
import re
import socket

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from exchange.sip.parts import pcm_of
from tests.sip.town import NATIONAL, PATIENCE_S, Town, town
from tests.support.house import MOBILE
from tools.simulator.outcomes import reference_in
from tools.simulator.ring.handset import Address, Handset, HandsetCall

LOST = 0.05
LATEST_S = 0.06
AUDIO = re.compile(rb"m=audio (\d+) ")


class BadLine:
    """Stands between a telephone and a service, and carries badly what it carries.

    It is a port of SIP to either side, and two for sound, which it writes into what they offer and
    answer. Everything that goes wrong is drawn from the seed.
    """

    def __init__(self, service: Address, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - behaviour
        self.loop = asyncio.get_running_loop()
        self.service = service
        self.sent = self.lost = self.overtaken = 0
        self._last: dict[int, float] = {}
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4)]
        self.near, self.far, self.near_sound, self.far_sound = self.sockets
        self.telephone: Address | None = None
        self.sound: dict[socket.socket, Address] = {}
        for one, took in (
            (self.near, self._from_telephone),
            (self.far, self._from_service),
            (self.near_sound, lambda data, source: self._carries(self.far_sound, data)),
            (self.far_sound, lambda data, source: self._carries(self.near_sound, data)),
        ):
            one.settimeout(0)
            one.bind(("127.0.0.1", 0))
            self.loop.add_reader(one, self._reads, one, took)

    @property
    def address(self) -> Address:
        host, port = self.near.getsockname()
        return host, port

    def close(self) -> None:
        for one in self.sockets:
            self.loop.remove_reader(one)
            one.close()

    def _reads(self, one: socket.socket, took: Callable[[bytes, Address], None]) -> None:
        with suppress(OSError):
            data, source = one.recvfrom(65_536)
            took(data, source)

    def _from_telephone(self, data: bytes, source: Address) -> None:
        self.telephone = source
        # What it offers to hear at is told as ours, and kept.
        data = self._instead(data, self.near_sound, self.far_sound)
        self._impairs(self.far, data, self.service)

    def _from_service(self, data: bytes, source: Address) -> None:
        data = self._instead(data, self.far_sound, self.near_sound)
        if self.telephone is not None:
            self._impairs(self.near, data, self.telephone)

    def _instead(self, data: bytes, beside: socket.socket, other: socket.socket) -> bytes:
        found = AUDIO.search(data)
        if found is None:
            return data
        self.sound[beside] = ("127.0.0.1", int(found[1]))
        port = b"%d" % other.getsockname()[1]
        assert len(port) == len(found[1]), "the length of the message would change"
        return AUDIO.sub(b"m=audio %s " % port, data)

    def _carries(self, out: socket.socket, data: bytes) -> None:
        if out in self.sound:
            self._impairs(out, data, self.sound[out])

    def _impairs(self, out: socket.socket, data: bytes, to: Address) -> None:
        self.sent += 1
        if self.chance.random() < LOST:
            self.lost += 1
            return
        at = self.loop.time() + self.chance.uniform(0, LATEST_S)
        self.overtaken += at < self._last.get(out.fileno(), 0)
        self._last[out.fileno()] = max(at, self._last.get(out.fileno(), 0))
        self.loop.call_at(at, self._sends, out, data, to)

    def _sends(self, out: socket.socket, data: bytes, to: Address) -> None:
        with suppress(OSError):
            out.sendto(data, to)


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as made:
        made.opens_telephones()
        yield made


LATER = [pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3)]


@pytest.mark.parametrize("seed", [1, *LATER])
def test_keys_are_right_on_a_bad_line(place: Town, seed: int):
    """A wrong date, a wrong postcode, or a key too many would lead elsewhere."""

    async def call() -> BadLine:
        line = BadLine(place.sip, seed)
        heard = bytearray()
        loop = asyncio.get_running_loop()

        def begins(made: HandsetCall) -> None:
            made.stream.heard = lambda frame, _: heard.extend(pcm_of(frame, "PCMU"))

        try:
            async with Handset(line.address, MOBILE) as handset:
                made = await handset.call(NATIONAL, began=begins)

                def presses(keys: str) -> None:
                    loop.call_soon_threadsafe(made.stream.press, keys)

                await asyncio.to_thread(place.books, presses, lambda: bytes(heard))
        finally:
            line.close()
        return line

    line = asyncio.run(asyncio.wait_for(call(), 4 * PATIENCE_S))
    assert line.sent / 40 < line.lost
    assert line.overtaken > line.sent / 10
    (booking,) = place.house.bookings()
    place.delivers()
    assert reference_in(place.texts(MOBILE)) == booking.reference
