"""Départements, territories, time zones, distances."""

from __future__ import annotations

import pytest

from hypothesis import given
from hypothesis import strategies as st

from models.centres import geography


@pytest.mark.parametrize(
    ("insee", "postcode", "expected", "land", "zone"),
    [
        ("35360", "35500", "35", "metropole", "Europe/Paris"),
        ("2A004", "20000", "2A", "corse", "Europe/Paris"),
        ("", "20000", "2A", "corse", "Europe/Paris"),
        ("", "20200", "2B", "corse", "Europe/Paris"),
        ("97411", "97400", "974", "974", "Indian/Reunion"),
        ("97209", "97200", "972", "972", "America/Martinique"),
        ("97302", "97300", "973", "973", "America/Cayenne"),
        ("97611", "97600", "976", "976", "Indian/Mayotte"),
        ("97123", "97133", "977", "977", "America/St_Barthelemy"),
        ("", "97150", "978", "978", "America/Marigot"),
        ("97502", "97500", "975", "975", "America/Miquelon"),
        ("98735", "98714", "987", "987", "Pacific/Tahiti"),
        ("98818", "98800", "988", "988", "Pacific/Noumea"),
        ("97112", "97112", "971", "marie-galante", "America/Guadeloupe"),
        ("85113", "85350", "85", "yeu", "Europe/Paris"),
        ("99138", "98000", "98", "metropole", "Europe/Paris"),
        ("26220", "05700", "26", "metropole", "Europe/Paris"),
        ("", "", "", "", "Europe/Paris"),
    ],
)
def test_where_a_town_lies(insee, postcode, expected, land, zone):
    departement = geography.departement(insee, postcode)
    assert departement == expected
    assert geography.territory(departement, postcode) == land
    assert geography.time_zone(departement) == zone
    assert len(land) <= 16


@pytest.mark.parametrize(
    "text", ["", "1000", "00100", "99999", "96000", "3550O", "٣٥٥٠٠", "355000"]
)
def test_what_no_postcode_can_be(text):
    assert not geography.is_postcode(text)


def test_distance():
    assert geography.distance_km(48.8566, 2.3522, 43.2965, 5.3698) == pytest.approx(660.5, abs=1)
    assert geography.distance_km(48.1, -1.2, 48.1, -1.2) == 0


@given(
    latitude=st.floats(-60, 60),
    north=st.floats(-5, 5),
    east=st.floats(-20, 20),
    more=st.floats(0, 300),
)
def test_nothing_in_a_circle_is_farther_east_than_the_circle(latitude, north, east, more):
    away = geography.distance_km(latitude, 2.0, latitude + north, 2.0 + east)
    assert abs(east) <= geography.degrees_east(latitude, away + more) + 1e-6


def test_a_circle_is_no_wider_than_it_must_be():
    wide = geography.degrees_east(48.8566, 30)
    assert geography.distance_km(48.8566, 2.3522, 48.8566, 2.3522 + wide) == pytest.approx(
        30, rel=0.001
    )
    assert geography.degrees_east(89.9, 30) == 180
    assert geography.degrees_east(46.0, 20_000) == 180


def test_swapped_positions_are_not_plausible():
    assert geography.is_plausible(48.12, -1.21, "35")
    assert not geography.is_plausible(-1.21, 48.12, "35")
    assert not geography.is_plausible(48.12, -1.21, "974")
    assert geography.is_plausible(-21.3, 55.5, "")
