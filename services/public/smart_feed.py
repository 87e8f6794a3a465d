"""Our free slots for others, as SMART Scheduling Links: files that any web server can give.

Source: the "Slot Publisher" specification of SMART Scheduling Links (FHIR R4): a manifest that
names files of Location, Schedule and Slot, one JSON object a line. Slots lie in pieces
(`services.public.feed_pieces`). A publication reads the slots and writes the pieces that changed
since the one before, and gives the rest as it stands, so that a client that asks "if modified
since" is told that nothing was.

A publication is in the store as a whole or not at all, whatever becomes of its process and however
many publish at once. Every machine copies it from there (`services.public.feed_copy`).
"""

from __future__ import annotations

import gzip

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import structlog

from models.database import Connection
from models.operations import shared_files
from models.operations.shared_files import FEED, Stored
from models.partners.bookings import is_mirror_row
from models.public import feed
from models.public.centres import PublicCentre, public_centres
from models.public.feed import ChangeMarks, FeedSlot, Spot
from models.slots.slot_query import Share, Window
from services.campaign.campaign import Campaign
from services.public.feed_copy import (
    COPYING,
    EDITION,
    LOCATIONS,
    MANIFEST,
    PATH,
    SCHEDULES,
    WRITING,
    alone,
    body_of,
    copy_into,
    left_over,
    settle,
    staged,
    tag_here,
    unstage,
)
from services.public.feed_pieces import (
    FORMAT,
    CentrePieces,
    Edition,
    Piece,
    day_of,
    hours_of,
    key_of,
    keys_between,
    microseconds,
    moment_of,
    packed,
    piece_begins,
    piece_ends,
    piece_name,
    read_edition,
    span_for,
)
from services.public.feed_resources import (
    NOWHERE,
    Publisher,
    Writer,
    as_json,
    departement,
    has_address,
    service_types,
)
from services.slots.allocate import Allocate, Channel, Holder
from services.store import Store
from services.work import Work

# Seconds after which a centre's pieces are read that time alone changes: slots pass, others come
# within reach, and the telephone's share ends.
EVERYTHING_AFTER: Final = 600.0
# Seconds after which each centre is read as a whole, whatever the signs of change say.
ROUND: Final = 6 * 3600.0
# How far back operations count as new: a large one blocks places for a while after it began.
_RECENT: Final = timedelta(minutes=15)
# A row that was numbered may be seen so much later than those numbered after it: when its
# transaction ends.
_OVERLAP: Final = timedelta(minutes=2)
# And of so many places that were numbered last some may be of transactions that go on.
_NEW_PLACES: Final = 20_000
# With more signs than these, reading everything costs less than looking where they point.
_MOST_LINES: Final = 200_000
_MOST_PLACES: Final = 200_000
# So much of a large centre is read in one statement, which the server ends after some seconds.
_BITE: Final = timedelta(days=10)
# Pieces in one transaction of the store.
_AT_ONCE: Final = 100
# What no list names any more is removed after so long.
_LEFT_OVER: Final = timedelta(hours=1)
# The next level takes more than twice as long for a hundredth less.
_LEVEL: Final = 3

_T = TypeVar("_T")
log = structlog.get_logger()


class _Overtaken(Exception):
    """Another process published since this publication began."""


@dataclass
class Figures:
    """What a publication did: slots that it read, in how many statements, and files it wrote."""

    slots: int = 0
    reads: int = 0
    files: int = 0
    removed: int = 0


@dataclass
class _Look:
    """What a publication found: what counts for all slots, and what changed."""

    now: datetime
    window: Window
    share: Share | None
    until: timedelta
    centres: list[PublicCentre]
    lines: Writer
    rules: str
    marks: ChangeMarks
    settled: int
    held: dict[int, Spot]
    again: dict[str, datetime]
    is_open: bool
    # Centres to be read as a whole, and moments at others; all of it where `everything`.
    everything: bool = False
    whole: set[str] = field(default_factory=set)
    spots: set[Spot] = field(default_factory=set)


