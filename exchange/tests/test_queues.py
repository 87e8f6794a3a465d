"""Callers who wait in a queue that they share, and what the REST paths do with them."""

from typing import Any

import pytest

from exchange.interpreter import Gather, QueueWait
from exchange.testing.fixtures import BASE
from exchange.tests.test_rest import conforms

WAIT = "<Say>Patientez.</Say><Pause length='30'/>"
WAIT_WITH_KEY = (
    "<Gather numDigits='1' timeout='5' action='/key'>"
    "<Say>Pour être rappelé, faites le 1, ou attendez.</Say></Gather>"
)
LINE = {
    "/in": '<Enqueue waitUrl="/wait" action="/after">fr</Enqueue>',
    "/wait": WAIT,
    "/after": "<Say>Après.</Say>",
    "/taken": "<Say>Un conseiller vous répond.</Say><Pause length='5'/>",
    "/status": "",
}
OTHER, THIRD = "+33612345679", "+33612345670"


def queue(here) -> Any:
    (found,) = here.get("/Queues.json")["queues"]
    return found


def test_callers_wait_in_the_order_in_which_they_came(house):
    here = house(LINE)
    calls = [here.rings(sender) for sender in ("+33612345678", OTHER, THIRD)]
    assert all(isinstance(call.waiting, QueueWait) for call in calls)
    assert [form["QueuePosition"] for form in here.forms("/wait")] == ["1", "2", "3"]
    assert [form["CurrentQueueSize"] for form in here.forms("/wait")] == ["1", "2", "3"]
    sid = queue(here)["sid"]
    members = here.get(f"/Queues/{sid}/Members.json")["queue_members"]
    assert [member["call_sid"] for member in members] == [call.sid for call in calls]
    assert [member["position"] for member in members] == [1, 2, 3]
    for member in members:
        conforms(member, "api.v2010.account.queue.member")
    front = here.get(f"/Queues/{sid}/Members/Front.json")
    assert front["call_sid"] == calls[0].sid


def test_times_and_sizes_are_true(house):
    here = house(LINE)
    first = here.rings()
    here.rings(OTHER)
    # Each has heard one round of 30.7 seconds, one after the other, for time is shared.
    first.silence()
    form = here.forms("/wait")[-1]
    assert (form["QueueTime"], form["AvgQueueTime"]) == ("61", "46")
    assert (form["CurrentQueueSize"], form["MaxQueueSize"]) == ("2", "1000")
    resource = queue(here)
    conforms(resource, "api.v2010.account.queue")
    assert (resource["current_size"], resource["friendly_name"]) == (2, "fr")
    assert resource["average_wait_time"] == 76


def test_a_full_queue_sends_the_caller_on(house):
    here = house({**LINE, "/after": "<Say>Toutes nos lignes.</Say>"})
    made = here.post("/Queues.json", 201, FriendlyName="fr", MaxSize="1")
    conforms(made, "api.v2010.account.queue")
    assert made["max_size"] == 1
    here.rings()
    turned_away = here.rings(OTHER)
    assert here.forms("/after")[-1]["QueueResult"] == "queue-full"
    assert here.forms("/after")[-1]["QueueSid"] == made["sid"]
    assert turned_away.ended_normally
    assert turned_away.spoken == ["Toutes nos lignes."]
    here.post(f"/Queues/{made['sid']}.json", 200, MaxSize="2")
    assert isinstance(here.rings(THIRD).waiting, QueueWait)


@pytest.mark.parametrize(
    ("switch", "result"), [("queue_full", "queue-full"), ("system_error", "system-error")]
)
def test_a_queue_can_be_made_to_fail(house, switch, result):
    here = house(LINE)
    here.faults(**{switch: True})
    assert here.rings().spoken == ["Après."]
    form = here.forms("/after")[-1]
    assert form["QueueResult"] == result
    assert "QueueTime" not in form


def test_without_an_action_a_full_queue_goes_on_with_the_next_verb(house):
    here = house({"/in": "<Enqueue>fr</Enqueue><Say>Plus tard.</Say>", "/status": ""})
    here.faults(queue_full=True)
    assert here.rings().spoken == ["Plus tard."]


def test_a_waiting_document_that_fails_is_told_as_error(house):
    here = house({**LINE, "/wait": "<Dial>+33142685300</Dial>"})
    call = here.rings()
    assert here.forms("/after")[-1]["QueueResult"] == "error"
    assert call.errors[0].code == 12200
    assert queue(here)["current_size"] == 0


def test_who_leaves_or_hangs_up_makes_room(house):
    here = house({**LINE, "/wait": WAIT_WITH_KEY, "/key": "<Leave/>"})
    first, second = here.rings(), here.rings(OTHER)
    first.press("1")
    assert here.forms("/after")[-1]["QueueResult"] == "leave"
    assert first.spoken[-1] == "Après."
    assert queue(here)["current_size"] == 1
    second.hang_up()
    assert here.forms("/after")[-1]["QueueResult"] == "hangup"
    assert queue(here)["current_size"] == 0


def test_somebody_is_taken_by_name_from_the_middle_of_the_queue(house):
    here = house(LINE)
    first, second, third = (here.rings(s) for s in ("+33612345678", OTHER, THIRD))
    sid = queue(here)["sid"]
    path = f"/Queues/{sid}/Members/{second.sid}.json"
    taken = here.post(path, 200, Url=f"{BASE}/taken", Method="POST")
    conforms(taken, "api.v2010.account.queue.member")
    # It is out of the queue before the call itself has heard of it.
    assert queue(here)["current_size"] == 2
    assert here.forms("/after") == []
    here.goes_on()
    assert second.spoken[-1] == "Un conseiller vous répond."
    (told,) = here.forms("/after")
    assert (told["QueueResult"], told["QueueSid"]) == ("redirected", sid)
    assert told["CallSid"] == second.sid
    # What the action answered is lost; only the given document is played.
    assert "Après." not in second.spoken
    assert second.ended_normally
    assert first.waiting_queue is not None
    assert third.waiting_queue is not None
    assert here.get(path, 404)["code"] == 20404
    assert here.post(path, 404, Url=f"{BASE}/taken")["code"] == 20404


