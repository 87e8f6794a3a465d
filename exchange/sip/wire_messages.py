"""SIP messages as they come in, made sure of, and those that answer them.

aiosipua splits a message into headers; what it takes too easily is looked at here: whatever comes
out of `read` has what the rest of the wire relies on.
"""

import re

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from aiosipua.headers import parse_address
from aiosipua.message import SipMessage, SipRequest, SipResponse

from exchange.sip.wire_parts import Peer

COOKIE: Final = "z9hG4bK"
ALLOW: Final = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO"
# Methods of SIP that exist and are not served (405); whatever else is none of SIP's (501).
UNSERVED: Final = frozenset(
    {"PRACK", "UPDATE", "REFER", "NOTIFY", "SUBSCRIBE", "PUBLISH", "MESSAGE"}
)
SERVER: Final = "Allo-Rendez-vous"

REASONS: Final[Mapping[int, str]] = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}

# A header may stand there several times.
Headers = Iterable[tuple[str, str]]

_METHOD: Final = re.compile(r"[A-Z]{1,32}")
_URI: Final = re.compile(r"[\x21-\x7e]{1,512}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,256}")
_CSEQ: Final = re.compile(r"([0-9]{1,10})[ \t]+([A-Z]{1,32})")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SENT_BY: Final = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*(?:UDP|TCP)\s+(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,255})"
    r"\s*(?::\s*([0-9]{1,5})\s*)?((?:;.*)?)",
    re.IGNORECASE | re.DOTALL,
)
_PARAM: Final = re.compile(r";\s*([A-Za-z0-9_.!%*+`'~-]+)\s*(?:=\s*(\"[^\"]*\"|[^;\s]*))?\s*")
_END: Final = re.compile(rb"\r?\n\r?\n")
_USER: Final = re.compile(r"[^0-9A-Za-z+*#._@-]")
_HIGHEST: Final = 2**31
_MOST_VIAS: Final = 16
# Of all headers together: one message must not take so long to be taken apart that sound stops.
_MOST_LINES: Final = 300
_MOST_COMMAS: Final = 400
# Characters of a Via, or of an address with all that stands around it.
_LONGEST: Final = 1024
_DEFAULT_PORT: Final = 5060


class Mangled(Exception):
    """What came is no SIP message, or one that cannot be answered."""


class Refused(Exception):
    """A request that is answered with an error, and looked at no further."""

    def __init__(self, status: int, headers: Headers = ()) -> None:
        super().__init__(status)
        self.status, self.headers = status, tuple(headers)


@dataclass(frozen=True)
class Request:
    """A request whose parts are there. `key` tells its transaction (RFC 3261 §17.2.3)."""

    message: SipRequest
    peer: Peer
    method: str
    call_id: str
    cseq: int
    from_tag: str
    to_tag: str
    key: tuple[str, ...]
    # Where the answer goes: the host that it came from, and over UDP the port that it asks for.
    reply_to: Peer

    @property
    def uri(self) -> str:
        return self.message.uri

    def first(self, name: str) -> str:
        """Return the header's first value; empty where it is not there."""
        return self.message.get_header(name) or ""

    @property
    def body_type(self) -> str:
        """Content-Type in small letters and without parameters."""
        return self.first("content-type").split(";", 1)[0].strip().lower()


@dataclass(frozen=True)
class Response:
    """A response to a request of ours."""

    message: SipResponse
    peer: Peer
    status: int
    method: str
    branch: str
    to_tag: str


def parameters(text: str) -> dict[str, str]:
    """Return `;name=value` parameters; names in small letters, quotes taken off."""
    return {name.lower(): value.strip('"') for name, value in _PARAM.findall(text)}


def tag_of(address: str) -> str:
    """Return the tag of a From or To header; empty where it has none."""
    behind = address.rpartition(">")[2] if ">" in address else address.partition(";")[1:][-1]
    return parameters(";" + behind.lstrip("; \t")).get("tag", "")


def uri_of(address: str) -> str:
    """Return the URI of a name-addr or addr-spec, as it stands there; empty where that is long."""
    if len(address) > _LONGEST:
        return ""
    # A quoted name may have angle brackets in it.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", address)
    found = re.search(r"<([^<>]*)>", bare)
    return (found[1] if found else bare.split(";", 1)[0]).strip()


def user_of(address: str) -> str:
    """Return what stands before the `@`: a number or a name; at most 64 plain characters.

    aiosipua takes a user with parameters (`+331…;phone-context=…@host`) and a `tel:` URI for a
    host, so that this is done here.
    """
    uri = uri_of(address)
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return ""
    if scheme.lower() == "tel":
        user = rest
    else:
        user, at, _ = rest.rpartition("@")
        if not at:
            return ""
    user = unquote(user.split(";", 1)[0].split(":", 1)[0])
    return _USER.sub("", user)[:64]


def read(data: bytes, peer: Peer) -> Request | Response:
    """Return the message in these bytes.

    Raises Mangled where nothing can be answered; a request that can be answered and is wrong
    raises nothing here: see `check`.
    """
    head = data[: end.end()] if (end := _END.search(data)) else data
    if head.count(b"\n") > _MOST_LINES or head.count(b",") > _MOST_COMMAS:
        raise Mangled("too much")
    try:
        message = SipMessage.parse(data)
    except (ValueError, IndexError) as error:
        raise Mangled(type(error).__name__) from None
    start = data.split(b"\n", 1)[0].strip()
    if isinstance(message, SipResponse):
        return _response(message, start, peer)
    if not start.endswith(b" SIP/2.0"):
        raise Mangled("no SIP/2.0")
    return _request(message, peer)


