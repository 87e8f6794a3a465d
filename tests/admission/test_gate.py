"""What stands in front of the application: who is let in, what is kept, and what gives way."""

from __future__ import annotations

import asyncio
import gzip
import io
import threading

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from flask import Response, request
from prometheus_client import REGISTRY
from sqlalchemy import event, select
from werkzeug.test import create_environ

from app.web import served_whole
from models.online.tables import visit
from services.admission.admission_controller import AdmissionController
from services.admission.load_shedder import Level
from services.admission.visitors import Ticket
from services.health.watch_processes import WEB, all_kinds
from services.online import web_sessions
from tests.admission.lines import new_waiting, staff_waiting, visits_waiting
from tests.admission.test_whole_requests import Client, Headers, Scope
from tests.support.house import BASE, NOON, House, campaign_with, house
from tests.support.until import comes, wait_for
from web.admission.gate import Gate
from web.marks import public, public_form
from web.tickets import VISIT
from web_server import WholeRequests

OPENING = NOON + timedelta(minutes=10)
FORM = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
TICKET = "__Host-allo-ticket"
CROWDED = "Beaucoup de monde nous appelle"


@pytest.fixture
def patient(database_url: str) -> Iterator[House]:
    """An open one with places in which requests wait for their turn."""
    with house(database_url) as made:
        made.settings = made.settings.model_copy(update={"web_queue": 26})
        gate_of(made).begin()
        yield made


@pytest.fixture
def open_house(database_url: str) -> Iterator[House]:
    """The same with a campaign that has long been open."""
    with house(database_url) as made:
        gate_of(made).begin()
        yield made


def given_way(kind: str) -> float:
    """How many requests of a kind were turned away so far in this process."""
    return REGISTRY.get_sample_value("allo_given_way_total", {"kind": kind}) or 0.0


def gate_of(made: House, app: Any = None) -> Gate:
    found: Gate = (app or made.app).extensions["allo_gate"]
    return found


def inlet_of(made: House, app: Any = None) -> AdmissionController:
    return AdmissionController(made.store, made.known_campaigns())


