"""A wire with lines that only take note, time that the test moves, and telephones of its own."""

from __future__ import annotations

import asyncio
import functools
import heapq
import inspect
import itertools

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, Concatenate, ParamSpec

from exchange.sip.line import RtpLine
from exchange.sip.parts import Ear, Law, Media, Sound
from exchange.sip.settings import Account, Plan, Trunk
from exchange.sip.wire import Wire
from exchange.sip.wire_inbound import Inbound
from exchange.sip.wire_outbound import Outbound
from exchange.sip.wire_parts import Contact, Limits, Progress, Times
from exchange.tests.sip.sip_client import PATIENCE_S, Dialling, Message, SipClient

PASSWORD = "a-password-of-a-test"
P = ParamSpec("P")


@dataclass(order=True)
class _Due:
    at: float
    number: int
    what: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class MovedTimes(Times):
    """Time goes by when the test says so."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._due: list[_Due] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        return self.time

    def later(self, seconds: float, what: Callable[[], None]) -> _Due:
        due = _Due(self.time + seconds, next(self._numbers), what)
        heapq.heappush(self._due, due)
        return due

    def move(self, seconds: float) -> None:
        until = self.time + seconds
        while self._due and self._due[0].at <= until:
            due = heapq.heappop(self._due)
            self.time = max(self.time, due.at)
            if not due.cancelled:
                due.what()
        self.time = until

    @property
    def waiting(self) -> int:
        """How many things are still to be done."""
        return sum(not due.cancelled for due in self._due)


class NotingLine(RtpLine):
    """A line whose port is nobody's."""

    law: Law = "PCMU"
    playing = False

    def __init__(self, ear: Ear, port: int) -> None:
        self.ear, self.port = ear, port
        self.media: list[Media] = []
        self.closed = False

    def connect(self, media: Media) -> None:
        assert not self.closed
        self.media.append(media)
        self.law = media.law

    def play(self, sound: Sound) -> None: ...

    def stop(self) -> None: ...

    def listen(self, taken: Callable[[bytes], None] | None) -> None: ...

    def close(self) -> None:
        self.closed = True


