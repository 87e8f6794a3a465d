"""A conversation by text: the questions of the telephone, one in each text.

It is no other conversation: the same engine asks the same steps, and its turns are rows like those
of a call. The number is the one that the provider signed, so it is not asked for. A text that comes
twice is answered the same; of two that come at once, one is answered and the other one finds the
question that followed. Nothing is waited for: for hours, a silent person goes on where they were.
"""

from __future__ import annotations

import json

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

from flows.engine import ENDED, advance, look_again
from flows.session import CallerKind, Session
from flows.speech import RING, Line, Speech, TurnOutcome, keys
from flows.steps import STEPS
from flows.steps.offers import AFTER_SEARCH
from flows.understanding import NotUnderstood, telephone
from flows.understanding.messages import Intent
from flows.understanding.texted import LONGEST, texted
from flows.understanding.vocabulary import plain
from models.call import text_conversations
from models.call.text_conversations import Talk
from models.database import Connection
from models.messages import incoming
from models.messages.incoming import Before
from models.turn_days import day_of
from prompts.by_text import ByText, by_text, spoken_by_text
from prompts.values import written_number
from services.call.take_turn import AlreadyAnswered, Body, Turn
from services.call.world import CallWorld
from services.messages import sms_parts, spend
from services.messages.discreet_place import discreet
from services.messages.incoming_text import (
    IncomingText,
    TextReply,
    number_to_ring,
    take_text,
    understood,
)
from services.messages.texts import MessagePlace, signed
from services.messages.topics import Topic
from services.ports import WakeUp
from services.queue.typed_callback import owner_agrees
from services.service import Service
from services.slots.give_back import give_back_holds
from services.store import Store
from services.telemetry import BOOKINGS, PROMISES, TURNS

# A person who is silent for longer begins anew.
KEPT = timedelta(hours=12)
# An answer of ours is sent in so many parts at the most; what is longer is two texts.
MOST_PARTS = 2
# Two texts of a number may be taken at once; of more, the provider asks again about the last.
_TRIES = 4
# These are answered as ever, whatever the conversation asks.
_ALWAYS = frozenset({Intent.STOP, Intent.EMERGENCY})
# What a text that begins like a wish for an appointment may be understood as besides.
_BEGINS_ALSO = frozenset({None, Intent.THANKS, Intent.YES, Intent.WHERE})
# How the id of a conversation begins; that of a call never does.
_TEXTS = "T"
_AGAIN = keys("9")


@dataclass(frozen=True)
class TextLimits:
    """What a conversation by text may do.

    `answers_a_day`: so many answers a number gets in 24 hours. `too_soon`: an answer to a menu that
    comes sooner than this after it was asked cannot be meant for it; nothing is no limit.
    """

    answers_a_day: int = 60
    too_soon: timedelta = timedelta(seconds=3)


class TextTurn(Turn):
    """A text that came in, in the place of a call's turn.

    `day` is that of the conversation's turns so far; None: it begins now.
    """

    def __init__(  # noqa: PLR0917
        self,
        store: Store,
        call_id: str,
        number: int,
        written: IncomingText,
        phone: str,
        day: date | None = None,
    ) -> None:
        super().__init__(store, call_id, number, day or day_of(store.clock.now()))
        self._written = written
        self._phone = phone

    def settle(
        self, answer: Sequence[str], *, step: str, outcome: str, body: Body, about: str
    ) -> None:
        """Store the turn, and the text that it answers. Raises AlreadyAnswered.

        When it returns, both and the effects of the turn are committed.
        """
        store = self.store
        text = text_conversations.AnsweredText(
            message_id=store.chance.identifier(),
            sid=self._written.sid,
            phone=self._phone,
            call_id=self.call_id,
            number=self.number,
            day=self._day_of_call(self.reading()),
            topic=Topic.REPLY,
            parts=sum(map(sms_parts.parts, answer)),
        )
        effects = self._completed(step, outcome, body, about)
        if effects is not None:
            if not text_conversations.note(effects, store.clock, store.vault, text):
                raise AlreadyAnswered
            self._give_back()
            return
        connection = self._connection()
        if not text_conversations.record(
            connection,
            store.clock,
            store.vault,
            text,
            step=step,
            outcome=outcome,
            body=body,
            about=about,
        ):
            raise AlreadyAnswered
        self._give_back()


class TextWorld(CallWorld):
    """What a call may ask of the outside, asked by a person who writes."""

    def __init__(self, service: Service, turn: TextTurn, session: Session) -> None:
        super().__init__(service, turn, session)
        # Nothing renews it while a person looks for their glasses: it is held as long as a call may
        # hold anything, and then offered anew.
        self.campaign = replace(self.campaign, hold_lease=self.campaign.hold_longest)
        self.of_call = None
        self.holds = bool(session.offers or session.adjacent)

    def _returning(self) -> str:
        # What is kept for a call of this number is that call's.
        return ""

    def remember_pace(self, *, slow: bool) -> None:
        """How a person writes says nothing of how to speak to them."""

    def new_resume_code(self) -> str:
        return ""


