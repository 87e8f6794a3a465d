"""What staff type as a reason lies sealed: numbers and birth dates are among it."""

from __future__ import annotations

import pytest

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from models.accounts.tables import act_reason
from models.all_tables import metadata
from models.crypto import Vault
from models.database import Database
from services.accounts.staff import read_acts, record_act
from services.privacy.erase_data import ACTS_KEPT, erase_data
from services.store import Store
from tests.support.house import House
from tests.support.rows import clock_of, execute, rows_of

TYPED = "Mme Durand, 0612345678, née le 12/03/1942, rappelle"
VAULT = Vault([bytes(range(32))])


def everything(database: Database) -> str:
    """Every value of every table, as one text."""
    return "\n".join(
        repr(tuple(row))
        for table in metadata.tables.values()
        for row in rows_of(database, table.select())
    )


def searched(house: House, why: str) -> None:
    with house.database.transaction() as connection:
        record_act(connection, house.store, "anna", "searched", "", why, {"by": "person"})


def reasons(store: Store) -> list[str]:
    return [one.act.why for one in read_acts(store)]


def test_a_typed_reason_is_read_by_who_has_the_key_alone(service: House):
    searched(service, TYPED)
    searched(service, "")
    assert reasons(service.store) == ["", TYPED]
    assert len(rows_of(service.database, select(act_reason))) == 1
    for part in ("Durand", "0612345678", "12/03/1942"):
        assert part not in everything(service.database)


def test_a_reason_moved_to_another_act_does_not_open(service: House):
    searched(service, TYPED)
    searched(service, "another person")
    first = "SELECT why_enc FROM act_reason WHERE id = 1"
    execute(service.database, f"UPDATE act_reason SET why_enc = ({first}) WHERE id = 2")  # noqa: S608
    with pytest.raises(Exception, match=r"act_reason\.why:2"):
        read_acts(service.store)


def test_a_reason_stays_as_long_as_its_act(service: House):
    searched(service, TYPED)
    with pytest.raises(DBAPIError, match="act_reason is append only"):
        execute(service.database, "DELETE FROM act_reason")
    clock_of(service).advance(3 * ACTS_KEPT)
    erase_data(service.store)
    # The database's own clock says that the act is young.
    assert reasons(service.store) == [TYPED]
