"""Texts that people write: what is answered, what is noted, and that nothing is changed by one."""

from __future__ import annotations

import contextlib
import json
import logging
import threading

from dataclasses import replace
from typing import Any

import pytest

from sqlalchemy import select

import config

from models.booking import changes, history
from models.booking.tables import booking
from models.centres.tables import centre
from models.messages import phone_lines
from models.messages.tables import message
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest
from services.messages import phone_capabilities
from services.messages.phone_capabilities import ContactWay
from tests.messages.conftest import Writer, cases_of, noted
from tests.support.house import MOBILE, House
from tests.support.race import at_once
from tests.support.statements import statements

NUMBER = "09 74 75 00 01"

# How each text begins.
SIGN = "Allo Rendez-vous : "


def booking_rows(house: House) -> list[Any]:
    with house.database.statement() as connection:
        return list(connection.execute(select(booking.c.id, booking.c.state, booking.c.version)))


def texts_lie_as(house: House, **values: Any) -> None:
    """As if the texts that wait had been sent."""
    with house.database.transaction() as connection:
        connection.execute(message.update().where(message.c.kind == "sms").values(**values))


def history_of(house: House) -> list[str]:
    (row,) = booking_rows(house)
    with house.database.statement() as connection:
        return [line.change.what for line in history.of_booking(connection, row.id)]


def way(house: House, number: str = MOBILE) -> ContactWay:
    with house.database.statement() as connection:
        return phone_capabilities.way_of(connection, house.store, number)


# ---------------------------------------------------------------- nothing is changed


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ("ANNULER", "un message ne suffit pas pour annuler"),
        ("je voudrais deplacer mon rdv svp", "un message ne suffit pas pour déplacer"),
        ("non je ne peux pas venir", "un message ne suffit pas pour changer un rendez-vous"),
        ("cancel please", "a message is not enough to cancel"),
        ("bla bla", "nous ne lisons pas les messages"),
        ("au secours un malaise", "si c'est une urgence, appelez le 15 ou le 112"),
    ],
)
def test_a_text_changes_no_booking_and_says_which_number_to_ring(
    caller: Writer, body: str, begins: str
):
    before = booking_rows(caller.house)
    (answer,) = caller.writes(body)
    service, _, words = answer.partition(": ")
    assert service.strip() == "Allo Rendez-vous"
    assert words.startswith(begins)
    assert NUMBER in answer
    assert booking_rows(caller.house) == before
    assert history_of(caller.house) == ["booked"]
    assert cases_of(caller.house) == []


@pytest.mark.parametrize("body", ["merci", "👍", "", "Bonne journée"])
def test_politeness_is_not_answered(caller: Writer, body: str):
    assert caller.writes(body) == []


def test_without_a_number_that_can_receive_nothing_is_understood(inbox: House):
    inbox.settings.sms_reply_number = ""
    writer = Writer(inbox, inbox.application())
    assert writer.writes("stop") == []
    assert writer.line() is None
    assert noted(inbox) == []


def test_a_text_to_another_number_of_ours_is_not_for_us(caller: Writer):
    assert caller.writes("stop", To="+33974750001") == []
    assert caller.line() is None


@pytest.mark.parametrize("sender", ["OrangeInfo", "36111", "+32470123456", "", "+266696687"])
def test_who_can_have_booked_nothing_is_not_answered(inbox: House, sender: str):
    writer = Writer(inbox, inbox.app, sender)
    assert writer.writes("stop") == []
    assert noted(inbox) == []


# ---------------------------------------------------------------- where


def test_where_and_yes_say_that_the_place_is_closed(caller: Writer):
    life = CentreLife(caller.house.store, Campaigns.fixed(caller.house.campaign))
    with caller.house.database.statement() as connection:
        centres = list(connection.execute(select(centre.c.id)).scalars())
    (row,) = booking_rows(caller.house)
    with caller.house.database.statement() as connection:
        booked_at = changes.load(connection, caller.house.store.vault, row.id)
    assert booked_at is not None
    # The one where they are last, or they would be moved there.
    for one in sorted(centres, key=lambda one: one == booked_at.centre_id):
        life.close_centre(one, OperationRequest("no heating"))
    texts_lie_as(caller.house, state="sent", sent_at=caller.house.clock.now())
    for body in ("où", "oui je viendrai"):
        (answer,) = caller.writes(body)
        assert answer.startswith(SIGN + "le lieu de votre rendez-vous est fermé.")
        assert "ne peut pas avoir lieu" in answer
        assert "Une personne vous appellera" in answer
    assert history.SAID_YES not in history_of(caller.house)


