"""Appointments moved in every way: what each person is told is read against the store.

By a closing, an edition of the directory, a secretary, a supervisor, the caller, a partner, and
back; the hour, the place, one of two doses, one of two services. The text is read as a person reads
it: which moments and places it names, and what it says of them.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from jobs.feeds import read_centres
from models.booking.changes import BookingDetails
from models.booking.tables import booking
from models.centre_day import operations
from models.centres.tables import centre, postcode
from models.messages import outbox
from models.slots.slots import SlotsToOpen, open_slots
from services.booking import change_booking
from services.booking.changed import By
from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import IMPORT, CentreLife
from services.centre_day.move_people import MoveOutcome
from services.centre_day.operation import LifeRefused, OperationRequest
from services.centres.directory import Directory, kilometres_to
from services.centres.import_centres import import_centres
from services.messages.change_notices import renders
from services.messages.notices import ReadyNotice
from services.messages.sms_parts import parts, to_gsm
from services.slots.allocate import Channel, Chosen, Holder
from tests.booking.test_services import BOTH, booked
from tests.centre_day.test_centre_life import books, file_of, slot_at
from tests.slots.test_holds_machine import machine
from tests.support.house import POSTCODES, House, campaign_with, mornings
from tests.support.rows import change, knows_postcode, rows_of

pytestmark = [pytest.mark.once, pytest.mark.slow]

PARIS = ZoneInfo("Europe/Paris")
NUMBER = "+33974750001"
# Kilometres to each centre; the last is out of reach of the campaign, and a place there is kept.
CENTRES = {"1": 1.0, "2": 3.0, "3": 9.0, "4": 90.0}
STREETS = {"1": "1 rue du Bac", "2": "22 rue du Lac", "3": "33 rue du Parc", "4": "44 rue du Port"}
STARTS = [*mornings(3, first=5), *mornings(3, first=26)]
MONTHS = {"novembre": 11, "décembre": 12, "janvier": 1}
WHY = OperationRequest("la salle est inondée")

Where = dict[int, tuple[str, datetime]]


# ---------------------------------------------------------------- a text, as a person reads it

_MOMENT = re.compile(
    r"(\d{1,2})(?:er)?(?:/(\d\d)| (novembre|décembre|janvier)) à (\d{1,2})h(\d\d)?"
)
_STAYS = re.compile(r"ne change pas : [^.]*\.?[^.]*\.")
_INSTEAD = re.compile(r"au lieu du (?P<old>[^,]*?\d+h\d*(?: et du [^,]*?\d+h\d*)?)\.")


def moments(words: str) -> set[tuple[int, int, int, int]]:
    return {
        (int(day), int(number or MONTHS[name]), int(hour), int(minute or 0))
        for day, number, name, hour, minute in _MOMENT.findall(words)
    }


def moment(at: datetime, zone: ZoneInfo = PARIS) -> tuple[int, int, int, int]:
    local = at.astimezone(zone)
    return local.day, local.month, local.hour, local.minute


def where(file: BookingDetails) -> Where:
    return {one.dose: (one.centre_id, one.start_at) for one in file.live}


def wrong_in(text: str, was: Where, now: Where, *, asked: bool) -> list[str]:
    """What a text of a change says that the store does not, or leaves out.

    `asked`: somebody chose where they are now, or they are back there.
    """
    wrong: list[str] = []

    def demand(holds: object, sentence: str) -> None:
        if not holds:
            wrong.append(f"{sentence}: {text} ({was} -> {now})")

    if "est maintenu" in text or "sont maintenus" in text or "pas avoir lieu" in text:
        demand(was == now, "it says that nothing moved")
        demand(moments(text) <= {moment(start) for _, start in now.values()}, "another moment")
        return wrong
    # A part of an appointment that leaves it is an appointment of its own.
    before = {dose: was.get(dose, next(iter(was.values()))) for dose in now}
    moved = {dose for dose in now if before[dose] != now[dose]}
    instead = _INSTEAD.search(text)
    stays = {moment(now[dose][1]) for dose in now if dose not in moved}
    demand(moments("".join(_STAYS.findall(text))) <= stays, "what is said to stay does not")
    told = moments(_STAYS.sub("", _INSTEAD.sub("", text)))
    demand(told == {moment(now[dose][1]) for dose in moved}, "the new moments are others")
    if instead:
        old = {moment(before[dose][1]) for dose in moved}
        demand(moments(instead["old"]) == old, "the old moments are others")
    elif "inchangé" in text:
        same = all(before[dose][1] == now[dose][1] for dose in moved)
        demand(same, "an hour is not the same")
    for centre_id, street in STREETS.items():
        there = [dose for dose in moved if now[dose][0] == centre_id]
        demand((to_gsm(street) in text) == bool(there), f"place {centre_id}")
        anew = any(before[dose][0] != centre_id for dose in there)
        said_so = "gardée" in text or re.search(rf"autre lieu : [^:.]*{street}", text) is not None
        demand(not there or said_so is anew, "another place" if anew else "no other place")
    for word, dose in (("premier", min(now)), ("second", max(now))):
        said = f"Le {word} ne change pas" in text
        demand(not said or dose not in moved, f"the {word} does change")
    far = any(now[dose][0] == "4" for dose in moved)
    demand(asked or ("gardée" in text) == far, "a place is kept far away")
    demand(parts(text) <= 2, "more than two parts")
    return wrong


def test_the_reading_finds_what_is_false():
    """The reader itself: the text of the finding, and one that leaves the move out."""
    start, other = STARTS[0], STARTS[3]
    was: Where = {1: ("1", start), 2: ("1", other)}
    now: Where = {1: ("2", start), 2: ("2", other)}
    local = [f"{at.astimezone(PARIS):%d/%m à %-Hh%M}" for at in (start, other)]
    told = f"Premier rendez-vous : {local[0]}, {STREETS['2']}"
    false = f"{told}. Le second ne change pas : {local[1]}."
    assert any("the second does change" in one for one in wrong_in(false, was, now, asked=True))
    assert any("another place" in one for one in wrong_in(false, was, now, asked=True))
    both = f"{local[0]} et {local[1]}, autre lieu : {STREETS['2']}, jours et heures inchangés."
    assert wrong_in(both, was, now, asked=True) == []
    assert wrong_in(both, was, {1: now[1], 2: was[2]}, asked=True)


def text_of(house: House, message_id: str) -> str:
    """What a message of a change says when it leaves; empty where it says nothing."""
    notices = renders(lambda _: None, NUMBER)
    with house.database.transaction() as connection:
        stored = outbox.load(connection, house.store.vault, message_id)
        assert stored is not None
        try:
            ready = notices[stored.claimed.kind](connection, house.store, stored.claimed)
        except ValueError:
            # There are no words for it.
            return ""
    return ready.text if isinstance(ready, ReadyNotice) else ""


def told_last(house: House, booking_id: str) -> str:
    (row,) = (row for row in house.messages() if row.booking_id == booking_id)
    return text_of(house, row.id)


# ---------------------------------------------------------------- a town whose people are moved


@dataclass
class Town:
    """Three people booked at centre 1, and what became of each since they were told last."""

    house: House
    campaigns: Sequence[Campaign]

    def __post_init__(self) -> None:
        house = self.house
        knows_postcode(house, "75011", *POSTCODES["75011"][3:], "metropole")
        for gid, kilometres in CENTRES.items():
            starts = STARTS if gid != "1" else STARTS[::2]
            house.opens_centre(
                gid, street=STREETS[gid], kilometres=kilometres, starts=starts, capacity=3
            )
        self.life = CentreLife(
            house.store,
            Campaigns.fixed(*self.campaigns),
            directory=Directory(house.database, centres_fresh_seconds=0),
        )
        doses = self.campaigns[0].doses
        if len(self.campaigns) > 1:
            people = [
                booked(house, self.campaigns, holder=f"CA-{n}", number=f"+3361234567{n}").id
                for n in range(3)
            ]
        else:
            seconds = STARTS[4:5] if doses > 1 else []
            people = [books(house, "1", STARTS[0], *seconds) for _ in range(3)]
        self.told = {
            one: (file_of(house, one).version, where(file_of(house, one))) for one in people
        }
        self.wrong: list[str] = []

    # ------------------------------------------------------------ ways of moving

    def closes(self, gid: str, day: int) -> None:
        self.life.close_centre(gid, WHY)

    def is_left_out(self, gid: str, day: int) -> None:
        """By an edition of the directory."""
        with self.house.database.transaction() as connection:
            operations.set_closed(connection, self.house.clock, gid, closed=True)
        self.life.settle(replace(WHY, who=IMPORT))

    def closes_for_a_day(self, gid: str, day: int) -> None:
        """As a secretary does."""
        self.life.close_day(gid, STARTS[day].astimezone(PARIS).date(), replace(WHY, who="sec-1"))

    def is_cut(self, gid: str, day: int) -> None:
        on = STARTS[day].astimezone(PARIS).date()
        self.life.set_capacity(gid, on, on, day % 2, WHY)

    def moves_an_hour(self, gid: str, day: int) -> None:
        local = STARTS[day].astimezone(PARIS)
        to = (local + timedelta(minutes=70)).time()
        self.life.move_hour(gid, local.date(), local.time(), to, WHY)

    def goes_back(self, gid: str, day: int) -> None:
        (newest,) = self.life.newest(limit=1) or (None,)
        if newest is not None:
            self.life.undo(newest.id, OperationRequest(""))

    def by(self, channel: Channel) -> Callable[[str, int], None]:
        """One person is moved, by themselves or by somebody for them: some doses, or a half."""

        def moves(gid: str, day: int) -> None:
            house = self.house
            booking_id = sorted(self.told)[day % len(self.told)]
            file = file_of(house, booking_id)
            if not file.live:
                return
            one = file.live[day % len(file.live)]
            service = (
                one.live_services[day % len(one.live_services)].service if one.services else ""
            )
            campaign = next(each for each in self.campaigns if service in {"", each.service})
            slot_id = slot_at(house, gid, STARTS[day] if gid != "1" else STARTS[day // 2 * 2])
            to = {one.dose: Chosen(0, slot_id, STARTS[day])}
            if len(file.live) > 1 and not file.of_several and day % 2:
                # Both, to another place.
                to = {
                    each.dose: Chosen(0, slot_at(house, gid, each.start_at), each.start_at)
                    for each in file.live
                    if gid != "1" and each.start_at in STARTS
                } or to
            with house.database.transaction() as connection:
                change_booking.move(
                    connection,
                    house.store,
                    campaign,
                    Holder(channel, "somebody"),
                    booking_id,
                    to=to,
                    by=By("somebody", channel),
                    service=service,
                )

        return moves

    # ------------------------------------------------------------ what is told

    def read(self, *, asked: bool) -> None:
        """Read what each person was told of what changed since they were told last."""
        house = self.house
        rows = {row.dedupe_key: row for row in house.messages()}
        for booking_id, (version, was) in self.told.items():
            file = file_of(house, booking_id)
            now = where(file)
            self.told[booking_id] = (file.version, now)
            if file.version == version:
                if was != now:
                    self.wrong.append(f"moved without a version: {booking_id}")
                continue
            row = rows.get(f"booking_changed:{booking_id}:{file.version}")
            text = text_of(house, row.id) if row is not None else ""
            if not text:
                self.wrong.append(f"changed and not told: {was} -> {now}")
            elif file.version == version + 1:
                self.wrong += wrong_in(text, was, now, asked=asked)


WAYS = (
    "closes",
    "is_left_out",
    "closes_for_a_day",
    "is_cut",
    "moves_an_hour",
    "goes_back",
    *(Channel.PHONE, Channel.AGENT, Channel.SUPERVISOR, Channel.PARTNER),
)
KINDS = {
    "one dose": (campaign_with(radius_kilometres=60.0),),
    "two doses": (campaign_with(doses=2, radius_kilometres=60.0),),
    "two services": tuple(replace(one, radius_kilometres=60.0) for one in BOTH),
}
moves = st.lists(
    st.tuples(st.sampled_from(WAYS), st.sampled_from(["1", "1", *CENTRES]), st.integers(0, 5)),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("examples", [6, pytest.param(20, marks=pytest.mark.long)])
def test_whoever_is_moved_is_told_what_the_store_says(
    request: pytest.FixtureRequest, kind: str, examples: int
):
    store = machine(request, doses=1)
    wrong: list[str] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(moves)
    def play(steps: list[tuple[str, str, int]]) -> None:
        url = store.create()
        house = House(url, campaign=KINDS[kind][0])
        try:
            town = Town(house, KINDS[kind])
            for way, gid, day in steps:
                act = town.by(way) if isinstance(way, Channel) else getattr(town, way)
                try:
                    act(gid, day)
                except LifeRefused:
                    continue
                town.read(asked=isinstance(way, Channel) or way == "goes_back")
            said: list[str] = []
            verify_store(house.store, KINDS[kind], limit=9, say=said.append)
            wrong.extend(f"{one} after {steps}" for one in (*town.wrong, *said))
        finally:
            house.close()
            store.drop(url)

    play()
    untold = sum("not told" in one for one in wrong)
    assert wrong == [], f"{untold} not told, {len(wrong) - untold} told falsely: {wrong[0]}"


# ---------------------------------------------------------------- the directory without 286 centres

# How many of its centres the next edition leaves out, and at how many of all somebody is booked.
LEFT_OUT, BOOKED = 286, 71
RADIUS = 60.0


@pytest.mark.parametrize("one_in", [4, pytest.param(1, marks=pytest.mark.long)])
def test_an_edition_without_286_centres_tells_each_person_the_truth(service: House, one_in: int):
    """Each person's text names where and when they are now; nobody is moved out of their reach.

    By day with every fourth centre of the directory, and so many less of all.
    """
    service.campaign = campaign_with(radius_kilometres=RADIUS)
    feed = read_centres()
    feed.records = [
        replace(one, closed=False, closes_on=None, walk_in="") for one in feed.records[::one_in]
    ]
    import_centres(service.database, service.clock, feed)
    change(service.database, update(centre).values(booking_mode="ours"))
    everywhere = rows_of(service.database, select(centre).order_by(centre.c.id))
    by_id = {one.id: one for one in everywhere}
    # Places are scarce, and in most towns there is one centre.
    with_places = everywhere[::4]
    open_slots(
        service.database,
        [SlotsToOpen(one.id, tuple(STARTS[:2]), capacity=1) for one in with_places],
    )
    people = {}
    for one in with_places[:: len(everywhere) // 4 * one_in // BOOKED][: BOOKED // one_in]:
        person = books(service, one.id, STARTS[0])
        people[person] = one
        if one.postcode not in POSTCODES and not rows_of(
            service.database, select(postcode).where(postcode.c.code == one.postcode)
        ):
            position = (one.latitude, one.longitude, one.territory)
            knows_postcode(service, one.postcode, *position)
        lives = update(booking).where(booking.c.id == person).values(postcode=one.postcode)
        change(service.database, lives)
    every_second = [one.id for one in people.values()][::2]
    left_out = set(list(dict.fromkeys([*every_second, *by_id]))[: LEFT_OUT // one_in])
    feed.records = [one for one in feed.records if one.id not in left_out]
    import_centres(service.database, service.clock, feed, force=True)
    life = CentreLife(
        service.store,
        Campaigns.fixed(service.campaign),
        directory=Directory(service.database, centres_fresh_seconds=0),
    )

    fates: dict[str, MoveOutcome] = {}
    for done in life.settle(replace(WHY, who=IMPORT)):
        fates |= done.fates

    was = {person: {1: (one.id, STARTS[0])} for person, one in people.items()}
    for person, fate in fates.items():
        text, now = told_last(service, person), where(file_of(service, person))
        ((centre_id, start),) = now.values()
        at = by_id[centre_id]
        there = moment(start, ZoneInfo(at.time_zone))
        assert parts(text) <= 2
        if fate is MoveOutcome.CASE:
            assert now == was[person]
            assert moments(text) == {there}
            continue
        assert to_gsm(at.town) in text
        assert there in moments(text)
        lived = people[person]
        away = kilometres_to(lived.latitude, lived.longitude, at)
        assert ("gardée" in text) is (fate is MoveOutcome.FAR) is (away > RADIUS)
        assert (f" à {round(away)} km" in text) is (fate is MoveOutcome.FAR)
        assert ("autre lieu" in text) is (fate is MoveOutcome.MOVED)
        unchanged = start == STARTS[0] and fate is MoveOutcome.MOVED
        assert ("jour et heure inchangés" in text) is unchanged
    assert set(fates) == {person for person, one in people.items() if one.id in left_out}
    assert set(fates.values()) == {MoveOutcome.MOVED, MoveOutcome.FAR, MoveOutcome.CASE}
    said: list[str] = []
    verify_store(service.store, [service.campaign], limit=9, say=said.append)
    assert said == []
