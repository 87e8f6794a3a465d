"""What a caller at a SIP telephone hears, and what becomes of their keys."""

from __future__ import annotations

from typing import Any

import pytest

from exchange.orders import Announce, Complete, Redirect, Released
from exchange.settings import Settings
from exchange.sip.leg import LEAD_S, TAIL_S
from exchange.switchboard import Switchboard
from exchange.testing.sip_house import BASE, Documents, SipHouse

MENU = (
    '<Gather action="/picked" numDigits="1" timeout="5"><Say language="fr-FR">Tapez un.</Say>'
    "</Gather><Redirect>/silent</Redirect>"
)
DATE = '<Gather action="/date" timeout="4"><Say language="fr-FR">Votre date.</Say></Gather>'
# Seconds that it takes to say it.
PROMPT_S = len("Tapez un.") / 15


@pytest.fixture
def house(monkeypatch, tmp_path):
    """`house(documents)`: telephones before a service of these documents."""
    # No .env of a developer's checkout may leak into the tests.
    monkeypatch.chdir(tmp_path)
    settings = Settings(service_url=BASE)

    def make(documents: dict[str, Any], **options: Any) -> SipHouse:
        service = Documents({"/voice/status": "", **documents})
        return SipHouse(service, settings, **options)

    return make


def service(caller) -> Documents:
    return caller.house.service


def digits(caller, path) -> list[str]:
    return [form.get("Digits", "") for form in service(caller).forms(path)]


# Sound


def test_what_is_said_is_heard_one_after_the_other_and_then_the_service_hangs_up(house):
    caller = house(
        {
            "/voice/incoming": '<Say language="fr-FR">Bonjour.</Say><Pause length="2"/>'
            '<Play loop="2">/music.wav</Play><Say>Bye.</Say>'
        },
        recordings={f"{BASE}/music.wav": 10.0},
    ).rings()
    caller.hears("Bye.")
    assert [(one.text, round(one.at - LEAD_S, 1)) for one in caller.line.heard if one.text] == [
        ("Bonjour.", 0.0),
        (f"{BASE}/music.wav", round(8 / 15 + 2, 1)),
        (f"{BASE}/music.wav", round(8 / 15 + 12, 1)),
        ("Bye.", round(8 / 15 + 22, 1)),
    ]
    caller.listens().waits(1)
    assert caller.made.end_reason == "document-ended"
    assert caller.log == ["rings", "answered", "hung up"]


def test_a_voice_gets_its_pieces_with_their_language_and_rate(house):
    caller = house(
        {
            "/voice/incoming": '<Say language="fr-FR">Un<break time="500ms"/>'
            '<prosody rate="80%">deux</prosody></Say>'
        }
    ).rings()
    caller.listens()
    assert caller.house.voice.said == [("Un", "fr-FR", 1.0), ("deux", "fr-FR", 0.8)]


def test_a_recording_that_cannot_be_had_is_silence(house):
    caller = house({"/voice/incoming": "<Play>/none.wav</Play><Say>Suite.</Say>"}).rings()
    assert caller.hears("Suite.").texts == ["Suite."]


def test_the_last_words_are_heard_out_before_the_line_is_let_go(house):
    caller = house({"/voice/incoming": "<Say>Au revoir et merci.</Say><Hangup/>"}).rings()
    caller.waits(19 / 15)
    assert caller.log == ["rings", "answered"]
    caller.waits(1)
    assert caller.log == ["rings", "answered", "hung up"]
    heard = sum(one.seconds for one in caller.line.played)
    assert heard == pytest.approx(LEAD_S + 19 / 15 + TAIL_S, abs=0.01)


def test_the_line_is_let_go_before_the_end_is_told(house):
    told = []

    class Slow(Documents):
        def send(self, request):
            if request.url.endswith("/voice/status"):
                told.extend(caller.log)
            return super().send(request)

    at = house({})
    at.calls._transport = at.service = Slow({"/voice/incoming": MENU, "/voice/status": ""})
    caller = at.rings()
    caller.ordered(Complete())
    assert told[-1] == "hung up"


# Answering


def test_a_call_that_is_rejected_was_never_answered(house):
    caller = house({"/voice/incoming": "<Reject/>"}).rings()
    assert caller.log == ["rings", "refused 603"]
    assert service(caller).forms("/voice/status")[0]["CallStatus"] == "no-answer"


def test_a_call_that_is_rejected_as_busy_is_busy(house):
    assert house({"/voice/incoming": '<Reject reason="busy"/>'}).rings().log[-1] == "refused 486"


