"""Serve the REST paths: `python -m exchange --port 8010`, on the loopback address only."""

import argparse
import socket
import sys

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from exchange.settings import Settings

HOST = "127.0.0.1"
# Pages of devices and telephones ask all the time, and some of their requests wait for a second.
THREADS = 16


def is_free(port: int) -> bool:
    """Return whether `port` can be had.

    Granian binds with SO_REUSEPORT: on a busy port it would start in silence and share the
    traffic, so the port is bound exclusively first.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of a server just stopped linger; they do not make the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def main(name: str = "exchange", factory: str = "exchange.rest.app:create_app") -> int:
    """Serve what `factory` makes until SIGTERM or SIGINT; return 1 when the port is taken.

    `name` is the package that is run: what its user is told bears it.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}", description="A stand-in for Twilio's REST API."
    )
    parser.add_argument(
        "--port",
        type=int,
        default=Settings().rest_port,
        help="default: SIMULATOR_PORT, else PORT + 10",
    )
    port = parser.parse_args().port
    if not is_free(port):
        sys.stderr.write(f"{name}: port {port} of {HOST} is already in use.\n")
        return 1
    Granian(
        factory,
        factory=True,
        address=HOST,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
