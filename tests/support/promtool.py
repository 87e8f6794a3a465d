"""Prometheus's own evaluation of alert rules, over figures that a test has read from /metrics."""

from __future__ import annotations

import json
import math
import subprocess

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.keeper import ROOT

RULES = ROOT / "deploy" / "alerts.yml"
JOB = "allo-rendez-vous"
# Seconds between two readings, and between two evaluations, as deploy/alerts.yml asks for.
INTERVAL = 15
_FIRING = 'count by (alertname) (ALERTS{alertstate="firing"})'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 (our own words)
        ["promtool", *arguments],  # noqa: S607 (found where the machine has it)
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@dataclass
class Readings:
    """What a Prometheus reads of one web server every INTERVAL seconds. None: it got no answer.

    `wanted` are the names of series that rules look at; what a server tells beside them is left
    out.
    """

    name: str
    wanted: Collection[str]
    _read: list[Mapping[str, float] | None] = field(default_factory=list)
    _expected: list[dict[str, Any]] = field(default_factory=list)

    def read(self, text: str | None) -> None:
        self._read.append(None if text is None else self._samples(text))

    @property
    def seconds(self) -> int:
        """The moment of the next reading."""
        return len(self._read) * INTERVAL

    def expect(self, seconds: float, *alerts: str) -> None:
        """At that moment these alerts fire, and no other."""
        samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in alerts]
        moment = f"{math.ceil(seconds)}s"
        self._expected.append({"expr": _FIRING, "eval_time": moment, "exp_samples": samples})

    def as_test(self) -> dict[str, Any]:
        names = sorted({name for one in self._read if one for name in one})
        up = " ".join("0" if one is None else "1" for one in self._read)
        series = [{"series": f'up{{job="{JOB}",instance="a"}}', "values": up}]
        for name in names:
            values = [
                "_" if one is None or name not in one else _said(one[name]) for one in self._read
            ]
            series.append({"series": name, "values": " ".join(values)})
        return {
            "name": self.name,
            "interval": f"{INTERVAL}s",
            "input_series": series,
            "promql_expr_test": self._expected,
        }

    def _samples(self, text: str) -> dict[str, float]:
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in self.wanted:
                    labels = {**sample.labels, "job": JOB, "instance": "a"}
                    told = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
                    found[f"{sample.name}{{{told}}}"] = sample.value
        return found


def _said(value: float) -> str:
    # What is endless has no word in a test of promtool.
    return "1e12" if math.isinf(value) else repr(value)


def evaluate(folder: Path, readings: Collection[Readings]) -> str:
    """What promtool says against what is expected; empty where all is as expected."""
    file = folder / "read.test.yml"
    said = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{INTERVAL}s",
        "tests": [one.as_test() for one in readings],
    }
    # JSON is YAML, too.
    file.write_text(json.dumps(said), "utf-8")
    done = run("test", "rules", str(file))
    return "" if done.returncode == 0 else done.stdout + done.stderr
