"""A line that is cut loses nothing: what was said, what was chosen, the pace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sqlalchemy import select

from flows.session import Session
from models.call.tables import call
from models.slots.tables import place
from services.call.resume_call import BOOKED_WITHIN, RESUME_WITHIN
from tests.support.house import (
    LANDLINE,
    MOBILE,
    WITHHELD,
    House,
    Phone,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import clock_of, rows_of

MINUTE = timedelta(minutes=1)
BORN = "12031942"
SAID = ("12 mars 1942", "12 mars", "1942")
# Every question of the common path after something was given, with what it asks when the line is
# back: a read-back of what is nobody else's business is asked again instead.
STEPS = {
    "date_of_birth_check": "date_of_birth",
    "postcode": "postcode",
    "postcode_check": "postcode_check",
    "offers": "offers",
    "reach": "reach",
    "confirm": "confirm",
}
AFTER_CHOICE = ("reach", "confirm")


def kept_by(service: House, call_id: str) -> set[int]:
    """The places that this call holds."""
    statement = select(place.c.id).where(
        place.c.held_by == call_id, place.c.hold_expires_at > service.clock.at()
    )
    return {row.id for row in rows_of(service.database, statement)}


def holders(service: House) -> set[str]:
    statement = select(place.c.held_by).where(
        place.c.held_by.is_not(None), place.c.hold_expires_at > service.clock.at()
    )
    return {row.held_by for row in rows_of(service.database, statement)}


def given(session: Session) -> tuple[str, ...]:
    return session.born, session.postcode, session.town, session.whom


def verified(service: House) -> str:
    result = service.app.test_cli_runner().invoke(args=["store", "verify"])
    return result.stdout.strip().splitlines()[-1]


def cut_at(service: House, step: str, number: str = MOBILE) -> Phone:
    return service.phone(number).goes_to(step).hangs_up()


def says_no_birth(caller: Phone) -> None:
    said = " ".join(caller.spoken)
    assert not [word for word in SAID if word in said], said


@pytest.mark.parametrize("step", STEPS)
def test_a_call_killed_at_each_step_and_rung_again_goes_on_with_everything(
    service: House, step: str
):
    first = cut_at(service, step)
    was = service.session(first.sid)
    clock_of(service).advance(5 * MINUTE)

    again = service.phone().dials()
    assert again.step == "resume"
    says_no_birth(again)
    if step in AFTER_CHOICE:
        # Until ten minutes after the line was cut, at nine o'clock in Paris.
        again.hears_text("Un créneau à Paris 11e est gardé jusqu'à 9 heures 10")
    else:
        again.hears_text("ses réponses sont gardées")
    again.presses("1").hears_text("nous reprenons")
    assert again.step == STEPS[step]
    says_no_birth(again)
    now = service.session(again.sid)
    if step != "date_of_birth_check":
        assert given(now) == given(was)
    if step in AFTER_CHOICE:
        assert now.choice == was.choice
        assert kept_by(service, again.sid) == set(was.choice.places)
    elif step == "offers":
        assert [offer.slot_id for offer in now.offers] == [offer.slot_id for offer in was.offers]
        assert kept_by(service, again.sid) == {offer.place_id for offer in now.offers}
    again.books()
    assert again.ended_normally
    assert not again.errors
    assert len(service.bookings()) == 1
    assert service.held() == 0
    assert verified(service) == "1 bookings, 120 places, 0 contradictions"


@pytest.mark.parametrize("step", AFTER_CHOICE)
def test_after_its_time_the_slot_is_not_kept_and_the_caller_is_told_so(service: House, step: str):
    first = cut_at(service, step)
    clock_of(service).advance(11 * MINUTE)
    again = service.phone().dials()
    again.hears_text("ses réponses sont gardées")
    again.presses("1").hears_text("Le créneau que vous aviez choisi n'est plus gardé")
    assert again.step == "offers"

    assert service.session(again.sid).born == "1942-03-12"
    assert kept_by(service, first.sid) == set()
    again.goes_to("reference")
    assert len(service.bookings()) == 1


def test_who_took_the_slot_meanwhile_keeps_it(database_url: str):
    with house(database_url) as service:
        service.opens_centre("1", starts=mornings(1))
        cut_at(service, "confirm")
        again = service.phone().dials().hears_text("est gardé jusqu'à")
        # It is told, and runs out while the caller thinks.
        clock_of(service).advance(11 * MINUTE)
        service.phone(LANDLINE).books(born="13031942")
        again.presses("9").hears_text("ses réponses sont gardées")
        again.presses("1").hears_text("n'est plus gardé")
        # The call has lasted for long, and a person is offered: on alone.
        again.presses("2")
        assert again.step == "no_slot"
        assert [row.start_at for row in service.bookings()] == mornings(1)


def test_after_half_an_hour_a_call_is_like_any_other(service: House):
    cut_at(service, "postcode_check")
    clock_of(service).advance(RESUME_WITHIN + MINUTE)
    assert service.phone().dials().step == "welcome"


def test_half_an_hour_counts_from_the_last_that_was_heard(service: House):
    caller = service.phone().goes_to("postcode_check")
    for _ in range(3):
        clock_of(service).advance(15 * MINUTE)
        caller.presses("9")
    caller.hangs_up()
    clock_of(service).advance(RESUME_WITHIN - MINUTE)
    again = service.phone().dials().presses("1")
    assert again.step == "postcode_check"


@pytest.mark.parametrize("step", ["welcome", "for_whom", "date_of_birth"])
def test_where_nothing_was_given_nothing_is_offered(service: House, step: str):
    cut_at(service, step)
    assert service.phone().dials().step == "welcome"


def test_within_ten_minutes_of_a_booking_the_next_call_is_anothers_or_hears_it(service: House):
    service.phone().books()
    clock_of(service).advance(BOOKED_WITHIN)
    again = service.phone().dials()
    again.hears_text("Pour une autre personne, tapez 1")
    again.hears_text("Pour réentendre ce rendez-vous, tapez 2")
    again.hears_text("Pour une personne, tapez 0")
    assert "coupé" not in " ".join(again.spoken)
    says_no_birth(again)
    clock_of(service).advance(MINUTE)
    assert service.phone().dials().step == "welcome"


def test_the_second_of_two_spouses_is_asked_for_their_own_date_and_is_booked(service: House):
    """The first heard the reference and hung up; the second rings from the same telephone."""
    for number in (LANDLINE, MOBILE):
        service.phone(number).goes_to("reference").hangs_up()
        clock_of(service).advance(2 * MINUTE)
        second = service.phone(number).dials()
        assert second.step == "booked_before"
        second.presses("1")
        fresh = service.session(second.sid)
        assert (fresh.step, *given(fresh)) == ("welcome", "", "", "", Session.whom)
        assert not fresh.reference
        second.books(born="14071945")
        says_no_birth(second)
    assert len(service.bookings()) == 4


@pytest.mark.parametrize("number", [LANDLINE, MOBILE])
def test_to_hear_it_again_reference_and_birth_date_are_asked(service: House, number: str):
    service.phone(number).books()
    (booking,) = service.bookings()
    again = service.phone(number).dials().presses("2")
    assert again.step == "my_reference"
    again.answers(booking.reference, "1", "13031942", "1").hears_text("Je ne trouve pas")
    again.hangs_up()
    again = service.phone(number).dials().presses("2")
    again.answers(booking.reference, "1", "12031942", "1")
    assert again.step == "my_menu"


def test_who_says_neither_is_greeted_and_nobody_is_hung_up_on(service: House):
    service.phone().books()
    again = service.phone().dials().answers("", "")
    assert again.step == "welcome"
    assert service.session(again.sid).someone_else


def test_until_the_end_of_the_first_call_is_told_the_second_is_as_any(service: House):
    """The provider's news is late: nothing of a call that may still live is offered."""
    service.phone().goes_to("reference")
    assert service.phone().dials().step == "welcome"


