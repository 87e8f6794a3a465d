"""Hands mails to the operator's server by SMTP (RFC 5321), with the standard library's client.

A mail is plain text with the file for a calendar: no pictures, no links that count who opens them.
"""

from __future__ import annotations

import smtplib
import ssl

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote, urlsplit

from models.clock import Clock
from services.messages.calendar_file import NAME
from services.ports import Busy, NoAnswer, ProviderRefused

FROM_NAME: Final = "Allô Rendez-vous"
# To connect, and for each answer: two of them are shorter than a message is claimed for.
TIMEOUT_SECONDS: Final = 8.0
_REFUSED: Final = 500
_PORTS: Final = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class SmtpMailer:
    """`url` as SMTP_URL, `sender` as MAIL_FROM."""

    url: str
    sender: str
    clock: Clock

    def send(self, message_id: str, to: str, subject: str, body: str, calendar: bytes) -> None:
        """Hand a mail over. Raises ProviderRefused (for good), Busy (safe again), NoAnswer."""
        mail = self._mail(message_id, to, subject, body, calendar)
        try:
            with self._server() as server:
                server.send_message(mail, self.sender, [to])
        except smtplib.SMTPRecipientsRefused as error:
            (code, _) = next(iter(error.recipients.values()))
            raise _refusal(code) from None
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code) from None
        # The rest is ours to mend: the address is not at fault.
        except smtplib.SMTPAuthenticationError:
            raise Busy("login") from None
        except smtplib.SMTPResponseException as error:
            raise Busy(str(error.smtp_code)) from None
        except smtplib.SMTPNotSupportedError:
            raise Busy("not offered") from None
        except ssl.SSLCertVerificationError:
            raise Busy("certificate") from None
        except (smtplib.SMTPException, OSError):
            raise NoAnswer from None

    def _mail(
        self, message_id: str, to: str, subject: str, body: str, calendar: bytes
    ) -> EmailMessage:
        mail = EmailMessage()
        domain = self.sender.rpartition("@")[2]
        mail["From"] = Address(FROM_NAME, addr_spec=self.sender)
        mail["To"] = to
        mail["Subject"] = subject
        mail["Date"] = format_datetime(self.clock.now())
        # The same at each try: a server that has it already knows it by this.
        mail["Message-ID"] = f"<{message_id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"{body}\n")
        if calendar:
            mail.add_attachment(
                calendar.decode(), subtype="calendar", charset="utf-8", filename=NAME
            )
        return mail

    def _server(self) -> smtplib.SMTP:
        given = urlsplit(self.url)
        host, port = given.hostname or "", given.port or _PORTS[given.scheme]
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if given.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
        try:
            if given.scheme == "smtp" and not is_here(host):
                server.starttls(context=context)
            if given.username:
                server.login(unquote(given.username), unquote(given.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def is_here(host: str) -> bool:
    """Tell whether a server is on this machine, where no stranger listens between."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refusal(code: int) -> ProviderRefused | Busy:
    return ProviderRefused(str(code)) if code >= _REFUSED else Busy(str(code))
