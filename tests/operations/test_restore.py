"""After a restore nothing leaves until it is known what left before: no text twice, nobody lost."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from sqlalchemy import null, select, update

from exchange.calls import CallRecord
from ivr import provider_log
from ivr.provider_log import TwilioLog
from models.accounts import staff as staff_rows
from models.agents import stored_commands
from models.booking.tables import booking
from models.desk import cases, lost_texts
from models.desk.cases import NewCase
from models.desk.lost_texts import LostText
from models.desk.tables import agent_case, lost_text
from models.messages import claims, freezes
from models.messages.tables import message, reminder_plan
from models.operations import people, person_rows, processes
from models.operations.provider_records import provider_record
from models.public import incidents
from models.slots.tables import place
from models.supervision import alerts
from prompts.catalogue import load
from services.accounts.staff import read_acts
from services.backups import restore
from services.backups.restore import Reconciler, RestoreRefused
from services.campaign.campaigns import Campaigns
from services.health.store_gauges import StoreCollector
from services.health.watch_processes import all_kinds
from services.messages import reminders, texts
from services.messages.deliver_message import LEASE
from services.ports import NoAnswer
from services.privacy import person_rights
from services.privacy.erase_data import AFTER_PLACE, erase_data
from services.privacy.person_rights import Actor
from services.public.write_state import WriteState
from tests.agents.rings import OURS
from tests.agents.rings import Office as Ringing
from tests.desk.test_desk import HTMX, Desk
from tests.supervision.test_board import Board
from tests.support.house import (
    ACCOUNT,
    CAMPAIGN,
    LANDLINE,
    MOBILE,
    NOON,
    TOKEN,
    WITHHELD,
    House,
    a_mobile,
    mornings,
)
from tests.support.locks import WAITING_FOR_A_TABLE
from tests.support.office import Office, Provider
from tests.support.rows import change, clock_of, rows_of
from tests.support.until import wait_for

OPERATOR = "operator anna"
STRANGER = a_mobile(77)


@dataclass
class Night:
    """A house whose store comes back from a back-up, and the provider who knows what left."""

    office: Office
    provider: Provider

    @property
    def house(self) -> House:
        return self.office.house

    def forgets(self, message_id: str) -> None:
        """The row is as it was in the back-up: nothing of it has left."""
        values = {"state": "pending", "attempts": 0, "provider_sid": null(), "sent_at": null()}
        values |= {"way": null(), "parts": null(), "lease_until": null()}
        this = message.c.id == message_id
        assert change(self.house.database, update(message).where(this).values(**values)) == 1

    def left(self, recipient: str, body: str) -> None:
        """A text left of which the store that came back knows nothing."""
        self.office.messenger.send("0" * 32, recipient, body)

    def begins(self, **options: Any) -> restore.Begun:
        options.setdefault("since", NOON - timedelta(hours=1))
        return restore.begin(self.house.store, OPERATOR, **options)

    def compares(self, **options: Any) -> dict[str, int]:
        listed = TwilioLog(ACCOUNT, TOKEN, api_base_url=self.provider.url)
        made = Reconciler(
            self.house.store,
            listed,
            self.office.means,
            lambda: [self.house.campaign],
            **options,
        )
        try:
            return {name: count for name, count in made.run().items() if count}
        finally:
            listed._http.session.close()

    def ends(self, **options: Any) -> int:
        return restore.end(self.house.store, OPERATOR, **options)

    def cases(self) -> list[Any]:
        return list(rows_of(self.house.database, select(agent_case).order_by(agent_case.c.id)))

    def texts_of(self, case_id: str) -> list[str]:
        with self.house.database.statement() as connection:
            found = lost_texts.of_case(connection, self.house.store.vault, case_id)
        return [one.body for one in found]

    def row(self, message_id: str) -> Any:
        return self.office.row(message_id)

    def bodies(self, recipient: str = MOBILE) -> list[str]:
        return [one.body for one in self.provider.texts(recipient)]


@pytest.fixture
def night(whole_office: Office, provider: Provider) -> Night:
    whole_office.house.opens_centre("1", starts=mornings(20), capacity=2)
    return Night(whole_office, provider)


def booked(night: Night, number: str = MOBILE) -> Any:
    """Somebody books by telephone, with a text; gives their reference and the row's id."""
    phone = night.house.phone(number).goes_to("reach").answers("1").goes_to("reference")
    phone.answers("1")
    vault = night.house.store.vault
    theirs = booking.c.phone_idx == vault.index("phone", number)
    (row,) = rows_of(night.house.database, select(booking).where(theirs))
    reference = vault.open_text(row.reference_enc, f"booking.reference:{row.id}")
    return SimpleNamespace(id=row.id, reference=reference)


