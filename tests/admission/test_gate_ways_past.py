"""Ways past the waiting room, and from one person's answer to another's: there are none."""

from __future__ import annotations

import json

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from sqlalchemy import select

from models.admission import arrivals
from models.online.tables import visit
from models.supervision.snapshots import Snapshot
from services.admission import admission_controller
from services.admission.load_shedder import Level, LoadShedder
from services.admission.visitors import DRAWN
from services.admission.waiting_room import Room
from tests.admission.test_gate import (
    FORM,
    OPENING,
    TICKET,
    a_second,
    ask,
    come,
    gate_of,
    inlet_of,
    ticket_of,
)
from tests.online.visitors import BORN, Visitor
from tests.support.house import BASE, NOON, House, campaign_with, house, mornings
from web.admission.kept_pages import KeptAnswers

ROOM = "/salle"


@pytest.fixture
def opened(stood: House) -> House:
    """The same just after the opening: there is a room, and nobody waits in it."""
    stood.clock.moment = OPENING  # type: ignore[attr-defined]
    lets_in = inlet_of(stood)
    for _ in range(3):
        a_second(stood, lets_in, gate_of(stood))
    return stood


def begun(made: House) -> list[str]:
    with made.database.statement() as connection:
        return list(connection.execute(select(visit.c.id)).scalars())


# ---------------------------------------------------------------- past the room


def test_no_way_to_write_the_address_leads_past_the_room(stood: House):
    browser = stood.app.test_client()
    for path in (
        "/rendez-vous",
        "//rendez-vous",
        "////rendez-vous",
        "rendez-vous",
        "/rendez-vous/",
        "//rendez-vous//",
        "/Rendez-Vous",
        "/./rendez-vous",
        "/salle/../rendez-vous",
        "/rendez%2Dvous",
        "/rendez-vous;a",
        "/\\rendez-vous",
        "",
    ):
        for method in ("POST", "HEAD", "GET", "PUT"):
            answer = browser.open(
                "/",
                method=method,
                base_url=BASE,
                data={"whom": "self"},
                headers=FORM | {"HX-Request": "true"},
                environ_overrides={"PATH_INFO": path},
            )
            assert answer.status_code < 500, path
    elsewhere = {"base_url": "https://another.example", "data": {"whom": "self"}}
    stood.app.test_client().post("/rendez-vous", **elsewhere)
    assert begun(stood) == []


def test_a_visit_that_began_before_the_room_waits_like_everybody_once_it_opens(database_url: str):
    opens_at = NOON + timedelta(hours=1)
    with house(database_url, campaign=campaign_with(opens_at=opens_at)) as made:
        gate_of(made).begin()
        early = {path: Visitor(made) for path in ("ouverture", "pour-qui", "naissance")}
        for one in early.values():
            one.sends("/rendez-vous", whom="self")
            assert one.path == "/rendez-vous/ouverture"
        made.clock.moment = opens_at + timedelta(seconds=1)  # type: ignore[attr-defined]
        for path, one in early.items():
            one.presses(f"/rendez-vous/{path}", whom="self", **BORN)
            # The room's page stands where the first question would.
            assert one.path == "/rendez-vous", path
            one.reads('<div id="room"')


def test_a_ticket_shows_nobody_what_another_has_told(opened: House):
    """Of a browser that was closed, in a library, the ticket is still there and the visit not."""
    first = Visitor(opened).sends("/rendez-vous", whom="self").presses(
        "/rendez-vous/naissance", **BORN
    )  # fmt: skip
    assert first.path == "/rendez-vous/commune"
    first.client.delete_cookie("__Host-allo-visit", domain="allo.example")
    answer = ask(first.client, "/rendez-vous", "post", data={"whom": "self"})
    assert answer.headers["Location"] == ROOM
    assert first.client.get_cookie("__Host-allo-visit", domain="allo.example") is None
    assert first.client.get_cookie(TICKET, domain="allo.example") is None
    assert len(begun(opened)) == 1


