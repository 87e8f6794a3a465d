"""Names of centres as people write and say them, made of the directory's own.

The directory has "CHU BORDEAUX - SITE SAINT ANDRE" and "CDV31 Auterive". A caller hears the town
behind the name and a page shows it, so the name does not have it once more. Nothing is guessed: a
word gets its accent where a town of the centre, a saint or the list of `prompts/places/` has it,
and letters that no person knows stay as they are.

The functions are pure: the same directory gives the same names.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from prompts.catalogue import COUNTRY_LANGUAGE, FOLDER
from prompts.service_words import in_use
from services.letters import bare

WORDS: Final = FOLDER / "places" / "centres.toml"
# A capital word from so many letters on is shouted and not an initial ("F. Quesnay").
SHOUTED: Final = 2
# What is said of a place at most, so that a sentence with it can be kept in mind.
MOST_SAID: Final = 2

_ROMAN = re.compile(r"(?:X{0,2})(?:IX|IV|V?I{0,3})e?")
_SPACES = re.compile(r"\s+")
_BRACKETS = re.compile(r"\([^)]*\)?")
_APART = re.compile(r"\s*[,;:/|]\s*|\s+[-–—]+\s*|(?<=\w)[-–—]+\s+(?=\w)|\s+(?=(?:[Ss]ite|SITE)\s)")
# At the head of a name, however it is written.
_CH = re.compile(r"\bCh (?=[A-ZÀ-Ý])")
_VACCINATION = re.compile(
    r"^(?:centre|antenne)\s*(?:municipal |départemental |territorial )?(?:de |de la |d')?\s*"
    r"(?:vaccinations?|vaccinologie|vaccinal)(?: internationale?s?| municipale?| territorial)?"
    r"(?: pour)?(?: anti-?covid| contre (?:la|le) covid)?(?: covid)?(?:[ -]*19)?(?: |-|$)\s*"
    r"(?:[àa] (?:la |l')|du |de la |de l'|des |de |d'|-)?\s*",
    re.IGNORECASE,
)
_THERE = re.compile(r"[ ,]+centre (?:de )?vaccination$", re.IGNORECASE)
# The first word of a town's name means the town from so many letters on.
_SHORT_TOWN = 5
# Words that letters were written out with, behind an article that does not fit them.
_BEFORE_VOWEL = re.compile(r"\b(de|à) la (?=[aeéèiouhôâ])|\bd[ue] (?=[aeéèioôâ]|h[ôo])")
_SAINT = re.compile(r"\b(S(?:ain)?te?s?)\.?[ -]+(?=[A-ZÀ-Ý][\w'’])")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W_]+")
_ELISION = re.compile(r"\b([DdLl])['’]\s*(?=\w)")
_RESERVED = re.compile(
    r"r[ée]serv[ée]|pour personnel|personnel du|(?:pour les )?professionnels", re.IGNORECASE
)
_DOTTED = re.compile(r"\b(?:[A-Z]\.){2,}[A-Z]?\b\.?")
# A shouted word, with the hyphens and figures in it.
_SHOUT = re.compile(rf"[A-ZÀ-Ý]{{{SHOUTED},}}[0-9]*")
# The département behind the letters of its administration: "CDV 31", "CPAM78".
_CENTRE = re.compile(r"\b(?:centre|CVP?|CDV\d*)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:Le|La|Les) |L'")
_NUMBERED = re.compile(r"\b(?:(CDV)[ -]?\d|([A-Z]{3,})[ -]?\d\d)\d{0,2}\b")
# Before a word that is no longer there.
_ORPHAN = re.compile(r"(?:et|ou|de|du|des|à|au|aux|en|pour|par|sur|sous)\b|[dl]'|\W", re.IGNORECASE)
_STUCK = re.compile(r"[^\W\d_]{2,}\d+")
# Behind one that is no longer there: "du Grand" of "Grand Douai".
_DANGLING = re.compile(r"\b(?:et|d[eu]s?|la|les?|à|grand|haut|pays|val|saint)$", re.IGNORECASE)


@dataclass(frozen=True)
class CentreNames:
    """A centre's name on pages and in texts, and on the telephone."""

    written: str
    spoken: str


