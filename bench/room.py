"""The page of the waiting room, beside a constant answer of its length on the same server."""

from __future__ import annotations

import http.client
import re
import statistics

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import config

from bench import load, servers, traffic
from bench.driven import by_the_loop
from bench.load import CONNECTIONS, Script
from bench.servers import CannotMeasure, House
from bench.timing import Say
from launcher.ports import HOST

ROUNDS, SECONDS = 2, 2.0
# Long enough before an opening that nobody is let in meanwhile, late enough for the room.
OPENS_IN = timedelta(minutes=20)
ROOM = "/salle"
# What the constant answer is, in the folder of counters.
CONSTANT = "constant-answer.html"


@dataclass(frozen=True)
class RoomOpening(House):
    """The same house with a campaign that opens soon.

    The moment is the same for all of its processes: a ticket counts for one opening alone.
    """

    opens_at: datetime = field(
        default_factory=lambda: (datetime.now(UTC) + OPENS_IN).replace(microsecond=0)
    )

    def environment(self, name: str) -> dict[str, str]:
        file = self.folder / "opening.toml"
        text = servers.CAMPAIGN.read_text("utf-8")
        line = f"opens_at = {self.opens_at.isoformat()}\n"
        file.write_text(re.sub(r"(?m)^title = ", f"{line}title = ", text, count=1), "utf-8")
        return super().environment(name) | {"CAMPAIGN": str(file)}


def measure(house: House, say: Say) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    opening = RoomOpening(house.folder, house.kind, house.database_url, house.redis_url)
    void: list[str] = []
    rates: dict[str, list[float]] = {"room": [], "constant": []}
    with ExitStack() as stack:
        room = stack.enter_context(servers.web(opening, "room", "wiring:create_server"))
        page, cookie = _page(room.port)
        made = opening.environment("constant")
        folder = made["PROMETHEUS_MULTIPROC_DIR"]
        (house.folder / folder / CONSTANT).write_bytes(page)
        same = stack.enter_context(servers.web(opening, "constant", "bench.room:create_constant"))
        request = (
            f"GET {ROOM} HTTP/1.1\r\nHost: allo.example\r\nCookie: {cookie}\r\n"
            "Accept: text/html\r\n\r\n"
        ).encode("ascii")
        script = Script.write(house.folder / "room", [[request]] * CONNECTIONS)
        for number in range(ROUNDS + 1):
            for name, web in (("room", room), ("constant", same)):
                seen = load.replay(script, web.port, seconds=SECONDS, again=True)
                # The first round is to warm up. The generator's part is told, and no fault: a
                # constant answer costs less than to ask for it.
                if number and not (seen.bad_status or seen.broken):
                    rates[name].append(seen.rate)
                elif number:
                    void.append(f"waiting room: {name}: {'; '.join(seen.faults())}")
        if _page(room.port, cookie)[1] != cookie:
            # Then each answer cost a new ticket, and not a look at one.
            void.append("waiting room: the ticket counts no longer")
    if not all(rates.values()):
        return {}, void
    ours, theirs = (statistics.median(rates[name]) for name in ("room", "constant"))
    say(f"waiting room: {ours:.0f} pages/s, a constant answer {theirs:.0f}/s")
    found = {
        "room_rate": round(ours, 1),
        "room_constant_rate": round(theirs, 1),
        "room_ratio": round(ours / theirs, 3),
        "room_page_bytes": float(len(page)),
    }
    return found, void


def _page(port: int, cookie: str = "") -> tuple[bytes, str]:
    """What a visitor sees who waits, and the cookie of their ticket, who may have one before."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        headers = {"Host": traffic.BASE.removeprefix("https://")}
        connection.request("GET", ROOM, headers=headers | ({"Cookie": cookie} if cookie else {}))
        answer = connection.getresponse()
        page = answer.read()
        cookie = answer.getheader("Set-Cookie", cookie).partition(";")[0]
        if answer.status != http.HTTPStatus.OK or not cookie:
            raise CannotMeasure(f"there is no waiting room: {ROOM} answers {answer.status}")
        return page, cookie
    finally:
        connection.close()


def create_constant() -> Any:
    """A constant answer, driven as the service is: what a server can do at all."""
    page = (Path(config.load().prometheus_multiproc_dir) / CONSTANT).read_bytes()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", headers)
        return [page]

    return by_the_loop(answer)