def test_a_ticket_is_read_under_its_own_name_alone(stood: House):
    """Another host of the domain may write any cookie but one whose name begins with __Host-."""
    theirs = ticket_of(come(stood, "192.0.2.1"))
    browser = stood.app.test_client()
    browser.set_cookie(f"a{TICKET}", theirs, domain="allo.example", secure=True)
    ask(browser)
    own = ticket_of(browser)
    assert own != theirs
    ask(browser)
    assert ticket_of(browser) == own


# ---------------------------------------------------------------- one person's, another's


def test_a_page_that_a_ticket_opens_is_kept_by_nobody(opened: House):
    """In a cache in front it would be shown to all who are to wait."""
    browser = opened.app.test_client()
    first = ask(browser, "/rendez-vous")
    assert first.status_code == 200
    assert "Set-Cookie" in first.headers
    assert first.headers.getlist("Cache-Control") == ["no-store"]
    assert "ETag" not in first.headers
    again = ask(browser, "/rendez-vous")
    assert "Set-Cookie" not in again.headers
    assert again.status_code == 200
    assert again.headers.getlist("Cache-Control") == ["no-store"]
    assert "ETag" not in again.headers


def test_what_another_site_sends_is_not_offered_for_sending_again(opened: House):
    gate = gate_of(opened)
    while gate.load_shedder.web_begins(goes_on=True):
        pass
    browser = opened.app.test_client()

    def shown(**headers: str) -> str:
        sent = {"day": "12", "evil": "fields"}
        answer = browser.post("/s/abcdefghijklmno", base_url=BASE, data=sent, headers=headers)
        assert answer.status_code == 503
        return answer.get_data(as_text=True)

    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert "evil" not in shown(**foreign)
    assert "evil" in shown(**FORM)


def test_kept_pages_take_no_more_memory_than_they_may():
    kept = KeptAnswers(most=100, most_bytes=10_000)
    headers = [("Cache-Control", "public, max-age=60"), ("Content-Type", "application/x")]
    for number in range(50):
        assert kept.put(f"/{number}", "200 OK", headers, b"x" * 1500, 0.0)
        assert kept.put("/again", "200 OK", headers, b"x" * 1500, 0.0)
    found = [f"/{n}" for n in range(50) if kept.get(f"/{n}")]
    assert found == [f"/{n}" for n in range(45, 50)]
    # More than there may be altogether: it is answered, and not kept.
    kept.put("/large", "200 OK", headers, b"x" * 20_000, 0.0)
    assert kept.get("/large") is None
    assert kept.get("/49") is not None


# ---------------------------------------------------------------- what happens to it


