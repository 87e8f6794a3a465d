"""What the outside says of the queue for a person, and of agents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto


class RungPerson(Enum):
    """What awaits a person we rang, now that they have proved to be there."""

    AGENT = auto()  # an agent, who waits for them
    LINE = auto()  # their place in the queue: the agent was lost meanwhile
    MACHINE = auto()  # the call that they made, where it was left
    OVER = auto()  # nothing any more


class NoPerson(StrEnum):
    """Why no caller can be passed to an agent at this moment."""

    NOBODY = "nobody"  # no agent is there, though it is within opening hours
    HOURS = "hours"
    HOLIDAY = "holiday"
    CALLBACK_ONLY = "callback_only"  # a supervisor's setting: agents ring back, no caller waits
    CLOSED = "closed"  # a supervisor's setting
    TOO_LONG = "too_long"
    FULL = "full"
    # The provider's queue did not take them.
    FAILED = "failed"


@dataclass(frozen=True)
class QueuePlace:
    """A place in the queue. `queue` is its queue; `ahead` callers come first.

    `wait_seconds` is the wait estimate; None where there is none yet. `rung_in_vain`: the place
    belongs to a callback for which we rang, and the call was not answered.
    """

    entry_id: str
    queue: str
    ahead: int
    wait_seconds: int | None = None
    rung_in_vain: bool = False


@dataclass(frozen=True)
class Unavailable:
    """Why no caller is passed; `opens_at` (by the agents' clock) is when agents answer again.

    `wait_seconds`: how long the caller would wait, where that is the reason.
    """

    why: NoPerson
    opens_at: datetime | None = None
    wait_seconds: int | None = None


class AfterQueue(StrEnum):
    """What has become of a place when its caller is not in the provider's queue any more."""

    WAITING = "waiting"  # the place is still theirs: back into the queue
    TAKEN = "taken"  # an agent has them
    PROMISED = "promised"  # they are rung
    NUMBER = "number"  # kept, until they give a number to be rung at
    MACHINE = "machine"  # they wished to go on here
    GONE = "gone"


class AfterAgent(StrEnum):
    """Why a caller is back from an agent."""

    HANDED_BACK = "handed_back"
    FINISHED = "finished"
    LOST_AGENT = "lost_agent"  # the agent's line broke: they wait on, in front
    PROMISED = "promised"
    STILL = "still"  # it is not over: back into the conference


@dataclass(frozen=True)
class BackFromAgent:
    """What the next turn is to do; `step`: where the machine goes on, if handed back.

    `conference` is where they belong if it is not over, `queue` where they wait on.
    """

    what: AfterAgent
    step: str = ""
    conference: str = ""
    queue: str = ""
