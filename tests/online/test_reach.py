"""Proof of reach: a script gets little, and the people behind the same address go on."""

from __future__ import annotations

import re
import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.booking import reach as rows
from models.booking.tables import appointment, booking
from models.crypto import INDEX_BYTES
from models.database import POOL_SIZE
from models.online.tables import reach_code
from models.slots.tables import place as place_table
from models.waiting_list.tables import waiting_entry
from services.attempts import KEPT
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.booking.stand_in import look_after
from services.online import prove_number
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel, Holder
from services.store import ReachLimits
from tests.online.visitors import Visitor
from tests.support.house import (
    LANDLINE,
    NOON,
    WITHHELD,
    House,
    a_mobile,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import (
    as_in_production,
    change,
    clock_of,
    holds,
    on_the_wire,
    orders,
    request_for,
    rows_of,
)

ADDRESS = "198.51.100.7"
CODE = re.compile(r"\b([0-9]{6})\b")
_YEARS = 1939


@pytest.fixture
def empty(database_url: str) -> Iterator[House]:
    """A site without places, and with the limits of production."""
    with house(database_url, campaign=campaign_with(few_places=1), reach=ReachLimits()) as one:
        yield one


@pytest.fixture
def site(empty: House) -> House:
    """The same with places for everybody."""
    empty.opens_centre("1", starts=mornings(30), capacity=40)
    return empty


def comes(
    one: House,
    number: str = "",
    *,
    born: date = date(1942, 3, 12),
    where: str = "75011",
    address: str = ADDRESS,
) -> Visitor:
    """Somebody who answers everything on the site and confirms; an empty number: without one."""
    visitor = Visitor(one, address=address)
    return goes_on(visitor, number, born=born, where=where)


def goes_on(
    visitor: Visitor,
    number: str,
    *,
    born: date,
    where: str = "75011",
    confirms: bool = True,
) -> Visitor:
    """Answer everything from the birth date on; begin for oneself, unless it is begun."""
    if not visitor.path:
        visitor.sends("/rendez-vous", whom="self")
    visitor.presses(
        "/rendez-vous/naissance", day=str(born.day), month=str(born.month), year=str(born.year)
    )
    visitor.presses("/rendez-vous/commune", where=where)
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    wish = {"number": number, "wish": "number"} if number else {"wish": "none"}
    visitor.presses("/rendez-vous/joindre", **wish)
    return visitor.presses("/rendez-vous/confirmer") if confirms else visitor


def somebody(number: int) -> date:
    """Another birth date for each number."""
    return date(_YEARS, 1, 1) + timedelta(days=number)


def is_at(visitor: Visitor, slug: str) -> bool:
    return visitor.path.endswith(f"/rendez-vous/{slug}")


def code_to(one: House, number: str) -> str:
    """The newest code that was texted to a number, as its owner reads it."""
    vault = one.store.vault
    for row in reversed(one.messages("sms")):
        to = vault.open_text(row.recipient_enc, f"message.recipient:{row.id}")
        if to == number and row.topic == "code":
            found = CODE.search(one.text_of(row))
            assert found, one.text_of(row)
            return found[1]
    raise AssertionError(f"no code was texted to {number}")


def scripted(one: House, visits: int) -> None:
    """A script from one address that has the numbers of strangers, and reads no text."""
    for number in range(visits):
        comes(one, a_mobile(number), born=somebody(number))
        if number % 40 == 39:
            # What it holds runs out, so that no other limit stops it.
            clock_of(one).advance(timedelta(minutes=21))


# ---------------------------------------------------------------- one address


def test_a_script_books_little_whatever_number_it_gives(site: House):
    """Strangers' mobiles, landlines, and none at all, one after the other."""
    for number in range(15):
        given = (a_mobile(number), f"+3349122{number:04d}", "")[number % 3]
        comes(site, given, born=somebody(number))
    assert len(site.bookings()) <= 5
    assert len(site.messages("sms")) <= 5


def families(one: House, count: int) -> int:
    """So many households behind one address, each with a telephone of its own; who is booked."""
    booked = 0
    for number in range(count):
        visitor = comes(one, a_mobile(number), born=somebody(number))
        if is_at(visitor, "code"):
            visitor.presses("/rendez-vous/code", wish="code", code=code_to(one, a_mobile(number)))
        booked += is_at(visitor, "fait")
    return booked


def test_families_behind_one_address_are_all_booked(site: House):
    assert families(site, 10) == 10
    # Each of them has the text of their own booking, too.
    texts = [row for row in site.messages("sms") if row.topic == "confirmation"]
    assert len({row.recipient_idx for row in texts}) == 10


def test_families_go_on_where_a_script_gave_up(site: House):
    """Two codes that nobody types back leave one for the families, which each gives back."""
    scripted(site, 4)
    for number in range(100, 106):
        visitor = comes(site, a_mobile(number), born=somebody(number))
        assert is_at(visitor, "code"), visitor.path
        visitor.presses("/rendez-vous/code", wish="code", code=code_to(site, a_mobile(number)))
        assert is_at(visitor, "fait")


def test_an_address_has_a_code_more_for_each_four_that_came_back(site: House):
    site.opens_centre("2", starts=mornings(30), capacity=40)
    assert families(site, 6) == 6
    before = codes(site)
    for number in range(100, 108):
        assert is_at(comes(site, a_mobile(number), born=somebody(number)), "code")
    assert codes(site) - before == 4


def codes(one: House) -> int:
    """How many codes were texted so far."""
    return len([row for row in one.messages("sms") if row.topic == "code"])


def test_who_finds_all_codes_of_an_address_out_gets_theirs_when_one_comes_back(site: House):
    """Many families at once: each is asked at once, and none is sent away."""
    scripted(site, 2)
    visitors = {
        a_mobile(number): comes(site, a_mobile(number), born=somebody(number))
        for number in range(10, 22)
    }
    assert codes(site) == 3
    waits = visitors[a_mobile(13)]
    waits.reads("plusieurs codes ont été demandés depuis la même connexion")
    # Asked once more it is no other code, and nothing leaves.
    waits.presses("/rendez-vous/code", wish="again").reads("dans un quart d’heure")
    assert codes(site) == 3
    for number, visitor in visitors.items():
        types(visitor, code_to(site, number))
        assert is_at(visitor, "fait"), (number, visitor.path)
    assert len(site.bookings()) == 14
    assert all(message.id in site.woken.messages for message in site.messages("sms"))


def test_an_address_that_a_script_used_up_serves_a_family_a_quarter_of_an_hour_later(site: House):
    scripted(site, 2)
    for number in range(10, 13):
        comes(site, a_mobile(number), born=somebody(number))
    comes(site, a_mobile(20), born=somebody(20)).reads("dans un quart d’heure")
    clock_of(site).advance(prove_number.CODE_LIVES + timedelta(seconds=1))
    assert families(site, 6) == 6


def test_a_script_that_comes_back_all_day_texts_no_more_than_its_share(site: House):
    scripted(site, 2)
    for number in range(10, 50):
        comes(site, a_mobile(number), born=somebody(number))
        clock_of(site).advance(timedelta(minutes=9))
    assert codes(site) == 8 * site.store.reach.codes_per_address
    # No page promises the next visitor a code that does not leave for hours.
    clock_of(site).advance(prove_number.CODE_LIVES + timedelta(seconds=1))
    assert is_at(comes(site, a_mobile(80), born=somebody(80)), "par-telephone")


def test_a_code_that_waits_leaves_for_nobody_who_is_gone(site: House):
    scripted(site, 2)
    first, *_, last = (
        comes(site, a_mobile(number), born=somebody(number)) for number in range(10, 14)
    )
    last.sends("/rendez-vous/terminer", **last.hidden)
    types(first, code_to(site, a_mobile(10)))
    assert is_at(first, "fait")
    assert codes(site) == 3
    erase_data(site.store)
    clock_of(site).advance(prove_number.CODE_LIVES + timedelta(seconds=1))
    erase_data(site.store)
    with site.database.statement() as connection:
        assert not connection.execute(
            select(reach_code).where(reach_code.c.phone_enc.is_not(None))
        ).all()


def test_an_address_is_a_whole_house_of_ipv6_and_a_forged_header_is_no_address(site: House):
    for number in range(4):
        comes(site, a_mobile(number), born=somebody(number), address=f"2001:db8:0:1{number}::7")
    assert len(site.bookings()) == 2
    comes(site, a_mobile(9), born=somebody(9), address="2001:db8:0:100::7")
    assert len(site.bookings()) == 3
    # No proxy of ours stands in front: what a stranger's request says of its way is not heard.
    for number in range(20, 24):
        visitor = Visitor(site, address="203.0.113.5")
        visitor.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"192.0.2.{number}"
        goes_on(visitor, a_mobile(number), born=somebody(number))
    assert len(site.bookings()) == 5


# ---------------------------------------------------------------- one birth date, one number


def test_the_third_of_a_birth_date_and_of_a_number_types_a_code(site: House):
    for number in range(2):
        visitor = comes(site, a_mobile(number), address=f"192.0.2.{number}")
        assert is_at(visitor, "fait")
    third = comes(site, a_mobile(3), address="192.0.2.3")
    assert is_at(third, "code")
    for number in range(10, 12):
        visitor = comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}")
        assert is_at(visitor, "fait")
    fourth = comes(site, a_mobile(50), born=somebody(13), address="192.0.2.13")
    assert is_at(fourth, "code")
    # A day later the limits are as before.
    clock_of(site).advance(timedelta(hours=24, seconds=1))
    assert is_at(comes(site, a_mobile(4), address="192.0.2.4"), "fait")


