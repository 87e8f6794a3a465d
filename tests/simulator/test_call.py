"""`make call`: what it understands, what it presses, and its exit status, end to end."""

import io
import json

import pytest

from flask import Flask

from exchange.interpreter import Call, Gather, HangUp, Keys, Silence, Speech
from exchange.legs import KeysLeg, drive
from exchange.testing.fixtures import BASE, Documents
from exchange.transport import Reply, WsgiTransport
from tools.simulator.answers import AnswersLeg, parse_answers, read_menu, read_question
from tools.simulator.call import main
from tools.simulator.outcomes import heard_reference
from tools.simulator.terminal import Printer, Reported, TerminalLeg

TOKEN = "test-token"
SID = "AC" + "0" * 31 + "9"
ANSWERS = "dob=12031942,postcode=75011,offer=2"


def gather(**attributes) -> Gather:
    return Gather(attributes, (), "")


@pytest.mark.parametrize(
    ("text", "attributes", "field"),
    [
        ("Tapez votre date de naissance : jour, mois et année.", {}, "dob"),
        ("Merci. Maintenant, l'année de naissance, sur quatre chiffres.", {}, "year"),
        ("Tapez le mois, deux chiffres.", {"numDigits": "2"}, "month"),
        ("Puis le jour, deux chiffres.", {"numDigits": "2"}, "day"),
        ("Quel est votre code postal ? Pour quelqu'un, tapez 0.", {"numDigits": "5"}, "postcode"),
        ("Votre date de naissance est notée. Tapez votre code postal.", {}, "postcode"),
        ("Tapez le numéro de téléphone d'un portable.", {}, "phone"),
        ("Enter your date of birth, eight digits.", {}, "dob"),
        ("What is your postcode? Press 0 for a person.", {}, "postcode"),
        (
            (
                "Tapez votre date de naissance en huit chiffres : le jour, le mois, puis l'année."
                " Par exemple, pour le 5 mars 1940, tapez 0 5, 0 3, 1 9 4 0."
            ),
            {},
            "dob",
        ),
        ("Deux chiffres pour le jour, deux pour le mois, quatre pour l'année.", {}, "dob"),
        ("Tapez l'année de votre naissance. Par exemple, tapez 1 9 4 0.", {}, "year"),
        (
            (
                "Le code postal est écrit devant votre commune. Tapez ces cinq chiffres. Pour une"
                " personne, tapez 0, puis dièse."
            ),
            {},
            "postcode",
        ),
        ("Dites le nom de votre commune.", {"input": "speech"}, "town"),
        ("Tapez votre référence, dix chiffres.", {}, "reference"),
        ("Il faut les six chiffres du code de reprise.", {"finishOnKey": "#"}, "code"),
        ("Pour réentendre, tapez 9.", {"numDigits": "1"}, ""),
    ],
)
def test_understands_which_field_is_asked(text, attributes, field):
    assert read_question(text, gather(**attributes)).field == field


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Pour prendre rendez-vous, tapez 1. Pour votre rendez-vous, tapez 2.", "12"),
        ("Tapez 1 pour prendre rendez-vous, 2 sinon.", "1"),
        ("Tapez 1 quand vous êtes prêt.", "1"),
        ("Oui : appuyez sur 1. Non : composez le 2. Pour quelqu'un, faites le 0.", "12"),
        ("To book, press 1. Press 2 for your appointment. Press star to go back.", "12"),
        ("Composez 8 chiffres.", ""),
    ],
)
def test_reads_menus(text, keys):
    assert "".join(option.key for option in read_menu(text)) == keys


