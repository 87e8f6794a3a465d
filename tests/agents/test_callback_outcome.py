"""A call back leaves its agent's page with its outcome, in one action each."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.accounts.staff import read_acts
from services.agents import call_back, callback_outcome
from services.agents.conversation import hang_up
from tests.agents.rings import Office, Ring
from tests.queue.test_callbacks import texts
from tests.support.house import MOBILE, House, a_mobile
from tests.support.rows import clock_of

QUARTER = timedelta(minutes=15)


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


def closes(office: Office, staff_id: str, outcome: str, note: str = "") -> tuple[bool, str]:
    done = callback_outcome.close(
        office.store, office.control, office.call_back, *office.mine(staff_id), outcome, note
    )
    office.sweeps()
    return done.done, done.why


def dials(office: Office) -> tuple[str, str, Ring]:
    """An agent's page has a call back, and its number rings: entry, agent and ring."""
    entry, staff_id = office.promises(MOBILE), office.agent()
    office.reserves()
    return entry, staff_id, office.rings(staff_id, MOBILE)


def talks(office: Office) -> tuple[str, str, Ring]:
    """The same, and whoever picked up pressed the key."""
    entry, staff_id, ring = dials(office)
    with office.store.database.transaction() as connection:
        call_back.answered(connection, office.store, ring.leg, ring.sid)
    assert office.state(staff_id) == "talking"
    return entry, staff_id, ring


@pytest.mark.parametrize(
    ("outcome", "told"), [("no_answer", []), ("voicemail", ["callback_missed"])]
)
def test_what_rings_in_vain_is_hung_up_and_rung_again_later(
    office: Office, outcome: str, told: list[str]
):
    entry, staff_id, ring = dials(office)
    assert closes(office, staff_id, outcome) == (True, "")
    kept = office.entry(entry)
    assert (kept.state, kept.tries, kept.staff_id) == ("waiting", 1, None)
    assert kept.due_at - clock_of(office.house).now() == QUARTER
    assert ring.sid in office.control.ended
    assert office.state(staff_id) == "ready"
    assert texts(office.house) == told
    # The provider's own report comes after it, and counts nothing twice.
    assert office.ends(ring, "canceled") == ""
    assert office.entry(entry).tries == 1


@pytest.mark.parametrize(
    ("outcome", "kept_as"), [("wrong_number", "wrong_number"), ("not_wanted", "refused")]
)
def test_a_call_that_need_not_be_made_leaves_the_list_before_it_is_dialled(
    office: Office, outcome: str, kept_as: str
):
    entry, staff_id = office.promises(MOBILE), office.agent()
    office.reserves()
    assert closes(office, staff_id, outcome) == (True, "")
    kept = office.entry(entry)
    assert (kept.state, kept.outcome) == ("left", kept_as)
    assert office.state(staff_id) == "ready"
    assert office.control.to(MOBILE) == []
    assert office.reserves() == 0


@pytest.mark.parametrize("outcome", ["reached", "booked", "no_answer", "voicemail"])
def test_what_only_a_call_can_tell_is_not_said_before_it(office: Office, outcome: str):
    entry, staff_id = office.promises(MOBILE), office.agent()
    office.reserves()
    assert closes(office, staff_id, outcome) == (False, "not_rung")
    assert office.entry(entry).state == "reserved"


@pytest.mark.parametrize("outcome", ["reached", "booked", "wrong_number", "not_wanted"])
@pytest.mark.parametrize("said", ["talking", "wrapup"])
def test_one_action_ends_the_conversation_and_closes_it(office: Office, outcome: str, said: str):
    entry, staff_id, _ring = talks(office)
    if said == "wrapup":
        hang_up(office.store, office.control, *office.mine(staff_id))
        assert office.state(staff_id) == "wrapup"
    assert closes(office, staff_id, outcome) == (True, "")
    kept = office.entry(entry)
    assert (kept.state, kept.wrapup_code, kept.staff_id) == ("done", outcome, staff_id)
    assert office.state(staff_id) == "ready"
    (act,) = [one.act for one in read_acts(office.store) if one.act.what == "callback_closed"]
    assert (act.subject, act.details) == (entry, {"outcome": outcome})


@pytest.mark.parametrize("said", ["talking", "wrapup"])
def test_a_voicemail_that_said_yes_counts_as_one_and_is_rung_once_more(office: Office, said: str):
    entry, staff_id, _ring = talks(office)
    if said == "wrapup":
        hang_up(office.store, office.control, *office.mine(staff_id))
    assert closes(office, staff_id, "voicemail", "Bip long") == (True, "")
    kept = office.entry(entry)
    assert (kept.state, kept.call_id, kept.answered_at, kept.tries) == ("waiting", None, None, 1)
    assert [one.outcome for one in office.tries(entry)] == ["machine"]
    assert office.state(staff_id) == "ready"
    assert texts(office.house) == ["callback_missed"]
    # The second machine is the last.
    office.passes(QUARTER)
    office.ready(staff_id)
    office.reserves()
    ring = office.rings(staff_id, MOBILE)
    office.ends(ring, "completed")
    assert office.entry(entry).state == "lost"


def test_another_promise_to_the_number_keeps_its_place(office: Office):
    entry, staff_id, _ring = talks(office)
    hang_up(office.store, office.control, *office.mine(staff_id))
    again = office.promises(MOBILE)
    assert again != entry
    assert closes(office, staff_id, "no_answer") == (True, "")
    assert (office.entry(entry).state, office.entry(entry).wrapup_code) == ("done", "nobody")
    assert office.entry(again).state == "waiting"


def test_no_outcome_is_said_of_what_is_not_theirs(office: Office):
    _entry, staff_id, _ring = dials(office)
    assert closes(office, staff_id, "because") == (False, "outcome")
    other = office.promises(a_mobile(3))
    why = callback_outcome.close(
        office.store, office.control, office.call_back, staff_id, other, "not_wanted"
    ).why
    assert why == "other_call"
    idle = office.agent()
    assert closes(office, idle, "not_wanted") == (False, "no_callback")
