"""/mon-rendez-vous and links: nothing is told to a guesser, and every change is one change."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import event, select

from models.attempts import attempt
from models.booking.tables import booking, history
from models.online.tables import visit
from services.attempts import TRIES_A_DAY
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.online.attempts import WISHES_A_REFERENCE, WRONG_A_PLACE
from tests.online.visitors import BORN, OTHER_DAY, Visitor, link_in, text_to
from tests.support.house import (
    BASE,
    LANDLINE,
    MOBILE,
    House,
    a_mobile,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import clock_of
from tests.support.statements import statements

ANOTHER = "/r/000000000000000"


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url, links=True) as one:
        one.opens_centre("1", kilometres=0.4, starts=mornings(6), capacity=2)
        yield one


def booked(made: House, number: str = MOBILE) -> tuple[str, str]:
    """Somebody booked by telephone, with a text: reference, and the link of it."""
    made.phone(number).goes_to("reach").answers("1").books()
    row = made.bookings()[-1]
    texts = [made.text_of(one) for one in made.messages("sms")]
    return row.reference, link_in(texts[-1]) if texts else ""


def asks(visitor: Visitor, reference: str, **born: str) -> Visitor:
    return visitor.sends("/mon-rendez-vous", reference=reference, **(born or BORN))


def changes_of(made: House) -> list[str]:
    with made.database.statement() as connection:
        rows = connection.execute(select(history.c.what, history.c.channel).order_by(history.c.id))
        return [f"{row.what} {row.channel}" for row in rows]


def state_of(made: House) -> list[str]:
    with made.database.statement() as connection:
        return list(connection.execute(select(booking.c.state)).scalars())


# ------------------------------------------------------------------ a text, and nothing else


def test_a_text_with_a_link_goes_to_the_number_on_file_and_the_page_tells_nothing(made: House):
    reference, _ = booked(made)
    before = len(made.messages("sms"))
    somebody = asks(Visitor(made), reference[:5] + " " + reference[5:])
    somebody.reads("Regardez votre téléphone")
    (text,) = made.messages("sms")[before:]
    assert made.woken.messages[-1] == text.id
    body = made.text_of(text)
    assert text.recipient_idx == made.store.vault.index("phone", MOBILE)
    Visitor(made).opens_link(link_in(body)).reads("Votre rendez-vous", "Salle des fêtes")


def test_known_and_unknown_get_the_same_bytes_the_same_work_and_the_same_headers(made: House):
    reference, _ = booked(made)
    unknown = "9876543210"
    told = {}
    for name, asked, born in (
        ("known", reference, BORN),
        ("wrong date", reference, OTHER_DAY),
        ("unknown", unknown, BORN),
    ):
        with statements(made.database) as sent:
            visitor = asks(Visitor(made, address="192.0.2.200"), asked, **born)
        assert visitor.answer is not None
        headers = [header for header in visitor.answer.headers if header[0] != "Date"]
        told[name] = (visitor.page, headers, visitor.path, sent)
    assert told["known"] == told["unknown"] == told["wrong date"]
    # The tries are waited for and counted; the booking and its appointments, where
    # they are, texts and others of the number are read; tries and text are written, or taken back.
    assert len(told["known"][3]) == 10


def test_a_wrong_date_an_unknown_reference_and_a_landline_bring_no_text(made: House):
    reference, _ = booked(made)
    landline = made.phone(LANDLINE).books()
    assert landline.ended
    before = len(made.messages("sms"))
    visitor = Visitor(made)
    asks(visitor, reference, **OTHER_DAY)
    asks(visitor, "9876543210")
    asks(visitor, made.bookings()[-1].reference)
    visitor.reads("Regardez votre téléphone")
    assert len(made.messages("sms")) == before


def test_texts_are_limited_by_reference_and_the_page_stays_the_same(made: House):
    reference, _ = booked(made)
    before = len(made.messages("sms"))
    pages = set()
    for number in range(WISHES_A_REFERENCE + 2):
        pages.add(asks(Visitor(made, address=f"198.51.100.{number}"), reference).page)
        clock_of(made).advance(timedelta(minutes=11))
    assert len(pages) == 1
    assert len(made.messages("sms")) - before == WISHES_A_REFERENCE


def test_what_was_typed_stays_and_the_error_says_what_to_do(made: House):
    visitor = Visitor(made).sends("/mon-rendez-vous", reference="12345", **BORN)
    assert visitor.status == 422
    visitor.reads("La référence a dix chiffres", 'value="12345"', 'value="1942"', 'role="alert"')
    visitor.sends("/mon-rendez-vous", reference="4521000001", day="31", month="2", year="1942")
    visitor.reads("Cette date n’existe pas")
    visitor.sends("/mon-rendez-vous", reference="", day="", month="", year="")
    visitor.reads("Écrivez les dix chiffres")
    visitor.goes("/mon-rendez-vous?lang=en").reads("Find my appointment")


# ------------------------------------------------------------------ links


def test_a_link_tells_nothing_without_the_birth_date_and_every_no_is_the_same(made: House):
    _, link = booked(made)
    # But for the drawing of their own address, which is all that the code to show at a door has.
    shown, other = (
        re.sub(r'(class="modules"[^>]* d=")[^"]*', r"\1", Visitor(made).goes(one).page)
        for one in (link, ANOTHER)
    )
    assert shown == other.replace(ANOTHER, link)
    assert shown.count("modules") == 1
    pages = {
        "wrong date": Visitor(made).opens_link(link, **OTHER_DAY),
        "made up": Visitor(made).opens_link(ANOTHER, **OTHER_DAY),
    }
    clock_of(made).advance(timedelta(days=60))
    pages["expired"] = Visitor(made).opens_link(link, **OTHER_DAY)
    told = {(one.page.replace(ANOTHER, link), one.status) for one in pages.values()}
    assert len(told) == 1
    assert "ne vont pas ensemble" in told.pop()[0]


def test_an_appointment_whose_place_closes_is_shown_as_such(made: House):
    """Also to whoever has the page open: a closing is no change of their booking."""
    _, link = booked(made)
    early = Visitor(made).opens_link(link).reads("Votre rendez-vous")
    life = CentreLife(made.store, Campaigns.fixed(made.campaign))
    life.close_centre("1", OperationRequest("no heating"))
    for visitor in (early.goes(early.path), Visitor(made).opens_link(link)):
        visitor.reads("n’aura pas lieu", "Une personne vous appellera", "Déplacer")
        assert "Ajouter à mon agenda" not in visitor.page


def test_a_place_out_of_reach_is_shown_with_its_distance_and_is_accepted(made: House):
    _, link = booked(made)
    made.opens_centre("9", name="Palais", kilometres=130.0, starts=mornings(6))
    made.opens_centre("2", name="Halle", kilometres=8.0, starts=mornings(6))
    life = CentreLife(made.store, Campaigns.fixed(made.campaign))
    life.close_centre("2", OperationRequest("no heating"))
    life.close_centre("1", OperationRequest("no heating"))
    visitor = Visitor(made).opens_link(link)
    visitor.reads("à 130 km", "Si vous ne faites rien, elle reste la vôtre", "Palais", "Déplacer")
    visitor.presses("/mon-rendez-vous/voir", wish="take").reads("bien le vôtre", "Palais")
    assert "130 km" not in visitor.page
    assert changes_of(made)[-2:] == ["moved supervisor", "said_yes web"]


def test_another_place_is_shown_as_one(made: House):
    _, link = booked(made)
    made.opens_centre("2", name="Halle", kilometres=8.0, starts=mornings(6))
    life = CentreLife(made.store, Campaigns.fixed(made.campaign))
    life.close_centre("1", OperationRequest("no heating"))
    Visitor(made).opens_link(link).reads("Le lieu a changé.", "Halle")


def test_a_link_that_was_made_up_costs_no_question_to_the_database(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    visitor = Visitor(made)
    connection = made.database._connection

    def taken(engine: Any) -> Any:
        asked.append("a connection")
        return connection(engine)

    monkeypatch.setattr(made.database, "_connection", taken)
    for engine in made.database.engines:
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
        event.listen(engine, "checkout", lambda *_told: asked.append("checkout"))
        event.listen(engine, "begin", lambda *_told: asked.append("begin"))
    visitor.opens_link(ANOTHER).goes(ANOTHER)
    assert asked == []
    with made.database.statement():
        assert "a connection" in asked


def test_guesses_are_counted_and_the_right_date_opens_nothing_after_five(made: House):
    _, link = booked(made)
    for number in range(TRIES_A_DAY):
        Visitor(made, address=f"198.51.100.{number}").opens_link(link, **OTHER_DAY)
    refused = Visitor(made).opens_link(link)
    assert refused.status == 422
    refused.reads("ne vont pas ensemble")
    # Their line knows nothing of it.
    made.phone().asks_for_theirs()
    clock_of(made).advance(timedelta(hours=25))
    Visitor(made).opens_link(link).reads("Votre rendez-vous")


def test_a_place_that_guesses_is_closed_whatever_it_tries(made: House):
    links = []
    for number in (1, 2):
        caller = made.phone(a_mobile(number)).goes_to("reach", born=f"1203194{number}")
        caller.answers("1").books()
        links.append(link_in(text_to(made)))
    store = made.store
    with made.database.transaction() as connection:
        rows = [
            {
                "kind": "web_place",
                "subject_idx": store.vault.index("web place", "192.0.2.7/32"),
                "at": made.clock.now(),
                "good": False,
            }
        ] * WRONG_A_PLACE
        connection.execute(attempt.insert(), rows)
    assert Visitor(made).opens_link(links[1]).status == 422
    there = Visitor(made, address="192.0.2.8").opens_link(links[1])
    assert there.status == 200


def test_nothing_personal_is_in_addresses_or_cookies(made: House):
    reference, link = booked(made)
    visitor = Visitor(made)
    asks(visitor, reference)
    visitor.opens_link(link).reads("Votre rendez-vous")
    cookie = visitor.client.get_cookie("__Host-allo-mine", domain="allo.example")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.secure
    for told in (visitor.path, link, cookie.value):
        for secret in (reference, "1942", "612345678", "75011"):
            assert secret not in told
    # Another booking is never named by a browser: there is nothing to change in the cookie.
    visitor.client.set_cookie("__Host-allo-mine", cookie.value[:-2] + "xx", domain="allo.example")
    assert visitor.goes("/mon-rendez-vous/voir").status == 410


def test_the_page_costs_two_questions_to_the_database(made: House):
    _, link = booked(made)
    visitor = Visitor(made).opens_link(link)
    with statements(made.database) as asked:
        visitor.goes("/mon-rendez-vous/voir").reads("Salle des fêtes")
    assert len(asked) == 2, asked


def test_the_page_closes_itself_and_on_wish(made: House):
    _, link = booked(made)
    visitor = Visitor(made).opens_link(link)
    clock_of(made).advance(timedelta(minutes=19))
    assert visitor.goes("/mon-rendez-vous/voir").status == 200
    clock_of(made).advance(timedelta(minutes=21))
    assert visitor.goes("/mon-rendez-vous/voir").status == 410
    visitor = Visitor(made).opens_link(link)
    visitor.presses("/mon-rendez-vous/fin")
    assert visitor.goes("/mon-rendez-vous/voir").status == 410


# ------------------------------------------------------------------ cancel, undo, move


def test_cancelled_once_however_often_it_is_sent_and_taken_back(made: House):
    _, link = booked(made)
    visitor = Visitor(made).opens_link(link)
    visitor.presses("/mon-rendez-vous/voir", wish="cancel").reads("Annuler ce rendez-vous ?")
    form = visitor.hidden
    visitor.sends("/mon-rendez-vous/annuler", wish="yes", **form)
    visitor.reads("Ce rendez-vous est annulé", "Revenir sur l’annulation")
    visitor.sends("/mon-rendez-vous/annuler", wish="yes", **form).reads("est annulé")
    assert changes_of(made) == ["booked phone", "cancelled web"]
    assert state_of(made) == ["cancelled"]
    form = visitor.hidden
    visitor.sends("/mon-rendez-vous/voir", wish="undo", **form).reads("de nouveau attendu")
    visitor.sends("/mon-rendez-vous/voir", wish="undo", **form)
    assert changes_of(made)[2:] == ["restored web"]
    assert state_of(made) == ["confirmed"]
    # Ten minutes after it, nothing can be taken back.
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler", wish="yes").reads("Revenir sur")
    form = visitor.hidden
    clock_of(made).advance(timedelta(minutes=11))
    visitor.sends("/mon-rendez-vous/voir", wish="undo", **form)
    assert "Revenir sur" not in visitor.page
    assert state_of(made) == ["cancelled"]


def test_what_was_changed_by_telephone_meanwhile_is_told_and_nothing_is_done(made: House):
    reference, link = booked(made)
    visitor = Visitor(made).opens_link(link)
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    # They move it by telephone while the page asks.
    caller = made.phone().asks_for_theirs().answers(reference, "1", "12031942", "1", "2", "1", "1")
    assert changes_of(made)[-1] == "moved phone", caller.step
    visitor.presses("/mon-rendez-vous/annuler", wish="yes").reads("changé entre-temps")
    assert state_of(made) == ["confirmed"]
    # What is shown is what is cancelled then.
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler", wish="yes").reads("est annulé")


def test_moved_with_a_place_that_is_kept_and_once(made: House):
    _, link = booked(made)
    was = made.bookings()[-1].start_at
    visitor = Visitor(made).opens_link(link)
    visitor.presses("/mon-rendez-vous/voir", wish="move")
    visitor.reads("Choisissez un autre moment", "Gardé pour vous", "reste le vôtre")
    held = made.held()
    assert held == len(visitor.places)
    visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[0])
    visitor.reads("Déplacer votre rendez-vous ?", "À la place de l’ancien")
    form = visitor.hidden
    visitor.sends("/mon-rendez-vous/deplacer", wish="yes", **form).reads("est déplacé")
    visitor.sends("/mon-rendez-vous/deplacer", wish="yes", **form)
    assert [one for one in changes_of(made) if one.startswith("moved")] == ["moved web"]
    assert made.held() == 0
    assert made.bookings()[-1].start_at > was


def test_other_moments_other_towns_and_keeping_it_gives_all_back(made: House):
    made.opens_centre("9", code="35000", kilometres=1, starts=mornings(3))
    _, link = booked(made)
    visitor = Visitor(made).opens_link(link).presses("/mon-rendez-vous/voir", wish="move")
    first = visitor.places
    visitor.presses("/mon-rendez-vous/creneaux", wish="days")
    assert visitor.places != first
    visitor.presses("/mon-rendez-vous/creneaux", wish="where", where="35000").reads("Rennes")
    visitor.presses("/mon-rendez-vous/creneaux", wish="where", where="00000")
    visitor.reads("Nous ne trouvons pas cette commune")
    visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[0])
    # Back to an earlier page, which is still good.
    visitor.goes("/mon-rendez-vous/creneaux").reads("Choisissez un autre moment")
    visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/mon-rendez-vous/deplacer", wish="no").reads("Rien n’a été changé")
    assert made.held() == 0
    assert state_of(made) == ["confirmed"]


def test_two_appointments_are_moved_and_cancelled_as_by_telephone(database_url: str):
    campaign = campaign_with(doses=2, second_after_days=(21, 28))
    with house(database_url, links=True, campaign=campaign) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(34), capacity=3)
        _, link = booked(made)
        visitor = Visitor(made).opens_link(link).reads("Vos deux rendez-vous", "Second rendez-vous")
        visitor.presses("/mon-rendez-vous/voir", wish="move").reads("Que voulez-vous déplacer ?")
        visitor.presses("/mon-rendez-vous/deplacer-lequel", wish="second")
        visitor.presses("/mon-rendez-vous/creneaux", place=visitor.places[-1])
        visitor.presses("/mon-rendez-vous/deplacer", wish="yes").reads("est déplacé")
        calendar = visitor.client.get("/mon-rendez-vous/rendez-vous.ics", base_url=BASE)
        text = calendar.get_data(as_text=True)
        assert text.count("BEGIN:VEVENT") == 2
        assert "Europe/Paris" in text
        assert "12 rue de la Paix\\, 75011 Paris 11e" in text.replace("\r\n ", "")
        assert "vaccin" not in text.lower()
        visitor.goes("/mon-rendez-vous/voir").presses("/mon-rendez-vous/voir", wish="cancel")
        visitor.presses("/mon-rendez-vous/annuler-lequel", wish="second")
        visitor.reads("Le premier reste")
        visitor.presses("/mon-rendez-vous/annuler", wish="yes").reads("Le second rendez-vous est")
        assert changes_of(made) == ["booked phone", "moved web", "cancelled web"]


def test_a_form_of_elsewhere_or_of_another_browser_does_nothing(made: House):
    _, link = booked(made)
    visitor = Visitor(made).opens_link(link).presses("/mon-rendez-vous/voir", wish="cancel")
    form = visitor.hidden
    stranger = Visitor(made)
    assert stranger.sends("/mon-rendez-vous/annuler", wish="yes", **form).status == 410
    foreign = visitor.client.post(
        "/mon-rendez-vous/annuler",
        data={**form, "wish": "yes"},
        base_url=BASE,
        headers={"Origin": "https://evil.example"},
    )
    assert foreign.status_code == 403
    visitor.sends("/mon-rendez-vous/annuler", wish="yes", n=form["n"], token="x")
    assert state_of(made) == ["confirmed"]
    with made.database.statement() as connection:
        sealed = connection.execute(select(visit.c.body_enc)).scalars().all()
    assert all(b"1942" not in one for one in sealed)
