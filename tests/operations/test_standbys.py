"""Whether a commit waits for as many standbys as an operator was promised."""

from __future__ import annotations

import pytest

from models.operations.standbys import Replication
from services.findings import Level
from services.health.standbys import FITS, check_standbys, judge
from tests.support.house import House


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        (Replication("on", "", 0), 1, "synchronous_standby_names is empty"),
        (Replication("local", "*", 1), 1, "synchronous_commit is local"),
        (Replication("off", "*", 1), 1, "synchronous_commit is off"),
        (Replication("remote_write", "*", 1), 1, "synchronous_commit is remote_write"),
        (Replication("on", "ANY 1 (a, b)", 1), 2, "a commit waits for 1"),
        (Replication("on", "a, b", 2), 2, "a commit waits for 1"),
        (Replication("on", "ANY 1 (a, b)", 0, hidden=True), 1, "may not see"),
        (Replication("on", "FIRST 2 (a, b)", 1), 2, "1 follow"),
        (Replication("on", "*", 0), 1, "0 follow"),
    ],
)
def test_what_is_not_as_promised_is_said_with_a_remedy(found: Replication, wanted: int, said: str):
    finding = judge(found, wanted)
    assert finding.level is Level.WARNING
    assert said in finding.says
    assert f"SYNCHRONOUS_STANDBYS is {wanted}" in finding.says
    assert finding.remedy


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Replication("on", "*", 1), 1),
        (Replication("remote_apply", "any 2 (a, b, c)", 2), 2),
        (Replication("on", "2 (a, b)", 2), 1),
    ],
)
def test_what_is_as_promised_is_fine(found: Replication, wanted: int):
    assert judge(found, wanted) == FITS


def test_a_server_without_a_standby_is_told(service: House):
    finding = check_standbys(service.store, 1)
    assert finding.level is Level.WARNING
    # The tests' server does not wait for the disk at all.
    assert "synchronous_commit is off" in finding.says


def test_nothing_is_asked_where_nothing_was_promised(service: House):
    assert check_standbys(service.store, 0) == FITS