def test_where_writes_the_appointment_out_once_more(caller: Writer):
    (row,) = caller.house.messages("sms")
    opened = caller.house.store.vault.open_text(row.payload_enc, f"message.payload:{row.id}")
    (answer,) = caller.writes("où")
    assert answer == json.loads(opened or "")["body"]


def test_where_tells_whoever_has_none_which_number_to_ring(stranger: Writer):
    (answer,) = stranger.writes("quelle adresse ?")
    assert answer.startswith(SIGN + "nous ne trouvons pas de rendez-vous à venir pour ce numéro.")


def test_where_has_the_limit_of_the_telephone(caller: Writer):
    answered = [bool(caller.writes("adresse")) for _ in range(7)]
    assert answered == [True] * 5 + [False] * 2
    caller.later(hours=25)
    assert caller.writes("adresse")


def test_two_people_on_one_telephone_have_both_written_out(caller: Writer):
    house = caller.house
    call = house.phone(MOBILE).goes_to("for_others").presses("1")
    call.presses("04071941").goes_to("reach").presses("1").presses("1").goes_to("reference")
    call.hangs_up()
    assert len(booking_rows(house)) == 2
    answers = caller.writes("où")
    references = {one.reference for one in house.bookings()}
    assert len(answers) == len(references) == 2
    assert all(any(reference in answer for answer in answers) for reference in references)


# ---------------------------------------------------------------- yes


def test_yes_is_noted_with_the_booking_that_was_told_last(caller: Writer):
    texts_lie_as(caller.house, state="sent", sent_at=caller.house.clock.now())
    (answer,) = caller.writes("Ouiii je viendrai")
    assert answer.startswith(SIGN + "merci, c'est noté.")
    assert history_of(caller.house) == ["booked", "said_yes"]
    assert caller.writes_again("Ouiii je viendrai") == [answer]
    assert history_of(caller.house) == ["booked", "said_yes"]


def test_yes_takes_nobody_the_way_back_from_a_cancellation(caller: Writer):
    from services.booking.change_booking import cancel, undo_cancel  # noqa: PLC0415
    from services.booking.changed import By, Restored  # noqa: PLC0415
    from services.slots.allocate import Channel, Holder  # noqa: PLC0415

    house = caller.house
    (row,) = booking_rows(house)
    by = By("caller", Channel.PHONE)
    with house.database.transaction() as connection:
        cancel(connection, house.store, row.id, by=by)
        history.add(
            connection,
            house.clock,
            house.store.vault,
            row.id,
            history.Change("caller", "text", history.SAID_YES),
        )
        holder = Holder(Channel.PHONE, "a call")
        done = undo_cancel(connection, house.store, house.campaign, holder, row.id, by=by)
    assert isinstance(done, Restored)


def test_yes_of_whoever_has_nothing_ahead_is_told_so(stranger: Writer):
    (answer,) = stranger.writes("oui")
    assert answer.startswith(SIGN + "nous ne trouvons pas de rendez-vous")


# ---------------------------------------------------------------- stop


def test_stop_is_obeyed_and_answered_once(caller: Writer):
    (answer,) = caller.writes("STOP")
    assert answer.startswith(SIGN + "c'est noté, nous ne vous écrirons plus.")
    assert caller.line().stopped_at is not None
    assert way(caller.house) is ContactWay.CALL
    assert caller.writes("STOP") == []
    assert caller.writes("arrêtez de m'écrire") == []


