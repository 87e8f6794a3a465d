"""A visit to the public site: a call on paper.

It keeps the same session as a call, so that telephone, desk and web can take one another's work
over, and its id is the name that its places are held under. An answer is one transaction that
first claims the number its page was made for, then acts; a copy of it (a double click, a second
tab, a page that is sent again) finds that the number moved on: it changes nothing and sees where
the visit is now. An answer without effects is one conditional statement; on PostgreSQL it prolongs
what is held as well.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from flows.session import Offer, Session, changed
from flows.world import BookingOrder, Choice, News, Search, Unbooked, WaitingListRequest
from models.booking.reach import Proof
from models.database import Connection
from models.online import web_sessions
from models.online.web_sessions import CountsBy, WebSessionRow
from models.slots import slots
from services.booking.reach import Reach
from services.call.take_turn import AlreadyAnswered, Turn
from services.call.world import CallWorld, near_search, radius_of
from services.campaign.campaign import Campaign
from services.centres.directory import NOT_KNOWN, NearbyCentre
from services.online import shares, typed_promises
from services.online.what_for import of_what_they_came_for
from services.service import Service
from services.slots.allocate import Channel, Holder
from services.slots.free_days import FreeAtCentre, FreeDay, free_days, free_hours
from services.slots.give_back import give_back_holds
from services.store import Store
from services.waiting_list import entries
from services.work import Work

# A page is read more slowly than a sentence is heard, and asks for nothing meanwhile.
LEASE = timedelta(minutes=5)
_ID_LETTERS = 33
_HEARD_LETTERS = 16
# Among what was typed: the service whose address the visitor followed.
SERVICE = "asked_service"
FIRST_STEP = "for_whom"
# The page whose answer books; and the one that is only looked at, again and again.
_BOOKS, _LOOKED_AT = "confirm", frozenset({web_sessions.PARTNER_WAITS})


class NotProved(Exception):
    """Nothing was booked or promised, for the number is not proved; what was chosen is held on."""


class WebSessionOutcome:
    """How a visit ended; empty while it goes on."""

    GOES_ON = ""
    BOOKED = "booked"
    # On the waiting list, or to be told something later.
    WAITING = "waiting"
    # Another channel went on with it.
    TAKEN_UP = "taken_up"
    ENDED = "ended"


@dataclass(frozen=True)
class Done:
    """A booking that this visit made: what its last page shows."""

    reference: str
    offer: Offer
    # Where its text went, and where it is rung about (E.164); empty for nowhere.
    number: str = ""
    rings: str = ""
    # ISO 8601; which of two this is.
    born: str = ""
    # No text leaves there today: a budget of texts is spent.
    untexted: bool = False
    # The number was typed and not proved: a text leaves unless another visit had it written to.
    doubted: bool = False
    # The campaigns that it is of, by name; none where that was not asked.
    wanted: tuple[str, ...] = ()
    # Where its mail went; empty for nowhere.
    mail: str = ""


_STORED_DONE = TypeAdapter(tuple[Done, ...])
_FOR_NOTHING: Final = CountsBy(None, None, None)


@dataclass(frozen=True)
class WebSession:
    """Where a visitor is on the site. `number` belongs in each form; `step` is the phone's name.

    `typed` is what stood in fields, word for word, by the field's name. `notice` is the key of a
    sentence (below `book.notice.`) that the next page says first, `values` fills it in.
    `kept_until` (UTC) is until when its places are held; None when it holds none.
    """

    id: str
    number: int
    language: str
    session: Session
    outcome: str = WebSessionOutcome.GOES_ON
    typed: Mapping[str, str] = field(default_factory=dict)
    done: tuple[Done, ...] = ()
    notice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    kept_until: datetime | None = None
    # A page of the site's own, where it is at one; the telephone would be at the session's step.
    page: str = ""
    # What the last answer was, so that a copy of it is known from another answer that came late.
    last: str = ""
    # The number (E.164) to which a code was texted that was typed back here; empty for none.
    proved: str = ""
    # How many questions were asked before those of the second of two, and what these are to be.
    counted: int = 0
    plan: tuple[str, ...] = ()
    # The entries of the waiting list that this visit made, and may take back.
    waits: tuple[str, ...] = ()
    # How long its page could be seen when this was read, and by what its holds are counted.
    seen_for: timedelta = field(default=timedelta.max, compare=False)
    counts_by: CountsBy = field(default=_FOR_NOTHING, compare=False)

    @property
    def step(self) -> str:
        return self.page or self.session.step

    @property
    def is_over(self) -> bool:
        return self.outcome != WebSessionOutcome.GOES_ON

    def at(self, session: Session, *, notice: str = "", **values: Any) -> WebSession:
        """The same with another session; the last notice was said."""
        return self.but(session=session, notice=notice, values=values, page="")

    def after_booking(self, session: Session, made: Done) -> WebSession:
        """The same once a person is booked; over unless it is the first of two."""
        after = self.at(session.moved("ready")).but(done=(*self.done, made))
        if session.is_first_of_two:
            return after
        return after.but(outcome=WebSessionOutcome.BOOKED)

    def with_typed(self, **fields: str) -> WebSession:
        return self.but(typed={**self.typed, **fields})

    def but(self, **changes: Any) -> WebSession:
        """The same with these changes; `dataclasses.replace`, at a tenth of its time."""
        return changed(self, _FIELDS, changes)


_FIELDS: Final = frozenset(field.name for field in fields(WebSession))


@dataclass(frozen=True)
class WebAnswer:
    """Where the visit is now. `acted`: this very answer led there.

    `is_copy`: the same answer led there when it came for the first time; else it came too late, for
    the visit went on elsewhere. `message_ids`: what the outbox got.
    """

    visit: WebSession
    acted: bool
    is_copy: bool = False
    message_ids: tuple[str, ...] = ()


class WebSessionTurn(Turn):
    """An answer on the site in the place of a call's turn.

    `counts_by` is as the web session was read; `phone` is the keyed hash of a number that was
    typed, to be stored with where the answer led.
    """

    def __init__(self, store: Store, call_id: str, number: int, counts_by: CountsBy) -> None:
        super().__init__(store, call_id, number)
        self.counts_by = counts_by
        self.phone: bytes | None = None

    def transaction(self) -> Connection:
        """The transaction of this answer's effects; the first call claims its number.

        Raises AlreadyAnswered.
        """
        if self._transaction is None:
            self._give_back()
            self._transaction = self._stack.enter_context(self.store.database.transaction())
            counts_by = web_sessions.claim(
                self._transaction, self.store.clock, self.call_id, self.number
            )
            # Where it counts by other things than when it was read it was erased meanwhile.
            if counts_by != self.counts_by:
                raise AlreadyAnswered
        return self._transaction

    def settle(self, visit: WebSession, lease: timedelta | None) -> WebSession:
        """Store where the answer led, and give it as it is stored.

        `lease` prolongs what is held. Raises AlreadyAnswered.
        """
        store = self.store
        stored = {"step": visit.step, "outcome": visit.outcome, "body": _body(visit)}
        number = None if self._transaction is not None else self.number
        connection = self._transaction or self._connection()
        written = web_sessions.write(
            connection,
            store.clock,
            store.vault,
            self.call_id,
            number,
            phone=self.phone,
            lease=lease,
            **stored,
        )
        self._give_back()
        if written is None:
            raise AlreadyAnswered
        return visit.but(
            number=self.number + 1,
            kept_until=written.kept_until,
            counts_by=replace(self.counts_by, phone_idx=self.phone or self.counts_by.phone_idx),
        )


def came_for(visit: WebSession) -> str:
    """The name of the service whose address a visitor came by; empty: they came for none."""
    return visit.typed.get(SERVICE, "")


class WebWorld(CallWorld):
    """What a call may ask of the outside, asked by a visitor of the site."""

    def __init__(
        self,
        service: Service,
        turn: WebSessionTurn,
        session: Session,
        *,
        place: str = "",
        proved: str = "",
        came_for: str = "",
    ) -> None:
        """`place` is where the answer comes from (`services.online.attempts.place_of`).

        `proved` is the number whose code was typed back, `came_for` the service whose address
        the visitor followed.
        """
        super().__init__(service, turn, session)
        self.web_turn = turn
        self.place, self.proved, self.came_for = place, proved, came_for
        self.holder = Holder(Channel.WEB, self.turn.call_id)
        self.of_call = None
        self.holds = bool(session.offers or session.adjacent)

    def as_here(self, campaign: Campaign) -> Campaign:
        return for_web(super().as_here(campaign))

    def _returning(self) -> str:
        # A number that was typed proves nothing: what is kept for its line stays so.
        return ""

    def new_resume_code(self) -> str:
        """Empty: a visitor who goes on by telephone asks for a code of the visit's own."""
        return ""

    def choices(self, born: date, groups: tuple[str, ...]) -> tuple[Choice, ...]:
        """Of who came for one service: that one, and what may be in one appointment with it."""
        found = super().choices(born, groups)
        return of_what_they_came_for(found, self.came_for)

    def reach_of(self, number: str | None) -> Reach:
        """A number that is typed here proves nothing but by its code."""
        if number and number == self.proved:
            return Reach(Proof.CODE, self.place)
        return Reach(place=self.place)

    def is_doubted(self, number: str) -> bool:
        """Whether this number, where it was typed, has one text a day of all who only type it."""
        limits, proof = self.store.reach, self.reach_of(number).proof
        return bool(number and limits.per_number) and proof is Proof.NONE

    def confirm(self, order: BookingOrder) -> str | Unbooked:
        """As everywhere. Raises NotProved where a proof of the number is wanted first."""
        booked = super().confirm(order)
        if booked is Unbooked.NOT_PROVED:
            raise NotProved
        return booked

    def join_waiting_list(self, wait: WaitingListRequest) -> int | None:
        """As everywhere. Raises NotProved where a proof of the number is wanted first."""
        self._count_promise(wait.number)
        return super().join_waiting_list(wait)

    def promise_news(self, number: str, news: News, at: datetime, *, by_text: bool) -> None:
        """As everywhere. Raises NotProved where a proof of the number is wanted first."""
        self._count_promise(number)
        super().promise_news(number, news, at, by_text=by_text)

    def _count_promise(self, number: str) -> None:
        if self.reach_of(number).proof is Proof.NONE and not typed_promises.count(
            self.work(), number=number, place=self.place
        ):
            raise NotProved

    def let_go(self) -> None:
        """Give back all that this visit holds (changes)."""
        give_back_holds(self.transaction(), self.holder.id)

    def before_holding(self) -> None:
        """No visitor keeps more than a share from all others (changes). Raises TooManyHere."""
        # A visitor who holds something already, or is the second of two, goes on.
        is_new = not self.holds and not self.session.second_person
        connection, turn = self.transaction(), self.web_turn
        shares.make_room(connection, self.store, turn.call_id, turn.counts_by, is_new=is_new)

    def number_typed(self, number: str) -> None:
        """Note a number (E.164) that was typed: it holds for one visit at a time (changes)."""
        if self.store.shares.per_number:
            turn = self.web_turn
            turn.phone = self.store.vault.index("phone", number)
            shares.number_typed(self.transaction(), self.store, turn.call_id, turn.phone)

    def hold_slot(self, slot_id: int, search: Search) -> tuple[Offer, ...]:
        """Hold this very slot of the centre that is searched, if the search allows it."""
        start = slots.start_of(self.reading(), slot_id, search.centre_id)
        if start is None or start < search.not_before:
            return ()
        until = start + timedelta(seconds=1)
        return self.hold_nearest(replace(search, not_before=start, not_after=until))

    def free_days(self, search: Search) -> list[FreeDay]:
        """The next days with free places in reach; nothing is taken."""
        near = self._near(search, radius_of(search, self.campaign))
        work = self._looking(search)
        return free_days(work, self.holder, near, self.earliest(search, near))

    def free_hours(self, search: Search, day: date) -> list[FreeAtCentre]:
        """What is free on a day of the centres' calendar; nothing is taken."""
        near = self._near(search, radius_of(search, self.campaign))
        work = self._looking(search)
        return free_hours(work, self.holder, near, self.earliest(search, near), day)

    def _looking(self, search: Search) -> Work:
        """What is looked with: nothing is taken."""
        campaign, *beside = self.wanted(search.wanted)
        return Work(
            self.reading(), self.store, campaign, tuple(beside), commitments=search.commitments
        )

    def _near(self, search: Search, radius_kilometres: float) -> list[NearbyCentre]:
        if not search.centre_id:
            return super()._near(search, radius_kilometres)
        # One that was asked for may be as far away as it is.
        found = self.service.directory.centre(self.reading(), search.centre_id)
        if found is None:
            return []
        near = near_search(search, found)
        is_beyond = near.kilometres >= search.beyond_kilometres or near.kilometres == NOT_KNOWN
        return [near] if is_beyond else []


