"""The campaigns that this service knows, and the one of now.

They lie in one file or in a folder of them, which is read again when it changes: a new campaign
needs no deploy. A turn pays a look at the files every two seconds, and nothing else.
"""

from __future__ import annotations

import os
import stat
import time

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from prompts.service_words import USUAL, WORDS, Words, usual
from services.campaign.campaign import BadCampaign, Campaign
from services.campaign.file import line_of_entry, line_of_name, load
from services.campaign.words import Stamps as WordsStamps
from services.campaign.words import stamps_of, words_of
from services.watched_files import WatchedFiles

log = structlog.get_logger()

# Modification (ns), size and inode: what changes when a file does.
Stamp = tuple[int, int, int]
_Seen = tuple[Mapping[Path, Stamp], WordsStamps]
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def utc_now() -> datetime:
    return datetime.now(UTC)


def files_of(source: Path) -> list[Path]:
    """The file itself, or those of a folder that end in .toml, in the order of their names."""
    return sorted(_stamps(source)) or [source]


def load_all(
    paths: Iterable[Path], *, texts: Collection[str] | None = None
) -> dict[Path, Campaign]:
    """Read these files. Raises BadCampaign with the mistakes of all; no two have one name."""
    known, problems = _load_some(paths, {}, texts)
    problems += contradictions(known)
    if problems:
        raise BadCampaign(*problems)
    return known


def contradictions(files: Mapping[Path, Campaign]) -> list[str]:
    """What campaigns of several services say against one another: one sentence for each."""
    services = {campaign.service for campaign in files.values()}
    told = []
    for path, one in sorted(files.items()):
        for other_path, other in sorted(files.items()):
            if path < other_path and not one.service and other.service and _overlap(one, other):
                told.append(_unnamed(path, other_path, other))
            elif path < other_path and one.service and not other.service and _overlap(one, other):
                told.append(_unnamed(other_path, path, one))
            if path < other_path and _named_the_same(one, other):
                told.append(
                    f"{path}, line {line_of_entry(path, 'service')}: service: callers hear the same"
                    f" words for it as for {other_path}; write its own in"
                    f" {path.with_suffix('') / WORDS}/"
                )
            if path < other_path and _together_twice(one, other):
                told.append(
                    f"{path}, line {line_of_entry(path, 'together_in')}: together_in:"
                    f' {other_path} says "{other.together_in}" of the same two services; say the'
                    " same in both, or in one of them alone"
                )
        told += [
            f"{path}, line {line_of_entry(path, 'together')}: together: no campaign here is of"
            f' the service "{name}"; add one, or leave the name out'
            for name in one.together
            if name not in services
        ]
    return told


def _unnamed(path: Path, other_path: Path, other: Campaign) -> str:
    return (
        f"{path}, line {line_of_name(path)}: service: it is open together with {other_path}, which"
        f' is of the service "{other.service}", and callers could not tell them apart; give it a'
        " service of its own"
    )


def _named_the_same(one: Campaign, other: Campaign) -> bool:
    """Whether two services that are open together would be one name twice in a question."""
    both = bool(one.service and other.service) and one.service != other.service
    own = one.all_words
    return both and own is not None and own is other.all_words and _overlap(one, other)


def _together_twice(one: Campaign, other: Campaign) -> bool:
    """Whether both say how they are done together, and not the same."""
    both = other.service in one.together and one.service in other.together
    return both and one.together_in != other.together_in


def _overlap(one: Campaign, other: Campaign) -> bool:
    """Whether there is a moment at which both are open."""
    opens = max(one.opens_at or _EARLIEST, other.opens_at or _EARLIEST)
    return opens < min(one.closes_at or _LATEST, other.closes_at or _LATEST)


def choose(campaigns: Sequence[Campaign], now: datetime) -> Campaign:
    """The campaign of this moment.

    The open one, and of several the one that opened last; when none is open the next to open, and
    when none will the one that closed last. Names decide where moments are the same.
    """
    opened = [campaign for campaign in campaigns if campaign.is_open(now)]
    if opened:
        return max(opened, key=lambda one: (one.opens_at or _EARLIEST, one.name))
    coming = [
        campaign
        for campaign in campaigns
        if campaign.opens_at is not None and campaign.opens_at > now
    ]
    if coming:
        return min(coming, key=lambda one: (one.opens_at or _EARLIEST, one.name))
    return max(campaigns, key=lambda one: (one.closes_at or _LATEST, one.name))