def _ids(message: SipMessage) -> tuple[str, int, str, str, str]:
    """Return Call-ID, the number and method of CSeq, and both tags."""
    call_id = (message.get_header("call-id") or "").strip()
    cseq = _CSEQ.fullmatch((message.get_header("cseq") or "").strip())
    sender, to = message.get_header("from") or "", message.get_header("to") or ""
    if not _TOKEN.fullmatch(call_id) or cseq is None or not sender or not to:
        raise Mangled("headers are missing")
    number, from_tag, to_tag = int(cseq[1]), tag_of(sender), tag_of(to)
    if number >= _HIGHEST or len(from_tag) > 256 or len(to_tag) > 256:  # noqa: PLR2004
        raise Mangled("too long")
    return call_id, number, cseq[2], from_tag, to_tag


def _sent_by(via: str) -> re.Match[str] | None:
    return None if len(via) > _LONGEST else _SENT_BY.fullmatch(via.strip())


def _response(message: SipResponse, start: bytes, peer: Peer) -> Response:
    vias = message.get_header_values("via")
    via = _sent_by(vias[0]) if vias else None
    # Two of them, and it went through somebody who did not take his own off, or is not for us.
    if via is None or len(vias) != 1 or not start.startswith(b"SIP/2.0 "):
        raise Mangled("no Via of ours")
    if not 100 <= message.status_code <= 699:  # noqa: PLR2004
        raise Mangled("no status")
    _, _, method, _, to_tag = _ids(message)
    branch = parameters(via[3]).get("branch", "")
    return Response(message, peer, message.status_code, method, branch, to_tag)


def _request(message: SipRequest, peer: Peer) -> Request:
    vias = message.get_header_values("via")
    via = _sent_by(vias[0]) if vias else None
    if via is None or len(vias) > _MOST_VIAS or not _METHOD.fullmatch(message.method):
        raise Mangled("no Via")
    call_id, cseq, method, from_tag, to_tag = _ids(message)
    if method != message.method:
        raise Mangled("CSeq has another method")
    params = parameters(via[3])
    branch = params.get("branch", "")
    port = int(via[2] or _DEFAULT_PORT)
    if not branch.startswith(COOKIE):
        # As RFC 2543 had it: told by what else a request and its copies have in common.
        branch = f"{call_id} {cseq} {from_tag}"
    shared = "INVITE" if method == "ACK" else method
    key = (peer.host, branch, f"{via[1].lower()}:{port}", shared)
    vias[0] = _stamped(vias[0].strip(), peer, asks="rport" in params)
    reply_to = peer
    if peer.transport == "UDP" and "rport" not in params and 0 < port < 65536:  # noqa: PLR2004
        reply_to = Peer(peer.host, port, "UDP")
    return Request(message, peer, method, call_id, cseq, from_tag, to_tag, key, reply_to)


def _stamped(via: str, peer: Peer, *, asks: bool) -> str:
    """Return the Via with where it came from (RFC 3261 §18.2.1, RFC 3581); the rest as it was."""
    via = re.sub(r"(?i);\s*received\s*=\s*[^;]*", "", via)
    if asks:
        via = re.sub(r"(?i);\s*rport\b\s*(?:=\s*[^;]*)?", f";rport={peer.port}", via)
    return f"{via};received={peer.host}"


def check(request: Request, data: bytes) -> None:
    """Raise Refused where a request has something that must be answered with an error."""
    message = request.message
    if not _URI.fullmatch(message.uri) or not request.from_tag:
        raise Refused(400)
    if any(len(request.first(name)) > _LONGEST for name in ("from", "to")):
        raise Refused(400)
    if message.uri.partition(":")[0].lower() not in {"sip", "tel"}:
        raise Refused(416)
    length = request.first("content-length").strip()
    if length:
        _, _, body = data.partition(b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n")
        if not _NUMBER.fullmatch(length) or int(length) > len(body):
            raise Refused(400)
    needs = message.get_header_values("require")
    if needs and request.method not in {"ACK", "CANCEL"}:
        raise Refused(420, [("Unsupported", one[:64]) for one in needs[:8]])
    if request.first("content-encoding") not in {"", "identity"}:
        raise Refused(415, [("Accept-Encoding", "identity")])


def response(
    request: Request,
    status: int,
    *,
    to_tag: str = "",
    headers: Headers = (),
    body: bytes = b"",
) -> bytes:
    """Return a response: what a request gives is copied, `to_tag` set where there is none."""
    message = SipResponse(status_code=status, reason_phrase=REASONS.get(status, "Error"), body=body)
    for via in request.message.get_header_values("via"):
        message.add_header("Via", via)
    message.set_header("From", request.first("from"))
    to = request.first("to")
    message.set_header("To", f"{to};tag={to_tag}" if to_tag and not request.to_tag else to)
    message.set_header("Call-ID", request.call_id)
    message.set_header("CSeq", f"{request.cseq} {request.method}")
    for name, value in headers:
        message.add_header(name, value)
    message.set_header("Server", SERVER)
    return bytes(message)


def contact_uri(header: str) -> str:
    """Return the URI of a Contact that may stand in a request line; empty where it may not."""
    uri = uri_of(header)
    address = parse_address(f"<{uri}>")
    plain = _URI.fullmatch(uri) and not any(sign in uri for sign in '<>"{}|\\^`')
    if not plain or not uri.lower().startswith("sip:") or not address.uri.host:
        return ""
    return uri
