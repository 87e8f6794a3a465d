"""The words of a conversation by text: the same questions as on the telephone, to be read.

Each language has a file of `by_text/` with the entries of `[say]` that may leave in a text, under
the same keys and with the same values. What is made for the ear (a pause, "tapez", a voice that is
to be heard again) must not arrive in one: see `problems`.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from prompts import service_words
from prompts.catalogue import FOLDER, PAUSE, Catalogue, languages, load, of_source
from prompts.service_words import TEXT, Words

BY_TEXT = "by_text"
# What begins so is said in calls alone: lines that are held, rung or cut, and what is dictated.
EAR_ONLY = re.compile(
    r"short\.|welcome|resume|queue_|person_waits|person_passed|agent_|third_|call_on_hold|technical"
    r"|crowded|callback_|rung_|news_told|slower|you_may_speak|use_keys|goodbye_|ready|reference|calls_"
    r"|untold|reach|my_|kept_place|take_your_time|no_text_now|not_texted|wait\.|no_person\."
    r"|goodbye$|partner_free_|not_yet_open_(landline|none)|person_unknown|reason\."
    r"|without_code|for_others|confirm_resumed|first_counts|on_without_number|long_call|booked"
    r"|confirm_(mobile|born|\w+_text)"
    # An agent asks what for: no text may name it.
    r"|service_|since_|not_since|on_for|what_for"
    # Asked behind what is booked: a text has the address and the number to ring.
    r"|about_visit|visit_"
)
# Of those families, what is written all the same.
WRITTEN_TOO = frozenset(
    {
        "goodbye", "goodbye_later", "take_your_time", "not_texted", "reason.not_understood",
        "reason.hardly_heard", "reason.key", "reason.date_incomplete", "reason.century",
        "reason.two_births", "reason.no_such_date", "reason.future", "reason.too_old",
        "reason.year", "reason.month", "reason.postcode_incomplete", "reason.no_such_postcode",
        "reason.no_such_departement", "reason.number_incomplete", "reason.number_unusable",
        "reason.number_landline", "reason.several_fit", "partner_free_hour",
        "partner_free_minutes",
    }
)  # fmt: skip
# What only a conversation by text says, with the values that it is given.
OF_ITS_OWN: Mapping[str, frozenset[str]] = {
    "begin": frozenset(),
    "text_booked": frozenset(),
    "text_booked_both": frozenset(),
    "text_booked_untexted": frozenset({"reference"}),
    "text_booked_untexted_both": frozenset({"reference"}),
    "picture": frozenset(),
    "too_long": frozenset(),
    "crossed": frozenset(),
    "not_kept": frozenset(),
    "still_kept": frozenset(),
    "enough": frozenset(),
}
# Keys that are spoken and not written: an appointment that is there is no matter for texts.
NOT_WRITTEN: Mapping[str, frozenset[str]] = {"closed": frozenset("2")}
# Values that a text has besides: where a place is, in words that say nothing of health, and its
# town where a voice says its name.
ALSO = frozenset({"address", "town1", "town2", "town3"})
# The keys that a text offers; the others are told where they are needed.
_CHOICES = frozenset("01234567")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
# Words for the ear, and for a keypad; in the languages that there are.
_FOR_THE_EAR = re.compile(
    r"\||tapez|appuyez|composez|r[ée][ée]?cout|entendre\b|entends\b|entendu\b|raccroch"
    r"|restez en ligne|dites|étoile|dièse"
    r"|\bpress\b|\bhear\b|\blisten|hang up|hold the line|\bsay\b|\bstar\b|\bhash\b"
    r"|pulse|\boir\b|escuch|cuelgu|no cuelgue|\bdiga\b|asterisco|almohadilla",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ByText:
    """One language. `begins` is how a text begins that asks for an appointment; `word` is told.

    `unknown` answers what is not understood where no conversation goes on.
    """

    language: str
    spoken: Catalogue
    written: Catalogue
    begins: re.Pattern[str]
    word: str
    unknown: str

    def say(self, key: str, values: Mapping[str, Any], wording: int = 0) -> str:
        """An entry in written words; one that the file lacks is made of what is spoken.

        Raises NoSuchSentence.
        """
        if key in self.written.keys:
            return _tidy(self.written.say(key, values, wording))
        return self.derived(self.spoken.say(key, values, wording))

    def derived(self, marked: str) -> str:
        """What is spoken, to be read: options by their key, and none that a text does not need."""
        told: list[str] = []
        options: list[str] = []
        for sentence in _SENTENCE_END.split(" ".join(marked.replace(PAUSE, " ").split())):
            option = self._option.search(sentence)
            if option is None:
                told.append(sentence)
            elif option["key"] in _CHOICES:
                label = sentence[: option.start()].rstrip(" ,:")
                options.append(f"{option['key']} {label}")
        return " ".join((*told, ", ".join(options))).strip()

    @cached_property
    def _option(self) -> re.Pattern[str]:
        press = re.escape(str(self.press))
        return re.compile(rf"[,]? *\b{press} (?P<key>\d|\w+)\W*$", re.IGNORECASE)

    @property
    def press(self) -> str:
        """How an option names its key, when it is spoken."""
        return self.spoken.press


def by_text(language: str, folder: Path = FOLDER, words: Words | None = None) -> ByText:
    """The sentences of a language that may leave in a text, with the words of a service.

    Without `words`, those in use. Raises FileNotFoundError.
    """
    return _by_text(language, folder, words or service_words.in_use())


@lru_cache(maxsize=64)
def _by_text(language: str, folder: Path, words: Words) -> ByText:
    path = folder / f"{language}.toml"
    source = tomllib.loads(path.read_text("utf-8"))
    file = tomllib.loads((folder / BY_TEXT / f"{language}.toml").read_text("utf-8"))
    own = words[language]
    written = own.filled(TEXT, file["say"])
    return ByText(
        language,
        load(language, words) if folder == FOLDER else of_source(path, source, words),
        Catalogue(language, {**source, "say": written, "text": {}}),
        re.compile(f"(?:{own.begins(file['begins'])})(?P<rest> .*)?"),
        file["word"],
        file["unknown"],
    )


def _tidy(text: str) -> str:
    """With single spaces; the lines stay, for each offer has its own."""
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def needed(spoken: Catalogue) -> list[str]:
    """The keys that a conversation by text may say."""
    from_calls = [
        key for key in spoken.spoken_keys if key in WRITTEN_TOO or not EAR_ONLY.match(key)
    ]
    return [*from_calls, *OF_ITS_OWN]


def is_there(language: str, folder: Path = FOLDER) -> bool:
    """Whether a conversation by text is possible in a language."""
    return (folder / BY_TEXT / f"{language}.toml").exists()


def spoken_by_text(folder: Path = FOLDER) -> tuple[str, ...]:
    """The languages in which texts may be answered, the country's own first."""
    return tuple(language for language in languages(folder) if is_there(language, folder))


def for_the_ear(text: str) -> str:
    """What of a text is made to be heard; empty where nothing is."""
    found = _FOR_THE_EAR.search(text)
    return found[0] if found else ""


def values_of(spoken: Catalogue, key: str) -> frozenset[str]:
    """The values that an entry may name."""
    if key in OF_ITS_OWN:
        return OF_ITS_OWN[key]
    names = {
        part.name
        for number in range(spoken.wordings(key))
        for part in spoken.parts(key, number)
        if part.name
    }
    return frozenset(names) | ALSO
