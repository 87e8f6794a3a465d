"""What is recorded is chained behind, and anchored outside: what is done to it is named.

The tests do it as the owner of the tables, with the triggers out of the way: the chain is for whom
those do not stop.
"""

from __future__ import annotations

import threading

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from ivr.provider import make_eraser
from jobs.plan import scheduler_tasks
from jobs.traces import trace_tasks
from models.accounts import staff as staff_rows
from models.booking import history as lines
from models.booking.history import Change
from models.clock import FixedClock
from models.crypto import Vault
from models.database import Connection, Database
from models.operations import traces, verify
from models.operations.traces import ACTS, HISTORY, Anchor, trace_link
from services.accounts.staff import record_act
from services.centres.directory import Directory
from services.parts import Parts
from services.privacy import traces as chaining
from services.privacy.anchor_traces import (
    EVERY,
    FILE,
    WEBHOOK,
    AnchorFile,
    Anchoring,
    AnchorWebhook,
    BadAnchors,
    NotAnchored,
    fit_anchors,
    read_anchors,
)
from services.privacy.erase_data import ACTS_KEPT, erase_data
from services.privacy.traces import LINKS_KEPT, Chainer, TraceKeys
from services.privacy.verify_traces import LATEST, verify_traces
from services.service import Service
from tests.support.house import NOON, House
from tests.support.rows import clock_of, execute, on_the_wire, rows_of

SECRET = "a secret of the tests for traces"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
BOOKED = Change("caller", "phone", "booked", details={"version": 1})


@pytest.fixture
def chainer(service: House) -> Chainer:
    return Chainer(service.store, TraceKeys([SECRET]))


def happened(house: House, *booking_ids: str) -> None:
    """One line of the history for each, a minute apart."""
    for booking_id in booking_ids:
        clock_of(house).advance(MINUTE)
        with house.database.transaction() as connection:
            lines.add(connection, house.clock, house.store.vault, booking_id, BOOKED)


def acted(house: House, *subjects: str, why: str = "Mme Durand a rappelé") -> None:
    for subject in subjects:
        clock_of(house).advance(MINUTE)
        with house.database.transaction() as connection:
            record_act(connection, house.store, "anna", "read_file", subject, why)


def told(chainer: Chainer, anchors: list[Anchor] | None = None) -> list[str]:
    """What is said of the chains, without how far they reach."""
    said: list[str] = []
    count = verify_traces(chainer, anchors, limit=20, say=said.append)
    words = ("is chained", "is not chained", "wait to be linked", "was anchored last")
    broken = [one for one in said if not any(word in one for word in words)]
    assert count == len(broken)
    return [one.removeprefix("traces: ") for one in broken]


