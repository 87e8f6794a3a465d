"""The chain of what is recorded: lines are linked in batches, by a process behind.

No booking waits for a chain: a link is written seconds after its line was committed, and nothing of
the line's own transaction knows of it. The digests are keyed, with a key that is never in the
database: a thief who can only write there can break the chain, and cannot mend it.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.database import Connection, unhurried
from models.operations import traces, verify
from models.operations.traces import CHAINS, MARK, Cut, Line, Link
from services.privacy.erase_data import ACTS_KEPT
from services.store import Store

# Lines in a batch, and batches at most in one go: so many in the seconds between two of them.
BATCH: Final = 500
BATCHES: Final = 4
# Of the newest links: a transaction that commits late has its number among theirs, or it is found
# when everything is looked through.
NEWEST: Final = 5000
# Links of forgotten acts stay for so long after them, and as many go in one go.
LINKS_KEPT: Final = ACTS_KEPT + timedelta(days=30)
MARK_EVERY: Final = timedelta(minutes=50)
MOST_CUT: Final = 10_000
_KEY_BYTES = 32
_NAME_LETTERS = 8


class TraceKeys:
    """The keys of the chain, from the secrets for traces, oldest first; the last one links."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("the chain needs a secret")
        keys = [_derive(secret) for secret in secrets]
        self._keys = {_name(key): key for key in keys}
        self.name = _name(keys[-1])

    def knows(self, name: str) -> bool:
        """Whether the key of this name is one of them."""
        return name in self._keys

    def digest(self, chain: str, line: Line, name: str | None = None) -> bytes:
        """Of everything that a line says."""
        said = (chain, str(line.id), _moment(line.at), *line.said)
        return self._of(name or self.name, "line", said)

    def chained(self, chain: str, link: Link, before: bytes) -> bytes:
        """Of a link and the chained digest before it; the link's own is not looked at."""
        said = (
            chain,
            str(link.position),
            str(link.row_id),
            _moment(link.at),
            _moment(link.linked_at),
            link.digest.hex(),
            before.hex(),
        )
        return self._of(link.key_name, "link", said)

    def proof(self, chain: str, cut: Cut) -> bytes:
        """That a cut is ours."""
        said = (chain, str(cut.position), cut.chained.hex(), _moment(cut.at))
        return self._of(cut.key_name, "cut", said)

    def _of(self, name: str, kind: str, said: Iterable[str | None]) -> bytes:
        text = json.dumps([kind, *said], separators=(",", ":"))
        return hmac.digest(self._keys[name], text.encode(), hashlib.sha256)


def _derive(secret: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"traces")
    return derivation.derive(secret.encode())


def _name(key: bytes) -> str:
    return hmac.digest(key, b"name", hashlib.sha256).hex()[:_NAME_LETTERS]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Chainer:
    """Links lines; `keys` are those of the chain."""

    store: Store
    keys: TraceKeys

    def __call__(self) -> int:
        """Link what was committed since, of every chain; gives how many lines."""
        return sum(self.link(chain) for chain in CHAINS)

    def link(self, chain: str, *, everywhere: bool = False) -> int:
        """Link lines of one chain that have no link, BATCH * BATCHES at most; gives how many.

        Only those with a number beside or behind the newest links are looked for, unless it is said
        to look `everywhere`: that finds a line which was committed much later than its neighbours.
        """
        done = 0
        for _ in range(BATCHES):
            found = self._batch(chain, everywhere=everywhere)
            done += found
            if found < BATCH:
                break
        return done

    def mark(self, chain: str) -> bool:
        """Link everything, then a mark: until this moment no line waits.

        False where so many wait that they take longer, or where another process links.
        """
        if self.link(chain, everywhere=True) >= BATCH * BATCHES:
            return False
        with self.store.database.transaction() as connection:
            now = traces.now(connection, self.store.clock)
            if traces.is_marked(connection, chain, now - MARK_EVERY):
                return True
            position, before = traces.end(connection, chain)
            links = self._links(chain, position, before, [Line(MARK, now, ())], now)
            return traces.append(connection, chain, position, links)

    def cut(self, chain: str) -> int:
        """Take links of acts that were forgotten long ago from the beginning; gives how many.

        What stays is a cut with a proof. Only links that are whole go: else a thief could let the
        evidence of a change be cut off by making it old.
        """
        if chain != traces.ACTS:
            return 0
        store = self.store
        with store.database.transaction() as connection:
            unhurried(connection)
            now = traces.now(connection, store.clock)
            position, before = self.beginning(connection, chain)
            whole = 0
            for link in traces.oldest(connection, chain, before=now - LINKS_KEPT, limit=MOST_CUT):
                if link.position != position + 1 or not self.is_whole(chain, link, before):
                    break
                position, before, whole = link.position, link.chained, whole + 1
            if not whole:
                return 0
            made = Cut(position, before, now, self.keys.name, b"")
            made = replace(made, proof=self.keys.proof(chain, made))
            return traces.cut_off(connection, chain, made)

    def beginning(self, connection: Connection, chain: str) -> tuple[int, bytes]:
        """Position and chained digest that the first link follows: of the cut, where it is ours."""
        cut = traces.cut(connection, chain)
        if cut is None or not self.keys.knows(cut.key_name):
            return 0, b""
        if not hmac.compare_digest(cut.proof, self.keys.proof(chain, cut)):
            return 0, b""
        return cut.position, cut.chained

    def is_whole(self, chain: str, link: Link, before: bytes) -> bool:
        """Whether a link is as it was written, behind one whose chained digest is `before`."""
        if not self.keys.knows(link.key_name):
            return False
        return hmac.compare_digest(link.chained, self.keys.chained(chain, link, before))

    def _batch(self, chain: str, *, everywhere: bool) -> int:
        store = self.store
        with verify.snapshot(store.database) as connection:
            now = traces.now(connection, store.clock)
            position, before = traces.end(connection, chain)
            after = 0
            if position > NEWEST and not everywhere:
                after = traces.lowest_of_newest(connection, chain, position - NEWEST)
            found = traces.unlinked(connection, store.vault, chain, after=after, limit=BATCH)
        if not found:
            return 0
        links = self._links(chain, position, before, found, now)
        with store.database.transaction() as connection:
            return len(links) if traces.append(connection, chain, position, links) else 0

    def _links(
        self, chain: str, position: int, before: bytes, lines: Sequence[Line], now: datetime
    ) -> list[Link]:
        links = []
        for number, line in enumerate(lines, position + 1):
            digest = self.keys.digest(chain, line)
            bare = Link(number, line.id, line.at, now, digest, b"", self.keys.name)
            before = self.keys.chained(chain, bare, before)
            links.append(Link(number, line.id, line.at, now, digest, before, self.keys.name))
        return links
