"""What stands in front of the application finds the cookie that the application would find."""

from __future__ import annotations

import time

from datetime import timedelta
from typing import Any

import pytest

from itsdangerous import Signer, TimestampSigner, URLSafeTimedSerializer
from werkzeug import Response
from werkzeug.http import parse_cookie

from web.online import cookies
from web.online.cookies import BOOKING_LIVES, WebSessionCookie, cookie_in, known_by

NAME = "__Host-allo-visit"
KEY, VISIT = "a key of forty letters that nobody knows.", "f6be0f5be25adff0707e423eb36cb805"


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"{NAME}=one.two-three_4",
        f"a=b; {NAME}=one.two; c=d",
        f"a=b;{NAME}=one",
        f"{NAME}=",
        f"{NAME}",
        # Another name that ends like it, alone and in front of it.
        f"x{NAME}=other",
        f"x{NAME}=other; {NAME}=one",
        # Of two the first counts.
        f"{NAME}=one; {NAME}=two",
        f"a={NAME}; {NAME}=one",
    ],
)
def test_it_is_the_one_that_the_application_reads(header: str):
    assert cookie_in(header, NAME) == parse_cookie(header).get(NAME, "")


@pytest.fixture
def cookie() -> WebSessionCookie:
    """Of a worker that has signed and read nothing yet."""
    known_by.cache_clear()
    return WebSessionCookie(KEY, https=True)


def written(cookie: WebSessionCookie, visit_id: str = VISIT) -> str:
    response = Response()
    cookie.write(response, visit_id)
    return parse_cookie(response.headers["Set-Cookie"])[NAME]


def read(cookie: WebSessionCookie, signed: str) -> str:
    """What is read of a request by who has not seen this request yet."""
    environ: dict[str, Any] = {"HTTP_COOKIE": f"{NAME}={signed}"}
    return cookie.read_in_front(environ)


def forgets(cookie: WebSessionCookie) -> WebSessionCookie:
    """Another worker of the same key, which has signed and read nothing."""
    known_by.cache_clear()
    return WebSessionCookie(KEY, https=True)


def test_it_is_signed_as_the_library_signs(cookie: WebSessionCookie):
    """Cookies and forms of the version before stay good, and ours are good to it."""
    library = URLSafeTimedSerializer(KEY, salt="allo-visit")
    assert library.loads(written(cookie)) == VISIT
    assert read(forgets(cookie), str(library.dumps(VISIT))) == VISIT
    forms = Signer(KEY, salt=f"{NAME.removeprefix('__Host-')}-form")
    assert cookie.token(VISIT) == forms.get_signature(VISIT).decode()


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "read anew"])
def test_what_was_changed_in_it_is_nobodys(cookie: WebSessionCookie, *, is_known: bool):
    signed = written(cookie)
    reader = cookie if is_known else forgets(cookie)
    assert read(reader, signed) == VISIT
    for number in range(len(signed)):
        other = "A" if signed[number] != "A" else "B"
        # The last letter of the signature has bits that say nothing.
        if number < len(signed) - 1:
            assert read(reader, signed[:number] + other + signed[number + 1 :]) == ""
    assert read(reader, signed) == VISIT


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "read anew"])
def test_it_runs_out(cookie: WebSessionCookie, monkeypatch: pytest.MonkeyPatch, *, is_known: bool):
    signed = written(cookie)
    reader = cookie if is_known else forgets(cookie)
    assert read(reader, signed) == VISIT
    for after, found in (
        (BOOKING_LIVES - timedelta(minutes=1), VISIT),
        (BOOKING_LIVES + timedelta(seconds=2), ""),
        # By a clock that was set back it is of no time that has been.
        (timedelta(minutes=-1), ""),
    ):
        now = int(time.time() + after.total_seconds())
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _self, now=now: now)
        assert read(reader, signed) == found


def test_another_key_knows_nothing_of_it(cookie: WebSessionCookie):
    signed = written(cookie)
    assert read(cookie, signed) == VISIT
    assert read(WebSessionCookie(KEY[::-1], https=True), signed) == ""


def test_a_worker_knows_a_few_thousand_and_nothing_that_we_have_not_signed(
    cookie: WebSessionCookie, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cookies, "_KNOWN", 3)
    signed = [written(cookie, f"{number:032}") for number in range(5)]
    assert len(known_by(KEY)) == 3
    for number in range(20):
        assert read(cookie, f"{signed[0][:-3]}{number:03}") == ""
    assert len(known_by(KEY)) == 3
    # One that is not known any more is looked at again.
    assert read(cookie, signed[0]) == f"{0:032}"
