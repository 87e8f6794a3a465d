"""Pages for what went wrong, and those for when there is no room: with the number to ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask, render_template
from playwright.sync_api import Browser

from tests.browser.gallery.eye import Eye, Stage
from tests.browser.stage import served
from tests.support.house import NOON, House, house, mornings
from web.admission.room_pages import RoomPages, hidden, words_of
from web.marks import public

# Long enough for whoever looks.
SECONDS = 90
# Where the copies are shown: the room itself is let through where nobody waits.
ROOM = "/salle-en-image"


@dataclass
class Trouble:
    house: House
    url: str


@contextmanager
def begins(database_url: str, _: Browser) -> Iterator[Trouble]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(3))
        made.settings = made.settings.model_copy(update={"public_base_url": "http://127.0.0.1"})
        app = made.application()
        # As in production: what fails is answered with a page, and not thrown at the test.
        app.testing, app.logger.disabled = False, True

        @public
        def broken() -> str:
            raise RuntimeError("for a picture")

        app.add_url_rule("/en-panne", "broken", broken)
        for word in ("missing", "failed"):
            app.add_url_rule(f"/dit-{word}", word, _says("public/wrong.html", what=word))
        app.add_url_rule("/sans-reponse", "unanswered", _unanswered(is_form=False))
        app.add_url_rule("/sans-reponse-formulaire", "unanswered-form", _unanswered(is_form=True))
        _has_a_room(app)
        with served(app) as url:
            yield Trouble(made, url)


def _says(template: str, **values: object) -> Callable[[], str]:
    @public
    def view() -> str:
        return render_template(template, **values)

    return view


def _unanswered(*, is_form: bool) -> Callable[[], str]:
    fields = [("where", "75011"), ("n", "3")] if is_form else []
    return _says(
        "public/unanswered.html",
        address="/rendez-vous/commune",
        fields=fields,
        is_form=is_form,
        each=SECONDS,
    )


def _has_a_room(app: Flask) -> None:
    """The waiting room's own copies of its pages, as it fills them in."""
    pages = RoomPages(app.wsgi_app, "http://127.0.0.1")
    behind = app.wsgi_app
    opening = int((NOON + timedelta(minutes=10)).timestamp())

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] != ROOM:
            return behind(environ, start_response)
        kind = environ["QUERY_STRING"].partition("&")[0].removeprefix("kind=")
        language = "en" if "lang=en" in environ["QUERY_STRING"] else "fr"
        words = words_of(language)
        page = pages.page(kind, language, opening)
        assert page is not None
        body = page.filled(
            ahead=words.others(1240) if kind == "before" else words.ahead(318),
            wait=words.wait(540),
            each=SECONDS,
            form=hidden(b"where=75011&n=3"),
            address="/rendez-vous/commune",
        )
        start_response("200 OK", page.headers)
        return [body]

    app.wsgi_app = application  # type: ignore[method-assign]


def errors(trouble: Trouble, eye: Eye) -> None:
    page = eye.opens(trouble.url, "/ne-mene-nulle-part")
    eye.sees(page, "404")
    eye.goes(page, trouble.url, "/en-panne")
    eye.sees(page, "500")
    eye.goes(page, trouble.url, "/sans-reponse")
    eye.sees(page, "503")
    eye.goes(page, trouble.url, "/sans-reponse-formulaire")
    eye.sees(page, "503-form")
    eye.goes(page, trouble.url, "/mon-rendez-vous/voir")
    eye.sees(page, "410")


def refused_to_staff(trouble: Trouble, eye: Eye) -> None:
    client = trouble.house.signs_in("agent")
    kept = client.get_cookie(client.cookie)
    assert kept is not None
    page = eye.opens(trouble.url, "/supervision", cookie=kept.value)
    eye.sees(page, "403")


def the_waiting_room(trouble: Trouble, eye: Eye) -> None:
    page = eye.opens(trouble.url, f"{ROOM}?kind=before")
    for kind in ("before", "waiting", "crowded", "resend"):
        eye.goes(page, trouble.url, f"{ROOM}?kind={kind}")
        eye.sees(page, f"room-{kind}")


WALKS = (errors, refused_to_staff, the_waiting_room)
STAGE = Stage("wrong", begins, WALKS)
