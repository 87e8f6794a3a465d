"""DATABASE_URL as people write it: of one server, or of several of which one is written to."""

from __future__ import annotations

import re

from typing import Final

from sqlalchemy import URL, make_url

_DRIVER: Final = "postgresql+psycopg"
# What SQLAlchemy cannot read: several hosts before the name of the database, each with its port.
_SEVERAL: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?(?:\+psycopg)?)://(?P<who>[^@/?]*@)?"
    r"(?P<hosts>[^@/?]*,[^@/?]*)(?P<rest>[/?].*)?"
)


def read_url(url: str) -> URL:
    """A URL of SQLAlchemy; `postgresql://` means psycopg 3.

    Several hosts, as libpq takes them: `postgresql://name@one:5432,two:5433/allo?…`, or in the
    query: `?host=one,two&port=5432,5433`. Raises ValueError or SQLAlchemy's ArgumentError for what
    is none, and ValueError for another kind of database.
    """
    found = _SEVERAL.fullmatch(url)
    if found is None:
        parsed = make_url(url)
    else:
        hosts, ports = zip(*map(_host_and_port, found["hosts"].split(",")), strict=True)
        rest = found["rest"] or ""
        parsed = make_url(f"{found['scheme']}://{found['who'] or ''}{rest}")
        several = {"host": ",".join(hosts)}
        if any(ports):
            several["port"] = ",".join(ports)
        parsed = parsed.update_query_dict(several)
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername=_DRIVER)
    if parsed.drivername != _DRIVER:
        kind = parsed.get_backend_name()
        raise ValueError(f"the address of a database begins with postgresql://, not with {kind}")
    return parsed


def _host_and_port(one: str) -> tuple[str, str]:
    """Of `one:5432` or `[::1]:5432`; without a port "", which means the usual one."""
    end = one.rfind("]")
    host, colon, port = one[end + 1 :].partition(":")
    if colon and not port.isdigit():
        raise ValueError(f"{port!r} is no port")
    return (one[: end + 1] + host).strip("[]"), port