Act = Callable[[WebSession, WebWorld], WebSession]


def for_web(campaign: Campaign) -> Campaign:
    """The campaign, with holds that outlive the reading of a page."""
    return campaign if campaign.hold_lease >= LEASE else replace(campaign, hold_lease=LEASE)


def new_web_session(  # noqa: PLR0917
    store: Store,
    language: str,
    visit_id: str,
    session: Session | None = None,
    typed: Mapping[str, str] | None = None,
    place: str = "",
    browser: str = "",
) -> WebSession:
    """Store a visit that begins here, or with what is known already (number 1).

    `place` is where it begins (`services.online.attempts.place_of`), `browser` is what the browser
    is known by; empty: it counts for none.
    """
    session = session or Session(step=FIRST_STEP)
    counts_by = CountsBy(
        place_idx=store.vault.index("web place", place or None),
        browser_idx=store.vault.index("web browser", browser or None),
        phone_idx=None,
    )
    visit = WebSession(
        visit_id,
        1,
        language,
        session.but(language=language),
        typed=typed or {},
        counts_by=counts_by,
    )
    database = store.database
    with database.statement() as connection:
        add(connection, store, visit)
    return visit


def new_id(store: Store) -> str:
    """W and 32 hexadecimal digits."""
    return f"W{store.chance.identifier()}"