@dataclass(frozen=True)
class _Words:
    """The lists of `prompts/places/centres.toml`, found by their letters without accents."""

    acronyms: Mapping[str, tuple[str, str]]
    generic: frozenset[str]
    beside: frozenset[str]
    bound: frozenset[str]
    common: Mapping[str, str]
    small: frozenset[str]
    named: Mapping[str, str]


@lru_cache(maxsize=1)
def _words() -> _Words:
    with WORDS.open("rb") as file:
        source: dict[str, Any] = tomllib.load(file)
    return _Words(
        acronyms={key: (said[0], said[-1]) for key, said in source["acronyms"].items()},
        generic=frozenset(_plain(word) for word in source["generic"]["words"]),
        beside=frozenset(_plain(word) for word in source["generic"]["beside"]),
        bound=frozenset(_plain(word) for word in source["generic"]["bound"]),
        common={_plain(word): word for word in source["words"]["common"]},
        small=frozenset(_plain(word) for word in source["words"]["small"]),
        named={_plain(word): word for word in source["words"]["named"]},
    )


def acronyms() -> frozenset[str]:
    """Letters that stand for words and that stay in a name that is written."""
    return frozenset(key for key, (written, _) in _words().acronyms.items() if written == key)


def centre_names(name: str, town: str = "", towns: Mapping[str, str] | None = None) -> CentreNames:
    """Both names of a centre of the directory.

    `name` and `town` are as the directory has them; `towns` has the towns of the country with
    their accents, by their letters without (`by_letters`), for a name that holds another one.
    """
    pieces = _with_kind(_pieces(name, town, towns or {}), name)
    written = ", ".join(_cased(piece, first=not at) for at, piece in enumerate(pieces))
    spoken = ", ".join(
        _cased(_said(piece), first=not at) for at, piece in enumerate(pieces[:MOST_SAID])
    )
    return CentreNames(written, spoken)


def _with_kind(pieces: list[str], name: str) -> list[str]:
    """The pieces of a place, with "Centre" where its source says so and no word says what it is.

    "Air France" is one; what begins with an article is the name of a hall.
    """
    words = _words()
    known = words.common.keys() | {_plain(key) for key in words.acronyms}
    known |= {word for said, _ in words.acronyms.values() for word in _plain(said).split()}
    is_told = any(word in known for piece in pieces for word in _plain(piece).split())
    if is_told or not _CENTRE.search(name) or _ARTICLE.match(pieces[0]):
        return pieces
    return [f"Centre {pieces[0]}", *pieces[1:]]


def said(name: str) -> str:
    """A name that a person wrote, with the letters in it as they are said."""
    return _said(name)


def by_letters(names: Iterable[str]) -> dict[str, str]:
    """Names of towns by their letters in lower case, without accents: "beziers"."""
    return {_plain.__wrapped__(name): name for name in names}


def shouted(name: str) -> list[str]:
    """The words of a name that stand in capitals, apart from letters that people say so."""
    known = acronyms()
    found = re.findall(r"(?<![\w'’])[A-ZÀ-Ý]{2,}\d*(?!\w)|(?<=['’])[A-ZÀ-Ý]{2,}", name)
    return [word for word in found if word not in known and not _ROMAN.fullmatch(word)]


def doubt(name: str, source: str, towns: Mapping[str, str]) -> str:
    """Why a name that was made of `source` looks mangled; "" where it does not.

    For an operator's eye: of the names that it doubts, some are right ("Centre Foch").
    """
    words, pieces = _words(), name.split(", ")
    # Letters of an owner that were taken for a word: "Emv" of "EMV La Croix Rouge".
    taken = [
        word
        for word in re.findall(r"\b[A-ZÀ-Ý]{2,5}\b", "" if _is_loud(source) else source)
        if not _known_word(_plain(word), word) and _plain(word) not in towns
    ]
    if _ORPHAN.match(name) or any(_DANGLING.search(piece) for piece in pieces):
        return "a word is missing"
    if any(_plain(piece) in words.bound for piece in pieces):
        return "an adjective alone"
    if any(word not in words.acronyms for word in _STUCK.findall(name)):
        return "figures stuck to letters"
    if shouted(name) or any(word.capitalize() in name.split() for word in taken):
        return "letters that nobody knows"
    return ""


