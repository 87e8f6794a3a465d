"""The text of a <Say> as a small voice reads it well: cut into sentences, rid of what breaks it.

Sentences are what is spoken and kept: "Pour parler à une personne, tapez 0." stands in a hundred
prompts. What the voices read well by themselves is left alone (16h30, 1er, 12 km, Mme, 50 %, 10 €);
each rule here is of something that was heard to be wrong.
"""

import re
import unicodedata

from functools import lru_cache
from typing import Final

# A longer sentence is cut where it breathes, so that its beginning is there soon.
MOST_CHARACTERS: Final = 240
FRENCH: Final = "fr-FR"
# The voices of the synthesis by language, beside the two English ones.
_REGIONS: Final = {"fr": "fr-FR", "de": "de-DE", "es": "es-ES", "it": "it-IT"}
_BRITISH: Final = frozenset({"en-GB", "en-GB-WLS", "en-AU", "en-NZ", "en-IE", "en-IN", "en-ZA"})

# One sign for another, in every language. Angle brackets would be the synthesis's own mark-up.
_SIGNS: Final = str.maketrans(
    {
        **dict.fromkeys("’‘ʼ`´′", "'"),
        **dict.fromkeys('«»“”„‹›"<>|\\^~_{}[]', " "),
        **dict.fromkeys("–—―", " , "),
        **dict.fromkeys("‐‑", "-"),
        "…": ".",
    }
)
# "un - deux" is read as one word; dots in a row are read out.
_DASH: Final = re.compile(r"\s-\s|\s+,")
_DOTS: Final = re.compile(r"\.{2,}")
_STOPS: Final = re.compile(r"[.!?]+(?=\s|$)")
# After these a full stop ends nothing.
_SHORTENED: Final = re.compile(r"(?:^|\s)(?:M|Mr|Mrs|Ms|Dr|St|av|bd|\w\.\w|[A-Z])$", re.IGNORECASE)
_BREATH: Final = re.compile(r"[,;:]\s")

_FRENCH: Final = (
    # "16 h" without minutes is read as the letter by some.
    (re.compile(r"(\d)\s?h(?=[\s.,;:!?)]|$)", re.IGNORECASE), r"\1 heures"),
    (re.compile(r"\bSt(?:[-.]\s?|\s)(?=[A-ZÀ-Ý])"), "Saint-"),
    (re.compile(r"\bSte(?:[-.]\s?|\s)(?=[A-ZÀ-Ý])"), "Sainte-"),
    (re.compile(r"\b[Bb][Dd]\.?\s(?=\w)"), "boulevard "),
    (re.compile(r"\b[Aa][Vv]\.?\s(?=\w)"), "avenue "),
    (re.compile(r"\b[Nn][°º]\s?(?=\d)"), "numéro "),
    (re.compile(r"#"), " dièse "),
)
# Capitals are spelt out where a word has an accent, or three letters and less: "ÉTÉ", "RUE". That
# is right for "CHU", and wrong for these.
_CAPITALS: Final = re.compile(r"\b[A-ZÀ-ÖØ-ÝŒ]{2,}\b")
_SMALL_WORDS: Final = re.compile("AUX?|BIS|D[EU]|DES|EN|EST|ET|L[AE]|LES|MER|RUE|SU[DR]|UNE?|VAL")


def voice_of(language: str) -> str:
    """Return the voice that reads a language (BCP 47); French where it is unknown or not said."""
    if language.startswith("en"):
        return "en-GB" if language in _BRITISH else "en-US"
    return _REGIONS.get(language[:2], FRENCH)


# A few hundred texts, each of some hundred characters: the same ones are said again and again.
@lru_cache(maxsize=512)
def sentences(text: str, voice: str) -> tuple[str, ...]:
    """Return what is to be spoken, a breath at a time; nothing where there is nothing to say."""
    text = "".join(map(_sign, unicodedata.normalize("NFC", text).translate(_SIGNS)))
    text = _DOTS.sub(".", _DASH.sub(", ", text))
    if voice == FRENCH:
        for wrong, right in _FRENCH:
            text = wrong.sub(right, text)
        text = _CAPITALS.sub(_lowered, text)
    text = " ".join(text.split())
    return tuple(
        breath
        for sentence in _sentences(text)
        for breath in _breaths(sentence)
        if any(character.isalnum() for character in breath)
    )


def _sign(character: str) -> str:
    """Return a space for what nobody reads: emojis, controls, marks without a letter."""
    kind = unicodedata.category(character)
    return character if kind[0] in "LNP" or kind in {"Sc", "Sm"} or character == "°" else _gap(kind)


def _gap(kind: str) -> str:
    # What has no width (a joiner, a soft hyphen) stands within a word.
    return "" if kind in {"Cf", "Mn", "Me"} else " "


def _lowered(found: re.Match[str]) -> str:
    word = found.group()
    return word.lower() if _SMALL_WORDS.fullmatch(word) or not word.isascii() else word


def _sentences(text: str) -> list[str]:
    found, begin = [], 0
    for stop in _STOPS.finditer(text):
        if stop.group() == "." and _SHORTENED.search(text[begin : stop.start()]):
            continue
        found.append(text[begin : stop.end()].strip())
        begin = stop.end()
    return [*found, text[begin:].strip()]


def _breaths(sentence: str) -> list[str]:
    breaths = []
    while len(sentence) > MOST_CHARACTERS:
        places = [found.end() for found in _BREATH.finditer(sentence, 0, MOST_CHARACTERS)]
        at = places[-1] if places else sentence.rfind(" ", 0, MOST_CHARACTERS) + 1
        at = at or MOST_CHARACTERS
        breaths.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*breaths, sentence]
