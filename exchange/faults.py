"""Faults on demand: what a test asks the REST server to do wrong, and in which order."""

import re
import threading

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from exchange.legs import LegMaker

UNDELIVERABLE_CODES = {21610, *range(30001, 30009)}
# With what the provider refuses whatever is asked, by its number of the error: status and words.
REFUSALS = {
    20003: (401, "Authenticate"),
    20005: (401, "Account not active"),
    20006: (403, "Access Denied"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20503: (503, "Service is unavailable, please try again"),
    70051: (401, "Authorization Error"),
}
MAPPINGS = {"undeliverable", "answers", "line_types"}
NUMBERS = {"rate_per_second", "calls_per_second", "refuses"}
# What Lookup may say of a number; "unknown": it could not tell.
LINE_TYPES = {"mobile", "landline", "fixedVoip", "nonFixedVoip", "tollFree", "premium", "unknown"}
OUTCOMES = {"busy", "no-answer", "failed", "machine"}
# Somebody with a temperament: `person:slow`, or `person:slow:7` for a seed.
PERSON = re.compile(r"person:(?P<name>[a-z-]+)(:\d{1,9})?")
# An answering machine whose greeting can be heard: `machine:Vous êtes bien chez…`.
MACHINE = "machine:"


def _fits(name: str, value: object) -> bool:
    """Return whether a number may be that of a switch."""
    if name == "refuses":
        return value in REFUSALS
    return isinstance(value, int | float) and value > 0


@dataclass(frozen=True)
class Fault:
    """What happens to one request that creates something.

    `kind` is `ok`, `cut` (accepted, then the connection is cut), `error` (HTTP 500, nothing
    done), `rate` (HTTP 429, nothing done) or `delay` (`seconds` first, then as usual).
    """

    kind: str = "ok"
    seconds: float = 0.0

    @classmethod
    def of(cls, written: object) -> Self:
        """Read `"ok"`, `"cut"`, `"500"`, `"429"`, `{"429": seconds}` or `{"delay": seconds}`.

        Raises ValueError for anything else.
        """
        names = {"ok": "ok", "cut": "cut", "500": "error", "429": "rate", "delay": "delay"}
        name, seconds = (
            next(iter(written.items()))
            if isinstance(written, Mapping) and len(written) == 1
            else (written, 1.0)
        )
        if str(name) not in names or isinstance(seconds, bool):
            raise ValueError(f"{written!r} is no fault; known are {', '.join(names)}")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise ValueError(f"{seconds!r} is no number of seconds")
        return cls(names[str(name)], float(seconds))


@dataclass
class Switches:
    """What is wrong now, under the names that a test asks for it by; nothing at first."""

    undeliverable: dict[str, int] = field(default_factory=dict)
    drop_status_callbacks: bool | tuple[str, ...] = False
    shuffle_status_callbacks: bool = False
    rate_per_second: float | None = None
    calls_per_second: float | None = None
    queue_full: bool = False
    system_error: bool = False
    refuses: int | None = None
    problems: bool = False
    answers: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    line_types: dict[str, str] = field(default_factory=dict)


SWITCHES = tuple(each.name for each in fields(Switches))


class Faults(Switches):
    """The switches, safe between threads. Each list is used up in order, one item a request."""

    def __init__(self, **switches: Any) -> None:
        """`switches` are those of `set`, which raises ValueError for others."""
        self._lock = threading.Lock()
        # The people whom `answers` may name: `person:slow`, where this has `slow`.
        self.temperaments: Mapping[str, LegMaker] = {}
        self._next: deque[Fault] = deque()
        super().__init__()
        self.set(switches)

    def set(self, wanted: Mapping[str, Any]) -> None:
        """Change the switches named in `wanted`; raises ValueError and changes none if one is bad.

        `next` is added to what is left of the list; `reset` puts every switch back first.
        """
        unknown = set(wanted) - {"reset", "next", *SWITCHES}
        if unknown:
            raise ValueError(f"unknown switches: {', '.join(sorted(unknown))}")
        faults = [Fault.of(item) for item in wanted.get("next", [])]
        changes = {
            name: self._checked(name, value) for name, value in wanted.items() if name != "next"
        }
        with self._lock:
            if changes.pop("reset", False):
                self._next.clear()
                super().__init__()
            self._next.extend(faults)
            for name, value in changes.items():
                setattr(self, name, value)

    def state(self) -> dict[str, Any]:
        """Return the switches as the control path shows them; `next` counts what is left."""
        return {"next": len(self._next), **{name: getattr(self, name) for name in SWITCHES}}

    def take(self) -> Fault:
        """Return the fault for the request at hand."""
        with self._lock:
            return self._next.popleft() if self._next else Fault()

    def drops(self, status: str) -> bool:
        """Return whether the status callback for `status` is lost."""
        dropped = self.drop_status_callbacks
        return status in dropped if isinstance(dropped, tuple) else dropped

    def _checked(self, name: str, value: Any) -> Any:
        """Return `value` in the form the switch keeps it in; raises ValueError."""
        if name == "undeliverable" and isinstance(value, Mapping):
            if set(value.values()) <= UNDELIVERABLE_CODES:
                return dict(value)
        elif name == "line_types" and isinstance(value, Mapping):
            if set(value.values()) <= LINE_TYPES:
                return dict(value)
        elif name == "answers" and isinstance(value, Mapping):
            return {number: self._answer(how) for number, how in value.items()}
        elif name == "drop_status_callbacks" and isinstance(value, list | tuple):
            return tuple(str(status) for status in value)
        elif name in NUMBERS:
            if value is None or _fits(name, value):
                return value
        elif name not in MAPPINGS and isinstance(value, bool):
            return value
        raise ValueError(f"{value!r} is no value for {name}")

    def _answer(self, how: object) -> str | tuple[str, ...]:
        if isinstance(how, str):
            person = PERSON.fullmatch(how)
            known = person is not None and person["name"] in self.temperaments
            if how in OUTCOMES or how.startswith(MACHINE) or known:
                return how
        if isinstance(how, list | tuple):
            return tuple(str(keys) for keys in how)
        raise ValueError(f"{how!r} is none of {sorted(OUTCOMES)}, person:… or a list of keys")