def test_a_redirect_answers_nothing_yet(house):
    at = house(
        {"/voice/incoming": "<Redirect>/next</Redirect>", "/next": '<Reject reason="busy"/>'}
    )
    assert at.rings().log == ["rings", "refused 486"]


def test_a_hangup_alone_is_answered_first_as_twilio_does(house):
    assert house({"/voice/incoming": "<Hangup/>"}).rings().waits(1).log == [
        "rings",
        "answered",
        "hung up",
    ]


def test_who_is_gone_before_the_answer_hears_nothing(house):
    at = house({"/voice/incoming": MENU})
    telephone = at.telephone("0612345678")
    telephone.there = False
    caller = at.with_call(telephone, lambda: at.calls.on_call(telephone))
    # Put down all the same: whatever it was that kept it from us, nobody is on a dead line.
    assert caller.log == ["rings", "answered too late", "hung up"]
    assert caller.line.heard == []
    assert caller.made.end_reason == "caller-hung-up"
    assert service(caller).forms("/voice/status")[0]["CallStatus"] == "no-answer"


def test_who_leaves_right_after_the_answer_was_answered(house):
    at = house({"/voice/incoming": MENU})
    telephone = at.telephone("0612345678")
    answers = telephone.answer

    def answers_and_loses_them() -> bool:
        answered = answers()
        telephone.ear.gone("hung up")
        return answered

    telephone.answer = answers_and_loses_them
    caller = at.with_call(telephone, lambda: at.calls.on_call(telephone))
    assert caller.log[:2] == ["rings", "answered"]
    assert caller.made.end_reason == "caller-hung-up"
    assert service(caller).forms("/voice/status")[0]["CallStatus"] == "completed"


# Gather


def test_a_key_stops_the_prompt_at_once(house):
    caller = house({"/voice/incoming": MENU, "/picked": "<Say>Bien.</Say>"}).rings()
    caller.waits(0.2).presses("1").hears("Bien.")
    prompt, answer = [one for one in caller.line.heard if one.text]
    assert prompt.seconds == pytest.approx(0.2)
    assert answer.at == pytest.approx(LEAD_S + 0.2)
    assert digits(caller, "/picked") == ["1"]


def test_the_time_out_begins_when_the_prompt_was_heard(house):
    caller = house({"/voice/incoming": MENU, "/silent": "<Say>Toujours là ?</Say>"}).rings()
    caller.waits(PROMPT_S + 4.9)
    assert caller.texts == ["Tapez un."]
    caller.waits(0.2)
    assert caller.texts == ["Tapez un.", "Toujours là ?"]


def test_each_key_begins_the_time_between_keys_anew(house):
    caller = house({"/voice/incoming": DATE, "/date": "<Say>Merci.</Say>"}).rings()
    caller.presses("120319", every=3.9)
    assert digits(caller, "/date") == []
    caller.waits(4.1)
    assert digits(caller, "/date") == ["120319"]


def test_the_finishing_key_ends_it_without_a_wait(house):
    caller = house({"/voice/incoming": DATE, "/date": "<Say>Merci.</Say>"}).rings()
    caller.presses("12031942#")
    (form,) = service(caller).forms("/date")
    assert (form["Digits"], form["FinishedOnKey"]) == ("12031942", "#")


def test_the_rest_of_a_long_prompt_is_not_even_made_when_a_key_came(house):
    at = house({"/voice/incoming": MENU.replace("</Say>", "</Say><Say>Encore.</Say>")})
    say = at.voice.say
    pressed: list[Any] = []

    def say_and_press(pieces, language):
        # A caller who knows the menu, while the voice still makes its second sentence.
        if not pressed:
            pressed.append(pieces)
            at.callers[0].sound.ear.key("1")
            # Silence at once: nobody waits for the voice.
            assert not at.callers[0].sound.playing
        yield from say(pieces, language)

    at.voice.say = say_and_press
    at.service.table["/picked"] = ["<Say>Bien.</Say>"]
    telephone = at.telephone("0612345678")
    at.callers.append(telephone)
    caller = at.with_call(telephone, lambda: at.calls.on_call(telephone))
    caller.hears("Bien.")
    assert caller.texts == ["Bien."]
    assert digits(caller, "/picked") == ["1"]


def test_a_key_before_the_question_is_lost(house):
    caller = house({"/voice/incoming": "<Say>Bonjour.</Say>" + MENU}).rings()
    caller.presses("1").hears("Tapez un.").waits(1)
    assert digits(caller, "/picked") == []