def done(database: Database, sql: str, **values: Any) -> None:
    """Do it without triggers, as the owner of the tables may."""
    for table in (HISTORY, ACTS, "act_reason", "trace_link", "trace_cut", "trace_anchor"):
        execute(database, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        execute(database, f"GRANT UPDATE, DELETE ON {table} TO CURRENT_USER")
    with database.transaction() as connection:
        connection.execute(text(sql), values)


def links(database: Database, chain: str = HISTORY) -> list[int]:
    statement = select(trace_link.c.row_id).where(trace_link.c.chain == chain)
    return [row.row_id for row in rows_of(database, statement.order_by(trace_link.c.position))]


# ---------------------------------------------------------------- a whole chain


def test_every_line_is_linked_once_and_a_whole_chain_has_nothing_to_say(
    service: House, chainer: Chainer
):
    happened(service, "B1", "B2")
    acted(service, "F1")
    assert chainer() == 3
    assert chainer() == 0
    happened(service, "B3")
    acted(service, "F2", why="")
    assert chainer() == 2
    assert links(service.database) == [1, 2, 3]
    assert links(service.database, ACTS) == [1, 2]
    assert told(chainer) == []


def test_verify_says_how_far_the_chain_reaches_and_what_waits(service: House, chainer: Chainer):
    happened(service, "B1")
    said: list[str] = []
    verify_traces(chainer, [], limit=5, say=said.append)
    assert said == [
        "traces: history is not chained yet",
        (
            "traces: history has 1 lines that wait to be linked, the oldest of"
            " 2026-11-25T08:01:00+00:00"
        ),
    ]
    chainer()
    said.clear()
    verify_traces(chainer, [], limit=5, say=said.append)
    assert said == [
        "traces: history is chained up to 2026-11-25T08:01:00+00:00 (position 1), 1 lines",
        "traces: history was anchored last never",
    ]


def test_a_call_is_chained_and_the_store_stays_right(service: House, chainer: Chainer):
    service.opens_centre("1", starts=[NOON + DAY])
    service.phone().books()
    assert chainer() == 1
    assert told(chainer) == []


def test_links_are_made_in_batches(
    service: House, chainer: Chainer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chaining, "BATCH", 2)
    monkeypatch.setattr(chaining, "BATCHES", 2)
    happened(service, *(f"B{number}" for number in range(7)))
    assert [chainer(), chainer(), chainer()] == [4, 3, 0]
    assert told(chainer) == []


def test_two_that_link_at_once_make_one_chain(service: House, chainer: Chainer):
    happened(service, *(f"B{number}" for number in range(40)))
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        chainer()

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    chainer()
    assert links(service.database) == list(range(1, 41))
    assert told(chainer) == []


def test_who_comes_second_writes_nothing(service: House, chainer: Chainer):
    happened(service, "B1")
    chainer()
    with service.database.transaction() as connection:
        assert not traces.append(connection, HISTORY, 0, [])


# ---------------------------------------------------------------- late commits


def late(connection: Connection, chainer: Chainer, booking_id: str) -> None:
    lines.add(connection, chainer.store.clock, chainer.store.vault, booking_id, BOOKED)


def in_time(chainer: Chainer, *booking_ids: str) -> None:
    for booking_id in booking_ids:
        with chainer.store.database.transaction() as connection:
            late(connection, chainer, booking_id)


def test_a_line_that_is_committed_late_is_linked_behind_younger_ones(chainer: Chainer):
    """Its number is smaller: to go on from the highest number would leave it out for ever."""
    with chainer.store.database.transaction() as slow:
        late(slow, chainer, "SLOW")
        in_time(chainer, "B2", "B3")
        assert chainer() == 2
    assert chainer() == 1
    assert links(chainer.store.database) == [2, 3, 1]
    assert told(chainer) == []


def test_a_line_that_is_committed_very_late_is_found_when_all_is_looked_through(
    chainer: Chainer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chaining, "NEWEST", 2)
    with chainer.store.database.transaction() as slow:
        late(slow, chainer, "SLOW")
        in_time(chainer, *(f"B{number}" for number in range(6)))
        chainer()
    assert chainer() == 0
    assert told(chainer) == []
    assert chainer.mark(HISTORY)
    assert links(chainer.store.database)[-2:] == [1, 0]
    assert told(chainer) == []


def test_a_number_that_was_rolled_back_leaves_a_gap_that_nobody_minds(
    service: House, chainer: Chainer
):
    happened(service, "B1")
    with service.database.engine.connect() as connection:
        lines.add(connection, service.clock, service.store.vault, "GONE", BOOKED)
        connection.rollback()
    happened(service, "B2")
    chainer()
    assert told(chainer) == []


# ---------------------------------------------------------------- what is done to lines


@pytest.fixture
def chained(service: House, chainer: Chainer) -> Chainer:
    """Three lines of the history and three acts, all linked; the second is of 08:02 and 08:05."""
    happened(service, "B1", "B2", "B3")
    acted(service, "F1", "F2", "F3")
    chainer()
    return chainer


ANOTHERS_REASON = "(SELECT why_enc FROM act_reason WHERE id = 1)"
LINE = "history 2 of 2026-11-25T08:02:00+00:00"
ACT = "staff_act 2 of 2026-11-25T08:05:00+00:00"


@pytest.mark.owner
@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("DELETE FROM history WHERE id = 2", f"{LINE} was deleted"),
        ("DELETE FROM staff_act WHERE id = 2", f"{ACT} was deleted"),
        (
            "DELETE FROM history WHERE id = 3",
            "history 3 of 2026-11-25T08:03:00+00:00 was deleted",
        ),
        ("UPDATE history SET booking_id = 'B9' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE history SET who = 'anna' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE history SET channel = 'web' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE history SET what = 'moved' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE history SET why = 'x' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE history SET details = '{}' WHERE id = 2", f"{LINE} was changed"),
        ("UPDATE staff_act SET staff_id = 'bea' WHERE id = 2", f"{ACT} was changed"),
        ("UPDATE staff_act SET what = 'x' WHERE id = 2", f"{ACT} was changed"),
        ("UPDATE staff_act SET subject = 'F9' WHERE id = 2", f"{ACT} was changed"),
        ("UPDATE staff_act SET details = '[]' WHERE id = 2", f"{ACT} was changed"),
        # The reason of an act belongs to it.
        ("DELETE FROM act_reason WHERE id = 2", f"{ACT} was changed"),
        (
            f"UPDATE act_reason SET why_enc = {ANOTHERS_REASON} WHERE id = 2",  # noqa: S608
            f"{ACT} was changed",
        ),
    ],
)
def test_what_is_deleted_or_changed_is_named(
    service: House, chained: Chainer, sql: str, sentence: str
):
    done(service.database, sql)
    assert told(chained) == [sentence]


