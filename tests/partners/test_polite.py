"""Asking a partner's server, a real one on the loopback: rate, robots, refusals, limits."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from partners.polite import Blocked, Manners, Polite
from partners.walking import Ask, PartnerAnswer

AGENT = "AlloRendezVous/1.0 (+https://allo.example/contact)"
ROBOTS = "/robots.txt"


@dataclass
class Server:
    """Answers by path: (status, headers, body), or a list of them in turn; None never answers."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    drip: object = field(default_factory=object)
    over: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            told.asked.append((self.path, self.headers["User-Agent"]))
            answer = told.answers.get(path, (404, {}, b""))
            if isinstance(answer, list):
                answer = answer.pop(0)
            if answer is None:
                told.over.wait(10)
                return
            if answer is told.drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Word: ")
                with suppress(OSError):
                    while not told.over.wait(0.01):
                        self.wfile.write(b"a")
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    told.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield told
    told.over.set()
    http.shutdown()
    thread.join()
    http.server_close()


class Time:
    """A clock that moves when somebody sleeps, and by `drag` whenever it is looked at."""

    def __init__(self, drag: float = 0.0) -> None:
        self.now = 1000.0
        self.drag = drag
        self.slept: list[float] = []

    def __call__(self) -> float:
        self.now += self.drag
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def polite_with(server: Server) -> Iterator[Any]:
    made: list[Polite] = []

    def make(time: Time | None = None, **manners: Any) -> Polite:
        time = time or Time()
        hosts = frozenset({server.url.removeprefix("http://")})
        made.append(Polite(Manners(AGENT, hosts, **manners), time, time.sleep))
        return made[-1]

    yield make
    for one in made:
        one.session.close()


def ok(body: bytes = b"{}", **headers: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {name.replace("_", "-"): value for name, value in headers.items()}, body


def test_it_says_who_it_is_and_leaves_time_between_two_requests(server, polite_with):
    server.answers = {"/a": ok(b'{"a": 1}')}
    time = Time()
    polite = polite_with(time, between=2.5)
    ask = Ask(f"{server.url}/a", (("name", 'Bus "vert" / +75  ans'), ("id", "1")))
    assert polite.get(ask) == PartnerAnswer(200, b'{"a": 1}')
    assert polite.wait_for(ask.url) == 2.5
    polite.get(ask)
    assert server.asked == [
        (ROBOTS, AGENT),
        *[("/a?name=Bus+%22vert%22+%2F+%2B75++ans&id=1", AGENT)] * 2,
    ]
    assert time.slept == [2.5, 2.5]


def test_robots_are_heeded_and_asked_for_once(server, polite_with):
    rules = b"User-agent: *\nDisallow: /closed\nCrawl-delay: 7\n"
    server.answers = {ROBOTS: ok(rules), "/open": ok()}
    time = Time()
    polite = polite_with(time)
    assert polite.get(Ask(f"{server.url}/closed/x")).why == "robots.txt says no"
    assert polite.get(Ask(f"{server.url}/open")).status == 200
    assert polite.get(Ask(f"{server.url}/open")).status == 200
    assert [path for path, _agent in server.asked] == [ROBOTS, "/open", "/open"]
    assert time.slept[-1] == 7


@pytest.mark.parametrize("status", [403, 503])
def test_robots_that_are_refused_let_nobody_in(server, polite_with, status):
    server.answers = {ROBOTS: (status, {}, b"")}
    with pytest.raises(Blocked):
        polite_with().get(Ask(f"{server.url}/a"))


@pytest.mark.parametrize("status", [400, 403, 429, 503, 520])
def test_a_refusal_is_believed_at_once(server, polite_with, status):
    server.answers = {"/a": (status, {"Retry-After": "90"}, b"Anti dDos")}
    with pytest.raises(Blocked, match=f"answer {status} Anti dDos") as blocked:
        polite_with().get(Ask(f"{server.url}/a"))
    assert blocked.value.retry_after == 90
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_an_answer(server, polite_with, status):
    server.answers = {"/a": (status, {}, b"")}
    assert polite_with().get(Ask(f"{server.url}/a")) == PartnerAnswer(status)


def test_a_server_in_trouble_is_asked_again_a_little_later(server, polite_with):
    server.answers = {"/a": [(500, {}, b""), (502, {}, b""), ok()]}
    time = Time()
    assert polite_with(time, between=1).get(Ask(f"{server.url}/a")).status == 200
    assert time.slept == [1, 2, 4]
    server.answers = {"/a": [(500, {}, b"")] * 9}
    assert polite_with().get(Ask(f"{server.url}/a")) == PartnerAnswer(0, why="answer 500")
    assert len(server.answers["/a"]) == 6


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Length": str(50 * 1024**2)}],
    ids=["as it comes", "as it says"],
)
def test_fifty_megabytes_are_not_taken_in(server, polite_with, headers):
    body = b"[" + b" " * 200_000
    server.answers = {"/a": (200, headers, body)}
    polite = polite_with(largest=100_000)
    assert polite.get(Ask(f"{server.url}/a")).why == "it is larger than 100000 bytes"


