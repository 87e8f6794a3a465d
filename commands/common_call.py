"""The calls of people who answer at once: how many answers, how many spoken seconds, by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click

from flows.session import CallerKind
from flows.speech import Heard, Line, Speech, keys, spoken
from flows.understanding.vocabulary import Vocabulary
from flows.verification.rehearsal import (
    COMMON_ANSWERS,
    Exchange,
    RehearsedWorld,
    all_is_told,
    common_path,
    ringing,
)
from flows.verification.rehearsed import TOWNS, TYPICAL_CENTRES, offers
from flows.verification.rehearsed import services as two_services
from flows.world import Rules
from prompts.catalogue import (
    COUNTRY_LANGUAGE,
    FOLDER,
    PAUSE,
    Catalogue,
    NoSuchSentence,
    languages,
    read,
)
from prompts.check_rules import Problem
from prompts.reading_time import VoicePauses, seconds

_FIRST_OFFER = "start1"


@dataclass(frozen=True)
class Bars:
    """What a call may cost at the most: spoken seconds and answers until all is told.

    Of a call that begins with one sentence: from that sentence until the appointment is booked.
    """

    seconds: int
    answers: int
    first_offer: int = 65


@dataclass(frozen=True)
class CommonPath:
    """One way to a booking that many callers take: the first offer taken, `doses` each.

    `sentence`: what the caller says at the welcome, with the town of TOWN in it; empty for none.
    """

    name: str
    bars: Bars
    kind: CallerKind = CallerKind.MOBILE
    language: str = COUNTRY_LANGUAGE
    couple: bool = False
    doses: int = 2
    sentence: str = ""
    # Whether the caller may have two things, and books both in one appointment.
    services: bool = False


MOBILE_BARS = Bars(seconds=105, answers=6, first_offer=50)
# Sentences of English and Spanish have more words, and their hours more figures.
MOBILE_BARS_ELSEWHERE = Bars(seconds=115, answers=6, first_offer=55)
# Who says it all at once hears what was understood, the offers and the last look.
SENTENCE_BARS = Bars(seconds=60, answers=3, first_offer=30)
# Who has a choice says what for, and of one of the two how long ago the last one was.
BOTH_BARS = Bars(seconds=125, answers=7, first_offer=70)
TOWN = TOWNS["35500"]
PATHS = (
    CommonPath("mobile", MOBILE_BARS),
    CommonPath("landline", Bars(seconds=130, answers=8, first_offer=50), CallerKind.LANDLINE),
    CommonPath("couple", Bars(seconds=195, answers=12, first_offer=60), couple=True),
    CommonPath("English mobile", MOBILE_BARS_ELSEWHERE, language="en"),
    CommonPath("Spanish mobile", MOBILE_BARS_ELSEWHERE, language="es"),
    CommonPath("withheld", Bars(seconds=150, answers=8, first_offer=55), CallerKind.NONE),
    CommonPath("both of two services", BOTH_BARS, doses=1, services=True),
    CommonPath(
        "one sentence",
        SENTENCE_BARS,
        doses=1,
        sentence="bonjour je voudrais un rendez-vous pour mon mari il est né le douze mars"
        " quarante-deux on habite à Vitré",
    ),
    CommonPath(
        "one English sentence",
        SENTENCE_BARS,
        language="en",
        doses=1,
        sentence="hello I'd like an appointment for my husband he was born on the twelfth of"
        " March nineteen forty-two and we live in Vitré",
    ),
    CommonPath(
        "one Spanish sentence",
        SENTENCE_BARS,
        language="es",
        doses=1,
        sentence="hola quiero una cita para mi marido nació el doce de marzo de mil novecientos"
        " cuarenta y dos vivimos en Vitré",
    ),
)


def without_words(step: str, key: str, language: str) -> Problem:
    """What is told of a sentence that a step says and a language lacks."""
    file = f"{language}.toml"
    what = f"missing; the step {step} says it: write it in prompts/{file}, in the table [say]"
    return Problem(file, f"say.{key}", what)


def vocabulary_of(catalogue: Catalogue) -> Vocabulary:
    """What callers are understood by. Raises IncompleteVocabulary."""
    return Vocabulary.read(catalogue.language, catalogue.locale, catalogue.heard)


def _catalogues(folder: Path) -> dict[str, Catalogue]:
    return {name: read(folder / f"{name}.toml") for name in languages(folder)}


@cache
def _shipped() -> dict[str, Catalogue]:
    """Those that come with the service: they change with it alone."""
    return _catalogues(FOLDER)


@cache
def _shipped_vocabulary(name: str) -> Vocabulary:
    return vocabulary_of(_shipped()[name])


def _vocabularies(folder: Path, catalogues: dict[str, Catalogue]) -> Callable[[str], Vocabulary]:
    if folder == FOLDER:
        return _shipped_vocabulary
    return cache(lambda name: vocabulary_of(catalogues[name]))


@dataclass(frozen=True)
class CommonCallTurn:
    """One answer of the service in the common call: its question, and how long it speaks."""

    step: str
    seconds: float
    # Until the end of the first offer, where this turn reads it.
    until_offer: float | None
    # Whether it answers a key of the caller, whether the caller has just said a whole sentence,
    # whether it tells that an appointment is booked, and whether the caller may hang up after it.
    answers: bool
    begins: bool
    booked: bool
    tells_all: bool


@dataclass(frozen=True)
class CommonCall:
    """The call of a person who answers everything at once and takes the first offer."""

    turns: tuple[CommonCallTurn, ...]

    @property
    def measured(self) -> tuple[CommonCallTurn, ...]:
        """The turns until all is told and the caller may hang up.

        After one sentence: from what answers it to the last before the appointment is booked.
        """
        begins = [number for number, turn in enumerate(self.turns) if turn.begins]
        if begins:
            booked = [number for number, turn in enumerate(self.turns) if turn.booked]
            return self.turns[begins[0] : booked[0] if booked else None]
        told = [number for number, turn in enumerate(self.turns) if turn.tells_all]
        return self.turns[: told[0] + 1] if told else self.turns

    @property
    def answers(self) -> int:
        """What is answered in these turns; the last of a sentence's is answered by the booking."""
        return sum(turn.answers for turn in self.measured) + any(t.begins for t in self.measured)

    @property
    def seconds(self) -> float:
        """Spoken seconds of these turns; nothing is interrupted."""
        return sum(turn.seconds for turn in self.measured)

    @property
    def seconds_to_goodbye(self) -> float:
        """The same for a caller who stays on the line and presses nothing more."""
        return sum(turn.seconds for turn in self.turns)

    @property
    def first_offer(self) -> float:
        """Spoken seconds until the first offer has been read; all of them if there is none.

        After one sentence, from there.
        """
        spoken = 0.0
        for turn in self.measured:
            if turn.until_offer is not None:
                return spoken + turn.until_offer
            spoken += turn.seconds
        return spoken

    def over(self, bars: Bars) -> Iterator[str]:
        """What is over its bar, and by how much."""
        measured = (
            ("{} answers", self.answers, bars.answers),
            ("{} s spoken", self.seconds, bars.seconds),
            ("the first offer at {} s", self.first_offer, bars.first_offer),
        )
        for name, value, bar in measured:
            if value > bar:
                yield f"{name.format(round(value, 1))}, at most {bar}: shorten what takes longest"

    def rows(self) -> Iterator[str]:
        spoken = 0.0
        for turn in self.turns:
            spoken += turn.seconds
            yield f"  {turn.seconds:6.1f} s, {spoken:5.1f} so far  {turn.step}"


