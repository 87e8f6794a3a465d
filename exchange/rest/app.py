"""Twilio's REST paths, as a Flask application: messages here, the rest in the files beside."""

import time

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

from flask import Blueprint, Flask, Response, jsonify, render_template_string, request

from exchange.clock import Clock, WallClock
from exchange.faults import Faults
from exchange.legs import LegMaker
from exchange.messages import Message
from exchange.numbers import is_sender, is_valid, receives_sms
from exchange.rest.account import add_account, add_own_account
from exchange.rest.calls import add_calls, add_lines
from exchange.rest.conferences import add_conferences
from exchange.rest.devices import blueprint as devices
from exchange.rest.far_phones import add_far_phones
from exchange.rest.lookup import add_lookup
from exchange.rest.paths import (
    INCOMPLETE,
    Refused,
    answer,
    between,
    fields,
    given_url,
    known,
    matching,
    not_found,
    page,
)
from exchange.rest.queues import add_queues
from exchange.rest.rights import may_text
from exchange.rest.server import Simulator
from exchange.settings import Settings
from exchange.transport import HttpTransport, Transport

MAX_BODY = 1600
# Twilio deletes a message once it has left, and refuses before.
UNFINISHED = {"accepted", "queued", "sending"}
STATUS_CALLBACK_THREADS = 8
# Makes the paths that are added to the server; called once, before the first request.
Extension = Callable[[Simulator], Blueprint]

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Twilio simulator</title></head><body>
<h1>A stand-in for Twilio</h1>
<p>It answers Twilio's REST paths for messages, calls, queues and conferences under /2010-04-01/.
Nothing leaves this machine: no SMS is sent and no telephone rings.
{% for path, name in links.items() %}<a href="{{ path }}">{{ name }}</a>.
{% endfor %}</p>
<h2>Last SMS</h2>
{% if not messages %}<p>None yet.</p>{% endif %}
{% for message in messages %}<p>{{ message.date_created.strftime("%Y-%m-%d %H:%M:%S") }} UTC,
from {{ message.sender }} to {{ message.recipient }}, {{ message.status }}:<br>
{{ message.body }}</p>{% endfor %}
<h2>Last calls made by the service</h2>
{% if not calls %}<p>None yet.</p>{% endif %}
{% for call in calls %}<p>{{ call.date_created.strftime("%Y-%m-%d %H:%M:%S") }} UTC,
from {{ call.sender }} to {{ call.recipient }}, {{ call.status }}:<br>
{{ call.transcript | join(" ") }}</p>{% endfor %}
</body></html>
"""


def create_app(
    settings: Settings | None = None,
    *,
    faults: Faults | None = None,
    transport: Transport | None = None,
    clock: Clock | None = None,
    threads: int = STATUS_CALLBACK_THREADS,
    sleep: Callable[[float], None] = time.sleep,
    temperaments: Mapping[str, LegMaker] = MappingProxyType({}),
    extensions: Sequence[Extension] = (),
) -> Flask:
    """Make the application; one process must serve it, for its state is in memory.

    With `threads=0` nothing happens in the background until
    `app.extensions["simulator"].run_pending()` is called. `transport` carries the callbacks.
    `temperaments` are the people whom the switch `answers` may put at a number, by name. Each of
    `extensions` adds paths of its own, and may subscribe to calls in `simulator.ringing`.
    """
    settings, faults = settings or Settings(), faults or Faults()
    faults.temperaments = temperaments
    simulator = Simulator(
        settings,
        faults=faults,
        transport=transport
        or HttpTransport(settings.service_base, settings.public_base, settings.ssl_cert_file),
        clock=clock or WallClock(),
        threads=threads,
        sleep=sleep,
    )
    app = Flask(__name__)
    app.extensions["simulator"] = simulator

    def refused(error: Refused) -> Response:
        return error.response(problem=faults.problems)

    app.register_error_handler(Refused, refused)
    app.register_error_handler(404, lambda _: not_found().response())
    app.register_error_handler(405, lambda _: Refused(20004, "Method not allowed", 405).response())
    _add_messages(app, simulator)
    add_calls(app, simulator)
    add_queues(app, simulator)
    add_conferences(app, simulator)
    add_account(app, simulator)
    own = Blueprint("own", __name__)
    own.before_request(simulator.authenticate)
    add_lines(own, simulator)
    add_far_phones(own, simulator)
    add_lookup(own, simulator)
    add_own_account(own, simulator)
    _add_faults(own, simulator.faults)
    app.register_blueprint(own)
    _add_pages(app, simulator)
    app.register_blueprint(devices(simulator.switchboard.devices, settings))
    for extension in extensions:
        app.register_blueprint(extension(simulator))
    return app


def _add_messages(app: Flask, simulator: Simulator) -> None:
    at = simulator.paths(app)

    @at("POST", "/Messages.json")
    def create_message() -> Response:
        simulator.check()
        message = _message(simulator)
        fault = simulator.take_fault()
        simulator.messages.add(message)
        resource = message.resource()
        simulator.life.begin(message)
        return answer(resource, fault, HTTPStatus.CREATED)

    @at("GET", "/Messages.json")
    def list_messages() -> Response:
        simulator.check()
        wanted = between("DateSent")
        found = [message for message in matching(simulator.messages) if wanted(message.date_sent)]
        return page("messages", [(message.sid, message.resource()) for message in found])

    @at("GET", "/Messages/<Sid>.json")
    def fetch_message(Sid: str) -> Response:  # noqa: N803
        return jsonify(known(simulator.messages.get(Sid)).resource())

    @at("DELETE", "/Messages/<Sid>.json")
    def delete_message(Sid: str) -> Response:  # noqa: N803
        message = known(simulator.messages.get(Sid))
        simulator.check()
        simulator.take_fault()
        if message.status in UNFINISHED:
            raise Refused(20009, INCOMPLETE, HTTPStatus.CONFLICT)
        simulator.messages.remove(Sid)
        return Response(status=HTTPStatus.NO_CONTENT)


def _message(simulator: Simulator) -> Message:
    """Return the message that the form asks for; raises Refused with Twilio's code."""
    form = request.form
    recipient, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not recipient:
        raise Refused(21604, "A 'To' phone number is required.")
    if not sender:
        raise Refused(21603, "A 'From' phone number is required.")
    if not body.strip():
        raise Refused(21602, "Message body is required.")
    if len(body) > MAX_BODY:
        message = f"The concatenated message body exceeds the {MAX_BODY} character limit."
        raise Refused(21617, message)
    if not is_valid(recipient):
        raise Refused(21211, f"The 'To' number {recipient} is not a valid phone number.")
    told = simulator.faults.line_types.get(recipient)
    if not (told == "mobile" if told else receives_sms(recipient)):
        raise Refused(21614, f"To number: {recipient}, is not a mobile number")
    if not is_sender(sender):
        message = (
            f"The From phone number {sender} is not a valid, SMS-capable inbound phone number"
            " or short code for your account."
        )
        raise Refused(21606, message)
    may_text(simulator.account, sender, recipient)
    callback = given_url("StatusCallback", 21609)
    account, now = simulator.settings.twilio_account_sid, simulator.clock.now()
    return Message(account, sender, recipient, body, now, status_callback=callback)


def _add_pages(app: Flask, simulator: Simulator) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok", mimetype="text/plain")

    @app.get("/")
    def home() -> str:
        return render_template_string(
            PAGE,
            links=simulator.links,
            messages=simulator.messages.newest_first()[:20],
            calls=simulator.calls.newest_first()[:20],
        )


def _add_faults(own: Blueprint, faults: Faults) -> None:
    @own.get("/_faults")
    def show_faults() -> Response:
        return jsonify(faults.state())

    @own.post("/_faults")
    def set_faults() -> Response:
        try:
            faults.set(fields())
        except (ValueError, TypeError) as error:
            raise Refused(20001, str(error)) from error
        return jsonify(faults.state())
