"""My appointment, as callers meet it: hear, move, cancel and take back; and who learns nothing."""

from __future__ import annotations

import re

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from models.attempts import attempt
from models.booking import changes
from models.booking.tables import appointment
from models.desk.tables import agent_case
from models.slots.tables import place
from models.waiting_list.waiting import Waiter
from services.attempts import MOST_WRONG_BORNE
from services.booking.change_booking import cancel
from services.booking.changed import By
from services.booking.verify_store import verify_store
from services.call.resume_call import BOOKED_WITHIN
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.slots.allocate import Channel
from services.slots.give_back import UNDO_GRACE, UNDO_WITHIN
from services.waiting_list.entries import EntryState, advance, join, position
from services.work import Work
from tests.centre_day.test_told import text_of
from tests.ivr.line import Line, read
from tests.online.test_attempts import looks
from tests.support.house import (
    LANDLINE,
    MOBILE,
    WITHHELD,
    House,
    Phone,
    a_mobile,
    campaign_with,
    mornings,
)
from tests.support.house import house as open_house
from tests.support.rows import change, clock_of, rows_of

BORN, OTHER = "12031942", "13031942"
UNKNOWN = "0000000001"
# Of each call its own: the address of the next webhook, and nothing else.
NUMBER_OF_TURN = re.compile(rb"n=\d+")


def booked(service: House, number: str = MOBILE, born: str = BORN) -> str:
    """Somebody books by telephone; gives the reference."""
    before = {row.reference for row in service.bookings()}
    service.phone(number).books(born=born)
    (made,) = {row.reference for row in service.bookings()} - before
    return made


def gives(service: House, reference: str, born: str = BORN, number: str = MOBILE) -> Phone:
    """Ring about an appointment, and give the two things that find it."""
    caller = service.phone(number).asks_for_theirs().hears_text("votre référence")
    caller.presses(reference).presses("1").hears_text("date de naissance")
    return caller.presses(born).presses("1")


def states(service: House) -> list[tuple[int, str]]:
    rows = rows_of(service.database, select(appointment).order_by(appointment.c.dose))
    return [(row.dose, row.state) for row in rows]


def starts(service: House) -> list[str]:
    live = select(appointment).where(appointment.c.state == "confirmed")
    rows = rows_of(service.database, live.order_by(appointment.c.dose))
    return [f"{row.centre_id} {row.start_at:%d/%m %H:%M}" for row in rows]


def is_right(service: House) -> bool:
    return not verify_store(service.store, [service.campaign], limit=5, say=print).contradictions


# ---------------------------------------------------------------- hear


def closes(service: House, *centres: str) -> None:
    """Centres close, for whoever is booked there: where nothing else is free it is a case."""
    life = CentreLife(service.store, Campaigns.fixed(service.campaign))
    for centre in centres:
        life.close_centre(centre, OperationRequest("no heating"))


def test_an_appointment_whose_place_is_closed_is_not_told_as_one_that_stands(service: House):
    """Somebody rings them, and whoever rings first is told the truth and can move it."""
    reference = booked(service)
    closes(service, "2", "3", "1")
    assert len(rows_of(service.database, select(agent_case.c.booking_id))) == 1
    caller = gives(service, reference)
    caller.hears_text("n'aura pas lieu").hears_text("Une personne vous appellera")
    caller.hears_text("10 heures")
    service.opens_centre("4", name="Halle", kilometres=2.0, starts=mornings(2))
    caller.presses("2").hears_text("Halle")
    assert "reste à vous" not in caller.since_input
    caller.presses("1").presses("1").hears_text("remplace l'ancien").hears_text("Halle")
    assert "n'aura pas lieu" not in caller.since_input


@pytest.fixture
def far(service: House) -> str:
    """An appointment whose place closed, with another one kept, out of reach; its reference."""
    service.campaign = campaign_with(radius_kilometres=60.0)
    reference = booked(service)
    service.opens_centre("9", name="Palais", kilometres=85.0, starts=mornings(2))
    closes(service, "2", "3", "1")
    return reference


def far_cases(service: House) -> list[bool]:
    """Of each case of a place out of reach, whether it waits."""
    found = select(agent_case.c.closed_at).where(agent_case.c.kind == "far_place")
    return [row.closed_at is None for row in rows_of(service.database, found)]


