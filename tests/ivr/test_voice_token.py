"""The token that makes an agent's browser a telephone: whose it is, what it allows, how long."""

from __future__ import annotations

import subprocess
import sys

from dataclasses import replace
from typing import Any

import jwt
import pytest

from ivr.voice_token import LONGEST_SECONDS, VoiceAccount, make_token

ACCOUNT = VoiceAccount("AC" + "1" * 32, "SK" + "2" * 32, "a secret of at least 32 letters, or so")


def opened(token: str, secret: str = ACCOUNT.key_secret) -> dict[str, Any]:
    return dict(jwt.decode(token, secret, algorithms=["HS256"]))


def test_it_names_the_browser_and_lets_calls_come_to_it():
    body = opened(make_token(ACCOUNT, "5af0"))
    assert body["grants"] == {"identity": "5af0", "voice": {"incoming": {"allow": True}}}
    assert body["iss"] == ACCOUNT.key_sid
    assert body["sub"] == ACCOUNT.account_sid
    header = jwt.get_unverified_header(make_token(ACCOUNT, "5af0"))
    assert header["cty"] == "twilio-fpa;v=1"


def test_an_application_is_named_where_there_is_one():
    body = opened(make_token(replace(ACCOUNT, app_sid="AP" + "3" * 32), "5af0"))
    assert body["grants"]["voice"]["outgoing"] == {"application_sid": "AP" + "3" * 32}


@pytest.mark.parametrize("seconds", [60, LONGEST_SECONDS])
def test_it_lives_as_long_as_asked(seconds: int):
    body = opened(make_token(ACCOUNT, "5af0", seconds))
    assert body["exp"] - body["nbf"] == seconds


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_SECONDS + 1])
def test_it_never_lives_longer_than_an_hour(seconds: int):
    with pytest.raises(ValueError, match="3600"):
        make_token(ACCOUNT, "5af0", seconds)


@pytest.mark.parametrize("missing", ["account_sid", "key_sid", "key_secret"])
def test_without_a_whole_account_there_is_none(missing: str):
    account = replace(ACCOUNT, **{missing: ""})
    assert not account.is_complete
    with pytest.raises(ValueError, match="TWILIO_API_KEY_SID"):
        make_token(account, "5af0")


def test_another_key_does_not_open_it():
    with pytest.raises(jwt.InvalidSignatureError):
        opened(make_token(ACCOUNT, "5af0"), "some other secret of at least 32 letters")


def test_it_loads_neither_the_rest_client_nor_requests():
    # In a process of its own: other tests load both.
    program = (
        "import sys; from ivr.voice_token import VoiceAccount, make_token\n"
        "assert 'twilio.jwt' not in sys.modules\n"
        "make_token(VoiceAccount('AC1', 'SK1', 'a secret of at least 32 letters, or so'), 'x')\n"
        "sys.exit(sum(name in sys.modules for name in ('twilio.rest', 'requests', 'aiohttp')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603
