"""A caller who understands what is asked: reads a prompt as a person would and picks the keys.

French and English. The rules lean on how menus are worded everywhere, label first or key first,
not on any one service's sentences.
"""

import re

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.interpreter import Call, Gather, HangUp, Input, Keys, QueueWait, Silence, Speech
from exchange.numbers import is_valid, receives_sms, to_e164, to_national

# Never chosen unasked: a person, the same again, one step back, slower.
RESERVED_KEYS = frozenset("089*#")
MAX_SAME_QUESTION = 4
KNOWN_ANSWERS = ("dob", "postcode", "town", "offer", "phone", "reference")
DIGIT_COUNTS = {"dob": 8, "postcode": 5, "phone": 10, "reference": 10}

VERB = r"(?:tapez|appuyez sur|composez|faites|pressez|press|dial|enter|type)"
OPTION = re.compile(
    rf"\b{VERB}\s+(?:la touche\s+|le\s+|key\s+)?(?P<key>\d|\*|#|étoile|dièse|star|hash|pound)"
    r"(?![\s,]*\d)(?!\s*(?:chiffres?|touches?|digits?))",
    re.IGNORECASE,
)
KEY_WORDS = {"étoile": "*", "star": "*", "dièse": "#", "hash": "#", "pound": "#"}
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
CLAUSE_END = re.compile(r"(?<=[.!?;:])\s+")
FOLLOWS_KEY = re.compile(
    r"\s*(?:,\s*)?(?:pour|quand|si|lorsque|dès que|for|to|when|if|once)\b", re.IGNORECASE
)

YES = re.compile(
    r"\b(exacte?s?|correcte?s?|bien|bonn?e?s?|oui|confirme[rz]?|valide[rz]?|yes|right)\b"
)
YES_EN = re.compile(r"\b(confirm|that'?s it|accept)\b")
NO = re.compile(r"\b(pas|non|sinon|corrige[rz]?|change[rz]?|no|not|otherwise|change|wrong|n't)\b")
WITHOUT = re.compile(r"\b(sans|aucun|pas de|n'avez pas|no mobile|without|don't have|do not have)\b")
MOBILE = re.compile(r"\b(portable|mobile|sms|téléphone|numéro|texto|cell|phone|number)\b")
OTHER_NUMBER = re.compile(r"\b(autre|proche|different|another|someone else)\b")
TIME = re.compile(
    r"\b(\d{1,2}\s*(h|heures?)\b|\d{1,2}:\d\d|\d{1,2}\s*(am|pm|a\.m|p\.m)|o'clock"
    r"|(lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\s"
    r"|(monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b)"
)
# What a caller who wants an appointment prefers, the stronger first.
PREFERENCES: tuple[tuple[int, re.Pattern[str]], ...] = (
    (60, re.compile(r"\b(prendre|réserver|obtenir)\b.*\brendez-vous\b|\bbook\b")),
    (50, re.compile(r"\bvous[- ]même\b|\bpour vous\b|\byourself\b|\bfor you\b")),
    (45, re.compile(r"\b(prête?s?|ready)\b")),
    (40, re.compile(r"\b(continuer|reprendre|poursuivre|go on|continue|resume)\b")),
    (35, re.compile(r"\b(ce créneau|ce rendez-vous|this slot|this appointment)\b")),
    (-20, re.compile(r"\b(déplacer|annuler|cancel|move|mon rendez-vous|my appointment)\b")),
    (-20, re.compile(r"\b(autres?|quelqu'un|proche|deux personnes|someone|others?|two people)\b")),
    (-30, re.compile(r"\b(anglais|english|français|french|quitter|raccrocher|hang up)\b")),
)
YES_WEIGHT, NO_WEIGHT, NEEDED_WEIGHT = 55, -100, 200

FIELDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("dob", re.compile(r"\b(date de naissance|date of birth|birth date|birthday)\b")),
    ("code", re.compile(r"\b(code de reprise|resume code)\b")),
    ("postcode", re.compile(r"\b(code postal|post ?code|postal code|zip code)\b")),
    ("reference", re.compile(r"\b(référence|reference)\b")),
    ("phone", re.compile(r"\b(numéro de téléphone|portable|mobile|phone number)\b")),
    ("year", re.compile(r"\b(année|year)\b")),
    ("month", re.compile(r"\b(mois|month)\b")),
    ("day", re.compile(r"\b(jour|day)\b")),
    ("town", re.compile(r"\b(commune|ville|town|city)\b")),
)
# A sentence that asks for something to be typed or said, as against one that tells.
ASKS = re.compile(
    r"\b(tapez|composez|entrez|saisissez|indiquez|donnez|dites|faites|quelle?s?|chiffres?"
    r"|enter|type|say|dial|press|what|which|digits?|give)\b"
)


class MissingAnswer(Exception):
    """The caller is asked for something that was not given on the command line."""


@dataclass(frozen=True)
class Option:
    """One choice of a menu: its key, its own sentence, and all said since the option before."""

    key: str
    label: str
    block: str


@dataclass(frozen=True)
class Question:
    """What a prompt asks: a field to fill (`field`) or a choice (`options`), or neither."""

    field: str = ""
    options: tuple[Option, ...] = ()

    @property
    def key(self) -> str:
        """What makes two wordings the same question."""
        if self.field:
            return self.field
        return "|".join(f"{o.key}:{re.sub(r'[^a-zà-ÿ]+', ' ', o.label)}" for o in self.options)


def parse_answers(text: str) -> dict[str, str]:
    """Read `dob=12031942,postcode=75011,offer=1`; raises ValueError with a clear sentence."""
    answers: dict[str, str] = {}
    for item in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = item.partition("=")
        if not equals or name not in KNOWN_ANSWERS:
            known = ", ".join(KNOWN_ANSWERS)
            raise ValueError(f"{item!r} is no answer; write name=value with one of: {known}")
        answers[name] = value if name == "town" else re.sub(r"[\s./-]", "", value)
    for name, count in DIGIT_COUNTS.items():
        value = answers.get(name, "")
        if name == "phone" and value:
            number = to_e164(value)
            if number is None:
                raise ValueError(f"phone={value} is not a telephone number")
            answers[name] = to_national(number)
        elif value and not re.fullmatch(rf"\d{{{count}}}", value):
            raise ValueError(f"{name}={value} does not have {count} digits")
    if not re.fullmatch(r"[1-7]", answers.get("offer", "1")):
        raise ValueError(f"offer={answers['offer']} is not a key from 1 to 7")
    return answers


def read_menu(text: str) -> tuple[Option, ...]:
    """Return the choices of a prompt, without the keys that every menu reserves."""
    options: list[Option] = []
    block: list[str] = []
    for sentence in CLAUSE_END.split(text):
        matches = list(OPTION.finditer(sentence))
        start = 0
        for number, match in enumerate(matches):
            key = match["key"].casefold()
            key = KEY_WORDS.get(key, key)
            end = matches[number + 1].start() if number + 1 < len(matches) else len(sentence)
            before = sentence[start : match.start()].strip(" ,")
            start = match.end()
            if FOLLOWS_KEY.match(sentence, match.end()) and (not before or number):
                # Key first ("tapez 1 pour …"): the label is what follows.
                label, start = sentence[match.end() : end].strip(" ,"), end
            elif before:
                label = before
            else:
                label = block[-1] if block else ""
            if key not in RESERVED_KEYS:
                options.append(Option(key, label.casefold(), " ".join([*block, label]).casefold()))
            block = []
        if not matches:
            block.append(sentence)
    return tuple(options)


def read_question(text: str, gather: Gather) -> Question:
    """Return what `text`, heard before `gather` waits, asks the caller for."""
    options = read_menu(text)
    asked = _field(text, gather)
    if options and (gather.num_digits == 1 or not asked):
        return Question(options=options)
    if asked and gather.num_digits != 1:
        return Question(field=asked)
    return Question()


def _field(text: str, gather: Gather) -> str:
    """Return the field named in the last sentence that asks, else the last one named at all."""
    sentences = SENTENCE_END.split(text.casefold().replace("’", "'"))
    # A sentence about a reserved key asks for nothing: "pour parler à quelqu'un, tapez 0".
    sentences = [sentence for sentence in sentences if not OPTION.search(sentence)] or sentences
    asking = [sentence for sentence in sentences if ASKS.search(sentence)]
    for sentence in [*reversed(asking), *reversed(sentences)]:
        names = [name for name, pattern in FIELDS if pattern.search(sentence)]
        if names:
            return _by_length(names, gather.num_digits)
    return ""


