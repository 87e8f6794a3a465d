"""Notices: messages whose words are made when they go, from what is true then.

A message of kind `sms` carries its finished text. Every other kind is a notice: a `Render` of its
kind says what it has become at the moment when the person is to be told. What a relay cannot say
any more is dropped; what is not to be said yet is put off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from models.booking.changes import BookingDetails
from models.database import Connection
from models.messages.outbox import ClaimedMessage
from services.store import Store

# Why a machine rings about a booking: `known` has its `booking_id` and the `topic` of the message.
APPOINTMENT = "appointment"
# The kind of the outbox' messages that are for a partner.
PARTNER = "partner"


class Reason(StrEnum):
    """Why a number is rung."""

    ASKED = "asked"  # for a person
    INTERPRETER = "interpreter"  # for a person, with an interpreter
    QUIET = "quiet"  # answered, and then said nothing more
    UNCLEAR = "unclear"  # was not understood
    SILENT = "silent"  # nothing was ever pressed or said
    UNFINISHED = "unfinished"  # hung up between choice and confirmation
    CUT = "cut"  # the line of a caller who waited for an agent
    CASE = "case"  # an agent has something to settle with them
    # A message is told by telephone: services.queue.voice_messages.
    APPOINTMENT = "appointment"
    OFFER = "offer"
    NEWS = "news"


@dataclass(frozen=True)
class CallPlan:
    """How something is told by telephone.

    `reason` is a Reason, of a call by the machine. `known` holds ids only (`booking_id`, `entry`
    …), because it is read before the person has said who they are. `due_at` and `until` (UTC): not
    before, and of no use after; None for at once, and for ever.
    """

    reason: str
    language: str
    known: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None
    until: datetime | None = None


def appointment_call(file: BookingDetails, topic: str, *, until: datetime) -> CallPlan:
    """A call about a booking, of no use after `until` (UTC)."""
    known = {"booking_id": file.id, "topic": str(topic)}
    return CallPlan(APPOINTMENT, file.language, known, until=until)


@dataclass(frozen=True)
class ReadyNotice:
    """What a notice has become.

    `recipient` is E.164. `text` is in letters of GSM-7; empty: it is never told by a text. `call`
    None: never by a call. `by_call_first`: a call even where a text would reach.
    """

    recipient: str
    text: str = ""
    call: CallPlan | None = None
    by_call_first: bool = False
    # A person who asked for it waits for it: it leaves at night, too.
    any_hour: bool = False
    # It cannot wait longer than that (UTC) for the hours of texts; None: it can.
    latest: datetime | None = None
    # A call that tells it where its text cannot leave in time, at the provider's pace.
    if_late: CallPlan | None = None


@dataclass(frozen=True)
class Later:
    """Not to be told before `at` (UTC): it waits, and no try is counted."""

    at: datetime


# What a message of this kind has become: None when its person need not be told any more.
Render = Callable[[Connection, Store, ClaimedMessage], ReadyNotice | Later | None]

# Promise the call that tells a message, in the transaction given; `claimed.recipient` is the number
# to ring. False while the number has another live promise. The promise is an entry of the queue
# whose `message_id` is the message's; code that ends the entry moves the message by
# models.messages.outbox.move_state.
Arrange = Callable[[Connection, Store, ClaimedMessage, CallPlan], bool]
