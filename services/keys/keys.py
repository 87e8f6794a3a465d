"""A data key that is added, one that is retired, and what they sealed, sealed anew in between.

Each use case looks first whether the keys of this process fit the store. Numbers of keys count from
0 here and in the database; operators count from 1.
"""

from __future__ import annotations

import base64
import secrets

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from models.all_tables import metadata
from models.crypto import KEY_BYTES, MOST_KEYS
from models.operations import key_canary, look_ups, reseal
from models.operations.key_canary import Canary
from models.operations.look_ups import LookUpTable
from models.operations.reseal import Batch, RowKey, SealedTable
from models.supervision import snapshots
from services.accounts.staff import OPERATOR, record_act
from services.keys.check_keys import (
    check_keys,
    compare_data_keys,
    count_of_key,
    made_canary,
    made_index,
    name_of,
    read_canaries,
)
from services.refused import OperatorRefused
from services.store import Store

# Called with what is counted and how many there are; gives what is told how many more are done.
Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

# Rows that one transaction seals anew: callers wait some milliseconds for it, where they wait.
BATCH = 100
# How often all tables are read, at the most, until nothing is left that an older key has sealed.
PASSES = 20
# The dispatcher writes what screens show each second; after so long without it, it has ended.
_STILL_THERE = timedelta(seconds=30)


class KeysRefused(OperatorRefused):
    """One sentence for the operator: why nothing was done, or what is left to do."""


@dataclass(frozen=True)
class NewKey:
    """A data key that the store knows now, and no row has yet. `text` goes into DATA_KEYS."""

    number: int
    text: str


@dataclass(frozen=True)
class KeyLife:
    """A data key as the store and this process know it; `values` by table are what it sealed."""

    number: int
    state: str
    values: dict[str, int]


@dataclass
class Resealed:
    """What was done. `not_opened` are places of values that no key opens."""

    rows: int = 0
    passes: int = 0
    by_table: Counter[str] = field(default_factory=Counter)
    not_opened: set[str] = field(default_factory=set)


# ---------------------------------------------------------------- keys that come and go


