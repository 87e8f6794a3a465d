"""A number that we ring hears us at once, and a person proves to be one with a key or a yes."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from datetime import timedelta
from typing import Any

import pytest

from flows.session import Session
from prompts.catalogue import load
from services.queue.promise_callback import RING_AFTER
from tests.agents.rings import OURS, Office, Rung
from tests.ivr.webhooks import Webhook
from tests.support.house import ACCOUNT, LANDLINE, MOBILE, House

GREETING = "Bonjour. Ici Allô Rendez-vous."
MACHINE = "Bonjour vous êtes bien chez Monique et René laissez un message après le bip sonore"


class Answers(Rung):
    """The same, with what became of their call."""

    @property
    def session(self) -> Session:
        return self.house.session(self.sid)

    @property
    def verbs(self) -> list[str]:
        """The verbs of the newest document, from the outside in."""
        return [one.tag for one in ET.fromstring(self.documents[-1]).iter()]  # noqa: S314


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


def rung(office: Office, number: str = MOBILE, **known: Any) -> tuple[str, str, Answers]:
    """An agent waits and the number picks up: the entry, the agent, the call."""
    entry = office.promises(number, **known)
    staff_id = office.agent()
    office.reserves()
    ring = office.rings(staff_id, number)
    return entry, staff_id, Answers(office.house, ring)


def test_whoever_picks_up_hears_us_at_once(office: Office):
    _, _, call = rung(office)
    call.dials()
    call.hears_text(GREETING)
    assert call.verbs[:3] == ["Response", "Gather", "Say"]
    gather = ET.fromstring(call.documents[-1]).find("Gather")  # noqa: S314
    assert gather is not None
    assert gather.get("input") == "dtmf speech"
    assert gather.get("numDigits") == "1"
    assert "oui" in (gather.get("hints") or "")
    assert b"accin" not in call.documents[-1]
    assert b"achineDetection" not in call.documents[-1]


def test_nothing_is_told_to_the_wrong_person(office: Office):
    _, _, call = rung(office, born="1942-03-12", town="Rennes", postcode="35000")
    call.dials()
    for _ in range(3):
        for secret in ("1942", "mars", "Rennes", "35000", "vaccin", "santé", "médecin"):
            assert secret not in call.since_input
        call.stays_silent()


@pytest.mark.parametrize("proof", ["1", "0", "oui", "oui bien sûr", "c'est moi"])
def test_a_person_comes_to_the_agent(office: Office, proof: str):
    entry, staff_id, call = rung(office)
    call.dials()
    call.presses(proof) if proof.isdigit() else call.says(proof)
    call.hears_text("Je vous passe une personne")
    conference = ET.fromstring(call.documents[-1]).find("Dial/Conference")  # noqa: S314
    assert conference is not None
    assert conference.text == entry
    row = office.entry(entry)
    assert (row.state, row.call_id) == ("talking", call.sid)
    assert office.state(staff_id) == "talking"
    assert call.session.step == "with_agent"
    assert call.session.caller == MOBILE


def test_a_copy_of_the_first_webhook_is_answered_alike(office: Office):
    entry, _, call = rung(office)
    call.dials()
    first = call.documents[-1]
    call.presses("1")
    ring = office.control.to(MOBILE)[-1]
    copy = asks(office, ring.path, ring.sid)
    assert copy == first.decode()
    assert office.entry(entry).state == "talking"


def asks(office: Office, path: str, sid: str, **fields: str) -> str:
    """A webhook by itself; gives the document."""
    where, _, query = path.partition("?")
    form = {"CallSid": sid, "AccountSid": ACCOUNT, "From": OURS, "To": MOBILE, **fields}
    form = {"CallStatus": "in-progress", "Direction": "outbound-api", **form}
    hook = Webhook(where, tuple(form.items()), query).signed()
    answer = hook.send(office.house.app)
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def test_a_second_call_for_the_same_try_says_goodbye(office: Office):
    entry, staff_id, call = rung(office)
    call.dials()
    ring = office.control.to(MOBILE)[-1]
    second = asks(office, ring.path, "CA" + "e" * 32)
    assert load("fr").say("callback_over", {}).split(".")[0] in second
    assert "Hangup" in second
    asks(office, ring.status_path, "CA" + "e" * 32, CallStatus="completed")
    assert office.entry(entry).state == "reserved"
    assert office.state(staff_id) == "reserved"


def test_an_unknown_try_is_answered(office: Office):
    for path in (
        "/voice/callback",
        "/voice/callback?leg=nonsense",
        f"/voice/callback?leg={'0' * 32}",
    ):
        assert "Hangup" in asks(office, path, "CA" + "d" * 32)
        assert "<Response" in asks(office, path.replace("back", "back-status"), "CA" + "d" * 32)


def test_an_answering_machine_proves_nothing(office: Office):
    entry, staff_id, call = rung(office)
    call.dials()
    # What talks like that twice is not listened to a third time.
    call.says(MACHINE).says(MACHINE)
    assert office.entry(entry).state == "reserved"
    gather = ET.fromstring(call.documents[-1]).find("Gather")  # noqa: S314
    assert gather is not None
    assert gather.get("input") == "dtmf"
    call.stays_silent()
    assert call.status == "completed"
    office.sweeps()
    row = office.entry(entry)
    assert (row.state, row.tries) == ("waiting", 1)
    assert office.state(staff_id) == "ready"
    assert [one.outcome for one in office.tries(entry)] == ["machine"]
    assert len(office.house.messages("sms")) == 1


def test_three_wordings_then_the_line_is_let_go(office: Office):
    entry, staff_id, call = rung(office, LANDLINE)
    call.dials()
    said = [call.since_input]
    for _ in range(2):
        call.stays_silent()
        said.append(call.since_input)
    assert len(set(said)) == 3
    call.stays_silent()
    call.hears_text("Nous n'avons pas pu vous joindre")
    assert call.status == "completed"
    assert office.state(staff_id) == "ready"
    assert office.entry(entry).state == "waiting"
    # No promise comes of it but the one there is.
    assert office.entry_of(LANDLINE) == entry


@pytest.mark.parametrize("said", ["allô", "allô oui", "oui bonjour", "allô qui est-ce"])
def test_who_only_says_hello_hears_the_question_and_may_speak(office: Office, said: str):
    entry, _, call = rung(office)
    call.dials().says(said)
    call.hears_text("Bonjour.")
    call.hears_text("dites oui")
    assert office.entry(entry).state == "reserved"
    call.says("oui")
    assert office.entry(entry).state == "talking"


def test_who_wants_no_call_any_more_is_left_alone(office: Office):
    entry, staff_id, call = rung(office)
    call.dials().presses("2")
    call.hears_text("nous n'appellerons plus")
    assert office.entry(entry).state == "left"
    assert office.state(staff_id) == "ready"


def test_an_agent_who_is_lost_while_they_pick_up_leaves_them_the_first_place(office: Office):
    entry, staff_id, call = rung(office)
    other = office.agent()
    call.dials()
    place = office.entry(entry).joined_at
    office.loses_line(staff_id)
    call.presses("1")
    row = office.entry(entry)
    assert row.joined_at == place
    assert (row.kind, row.call_id) == ("call", call.sid)
    assert call.session.step == "queue"
    office.reserves()
    assert office.entry(entry).staff_id == other


def test_the_machine_goes_on_where_the_call_was_left(office: Office):
    phone = office.house.phone(LANDLINE)
    phone.goes_to("confirm").hangs_up()
    entry = office.entry_of(LANDLINE)
    assert office.entry(entry).mode == "machine"
    office.passes(RING_AFTER)
    office.call_back.dial_machines(office.store, office.control)
    call = Answers(office.house, office.control.to(LANDLINE)[-1])
    call.dials()
    call.hears_text("n'est pas terminé")
    call.presses("1")
    call.hears_text("nous reprenons")
    assert "1942" not in call.since_input
    assert call.session.step == "confirm"
    call.presses("1")
    assert len(office.house.bookings()) == 1
    row = office.entry(entry)
    assert (row.state, row.outcome) == ("done", "machine")


def test_who_wants_a_person_from_the_machine_comes_to_one(office: Office):
    phone = office.house.phone(LANDLINE)
    phone.goes_to("confirm").hangs_up()
    office.passes(RING_AFTER)
    staff_id = office.agent()
    office.call_back.dial_machines(office.store, office.control)
    call = Answers(office.house, office.control.to(LANDLINE)[-1])
    call.dials().presses("0")
    assert call.session.step == "queue"
    assert office.reserves() == 1
    assert office.state(staff_id) == "reserved"


def test_what_was_given_and_chosen_is_there_when_the_agent_hands_back(office: Office):
    phone = office.house.phone(MOBILE)
    phone.goes_to("offers").answers("0", "1")
    entry = office.entry_of(MOBILE)
    phone.hangs_up()
    # Nobody was at work: the call was promised for the next morning, and is offered from then on.
    office.passes(timedelta(hours=23))
    staff_id = office.agent()
    office.reserves()
    call = Answers(office.house, office.rings(staff_id, MOBILE))
    call.dials().presses("1")
    assert office.entry(entry).state == "talking"
    assert call.session.born == "1942-03-12"
    assert call.session.postcode == "75011"


def test_the_conversation_that_ends_ends_like_any_other(office: Office):
    entry, staff_id, call = rung(office)
    call.dials().presses("1")
    call.hangs_up()
    assert office.entry(entry).state == "wrapup"
    assert office.state(staff_id) == "wrapup"
    office.wraps_up(staff_id)
    assert office.entry(entry).state == "done"


def test_a_failure_of_ours_is_told_and_the_question_comes(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    entry, _, call = rung(office)
    failures = iter([True, True])
    # Whatever the store does, a person hears something, and is asked when it is back.
    real = type(office.call_back).rung

    def fails(self: Any, *given: Any) -> Any:
        if next(failures, False):
            raise RuntimeError("the store is away")
        return real(self, *given)

    monkeypatch.setattr(type(office.call_back), "rung", fails)
    call.dials()
    call.hears_text("Restez en ligne")
    call.hears_text("tapez 1")
    call.presses("1")
    assert office.entry(entry).state == "talking"
