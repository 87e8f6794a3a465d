"""`/telephone` leads to the simulator's page in development, and is not there in production."""

from __future__ import annotations

from flask import Flask

from tests.support.house import House, house


def app_of(made: House, **settings: object) -> Flask:
    made.settings = made.settings.model_copy(update=settings)
    return made.application()


def test_in_development_it_leads_to_the_simulator(database_url: str):
    with house(database_url) as made:
        client = app_of(made, simulator_port=8310).test_client()
        answer = client.get("/telephone")
        assert answer.status_code == 302
        assert answer.headers["Location"] == "http://127.0.0.1:8310/telephone"
        assert client.post("/telephone").status_code == 405


def test_in_production_there_is_no_such_page(database_url: str):
    with house(database_url) as made:
        app = app_of(made, environment="production")
        assert app.test_client().get("/telephone").status_code == 404
        assert "telephone" not in app.blueprints
