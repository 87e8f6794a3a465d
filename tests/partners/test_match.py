"""Which centre of ours a partner's centre is: by link, by gid, by place and name, by a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.partners.rows import OurCentre, PartnerCentreRow
from partners.platforms import read_link
from services.partners.match import CentreMatch, Matcher

VITRE = (48.1226, -1.2161)
PAGE = "https://partners.doctolib.fr/centre-de-sante/vitre/centre-du-marais"
TOLD = PartnerCentreRow(
    id="doctolib:practice-701",
    platform="doctolib",
    name="Centre de vaccination Halle aux grains",
    postcode="35500",
    town="Vitré",
    latitude=VITRE[0],
    longitude=VITRE[1],
    link="https://www.doctolib.fr/centre-de-sante/vitre/centre-du-marais?pid=practice-701",
)


def ours(own: str, name: str, link: str = "", at: tuple[float, float] | None = VITRE) -> OurCentre:
    latitude, longitude = at or (None, None)
    return OurCentre(own, name, "", "35500", "Vitré", latitude, longitude, link)


FAR = (48.8566, 2.3522)
NEAR = (48.1240, -1.2161)
# Within two kilometres.
ELSEWHERE = (48.1326, -1.2161)


@pytest.mark.parametrize(
    ("centres", "expected"),
    [
        pytest.param(
            [ours("1", "Une salle", f"{PAGE}?pid=practice-701?speciality_id=5494", FAR)],
            ("1", "link"),
            id="the link selects the place, whatever it is called and wherever",
        ),
        pytest.param(
            [
                ours("1", "Une salle", f"{PAGE}?pid=practice-702"),
                ours("2", "Une autre", f"{PAGE}?pid=practice-701&?speciality_id=5494"),
            ],
            ("2", "link"),
            id="one page, several places",
        ),
        pytest.param(
            [ours("1", "Une salle", f"{PAGE}?speciality_id=5494")],
            ("1", "link"),
            id="the page's only centre, near the place",
        ),
        pytest.param(
            [ours("1", "Une salle", PAGE, ELSEWHERE)],
            (None, "unsure"),
            id="one of several places of the page, not where ours is",
        ),
        pytest.param(
            [ours("1", "Halle au blé de Paris", PAGE, FAR)],
            (None, "unsure"),
            id="the page's only centre, far away",
        ),
        pytest.param(
            [ours("1", "Halle aux grains", PAGE), ours("2", "Gymnase du Lin", PAGE, NEAR)],
            ("1", "link"),
            id="two of ours on one page, one by name",
        ),
        pytest.param(
            [ours("1", "Gymnase", PAGE), ours("2", "Piscine", PAGE, NEAR)],
            (None, "unsure"),
            id="two of ours on one page, neither by name",
        ),
        pytest.param(
            [ours("1", "CENTRE COVID 19 - HALLE AUX GRAINS", at=NEAR)],
            ("1", "likeness"),
            id="same place, same name",
        ),
        pytest.param(
            [ours("1", "Halle aux grains"), ours("2", "Halle aux grains", at=NEAR)],
            (None, "unsure"),
            id="same place, same name, twice",
        ),
        pytest.param(
            [ours("1", "Halle aux vins")], (None, "unsure"), id="same place, name perhaps"
        ),
        pytest.param(
            [ours("1", "Halle aux grains", at=FAR)], (None, "none"), id="same name elsewhere"
        ),
        pytest.param(
            [ours("1", "Clinique du Sport")], (None, "none"), id="same place, another name"
        ),
        pytest.param([], (None, "none"), id="nothing"),
    ],
)
def test_what_is_sure_what_is_not_and_what_is_nothing(centres, expected):
    found = Matcher(centres, read_link).find(TOLD)
    assert (found.centre_id, found.matched) == expected
    assert bool(found.candidates) is (found.matched == "unsure")


def test_the_only_place_of_a_page_may_be_some_way_off():
    matcher = Matcher([ours("1", "Une salle", PAGE, ELSEWHERE)], read_link)
    assert matcher.find(replace(TOLD, link=PAGE)) == CentreMatch("1", "link")
    maiia = "https://www.maiia.com/pharmacie/35500-vitre/quai"
    matcher = Matcher([ours("1", "Une salle", maiia, ELSEWHERE)], read_link)
    assert matcher.find(replace(TOLD, link=f"{maiia}?centerid=5f")) == CentreMatch("1", "link")


def test_the_operator_s_gid_goes_first_where_there_is_such_a_centre():
    matcher = Matcher([ours("1", "Halle aux grains"), ours("2", "Ailleurs", at=FAR)], read_link)
    assert matcher.find(TOLD, "2") == CentreMatch("2", "id")
    assert matcher.find(TOLD, "99").centre_id == "1"


def test_without_a_position_the_postcode_stands_for_the_place():
    nowhere = replace(TOLD, latitude=None, longitude=None, link="")
    matcher = Matcher([ours("1", "Halle aux grains", at=None)], read_link)
    assert matcher.find(nowhere).centre_id == "1"
    assert matcher.find(replace(nowhere, postcode="35000")) == CentreMatch(None, "none")


def test_keldoc_and_maiia_links_meet_by_path_and_by_id():
    keldoc = "https://vaccination-covid.keldoc.com/centre-hospitalier/vitre-35500/ch-du-lin"
    maiia = "https://www.maiia.com/centre-de-vaccination/35500-vitre/quai"
    matcher = Matcher(
        [
            ours("1", "A", f"{keldoc}?category=-1&cabinet=5", FAR),
            ours("2", "B", f"{maiia}?centerId=5FFDF3319021595c9eb87497", FAR),
            ours("3", "C", "https://rendezvous.example/doctolib", VITRE),
        ],
        read_link,
    )
    assert matcher.find(replace(TOLD, link=f"{keldoc}?cabinet=5")).centre_id == "1"
    told = replace(TOLD, link=f"{maiia}?centerid=5ffdf3319021595c9eb87497")
    assert matcher.find(told).centre_id == "2"
