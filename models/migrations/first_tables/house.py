"""Staff, what is recorded and counted, and the processes at work."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    Integer,
    SmallInteger,
    String,
    Text,
)

from models.migrations.first_tables import Bytes, Moment, table
from models.tables import index, key, may, must

table(
    "act_reason",
    key("id", BigInteger, "of the act", autoincrement=False),
    must("why_enc", Bytes),
)
table(
    "approval",
    key("id", String(32)),
    must("kind", String(24)),
    must("subject", String(80), "ids and words of what is to be done; nothing personal"),
    must("people", Integer, "how many a dry run said it touches"),
    must("asked_by", String(60), "a staff id, or the account at the command line"),
    must("asked_at", Moment),
    must("until", Moment),
    may("given_by", String(32), "the second person, a staff id"),
    may("given_at", Moment),
    may("used_at", Moment),
    index("ix_approval_until", "until"),
)
table(
    "staff",
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
    may("totp_enc", Bytes, "secret of the second factor; null: none yet"),
    must("totp_step", BigInteger, "last used", default=0),
    may("phone_enc", Bytes, "their own telephone, E.164"),
    must("languages", String(20), "by spaces", default="fr"),
    may("centre_id", String(40), "of a secretary; null: all centres"),
    must(
        "sessions_from", Moment, "sessions that began before are over: sign-out everywhere moves it"
    ),
    may("disabled_at", Moment),
    must("created_at", Moment),
    must("updated_at", Moment),
    CheckConstraint("role IN ('agent', 'supervisor', 'secretary', 'operator')", name="role"),
)
table(
    "staff_act",
    key("id", BigInteger),
    must("at", Moment),
    must("staff_id", String(32), "or a word: system, operator"),
    must("what", String(24)),
    must("subject", String(60), "id of a call, booking, queue, staff"),
    must("details", Text, "JSON of ids and words; nothing personal"),
    index("ix_staff_act_at", "at"),
    index("ix_staff_act_subject", "subject"),
)
table(
    "staff_passkey",
    key("id", String(32)),
    must("staff_id", String(32), refers="staff.id", index=True),
    must("credential_id", Bytes, "as the key calls itself", unique=True),
    must("public_key", Bytes, "COSE"),
    must("sign_count", BigInteger, "how often the key says it was used; 0: it does not count"),
    must("transports", String(80), "ways to reach the key, by spaces"),
    must("name", String(40), "as its owner calls it"),
    must("created_at", Moment),
    may("used_at", Moment),
)
table(
    "staff_recovery",
    key("staff_id", String(32), refers="staff.id"),
    key("code_idx", Bytes, "keyed hash of a code and its owner; the code is kept nowhere"),
    must("created_at", Moment),
    may("used_at", Moment),
)
table(
    "staff_session",
    key("token_idx", Bytes, "hash; the browser has the token"),
    must("staff_id", String(32), refers="staff.id", index=True),
    must("created_at", Moment),
    must("seen_at", Moment),
    may("strong_at", Moment, "when the second factor was given; null: not yet"),
    may("ended_at", Moment),
    must(
        "wall",
        Boolean,
        "of a screen on a wall: it reads the board, and opens nothing else",
        default=False,
    ),
    may("proved_at", Moment, "when the password was given again; null: when it began"),
    may("challenge", Bytes, "for a passkey, once: what for (a letter), and random bytes"),
    may("challenge_at", Moment),
)
table(
    "attempt",
    key("id", BigInteger),
    must("kind", String(16)),
    must("subject_idx", Bytes, "keyed hash of whom it counts for; empty: for everybody together"),
    must("at", Moment),
    must("good", Boolean),
    index("ix_attempt_subject", "kind", "subject_idx", "at"),
)
table(
    "arrival",
    key("opening", String(40)),
    key("bucket", Integer, "of the draw below 1024, then seconds"),
    must("people", Integer),
)
table(
    "web_load",
    key("worker", String(40)),
    must("at", Moment),
    must("body", Text, "JSON of counts and seconds"),
)
table(
    "alert",
    key("id", String(32)),
    must("name", String(40)),
    must("value", Float),
    must("threshold", Float),
    must("began_at", Moment),
    may("ended_at", Moment),
    may("told_at", Moment, "of which state ALERT_WEBHOOK_URL took the news"),
    may("seen_by", String(32)),
    index("uq_alert_raised", "name", where="ended_at IS NULL", unique=True),
)
table(
    "board_setting",
    key("name", String(60)),
    must("value", Text, "JSON"),
    must("who", String(32)),
    must("at", Moment),
)
table(
    "snapshot",
    key("name", String(40)),
    must("at", Moment),
    must("tag", String(40), "hash of the body: equal = unchanged"),
    must("body", Text, "JSON; ids, words and counts, nothing personal"),
)
table(
    "tally",
    key("at", Moment, "when the quarter begins"),
    key("name", String(40)),
    key("label", String(120)),
    must("value", Float),
)
table(
    "incident",
    key("id", String(32)),
    must("kind", String(20), "store, overload, partner, told"),
    must("text", Text, "in French, or a platform", default=""),
    must("began_at", Moment),
    may("ended_at", Moment),
    must("who", String(60), "system, or who told it"),
    must("translations", Text, "JSON: the text by the code of another language", default="{}"),
    index("ix_incident_began_at", "began_at"),
)
table(
    "erasure",
    key("step", String(24)),
    must("reached", Moment, "what is older is erased"),
)
table(
    "key_canary",
    key("number", Integer, "of the data key, oldest first, from 0", autoincrement=False),
    must("word_enc", Bytes),
    must("word_idx", Bytes, "by the index key"),
    may("used_at", Moment, "when a process first started that seals with it; null: none has"),
    may("retired_at", Moment, "from then on the key may be missing"),
    may("gone_at", Moment, "when a process first started without it, and no row needed it"),
    may("next_idx", Bytes, "by the index key that look-ups are being rewritten for"),
)
table(
    "measure",
    key("process", String(12), "the kind of those that counted it"),
    key("series", String(300), "JSON: name and labels; nothing personal"),
    must("value", Float),
    must("at", Moment, "when it changed last"),
)
table(
    "person_request",
    key("id", String(32)),
    must("kind", String(8), "export, erase"),
    must("state", String(8), "asked, erased, done, refused, lapsed"),
    must("reason", String(12), "how they asked: line, post, counter, authority"),
    must("asked_by", String(60), "a staff id, or operator and the account of the machine"),
    must("asked_at", Moment),
    must("decided_by", String(60), "like asked_by", default=""),
    may("decided_at", Moment),
    may("person_enc", Bytes, "JSON: birth date, number, reference; null once it is decided"),
    may(
        "provider_enc",
        Bytes,
        "of earlier versions: ids at the provider, until they are in provider_record",
    ),
    must("counts", Text, "JSON: rows of each kind; nothing personal", default="{}"),
    may("done_at", Moment),
    must("updated_at", Moment),
    index("ix_person_request_open", "asked_at", where="done_at IS NULL"),
)
table(
    "process",
    key("id", String(32)),
    must("kind", String(12), "worker, scheduler, dispatcher"),
    must("machine", String(60)),
    must("started_at", Moment),
    must("seen_at", Moment, "its last sign of life"),
    may("ended_at", Moment, "when it ended by itself; null: it runs, or was killed"),
    index("ix_process_kind", "kind", "seen_at"),
)
table(
    "process_lease",
    key("name", String(20), "scheduler, dispatcher"),
    must("holder", String(32), "made up by the process"),
    must("since", Moment),
    must("until", Moment, "another may take it from then on"),
)
table(
    "provider_record",
    key("sid", String(40), "the provider's id of a text or a call"),
    must("due_at", Moment, "is asked to be deleted from then on"),
    must("tries", SmallInteger, default=0),
    must("error_code", String(12), "the provider's, of the last try", default=""),
    must("created_at", Moment),
    may("request_id", String(32), "the erasure that a person asked for; null: a time ran out"),
    index("ix_provider_record_due_at", "due_at"),
    index("ix_provider_record_request", "request_id", where="request_id IS NOT NULL"),
)
table(
    "shared_file",
    key("folder", String(12), "feed, assets"),
    key("name", String(80)),
    key("tag", String(32), "the beginning of its SHA-256, in hex"),
    must("body", Bytes),
    must("changed_at", Moment),
    must("wanted_at", Moment, "when a machine said so last"),
)
table(
    "trace_anchor",
    key("id", BigInteger),
    must("chain", String(10)),
    must("position", BigInteger),
    must("chained", Bytes),
    must("at", Moment),
    must("way", String(8), "file, webhook; empty: it left nowhere"),
    index("ix_trace_anchor_chain_at", "chain", "at"),
)
table(
    "trace_cut",
    key("chain", String(10)),
    key("position", BigInteger, "of the last link cut off", autoincrement=False),
    must("chained", Bytes, "of that link"),
    must("at", Moment),
    must("key_name", String(8)),
    must("proof", Bytes, "keyed, of all of this"),
)
table(
    "trace_link",
    key("chain", String(10), "the table whose lines are chained"),
    key("position", BigInteger, "from 1 on, without a gap", autoincrement=False),
    must("row_id", BigInteger, "of the line; 0: a mark, that no line waited then"),
    must("at", Moment, "of the line"),
    must("linked_at", Moment),
    must("digest", Bytes, "keyed, of what the line says"),
    must("chained", Bytes, "keyed, of this link and the one before"),
    must("key_name", String(8), "which secret made both"),
    index("uq_trace_link_row", "chain", "row_id", where="row_id > 0", unique=True),
)
