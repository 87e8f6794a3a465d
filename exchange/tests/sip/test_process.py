"""The process of the telephones: how it begins, how it ends, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import math
import os
import queue
import signal
import subprocess
import sys
import threading

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
import requests

from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

from exchange.rest.app import create_app
from exchange.settings import Settings
from exchange.sip import __main__ as command
from exchange.sip import extra
from exchange.sip.settings import DEVELOPMENT_PASSWORD
from exchange.testing.ports import free_port
from exchange.tests.sip.sip_client import SipClient
from exchange.transport import HttpTransport

# Never a measure: how long a test waits for what must come.
PATIENCE_S = 60.0
NATIONAL, POSTE = "+33974750001", "+33199000101"
MENU = (
    '<Response><Gather action="/voice/picked" numDigits="1" timeout="60">'
    '<Say language="fr-FR">Tapez un.</Say></Gather></Response>'
)


class Town:
    """A service of one question, which notes what it is told, and the telephones' process."""

    def __init__(self, simulated: Callable[[str], Settings] | None = None) -> None:
        self.told: list[tuple[str, str]] = []
        self.news: queue.Queue[tuple[str, str]] = queue.Queue()
        # When the simulator knows of a telephone.
        self.offered = threading.Event()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Without it nobody is there: calls go on alone.
        self.simulator_port = free_port()
        self._simulator = self._simulates(simulated(self.url)) if simulated else None
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "exchange.sip"],
            env={
                **os.environ,  # noqa: TID251 - as any process is started
                "SERVICE_URL": self.url,
                "SIMULATOR_PORT": str(self.simulator_port),
                "SIP_PORT": str(self.port),
                "SIP_VOICE": "off",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _simulates(self, settings: Settings) -> BaseWSGIServer:
        """Have a simulator that takes nobody for gone of whom it hears nothing."""
        app = create_app(settings, transport=HttpTransport(self.url, self.url))
        known = app.extensions["simulator"]
        known.boxes._away_s = math.inf
        offers = known.boxes.offers

        def offered(box: str, names: Sequence[str], *given: Any, **more: Any) -> None:
            offers(box, names, *given, **more)
            if names:
                self.offered.set()

        known.boxes.offers = offered
        server = make_server("127.0.0.1", self.simulator_port, app, threaded=True)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        return server

    def says(self) -> str:
        """The next line of the process."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._simulator is not None:
            self._simulator.shutdown()
            self._simulator.server_close()

    def _answer(self, environ, start_response):
        request = Request(environ)
        self.told.append((request.path, request.form.get("CallStatus", "")))
        self.news.put(self.told[-1])
        body = MENU if request.path == "/voice/incoming" else "<Response/>"
        return Response(body, content_type="text/xml")(environ, start_response)


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    yield made
    made.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_is_on_the_telephone_when_it_ends_gets_a_bye(town: Town, number: signal.Signals):
    assert town.says() == f"Telephones: sip:127.0.0.1:{town.port}, UDP and TCP"

    async def ring() -> None:
        client = await SipClient(town.port).open()
        try:
            call = client.invite()
            answer = await client.hears(100, 180, 200)
            client.acknowledges(call, answer)
            town.process.send_signal(number)
            client.answers(await client.hears("BYE"), 200)
        finally:
            await client.close()

    asyncio.run(ring())
    _, errors = town.process.communicate(timeout=PATIENCE_S)
    assert (town.process.returncode, errors) == (0, "")
    assert town.told == [("/voice/incoming", "ringing"), ("/voice/status", "completed")]


def test_what_rings_when_it_ends_has_failed_at_once():
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    account = (settings.twilio_account_sid, settings.twilio_auth_token)
    town = Town(lambda url: settings.model_copy(update={"service_url": url}))
    api = f"http://127.0.0.1:{town.simulator_port}/2010-04-01/Accounts/{account[0]}/Calls"
    asked = {"To": POSTE, "From": NATIONAL, "Url": f"{town.url}/agent"}
    events = {"StatusCallback": f"{town.url}/leg", "StatusCallbackEvent": "completed"}

    def asks(method: str, path: str, form: dict[str, str] | None = None) -> dict[str, str]:
        answer = requests.request(method, api + path, data=form, auth=account, timeout=PATIENCE_S)
        return cast(dict[str, str], answer.json())

    async def ring() -> None:
        client = await SipClient(town.port).open()
        assert (await client.registers("poste1", DEVELOPMENT_PASSWORD)).status == 200
        assert await asyncio.to_thread(town.offered.wait, PATIENCE_S)
        sid = (await asyncio.to_thread(asks, "POST", ".json", {**asked, **events}))["sid"]
        invite = await client.hears("INVITE")
        client.answers(invite, 180)
        town.process.terminate()
        client.answers(await client.hears("CANCEL"), 200)
        client.answers(invite, 487)
        await client.close()
        assert await asyncio.to_thread(town.news.get, timeout=PATIENCE_S) == ("/leg", "failed")
        assert (await asyncio.to_thread(asks, "GET", f"/{sid}.json"))["status"] == "failed"

    try:
        town.says()
        asyncio.run(asyncio.wait_for(ring(), PATIENCE_S))
        _, errors = town.process.communicate(timeout=PATIENCE_S)
        assert (town.process.returncode, errors) == (0, "")
    finally:
        town.close()


def test_it_ends_when_nobody_ever_rang(town: Town):
    town.says()
    town.process.terminate()
    _, errors = town.process.communicate(timeout=PATIENCE_S)
    assert (town.process.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_said_in_one_sentence(town: Town):
    town.says()
    again = subprocess.run(
        [sys.executable, "-m", "exchange.sip"],
        env={**os.environ, "SIP_PORT": str(town.port), "SIP_VOICE": "off"},  # noqa: TID251
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert again.returncode == 1
    assert again.stdout == ""
    assert again.stderr == (
        f"telephones: port {town.port} of 127.0.0.1 is already in use; choose another one:"
        " SIP_PORT=5060\n"
    )


def test_without_the_extra_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(extra, "missing", lambda: ["aiortp", "aiosipua"])
    assert command.main() == 1
    assert capsys.readouterr().err == "telephones: aiortp, aiosipua not installed; run: make sip\n"


def test_a_mistake_in_the_settings_is_said_in_one_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIP_FILE", "nowhere.toml")
    assert command.main() == 1
    assert capsys.readouterr().err.startswith("telephones: SIP_FILE is nowhere.toml")
