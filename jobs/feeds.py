"""Read files of partners and hand over what the services store.

The only place where a partner's reader is named. The same kinds of files come from an operator
(`flask centres import`) and from the extracts in data/ (`flask demo`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from partners import official_centres, official_postcodes
from services.centres.centre_names import by_letters
from services.centres.find_town import PREFECTURES
from services.centres.find_town import read_main_towns as by_departement
from services.centres.import_centres import CentreFeed
from services.centres.import_postcodes import PostcodeFeed

DATA: Final = Path(__file__).resolve().parent.parent / "data"
CENTRES_EXTRACT: Final = DATA / "centres.csv.gz"
POSTCODES_EXTRACT: Final = DATA / "postcodes.csv.gz"
TOWNS: Final = DATA / "towns.csv.gz"


def read_centres(path: Path = CENTRES_EXTRACT) -> CentreFeed:
    """Read the official file of centres. Raises services.centres.import_centres.FileRefused."""
    feed = official_centres.read(path)
    feed.towns = towns_by_letters()
    return feed


def towns_by_letters() -> dict[str, str]:
    """The country's towns with their accents, by their letters: for the names of centres."""
    names, _ = official_postcodes.read_known_towns(TOWNS)
    return by_letters(names.values())


def read_postcodes(path: Path = POSTCODES_EXTRACT) -> PostcodeFeed:
    """Read La Poste's file of postcodes. Raises services.centres.import_centres.FileRefused."""
    names, inhabitants = official_postcodes.read_known_towns(TOWNS)
    return official_postcodes.read(path, names, inhabitants)


def read_main_towns(path: Path = PREFECTURES) -> list[str]:
    """Read the postcodes of the main towns of the 101 départements."""
    return list(by_departement(path).values())
