"""Why a service cannot be reached is said in some words."""

from __future__ import annotations

import datetime as dt
import http.server
import socket
import ssl
import threading

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cryptography import x509

from exchange.testing.certificates import self_made
from exchange.transport import ConnectFailed, HttpTransport, Outgoing, cause_of


class Secret(NamedTuple):
    base: str
    ca_file: str


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.send_header("Asked", self.headers["Host"])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Secret]:
    """A service of this machine over TLS, whose certificate it made for itself."""
    made, key = self_made(
        "localhost",
        x509.DNSName("localhost"),
        since=dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        until=dt.datetime(2099, 1, 1, tzinfo=dt.UTC),
    )
    public, private = tmp_path / "ca.pem", tmp_path / "key.pem"
    public.write_bytes(made)
    private.write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield Secret(f"https://localhost:{server.server_port}", str(public))
    server.shutdown()
    thread.join()
    server.server_close()


def sends(base: str, ca_file: str = "") -> int:
    transport = HttpTransport(ca_file=ca_file)
    try:
        return transport.send(Outgoing("GET", f"{base}/voice?caller=%2B33612345678", {}, {})).status
    finally:
        transport.close()


def why(base: str, ca_file: str = "") -> str:
    with pytest.raises(ConnectFailed) as caught:
        sends(base, ca_file)
    return caught.value.cause


def test_a_certificate_of_ones_own_is_trusted_by_its_file_alone(secret: Secret):
    assert sends(secret.base, secret.ca_file) == 204
    assert why(secret.base).startswith("its certificate is not trusted (self")
    assert why(secret.base, "no-such-file.pem") == "the file of SSL_CERT_FILE is not there"


def test_whoever_is_at_an_address_is_asked_for_the_public_name_and_proves_it(secret: Secret):
    """As a proxy is tried before its name leads anywhere."""
    at, public = secret.base.replace("localhost", "127.0.0.1"), "https://localhost"
    ours, others = (
        HttpTransport(at, name, secret.ca_file) for name in (public, "https://allo.example.fr")
    )
    try:
        reply = ours.send(Outgoing("GET", f"{public}/voice", {}, {}))
        assert (reply.status, reply.header("Asked")) == (204, "localhost")
        with pytest.raises(ConnectFailed) as caught:
            others.send(Outgoing("GET", "https://allo.example.fr/voice", {}, {}))
        assert caught.value.cause.startswith("its certificate is not trusted")
    finally:
        ours.close()
        others.close()


def test_nobody_listens(closed_port: int):
    assert why(f"http://127.0.0.1:{closed_port}") == "nobody listens there"


def test_a_name_that_nobody_knows():
    error = OSError("whatever")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert cause_of(error) == "nobody knows its name"
    assert cause_of(OSError("caller=+33612345678")) == ""
