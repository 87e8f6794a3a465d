"""The engine: one input in, one answer out. Same session, input and world, same result.

What is the same at every question lives here (0 a person, 9 again, * back, 8 slower, silence,
wrong keys, easier ways); what differs lives in `flows/steps/`.
"""

from __future__ import annotations

from dataclasses import replace

from flows.questions import End, Go, Miss, Move
from flows.session import CallerKind, Session
from flows.speech import Heard, Input, Line, Listen, Outcome, Speech
from flows.steps import STEPS, first_step
from flows.world import World

# A chain of steps that never stops to listen is a mistake of ours, not the caller's.
STEP_LIMIT = 20
# A call without a sign of life ends after this many wordings.
SILENT_WORDINGS = 3
ENDED = "ended"
PERSON_STEPS = frozenset({"person", "person_number", "person_number_check"})
_COMMANDS = {
    "0": "person", "00": "person", "000": "person",
    "9": "again", "99": "again",
    "8": "slower", "88": "slower",
    "*": "back", "**": "back",
}  # fmt: skip


class Lost(Exception):
    """The conversation went round without listening, or the session names no step."""


def advance(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    """Answer one input. Raises Lost, which only a mistake in a step can cause."""
    if heard.kind is Heard.RING:
        return _settle(session, Go(session, first_step(world), remember=False), world)
    if session.step == ENDED:
        return session, _speech(session, (Line("goodbye"),), None, Outcome.ENDED)
    if session.step not in STEPS:
        raise Lost(f"no step {session.step!r}")
    if heard.kind is Heard.SILENCE:
        return _settle(replace(session, quiet=session.quiet + 1), Miss("reason.silence"), world)
    if not session.alive or session.quiet:
        session = replace(session, alive=True, quiet=0)
    command = _command(session, heard.keys)
    if command is None:
        return _settle(session, STEPS[session.step].take(session, heard.keys, world), world)
    return _obey(session, command, world)


def _command(session: Session, pressed: str) -> str | None:
    """What means the same at every question, if it is that."""
    command = _COMMANDS.get(pressed)
    if command is None and pressed.endswith("*"):
        # Half a date, then the star: the caller wants to type it anew, which is no mistake.
        return "again"
    if command == "person" and session.step in PERSON_STEPS:
        return None
    return command


def _obey(session: Session, command: str, world: World) -> tuple[Session, Speech]:
    """Do what a command asks; none of them counts as a failed try."""
    if command == "person":
        return _settle(session, Go(replace(session, resume=session.step), "person"), world)
    if command == "back":
        step, trail = session.step, session.trail
        if trail:
            step, trail = trail[-1], trail[:-1]
        session = replace(session, trail=trail).moved(step)
        return session, _ask(session, world, Outcome.BACK)
    lines: tuple[Line, ...] = ()
    if command == "slower":
        session = replace(session, slow=True)
        lines = (Line("slower"),)
    return session, _ask(session, world, Outcome.REPEATED, lines)


def _settle(session: Session, move: Move, world: World) -> tuple[Session, Speech]:
    """Follow moves until the call listens or ends."""
    lines: tuple[Line, ...] = ()
    outcome: Outcome | None = None
    for _ in range(STEP_LIMIT):
        if isinstance(move, End):
            speech = _speech(move.session, lines + move.lines, None, move.outcome)
            return replace(move.session, step=ENDED), speech
        if isinstance(move, Go):
            lines += move.lines
            outcome = outcome or move.outcome
            trail = move.session.trail
            if move.step in trail:
                # Back where the call was before: what came after it is no step back any more.
                trail = trail[: trail.index(move.step)]
            elif move.remember and session.step in STEPS:
                trail = (*trail, session.step)
            session = replace(move.session, trail=trail).moved(move.step)
            return session, _ask(session, world, outcome, lines)
        # A miss: the next wording, or the next easier way.
        outcome = outcome or (Outcome.SILENT if move.reason == "reason.silence" else Outcome.MISSED)
        session = replace(session, misses=session.misses + 1)
        step = STEPS[session.step]
        if not session.alive and session.misses >= SILENT_WORDINGS:
            move = _nobody_there(session, world)
        elif session.misses >= step.patience:
            lines += (Line(move.reason, wording=session.misses - 1),)
            move = step.give_up(session, world)
        else:
            lines += (Line(move.reason, wording=session.misses - 1),)
            return session, _ask(session, world, outcome, lines)
    raise Lost(f"no end at {session.step}")


def _nobody_there(session: Session, world: World) -> End:
    """Nothing was ever pressed: a spoken goodbye and, once per number, a promise to ring back."""
    if session.caller_kind != CallerKind.NONE and world.promise_callback(session.caller, "silent"):
        return End(session, (Line("goodbye_silent_promised"),), Outcome.PROMISED)
    return End(session, (Line("goodbye_silent"),), Outcome.SILENT)


def _ask(session: Session, world: World, outcome: Outcome, before: tuple[Line, ...] = ()) -> Speech:
    question = STEPS[session.step].question(session, world)
    keys = (question.lead, question.prompt) if question.lead else (question.prompt,)
    asked = (Line(key, question.values, wording=session.misses) for key in keys)
    return _speech(session, (*before, *asked), question.listen, outcome)


def _speech(
    session: Session, lines: tuple[Line, ...], listen: Listen | None, outcome: Outcome
) -> Speech:
    return Speech(lines, listen, outcome, language=session.language, slow=session.slow)
