"""A page at which people arrive needs no second answer before it is painted."""

from __future__ import annotations

import base64
import hashlib
import re

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask import g

import web.operations.assets

from tests.online.test_booking import Visitor
from tests.support.house import BASE, House, house, mornings

STYLES = re.compile(r"<style>(.*?)</style>", re.DOTALL)
ARRIVAL = (
    "/",
    "/rendez-vous",
    "/centres",
    "/centres/dep/75",
    "/centres/1",
    "/etat",
    "/mon-rendez-vous",
    "/confidentialite",
    "/accessibilite",
)


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as one:
        one.opens_centre("1", starts=mornings(3))
        yield one


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("path", ARRIVAL)
def test_it_carries_its_styles_and_a_policy_for_them_alone(made: House, path: str, language: str):
    client = made.app.test_client()
    with client.get(path, query_string={"lang": language}, base_url=BASE) as answer:
        text = answer.get_data(as_text=True)
        found = answer.headers["Content-Security-Policy"]
    (allowed,) = (part.split()[1:] for part in found.split("; ") if part.startswith("style-src"))
    styles = STYLES.findall(text)
    assert len(styles) >= 2
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in styles]
    assert allowed == ["'self'", *(f"'sha256-{one}'" for one in hashes)]
    assert 'rel="stylesheet"' not in text
    # The questions after it lead to the files, which a browser has by then.
    # The first question asks for the sheet of the others, too.
    prefetched = re.findall(r'<link rel="prefetch" href="([^"]+)" as="style"', text)
    for address, inside in zip(prefetched[: len(styles)], styles, strict=True):
        with client.get(address, base_url=BASE) as file:
            assert file.get_data(as_text=True) == inside
            assert "max-age=31536000" in file.headers["Cache-Control"]


def test_a_question_leads_to_files_that_a_browser_keeps(made: House):
    visitor = Visitor(made).starts("self")
    assert STYLES.findall(visitor.page) == []
    assert visitor.page.count('rel="stylesheet"') == 4


def test_a_page_of_one_person_has_no_hash_in_its_policy(made: House):
    client = made.app.test_client()
    client.get("/", base_url=BASE)
    with client.get("/connexion", base_url=BASE) as answer:
        assert "sha256" not in answer.headers["Content-Security-Policy"]


def test_a_sheet_cannot_end_the_page_it_stands_in(
    made: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "public.css").write_text("a::after { content: '</style><script>' }")
    monkeypatch.setattr(web.operations.assets, "OURS", tmp_path)
    with made.app.test_request_context("/"):
        g.for_everybody = True
        with pytest.raises(ValueError, match="may not hold"):
            web.operations.assets.sheet("public.css")