def add_key(
    store: Store, *, by: str, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> NewKey:
    """Make a data key and let the store know it; `by` is the operator.

    Nothing is sealed with it before it stands in DATA_KEYS. Raises WrongKeys and KeysRefused.
    """
    canaries = _fit(store)
    number = max(canary.number for canary in canaries) + 1
    if number >= MOST_KEYS:
        raise KeysRefused(f"there were {MOST_KEYS} data keys: no number is left for another")
    key = random_bytes(KEY_BYTES)
    with store.database.transaction() as connection:
        key_canary.add(connection, made_canary(store.vault.plus(number, key), number))
        record_act(connection, store, OPERATOR, "key_added", str(number + 1), details={"by": by})
    return NewKey(number, f"{number + 1}:{base64.b64encode(key).decode()}")


def new_index_key(
    store: Store,
    *,
    as_before: bool,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
) -> str:
    """What INDEX_KEY may be: a new key or, `as_before`, what look-ups are made with today.

    Raises WrongKeys and KeysRefused.
    """
    _fit(store)
    if as_before and store.vault.has_index_key:
        raise KeysRefused("INDEX_KEY is set already: look-ups are made with it alone")
    key = store.vault.index_key if as_before else random_bytes(KEY_BYTES)
    return base64.b64encode(key).decode()


def retire_key(store: Store, number: int, *, by: str) -> None:
    """Let a data key be missing from now on. Raises WrongKeys and KeysRefused."""
    vault, name = store.vault, name_of(number)
    known = {canary.number: canary for canary in _fit(store)}
    if number not in known:
        raise KeysRefused(f"there is no {name}")
    if number == vault.seals_with:
        raise KeysRefused(f"{name} is the one that seals: add another key behind it first")
    if not vault.has_index_key and number == min(vault.numbers):
        raise KeysRefused(
            f"{name} makes the look-ups, because there is no INDEX_KEY: set one first (flask keys"
            " add --index --as-before)"
        )
    used = count_of_key(store, number)
    if used:
        raise KeysRefused(
            f"{name} still seals {sum(used.values())} values in {', '.join(sorted(used))}: run"
            " flask keys reseal; if they become more, a process that was started before the newest"
            " key still runs"
        )
    with store.database.transaction() as connection:
        if key_canary.mark(connection, store.clock, number, "retired_at"):
            details = {"by": by}
            record_act(connection, store, OPERATOR, "key_retired", str(number + 1), details=details)


def list_keys(store: Store) -> list[KeyLife]:
    """Every data key that was ever known, and how many values each has sealed.

    Reads every table that has sealed values. Raises KeysRefused before the database is migrated.
    """
    counted: dict[int, dict[str, int]] = {}
    for table in reseal.sealed_tables(metadata):
        with store.database.snapshot() as connection:
            for number, values in reseal.count_by_key(connection, table).items():
                counted.setdefault(number, {})[table.name] = values
    known = {canary.number: canary for canary in _canaries(store)}
    numbers = sorted({*known, *store.vault.numbers, *counted})
    return [
        KeyLife(number, _state(store, number, known.get(number)), counted.get(number, {}))
        for number in numbers
    ]


def _state(store: Store, number: int, known: Canary | None) -> str:
    vault = store.vault
    given = "seals" if number == vault.seals_with else "opens"
    is_here = number in vault.numbers
    if known is not None and known.retired_at is not None:
        return "retired, and still in DATA_KEYS" if is_here else "retired"
    if is_here:
        return given
    if known is None:
        return "unknown"
    return "missing from DATA_KEYS" if known.used_at is not None else "added, not in DATA_KEYS yet"


# ---------------------------------------------------------------- sealing anew


def reseal_all(
    store: Store,
    *,
    by: str,
    watch: Watch,
    tables: Sequence[SealedTable] | None = None,
    batch: int = BATCH,
) -> Resealed:
    """Seal what an older key has sealed with the newest one, while calls go on.

    It may be killed and run again. A row that changes meanwhile is left as it was changed; the
    tables are read until one reading finds nothing old. Raises WrongKeys and KeysRefused.
    """
    _fit(store)
    done = Resealed()
    tables = reseal.sealed_tables(metadata) if tables is None else tables
    while done.passes < PASSES:
        done.passes += 1
        old = sum(_reseal_table(store, table, done, watch, batch) for table in tables)
        if not old:
            break
        watch = _watch_nothing
    else:
        raise KeysRefused(
            f"{done.rows} rows were sealed anew, and there are always more that were not: a process"
            " that was started before the newest key still runs, or somebody keeps rows locked;"
            " run it again then"
        )
    if done.rows:
        with store.database.transaction() as connection:
            details = {"by": by, "rows": done.rows}
            subject = str(store.vault.seals_with + 1)
            record_act(connection, store, OPERATOR, "keys_resealed", subject, details=details)
    return done


def _reseal_table(store: Store, one: SealedTable, done: Resealed, watch: Watch, batch: int) -> int:
    """How many rows of it had an old value that can be opened, whether they were written or not."""
    with store.database.snapshot() as connection:
        total = reseal.count_rows(connection, one.table)
    found, after = 0, None
    with watch(one.name, total) as progress:
        while True:
            with store.database.statement() as connection:
                looked = reseal.look(connection, one, store.vault.seals_with, after)
            if not looked:
                return found
            after = looked[-1][0]
            old = [key for key, is_old in looked if is_old]
            for start in range(0, len(old), batch):
                found += _reseal_rows(store, one, done, old[start : start + batch])
            progress(len(looked))


def _reseal_rows(store: Store, one: SealedTable, done: Resealed, keys: Sequence[RowKey]) -> int:
    with store.database.statement() as connection:
        made: Batch = reseal.seal_anew(connection, store.vault, one, keys[0], keys[-1])
    done.not_opened.update(made.not_opened)
    if made.changes:
        written = store.database.retried(
            lambda connection: reseal.write(connection, one, made.changes)
        )
        done.rows += written
        done.by_table[one.name] += written
    return len(made.changes)


def _watch_nothing(_what: str, _total: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda _done: None)


# ---------------------------------------------------------------- look-ups


def rewrite_look_ups(
    store: Store, *, by: str, watch: Watch, tables: Sequence[LookUpTable] | None = None
) -> Resealed:
    """Make every look-up anew with INDEX_KEY, while the service is stopped.

    It may be killed and run again; until it has ended, no process starts. Raises WrongKeys and
    KeysRefused.
    """
    canaries, vault = _canaries(store), store.vault
    compare_data_keys(vault, canaries)
    index, begun = made_index(vault), {canary.next_index for canary in canaries} - {None}
    if begun - {index}:
        raise KeysRefused(
            "look-ups are being rewritten for another INDEX_KEY than this one: put that one in, and"
            " let it end first"
        )
    if not begun and all(canary.index == index for canary in canaries):
        return Resealed()
    _refuse_while_it_runs(store)
    with store.database.transaction() as connection:
        key_canary.begin_index(connection, index)
    done = Resealed()
    tables = look_ups.look_up_tables(metadata) if tables is None else tables
    while done.passes < PASSES:
        done.passes += 1
        changed = sum(_rewrite_table(store, table, done, watch) for table in tables)
        if not changed:
            break
        watch = _watch_nothing
    else:
        raise KeysRefused(
            "look-ups are still written with the old INDEX_KEY: stop the service, and run it again"
        )
    with store.database.transaction() as connection:
        key_canary.end_index(connection, index)
        details = {"by": by, "rows": done.rows}
        record_act(connection, store, OPERATOR, "look_ups_rewritten", "index", details=details)
    return done


def _rewrite_table(store: Store, one: LookUpTable, done: Resealed, watch: Watch) -> int:
    with store.database.snapshot() as connection:
        total = reseal.count_rows(connection, one.table)
    changed, after = 0, None
    with watch(one.name, total) as progress:
        while True:
            with store.database.transaction() as connection:
                batch = look_ups.rewrite(connection, store.vault, one, after)
            if batch.last is None:
                break
            after = batch.last
            changed += batch.changed
            done.not_opened.update(batch.not_opened)
            progress(batch.rows)
    done.rows += changed
    done.by_table[one.name] += changed
    return changed


def _refuse_while_it_runs(store: Store) -> None:
    """Raises KeysRefused where the dispatcher wrote a moment ago."""
    with store.database.statement() as connection:
        newest = snapshots.newest_at(connection)
    if newest is not None and store.clock.now() - newest < _STILL_THERE:
        raise KeysRefused(
            "the service is running: stop it, for nobody is found while look-ups are rewritten; it"
            f" is taken to run until {_STILL_THERE.seconds} seconds after it has ended"
        )


# ---------------------------------------------------------------- what fits


def _canaries(store: Store) -> Sequence[Canary]:
    """Raises KeysRefused."""
    found = read_canaries(store)
    if found is None:
        raise KeysRefused("this database is not migrated: run flask migrate")
    return found


def _fit(store: Store) -> Sequence[Canary]:
    """Raises WrongKeys and KeysRefused."""
    canaries = _canaries(store)
    check_keys(store)
    return _canaries(store) or canaries