def test_a_move_or_a_cancellation_is_no_booking_for_the_next_caller(service: House):
    service.phone().books()
    (booking,) = service.bookings()
    clock_of(service).advance(BOOKED_WITHIN + MINUTE)
    mine = service.phone().dials().presses("3")
    mine.answers(booking.reference, "1", "12031942", "1", "3", "1").hangs_up()
    assert service.phone().dials().step == "welcome"


@pytest.mark.parametrize("step", ["ready", "reference"])
def test_whoever_was_cut_before_the_reference_was_told_hears_it_after_the_birth_date(
    service: House, step: str
):
    cut_at(service, step)
    again = service.phone().dials().presses("2")
    (booking,) = service.bookings()
    said = " ".join(one.text for one in again.heard)
    assert "mars 1942" not in said
    assert booking.reference[:2] not in said
    again.presses("04071941").hears_text("Ce n'est pas la date")
    again.presses("12031942")
    assert again.step == "ready"
    again.presses("1").hears_text(", ".join(booking.reference[i : i + 2] for i in range(0, 10, 2)))
    assert len(service.bookings()) == 1


def test_a_stranger_on_the_same_line_never_hears_the_reference(service: House):
    cut_at(service, "ready")
    again = service.phone().dials().presses("2")
    for wrong in ("01011940", "01011941", "01011942"):
        again.presses(wrong)
    assert again.step == "person"