@pytest.mark.owner
def test_another_reason_under_the_right_key_is_named(service: House, chained: Chainer):
    sealed = service.store.vault.seal_text("another", staff_rows.reason_place(2))
    done(service.database, "UPDATE act_reason SET why_enc = :sealed WHERE id = 2", sealed=sealed)
    assert told(chained) == ["staff_act 2 of 2026-11-25T08:05:00+00:00 was changed"]


@pytest.mark.owner
@pytest.mark.parametrize(("chain", "of"), [(HISTORY, "08:02:00"), (ACTS, "08:05:00")])
def test_one_line_backdated_is_named(service: House, chained: Chainer, chain: str, of: str):
    at = (NOON - DAY).isoformat()
    done(service.database, f"UPDATE {chain} SET at = :at WHERE id = 2", at=at)  # noqa: S608
    assert told(chained) == [
        f"{chain} 2 of 2026-11-25T{of}+00:00 was given another moment: 2026-11-24T08:00:00+00:00"
    ]


INSERTED = (
    "INSERT INTO history (booking_id, at, who, channel, what, why, details) "
    "VALUES ('B9', :at, 'caller', 'phone', 'cancelled', '', '{}')"
)


def test_one_line_inserted_in_the_past_is_named_before_and_after_it_is_linked(
    service: House, chained: Chainer
):
    clock_of(service).advance(timedelta(hours=5))
    happened(service, "B4")
    chained()
    with service.database.transaction() as connection:
        connection.execute(text(INSERTED), {"at": (NOON + MINUTE * 90).isoformat()})
    assert told(chained) == [
        (
            "history 5 of 2026-11-25T09:30:00+00:00 has no link, and the chain reaches"
            " 2026-11-25T13:07:00+00:00: it was inserted in the past, or its link was taken away"
        )
    ]
    chained()
    assert told(chained) == [
        (
            "history 5 of 2026-11-25T09:30:00+00:00 was inserted in the past: it turned up at"
            " 2026-11-25T13:07:00+00:00, behind a line of 2026-11-25T13:07:00+00:00"
        )
    ]


def test_a_mark_of_each_hour_closes_a_quiet_night(service: House, chained: Chainer):
    """Nothing was recorded meanwhile; a line of that time that turns up later is named too."""
    clock_of(service).advance(timedelta(hours=8))
    assert chained.mark(HISTORY)
    with service.database.transaction() as connection:
        connection.execute(text(INSERTED), {"at": (NOON + 3 * EVERY).isoformat()})
    chained()
    (sentence,) = told(chained)
    assert "history 4 of 2026-11-25T11:00:00+00:00 was inserted in the past" in sentence


def test_a_line_that_bears_a_moment_to_come_is_named_and_no_later_one(
    service: House, chained: Chainer
):
    with service.database.transaction() as connection:
        connection.execute(text(INSERTED), {"at": (NOON + 30 * DAY).isoformat()})
    chained()
    happened(service, "B4")
    chained()
    assert told(chained) == [
        (
            "history 4 of 2026-12-25T08:00:00+00:00 bears a moment that was still to come at"
            " 2026-11-25T08:06:00+00:00"
        )
    ]


