"""A publication of the feed reads and writes what changed, and is there whole or not at all."""

from __future__ import annotations

import gzip
import json

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from click.testing import CliRunner
from sqlalchemy import insert, select, update

from commands.public import make_feed
from models.booking import changes
from models.booking.tables import history
from models.centres.centres import CentreState
from models.centres.tables import centre
from models.operations import shared_files
from models.operations.shared_files import FEED, Stored
from models.operations.tables import shared_file
from models.slots.tables import place, slot
from services.booking import change_booking, changed
from services.booking.changed import By
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.campaign.campaigns import Campaigns
from services.centre_day.carry_out import CarryOut
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.centres.directory import Directory
from services.public import feed_pieces, smart_feed
from services.public.feed_copy import copy_into
from services.public.feed_pieces import Span, key_of, keys_between, piece_name, span_for
from services.public.feed_resources import Publisher
from services.public.smart_feed import SmartFeed
from services.slots.allocate import Allocate, Channel, Chosen, Holder
from services.slots.offer import offer_at
from services.slots.open_slots import serve
from services.work import Work
from tests.support.house import BASE, NOON, House, mornings
from tests.support.rows import change, clock_of, rows_of

NUMBER = "+33974750001"
# A publication, with time for all that it noted to be settled, and less than anything is due in.
SETTLED = timedelta(minutes=2, seconds=10)
LATER = timedelta(seconds=30)
_NUMBERS = count(10_000_000)
ANYWHERE = CentreState("1", "", "", "", "", "Europe/Paris")
Contents = dict[str, bytes]


class Feed(SmartFeed):
    """The feed of a house in a folder of its own, and what is in it."""

    def __init__(self, house: House, folder: Path, **options: Any) -> None:
        super().__init__(
            house.store, lambda: house.campaign, folder, Publisher(BASE, NUMBER), **options
        )
        self.house, self.folder = house, folder

    def later(self) -> int:
        """The publication that comes next."""
        clock_of(self.house).advance(LATER)
        return self.write()

    def settles(self) -> None:
        """Publish until no row that is there is looked at once more."""
        self.write()
        for _ in range(2):
            clock_of(self.house).advance(SETTLED)
            self.write()
        assert self.figures.slots == 0

    def files(self) -> Contents:
        """Every file of the folder, unpacked."""
        return {
            path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
            for path in self.folder.glob("*.gz")
        }

    def pieces(self) -> list[str]:
        """The slots' files as the manifest names them; each of them is there."""
        found = self.files()
        outputs = json.loads(found["$bulk-publish"])["output"]
        names = [one["url"].rpartition("/")[2] for one in outputs]
        assert {*names, "$bulk-publish", "edition.json"} == set(found)
        return [name for one, name in zip(outputs, names, strict=True) if one["type"] == "Slot"]

    def slots(self) -> dict[tuple[str, str, datetime], int]:
        """How many places each centre has, by their status and their start."""
        found = self.files()
        lines = [json.loads(line) for name in self.pieces() for line in found[name].splitlines()]
        return {
            (
                one["schedule"]["reference"].removeprefix("Schedule/"),
                one["status"],
                datetime.fromisoformat(one["start"]).astimezone(UTC),
            ): one["extension"][-1]["valueInteger"]
            for one in lines
        }


@pytest.fixture
def feed_of(tmp_path: Path) -> Callable[..., Feed]:
    numbers = count()
    return lambda house, **options: Feed(house, tmp_path / f"feed{next(numbers)}", **options)


@pytest.fixture
def town(service: House) -> House:
    """Without a telephone's share: it changes with time alone."""
    service.campaign = replace(service.campaign, phone_share=0)
    return service


def slot_id(house: House, gid: str, start: datetime) -> int:
    statement = select(slot.c.id).where(slot.c.centre_id == gid, slot.c.start_at == start)
    return int(rows_of(house.database, statement)[0].id)


