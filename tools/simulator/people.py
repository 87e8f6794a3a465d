"""Eleven temperaments: callers who behave as people do, good and bad days included.

Each reads what it hears (`answers.py`), knows its own date of birth and address, says no to what
was understood wrong, and does to a service what its temperament makes it do. Chance is given: the
same seed behaves the same way.
"""

import re

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import ClassVar

from exchange.interpreter import Call, Gather, HangUp, Input, Keys, Silence, Speech
from exchange.numbers import is_valid, receives_sms, to_national
from tools.simulator import sayings, tongues
from tools.simulator.answers import (
    AnswersLeg,
    Option,
    Question,
    is_yes,
    read_menu,
    read_question,
)
from tools.simulator.outcomes import heard_references

# A caller who has not got through after so many answers gives up, and the service is to blame.
MOST_TURNS = 150
# A caller who is not understood as often as this uses the keys.
SPEAKS_TRIES = 3
# So often a caller goes on alone who could have been rung back.
ENOUGH_PERSONS = 2

# Main towns of the country, one for each postcode.
TOWNS: Mapping[str, str] = {
    "75011": "Paris",
    "35000": "Rennes",
    "69003": "Lyon",
    "13001": "Marseille",
    "31000": "Toulouse",
    "59000": "Lille",
    "33000": "Bordeaux",
    "44000": "Nantes",
    "67000": "Strasbourg",
    "87000": "Limoges",
}
# Everybody drawn was born in these years.
FIRST_BORN, LAST_BORN = date(1939, 1, 1), date(1944, 12, 31)
LANDLINE_PREFIXES = ("+331426", "+332993", "+334912", "+335564")

# How the label of a choice is said by the person who makes it: the first that fits.
SAID_AS = (
    ("no", "no"),
    ("ready", "ready"),
    ("two", "two_people"),
    ("self", "myself"),
    ("yes", "yes"),
    ("yes", "accepts"),
)
# So sure of itself is a recogniser at the most, right or wrong.
MOST_SURE = 0.95
# Where a value is asked for anew, and how often a caller goes one step back until then.
BACK_AT = {"dob": ("dob", "year"), "postcode": ("postcode", "town")}
ENOUGH_BACKS, BACK_TRIES = 25, 2
SPACED_POSTCODE = re.compile(r"\b(\d(?:[\s,]+\d){4})\b(?![\s,]*\d)")