def test_a_place_out_of_reach_is_kept_and_asked_about(service: House, far: str):
    """Nobody is moved so far without being asked; who does nothing keeps it."""
    caller = gives(service, far).hears_text("Le plus proche avec de la place est à 85 kilomètres")
    caller.hears_text("Palais").hears_text("Pour accepter ce lieu, tapez 1")
    caller.hears_text("une personne vous appellera").hangs_up()
    assert (far_cases(service), starts(service)[0][0]) == ([True], "9")
    (text,) = service.messages("booking_changed")
    assert "Place gardée pour vous au plus près, à 85 km : " in text_of(service, text.id)
    assert is_right(service)


def test_a_place_out_of_reach_is_taken(service: House, far: str):
    gives(service, far).presses("1").hears_text("ce rendez-vous est bien le vôtre")
    assert (far_cases(service), starts(service)[0][0]) == ([False], "9")
    again = gives(service, far).hears_text("Palais")
    assert "avec de la place" not in again.since_input


def test_another_is_chosen_in_the_stead_of_a_place_out_of_reach(service: House, far: str):
    service.opens_centre("4", name="Halle", kilometres=2.0, starts=mornings(2))
    caller = gives(service, far).presses("2").hears_text("Halle").presses("1").presses("1")
    caller.hears_text("remplace l'ancien")
    assert "avec de la place" not in caller.since_input
    assert (far_cases(service), starts(service)[0][0]) == ([False], "4")


def test_undoing_the_closing_brings_back_whom_a_place_out_of_reach_was_kept_for(
    service: House, far: str
):
    life = CentreLife(service.store, Campaigns.fixed(service.campaign))
    for one in life.newest(limit=9):
        life.undo(one.id, OperationRequest(""))
    assert (far_cases(service), starts(service)[0][0]) == ([False], "1")
    caller = gives(service, far)
    assert "avec de la place" not in caller.since_input
    caller.hears_text("le lieu a changé")


def test_what_is_written_of_a_closed_place_says_so_too(service: House):
    reference = booked(service)
    closes(service, "2", "3", "1")
    before = len(service.messages("sms"))
    written(service, MOBILE)
    (text,) = service.messages("sms")[before:]
    assert "ne peut pas avoir lieu" in service.text_of(text)
    assert reference in service.text_of(text)


def test_of_two_the_one_whose_place_is_closed_is_named(pairs: House):
    """The day of the second closes; the first stands."""
    reference = booked(pairs)
    *_, second = rows_of(
        pairs.database, select(appointment.c.place_id).order_by(appointment.c.dose)
    )
    change(pairs.database, update(place).where(place.c.id == second[0]).values(blocked=True))
    caller = gives(pairs, reference)
    caller.hears_text("n'aura pas lieu").hears_text("L'autre ne change pas")


@pytest.mark.parametrize(
    ("number", "keys"),
    [
        (MOBILE, ("3", "2")),
        (MOBILE, ("3", "1", BORN, "1", "3")),
        (LANDLINE, ("3", "1", "2")),
    ],
)
def test_whoever_came_here_by_mistake_can_book(service: House, number: str, keys: tuple[str, ...]):
    caller = service.phone(number).dials().answers(*keys)
    caller.hears_text("C'est pour qui").presses("1")
    caller.hears_text("date de naissance").goes_to("confirm").presses("1").hears_text("confirmé")
    assert len(service.bookings()) == 1


def test_whoever_only_pressed_a_wrong_key_is_not_told_to_hang_up(service: House):
    caller = service.phone().asks_for_theirs().answers("1", BORN, "1")
    for key in ("7", "7"):
        caller.hears_text("Pour prendre un nouveau rendez-vous, tapez 3")
        assert "raccrocher" not in caller.since_input
        caller.presses(key)


def test_a_birth_date_given_for_something_else_proves_nothing(service: House):
    reference = booked(service)
    caller = service.phone().goes_to("date_of_birth_check").presses("*").presses("*").presses("*")
    assert caller.step == "welcome"
    caller.presses("2").presses(reference).presses("1").hears_text("Tapez la date de naissance")


def test_the_reference_goes_along_to_a_person(service: House):
    reference = booked(service)
    gives(service, reference).presses("0").presses("1")
    (promise,) = service.promises()
    known = promise.known
    assert (known["reference"], known["born"], known["proved"]) == (reference, "1942-03-12", "yes")


# ---------------------------------------------------------------- cancel and take back


