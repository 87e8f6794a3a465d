"""Status callbacks: signed requests of which only matters whether they were taken."""

import logging

from collections.abc import Callable, Mapping

from exchange.background import Background
from exchange.interpreter.webhooks import Overrides
from exchange.signing import signed
from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Transport

log = logging.getLogger(__name__)

ATTEMPTS = 3
RETRY_S = 0.5


class Callbacks:
    """Sends status callbacks, in the background where they are told until they are taken."""

    def __init__(self, transport: Transport, auth_token: str, background: Background) -> None:
        self._transport, self._auth_token = transport, auth_token
        self._background = background

    def once(self, callback_url: str, form: Mapping[str, str], method: str = "POST") -> bool:
        """Send a status callback once; return whether it was answered 2xx in time.

        Raises ValueError for connection overrides in `callback_url` that Twilio does not know.
        """
        url, form, headers = signed(self._auth_token, method, callback_url, form)
        limits = Overrides.of(callback_url)
        connect_s, read_s = limits.connect_timeout_s, limits.read_timeout_s
        outgoing = Outgoing(method, url, form, headers, connect_s, read_s)
        try:
            return self._transport.send(outgoing).status in range(200, 300)
        except (ConnectFailed, ReadTimedOut):
            return False

    def tell(
        self,
        callback_url: str,
        form: Mapping[str, str],
        what: str,
        afterwards: Callable[[], None],
        *,
        method: str = "POST",
        attempt: int = 1,
    ) -> None:
        """Send a status callback up to three times, and then go on with `afterwards`.

        `what` is for the log. Raises ValueError as `once` does.
        """
        if not self.once(callback_url, form, method):
            if attempt < ATTEMPTS:
                self._background.add(
                    RETRY_S * attempt,
                    lambda: self.tell(
                        callback_url, form, what, afterwards, method=method, attempt=attempt + 1
                    ),
                )
                return
            log.warning("no 2xx for %s", what)
        afterwards()
