"""The pass with which an agent's browser becomes a telephone: a signed token of the provider's.

It tells which agent the browser belongs to and lets calls come to it, for an hour at most. The
provider's REST client has no part in it. The library for tokens is loaded at the first one: most
services have no browser voice, and their web workers do without.
"""

from __future__ import annotations

from dataclasses import dataclass

# The provider takes tokens of up to a day; a stolen one should be of little use.
LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class VoiceAccount:
    """What signs tokens: an API key of the account. `app_sid` may be empty: desks make no calls."""

    account_sid: str
    key_sid: str
    key_secret: str
    app_sid: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether tokens can be made; without a key browsers are no telephones."""
        return bool(self.account_sid and self.key_sid and self.key_secret)


def make_token(account: VoiceAccount, identity: str, seconds: int = LONGEST_SECONDS) -> str:
    """Return a token for the browser called `client:IDENTITY`, good for `seconds` from now.

    Raises ValueError for an incomplete account, or a life that is not 1 to 3600 seconds.
    """
    if not account.is_complete:
        raise ValueError("TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET are needed for a token")
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ValueError(f"a token lives 1 to {LONGEST_SECONDS} seconds, not {seconds}")
    from twilio.jwt.access_token import AccessToken  # noqa: PLC0415 (see above)
    from twilio.jwt.access_token.grants import VoiceGrant  # noqa: PLC0415

    grant = VoiceGrant(incoming_allow=True, outgoing_application_sid=account.app_sid or None)
    token = AccessToken(
        account.account_sid,
        account.key_sid,
        account.key_secret,
        grants=[grant],
        identity=identity,
        ttl=seconds,
    )
    return str(token.to_jwt())
