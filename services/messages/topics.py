"""What a message tells of, and what follows from it for how it may be sent.

The first confirmation of a booking knows no hours and no cap: the person who has just booked waits
for it with the telephone in the hand. The budgets of the day know no exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.messages.outbox import ClaimedMessage


class Topic(StrEnum):
    """What a message tells of."""

    CONFIRMATION = "confirmation"  # the first of a booking
    CODE = "code"  # to be typed back on the site, which proves that its number is reached
    AGAIN = "again"  # the same once more, because it was asked for
    CHANGE = "change"  # moved, by either side
    CANCELLATION = "cancellation"
    RESTORED = "restored"  # a cancellation was taken back
    CLOSED = "closed"  # a centre, a day, an hour is no more
    REMINDER = "reminder"
    EVENING = "evening"  # the call of the same evening
    OFFER = "offer"  # of a freed place
    UNFINISHED = "unfinished"  # hung up between choice and confirmation
    NEWS = "news"  # the opening, or one's turn
    CALLBACK = "callback"  # about a promise to ring back
    REPLY = "reply"  # to a text that came in
    CALL_CONSENT = "call_consent"  # may we ring this number, which was typed
    VOICE = "voice"  # the appointment, told by call because a staff member asked for that


@dataclass(frozen=True)
class Manner:
    """How messages of a topic may go.

    `any_hour`: they leave at night, too. `capped`: they count to what a number gets in a day.
    `by_call`: where no text reaches, a call does. `case`:
    where nothing reaches, a case for an agent. `wished`: they asked to be told, so that a person
    who wants no texts is rung.
    """

    any_hour: bool
    capped: bool
    by_call: bool
    case: bool
    wished: bool = False


MANNERS: dict[Topic, Manner] = {
    Topic.CONFIRMATION: Manner(any_hour=True, capped=False, by_call=True, case=True),
    Topic.CODE: Manner(any_hour=True, capped=True, by_call=False, case=False),
    Topic.AGAIN: Manner(any_hour=True, capped=True, by_call=False, case=False),
    Topic.CHANGE: Manner(any_hour=False, capped=False, by_call=True, case=True),
    Topic.CANCELLATION: Manner(any_hour=False, capped=False, by_call=True, case=True),
    Topic.RESTORED: Manner(any_hour=False, capped=False, by_call=True, case=True),
    Topic.CLOSED: Manner(any_hour=False, capped=False, by_call=True, case=True),
    Topic.REMINDER: Manner(any_hour=False, capped=True, by_call=True, case=False),
    Topic.EVENING: Manner(any_hour=False, capped=True, by_call=True, case=False),
    Topic.OFFER: Manner(any_hour=False, capped=True, by_call=True, case=False, wished=True),
    Topic.UNFINISHED: Manner(any_hour=True, capped=True, by_call=True, case=False),
    Topic.NEWS: Manner(any_hour=False, capped=True, by_call=True, case=False, wished=True),
    Topic.CALLBACK: Manner(any_hour=True, capped=True, by_call=False, case=False),
    Topic.REPLY: Manner(any_hour=True, capped=True, by_call=False, case=False),
    Topic.CALL_CONSENT: Manner(any_hour=False, capped=True, by_call=False, case=False),
    Topic.VOICE: Manner(any_hour=False, capped=False, by_call=True, case=True),
}


# The topics of messages written by an earlier version, by their kind.
_TOPICS = {
    "sms": Topic.CONFIRMATION,
    "booking_changed": Topic.CHANGE,
    "booking_cancelled": Topic.CANCELLATION,
    "case": Topic.CLOSED,
    "waiting_offer": Topic.OFFER,
    "reminder": Topic.REMINDER,
    "evening": Topic.EVENING,
    "callback": Topic.NEWS,
}
# Topics that count for no cap of a number.
UNCAPPED = ("", *(str(topic) for topic, manner in MANNERS.items() if not manner.capped))
# What was held back yesterday is of no use today: a reply, news of a call that was to come, a place
# that was kept for minutes. The others say what is true when they go.
OF_THE_DAY = frozenset({Topic.REPLY, Topic.CALLBACK, Topic.UNFINISHED, Topic.CALL_CONSENT})


def topic_of(claimed: ClaimedMessage) -> Topic:
    """What a message tells of."""
    if claimed.topic:
        return Topic(claimed.topic)
    return _TOPICS.get(claimed.kind, Topic.CHANGE)


def manner_of(claimed: ClaimedMessage) -> Manner:
    """How a message may go."""
    return MANNERS[topic_of(claimed)]


def topic_of_change(what: str, *, by_us: bool = False) -> Topic:
    """What a change of a booking tells of: `what` is the word of its history.

    `by_us`: it was an operation on a whole centre, day or hour.
    """
    if by_us:
        return Topic.CLOSED
    topics = {"cancelled": Topic.CANCELLATION, "restored": Topic.RESTORED}
    return topics.get(what, Topic.CHANGE)
