"""Whom a centre admits, and whether without an appointment, in the words of the official file."""

from __future__ import annotations

import pytest

from partners.admits import booking_mode, walk_in


@pytest.mark.parametrize(
    ("terms", "reserved"),
    [
        ("Réservé aux professionnels de santé libéraux", True),
        ("Réservé aux professionnels", True),
        ("Ouvert tous professionnels", True),
        ("Centre réservé exclusivement aux personnels de santé", True),
        ("Rendez-vous par téléphone, uniquement pour les professionnels de santé.", True),
        ("Pour les professionnels de santé libéraux", True),
        ("Réservé aux professionnels, tél. 05 75 75 75 75", True),
        ("accueille les professionnels de santé de plus de 50 ans", True),
        ("Réservé aux professionnels de santé et aux personnes de plus de 75 ans", False),
        ("Ouvert tous professionnels, public 75 ans et plus", False),
        ("Ouvert aux professionnels de santé libéraux et personnes > 75 ans", False),
        ("Ouvert au public (+75 ans) et professionnels de santé", False),
        ("personnels de santé et personnes de plus de 75ans", False),
        ("Réservé aux personnes de plus de 75 ans", False),
        ("ouvert seulement aux professionnels. Il sera ouvert à la population le 28", False),
        ("Pour les professionnels de santé, contacter le 01.45.68.80.22", False),
        ("Prise de rendez-vous pour les professionnels de santé au 01 44 90 74 08", False),
        ("Un autre numéro est disponible pour les PS : +33233626051.", False),
        ("Venir avec sa carte professionnelle", False),
        ("Personnels prioritaires, sur justificatif", True),
        ("Réservé au personnel de l'établissement", True),
        ("Vaccination du personnel du 1er degré", True),
        ("réservé PS", True),
        ("Accès réservé aux étudiants", True),
        ("Réservé à tout professionnel de santé", True),
        ("avec et sans inscription auprès d'un professionnel de santé", False),
        ("Inscription par votre professionnel de santé ou sur internet", False),
        ("Vaccination réalisée par une équipe de professionnels de santé", False),
        ("Sur ordonnance d'un professionnel de santé", False),
        ("Professionnels de santé et personnes de plus de 65 ans", False),
        ("Professionnels, pompiers, personnes à risque", False),
        ("Réservé aux personnes de plus de 65 ans", False),
        ("Porté par les sapeurs-pompiers ; entrée du personnel derrière le bâtiment", False),
        ("", False),
    ],
)
def test_reserved_to_professionals(terms, reserved):
    mode = booking_mode(name="CH", terms=terms, link="")
    assert mode == ("reserved" if reserved else "own_phone")


@pytest.mark.parametrize(
    ("name", "terms", "mode"),
    [
        ("CHRU Tours - réservé aux professionnels", "", "reserved"),
        ("CH de Vesoul - centre pour professionnels de santé", "", "reserved"),
        ("CH de Beaugency - réservé aux professionels", "75+ et PS", "partner"),
        ("Communauté professionnelle territoriale de santé", "", "partner"),
        ("Maison de Santé Pluriprofessionnelle", "", "partner"),
        ("CH - personnels", "", "reserved"),
        ("Centre ASTRA ZENECA Personnels de Santé", "", "reserved"),
        ("Centre de vaccination - professionnels prioritaires", "", "reserved"),
        ("Salle Jean Moulin (personnel du 1er degré)", "", "reserved"),
        ("Salle Jean Moulin - Personnels du second degré", "", "reserved"),
        ("PAIMPOL - CH (réservé PS)", "", "reserved"),
        ("Plateau - ANGERS -professionnels de santé extérieurs au CHU", "", "reserved"),
        ("CHRU / réservé aux professionnels en exercice", "", "reserved"),
        ("Campus - réservé aux étudiants", "", "reserved"),
        ("Personnels de santé et grand public", "", "partner"),
        ("Professionnels et personnes de plus de 65 ans", "", "partner"),
        ("Maison des personnels de l'État", "", "partner"),
        ("Restaurant du personnel", "", "partner"),
        ("Très Grand Centre - Sapeurs-Pompiers du Val d'Oise", "", "partner"),
        ("Centre de vaccination - plus de 65 ans", "", "partner"),
    ],
)
def test_names_that_reserve(name, terms, mode):
    assert booking_mode(name=name, terms=terms, link="DOCTOLIB") == mode


def test_the_column_of_later_editions_reserves():
    assert booking_mode(name="CH", terms="", link="", reserved=True) == "reserved"


@pytest.mark.parametrize(
    ("text", "rdv", "books", "expected"),
    [
        ("", "", False, ""),
        ("", "t", False, ""),
        ("", "t", True, ""),
        ("", "f", False, "only"),
        ("", "F", False, "only"),
        # Most centres of November 2021 with `f` have an agenda: one may come without using it.
        ("", "f", True, "also"),
        ("sans Rendez-vous", "f", False, "only"),
        ("sans Rendez-vous", "", False, "only"),
        ("Centre Polygone Riviera (sans rdv)", "", False, "only"),
        ("Vaccination sans RDV", "", True, "also"),
        ("Vaccination sans R.D.V.", "t", False, "also"),
        ("9:00-20:00/avec et sans rendez-vous", "", False, "also"),
        ("avec ou sans rendez vous", "f", False, "also"),
        ("8-16h/sans rendez-vous 8-15h", "", True, "also"),
        ("Créneaux sans rdv de 15h à 17h du mardi au vendredi", "", True, "also"),
        ("Nous acceptons les personnes se présentant sans rendez-vous", "", True, "also"),
        ("Dès 12 ans et plus, sans rendez-vous", "", True, "also"),
        ("N'attendez pas : venez sans rendez-vous !", "", True, "also"),
        ("Sans rdv jusqu'au 10/01. A partir du 11/01, prise de rdv sur le site", "", True, ""),
        ("Pas de vaccination sans rendez-vous", "", True, ""),
        ("Aucune personne ne sera admise sans RDV", "t", True, ""),
        ("Ne pas se présenter sans rendez-vous", "", False, ""),
        ("avec et sans inscription auprès d'un professionnel de santé", "", True, ""),
        ("Uniquement sur rendez-vous", "", True, ""),
        ("Fermé sans préavis ; rendez-vous au 15", "", True, ""),
    ],
)
def test_who_comes_without_an_appointment(text, rdv, books, expected):
    assert walk_in(texts=("Centre", text), rdv=rdv, has_way_to_book=books) == expected
