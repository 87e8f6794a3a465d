"""Every error is a page of ours: its status, its headers, its reader's language, the number."""

from __future__ import annotations

import re

from typing import Any

import pytest

from flask import Blueprint, abort
from markupsafe import escape
from werkzeug.exceptions import TooManyRequests

from prompts.screens import LANGUAGES, screen
from tests.admission.test_whole_requests import Client, Headers, Scope, sent
from tests.support.house import BASE, House
from tests.support.keeper import ROOT
from web import alone
from web.environ import is_for_a_person
from web.marks import public

NUMBER = "tel:+33974750001"


def raising(made: House) -> Any:
    """The service with a route that ends in each error."""
    app = made.application()
    pages = Blueprint("raises", __name__)

    @pages.get("/raises/<int:status>")
    @public
    def view(status: int) -> str:
        if status == 500:
            raise LookupError("a mistake of ours")
        if status == 429:
            raise TooManyRequests(retry_after=60)
        abort(status)

    app.register_blueprint(pages)
    return app.test_client()


def test_each_error_is_our_page_in_each_language(made: House):
    client = raising(made)
    for status in (one for one in alone.STATUSES if one < 502):
        for language in LANGUAGES:
            accepted = {"Accept-Language": f"{language},de;q=0.5"}
            answer = client.get(f"/raises/{status}", base_url=BASE, headers=accepted)
            title = escape(screen(language)[f"{alone.key_of(status)}.title"])
            assert answer.status_code == status
            assert f'<html lang="{language}">' in answer.text
            assert f"<h1>{title}</h1>" in answer.text
            assert NUMBER in answer.text
            assert answer.headers["Cache-Control"] == "no-store"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        french = client.get(f"/raises/{status}", base_url=BASE)
        assert '<html lang="fr">' in french.text


