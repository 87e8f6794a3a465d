"""Ends every process of a town when its test is over, or when the test run itself was killed.

python -m tests.crash.guard LOCKED_FILE LAUNCH_ID
"""

from __future__ import annotations

import sys

from pathlib import Path

from tests.support.keeper import wait_for_end
from tools.launcher.processes import sweep


def main(alive: str, launch_id: str) -> None:
    print("started", flush=True)  # noqa: T201 - what tests.support.keeper.keep() promises
    wait_for_end(Path(alive))
    sweep(launch_id, (), patience=3)


if __name__ == "__main__":
    main(*sys.argv[1:])
