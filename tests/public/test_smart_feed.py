"""Our slots for others: what the files say, when they change, and how they are given."""

from __future__ import annotations

import gzip
import json
import resource
import threading
import time

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from commands.public import make_feed
from jobs import feeds, scheduler
from jobs.plan import FEED_EVERY
from jobs.timed import Task
from models.centres import centres
from models.centres.tables import centre
from models.operations import shared_files
from models.slots.tables import place, slot
from services.centres.import_centres import import_centres
from services.public.feed_copy import FeedCopy
from services.public.feed_resources import Publisher, fhir_id
from services.public.smart_feed import SmartFeed
from services.slots.allocate import Allocate, Channel, Holder
from services.work import Work
from tests.public.feed_profile import faults
from tests.support.house import BASE, NOON, House, house, mornings
from tests.support.leads import ALONE
from tests.support.rows import clock_of
from tests.support.until import wait_for

NUMBER = "+33974750001"
EXTENSIONS = "http://fhir-registry.smarthealthit.org/StructureDefinition/"
MANIFEST = "/api/slots/$bulk-publish"


@dataclass
class Published:
    """A feed in a folder, and the browserless client that reads it."""

    house: House
    folder: Path
    feed: SmartFeed = field(init=False)
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.restarts()
        update = {"feed_folder": str(self.folder)}
        self.house.settings = self.house.settings.model_copy(update=update)
        self.client = self.house.application().test_client()

    def looks_again(self) -> None:
        """As the web server of this folder's machine does after some seconds."""
        FeedCopy(self.house.store, self.folder).look()
        wait_for(lambda: not any("feed copy" in one.name for one in threading.enumerate()), "it")

    def restarts(self) -> None:
        publisher = Publisher(BASE, NUMBER)
        self.feed = SmartFeed(
            self.house.store,
            lambda: self.house.campaign,
            self.folder,
            publisher,
        )

    def get(self, url: str, **headers: str) -> Any:
        with self.client.get(url.removeprefix(BASE), headers=headers) as answer:
            answer.get_data()
            return answer

    def manifest(self) -> Any:
        answer = self.get(MANIFEST)
        assert answer.status_code == 200
        return answer.json

    def read(self, kind: str) -> list[Any]:
        """Everything of a kind, by the manifest alone."""
        return [
            json.loads(line)
            for output in self.manifest()["output"]
            if output["type"] == kind
            for line in self.get(output["url"]).text.splitlines()
        ]

    def slots(self) -> dict[tuple[str, datetime], int]:
        """Places by status and start."""
        return {
            (one["status"], datetime.fromisoformat(one["start"])): value(one, "slot-capacity")
            for one in self.read("Slot")
        }


@pytest.fixture
def publishes(tmp_path: Path) -> Callable[[House], Published]:
    return lambda made: Published(made, tmp_path / "feed")


def value(one: Any, name: str) -> Any:
    found = [each for each in one.get("extension", ()) if each["url"] == EXTENSIONS + name]
    assert len(found) <= 1
    return next((each[key] for each in found for key in each if key != "url"), None)


def test_it_says_what_the_public_may_have_and_nothing_else(
    service: House, publishes: Callable[[House], Published]
):
    starts = mornings(8)
    service.campaign = replace(service.campaign, phone_share=0)
    service.opens_centre("1", starts=starts, capacity=3)
    service.opens_centre("elsewhere", mode="partner", starts=starts)
    published = publishes(service)
    ids = {}
    with service.database.transaction() as connection:
        for row in connection.execute(slot.select().where(slot.c.centre_id == "1")):
            ids[row.start_at] = row.id
        # One is held, two are blocked, one is not released yet; the last one is the phone's.
        allocator = Allocate(
            Work(connection, service.store, service.campaign), Holder(Channel.AGENT, "desk:one")
        )
        assert allocator.hold_slot(ids[starts[0]])
        mine = update(place).where(place.c.slot_id == ids[starts[1]])
        connection.execute(mine.where(place.c.number < 3).values(blocked=True))
        mine = update(place).where(place.c.slot_id == ids[starts[2]])
        connection.execute(
            mine.where(place.c.number == 1).values(released_at=NOON + timedelta(days=1))
        )
    service.phone().books()
    assert published.feed.write() == 4
    found = published.slots()
    assert found.pop(("busy", starts[0])) == 2
    assert found == {
        ("free", starts[0]): 1,
        ("free", starts[1]): 1,
        ("free", starts[2]): 2,
        **{("free", one): 3 for one in starts[3:]},
    }
    one = next(each for each in published.read("Slot") if each["id"] == f"{ids[starts[3]]}.free")
    assert one["schedule"] == {"reference": "Schedule/1"}
    link = f"{BASE}/rendez-vous?centre=1&creneau={ids[starts[3]]}"
    assert value(one, "booking-deep-link") == link
    assert value(one, "booking-phone") == NUMBER
    assert one["start"].endswith("+01:00")
    # What the telephone keeps for itself is not the public's, until shortly before.
    service.campaign = replace(service.campaign, phone_share=100)
    published.restarts()
    published.feed.write()
    free = [start for status, start in published.slots() if status == "free"]
    assert sorted(free) == [one for one in starts if one < NOON + timedelta(hours=48)]


