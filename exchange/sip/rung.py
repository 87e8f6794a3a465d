"""Telephones of ours that ring: the simulator asks, they are rung over the wire, and one takes it.

All that is known of a ringing call is known on the loop. What asks the simulator something, and the
call that is made of an answer, is in a thread of its own.
"""

import logging

from asyncio import AbstractEventLoop, Task
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from exchange.orders import REFUSALS, Drop, Mailbox, Ring
from exchange.remote import RemoteSwitchboard
from exchange.sip.settings import Plan
from exchange.sip.wire import Wire
from exchange.sip.wire_office import Loop, trouble
from exchange.sip.wire_outbound import Outbound
from exchange.sip.wire_parts import Cancellable, Contact, NotAllowed, Progress
from exchange.subscribers import Taken
from exchange.switchboard import spawn

log = logging.getLogger(__name__)

# The simulator ends the ringing; where it is gone, that is done here, so many seconds later.
GRACE_S: Final = 5.0


@dataclass(eq=False)
class _Attempt:
    """A telephone of an account that rings; of none where the trunk is called.

    There is no handset yet while it is being called.
    """

    account: str
    handset: Outbound | None = None

    def stop(self) -> None:
        """Have it ring no more."""
        if self.handset is not None:
            self.handset.hang_up()


@dataclass
class _Rings:
    """A call that rings: where it does, and what was said where it does not any more."""

    timer: Cancellable
    attempts: list[_Attempt]
    refusals: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Talks:
    """A call that a telephone of this account has taken."""

    account: str
    handset: Outbound
    mailbox: Mailbox


