"""Requests of people about what is kept of them: to have it told, or erased."""

from __future__ import annotations

from sqlalchemy import String, Table, Text

from models.tables import index, key, may, metadata, must
from models.types import Instant, Sealed

# One row for each request. Who it is about is in it only as long as something is to be done.
person_request = Table(
    "person_request",
    metadata,
    key("id", String(32)),
    must("kind", String(8), "export, erase"),
    must("state", String(8), "asked, erased, done, refused, lapsed"),
    must("reason", String(12), "how they asked: line, post, counter, authority"),
    must("asked_by", String(60), "a staff id, or operator and the account of the machine"),
    must("asked_at", Instant),
    must("decided_by", String(60), "like asked_by", default=""),
    may("decided_at", Instant),
    may("person_enc", Sealed, "JSON: birth date, number, reference; null once it is decided"),
    may("provider_enc", Sealed, "JSON: ids of messages and calls to delete at the provider"),
    must("counts", Text, "JSON: rows of each kind; nothing personal", default="{}"),
    may("done_at", Instant),
    must("updated_at", Instant),
    index("ix_person_request_open", "asked_at", where="done_at IS NULL"),
)
