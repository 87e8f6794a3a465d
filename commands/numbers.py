"""`flask numbers …`: the numbers that people call, as their file has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click

from commands.terminal import Mistakes
from services.numbers.file import load
from services.numbers.numbers import BadNumbers, CalledNumber, Known, Numbers


def make(numbers: Numbers, source: str, known: Callable[[], Known]) -> click.Group:
    """The group `numbers`; `source` is NUMBERS_FILE, and `known` looks into the store."""
    group = click.Group(
        "numbers",
        help="Numbers that people call, and what each decides. docs/numbers.md has every entry.",
    )

    @group.command(epilog="Example: flask numbers check deploy/numbers.toml")
    @click.argument("file", required=False, type=click.Path(path_type=Path))
    def check(file: Path | None) -> None:
        """Read FILE (by default NUMBERS_FILE) and say what it means, or what is wrong with it.

        Each mistake is one line on standard error with file, line and remedy; then the exit status
        is 1. Queues are compared with those of the store, and who answers them.
        """
        if file is None and not source:
            raise click.ClickException(
                "NUMBERS_FILE is not set, so there is one number; name a file, as"
                " deploy/numbers.toml"
            )
        path = file or Path(source)
        try:
            found = load(path, known())
        except BadNumbers as bad:
            raise Mistakes(bad.problems) from None
        click.echo(f"{path}: right")
        for entry in found:
            for line in summary(entry):
                click.echo(f"  {line}")

    @group.command("list", epilog="Example: flask numbers list")
    def show() -> None:
        """List the numbers of now: number, name, language, queue, then overflow, sender, caller id.

        An entry without a value of its own is "-": it is as without a file.
        """
        for entry in numbers.all() or (numbers.default,):
            columns = (
                entry.number,
                entry.name,
                entry.language,
                entry.queue,
                entry.overflow_queue,
                entry.sender,
                entry.caller_id,
            )
            click.echo("\t".join(column or "-" for column in columns))

    return group


def summary(one: CalledNumber) -> Iterator[str]:
    """What a number means, in some lines."""
    yield f"{one.number}" + f" ({one.name})" * bool(one.name)
    if one.language:
        yield f"  begins in: {one.language}"
    if one.campaign:
        yield f"  campaign: {one.campaign}"
    if one.has_area:
        yield f"  area: {', '.join(sorted(one.departements) + sorted(one.postcodes))}"
    for language, words in one.greeting:
        yield f"  greeting {language}: {words}"
    if one.hours:
        yield "  agents have hours of their own"
    if one.queue:
        after = f", after {one.overflow.total_seconds() / 60:.0f} minutes {one.overflow_queue} too"
        yield f"  queue: {one.queue}" + after * bool(one.overflow_queue)
    if one.sender:
        yield f"  texts from: {one.sender}"
    if one.caller_id:
        yield f"  rings from: {one.caller_id}"