# ---------------------------------------------------------------- the freeze


def test_nothing_is_claimed_while_it_lasts_and_everything_after_it(night: Night):
    ids = [night.office.writes(a_mobile(number)) for number in range(3)]
    begun = night.begins()
    assert (begun.is_new, begun.waiting, begun.being_sent) == (True, 3, 0)
    # A worker that was told before, and the sweep.
    assert {night.office.delivers(one) for one in ids} == {"not due"}
    assert night.office.sweeps() == 0
    assert night.provider.texts() == []
    assert {night.row(one).state for one in ids} == {"pending"}
    night.compares()
    assert night.ends() == 3
    assert night.office.sweeps() == 3
    assert len(night.provider.texts()) == 3


def test_beginning_again_changes_nothing(night: Night):
    first = night.begins()
    clock_of(night.house).advance(timedelta(minutes=5))
    again = night.begins(since=NOON)
    assert (again.is_new, again.freeze) == (False, first.freeze)
    night.compares()
    night.ends()
    assert night.begins().is_new


def test_processes_that_ran_when_the_backup_was_made_are_over(made: House):
    """Nobody will ever end them, and nobody is to look for them; one that runs says so again."""

    def lost() -> list[int]:
        return [one.lost for one in all_kinds(made.store) if one.kind != processes.WEB]

    made.has_processes()
    clock_of(made).advance(timedelta(minutes=10))
    assert lost() == [1, 1, 1]
    assert restore.begin(made.store, OPERATOR, NOON).processes == 3
    assert lost() == [0, 0, 0]
    rows = rows_of(made.database, select(processes.process))
    assert [row.ended_at for row in rows] == [made.clock.now()] * 3
    with made.database.transaction() as connection:
        processes.sign(connection, made.clock, "the worker", "worker", "here")
    # Again changes nothing.
    assert restore.begin(made.store, OPERATOR, NOON).processes == 0
    assert sum(one.running for one in all_kinds(made.store)) == 1


def test_it_does_not_end_before_anything_was_compared(night: Night):
    night.begins()
    with pytest.raises(RestoreRefused, match="texted twice"):
        night.ends()
    night.ends(anyway=True)
    with pytest.raises(RestoreRefused, match="nothing is frozen"):
        night.ends(anyway=True)
    with pytest.raises(RestoreRefused, match="nothing is frozen"):
        night.compares()


def test_the_store_says_when_its_backup_was_unless_it_was_written_to_since(night: Night):
    with pytest.raises(RestoreRefused, match="say with --since"):
        night.begins(since=None)
    booked(night)
    with pytest.raises(RestoreRefused, match="written to"):
        night.begins(since=None)
    clock_of(night.house).advance(timedelta(hours=3))
    assert night.begins(since=None).freeze.since_at == NOON


def test_what_a_relay_had_claimed_is_waited_for(night: Night):
    message_id = night.office.writes()
    store = night.house.store
    with night.house.database.transaction() as connection:
        assert claims.claim(connection, store.clock, store.vault, message_id, LEASE)
    assert night.begins().being_sent == 1
    with pytest.raises(RestoreRefused, match="half a minute"):
        night.compares()
    clock_of(night.house).advance(LEASE)
    assert night.compares() == {}