def test_people_are_counted_once_when_only_the_load_could_not_be_told(
    stood: House, monkeypatch: pytest.MonkeyPatch
):
    gate = gate_of(stood)
    come(stood, "192.0.2.1")
    tell = arrivals.tell_load
    monkeypatch.setattr(arrivals, "tell_load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gate.ledger.write()
    monkeypatch.setattr(arrivals, "tell_load", tell)
    a_second(stood, inlet_of(stood), gate)
    assert gate.room.told.waiting == 1


def test_a_clock_that_is_set_back_does_not_stop_the_room(opened: House):
    gate = gate_of(opened)
    now = opened.clock.now().timestamp()
    assert gate.room.look(now).kind == "waiting"
    assert gate.room.look(now - 5).kind == "before"
    assert gate.room.look(now).kind == "waiting"


def test_clocks_that_differ_neither_hold_people_up_nor_let_all_of_them_in(opened: House):
    """The store writes its own time; this machine may be ten minutes before or behind it."""
    room, now = gate_of(opened).room, opened.clock.now()
    body = Room(active=True, opening=int(OPENING.timestamp()), frontier=DRAWN, speed=100).body()
    for wrong in (timedelta(minutes=-10), timedelta(minutes=10)):
        at = now + wrong
        room.hear(Snapshot("room", at - timedelta(seconds=1), "", json.dumps(body)))
        room.hear(Snapshot("room", at, "", json.dumps(body)))
        later = now.timestamp() + 5
        assert room.look(later).frontier == DRAWN + 500
        # Nobody writes any more: that is seen all the same, and goes on slowly.
        room.hear(Snapshot("room", at, "", None))
        assert room.look(now.timestamp() + 30).frontier == DRAWN + 1000 + 20_000


def test_two_processes_that_let_people_in_let_in_no_more_than_one(
    opened: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(admission_controller, "ASSUMED_CPU", 0.0001)
    gate, inlets = gate_of(opened), [inlet_of(opened), inlet_of(opened)]
    start = int(OPENING.timestamp())
    for number in range(2000):
        gate.room.ranks.take(start, str(number).encode(), start + 1 + number)
    rates = []
    for _ in range(6):
        gate.ledger.write()
        opened.clock.advance(timedelta(seconds=0.7))  # type: ignore[attr-defined]
        inlets[0]()
        opened.clock.advance(timedelta(seconds=0.3))  # type: ignore[attr-defined]
        inlets[1]()
        gate.ledger.write()
        rates.append(gate.room.told.rate)
    # As one process alone: a quarter more each second, at the most.
    assert all(1 < after / before <= 1.26 for before, after in pairwise(rates))


def test_whoever_watches_sees_us_when_it_is_hardest(opened: House):
    gate = gate_of(opened)
    while gate.load_shedder.other_begins():
        pass
    gate.load_shedder.level = Level.CALLS
    opened.has_processes()
    opened.opens_centre("9", starts=mornings(1))
    browser = opened.app.test_client()
    for path in ("/metrics", "/healthz", "/readyz", "/readyz/machine"):
        assert browser.get(path, base_url=BASE).status_code == 200, path
    assert browser.get("/api/slots/$bulk-publish", base_url=BASE).status_code == 503


def test_clicks_of_those_who_work_here_may_wait_screens_behind_them_and_machines_may_not(
    opened: House, monkeypatch: pytest.MonkeyPatch
):
    gate = gate_of(opened)
    asked: dict[str, str] = {}

    def begins(*, waits: bool = False) -> bool:
        asked[path] = "click" if waits else "machine"
        return False

    def screen_begins() -> bool:
        asked[path] = "screen"
        return False

    monkeypatch.setattr(gate.load_shedder, "other_begins", begins)
    monkeypatch.setattr(gate.load_shedder, "screen_begins", screen_begins)
    browser = opened.app.test_client()
    ways = {
        "click": ("/poste", "/connexion", "/supervision", "/centre", "/compte"),
        "screen": ("/poste/etat", "/supervision/etat", "/supervision/mur/etat", "/centre/etat"),
        "machine": ("/api/slots/$bulk-publish",),
    }
    for way, paths in ways.items():
        for path in paths:
            assert browser.get(path, base_url=BASE).status_code == 503
            assert asked[path] == way, path


def test_nobody_but_the_provider_tells_how_slow_the_telephone_is(opened: House):
    """A moment long ago, said by whoever asks, is no reason to turn calls away."""
    gate = gate_of(opened)
    gate.hops = 1
    browser = opened.app.test_client()
    for moment in ("t=1", "inf", "nan", "-1", "1e300"):
        forged = {"X-Request-Start": moment}
        assert browser.post("/voice/incoming", base_url=BASE, headers=forged).status_code == 403
    gate.load_shedder.look()
    assert (gate.load_shedder.level, gate.load_shedder.measured()["steps"]) == (Level.NONE, 0)
    opened.opens_centre()
    assert opened.phone().dial().heard
    assert gate.load_shedder.measured()["steps"] > 0


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_a_worker_with_few_threads_lets_visits_begin_too(threads: int):
    load_shedder: Any = LoadShedder(threads)
    assert load_shedder.web_begins(goes_on=False)
    load_shedder.web_done(0.0, 0.0)
