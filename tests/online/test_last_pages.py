"""What is said where a visit ends without an appointment, and what a call costs beside the number.

The last page of the waiting list says who rings, how long there is to answer, and how to leave. A
refusal says the same to whoever has an appointment and to whoever has none.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sqlalchemy import select

from models.waiting_list.tables import waiting_entry
from prompts.screens import LANGUAGES
from services.store import ReachLimits
from tests.admission.test_gate import statements
from tests.online.test_booking import Visitor
from tests.support.house import House, campaign_with, house, mornings
from web.pages import cost_of

COST = "Appel non surtaxé : le prix d’un appel normal, compris dans la plupart des forfaits."


def text(visitor: Visitor) -> str:
    return visitor.page.replace("\u00a0", " ")


# ---------------------------------------------------------------- the waiting list


@pytest.fixture
def full(database_url: str) -> Iterator[House]:
    campaign = campaign_with(waiting_offer=timedelta(minutes=90))
    with house(database_url, campaign=campaign) as made:
        made.opens_centre("1")
        yield made


def waits(made: House, whom: str = "self", number: str = "0612345678") -> Visitor:
    visitor = Visitor(made).starts(whom).is_born().sends(where="75011").is_at("attente")
    return visitor.sends(wish="waiting", number=number)


def states(made: House) -> list[str]:
    with made.database.statement() as connection:
        return list(connection.execute(select(waiting_entry.c.state)).scalars())


def test_the_last_page_says_who_rings_how_long_there_is_and_how_to_leave(full: House):
    visitor = waits(full).is_at("note")
    for told in (
        "Nous vous appelons du 09 74 75 00 01",
        "90 minutes au plus",
        "Quitter la liste",
        "appelez-nous et tapez 0",
    ):
        assert told in text(visitor)
    # No text comes in here, so that nobody could answer one.
    assert "STOP" not in text(visitor)


def test_where_texts_come_in_a_stop_is_told_and_what_it_does(full: House):
    full.settings = full.settings.model_copy(update={"sms_reply_number": "+33700000001"})
    assert "répondez STOP au 07 00 00 00 01. Nous vous appellerons alors." in text(waits(full))


def test_whoever_joined_here_leaves_by_the_page(full: House):
    visitor = waits(full).is_at("note")
    assert states(full) == ["waiting"]
    visitor.sends(path="/rendez-vous/quitter-la-liste")
    assert visitor.path == "/rendez-vous/liste-quittee"
    assert "Vous n’êtes plus sur la liste d’attente" in visitor.page
    assert states(full) == ["gone"]
    # Sent once more it finds no visit, and changes nothing.
    visitor.sends(path="/rendez-vous/quitter-la-liste")
    assert visitor.status == 410


def test_both_of_two_leave_together(full: House):
    visitor = waits(full, "two").is_at("naissance").is_born("1", "4", "1944").is_at("attente")
    visitor.sends(wish="waiting", number="0612345678").is_at("note")
    assert states(full) == ["waiting", "waiting"]
    visitor.sends(path="/rendez-vous/quitter-la-liste")
    assert states(full) == ["gone", "gone"]


def test_nobody_takes_another_off_the_list_by_typing_their_number(full: House):
    waits(full)
    stranger = waits(full).is_at("note")
    assert states(full) == ["waiting"]
    stranger.sends(path="/rendez-vous/quitter-la-liste")
    assert states(full) == ["waiting"]


def test_without_its_own_token_the_list_stays_as_it_is(full: House):
    visitor = waits(full).is_at("note")
    visitor.page = re.sub(r'name="token" value="[^"]+"', 'name="token" value="x"', visitor.page)
    visitor.sends(path="/rendez-vous/quitter-la-liste").is_at("note")
    assert states(full) == ["waiting"]


# ---------------------------------------------------------------- a refusal


def refused(made: House, born: str, number: str, wish: str = "number") -> tuple[Visitor, int]:
    """Somebody who comes as far as the check, and is not booked; and what that cost the store."""
    visitor = Visitor(made).starts().is_born(day=born).sends(where="75011")
    visitor.sends(place=visitor.places[0]).is_at("joindre").sends(number=number, wish=wish)
    visitor.is_at("confirmer")
    seen = statements(made)
    visitor.sends().is_at("par-telephone")
    return visitor, len(seen)


def plain(visitor: Visitor) -> str:
    """The page without what the visitor gave and chose: all that the service says by itself."""
    page = re.sub(r'(name="(?:token|n)" value=")[^"]*', r"\1", text(visitor))
    page = re.sub(r'<details class="given">.*?</details>', "", page, flags=re.DOTALL)
    return re.sub(r'<div class="panel offer">.*?</div>', "", page, flags=re.DOTALL)


LANDLINE, OTHER_LINE = "04 91 22 33 44", "04 91 22 33 45"


def test_a_refusal_says_the_same_whatever_the_reason_and_costs_the_same(database_url: str):
    """The person again, their number for another, their birth date on another number."""
    limits = ReachLimits(per_birth_date=1, per_number=1, per_address=0, without_number=0)
    with house(database_url, reach=limits) as made:
        made.opens_centre("1", starts=mornings(20), capacity=9)
        first = Visitor(made).starts().is_born(day="12").sends(where="75011")
        first.sends(place=first.places[0]).sends(number=LANDLINE, wish="number").sends()
        first.is_at("fait")
        found = [
            refused(made, "12", LANDLINE),
            refused(made, "13", LANDLINE),
            refused(made, "12", OTHER_LINE),
        ]
        for visitor, _ in found:
            assert "Un rendez-vous déjà pris reste valable." in text(visitor)
            assert re.search(r'class="button second" href="/mon-rendez-vous"', visitor.page)
        assert len({plain(visitor) for visitor, _ in found}) == 1
        assert len({cost for _, cost in found}) == 1


def test_a_number_that_has_its_share_reads_the_same_sentence(database_url: str):
    with house(database_url, campaign=campaign_with(per_number=1)) as made:
        made.opens_centre("1", starts=mornings(20), capacity=9)
        made.phone("+33491223344").books()
        found = [refused(made, born, LANDLINE)[0] for born in ("20", "21")]
        for visitor in found:
            assert "Un rendez-vous déjà pris reste valable." in text(visitor)
        assert plain(found[0]) == plain(found[1])


# ---------------------------------------------------------------- what a call costs


@pytest.mark.parametrize(
    ("number", "cost"),
    [
        ("+33974750001", "ordinary"),
        ("+33145678901", "ordinary"),
        ("+33800123456", "free"),
        ("+33805123456", "free"),
        ("+33806123456", ""),
        ("+33899123456", ""),
        ("3939", ""),
        ("+3225551234", ""),
    ],
)
def test_what_a_call_costs_is_known_of_a_number_by_its_beginning(number: str, cost: str):
    assert cost_of(number) == cost


@pytest.mark.parametrize(
    "path", ["/", "/accessibilite", "/mon-rendez-vous", "/rendez-vous/liste-quittee", "/nothing"]
)
def test_it_stands_where_the_number_stands_large(made: House, path: str):
    assert COST in text(Visitor(made).opens(path))


@pytest.mark.parametrize("said", ["0,12 €/min + prix de l’appel", "none", "free"])
def test_an_operator_says_it_in_words_or_not_at_all(database_url: str, said: str):
    with house(database_url) as one:
        one.settings = one.settings.model_copy(update={"call_cost": said})
        page = text(Visitor(one).opens("/"))
        assert COST not in page
        assert ("0,12 €/min" in page) == said.startswith("0,12")
        assert ("Appel et service gratuits" in page) == (said == "free")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_cost(made: House, language: str):
    assert 'class="small cost"' in Visitor(made).opens(f"/?lang={language}").page
