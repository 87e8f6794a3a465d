"""The end of a booking whose person has one: the same for every caller, and the truth by text.

Such an end has a reference and a row of its own, a stand-in, which is found, changed and cancelled
like a booking; it has no place. So neither words nor time tell a stranger who is booked. The person
is told at the number on file, once a day and number, whatever is asked for meanwhile: by text, or,
where the number takes none, by an agent who gets a case.
"""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from flows.understanding import COUNTRY_ZONE
from models import attempts
from models.booking import bookings, changes, history, look_up
from models.booking.changes import BookingDetails
from models.booking.history import Change
from models.booking.reach import Proof
from models.centres.centres import centre_states
from models.database import Connection
from models.messages.outbox import ClaimedMessage
from prompts.catalogue import load
from services.attempts import DAY, subject, tried
from services.messages import texts
from services.messages.notices import ReadyNotice, Render
from services.messages.phone_capabilities import takes_texts
from services.messages.topics import Topic
from services.messages.whose import of_booking
from services.messages.write_message import open_case, write_message
from services.store import Store

# The kind of the message, and of the case where no text reaches the person.
KIND = "booked_already"
_WHY = "asked for a second booking on a line without texts"
# A stand-in that is older was looked after long ago, or its person has been at the centre.
_LOOKED_AFTER_FOR = timedelta(days=2)
_AT_ONCE = 200
# Letters of a keyed hash: enough to tell numbers apart, and short enough for a key of the outbox.
_HASH_LETTERS = 32


def tell(
    connection: Connection,
    store: Store,
    number: str,
    booking_id: str | None,
    *,
    call_id: str | None = None,
) -> str:
    """Write to a number (E.164) what is booked already, in the transaction given.

    Once a day of the country's calendar and number. Gives the message's id, of none where it was
    written today: the worker that delivers is told in any case. The words are made when it leaves.
    """
    today = store.clock.now().astimezone(COUNTRY_ZONE).date()
    hashed = store.vault.index("phone", number) or b""
    written = write_message(
        connection,
        store,
        KIND,
        number,
        {},
        key=f"{KIND}:{hashed.hex()[:_HASH_LETTERS]}:{today.isoformat()}",
        topic=Topic.AGAIN,
        booking_id=booking_id,
        call_id=call_id,
        recipient_idx=hashed,
    )
    return written or store.chance.identifier()


def behind(connection: Connection, store: Store, file: BookingDetails) -> str | None:
    """The booking that a stand-in stands in front of; None where there is none any more."""
    if file.born is None:
        return None
    keys = (
        bookings.person_idx(store.vault, campaign, file.born, file.number, file.rank)
        for campaign in file.campaigns
    )
    persons = [key for key in keys if key is not None]
    return look_up.find_person(connection, *persons) if persons else None


def renders(national_number: str) -> dict[str, Render]:
    """The words of the text, by its kind: of what is booked when it leaves, in its language."""

    def render(connection: Connection, store: Store, claimed: ClaimedMessage) -> ReadyNotice | None:
        file = changes.load(connection, store.vault, claimed.booking_id or "")
        ahead = file.ahead(store.clock.now()) if file else []
        if file is None or file.number is None or not ahead:
            return None
        where = centre_states(connection, [ahead[0].centre_id])[ahead[0].centre_id]
        zone = ZoneInfo(where.time_zone)
        body = texts.already(
            texts.Writer(
                load(file.language),
                file.reference,
                national_number,
                whose=of_booking(connection, store, file),
            ),
            starts=[appointment.start_at.astimezone(zone) for appointment in ahead],
            where=texts.MessagePlace.of(where),
        )
        return ReadyNotice(file.number, body, None)

    return {KIND: render}


def look_after(store: Store) -> int:
    """Tell those who got no text at once; gives how many stand-ins were looked after.

    Beside the bookings, not in their transaction: there it would take time that no other end does.
    """
    with store.database.statement() as connection:
        waiting = changes.stand_ins(
            connection, store.clock, _LOOKED_AFTER_FOR, without=history.TOLD, limit=_AT_ONCE
        )
    for stand_in in waiting:
        with store.database.transaction() as connection:
            _look_after_one(connection, store, stand_in)
    return len(waiting)


def _look_after_one(connection: Connection, store: Store, stand_in: str) -> None:
    file = changes.load(connection, store.vault, stand_in, lock=True)
    if file is None:
        return
    told = Change("system", file.channel, history.TOLD)
    history.add(connection, store.clock, store.vault, file.id, told)
    booking_id = behind(connection, store, file)
    if booking_id is None or file.number is None:
        return
    there = changes.load(connection, store.vault, booking_id)
    if file.reach == Proof.NONE and (there is None or there.reach == Proof.NONE):
        # The number was only ever typed: it is perhaps a stranger's, who gets no second text.
        return
    if takes_texts(file.number):
        tell(connection, store, file.number, booking_id, call_id=file.call_id)
        return
    line = subject(store, KIND, "phone", file.number)
    (today,) = tried(connection, store, [line], within=DAY, failed=False)
    if not today:
        attempts.add(connection, store.clock, [line], good=True)
        open_case(connection, store, KIND, _WHY, booking_id=booking_id)
