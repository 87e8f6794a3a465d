"""Bookings that resemble one another: counted, looked at, freed with a reason, taken back."""

from __future__ import annotations

import json
import re
import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from sqlalchemy import select

from jobs import scheduler
from models.accounts import staff as staff_rows
from models.accounts.staff import Staff
from models.accounts.tables import staff_act
from models.booking import clusters as rows
from models.booking.tables import booking, booking_cluster, freed_cluster
from models.slots.tables import place
from services.accounts import four_eyes
from services.booking.confirm_booking import Booked
from services.booking.reach import Reach
from services.privacy.erase_data import CLUSTERS_KEPT, erase_data
from services.slots.allocate import Channel, Holder
from services.supervision import clusters
from services.supervision.clusters import UNDO_FREED, find_clusters
from services.supervision.supervise import ActRefused
from tests.online.visitors import Visitor
from tests.support.house import CAMPAIGN, House, a_mobile, campaign_with, house, mornings
from tests.support.rows import change, clock_of, holds, orders, request_for, rows_of

MINUTE = timedelta(minutes=1)
SIZE = 4
PAGE = "/supervision/groupes"
WHY = "numéros inventés"
CAMPAIGN_OF = {"tests": CAMPAIGN}.get


@pytest.fixture
def site(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(few_places=1, phone_share=0)) as one:
        one.opens_centre("1", starts=mornings(30), capacity=40)
        yield one


def books(  # noqa: PLR0917 (what may resemble)
    one: House,
    number: int,
    phone: str | None = None,
    name: str | None = None,
    born: date | None = None,
    address: str = "",
    who: str = "caller",
) -> str:
    """A booking of the site; what is not given is like nobody else's. Gives its reference."""
    holder = f"W{number:032x}"
    held = holds(one, holder, channel=Channel.WEB)[0]
    request = replace(
        request_for(held, holder),
        holder=Holder(Channel.WEB, holder),
        call_id=None,
        born=born or date(1939, 1, 1) + timedelta(days=number),
        number=phone or a_mobile(number * 100),
        text_to=phone or a_mobile(number * 100),
        name=name,
        who=who,
        reach=Reach(place=address or f"198.51.100.{number}"),
    )
    booked = orders(one, request)
    assert isinstance(booked, Booked)
    return booked.reference


def found(one: House, size: int = SIZE) -> dict[str, int]:
    """Kinds and sizes of what the board shows."""
    find_clusters(one.store, size)
    with one.database.statement() as connection:
        return {each.kind: each.people for each in rows.shown(connection, limit=100)}


def the_cluster(one: House) -> str:
    (row,) = rows_of(one.database, select(booking_cluster.c.id))
    return str(row.id)


@pytest.fixture
def crowded(site: House) -> House:
    """Five bookings under one name, and one that resembles nobody."""
    for number in range(5):
        books(site, number, name="Sacha Invente")
    books(site, 9, name="Dominique Autre")
    assert found(site) == {"name": 5}
    return site


# ---------------------------------------------------------------- what is found


def test_who_resembles_nobody_is_in_no_group(site: House):
    for number in range(12):
        books(site, number)
    assert found(site) == {}


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("born", {"born": date(1941, 7, 14)}),
        ("address", {"address": "203.0.113.9"}),
    ],
)
def test_what_is_shared_makes_a_group(site: House, kind: str, shared: dict[str, object]):
    for number in range(SIZE - 1):
        books(site, number, **shared)  # type: ignore[arg-type]
    assert found(site) == {}
    books(site, SIZE, **shared)  # type: ignore[arg-type]
    # Those of one postcode and birth date are a group of their own.
    assert found(site) == {kind: SIZE} | ({"person": SIZE} if kind == "born" else {})


def test_a_name_is_one_however_it_is_written(site: House):
    for number, name in enumerate(("Zoé Le Goff", "ZOE LE GOFF", "zoé legoff", "Zoe Le-Goff")):
        books(site, number, name=name)
    assert found(site) == {"name": 4}


def test_numbers_in_a_row_make_a_group(site: House):
    for number in range(5):
        books(site, number, phone=f"+336123456{number:02d}")
    assert found(site) == {"number": 5}


