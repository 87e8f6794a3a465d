"""The usual application of bench/peers/usual.py beside the service: its rows, and how it is served.

It has the centres, postcodes and slots that the service has, and the server, threads, connections
and settings of PostgreSQL that the service's calls have.
"""

from __future__ import annotations

import psycopg

from sqlalchemy import create_engine, make_url

import config

from bench import driven, floors
from bench.peers import usual
from models.database import POOL_SIZE
from web.admission.whole_requests import WholeRequests

_ROWS = """
INSERT INTO usual_postcode (code, town, territory, latitude, longitude)
  SELECT code, main_town, territory, latitude, longitude FROM postcode
  WHERE latitude IS NOT NULL;
INSERT INTO usual_centre (id, name, street, town, territory, latitude, longitude, time_zone)
  SELECT id, name, street, town, territory, latitude, longitude, time_zone FROM centre
  WHERE latitude IS NOT NULL AND booking_mode = 'ours';
INSERT INTO usual_slot (id, centre_id, start_at, capacity, free)
  SELECT id, centre_id, start_at, capacity, capacity FROM slot
  WHERE centre_id IN (SELECT id FROM usual_centre);
"""


def fill(database_url: str) -> None:
    """Make its tables anew beside those of the service, with the same places, all of them free."""
    engine = create_engine(driver(database_url))
    usual.Base.metadata.drop_all(engine)
    usual.Base.metadata.create_all(engine)
    engine.dispose()
    with psycopg.connect(floors.libpq(make_url(database_url)), autocommit=True) as connection:
        connection.execute(_ROWS)
        connection.execute("VACUUM ANALYZE usual_postcode, usual_centre, usual_slot")


def driver(database_url: str) -> str:
    """Return the same address as SQLAlchemy wants it."""
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def create_server() -> WholeRequests:
    """Return it for a server: in so many threads as answer calls in a worker of the service."""
    made = config.load()
    app = usual.create_app(
        driver(made.database_url),
        base_url=made.public_base_url,
        auth_token=made.twilio_auth_token,
        pool_size=POOL_SIZE,
    )
    return driven.as_calls(app)
