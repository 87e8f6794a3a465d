"""Clusters: live bookings that resemble one another more than people do; for supervisors.

A swindler who empties a centre books under one name, one birth date, numbers in a row, or from one
address. A process behind counts such groups twice a minute; the board shows counts alone. A
supervisor looks at one, masked, which is written down like a look at each file, and frees all of it
with a reason, or those alone that nothing ever reached. Nothing is freed by itself. For half an
hour that is taken back as a whole: the places are kept meanwhile, for an honest person who was
among them would else pay for the mistake. They are written to when it can not be taken back any
more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import repeat
from statistics import median_low
from typing import Final

from models.accounts.staff import Staff
from models.booking import changes, clusters, history
from models.booking.clusters import Cluster, FreedCluster
from models.centres.centres import centre_states
from models.database import Connection
from services.accounts import four_eyes
from services.accounts.staff import read_file, record_act
from services.booking.change_booking import cancel, undo_cancel
from services.booking.changed import By, Cancelled, Restored
from services.campaign.campaign import Campaign
from services.slots.allocate import Channel, Holder
from services.store import Store
from services.supervision.supervise import ActRefused

# So long a booking is looked at, and by what it could resemble others is kept.
WITHIN: Final = timedelta(hours=48)
# So long what was freed can be taken back.
UNDO_FREED: Final = timedelta(minutes=30)
# With so many values of a kind it is known how many bookings are usual for one; a group is shown
# from so many times that. Hundreds of honest people share a birth date in a large campaign.
_KNOWN_FROM: Final = 50
_TIMES_USUAL: Final = 3
_MOST_OF_A_KIND: Final = 50
SHOWN: Final = 100
# Of one group so many are read; no group is that large.
_MOST_READ: Final = 10_000
LOOKED, FREED, RESTORED = "cluster", "cluster_freed", "cluster_restored"
LEAST_WHY: Final = 5
_MASK: Final = "••"

CampaignOf = Callable[[str], Campaign | None]


# ---------------------------------------------------------------- finding them


def find_clusters(store: Store, size: int) -> int:
    """Count groups anew; gives how many are shown. `size` is the least; 0: none is sought."""
    found = 0
    for kind in clusters.KINDS:
        with store.database.statement() as connection:
            sizes = clusters.sizes(connection, store.clock, kind, WITHIN) if size else {}
            groups = []
            if size and max(sizes, default=0) >= size:
                least = _least(sizes, size)
                groups = clusters.find(
                    connection, store.clock, kind, WITHIN, least=least, limit=_MOST_OF_A_KIND
                )
        with store.database.transaction() as connection:
            clusters.write(connection, store.clock, kind, groups, _new_ids(store))
        found += len(groups)
    return found


def _least(sizes: dict[int, int], size: int) -> int:
    """From how many bookings a value stands out, by how many have so many."""
    if sum(sizes.values()) < _KNOWN_FROM:
        return size
    usual = median_low(
        people for people, values in sorted(sizes.items()) for people in repeat(people, values)
    )
    return max(size, _TIMES_USUAL * usual)


def _new_ids(store: Store) -> Iterator[str]:
    while True:
        yield store.chance.identifier()


# ---------------------------------------------------------------- looking


@dataclass(frozen=True)
class Shown:
    """What the page shows: clusters, and what was freed lately; counts alone."""

    clusters: tuple[Cluster, ...]
    freed: tuple[FreedCluster, ...]


@dataclass(frozen=True)
class MaskedBooking:
    """A line of a cluster: enough to see a pattern, no person. Moments by the centre's clock."""

    made_at: datetime
    starts_at: datetime
    time_zone: str
    channel: str
    place: str
    town: str
    year: str
    initials: str
    number: str


@dataclass(frozen=True)
class OpenedCluster:
    """A cluster that a supervisor looks at; `people` are in it now, `lines` the first of them.

    `unreached` of them got no text: the provider finally said so.
    """

    cluster: Cluster
    people: int
    unreached: int
    lines: tuple[MaskedBooking, ...]
    needs_two: bool


def shown(connection: Connection, store: Store) -> Shown:
    """What was found last."""
    freed = clusters.freed_lately(connection, store.clock, UNDO_FREED)
    return Shown(tuple(clusters.shown(connection, limit=SHOWN)), tuple(freed))


def count(connection: Connection) -> int:
    """How many groups there are to look at."""
    return clusters.count(connection)


def look(connection: Connection, store: Store, staff: Staff, cluster_id: str) -> OpenedCluster:
    """The lines of a cluster, masked, in the caller's transaction. Raises ActRefused.

    That each was looked at is written down before.
    """
    found = _members(connection, store, cluster_id)
    if found is None or not found[1]:
        raise ActRefused("cluster_gone")
    cluster, booking_ids = found
    lines = []
    for booking_id in booking_ids[: four_eyes.MANY]:
        read_file(connection, store, staff, booking_id, why=f"{LOOKED} {cluster.kind}")
        line = _masked(connection, store, booking_id)
        if line is not None:
            lines.append(line)
    people = len(booking_ids)
    unreached = _members(connection, store, cluster_id, unreached=True)
    return OpenedCluster(
        cluster,
        people,
        len(unreached[1]) if unreached else 0,
        tuple(lines),
        people > four_eyes.MANY,
    )


