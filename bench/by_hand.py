"""A held and confirmed booking as raw SQL: the floor under `Allocate` and `confirm_booking`.

The statements are those of the service, written by hand for the driver, in the same two
transactions; what the service seals and hashes comes ready made. A test compares the two. The
service stores booking, appointment and line in one statement; here they are three.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from sqlalchemy import make_url

from bench.floors import libpq

SEALED = b"s" * 60
FREE = """{t}.booking_id IS NULL AND {t}.blocked = false
    AND ({t}.held_by IS NULL OR {t}.hold_expires_at <= clock_timestamp())
    AND ({t}.released_at IS NULL OR {t}.released_at <= clock_timestamp())"""
HOLD = f"""WITH taken AS (UPDATE place
    SET held_by = %(holder)s,
        hold_expires_at = clock_timestamp() + make_interval(secs => 240),
        hold_limit_at = clock_timestamp() + make_interval(secs => 1200)
    WHERE ctid = (SELECT pick.ctid FROM place AS pick WHERE pick.centre_id = %(centre)s
        AND {FREE.format(t="pick")}
        AND pick.start_at >= %(earliest)s AND pick.start_at < %(latest)s
        ORDER BY pick.start_at, pick.lot, pick.id LIMIT 1 FOR UPDATE SKIP LOCKED)
    AND {FREE.format(t="place")}
    AND NOT EXISTS (SELECT * FROM call WHERE call.id = %(holder)s AND call.ended_at IS NOT NULL)
    RETURNING id, slot_id, centre_id, start_at
    ), noted AS (INSERT INTO held_place (holder, place_id) SELECT %(holder)s, id FROM taken)
    SELECT * FROM taken"""  # noqa: S608
COUNT = """SELECT count(*) FROM booking
    WHERE phone_idx = %(phone)s AND campaign = 'bench' AND state = 'confirmed'"""
BOOK = """UPDATE place SET held_by = NULL, hold_expires_at = NULL, hold_limit_at = NULL,
    booking_id = CASE WHEN id IN (%(place)s) THEN %(booking)s END
    WHERE held_by = %(holder)s
    AND id IN (SELECT place_id FROM held_place WHERE holder = %(holder)s) AND booking_id IS NULL
    AND (id NOT IN (%(place)s) OR hold_expires_at > clock_timestamp())
    RETURNING id, booking_id"""
BOOKING = """INSERT INTO booking (id, idempotency_key, reference_enc, reference_idx, channel,
    campaign, centre_id, state, call_id, dob_enc, dob_idx, phone_enc, phone_idx, postcode, rank,
    name_enc, last_start_at, created_at) VALUES (%(booking)s, %(key)s, %(sealed)s, %(reference)s,
    'phone', 'bench', %(centre)s, 'confirmed', %(holder)s, %(sealed)s, %(phone)s, %(sealed)s,
    %(phone)s, '75011', 1, NULL, %(start)s, clock_timestamp()) ON CONFLICT DO NOTHING"""
APPOINTMENT = """INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state,
    person_idx) VALUES (%(booking)s, 1, %(place)s, %(centre)s, %(start)s, 'confirmed', %(phone)s)
    ON CONFLICT (person_idx, dose) WHERE state = 'confirmed' AND person_idx IS NOT NULL
    DO NOTHING"""
HISTORY = """INSERT INTO history (booking_id, at, who, channel, what, why, details)
    VALUES (%(booking)s, clock_timestamp(), 'caller', 'phone', 'booked', '',
    '{"places":[1],"starts":[]}')"""
MESSAGE = """INSERT INTO message (id, kind, dedupe_key, booking_id, call_id, recipient_enc,
    recipient_idx, payload_enc, state, due_at, created_at, updated_at) VALUES (%(booking)s, 'sms',
    %(message_key)s, %(booking)s, %(holder)s, %(sealed)s, %(phone)s, %(sealed)s, 'pending',
    clock_timestamp(), clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING"""


class ByHand:
    """Allocates places at a centre, one after the other, on one connection."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(libpq(make_url(url)))

    def close(self) -> None:
        self._connection.close()

    def allocate(self, centre_id: str, holder: str) -> bool:
        """Hold the earliest place, then book it; False when none is free."""
        execute = self._connection.execute
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "holder": holder,
            "centre": centre_id,
            "earliest": now,
            "latest": now + timedelta(days=400),
        }
        held = execute(HOLD, values).fetchone()
        self._connection.commit()
        if held is None:
            return False
        unique = holder[2:].ljust(32, "0").encode()[:32]
        values |= {
            "booking": unique.decode(),
            "place": held[0],
            "start": held[3],
            "phone": unique[:16][::-1] + unique[16:],
            "reference": unique,
            "key": f"{holder}:1",
            "message_key": f"confirmation:{holder}:1",
            "sealed": SEALED,
        }
        execute(COUNT, values).fetchone()
        is_booked = bool(execute(BOOK, values).fetchall())
        if is_booked:
            for insert in (BOOKING, APPOINTMENT, HISTORY, MESSAGE):
                execute(insert, values)
        self._connection.commit()
        return is_booked