@dataclass
class Person(AnswersLeg):
    """A caller who listens to the end and answers what is asked, by keys.

    `answers_given` is what they know of themselves; `second` is the date of birth (eight digits)
    of others they may call for. `gave_up` is not empty when the call went on for ever.
    """

    chance: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - behaviour
    second: str = ""
    puzzles: list[str] = field(default_factory=list)
    # How often the question that is put now has been put without an answer that fits.
    tries: int = 0
    turns: int = 0
    persons: int = 0
    on_second: bool = False
    _asked: str = ""
    _done: bool = False
    _stuck: int = 0

    name: ClassVar[str] = "calm"
    # In seconds: from the end of a prompt to the first key, and from key to key.
    reaction_s: ClassVar[float] = 1.5
    key_gap_s: ClassVar[float] = 0.8
    # Whether they take a person who is offered because the call lasts for so long.
    takes_help: ClassVar[bool] = False

    def answers(self, call: Call, gather: Gather) -> Input:
        question = read_question(call.since_input, gather)
        asked = question.field or "".join(sorted(option.key for option in question.options))
        same = asked == self._asked and not self._done
        self.tries = self.tries + 1 if same else 1
        self._asked, self._done = asked, False
        self.turns += 1
        if self.turns > MOST_TURNS:
            self.gave_up = question.field or "menu"
            return HangUp()
        self._notices_whose_turn(call, question)
        return self.behaves(call, gather, question)

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        """Return what this temperament does; here, what is sensible."""
        return self.sensible(call, gather, question)

    def _notices_whose_turn(self, call: Call, question: Question) -> None:
        if not self.second or self.on_second:
            return
        again = question.field in {"dob", "year"} and bool(heard_references(call.spoken))
        self.on_second = (
            again or tongues.about("second_person").search(call.since_input) is not None
        )

    # What is sensible

    @property
    def dob(self) -> str:
        """The date of birth that is asked for now, as eight digits."""
        return self.second if self.on_second else self.answers_given.get("dob", "")

    def sensible(self, call: Call, gather: Gather, question: Question) -> Input:
        """Return the right keys for what is asked, or silence where it cannot be made out."""
        self._done = True
        if question.options:
            return Keys(self.picks(call.since_input, question.options).key)
        if question.field:
            return self._types(call, gather, question)
        if tongues.about("may_hang_up").search(call.since_input) and heard_references(call.spoken):
            return HangUp()
        self.puzzles.append(call.since_input)
        return Silence()

    def _types(self, call: Call, gather: Gather, question: Question) -> Input:
        value = self.knows(question.field, call.since_input)
        if value and "dtmf" in gather.inputs:
            return Keys(value if gather.finish_on_key != "#" else f"{value}#")
        if value or (question.field == "town" and "speech" in gather.inputs):
            return Speech(value or self._town)
        return self._has_none(call, gather, question)

    def _has_none(self, call: Call, gather: Gather, question: Question) -> Input:
        """Do without what is asked for: the choice for that, else a step back, else a person."""
        self._done = False
        for option in read_menu(call.since_input):
            if tongues.about("without").search(option.label) or tongues.about("has_none").search(
                option.label
            ):
                return Keys(option.key if gather.finish_on_key != "#" else f"{option.key}#")
        self._stuck += 1
        if self._stuck % 3 == 0:
            return Silence()
        return Keys("*#" if self._stuck % 3 == 1 else "0#")

    def knows(self, name: str, text: str) -> str:
        """Return what this person would type for a field, or nothing when they have none."""
        dob = self.dob
        parts = {"dob": dob, "day": dob[:2], "month": dob[2:4], "year": dob[4:]}
        if name in parts:
            return parts[name]
        if name != "phone" or self.answers_given.get("phone"):
            return "" if name == "town" else self.answers_given.get(name, "")
        if not is_valid(self.sender):
            return ""
        if (
            tongues.about("mobile_wanted").search(text)
            and "fixe" not in text
            and not receives_sms(self.sender)
        ):
            return ""
        return to_national(self.sender)

    @property
    def _town(self) -> str:
        return self.answers_given.get("town") or TOWNS.get(
            self.answers_given.get("postcode", ""), "Paris"
        )

    def picks(self, text: str, options: tuple[Option, ...]) -> Option:
        """Return the choice that suits: no to what was understood wrong, else the sensible one."""
        if self.is_wrong(text):
            refusals = [option for option in options if tongues.about("no").search(option.label)]
            if refusals:
                return refusals[0]
        helps = [option for option in options if tongues.about("helped").search(option.label)]
        if helps and self.takes_help:
            # Nor do they go on alone where no agent can answer now.
            self.persons = ENOUGH_PERSONS
            return helps[0]
        promises = [option for option in options if tongues.about("promises").search(option.label)]
        if promises and any(tongues.about("goes_on").search(option.label) for option in options):
            # Once more by oneself; a caller who comes here again has had enough.
            self.persons += 1
            if self.persons > ENOUGH_PERSONS:
                return promises[0]
        key = self.choose(options)
        return next(option for option in options if option.key == key)

    def is_wrong(self, text: str) -> bool:
        """Return whether `text` reads back a date of birth or a postcode that is not theirs."""
        return bool(self.misread(text))

    def misread(self, text: str) -> str:
        """Return what `text` reads back that is not theirs: the name of the field, or nothing."""
        dates = [_as_typed(match) for match in tongues.written_date().finditer(text)]
        typed = [value for value in dates if value]
        if typed and self.dob not in typed:
            return "dob"
        postcode = self.answers_given.get("postcode", "")
        spaced = [re.sub(r"\D", "", digits) for digits in SPACED_POSTCODE.findall(text)]
        about = "code" in text.casefold()
        return "postcode" if about and spaced and postcode and postcode not in spaced else ""

    def _weight(self, option: Option, options: tuple[Option, ...]) -> int:
        weight = super()._weight(option, options)
        if tongues.about("goes").search(option.label):
            weight -= 150
        if tongues.about("promises").search(option.label):
            weight += 30
        if tongues.about("more_time").search(option.label):
            weight += 70
        return weight

    # What can be said instead

    def spoken(self, call: Call, gather: Gather, question: Question) -> str:
        """Return what this person would say to what is asked; empty when there is nothing."""
        language = tongues.spoken(gather.language)
        if question.field:
            return self._says_field(question.field, call.since_input, language)
        if not question.options:
            return ""
        option = self.picks(call.since_input, question.options)
        what, words = self._says_choice(option, question.options, language)
        return sayings.say(what, words, language, self.chance)

    @staticmethod
    def _says_choice(
        option: Option, options: tuple[Option, ...], language: str
    ) -> tuple[str, dict[str, str]]:
        """Return which sentence says a choice, and the words that go into it."""
        offers = [
            o for o in options if tongues.about("time").search(o.block) and not is_yes(o.label)
        ]
        if option in offers and len(offers) > 1:
            return "nth", {
                "place": tongues.tongues()[language]["places"][min(offers.index(option), 3)]
            }
        if option in offers:
            return "only", {}
        for what, meaning in SAID_AS:
            if tongues.about(meaning).search(option.label):
                return what, {}
        # No caller says "tapez", nor what stands behind the first comma.
        label = tongues.unlabelled(option.label).partition(",")[0].strip(" .")
        return "choice", {"label": label}

    def _says_field(self, name: str, text: str, language: str) -> str:
        value = self._town if name == "town" else self.knows(name, text)
        if not value or name not in tongues.tongues()[language]["says"]:
            return ""
        postcode = self.answers_given.get("postcode", "")
        words = {
            "postcode": postcode,
            "spaced": f"{postcode[:2]} {postcode[2:]}",
            "town": self._town,
            "phone": sayings.in_pairs(value),
        }
        if self.dob:
            words |= sayings.date_words(self.dob, language)
        return sayings.say(name, words, language, self.chance)


