"""Eleven temperaments: what each does at a prompt, and how a call is judged afterwards."""

import threading

from typing import Any

import pytest

from exchange.interpreter import Call, HangUp, Keys, Silence, Speech
from exchange.legs import KeysLeg
from exchange.transport import WsgiTransport
from tools.simulator.call import main
from tools.simulator.crowd import people, ring, ring_all
from tools.simulator.outcomes import (
    Ending,
    Report,
    Witness,
    ending,
    says_again,
    spoken_seconds,
)
from tools.simulator.people import (
    TEMPERAMENTS,
    Person,
    somebody,
)

TOKEN = "test-token"
GIVEN = {"dob": "12031942", "postcode": "75011"}
WHO = "Pour vous, tapez 1. Pour quelqu'un d'autre, tapez 2. Pour deux personnes, tapez 3."
DOB = "Tapez votre date de naissance en huit chiffres."
POSTCODE = "Tapez les cinq chiffres de votre code postal."
BOTH = {"input": "dtmf speech"}


@pytest.fixture
def prompt(ring):
    """Have a text said by a Gather: `prompt(text, digits=1, **attributes)` → Call that waits."""

    def gather(text, digits=1, **attributes):
        more = "".join(f' {name}="{value}"' for name, value in attributes.items())
        finish = "" if digits == 1 else "#"
        return ring(
            {
                "/in": f'<Gather action="/in" numDigits="{digits}" finishOnKey="{finish}"'
                f' timeout="5" language="fr-FR"{more}><Say language="fr-FR">{text}</Say>'
                '<Pause length="7"/></Gather>'
            }
        )

    return gather


def someone(name, seed=1, **options) -> Person:
    return somebody(name, seed, given=GIVEN, **options)


def does(person, call, times=1) -> list[Any]:
    """What somebody does when the same thing is asked so many times on end."""
    return [person.answers(call, call.waiting) for _ in range(times)]


def plays(call: Call, leg) -> Call:
    """Let somebody act in a call that was dialled, to its end."""
    while not call.ended:
        call.act(leg.answers(call, call.waiting))
    return call


# ---------------------------------------------------------------- who they are


def test_a_couple_is_two_people(prompt):
    couple = someone("couple")
    assert couple.second not in ("", couple.dob)
    assert does(couple, prompt(WHO)) == [Keys("3")]
    assert does(couple, prompt(DOB, 8)) == [Keys(f"{GIVEN['dob']}#")]
    assert does(couple, prompt(f"Passons à la deuxième personne. {DOB}", 8)) == [
        Keys(f"{couple.second}#")
    ]
    # Nobody calls for two people twice in one call.
    assert does(couple, prompt(WHO)) == [Keys("1")]


def test_a_landline_has_no_mobile_to_give_but_can_be_rung_back(prompt):
    landline = someone("landline")
    no_mobile = "Tapez le numéro de téléphone portable. Sans portable, tapez 2."
    assert does(landline, prompt(no_mobile, 10)) == [Keys("2#")]
    back = prompt("Tapez le numéro de téléphone où vous rappeler, en dix chiffres.", 10)
    (keys,) = does(landline, back)
    assert keys.digits == f"0{landline.sender[3:]}#"


# ---------------------------------------------------------------- what is sensible


@pytest.mark.parametrize(
    ("read_back", "key"),
    [
        ("Né ou née le 12 mars 1942.", "1"),
        ("Né ou née le 13 mars 1942.", "2"),
        ("Vous pourrez en prendre un pour le 1er mai 2031.", "2"),
        ("Born on 12 March 1942.", "1"),
        ("Born on March 12, 1942.", "1"),
        ("Born on 2 March 1942.", "2"),
        ("Votre code postal est 7 5 0 1 1, Paris.", "1"),
        ("Votre code postal est 7 5 0 1 2, Paris.", "2"),
        ("Jeudi 26 novembre à 10 heures.", "1"),
    ],
)
def test_nobody_confirms_what_was_understood_wrong(prompt, read_back, key):
    call = prompt(f"{read_back} Si c'est exact, tapez 1. Sinon, pour corriger, tapez 2.")
    assert does(someone("landline"), call) == [Keys(key)]