def _members(
    connection: Connection,
    store: Store,
    cluster_id: str,
    *,
    lock: bool = False,
    unreached: bool = False,
) -> tuple[Cluster, list[str]] | None:
    return clusters.members(
        connection,
        store.clock,
        cluster_id,
        WITHIN,
        limit=_MOST_READ,
        lock=lock,
        unreached=unreached,
    )


def _masked(connection: Connection, store: Store, booking_id: str) -> MaskedBooking | None:
    file = changes.load(connection, store.vault, booking_id)
    if file is None or not file.live:
        return None
    first = file.live[0]
    where = centre_states(connection, [first.centre_id])[first.centre_id]
    number = file.number or ""
    return MaskedBooking(
        made_at=file.created_at,
        starts_at=first.start_at,
        time_zone=where.time_zone,
        channel=file.channel,
        place=where.name,
        town=where.town,
        year=str(file.born.year) if file.born else "",
        initials=" ".join(f"{part[0]}." for part in (file.name or "").split()),
        number=f"{number[:4]} {_MASK} {_MASK} {number[-2:]}" if number else "",
    )


# ---------------------------------------------------------------- freeing, and taking it back


def _is_agreed(store: Store, staff: Staff, cluster_id: str, *, unreached: bool) -> bool:
    """Whether one supervisor frees so many people's places, or a second one has agreed."""
    with store.database.statement() as connection:
        found = _members(connection, store, cluster_id, unreached=unreached)
    people = len(found[1]) if found else 0
    wish = four_eyes.Wish(four_eyes.CLUSTER, cluster_id, people, staff.id)
    return four_eyes.is_agreed(store, wish)


def free(
    store: Store, staff: Staff, cluster_id: str, why: str, *, unreached: bool = False
) -> FreedCluster:
    """Cancel every booking of a cluster, all or nothing; gives what was freed. Raises ActRefused.

    `unreached`: those alone whose text the provider finally could not deliver.

    Their places are kept for `UNDO_FREED`, then they go to who waits, as after any cancellation.
    What was changed by its person meanwhile is left alone.
    """
    why = why.strip()
    if len(why) < LEAST_WHY:
        raise ActRefused("reason")
    if not _is_agreed(store, staff, cluster_id, unreached=unreached):
        raise ActRefused("two_people")
    with store.database.transaction() as connection:
        found = _members(connection, store, cluster_id, lock=True, unreached=unreached)
        if found is None or not found[1]:
            raise ActRefused("cluster_gone")
        cluster, booking_ids = found
        freed_id = store.chance.identifier()
        freed = [
            booking_id
            # In one order, or two who free at once would wait for each other.
            for booking_id in sorted(booking_ids)
            if isinstance(
                cancel(
                    connection,
                    store,
                    booking_id,
                    by=By(staff.id, Channel.SUPERVISOR, history.FREED, key=freed_id),
                    undo_within=UNDO_FREED,
                    tell_after=UNDO_FREED,
                ),
                Cancelled,
            )
        ]
        clusters.add_freed(connection, store.clock, freed_id, cluster, staff.id, freed)
        details = {"kind": cluster.kind, "people": len(freed)}
        record_act(connection, store, staff.id, FREED, freed_id, why, details)
        now = store.clock.now()
    return FreedCluster(freed_id, cluster.kind, len(freed), staff.id, now, None, tuple(freed))


def take_back(store: Store, staff: Staff, campaign_of: CampaignOf, freed_id: str) -> int:
    """Book again what was freed, at the very same hours; gives how many. Raises ActRefused.

    Who was booked otherwise since, or cancelled themselves, stays as they are.
    """
    with store.database.transaction() as connection:
        freed = clusters.take_back(connection, store.clock, freed_id, UNDO_FREED)
        if freed is None:
            raise ActRefused("not_undoable")
        names = changes.campaigns_of(connection, freed.booking_ids)
        holder = Holder(Channel.SUPERVISOR, f"freed:{freed_id}")
        restored = 0
        for booking_id in freed.booking_ids:
            campaign = campaign_of(names.get(booking_id, ""))
            if campaign is None:
                continue
            done = undo_cancel(
                connection,
                store,
                campaign,
                holder,
                booking_id,
                by=By(staff.id, Channel.SUPERVISOR, history.FREED),
                undo_within=UNDO_FREED,
                # No person was told that it was cancelled.
                tell=False,
            )
            restored += isinstance(done, Restored)
        details = {"kind": freed.kind, "people": restored}
        record_act(connection, store, staff.id, RESTORED, freed_id, details=details)
    return restored
