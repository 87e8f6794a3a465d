"""`make ring`: ring the running service as a SIP telephone does, and keep the call to listen to.

    python -m tools.simulator.ring --help

The call goes over the network of this machine: INVITE, G.711 and keys as RFC 4733 has them. The
caller hears and does not read: it presses the next group of keys when the voice has fallen silent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys

from pathlib import Path
from typing import Final, TextIO

from exchange.settings import Settings
from exchange.sip import extra
from exchange.sip.settings import BadFile, load
from tools.simulator.call import (
    BOOKED,
    NOT_BOOKED,
    SENDER,
    UNUSABLE,
    Sms,
    Unusable,
    add_common,
    called,
    number,
)
from tools.simulator.outcomes import reference_in
from tools.simulator.terminal import Printer

if not extra.missing():
    from tools.simulator.ring import files, picture
    from tools.simulator.ring.handset import Handset, NotAnswered
    from tools.simulator.ring.script import Caller, Group, Rung

# The shortest booking: an appointment, for oneself, born on 12 March 1942, in the eleventh
# arrondissement of Paris, the first offer, confirmed with the number that rings, ready to write,
# written.
KEYS: Final = "1,12031942,1,75011,1,1,1,1"
FOLDER: Final = Path("var/ring")
# Seconds of silence after which a prompt is over: more than the pauses between its sentences.
QUIET_S: Final = 1.5
# A call is over after this, and no recording is longer; seconds.
LONGEST_S: Final = 600.0
MOST_GROUPS: Final = 100
SECONDS: Final = re.compile(r"\d{1,3}(\.\d+)?")
NO_EXTRA: Final = "the packages for telephones are not installed; `make sip` installs them"

EXAMPLES: Final = f"""examples:
  book, and keep the call in {FOLDER}/call.wav and call.svg:
    python -m tools.simulator.ring
  other keys, one group for each prompt; an empty group lets a prompt pass:
    python -m tools.simulator.ring --keys 1,,12031942,1,75011,1,1,1,1
  somebody who knows what comes, presses six seconds into the first prompts and hangs up at the end:
    python -m tools.simulator.ring --keys 1@6,12031942,1,75011,1,1,1,1 --leaves

exit status: 0 only when a booking came out (its reference is in the text that arrived), 1 when
none did, 2 when the arguments are wrong or the service cannot be rung.
"""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line; argparse itself exits with 2 on bad arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.simulator.ring",
        description="Ring the running service over SIP, and keep what is heard.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keys", default=KEYS, help=f"groups of keys (default {KEYS})")
    parser.add_argument(
        "--from",
        dest="sender",
        default=SENDER,
        metavar="NUMBER",
        help=f"the caller's number, a mobile, to get the text (default {SENDER})",
    )
    parser.add_argument(
        "--sip", default=None, metavar="HOST:PORT", help="default SIP_HOST and SIP_PORT"
    )
    parser.add_argument(
        "--silence",
        type=float,
        default=QUIET_S,
        metavar="SECONDS",
        help=f"nothing to be heard for so long ends a prompt (default {QUIET_S:g})",
    )
    parser.add_argument(
        "--longest",
        type=float,
        default=LONGEST_S,
        metavar="SECONDS",
        help=f"hang up after this at the latest (default {LONGEST_S:g})",
    )
    parser.add_argument(
        "--leaves", action="store_true", help="hang up at the end of the prompt after the last keys"
    )
    parser.add_argument(
        "--wav", type=Path, default=FOLDER / "call.wav", help="left: the caller, right: the service"
    )
    parser.add_argument("--picture", type=Path, default=FOLDER / "call.svg", metavar="SVG")
    add_common(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None, out: TextIO | None = None) -> int:
    """Make one call and return the exit status, see the module's help."""
    out = out or sys.stdout
    options = arguments(argv)
    if extra.missing():
        sys.stderr.write(f"ring: {NO_EXTRA}.\n")
        return UNUSABLE
    try:
        return _ring(options, out)
    except Unusable as error:
        sys.stderr.write(f"ring: {error}\n")
        return UNUSABLE
    except KeyboardInterrupt:
        return 130


def key_groups(typed: str) -> list[Group]:
    """Return the groups of keys of `--keys`; raises Unusable."""
    groups = []
    for part in typed.split(","):
        keys, at, after = part.strip().partition("@")
        if set(keys) - set("0123456789*#"):
            raise Unusable(f"--keys: {keys!r} holds something that is no key.")
        if at and not SECONDS.fullmatch(after):
            raise Unusable(f"--keys: {after!r} is no number of seconds.")
        groups.append(Group(keys, float(after) if at else None))
    if len(groups) > MOST_GROUPS:
        raise Unusable(f"--keys: {len(groups)} groups are more than {MOST_GROUPS}.")
    return groups


