"""Read a TwiML document, and refuse whatever Twilio would refuse, under Twilio's error codes."""

import json
import re

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from babel.dates import format_date, format_skeleton

SCHEMA_FILE = Path(__file__).parent / "twiml_schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text("utf-8"))
ELEMENTS: dict[str, dict[str, Any]] = SCHEMA["elements"]
ENUMS: dict[str, list[str]] = SCHEMA["enums"]

CONTENT_TYPES = {"text/xml", "application/xml"}
MAX_DOCUMENT_BYTES = 64 * 1024
SAY_LIMITS = {"Polly": 3000, "Google": 5000}
SAY_LIMIT = 4096
MAX_PAUSE_S = 180
MAX_BREAK_MS = 10_000

# What a person hears in a second; used wherever the length of speech matters.
CHARACTERS_PER_SECOND = 15

PARSE_FAILURE = 12100
SCHEMA_FAILURE = 12200
WRONG_CONTENT_TYPE = 12300
TOO_LARGE = 11750
EMPTY_SAY = 13520
SAY_TOO_LONG = 13521
# Twilio's "invalid text": what a voice's maker refuses is told so.
VOICE_REFUSES = EMPTY_SAY

BASIC_VOICES = frozenset({"man", "woman", "alice"})
LETTER_BY_LETTER = frozenset({"characters", "spell-out"})
# Values of interpret-as that Google does not have.
GOOGLE_SAYS_NOT = frozenset({"address", "digits", "number"})
DATE_FORMATS = frozenset({"mdy", "dmy", "ymd", "md", "dm", "ym", "my", "d", "m", "y", "yyyymmdd"})
TELEPHONE_LANGUAGES = frozenset({"en", "es", "fr", "pt", "de", "it", "ja", "ru"})
# Of <prosody rate>, in hundredths of a voice's own.
SLOWEST_RATE, FASTEST_RATE = 0.2, 2.0

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
BREAK_STRENGTHS_MS = {
    "none": 0,
    "x-weak": 0,
    "weak": 250,
    "medium": 500,
    "strong": 750,
    "x-strong": 1000,
}
RATES = {"x-slow": 0.5, "slow": 0.8, "medium": 1.0, "fast": 1.25, "x-fast": 1.75}