def test_a_key_after_the_last_one_is_lost(house):
    caller = house({"/voice/incoming": MENU, "/picked": DATE, "/date": "<Hangup/>"}).rings()

    def two_at_once():
        for key in "12":
            caller.line.ear.key(key)

    caller.house.time.do(two_at_once)
    caller.hears("Votre date.").waits(6)
    assert digits(caller, "/picked") == ["1"]
    assert digits(caller, "/date") == []


# Whoever leaves


@pytest.mark.parametrize(
    "document",
    [
        "<Say>Bonjour à tous.</Say>",
        '<Pause length="60"/>',
        "<Play>/music.wav</Play>",
        MENU,
        '<Gather action="/picked"/>',
        '<Enqueue waitUrl="/wait">file</Enqueue>',
        "<Enqueue>file</Enqueue>",
    ],
)
def test_who_hangs_up_ends_the_call_whatever_it_plays(house, document):
    caller = house(
        {"/voice/incoming": document, "/wait": "<Say>Patientez.</Say>"},
        recordings={f"{BASE}/music.wav": 60.0},
    ).rings()
    caller.waits(0.3).hangs_up()
    assert caller.made.end_reason == "caller-hung-up"
    assert [form["CallStatus"] for form in service(caller).forms("/voice/status")] == ["completed"]
    assert caller.log == ["rings", "answered"]
    assert len(caller.house.calls) == 0


# Waiting


def test_a_queue_plays_its_document_round_and_round(house):
    caller = house(
        {
            "/voice/incoming": '<Enqueue waitUrl="/wait">file</Enqueue>',
            "/wait": ["<Say>Premier.</Say>", "<Say>Second.</Say>", "<Play>/music.wav</Play>"],
        },
        recordings={f"{BASE}/music.wav": 5.0},
    ).rings()
    caller.hears("Second.").hears("music.wav").waits(30)
    assert len(service(caller).forms("/wait")) == 2 + 7


def test_a_queue_without_a_document_plays_music_that_goes_on_where_it_was(house):
    caller = house({"/voice/incoming": "<Enqueue>file</Enqueue>"}).rings()
    caller.waits(10)
    sounds = caller.line.heard[1:]
    assert {one.seconds for one in sounds} == {3.0}
    assert sounds[-1].at == pytest.approx(LEAD_S + 9)


def test_a_waiting_document_of_nothing_does_not_spin(house):
    caller = house(
        {"/voice/incoming": '<Enqueue waitUrl="/wait">file</Enqueue>', "/wait": ""}
    ).rings()
    caller.waits(10)
    assert len(service(caller).forms("/wait")) in {10, 11, 12}


def test_keys_count_in_the_queue(house):
    caller = house(
        {
            "/voice/incoming": '<Enqueue waitUrl="/wait">file</Enqueue>',
            "/wait": MENU,
            "/picked": "<Leave/>",
        }
    ).rings()
    caller.hears("Tapez un.").presses("1")
    assert digits(caller, "/picked") == ["1"]
    assert caller.waits(1).is_over


# Orders


def test_a_redirect_from_outside_stops_what_is_played_at_once(house):
    caller = house(
        {"/voice/incoming": "<Say>Une très longue phrase.</Say>", "/taken": "<Say>Voilà.</Say>"}
    ).rings()
    caller.waits(0.5).ordered(Redirect(f"{BASE}/taken")).hears("Voilà.")
    cut, after = [one for one in caller.line.heard if one.text]
    assert cut.seconds == pytest.approx(0.5)
    assert after.at == pytest.approx(LEAD_S + 0.5)


def test_what_was_pressed_is_not_lost_to_an_order_that_is_about_something_else(house):
    caller = house({"/voice/incoming": MENU, "/picked": "<Say>Bien.</Say>"}).rings()
    caller.waits(PROMPT_S)

    def both():
        caller.line.ear.key("1")
        caller.made.mailbox.post(Announce(f"{BASE}/news", "POST"))

    caller.house.time.do(both)
    caller.waits(1)
    assert digits(caller, "/picked") == ["1"]


def test_the_end_from_outside_comes_in_the_middle_of_a_question(house):
    caller = house({"/voice/incoming": MENU}).rings()
    caller.waits(0.2).ordered(Complete())
    assert caller.made.end_reason == "completed-by-api"
    assert caller.log == ["rings", "answered", "hung up"]


