"""A telephone in the terminal: `python -m simulator.call`, by hand or unattended."""

import argparse
import json
import re
import sys
import textwrap
import time

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TextIO

import requests

from simulator.answers import AnswersLeg, MissingAnswer, parse_answers
from simulator.clock import VirtualClock, WallClock
from simulator.exchange import (
    API_VERSION,
    Call,
    Gather,
    HangUp,
    Heard,
    Input,
    Keys,
    QueueWait,
    SentRequest,
    Silence,
    Speech,
)
from simulator.legs import KeysLeg, Leg, drive
from simulator.numbers import to_e164
from simulator.settings import Settings
from simulator.transport import HttpTransport

BOOKED, NOT_BOOKED, UNUSABLE = 0, 1, 2
SMS_PATIENCE_S = 70.0
SMS_POLL_S = 1.0
WIDTH = 100

REFERENCE = re.compile(
    r"\br[ée]f[ée]rence\b(?:[^0-9.!?]{0,40}|\s*[.:]\s*)(?P<digits>\d(?:[\s,.\-–]*\d){9})(?![\s,.\-–]*\d)",
    re.IGNORECASE,
)
CONFIRMED = re.compile(
    r"\b(confirmée?s?|réservée?s?|enregistrée?s?|confirmed|booked)\b", re.IGNORECASE
)
UNCONFIRMED = re.compile(
    r"\b(pas|not|n't)\b[^.!?]*\b(confirm|réserv|enregistr|book)", re.IGNORECASE
)
SMS_PROMISE = re.compile(
    r"\b(recevrez|recevez|envoyons|enverrons|envoyé|receive|sent|send)\b"
    r"[^.!?]*\b(sms|texto|message)\b",
    re.IGNORECASE,
)

EXAMPLES = """examples:
  by hand; Enter alone is silence, Ctrl-C hangs up:
    python -m simulator.call
  unattended, answering what is asked:
    python -m simulator.call --from +33612345678 --answers dob=12031942,postcode=75011,offer=1
  just these keys, one group for each question:
    python -m simulator.call --keys 1,1,12031942,1,75011,1,1
  from a landline, giving a mobile for the SMS:
    python -m simulator.call --from 0142685300 \\
        --answers dob=12031942,postcode=75011,phone=0612345678

exit status: 0 only when the call ended in a confirmed booking, 1 when it did not, 2 when the
arguments are wrong, an answer is missing or the service cannot be reached.
"""


class Unusable(Exception):
    """The call cannot be made or judged; the message is one sentence for the user."""


@dataclass
class Printer:
    """Writes the call down as it goes, unless quiet."""

    out: TextIO
    quiet: bool = False

    def line(self, text: str = "") -> None:
        """Write one line."""
        if not self.quiet:
            self.out.write(text + "\n")
            self.out.flush()

    def heard(self, heard: Heard) -> None:
        """Write what reaches the caller's ear."""
        match heard.kind:
            case "say":
                self.line(
                    textwrap.fill(
                        heard.text, WIDTH, initial_indent="  « ", subsequent_indent="    "
                    )
                )
            case "pause":
                self.line(f"  … ({heard.seconds:g} s)")
            case kind:
                self.line(f"  [{kind}: {heard.text}]")

    def sent(self, request: SentRequest) -> None:
        """Write a webhook's answer time."""
        status = request.status or "no answer"
        path = re.sub(r"^https?://[^/]+", "", request.url)
        self.line(f"  [{request.elapsed_ms:.0f} ms, {status}, {path.partition('?')[0]}]")


