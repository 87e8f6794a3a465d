"""Twilio's Lookup v2, which lives at a host of its own: what kind of line a number is.

Its description is not in the extract of `openapi/`; the fields are those that the provider's client
reads. Free here, and by the numbering plan unless `line_types` of the switches says otherwise.
"""

from typing import Any

import phonenumbers

from flask import Blueprint, Response, jsonify, request
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from exchange.numbers import FICTIONAL_MOBILE, is_valid, receives_sms
from exchange.rest.server import Simulator

LINE_TYPE = "line_type_intelligence"
_PACKAGES = (
    "caller_name",
    "sim_swap",
    "call_forwarding",
    "line_status",
    LINE_TYPE,
    "identity_match",
    "reassigned_number",
    "sms_pumping_risk",
    "phone_number_quality_score",
    "pre_fill",
)
_TYPES = {
    PhoneNumberType.VOIP: "nonFixedVoip",
    PhoneNumberType.TOLL_FREE: "tollFree",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "sharedCost",
    PhoneNumberType.UAN: "uan",
}


def add_lookup(own: Blueprint, simulator: Simulator) -> None:
    """The one path of it that there is here."""

    @own.get("/v2/PhoneNumbers/<PhoneNumber>")
    def look_up(PhoneNumber: str) -> Response:  # noqa: N803 - the description's name
        fields = request.args.get("Fields", "").split(",")
        valid = is_valid(PhoneNumber)
        found: dict[str, Any] = {
            "calling_country_code": None,
            "country_code": None,
            "phone_number": PhoneNumber,
            "national_format": None,
            "valid": valid,
            "validation_errors": [] if valid else ["NOT_A_NUMBER"],
            **dict.fromkeys(_PACKAGES),
            "url": f"https://lookups.twilio.com/v2/PhoneNumbers/{PhoneNumber}",
        }
        if valid:
            parsed = phonenumbers.parse(PhoneNumber)
            found |= {
                "calling_country_code": str(parsed.country_code),
                "country_code": phonenumbers.region_code_for_number(parsed),
                "national_format": phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL),
            }
            if LINE_TYPE in fields:
                found[LINE_TYPE] = _line_type(simulator, PhoneNumber)
        return jsonify(found)


def _line_type(simulator: Simulator, number: str) -> dict[str, Any]:
    told = simulator.faults.line_types.get(number) or _by_plan(number)
    return {
        "error_code": 60601 if told == "unknown" else None,
        "mobile_country_code": "208" if told == "mobile" else None,
        "mobile_network_code": "01" if told == "mobile" else None,
        "carrier_name": "Stand-in",
        "type": None if told == "unknown" else told,
    }


def _by_plan(number: str) -> str:
    if FICTIONAL_MOBILE.fullmatch(number) or receives_sms(number):
        return "mobile"
    return _TYPES.get(phonenumbers.number_type(phonenumbers.parse(number)), "landline")
