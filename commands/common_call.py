"""The call of a person who answers at once: how many answers, how many spoken seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from flows.speech import Heard, Line
from flows.understanding.vocabulary import Vocabulary
from flows.verification.rehearsal import (
    LAST_STEP,
    TYPICAL_CENTRES,
    Exchange,
    RehearsedWorld,
    common_path,
    offers,
    ringing,
)
from flows.world import Rules
from prompts.catalogue import FOLDER, PAUSE, Catalogue, languages, read
from prompts.reading_time import NORMAL, VoicePauses, seconds

# The bars: one person, two appointments.
MOST_ANSWERS = 10
MOST_SECONDS = 210
FIRST_OFFER_SECONDS = 110
_FIRST_OFFER = "start1"


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """What callers are understood by. Raises IncompleteVocabulary."""
    return Vocabulary.read(catalogue.language, catalogue.locale, catalogue.heard)


@dataclass(frozen=True)
class CommonCallTurn:
    """One answer of the service in the common call: its question, and how long it speaks."""

    step: str
    seconds: float
    # Until the end of the first offer, where this turn reads it.
    until_offer: float | None


@dataclass(frozen=True)
class CommonCall:
    """The call of a person who answers everything at once and takes the first offer."""

    answers: int
    turns: tuple[CommonCallTurn, ...]

    @property
    def seconds(self) -> float:
        """Spoken seconds until all is told and the caller may hang up; nothing is interrupted."""
        spoken = 0.0
        for turn in self.turns:
            spoken += turn.seconds
            if turn.step == LAST_STEP:
                break
        return spoken

    @property
    def seconds_to_goodbye(self) -> float:
        """The same for a caller who stays on the line and presses nothing more."""
        return sum(turn.seconds for turn in self.turns)

    @property
    def first_offer(self) -> float:
        """Spoken seconds until the first offer has been read; all of them if there is none."""
        spoken = 0.0
        for turn in self.turns:
            if turn.until_offer is not None:
                return spoken + turn.until_offer
            spoken += turn.seconds
        return spoken

    def over(self) -> Iterator[str]:
        """What is over its bar, and by how much."""
        bars = (
            ("{} answers", self.answers, MOST_ANSWERS),
            ("{} s spoken", self.seconds, MOST_SECONDS),
            ("the first offer at {} s", self.first_offer, FIRST_OFFER_SECONDS),
        )
        for name, value, bar in bars:
            if value > bar:
                yield f"{name.format(round(value))}, at most {bar}: shorten what --times shows"

    def rows(self) -> Iterator[str]:
        spoken = 0.0
        for turn in self.turns:
            spoken += turn.seconds
            yield f"  {turn.seconds:6.1f} s, {spoken:5.1f} so far  {turn.step}"


def common_call(
    folder: Path, language: str, *, slow: bool = False, doses: int = 2, found: int = 3
) -> CommonCall:
    """Play the common call on the real conversation, and read it with a language's sentences.

    `doses` of the campaign, `found` offers. Raises NoSuchSentence where the language lacks one.
    """
    catalogues = {name: read(folder / f"{name}.toml") for name in languages(folder)}
    world = RehearsedWorld(
        found=offers(found, second=doses > 1, centres=TYPICAL_CENTRES),
        rules_=Rules("rehearsal", minimum_age=75, horizon_days=35, doses=doses),
        spoken_here=languages(folder),
        vocabularies=lambda name: vocabulary_of(catalogues[name]),
    )
    session = replace(ringing(), language=language, slow=slow)
    path = common_path(session, world)
    pace = catalogues[language].pace(slow=slow)
    return CommonCall(
        answers=sum(exchange.heard.kind is Heard.KEYS for exchange in path),
        turns=tuple(_turn(exchange, catalogues, language, pace) for exchange in path),
    )


def _turn(
    exchange: Exchange, catalogues: dict[str, Catalogue], language: str, pace: VoicePauses
) -> CommonCallTurn:
    spoken: list[str] = []
    until_offer = None
    for line in exchange.speech.lines:
        catalogue = catalogues[line.language or language]
        whole, until = _read(line, catalogue, slow=pace is not NORMAL)
        if until and until_offer is None:
            until_offer = seconds(PAUSE.join([*spoken, until]), pace)
        spoken.append(whole)
    step = exchange.after.step
    return CommonCallTurn(step, seconds(PAUSE.join(spoken), pace), until_offer)


def _read(line: Line, catalogue: Catalogue, *, slow: bool) -> tuple[str, str]:
    """A line in full, and until the first offer's moment where it reads one."""
    until = ""
    filled = ""
    said = catalogue.short(line.key) if slow else line.key
    for part in catalogue.parts(said, line.wording):
        filled += part.text
        if part.name:
            filled += catalogue.spoken(part, line.values)
        if part.name == _FIRST_OFFER:
            until = filled
    return filled, until


def path_seconds(folder: Path = FOLDER) -> Iterator[tuple[str, float, int]]:
    """The shortest and the common way to a booking: name, spoken seconds, answers."""
    for language in languages(folder):
        shortest = common_call(folder, language, doses=1, found=1)
        yield f"shortest ({language})", shortest.seconds, shortest.answers
        common = common_call(folder, language)
        yield f"common ({language})", common.seconds, common.answers