@pytest.mark.parametrize("guarded", ["guarded", ""])
def test_a_claim_that_has_begun_is_seen_by_the_freeze(
    database_url: str, monkeypatch: pytest.MonkeyPatch, guarded: str
):
    """The claim looked before the freeze was there. Without the guard, nobody knows of its text."""
    made = House(database_url)
    store, office = made.store, Office(made, None)
    message_id = office.writes()
    if not guarded:
        monkeypatch.setattr(freezes, "wait_for_claims", lambda database: None)
    looked, goes_on = threading.Event(), threading.Event()

    def takes_it() -> Any:
        with made.database.transaction() as connection:
            claimed = claims.claim(connection, store.clock, store.vault, message_id, LEASE)
            looked.set()
            assert goes_on.wait(30)
            return claimed

    with ThreadPoolExecutor(2) as people:
        relay = people.submit(takes_it)
        assert looked.wait(30)
        operator = people.submit(restore.begin, store, OPERATOR, NOON)
        if guarded:
            with made.database.statement() as connection:
                wait_for(
                    lambda: connection.execute(WAITING_FOR_A_TABLE).first(), "the freeze waits"
                )
            goes_on.set()
        begun = operator.result(30)
        goes_on.set()
        assert relay.result(30) is not None
    made.close()
    assert begun.being_sent == bool(guarded)


def test_nobody_is_rung_back_meanwhile_and_who_is_on_the_line_is_served(service: House):
    ringing = Ringing(service)
    told = ringing.promises(LANDLINE, "silent")
    asked = ringing.promises(MOBILE, "asked")
    agent = ringing.agent()
    restore.begin(service.store, OPERATOR, NOON)
    assert ringing.call_back.dial_machines(service.store, ringing.control) == 0
    assert ringing.reserves() == 0
    assert (ringing.entry(told).state, ringing.entry(asked).state) == ("waiting", "waiting")
    service.phone(a_mobile(5)).goes_to("date_of_birth").answers("0")
    assert ringing.reserves() == 1
    assert [ring.to for ring in ringing.control.rings] == [f"client:{agent}"]


def test_a_call_back_that_an_agent_had_begun_is_not_dialled(service: House):
    ringing = Ringing(service)
    entry_id = ringing.promises(MOBILE, "asked")
    agent = ringing.agent()
    assert ringing.reserves() == 1
    restore.begin(service.store, OPERATOR, NOON)
    ringing.agent_picks_up(agent)
    assert ringing.control.to(MOBILE) == []
    assert ringing.entry(entry_id).state == "waiting"


def test_a_command_to_dial_waits_too(service: House):
    ringing = Ringing(service)
    ringing.promises(MOBILE, "asked")
    agent = ringing.agent()
    ringing.reserves()
    ringing.agent_picks_up(agent)
    with service.database.statement() as connection:
        (dial,) = stored_commands.undone(connection, service.clock)
    restore.begin(service.store, OPERATOR, NOON)
    with service.database.transaction() as connection:
        assert stored_commands.undone(connection, service.clock) == []
        claimed = stored_commands.claim(
            connection, service.clock, service.store.vault, dial[0], timedelta(seconds=4)
        )
    assert claimed is None


# ---------------------------------------------------------------- texts


def test_a_text_that_had_left_does_not_leave_twice(night: Night):
    made = booked(night)
    (row,) = night.house.messages("sms")
    night.office.sweeps()
    night.provider.reports()
    night.forgets(row.id)
    night.begins()
    assert night.compares() == {"texts": 1, "texts_marked": 1}
    night.ends()
    night.office.sweeps()
    assert len(night.bodies()) == 1
    kept = night.row(row.id)
    assert (kept.state, kept.provider_sid) == ("delivered", night.provider.texts()[0].sid)
    assert made.reference in night.bodies()[0]
    assert night.cases() == []