class NotingEar:
    """See `Ear`."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    def key(self, digit: str) -> None:
        self.heard.put_nowait(digit)

    def idle(self) -> None:
        self.heard.put_nowait("idle")

    def gone(self, how: str) -> None:
        self.heard.put_nowait(how)

    async def hears(self, *what: str) -> None:
        for one in what:
            assert await asyncio.wait_for(self.heard.get(), PATIENCE_S) == one

    def heard_nothing(self) -> bool:
        return self.heard.empty()


TRUNK = Trunk(
    host="127.0.0.1",
    port=5060,
    transport="udp",
    user="mairie",
    password=PASSWORD,
    networks=(ip_network("127.0.0.1/32"),),
    prefixes=("+33",),
    calls_per_second=5.0,
    most_calls=3,
    caller_ids=("+33974750001",),
)


def plan(**given: Any) -> Plan:
    made = Plan(
        host="127.0.0.1",
        port=0,
        rtp_ports=(20000, 20999),
        most_calls=10,
        accounts={
            "poste1": Account("poste1", PASSWORD, ("client:1",)),
            "poste2": Account("poste2", PASSWORD, ("client:2",)),
        },
        networks=(ip_network("127.0.0.0/24"),),
        trunk=None,
        advertised_host="127.0.0.1",
    )
    return replace(made, **given)


class Stage:
    """One wire, and whoever rings it."""

    def __init__(self, limits: Limits | None, wire: dict[str, Any], given: dict[str, Any]) -> None:
        self.times = MovedTimes()
        self.lines: list[NotingLine] = []
        self.calls: asyncio.Queue[Inbound] = asyncio.Queue()
        self.opening: Awaitable[None] | None = None
        self.no_line: Exception | None = None
        self.clients: list[SipClient] = []
        self.wire = Wire(
            plan(**given),
            self._open_line,
            on_call=self._on_call,
            times=self.times,
            limits=limits,
            **wire,
        )
        self.answers_itself: Callable[[Inbound], None] | None = None

    async def _open_line(self, ear: Ear) -> NotingLine:
        if self.opening is not None:
            await self.opening
        if self.no_line is not None:
            raise self.no_line
        line = NotingLine(ear, 20000 + 2 * len(self.lines))
        self.lines.append(line)
        return line

    def _on_call(self, call: Inbound) -> None:
        if self.answers_itself is not None:
            self.answers_itself(call)
        else:
            self.calls.put_nowait(call)

    async def client(self, transport: str = "UDP", host: str = "127.0.0.1") -> SipClient:
        client = await SipClient(self.wire.port, transport).open(host)
        self.clients.append(client)
        return client

    async def call(self) -> tuple[Inbound, NotingEar]:
        """Give the next call that was told of, with an ear of the test's."""
        call = await asyncio.wait_for(self.calls.get(), PATIENCE_S)
        ear = NotingEar()
        call.ear = ear
        return call, ear

    async def comes(self) -> tuple[SipClient, Dialling, Inbound, NotingEar]:
        """Have a caller whose call was told of, and not answered yet."""
        caller = await self.client()
        dialling = caller.invite()
        await caller.hears(100)
        return caller, dialling, *await self.call()

    async def talks(self) -> tuple[SipClient, Dialling, Inbound, NotingEar]:
        """Have a caller whose call was answered."""
        caller = await self.client()
        return caller, *await self.talking(caller)

    async def talking(
        self, client: SipClient, *headers: str, **invite: Any
    ) -> tuple[Dialling, Inbound, NotingEar]:
        """Have a call that was rung, answered and acknowledged."""
        dialling = client.invite("+33974750001", *headers, **invite)
        await client.hears(100)
        call, ear = await self.call()
        assert call.answer()
        client.acknowledges(dialling, await client.hears(200))
        await client.hears_nothing()
        return dialling, call, ear

    async def registered(
        self, name: str = "poste1", transport: str = "UDP"
    ) -> tuple[SipClient, Contact]:
        """Have a telephone that registered."""
        client = await self.client(transport)
        answer = await client.registers(name, PASSWORD)
        assert answer.status == 200
        contact = self.wire.contact(name)
        assert contact is not None
        return client, contact

    async def rings(
        self, to: Contact | str, sender: str = "+33612345678"
    ) -> tuple[Outbound, NotingEar, asyncio.Queue[Progress]]:
        """Call somebody."""
        ear, progress = NotingEar(), asyncio.Queue[Progress]()
        call = await self.wire.call(to, sender, ear, progress.put_nowait)
        return call, ear, progress

    async def rung(
        self,
    ) -> tuple[SipClient, Message, Outbound, NotingEar, asyncio.Queue[Progress]]:
        """Have a telephone of ours that was sent an INVITE."""
        phone, contact = await self.registered()
        ringing = await self.rings(contact)
        return phone, await phone.hears("INVITE"), *ringing

    def expects_change(self) -> Awaitable[None]:
        """Give what is done when a telephone comes or goes."""
        changed = asyncio.Event()
        self.wire.on_registered = changed.set

        async def wait() -> None:
            await asyncio.wait_for(changed.wait(), PATIENCE_S)

        return wait()

    def nothing_left(self) -> None:
        """Make sure that nothing is kept of what is over, once its timers are."""
        sizes = self.wire.sizes()
        kept = {name: sizes[name] for name in ("calls", "dialogs", "invites")}
        assert not any(kept.values()), kept
        self.times.move(200)
        sizes = self.wire.sizes()
        assert not sizes["requests of theirs"] + sizes["requests of ours"] + sizes["tasks"], sizes
        assert all(line.closed for line in self.lines)


def on_stage(
    limits: Limits | None = None, wire: dict[str, Any] | None = None, **given: Any
) -> Callable[[Callable[Concatenate[Stage, P], Awaitable[None]]], Callable[P, None]]:
    """Have a scene played on a stage of its own; `given` goes into the plan."""

    def decorate(
        scene: Callable[Concatenate[Stage, P], Awaitable[None]],
    ) -> Callable[P, None]:
        async def play(*args: P.args, **kwargs: P.kwargs) -> None:
            stage = Stage(limits, wire or {}, given)
            await stage.wire.open()
            try:
                await scene(stage, *args, **kwargs)
                assert not stage.wire.counts["errors"]
            finally:
                stage.wire._closing = True
                for dialog in list(stage.wire._office.dialogs.values()):
                    dialog.forget()
                await stage.wire.close()
                for client in stage.clients:
                    await client.close()

        @functools.wraps(scene)
        def test(*args: P.args, **kwargs: P.kwargs) -> None:
            asyncio.run(play(*args, **kwargs))

        signature = inspect.signature(scene)
        test.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=list(signature.parameters.values())[1:]
        )
        return test

    return decorate


def media_of(message: Message) -> list[str]:
    """Give the media lines of an SDP."""
    return [line for line in message.body.split("\r\n") if line.startswith("m=")]
