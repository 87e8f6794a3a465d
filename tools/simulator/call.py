"""A telephone in the terminal: `python -m tools.simulator.call`, by hand or unattended."""

import argparse
import json
import secrets
import sys
import time

from collections.abc import Callable, Mapping
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from typing import Any, TextIO
from urllib.parse import urlsplit

import requests

from exchange.clock import Clock, VirtualClock, WallClock
from exchange.interpreter import API_VERSION, Call
from exchange.legs import KeysLeg, Leg, drive
from exchange.numbers import to_e164
from exchange.orders import Lines
from exchange.remote import RemoteSwitchboard
from exchange.settings import LOOPBACK, Settings
from exchange.transport import ConnectFailed, HttpTransport, ReadTimedOut, local_session
from tools.simulator import tongues
from tools.simulator.answers import AnswersLeg, LanguageLeg, MissingAnswer, parse_answers
from tools.simulator.crowd import MIXED, MOST_AT_ONCE, MOST_CALLS, people, ring_all
from tools.simulator.outcomes import (
    Ending,
    after_confirmation,
    ending,
    heard_reference,
    reference_in,
    table,
)
from tools.simulator.people import TEMPERAMENTS, Person, somebody
from tools.simulator.terminal import Printer, Reported, TerminalLeg
from tools.simulator.texting import NotAnswered, Texting, converse

BOOKED, NOT_BOOKED, UNUSABLE = 0, 1, 2
SMS_PATIENCE_S = 70.0
SMS_POLL_S = 1.0
SENDER = "+33612345678"
AT_ONCE = 10
CROWD_S = 600.0
SEEDS = 10_000

EXAMPLES = """examples:
  by hand; Enter alone is silence, Ctrl-C hangs up:
    python -m tools.simulator.call
  unattended, answering what is asked:
    python -m tools.simulator.call --from +33612345678 --answers dob=12031942,postcode=75011,offer=1
  just these keys, one group for each question:
    python -m tools.simulator.call --keys 1,12031942,1,75011,1,1
  from a landline, giving a mobile for the SMS:
    python -m tools.simulator.call --from 0142685300 \\
        --answers dob=12031942,postcode=75011,phone=0612345678
  somebody who takes their time; the same seed makes the same call:
    python -m tools.simulator.call --person slow --seed 7
  by texts, where the service has a TEXT_BOOKING_NUMBER; by hand without --keys:
    python -m tools.simulator.call --by-text --keys "RDV,1,12/03/1942,1,75011,1,1,1"
  to a person, and wait for them:
    python -m tools.simulator.call --keys 0 --wait 300
  a hundred people of all temperaments, ten at a time, and a table of what became of them:
    python -m tools.simulator.call --crowd 100 --at-once 10

temperaments: @@.

exit status: 0 only when the call ended in a confirmed booking, 1 when it did not, 2 when the
arguments are wrong, an answer is missing or the service cannot be reached. Of a crowd, 0 when
every call ended in a booking, with a person or with a promise.
""".replace("@@", ", ".join(TEMPERAMENTS))


class Unusable(Exception):
    """The call cannot be made or judged; the message is one sentence for the user."""


