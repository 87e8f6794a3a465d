"""The caller, as far as the line tells: a number that can be used, or none."""

from __future__ import annotations

from collections.abc import Mapping

from flows.session import CallerKind
from flows.understanding import NotUnderstood, telephone

# How the provider writes withheld numbers: words on a telephone keypad, or the words themselves
# (ANONYMOUS, RESTRICTED, UNAVAILABLE, BLOCKED, UNKNOWN).
WITHHELD = frozenset(
    {"+266696687", "+7378742833", "+86282452253", "+2562533", "+8656696",
     "anonymous", "restricted", "unavailable", "blocked", "unknown", "private"}
)  # fmt: skip


# What the provider says of a number whose signature (STIR) carriers found to be wrong.
_FORGED = "TN-Validation-Failed"


def shown_by(form: Mapping[str, str]) -> str:
    """The number that a call shows; empty, as if it were withheld, where it is known as forged."""
    is_forged = form.get("StirVerstat", "").startswith(_FORGED)
    return "" if is_forged else form.get("From", "")


def read_caller(number: str) -> tuple[str, CallerKind]:
    """The calling number as E.164 and its use; ("", NONE) for withheld, foreign or strange ones.

    A number never proves who the caller is; it only says where they can be rung back.
    """
    number = number.strip()
    if number.lower() in WITHHELD or not number.startswith("+"):
        return "", CallerKind.NONE
    try:
        return telephone(number)
    except NotUnderstood:
        return "", CallerKind.NONE