def test_without_comparing_it_leaves_twice(night: Night):
    """What the freeze and the comparing are for."""
    booked(night)
    (row,) = night.house.messages("sms")
    night.office.sweeps()
    night.forgets(row.id)
    # What the provider has for this number is looked up for messages in doubt only.
    night.begins()
    night.ends(anyway=True)
    night.office.sweeps()
    assert len(night.bodies()) == 2


def test_a_text_in_doubt_is_settled_by_comparing(night: Night):
    message_id = night.office.writes(body="Rendez-vous 4521000001")
    night.left(MOBILE, "Rendez-vous 4521000001")
    doubt = {"state": "sending", "attempts": 1, "lease_until": NOON - timedelta(hours=1)}
    change(night.house.database, update(message).values(**doubt))
    night.begins()
    assert night.compares() == {"texts": 1, "texts_marked": 1}
    assert night.row(message_id).state == "sent"


def test_a_text_that_failed_there_is_followed_up_here(night: Night):
    night.provider.faults.set({"undeliverable": {MOBILE: 30003}})
    booked(night)
    (row,) = night.house.messages("sms")
    night.office.sweeps()
    night.provider.reports()
    night.forgets(row.id)
    night.begins()
    night.compares()
    assert (night.row(row.id).state, night.row(row.id).error_code) == ("undelivered", "30003")
    assert len(night.house.messages("follow_up")) == 1


def test_a_booking_after_the_backup_is_a_case_with_its_texts(night: Night):
    booked_then = (
        "Rendez-vous jeudi 26 novembre à 10 h, 12 rue de la Paix, 75011 Paris 11e."
        " Référence 9988776655. Pour toute question, appelez le 09 74 75 00 01"
    )
    cancelled_then = (
        "Votre rendez-vous du jeudi 26 novembre à 10 h est annulé. Référence 9988776655."
        " Pour en prendre un autre, appelez le 09 74 75 00 01"
    )
    night.left(STRANGER, booked_then)
    night.left(STRANGER, cancelled_then)
    night.begins()
    counts = night.compares(dry_run=True)
    assert counts == {"texts": 2, "texts_to_cases": 2, "cases": 1}
    assert night.cases() == []
    assert rows_of(night.house.database, select(lost_text)) == []
    assert night.compares() == counts
    (case,) = night.cases()
    assert (case.kind, case.booking_id, case.why) == ("restored", None, "")
    assert sorted(night.texts_of(case.id)) == sorted([booked_then, cancelled_then])
    # Once more finds nothing new, and the freeze keeps what came of it.
    assert night.compares() == {"texts": 2, "texts_known": 2}
    with night.house.database.statement() as connection:
        freeze = freezes.current(connection)
    assert freeze is not None
    assert freeze.counts["cases"] == 1
    assert freeze.reconciled_at == NOON


def test_a_move_after_the_backup_is_a_case_of_its_booking_and_nothing_old_leaves(night: Night):
    made = booked(night)
    clock_of(night.house).advance(timedelta(minutes=2))
    change(night.house.database, update(message).values(topic="change"))
    (row,) = night.house.messages("sms")
    night.left(
        MOBILE,
        "Votre rendez-vous est déplacé : lundi 30 novembre à 10 h, 12 rue de la Paix, 75011 Paris"
        f" 11e, au lieu du 26/11 10 h. Référence {made.reference}. Pour toute question, appelez"
        " le 09 74 75 00 01",
    )
    night.begins()
    assert night.compares() == {"texts": 1, "texts_to_cases": 1, "cases": 1, "dropped": 1}
    (case,) = night.cases()
    assert case.booking_id == made.id
    assert (night.row(row.id).state, night.row(row.id).error_code) == ("dropped", "restored")
    night.ends()
    night.office.sweeps()
    assert len(night.bodies()) == 1


