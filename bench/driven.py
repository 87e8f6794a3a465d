"""Applications of the bench, driven as the service is: each request is read whole."""

from __future__ import annotations

from flask import Flask

import config

from web.admission.whole_requests import WholeRequests


def by_threads(app: Flask) -> WholeRequests:
    """Answered by as many threads as a worker of the service has."""
    made = config.load()
    return WholeRequests(app, made.web_threads + made.web_queue)


def as_calls(app: Flask) -> WholeRequests:
    """Answered by as many threads as answer calls in a worker of the service."""
    return WholeRequests(app, config.load().web_threads)
