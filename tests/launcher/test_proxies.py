"""nginx and HAProxy as deploy/ sets them up, in front of a stand-in that says what reached it."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import threading

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flask import url_for

from tests.support import parts, proxies
from tests.support.house import BASE, House
from tests.support.keeper import ROOT
from tests.support.postgres import NOWHERE
from tests.support.proxies import PUBLIC, Proxy
from tests.support.until import wait_for
from web import alone
from web_server import HEAD_MILLISECONDS

FALLBACK = (ROOT / "deploy" / "fallback.xml").read_bytes()


@dataclass
class Node:
    """A stand-in of the service: it answers each request with what it got, as JSON."""

    # The address of a file of pages, and the headers that the application itself answers it with.
    lasting: tuple[str, dict[str, str]]
    # By path: pages that it answers with other headers than none.
    pages: dict[str, dict[str, str]] = field(default_factory=dict)
    # Whoever asks for one of these paths waits until it may go on.
    holds: str = ""
    goes_on: threading.Event = field(default_factory=threading.Event)
    ready: bool = True
    paths: list[str] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                node.connections.append(self.connection)

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                node.paths.append(self.path)
                if self.path == node.holds:
                    node.goes_on.wait(30)
                got = {name.lower(): self.headers.get_all(name) for name in self.headers}
                body = json.dumps(got).encode()
                unready = self.path == "/readyz/machine" and not node.ready
                self.send_response(503 if unready or self.path == "/voice/status" else 200)
                self.send_header("Content-Length", str(len(body)))
                told = dict([node.lasting]) | node.pages
                for name, value in told.get(
                    self.path.partition("?")[0], told.get(self.path, {})
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 (as the library names it)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Who asks whether it is ready hears the status and leaves."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def goes(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        # As the end of a process closes them.
        for one in self.connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def lasting() -> tuple[str, dict[str, str]]:
    """The address of a file of pages, and the headers that the application answers it with."""
    # Nothing is asked of its store.
    real = House(NOWHERE)
    with real.app.test_request_context():
        address = url_for("assets.file", name="site.css")
    with real.app.test_client().get(address) as answer:
        assert answer.status_code == 200
        said = {name: value for name, value in answer.headers if name != "Content-Length"}
    real.close()
    return address, said


@pytest.fixture(scope="module")
def public() -> dict[str, str]:
    """The headers that the application answers a page with that is the same for everybody."""
    real = House(NOWHERE)
    with real.app.test_client().get("/accessibilite", base_url=BASE) as answer:
        assert answer.status_code == 200
        said = {name: answer.headers[name] for name in ("Cache-Control", "ETag")}
    real.close()
    return said


@pytest.fixture
def node(lasting: tuple[str, dict[str, str]]) -> Iterator[Node]:
    made = Node(lasting)
    yield made
    if made.thread.is_alive():
        made.goes()


@pytest.fixture(params=sorted(proxies.FILES))
def kind(request: pytest.FixtureRequest) -> str:
    parts.require(proxies.PARTS[request.param])
    return str(request.param)


@pytest.fixture
def proxy(kind: str, node: Node, tmp_path: Path) -> Iterator[Proxy]:
    with proxies.running(kind, tmp_path, node.port) as made:
        yield made


def test_the_program_itself_finds_no_mistake(kind: str, tmp_path: Path):
    file = proxies.FILES[kind](proxies.make_place(tmp_path, 1))
    done = subprocess.run(  # noqa: S603 - a program of the machine and our file
        proxies.command(kind, file, check=True), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()


FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
    "X-Request-Start": "t=1",
}


def test_what_reaches_the_service_is_the_proxys_word_and_no_strangers(proxy: Proxy, node: Node):
    status, _, body = proxy.asks("/rendez-vous?x=1", headers=FORGED)
    assert status == 200
    got = json.loads(body)
    # HAProxy asks the node how it is, too.
    assert "/rendez-vous?x=1" in node.paths
    assert got["x-forwarded-for"] == ["127.0.0.1"]
    assert got["x-forwarded-proto"] == ["https"]
    assert got["x-forwarded-host"] == got["host"] == ["allo.example.fr"]
    assert "forwarded" not in got
    assert "x-real-ip" not in got
    (started,) = got["x-request-start"]
    assert started.startswith("t=1")
    assert started != "t=1"
    assert b"203.0.113.9" not in body

    # An old TLS is refused by the proxy itself.
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(proxy.place.certificate)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        proxy.connects(trusts=old)

    # Measures are nobody's; of a node's readiness nobody hears why not.
    for path in ("/metrics", "//metrics", "/%6detrics", "/metrics/x"):
        assert proxy.asks(path, headers={"Authorization": "Bearer x"})[0] == 404, path
    status, _, body = proxy.asks("/readyz", headers={"Authorization": "Bearer x"} | FORGED)
    assert "authorization" not in json.loads(body)
    assert json.loads(body)["x-forwarded-for"] == ["127.0.0.1"]

    # By plain HTTP all lead to the one right address, whatever the client calls it.
    leads = proxy.asks_plainly("/rendez-vous?x=1", host="evil.example")
    assert leads == (301, f"{PUBLIC}/rendez-vous?x=1")
    assert proxy.asks("/voice/turn", "POST", b"x" * (64 * 1024 + 1))[0] == 413

    # What the service calls lasting is asked for once.
    before = len(node.paths)
    asked = {proxy.asks(node.lasting[0])[0] for _ in range(3)}
    assert asked == {200}
    assert len([one for one in node.paths[before:] if one.startswith("/assets/")]) == 1


def test_when_no_node_answers_a_caller_hears_a_sentence(proxy: Proxy, node: Node):
    assert proxy.asks("/voice/incoming", "POST", b"CallSid=x")[0] == 200
    # What the service says itself is passed on as it is.
    assert proxy.asks("/voice/status", "POST", b"CallSid=x")[0] == 503
    assert proxy.asks(node.lasting[0])[0] == 200
    node.goes()
    # Pages that are still open keep their look.
    assert proxy.asks(node.lasting[0])[0] == 200
    for path in ("/voice/incoming", "/voice/turn?n=3&again=1", "/voice/fallback", "/voice/crowded"):
        status, said, body = proxy.asks(path, "POST", b"CallSid=x")
        assert (status, body) == (200, FALLBACK), path
        assert said["content-type"].startswith("text/xml")
    # Nobody hears the answers to these: the provider tells them again.
    for path in ("/voice/status", "/sms/status", "/voice/leg"):
        assert proxy.asks(path, "POST", b"CallSid=x")[0] in {502, 503}, path
    assert proxy.asks("/rendez-vous")[0] in {502, 503}
    # It is no page of its own.
    assert FALLBACK not in proxy.asks("/fallback.xml")[2]
    # And a visitor reads a page of ours.
    status, told, page = proxy.asks("/rendez-vous")
    assert status in {502, 503, 504}
    assert b"tel:+33974750001" in page
    assert told["content-type"] == "text/html; charset=utf-8"
    assert (told["cache-control"], told["retry-after"]) == ("no-store", "10")
    assert told["content-security-policy"] == alone.policy()


def test_a_node_that_is_not_ready_is_asked_where_there_is_no_other(
    kind: str, proxy: Proxy, node: Node
):
    """What makes all nodes unready at once, as a store that is away, must not silence them."""
    node.ready = False
    if kind == "haproxy":
        # It has been told twice, which is what it waits for.
        wait_for(lambda: node.paths.count("/readyz/machine") > 3, "it asks")
    assert proxy.asks("/rendez-vous")[0] == 200
    status, _, body = proxy.asks("/voice/incoming", "POST", b"CallSid=x")
    assert (status, body != FALLBACK) == (200, True)


def test_nginx_lets_go_of_an_idle_connection_before_the_service_closes_it():
    """A form that met the closing would be answered 502, for nginx sends none twice."""
    upstream = re.search(
        r"^ {4}upstream allo \{.*?^ {4}\}",
        (ROOT / "deploy" / "nginx.conf").read_text("utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    assert upstream is not None
    kept = re.search(r"keepalive_timeout (\d+)s;", upstream[0])
    assert kept is not None
    assert int(kept[1]) * 1000 < HEAD_MILLISECONDS


def for_all(headers: dict[str, str], path: str) -> dict[str, dict[str, str]]:
    return {path: headers | {"Vary": "Accept-Encoding"}}


def test_a_page_for_everybody_is_not_asked_of_the_service_for_each_visitor(
    kind: str, proxy: Proxy, node: Node, public: dict[str, str]
):
    node.pages = for_all(public, "/") | for_all(public, "/etat") | for_all(public, "/rendez-vous")
    node.pages |= for_all(public, "/poste") | {"/centres": {"Cache-Control": "no-store"}}
    for path in ("/", "/etat", "/rendez-vous"):
        assert {proxy.asks(path)[0] for _ in range(30)} == {200}
        assert node.paths.count(path) < 30, path
    # What says that it is one visitor's, a page that nobody of the public has, and forms.
    for path in ("/centres", "/poste", "/pour/covid?lang=en"):
        asked = {proxy.asks(path)[0] for _ in range(3)}
        assert (asked, node.paths.count(path)) == ({200}, 3), path
    before = node.paths.count("/rendez-vous")
    for _ in range(3):
        assert proxy.asks("/rendez-vous", "POST", b"whom=self", {"X-Form": "mine"})[0] == 200
    assert node.paths.count("/rendez-vous") == before + 3
    # Each language is another page.
    for query in ("lang=en", "centre=a", "pour=covid", "l%61ng=en"):
        proxy.asks(f"/rendez-vous?{query}")
        assert f"/rendez-vous?{query}" in node.paths
    if kind == "nginx":
        # So is a smaller one.
        whole, smaller = (
            json.loads(proxy.asks("/", headers=asked)[2])["accept-encoding"]
            for asked in ({}, {"Accept-Encoding": "gzip, br"})
        )
        assert (whole, smaller) == (["identity"], ["gzip, br"])
        # Another name for each visitor of a newsletter, and the same page.
        for number in range(30):
            assert proxy.asks(f"/?fbclid={number}&utm_source=mail")[0] == 200
        assert len([one for one in node.paths if "fbclid" in one]) < 30


def asks_until_held(proxy: Proxy, node: Node, path: str) -> threading.Thread:
    """Somebody who asks again and again, and now waits for the service."""
    proxy.asks(path)
    held = node.paths.count(path) + 1
    node.holds = path

    def asks() -> None:
        while not node.goes_on.is_set() and node.paths.count(path) < held:
            proxy.asks(path, seconds=40)

    thread = threading.Thread(target=asks)
    thread.start()
    wait_for(lambda: node.paths.count(path) == held, "the page is asked for anew")
    return thread


def test_while_one_page_is_fetched_the_others_get_the_one_before(
    kind: str, proxy: Proxy, node: Node, public: dict[str, str]
):
    if kind != "nginx":
        return
    node.pages = for_all(public, "/")
    waits = asks_until_held(proxy, node, "/")
    try:
        asked = node.paths.count("/")
        assert [proxy.asks("/")[0] for _ in range(3)] == [200] * 3
        assert node.paths.count("/") == asked
    finally:
        node.goes_on.set()
        waits.join()


def test_when_a_waiting_room_begins_nobody_gets_the_page_before(
    proxy: Proxy, node: Node, public: dict[str, str]
):
    """Whoever comes while another's ticket is made is asked for, too."""
    node.pages = for_all(public, "/rendez-vous")
    first = asks_until_held(proxy, node, "/rendez-vous")
    node.pages = {"/rendez-vous": {"Cache-Control": "no-store"}}
    asked = node.paths.count("/rendez-vous")
    others = [threading.Thread(target=proxy.asks, args=("/rendez-vous",)) for _ in range(3)]
    try:
        for one in others:
            one.start()
        wait_for(lambda: node.paths.count("/rendez-vous") == asked + 3, "each of them is asked for")
    finally:
        node.goes_on.set()
        for one in (first, *others):
            one.join()


def test_both_proxies_keep_the_same_pages_and_none_that_the_service_does_not(
    public: dict[str, str], tmp_path: Path
):
    wanted = [
        re.search(
            r"""[~g] ["'](\^/\(rendez-vous\|.*?\$)["']""",
            (proxies.DEPLOY / name).read_text("utf-8"),
        )
        for name in ("nginx.conf", "haproxy.cfg")
    ]
    assert all(wanted)
    nginx, haproxy = (one[1] for one in wanted if one)
    assert nginx == haproxy
    real = House(NOWHERE)
    ours = [rule.rule for rule in real.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    real.close()
    kept = {
        re.sub(r"<[^>]*>", "x", rule)
        for rule in ours
        if re.match(nginx, re.sub(r"<[^>]*>", "x", rule))
    }
    assert {"/", "/rendez-vous", "/etat", "/centres", "/centres/x"} <= kept
    assert not [
        one for one in kept if one.startswith(("/voice", "/sms", "/api", "/poste", "/salle"))
    ]