@dataclass
class Reported:
    """A leg that prints what the caller does; the doing is another leg's."""

    leg: Leg
    printer: Printer

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        action = self.leg.answers(call, gather)
        match action:
            case Keys(digits):
                self.printer.line(f"> {digits}")
            case Speech(text):
                self.printer.line(f'> "{text}"')
            case Silence():
                self.printer.line(f"> (silence, {gather.timeout_s:g} s)")
            case HangUp():
                self.printer.line("> (hangs up)")
        return action

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`."""
        return self.leg.waits(call, queue)


@dataclass
class TerminalLeg:
    """A person: types keys, or words after a quotation mark; Enter alone waits for the time-out."""

    read: Callable[[str], str] = input
    printer: Printer = field(default_factory=lambda: Printer(sys.stdout))

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        while True:
            typed = self._line("> ")
            if typed is None:
                return HangUp()
            keys = typed.replace(" ", "")
            if not keys:
                return Silence()
            if typed.startswith('"') and "speech" in gather.inputs:
                return Speech(typed.strip('"'))
            if not set(keys) - set("0123456789*#"):
                return Keys(keys)
            self.printer.line('  (keys are 0-9, * and #; what is said starts with ")')

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`."""
        typed = self._line("(in the queue; Enter waits, Ctrl-C hangs up) ")
        return HangUp() if typed is None else Silence()

    def _line(self, prompt: str) -> str | None:
        try:
            return self.read(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return None


class Sms:
    """The SMS that the simulator keeps, seen over its REST paths."""

    def __init__(self, base: str, settings: Settings) -> None:
        account = f"{base}/{API_VERSION}/Accounts/{settings.twilio_account_sid}"
        self._messages, self._calls = f"{account}/Messages.json", f"{base}/_calls"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (settings.twilio_account_sid, settings.twilio_auth_token)

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

    def register(self, call: Call) -> None:
        """Show the call in Calls.json, as far as the simulator is there."""
        form = {
            "CallSid": call.sid,
            "From": call.sender,
            "To": call.recipient,
            "CallStatus": call.status if call.ended else "in-progress",
            "CallDuration": str(call.duration_s),
        }
        try:
            self._session.post(self._calls, data=form, timeout=5)
        except requests.RequestException:
            return


def after_confirmation(spoken: list[str]) -> list[str]:
    """Return what was said from the sentence that confirms the booking on."""
    for number, text in enumerate(spoken):
        for sentence in re.split(r"(?<=[.!?])\s+(?=\D)", text):
            if CONFIRMED.search(sentence) and not UNCONFIRMED.search(sentence):
                return spoken[number:]
    return []


def heard_reference(spoken: list[str]) -> str | None:
    """Return the ten digits of the reference heard with a confirmation, or None."""
    told = after_confirmation(spoken)
    for number, text in enumerate(told):
        # A reference may be cut over two <Say>: the word in one, its digits in the next.
        found = REFERENCE.search(text) or REFERENCE.search(" ".join(told[number : number + 2]))
        if found:
            return re.sub(r"\D", "", found["digits"])
    return None


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line; argparse itself exits with 2 on bad arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator.call",
        description="A telephone in the terminal that calls the running service.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--answers", help="name=value,…: dob, postcode, town, offer, phone, reference")
    how.add_argument("--keys", help="groups of keys with commas between them, then silence")
    parser.add_argument(
        "--from",
        dest="sender",
        default="+33612345678",
        metavar="NUMBER",
        help="the caller's number, or: withheld",
    )
    parser.add_argument(
        "--to",
        dest="recipient",
        default=None,
        metavar="NUMBER",
        help="the number called (default NATIONAL_NUMBER)",
    )
    parser.add_argument("--service", default=None, metavar="URL", help="default SERVICE_URL")
    parser.add_argument(
        "--simulator", default=None, metavar="URL", help="where the REST paths answer"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=SMS_PATIENCE_S,
        metavar="SECONDS",
        help="how long to wait for a promised SMS (default 70)",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON at the end")
    parser.add_argument("--quiet", action="store_true", help="do not print the call itself")
    return parser.parse_args(argv)


def make_leg(options: argparse.Namespace, sender: str, printer: Printer) -> tuple[Leg, bool]:
    """Return the leg that the arguments ask for, and whether a person is at it."""
    if options.answers is not None:
        try:
            given = parse_answers(options.answers)
        except ValueError as error:
            raise Unusable(f"--answers: {error}.") from error
        return AnswersLeg(given, sender), False
    if options.keys is not None:
        groups = [group.strip() for group in options.keys.split(",")]
        wrong = [group for group in groups if set(group) - set("0123456789*#")]
        if wrong:
            raise Unusable(f"--keys: {wrong[0]!r} holds something that is no key.")
        return KeysLeg(groups), False
    if not sys.stdin.isatty():
        raise Unusable("give --keys or --answers, or call from a terminal.")
    return TerminalLeg(printer=printer), True


def number(name: str, typed: str) -> str:
    """Return a number of the command line as E.164; raises Unusable."""
    found = to_e164(typed)
    if found is None:
        raise Unusable(f"{name}: {typed!r} is not a telephone number.")
    return found


def main(argv: list[str] | None = None, out: TextIO | None = None) -> int:
    """Make one call and return the exit status, see the module's help."""
    out = out or sys.stdout
    options = arguments(argv)
    try:
        return _call(options, out)
    except Unusable as error:
        sys.stderr.write(f"call: {error}\n")
        return UNUSABLE


