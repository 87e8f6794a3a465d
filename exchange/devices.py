"""Telephones in browsers: `client:<name>`. They ring, are taken, muted and put down over HTTP.

A device is what Twilio's JavaScript library is to an agent's page, without the sound. It is
registered as long as its page asks for events; a page that does not any more is gone, and with it
the call that went through it.

A call to a name may be taken by another telephone of the same person, too, that a process elsewhere
has. Then the page shows it as its own: it can be muted and ended there, keys can be pressed, and it
goes on when the page is closed, and is there again when it is opened.
"""

import threading

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from exchange.clock import Clock
from exchange.orders import Drop, Mailbox

# A page that asked for nothing for so long (seconds) is gone.
AWAY_S = 10.0
# Events that a page can still ask for.
KEPT_EVENTS = 500


@dataclass(frozen=True)
class Elsewhere:
    """A call that another telephone took: its mailbox, and what else a page can do to it."""

    mailbox: Mailbox
    mute: Callable[[bool], object] = lambda _on: None
    press: Callable[[str], object] = lambda _keys: None


@dataclass
class Device:
    """One device. `state` is `idle`, `ringing` or `connected`; `call` the SID of its call."""

    name: str
    seen: float
    state: str = "idle"
    call: str = ""
    sender: str = ""
    muted: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    # Keys pressed that no Gather has taken yet.
    keys: str = ""
    mailbox: Mailbox | None = None
    answered: Callable[[], None] = lambda: None
    refused: Callable[[], None] = lambda: None
    elsewhere: Elsewhere | None = None

    def note(self, kind: str, **more: Any) -> None:
        """Add an event: `n` counts from 1 and never goes back."""
        self.count += 1
        self.events.append({"n": self.count, "kind": kind, **more})
        del self.events[:-KEPT_EVENTS]