def test_clocks_that_differ_a_little_accuse_nobody(service: House, chained: Chainer):
    clock_of(service).advance(-LATEST / 2)
    happened(service, "B4")
    chained()
    assert told(chained) == []


@pytest.mark.owner
def test_only_the_first_are_named_and_all_are_counted(service: House, chained: Chainer):
    done(service.database, "DELETE FROM history")
    said: list[str] = []
    assert verify_traces(chained, [], limit=2, say=said.append) == 3
    assert said[:3] == [
        "traces: history 1 of 2026-11-25T08:01:00+00:00 was deleted",
        "traces: history 2 of 2026-11-25T08:02:00+00:00 was deleted",
        "traces: history: 1 more",
    ]


# ---------------------------------------------------------------- what is done to the chain


@pytest.mark.owner
def test_a_link_is_refused_to_be_changed_or_taken_away(service: House, chained: Chainer):
    for sql in ("UPDATE trace_link SET row_id = 9", "DELETE FROM trace_link"):
        with pytest.raises(DBAPIError, match="trace_link is append only"):
            execute(service.database, sql)


@pytest.mark.owner
def test_a_line_and_its_link_deleted_are_named(service: House, chained: Chainer):
    done(service.database, "DELETE FROM history WHERE id = 2")
    done(service.database, "DELETE FROM trace_link WHERE chain = 'history' AND row_id = 2")
    assert told(chained)[0] == (
        "links 2 to 2 of history are gone, before that of 2026-11-25T08:03:00+00:00"
    )


@pytest.mark.owner
def test_a_link_made_to_fit_a_changed_line_is_named(service: House, chained: Chainer):
    """Who has no secret can give it a digest, and none that is right."""
    forger = replace(chained, keys=TraceKeys(["a guess"]))
    done(service.database, "UPDATE history SET what = 'moved' WHERE id = 2")
    with verify.snapshot(service.database) as connection:
        found = list(traces.compared(connection, service.store.vault, HISTORY))
    link, line = found[1]
    assert line
    bare = replace(link, digest=forger.keys.digest(HISTORY, line), key_name=forger.keys.name)
    made = forger.keys.chained(HISTORY, bare, found[0][0].chained)
    values = {"digest": bare.digest, "chained": made}
    done(
        service.database,
        "UPDATE trace_link SET digest = :digest, chained = :chained"
        " WHERE chain = 'history' AND row_id = 2",
        **values,
    )
    assert told(chained)[0] == (
        "link 2 of history, of line 2 (2026-11-25T08:02:00+00:00), was changed"
    )


@pytest.mark.owner
def test_links_put_in_another_order_are_named(service: House, chained: Chainer):
    for one, other in ((2, 99), (3, 2), (99, 3)):
        done(
            service.database,
            "UPDATE trace_link SET position = :other WHERE chain = 'history' AND position = :one",
            one=one,
            other=other,
        )
    assert any("was changed" in one for one in told(chained))


def test_a_chain_of_a_secret_that_is_no_longer_known_is_named(service: House, chained: Chainer):
    unknown = replace(chained, keys=TraceKeys(["another"]))
    assert "TRACES_SECRET does not hold" in told(unknown)[0]
    # A new one behind the old one goes on with the chain.
    both = replace(chained, keys=TraceKeys([SECRET, "another"]))
    happened(service, "B4")
    assert both() == 1
    assert told(both) == []
    assert "TRACES_SECRET does not hold" in told(chained)[0]


# ---------------------------------------------------------------- keys and erasure


def test_a_reason_sealed_with_another_data_key_is_the_same_reason(service: House, chained: Chainer):
    new = Vault([bytes(range(32)), bytes(range(1, 33))])
    for number in (1, 2, 3):
        sealed = new.seal_text("Mme Durand a rappelé", staff_rows.reason_place(number))
        with service.database.transaction() as connection:
            connection.execute(
                text("UPDATE act_reason SET why_enc = :sealed WHERE id = :id"),
                {"sealed": sealed, "id": number},
            )
    assert told(replace(chained, store=replace(service.store, vault=new))) == []


