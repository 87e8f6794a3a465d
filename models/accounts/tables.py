"""Staff, their sessions and their acts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from models.tables import APPEND_ONLY, RowId, index, key, may, metadata, must
from models.types import Instant, LookUp, LookUpWay, Sealed

ROLES = ("agent", "supervisor", "secretary", "operator")

staff = Table(
    "staff",
    metadata,
    key("id", String(32)),
    must("login", String(60), "lower case", unique=True),
    must("name", Text, "as colleagues see it"),
    must("role", String(12)),
    must("password_hash", Text, "argon2id"),
    must(
        "password_temporary",
        Boolean,
        "given by somebody else, to be changed at the next sign-in",
        default=False,
    ),
    must("demonstration", Boolean, "its password is in the README", default=False),
    may("totp_enc", Sealed, "secret of the second factor; null: none yet"),
    must("totp_step", BigInteger, "last used", default=0),
    may("phone_enc", Sealed, "their own telephone, E.164"),
    must("languages", String(20), "by spaces", default="fr"),
    may("centre_id", String(40), "of a secretary; null: all centres"),
    must(
        "sessions_from",
        Instant,
        "sessions that began before are over: sign-out everywhere moves it",
    ),
    may("disabled_at", Instant),
    must("created_at", Instant),
    must("updated_at", Instant),
    CheckConstraint(f"role IN {ROLES}", name="role"),
)

staff_session = Table(
    "staff_session",
    metadata,
    key("token_idx", LargeBinary, "hash; the browser has the token"),
    must("staff_id", String(32), refers="staff.id", index=True),
    must("created_at", Instant),
    must("seen_at", Instant),
    may("strong_at", Instant, "when the second factor was given; null: not yet"),
    may("ended_at", Instant),
    must(
        "wall",
        Boolean,
        "of a screen on a wall: it reads the board, and opens nothing else",
        default=False,
    ),
    may("proved_at", Instant, "when the password was given again; null: when it began"),
    may("challenge", LargeBinary, "for a passkey, once: what for (a letter), and random bytes"),
    may("challenge_at", Instant),
)

# What a key says of itself is public; without it, nothing here signs a user in.
staff_passkey = Table(
    "staff_passkey",
    metadata,
    key("id", String(32)),
    must("staff_id", String(32), refers="staff.id", index=True),
    must("credential_id", LargeBinary, "as the key calls itself", unique=True),
    must("public_key", LargeBinary, "COSE"),
    must("sign_count", BigInteger, "how often the key says it was used; 0: it does not count"),
    must("transports", String(80), "ways to reach the key, by spaces"),
    must("name", String(40), "as its owner calls it"),
    must("created_at", Instant),
    may("used_at", Instant),
)

# For a user who has lost every other second factor; shown once, when they are made.
staff_recovery = Table(
    "staff_recovery",
    metadata,
    key("staff_id", String(32), refers="staff.id"),
    key(
        "code_idx",
        LookUp(way=LookUpWay.LAPSES),
        "keyed hash of a code and its owner; the code is kept nowhere",
    ),
    must("created_at", Instant),
    may("used_at", Instant),
)

# Append only, like `history`: what staff did and whose file they read. A trigger lets a line be
# deleted once it is a year old, and refuses every other change.
staff_act = Table(
    "staff_act",
    metadata,
    key("id", RowId),
    must("at", Instant),
    must("staff_id", String(32), "or a word: system, operator"),
    must("what", String(24)),
    must("subject", String(60), "id of a call, booking, queue, staff"),
    must("details", Text, "JSON of ids and words; nothing personal"),
    index("ix_staff_act_at", "at"),
    index("ix_staff_act_subject", "subject"),
    info={APPEND_ONLY: True},
)

# Why an act was done, where a reason was given: staff type numbers and birth dates there. It is a
# table of its own, for a line of `staff_act` never changes, and sealed bytes change when the data
# key does. It refers to no row by a foreign key: that would need the right to change `staff_act`.
act_reason = Table(
    "act_reason",
    metadata,
    key("id", RowId, "of the act", autoincrement=False),
    must("why_enc", Sealed),
)

# An act that concerns many people, until a second person has confirmed it and the first does it.
approval = Table(
    "approval",
    metadata,
    key("id", String(32)),
    must("kind", String(24)),
    must("subject", String(80), "ids and words of what is to be done; nothing personal"),
    must("people", Integer, "how many a dry run said it touches"),
    must("asked_by", String(60), "a staff id, or the account at the command line"),
    must("asked_at", Instant),
    must("until", Instant),
    may("given_by", String(32), "the second person, a staff id"),
    may("given_at", Instant),
    may("used_at", Instant),
    index("ix_approval_until", "until"),
)