def _call(options: argparse.Namespace, out: TextIO) -> int:
    settings = Settings()
    printer = Printer(out, options.quiet)
    sender = number("--from", options.sender)
    recipient = number("--to", options.recipient or settings.national_number)
    leg, by_hand = make_leg(options, sender, printer)
    service = (options.service or settings.service_base).rstrip("/")
    public = settings.public_base_url or service
    sms = Sms((options.simulator or settings.simulator_base).rstrip("/"), settings)
    typed = leg.answers_given.get("phone", "") if isinstance(leg, AnswersLeg) else ""
    mobile = to_e164(typed) or sender
    known = sms.known(mobile)
    call = Call(
        url=f"{public}/voice/incoming",
        fallback_url=f"{public}/voice/fallback",
        status_url=f"{public}/voice/status",
        transport=HttpTransport(service, public),
        auth_token=settings.twilio_auth_token,
        account_sid=settings.twilio_account_sid,
        sender=sender,
        recipient=recipient,
        clock=WallClock() if by_hand else VirtualClock(),
        heard_by=printer.heard,
        sent_by=printer.sent,
    )
    printer.line(f"{sender} calls {recipient}")
    sms.register(call)
    try:
        drive(call, leg if by_hand else Reported(leg, printer))
    except KeyboardInterrupt:
        call.hang_up()
    except MissingAnswer as error:
        call.hang_up()
        raise Unusable(f"{error}; the call was ended.") from error
    finally:
        sms.register(call)
    if not call.requests or all(request.status is None for request in call.requests):
        raise Unusable(f"the service at {service} cannot be reached.")
    reference = heard_reference(call.spoken)
    booked = reference is not None and call.ended_normally
    promised = booked and any(map(SMS_PROMISE.search, after_confirmation(call.spoken)))
    received: list[str] = []
    if known is None:
        printer.line("The simulator does not answer, so SMS cannot be shown.")
    else:
        received = _new_sms(sms, mobile, known, options.timeout if promised else 0)
    for text in received:
        printer.line(f"SMS to {mobile}:")
        printer.line(textwrap.indent(text, "  | "))
    if promised and not received and known is not None:
        printer.line(f"No SMS came within {options.timeout:g} s.")
    for trouble in call.errors:
        printer.line(f"Error {trouble.code} at {trouble.url}: {trouble.message}")
    if isinstance(leg, AnswersLeg) and leg.gave_up:
        printer.line(f"The same question ({leg.gave_up}) came too often; the caller hung up.")
    printer.line(f"Call ended: {call.end_reason}, {call.duration_s} s.")
    printer.line(f"Reference: {reference}" if booked else "No confirmed booking.")
    if options.json:
        out.write(_summary(call, reference if booked else None, received) + "\n")
    return BOOKED if booked else NOT_BOOKED


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


def _new_sms(sms: Sms, mobile: str, known: dict[str, str], patience_s: float) -> list[str]:
    """Return texts that came since the call began, waiting `patience_s` seconds for the first."""
    until = time.monotonic() + patience_s
    while True:
        found = sms.known(mobile) or {}
        new = [text for sid, text in found.items() if sid not in known]
        if new or time.monotonic() >= until:
            return new
        time.sleep(SMS_POLL_S)


if __name__ == "__main__":
    sys.exit(main())
