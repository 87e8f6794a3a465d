"""Which recogniser listens to callers: none, unless SIP_RECOGNISER asks for one."""

from __future__ import annotations

import importlib.util

from typing import Final

from exchange.sip.listening import Listener
from exchange.sip.whisper import Whisper

_NEEDS: Final = "faster-whisper"


class NoRecogniser(Exception):
    """One sentence for the operator: what SIP_RECOGNISER asks for, and what it lacks."""


def recogniser_of(setting: str) -> Listener | None:
    """Return what the setting asks for: nothing, or `whisper`, or `whisper:` and a model.

    A model is a folder, or a name that faster-whisper knows and downloads; it is loaded at once, in
    the background. Raises NoRecogniser.
    """
    kind, _, model = setting.strip().partition(":")
    if not kind:
        return None
    if kind != "whisper":
        raise NoRecogniser(f"SIP_RECOGNISER={setting}: it may be empty, or whisper.")
    if importlib.util.find_spec(_NEEDS.replace("-", "_")) is None:
        raise NoRecogniser(
            f"SIP_RECOGNISER={setting} needs the package {_NEEDS}: .venv/bin/pip install {_NEEDS}"
        )
    return Listener(Whisper(model))