class Sms:
    """The SMS that the simulator keeps, seen over its REST paths."""

    def __init__(self, base: str, settings: Settings) -> None:
        account = f"{base}/{API_VERSION}/Accounts/{settings.twilio_account_sid}"
        self._messages = f"{account}/Messages.json"
        auth = (settings.twilio_account_sid, settings.twilio_auth_token)
        self._session = local_session(auth)

    def known(self, number: str) -> dict[str, str] | None:
        """Return the texts sent to `number` by SID; None when the simulator does not answer."""
        try:
            response = self._session.get(self._messages, params={"To": number}, timeout=5)
            response.raise_for_status()
            messages: list[dict[str, Any]] = response.json()["messages"]
        except (requests.RequestException, ValueError, KeyError):
            return None
        messages.sort(key=lambda message: parsedate_to_datetime(message["date_created"]))
        return {message["sid"]: message["body"] for message in messages}

    def received(self, number: str, known: Mapping[str, str], patience_s: float) -> list[str]:
        """Return texts that came since `known`, waiting `patience_s` seconds for the first."""
        until = time.monotonic() + patience_s
        while True:
            found = self.known(number) or {}
            new = [text for sid, text in found.items() if sid not in known]
            if new or time.monotonic() >= until:
                return new
            time.sleep(SMS_POLL_S)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line; argparse itself exits with 2 on bad arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator.call",
        description="A telephone in the terminal that calls the running service.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--answers", help="name=value,…: dob, postcode, town, offer, phone, reference")
    how.add_argument("--keys", help="groups of keys with commas between them, then silence")
    parser.add_argument(
        "--by-text",
        action="store_true",
        help="write instead of ringing, to TEXT_BOOKING_NUMBER or --to; --keys are the texts",
    )
    parser.add_argument(
        "--person",
        metavar="NAME",
        choices=(*TEMPERAMENTS, MIXED),
        help="ring as somebody of this temperament; in a crowd, mixed: all of them in turn",
    )
    parser.add_argument(
        "--crowd", type=int, metavar="COUNT", help=f"so many people, at most {MOST_CALLS}"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=AT_ONCE,
        metavar="COUNT",
        help=f"so many of them at a time (default {AT_ONCE}, at most {MOST_AT_ONCE})",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=float,
        default=CROWD_S,
        metavar="SECONDS",
        help=f"when a crowd goes home at the latest (default {CROWD_S:g})",
    )
    parser.add_argument(
        "--seed", type=int, help="what a person's chances are drawn from (default: chance)"
    )
    parser.add_argument(
        "--from",
        dest="sender",
        default=None,
        metavar="NUMBER",
        help=f"the caller's number, or: withheld (default {SENDER}; a person has their own)",
    )
    parser.add_argument(
        "--language",
        choices=tuple(tongues.tongues()),
        default="",
        help="choose this language at the first menu (default: none is chosen)",
    )
    parser.add_argument("--service", default=None, metavar="URL", help="default SERVICE_URL")
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="unattended: how long to wait in a queue for a person (default: not at all)",
    )
    add_common(parser)
    return parser.parse_args(argv)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what is the same for whatever rings: the number, and what is said of it."""
    parser.add_argument(
        "--to",
        dest="recipient",
        default=None,
        metavar="NUMBER",
        help="the number called (default NATIONAL_NUMBER)",
    )
    parser.add_argument(
        "--simulator", default=None, metavar="URL", help="where the REST paths answer"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=SMS_PATIENCE_S,
        metavar="SECONDS",
        help=f"how long to wait for a promised text (default {SMS_PATIENCE_S:g})",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON at the end")
    parser.add_argument("--quiet", action="store_true", help="do not print the call itself")


def make_leg(options: argparse.Namespace, printer: Printer) -> tuple[Leg, str, bool]:
    """Return the leg that the arguments ask for, its number, and whether a person is at it."""
    sender = number("--from", options.sender or SENDER)
    given = _given(options)
    if options.person is not None:
        if options.keys is not None:
            raise Unusable("--person presses keys of their own; leave out --keys.")
        if options.person == MIXED:
            raise Unusable("--person mixed is for a crowd: add --crowd COUNT.")
        own = sender if options.sender else ""
        person = somebody(options.person, _seed(options, printer), sender=own, given=given)
        return person, person.sender, False
    if options.answers is not None:
        return AnswersLeg(given, sender), sender, False
    if options.keys is not None:
        groups = [group.strip() for group in options.keys.split(",")]
        wrong = [group for group in groups if set(group) - set("0123456789*#")]
        if wrong:
            raise Unusable(f"--keys: {wrong[0]!r} holds something that is no key.")
        return KeysLeg(groups), sender, False
    if not sys.stdin.isatty():
        raise Unusable("give --keys, --answers or --person, or call from a terminal.")
    return TerminalLeg(printer=printer), sender, True


def _in_language(leg: Leg, options: argparse.Namespace) -> Leg:
    """The leg, after the key of the language that was asked for; a call begins in French."""
    if options.language in {"", tongues.COUNTRY}:
        return leg
    return LanguageLeg(leg, options.language)


def _given(options: argparse.Namespace) -> dict[str, str]:
    try:
        return parse_answers(options.answers or "")
    except ValueError as error:
        raise Unusable(f"--answers: {error}.") from error


def _seed(options: argparse.Namespace, printer: Printer) -> int:
    """Return the seed that was given, or one by chance, said so that it can be given again."""
    seed: int = secrets.randbelow(SEEDS) if options.seed is None else options.seed
    printer.line(f"seed {seed}")
    return seed


def number(name: str, typed: str) -> str:
    """Return a number of the command line as E.164; raises Unusable."""
    found = to_e164(typed)
    if found is None:
        raise Unusable(f"{name}: {typed!r} is not a telephone number.")
    return found


def called(name: str, typed: str | None, settings: Settings) -> str:
    """Return the number that is called, by default the national one; raises Unusable.

    One that the service's file of numbers has is dialled as it stands there.
    """
    typed = typed or settings.national_number
    return typed if typed in settings.numbers else number(name, typed)


def main(argv: list[str] | None = None, out: TextIO | None = None) -> int:
    """Make one call and return the exit status, see the module's help."""
    out = out or sys.stdout
    options = arguments(argv)
    try:
        if options.by_text:
            return _text(options, out)
        return _call(options, out) if options.crowd is None else _crowd(options, out)
    except Unusable as error:
        sys.stderr.write(f"call: {error}\n")
        return UNUSABLE


