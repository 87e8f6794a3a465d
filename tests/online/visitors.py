"""Somebody at a browser on the public site, with the service behind it."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.house import BASE, MOBILE, House

LINK = re.compile(rf"{re.escape(BASE)}(/[rs]/\w{{15}})")
_HIDDEN = re.compile(r'name="(n|token)" value="([^"]*)"')
_PLACE = re.compile(r'name="place" value="(\d+)"')
BORN = {"day": "12", "month": "3", "year": "1942"}
OTHER_DAY = {"day": "13", "month": "3", "year": "1942"}


class Visitor:
    """A browser with its cookies. `page` is what it shows, after redirects of ours."""

    def __init__(self, house: House, app: Flask | None = None, address: str = "192.0.2.7") -> None:
        self.client = (app or house.app).test_client()
        self.address = address
        self.answer: TestResponse | None = None
        self.path = ""

    def goes(self, path: str) -> Visitor:
        return self._shows(self._open("GET", path))

    def sends(self, path: str, **form: str) -> Visitor:
        """A form, as a page of ours sends it."""
        return self._shows(self._open("POST", path, form))

    def presses(self, path: str, **form: str) -> Visitor:
        """A form of the page that is shown, with what it hides."""
        return self.sends(path, **self.hidden, **form)

    def _open(self, method: str, path: str, form: dict[str, str] | None = None) -> TestResponse:
        return self.client.open(
            path,
            method=method,
            data=form,
            base_url=BASE,
            headers={"Origin": BASE},
            environ_overrides={"REMOTE_ADDR": self.address},
        )

    def _shows(self, answer: TestResponse) -> Visitor:
        for _ in range(4):
            if answer.status_code != 303:
                break
            self.path = answer.headers["Location"]
            answer = self._open("GET", self.path)
        self.answer = answer
        return self

    @property
    def page(self) -> str:
        assert self.answer is not None
        return self.answer.get_data(as_text=True).replace("\u00a0", " ")

    @property
    def status(self) -> int:
        assert self.answer is not None
        return self.answer.status_code

    @property
    def hidden(self) -> dict[str, str]:
        return dict(_HIDDEN.findall(self.page))

    @property
    def places(self) -> list[str]:
        return _PLACE.findall(self.page)

    def reads(self, *texts: str) -> Visitor:
        for text in texts:
            assert text in self.page, (text, self.path, self.page)
        return self

    # What people do there

    def opens_link(self, path: str, **born: str) -> Visitor:
        return self.sends(path, **(born or BORN))

    def comes_to(self, step: str, *, number: str = "0612345678", mail: str = "") -> Visitor:
        """Book on the site up to this page (by its path below /rendez-vous)."""
        self.sends("/rendez-vous", whom="self")
        answers: dict[str, dict[str, str]] = {
            "naissance": BORN,
            "commune": {"where": "75011"},
            "creneaux": {},
            "joindre": {"number": number, "mail": mail},
            "confirmer": {},
        }
        for slug, form in answers.items():
            assert self.path.endswith(slug), (self.path, slug, self.page)
            if slug == step:
                return self
            chosen = {"place": self.places[0]} if slug == "creneaux" else {}
            self.presses(f"/rendez-vous/{slug}", **form, **chosen)
        return self


def text_to(house: House, number: str = MOBILE) -> str:
    """The newest text to a number."""
    found = [house.text_of(row) for row in house.messages("sms")]
    assert found, number
    return found[-1]


def link_in(text: str) -> str:
    """The path of the link that a text carries."""
    found = LINK.search(text)
    assert found, text
    return found[1]