def test_a_call_that_came_to_its_end_was_not_cut(service: House):
    """Promised a call, and goodbye: that is an answer, and no line that was cut."""
    service.phone().goes_to("confirm").presses("0").presses("1")
    assert len(service.promises()) == 1
    assert service.messages("sms") == []
    assert service.phone().dials().step == "welcome"


@pytest.mark.parametrize("other", [LANDLINE, "+33612345679", WITHHELD])
def test_from_another_line_nothing_is_taken_up(service: House, other: str):
    cut_at(service, "confirm")
    assert service.phone(other).dials().step == "welcome"


# ---------------------------------------------------------------- a line that is shared


def test_a_call_in_progress_on_the_same_line_is_not_robbed(service: House):
    one = service.phone().goes_to("confirm")
    two = service.phone().dials()
    assert two.step == "welcome"
    clock_of(service).advance(2 * MINUTE)
    assert service.phone().dials().step == "welcome"
    one.presses("1").hears_text("Votre rendez-vous est confirmé")


def test_where_the_end_was_never_told_three_minutes_of_silence_tell_it(service: House):
    lost = service.phone().goes_to("confirm")
    clock_of(service).advance(3 * MINUTE)
    again = service.phone().dials().hears_text("est gardé jusqu'à")
    again.presses("1")
    assert again.step == "confirm"
    # From the call itself, for nobody said that it ended; and what it did not choose is free.
    assert holders(service) == {again.sid}
    # Should it live after all, it is told that this is the end.
    lost.presses("9")
    assert lost.ended_normally
    again.presses("1").hears_text("Votre rendez-vous est confirmé")
    assert len(service.bookings()) == 1


def test_somebody_else_on_that_line_is_greeted_like_anybody(service: House):
    first = cut_at(service, "confirm")
    chosen = set(service.session(first.sid).choice.places)
    other = service.phone().dials().presses("2")
    assert other.step == "welcome"
    other.goes_to("offers", born="13031944")
    # What was kept is neither offered to them nor given back.
    offered = {offer.place_id for offer in service.session(other.sid).offers}
    assert not offered & chosen
    assert service.held() == len(offered) + 1
    other.goes_to("reference").answers("1")

    real = service.phone().dials().hears_text("est gardé jusqu'à")
    real.presses("1")
    assert real.step == "confirm"
    assert kept_by(service, real.sid) == chosen
    real.presses("1").hears_text("Votre rendez-vous est confirmé")
    assert len(service.bookings()) == 2


