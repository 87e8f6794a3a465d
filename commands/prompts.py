"""`flask prompts`: what is wrong with the sentences, how long they take, what an actor reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import click

from commands.common_call import common_call, mobile_path, vocabulary_of, without_words
from commands.terminal import Mistakes
from flows.steps import STEPS
from flows.understanding.vocabulary import IncompleteVocabulary
from prompts import service_words
from prompts.catalogue import (
    AUDIO,
    COUNTRY_LANGUAGE,
    FOLDER,
    Catalogue,
    Take,
    languages,
    read,
    recordings_in,
)
from prompts.check import check
from prompts.check_rules import long_of, longest
from prompts.joined import MOST_SILENCE, SAID
from prompts.reading_time import NORMAL, seconds
from prompts.sound import NotHeard, Sound, listen
from services.campaign.words import of_words, wrong
from services.campaign.words import told as told_of_words

_MINUTE = 60
# Decibels between a recording and most others from which on a caller hears the difference.
LEVELS_APART = 6.0
# Decibels of full scale: a telephone line distorts what is louder.
TOO_LOUD = -9.0
# A recording is longer than its text beyond so many times what a voice takes, and so many seconds.
LONGER = 1.5
LONGER_BY = 0.8


def make(folder: Path = FOLDER) -> click.Group:
    group = click.Group(
        "prompts", help="The sentences that callers hear and the texts they get: prompts/*.toml."
    )

    @group.command("check", epilog="Example: flask prompts check --times")
    @click.option("--times", is_flag=True, help="Also print how long each sentence takes.")
    def check_(*, times: bool) -> None:
        """Check every sentence and text of every language, and the length of the common call.

        Each problem is one line on standard error, with the file, the entry and what to do; then
        the exit status is 1. Seconds are those of a voice that reads 160 words a minute, with the
        pauses; in brackets at the slower pace that key 8 asks for.
        """
        problems = of_prompts(folder)
        if not problems:
            for name in languages(folder):
                for line in report(folder, name, times=times):
                    click.echo(line)
                path = mobile_path(name)
                over = common_call(path, folder).over(path.bars)
                problems += [f"{name}.toml: the common call: {what}" for what in over]
        if problems:
            raise Mistakes(problems)

    group.add_command(_script(folder))
    group.add_command(recordings_group(folder))
    return group


def _script(folder: Path) -> click.Command:
    @click.command("script", epilog="Example: flask prompts script --language fr > script.txt")
    @click.option(
        "--language",
        default=COUNTRY_LANGUAGE,
        show_default=True,
        help="Whose sentences, by the name of the file in prompts/.",
    )
    @click.option(
        "--voice",
        is_flag=True,
        help="Also what has values in it, how it is cut, and the words of all values.",
    )
    def script(language: str, *, voice: bool) -> None:
        """Print what an actor must read, each take with the name that its file must have.

        A file in prompts/audio/LANGUAGE/ (.mp3 or .wav) is played instead of the voice from the
        next start on. A piece with a value in it stays with the voice, from pause to pause, until
        all that stands around its values is recorded, and the words of these (--voice).
        """
        catalogue = _of(folder, language)
        for line in script_of(catalogue):
            click.echo(line)
        if voice:
            for line in joined_script_of(catalogue):
                click.echo(line)

    return script


def recordings_group(folder: Path) -> click.Group:
    recordings = click.Group("recordings", help="What a speaker recorded: prompts/audio/.")

    @recordings.command("check", epilog="Example: flask prompts recordings check --language fr")
    @click.option("--language", default=COUNTRY_LANGUAGE, show_default=True)
    def check_(*, language: str) -> None:
        """Say what is missing, too loud or quiet, clipped, too long, or silent where it is joined.

        Each is one line on standard error; then the exit status is 1. Nothing is changed.
        """
        catalogue = _of(folder, language)
        found = recordings_in(folder, language)
        wanted = readings(catalogue)
        click.echo(f"{language}: {len(wanted.keys() & found)} of {len(wanted)} are recorded.")
        problems = of_recordings(catalogue, found, folder / AUDIO)
        if sentences := [f"{name}: {what}" for name, what in problems]:
            raise Mistakes(sentences)

    return recordings


def _of(folder: Path, language: str) -> Catalogue:
    """Raises click.BadParameter for a language that there is not."""
    if language not in languages(folder):
        known = ", ".join(languages(folder))
        raise click.BadParameter(f"there is no {language}.toml in prompts/, but {known}")
    return read(folder / f"{language}.toml")


def readings(catalogue: Catalogue) -> dict[str, str]:
    """All that a speaker reads who replaces the voice, by the recording's name."""
    return {**catalogue.script(joined=True), **catalogue.words_of_values()}


def of_recordings(
    catalogue: Catalogue, found: Mapping[str, str], folder: Path
) -> Iterator[tuple[str, str]]:
    """What is wrong with the files below `folder`, by name; those that are missing come last."""
    wanted = readings(catalogue)
    heard: dict[str, Sound] = {}
    for name, file in found.items():
        try:
            heard[name] = listen(folder / file)
        except NotHeard as why:
            yield name, str(why)
    usual = median(sound.level for sound in heard.values()) if heard else 0.0
    for name, sound in heard.items():
        yield from ((name, what) for what in _of_sound(name, sound, usual, wanted.get(name, "")))
    yield from ((name, "missing") for name in wanted if name not in found)


