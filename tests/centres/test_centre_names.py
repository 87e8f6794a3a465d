"""Names of centres as people write and say them, made of the directory's own."""

from __future__ import annotations

import pytest

from jobs import feeds
from partners import official_centres, official_postcodes
from partners.town_names import TownNames
from services.centres.centre_names import (
    CentreNames,
    acronyms,
    by_letters,
    centre_names,
    doubt,
    shouted,
)


@pytest.fixture(scope="module")
def towns() -> dict[str, str]:
    names, _ = official_postcodes.read_known_towns(feeds.TOWNS)
    return by_letters(names.values())


@pytest.mark.parametrize(
    ("raw", "town", "written", "spoken"),
    [
        # The findings that callers heard.
        ("CHU BORDEAUX - SITE SAINT ANDRE", "Bordeaux", "CHU, site Saint-André", "C H U, site "),
        ("CDV31 Auterive", "Auterive", "Centre de vaccination", ""),
        ("Centre ATHANOR", "Montluçon", "Centre Athanor", ""),
        # Capitals, accents, small words.
        ("ARGENTAN : ESPACE RENE CASSIN", "Argentan", "Espace René Cassin", ""),
        ("HALLE AUX TOILES", "Alençon", "Halle aux toiles", ""),
        ("MAIRIE DU XVIII - CENTRE COVISAN", "Paris", "Mairie du XVIII, centre Covisan", ""),
        ("CENTRE HOSPITALIER D' YSSINGEAUX", "Yssingeaux", "Centre hospitalier", ""),
        ("Decize - Salle Theodore GERARD", "Decize", "Salle Théodore Gérard", ""),
        ("ST BRIEUC - Salle Robien", "Saint-Brieuc", "Salle Robien", ""),
        ("Clinique St Jean", "Cagnes-sur-Mer", "Clinique Saint-Jean", ""),
        # Another town than the one that is told behind it keeps its name, with its accents.
        ("CH ANGOULEME", "Saint-Michel", "Centre hospitalier Angoulême", ""),
        ("Centre de Vaccination - REZE - Confluent", "Nantes", "Centre Rezé, Confluent", ""),
        # Letters that stand for words.
        ("MSP PAMIERS", "Pamiers", "Maison de santé", ""),
        ("CH FECAMP - HALL DU RDC", "Fécamp", "Centre hospitalier, hall du rez-de-chaussée", ""),
        ("CPTS Val de Sambre", "Maubeuge", "Communauté de santé Val de Sambre", ""),
        # The town, the purpose and who else may come are not said with the name.
        ("Centre de vaccination COVID - ALBERTVILLE", "Albertville", "Centre de vaccination", ""),
        ("Ville de Nemours", "Nemours", "Centre de vaccination", ""),
        ("CENTRE MARENNES", "Marennes-Hiers-Brouage", "Centre de vaccination", ""),
        ("PSLA de l'AIGLE", "L'Aigle", "Pôle de santé", ""),
        ("Centre de vaccination du Marin", "Le Marin", "Centre de vaccination", ""),
        (
            "Centre de vaccination de Romilly - sur- Seine, salle des fêtes",
            "Romilly-sur-Seine",
            "Salle des fêtes",
            "",
        ),
        (
            "CH LANNION (réservé aux professionnels des secteurs de la santé et du médico-social)",
            "Lannion",
            "Centre hospitalier",
            "",
        ),
        # Names of more than the town.
        ("CPTS du Grand Douai", "Douai", "Communauté de santé du Grand Douai", ""),
        ("CTPS PAYS DE LUNEL", "Lunel", "Communauté de santé Pays de Lunel", ""),
        # What belongs to the words before it keeps them.
        (
            "Centre de vaccination et hospitalier BSAV - gymnase Pierre Pieri",
            "Ajaccio",
            "Centre de vaccination et hospitalier Bsav, gymnase Pierre Pieri",
            "",
        ),
        ("CENTRE DE VACCINATION AMBULATOIRE", "Lyon", "Centre de vaccination ambulatoire", ""),
        # Letters of owners, with the figures of their département or of nobody's knowledge.
        ("CPAM78", "Versailles", "Assurance maladie", ""),
        (
            "EMV LA CROIX ROUGE FRANCAISE",
            "Paris",
            "Équipe mobile de vaccination la Croix Rouge Française",
            "",
        ),
        ("CP - US - CENTRE PENITENTIAIRE", "Fresnes", "Centre pénitentiaire", ""),
        # Those that are well already stay as they are.
        ("Salle Olympe de Gouges", "Paris", "Salle Olympe de Gouges", ""),
        ("Mairie du XVe", "Paris", "Mairie du XVe", ""),
        ("Centre 1", "Paris", "Centre 1", ""),
        ("Le 104", "Paris", "Le 104", ""),
        ("Hôpital Nord", "Marseille", "Hôpital Nord", ""),
    ],
)
def test_a_name_as_people_write_it(
    towns: dict[str, str], raw: str, town: str, written: str, spoken: str
):
    names = centre_names(raw, town, towns)
    assert names.written == written
    assert names.spoken.startswith(spoken or written)


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("Et hospitalier Bsav, gymnase Pierre Pieri", "", "a word is missing"),
        ("Communauté de santé du Grand, salle d'Anchin", "", "a word is missing"),
        ("Ambulatoire", "", "an adjective alone"),
        ("Cpam78", "CPAM78", "figures stuck to letters"),
        ("CP, US, centre Pénitentiaire", "", "letters that nobody knows"),
        ("Zbm Croix Rouge", "ZBM Croix Rouge", "letters that nobody knows"),
        ("EMC2, 1er étage", "EMC2 - 1er étage", ""),
        ("La Passerelle, salle culturelle", "LA PASSERELLE - SALLE CULTURELLE", ""),
        ("Mairie du XIVe", "Mairie du XIVe", ""),
    ],
)
def test_a_name_that_looks_mangled(towns: dict[str, str], name: str, source: str, why: str):
    assert doubt(name, source, towns) == why