def test_after_stop_only_what_is_asked_for_is_answered(caller: Writer):
    caller.writes("stop")
    assert caller.writes("bla") == []
    assert caller.writes("merci") == []
    texts_lie_as(caller.house, state="sent", sent_at=caller.house.clock.now())
    assert caller.writes("oui") == []
    assert history_of(caller.house) == ["booked", "said_yes"]
    (answer,) = caller.writes("où")
    assert "Référence" in answer
    (answer,) = caller.writes("annuler")
    assert NUMBER in answer


def test_start_lets_texts_come_again(caller: Writer):
    caller.writes("stop")
    (answer,) = caller.writes("START")
    assert answer.startswith(SIGN + "c'est noté, vous recevrez de nouveau nos messages.")
    assert caller.line().stopped_at is None
    assert way(caller.house) is ContactWay.TEXT
    assert len(caller.writes("stop")) == 1


def test_where_the_provider_knows_stop_it_alone_answers(caller: Writer):
    assert caller.writes("STOP", OptOutType="STOP") == []
    assert caller.line().stopped_at is not None
    assert caller.writes("START", OptOutType="START") == []
    assert caller.line().stopped_at is None


def test_two_that_say_stop_at_once_are_answered_once(
    caller: Writer, monkeypatch: pytest.MonkeyPatch
):
    """Neither writes before the other has looked, unless the other is made to wait for it."""
    both_looked = threading.Barrier(2)
    look = phone_lines.get

    def look_and_wait(*given: Any) -> Any:
        found = look(*given)
        with contextlib.suppress(threading.BrokenBarrierError):
            both_looked.wait(0.5)
        return found

    monkeypatch.setattr("services.messages.incoming_text.phone_lines.get", look_and_wait)
    answers = at_once(
        lambda: caller.posts(f"SM{71:032x}", "stop")[1],
        lambda: caller.posts(f"SM{72:032x}", "stop")[1],
    )
    assert sorted(map(len, answers)) == [0, 1]


# ---------------------------------------------------------------- a wrong number


def test_a_wrong_number_gets_nothing_more_and_somebody_looks_at_its_bookings(caller: Writer):
    (answer,) = caller.writes("Ce n'est pas moi !")
    assert answer.startswith(SIGN + "merci de nous l'avoir dit : nous n'écrirons plus à ce numéro.")
    assert caller.line().wrong_at is not None
    assert way(caller.house) is ContactWay.NONE
    (case,) = cases_of(caller.house)
    (row,) = booking_rows(caller.house)
    assert (case.kind, case.booking_id) == ("wrong_number", row.id)
    assert case.message_id == noted(caller.house)[0].id
    assert row.state == "confirmed"
    for body in ("mauvais numéro", "annuler", "où", "oui", "bla", "stop"):
        assert caller.writes(body) == [], body
    assert len(cases_of(caller.house)) == 1
    assert way(caller.house) is ContactWay.NONE


def test_whoever_wants_texts_after_all_has_the_right_number(caller: Writer):
    caller.writes("Ce n'est pas moi !")
    (answer,) = caller.writes("START")
    assert answer.startswith(SIGN + "c'est noté, vous recevrez de nouveau nos messages.")
    assert way(caller.house) is ContactWay.TEXT


def test_a_wrong_number_without_a_booking_is_a_case_too(stranger: Writer):
    assert len(stranger.writes("mauvais numero")) == 1
    (case,) = cases_of(stranger.house)
    assert case.booking_id is None
    assert case.message_id is not None


def test_a_relative_who_answers_for_somebody_else_keeps_the_texts(caller: Writer):
    (answer,) = caller.writes("ce n'est pas moi, c'est ma mère")
    assert answer.startswith(SIGN + "nous ne lisons pas les messages.")
    assert caller.line() is None


# ---------------------------------------------------------------- copies, limits, cost


@pytest.mark.parametrize("body", ["annuler", "stop", "c'est pas moi", "où", "bla", "merci"])
def test_a_copy_is_answered_the_same_and_nothing_happens_twice(caller: Writer, body: str):
    first = caller.writes(body)
    cases = cases_of(caller.house)
    assert caller.writes_again(body) == first
    assert len(noted(caller.house)) == 1
    assert cases_of(caller.house) == cases


