"""Whether DATA_KEYS and INDEX_KEY are this database's: asked before it is read or written."""

from __future__ import annotations

from collections.abc import Sequence

from models.all_tables import metadata
from models.crypto import CannotOpen, Vault
from models.operations import key_canary, reseal
from models.operations.key_canary import Canary
from services.refused import OperatorRefused
from services.store import Store

_WORD = "une clef, une porte"
_KIND = "canary"


class WrongKeys(OperatorRefused):
    """One sentence for the operator: which key does not fit, and what to do."""


def check_keys(store: Store) -> bool:
    """Compare the keys with those that the database knows, and let it know new ones.

    False before the database is migrated, where there is nothing to compare yet. Raises WrongKeys,
    and as the store does. The first start is believed.
    """
    kept = read_canaries(store)
    if kept is None:
        return False
    compare_data_keys(store.vault, kept)
    compare_index_key(store.vault, kept)
    _look_for_rows_of_the_gone(store, kept)
    _make_known(store, kept)
    return True


def read_canaries(store: Store) -> Sequence[Canary] | None:
    """What is known of the keys; None before the database is migrated."""
    with store.database.statement() as connection:
        return key_canary.read(connection) if key_canary.is_there(connection) else None


def compare_data_keys(vault: Vault, kept: Sequence[Canary]) -> None:
    """Raises WrongKeys."""
    for canary in kept:
        if canary.number in vault.numbers:
            _compare(vault, canary)
            continue
        # One that was made and not used yet may be put in later.
        if canary.used_at is not None and canary.retired_at is None:
            raise WrongKeys(
                f"{name_of(canary.number)} is missing: this database was written with it; add it"
                f" again (before it goes for good: flask keys reseal, flask keys retire"
                f" {canary.number + 1})"
            )
    retired = {canary.number for canary in kept if canary.retired_at is not None}
    if vault.seals_with in retired:
        raise WrongKeys(
            f"{name_of(vault.seals_with)} is retired and stands last, so it would seal: put another"
            " one last"
        )


def compare_index_key(vault: Vault, kept: Sequence[Canary]) -> None:
    """Raises WrongKeys."""
    if any(canary.next_index is not None for canary in kept):
        raise WrongKeys(
            "look-ups are being rewritten for another INDEX_KEY: let flask keys reseal --index end,"
            " or run it again"
        )
    if all(canary.index == made_index(vault) for canary in kept):
        return
    if vault.has_index_key:
        raise WrongKeys(
            "INDEX_KEY is not the one that the look-ups of this database were made with: put it"
            " back, or rewrite them with flask keys reseal --index"
        )
    raise WrongKeys(
        "INDEX_KEY is missing: the look-ups of this database were made with another one than what"
        f" {name_of(min(vault.numbers))} gives"
    )


def name_of(number: int) -> str:
    """What an operator calls the data key: from 1, and without its value."""
    return f"key {number + 1} of DATA_KEYS"


def made_canary(vault: Vault, number: int) -> Canary:
    """The word under one of the vault's keys."""
    sealed = vault.seal(_WORD.encode(), _where(number), number=number)
    return Canary(number, sealed, made_index(vault))


def made_index(vault: Vault) -> bytes:
    """What the vault's index key makes of the word."""
    return vault.index(_KIND, _WORD) or b""


def _compare(vault: Vault, kept: Canary) -> None:
    """Raises WrongKeys."""
    try:
        word = vault.open(kept.sealed, _where(kept.number)).decode()
    except CannotOpen:
        word = ""
    if word == _WORD:
        return
    if vault.index_key_opens(kept.sealed, _where(kept.number)):
        raise WrongKeys(
            f"INDEX_KEY is {name_of(kept.number)}: the two are swapped; put each where it was"
        )
    raise WrongKeys(
        f"{name_of(kept.number)} is not the one that this database was written with: put the keys"
        " back as they were, with their numbers"
    )


def _look_for_rows_of_the_gone(store: Store, kept: Sequence[Canary]) -> None:
    """Once after a key was retired and taken away: a late process may have sealed with it still.

    Reads every table that has sealed values. Raises WrongKeys.
    """
    for canary in kept:
        is_gone = canary.number not in store.vault.numbers
        if not is_gone or canary.retired_at is None or canary.gone_at is not None:
            continue
        where = sorted(count_of_key(store, canary.number))
        if where:
            raise WrongKeys(
                f"{name_of(canary.number)} is missing and was retired, but rows of"
                f" {', '.join(where)} were sealed with it since: add it again, then flask keys"
                " reseal"
            )
        with store.database.transaction() as connection:
            key_canary.mark(connection, store.clock, canary.number, "gone_at")


def count_of_key(store: Store, number: int) -> dict[str, int]:
    """How many values this key has sealed, for each table that has some."""
    found = {}
    for table in reseal.sealed_tables(metadata):
        with store.database.snapshot() as connection:
            counted = reseal.count_by_key(connection, table)[number]
        if counted:
            found[table.name] = counted
    return found


def _make_known(store: Store, kept: Sequence[Canary]) -> None:
    vault = store.vault
    known = {canary.number for canary in kept}
    used = {canary.number for canary in kept if canary.used_at is not None}
    new = [number for number in vault.numbers if number not in known]
    if not new and vault.seals_with in used:
        return
    with store.database.transaction() as connection:
        for number in new:
            key_canary.add(connection, made_canary(vault, number))
        key_canary.mark(connection, store.clock, vault.seals_with, "used_at")
        # Another process with other keys may have been quicker.
        now = key_canary.read(connection)
        compare_data_keys(vault, now)
        compare_index_key(vault, now)


def _where(number: int) -> str:
    return f"key_canary.word:{number}"
