"""A text that a person wrote to us: understood, noted, answered. No booking is changed by one.

A text proves nothing but the number it came from, and a slip of the finger is quickly made. So a
person who wants to move or cancel is told which number to ring. A text can stop texts (STOP, "ce
n'est pas moi"), let them come again, note that the person will attend, and have their appointment
written to them once more.

STOP is answered once. After it a text leaves only where a text asked for it, or for what the
person books. A number that belongs to another person gets nothing more at all, and its bookings
become cases for an agent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.understanding import NotUnderstood, telephone
from flows.understanding.messages import Intent, intent_of
from models.attempts import Subject, wait_for_others
from models.booking import changes, history
from models.booking.history import Change
from models.database import Connection
from models.messages import incoming, phone_lines
from models.messages.incoming import Before
from prompts.catalogue import languages, load
from services.attempts import count_text
from services.campaign.campaign import Campaign
from services.messages import phone_capabilities, sms_parts, spend, text_names, texts
from services.messages.texts import text_of_what_comes
from services.messages.topics import Topic
from services.messages.write_message import open_case
from services.numbers.numbers import CalledNumber, Numbers
from services.store import Store
from services.vocabulary import vocabulary

# Answers that a number gets in 24 hours: two machines that answer each other come to an end.
MOST_ANSWERS = 10
# Where there was nothing to understand, fewer are of use.
MOST_UNKNOWN = 2
# Bookings of one number that are written to it at once.
MOST_BOOKINGS = 4
WRONG_NUMBER = "wrong_number"
_WHY_WRONG = "whoever has this number wrote that it is somebody else's"
# The answer to each wish; the others depend on what is there.
_ANSWERS = {
    Intent.EMERGENCY: "emergency",
    Intent.CANCEL: "cancel",
    Intent.MOVE: "move",
    Intent.CHANGE: "change",
}


@dataclass(frozen=True)
class IncomingText:
    """A text that came in. `sid` is the provider's id, `sender` a number as the provider has it.

    `settled`: the provider knows STOP and START itself, and has answered this one.
    """

    sid: str
    sender: str
    body: str
    settled: bool = False
    # The number of ours that it was sent to, as the provider has it.
    to: str = ""
    # How many pictures came with it.
    pictures: int = 0


@dataclass(frozen=True)
class TextReply:
    """The answers to a text, one text each.

    `wish` is for the log: a word of ours, never the sender's.
    """

    texts: tuple[str, ...]
    wish: str = ""


# Whether a yes from this number (E.164) is one to a call that was asked for there; it is promised.
OwnerAgrees = Callable[[Connection, Store, str], bool]


class _Copy(Exception):
    """Another request of the same text was quicker; what was done for this one is rolled back."""


def take_text(
    store: Store,
    campaign: Campaign,
    written: IncomingText,
    *,
    numbers: Numbers,
    agrees: OwnerAgrees | None = None,
    before: Before | None = None,
    unknown: str = "",
) -> TextReply:
    """Do what a text asks for, once, and say what is answered; a copy is answered the same.

    `numbers` know which one is to be rung: the one whose texts are answered where this one went,
    else that of the person's newest booking. `agrees` takes a yes to a call that was asked for at
    this number. `before` is what is known, where it was looked at already; `unknown` answers what
    is not understood.
    """
    try:
        number, _ = telephone(written.sender)
    except NotUnderstood:
        # A service, or a number of a land that books nothing here.
        return TextReply((), "unknown_sender")
    if before is None:
        with store.database.statement() as connection:
            before = incoming.look(
                connection,
                store.clock,
                store.vault,
                written.sid,
                number,
                spend.subjects_of(store, number),
            )
    if before.answered is not None:
        return TextReply(before.answered, "copy")
    meant, language = understood(written.body, before.language)
    one = _OneText(
        store=store,
        campaign=campaign,
        written=written,
        row_id=store.chance.identifier(),
        number=number,
        before=before,
        language=language,
        national_number=number_to_ring(numbers, written, before).number,
        agrees=agrees,
        unknown=unknown,
    )
    try:
        answered = one.answer(meant)
    except _Copy:
        with store.database.statement() as connection:
            before = incoming.look(connection, store.clock, store.vault, written.sid, number)
        return TextReply(before.answered or (), "copy")
    return TextReply(answered, str(meant or "unknown"))


def number_to_ring(numbers: Numbers, written: IncomingText, before: Before) -> CalledNumber:
    """Which of our numbers is told to the writer of a text."""
    return numbers.texted(written.to) or numbers.of(before.called)


def understood(body: str, language: str) -> tuple[Intent | None, str]:
    """The wish of a text, and the language it is in; `language` is tried first, if there is one."""
    first = language or languages()[0]
    polite = None
    for name in dict.fromkeys((first, *languages())):
        meant = intent_of(body, vocabulary(name))
        if meant is Intent.THANKS:
            polite = meant
        elif meant is not None:
            return meant, name
    return polite, first


@dataclass(frozen=True)
class _OneText:
    store: Store
    campaign: Campaign
    written: IncomingText
    # Of the row that stands for this text.
    row_id: str
    number: str
    before: Before
    language: str
    national_number: str
    agrees: OwnerAgrees | None = None
    unknown: str = ""

    def answer(self, meant: Intent | None) -> tuple[str, ...]:
        """Raises _Copy."""
        effects: dict[Intent, Callable[[Connection], tuple[str, ...]]] = {
            Intent.STOP: self._stop,
            Intent.START: self._start,
            Intent.WRONG: self._wrong,
            Intent.WHERE: self._where,
            Intent.YES: self._yes,
        }
        effect = effects.get(meant) if meant else None
        if effect is None or (self.before.wrong and meant not in {Intent.STOP, Intent.START}):
            answer = self._allowed(meant)
            database = self.store.database
            with database.statement() as connection:
                self._note(connection, answer)
            return answer
        with self.store.database.transaction() as connection:
            # Two texts of one number, or two copies: the second sees what the first has done.
            wait_for_others(connection, [self._subject])
            answer = self._may_leave(effect(connection))
            self._note(connection, answer)
        return answer

    # ------------------------------------------------------------ what is done

    def _stop(self, connection: Connection) -> tuple[str, ...]:
        known = phone_lines.get(connection, self._subject.idx)
        phone_capabilities.stop_texts(connection, self.store, self.number)
        if known is not None and (known.stopped or known.wrong):
            return ()
        return self._said("stop")

    def _start(self, connection: Connection) -> tuple[str, ...]:
        phone_capabilities.allow_texts(connection, self.store, self.number)
        return self._said("start")

    def _wrong(self, connection: Connection) -> tuple[str, ...]:
        known = phone_lines.get(connection, self._subject.idx)
        if known is not None and known.wrong:
            return ()
        phone_capabilities.mark_wrong(connection, self.store, self.number)
        booked: list[str | None] = [*self._ahead(connection)]
        for booking_id in booked or [None]:
            about = {"booking_id": booking_id, "message_id": self.row_id}
            open_case(connection, self.store, WRONG_NUMBER, _WHY_WRONG, **about)
        return () if known is not None and known.stopped else self._said("wrong")

    def _where(self, connection: Connection) -> tuple[str, ...]:
        if not count_text(connection, self.store, caller=self.number, call_id=self.written.sid):
            return ()
        written = [self._written(connection, booking_id) for booking_id in self._ahead(connection)]
        return tuple(filter(None, written)) or self._said("nothing")

    def _yes(self, connection: Connection) -> tuple[str, ...]:
        if self.agrees is not None and self.agrees(connection, self.store, self.number):
            # A person who wants no texts is rung, and not thanked by one.
            return () if self.before.stopped else self._said("call")
        booking_id = incoming.told_last(connection, self.store.vault, self.number)
        if booking_id is None or booking_id not in self._ahead(connection):
            return self._said("nothing")
        _, cannot_take_place = changes.version_of(connection, booking_id)
        if cannot_take_place:
            # To come is what they must not do.
            return (self._written(connection, booking_id),)
        line = Change("caller", "text", history.SAID_YES)
        history.add(connection, self.store.clock, self.store.vault, booking_id, line)
        # A person who wants no texts is not thanked by one.
        return () if self.before.stopped else self._said("yes")

    def _written(self, connection: Connection, booking_id: str) -> str:
        file = changes.load(connection, self.store.vault, booking_id)
        if file is None:
            return ""
        words = load(self.language)
        return text_of_what_comes(connection, self.store, file, words, self.national_number)

    # ------------------------------------------------------------ what is answered

    def _allowed(self, meant: Intent | None) -> tuple[str, ...]:
        """The answer to what changes nothing."""
        if meant is Intent.EMERGENCY:
            return self._said("emergency")
        if self.before.wrong or meant is Intent.THANKS:
            return ()
        if meant is None:
            # A person who wants no texts has not asked for this one.
            few = self.before.answers < MOST_UNKNOWN and not self.before.stopped
            said = (self.unknown,) if self.unknown else self._said("unknown")
            return self._may_leave(said) if few else ()
        return self._may_leave(self._said(_ANSWERS[meant]))

    def _may_leave(self, answer: tuple[str, ...]) -> tuple[str, ...]:
        if self.written.settled or self.before.answers >= MOST_ANSWERS:
            return ()
        if self.before.spent:
            # Tomorrow it would answer nothing. Where to ring in an emergency is told at any price.
            return ()
        return answer if text_names.wanted(self.campaign, "reply") else ()

    def _said(self, name: str) -> tuple[str, ...]:
        words = load(self.language)
        return (texts.filled(words, f"reply_{name}", number=self.national_number),)

    def _note(self, connection: Connection, answer: tuple[str, ...]) -> None:
        if not incoming.add(
            connection,
            self.store.clock,
            self.store.vault,
            self.row_id,
            self.written.sid,
            self.number,
            answer,
            topic=Topic.REPLY,
            parts=sum(map(sms_parts.parts, answer)),
        ):
            raise _Copy

    def _ahead(self, connection: Connection) -> list[str]:
        return incoming.bookings_ahead(
            connection, self.store.clock, self.store.vault, self.number, limit=MOST_BOOKINGS
        )

    @property
    def _subject(self) -> Subject:
        return Subject("text_in", self.store.vault.index("phone", self.number) or b"")
