"""A crowd that fills the board: `make crowd`, while `make run` runs beside it.

The crowd itself lives in the simulator's server (`crowd_run.py`); this begins it, shows how far it
is, and ends it.
"""

import json
import secrets
import subprocess
import sys
import time

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import requests

from exchange.settings import LOOPBACK, Settings
from exchange.transport import local_session
from tools.simulator.guests import (
    MOST_AGENTS,
    MOST_GUESTS,
    MOST_MINUTES,
    MOST_SPEED,
    Fate,
    Plan,
    table,
)

DONE, UNUSABLE, INTERRUPTED = 0, 2, 130
LOOK_S = 0.5
# How long the end of a crowd is waited for, in seconds.
END_S = 25.0
SEEDS = 10_000
ROOT = Path(__file__).resolve().parents[2]


class Unusable(Exception):
    """The crowd cannot begin; the message is one sentence for the user."""


# One of the simulator's requests for a crowd, with what is wanted: POST begins one, GET looks,
# DELETE sends everybody home. Returns the crowd's state. Raises Unusable.
Control = Callable[[str, Mapping[str, Any] | None], dict[str, Any]]


def http_control(base: str, settings: Settings) -> Control:
    """Return the requests over HTTP, to the simulator on `base`."""
    session = local_session((settings.twilio_account_sid, settings.twilio_auth_token))

    def ask(method: str, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            response = session.request(method, f"{base}/_crowd", json=wanted, timeout=10)
            answer: dict[str, Any] = response.json()
        except (requests.RequestException, ValueError) as error:
            raise Unusable(
                f"the simulator does not answer at {base}: is `make run` running?"
            ) from error
        if not response.ok:
            raise Unusable(str(answer.get("message", response.status_code)))
        return answer

    return ask


def demonstration_agents(count: int) -> list[dict[str, str]]:
    """Return logins and passwords of `count` agents, made by the service's own command.

    Raises Unusable.
    """
    made = subprocess.run(  # noqa: S603 - our own command, without a shell
        [
            sys.executable,
            "-m",
            "flask",
            "--app",
            "app.web",
            "staff",
            "demo",
            "--agents",
            str(count),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    try:
        found = json.loads(made.stdout)
    except ValueError:
        found = []
    if made.returncode or len(found) < count:
        told = made.stderr.strip().splitlines() or ["it said nothing"]
        raise Unusable(f"no agents could be made with `flask staff demo`: {told[-1]}")
    return [{"login": agent["login"], "password": agent["password"]} for agent in found]


def lead(
    control: Control,
    wanted: Mapping[str, Any],
    *,
    quiet: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> int:
    """Begin a crowd, show it to its end, print what became of it; return the exit status."""
    state = control("POST", wanted)
    status = DONE
    try:
        with click.progressbar(
            length=round(state["of_seconds"]),
            label=_label(state),
            show_eta=False,
            # Without a terminal, lines that grow are no help.
            hidden=quiet,
            width=24,
        ) as bar:
            while state["running"] and not state["over"]:
                sleep(LOOK_S)
                state = control("GET", None)
                bar.label = _label(state)
                bar.update(max(0, round(state["seconds"]) - bar.pos))
    except KeyboardInterrupt:
        status = INTERRUPTED
        click.echo("\nEverybody goes home…")
        state = control("DELETE", None)
    until = now() + END_S
    while state["running"] and now() < until:
        sleep(LOOK_S)
        state = control("GET", None)
    click.echo("\n" + table(state["count"]))
    for trouble in state["troubles"]:
        click.echo(f"An agent's trouble: {trouble}")
    return status


def _label(state: Mapping[str, Any]) -> str:
    """Return one line: how many rang, and where those are who are on the line."""
    count = state["count"]
    working = sum(agent in {"reserved", "talking", "wrapup"} for agent in state["agents"].values())
    return (
        f"{state['rang']}/{state['callers']} rang | menu {count[Fate.MENU]:>3}"
        f" | waiting {count[Fate.WAITING]:>3} | with an agent {count[Fate.TALKING]:>2}"
        f" | agents busy {working}/{len(state['agents'])}"
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--callers", default=200, show_default=True, type=click.IntRange(1, MOST_GUESTS))
@click.option("--agents", default=5, show_default=True, type=click.IntRange(0, MOST_AGENTS))
@click.option(
    "--minutes",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0.1, MOST_MINUTES),
    help="how long the crowd lasts, on the clock on the wall",
)
@click.option(
    "--speed",
    default=20.0,
    show_default=True,
    type=click.FloatRange(1, MOST_SPEED),
    help="how many times faster than life people speak, press, wait and talk",
)
@click.option("--seed", type=int, help="the same seed is the same crowd (default: chance)")
@click.option("--simulator", metavar="URL", help="where the simulator answers")
@click.option("--quiet", is_flag=True, help="the table at the end only")
def command(*, seed: int | None, simulator: str | None, quiet: bool, **of_plan: Any) -> None:
    """Let a crowd ring the service of this machine, and agents serve it.

    Open /supervision beside it. Ctrl-C sends everybody home.
    """
    try:
        plan = Plan(seed=secrets.randbelow(SEEDS) if seed is None else seed, **of_plan)
        status = run(plan, simulator, quiet=quiet)
    except (Unusable, ValueError) as error:
        click.echo(f"crowd: {error}", err=True)
        status = UNUSABLE
    sys.exit(status)


def run(plan: Plan, simulator: str | None, *, quiet: bool) -> int:
    """Do what the command line asks; raises Unusable."""
    settings = Settings()
    base = (simulator or settings.simulator_base).rstrip("/")
    for url in (base, settings.service_base):
        if urlsplit(url).hostname not in LOOPBACK:
            raise Unusable(f"a crowd rings a service on this machine only, not {url}.")
    control = http_control(base, settings)
    # Before agents are made, who would have no caller to serve.
    control("GET", None)
    if not quiet:
        click.echo(f"seed {plan.seed}; the board is at {settings.service_base}/supervision")
    staff = demonstration_agents(plan.agents) if plan.agents else []
    return lead(control, wanted(plan, staff), quiet=quiet)


def wanted(plan: Plan, agents: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the request that begins a crowd."""
    return {**asdict(plan), "agents": [dict(agent) for agent in agents]}


if __name__ == "__main__":
    command()