def test_a_text_that_says_what_is_true_needs_nobody(night: Night):
    """It was asked for once more after the back-up: the store says the same."""
    made = booked(night)
    night.office.sweeps()
    night.left(MOBILE, night.bodies()[0])
    assert made.reference in night.bodies()[0]
    night.begins()
    assert night.compares() == {"texts": 2, "texts_known": 1, "texts_true": 1}
    assert night.cases() == []


def test_a_text_without_a_booking_needs_nobody(night: Night):
    number = night.house.settings.national_number
    night.left(STRANGER, texts.filled(load("fr"), "code", number=number, code="204061"))
    night.left(STRANGER, texts.filled(load("es"), "opening", number=number))
    night.begins()
    assert night.compares() == {"texts": 2, "texts_passing": 2}


def test_a_text_that_promises_a_call_of_which_nothing_is_known_is_a_case(night: Night):
    number = night.house.settings.national_number
    body = texts.filled(load("fr"), "callback_late", number=number)
    night.left(STRANGER, body)
    night.left(MOBILE, body)
    Ringing(night.house).promises(MOBILE, "asked")
    night.begins()
    assert night.compares() == {
        "texts": 2, "texts_passing": 1, "texts_to_cases": 1, "cases": 1,
    }  # fmt: skip


def test_words_that_are_not_ours_are_a_case(night: Night):
    night.left(STRANGER, "Bonjour")
    night.begins()
    assert night.compares() == {"texts": 1, "texts_to_cases": 1, "cases": 1}


def test_reminders_that_were_planned_after_the_backup_are_not_sent_again(night: Night):
    """Of their planning the back-up knows nothing, and their words are those of their day."""
    house, clock = night.house, clock_of(night.house)
    house.opens_slots("1", [NOON.replace(day=28, hour=15)])
    change(house.database, place.delete().where(place.c.id <= 40))
    booked(night)
    night.office.sweeps()
    # The day before, in the morning.
    clock.moment = NOON.replace(day=27, hour=8, minute=30)
    night.provider.simulator.clock.advance((clock.now() - NOON).total_seconds())
    assert reminders.plan(house.store, [house.campaign]) == 1
    night.office.sweeps()
    (_, reminder) = night.bodies()
    assert "demain, samedi 28 novembre à 16h00" in reminder
    # The back-up was of the night before: neither the plan nor the message is in it.
    change(house.database, reminder_plan.delete())
    change(house.database, message.delete().where(message.c.kind == "reminder"))
    clock.advance(timedelta(hours=4))
    night.begins(since=NOON)
    assert night.compares() == {"texts": 2, "texts_known": 1, "texts_marked": 1}
    night.ends()
    night.office.sweeps()
    assert len(night.bodies()) == 2


def test_reminders_of_which_no_plan_is_due_any_more_are_no_cases(night: Night):
    """In the evening nothing is planned any more; but what they said is true."""
    house, clock = night.house, clock_of(night.house)
    house.opens_slots("1", [NOON.replace(day=28, hour=15)])
    change(house.database, place.delete().where(place.c.id <= 40))
    booked(night)
    night.office.sweeps()
    clock.moment = NOON.replace(day=27, hour=8, minute=30)
    night.provider.simulator.clock.advance((clock.now() - NOON).total_seconds())
    reminders.plan(house.store, [house.campaign])
    night.office.sweeps()
    change(house.database, reminder_plan.delete())
    change(house.database, message.delete().where(message.c.kind == "reminder"))
    clock.moment = NOON.replace(day=27, hour=21)
    night.begins(since=NOON)
    assert night.compares() == {"texts": 2, "texts_known": 1, "texts_true": 1}


# ---------------------------------------------------------------- calls


