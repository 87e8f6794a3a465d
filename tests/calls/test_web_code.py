"""What was begun on the site is finished by telephone, and what was begun there, on the site.

One appointment, never two.
"""

from __future__ import annotations

import re
import threading

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.booking.tables import history
from models.online import web_sessions as visit_rows
from models.online.tables import visit
from models.slots.tables import place
from services.call import resume_call
from services.call.resume_call import CODE_TRIES, VISIT_CODE_LIVES
from services.online import web_sessions
from services.online.web_sessions import for_web
from services.store import ReachLimits
from services.work import Work
from tests.online.visitors import BORN, OTHER_DAY, Visitor, link_in, text_to
from tests.support.house import (
    LANDLINE,
    MOBILE,
    WITHHELD,
    CountingChance,
    House,
    Phone,
    house,
    mornings,
)
from tests.support.rows import clock_of

MINUTE = timedelta(minutes=1)
_CODE = re.compile(r">(\d\d) (\d\d) (\d\d)<")
CODE_PAGE = "/rendez-vous/telephone"


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url, links=True, reach=ReachLimits()) as one:
        for gid in ("1", "2", "3"):
            one.opens_centre(gid, kilometres=int(gid), starts=mornings(5), capacity=2)
        yield one


def code_of(visitor: Visitor) -> str:
    visitor.presses(CODE_PAGE).reads("tapez 7")
    found = _CODE.search(visitor.page)
    assert found, visitor.page
    return "".join(found.groups())


def gives(made: House, code: str, number: str = LANDLINE) -> Phone:
    return made.phone(number).dials().answers("7", code)


def outcomes(made: House) -> list[str]:
    with made.database.statement() as connection:
        statement = select(visit.c.outcome).order_by(visit.c.created_at)
        return list(connection.execute(statement).scalars())


def holders(made: House) -> set[str]:
    statement = select(place.c.held_by).where(place.c.hold_expires_at > made.clock.at())
    with made.database.statement() as connection:
        return set(connection.execute(statement).scalars())


# ------------------------------------------------------------------ from the site to the telephone


