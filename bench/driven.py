"""Applications of the bench, driven as the service is: each request is read whole."""

from __future__ import annotations

from flask import Flask

import config

from web.admission.parts import Wsgi
from web.admission.whole_requests import WholeRequests


def by_threads(app: Flask | Wsgi) -> WholeRequests:
    """Answered by as many threads as a worker of the service has."""
    made = config.load()
    return WholeRequests(app, made.web_threads + made.web_queue)


def by_the_loop(app: Wsgi) -> WholeRequests:
    """Answered by the event loop itself, as the waiting room's page is."""
    return WholeRequests(app, 1, app)