def _by_length(names: list[str], digits: int | None) -> str:
    """Settle a sentence that names several fields by the number of keys awaited."""
    lengths = {**DIGIT_COUNTS, "year": 4, "month": 2, "day": 2}
    fitting = [name for name in names if digits and lengths.get(name) == digits]
    if not fitting and len({"year", "month", "day"} & set(names)) > 1:
        # "Le jour, le mois, puis l'année" tells how to type a whole date.
        return "dob"
    return (fitting or names)[0]


@dataclass
class AnswersLeg:
    """Answers by what is asked, from `answers`; see `docs/simulator.md` for the choices.

    Raises MissingAnswer out of the drive when something needed was not given. `gave_up` says so
    when the same question came too often.
    """

    answers_given: Mapping[str, str]
    sender: str = ""
    gave_up: str = ""
    asked: Counter[str] = field(default_factory=Counter)

    def answers(self, call: Call, gather: Gather) -> Input:
        question = read_question(call.since_input, gather)
        if question.key:
            self.asked[question.key] += 1
            if self.asked[question.key] > MAX_SAME_QUESTION:
                self.gave_up = question.field or "menu"
                return HangUp()
        if question.field:
            return self._fill(question.field, call.since_input, gather)
        if question.options:
            return Keys(self.choose(question.options))
        return Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """Hang up: a caller who plays a script does not wait for a person."""
        return HangUp()

    def _fill(self, name: str, text: str, gather: Gather) -> Input:
        value = self._value(name)
        if not value and name == "phone":
            without = [option for option in read_menu(text) if WITHOUT.search(option.label)]
            if without:
                return Keys(without[0].key)
        if not value:
            given = ", ".join(self.answers_given) or "none"
            raise MissingAnswer(f"the service asks for {name}, which was not given ({given})")
        if name == "town":
            return Speech(value) if "speech" in gather.inputs else Silence()
        if "dtmf" not in gather.inputs:
            return Speech(value)
        return Keys(value)

    def _value(self, name: str) -> str:
        dob = self.answers_given.get("dob", "")
        parts = {"day": dob[:2], "month": dob[2:4], "year": dob[4:]}
        if name in parts:
            return parts[name]
        value = self.answers_given.get(name, "")
        if not value and name == "phone" and is_valid(self.sender) and receives_sms(self.sender):
            # A person who calls from a mobile knows its number.
            return to_national(self.sender)
        return value

    def choose(self, options: tuple[Option, ...]) -> str:
        """Return the key of the first sensible choice."""
        offers = [option for option in options if TIME.search(option.block)]
        if len(offers) > 1 and not any(is_yes(option.label) for option in offers):
            wanted = self.answers_given.get("offer", "1")
            return wanted if wanted in {option.key for option in offers} else offers[0].key
        best = max(options, key=lambda option: (self._weight(option, options), -ord(option.key)))
        return best.key

    def _weight(self, option: Option, options: tuple[Option, ...]) -> int:
        label = option.label
        phone = self.answers_given.get("phone")
        about_mobile = any(
            WITHOUT.search(o.label) and MOBILE.search(o.label) for o in options
        ) or any(OTHER_NUMBER.search(o.label) and MOBILE.search(o.label) for o in options)
        if about_mobile:
            without = WITHOUT.search(label) is not None
            if phone is None:
                own = is_valid(self.sender) and receives_sms(self.sender)
                if without:
                    return 0 if own else NEEDED_WEIGHT
            elif without:
                return NO_WEIGHT
            elif OTHER_NUMBER.search(label) and phone != _national(self.sender):
                return NEEDED_WEIGHT
        weight = sum(points for points, pattern in PREFERENCES if pattern.search(label))
        if NO.search(label):
            weight += NO_WEIGHT
        elif is_yes(label):
            weight += YES_WEIGHT
        return weight


def is_yes(label: str) -> bool:
    """Return whether a choice's label (small letters) agrees to what was read back."""
    label = label.replace("ou bien", "")
    return bool(YES.search(label) or YES_EN.search(label)) and not NO.search(label)


def _national(number: str) -> str:
    return to_national(number) if is_valid(number) else ""
