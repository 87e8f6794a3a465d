"""Who asks for an appointment learns nothing of who has one: the end is the same, the truth a text.

Each test has two people: one is booked already, and the other is not. What is said to them is the
same once what is random in it is taken out, and so is what is asked of the database. The person who
is booked is told by a text to the number on file, or by an agent.
"""

from __future__ import annotations

import re

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import select

from flows.world import NotMine, Unbooked
from models.accounts.staff import Staff
from models.booking import bookings, changes, look_up
from models.booking.bookings import STAND_IN, STAND_INS, STOOD_DOWN
from models.booking.changes import BookingDetails
from models.booking.reach import Proof
from models.booking.tables import appointment, booking
from models.desk import cases
from models.slots.tables import place
from services.booking import stand_in
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Moved, Restored
from services.booking.confirm_booking import Booked
from services.booking.find_booking import FoundBooking, find_booking
from services.booking.my_bookings import told
from services.booking.reach import Reach
from services.booking.verify_store import verify_store
from services.call.resume_call import BOOKED_WITHIN
from services.desk.search import Criteria, Masked, search
from services.messages.notices import ReadyNotice
from services.slots.allocate import Channel, Chosen, Holder
from services.store import Store
from tests.booking.test_changes import agrees
from tests.online.visitors import Visitor
from tests.support.house import LANDLINE, House, Phone, campaign_with, house, mornings
from tests.support.rows import (
    booked_places,
    clock_of,
    holds,
    on_the_wire,
    orders,
    request_for,
    rows_of,
)

BORN = date(1942, 3, 12)
# Their last two digits, which are read out, are the same.
KNOWN, UNKNOWN = "+33612340078", "+33612350078"
KNOWN_AT_HOME, UNKNOWN_AT_HOME = "+33145670078", "+33145680078"
STRANGERS = (Channel.PHONE, Channel.WEB, Channel.PARTNER)


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(per_number=50)) as made:
        made.opens_centre("1", starts=mornings(30), capacity=8)
        yield made


def asks(
    town: House,
    holder: str,
    *,
    channel: Channel = Channel.PHONE,
    number: str | None = KNOWN,
    by_text: bool = True,
    **more: Any,
) -> Booked | Unbooked:
    held = holds(town, holder, channel=channel, campaign=town.campaign)[0]
    request = replace(
        request_for(held, holder),
        holder=Holder(channel, holder),
        born=BORN,
        number=number,
        text_to=number if by_text else None,
        call_id=None,
        reach=Reach(Proof.LINE),
        **more,
    )
    return orders(town, request)


def is_right(town: House) -> None:
    """The places and appointments agree, and `flask store verify` finds nothing."""
    agrees(town)
    said: list[str] = []
    assert (
        verify_store(town.store, [town.campaign], limit=9, say=said.append).contradictions == 0
    ), said


def file_of(town: House, reference: str) -> BookingDetails:
    with town.database.statement() as connection:
        found = changes.find_by_reference(connection, town.store.vault, reference)
    assert found is not None
    return found


def shapes(sent: Sequence[str]) -> list[str]:
    """The kind of each statement, and its table: what of it no value changes."""
    found = [re.search(r"(INSERT INTO|UPDATE|DELETE FROM|FROM) (\w+)", one) for one in sent]
    return [
        one[0] if one else sent[number].split("(")[0].strip()[:20]
        for number, one in enumerate(found)
    ]


def texts(town: House) -> list[Any]:
    return town.messages(stand_in.KIND)


# ---------------------------------------------------------------- the same end


@pytest.mark.parametrize("channel", STRANGERS)
@pytest.mark.parametrize("by_text", [True, False])
def test_a_repeat_ends_like_a_booking_and_takes_no_place(
    town: House, channel: Channel, *, by_text: bool
):
    first = asks(town, "one", channel=channel, by_text=by_text)
    assert isinstance(first, Booked)
    again = asks(town, "two", channel=channel, by_text=by_text)
    assert isinstance(again, Booked)
    assert re.fullmatch(r"\d{10}", again.reference)
    assert again.reference != first.reference
    assert (again.message_id is None) == (first.message_id is None)
    # Nothing is held, one place is taken, and the store says so of itself.
    assert town.held() == 0
    assert booked_places(town.database) == 1
    is_right(town)