def _is_letters(piece: str) -> bool:
    """Whether a piece is nothing but letters that no person knows: "US"."""
    return bool(_SHOUT.fullmatch(piece)) and piece not in acronyms() and not _ROMAN.fullmatch(piece)


# ---------------------------------------------------------------- the pieces of a name


def _pieces(name: str, town: str, towns: Mapping[str, str]) -> list[str]:
    """What is told of a place, in order: at least one piece."""
    tidy = _DOTTED.sub(lambda dotted: dotted[0].replace(".", ""), name)
    tidy = _NUMBERED.sub(_without_number, tidy)
    tidy = _ELISION.sub(r"\1'", tidy.replace("’", "'"))
    tidy = re.sub(r"[«»“”\"]", " ", _BRACKETS.sub(_bracket, tidy))
    tidy = re.sub(r"\bgrand public\b", "-", tidy, flags=re.IGNORECASE)
    tidy = _CH.sub("CH ", _SPACES.sub(" ", tidy).strip())
    tidy = _with_town_whole(tidy, town)
    found: list[str] = []
    for piece in _APART.split(tidy):
        if not piece or _RESERVED.search(piece):
            continue
        told, before = piece.strip(" .,-"), ""
        while told != before:
            before = told
            told = _in_letters(told, towns, town)
            told = _less_generic(_without_town(told, town))
        if told:
            found.append(told)
    # Where anything else is told, letters that no person knows tell nothing.
    found = [told_ for told_ in found if not _is_letters(told_)] or found
    plain = [_plain(told_) for told_ in found]
    told = [
        one
        for at, one in enumerate(found)
        if not any(
            other.startswith(plain[at]) and (other != plain[at] or place < at)
            for place, other in enumerate(plain)
            if place != at
        )
    ]
    return told or [in_use()[COUNTRY_LANGUAGE].page["place"]]


def _without_number(found: re.Match[str]) -> str:
    letters = found[1] or found[2]
    return letters if letters in _words().acronyms else found[0]


def _bracket(found: re.Match[str]) -> str:
    """What stands in brackets is a piece of its own where it says a place."""
    inside = found[0].strip("() ")
    told = not (_RESERVED.search(inside) or "ancien" in inside or inside.isupper())
    return f" , {inside} , " if told else " "


def _with_town_whole(name: str, town: str) -> str:
    """The name with its town as the town writes itself: "Romilly - sur- Seine" is one word."""
    words = _WORD.findall(_folded(town))
    if len(words) < 2:  # noqa: PLR2004
        return name
    short = {"saint": "sa?i?n?t", "sainte": "sa?i?n?te"}
    pattern = r"[\s'-]+".join(short.get(word.lower(), re.escape(word)) for word in words)
    found = re.search(rf"\b{pattern}\b", _folded(name), re.IGNORECASE)
    return name[: found.start()] + town + name[found.end() :] if found else name


def _less_generic(piece: str) -> str:
    """A piece without what says only that people are vaccinated there; empty if that is all."""
    if _is_generic(piece):
        return ""
    rest = _VACCINATION.sub("", piece)
    rest = _THERE.sub("", rest).strip(" ,-")
    rest = re.sub(r"[ ,]+(?:site|et|de|du|des|la|le|à)$", "", rest, flags=re.IGNORECASE)
    rest = re.sub(r"^site (?=maison|centre|h[ôo]pital|clinique)", "", rest, flags=re.IGNORECASE)
    head = _plain(rest.partition(" ")[0])
    # "Centre de vaccination et hospitalier", "centre de vaccination ambulatoire".
    if head in {"et", "ou"} or head in _words().bound:
        return piece
    if all(word in _words().beside for word in _WORD.findall(_plain(rest))) or _is_generic(rest):
        return piece if rest == piece else ""
    return rest


def _is_generic(piece: str) -> bool:
    words, said = _words(), _WORD.findall(_plain(piece))
    return any(word in words.generic for word in said) and all(
        word in words.generic or word in words.beside for word in said
    )


