"""What each public page weighs: itself and all that it loads, before anything is compressed."""

from __future__ import annotations

import re

from collections.abc import Iterator

import pytest

from tests.online.test_booking import Visitor
from tests.support import pages
from tests.support.house import BASE, House, house, mornings

MOST_BYTES = 100_000
# What a page loads by itself; a link that is followed by a person is none of it.
LOADED = re.compile(r'<(?:link[^>]+href|script[^>]+src|img[^>]+src|source[^>]+src)="([^"]+)"')


@pytest.fixture(scope="module")
def files() -> None:
    """The files of others, without which a page would seem lighter than it is."""
    pages.fetched()


@pytest.fixture
def made(database_url: str, files: None) -> Iterator[House]:
    with house(database_url) as one:
        for gid in range(1, 13):
            one.opens_centre(
                str(gid), name=f"Salle des fêtes {gid}", kilometres=gid * 1.7, starts=mornings(30)
            )
        yield one


def weight(visitor: Visitor) -> int:
    """The bytes of the page that is shown and of what it loads; all of it is ours."""
    whole = len(visitor.page.encode())
    for address in sorted(set(LOADED.findall(visitor.page))):
        assert address.startswith("/assets/"), address
        with visitor.client.get(address.replace("&amp;", "&"), base_url=BASE) as answer:
            whole += len(answer.data)
    return whole


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/centres",
        "/centres/dep/75",
        "/centres/1",
        "/etat",
        "/confidentialite",
        "/accessibilite",
        "/rendez-vous",
        "/rendez-vous/liste-quittee",
        "/mon-rendez-vous",
        "/salle",
        "/nothing-here",
    ],
)
def test_a_page_that_everybody_reads_is_light(made: House, path: str):
    assert 1_000 < weight(Visitor(made).opens(path)) < MOST_BYTES


def test_every_question_of_a_booking_is_light_up_to_the_confirmation(made: House):
    visitor = Visitor(made).starts("two")
    weights = {"naissance": weight(visitor)}
    weights["commune"] = weight(visitor.is_born().is_at("commune"))
    weights["creneaux"] = weight(visitor.sends(where="75011").is_at("creneaux"))
    weights["jours"] = weight(visitor.opens("/rendez-vous/jours"))
    weights["heures"] = weight(visitor.opens("/rendez-vous/jours?jour=2026-11-26"))
    visitor.opens("/rendez-vous/creneaux").sends(place=visitor.places[0])
    weights[visitor.path] = weight(visitor)
    if visitor.path.endswith("a-deux"):
        visitor.sends(wish="apart")
    weights["joindre"] = weight(visitor.is_at("joindre"))
    weights["confirmer"] = weight(visitor.sends(wish="none").is_at("confirmer"))
    weights["fait"] = weight(visitor.sends().is_at("fait"))
    assert {name: size for name, size in weights.items() if size >= MOST_BYTES} == {}