def open_at(campaigns: Sequence[Campaign], now: datetime) -> tuple[Campaign, ...]:
    """The open campaigns of a moment, one a service: of several the one that opened last.

    In the order in which they opened; names decide where moments are the same.
    """
    return _sorted(
        of_each_service((campaign for campaign in campaigns if campaign.is_open(now)), now)
    )


def of_each_service(campaigns: Iterable[Campaign], now: datetime) -> Iterator[Campaign]:
    """One campaign for each service: of several of one, that of this moment (`choose`)."""
    by_service: dict[str, list[Campaign]] = {}
    for campaign in campaigns:
        by_service.setdefault(campaign.service, []).append(campaign)
    return (choose(some, now) for some in by_service.values())


class Campaigns:
    """Made by `read` or `fixed`. May be used by several threads."""

    def __init__(
        self,
        campaigns: Iterable[Campaign],
        *,
        now: Callable[[], datetime] = utc_now,
        watch: Callable[[], Sequence[Campaign] | None] | None = None,
        words: Callable[[], Words | None] = lambda: None,
    ) -> None:
        """`watch` gives the campaigns when they changed, else None; `now` is aware.

        `words` are those of CAMPAIGN.
        """
        self._campaigns = _sorted(campaigns)
        self._now = now
        self._watch = watch
        self._words = words

    @classmethod
    def fixed(cls, *campaigns: Campaign, now: Callable[[], datetime] = utc_now) -> Campaigns:
        """Campaigns that never change."""
        return cls(campaigns, now=now)

    @classmethod
    def read(
        cls,
        source: str | Path,
        *,
        texts: Collection[str] | None = None,
        now: Callable[[], datetime] = utc_now,
        ticks: Callable[[], float] = time.monotonic,
        use: Callable[[Words], None] = lambda _words: None,
    ) -> Campaigns:
        """The campaigns of a file or of a folder of `*.toml`. Raises BadCampaign with all mistakes.

        `texts` are the names of written messages that there are; `ticks` is a monotonic clock in
        seconds. `use` takes the words of the service, now and when their files change.
        """
        files = _Files(Path(source), texts, ticks, use)
        return cls(files.campaigns, now=now, watch=files.changed, words=lambda: files.words)

    @property
    def words(self) -> Words | None:
        """The words of what CAMPAIGN names; None: of campaigns that came from no file."""
        return self._words()

    def current(self) -> Campaign:
        """The campaign of now, see `choose`."""
        campaigns = self.all()
        return campaigns[0] if len(campaigns) == 1 else choose(campaigns, self._now())

    def open_now(self) -> tuple[Campaign, ...]:
        """Those that give appointments now, one a service: see `open_at`."""
        return open_at(self.all(), self._now())

    def of_each_service(self) -> tuple[Campaign, ...]:
        """The campaign of now of each service, open or not: see `choose`."""
        return tuple(of_each_service(self.all(), self._now()))

    def of_services(self) -> tuple[Campaign, ...]:
        """Those of named services, which share their places: open or not."""
        return tuple(campaign for campaign in self.all() if campaign.service)

    def by_name(self, name: str) -> Campaign | None:
        """A campaign by the name that bookings keep; None where there is none (any more)."""
        return next((campaign for campaign in self.all() if campaign.name == name), None)

    def all(self) -> tuple[Campaign, ...]:
        """All of them, in the order in which they open."""
        changed = self._watch() if self._watch else None
        if changed is not None:
            self._campaigns = _sorted(changed)
        return self._campaigns


