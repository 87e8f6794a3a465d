"""One part of a sentence may answer: of a caller, not of a television."""

from __future__ import annotations

import pytest

from flows.understanding.clauses import clauses
from tests.understanding.answers import vocabulary
from tests.understanding.situations import Situation, what_came


@pytest.mark.parametrize(
    ("question", "said", "means"),
    [
        ("offers", "à l'hôpital, comme ça je passerai voir ma belle-sœur", "2"),
        ("offers", "je connais le gymnase, les petits y jouaient, allez-y", "3"),
        ("offers", "neuf heures trop tôt, Brest trop loin, mettez-moi à Guipavas", "1"),
        ("offers", "je joue aux cartes demain, donc vendredi", "3"),
        ("place", "à Vitré, je crois que c'est comme ça qu'on dit aujourd'hui ici", "35500|Vitré"),
        ("date", "douze mars quarante-deux, je fêtais ça chez ma marraine de Rennes", "1942-03-12"),
        ("welcome", "ça va pas vite votre affaire, passez-moi un conseiller", "person"),
    ],
)
def test_one_part_answers(question: str, said: str, means: str):
    assert what_came(Situation(question, said, means)) == means


@pytest.mark.parametrize(
    ("question", "said"),
    [
        # Nobody speaks of themselves.
        ("offers", "demain, des nuages sur le nord et du soleil dans le midi"),
        ("who", "moi président, disait-il à la tribune, et toute la salle riait"),
        # Said to somebody in the room.
        ("place", "la voisine est à Vitré, tu te rappelles, je te l'ai dit hier soir en rentrant"),
        # Denied afterwards, or taken back.
        ("offers", "vendredi mon fils travaille, il pourra pas m'emmener"),
        ("place", "je dirais Vitré pour commencer, non, attendez que je regarde mes papiers là"),
        # Two parts answer, each otherwise.
        ("date", "mon mari c'est le 4 mai 1938, chez nous on est précis, moi le 3 mars 1940"),
    ],
)
def test_no_part_answers(question: str, said: str):
    assert what_came(Situation(question, said, "ask")) in {"ask", "wait"}


def test_nothing_is_agreed_to_by_a_part():
    assert what_came(
        Situation("yesno", "c'est juste, je crois, mais le mois je sais plus", "")
    ) != ("yes")


def test_the_parts_are_spelt_as_they_were_said():
    said = "je suis née à Évron, c'est en Mayenne parce que ma mère y travaillait"
    assert clauses(said, vocabulary("fr")) == ("je suis née à Évron", "c'est en Mayenne ")
    assert clauses("Évron", vocabulary("fr")) == ()
