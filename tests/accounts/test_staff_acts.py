"""What people at work did: nobody changes it, and after a year it is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from models.accounts import staff as rows
from models.accounts.staff import Act
from models.accounts.tables import staff_act
from models.clock import FixedClock
from services.privacy.erase_data import ACTS_KEPT, erase_data
from tests.support.house import House
from tests.support.rows import clock_of, rows_of

DAY = timedelta(days=1)


def acted(service: House, subject: str, ago: timedelta) -> None:
    """An act of so long ago, by the clock on the wall: the database looks at that one."""
    with service.database.transaction() as connection:
        clock = FixedClock(datetime.now(UTC) - ago)
        act = Act("anna", "read_file", subject, "Mme Durand a rappelé")
        rows.add_act(connection, clock, service.store.vault, act)


def changes(service: House, change: object) -> None:
    """Change the acts with every right that the migration took from the role.

    Then the trigger alone refuses, whoever the role of the tests is.
    """
    with service.database.transaction() as connection:
        connection.execute(text("GRANT UPDATE, TRUNCATE ON staff_act TO CURRENT_USER"))
        connection.execute(change)  # type: ignore[call-overload]


def kept(service: House) -> list[str]:
    return [row.subject for row in rows_of(service.database, select(staff_act))]


@pytest.mark.owner
@pytest.mark.parametrize(
    "change",
    [update(staff_act).values(what=""), delete(staff_act), text("TRUNCATE staff_act")],
    ids=["update", "delete", "truncate"],
)
def test_an_act_is_neither_changed_nor_taken_away(service: House, change: object):
    acted(service, "yesterday", DAY)
    with pytest.raises(DBAPIError, match="staff_act is append only"):
        changes(service, change)
    assert kept(service) == ["yesterday"]


def test_an_old_act_is_not_changed_either(service: House):
    acted(service, "long ago", ACTS_KEPT + DAY)
    with (
        pytest.raises(DBAPIError, match=r"append only|permission denied"),
        service.database.transaction() as connection,
    ):
        connection.execute(update(staff_act).values(what=""))


def test_acts_are_forgotten_after_a_year_and_no_earlier(service: House):
    clock_of(service).moment = datetime.now(UTC)
    acted(service, "old", ACTS_KEPT + timedelta(minutes=1))
    acted(service, "young", ACTS_KEPT - timedelta(minutes=1))
    assert erase_data(service.store)["acts"] == 1
    assert kept(service) == ["young"]
    assert erase_data(service.store)["acts"] == 0


def test_a_clock_that_runs_ahead_takes_nothing_away(service: House):
    acted(service, "yesterday", DAY)
    clock_of(service).moment = datetime.now(UTC) + 3 * ACTS_KEPT
    assert erase_data(service.store)["acts"] == 0
    assert kept(service) == ["yesterday"]


def test_the_services_own_role_has_lost_the_right_to_change_them(service: House):
    statement = text(
        "SELECT DISTINCT privilege_type FROM pg_class, aclexplode(relacl) "
        "WHERE oid = 'staff_act'::regclass"
    )
    with service.database.statement() as connection:
        granted = set(connection.execute(statement).scalars())
    assert {"SELECT", "INSERT", "DELETE"} <= granted
    assert not granted & {"UPDATE", "TRUNCATE"}