class TextConversations:
    """Answers the texts of people who may book by them; one for each web worker."""

    def __init__(
        self,
        store: Store,
        service: Service,
        wake_up: WakeUp,
        limits: TextLimits,
    ) -> None:
        self._store = store
        self._service = service
        self._wake_up = wake_up
        self._limits = limits

    def take(self, written: IncomingText) -> TextReply:
        """Answer a text, once: a copy is answered the same.

        Raises AlreadyAnswered where several texts of the number were quicker: the worker of this
        one asks again.
        """
        try:
            phone, kind = telephone(written.sender)
        except NotUnderstood:
            return TextReply((), "unknown_sender")
        for left in reversed(range(_TRIES)):
            try:
                return self._take(written, phone, kind)
            except AlreadyAnswered:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _take(  # noqa: PLR0911 (each is one thing that a text may be)
        self, written: IncomingText, phone: str, kind: CallerKind
    ) -> TextReply:
        store = self._store
        with store.database.statement() as connection:
            before, talk = text_conversations.look(
                connection,
                store.clock,
                store.vault,
                written.sid,
                phone,
                spend.subjects_of(store, phone),
            )
            if before.turn is not None:
                told = text_conversations.answer_of(connection, store.vault, *before.turn)
                return TextReply(tuple(json.loads(told or "[]")), "copy")
        if before.answered is not None:
            return TextReply(before.answered, "copy")
        session = self._going_on(talk)
        meant, language = understood(written.body, session.language if session else before.language)
        may_not = kind is not CallerKind.MOBILE or before.wrong or written.settled
        if may_not or meant in _ALWAYS:
            if talk and meant is Intent.STOP:
                self._end(talk)
            return self._as_ever(written, before, language)
        wish = _begins(written.body, session.language if session else language)
        no_wish = not wish.begins or (meant is Intent.WHERE and not wish.alone)
        if session is None and (no_wish or meant not in _BEGINS_ALSO):
            return self._as_ever(written, before, language)
        if before.spent or before.talked >= self._limits.answers_a_day - 1:
            return self._enough(written, phone, before, meant, wish.language)
        if session is None or talk is None or (wish.alone and not self._is_too_soon(talk)):
            return self._begin(written, phone, talk, wish.language)
        return self._go_on(written, phone, talk, session)

    def _enough(
        self,
        written: IncomingText,
        phone: str,
        before: Before,
        meant: Intent | None,
        language: str,
    ) -> TextReply:
        """A number has had its answers of the day, or a budget is spent: the telephone is there."""
        if meant not in _BEGINS_ALSO:
            # It is about an appointment that is there.
            return self._as_ever(written, before, language)
        if before.spent or before.talked >= self._limits.answers_a_day:
            return self._noted(written, phone, ())
        said = by_text(language).say("enough", {})
        return self._noted(written, phone, (sms_parts.to_gsm(said),))

    # ------------------------------------------------------------ where it stands

    def _going_on(self, talk: Talk | None) -> Session | None:
        """The session of a conversation that waits for an answer."""
        if talk is None or talk.body is None or talk.at is None:
            return None
        if self._store.clock.now() - talk.at > KEPT:
            return None
        session = Session.from_json(talk.body.session)
        return None if session.step == ENDED else session

    def _is_too_soon(self, talk: Talk) -> bool:
        """True where no person can have read the last question before this was written."""
        too_soon = self._limits.too_soon
        return (
            bool(too_soon) and talk.at is not None and self._store.clock.now() - talk.at < too_soon
        )

    def _end(self, talk: Talk) -> None:
        with self._store.database.transaction() as connection:
            text_conversations.end(connection, talk.call_id)
            give_back_holds(connection, talk.call_id)

    # ------------------------------------------------------------ what is answered

    def _as_ever(self, written: IncomingText, before: Before, language: str) -> TextReply:
        """What is no answer in a conversation is answered as on any number of ours."""
        service = self._service
        words = by_text(language if language in spoken_by_text() else spoken_by_text()[0])
        number = written_number(number_to_ring(service.numbers, written, before).number)
        return take_text(
            self._store,
            service.campaign,
            written,
            numbers=service.numbers,
            agrees=partial(owner_agrees, numbers=service.numbers),
            before=before,
            unknown=sms_parts.to_gsm(signed(words.spoken, words.unknown.format(number=number))),
        )

    def _noted(self, written: IncomingText, phone: str, answer: tuple[str, ...]) -> TextReply:
        store = self._store
        with store.database.statement() as connection:
            if not incoming.add(
                connection,
                store.clock,
                store.vault,
                store.chance.identifier(),
                written.sid,
                phone,
                answer,
                topic=Topic.REPLY,
                parts=sum(map(sms_parts.parts, answer)),
                call_id=_TEXTS,
            ):
                raise AlreadyAnswered
        return TextReply(answer, "enough")

    def _begin(
        self, written: IncomingText, phone: str, earlier: Talk | None, language: str
    ) -> TextReply:
        store = self._store
        call_id = f"{_TEXTS}{store.chance.identifier()}"
        session = Session(
            language=language,
            alive=True,
            speaks=True,
            caller=phone,
            caller_kind=str(CallerKind.MOBILE),
            by_text=True,
            # The texts come from it, so it is theirs and gets texts.
            number=phone,
            number_answered=True,
        )
        with TextTurn(store, call_id, 0, written, phone) as turn:
            connection: Connection = turn.transaction()
            was = earlier.call_id if earlier else ""
            if not text_conversations.begin(
                connection, store.clock, store.vault, phone, call_id, was
            ):
                raise AlreadyAnswered
            if was:
                give_back_holds(connection, was)
            world = TextWorld(self._service, turn, session)
            after, speech = advance(session, RING, world)
            return self._settle(turn, world, written, after, speech, (Line("begin"),))

    def _go_on(self, written: IncomingText, phone: str, talk: Talk, session: Session) -> TextReply:
        heard = texted(written.body)
        lines: tuple[Line, ...] = ()
        number = talk.number + 1
        with TextTurn(self._store, talk.call_id, number, written, phone, talk.day) as turn:
            world = TextWorld(self._service, turn, session)
            if heard is None:
                heard, lines = _AGAIN, (_why(written),)
            elif self._is_too_soon(talk) and _is_menu(session):
                heard, lines = _AGAIN, (Line("crossed"),)
            elif self._holds_no_more(talk, session):
                again = world.hold_again(session.offers)
                if len(again) < len(session.offers):
                    gone = look_again(session, world, (Line("not_kept"),))
                    return self._settle(turn, world, written, *gone, ())
                session, lines = session.but(offers=again), (Line("still_kept"),)
                world.session = session
            after, speech = advance(session, heard, world)
            return self._settle(turn, world, written, after, speech, lines)

    def _holds_no_more(self, talk: Talk, session: Session) -> bool:
        """Whether what was offered last is held no more: nothing is for longer than in a call."""
        if not session.offers or session.reference or session.step not in AFTER_SEARCH:
            return False
        longest = self._service.campaign.hold_longest
        return talk.at is not None and self._store.clock.now() - talk.at >= longest

    def _settle(  # noqa: PLR0917
        self,
        turn: TextTurn,
        world: TextWorld,
        written: IncomingText,
        after: Session,
        speech: Speech,
        before: tuple[Line, ...],
    ) -> TextReply:
        answer = in_texts((*before, *speech.lines), speech.language)
        stored = json.dumps(answer, ensure_ascii=False)
        turn.settle(
            answer,
            step=after.step,
            outcome=speech.outcome,
            body=Body(written.body[:LONGEST], after.to_json(), stored),
            about=world.about(after),
        )
        # Only now is it true.
        for message_id in world.messages:
            self._wake_up.message(message_id)
        TURNS.labels(after.step, speech.outcome).inc()
        if speech.outcome is TurnOutcome.BOOKED:
            BOOKINGS.labels("text").inc()
        elif speech.outcome is TurnOutcome.PROMISED:
            PROMISES.inc()
        return TextReply(answer, f"talk {after.step}")


