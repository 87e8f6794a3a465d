"""The SQLite file is for its owner alone, and so is what SQLite writes beside it."""

from __future__ import annotations

import stat

from pathlib import Path

from sqlalchemy import text

from models.database import Database


def modes(folder: Path) -> dict[str, int]:
    return {
        file.name: stat.S_IMODE(file.stat().st_mode)
        for file in folder.iterdir()
        if file.name.startswith("allo.sqlite3") and not file.name.endswith("-writer")
    }


def test_a_new_file_and_one_that_was_open_to_others(tmp_path: Path):
    file = tmp_path / "below" / "allo.sqlite3"
    for _ in range(2):
        database = Database(f"sqlite:///{file}")
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS something (id INTEGER)"))
            assert set(modes(file.parent).values()) == {0o600}
        database.dispose()
        file.chmod(0o644)