def _as_typed(match: re.Match[str]) -> str:
    """Return a date in words as eight digits, or nothing when it is none."""
    name = (match["month"] or match["month_en"] or "").casefold()
    for months in tongues.months():
        if name in months:
            day, year = match["day"] or match["day_en"], match["year"] or match["year_en"]
            return f"{int(day):02d}{months.index(name) + 1:02d}{year}"
    return ""


class Hurried(Person):
    """Presses into prompts, often several keys where one was wanted, and sometimes a wrong one."""

    name = "hurried"
    reaction_s = 0.0
    key_gap_s = 0.2

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        right = self.sensible(call, gather, question)
        if not isinstance(right, Keys):
            return right
        keys, slip = right.digits, self.chance.random()
        if gather.num_digits == 1:
            keys = keys * self.chance.choice((1, 2, 3))
        if self.tries == 1 and slip < 0.15:  # noqa: PLR2004 - one in seven
            self._done = False
            keys = self.chance.choice("567") + keys
        return Keys(keys, interrupts=True)


class Silent(Person):
    """Never presses or says anything."""

    name = "silent"

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        return Silence()


@dataclass
class Slow(Person):
    """Silent at the first wording of everything, long between keys, and sometimes too long.

    Asks for more time once, where it is said how.
    """

    name: ClassVar[str] = "slow"
    takes_help: ClassVar[bool] = True
    reaction_s: ClassVar[float] = 4.0
    key_gap_s: ClassVar[float] = 3.0
    asked_for_time: bool = False

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if self.tries == 1:
            return Silence()
        if tongues.about("more_time_key").search(call.since_input) and not self.asked_for_time:
            self.asked_for_time = True
            return Keys("8" if gather.num_digits == 1 else "8#")
        right = self.sensible(call, gather, question)
        if isinstance(right, Keys) and len(right.digits) > 2:  # noqa: PLR2004
            longest = max(self.chance.uniform(1.5, 5.2) for _ in right.digits[1:])
            if longest > gather.timeout_s:
                # No one waits any longer for the next key: what was typed is sent as it is.
                self._done = False
                return Keys(right.digits[: self.chance.randint(1, len(right.digits) - 2)])
        return right


