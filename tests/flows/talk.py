"""A conversation without a telephone: what is pressed, what would be said. Reads as a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from flows.engine import advance
from flows.session import CallerKind, Session
from flows.speech import RING, SILENCE, Input, Line, Speech, keys
from tests.flows.fake_world import FakeWorld, ringing

SENSIBLE = {
    "date_of_birth": "12031942",
    "birth_year": "1942",
    "birth_month": "03",
    "birth_day": "12",
    "postcode": "75011",
    "reach": "3",
    "reach_number": "0612345678",
    "person_number": "0612345678",
}


class Talk:
    """One conversation. `speech` is what was answered last."""

    def __init__(
        self, world: FakeWorld | None = None, kind: CallerKind = CallerKind.MOBILE
    ) -> None:
        self.world = world or FakeWorld()
        self.session: Session = ringing(kind)
        self.speech: Speech
        self._hear(RING)

    def _hear(self, heard: Input) -> None:
        self.session, self.speech = advance(self.session, heard, self.world)

    def presses(self, *groups: str) -> Self:
        for group in groups:
            self._hear(keys(group))
        return self

    def stays_silent(self, times: int = 1) -> Self:
        for _ in range(times):
            self._hear(SILENCE)
        return self

    def goes_to(self, step: str) -> Self:
        """Answer sensibly until the conversation is at `step`."""
        easier = step in {"birth_year", "birth_month", "birth_day"}
        for _ in range(20):
            if self.step == step:
                return self
            if self.step == "date_of_birth" and easier:
                self.presses("1")
            elif self.step == "reach" and step in {"reach_number", "reach_check"}:
                self.presses("2" if self.session.caller_kind == CallerKind.MOBILE else "1")
            elif self.step == "offers" and step in {"other_offers", "part_of_day"}:
                self.presses("4")
            elif self.step == "other_offers" and step == "part_of_day":
                self.presses("2")
            elif self.step == "welcome" and step.startswith("person"):
                self.presses("0")
            elif self.step == "person" and step != "person":
                self.presses("2" if self.session.caller_kind != CallerKind.NONE else "1")
            elif self.step == "date_of_birth" and step == "not_eligible":
                self.presses("12031990")
            else:
                self.presses(SENSIBLE.get(self.step, "1"))
        raise AssertionError(f"never came to {step}, but to {self.step}")

    @property
    def step(self) -> str:
        return self.session.step

    @property
    def asked(self) -> Line:
        """The question, last of what was said."""
        return self.speech.lines[-1]

    @property
    def said(self) -> list[str]:
        """The keys of all that was said, in order."""
        return [line.key for line in self.speech.lines]

    @property
    def ended(self) -> bool:
        return self.speech.listen is None


def same_but(session: Session, **changes: object) -> Session:
    """The session as it should be after these changes and no others."""
    return replace(session, **changes)  # type: ignore[arg-type]
