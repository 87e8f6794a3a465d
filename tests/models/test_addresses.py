"""DATABASE_URL of one server or of several, as SQLAlchemy and the driver get it."""

from __future__ import annotations

import pytest

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError

from models.addresses import read_url


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://a:b@one/allo", "one", None),
        ("postgresql://a:b@one:5433/allo", "one", 5433),
        # An empty port is the usual one.
        ("postgresql://a:b@one,two/allo", "one,two", ","),
        ("postgresql://a:b@one:5432,two:5433/allo", "one,two", "5432,5433"),
        ("postgres://a:b@one:5432,two/allo", "one,two", "5432,"),
        ("postgresql+psycopg://a:b@[::1]:5432,[::2]:5433/allo", "::1,::2", "5432,5433"),
        ("postgresql://a:b@/allo?host=/run/a,/run/b&port=5432,5433", "/run/a,/run/b", "5432,5433"),
        ("postgresql://a:b@/allo?host=one:5432&host=two:5433", "one,two", "5432,5433"),
    ],
)
def test_several_hosts_reach_the_driver_as_it_takes_them(url: str, host: str, port: object):
    mark = "&" if "?" in url else "?"
    parsed = read_url(f"{url}{mark}target_session_attrs=read-write")
    engine = create_engine(parsed)
    _, said = engine.dialect.create_connect_args(engine.url)
    assert (said["host"], said.get("port")) == (host, port)
    assert (said["user"], said["password"], said["dbname"]) == ("a", "b", "allo")
    assert said["target_session_attrs"] == "read-write"
    assert parsed.drivername == "postgresql+psycopg"


def test_other_addresses_are_as_they_were():
    assert read_url("postgresql:///allo?host=/run/postgresql").query["host"] == "/run/postgresql"


@pytest.mark.parametrize("url", ["postgresql://a@one:5432,two:x/allo", "nonsense"])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises((ValueError, ArgumentError)):
        read_url(url)
