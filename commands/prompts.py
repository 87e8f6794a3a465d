"""`flask prompts`: what is wrong with the sentences, how long they take, what an actor reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from commands.common_call import bars_of, common_call, vocabulary_of
from flows.understanding.vocabulary import IncompleteVocabulary
from prompts import service_words
from prompts.catalogue import (
    COUNTRY_LANGUAGE,
    FOLDER,
    Catalogue,
    languages,
    read,
)
from prompts.check import check, long_of, longest
from prompts.reading_time import NORMAL, seconds
from services.campaign.words import of_words, wrong
from services.campaign.words import told as told_of_words

_MINUTE = 60


def make(folder: Path = FOLDER) -> click.Group:
    group = click.Group(
        "prompts", help="The sentences that callers hear and the texts they get: prompts/*.toml."
    )

    @group.command("check", epilog="Example: flask prompts check --times")
    @click.option("--times", is_flag=True, help="Also print how long each sentence takes.")
    @click.pass_context
    def check_(context: click.Context, *, times: bool) -> None:
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
                over = common_call(folder, name).over(bars_of(name))
                problems += [f"{name}.toml: the common call: {what}" for what in over]
        for problem in problems:
            click.echo(problem, err=True)
        if problems:
            context.exit(1)

    @group.command("script", epilog="Example: flask prompts script --language fr > script.txt")
    @click.option(
        "--language",
        default=COUNTRY_LANGUAGE,
        show_default=True,
        help="Whose sentences, by the name of the file in prompts/.",
    )
    def script(language: str) -> None:
        """Print what an actor must read, each take with the name that its file must have.

        A file in prompts/audio/LANGUAGE/ (.mp3 or .wav) is played instead of the voice from the
        next start on. A piece with a value in it stays with the voice, from pause to pause.
        """
        if language not in languages(folder):
            known = ", ".join(languages(folder))
            raise click.BadParameter(f"there is no {language}.toml in prompts/, but {known}")
        for line in script_of(read(folder / f"{language}.toml")):
            click.echo(line)

    return group


def of_prompts(folder: Path) -> list[str]:
    """What is wrong with the sentences, and with the words of the service that fill them."""
    usual, own = service_words.usual(), service_words.in_use()
    problems = []
    for problem in check(folder, usual):
        mistake = of_words(problem, usual) if folder == FOLDER else None
        problems.append(told_of_words(mistake) if mistake else str(problem))
    if own is not usual:
        problems += wrong(own)
    return list(dict.fromkeys(problems)) or unheard(folder)


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
    call, slow = common_call(folder, name), common_call(folder, name, slow=True)
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