def rang(night: Night, sender: str, recipient: str, seconds: int, **options: Any) -> str:
    """A call that the provider lists and the store does not know."""
    began = NOON - timedelta(minutes=10)
    record = CallRecord(ACCOUNT, sender, recipient, began, start_time=began, **options)
    record.duration, record.status = seconds, options.get("status", "completed")
    night.provider.simulator.calls.add(record)
    return record.sid


def came(night: Night, number: str, seconds: int) -> str:
    return rang(night, number, OURS, seconds, direction="inbound")


def test_who_rang_without_a_number_for_texts_may_have_booked(night: Night):
    sid = came(night, LANDLINE, 95)
    came(night, LANDLINE, 20)
    came(night, WITHHELD, 200)
    # Who has a mobile has a text about what they booked.
    came(night, MOBILE, 200)
    night.begins()
    assert night.compares() == {
        "calls": 4, "calls_to_cases": 1, "calls_passing": 2, "calls_withheld": 1, "cases": 1,
    }  # fmt: skip
    (case,) = night.cases()
    with night.house.database.statement() as connection:
        (lost,) = lost_texts.of_case(connection, night.house.store.vault, case.id)
    assert (lost.kind, lost.sid, lost.number, lost.body) == ("came", sid, LANDLINE, "")


def test_calls_that_the_store_knows_need_nobody(night: Night):
    phone = night.house.phone(LANDLINE).goes_to("postcode")
    phone.hang_up()
    record = CallRecord(
        ACCOUNT, LANDLINE, OURS, NOON, direction="inbound", sid=phone.sid, start_time=NOON,
    )  # fmt: skip
    record.duration, record.status = 300, "completed"
    night.provider.simulator.calls.add(record)
    night.begins()
    assert night.compares() == {"calls": 1, "calls_known": 1}


def test_who_was_rung_back_after_the_backup_is_not_rung_again_but_looked_at(night: Night):
    ringing = Ringing(night.house)
    answered = ringing.promises(MOBILE, "asked")
    other = ringing.promises(STRANGER, "asked")
    rang(night, OURS, MOBILE, 40)
    rang(night, OURS, STRANGER, 0, status="no-answer")
    night.begins()
    assert night.compares() == {
        "calls": 2, "calls_to_cases": 1, "calls_unanswered": 1, "cases": 1, "promises_ended": 1,
    }  # fmt: skip
    assert (ringing.entry(answered).state, ringing.entry(answered).outcome) == ("left", "restored")
    assert ringing.entry(other).state == "waiting"


def test_agents_lines_are_no_calls_to_people(night: Night):
    agent = night.house.employs("agent")
    store = night.house.store
    with night.house.database.transaction() as connection:
        staff_rows.change_phone(connection, store.clock, store.vault, agent.id, LANDLINE)
    rang(night, OURS, LANDLINE, 300)
    rang(night, OURS, f"client:{agent.id}", 300)
    night.begins()
    assert night.compares() == {"calls": 2, "calls_of_ours": 2}


# ---------------------------------------------------------------- the provider's lists