@pytest.mark.parametrize("channel", STRANGERS)
@pytest.mark.parametrize("by_text", [True, False])
def test_known_and_unknown_are_as_many_statements_of_the_same_kinds(
    town: House, channel: Channel, *, by_text: bool
):
    asks(town, "one", channel=channel)
    # What is prepared once is prepared before.
    asks(town, "two", channel=channel, number="+33612360078", by_text=by_text)
    sent = {}
    for number in (KNOWN, UNKNOWN):
        held = holds(town, number, channel=channel, campaign=town.campaign)[0]
        request = replace(
            request_for(held, number),
            holder=Holder(channel, number),
            number=number,
            text_to=number if by_text else None,
            call_id=None,
        )
        with on_the_wire(town.database) as said:
            orders(town, request)
        sent[number] = shapes(said)
    assert sent[KNOWN] == sent[UNKNOWN]
    # BEGIN, what is known, the places, the booking and COMMIT, where one statement stores it.
    assert len(sent[KNOWN]) >= 5


def test_where_the_hold_ran_out_both_are_told_so(town: House):
    asks(town, "one")
    for number in (KNOWN, UNKNOWN):
        held = holds(town, number, campaign=town.campaign)[0]
        request = replace(request_for(held, number), number=number, text_to=number)
        with town.database.transaction() as connection:
            connection.execute(place.update().values(blocked=True))
        assert orders(town, request) is Unbooked.GONE
        with town.database.transaction() as connection:
            connection.execute(place.update().values(blocked=False))


def test_above_the_campaigns_number_both_hear_of_a_person(town: House):
    asks(town, "one")
    asks(town, "other", number=UNKNOWN, rank=2)
    town.campaign = replace(town.campaign, per_number=1)
    sent = []
    for number in (KNOWN, UNKNOWN):
        held = holds(town, number, campaign=town.campaign)[0]
        request = replace(
            request_for(held, number), number=number, text_to=number, reach=Reach(Proof.CODE)
        )
        with on_the_wire(town.database) as said:
            assert orders(town, request) is Unbooked.PERSON
        sent.append([one.replace("RELEASE", "ROLLBACK TO") for one in shapes(said)])
    assert [len(one) for one in sent] == [len(sent[0])] * 2
    # The one who is booked has it in writing all the same.
    assert len(texts(town)) == 1


def test_staff_are_told_the_truth(town: House):
    asks(town, "one", channel=Channel.AGENT)
    before = booked_places(town.database)
    assert asks(town, "two", channel=Channel.AGENT) is Unbooked.PERSON
    assert booked_places(town.database) == before
    assert town.held() == 0


# ---------------------------------------------------------------- on the telephone


def written_alike(document: bytes) -> str:
    """What is said, without references and the ids of calls."""
    text = document.decode()
    # Between the pairs stand the marks for the voice.
    text = re.sub(r"(?:\d{2}(?:[ ,.]|<[^>]*>)*){5}", "REFERENCE", text)
    return re.sub(r"CA[0-9a-f]{32}", "CALL", text)


def heard(phone: Phone) -> list[str]:
    return [written_alike(one) for one in phone.documents]


@pytest.mark.parametrize(
    ("known", "unknown"),
    [(KNOWN, UNKNOWN), (KNOWN_AT_HOME, UNKNOWN_AT_HOME)],
    ids=["mobile", "landline"],
)
def test_a_call_says_the_same_to_both(town: House, known: str, unknown: str):
    town.phone(known).books(born="12031942")
    # The next call of that line is asked right after it whether it is about that booking.
    clock_of(town).advance(BOOKED_WITHIN + timedelta(seconds=1))
    calls = [town.phone(number).books(born="12031942") for number in (known, unknown)]
    assert heard(calls[0]) == heard(calls[1])
    assert [call.ended for call in calls] == [True, True]
    assert town.held() == 0
    assert booked_places(town.database) == 2


def test_whoever_gets_no_text_hears_what_counts(town: House):
    for _ in range(2):
        clock_of(town).advance(BOOKED_WITHIN + timedelta(seconds=1))
        phone = town.phone(LANDLINE).goes_to("ready").answers("1")
        assert "c'est l'ancien qui reste valable" in phone.documents[-1].decode()


# ---------------------------------------------------------------- on the web


def seen(visitor: Visitor) -> str:
    page = re.sub(r'(name="(?:n|token)" value=")[^"]*', r"\1", visitor.page)
    page = re.sub(r'nonce="[^"]*"', "", page)
    return re.sub(r"(?:\d{2}[\s\u202f]*){5}", "REFERENCE", page).replace("35", "34")


