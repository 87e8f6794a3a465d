"""The account: its status and balance, its numbers and what they lead to, whom it may ring."""

from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from exchange.account import SETTABLE
from exchange.interpreter import API_VERSION
from exchange.rest.paths import Refused, answer, given_url, known, page
from exchange.rest.server import Simulator

# Twilio's own numbers of errors: no address, and a fallback without what it stands in for.
INVALID_URL = 21402
URLS = ("SmsFallbackUrl", "SmsUrl", "StatusCallback", "VoiceFallbackUrl", "VoiceUrl")
STANDS_IN = {"Voice": 21405, "Sms": 21406}


def add_account(app: Flask, simulator: Simulator) -> None:
    """Add what lies below the account's path; nothing of it is bought or released here."""
    at, account = simulator.paths(app), simulator.account

    @at("GET", "/Balance.json")
    def fetch_balance() -> Response:
        simulator.check()
        if account.balance is None:
            raise Refused(20003, "Permission Denied", HTTPStatus.FORBIDDEN)
        return jsonify(account_sid=account.sid, balance=account.balance, currency=account.currency)

    @at("GET", "/IncomingPhoneNumbers.json")
    def list_numbers() -> Response:
        simulator.check()
        wanted = request.args.get("PhoneNumber", "").replace("*", "")
        found = [
            (sid, number)
            for sid, number in account.numbers.items()
            if wanted in number["phone_number"]
        ]
        return page("incoming_phone_numbers", found)

    @at("GET", "/IncomingPhoneNumbers/<Sid>.json")
    def fetch_number(Sid: str) -> Response:  # noqa: N803
        return jsonify(known(account.numbers.get(Sid)))

    @at("POST", "/IncomingPhoneNumbers/<Sid>.json")
    def update_number(Sid: str) -> Response:  # noqa: N803
        number: dict[str, Any] = known(account.numbers.get(Sid))
        simulator.check()
        for name in URLS:
            given_url(name, INVALID_URL)
        changed = number | {SETTABLE[name]: value for name, value in request.form.items()}
        for kind, code in STANDS_IN.items():
            first, other = f"{kind.lower()}_url", f"{kind.lower()}_fallback_url"
            if changed[other] and not changed[first]:
                raise Refused(code, f"Cannot set {kind}FallbackUrl without setting {kind}Url")
        fault = simulator.take_fault()
        number |= changed
        number["date_updated"] = format_datetime(simulator.clock.now())
        return answer(number, fault)

    @at("GET", "/OutgoingCallerIds.json")
    def list_caller_ids() -> Response:
        simulator.check()
        wanted = request.args.get("PhoneNumber", "")
        found = [account.caller_id(one) for one in account.verified if wanted in one]
        return page("outgoing_caller_ids", [(one["sid"], one) for one in found])


def add_own_account(own: Blueprint, simulator: Simulator) -> None:
    """Add the account itself, and what the provider's description of Voice has."""

    # The description's name of it is Sid, where all others have AccountSid.
    @own.get(f"/{API_VERSION}/Accounts/<Sid>.json")
    def fetch_account(Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(Sid)
        simulator.check()
        return jsonify(simulator.account.resource())

    @own.get("/v1/DialingPermissions/Countries/<IsoCode>")
    def fetch_country(IsoCode: str) -> Response:  # noqa: N803
        simulator.check()
        return jsonify(known(simulator.account.country(IsoCode)))