def test_cancelled_only_after_a_clear_yes_and_taken_back_at_once(service: House):
    reference = booked(service)
    caller = gives(service, reference).presses("3")
    caller.hears_text(
        "Vous voulez annuler le rendez-vous du jeudi 26 novembre, demain, à 10 heures"
    )
    assert states(service) == [(1, "confirmed")]
    caller.presses("2").hears_text("Rien n'est modifié").presses("3").presses("1")
    caller.hears_text("Ce rendez-vous est annulé")
    assert states(service) == [(1, "cancelled")]
    caller.hears_text("Pour revenir sur cette annulation, tapez 1").presses("1")
    caller.hears_text("vous êtes de nouveau attendu").hears_text(
        "jeudi 26 novembre, demain, à 10 heures"
    )
    assert states(service) == [(1, "confirmed")]
    assert is_right(service)


def test_taken_back_in_another_call_within_ten_minutes_though_somebody_waits(service: House):
    for gid in ("1", "2", "3"):
        change(
            service.database,
            update(place)
            .where(place.c.centre_id == gid, place.c.id != first_place(service))
            .values(blocked=True),
        )
    reference = booked(service)
    entry = waits(service)
    gives(service, reference).answers("3", "1").hangs_up()
    clock_of(service).advance(UNDO_WITHIN - timedelta(seconds=1))
    advance(service.store, lambda: [service.campaign])
    assert standing(service, entry) is EntryState.WAITING

    caller = gives(service, reference).hears_text("Pour revenir sur cette annulation, tapez 1")
    caller.presses("1").hears_text("vous êtes de nouveau attendu")
    assert states(service) == [(1, "confirmed")]

    caller.presses("3").presses("1").hangs_up()
    clock_of(service).advance(UNDO_WITHIN + UNDO_GRACE / 2)
    advance(service.store, lambda: [service.campaign])
    assert standing(service, entry) is EntryState.OFFERED


def first_place(service: House) -> int:
    statement = select(place.c.id).where(place.c.centre_id == "1").order_by(place.c.start_at)
    return int(rows_of(service.database, statement.limit(1))[0].id)


def waits(service: House) -> str:
    who = Waiter(date(1940, 5, 6), LANDLINE, "75011", centre_id="1")
    with service.database.transaction() as connection:
        return join(Work(connection, service.store, service.campaign), who)


def standing(service: House, entry: str) -> EntryState:
    with service.database.statement() as connection:
        found = position(connection, service.store, entry)
    assert found is not None
    return found.state


def test_somebody_with_another_appointment_by_then_is_told_so(service: House):
    reference = booked(service)
    caller = gives(service, reference).answers("3", "1")
    booked(service)
    caller.presses("1").hears_text("Un autre rendez-vous est déjà noté")


def test_a_copy_of_the_webhook_cancels_once_and_answers_the_same(service: House):
    reference = booked(service)
    caller = gives(service, reference).presses("3")
    first, again = twice(caller, "1")
    assert first == again
    assert states(service) == [(1, "cancelled")]
    assert len(service.messages("booking_cancelled")) == 1


def test_a_copy_of_a_look_up_is_one_try(service: House):
    caller = service.phone().asks_for_theirs().presses(UNKNOWN).presses("1").presses(BORN)
    first, again = twice(caller, "1")
    assert first == again
    assert len(rows_of(service.database, select(attempt).where(attempt.c.kind == "call"))) == 1


def twice(caller: Phone, keys: str) -> tuple[bytes, bytes]:
    """Press, and have the same webhook come once more."""
    action = read(caller.documents[-1]).action
    caller.presses(keys)
    line = Line(caller.house.app, caller.sender, caller.sid)
    return caller.documents[-1], line.post(action, Digits=keys)


def test_what_was_changed_elsewhere_meanwhile_is_told_as_it_is_now(service: House):
    reference = booked(service)
    caller = gives(service, reference).presses("3")
    with service.database.transaction() as connection:
        file = changes.find_by_reference(connection, service.store.vault, reference)
        assert file is not None
        by = By("staff-7", Channel.AGENT, "asked by somebody")
        cancel(connection, service.store, file.id, by=by)
    caller.presses("1").hears_text("n'est plus comme je vous l'ai dit")
    caller.hears_text("Ce rendez-vous est annulé")
    assert len(service.messages("booking_cancelled")) == 1


# ---------------------------------------------------------------- two doses