def test_no_page_says_which_limit_was_reached(site: House):
    for number in range(2):
        comes(site, a_mobile(number), address=f"192.0.2.{number}")
        comes(site, a_mobile(50), born=somebody(10 + number), address=f"192.0.2.{number + 10}")
        comes(site, a_mobile(60 + number), born=somebody(20 + number), address="192.0.2.100")
    beyond = (
        comes(site, a_mobile(70), address="192.0.2.20"),
        comes(site, a_mobile(50), born=somebody(30), address="192.0.2.21"),
        comes(site, a_mobile(71), born=somebody(31), address="192.0.2.100"),
    )
    pages = {plain(visitor.page) for visitor in beyond}
    assert len(pages) == 1


def plain(page: str) -> str:
    """A page without what is of this visitor: tokens, their answers, when the place is."""
    page = re.sub(
        r"<details.*?</details>|<input[^>]*>|<strong>.*?</strong>", "", page, flags=re.DOTALL
    )
    return re.sub(r"06 12 [0-9 ]+|data-seconds=\"\d+\"", "", page)


def test_a_number_that_was_only_typed_gets_one_text_of_visitors_who_do_not_know_each_other(
    site: House,
):
    first = comes(site, a_mobile(1), born=somebody(1), address="192.0.2.1")
    # The same birth date once more is no new booking, ends like one, and has no text either.
    second = comes(site, a_mobile(1), born=somebody(1), address="192.0.2.2")
    for visitor in (first, second):
        visitor.reads("Un SMS part au 06 12 00 00 01, sauf s’il en a déjà reçu un aujourd’hui.")
    look_after(site.store)
    assert len(site.bookings()) == 1
    # The second one is written like the first, and does not leave.
    assert [row.state for row in site.messages()] == ["pending", "dropped"]


