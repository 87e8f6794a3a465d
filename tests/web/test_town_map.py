"""The map that is drawn here: positions become points, north up, and nothing hides anything."""

from __future__ import annotations

import itertools
import math

import pytest

from services.centres.directory import TownAt
from web.online.town_map import HEIGHT, RADIUS, WIDTH, Stand, TownMap, draw, reach

RENNES = (48.1147, -1.6794)


def stand(name: str, north: float, east: float, **more: object) -> Stand:
    """A centre so many kilometres from Rennes."""
    latitude = RENNES[0] + north / 110.57
    longitude = RENNES[1] + east / (111.32 * math.cos(math.radians(RENNES[0])))
    away = math.hypot(north, east)
    return Stand(name, name, latitude, longitude, kilometres=away, **more)  # type: ignore[arg-type]


def drawn(*stands: Stand, towns: tuple[TownAt, ...] = ()) -> TownMap:
    found = draw(RENNES, stands, towns)
    assert found is not None
    return found


def test_north_is_up_and_east_is_right():
    made = drawn(stand("N", 10, 0), stand("E", 0, 10), stand("SW", -8, -8))
    assert made.here is not None
    x, y = made.here
    north, east, south_west = made.pins
    assert north.at_y < y
    assert north.at_x == pytest.approx(x, abs=0.2)
    assert east.at_x > x
    assert (south_west.at_x < x, south_west.at_y > y) == (True, True)
    assert [pin.direction for pin in made.pins] == ["n", "e", "sw"]
    assert [pin.number for pin in made.pins] == [1, 2, 3]


@pytest.mark.parametrize("away", [0.4, 4.0, 30.0, 95.0])
def test_the_scale_is_as_long_as_what_it_says(away: float):
    made = drawn(stand("A", away, 0), stand("B", 0, away * 0.7))
    assert made.here is not None
    unit = math.dist(made.here, (made.pins[0].at_x, made.pins[0].at_y)) / away
    assert made.scale_width == pytest.approx(made.scale * unit, rel=0.05)
    assert 20 < made.scale_width < WIDTH / 2


@pytest.mark.parametrize("away", [0.0, 0.05, 1.0, 60.0])
def test_numbers_stand_apart_and_inside_even_where_centres_are_at_one_place(away: float):
    made = drawn(*(stand(str(n), away, n * 0.01) for n in range(5)))
    signs = [(pin.x, pin.y) for pin in made.pins]
    assert all(math.dist(*two) >= 2 * RADIUS - 0.2 for two in itertools.combinations(signs, 2))
    assert all(RADIUS <= x <= WIDTH - RADIUS and RADIUS <= y <= HEIGHT - RADIUS for x, y in signs)
    # Each stands at its centre or beside it, with a line to it.
    assert all(pin.is_aside for pin in made.pins[1:]) or away > 1


def test_the_largest_towns_are_named_once_each_and_names_hide_nothing():
    towns = tuple(
        TownAt(f"Ville{n % 30}", RENNES[0] + (n % 7 - 3) / 40, RENNES[1] + (n % 5 - 2) / 30, n)
        for n in range(60)
    )
    made = drawn(stand("A", 4, 2), stand("B", -3, 5), towns=towns)
    names = [label.name for label in made.towns]
    assert 3 <= len(names) == len(set(names)) <= 9
    for label in made.towns:
        for pin in made.pins:
            assert math.dist((label.x, label.y), (pin.x, pin.y)) > RADIUS
    for one, other in itertools.combinations(made.towns, 2):
        assert abs(one.y - other.y) >= 16 or abs(one.text_x - other.text_x) > 7


def test_a_town_that_a_centre_stands_at_is_not_written_over_it():
    there = stand("A", 5, 5)
    made = drawn(
        there,
        towns=(TownAt("Rennes", *RENNES, 9), TownAt("Ici", there.latitude, there.longitude, 8)),
    )
    assert made.towns == ()


def test_without_a_position_of_somebody_there_is_the_centre_and_its_surroundings():
    made = draw(None, [stand("A", 0, 0)], (TownAt("Cesson", RENNES[0] + 0.02, RENNES[1] + 0.04),))
    assert made is not None
    assert made.here is None
    assert made.pins[0].direction == ""
    assert [label.name for label in made.towns] == ["Cesson"]


def test_nothing_to_draw_is_no_map():
    assert draw(RENNES, [], ()) is None
    assert reach(RENNES, []) is None


def test_of_a_centre_that_stands_where_its_town_is_no_direction_is_told():
    assert drawn(stand("A", 3, 0, roughly=True)).pins[0].direction == ""