@pytest.fixture
def pairs(database_url: str) -> Any:
    with open_house(database_url, campaign=campaign_with(doses=2, horizon_days=60)) as made:
        for gid in ("1", "2"):
            made.opens_centre(
                gid, name=f"Salle {gid}", kilometres=float(gid), starts=mornings(60), capacity=1
            )
        yield made


def test_where_no_other_second_is_free_it_stays(pairs: House):
    reference = booked(pairs)
    clock_of(pairs).advance(timedelta(days=2))
    change(pairs.database, update(place).where(place.c.booking_id.is_(None)).values(blocked=True))
    caller = gives(pairs, reference).presses("2")
    caller.hears_text("Je ne trouve pas d'autre jour pour le second rendez-vous").presses("2")
    caller.hears_text("Rien n'est modifié").hears_text("jeudi 17 décembre")
    assert starts(pairs) == ["1 26/11 09:00", "1 17/12 09:00"]


# ---------------------------------------------------------------- move


def test_another_day_another_commune_or_the_old_one_after_all(service: House):
    reference = booked(service)
    service.opens_centre("9", name="Halle", code="35000", starts=mornings(3))
    caller = gives(service, reference).answers("2", "4", "4")
    assert caller.step == "town"
    caller.presses("35000").presses("1").hears_text("Halle").presses("1")
    caller.hears_text(
        "L'ancien, celui du jeudi 26 novembre, demain, à 10 heures, sera rendu"
    ).presses("3")
    caller.hears_text("Rien n'est modifié").hears_text("Salle des fêtes")
    assert starts(service) == ["1 26/11 09:00"]


def test_a_place_that_goes_in_the_meantime_is_told_and_others_are_offered(service: House):
    reference = booked(service)
    # Of two centres that are as near, theirs is told first; it has no other day any more.
    caller = gives(service, reference).presses("2").presses("1")
    free_there = (place.c.centre_id == "1") & place.c.booking_id.is_(None)
    change(service.database, update(place).where(free_there).values(blocked=True))
    caller.presses("1").hears_text("Ce rendez-vous vient d'être pris")
    assert caller.step == "offers"
    assert starts(service) == ["1 26/11 09:00"]
    caller.presses("1").presses("1").hears_text("remplace l'ancien")


def test_with_nothing_else_near_the_old_one_stays(service: House):
    reference = booked(service)
    free = place.c.booking_id.is_(None)
    change(service.database, update(place).where(free).values(blocked=True))
    caller = gives(service, reference).presses("2")
    caller.hears_text("Je ne trouve pas d'autre rendez-vous libre près de Paris 11e")
    caller.hears_text("Le vôtre reste réservé").presses("2").hears_text("Rien n'est modifié")
    assert starts(service) == ["1 26/11 09:00"]


# ---------------------------------------------------------------- P11: nobody learns who is booked


def answers_of(caller: Phone) -> list[bytes]:
    return [NUMBER_OF_TURN.sub(b"", document) for document in caller.documents]


def test_known_and_unknown_hear_the_same_bytes_for_a_wrong_look_up(service: House):
    """P11: whatever was wrong, to the last try."""
    reference = booked(service)
    heard = []
    for number, (asked, born) in enumerate([(reference, OTHER), (UNKNOWN, OTHER)]):
        # Two lines, of which the ending is told.
        caller = service.phone(a_mobile(100 * number)).asks_for_theirs()
        told: list[bytes] = []
        for _ in range(3):
            caller.presses(asked).presses("1")
            if caller.step == "date_of_birth":
                caller.presses(born)
            assert caller.step == "date_of_birth_check"
            count = len(caller.documents)
            caller.presses("1")
            told += caller.documents[count:]
        assert caller.step == "person"
        heard.append(told)
    assert heard[0] == heard[1]
    assert len(heard[0]) == 3


def test_known_and_unknown_hear_the_same_bytes_when_it_is_written(service: House):
    """P11: with an appointment a text is there afterwards, without one there is none."""
    booked(service, a_mobile(1))
    clock_of(service).advance(BOOKED_WITHIN + timedelta(minutes=1))
    known, unknown = (written(service, a_mobile(number)) for number in (1, 2))
    assert answers_of(known) == answers_of(unknown)
    (text,) = [one for one in service.messages("sms") if one.dedupe_key.startswith("appointment:")]
    vault = service.store.vault
    assert vault.open_text(text.recipient_enc, f"message.recipient:{text.id}") == a_mobile(1)
    assert service.bookings()[0].reference in service.text_of(text)
    # Whoever delivers is told of both, and finds one.
    assert len(service.woken.messages) == 2


