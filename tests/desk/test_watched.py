"""Watched names: whoever opens the file of one is told to supervisors, and nobody can read them."""

from __future__ import annotations

from datetime import date

import pytest

from models.desk.tables import watched_name
from models.supervision import alerts
from services.accounts import staff as accounts
from services.accounts.staff import read_acts
from services.desk import watched
from tests.desk.test_desk import FORM, KNOWN, Desk, busy, choose, desk, idle, opens
from tests.support.house import House
from tests.support.rows import dump

__all__ = ["busy", "desk"]

BORN = date(1942, 3, 12)


def raised(made: House) -> list[tuple[str, float]]:
    with made.database.statement() as connection:
        return [(one.name, one.value) for one in alerts.raised(connection)]


def opened_by(made: House) -> list[str]:
    return [one.act.staff_id for one in read_acts(made.store) if one.act.what == watched.OPENED]


@pytest.fixture
def named(busy: Desk) -> Desk:
    """The caller is booked under a name, and has rung off."""
    form, _ = choose(busy, name1="Mme Odétte DURAND")
    busy.does("/reserver", **form)
    busy.posts("/raccrocher")
    return busy


@pytest.mark.parametrize("name", ["Odette Durand", "durand", "DURAND Jeanne", "Odette"])
def test_whoever_finds_and_opens_a_watched_file_is_told_of(named: Desk, name: str):
    made = named.made
    watched.watch(made.store, name, BORN)
    other = idle(named)
    found = other.does("/chercher", **KNOWN)
    # What is masked is not read.
    assert raised(made) == []
    opens(other, found)
    assert raised(made) == [("watched_file", 1)]
    assert opened_by(made) == [other.staff.id]
    opens(other, found)
    assert raised(made) == [("watched_file", 2)]


@pytest.mark.parametrize(
    ("name", "born"), [("Odette Durand", date(1943, 3, 12)), ("Jeanne Martin", BORN)]
)
def test_nobody_else_is_meant(named: Desk, name: str, born: date):
    watched.watch(named.made.store, name, born)
    other = idle(named)
    opens(other, other.does("/chercher", **KNOWN))
    assert raised(named.made) == []


def test_with_the_caller_on_the_line_it_is_told_as_well(named: Desk):
    made = named.made
    watched.watch(made.store, "Odette Durand", BORN)
    other = Desk(made)
    other.has(None, id="f" * 32)
    other.does("/offres", **FORM)
    assert raised(made) == [("watched_file", 1)]
    assert opened_by(made) == [other.staff.id]


def test_no_name_can_be_read_in_the_store_and_ending_the_watch_ends_it(named: Desk):
    made = named.made
    watch_id = watched.watch(made.store, "Odette Durand", BORN, by="maxence")
    with made.database.statement() as connection:
        rows = connection.execute(watched_name.select()).all()
    assert len(rows) == 2
    assert "urand" not in dump(made.database.url.render_as_string(hide_password=False)).lower()
    assert watched.unwatch(made.store, watch_id)
    assert not watched.unwatch(made.store, watch_id)
    other = idle(named)
    opens(other, other.does("/chercher", **KNOWN))
    assert raised(made) == []


def test_a_supervisor_enters_a_name_and_takes_it_away(made: House):
    browser = made.signs_in("supervisor")
    page = browser.post("/supervision/noms", data={"name": "Odette Durand", "born": "12031942"})
    assert page.status_code == 303
    (one,) = watched.everyone(made.store)
    assert browser.staff is not None
    assert one.who == browser.staff.id
    shown = browser.get("/supervision/noms").text
    assert one.id[:8] in shown
    assert "Durand" not in shown
    for wrong in ({"name": "Odette", "born": "x"}, {"name": "Li", "born": "12031942"}):
        assert browser.post("/supervision/noms", data=wrong).status_code == 400
    browser.post("/supervision/noms/retirer", data={"watch": one.id})
    assert watched.everyone(made.store) == []
    acts = [act.act.what for act in accounts.read_acts(made.store)]
    assert acts[:2] == ["name_unwatched", "name_watched"]


def test_an_operator_enters_a_name_that_is_in_no_argument(made: House):
    def flask(*arguments: str, stdin: str = "") -> str:
        runner = made.app.test_cli_runner()
        return str(runner.invoke(args=["staff", *arguments], input=stdin).output)

    flask("watch", stdin="Odette Durand\n1942-03-12\n")
    (one,) = watched.everyone(made.store)
    assert one.id in flask("watched")
    assert "birth date is written like" in flask("watch", stdin="Odette Durand\n12/03/42\n")
    assert "four letters" in flask("watch", stdin="Li\n1942-03-12\n")
    flask("unwatch", one.id)
    assert "0 watched names" in flask("watched")
    assert "no watched name" in flask("unwatch", one.id)