def test_few_names_of_the_directory_look_mangled(towns: dict[str, str]):
    records = official_centres.read(feeds.CENTRES_EXTRACT).records
    made = [(centre_names(one.name, one.town, towns).written, one.name) for one in records]
    assert sum(bool(doubt(name, source, towns)) for name, source in made) <= 12


def test_without_a_table_of_towns_nothing_is_guessed():
    assert centre_names("CH XERTIGNY", "Épinal") == CentreNames(
        "Centre hospitalier Xertigny", "Centre hospitalier Xertigny"
    )


def test_a_name_is_made_of_a_name_that_was_made(towns: dict[str, str]):
    for record in official_centres.read(feeds.CENTRES_EXTRACT).records[:300]:
        once = centre_names(record.name, record.town, towns).written
        assert centre_names(once, record.town, towns).written == once


def test_of_the_directory_hardly_a_name_shouts(towns: dict[str, str]):
    """More than every second one did."""
    records = official_centres.read(feeds.CENTRES_EXTRACT).records
    names = [centre_names(one.name, one.town, towns) for one in records]
    assert sum(bool(shouted(one.name)) for one in records) > 500
    assert sum(bool(shouted(one.written)) for one in names) <= 7
    # What is said has no letters that a voice would read as a word.
    said = {word for one in names for word in one.spoken.split() if word.strip(",") in acronyms()}
    assert said == set()
    assert all(one.written and one.spoken for one in names)
    # Short enough to be kept in mind, and to leave a text its room.
    assert sum(len(one.spoken.split()) > 10 for one in names) <= 12


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Centre de vaccinations internationales Air France", "Centre Air France"),
        ("CENTRE DE VACCINATION BERTHEAU", "Centre Bertheau"),
        # A word that says what it is, the name of a hall, and what its source calls no centre.
        ("Centre de vaccination, gymnase Japy", "Gymnase Japy"),
        ("Centre de vaccination - Le Cellier", "Le Cellier"),
        ("Victor Dupouy", "Victor Dupouy"),
    ],
)
def test_a_name_says_what_a_place_is(name: str, told: str):
    assert centre_names(name).written == told


# ---------------------------------------------------------------- towns


KNOWN = {
    "94038": "L'Haÿ-les-Roses",
    "42218": "Saint-Étienne",
    "35360": "Vitré",
    "54357": "Maidières-lès-Pont-à-Mousson",
    "28012": "Vald'Yerre",
}


@pytest.mark.parametrize(
    ("name", "insee", "expected"),
    [
        ("ST AUBIN DES LANDES", "35252", "Saint-Aubin-des-Landes"),
        ("STE CROIX A LAUZE", "04175", "Sainte-Croix-à-Lauze"),
        ("L HAY LES ROSES", "94038", "L'Haÿ-les-Roses"),
        ("VITRE", "35360", "Vitré"),
        ("LA CHAPELLE ERBREE", "35061", "La Chapelle-Erbree"),
        ("LE MANS", "72181", "Le Mans"),
        ("VILLENEUVE D ASCQ", "59009", "Villeneuve-d'Ascq"),
        ("L ISLE D ABEAU", "38193", "L'Isle-d'Abeau"),
        ("ST ETIENNE DU BOIS", "01350", "Saint-Étienne-du-Bois"),
        ("PLOULEC H", "22224", "Ploulec'h"),
        ("ST M HERVE", "35300", "Saint-M'Herve"),
        ("TEVA I UTA", "98752", "Teva I Uta"),
        ("COMMUNE NOUVELLE D ARROU", "28012", "Commune-Nouvelle-d'Arrou"),
        ("PARIS 01", "75101", "Paris 1er"),
        ("PARIS 11", "75111", "Paris 11e"),
        ("MARSEILLE 08", "13208", "Marseille 8e"),
        ("LYON 03", "69383", "Lyon 3e"),
        ("Y", "80829", "Y"),
    ],
)
def test_speakable(name, insee, expected):
    assert TownNames(KNOWN).speakable(name, insee) == expected
