"""X-Twilio-Signature, computed by Twilio's own library."""

from collections.abc import Mapping
from urllib.parse import urldefrag

from twilio.request_validator import RequestValidator


def signature(auth_token: str, url: str, form: Mapping[str, str]) -> str:
    """Return the signature of a POST of `form` to `url`; the fragment is never signed."""
    signed: str = RequestValidator(auth_token).compute_signature(urldefrag(url).url, dict(form))
    return signed
