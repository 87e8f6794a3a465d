"""What the public page about the service tells."""

from __future__ import annotations

from sqlalchemy import String, Table, Text

from models.tables import index, key, may, metadata, must
from models.types import Instant

# What the public page about the service tells went wrong, and since when.
incident = Table(
    "incident",
    metadata,
    key("id", String(32)),
    must("kind", String(20), "store, overload, partner, told"),
    must("text", Text, "in French, or a platform", default=""),
    must("began_at", Instant),
    may("ended_at", Instant),
    must("who", String(60), "system, or who told it"),
    must("translations", Text, "JSON: the text by the code of another language", default="{}"),
    index("ix_incident_began_at", "began_at"),
)
