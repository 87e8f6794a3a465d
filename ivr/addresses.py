"""Where the provider finds this service: the telephone's own addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

# Connection overrides: two more tries on connection failure, 5xx or a slow answer, all of it
# inside the fifteen seconds that the provider gives a webhook.
OVERRIDES = "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"
# Of a text that comes in: asked three times more, for no caller holds a line and waits.
TEXT_OVERRIDES = "#rc=3&rp=ct,rt,5xx"
# The largest turn number that the store can hold: "the newest there is".
NEWEST = 32767
# Below /audio of this service.
MUSIC = "music/waiting.wav"


class Addresses:
    """The telephone's own addresses. Paths are plain ASCII; what varies is in the query."""

    def __init__(self, public_base_url: str) -> None:
        self._base = public_base_url

    def at(self, path: str) -> str:
        """One of the telephone's own addresses; `path` with its query."""
        return f"{self._base}{path}{OVERRIDES}"

    def turn(self, number: int | str, how: str = "") -> str:
        """The next turn. `how` a call comes there without an answer.

        `silent`; `returned` from a line that it was connected to; or `queued`: out of the queue,
        for whatever reason.
        """
        return self.at(f"/voice/turn?n={number}{how and f'&{how}=1'}")

    @property
    def music(self) -> str:
        """The music that waiting callers hear; `prompts/make_music.py` made it."""
        return self.recording(MUSIC)

    def recording(self, file: str) -> str:
        """Where the provider fetches a recording from; it is the same for every caller."""
        return f"{self._base}/audio/{file}"

    def after_failures(self, document: str, failed: int) -> str:
        """An answer said again, with how many of the caller's answers in a row were lost here."""
        if not failed:
            return document
        turns = f"{self._base}/voice/turn?"
        return document.replace(f"{turns}n=", f"{turns}failed={failed}&amp;n=")

    def again(self, number: int, tries: int, failed: int = 0, day: date | None = None) -> str:
        """Where a call goes on after a failure of ours: the last answer is said again."""
        lost = f"&failed={failed}" if failed else ""
        return self.at(f"/voice/turn?n={number_of_day(number, day)}&again={tries}{lost}")


@dataclass(frozen=True)
class QueueListener:
    """A caller in the queue: the voice they hear, and how far the announcements have come.

    `keeps`: something is held for them. `told` is the shortest wait (seconds) that they heard of,
    -1 for none.
    """

    language: str
    slow: bool = False
    keeps: bool = False
    round: int = 0
    told: int = -1
    # The id of their place, so that what is pressed is about this one and no later one.
    place: str = ""

    @property
    def query(self) -> str:
        kept = f"&slow={self.slow:d}&keeps={self.keeps:d}"
        place = f"&place={self.place}" if self.place else ""
        return f"language={self.language}{kept}&round={self.round}&told={self.told}{place}"


def number_of_day(number: int, day: date | None) -> str:
    """What the address of a turn has behind `n=`: its number, and the day on which its call rang.

    The day is that of the turn's rows (models.turn_days). Without it, it is looked up.
    """
    return f"{number}&d={day:%Y%m%d}" if day else str(number)
