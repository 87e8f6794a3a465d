"""The numbers of the file are rung over SIP, in every way of writing one."""

from __future__ import annotations

import pytest

from flask import Flask

from exchange.settings import Settings
from exchange.testing.sip_house import SipHouse
from exchange.transport import WsgiTransport
from tests.numbers.files import BRETAGNE


@pytest.mark.parametrize("dialled", [BRETAGNE, "0974750035", "33974750035"])
def test_they_are_routes_of_the_exchange(settings: Settings, service: Flask, dialled: str):
    at = SipHouse(WsgiTransport(service), settings)
    assert at.rings(called=dialled).log[0] == "rings"
    at.time.pass_by(5)
    assert service.config["called"] == [BRETAGNE]
    assert at.rings(called="0974750036").log == ["refused 404"]
