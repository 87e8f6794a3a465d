"""What an agent's page needs to be a telephone: its configuration, and tokens for browser voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, url_for

from web.marks import roles
from web.pages import setting, words
from web.staff_only import current

TOKEN_PATH = "/poste/jeton"  # noqa: S105 - a path


@dataclass(frozen=True)
class DevicePage:
    """For a page with a telephone: addresses of its scripts in order, and what stands in it.

    `config` goes into <script type="application/json" id="device-config">.
    """

    scripts: tuple[str, ...]
    config: dict[str, Any]


def device_page() -> DevicePage:
    """For the signed-in user: browser voice, in development the stand-in, else no telephone.

    The page's route calls `web.pages.with_voice` too, which lets these scripts in.
    """
    given = setting()
    base = [_asset("device.js")]
    config = {"kind": "", "identity": current().id, "words": words().part("device")}
    if given.voice_sdk:
        config |= {"kind": "twilio", "tokenUrl": TOKEN_PATH}
        scripts = (_asset("twilio-voice.min.js"), *base, _asset("device-twilio.js"))
        return DevicePage(scripts, config)
    if given.simulator_origin:
        config |= {"kind": "stand-in", "base": given.simulator_origin}
        return DevicePage((*base, f"{given.simulator_origin}/device.js"), config)
    return DevicePage(tuple(base), config)


def _asset(name: str) -> str:
    return url_for("assets.file", name=name)


def blueprint(make_token: Callable[[str], str] | None) -> Blueprint:
    """POST /poste/jeton. `make_token` makes one for an identity; None: no browser voice here."""
    tokens = Blueprint("voice_token", __name__)

    @tokens.post(TOKEN_PATH)
    @roles("agent", "supervisor")
    def token() -> tuple[Response, int]:
        if make_token is None:
            message = words().text("device.not_set")
            return jsonify(error="not_set", message=message), HTTPStatus.NOT_FOUND
        return jsonify(token=make_token(current().id)), HTTPStatus.OK

    return tokens
