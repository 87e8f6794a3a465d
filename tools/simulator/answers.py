"""A caller who understands what is asked: reads a prompt as a person would and picks the keys.

The rules lean on how menus are worded everywhere, label first or key first, not on any one
service's sentences; the words of each language are in `languages/`.
"""

import re

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Input,
    Keys,
    QueueWait,
    Silence,
    Speech,
)
from exchange.legs import Leg, Talker
from exchange.numbers import is_valid, receives_sms, to_e164, to_national
from tools.simulator import tongues

# Never chosen unasked: a person, the same again, one step back, slower.
RESERVED_KEYS = frozenset("089*#")
MAX_SAME_QUESTION = 4
KNOWN_ANSWERS = ("dob", "postcode", "town", "offer", "phone", "reference")
DIGIT_COUNTS = {"dob": 8, "postcode": 5, "phone": 10, "reference": 10}

SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
CLAUSE_END = re.compile(r"(?<=[.!?;:])\s+")
YES_WEIGHT, NO_WEIGHT, NEEDED_WEIGHT = 55, -100, 200


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
    for answer in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = answer.partition("=")
        if not equals or name not in KNOWN_ANSWERS:
            known = ", ".join(KNOWN_ANSWERS)
            raise ValueError(f"{answer!r} is no answer; write name=value with one of: {known}")
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
        matches = list(tongues.option().finditer(sentence))
        start = 0
        for number, match in enumerate(matches):
            key = match["key"].casefold()
            key = tongues.key_words().get(key, key)
            end = matches[number + 1].start() if number + 1 < len(matches) else len(sentence)
            before = sentence[start : match.start()].strip(" ,")
            start = match.end()
            if tongues.follows_key().match(sentence, match.end()) and (not before or number):
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
    # Who wants an appointment has no question about it.
    asks = tongues.about("questions")
    options = tuple(option for option in read_menu(text) if not asks.search(option.label))
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
    sentences = [
        sentence for sentence in sentences if not tongues.option().search(sentence)
    ] or sentences
    asking = [sentence for sentence in sentences if tongues.about("asks").search(sentence)]
    for sentence in [*reversed(asking), *reversed(sentences)]:
        names = [name for name, pattern in tongues.fields() if pattern.search(sentence)]
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
            without = [
                option
                for option in read_menu(text)
                if tongues.about("without").search(option.label)
            ]
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
        offers = [option for option in options if tongues.about("time").search(option.block)]
        if len(offers) > 1 and not any(is_yes(option.label) for option in offers):
            wanted = self.answers_given.get("offer", "1")
            return wanted if wanted in {option.key for option in offers} else offers[0].key
        best = max(options, key=lambda option: (self._weight(option, options), -ord(option.key)))
        return best.key

    def _weight(self, option: Option, options: tuple[Option, ...]) -> int:
        label = option.label
        phone = self.answers_given.get("phone")
        about_mobile = any(
            tongues.about("without").search(o.label) and tongues.about("mobile").search(o.label)
            for o in options
        ) or any(
            tongues.about("other_number").search(o.label)
            and tongues.about("mobile").search(o.label)
            for o in options
        )
        if about_mobile:
            without = tongues.about("without").search(label) is not None
            if phone is None:
                own = is_valid(self.sender) and receives_sms(self.sender)
                if without:
                    return 0 if own else NEEDED_WEIGHT
            elif without:
                return NO_WEIGHT
            elif tongues.about("other_number").search(label) and phone != _national(self.sender):
                return NEEDED_WEIGHT
        weight = sum(points for points, pattern in tongues.preferences() if pattern.search(label))
        if tongues.about("no").search(label):
            weight += NO_WEIGHT
        elif is_yes(label):
            weight += YES_WEIGHT
        return weight


@dataclass
class LanguageLeg:
    """Takes the choice that names a language (its code: "es"), and lets another leg do the rest.

    Raises MissingAnswer out of the drive when the first menu names no such language.
    """

    leg: Leg
    language: str
    chosen: bool = False

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        if self.chosen:
            return self.leg.answers(call, gather)
        named = tongues.names(self.language)
        found = [option.key for option in read_menu(call.since_input) if named.search(option.block)]
        if not found:
            raise MissingAnswer(f"the first menu names no language {self.language}")
        self.chosen = True
        return Keys(found[0])

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`."""
        return self.leg.waits(call, queue)

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`."""
        return self.leg.confers(call, wait) if isinstance(self.leg, Talker) else Silence()


def is_yes(label: str) -> bool:
    """Return whether a choice's label (small letters) agrees to what was read back."""
    label = tongues.about("not_yes").sub("", label)
    agrees = tongues.about("yes").search(label) or tongues.about("accepts").search(label)
    return agrees is not None and not tongues.about("no").search(label)


def _national(number: str) -> str:
    return to_national(number) if is_valid(number) else ""