def test_a_booking_that_is_erased_on_schedule_leaves_the_chain_whole(
    service: House, chainer: Chainer
):
    service.opens_centre("1", starts=[NOON + DAY])
    service.phone().books()
    chainer()
    clock_of(service).advance(timedelta(days=100))
    assert erase_data(service.store)["bookings"] == 1
    assert told(chainer) == []


def long_ago(service: House, chainer: Chainer, ago: timedelta, *subjects: str) -> None:
    """Acts of so long ago by the clock on the wall, which the database looks at."""
    clock_of(service).moment = datetime.now(NOON.tzinfo).replace(microsecond=0) - ago
    acted(service, *subjects)
    chainer()
    clock_of(service).moment = datetime.now(NOON.tzinfo).replace(microsecond=0)


def test_acts_that_are_forgotten_leave_their_links_and_then_a_cut(service: House, chainer: Chainer):
    long_ago(service, chainer, LINKS_KEPT + DAY, "OLD1", "OLD2")
    acted(service, "NEW1", "NEW2")
    chainer()
    assert erase_data(service.store)["acts"] == 2
    assert told(chainer) == []
    assert chainer.cut(ACTS) == 2
    assert links(service.database, ACTS) == [3, 4]
    assert told(chainer) == []
    assert chainer.cut(ACTS) == 0
    acted(service, "NEW3")
    chainer()
    assert told(chainer) == []


def test_links_of_a_year_ago_stay_a_month_more(service: House, chainer: Chainer):
    long_ago(service, chainer, ACTS_KEPT + DAY, "OLD1")
    acted(service, "NEW1")
    chainer()
    erase_data(service.store)
    assert chainer.cut(ACTS) == 0
    assert links(service.database, ACTS) == [1, 2]
    assert told(chainer) == []


@pytest.mark.owner
def test_a_young_act_is_not_forgotten_by_a_cut_of_somebody_else(service: House, chained: Chainer):
    """The chained digest of a link can be read in the database, the proof of a cut cannot."""
    done(
        service.database,
        "INSERT INTO trace_cut (chain, position, chained, at, key_name, proof) SELECT chain,"
        " position, chained, at, key_name, digest FROM trace_link"
        " WHERE chain = 'staff_act' AND position = 2",
    )
    done(service.database, "DELETE FROM trace_link WHERE chain = 'staff_act' AND position <= 2")
    done(service.database, "DELETE FROM staff_act WHERE id <= 2")
    found = told(chained)
    assert found[0] == "the cut of staff_act at 2 is not ours"
    assert "links 1 to 2 of staff_act are gone" in found[1]


@pytest.mark.owner
def test_evidence_that_was_made_old_is_not_cut_off(service: House, chained: Chainer):
    done(service.database, "DELETE FROM staff_act WHERE id = 1")
    old = (NOON - 3 * ACTS_KEPT).isoformat()
    done(
        service.database,
        "UPDATE trace_link SET at = :at WHERE chain = 'staff_act' AND position = 1",
        at=old,
    )
    assert chained.cut(ACTS) == 0
    assert "link 1 of staff_act" in told(chained)[0]


def test_the_history_is_never_cut(service: House, chainer: Chainer):
    happened(service, "B1")
    chainer()
    clock_of(service).advance(3 * LINKS_KEPT)
    assert chainer.cut(HISTORY) == 0


# ---------------------------------------------------------------- anchors


class Listener:
    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.news: list[dict[str, Any]] = []

    def tell(self, news: dict[str, Any]) -> bool:
        self.news.append(news)
        return self.takes