@pytest.mark.parametrize(
    ("text", "answers", "sender", "key"),
    [
        ("Pour annuler, tapez 1. Pour prendre rendez-vous, tapez 2.", {}, "", "2"),
        ("Pour quelqu'un d'autre, tapez 1. Pour vous-même, tapez 2.", {}, "", "2"),
        ("Si ce n'est pas exact, tapez 1. Si c'est exact, tapez 2.", {}, "", "2"),
        ("C'est bon, tapez 1. Pour corriger, tapez 2.", {}, "", "1"),
        ("Ce n'est pas ça, tapez 1. Pour valider, tapez 3.", {}, "", "3"),
        ("Tapez 1 pour annuler, tapez 2 pour confirmer.", {}, "", "2"),
        ("That's right, press 1. Otherwise, press 2.", {}, "", "1"),
        ("To book an appointment, press 2. For your appointment, press 1.", {}, "", "2"),
        (
            "Lundi à 9 heures : tapez 1. Mardi à 10 heures : tapez 2. Autres jours : tapez 4.",
            {"offer": "2"},
            "",
            "2",
        ),
        ("Jeudi à 9 heures. Pour ce créneau, tapez 1. D'autres, tapez 4.", {"offer": "3"}, "", "1"),
        ("Pour taper un portable, tapez 1. Sans portable, tapez 2.", {}, "+33142685300", "2"),
        (
            "Pour taper un portable, tapez 1. Sans portable, tapez 2.",
            {"phone": "0612345678"},
            "+33142685300",
            "1",
        ),
        ("Ce numéro, c'est bien : tapez 1. Un autre numéro : tapez 2.", {}, "+33612345678", "1"),
        (
            "Ce numéro, c'est bien : tapez 1. Un autre numéro : tapez 2.",
            {"phone": "0687654321"},
            "+33612345678",
            "2",
        ),
        (
            "Sur un portable, le vôtre ou celui d'un proche, tapez 1. Sans portable, tapez 2.",
            {"phone": "0612345678"},
            "+33142685300",
            "1",
        ),
        (
            "Le 12 mars 1942. Si elle n'est pas bonne, tapez 2. Si elle est bonne, tapez 1.",
            {},
            "",
            "1",
        ),
        ("Gardé jusqu'à 10 h 35. Pour continuer, tapez 1. Quelqu'un d'autre, tapez 2.",
         {}, "", "1"),
    ],
)  # fmt: skip
def test_makes_the_sensible_choice(text, answers, sender, key):
    assert AnswersLeg(answers, sender).choose(read_menu(text)) == key


@pytest.mark.parametrize(
    ("spoken", "reference"),
    [
        (["C'est confirmé.", "Votre référence : 04 52 17 88 03."], "0452178803"),
        (["Rendez-vous réservé. Votre référence est le 0452178803."], "0452178803"),
        (["C'est confirmé. Votre référence.", "04, 52, 17, 88, 03."], "0452178803"),
        (["Your booking is confirmed. Your reference: 04 52 17 88 03."], "0452178803"),
        (["Votre référence : 04 52 17 88 03."], None),
        (["Rien n'est pas réservé. Référence 04 52 17 88 03."], None),
        (["C'est confirmé. Votre référence : 04 52 17."], None),
        (["C'est confirmé. Rappelez le 09 74 75 00 01."], None),
    ],
)
def test_knows_a_reference_when_it_hears_one(spoken, reference):
    assert heard_reference(spoken) == reference


@pytest.mark.parametrize(
    "text", ["dob", "age=80", "dob=1942", "postcode=7501", "phone=12", "offer=9", "offer=x"]
)
def test_bad_answers(text):
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        parse_answers(text)


