"""Pages that any cache between us and a browser may keep: a CDN, a proxy, the gate in front.

    @blueprint.get("/accueil")
    @public
    @cacheable()
    def home() -> str:
        return render_template("home.html")

Such a page is the same for all who ask for its address. No cookie is read or set, the
language is the address's (`?lang=en`, else French), and it says by itself how long it may be kept.
It must not have a form's token of the session in it. Views that end in an error are not kept.
"""

from __future__ import annotations

import hashlib

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Final, ParamSpec

from flask import Response, g, make_response, request
from flask.typing import ResponseReturnValue

from web import pages

P = ParamSpec("P")
KEPT_SECONDS: Final = 60
# While a cache asks for the next one, and while we do not answer it.
STALE_SECONDS: Final = 600
STALE_IF_ERROR_SECONDS: Final = 24 * 3600
_OK: Final = 200


def cacheable(
    seconds: int = KEPT_SECONDS, *, stale_seconds: int = STALE_SECONDS
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Let caches keep what a view answers for so many seconds.

    Within `stale_seconds` after that an old one may be shown while the next one is fetched.
    """

    def mark(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def answer(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            pages.speak_by_address()
            response = make_response(view(*args, **kwargs))
            if response.status_code != _OK:
                return response
            return _kept(response, seconds, stale_seconds)

        return answer

    return mark


def true_until(now: datetime, change: datetime | None) -> None:
    """Let no cache keep this answer beyond `change` (both aware): it says something else then."""
    if change is None or change <= now:
        return
    left = (change - now) // timedelta(seconds=1)
    g.true_seconds = min(left, g.get("true_seconds", left))


def _kept(response: Response, seconds: int, stale_seconds: int) -> Response:
    left: int | None = g.get("true_seconds")
    if left is not None:
        stale_seconds = min(stale_seconds, max(left - seconds, 0))
        seconds = min(seconds, left)
    response.headers["Cache-Control"] = (
        f"public, max-age={seconds}, s-maxage={seconds},"
        f" stale-while-revalidate={stale_seconds}, stale-if-error={STALE_IF_ERROR_SECONDS}"
    )
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
    return response
