"""How mails reach the operator's server: TLS, its login, and what is wrong with either."""

from __future__ import annotations

import ssl

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from structlog.testing import capture_logs

from exchange.testing.certificates import self_made
from exchange.testing.ports import free_port
from jobs import mailer
from jobs.mailer import SmtpMailer
from models.clock import FixedClock
from services.messages.deliver_message import DeliveryDependencies
from services.messages.mails import PER_ADDRESS, Mails
from services.ports import Busy, ProviderRefused
from tests.calls.telephone import Texts
from tests.messages.test_mails import ANNE, books, mail_rows
from tests.support.house import NOON, House, house, mornings
from tests.support.office import Office
from tests.support.rows import clock_of

# Beside us nobody listens, and the client does not ask for TLS there.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

# As in SMTP_URL, where signs of an address are written by their numbers.
USER, PASSWORD, WRITTEN = "rdv@allo.example", "s:e/c@ret", "rdv%40allo.example:s%3Ae%2Fc%40ret"
WRONG = "rdv%40allo.example:yesterday"


@dataclass
class Server:
    """A server for mails that asks for a login, and may refuse whom mails come from."""

    port: int
    mails: list[Any] = field(default_factory=list)
    sender_answer: str = "250 OK"
    logins: int = 0

    def logs_in(self, _: Any, __: Any, ___: Any, ____: Any, told: Any) -> AuthResult:
        self.logins += 1
        good = (told.login, told.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, _: Any, __: Any, envelope: Any, sender: str, ___: Any
    ) -> str:
        if self.sender_answer.startswith("250"):
            envelope.mail_from = sender
        return self.sender_answer

    async def handle_DATA(self, _: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((session.ssl is not None, envelope.content))
        return "250 OK"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and the certificate that it made for itself, of this machine."""
    here, now = x509.IPAddress(ip_address("127.0.0.1")), datetime.now().astimezone()
    day = timedelta(days=1)
    made, key = self_made("localhost", here, since=now - day, until=now + day)
    file = tmp_path / "server.pem"
    file.write_bytes(key + made)
    return file


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As where an operator's machine knows who made the server's certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is on another machine, by what the client knows."""
    monkeypatch.setattr(mailer, "is_here", lambda host: False)


@contextmanager
def listening(
    certificate: Path | None = None, *, smtps: bool = False, login: bool = True
) -> Iterator[Server]:
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = Server(free_port())
    asks: dict[str, Any] = {"authenticator": server.logs_in, "auth_required": True} if login else {}
    # Under TLS from the first byte, aiosmtpd does not know that there is any.
    asks |= {"auth_require_tls": False} if login and (smtps or context is None) else {}
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=server.port,
        ssl_context=context if smtps else None,
        tls_context=None if smtps else context,
        **asks,
    )
    controller.start()
    yield server
    controller.stop()


def mails_by(url: str) -> SmtpMailer:
    return SmtpMailer(url, "rdv@allo.example", FixedClock(NOON))


def sends(url: str) -> None:
    mails_by(url).send("1" * 32, ANNE, "Votre rendez-vous", "Bonjour,", b"")


def is_refused(url: str) -> str:
    with pytest.raises(Busy) as told:
        sends(url)
    return told.value.code


def test_under_tls_from_the_first_byte_with_a_login(trusted: Path):
    with listening(trusted, smtps=True) as server:
        sends(f"smtps://{WRITTEN}@127.0.0.1:{server.port}")
    assert len(server.mails) == 1


def test_under_starttls_with_a_login(trusted: Path, far: None):
    with listening(trusted) as server:
        sends(f"smtp://{WRITTEN}@127.0.0.1:{server.port}")
    ((under_tls, content),) = server.mails
    assert under_tls
    assert b"Subject: Votre rendez-vous" in content


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_to_a_certificate_that_is_not_known_no_login_is_told(
    certificate: Path, far: None, scheme: str
):
    with listening(certificate, smtps=scheme == "smtps") as server:
        assert is_refused(f"{scheme}://{WRITTEN}@127.0.0.1:{server.port}") == "certificate"
    assert (server.mails, server.logins) == ([], 0)


def test_without_starttls_no_login_is_told(far: None):
    with listening() as server:
        assert is_refused(f"smtp://{WRITTEN}@127.0.0.1:{server.port}") == "not offered"
    assert (server.mails, server.logins) == ([], 0)


def test_a_server_that_knows_no_login_is_told_none():
    with listening(login=False) as server:
        assert is_refused(f"smtp://{WRITTEN}@127.0.0.1:{server.port}") == "not offered"
    assert server.mails == []


def test_a_refused_login_or_sender_is_no_fault_of_the_address(trusted: Path):
    with listening(trusted, smtps=True) as server:
        assert is_refused(f"smtps://{WRONG}@127.0.0.1:{server.port}") == "login"
        # It asks for a login, and none was set.
        assert is_refused(f"smtps://127.0.0.1:{server.port}") == "530"
        server.sender_answer = "550 you may not"
        assert is_refused(f"smtps://{WRITTEN}@127.0.0.1:{server.port}") == "550"
    assert server.mails == []


# ---------------------------------------------------------------- and what is done then


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, links=True, mails=True) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(3), capacity=3)
        yield made


def sweeps(made: House, url: str) -> None:
    client = SmtpMailer(url, "rdv@allo.example", made.clock)
    means = DeliveryDependencies(mails=Mails(made.store, client, made.numbers))
    Office(made, Texts(), means=means).sweeps()


def test_after_a_refused_login_it_is_tried_again_and_the_log_says_what_to_do(service: House):
    books(service, number="")
    with listening() as server, capture_logs() as logged:
        sweeps(service, f"smtp://{WRONG}@127.0.0.1:{server.port}")
        (row,) = mail_rows(service)
        assert (row.state, row.error_code) == ("pending", "login")
        (told,) = [one for one in logged if one["event"] == "mails cannot leave"]
        assert told["log_level"] == "error"
        assert "user and password of SMTP_URL" in told["do"]
        clock_of(service).advance(timedelta(minutes=10))
        sweeps(service, f"smtp://{WRITTEN}@127.0.0.1:{server.port}")
    assert len(server.mails) == 1
    assert mail_rows(service)[0].state == "sent"
    assert not [one for one in ("yesterday", PASSWORD, ANNE) if one in str(logged)]


def test_what_is_tried_again_counts_once(service: House):
    books(service, number="")
    with listening() as server:
        for _ in range(PER_ADDRESS + 2):
            sweeps(service, f"smtp://{WRONG}@127.0.0.1:{server.port}")
            clock_of(service).advance(timedelta(minutes=6))
        assert mail_rows(service)[0].error_code == "login"
        sweeps(service, f"smtp://{WRITTEN}@127.0.0.1:{server.port}")
    assert len(server.mails) == 1


def test_refused_content_ends_it(monkeypatch: pytest.MonkeyPatch):
    async def refuses(*_: Any) -> str:
        return "554 not wanted"

    with listening(login=False) as server:
        monkeypatch.setattr(Server, "handle_DATA", refuses)
        with pytest.raises(ProviderRefused):
            sends(f"smtp://127.0.0.1:{server.port}")
