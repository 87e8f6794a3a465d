"""A service in production does not start with an account whose password everybody knows."""

from __future__ import annotations

import base64

from collections.abc import Iterator

import pytest

import config

from app.web import create_app
from services.accounts import staff as accounts
from tests.operations.test_production_settings import FIT
from tests.support.house import House, house


@pytest.fixture
def production(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house, and the environment of a service in production on its database."""
    keys = base64.b64encode(bytes(range(32))).decode()
    settings = FIT | {"DATABASE_URL": database_url, "DATA_KEYS": keys}
    # The tests' server does not wait for the disk, which is enough for what is shown here.
    monkeypatch.setattr("models.database.DURABLE", ())
    monkeypatch.setattr(config.settings, "refusals", lambda *_given, **_known: [])
    with house(database_url) as made:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield made


def test_it_says_so_and_names_the_remedy(production: House, capsys: pytest.CaptureFixture[str]):
    accounts.make_demonstration(production.store)
    with pytest.raises(SystemExit):
        create_app()
    said = capsys.readouterr().err
    assert "everybody knows the password of agent1, agent2" in said
    assert "flask staff disable agent1" in said


def test_the_remedy_is_one(production: House):
    for login in accounts.make_demonstration(production.store):
        accounts.disable(production.store, login)
    create_app()


def test_so_is_another_password(production: House):
    for login in accounts.make_demonstration(production.store):
        accounts.give_password(production.store, login, "cheval correct pile agrafe")
    create_app()


def test_in_development_it_starts(production: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVIRONMENT", "development")
    accounts.make_demonstration(production.store)
    create_app()


@pytest.mark.owner
def test_a_store_without_the_table_does_not_stop_it(
    production: House, monkeypatch: pytest.MonkeyPatch
):
    """The release before its migrations."""
    with production.database.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE staff RENAME TO staff_of_old")
    create_app()
