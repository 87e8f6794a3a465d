"""The whole service behind nginx and behind HAProxy, as deploy/ sets them up, over TLS."""

from __future__ import annotations

import itertools
import re
import ssl
import statistics
import time

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest

from sqlalchemy import select
from twilio.request_validator import RequestValidator

from models.attempts import attempt
from tests.crash.conftest import Caller, Town
from tests.crash.test_slow_clients import AS_SOON, SOON_ENOUGH
from tests.ivr.line import read
from tests.support import parts, proxies
from tests.support.house import ACCOUNT, MOBILE, TOKEN, StaffClient
from tests.support.proxies import NAME, PUBLIC, Proxy
from tests.support.rows import rows_of
from tests.support.until import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COOKIE = re.compile(r"(?:^|, )(__Host-[\w-]+)=([^;]*)")
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
PLACE = re.compile(r'<button name="place" value="([^"]+)"')
# Seconds that a slow client gets at the most: five, and what the proxies take to close.
CLOSED_WITHIN = 12.0
# Of one kind at every moment, and the calls that are made beside them.
SLOW_CLIENTS, CALLS = 200, 150


@pytest.fixture(params=sorted(proxies.FILES))
def proxy(request: pytest.FixtureRequest, town: Town, tmp_path: Path) -> Iterator[Proxy]:
    parts.require(proxies.PARTS[request.param])
    town.env |= {"PUBLIC_BASE_URL": PUBLIC, "PROXY_HOPS": "1", "BIND_ADDRESS": "127.0.0.1"}
    # Whoever answers a page as fast as a program is asked for it once more.
    town.env |= {"SECONDS_PER_ANSWER": "0", "SECONDS_TO_BOOK": "0"}
    town.base = PUBLIC
    town.starts("web")
    folder = tmp_path / "proxy"
    folder.mkdir()
    with proxies.running(request.param, folder, town.port) as made:
        wait_for(lambda: made.asks("/healthz")[0] == 200, "the proxy knows the node")
        yield made


def caller_over(proxy: Proxy, town: Town) -> Caller:
    caller = town.caller()
    caller.patience.http = proxy  # type: ignore[assignment]
    return caller


