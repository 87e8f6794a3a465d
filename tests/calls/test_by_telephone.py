"""People without a mobile: everything that others get by text, they get by telephone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.rings import Rung
from tests.calls.telephone import Post
from tests.support.house import LANDLINE, MOBILE, House, house, mornings

BORN, OTHER_BORN = "12031942", "05061944"
HEALTH = ("vaccin", "dose", "santé", "médecin")


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(34, first=8), capacity=5)
        yield made


@pytest.fixture
def post(service: House) -> Post:
    return Post(service)


def books_and_is_to_be_rung(post: Post, born: str = BORN, number: str = LANDLINE) -> str:
    """Somebody books from a line without texts and asks for calls; gives the reference."""
    caller = post.house.phone(number).goes_to("reference", born=born)
    caller.presses("1").hears_text("L'appel viendra du 09, 74, 75, 00, 01").presses("1")
    assert caller.ended_normally
    return post.house.bookings()[-1].reference


def proves(call: Rung, born: str = BORN) -> Rung:
    """Whoever picked up presses 1 and gives a birth date."""
    call.presses("1").hears_text("date de naissance").presses(born)
    return call.presses("1")


def test_a_landline_from_booking_to_reminder_to_move_to_cancel(post: Post):
    """The whole of it, by telephone alone."""
    caller = post.house.phone(LANDLINE).goes_to("reference")
    caller.hears_text("Notez votre référence").hears_text("tapez 1")
    caller.presses("1")
    caller.hears_text("Le mercredi 25 novembre, aujourd'hui, à 18 heures")
    caller.hears_text("Puis le mardi 1er décembre à 10 heures")
    caller.hears_text("L'appel viendra du 09, 74, 75, 00, 01")
    caller.presses("1").hears_text("Nous vous appellerons du 09, 74, 75, 00, 01")
    assert caller.ended_normally
    (booking,) = post.house.bookings()

    # The same evening.
    post.passes_until("17:55")
    assert post.rings_nobody()
    post.passes_until("18:05")
    evening = post.picks_up(LANDLINE).hears_text("au sujet d'un rendez-vous")
    assert "novembre" not in evening.since_input
    proves(evening).hears_text("Votre rendez-vous est le jeudi 3 décembre à 10 heures")
    evening.presses("4").hears_text("référence").hears_text("45")
    evening.presses("1").hears_text("nous vous attendons")
    assert evening.ended_normally
    assert post.messages("evening") == [("evening", "delivered", "call")]

    # Two days before; and it is moved.
    post.passes_until("09:55", on="2026-12-01")
    assert post.rings_nobody()
    post.passes_until("10:05")
    reminder = proves(post.picks_up(LANDLINE)).hears_text("jeudi 3 décembre à 10 heures")
    reminder.presses("2").hears_text("reste à vous").presses("3")
    reminder.presses("1").hears_text("remplace l'ancien")
    reminder.hangs_up()
    (moved,) = post.house.bookings()
    assert moved.start_at.day == 6
    assert moved.reference == booking.reference

    # Not about the old day, and not about what they have just done themselves.
    post.passes_until("20:00", on="2026-12-03")
    assert post.rings_nobody()
    # The new one is a Sunday: two days before it is a Friday.
    post.passes_until("10:05", on="2026-12-04")
    again = proves(post.picks_up(LANDLINE)).hears_text("dimanche 6 décembre à 10 heures")
    again.presses("3").hears_text("Vous voulez annuler").presses("1")
    again.hears_text("annulé").hangs_up()
    assert [one.state for one in post.house.bookings()] == ["cancelled"]

    # And nobody is rung any more.
    post.passes_until("20:00", on="2026-12-07")
    assert post.rings_nobody()
    assert post.texts.sent == []
    assert [one.outcome for one in post.entries()] == ["machine"] * 3


def test_whoever_gets_a_text_is_offered_no_calls_and_is_reminded_by_texts(post: Post):
    caller = post.house.phone(MOBILE).goes_to("reach").presses("1").goes_to("reference")
    caller.presses("1").hears_text("bien enregistré")
    assert caller.ended_normally
    post.passes_until("12:00", on="2026-12-02")
    assert [topic for topic, state, way in post.messages() if (state, way) == ("sent", "text")] == [
        "confirmation",
        "reminder",
        "reminder",
    ]
    assert post.rings_nobody()


def test_an_answering_machine_hears_nothing_personal(post: Post):
    books_and_is_to_be_rung(post)
    post.passes_until("18:05")
    machine = post.picks_up(LANDLINE)
    heard = machine.since_input
    for _ in range(3):
        machine.stays_silent()
        heard += machine.since_input
    assert machine.ended_normally
    machine.hears_text("Vous pouvez nous appeler au 09, 74, 75, 00, 01")
    for secret in (*HEALTH, "décembre", "Paris", "paix", "1942", "mars", "référence"):
        assert secret not in heard, secret
    assert post.messages("evening") == [("evening", "sent", "call")]
    # Again in a quarter of an hour.
    proves(post.picks_up(LANDLINE, by="18:25")).hears_text("jeudi 3 décembre")


def test_a_wrong_birth_date_learns_nothing_and_then_where_to_ring(post: Post):
    books_and_is_to_be_rung(post)
    post.passes_until("18:05")
    call = post.picks_up(LANDLINE).presses("1")
    for _ in range(3):
        assert "décembre" not in call.since_input
        call.presses(OTHER_BORN).presses("1")
    call.hears_text("appelez le 09, 74, 75, 00, 01")
    assert call.ended_normally
    assert post.messages("evening") == [("evening", "sent", "call")]
    # The tries of a day are counted with those of "my appointment": five, wherever they come from.
    again = post.picks_up(LANDLINE, by="18:25").presses("1").presses(OTHER_BORN).presses("1")
    again.presses(OTHER_BORN).presses("1").hears_text("appelez le")


def test_whoever_wants_no_more_calls_gets_none(post: Post):
    books_and_is_to_be_rung(post)
    post.passes_until("18:05")
    post.picks_up(LANDLINE).presses("2").hears_text("nous n'appellerons plus")
    assert post.messages("evening") == [("evening", "undelivered", "call")]
    post.passes_until("20:00", on="2026-12-02")
    assert post.rings_nobody()


def test_rung_in_vain_it_is_undelivered(post: Post):
    books_and_is_to_be_rung(post)
    post.passes_until("18:05")
    post.office.ends(post.rings(LANDLINE), "no-answer")
    post.office.ends(post.rings_by("18:25", LANDLINE), "busy")
    # Two hours later is tomorrow.
    post.passes_until("20:00")
    assert post.rings_nobody()
    post.passes_until("07:55", on="2026-11-26")
    post.office.ends(post.rings_by("08:10", LANDLINE), "failed")
    assert post.messages("evening")[0] == ("evening", "undelivered", "call")
    post.passes_until("20:00")
    assert post.rings_nobody()


def test_two_who_book_in_one_call_are_asked_once_and_both_are_rung(post: Post):
    caller = post.house.phone(LANDLINE).dials().presses("2").presses("2")
    caller.answers(BORN, "1").goes_to("reference").presses("1")
    caller.answers(OTHER_BORN, "1").goes_to("calls_offer").presses("1")
    assert caller.ended_normally
    post.passes_until("17:55")
    first = proves(post.picks_up(LANDLINE, by="18:10"), OTHER_BORN)
    first.hears_text("Votre rendez-vous est le").presses("1")
    second = proves(post.picks_up(LANDLINE, by="18:40"), BORN)
    second.hears_text("Votre rendez-vous est le").presses("1")
    assert {state for _, state, _ in post.messages("evening")} == {"delivered"}


def test_of_a_couple_on_one_line_each_hears_theirs(post: Post):
    """The birth date says whose it is; whoever was not there is rung next."""
    books_and_is_to_be_rung(post, BORN)
    books_and_is_to_be_rung(post, OTHER_BORN)
    post.passes_until("18:05")
    # He picks up first, and the call was about hers.
    first = proves(post.picks_up(LANDLINE), OTHER_BORN).hears_text("Votre rendez-vous est le")
    first.presses("1")
    assert [state for _, state, _ in post.messages("evening")].count("delivered") == 1
    proves(post.picks_up(LANDLINE, by="18:40"), BORN).hears_text(
        "Votre rendez-vous est le"
    ).presses("1")
    assert {state for _, state, _ in post.messages("evening")} == {"delivered"}
    post.passes_until("20:00")
    assert post.rings_nobody()
