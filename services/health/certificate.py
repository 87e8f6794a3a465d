"""How long the certificate of PUBLIC_BASE_URL is still good, seen from outside like a provider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from services.health.process_counts import CERTIFICATE, put_gauge
from services.store import Store

# The moment (aware) until which the certificate of a host and port is good. Raises OSError or
# ValueError where no server answers with one.
Expiry = Callable[[str, int], datetime]
_HTTPS_PORT = 443


@dataclass(frozen=True)
class WatchCertificate:
    """A task: measure it, and hand it on as a gauge. Raises what `expiry` raises."""

    store: Store
    base_url: str
    expiry: Expiry

    def __call__(self) -> int:
        """Give the whole days that are left."""
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" or not parts.hostname:
            return 0
        until = self.expiry(parts.hostname, parts.port or _HTTPS_PORT)
        left = (until - self.store.clock.now()).total_seconds()
        put_gauge(self.store, "scheduler", CERTIFICATE, left)
        return int(left // 86_400)