def mobile_path(language: str) -> CommonPath:
    """Return the path of a caller from a mobile in that language."""
    of_mobiles = (p for p in PATHS if p.kind is CallerKind.MOBILE and not p.couple)
    other = CommonPath(language, MOBILE_BARS_ELSEWHERE, language=language)
    return next((p for p in of_mobiles if p.language == language), other)


def common_call(
    path: CommonPath, folder: Path = FOLDER, *, slow: bool = False, found: int = 3
) -> CommonCall:
    """Play a path on the real conversation, and read it with the sentences of a folder.

    `found` offers. Raises click.ClickException where the language lacks a sentence.
    """
    catalogues = _shipped() if folder == FOLDER else _catalogues(folder)
    language, sentence = path.language, path.sentence
    world = RehearsedWorld(
        found=offers(found, second=path.doses > 1, centres=TYPICAL_CENTRES),
        rules_=Rules(
            "rehearsal",
            minimum_age=75,
            horizon_days=35,
            doses=path.doses,
            services=1 + path.services,
        ),
        may_have=two_services() if path.services else (),
        spoken_here=languages(folder),
        # Made once of a language: to make it takes longer than all else of a call.
        vocabularies=_vocabularies(folder, catalogues),
        named_towns=(TOWN,) if sentence else (),
    )
    session = replace(ringing(path.kind), language=language, slow=slow)
    answers = {
        **COMMON_ANSWERS,
        **({"welcome": keys("2"), "for_others": keys("2")} if path.couple else {}),
        **({"welcome": spoken(sentence)} if sentence else {}),
        **({"service": keys("3")} if path.services else {}),
    }
    pace = catalogues[language].pace(slow=slow)
    exchanges = common_path(session, world, answers)
    return CommonCall(tuple(_turn(each, catalogues, language, pace) for each in exchanges))


