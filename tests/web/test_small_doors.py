"""Small things that a browser and a server must do, each asked for in earnest.

They are rows of docs/security.md that no other test shows.
"""

from __future__ import annotations

import json
import re

from collections.abc import Iterator

import pytest

from flask import Flask
from werkzeug.datastructures import MultiDict
from werkzeug.routing import Rule

import services.logs

from tests.support.forms import PASSWORD, Browser
from tests.support.house import BASE, House
from tests.support.keeper import ROOT
from web.marks import SIGNED

CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
# Files that everybody may have, from any page of the web.
FOR_ALL_ORIGINS = ("/api/slots/",)
STORAGE = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie")


def paths(app: Flask) -> Iterator[str]:
    """Each address that a browser can read without anything of its own in it."""
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            yield rule.rule


def changing(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if CHANGES & (rule.methods or set())]


def test_every_cookie_over_https_has_the_prefix(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.goes("/connexion?lang=en")
    browser.signs_in("camille")
    browser.goes("/rendez-vous")
    browser.client.post("/rendez-vous", data={"whom": "self"}, headers={"Origin": BASE})
    kept = browser.client._cookies
    assert kept is not None
    names = {cookie.key for cookie in kept.values()}
    assert {"__Host-allo", "__Host-allo-lang", "__Host-allo-visit"} <= names
    assert [name for name in names if not name.startswith("__Host-")] == []


def test_browsers_keep_to_https_for_a_year_below_the_name_too(made: House):
    told = made.app.test_client().get("/connexion").headers["Strict-Transport-Security"]
    assert told == "max-age=31536000; includeSubDomains"


def test_no_answer_lets_another_origin_read_it(made: House):
    client = made.app.test_client()
    for path in paths(made.app):
        answer = client.get(path, headers={"Origin": "https://elsewhere.example"})
        if not path.startswith(FOR_ALL_ORIGINS):
            assert "Access-Control-Allow-Origin" not in answer.headers, path


def test_no_route_that_changes_something_answers_get(made: House):
    found = changing(made.app)
    assert len(found) > 40
    both = [rule.rule for rule in found if {"GET", "HEAD"} & (rule.methods or set())]
    assert both == []


def test_what_is_text_says_its_letters(made: House):
    client = made.app.test_client()
    seen = 0
    for path in paths(made.app):
        kind = client.get(path).headers.get("Content-Type", "")
        if kind.startswith("text/") or "xml" in kind:
            assert "charset=utf-8" in kind.lower(), (path, kind)
            seen += 1
    assert seen > 10


def test_trace_is_answered_nowhere(made: House):
    client = made.app.test_client()
    for rule in made.app.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "1", rule.rule)
        answer = client.open(path, method="TRACE", headers={"X-Mine": "come-back"})
        expected = {403} if path.startswith(SIGNED) else {403, 404, 405}
        assert answer.status_code in expected, path
        assert b"come-back" not in answer.data, path


def test_signing_out_empties_what_the_browser_keeps(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    browser.goes("/compte")
    assert browser.sends("/deconnexion").headers["Clear-Site-Data"] == '"storage"'


def test_no_script_keeps_anything_in_the_browser():
    found = {
        script.name: STORAGE.findall(script.read_text("utf-8"))
        for script in sorted((ROOT / "web" / "static").glob("*.js"))
    }
    assert len(found) > 8
    assert {name: kept for name, kept in found.items() if kept} == {}


def test_of_a_field_that_comes_twice_the_first_counts(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    for logins, status in ((("camille", "maxence"), 302), (("maxence", "camille"), 401)):
        browser = Browser(made.app)
        browser.goes("/connexion")
        token = browser.token()
        twice = [("login", login) for login in logins]
        fields = MultiDict([*twice, ("password", PASSWORD), ("csrf_token", token)])
        answer = browser.client.post("/connexion", data=fields, headers={"Origin": BASE})
        assert answer.status_code == status


def test_a_line_end_in_a_value_is_no_new_line_of_the_log(capsys: pytest.CaptureFixture[str]):
    services.logs.configure("INFO")
    import structlog  # noqa: PLC0415 (after it was configured)

    name = 'x\n{"level":"info","event":"signed in"}\u2028\x1b[2J'
    structlog.get_logger().warning("refused", name=name)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["name"] == name
    assert json.loads(line)["event"] == "refused"
    assert line.isascii()
    assert line.isprintable()