@pytest.mark.parametrize("numbers", [(KNOWN, UNKNOWN), (KNOWN_AT_HOME, UNKNOWN_AT_HOME)])
def test_the_page_is_the_same_for_both(town: House, numbers: tuple[str, str]):
    first = Visitor(town).comes_to("", number="0" + numbers[0][3:])
    assert first.path.endswith("/fait")
    pages = [Visitor(town).comes_to("", number="0" + number[3:]) for number in numbers]
    assert [one.path for one in pages] == [first.path] * 2
    assert seen(pages[0]) == seen(pages[1]).replace("5 68", "5 67")
    for one in pages:
        one.reads("c’est le premier qui compte")
    assert booked_places(town.database) == 2


# ---------------------------------------------------------------- afterwards


def looks(town: House, reference: str, born: date = BORN) -> FoundBooking | NotMine:
    with town.database.transaction() as connection:
        return find_booking(
            connection, town.store, reference=reference, born=born, caller="", call_id=reference
        )


def both_ends(town: House) -> tuple[str, str]:
    """The references that a person gets who is booked already, and one who is not."""
    asks(town, "one")
    ends = []
    for number in (KNOWN, UNKNOWN):
        done = asks(town, number, number=number)
        assert isinstance(done, Booked)
        ends.append(done.reference)
    return ends[0], ends[1]


def test_its_reference_is_found_like_any_other(town: House):
    found = [looks(town, one) for one in both_ends(town)]
    shown = []
    for one in found:
        assert isinstance(one, FoundBooking)
        mine = told(one, town.clock.now(), town.campaign.name)
        shown.append(replace(mine, id="", slots=()))
    assert shown[0] == shown[1]


def test_its_reference_with_a_wrong_date_finds_nothing(town: House):
    known, _ = both_ends(town)
    assert isinstance(looks(town, known, BORN + timedelta(days=1)), NotMine)


def test_it_is_cancelled_taken_back_and_moved_like_any_other(town: House):
    by = By("caller", Channel.PHONE)
    for reference in both_ends(town):
        file = file_of(town, reference)
        booked = booked_places(town.database)
        with town.database.transaction() as connection:
            done = cancel(connection, town.store, file.id, (1,), by=by)
        assert isinstance(done, Cancelled), reference
        with town.database.transaction() as connection:
            back = undo_cancel(
                connection, town.store, town.campaign, Holder(Channel.PHONE, "CA-9"), file.id, by=by
            )
        assert isinstance(back, Restored), reference
        slot = holds(town, "CA-9", campaign=town.campaign)[-1].place
        with town.database.transaction() as connection:
            there = move(
                connection,
                town.store,
                town.campaign,
                Holder(Channel.PHONE, "CA-9"),
                file.id,
                to={1: Chosen(slot.place_id, slot.slot_id, slot.start_at)},
                by=by,
            )
        assert isinstance(there, Moved), (reference, there)
        assert file_of(town, reference).version == file.version + 3
        # What is told of it has changed nothing of what there is.
        assert booked_places(town.database) == booked
    is_right(town)


def test_an_agent_who_looks_for_a_stand_in_finds_the_booking_that_there_is(town: House):
    first, again = asks(town, "one"), asks(town, "two")
    assert isinstance(first, Booked)
    assert isinstance(again, Booked)
    real = file_of(town, first.reference)
    agent = Staff("agent-1", "agent1", "Camille", "agent")
    known = Criteria(reference=again.reference), Criteria(number=KNOWN, born=BORN)

    def found() -> list[tuple[Masked, ...]]:
        with town.database.transaction() as connection:
            return [search(connection, town.store, agent, one, on_line=True) for one in known]

    shown = Masked(real.id, first.reference[-2:], KNOWN[-2:], "phone", live=True)
    # Two bookings fit the person, and both are this one.
    assert found() == [(shown,), (shown,)]
    with town.database.transaction() as connection:
        cancel(connection, town.store, real.id, by=By("caller", Channel.PHONE))
    assert found() == [(), (replace(shown, live=False),)]


def test_who_is_really_booked_stays_so_whatever_is_done_with_a_stand_in(town: House):
    known, _ = both_ends(town)
    with town.database.statement() as connection:
        real = stand_in.behind(connection, town.store, file_of(town, known))
    assert real is not None
    stands_in = file_of(town, known)
    with town.database.transaction() as connection:
        cancel(
            connection,
            town.store,
            stands_in.id,
            by=By("caller", Channel.PHONE),
        )
        file = changes.load(connection, town.store.vault, real)
    assert file is not None
    assert [one.state for one in file.appointments] == ["confirmed"]
    assert file_of(town, known).state == STOOD_DOWN


