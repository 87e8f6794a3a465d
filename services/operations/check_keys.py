"""Whether DATA_KEYS are the keys of this database: asked before a process reads or writes."""

from __future__ import annotations

from collections.abc import Sequence

from models.crypto import CannotOpen, Vault
from models.operations import key_canary
from models.operations.key_canary import Canary
from services.store import Store

_WORD = "une clef, une porte"
_KIND = "canary"


class WrongKeys(Exception):
    """One sentence for the operator: which key does not fit, and what to do."""


def check_keys(store: Store) -> bool:
    """Compare the keys with those that the database knows, and let it know new ones.

    False before the database is migrated, where there is nothing to compare yet. Raises WrongKeys,
    and as the store does. The first start after the migration is believed.
    """
    vault = store.vault
    with store.database.statement() as connection:
        if not key_canary.is_there(connection):
            return False
        kept = key_canary.read(connection)
    _compare_all(vault, kept)
    if len(kept) < vault.keys:
        with store.database.transaction() as connection:
            for number in range(len(kept), vault.keys):
                key_canary.add(connection, _made(vault, number))
            # Another process with other keys may have been quicker.
            _compare_all(vault, key_canary.read(connection))
    return True


def _compare_all(vault: Vault, kept: Sequence[Canary]) -> None:
    """Raises WrongKeys."""
    for canary in kept:
        _compare(vault, canary)


def _compare(vault: Vault, kept: Canary) -> None:
    """Raises WrongKeys."""
    name = f"key {kept.number + 1} of DATA_KEYS"
    if kept.number >= vault.keys:
        raise WrongKeys(f"{name} is missing: this database was written with it; add it again")
    try:
        word = vault.open(kept.sealed, _where(kept.number)).decode()
    except CannotOpen:
        word = ""
    if word != _WORD or kept.index != vault.index(_KIND, _WORD):
        raise WrongKeys(
            f"{name} is not the one that this database was written with: put the keys back as they"
            " were, oldest first"
        )


def _made(vault: Vault, number: int) -> Canary:
    index = vault.index(_KIND, _WORD) or b""
    return Canary(number, vault.seal(_WORD.encode(), _where(number), number=number), index)


def _where(number: int) -> str:
    return f"key_canary.word:{number}"