def books(house: House, gid: str, start: datetime) -> str:
    """Somebody is booked there between two publications; gives the booking's id."""
    holder = Holder(Channel.PHONE, f"CA-{next(_NUMBERS)}")
    with house.database.transaction() as connection:
        work = Work(connection, house.store, house.campaign)
        held = Allocate(work, holder).hold_slot(slot_id(house, gid, start))
        assert held is not None
        booked = confirm_booking(
            work,
            Request(
                holder=holder,
                offer=offer_at(ANYWHERE, held),
                born=date(1942, 3, 12),
                postcode="75011",
                number=f"+336{next(_NUMBERS)}",
                text_to=None,
            ),
            catalogue=house.phone().words,
            national_number=NUMBER,
        )
        assert isinstance(booked, Booked)
        found = changes.find_by_reference(connection, house.store.vault, booked.reference)
    assert found is not None
    return found.id


def moves(house: House, booking_id: str, gid: str, start: datetime) -> None:
    with house.database.transaction() as connection:
        moved = change_booking.move(
            connection,
            house.store,
            house.campaign,
            Holder(Channel.PHONE, f"CA-{next(_NUMBERS)}"),
            booking_id,
            to={1: Chosen(0, slot_id(house, gid, start), start)},
            by=By("caller", Channel.PHONE),
        )
    assert isinstance(moved, changed.Moved)


# ---------------------------------------------------------------- how little


def test_of_one_booking_among_many_centres_one_piece_is_read_and_written(
    town: House, feed_of: Callable[..., Feed]
):
    for number in range(30):
        town.opens_centre(f"c{number}", starts=mornings(4))
    feed = feed_of(town)
    assert feed.write() == 33
    assert feed.figures.slots == 120
    feed.settles()
    before = feed.files()
    books(town, "c7", mornings(1)[0])
    assert feed.later() == 2
    assert (feed.figures.slots, feed.figures.reads, feed.figures.removed) == (4, 1, 0)
    after = feed.files()
    assert {name for name in after if after[name] != before[name]} == {
        "centre-c7.ndjson", "$bulk-publish", "edition.json",
    }  # fmt: skip
    assert feed.slots()["c7", "busy", mornings(1)[0]] == 1
    # The line of history is looked at again until it is settled, and nothing else is read for it.
    assert feed.later() == 0
    assert feed.figures.slots == 0


def test_of_a_large_centre_one_day_is_read_and_written(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed_pieces, "SMALL", 3)
    starts = [one + timedelta(minutes=10 * each) for one in mornings(20) for each in range(3)]
    town.opens_centre("1", starts=starts)
    town.opens_centre("2", starts=mornings(3))
    feed = feed_of(town)
    feed.settles()
    days = [f"centre-1_{one:%Y-%m-%d}.ndjson" for one in mornings(20)]
    assert feed.pieces() == [*days, "centre-2.ndjson"]
    told = feed.slots()
    books(town, "1", starts[30])
    assert feed.later() == 2
    assert (feed.figures.slots, feed.figures.reads) == (3, 1)
    del told["1", "free", starts[30]]
    assert feed.slots() == {**told, ("1", "busy", starts[30]): 1}
    # What a new process reads as a whole is the same.
    again = feed_of(town)
    again.write(whole=True)
    assert again.figures.slots == 63
    assert (again.slots(), again.figures.files) == (feed.slots(), 0)


def test_a_piece_is_as_long_as_it_stays_small():
    days = [date(2026, 11, 25) + timedelta(days=one) for one in range(35)]
    assert span_for(days, 400, None) is Span.ALL
    assert span_for(days, 401, None) is Span.WEEK
    assert span_for(days, 400 * 6, None) is Span.WEEK
    assert span_for(days, 400 * 6 + 1, None) is Span.DAY
    # Addresses last until pieces are twice as large.
    assert span_for(days, 800, Span.ALL) is Span.ALL
    assert span_for(days, 801, Span.ALL) is Span.WEEK
    assert span_for(days, 700, Span.DAY) is Span.WEEK
    assert span_for([], 0, None) is Span.ALL
    # A week has Monday first, and is of the year that has most of it.
    assert key_of(Span.WEEK, date(2027, 1, 3)) == "2026-W53"
    assert key_of(Span.WEEK, date(2027, 1, 4)) == "2027-W01"
    assert piece_name("1", "2026-W53") == "centre-1_2026-W53.ndjson"