def test_two_people_of_one_visit_have_a_text_each(site: House):
    visitor = Visitor(site, address=ADDRESS)
    visitor.sends("/rendez-vous", whom="two")
    goes_on(visitor, a_mobile(1), born=somebody(1))
    visitor.presses("/rendez-vous/fait")
    visitor.presses("/rendez-vous/naissance", day="2", month="2", year="1940")
    visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
    visitor.presses("/rendez-vous/confirmer")
    assert is_at(visitor, "fait")
    assert len(site.messages("sms")) == 2


def test_a_number_with_all_the_bookings_that_it_may_have_is_proved_before_it_is_refused(
    database_url: str,
):
    """Strangers cannot use it up, and its owner has the limit of the campaign."""
    campaign = campaign_with(few_places=1, per_number=1)
    with house(database_url, campaign=campaign, reach=ReachLimits()) as one:
        one.opens_centre("1", starts=mornings(20), capacity=4)
        comes(one, a_mobile(50), born=somebody(1), address="192.0.2.1")
        owner = comes(one, a_mobile(50), born=somebody(2), address="192.0.2.2")
        assert is_at(owner, "code")
        types(owner, code_to(one, a_mobile(50)))
        assert is_at(owner, "fait")
        again = comes(one, a_mobile(50), born=somebody(3), address="192.0.2.3")
        types(again, code_to(one, a_mobile(50)))
        assert is_at(again, "par-telephone")
        assert len(one.bookings()) == 2


