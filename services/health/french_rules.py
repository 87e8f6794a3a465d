"""What the settings break, by their form, of the French rules for who rings and who writes.

What no form shows, as whether an operator knows a sender, is a dated setting of the operator's.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.findings import Finding, bad, good, warning

# Mainland and overseas, each of which has the ten digits of the plan behind it without their 0.
_COUNTRIES: Final = ("+33", "+262", "+590", "+594", "+596")
# Numbers of the plan that look ordinary, and are for those who prove who they are.
_VERIFIED: Final = (
    *("0162", "0163", "0270", "0271", "0377"),
    *("0378", "0424", "0425", "0568", "0569"),
)
_MOBILE: Final = ("06", "07")
_ORDINARY: Final = ("01", "02", "03", "04", "05")
# Words that do not tell who writes, without accents and blanks.
_GENERIC: Final = frozenset(
    {
        *("alerte", "client", "info", "infos", "message", "notification", "rappel", "rdv"),
        *("rendezvous", "service", "sms", "vaccin", "vaccination"),
    }
)
MOBILE: Final = "is a French mobile number (06 or 07), which automatic systems may not show"


@dataclass(frozen=True)
class Rule:
    """What is asked, of which party, where it stands, what of ours it binds, how it is judged."""

    says: str
    source: str
    binds: str
    judged: str


def rules() -> list[Rule]:
    """The table beside this file, in its order."""
    table = Path(__file__).with_suffix(".toml").read_text("utf-8")
    return [Rule(**rule) for rule in tomllib.loads(table)["rule"]]


def forbidden_number(number: str) -> str:
    """Why an automatic system may not ring or write with this number (E.164); empty: it may."""
    country = next((code for code in _COUNTRIES if number.startswith(code)), None)
    if country is None:
        return ""
    national = f"0{number.removeprefix(country)}"
    if national.startswith(_MOBILE):
        return MOBILE
    if national.startswith(_ORDINARY) and not national.startswith(_VERIFIED):
        return (
            "is an ordinary number of 01 to 05, which automatic systems may not show; ask the"
            " provider for one of 09 or of a verified range (0162, 0270, 0377, 0424, 0568 …)"
        )
    return ""


def forbidden_sender(sender: str) -> str:
    """Why no text may go out by this name or number; empty: by its form it may."""
    if sender.startswith("+"):
        return forbidden_number(sender)
    if _plain(sender) in _GENERIC:
        return "is a generic word, which operators refuse; give the name of whoever writes"
    return ""


def of_sender(sender: str, registered_on: str, name: str = "SMS_SENDER") -> Finding:
    """What is to be said of a sender, by the `name` of its setting.

    `registered_on` (ISO 8601) is when the operators took it; empty where that is not known.
    """
    forbidden = forbidden_sender(sender)
    if forbidden:
        return bad(f"{name} {sender} {forbidden}", "see docs/going-live.md, Senders and rules")
    if sender.startswith("+") or sender.isdigit():
        return good(f"{name} {sender} is a number, and needs no registration as a name")
    if registered_on:
        return good(f"{name} {sender} is registered since {registered_on}")
    word = max((word_ for word_ in _GENERIC if word_ in _plain(sender)), key=len, default="")
    generic = f" and has the generic word {word} in it" if word else ""
    return warning(
        f"{name} {sender} is not known to be registered{generic}",
        f"let the provider register the name of whoever writes (a town, an agency), set {name}"
        " to it and SMS_SENDER_REGISTERED_ON to the day on which the operators took it",
    )


def findings(
    caller_ids: Mapping[str, str], senders: Mapping[str, str], registered_on: str
) -> Iterator[Finding]:
    """What is to be said of each number that people see (E.164), and of each sender.

    Both by the names of their settings.
    """
    for name, number in caller_ids.items():
        forbidden = forbidden_number(number)
        if forbidden:
            yield bad(f"{name} {number} {forbidden}", f"set {name} to another number")
        else:
            yield good(f"{name} {number} may be shown by automatic systems, by its form")
    for name, sender in senders.items():
        yield of_sender(sender, registered_on, name)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
