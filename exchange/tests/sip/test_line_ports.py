"""Lines on real ports of this machine, and an asyncio loop that beats for them."""

import asyncio
import random
import socket

import pytest

from exchange.sip.line import RtpLine, open_line
from exchange.sip.parts import Media
from exchange.sip.ports import NoPort, open_pair
from exchange.sip.ticker import Ticker
from exchange.tests.sip.line_stage import Caller, Stage, tone
from exchange.tests.sip.rtp_peer import RtpPeer, bound, live

HOST = "127.0.0.1"


@pytest.fixture
def ticker():
    made = Stage().ticker
    yield made
    made.close()


def opened(ticker, ports=(0, 0), host=HOST) -> RtpLine:
    return asyncio.run(open_line(Caller(), host=host, ports=ports, ticker=ticker))


def taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


def there(host: str) -> bool:
    try:
        bound(host).close()
    except OSError:
        return False
    return True


@pytest.fixture
def free_pairs():
    """Some even ports, one after the other, that nobody uses with those that follow them."""
    for first in range(40000, 60000, 100):
        if not any(taken(port) for port in range(first, first + 6)):
            return first
    pytest.skip("this machine has no six free ports in a row")


def test_a_line_is_what_calls_take_for_one(ticker):
    line = opened(ticker)
    line.close()


def test_a_line_has_a_pair_of_ports(ticker):
    line = opened(ticker)
    assert line.port % 2 == 0
    assert taken(line.port)
    assert taken(line.port + 1)
    line.close()


def test_closed_ports_are_free_again(ticker):
    line = opened(ticker)
    line.close()
    ticker.close()
    assert not taken(line.port)
    assert not taken(line.port + 1)


def test_every_pair_of_the_range_is_used_and_then_there_is_none(ticker, free_pairs):
    ports = free_pairs, free_pairs + 5
    lines = [opened(ticker, ports) for _ in range(3)]
    assert {line.port for line in lines} == {free_pairs, free_pairs + 2, free_pairs + 4}
    with pytest.raises(NoPort):
        opened(ticker, ports)
    for line in lines:
        line.close()


def test_a_pair_half_of_which_is_taken_is_left_out(ticker, free_pairs):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, free_pairs + 1))
        line = opened(ticker, (free_pairs, free_pairs + 3))
    assert line.port == free_pairs + 2
    line.close()


@pytest.mark.parametrize("ports", [(40001, 40001), (40001, 40002), (40003, 40000)])
def test_a_range_without_a_pair_has_none(ports):
    with pytest.raises(NoPort):
        open_pair(HOST, ports, random.Random(1))  # noqa: S311


def test_a_host_is_an_address():
    with pytest.raises(ValueError, match="address"):
        open_pair("localhost", (0, 0), random.Random(1))  # noqa: S311


@pytest.mark.parametrize("host", [HOST, "::1"])
def test_sound_and_keys_go_both_ways_in_real_time(host):
    async def call() -> tuple[str, bytes, list[str]]:
        ticker = Ticker(asyncio.get_running_loop())
        caller = Caller()
        line = await open_line(caller, host=host, ports=(0, 0), ticker=ticker)
        peer = RtpPeer(host=host, to=(host, line.port))
        line.connect(Media(host, peer.port, "PCMU"))
        line.play(tone(400, 0.3))
        peer.presses("12")
        try:
            await live(peer, lambda: caller.keys == "12" and caller.idles == 1)
            peer.takes(0)
        finally:
            line.close()
            ticker.close()
            peer.close()
        return caller.keys, peer.heard, caller.left

    if not there(host):
        pytest.skip(f"this machine has no {host}")
    keys, heard, left = asyncio.run(call())
    assert keys == "12"
    assert heard.startswith(tone(400, 0.3).ulaw)
    assert left == []