def test_what_an_agent_booked_is_nobodys_crowd(site: House):
    for number in range(6):
        books(site, number, name="Maison Bleue", who="a1")
    assert found(site) == {}


def test_calls_from_their_own_numbers_are_a_group_where_these_stand_in_a_row(site: House):
    """A call shows its number, and a script makes it up."""
    for number in range(3):
        site.phone(f"+3361{number}345678").books(born=f"{number + 1:02d}041941")
    assert found(site) == {}
    for number in range(4):
        site.phone(f"+3361934568{number}").books(born=f"{number + 1:02d}051941")
    assert found(site) == {"number": 4}


def test_what_is_cancelled_over_or_older_than_two_days_is_in_none(crowded: House):
    change(crowded.database, booking.update().values(state="cancelled"))
    assert found(crowded) == {}
    change(crowded.database, booking.update().values(state="confirmed"))
    assert found(crowded) == {"name": 5}
    clock_of(crowded).advance(timedelta(hours=49))
    assert found(crowded) == {}


def test_with_many_values_only_what_is_not_usual_is_shown(site: House):
    """In a large campaign many honest people share each birth date."""
    usual = dict.fromkeys((4, 5), 30)
    assert clusters._least(usual, SIZE) == 12
    assert clusters._least({4: 10, 40: 1}, SIZE) == SIZE
    assert clusters._least({1: 1_000_000}, 8) == 8
    assert found(site, 0) == {}


def test_a_group_keeps_its_name_while_it_grows(crowded: House):
    before = the_cluster(crowded)
    books(crowded, 20, name="Sacha Invente")
    assert found(crowded) == {"name": 6}
    assert the_cluster(crowded) == before


def test_the_scheduler_counts_them(crowded: House):
    change(crowded.database, booking_cluster.delete())
    tasks = {task.name: task for task in scheduler.tasks(crowded.store, None, CAMPAIGN_OF)}  # type: ignore[arg-type]
    assert tasks["clusters"].do() == 0
    books(crowded, 20, name="Sacha Invente")
    for number in range(21, 24):
        books(crowded, number, name="Sacha Invente")
    # Eight is enough where nothing else is set.
    assert tasks["clusters"].do() == 1


# ---------------------------------------------------------------- what is kept of it


def test_by_what_bookings_resemble_others_is_forgotten_after_two_days(crowded: House):
    named = select(booking.c.name_idx, booking.c.prefix_idx, booking.c.client_idx)
    assert all(None not in row for row in rows_of(crowded.database, named))
    clock_of(crowded).advance(CLUSTERS_KEPT - MINUTE)
    assert erase_data(crowded.store)["what bookings resemble"] == 0
    clock_of(crowded).advance(2 * MINUTE)
    assert erase_data(crowded.store)["what bookings resemble"] == 6
    assert {tuple(row) for row in rows_of(crowded.database, named)} == {(None, None, None)}
    assert rows_of(crowded.database, select(booking_cluster)) == []


def test_an_address_is_known_by_a_keyed_hash_alone(site: House):
    books(site, 1, address="203.0.113.9")
    (row,) = rows_of(site.database, select(booking))
    assert row.client_idx == site.store.vault.index("cluster address", "203.0.113.9")
    assert b"203.0.113.9" not in row.client_idx


def test_the_site_gives_the_address_of_a_visit(site: House):
    Visitor(site, address="203.0.113.7").comes_to("confirmer").presses("/rendez-vous/confirmer")
    (row,) = rows_of(site.database, select(booking))
    assert row.client_idx == site.store.vault.index("cluster address", "203.0.113.7/32")
    assert row.prefix_idx is not None


# ---------------------------------------------------------------- the page


def acts_of(one: House, what: str) -> list[tuple[str, str]]:
    with one.database.statement() as connection:
        found = staff_rows.acts(connection, one.store.vault, limit=50)
    return [(one.act.subject, one.act.why) for one in found if one.act.what == what]


def test_the_page_shows_counts_and_nobody(crowded: House):
    chief = crowded.signs_in("supervisor")
    board = chief.get("/supervision").get_data(as_text=True)
    assert "Réservations qui se ressemblent : 1" in board.replace("\u00a0", " ")
    page = chief.get(PAGE).get_data(as_text=True)
    assert "Même nom" in page
    assert re.search(r"<td data-label=\"[^\"]+\">5</td>", page)
    for hidden in ("Sacha", "Invente", "06 12", "+336"):
        assert hidden not in page
    assert acts_of(crowded, "read_file") == []