def test_an_anchor_is_written_each_hour(service: House, chained: Chainer, tmp_path: Path):
    file, listener = tmp_path / "kept" / "anchors", Listener()
    anchoring = Anchoring(chained, {FILE: AnchorFile(file), WEBHOOK: AnchorWebhook(listener)})
    assert anchoring() == 4
    assert anchoring() == 0
    clock_of(service).advance(EVERY)
    assert anchoring() == 4
    found = read_anchors(file)
    assert [(one.chain, one.position) for one in found] == [
        (HISTORY, 4), (ACTS, 4), (HISTORY, 5), (ACTS, 5),
    ]  # fmt: skip
    assert file.stat().st_mode & 0o077 == 0
    assert [one["position"] for one in listener.news] == [4, 4, 5, 5]
    assert listener.news[0]["digest"] == found[0].chained.hex()
    assert told(chained, found) == []
    # Lines of the file itself that are taken away are missed, too.
    clock_of(service).advance(2 * MINUTE)
    assert told(chained, found[:3])[-1] == (
        "the file of anchors lacks that of staff_act of 2026-11-25T09:06:00+00:00: its newest is of"
        " 2026-11-25T08:06:00+00:00; if another is meant, --anchors names it"
    )
    assert "it has none" in told(chained, [])[0]


def test_an_anchor_that_cannot_leave_is_tried_again_and_holds_up_no_other(
    service: House, chained: Chainer, tmp_path: Path
):
    (tmp_path / "file").write_text("")
    listener = Listener(takes=False)
    blocked = AnchorFile(tmp_path / "file" / "anchors")
    anchoring = Anchoring(chained, {FILE: blocked, WEBHOOK: AnchorWebhook(listener)})
    for _ in range(2):
        with pytest.raises(NotAnchored, match="file, webhook"):
            anchoring()
    assert len(listener.news) == 4
    listener.takes = True
    with pytest.raises(NotAnchored, match="file"):
        anchoring()
    with pytest.raises(NotAnchored, match=r"^file$"):
        anchoring()
    assert len(listener.news) == 6
    # One mark an hour, however often it is tried.
    assert links(service.database) == [1, 2, 3, 0]


def test_without_anywhere_to_go_the_chain_is_marked_all_the_same(service: House, chained: Chainer):
    assert Anchoring(chained)() == 0
    assert links(service.database) == [1, 2, 3, 0]
    with service.database.statement() as connection:
        assert traces.last_anchor(connection, HISTORY) is None


def anchored(chained: Chainer, file: Path) -> list[Anchor]:
    Anchoring(chained, {FILE: AnchorFile(file)})()
    return read_anchors(file)


@pytest.mark.owner
def test_a_chain_that_was_made_anew_is_found_by_its_anchor(
    service: House, chained: Chainer, tmp_path: Path
):
    """By who has the secret and the whole database."""
    anchors = anchored(chained, tmp_path / "anchors")
    done(service.database, "UPDATE history SET what = 'moved' WHERE id = 1")
    done(service.database, "DELETE FROM trace_link")
    chained()
    chained.mark(HISTORY)
    assert told(chained) == []
    assert told(chained, anchors)[0] == (
        "history is not the chain that was anchored at 2026-11-25T08:06:00+00:00 (position 4): it"
        " was made anew"
    )


@pytest.mark.owner
def test_an_end_that_was_taken_away_is_found_by_its_anchor(
    service: House, chained: Chainer, tmp_path: Path
):
    anchors = anchored(chained, tmp_path / "anchors")
    done(service.database, "DELETE FROM history WHERE id = 3")
    done(service.database, "DELETE FROM trace_link WHERE chain = 'history' AND position > 2")
    assert told(chained) == []
    assert told(chained, anchors) == [
        (
            "history ends at position 2, and at 2026-11-25T08:06:00+00:00 it was anchored at 4: its"
            " end was taken away"
        )
    ]


def test_anchors_of_links_that_were_cut_off_are_not_asked_for(
    service: House, chainer: Chainer, tmp_path: Path
):
    file = tmp_path / "anchors"
    long_ago(service, chainer, LINKS_KEPT + DAY, "OLD1", "OLD2")
    first = anchored(chainer, file)
    acted(service, "NEW1")
    chainer()
    erase_data(service.store)
    assert chainer.cut(ACTS) == 2
    assert told(chainer, first) == []


# ---------------------------------------------------------------- after a restore


