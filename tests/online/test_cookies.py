"""What stands in front of the application finds the cookie that the application would find."""

from __future__ import annotations

import pytest

from werkzeug.http import parse_cookie

from web.online.cookies import cookie_in

NAME = "__Host-allo-visit"


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