def test_one_click_shows_masked_lines_and_is_written_down_like_a_look_at_each_file(crowded: House):
    chief = crowded.signs_in("supervisor")
    answer = chief.post(f"{PAGE}/voir", data={"cluster": the_cluster(crowded)})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert page.count("S. I.") == 5
    assert "1939" in page
    assert "+336 •• •• 00" in page
    for hidden in ("Sacha", "Invente", "Dominique", a_mobile(100)):
        assert hidden not in page
    assert len({subject for subject, _ in acts_of(crowded, "read_file")}) == 5
    assert {why for _, why in acts_of(crowded, "read_file")} == {"cluster name"}


def test_operators_see_counts_and_do_nothing_and_agents_see_nothing(crowded: House):
    cluster = the_cluster(crowded)
    operator = crowded.signs_in("operator")
    assert operator.get(PAGE).status_code == 200
    for path in ("voir", "liberer", "annuler"):
        assert operator.post(f"{PAGE}/{path}", data={"cluster": cluster}).status_code == 403
    assert crowded.signs_in("agent").get(PAGE).status_code == 403
    assert acts_of(crowded, "read_file") == []


def states(one: House) -> list[str]:
    return sorted(row.state for row in rows_of(one.database, select(booking.c.state)))


def test_one_click_frees_them_all_with_a_reason_and_nobody_else(crowded: House):
    chief = crowded.signs_in("supervisor")
    cluster = the_cluster(crowded)
    answer = chief.post(f"{PAGE}/liberer", data={"cluster": cluster, "why": "  "})
    assert answer.status_code == 409
    assert "écrivez une raison" in answer.get_data(as_text=True)
    assert states(crowded) == ["confirmed"] * 6
    answer = chief.post(f"{PAGE}/liberer", data={"cluster": cluster, "why": WHY})
    assert answer.status_code == 303
    assert "5 rendez-vous annulés" in chief.get(answer.headers["Location"]).get_data(
        as_text=True
    ).replace("\u00a0", " ")
    assert states(crowded) == ["cancelled"] * 5 + ["confirmed"]
    ((_, why),) = acts_of(crowded, "cluster_freed")
    assert why == WHY
    # Twice is once.
    again = chief.post(f"{PAGE}/liberer", data={"cluster": cluster, "why": WHY})
    assert again.status_code == 409


def frees(one: House) -> str:
    staff = one.employs("supervisor")
    return clusters.free(one.store, staff, the_cluster(one), WHY).id


def test_for_half_an_hour_all_of_it_is_taken_back_at_the_very_same_places(crowded: House):
    booked = select(place.c.id, place.c.booking_id).where(place.c.booking_id.is_not(None))
    before = sorted(map(tuple, rows_of(crowded.database, booked)))
    freed = frees(crowded)
    clock_of(crowded).advance(UNDO_FREED - MINUTE)
    # Nobody has these places meanwhile, and nobody was told.
    kept = select(place.c.id).where(place.c.held_by.like("undo:%"))
    assert len(rows_of(crowded.database, kept)) == 5
    assert all(row.due_at > crowded.clock.now() for row in crowded.messages("booking_cancelled"))
    chief = crowded.signs_in("supervisor")
    answer = chief.post(f"{PAGE}/annuler", data={"freed": freed})
    assert answer.status_code == 303
    assert states(crowded) == ["confirmed"] * 6
    assert sorted(map(tuple, rows_of(crowded.database, booked))) == before
    assert crowded.messages("booking_changed") == []
    assert [json.loads(row.details)["people"] for row in _acts(crowded, "cluster_restored")] == [5]
    assert chief.post(f"{PAGE}/annuler", data={"freed": freed}).status_code == 409


def _acts(one: House, what: str) -> list[Any]:
    return list(rows_of(one.database, select(staff_act).where(staff_act.c.what == what)))


