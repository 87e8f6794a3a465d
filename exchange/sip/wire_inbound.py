"""A call from outside: told to whoever takes it when its line is open, answered when they say."""

import re

from collections.abc import Callable

from exchange.sip import wire_sdp
from exchange.sip.wire_dialog import SDP, Office, SipCall, log
from exchange.sip.wire_messages import Refused, Request, contact_uri, response, uri_of, user_of
from exchange.sip.wire_office import trouble
from exchange.sip.wire_transactions import Server

OnCall = Callable[["Inbound"], None]
# Seconds after which somebody may try again.
RETRY_AFTER = 5
_NO_CODEC, _NO_PLACE = 488, 503
# How a caller is called who does not want to be known (RFC 3323 §4.1.1.3), and what says so.
ANONYMOUS = "anonymous"
_PRIVATE = frozenset({"id", "user", "header"})
_NUMBER = re.compile(r"\+?[0-9][0-9.-]+")


def no_place() -> Refused:
    """Return the refusal of a call that there is no room for."""
    return Refused(_NO_PLACE, [("Retry-After", str(RETRY_AFTER))])


def _called(uri: str, to: str) -> str:
    """Return whom an INVITE is for: the request's own URI, for To says what was first dialled.

    A provider may put a name that it knows us by there, and the number in To alone.
    """
    asked, dialled = user_of(uri), user_of(to)
    return dialled if _NUMBER.fullmatch(dialled) and not _NUMBER.fullmatch(asked) else asked


def _privacy(request: Request) -> frozenset[str]:
    """Return what is to be kept of who rings, in small letters."""
    return frozenset(one.strip().lower() for one in request.first("privacy").split(";"))


class Inbound(SipCall):
    """See `Telephone`. Made of an INVITE that is in order; raises Refused otherwise."""

    def __init__(self, office: Office, request: Request, account: str) -> None:
        if request.message.body and request.body_type != SDP[1]:
            raise Refused(415, [("Accept", SDP[1])])
        contacts = request.message.get_header_values("contact")
        target = contact_uri(contacts[0]) if len(contacts) == 1 else ""
        if not target:
            raise Refused(400)
        super().__init__(office, request.peer, request.call_id)
        self._offer: wire_sdp.Offer | None = None
        if request.message.body:
            try:
                self._offer = self._read(request)
            except wire_sdp.NotAcceptable:
                raise Refused(_NO_CODEC) from None
        sender, to = request.first("from"), request.first("to")
        self.caller, self.called = user_of(sender), _called(request.uri, to)
        if _PRIVATE & _privacy(request):
            self.caller = ANONYMOUS
        self.account = account
        self.remote_tag, self.remote_header = request.from_tag, sender
        self.own_header = f"<{uri_of(to)}>"
        self.target, self.remote_cseq = target, request.cseq
        self._record = request.message.get_header_values("record-route")
        self.take_routes(self._record, turned=False)
        self._request = request
        self._server: Server | None = None
        self._origin = (request.call_id, request.from_tag, request.cseq)

    def begin(self, server: Server) -> None:
        """Say that it is looked at, and take a place."""
        office = self.office
        self._server, server.cancelled = server, self._cancelled
        office.calls.add(self)
        office.dialogs[self.own_tag] = self
        office.invites[self._origin] = self
        self._timer = office.times.later(office.timers.rings, lambda: self._refuse(480, "lost"))
        server.answer(100, response(self._request, 100))

    async def open(self, on_call: OnCall) -> None:
        """Open the line, and tell of the call. What goes wrong there is answered, not raised."""
        try:
            if not await self.open_line():
                return
        except Exception as error:  # noqa: BLE001 - no port, no memory: the caller is told anyhow
            log.warning("no line for a call: %s", type(error).__name__)
            self.office.counts["no line"] += 1
            self._refuse(_NO_PLACE)
            return
        try:
            on_call(self)
        except Exception as error:  # noqa: BLE001 - the caller is told, and the next one is served
            trouble("a call could not be taken", error)
            self._refuse(500)

    # ------------------------------------------------------------ what any thread may ask

    def rings(self) -> None:
        self.office.loop.post(self._rings)

    def answer(self) -> bool:
        return self.office.loop.ask(self._answer)

    def refuse(self, status: int) -> None:
        """See `Telephone`; what is none of 400 to 699 is 480."""
        self.mute()
        self.office.loop.post(lambda: self._refuse(status if 400 <= status <= 699 else 480))  # noqa: PLR2004

    # ------------------------------------------------------------ on the loop

    def _rings(self) -> None:
        if self._server is not None and not self.talking and not self.over:
            self.reply(self._request, self._server, 180, self._way())

    def _answer(self) -> bool:
        server = self._server
        if server is None or not self._has_line or self.talking or self.over:
            return False
        own, offer = self.own, self._offer
        self._awaits_answer = offer is None
        body = own.offer() if offer is None else own.answer(offer)
        # Before the other side hears of it, so that its first packet finds somebody.
        if offer is not None:
            self.hear(offer.media)
        self.talking = True
        self._stop_timer()
        if not self.accept(self._request, server, self._record_routes(), body):
            self.finish("lost")
            self.forget()
            return False
        return True

    def _record_routes(self) -> list[tuple[str, str]]:
        # RFC 3261 §12.1.1: copied in every answer that makes a dialog.
        return [("Record-Route", one) for one in self._record]

    def _way(self) -> list[tuple[str, str]]:
        return [("Contact", self.office.own_contact(self.peer)), *self._record_routes()]

    def _refuse(self, status: int, how: str = "") -> None:
        if self._server is None or self.talking or self.over:
            return
        retry = [("Retry-After", str(RETRY_AFTER))] if status == _NO_PLACE else []
        self.reply(self._request, self._server, status, retry)
        self.finish(how)
        self.forget()

    def _cancelled(self) -> None:
        """Take their CANCEL: 487, or, where our 200 is on its way already, a BYE to follow it.

        Most send that BYE themselves, and some think that all is over.
        """
        if not self.talking:
            self._refuse(487, "cancelled")
        elif self._again is not None and not self.over:
            self.finish("cancelled")
            self.say_bye()

    def end_here(self, status: int = 480) -> None:
        if self.talking:
            if not self.over:
                self.finish("")
                self.say_bye()
        else:
            self._refuse(status)

    def gone(self, how: str) -> None:
        if self.talking:
            super().gone(how)
        else:
            self._refuse(480, how)

    def hung_up(self) -> None:
        """See `SipCall`; before our answer, the INVITE is answered, too (RFC 3261 §15.1.2)."""
        self._refuse(487, "hung up")
        super().hung_up()

    def forget(self) -> None:
        if self._server is not None:
            self._server.cancelled = None
        self.office.invites.pop(self._origin, None)
        super().forget()
