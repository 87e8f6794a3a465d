"""The engine: one input in, one answer out. Same session, input and world, same result.

What is the same at every question lives here (0 a person, 9 again, * back, 8 slower, silence,
wrong keys, easier ways); what differs lives in `flows/steps/`.
"""

from __future__ import annotations

from dataclasses import replace

from flows.listening import listens
from flows.questions import End, Go, Miss, Move, Question
from flows.session import INTERPRETER, CallerKind, Session
from flows.speech import Heard, Input, Line, Listen, Speech, TurnOutcome
from flows.steps import HELD, STEPS, first_step
from flows.steps.common import BY_KEY, reads_back
from flows.steps.line import LINE_STEPS, QUEUE, hours_told, knock
from flows.steps.long_call import is_long, offered
from flows.steps.offers import search_nearest
from flows.steps.queue import HUNG_UP
from flows.understanding.clauses import clauses
from flows.understanding.vocabulary import Vocabulary
from flows.understanding.words import Command, asks_for_time, command, knows_a_word
from flows.world import World

# A chain of steps that never stops to listen is a mistake of ours, not the caller's.
STEP_LIMIT = 20
# A call without a sign of life ends after this many wordings.
SILENT_WORDINGS = 3
ENDED = "ended"
# A recogniser that believes itself less than this is read back in more words.
UNSURE_BELOW = 0.5
# And what it believes in less than this was never said to us.
NOISE_BELOW = 0.25
# A text longer than this is a television, or a caller who tells a story.
MOST_WORDS = 400
# At these steps, asking for a person answers the question.
PERSON_STEPS = frozenset({"person", "person_number", "person_number_check", "callback_check"})
# Callers here do not ask the allocator again: they were told why they cannot be passed to an agent,
# or they are in the queue.
_INSIDE = frozenset({"person", "person_number", "person_number_check"}) | LINE_STEPS
_COMMANDS = {
    "0": "person", "00": "person", "000": "person",
    "9": "again",
    "8": "slower",
    "*": "back", "**": "back",
}  # fmt: skip
# How to reach a person: said before the first option of the menu.
PERSON_LINE = "person_key"
_SILENCE = "reason.silence"
_TRIED_IN_VAIN = frozenset({TurnOutcome.MISSED, TurnOutcome.SILENT})
# What is kept of callers who asked for time: once, once more, and that it is over.
WAITS, WAITS_ON, WAITED = "wait", "wait_on", "waited"
# So many answers without any word that is known here are a television.
MOST_NOISES = 2
# What is said before the question is put again.
_REPLIES = {Command.EMERGENCY: "emergency", Command.WAIT: "take_your_time"}
# What part of a sentence may wish for.
_IN_PARTS = frozenset({Command.PERSON, Command.SLOWER, Command.AGAIN, Command.WAIT})
_SPOKEN = frozenset({*map(Command, _COMMANDS.values()), Command.INTERPRETER})


class ConversationLost(Exception):
    """The conversation went round without listening, or the session names no step."""


