"""What people write in a text, with accents, capitals and slips of the finger."""

from __future__ import annotations

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.understanding.messages import Intent, intent_of
from services.messages.incoming_text import understood
from services.vocabulary import vocabulary

derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=300)

FRENCH = {
    Intent.CANCEL: [
        *("annuler", "ANNULER", "Annulé svp", "anuler", "annnuler", "anulation", "oui annulez"),
        *("je voudrais annulez mon rdv", "Annule le 2eme", "je ne veux plus venir"),
        "Bonjour, je ne pourrai pas être présente demain, pouvez-vous annuler ? Merci",
    ],
    Intent.MOVE: [
        *("déplacer", "DEPLACER", "deplasser", "dépalcer", "changer de date", "Reporter SVP"),
        *("je voudrais une autre date", "je dois déplacer mon rendez-vous de jeudi à vendredi"),
    ],
    Intent.CHANGE: [
        *("non", "Non merci", "je ne peux pas venir", "je pourrai pas venir", "empêchement"),
        *("pas disponible jeudi", "je ne viendrai pas", "annuler ou déplacer"),
    ],
    Intent.YES: [
        *("oui", "OUI", "Ouiiii", "Oui merci", "ok", "D'accord", "je confirme", "c'est bon"),
        *("je viendrai", "OK je viendrai jeudi", "Je confirme, à demain", "je serai là"),
    ],
    Intent.STOP: [
        *("stop", "STOP", "Stop.", "stpo", "stoop", "STOP SVP", "STOP AU 36111", "arret"),
        *("arrêtez de m'écrire", "désabonner", "Ne m'envoyez plus de messages", "oui stop"),
    ],
    Intent.START: ["START", "start"],
    Intent.WHERE: [
        *("où", "ou", "OU ?", "Où est-ce ?", "c'est ou", "quelle est l'adresse", "adrese", "rdv"),
        *("a quelle heure", "quand", "pouvez vous me donner l'adresse svp", "mon rendez-vous"),
    ],
    Intent.WRONG: [
        *("ce n'est pas moi", "C pas moi", "Cest pas moi", "c'est pas moi", "mauvais numero"),
        *("erreur de numéro", "faux numéro", "vous vous trompez de personne", "non c'est pas moi"),
        *("je ne suis pas cette personne", "Stop c'est pas moi", "bonjour ce n'est pas moi merci"),
    ],
    Intent.EMERGENCY: ["malaise", "j'ai un malaise", "URGENCE", "je ne respire plus"],
    Intent.THANKS: ["merci", "Merci beaucoup, bonne journée", "bonjour", "", "👍", "..."],
    None: [
        *("qui êtes vous", "rappelez moi", "quel temps fait il", "erreur", "ne pas annuler"),
        # Whose mobile was given for somebody else, and who only forgot, keep their texts.
        *("ce n'est pas moi, c'est ma mère", "je n'ai pas pris de rendez-vous", "pas reçu"),
        *("ce n'est pas moi qui ai annulé", "stop annulez mon rendez-vous", "oui ou non"),
        "est ce que je peux venir avec ma femme",
    ],
}
ENGLISH = {
    Intent.CANCEL: ["cancel", "Cancell", "please cancel my appointment"],
    Intent.MOVE: ["can I move my appointment", "reschedule", "another day please"],
    Intent.CHANGE: ["I can't come", "no", "I cannot make it"],
    Intent.YES: ["yes", "Yes please", "I will be there"],
    Intent.STOP: ["STOP ALL", "unsubscribe", "stop texting me"],
    Intent.WHERE: ["where is it", "what time", "address", "where"],
    Intent.WRONG: ["wrong number", "it's not me", "it isn't me", "you have the wrong person"],
    Intent.THANKS: ["thanks", "thank you"],
    None: ["who is this", "don't cancel", "it's not me it's my mother"],
}


@pytest.mark.parametrize(
    ("text", "meant"), [(text, meant) for meant, some in FRENCH.items() for text in some]
)
def test_french(text: str, meant: Intent | None):
    assert intent_of(text, vocabulary("fr")) is meant


@pytest.mark.parametrize(
    ("text", "meant"), [(text, meant) for meant, some in ENGLISH.items() for text in some]
)
def test_english(text: str, meant: Intent | None):
    assert intent_of(text, vocabulary("en")) is meant


@pytest.mark.parametrize("meant", [one for one in FRENCH if one and one is not Intent.THANKS])
def test_each_wish_is_understood_in_any_accents_and_capitals(meant: Intent):
    from flows.understanding.vocabulary import plain  # noqa: PLC0415

    for text in FRENCH[meant]:
        for spelt in (text.upper(), text.lower(), f"  {text} !!", plain(text)):
            assert intent_of(spelt, vocabulary("fr")) is meant, spelt


@derandomized
@given(
    word=st.sampled_from(["annuler", "annulation", "deplacer", "reporter", "adresse"]),
    at=st.integers(0, 30),
    slip=st.sampled_from(["drop", "double", "swap"]),
)
def test_one_slip_of_the_finger_is_borne(word: str, at: int, slip: str):
    at = 1 + at % (len(word) - 2)
    slipped = {
        "drop": word[:at] + word[at + 1 :],
        "double": word[:at] + word[at] + word[at:],
        "swap": word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    }[slip]
    meant = intent_of(word, vocabulary("fr"))
    assert meant is not None
    assert intent_of(slipped, vocabulary("fr")) is meant, slipped


@derandomized
@given(st.text(max_size=300))
def test_whatever_is_written_is_understood_or_not_and_never_an_error(text: str):
    assert intent_of(text, vocabulary("fr")) in {None, *Intent}


def test_a_letter_is_no_wish():
    assert intent_of("je voudrais annuler " * 40, vocabulary("fr")) is None


def test_the_language_is_that_of_the_booking_or_of_the_words():
    assert understood("cancel", "fr") == (Intent.CANCEL, "en")
    assert understood("annuler", "en") == (Intent.CANCEL, "fr")
    assert understood("stop", "en") == (Intent.STOP, "en")
    assert understood("stop", "") == (Intent.STOP, "fr")
    assert understood("qzx", "en") == (None, "en")
    assert understood("merci", "en") == (Intent.THANKS, "en")
