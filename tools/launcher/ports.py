"""The ports of this machine: whether they are free before the start, and answer after it."""

from __future__ import annotations

import errno
import http.client
import socket
import uuid

from typing import Literal
from urllib.parse import urlsplit

import config

from exchange.sip import settings as sip
from tools.launcher.errors import CannotStart

HOST = "127.0.0.1"

Over = Literal["TCP", "UDP"]
# How to say which other ports are wanted.
_OTHER_PORTS = {
    "PORT": "PORT=8100",
    "SIMULATOR_PORT": "PORT=8100 SIMULATOR_PORT=8190",
    "SMTP_URL": "PORT=8100 SIMULATOR_PORT=8190",
    "SIP_PORT": "SIP_PORT=5070",
}


# Where this machine asks a server that listens at all addresses.
_OF_ALL = {"0.0.0.0": HOST, "::": "::1"}  # noqa: S104
# Whose address a port is looked at; the web's by default.
_SAYS_WHERE = {"SIP_PORT": "SIP_HOST"}


def asked_at(address: str) -> str:
    """The address at which this machine reaches a server that listens at `address`."""
    return _OF_ALL.get(address, address)


def url_of(settings: config.Settings) -> str:
    """Where this machine reaches the web."""
    host = asked_at(settings.bind_address)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def check_port(port: int, setting: str, *, host: str = HOST, over: Over = "TCP") -> None:
    """Raise CannotStart unless `port` of that address, the loopback one by default, is free.

    granian binds with SO_REUSEPORT, so it would start in silence on a busy port and share its
    traffic; an exclusive bind is the only honest question.
    """
    example = f"{_OTHER_PORTS[setting]} make run"
    if not 0 < port < 65536:  # noqa: PLR2004
        raise CannotStart(f"{setting} is {port}, which is no port; choose another: {example}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if over == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        try:
            if over == "TCP":
                # Without it the connections of the run before (TIME_WAIT) would look like a server;
                # over UDP it would share a busy port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            if over == "TCP":
                probe.listen(1)
        except PermissionError:
            raise CannotStart(
                f"port {port} ({setting}) is not open to this user; choose another: {example}"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise CannotStart(
                    f"{host} is no address of this machine; choose another:"
                    f" {_SAYS_WHERE.get(setting, 'BIND_ADDRESS')}"
                ) from None
            what = "port" if over == "TCP" else "UDP port"
            raise CannotStart(
                f"{what} {port} ({setting}) is already in use; choose another: {example}"
            ) from None


def check_ports(settings: config.Settings, telephones: sip.Plan | None) -> None:
    """Raise CannotStart unless every port is free, and no other's.

    A range for sound is not looked at: of so many ports some may be busy, and others are taken.
    """
    simulator_port = settings.simulator_port or settings.port + 10
    ports = {"PORT": settings.port, "SIMULATOR_PORT": simulator_port}
    if urlsplit(settings.smtp_url).port == simulator_port + 1:
        # There the simulator takes mails.
        ports["SMTP_URL"] = simulator_port + 1
    if telephones:
        ports["SIP_PORT"] = telephones.port
    names: dict[int, str] = {}
    for name, port in ports.items():
        other = names.setdefault(port, name)
        if other != name:
            raise CannotStart(f"{other} and {name} are both {port}; give each its own")
    check_port(settings.port, "PORT", host=settings.bind_address)
    check_port(simulator_port, "SIMULATOR_PORT")
    if "SMTP_URL" in ports:
        check_port(ports["SMTP_URL"], "SMTP_URL")
    if telephones:
        check_port(telephones.port, "SIP_PORT", host=telephones.host, over="UDP")
        check_port(telephones.port, "SIP_PORT", host=telephones.host, over="TCP")


def answers(port: int, path: str, *, host: str = HOST) -> bool:
    """Whether a GET of `path` on this machine is answered 200 within two seconds."""
    return _get(port, path, host)[0] == http.client.OK


def says(port: int, path: str) -> list[str]:
    """What a GET of `path` on this machine is answered, by lines; empty where it is not."""
    return _get(port, path, HOST)[1].splitlines()


def _get(port: int, path: str, host: str) -> tuple[int, str]:
    """Return the status and the text of an answer; 0 and nothing where there is none."""
    # http.client knows no proxies: a proxy of the machine must not be asked about this machine.
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def listens(telephones: sip.Plan) -> bool:
    """Tell if a server answers at the SIP port; a plan that does not hear us is asked for less.

    TCP is opened after UDP, so that one question is enough.
    """
    host = asked_at(telephones.host)
    try:
        with socket.create_connection((host, telephones.port), timeout=2) as connection:
            mine = connection.getsockname()[0]
            if not telephones.hears(mine):
                return True
            connection.sendall(_ask_options(mine, telephones.port))
            return connection.recv(8) == b"SIP/2.0 "
    except OSError:
        return False


def _ask_options(mine: str, port: int) -> bytes:
    at, name = f"[{mine}]" if ":" in mine else mine, uuid.uuid4().hex
    return "\r\n".join(
        (
            f"OPTIONS sip:{at}:{port} SIP/2.0",
            f"Via: SIP/2.0/TCP {at}:{port};branch=z9hG4bK{name};rport",
            "Max-Forwards: 70",
            f"From: <sip:launcher@{at}>;tag={name}",
            f"To: <sip:{at}:{port}>",
            f"Call-ID: {name}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
            "\r\n",
        )
    ).encode()
