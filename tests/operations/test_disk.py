"""The disk is measured before the service has made its folder, too: a fresh clone has no var/."""

from __future__ import annotations

import shutil

from pathlib import Path

from services.backups.disk import disk_of


def test_a_folder_that_is_not_made_yet_will_be_on_the_disk_of_what_it_is_made_in(tmp_path: Path):
    disk = disk_of(tmp_path / "var" / "back-ups")
    assert disk.total == shutil.disk_usage(tmp_path).total == disk_of(tmp_path).total
    assert 0 < disk.free < disk.total


def test_a_folder_may_be_named_from_where_the_process_is(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert disk_of(Path("var/nowhere")).total == disk_of(tmp_path).total
