"""What the processes of a run find in their environment."""

from __future__ import annotations

import os
import sys

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

import config

from exchange.sip import settings as sip
from tools.launcher.ports import url_of


def exports(
    settings: config.Settings,
    *,
    redis_url: str,
    base: Mapping[str, str],
    telephones: sip.SipSettings | None = None,
) -> dict[str, str]:
    """Write out what every process finds in its environment, wherever its line stands.

    All settings are written out, so that no process works one out again from PORT.
    """
    env = {name: value for name, value in dotenv_values(config.ROOT / ".env").items() if value}
    env |= base
    told = settings.model_dump()
    if telephones:
        told = telephones.model_dump() | told | {"sip_port": telephones.own_port}
    for name, value in told.items():
        if value not in (None, ""):
            env[name.upper()] = str(value)
    scripts = Path(sys.executable).parent
    env |= {
        "REDIS_URL": redis_url,
        "SERVICE_PORT": str(settings.port),
        "SERVICE_URL": url_of(settings),
        "PROMETHEUS_MULTIPROC_DIR": settings.prometheus_multiproc_dir
        or str(config.VAR / "metrics"),
        "PATH": f"{scripts}{os.pathsep}{env.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }
    return env


def inherited() -> dict[str, str]:
    """Return the environment to pass on; settings are read by config only."""
    return dict(os.environ)  # noqa: TID251


def empty_metrics(folder: Path) -> None:
    """Remove the counters of processes that are gone: prometheus-client would add them up."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)
