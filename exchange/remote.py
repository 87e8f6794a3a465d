"""The simulator's switchboard as a telephone in another process sees it, over HTTP.

The call itself runs here: its webhooks, what is heard, the keys. Only its places in queues and
conferences are over there, and the orders of whoever acts on it come from there.

A process that has telephones says so, and is asked to ring them; a call that is taken there runs
there. The simulator may be started anew meanwhile: it is then told again of the telephones and the
calls, which have lost their places there, as with a provider that breaks down.
"""

import logging
import secrets
import threading
import time

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

import requests

from exchange.calls import FINAL
from exchange.interpreter import Call
from exchange.media import Recordings
from exchange.orders import (
    Complete,
    Drop,
    Errand,
    Mailbox,
    NoSeat,
    Order,
    Party,
    Press,
    QueueRefused,
    Released,
    Ring,
    Seat,
    StopRinging,
    Wish,
    read,
)
from exchange.settings import Settings
from exchange.subscribers import Taken
from exchange.transport import Transport, local_session

# Seconds: between two requests for orders, after one that failed, and for any of them.
LOOK_S = 0.1
TROUBLE_S = 1.0
TIMEOUT_S = 5.0
# The answer to who takes a call may be lost; asked again, it is the same.
TAKE_ATTEMPTS = 2

log = logging.getLogger(__name__)
T = TypeVar("T")


class Unreachable(Exception):
    """The simulator does not answer, or knows nothing of the call any more."""


@dataclass
class _Here:
    """A call of this process, and the life of the box that the simulator knows it by."""

    call: Party
    life: str = ""


