"""A conversation without a telephone: what is pressed, what would be said. Reads as a call."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from flows.engine import PERSON_LINE, advance
from flows.session import CallerKind, Session
from flows.speech import RING, SILENCE, Input, Line, Speech, keys, spoken
from flows.steps.common import offer_to_resume
from flows.steps.long_call import LONG_AFTER, LONG_CALL
from flows.verification.rehearsal import earlier
from flows.verification.turns import WalkTurn
from tests.flows.fake_world import FakeWorld, ringing

SENSIBLE = {
    "date_of_birth": "12031942",
    "birth_year": "1942",
    "birth_month": "03",
    "birth_day": "12",
    "postcode": "75011",
    "long_call": "2",
    "reach": "3",
    "reach_number": "0612345678",
    "person_number": "0612345678",
    "tell_number": "0612345678",
}
EASIER = frozenset({"birth_year", "birth_month", "birth_day"})
TOO_YOUNG = frozenset({"not_eligible", "group"})
TOWN = frozenset({"town", "town_check", "town_which"})
OTHERS = TOWN | {"other_offers", "part_of_day"}
PERSON = frozenset({"person", "person_number", "person_number_check"})
# Said before a question that is put again, or in it.
LEADS = frozenset({"you_may_speak", "use_keys", PERSON_LINE})
# Said behind the question, and a part of it.
BEHIND_THE_QUESTION = frozenset({PERSON_LINE, "confirm_mobile"})
SENTENCE = frozenset({"sentence_check", "sentence_which"})
A_SENTENCE = "un rendez-vous pour moi né le 12 mars 1942 code postal 75011"
RINGS_ANEW = frozenset({"resume", "booked_before", "resume_code", "callback_check"})


class Talk:
    """One conversation. `speech` is what was answered last."""

    _chose = False

    def __init__(
        self, world: FakeWorld | None = None, kind: CallerKind = CallerKind.MOBILE
    ) -> None:
        self.world = world or FakeWorld()
        self.session: Session = ringing(kind)
        self.speech: Speech
        self._hear(RING)

    def _hear(self, heard: Input) -> None:
        self.session, self.speech = advance(self.session, heard, self.world)

    def rings_again(self) -> Self:
        """The session as it is now, at its first question."""
        self._hear(RING)
        return self

    def stands_after(self, turn: WalkTurn) -> Self:
        """Where a turn of the walk came to."""
        self.session, self.speech = turn.after, turn.speech
        return self

    def presses(self, *groups: str) -> Self:
        for group in groups:
            self._hear(keys(group))
        return self

    def says(self, *texts: str, confidence: float | None = None) -> Self:
        for text in texts:
            self._hear(spoken(text, confidence))
        return self

    def stays_silent(self, times: int = 1) -> Self:
        for _ in range(times):
            self._hear(SILENCE)
        return self

    def _rings_anew(self, step: str) -> None:
        """From a line that was cut, from one without a number to give its code, or rung by us."""
        kind = CallerKind.NONE if step == "resume_code" else CallerKind.MOBILE
        self.session = ringing(kind)
        if step == "callback_check":
            self.session = self.session.but(rung_for="t" * 32, rung_as="asked", line="e" * 32)
        if step in {"resume", "booked_before"}:
            before = replace(earlier(self.world), booked=step == "booked_before")
            self.session = offer_to_resume(self.session, before)
        self._hear(RING)
        if step == "resume_code":
            self.presses("7")

    def goes_to(self, step: str) -> Self:
        """Answer sensibly until the conversation is at `step`."""
        if step in RINGS_ANEW and self.step != step:
            self._rings_anew(step)
        if step == LONG_CALL and self.step != step:
            self.goes_to("for_whom")
            began = self.world.now() - LONG_AFTER
            self.session = self.session.but(began_at=began.isoformat())
        # Who was asked for a number before this has chosen.
        self._chose = self.step in {"confirm", "reach"}
        for _ in range(20):
            if self.step == step and not self._has_own_mobile:
                return self
            if self.step == "postcode" and step == "postcode_check":
                # A code that is typed is sure, and has no question of its own.
                self.says("soixante-quinze zéro onze")
            elif step == "for_whom" and self.step == "welcome":
                self.says("prendre rendez-vous")
            elif step in SENTENCE and self.step == "welcome":
                self.says(A_SENTENCE)
            elif step in SENTENCE and self.step == "sentence_check":
                self.presses("2")
            else:
                self.presses(self._towards(step))
        raise AssertionError(f"never came to {step}, but to {self.step}")

    @property
    def _has_own_mobile(self) -> bool:
        """Whether the last look offers another telephone: these callers want no text."""
        own = self.session.number == self.session.caller
        return self.step == "confirm" and bool(self.session.number) and own and not self._chose

    def _towards(self, step: str) -> str:
        """What to press here to come to `step`."""
        if step == "couple_choice":
            self.world.adjacent = False
        mobile = self.session.caller_kind == CallerKind.MOBILE
        reachable = self.session.caller_kind != CallerKind.NONE
        if self._has_own_mobile:
            return "3"
        special = {
            ("date_of_birth", EASIER): "1",
            ("date_of_birth", TOO_YOUNG): "12031990",
            ("welcome", frozenset({"for_others", "couple_choice"})): "2",
            ("for_others", frozenset({"couple_choice"})): "2",
            ("since_last", frozenset({"not_since"})): "2",
            ("offers", OTHERS): "4",
            ("other_offers", frozenset({"part_of_day"})): "2",
            ("other_offers", TOWN): "4",
            ("town", frozenset({"town_which"})): "20",
            ("town", TOWN): "35",
            ("waiting", frozenset({"tell_number", "tell_number_check"})): "2",
            ("reach", frozenset({"reach_number", "reach_check"})): "2" if mobile else "1",
            ("reference", frozenset({"about_visit"})): "2",
            ("welcome", PERSON): "0",
            ("welcome", frozenset({"other_languages"})): "5",
            ("welcome", frozenset({"interpreter"})): "6",
            ("person", PERSON): "2" if reachable else "1",
        }
        for (here, wanted), pressed in special.items():
            if self.step == here and step in wanted:
                return pressed
        return SENSIBLE.get(self.step, "1")

    @property
    def step(self) -> str:
        return self.session.step

    @property
    def asked(self) -> Line:
        """The question: the last of what was said in the language of the call."""
        lines = [line for line in self.speech.lines if not line.language]
        return [line for line in lines if line.key not in BEHIND_THE_QUESTION][-1]

    @property
    def said(self) -> list[str]:
        """The keys of all that was said in the language of the call, in order.

        Without the invitation to speak, which comes whenever words are taken for the first time,
        and without how to reach a person, which stands behind menus.
        """
        lines = [line for line in self.speech.lines if not line.language]
        return [line.key for line in lines if line.key not in LEADS]

    def takes_words(self) -> bool:
        return self.speech.listen is not None and self.speech.listen.speech

    @property
    def hints(self) -> tuple[str, ...]:
        return self.speech.listen.hints if self.speech.listen else ()

    @property
    def ended(self) -> bool:
        return self.speech.listen is None