def test_after_half_an_hour_it_stays_and_the_places_are_for_who_waits(crowded: House):
    freed = frees(crowded)
    clock_of(crowded).advance(UNDO_FREED + MINUTE)
    chief = crowded.signs_in("supervisor")
    assert chief.post(f"{PAGE}/annuler", data={"freed": freed}).status_code == 409
    clock_of(crowded).advance(MINUTE)
    tasks = {task.name: task for task in scheduler.tasks(crowded.store, None, CAMPAIGN_OF)}  # type: ignore[arg-type]
    assert tasks["waiting"].do() == 5
    assert rows_of(crowded.database, select(place.c.id).where(place.c.held_by.is_not(None))) == []
    assert states(crowded) == ["cancelled"] * 5 + ["confirmed"]


def frees_at_once(one: House, count: int = 2) -> list[str]:
    """So many supervisors press at the same moment; gives what each was told."""
    cluster = the_cluster(one)
    people = [one.employs("supervisor") for _ in range(count)]

    def frees_it(who: Staff) -> str:
        try:
            return str(clusters.free(one.store, who, cluster, WHY).people)
        except ActRefused as refused:
            return refused.why

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(frees_it, people))


def test_what_two_supervisors_free_at_once_is_freed_once(crowded: House):
    assert frees_at_once(crowded) == ["5", "cluster_gone"]
    assert len(rows_of(crowded.database, select(freed_cluster))) == 1


def test_without_the_lock_the_second_one_notes_what_it_never_freed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """The guard off, as a control."""
    read, arrived = rows.members, threading.Barrier(2, timeout=20)

    def reads_together(*args: Any, **options: Any) -> Any:
        found = read(*args, **options | {"lock": False})
        arrived.wait()
        return found

    monkeypatch.setattr(rows, "members", reads_together)
    with house(database_url, campaign=campaign_with(few_places=1, phone_share=0)) as one:
        one.opens_centre("1", starts=mornings(30), capacity=40)
        for number in range(5):
            books(one, number, name="Sacha Invente")
        find_clusters(one.store, SIZE)
        assert frees_at_once(one) == ["0", "5"]


def test_a_group_of_which_nothing_is_left_is_said_to_be_gone(crowded: House):
    """Freed as another group, or cancelled by its people, and not counted anew yet."""
    cluster = the_cluster(crowded)
    change(crowded.database, booking.update().values(state="cancelled"))
    chief = crowded.signs_in("supervisor")
    for path in ("voir", "liberer"):
        answer = chief.post(f"{PAGE}/{path}", data={"cluster": cluster, "why": WHY})
        assert answer.status_code == 409
        assert "ce groupe n’existe plus" in answer.get_data(as_text=True)
    assert rows_of(crowded.database, select(freed_cluster)) == []


def test_more_than_fifty_people_are_not_freed_by_one(
    crowded: House, monkeypatch: pytest.MonkeyPatch
):
    assert four_eyes.MANY == 50
    monkeypatch.setattr(four_eyes, "MANY", 4)
    chief = crowded.signs_in("supervisor")
    cluster = the_cluster(crowded)
    page = chief.post(f"{PAGE}/voir", data={"cluster": cluster}).get_data(as_text=True)
    assert "deuxième responsable" in page
    answer = chief.post(f"{PAGE}/liberer", data={"cluster": cluster, "why": WHY})
    assert answer.status_code == 409
    assert states(crowded) == ["confirmed"] * 6
    # Another supervisor agrees, and it is said again.
    (asked,) = four_eyes.waiting(crowded.store)
    assert (asked.kind, asked.people) == (four_eyes.CLUSTER, 5)
    assert four_eyes.give(crowded.store, crowded.employs("supervisor"), asked.id)
    answer = chief.post(f"{PAGE}/liberer", data={"cluster": cluster, "why": WHY})
    assert answer.status_code in {200, 303}
    assert states(crowded).count("cancelled") == 5


def test_freeing_asks_for_the_password_again_where_it_was_long_ago(crowded: House):
    chief = crowded.signs_in("supervisor")
    clock_of(crowded).advance(timedelta(minutes=11))
    answer = chief.post(f"{PAGE}/liberer", data={"cluster": the_cluster(crowded), "why": WHY})
    assert answer.status_code == 303
    assert PAGE not in answer.headers["Location"].split("?")[0]
    assert states(crowded) == ["confirmed"] * 6
