"""What texts and calls out may cost in a day: the one gate in front of the provider.

A text counts for its number, for the client that caused it, for the prefix of its number and for
all together, in parts and in euros; so does a call, by its prefix and for all. First confirmations
count like everything else. What goes beyond a budget is refused here and nowhere else: its caller
decides what happens instead (`services.messages.deliver_message` holds a text back,
`services.agents.call_back` lets a promise wait), and the board's alert is raised in the same
transaction. A day is one of the calendar of Paris.
"""

from __future__ import annotations

import math

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from models.advisory_locks import one_after_another
from models.database import Connection
from models.messages import budgets, incoming
from models.messages.budgets import ALL, Limit, Subjects
from models.slots import slots
from models.supervision import alerts
from services.store import Store

ZONE: Final = ZoneInfo("Europe/Paris")
NUMBER, CLIENT, PREFIX, DAY = "number", "client", "prefix", "day"
CALL_PREFIX, CALL_DAY = "call_prefix", "call_day"
# What answered texts that came in, and was counted for the day.
REPLIES = "replies"
# No budget, but beside them: texts leave too late at the provider's pace to be promised.
LATE = "late"
# The alert of each budget; a threshold on the board has none of these names.
ALERTS: Final = {
    DAY: "texts_spent",
    PREFIX: "texts_held_prefix",
    CLIENT: "texts_held_client",
    NUMBER: "texts_held_number",
    CALL_DAY: "calls_spent",
    CALL_PREFIX: "calls_held_prefix",
    LATE: "texts_late",
}
# Of each place that the campaign still offers so many parts: a booking has a confirmation and two
# reminders, of two parts each.
_PARTS_A_PLACE: Final = 6
LEAST_PARTS_A_DAY: Final = 3_000
LEAST_CALLS_A_DAY: Final = 1_000
# Parts of the day's budget that a prefix and a client may have, and the least for each: a campaign
# writes to all networks of the country, and a network's range has a hundred thousand numbers.
_OF_PREFIX: Final = 0.02
_OF_CLIENT: Final = 0.005
LEAST_OF_PREFIX: Final = 500
LEAST_OF_CLIENT: Final = 200
# Minutes that a call lasts on the average, where no limit of minutes is set.
_MINUTES_A_CALL: Final = 3
# How many places the campaign has left is counted anew after this long.
_COUNTED_FOR: Final = timedelta(minutes=10)
# Of a French number all but its last five digits: a range of 100,000 numbers of one operator. Small
# territories have numbers of six digits.
_LONG_DIGITS: Final = 9
_FRANCE = "+33"
_MILLI: Final = 1000
# Counts are looked at for the day; afterwards they tell what a season cost.
KEPT: Final = timedelta(days=92)
_NO_LIMIT = 2**31 - 1
_SECONDS: Final = 60

log = structlog.get_logger()


@dataclass(frozen=True)
class BudgetSettings:
    """The settings of docs/operations.md; 0 of a limit: by the size of the campaign.

    Parts, calls and minutes of a day; prices in euros.
    """

    parts_a_day: int = 0
    euros_a_day: float = 0.0
    parts_a_number: int = 20
    parts_a_client: int = 0
    parts_a_prefix: int = 0
    calls_a_day: int = 0
    call_minutes_a_day: int = 0
    euros_a_part: float = 0.08
    euros_a_part_overseas: float = 0.25
    euros_a_minute: float = 0.06


@dataclass(frozen=True)
class Charge:
    """What was counted, so that it can be given back where the provider did not take it."""

    day: date
    limits: tuple[Limit, ...]
    units: int
    millieuros: int


@dataclass(frozen=True)
class Over:
    """The budget that would be passed: `kind` is one of ALERTS."""

    kind: str


@dataclass(frozen=True)
class _Limits:
    parts: int
    millieuros: int
    number: int
    client: int
    prefix: int
    calls: int
    call_millieuros: int
    call_prefix: int


