"""JSON logs on standard output: ids and words, never personal data.

Code that logs names each field; nothing logs a form, an exception's text or a statement.
"""

from __future__ import annotations

import logging
import sys

from typing import TextIO, cast

import structlog


class _StandardOutput:
    """Standard output as it is when something is written: a logger outlives a redirection."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


def configure(level: str) -> None:
    """Set up logging for this process. `level` is a name such as INFO."""
    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s", force=True)
    # These log numbers, texts and statements.
    for name in ("twilio", "sqlalchemy", "urllib3", "rq"):
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardOutput())),
        cache_logger_on_first_use=True,
    )