def server(typed: str | None) -> tuple[str, int]:
    """Return where SIP is answered: as typed, else as the settings have it; raises Unusable."""
    if typed is None:
        try:
            settings = load()
        except BadFile as error:
            raise Unusable(f"{error}.") from None
        # What listens everywhere is rung on this machine.
        host = "127.0.0.1" if settings.sip_host in {"0.0.0.0", "::"} else settings.sip_host  # noqa: S104
        return host, settings.own_port
    host, _, port = typed.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004
        raise Unusable(f"--sip: {typed!r} is not HOST:PORT.")
    return host, int(port)


def _ring(options: argparse.Namespace, out: TextIO) -> int:
    settings = Settings()
    groups = key_groups(options.keys)
    sender = number("--from", options.sender)
    recipient = called("--to", options.recipient, settings)
    where = server(options.sip)
    if not 0.1 <= options.silence <= 10 or not 1 <= options.longest <= LONGEST_S:  # noqa: PLR2004
        raise Unusable(f"--silence goes from 0.1 to 10 seconds, --longest from 1 to {LONGEST_S:g}.")

    printer = Printer(out, options.quiet)
    sms = Sms((options.simulator or settings.simulator_base).rstrip("/"), settings)
    known = sms.known(sender)
    printer.line(f"{sender} rings {recipient} at {where[0]}:{where[1]}")
    caller = Caller(
        groups,
        quiet_s=options.silence,
        longest_s=options.longest,
        leaves=options.leaves,
        told=printer.line,
    )
    try:
        rung = asyncio.run(_call(caller, where, sender, recipient))
    except NotAnswered as refused:
        raise Unusable(
            f"the call to {where[0]}:{where[1]} was not answered ({refused}). Does `make run` run,"
            " and was it started after `make sip`? If not, stop it and start it again."
        ) from None
    _keep(options, rung)
    _print_end(printer, rung, options)
    if known is None:
        printer.line("The simulator does not answer: it cannot be seen whether a booking came out.")
    # A caller who was not asked for all keys has no booking to wait for.
    patience = 0.0 if rung.left_over else options.timeout
    texts = [] if known is None else sms.received(sender, known, patience)
    printer.texts(sender, texts)
    reference = reference_in(texts)
    printer.line(f"Reference: {reference}" if reference else "No confirmed booking.")
    if options.json:
        out.write(_summary(rung, reference, texts) + "\n")
    return BOOKED if reference else NOT_BOOKED


async def _call(caller: Caller, where: tuple[str, int], sender: str, recipient: str) -> Rung:
    async with Handset(where, sender) as handset:
        return await caller.rings(handset, recipient)


def _keep(options: argparse.Namespace, rung: Rung) -> None:
    """Write the sound and the picture; raises Unusable."""
    recording = rung.recording
    title = f"A call of {_minutes(rung.seconds)}, {len(rung.keys)} keys"
    try:
        files.write(options.wav, recording.ours, recording.theirs)
        picture.write(options.picture, recording.theirs, rung.keys, title)
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be written: {error.strerror}.") from None


def _print_end(printer: Printer, rung: Rung, options: argparse.Namespace) -> None:
    traffic = rung.traffic
    first = "nothing" if rung.first_sound_s is None else f"{1000 * rung.first_sound_s:.0f} ms"
    printer.line(f"Call ended: {rung.ended}, {rung.seconds:.1f} s; {rung.prompts} prompts heard.")
    printer.line(
        f"First sound after {first}; {traffic.packets} packets, {traffic.lost} lost,"
        f" longest gap {1000 * traffic.gap_s:.0f} ms."
    )
    printer.line(f"Keys: {' '.join(text for _, text in picture.groups(rung.keys))}")
    if rung.left_over:
        printer.line(f"Not pressed: {', '.join(map(str, rung.left_over))}.")
    printer.line(f"To hear: {options.wav}; to see: {options.picture}")


def _summary(rung: Rung, reference: str | None, texts: list[str]) -> str:
    traffic = rung.traffic
    summary = {
        "booked": reference is not None,
        "reference": reference,
        "ended": rung.ended,
        "seconds": round(rung.seconds, 2),
        "answered_after_ms": round(1000 * rung.answered_after_s),
        "first_sound_ms": None if rung.first_sound_s is None else round(1000 * rung.first_sound_s),
        "keys": rung.pressed,
        "prompts": rung.prompts,
        "sms": texts,
        "packets": traffic.packets,
        "lost": traffic.lost,
        "longest_gap_ms": round(1000 * traffic.gap_s, 1),
    }
    return json.dumps(summary, ensure_ascii=False)


def _minutes(seconds: float) -> str:
    return f"{round(seconds) // 60} min {round(seconds) % 60:02d} s"


if __name__ == "__main__":
    sys.exit(main())
