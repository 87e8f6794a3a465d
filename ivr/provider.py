"""The clients of the provider, by the settings.

Its REST client is loaded where one is made, and in no web worker; what acts on live calls is light
enough for one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import config

from ivr.call_control import TwilioCallControl
from ivr.voice_token import VoiceAccount, make_token
from services.ports import LineTypes, Messenger, ProviderAccount, ProviderLog, ProviderRecords

ClientT = TypeVar("ClientT")


def make_control(settings: config.Settings) -> TwilioCallControl:
    """What acts on live calls; light enough for a web worker."""
    return TwilioCallControl(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        public_base_url=settings.public_base_url,
        caller_id=settings.outbound_caller_id,
        calls_per_second=settings.calls_per_second,
    )


def make_messenger(settings: config.Settings) -> Messenger:
    """What sends texts and begins calls. Its REST client is loaded here and in no web worker."""
    from ivr.messenger import TwilioMessenger  # noqa: PLC0415 (see above)

    return TwilioMessenger(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
        public_base_url=settings.public_base_url,
        sender=settings.sms_sender,
    )


def make_eraser(settings: config.Settings) -> ProviderRecords:
    """What deletes at the provider. Its REST client is loaded here and in no web worker."""
    from ivr.records import TwilioRecords  # noqa: PLC0415 (see above)

    return _client(TwilioRecords, settings)


def make_account(settings: config.Settings) -> ProviderAccount:
    """What looks at the account. Its REST client is loaded here and in no web worker."""
    from ivr.provider_account import TwilioAccount  # noqa: PLC0415 (see above)

    return _client(TwilioAccount, settings)


def make_provider_log(settings: config.Settings) -> ProviderLog:
    """What the provider says that left and came. Its REST client is loaded in no web worker."""
    from ivr.provider_log import TwilioLog  # noqa: PLC0415 (see above)

    return _client(TwilioLog, settings)


def make_line_types(settings: config.Settings) -> LineTypes | None:
    """Who knows what lines are; None where an operator does not want it asked."""
    if not settings.twilio_lookup:
        return None
    from ivr.lookup import TwilioLineTypes  # noqa: PLC0415 (the provider's client: workers only)

    base = settings.twilio_api_base_url
    return TwilioLineTypes(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        # The provider's own look-up answers at a host of its own; a stand-in has one for all.
        base_url=base.replace("https://api.", "https://lookups."),
    )


def make_voice_token(settings: config.Settings) -> Callable[[str], str] | None:
    """What makes a token for an agent's browser; None where no account for it is set."""
    account = VoiceAccount(
        settings.twilio_account_sid,
        settings.twilio_api_key_sid,
        settings.twilio_api_key_secret,
        settings.twilio_twiml_app_sid,
    )
    return partial(make_token, account) if account.is_complete else None


def _client(kind: Callable[..., ClientT], settings: config.Settings) -> ClientT:
    """A client that needs nothing beside the operator's account."""
    return kind(
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        api_base_url=settings.twilio_api_base_url,
    )
