"""The paths of devices: what the page of an agent asks of its telephone; see `devices.py`.

    POST /device/<name>/register            -> state
    POST /device/<name>/unregister
    GET  /device/<name>/events?after=N      -> state, with the events after number N
    POST /device/<name>/accept, /reject, /hangup
    POST /device/<name>/mute   {"on": true}
    POST /device/<name>/press  {"keys": "1"}

Answers are JSON. `state` is `idle`, `ringing` or `connected`. 404 for a name that is not
registered, 409 where there is no call to do it with.
"""

import re

from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request, send_from_directory

from exchange.devices import Devices
from exchange.rest.patience import Patience
from exchange.settings import LOOPBACK, Settings

NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,120}")
KEYS = re.compile(r"[0-9*#]{1,40}")
FILES = Path(__file__).resolve().parents[1] / "device"
SCRIPT = "device.js"


class Unwell(Exception):
    """A request that cannot be met; `code` is a word that the page has a sentence for."""

    def __init__(self, code: str, status: HTTPStatus) -> None:
        super().__init__(code)
        self.code, self.status = code, status

    def response(self) -> tuple[Response, int]:
        return jsonify(error=self.code), self.status


def blueprint(devices: Devices, settings: Settings) -> Blueprint:  # noqa: C901 - routes
    """Return the paths. Only pages of the service on this machine may use them."""
    pages = Blueprint("device", __name__)
    pages.register_error_handler(Unwell, Unwell.response)
    patience = Patience()
    origins = allowed_origins(settings)

    @pages.before_request
    def check() -> Response | None:
        if urlsplit(f"//{request.host}").hostname not in LOOPBACK:
            raise Unwell("not_this_host", HTTPStatus.FORBIDDEN)
        origin = request.headers.get("Origin")
        # Programs send none; browsers do with every request from another page's script.
        if origin is not None and origin not in origins and not _own(origin):
            raise Unwell("not_this_origin", HTTPStatus.FORBIDDEN)
        return Response(status=HTTPStatus.NO_CONTENT) if request.method == "OPTIONS" else None

    @pages.after_request
    def allow(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Allow-Private-Network"] = "true"
        response.headers["Vary"] = "Origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("/device.js")
    def script() -> Response:
        return send_from_directory(FILES, SCRIPT, mimetype="text/javascript")

    @pages.route("/device/<name>/<what>", methods=["OPTIONS"])
    def preflight(name: str, what: str) -> Response:
        return Response(status=HTTPStatus.NO_CONTENT)

    @pages.get("/device/<name>/events")
    def events(name: str) -> Response:
        after = max(0, request.args.get("after", 0, int))
        with patience.of(wanted=request.args.get("wait") != "0") as seconds:
            found = devices.events(name, after, seconds)
        if found is None:
            raise Unwell("not_registered", HTTPStatus.NOT_FOUND)
        return jsonify(found)

    @pages.post("/device/<name>/register")
    def register(name: str) -> Response:
        if not NAME.fullmatch(name):
            raise Unwell("bad_name", HTTPStatus.BAD_REQUEST)
        return jsonify(devices.register(name))

    @pages.post("/device/<name>/unregister")
    def unregister(name: str) -> Response:
        devices.unregister(name)
        return jsonify(done=True)

    @pages.post("/device/<name>/<what>")
    def do(name: str, what: str) -> Response:
        given = request.get_json(silent=True, force=True) or {}
        done = act(devices, name, what, given if isinstance(given, dict) else {})
        state = devices.state(name)
        if state is None:
            raise Unwell("not_registered", HTTPStatus.NOT_FOUND)
        if not done:
            raise Unwell("no_call", HTTPStatus.CONFLICT)
        return jsonify(state)

    return pages


def act(devices: Devices, name: str, what: str, given: dict[str, Any]) -> bool:
    """Do what the page asks; False where there is no call for it. Raises Unwell."""
    match what, given:
        case "accept", _:
            return devices.accept(name)
        case "reject", _:
            return devices.reject(name)
        case "hangup", _:
            return devices.hang_up(name)
        case "mute", {"on": bool(on)}:
            return devices.mute(name, on=on)
        case "press", {"keys": str(keys)} if KEYS.fullmatch(keys):
            return devices.press(name, keys)
    raise Unwell("bad_request", HTTPStatus.BAD_REQUEST)


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Return the origins of the service's pages: its public one, and its ones on this machine."""
    found = set()
    for base in (settings.service_base, settings.public_base):
        parts = urlsplit(base)
        found.add(f"{parts.scheme}://{parts.netloc}")
        if parts.hostname in LOOPBACK:
            found |= {
                f"{parts.scheme}://{host}:{parts.port or 80}" for host in ("127.0.0.1", "localhost")
            }
    return frozenset(found)


def _own(origin: str) -> bool:
    return origin == f"{request.scheme}://{request.host}"