def test_what_an_error_says_to_a_browser_stays(made: House):
    client = raising(made)
    assert client.get("/raises/429", base_url=BASE).headers["Retry-After"] == "60"
    wrong_way = client.delete("/rendez-vous", base_url=BASE)
    assert (wrong_way.status_code, NUMBER in wrong_way.text) == (405, True)
    assert {"GET", "POST"} <= set(re.split(", *", wrong_way.headers["Allow"]))


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/nowhere", ""),
        ("/rendez-vous/nowhere", ""),
        ("/poste/nowhere", "/poste"),
        ("/supervision/nowhere", "/supervision"),
        ("/centre/nowhere", "/centre"),
        ("/assets/nowhere.css", ""),
    ],
)
def test_no_part_has_a_page_of_the_servers_own(made: House, path: str, way: str):
    answer = made.app.test_client().get(path, base_url=BASE, headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert NUMBER in answer.text
    assert "Page introuvable" in answer.text
    assert (f'<a href="{way}">' in answer.text) is bool(way)


def test_a_form_that_is_too_long_is_told_so(made: House):
    answer = made.app.test_client().post(
        "/rendez-vous", base_url=BASE, headers={"Origin": BASE}, data={"whom": "x" * 70_000}
    )
    assert (answer.status_code, NUMBER in answer.text) == (413, True)
    assert "C’est trop long" in answer.text


def test_who_is_refused_has_the_number_too(made: House):
    client = made.app.test_client()
    old = client.post("/connexion", base_url=BASE, headers={"Origin": BASE}, data={"login": "x"})
    other = client.post("/rendez-vous", base_url=BASE, headers={"Origin": "https://evil.example"})
    agent = made.signs_in("agent").get("/supervision")
    found = [(one.status_code, NUMBER in one.text) for one in (old, other, agent)]
    assert found == [(400, True), (403, True), (403, True)]


def test_scripts_and_machines_get_the_short_answer_and_htmx_the_page(made: House):
    client = raising(made)
    script = client.get("/raises/404", base_url=BASE, headers={"Sec-Fetch-Mode": "cors"})
    boosted = {"HX-Request": "true", "HX-Boosted": "true", "Accept": "*/*"}
    swapped = client.get("/raises/500", base_url=BASE, headers=boosted)
    style = {"Sec-Fetch-Mode": "no-cors", "Accept": "text/css,*/*;q=0.1"}
    file = client.get("/assets/nowhere.css", base_url=BASE, headers=style)
    feed = client.get("/api/nowhere", base_url=BASE)
    assert NUMBER in swapped.text
    assert [NUMBER in one.text for one in (script, file, feed)] == [False] * 3
    assert client.post("/voice/nowhere", base_url=BASE).text.count("<h1") == 0


# ---------------------------------------------------------------- without the application


@pytest.mark.parametrize("status", alone.STATUSES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_stands_alone_needs_nothing_beside_it(status: int, language: str):
    page = alone.page(status, language, "+33974750001").decode()
    assert f'<html lang="{language}">' in page
    assert "09 74 75 00 01" in page.replace("\u00a0", " ")
    assert NUMBER in page
    assert not re.search(r"<script|<link|\ssrc=|style=|https?://", page)
    # A proxy knows no language: the others are said below.
    assert all(f'<details lang="{code}">' in page for code in LANGUAGES if code != language)
    assert len(page) < 8000


def test_its_policy_lets_its_own_style_in_and_nothing_else():
    page = alone.page(502, "fr", "+33974750001").decode()
    style = page.split("<style>")[1].split("</style>")[0]
    assert style == (ROOT / "web/static/alone.css").read_text("utf-8")
    assert "script-src" not in alone.policy()
    assert alone.policy() == dict(alone.headers())["Content-Security-Policy"]


@pytest.mark.parametrize("number", ["", "+33974750001"])
def test_a_body_that_is_not_read_is_answered_with_a_page(number: str):
    found = [
        sent(Client([b"x"]), scope(path, "70000", accept), number=number)
        for path, accept in (
            ("/rendez-vous", "text/html,*/*;q=0.8"),
            ("/voice/incoming", "*/*"),
            ("/poste/etat", "application/json"),
        )
    ]
    assert [one.status for one in found] == [413, 413, 413]
    assert [NUMBER.encode() in one.body for one in found] == [bool(number), False, False]
    assert all(one.headers["Connection"] == "close" for one in found)


def scope(path: str, length: str, accept: str) -> Scope:
    return Scope(Headers([("content-length", length), ("accept", accept)]), path=path)


def test_who_a_page_is_for():
    def environ(**more: str) -> dict[str, Any]:
        return {"PATH_INFO": "/poste", **more}

    assert is_for_a_person(environ(HTTP_SEC_FETCH_MODE="navigate", HTTP_ACCEPT="text/html"))
    assert is_for_a_person(environ(HTTP_HX_REQUEST="true", HTTP_HX_BOOSTED="true"))
    assert not is_for_a_person(environ(HTTP_HX_REQUEST="true"))
    assert not is_for_a_person(environ(HTTP_SEC_FETCH_MODE="cors", HTTP_ACCEPT="*/*"))
    assert not is_for_a_person({"PATH_INFO": "/voice/turn"})


def test_a_person_who_works_here_is_told_that_no_thread_is_free(made: House):
    gate = made.app.extensions["allo_gate"]
    gate.begin()
    gate.load_shedder._staff_places = 0
    while gate.load_shedder.other_begins():
        pass
    client = made.app.test_client()
    page = client.get("/connexion", base_url=BASE, headers={"Accept": "text/html"})
    poll = client.get("/poste/etat", base_url=BASE, headers={"Accept": "application/json"})
    assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
    assert NUMBER in page.text
    assert (poll.status_code, poll.text) == (503, "busy\n")


# ---------------------------------------------------------------- proxies in front


def test_the_command_writes_what_the_proxies_show(made: House, tmp_path: Any):
    folder = tmp_path / "errors"
    done = made.app.test_cli_runner().invoke(args=["deploy", "errors", str(folder)])
    assert done.exit_code == 0, done.output
    assert alone.policy() in done.output
    nginx, haproxy = (
        (ROOT / "deploy" / name).read_text("utf-8") for name in ("nginx.conf", "haproxy.cfg")
    )
    for path in folder.iterdir():
        assert NUMBER in path.read_text("utf-8")
        assert f"error_page {path.stem} /{path.name};" in nginx
        # HAProxy has no answer of its own to a line that is too long but 400.
        assert f"/etc/allo/errors/{path.name}" in haproxy or path.stem == "414"
    assert alone.policy() in nginx
    assert alone.policy() in haproxy
