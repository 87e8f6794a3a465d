"""At the provider every number of the file leads here, and `flask provider` says which does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from exchange.account import Account
from services.numbers.file import load
from tests.numbers.files import BRETAGNE, ENGLISH, EXAMPLE, KNOWN
from tests.operations.test_provider_account import missing, runs
from tests.support.house import BASE, House, house
from tests.support.office import Provider


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, numbers=load(EXAMPLE, replace(KNOWN, staffed=None))) as made:
        yield made


def test_each_number_of_the_file_is_connected(service: House, provider: Provider):
    service.settings.twilio_api_base_url = provider.url
    account: Account = provider.simulator.account
    account.own(BRETAGNE)
    _, said = runs(service, "check")
    told = missing(said)
    assert (
        f"The number {ENGLISH} of NUMBERS_FILE is none of the account that carries voice."
        in str(told)
    )
    assert sum(one.startswith(f"{BRETAGNE}: no address says") for one in told) == 3
    account.own(ENGLISH)
    assert runs(service, "connect", "--yes")[0] == 0
    assert missing(runs(service, "check")[1]) == []
    assert {one["voice_url"].partition("#")[0] for one in account.numbers.values()} == {
        f"{BASE}/voice/incoming"
    }
