"""The simulator's switchboard as a telephone in another process sees it, over HTTP.

The call itself runs here: its webhooks, what is heard, the keys. Only its places in queues and
conferences are over there, and the orders of whoever acts on it come from there.
"""

import secrets
import threading
import time

from dataclasses import asdict
from typing import Any

import requests

from simulator.calls import FINAL
from simulator.media import Recordings
from simulator.orders import NoSeat, Party, QueueRefused, Seat, Wish, read
from simulator.settings import Settings
from simulator.transport import Transport

# Seconds: between two requests for orders, after one that failed, and for any of them.
LOOK_S = 0.1
TROUBLE_S = 1.0
TIMEOUT_S = 5.0


class Unreachable(Exception):
    """The simulator does not answer, or knows nothing of the call any more."""


class RemoteSwitchboard:
    """See `Lines`. One for all calls of a process.

    Orders come by one thread for all of them, or, with `listens=False`, when `collect` is called.
    """

    def __init__(
        self, base: str, settings: Settings, transport: Transport, *, listens: bool = True
    ) -> None:
        self._base = base.rstrip("/")
        self._auth = (settings.twilio_account_sid, settings.twilio_auth_token)
        self._recordings = Recordings(transport)
        self._box = secrets.token_hex(8)
        self._calls: dict[str, Party] = {}
        self._lock, self._listens, self._after = threading.Lock(), listens, 0
        self._thread: threading.Thread | None = None
        self._local = threading.local()

    def enter(self, call: Party) -> None:
        """See `Lines`; without the simulator the call goes on alone."""
        with self._lock:
            self._calls[call.sid] = call
            if self._listens and self._thread is None:
                self._thread = threading.Thread(target=self._listen, daemon=True)
                self._thread.start()
        self._register(call, "in-progress", Box=self._box)

    def over(self, call: Party) -> None:
        """See `Lines`."""
        with self._lock:
            self._calls.pop(call.sid, None)
        self._register(call, call.status if call.status in FINAL else "completed")

    def enqueue(self, call: Party, queue: str) -> str:
        """See `Lines`; without the simulator, an error of the system."""
        try:
            answer = self._ask("POST", f"/_calls/{call.sid}/queue", json={"queue": queue})
        except Unreachable as error:
            raise QueueRefused("system-error") from error
        if "refused" in answer:
            raise QueueRefused(answer["refused"], answer["sid"])
        return str(answer["sid"])

    def figures(self, call: Party) -> dict[str, str]:
        """See `Lines`."""
        try:
            return self._ask("GET", f"/_calls/{call.sid}/queue")
        except Unreachable:
            return {}

    def leave_queue(self, call: Party) -> bool:
        """See `Lines`."""
        try:
            return bool(self._ask("DELETE", f"/_calls/{call.sid}/queue")["left"])
        except Unreachable:
            return True

    def join(self, call: Party, wish: Wish) -> Seat:
        """See `Lines`."""
        try:
            answer = self._ask("POST", f"/_calls/{call.sid}/conference", json=asdict(wish))
        except Unreachable as error:
            raise NoSeat("the simulator does not answer") from error
        if "refused" in answer:
            raise NoSeat(answer["refused"])
        return Seat(**answer)

    def bridge(
        self, call: Party, to: str, caller_id: str, timeout_s: int
    ) -> tuple[Seat, str] | None:
        """See `Lines`: nobody is rung from here."""
        return None

    def leave_conference(self, call: Party, reason: str) -> None:
        """See `Lines`."""
        try:
            self._ask("DELETE", f"/_calls/{call.sid}/conference", params={"reason": reason})
        except Unreachable:
            return

    def pass_time(self, call: Party, seconds: float) -> None:
        """See `Lines`."""
        call.pass_time(seconds)
        if not call.own_pace:
            call.mailbox.wait(seconds)

    def length(self, url: str) -> float | None:
        """See `Lines`."""
        return self._recordings.length(url)

    def collect(self, *, patient: bool = False) -> int:
        """Bring the orders that there are to the calls, and return how many.

        A patient request waits a moment for the first. Raises Unreachable.
        """
        query = {"box": self._box, "after": str(self._after), "wait": "1" if patient else "0"}
        found = self._ask("GET", "/_orders", params=query)["orders"]
        for given in found:
            self._after = given.pop("n")
            with self._lock:
                call = self._calls.get(given.pop("call"))
            if call is not None:
                call.mailbox.post(read(given))
        return len(found)

    def _register(self, call: Party, status: str, **more: str) -> None:
        form = {
            "CallSid": call.sid,
            "From": call.sender,
            "To": call.recipient,
            "CallStatus": status,
            "CallDuration": str(getattr(call, "duration_s", 0)),
            **more,
        }
        try:
            self._ask("POST", "/_calls", data=form)
        except Unreachable:
            return

    def _listen(self) -> None:
        """Bring orders to the calls as long as there are any."""
        while True:
            with self._lock:
                if not self._calls:
                    self._thread = None
                    return
            try:
                self.collect(patient=True)
                time.sleep(LOOK_S)
            except Unreachable:
                time.sleep(TROUBLE_S)

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        session = getattr(self._local, "session", None)
        if session is None:
            # A session is not safe between threads.
            session = self._local.session = requests.Session()
            session.trust_env = False
            session.auth = self._auth
        try:
            response = session.request(method, self._base + path, timeout=TIMEOUT_S, **options)
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(str(error)) from error
        return answer