def test_one_that_takes_over_reads_what_changed_since(town: House, feed_of: Callable[..., Feed]):
    for number in range(5):
        town.opens_centre(f"c{number}", starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    books(town, "c1", mornings(1)[0])
    assert feed.later() == 2
    clock_of(town).advance(SETTLED)
    books(town, "c3", mornings(1)[0])
    other = feed_of(town)
    assert other.later() == 2
    # The first of the two bookings is looked at once more: this process did not see it.
    assert other.figures.slots <= 4
    assert other.slots()["c1", "busy", mornings(1)[0]] == 1
    assert other.slots()["c3", "busy", mornings(1)[0]] == 1
    # The one before notices, and goes on from there.
    assert feed.later() == 0
    assert feed.files() == other.files()


# ---------------------------------------------------------------- what is seen


def test_each_change_is_in_the_next_publication(town: House, feed_of: Callable[..., Feed]):
    first, second, third = mornings(3)
    town.opens_centre("1", starts=[first, second], capacity=2)
    town.opens_centre("2", starts=[first])
    town.opens_centre("3", starts=[first])
    feed = feed_of(town)
    feed.settles()
    booking_id = books(town, "1", first)
    feed.later()
    assert feed.slots()["1", "busy", first] == 1
    # Where somebody moves to, and the place that they leave.
    moves(town, booking_id, "2", first)
    feed.later()
    told = feed.slots()
    assert (told.get(("1", "busy", first)), told["1", "free", first]) == (None, 2)
    assert told["2", "busy", first] == 1
    # A place more in a slot that was there, and a new slot.
    town.opens_slots("1", [second], capacity=3)
    town.opens_slots("3", [third])
    feed.later()
    assert feed.slots()["1", "free", second] == 3
    assert feed.slots()["3", "free", third] == 1
    # A hold, and its end.
    with town.database.transaction() as connection:
        work = Work(connection, town.store, town.campaign)
        assert Allocate(work, Holder(Channel.PHONE, "CA-1")).hold_slot(slot_id(town, "3", third))
    feed.later()
    assert feed.slots()["3", "busy", third] == 1
    change(town.database, update(place).where(place.c.held_by == "CA-1").values(held_by=None))
    feed.later()
    assert feed.slots()["3", "free", third] == 1
    # The same in one that began meanwhile.
    assert feed.slots() == whole(town, feed_of)


def whole(house: House, feed_of: Callable[..., Feed]) -> dict[tuple[str, str, datetime], int]:
    """What one that reads everything would publish; nothing was to be changed by it."""
    feed = feed_of(house)
    assert feed.write(whole=True) == 0
    return feed.slots()


def test_places_are_seen_when_they_are_released(town: House, feed_of: Callable[..., Feed]):
    (start,) = mornings(1)
    town.opens_centre("1", starts=[start])
    town.opens_centre("2", starts=[start])
    opens = NOON + timedelta(minutes=9)
    change(town.database, update(place).where(place.c.centre_id == "1").values(released_at=opens))
    feed = feed_of(town)
    feed.settles()
    assert feed.pieces() == ["centre-2.ndjson"]
    clock_of(town).moment = opens - timedelta(seconds=1)
    assert feed.write() == 0
    clock_of(town).moment = opens
    assert feed.write() == 2
    assert feed.slots()["1", "free", start] == 1
    assert feed.figures.slots == 1


def test_a_line_of_history_that_is_seen_after_later_ones_counts(
    town: House, feed_of: Callable[..., Feed]
):
    """Its transaction took its number first, and ended last."""
    (start,) = mornings(1)
    for gid in ("1", "2"):
        town.opens_centre(gid, starts=[start])
    one, other = books(town, "1", start), books(town, "2", start)
    feed = feed_of(town)
    feed.settles()

    def writes(number: int, booking_id: str) -> None:
        line = {
            "id": number, "booking_id": booking_id, "at": town.clock.now(), "who": "caller",
            "channel": "phone", "what": "booked", "why": "", "details": "{}",
        }  # fmt: skip
        change(town.database, insert(history).values(line))

    writes(2000, one)
    assert feed.later() == 0
    assert feed.figures.slots == 1
    # No sign but the line.
    change(town.database, update(place).where(place.c.centre_id == "2").values(blocked=True))
    writes(1900, other)
    assert feed.later() == 1
    assert feed.pieces() == ["centre-1.ndjson"]


def test_what_an_operator_changes_is_read_again(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    start, _ = starts = mornings(2)
    for gid in ("1", "2"):
        town.opens_centre(gid, starts=starts)
    flu, covid = (replace(town.campaign, name=name, service=name) for name in ("grippe", "covid"))
    monkeypatch.setattr(smart_feed, "service_types", types_of)
    feed = feed_of(town, services=lambda: (flu, covid))
    feed.settles()
    day = start.date()
    done = serve(town.database, town.clock, centre_id="1", first=day, days=1, serving=("covid",))
    assert done == 1
    # The bit of a service that had none counts for all.
    feed.later()
    assert [one["code"] for one in types_in(feed, "centre-1.ndjson")] == ["covid"]
    feed.settles()
    done = serve(town.database, town.clock, centre_id="2", first=day, days=2, serving=("covid",))
    assert done == 2
    assert feed.later() == 2
    assert feed.figures.slots == 2
    assert [one["code"] for one in types_in(feed, "centre-2.ndjson")] == ["covid"] * 2
    # That it was to be read again is forgotten.
    feed.later()
    assert feed.figures.slots == 0


def types_of(campaigns: Any, _base: str) -> list[dict[str, Any]]:
    return [{"coding": [{"code": one.service}]} for one in campaigns]


def types_in(feed: Feed, name: str) -> list[Any]:
    """The types of slots that have one of their own."""
    lines = map(json.loads, feed.files()[name].splitlines())
    return [code for line in lines for one in line.get("serviceType", ()) for code in one["coding"]]


def test_a_service_that_is_added_is_in_what_serves_all(town: House, feed_of: Callable[..., Feed]):
    town.opens_centre("1", starts=mornings(2))
    flu, covid = (replace(town.campaign, name=name, service=name) for name in ("grippe", "covid"))
    open_now = [flu]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smart_feed, "service_types", types_of)
        feed = feed_of(town, services=lambda: open_now)
        feed.settles()
        open_now.append(covid)
        feed.later()
    (line,) = map(json.loads, feed.files()["schedules.ndjson"].splitlines())
    assert [one["coding"][0]["code"] for one in line["serviceType"]] == ["grippe", "covid"]
    # Slots that serve all say nothing of their own, so their file stays.
    assert feed.figures.files == 2


def test_the_end_of_an_operation_is_seen_however_long_it_took(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    start, _ = starts = mornings(2)
    town.opens_centre("1", starts=starts)
    feed = feed_of(town)
    life = CentreLife(
        town.store,
        Campaigns.fixed(town.campaign),
        directory=Directory(town.database, centres_fresh_seconds=0),
    )
    settles = CarryOut._settle_people

    def takes_long(*given: Any) -> Any:
        # Nothing of what it did so far is left to be seen, but its end.
        feed.write()
        clock_of(town).advance(timedelta(hours=1))
        for _ in range(2):
            feed.later()
        return settles(*given)

    monkeypatch.setattr(CarryOut, "_settle_people", takes_long)
    later = start + timedelta(minutes=30)
    # By the clocks of Paris.
    life.move_hour("1", start.date(), time(10), time(10, 30), OperationRequest("plus tard"))
    feed.later()
    assert feed.slots()["1", "free", later] == 1
    assert feed.slots() == whole(town, feed_of)


# ---------------------------------------------------------------- centres


def test_a_centre_that_is_renamed_or_moves_changes_no_slot(
    town: House, feed_of: Callable[..., Feed]
):
    for gid in ("1", "2"):
        town.opens_centre(gid, starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    before = feed.files()
    where = {"town": "Rennes", "departement": "35", "postcode": "35000", "name": "Halle"}
    change(town.database, update(centre).where(centre.c.id == "2").values(where))
    assert feed.later() == 2
    after = feed.files()
    assert feed.figures.slots == 0
    assert {name for name in after if after[name] != before[name]} == {
        "locations.ndjson", "$bulk-publish", "edition.json",
    }  # fmt: skip
    outputs = json.loads(after["$bulk-publish"])["output"]
    states = {one["url"].rpartition("/")[2]: one["extension"]["state"] for one in outputs[2:]}
    assert states == {"centre-1.ndjson": ["75"], "centre-2.ndjson": ["35"]}


def test_the_pieces_of_a_centre_go_when_it_closes_and_come_when_it_opens(
    town: House, feed_of: Callable[..., Feed]
):
    for gid in ("1", "2"):
        town.opens_centre(gid, starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    told = feed.slots()
    mine = update(centre).where(centre.c.id == "2")
    change(town.database, mine.values(closed_at=NOON))
    feed.later()
    assert feed.pieces() == ["centre-1.ndjson"]
    assert (feed.figures.removed, feed.figures.slots) == (1, 0)
    assert stored(town) == {f"{name}.gz" for name in feed.files()}
    change(town.database, mine.values(closed_at=None))
    feed.later()
    assert feed.slots() == told
    assert feed.figures.slots == 2
    # Where the clocks of the land are others, all of its lines are.
    change(town.database, mine.values(time_zone="Indian/Reunion"))
    feed.later()
    assert "+04:00" in feed.files()["centre-2.ndjson"].decode()
    change(town.database, mine.values(booking_mode="partner"))
    feed.later()
    assert feed.pieces() == ["centre-1.ndjson"]


def stored(house: House) -> set[str]:
    """The names of all that the store has of the feed; each of them once."""
    with house.database.statement() as connection:
        names = [name for name, _ in shared_files.listed(connection, FEED)]
    assert len(names) == len(set(names))
    return set(names)


# ---------------------------------------------------------------- time


def test_days_that_pass_fall_out_and_others_come_within_reach(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed_pieces, "SMALL", 1)
    monkeypatch.setattr(smart_feed, "ROUND", 1e9)
    town.campaign = replace(town.campaign, horizon_days=6)
    town.opens_centre("1", starts=mornings(20))
    feed = feed_of(town)
    feed.settles()

    def names(first: int, last: int) -> list[str]:
        """The pieces of the days with these numbers, after NOON."""
        days = mornings(last - first + 1, first=first)
        return [f"centre-1_{one:%Y-%m-%d}.ndjson" for one in days]

    assert feed.pieces() == names(1, 5)
    # Over midnight, and on to the hour: today's slot is past, another day begins.
    clock_of(town).moment = NOON + timedelta(days=1, hours=1, minutes=5)
    feed.write()
    assert feed.pieces() == names(2, 7)
    assert feed.figures.slots <= 3
    # Four days at once.
    clock_of(town).advance(timedelta(days=4))
    feed.write()
    assert feed.pieces() == names(6, 11)
    # Put back: what was past is not.
    clock_of(town).moment = NOON + timedelta(hours=2)
    feed.write()
    assert feed.pieces() == names(1, 6)
    assert feed.slots() == whole(town, feed_of)
    # Files that change while the clock is behind have a later moment all the same.
    moments = {path.name: path.stat().st_mtime_ns for path in feed.folder.glob("*.gz")}
    books(town, "1", mornings(1, first=3)[0])
    feed.later()
    (name,) = names(3, 3)
    assert (feed.folder / f"{name}.gz").stat().st_mtime_ns > moments[f"{name}.gz"]


def test_the_telephones_share_ends_for_each_slot_in_its_time(
    service: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed_pieces, "SMALL", 1)
    monkeypatch.setattr(smart_feed, "ROUND", 1e9)
    service.campaign = replace(service.campaign, phone_share=100)
    service.opens_centre("1", starts=mornings(6))
    feed = feed_of(service)
    feed.settles()
    assert feed.pieces() == [f"centre-1_{one:%Y-%m-%d}.ndjson" for one in mornings(1)]
    clock_of(service).moment = NOON + timedelta(days=1, hours=2)
    feed.write()
    assert [start for _, _, start in feed.slots()] == mornings(2, first=2)
    # A share that a supervisor changes is a rule for all.
    service.campaign = replace(service.campaign, phone_share=0)
    feed.later()
    assert [start for _, _, start in feed.slots()] == mornings(5, first=2)


def test_each_centre_is_read_as_a_whole_in_its_turn(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(feed_pieces, "SMALL", 1)
    for number in range(12):
        town.opens_centre(f"c{number}", starts=mornings(9))
    feed = feed_of(town)
    feed.settles()
    # Nothing tells of this, and no day begins or ends there.
    day = mornings(1, first=5)[0]
    change(town.database, update(place).where(place.c.start_at == day).values(blocked=True))
    left = []
    for _ in range(13):
        clock_of(town).advance(timedelta(minutes=30))
        feed.write()
        left.append(sum(f"_{day:%Y-%m-%d}." in name for name in feed.pieces()))
    # One after the other, and all within six hours.
    assert left[0] >= 10
    assert left[-1] == 0


def test_the_keys_between_two_moments_are_those_of_the_centres_days():
    paris = ZoneInfo("Europe/Paris")
    first = datetime(2027, 1, 9, 23, 30, tzinfo=UTC)
    found = keys_between(Span.DAY, first, first + timedelta(days=1), paris)
    assert found == {"2027-01-10", "2027-01-11"}
    assert keys_between(Span.ALL, first, first, paris) == {""}


# ---------------------------------------------------------------- whole or not at all


@contextmanager
def broken(patch: pytest.MonkeyPatch, where: Any, name: str, after: int = 0) -> Iterator[None]:
    """A process that dies in this function, when it was called `after` times."""
    real, calls = getattr(where, name), count()

    def dies(*given: Any, **options: Any) -> Any:
        if next(calls) >= after:
            raise KeyboardInterrupt
        return real(*given, **options)

    with patch.context() as patched:
        patched.setattr(where, name, dies)
        yield


def copied(house: House, folder: Path) -> Contents:
    """What another machine gets from the store."""
    folder.mkdir(exist_ok=True)
    copy_into(folder, house.database.read_late)
    return {one.name: gzip.decompress(one.read_bytes()) for one in folder.glob("*.gz")}


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [
        (shared_files, "put", 0),
        (shared_files, "put", 2),
        (shared_files, "forget", 0),
        (shared_files, "take_turn", 0),
        (smart_feed, "staged", 3),
    ],
)
def test_a_publisher_that_dies_leaves_the_publication_before_as_it_was(  # noqa: PLR0917
    town: House,
    feed_of: Callable[..., Feed],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: Any,
    name: str,
    after: int,
):
    monkeypatch.setattr(smart_feed, "_AT_ONCE", 2)
    for number in range(6):
        town.opens_centre(f"c{number}", starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    before, there = feed.files(), copied(town, tmp_path / "other")
    for number in range(6):
        books(town, f"c{number}", mornings(1)[0])
    with broken(monkeypatch, where, name, after), pytest.raises(KeyboardInterrupt):
        feed.later()
    assert feed.files() == before
    assert copied(town, tmp_path / "other") == there == copied(town, tmp_path / "third")
    # Whoever goes on publishes all of it, and what was left half-way goes in the end.
    other = feed_of(town)
    assert other.later() == 7
    assert sum(status == "busy" for _, status, _ in other.slots()) == 6
    assert feed.later() == 0
    assert feed.files() == other.files()
    clock_of(town).advance(timedelta(hours=2))
    other.write(whole=True)
    books(town, "c0", mornings(2)[1])
    feed_of(town).write(whole=True)
    assert stored(town) == {f"{name}.gz" for name in other.files()}
    assert not list(feed.folder.glob("*.new"))


def test_one_that_dies_between_the_store_and_its_folder_is_put_right(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    town.opens_centre("1", starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    before = feed.files()
    books(town, "1", mornings(1)[0])
    with broken(monkeypatch, smart_feed, "settle"), pytest.raises(KeyboardInterrupt):
        feed.later()
    assert feed.files() == before
    there = copied(town, tmp_path / "other")
    assert there["centre-1.ndjson.gz"] != before["centre-1.ndjson"]
    assert feed.later() == 0
    assert feed.files() == {name.removesuffix(".gz"): one for name, one in there.items()}


def test_of_two_publishers_at_once_one_counts_and_nothing_is_lost(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    for gid in ("1", "2"):
        town.opens_centre(gid, starts=mornings(2))
    one, other = feed_of(town), feed_of(town)
    one.settles()
    assert other.write() == 0
    books(town, "1", mornings(1)[0])
    clock_of(town).advance(LATER)
    takes = SmartFeed._take_lists

    def meanwhile(*given: Any) -> None:
        if given[0] is other:
            # Read, and not published yet: somebody is booked, and the other process publishes that.
            books(town, "2", mornings(1)[0])
            assert one.write() == 3
        takes(*given)

    monkeypatch.setattr(SmartFeed, "_take_lists", meanwhile)
    assert other.write() == 0
    monkeypatch.undo()
    told = one.slots()
    assert told["1", "busy", mornings(1)[0]] == told["2", "busy", mornings(1)[0]] == 1
    assert other.later() == 0
    assert other.files() == one.files()
    assert told == whole(town, feed_of)


def test_the_first_two_publishers_of_all_make_one_feed(
    town: House, feed_of: Callable[..., Feed], monkeypatch: pytest.MonkeyPatch
):
    town.opens_centre("1", starts=mornings(2))
    one, other = feed_of(town), feed_of(town)
    looks = SmartFeed._look

    def meanwhile(self: SmartFeed, *given: Any, **options: Any) -> Any:
        found = looks(self, *given, **options)
        if self is other:
            assert one.write() == 4
        return found

    monkeypatch.setattr(SmartFeed, "_look", meanwhile)
    assert other.write() == 0
    monkeypatch.undo()
    assert other.later() == 0
    assert other.files() == one.files()
    assert stored(town) == {f"{name}.gz" for name in one.files()}


def test_the_first_one_after_the_upgrade_writes_everything_and_removes_the_files_before(
    town: House, feed_of: Callable[..., Feed]
):
    town.opens_centre("1", starts=mornings(2))
    feed = feed_of(town)
    feed.folder.mkdir()
    body = gzip.compress(b"{}")
    with town.database.transaction() as connection:
        for name in ("slots-75.ndjson.gz", "locations.ndjson.gz", "$bulk-publish.gz"):
            (feed.folder / name).write_bytes(body)
            file = Stored(name, shared_files.tag_of(body), body)
            shared_files.put(connection, town.clock, FEED, [file])
    # A machine that copies has nothing better than what is there, until it is written anew.
    assert copy_into(feed.folder, town.database.read_late) == 0
    assert (feed.folder / "slots-75.ndjson.gz").exists()
    assert feed.write() == 4
    assert set(feed.files()) == {
        "$bulk-publish", "edition.json", "locations.ndjson", "schedules.ndjson",
        "centre-1.ndjson",
    }  # fmt: skip
    assert stored(town) == {f"{name}.gz" for name in feed.files()}


def test_the_command_reads_everything_again(town: House, feed_of: Callable[..., Feed]):
    town.opens_centre("1", starts=mornings(2))
    feed = feed_of(town)
    feed.settles()
    # Nothing tells of this.
    change(town.database, update(place).values(blocked=True))
    group = make_feed(feed, feed.folder)
    # The log may have written lines of its own before.
    said = CliRunner().invoke(group, ["write"]).stdout.splitlines()
    assert said[-1].startswith("0 files are new;")
    assert feed.pieces() == ["centre-1.ndjson"]
    said = CliRunner().invoke(group, ["write", "--whole"]).stdout.splitlines()
    assert said[-1].startswith("1 files are new;")
    assert feed.pieces() == []


def test_a_booking_writes_nothing_for_the_feed(town: House):
    """No row that others write too, and none of its own: it pays what it paid."""
    town.opens_centre("1", starts=mornings(2))
    shared = select(shared_file.c.folder, shared_file.c.name)
    before = rows_of(town.database, shared)
    books(town, "1", mornings(1)[0])
    assert rows_of(town.database, shared) == before