class _Files:
    """The campaigns of files that are watched; of those that are faulty the ones known before."""

    def __init__(
        self,
        source: Path,
        texts: Collection[str] | None,
        ticks: Callable[[], float],
        use: Callable[[Words], None],
    ) -> None:
        self._source = source
        self._texts = texts
        self._use = use
        stamps = _stamps(source)
        if not stamps and source.is_dir():
            raise BadCampaign(
                f"{source}: no campaign lies in this folder; put a file there that ends in .toml"
            )
        self._files: Mapping[Path, Campaign] = load_all(sorted(stamps) or [source], texts=texts)
        self.words = words_of_all(source, self._files.values())
        use(self.words)
        self._watched = WatchedFiles(self._look(), self._look, ticks)

    @property
    def campaigns(self) -> list[Campaign]:
        return list(self._files.values())

    def changed(self) -> list[Campaign] | None:
        """The campaigns, when they have changed."""
        try:
            return self._watched.when_changed(self._read_again)
        except Exception as error:  # noqa: BLE001 (what is known serves: a caller is waiting)
            log.warning("campaigns not read", error=type(error).__name__)
            return None

    def _look(self) -> _Seen:
        """The campaign files there, and those of the words that they have.

        Words that come with the service are no campaign's, and are read at a start.
        """
        known = {campaign.all_words for campaign in self._files.values()} | {self.words}
        folders = {words.folder for words in known if words is not None} - {USUAL}
        return _stamps(self._source), stamps_of(sorted(folders))

    def _read_again(self, seen: _Seen) -> list[Campaign]:
        self._files, problems = self._read(seen)
        if not problems:
            # Faulty words of the folder itself are told there, too: nothing changes.
            try:
                self.words = words_of_all(self._source, self._files.values())
            except BadCampaign as bad:
                problems = list(bad.problems)
            else:
                self._use(self.words)
        if problems:
            log.warning("campaigns kept", problems=problems)
        else:
            log.info("campaigns read", names=sorted(file.name for file in self._files.values()))
        return self.campaigns

    def _read(self, seen: _Seen) -> tuple[Mapping[Path, Campaign], list[str]]:
        before = self._files
        stamps, words = seen
        if not stamps:
            return before, [f"{self._source}: it is gone; put it back, or name another one"]
        then, words_then = self._watched.read_as
        same = {
            path: before[path]
            for path, stamp in stamps.items()
            # A campaign holds its words: with new ones it is read again.
            if path in before and then.get(path) == stamp and words == words_then
        }
        files, problems = _load_some((p for p in stamps if p not in same), same, self._texts)
        for path in sorted(stamps):
            old = before.get(path)
            if path not in files and old is not None and old.name not in _names(files):
                files[path] = old
        against = contradictions(files)
        if against:
            # As they are, no person could say which campaign a caller has.
            return before, problems + against
        return files or before, problems


def words_of_all(source: Path, campaigns: Iterable[Campaign]) -> Words:
    """The words of what CAMPAIGN names: what callers hear before it is known what they come for.

    Those of its folder; where it has none, those of its one campaign. Raises BadCampaign.
    """
    own = words_of(source)
    only = {campaign.all_words for campaign in campaigns if campaign.all_words is not None}
    return only.pop() if own is usual() and len(only) == 1 else own


def _load_some(
    paths: Iterable[Path], known: Mapping[Path, Campaign], texts: Collection[str] | None
) -> tuple[dict[Path, Campaign], list[str]]:
    """The known campaigns with the valid ones of these files; and the problems of the others."""
    found, problems = dict(known), list[str]()
    for path in sorted(paths):
        try:
            campaign = load(path, texts=texts)
        except BadCampaign as bad:
            problems += bad.problems
            continue
        other = _names(found).get(campaign.name)
        if other is None:
            found[path] = campaign
        else:
            problems.append(
                f"{path}, line {line_of_name(path)}: name: {other} has the name"
                f' "{campaign.name}" too, and bookings keep the name only; give another one'
            )
    return found, problems


def _names(files: Mapping[Path, Campaign]) -> dict[str, Path]:
    return {campaign.name: path for path, campaign in files.items()}


def _sorted(campaigns: Iterable[Campaign]) -> tuple[Campaign, ...]:
    return tuple(sorted(campaigns, key=lambda one: (one.opens_at or _EARLIEST, one.name)))


def _stamps(source: Path) -> dict[Path, Stamp]:
    """The campaign files there and what they look like; one call of the system for one file."""
    try:
        found = source.stat()
        if not stat.S_ISDIR(found.st_mode):
            return {source: _stamp(found)}
        with os.scandir(source) as entries:
            return {
                source / entry.name: _stamp(entry.stat())
                for entry in entries
                if entry.name.endswith(".toml") and not entry.name.startswith(".")
            }
    except OSError:
        return {}


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino
