"""Looks at the certificate of our own address once an hour, in the scheduler process."""

from __future__ import annotations

import socket
import ssl

from datetime import UTC, datetime
from typing import Final

from jobs.timed import Task
from services.health.certificate import WatchCertificate
from services.store import Store

# Seconds.
LOOK_EVERY: Final = 3600
TIMEOUT: Final = 5.0


def certificate_tasks(store: Store, base_url: str) -> list[Task]:
    """None where the service has no certificate: in development."""
    if not base_url.startswith("https://"):
        return []
    return [Task("certificate", LOOK_EVERY, WatchCertificate(store, base_url, expiry))]


def expiry(host: str, port: int) -> datetime:
    """Until when (UTC) the certificate of a server is good; one that expired tells it, too.

    Raises OSError where none answers.
    """
    # It is not trusted for anything: an expired or self-made one must be read as well.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as secret,
    ):
        found = secret.getpeercert(binary_form=True)
    return not_after(found or b"")


def not_after(certificate: bytes) -> datetime:
    """The end (UTC) of a certificate in DER. Raises ValueError for what is none."""
    from cryptography import x509  # noqa: PLC0415 (a megabyte that no other task needs)

    return x509.load_der_x509_certificate(certificate).not_valid_after_utc.astimezone(UTC)
