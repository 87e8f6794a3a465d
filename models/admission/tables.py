"""The waiting room in front of the web."""

from __future__ import annotations

from sqlalchemy import Integer, String, Table, Text

from models.tables import key, metadata, must
from models.types import Instant

# How many people came to the waiting room in front of the web, by opening and bucket of ranks.
arrival = Table(
    "arrival",
    metadata,
    key("opening", String(40)),
    key("bucket", Integer, "of the draw below 1024, then seconds"),
    must("people", Integer),
)

# What each web worker measured last: the rate at which people are let in follows it.
web_load = Table(
    "web_load",
    metadata,
    key("worker", String(40)),
    must("at", Instant),
    must("body", Text, "JSON of counts and seconds"),
)
