"""Status callbacks: signed requests of which only matters whether they were taken."""

from collections.abc import Mapping
from urllib.parse import urldefrag, urlencode, urlsplit

from exchange.interpreter import Overrides
from exchange.signing import signature
from exchange.transport import ConnectFailed, Outgoing, ReadTimedOut, Transport


def is_taken(
    transport: Transport,
    auth_token: str,
    callback_url: str,
    form: Mapping[str, str],
    method: str = "POST",
) -> bool:
    """Send a status callback once; return whether it was answered 2xx in time.

    Raises ValueError for connection overrides in `callback_url` that Twilio does not know.
    """
    url = urldefrag(callback_url).url
    if method == "GET":
        url += ("&" if urlsplit(url).query else "?") + urlencode(form)
        form = {}
    headers = {"X-Twilio-Signature": signature(auth_token, url, form)}
    limits = Overrides.of(callback_url)
    outgoing = Outgoing(method, url, form, headers, limits.connect_timeout_s, limits.read_timeout_s)
    try:
        return transport.send(outgoing).status in range(200, 300)
    except (ConnectFailed, ReadTimedOut):
        return False
