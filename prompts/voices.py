"""What each voice of the provider takes of SSML, by the rules that are published.

Twilio's page on text-to-speech says which families there are, how many characters a <Say> may
have, and that what a voice takes is its maker's affair. Amazon's pages (Polly: "Supported SSML
tags", "<say-as>", "<prosody>") say of neural voices: no emphasis, no pitch, a rate from 20 % to
200 %, and that the standard voice takes over where letters are said one by one; of generative ones,
that prosody is partial. A tag that a voice does not have makes it refuse the whole <Say>: only what
is called fully available there is made use of, and of a voice of which nothing is known, nothing.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

BREAK, PROSODY, SAY_AS = "break", "prosody", "say-as"
RATE = "rate"
# Values of interpret-as.
DIGITS, CARDINAL, DATE = "digits", "cardinal", "date"

_EVERY_VOICE = frozenset({BREAK, "lang", "p", "s", SAY_AS, "sub", "w"})
_POLLY_SAYS_AS = frozenset(
    {"address", CARDINAL, DATE, DIGITS, "expletive", "fraction", "number", "ordinal"}
    | {"telephone", "time", "unit"}
)
_LETTERS = frozenset({"characters", "spell-out"})
# Google knows no "digits" and no "number".
_GOOGLE_SAYS_AS = frozenset(
    {"characters", CARDINAL, DATE, "expletive", "fraction", "ordinal", "spell-out"}
    | {"telephone", "time", "unit"}
)


@dataclass(frozen=True)
class Voice:
    """A voice: its SSML tags, the attributes of <prosody> and the values of interpret-as.

    `most_characters` is how long a <Say> may be, tags not counted. `languages`: those that it
    speaks; empty where that is not known here.
    """

    name: str
    tags: frozenset[str] = frozenset()
    prosody: frozenset[str] = frozenset()
    says_as: frozenset[str] = frozenset()
    most_characters: int = 4096
    languages: frozenset[str] = frozenset()

    @property
    def pauses(self) -> bool:
        """Whether it takes a <break>."""
        return BREAK in self.tags

    def says(self, how: str) -> bool:
        """Whether it takes <say-as> with this interpret-as."""
        return SAY_AS in self.tags and how in self.says_as

    @property
    def slows(self) -> bool:
        """Whether it takes <prosody rate>."""
        return PROSODY in self.tags and RATE in self.prosody


class UnknownVoice(ValueError):
    """A name that is no voice of the provider; the message says what to do."""


# Amazon's voices of the languages that this service speaks, or that people here may want.
_POLLY: Mapping[str, str] = {
    "fr-FR": "Celine Lea Mathieu Lea-Neural Remi-Neural Lea-Generative Rémi-Generative",
    "en-GB": "Amy Brian Emma Amy-Neural Arthur-Neural Brian-Neural Emma-Neural Amy-Generative",
    "es-ES": (
        "Conchita Enrique Lucia Lucia-Neural Sergio-Neural Lucia-Generative Sergio-Generative"
    ),
    "pt-PT": "Cristiano Ines Ines-Neural",
    "de-DE": "Hans Marlene Vicki Daniel-Neural Vicki-Neural Daniel-Generative Vicki-Generative",
    "it-IT": "Bianca Carla Giorgio Adriano-Neural Bianca-Neural Bianca-Generative",
}
_LANGUAGE_OF = {
    f"Polly.{name}": language for language, names in _POLLY.items() for name in names.split()
}
_SPOKEN_BY_POLLY = frozenset(_POLLY)
_GOOGLE = re.compile(r"Google\.(?P<language>[a-z]{2,3}-[A-Za-z]{2})-(?P<kind>[A-Za-z0-9-]+)-\w+")
# Without SSML and without a language of their own.
_BASIC = frozenset({"man", "woman", "alice"})


@lru_cache(256)
def voice(name: str) -> Voice:
    """The voice of a name as the provider's documents have it ("Polly.Lea-Neural").

    Raises UnknownVoice.
    """
    if name in _BASIC:
        return Voice(name)
    if name.startswith("Polly."):
        return _polly(name)
    google = _GOOGLE.fullmatch(name)
    if google is None:
        raise UnknownVoice(f"{name!r} is no voice; write one such as Polly.Lea-Neural")
    languages = frozenset({google["language"]})
    if google["kind"].startswith("Chirp"):
        return Voice(name, most_characters=5000, languages=languages)
    tags = _EVERY_VOICE - {"w"} | {"emphasis", "phoneme", PROSODY}
    prosody = frozenset({"pitch", RATE, "volume"})
    return Voice(name, tags, prosody, _GOOGLE_SAYS_AS, 5000, languages)


def _polly(name: str) -> Voice:
    language = _LANGUAGE_OF.get(name)
    languages = frozenset({language}) if language else frozenset()
    if name.endswith("-Neural"):
        tags = _EVERY_VOICE | {"phoneme", PROSODY}
        return Voice(name, tags, frozenset({RATE, "volume"}), _POLLY_SAYS_AS, 3000, languages)
    if name.endswith("-Generative"):
        says_as = _POLLY_SAYS_AS | _LETTERS
        return Voice(name, _EVERY_VOICE, frozenset(), says_as, 3000, languages)
    tags = _EVERY_VOICE | {"emphasis", "phoneme", PROSODY}
    prosody = frozenset({"pitch", RATE, "volume"})
    return Voice(name, tags, prosody, _POLLY_SAYS_AS | _LETTERS, 3000, languages)


def misfit(name: str, language: str) -> str:
    """Why a voice cannot speak a language of the provider ("fr-FR"); empty where it can.

    A voice and a language that do not go together make a <Say> fail.
    """
    try:
        one = voice(name)
    except UnknownVoice as unknown:
        return str(unknown)
    if one.languages and language not in one.languages:
        return f"{name} speaks {', '.join(sorted(one.languages))}, and this language is {language}"
    if name.startswith("Polly.") and not one.languages and language in _SPOKEN_BY_POLLY:
        known = ", ".join(f"Polly.{known}" for known in _POLLY[language].split())
        return f"{name} does not speak {language}; these do: {known}"
    return ""
