"""Web sessions of the public site."""

from __future__ import annotations

from sqlalchemy import Integer, SmallInteger, String, Table

from models.tables import RowId, index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

# A web session of the public site: the step that a visitor is at, and what they have given. Its id
# is the holder of its places; the number is the duplicate check, as in `turn`.
visit = Table(
    "visit",
    metadata,
    key("id", String(40), "W and 32 hexadecimal digits"),
    must("number", Integer, "counts answers; a copy of one is none"),
    must("step", String(24), "the question that is asked now"),
    must("outcome", String(16), "booked, waiting, taken_up, ended; empty: goes on", default=""),
    must("language", String(2), default="fr"),
    may("body_enc", Sealed, "the session and what was typed; erased after 24 h"),
    may("code_idx", LookUp(way=LookUpWay.LAPSES), "to finish it by telephone", unique=True),
    may("code_until", Instant, personal=True),
    may(
        "place_idx",
        LookUp(way=LookUpWay.LAPSES),
        "where it was begun (services.online.attempts.place_of)",
    ),
    may("browser_idx", LookUp(way=LookUpWay.LAPSES), "keyed hash of the browser's own cookie"),
    may("phone_idx", LookUp(way=LookUpWay.LAPSES), "keyed hash of the number that was typed last"),
    must("created_at", Instant),
    must("seen_at", Instant),
    index("ix_visit_seen_at", "seen_at"),
    index("ix_visit_browser_idx", "browser_idx", "seen_at", where="browser_idx IS NOT NULL"),
    index("ix_visit_phone_idx", "phone_idx", "seen_at", where="phone_idx IS NOT NULL"),
    index("ix_visit_place_idx", "place_idx", "created_at", where="place_idx IS NOT NULL"),
)

# A code that is texted to a number, to be typed back by the visitor who gave the number.
reach_code = Table(
    "reach_code",
    metadata,
    key("id", RowId),
    must("visit_id", String(40)),
    must("phone_idx", LookUp(way=LookUpWay.LAPSES)),
    may("phone_enc", Sealed, "the number, as long as the code waits to be sent"),
    must("language", String(2), default="fr"),
    may(
        "place_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of the client address that asked for it",
    ),
    may(
        "code_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of web session, number and code; null: not sent yet",
    ),
    must("tries", SmallInteger, "how often a code was typed back", default=0),
    must("asked_at", Instant),
    may("sent_at", Instant, "null: others of its address are out and were not typed back"),
    must("expires_at", Instant),
    may("proved_at", Instant, "when it was typed back"),
    index("ix_reach_code_visit_id", "visit_id"),
    index("ix_reach_code_phone_idx", "phone_idx", "asked_at"),
    index("ix_reach_code_place_idx", "place_idx", "asked_at", where="place_idx IS NOT NULL"),
    index("ix_reach_code_asked_at", "asked_at"),
)
