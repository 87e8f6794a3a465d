"""Deleting what the provider keeps, by its REST. Workers only: web workers never load it."""

from __future__ import annotations

from typing import Any

import requests

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from ivr.messenger import RedirectedHttpClient, translated
from services.ports import ProviderRefused

_CALL = "CA"
# "The requested resource was not found": deleted before, by us or by the provider's own schedule.
_NOT_THERE = "20404"


class TwilioRecords:
    """The port services.ports.ProviderRecords, by the provider's REST."""

    def __init__(self, account_sid: str, auth_token: str, *, api_base_url: str) -> None:
        self._http = RedirectedHttpClient(api_base_url)
        self._client = Client(account_sid, auth_token, http_client=self._http)

    def delete(self, sid: str) -> None:
        """One that is gone already is fine. Raises Refused, Busy, NoAnswer."""
        kept: Any = self._client.calls if sid.startswith(_CALL) else self._client.messages
        try:
            kept(sid).delete()
        except (TwilioException, requests.RequestException) as error:
            told = translated(error, self._http)
            if not (isinstance(told, ProviderRefused) and told.code == _NOT_THERE):
                raise told from error
