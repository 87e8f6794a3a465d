"""Runs of the past are kept as they were, and drawn over commits."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from pathlib import Path
from typing import Any

from bench import history

SVG = "{http://www.w3.org/2000/svg}"


def run(day: int, **figures: Any) -> dict[str, Any]:
    return {"date": f"2026-11-{day:02d}T03:14:27+00:00", "commit": f"{day:012x} with changes"} | (
        figures
    )


def test_a_run_is_kept_under_its_moment_and_commit_and_they_are_read_in_order(tmp_path: Path):
    for day in (12, 9):
        history.keep(run(day, call_ratio_postgres=0.4), tmp_path)
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        "2026-11-09T0314-000000000009.json",
        "2026-11-12T0314-00000000000c.json",
    ]
    assert [one["date"][8:10] for one in history.runs(tmp_path)] == ["09", "12"]


def test_ratios_are_drawn_where_a_run_has_them(tmp_path: Path):
    history.keep(run(1, call_ratio_postgres=0.4, web_worker_mib=130.0), tmp_path)
    history.keep(run(2, call_ratio_postgres=0.5, call_ratio_sqlite=None), tmp_path)
    history.keep(run(3, call_ratio_sqlite=0.3), tmp_path)
    file = tmp_path / "pictures" / "bench.svg"
    history.write(tmp_path, file)
    root = ET.fromstring(file.read_text("utf-8"))  # noqa: S314 (our own)
    titles = [one.text for one in root.iter(f"{SVG}text") if one.get("class") == "t"]
    assert [str(title).partition(";")[0] for title in titles] == [
        "booking call ÷ floor (b)",
        "web worker, resident with libraries that others have, too, MiB",
    ]
    lines = [one for one in root.iter(f"{SVG}polyline") if one.get("class") != "bar"]
    assert [len(str(line.get("points")).split()) for line in lines] == [2, 1, 1]


def test_what_is_kept_in_this_repository_is_what_the_picture_shows():
    kept = history.runs()
    assert len(kept) >= 2
    assert [one["date"] for one in kept] == sorted(one["date"] for one in kept)
    assert history.PICTURE.read_text("utf-8") == history.draw(kept)
