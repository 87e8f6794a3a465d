"""The process of the SIP telephones: one loop for the network, and what is shared by all calls."""

import asyncio
import errno
import gc
import signal
import sys
import time

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from exchange.remote import RemoteSwitchboard
from exchange.settings import Settings
from exchange.sip import music
from exchange.sip.calls import Calls
from exchange.sip.leg import Studio
from exchange.sip.line import RtpLine, open_line
from exchange.sip.listening import NoRecogniser, recogniser_of
from exchange.sip.mixer import Mixer
from exchange.sip.parts import Ear
from exchange.sip.rung import Rung
from exchange.sip.settings import Plan, SipSettings
from exchange.sip.sounds import Sounds
from exchange.sip.ticker import Ticker
from exchange.sip.voice import Voice
from exchange.sip.wire import Wire
from exchange.switchboard import spawn
from exchange.transport import HttpTransport

# How long (seconds) calls have to tell their end, once the process is to end.
LAST_S: Final = 1.0


class CannotServe(Exception):
    """One sentence for the operator: what is taken or missing."""


async def serve(plan: Plan, own: SipSettings, settings: Settings) -> None:
    """Serve telephones until SIGTERM or SIGINT; then every call gets its BYE.

    Raises CannotServe.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    transport = HttpTransport(settings.service_base, settings.public_base, settings.ssl_cert_file)
    lines = RemoteSwitchboard(settings.simulator_base, settings, transport)
    ticker = Ticker(loop)

    async def line(ear: Ear) -> RtpLine:
        return await open_line(
            ear, host=plan.host, ports=plan.rtp_ports, ticker=ticker, allowed=plan.hears
        )

    with _studio(own, transport, ticker) as studio:
        calls = Calls(plan, settings, studio, lines, transport)
        wire = Wire(plan, line, on_call=calls.on_call)
        try:
            await wire.open()
        except OSError as error:
            raise CannotServe(_why(plan, error)) from None
        rung = Rung(lines, plan, wire, calls.run, loop)
        wire.on_registered = rung.registered
        rung.registered()
        # What is there now stays; looking through it again and again would hold packets up.
        gc.freeze()
        sys.stdout.write(f"Telephones: sip:{plan.host}:{wire.port}, UDP and TCP\n")
        sys.stdout.flush()
        await stopped.wait()
        wire.on_registered = lambda: None
        await asyncio.to_thread(_leave, lines, rung.close())
        await asyncio.to_thread(calls.close, LAST_S)
        await wire.close()
        ticker.close()
    transport.close()


def _leave(lines: RemoteSwitchboard, rang: Sequence[str]) -> None:
    """Say that nobody is rung here any more, or that would be known only when nothing is heard."""
    told = [spawn(partial(lines.rang, sid, "failed")) for sid in rang]
    told.append(spawn(lines.leave))
    until = time.monotonic() + LAST_S
    for thread in told:
        thread.join(max(0.0, until - time.monotonic()))


@contextmanager
def _studio(own: SipSettings, transport: HttpTransport, ticker: Ticker) -> Iterator[Studio]:
    try:
        recogniser = recogniser_of(own.sip_recogniser)
    except NoRecogniser as error:
        raise CannotServe(str(error)) from None
    waiting = music.waiting()
    try:
        with Voice(own.sip_voice) as voice:
            yield Studio(
                voice=voice,
                sounds=Sounds(transport),
                mixer=Mixer(ticker, waiting),
                waiting_music=waiting,
                ringing=music.ringback(),
                beep=music.beep(),
                tones=music.keys,
                recogniser=recogniser,
            )
    finally:
        if recogniser is not None:
            recogniser.close()


def _why(plan: Plan, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {plan.port} of {plan.host} is already in use; choose another one: SIP_PORT=5060"
        )
    return f"port {plan.port} of {plan.host} cannot be had: {error.strerror}"
