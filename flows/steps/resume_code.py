"""For a line without a number: a short code, told once, and asked when the caller rings again."""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part
from flows.session import CallerKind, Proving, Session
from flows.speech import Line
from flows.steps.common import Step, offer_to_resume
from flows.understanding import is_digits
from flows.world import CodeNeeds, Earlier, World

CODE_DIGITS = 6


class ResumeCode(Step):
    """Wrong, run out, or tried too often: the same sentence for each, so that it tells nothing."""

    name = "resume_code"
    part = Part.WELCOME
    page = TELEPHONE_ONLY
    after = "resume"
    patience = 3
    most_digits = CODE_DIGITS

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if not is_digits(pressed) or len(pressed) != CODE_DIGITS:
            return Miss("reason.code_incomplete")
        earlier = world.earlier_by_code(pressed)
        if earlier is CodeNeeds.BIRTH_DATE:
            # Nothing that was given in this call for something else is taken for it.
            asked = session.but(proving=Proving.CODE, asked=pressed, born="")
            return Go(asked, "date_of_birth", remember=False)
        if not isinstance(earlier, Earlier):
            return Miss("reason.code")
        return Go(
            offer_to_resume(session, earlier).but(language=session.language),
            "resume",
            remember=False,
        )

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "welcome", (Line("without_code"),), remember=False)


def can_give_code(session: Session) -> bool:
    """A caller with a number is recognised by it and needs no code."""
    return session.caller_kind == CallerKind.NONE