# ---------------------------------------------------------------- the code


@pytest.fixture
def asked(site: House) -> Visitor:
    """Somebody who is asked for a code, because their address has used up what it has."""
    scripted(site, 2)
    visitor = comes(site, a_mobile(7), born=somebody(7))
    assert is_at(visitor, "code")
    return visitor


def types(visitor: Visitor, code: str) -> Visitor:
    return visitor.presses("/rendez-vous/code", wish="code", code=code)


def not_this(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_the_code_books_the_place_that_was_held_for_it(site: House, asked: Visitor):
    asked.reads("06 12 00 00 07", "gardé pour vous")
    code = code_to(site, a_mobile(7))
    clock_of(site).advance(timedelta(minutes=4))
    # What is no code counts for nothing, and says what to do.
    types(asked, "12 34").reads("six chiffres")
    assert asked.status == 422
    types(asked, not_this(code)).reads("pas le code")
    # The hold was renewed by the answer: it lives on beyond its first five minutes.
    clock_of(site).advance(timedelta(minutes=4))
    assert site.held() > 0
    types(asked, f"{code[:3]} {code[3:]}")
    assert is_at(asked, "fait")
    assert len(site.bookings()) == 3
    assert site.messages("sms")[-1].topic == "confirmation"


def test_after_five_wrong_codes_the_right_one_is_wrong_as_well(site: House, asked: Visitor):
    code = code_to(site, a_mobile(7))
    for _ in range(4):
        types(asked, not_this(code))
        assert is_at(asked, "code")
    types(asked, not_this(code))
    assert is_at(asked, "par-telephone")
    asked.reads("gardé pour vous")
    # Confirmed once more: no other code, and no way around.
    asked.goes("/rendez-vous/confirmer").presses("/rendez-vous/confirmer")
    assert is_at(asked, "par-telephone")
    asked.goes("/rendez-vous/code")
    types(asked, code)
    assert len(site.bookings()) == 2


def test_a_code_is_sent_again_once_and_the_last_one_counts(site: House, asked: Visitor):
    first = code_to(site, a_mobile(7))
    asked.presses("/rendez-vous/code", wish="again").reads("Un autre code part")
    second = code_to(site, a_mobile(7))
    assert first != second
    types(asked, first).reads("pas le code")
    types(asked, second)
    assert is_at(asked, "fait")


def test_a_third_code_is_not_sent(site: House, asked: Visitor):
    for _ in range(2):
        asked.presses("/rendez-vous/code", wish="again")
    assert is_at(asked, "par-telephone")
    assert len([row for row in site.messages("sms") if row.topic == "code"]) == 2


def test_a_copy_of_the_form_neither_counts_a_try_nor_books_twice(site: House, asked: Visitor):
    form = asked.hidden | {"wish": "code", "code": not_this(code_to(site, a_mobile(7)))}
    for _ in range(6):
        asked.sends("/rendez-vous/code", **form)
    types(asked, code_to(site, a_mobile(7)))
    assert is_at(asked, "fait")


def test_a_code_is_good_for_its_own_visit_number_and_time_alone(site: House, asked: Visitor):
    code = code_to(site, a_mobile(7))
    other = comes(site, a_mobile(8), born=somebody(8))
    types(other, code)
    assert is_at(other, "code")
    # Another number in the same visit: proved is what the code went to.
    asked.goes("/rendez-vous/joindre").presses(
        "/rendez-vous/joindre", number=a_mobile(9), wish="number"
    )
    asked.presses("/rendez-vous/confirmer")
    types(asked, code)
    assert not is_at(asked, "fait")
    types(other, code_to(site, a_mobile(8)))
    assert is_at(other, "fait")


def test_a_code_that_ran_out_is_asked_for_anew(site: House, asked: Visitor):
    code = code_to(site, a_mobile(7))
    clock_of(site).advance(prove_number.CODE_LIVES + timedelta(seconds=1))
    types(asked, code).reads("pas le code")
    asked.presses("/rendez-vous/code", wish="again")
    types(asked, code_to(site, a_mobile(7)))
    # The place is free still, and is taken anew.
    assert is_at(asked, "fait")


def test_where_the_place_went_the_next_one_needs_no_other_code(database_url: str):
    with house(database_url, campaign=campaign_with(few_places=1), reach=ReachLimits()) as one:
        one.opens_centre("1", starts=mornings(4))
        one.opens_centre("2", kilometres=2, starts=mornings(4))
        scripted(one, 2)
        visitor = comes(one, a_mobile(7), born=somebody(7))
        clock_of(one).advance(timedelta(minutes=9))
        change(
            one.database,
            place_table.update().where(place_table.c.booking_id.is_(None)).values(blocked=True),
        )
        one.opens_slots("1", mornings(2, first=20), 1)
        types(visitor, code_to(one, a_mobile(7))).reads("vient d’être pris")
        visitor.presses("/rendez-vous/creneaux", place=visitor.places[0])
        visitor.presses("/rendez-vous/confirmer")
        assert is_at(visitor, "fait")


def test_a_number_gets_three_codes_a_day_whoever_asks(site: House):
    for number in range(2):
        comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}")
    shown = [
        comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}").path
        for number in range(10, 15)
    ]
    assert [path.rsplit("/")[-1] for path in shown] == ["code"] * 3 + ["par-telephone"] * 2
    # Its owner rings from it.
    assert owner_books(site, a_mobile(50), somebody(40)) == "reference"


