"""Answers of partners in the shapes of 2021, with names, ids and hours of our own."""

from __future__ import annotations

import csv
import json

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from commands.partners import COLUMNS, read


@dataclass(frozen=True)
class Told:
    """What the command printed: one dict a slot, standard error, exit status."""

    rows: list[dict[str, str]]
    said: str
    status: int

    @property
    def starts(self) -> list[str]:
        return [row["start"] for row in self.rows]


def tell(folder: Path, platform: str, *answers: Any, options: tuple[str, ...] = ()) -> Told:
    """Run `flask partners read` on these answers: bytes as they are, anything else as JSON."""
    paths = []
    for number, answer in enumerate(answers):
        path = folder / f"{platform}-{number}.json"
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        path.write_bytes(content)
        paths.append(str(path))
    return tell_files(platform, *paths, options=options)


def tell_files(platform: str, *paths: object, options: tuple[str, ...] = ()) -> Told:
    result = CliRunner().invoke(read, [platform, *map(str, paths), *options])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = result.stdout.splitlines()
    assert lines[0] == ",".join(COLUMNS)
    return Told(list(csv.DictReader(lines)), result.stderr, result.exit_code)


def day(*slots: Any, date: str = "2021-05-03") -> dict[str, Any]:
    return {"date": date, "slots": list(slots)}


def doctolib_slots(*slots: Any, **more: Any) -> dict[str, Any]:
    return {"availabilities": [day(*slots)], **more}


def doctolib_page(**more: Any) -> dict[str, Any]:
    """A hall and a school under one link; the public's motive, one for nurses, one that is none."""
    data = {
        "profile": {"id": 40, "name_with_title": "Centre du Marais"},
        "visit_motive_categories": [
            {"id": 1, "name": "Non professionnels de santé"},
            {"id": 2, "name": "Professionnels de santé"},
        ],
        "visit_motives": [
            {
                "id": 11,
                "visit_motive_category_id": 1,
                "name": "1ère injection vaccin COVID-19 (Moderna)",
                "ref_visit_motive_id": 7005,
                "vaccination_motive": True,
                "first_shot_motive": True,
                "vaccination_days_range": 28,
            },
            {
                "id": 12,
                "visit_motive_category_id": 2,
                "name": "1ère injection vaccin COVID-19 (Pfizer)",
                "ref_visit_motive_id": 6970,
                "vaccination_motive": True,
            },
            {"id": 13, "name": "Consultation de suivi"},
        ],
        "agendas": [
            {
                "id": 22,
                "practice_id": 701,
                "visit_motive_ids_by_practice_id": {"701": [11, 12]},
                "booking_disabled": False,
            },
            {
                "id": 21,
                "practice_id": 702,
                "visit_motive_ids_by_practice_id": {"702": [11]},
                "booking_disabled": False,
            },
            {
                "id": 23,
                "practice_id": 701,
                "visit_motive_ids_by_practice_id": {"701": [11]},
                "booking_temporary_disabled": True,
            },
        ],
        "places": [
            {
                "id": "practice-701",
                "practice_ids": [701],
                "name": "Halle aux grains",
                "full_address": "2 Rue du Lin, 35500 Vitré",
                "zipcode": "35500",
                "city": "Vitré",
                "latitude": 48.1226,
                "longitude": -1.2161,
                "landline_number": "02 99 74 00 11",
            },
            {
                "id": "practice-702",
                "practice_ids": [702],
                "name": "École du Pont",
                "full_address": "9 Rue du Pont, 35000 Rennes",
                "zipcode": "35000",
                "city": "Rennes",
                "latitude": 48.112,
                "longitude": -1.682,
            },
        ],
    }
    return {"data": data | more}


def maiia_slot(start: Any, reason: str = "r1", **more: Any) -> dict[str, Any]:
    return {
        "id": f"s-{start}",
        "centerId": "c" * 24,
        "consultationReasonId": reason,
        "startDateTime": start,
        "endDateTime": start,
    } | more


def maiia_page(*items: Any, total: int | None = None) -> dict[str, Any]:
    return {"items": list(items), "total": len(items) if total is None else total}


def maiia_reason(name: str, own: str = "r1", **more: Any) -> dict[str, Any]:
    return {"id": own, "name": name, "patientLimitation": "PUBLIC"} | more


def maiia_centre(own: str = "c" * 24, **address: Any) -> dict[str, Any]:
    told = {
        "number": "7",
        "street": "Quai Neuf",
        "zipCode": "35500",
        "city": "Vitré",
        "inseeCode": "35360",
        "location": {"coordinates": [-1.2161, 48.1226]},
    }
    return {
        "id": f"row-{own}",
        "center": {
            "id": own,
            "name": "Pharmacie du Quai",
            "publicInformation": {
                "address": {k: v for k, v in (told | address).items() if v is not None},
                "officeInformation": {"phoneNumber": "02 99 75 00 01"},
            },
        },
        "url": "/centre-de-vaccination/35500-vitre/quai",
        "settings": {"timeZone": "Europe/Paris"},
    }


def keldoc_slots(*times: str, **days: Any) -> dict[str, Any]:
    return {"availabilities": {"2021-05-03": [{"start_time": time} for time in times], **days}}


def keldoc_motives(*motives: tuple[int, str], category: str = "Vaccination") -> list[Any]:
    return [
        {
            "motive_category_id": 5,
            "name": category,
            "motives": [
                {"id": own, "name": name, "agendas": [{"id": own * 10 + 1}, {"id": own * 10}]}
                for own, name in motives
            ],
        }
    ]
