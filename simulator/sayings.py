"""What people say to a machine, in long sentences, as a recogniser writes them down.

French and English. Chance is given: the same chance says the same things.
"""

from collections.abc import Mapping, Sequence
from random import Random

MONTHS: Mapping[str, Sequence[str]] = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
PLACES: Mapping[str, Sequence[str]] = {
    "fr": ("premier", "deuxième", "troisième", "quatrième"),
    "en": ("first", "second", "third", "fourth"),
}

# One tuple for each thing that can be said; what varies stands in braces.
SENTENCES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "fr": {
        "dob": (
            "euh alors c'est le {day} {month} {year} madame",
            "oui bonjour alors moi je suis née le {day} {month} {year}",
            "attendez que je vous dise le {day} {month} {short_year}",
            "ben je suis né le {day} {month} mille {hundreds} vous savez",
            "alors ma date de naissance c'est le {day} {month_number} {year}",
        ),
        "postcode": (
            "alors moi c'est le {postcode} à {town} vous voyez",
            "euh j'habite à {town} le code postal c'est {postcode}",
            "mon code postal alors attendez c'est le {spaced} voilà",
        ),
        "town": (
            "alors moi j'habite à {town} depuis quarante ans",
            "oui c'est à {town} pas loin de la gare",
        ),
        "phone": (
            "oui alors mon numéro c'est le {phone} voilà",
            "attendez je l'ai noté quelque part c'est le {phone}",
        ),
        "year": ("alors je suis née en {year} pendant la guerre", "euh l'année {year} madame"),
        "month": ("c'était au mois de {month} il me semble bien", "en {month} voilà"),
        "day": ("le {day} madame le {day}", "alors le jour c'est le {day}"),
        "yes": (
            "oui oui c'est bien ça madame je vous remercie beaucoup",
            "oui tout à fait c'est exact",
            "ah oui oui c'est ça",
        ),
        "no": (
            "ah non non pas du tout ce n'est pas ça du tout",
            "non madame vous avez mal compris ce n'est pas ça",
        ),
        "nth": (
            "alors moi je prendrais plutôt le {place} s'il vous plaît",
            "euh le {place} ça m'irait très bien merci",
        ),
        "only": (
            "oui très bien celui-là me convient je le prends",
            "oui d'accord ce rendez-vous me va très bien",
        ),
        "self": (
            "eh bien c'est pour moi tout simplement",
            "alors ce serait pour moi ma fille m'a dit d'appeler",
        ),
        "two": (
            "alors c'est pour mon mari et moi nous sommes deux",
            "nous serions deux personnes ma femme et moi",
        ),
        "ready": (
            "oui oui voilà je suis prête allez-y",
            "ça y est j'ai trouvé un crayon vous pouvez y aller",
        ),
        "choice": (
            "euh oui bonjour alors moi ce serait pour {label} s'il vous plaît",
            "alors je voudrais {label} si c'est possible merci",
        ),
    },
    "en": {
        "dob": (
            "er well it is the {day} of {month} {year} dear",
            "yes hello I was born on {month} {day} {year}",
        ),
        "postcode": (
            "well my postcode is {postcode} in {town} you see",
            "er I live in {town} and the postcode is {spaced}",
        ),
        "town": ("well I live in {town} near the station", "yes it is {town} you see"),
        "phone": ("yes well my number is {phone} thank you",),
        "year": ("I was born in {year} during the war", "er the year {year} dear"),
        "month": ("it was in {month} I believe", "in {month} yes"),
        "day": ("on the {day} dear the {day}",),
        "yes": ("yes yes that's right thank you very much dear", "oh yes that's correct"),
        "no": ("oh no no that is not right at all", "no dear that is wrong"),
        "nth": ("well I would rather take the {place} one please",),
        "only": ("yes that one suits me very well I will take it",),
        "self": ("well it is for me dear",),
        "two": ("it is for my husband and me there are two of us",),
        "ready": ("yes yes I am ready now go on",),
        "choice": ("er yes hello I would like to {label} please",),
    },
}

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
    first = {"fr": "1er", "en": "1st"}[language]
    return {
        "day": first if day == 1 else str(day),
        "month": MONTHS[language][month - 1],
        "month_number": str(month),
        "year": year,
        "short_year": year[2:],
        "hundreds": year[1:],
    }


def say(what: str, words: Mapping[str, str], language: str, chance: Random) -> str:
    """Return one of the sentences for `what`, with `words` in it."""
    return chance.choice(SENTENCES[language][what]).format_map(words)


def in_pairs(digits: str) -> str:
    """Return a telephone number as it is said: two digits at a time."""
    return " ".join(digits[start : start + 2] for start in range(0, len(digits), 2))
