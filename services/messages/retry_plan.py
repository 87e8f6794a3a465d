"""What is done about each error of the provider, and how long it takes until the next try.

The codes are those of its published list; what a code means for the person is decided here and
nowhere else. Waits are strategies of tenacity, without its loop: between two tries a message is
a row of the database, and no thread sleeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tenacity import Future, RetryCallState, Retrying, stop_after_attempt, wait_exponential

from models.messages.outbox import Retry
from services.ports import Busy, NoAnswer, ProviderRefused


class ErrorMeaning(StrEnum):
    """What an error means for a text."""

    OURS = "ours"  # a setting, the account: every text would fail, so this one waits
    ONCE_LATER = "once later"  # the telephone was off: one more try, hours later
    LANDLINE = "landline"  # remembered: texts do not reach that line
    STOPPED = "stopped"  # remembered: the number's owner wants no texts
    DEAD_END = "dead end"  # it would fail again: a call, or a case for an agent


# Codes that are not listed are dead ends.
FATES: Final[Mapping[str, ErrorMeaning]] = MappingProxyType(
    {
        # Refused at once.
        "10001": ErrorMeaning.OURS,  # the account does not work
        "10002": ErrorMeaning.OURS,  # an account on trial may not
        "20003": ErrorMeaning.OURS,  # not our account, or not its key
        "20005": ErrorMeaning.OURS,  # the account does not work
        "20006": ErrorMeaning.OURS,  # the account may not
        "21211": ErrorMeaning.DEAD_END,  # no such number
        "21212": ErrorMeaning.OURS,  # our sender is none
        "21265": ErrorMeaning.DEAD_END,  # a short number
        "21266": ErrorMeaning.DEAD_END,  # our own number
        "21267": ErrorMeaning.OURS,  # an account on trial sends from no name
        "21268": ErrorMeaning.DEAD_END,  # a premium number
        "21408": ErrorMeaning.DEAD_END,  # that country is not allowed
        "21603": ErrorMeaning.OURS,  # no sender
        "21606": ErrorMeaning.OURS,  # our sender cannot send
        "21608": ErrorMeaning.OURS,  # on trial it texts verified numbers alone
        "21610": ErrorMeaning.STOPPED,
        "21612": ErrorMeaning.DEAD_END,  # not from this sender to that number
        "21614": ErrorMeaning.LANDLINE,
        "21635": ErrorMeaning.LANDLINE,  # a landline, beyond the provider's own countries
        "21659": ErrorMeaning.OURS,  # our sender is none of the provider's
        "21660": ErrorMeaning.OURS,  # our sender is not of this account
        "21661": ErrorMeaning.OURS,  # our sender cannot send
        "70051": ErrorMeaning.OURS,  # our key has not the right
        # Reported later.
        "30001": ErrorMeaning.ONCE_LATER,  # too many were waiting
        "30002": ErrorMeaning.ONCE_LATER,  # the account was suspended between taking and sending
        "30003": ErrorMeaning.ONCE_LATER,  # the telephone is off, or out of reach
        "30004": ErrorMeaning.DEAD_END,  # blocked
        "30005": ErrorMeaning.DEAD_END,  # a number that is not in use
        "30006": ErrorMeaning.LANDLINE,
        "30007": ErrorMeaning.DEAD_END,  # taken for unwanted by its network
        "30008": ErrorMeaning.ONCE_LATER,  # the provider gives no reason
    }
)
# A telephone that was off is tried once more after this long.
ONE_MORE_AFTER: Final = timedelta(hours=2)
# A message whose fate is unknown is looked up after this long, and the first retry comes then.
FIRST_RETRY: Final = timedelta(seconds=5)
LONGEST_RETRY: Final = timedelta(minutes=5)
SHORTEST_RETRY: Final = timedelta(seconds=1)
# About a day of retries; then it is a dead end.
MOST_ATTEMPTS: Final = 300

_WAIT = wait_exponential(
    multiplier=FIRST_RETRY.total_seconds(),
    max=LONGEST_RETRY.total_seconds(),
    min=SHORTEST_RETRY.total_seconds(),
)
_STOP = stop_after_attempt(MOST_ATTEMPTS)
_NO_LOOP = Retrying()


def fate(code: str | None) -> ErrorMeaning:
    """What an error of the provider means for the text that met it."""
    return FATES.get(code or "", ErrorMeaning.DEAD_END)


def next_try(
    error: ProviderRefused | Busy | NoAnswer, attempts: int, *, ambiguous: bool = False
) -> Retry | None:
    """What follows a try that failed, the `attempts`th; None where there is no further one.

    `ambiguous`: an earlier try may have reached the provider, and that has not been settled. A busy
    provider at the look-up has not told anything.
    """
    if isinstance(error, ProviderRefused) and fate(error.code) is not ErrorMeaning.OURS:
        return None
    state = _state(error, attempts)
    if _STOP(state):
        return None
    code = "no answer" if isinstance(error, NoAnswer) else error.code
    after = timedelta(seconds=_WAIT(state))
    if isinstance(error, Busy) and error.after:
        # It said itself when it will take more.
        after = max(error.after, SHORTEST_RETRY)
    return Retry(after, code, ambiguous or isinstance(error, NoAnswer))


def _state(error: Exception, attempts: int) -> RetryCallState:
    state = RetryCallState(_NO_LOOP, fn=None, args=(), kwargs={})
    state.attempt_number = attempts
    state.outcome = Future.construct(attempts, error, has_exception=True)
    return state