def is_id(text: str) -> bool:
    """Whether it may be the id of a visit, and not of a call."""
    return len(text) == _ID_LETTERS and text[0] == "W" and text.isascii() and text.isalnum()


def load(store: Store, visit_id: str) -> WebSession | None:
    """Where a visit is, in one read; None where there is none, or it was erased."""
    with store.database.statement() as connection:
        return read(connection, store, visit_id)


def read(connection: Connection, store: Store, visit_id: str) -> WebSession | None:
    """The same on a connection that is there."""
    if not is_id(visit_id):
        return None
    row = web_sessions.load(connection, store.clock, store.vault, visit_id)
    return _web_session(row) if row and row.body else None


def answer(  # noqa: PLR0917
    store: Store,
    service: Service,
    visit: WebSession,
    number: int,
    act: Act,
    said: str = "",
    *,
    place: str = "",
) -> WebAnswer:
    """Act on a visit as it was read just now, once for each `number`.

    `said` is the answer word for word: the same once more is a copy. `place` is where it comes
    from (`services.online.attempts.place_of`). Whatever `act` raises leaves everything as it was.
    """
    heard = hashlib.sha256(said.encode()).hexdigest()[:_HEARD_LETTERS]
    if number != visit.number or visit.is_over:
        return _late(visit, number, heard)
    turn = WebSessionTurn(store, visit.id, number, visit.counts_by)
    try:
        with turn:
            world = WebWorld(
                service,
                turn,
                visit.session,
                place=place,
                proved=visit.proved,
                came_for=came_for(visit),
            )
            after = act(visit, world).but(last=heard)
            lease = world.campaign.hold_lease if _holds_on(visit, after) else None
            after = turn.settle(after, lease)
    except AlreadyAnswered:
        return _late(load(store, visit.id) or visit, number, heard)
    return WebAnswer(after, acted=True, message_ids=tuple(world.messages))


