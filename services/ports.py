"""What use cases ask of the outside.

`ivr` and `jobs` implement it, `wiring` brings them together.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Refused(Exception):
    """The provider said no, and would again: `code` is its own."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Busy(Exception):
    """The provider did not take it, and says so: it is safe to try again after `after`."""

    def __init__(self, code: str, after: timedelta | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.after = after


class NoAnswer(Exception):
    """Whether the provider took it is not known: look before trying again."""


class Messenger(Protocol):
    """Sends texts. Never called inside a webhook."""

    def send(self, message_id: str, recipient: str, body: str) -> str:
        """Give a text to the provider; its id comes back. Raises Refused, Busy, NoAnswer."""
        ...

    def find(self, recipient: str, body: str, since: datetime) -> str | None:
        """The id of this very text if the provider took it after `since`. Raises as `send`."""
        ...


class WakeUp(Protocol):
    """Tells a worker that a message waits. It may be lost: a sweep finds the message anyway."""

    def message(self, message_id: str) -> None: ...
