"""What a line leaves in the store: its pace, codes, what a cut call chose, and one reminder."""

from __future__ import annotations

import json

from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import func, select

from models.attempts import attempt
from models.call import resume
from models.call.tables import call, caller_pace, resume_code
from models.slots.tables import place
from prompts.catalogue import load
from services.call.end_call import record_call_status
from services.call.resume_call import (
    CODE_LIVES,
    CODE_TRIES,
    CODE_TRIES_A_DAY,
    CODES_DEAR_FOR,
    RESUME_WITHIN,
    WRONG_CODES,
    find_by_code,
    find_earlier,
    take_up,
)
from services.messages import texts
from services.messages.sms_parts import ONE_PART, septets
from services.privacy.erase_data import erase_data
from services.work import Work
from tests.support.house import (
    LANDLINE,
    MOBILE,
    NOON,
    WITHHELD,
    CountingChance,
    House,
    Phone,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import as_in_production, clock_of, on_the_wire, rows_of

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OTHER_MOBILE = "+33698765432"


@pytest.fixture
def town(service: House) -> House:
    for gid in ("1", "2", "3"):
        service.opens_centre(gid, kilometres=int(gid), starts=mornings(30), capacity=3)
    return service


def cut_at(service: House, step: str, number: str = MOBILE) -> Phone:
    return service.phone(number).goes_to(step).hangs_up()


def count(service: House, table: Any) -> int:
    return int(rows_of(service.database, select(func.count()).select_from(table))[0][0])


def live_holders(service: House) -> list[str]:
    statement = select(place.c.held_by).where(place.c.hold_expires_at > service.clock.at())
    return sorted(row.held_by for row in rows_of(service.database, statement))


# ---------------------------------------------------------------- what a ring costs


def test_a_line_that_has_not_rung_lately_costs_two_statements(town: House):
    as_in_production(town)
    cut_at(town, "confirm", LANDLINE)
    with on_the_wire(town.database) as sent:
        town.phone(MOBILE).dials()
    first, second = sent
    assert "INSERT INTO call" in first
    assert "RETURNING" in first
    assert "INSERT INTO turn" in second


def test_what_was_cut_costs_a_look_at_it(town: House):
    as_in_production(town)
    cut_at(town, "postcode_check")
    with on_the_wire(town.database) as sent:
        town.phone(MOBILE).dials()
    assert len(sent) == 3
    cut_at(town, "confirm", LANDLINE)
    with on_the_wire(town.database) as sent:
        town.phone(LANDLINE).dials()
    # And one at what is kept of it.
    assert len(sent) == 4


# ---------------------------------------------------------------- who goes on


def test_what_a_call_can_go_on_from_is_taken_up_once(town: House):
    first = cut_at(town, "confirm")
    store, campaign = town.store, town.campaign
    for call_id in ("CA-one", "CA-two"):
        with store.database.transaction() as connection:
            row = {"id": call_id, "status": "ringing", "status_rank": 2, "started_at": NOON}
            connection.execute(call.insert(), [row])
    with store.database.transaction() as connection:
        taken = take_up(Work(connection, store, campaign), "CA-one", first.sid)
        assert taken is not None
        assert taken.kept
        assert taken.session.born == "1942-03-12"
    with store.database.transaction() as connection:
        assert take_up(Work(connection, store, campaign), "CA-two", first.sid) is None
    assert live_holders(town) == ["CA-one"]


def test_a_take_over_that_is_undone_leaves_all_as_it_was(town: House):
    first = cut_at(town, "confirm")
    store = town.store

    def breaks_off() -> None:
        with store.database.transaction() as connection:
            assert take_up(Work(connection, store, town.campaign), "CA-one", first.sid)
            raise ZeroDivisionError

    before = live_holders(town)
    with pytest.raises(ZeroDivisionError):
        breaks_off()
    assert live_holders(town) == before
    with store.database.transaction() as connection:
        assert take_up(Work(connection, store, town.campaign), "CA-one", first.sid)


def test_a_call_that_is_over_takes_nothing_over(town: House):
    first = cut_at(town, "confirm")
    late = town.phone(LANDLINE).dials().hangs_up()
    with town.database.transaction() as connection:
        taken = take_up(Work(connection, town.store, town.campaign), late.sid, first.sid)
    assert taken is not None
    assert not taken.kept


def test_only_the_newest_calls_of_a_line_are_looked_at(town: House):
    """A switchboard: each ring costs the same, however many calls there were."""
    for _ in range(resume.MOST_CALLS + 3):
        town.phone().dials().hangs_up()
        clock_of(town).advance(timedelta(seconds=1))
    cut_at(town, "postcode")
    clock_of(town).advance(timedelta(seconds=1))
    assert town.phone().dials().step == "resume"
    for _ in range(resume.MOST_CALLS):
        clock_of(town).advance(timedelta(seconds=1))
        town.phone().dials().hangs_up()
    with town.database.statement() as connection:
        found = find_earlier(Work(connection, town.store, town.campaign), "CA-new", MOBILE)
    assert found is None


def test_who_was_booked_meanwhile_is_not_asked_to_go_on(town: House):
    """The same person gave up the resume, and was booked and told all from the beginning."""
    cut_at(town, "confirm")
    clock_of(town).advance(MINUTE)
    town.phone().dials().presses("2").goes_to("reference").presses("1")
    clock_of(town).advance(MINUTE * 4)
    assert town.phone().dials().step == "booked_before"


def said_digits(caller: Phone) -> str:
    return "".join(letter for letter in " ".join(caller.spoken) if letter.isdigit())


@pytest.mark.parametrize("step", ["ready", "reference"])
def test_who_was_booked_and_not_told_all_goes_on_to_hear_it_after_the_birth_date(
    town: House, step: str
):
    cut_at(town, step)
    (booked,) = town.bookings()
    again = town.phone().dials()
    assert again.step == "booked_before"
    again.presses("2").presses("13031942")
    assert again.step == "untold_birth_date"
    assert booked.reference not in said_digits(again)
    again.presses("12031942")
    assert again.step == "ready"
    again.presses("1")
    assert booked.reference in said_digits(again)
    again.presses("1")
    assert len(town.bookings()) == 1
    # Once is enough: from here on it is heard with the reference.
    assert town.phone().asks_for_theirs().step == "my_reference"


def test_what_was_erased_is_not_taken_up(town: House):
    first = cut_at(town, "confirm")
    clock_of(town).advance(2 * DAY)
    erase_data(town.store)
    clock_of(town).moment = NOON + MINUTE
    with town.database.transaction() as connection:
        assert take_up(Work(connection, town.store, town.campaign), "CA-one", first.sid) is None


# ---------------------------------------------------------------- the pace


def slow_rows(service: House) -> list[tuple[bool, Any]]:
    return [
        tuple(row)
        for row in rows_of(service.database, select(caller_pace.c.slow, caller_pace.c.at))
    ]


@pytest.mark.parametrize("number", [MOBILE, LANDLINE])
def test_the_pace_is_remembered_for_the_number(town: House, number: str):
    caller = town.phone(number).goes_to("date_of_birth").presses("8")
    assert town.session(caller.sid).slow
    assert slow_rows(town) == [(True, NOON)]
    later = town.phone(number).dials()
    assert town.session(later.sid).slow
    assert "plus lentement" not in later.since_input.split("tapez 0")[0]
    assert not town.session(town.phone(OTHER_MOBILE).dials().sid).slow


def test_a_withheld_number_has_no_pace(town: House):
    town.phone(WITHHELD).goes_to("date_of_birth").presses("8")
    assert slow_rows(town) == []
    assert not town.session(town.phone(WITHHELD).dials().sid).slow


def test_asking_for_it_again_writes_nothing_more(town: House):
    caller = town.phone().goes_to("date_of_birth").presses("8")
    as_in_production(town)
    with on_the_wire(town.database) as sent:
        caller.presses("8")
    assert len(sent) == 2
    assert slow_rows(town) == [(True, NOON)]


def test_a_pace_dies_thirteen_months_after_the_last_call(town: House):
    clock = clock_of(town)
    town.phone().goes_to("date_of_birth").presses("8").hangs_up()
    clock.advance(390 * DAY)
    assert erase_data(town.store)["paces"] == 0
    assert town.session(town.phone().dials().sid).slow
    clock.advance(390 * DAY)
    assert erase_data(town.store)["paces"] == 0
    clock.advance(10 * DAY)
    assert erase_data(town.store)["paces"] == 1
    assert not town.session(town.phone().dials().sid).slow


def test_a_copy_of_the_key_remembers_once(town: House):
    caller = town.phone().goes_to("date_of_birth").presses("8")
    last = caller.requests[-1]
    copy = town.app.test_client().post(last.url, data=dict(last.form), headers=dict(last.headers))
    assert copy.data == caller.documents[-1]
    assert len(slow_rows(town)) == 1


# ---------------------------------------------------------------- codes


def told_code(caller: Phone) -> str:
    """The six digits that were said, in twos, since the last key."""
    before, _, rest = caller.since_input.partition("donnez ce code : ")
    assert rest, before
    return "".join(letter for letter in rest.split(".")[0] if letter.isdigit())


def chosen_without_number(service: House) -> tuple[Phone, str]:
    caller = service.phone(WITHHELD).goes_to("offers").presses("1")
    code = told_code(caller)
    assert len(code) == 6
    return caller, code


def gives(service: House, code: str) -> Phone:
    caller = service.phone(WITHHELD).dials().hears_text("code de reprise, tapez 7").presses("7")
    assert caller.step == "resume_code"
    return caller.presses(code)


def test_a_withheld_number_goes_on_with_the_code_that_it_was_told(town: House):
    first, code = chosen_without_number(town)
    first.goes_to("confirm")
    assert first.spoken[-1].count("donnez ce code") == 0
    chosen = town.session(first.sid).choice
    first.hangs_up()
    assert len(live_holders(town)) == 1
    clock_of(town).advance(5 * MINUTE)
    again = gives(town, code).hears_text("est gardé jusqu'à 9 heures 10").presses("1")
    assert again.step == "confirm"
    assert "1942" not in " ".join(again.spoken)
    assert town.session(again.sid).choice == chosen
    assert live_holders(town) == [again.sid]
    again.presses("1").hears_text("Votre rendez-vous est confirmé")


def test_the_code_leads_to_the_newest_of_the_calls(town: House):
    first, code = chosen_without_number(town)
    first.hangs_up()
    second = gives(town, code).presses("1")
    # Told once: the same code goes on counting.
    assert "donnez ce code" not in " ".join(second.spoken)
    second.hangs_up()
    clock_of(town).advance(9 * MINUTE)
    third = gives(town, code).hears_text("est gardé jusqu'à").presses("1")
    assert third.step == "reach"
    assert count(town, resume_code) == 1


def test_a_code_runs_out(town: House):
    first, code = chosen_without_number(town)
    first.hangs_up()
    clock_of(town).advance(RESUME_WITHIN + MINUTE)
    assert gives(town, code).step == "resume_code"


def test_who_has_told_no_code_keeps_nothing(town: House):
    cut_at(town, "offers", WITHHELD)
    assert live_holders(town) == []
    assert count(town, resume_code) == 0


@pytest.mark.parametrize("number", [MOBILE, LANDLINE])
def test_a_number_that_is_known_hears_of_no_code(town: House, number: str):
    caller = town.phone(number).goes_to("confirm")
    assert "code de reprise" not in " ".join(caller.spoken)
    assert "donnez ce code" not in " ".join(caller.spoken)
    # Whoever has one from the site knows the key.
    again = town.phone("+33687654321").dials().presses("7")
    assert again.step == "resume_code"


def test_three_wrong_codes_end_the_tries_of_a_call_and_the_right_one_sounds_no_other(town: House):
    first, code = chosen_without_number(town)
    first.hangs_up()
    caller = gives(town, "999999")
    caller.hears_text("Je ne peux rien reprendre avec ce code").presses("999998")
    caller.presses("999997").hears_text("Continuons sans ce code")
    assert caller.step == "welcome"
    # Once more from the welcome: three were three, and nobody learns that this one was right.
    caller.presses("7").presses(code).hears_text("Je ne peux rien reprendre avec ce code")
    # Of each: for the call, for the code, and for all.
    assert count(town, attempt) == 3 * CODE_TRIES
    other = gives(town, code)
    assert other.step == "resume"


def somebody_guesses(town: House, wrong: int = WRONG_CODES) -> None:
    """So many wrong codes, three in a call, from a line that shows no number."""
    for number in range(wrong):
        with town.database.transaction() as connection:
            work = Work(connection, town.store, town.campaign)
            assert find_by_code(work, f"CX-{number // CODE_TRIES}", f"{number:06d}") is None


def test_seven_calls_of_a_guesser_close_no_code_for_the_others(town: House):
    """They cost who has a code its birth date, which who guesses would have to guess as well."""
    first, code = chosen_without_number(town)
    first.hangs_up()
    somebody_guesses(town)
    asked = gives(town, code).hears_text("date de naissance")
    asked.presses("12031942").presses("1")
    assert asked.step == "resume"
    asked.presses("1")
    assert asked.step == "reach_number" or asked.step.startswith("reach")


def test_while_somebody_guesses_wrong_codes_sound_like_right_ones(town: House):
    first, code = chosen_without_number(town)
    first.hangs_up()
    somebody_guesses(town)
    heard = []
    for given, born in ((code, "13031942"), ("999999", "12031942")):
        caller = gives(town, given)
        caller.presses(born).presses("1").hears_text("Continuons sans ce code")
        assert caller.step == "welcome"
        heard.append(caller.documents[-1])
    assert heard[0] == heard[1]


def test_a_day_later_a_code_alone_is_enough_again(town: House):
    somebody_guesses(town)
    clock_of(town).advance(CODES_DEAR_FOR)
    first, code = chosen_without_number(town)
    first.hangs_up()
    assert gives(town, code).step == "resume"


def test_birth_dates_for_one_code_come_to_an_end(town: House):
    """Whoever has heard somebody's code has five tries at their birth date, in all calls."""
    first, code = chosen_without_number(town)
    first.hangs_up()
    somebody_guesses(town)
    for day in range(CODE_TRIES_A_DAY):
        caller = gives(town, code)
        caller.presses(f"{day + 13}031942").presses("1")
    caller = gives(town, code)
    caller.hears_text("Je ne peux rien reprendre avec ce code")


# What a guesser may have in a day: so many lines at once, each a call of three tries in so many
# seconds, the whole day. So many calls that were cut are kept at a time in a rush, and the birth
# dates of those who ring are spread over thirty years at the least.
LINES, SECONDS_A_CALL, KEPT_AT_A_TIME, BIRTH_DATES = 100, 20, 100, 30 * 365
CODES = 10**6


def test_guessing_codes_stays_hopeless():
    """docs/decisions/0010: one success in eighty days, and it is a half-finished booking."""
    cheap = WRONG_CODES * (timedelta(days=1) / CODES_DEAR_FOR) * KEPT_AT_A_TIME / CODES
    guesses = LINES * CODE_TRIES * timedelta(days=1).total_seconds() / SECONDS_A_CALL
    dear = guesses * KEPT_AT_A_TIME / CODES / BIRTH_DATES
    assert cheap < 0.005
    assert dear < 0.02


def test_no_code_is_stored_in_the_open(town: House):
    _, code = chosen_without_number(town)
    ((index, _call, until),) = rows_of(town.database, select(resume_code))
    assert code.encode() not in index
    assert index == town.store.vault.index("resume code", code)
    assert until == NOON + CODE_LIVES


def test_a_code_is_nobody_elses_while_it_counts(database_url: str):
    class Stuck(CountingChance):
        def code(self) -> str:
            return "123456"

    with house(database_url, chance=Stuck()) as service:
        service.opens_centre("1", starts=mornings(20), capacity=3)
        first, _ = chosen_without_number(service)
        # Nothing else could be found: the call goes on without one, and is not kept.
        second = service.phone(WITHHELD).goes_to("offers", born="13031944").presses("1")
        assert "donnez ce code" not in second.since_input
        assert second.step == "reach"
        first.hangs_up()
        clock_of(service).advance(CODE_LIVES)
        third = service.phone(WITHHELD).goes_to("offers", born="14031944").presses("1")
        assert told_code(third) == "123456"


def test_codes_that_ran_out_are_deleted_after_two_days(town: House):
    chosen_without_number(town)
    clock_of(town).advance(DAY)
    assert erase_data(town.store)["resume codes"] == 0
    clock_of(town).advance(DAY + CODE_LIVES + MINUTE)
    assert erase_data(town.store)["resume codes"] == 1
    assert count(town, resume_code) == 0


# ---------------------------------------------------------------- the reminder


def test_a_mobile_is_told_by_text_what_is_still_to_be_done(town: House):
    cut_at(town, "confirm")
    (text,) = town.messages("sms")
    assert town.woken.messages == [text.id]
    body = json.loads(town.text_of(text))["body"]
    assert body.startswith(
        "Allo Rendez-vous : votre rendez-vous n'est pas encore pris. Nous gardons une place à Paris"
    )
    assert "jusqu'à 9h10" in body
    assert septets(body) <= ONE_PART
    assert town.promises() == []


def test_a_landline_is_called_back(town: House):
    cut_at(town, "confirm", LANDLINE)
    (promise,) = town.promises()
    known = promise.known
    assert known["reason"] == "unfinished"
    assert known["born"] == "1942-03-12"
    assert known["start_at"]
    assert town.messages("sms") == []


def test_once_for_each_number_and_day(town: House):
    for _ in range(3):
        cut_at(town, "confirm")
        clock_of(town).advance(MINUTE)
        town.phone().dials().presses("1").hangs_up()
    assert len(town.messages("sms")) == 1
    clock_of(town).advance(DAY)
    cut_at(town, "confirm")
    assert len(town.messages("sms")) == 2


@pytest.mark.parametrize("step", ["offers", "postcode_check", "ready", "reference"])
def test_only_between_the_choice_and_its_confirmation(town: House, step: str):
    cut_at(town, step)
    assert town.messages() == []


def test_the_end_told_twice_writes_once(town: House):
    caller = town.phone().goes_to("confirm")
    for status in ("completed", "failed", "completed"):
        record_call_status(
            town.store, town.campaign, caller.sid, status, national_number="+33972720101"
        )
    assert len(town.messages("sms")) == 1


def test_what_is_not_kept_any_more_is_not_written_about(town: House):
    caller = town.phone().goes_to("confirm")
    clock_of(town).advance(town.campaign.hold_lease)
    caller.hangs_up()
    assert town.messages() == []


def test_a_withheld_number_hears_nothing_more(town: House):
    first, _ = chosen_without_number(town)
    first.hangs_up()
    assert town.messages() == []


def test_a_campaign_that_leaves_the_text_out_sends_none(database_url: str):
    with house(database_url, campaign=campaign_with(texts=("confirmation",))) as service:
        service.opens_centre("1", starts=mornings(5))
        cut_at(service, "confirm")
        assert service.messages() == []
        assert service.held() == 1


LONGEST_TOWN = "Saint-Germain-de-Tallevende-la-Lande-Vaumont"


@pytest.mark.parametrize("town_name", ["Y", "Paris 11e", "Beaufort-Blavincourt", LONGEST_TOWN])
def test_the_text_is_one_part_whatever_the_town_is_called(town_name: str):
    text = texts.unfinished(
        load("fr"), town=town_name, until=NOON.replace(hour=22, minute=55), number="+33972720101"
    )
    assert septets(text) <= ONE_PART
    assert town_name[:8] in text
    assert text.endswith("rappelez le 09 72 72 01 01")


# ---------------------------------------------------------------- a line has so many sets


def test_a_line_keeps_two_sets_at_most(town: House):
    """One for whose line was cut, one for somebody else there: no line hoards."""
    cut_at(town, "confirm")
    for born in ("13031944", "14031944", "15031944"):
        clock_of(town).advance(timedelta(seconds=1))
        other = town.phone().dials().presses("2").goes_to("confirm", born=born)
        other.hangs_up()
    assert len(live_holders(town)) == 2
    assert {one.partition(":")[0] for one in live_holders(town)} == {"resume", "other"}
    assert all(len(one) <= 40 for one in live_holders(town))
