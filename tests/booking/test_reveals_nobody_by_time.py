"""A thousand people who are booked and a thousand who are not: the same end, in the same time.

On each path on which nobody of the service looks at who asks: the words of the use case as each
channel orders it; words and times of the whole end of a visit on the web, of a call, of texts and
of a look-up, as somebody who tries other people's numbers would time them. What is said to all two
thousand is one text, once what is random in it and their own number are taken out.
"""

from __future__ import annotations

import itertools
import random
import re
import statistics
import time

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from models.booking.reach import Proof
from services.booking import stand_in
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.slots.allocate import Channel, Holder
from services.store import ReachLimits
from tests.booking.ranks import mann_whitney
from tests.booking.test_reveals_nobody import shapes
from tests.messages.conftest import INBOX, Writer
from tests.online.visitors import OTHER_DAY, Visitor
from tests.support import parts
from tests.support.house import House, campaign_with, house, mornings
from tests.support.rows import clock_of, holds, on_the_wire, orders, request_for

pytestmark = pytest.mark.slow

PEOPLE = int(parts.environment("KNOWN_PEOPLE") or "1000")
# Enough of them to see what is said, and too few for a time.
FEW = 4
DAYS = mornings(6, first=5)
# Less than one in a hundred pairs of samples of one distribution has a smaller p.
ALIKE = 0.01
# So one in a hundred of honest runs would fail; one that does is judged once more, by new people.
RUNS = 2


def test_what_is_alike_and_what_is_not():
    """Against values worked out by scipy.stats.mannwhitneyu (asymptotic, with continuity)."""
    assert mann_whitney([1, 2, 3, 4, 5], [2, 3, 4, 5, 6]) == pytest.approx(0.3976, abs=1e-3)
    assert mann_whitney(range(100), range(50, 150)) < 1e-8
    assert mann_whitney([1.0] * 30, [1.0] * 30) == 1.0


@dataclass(frozen=True)
class Person:
    """A mobile, and which one of those who ask this is; the last two digits are all the same."""

    turn: int
    known: bool
    # Whose client address asks: their own, unless another one's is named.
    asked_from: int | None = None

    @property
    def number(self) -> str:
        return f"+336{self.turn:06d}78"

    @property
    def address(self) -> str:
        """A client address, a /56 of IPv6 each."""
        turn = self.turn if self.asked_from is None else self.asked_from
        return f"2001:db8:{turn // 250:x}:{turn % 250:x}00::1"

    @property
    def spelling(self) -> re.Pattern[str]:
        """Their number as a page, a text or a call writes it."""
        pairs = re.findall(r"..", "0" + self.number[3:])
        return re.compile(r"[\s\u00a0\u202f]*".join(pairs) + "|" + re.escape(self.number))


@dataclass
class Ends:
    """What the ends of one path were: their times in seconds, and what was said in them."""

    wall: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    processor: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    said: Counter[tuple[bool, str]] = field(default_factory=Counter)

    def add(self, person: Person, end: Callable[[], str]) -> None:
        """Let this person come to the end, and note it; `end` gives what was said."""
        processor, wall = time.process_time(), time.perf_counter()
        said = end()
        self.wall[person.known].append(time.perf_counter() - wall)
        self.processor[person.known].append(time.process_time() - processor)
        said = person.spelling.sub("NUMBER", said)
        self.said[person.known, said] += 1

    def words(self, *, known: bool) -> dict[str, int]:
        """Each thing that was said to them, and how often."""
        return {said: count for (whose, said), count in self.said.items() if whose is known}

    def p(self) -> float:
        """The smaller one of both clocks: the processor's tells more on a machine that is busy."""
        return min(mann_whitney(one[True], one[False]) for one in (self.wall, self.processor))

    def figures(self) -> str:
        known, unknown = (1000 * statistics.median(self.wall[one]) for one in (True, False))
        p = [mann_whitney(one[True], one[False]) for one in (self.wall, self.processor)]
        return (
            f"known {known:.2f} ms, unknown {unknown:.2f} ms;"
            f" p {p[0]:.3f} by the wall, {p[1]:.3f} by the processor"
        )


