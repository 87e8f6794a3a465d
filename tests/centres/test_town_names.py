"""La Poste's capitals, made speakable."""

from __future__ import annotations

import pytest

from partners.town_names import TownNames

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