def _settings(options: argparse.Namespace) -> Settings:
    settings = Settings()
    if options.service:
        return settings.model_copy(update={"service_url": options.service})
    return settings


def _lines(options: argparse.Namespace, settings: Settings) -> RemoteSwitchboard:
    """Return the simulator's switchboard, where the call waits and talks with others."""
    base = options.simulator or settings.simulator_base
    transport = HttpTransport(settings.service_base, settings.public_base, settings.ssl_cert_file)
    return RemoteSwitchboard(base, settings, transport)


def _dialler(
    options: argparse.Namespace,
    settings: Settings,
    printer: Printer | None = None,
    lines: Lines | None = None,
) -> Callable[[str, Clock], Call]:
    """Return what makes a call, not dialled yet, from a number, on a clock; `printer` prints it."""
    recipient = called("--to", options.recipient, settings)

    def make(sender: str, clock: Clock) -> Call:
        return Call(
            **settings.incoming,
            transport=HttpTransport(
                settings.service_base, settings.public_base, settings.ssl_cert_file
            ),
            sender=sender,
            recipient=recipient,
            clock=clock,
            heard_by=printer.heard if printer else None,
            sent_by=printer.sent if printer else None,
            switchboard=lines,
        )

    return make


def _crowd(options: argparse.Namespace, out: TextIO) -> int:
    """Let many people ring at once, and print what became of them."""
    settings = _settings(options)
    printer = Printer(out, options.quiet)
    service = settings.service_base
    if urlsplit(service).hostname not in LOOPBACK:
        raise Unusable(f"a crowd rings a service on this machine only, not {service}.")
    if not 1 <= options.crowd <= MOST_CALLS or not 1 <= options.at_once <= MOST_AT_ONCE:
        raise Unusable(
            f"--crowd goes from 1 to {MOST_CALLS} people, --at-once from 1 to {MOST_AT_ONCE}."
        )
    if options.language:
        raise Unusable("people in a crowd speak French; --language is for one call.")
    if options.keys is not None or options.sender is not None:
        raise Unusable("people in a crowd have keys and numbers of their own.")
    make = _dialler(options, settings)
    crowd = people(options.person or MIXED, options.crowd, _seed(options, printer))
    for person in crowd:
        person.answers_given = {**person.answers_given, **_given(options)}
    reports = ring_all(
        crowd,
        lambda sender: make(sender, VirtualClock()),
        at_once=options.at_once,
        seconds=options.seconds,
        on_end=lambda report: printer.line(
            f"{report.person}: {report.ending}, {report.answers} answers, {report.seconds:.0f} s"
        ),
    )
    if all(not report.heard for report in reports):
        raise Unusable(f"the service at {service} cannot be reached.")
    out.write(f"\n{table(reports)}\n")
    if len(reports) < len(crowd):
        printer.line(f"Time was up: {len(crowd) - len(reports)} people never rang.")
    good = len(reports) == len(crowd) and all(report.good for report in reports)
    return BOOKED if good else NOT_BOOKED


