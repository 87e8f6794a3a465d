"""Reading platforms into the store: whatever goes wrong changes nothing but the age."""

from __future__ import annotations

import json
import subprocess
import sys

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from click.testing import CliRunner
from sqlalchemy import update

from commands import partners as commands
from jobs.partner_feeds import NotNow, PlatformFeed, run_round
from models.centres.tables import centre
from models.clock import FixedClock
from models.database import Database
from models.partners import rows
from models.partners.rows import Feed, PartnerCentreRow, PartnerNear, PartnerSlot
from partners.partners_file import Platform
from partners.walking import Blocked, LinkToRead, PartnerAnswer
from services.partners import slots as partner_slots
from tests.partners.answers import doctolib_page, doctolib_slots
from tests.partners.site import Site

NOW = datetime(2021, 5, 1, 8, 0, tzinfo=UTC)
LINK = "https://www.doctolib.fr/centre-de-sante/vitre/centre-du-marais"
BOOKING = "/booking/centre-du-marais.json"
FREE = "/availabilities.json"
VITRE = (48.1226, -1.2161)


def feed_of(database, clock, pages, *links: str) -> tuple[PlatformFeed, Site]:
    site = Site(pages)
    wanted = tuple(LinkToRead(one) for one in links or (LINK,))
    platform = Platform("doctolib", "https://partner.example", frozenset(), links=wanted)
    return PlatformFeed(platform, database, clock, site), site


def rounds(feed: PlatformFeed) -> None:
    """Look as the scheduler does, until the round is over."""
    feed.step()
    while feed.is_reading:
        feed.step()


def near(database: Database, now: datetime = NOW, **options: Any) -> list[PartnerNear]:
    with database.statement() as connection:
        return rows.near(connection, *VITRE, "metropole", 30, now, **options)


def feeds(database: Database) -> dict[str, Feed]:
    with database.statement() as connection:
        return {one.platform: one for one in rows.freshness(connection)}


GOOD = {
    BOOKING: doctolib_page(),
    FREE: doctolib_slots("2021-05-03T09:00:00+02:00", "2021-04-03T09:00:00+02:00"),
}


@pytest.mark.parametrize(
    "bad",
    [
        PartnerAnswer(200, b"<html>Just a moment</html>"),
        PartnerAnswer(200, json.dumps(GOOD[FREE]).encode()[:-9]),
        PartnerAnswer(0, why="it is larger than 10485760 bytes"),
        PartnerAnswer(0, why="it takes too long to come"),
        {"availabilities": 7},
    ],
)
def test_a_failing_partner_changes_nothing_but_the_age(database, bad):
    clock = FixedClock(NOW)
    feed, site = feed_of(database, clock, dict(GOOD))
    rounds(feed)
    before = near(database)
    assert [(one.id, one.free, one.read_at) for one in before] == [
        ("doctolib:40:practice-701", 1, NOW)
    ]
    site.pages = dict(GOOD) | {FREE: bad}
    clock.advance(timedelta(hours=1))
    rounds(feed)
    assert near(database) == before
    told = feeds(database)["doctolib"]
    assert (told.tried_at, told.read_at) == (NOW + timedelta(hours=1), NOW)
    assert told.error == "1 centres could not be read"


def test_what_is_read_is_near_with_its_age_and_replaces_what_was(database):
    clock = FixedClock(NOW)
    feed, site = feed_of(database, clock, dict(GOOD))
    rounds(feed)
    (found,) = near(database)
    assert (found.platform, found.free, found.phone) == ("doctolib", 1, "+33299740011")
    assert found.next_at == datetime(2021, 5, 3, 7, 0, tzinfo=UTC)
    assert found.link == f"{LINK}?pid=practice-701"
    assert found.kilometres < 0.1
    # What began is not ahead, and what is for others or another dose is not offered.
    assert near(database, found.next_at) == []
    assert near(database, dose=2) == []
    feed.step()
    assert not feed.is_reading
    site.pages = dict(GOOD) | {FREE: doctolib_slots("2021-05-04T09:00:00+02:00")}
    clock.advance(timedelta(minutes=20))
    rounds(feed)
    (found,) = near(database)
    assert (found.next_at.day, found.free, found.read_at) == (4, 1, NOW + timedelta(minutes=20))
    site.pages = {BOOKING: PartnerAnswer(410)}
    clock.advance(timedelta(minutes=20))
    rounds(feed)
    assert near(database) == []
    assert feeds(database)["doctolib"].details["gone"] == 2