def test_lists_are_read_page_by_page_and_each_text_once(
    night: Night, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(provider_log, "_PAGE", 3)
    for number in range(8):
        night.left(a_mobile(number), f"Bonjour {number}")
        if number < 4:
            # These have left; the others have no date of that yet.
            night.provider.simulator.run_pending()
    night.begins()
    assert night.compares() == {"texts": 8, "texts_to_cases": 8, "cases": 8}


def test_what_was_made_before_the_backup_is_not_asked_for(night: Night):
    night.left(STRANGER, "Bonjour")
    night.provider.reports()
    night.begins(since=NOON + timedelta(hours=1))
    assert night.compares() == {}


def test_a_provider_that_fails_in_between_loses_nothing(
    night: Night, monkeypatch: pytest.MonkeyPatch
):
    """What was compared stays so; the next run goes on."""
    monkeypatch.setattr(restore, "_AT_ONCE", 2)
    for number in range(5):
        night.left(a_mobile(number), "Bonjour")
    read = TwilioLog.texts

    def breaks_off(self: TwilioLog, since: Any) -> Iterator[Any]:
        for count, one in enumerate(read(self, since)):
            if count == 3:
                raise NoAnswer("cut")
            yield one

    night.begins()
    with monkeypatch.context() as broken:
        broken.setattr(TwilioLog, "texts", breaks_off)
        with pytest.raises(NoAnswer):
            night.compares()
    assert len(night.cases()) == 2
    with pytest.raises(RestoreRefused, match="not compared"):
        night.ends()
    assert night.compares() == {
        "texts": 5, "texts_known": 2, "texts_to_cases": 3, "cases": 3,
    }  # fmt: skip
    night.ends()


# ---------------------------------------------------------------- what stays of it


def test_texts_of_cases_are_erased_with_the_time_and_deleted_at_the_provider(night: Night):
    night.left(STRANGER, "Bonjour")
    night.begins()
    night.compares()
    night.ends()
    clock_of(night.house).advance(AFTER_PLACE - timedelta(minutes=1))
    assert erase_data(night.house.store)["texts of lost bookings"] == 0
    clock_of(night.house).advance(timedelta(minutes=2))
    assert erase_data(night.house.store)["texts of lost bookings"] == 1
    assert rows_of(night.house.database, select(lost_text)) == []
    (record,) = rows_of(night.house.database, select(provider_record.c.sid))
    assert record.sid == night.provider.texts()[0].sid


def test_a_person_is_told_of_them_and_they_go_with_an_erasure(night: Night):
    booked(night)
    night.office.sweeps()
    night.left(MOBILE, "Bonjour")
    night.begins()
    night.compares()
    here = people.Given(date(1942, 3, 12), MOBILE)
    by = Actor("operator", "anna")
    told = person_rights.export(night.house.store, here, by=by, reason="post")
    (lost,) = told.kept["lost_text"]
    assert (lost["number"], lost["body"]) == (MOBILE, "Bonjour")
    with night.house.database.transaction() as connection:
        trail = person_rights.identify(connection, night.house.store, here).trail
        sids = person_rows.provider_ids(connection, trail)
        person_rows.erase(connection, night.house.clock, trail)
    assert {one.sid for one in night.provider.texts()} == {
        one for one in sids if not one.startswith("CA")
    }
    assert rows_of(night.house.database, select(lost_text)) == []


# ---------------------------------------------------------------- who is told of it


def test_agents_see_the_texts_of_a_case_and_ring_their_person(made: House):
    store = made.store
    case_id, body = "c" * 32, "Rendez-vous jeudi. Référence 9988776655"
    with made.database.transaction() as connection:
        cases.add(connection, made.clock, NewCase(case_id, restore.CASE, ""))
        lost = LostText("d" * 32, case_id, "text", "SM1", STRANGER, body, NOON)
        assert lost_texts.add(connection, made.clock, store.vault, lost)
    desk = Desk(made)
    # The list names nobody.
    listed = desk.client.get("/poste/cas", headers=HTMX).text
    assert "À reprendre après une restauration" in listed
    assert "9988776655" not in listed
    part = desk.does("/cas/ouvrir", case=case_id)
    assert body in part
    assert "06 12 00 00 77" in part
    acts = [(one.act.what, one.act.subject, one.act.why) for one in read_acts(store)]
    assert acts == [("read_file", case_id, "case restored")]
    assert "Rappel promis" in desk.does("/cas/rappeler", case=case_id)
    (promised,) = made.promises()
    assert (promised.number, promised.reason) == (STRANGER, "case")
    assert "Dossier clos." in desk.does("/cas/clore", case=case_id, word="changed")


def test_the_board_and_machines_are_told_until_it_ends(made: House):
    board = Board(made)
    made.opens_centre("1", starts=mornings(2))
    restore.begin(made.store, OPERATOR, NOON)
    board.writes()
    assert [one["name"] for one in board.sees().json["alerts"]] == ["outbox_frozen"]
    clock_of(made).advance(timedelta(minutes=10))
    made.has_processes()
    ready = board.app.test_client().get("/readyz")
    # A balancer goes on sending calls here.
    assert ready.status_code == 200
    assert (
        "leaving: texts and call backs are frozen since 2026-11-25T08:00:00+00:00, not compared"
        " yet: flask restore reconcile; remedy: "
    ) in ready.text
    gauges = {one.name: one for one in StoreCollector(made.store, lambda: CAMPAIGN).collect()}
    assert gauges["allo_outbox_frozen_seconds"].samples[0].value == 600.0
    restore.end(made.store, OPERATOR, anyway=True)
    board.writes()
    with made.database.statement() as connection:
        assert alerts.raised(connection) == []
    # A worker that has not been asked before: what was found is told for some seconds.
    assert "leaving" not in made.application().test_client().get("/readyz").text


def test_visitors_read_that_texts_are_late_as_long_as_they_are(made: House):
    writes = WriteState(made.store, Campaigns.fixed(CAMPAIGN, now=made.clock.now))

    def running() -> list[str]:
        with made.database.statement() as connection:
            found = incidents.recent(connection, NOON, 10)
        return [one.kind for one in found if one.ended_at is None]

    restore.begin(made.store, OPERATOR, NOON)
    writes()
    assert running() == ["texts"]
    assert "Les SMS et les rappels partent en retard" in made.app.test_client().get("/etat").text
    restore.end(made.store, OPERATOR, anyway=True)
    writes()
    assert running() == []


def test_who_books_meanwhile_hears_that_the_text_does_not_leave_now(night: Night):
    """And hears the reference twice, as where a budget is spent; nothing that is not true."""
    night.begins()
    phone = night.house.phone().goes_to("reach").answers("1").goes_to("ready")
    phone.hears_text("ne part pas tout de suite")
    night.compares()
    night.ends()
    night.office.sweeps()
    assert len(night.bodies()) == 1


@pytest.mark.parametrize("frozen", ["frozen", ""])
def test_who_forgot_the_reference_is_not_told_to_wait_for_a_text(night: Night, frozen: str):
    """Silence would tell them that there is no appointment: a person answers."""
    booked(night)
    if frozen:
        night.begins()
    caller = night.house.phone().asks_for_theirs().presses("1")
    caller.presses("12031942").presses("1")
    assert (caller.step == "my_texted") is not bool(frozen)
    assert len(night.house.messages("sms")) == (1 if frozen else 2)


def test_the_commands_say_what_is_done(night: Night, monkeypatch: pytest.MonkeyPatch):
    house = night.house
    night.left(STRANGER, "Bonjour")
    house.settings.twilio_api_base_url = night.provider.url

    def run(*words: str) -> Any:
        return house.app.test_cli_runner().invoke(args=["restore", *words])

    assert run("status").output == "Nothing is frozen.\n"
    assert "say it with --since" in run("begin").output or "say with --since" in run("begin").output
    assert run("begin", "--since", "yesterday").exit_code == 1
    begun = run("begin", "--since", "2026-11-25T07:00")
    assert begun.exit_code == 0, begun.output
    assert "what left since 2026-11-25T07:00:00+00:00" in begun.output
    told = run("status")
    assert told.exit_code == 3
    assert "not compared yet: flask restore reconcile; 0 messages wait" in told.output
    assert "texted twice" in run("end").output
    dry = run("reconcile", "--dry-run")
    assert "1 tell what the store does not know: in a case" in dry.output
    assert "Nothing was changed." in dry.output
    assert STRANGER not in dry.output
    assert run("reconcile").exit_code == 0
    assert "compared with the provider: flask restore end; 0 messages wait" in run("status").output
    done = run("reconcile", "--release")
    assert done.exit_code == 0, done.output
    assert "Everything leaves again" in done.output
    assert run("status").exit_code == 0
