"""What a line is, by the provider's Lookup v2 and its own client. Workers only.

The port services.ports.LineTypes. A look-up costs money and time, so it is asked for only where an
operator wants it (`TWILIO_LOOKUP`), and what it says is remembered
(services.messages.phone_capabilities.look_up_line).
"""

from __future__ import annotations

import requests

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from ivr.messenger import RedirectedHttpClient, translated
from services.messages.phone_capabilities import PhoneKind

# A text waits for it.
ANSWER_SECONDS = 3.0
_PACKAGE = "line_type_intelligence"
# The provider's words that say something about texts and calls; of others (tollFree, premium,
# sharedCost, uan, voicemail, pager, unknown) the number's plan knows more.
_KINDS = {
    "mobile": PhoneKind.MOBILE,
    "landline": PhoneKind.LANDLINE,
    "fixedVoip": PhoneKind.VOIP,
    "nonFixedVoip": PhoneKind.VOIP,
    "personal": PhoneKind.MOBILE,
}


class TwilioLineTypes:
    """The port by the provider's REST. `base_url` is where Lookup answers."""

    def __init__(self, account_sid: str, auth_token: str, *, base_url: str) -> None:
        self._http = RedirectedHttpClient(base_url, answer_seconds=ANSWER_SECONDS)
        self._client = Client(account_sid, auth_token, http_client=self._http)

    def kind(self, number: str) -> str:
        try:
            found = self._client.lookups.v2.phone_numbers(number).fetch(fields=_PACKAGE)
        except (TwilioException, requests.RequestException) as error:
            raise translated(error, self._http) from error
        # A number that it does not know has null there; so has one whose look-up failed inside.
        told = found.line_type_intelligence or {}
        return str(_KINDS.get(str(told.get("type")), ""))