def is_too_quick(store: Store, visit: WebSession, number: int, step: str) -> bool:
    """Whether an answer comes sooner than a person has read its page.

    The page was there at the earliest when the last answer was stored. A copy of an answer is none.
    """
    if number != visit.number or visit.is_over or step in _LOOKED_AT:
        return False
    pace = store.pace
    return visit.seen_for < (pace.book_after if step == _BOOKS else pace.answer_after)


def _holds_on(before: WebSession, after: WebSession) -> bool:
    """Whether what was held before is held on: what this answer found has its whole time."""
    held = after.session.offers or after.session.adjacent
    return bool(held) and after.session.offers == before.session.offers and not after.is_over


def _late(visit: WebSession, number: int, heard: str) -> WebAnswer:
    is_copy = number == visit.number - 1 and heard == visit.last
    return WebAnswer(visit, acted=False, is_copy=is_copy)


def end(store: Store, visit_id: str, outcome: str = WebSessionOutcome.ENDED) -> bool:
    """The visitor leaves: what was held is free at once. False where it was over before."""
    with store.database.transaction() as connection:
        ended = web_sessions.end(connection, store.clock, visit_id, outcome)
        if ended:
            give_back_holds(connection, visit_id)
    return ended


def leave_list(store: Store, service: Service, visit: WebSession) -> None:
    """Take off the waiting list the person this visit put there (changes).

    An entry that was there before stays: it may be that of a person whose number was typed here.
    """
    with store.database.transaction() as connection:
        everybody = service.campaigns.of_services()
        work = Work(connection, store, service.campaign, others=everybody)
        for entry_id in visit.waits:
            entries.leave(work, entry_id)


