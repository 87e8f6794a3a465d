"""What the provider says of one text, in a sentence for an operator, with what to do.

Its list of errors is at https://www.twilio.com/docs/api/errors; what each means for the person that
a text was to reach is in services/messages/retry_plan.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CONSOLE: Final = "in the provider's console"
_UPGRADE: Final = f"upgrade it {_CONSOLE}"
_SENDS: Final = "set SMS_SENDER to a number of the account that sends texts, or to a name"
# By the number of the error: what is so, and what to do.
SAID: Final[Mapping[str, tuple[str, str]]] = {
    "10002": ("An account on trial may not do this", _UPGRADE),
    "21211": ("There is no such number", "write it with its country, as +33612345678"),
    "21265": ("Short numbers get no texts", "text a mobile"),
    "21266": ("A number cannot text itself", "text another one"),
    "21267": ("An account on trial sends no texts from a name", f"{_UPGRADE}, or set a number"),
    "21268": ("Premium numbers get no texts", "text a mobile"),
    "21408": (
        "The account may not text numbers of that country",
        f"open it under Messaging, Geo permissions, {_CONSOLE}",
    ),
    "21608": (
        "The account is on trial, and texts verified numbers alone",
        f"{_UPGRADE}, or verify the number there to try",
    ),
    "21610": ("Its owner wants no texts from this sender", "let them text START, or try another"),
    "21612": (
        "No text goes from this sender to that number",
        "look at the provider's rules for the country, and register the sender where it says so",
    ),
    "21614": ("It is no mobile number", "text a mobile"),
    "21635": ("It is a landline", "text a mobile"),
    "30001": (
        "Too many texts were waiting at the provider",
        "lower SMS_PER_SECOND to what your contract grants, and try again",
    ),
    "30002": ("The account was suspended meanwhile", f"see why, {_CONSOLE}"),
    "30003": ("The telephone is off or out of reach", "switch it on, and try again"),
    "30004": ("The number, or its network, takes no texts from you", "try a telephone of another"),
    "30005": ("The number is not in use", "text another one"),
    "30006": ("It is a landline, or its network takes no texts", "text a mobile"),
    "30007": (
        "Its network took the text for unwanted, and stopped it",
        f"register the sender {_CONSOLE}, and ask the provider's support with the text's id",
    ),
    "30008": ("Its network gives no reason", "try again, and a telephone of another network"),
    **dict.fromkeys(
        ("21212", "21603", "21606", "21657", "21659", "21660", "21661"),
        ("SMS_SENDER may not send this text", _SENDS),
    ),
}
