"""What the provider knows of the account beside its calls: balance, numbers, permissions."""

import hashlib

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from exchange.interpreter import API_VERSION

# When everything here was made; nobody looks at it.
MADE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
# Regions whose ordinary numbers the account may ring, with their codes and continents. The provider
# has Mayotte with Réunion, for both have one code.
COUNTRIES = {
    "FR": ("France", "+33", "EUROPE"),
    "GP": ("Guadeloupe", "+590", "NORTH_AMERICA"),
    "MQ": ("Martinique", "+596", "NORTH_AMERICA"),
    "GF": ("French Guiana", "+594", "SOUTH_AMERICA"),
    "RE": ("Reunion/Mayotte", "+262", "AFRICA"),
    "PM": ("St Pierre and Miquelon", "+508", "NORTH_AMERICA"),
    "BE": ("Belgium", "+32", "EUROPE"),
}
# The parameters of a number that can be set, and the fields that they set.
SETTABLE = {
    "ApiVersion": "api_version",
    "FriendlyName": "friendly_name",
    "SmsApplicationSid": "sms_application_sid",
    "SmsFallbackMethod": "sms_fallback_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsMethod": "sms_method",
    "SmsUrl": "sms_url",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "TrunkSid": "trunk_sid",
    "VoiceApplicationSid": "voice_application_sid",
    "VoiceFallbackMethod": "voice_fallback_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceMethod": "voice_method",
    "VoiceReceiveMode": "voice_receive_mode",
    "VoiceUrl": "voice_url",
}


ACTIVE, TRIAL = "active", "Trial"


def sid_of(prefix: str, what: str) -> str:
    """Return a SID that is the same in every process: a number keeps its own."""
    return prefix + hashlib.blake2b(what.encode(), digest_size=16).hexdigest()


@dataclass
class Permission:
    """Which numbers of a country may be rung."""

    ordinary: bool = True
    special: bool = False
    fraud: bool = False


@dataclass
class Account:
    """The account's state; tests change it as they need it."""

    sid: str
    status: str = "active"
    type: str = "Full"
    balance: str | None = "250.00"
    currency: str = "EUR"
    # Numbers by SID, each with every field of Twilio's schema.
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Numbers of others that were verified for showing.
    verified: list[str] = field(default_factory=list)
    permissions: dict[str, Permission] = field(
        default_factory=lambda: {iso: Permission() for iso in COUNTRIES}
    )

    def own(self, number: str, *, sms: bool = True, voice: bool = True) -> dict[str, Any]:
        """Give the account a number (E.164) of which nothing is set; return its resource."""
        sid = sid_of("PN", number)
        path = f"/{API_VERSION}/Accounts/{self.sid}/IncomingPhoneNumbers/{sid}.json"
        self.numbers[sid] = {
            "account_sid": self.sid,
            "address_requirements": "local",
            "address_sid": None,
            "api_version": API_VERSION,
            "beta": False,
            "bundle_sid": None,
            "capabilities": {"voice": voice, "sms": sms, "mms": False, "fax": False},
            "date_created": format_datetime(MADE),
            "date_updated": format_datetime(MADE),
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "emergency_status": "Inactive",
            "friendly_name": number,
            "identity_sid": None,
            "origin": "twilio",
            "phone_number": number,
            "sid": sid,
            "sms_application_sid": None,
            "sms_fallback_method": "POST",
            "sms_fallback_url": "",
            "sms_method": "POST",
            "sms_url": "",
            "status": "in-use",
            "status_callback": "",
            "status_callback_method": "POST",
            "trunk_sid": None,
            "type": "national",
            "uri": path,
            "voice_application_sid": None,
            "voice_caller_id_lookup": False,
            "voice_fallback_method": "POST",
            "voice_fallback_url": None,
            "voice_method": "POST",
            "voice_receive_mode": "voice",
            "voice_url": None,
        }
        return self.numbers[sid]

    def owned(self, number: str) -> dict[str, Any] | None:
        """Return the resource of a number (E.164) of the account's own."""
        return self.numbers.get(sid_of("PN", number))

    def may_ring(self, number: str) -> bool:
        """Whether ordinary numbers of that country are open; of one that is not known here, yes."""
        isos = [iso for iso, (_, code, _) in COUNTRIES.items() if number.startswith(code)]
        given = [self.permissions[iso] for iso in isos if iso in self.permissions]
        return all(one.ordinary for one in given)

    def resource(self) -> dict[str, Any]:
        """Return the account with every field of Twilio's schema; its token is not told."""
        path = f"/{API_VERSION}/Accounts/{self.sid}"
        below = {
            "balance": "Balance",
            "calls": "Calls",
            "conferences": "Conferences",
            "incoming_phone_numbers": "IncomingPhoneNumbers",
            "messages": "Messages",
            "outgoing_caller_ids": "OutgoingCallerIds",
            "queues": "Queues",
        }
        return {
            "auth_token": None,
            "date_created": format_datetime(MADE),
            "date_updated": format_datetime(MADE),
            "friendly_name": "Twilio simulator",
            "owner_account_sid": self.sid,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {name: f"{path}/{last}.json" for name, last in below.items()},
            "type": self.type,
            "uri": f"{path}.json",
        }

    def caller_id(self, number: str) -> dict[str, Any]:
        """Return a verified number with every field of Twilio's schema."""
        sid = sid_of("PN", f"verified {number}")
        return {
            "account_sid": self.sid,
            "date_created": format_datetime(MADE),
            "date_updated": format_datetime(MADE),
            "friendly_name": number,
            "phone_number": number,
            "sid": sid,
            "uri": f"/{API_VERSION}/Accounts/{self.sid}/OutgoingCallerIds/{sid}.json",
        }

    def country(self, iso: str) -> dict[str, Any] | None:
        """Return what may be rung in a country, with every field of Twilio's schema."""
        given = self.permissions.get(iso)
        if given is None:
            return None
        name, code, continent = COUNTRIES[iso]
        url = f"https://voice.twilio.com/v1/DialingPermissions/Countries/{iso}"
        return {
            "iso_code": iso,
            "name": name,
            "continent": continent,
            "country_codes": [code],
            "low_risk_numbers_enabled": given.ordinary,
            "high_risk_special_numbers_enabled": given.special,
            "high_risk_tollfraud_numbers_enabled": given.fraud,
            "url": url,
            "links": {"highrisk_special_prefixes": f"{url}/HighRiskSpecialPrefixes"},
        }