def test_it_counts_nowhere_as_a_booking(town: House):
    asks(town, "one")
    for number in range(3):
        asks(town, f"again-{number}")
    states = rows_of(town.database, select(booking.c.state).order_by(booking.c.created_at))
    assert sorted(row.state for row in states) == ["confirmed", *[STAND_IN] * 3]
    with town.database.transaction() as connection:
        vault = town.store.vault
        assert look_up.count_of_number(connection, vault, town.campaign.name, KNOWN) == 1
        assert len(list(bookings.export(connection, vault))) == 1
    keys = select(appointment.c.person_idx).where(appointment.c.state.in_(STAND_INS))
    assert {row.person_idx for row in rows_of(town.database, keys)} == {None}


def test_two_who_book_the_same_person_at_once_have_one_booking(
    town: House, monkeypatch: pytest.MonkeyPatch
):
    """It was looked before the other one booked: what is there then is seen at the INSERT."""
    blind = look_up.Known()
    seen_first = look_up.known
    asked = iter([blind])
    monkeypatch.setattr(
        look_up, "known", lambda *given, **more: next(asked, None) or seen_first(*given, **more)
    )
    asks(town, "one", rank=2)
    asks(town, "one-again")
    asked = iter([blind])
    done = asks(town, "two")
    assert isinstance(done, Booked)
    assert file_of(town, done.reference).state == STAND_IN
    assert booked_places(town.database) == 2


# ---------------------------------------------------------------- the truth


def test_who_forgot_is_told_once_a_day_at_the_number_on_file(town: House):
    asks(town, "one")
    for number in range(5):
        asks(town, f"again-{number}")
    (row,) = texts(town)
    assert row.recipient_idx == town.store.vault.index("phone", KNOWN)
    clock_of(town).advance(timedelta(days=1))
    asks(town, "later")
    assert len(texts(town)) == 2


def test_several_people_of_one_number_have_one_text_a_day_between_them(town: House):
    for rank in (1, 2):
        asks(town, f"first-{rank}", rank=rank)
    for rank in (1, 2):
        asks(town, f"again-{rank}", rank=rank)
    assert len(texts(town)) == 1


def test_the_text_says_what_is_booked_and_nothing_of_what_was_asked(town: House):
    first = asks(town, "one")
    assert isinstance(first, Booked)
    again = asks(town, "two")
    assert isinstance(again, Booked)
    render = stand_in.renders("+33974750001")[stand_in.KIND]
    (row,) = texts(town)
    with town.database.transaction() as connection:
        claimed = claim(connection, town.store, row.id)
        ready = render(connection, town.store, claimed)
    assert isinstance(ready, ReadyNotice)
    assert ready.recipient == KNOWN
    assert "était déjà pris" in ready.text
    assert first.reference in ready.text
    assert again.reference not in ready.text


def claim(connection: Any, store: Store, message_id: str) -> Any:
    from models.messages import claims  # noqa: PLC0415 (of this test alone)

    claimed = claims.claim(connection, store.clock, store.vault, message_id, timedelta(minutes=1))
    assert claimed is not None
    return claimed


def test_once_it_is_cancelled_no_text_says_that_it_counts(town: House):
    first = asks(town, "one")
    assert isinstance(first, Booked)
    asks(town, "two")
    with town.database.transaction() as connection:
        file = file_of(town, first.reference)
        cancel(connection, town.store, file.id, by=By("caller", Channel.PHONE))
    render = stand_in.renders("+33974750001")[stand_in.KIND]
    (row,) = texts(town)
    with town.database.transaction() as connection:
        assert render(connection, town.store, claim(connection, town.store, row.id)) is None


def test_who_has_no_mobile_is_rung_by_an_agent_once_a_day(town: House):
    asks(town, "one", number=KNOWN_AT_HOME, by_text=False)
    for number in range(3):
        asks(town, f"again-{number}", number=KNOWN_AT_HOME, by_text=False)
    assert stand_in.look_after(town.store) == 3
    with town.database.statement() as connection:
        (case,) = [one for one in cases.waiting(connection, limit=9) if one.kind == stand_in.KIND]
        file = changes.load(connection, town.store.vault, case.booking_id or "")
    assert file is not None
    assert (file.state, file.number) == ("confirmed", KNOWN_AT_HOME)
    # Each is looked after once.
    assert stand_in.look_after(town.store) == 0


def test_a_mobile_that_wished_no_text_is_told_all_the_same(town: House):
    asks(town, "one", by_text=False)
    asks(town, "two", by_text=False)
    assert texts(town) == []
    stand_in.look_after(town.store)
    assert len(texts(town)) == 1
