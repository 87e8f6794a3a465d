"""Partners' slots, read at the pace that their hosts allow, beside all other tasks.

One run of a task asks at most one question, and none while the host is to be left in peace. So a
partner that answers slowly, or never, holds up only itself. A centre is stored when all of it was
read. A failure before that leaves what was known, and its age tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from jobs.timed import Task
from models.centres import geography
from models.clock import Clock
from models.database import Database
from models.partners import rows
from models.partners.rows import Claim
from partners.partners_file import BadPartnersFile, PartnersFile, Platform, read_partners_file
from partners.platforms import PARTNERS, read_link
from partners.walking import (
    Ask,
    Asker,
    Blocked,
    CentreReading,
    Gone,
    LinkToRead,
    PartnerAnswer,
    ReadingPlan,
    ReadingTrouble,
    Step,
    Walk,
)
from services.partners import slots as partner_slots
from services.partners.match import Matcher

__all__ = [
    "BadPartnersFile",
    "NotNow",
    "PartnersFile",
    "feed_tasks",
    "feeds_of",
    "read_partners_file",
]

# Seconds between two looks of a task.
LOOK: Final = 0.5
# How often it is asked of the store whether a platform is due.
_BETWEEN_LOOKS: Final = timedelta(seconds=10)
# A reading process reports every so often. It counts as dead when it was silent for so long: one
# question may take minutes.
_SIGN: Final = timedelta(minutes=1)
_ALIVE: Final = timedelta(minutes=5)
_FIRST_PAUSE: Final = timedelta(minutes=15)
_LONGEST_PAUSE: Final = timedelta(hours=12)
# So many answers in a row that cannot be used are a refusal in other words.
_PATIENCE: Final = 5
# A platform counts as read while at most one centre in so many was not.
_ONE_IN: Final = 10
_PAUSES: Final = "pauses"
_PARIS: Final = ZoneInfo(geography.DEFAULT_TIME_ZONE)

log = structlog.get_logger()


@dataclass
class RoundCounts:
    """What one round came to."""

    centres: int = 0
    slots: int = 0
    left_out: int = 0
    gone: int = 0
    troubles: int = 0


@dataclass
class PlatformFeed:
    """Reads one platform again and again. `told` is called for each centre, to show progress."""

    platform: Platform
    database: Database
    clock: Clock
    polite: Asker
    told: Callable[[str], None] = lambda _line: None
    counts: RoundCounts = field(default_factory=RoundCounts)
    _walk: Walk | None = None
    _ask: Ask | None = None
    _matcher: Matcher | None = None
    _bad_in_a_row: int = 0
    _look_at: datetime | None = None
    _sign_at: datetime | None = None

    @property
    def is_reading(self) -> bool:
        return self._walk is not None

    def step(self) -> int:
        """Do what can be done without waiting; gives how many centres were stored."""
        if self._walk is None:
            now = self.clock.now()
            if self._look_at and now < self._look_at:
                return 0
            self._look_at = now + _BETWEEN_LOOKS
            if self.claim(timedelta(minutes=self.platform.every)) is not Claim.MINE:
                return 0
            self.begin()
        if self._ask is None or self.polite.wait_for(self._ask.url) > 0:
            return 0
        before = self.counts.centres
        self.ask()
        return self.counts.centres - before

    def claim(self, every: timedelta = timedelta(0)) -> Claim:
        """Make the next round ours: of all processes one asks a partner, and none that refused."""
        with self.database.transaction() as connection:
            return rows.claim_feed(
                connection, self.clock, self.platform.name, every=every, alive=_ALIVE
            )

    def begin(self) -> None:
        """Begin a round."""
        with self.database.statement() as connection:
            ours = rows.our_centres(connection)
        links = list(self.platform.links)
        if self.platform.from_our_centres:
            named = {reading.link for reading in links}
            for centre in ours:
                link = read_link(centre.booking_link)
                if link and link.platform == self.platform.name:
                    links += [LinkToRead(centre.booking_link)] * (centre.booking_link not in named)
                    named.add(centre.booking_link)
        plan = ReadingPlan(
            host=self.platform.host,
            today=self.clock.now().astimezone(_PARIS).date(),
            days=self.platform.days,
            links=tuple(links),
            departements=self.platform.departements,
            more_hosts=self.platform.more_hosts,
        )
        self._matcher = Matcher(ours, read_link)
        self.counts = RoundCounts()
        self._bad_in_a_row = 0
        self._sign_at = self.clock.now() + _SIGN
        self._walk = PARTNERS[self.platform.name].walk(plan)
        self._advance(None)

    def ask(self) -> None:
        """Ask the one question that the walk waits for, and go on with its answer."""
        if self._ask is None:
            return
        self._give_sign()
        try:
            answer = self.polite.get(self._ask)
        except Blocked as blocked:
            self._give_up(str(blocked), blocked.retry_after)
            return
        except Exception as error:  # noqa: BLE001 (a header that breaks what reads it)
            self._give_up(f"{type(error).__name__} in asking", 0)
            return
        self._bad_in_a_row = 0 if answer.status else self._bad_in_a_row + 1
        if self._bad_in_a_row >= _PATIENCE:
            self._give_up(answer.why, 0)
            return
        self._advance(answer)

    def _give_sign(self) -> None:
        now = self.clock.now()
        if self._sign_at and now >= self._sign_at:
            self._sign_at = now + _SIGN
            with self.database.transaction() as connection:
                rows.still_reading(connection, self.clock, self.platform.name)

    def _advance(self, answer: PartnerAnswer | None) -> None:
        """Send the answer, and take in what the walk finds until it asks again or ends."""
        walk, self._ask = self._walk, None
        if walk is None:
            return
        try:
            step = self._next(walk, answer)
            while step is not None and not isinstance(step, Ask):
                self._take_in(step)
                step = self._next(walk, None)
        except BaseException:
            # The store, or a mistake of ours: the next round begins anew.
            self._walk = None
            raise
        self._ask = step

    def _next(self, walk: Walk, answer: PartnerAnswer | None) -> Step | None:
        """What the walk says next; None where it is over, or where a reader broke on an answer."""
        try:
            return walk.send(answer)
        except StopIteration:
            self._end()
        except Exception as error:  # noqa: BLE001 (whatever a partner sends, all others are read)
            self._give_up(f"{type(error).__name__} in reading", 0)
        return None

    def _take_in(self, found: CentreReading | Gone | ReadingTrouble) -> None:
        if isinstance(found, ReadingTrouble):
            self.counts.troubles += 1
            log.warning("partner", platform=self.platform.name, what=found.what, why=found.why)
            self.told(f"{found.what}: not read, {found.why}")
        elif isinstance(found, Gone):
            self.counts.gone += partner_slots.gone(
                self.database, self.clock, self.platform.name, found.page
            )
            self.told(f"{found.page}: gone")
        else:
            partner_slots.replace(
                self.database,
                self.clock.now(),
                replace(found.centre, service=self.platform.service),
                found.slots,
                matcher=self._matcher,
                gid=found.gid,
            )
            self.counts.centres += 1
            self.counts.slots += len(found.slots)
            self.counts.left_out += found.left_out
            self.told(f"{found.centre.id}: {len(found.slots)} slots, {found.left_out} left out")

    def _end(self) -> None:
        counts = self.counts
        self._walk = None
        nearly_all = counts.troubles * _ONE_IN <= counts.centres + counts.troubles
        error = f"{counts.troubles} centres could not be read" if counts.troubles else ""
        self._note(error, was_read=nearly_all, pauses=0)
        log.info("partner read", platform=self.platform.name, **self._details(0))

    def _give_up(self, why: str, retry_after: float) -> None:
        """Leave the platform alone for a while, twice as long each time in a row."""
        if self._walk is not None:
            self._walk.close()
        self._walk = self._ask = None
        pauses = self._pauses() + 1
        pause = min(_FIRST_PAUSE * 2 ** min(pauses - 1, 10), _LONGEST_PAUSE)
        pause = min(max(pause, timedelta(seconds=retry_after)), _LONGEST_PAUSE * 2)
        log.warning("partner pauses", platform=self.platform.name, why=why, pauses=pauses)
        self.told(f"{self.platform.name}: paused for {pause}, {why}")
        self._note(why, was_read=False, pauses=pauses, pause_until=self.clock.now() + pause)

    def _pauses(self) -> int:
        with self.database.statement() as connection:
            feeds = rows.freshness(connection)
        told = next((feed.details for feed in feeds if feed.platform == self.platform.name), {})
        return int(told.get(_PAUSES, 0))

    def _details(self, pauses: int) -> dict[str, int]:
        return {**vars(self.counts), "requests": self.polite.requests_made, _PAUSES: pauses}

    def _note(
        self, error: str, *, was_read: bool, pauses: int, pause_until: datetime | None = None
    ) -> None:
        with self.database.transaction() as connection:
            rows.note_feed(
                connection,
                self.clock,
                self.platform.name,
                was_read=was_read,
                error=error,
                pause_until=pause_until,
                details=self._details(pauses),
            )


def feeds_of(told: PartnersFile, database: Database, clock: Clock) -> list[PlatformFeed]:
    """A feed for each platform of the file."""
    # Its HTTP client is loaded only to ask a partner: `flask` builds every command each time.
    from partners.polite import Manners, Polite  # noqa: PLC0415

    return [
        PlatformFeed(
            platform,
            database,
            clock,
            Polite(Manners(told.user_agent, platform.hosts, platform.between)),
        )
        for platform in told.platforms
    ]


def feed_tasks(
    path: str, database: Database, clock: Clock, services: Collection[str] = ("",)
) -> list[Task]:
    """What the scheduler does for partners: nothing without a file, or with a bad one.

    Of several `services` (those of the campaigns, "" for one without a name) a platform is read
    that says for which it is.

    Reminders and the outbox, which share the process, do not stop for a mistake in it.
    """
    if not path:
        return []
    try:
        told = read_partners_file(Path(path))
    except BadPartnersFile as bad:
        log.error("no partner is read", why=str(bad))
        return []
    told, refused = told.for_services(services)
    for why in refused:
        log.error("partner is not read", why=why)
    feeds = feeds_of(told, database, clock)
    return [Task(f"partner {feed.platform.name}", LOOK, feed.step) for feed in feeds]


class NotNow(Exception):
    """One sentence: why a platform is not read at the moment."""


def run_round(feed: PlatformFeed) -> RoundCounts:
    """Read a platform once from end to end, due or not; the pauses between requests are kept.

    Raises NotNow where another process reads it, or where it refused and is left in peace.
    """
    claimed = feed.claim()
    if claimed is not Claim.MINE:
        why = "it refused" if claimed is Claim.PAUSED else "somebody reads it at the moment"
        raise NotNow(f"{feed.platform.name} is left in peace: {why}; see `flask partners list`")
    feed.begin()
    while feed.is_reading:
        feed.ask()
    return feed.counts