class Rung:
    """Rings telephones for the simulator. `run` lets a call go on to its end, in its own thread.

    `registered` is for the wire, which calls it whenever a telephone comes or goes. `start` starts
    a thread, and `later` has something done on the loop in so many seconds.
    """

    def __init__(
        self,
        lines: RemoteSwitchboard,
        plan: Plan,
        wire: Wire,
        run: Callable[[Outbound, Taken], None],
        loop: AbstractEventLoop,
        *,
        start: Callable[[Callable[[], None]], object] = spawn,
        later: Callable[[float, Callable[[], None]], Cancellable] | None = None,
    ) -> None:
        self._lines, self._plan, self._wire = lines, plan, wire
        self._run, self._loop, self._start = run, loop, start
        self._soon = Loop(loop).post
        self._later = later or loop.call_later
        self._calling: set[Task[None]] = set()
        self._rings: dict[str, _Rings] = {}
        self._talks: dict[str, _Talks] = {}
        self._closed = False
        lines.on_ring = lambda ring: self._soon(lambda: self._ring(ring))
        lines.on_stop_ringing = lambda sid: self._soon(lambda: self._stop(sid))
        lines.on_press = lambda sid, keys: self._soon(lambda: self._press(sid, keys))

    def __len__(self) -> int:
        return len(self._rings) + len(self._talks)

    def registered(self) -> None:
        """Tell the simulator whom we can ring now. On the loop.

        Whose telephone is gone has hung up; one that goes while it rings has not answered.
        """
        there = self._wire.registered()
        names = {
            recipient
            for name in there
            if (account := self._plan.accounts.get(name)) is not None
            for recipient in account.rings
        }
        trunk = self._plan.trunk
        prefixes = trunk.prefixes if trunk is not None else ()
        self._lines.telephones(names, prefixes, trunk=trunk is not None)
        for talks in self._talks.values():
            if talks.account and talks.account not in there:
                talks.mailbox.post(Drop())
        for sid, rings in list(self._rings.items()):
            for attempt in list(rings.attempts):
                if attempt.account and attempt.account not in there:
                    attempt.stop()
                    self._refused(sid, attempt, "no-answer")

    def close(self) -> list[str]:
        """Ring nobody any more, and return what rang: the simulator is to be told. On the loop."""
        self._closed = True
        rang = list(self._rings)
        for sid in rang:
            self._stop(sid)
        return rang

    # All of this on the loop

    def _ring(self, ring: Ring) -> None:
        if ring.sid in self._rings or ring.sid in self._talks:
            return
        full = self._closed or len(self) >= self._plan.most_calls
        targets = [] if full else self._targets(ring.recipient)
        if not targets:
            self._tell(ring.sid, "failed")
            return
        timer = self._later(ring.timeout_s + GRACE_S, lambda: self._stop(ring.sid))
        attempts = [_Attempt(account) for _, account in targets]
        self._rings[ring.sid] = _Rings(timer, attempts)
        for (target, _), attempt in zip(targets, list(attempts), strict=True):
            calling = self._loop.create_task(self._call(ring, target, attempt))
            # The loop itself does not keep a task alive.
            self._calling.add(calling)
            calling.add_done_callback(self._calling.discard)

    def _targets(self, recipient: str) -> list[tuple[Contact | str, str]]:
        found: list[tuple[Contact | str, str]] = []
        for name, account in self._plan.accounts.items():
            contact = self._wire.contact(name) if recipient in account.rings else None
            if contact is not None:
                found.append((contact, name))
        trunk = self._plan.trunk
        if not found and trunk is not None and trunk.allows(recipient):
            found.append((recipient, ""))
        return found

    async def _call(self, ring: Ring, target: Contact | str, attempt: _Attempt) -> None:
        told = partial(self._progress, ring.sid, attempt)
        try:
            attempt.handset = await self._wire.call(target, ring.sender, None, told)
        except NotAllowed as refused:
            log.warning("a call out was not made: %s", refused)
            self._refused(ring.sid, attempt, "failed")
            return
        except Exception as error:  # noqa: BLE001 - one call's trouble is not everybody's
            trouble("a call out failed", error)
            self._refused(ring.sid, attempt, "failed")
            return
        rings = self._rings.get(ring.sid)
        if rings is None or attempt not in rings.attempts:
            # It was over before it rang.
            attempt.handset.hang_up()

    def _progress(self, sid: str, attempt: _Attempt, progress: Progress) -> None:
        if progress.what == "answered":
            self._answered(sid, attempt)
        elif progress.what != "ringing":
            self._refused(sid, attempt, progress.what)

    def _answered(self, sid: str, attempt: _Attempt) -> None:
        rings, handset = self._rings.get(sid), attempt.handset
        if rings is None or handset is None or attempt not in rings.attempts:
            return
        self._over(sid)
        for other in rings.attempts:
            if other is not attempt:
                other.stop()
        self._start(lambda: self._take(sid, handset, attempt.account))

    def _refused(self, sid: str, attempt: _Attempt, status: str) -> None:
        rings = self._rings.get(sid)
        if rings is None or attempt not in rings.attempts:
            return
        rings.attempts.remove(attempt)
        rings.refusals.add(status)
        if not rings.attempts:
            self._over(sid)
            self._tell(sid, min(rings.refusals, key=REFUSALS.index))

    def _stop(self, sid: str) -> None:
        rings = self._over(sid)
        for attempt in rings.attempts if rings else ():
            attempt.stop()

    def _over(self, sid: str) -> _Rings | None:
        rings = self._rings.pop(sid, None)
        if rings is not None:
            rings.timer.cancel()
        return rings

    def _press(self, sid: str, keys: str) -> None:
        talks = self._talks.get(sid)
        if talks is not None and talks.handset.ear is not None:
            for key in keys:
                talks.handset.ear.key(key)

    def _talk(self, sid: str, talks: _Talks) -> None:
        self._talks[sid] = talks
        if talks.account and self._wire.contact(talks.account) is None:
            # It took leave while the simulator was asked.
            talks.mailbox.post(Drop())

    # In threads

    def _tell(self, sid: str, status: str) -> None:
        self._start(lambda: self._lines.rang(sid, status))

    def _take(self, sid: str, handset: Outbound, account: str) -> None:
        try:
            taken = self._lines.answered(sid)
            if taken is not None:
                talks = _Talks(account, handset, taken.mailbox)
                self._soon(lambda: self._talk(sid, talks))
                self._run(handset, taken)
        finally:
            # Whatever has happened, nobody is left on a dead line.
            handset.hang_up()
            self._lines.let_go(sid)
            self._soon(lambda: self._talks.pop(sid, None))
