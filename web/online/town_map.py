"""A small map of ours: where a visitor is, the centres offered to them, and the towns around.

It is drawn from positions alone, north up, with a scale, as shapes that a template writes into the
page: no tile, no file and no word is fetched from anybody. There is no word in here either.
"""

from __future__ import annotations

import math

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.centres.directory import TownAt
from services.public.centres import PublicCentre

# Of the drawing, in its own units: as wide as a small telephone's column in CSS pixels.
WIDTH: Final = 400
HEIGHT: Final = 300
EDGE: Final = 44
RADIUS: Final = 14.0
# Kilometres from edge to edge at the least: nearer than this a map of towns tells nothing.
LEAST_KILOMETRES: Final = 12.0
MOST_TOWNS: Final = 9
# A letter of a town's name, and the height of its line.
_LETTER, _LINE = 7.2, 16.0
_NORTHWARD: Final = 110.57
_EASTWARD: Final = 111.32
_DIRECTIONS: Final = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
# A direction is not told of what is nearer than this many kilometres.
_HERE: Final = 0.3
_SCALES: Final = (1, 2, 5, 10, 20, 50, 100, 200)

Position = tuple[float, float]


@dataclass(frozen=True)
class Stand:
    """A centre to be drawn, in degrees; `roughly`: it is somewhere in its town."""

    id: str
    name: str
    latitude: float
    longitude: float
    # From where is searched, as the crow flies; below zero where it is not told.
    kilometres: float = -1.0
    roughly: bool = False


def stand_of(centre: PublicCentre | None, kilometres: float = -1.0) -> Stand | None:
    """A centre as it is drawn; None where it has no position."""
    if centre is None or centre.latitude is None or centre.longitude is None:
        return None
    at = (centre.latitude, centre.longitude)
    return Stand(centre.id, centre.name, *at, kilometres=kilometres, roughly=centre.roughly)


@dataclass(frozen=True)
class Pin:
    """A centre with its number. The sign is at (x, y), the centre at (at_x, at_y)."""

    number: int
    stand: Stand
    x: float
    y: float
    at_x: float
    at_y: float
    # From where is searched: "n", "ne" …; empty where it is not told.
    direction: str

    @property
    def is_aside(self) -> bool:
        """Whether the sign stands beside its centre, for want of room."""
        return (self.x, self.y) != (self.at_x, self.at_y)


@dataclass(frozen=True)
class Label:
    """A town: its point, and where its name stands."""

    name: str
    x: float
    y: float
    text_x: float
    anchor: str


@dataclass(frozen=True)
class TownMap:
    """What is drawn. `scale` is a length in kilometres, `scale_width` how long it is here."""

    pins: tuple[Pin, ...]
    towns: tuple[Label, ...]
    here: Position | None
    scale: int
    scale_width: float
    width: int = WIDTH
    height: int = HEIGHT
    radius: float = RADIUS

    def number(self, centre_id: str) -> int:
        """The number of a centre on it; 0 where it is not on it."""
        return next((pin.number for pin in self.pins if pin.stand.id == centre_id), 0)


def reach(here: Position | None, stands: Sequence[Stand]) -> tuple[Position, float] | None:
    """The middle of what is to be drawn, and how many kilometres around it towns may be seen."""
    points = [(stand.latitude, stand.longitude) for stand in stands] + ([here] if here else [])
    if not stands:
        return None
    middle = _middle(points)
    away = [math.hypot(*_kilometres(middle, point)) for point in points]
    return middle, max(LEAST_KILOMETRES, max(away) * 1.6)