class WrongTwice(Person):
    """Wrong twice at every question, then right."""

    name = "wrong-twice"
    takes_help = True

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if self.tries > 2:  # noqa: PLR2004 - twice wrong
            return self.sensible(call, gather, question)
        return Keys(self._wrong(question))

    def _wrong(self, question: Question) -> str:
        wrong = {
            "dob": ("31021942", "1203", "12032041", "99999999", "01011700", "13121941"),
            "year": ("2077", "0042", "19"),
            "month": ("13", "77"),
            "day": ("32", "45"),
            "postcode": ("99999", "00000", "750", "20999"),
            "phone": ("0102", "1234567890", "0142"),
            "reference": ("0000000000", "12345"),
            "code": ("000000", "12345"),
        }
        if question.field in wrong:
            return self.chance.choice(wrong[question.field]) + "#"
        taken = {option.key for option in question.options}
        # Where five keys are told, others are taken that are told later: no digit is wrong.
        free = [key for key in "345" if key not in taken] or ["#"]
        return self.chance.choice(free)


class AsksAgain(Person):
    """Has everything said again and again, slower, and goes back a step now and then."""

    name = "asks-again"

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        ask = self.chance.random()
        if ask < 0.5 and self.tries <= 3:  # noqa: PLR2004 - thrice is enough
            key = "9"
        elif ask < 0.58:  # noqa: PLR2004
            key = "8"
        elif ask < 0.66 and self.turns < 40:  # noqa: PLR2004
            key = "*"
        else:
            return self.sensible(call, gather, question)
        return Keys(key if gather.num_digits == 1 else key + self.chance.choice(("", "#")))


@dataclass
class PressesEverything(Person):
    """Presses any keys for a while, then listens."""

    name: ClassVar[str] = "presses-everything"
    for_turns: int = 0

    def __post_init__(self) -> None:
        self.for_turns = self.for_turns or self.chance.randint(6, 16)

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if self.turns > self.for_turns:
            return self.sensible(call, gather, question)
        count = self.chance.choice((1, 1, 1, 1, 2, 5, 8, 12))
        return Keys("".join(self.chance.choice("0123456789*#") for _ in range(count)))


class Talks(Person):
    """Takes it for a person: long sentences wherever something listens, keys only when told."""

    name = "talks"

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if "speech" not in gather.inputs and self.tries == 1:
            # What is said here is not heard.
            return Silence()
        words = self.spoken(call, gather, question)
        tired = self.tries > SPEAKS_TRIES and "dtmf" in gather.inputs
        if "speech" in gather.inputs and words and not tired:
            return Speech(words, self.chance.choice((None, 0.55, 0.7, 0.85, 0.93)))
        return self.sensible(call, gather, question)


@dataclass
class InNoise(Person):
    """A caller in a room where others are heard; the keys are the person's own.

    What others said in their place they notice when it is read to them, and go back to it.
    """

    others_dob: str = ""
    others_town: str = ""
    others_postcode: str = ""
    _back_to: str = ""
    _backs: int = 0

    def __post_init__(self) -> None:
        own = self.answers_given.get("postcode", "")
        self.others_dob = born(self.chance)
        elsewhere = [code for code in TOWNS if TOWNS[code] != TOWNS.get(own)]
        self.others_postcode = self.chance.choice(elsewhere)
        self.others_town = TOWNS[self.others_postcode]

    def others_say(self, what: str | None = None) -> str:
        """Return what is heard in the room, from a person who was asked for `what`, or not."""
        return sayings.around(
            self.others_dob, self.others_town, self.others_postcode, self.chance, what
        )

    def misread(self, text: str) -> str:
        wrong = super().misread(text)
        if sayings.OTHERS_PHONE in re.sub(r"\D", "", text):
            return "phone"
        named = self.others_town.casefold() in text.casefold()
        return wrong or ("postcode" if named and self._town not in text else "")

    def sensible(self, call: Call, gather: Gather, question: Question) -> Input:
        text = call.since_input
        # A question for a value has an example in it, and reads nothing back.
        wrong = "" if question.field else self.misread(text)
        if wrong and not self._can_refuse(text, question):
            self._back_to = wrong
        elif wrong or question.field in BACK_AT.get(self._back_to, ()) or self.tries > BACK_TRIES:
            # What is wrong can be told here, or there is no further back from here.
            self._back_to = ""
        if not self._back_to:
            return super().sensible(call, gather, question)
        self._backs += 1
        key = "*" if self._backs <= ENOUGH_BACKS else "0"
        return Keys(key if gather.num_digits == 1 else f"{key}#")

    @staticmethod
    def _can_refuse(text: str, question: Question) -> bool:
        """Return whether a choice leads to what is read; at the last look it leads to others."""
        refusals = [
            option for option in question.options if tongues.about("no").search(option.label)
        ]
        return bool(refusals) and not tongues.about("time").search(text)


