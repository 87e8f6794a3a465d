"""Make centres of the directory ours, so that callers can book there, and give them back.

A take writes an operator's word over what the directory says: how the centre is booked, its hours,
what a slot holds. Imports leave that word alone, unless they reserve the centre. Each centre that a
command takes is a line with what was said of it before, so the last command can be undone.

No person who is booked is lost: a centre with live bookings is not given back. A caller who
confirms in the very moment in which it is given back keeps the appointment and becomes a case for
an agent (CentreLife.settle), as after an import.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from models.centre_day import operations
from models.centres import takes
from models.centres.tables import WALK_IN_ONLY
from models.centres.takes import Said, TakenBefore, TakeState, Word
from models.clock import Clock
from models.database import Connection, Database
from models.partners.bookings import mirrored
from services.accounts.staff import OPERATOR, record_act
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import FOREVER, OperationKind, OperationRequest
from services.centres.import_centres import Progress, no_progress
from services.refused import OperatorRefused
from services.slots.open_slots import (
    CAPACITY,
    EVERY_MINUTES,
    SlotsRefused,
    check_figures,
)
from services.slots.week import Week, check_week, from_json, to_json, told
from services.store import Store

OURS: Final = "ours"
# How an operator may say that a centre is booked.
MODES: Final = (OURS, "own_phone", "partner")
# Centres in one transaction: some milliseconds, so that a caller's turn hardly waits behind it.
BATCH: Final = 200
_RESERVED: Final = "is reserved for professionals, so no caller may be sent there"
_WALK_IN: Final = "takes people without an appointment, so there is nothing to book"


class TakeRefused(OperatorRefused):
    """One sentence: why nothing was changed."""


@dataclass(frozen=True)
class Terms:
    """What an operator says of a centre; None leaves what was said before.

    `capacity` in places of a slot, `minutes` from one slot to the next.
    """

    hours: Week | None = None
    capacity: int | None = None
    minutes: int | None = None
    mode: str = OURS

    def check(self) -> None:
        """Raises OperatorRefused for figures that cannot be, and slots that do not fit."""
        minutes = EVERY_MINUTES if self.minutes is None else self.minutes
        capacity = CAPACITY if self.capacity is None else self.capacity
        if self.mode not in MODES:
            raise TakeRefused(f"{self.mode!r} is no way to book: {', '.join(MODES)}")
        check_figures(every=minutes, capacity=capacity)
        if self.hours is not None and self.minutes is not None:
            check_week(self.hours, self.minutes)

    def over(self, before: Word) -> Word:
        """An operator's word once these are said, too."""
        return Word(
            self.mode,
            before.hours if self.hours is None else to_json(self.hours),
            before.capacity if self.capacity is None else self.capacity,
            before.minutes if self.minutes is None else self.minutes,
        )


