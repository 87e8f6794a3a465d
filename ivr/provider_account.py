"""The account at the provider, by its own client: for an operator's commands, and no web worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from twilio.base.exceptions import TwilioException
from twilio.rest import Client

from ivr.messenger import RedirectedHttpClient, translated
from services.ports import (
    AccountState,
    CountryPermission,
    OwnedNumber,
    ProviderRefused,
    TextState,
)
from services.setup.provider_account import FIELDS

_NOT_FOUND = 404


class TwilioAccount:
    """The port services.ports.ProviderAccount, by the provider's REST."""

    def __init__(self, account_sid: str, auth_token: str, *, api_base_url: str) -> None:
        self._sid = account_sid
        self._http = RedirectedHttpClient(api_base_url)
        self._client = Client(account_sid, auth_token, http_client=self._http)
        # Permissions answer at a host of their own; a stand-in has one for all.
        voice = api_base_url.replace("https://api.", "https://voice.")
        self._voice_http = RedirectedHttpClient(voice)
        self._voice = Client(account_sid, auth_token, http_client=self._voice_http)

    def state(self) -> AccountState:
        found = self._ask(lambda: self._client.api.accounts(self._sid).fetch())
        return AccountState(str(found.status), str(found.type))

    def balance(self) -> tuple[float, str]:
        found = self._ask(self._client.balance.fetch)
        return float(found.balance), str(found.currency)

    def number(self, number: str) -> OwnedNumber | None:
        found = self._ask(lambda: self._client.incoming_phone_numbers.list(phone_number=number))
        # The provider looks for what contains it.
        return next((_owned(owned) for owned in found if owned.phone_number == number), None)

    def is_verified(self, number: str) -> bool:
        found = self._ask(lambda: self._client.outgoing_caller_ids.list(phone_number=number))
        return any(owned.phone_number == number for owned in found)

    def permission(self, region: str) -> CountryPermission | None:
        countries = self._voice.voice.v1.dialing_permissions.countries
        try:
            found = self._ask(lambda: countries(region).fetch(), self._voice_http)
        except ProviderRefused as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise
        return CountryPermission(
            ordinary=bool(found.low_risk_numbers_enabled),
            special=bool(found.high_risk_special_numbers_enabled),
            fraud=bool(found.high_risk_tollfraud_numbers_enabled),
        )

    def queues(self) -> Mapping[str, int]:
        found = self._ask(self._client.queues.list)
        return {str(owned.friendly_name): int(owned.max_size or 0) for owned in found}

    def set_leads(self, sid: str, leads: Mapping[str, str]) -> None:
        self._ask(lambda: self._client.incoming_phone_numbers(sid).update(**leads))

    def text(self, recipient: str, sender: str, body: str) -> str:
        sent = self._ask(
            lambda: self._client.messages.create(to=recipient, from_=sender, body=body)
        )
        return str(sent.sid)

    def text_state(self, sid: str) -> TextState:
        found = self._ask(lambda: self._client.messages(sid).fetch())
        return TextState(str(found.status), str(found.error_code or ""))

    def _ask(self, ask: Callable[[], Any], http: RedirectedHttpClient | None = None) -> Any:
        try:
            return ask()
        except (TwilioException, requests.RequestException) as error:
            raise translated(error, http or self._http) from error


def _owned(found: Any) -> OwnedNumber:
    can = found.capabilities or {}
    return OwnedNumber(
        sid=str(found.sid),
        number=str(found.phone_number),
        voice=bool(can.get("voice")),
        sms=bool(can.get("sms")),
        leads={name: str(getattr(found, name) or "") for name in FIELDS},
        voice_application=str(found.voice_application_sid or ""),
        sms_application=str(found.sms_application_sid or ""),
        trunk=str(found.trunk_sid or ""),
    )