def test_two_people_whose_calls_are_cut_on_one_line_keep_one_slot_each(service: House):
    first = cut_at(service, "confirm")
    clock_of(service).advance(MINUTE)
    second = service.phone().dials().presses("2").goes_to("confirm", born="13031944").hangs_up()
    both = [set(service.session(one.sid).choice.places) for one in (first, second)]
    assert service.held() == 2
    # The newest first; whoever it was not says so, and so does not hear of the other's.
    again = service.phone().dials().presses("1")
    assert service.session(again.sid).born == "1944-03-13"
    assert kept_by(service, again.sid) == both[1]
    again.presses("1").presses("1").presses("1")
    other = service.phone().dials().presses("1")
    assert service.session(other.sid).born == "1942-03-12"
    assert kept_by(service, other.sid) == both[0]
    other.presses("1")
    assert len(service.bookings()) == 2


def test_who_says_nothing_is_greeted_like_anybody_and_takes_nothing(service: House):
    cut_at(service, "confirm")
    caller = service.phone().dials()
    first = caller.spoken[-1]
    caller.stays_silent()
    assert caller.step == "resume"
    assert caller.spoken[-1] != first
    caller.stays_silent()
    assert caller.step == "welcome"
    session = service.session(caller.sid)
    assert not session.born
    assert session.someone_else
    assert service.held() == 1


def test_two_who_ring_at_once_do_not_go_on_with_one_call(service: House):
    first = cut_at(service, "confirm")
    chosen = set(service.session(first.sid).choice.places)
    one, two = service.phone().dials(), service.phone().dials()
    assert one.step == two.step == "resume"
    one.presses("1")
    two.presses("1").hears_text("Cet appel ne peut plus être repris")
    assert two.step == "welcome"
    assert not service.session(two.sid).born
    assert kept_by(service, one.sid) == chosen


def test_a_line_that_is_cut_again_and_again_goes_on_all_the_same(service: House):
    chosen = set(service.session(cut_at(service, "reach").sid).choice.places)
    for step in ("reach", "reach", "confirm"):
        clock_of(service).advance(5 * MINUTE)
        # Cut before anything was answered.
        service.phone().dials().hangs_up()
        again = service.phone().dials().hears_text("est gardé jusqu'à").presses("1")
        again.goes_to(step)
        assert kept_by(service, again.sid) == chosen
        again.hangs_up()
        assert service.held() == 1


def test_a_date_of_birth_is_never_read_to_whoever_rings_again(service: House):
    """Not by stepping back, by asking for a person, or by hearing it again."""
    service.phone().goes_to("date_of_birth_check").presses("0").hangs_up()
    asked = service.phone().dials().presses("1")
    assert asked.step == "person"
    asked.presses("3")
    assert asked.step == "date_of_birth"
    asked.presses("*")
    says_no_birth(asked)
    asked.hangs_up()

    again = service.phone("+33687654321").goes_to("confirm").hangs_up()
    again = service.phone("+33687654321").dials().presses("1").hears_text("Je récapitule")
    for _ in range(12):
        again.presses("9").stays_silent().presses("*")
        says_no_birth(again)


def test_who_gives_another_date_of_birth_hears_it_read_back(service: House):
    cut_at(service, "date_of_birth_check")
    again = service.phone().dials().presses("1").presses("13031944")
    again.hears_text("13 mars 1944")


def test_a_number_that_was_typed_is_asked_again_and_not_read(service: House):
    first = service.phone(LANDLINE).goes_to("reach").presses("1").presses("0698765432")
    assert first.step == "reach_check"
    first.hangs_up()
    again = service.phone(LANDLINE).dials().presses("1")
    assert again.step == "reach_number"
    assert "98, 76" not in " ".join(again.spoken)


def test_two_doses_are_kept_and_confirmed_together(database_url: str):
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        service.opens_centre("1", starts=mornings(40), capacity=2)
        first = cut_at(service, "confirm")
        both = set(service.session(first.sid).choice.places)
        assert len(both) == 2
        again = service.phone().dials().presses("1").hears_text("Second rendez-vous")
        says_no_birth(again)
        assert kept_by(service, again.sid) == both
        again.presses("1")
        assert len(service.bookings()) == 2