def _turn(
    exchange: Exchange, catalogues: dict[str, Catalogue], language: str, pace: VoicePauses
) -> CommonCallTurn:
    said: list[str] = []
    until_offer = None
    for line in exchange.speech.lines:
        catalogue = catalogues[line.language or language]
        try:
            whole, until = _read(line, catalogue, exchange.speech)
        except NoSuchSentence as missing:
            step, (key,) = exchange.after.step, missing.args
            raise click.ClickException(str(without_words(step, key, catalogue.language))) from None
        if until and until_offer is None:
            until_offer = seconds(PAUSE.join([*said, until]), pace)
        said.append(whole)
    return CommonCallTurn(
        step=exchange.after.step,
        seconds=seconds(PAUSE.join(said), pace),
        until_offer=until_offer,
        answers=exchange.heard.kind is Heard.KEYS,
        begins=exchange.heard.kind is Heard.SPEECH,
        booked=bool(exchange.after.reference),
        tells_all=all_is_told(exchange.after),
    )


def _read(line: Line, catalogue: Catalogue, speech: Speech) -> tuple[str, str]:
    """A line in full, and until the first offer's moment where it reads one.

    Days are told by their dates alone, as all but today and tomorrow are. A caller who speaks is
    told besides that the answer may be said.
    """
    until = ""
    filled = ""
    said = catalogue.short(line.key) if speech.slow else line.key
    aloud = speech.listen is not None and speech.listen.invites and not line.language
    for part in catalogue.parts(said, line.wording, aloud=aloud):
        filled += part.text
        if part.name:
            filled += catalogue.spoken(part, line.values)
        if part.name == _FIRST_OFFER and line.key.startswith("offers_"):
            until = filled
    return filled, until


def path_seconds(folder: Path = FOLDER) -> Iterator[tuple[str, float, int]]:
    """The shortest and the common way to a booking: name, spoken seconds, answers."""
    for language in languages(folder):
        path = mobile_path(language)
        shortest = common_call(replace(path, doses=1), folder, found=1)
        for name, call in (("shortest", shortest), ("common", common_call(path, folder))):
            yield f"{name} ({language})", call.seconds, call.answers
