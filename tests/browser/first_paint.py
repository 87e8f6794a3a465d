"""When the public pages are first painted on a slow line: `python -m tests.browser.first_paint`.

Chromium's own throttling (400 kbit/s, 400 ms for each request) on pages that are compressed as
deploy/nginx.conf has them compressed. Pages at which people arrive are opened with an empty cache,
the questions as they are come to: with the files of the question before. It prints the least and
the median of some rounds in milliseconds, and kB as they are transferred with an empty cache;
docs/performance.md has what was measured, and nothing is asserted here.
"""

from __future__ import annotations

import gzip
import statistics
import sys

from collections.abc import Iterable
from typing import Any, Final

from playwright.sync_api import BrowserContext, Page

from tests.browser.album import album, found_chromium
from tests.browser.book_stage import Site, site

BYTES_A_SECOND: Final = 400_000 / 8
LATENCY_MS: Final = 400
ROUNDS: Final = 5
# What nginx compresses there.
_COMPRESSED = ("text/", "application/javascript", "image/svg+xml")
_PAINT = """() => new Promise(told => {
  const found = performance.getEntriesByName("first-contentful-paint");
  if (found.length) return told(found[0].startTime);
  new PerformanceObserver(list => {
    for (const one of list.getEntriesByName("first-contentful-paint")) told(one.startTime);
  }).observe({type: "paint", buffered: true});
})"""
PUBLIC: Final = (
    "/",
    "/rendez-vous",
    "/centres",
    "/centres/1",
    "/etat",
    "/mon-rendez-vous",
    "/confidentialite",
    "/accessibilite",
)
QUESTIONS: Final = ("naissance", "commune", "creneaux", "jours", "joindre", "confirmer")


class Compressed:
    """A WSGI application whose answers are compressed as the proxy compresses them."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        told: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            told.extend((status, headers))
            return lambda _: None

        answer = self._app(environ, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        status, headers = told
        kinds = [value for name, value in headers if name.lower() == "content-type"]
        if body and kinds and kinds[0].startswith(_COMPRESSED):
            body = gzip.compress(body, 6)
            headers = [(n, v) for n, v in headers if n.lower() != "content-length"]
            headers += [("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]


def measured(page: Page, address: str, *, empty: bool) -> tuple[float, float]:
    """First contentful paint in milliseconds, and kB transferred; `empty`: nothing is kept yet."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    if empty:
        session.send("Network.clearBrowserCache")
    session.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": BYTES_A_SECOND,
            "uploadThroughput": BYTES_A_SECOND,
        },
    )
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda one: sizes.append(one["encodedDataLength"]))
    page.goto(address, wait_until="load")
    painted = float(page.evaluate(_PAINT))
    session.detach()
    return painted, sum(sizes) / 1000


def table(made: Site) -> list[tuple[str, float, float, float]]:
    """Path, least and median milliseconds, and kB of each page of somebody at the last question."""
    person = made.visitor(width=390, height=844)
    person.comes_to_confirm()
    context: BrowserContext = person.page.context
    rows = []
    for path in (*PUBLIC, *(f"/rendez-vous/{slug}" for slug in QUESTIONS)):
        found = []
        for number in range(ROUNDS + 1):
            page = context.new_page()
            # The first fills what the questions find there.
            empty = path in PUBLIC or number == 0
            found.append(measured(page, made.url + path, empty=empty))
            page.close()
        times = [painted for painted, _ in found[1:]]
        rows.append((path, min(times), statistics.median(times), found[0][1]))
    return rows


def main() -> None:
    with (
        album([*sys.argv[1:], "/tmp/first-paint"][:1]) as (_, create),  # noqa: S108 (no picture is taken)
        found_chromium() as browser,
        site(create(), browser, around=Compressed) as made,
    ):
        for path, least, median, size in table(made):
            sys.stdout.write(f"| `{path}` | {least:.0f} | {median:.0f} | {size:.1f} |\n")


if __name__ == "__main__":
    main()
