"""Telephones over SIP: `python -m exchange.sip`, in a process of its own beside the service."""

import asyncio
import logging
import sys

from exchange.settings import Settings
from exchange.sip import extra
from exchange.sip.settings import BadFile, load, read

# Seconds. The loop sends 50 packets a second for each call; a call's thread that computes would
# otherwise hold it up five milliseconds at a time.
SWITCH_S = 0.001


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 1, with a sentence, when that cannot be."""
    missing = extra.missing()
    if missing:
        return _cannot(f"{', '.join(missing)} not installed; run: make sip")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        own = load()
        plan = read(own)
    except BadFile as error:
        return _cannot(str(error))
    # Not before it is known that the extra is here.
    from exchange.sip.process import CannotServe, serve  # noqa: PLC0415

    sys.setswitchinterval(SWITCH_S)
    try:
        asyncio.run(serve(plan, own, Settings()))
    except CannotServe as error:
        return _cannot(str(error))
    return 0


def _cannot(sentence: str) -> int:
    sys.stderr.write(f"telephones: {sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
