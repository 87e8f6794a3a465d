"""While the store does not answer, the public is told so, keeps what it typed, and can ring."""

from __future__ import annotations

import threading

from collections.abc import Callable
from typing import Any

import pytest

from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoneLeft

from models.database import Database
from services.public.store_answers import AGAIN, STUCK, StoreAnswers
from tests.online.visitors import BORN, Visitor
from tests.public.test_state import Stopped, without_store
from tests.support.house import BASE, House, mornings

LINK = "/r/AAAAAAAAAAAAAAA"


@pytest.fixture
def open_house(made: House) -> House:
    made.opens_centre("1", starts=mornings(3), capacity=5)
    return made


def answers_of(made: House) -> StoreAnswers:
    found: StoreAnswers = made.app.extensions["allo_store_answers"]
    return found


def test_every_page_says_so_in_the_persons_language_and_goes_on_afterwards(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("joindre")
    hidden, mine = visitor.hidden, {"reference": "0123456789", **BORN}
    # A token of ours, so that the store is asked for it.
    monkeypatch.setattr("services.short_links.Links.read", lambda *_: "0123456789")
    ticks = [100.0]
    monkeypatch.setattr(answers_of(open_house), "_ticks", lambda: ticks[0])
    with without_store(open_house, monkeypatch):
        for path in ("/rendez-vous/joindre", "/rendez-vous/rendez-vous.ics"):
            ticks[0] += AGAIN
            visitor.goes(path)
            assert (visitor.status, visitor.answer.headers["Retry-After"]) == (503, "5")  # type: ignore[union-attr]
            visitor.reads("Le service ne répond pas en ce moment", "+33974750001", 'id="again"')
            visitor.goes(f"{path}?lang=en").reads(
                "The service does not answer at the moment", "Try again"
            )
            assert visitor.status == 503
        for path, form in (
            ("/rendez-vous/joindre", {"number": "06 12 <b>", **hidden}),
            ("/rendez-vous", {"whom": "self"}),
            ("/mon-rendez-vous", mine),
            ("/centres", {"where": "75011"}),
            (LINK, BORN),
        ):
            ticks[0] += AGAIN
            visitor.client.delete_cookie("__Host-allo-lang", domain="allo.example")
            visitor.sends(path, **form)
            assert visitor.status == 503, path
            assert visitor.answer is not None
            assert visitor.answer.headers["Cache-Control"] == "no-store"
            visitor.reads(f'<form method="post" action="{path}">', "gardé dans cette page")
            for name, value in form.items():
                text = value.replace("<", "&lt;").replace(">", "&gt;")
                visitor.reads(f'<input type="hidden" name="{name}" value="{text}">')
        assert visitor.goes("/").status == 200
    # It is noticed by itself, and what the page kept is enough to go on.
    ticks[0] += AGAIN
    visitor.sends("/rendez-vous/joindre", number="0612345678", **hidden)
    assert (visitor.status, visitor.path) == (200, "/rendez-vous/confirmer")


def test_scripts_are_told_so_too_and_a_page_that_asks_by_itself_goes_on_asking(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    visitor = Visitor(open_house).comes_to("joindre")
    headers = {"Origin": BASE, "HX-Request": "true", "Accept": "*/*"}
    form = {"number": "0612345678", **visitor.hidden}
    agent = open_house.signs_in("agent")
    with without_store(open_house, monkeypatch):
        boosted = visitor.client.post(
            "/rendez-vous/joindre",
            base_url=BASE,
            data=form,
            headers=headers | {"HX-Boosted": "true"},
        )
        polled = visitor.client.get("/rendez-vous/demande", base_url=BASE, headers=headers)
        screen = agent.get("/poste/etat")
    assert (boosted.status_code, polled.status_code) == (503, 503)
    assert 'name="number" value="0612345678"' in boosted.text
    assert polled.headers["HX-Reswap"] == "none"
    assert (screen.status_code, screen.headers["Retry-After"]) == (503, "5")


def test_a_form_with_a_password_is_never_given_back(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    client = open_house.application().test_client()
    page = client.get("/connexion", base_url=BASE)
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    with without_store(open_house, monkeypatch):
        answer = client.post(
            "/connexion",
            base_url=BASE,
            headers={"Origin": BASE},
            data={"login": "agent1", "password": "a secret of theirs", "csrf_token": token},
        )
    assert answer.status_code == 503
    assert "a secret of theirs" not in answer.text


def test_a_mistake_of_ours_is_none_of_the_stores(
    open_house: House, monkeypatch: pytest.MonkeyPatch
):
    def wrong(*_: object) -> None:
        raise ProgrammingError("select", {}, Stopped())

    visitor = Visitor(open_house).comes_to("joindre")
    monkeypatch.setattr("services.online.web_sessions.load", wrong)
    assert visitor.goes("/rendez-vous/joindre").status == 500
    assert answers_of(open_house).answers()


# ---------------------------------------------------------------- held up by nobody


class Slow:
    """A store that a test lets answer, or not."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = OperationalError("ping", {}, Stopped())
        self.during: Callable[[], None] = lambda: None

    def renew(self) -> None:
        pass

    def ping(self) -> None:
        self.asked += 1
        self.during()
        if self.error:
            raise self.error


def test_once_it_failed_one_asks_for_all_and_the_others_do_not_wait():
    store, now = Slow(), [0.0]
    answers = StoreAnswers(store, ticks=lambda: now[0])  # type: ignore[arg-type]
    assert answers.answers()
    assert store.asked == 0
    answers.failed()
    assert not answers.answers()
    assert store.asked == 0
    now[0] += AGAIN
    others: list[bool] = []
    # While one asks, and however long that takes, nobody else does.
    store.during = lambda: others.extend(answers.answers() for _ in range(5))
    assert not answers.answers()
    assert (store.asked, others) == (1, [False] * 5)
    assert not answers.answers()
    store.error, store.during = None, lambda: None
    now[0] += AGAIN
    assert answers.answers()
    assert answers.answers()
    assert store.asked == 2


def test_what_is_meant_by_not_answering():
    from models.database import does_not_answer  # noqa: PLC0415

    class NoSuchTable(Exception):
        sqlstate = "42P01"

    class InTheWay(Exception):
        sqlstate = "40P01"

    def error(original: Exception) -> OperationalError:
        return OperationalError("select", {}, original)

    assert does_not_answer(error(Stopped()))
    assert does_not_answer(error(InTheWay()))
    assert does_not_answer(NoneLeft())
    assert not does_not_answer(ProgrammingError("select", {}, NoSuchTable()))
    assert not does_not_answer(ProgrammingError("select", {}, Stopped()))
    assert not does_not_answer(ValueError())


def test_whoever_is_stuck_in_a_store_that_hangs_is_set_free(database_url: str):
    """Its server takes what is asked and says nothing: no time limit of its own ends that."""
    from sqlalchemy import text  # noqa: PLC0415

    database = Database(database_url)
    ready, errors = threading.Event(), list[Exception]()

    def asks() -> None:
        try:
            with database.statement() as connection:
                # Longer than anybody waits; the limit of a statement is the server's own to keep.
                connection.execute(text("SET statement_timeout = 0"))
                ready.set()
                connection.execute(text("SELECT pg_sleep(60)"))
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=asks)
    thread.start()
    assert ready.wait(20)
    try:
        while thread.is_alive():
            assert thread.ident is not None
            database.set_free(thread.ident)
            thread.join(0.05)
        (error,) = errors
        from models.database import does_not_answer  # noqa: PLC0415

        assert does_not_answer(error)
        # The next one has a connection that works.
        database.ping()
        database.set_free(threading.get_ident())
        database.ping()
    finally:
        database.dispose()


def test_requests_that_take_too_long_are_the_ones_set_free():
    freed, now = list[int](), [50.0]
    database: Any = Slow()
    database.set_free = freed.append
    answers = StoreAnswers(database, ticks=lambda: now[0])
    with answers.under_watch():
        answers.look()
        assert freed == []
        now[0] += STUCK + 0.1
        answers.look()
        assert freed == [threading.get_ident()]
    answers.look()
    assert len(freed) == 1