class TwimlError(Exception):
    """A document that Twilio would not play; `code` is Twilio's error number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Piece:
    """A stretch of a <Say> in one voice: words at a rate (1.0 is normal), or a pause in seconds.

    An empty language is that of the <Say>.
    """

    text: str = ""
    rate: float = 1.0
    language: str = ""
    pause_s: float = 0.0


@dataclass(frozen=True)
class Verb:
    """One element of a document, checked. `text` is its own text, blanks folded."""

    name: str
    attributes: Mapping[str, str]
    text: str
    children: tuple["Verb", ...] = ()
    speech_s: float = 0.0
    pieces: tuple[Piece, ...] = ()


def parse(body: bytes, content_type: str) -> tuple[Verb, ...]:
    """Return the verbs of a document in order.

    Raises TwimlError with the code Twilio gives for the first thing wrong.
    """
    if content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES:
        raise TwimlError(WRONG_CONTENT_TYPE, f"the content type {content_type!r} is not XML")
    if len(body) > MAX_DOCUMENT_BYTES:
        raise TwimlError(TOO_LARGE, f"the document has {len(body)} bytes, the limit is 64 kB")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise TwimlError(PARSE_FAILURE, "a document type declaration is not allowed")
    if body[:1].isspace():
        raise TwimlError(PARSE_FAILURE, "there is a blank before the document")
    try:
        root = ET.fromstring(body)  # noqa: S314 - no DTD, so no entity can expand
    except (ET.ParseError, ValueError, LookupError) as error:
        raise TwimlError(PARSE_FAILURE, f"the document is not XML: {error}") from error
    if root.tag != "Response":
        raise TwimlError(PARSE_FAILURE, f"the root is <{root.tag}>, not <Response>")
    return _element(root).children


def _element(node: ET.Element) -> Verb:
    """Check `node` and all below it."""
    name = node.tag
    known = ELEMENTS[name]
    attributes = {
        "xml:lang" if key == XML_LANG else key: value for key, value in node.attrib.items()
    }
    for attribute, value in attributes.items():
        if attribute not in known["attributes"]:
            raise TwimlError(SCHEMA_FAILURE, f"<{name}> has no attribute {attribute!r}")
        _check_value(name, attribute, value)
    for child in node:
        if child.tag not in known["children"]:
            raise TwimlError(SCHEMA_FAILURE, f"<{child.tag}> may not stand in <{name}>")
    loose = [node.text or "", *(child.tail or "" for child in node)]
    if not known["text"] and any(piece.strip() for piece in loose):
        raise TwimlError(SCHEMA_FAILURE, f"<{name}> may hold no text")
    if name == "Say":
        return _say(node, attributes)
    children = tuple(_element(child) for child in node)
    return Verb(name, attributes, " ".join("".join(loose).split()), children)


def _say(node: ET.Element, attributes: dict[str, str]) -> Verb:
    for inner in node:
        _element(inner)
    _refuse_for_voice(node, attributes.get("voice", ""), attributes.get("language", ""))
    voiced = list(_voiced(node, Piece(), attributes.get("language", "")))
    text = _folded("".join(piece.text for piece in voiced))
    if not any(character.isalnum() for character in text):
        raise TwimlError(EMPTY_SAY, "<Say> has no text")
    family = attributes.get("voice", "").partition(".")[0]
    limit = SAY_LIMITS.get(family, SAY_LIMIT)
    if len(text) > limit:
        raise TwimlError(SAY_TOO_LONG, f"<Say> has {len(text)} characters, the limit is {limit}")
    breaks_s = sum(piece.pause_s for piece in voiced)
    # loop="0" means for ever, which only a hang-up ends; once is what a caller needs to hear.
    loops = max(1, int(attributes.get("loop", "1")))
    seconds = loops * (len(text) / CHARACTERS_PER_SECOND + breaks_s)
    aloud = _voiced(node, Piece(), attributes.get("language", ""), aloud=True)
    return Verb("Say", attributes, text, (), seconds, _pieces(aloud))


# What each family of voices does not take, by its maker's published tables; an empty name is the
# account's own voice, of which nothing is known. Amazon refuses the whole text; letters one by one
# it has the standard voice say in the midst of a call, which is a fault in a document as well.
def _refuse_for_voice(node: ET.Element, voice: str, language: str) -> None:
    tags = [inner for inner in node.iter() if inner is not node]
    if tags and (voice in BASIC_VOICES or "-Chirp" in voice):
        raise TwimlError(VOICE_REFUSES, f"{voice} takes no SSML, and there is a <{tags[0].tag}>")
    is_polly = voice.startswith("Polly.")
    modern = is_polly and voice.endswith(("-Neural", "-Generative"))
    for tag in tags:
        what = f"<{tag.tag}> {dict(tag.attrib)}"
        if modern and (tag.tag == "emphasis" or "pitch" in tag.attrib):
            raise TwimlError(VOICE_REFUSES, f"{voice} does not take {what}")
        if voice.endswith("-Neural") and tag.attrib.get("interpret-as") in LETTER_BY_LETTER:
            raise TwimlError(VOICE_REFUSES, f"{voice} is replaced by another voice for {what}")
        if tag.tag == "prosody" and not _is_prosody(tag.attrib):
            raise TwimlError(VOICE_REFUSES, f"no voice takes {what}")
        if tag.tag == "say-as" and not _is_say_as(tag, voice, language):
            raise TwimlError(VOICE_REFUSES, f"{voice or 'a voice'} cannot say {what} {tag.text!r}")


def _is_prosody(attributes: Mapping[str, str]) -> bool:
    rate = attributes.get("rate")
    if rate is None or rate in RATES:
        return bool(attributes)
    return rate.endswith("%") and SLOWEST_RATE <= _rate(rate) <= FASTEST_RATE


def _is_say_as(tag: ET.Element, voice: str, language: str) -> bool:
    how, text = tag.attrib.get("interpret-as"), (tag.text or "").strip()
    if how is None or not text:
        return False
    if voice.startswith("Google.") and how in GOOGLE_SAYS_NOT:
        return False
    if how == "date":
        pattern = tag.attrib.get("format", "")
        whole = re.fullmatch(r"[0-9?]{8}", text) is not None
        return whole or (pattern in DATE_FORMATS and _date_of(text, pattern) is not None)
    if how in {"digits", "cardinal", "number", "ordinal"}:
        return re.fullmatch(r"[0-9][0-9 ,.]*", text) is not None
    return how != "telephone" or language.partition("-")[0] in TELEPHONE_LANGUAGES


def _date_of(text: str, pattern: str) -> date | None:
    """A date as its format has it; what the format leaves out is that of a leap year's first day.

    None for what is no date.
    """
    numbers = re.split(r"[-/. ]", text)
    if len(numbers) != len(pattern) or not all(number.isdecimal() for number in numbers):
        return None
    told = {"y": 2000, "m": 1, "d": 1} | dict(zip(pattern, map(int, numbers), strict=True))
    try:
        return date(told["y"], told["m"], told["d"])
    except ValueError:
        return None


@lru_cache(1024)
def _date_in_words(text: str, pattern: str, language: str) -> str:
    """A date as the voice of a language says it; what is left as it is where it is not known how.

    The first of a month has an ordinal in French.
    """
    day = _date_of(text, pattern)
    locale = (language or "en-US").replace("-", "_")
    if day is None or pattern not in {"dmy", "mdy", "ymd", "dm", "md"}:
        return text
    if "y" in pattern:
        words = format_date(day, "long", locale=locale)
    else:
        words = format_skeleton("MMMMd", day, locale=locale)
    if locale.startswith("fr") and day.day == 1:
        words = re.sub(r"^1(?=\s)", "1er", words)
    return words


def _pieces(voiced: Iterable[Piece]) -> tuple[Piece, ...]:
    """Cut a <Say> where its voice changes or pauses; neighbours in the same voice are joined."""
    joined: list[Piece] = []
    for piece in voiced:
        last = joined[-1] if joined else None
        if last and not last.pause_s and replace(piece, text="") == replace(last, text=""):
            joined[-1] = replace(last, text=last.text + piece.text)
        else:
            joined.append(piece)
    tidy = [replace(piece, text=_folded(piece.text)) for piece in joined]
    return tuple(piece for piece in tidy if piece.text or piece.pause_s)


def _folded(text: str) -> str:
    return re.sub(r"\s+([.,])", r"\1", " ".join(text.split()))


def _voiced(
    node: ET.Element, voice: Piece, language: str, *, aloud: bool = False
) -> Iterator[Piece]:
    """What is heard of a node. `aloud`: with digits apart where the voice says them one by one."""
    if node.tag == "break":
        yield Piece(" ", pause_s=_break_ms(node.attrib) / 1000)
        return
    if node.tag == "sub":
        yield replace(voice, text=node.attrib.get("alias", node.text or ""))
        return
    if node.tag == "say-as":
        yield replace(voice, text=_said_as(node, voice.language or language, aloud=aloud))
        return
    if node.tag == "prosody":
        voice = replace(voice, rate=voice.rate * _rate(node.attrib.get("rate", "")))
    elif node.tag == "lang":
        voice = replace(voice, language=node.attrib.get(XML_LANG, voice.language))
    apart = " " if node.tag in {"p", "s"} else ""
    yield replace(voice, text=apart + (node.text or ""))
    for inner in node:
        yield from _voiced(inner, voice, language, aloud=aloud)
        yield replace(voice, text=inner.tail or "")
    yield replace(voice, text=apart)


def _said_as(node: ET.Element, language: str, *, aloud: bool) -> str:
    text, how = node.text or "", node.attrib.get("interpret-as")
    if how == "date":
        return _date_in_words(text.strip(), node.attrib.get("format", ""), language)
    if how == "digits" and aloud:
        return " ".join(text.replace(" ", ""))
    return text


def _rate(value: str) -> float:
    """Return a prosody's rate as a factor; what is no percentage and no known word is normal."""
    if re.fullmatch(r"\d+(\.\d+)?%", value):
        return float(value[:-1]) / 100
    return RATES.get(value, 1.0)