def test_half_of_a_pair_is_nothing_that_is_kept(database_url: str):
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        service.opens_centre("1", starts=mornings(40), capacity=2)
        first = cut_at(service, "confirm")
        pair = service.session(first.sid).choice
        gone = place.update().where(place.c.id == pair.second_place_id)
        with service.database.transaction() as connection:
            connection.execute(gone.values(blocked=True))
        again = service.phone().dials().hears_text("ses réponses sont gardées")
        again.presses("1").hears_text("n'est plus gardé")
        assert again.step == "offers"


# ---------------------------------------------------------------- copies of webhooks


def test_a_ring_whose_answer_was_lost_finds_what_was_cut_all_the_same(service: House):
    """The call was stored, its first turn was not: the provider rings once more."""
    cut_at(service, "confirm")
    again = service.phone()
    with service.database.transaction() as connection:
        row = {"id": again.sid, "status": "ringing", "status_rank": 2}
        row |= {"started_at": service.clock.now()}
        row |= {"caller_idx": service.store.vault.index("phone", MOBILE)}
        connection.execute(call.insert(), [row])
    assert again.dials().step == "resume"


def test_a_copy_of_the_answer_takes_nothing_up_twice(service: House):
    first = cut_at(service, "confirm")
    chosen = set(service.session(first.sid).choice.places)
    again = service.phone().dials().presses("1")
    last = again.requests[-1]
    copy = service.app.test_client().post(
        last.url, data=dict(last.form), headers=dict(last.headers)
    )
    assert copy.data == again.documents[-1]
    assert kept_by(service, again.sid) == chosen


# ---------------------------------------------------------------- two people, another language


def couple_at_confirm(service: House) -> Phone:
    caller = service.phone().goes_to("for_whom").presses("3")
    return caller.goes_to("confirm")


def test_a_couple_goes_on_with_a_place_beside_the_first(service: House):
    first = couple_at_confirm(service).hangs_up()
    chosen = set(service.session(first.sid).choice.places)
    assert service.held() == 1
    again = service.phone().dials().presses("1")
    assert again.step == "confirm"
    held = kept_by(service, again.sid)
    assert chosen < held
    (adjacent,) = service.session(again.sid).adjacent
    assert held == chosen | set(adjacent.places)


@pytest.mark.parametrize("step", ["ready", "reference"])
def test_cut_between_two_people_the_second_is_served(service: House, step: str):
    caller = couple_at_confirm(service).presses("1")
    caller.goes_to(step).hangs_up()
    assert len(service.bookings()) == 1
    again = service.phone().dials().hears_text("ses réponses sont gardées").presses("1")
    # First what the first one was not told yet, to whoever knows their birth date.
    assert again.step == "untold_birth_date"
    (first,) = service.bookings()
    again.presses("12031942").goes_to("reference")
    again.hears_text(", ".join(first.reference[i : i + 2] for i in range(0, 10, 2)))
    again.presses("1")
    assert again.step == "date_of_birth"
    again.presses("13031944").presses("1").goes_to("offers")
    again.goes_to("reference")
    assert len(service.bookings()) == 2
    assert len({row.reference for row in service.bookings()}) == 2


def test_the_second_of_two_goes_on_where_the_line_was_cut(service: House):
    caller = couple_at_confirm(service).presses("1").goes_to("reference").presses("1")
    assert caller.step == "date_of_birth"
    caller.presses("13031944").goes_to("offers").hangs_up()
    again = service.phone().dials().presses("1")
    session = service.session(again.sid)
    assert again.step == "offers"
    assert (session.born, session.second_person) == ("1944-03-13", True)
    # Beside the first one, as before.
    assert session.offers == session.adjacent
    again.goes_to("reference")
    assert len(service.bookings()) == 2
