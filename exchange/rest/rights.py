"""What the account, as it is, may not do: Twilio refuses it with these numbers of errors."""

from http import HTTPStatus

from exchange.account import ACTIVE, TRIAL, Account
from exchange.rest.paths import Refused
from exchange.ringing import CLIENT

CONSOLE = "https://www.twilio.com/console/voice/calls/geo-permissions/low-risk"
VERIFY = "twilio.com/user/account/phone-numbers/verified"


def may_text(account: Account, sender: str, recipient: str) -> None:
    """Raise Refused where it sends no text from `sender`, or none to `recipient`."""
    _must_be_active(account)
    owned = account.owned(sender)
    if sender.startswith("+") and owned is None:
        message = f"'From' {sender} is not a Twilio phone number or Short Code country mismatch"
        raise Refused(21659, message)
    if owned is not None and not owned["capabilities"]["sms"]:
        raise Refused(21661, f"'From' number {sender} is not SMS-capable")
    if account.type != TRIAL:
        return
    if not sender.removeprefix("+").isdigit():
        message = "Alphanumeric Sender ID cannot be used as the 'From' number on trial accounts"
        raise Refused(21267, message)
    if recipient not in account.verified:
        raise Refused(
            21608,
            f"The number {recipient} is unverified. Trial accounts cannot send messages to"
            f" unverified numbers; verify {recipient} at {VERIFY}, or purchase a Twilio number to"
            " send messages to unverified numbers",
        )


def may_call(account: Account, sender: str, recipient: str) -> None:
    """Raise Refused where it rings nobody as `sender`, or not `recipient`."""
    _must_be_active(account)
    if account.owned(sender) is None and sender not in account.verified:
        raise Refused(
            21210,
            f"The source phone number provided, {sender}, is not yet verified for your account."
            " You may only make calls from phone numbers that you've verified or purchased from"
            " Twilio.",
        )
    if recipient.startswith(CLIENT):
        return
    if account.type == TRIAL and recipient not in account.verified:
        raise Refused(
            21219,
            f"The number {recipient} is unverified. Trial accounts may only make calls to verified"
            " numbers.",
        )
    if not account.may_ring(recipient):
        raise Refused(
            21215,
            f"Account not authorized to call {recipient}. Perhaps you need to enable some"
            f" international permissions: {CONSOLE}",
        )


def _must_be_active(account: Account) -> None:
    if account.status != ACTIVE:
        raise Refused(20005, "Account not active", HTTPStatus.UNAUTHORIZED)