def _of_sound(name: str, sound: Sound, usual: float, text: str) -> Iterator[str]:
    """`usual`: the level of most recordings (dB of full)."""
    if sound.is_clipped:
        yield "clipped; record it again, farther from the microphone"
    if abs(sound.level - usual) > LEVELS_APART or sound.level > TOO_LOUD:
        than = "louder" if sound.level > usual else "quieter"
        apart = abs(sound.level - usual)
        yield f"{apart:.0f} dB {than} than the others, at {sound.level:.0f} dB of full scale"
    if text and sound.seconds > (most := LONGER * seconds(text) + LONGER_BY):
        yield f"{sound.seconds:.1f} s; its words take {most:.1f} at most: cut it, or read it anew"
    if name.startswith(SAID):
        for where, silence in (("beginning", sound.before), ("end", sound.after)):
            if silence > MOST_SILENCE:
                yield (
                    f"{1000 * silence:.0f} ms of silence at its {where}; words are joined:"
                    f" leave {1000 * MOST_SILENCE:.0f}"
                )


def of_prompts(folder: Path) -> list[str]:
    """What is wrong with the sentences, and with the words of the service that fill them."""
    usual, own = service_words.usual(), service_words.in_use()
    problems = []
    for problem in check(folder, usual):
        mistake = of_words(problem, usual) if folder == FOLDER else None
        problems.append(told_of_words(mistake) if mistake else str(problem))
    if own is not usual:
        problems += wrong(own)
    return list(dict.fromkeys(problems)) or [*wordless(folder), *unheard(folder)]


def wordless(folder: Path) -> Iterator[str]:
    """Steps that ask nothing: no sentence of a language is called like one, or begins so."""
    for language in languages(folder):
        keys = read(folder / f"{language}.toml").keys
        for step in STEPS:
            if step not in keys and not any(key.startswith(f"{step}_") for key in keys):
                yield str(without_words(step, step, language))


def unheard(folder: Path) -> list[str]:
    """What is wrong with the table [heard] of each language that can be spoken."""
    problems = []
    for name in languages(folder):
        try:
            vocabulary_of(read(folder / f"{name}.toml"))
        except IncompleteVocabulary as incomplete:
            problems.append(f"{incomplete}; fr.toml shows what belongs there")
    return problems


def report(folder: Path, name: str, *, times: bool) -> Iterator[str]:
    """What there is of a language that is right, and how long its common call is."""
    catalogue = read(folder / f"{name}.toml")
    path = mobile_path(name)
    call, slow = common_call(path, folder), common_call(path, folder, slow=True)
    yield told(catalogue)
    if times:
        yield from table(catalogue)
    yield (
        f"{name}.toml: the common call: {call.answers} answers, {call.seconds:.0f} s"
        f" ({slow.seconds:.0f}) spoken, the first offer at {call.first_offer:.0f} s"
        f" ({slow.first_offer:.0f}); to the goodbye {call.seconds_to_goodbye:.0f} s"
        f" ({slow.seconds_to_goodbye:.0f})"
    )
    if times:
        yield from call.rows()


def told(catalogue: Catalogue) -> str:
    """How much there is of a language."""
    wordings = sum(catalogue.wordings(key) for key in catalogue.keys)
    recorded = sum(
        take.recording is not None
        for key in catalogue.keys
        for number in range(catalogue.wordings(key))
        for take in catalogue.takes(key, number)
    )
    return (
        f"{catalogue.language}.toml: right: {len(catalogue.keys)} sentences in {wordings} wordings,"
        f" {len(catalogue.texts)} texts, {recorded} recordings; the voice is {catalogue.voice}"
    )


def table(catalogue: Catalogue) -> Iterator[str]:
    """The reading time of each wording, with the longest values that are likely."""
    for key in catalogue.spoken_keys:
        if long_of(key):
            # Told beside the sentence that it stands for.
            continue
        for number in range(catalogue.wordings(key)):
            normal, slow = (
                catalogue.say(said, longest(catalogue.parts(said, number)), number)
                for said in (key, catalogue.short(key))
            )
            slower = seconds(slow, catalogue.pace(slow=True))
            yield f"  {seconds(normal):6.1f} s ({slower:5.1f})  {key}[{number}]"


def script_of(catalogue: Catalogue) -> Iterator[str]:
    """Each take once, numbered, with its file name; then how long they are in all."""
    script = catalogue.script()
    for number, (name, text) in enumerate(script.items(), start=1):
        yield f"{number}. {name}.wav"
        yield f"   {text}"
        yield ""
    minutes = sum(map(seconds, script.values())) / _MINUTE
    yield f"{len(script)} takes, {minutes:.0f} minutes. A | is a pause of {NORMAL.pause:.1f} s."


def joined_script_of(catalogue: Catalogue) -> Iterator[str]:
    """Each piece with values, as one sentence to read and to cut; then the words of values."""
    yield ""
    yield "Read each sentence as one; cut it at the strokes, keep what is named, leave no silence."
    wanted = catalogue.script(joined=True)
    for key in catalogue.spoken_keys:
        for number in range(catalogue.wordings(key)):
            values = longest(catalogue.parts(key, number))
            for take in catalogue.takes(key, number):
                kept = [reading for reading in take.readings() if reading[0] in wanted]
                if take.around and kept:
                    yield ""
                    yield f"   {' / '.join(_cut(catalogue, take, values))}"
                    yield from (f"{name}.wav   {text}" for name, text in kept)
    yield ""
    yield "Words of values, each by itself; towns and places likewise, as said.NAME.wav:"
    yield from (f"{name}.wav   {word}" for name, word in catalogue.words_of_values().items())


def _cut(catalogue: Catalogue, take: Take, values: Mapping[str, Any]) -> Iterator[str]:
    for part in take.parts:
        if part.text.strip():
            yield part.text.strip()
        if part.name:
            yield f"[{catalogue.spoken(part, values)}]"
