"""Compare every line with its link, the links with each other, and their end with the anchors."""

from __future__ import annotations

import hmac

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from models.database import Connection
from models.operations import traces, verify
from models.operations.traces import CHAINS, MARK, Anchor, Line, Link
from services.privacy.anchor_traces import FILE, JUST_NOW
from services.privacy.erase_data import ACTS_KEPT
from services.privacy.traces import Chainer

# A line is committed at most so long after the moment that it bears. One that turns up behind
# younger ones was written later than it says.
LATEST: Final = timedelta(minutes=10)


@dataclass
class Traced:
    """What was found of one chain. Moments are UTC.

    Of what is `broken` the first `limit` are kept in words; all are counted in `contradictions`.
    """

    chain: str
    limit: int
    contradictions: int = 0
    lines: int = 0
    waiting: int = 0
    oldest_waiting: datetime | None = None
    position: int = 0
    reaches: datetime | None = None
    broken: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """How far the chain reaches, in a sentence; nothing where there is nothing at all."""
        if not self.position and not self.waiting:
            return
        if self.reaches:
            yield (
                f"traces: {self.chain} is chained up to {_told(self.reaches)} (position"
                f" {self.position}), {self.lines} lines"
            )
        else:
            yield f"traces: {self.chain} is not chained yet"
        if self.oldest_waiting:
            yield (
                f"traces: {self.chain} has {self.waiting} lines that wait to be linked, the oldest"
                f" of {_told(self.oldest_waiting)}"
            )


def verify_traces(
    chainer: Chainer,
    anchors: Sequence[Anchor] | None,
    *,
    limit: int,
    say: Callable[[str], None],
) -> int:
    """Compare all of one state of the store; gives how many contradictions there are.

    `say` hears of the first `limit` of each chain, in the order of the chain, and how far it
    reaches. Nothing that is said is personal. `anchors` are those of the file outside; None: there
    is no such file here.
    """
    total = 0
    with verify.snapshot(chainer.store.database) as connection:
        now = traces.now(connection, chainer.store.clock)
        for chain in CHAINS:
            of_chain = [anchor for anchor in anchors or () if anchor.chain == chain]
            walk = _Walk(chainer, Traced(chain, limit), now, of_chain)
            traced = walk.through(connection)
            if anchors is not None:
                walk.compare_file(connection)
            for sentence in traced.broken:
                say(f"traces: {sentence}")
            if traced.contradictions > limit:
                say(f"traces: {chain}: {traced.contradictions - limit} more")
            for sentence in traced.told():
                say(sentence)
            total += traced.contradictions
            last = traces.last_anchor(connection, chain)
            if traced.position or last:
                say(f"traces: {chain} was anchored last {_told(last) if last else 'never'}")
    return total