@dataclass(frozen=True)
class _Town:
    """A town in the name of a place: alone, behind the place, before it, or within."""

    alone: re.Pattern[str]
    ends: re.Pattern[str]
    begins: re.Pattern[str]
    within: re.Pattern[str]


@lru_cache(maxsize=1024)
def _town(town: str) -> _Town:
    words = _WORD.findall(_folded(town))
    whole = r"[\s'-]+".join(words)
    short = []
    # What people call it: "Marennes" of Marennes-Hiers-Brouage.
    for count in range(len(words) - 1, 0, -1):
        some = words[:count]
        if len(some[-1]) >= _SHORT_TOWN and some[-1].lower() not in {"saint", "sainte"}:
            short.append(r"[\s'-]+".join(some))
    article = re.match(r"(Les?) (.+)", _folded(town))
    if article:
        joined = {"Le": "du|au", "Les": "des|aux"}[article[1]]
        short.append(rf"(?:{joined}) {re.escape(article[2])}")
    names = "|".join([whole, *short])
    before = r"(?:(?:de la ville de|de la|de|du|des|d'|a|au|aux)(?:\s+|(?<=')))?"
    apart = rf"(?:^|[\s,-]+){before}{whole}"
    if short:
        apart += rf"|(?:^|[\s,]+){before}(?:{'|'.join(short)})"
    return _Town(
        alone=re.compile(rf"(?:{names})", re.IGNORECASE),
        # "Grand Douai" and "Pays de Lunel" are names of more than the town.
        ends=re.compile(
            rf"(?<!\bet)(?<!\bet de)(?<!\bgrand)(?<!\bpays)(?<!\bpays de)(?:{apart})$",
            re.IGNORECASE,
        ),
        begins=re.compile(rf"{whole}(?:\s*[-,/]\s*|\s+)(?=\S)", re.IGNORECASE),
        within=re.compile(rf"\s+(?:de |d'|du )?{whole}\s+(?!-)", re.IGNORECASE),
    )


@lru_cache(maxsize=1)
def _heads() -> re.Pattern[str]:
    """What a place is, at the head of its name: letters that are written out, and the town hall."""
    said = {_folded(one) for one, _ in _words().acronyms.values() if one} | {"mairie"}
    longest_first = sorted(said, key=lambda one: -len(one))
    return re.compile(rf"(?:{'|'.join(map(re.escape, longest_first))})\b", re.IGNORECASE)


def _without_town(piece: str, town: str) -> str:
    """The piece without the town that is told behind it."""
    folded = _folded(piece)
    words = _WORD.findall(_folded(town))
    first = next((word for word in words if len(word) > 2), town)  # noqa: PLR2004
    if not first or first.lower() not in folded.lower():
        return piece
    known = _town(town)
    if known.alone.fullmatch(folded):
        return ""
    ends = known.ends.search(folded)
    if ends:
        return piece[: ends.start()].strip(" ,-")
    begins = known.begins.match(folded)
    if begins:
        return piece[begins.end() :].strip(" ,-")
    # "Centre hospitalier Toulouse Larrey": behind what it is and before which one.
    head = _heads().match(folded)
    within = head and known.within.match(folded, head.end())
    return f"{piece[: head.end()]} {piece[within.end() :]}" if head and within else piece


# ---------------------------------------------------------------- the letters of a word


def _in_letters(piece: str, towns: Mapping[str, str], town: str) -> str:
    """The piece with small letters, accents and hyphens where they are sure."""
    loud = _is_loud(piece)
    told = _town_names(piece, towns, town)
    told = " ".join(one for word in told.split(" ") if (one := _word(word, loud=loud)))
    told = re.sub(r"\b(\w{3,}) \1\b", r"\1", told)
    if told != piece:
        told = _BEFORE_VOWEL.sub(lambda found: f"{found[1] or 'de'} l'", told)
    told = _SAINT.sub(lambda found: f"{_whole_saint(found[1])}-", told)
    return re.sub(r"\b(D|L)'", lambda found: f"{found[1].lower()}'", told)


def _is_loud(piece: str) -> bool:
    """Whether everything but known letters is in capitals."""
    words = [word for word in _LETTERS.findall(piece) if len(word) >= SHOUTED]
    return bool(words) and all(word.isupper() for word in words)