def draw(here: Position | None, stands: Sequence[Stand], towns: Iterable[TownAt]) -> TownMap | None:
    """A map of these centres in their order; None where none has a position. Degrees, WGS 84."""
    if not stands:
        return None
    frame = _Frame(
        [*((each.latitude, each.longitude) for each in stands), *([here] if here else [])]
    )
    at_here = frame.point(here) if here else None
    taken: list[_Box] = [_around(*at_here, RADIUS)] if at_here else []
    pins = []
    for number, stand in enumerate(stands, start=1):
        at = frame.point((stand.latitude, stand.longitude))
        x, y = _free_spot(at, taken)
        taken.append(_around(x, y, RADIUS))
        away = _direction(here, stand) if here and not stand.roughly else ""
        pins.append(Pin(number, stand, x, y, *at, away))
    scale = max(
        (length for length in _SCALES if length * frame.unit <= WIDTH / 3), default=_SCALES[0]
    )
    # The scale and the arrow have their corners.
    taken += [_Box(0, HEIGHT - 34, WIDTH / 2.4, HEIGHT), _Box(WIDTH - 40, 0, WIDTH, 56)]
    return TownMap(
        tuple(pins),
        tuple(_labels(frame, towns, taken)),
        at_here,
        scale,
        round(scale * frame.unit, 1),
    )


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    @property
    def is_inside(self) -> bool:
        return self.left >= 0 and self.top >= 0 and self.right <= WIDTH and self.bottom <= HEIGHT


class _Frame:
    """How positions become points: the same length for a kilometre in every direction."""

    def __init__(self, points: Sequence[Position]) -> None:
        self.middle = _middle(points)
        east, north = zip(*(_kilometres(self.middle, point) for point in points), strict=True)
        across = max(LEAST_KILOMETRES, 2 * max(map(abs, east)))
        along = max(LEAST_KILOMETRES * HEIGHT / WIDTH, 2 * max(map(abs, north)))
        # Units of the drawing for each kilometre.
        self.unit = min((WIDTH - 2 * EDGE) / across, (HEIGHT - 2 * EDGE) / along)

    def point(self, position: Position) -> Position:
        east, north = _kilometres(self.middle, position)
        return round(WIDTH / 2 + east * self.unit, 1), round(HEIGHT / 2 - north * self.unit, 1)


def _middle(points: Sequence[Position]) -> Position:
    latitudes, longitudes = zip(*points, strict=True)
    return (min(latitudes) + max(latitudes)) / 2, (min(longitudes) + max(longitudes)) / 2


def _kilometres(origin: Position, position: Position) -> Position:
    """How far east and north of the origin something is: flat, which does for a hundred of them."""
    east = (position[1] - origin[1]) * _EASTWARD * math.cos(math.radians(origin[0]))
    return east, (position[0] - origin[0]) * _NORTHWARD


def _direction(here: Position, stand: Stand) -> str:
    east, north = _kilometres(here, (stand.latitude, stand.longitude))
    if math.hypot(east, north) < _HERE:
        return ""
    return _DIRECTIONS[round(math.degrees(math.atan2(east, north)) / 45) % len(_DIRECTIONS)]


def _around(x: float, y: float, radius: float) -> _Box:
    return _Box(x - radius, y - radius, x + radius, y + radius)


def _free_spot(at: Position, taken: Sequence[_Box]) -> Position:
    """There, or as near to it as nothing else stands."""
    for ring in range(8):
        for turn in range(8 if ring else 1):
            angle = math.pi / 4 * turn
            x = round(at[0] + 2 * RADIUS * ring * math.cos(angle), 1)
            y = round(at[1] + 2 * RADIUS * ring * math.sin(angle), 1)
            box = _around(x, y, RADIUS)
            if box.is_inside and not any(box.meets(other) for other in taken):
                return x, y
    return at


def _labels(frame: _Frame, towns: Iterable[TownAt], taken: list[_Box]) -> Iterable[Label]:
    """The largest towns first, each name where it hides nothing; a name stands once."""
    names: set[str] = set()
    for town in sorted(towns, key=lambda one: (-one.inhabitants, one.name)):
        x, y = frame.point((town.latitude, town.longitude))
        long = len(town.name) * _LETTER
        for text_x, anchor in ((x + 7, "start"), (x - 7, "end")):
            left = text_x if anchor == "start" else text_x - long
            box = _Box(min(left, x - 3), y - _LINE / 2, max(left + long, x + 3), y + _LINE / 2)
            if town.name in names or not box.is_inside or any(box.meets(other) for other in taken):
                continue
            names.add(town.name)
            taken.append(box)
            yield Label(town.name, x, y, round(text_x, 1), anchor)
            break
        if len(names) >= MOST_TOWNS:
            return
