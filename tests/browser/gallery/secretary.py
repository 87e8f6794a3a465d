"""A centre's own page in the evening, its printed list, an hour to close, a number that rings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser

from tests.browser.gallery.eye import Eye, Stage
from tests.browser.secretary_stage import SecretaryStage, secretary_stage


@contextmanager
def begins(database_url: str, _: Browser) -> Iterator[SecretaryStage]:
    with secretary_stage(database_url, people=24) as staged:
        yield staged


def _cookie(staged: SecretaryStage, role: str = "secretary") -> str:
    centre_id = "1" if role == "secretary" else None
    who = staged.house.employs(role, name="Morgan Lefèvre", centre_id=centre_id)
    client = staged.house.signs_in(staff=who, app=staged.app)
    kept = client.get_cookie(client.cookie)
    assert kept is not None
    return kept.value


def a_day(staged: SecretaryStage, eye: Eye) -> None:
    page = eye.opens(staged.url, "/centre", cookie=_cookie(staged))
    eye.sees(page, "day")
    for name, path in (("print", "/centre/imprimer"), ("closing", "/centre/fermeture")):
        eye.goes(page, staged.url, path)
        eye.sees(page, name)


def a_wrong_date(staged: SecretaryStage, eye: Eye) -> None:
    page = eye.opens(staged.url, "/centre", cookie=_cookie(staged))
    page.fill("#born", "12/13/1942")
    with page.expect_navigation():
        page.click('form[action="/centre/arrivee"] button[type=submit]')
    eye.sees(page, "wrong-date")
    page.fill("#born", "12/03/1942")
    with page.expect_navigation():
        page.click('form[action="/centre/arrivee"] button[type=submit]')
    eye.sees(page, "booked")


def which_centre(staged: SecretaryStage, eye: Eye) -> None:
    page = eye.opens(staged.url, "/centre", cookie=_cookie(staged, "supervisor"))
    eye.sees(page, "which-centre")


WALKS = (a_day, a_wrong_date, which_centre)
STAGE = Stage("secretary", begins, WALKS)