@pytest.mark.parametrize(
    ("menu", "key"),
    [
        ("Pour corriger la date, tapez 1. Pour terminer l'appel, tapez 2.", "1"),
        ("Pour que nous vous rappelions, tapez 2. Pour terminer, tapez 1.", "2"),
        ("Pour avoir plus de temps, tapez 2. Pour être rappelé, tapez 1.", "2"),
        ("Pour l'annuler, tapez 1. Pour le garder, tapez 2.", "2"),
    ],
)
def test_nobody_ends_a_call_that_can_go_on(prompt, menu, key):
    assert does(someone("landline"), prompt(menu)) == [Keys(key)]


def test_whoever_could_go_on_alone_has_had_enough_the_third_time(prompt):
    menu = prompt("Pour être rappelé, tapez 1. Pour continuer ici, tapez 2.")
    assert does(someone("landline"), menu, 3) == [Keys("2"), Keys("2"), Keys("1")]


def test_a_prompt_that_cannot_be_read_is_kept_for_whoever_wrote_it(prompt):
    person = someone("landline")
    assert does(person, prompt("Hum.")) == [Silence()]
    assert person.puzzles == ["Hum."]


def test_whoever_is_told_that_they_may_hang_up_does_so_with_their_reference(prompt):
    last = "C'est confirmé. Notez votre référence : 04 52 17 88 03. Vous pouvez raccrocher."
    assert does(someone("wrong-twice"), prompt(last), 3)[-1] == HangUp()
    assert someone("couple").puzzles == []


def test_a_call_that_goes_round_for_ever_is_given_up(prompt):
    person = someone("landline")
    assert does(person, prompt(POSTCODE, 5), 200)[-1] == HangUp()
    assert person.gave_up == "postcode"


# ---------------------------------------------------------------- the temperaments


def test_the_silent_do_nothing(prompt):
    assert does(someone("silent"), prompt(WHO), 5) == [Silence()] * 5


def test_slow_starters_answer_the_second_time_and_may_be_cut_off_between_two_keys(prompt):
    typed = [does(someone("slow", seed), prompt(DOB, 8), 2) for seed in range(60)]
    assert {first for first, _ in typed} == {Silence()}
    assert {len(second.digits) == 9 for _, second in typed} == {True, False}
    more = prompt("S'il vous faut plus de temps, tapez 8. " + WHO)
    assert does(someone("slow"), more, 3) == [Silence(), Keys("8"), Keys("1")]


@pytest.mark.parametrize(("text", "digits"), [(WHO, 1), (DOB, 8), (POSTCODE, 5)])
def test_wrong_twice_everywhere_then_right(prompt, text, digits):
    right = does(someone("landline"), prompt(text, digits))
    for seed in range(20):
        first, second, third = does(someone("wrong-twice", seed), prompt(text, digits), 3)
        assert right == [third]
        assert first != third != second


def test_whoever_talks_is_silent_to_a_machine_that_takes_keys_alone_then_presses(prompt):
    assert does(someone("talks"), prompt(DOB, 8), 2) == [Silence(), Keys("12031942#")]


@pytest.mark.parametrize(
    ("text", "digits", "words"),
    [
        (DOB, 8, "42"),
        (POSTCODE, 5, "75"),
        (WHO, 1, "moi"),
        ("Né le 12 mars 1942. C'est exact, tapez 1. Sinon, tapez 2.", 1, "oui"),
        ("Né le 12 mars 1943. C'est exact, tapez 1. Sinon, tapez 2.", 1, "pas"),
        ("Mardi 3 mars à 9 heures, tapez 1. Jeudi 5 mars à 9 heures, tapez 2.", 1, "le premier"),
        ("Quand vous êtes prêt, tapez 1.", 1, " y"),
    ],
)
def test_whoever_talks_says_long_sentences_where_the_service_listens(prompt, text, digits, words):
    for seed in range(20):
        (said,) = does(someone("talks", seed), prompt(text, digits, **BOTH))
        assert isinstance(said, Speech)
        assert words in said.text or "prête" in said.text, said.text
        assert len(said.text.split()) > 4


