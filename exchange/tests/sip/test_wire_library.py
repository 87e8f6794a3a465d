"""What aiosipua 0.7.1 does, and why the wire has layers of its own (docs/decisions/0023).

A test that fails here tells that a later version does better, and what may go then.
"""

import asyncio

import aiosipua
import pytest

from aiosipua.dialog import create_dialog_from_request
from aiosipua.incoming_call import IncomingCall
from aiosipua.message import SipMessage, SipRequest
from aiosipua.sdp import negotiate_sdp, parse_sdp
from aiosipua.transport import _read_sip_message
from aiosipua.uas import SipUAS

from exchange.tests.sip.sip_client import SDP, SipClient


class Noting(aiosipua.SipTransport):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def send(self, message: object, addr: tuple[str, int]) -> None:
        self.sent.append(str(getattr(message, "status_code", "") or getattr(message, "method", "")))


@pytest.fixture
def uas() -> SipUAS:
    return SipUAS(Noting(), retransmit_2xx=False)


def sent(uas: SipUAS) -> list[str]:
    assert isinstance(uas.transport, Noting)
    return uas.transport.sent


def parsed(text: str) -> SipRequest:
    message = SipMessage.parse(text)
    assert isinstance(message, SipRequest)
    return message


def request(method: str, *headers: str, body: str = "") -> SipRequest:
    return parsed(SipClient(5060).request(method, "sip:us@127.0.0.1", *headers, body=body))


def rung(uas: SipUAS) -> tuple[SipRequest, IncomingCall]:
    calls: list[IncomingCall] = []
    uas.on_invite = calls.append
    invite = request("INVITE", "Contact: <sip:c@127.0.0.1>", body=SDP)
    uas._on_message(invite, ("127.0.0.1", 5060))
    return invite, calls[0]


def test_a_copy_of_an_invite_is_481_or_a_second_call(uas: SipUAS):
    invite, call = rung(uas)
    uas._on_message(invite, ("127.0.0.1", 5060))
    assert sent(uas) == ["100", "100"]
    call.accept(parse_sdp(SDP))
    # The dialog of the copy is another one: of the first nobody knows any more.
    assert uas.get_call(call.call_id) is not call


def test_a_cancel_that_crosses_the_answer_gets_no_bye(uas: SipUAS):
    invite, call = rung(uas)
    cancel = parsed(bytes(invite).decode().replace("INVITE", "CANCEL"))
    uas._on_message(cancel, ("127.0.0.1", 5060))
    call.accept(parse_sdp(SDP))
    assert sent(uas) == ["100", "200", "487", "200"]


@pytest.mark.parametrize("method", ["REGISTER", "INFO"])
def test_register_and_info_are_not_served(uas: SipUAS, method: str):
    uas._on_message(request(method), ("127.0.0.1", 5060))
    assert sent(uas) == ["405"]


def test_a_bye_is_sent_once(uas: SipUAS):
    _, call = rung(uas)
    call.accept(parse_sdp(SDP))
    call.hangup()
    assert sent(uas)[-1] == "BYE"
    # No timer of any kind: it needs no loop.
    assert not uas.transactions.client_transactions


def test_an_answer_has_no_record_route():
    invite = request("INVITE", "Record-Route: <sip:10.0.0.1;lr>", "Contact: <sip:c@127.0.0.1>")
    answer = create_dialog_from_request(invite).create_response(invite, 200)
    assert not answer.get_header_values("record-route")


@pytest.mark.parametrize(
    ("old", "new", "answered"),
    [
        ("101", "96", "a=rtpmap:101 telephone-event/8000"),
        ("40000", "0", "m=audio 20000"),
        ("RTP/AVP", "RTP/SAVP", "m=audio 20000 RTP/SAVP"),
        ("a=fmtp", "a=ptime:60\r\na=fmtp", "a=ptime:60"),
        ("t=0 0", "t=0 0\r\na=inactive", "a=sendrecv"),
    ],
)
def test_its_answer_to_an_offer_is_not_ours(old: str, new: str, answered: str):
    answer, _ = negotiate_sdp(parse_sdp(SDP.replace(old, new)), "127.0.0.1", 20000)
    assert answered in aiosipua.sdp.serialize_sdp(answer)


def test_a_length_with_a_space_before_its_colon_is_not_found():
    async def read() -> bytes | None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"OPTIONS sip:x SIP/2.0\r\nContent-Length : 4\r\n\r\nbody")
        reader.feed_eof()
        return await _read_sip_message(reader)

    assert not (asyncio.run(read()) or b"").endswith(b"body")


@pytest.mark.parametrize("address", ["<sip:+331;phone-context=x@127.0.0.1>", "<tel:+331>"])
def test_some_users_are_not_found(address: str):
    assert aiosipua.parse_address(address).uri.user is None
