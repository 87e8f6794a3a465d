"""Tell the end of each chain outside the database, once an hour.

A thief who has the secret and the database can make a whole chain anew; what was told before they
did is not theirs to change. An anchor is a line of a file that is only added to, and a POST where
an address is given.
"""

from __future__ import annotations

import os
import stat

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from models.operations import traces
from models.operations.traces import CHAINS, Anchor
from services.privacy.traces import Chainer
from services.refused import OperatorRefused
from services.store import Store
from services.supervision.alerts import Listener

EVERY: Final = timedelta(hours=1)
FILE: Final = "file"
WEBHOOK: Final = "webhook"
NOWHERE: Final = ""
# An anchor may be noted in the database, and leave behind the reading of the file.
JUST_NOW: Final = timedelta(minutes=1)
_PARTS = 4


class NotAnchored(Exception):
    """The ways by which an anchor did not leave; it is tried again in a minute."""


class BadAnchors(OperatorRefused):
    """One sentence: what of a file of anchors cannot be read, or changed."""


# How an anchor leaves; gives whether it left, and raises nothing.
Way = Callable[[Anchor], bool]


class AnchorFile:
    """Lines `moment chain position digest`; the file is only added to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, anchor: Anchor) -> bool:
        line = _line_of(anchor)
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


def _line_of(anchor: Anchor) -> str:
    return f"{anchor.at.isoformat()} {anchor.chain} {anchor.position} {anchor.chained.hex()}\n"


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
                anchor = _end_now(self.chainer.store, chain)
                if anchor is None:
                    continue
                if ways[name](anchor):
                    _note(self.chainer.store, anchor, name)
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


def _end_now(store: Store, chain: str) -> Anchor | None:
    with store.database.statement() as connection:
        position, chained = traces.end(connection, chain)
        at = traces.now(connection, store.clock)
    return Anchor(chain, position, chained, at) if position else None


def _note(store: Store, anchor: Anchor, way: str) -> None:
    with store.database.transaction() as connection:
        traces.add_anchor(connection, anchor, way)


def _nowhere(_anchor: Anchor) -> bool:
    return True


# ---------------------------------------------------------------- after a restore


@dataclass(frozen=True)
class Fitted:
    """What a file of anchors is after a restore. `reach` (UTC): of the newest that was `kept`.

    `lost` anchors are of lines that the store does not have; `aside` is the whole file as it was,
    where there were some. Of the chains in `anew` the newest anchor that the store knows was not in
    the file, so that one of now was added.
    """

    path: Path
    kept: int
    reach: datetime | None
    lost: int
    aside: Path | None
    anew: tuple[str, ...]


def fit_anchors(store: Store, path: Path) -> Fitted:
    """Make the file one of a store that came back from a back-up; again changes nothing.

    Anchors of lines that it has stay, whether or not they fit: a change of those is found as
    before. The others are of lines that are lost with the store, and would be missed for ever.
    Raises BadAnchors; the file is then as it was.
    """
    with store.database.statement() as connection:
        now = traces.now(connection, store.clock)
        noted = {chain: traces.last_anchor(connection, chain, FILE) for chain in CHAINS}
    anchors = read_anchors(path)
    # After the file: a scheduler that works already has never anchored more than is linked.
    with store.database.statement() as connection:
        ends = {chain: traces.end(connection, chain)[0] for chain in CHAINS}
    kept = [anchor for anchor in anchors if anchor.position <= ends[anchor.chain]]
    lost = len(anchors) - len(kept)
    aside = _put_aside(path, kept, now) if lost else None
    anew = tuple(
        chain
        for chain in CHAINS
        if _lacks(noted[chain], [anchor.at for anchor in kept if anchor.chain == chain], now)
        and _anchor_now(store, chain, path)
    )
    reach = max((anchor.at for anchor in kept), default=None)
    return Fitted(path, len(kept), reach, lost, aside, anew)


def _lacks(noted: datetime | None, times: Sequence[datetime], now: datetime) -> bool:
    if noted is None or noted > now - JUST_NOW:
        return False
    return not times or max(times) < noted


def _anchor_now(store: Store, chain: str, path: Path) -> bool:
    anchor = _end_now(store, chain)
    if anchor is None:
        return False
    if not AnchorFile(path)(anchor):
        raise BadAnchors(f"{path} cannot be written to")
    _note(store, anchor, FILE)
    return True


def _put_aside(path: Path, kept: Sequence[Anchor], now: datetime) -> Path:
    """The file under another name, and in its place one with those that are kept."""
    aside = path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%SZ}")
    part = path.with_name(f"{path.name}.part")
    try:
        was = path.stat()
        try:
            with part.open("w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), stat.S_IMODE(was.st_mode))
                # An operator may restore by another account than the scheduler's, who goes on.
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
                file.writelines(map(_line_of, kept))
                file.flush()
                os.fsync(file.fileno())
            if not (aside.exists() and aside.samefile(path)):
                aside.hardlink_to(path)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BadAnchors(
            f"{path} cannot be put aside ({error.strerror}), so that `flask store verify` will say"
            " that its end was taken away"
        ) from None
    return aside
