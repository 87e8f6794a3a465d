"""Whom a motive is for, and which dose it is, by names as people wrote them."""

from __future__ import annotations

import pytest

from partners.motives import is_reserved_centre, judge


@pytest.mark.parametrize(
    ("name", "category", "dose", "bookable_for"),
    [
        ("1ère injection vaccin COVID-19 (Moderna)", "Non professionnels de santé", 1, "public"),
        ("Vaccination 1re dose", "Hors professionnels de santé", 1, "public"),
        ("Erstimpfung Covid-19", "", 1, "public"),
        ("Zweitimpfung Covid-19", "", 2, "public"),
        ("Einzelimpfung Covid-19 (Janssen)", "", 1, "public"),
        ("INJ1", "Vaccination grand public", 1, "public"),
        ("PFZ 1", "", 1, "public"),
        ("INJ 2 - 75 ans et plus", "", 2, "age>=75"),
        ("Deuxième injection AstraZeneca", "", 2, "public"),
        ("3ème dose (rappel)", "", 3, "public"),
        ("1ère et 2ème dose", "", 0, "public"),
        ("1ère injection +70 ANS (PF)", "Je suis une personne de + 70 ANS (PF)", 1, "age>=70"),
        ("Injection plus de 60 ans", "", 0, "age>=60"),
        ("Injection de 60 à 74 ans", "", 0, "age=60-74"),
        ("Injection 18-55 ans", "", 0, "age=18-55"),
        ("1ère injection moins de 55 ans", "", 1, "age<55"),
        ("Injection (+50 ans avec comorbidité)", "", 0, "condition"),
        ("Injection +50 ans avec ou sans comorbidité", "", 0, "age>=50"),
        ("1ère injection 75 ans et plus ou à très haut risque", "", 1, "age>=75"),
        ("Injection sur ordonnance", "", 0, "condition"),
        ("Injection professionnels de santé et personnes de plus de 75 ans", "", 0, "age>=75"),
        ("Première injection (personnes +60 ans) - rive de gier", "", 1, "age>=60"),
        ("Vaccin COVID et grippe", "", 0, "public"),
    ],
)
def test_who_may_come(name, category, dose, bookable_for):
    judged = judge(name, category)
    assert (judged.dose, judged.bookable_for, judged.excluded) == (dose, bookable_for, "")


@pytest.mark.parametrize(
    ("name", "category", "why"),
    [
        ("Première injection professionnel de santé hors hôpital (moins de 55ans)", "", "prof"),
        ("Première injection - etudiant en santé", "", "prof"),
        ("1ère injection", "Vaccination PS", "prof"),
        ("1ère injection soignants", "Professionnels et personnes de +75 ans", "prof"),
        ("Vaccin professionnels de santé (+50 ans)", "", "prof"),
        ("Test PCR COVID-19", "Vaccination", "test"),
        ("Test antigénique rapide", "", "test"),
        ("Vaccination antigrippale - grippe", "", "something else"),
        ("Consultation de suivi spécialiste", "", "not a vaccination"),
        ("", "", "not a vaccination"),
    ],
)
def test_who_is_not_sent_there(name, category, why):
    assert why in judge(name, category).excluded


def test_the_partner_s_own_fields_go_before_the_words():
    judged = judge('Dispositif "Bus" +de 75 ans', dose=2, vaccination=True)
    assert (judged.dose, judged.bookable_for, judged.excluded) == (2, "age>=75", "")


@pytest.mark.parametrize(
    ("name", "is_reserved"),
    [
        ("Centre de vaccination pour les Professionnels - Bâtiment du Lin", True),
        ("Vaccination COVID (réservé aux professionnels de santé)", True),
        ("Centre réservé aux professionnels et personnes de plus de 75 ans", False),
        ("Centre - hors professionnels de santé", False),
        ("Maison des professionnels de santé", False),
        ("Centre pour tous", False),
    ],
)
def test_a_centre_s_name_may_keep_it_for_professionals(name, is_reserved):
    assert is_reserved_centre(name) is is_reserved