class RemoteSwitchboard:
    """See `Lines`. One for all calls of a process.

    Orders come by one thread for all of them, or, with `listens=False`, when `collect` is called.
    That thread lives as long as there are calls; for good in a process that has telephones. What
    it is told about these it tells `on_ring`, `on_stop_ringing` (a SID) and `on_press` (a SID, and
    keys pressed at somebody's page), which must not block.
    """

    def __init__(
        self, base: str, settings: Settings, transport: Transport, *, listens: bool = True
    ) -> None:
        self._base = base.rstrip("/")
        self._auth = (settings.twilio_account_sid, settings.twilio_auth_token)
        self._recordings = Recordings(transport)
        self._box = secrets.token_hex(8)
        self._calls: dict[str, _Here] = {}
        # Calls that ring here, and those taken that have not begun yet.
        self._rings: dict[str, Ring] = {}
        self._taken: dict[str, Mailbox] = {}
        self._lock, self._listens, self._after = threading.Lock(), listens, 0
        self._life = ""
        self._offer: tuple[list[str], list[str], bool] | None = None
        self._offered: tuple[list[str], list[str], bool] | None = None
        self._thread: threading.Thread | None = None
        self._local = threading.local()
        self.on_ring: Callable[[Ring], None] = lambda _ring: None
        self.on_stop_ringing: Callable[[str], None] = lambda _sid: None
        self.on_press: Callable[[str, str], None] = lambda _sid, _keys: None

    def enter(self, call: Party) -> None:
        """See `Lines`; without the simulator the call goes on alone."""
        here = _Here(call)
        with self._lock:
            self._calls[call.sid] = here
            self._taken.pop(call.sid, None)
            self._begin_to_listen()
        self._bring(here)

    def over(self, call: Party) -> None:
        with self._lock:
            self._calls.pop(call.sid, None)
        self._register(call, call.status if call.status in FINAL else "completed")

    # Telephones

    def telephones(
        self, names: Collection[str], prefixes: Collection[str] = (), *, trunk: bool = False
    ) -> None:
        """Say whom this process can ring from now on: numbers and `client:<name>`s, all of them.

        And all numbers that begin with one of the `prefixes`; with a `trunk` nobody is pretended to
        be at any other. Returns at once, in any thread; the simulator knows within a second or two.
        """
        with self._lock:
            self._offer = (sorted(names), sorted(prefixes), trunk)
            self._begin_to_listen()

    def leave(self) -> None:
        """Say that nobody can be rung here any more. Blocks as long as a request takes."""
        with self._lock:
            self._offer = ([], [], False)
        with suppress(Unreachable):
            self._offer_telephones()

    def answered(self, call_sid: str) -> Taken | None:
        """Take a call that rings here; None where somebody was sooner, or it is over.

        Then the telephone that answered is to hang up. Blocks as long as a request takes.
        """
        mailbox = Mailbox()
        with self._lock:
            self._rings.pop(call_sid, None)
            self._taken[call_sid] = mailbox
        for _ in range(TAKE_ATTEMPTS):
            try:
                ring = self._rang(call_sid, "answered")
            except Unreachable:
                continue
            if ring is not None:
                return Taken(cast(Ring, read({**ring, "kind": "Ring"})), mailbox, self)
            break
        else:
            # Perhaps it is ours, and only the answers were lost.
            self._say_over(call_sid)
        with self._lock:
            self._taken.pop(call_sid, None)
        return None

    def let_go(self, call_sid: str) -> None:
        """Say that a call that was taken is over if it never began. Blocks."""
        with self._lock:
            waits = self._taken.pop(call_sid, None) is not None
        if waits:
            self._say_over(call_sid)

    def rang(self, call_sid: str, status: str) -> None:
        """Say that a call was not taken here: `busy`, `no-answer` or `failed`. Blocks."""
        with self._lock:
            self._rings.pop(call_sid, None)
        with suppress(Unreachable):
            self._rang(call_sid, status)

    def _rang(self, call_sid: str, status: str) -> dict[str, Any] | None:
        given = {"box": self._box, "status": status}
        ring: dict[str, Any] | None = self._ask("POST", f"/_calls/{call_sid}/rang", json=given)[
            "ring"
        ]
        return ring

    # Queues and conferences

    def enqueue(self, call: Party, queue: str) -> str:
        """See `Lines`; without the simulator, an error of the system."""
        nobody = {"refused": "system-error", "sid": ""}
        answer = self._ask_or(nobody, "POST", f"/_calls/{call.sid}/queue", json={"queue": queue})
        if "refused" in answer:
            raise QueueRefused(answer["refused"], answer["sid"])
        return str(answer["sid"])

    def figures(self, call: Party) -> dict[str, str]:
        return self._ask_or({}, "GET", f"/_calls/{call.sid}/queue")

    def leave_queue(self, call: Party) -> bool:
        answer = self._ask_or({"left": True}, "DELETE", f"/_calls/{call.sid}/queue")
        return bool(answer["left"])

    def join(self, call: Party, wish: Wish) -> Seat:
        nobody = {"refused": "the simulator does not answer"}
        path = f"/_calls/{call.sid}/conference"
        answer = self._ask_or(nobody, "POST", path, json=asdict(wish))
        if "refused" in answer:
            raise NoSeat(answer["refused"])
        return Seat(**answer)

    def bridge(
        self, call: Party, to: str, caller_id: str, timeout_s: int
    ) -> tuple[Seat, str] | None:
        """See `Lines`; without the simulator nobody is rung."""
        given = {"to": to, "caller_id": caller_id, "timeout_s": timeout_s}
        nobody: dict[str, Any] = {"refused": "the simulator does not answer"}
        answer = self._ask_or(nobody, "POST", f"/_calls/{call.sid}/bridge", json=given)
        return None if "refused" in answer else (Seat(**answer["seat"]), answer["child"])

    def leave_conference(self, call: Party, reason: str) -> None:
        self._ask_or({}, "DELETE", f"/_calls/{call.sid}/conference", params={"reason": reason})

    def pass_time(self, call: Party, seconds: float) -> None:
        call.pass_time(seconds)
        if not call.own_pace:
            call.mailbox.wait(seconds)

    def length(self, url: str) -> float | None:
        return self._recordings.length(url)

    # Orders

    def collect(self, *, patient: bool = False) -> int:
        """Bring the orders that there are to the calls, and return how many.

        A patient request waits a moment for the first. Raises Unreachable.
        """
        query = {
            "box": self._box,
            "life": self._life,
            "after": str(self._after),
            "wait": "1" if patient else "0",
        }
        answer = self._ask("GET", "/_orders", params=query)
        if answer["life"] != self._life:
            self._begin_anew(answer["life"])
        self._offer_telephones()
        for given in answer["orders"]:
            self._after = given.pop("n")
            self._deliver(given.pop("call"), read(given))
        return len(answer["orders"])

    def _deliver(self, call_sid: str, order: Order | Errand) -> None:
        match order:
            case Ring():
                with self._lock:
                    self._rings[call_sid] = order
                self.on_ring(order)
            case StopRinging():
                with self._lock:
                    self._rings.pop(call_sid, None)
                self.on_stop_ringing(call_sid)
            case Press(keys):
                self.on_press(call_sid, keys)
            case _:
                with self._lock:
                    here, mailbox = self._calls.get(call_sid), self._taken.get(call_sid)
                mailbox = here.call.mailbox if here is not None else mailbox
                if mailbox is not None:
                    mailbox.post(order)
                elif isinstance(order, Complete | Drop):
                    # It never came here, or went without having been able to say so.
                    self._say_over(call_sid)

    def _begin_anew(self, life: str) -> None:
        """Bring in everything again: the simulator knows nothing of what was before this life."""
        with self._lock:
            self._life, self._after, self._offered = life, 0, None
            rings, self._rings = list(self._rings), {}
            lost = [here for here in self._calls.values() if here.life != life]
        for call_sid in rings:
            self.on_stop_ringing(call_sid)
        for here in lost:
            before = here.life
            if self._bring(here) and before:
                self._find_its_place(here.call)

    def _bring(self, here: _Here) -> bool:
        """Tell of a call that goes on; False where that cannot be, or it is over there."""
        answer = self._register(here.call, "in-progress", Box=self._box)
        if answer is None:
            return False
        here.life = answer.get("life", "")
        if answer.get("status") not in FINAL:
            return True
        if isinstance(here.call, Call):
            # That it is over was told over there, for want of us.
            here.call.report_to("")
        here.call.mailbox.post(Complete())
        return False

    def _find_its_place(self, call: Party) -> None:
        """Have a call wait in its queue again, from the end; who talked is alone now."""
        seat, queue = getattr(call, "seat", None), getattr(call, "queue", "")
        if seat is not None:
            call.mailbox.post(Released(seat.sid))
        elif queue:
            try:
                self.enqueue(call, queue)
            except QueueRefused:
                log.warning("%s waits in no queue any more", call.sid)

    def _offer_telephones(self) -> None:
        with self._lock:
            offer = self._offer
        if offer is None or offer == self._offered:
            return
        names, prefixes, trunk = offer
        given = {"box": self._box, "names": names, "prefixes": prefixes, "trunk": trunk}
        self._ask("POST", "/_telephones", json=given)
        self._offered = offer

    def _register(self, call: Party, status: str, **more: str) -> dict[str, Any] | None:
        form = {
            "CallSid": call.sid,
            "From": call.sender,
            "To": call.recipient,
            "Direction": call.direction,
            "CallStatus": status,
            "CallDuration": str(getattr(call, "duration_s", 0)),
            **more,
        }
        return self._ask_or(None, "POST", "/_calls", data=form)

    def _say_over(self, call_sid: str) -> None:
        """Say that a call is over, if the simulator has it as one of ours."""
        form = {"CallSid": call_sid, "CallStatus": "completed", "Box": self._box}
        self._ask_or(None, "POST", "/_calls", data=form)

    def _begin_to_listen(self) -> None:
        if self._listens and self._thread is None:
            self._thread = threading.Thread(target=self._listen, daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        """Bring orders to the calls as long as there are any, or telephones that may be rung."""
        while True:
            with self._lock:
                if not self._calls and self._offer is None:
                    self._thread = None
                    return
            try:
                self.collect(patient=True)
                time.sleep(LOOK_S)
            except Unreachable:
                time.sleep(TROUBLE_S)
            except Exception:
                # One order's trouble must not leave all other calls without theirs.
                log.exception("an order could not be brought")
                time.sleep(TROUBLE_S)

    def _ask_or(self, nobody: T, method: str, path: str, **options: Any) -> dict[str, Any] | T:
        """Return the simulator's answer, or `nobody` where it does not give one."""
        try:
            return self._ask(method, path, **options)
        except Unreachable:
            return nobody

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        session = getattr(self._local, "session", None)
        if session is None:
            # A session is not safe between threads.
            session = self._local.session = local_session(self._auth)
        try:
            response = session.request(method, self._base + path, timeout=TIMEOUT_S, **options)
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(str(error)) from error
        return answer
