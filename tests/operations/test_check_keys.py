"""A process with keys that are not this database's never starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from models.crypto import Vault
from models.database import Database
from services.keys.check_keys import WrongKeys, check_keys
from services.parts import refuse_wrong_keys
from services.store import Store
from tests.support.house import House

FIRST, SECOND, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))


def store_with(house: House, keys: Sequence[bytes]) -> Store:
    return replace(house.store, vault=Vault(list(keys)))


def refused(house: House, keys: Sequence[bytes]) -> str:
    with pytest.raises(WrongKeys) as caught:
        check_keys(store_with(house, keys))
    return str(caught.value)


def test_the_same_keys_fit_again_and_a_new_one_behind_them(service: House):
    assert check_keys(store_with(service, [FIRST]))
    assert check_keys(store_with(service, [FIRST]))
    assert check_keys(store_with(service, [FIRST, SECOND]))
    assert check_keys(store_with(service, [FIRST, SECOND]))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ([THIRD], "key 1"),
        ([SECOND, FIRST], "key 1"),
        ([FIRST, THIRD], "key 2"),
        ([THIRD, SECOND], "key 1"),
    ],
)
def test_another_key_or_order_is_refused_and_changes_nothing(
    service: House, keys: list[bytes], named: str
):
    check_keys(store_with(service, [FIRST, SECOND]))
    assert named in refused(service, keys)
    assert "is not the one" in refused(service, keys)
    assert check_keys(store_with(service, [FIRST, SECOND]))


def test_a_key_that_was_taken_away_is_missed(service: House):
    check_keys(store_with(service, [FIRST, SECOND]))
    assert "key 2 of DATA_KEYS is missing" in refused(service, [FIRST])


@pytest.mark.owner
def test_before_the_migration_there_is_nothing_to_compare(service: House):
    with service.database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE key_canary")
    assert not check_keys(store_with(service, [FIRST]))


def test_a_web_worker_with_the_wrong_key_is_not_ready(service: House):
    check_keys(store_with(service, [FIRST]))
    answer = service.application().test_client().get("/readyz")
    assert answer.status_code == 503
    assert "keys: the keys do not fit the store: key 1 of DATA_KEYS is not the one" in answer.text


def test_start_refuses_keys_of_another_database(service: House):
    refuse_wrong_keys(store_with(service, [FIRST]))
    with pytest.raises(WrongKeys, match="key 1 of DATA_KEYS is not the one"):
        refuse_wrong_keys(store_with(service, [SECOND]))


def test_a_scheduler_with_the_wrong_key_ends_with_a_sentence(service: House):
    check_keys(store_with(service, [FIRST]))
    result = service.application().test_cli_runner().invoke(args=["scheduler"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: key 1 of DATA_KEYS is not the one")


def test_two_processes_that_start_at_once_keep_one_word(service: House, database_url: str):
    other = Database(database_url)
    check_keys(replace(store_with(service, [FIRST]), database=other))
    check_keys(store_with(service, [FIRST]))
    other.dispose()
