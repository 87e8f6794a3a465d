"""What answers mean: digits as they are typed (`typed`), words as a recogniser spells them."""

from flows.understanding.typed import (
    COUNTRY_ZONE,
    OLDEST_AGE,
    REGIONS,
    NotUnderstood,
    birthday,
    checked_date,
    date_of_birth,
    is_digits,
    number,
    telephone,
)

__all__ = [
    "COUNTRY_ZONE",
    "OLDEST_AGE",
    "REGIONS",
    "NotUnderstood",
    "birthday",
    "checked_date",
    "date_of_birth",
    "is_digits",
    "number",
    "telephone",
]