@dataclass(frozen=True)
class TakeWish:
    """One centre that is to be taken; `line` of the file that says so, 0: none does."""

    centre_id: str
    terms: Terms = field(default_factory=Terms)
    line: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why a centre stays as it is; `line` as in TakeWish."""

    centre_id: str
    sentence: str
    line: int = 0


@dataclass
class TakeReport:
    """What a take did, or would do in a dry run; all but `refused` are ids."""

    take_id: str = ""
    dry_run: bool = False
    taken: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    # Centres of ours without any hours: slots need `--hours` there.
    no_hours: list[str] = field(default_factory=list)
    # What each of them is from now on, for the operator.
    sentences: dict[str, str] = field(default_factory=dict)
    words: dict[str, Word] = field(default_factory=dict)

    @property
    def written(self) -> int:
        return len(self.taken) + len(self.changed)

    def last_line(self) -> str:
        said = (
            f"{len(self.taken)} taken, {len(self.changed)} changed, "
            f"{len(self.already)} already so, {len(self.refused)} refused"
        )
        if self.dry_run:
            return f"dry run, nothing is changed: {said}"
        return said + (f"; take {self.take_id}" if self.written else "")


# Called in the transaction that takes or gives back a centre.
Record = Callable[[Connection, str], None]


def no_record(_connection: Connection, _centre_id: str) -> None:
    """For a demonstration, which no operator answers for."""


@dataclass(frozen=True)
class By:
    """Who takes: the account at the command line, the id of the command, how it is recorded."""

    who: str
    take_id: str
    record: Record = no_record


def take(
    database: Database,
    clock: Clock,
    wishes: Sequence[TakeWish],
    by: By,
    *,
    anywhere: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> TakeReport:
    """Make centres ours, or booked in another way that an operator says.

    What cannot be is refused by itself, and the rest is taken. Doing it again changes nothing.
    `anywhere`: those without a position as well, which no caller is offered. `progress` is told how
    many wishes were seen to.
    """
    report = TakeReport(by.take_id, dry_run)
    for some in _portions(wishes):
        # A dry run only reads, and keeps no person waiting.
        with database.statement() if dry_run else database.transaction() as connection:
            ids = {wish.centre_id for wish in some}
            found = takes.states(connection, ids=ids, lock=not dry_run)
            elsewhere = set(mirrored(connection))
            said, before = [], []
            for wish in some:
                state = found.get(wish.centre_id)
                refusal = refusal_of(clock, state, wish, elsewhere, anywhere=anywhere)
                if state is None or refusal:
                    report.refused.append(Refusal(wish.centre_id, refusal, wish.line))
                    continue
                word = wish.terms.over(state.word)
                if word == state.word and state.booking_mode == word.mode:
                    report.already.append(state.id)
                    continue
                (report.changed if state.booking_mode == word.mode else report.taken).append(
                    state.id
                )
                said.append(Said(state.id, wish.terms.mode, word))
                before.append(state)
                # Once more in the same file it is compared with what this line said.
                found[state.id] = replace(state, booking_mode=wish.terms.mode, word=word)
                report.sentences[state.id] = _sentence(found[state.id])
                report.words[state.id] = word
                if not _hours_of(found[state.id]) and wish.terms.mode == OURS:
                    report.no_hours.append(state.id)
            if not dry_run:
                takes.say(connection, clock, said)
                takes.add(connection, clock, by.take_id, by.who, before)
                for state in before:
                    by.record(connection, state.id)
        progress(len(some))
    return report


def refusal_of(
    clock: Clock,
    state: TakeState | None,
    wish: TakeWish,
    elsewhere: Collection[str],
    *,
    anywhere: bool,
) -> str:
    """Why a centre cannot be taken, one sentence; empty where it can be.

    `elsewhere` are the centres that mirror a partner's agendas.
    """
    if state is None:
        return (
            f"there is no centre {wish.centre_id}: `flask centres import FILE` takes in the "
            "directory that has it"
        )
    whole = f"centre {state.id} ({state.name}, {state.town})"
    reason = ""
    if state.closed_at is not None:
        reason = "is closed; `flask operations list` says by which operation, which can be undone"
    elif state.booking_mode == "reserved":
        reason = _RESERVED
    elif state.walk_in == WALK_IN_ONLY:
        reason = _WALK_IN
    elif state.closes_on is not None and state.closes_on < _today(clock, state):
        reason = f"closed for good on {state.closes_on}, as the directory says"
    elif wish.terms.mode == OURS and state.latitude is None and not (state.postcode or anywhere):
        reason = (
            "has no position and no postcode, so no caller would be offered it: the directory must"
            " have one first"
        )
    elif wish.terms.mode == "own_phone" and state.phones == "[]":
        reason = "has no telephone number, so nobody could be sent there"
    elif state.id in elsewhere:
        reason = "mirrors a partner's agendas: take it out of the file of PARTNERS first"
    elif state.booking_mode == OURS and wish.terms.mode != OURS:
        reason = f"is ours: `flask centres give {state.id}` first"
    else:
        return _slots_fit(state, wish.terms, whole)
    return f"{whole} {reason}"


def _slots_fit(state: TakeState, terms: Terms, whole: str) -> str:
    """Why its slots will not fit into its hours, where an operator says either; empty: they do."""
    if terms.minutes is None and terms.hours is None:
        return ""
    word = terms.over(state.word)
    minutes = EVERY_MINUTES if word.minutes is None else word.minutes
    try:
        check_week(from_json(word.hours or state.hours), minutes)
    except SlotsRefused as bad:
        return f"{whole}: {bad}"
    return ""


def _today(clock: Clock, state: TakeState) -> date:
    return clock.now().astimezone(ZoneInfo(state.time_zone)).date()


def _hours_of(state: TakeState) -> Week:
    return from_json(state.word.hours or state.hours)


def _sentence(state: TakeState) -> str:
    """What a centre is, in one line."""
    word, hours = state.word, _hours_of(state)
    if state.booking_mode != OURS:
        return f"{state.id} ({state.name}, {state.town}): {state.booking_mode}"
    places = CAPACITY if word.capacity is None else word.capacity
    minutes = EVERY_MINUTES if word.minutes is None else word.minutes
    return (
        f"{state.id} ({state.name}, {state.town}): ours, {told(hours) or 'no hours'}, "
        f"{places} {'place' if places == 1 else 'places'} each {minutes} minutes"
    )


def _portions(wishes: Sequence[TakeWish]) -> Iterator[Sequence[TakeWish]]:
    for start in range(0, len(wishes), BATCH):
        yield wishes[start : start + BATCH]


def to_be_taken(
    database: Database, terms: Terms, *, departement: str = "", line: int = 0
) -> list[TakeWish]:
    """A wish for each open centre of a département (35, 2A, 971), or for every open one.

    Raises TakeRefused where there is none.
    """
    with database.statement() as connection:
        found = takes.states(connection, departement=departement, every=not departement)
    if not found:
        where = f"in département {departement}" if departement else "at all"
        raise TakeRefused(
            f"there is no open centre {where}: `flask centres import FILE` takes in a directory"
        )
    return [TakeWish(state, terms, line) for state in found]


# ---------------------------------------------------------------- what an operator does


class TakeCentres:
    """Takes and givings back of an operator: `by` is the account at the command line."""

    def __init__(self, life: CentreLife, by: Callable[[], str]) -> None:
        self._life = life
        self._store: Store = life.store
        self._by = by

    def take(
        self, wishes: Sequence[TakeWish], *, dry_run: bool = False, progress: Progress = no_progress
    ) -> TakeReport:
        """Make centres ours, with an act for each, and free what was blocked while they were not.

        Raises LifeRefused where that cannot be, after the take.
        """
        id_, who = self._store.chance.identifier(), self._by()
        by = By(who, id_, self._recorder("centre_taken", who, id_))
        store = self._store
        report = take(store.database, store.clock, wishes, by, dry_run=dry_run, progress=progress)
        if not dry_run:
            self._free([*report.taken, *report.changed, *report.already])
        return report

    def _recorder(self, what: str, who: str, take_id: str) -> Record:
        def record(connection: Connection, centre_id: str) -> None:
            details = {"by": who, "take": take_id}
            record_act(connection, self._store, OPERATOR, what, centre_id, details=details)

        return record

    def _free(self, centre_ids: Iterable[str]) -> None:
        """Undo what blocked the places of centres while they were not ours."""
        mine = set(centre_ids)
        if not mine:
            return
        with self._store.database.statement() as connection:
            blocked = operations.in_force(connection, kinds=(OperationKind.NOT_OURS,))
        for operation in reversed(blocked):
            if operation.centre_id in mine:
                self._life.undo(operation.id, OperationRequest(""))

    def give(self, centre_ids: Sequence[str], *, dry_run: bool = False) -> GiveReport:
        """Let centres be booked again as the directory says; no person may be booked there."""
        report = GiveReport(dry_run=dry_run)
        for centre_id in dict.fromkeys(centre_ids):
            self._give_back(centre_id, None, report)
        self._settle(report)
        return report

    def undo_last(self, *, dry_run: bool = False) -> GiveReport:
        """Take the last take back, centre by centre. Raises TakeRefused where there is none."""
        with self._store.database.statement() as connection:
            take_id = takes.newest(connection)
            of_it = takes.of_take(connection, take_id) if take_id else []
        if take_id is None:
            raise TakeRefused("nothing was taken that could be undone")
        report = GiveReport(take_id, dry_run)
        for before in of_it:
            self._give_back(before.centre_id, before, report)
        self._settle(report)
        return report

    def _give_back(self, centre_id: str, before: TakenBefore | None, report: GiveReport) -> None:
        """One centre, in a transaction of its own; `before`: what a take found, None: nothing."""
        store = self._store
        database = store.database
        with database.statement() if report.dry_run else database.transaction() as connection:
            found = takes.states(connection, ids=[centre_id], lock=not report.dry_run)
            state = found.get(centre_id)
            word = before.before if before else Word()
            refusal = self._not_given(connection, state, centre_id, word, undo=before is not None)
            if state is None or refusal:
                report.refused.append(Refusal(centre_id, refusal))
                return
            # A source that reserved it since has the last word.
            mode = word.mode or state.back_to
            if state.booking_mode == "reserved":
                mode, word = "reserved", replace(word, mode=None)
            report.given.append(centre_id)
            said = replace(state, booking_mode=mode, word=word)
            report.sentences[centre_id] = _sentence(said)
            if report.dry_run:
                return
            takes.say(connection, store.clock, [Said(centre_id, mode, word)])
            takes.end(connection, store.clock, centre_id, before.take_id if before else None)
            record = self._recorder("centre_given", self._by(), before.take_id if before else "")
            record(connection, centre_id)

    def _not_given(
        self,
        connection: Connection,
        state: TakeState | None,
        centre_id: str,
        word: Word,
        *,
        undo: bool,
    ) -> str:
        """Why a centre is not given back, one sentence; empty where it can be.

        `word` is what an operator says of it afterwards.
        """
        if state is None:
            return f"there is no centre {centre_id}"
        whole = f"centre {centre_id} ({state.name}, {state.town})"
        if not undo and state.word == Word():
            return f"{whole} is not ours"
        if word.mode == OURS or state.booking_mode != OURS:
            return ""
        now = self._store.clock.now()
        live = operations.booked_at(connection, centre_id, now, FOREVER)
        booked = len({booking_id for booking_id, _place in live})
        if not booked:
            return ""
        who = "1 person is" if booked == 1 else f"{booked} people are"
        return (
            f"{who} booked at {whole}: it stays ours. `flask centres close {centre_id} --why …` "
            "moves them to other centres or makes each a case for an agent; give it back when "
            "nobody is booked there any more"
        )

    def _settle(self, report: GiveReport) -> None:
        """Block the places of what was given back; a person just booked becomes a case."""
        if report.given and not report.dry_run:
            self._life.settle(OperationRequest("given back to the directory"))


@dataclass
class GiveReport:
    """What was given back, or would be in a dry run; `take_id` of the take that is undone."""

    take_id: str = ""
    dry_run: bool = False
    given: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    sentences: dict[str, str] = field(default_factory=dict)

    def last_line(self) -> str:
        said = f"{len(self.given)} given back, {len(self.refused)} refused"
        return f"dry run, nothing is changed: {said}" if self.dry_run else said