def written(service: House, number: str, born: str = BORN) -> Phone:
    caller = service.phone(number).asks_for_theirs().presses("1").presses(born).presses("1")
    return caller.hears_text("un SMS part vers son portable")


def test_one_text_in_ten_minutes_however_often_it_is_asked_for(service: House):
    booked(service)
    written(service, MOBILE)
    written(service, MOBILE)
    assert len(service.messages("sms")) == 1
    clock_of(service).advance(timedelta(minutes=10))
    written(service, MOBILE)
    assert len(service.messages("sms")) == 2


@pytest.mark.parametrize("is_booked", [True, False])
def test_asked_for_too_often_it_needs_a_person_booked_or_not(service: House, is_booked: bool):  # noqa: FBT001
    if is_booked:
        booked(service)
    for _ in range(5):
        written(service, MOBILE).hangs_up()
    caller = service.phone().asks_for_theirs().presses("1").presses(BORN).presses("1")
    caller.hears_text("une personne le fera avec vous")
    assert caller.step == "person"


@pytest.mark.parametrize("number", [LANDLINE, WITHHELD])
def test_a_telephone_without_texts_hears_of_a_person_booked_or_not(service: House, number: str):
    """The birth date is not even asked."""
    before = service.phone(number).asks_for_theirs().presses("1")
    before.hears_text("Une personne peut vous aider")
    booked(service, number)
    after = service.phone(number).asks_for_theirs().presses("1")
    assert answers_of(after)[-1] == answers_of(before)[-1]
    assert service.messages("sms") == []


def test_a_cancelled_or_past_one_is_not_written(service: House):
    reference = booked(service)
    gives(service, reference).answers("3", "1")
    written(service, MOBILE)
    assert service.messages("sms") == []


# ---------------------------------------------------------------- P12: nobody guesses


def wrong_calls(service: House, calls: int, reference: str, **options: Any) -> None:
    number: Callable[[int], str] = options.get("number", lambda _: MOBILE)
    for count in range(calls):
        gives(service, reference, OTHER, number(count)).hangs_up()


def test_after_five_wrong_ones_in_a_day_a_number_hears_of_a_person(service: House):
    reference = booked(service, LANDLINE)
    wrong_calls(service, 5, UNKNOWN)
    gives(service, reference).hears_text("une personne le fera avec vous")
    gives(service, reference, number=LANDLINE).hears_text("Votre rendez-vous")
    clock_of(service).advance(timedelta(days=1))
    gives(service, reference).hears_text("Votre rendez-vous")


def test_after_five_wrong_ones_in_a_day_a_reference_is_closed_to_telephones(service: House):
    reference = booked(service)
    wrong_calls(service, 5, reference, number=a_mobile)
    caller = gives(service, reference, number=a_mobile(9))
    caller.hears_text("une personne le fera avec vous").presses("1")
    assert caller.ended_normally
    # An agent still can, and has the reference before them.
    (promise,) = service.promises()
    assert promise.known["reference"] == reference
    with service.database.statement() as connection:
        assert changes.find_by_reference(connection, service.store.vault, reference) is not None


def somebody_guesses(service: House) -> None:
    for number in range(MOST_WRONG_BORNE + 1):
        looks(service, f"{number:010d}", caller="", call_id=f"CX-{number}")


def test_while_somebody_guesses_other_lines_hear_and_change_with_a_person(service: House):
    reference = booked(service)
    hearing = gives(service, reference, number=LANDLINE).hears_text("Votre rendez-vous")
    somebody_guesses(service)

    for key in ("2", "3"):
        hearing.presses(key).hears_text("une personne le fera avec vous")
        # Back to what can still be done here.
        hearing.presses("3").hears_text("Votre rendez-vous")
    gives(service, reference, number=WITHHELD).hears_text("Votre rendez-vous")
    assert states(service) == [(1, "confirmed")]

    clock_of(service).advance(timedelta(minutes=5))
    hearing.presses("3").presses("1").hears_text("Ce rendez-vous est annulé")


def test_while_somebody_guesses_the_line_on_file_changes_by_itself(service: House):
    """Guesses of one caller close nothing for the others: who guesses has not their number."""
    reference = booked(service)
    somebody_guesses(service)
    gives(service, reference).presses("3").presses("1").hears_text("Ce rendez-vous est annulé")
    assert states(service) == [(1, "cancelled")]