# ------------------------------------------------------------------ as it is stored


def add(connection: Connection, store: Store, visit: WebSession) -> None:
    web_sessions.add(
        connection,
        store.clock,
        store.vault,
        visit.id,
        step=visit.step,
        language=visit.language,
        body=_body(visit),
        place_idx=visit.counts_by.place_idx,
        browser_idx=visit.counts_by.browser_idx,
    )


def _body(visit: WebSession) -> str:
    values: dict[str, Any] = {"session": visit.session.to_json(), "last": visit.last}
    if visit.page:
        values["page"] = visit.page
    if visit.proved:
        values["proved"] = visit.proved
    if visit.typed:
        values["typed"] = dict(visit.typed)
    if visit.done:
        values["done"] = [asdict(done) for done in visit.done]
    if visit.plan:
        values |= {"counted": visit.counted, "plan": visit.plan}
    if visit.waits:
        values["waits"] = visit.waits
    if visit.notice:
        values |= {"notice": visit.notice, "values": dict(visit.values)}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _web_session(row: WebSessionRow) -> WebSession:
    values = json.loads(row.body)
    return WebSession(
        id=row.id,
        number=row.number,
        language=row.language,
        session=Session.from_json(values["session"]),
        outcome=row.outcome,
        typed=values.get("typed", {}),
        done=_STORED_DONE.validate_python(values.get("done", ())),
        notice=values.get("notice", ""),
        values=values.get("values", {}),
        kept_until=row.kept_until,
        page=values.get("page", ""),
        last=values.get("last", ""),
        proved=values.get("proved", ""),
        counted=values.get("counted", 0),
        plan=tuple(values.get("plan", ())),
        waits=tuple(values.get("waits", ())),
        seen_for=row.read_at - row.seen_at,
        counts_by=CountsBy(row.place_idx, row.browser_idx, row.phone_idx),
    )
