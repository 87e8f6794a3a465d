"""The proxies of deploy/ in front of something on this machine, with a certificate of their own.

The files are those that an operator installs: only names of files, ports and nodes are put in, and
each of them must be there.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import time

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509

from commands.deploy import OF_A_PROXY
from exchange.testing.certificates import self_made
from exchange.testing.ports import free_port
from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Reply
from tests.support import parts
from tests.support.keeper import ROOT
from tests.support.until import wait_for
from web import alone

# The name in the files of deploy/, which is nobody's.
NAME = "allo.example.fr"
PUBLIC = f"https://{NAME}"
HERE = "127.0.0.1"
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Place:
    """Where a proxy's files and ports are, for one test."""

    folder: Path
    plain: int
    tls: int
    # What stands behind it.
    node: int

    @property
    def certificate(self) -> Path:
        return self.folder / "fullchain.pem"


def make_place(folder: Path, node: int) -> Place:
    """A folder with a certificate of that name, and two free ports."""
    place = Place(folder, free_port(), free_port(), node)
    now = datetime.now(UTC)
    chain, secret = self_made(
        NAME, x509.DNSName(NAME), since=now - timedelta(hours=1), until=now + timedelta(days=1)
    )
    place.certificate.write_bytes(chain)
    (folder / "privkey.pem").write_bytes(secret)
    (folder / "allo.pem").write_bytes(chain + secret)
    return place


def adapted(name: str, place: Place, changes: Mapping[str, str]) -> Path:
    """A file of deploy/ with what an operator changes; each of it must stand there."""
    text = (DEPLOY / name).read_text("utf-8")
    for old, new in changes.items():
        assert old in text, f"deploy/{name} has no {old!r}"
        text = text.replace(old, new)
    file = place.folder / name
    file.write_text(text, "utf-8")
    return file


def nginx_file(place: Place) -> Path:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {place.folder / kind};\n" for kind in kinds)
    return adapted(
        "nginx.conf",
        place,
        {
            # Whoever runs the test reads and writes its files.
            "user www-data;\n": "user root;\n" if os.geteuid() == 0 else "",
            "worker_processes auto;": "worker_processes 1;",
            "/run/nginx.pid": str(place.folder / "nginx.pid"),
            "/var/log/nginx": str(place.folder),
            "/var/cache/nginx/allo": str(place.folder / "cache"),
            "http {\n": "http {\n" + folders,
            "listen 80 ": f"listen {HERE}:{place.plain} ",
            "    listen [::]:80 default_server;\n": "",
            "listen 443 ssl": f"listen {HERE}:{place.tls} ssl",
            "    listen [::]:443 ssl default_server backlog=4096;\n": "",
            "    listen [::]:443 ssl;\n": "",
            "server 127.0.0.1:8000 ": f"server {HERE}:{place.node} ",
            "/etc/allo/tls": str(place.folder),
            "/etc/allo/errors": str(error_pages(place)),
            "root /etc/allo;": f"root {DEPLOY};",
        },
    )


def haproxy_file(place: Place) -> Path:
    return adapted(
        "haproxy.cfg",
        place,
        {
            "bind :80\n": f"bind {HERE}:{place.plain}\n",
            "bind :443 ": f"bind {HERE}:{place.tls} ",
            "/etc/allo/tls": str(place.folder),
            "/etc/allo/fallback.xml": str(DEPLOY / "fallback.xml"),
            "/etc/allo/errors": str(error_pages(place)),
            "127.0.0.1:8000": f"{HERE}:{place.node}",
            # The same times, only sooner.
            "inter 2s": "inter 100ms",
        },
    )


def error_pages(place: Place) -> Path:
    """What `flask deploy errors` writes."""
    folder = place.folder / "errors"
    folder.mkdir(exist_ok=True)
    for status in OF_A_PROXY:
        (folder / f"{status}.html").write_bytes(alone.page(status, "fr", "+33974750001"))
    return folder


FILES = {"nginx": nginx_file, "haproxy": haproxy_file}
PARTS = {"nginx": parts.NGINX, "haproxy": parts.HAPROXY}


def command(kind: str, file: Path, *, check: bool = False) -> list[str]:
    program = parts.find_program(kind)
    assert program, "ask tests.support.parts first"
    if kind == "nginx":
        errors = str(file.parent / "early.log")
        return [
            *(program, "-e", errors, "-c", str(file)),
            *(("-t",) if check else ("-g", "daemon off;")),
        ]
    return [program, "-c", "-f", str(file)] if check else [program, "-db", "-f", str(file)]


class Proxy:
    """A proxy that runs, and how to come to it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._trusts = ssl.create_default_context(cafile=str(place.certificate))

    def connects(self, trusts: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection((HERE, self.place.tls), timeout=10)
        try:
            return (trusts or self._trusts).wrap_socket(plain, server_hostname=NAME)
        except ssl.SSLError:
            plain.close()
            raise

    def asks(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = 10,
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask over TLS by the public name; status, headers (in small letters), body."""
        connection = http.client.HTTPConnection(NAME, timeout=seconds)
        connection.sock = self.connects()
        connection.sock.settimeout(seconds)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            if cookies := answer.headers.get_all("Set-Cookie"):
                said["set-cookie"] = ", ".join(cookies)
            return answer.status, said, answer.read()
        finally:
            connection.close()

    def asks_plainly(self, path: str, host: str = NAME) -> tuple[int, str]:
        """Ask without TLS; status and where it leads."""
        connection = http.client.HTTPConnection(HERE, self.place.plain, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location") or ""
        finally:
            connection.close()

    # As a transport of the provider's.

    def send(self, request: Outgoing) -> Reply:
        began = time.monotonic()
        headers = {"Content-Type": "application/x-www-form-urlencoded", **dict(request.headers)}
        try:
            status, said, body = self.asks(
                request.url.removeprefix(PUBLIC),
                request.method,
                urlencode(request.form).encode(),
                headers,
                seconds=request.read_timeout_s,
            )
        except TimeoutError as error:
            raise ReadTimedOut(str(error)) from error
        except OSError as error:
            raise ConnectFailed(str(error)) from error
        return Reply(status, body, said, time.monotonic() - began)


@contextmanager
def running(kind: str, folder: Path, node: int) -> Iterator[Proxy]:
    """Start a proxy in front of `node`, a port of this machine, and end it."""
    place = make_place(folder, node)
    file = FILES[kind](place)
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a program of the machine and our file
            command(kind, file), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_for(lambda: listens(place) or process.poll() is not None, "the proxy listens")
        assert process.poll() is None, (folder / "proxy.log").read_text("utf-8")
        yield Proxy(place)
    finally:
        process.terminate()
        process.wait(timeout=20)


def listens(place: Place) -> bool:
    try:
        socket.create_connection((HERE, place.tls), timeout=1).close()
    except OSError:
        return False
    return True