def _break_ms(attributes: Mapping[str, str]) -> float:
    time = attributes.get("time")
    if time is None:
        return BREAK_STRENGTHS_MS[attributes.get("strength", "medium")]
    return float(time[:-2]) if time.endswith("ms") else float(time[:-1]) * 1000


def _whole(minimum: int, maximum: int | None = None) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        return value.isdecimal() and minimum <= int(value) <= (maximum or int(value))

    return check


def _one_of(enum: str) -> Callable[[str], bool]:
    allowed = frozenset(ENUMS[enum])
    return lambda value: value in allowed


def _is_break_time(value: str) -> bool:
    return (
        re.fullmatch(r"\d+(\.\d+)?m?s", value) is not None
        and _break_ms({"time": value}) <= MAX_BREAK_MS
    )


def _is_gather_input(value: str) -> bool:
    words = value.split()
    return bool(words) and len(set(words)) == len(words) and set(words) <= set(ENUMS["GatherInput"])


def _is_boolean(value: str) -> bool:
    return value in {"true", "false"}


def _is_method(value: str) -> bool:
    return value in {"GET", "POST"}


def _auto_or(check: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda value: value == "auto" or check(value)


# Twilio warns about most of these and falls back on a default. Here they are errors: a default
# that nobody asked for is a fault in the document.
VALUE_CHECKS: dict[tuple[str, str], tuple[int, Callable[[str], bool]]] = {
    ("Gather", "input"): (13335, _is_gather_input),
    ("Gather", "finishOnKey"): (13310, lambda value: value in {*"0123456789*#", ""}),
    ("Gather", "method"): (13312, _is_method),
    ("Gather", "timeout"): (13313, _auto_or(_whole(1))),
    ("Gather", "numDigits"): (13314, _whole(1)),
    ("Gather", "speechTimeout"): (13313, _auto_or(_whole(1))),
    ("Gather", "maxSpeechTime"): (13313, _whole(1, 60)),
    ("Gather", "language"): (SCHEMA_FAILURE, _one_of("GatherLanguage")),
    ("Gather", "actionOnEmptyResult"): (SCHEMA_FAILURE, _is_boolean),
    ("Gather", "bargeIn"): (SCHEMA_FAILURE, _is_boolean),
    ("Gather", "profanityFilter"): (SCHEMA_FAILURE, _is_boolean),
    ("Gather", "enhanced"): (SCHEMA_FAILURE, _is_boolean),
    ("Say", "loop"): (13510, _whole(0)),
    ("Say", "language"): (13511, _one_of("SayLanguage")),
    ("Say", "voice"): (13512, _one_of("SayVoice")),
    ("Play", "loop"): (13410, _whole(0)),
    ("Play", "digits"): (13420, lambda value: re.fullmatch(r"[0-9*#wWA-D]+", value) is not None),
    ("Pause", "length"): (13610, _whole(0, MAX_PAUSE_S)),
    ("Redirect", "method"): (13710, _is_method),
    ("Reject", "reason"): (SCHEMA_FAILURE, _one_of("RejectReason")),
    ("Enqueue", "method"): (SCHEMA_FAILURE, _is_method),
    ("Enqueue", "waitUrlMethod"): (SCHEMA_FAILURE, _is_method),
    ("Dial", "method"): (13212, _is_method),
    ("Dial", "timeout"): (13213, _whole(1, 600)),
    ("break", "strength"): (SCHEMA_FAILURE, _one_of("SsmlBreakStrength")),
    ("break", "time"): (SCHEMA_FAILURE, _is_break_time),
    ("emphasis", "level"): (SCHEMA_FAILURE, _one_of("SsmlEmphasisLevel")),
    ("lang", "xml:lang"): (SCHEMA_FAILURE, _one_of("SsmlLangXmlLang")),
    ("phoneme", "alphabet"): (SCHEMA_FAILURE, _one_of("SsmlPhonemeAlphabet")),
    ("say-as", "interpret-as"): (SCHEMA_FAILURE, _one_of("SsmlSayAsInterpretAs")),
}


def _check_value(name: str, attribute: str, value: str) -> None:
    code, check = VALUE_CHECKS.get((name, attribute), (0, None))
    if check is not None and not check(value):
        raise TwimlError(code, f"{value!r} is no value for {attribute!r} of <{name}>")
