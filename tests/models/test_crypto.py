"""Personal columns: closed to whoever has the database, and tied to the row they stand in."""

from __future__ import annotations

import hmac

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from models.all_tables import metadata
from models.booking.tables import booking
from models.call.tables import call, turn
from models.crypto import CannotOpen, Vault
from models.messages.tables import message
from tests.support.house import MOBILE, House
from tests.support.rows import change, rows_of

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
WHERE = "booking.phone:1"


def test_what_is_sealed_opens_where_it_was_sealed():
    vault = Vault([OLD])
    assert vault.open_text(vault.seal_text(MOBILE, WHERE), WHERE) == MOBILE
    assert vault.seal_text(None, WHERE) is None
    assert vault.open_text(None, WHERE) is None


def test_the_same_value_is_never_sealed_the_same_way():
    vault = Vault([OLD])
    assert len({vault.seal(b"1942-03-12", WHERE) for _ in range(1000)}) == 1000


def test_a_value_opens_in_no_other_row_and_no_other_column():
    vault = Vault([OLD])
    sealed = vault.seal(b"x", WHERE)
    for elsewhere in ("booking.phone:2", "booking.dob:1", "message.phone:1", ""):
        with pytest.raises(CannotOpen):
            vault.open(sealed, elsewhere)


def test_a_new_key_seals_and_the_old_one_still_opens():
    before, after = Vault([OLD]), Vault([OLD, NEW])
    assert after.open(before.seal(b"x", WHERE), WHERE) == b"x"
    sealed = after.seal(b"y", WHERE)
    assert sealed[0] == 1
    with pytest.raises(CannotOpen):
        before.open(sealed, WHERE)


def test_look_ups_stay_the_same_when_a_key_is_added():
    before, after = Vault([OLD]), Vault([OLD, NEW])
    assert before.index("phone", MOBILE) == after.index("phone", MOBILE)
    assert before.index("phone", MOBILE) != Vault([NEW]).index("phone", MOBILE)


def test_a_look_up_of_one_kind_is_none_of_another():
    vault = Vault([OLD])
    assert vault.index("phone", "0123456789") != vault.index("reference", "0123456789")
    assert vault.index("phone", None) is None


def test_a_look_up_is_an_hmac_that_stays_as_it_is():
    """Rows of earlier versions are found by it."""
    vault = Vault([OLD], index_key=NEW)
    for _ in range(2):
        whole = hmac.digest(NEW, f"phone:{MOBILE}".encode(), "sha256")
        assert vault.index("phone", MOBILE) == whole[:16]


@pytest.mark.parametrize("keys", [[], [b"short"], [OLD, b""]])
def test_a_key_of_the_wrong_length_is_refused(keys: list[bytes]):
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


@settings(derandomize=True, database=None, max_examples=200, deadline=None)
@given(st.integers(0, 45), st.integers(1, 255))
def test_one_changed_bit_and_it_does_not_open(position: int, difference: int):
    vault = Vault([OLD])
    sealed = bytearray(vault.seal(b"+33612345678 and so on", WHERE))
    sealed[position] ^= difference
    with pytest.raises(CannotOpen):
        vault.open(bytes(sealed), WHERE)


@pytest.mark.parametrize("length", [0, 1, 5, 12, 13, 20, 28])
def test_what_was_cut_off_does_not_open(length: int):
    vault = Vault([OLD])
    sealed = vault.seal(b"x", WHERE)[:length]
    with pytest.raises(CannotOpen):
        vault.open(sealed, WHERE)


# ---------------------------------------------------------------- in the store


def everything_stored(house: House) -> bytes:
    """Every value of every table, as whoever steals the database reads it."""
    found = []
    for table in metadata.sorted_tables:
        if table.name in ("centre", "postcode", "slot"):
            continue
        for row in rows_of(house.database, select(table)):
            found += [value if isinstance(value, bytes) else repr(value).encode() for value in row]
    return b"\n".join(found)


def test_a_stolen_database_names_nobody(three_centres: House):
    house = three_centres
    caller = house.phone("+33678912345").goes_to("reach", born="29021936")
    caller.answers("1").goes_to("reference")
    house.phone("+33678912345").dials().answers("0", "1")
    (row,) = house.bookings()
    stolen = everything_stored(house)

    spellings = [
        "+33678912345", "0678912345", "678912345", "78 91 23 45", "%2B33678912345",
        "1936-02-29", "29021936", "29/02/1936", "29 février 1936", row.reference,
    ]  # fmt: skip
    for spelling in spellings:
        assert spelling.encode() not in stolen
    assert len(house.messages("sms")) == 1
    assert len(house.promises()) == 1


def test_personal_values_swapped_between_rows_do_not_open(three_centres: House):
    house = three_centres
    house.phone("+33612340001").books()
    house.phone("+33612340002").books()
    first, second = rows_of(house.database, select(booking.c.id, booking.c.reference_enc))
    for row, other in ((first, second), (second, first)):
        change(
            house.database,
            update(booking).where(booking.c.id == row.id).values(reference_enc=other.reference_enc),
        )
    with pytest.raises(CannotOpen):
        house.bookings()


def test_a_turn_put_into_another_call_does_not_open(three_centres: House):
    house = three_centres
    mine = house.phone().goes_to("confirm")
    theirs = house.phone().goes_to("confirm")
    (stolen,) = rows_of(
        house.database,
        select(turn.c.number, turn.c.body_enc)
        .where(turn.c.call_id == theirs.sid)
        .order_by(turn.c.number.desc())
        .limit(1),
    )
    change(
        house.database,
        update(turn)
        .where(turn.c.call_id == mine.sid, turn.c.number == stolen.number)
        .values(body_enc=stolen.body_enc),
    )
    mine.presses("1").hears_text("Un instant")
    assert house.bookings() == []


def test_a_person_is_found_again_by_the_keyed_look_up(three_centres: House):
    house = three_centres
    house.phone(MOBILE).books()
    vault = house.store.vault
    by_phone = select(booking.c.id).where(booking.c.phone_idx == vault.index("phone", MOBILE))
    by_birth = select(booking.c.id).where(booking.c.dob_idx == vault.index("dob", "1942-03-12"))
    by_caller = select(call.c.id).where(call.c.caller_idx == vault.index("phone", MOBILE))
    for statement in (by_phone, by_birth, by_caller):
        assert len(rows_of(house.database, statement)) == 1
    (row,) = house.bookings()
    by_reference = select(booking.c.id).where(
        booking.c.reference_idx == vault.index("reference", row.reference)
    )
    assert len(rows_of(house.database, by_reference)) == 1
    assert rows_of(house.database, select(message.c.id)) == []
