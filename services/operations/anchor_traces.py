"""Tell the end of each chain outside the database, once an hour.

Whoever has the secret and the database can make a whole chain anew; what was told before they did
is not theirs to change. An anchor is a line of a file that is only added to, and a POST where an
address is given.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from models.operations import traces
from models.operations.traces import CHAINS, Anchor
from services.operations.traces import Chainer
from services.supervision.alerts import Listener

EVERY: Final = timedelta(hours=1)
FILE: Final = "file"
WEBHOOK: Final = "webhook"
NOWHERE: Final = ""
_PARTS = 4


class NotAnchored(Exception):
    """The ways by which an anchor did not leave; it is tried again in a minute."""


class BadAnchors(Exception):
    """One sentence: what of a file of anchors cannot be read."""


# How an anchor leaves; gives whether it left, and raises nothing.
Way = Callable[[Anchor], bool]


class AnchorFile:
    """Lines `moment chain position digest`; the file is only added to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, anchor: Anchor) -> bool:
        line = f"{anchor.at.isoformat()} {anchor.chain} {anchor.position} {anchor.chained.hex()}\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return True


class AnchorWebhook:
    """POSTs the same as JSON; nothing of a person is in it."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def __call__(self, anchor: Anchor) -> bool:
        return self._listener.tell(
            {
                "anchor": anchor.chain,
                "position": anchor.position,
                "digest": anchor.chained.hex(),
                "at": anchor.at.isoformat(),
            }
        )


def read_anchors(path: Path) -> list[Anchor]:
    """The anchors of a file; none where there is no file. Raises BadAnchors."""
    if not path.exists():
        return []
    try:
        return list(_anchors(path))
    except OSError as error:
        raise BadAnchors(f"{path} cannot be read: {error.strerror}") from None


def _anchors(path: Path) -> Iterator[Anchor]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            parts = line.split()
            try:
                if len(parts) != _PARTS or parts[1] not in CHAINS:
                    raise ValueError  # noqa: TRY301 (all are said in the same sentence)
                at, chain, position, digest = parts
                yield Anchor(
                    chain, int(position), bytes.fromhex(digest), datetime.fromisoformat(at)
                )
            except ValueError:
                raise BadAnchors(f"line {number} of {path} is no anchor") from None


@dataclass(frozen=True)
class Anchoring:
    """A task of each minute: marks each chain and tells its end by every way that is due.

    `ways` are by their names (FILE, WEBHOOK); without one the chain is marked all the same.
    """

    chainer: Chainer
    ways: dict[str, Way] = field(default_factory=dict)

    def __call__(self) -> int:
        """Gives how many anchors left. Raises NotAnchored when all that could leave have."""
        ways: dict[str, Way] = self.ways or {NOWHERE: _nowhere}
        told, failed = 0, set()
        for chain in CHAINS:
            due = self._due(chain, list(ways))
            if not due:
                continue
            self.chainer.mark(chain)
            self.chainer.cut(chain)
            for name in due:
                anchor = self._anchor(chain)
                if anchor is None:
                    continue
                if ways[name](anchor):
                    self._note(anchor, name)
                    told += name != NOWHERE
                else:
                    failed.add(name)
        if failed:
            raise NotAnchored(", ".join(sorted(failed)))
        return told

    def _due(self, chain: str, ways: Sequence[str]) -> list[str]:
        store = self.chainer.store
        with store.database.statement() as connection:
            now = traces.now(connection, store.clock)
            last = {way: traces.last_anchor(connection, chain, way) for way in ways}
        return [way for way, at in last.items() if at is None or at <= now - EVERY]

    def _anchor(self, chain: str) -> Anchor | None:
        store = self.chainer.store
        with store.database.statement() as connection:
            position, chained = traces.end(connection, chain)
            at = traces.now(connection, store.clock)
        return Anchor(chain, position, chained, at) if position else None

    def _note(self, anchor: Anchor, way: str) -> None:
        with self.chainer.store.database.transaction() as connection:
            traces.add_anchor(connection, anchor, way)


def _nowhere(_anchor: Anchor) -> bool:
    return True
