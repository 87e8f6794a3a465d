"""Who may ring, as whom, and whom the service rings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from exchange.numbers import WITHHELD
from exchange.orders import Drop, Mailbox, Ring
from exchange.settings import Settings
from exchange.sip.calls import caller_of, number_of
from exchange.sip.settings import Account, Trunk
from exchange.subscribers import Taken
from exchange.switchboard import Switchboard
from exchange.testing.sip_house import BASE, Documents, SipHouse, plan

MENU = '<Gather action="/picked" numDigits="1"><Say language="fr-FR">Tapez un.</Say></Gather>'


@pytest.fixture
def house(monkeypatch, tmp_path):
    """`house(documents)`: telephones before a service of these documents."""
    # No .env of a developer's checkout may leak into the tests.
    monkeypatch.chdir(tmp_path)

    def make(documents: dict[str, Any] | None = None, **options: Any) -> SipHouse:
        service = Documents({"/voice/status": "", "/voice/incoming": MENU, **(documents or {})})
        return SipHouse(service, Settings(service_url=BASE), **options)

    return make


# Numbers


@pytest.mark.parametrize(
    ("user", "number"),
    [
        ("0612345678", "+33612345678"),
        ("06 12 34 56 78", "+33612345678"),
        ("+33612345678", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("33612345678", "+33612345678"),
        ("0612345678;phone-context=+33", "+33612345678"),
        ("0639980101", "+33639980101"),
        ("0262123456", "+262262123456"),
        ("+442079460000", "+442079460000"),
        ("anonymous", None),
        ("poste1", None),
        ("", None),
        ("1000", None),
        ("+", None),
        ("0" * 500, None),
        ("٠٦١٢٣٤٥٦٧٨", None),
    ],
)
def test_a_number_is_read_in_the_usual_forms(user, number):
    assert number_of(user) == number


@pytest.mark.parametrize(
    ("account", "shown", "number"),
    [
        # A telephone of ours cannot pass for somebody else.
        ("hall", "0612345678", "+33142685300"),
        ("agent", "0612345678", "+33612345678"),
        ("", "anonymous", WITHHELD),
        ("", "whatever", WITHHELD),
    ],
)
def test_an_account_calls_as_itself_and_who_shows_no_number_is_withheld(account, shown, number):
    accounts = {
        "hall": Account("hall", "a-long-password", ("client:1", "+33142685300")),
        "agent": Account("agent", "a-long-password", ("client:2",)),
    }
    telephone: Any = SimpleNamespace(account=account, caller=shown)
    assert caller_of(telephone, accounts) == number


def test_the_service_is_asked_as_twilio_asks(house):
    caller = house().rings("06 12 34 56 78")
    (form,) = caller.house.service.forms("/voice/incoming")
    assert (form["From"], form["To"]) == ("+33612345678", "+33974750001")
    assert (form["Direction"], form["CallStatus"]) == ("inbound", "ringing")
    assert form["CallSid"] == caller.made.sid


# Whom one may ring


@pytest.mark.parametrize("called", ["0612345678", "0974750002", "poste2", "sip", "", "112"])
def test_there_is_nobody_at_another_number(house, called):
    at = house()
    caller = at.rings(called=called)
    assert caller.log == ["refused 404"]
    assert at.service.sent == []


@pytest.mark.parametrize("called", ["0974750001", "+33974750001", "0033974750001", "33974750001"])
def test_the_national_number_is_rung_in_any_form(house, called):
    assert house().rings(called=called).log == ["rings", "answered"]


def test_whoever_rings_a_number_back_that_the_trunk_showed_rings_the_service(house):
    trunk = Trunk("", 0, "udp", "", "", (), (), 1, 1, ("+33142685300",))
    caller = house(plan=plan(trunk=trunk)).rings(called="0142685300")
    (form,) = caller.house.service.forms("/voice/incoming")
    assert form["To"] == "+33142685300"


def test_one_call_too_many_is_told_so_and_the_next_is_taken(house):
    at = house(plan=plan(most_calls=2))
    first, second = at.rings("0612345678"), at.rings("0612345679")
    assert at.rings("0612345680").log == ["refused 503"]
    first.hangs_up()
    assert at.rings("0612345680").log == ["rings", "answered"]
    assert len(at.calls) == 2
    assert not second.is_over


# Calls of the service's


def taken(at: SipHouse, **more: Any) -> Taken:
    ring = Ring(
        "CA" + "1" * 32,
        "+33142685300",
        "+33974750001",
        30,
        url=f"{BASE}/out",
        status_url=f"{BASE}/voice/status",
        sequence=2,
        **more,
    )
    lines: Any = at.lines
    return Taken(ring, Mailbox(), lines)


@pytest.fixture
def rung(house):
    """Somebody at a telephone of ours who took a call, and what was taken."""
    at = house(
        {"/out": MENU, "/picked": "<Say>Merci.</Say>"},
        lines=Switchboard(transport=Documents({}), auth_token="a-token"),
    )
    telephone, call = at.telephone("+33974750001", "poste1"), taken(at)
    caller = at.with_call(
        telephone, lambda: at.begin(lambda: at.calls.run(telephone, call)) and None
    )
    return caller, call


def test_who_takes_a_call_hears_its_document_and_presses_keys(rung):
    caller, _ = rung
    caller.hears("Tapez un.").presses("1").hears("Merci.").waits(2)
    assert caller.log == ["hung up"]
    (form,) = caller.house.service.forms("/out")
    assert (form["Direction"], form["CallStatus"]) == ("outbound-api", "in-progress")
    (end,) = caller.house.service.forms("/voice/status")
    assert (end["CallStatus"], end["SequenceNumber"]) == ("completed", "2")


def test_an_order_that_came_before_the_call_began_is_obeyed(house):
    at = house({"/out": MENU}, lines=Switchboard(transport=Documents({}), auth_token="a-token"))
    telephone, call = at.telephone("+33974750001", "poste1"), taken(at)
    call.mailbox.post(Drop())
    caller = at.with_call(
        telephone, lambda: at.begin(lambda: at.calls.run(telephone, call)) and None
    )
    assert caller.made.end_reason == "caller-hung-up"
    assert caller.log == ["hung up"]


# The end of the process


def test_every_call_ends_with_the_process(house):
    at = house()
    callers = [at.rings(f"061234567{number}") for number in range(3)]
    at.time.do(lambda: at.calls.close(0))
    assert {caller.made.end_reason for caller in callers} == {"caller-hung-up"}
    assert all(caller.log[-1] == "hung up" for caller in callers)
    assert len(at.service.forms("/voice/status")) == 3
    assert at.rings().log == ["refused 503"]


def test_a_call_that_fails_inside_leaves_nobody_on_a_dead_line(house, caplog):
    at = house()

    def fails(pieces, language):
        raise ZeroDivisionError("what the caller said")

    at.voice.say = fails
    caller = at.rings("0612345678")
    assert caller.log[-1] == "hung up"
    assert len(at.calls) == 0
    assert len(at.service.forms("/voice/status")) == 1
    assert "ZeroDivisionError" in caplog.text
    assert "what the caller said" not in caplog.text