def test_a_visit_is_finished_by_telephone_with_its_place_and_ends_on_the_site(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    code = code_of(visitor)
    # The page is left open, and nobody hurries.
    clock_of(made).advance(6 * MINUTE)
    caller = gives(made, code).hears_text("Un rendez-vous a été commencé avec ce code")
    spoken = " ".join(caller.spoken)
    assert "1942" not in spoken
    caller.answers("1")
    assert caller.step == "confirm"
    assert holders(made) == {caller.sid}
    # Its next page says so, whatever it does.
    visitor.goes("/rendez-vous/confirmer").reads("Vous continuez par téléphone")
    visitor.goes("/rendez-vous/creneaux").reads("Vous continuez par téléphone")
    assert made.bookings() == []
    caller.answers("1")
    (booked,) = made.bookings()
    assert booked.channel == "phone"
    assert outcomes(made) == ["taken_up"]


def test_what_was_not_chosen_yet_goes_on_where_it_was(made: House):
    visitor = Visitor(made).comes_to("commune")
    caller = gives(made, code_of(visitor), WITHHELD).hears_text("ses réponses sont gardées")
    caller.answers("1")
    assert caller.step == "postcode"
    caller.answers("75011")
    assert caller.step == "offers"


def test_the_form_that_is_sent_after_the_telephone_took_over_books_nothing(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    form = visitor.hidden
    code = code_of(visitor)
    gives(made, code).answers("1")
    visitor.sends("/rendez-vous/confirmer", **form).reads("Vous continuez par téléphone")
    assert made.bookings() == []


def test_a_booked_visit_has_no_code_and_an_old_code_finds_nothing(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    form = visitor.hidden
    code = code_of(visitor)
    visitor.sends("/rendez-vous/confirmer", **form)
    assert len(made.bookings()) == 1
    caller = gives(made, code).hears_text("Je ne peux rien reprendre avec ce code")
    assert caller.step == "resume_code"
    assert len(made.bookings()) == 1


def test_wrong_codes_old_codes_and_codes_of_others_are_one_and_the_same_no(made: House):
    visitor = Visitor(made).comes_to("joindre")
    first = code_of(visitor)
    # Asked again it is another, and the first counts no more.
    visitor.goes("/rendez-vous/joindre")
    second = code_of(visitor)
    assert first != second
    caller = gives(made, first).hears_text("Je ne peux rien reprendre avec ce code")
    caller.answers("999999").hears_text("Ce code ne permet pas de reprendre")
    caller.answers("999998").hears_text("Continuons sans ce code")
    assert CODE_TRIES == 3
    clock_of(made).advance(VISIT_CODE_LIVES + MINUTE)
    gives(made, second).hears_text("Je ne peux rien reprendre avec ce code")


def test_a_code_is_used_once_but_by_whose_line_was_cut(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    code = code_of(visitor)
    caller = gives(made, code, WITHHELD).answers("1")
    assert caller.step == "confirm"
    gives(made, code, LANDLINE).hears_text("Je ne peux rien reprendre avec ce code")
    caller.hangs_up()
    again = gives(made, code, WITHHELD).answers("1")
    assert again.step == "confirm"
    again.answers("1")
    assert len(made.bookings()) == 1


def test_nothing_begun_gives_no_code(made: House):
    visitor = Visitor(made).sends("/rendez-vous", whom="self")
    # Who it is for is all that is known: enough to go on with.
    visitor.presses(CODE_PAGE)
    stranger = Visitor(made).sends(CODE_PAGE, token="x")
    assert stranger.path == "/rendez-vous"


def test_for_two_the_first_is_booked_on_the_site_and_the_second_by_telephone(made: House):
    visitor = Visitor(made).sends("/rendez-vous", whom="two")
    for slug, form in (
        ("naissance", BORN),
        ("commune", {"where": "75011"}),
        ("creneaux", {}),
        ("joindre", {"number": "0612345678"}),
        ("confirmer", {}),
        ("fait", {"wish": "second"}),
    ):
        assert visitor.path.endswith(slug), (visitor.path, slug, visitor.page)
        chosen = {"place": visitor.places[0]} if slug == "creneaux" else {}
        visitor.presses(f"/rendez-vous/{slug}", **form, **chosen)
    assert visitor.path.endswith("naissance"), visitor.path
    caller = gives(made, code_of(visitor)).answers("1")
    assert caller.step == "date_of_birth"
    visitor.goes("/rendez-vous/naissance").reads("Vous continuez par téléphone")
    caller.answers("12041943", "1")
    while caller.step not in {"reference", "ready"}:
        caller.answers("2" if caller.step == "reach" else "1")
    assert len(made.bookings()) == 2


@pytest.mark.parametrize("first", ["site", "telephone"])
def test_confirmed_there_while_it_is_taken_up_here_is_one_appointment(made: House, first: str):
    """Both are asked at once: whoever has the visit first has it, and the other does nothing."""
    visitor = Visitor(made).comes_to("confirmer")
    form = visitor.hidden
    code = code_of(visitor)
    caller = gives(made, code)
    assert caller.step == "resume"
    together = threading.Barrier(2)
    came: list[Any] = []

    def there() -> None:
        together.wait()
        came.append(visitor.sends("/rendez-vous/confirmer", **form).page)

    thread = threading.Thread(target=there)
    thread.start()
    if first == "telephone":
        together.wait()
        caller.answers("1")
        thread.join()
    else:
        together.wait()
        thread.join()
        caller.answers("1")
    if caller.step == "confirm":
        caller.answers("1")
    assert len(made.bookings()) == 1
    assert outcomes(made)[0] in {"booked", "taken_up"}
    by_telephone = made.bookings()[0].channel == "phone"
    assert ("Vous continuez par téléphone" in came[0]) == by_telephone


class Slow(CountingChance):
    """Waits in the middle of a confirmation, where the reference is drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_go = threading.Event(), threading.Event()
        self.may_go.set()

    def reference(self) -> str:
        self.asked.set()
        assert self.may_go.wait(10)
        return super().reference()


def test_the_first_of_two_is_booked_there_while_it_is_taken_up_here(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """What a visit was left with is read after it was ended: read before, it would be old.

    On PostgreSQL: the other one lets nobody begin to take it up while somebody confirms.
    """
    chance = Slow()
    with house(database_url, links=True, chance=chance) as made:
        made.opens_centre("1", kilometres=1, starts=mornings(3), capacity=4)
        visitor = Visitor(made).sends("/rendez-vous", whom="two")
        visitor.presses("/rendez-vous/naissance", **BORN)
        visitor.presses("/rendez-vous/commune", where="75011")
        visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
        visitor.presses("/rendez-vous/joindre", number="0612345678")
        form = visitor.hidden
        code = code_of(visitor)
        caller = gives(made, code)
        ending, end = threading.Event(), visit_rows.end

        def noted(*arguments: Any) -> bool:
            ending.set()
            return bool(end(*arguments))

        monkeypatch.setattr(visit_rows, "end", noted)
        chance.asked.clear()
        chance.may_go.clear()
        there = threading.Thread(target=lambda: visitor.sends("/rendez-vous/confirmer", **form))
        here = threading.Thread(target=lambda: caller.answers("1"))
        there.start()
        assert chance.asked.wait(10)
        here.start()
        assert ending.wait(10)
        chance.may_go.set()
        there.join()
        here.join()
        # The telephone knows that the first is booked, and goes on from there.
        assert caller.step == "untold_birth_date"
        assert [one.channel for one in made.bookings()] == ["web"]
        visitor.goes("/rendez-vous/fait").reads("Vous continuez par téléphone", "45 21")


def test_what_was_booked_meanwhile_is_not_taken_up(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    form = visitor.hidden
    code = code_of(visitor)
    campaign = for_web(made.campaign)
    with made.database.transaction() as connection:
        earlier = resume_call.of_code(connection, made.store, code)
        assert earlier is not None
    visitor.sends("/rendez-vous/confirmer", **form)
    with made.database.transaction() as connection:
        # Booked meanwhile: nothing is taken up, and the visit stays as it is.
        taken = resume_call.take_up(Work(connection, made.store, campaign), "Wother", earlier)
        assert taken is None
    assert outcomes(made) == ["booked"]
    assert web_sessions.load(made.store, earlier) is not None


# ------------------------------------------------------------------ from the telephone to the site


def cut(made: House) -> str:
    """Somebody hung up between the choice and its confirmation; the link that was written."""
    made.phone(MOBILE).goes_to("confirm").hangs_up()
    text = text_to(made)
    assert "09 74 75 00 01" in text
    return link_in(text)


def test_a_call_that_was_cut_is_finished_on_the_site_with_its_place(made: House):
    link = cut(made)
    assert link.startswith("/s/")
    Visitor(made).goes(link).reads("Terminer votre rendez-vous")
    wrong = Visitor(made).opens_link(link, **OTHER_DAY)
    assert wrong.status == 422
    visitor = Visitor(made).opens_link(link)
    assert visitor.path.endswith("/confirmer"), visitor.path
    visitor.reads("Salle des fêtes")
    # Opened twice, on another device, it is the same visit.
    other = Visitor(made).opens_link(link)
    form = other.hidden
    visitor.presses("/rendez-vous/confirmer").reads("Référence")
    other.sends("/rendez-vous/confirmer", **form)
    (booked,) = made.bookings()
    assert booked.channel == "web"


def test_whoever_rings_again_was_quicker_and_the_link_says_no_like_any(made: House):
    link = cut(made)
    again = made.phone(MOBILE).dials().answers("1")
    assert again.step == "confirm"
    assert Visitor(made).opens_link(link).status == 422
    again.answers("1")
    assert len(made.bookings()) == 1


# ------------------------------------------------------------------ one store


def test_booked_on_the_site_and_moved_by_telephone(made: House):
    visitor = Visitor(made).comes_to("confirmer")
    visitor.presses("/rendez-vous/confirmer")
    (booked,) = made.bookings()
    assert booked.channel == "web"
    caller = made.phone(LANDLINE).asks_for_theirs().answers(booked.reference, "1", "12031942", "1")
    assert caller.step == "my_menu"
    caller.answers("2", "1", "1")
    (moved,) = made.bookings()
    assert moved.start_at != booked.start_at or moved.centre_id != booked.centre_id
    with made.database.statement() as connection:
        rows = connection.execute(select(history.c.what, history.c.channel).order_by(history.c.id))
        assert [tuple(row) for row in rows] == [("booked", "web"), ("moved", "phone")]
