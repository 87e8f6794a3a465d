"""`flask keys`: data keys that come and go, and the key of look-ups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from commands import operator
from commands.terminal import Commands, progress_bar
from services.keys import keys
from services.keys.keys import Resealed
from services.store import Store

# Changes the value of a setting in the file that it comes from; None where it is from elsewhere.
ChangeFile = Callable[[str, Callable[[str], str]], Path | None]

# Places of values that did not open, that are named; all are counted.
NAMED = 5


def make(store: Store, change_file: ChangeFile) -> click.Group:
    """The group `keys`."""
    group = Commands(
        "keys",
        help="""Keys of personal data: add one, seal everything anew with it, retire the old one.

        No command shows a key, but for the one that is made.
        """,
    )
    for command in (
        _make_list(store),
        _make_add(store, change_file),
        _make_reseal(store),
        _make_retire(store),
    ):
        group.add_command(command)
    return group


def _make_list(store: Store) -> click.Command:
    @click.command("list", epilog="Example: flask keys list")
    def list_() -> None:
        """Each data key by its number: what it is for, and how much it has sealed.

        Every sealed value is counted, which takes some seconds for a million.
        """
        found = keys.list_keys(store)
        for key in found:
            click.echo(f"key {key.number + 1}: {key.state}; {sum(key.values.values())} values")
            for table, count in sorted(key.values.items()):
                click.echo(f"  {table}: {count}")
        lowest = min(store.vault.numbers) + 1
        given = "INDEX_KEY" if store.vault.has_index_key else f"what key {lowest} gives"
        click.echo(f"key of look-ups: {given}")

    return list_


def _make_add(store: Store, change_file: ChangeFile) -> click.Command:
    @click.command(epilog="Example: flask keys add --write")
    @click.option("--write", is_flag=True, help="Put it last into DATA_KEYS of .env, too.")
    @click.option("--index", is_flag=True, help="Make an INDEX_KEY instead; nothing is stored.")
    @click.option(
        "--as-before",
        is_flag=True,
        help="With --index: the one that look-ups are made with today, to be kept apart.",
    )
    def add(*, write: bool, index: bool, as_before: bool) -> None:
        """Make a data key and print it once, on standard output, as DATA_KEYS has it.

        The store keeps a word that it sealed, by which a wrong one is known. Nothing else is sealed
        with it before it stands last in DATA_KEYS.
        """
        if (write and index) or (as_before and not index):
            raise click.UsageError("--write is for data keys, and --as-before goes with --index.")
        if index:
            _add_index_key(store, as_before=as_before)
        else:
            _add_data_key(store, change_file if write else None)

    return add


def _add_index_key(store: Store, *, as_before: bool) -> None:
    click.echo(keys.new_index_key(store, as_before=as_before))
    if as_before:
        _say("Set INDEX_KEY to it for every process, and restart them: look-ups stay as they are.")
    else:
        _say("Stop the service, set INDEX_KEY to it, run flask keys reseal --index, and start.")


def _add_data_key(store: Store, change_file: ChangeFile | None) -> None:
    new = keys.add_key(store, by=operator.name())
    name = f"Key {new.number + 1}"
    if change_file is not None:
        file = change_file("DATA_KEYS", lambda value: f"{value},{new.text}")
        if file is not None:
            _say(f"{name} stands last in DATA_KEYS of {file}: restart every process.")
            return
        _say("DATA_KEYS does not come from .env: put the key in where it comes from.")
    click.echo(new.text)
    _say(
        f"{name}: put it first into DATA_KEYS and restart every process, so that each can open what"
        " it seals; then move it to the end, restart again, and run flask keys reseal. Where all"
        " processes stop and start at once, put it at the end at once."
    )


def _make_reseal(store: Store) -> click.Command:
    @click.command(epilog="Example: flask keys reseal")
    @click.option("--index", is_flag=True, help="Make look-ups anew instead, for a new INDEX_KEY.")
    def reseal(*, index: bool) -> None:
        """Seal everything anew that an older data key has sealed, while calls go on.

        May be stopped and run again at any time: it goes on with what is left. With --index the
        service must be stopped, and does not start before it has ended.
        """
        use_case = keys.rewrite_look_ups if index else keys.reseal_all
        done = use_case(store, by=operator.name(), watch=progress_bar)
        for table, count in sorted(done.by_table.items()):
            if count:
                click.echo(f"{table}: {count} rows")
        click.echo(f"{done.rows} rows {'have new look-ups' if index else 'sealed anew'}")
        _refuse_what_did_not_open(done)

    return reseal


def _make_retire(store: Store) -> click.Command:
    @click.command(epilog="Example: flask keys retire 1")
    @click.argument("number", type=click.IntRange(1, 256), metavar="NUMBER")
    def retire(*, number: int) -> None:
        """Let the data key of this number be taken out of DATA_KEYS, once nothing needs it."""
        keys.retire_key(store, number - 1, by=operator.name())
        click.echo(
            f"Key {number} is retired: take it out of DATA_KEYS, where the others keep their"
            " numbers (2:… for the second), and restart every process."
        )

    return retire


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _refuse_what_did_not_open(done: Resealed) -> None:
    if done.not_opened:
        named = ", ".join(sorted(done.not_opened)[:NAMED])
        raise click.ClickException(
            f"{len(done.not_opened)} values do not open with any key of DATA_KEYS and stay as they"
            f" are: {named}"
        )
