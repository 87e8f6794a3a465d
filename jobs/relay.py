"""A relay: takes what is due in the outbox some at a time, and delivers it, until nothing is left.

A scheduler's sweep is one, and so is a worker's job. Several may be at it at once: each takes what
no other has, and the claim in the database lets one of them through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.messages.deliver_message import FIRST_KINDS, KINDS, PACED, DeliveryDependencies
from services.messages.provider_pace import REST, ProviderPace
from services.messages.take_messages import (
    LAST_KINDS,
    NEXT_KINDS,
    UNPACED_KINDS,
    InHand,
    deliver_taken,
    leave,
    take_due,
)
from services.ports import Messenger
from services.store import Store

# Messages that leave at a time, and that are taken for each of them, where there is no pace.
SENDERS: Final = 8
IN_HAND: Final = 3
# At a pace, as many as have permits ahead, and most of them only wait.
_MOST_SENDERS = 64
# While some are on their way, it looks so often for what was stored meanwhile, in seconds.
_LOOK_AGAIN = 0.2
_FAILED = "failed"
# A message that the relay had taken, and leaves to another because it ends.
_LEFT = "left"
_NO_MEANS = DeliveryDependencies()

log = structlog.get_logger()


def sweep(
    store: Store,
    messenger: Messenger,
    means: DeliveryDependencies = _NO_MEANS,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    senders: int | None = None,
) -> int:
    """Deliver everything that is due, as long as it `goes_on`; gives how many were tried.

    Several processes may do so at once: each takes what no other has. At a pace this takes as long
    as the texts take. `senders` are threads; None: as many as suit the pace.
    """
    pace = pace_of(means)
    many = senders or SENDERS
    if pace is not None and not senders:
        many = min(max(SENDERS, pace.at_once), _MOST_SENDERS)
    with ThreadPoolExecutor(many, thread_name_prefix="sweep") as threads:
        return Relay(store, messenger, means, threads, many * IN_HAND).run(goes_on)


def pace_of(means: DeliveryDependencies) -> ProviderPace | None:
    """The provider's pace; None where texts leave as they come."""
    return means.pace if means.pace is not None and means.pace.is_set else None


@dataclass
class Relay:
    """One relay, with at `most` so many messages in hand: those that its threads deliver, or next.

    At the provider's pace as many as have turns ahead, and no more. `but` are kinds that it leaves
    to others, and `by` its name for the log.
    """

    store: Store
    messenger: Messenger
    means: DeliveryDependencies
    threads: Executor
    most: int
    but: Sequence[str] = ()
    by: str = "sweep"
    in_hand: dict[Future[str], InHand] = field(default_factory=dict)
    # Whether something may be due that the last look did not take.
    may_be_more: bool = True
    # Where none of as many as are in hand could be tried, nor can those behind them.
    failed: int = 0
    worked: bool = False
    # Those that cannot be opened: tried, and put aside.
    unreadable: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = pace_of(self.means)
        if self.pace is not None:
            self.most = self.pace.at_once

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing could be tried, for a reason that is ours."""
        return not self.worked and self.failed >= self.most

    def run(self, goes_on: Callable[[], bool]) -> int:
        """Deliver until nothing is due and nothing in hand; gives how many were tried.

        `may_be_more` tells afterwards whether it ended before.
        """
        tried, left = 0, list[InHand]()
        while True:
            before = len(self.unreadable)
            if self._looks() and goes_on():
                found = self._next(self.most - len(self.in_hand))
                for message in found:
                    self.in_hand[self.threads.submit(self._deliver, message, goes_on)] = message
                tried += len(found)
                self.may_be_more = bool(found) or len(self.unreadable) > before
            if not self.in_hand and len(self.unreadable) > before:
                # Behind them there may be others.
                continue
            if not self.in_hand:
                leave(self.store, left)
                self.may_be_more |= bool(left)
                return tried + len(self.unreadable) - len(left)
            self._wait_for_some(left)

    def _looks(self) -> bool:
        """Whether it is time to take more: some are always on their way, or permits would pass."""
        return len(self.in_hand) <= self._low and not self.is_hopeless

    @property
    def _low(self) -> int:
        return self.most * 3 // 4 if self.pace is not None else self.most // 2

    def _next(self, room: int) -> list[InHand]:
        """Take what is due now; at a pace the most urgent first: so many as may become texts."""
        pace = self.pace
        if pace is None:
            return self._take(KINDS, room)
        # No more than are begun before their leases end: an order at a partner may take long.
        found = self._take(UNPACED_KINDS, SENDERS * IN_HAND)
        others = () if pace.is_full(self.store) else (NEXT_KINDS, LAST_KINDS)
        for kinds in (FIRST_KINDS, *others):
            if room > 0:
                # A text that is waited for goes in its turn; what is far behind is late already.
                latest = kinds == NEXT_KINDS
                some = self._take(kinds, room, latest=latest)
                room -= len(some)
                found += some
        return found

    def _take(self, kinds: Sequence[str], limit: int, *, latest: bool = True) -> list[InHand]:
        ours = [kind for kind in kinds if kind not in self.but]
        if not ours:
            return []
        return take_due(self.store, ours, limit=limit, latest=latest, unreadable=self.unreadable)

    def _deliver(self, one: InHand, goes_on: Callable[[], bool]) -> str:
        """What came of one message; whatever goes wrong with it, all others leave."""
        if not goes_on():
            return _LEFT
        try:
            return deliver_taken(self.store, self.messenger, one, self.means)
        except Exception as error:  # noqa: BLE001 (when its lease is over, it is tried again)
            log.error("delivery failed", message=one.message.id, error=type(error).__name__)
            return _FAILED

    def _wait_for_some(self, left: list[InHand]) -> None:
        """Wait until one is done, but not for long; adds what was not begun to `left`."""
        done, _ = wait(self.in_hand, _LOOK_AGAIN, return_when=FIRST_COMPLETED)
        is_paced = False
        for delivery in done:
            message, result = self.in_hand.pop(delivery), delivery.result()
            if result == _LEFT:
                left.append(message)
                continue
            log.info("delivery", message=message.message.id, result=result, by=self.by)
            self.failed += result == _FAILED
            self.worked |= result != _FAILED
            is_paced |= result == PACED
        if is_paced and self.pace is not None:
            # Others have the permits. What was put back here is due again by then.
            self.pace.pause(REST)
            self.may_be_more = True