class Television(InNoise):
    """A set that is on: where something listens it is heard first; the keys are the person's."""

    name = "television"

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if "speech" in gather.inputs:
            answers = self.chance.random() < 0.5  # noqa: PLR2004 - as if it were asked
            noise = self.others_say() if answers else self.chance.choice(sayings.TELEVISION)
            return Speech(noise, round(self.chance.uniform(0.02, MOST_SURE), 2))
        if self.tries == 1 and self.chance.random() < 0.5:  # noqa: PLR2004 - drowned out
            return Silence()
        return self.sensible(call, gather, question)


class SecondVoice(InNoise):
    """Another person in the room answers the machine, faster than the caller.

    The caller answers the rest, by voice where that is heard, else by keys.
    """

    name = "second-voice"

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if "speech" not in gather.inputs:
            return self.sensible(call, gather, question)
        if self.chance.random() < 0.6:  # noqa: PLR2004 - more often than not
            asked = self.chance.random() < 0.7  # noqa: PLR2004 - else anything
            words = self.others_say(question.field if asked else None)
            return Speech(words, round(self.chance.uniform(0.3, MOST_SURE), 2))
        words = self.spoken(call, gather, question)
        own = self.is_wrong(call.since_input) or self.chance.random() < 0.5  # noqa: PLR2004
        if own or not words:
            return self.sensible(call, gather, question)
        return Speech(words, round(self.chance.uniform(0.5, MOST_SURE), 2))


class Couple(Person):
    """Calls for two people, and has both dates of birth at hand."""

    name = "couple"

    def _weight(self, option: Option, options: tuple[Option, ...]) -> int:
        wanted = tongues.about("two_people").search(option.label) and not self.on_second
        return 300 if wanted else super()._weight(option, options)


class Landline(Person):
    """Has no mobile, and listens to the reference once more before writing it down."""

    name = "landline"
    reaction_s = 2.5

    def behaves(self, call: Call, gather: Gather, question: Question) -> Input:
        if heard_references([*call.spoken]) and self.tries == 1 and self._offers_again(call):
            return Keys("9")
        return self.sensible(call, gather, question)

    @staticmethod
    def _offers_again(call: Call) -> bool:
        return re.search(r"\br[ée]f[ée]rence\b", call.since_input, re.IGNORECASE) is not None


TEMPERAMENTS: Mapping[str, type[Person]] = {
    kind.name: kind
    for kind in (
        Hurried,
        Silent,
        Slow,
        WrongTwice,
        AsksAgain,
        PressesEverything,
        Talks,
        Television,
        SecondVoice,
        Couple,
        Landline,
    )
}


def born(chance: Random) -> str:
    """Return a date of birth as eight digits, drawn from the years that are invited."""
    days = (LAST_BORN - FIRST_BORN).days
    return (FIRST_BORN + timedelta(days=chance.randint(0, days))).strftime("%d%m%Y")


def somebody(
    name: str, seed: int, *, sender: str = "", given: Mapping[str, str] | None = None
) -> Person:
    """Return the person that a temperament and a seed make; `given` and `sender` win over chance.

    Raises KeyError for a temperament that there is not.
    """
    chance = Random(f"{name} {seed}")  # noqa: S311 - behaviour, not a secret
    answers = {"dob": born(chance), "postcode": chance.choice(tuple(TOWNS)), **(given or {})}
    if name == Landline.name:
        number = chance.choice(LANDLINE_PREFIXES) + f"{chance.randrange(100_000):05d}"
    else:
        number = f"+33612{chance.randrange(1_000_000):06d}"
    # A caller who is asked about a second person by mistake has one to tell of.
    return TEMPERAMENTS[name](answers, sender or number, chance=chance, second=born(chance))
