"""Alert rules name figures that exist and a place that says what to do, and fire when they should.

Each process is killed here on a given clock, /metrics is read as a Prometheus would, and
Prometheus's own tool evaluates the rules over it.
"""

from __future__ import annotations

import json
import re

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import config

from services.health.process_counts import GAUGES
from services.health.watch_processes import DISPATCHER, SCHEDULER, WATCH_EVERY, WEB, WORKER
from services.telemetry import UNKNOWN_NUMBERS
from tests.operations.machines import Machines
from tests.support import parts
from tests.support.house import House, house
from tests.support.keeper import ROOT
from tests.support.promtool import INTERVAL, RULES, Readings, evaluate, run

PAGE = ROOT / "docs" / "at-3am.md"
DASHBOARD = ROOT / "deploy" / "grafana.json"
# Told only where the database is PostgreSQL and says so.
OF_REPLICAS = {"allo_replicas", "allo_replication_lag_bytes", "allo_replication_lag_seconds"}
OF_DAYS = {"allo_turn_days_ahead"}
# A test's machine may have no Redis and a full disk.
OF_THE_MACHINE = {"allo_redis_answers", "allo_disk_bytes", "allo_disk_free_bytes"}
NAME = re.compile(r"\ballo_\w+")
ALERT_OF = {
    WEB: "WebDoesNotAnswer",
    WORKER: "WorkerDead",
    SCHEDULER: "SchedulerDead",
    DISPATCHER: "DispatcherDead",
}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def anchors(page: str) -> set[str]:
    """The places of a page that an address can name, as a reader's site makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in headings}


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    # Counted for all tests of a process; a number is told of from its first call on.
    UNKNOWN_NUMBERS.clear()
    with house(database_url) as one:
        yield one


def told_by(made: House) -> set[str]:
    """Every name that /metrics has, those included of which nothing was counted so far."""
    text = made.app.test_client().get("/metrics").text
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            _, _, name, kind = line.split()
            names.add(name)
            if kind == "histogram":
                names |= {f"{name}{ending}" for ending in ("_bucket", "_sum", "_count")}
    # What a cron leaves for node_exporter.
    left = set(NAME.findall((ROOT / "commands" / "backup.py").read_text("utf-8")))
    return names | OF_REPLICAS | OF_DAYS | set(GAUGES) | left


# ---------------------------------------------------------------- what they name


def test_each_names_figures_that_are_told_and_says_what_to_do(made: House):
    page = PAGE.read_text("utf-8")
    places, told = anchors(page), told_by(made)
    assert len(rules()) >= 15
    for rule in rules():
        assert set(NAME.findall(rule["expr"])) <= told, rule["alert"]
        assert set(NAME.findall(" ".join(rule["annotations"].values()))) <= told, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        file, _, place = rule["annotations"]["runbook"].partition("#")
        assert (ROOT / file, place in places) == (PAGE, True), rule["alert"]
        # Whoever comes from the alert finds its name there.
        assert f"`{rule['alert']}`" in page
    named = re.findall(r"\*Alerts?: (.+?)\*", page, re.DOTALL)
    assert set(re.findall(r"`([A-Z]\w+)`", " ".join(named))) - {
        rule["alert"] for rule in rules()
    } <= {
        *("DATABASE_URL", "PUBLIC_BASE_URL", "ALERT_WEBHOOK_URL"),
    }


def test_the_page_names_commands_settings_figures_and_places_that_there_are(made: House):
    page = PAGE.read_text("utf-8")
    commands = set(re.findall(r"flask ([a-z]+)", page))
    assert commands <= set(made.app.cli.list_commands(None))  # type: ignore[arg-type]
    settings = {name.upper() for name in config.Settings.model_fields}
    of_others = {"FLUSHALL", "ANALYZE"}
    assert set(re.findall(r"`([A-Z][A-Z_]{5,})`", page)) <= settings | of_others
    assert set(NAME.findall(page)) - {"allo_process_age"} <= told_by(made)
    assert set(re.findall(r"\(#([\w-]+)\)", page)) <= anchors(page)
    for linked in re.findall(r"\((\.\./[\w./]+|[\w-]+\.md)\)", page):
        assert (PAGE.parent / linked).exists(), linked


def test_the_dashboard_asks_for_figures_that_are_told(made: House):
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = [one for one in dashboard["panels"] if one["type"] != "row"]
    assert len(panels) >= 15
    assert len({one["id"] for one in dashboard["panels"]}) == len(dashboard["panels"])
    told = told_by(made) | {"up"}
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            names = set(NAME.findall(target["expr"]))
            assert names or "up{" in target["expr"]
            assert names <= told, panel["title"]
    assert any(one["name"] == "datasource" for one in dashboard["templating"]["list"])


@pytest.mark.usefixtures("promtool")
def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path):
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    group = {
        "name": "dashboard",
        "rules": [{"record": f"asked_{n}", "expr": one} for n, one in enumerate(asked)],
    }
    file = tmp_path / "asked.yml"
    file.write_text(json.dumps({"groups": [group]}), "utf-8")
    done = run("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


# ---------------------------------------------------------------- when they fire


@pytest.fixture
def promtool() -> None:
    parts.require(parts.PROMTOOL)


@pytest.mark.usefixtures("promtool")
def test_prometheus_can_read_them():
    done = run("check", "rules", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("promtool")
@pytest.mark.parametrize(
    "file", sorted((ROOT / "deploy").glob("alerts*.test.yml")), ids=lambda file: file.name
)
def test_each_fires_in_its_case_and_none_when_all_is_well(file: Path):
    done = run("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires():
    cases = " ".join(one.read_text("utf-8") for one in (ROOT / "deploy").glob("alerts*.test.yml"))
    for rule in rules():
        assert f'alertname="{rule["alert"]}"' in cases or f"alertname: {rule['alert']}" in cases


@pytest.mark.usefixtures("promtool")
def test_each_process_that_is_killed_is_an_alert_within_a_minute(made: House, tmp_path: Path):
    wanted = {name for rule in rules() for name in NAME.findall(rule["expr"])} - OF_THE_MACHINE
    stories = []
    for kind in ALERT_OF:
        # Killed right after a reading, and right before the next one.
        for late in (0, INTERVAL - WATCH_EVERY):
            story = Readings(f"{kind}, {late} s after a reading", wanted)
            live(made, story, kind, late)
            stories.append(story)
    assert evaluate(tmp_path, stories) == ""


def live(made: House, story: Readings, kind: str, late: int) -> None:
    """A minute in which all is well, then one of the processes is killed."""
    machines = Machines(made).starts(WORKER, SCHEDULER, DISPATCHER)
    machines.pass_by(10)
    killed_at = 60 + late
    client = made.app.test_client()
    for seconds in range(0, killed_at + 70, WATCH_EVERY):
        if seconds == killed_at:
            machines.kills(kind)
        machines.pass_by(WATCH_EVERY)
        if seconds % INTERVAL == 0:
            is_dead = kind == WEB and seconds >= killed_at
            story.read(None if is_dead else client.get("/metrics").text)
    story.expect(killed_at)
    story.expect(killed_at + 60, ALERT_OF[kind])
