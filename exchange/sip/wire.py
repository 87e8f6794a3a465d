"""The wire: SIP over UDP and TCP on one port, in and out (RFC 3261).

Everything happens on the loop that it was made on; a `Telephone` may be used from any thread.
Who is not in the plan's networks is not answered, who is may ring and is kept within limits. Calls
out go to telephones that registered, and to the trunk's allowed numbers: there is no other way to
have the wire send an INVITE. Who uses it has to be told of nothing that a caller says: log and
counts have no number in them.
"""

import asyncio
import contextlib
import logging
import os

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from exchange.sip.line import LineOpener
from exchange.sip.parts import Ear
from exchange.sip.settings import Plan
from exchange.sip.wire_dialog import Office
from exchange.sip.wire_inbound import Inbound, OnCall, no_place
from exchange.sip.wire_messages import (
    ALLOW,
    UNSERVED,
    Mangled,
    Refused,
    Request,
    Response,
    check,
    read,
    response,
    user_of,
)
from exchange.sip.wire_office import Loop, trouble
from exchange.sip.wire_outbound import OnProgress, Outbound, Ways
from exchange.sip.wire_parts import (
    Buckets,
    Contact,
    Limits,
    NotAllowed,
    Peer,
    Timers,
    Times,
)
from exchange.sip.wire_registrar import Algorithm, Guard, Registrar
from exchange.sip.wire_transactions import Post, Server, Transactions
from exchange.sip.wire_transport import Sockets

# Seconds that the answers to the last BYEs are waited for.
_CLOSE_S: Final = 2.0
# Of all places, one in so many at most is kept for telephones of ours.
_KEPT_PART: Final = 4
_IN_DIALOG: Final = frozenset({"INVITE", "BYE", "INFO", "OPTIONS"})