def comes_back(chained: Chainer, file: Path) -> list[Anchor]:
    """The store as it was an hour ago, beside the file of anchors of now; gives those of then."""
    first = anchored(chained, file)
    clock_of_chain = chained.store.clock
    assert isinstance(clock_of_chain, FixedClock)
    clock_of_chain.advance(EVERY)
    with chained.store.database.transaction() as connection:
        lines.add(connection, chained.store.clock, chained.store.vault, "LOST", BOOKED)
        record_act(connection, chained.store, "anna", "read_file", "LOST", "")
    chained()
    assert len(anchored(chained, file)) == 4
    for anchor in first:
        chain, end = anchor.chain, anchor.position
        for statement in (
            (
                f"DELETE FROM {chain} WHERE id > (SELECT max(row_id) FROM trace_link"  # noqa: S608
                " WHERE chain = :chain AND position <= :end)"
            ),
            "DELETE FROM trace_link WHERE chain = :chain AND position > :end",
            "DELETE FROM trace_anchor WHERE chain = :chain AND position > :end",
        ):
            done(chained.store.database, statement, chain=chain, end=end)
    clock_of_chain.advance(5 * MINUTE)
    return first


@pytest.mark.owner
def test_the_file_of_anchors_fits_the_store_that_came_back(
    service: House, chained: Chainer, tmp_path: Path
):
    file = tmp_path / "anchors"
    first = comes_back(chained, file)
    whole = file.read_text()
    # As it is and put aside, it contradicts the store for ever.
    assert len(told(chained, read_anchors(file))) == 2
    assert len(told(chained, [])) == 2
    found = fit_anchors(chained.store, file)
    assert (found.kept, found.lost, found.anew) == (2, 2, ())
    assert found.reach == first[0].at
    assert found.aside is not None
    assert found.aside.read_text() == whole
    assert read_anchors(file) == first
    assert file.stat().st_mode & 0o077 == 0
    assert told(chained, read_anchors(file)) == []
    # Again changes nothing.
    assert fit_anchors(chained.store, file).aside is None
    # And it goes on from there.
    happened(service, "NEW1")
    clock_of(service).advance(EVERY)
    chained()
    assert len(anchored(chained, file)) == 4
    clock_of(service).advance(5 * MINUTE)
    assert told(chained, read_anchors(file)) == []


@pytest.mark.owner
def test_what_was_changed_before_the_backup_is_found_after_the_restore_too(
    service: House, chained: Chainer, tmp_path: Path
):
    """The anchors that stay are those that vouch for what came back."""
    file = tmp_path / "anchors"
    comes_back(chained, file)
    done(service.database, "UPDATE history SET what = 'moved' WHERE id = 1")
    done(service.database, "DELETE FROM trace_link WHERE chain = 'history'")
    chained()
    chained.mark(HISTORY)
    assert fit_anchors(chained.store, file).kept == 2
    assert "it was made anew" in told(chained, read_anchors(file))[0]


@pytest.mark.owner
def test_a_file_that_was_lost_is_begun_anew_and_says_so(
    service: House, chained: Chainer, tmp_path: Path
):
    file = tmp_path / "anchors"
    comes_back(chained, file)
    file.unlink()
    found = fit_anchors(chained.store, file)
    assert (found.kept, found.lost, found.aside, found.anew) == (0, 0, None, (HISTORY, ACTS))
    assert [(one.chain, one.position) for one in read_anchors(file)] == [(HISTORY, 4), (ACTS, 4)]
    clock_of(service).advance(5 * MINUTE)
    assert told(chained, read_anchors(file)) == []
    assert fit_anchors(chained.store, file).anew == ()


