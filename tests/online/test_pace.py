"""Being quick does not pay: who asks again at once gets the same, on the site and by telephone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from prometheus_client import REGISTRY

from models.slots.tables import place
from services.store import NO_PACE, PaceLimits
from tests.online.visitors import BORN, Visitor
from tests.support.house import MOBILE, House, campaign_with, house, mornings
from tests.support.rows import change, clock_of

STAY = timedelta(seconds=20)
SECOND = timedelta(seconds=1)
LATER = STAY + SECOND


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    """Three mornings at one centre, and offers that stay the same for a while."""
    pace = replace(NO_PACE, offers_stay=STAY)
    with house(database_url, campaign=campaign_with(few_places=1), pace=pace) as one:
        one.opens_centre("1", starts=mornings(3, first=5), capacity=4)
        yield one


def at_offers(one: House) -> Visitor:
    return Visitor(one).comes_to("creneaux")


def asks_again(visitor: Visitor, where: str = "75011") -> Visitor:
    """Back to the question before, and the same answer once more."""
    visitor.goes("/rendez-vous/commune")
    return visitor.presses("/rendez-vous/commune", where=where)


def starts_of(one: House, visitor: Visitor) -> set[int]:
    """The slots that a page offers."""
    with one.database.statement() as connection:
        found = connection.execute(
            place.select().where(place.c.id.in_([int(number) for number in visitor.places]))
        )
        return {row.slot_id for row in found}


def sooner_place_opens(one: House) -> None:
    """A place that is better than all others comes back, as when somebody cancels."""
    one.opens_slots("1", mornings(1, first=2), capacity=4)


def test_who_asks_again_at_once_is_shown_the_same_slots_and_later_others(site: House):
    visitor = at_offers(site)
    before = starts_of(site, visitor)
    sooner_place_opens(site)
    for _ in range(5):
        assert starts_of(site, asks_again(visitor)) == before
    clock_of(site).advance(LATER)
    assert starts_of(site, asks_again(visitor)) != before


def test_asking_again_finds_more_at_once_where_nothing_says_that_it_stays(database_url: str):
    """The weakness: without the rule, whoever asks without end gets what opens first."""
    with house(database_url, campaign=campaign_with(few_places=1)) as one:
        one.opens_centre("1", starts=mornings(3, first=5), capacity=4)
        visitor = at_offers(one)
        before = starts_of(one, visitor)
        sooner_place_opens(one)
        assert starts_of(one, asks_again(visitor)) != before


def test_the_birth_date_sent_again_leads_to_the_same_slots(site: House):
    visitor = at_offers(site)
    before = starts_of(site, visitor)
    sooner_place_opens(site)
    visitor.goes("/rendez-vous/naissance")
    visitor.presses("/rendez-vous/naissance", **BORN)
    visitor.presses("/rendez-vous/commune", where="75011")
    assert starts_of(site, visitor) == before


def test_where_nothing_was_free_asking_again_at_once_finds_nothing(site: House):
    change(site.database, place.update().values(blocked=True))
    visitor = Visitor(site).comes_to("commune").presses("/rendez-vous/commune", where="75011")
    assert visitor.path.endswith("attente")
    sooner_place_opens(site)
    for _ in range(3):
        visitor.presses("/rendez-vous/attente", wish="again")
        assert visitor.path.endswith("attente")
    clock_of(site).advance(LATER)
    visitor.presses("/rendez-vous/attente", wish="again")
    assert visitor.path.endswith("creneaux")


def test_another_town_and_other_days_are_other_questions(site: House):
    site.opens_centre("2", code="35000", starts=mornings(3), capacity=4)
    visitor = at_offers(site)
    before = starts_of(site, visitor)
    assert starts_of(site, asks_again(visitor, "35000")).isdisjoint(before)
    visitor = at_offers(site)
    site.opens_slots("1", mornings(2, first=12), capacity=4)
    days = starts_of(site, visitor.presses("/rendez-vous/creneaux", wish="days"))
    assert days.isdisjoint(before)


def test_what_went_meanwhile_is_not_shown_again(site: House):
    """Given back between two pages and taken by somebody else: the others stay."""
    visitor = at_offers(site)
    before = starts_of(site, visitor)
    visitor.goes("/rendez-vous/naissance")
    visitor.presses("/rendez-vous/naissance", **BORN)
    gone = min(before)
    change(site.database, place.update().where(place.c.slot_id == gone).values(blocked=True))
    visitor.presses("/rendez-vous/commune", where="75011")
    assert starts_of(site, visitor) == before - {gone}


def test_a_slot_that_was_taken_at_the_last_moment_leads_to_others_at_once(site: House):
    visitor = at_offers(site)
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/rendez-vous/joindre", wish="none")
    # All of its slots, so that no other place of the chosen one is left.
    change(site.database, place.update().values(blocked=True))
    sooner_place_opens(site)
    visitor.presses("/rendez-vous/confirmer")
    assert visitor.path.endswith("creneaux")
    assert len(visitor.places) == 1


def test_two_doses_stay_together(database_url: str):
    campaign = campaign_with(few_places=1, doses=2, second_after_days=(7, 7))
    with house(database_url, campaign=campaign, pace=replace(NO_PACE, offers_stay=STAY)) as one:
        one.opens_centre("1", starts=mornings(12, first=5), capacity=4)
        visitor = at_offers(one)
        before, held = starts_of(one, visitor), one.held()
        sooner_place_opens(one)
        one.opens_slots("1", mornings(1, first=9), capacity=4)
        assert starts_of(one, asks_again(visitor)) == before
        assert one.held() == held


def test_a_caller_who_asks_again_at_once_hears_the_same(site: House):
    phone = site.phone(MOBILE).goes_to("offers")
    before = [offer.slot_id for offer in site.session(phone.sid).offers]
    sooner_place_opens(site)
    # Others, another town, the same one again.
    phone.presses("4").presses("4").presses("75011")
    phone.goes_to("offers")
    assert [offer.slot_id for offer in site.session(phone.sid).offers] == before
    clock_of(site).advance(LATER)
    phone.presses("4").presses("4").presses("75011")
    phone.goes_to("offers")
    assert [offer.slot_id for offer in site.session(phone.sid).offers] != before


def test_nothing_of_it_is_remembered_where_offers_do_not_stay(database_url: str):
    with house(database_url, campaign=campaign_with(few_places=1)) as one:
        one.opens_centre("1", starts=mornings(3))
        session = one.session(one.phone(MOBILE).goes_to("offers").sid)
        assert (session.found_for, session.found_at, session.found) == ("", "", ())


def test_a_new_store_has_the_limits_of_production():
    assert PaceLimits() == PaceLimits(STAY, SECOND, 2 * SECOND)


# ---------------------------------------------------------------- a person reads before answering


@pytest.fixture
def slow(database_url: str) -> Iterator[House]:
    """A site that waits as long as a person needs for a page."""
    pace = replace(NO_PACE, answer_after=SECOND, book_after=2 * SECOND)
    with house(database_url, campaign=campaign_with(few_places=1), pace=pace) as one:
        one.opens_centre("1", starts=mornings(3), capacity=4)
        yield one


def reads_for(one: House, seconds: float) -> None:
    clock_of(one).advance(seconds * SECOND)


def test_a_form_that_comes_quicker_than_a_person_gets_its_page_again_with_what_was_typed(
    slow: House,
):
    before = _counted("date_of_birth")
    visitor = Visitor(slow).sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/naissance", **BORN)
    assert visitor.status == 422
    visitor.reads("Envoyez cette page encore une fois", 'value="12"', 'value="1942"')
    assert _counted("date_of_birth") == before + 1
    # The same page once more, when its time is over.
    reads_for(slow, 1)
    visitor.presses("/rendez-vous/naissance", **BORN)
    assert visitor.path.endswith("commune")


def test_whoever_presses_again_and_again_passes_once_the_time_of_the_page_is_over(slow: House):
    """What comes too soon does not let the time begin anew."""
    visitor = Visitor(slow).sends("/rendez-vous", whom="self")
    for _ in range(3):
        reads_for(slow, 0.3)
        visitor.presses("/rendez-vous/naissance", **BORN)
        assert visitor.path.endswith("naissance")
    reads_for(slow, 0.3)
    visitor.presses("/rendez-vous/naissance", **BORN)
    assert visitor.path.endswith("commune")


def at_confirm(one: House) -> Visitor:
    visitor = Visitor(one).sends("/rendez-vous", whom="self")
    for path, form in (
        ("naissance", BORN),
        ("commune", {"where": "75011"}),
        ("creneaux", {}),
        ("joindre", {"number": "0612345678"}),
    ):
        reads_for(one, 1)
        chosen = {"place": visitor.places[0]} if path == "creneaux" else {}
        visitor.presses(f"/rendez-vous/{path}", **form, **chosen)
    return visitor


def test_the_page_that_books_wants_two_seconds_and_holds_the_place_meanwhile(slow: House):
    visitor = at_confirm(slow)
    reads_for(slow, 1.5)
    visitor.presses("/rendez-vous/confirmer")
    assert visitor.status == 422
    assert slow.bookings() == []
    assert slow.held()
    reads_for(slow, 0.5)
    visitor.presses("/rendez-vous/confirmer")
    assert visitor.path.endswith("fait")
    assert len(slow.bookings()) == 1


def test_a_second_press_is_a_copy_and_not_too_quick(slow: House):
    visitor = at_confirm(slow)
    reads_for(slow, 2)
    hidden = visitor.hidden
    visitor.sends("/rendez-vous/confirmer", **hidden)
    visitor.sends("/rendez-vous/confirmer", **hidden)
    assert visitor.path.endswith("fait")
    assert len(slow.bookings()) == 1


def test_a_script_is_as_slow_as_a_person(slow: House):
    """One that does not wait books nothing, however often it sends."""
    visitor = Visitor(slow).sends("/rendez-vous", whom="self")
    for _ in range(30):
        visitor.presses("/rendez-vous/naissance", **BORN)
    assert visitor.path.endswith("naissance")
    assert slow.held() == 0


def test_leaving_and_a_code_for_the_telephone_are_never_too_quick(slow: House):
    visitor = Visitor(slow).sends("/rendez-vous", whom="self")
    visitor.presses("/rendez-vous/telephone")
    assert visitor.status == 200
    visitor.goes("/rendez-vous/naissance").presses("/rendez-vous/terminer")
    assert visitor.path == "/"


def _counted(step: str) -> float:
    return REGISTRY.get_sample_value("allo_too_quick_total", {"step": step}) or 0.0