def test_whoever_is_not_understood_three_times_uses_the_keys(prompt):
    said = does(someone("talks"), prompt(POSTCODE, 5, **BOTH), 4)
    assert [isinstance(each, Speech) for each in said] == [True, True, True, False]


def test_a_television_is_heard_first_where_words_are_and_never_on_the_keys(prompt):
    for seed in range(20):
        noise, more = does(someone("television", seed), prompt(DOB, 8, **BOTH), 2)
        assert isinstance(noise, Speech)
        assert isinstance(more, Speech)
        assert noise.confidence is not None
        assert noise.confidence <= 0.95
        assert Keys("12031942#") in does(someone("television", seed), prompt(DOB, 8), 2)


# ---------------------------------------------------------------- how it is judged


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("C'est noté. Au revoir. Nous vous rappellerons au numéro qui se termine par 78.",
         Ending.PROMISED),
        ("Vous serez rappelé demain matin. Au revoir.", Ending.PROMISED),
        ("We will call you back. Goodbye.", Ending.PROMISED),
        ("Nous n'entendons rien. Vous pouvez nous rappeler à tout moment. Au revoir.",
         Ending.GOODBYE),
        ("Vos rendez-vous sont confirmés. Référence : 04 52 17 88 03. Au revoir.", Ending.BOOKED),
    ],
)  # fmt: skip
def test_an_end_is_judged_by_the_last_words(ring, last, expected):
    call = ring({"/in": f"<Say>{last}</Say><Hangup/>"})
    assert ending(call) is expected


def test_a_queue_is_a_person_and_a_failure_is_none(ring):
    witness = Witness(KeysLeg([]))
    call = ring({"/in": "<Enqueue>agents</Enqueue>"})
    call.act(witness.waits(call, call.waiting))
    assert ending(call, queued=witness.queued) is Ending.PERSON
    assert ending(ring({"/in": "<Nonsense/>"})) is Ending.FAILED
    left = plays(ring({"/in": "<Gather><Say>Un.</Say></Gather>"}), KeysLeg([], patience=1))
    assert ending(left) is Ending.GOODBYE
    assert ending(ring({"/in": "<Gather><Say>Un.</Say></Gather>"}).hang_up()) is Ending.LEFT


@pytest.mark.parametrize(
    ("before", "now", "again"),
    [
        ("Tapez 1.", "Tapez 1.", True),
        ("Tapez 1.", "Je n'ai rien entendu. Tapez 1.", True),
        ("Je n'ai rien entendu. Tapez 1.", "Tapez 1.", True),
        ("Pardon ? Tapez 1.", "Je n'ai rien entendu. Tapez 1.", True),
        ("Tapez 1.", "Tapez la touche 1.", False),
        ("Tapez 1. Tapez 2.", "Choisissez. Tapez 2.", False),
        ("", "Tapez 1.", False),
    ],
)
def test_the_same_words_twice_whatever_stands_before_them(before, now, again):
    assert says_again(before, now, ["Je n'ai rien entendu.", "Pardon ?"]) is again


def test_a_witness_counts_words_pauses_and_waits(ring):
    text = " ".join(["mot"] * 80) + "."
    document = (
        f'<Say>{text}</Say><Gather action="/in" numDigits="1" timeout="5"><Say>{text}'
        '<break time="500ms"/> fin.</Say><Pause length="7"/></Gather><Redirect>/end</Redirect>'
    )
    call = ring({"/in": [document, document], "/end": "<Say>Au revoir.</Say>"})
    witness = Witness(KeysLeg(["1"]), reaction_s=2.0)
    plays(call, witness)
    witness.ends(call)
    first, second, last = witness.turns
    # 161 words at 160 a minute and half a second of pause; then as much again.
    assert first.spoken_s == second.spoken_s == pytest.approx(161 * 60 / 160 + 0.5)
    assert (first.waited_s, second.waited_s) == (2.0, 7 + 5.0)
    assert last.spoken_s == pytest.approx(2 * 60 / 160)
    assert spoken_seconds(call.heard) == pytest.approx(
        first.spoken_s + second.spoken_s + last.spoken_s + 14
    )