def test_what_is_written_anew_is_what_changed(
    service: House, publishes: Callable[[House], Published]
):
    service.campaign = replace(service.campaign, phone_share=0)
    service.opens_centre("1", starts=mornings(3))
    service.opens_centre("2", code="35000", starts=mornings(3))
    published = publishes(service)
    # Nothing there yet is no empty answer: that would tell of a country without a place.
    before = published.get(MANIFEST)
    assert (before.status_code, before.headers["Retry-After"]) == (503, "60")
    assert published.feed.write() == 5
    assert published.feed.write() == 0
    answers = {name: published.get(f"/api/slots/slots-{name}.ndjson") for name in ("75", "35")}
    manifest = published.get(MANIFEST)
    again = published.get(MANIFEST, **{"If-None-Match": manifest.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")

    def changed() -> set[str]:
        found = {
            name: published.get(
                f"/api/slots/slots-{name}.ndjson", **{"If-None-Match": answer.headers["ETag"]}
            )
            for name, answer in answers.items()
        }
        answers.update({name: one for name, one in found.items() if one.status_code == 200})
        return {name for name, one in found.items() if one.status_code == 200}

    service.phone().books()
    service.clock.advance(timedelta(seconds=61))  # type: ignore[attr-defined]
    # The file of that département, and the manifest.
    assert published.feed.write() == 2
    assert changed() == {"75"}
    assert published.get(MANIFEST, **{"If-None-Match": manifest.headers["ETag"]}).status_code == 200
    assert ("busy", mornings(1)[0]) in published.slots()
    # New slots, and a place that somebody is choosing and gives up without a word.
    service.opens_slots("2", mornings(1, first=9))
    with service.database.transaction() as connection:
        allocator = Allocate(
            Work(connection, service.store, service.campaign), Holder(Channel.PHONE, "somebody")
        )
        ours = slot.select().where(slot.c.centre_id == "2", slot.c.start_at == mornings(3)[2])
        assert allocator.hold_slot(connection.execute(ours).one().id)
    published.feed.write()
    assert changed() == {"35"}
    assert ("busy", mornings(3)[2]) in published.slots()
    with service.database.transaction() as connection:
        connection.execute(
            update(place)
            .where(place.c.held_by == "somebody")
            .values(held_by=None, hold_expires_at=None, hold_limit_at=None)
        )
    published.feed.write()
    assert changed() == {"35"}
    # Time passes without anybody writing a row: slots that are past go all the same.
    service.clock.advance(timedelta(days=1, hours=2))  # type: ignore[attr-defined]
    published.feed.write()
    assert changed() == {"75", "35"}
    # A new process finds the same, and changes nothing.
    published.restarts()
    assert published.feed.write() == 0
    # A centre that closes is gone, and its département with it.
    with service.database.transaction() as connection:
        connection.execute(update(centre).where(centre.c.id == "2").values(closed_at=NOON))
    published.feed.write()
    assert published.get("/api/slots/slots-35.ndjson").status_code == 404
    assert [one["id"] for one in published.read("Location")] == ["1"]
    # Before the campaign opens there is no place that anybody could take.
    service.campaign = replace(service.campaign, opens_at=NOON + timedelta(days=30))
    published.feed.write()
    assert published.slots() == {}
    assert len(published.read("Schedule")) == 1


def test_files_are_given_without_the_store_packed_or_not(
    database_url: str, publishes: Callable[[House], Published]
):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(3))
        published = publishes(made)
        published.feed.write()
    # The house is closed: no answer that follows can come from the database.
    name = "/api/slots/centre-1.ndjson"
    plain = published.get(name)
    packed = published.get(name, **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert plain.mimetype == "application/fhir+ndjson"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    # How long the unpacked one is nobody knows before, and a wrong length would cut it.
    assert "Content-Length" not in plain.headers
    assert packed.headers["Content-Length"] == str(len(packed.data))
    for answer in (plain, packed):
        assert answer.headers["Cache-Control"] == "public, max-age=30"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert "Set-Cookie" not in answer.headers
        asked = {"If-Modified-Since": answer.headers["Last-Modified"]}
        assert published.get(name, **asked).status_code == 304
    with published.client.head(name) as head:
        assert (head.status_code, head.data) == (200, b"")
    encoded = published.get("/api/slots/%24bulk-publish?_since=2026-01-01T00:00:00Z")
    assert encoded.json == published.manifest()
    hidden = ("centre-1.ndjson.gz", "writer", "edition.json", "edition.json.gz", "centre-..%2Fa")
    for wrong in (*hidden, "..%2F..%2Fconfig.py", "slots-00.ndjson", "centre-1_.ndjson"):
        assert published.get(f"/api/slots/{wrong}").status_code == 404, wrong


def test_the_whole_of_it_is_valid_for_every_centre_of_the_official_file(
    database_url: str, publishes: Callable[[House], Published]
):
    from fhir.resources.R4B.location import Location  # noqa: PLC0415 (slow to import)
    from fhir.resources.R4B.schedule import Schedule  # noqa: PLC0415
    from fhir.resources.R4B.slot import Slot  # noqa: PLC0415

    with house(database_url) as made:
        import_centres(made.database, made.clock, feeds.read_centres())
        centres.forget_past_closings(made.database, made.clock, NOON.date())
        with made.database.transaction() as connection:
            # Every one of them, those that only some may go to and those that ended as well.
            connection.execute(update(centre).values(booking_mode="ours", closed_at=None))
            ids = list(connection.execute(centre.select().where(centre.c.town != "")).scalars())
            rows = [
                {"centre_id": one, "start_at": start, "capacity": 2}
                for one in ids
                for start in mornings(2)
            ]
            connection.execute(insert(slot), rows)
            columns = [slot.c.id, 1, slot.c.centre_id, slot.c.start_at]
            _places(connection, columns)
        published = publishes(made)
        published.feed.write()
    manifest = published.manifest()
    assert manifest["request"] == f"{BASE}{MANIFEST}"
    assert datetime.fromisoformat(manifest["transactionTime"]) == NOON
    assert Counter(one["type"] for one in manifest["output"])["Slot"] > 95
    kinds: dict[str, Any] = {"Location": Location, "Schedule": Schedule, "Slot": Slot}
    found = {
        kind: [model.model_validate(one) for one in published.read(kind)]
        for kind, model in kinds.items()
    }
    assert len(found["Location"]) == len(found["Schedule"]) == len(ids) >= 800
    assert len(found["Slot"]) == 2 * len(ids)
    assert not [one for one in published.read("Location") if faults(one)]
    # Of these two the file tells neither town nor postcode.
    assert published.feed.left_out == ("695", "698")
    # Everything points at something that is there, and every id is there once.
    for kind, some in found.items():
        assert len({one.id for one in some}) == len(some), kind
    locations = {f"Location/{one.id}" for one in found["Location"]}
    assert {one.actor[0].reference for one in found["Schedule"]} == locations
    schedules = {f"Schedule/{one.id}" for one in found["Schedule"]}
    assert {one.schedule.reference for one in found["Slot"]} == schedules
    assert all(one.start < one.end for one in found["Slot"])
    assert fhir_id("a_b") != fhir_id("a b") != fhir_id("1") == "1"


def test_a_location_says_where_it_is_and_how_to_book_there(
    service: House, publishes: Callable[[House], Published]
):
    service.opens_centre("a b", name="Gymnase", starts=mornings(1))
    service.opens_centre("2", name="Salle", starts=mornings(1))
    with service.database.transaction() as connection:
        one = update(centre).where(centre.c.id == "a b")
        connection.execute(one.values(phones='["+33144556677"]', street=""))
        # Its position is its town's, and what is not known is not told.
        connection.execute(update(centre).where(centre.c.id == "2").values(roughly=True))
    published = publishes(service)
    published.feed.write()
    gymnase, salle = sorted(published.read("Location"), key=lambda each: each["name"])
    assert not faults(gymnase)
    assert not faults(salle)
    assert gymnase["address"] == {
        "line": ["Gymnase"],
        "city": "Paris 11e",
        "state": "75",
        "postalCode": "75011",
        "country": "FR",
    }
    assert gymnase["telecom"] == [
        {"system": "phone", "value": NUMBER},
        {"system": "phone", "value": "+33144556677"},
        {"system": "url", "value": f"{BASE}/rendez-vous?centre=a%20b"},
    ]
    assert gymnase["identifier"] == [{"system": f"{BASE}/centres", "value": "a b"}]
    assert "position" in gymnase
    assert "position" not in salle
    # The page is there.
    assert published.client.get("/rendez-vous?centre=a%20b").status_code == 200


@pytest.mark.parametrize("missing", ["town", "postcode", "departement"])
def test_a_centre_without_an_address_is_left_out_and_named(
    service: House, publishes: Callable[[House], Published], missing: str
):
    service.opens_centre("1", starts=mornings(1))
    service.opens_centre("2", starts=mornings(1))
    with service.database.transaction() as connection:
        connection.execute(update(centre).where(centre.c.id == "2").values({missing: ""}))
    published = publishes(service)
    group = make_feed(published.feed, published.folder)
    result = CliRunner().invoke(group, ["write"])
    assert result.exit_code == 0
    assert result.stderr == ("1 centres are not in it, for they have no town or no postcode: 2\n")
    assert [one["id"] for one in published.read("Location")] == ["1"]
    assert [one["id"] for one in published.read("Schedule")] == ["1"]
    assert {one["schedule"]["reference"] for one in published.read("Slot")} == {"Schedule/1"}


def _places(connection: Any, columns: list[Any]) -> None:
    from sqlalchemy import literal, select  # noqa: PLC0415

    chosen = [literal(column) if isinstance(column, int) else column for column in columns]
    names = ["slot_id", "number", "centre_id", "start_at"]
    connection.execute(insert(place).from_select(names, select(*chosen)))


def test_the_scheduler_writes_it_beside_what_cannot_wait(
    service: House, publishes: Callable[[House], Published]
):
    service.opens_centre("1", starts=mornings(3))
    published = publishes(service)
    stop, done = threading.Event(), list[str]()

    def writes() -> int:
        done.append(f"{published.feed.write()} files")
        stop.set()
        return 0

    task = Task("feed", FEED_EVERY, writes)
    assert task.every == 30
    # Nothing else comes to an end before: the feed has a thread of its own.
    held_up = Task("sweep", 1, lambda: int(stop.wait()))
    scheduler.work([held_up, replace(held_up, name="tidy")], stop, ALONE, [task])
    assert done == ["4 files"]
    assert published.manifest()["output"]


CENTRES, SLOTS_EACH = 854, 1171


@pytest.mark.long
def test_a_million_slots_take_no_more_memory_than_a_thousand(
    service: House, publishes: Callable[[House], Published]
):
    from sqlalchemy import text  # noqa: PLC0415

    codes = [f"{number:02d}" for number in range(1, 96)]
    for number in range(CENTRES):
        service.opens_centre(f"c{number}")
    service.opens_slots("c0", [NOON + timedelta(hours=3, minutes=5)])
    with service.database.transaction() as connection:
        for number, code in enumerate(codes):
            connection.execute(
                update(centre)
                .where(centre.c.id.in_([f"c{n}" for n in range(number, CENTRES, len(codes))]))
                .values(departement=code)
            )
    published = publishes(service)
    # What is imported and compiled once is not what a million slots take.
    published.feed.write()
    began = _resident()
    first = NOON + timedelta(hours=2)
    for number in range(CENTRES):
        rows = [
            {
                "centre_id": f"c{number}",
                "start_at": first + timedelta(minutes=10 * each),
                "capacity": 1,
            }
            for each in range(SLOTS_EACH)
        ]
        with service.database.transaction() as connection:
            connection.execute(insert(slot), rows)
    with service.database.transaction() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        _places(connection, [slot.c.id, 2, slot.c.centre_id, slot.c.start_at])
    service.database.analyze()
    filled = _resident()
    ticks = time.perf_counter()
    published.feed.write()
    took = time.perf_counter() - ticks
    grew = _resident() - filled
    packed = sum(path.stat().st_size for path in published.folder.glob("*.gz"))
    files = published.folder.glob("centre-*.gz")
    lines = sum(gzip.decompress(path.read_bytes()).count(b"\n") for path in files)
    print(  # noqa: T201 (what a person looks at)
        f"{lines} slots on {service.database.url.get_backend_name()} in {took:.1f} s, "
        f"{packed / 1e6:.0f} MB packed, {grew / 1e6:.0f} MB more memory "
        f"(filling took {(filled - began) / 1e6:.0f})"
    )
    assert lines >= 1_000_000
    assert grew < 60e6
    # Where nothing changed, nothing is read again.
    assert published.feed.write() == 0


def _resident() -> int:
    """Bytes of memory at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# ---------------------------------------------------------------- several machines


def test_a_machine_without_a_scheduler_gives_the_same_feed(
    service: House, publishes: Callable[[House], Published], tmp_path: Path
):
    """The same files with the same ETag: a client may ask one machine and then the other."""
    service.opens_centre("1", starts=mornings(3))
    published = publishes(service)
    other = Published(service, tmp_path / "other")
    assert other.get(MANIFEST).status_code == 503
    assert published.feed.write() > 0
    other.looks_again()
    assert other.manifest() == published.manifest()
    for output in published.manifest()["output"]:
        here, there = (one.get(output["url"]) for one in (published, other))
        assert here.data == there.data
        assert (here.headers["ETag"], here.headers["Last-Modified"]) == (
            there.headers["ETag"],
            there.headers["Last-Modified"],
        )
    tag = published.get(MANIFEST).headers["ETag"]
    assert other.get(MANIFEST, **{"If-None-Match": tag}).status_code == 304


def test_what_changed_and_what_is_gone_comes_to_the_other_machine(
    service: House, publishes: Callable[[House], Published], tmp_path: Path
):
    service.opens_centre("1", starts=mornings(3))
    published = publishes(service)
    published.feed.write()
    other = Published(service, tmp_path / "other")
    before = other.slots()
    assert before == published.slots()
    service.phone().books()
    clock_of(service).advance(timedelta(minutes=1))
    published.feed.write()
    other.looks_again()
    assert other.slots() == published.slots() != before
    # Closed for the season: no file of slots is named, and none is given.
    service.campaign = replace(service.campaign, closes_at=NOON)
    clock_of(service).advance(timedelta(minutes=1))
    published.feed.write()
    other.looks_again()
    assert other.slots() == {}
    assert other.get("/api/slots/slots-75.ndjson").status_code == 404


def test_the_feed_is_given_while_the_store_does_not_answer(
    service: House, publishes: Callable[[House], Published], tmp_path: Path, monkeypatch: Any
):
    service.opens_centre("1", starts=mornings(3))
    published = publishes(service)
    published.feed.write()
    other = Published(service, tmp_path / "other")
    there = other.slots()

    def away(*_: Any) -> Any:
        raise ConnectionError

    monkeypatch.setattr(service.database, "statement", away)
    other.looks_again()
    assert other.slots() == there


def test_what_could_not_be_shared_is_written_again(
    service: House, publishes: Callable[[House], Published], monkeypatch: Any
):
    service.opens_centre("1", starts=mornings(3))
    published = publishes(service)
    with monkeypatch.context() as broken:
        broken.setattr(shared_files, "put", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            published.feed.write()
    published.feed.write()
    with service.database.statement() as connection:
        names = {name for name, _ in shared_files.listed(connection, shared_files.FEED)}
    assert names == {path.name for path in published.folder.glob("*.gz")}