@dataclass
class Budgets:
    """The gate, in one process. May be used by several threads."""

    settings: BudgetSettings = field(default_factory=BudgetSettings)
    _places: tuple[datetime, int] | None = None

    # ------------------------------------------------------------ texts

    def charge_text(
        self,
        connection: Connection,
        store: Store,
        number: str,
        parts: int,
        client: bytes | None = None,
        *,
        whatever: bool = False,
    ) -> Charge | Over:
        """Count a text to `number` (E.164) in the transaction given, or say what it would pass.

        `client` is the keyed hash of who caused it: a visitor's address, a calling line.
        `whatever`: a supervisor wants it to leave, and it is counted all the same.
        """
        limits = self._limits(connection, store)
        cost = self._cost_of_part(number) * parts
        by_parts = [
            (NUMBER, store.vault.index("phone", number) or ALL, limits.number),
            *([(CLIENT, client, limits.client)] if client else []),
            (PREFIX, prefix_of(number).encode(), limits.prefix),
        ]
        asked = [Limit(kind, subject, most, _NO_LIMIT) for kind, subject, most in by_parts]
        asked.append(Limit(DAY, ALL, limits.parts, limits.millieuros))
        return _charge(connection, store, asked, parts, cost, whatever=whatever)

    def give_back(self, connection: Connection, charge: Charge) -> None:
        """The provider did not take it."""
        budgets.give_back(connection, charge.day, charge.limits, charge.units, charge.millieuros)

    def count_replies(self, store: Store) -> int:
        """Count what answered texts that came in, which leave with the webhook; gives the parts.

        A webhook has no statement to spare for it, so that it is counted some seconds later.
        """
        with store.database.transaction() as connection:
            one_after_another(connection, [REPLIES.encode()])
            day, limits = day_of(store), self._limits(connection, store)
            begins = datetime.combine(day, datetime.min.time(), tzinfo=ZONE)
            counted = budgets.units_of(connection, day, REPLIES)
            new = incoming.parts_answered(connection, begins) - counted
            if new <= 0:
                return 0
            of_day = Limit(DAY, ALL, limits.parts, limits.millieuros)
            asked = [Limit(REPLIES, ALL, _NO_LIMIT, _NO_LIMIT), of_day]
            cost = self._cost_of_part(_FRANCE) * new
            _charge(connection, store, asked, new, cost, whatever=True)
            if budgets.close_if_full(connection, store.clock, day, of_day):
                _raise_alert(connection, store, of_day)
        return new

    # ------------------------------------------------------------ calls

    def charge_call(
        self, connection: Connection, store: Store, number: str, *, whatever: bool = False
    ) -> Charge | Over:
        """Count a call to `number` (E.164), as one minute, or say what it would pass.

        `whatever`: it is made, and counted all the same.
        """
        limits = self._of_call(connection, store, number)
        return _charge(connection, store, limits, 1, self._minute, whatever=whatever)

    def add_seconds(self, connection: Connection, store: Store, number: str, seconds: int) -> None:
        """Count what a call lasted beyond its first minute, which was counted when it began."""
        more = math.ceil(seconds / _SECONDS) - 1
        if more > 0:
            limits = self._of_call(connection, store, number)
            budgets.add_cost(connection, day_of(store), limits, more * self._minute)

    def _of_call(self, connection: Connection, store: Store, number: str) -> list[Limit]:
        limits = self._limits(connection, store)
        prefix = prefix_of(number).encode()
        return [
            Limit(CALL_PREFIX, prefix, limits.call_prefix, _NO_LIMIT),
            Limit(CALL_DAY, ALL, limits.calls, limits.call_millieuros),
        ]

    # ------------------------------------------------------------ how much

    @property
    def _minute(self) -> int:
        return round(self.settings.euros_a_minute * _MILLI)

    def _cost_of_part(self, number: str) -> int:
        given = self.settings
        euros = given.euros_a_part if number.startswith(_FRANCE) else given.euros_a_part_overseas
        return round(euros * _MILLI)

    def _limits(self, connection: Connection, store: Store) -> _Limits:
        given = self.settings
        by_size = given.parts_a_day and given.calls_a_day
        places = 0 if by_size else self._places_left(connection, store)
        parts = given.parts_a_day or max(LEAST_PARTS_A_DAY, _PARTS_A_PLACE * places)
        calls = given.calls_a_day or max(LEAST_CALLS_A_DAY, places)
        minutes = given.call_minutes_a_day or calls * _MINUTES_A_CALL
        euros = given.euros_a_day or parts * given.euros_a_part
        return _Limits(
            parts=parts,
            millieuros=round(euros * _MILLI),
            number=given.parts_a_number,
            client=given.parts_a_client or max(LEAST_OF_CLIENT, round(parts * _OF_CLIENT)),
            prefix=given.parts_a_prefix or max(LEAST_OF_PREFIX, round(parts * _OF_PREFIX)),
            calls=calls,
            call_millieuros=minutes * self._minute,
            call_prefix=max(LEAST_OF_PREFIX, round(calls * _OF_PREFIX)),
        )

    def _places_left(self, connection: Connection, store: Store) -> int:
        now, known = store.clock.now(), self._places
        if known is None or not timedelta() <= now - known[0] < _COUNTED_FOR:
            known = self._places = now, slots.places_ahead(connection, store.clock)
        return known[1]