def test_what_never_comes_or_comes_too_slowly_is_given_up(server, polite_with):
    server.answers = {"/never": [None] * 3, "/slow": ok(b" " * 200_000)}
    assert "no answer" in polite_with(silence=0.05).get(Ask(f"{server.url}/never")).why
    slow = polite_with(Time(drag=6.0), between=1)
    assert slow.get(Ask(f"{server.url}/slow")).why == "it takes too long to come"


def test_a_head_that_never_ends_is_given_up(server, polite_with):
    server.answers = {"/a": [server.drip] * 3}
    assert "no answer" in polite_with(deadline=0.05).get(Ask(f"{server.url}/a")).why


def test_robots_may_have_moved_and_end_in_stars(server, polite_with):
    server.answers = {
        ROBOTS: (301, {"Location": "/rules.txt"}, b""),
        "/rules.txt": ok(b"User-agent: *\nDisallow: /closed/*\n"),
        "/open": ok(),
    }
    assert polite_with().get(Ask(f"{server.url}/closed/x")).why == "robots.txt says no"
    assert polite_with().get(Ask(f"{server.url}/open")).status == 200
    server.answers[ROBOTS] = (301, {"Location": ROBOTS}, b"")
    assert "circles" in polite_with().get(Ask(f"{server.url}/open")).why


def test_a_partner_that_asks_for_ages_gets_a_day(server, polite_with):
    server.answers = {"/a": (429, {"Retry-After": "9" * 400}, b"")}
    with pytest.raises(Blocked) as blocked:
        polite_with().get(Ask(f"{server.url}/a"))
    assert blocked.value.retry_after == 24 * 3600


def test_what_is_packed_or_breaks_off_is_no_answer(server, polite_with):
    server.answers = {
        "/packed": ok(b"x", Content_Encoding="gzip"),
        "/short": [(200, {"Content-Length": "50"}, b"{}")] * 3,
    }
    assert "packed" in polite_with().get(Ask(f"{server.url}/packed")).why
    assert "broke off" in polite_with().get(Ask(f"{server.url}/short")).why


def test_redirects_stay_among_the_partner_s_hosts(server, polite_with):
    server.answers = {
        "/a": (302, {"Location": "/b?x=1"}, b""),
        "/b": ok(b'{"b": 1}'),
        "/out": (302, {"Location": "http://localhost:9/b"}, b""),
        "/round": (302, {"Location": "/round"}, b""),
    }
    assert polite_with().get(Ask(f"{server.url}/a")).content == b'{"b": 1}'
    assert polite_with().get(Ask(f"{server.url}/out")).why == "it leads to another host"
    assert polite_with().get(Ask(f"{server.url}/round")).why == "it leads in circles"
    assert "another host" in polite_with().get(Ask("http://localhost:9/")).why
