"""Calls of SIP telephones: who rings us becomes a call of the exchange, and who is rung, too.

Each call has a thread of its own, as anywhere in the exchange. `on_call` comes from the loop, and
leaves everything that takes time to that thread.
"""

import re
import threading
import time

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from exchange.interpreter import Call
from exchange.legs import drive
from exchange.numbers import WITHHELD, to_e164
from exchange.orders import Lines, Mailbox
from exchange.settings import Settings
from exchange.sip.leg import SipClock, SipLeg, Studio, Telephone, Time
from exchange.sip.settings import Account, Plan
from exchange.sip.wire_office import trouble
from exchange.subscribers import Taken
from exchange.switchboard import spawn
from exchange.transport import Transport

NOT_FOUND: Final = 404
FULL: Final = 503
# What stands before the @ where somebody dialled or shows a number.
_NUMBER: Final = re.compile(r"\+?[0-9 .()-]{3,24}")
# As trunks write it: the country's code and nothing before it.
_WITHOUT_PLUS: Final = re.compile(r"33[1-9][0-9]{8}")


def number_of(user: str) -> str | None:
    """Return what stands before the `@` of a SIP address as E.164, or None for what is no number.

    French numbers may have their national form, 0033, +33 or 33.
    """
    user = user.partition(";")[0].strip()
    if not _NUMBER.fullmatch(user):
        return None
    if _WITHOUT_PLUS.fullmatch(user):
        return f"+{user}"
    return to_e164(user)


def caller_of(telephone: Telephone, accounts: Mapping[str, Account]) -> str:
    """Return the number of who rings: of an account its own, else what is shown; WITHHELD."""
    account = accounts.get(telephone.account)
    if account is not None and account.number:
        return account.number
    return number_of(telephone.caller) or WITHHELD


class Calls:
    """All calls of this process; safe between threads.

    `lines` is the simulator's switchboard, `clock` a caller's time where it is not real,
    `begin` starts a thread.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        studio: Studio,
        lines: Lines | None,
        transport: Transport,
        *,
        clock: Time | None = None,
        begin: Callable[[Callable[[], None]], threading.Thread] = spawn,
    ) -> None:
        self._plan, self._settings, self._studio = plan, settings, studio
        self._lines, self._transport, self._time = lines, transport, clock
        ours = {number_of(one) or one for one in settings.numbers}
        self._begin = begin
        # The plans of all overseas numbers are read at the first one that is none of them; not when
        # the loop is waited for.
        number_of("0000000000")
        # Whoever rings back the number that the trunk showed rings us, too.
        self._ours = ours | set(plan.trunk.caller_ids if plan.trunk else ())
        self._live: dict[SipLeg, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __len__(self) -> int:
        return len(self._live)

    def on_call(self, telephone: Telephone) -> None:
        """Have a telephone that rings answered by the service, or refuse it. On the loop."""
        # A short number is dialled as it is.
        called = number_of(telephone.called) or telephone.called.partition(";")[0].strip()
        if called not in self._ours:
            telephone.refuse(NOT_FOUND)
            return
        mailbox = Mailbox()
        leg = SipLeg(telephone, self._studio, mailbox, time=self._time)
        call = Call(
            **self._settings.incoming,
            transport=self._transport,
            sender=caller_of(telephone, self._plan.accounts),
            recipient=called,
            clock=SipClock(leg),
            heard_by=leg.heard,
            answered_by=leg.picks_up,
            seated_by=leg.seated,
            over_by=leg.over,
            switchboard=self._lines,
            mailbox=mailbox,
        )
        with self._lock:
            if self._closed or len(self._live) >= self._plan.most_calls:
                telephone.refuse(FULL)
                return
            telephone.ear = leg
            telephone.rings()
            self._live[leg] = self._begin(lambda: self._drive(call, leg))

    def run(self, telephone: Telephone, taken: Taken) -> None:
        """Let a call that a telephone took go on to its end. In a thread of the call."""
        leg = SipLeg(telephone, self._studio, taken.mailbox, time=self._time)
        call = taken.call(
            transport=self._transport,
            auth_token=self._settings.twilio_auth_token,
            clock=SipClock(leg),
            heard_by=leg.heard,
            seated_by=leg.seated,
            over_by=leg.over,
        )
        with self._lock:
            self._live[leg] = threading.current_thread()
            closed = self._closed
        telephone.ear = leg
        if closed:
            leg.hang_up()
        self._drive(call, leg)

    def close(self, seconds: float) -> bool:
        """End every call, and take none any more; return whether all were over in time."""
        with self._lock:
            self._closed = True
            live = dict(self._live)
        for leg in live:
            leg.hang_up()
        until = time.monotonic() + seconds
        for thread in live.values():
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in live.values())

    def _drive(self, call: Call, leg: SipLeg) -> None:
        leg.call = call
        try:
            drive(call, leg)
        except Exception as error:  # noqa: BLE001 - one call's trouble is not everybody's
            # Whatever it was, the caller must not be left on a dead line, nor in a queue.
            trouble("a call failed", error)
            with suppress(Exception):
                call.hang_up()
        finally:
            leg.over()
            with self._lock:
                self._live.pop(leg, None)