def test_the_code_is_stored_as_a_keyed_hash_alone(site: House, asked: Visitor):
    code = code_to(site, a_mobile(7))
    with site.database.statement() as connection:
        (row,) = connection.execute(select(reach_code)).all()
    assert code not in repr(row)
    assert a_mobile(7) not in repr(row)
    assert len(row.code_idx) == INDEX_BYTES


# ---------------------------------------------------------------- without a mobile


def test_a_landline_beyond_the_limits_finishes_by_telephone_with_the_place(site: House):
    scripted(site, 2)
    visitor = comes(site, "+33491223377", born=somebody(7))
    assert is_at(visitor, "par-telephone")
    page = visitor.presses("/rendez-vous/telephone")
    found = re.search(r">(\d\d) (\d\d) (\d\d)<", page.page)
    assert found, page.page
    caller = site.phone("+33491223377").dials().answers("7", "".join(found.groups()), "1")
    assert caller.step == "confirm"
    caller.answers("1")
    assert caller.step in {"ready", "reference"}
    assert len(site.bookings()) == 3


def test_without_a_number_an_address_has_one_booking(site: House):
    assert is_at(comes(site), "fait")
    second = comes(site, born=somebody(2))
    assert is_at(second, "par-telephone")
    # Another address, but the same person.
    assert is_at(comes(site, address="192.0.2.1"), "par-telephone")
    assert is_at(comes(site, born=somebody(3), address="192.0.2.2"), "fait")
    # With a telephone the second one goes on.
    second.goes("/rendez-vous/joindre").presses(
        "/rendez-vous/joindre", number=a_mobile(1), wish="number"
    )
    second.presses("/rendez-vous/confirmer")
    assert is_at(second, "fait")