def test_who_may_book_by_age(database):
    told = PartnerCentreRow("maiia:1", "maiia", "Quai", latitude=VITRE[0], longitude=VITRE[1])
    told = replace(told, territory="metropole")
    later = NOW + timedelta(days=1)
    slots = [
        PartnerSlot(later, 1, "a", "age>=75"),
        PartnerSlot(later, 1, "b", "condition"),
        PartnerSlot(later, 1, "c", "unknown"),
        PartnerSlot(later + timedelta(minutes=5), 1, "a", "age>=60"),
        PartnerSlot(later + timedelta(minutes=5), 1, "a", "age>=60"),
    ]
    partner_slots.replace(database, NOW, told, slots)
    assert near(database) == []
    assert [one.free for one in near(database, age=59)] == []
    assert [one.free for one in near(database, age=60)] == [1]
    assert [one.free for one in near(database, age=80)] == [2]
    with database.statement() as connection:
        assert rows.near(connection, *VITRE, "corse", 30, NOW, age=80) == []
        assert rows.near(connection, 48.9, -1.2, "metropole", 30, NOW, age=80) == []


def test_who_refuses_is_left_alone_for_longer_each_time(database):
    clock = FixedClock(NOW)
    feed, site = feed_of(database, clock, {BOOKING: Blocked("answer 403 Anti dDos")})
    pauses = []
    for _ in range(3):
        rounds(feed)
        told = feeds(database)["doctolib"]
        assert told.error == "answer 403 Anti dDos"
        assert told.read_at is None
        assert told.pause_until is not None
        pauses.append(told.pause_until - clock.now())
        clock.moment = told.pause_until - timedelta(seconds=1)
        asked = len(site.asked)
        rounds(feed)
        assert len(site.asked) == asked
        clock.advance(timedelta(seconds=11))
    assert pauses == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)]
    site.pages = dict(GOOD)
    rounds(feed)
    told = feeds(database)["doctolib"]
    assert (told.error, told.pause_until, told.details["pauses"]) == ("", None, 0)


def test_five_useless_answers_in_a_row_are_a_refusal(database):
    links = [f"{LINK}-{number}" for number in range(9)]
    silent = {
        f"/booking/centre-du-marais-{n}.json": PartnerAnswer(0, why="no answer") for n in range(9)
    }
    feed, site = feed_of(database, FixedClock(NOW), silent, *links)
    rounds(feed)
    assert len(site.asked) == 5
    assert feeds(database)["doctolib"].pause_until == NOW + timedelta(minutes=15)


def test_nothing_is_asked_while_the_host_is_left_in_peace(database):
    feed, site = feed_of(database, FixedClock(NOW), dict(GOOD))
    site.wait = 0.4
    assert feed.step() == feed.step() == 0
    assert (site.asked, feed.is_reading) == ([], True)
    site.wait = 0
    feed.step()
    assert len(site.asked) == 1


def test_a_person_settles_a_match_for_ever(database):
    clock = FixedClock(NOW)
    row = {
        "name": "Halle aux vins",
        "postcode": "35500",
        "town": "Vitré",
        "departement": "35",
        "territory": "metropole",
        "latitude": VITRE[0],
        "longitude": VITRE[1],
        "time_zone": "Europe/Paris",
        "booking_mode": "ours",
        "source": "official",
        "fingerprint": "",
        "created_at": NOW,
        "updated_at": NOW,
    }
    with database.transaction() as connection:
        connection.execute(centre.insert(), [row | {"id": "g1"}])
    feed, _site = feed_of(database, clock, dict(GOOD))
    rounds(feed)
    group = commands.make(database, clock, "")

    def run(*arguments: str):
        return CliRunner().invoke(group, arguments)

    assert (
        "doctolib:40:practice-701,Centre du Marais - Halle aux grains,35500,Vitré,unsure,,g1:"
        in (run("matches").stdout)
    )
    assert run("match", "doctolib:40:practice-701", "g9").exit_code == 1
    assert run("match", "doctolib:practice-9", "g1").exit_code == 1
    assert run("match", "doctolib:40:practice-701", "g1").exit_code == 0
    assert near(database)[0].centre_id == "g1"
    with database.transaction() as connection:
        connection.execute(update(centre).values(name="Tout autre chose"))
    clock.advance(timedelta(hours=1))
    rounds(feed)
    assert near(database)[0].centre_id == "g1"
    assert run("match", "doctolib:40:practice-701", "none").exit_code == 0
    clock.advance(timedelta(hours=1))
    rounds(feed)
    assert near(database)[0].centre_id == ""
    assert len(run("matches").stdout.splitlines()) == 1
    listed = run("list").stdout.splitlines()
    assert listed[1].startswith("doctolib,2,2,2021-05-01T10:00:00Z,2021-05-01T10:00:00Z,,")


