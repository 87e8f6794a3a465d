"""An agent goes on with what was begun on the site, sends a link to it, and sees what became."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.accounts.staff import read_acts
from tests.desk.test_desk import CHOICE, FORM, PLACES, Desk, opens
from tests.online.visitors import OTHER_DAY, Visitor, link_in, text_to
from tests.support.house import LANDLINE, MOBILE, House, house, mornings

CODE_PAGE = "/rendez-vous/telephone"


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    with house(database_url, links=True) as made:
        for gid in ("1", "2"):
            made.opens_centre(gid, kilometres=int(gid), starts=mornings(5), capacity=2)
        yield Desk(made)


def code_of(visitor: Visitor) -> str:
    page = visitor.presses(CODE_PAGE).page
    digits = page.partition("Tapez les six chiffres")[2][:80]
    return "".join(digit for digit in digits if digit.isdecimal())


def acts(made: House) -> list[str]:
    return [one.act.what for one in read_acts(made.store)]


def test_a_code_of_the_site_brings_its_answers_and_its_slot_to_the_desk(desk: Desk):
    made = desk.made
    visitor = Visitor(made).comes_to("confirmer")
    code = code_of(visitor)
    assert "avec la personne en ligne" in desk.does("/code", code=code)
    desk.has(made.phone(LANDLINE).goes_to("for_whom"), number=LANDLINE)
    assert "Le code a six chiffres" in desk.does("/code", code="12345")
    assert "Ce code ne donne rien" in desk.does("/code", code="999999")
    page = desk.does("/code", code=f"{code[:3]} {code[3:]}")
    for given in ("12/03/1942", "75011", "06 12 34 56 78", "Repris"):
        assert given in page.replace("\u00a0", " "), given
    (choice,) = CHOICE.findall(page)
    visitor.goes("/rendez-vous/confirmer").reads("Vous continuez par téléphone")
    # Once: the code is for nobody any more.
    assert "Ce code ne donne rien" in desk.does("/code", code=code)
    page = desk.does("/choisir", choice=choice, **FORM)
    nonce = page.partition('name="nonce" value="')[2].partition('"')[0]
    page = desk.does("/reserver", places=PLACES.findall(page), nonce=nonce, **FORM)
    (booked,) = made.bookings()
    assert booked.channel == "agent"
    assert "took_up" in acts(made)


def test_a_link_goes_to_the_caller_with_what_the_agent_has(desk: Desk):
    made = desk.made
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    page = desk.does("/offres", **FORM)
    choice = CHOICE.findall(page)[0]
    page = desk.does("/choisir", choice=choice, **FORM)
    (places,) = PLACES.findall(page)
    form = {**FORM, "places": places, "link": "a" * 24}
    assert "Le lien est parti" in desk.does("/lien", **form)
    # Sent twice it is one text.
    desk.does("/lien", **form)
    (sent,) = made.messages("sms")
    assert made.woken.messages[-1] == sent.id
    text = text_to(made)
    assert "09 74 75 00 01" in text
    assert "1942" not in text
    link = link_in(text)
    assert Visitor(made).opens_link(link, **OTHER_DAY).status == 422
    visitor = Visitor(made).opens_link(link)
    assert visitor.path.endswith("/confirmer"), visitor.path
    visitor.presses("/rendez-vous/confirmer").reads("Référence")
    (booked,) = made.bookings()
    assert booked.channel == "web"
    assert "sent_link" in acts(made)


def test_no_link_goes_to_a_landline_and_none_without_a_birth_date(desk: Desk):
    made = desk.made
    desk.has(made.phone(LANDLINE).goes_to("for_whom"), number=LANDLINE)
    fixed = {**FORM, "number": "04 91 22 33 44", "link": "b" * 24}
    desk.does("/lien", **fixed)
    desk.does("/lien", **{**fixed, "number": "06 12 34 56 78", "born1": ""})
    desk.does("/lien", **{**fixed, "number": "06 12 34 56 78", "link": "x"})
    assert made.messages("sms") == []


def test_moved_by_telephone_or_cancelled_on_the_site_the_desk_sees_it(desk: Desk):
    made = desk.made
    visitor = Visitor(made).comes_to("confirmer")
    visitor.presses("/rendez-vous/confirmer")
    (on_site,) = made.bookings()
    caller = made.phone(LANDLINE).asks_for_theirs().answers(on_site.reference, "1", "12031942", "1")
    caller.answers("2", "1", "1")
    (moved,) = made.bookings()
    assert (moved.start_at, moved.centre_id) != (on_site.start_at, on_site.centre_id)
    other = made.phone("+33612340002").goes_to("reach", born="12041943").answers("1").books()
    assert other.ended
    rung = next(one for one in made.bookings() if one.reference != on_site.reference)
    link = link_in(text_to(made))
    visitor = Visitor(made).opens_link(link, day="12", month="4", year="1943")
    visitor.presses("/mon-rendez-vous/voir", wish="cancel")
    visitor.presses("/mon-rendez-vous/annuler", wish="yes").reads("est annulé")
    desk.has(made.phone("+33612340003").goes_to("for_whom"), number="+33612340003")
    day = f"{moved.start_at.day}"
    page = opens(desk, desk.does("/chercher", reference=on_site.reference))
    assert day in page
    page = opens(desk, desk.does("/chercher", reference=rung.reference))
    assert "annul" in page.lower()
    assert [one.state for one in made.bookings() if one.reference == rung.reference] == [
        "cancelled"
    ]