def test_who_cancelled_may_book_without_a_number_again(site: House):
    comes(site)
    for table in (appointment, booking):
        change(site.database, table.update().values(state="cancelled"))
    assert is_at(comes(site), "fait")


# ---------------------------------------------------------------- to be told later


def wishes_to_wait(one: House, number: str, born: date, address: str = ADDRESS) -> Visitor:
    """Somebody who finds nothing free and types a number for the waiting list."""
    visitor = Visitor(one, address=address).sends("/rendez-vous", whom="self")
    visitor.presses(
        "/rendez-vous/naissance", day=str(born.day), month=str(born.month), year=str(born.year)
    )
    visitor.presses("/rendez-vous/commune", where="75011")
    assert is_at(visitor, "attente")
    return visitor.presses("/rendez-vous/attente", wish="waiting", number=number)


def waiting(one: House) -> int:
    return len(rows_of(one.database, select(waiting_entry)))


def test_a_script_puts_few_strangers_on_the_waiting_list(empty: House):
    """Each would be written to, and a place that is freed would be kept for them."""
    empty.opens_centre("1")
    for number in range(12):
        wishes_to_wait(empty, a_mobile(number), somebody(number))
    assert waiting(empty) == 2
    assert codes(empty) == 3
    # Nor one stranger many times, from wherever.
    for number in range(6):
        wishes_to_wait(empty, a_mobile(50), somebody(number), f"192.0.2.{number}")
    assert waiting(empty) == 4


def test_families_behind_one_address_all_wait(empty: House):
    empty.opens_centre("1")
    for number in range(10):
        visitor = wishes_to_wait(empty, a_mobile(number), somebody(number))
        if is_at(visitor, "code"):
            visitor.reads("prévenir", "06 12 00 00")
            types(visitor, not_this(code_to(empty, a_mobile(number))))
            assert is_at(visitor, "code")
            types(visitor, code_to(empty, a_mobile(number)))
        assert is_at(visitor, "note"), (number, visitor.path)
    assert waiting(empty) == 10


def test_a_landline_beyond_the_limits_waits_by_telephone(empty: House):
    empty.opens_centre("1")
    for number in range(2):
        wishes_to_wait(empty, a_mobile(number), somebody(number))
    visitor = wishes_to_wait(empty, "+33491223377", somebody(7))
    assert is_at(visitor, "par-telephone")
    visitor.reads("Appelez-nous")
    assert waiting(empty) == 2


def test_a_couple_waits_together(empty: House):
    empty.opens_centre("1")
    visitor = Visitor(empty, address=ADDRESS).sends("/rendez-vous", whom="two")
    for day in ("3", "4"):
        visitor.presses("/rendez-vous/naissance", day=day, month="2", year="1940")
        if is_at(visitor, "commune"):
            visitor.presses("/rendez-vous/commune", where="75011")
        visitor.presses("/rendez-vous/attente", wish="waiting", number=a_mobile(1))
    assert is_at(visitor, "note")
    assert waiting(empty) == 2


def test_a_script_has_few_strangers_told_of_the_opening(database_url: str):
    opens = campaign_with(opens_at=NOON + timedelta(days=2))
    with house(database_url, campaign=opens, reach=ReachLimits()) as one:
        for number in range(6):
            visitor = Visitor(one, address=ADDRESS).sends("/rendez-vous", whom="self")
            visitor.presses("/rendez-vous/ouverture", number=a_mobile(number))
            assert is_at(visitor, "note" if number < 2 else "code"), visitor.path
        assert codes(one) == 3
        assert len(one.messages()) == 2 + 3


