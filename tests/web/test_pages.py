"""What every page has: headers, cookies, words, and text that stays text."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from flask import Blueprint, Flask, Response, render_template_string, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from services.accounts import staff as accounts
from tests.support.forms import PASSWORD, Browser, code_of, has_code
from tests.support.house import House
from web import pages
from web.browser_session import CSRF, Cookies
from web.marks import public, roles

FORM = "application/x-www-form-urlencoded"
# Attributes and elements that a policy without 'unsafe-inline' would stop.
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)(?![^>]*json)|javascript:")


def policy(answer: object) -> dict[str, list[str]]:
    header = answer.headers["Content-Security-Policy"]  # type: ignore[attr-defined]
    return {part.split()[0]: part.split()[1:] for part in header.split("; ")}


def app_with(made: House, **settings: object) -> Flask:
    made.settings = made.settings.model_copy(update=settings)
    return made.application()


def add(app: Flask, path: str, template: str, **values: object) -> None:
    blueprint = Blueprint(path.strip("/"), __name__)
    view = public(lambda: render_template_string(template, **values))
    blueprint.add_url_rule(path, "page", view)
    app.register_blueprint(blueprint)


@pytest.mark.parametrize(
    "path", ["/connexion", "/compte", "/healthz", "/assets/page.js", "/nowhere", "/connexion/code"]
)
@pytest.mark.parametrize("signed_in", [True, False])
def test_every_answer_to_a_browser_has_the_headers(made: House, path: str, signed_in: bool):  # noqa: FBT001
    client = made.signs_in("agent") if signed_in else made.app.test_client()
    with client.get(path) as answer:
        headers = answer.headers
    allowed = policy(answer)
    if path == "/nowhere":
        # It is the same for everybody, and carries its styles: tests/web/test_arrival_pages.py.
        allowed["style-src"] = [one for one in allowed["style-src"] if "sha256-" not in one]
    assert allowed == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "media-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "object-src": ["'none'"],
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "microphone=()" in headers["Permissions-Policy"]
    lasts = headers["Strict-Transport-Security"].split("; ")[0]
    assert int(lasts.removeprefix("max-age=")) >= 31_536_000
    if not path.startswith("/assets"):
        assert headers["Cache-Control"] == "no-store"


def test_the_telephone_has_none_of_them(made: House):
    answer = made.app.test_client().post("/voice/incoming")
    assert "Content-Security-Policy" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_over_http_nothing_promises_https(made: House):
    app = app_with(made, public_base_url="http://127.0.0.1:8000")
    assert "Strict-Transport-Security" not in app.test_client().get("/connexion").headers


@pytest.mark.parametrize("https", [True, False])
def test_cookies_stay_with_us(made: House, https: bool):  # noqa: FBT001
    secret = has_code(made, made.employs("agent", login="camille", password=PASSWORD).id)
    base = "https://allo.example" if https else "http://127.0.0.1:8000"
    browser = Browser(app_with(made, public_base_url=base))
    page = browser.goes("/connexion", query_string={"lang": "en"})
    set_before = page.headers.getlist("Set-Cookie")
    fields = {"login": "camille", "password": PASSWORD, "csrf_token": browser.token()}
    answer = browser.client.post("/connexion", data=fields, headers={"Origin": base})
    assert answer.status_code == 302
    browser.goes("/connexion/code")
    code = {"code": code_of(made, secret), "csrf_token": browser.token()}
    after = browser.client.post("/connexion/code", data=code, headers={"Origin": base})
    by_name = {
        line.split("=", 1)[0]: line for line in (*set_before, *after.headers.getlist("Set-Cookie"))
    }
    prefix = "__Host-" if https else ""
    for name in (f"{prefix}allo", f"{prefix}allo-form", f"{prefix}allo-device"):
        flags = by_name[name].split("; ")[1:]
        assert ("Secure" in flags) is https
        assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(flags)
        assert not any(flag.startswith("Domain") for flag in flags)
    # A session ends with the browser; the mark of a device stays.
    assert "Max-Age" not in by_name[f"{prefix}allo"]
    assert "Max-Age=15552000" in by_name[f"{prefix}allo-device"]
    assert "HttpOnly" in by_name[f"{prefix}allo-lang"]


def test_a_form_token_is_made_for_the_page_that_asks_for_it(made: House):
    cookies = Cookies("key", https=False)
    with made.app.test_request_context("/rendez-vous/naissance"):
        opened = cookies.open_session(made.app, request)
        assert opened is not None
        assert (opened.form, opened.asked) == ("", False)
        token = opened[CSRF]
        assert opened.form
        assert opened[CSRF] == token
    with made.app.test_request_context("/", headers={"Cookie": f"allo-form={opened.form}"}):
        again = cookies.open_session(made.app, request)
        assert again is not None
        assert again[CSRF] == token


@pytest.mark.parametrize(
    ("before", "after"), [("", "Cookie"), ("Accept", "Accept, Cookie"), ("Cookie", "Cookie")]
)
def test_an_answer_with_a_form_depends_on_the_cookies(made: House, before: str, after: str):
    cookies, answer = Cookies("key", https=False), Response()
    if before:
        answer.headers["Vary"] = before
    with made.app.test_request_context("/", headers={"Cookie": "allo=token"}):
        opened = cookies.open_session(made.app, request)
        assert opened is not None
        cookies.save_session(made.app, opened, answer)
        assert answer.headers.get("Vary", "") == before, "it has no form yet"
        assert opened[CSRF]
        cookies.save_session(made.app, opened, answer)
    assert answer.headers.getlist("Vary") == [after]


def test_a_form_that_is_too_long_is_not_read(made: House):
    long = made.app.config["MAX_CONTENT_LENGTH"] + 1
    builder = EnvironBuilder(method="POST", content_type=FORM, data=b"a" * long)
    with made.app.app_context():
        asked = made.app.request_class(builder.get_environ())
        with pytest.raises(RequestEntityTooLarge):
            _ = asked.form


# ---------------------------------------------------------------- the desk's telephone


def with_voice_page(app: Flask) -> None:
    blueprint = Blueprint("voice_page", __name__)

    def view() -> str:
        pages.with_voice()
        return "desk"

    blueprint.add_url_rule("/with-voice", "page", roles("agent")(view))
    app.register_blueprint(blueprint)


def test_in_development_the_desk_alone_speaks_to_the_simulator(made: House):
    app = app_with(made, simulator_port=8310)
    with_voice_page(app)
    client = made.signs_in("agent", app=app)
    found = client.get("/with-voice")
    assert policy(found)["script-src"] == ["'self'", "http://127.0.0.1:8310"]
    assert policy(found)["connect-src"] == ["'self'", "http://127.0.0.1:8310"]
    assert "microphone=(self)" in found.headers["Permissions-Policy"]
    assert "8310" not in client.get("/compte").headers["Content-Security-Policy"]


@pytest.mark.parametrize("configured", [True, False])
def test_in_production_the_providers_hosts_are_let_in_where_its_library_is_set(
    made: House,
    configured: bool,  # noqa: FBT001
):
    key = "SK00000000000000000000000000000001" if configured else ""
    keys = {"twilio_api_key_sid": key, "twilio_api_key_secret": key and "secret"}
    app = app_with(made, environment="production", **keys)
    with_voice_page(app)
    client = made.signs_in("agent", app=app)
    found = policy(client.get("/with-voice"))
    assert found["script-src"] == ["'self'"]
    assert ("wss://*.twilio.com" in found["connect-src"]) is configured
    assert ("https://sdk.twilio.com" in found["media-src"]) is configured
    assert "twilio" not in client.get("/compte").headers["Content-Security-Policy"]


# ---------------------------------------------------------------- text stays text


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}",
        "Zoé\u202egnimmaj \u2066Martin\u2069",
        "Zoé\u200b\u0001\u0007 \u00a0Martin",
    ],
)
def test_a_script_in_a_name_is_text(made: House, name: str):
    who = made.employs("agent", name=name)
    page = made.signs_in("agent", staff=who).get("/compte").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "49" not in page.split("<h1>")[1].split("</h1>")[0]
    for hidden in "\u202e\u2066\u2069\u200b\u0001\u0007":
        assert hidden not in page


def test_names_of_the_whole_world_are_left_alone():
    for name in ("Zoé Lefèvre-Noël", "Nguyễn Thị Hạnh", "محمد", "李雷", "O’Brien", "Åse 👩"):
        assert pages.plain(name) == name
    assert pages.plain("two\r\nlines\tand more") == "two  lines and more"
    assert pages.plain(12) == "12"


def test_each_letter_there_is_stays_becomes_a_blank_or_goes():
    """A text that can be printed as it is is not looked through, which must change nothing."""
    for letter in map(chr, range(sys.maxunicode + 1)):
        goes = unicodedata.category(letter) in {"Cc", "Cf", "Co", "Cn", "Cs"}
        stays = " " if letter.isspace() else "" if goes else letter
        assert pages.plain(letter) == stays, hex(ord(letter))


def test_templates_escape_by_themselves(made: House):
    add(made.app, "/escaped", "{{ name }} {{ name|plain }}", name="<b>&")
    assert made.app.test_client().get("/escaped").text == "&lt;b&gt;&amp; &lt;b&gt;&amp;"


def test_pages_have_nothing_inline(made: House):
    made.employs("agent", login="camille", password=PASSWORD, temporary=True)
    browser, signed_in = Browser(made.app), made.signs_in("agent")
    texts = [
        browser.goes("/connexion").text,
        browser.comes_in(made, "camille") and browser.page.text,
        signed_in.get("/compte").text,
        signed_in.get("/connexion/inscription").text,
        signed_in.get("/connexion/mot-de-passe").text,
    ]
    for text in texts:
        assert INLINE.search(text) is None, INLINE.search(text)


# ---------------------------------------------------------------- languages


def test_french_comes_first_and_english_stays_once_it_was_chosen(made: House):
    client = made.app.test_client()
    assert '<html lang="fr">' in client.get("/connexion").text
    english = client.get("/connexion", headers={"Accept-Language": "en-GB,en;q=0.9,fr;q=0.1"}).text
    assert '<html lang="en">' in english
    assert "Password" in english
    assert '<html lang="fr">' in client.get("/connexion", headers={"Accept-Language": "de"}).text
    client.get("/connexion?lang=en")
    assert '<html lang="en">' in client.get("/connexion").text
    assert '<html lang="fr">' in client.get("/connexion?lang=fr").text
    assert client.get("/connexion?lang=%22%3E%3Cscript%3E").status_code == 200


def test_the_switch_leads_to_the_same_page(made: House):
    page = made.app.test_client().get("/connexion?next=/compte").text
    assert 'href="/connexion?next=%2Fcompte&amp;lang=en"' in page


def test_the_menu_has_what_one_may_see(made: House):
    page = made.signs_in("secretary").get("/compte").text
    assert 'href="/supervision"' not in page
    assert 'href="/poste"' not in page


def test_a_phone_number_is_shown_to_its_owner_alone(made: House):
    who, other = made.employs("agent"), made.employs("agent")
    accounts.set_phone(made.store, who.id, "06.12.34.56.78")
    assert "+33612345678" in made.signs_in("agent", staff=who).get("/compte").text
    assert "+33612345678" not in made.signs_in("agent", staff=other).get("/compte").text


@pytest.mark.parametrize("number", ["0899123456", "3615", "+447911123456", "bonjour", "<b>"])
def test_a_number_that_costs_or_is_none_is_refused(made: House, number: str):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    browser.goes("/compte")
    answer = browser.sends("/compte/telephone", phone=number, password=PASSWORD)
    assert answer.status_code == 400
    assert "numéro de téléphone français" in answer.text


def test_callers_are_not_led_to_the_telephone_of_whoever_found_a_page_open(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    for password in ("", "not the password"):
        browser.goes("/compte")
        answer = browser.sends("/compte/telephone", phone="0612345678", password=password)
        assert answer.status_code == 401
        with made.database.statement() as connection:
            assert not accounts.phone_of(connection, made.store, who.id)
    browser.goes("/compte")
    sent = browser.sends("/compte/telephone", phone="0612345678", password=PASSWORD)
    assert sent.status_code == 302
    with made.database.statement() as connection:
        assert accounts.phone_of(connection, made.store, who.id) == "+33612345678"
