"""Mails about a booking: the words of its texts, with the file for a calendar.

A mail is a row of the outbox like a text, written in the transaction of what it tells. Its words
are made when it leaves: of several changes the last one tells. What the server says in the dialogue
is all that is known of it: a refusal for good (5xx) ends it, one for the moment (4xx) is tried
again. The text or the call goes all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from models.booking import changes
from models.booking.changes import BookingDetails
from models.database import Connection
from models.messages import budgets, outbox
from models.messages.budgets import Limit
from models.messages.outbox import MAIL, ClaimedMessage
from prompts.catalogue import load
from prompts.screens import screen
from prompts.values import written_number
from services.messages import spend, texts
from services.messages.calendar_file import appointments_of, calendar_file
from services.messages.retry_plan import next_try
from services.messages.topics import Topic
from services.messages.whose import of_mail
from services.messages.write_message import write_message
from services.numbers.numbers import Numbers
from services.ports import Busy, Mailer, NoAnswer, ProviderRefused
from services.store import Store

# What one address and one visitor get in a day, by the calendar of Paris.
PER_ADDRESS, PER_CLIENT = 20, 60
_NO_LIMIT = 2**31 - 1
# What an operator does about what keeps all mails, by its code.
_TO_DO: Final = {
    "login": "the server refuses the login: set the user and password of SMTP_URL",
    "certificate": "the server's certificate is not trusted here, or is not of SMTP_URL's host",
    "not offered": "the server offers no STARTTLS or no login: see SMTP_URL",
}

log = structlog.get_logger()


class NoAddress(ValueError):
    """What was typed is no address of e-mail."""


def address(typed: str) -> str:
    """An address as it is kept: "Anne@Exemple.FR " is "Anne@exemple.fr". Raises NoAddress."""
    # Heavy, and few type one.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        # Whether its server is there is found when the mail leaves.
        return validate_email(typed.strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        raise NoAddress from None


def write_mail(
    connection: Connection,
    store: Store,
    to: str,
    booking_id: str,
    *,
    call_id: str | None = None,
    of_two: bool = False,
) -> str | None:
    """Tell a new booking to an address; gives the message's id.

    `of_two`: it is one of two that are made together, and the mail says whose it is.
    """
    return write_message(
        connection,
        store,
        MAIL,
        to,
        {"version": 1, "of_two": of_two},
        key=f"m:{booking_id}",
        topic=Topic.CONFIRMATION,
        booking_id=booking_id,
        call_id=call_id,
    )


def mail_change(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    payload: dict[str, Any],
    *,
    key: str,
    topic: str,
) -> str | None:
    """Tell a change to the address of a booking, if it has one: `payload` and `key` as its notice.

    Gives the message's id.
    """
    if file.mail is None:
        return None
    return write_message(
        connection,
        store,
        MAIL,
        file.mail,
        payload,
        key=f"m:{key}",
        topic=topic,
        booking_id=file.id,
    )


@dataclass(frozen=True)
class Mails:
    """Delivers them, for a relay."""

    store: Store
    mailer: Mailer
    numbers: Numbers

    def deliver(self, claimed: ClaimedMessage) -> str:
        """Send a mail that was claimed; gives a word for the log."""
        store = self.store
        with store.database.transaction() as connection:
            mail = self._made(connection, claimed)
            if mail is None:
                outbox.drop(connection, store.clock, claimed, "needless")
                return "dropped"
            # What is tried again was counted.
            if claimed.attempts == 1 and self._is_over(connection, claimed):
                outbox.put_off(connection, store.clock, claimed, spend.next_day(store), outbox.HELD)
                return "held"
        try:
            self.mailer.send(claimed.id, claimed.recipient, *mail)
        except (ProviderRefused, Busy, NoAnswer) as error:
            return self._again(claimed, error)
        with store.database.statement() as connection:
            outbox.sent(connection, store.clock, claimed.id, None, way=MAIL)
        return "sent"

    def _made(
        self, connection: Connection, claimed: ClaimedMessage
    ) -> tuple[str, str, bytes] | None:
        """Subject, words and calendar, which is empty where nothing of the booking lies ahead.

        None for what need not be told any more.
        """
        store, payload = self.store, claimed.payload
        file = changes.load(connection, store.vault, claimed.booking_id or "")
        if file is None or not claimed.recipient or file.version != payload.get("version"):
            return None
        words, number = screen(file.language), self.numbers.of(claimed.called).number
        told = _told(connection, store, file, payload, number)
        if not told:
            return None
        link = store.link_of(file.reference, [booked.start_at for booked in file.appointments])
        body = words.text("book.mail.body", told=told, link=link)
        calendar = b""
        if file.ahead(store.clock.now()):
            calendar = calendar_file(
                appointments_of(connection, file),
                words,
                now=store.clock.now(),
                number=written_number(number),
            )
        return words[f"book.mail.{payload.get('what', 'booked')}"], body, calendar

    def _is_over(self, connection: Connection, claimed: ClaimedMessage) -> bool:
        """Whether the address or its visitor had as many as they get today; counts it if not."""
        store = self.store
        subject = store.vault.index(MAIL, claimed.recipient) or b""
        limits = [Limit(MAIL, subject, PER_ADDRESS, _NO_LIMIT)]
        if claimed.client:
            limits.append(Limit("mail_client", claimed.client, PER_CLIENT, _NO_LIMIT))
        return bool(budgets.take(connection, store.clock, spend.day_of(store), limits, 1, 0))

    def _again(self, claimed: ClaimedMessage, error: ProviderRefused | Busy | NoAnswer) -> str:
        store = self.store
        again = next_try(error, claimed.attempts)
        with store.database.transaction() as connection:
            if again is None:
                outbox.drop(connection, store.clock, claimed, "refused")
            else:
                outbox.put_back(connection, store.clock, claimed, again)
        # Neither the address nor what the server wrote, which may repeat it.
        code = "no answer" if isinstance(error, NoAnswer) else error.code
        log.info("mail did not leave", message=claimed.id, code=code, again=again is not None)
        if code in _TO_DO:
            log.error("mails cannot leave", code=code, do=_TO_DO[code])
        return "refused" if again is None else "busy"


def _told(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    payload: Mapping[str, Any],
    number: str,
) -> str:
    catalogue = load(file.language)
    whose = of_mail(connection, store, file, of_two=payload.get("of_two", False))
    if "what" not in payload:
        return texts.text_of_what_comes(
            connection, store, file, catalogue, number, mail=True, whose=whose
        )
    return texts.of_change(catalogue, payload, number=number, whose=whose, mail=True)
