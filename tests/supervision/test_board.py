"""/supervision: what a screen gets, who may do what, how it is written down and taken back."""

from __future__ import annotations

import csv
import html
import io
import json
import re

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.accounts.tables import staff_act
from models.agents import agents as agent_rows
from models.agents.tables import agent
from models.queue import call_queues, queues
from models.queue.queues import NewQueueEntry
from models.queue.tables import agent_queue, queue_entry
from models.supervision import tallies
from models.supervision.tables import alert, board_setting
from prompts.screens import LANGUAGES, screen
from services.accounts import staff as accounts
from services.accounts.staff import record_act
from services.slots.allocate import Channel
from services.supervision.alerts import DEFAULTS, RANGES
from services.supervision.board_queues import served
from services.supervision.counts import BoardFigures
from services.supervision.supervise import ACTS, CAN_BE_UNDONE
from services.supervision.write_board import WriteBoard
from tests.supervision.board_day import works
from tests.support.control import FakeControl
from tests.support.forms import PASSWORD
from tests.support.house import MOBILE, House, StaffClient, a_mobile, mornings
from tests.support.rows import clock_of, holds, rows_of
from tests.support.statements import statements
from web.marks import SIGNED, who_may
from web.supervision.tiles import tiles

JSON = {"Accept": "application/json"}


class Board:
    """A supervisor at their page, with the house and the process that writes behind it."""

    def __init__(self, made: House) -> None:
        self.made, self.control = made, FakeControl()
        self.app = made.application(self.control)
        self.writes = WriteBoard(made.store, made.known_campaigns())
        self.client: StaffClient = made.signs_in("supervisor", app=self.app)

    def does(self, path: str, status: int = 200, **form: Any) -> dict[str, Any]:
        answer = self.client.post(f"/supervision{path}", data=form, headers=JSON)
        assert answer.status_code == status, answer.text
        assert answer.json is not None
        return dict(answer.json)

    def sees(self, **headers: str) -> Any:
        return self.client.get("/supervision/etat", headers=JSON | headers)

    def history(self, which: str = "") -> dict[str, Any]:
        found = self.client.get(f"/supervision/historique{which}", headers=JSON).json
        assert found is not None
        return dict(found)

    @property
    def who(self) -> str:
        assert self.client.staff is not None
        return self.client.staff.id

    def acts(self) -> list[tuple[str, str, Any, Any]]:
        return [
            (row.what, row.subject, json.loads(row.details).get("before"),
             json.loads(row.details).get("after"))
            for row in rows_of(self.made.database, select(staff_act).order_by(staff_act.c.id))
        ]  # fmt: skip

    def waits(self, entry: str = "E1", state: str = "waiting", **more: Any) -> None:
        with self.made.database.transaction() as connection:
            new = NewQueueEntry(entry, "fr", "call", "fr", call_id=f"CA{entry}", number=MOBILE,
                           known={"born": "1942-03-12"}, state=state, **more)  # fmt: skip
            assert queues.add(connection, self.made.clock, self.made.store.vault, new)


@pytest.fixture
def board(made: House) -> Board:
    return Board(made)


# ---------------------------------------------------------------- what a screen gets