class SmartFeed:
    """Publishes the feed; one process does, of which there may be two."""

    def __init__(
        self,
        store: Store,
        campaign: Callable[[], Campaign],
        folder: Path,
        publisher: Publisher,
        *,
        services: Callable[[], Sequence[Campaign]] = tuple,
        number_of: Callable[[Campaign], str] | None = None,
    ) -> None:
        """`services` gives the open campaigns; what they are for is the type of a Schedule.

        `number_of` gives the number (E.164) to ring for one of them; None: one for all.
        """
        self._store = store
        self._campaign = campaign
        self._services = services
        self._number_of = number_of
        self._folder = folder
        self._publisher = publisher
        # Centres that the last writing left out, for want of an address.
        self.left_out: tuple[str, ...] = ()
        self.figures = Figures()
        # What was published last, as far as this process knows, and its tag in the store.
        self._edition: Edition | None = None
        self._tag: str | None = None
        # Places held then, lines of history already read, and which places were new when (seconds).
        self._held: dict[int, Spot] | None = None
        self._lines: set[int] = set()
        self._places: list[tuple[float, int]] = []
        # Of this publication: files that wait for their place, and contents that are replaced.
        self._new: dict[str, Piece] = {}
        self._bodies: list[Stored] = []
        self._gone: list[tuple[str, str]] = []

    def write(self, *, whole: bool = False) -> int:
        """Publish what changed; gives how many files are other than before.

        `whole`: read all slots again, whatever is known of them.
        """
        with alone(self._folder, WRITING) as ours, alone(self._folder, COPYING, waits=ours):
            if not ours:
                return 0
            try:
                return self._write(whole=whole)
            except _Overtaken:
                log.info("another process published the feed meanwhile")
                self._edition = None
                unstage(self._folder)
                return 0
            except BaseException:
                # What is published is found out again the next time.
                self._edition = None
                raise

    def _write(self, *, whole: bool) -> int:
        self.figures = Figures()
        self._new, self._bodies, self._gone = {}, [], []
        is_new = self._edition is None
        edition = self._known()
        look = self._look(edition, whole=whole)
        self._take_centres(edition, look)
        self._take_lists(edition, look)
        self._note(edition, look)
        if self._new or self._gone:
            self._publish(edition, look, tidies=is_new or whole)
        elif look.again:
            with self._store.database.transaction() as connection:
                shared_files.was_read(connection, look.again)
        self._held = look.held
        log.debug("feed", **vars(self.figures))
        return self.figures.files

    # ------------------------------------------------------------ what is known

    def _known(self) -> Edition:
        """What was published last, by whichever process; the folder has its files then."""
        tag = self._now(lambda connection: shared_files.tag_there(connection, EDITION))
        edition = self._edition
        if edition is not None and tag == self._tag == tag_here(self._folder):
            return edition
        unstage(self._folder)
        # Not from a replica: what is written next stands on it.
        copy_into(self._folder, self._now)
        body = self._now(partial(body_of, EDITION, tag)) if tag else None
        edition = (read_edition(body) if body else None) or Edition()
        self._edition, self._tag = edition, tag
        self._held, self._lines, self._places = None, set(), []
        return edition

    def _now(self, work: Callable[[Connection], _T]) -> _T:
        with self._store.database.statement() as connection:
            return work(connection)

    # ------------------------------------------------------------ what changed

    def _look(self, edition: Edition, *, whole: bool) -> _Look:
        """Read the signs of change. Slots are read after them, so none is older than its sign."""
        campaign, now = self._campaign(), self._store.clock.now()
        with self._store.database.statement() as connection:
            marks = feed.seen_now(connection)
            settled = feed.newest_line_before(connection, now - _OVERLAP)
            again = shared_files.to_read_again(connection)
            held = feed.held_places(connection)
            ours = [centre for centre in public_centres(connection) if centre.mode == "ours"]
            named = [service for service in self._services() if service.service]
            bits = feed.service_bits(connection) if named else {}
            # The slots listed are the web's: a visitor who follows the feed books there.
            holder = Holder(Channel.WEB, "feed")
            share = Allocate(Work(connection, self._store, campaign), holder).share()
            types = service_types(named, self._publisher.base_url)
            of_one = self._number_of
            numbers = [(service.service, of_one(service)) for service in named] if of_one else []
            centres = [centre for centre in ours if has_address(centre)]
            # Not only neighbours in the order of départements may be without one.
            centres.sort(key=lambda one: (departement(one), one.id))
            self._tell_left_out(tuple(sorted(each.id for each in ours if not has_address(each))))
            look = _Look(
                now=now,
                window=(now + campaign.lead, now + timedelta(days=campaign.horizon_days)),
                share=share,
                until=campaign.phone_share_until,
                centres=centres,
                lines=Writer(self._publisher, types, bits, numbers),
                rules="",
                marks=marks,
                settled=settled,
                held=held,
                again=again,
                is_open=campaign.is_open(now),
            )
            look.rules = _hash_of(
                [
                    FORMAT,
                    self._publisher.base_url,
                    self._publisher.number,
                    campaign.lead.total_seconds(),
                    campaign.horizon_days,
                    campaign.phone_share_until.total_seconds(),
                    share.first_lot if share else None,
                    [types, bits, numbers],
                    look.is_open,
                ]
            )
            look.everything = whole or edition.rules != look.rules
            if look.is_open and not look.everything:
                self._read_signs(connection, edition, look)
        return look

    def _read_signs(self, connection: Connection, edition: Edition, look: _Look) -> None:
        lines = feed.changed_bookings(connection, edition.history, _MOST_LINES)
        many = look.marks.place - edition.place > _MOST_PLACES
        if many or len(lines) == _MOST_LINES:
            look.everything = True
            return
        look.spots |= feed.spots_of(connection, [row for row in lines if row.id not in self._lines])
        self._lines = {row.id for row in lines}
        if look.marks.place > edition.place:
            look.spots |= feed.new_places(connection, edition.place, _MOST_PLACES)
        if self._held is None:
            look.spots.update(look.held.values())
        else:
            for place_id in self._held.keys() ^ look.held.keys():
                look.spots.add(self._held.get(place_id) or look.held[place_id])
        last = min(look.now, datetime.fromtimestamp(edition.at, UTC))
        look.whole |= feed.operated_on(connection, last - _RECENT)
        look.whole |= feed.mirrored_since(connection, is_mirror_row(), last - _OVERLAP)
        look.whole.update(look.again)

    def _tell_left_out(self, left_out: tuple[str, ...]) -> None:
        if left_out and left_out != self.left_out:
            log.warning("centres without an address are not in the feed", centres=left_out)
        self.left_out = left_out

    # ------------------------------------------------------------ pieces

    def _take_centres(self, edition: Edition, look: _Look) -> None:
        """Read again what is due, and stage the pieces that are other than before."""
        centres = look.centres if look.is_open else []
        there = {centre.id for centre in centres}
        for closed in [centre_id for centre_id in edition.centres if centre_id not in there]:
            for key in list(edition.centres[closed].pieces):
                self._drop(edition, closed, key)
            del edition.centres[closed]
        moments: dict[str, list[datetime]] = {}
        for centre_id, at in look.spots:
            if look.window[0] <= at < look.window[1]:
                moments.setdefault(centre_id, []).append(at)
        left: dict[str, set[str]] = {}
        for centre_id, key in edition.held if self._held is None else ():
            left.setdefault(centre_id, set()).add(key)
        # Those that are read together now are read again one after the other.
        spread = ROUND / max(len(centres), 1)
        for number, one in enumerate(centres):
            made = edition.centres.get(one.id)
            if (
                made is None
                or look.everything
                or one.id in look.whole
                or self._is_old(made, one, look)
            ):
                back = number * spread if made is None or look.everything else 0.0
                self._take_whole(edition, one, look, back)
                continue
            keys = self._due_keys(made, look) | left.get(one.id, set())
            zone = ZoneInfo(one.time_zone)
            keys |= {key_of(made.span, day_of(at, zone)) for at in moments.get(one.id, ())}
            if keys:
                self._take_keys(edition, one, made, keys, look)

    def _is_old(self, made: CentrePieces, one: PublicCentre, look: _Look) -> bool:
        """Whether all of a centre is due: after a while, and where a clock was put back."""
        now = look.now.timestamp()
        return made.zone != one.time_zone or now < made.edge or now - made.read >= ROUND

    def _due_keys(self, made: CentrePieces, look: _Look) -> set[str]:
        """The pieces of a centre that are due by time alone."""
        now = look.now.timestamp()
        keys = {
            key for key, piece in made.pieces.items() if piece.due is not None and piece.due <= now
        }
        if now - made.edge >= EVERYTHING_AFTER:
            zone = ZoneInfo(made.zone)
            before = datetime.fromtimestamp(made.edge, UTC)
            first = key_of(made.span, day_of(look.window[0], zone))
            keys |= {key for key in made.pieces if key <= first}
            reach = look.window[1] - look.now
            keys |= keys_between(made.span, before + reach, look.window[1], zone)
            if look.share is not None:
                keys |= keys_between(made.span, before + look.until, look.now + look.until, zone)
            made.edge = now
        return keys

    def _take_whole(self, edition: Edition, one: PublicCentre, look: _Look, back: float) -> None:
        """Read all slots of a centre; `back` is how many seconds ago that counts as done."""
        now, zone = look.now.timestamp(), ZoneInfo(one.time_zone)
        found: list[FeedSlot] = []
        first, end = look.window
        while first < end:
            found += self._slots(one, (first, min(first + _BITE, end)), look)
            first += _BITE
        days = [day_of(each.start_at, zone) for each in found]
        before = edition.centres.get(one.id)
        span = span_for(sorted(set(days)), len(found), before.span if before else None)
        made = CentrePieces(span, one.time_zone, now - back, now)
        if before is not None and before.span is span:
            made.pieces = before.pieces
        elif before is not None:
            for key in list(before.pieces):
                self._drop(edition, one.id, key)
        edition.centres[one.id] = made
        by_key: dict[str, list[FeedSlot]] = {}
        keys = {day: key_of(span, day) for day in set(days)}
        for each, day in zip(found, days, strict=True):
            by_key.setdefault(keys[day], []).append(each)
        for key in [key for key in made.pieces if key not in by_key]:
            self._drop(edition, one.id, key)
        for key, slots in by_key.items():
            self._take(edition, one, key, slots, look)

    def _take_keys(
        self,
        edition: Edition,
        one: PublicCentre,
        made: CentrePieces,
        keys: Iterable[str],
        look: _Look,
    ) -> None:
        zone = ZoneInfo(made.zone)
        for key in sorted(keys):
            first, end = hours_of(key, zone) or look.window
            window = max(first, look.window[0]), min(end, look.window[1])
            slots = self._slots(one, window, look) if window[0] < window[1] else []
            self._take(edition, one, key, slots, look)

    def _slots(self, one: PublicCentre, window: Window, look: _Look) -> list[FeedSlot]:
        clock = self._store.clock
        with self._store.database.statement() as connection:
            found = feed.slots_of(connection, clock, one.id, window, look.share)
        self.figures.reads += 1
        self.figures.slots += len(found)
        return found

    def _take(
        self,
        edition: Edition,
        one: PublicCentre,
        key: str,
        slots: Sequence[FeedSlot],
        look: _Look,
    ) -> None:
        """Stage a piece, unless it is the same as before."""
        pieces = edition.centres[one.id].pieces
        text = look.lines.slots(one, slots)
        releases = [each.release for each in slots if each.release is not None]
        due = min(releases).timestamp() if releases else None
        if text:
            before = pieces.get(key)
            pieces[key] = self._stage(piece_name(one.id, key), text, before, look)._replace(due=due)
            return
        self._drop(edition, one.id, key)
        if due is not None:
            # There will be something in it.
            pieces[key] = Piece("", 0, due)

    def _drop(self, edition: Edition, centre_id: str, key: str) -> None:
        old = edition.centres[centre_id].pieces.pop(key, None)
        if old is not None and old.tag:
            self._gone.append((packed(piece_name(centre_id, key)), old.tag))
            self.figures.removed += 1

    # ------------------------------------------------------------ files

    def _take_lists(self, edition: Edition, look: _Look) -> None:
        """Centres and schedules where one of them changed, and the manifest where anything did."""
        facts = _hash_of([look.rules, [repr(centre) for centre in look.centres]])
        if facts != edition.facts or not edition.files:
            # In an order that stays when one of them moves.
            ours = sorted(look.centres, key=lambda one: one.id)
            for name, line_of in (
                (LOCATIONS, look.lines.location),
                (SCHEDULES, look.lines.schedule),
            ):
                self._take_list(edition, name, "".join(map(line_of, ours)), look)
            edition.facts = facts
        if self._new or self._gone:
            self._take_list(edition, MANIFEST, self._manifest(edition, look), look)

    def _take_list(self, edition: Edition, name: str, text: str, look: _Look) -> None:
        edition.files[name] = self._stage(name, text, edition.files.get(name), look)

    def _stage(self, name: str, text: str, before: Piece | None, look: _Look) -> Piece:
        """Put a file beside the one that is there, unless it is the same; gives what it is now."""
        content = text.encode()
        tag = shared_files.tag_of(content)
        if before is not None and before.tag == tag:
            return before
        # A file that changed twice within the same moment has two of them.
        changed = microseconds(look.now)
        if before is not None and before.tag:
            changed = max(changed, before.changed + 1)
            self._gone.append((packed(name), before.tag))
        body = gzip.compress(content, _LEVEL, mtime=0)
        staged(self._folder, packed(name)).write_bytes(body)
        new = self._new[packed(name)] = Piece(tag, changed)
        self._bodies.append(Stored(packed(name), tag, body))
        self.figures.files += 1
        if len(self._bodies) >= _AT_ONCE:
            self._put()
        return new

    def _put(self) -> None:
        """Put staged files into the store, beside those that they will replace."""
        if self._bodies:
            with self._store.database.transaction() as connection:
                shared_files.put(connection, self._store.clock, FEED, self._bodies)
        self._bodies = []

    def _manifest(self, edition: Edition, look: _Look) -> str:
        # Put together by hand: there may be a hundred thousand pieces.
        lines = [
            as_json({"type": "Location", "url": self._url(LOCATIONS)}),
            as_json({"type": "Schedule", "url": self._url(SCHEDULES)}),
        ]
        moments: dict[int, str] = {}
        for centre in look.centres:
            made = edition.centres.get(centre.id)
            where = departement(centre)
            state = f'"state":["{where}"],' if where != NOWHERE else ""
            begins = as_json(self._url(piece_begins(centre.id)))[:-1]
            for key, piece in sorted(made.pieces.items()) if made else ():
                if not piece.tag:
                    continue
                changed = moments.get(piece.changed)
                if changed is None:
                    iso = moment_of(piece.changed).isoformat(timespec="microseconds")
                    changed = moments[piece.changed] = iso
                lines.append(
                    f'{{"type":"Slot","url":{begins}{piece_ends(key)}",'
                    f'"extension":{{{state}"changed":"{changed}"}}}}'
                )
        at = look.now.replace(microsecond=0).isoformat()
        return (
            f'{{"transactionTime":"{at}","request":{as_json(self._url(MANIFEST))},'
            f'"output":[{",".join(lines)}],"error":[]}}'
        )

    def _url(self, name: str) -> str:
        return f"{self._publisher.base_url}{PATH}/{name}"

    # ------------------------------------------------------------ publishing

    def _note(self, edition: Edition, look: _Look) -> None:
        """Note how far changes are read, for this process or the one that goes on."""
        now = look.now.timestamp()
        if look.everything or not edition.rules:
            edition.history, edition.place = look.settled, max(0, look.marks.place - _NEW_PLACES)
            self._lines, self._places = set(), []
        # Of a clock that was put back nothing is settled: no mark goes back.
        edition.history = max(edition.history, look.settled)
        self._lines = {line for line in self._lines if line > edition.history}
        self._places.append((now, look.marks.place))
        settled = [place for place in self._places if place[0] <= now - _OVERLAP.total_seconds()]
        if settled:
            edition.place = max(edition.place, settled[-1][1])
            self._places = self._places[len(settled) :]
        edition.rules, edition.at = look.rules, now
        edition.held = {
            (centre_id, key_of(made.span, day_of(at, ZoneInfo(made.zone))))
            for centre_id, at in look.held.values()
            if (made := edition.centres.get(centre_id)) is not None
        }

    def _publish(self, edition: Edition, look: _Look, *, tidies: bool) -> None:
        """Let all see it at once: in the store, then in this machine's folder."""
        store, base = self._store, self._tag
        self._put()
        body = edition.packed()
        tag = shared_files.tag_of(body)
        with store.database.transaction() as connection:
            shared_files.take_turn(connection, store.clock)
            if shared_files.tag_there(connection, EDITION) != base:
                raise _Overtaken
            if base is not None:
                self._gone.append((EDITION, base))
            shared_files.forget(connection, FEED, self._gone)
            shared_files.put(connection, store.clock, FEED, [Stored(EDITION, tag, body)])
            shared_files.was_read(connection, look.again)
        if tidies:
            known = {(name, piece.tag) for name, piece in edition.all_files()} | {(EDITION, tag)}
            self._tidy(known, all_of_it=base is None)
        gone = {name for name, _ in self._gone}.difference(self._new, {EDITION})
        settle(self._folder, body, self._new, left_over(self._folder, edition) if tidies else gone)
        self._edition, self._tag = edition, tag

    def _tidy(self, known: set[tuple[str, str]], *, all_of_it: bool) -> None:
        """Remove what processes left that did not come to their end, and earlier versions."""
        store = self._store
        before = None if all_of_it else store.clock.now() - _LEFT_OVER
        with store.database.transaction() as connection:
            shared_files.take_turn(connection, store.clock)
            if (EDITION, shared_files.tag_there(connection, EDITION)) in known:
                left = shared_files.listed(connection, FEED, before)
                shared_files.forget(connection, FEED, [key for key in left if key not in known])


def _hash_of(found: object) -> str:
    return shared_files.tag_of(as_json(found).encode())
