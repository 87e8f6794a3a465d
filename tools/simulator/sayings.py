"""What people say to a machine, in long sentences, as a recogniser writes them down.

Their sentences are in `languages/`. Chance is given: the same chance says the same things.
"""

from collections.abc import Mapping
from random import Random

from tools.simulator.tongues import COUNTRY, tongues

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

# A telephone number that is said there, and how.
OTHERS_PHONE = "0612345678"
_PHONE = "zéro six douze trente-quatre cinquante-six soixante-dix-huit"
# What another in the room, or in a film, says that answers many a question; what varies stands in
# braces: a date of birth, a town and a postcode of their own.
AROUND = (
    *("oui", "oui oui", "oui c'est ça", "d'accord", "voilà", "c'est exact", "très bien", "ok"),
    *("oui je confirme", "je confirme", "oui tout à fait c'est bien ça", "oui allez-y confirmez"),
    *("non", "mais non", "pas du tout", "non ce n'est pas ça", "changer", "une autre"),
    *("un", "deux", "trois", "douze", "le premier", "le deuxième", "le troisième", "quatre"),
    *("demain", "lundi", "jeudi matin", "l'après-midi", "plutôt le matin", "un autre jour"),
    *("pour moi", "pour ma femme", "pour nous deux", "deux personnes", "sans portable"),
    *("{day} {month} {year}", "le {day} {month} mille {hundreds}", "né le {day} {month} {year}"),
    *("non le {day} {month} {year}", "on est né en {year}", "{month}", "le {day}"),
    *("{town}", "à {town}", "on habite à {town}", "{postcode}", "c'est le {postcode}"),
    *("{town} oui", "non {postcode}", _PHONE),
    *("prendre rendez-vous", "annuler", "annuler mon rendez-vous", "déplacer mon rendez-vous"),
    *("répète", "plus lentement", "retour", "attends", "une minute"),
)
# The same, said by a person who answers what the machine asks before the caller can.
ANSWERS_FIRST = {
    "dob": ("{day} {month} {year}", "il est né le {day} {month} mille {hundreds}"),
    "year": ("{year}", "en {year}"),
    "month": ("{month}", "en {month}"),
    "day": ("le {day}", "{day}"),
    "postcode": ("{postcode}", "à {town}", "on habite à {town}", "{town}"),
    "town": ("{town}", "à {town}"),
    "phone": (_PHONE,),
    "": ("oui", "oui c'est ça", "d'accord", "oui je confirme", "non", "le deuxième", "deux", "un"),
}


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


def around(dob: str, town: str, postcode: str, chance: Random, what: str | None = None) -> str:
    """Return what is said in the room: anything, or by a person who was asked for `what`.

    Date of birth (eight digits), town and postcode are theirs, not the caller's.
    """
    said = AROUND if what is None else ANSWERS_FIRST.get(what, ANSWERS_FIRST[""])
    words = {**date_words(dob, COUNTRY), "town": town, "postcode": postcode}
    return chance.choice(said).format_map(words)


def in_pairs(digits: str) -> str:
    """Return a telephone number as it is said and read in France: two digits at a time."""
    return " ".join(digits[start : start + 2] for start in range(0, len(digits), 2))