# Conferences


class Room:
    """Two callers in one conference, on a switchboard."""

    def __init__(self, house, wait: str = "") -> None:
        self.board = Switchboard(transport=Documents({}), auth_token="a-token")
        noun = f"<Conference{wait}>salle</Conference>"
        self.at = house(
            {
                "/voice/incoming": f'<Dial action="/after">{noun}</Dial>',
                "/after": "<Say>Au revoir.</Say>",
                "/news": "<Say>Un message assez long pour vous.</Say>",
                "/wait": "<Say>Un instant, je vous prie.</Say>",
                "/taken": "<Say>Voilà.</Say>",
            },
            lines=self.board,
            recordings={f"{BASE}/music.wav": 40.0},
        )
        self.one = self.at.rings("0612345678")
        self.other = self.at.rings("0612345679")

    @property
    def conference(self) -> Any:
        (found,) = self.board.conferences()
        return found

    def seat(self, caller) -> Any:
        return self.at.mixer.seats.get(caller.made.sid)

    def change(self, caller, **what: Any) -> None:
        member = self.conference.participants[caller.made.sid]
        self.at.time.do(lambda: self.board.change(self.conference, member, **what))


@pytest.fixture
def room(house):
    return Room(house)


def test_the_mixer_knows_where_everybody_sits(room):
    for caller in (room.one, room.other):
        seat = room.seat(caller)
        assert (seat.sid, seat.started, seat.others) == (room.conference.sid, True, 1)
    room.change(room.other, muted=True)
    assert room.seat(room.other).muted
    room.change(room.one, hold=True)
    assert room.seat(room.one).hold


@pytest.mark.parametrize(
    ("wait", "music"),
    [
        ("", "music"),
        (' waitUrl=""', ""),
        (' waitUrl="/music.wav" waitMethod="GET"', f"{BASE}/music.wav"),
        (' waitUrl="/none.wav" waitMethod="GET"', "music"),
    ],
)
def test_who_is_alone_hears_what_the_service_says(house, wait, music):
    room = Room(house, wait)
    room.other.hangs_up()
    assert room.at.mixer.music[room.one.made.sid] == music


def test_who_is_on_hold_hears_music_or_the_document_alone(room):
    room.change(room.one, hold=True)
    assert room.at.mixer.music[room.one.made.sid] == "music"
    room.change(room.one, hold=True, hold_url=f"{BASE}/wait", hold_method="POST")
    assert room.at.mixer.music[room.one.made.sid] == ""


class Dialler:
    """Rings whom a <Dial> names, who never takes it."""

    def begin(self, record): ...

    def end(self, record, status):
        return True


def test_who_is_put_through_hears_that_it_rings(house):
    board = Switchboard(transport=Documents({}), auth_token="a-token")
    board.dialler = Dialler()
    at = house({"/voice/incoming": "<Dial>+33142685300</Dial>"}, lines=board)
    assert at.mixer.music[at.rings().made.sid] == "ringing"


def test_nobody_hears_the_others_any_more_when_an_order_takes_them_out(room):
    leave, seen = room.board.leave_conference, []

    def slow(call, reason):
        # In another process this is a request, which may take its time.
        seen.append(room.seat(room.one))
        leave(call, reason)

    room.board.leave_conference = slow
    room.one.ordered(Redirect(f"{BASE}/taken")).hears("Voilà.")
    assert seen == [None]


@pytest.mark.parametrize("document", ["<Say>Voilà.</Say>", MENU.replace("Tapez un.", "Voilà.")])
def test_the_end_of_a_conference_that_a_call_has_left_cuts_nothing_short(room, document):
    room.at.service.table["/taken"] = [document]
    mailbox, sid = room.one.made.mailbox, room.conference.sid

    def both():
        mailbox.post(Redirect(f"{BASE}/taken"))
        mailbox.post(Released(sid, "answered"))

    room.at.time.do(both)
    room.one.hears("Voilà.").listens()
    assert room.one.line.heard[-1].seconds == pytest.approx(len("Voilà.") / 15, abs=0.3)


def test_after_the_conference_the_call_goes_on(room):
    room.other.hangs_up()
    at = room.at
    at.time.do(lambda: room.board.end_conference(room.conference))
    room.one.hears("Au revoir.")
    assert at.mixer.seats == {}
    assert service(room.one).forms("/after")[0]["DialCallStatus"] == "answered"


