"""Requests of people about what is kept of them, and what several machines share."""

from __future__ import annotations

from typing import Final

from sqlalchemy import LargeBinary, String, Table, Text

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
    may(
        "provider_enc",
        Sealed,
        "of earlier versions: ids at the provider, until they are in provider_record",
    ),
    must("counts", Text, "JSON: rows of each kind; nothing personal", default="{}"),
    may("done_at", Instant),
    must("updated_at", Instant),
    index("ix_person_request_open", "asked_at", where="done_at IS NULL"),
)

# For so long (seconds) a lease is taken. It is asked for and prolonged each second; this is longer
# than a statement may take.
LEASE_SECONDS: Final = 6.0

# Which process of a kind works, where several run.
process_lease = Table(
    "process_lease",
    metadata,
    key("name", String(20), "scheduler, dispatcher"),
    must("holder", String(32), "made up by the process"),
    must("since", Instant),
    must("until", Instant, "another may take it from then on"),
)

# How far what is erased in many small transactions has come, by step.
erasure = Table(
    "erasure",
    metadata,
    key("step", String(24)),
    must("reached", Instant, "what is older is erased"),
)

# Files that every machine gives, whichever wrote them.
shared_file = Table(
    "shared_file",
    metadata,
    key("folder", String(12), "feed, assets"),
    key("name", String(80)),
    key("tag", String(32), "the beginning of its SHA-256, in hex"),
    must("body", LargeBinary),
    must("changed_at", Instant),
    must("wanted_at", Instant, "when a machine said so last"),
)