def test_copies_at_the_same_time_are_answered_the_same(caller: Writer):
    sid = f"SM{7:032x}"
    answers = at_once(*[lambda: caller.posts(sid, "c'est pas moi")[1]] * 4)
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 1
    assert len(cases_of(caller.house)) == 1


def test_two_machines_that_answer_each_other_come_to_an_end(stranger: Writer):
    unknown = [len(stranger.writes("Je suis absent, veuillez rappeler")) for _ in range(6)]
    assert unknown == [1, 1, 0, 0, 0, 0]
    known = [len(stranger.writes("annuler")) for _ in range(12)]
    assert sum(known) == 8
    stranger.later(hours=25)
    assert len(stranger.writes("annuler")) == 1


def test_a_campaign_that_leaves_answers_out_obeys_all_the_same(inbox: House):
    inbox.campaign = replace(inbox.campaign, texts=("confirmation",))
    writer = Writer(inbox, inbox.application())
    assert writer.writes("annuler") == []
    assert writer.writes("stop") == []
    assert writer.line().stopped_at is not None


def test_the_answer_is_in_the_language_of_the_booking(caller: Writer):
    with caller.house.database.transaction() as connection:
        connection.execute(booking.update().values(language="en"))
    (answer,) = caller.writes("stop")
    assert answer.startswith("Allo Rendez-vous: noted, we will not write to you any more.")
    (answer,) = caller.writes("où")
    assert answer.startswith(SIGN + "rendez-vous ")


def test_an_answer_is_counted_like_any_other_text(caller: Writer):
    caller.writes("annuler")
    caller.writes("merci")
    answered, silent = noted(caller.house)
    assert (answered.state, answered.way, answered.parts) == ("sent", "text", 1)
    assert answered.topic == "reply"
    assert (silent.state, silent.way, silent.parts) == ("dropped", None, None)


def test_a_text_that_changes_nothing_costs_two_statements(caller: Writer):
    caller.writes("annuler")
    # Prepared ones run on the driver's cursor, and are not seen here: the row is written by one.
    with statements(caller.house.database) as sent:
        caller.writes("annuler")
    assert len(sent) <= 2
    with statements(caller.house.database) as sent:
        caller.writes_again("annuler")
    assert len(sent) == 1
    assert len(noted(caller.house)) == 2


def test_what_fails_is_asked_for_again_and_says_nothing_of_the_text(
    caller: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("INSERT … stop 0612345678")

    monkeypatch.setattr("ivr.sms.take_text", fails)
    assert caller.posts(f"SM{9:032x}", "stop 0612345678")[0] == 503
    printed = capsys.readouterr()
    assert "0612345678" not in printed.out + printed.err


def test_nothing_of_what_was_written_is_kept_or_logged(
    caller: Writer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    secret = "Suzanne Canari, 29 février 1936, annuler"
    (answer,) = caller.writes(secret)
    printed = capsys.readouterr()
    said = printed.out + printed.err + caplog.text
    (row,) = noted(caller.house)
    opened = caller.house.store.vault.open_text(row.payload_enc, f"message.payload:{row.id}")
    assert json.loads(opened or "") == [answer]
    everything = said + str(row) + str(opened)
    for part in ("Suzanne", "Canari", "1936", "612345678"):
        assert part not in everything, part


# ---------------------------------------------------------------- the setting


@pytest.mark.parametrize("number", ["", "+33974750099", "36111"])
def test_a_number_that_can_answer_is_taken(number: str):
    settings = config.Settings(_env_file=None, sms_reply_number=number)  # type: ignore[call-arg]
    assert settings.sms_reply_number == number


@pytest.mark.parametrize(
    ("number", "told"),
    [
        ("+33612345678", "SMS_REPLY_NUMBER is a French mobile number"),
        ("0974750099", "SMS_REPLY_NUMBER must be a number in international form"),
        ("AlloRDV", "SMS_REPLY_NUMBER must be a number in international form"),
    ],
)
def test_a_number_that_may_not_answer_stops_the_start(number: str, told: str):
    with pytest.raises(config.BadSettings, match=told):
        config.load(_env_file=None, sms_reply_number=number)
