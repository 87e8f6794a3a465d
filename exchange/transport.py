"""How requests reach the service: over HTTP, or straight into a WSGI application."""

import ipaddress
import socket
import ssl
import time

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import requests

from werkzeug.test import Client

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# Calls go on in threads of their own; more of them at once than this open connections anew.
KEPT_CONNECTIONS = 64


class ConnectFailed(Exception):
    """No connection could be made. `cause` says why, in some words for a terminal; empty: unknown.

    It has nothing of what was to be sent.
    """

    def __init__(self, message: str = "", cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class ReadTimedOut(Exception):
    """The connection was made and no whole answer came in time."""


@dataclass(frozen=True)
class Outgoing:
    """One request as Twilio would send it; `url` is the public one, without its fragment."""

    method: str
    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 15.0


@dataclass(frozen=True)
class Reply:
    """What came back. `elapsed_s` is how long the service took, in seconds."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    elapsed_s: float = 0.0

    def header(self, name: str) -> str:
        """Return a header whatever its case, or an empty string."""
        return {key.lower(): value for key, value in self.headers.items()}.get(name.lower(), "")


class Transport(Protocol):
    """Sends a request and waits for its reply."""

    def send(self, request: Outgoing) -> Reply:
        """Return the reply, redirects not followed.

        Raises ConnectFailed or ReadTimedOut.
        """


def local_session(auth: tuple[str, str] | None = None) -> requests.Session:
    """Return a session between local processes, where a proxy of the environment has no part."""
    session = requests.Session()
    session.trust_env, session.auth = False, auth
    return session


def cause_of(error: BaseException) -> str:
    """Why no connection could be made, in some words; empty where it is none of the usual ones."""
    for one in _behind(error, set()):
        match one:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({one.verify_message})"
            case ssl.SSLError():
                return f"no TLS ({one.reason or type(one).__name__})"
            case socket.gaierror():
                return "nobody knows its name"
            case ConnectionRefusedError():
                return "nobody listens there"
            case requests.exceptions.ConnectTimeout():
                return "it did not answer in time"
            case _:
                pass
    return "the file of SSL_CERT_FILE is not there" if "CA certificate" in str(error) else ""


def _behind(error: object, seen: set[int]) -> Iterator[BaseException]:
    """An exception and all that it was made of."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for one in (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__):
        yield from _behind(one, seen)


def _is_address(host: str | None) -> bool:
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


class _ByName(requests.adapters.HTTPAdapter):
    """TLS with whoever is at an address, who is asked for `name` and must prove to be it."""

    def __init__(self, name: str, **options: Any) -> None:
        self._name = name
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, server_hostname=self._name)


class HttpTransport:
    """Real HTTP. What is addressed to `public_base` goes to `service_base` on this machine.

    `ca_file` holds the authorities (PEM) that certificates must come from; empty: the usual ones.
    A `service_base` over TLS that is an address of the network is asked for the name of
    `public_base`, and must have its certificate: so a proxy is tried whose name leads nowhere yet.
    """

    def __init__(self, service_base: str = "", public_base: str = "", ca_file: str = "") -> None:
        self._service_base = service_base.rstrip("/")
        self._public_base = public_base.rstrip("/")
        self._session = local_session()
        self._session.verify = ca_file or True
        pool = requests.adapters.HTTPAdapter(pool_maxsize=KEPT_CONNECTIONS)
        self._session.mount("http://", pool)
        self._session.mount("https://", pool)
        self._named: dict[str, str] = {}
        service, public = urlsplit(self._service_base), urlsplit(self._public_base)
        if service.scheme == "https" and _is_address(service.hostname) and public.hostname:
            by_name = _ByName(public.hostname, pool_maxsize=KEPT_CONNECTIONS)
            self._session.mount(self._service_base, by_name)
            self._named = {"Host": public.netloc}

    def send(self, request: Outgoing) -> Reply:
        """Send over HTTP; see `Transport`."""
        url, headers = request.url, dict(request.headers)
        if self._public_base and url.startswith(self._public_base):
            url = self._service_base + url[len(self._public_base) :]
            headers |= self._named
        started = time.monotonic()
        try:
            response = self._session.request(
                request.method,
                url,
                data=dict(request.form) or None,
                headers=headers,
                timeout=(request.connect_timeout_s, request.read_timeout_s),
                allow_redirects=False,
            )
        except requests.exceptions.ReadTimeout as error:
            raise ReadTimedOut(str(error)) from error
        except OSError as error:
            # All of the library's are; so is a file of authorities that is not there.
            raise ConnectFailed(str(error), cause_of(error)) from error
        return Reply(
            response.status_code,
            response.content,
            dict(response.headers),
            time.monotonic() - started,
        )

    def close(self) -> None:
        self._session.close()


class WsgiTransport:
    """Calls a WSGI application in this process, for tests."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._client = Client(application)

    def send(self, request: Outgoing) -> Reply:
        """Send to the application; an exception it lets out is not caught."""
        parts = urlsplit(request.url)
        started = time.monotonic()
        response = self._client.open(
            path=parts.path,
            query_string=parts.query,
            base_url=f"{parts.scheme}://{parts.netloc}",
            method=request.method,
            data=dict(request.form) if request.method == "POST" else None,
            headers=dict(request.headers),
        )
        body = response.get_data()
        response.close()
        return Reply(response.status_code, body, dict(response.headers), time.monotonic() - started)
