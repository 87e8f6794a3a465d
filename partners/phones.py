"""Telephone numbers as people type them into a free text field."""

from __future__ import annotations

import re

from typing import Final

import phonenumbers

# Country codes and the beginnings of national numbers of the overseas départements. The French plan
# uses these beginnings nowhere else, so "+33 596 …" is a number in Martinique written wrongly.
_OVERSEAS: Final = {
    "262": ("262", "263", "269", "639", "692", "693"),
    "590": ("590", "690", "691"),
    "594": ("594", "694"),
    "596": ("596", "696", "697"),
}
_REGIONS: Final = {
    "971": "GP",
    "972": "MQ",
    "973": "GF",
    "974": "RE",
    "975": "PM",
    "976": "YT",
    "977": "BL",
    "978": "MF",
    "986": "WF",
    "987": "PF",
    "988": "NC",
}
# French short numbers of services are dialled as they are, by four digits from 3000 to 3999.
_SHORT = re.compile(r"3\d ?\d\d|3\d{3}")
_RUN = re.compile(r"\+?\(?\d(?:[ .\-()_\u00a0\u202f]{0,3}\d)*")
_NATIONAL_DIGITS: Final = 10


def read_phones(text: str, departement: str = "") -> tuple[str, ...]:
    """Every usable number in a field, in the order of the field, once each.

    E.164, or four digits for a French short number. Words around the numbers are skipped.
    `departement` (INSEE) tells where a number without a country code belongs.
    """
    found: list[str] = []
    for run in _runs(text):
        number = _number(run, departement)
        if number and number not in found:
            found.append(number)
    return tuple(found)


def _runs(text: str) -> list[str]:
    digits = re.sub(r"\D", "", text)
    if len(digits) == _NATIONAL_DIGITS and digits[0] == "0" and not re.search(r"[^\W\d_]", text):
        return [digits]  # "01/42/34/56/78" is one number, not five
    runs = []
    for match in _RUN.finditer(text):
        run = match.group()
        digits = re.sub(r"\D", "", run)
        several = len(digits) > _NATIONAL_DIGITS and len(digits) % _NATIONAL_DIGITS == 0
        parts = [digits[i : i + _NATIONAL_DIGITS] for i in range(0, len(digits), _NATIONAL_DIGITS)]
        if several and all(re.fullmatch(r"0[1-9]\d+", part) for part in parts):
            runs += parts
        else:
            runs.append(run)
    return runs


def _number(run: str, departement: str) -> str:
    if _SHORT.fullmatch(run):
        return re.sub(r"\D", "", run)
    digits = re.sub(r"\D", "", run)
    national = re.sub(r"^(?:00)?(?:33)?0?", "", digits)
    french = digits.startswith(("33", "0033")) or (digits[0] == "0" and digits[1:2] != "0")
    attempts: list[tuple[str, str | None]] = [
        (f"+{code}{national}", None)
        for code, starts in _OVERSEAS.items()
        if french and national.startswith(starts)
    ]
    if run.startswith("+") or digits.startswith("33"):
        attempts.append(("+" + digits, None))
    elif digits.startswith("00"):
        attempts.append(("+" + digits[2:], None))
    elif digits.startswith("0"):
        attempts += [(digits, _REGIONS.get(departement, "FR")), (digits, "FR")]
    for attempt, where in attempts:
        try:
            number = phonenumbers.parse(attempt, where)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ""