def test_the_same_words_are_no_fault_where_they_were_asked_for(prompt):
    for keys, faults in ((["9", "1"], 1), (["1", "9", "9"], 1), (["1", "1"], 2)):
        witness = Witness(KeysLeg(keys, patience=0))
        plays(prompt("Pour oui, tapez 1. Pour réécouter, tapez 9."), witness)
        assert len(witness.repeated()) == faults, keys


# ---------------------------------------------------------------- whole calls and crowds


def call_to(app, sender) -> Call:
    return Call(
        url="http://service.test/voice/incoming",
        transport=WsgiTransport(app),
        auth_token=TOKEN,
        sender=sender,
    )


def test_a_call_is_reported(tiny):
    person = someone("landline")
    report = ring(person, call_to(tiny(), person.sender))
    assert (report.ending, report.references) == (Ending.BOOKED, ("0452178803",))
    assert report.good
    assert not report.hung_up_on
    assert report.answers >= 8
    assert report.seconds > report.spoken_s > 20


def test_a_crowd_never_has_more_people_on_the_line_than_were_allowed():
    lock, lines, most = threading.Lock(), set(), []
    together = threading.Barrier(3, timeout=30)

    class Busy:
        """Answers the first three calls only once all three are on the line."""

        def send(self, outgoing):
            raise AssertionError(outgoing)

    class Counted(Call):
        def dial(self):
            with lock:
                lines.add(self.sid)
                most.append(len(lines))
            together.wait()
            self.ended, self.end_reason = True, "hangup"
            with lock:
                lines.discard(self.sid)
            return self

    def make(sender):
        return Counted(url="http://a/in", transport=Busy(), auth_token=TOKEN, sender=sender)

    told: list[Report] = []
    reports = ring_all(people("slow", 9, seed=1), make, at_once=3, seconds=60, on_end=told.append)
    assert reports == told
    assert len(reports) == 9
    assert max(most) == 3


def test_once_the_time_is_up_nobody_rings_any_more():
    def never(sender):
        raise AssertionError(sender)

    assert ring_all(people("slow", 3, seed=1), never, at_once=2, seconds=0) == []


@pytest.fixture
def line(tiny, serve, rest, settings, monkeypatch):
    """The tiny service on a port; `line(args…)` is a command line."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    with serve(tiny()) as base, serve(rest) as simulator:
        yield lambda *given: main(
            [*given, "--service", base, "--simulator", simulator, "--timeout", "0"]
        )


def test_a_person_rings_from_the_command_line(line, capsys):
    assert line("--person", "landline", "--seed", "3") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("seed 3\n+33")
    assert "For the caller it ended: booked." in printed
    # The same person again.
    assert line("--person", "landline", "--seed", "3", "--from", "0142685300") == 0
    assert "+33142685300 calls" in capsys.readouterr().out


def test_a_crowd_rings_from_the_command_line_and_prints_its_table(line, capsys):
    line("--crowd", "4", "--at-once", "2", "--person", "landline", "--seed", "1")
    printed = capsys.readouterr().out
    assert "| landline | 4 | 4 | 0 | 0 |" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--person", "mixed"), "add --crowd COUNT"),
        (("--person", "slow", "--keys", "1"), "leave out --keys"),
        (("--crowd", "0"), "--crowd goes from 1 to"),
        (("--crowd", "5", "--at-once", "1000"), "--at-once from 1 to"),
        (("--crowd", "5", "--from", "0142685300"), "numbers of their own"),
        (("--crowd", "5", "--service", "https://allo.example"), "on this machine only"),
    ],
)
def test_what_cannot_be_rung_is_said_in_a_sentence(capsys, arguments, sentence):
    assert main([*arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_crowd_that_nobody_answers(closed_port, capsys):
    nobody = f"http://127.0.0.1:{closed_port}"
    assert main(["--crowd", "2", "--service", nobody, "--quiet"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("name", TEMPERAMENTS)
def test_any_of_them_may_be_at_a_number_that_the_service_calls(rest, name):
    faults = rest.extensions["simulator"].faults
    faults.set({"answers": {"+33612345678": f"person:{name}:3"}})
    person = faults.temperaments[name](3, "+33612345678")
    assert (type(person), person.sender) == (TEMPERAMENTS[name], "+33612345678")
    assert person.answers_given == somebody(name, 3).answers_given
