"""X-Twilio-Signature, computed by Twilio's own library."""

from collections.abc import Mapping
from urllib.parse import urldefrag, urlencode, urlsplit

from twilio.request_validator import RequestValidator


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Return the signature of a POST of `form` to `url`; the fragment is never signed."""
    signed: str = RequestValidator(auth_token).compute_signature(urldefrag(url).url, dict(form))
    return signed


def signed(
    auth_token: str, method: str, url: str, form: Mapping[str, str]
) -> tuple[str, Mapping[str, str], dict[str, str]]:
    """Return where a request goes and what it posts, with its signature as its first header.

    The fragment of `url` is left out. A GET says in its query what a POST has in its form.
    """
    url = urldefrag(url).url
    if method == "GET":
        url += ("&" if urlsplit(url).query else "?") + urlencode(form)
        form = {}
    return url, form, {"X-Twilio-Signature": signature(auth_token, url, form)}
