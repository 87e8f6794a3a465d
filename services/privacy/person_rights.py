"""What a person may ask: to be told all that is kept about them, and to have it erased.

Source: GDPR, articles 12, 15, 17 and 20. A person is known by what they prove: a birth date with
the number that they gave, or with a reference. Nothing is told or erased by a number alone.

Erasing has two parts. All rows of ours go in one transaction, with the appointments that are ahead.
What is left are records at the provider, which are put down in that transaction as those of any
erasure are (`services.privacy.erase_at_provider`), and the bytes of old rows. That part can be
cut off anywhere and is done again by `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from models.booking import changes, history
from models.database import Connection, Scrubbed, unhurried
from models.operations import people, person_requests, person_rows, provider_records
from models.operations.people import Given, Trail
from models.operations.person_requests import PersonRequest
from models.waiting_list import waiting
from services.accounts.staff import Staff, record_act
from services.booking.change_booking import cancel
from services.booking.changed import By, Unchanged
from services.campaign.campaign import Campaign
from services.desk import watched
from services.desk.search import TooManyProfiles, count
from services.ports import ProviderRecords
from services.privacy.erase_at_provider import erase_at_provider
from services.privacy.erase_data import AFTER_CALL
from services.slots.allocate import Channel
from services.slots.give_back import give_back_holds
from services.store import Store
from services.waiting_list.entries import leave
from services.work import Work

__all__ = ["Given", "PersonRequest"]

# How a person asked: on the line, by letter or e-mail, at a counter; or an authority for them.
REASONS: Final = ("line", "post", "counter", "authority")
# A call whose caller answered so lately goes on.
SILENCE: Final = timedelta(minutes=3)
# After an erasure at the desk the scheduler looks after the bytes of the database for so long.
SCRUB_WITHIN: Final = timedelta(hours=3)
LOOKED, EXPORTED, ASKED_FOR, ERASED, NOT_ERASED = (
    "person_looked_for", "person_exported", "person_erase_asked", "person_erased",
    "person_not_erased",
)  # fmt: skip
# Tables whose old bytes go; all that a person has rows in, and the requests themselves.
TABLES: Final = (
    *sorted({kind.table.name for kind in person_rows.KINDS} - {"history", "staff_act"}),
    "budget",
    "place",
    "person_request",
)
# The reason of a look, in the history of acts.
_RIGHTS: Final = "rights of a person"

CampaignOf = Callable[[str], Campaign | None]
log = structlog.get_logger()


class NobodyFound(Exception):
    """Nothing is kept under this birth date with this number or reference."""


class SeveralPeople(Exception):
    """Two people of one birth date share the number: a reference says which is meant."""


class OnTheLine(Exception):
    """The person is in a call at this moment, which would begin anew: after it."""


class DecidedBefore(Exception):
    """The request was decided meanwhile, or its time ran out."""


@dataclass(frozen=True)
class Person:
    """Who was found. `number` is E.164, empty where none is known."""

    given: Given
    trail: Trail

    @property
    def number(self) -> str:
        return self.given.number


@dataclass(frozen=True)
class Plan:
    """What erasing would do. `ahead` are appointments (UTC) that would be cancelled and freed.

    `counts` are rows by table. `shared`: another person is known on the number, so that what has
    the number alone stays.
    """

    counts: Mapping[str, int]
    ahead: Sequence[datetime]
    shared: bool
    on_the_line: bool


@dataclass(frozen=True)
class Told:
    """All that is kept, by table, and the request under which it was told."""

    request_id: str
    given: Given
    at: datetime
    kept: Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Finished:
    """What is left of an erasure; nothing where `done`.

    `at_provider` are records there that were not deleted: it refused, or no answer came.
    """

    done: bool
    at_provider: int = 0
    scrubbed: Scrubbed = field(default_factory=Scrubbed)


@dataclass(frozen=True)
class Actor:
    """Who acts: a staff id, or the word for the command line; `name` is for the register."""

    staff_id: str
    name: str = ""

    @property
    def written(self) -> str:
        return f"{self.staff_id} {self.name}".strip()[:60]

    @property
    def details(self) -> dict[str, Any]:
        return {"by": self.name} if self.name else {}


# ---------------------------------------------------------------- who is meant


def identify(connection: Connection, store: Store, given: Given) -> Person:
    """The person who proved these. Raises NobodyFound, SeveralPeople."""
    vault = store.vault
    if not given.number and not given.reference:
        raise NobodyFound
    booked = people.bookings_of(connection, vault, given)
    if given.reference:
        named = [row for row in booked if row.reference == given.reference]
        if not named or given.number not in {"", named[0].number}:
            raise NobodyFound
        given = Given(given.born, named[0].number, given.reference)
        # All of theirs, and not what is booked under this reference alone.
        booked = people.bookings_of(connection, vault, given)
        rank = named[0].rank
        booked = [row for row in booked if row.rank == rank or row.reference == given.reference]
        waits = [row for row in people.waiting_of(connection, vault, given) if row.rank == rank]
    else:
        waits = people.waiting_of(connection, vault, given)
        if len({row.rank for row in (*booked, *waits)}) > 1:
            raise SeveralPeople
    trail = people.find(connection, store.clock, vault, given, booked, waits, AFTER_CALL)
    if not trail.proved:
        raise NobodyFound
    return Person(given, trail)


# ---------------------------------------------------------------- told


def export(store: Store, given: Given, *, by: Actor, reason: str) -> Told:
    """All that is kept about a person, in one moment, written down as a request that was done.

    Raises NobodyFound, SeveralPeople.
    """
    request_id = store.chance.identifier()
    with store.database.transaction() as connection:
        unhurried(connection)
        person = identify(connection, store, given)
        kept = person_rows.read(connection, store.vault, person.trail)
        counts = {name: len(rows) for name, rows in kept.items()}
        _ask(connection, store, request_id, person_requests.EXPORT, None, by=by, reason=reason)
        _decide(connection, store, request_id, person_requests.DONE, by, counts=counts)
        _act(connection, store, by, EXPORTED, request_id, reason=reason, rows=sum(counts.values()))
    return Told(request_id, person.given, store.clock.now(), kept)


# ---------------------------------------------------------------- erased


def plan(store: Store, given: Given) -> Plan:
    """What erasing would do; nothing is changed. Raises NobodyFound, SeveralPeople."""
    with store.database.transaction() as connection:
        unhurried(connection)
        person = identify(connection, store, given)
        return _plan(connection, store, person)


def _plan(connection: Connection, store: Store, person: Person) -> Plan:
    trail, now = person.trail, store.clock.now()
    ahead = [
        booked.start_at
        for booking_id in trail.bookings
        for booked in changes.load_as_any(connection, store.vault, booking_id).ahead(now)
    ]
    busy = people.is_on_the_line(connection, store.clock, trail, SILENCE)
    counts = person_rows.count(connection, trail)
    return Plan(counts, sorted(ahead), trail.shared, busy)


def look(store: Store, staff: Staff, given: Given, *, by: Actor, reason: str) -> Plan:
    """How much is kept of a person, for a member of staff: it is written down, found or not.

    It counts with the files of an hour, or guessing would cost nothing. Raises NobodyFound,
    SeveralPeople, services.desk.search.TooManyProfiles.
    """
    count_look(store, staff)
    return look_as_operator(store, given, by=by, reason=reason)


def look_as_operator(store: Store, given: Given, *, by: Actor, reason: str) -> Plan:
    """The same at the command line, where no try is counted. Raises NobodyFound, SeveralPeople."""
    with store.database.transaction() as connection:
        _act(connection, store, by, LOOKED, "", reason=reason)
    return plan(store, given)


def count_look(store: Store, staff: Staff) -> None:
    """Count one file of an hour before it is read. Raises services.desk.search.TooManyProfiles."""
    refused = None
    with store.database.transaction() as connection:
        try:
            count(connection, store, staff, 1, why=_RIGHTS)
        except TooManyProfiles as many:
            # What was written of one file too many stays.
            refused = many
    if refused is not None:
        raise refused


def asked(store: Store) -> list[PersonRequest]:
    """Requests that wait for a supervisor, oldest first."""
    return [entry for entry in open_requests(store) if entry.state == person_requests.ASKED]


def ask(store: Store, given: Given, *, by: Actor, reason: str) -> str:
    """Ask a supervisor to have a person erased; gives the request's id.

    Raises NobodyFound, SeveralPeople.
    """
    request_id = store.chance.identifier()
    with store.database.transaction() as connection:
        unhurried(connection)
        person = identify(connection, store, given)
        kind = person_requests.ERASE
        _ask(connection, store, request_id, kind, person.given, by=by, reason=reason)
        _act(connection, store, by, ASKED_FOR, request_id, reason=reason)
    return request_id


def refuse(store: Store, request_id: str, *, by: Actor) -> None:
    """Nothing is erased, and who asked is forgotten. Raises DecidedBefore."""
    with store.database.transaction() as connection:
        _decide(connection, store, request_id, person_requests.REFUSED, by)
        _act(connection, store, by, NOT_ERASED, request_id)


def erase(store: Store, campaign_of: CampaignOf, given: Given, *, by: Actor, reason: str) -> str:
    """Erase a person from every table, in one transaction; gives the id of a new request.

    Appointments that are ahead are cancelled, and their places go to others once a cancellation
    cannot be taken back. What is left is `finish`'s. Raises NobodyFound, SeveralPeople, OnTheLine.
    """
    request_id = store.chance.identifier()
    with store.database.transaction() as connection:
        unhurried(connection)
        kind = person_requests.ERASE
        _ask(connection, store, request_id, kind, None, by=by, reason=reason)
        _erase(connection, store, campaign_of, request_id, given, by, reason)
    return request_id


def erase_asked(store: Store, campaign_of: CampaignOf, request_id: str, *, by: Actor) -> None:
    """Erase the person of a request that was asked for, like `erase`.

    Raises NobodyFound, SeveralPeople, OnTheLine, DecidedBefore.
    """
    with store.database.transaction() as connection:
        unhurried(connection)
        found = person_requests.load(connection, store.vault, request_id, lock=True)
        if found is None or found.given is None or found.state != person_requests.ASKED:
            raise DecidedBefore
        _erase(connection, store, campaign_of, request_id, found.given, by, found.reason)


def _erase(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    campaign_of: CampaignOf,
    request_id: str,
    given: Given,
    by: Actor,
    reason: str,
) -> None:
    person = identify(connection, store, given)
    trail = person.trail
    if people.is_on_the_line(connection, store.clock, trail, SILENCE):
        raise OnTheLine
    counts = person_rows.count(connection, trail)
    _let_go(connection, store, campaign_of, trail, by)
    sids = person_rows.provider_ids(connection, trail)
    # Cancelling has written a message to the person, who is not told any more.
    trail = people.with_new_messages(connection, store.vault, person.given, trail)
    _unwatch(connection, store, person, by)
    person_rows.erase(connection, store.clock, trail)
    person_rows.forget_at_partners(connection, trail)
    state = person_requests.ERASED
    provider_records.take_person(connection, store.clock, request_id, sids)
    _decide(connection, store, request_id, state, by, counts=counts)
    rows = sum(counts.values())
    _act(connection, store, by, ERASED, request_id, reason=reason, rows=rows)
    log.info("person erased", request=request_id, rows=rows)


def _unwatch(connection: Connection, store: Store, person: Person, by: Actor) -> None:
    """A watch is of a name and a birth date: it is about the person as much as their booking."""
    trail, born = person.trail, person.given.born
    names = person_rows.names_of(connection, store.vault, trail)
    others = person_rows.other_names(connection, store.vault, born, trail)
    watched.forget(connection, store, names, born, others=others, by=by.staff_id)


def _let_go(
    connection: Connection, store: Store, campaign_of: CampaignOf, trail: Trail, by: Actor
) -> None:
    """End what goes on for the person: appointments ahead, places in lines, what is held."""
    now = store.clock.now()
    change = By(who=by.staff_id, channel=Channel.SUPERVISOR, why=history.ERASURE)
    for booking_id in trail.bookings:
        file = changes.load_as_any(connection, store.vault, booking_id)
        doses = [booked.dose for booked in file.ahead(now)]
        if doses:
            done = cancel(connection, store, booking_id, doses, by=change)
            if isinstance(done, Unchanged):
                raise DecidedBefore
    for entry_id in trail.waiting:
        entry = waiting.load(connection, store.vault, entry_id)
        campaign = campaign_of(entry.campaign) if entry else None
        if campaign is not None:
            leave(Work(connection, store, campaign), entry_id)
        else:
            waiting.settle(connection, store.clock, entry_id, "gone")
    person_rows.end_entries(connection, store.clock, trail)
    for holder in person_rows.holders_of(connection, trail):
        give_back_holds(connection, holder)


def finish(
    store: Store, request_id: str, provider: ProviderRecords, *, rewrite: bool = False
) -> Finished:
    """Do what an erasure left: at the provider, and in the bytes of the database.

    May be cut off anywhere and is repeated as often as one likes. `rewrite`: see Database.scrub.
    Raises DecidedBefore where there is no such erasure.
    """
    with store.database.statement() as connection:
        found = person_requests.load(connection, store.vault, request_id)
    if found is None or found.state not in {person_requests.ERASED, person_requests.DONE}:
        raise DecidedBefore
    if _left_at_provider(store, request_id):
        erase_at_provider(store, provider, request_id=request_id)
    left = _left_at_provider(store, request_id)
    scrubbed = store.database.scrub(TABLES, rewrite=rewrite)
    done = not (left or scrubbed.not_owned or scrubbed.still_seen)
    if done:
        with store.database.transaction() as connection:
            person_requests.finish(connection, store.clock, request_id)
    return Finished(done=done, at_provider=left, scrubbed=scrubbed)


def _left_at_provider(store: Store, request_id: str) -> int:
    """How many records the provider has still to delete for an erasure."""
    with store.database.transaction() as connection:
        sids = person_requests.take_left(connection, store.vault, request_id)
        provider_records.take_person(connection, store.clock, request_id, sids)
        return provider_records.left_of(connection, request_id)


def finish_all(store: Store) -> int:
    """Do what erasures left, for all of them; gives how many are done now. Safe to repeat.

    It asks the provider for nothing: what is to be deleted there is
    `services.privacy.erase_at_provider`'s, for every request. The bytes of the database are
    looked after in the hours after an erasure, and not for ever where only the provider's records
    are left.
    """
    waiting = [entry for entry in open_requests(store) if entry.state == person_requests.ERASED]
    since = store.clock.now() - SCRUB_WITHIN
    done = 0
    for entry in waiting:
        left = _left_at_provider(store, entry.id)
        young = entry.decided_at is not None and entry.decided_at > since
        scrubbed = store.database.scrub(TABLES) if young else None
        if left or (scrubbed and (scrubbed.not_owned or scrubbed.still_seen)):
            continue
        done += 1
        with store.database.transaction() as connection:
            person_requests.finish(connection, store.clock, entry.id)
    return done


def open_requests(store: Store) -> list[PersonRequest]:
    """Requests that wait for a supervisor, or for `finish`."""
    with store.database.statement() as connection:
        return person_requests.open_ones(connection, store.vault)


# ---------------------------------------------------------------- written down


def _ask(
    connection: Connection,
    store: Store,
    request_id: str,
    kind: str,
    given: Given | None,
    *,
    by: Actor,
    reason: str,
) -> None:
    if reason not in REASONS:
        raise ValueError(reason)
    person_requests.add(
        connection,
        store.clock,
        store.vault,
        request_id,
        kind,
        given,
        reason=reason,
        by=by.written,
    )


def _decide(
    connection: Connection, store: Store, request_id: str, state: str, by: Actor, **what: Any
) -> None:
    decided = person_requests.decide(
        connection, store.clock, request_id, state, by=by.written, **what
    )
    if not decided:
        raise DecidedBefore


def _act(
    connection: Connection, store: Store, by: Actor, what: str, request_id: str, **details: Any
) -> None:
    """In the history of acts; the subject is the request, which leads to none once it is done."""
    record_act(connection, store, by.staff_id, what, request_id, details=details | by.details)