def _town_names(piece: str, towns: Mapping[str, str], town: str) -> str:
    """Towns in capitals get their accents and hyphens back: the centre's own, then the others."""
    words = piece.split(" ")
    done, at = [], 0
    own = _plain(town)
    while at < len(words):
        for end in range(min(len(words), at + 7), at, -1):
            run = " ".join(words[at:end])
            inner = run[2:] if re.match(r"[DL]'", run) else run
            key = re.sub(r"\bstes?\b", "sainte", re.sub(r"\bst\b", "saint", _plain(inner)))
            is_own = key == own and len(own) > 1
            # A single word may be many things: only shouted ones are looked up, and those that
            # are no word of a name already.
            sure = inner.isupper() and len(inner) > 2 and not _known_word(key, inner)  # noqa: PLR2004
            if is_own and inner[:1].isupper():
                done.append(run[: len(run) - len(inner)] + town)
            elif sure and (" " in key or len(key) > 3) and key in towns:  # noqa: PLR2004
                done.append(run[: len(run) - len(inner)] + towns[key])
            elif run.isupper() and "-" in run and end == at + 1:
                done.append("-".join(towns.get(_plain(word), word) for word in run.split("-")))
            else:
                continue
            at = end
            break
        else:
            done.append(words[at])
            at += 1
    return " ".join(done)


def _known_word(key: str, letters: str) -> bool:
    words = _words()
    return (
        key in words.common or key in words.named or key in words.small or letters in words.acronyms
    )


def _word(word: str, *, loud: bool) -> str:
    words = _words()
    if word in words.acronyms:
        return words.acronyms[word][0]
    if "-" in word and not any(letter.islower() for letter in word):
        return "-".join(_word(part, loud=loud) for part in word.split("-"))
    elided = re.match(r"([DLdl]|Qu|qu)'(.+)", word)
    if elided:
        return f"{elided[1].lower()}'{_word(elided[2], loud=loud)}"
    core = word.strip('.,()"')
    return word.replace(core, _core(core, loud=loud)) if core else word


def _core(core: str, *, loud: bool) -> str:
    """A word without what stands around it."""
    words, plain = _words(), _plain(core)
    shout = bool(_SHOUT.fullmatch(core))
    initials = shout and len(core) == SHOUTED and plain not in words.small and plain != "st"
    if initials or _ROMAN.fullmatch(core) or (len(core) == 1 and core not in {"A", "À"}):
        return core
    if plain in words.common:
        # Only what is shouted loses its capital: "Salle" at the head of a piece may stay.
        known = words.common[plain]
        return known if shout or core[0].islower() else _capital(known)
    if shout or (loud and core.isupper()):
        small = core.lower() if plain in words.small else core.capitalize()
        return words.named.get(plain, small)
    return words.named[plain] if _lost(plain, core) else core


def _lost(plain: str, core: str) -> bool:
    """Whether a word that is no shout lost its accents: "Leon" and never "Rene" of a street."""
    known = _words().named.get(plain, "")
    return bool(known) and known != core and core[:1].isupper() and core == plain.capitalize()


def _whole_saint(short: str) -> str:
    plain = short.lower()
    if plain in {"st", "saint"}:
        return "Saint"
    return "Sainte" if plain in {"ste", "sainte"} else short


def _said(piece: str) -> str:
    """A piece as the voice says it: letters one by one, and nothing in brackets."""
    words = _words().acronyms
    return re.sub(
        r"\w[\w-]*", lambda word: words[word[0]][1] if word[0] in words else word[0], piece
    )


def _cased(piece: str, *, first: bool) -> str:
    """A piece at the head of a name begins large; behind a comma a common word begins small."""
    head, _, rest = piece.partition(" ")
    if first:
        return _capital(piece)
    common = _plain(head) in _words().common
    return f"{head[:1].lower()}{head[1:]}{' ' * bool(rest)}{rest}" if common else piece


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _folded(text: str) -> str:
    """The same number of letters, without accents."""
    return "".join(unicodedata.normalize("NFKD", letter)[:1] or letter for letter in text)


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    """Small letters without accents, words apart by one space."""
    return " ".join(re.findall(r"[^\W_]+", bare(text).replace("œ", "oe")))
