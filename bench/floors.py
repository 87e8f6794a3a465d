"""The floor that the service is compared with, as a Flask application of a few lines.

Floor (b) checks the signature and answers a constant document, with one SELECT and one UPDATE by
primary key in between, on the raw driver, each committed by itself. It knows nothing of the
service's code, so that a mistake in it cannot slow it down.
"""

from __future__ import annotations

import threading

import psycopg

from flask import Flask, Response, request
from sqlalchemy import URL, make_url
from twilio.request_validator import RequestValidator

import config

from web_server import WholeRequests

ROWS = 100_000
# As long as the session of a call halfway through.
STATE = "x" * 400
# As long as the service's answers are on average; a test keeps it near them.
DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="https://allo.example/voice/'
    'turn?n=5#rc=2&amp;rp=ct,rt,5xx&amp;ct=2000&amp;rt=4500" finishOnKey="" input="dtmf" '
    'language="fr-FR" method="POST" numDigits="1" timeout="5"><Say language="fr-FR" '
    'voice="Polly.Lea-Neural"> Le code postal 7 5 0 1 1, Paris 11e. <break time="400ms" /> Si '
    'c\'est juste, tapez 1. <break time="400ms" /> Pour le corriger, tapez 2. </Say><Pause '
    'length="5" /></Gather><Redirect method="POST">https://allo.example/voice/turn?n=5&amp;'
    "silent=1#rc=2&amp;rp=ct,rt,5xx&amp;ct=2000&amp;rt=4500</Redirect></Response>"
)

_LOOK = "SELECT turn, state FROM floor WHERE id = %s"
_WRITE = "UPDATE floor SET turn = %s, state = %s WHERE id = %s"


def create_server() -> WholeRequests:
    """The floor for a server: as many threads as a worker of the service has, a connection each."""
    made = config.load()
    return WholeRequests(create_app(), made.web_threads + made.web_queue)


def fill(database_url: str) -> None:
    """Make the table of floor (b) anew, with `ROWS` rows, in the database of the service."""
    rows = ((number, 0, STATE) for number in range(ROWS))
    with psycopg.connect(libpq(make_url(database_url))) as connection:
        cursor = connection.cursor()
        cursor.execute("DROP TABLE IF EXISTS floor")
        cursor.execute("CREATE TABLE floor (id bigint PRIMARY KEY, turn smallint, state text)")
        with cursor.copy("COPY floor FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def libpq(url: URL) -> str:
    """Return the same address as the driver wants it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def create_app() -> Flask:
    settings = config.load()
    app = Flask("floor", static_folder=None)
    validator = RequestValidator(settings.twilio_auth_token)
    base, address = settings.public_base_url, libpq(make_url(settings.database_url))
    # One connection a thread: a pool that costs nothing.
    mine = threading.local()

    @app.post("/voice/<path:_rest>")
    def answer(_rest: str) -> Response:
        environ = request.environ
        asked = base + environ["PATH_INFO"]
        if environ.get("QUERY_STRING"):
            asked += "?" + environ["QUERY_STRING"]
        signature = request.headers.get("X-Twilio-Signature", "")
        if not validator.validate(asked, request.form, signature):
            return Response("Forbidden\n", status=403, mimetype="text/plain")
        number = int(request.form["CallSid"][2:10], 16) % ROWS
        connection = getattr(mine, "connection", None)
        if connection is None:
            connection = mine.connection = psycopg.connect(address, autocommit=True)
        ((turn, state),) = connection.execute(_LOOK, (number,)).fetchall()
        connection.execute(_WRITE, ((turn + 1) % 1000, state, number))
        return Response(DOCUMENT, content_type="text/xml; charset=utf-8")

    return app