def test_a_screen_that_has_it_gets_304_and_still_hears_how_old_it_is(board: Board):
    board.writes()
    first = board.sees()
    assert first.status_code == 200
    assert float(first.headers["X-Board-Age"]) < 1
    assert first.headers["X-Board-Now"] == "2026-11-25T08:00:00Z"
    again = board.sees(**{"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    # Nobody writes any more.
    clock_of(board.made).advance(timedelta(seconds=30))
    other_worker = Board(board.made)
    told = other_worker.sees(**{"If-None-Match": first.headers["ETag"]})
    assert told.status_code == 304
    assert float(told.headers["X-Board-Age"]) >= 30


def test_before_anything_was_written_a_screen_is_told_so(board: Board):
    answer = board.sees()
    assert (answer.json, answer.headers["X-Board-Age"]) == ({}, "-1")


def test_seventy_screens_cost_a_worker_one_statement_for_the_figures(board: Board):
    board.writes()
    board.sees()
    with statements(board.made.database) as asked:
        for _ in range(70):
            assert board.sees().status_code == 200
    # However slow this machine is: twice a second at most, not once a screen.
    assert len([one for one in asked if "FROM snapshot" in one]) < 10


def test_nothing_of_a_caller_is_in_what_screens_get(made: House, board: Board):
    made.opens_centre("1", starts=mornings(3), capacity=4)
    phone = made.phone().goes_to("offers")
    board.waits("E9")
    works(made.database, "anna", "ready", made.clock.now(), name="Anna Weiss")
    board.writes()
    history = board.client.get("/supervision/historique", headers=JSON)
    shown = board.sees().text + history.text
    assert "Anna Weiss" in shown
    for secret in (MOBILE, MOBILE[3:], "0612345678", "1942", "12031942", phone.sid, "75011"):
        assert secret not in shown, secret
    assert '"E9"' in shown
    # Every text in it is a moment, an id, a word of ours, or the name of an agent.
    allowed = re.compile(r"[a-z0-9_:.-]*|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|Anna Weiss|E9|\d[\dAB]")
    for text in texts_of(board.sees().json):
        assert allowed.fullmatch(text), text


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)


def test_the_page_has_its_words_in_both_languages_and_its_map_is_whole(board: Board):
    for code in LANGUAGES:
        page = board.client.get(f"/supervision?lang={code}")
        assert page.status_code == 200
        assert screen(code)["board.funnel.title"] in page.text
    assert len({(one.column, one.row) for one in tiles()}) == len(tiles()) == 101
    for name in DEFAULTS:
        for code in LANGUAGES:
            for table in ("alerts", "unit", "settings"):
                assert f"board.{table}.{name}" in screen(code)
        assert RANGES[name][0] <= DEFAULTS[name] <= RANGES[name][1]
    for what in ACTS:
        assert f"board.act.{what}" in screen("fr")


def test_on_a_wall_and_for_an_operator_there_is_nothing_to_do(board: Board):
    assert "/supervision/files" in board.client.get("/supervision").text
    assert "/supervision/files" not in board.client.get("/supervision?mur=1").text
    operator = board.made.signs_in("operator", app=board.app)
    page = operator.get("/supervision")
    assert page.status_code == 200
    assert "/supervision/files" not in page.text
    assert operator.post("/supervision/files", data={}, headers=JSON).status_code == 403


# ---------------------------------------------------------------- acts


def state_of(board: Board, queue_id: str) -> Any:
    return rows_of(board.made.database, select(agent_queue).where(agent_queue.c.id == queue_id))[0]


def test_queues_are_closed_together_written_down_and_opened_again_by_undoing(board: Board):
    done = board.does("/files", what="state", queue=["fr", "en"], state="closed")
    assert (done["done"], done["changed"], len(done["undo"])) == (True, 2, 2)
    assert {state_of(board, one).state for one in ("fr", "en")} == {"closed"}
    assert board.acts() == [
        ("queue_state", "en", "hours", "closed"),
        ("queue_state", "fr", "hours", "closed"),
    ]
    for act in done["undo"]:
        board.does("/annuler", act=act)
    assert {state_of(board, one).state for one in ("fr", "en")} == {"hours"}
    assert board.acts()[2:] == [
        ("undone", "fr", "closed", "hours"),
        ("undone", "en", "closed", "hours"),
    ]
    # What is so already is no act.
    assert board.does("/files", what="state", queue="fr", state="hours")["changed"] == 0
    assert len(board.acts()) == 4


def test_an_act_that_somebody_has_overtaken_is_not_undone(board: Board):
    first = board.does("/files", what="state", queue="fr", state="closed")
    board.does("/files", what="state", queue="fr", state="open")
    told = board.does("/annuler", 409, act=first["undo"][0])
    assert told["why"] == "changed"
    assert state_of(board, "fr").state == "open"
    assert board.does("/annuler", 409, act=12345)["why"] == "gone"


def test_of_many_either_all_are_changed_or_none(board: Board):
    told = board.does("/files", 409, what="state", queue=["en", "nowhere"], state="closed")
    assert told["why"] == "queue"
    assert state_of(board, "en").state == "hours"
    assert board.acts() == []


@pytest.mark.parametrize("text", ["a" * 201, "<Say>", "un & deux", "\u202egauche", "a\x00b"])
def test_an_announcement_is_short_and_plain(board: Board, text: str):
    assert board.does("/files", 409, what="announcement", queue="fr", announcement=text)["why"] == (
        "announcement"
    )
    assert state_of(board, "fr").announcement == ""


def test_an_announcement_is_given_in_french_and_in_english(board: Board):
    both: dict[str, Any] = {
        "announcement": "Brest est fermé.",
        "announcement_en": "Brest is closed.",
    }
    told = board.does("/files", what="announcement", queue="fr", **both)
    assert told["changed"] == 1
    kept = state_of(board, "fr")
    assert (kept.announcement, json.loads(kept.translations)["en"]) == (*both.values(),)
    # Words that are new in French are not said in yesterday's English.
    board.does("/files", what="announcement", queue="fr", announcement="Quimper est fermé.")
    assert state_of(board, "fr").translations == "{}"
    alone = {"announcement": "", "announcement_en": "Brest is closed."}
    assert board.does("/files", 409, what="announcement", queue="fr", **alone)["why"] == (
        "announcement"
    )


def test_an_announcement_is_taken_back_in_both_languages_and_all_queues(board: Board):
    both: dict[str, Any] = {
        "announcement": "Brest est fermé.",
        "announcement_en": "Brest is closed.",
    }
    told = board.does("/files", what="announcement", queue=["fr", "en"], **both)
    assert (told["changed"], len(told["undo"])) == (2, 4)
    for act in sorted(told["undo"], reverse=True):
        board.does("/annuler", act=act)
    for one in ("fr", "en"):
        kept = state_of(board, one)
        assert (kept.announcement, kept.translations) == ("", "{}")


def test_an_announcement_is_kept_in_one_line(board: Board):
    board.does("/files", what="announcement", queue="fr", announcement="  Merci \n de patienter. ")
    assert state_of(board, "fr").announcement == "Merci de patienter."
    board.writes()
    assert "Merci de patienter." in board.sees().text


@pytest.mark.parametrize("minutes", ["-1", "121", "x", ""])
def test_an_overflow_is_a_number_of_minutes(board: Board, minutes: str):
    assert board.does("/files", 409, what="overflow", queue="fr", minutes=minutes)["why"] == "value"
    assert board.does("/files", what="overflow", queue="fr", minutes="9")["changed"] == 1
    assert state_of(board, "fr").overflow_minutes == 9


def test_looking_first_counts_whom_it_concerns_and_changes_nothing(board: Board):
    for number in range(3):
        clock_of(board.made).advance(timedelta(seconds=1))
        with board.made.database.transaction() as connection:
            new = NewQueueEntry(f"E{number}", "fr", "call", "fr", call_id=f"CA{number}")
            queues.add(connection, board.made.clock, board.made.store.vault, new)
    works(board.made.database, "anna", "talking", board.made.clock.now())
    works(board.made.database, "ben", "ready", board.made.clock.now(), name="Ben")
    found = board.does("/apercu", queue=["fr", "nowhere"], agent=["anna", "ben", "nobody"])
    assert found == {"queues": 1, "waiting": 3, "agents": 2, "busy": 1}
    assert board.acts() == []


def test_agents_are_moved_paused_and_sent_home_each_with_a_line(board: Board):
    made = board.made
    for name in ("anna", "ben"):
        works(made.database, name, "ready", made.clock.now(), name=name)
    moved = board.does("/agents", what="queues", agent=["anna", "ben"], queue="en")
    assert moved["changed"] == 2
    board.does("/agents", what="pause", agent="anna", reason="training")
    board.does("/agents", what="sign_out", agent="ben")
    found = {row.staff_id: (row.state, row.reason) for row in rows_of(made.database, select(agent))}
    assert found == {"anna": ("paused", "training"), "ben": ("offline", "")}
    assert board.acts() == [
        ("agent_queues", "anna", [], ["en"]),
        ("agent_queues", "ben", [], ["en"]),
        ("agent_paused", "anna", "ready", "training"),
        ("agent_signed_out", "ben", "ready", "offline"),
    ]
    board.does("/annuler", act=moved["undo"][0])
    with made.database.statement() as connection:
        assert call_queues.memberships(connection) == {"anna": ["en"]}
    assert (
        board.does("/agents", 409, what="pause", agent="nobody", reason="lunch")["why"] == "agent"
    )
    assert board.does("/agents", 409, what="pause", agent="anna", reason="bored")["why"] == "value"


def test_an_agent_in_a_call_is_paused_after_it(board: Board):
    made = board.made
    works(made.database, "anna", "talking", made.clock.now())
    board.does("/agents", what="pause", agent="anna", reason="lunch")
    with made.database.statement() as connection:
        found: Any = agent_rows.get(connection, "anna")
    assert (found.state, found.then_pause) == ("talking", "lunch")


def test_somebody_who_waits_is_given_to_an_agent_and_taken_from_one_who_does_not_come(board: Board):
    made = board.made
    for name in ("anna", "ben"):
        works(made.database, name, "ready", made.clock.now(), name=name)
    board.waits()
    board.does("/confier", entry="E1", agent="anna")
    board.does("/confier", entry="E1", agent="ben")
    entry = rows_of(made.database, select(queue_entry))[0]
    assert (entry.state, entry.staff_id) == ("reserved", "ben")
    found = {row.staff_id: row.state for row in rows_of(made.database, select(agent))}
    assert found == {"anna": "ready", "ben": "reserved"}
    assert [to for to, _sid, _path in board.control.calls] == ["client:anna", "client:ben"]
    assert board.acts() == [
        ("entry_reassigned", "E1", None, "anna"),
        ("entry_reassigned", "E1", "anna", "ben"),
    ]


def test_nobody_is_given_to_an_agent_who_is_not_ready_nor_taken_out_of_a_talk(board: Board):
    made = board.made
    works(made.database, "anna", "ready", made.clock.now(), name="anna")
    works(made.database, "ben", "paused", made.clock.now(), name="ben")
    board.waits()
    board.does("/confier", entry="E1", agent="anna")
    assert board.does("/confier", 409, entry="E1", agent="ben")["why"] == "not_ready"
    entry = rows_of(made.database, select(queue_entry))[0]
    assert (entry.state, entry.staff_id) == ("reserved", "anna")
    with made.database.transaction() as connection:
        connection.execute(queue_entry.update().values(state="talking"))
    assert board.does("/confier", 409, entry="E1", agent="ben")["why"] == "gone"
    assert len(board.acts()) == 1


def test_what_the_machine_rings_is_no_line_and_is_given_to_nobody(board: Board):
    made = board.made
    works(made.database, "anna", "ready", made.clock.now(), name="anna")
    with made.database.transaction() as connection:
        for number, state in enumerate(("waiting", "reserved")):
            new = NewQueueEntry(f"M{number}", "fr", "callback", "fr", number=a_mobile(number),
                           reason="appointment", mode="machine", state=state,
                           message_id=f"message{number}")  # fmt: skip
            assert queues.add(connection, made.clock, made.store.vault, new)
    board.writes()
    told = board.sees().json
    assert (told["line"]["callbacks"], told["line"]["reserved"], told["entries"]) == (0, 0, [])
    assert board.does("/apercu", queue="fr")["waiting"] == 0
    for entry in ("M0", "M1"):
        # An agent who waited for it would never be free again: the machine speaks there.
        assert board.does("/confier", 409, entry=entry, agent="anna")["why"] == "gone"
    assert board.acts() == []
    found = {row.staff_id: row.state for row in rows_of(made.database, select(agent))}
    assert found == {"anna": "ready"}


def test_listening_is_in_the_history_and_nobody_listens_to_nobody(board: Board):
    assert board.does("/ecouter", 409, entry="E1", mode="listen")["why"] == "gone"
    works(board.made.database, "anna", "talking", board.made.clock.now())
    board.waits(state="talking", staff_id="anna")
    assert board.does("/ecouter", 409, entry="E1", mode="shout")["why"] == "mode"
    board.does("/ecouter", entry="E1", mode="whisper")
    assert board.acts()[-1][:2] == ("whisper", "E1")


def test_the_phone_floor_only_rises_and_is_true_at_once(board: Board):
    made = board.made
    # Far enough ahead that the telephone's share still counts.
    made.opens_centre("1", starts=mornings(10, first=5), capacity=10)
    before = len(holds_all(made, "web-1"))
    assert board.does("/plancher", 409, percent="39")["why"] == "floor"
    assert board.does("/plancher", 409, percent="101")["why"] == "floor"
    set_ = board.does("/plancher", percent="100")
    assert holds_all(made, "web-2") == []
    assert board.acts() == [("phone_floor", "phone_share", None, 100)]
    board.writes()
    assert board.sees().json["floor"] == {"campaign": 40, "set": 100}
    board.does("/annuler", act=set_["undo"][0])
    assert len(holds_all(made, "web-3")) == before > 0
    assert rows_of(made.database, select(board_setting)) == []


def holds_all(made: House, holder: str) -> list[Any]:
    return holds(made, holder, channel=Channel.WEB)


def test_thresholds_are_set_within_reason_and_go_back_to_the_usual(board: Board):
    assert board.does("/seuil", 409, name="longest_wait", value="5")["why"] == "value"
    assert board.does("/seuil", 409, name="nonsense", value="5")["why"] == "value"
    assert board.does("/seuil", 409, name="longest_wait", value="nan")["why"] == "value"
    board.does("/seuil", name="longest_wait", value="300")
    board.writes()
    assert board.sees().json["thresholds"]["longest_wait"] == 300
    board.does("/seuil", name="longest_wait", value="")
    assert rows_of(board.made.database, select(board_setting)) == []
    assert [one[:2] for one in board.acts()] == [("threshold", "threshold.longest_wait")] * 2


def test_an_alert_is_looked_after_by_the_first_who_says_so(board: Board):
    board.waits()
    board.writes()
    board.writes()
    (raised,) = board.sees().json["alerts"]
    assert (raised["name"], raised["seen"]) == ("agents_at_work", False)
    assert board.does("/alerte", alert=raised["id"])["changed"] == 1
    assert board.does("/alerte", alert=raised["id"])["changed"] == 0
    assert rows_of(board.made.database, select(alert))[0].seen_by == board.who
    board.writes()
    assert board.acts() == [("alert_seen", raised["id"], None, None)]


def test_acts_are_listed_with_names_and_can_be_taken_back_there_without_a_script(board: Board):
    board.does("/files", what="state", queue="fr", state="closed")
    page = board.client.get("/supervision/actes")
    assert "Camille Supervisor" in page.text
    assert "hours → closed" in page.text
    (number,) = re.findall(r'name="act" value="(\d+)"', page.text)
    answer = board.client.post(
        "/supervision/annuler",
        data={"act": number, "csrf_token": board.client.csrf()},
        headers={"Sec-Fetch-Mode": "navigate", "X-CSRFToken": ""},
    )
    assert answer.status_code == 303
    assert state_of(board, "fr").state == "hours"


# ---------------------------------------------------------------- the password again

FAR_REACHING: dict[str, dict[str, Any]] = {
    "/files": {"what": "state", "queue": "fr", "state": "closed"},
    "/agents": {"what": "pause", "agent": ["anna", "ben"], "reason": "lunch"},
    "/plancher": {"percent": "100"},
    "/annuler": {"act": "1"},
}


def unattended(board: Board, **after: int) -> None:
    """The tab stays open, and nobody has given a password since."""
    clock_of(board.made).advance(timedelta(**after))


@pytest.mark.parametrize("path", FAR_REACHING)
def test_what_concerns_many_asks_for_the_password_again(made: House, path: str):
    boss = made.employs("supervisor", password=PASSWORD)
    board = Board(made)
    board.client = made.signs_in("supervisor", staff=boss, app=board.app)
    for name in ("anna", "ben"):
        works(made.database, name, "ready", made.clock.now(), name=name)
    board.does("/files", what="announcement", queue="fr", announcement="Merci")
    unattended(board, minutes=10, seconds=1)
    told = board.does(path, 409, **FAR_REACHING[path])
    assert (told["done"], told["why"]) == (False, "unproved")
    assert [one[0] for one in board.acts()] == ["queue_announcement"]
    # Whoever found the tab does not know it.
    wrong: Any = board.client.post("/compte/preuve", data={"password": "devine"}, headers=JSON)
    assert (wrong.status_code, wrong.json["why"]) == (409, "wrong_old")
    assert board.does(path, 409, **FAR_REACHING[path])["why"] == "unproved"
    right = board.client.post("/compte/preuve", data={"password": PASSWORD}, headers=JSON)
    assert right.json == {"done": True}
    assert board.does(path, **FAR_REACHING[path])["changed"] >= 1


@pytest.mark.parametrize("mode", ["listen", "whisper", "join"])
def test_nobody_listens_by_a_tab_that_they_found(made: House, mode: str):
    """What two people say to each other is worth a password; to leave them asks for nothing."""
    boss = made.employs("supervisor", password=PASSWORD)
    board = Board(made)
    board.client = made.signs_in("supervisor", staff=boss, app=board.app)
    works(made.database, "anna", "talking", made.clock.now())
    board.waits(state="talking", staff_id="anna")
    unattended(board, minutes=10, seconds=1)
    assert board.does("/ecouter", 409, entry="E1", mode=mode)["why"] == "unproved"
    assert board.acts() == []
    assert board.does("/quitter", 409)["why"] == "nobody"
    right = board.client.post("/compte/preuve", data={"password": PASSWORD}, headers=JSON)
    assert right.json == {"done": True}
    board.does("/ecouter", entry="E1", mode=mode)
    assert [one[:2] for one in board.acts()] == [(mode, "E1")]


def test_what_concerns_one_asks_for_nothing(board: Board):
    made = board.made
    works(made.database, "anna", "ready", made.clock.now(), name="anna")
    board.waits()
    unattended(board, minutes=20)
    board.does("/agents", what="pause", agent="anna", reason="lunch")
    board.does("/seuil", name="longest_wait", value="300")


def test_a_session_that_was_proved_proves_no_other(made: House):
    boss = made.employs("supervisor", password=PASSWORD)
    board = Board(made)
    one, other = (made.signs_in("supervisor", staff=boss, app=board.app) for _ in range(2))
    unattended(board, minutes=11)
    proved = one.post("/compte/preuve", data={"password": PASSWORD}, headers=JSON)
    assert proved.json == {"done": True}
    form = {"what": "state", "queue": "fr", "state": "closed"}
    assert other.post("/supervision/files", data=form, headers=JSON).status_code == 409
    assert one.post("/supervision/files", data=form, headers=JSON).status_code == 200


def test_an_export_asks_for_the_password_again_and_then_comes(made: House):
    boss = made.employs("supervisor", password=PASSWORD)
    board = Board(made)
    client = made.signs_in("supervisor", staff=boss, app=board.app)
    unattended(board, minutes=11)
    wanted = "/supervision/export.csv?from=2026-11-25&to=2026-11-25&quoi=acts"
    page = client.get(wanted, headers={"Sec-Fetch-Mode": "navigate"})
    assert page.status_code == 302
    asked = client.get(page.headers["Location"])
    assert "Votre mot de passe, encore une fois" in asked.text
    (following,) = re.findall(r'name="next" value="([^"]+)"', asked.text)
    form = {"password": PASSWORD, "next": html.unescape(following)}
    given = client.post("/compte/preuve", data=form, headers={"Sec-Fetch-Mode": "navigate",
                                                              "X-CSRFToken": ""} | {})  # fmt: skip
    assert given.status_code == 400
    form["csrf_token"] = client.csrf()
    given = client.post(
        "/compte/preuve", data=form, headers={"Sec-Fetch-Mode": "navigate", "X-CSRFToken": ""}
    )
    assert (given.status_code, given.headers["Location"]) == (303, wanted)
    assert csv_of(client.get(wanted))
    assert [one[0] for one in board.acts()] == ["export"]


# ---------------------------------------------------------------- on a wall


def hung_up(board: Board, client: StaffClient | None = None) -> StaffClient:
    """A screen on a wall, opened by this supervisor."""
    client = client or board.client
    answer = client.post("/supervision/mur")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/supervision/mur")
    return client


def test_a_wall_stays_up_for_twelve_hours_with_nobody_at_it(board: Board):
    board.writes()
    wall = hung_up(board)
    assert "Fermer l’écran" in wall.get("/supervision/mur").text
    for _ in range(12 * 4 - 1):
        clock_of(board.made).advance(timedelta(minutes=15))
        assert wall.get("/supervision/mur/etat", headers=JSON).status_code == 200
        assert wall.get("/supervision/historique", headers=JSON).status_code == 200
    clock_of(board.made).advance(timedelta(minutes=15, seconds=1))
    assert wall.get("/supervision/mur/etat", headers=JSON).status_code == 401


def test_a_board_that_only_asks_by_itself_is_signed_out_as_before(board: Board):
    board.writes()
    clock_of(board.made).advance(timedelta(minutes=30, seconds=1))
    assert board.sees().status_code == 401


def test_a_stolen_wall_reads_counts_and_nothing_else(board: Board):
    made = board.made
    works(made.database, "anna", "talking", made.clock.now(), name="Anna Weiss")
    board.waits(state="talking", staff_id="anna")
    board.writes()
    wall = hung_up(board)
    shown: Any = wall.get("/supervision/mur/etat", headers=JSON)
    assert shown.json["line"]["talking"] == 1
    assert shown.json["agents"]["states"]["talking"] == 1
    for secret in ("Anna Weiss", "anna", '"E1"', MOBILE):
        assert secret not in shown.text
        assert secret not in wall.get("/supervision/mur").text
    open_to_it = {"wall", "wall_etat", "history"}
    for rule in board.app.url_map.iter_rules():
        who = who_may(board.app, rule.endpoint)
        if rule.rule.startswith(SIGNED) or who is None or who.public or rule.arguments:
            continue
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            answer = wall.open(rule.rule, method=method, headers=JSON)
            is_open = rule.endpoint.removeprefix("board.") in open_to_it
            assert (answer.status_code != 401) is is_open, (method, rule.rule)
            if not is_open:
                assert answer.json == {"error": "signed_out"}
    # Nor may it become anything else.
    assert wall.get("/connexion").status_code == 200
    for path in ("/connexion/mot-de-passe", "/connexion/inscription", "/connexion/code"):
        assert wall.get(path).status_code == 302
        assert wall.post(path, data={"new": "x" * 20, "again": "x" * 20}).status_code == 302
    assert [one[0] for one in board.acts()] == ["wall_opened"]


def test_the_session_that_opened_a_wall_is_over(board: Board):
    before = board.client.get_cookie(StaffClient.cookie)
    assert before is not None
    hung_up(board)
    thief = StaffClient(board.app, board.client.staff, before.value)
    assert thief.get("/supervision", headers=JSON).status_code == 401


def test_whoever_opened_a_wall_sees_it_and_ends_it_from_elsewhere(board: Board):
    wall = hung_up(board)
    elsewhere = board.made.signs_in("supervisor", staff=board.client.staff, app=board.app)
    page = elsewhere.get("/compte").text
    assert "Écran mural" in page
    (name,) = re.findall(r'name="session" value="(\w+)"', page)
    assert elsewhere.post("/compte/fin", data={"session": name}).status_code == 303
    assert wall.get("/supervision/mur/etat", headers=JSON).status_code == 401
    assert elsewhere.get("/compte").status_code == 200
    assert [one[0] for one in board.acts()] == ["wall_opened", "session_ended"]


def test_nobody_ends_a_session_of_somebody_else(board: Board):
    hung_up(board)
    owner = board.made.signs_in("supervisor", staff=board.client.staff, app=board.app)
    (name,) = re.findall(r'name="session" value="(\w+)"', owner.get("/compte").text)
    other = board.made.signs_in("supervisor", app=board.app)
    other.post("/compte/fin", data={"session": name})
    other.post("/compte/fin", data={"session": ""})
    assert board.client.get("/supervision/mur/etat", headers=JSON).status_code == 200


def test_a_wall_is_opened_only_with_a_password_given_a_moment_ago(board: Board):
    unattended(board, minutes=11)
    answer = board.client.post("/supervision/mur")
    assert answer.headers["Location"].startswith("/compte/preuve?next=")
    assert board.client.get("/compte").status_code == 200
    assert board.acts() == []


def test_a_wall_ends_with_its_owners_sessions_and_role(board: Board):
    staff = board.client.staff
    assert staff is not None
    wall = hung_up(board)
    accounts.change_role(board.made.store, staff.login, "agent")
    assert wall.get("/supervision/mur/etat", headers=JSON).status_code == 401


def test_a_supervisor_who_talks_keeps_no_wall_up_for_longer(board: Board):
    made = board.made
    board.writes()
    wall = hung_up(board)
    with made.database.transaction() as connection:
        agent_rows.begin(connection, made.clock, board.who)
        connection.execute(agent.update().values(state="talking"))
    clock_of(made).advance(timedelta(hours=12, seconds=1))
    assert wall.get("/supervision/mur/etat", headers=JSON).status_code == 401


# ---------------------------------------------------------------- what was


def csv_of(answer: Any) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.data.startswith("\ufeff".encode())
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig")), delimiter=";"))


def test_quarters_are_exported_by_days_of_paris_and_it_is_written_down(board: Board):
    now = board.made.clock.now()
    with board.made.database.transaction() as connection:
        for hours, calls in ((-9.25, 1), (-9, 2), (-1, 4), (15, 8)):
            tallies.write(connection, now + timedelta(hours=hours), {("calls", ""): calls})
    rows = csv_of(board.client.get("/supervision/export.csv?from=2026-11-25&to=2026-11-25"))
    assert [(row["at_paris"], row["value"]) for row in rows] == [
        ("2026-11-25 00:00", "2"),
        ("2026-11-25 08:00", "4"),
    ]
    assert rows[0]["at_utc"] == "2026-11-24T23:00:00Z"
    assert {row["complete"] for row in rows} == {"yes"}
    assert board.acts()[-1][:2] == ("export", "quarters")


def test_a_file_of_today_has_the_quarter_that_runs_and_every_digit(board: Board):
    board.waits()
    with board.made.database.transaction() as connection:
        tallies.write(
            connection, board.made.clock.now() - timedelta(hours=1), {("calls", ""): 1_234_567}
        )
        gone = {"state": "left", "outcome": "hung_up", "ended_at": board.made.clock.now()}
        connection.execute(queue_entry.update().values(**gone))
    clock_of(board.made).advance(timedelta(minutes=5))
    rows = csv_of(board.client.get("/supervision/export.csv"))
    assert [(row["name"], row["value"], row["complete"]) for row in rows] == [
        ("calls", "1234567", "yes"),
        ("abandoned", "1", "no"),
    ]


def test_acts_are_exported_and_no_text_of_somebodys_becomes_a_formula(board: Board):
    board.does("/files", what="announcement", queue="fr", announcement="=1+2")
    rows = csv_of(board.client.get("/supervision/export.csv?quoi=acts"))
    assert {row["after"] for row in rows if row["what"] == "queue_announcement"} == {"'=1+2"}
    assert {row["staff_id"] for row in rows} == {board.who}


def test_what_an_agent_typed_to_find_somebody_leaves_in_no_file(board: Board):
    """The words may name who rang. They are read where their readers are known, and age there."""
    reason = "Mme Durand demande son heure"
    with board.made.database.transaction() as connection:
        for what in ("read_file", "searched", "search_limit"):
            record_act(connection, board.made.store, "anna", what, "b1", reason)
    answer = board.client.get("/supervision/export.csv?quoi=acts")
    rows = csv_of(answer)
    assert {row["what"] for row in rows} >= {"read_file", "searched", "search_limit"}
    assert "Durand" not in answer.text
    # Supervisors answer for how their agents search; operators look after machines.
    assert board.client.get("/supervision/actes").text.count("Mme Durand") == 3
    operator = board.made.signs_in("operator", app=board.app)
    assert "Durand" not in operator.get("/supervision/actes").text


@pytest.mark.parametrize(
    "asked",
    ["from=2026-11-25&to=2026-11-24", "from=2026-01-01&to=2026-11-25", "from=x", "from=0001-01-01"],
)
def test_an_export_has_a_month_at_most(board: Board, asked: str):
    assert board.client.get(f"/supervision/export.csv?{asked}").status_code == 400


def test_history_has_every_quarter_of_a_day_and_knows_what_was_not_counted(board: Board):
    now = board.made.clock.now()
    with board.made.database.transaction() as connection:
        counts = {
            ("answered", "fr"): 4,
            ("waited", "fr"): 480,
            ("booked", "web"): 3,
            ("booked", "phone"): 2,
        }
        tallies.write(connection, now, counts)
    found = board.history()
    at = found["today"]["times"].index("09:00")
    assert found["today"]["wait"][at] == 2
    assert found["today"]["booked"][at] == 5
    assert found["today"]["booked"][at + 1] is None
    assert found["days"] == [
        {"day": "2026-11-25", "calls": 0, "booked": 5, "answered": 4, "in_time": 0,
         "abandoned": 0, "called_back": 0, "taken_over": 0, "undelivered": 0}
    ]  # fmt: skip
    long_day = board.history("?jour=2026-10-25")
    assert len(long_day["today"]["times"]) == 100
    short_day = board.history("?jour=2026-03-29")
    assert len(short_day["today"]["times"]) == 92


def test_all_that_sets_something_can_be_undone(board: Board):
    assert set(CAN_BE_UNDONE) < set(ACTS)


@pytest.mark.parametrize(
    ("in_time", "answered", "abandoned", "verdict"),
    [(95, 100, 0, "good"), (95, 100, 10, "watch"), (10, 10, 90, "bad"), (0, 0, 5, "bad"),
     (50, 100, 0, "bad"), (0, 0, 0, "none")],
)  # fmt: skip
def test_the_tile_is_not_green_while_callers_give_up(in_time, answered, abandoned, verdict):
    today = {
        ("in_time", "fr"): in_time,
        ("answered", "fr"): answered,
        ("abandoned", "fr"): abandoned,
    }
    seen = BoardFigures(today, None, {}, None, {}, {}, {})
    assert served(seen)["verdict"] == verdict
