"""Transactions of SIP (RFC 3261 §17, RFC 6026): what is sent again, and what is known already.

aiosipua has no server transactions (a retransmitted INVITE gets 481 from it) and no timers for
requests (a lost BYE is lost), so these are ours. Each ends by a timer, so that nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from exchange.sip.wire_messages import Request, Response
from exchange.sip.wire_parts import Cancellable, Peer, Timers, Times

Send = Callable[[bytes, Peer], bool]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Post:
    """How things are sent, and sent again."""

    send: Send
    times: Times
    timers: Timers


class Again:
    """Sends something again: after T1, and twice as late each time, up to T2 (or without end)."""

    def __init__(
        self, post: Post, data: bytes, peer: Peer, gave_up: Callable[[], None], *, most: float
    ) -> None:
        self._post, self._data, self._peer, self._gave_up = post, data, peer, gave_up
        self._most, self._wait = most, post.timers.t1
        self._timer: Cancellable | None = None
        self._end: Cancellable | None = post.times.later(post.timers.patience, self._over)
        self._next()

    def _next(self) -> None:
        self._timer = self._post.times.later(self._wait, self._send)

    def _send(self) -> None:
        self._post.send(self._data, self._peer)
        self._wait = min(2 * self._wait, self._most)
        self._next()

    def slow(self) -> None:
        """Go on at T2: something was heard (RFC 3261 §17.1.2.2)."""
        self._wait = self._post.timers.t2

    def _over(self) -> None:
        self.stop()
        self._gave_up()

    def stop(self) -> None:
        """Send no more, and give nothing up."""
        for timer in (self._timer, self._end):
            if timer is not None:
                timer.cancel()
        self._timer = self._end = None


class _Timed:
    """What both kinds have: copies that are sent, and the moment at which nothing more can come."""

    _again: Again | None = None
    _end: Cancellable | None = None

    def _stop(self) -> None:
        if self._again is not None:
            self._again.stop()
        if self._end is not None:
            self._end.cancel()
        self._again = self._end = None


class Server(_Timed):
    """A request that came, and what was last answered to it: a copy gets the same."""

    def __init__(self, post: Post, request: Request, ended: Callable[[Server], None]) -> None:
        # By which a copy is known. The request itself is not kept: thousands of these may be.
        self.key: Key = request.key
        self.final = 0
        # What is to be done where a CANCEL comes for it.
        self.cancelled: Callable[[], None] | None = None
        self._post, self._ended = post, ended
        self._reply_to = request.reply_to
        self._invite = request.method == "INVITE"
        self._last: bytes | None = None

    def copy(self) -> None:
        """Take note that the request came once more."""
        if self._last is not None:
            self._post.send(self._last, self._reply_to)

    def answer(self, status: int, data: bytes) -> bool:
        """Send a response, once where it is final; return whether it was sent to somebody.

        A refused INVITE is refused until that is acknowledged; an accepted one is the call's
        matter (RFC 3261 §13.3.1.4), but its copies get the answer here.
        """
        if self.final:
            return False
        self._last = data
        sent = self._post.send(data, self._reply_to)
        if status >= 200:  # noqa: PLR2004
            self._finish(status, data)
        return sent

    def _finish(self, status: int, data: bytes) -> None:
        self.final = status
        timers, datagrams = self._post.timers, self._reply_to.transport == "UDP"
        if self._invite and status >= 300 and datagrams:  # noqa: PLR2004
            self._again = Again(self._post, data, self._reply_to, self.end, most=timers.t2)
        elif self._invite or datagrams:
            self._end = self._post.times.later(timers.patience, self.end)
        else:
            self.end()

    def acknowledged(self) -> None:
        """Take note of the ACK of a refusal; its copies are awaited for a moment, and ignored."""
        if self.final >= 300 and self._last is not None:  # noqa: PLR2004
            self._last = None
            self._stop()
            self._end = self._post.times.later(self._post.timers.t4, self.end)

    def end(self) -> None:
        self._stop()
        self._ended(self)


Heard = Callable[[Response | None], None]


class Client(_Timed):
    """A request of ours, sent until it is answered; `heard` gets each response once.

    For an INVITE that is each provisional one and each of the final ones that say yes, for several
    telephones may take it; else one final one. None comes where nobody answers in time. It is in
    the table under its branch and method until nothing can come any more.
    """

    def __init__(
        self,
        post: Post,
        data: bytes,
        peer: Peer,
        key: tuple[str, Literal["INVITE", "BYE", "CANCEL"]],
        *,
        heard: Heard,
        ended: Callable[[Client], None],
        ack: Callable[[Response], bytes] | None = None,
    ) -> None:
        self.key, self.peer = key, peer
        self._make_ack = ack
        self._post, self._heard, self._ended = post, heard, ended
        self._final, self._ack = 0, b""
        self._invite = key[1] == "INVITE"
        if not post.send(data, peer):
            # Told later: who sends is not ready to hear of it yet.
            self._end = post.times.later(0.0, self._nobody)
        elif peer.transport == "UDP":
            most = float("inf") if self._invite else post.timers.t2
            self._again = Again(post, data, peer, self._nobody, most=most)
        else:
            self._end = post.times.later(post.timers.patience, self._nobody)

    def receive(self, response: Response) -> None:
        if response.status < 200:  # noqa: PLR2004
            self._provisional(response)
        elif self._final >= 300:  # noqa: PLR2004
            # A copy of the refusal: its ACK was lost.
            if self._ack:
                self._post.send(self._ack, self.peer)
        elif self._final and not (self._invite and response.status < 300):  # noqa: PLR2004
            return
        else:
            self._finished(response)

    def _provisional(self, response: Response) -> None:
        if self._final:
            return
        if self._again is not None and not self._invite:
            self._again.slow()
            return
        if self._invite:
            # From here on it is up to the call how long that may take.
            self._stop()
            self._heard(response)

    def _finished(self, response: Response) -> None:
        first = not self._final
        self._final = self._final or response.status
        if self._make_ack is not None and response.status >= 300:  # noqa: PLR2004
            self._ack = self._make_ack(response)
            self._post.send(self._ack, self.peer)
        if first:
            self._stop()
            # Copies, and other telephones' answers, come for a while; to others than an INVITE
            # over TCP there is no copy.
            keep = self._invite or self.peer.transport == "UDP"
            wait = self._post.timers.patience if self._invite else self._post.timers.t4
            self._end = self._post.times.later(wait if keep else 0.0, self.end)
        self._heard(response)

    def _nobody(self) -> None:
        self.end()
        self._heard(None)

    def end(self) -> None:
        """Forget it; nothing is heard any more."""
        self._stop()
        self._ended(self)


class Transactions:
    """All that go on, in both directions; at most `most` of them."""

    def __init__(self, post: Post, most: int) -> None:
        self.post, self._most = post, most
        self.servers: dict[Key, Server] = {}
        self.clients: dict[tuple[str, str], Client] = {}

    @property
    def full(self) -> bool:
        """Whether no request from outside can be taken in any more."""
        return len(self.servers) >= self._most

    def begin(self, request: Request) -> Server:
        """Have the transaction of a request that is none's copy."""
        server = Server(self.post, request, self._ended)
        self.servers[server.key] = server
        return server

    def _ended(self, server: Server) -> None:
        if self.servers.get(server.key) is server:
            del self.servers[server.key]

    def ask(
        self,
        data: bytes,
        peer: Peer,
        key: tuple[str, Literal["INVITE", "BYE", "CANCEL"]],
        heard: Heard,
        *,
        ack: Callable[[Response], bytes] | None = None,
    ) -> Client:
        """Send a request of ours with that mark and method; `ack` makes the ACK of a refusal."""
        client = Client(self.post, data, peer, key, heard=heard, ended=self._client_ended, ack=ack)
        self.clients[client.key] = client
        return client

    def _client_ended(self, client: Client) -> None:
        if self.clients.get(client.key) is client:
            del self.clients[client.key]

    def end(self) -> None:
        for server in list(self.servers.values()):
            server.end()
        for client in list(self.clients.values()):
            client.end()
