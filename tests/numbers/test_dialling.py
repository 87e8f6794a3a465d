"""The numbers of the file can be dialled: from a terminal, over SIP, and in the browser."""

from __future__ import annotations

import pytest

from flask import Flask

from exchange.settings import Settings
from exchange.testing.fixtures import SID, TOKEN
from exchange.transport import WsgiTransport
from tests.campaign.files import save
from tests.numbers.files import BRETAGNE, ENGLISH, NATIONAL
from tools.simulator.app import create_app
from tools.simulator.call import Unusable, called
from tools.simulator.phone import Phone, blueprint

HOME = "http://localhost"


def test_the_numbers_are_those_of_the_file(settings, tmp_path):
    assert settings.numbers == {NATIONAL: "National", BRETAGNE: "Bretagne", ENGLISH: "English line"}
    assert Settings(numbers_file="no-such-file").numbers == {NATIONAL: ""}
    # The service says what is wrong with it; whoever dials goes on with the one number.
    wrong = save(tmp_path / "numbers.toml", "[[numbers]\nnumber = 3")
    assert Settings(numbers_file=str(wrong)).numbers == {NATIONAL: ""}


def test_make_call_dials_them(settings, tmp_path):
    assert called("--to", None, settings) == NATIONAL
    assert called("--to", "09 74 75 00 35", settings) == BRETAGNE
    short = save(tmp_path / "numbers.toml", '[[numbers]]\nnumber = "3975"\n')
    assert called("--to", "3975", Settings(numbers_file=str(short))) == "3975"
    with pytest.raises(Unusable):
        called("--to", "3975", settings)


def test_the_account_has_them_all(settings):
    app = create_app(settings, threads=0)
    account = app.extensions["simulator"].account
    assert {one["phone_number"] for one in account.numbers.values()} == set(settings.numbers)


def test_the_browsers_telephone_offers_them(settings, service):
    rest = create_app(settings, transport=WsgiTransport(service), threads=0)
    phone = Phone(rest.extensions["simulator"])
    app = Flask("telephone")
    app.register_blueprint(blueprint(phone, settings))
    client = app.test_client()
    page = client.get("/telephone").text
    assert page.count("<option value=") - 4 == len(settings.numbers)
    assert f'value="{BRETAGNE}"' in page

    def rings(**more: str) -> int:
        given = {"from": "0612345678", **more}
        answer = client.post("/telephone/calls", json=given, headers={"Origin": HOME})
        for line in phone._lines.values():
            assert line.ended.wait(20)
        return answer.status_code

    assert [rings(to=BRETAGNE), rings(to="0974750035"), rings()] == [201, 400, 201]
    assert service.config["called"] == [BRETAGNE, NATIONAL]


def test_with_one_number_there_is_nothing_to_choose(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings(twilio_account_sid=SID, twilio_auth_token=TOKEN)
    rest = create_app(settings, threads=0)
    app = Flask("telephone")
    app.register_blueprint(blueprint(Phone(rest.extensions["simulator"]), settings))
    assert 'id="to"' not in app.test_client().get("/telephone").text
