"""An exchange with the numbers of the example's file, and a service that it rings."""

from __future__ import annotations

from typing import Any

import pytest

from flask import Flask, request

from exchange.settings import Settings
from exchange.testing.fixtures import SID, TOKEN
from exchange.testing.tiny_service import twiml
from tests.numbers.files import EXAMPLE
from tests.support import parts

# What rings over SIP could not even be read without the extra.
SIP_ABSENT = parts.lacking(parts.SIP) and parts.may_be_missing(parts.SIP)
collect_ignore = ["test_over_sip.py"] if SIP_ABSENT else []


@pytest.fixture
def settings(monkeypatch, tmp_path) -> Settings:
    # No .env of a developer's checkout may leak into the tests.
    monkeypatch.chdir(tmp_path)
    return Settings(twilio_account_sid=SID, twilio_auth_token=TOKEN, numbers_file=str(EXAMPLE))


@pytest.fixture
def service() -> Flask:
    """A service that hangs up on whoever rings, and knows whom they called."""
    app = Flask("service")
    app.config["called"] = rung = []

    @app.post("/voice/incoming")
    def incoming() -> Any:
        rung.append(request.form["To"])
        return twiml("<Hangup/>")

    @app.post("/voice/status")
    def status() -> Any:
        return twiml("")

    return app
