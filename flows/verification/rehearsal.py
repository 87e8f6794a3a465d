"""An outside without any store: three centres near one town, and campaigns to choose from.

It remembers nothing between two turns, so that the same session, input and weather always give the
same answer; what it was asked to do is written down to be read. The checks of the prompts and the
map of the conversation play whole calls on it, and so do the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from flows.agents import (
    AfterAgent,
    AfterQueue,
    BackFromAgent,
    NoPerson,
    QueuePlace,
    RungPerson,
    Unavailable,
)
from flows.engine import advance
from flows.session import CallerBooking, CallerKind, KeptOffer, Moving, Offer, Session
from flows.speech import RING, SILENCE, Input, Speech, keys
from flows.understanding import birthday
from flows.understanding.vocabulary import Vocabulary
from flows.verification.rehearsed import (
    LANDLINE,
    MOBILE,
    MORNING,
    PARIS,
    PLENTY,
    REFERENCE,
    SERVICE_WORDS,
    TOWNS,
    WHEN_WE_RING,
    cut_call,
)
from flows.world import (
    BookingOrder,
    Choice,
    CodeNeeds,
    Earlier,
    Eligibility,
    Far,
    NamedCentre,
    News,
    NotChanged,
    NotMine,
    OwnPhone,
    ReminderHours,
    Rules,
    Search,
    ServiceWords,
    TakenUp,
    Town,
    Unbooked,
    WaitingListRequest,
    World,
)

OUR_NUMBER, OUR_CALLER_ID = "+33974750001", "+33974750002"
# By the digits of a département that may be typed: one town, or two of Corsica.
MAIN_TOWNS = {"35": ("35500",), "20": ("20000", "20200")}

CODE = "204060"
KEPT_FOR = timedelta(minutes=10)


@dataclass
class RehearsedWorld:
    """A World. `found` is what a search finds, and finds again; None would be a mistake."""

    found: tuple[Offer, ...] = PLENTY
    # What a search finds that leaves out what was read before; None: the same.
    found_anew: tuple[Offer, ...] | None = None
    reference: str | Unbooked = REFERENCE
    # Whether a number that was typed is not taken without a proof.
    proof_wanted: bool = False
    promises_new: bool = True
    # Whether a second person finds an adjacent place.
    adjacent: bool = True
    spoken_here: tuple[str, ...] = ("fr", "en")
    # A call that was cut and may be taken up; None: another has taken it up.
    cut: TakenUp | None = field(default_factory=cut_call)
    moment: datetime = MORNING
    rules_: Rules = field(default_factory=lambda: Rules("tests", minimum_age=75, horizon_days=35))
    vocabularies: Callable[[str], Vocabulary] | None = None
    # What there is beyond the radius, and the centre nearer than that which books by its own
    # telephone.
    far: Far | None = None
    no_waiting_list: bool = False
    own: OwnPhone | None = None
    # What words name: towns, or a centre.
    named_towns: tuple[Town, ...] = ()
    named_centre: NamedCentre | None = None
    # Groups that may book with their least age; and what is known of a person who may not book.
    groups: Mapping[str, int] = field(default_factory=dict)
    day_known: bool = True
    turn_at: datetime | None = None
    tell_at: datetime | None = None
    # What a second person's place was held for.
    beside_for: list[tuple[str, ...]] = field(default_factory=list)
    # How many wait before the person; None where the person cannot wait.
    ahead: int | None = 12
    # What a reference and a birth date find, and what it is after a change; and why not.
    mine: CallerBooking | NotMine = NotMine.TRY_AGAIN
    not_changed: NotChanged | None = None
    texts: bool = True
    guarded: bool = False
    # Whether many wrong codes were tried lately.
    codes_guessed: bool = False
    # What is kept for a person of the waiting list.
    kept: KeptOffer | None = None
    waits_on: bool = True
    # What awaits a person we rang.
    answered: RungPerson = RungPerson.MACHINE
    # Whether there is a place in the queue, and when a promised call would come; None: it must not
    # be promised. What becomes of a place in the queue, and why a caller is back from an agent.
    person: QueuePlace | Unavailable = field(default_factory=lambda: Unavailable(NoPerson.NOBODY))
    callback_after: timedelta | None = timedelta()
    # How long until agents answer; None: not for weeks.
    hours_in: timedelta | None = timedelta()
    place: AfterQueue = AfterQueue.WAITING
    place_promised: bool = True
    # Whether texts leave, or a budget of the day is spent.
    texts_leave: bool = True
    # Whether one comes into each centre with a wheelchair.
    wheelchairs: str = ""
    agent: BackFromAgent = field(default_factory=lambda: BackFromAgent(AfterAgent.FINISHED))
    asked_for: list[str] = field(default_factory=list)
    changed: list[tuple[str | int, ...]] = field(default_factory=list)
    waits: list[WaitingListRequest] = field(default_factory=list)
    news: list[tuple[str, News, datetime, bool]] = field(default_factory=list)
    # Whatever else was asked that a weather may answer otherwise.
    looks: list[str] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)
    orders: list[BookingOrder] = field(default_factory=list)
    promises: list[tuple[str, str]] = field(default_factory=list)
    owners_asked: list[tuple[str, str]] = field(default_factory=list)
    # Greetings of the number that was called, by language, and the number of another area.
    greetings: dict[str, str] = field(default_factory=dict)
    elsewhere: str | None = None
    # When we would ring about a new booking, and the bookings whose people asked for it.
    calls: ReminderHours = field(default_factory=lambda: WHEN_WE_RING)
    wishes: list[tuple[str, ...]] = field(default_factory=list)
    # The campaigns that a person may have, where several are open.
    may_have: tuple[Choice, ...] = ()
    # What was done with a place in the queue.
    line: list[tuple[str, ...]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def rules(self, wanted: tuple[str, ...] = ()) -> Rules:
        return self.rules_

    def choices(self, born: date, groups: tuple[str, ...]) -> tuple[Choice, ...]:
        self.looks.append("choices")
        # Who may have nothing yet may have none of several things.
        may_book = self.eligibility(born, groups).first_day is not None
        return self.may_have if may_book else ()

    def service_words(self, campaign: str, language: str) -> ServiceWords:
        return SERVICE_WORDS[campaign]

    def vocabulary(self, language: str) -> Vocabulary:
        if self.vocabularies is None:
            # Keys alone are pressed here.
            raise LookupError(f"no vocabulary was given for {language!r}")
        return self.vocabularies(language)

    def town(self, postcode: str) -> Town | None:
        return TOWNS.get(postcode)

    def town_of_cedex(self, code: str) -> Town | None:
        return self.town(f"{code[:3]}00")

    def towns(self, text: str) -> tuple[Town, ...]:
        self.looks.append("towns")
        return self.named_towns

    def main_towns(self, departement: str) -> tuple[Town, ...]:
        return tuple(TOWNS[code] for code in MAIN_TOWNS.get(departement, ()))

    def centre_named(self, text: str, search: Search) -> NamedCentre | None:
        self.looks.append("centre_named")
        return self.named_centre

    def has_waiting_list(self, search: Search) -> bool:
        return not self.no_waiting_list

    def nearest_beyond(self, search: Search) -> Far | None:
        return self.far

    def own_phone(self, search: Search, closer_than: float) -> OwnPhone | None:
        return self.own if self.own and self.own.kilometres < closer_than else None

    def eligibility(
        self, born: date, groups: tuple[str, ...], wanted: tuple[str, ...] = ()
    ) -> Eligibility:
        self.looks.append("eligibility")
        last_day = self.moment.date() + timedelta(days=self.rules_.horizon_days)

        def first_day(*certified: str) -> date:
            ages = [self.groups[group] for group in certified if group in self.groups]
            return birthday(born, min([self.rules_.minimum_age, *ages]))

        day = first_day(*groups)
        if day <= last_day:
            return Eligibility(day)
        return Eligibility(
            None,
            day_from=day if self.day_known else None,
            turn_at=self.turn_at,
            tell_at=self.tell_at,
            groups=tuple(
                group
                for group in self.groups
                if group not in groups and first_day(*groups, group) <= last_day
            ),
        )

    def join_waiting_list(self, wait: WaitingListRequest) -> int | None:
        self.waits.append(wait)
        return self.ahead

    def kept_place(self, born: date) -> KeptOffer | None:
        self.looks.append("kept_place")
        return self.kept

    def take_place(self, kept: KeptOffer) -> str | Unbooked:
        self.looks.append("take_place")
        return self.reference

    def refuse_place(self, kept: KeptOffer) -> bool:
        self.looks.append("refuse_place")
        return self.waits_on

    def news_told(self, rung_for: str) -> None:
        self.looks.append("news_told")

    def promise_news(self, number: str, news: News, at: datetime, *, by_text: bool) -> None:
        self.news.append((number, news, at, by_text))

    def hold_nearest(self, search: Search) -> tuple[Offer, ...]:
        self.searches.append(search)
        anew = search.skip_slots and self.found_anew is not None
        found = self.found_anew if anew else self.found
        return found or ()

    def hold_again(self, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        return offers

    def hold_adjacent(
        self, offer: Offer, instead_of: tuple[Offer, ...], wanted: tuple[str, ...] = ()
    ) -> tuple[Offer, ...]:
        self.beside_for.append(wanted)
        return (replace(offer, place_id=offer.place_id + 500),) if self.adjacent else ()

    def languages(self) -> tuple[str, ...]:
        return self.spoken_here

    def confirm(self, order: BookingOrder) -> str | Unbooked:
        self.orders.append(order)
        if self.proof_wanted and order.number:
            return Unbooked.NOT_PROVED
        return self.reference

    def text_leaves(self, number: str) -> bool:
        return self.texts_leave

    def wheelchair(self, centre_id: str) -> str:
        self.looks.append("wheelchair")
        return self.wheelchairs

    def calls_about(self, offer: Offer) -> ReminderHours:
        self.looks.append("calls_about")
        return self.calls

    def wish_calls(self, references: tuple[str, ...]) -> None:
        self.wishes.append(references)

    def our_number(self, *, we_ring: bool = False) -> str:
        return OUR_CALLER_ID if we_ring else OUR_NUMBER

    def greeting(self, language: str) -> str:
        return self.greetings.get(language, "")

    def number_elsewhere(self, postcode: str) -> str | None:
        self.looks.append("number_elsewhere")
        return self.elsewhere

    def rung_about(self, rung_for: str, born: date) -> CallerBooking | NotMine:
        self.looks.append("rung_about")
        mine = self.mine
        return replace(mine, reference=REFERENCE) if isinstance(mine, CallerBooking) else mine

    def find_booking(self, reference: str, born: date) -> CallerBooking | NotMine:
        self.asked_for.append(reference)
        return self.mine

    def text_booking(self, born: date) -> bool:
        self.asked_for.append("text")
        return self.texts

    def booking_now(self, booking_id: str) -> CallerBooking | None:
        return self.mine if isinstance(self.mine, CallerBooking) else None

    def changes_need_a_person(self, mine: CallerBooking, *, cancelling: bool) -> bool:
        self.looks.append("changes_need_a_person")
        return self.guarded

    def cancel_booking(
        self, mine: CallerBooking, doses: tuple[int, ...], service: str = ""
    ) -> NotChanged | None:
        self.changed.append(("cancel", *doses, *([service] if service else [])))
        return self.not_changed

    def move_booking(
        self, mine: CallerBooking, offer: Offer, moving: Moving, service: str = ""
    ) -> NotChanged | None:
        self.changed.append(("move", service or moving, offer.place_id))
        return self.not_changed

    def take_far(self, mine: CallerBooking) -> None:
        self.changed.append(("take_far",))

    def undo_cancel(self, mine: CallerBooking) -> NotChanged | None:
        self.changed.append(("undo",))
        return self.not_changed

    def promise_callback(self, number: str, reason: str) -> bool:
        self.promises.append((number, reason))
        return self.promises_new

    def ask_owner(self, number: str, reason: str) -> bool:
        self.owners_asked.append((number, reason))
        return self.place_promised

    def callback_answered(self, rung_for: str) -> RungPerson:
        self.looks.append("callback_answered")
        return self.answered

    def callback_refused(self, rung_for: str) -> None:
        self.looks.append("callback_refused")

    def join_queue(self, session: Session, reason: str) -> QueuePlace | Unavailable:
        self.line.append(("join", reason))
        return self.person

    def leave_queue(self) -> None:
        self.line.append(("leave",))

    def promise_place(self, number: str) -> bool:
        self.line.append(("promise", number))
        return self.place_promised

    def agents_at_work(self) -> bool:
        return self.person != Unavailable(NoPerson.NOBODY)

    def person_hours(self) -> tuple[datetime, datetime] | None:
        if self.hours_in is None:
            return None
        opens = (self.moment + self.hours_in).astimezone(PARIS)
        return opens, opens + timedelta(hours=8)

    def callback_at(self) -> datetime | None:
        self.line.append(("when",))
        if self.callback_after is None:
            return None
        return (self.moment + self.callback_after).astimezone(PARIS)

    def promised_at(self) -> datetime | None:
        return self.callback_at()

    def after_queue(self) -> AfterQueue:
        self.line.append(("after queue",))
        return self.place

    def after_agent(self) -> BackFromAgent:
        self.line.append(("after agent",))
        return self.agent

    def take_up(self, earlier: str) -> TakenUp | None:
        self.changed.append(("take up", earlier))
        return self.cut

    def new_resume_code(self) -> str:
        return CODE

    def earlier_by_code(self, code: str, born: date | None = None) -> Earlier | CodeNeeds | None:
        if self.codes_guessed and born is None:
            return CodeNeeds.BIRTH_DATE
        return earlier(self) if code == CODE else None

    def remember_pace(self, *, slow: bool) -> None:
        """Nothing follows from it within a call."""


def earlier(world: RehearsedWorld) -> Earlier:
    """What a caller from the same line hears of the call that was cut."""
    if world.cut is None or not world.cut.kept:
        return Earlier("CA1", "fr")
    offer = world.cut.session.choice
    return Earlier("CA1", "fr", offer.town, offer.time_zone, world.moment + KEPT_FOR)


def ringing(kind: CallerKind = CallerKind.MOBILE) -> Session:
    """The session of a call that just rings."""
    number = {CallerKind.MOBILE: MOBILE, CallerKind.LANDLINE: LANDLINE, CallerKind.NONE: ""}[kind]
    return Session(caller=number, caller_kind=str(kind))


@dataclass(frozen=True)
class Exchange:
    """What was heard at which step, what was answered, and where that led."""

    step: str
    heard: Input
    speech: Speech
    after: Session


# What a caller with all data at hand answers; 1 at every other question.
COMMON_ANSWERS = {
    "date_of_birth": keys("12031942"),
    "postcode": keys("75011"),
    # Without a mobile: only callers who have none are asked.
    "reach": keys("2"),
}
MOST_EXCHANGES = 60


def all_is_told(session: Session) -> bool:
    """Whether the call may simply be left: the reference was told, or everything is written."""
    told = session.step == "reference" or (session.step == "ready" and session.gets_text)
    return told and not session.is_first_of_two


def common_path(
    session: Session, world: World, answers: Mapping[str, Input] = COMMON_ANSWERS
) -> tuple[Exchange, ...]:
    """The call of a person who answers each question at once and takes the first offer.

    Nothing is pressed once all is told. Raises RuntimeError where the call comes to no end, and
    flows.engine.ConversationLost.
    """
    met: list[Exchange] = []
    heard = RING
    for _ in range(MOST_EXCHANGES):
        step = session.step
        session, speech = advance(session, heard, world)
        met.append(Exchange(step, heard, speech, session))
        if speech.listen is None:
            return tuple(met)
        heard = SILENCE if all_is_told(session) else answers.get(session.step, keys("1"))
    raise RuntimeError(f"the common path comes to no end; it is at {session.step}")