# ---------------------------------------------------------------- the telephone


def owner_books(one: House, number: str, born: date) -> str:
    caller = one.phone(number).goes_to("reach", born=born.strftime("%d%m%Y"))
    return caller.answers("1").goes_to("reference").step


def test_a_line_proves_its_own_number(site: House):
    """Strangers booked on it as much as they could: its owner books, on the telephone and here."""
    for number in range(6):
        comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}")
    before = len(site.bookings())
    assert before == 2
    assert owner_books(site, a_mobile(50), somebody(40)) == "reference"
    assert len(site.bookings()) == before + 1


def test_the_owner_who_types_the_code_books_although_strangers_did(site: House):
    for number in range(2):
        comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}")
    owner = comes(site, a_mobile(50), born=somebody(40), address="192.0.2.40")
    types(owner, code_to(site, a_mobile(50)))
    assert is_at(owner, "fait")
    owner.reads("Un SMS part au 06 12 00 00 50.")


def test_the_owner_of_a_number_is_led_to_what_was_booked_for_their_birth_date(site: House):
    """Nothing is displaced: the reference is texted to their own number, and leads to it."""
    comes(site, a_mobile(50), born=somebody(5), address="192.0.2.1")
    caller = site.phone(a_mobile(50)).goes_to("reach", born=somebody(5).strftime("%d%m%Y"))
    caller.answers("1").answers("1")
    assert caller.step == "ready"
    (booked,) = site.bookings()
    # The truth goes to that number; its words are made when it leaves.
    assert len([row for row in site.messages() if row.kind == "booked_already"]) == 1
    # The usual proof: the reference of that text, and the birth date. They cancel it.
    caller.hangs_up()
    owner = site.phone(a_mobile(50)).dials()
    if owner.step != "welcome":
        # The line is asked first whether it goes on with the call before.
        owner.answers("2")
    owner.answers("3", booked.reference, "1", somebody(5).strftime("%d%m%Y"), "1")
    assert owner.step == "my_menu"
    owner.answers("3", "1")
    assert site.bookings()[0].state == "cancelled"


def test_a_withheld_line_books_once_without_a_number(site: House):
    first = site.phone(WITHHELD).goes_to("confirm").answers("1")
    assert first.step in {"ready", "reference"}
    again = site.phone(WITHHELD).goes_to("confirm").answers("1")
    again.hears_text("Je ne peux pas terminer ici")
    assert len(site.bookings()) == 1


def test_who_types_a_number_of_a_stranger_on_the_telephone_hears_everything_instead(site: House):
    for number in range(2):
        comes(site, a_mobile(50), born=somebody(number), address=f"192.0.2.{number}")
    before = len(site.messages("sms"))
    caller = site.phone(LANDLINE).goes_to("reach", born="02021940").answers("1", "0612000050", "1")
    assert caller.step == "confirm"
    caller.answers("1").hears_text("Nous n'envoyons pas de message")
    assert len(site.bookings()) == 3
    assert len(site.messages("sms")) == before
    with site.database.statement() as connection:
        last = connection.execute(
            select(booking.c.phone_idx, booking.c.reach).order_by(booking.c.created_at.desc())
        ).all()
    assert (site.store.vault.index("phone", LANDLINE), "line") in [tuple(row) for row in last]


def test_a_line_that_texts_strangers_does_so_twice(site: House):
    for number in range(5):
        caller = site.phone(LANDLINE).goes_to("reach", born=somebody(number).strftime("%d%m%Y"))
        caller.answers("1", f"061200000{number}", "1", "1")
    assert len(site.messages("sms")) <= 2


# ---------------------------------------------------------------- races, agents, what is kept


