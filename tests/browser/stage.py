"""A service and a simulator on loopback ports, and a browser in front of them."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, Error, Page, sync_playwright
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

import config

from exchange.interpreter import Gather, Input, Keys, Silence
from exchange.settings import Settings
from exchange.transport import HttpTransport
from ivr.messenger import TwilioMessenger
from jobs import dispatcher
from jobs.timed import run_beside
from models.queue import call_queues
from services.delivery import make_call_back
from services.messages.deliver_message import deliver_message
from services.service import Service
from tests.support import parts
from tests.support.house import ACCOUNT, BASE, TOKEN, House, house, mornings
from tests.support.leads import ALONE
from tools.simulator.answers import AnswersLeg
from tools.simulator.app import create_app

PATIENCE_MS = 15_000


class Whole:
    """An application whose answers are there as a whole before any of one is sent.

    The server does not close a file of which a browser took a part, and left.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        answer = self.app(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            if hasattr(answer, "close"):
                answer.close()


class Quiet(WSGIRequestHandler):
    """Says nothing: addresses and lines of a log hold numbers."""

    def run_wsgi(self) -> None:
        if not isinstance(self.server.app, Whole):
            self.server.app = Whole(self.server.app)
        super().run_wsgi()

    def log(self, *_: object) -> None:
        pass


def at_a_port(app: Flask) -> tuple[BaseWSGIServer, str]:
    """A server at a free loopback port that does not answer yet, and its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    return server, f"http://127.0.0.1:{server.server_port}"


def serves(stack: ExitStack, *servers: BaseWSGIServer) -> None:
    """Let them answer, until the end of `stack`."""
    for server in servers:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        stack.callback(server.server_close)
        stack.callback(thread.join)
        stack.callback(server.shutdown)


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """`app` on a free loopback port, for as long as the block lasts; its address."""
    with ExitStack() as stack:
        server, url = at_a_port(app)
        serves(stack, server)
        yield url


def exchange_for(stack: ExitStack, base: str, public: str, **options: Any) -> Flask:
    """A simulator that rings the service at `base`, whose public address is `public`."""
    port = options.pop("simulator_port", None)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        service_url=base,
        public_base_url=public,
        simulator_port=port,
    )
    transport = HttpTransport(base, public)
    stack.callback(transport.close)
    return create_app(settings, transport=transport, **options)


def dispatches(
    stack: ExitStack, made: House, settings: config.Settings, control: Any, service: Service
) -> None:
    """Let a dispatcher work until the end of `stack`, with the queue of French open."""
    stop = threading.Event()
    call_back = make_call_back(settings, service, made.woken)
    tasks = dispatcher.tasks(made.store, control, lambda: made.campaign, call_back)
    # A queue is made at the provider as at a release, before anybody waits in it.
    with made.database.transaction() as connection:
        call_queues.add_queue(connection, made.store.clock, "fr", "fr")
        call_queues.set_queue(connection, made.store.clock, "fr", state="open")
    dispatching = threading.Thread(target=run_beside, args=(tasks, stop, ALONE))
    dispatching.start()
    stack.callback(dispatching.join)
    stack.callback(stop.set)


def deliver_waiting(made: House, simulator_url: str, public: str) -> None:
    """Send the texts that wait in the outbox, as a worker would."""
    messenger = TwilioMessenger(
        ACCOUNT, TOKEN, api_base_url=simulator_url, public_base_url=public, sender="AlloRDV"
    )
    try:
        for message_id in made.woken.messages:
            deliver_message(made.store, messenger, message_id)
    finally:
        messenger._http.session.close()


@dataclass
class Stage:
    house: House
    simulator: Flask
    url: str

    def delivers(self) -> None:
        deliver_waiting(self.house, self.url, BASE)


@contextmanager
def simulated(service: Flask, public: str) -> Iterator[tuple[Flask, str]]:
    """`service`, whose public address is `public`, and the simulator that rings it."""
    with ExitStack() as stack:
        base = stack.enter_context(served(service))
        simulator = exchange_for(stack, base, public, threads=0)
        yield simulator, stack.enter_context(served(simulator))


@contextmanager
def stage(database_url: str) -> Iterator[Stage]:
    """A house with three centres near 75011, rung by a simulator with its telephone."""
    with house(database_url) as made:
        starts = mornings(30)
        made.opens_centre("1", name="Salle Olympe de Gouges", kilometres=0.4, starts=starts)
        made.opens_centre("2", name="Gymnase Jean Jaurès", kilometres=4.1, starts=starts)
        made.opens_centre("3", name="Mairie annexe", kilometres=12.2, starts=starts)
        with simulated(made.app, BASE) as (simulator, url):
            yield Stage(made, simulator, url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    path = parts.find_chromium()
    assert path is not None, parts.lacking(parts.BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


# What a page does each second or two, it does five times as often. A time-out of a second or more
# is a fifth as long; what a page reads from a clock stays as it is.
HASTY = """
for (const name of ["setTimeout", "setInterval"]) {
  const real = window[name];
  window[name] = (then, wait, ...given) => real(then, wait >= 1000 ? wait / 5 : wait, ...given);
}
"""


class PageShelf:
    """Pages that one test gives back and the next one takes.

    A browser needs four times as long for a new page as for another address in one that is open.
    A page that is taken has no cookie, no storage and no route of the test before. A page `for_one`
    test is new and is not used again: that test may set its clock, or add a script ahead of all
    others, both of which stay with a page.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[Browser, str, bool, bool], list[Page]] = {}
        self._kinds: dict[Page, tuple[Browser, str, bool, bool] | None] = {}

    def take(
        self,
        browser: Browser,
        *,
        width: int = 1280,
        height: int = 860,
        locale: str = "fr-FR",
        script: bool = True,
        hasty: bool = False,
        for_one: bool = False,
    ) -> Page:
        """Return a page at no address that nobody else uses; of a `hasty` one see HASTY."""
        kind = (browser, locale, script, hasty)
        free = self._free.setdefault(kind, [])
        if free and not for_one:
            page = free.pop()
        else:
            context = browser.new_context(locale=locale, java_script_enabled=script)
            if hasty:
                context.add_init_script(HASTY)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            self._kinds[page] = None if for_one else kind
        page.set_viewport_size({"width": width, "height": height})
        return page

    def give_back(self, page: Page) -> None:
        """Leave nothing of the test in the page, or close it if that fails."""
        kind = self._kinds[page]
        if kind is None:
            del self._kinds[page]
            page.context.close()
            return
        try:
            for other in page.context.pages:
                if other != page:
                    other.close()
            page.unroute_all(behavior="ignoreErrors")
            if page.url.startswith("http"):
                page.evaluate("try { localStorage.clear(); sessionStorage.clear(); } catch {}")
            # What the page still says while it closes is heard by this test.
            page.goto("about:blank")
            page.context.clear_cookies()
            page.emulate_media(color_scheme="light", reduced_motion="no-preference")
        except Error:
            del self._kinds[page]
            page.context.close()
        else:
            self._free[kind].append(page)