# A path: who comes to its last question, and what then answers and is said.
Path = Callable[[House, Person], Callable[[], str]]
PAIRS = re.compile(r"(?:\d{2}(?:[ ,.\u00a0\u202f]|<[^>]*>)*){5}")


def of_channel(channel: Channel) -> Path:
    """The use case alone, as this channel orders it."""

    def comes(town: House, person: Person) -> Callable[[], str]:
        holder = f"{channel}-{person.turn}-{next(_COPIES)}"
        held = holds(town, holder, channel=channel, campaign=town.campaign)[0]
        request = replace(
            request_for(held, holder),
            holder=Holder(channel, holder),
            number=person.number,
            text_to=person.number,
            call_id=None,
            reach=Reach(Proof.LINE if channel is Channel.PHONE else Proof.NONE, person.address),
        )

        def asks() -> str:
            done = orders(town, request)
            assert isinstance(done, Booked)
            return f"{done.text_leaves} {done.message_id is None}"

        return asks

    return comes


_COPIES = itertools.count(1)


def on_the_web(town: House, person: Person) -> Callable[[], str]:
    visitor = Visitor(town, address=person.address)
    visitor.comes_to("confirmer", number="0" + person.number[3:])

    def confirms() -> str:
        visitor.presses("/rendez-vous/confirmer")
        page = re.sub(r'(name="(?:n|token)" value=")[^"]*', r"\1", visitor.page)
        # The code for the door is a picture of a link with the reference in it.
        page = re.sub(r'<path class="modules"[^>]*>', "", page)
        return f"{visitor.status} {visitor.path} {PAIRS.sub('REFERENCE', page)}"

    return confirms


def by_telephone(town: House, person: Person) -> Callable[[], str]:
    phone = town.phone(person.number).goes_to("reach").answers("1")
    assert phone.step == "confirm"
    heard = len(phone.documents)

    def confirms() -> str:
        while not phone.ended:
            phone.answers("1")
        said = b"\n".join(phone.documents[heard:]).decode()
        return re.sub(r"CA[0-9a-f]{32}", "CALL", PAIRS.sub("REFERENCE", said))

    return confirms


def by_text(town: House, person: Person) -> Callable[[], str]:
    writer = Writer(town, town.app, person.number, _TEXTS)
    for body in ("RDV", "1", "12031942", "1", "75011", "1"):
        writer.writes(body)

    def confirms() -> str:
        return PAIRS.sub("REFERENCE", "\n".join(writer.writes("1")))

    return confirms


_TEXTS = itertools.count(1)


def looks_up(town: House, person: Person) -> Callable[[], str]:
    """A reference that there is or is not, with a birth date of nobody."""
    visitor = Visitor(town, address=person.address)
    reference = f"{4_521_000_000 + person.turn + 1:010d}" if person.known else f"{person.turn:010d}"

    def looks() -> str:
        visitor.sends("/mon-rendez-vous", reference=reference, **OTHER_DAY)
        page = re.sub(r'(name="(?:n|token)" value=")[^"]*', r"\1", visitor.page)
        return f"{visitor.status} {visitor.path} {page}"

    return looks


PATHS: dict[str, Path] = {
    "order of a call": of_channel(Channel.PHONE),
    "order of a visit": of_channel(Channel.WEB),
    "order of a partner": of_channel(Channel.PARTNER),
    "web": on_the_web,
    "telephone": by_telephone,
    "text": by_text,
    "look-up": looks_up,
}


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    """The limits of production but those of a birth date and a centre, which all share here."""
    campaign = campaign_with(per_number=5, few_places=1, texts_per_number=50)
    limits = ReachLimits(per_birth_date=0, typed_an_hour=0, row_an_hour=0, alike_an_hour=0)
    with house(database_url, campaign=campaign, reach=limits, links=True) as made:
        made.settings.sms_reply_number = INBOX
        made.settings.text_booking_number = INBOX
        # However slow the machine is.
        made.settings.text_answer_seconds = 60.0
        made.opens_centre("1", starts=DAYS, capacity=9 * FEW)
        yield made