class _Walk:
    """Once through a chain."""

    def __init__(
        self, chainer: Chainer, traced: Traced, now: datetime, anchors: Sequence[Anchor]
    ) -> None:
        self._chainer, self._traced, self._now = chainer, traced, now
        self._chain = traced.chain
        self._anchors: Mapping[int, list[Anchor]] = _by_position(anchors)
        # All that follows the first one which does not fit would not fit either.
        self._fits = True
        # The youngest moment among the lines that were linked so far.
        self._youngest: datetime | None = None

    def through(self, connection: Connection) -> Traced:
        traced, keys = self._traced, self._chainer.keys
        position, before = self._chainer.beginning(connection, self._chain)
        traced.position = position
        self._compare_cut(connection, position)
        for link, line in traces.compared(connection, self._chainer.store.vault, self._chain):
            if link.position != traced.position + 1:
                self._break(
                    f"links {traced.position + 1} to {link.position - 1} of {self._chain} are gone,"
                    f" before that of {_told(link.at)}"
                )
            elif not keys.knows(link.key_name):
                self._break(
                    f"link {link.position} of {self._chain} ({_told(link.at)}) was made with a"
                    " secret that TRACES_SECRET does not hold"
                )
            elif not self._chainer.is_whole(self._chain, link, before):
                self._break(
                    f"link {link.position} of {self._chain}, of line {link.row_id}"
                    f" ({_told(link.at)}), was changed"
                )
            self._compare_line(link, line)
            self._compare_anchors(link)
            traced.position, before = link.position, link.chained
            traced.reaches = link.at
        self._look_for_unlinked(connection)
        self._compare_end()
        return traced

    def _break(self, sentence: str) -> None:
        self._traced.contradictions += 1
        if self._traced.contradictions <= self._traced.limit:
            self._traced.broken.append(sentence)

    def _compare_cut(self, connection: Connection, position: int) -> None:
        cut = traces.cut(connection, self._chain)
        if cut is not None and cut.position != position:
            self._break(f"the cut of {self._chain} at {cut.position} is not ours")

    def _compare_line(self, link: Link, line: Line | None) -> None:
        if link.row_id == MARK:
            self._youngest = max(link.at, self._youngest or link.at)
            return
        self._traced.lines += 1
        name = f"{self._chain} {link.row_id} of {_told(link.at)}"
        if line is None:
            # An act is forgotten after a year; of the history nothing is.
            if self._chain != traces.ACTS or link.at > self._now - ACTS_KEPT:
                self._break(f"{name} was deleted")
        elif line.at != link.at:
            self._break(f"{name} was given another moment: {_told(line.at)}")
        elif self._chainer.keys.knows(link.key_name):
            digest = self._chainer.keys.digest(self._chain, line, link.key_name)
            if not hmac.compare_digest(digest, link.digest):
                self._break(f"{name} was changed")
        if link.at > link.linked_at + LATEST:
            self._break(f"{name} bears a moment that was still to come at {_told(link.linked_at)}")
        elif self._youngest and link.at < self._youngest - LATEST:
            self._break(
                f"{name} was inserted in the past: it turned up at {_told(link.linked_at)}, behind"
                f" a line of {_told(self._youngest)}"
            )
        at = min(link.at, link.linked_at)
        self._youngest = max(at, self._youngest or at)

    def _look_for_unlinked(self, connection: Connection) -> None:
        traced = self._traced
        for number, at in traces.not_linked(connection, self._chain):
            traced.waiting += 1
            traced.oldest_waiting = min(at, traced.oldest_waiting or at)
            if self._youngest and at < self._youngest - LATEST:
                self._break(
                    f"{self._chain} {number} of {_told(at)} has no link, and the chain reaches"
                    f" {_told(self._youngest)}: it was inserted in the past, or its link was taken"
                    " away"
                )

    def _compare_anchors(self, link: Link) -> None:
        for anchor in self._anchors.get(link.position, ()):
            if self._fits and not hmac.compare_digest(anchor.chained, link.chained):
                self._fits = False
                self._break(
                    f"{self._chain} is not the chain that was anchored at {_told(anchor.at)}"
                    f" (position {anchor.position}): it was made anew"
                )

    def _compare_end(self) -> None:
        for position, anchors in self._anchors.items():
            if self._fits and position > self._traced.position:
                self._fits = False
                self._break(
                    f"{self._chain} ends at position {self._traced.position}, and at"
                    f" {_told(anchors[0].at)} it was anchored at {position}: its end was taken away"
                )

    def compare_file(self, connection: Connection) -> None:
        """Whether the file has the newest anchor that was written to it."""
        last = traces.last_anchor(connection, self._chain, FILE)
        # One that leaves at this moment may be noted already, and not have been in the file.
        if last is None or last > self._now - JUST_NOW:
            return
        times = [anchor.at for anchors in self._anchors.values() for anchor in anchors]
        if not times or max(times) < last:
            newest = f"its newest is of {_told(max(times))}" if times else "it has none"
            self._break(
                f"the file of anchors lacks that of {self._chain} of {_told(last)}: {newest}; if"
                " another is meant, --anchors names it"
            )


def _by_position(anchors: Sequence[Anchor]) -> dict[int, list[Anchor]]:
    found: dict[int, list[Anchor]] = {}
    for noted in sorted(anchors, key=lambda anchor: anchor.position):
        found.setdefault(noted.position, []).append(noted)
    return found


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
