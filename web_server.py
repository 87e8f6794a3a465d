"""Starts the web: `python -m web_server` takes what granian takes, and loads the application first.

Workers are copies of the process that starts them (fork). What is loaded before is in the machine's
memory once for all of them, until one writes to it; and a worker that takes the place of a killed
one has it at once. Left to itself, each loads the application anew.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing

from typing import Any

from granian.cli import cli

# What a module may offer, for all that its workers need and that is the same for each.
PREPARE = "prepare_workers"


def load(target: str) -> None:
    """Load the module of `module:factory`, and what it says that its workers share.

    Where workers are no copies (on macOS) they would have nothing of it.
    """
    if multiprocessing.get_start_method() != "fork":
        return
    module = importlib.import_module(target.partition(":")[0])
    prepare = getattr(module, PREPARE, None)
    if prepare is not None:
        prepare()
    # A worker that looked for garbage here would write to each page, and so have its own copy.
    gc.collect()
    gc.freeze()


def main() -> None:
    """Serve as granian's own command does."""
    serve: Any = cli.callback

    def load_and_serve(**options: Any) -> None:
        load(options["app"])
        serve(**options)

    cli.callback = load_and_serve
    cli(auto_envvar_prefix="GRANIAN")


if __name__ == "__main__":
    main()