class Wire:
    """See the module. `on_call` is called on the loop with each call that comes.

    What happens on its line is kept until an `Ear` is set as its `ear`.
    """

    def __init__(
        self,
        plan: Plan,
        open_line: LineOpener,
        *,
        on_call: OnCall,
        times: Times | None = None,
        timers: Timers | None = None,
        limits: Limits | None = None,
        random: Callable[[int], bytes] = os.urandom,
        # Only this: baresip 1.1 (libre) gives up where SHA-256 is offered beside it, and many a
        # telephone takes the first header only. Both are understood.
        algorithms: Sequence[Algorithm] = ("MD5",),
    ) -> None:
        self._plan, self._on_call = plan, on_call
        times, timers, limits = times or Times(), timers or Timers(), limits or Limits()
        # What was dropped, refused and lost, by kind.
        self.counts: Counter[str] = Counter()
        # Called on the loop when an account's first telephone comes, or its last one goes.
        self.on_registered: Callable[[], None] = lambda: None
        self.port = plan.port
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._quiet = asyncio.Event()
        self._sockets = Sockets(
            plan.hears,
            self._received,
            self._lost,
            times=times,
            limits=limits,
            counts=self.counts,
        )
        self._office = Office(
            plan,
            Loop(asyncio.get_running_loop()),
            Transactions(Post(self._sockets.send, times, timers), limits.transactions),
            times,
            timers,
            random,
            self.counts,
            open_line,
            forgotten=self._forgotten,
        )
        self._guard = Guard(
            plan.accounts, times=times, random=random, limits=limits, algorithms=algorithms
        )
        self._registrar = Registrar(
            self._guard,
            times=times,
            limits=limits,
            reaches=lambda contact: self._sockets.reaches(contact.peer),
            changed=self._told,
        )
        now, most = times.now, limits.sources
        self._messages = Buckets(limits.messages, limits.message_burst, most, now)
        self._invites = Buckets(limits.invites, limits.invite_burst, most, now)
        self._in_calls = Buckets(limits.in_calls, limits.in_call_burst, most, now)
        self._requests = Buckets(limits.requests, limits.request_burst, most, now)
        self._ways = Ways(self._office, self._registrar, self._sockets)

    async def open(self) -> None:
        """Listen. Raises OSError where the port is not free."""
        # It has a line for each message with a wrong length: whoever likes could fill the log.
        logging.getLogger("aiosipua").setLevel(logging.ERROR)
        self.port = await self._sockets.open(self._plan.host, self._plan.port)
        self._office.port = self.port

    async def close(self) -> None:
        """End every call with a BYE, wait a moment for the answers, and let go of the port."""
        self._closing = True
        for call in list(self._office.calls):
            call.end_here(503)
        self._quiet.clear()
        if self._office.dialogs:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), _CLOSE_S)
        for dialog in list(self._office.dialogs.values()):
            dialog.forget()
        self._registrar.stop()
        self._office.transactions.end()
        for task in self._tasks:
            task.cancel()
        await self._sockets.close()

    def _told(self) -> None:
        self.on_registered()

    def _forgotten(self) -> None:
        if not self._office.dialogs:
            self._quiet.set()

    def sizes(self) -> dict[str, int]:
        """Return how many of everything are kept, by name."""
        office = self._office
        return {
            "calls": len(office.calls),
            "dialogs": len(office.dialogs),
            "invites": len(office.invites),
            "requests of theirs": len(office.transactions.servers),
            "requests of ours": len(office.transactions.clients),
            "connections": len(self._sockets.connections),
            "telephones": len(self._registrar),
            "nonces": len(self._guard),
            "sources": max(
                map(len, (self._messages, self._invites, self._requests, self._in_calls))
            ),
            "tasks": len(self._tasks),
        }

    # ------------------------------------------------------------ telephones that registered

    def contact(self, name: str) -> Contact | None:
        """Return where an account's telephone is, the one that registered last; on the loop."""
        return self._registrar.contact(name)

    def registered(self) -> frozenset[str]:
        """Return the accounts that have a telephone; from any thread."""
        return self._registrar.registered()

    # ------------------------------------------------------------ calls out

    async def call(
        self, to: Contact | str, sender: str, ear: Ear | None, on_progress: OnProgress
    ) -> Outbound:
        """Ring a telephone, or a number (E.164) over the trunk, as `sender` (a number).

        Raises NotAllowed, with nothing sent, where `to` is not registered or not to be called, and
        where there is no place. Everything later is told by `on_progress`, on the loop.
        """
        if self._closing or len(self._office.calls) >= self._plan.most_calls:
            raise NotAllowed("there are as many calls as there may be")
        if isinstance(to, Contact):
            way = self._ways.to_telephone(to, sender)
        else:
            way = await self._ways.to_trunk(to, sender)
            if len(self._office.calls) >= self._plan.most_calls:
                # Others came in between.
                raise NotAllowed("there are as many calls as there may be")
        call = Outbound(self._office, way, ear, on_progress)
        call.caller, call.called = user_of(way.sender), user_of(way.target)
        call.account = to.account if isinstance(to, Contact) else ""
        call.begin()
        try:
            await call.open()
        except OSError:
            raise NotAllowed("no port is free for its sound") from None
        return call

    # ------------------------------------------------------------ what comes in

    def _lost(self, peer: Peer) -> None:
        """Take note that a connection is gone, and whoever registered over it."""
        if not self._closing:
            self._registrar.look()

    def _received(self, data: bytes, peer: Peer) -> None:
        if not self._messages.take(peer.host):
            self.counts["limited"] += 1
            return
        try:
            message = read(data, peer)
            if isinstance(message, Response):
                self._answered(message)
            else:
                self._asked(message, data)
        except Mangled:
            self.counts["mangled"] += 1
        except Exception as error:  # noqa: BLE001 - whatever comes, the next one is served
            self.counts["errors"] += 1
            trouble("a message could not be taken", error)

    def _answered(self, answer: Response) -> None:
        client = self._office.transactions.clients.get((answer.branch, answer.method))
        if client is None:
            self.counts["stray"] += 1
        else:
            client.receive(answer)

    def _asked(self, request: Request, data: bytes) -> None:
        transactions = self._office.transactions
        known = transactions.servers.get(request.key)
        if request.method == "ACK":
            self._acknowledged(request, known)
        elif known is not None:
            known.copy()
        elif self._may_ask(request):
            if transactions.full:
                self.counts["limited"] += 1
                return
            server = transactions.begin(request)
            try:
                check(request, data)
                self._serve(request, server)
            except Refused as refused:
                self._refuse(request, server, refused)
            except Exception:
                self._refuse(request, server, Refused(500))
                raise

    def _refuse(self, request: Request, server: Server, refused: Refused) -> None:
        self.counts[f"refused {refused.status}"] += 1
        server.answer(refused.status, self._refusal(request, refused))

    def _refusal(self, request: Request, refused: Refused) -> bytes:
        tag = self._office.tag()
        return response(request, refused.status, to_tag=tag, headers=refused.headers)

    def _may_ask(self, request: Request) -> bool:
        """Return whether that source is within its limits; an INVITE too many is told so.

        Nothing is kept of it: its copy may find a place, and an ACK finds nothing.
        """
        host = request.peer.host
        if request.to_tag in self._office.dialogs or request.method == "CANCEL":
            if self._in_calls.take(host):
                return True
        elif request.method == "INVITE":
            if self._invites.take(host):
                return True
            self._sockets.send(self._refusal(request, no_place()), request.reply_to)
        elif self._requests.take(host):
            return True
        self.counts["limited"] += 1
        return False

    def _acknowledged(self, request: Request, known: Server | None) -> None:
        if known is not None and known.final >= 300:  # noqa: PLR2004
            known.acknowledged()
            return
        call = self._office.dialogs.get(request.to_tag)
        if call is not None and call.belongs(request):
            call.acknowledge(request)

    def _serve(self, request: Request, server: Server) -> None:
        method = request.method
        if method == "CANCEL":
            self._cancel(request, server)
        elif method in UNSERVED:
            raise Refused(405, [("Allow", ALLOW)])
        elif method not in {"REGISTER", *_IN_DIALOG}:
            raise Refused(501, [("Allow", ALLOW)])
        elif request.to_tag or method in {"BYE", "INFO"}:
            call = self._office.dialogs.get(request.to_tag)
            if call is None or method not in _IN_DIALOG or not call.belongs(request):
                raise Refused(481)
            call.receive(request, server)
        elif method == "INVITE":
            self._invite(request, server)
        elif method == "REGISTER":
            if self._plan.is_trunk(request.peer.host):
                raise Refused(403)
            self._ok(request, server, self._registrar.register(request))
        else:
            self._ok(request, server, [("Allow", ALLOW), ("Accept", "application/sdp")])

    def _ok(self, request: Request, server: Server, headers: list[tuple[str, str]]) -> None:
        told = response(request, 200, to_tag=self._office.tag(), headers=headers)
        server.answer(200, told)

    def _cancel(self, request: Request, server: Server) -> None:
        """See RFC 3261 §9.2: by the mark of the INVITE; its 200 goes before the 487."""
        invite = self._office.transactions.servers.get((*request.key[:-1], "INVITE"))
        if invite is None:
            raise Refused(481)
        self._ok(request, server, [])
        if invite.cancelled is not None:
            invite.cancelled()

    def _invite(self, request: Request, server: Server) -> None:
        if (request.call_id, request.from_tag, request.cseq) in self._office.invites:
            # The same call by two ways (RFC 3261 §8.2.2.2).
            raise Refused(482)
        name = user_of(request.first("from"))
        account = ""
        if name in self._plan.accounts and not self._plan.is_trunk(request.peer.host):
            # Who says to be a telephone of ours proves it; all others are callers.
            self._guard.proven(request, name)
            account = name
        if self._closing or len(self._office.calls) >= self._plan.most_calls - self._kept():
            raise no_place()
        call = Inbound(self._office, request, account)
        call.begin(server)
        self._spawn(call.open(self._on_call))

    def _kept(self) -> int:
        """Return how many places are for telephones of ours that ring nowhere and talk to nobody.

        Whoever waits for an agent must leave room for theirs; a quarter of all at most.
        """
        busy = {call.account for call in self._office.calls if isinstance(call, Outbound)}
        free = len(self._registrar.registered() - busy)
        return min(free, self._plan.most_calls // _KEPT_PART)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