shelf = PageShelf()


@dataclass(frozen=True)
class Told:
    """What a caller goes by: all that was said since they last did something."""

    since_input: str


class Visitor:
    """Somebody at the page, who reads it and touches it, and knows nothing else."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.troubles = page, list[str]()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._noted)
        page.goto(f"{url}/telephone")
        self.turn = 0
        # Else with the mouse, as most visitors do.
        self.by_keyboard = False

    def _noted(self, message: Any) -> None:
        if message.type == "error":
            self.troubles.append(message.text)

    def hurries(self) -> None:
        """Switch the voice and the time-outs off: then nothing takes time but the service."""
        for switch in ("voice", "patient"):
            box = self.page.locator(f"#{switch}")
            box.set_checked(switch == "patient")

    def calls(self) -> None:
        self.turn = 0
        self.page.click("#call")

    def question(self) -> dict[str, Any] | None:
        """Wait for the next question; None when the call is over."""
        self.page.wait_for_function(
            "turn => call?.over || (call?.question && !call.playing && call.question.turn > turn)",
            arg=self.turn,
        )
        question: dict[str, Any] | None = self.page.evaluate("call.over ? null : call.question")
        if question:
            self.turn = question["turn"]
        return question

    def told(self) -> str:
        """What the service said since the caller last did something, as the page shows it."""
        said: list[str] = self.page.evaluate(
            "[...document.querySelectorAll('#talk > p')].reduce((told, line) =>"
            " line.classList.contains('caller') ? [] :"
            " line.classList.contains('service') ? [...told, line.children[1].innerText] : told,"
            " [])"
        )
        return " ".join(" ".join(said).split())

    def presses(self, keys: str) -> None:
        for key in keys:
            if self.by_keyboard:
                self.page.keyboard.press(key)
            else:
                self.page.click(f"[data-key='{key}']")

    def answer(self, leg: AnswersLeg, question: dict[str, Any]) -> Input:
        attributes = {"finishOnKey": question["finish"]}
        if question["digits"]:
            attributes["numDigits"] = str(question["digits"])
        # A leg reads only what was said.
        return leg.answers(Told(self.told()), Gather(attributes, (), ""))  # type: ignore[arg-type]

    def books(self, leg: AnswersLeg, most: int = 40) -> None:
        """Answer by what the page shows until the call is over."""
        for _ in range(most):
            question = self.question()
            if question is None:
                return
            answer = self.answer(leg, question)
            if isinstance(answer, Silence) and "raccrocher" in self.told():
                # All is said, and the service leaves the end to the caller.
                self.page.click("#hang-up")
                return
            assert isinstance(answer, Keys), f"{answer} to: {self.told()}"
            self.presses(answer.digits)
        raise AssertionError(f"not over after {most} answers, but at: {self.told()}")
