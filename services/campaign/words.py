"""The words of a campaign's service, and what is wrong with them: file, line, remedy.

What they are is in `prompts.service_words`; docs/campaigns.md has each entry.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompts import service_words
from prompts.catalogue import COUNTRY_LANGUAGE, FOLDER, languages
from prompts.service_words import (
    HEARD,
    NEVER,
    PAGE,
    PLACEHOLDER,
    SPOKEN,
    TEXT,
    USUAL,
    BadWords,
    Mistake,
    Words,
    folder_of,
    found_never,
)
from services.campaign.campaign import BadCampaign
from services.campaign.toml_lines import Entry, line_of, lines_of

if TYPE_CHECKING:
    from prompts.check_rules import Problem

# Modification (ns) and size of each file.
Stamps = tuple[tuple[Path, int, int], ...]
_AT_ONCE: Final = 16


def words_of(source: Path) -> Words:
    """The words of a campaign's file, or of a folder of campaigns.

    Those that come with the service are read once. Raises BadCampaign with every mistake, a missing
    language among them.
    """
    folder = folder_of(source)
    return read(folder)


def read(folder: Path) -> Words:
    """The words of a folder; the same files give the same object. Raises BadCampaign."""
    try:
        usual = folder == USUAL
        words = service_words.usual() if usual else _read(folder, stamps_of([folder]))
    except BadWords as bad:
        raise BadCampaign(*(told(mistake) for mistake in bad.mistakes)) from None
    missing = [language for language in languages() if language not in words.languages]
    if missing:
        raise BadCampaign(
            *(
                f"{folder / tag}.toml: there is no such file, and callers may choose this language;"
                f" copy {folder / COUNTRY_LANGUAGE}.toml there and write it in that language"
                for tag in missing
            )
        )
    return words


@lru_cache(maxsize=_AT_ONCE)
def _read(folder: Path, _stamps: Stamps) -> Words:
    return service_words.read(folder)


def stamps_of(folders: Iterable[Path]) -> Stamps:
    """What the files of these folders look like; a file that is going is not there."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            try:
                at = path.stat()
            except OSError:
                continue
            found.append((path, at.st_mtime_ns, at.st_size))
    return tuple(found)


def told(mistake: Mistake) -> str:
    """A mistake with its line: one sentence."""
    if not mistake.entry:
        return f"{mistake.file}: {mistake.what}"
    label = ".".join(mistake.entry)
    return f"{mistake.file}, line {line_in(mistake.file, mistake.entry)}: {label}: {mistake.what}"


def line_in(file: Path, entry: Entry) -> int:
    """The line of an entry; of one that is missing, that of its table; else the last."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return 1
    lines = lines_of(text)
    return line_of(lines, entry) or line_of(lines, entry[:1]) or max(text.count("\n"), 1)


def wrong(words: Words) -> list[str]:
    """What callers would feel: every sentence, text and page is tried with these words.

    Each problem once, at the entry that it comes from; what is wrong in `prompts/` itself is told
    by `flask prompts check`.
    """
    # Heavy, and of commands alone: no web worker reads it.
    from prompts.check import check  # noqa: PLC0415

    felt = (of_words(problem, words) for problem in check(FOLDER, words))
    found: dict[tuple[Path, tuple[str, ...]], list[str]] = {}
    for mistake in (*_unheard(words), *_shown(words), *felt):
        if mistake is not None:
            found.setdefault((mistake.file, mistake.entry), []).append(mistake.what)
    told_once = []
    for (file, entry), whats in found.items():
        more = f" (and {len(whats) - 1} more of the kind)" if len(whats) > 1 else ""
        told_once.append(
            (str(file), line_in(file, entry), told(Mistake(file, entry, whats[0] + more)))
        )
    return [sentence for _, _, sentence in sorted(told_once)]


def of_words(problem: Problem, words: Words) -> Mistake | None:
    """The entry of a service's words that a problem comes from; None where it comes from none."""
    language = Path(problem.file).stem
    if language not in words.languages:
        return None
    file, own = words.folder / f"{language}.toml", words[language]
    table = SPOKEN if problem.where.startswith("say.") and "/" not in problem.file else TEXT
    names = _placeholders(FOLDER / problem.file, problem.where)
    filled = [name for name in names if own.table(table).get(name)]
    from prompts.check_rules import NEVER_SAID  # noqa: PLC0415

    if NEVER_SAID in problem.what and not any(
        found_never(own, [own.table(table)[name]]) for name in filled
    ):
        return Mistake(file, (NEVER,), f"{problem.file}, {problem.where}: {problem.what}")
    if not filled:
        return None
    longest = max(filled, key=lambda name: len(own.table(table)[name]))
    what = f"with it, {problem.where} of prompts/{problem.file} is wrong: {problem.what}"
    return Mistake(file, (table, longest), what)


def _placeholders(path: Path, where: str) -> list[str]:
    """The entries that a template names; `where` is as a problem tells it: say.welcome[0]."""
    place = re.fullmatch(r"(?P<key>[\w.]+)(?:\[(?P<number>\d+)\])?", where)
    if place is None:
        return []
    try:
        found: Any = tomllib.loads(path.read_text("utf-8"))
        for key in place["key"].split("."):
            found = found[key]
        if place["number"]:
            found = found[int(place["number"])]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return []
    return [match["name"].lower() for match in PLACEHOLDER.finditer(str(found))]


def _unheard(words: Words) -> Iterator[Mistake]:
    """What callers say, in lists that the language does not have."""
    for language, own in words.languages.items():
        path = FOLDER / f"{language}.toml"
        if not path.exists():
            yield Mistake(
                words.folder / f"{language}.toml",
                (),
                f"there is no prompts/{language}.toml; take this file out",
            )
            continue
        heard = tomllib.loads(path.read_text("utf-8")).get(HEARD, {})
        for entry in _lists(own.heard):
            place: Any = heard
            for key in entry:
                place = place.get(key) if isinstance(place, dict) else None
            if not isinstance(place, list):
                yield Mistake(
                    words.folder / f"{language}.toml",
                    (HEARD, *entry),
                    f"prompts/{language}.toml has no such list in [heard]; take one that it has",
                )


def _lists(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ((key, *rest) for rest in _lists(value))
        else:
            yield (key,)


def _shown(words: Words) -> Iterator[Mistake]:
    """What leaves for where others may see it must not tell what it is about."""
    for language, own in words.languages.items():
        file = words.folder / f"{language}.toml"
        if never := found_never(own, [own.page["discreet"]]):
            what = f'"{never}" is in never_in_texts, and a calendar is seen by others; leave it out'
            yield Mistake(file, (PAGE, "discreet"), what)
        for name, said in own.text.items():
            if never := found_never(own, [said]):
                what = f'"{never}" is in never_in_texts; say it otherwise'
                yield Mistake(file, (TEXT, name), what)