def test_a_file_that_cannot_be_changed_stays_and_is_said(
    service: House, chained: Chainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "anchors"
    anchored(chained, file)
    more = f"{file.read_text()}2026-11-25T08:00:00+00:00 history 9 00ff\n"
    file.write_text(more)

    def refuses(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(BadAnchors, match="Operation not permitted"):
        fit_anchors(chained.store, file)
    assert file.read_text() == more
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


@pytest.mark.owner
def test_after_the_restore_the_commands_end_clean(service: House, tmp_path: Path):
    """What the steps of docs/restore.md say, in their order."""
    file = tmp_path / "anchors"
    service.settings.traces_anchor_file = str(file)
    chainer = Chainer(service.store, TraceKeys([service.settings.secret_key]))
    service.opens_centre("1", starts=[NOON + DAY])
    service.phone().books()
    acted(service, "F1")
    comes_back(chainer, file)
    assert "2 contradictions" in verified(service)[1][-1]
    command = service.app.test_cli_runner()
    begun = command.invoke(args=["restore", "begin", "--since", "2026-11-25T07:00"])
    assert begun.exit_code == 0, begun.output
    assert f"2 anchors in {file} were of lines that this store does not have" in begun.output
    assert "vouches for what was recorded up to 2026-11-25T08:01:00+00:00" in begun.output
    code, lines_told = verified(service)
    assert (code, lines_told[-1]) == (0, "1 bookings, 1 places, 0 contradictions")
    again = command.invoke(args=["restore", "begin"])
    assert "anchors" not in again.output
    file.write_text("nonsense\n")
    refused = command.invoke(args=["restore", "begin"])
    assert refused.exit_code == 1
    assert refused.output.splitlines()[-1].startswith("Error: everything is frozen, but line 1 of")


@pytest.mark.parametrize("line", ["nonsense", "2026-11-25 history x 00", "", "a b c d"])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, line: str):
    file = tmp_path / "anchors"
    file.write_text(f"2026-11-25T08:00:00+00:00 history 1 00ff\n{line}\n")
    with pytest.raises(BadAnchors, match=r"line 2 of .* is no anchor"):
        read_anchors(file)


def test_the_scheduler_chains_and_anchors(service: House, chainer: Chainer, tmp_path: Path):
    happened(service, "B1")
    chain, anchor = trace_tasks(chainer, str(tmp_path / "anchors"), "")
    assert (chain.every, anchor.every) == (5, 60)
    assert (chain.do(), anchor.do()) == (1, 2)
    assert [one.position for one in read_anchors(tmp_path / "anchors")] == [2, 1]
    made = Service(Directory(service.database), service.campaign, "+33974750001")
    parts = Parts(service.settings, service.store, made, service.woken)
    assert {"chain", "anchor"} <= {
        task.name for task in scheduler_tasks(parts, make_eraser(parts.settings))
    }


# ---------------------------------------------------------------- the command


def verified(house: House, *options: str) -> tuple[int, list[str]]:
    result = house.app.test_cli_runner().invoke(args=["store", "verify", *options])
    return result.exit_code, (result.stdout + result.stderr).splitlines()


@pytest.mark.owner
def test_the_command_compares_and_says_it_by_its_exit_status(service: House, tmp_path: Path):
    chainer = Chainer(service.store, TraceKeys([service.settings.secret_key]))
    service.opens_centre("1", starts=[NOON + DAY])
    service.phone().books()
    file = tmp_path / "anchors"
    Anchoring(chainer, {FILE: AnchorFile(file)})()
    code, lines_told = verified(service, "--anchors", str(file))
    assert code == 0
    assert lines_told == [
        "traces: history is chained up to 2026-11-25T08:00:00+00:00 (position 2), 1 lines",
        "traces: history was anchored last 2026-11-25T08:00:00+00:00",
        "traces: staff_act is chained up to 2026-11-25T08:00:00+00:00 (position 1), 0 lines",
        "traces: staff_act was anchored last 2026-11-25T08:00:00+00:00",
        "1 bookings, 1 places, 0 contradictions",
    ]
    done(service.database, "UPDATE history SET channel = 'web'")
    code, lines_told = verified(service, "--anchors", str(file))
    assert code == 1
    assert "traces: history 1 of 2026-11-25T08:00:00+00:00 was changed" in lines_told
    assert lines_told[-1] == "1 bookings, 1 places, 1 contradictions"
    file.write_text("nonsense\n")
    assert verified(service, "--anchors", str(file)) == (
        1,
        [f"Error: line 1 of {file} is no anchor"],
    )


# ---------------------------------------------------------------- a booking pays nothing


def test_no_statement_of_a_booking_knows_of_the_chain(service: House, chainer: Chainer):
    service.opens_centre("1", starts=[NOON + DAY])
    phone = service.phone()
    with on_the_wire(service.database) as sent:
        phone.books()
    assert sent
    assert not [one for one in sent if "trace_" in one]
    assert rows_of(service.database, select(func.count()).select_from(trace_link))[0][0] == 0
