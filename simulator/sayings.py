"""What people say to a machine, in long sentences, as a recogniser writes them down.

Their sentences are in `languages/`. Chance is given: the same chance says the same things.
"""

from collections.abc import Mapping
from random import Random

from simulator.tongues import tongues

# What a set that is on says into the call; some of it sounds like an answer.
TELEVISION = (
    "et maintenant la météo demain il fera beau sur tout le pays",
    "trois millions de téléspectateurs hier soir devant la finale",
    "le premier ministre a répondu aux questions des députés",
    "oui mais non écoutez laissez-moi terminer ma phrase",
    "le numéro gagnant est le douze le vingt-trois et le quarante-deux",
    "en mille neuf cent soixante-huit la ville de Lyon accueillait",
    "restez avec nous tout de suite la suite de votre programme",
    "merci et bonsoir à tous",
    "docteur venez vite c'est une urgence",
    "attendez attendez ne quittez pas",
    "mais enfin répondez à quelqu'un s'il vous plaît",
    "non",
    "oui",
    "and now the news",
)


def date_words(dob: str, language: str) -> dict[str, str]:
    """Return the parts of a date of birth (day, month, year as eight digits) as they are said."""
    day, month, year = int(dob[:2]), int(dob[2:4]), dob[4:]
    tongue = tongues()[language]
    return {
        "day": tongue["first_day"] if day == 1 else str(day),
        "month": tongue["months"][month - 1],
        "month_number": str(month),
        "year": year,
        "short_year": year[2:],
        "hundreds": year[1:],
    }


def say(what: str, words: Mapping[str, str], language: str, chance: Random) -> str:
    """Return one of the sentences for `what`, with `words` in it."""
    sentence: str = chance.choice(tongues()[language]["says"][what])
    return sentence.format_map(words)


def in_pairs(digits: str) -> str:
    """Return a telephone number as it is said and read in France: two digits at a time."""
    return " ".join(digits[start : start + 2] for start in range(0, len(digits), 2))