def come(
    town: House, path: Path, people: int, first: int = 0, booked: Channel = Channel.PHONE
) -> Ends:
    """So many who are booked, and so many who are not, in no order; from a number `first` on.

    Booked yesterday by telephone, from their own line; else today on the web, by typing.
    """
    everybody = [Person(first + turn, turn < people) for turn in range(2 * people)]
    for person in everybody[:people]:
        of_channel(booked)(town, person)()
    if booked is Channel.PHONE:
        clock_of(town).advance(timedelta(hours=25))
    # What was prepared once is prepared.
    for turn in range(FEW):
        path(town, Person(first + 2 * people + turn, known=False))()
    # What a machine does meanwhile meets both alike.
    random.Random(29).shuffle(everybody)  # noqa: S311 (no secret)
    ends = Ends()
    for person in everybody:
        ends.add(person, path(town, person))
    return ends


def one_text_each(town: House) -> bool:
    """Nobody's number has more than one text that tells them of the booking they have."""
    texts = Counter(row.recipient_idx for row in town.messages(stand_in.KIND))
    return set(texts.values()) <= {1}


@pytest.mark.parametrize("path", PATHS)
def test_known_and_unknown_people_are_told_the_same(town: House, path: str):
    ends = come(town, PATHS[path], FEW)
    assert ends.words(known=True) == ends.words(known=False)
    assert len(ends.said) == 2
    # They ask once more the same day: whoever is booked has the truth once.
    for turn in range(FEW):
        PATHS[path](town, Person(turn, known=True))()
    assert one_text_each(town)


TYPED = ("order of a visit", "web")
# What somebody from outside can time. The use case alone differs by a tenth of a
# millisecond, for PostgreSQL checks what a new booking refers to.
SEEN = ("web", "telephone", "text", "look-up")


@pytest.mark.parametrize("path", TYPED)
def test_nobody_learns_which_number_was_typed_today(town: House, path: str):
    """It has one text a day of all who only type it, and nothing tells whether this was the one."""
    ends = come(town, PATHS[path], FEW, booked=Channel.WEB)
    assert ends.words(known=True) == ends.words(known=False)
    assert len(ends.said) == 2
    assert one_text_each(town)
    texts = Counter(row.recipient_idx for row in town.messages("sms") if row.state == "pending")
    assert set(texts.values()) == {1}


def test_its_work_is_the_same(town: House):
    """Two who typed a number today, and then both numbers once more, by other people."""
    by_web = of_channel(Channel.WEB)
    for turn in range(3):
        by_web(town, Person(turn, known=True))()
    sent = []
    for turn, number in ((10, 1), (11, 2), (12, 20), (13, 21)):
        stranger = replace(Person(number, known=False), asked_from=turn)
        asks = by_web(town, stranger)
        with on_the_wire(town.database) as said:
            asks()
        sent.append(shapes(said))
    assert sent[0] == sent[1] == sent[2] == sent[3]


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("path", "booked"),
    [*((path, Channel.PHONE) for path in SEEN), ("web", Channel.WEB)],
)
def test_the_times_of_known_and_unknown_people_are_alike(
    town: House, path: str, booked: Channel, capsys: pytest.CaptureFixture[str]
):
    figures = []
    for run in range(RUNS):
        # All of them find the same days, of which the telephone keeps a share from the web.
        town.opens_slots("1", DAYS[:1], (run + 1) * 9 * PEOPLE)
        ends = come(town, PATHS[path], PEOPLE, first=run * 3 * PEOPLE, booked=booked)
        with capsys.disabled():
            print(f"\n{path}, known by {booked}: {ends.figures()}")  # noqa: T201 (the figures of the test)
        assert ends.words(known=True) == ends.words(known=False)
        assert len(ends.said) == 2
        assert one_text_each(town)
        if ends.p() > ALIKE:
            return
        figures.append(ends.figures())
    raise AssertionError(figures)