def webhook(path: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A form as the provider signs it for the public address, and its headers."""
    form = {"AccountSid": ACCOUNT, "CallSid": "CA" + "7" * 32, "From": MOBILE, **fields}
    signature = RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
    return urlencode(form).encode(), FORM | {"X-Twilio-Signature": signature}


def test_a_signed_call_is_booked_over_tls_and_strangers_get_nothing_by_it(town: Town, proxy: Proxy):
    caller = caller_over(proxy, town)
    caller.goes_to("reference")
    caller.press("1")
    assert caller.ended_normally, caller.errors
    assert len(town.house.bookings()) == 1
    body, headers = webhook("/voice/incoming")
    assert proxy.asks("/voice/incoming", "POST", body, headers)[0] == 200
    # Signed for the address that the node itself sees, as a stranger beside the proxy would.
    for address in (f"http://127.0.0.1:{town.port}", f"http://{NAME}"):
        form = {"AccountSid": ACCOUNT, "CallSid": "CA" + "8" * 32, "From": MOBILE}
        forged = RequestValidator(TOKEN).compute_signature(f"{address}/voice/incoming", form)
        headers = FORM | {"X-Twilio-Signature": forged}
        answer = proxy.asks("/voice/incoming", "POST", urlencode(form).encode(), headers)
        assert answer[0] == 403

    # A made-up address does not count.
    for number in range(3):
        stranger = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": "203.0.113.99"}
        status, said, page = proxy.asks("/connexion", headers=stranger)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.decode())
        assert status == 200
        assert token
        form = {"login": "nobody", "password": "a guess", "csrf_token": token[1]}
        cookies = said["set-cookie"].partition(";")[0]
        headers = FORM | stranger | {"Cookie": cookies, "Origin": PUBLIC, "Referer": f"{PUBLIC}/"}
        answer = proxy.asks("/connexion", "POST", urlencode(form).encode(), headers)
        assert answer[0] < 500
    counted = rows_of(
        town.house.database, select(attempt.c.subject_idx).where(attempt.c.kind == "address")
    )
    assert {row[0] for row in counted} == {town.house.store.vault.index("address", "127.0.0.1")}
    assert proxy.asks("/metrics")[0] == 404
    assert proxy.asks_plainly("/connexion") == (301, f"{PUBLIC}/connexion")


class Browser:
    """Somebody who books on the site over TLS, as `tests.online.visitors` do without a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy, self._cookies = proxy, dict[str, str]()
        self.path, self.status, self.page = "", 0, ""

    def goes(self, path: str, form: dict[str, str] | None = None) -> None:
        """Ask for a page, or send its form; redirects of ours are followed."""
        for _ in range(5):
            cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            headers = {"Origin": PUBLIC, "Cookie": cookies} | (FORM if form else {})
            body = urlencode(form).encode() if form else None
            method = "POST" if form else "GET"
            self.status, said, page = self._proxy.asks(path, method, body, headers)
            self.path, self.page = path, page.decode("utf-8", "replace")
            for name, value in COOKIE.findall(said.get("set-cookie", "")):
                self._cookies[name] = value
            if self.status != 303:
                return
            path, form = said["location"].removeprefix(PUBLIC).partition("?")[0], None

    def answers(self, **form: str) -> None:
        hidden = dict(reversed(HIDDEN.findall(self.page)))
        if self.path.endswith("creneaux"):
            form["place"] = PLACE.findall(self.page)[0]
        self.goes(self.path, hidden | form)


def test_a_visitor_books_over_tls(town: Town, proxy: Proxy):
    browser = Browser(proxy)
    browser.goes("/rendez-vous")
    answers: dict[str, dict[str, str]] = {
        "rendez-vous": {"whom": "self"},
        "naissance": {"day": "12", "month": "3", "year": "1942"},
        "commune": {"where": "75011"},
        "creneaux": {},
        "joindre": {"number": "0612345678", "wish": "number"},
        "confirmer": {},
    }
    for slug, form in answers.items():
        assert browser.path.endswith(slug), (browser.path, browser.status, browser.page)
        browser.answers(**form)
    assert browser.path.endswith("fait"), (browser.path, browser.page)
    assert {one.channel for one in town.house.bookings()} == {"web"}


class SlowClient:
    """A connection on which a request was begun; a dripping one goes on, a byte now and then.

    `reads` is false for a client who asks for a recording and does not take it in.
    """

    def __init__(self, proxy: Proxy, sent: str, *, drips: bool = False, reads: bool = True) -> None:
        self._drips, self._reads, self._last = drips, reads, 0.0
        self._connection = proxy.connects()
        self._connection.sendall(sent.encode())
        self._connection.settimeout(0)

    def is_closed(self) -> bool:
        """Whether the proxy gave it up; else a dripping client sends a byte."""
        if not self._reads:
            return False
        try:
            while self._connection.recv(4096):
                pass
        except (ssl.SSLWantReadError, BlockingIOError):
            if self._drips and time.monotonic() - self._last > 0.2:
                self._last = time.monotonic()
                with suppress(OSError):
                    self._connection.send(b"x")
            return False
        except OSError:
            pass
        self.close()
        return True

    def close(self) -> None:
        self._connection.close()


HEAD = f"POST /voice/incoming HTTP/1.1\r\nHost: {NAME}\r\n"
HALF_A_HEAD, HALF_A_FORM = f"{HEAD}X-Slow: ", f"{HEAD}Content-Length: 1000\r\n\r\nCallSid="
RECORDING = f"GET /audio/music/waiting.wav HTTP/1.1\r\nHost: {NAME}\r\n\r\n"


def test_slow_clients_are_closed_and_others_are_answered_meanwhile(town: Town, proxy: Proxy):
    kinds = itertools.product((HALF_A_HEAD, HALF_A_FORM), (False, True))
    clients = [SlowClient(proxy, sent, drips=drips) for sent, drips in kinds]
    left = clients
    ends = time.monotonic() + CLOSED_WITHIN
    try:
        while left and time.monotonic() < ends:
            left = [one for one in left if not one.is_closed()]
            assert proxy.asks("/healthz")[0] == 200
        assert not left, [vars(one) for one in left]
    finally:
        for one in clients:
            one.close()


@pytest.mark.parametrize("kind", ["idle", "dripping heads", "dripping forms", "not reading"])
def test_two_hundred_slow_clients_keep_no_call_and_no_desk_waiting(
    town: Town, proxy: Proxy, kind: str, capsys: pytest.CaptureFixture[str]
):
    """New calls beside them, p99; a client whom the proxy gave up is followed by another one."""
    begins: dict[str, Callable[[], SlowClient]] = {
        "idle": lambda: SlowClient(proxy, ""),
        "dripping heads": lambda: SlowClient(proxy, HALF_A_HEAD, drips=True),
        "dripping forms": lambda: SlowClient(proxy, HALF_A_FORM, drips=True),
        "not reading": lambda: SlowClient(proxy, RECORDING, reads=False),
    }
    kept = town.house.signs_in("agent").get_cookie(StaffClient.cookie)
    assert kept is not None
    agent = {"Cookie": f"{StaffClient.cookie}={kept.value}"}
    alone = [rings(town, proxy) for _ in range(CALLS)]
    clients = [begins[kind]() for _ in range(SLOW_CLIENTS)]
    took: list[float] = []
    try:
        for _ in range(CALLS):
            clients = [begins[kind]() if one.is_closed() else one for one in clients]
            took.append(rings(town, proxy))
            assert proxy.asks("/poste", headers=agent)[0] == 200
    finally:
        for client in clients:
            client.close()
    p99, bare = (statistics.quantiles(some, n=100)[98] for some in (took, alone))
    with capsys.disabled():
        print(f"\n{kind}: p99 {1000 * p99:.0f} ms; alone {1000 * bare:.0f} ms")  # noqa: T201
    assert p99 < max(SOON_ENOUGH, AS_SOON * bare)


def rings(town: Town, proxy: Proxy) -> float:
    """Seconds until a new call is answered over the proxy."""
    began = time.monotonic()
    caller_over(proxy, town).dial()
    return time.monotonic() - began


def test_a_caller_whose_node_is_down_hears_a_sentence_and_goes_on_with_the_next(
    town: Town, proxy: Proxy
):
    caller = caller_over(proxy, town)
    caller.goes_to("postcode")
    town.kills("web")
    body, headers = webhook("/voice/turn?n=2", CallSid=caller.sid, Digits="75011")
    status, said, spoken = proxy.asks("/voice/turn?n=2", "POST", body, headers)
    assert (status, said["content-type"].partition(";")[0]) == (200, "text/xml")
    document = read(spoken)
    assert document.names == ["Say", "Pause", "Redirect"]
    # Nobody hears the answers to these: they fail, and the provider tells them again.
    assert proxy.asks("/voice/status", "POST", body, headers)[0] in {502, 503}
    assert proxy.asks("/rendez-vous")[0] in {502, 503}

    town.starts("web")
    wait_for(lambda: proxy.asks("/healthz")[0] == 200, "the proxy knows the node again")
    caller.goes_to("reference")
    caller.press("1")
    assert caller.ended_normally, caller.errors
    assert len(town.house.bookings()) == 1