def test_hanging_up_leaves_the_conference(room):
    room.one.hangs_up()
    assert room.one.made.end_reason == "caller-hung-up"
    assert room.seat(room.one) is None
    assert room.seat(room.other).others == 0


def test_who_is_on_hold_hears_the_document_until_that_ends(room):
    room.change(room.one, hold=True, hold_url=f"{BASE}/wait", hold_method="POST")
    room.one.hears("Un instant").waits(0.5)
    room.change(room.one, hold=False)
    assert room.one.line.heard[-1].seconds == pytest.approx(0.5)
    assert not room.one.line.playing
    assert not room.seat(room.one).hold


def test_a_document_on_hold_that_ends_comes_again_as_long_as_that_lasts(room):
    room.change(room.one, hold=True, hold_url=f"{BASE}/wait", hold_method="POST")
    room.one.hears("Un instant").waits(20)
    assert room.one.texts.count("Un instant, je vous prie.") > 3
    room.change(room.one, hold=False)
    heard = len(room.one.texts)
    assert len(room.one.waits(20).texts) == heard


def test_a_hold_without_anything_to_hear_does_not_spin(room):
    room.at.service.table["/wait"] = [""]
    room.change(room.one, hold=True, hold_url=f"{BASE}/wait", hold_method="POST")
    room.one.waits(10)
    assert len(service(room.one).forms("/wait")) in {10, 11, 12}


def test_an_announcement_is_heard_to_its_end_whoever_comes_or_goes(room):
    at = room.at
    member = room.conference.participants[room.one.made.sid]
    at.time.do(lambda: room.board.announce(room.conference, f"{BASE}/news", "POST", member))
    room.one.hears("Un message").waits(0.5)
    third = at.rings("0612345680")
    third.hangs_up()
    room.one.listens()
    (message,) = [one for one in room.one.line.heard if "message" in one.text]
    assert message.seconds == pytest.approx(len(message.text) / 15, abs=0.01)


# Words, where something understands them


class Deaf:
    """Somebody listens, and a test says what is understood."""

    def __init__(self) -> None:
        self.speaking = False
        self.closed = False
        self.began: list[tuple[str, str]] = []

    def begin(self, language, hints, told):
        self.began.append((language, hints))
        self.told, self.closed = told, False
        return self

    def take(self, pcm) -> None: ...

    def close(self) -> None:
        self.closed = True


WORDS = (
    '<Gather input="dtmf speech" action="/said" timeout="5" language="fr-FR" hints="oui, non">'
    "<Say>Oui ou non ?</Say></Gather><Redirect>/silent</Redirect>"
)


@pytest.fixture
def asked(house):
    """Somebody who is asked for words, and has heard the question."""
    documents = {"/voice/incoming": WORDS, "/said": "<Hangup/>", "/silent": "<Hangup/>"}
    caller = house(documents, recogniser=Deaf()).rings()
    return caller.listens().waits(1)


def test_what_is_understood_is_sent(asked):
    asked.house.time.do(lambda: asked.house.recogniser.told("oui", 0.8))
    (form,) = service(asked).forms("/said")
    assert (form["SpeechResult"], form["Confidence"]) == ("oui", "0.8")
    assert asked.house.recogniser.began == [("fr-FR", "oui, non")]
    assert asked.line.taken is None


def test_the_time_out_waits_for_somebody_who_speaks(asked):
    asked.waits(3)
    asked.house.recogniser.speaking = True
    asked.waits(10)
    assert service(asked).forms("/silent") == []
    asked.house.recogniser.speaking = False
    asked.house.time.do(lambda: asked.house.recogniser.told("", None))
    assert len(asked.house.recogniser.began) == 2
    asked.waits(5.1)
    assert len(service(asked).forms("/silent")) == 1


def test_where_only_words_are_asked_for_a_key_ends_nothing(house):
    documents = {
        "/voice/incoming": WORDS.replace("dtmf speech", "speech"),
        "/said": "<Hangup/>",
        "/silent": "<Hangup/>",
    }
    caller = house(documents, recogniser=Deaf()).rings().listens().waits(1)
    caller.presses("1")
    assert not caller.house.recogniser.closed
    caller.house.time.do(lambda: caller.house.recogniser.told("oui", 0.8))
    assert [form["SpeechResult"] for form in service(caller).forms("/said")] == ["oui"]


def test_a_first_key_ends_the_listening(asked):
    asked.presses("1")
    assert asked.house.recogniser.closed
    asked.waits(5.1)
    assert digits(asked, "/said") == ["1"]
