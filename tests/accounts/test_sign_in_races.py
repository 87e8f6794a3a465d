"""Two at the same moment: one code, one session, one count."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import func, select

from models import attempts
from models.accounts import staff
from models.accounts.tables import staff_act, staff_session
from models.clock import DatabaseClock
from services.accounts import passwords, second_factor
from services.accounts import staff as accounts
from services.accounts.sign_in import (
    WRONG_FOR_LOGIN,
    BegunSession,
    Origin,
    SignIn,
    SignInClosed,
    WrongCredentials,
    needs,
)
from tests.support.house import House, house

PASSWORD = "cheval correct pile agrafe"
STRANGER = Origin("203.0.113.9")
AT_ONCE = 8


@pytest.fixture
def service(database_url: str) -> Any:
    # The database's own clock: moments of threads differ, as they do.
    with house(database_url, clock=DatabaseClock()) as made:
        yield made


@pytest.fixture
def sign_in(service: House, monkeypatch: pytest.MonkeyPatch) -> SignIn:
    monkeypatch.setattr(passwords, "PATIENCE", 60.0)
    return SignIn(service.store, "a key of the tests")


def together(count: int, act: Callable[[int], object]) -> list[object]:
    """What became of `count` that did it at once: what came back, or the refusal."""

    def one(number: int) -> object:
        try:
            return act(number)
        except (WrongCredentials, SignInClosed, accounts.StaffRefused) as refused:
            return refused

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def begins(sign_in: SignIn, login: str = "camille", password: str = PASSWORD) -> BegunSession:
    return sign_in.begin(login=login, password=password, origin=STRANGER)


def live(service: House) -> int:
    statement = select(func.count()).where(staff_session.c.ended_at.is_(None))
    with service.database.statement() as connection:
        return connection.execute(statement).scalar_one()


def test_one_code_given_twice_at_once_is_taken_once(service: House, sign_in: SignIn):
    who = service.employs("supervisor", login="maxence", password=PASSWORD)
    secret = second_factor.new_secret()
    with service.database.transaction() as connection:
        staff.change_secret(connection, service.clock, service.store.vault, who.id, secret)
    tokens = [begins(sign_in, "maxence").token for _ in range(4)]
    code = second_factor.code_at(secret, service.clock.now())

    def give(number: int) -> BegunSession:
        visit = sign_in.visit(tokens[number])
        assert visit is not None
        return sign_in.give_code(visit, tokens[number], code, STRANGER)

    found = together(len(tokens), give)
    assert sum(isinstance(one, BegunSession) for one in found) == 1


def test_without_the_step_kept_it_would_be_taken_each_time(
    service: House, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
):
    """The guard off: so the test above can fail."""
    monkeypatch.setattr(staff, "use_step", lambda connection, staff_id, step: True)
    with pytest.raises(AssertionError):
        test_one_code_given_twice_at_once_is_taken_once(service, sign_in)


def test_one_half_session_becomes_one_whole_one(service: House, sign_in: SignIn):
    """The same form sent twice: one session comes of it, whichever is first."""
    service.employs("supervisor", login="maxence", password=PASSWORD)
    token = begins(sign_in, "maxence").token
    code = second_factor.code_at(sign_in.offered_secret(token), service.clock.now())

    def enrols(_number: int) -> BegunSession:
        visit = sign_in.visit(token)
        if visit is None:
            raise WrongCredentials
        return sign_in.enrol(visit, token, code, STRANGER)

    found = together(4, enrols)
    (begun,) = [one for one in found if isinstance(one, BegunSession)]
    visit = sign_in.visit(begun.token)
    assert visit is not None
    assert needs(visit) == ""
    assert live(service) == 1


def test_as_many_guesses_at_once_as_one_likes_are_no_more_than_the_limit(
    service: House, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
):
    service.employs("agent", login="camille", password=PASSWORD)
    looked_at: list[str] = []

    def fits(given: str, hashed: str | None) -> bool:
        looked_at.append(given)
        return False

    monkeypatch.setattr(passwords, "fits", fits)
    found = together(AT_ONCE * 2, lambda number: begins(sign_in, password=f"guess {number}"))
    assert len(looked_at) == WRONG_FOR_LOGIN
    assert sum(isinstance(one, SignInClosed) for one in found) == AT_ONCE * 2 - WRONG_FOR_LOGIN


def test_counting_after_the_look_would_let_more_through(
    service: House, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
):
    """The guard off: so the test above can fail."""
    monkeypatch.setattr(attempts, "begin", lambda connection, clock, subjects: [])
    with pytest.raises(AssertionError):
        test_as_many_guesses_at_once_as_one_likes_are_no_more_than_the_limit(
            service, sign_in, monkeypatch
        )


def changes_password(service: House) -> None:
    accounts.give_password(service.store, "camille", "un tout autre mot de passe")


def closes_account(service: House) -> None:
    accounts.disable(service.store, "camille")


@pytest.mark.parametrize("changes", [changes_password, closes_account])
def test_who_signs_in_while_their_account_is_changed_is_not_left_in(
    service: House,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    changes: Callable[[House], None],
):
    """The password was right when it was looked at, and is not when the session begins."""
    service.employs("agent", login="camille", password=PASSWORD)
    fits = passwords.fits

    def slow(given: str, hashed: str | None) -> bool:
        right = fits(given, hashed)
        changes(service)
        return right

    monkeypatch.setattr(passwords, "fits", slow)
    with pytest.raises(WrongCredentials):
        begins(sign_in)
    assert live(service) == 0


def test_sign_ins_and_sign_outs_at_once_leave_nobody_in_by_chance(service: House, sign_in: SignIn):
    who = service.employs("agent", login="camille", password=PASSWORD)

    def act(number: int) -> object:
        if number % 2:
            return accounts.sign_out_everywhere(service.store, who.id, by=who.id)
        return begins(sign_in)

    begun = [one for one in together(AT_ONCE, act) if isinstance(one, BegunSession)]
    accounts.sign_out_everywhere(service.store, who.id, by=who.id)
    assert [sign_in.visit(one.token) for one in begun] == [None] * len(begun)
    assert live(service) == 0


def test_one_login_is_given_once(service: House):
    def add(number: int) -> object:
        return accounts.add(
            service.store, login="camille", name=f"C {number}", role="agent", password=PASSWORD
        )

    found = together(4, add)
    assert sum(isinstance(one, accounts.StaffRefused) for one in found) == 3
    assert len(accounts.lines(service.store)) == 1


def test_an_act_is_in_the_history_or_did_not_happen(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    service.employs("agent", login="camille")

    def fails(*_given: object) -> None:
        raise RuntimeError("the history cannot be written")

    monkeypatch.setattr(staff, "add_act", fails)
    with pytest.raises(RuntimeError):
        accounts.change_role(service.store, "camille", "supervisor")
    assert accounts.lines(service.store)[0].staff.role == "agent"


@pytest.mark.owner
@pytest.mark.parametrize("verb", ["UPDATE staff_act SET what = 'x'", "DELETE FROM staff_act"])
def test_nobody_changes_the_history(service: House, verb: str):
    service.employs("agent", login="camille")
    accounts.disable(service.store, "camille")
    with (
        pytest.raises(Exception, match="append only"),
        service.database.transaction() as connection,
    ):
        connection.exec_driver_sql(verb)
    with service.database.statement() as connection:
        assert connection.execute(select(func.count()).select_from(staff_act)).scalar_one() == 1


def takes_challenges(service: House) -> list[object]:
    """What each of several gets who answer to one challenge at once."""
    who = service.employs("agent", login="camille")
    with service.database.transaction() as connection:
        staff.begin_session(connection, service.clock, "the token", who.id, strong=False)
        staff.put_challenge(connection, service.clock, "the token", b"u" + b"random")

    def take(_number: int) -> bytes | None:
        with service.database.transaction() as connection:
            return staff.take_challenge(
                connection, service.clock, "the token", timedelta(minutes=5)
            )

    return together(AT_ONCE, take)


def test_one_challenge_is_answered_once(service: House):
    assert [one for one in takes_challenges(service) if one is not None] == [b"urandom"]