def advance(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    """Answer one input. Raises Lost, which only a mistake in a step can cause."""
    after, speech = _answered(session, heard, world)
    return after, replace(speech, now=world.now())


def _answered(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    if heard.kind is Heard.RING:
        session = session.but(began_at=world.now().isoformat())
        return _settle(session, Go(session, first_step(session, world), remember=False), world)
    if session.step == ENDED:
        return session, _speech(session, (Line("goodbye"),), None, TurnOutcome.ENDED)
    if session.step in HELD:
        return _back_from_line(session, heard, world)
    if session.step not in STEPS:
        raise ConversationLost(f"no step {session.step!r}")
    if heard.kind is Heard.FAILED and session.step not in PERSON_STEPS:
        # Something of ours fails at this very question: no third time, but a person.
        return _to_person(session.but(alive=True), world, into_queue=session.alive)
    if heard.kind in {Heard.RETURNED, Heard.QUEUED, Heard.FAILED}:
        # From a line that we had connected: the question that was there is there again.
        return session, _ask(session, world, TurnOutcome.REPEATED)
    return _answer(session, heard, world)


def look_again(session: Session, world: World, lines: tuple[Line, ...]) -> tuple[Session, Speech]:
    """What was offered is held no more: search anew, after saying `lines`."""
    without = session.but(offers=(), offered=(), chosen=-1, adjacent=(), alive=True)
    return _settle(session, search_nearest(without, world, lines=lines, anew=True), world)


def _back_from_line(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    """Answer whatever comes from a call that waits for a person or talks with one."""
    result = heard.keys if heard.kind is Heard.QUEUED else ""
    if heard.kind is Heard.RETURNED:
        # From a conversation, and not from a queue that did not hold them.
        result = "returned"
    if heard.kind is Heard.QUEUED and result == HUNG_UP:
        # The caller has hung up. Their step is kept for when they ring again.
        return session, _speech(session, (), None, TurnOutcome.ENDED)
    return _settle(session, HELD[session.step].back(session, result, world), world)


def _answer(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    """Answer keys, words or silence at a question."""
    if heard.kind is Heard.SILENCE and session.replied in {WAITS, WAITS_ON}:
        # The time that they asked for is over; that they needed it was no mistake.
        waited = session.but(replied=WAITED)
        return waited, _ask(waited, world, TurnOutcome.REPEATED, (Line("still_here"),))
    if session.in_words is not (heard.kind is Heard.SPEECH):
        session = session.but(in_words=heard.kind is Heard.SPEECH)
    if heard.kind is Heard.SILENCE:
        session, step = session.but(silent_turns=session.silent_turns + 1), STEPS[session.step]
        most = step.silences(session)
        leads_on = session.alive and 0 < most <= session.silent_turns
        missed = Miss(step.silence if most else _SILENCE)
        move = step.give_up(session, world) if leads_on else missed
        return _settle(session, move, world)
    if not session.alive or session.silent_turns:
        session = session.but(alive=True, silent_turns=0)
    if heard.kind is Heard.SPEECH:
        return _listen(session, heard, world)
    wish = _command(session, heard.keys)
    if wish is None:
        return _settle(session, STEPS[session.step].take(session, heard.keys, world), world)
    return _obey(session, wish, world)


def _command(session: Session, pressed: str) -> str | None:
    """What means the same at every question, if it is that."""
    wish = _COMMANDS.get(pressed)
    if wish is None and pressed.endswith("*"):
        # Half a date, then the star: the caller wants to type it anew, which is no mistake.
        return "again"
    if wish == "person" and session.step in PERSON_STEPS:
        return None
    return wish


def _listen(session: Session, heard: Input, world: World) -> tuple[Session, Speech]:
    """Answer words: a command that holds everywhere, an answer to this question, or noise."""
    text, words = heard.text[:MOST_WORDS], world.vocabulary(session.language)
    wish = command(text, words)
    belief = 1.0 if heard.confidence is None else heard.confidence
    unsure = belief < UNSURE_BELOW
    # What was hardly heard may be a television: it opens nothing for the rest of the call.
    spoke = session.but(speaks=session.speaks or not unsure, speech_off_at="")
    waits = wish is Command.WAIT and not unsure
    if wish and (waits or (wish in _REPLIES and session.replied != wish)):
        off = session.but(speech_off_at=session.step)
        return _wait(spoke, world) if waits else _reply(off if unsure else spoke, wish, world)
    # Nothing is agreed to by a word that was hardly heard.
    hardly_heard = unsure and not wish and reads_back(session.step)
    if hardly_heard or (wish and unsure) or belief < NOISE_BELOW or wish in _REPLIES:
        off = session.but(speech_off_at=session.step)
        return _not_understood(off, world, "hardly_heard" if hardly_heard else "not_understood")
    obeyed = wish if wish in _SPOKEN else None
    if wish == session.step:
        # Asked for what is just being asked about.
        obeyed = None
    if obeyed and not (obeyed == "person" and session.step in PERSON_STEPS):
        return _obey(spoke, obeyed, world)
    step = STEPS[session.step]
    move: Move | None
    if obeyed:
        # A caller who asks for a person here again means it.
        move = BY_KEY if step.needs_key(spoke) else step.take(spoke, "0", world)
    else:
        move = step.hear(spoke, text, world)
    if move == BY_KEY:
        # The question is put again whole, for words cut off what was being read.
        spoke = spoke.but(speech_off_at=session.step)
    if move is not None:
        return _settle(spoke, move, world, unsure=unsure)
    gives_up = wish is Command.CANCEL
    part = "" if gives_up else _telling_part(spoke, text, world)
    if part or gives_up:
        said = replace(heard, text=part)
        return _listen(session, said, world) if part else _obey(spoke, "back", world)
    waits = asks_for_time(text, words) and not unsure
    noise = _with_noise(session, text, words)
    return _wait(spoke, world) if waits else _not_understood(noise, world)


def _telling_part(session: Session, text: str, world: World) -> str:
    """The part of a sentence that says something by itself, where one alone does; else nothing."""
    words, step = world.vocabulary(session.language), STEPS[session.step]
    parts = clauses(text, words)
    wishes = {wish: part for part in parts if (wish := command(part, words)) in _IN_PARTS}
    if len(wishes) == 1:
        return next(iter(wishes.values()))
    found = [(step.hear(session, part, world), part) for part in parts] if step.hears_parts else []
    answers = [(move, part) for move, part in found if isinstance(move, Go)]
    alike = all(move == answers[0][0] for move, _ in answers)
    return answers[0][1] if answers and alike else ""


def _reply(session: Session, wish: Command, world: World) -> tuple[Session, Speech]:
    """Say what a wish is answered with, then put the question once more."""
    replied = session.but(replied=str(wish))
    reply = (Line(_REPLIES[wish]),)
    if replied.misses + 1 < STEPS[session.step].patience:
        return replied, _ask(replied, world, TurnOutcome.REPEATED, reply)
    # No other wording is left, and the caller did not ask to hear the same again.
    listen = listens(replied, STEPS[session.step].question(replied, world).listen, world)
    return replied, _speech(replied, reply, listen, TurnOutcome.REPEATED)


def _wait(session: Session, world: World) -> tuple[Session, Speech]:
    """Give a caller the time that they ask for: at a step twice, and then it is a failed try."""
    waits = {"": WAITS, WAITS: WAITS_ON}.get(session.replied)
    if waits is None:
        return _settle(session, Miss(_REPLIES[Command.WAIT]), world)
    session, reply = session.but(replied=waits), (Line(_REPLIES[Command.WAIT]),)
    step = STEPS[session.step]
    if session.by_text or step.only_by_key(session):
        # What is agreed to here must have been read to its end, and a text asks something.
        return session, _ask(session, world, TurnOutcome.REPEATED, reply)
    listen = listens(session, step.question(session, world).listen, world)
    patient = replace(listen, patient=True)
    return session, _speech(session, reply, patient, TurnOutcome.REPEATED)


def _with_noise(session: Session, text: str, words: Vocabulary) -> Session:
    """The session after words that mean nothing; after two without any known one, keys alone.

    In "keys or words" whatever comes first wins, and a television would cut a number in half while
    it is typed.
    """
    digits = STEPS[session.step].most_digits > 1
    # In a call that lasts so long that help was offered, keys are the shorter way: at this question
    # and, until the caller is understood in words again, at the others.
    known = knows_a_word(text, words, session.step, numbers=digits)
    if known and not session.help_offered:
        return session
    noises = session.noises + 1
    off = session.step if noises >= MOST_NOISES else session.speech_off_at
    speaks = session.speaks and not (off and session.help_offered)
    return session.but(noises=noises, speech_off_at=off, speaks=speaks)


def _not_understood(
    session: Session, world: World, reason: str = "not_understood"
) -> tuple[Session, Speech]:
    return _settle(session, Miss(f"reason.{reason}"), world)


def _obey(session: Session, wish: str, world: World) -> tuple[Session, Speech]:
    """Do what is the same at every question; none of it counts as a failed try."""
    # A caller who asks for anything may speak again.
    session = session.but(speech_off_at="")
    if wish == "person":
        return _to_person(session, world)
    if wish == Command.INTERPRETER:
        back = session.resume if session.step in PERSON_STEPS else session.step
        asked = session.but(resume=back, wants_person=True)
        return _settle(session, Go(asked, INTERPRETER), world)
    if wish == "slower" and session.by_text:
        # A text is read as slowly as anybody likes.
        wish = "again"
    if wish == "back":
        step, trail = session.step, session.trail
        if trail:
            step, trail = trail[-1], trail[:-1]
        session = session.moved(step, trail=trail)
        return session, _ask(session, world, TurnOutcome.BACK)
    lines: tuple[Line, ...] = ()
    if wish == "slower":
        if session.caller and not session.slow:
            world.remember_pace(slow=True)
        session = session.but(slow=True)
        lines = (Line("slower"),)
    return _put(session, world, TurnOutcome.REPEATED, lines)


def _to_person(
    session: Session, world: World, *, into_queue: bool = True
) -> tuple[Session, Speech]:
    """Pass the caller to an agent, from any step; `into_queue`: at once, if an agent is there."""
    asked = session.but(resume=session.step, wants_person=True)
    return _settle(session, Go(asked, "person"), world, into_queue=into_queue)


def _settle(
    session: Session, move: Move, world: World, *, unsure: bool = False, into_queue: bool = True
) -> tuple[Session, Speech]:
    """Follow moves until the call listens, waits for a person or ends.

    `unsure`: what was understood is read back in more words than the first wording has.
    """
    lines: tuple[Line, ...] = ()
    outcome: TurnOutcome | None = None
    for _ in range(STEP_LIMIT):
        if isinstance(move, Go):
            move = _through_the_door(session, move, world, into_queue=into_queue)
        if isinstance(move, End):
            return _leave(session, replace(move, lines=lines + move.lines))
        if isinstance(move, Go):
            lines += move.lines
            outcome = outcome or move.outcome
            trail = move.session.trail
            if move.step in trail:
                # Back where the call was before: what came after it is no step back any more.
                trail = trail[: trail.index(move.step)]
            elif move.remember and session.step in STEPS:
                trail = (*trail, session.step)
            careful = unsure and reads_back(move.step)
            session = move.session.moved(move.step, trail=trail, unsure=careful)
            return _put(session, world, outcome, lines)
        # A miss: the next wording, or the next easier way.
        outcome = outcome or (
            TurnOutcome.SILENT if move.reason.startswith(_SILENCE) else TurnOutcome.MISSED
        )
        session = session.but(misses=session.misses + 1)
        step = STEPS[session.step]
        why = Line(move.reason, wording=_reproach(move.reason, session.misses, step.patience))
        if not session.alive and session.misses >= SILENT_WORDINGS and not session.rung_for:
            move = _nobody_there(session, world)
        elif session.misses >= step.patience:
            move = step.give_up(session, world)
            if not isinstance(move, End):
                # No reproach right before goodbye.
                lines += (why,)
        else:
            return _put(session, world, outcome, (*lines, why))
    raise ConversationLost(f"no end at {session.step}")


def _through_the_door(session: Session, move: Go, world: World, *, into_queue: bool) -> Move:
    """Pass a caller who is on the way to an agent, if an agent is there."""
    asks = move.step == "person" and session.step not in _INSIDE and into_queue
    if asks or move.step == QUEUE:
        return knock(move.session, world, move.lines, remember=move.remember)
    if move.step not in HELD:
        return move
    found = HELD[move.step].back(move.session, "", world)
    return found if isinstance(found, Miss) else replace(found, lines=move.lines + found.lines)


def _leave(session: Session, move: End) -> tuple[Session, Speech]:
    """Say the last words, or the last before an agent or a centre has the call."""
    speech = _speech(move.session, move.lines, None, move.outcome)
    if move.dial:
        # They come back here when the other line is done with, or does not answer.
        return move.session.but(step=session.step), replace(speech, dial=move.dial)
    if move.queue or move.conference:
        keeps = bool(move.session.offers)
        return move.session, replace(
            speech, keeps=keeps, queue=move.queue, conference=move.conference
        )
    if move.keeps:
        return move.session.moved(session.step), speech
    return move.session.but(step=ENDED), speech


def _reproach(reason: str, misses: int, patience: int) -> int:
    """Which wording of a reason is said after so many misses.

    Of silence, the last but one warns that the next will be acted on (docs/prompts.md): where
    patience is shorter, it comes sooner.
    """
    if reason != _SILENCE:
        return misses - 1
    return min(misses - 1 + SILENT_WORDINGS - patience, SILENT_WORDINGS - 1)


def _nobody_there(session: Session, world: World) -> End:
    """Nothing was ever pressed: once per number a promise to ring back, else when to ring us."""
    reachable = session.caller_kind != CallerKind.NONE and world.callback_at() is not None
    if reachable and world.promise_callback(session.caller, "silent"):
        return End(session, (Line("goodbye_silent_promised"),), TurnOutcome.PROMISED)
    told = (*hours_told(world), *hours_told(world, 1), Line("goodbye_silent"))
    return End(session, told, TurnOutcome.SILENT)


def _put(
    session: Session, world: World, outcome: TurnOutcome, before: tuple[Line, ...] = ()
) -> tuple[Session, Speech]:
    """Ask what is asked at this step; of a caller who has been here for long, help comes first."""
    if session.step not in PERSON_STEPS and is_long(session, world):
        session = offered(session)
    return session, _ask(session, world, outcome, before)


def _ask(
    session: Session, world: World, outcome: TurnOutcome, before: tuple[Line, ...] = ()
) -> Speech:
    question = STEPS[session.step].question(session, world)
    # A caller who asked for a moment hears the question in other words, though it was no mistake;
    # when the moment is over, as it was.
    replied = session.replied not in {"", WAITED}
    wording = session.misses + max(session.unsure, replied)
    listen = listens(session, question.listen, world)
    if outcome in _TRIED_IN_VAIN and not session.by_text:
        # Callers do not speak to a machine unless it invites them to.
        invited = Line("you_may_speak", wording=max(session.misses - 1, session.in_words))
        shut = Line("use_keys", wording=max(session.misses - 1, 0))
        if not listen.speech:
            before += (shut,) if session.in_words else ()
        elif not session.speaks:
            before += (invited,)
    before = (*before, *STEPS[session.step].reads_once_more(session))
    asked = lines_of(session.step, question, wording)
    return _speech(session, (*before, *asked), listen, outcome)


def lines_of(step: str, question: Question, wording: int) -> tuple[Line, ...]:
    """A question as it is said: its options, then key 0, then what other languages are told.

    Key 0 works everywhere. It is told where a call begins or ends, and after a failed try.
    """
    keys = (question.lead, question.prompt) if question.lead else (question.prompt,)
    before = tuple(replace(line, wording=wording) for line in question.before)
    asked = tuple(Line(key, question.values, wording) for key in keys)
    own = tuple(line for line in question.after if not line.language)
    others = tuple(line for line in question.after if line.language)
    tells = question.listen.is_menu and STEPS[step].tells_person(question, wording)
    person = (Line(PERSON_LINE, wording=wording),) if tells else ()
    return (*before, *asked, *own, *person, *others)


def _speech(
    session: Session, lines: tuple[Line, ...], listen: Listen | None, outcome: TurnOutcome
) -> Speech:
    return Speech(lines, listen, outcome, language=session.language, slow=session.slow)