def test_of_several_processes_one_asks_and_one_that_died_holds_up_no_other(database):
    clock = FixedClock(NOW)
    first, asked = feed_of(database, clock, dict(GOOD))
    second, idle = feed_of(database, clock, dict(GOOD))
    first.step()
    second.step()
    assert (first.is_reading, second.is_reading) == (True, False)
    with pytest.raises(NotNow, match="somebody reads it"):
        run_round(second)
    # It says that it lives, so that a round may take longer than the silence of a dead one.
    for _ in range(2):
        clock.advance(timedelta(minutes=4))
        if first.is_reading:
            first.step()
        second.step()
        assert idle.asked == []
    while first.is_reading:
        first.step()
    assert len(asked.asked) > 1
    second.step()
    assert idle.asked == []
    clock.advance(timedelta(minutes=20))
    first.step()
    clock.advance(timedelta(minutes=6))
    second.step()
    assert second.is_reading


def test_a_command_does_not_ask_who_refused(database):
    feed, site = feed_of(database, FixedClock(NOW), {BOOKING: Blocked("answer 403")})
    run_round(feed)
    with pytest.raises(NotNow, match="doctolib is left in peace: it refused"):
        run_round(feed)
    assert len(site.asked) == 1


def test_an_answer_that_breaks_whoever_asks_pauses_the_platform(database):
    def breaks(_query: object) -> None:
        raise ValueError("Invalid IPv6 URL")

    feed, site = feed_of(database, FixedClock(NOW), {BOOKING: breaks})
    rounds(feed)
    assert feeds(database)["doctolib"].error == "ValueError in asking"
    assert len(site.asked) == 1


def test_of_a_centre_so_many_moments_are_kept(database, monkeypatch):
    monkeypatch.setattr("services.partners.slots.MOST_SLOTS", 2)
    told = PartnerCentreRow("maiia:1", "maiia", "Quai", "", latitude=VITRE[0], longitude=VITRE[1])
    slots = [PartnerSlot(NOW + timedelta(hours=hours)) for hours in (3, 1, 2)]
    partner_slots.replace(database, NOW, replace(told, territory="metropole"), slots)
    (found,) = near(database)
    assert (found.free, found.next_at) == (2, NOW + timedelta(hours=1))


def test_no_command_of_flask_loads_an_http_client_for_partners():
    code = "import sys, commands.partners, jobs.partner_mirror; print('requests' in sys.modules)"
    told = subprocess.run(  # noqa: S603 (our own words)
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert told.stdout == "False\n"


def test_without_a_file_no_partner_is_read(database):
    told = CliRunner().invoke(commands.make(database, FixedClock(NOW), ""), ["run"])
    assert (told.exit_code, told.stdout) == (1, "")
    assert "PARTNERS names no file" in told.stderr


def test_an_answer_that_a_reader_breaks_on_pauses_the_platform_and_a_store_that_fails_does_not(
    database, monkeypatch
):
    feed, _site = feed_of(database, FixedClock(NOW), dict(GOOD))

    def breaks(*_arguments: object, **_named: object) -> None:
        raise KeyError("slots")

    with monkeypatch.context() as broken:
        broken.setattr("services.partners.slots.replace", breaks)
        with pytest.raises(KeyError):
            rounds(feed)
    told = feeds(database)["doctolib"]
    assert (feed.is_reading, told.read_at, told.pause_until) == (False, None, None)
    monkeypatch.setattr("partners.platforms.doctolib.walk.agendas_of", breaks)
    feed.begin()
    while feed.is_reading:
        feed.step()
    assert feeds(database)["doctolib"].error == "KeyError in reading"


def test_foreign_text_of_any_length_is_stored(database):
    page = doctolib_page()
    page["data"]["visit_motives"][0]["name"] = "Première injection \0\ud800" + "é" * 5000
    page["data"]["places"][0]["name"] = "Halle\0 \ud800" + "x" * 5000
    feed, _site = feed_of(database, FixedClock(NOW), dict(GOOD) | {BOOKING: page})
    rounds(feed)
    (found,) = near(database)
    assert found.name.startswith("Centre du Marais - Halle ?xxx")