@pytest.fixture
def line(service, serve, rest, monkeypatch):
    """The tiny service and the REST server, each on its port; `line(args…)` makes a call."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)

    with serve(service) as base, serve(rest) as simulator:

        def call(*arguments):
            return main([*arguments, "--service", base, "--simulator", simulator])

        yield call


@pytest.fixture
def service(tiny, rest):
    """The tiny service; its SMS go through the REST application."""

    def send(number):
        form = {"To": number, "From": "ALLO RDV", "Body": "Rendez-vous confirmé."}
        path = f"/2010-04-01/Accounts/{SID}/Messages.json"
        assert rest.test_client().post(path, data=form, auth=(SID, TOKEN)).status_code == 201

    return tiny(send_sms=send)


def test_books_by_what_is_asked(line, service, capsys):
    assert line("--answers", ANSWERS) == 0
    state = service.config["state"]
    assert (state["dob"], state["postcode"], state["offer"]) == ("12031942", "75011", "2")
    printed = capsys.readouterr().out
    for expected in (
        "« Bonjour.",
        "> 12031942",
        " ms, 200, /voice/incoming]",
        "… (4 s)",
        "SMS to +33612345678:",
        "  | Rendez-vous confirmé.",
        "Reference: 0452178803",
    ):
        assert expected in printed
    assert service.config["posted"][-1][0] == "/voice/status"
    assert service.config["posted"][-1][1]["CallStatus"] == "completed"


def test_books_with_just_these_keys(line):
    assert line("--keys", "1,1,,12031942,1,75011,1,1,1,1") == 0


def test_a_landline_gives_a_mobile(line, capsys):
    assert line("--from", "0142685300", "--answers", f"{ANSWERS},phone=0687654321") == 0
    assert "SMS to +33687654321:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--keys", "2"),
        ("--keys", "1,1,12031942,1,75011,1,1,2"),
        ("--keys", ""),
    ],
)
def test_not_booked(line, arguments):
    assert line(*arguments) == 1


def test_json_and_quiet(line, capsys):
    assert line("--answers", ANSWERS, "--json", "--quiet") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["booked"], summary["reference"]) == (True, "0452178803")
    assert summary["keys"][:3] == ["1", "1", "12031942"]
    assert summary["sms"] == ["Rendez-vous confirmé."]
    assert summary["errors"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--answers", "postcode=75011"), "asks for dob, which was not given"),
        (("--answers", "dob=1942"), "dob=1942 does not have 8 digits"),
        (("--keys", "1,abc"), "holds something that is no key"),
        (("--from", "12", "--keys", "1"), "'12' is not a telephone number"),
    ],
)
def test_bad_arguments(line, capsys, arguments, sentence):
    assert line(*arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_an_unreachable_service(closed_port, settings, capsys):
    nobody = f"http://127.0.0.1:{closed_port}"
    assert main(["--keys", "1", "--service", nobody, "--simulator", nobody, "--quiet"]) == 2
    assert capsys.readouterr().err == (
        f"call: the service at {nobody} cannot be reached: no connection could be made: nobody "
        "listens there.\n"
    )


def test_the_same_question_five_times(ring):
    class Deaf:
        def send(self, outgoing):
            body = (
                '<Response><Gather action="/in"><Say>Tapez votre code postal.</Say></Gather>'
                "</Response>"
            )
            return Reply(200, body.encode(), {"Content-Type": "text/xml"})

    leg = AnswersLeg({"postcode": "75011"})
    call = drive(Call(url="http://a/in", transport=Deaf(), auth_token=TOKEN), leg)
    assert (call.end_reason, leg.gave_up, len(call.pressed)) == ("caller-hung-up", "postcode", 4)


def test_a_queued_script_hangs_up(ring):
    call = ring({"/in": "<Enqueue>agents</Enqueue>"})
    call.act(KeysLeg([]).waits(call, call.waiting))
    assert call.end_reason == "caller-hung-up"


@pytest.mark.parametrize(
    ("typed", "action"),
    [
        (["1"], Keys("1")),
        ([""], Silence()),
        (["abc", "12 03#"], Keys("1203#")),
        (['"oui merci"'], Speech("oui merci")),
        ([EOFError()], HangUp()),
        ([KeyboardInterrupt()], HangUp()),
    ],
)
def test_a_person_at_the_terminal(typed, action, capsys):
    def read(prompt):
        item = typed.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    leg = TerminalLeg(read)
    call = Call(url="http://a/in", transport=WsgiTransport(Flask("a")), auth_token=TOKEN)
    assert leg.answers(call, gather(input="dtmf speech")) == action


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--answers dob=12031942,postcode=75011,offer=1" in capsys.readouterr().out


OFFER = (
    '<Gather numDigits="1" action="/took"><Say>Pour être rappelé, tapez 1.</Say></Gather>'
    "<Play>/audio/music.mp3</Play>"
)


@pytest.mark.parametrize(
    ("leg", "took"), [(AnswersLeg({"postcode": "75011"}), False), (KeysLeg(["1"]), True)]
)
def test_whoever_waits_for_a_person_takes_no_other_offer_unless_keys_are_given(leg, took):
    table = {
        "/in": '<Enqueue waitUrl="/wait" action="/left">agents</Enqueue>',
        "/wait": [OFFER, "<Leave/>"],
        "/took": "<Say>Entendu.</Say><Leave/>",
        "/left": "<Say>Au revoir.</Say><Hangup/>",
    }
    documents, out = Documents(table), io.StringIO()
    printer = Printer(out)
    call = Call(
        url=f"{BASE}/in",
        transport=documents,
        auth_token=TOKEN,
        heard_by=printer.heard,
        sent_by=printer.sent,
    )
    drive(call, Reported(leg, printer, patience_s=300.0))
    asked = [outgoing.url.removeprefix(BASE) for outgoing in documents.sent]
    assert ("/took" in asked) is took
    assert call.end_reason == "hangup"
    assert "[in the queue: number 1 of 1]" in out.getvalue()
    assert ("[play: /audio/music.mp3]" in out.getvalue()) is not took
