"""What the board shows and has counted, alerts, and what supervisors set."""

from __future__ import annotations

from sqlalchemy import Float, String, Table, Text

from models.tables import index, key, may, metadata, must
from models.types import Instant

# What screens show: written by one process each second, read by all.
snapshot = Table(
    "snapshot",
    metadata,
    key("name", String(40)),
    must("at", Instant),
    must("tag", String(40), "hash of the body: equal = unchanged"),
    must("body", Text, "JSON; ids, words and counts, nothing personal"),
)

# Counts by the quarter of an hour, for yesterday and the days before.
tally = Table(
    "tally",
    metadata,
    key("at", Instant, "when the quarter begins"),
    key("name", String(40)),
    key("label", String(120)),
    must("value", Float),
)

alert = Table(
    "alert",
    metadata,
    key("id", String(32)),
    must("name", String(40)),
    must("value", Float),
    must("threshold", Float),
    must("began_at", Instant),
    may("ended_at", Instant),
    may("told_at", Instant, "of which state ALERT_WEBHOOK_URL took the news"),
    may("seen_by", String(32)),
    index("uq_alert_raised", "name", where="ended_at IS NULL", unique=True),
)

# What a supervisor set, over the settings and the campaign: thresholds, the telephone's floor.
board_setting = Table(
    "board_setting",
    metadata,
    key("name", String(60)),
    must("value", Text, "JSON"),
    must("who", String(32)),
    must("at", Instant),
)