def test_the_front_is_taken_first(house):
    here = house(LINE)
    first, second = here.rings(), here.rings(OTHER)
    sid = queue(here)["sid"]
    for call in (first, second):
        taken = here.post(f"/Queues/{sid}/Members/Front.json", 200, Url=f"{BASE}/taken")
        assert taken["call_sid"] == call.sid
    assert here.post(f"/Queues/{sid}/Members/Front.json", 404, Url=f"{BASE}/taken")


def test_who_was_taken_in_the_moment_of_leaving_goes_where_they_were_taken(house):
    here = house({**LINE, "/wait": WAIT_WITH_KEY, "/key": "<Leave/>"})
    call = here.rings()
    here.post(f"/Queues/{queue(here)['sid']}/Members/{call.sid}.json", 200, Url=f"{BASE}/taken")
    call.press("1")
    assert here.forms("/after")[-1]["QueueResult"] == "redirected"
    assert "Un conseiller vous répond." in call.spoken
    assert here.sent("/key") == []


def test_who_is_gone_can_not_be_taken(house):
    here = house(LINE)
    call = here.rings()
    path = f"/Queues/{queue(here)['sid']}/Members/{call.sid}.json"
    call.hang_up()
    assert here.post(path, 404, Url=f"{BASE}/taken")["code"] == 20404


def test_a_waiting_call_is_redirected_in_the_middle_of_a_question_there(house):
    here = house({**LINE, "/wait": WAIT_WITH_KEY})
    call = here.rings()
    assert isinstance(call.waiting, Gather)
    here.post(f"/Calls/{call.sid}.json", 200, Url=f"{BASE}/taken")
    here.goes_on()
    assert here.forms("/after")[-1]["QueueResult"] == "redirected"
    assert call.spoken[-1] == "Un conseiller vous répond."
    assert queue(here)["current_size"] == 0


def test_a_waiting_call_is_completed(house):
    here = house(LINE)
    call = here.rings()
    here.post(f"/Calls/{call.sid}.json", 200, Status="completed")
    here.goes_on()
    assert call.end_reason == "completed-by-api"
    assert here.forms("/after")[-1]["QueueResult"] == "hangup"
    assert here.forms("/status")[-1]["CallStatus"] == "completed"
    assert here.get(f"/Calls/{call.sid}.json")["status"] == "completed"


def test_queues_are_made_renamed_and_deleted(house):
    here = house(LINE)
    made = here.post("/Queues.json", 201, FriendlyName="nord")
    assert (made["max_size"], made["current_size"]) == (1000, 0)
    assert here.post("/Queues.json", 400, FriendlyName="nord")["code"] == 22003
    here.post("/Queues.json", 201, FriendlyName="sud")
    path = f"/Queues/{made['sid']}.json"
    assert here.post(path, 400, FriendlyName="sud")["code"] == 22003
    assert here.post(path, 200, FriendlyName="fr", MaxSize="5000")["max_size"] == 5000
    assert here.post(path, 400, MaxSize="5001")["code"] == 20001
    assert here.post(path, 400, Size="3")["code"] == 20001
    waiting = here.rings()
    assert here.delete(path) == 409
    waiting.hang_up()
    assert here.delete(path) == 204
    assert here.get(path, 404)["code"] == 20404
    assert here.post("/Queues.json", 400)["code"] == 20001
    assert here.post("/Queues.json", 400, FriendlyName="a" * 65)["code"] == 20001


def test_lists_of_queues_and_members_come_in_pages(house):
    here = house(LINE)
    for sender in ("+33612345678", OTHER, THIRD):
        here.rings(sender)
    sid = queue(here)["sid"]
    page = here.get(f"/Queues/{sid}/Members.json", PageSize="2")
    assert len(page["queue_members"]) == 2
    rest = here.client.get(page["next_page_uri"], auth=here.auth).get_json()
    assert [member["position"] for member in rest["queue_members"]] == [3]
    assert here.get(f"/Queues/QU{'0' * 32}/Members.json", 404)["code"] == 20404


def test_faults_reach_the_updates_too(house):
    here = house(LINE)
    call = here.rings()
    path = f"/Queues/{queue(here)['sid']}/Members/{call.sid}.json"
    here.faults(next=["500", "429", {"delay": 4}])
    assert here.post(path, 500, Url=f"{BASE}/taken")["code"] == 20500
    assert here.post(path, 429, Url=f"{BASE}/taken")["code"] == 20429
    assert queue(here)["current_size"] == 1
    before = here.clock.now()
    here.post(path, 200, Url=f"{BASE}/taken")
    assert (here.clock.now() - before).total_seconds() == 4
    assert queue(here)["current_size"] == 0


def test_a_cut_connection_has_taken_the_caller_all_the_same(house):
    here = house(LINE)
    call = here.rings()
    path = f"/Queues/{queue(here)['sid']}/Members/{call.sid}.json"
    here.faults(next=["cut"])
    with pytest.raises(ConnectionAbortedError):
        here.post(path, Url=f"{BASE}/taken")
    here.goes_on()
    assert call.spoken[-1] == "Un conseiller vous répond."