def in_texts(lines: Sequence[Line], language: str) -> tuple[str, ...]:
    """What the engine says, as it is sent: one text, or more where it has no room in two parts."""
    texts: list[str] = []
    for line in lines:
        words: ByText = by_text(line.language or language)
        said = sms_parts.to_gsm(words.say(line.key, _discreetly(line.values), line.wording))
        longer = f"{texts[-1]}\n{said}" if texts else said
        if texts and sms_parts.parts(longer) <= MOST_PARTS:
            texts[-1] = longer
        else:
            texts.append(said)
    return tuple(texts)


_TOWNS = frozenset({"town1", "town2", "town3"})


def _discreetly(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """With where a place is, as a text tells it."""
    name, street, town = (str(values.get(name_, "")) for name_ in ("place", "street", "town"))
    where = MessagePlace(street, name, "", town)
    towns = {name: discreet(str(values[name])) or values[name] for name in _TOWNS & values.keys()}
    return {**values, **towns, "address": ", ".join(part for part in (where.told, town) if part)}


@dataclass(frozen=True)
class _Wish:
    """Whether a text asks for an appointment, whether it says no more, and in which language."""

    begins: bool
    alone: bool
    language: str


def _begins(body: str, language: str) -> _Wish:
    known = spoken_by_text()
    text = plain(body)
    for tag in dict.fromkeys((*((language,) if language in known else ()), *known)):
        found = by_text(tag).begins.fullmatch(text)
        if found:
            return _Wish(begins=True, alone=not found["rest"], language=tag)
    return _Wish(begins=False, alone=False, language=language if language in known else known[0])


def _is_menu(session: Session) -> bool:
    step = STEPS.get(session.step)
    return step is not None and step.most_digits == 1


def _why(written: IncomingText) -> Line:
    """What is said of a text that is no answer at all."""
    if len(written.body) > LONGEST:
        return Line("too_long")
    if written.pictures and not written.body.strip():
        return Line("picture")
    return Line("reason.not_understood")