def _call(options: argparse.Namespace, out: TextIO) -> int:
    settings = _settings(options)
    printer = Printer(out, options.quiet)
    leg, sender, by_hand = make_leg(options, printer)
    recipient = called("--to", options.recipient, settings)
    sms = Sms((options.simulator or settings.simulator_base).rstrip("/"), settings)
    typed = leg.answers_given.get("phone", "") if isinstance(leg, AnswersLeg) else ""
    mobile = to_e164(typed) or sender
    known = sms.known(mobile)
    # Without the simulator a call can still be made, and waits alone in a queue.
    lines = _lines(options, settings) if known is not None else None
    make = _dialler(options, settings, printer, lines)
    call = make(sender, WallClock() if by_hand else VirtualClock())
    printer.line(f"{sender} calls {recipient}")
    try:
        acting = _in_language(leg, options)
        drive(call, acting if by_hand else Reported(acting, printer, options.wait))
    except KeyboardInterrupt:
        call.hang_up()
    except MissingAnswer as error:
        call.hang_up()
        raise Unusable(f"{error}; the call was ended.") from error
    if not call.requests or all(request.status is None for request in call.requests):
        why = "".join(f": {trouble.message}" for trouble in call.errors[:1])
        raise Unusable(f"the service at {settings.service_base} cannot be reached{why}.")
    reference = heard_reference(call.spoken)
    booked = ending(call) is Ending.BOOKED
    promised = booked and any(
        map(tongues.ends("text_promised").search, after_confirmation(call.spoken))
    )
    received: list[str] = []
    if known is None:
        printer.line("The simulator does not answer, so SMS cannot be shown.")
    else:
        received = sms.received(mobile, known, options.timeout if promised else 0)
    printer.texts(mobile, received)
    if promised and not received and known is not None:
        printer.line(f"No SMS came within {options.timeout:g} s.")
    _print_end(printer, call, leg, reference if booked else None)
    if options.json:
        out.write(_summary(call, reference if booked else None, received) + "\n")
    return BOOKED if booked else NOT_BOOKED


def _text(options: argparse.Namespace, out: TextIO) -> int:
    """Write instead of ringing; booked where a text with a reference comes of it."""
    settings = _settings(options)
    printer = Printer(out, options.quiet)
    to = options.recipient or settings.text_booking_number
    if not to:
        raise Unusable("nobody books by texts: start the service with TEXT_BOOKING_NUMBER.")
    sender, recipient = number("--from", options.sender or SENDER), number("--to", to)
    transport = HttpTransport(settings.service_base, settings.public_base, settings.ssl_cert_file)
    phone = Texting(
        transport,
        settings.public_base,
        settings.twilio_auth_token,
        settings.twilio_account_sid,
        sender,
        recipient,
    )
    sms = Sms((options.simulator or settings.simulator_base).rstrip("/"), settings)
    known = sms.known(sender) or {}
    printer.line(f"{sender} writes to {recipient}")
    try:
        if options.keys is None:
            converse(phone, iter(lambda: input("text: "), ""), printer.line, lambda _seconds: None)
        else:
            converse(phone, options.keys.split(","), printer.line)
    except (EOFError, KeyboardInterrupt):
        printer.line()
    except (NotAnswered, ConnectFailed, ReadTimedOut) as error:
        raise Unusable(f"the service at {settings.service_base} did not answer: {error}") from error
    received = sms.received(sender, known, options.timeout)
    printer.texts(sender, received)
    booked = reference_in(received) is not None
    printer.line("Booked." if booked else "No confirmed booking.")
    return BOOKED if booked else NOT_BOOKED


def _print_end(printer: Printer, call: Call, leg: Leg, reference: str | None) -> None:
    for trouble in call.errors:
        printer.line(f"Error {trouble.code} at {trouble.url}: {trouble.message}")
    if isinstance(leg, AnswersLeg) and leg.gave_up:
        printer.line(f"The same question ({leg.gave_up}) came too often; the caller hung up.")
    if isinstance(leg, Person):
        printer.line(f"For the caller it ended: {ending(call)}.")
    printer.line(f"Call ended: {call.end_reason}, {call.duration_s} s.")
    printer.line(f"Reference: {reference}" if reference else "No confirmed booking.")


def _summary(call: Call, reference: str | None, received: list[str]) -> str:
    times = [request.elapsed_ms for request in call.requests]
    summary = {
        "booked": reference is not None,
        "reference": reference,
        "end_reason": call.end_reason,
        "call_sid": call.sid,
        "duration_s": call.duration_s,
        "keys": call.pressed,
        "sms": received,
        "errors": [asdict(error) for error in call.errors],
        "webhooks": len(times),
        "slowest_ms": round(max(times), 1),
    }
    return json.dumps(summary, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
