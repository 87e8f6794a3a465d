"""Telephones over SIP: a hundred calls at once, ten more a second, in one process on one core.

The service behind them is a few constant documents, for it is the telephones that are measured;
who rings is a process of its own on another core (`bench/sip_callers.py`).
"""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from bench import traffic
from bench.helpers import helper
from bench.servers import resident_mib, running, wait_until
from bench.timing import Say
from exchange.sip import extra
from launcher.environment import inherited
from launcher.ports import HOST
from tests.support.ports import free_port

CALLS: Final = 100
A_SECOND: Final = 10.0
# What each caller is asked, one after the other, and keys of each answer.
QUESTIONS, KEYS = 3, 4
NUMBER: Final = "+33974750001"
# Seconds in which all of them are on the line.
STEADY_S: Final = 12.0
PROMPT: Final = (
    "Tapez la date de naissance en huit chiffres : le jour, le mois, puis l'année. "
    "Par exemple, pour le 5 mars 1940, tapez 0 5, 0 3, 1 9 4 0."
)


def measure(folder: Path, say: Say) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    if extra.missing():
        say("telephones over SIP are left out: `make sip` installs what they need")
        return {}, []
    with ExitStack() as stack:
        service = stack.enter_context(_service())
        port, process = stack.enter_context(_telephones(folder, service.port))
        callers = stack.enter_context(helper("bench.sip_callers", str(port)))
        _pin(callers.process.pid, -1)
        # The first call of all has its prompt made; then everybody comes.
        told = callers.ask("begin")
        callers.ask("all are there")
        before, began = _cpu_seconds(process.pid), time.monotonic()
        time.sleep(STEADY_S)
        used = (_cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        mib = [resident_mib(pid) for pid in (process.pid, *_children(process.pid))]
        told |= callers.ask("end")
    right = sum(service.typed[sender] == keys for sender, keys in told["keys"].items())
    found = {
        "sip_calls_right": float(right),
        "sip_max_gap_ms": round(told["gap_ms"], 1),
        "sip_cpu_per_call": round(100 * used / CALLS, 3),
        "sip_first_sound_ms": round(told["first_sound_ms"], 1),
        "sip_first_call_ms": round(told["first_call_ms"], 1),
        "sip_rss_mib": round(sum(mib), 1),
        "sip_lost": float(told["lost"]),
        "sip_cached_prompt_ms": round(told["cached_prompt_ms"], 3),
    }
    say(
        f"telephones: {right} of {CALLS} calls right, gap {found['sip_max_gap_ms']:g} ms,"
        f" {found['sip_cpu_per_call']:g} % of a core a call,"
        f" first sound {found['sip_first_sound_ms']:g} ms, {found['sip_rss_mib']:g} MiB"
    )
    void = [] if told["calls"] == CALLS else [f"telephones: {told['calls']} calls were answered"]
    return found, void


# ---------------------------------------------------------------- the service


class _Service(http.server.ThreadingHTTPServer):
    """Asks each caller three times for four keys, and then lets them wait."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Answers)
        self.typed: dict[str, list[str]] = defaultdict(list)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Service

    def do_POST(self) -> None:  # the name is the library's
        length = int(self.headers.get("Content-Length", 0))
        form = {
            name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()
        }
        if "Digits" in form:
            self.server.typed[form["From"]].append(form["Digits"])
        asked = int((re.search(r"n=(\d+)", self.path) or "0")[1]) if "n=" in self.path else 0
        if "/voice/status" in self.path:
            body = ""
        elif asked < QUESTIONS:
            body = (
                f'<Gather input="dtmf" numDigits="{KEYS}" timeout="30" finishOnKey=""'
                f' action="/voice/turn?n={asked + 1}"><Say language="fr-FR">{PROMPT}</Say></Gather>'
            )
        else:
            body = f'<Say language="fr-FR" loop="9">{PROMPT}</Say>'
        answer = f'<?xml version="1.0" encoding="UTF-8"?><Response>{body}</Response>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def _service() -> Iterator[_Service]:
    server = _Service()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


# ---------------------------------------------------------------- processes


@contextmanager
def _telephones(folder: Path, service_port: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The telephones' process on a core of its own, and the simulator that it has its lines of."""
    port, simulator_port = free_port(), free_port()
    # Sound has ports of its own that are not SIP's; each is tried before it is taken.
    first = next(one for one in (20_000, 30_000, 40_000) if not one <= port < one + 1000)
    base = f"http://{HOST}:{service_port}"
    environment = inherited() | {
        "SERVICE_URL": base,
        "PUBLIC_BASE_URL": base,
        "SIMULATOR_PORT": str(simulator_port),
        "TWILIO_ACCOUNT_SID": traffic.ACCOUNT,
        "TWILIO_AUTH_TOKEN": traffic.TOKEN,
        "NATIONAL_NUMBER": NUMBER,
        "SIP_PORT": str(port),
        "SIP_RTP_PORTS": f"{first}-{first + 999}",
        "SIP_FILE": "",
    }
    log = folder / "telephones.log"
    python = partial(running, sys.executable, "-m", environment=environment, log=log)
    with (
        python("simulator", "--port", str(simulator_port)) as simulator,
        python("exchange.sip") as telephones,
    ):
        _pin(telephones.pid, 0)
        for process, its_port in ((simulator, simulator_port), (telephones, port)):
            sentence = f"the telephones did not start; see {log}"
            wait_until(partial(_answers, its_port), process, sentence)
        yield port, telephones


def _pin(pid: int, core: int) -> None:
    """Keep a process on one core of ours, the last one for -1, where the system can."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[core]})


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    # utime and stime of proc(5), counted from the third field on.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(one) for one in (task / "children").read_text("ascii").split()]
    return found + [further for one in found for further in _children(one)]