class Devices:
    """All devices by name; safe between threads.

    Events: `registered`, `incoming` (call, from), `connected` (call; with `through` a `telephone`
    where another one took it), `heard` (text), `cancelled` (call: it rang out, or the caller hung
    up first), `disconnected` (call, reason), `muted` (on).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._devices: dict[str, Device] = {}
        # Calls that other telephones took, by the name that was rung: SID, who rang, and the rest.
        self._elsewhere: dict[str, tuple[str, str, Elsewhere]] = {}
        self._changed = threading.Condition(threading.RLock())

    # The page's requests

    def register(self, name: str) -> dict[str, Any]:
        """Make a device known, or known anew, and return its state.

        A call that went through an older page ends; one that rings is told to the new page.
        """
        with self._changed:
            device = self._devices.setdefault(name, Device(name, self._now()))
            if self._away(device):
                # What happened to the page before is no business of the new one's.
                device.events.clear()
            device.seen = self._now()
            if device.state == "connected" and device.elsewhere is None:
                self._put_down(device)
            device.note("registered")
            # What follows is news to this page, which asks for what comes after its registration.
            count = device.count
            if device.state == "ringing":
                device.note("incoming", call=device.call, **{"from": device.sender})
            elif name in self._elsewhere:
                self._connect_elsewhere(device, *self._elsewhere[name])
            return {**self._state(device), "count": count}

    def unregister(self, name: str) -> None:
        """Forget a device whose page is closed; its call ends."""
        with self._changed:
            device = self._devices.pop(name, None)
            if device is not None and device.elsewhere is None:
                self._put_down(device)

    def events(self, name: str, after: int, patience_s: float = 0.0) -> dict[str, Any] | None:
        """Return what happened after event number `after`; None for a device that is not known.

        Waits up to `patience_s` seconds for something to happen.
        """
        with self._changed:
            device = self._devices.get(name)
            if device is None:
                return None
            device.seen = self._now()
            self._changed.wait_for(lambda: device.count > after, patience_s)
            new = [event for event in device.events if event["n"] > after]
            return {**self._state(device), "events": new}

    def accept(self, name: str) -> bool:
        """Take the call that rings; False when none does."""
        with self._changed:
            device = self._touched(name, "ringing")
            if device is None:
                return False
            device.state = "connected"
            answered = device.answered
        answered()
        return True

    def reject(self, name: str) -> bool:
        """Refuse the call that rings; False when none does."""
        with self._changed:
            device = self._touched(name, "ringing")
            if device is None:
                return False
            refused = device.refused
            self._free(device, "disconnected", reason="rejected")
        refused()
        return True

    def hang_up(self, name: str) -> bool:
        """Put the receiver down; False when there is no call."""
        with self._changed:
            device = self._touched(name, "ringing", "connected")
            if device is None:
                return False
            if device.state == "ringing":
                return self.reject(name)
            self._put_down(device)
            return True

    def mute(self, name: str, *, on: bool) -> bool:
        """Switch the microphone off or on; False when there is no call."""
        with self._changed:
            device = self._touched(name, "connected")
            if device is None:
                return False
            device.muted = on
            self._note(device, "muted", on=on)
            elsewhere = device.elsewhere
        if elsewhere is not None:
            elsewhere.mute(on)
        return True

    def press(self, name: str, keys: str) -> bool:
        """Press keys; False when there is no call."""
        with self._changed:
            device = self._touched(name, "connected")
            if device is None:
                return False
            elsewhere = device.elsewhere
            if elsewhere is None:
                device.keys += keys
            if elsewhere is None and device.mailbox is not None:
                device.mailbox.poke()
        if elsewhere is not None:
            elsewhere.press(keys)
        return True

    def state(self, name: str) -> dict[str, Any] | None:
        """Return how a device is; None when it is not known."""
        with self._changed:
            device = self._devices.get(name)
            return None if device is None else self._state(device)

    # The exchange's side

    def registered(self, name: str) -> bool:
        """Return whether a page is there for this name."""
        with self._changed:
            device = self._devices.get(name)
            return device is not None and not self._away(device)

    def ring(
        self,
        name: str,
        call_sid: str,
        sender: str,
        answered: Callable[[], None],
        refused: Callable[[], None],
    ) -> str:
        """Ring a device; return `ringing`, `busy`, or `no-answer` where no page is there."""
        with self._changed:
            device = self._devices.get(name)
            if device is None or self._away(device):
                return "no-answer"
            if device.state != "idle":
                return "busy"
            device.state, device.call, device.sender = "ringing", call_sid, sender
            device.answered, device.refused = answered, refused
            device.keys, device.muted = "", False
            self._note(device, "incoming", call=call_sid, **{"from": sender})
            return "ringing"

    def stop_ringing(self, name: str, call_sid: str) -> bool:
        """Stop a call that still rings; False when it was taken or refused before."""
        with self._changed:
            device = self._devices.get(name)
            if device is None or device.call != call_sid or device.state != "ringing":
                return False
            self._free(device, "cancelled")
            return True

    def connected(self, name: str, call_sid: str, mailbox: Mailbox) -> None:
        """Say that the call goes through the device now."""
        with self._changed:
            device = self._devices.get(name)
            if device is None or device.call != call_sid:
                mailbox.post(Drop())
                return
            device.mailbox = mailbox
            self._note(device, "connected", call=call_sid)

    def connected_elsewhere(
        self, name: str, call_sid: str, sender: str, elsewhere: Elsewhere
    ) -> None:
        """Say that another telephone took the call; a page that has one already keeps that."""
        with self._changed:
            self._elsewhere[name] = (call_sid, sender, elsewhere)
            device = self._devices.get(name)
            if device is not None and (device.state == "idle" or device.call == call_sid):
                self._connect_elsewhere(device, call_sid, sender, elsewhere)

    def ended(self, name: str, call_sid: str) -> None:
        with self._changed:
            if name in self._elsewhere and self._elsewhere[name][0] == call_sid:
                del self._elsewhere[name]
            device = self._devices.get(name)
            if device is not None and device.call == call_sid:
                self._free(device, "disconnected", reason="ended")

    def hears(self, name: str, call_sid: str, text: str) -> None:
        """Tell a device what is said into its call."""
        with self._changed:
            device = self._devices.get(name)
            if device is not None and device.call == call_sid:
                self._note(device, "heard", text=text)

    def take_keys(self, name: str) -> str:
        """Return the keys pressed since the last time, and forget them."""
        with self._changed:
            device = self._devices.get(name)
            if device is None:
                return ""
            keys, device.keys = device.keys, ""
            return keys

    def drop_away(self) -> int:
        """End the calls of devices whose page is gone; return how many."""
        with self._changed:
            # What still rings at a page that is gone rings until nobody has answered.
            # And what another telephone took needs no page.
            gone = [
                device
                for device in self._devices.values()
                if device.state == "connected" and device.elsewhere is None and self._away(device)
            ]
            for device in gone:
                self._put_down(device)
            return len(gone)

    def _put_down(self, device: Device) -> None:
        if device.state == "ringing":
            refused = device.refused
            self._free(device, "disconnected", reason="page gone")
            refused()
        elif device.state == "connected":
            mailbox = device.mailbox
            self._free(device, "disconnected", reason="hung up")
            # Without a mailbox the call is only just being connected, and finds nobody there.
            if mailbox is not None:
                mailbox.post(Drop())

    def _connect_elsewhere(
        self, device: Device, call_sid: str, sender: str, elsewhere: Elsewhere
    ) -> None:
        device.state, device.call, device.sender = "connected", call_sid, sender
        device.elsewhere, device.mailbox = elsewhere, elsewhere.mailbox
        self._note(device, "connected", call=call_sid, through="telephone")

    def _free(self, device: Device, kind: str, **more: Any) -> None:
        self._note(device, kind, call=device.call, **more)
        device.state, device.call, device.sender, device.mailbox = "idle", "", "", None
        device.muted, device.elsewhere = False, None

    def _note(self, device: Device, kind: str, **more: Any) -> None:
        device.note(kind, **more)
        self._changed.notify_all()

    def _touched(self, name: str, *states: str) -> Device | None:
        """Return a device whose page asks something that it can in these states; None in others."""
        device = self._devices.get(name)
        if device is not None:
            device.seen = self._now()
        return device if device is not None and device.state in states else None

    def _away(self, device: Device) -> bool:
        return self._now() - device.seen > AWAY_S

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @staticmethod
    def _state(device: Device) -> dict[str, Any]:
        return {
            "name": device.name,
            "state": device.state,
            "call": device.call,
            "from": device.sender,
            "muted": device.muted,
            "through": "page" if device.elsewhere is None else "telephone",
            "count": device.count,
            "events": [],
        }