def statements(made: House) -> list[str]:
    """Every statement that the store gets from here on."""
    seen: list[str] = []
    for engine in made.database.engines:
        event.listen(engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    return seen


def a_second(made: House, controller: AdmissionController, *gates: Gate) -> None:
    """What happens each second beside requests: workers tell, people are let in, workers hear."""
    made.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
    for gate in gates:
        gate.ledger.write()
    controller()
    for gate in gates:
        gate.ledger.write()


def come(made: House, address: str, app: Any = None) -> Any:
    """A browser of somebody, who has asked for the waiting room once."""
    browser = (app or made.app).test_client()
    browser.environ_base["REMOTE_ADDR"] = address
    browser.get("/salle", base_url=BASE)
    return browser


def ask(browser: Any, path: str = "/salle", method: str = "get", **more: Any) -> Response:
    answer: Response = getattr(browser, method)(path, base_url=BASE, headers=FORM, **more)
    return answer


# ---------------------------------------------------------------- the room


def test_the_room_costs_no_store_and_says_all_that_one_wants_to_know(stood: House):
    browser = come(stood, "192.0.2.1")
    seen = statements(stood)
    page = ask(browser)
    other = come(stood, "192.0.2.2")
    english = ask(other, "/salle?lang=en")
    polled = ask(browser, "/salle/etat")
    assert seen == []
    assert page.status_code == english.status_code == 200
    text = page.get_data(as_text=True)
    for words in (
        "à 9\u00a0h\u00a010",
        "tiré au sort",
        "+33974750001",
        "n’est pas derrière",
        "Recharger",
    ):
        assert words in text
    assert "drawn at random" in english.get_data(as_text=True)
    assert "<noscript><meta http-equiv" in text
    assert polled.get_json()["kind"] == "before"
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in page.headers
    assert browser.get_cookie(TICKET, domain="allo.example") is not None


def test_nobody_begins_before_the_opening_and_one_after_another_then(stood: House):
    """Two workers and one process that lets people in: what each shows is what all agree on."""
    second = stood.application()
    gates = gate_of(stood), gate_of(stood, second)
    gates[1].begin()
    controller = inlet_of(stood)
    browsers = [come(stood, f"192.0.2.{n}", (stood.app, second)[n % 2]) for n in range(60)]
    a_second(stood, controller, *gates)
    assert "59 personnes" in ask(browsers[0]).get_data(as_text=True)
    refused = ask(browsers[0], "/rendez-vous", "post")
    assert (refused.status_code, refused.headers["Location"]) == (303, "/salle")
    stood.clock.moment = OPENING  # type: ignore[attr-defined]
    order: list[int] = []
    for _ in range(12):
        a_second(stood, controller, *gates)
        order += [n for n, b in enumerate(browsers) if n not in order and is_let_in(b)]
    assert sorted(order) == list(range(60))
    assert order != list(range(60))
    ranks = [rank_of(gates[0], browsers[n]) for n in order]
    # As they were drawn; those of one second may stand in any order.
    assert ranks[:10] != ranks[-10:]
    assert max(ranks[:10]) < min(ranks[-10:])


def rank_of(gate: Gate, browser: Any) -> int:
    found = gate.room.tickets.read(ticket_of(browser))
    assert found is not None
    return found.rank


def ticket_of(browser: Any) -> str:
    return str(browser.get_cookie(TICKET, domain="allo.example").value)


def is_let_in(browser: Any) -> bool:
    answer = ask(browser)
    return answer.status_code == 303 and answer.headers["Location"] == "/rendez-vous"


def test_a_position_is_told_and_a_ticket_lets_one_visit_in_on_either_worker(stood: House):
    controller = inlet_of(stood)
    second = stood.application()
    gates = gate_of(stood), gate_of(stood, second)
    gates[1].begin()
    early = come(stood, "192.0.2.1")
    stood.clock.moment = OPENING + timedelta(seconds=2)  # type: ignore[attr-defined]
    room, start = gates[0].room, int(OPENING.timestamp())
    for n in range(300):
        # A crowd between this one and the next, whose browsers show the room.
        room.presence.seen(room.ranks.take(start, f"{n}".encode(), start + 1), 30)
    late = come(stood, "192.0.2.9")
    a_second(stood, controller, *gates)
    waits = ask(late, "/salle").get_data(as_text=True)
    assert "personnes sont avant vous" in waits
    assert "Temps d’attente estimé" in waits
    told = ask(late, "/salle/etat").get_json()
    assert told["kind"] == "waiting"
    assert 5 <= told["each"] <= 30
    # Of the one who is let in, a copy of the ticket is the same visit, whoever answers.
    for _ in range(3):
        a_second(stood, controller, *gates)
    assert is_let_in(early)
    ticket = ticket_of(early)
    begun = {began(app, ticket) for app in (stood.app, second)}
    assert len(begun) == 1
    assert began(stood.app, ticket_of(late)) is None
    # Forged, or of another service: none.
    forged = ticket[:-1] + ("A" if ticket[-1] != "A" else "B")
    assert began(stood.app, forged) is None


def began(app: Any, ticket: str) -> str | None:
    """The id of the visit that this ticket would begin; None where it is sent to wait."""
    gate: Gate = app.extensions["allo_gate"]
    seen: list[str | None] = []

    def behind(environ: dict[str, Any], start: Any) -> list[bytes]:
        seen.append(environ.get(VISIT))
        start("200 OK", [])
        return [b""]

    before, gate.app = gate.app, behind
    try:
        browser = app.test_client()
        browser.set_cookie(TICKET, ticket, domain="allo.example", secure=True)
        browser.post("/rendez-vous", base_url=BASE, headers=FORM)
    finally:
        gate.app = before
    return seen[0] if seen else None


def test_a_ticket_is_one_visit_of_the_real_pages_however_often_it_is_used(stood: House):
    controller, gate = inlet_of(stood), gate_of(stood)
    browser = come(stood, "192.0.2.1")
    stood.clock.moment = OPENING  # type: ignore[attr-defined]
    for _ in range(3):
        a_second(stood, controller, gate)
    ticket = ticket_of(browser)
    name = gate.room.tickets.visit_of(gate.room.tickets.read(ticket) or Ticket(b"", 0, 0))
    copy = stood.app.test_client()
    copy.set_cookie(TICKET, ticket, domain="allo.example", secure=True)
    for one in (browser, copy, browser):
        answer = ask(one, "/rendez-vous", "post", data={"whom": "self"})
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/rendez-vous/")
    with stood.database.statement() as connection:
        assert connection.execute(select(visit.c.id)).scalars().all() == [name]
    # Once it is over, the next visit takes a ticket of its own.
    web_sessions.end(stood.store, name)
    copy.delete_cookie("__Host-allo-visit", domain="allo.example")
    again = ask(copy, "/rendez-vous", "post", data={"whom": "self"})
    assert (again.status_code, again.headers["Location"]) == (303, "/salle")
    assert copy.get_cookie(TICKET, domain="allo.example") is None


def test_a_sudden_crowd_goes_on_beginning_while_it_is_counted(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    """As many as the worker carries; whoever it does not carry has a ticket, and waits for it."""
    gate, controller = gate_of(open_house), inlet_of(open_house)
    gate.load_shedder.turned_away["start"] = 400
    a_second(open_house, controller, gate)
    a_second(open_house, controller, gate)
    assert gate.room.is_there
    assert gate.room.told.is_counting(gate.room.now())
    open_house.clock.advance(timedelta(seconds=0.4))  # type: ignore[attr-defined]
    carried = iter([True, False, True, True, True])
    monkeypatch.setattr(gate.load_shedder, "visit_begins", lambda: next(carried))

    def begins(browser: Any) -> str:
        answer = ask(browser, "/rendez-vous", "post", data={"whom": "self"})
        assert answer.status_code == 303
        return answer.headers["Location"]

    one, other, late = (open_house.app.test_client() for _ in range(3))
    for browser in (one, other):
        page = ask(browser, "/rendez-vous")
        assert (page.status_code, browser.get_cookie(TICKET, domain="allo.example")) == (200, None)
    assert begins(one) == "/rendez-vous/naissance"
    assert begins(other) == "/salle"
    ticket = ticket_of(other)
    # Whoever has a ticket waits for their turn, however often they ask at the door.
    assert begins(other) == "/salle"
    assert ticket_of(other) == ticket
    assert not is_let_in(other)
    # From the first rank that is known on, the room alone lets in.
    a_second(open_house, controller, gate)
    assert not gate.room.told.is_counting(gate.room.now())
    assert is_let_in(other)
    assert begins(other) == "/rendez-vous/naissance"
    # And no further than it is: whoever comes now stands behind those who wait.
    here = rank_of(gate, other)
    gate.room.told = replace(gate.room.told, frontier=here, speed=0, empty_since=0.0)
    assert begins(late) == "/salle"
    assert len(list(carried)) == 3


def answered_at_once(
    made: House, path: str, method: str = "GET", *, cookie: str = "", **more: Any
) -> tuple[str, dict[str, str], bytes] | None:
    """Status, headers and body of an answer without a thread; None where one is needed."""
    headers = {"Cookie": cookie, **more.pop("headers", {})}
    environ = create_environ(path, BASE, method=method, headers=headers, **more)
    said: list[Any] = []
    seen = statements(made)
    body = gate_of(made).at_once(environ, lambda *start: said.append(start))
    assert seen == []
    return None if body is None else (said[0][0], dict(said[0][1]), b"".join(body))


def test_whoever_waits_is_answered_without_a_thread(stood: House):
    waits = f"{TICKET}={ticket_of(come(stood, '192.0.2.1'))}"
    for path in ("/salle", "/salle/etat", "/rendez-vous"):
        found = answered_at_once(stood, path, cookie=waits)
        assert found is not None
        assert found[0].startswith("200"), path
        assert found[1]["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in found[1]
    # Somebody new is shown in with a ticket, by a form as well, and counted once.
    gate_of(stood).room.ranks.counted()
    for method in ("GET", "POST"):
        shown = answered_at_once(stood, "/rendez-vous?lang=en", method)
        assert shown is not None
        assert shown[1]["Cache-Control"] == "no-store"
        assert shown[1]["Set-Cookie"].startswith(TICKET)
        if method == "POST":
            assert shown[1]["Location"] == "/salle?lang=en"
        else:
            assert (shown[0][:3], b"drawn at random" in shown[2]) == ("200", True)
    assert sum(gate_of(stood).room.ranks.counted().values()) == 2


def test_whoever_may_begin_gets_one_ticket_and_is_counted_once(stood: House):
    """The door is looked at without a thread, and the thread that answers goes by that look."""
    gate, controller = gate_of(stood), inlet_of(stood)
    stood.clock.moment = OPENING  # type: ignore[attr-defined]
    for _ in range(3):
        a_second(stood, controller, gate)
    assert gate.room.is_there
    environ = create_environ(
        "/rendez-vous", BASE, method="POST", data={"whom": "self"}, headers=FORM
    )
    said: list[Any] = []
    assert gate.at_once(environ, lambda *start: said.append(start)) is None
    with closing(gate(environ, lambda *start: said.append(start))) as body:  # type: ignore[type-var]
        list(body)
    (answer,) = said
    assert answer[0].startswith("303")
    assert dict(answer[1])["Location"] == "/rendez-vous/naissance"
    assert sum(gate.room.ranks.counted().values()) == 1


def test_whoever_cannot_begin_is_told_so_without_a_thread_and_asked_for_once(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    asked, carried = [0], [True]

    def visit_begins() -> bool:
        asked[0] += 1
        return carried[0]

    gate = gate_of(open_house)
    monkeypatch.setattr(gate.load_shedder, "visit_begins", visit_begins)
    form: Any = {"data": {"whom": "self"}, "headers": FORM}
    assert answered_at_once(open_house, "/rendez-vous", "POST", **form) is None
    environ = create_environ("/rendez-vous", BASE, method="POST", **form)
    assert gate.at_once(environ, lambda *_: None) is None
    gate(environ, lambda *_: None)
    assert asked == [2]
    # The page that is kept for it was made by the application once.
    gate.crowd.page("resend", "fr")
    carried[0] = False
    told = answered_at_once(open_house, "/rendez-vous", "POST", **form)
    assert told is not None
    assert told[0].startswith("503")
    assert b'name="whom" value="self"' in told[2]
    assert gate.load_shedder.turned_away["start"] == 1


def test_the_telephone_is_never_asked_for_a_ticket(stood: House):
    stood.opens_centre()
    phone = stood.phone().dial()
    assert phone.heard
    assert not phone.errors
    assert gate_of(stood).room.ranks.counted() == {}


def test_a_ticket_costs_the_same_again_and_again_and_is_counted_once(stood: House):
    browser = come(stood, "192.0.2.1")
    first = ticket_of(browser)
    for _ in range(5):
        ask(browser)
        ask(browser, "/rendez-vous")
    assert ticket_of(browser) == first
    assert sum(gate_of(stood).room.ranks.counted().values()) == 1
    # A script without cookies gets no ticket from the address that only tells.
    nobody = stood.app.test_client()
    assert ask(nobody, "/salle/etat").get_json() == {"kind": "lost"}
    assert gate_of(stood).room.ranks.counted() == {}


def test_without_the_process_that_lets_people_in_it_goes_on_slowly(stood: House):
    browser = come(stood, "192.0.2.1")
    stood.clock.moment = OPENING + timedelta(seconds=2)  # type: ignore[attr-defined]
    gate_of(stood).room.look(0.0)
    assert not is_let_in(browser)
    stood.clock.moment = OPENING + timedelta(seconds=1100)  # type: ignore[attr-defined]
    assert is_let_in(browser)
    # Long after it there is no room at all.
    stood.clock.moment = OPENING + timedelta(hours=2)  # type: ignore[attr-defined]
    assert is_let_in(stood.app.test_client())


# ---------------------------------------------------------------- kept pages


@pytest.fixture
def asked(open_house: House) -> list[str]:
    """Pages of a test's own behind the gate, and what reached them."""
    seen: list[str] = []

    @public
    def kept() -> Response:
        seen.append(request.args.get("lang", "fr"))
        answer = Response(f"words in {seen[-1]} " * 100, mimetype="text/html")
        answer.headers["Cache-Control"] = "public, max-age=60, stale-while-revalidate=600"
        answer.set_etag("a-tag")
        return answer

    @public
    def own() -> Response:
        seen.append("own")
        return Response("mine", headers={"Cache-Control": "no-store"})

    @public_form
    def form() -> str:
        seen.append(request.form.get("who", ""))
        return "taken"

    app = open_house.app
    app._got_first_request = False
    app.add_url_rule("/essai", "kept", kept)
    app.add_url_rule("/essai-a-soi", "own", own)
    app.add_url_rule("/rendez-vous/essai", "form", form, methods=["POST"])
    return seen


def test_pages_for_everybody_are_made_once_for_each_language(open_house: House, asked: list[str]):
    gate, now = gate_of(open_house), [0.0]
    gate.pages.ticks = lambda: now[0]
    browser = open_house.app.test_client()
    first = ask(browser, "/essai")
    for query in ("", "?utm=1", "?lang=de", "?lang=fr"):
        assert ask(browser, f"/essai{query}").data == first.data
    assert b"words in en" in ask(browser, "/essai?x=1&lang=en").data
    assert asked == ["fr", "en"]
    zipped = browser.get("/essai", base_url=BASE, headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(zipped.data) == first.data
    assert zipped.headers["Vary"] == "Accept-Encoding"
    again = browser.get("/essai", base_url=BASE, headers={"If-None-Match": '"a-tag"'})
    assert (again.status_code, again.data) == (304, b"")
    assert browser.head("/essai", base_url=BASE).data == b""
    assert asked == ["fr", "en"]
    now[0] = 61.0
    assert ask(browser, "/essai").status_code == 200
    assert asked == ["fr", "en", "fr"]
    # What is somebody's own is never kept.
    ask(browser, "/essai-a-soi")
    ask(browser, "/essai-a-soi")
    assert asked[3:] == ["own", "own"]


def test_a_fresh_page_for_everybody_needs_no_thread(open_house: House, asked: list[str]):
    gate, now = gate_of(open_house), [0.0]
    gate.pages.ticks = lambda: now[0]
    assert answered_at_once(open_house, "/essai") is None
    page = ask(open_house.app.test_client(), "/essai")
    ask(open_house.app.test_client(), "/rendez-vous")
    found = answered_at_once(open_house, "/essai?utm=1")
    assert found is not None
    assert (found[0][:3], found[2]) == ("200", page.data)
    assert answered_at_once(open_house, "/rendez-vous") is not None
    others: list[tuple[str, str, Any]] = [
        ("/essai?lang=en", "GET", {}),
        ("/essai", "POST", {}),
        ("/essai", "GET", {"headers": {"Range": "bytes=0-1"}}),
        ("/rendez-vous", "GET", {"headers": {"Range": "bytes=0-1"}}),
        ("/mon-rendez-vous", "GET", {}),
        ("/poste", "GET", {}),
        ("//rendez-vous", "GET", {}),
        ("/voice/incoming", "POST", {}),
    ]
    for path, method, more in others:
        assert answered_at_once(open_house, path, method, **more) is None, path
    # No path of ours, and none that a browser asks for.
    nowhere = create_environ("/essai", BASE) | {"PATH_INFO": "*"}
    assert gate.at_once(nowhere, lambda *_: None) is None
    now[0] = 61.0
    assert answered_at_once(open_house, "/essai") is None
    assert asked == ["fr"]


def test_every_page_that_all_share_is_answered_from_memory_wherever_it_lies(open_house: House):
    gate, browser = gate_of(open_house), open_house.app.test_client()
    made: list[str] = []
    behind = gate.app

    def counted(environ: Any, start_response: Any) -> Any:
        made.append(environ["PATH_INFO"])
        return behind(environ, start_response)

    gate.app = counted
    rules = [one for one in open_house.app.url_map.iter_rules() if not one.arguments]
    paths = {one.rule for one in rules if "GET" in (one.methods or ())}
    shared = {one for one in paths if "public" in ask(browser, one).headers["Cache-Control"]}
    assert {"/", "/rendez-vous", "/mon-rendez-vous", "/mon-rendez-vous/envoye"} <= shared
    made.clear()
    for path in shared:
        assert ask(browser, path).status_code == 200
    assert made == []
    # A form that is sent there is none of it.
    ask(browser, "/mon-rendez-vous", "post", data={"reference": "12345"})
    assert made == ["/mon-rendez-vous"]


def test_an_old_page_is_shown_when_there_is_no_room_for_the_next(
    open_house: House, asked: list[str]
):
    gate, now = gate_of(open_house), [0.0]
    gate.pages.ticks = lambda: now[0]
    browser = open_house.app.test_client()
    page = ask(browser, "/essai").data
    now[0] = 100.0
    while gate.load_shedder.web_begins(goes_on=True):
        pass
    # Nobody may fetch it, but it was promised to be shown a little longer where that is so.
    assert ask(browser, "/essai?lang=en").status_code == 503
    assert asked == ["fr"]
    for _ in range(4):
        gate.load_shedder.web_done(0.0, 0.0)
    assert ask(browser, "/essai").data == page


# ---------------------------------------------------------------- what gives way


def test_a_form_that_finds_no_room_comes_back_with_what_was_typed(
    open_house: House, asked: list[str]
):
    gate = gate_of(open_house)
    browser = open_house.app.test_client()
    while gate.load_shedder.web_begins(goes_on=True):
        pass
    typed = {"who": 'Zoë "Z" <b>', "year": "1942"}
    answer = ask(browser, "/rendez-vous/essai?lang=en", "post", data=typed)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Cache-Control"] == "no-store"
    assert 'name="who" value="Zoë &quot;Z&quot; &lt;b&gt;"' in text
    assert 'action="/rendez-vous/essai?lang=en"' in text
    assert "crowd" in text
    assert "maintenance" in ask(browser, "/rendez-vous/x").get_data(as_text=True).lower()
    assert asked == []
    for _ in range(4):
        gate.load_shedder.web_done(0.0, 0.0)
    assert ask(browser, "/rendez-vous/essai", "post", data=typed).data == b"taken"
    assert asked == [typed["who"]]


def test_screens_ask_less_often_and_steps_of_a_call_are_always_answered(open_house: House):
    open_house.opens_centre()
    gate = gate_of(open_house)
    agent = open_house.signs_in("agent")
    phone = open_house.phone().dial()
    gate.load_shedder.level = Level.CALLS
    gate.load_shedder._refused = 1.0
    answers = [agent.get("/poste/etat").status_code for _ in range(8)]
    assert answers.count(503) == 6
    assert set(answers) == {200, 503}
    # A call that has begun goes on as if nothing was; a new one hears that there are too many.
    heard = len(phone.heard)
    phone.press("1")
    assert len(phone.heard) > heard
    assert not any(CROWDED in one.text for one in phone.heard)
    crowded = open_house.phone("+33698765432").dial()
    assert any(CROWDED in one.text for one in crowded.heard)
    crowded.press("1")
    assert crowded.ended_normally
    assert [(one.number, one.reason) for one in open_house.promises()] == [
        ("+33698765432", "unfinished")
    ]
    # Whoever asks for a person has asked: they come where 0 leads at any welcome.
    asks = open_house.phone("+33622222222").dial()
    assert any(CROWDED in one.text for one in asks.heard)
    asks.press("0")
    gate.load_shedder._refused = 0.0
    at_ease = open_house.phone("+33633333333").dial()
    at_ease.press("0")
    assert asks.step == at_ease.step != "welcome"
    gate.load_shedder._refused = 1.0
    # Whoever stays is greeted as soon as there is room.
    stays = open_house.phone("+33611111111").dial()
    gate.load_shedder._refused = 0.0
    stays.stays_silent()
    assert stays.step == "welcome"
    assert stays.waiting is not None


def test_more_than_there_is_room_for_at_a_time_is_turned_away_and_counted(stood: House):
    """Threads in earnest: as many as are let through at a time, and not one more."""
    gate = gate_of(stood)
    inside, most, leave = [0], [0], threading.Event()
    counting = threading.Lock()

    def slow(environ: dict[str, Any], start: Any) -> list[bytes]:
        with counting:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        leave.wait(10)
        with counting:
            inside[0] -= 1
        start("200 OK", [])
        return [b"done"]

    gate.crowd.page("crowded", "fr")
    gate.app, before = slow, given_way("visit")
    statuses: list[str] = []

    def one() -> None:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/rendez-vous/x", "QUERY_STRING": ""}
        gate(environ, lambda status, _headers: statuses.append(status))

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    while len(statuses) < 17:
        leave.wait(0.005)
    leave.set()
    for thread in threads:
        thread.join()
    assert most == [3]
    assert sorted(statuses) == ["200 OK"] * 3 + ["503 Service Unavailable"] * 17
    load = gate.load_shedder.measured()
    assert load["away"] == load["lost"] == 0
    assert given_way("visit") - before == 17


def test_a_dozen_requests_that_wait_for_their_turn_are_all_answered(patient: House):
    """Those who work here have four threads of six at a time."""
    gate = gate_of(patient)
    load_shedder = gate.load_shedder
    inside, waiting = [0], list[int]()
    counting, leave = threading.Lock(), threading.Event()

    def slow(environ: dict[str, Any], start: Any) -> list[bytes]:
        with counting:
            inside[0] += 1
            assert inside[0] <= 4
            is_fourth = inside[0] == 4
        if is_fourth and not waiting:
            assert comes(lambda: staff_waiting(load_shedder) == 12)
            waiting.append(staff_waiting(load_shedder))
            leave.set()
        leave.wait(30)
        with counting:
            inside[0] -= 1
        start("200 OK", [])
        return [b"done"]

    gate.app = slow

    async def serve() -> list[int]:
        requests = WholeRequests(gate, load_shedder.all_threads, gate.at_once)
        requests.__rsgi_init__(asyncio.get_running_loop())
        clicks = [
            (Client([]), Scope(Headers(), method="GET", path="/poste/dossier")) for _ in range(16)
        ]
        await asyncio.gather(*(requests.__rsgi__(scope, one) for one, scope in clicks))
        return [one.status for one, _scope in clicks]

    load_shedder._patience = 60.0
    assert asyncio.run(serve()) == [200] * 16
    assert (waiting, staff_waiting(load_shedder)) == ([12], 0)
    # All turns were given back.
    assert [bool(load_shedder.other_begins()) for _ in range(5)] == [True] * 4 + [False]


def test_a_form_that_waited_in_vain_comes_back_and_its_session_may_send_again(patient: House):
    gate, asked = gate_of(patient), list[str]()

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        asked.append(environ["wsgi.input"].read().decode())
        start("200 OK", [])
        return [b"taken"]

    gate.crowd.page("resend", "fr")
    gate.app = app
    written = Response()
    gate.visits.write(written, "W1")
    cookie = written.headers["Set-Cookie"].split(";")[0]
    while gate.load_shedder.web_begins(goes_on=True):
        pass
    statuses: list[str] = []

    def posts() -> bytes:
        form = {"REQUEST_METHOD": "POST", "PATH_INFO": "/rendez-vous/essai", "QUERY_STRING": ""}
        body = b"who=Jeanne"
        kind = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": "10"}
        sent = form | kind | {"HTTP_COOKIE": cookie, "wsgi.input": io.BytesIO(body)}
        return b"".join(gate(sent, lambda status, _headers: statuses.append(status)))

    gate.load_shedder._patience = 60.0
    first, copy = (threading.Thread(target=posts) for _ in range(2))
    for sends, waits in ((first, (1, 0)), (copy, (1, 1))):
        # Of one session one request at a time goes before others: a copy stands behind those.
        sends.start()
        assert comes(
            lambda: (visits_waiting(gate.load_shedder), new_waiting(gate.load_shedder)) == waits  # noqa: B023 (asked at once)
        )
    for sends in (first, copy):
        gate.load_shedder.web_done(0.0, 0.0)
        sends.join(30)
    assert (statuses.count("200 OK"), gate.inside) == (2, set())
    gate.load_shedder._patience = 0.0
    while gate.load_shedder.web_begins(goes_on=True):
        pass
    asked.clear()
    answer = posts()
    assert statuses[2:] == ["503 Service Unavailable"]
    assert b'value="Jeanne"' in answer
    assert (gate.inside, asked) == (set(), [])
    assert gate.load_shedder.turned_away["lost"] == 1
    gate.load_shedder.web_done(0.0, 0.0)
    assert posts() == b"taken"
    assert (gate.inside, asked) == (set(), ["who=Jeanne"])


def test_visits_that_have_begun_go_first_each_with_one_answer_at_a_time(
    open_house: House, asked: list[str]
):
    gate = gate_of(open_house)
    browser, nobody = open_house.app.test_client(), open_house.app.test_client()
    written = Response()
    gate.visits.write(written, "W1")
    browser.set_cookie(
        gate.visits.name,
        written.headers["Set-Cookie"].split("=", 1)[1].split(";")[0],
        domain="allo.example",
        secure=True,
    )
    for _ in range(3):
        assert gate.load_shedder.web_begins(goes_on=False)
    assert ask(nobody, "/rendez-vous/essai", "post", data={"who": "new"}).status_code == 503
    assert ask(browser, "/rendez-vous/essai", "post", data={"who": "begun"}).status_code == 200
    gate.inside.add("W1")
    assert ask(browser, "/rendez-vous/essai", "post", data={"who": "copy"}).status_code == 503
    assert asked == ["begun"]


def test_before_it_begins_everything_passes(database_url: str):
    with house(database_url, campaign=campaign_with(opens_at=OPENING)) as made:
        answer = made.app.test_client().get("/salle", base_url=BASE)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/rendez-vous")


def test_what_is_measured_reaches_the_process_that_lets_people_in(stood: House):
    gate, controller = gate_of(stood), inlet_of(stood)
    gate.load_shedder.web_begins(goes_on=True)
    gate.load_shedder.web_done(0.2, 0.1)
    gate.load_shedder.turned_away["start"] = 50
    a_second(stood, controller, gate)
    assert gate.room.told.details["workers"] == 1
    assert gate.room.told.details["away"] > 10


# ---------------------------------------------------------------- a worker's signs of life


def web_signs(made: House) -> tuple[float | None, int]:
    """How old the last sign of a web worker is (seconds; None: there was none); how many live."""
    (web,) = (one for one in all_kinds(made.store) if one.kind == WEB)
    return web.age, web.running


def test_a_server_that_nobody_asks_gives_signs_of_life(database_url: str):
    """Else the first alert of a new service would be that its web is dead, which answers."""
    with house(database_url) as made:
        gate = gate_of(made)
        gate.begin()
        assert web_signs(made) == (None, 0)

        async def begins() -> None:
            served_whole(made.app).__rsgi_init__(asyncio.get_running_loop())

        asyncio.run(begins())
        try:
            wait_for(lambda: web_signs(made)[1] == 1, "its first sign is there")
            # A request begins nothing anew.
            before = threading.active_count()
            made.app.test_client().get("/healthz", base_url=BASE)
            assert threading.active_count() == before
        finally:
            gate.ledger.end()


# ---------------------------------------------------------------- how hard-pressed a worker is


def test_what_waits_is_counted_by_what_drives_the_worker_and_not_by_connections(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    """A screen has a connection all day, and asks nothing on it most of the time."""
    gate = gate_of(open_house)
    looked: list[tuple[int, int]] = []
    flow = gate.load_shedder.under_way
    now, more = iter(range(100)), iter((False, True))
    monkeypatch.setattr(
        gate.load_shedder, "look", lambda: looked.append((flow.requests, flow.answers))
    )
    monkeypatch.setattr(gate.ledger, "_ticks", lambda: float(next(now)))
    monkeypatch.setattr(gate.ledger, "_ended", Pulses(more))

    async def drives() -> None:
        served = served_whole(open_house.app)
        served._under_way.requests += 3
        served._under_way.answers += 40
        gate.ledger._pulse()

    asyncio.run(drives())
    assert looked == [(3, 40)]


class Pulses:
    """An end that comes after so many looks, without a wait."""

    def __init__(self, ends: Iterator[bool]) -> None:
        self._ends = ends

    def wait(self, _seconds: float) -> bool:
        return next(self._ends)
