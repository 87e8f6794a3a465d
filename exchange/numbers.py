"""Telephone numbers as Twilio judges them: whether one exists and can receive an SMS."""

import re

import phonenumbers

from phonenumbers import NumberParseException, PhoneNumberType

# Twilio's stand-in for a caller who hides the number: ANONYMOUS on a keypad.
WITHHELD = "+266696687"

# A number typed in national form may belong to any of these: the overseas ones have plans and
# country codes of their own, and are invalid when read as metropolitan.
FRENCH_REGIONS = ("FR", "RE", "GP", "GF", "MQ", "YT")

# Set aside by the French regulator for works of fiction. Unknown to phonenumbers, they stand for
# working lines in tests, where no message may reach a real person.
FICTIONAL_MOBILE = re.compile(r"\+3363998\d{4}")
FICTIONAL_LANDLINE = re.compile(r"\+33(19900|26191|35301|46571|53649)\d{4}")
FRENCH_LANDLINE = re.compile(r"\+33[1-59]\d{8}")

SMS_TYPES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
E164 = re.compile(r"\+[1-9]\d{6,14}")
ALPHANUMERIC_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


def is_valid(number: str) -> bool:
    """Return whether `number` (E.164) is a telephone number that exists in its plan."""
    if not E164.fullmatch(number):
        return False
    if FICTIONAL_MOBILE.fullmatch(number) or FICTIONAL_LANDLINE.fullmatch(number):
        return True
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except NumberParseException:
        return False


def receives_sms(number: str) -> bool:
    """Return whether `number` (E.164, valid) can be a mobile; a landline or a VoIP line cannot."""
    if FICTIONAL_MOBILE.fullmatch(number):
        return True
    if FRENCH_LANDLINE.fullmatch(number):
        return False
    return phonenumbers.number_type(phonenumbers.parse(number)) in SMS_TYPES


def is_sender(sender: str) -> bool:
    """Return whether `sender` may stand in From: an E.164 number or an alphanumeric name."""
    return bool(E164.fullmatch(sender) or ALPHANUMERIC_SENDER.fullmatch(sender))


def to_e164(typed: str) -> str | None:
    """Return a French number typed in any usual form as E.164, or None when it is not one.

    `withheld` gives Twilio's digits for a hidden number. Overseas numbers are tried too.
    """
    if typed.strip().casefold() == "withheld":
        return WITHHELD
    digits = re.sub(r"[\s.\-()]", "", typed)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if digits.startswith("+"):
        return digits if E164.fullmatch(digits) else None
    if FICTIONAL_MOBILE.fullmatch("+33" + digits[1:]):
        return "+33" + digits[1:]
    for region in FRENCH_REGIONS:
        try:
            number = phonenumbers.parse(digits, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # An unassigned but well-formed number can still call; Twilio passes on what it is given.
    return "+33" + digits[1:] if re.fullmatch(r"0[1-9]\d{8}", digits) else None


def to_national(number: str) -> str:
    """Return an E.164 number as it is typed on a French keypad (ten digits from 0)."""
    parsed = phonenumbers.parse(number)
    return f"0{parsed.national_number}"
