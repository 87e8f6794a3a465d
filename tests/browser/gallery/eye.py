"""What looks at every page in every state: `make pictures`, and the tests of accessibility.

A stage is a service with something on it. Its walks lead somebody from page to page and say
`eye.sees(page, "name")` at each state. To add a state: one more `eye.sees` in a walk, or one more
walk in the list `WALKS` of the stage's module beside this one. Nothing else has to know of it.

A walk opens its pages by `eye.opens`, or hands a page that somebody else opened to `eye.speaks`, so
that it is in the language that is looked at. It goes by ids and values, never by words.
"""

from __future__ import annotations

import traceback

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flask import template_rendered
from playwright.sync_api import Browser, BrowserContext, Error, Page

from tests.browser.stage import PATIENCE_MS

Look = Callable[[Page, str], None]
Walk = Callable[[Any, "Eye"], None]
COUNTRY = "fr"
LOCALES = {"fr": "fr-FR", "en": "en-GB", "es": "es-ES"}
WIDTH, HEIGHT = 1280, 860
# What a browser says of an answer that a walk wants: a form that is sent back, a page that is not
# there, a store that does not answer.
_MEANT = ("the server responded with a status of 4", "the server responded with a status of 5")


@dataclass(frozen=True)
class Stage:
    """`begins(database_url, browser)` gives what the walks are led through."""

    name: str
    begins: Callable[[str, Browser], AbstractContextManager[Any]]
    walks: Sequence[Walk]


@dataclass
class Eye:
    """Goes with a walk. `look(page, name)` is called at each state; the name has its stage's."""

    stage: str
    browser: Browser
    look: Look
    language: str = COUNTRY
    contexts: list[BrowserContext] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def opens(self, url: str, path: str = "/", *, cookie: str = "", script: bool = True) -> Page:
        """A page in a browser of its own; `cookie` is the session of somebody who signed in."""
        context = self.browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT},
            locale=LOCALES[self.language],
            java_script_enabled=script,
        )
        self.contexts.append(context)
        if cookie:
            context.add_cookies([{"name": "allo", "value": cookie, "url": url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.troubles.append(f"{self.stage}: {error}"))
        page.on("console", self._noted)
        self._remembers(context, url)
        page.goto(url + self.path(path))
        return page

    def speaks(self, page: Page, url: str) -> Page:
        """A page that is open already, from now on in this language."""
        self._remembers(page.context, url)
        if self.language != COUNTRY and page.url.startswith(url):
            page.goto(url + self.path(page.url.removeprefix(url).partition("?")[0]))
        return page

    def goes(self, page: Page, url: str, path: str) -> Page:
        page.goto(url + self.path(path))
        return page

    def path(self, path: str) -> str:
        """The address of the page in this language: some pages go by their address alone."""
        if self.language == COUNTRY:
            return path
        bare, mark, anchor = path.partition("#")
        return f"{bare}{'&' if '?' in bare else '?'}lang={self.language}{mark}{anchor}"

    def sees(self, page: Page, name: str) -> None:
        whole = f"{self.stage}-{name}"
        self.seen.append(whole)
        self.look(page, whole)

    def closes(self) -> None:
        for context in self.contexts:
            with suppress(Error):
                context.close()
        self.contexts.clear()

    def _remembers(self, context: BrowserContext, url: str) -> None:
        if self.language != COUNTRY:
            context.add_cookies([{"name": "allo-lang", "value": self.language, "url": url}])

    def _noted(self, message: Any) -> None:
        if message.type == "error" and not any(one in message.text for one in _MEANT):
            self.troubles.append(f"{self.stage}: {message.text}")


@dataclass
class Gone:
    """What a walk through stages came to."""

    seen: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    templates: set[str] = field(default_factory=set)


def goes_through(
    stages: Sequence[Stage],
    create: Callable[[], str],
    browser: Browser,
    look: Look,
    language: str = COUNTRY,
) -> Gone:
    """All walks of the stages; one that fails is told, and the others are gone through.

    `create` makes an empty store for each stage.
    """
    gone = Gone()
    with _templates(gone.templates):
        for stage in stages:
            _through(stage, create(), browser, look, language, gone)
    return gone


def _through(  # noqa: PLR0917 (one place)
    stage: Stage, url: str, browser: Browser, look: Look, language: str, gone: Gone
) -> None:
    try:
        with stage.begins(url, browser) as staged:
            for walk in stage.walks:
                eye = Eye(stage.name, browser, look, language)
                try:
                    walk(staged, eye)
                except Exception:  # noqa: BLE001 (told, with all that follows from it)
                    after = eye.seen[-1] if eye.seen else "its beginning"
                    gone.failures.append(
                        f"{stage.name}, {walk.__name__}, after {after}: {traceback.format_exc()}"
                    )
                finally:
                    gone.seen += eye.seen
                    gone.failures += eye.troubles
                    eye.closes()
    except Exception:  # noqa: BLE001 (as above)
        gone.failures.append(f"{stage.name}: {traceback.format_exc()}")


@contextmanager
def _templates(names: set[str]) -> Iterator[None]:
    """The names of all templates that are shown meanwhile."""

    def shown(_app: object, template: Any, **_: object) -> None:
        names.add(template.name)

    with template_rendered.connected_to(shown):
        yield