def _charge(
    connection: Connection,
    store: Store,
    limits: Sequence[Limit],
    units: int,
    millieuros: int,
    *,
    whatever: bool = False,
) -> Charge | Over:
    day = day_of(store)
    over = budgets.take(connection, store.clock, day, limits, units, millieuros, whatever=whatever)
    for limit in over:
        _raise_alert(connection, store, limit)
    if over:
        # The widest says most.
        return Over(over[-1].kind)
    return Charge(day, tuple(limits), units, millieuros)


def _raise_alert(connection: Connection, store: Store, one: Limit) -> None:
    begun = alerts.begin(
        connection,
        store.clock,
        store.chance.identifier(),
        name=ALERTS[one.kind],
        value=one.most_units,
        threshold=one.most_units,
    )
    if begun:
        log.warning("budget spent", budget=one.kind, most=one.most_units)


def prefix_of(number: str) -> str:
    """The first digits of a number (E.164) that name a range of an operator."""
    code = 3 if number.startswith(_FRANCE) else 4
    return number[: -(5 if len(number) - code >= _LONG_DIGITS else 4)]


def day_of(store: Store) -> date:
    """The day whose budgets count now."""
    return store.clock.now().astimezone(ZONE).date()


def next_day(store: Store) -> datetime:
    """When the budgets begin anew (UTC or aware)."""
    midnight = datetime.min.time()
    return datetime.combine(day_of(store) + timedelta(days=1), midnight, tzinfo=ZONE)


def subjects_of(store: Store, number: str) -> Subjects:
    """The budgets that a text to `number` (E.164) counts for, from any caller."""
    of_number = store.vault.index("phone", number) or ALL
    of_prefix = prefix_of(number).encode()
    return Subjects(day_of(store), ((NUMBER, of_number), (PREFIX, of_prefix), (DAY, ALL)))


def promise_texts(store: Store, *, waits: timedelta, limit: timedelta) -> bool:
    """Say whether texts leave within the `limit`, now that one written now `waits` for so long.

    While they do not, a caller who books hears or reads it, as when a budget is spent, and the
    board has an alert. Gives whether they are promised.
    """
    minutes, most = (math.ceil(span.total_seconds() / _SECONDS) for span in (waits, limit))
    day = day_of(store)
    with store.database.transaction() as connection:
        if waits <= limit:
            budgets.open_again(connection, day, LATE)
            return True
        budgets.close(connection, store.clock, day, Limit(LATE, ALL, most, _NO_LIMIT))
        begun = alerts.begin(
            connection,
            store.clock,
            store.chance.identifier(),
            name=ALERTS[LATE],
            value=minutes,
            threshold=most,
        )
    if begun:
        log.warning("texts leave late", minutes=minutes, most=most)
    return False


def watch(store: Store, gate: Budgets | None = None) -> int:
    """Count answers, and end the alerts of budgets of which nothing is held back any more.

    Gives how many alerts ended.
    """
    if gate is not None:
        gate.count_replies(store)
    with store.database.transaction() as connection:
        shut = {kind for kind, _ in budgets.closed(connection, day_of(store))}
        over = [name for kind, name in ALERTS.items() if kind not in shut]
        lasting = {alert.name for alert in alerts.raised(connection)}
        return sum(alerts.end(connection, store.clock, name) for name in over if name in lasting)