def asks_at_once(one: House, name: str, count: int, **changes: Any) -> list[Any]:
    """So many confirmations of one address at the same moment, each with a place held."""
    holders = [f"W{name}{number:030x}" for number in range(count)]
    held = [holds(one, holder, channel=Channel.WEB)[0] for holder in holders]
    requests = [
        replace(
            request_for(place, holders[number]),
            holder=Holder(Channel.WEB, holders[number]),
            call_id=None,
            reach=Reach(place=ADDRESS),
            **{name: value(number) for name, value in changes.items()},
        )
        for number, place in enumerate(held)
    ]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda request: orders(one, request), requests))


def test_two_that_race_do_not_both_pass_the_last_of_a_limit(site: House):
    answered = asks_at_once(site, "ab", 8, number=a_mobile, born=somebody)
    assert sum(isinstance(one, Booked) for one in answered) == 2
    answered = asks_at_once(site, "cd", 8, born=somebody)
    assert sum(isinstance(one, Booked) for one in answered) == 1


def test_without_the_lock_they_do(database_url: str, monkeypatch: pytest.MonkeyPatch):
    """The guard off, as a control."""
    # As many as may have a transaction at once.
    racers = POOL_SIZE // 2
    arrived = threading.Barrier(racers, timeout=20)
    counted = rows.unproved

    def counts_together(*args: Any, **options: Any) -> Any:
        found = counted(*args, **options)
        arrived.wait()
        return found

    monkeypatch.setattr(
        rows, "alone", lambda connection, _keys, look, values: look.rows(connection, values)
    )
    monkeypatch.setattr(rows, "unproved", counts_together)
    with house(database_url, reach=ReachLimits()) as one:
        one.opens_centre("1", starts=mornings(30), capacity=40)
        answered = asks_at_once(one, "ab", racers, number=a_mobile, born=somebody)
    assert sum(isinstance(one, Booked) for one in answered) == racers > 2


def test_agents_and_the_demonstration_are_never_limited(site: House):
    for number in range(4):
        held = holds(site, f"desk:{number}", channel=Channel.AGENT)[0]
        request = replace(
            request_for(held, f"desk:{number}"),
            holder=Holder(Channel.AGENT, f"desk:{number}"),
            who="a1",
        )
        assert isinstance(orders(site, request), Booked)
    for number in range(3):
        held = holds(site, f"demonstration:{number}")[0]
        request = replace(request_for(held, f"demonstration:{number}"), who="demonstration")
        assert isinstance(orders(site, request), Booked)
    # And what they booked is no visitor's.
    assert is_at(comes(site), "fait")


def test_where_somebody_came_from_is_forgotten_when_no_limit_counts_it(empty: House):
    site = empty
    site.opens_centre("1", starts=mornings(5, first=10), capacity=10)
    scripted(site, 3)
    comes(site, born=somebody(50))
    clock_of(site).advance(KEPT + timedelta(minutes=1))
    erase_data(site.store)
    with site.database.statement() as connection:
        kept = connection.execute(
            select(booking.c.phone_idx, booking.c.place_idx).where(booking.c.place_idx.is_not(None))
        ).all()
        codes = connection.execute(select(reach_code)).all()
    # A booking without a number is counted as long as it lies ahead.
    assert [row.phone_idx for row in kept] == [None]
    assert codes == []


@pytest.mark.parametrize(("number", "most"), [(a_mobile(1), 11), ("", 9)])
def test_what_a_confirmation_costs(site: House, number: str, most: int):
    """One count that each confirmation with a number had before, and one lock.

    The web session, BEGIN, its claim, what its number has and whose it is, the lock, the count,
    the place, the booking with its appointment and its line of history, the text, the answer and
    COMMIT.
    """
    as_in_production(site)
    comes(site, a_mobile(90), born=somebody(90), address="192.0.2.90")
    visitor = Visitor(site, address=ADDRESS)
    visitor.sends("/rendez-vous", whom="self")
    goes_on(visitor, number, born=somebody(5), confirms=False)
    form = visitor.hidden
    with on_the_wire(site.database) as sent:
        visitor._open("POST", "/rendez-vous/confirmer", form)
    assert len(sent) == most, sent
