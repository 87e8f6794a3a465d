"""The server's state and parts, and what every request of its REST paths goes through."""

import hmac

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from flask import Flask, Response, request

from exchange.account import Account
from exchange.background import Background
from exchange.boxes import Boxes
from exchange.calls import CallRecord
from exchange.clock import Clock
from exchange.faults import REFUSALS, Fault, Faults
from exchange.messages import Message, MessageLife
from exchange.rest.paths import ACCOUNT, Refused, not_found
from exchange.rest.validation import Contract
from exchange.ringing import Ringing
from exchange.settings import Settings
from exchange.store import Store
from exchange.switchboard import Switchboard
from exchange.transport import Transport

# Answers a request to one path, given the SIDs in it by their names in the description.
View = Callable[..., Response]
# How often (seconds) it is looked whether pages and telephones elsewhere are still there.
SWEEP_S = 2.0


class RateLimit:
    """Counts requests in the last second against a switch, `rate_per_second` for one."""

    def __init__(self, limit: Callable[[], float | None], clock: Clock) -> None:
        self._limit, self._clock = limit, clock
        self._taken: deque[datetime] = deque()

    def exceeded(self) -> bool:
        """Count one request; return whether it is one too many."""
        limit, now = self._limit(), self._clock.now()
        if limit is None:
            return False
        while self._taken and now - self._taken[0] >= timedelta(seconds=1):
            self._taken.popleft()
        if len(self._taken) >= limit:
            return True
        self._taken.append(now)
        return False


class Simulator:
    """The server's state and parts; `app.extensions["simulator"]` holds it for tests."""

    def __init__(
        self,
        settings: Settings,
        *,
        faults: Faults,
        transport: Transport,
        clock: Clock,
        threads: int,
        sleep: Callable[[float], None],
    ) -> None:
        self.settings, self.faults, self.clock, self.sleep = settings, faults, clock, sleep
        self.transport = transport
        # Pages of extensions that the first page leads to: a name by path.
        self.links: dict[str, str] = {}
        self.messages: Store[Message] = Store()
        self.background = Background(threads, clock)
        self.rate = RateLimit(lambda: faults.rate_per_second, clock)
        self.call_rate = RateLimit(lambda: faults.calls_per_second, clock)
        self.contract = Contract()
        self.account = Account(settings.twilio_account_sid)
        for number in [*settings.numbers, *settings.texting]:
            self.account.own(number)
        self.account.verified += [one for one in settings.shown if not self.account.owned(one)]
        token = settings.twilio_auth_token
        self.switchboard = Switchboard(
            transport=transport,
            auth_token=token,
            account_sid=settings.twilio_account_sid,
            clock=clock,
            background=self.background,
            faults=faults,
            threads=threads > 0,
        )
        self.calls: Store[CallRecord] = self.switchboard.calls
        self.boxes = Boxes(self.switchboard)
        self.life = MessageLife(
            faults=faults,
            background=self.background,
            callbacks=self.switchboard.callbacks,
            clock=clock,
        )
        self.ringing = Ringing(
            switchboard=self.switchboard,
            transport=transport,
            auth_token=token,
            clock=clock,
            boxes=self.boxes,
        )
        self.switchboard.dialler = self.ringing
        self.boxes.on_gone = self.ringing.gone_there
        self._sweep()

    def _sweep(self) -> None:
        """End what depends on somebody who is gone; again and again."""
        self.switchboard.devices.drop_away()
        self.boxes.drop_away()
        self.background.add(SWEEP_S, self._sweep, timed=True)

    def run_pending(self) -> int:
        """Do all that waits in the background now, for a simulator made without threads."""
        return self.background.run_pending()

    def authenticate(self, account_sid: str | None = None) -> None:
        """Raise Refused unless the request bears our account and token."""
        given = request.authorization
        pair = f"{given.username}:{given.password}" if given and given.type == "basic" else ""
        ours = f"{self.settings.twilio_account_sid}:{self.settings.twilio_auth_token}"
        if not hmac.compare_digest(pair.encode(), ours.encode()):
            raise Refused(20003, "Authenticate", HTTPStatus.UNAUTHORIZED)
        if account_sid not in {None, self.settings.twilio_account_sid}:
            raise not_found()
        if self.faults.refuses and not request.path.startswith("/_"):
            status, message = REFUSALS[self.faults.refuses]
            wait = 1 if status == HTTPStatus.TOO_MANY_REQUESTS else 0
            raise Refused(self.faults.refuses, message, status, retry_after=wait)

    def paths(self, app: Flask) -> Callable[[str, str], Callable[[View], View]]:
        """Return what adds a path below the account's: a method, and the rest of the path.

        Its view is called for requests with the account's credentials only.
        """

        def at(method: str, path: str) -> Callable[[View], View]:
            def add(view: View) -> View:
                def answer(AccountSid: str, **sids: str) -> Response:  # noqa: N803
                    self.authenticate(AccountSid)
                    return view(**sids)

                app.add_url_rule(f"{ACCOUNT}{path}", view.__name__, answer, methods=[method])
                return view

            return add

        return at

    def check(self) -> None:
        """Raise Refused for a request that Twilio's description does not allow."""
        violation = self.contract.violation(request)
        # An absent number or body has an error code of its own, given further down.
        if violation is not None and "is a required property" not in violation:
            raise Refused(20001, f"Invalid parameter: {violation}")

    def take_fault(self) -> Fault:
        """Return the fault for a request that changes something; raises those that refuse it."""
        fault = self.faults.take()
        if fault.kind == "error":
            raise Refused(20500, "An internal server error has occurred", 500)
        if fault.kind == "rate" or self.rate.exceeded():
            raise Refused(20429, "Too Many Requests", 429, retry_after=fault.seconds or 1)
        if fault.kind == "delay":
            self.sleep(fault.seconds)
        return fault

    def take_call_fault(self) -> Fault:
        """Return the fault for a request that makes a call; the account's call rate counts, too."""
        fault = self.take_fault()
        if self.call_rate.exceeded():
            raise Refused(20429, "Too Many Requests", 429, retry_after=1)
        return fault
