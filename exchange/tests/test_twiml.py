"""What a document must be like, under Twilio's error codes."""

import pytest

from exchange.twiml import TwimlError, Verb, parse

XML = "text/xml"


def play(inner, content_type=XML) -> tuple[Verb, ...]:
    return parse(f"<Response>{inner}</Response>".encode(), content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b' <?xml version="1.0"?><Response/>', XML, 12100),
        (b"\n<Response/>", XML, 12100),
        (b"", XML, 12100),
        (b"<Respond/>", XML, 12100),
        (b"<response/>", XML, 12100),
        (b"<Response><Say>a & b</Say></Response>", XML, 12100),
        (b"<Response><Say>a</Response>", XML, 12100),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><Response/>', XML, 12100),
        (b"<Response><Say>\xe9</Say></Response>", XML, 12100),
        (b"<Response/>", "text/html; charset=utf-8", 12300),
        (b"<Response/>", "application/json", 12300),
        (b"<Response/>", "", 12300),
        (b"<Response>" + b" " * 65536 + b"</Response>", XML, 11750),
        (b"<Response><Speak>a</Speak></Response>", XML, 12200),
        (b"<Response><say>a</say></Response>", XML, 12200),
        (b"<Response>words</Response>", XML, 12200),
        (b'<Response><Say tone="a">a</Say></Response>', XML, 12200),
        (b"<Response><Gather><Redirect>/a</Redirect></Gather></Response>", XML, 12200),
        (b"<Response><Gather><Gather/></Gather></Response>", XML, 12200),
        (b"<Response><Pause>a</Pause></Response>", XML, 12200),
        (b"<Response><Say/></Response>", XML, 13520),
        (b"<Response><Say>  \n </Say></Response>", XML, 13520),
        (b'<Response><Say><break time="1s"/></Say></Response>', XML, 13520),
        (b"<Response><Say>" + b"a" * 4097 + b"</Say></Response>", XML, 13521),
        (
            b'<Response><Say voice="Polly.Lea">' + b"a" * 3001 + b"</Say></Response>",
            XML,
            13521,
        ),
        (b'<Response><Say voice="Polly.Nobody">a</Say></Response>', XML, 13512),
        (b'<Response><Say language="fr">a</Say></Response>', XML, 13511),
        (b'<Response><Say loop="-1">a</Say></Response>', XML, 13510),
        (b'<Response><Say><prosody rate="80%"><b>a</b></prosody></Say></Response>', XML, 12200),
        (b'<Response><Say>a<break time="soon"/></Say></Response>', XML, 12200),
        (b'<Response><Say>a<break time="11s"/></Say></Response>', XML, 12200),
        (b'<Response><Gather timeout="0"/></Response>', XML, 13313),
        (b'<Response><Gather timeout="five"/></Response>', XML, 13313),
        (b'<Response><Gather numDigits="0"/></Response>', XML, 13314),
        (b'<Response><Gather finishOnKey="##"/></Response>', XML, 13310),
        (b'<Response><Gather input="keys"/></Response>', XML, 13335),
        (b'<Response><Gather method="PUT"/></Response>', XML, 13312),
        (b'<Response><Gather actionOnEmptyResult="yes"/></Response>', XML, 12200),
        (b'<Response><Pause length="-1"/></Response>', XML, 13610),
        (b'<Response><Reject reason="tired"/></Response>', XML, 12200),
    ],
)
def test_refuses(body, content_type, code):
    with pytest.raises(TwimlError) as caught:
        parse(body, content_type)
    assert caught.value.code == code, caught.value.message


@pytest.mark.parametrize(
    ("voice", "words"),
    [
        ("Polly.Lea-Neural", "<emphasis>a</emphasis>"),
        ("Polly.Lea-Neural", '<prosody pitch="high">a</prosody>'),
        ("Polly.Lea-Neural", '<prosody rate="90%"><emphasis>a</emphasis></prosody>'),
        ("Polly.Lea-Neural", '<say-as interpret-as="characters">a</say-as>'),
        ("Polly.Lea-Neural", '<say-as interpret-as="spell-out">a</say-as>'),
        ("Polly.Lea-Generative", '<emphasis level="strong">a</emphasis>'),
        ("Google.fr-FR-Chirp3-HD-Kore", 'a<break time="1s"/>'),
        ("Google.fr-FR-Neural2-A", '<say-as interpret-as="digits">12</say-as>'),
        ("woman", "<p>a</p>"),
        ("Polly.Lea", "<prosody>a</prosody>"),
        ("Polly.Lea", '<prosody rate="10%">a</prosody>'),
        ("Polly.Lea", '<prosody rate="250%">a</prosody>'),
        ("Polly.Lea", '<prosody rate="slower">a</prosody>'),
        ("Polly.Lea", "<say-as>12</say-as>"),
        ("Polly.Lea", '<say-as interpret-as="digits">douze</say-as>'),
        ("Polly.Lea", '<say-as interpret-as="digits"> </say-as>'),
        ("Polly.Lea", '<say-as interpret-as="date">12-03-1942</say-as>'),
        ("Polly.Lea", '<say-as interpret-as="date" format="dmy">31-02-1942</say-as>'),
        ("Polly.Lea", '<say-as interpret-as="date" format="dm">12-03-1942</say-as>'),
        ("Polly.Lea", '<say-as interpret-as="date" format="jma">12-03-1942</say-as>'),
    ],
)
def test_a_voice_refuses_what_its_maker_does_not_list(voice, words):
    with pytest.raises(TwimlError) as caught:
        play(f'<Say language="fr-FR" voice="{voice}">Un {words}</Say>')
    assert caught.value.code == 13520, caught.value.message


def test_a_telephone_number_is_said_as_one_only_in_languages_that_have_it():
    said = '<say-as interpret-as="telephone">0612345678</say-as>'
    assert play(f'<Say language="fr-FR" voice="Polly.Lea-Neural">{said}</Say>')
    with pytest.raises(TwimlError):
        play(f'<Say language="nb-NO" voice="Polly.Ida-Neural">{said}</Say>')


@pytest.mark.parametrize(
    ("language", "inner", "text", "aloud"),
    [
        ("fr-FR", ("date", "dmy", "12-03-1942"), "12 mars 1942", "12 mars 1942"),
        ("fr-FR", ("date", "dmy", "01-03-1942"), "1er mars 1942", "1er mars 1942"),
        ("fr-FR", ("date", "dm", "01-12"), "1er décembre", "1er décembre"),
        ("en-GB", ("date", "dm", "26-11"), "26 November", "26 November"),
        ("en-GB", ("date", "mdy", "3/12/1942"), "12 March 1942", "12 March 1942"),
        ("es-ES", ("date", "dmy", "12-03-1942"), "12 de marzo de 1942", "12 de marzo de 1942"),
        ("fr-FR", ("date", "dm", "29-02"), "29 février", "29 février"),
        ("fr-FR", ("digits", "", "06"), "06", "0 6"),
        ("fr-FR", ("digits", "", "7 5 0 1 1"), "7 5 0 1 1", "7 5 0 1 1"),
        ("fr-FR", ("cardinal", "", "45"), "45", "45"),
    ],
)
def test_digits_and_dates_are_heard_as_the_voice_says_them(language, inner, text, aloud):
    how, pattern, written = inner
    told = f' format="{pattern}"' if pattern else ""
    said = f'<say-as interpret-as="{how}"{told}>{written}</say-as>'
    (verb,) = play(f'<Say language="{language}" voice="Polly.Lea-Neural">{said}</Say>')
    assert verb.text == text
    assert [piece.text for piece in verb.pieces] == [aloud]


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "Text/XML; charset=utf-8"])
def test_accepts_both_content_types(content_type):
    assert play("<Hangup/>", content_type)[0].name == "Hangup"


def test_takes_a_declaration_comments_and_an_empty_response():
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- nothing --><Response/>\n'
    assert parse(body, XML) == ()


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("Bonjour,\n   Madame.", "Bonjour, Madame."),
        ('Un<break time="500ms"/>deux', "Un deux"),
        ('<prosody rate="85%">Lentement</prosody> bien', "Lentement bien"),
        ('<say-as interpret-as="digits">0452</say-as>', "0452"),
        ("<p>Un.</p><s>Deux.</s>", "Un. Deux."),
        ('<emphasis level="strong">Trois</emphasis> !', "Trois !"),
        ('<lang xml:lang="en-GB">four</lang>', "four"),
        ('<sub alias="Société nationale">SNCF</sub>.', "Société nationale."),
        ('<phoneme alphabet="ipa" ph="sɛ̃k">cinq</phoneme>', "cinq"),
        ("<w>six</w>", "six"),
    ],
)
def test_says_ssml_as_it_is_heard(inner, text):
    assert play(f"<Say>{inner}</Say>")[0].text == text


def test_speech_takes_time():
    assert play(f"<Say>{'a' * 30}</Say>")[0].speech_s == pytest.approx(2.0)
    assert play(f'<Say loop="2">{"a" * 30}<break time="1s"/></Say>')[0].speech_s == pytest.approx(6)


@pytest.mark.parametrize(
    ("inner", "pieces"),
    [
        ("Bonjour.", [("Bonjour.", 1, "", 0)]),
        (
            'Un <break time="400ms"/> deux, <break strength="strong"/>trois',
            [
                ("Un", 1, "", 0),
                ("", 1, "", 0.4),
                ("deux,", 1, "", 0),
                ("", 1, "", 0.75),
                ("trois", 1, "", 0),
            ],
        ),
        (
            '<prosody rate="85%"> Un </prosody><prosody rate="slow">deux</prosody> trois',
            [("Un", 0.85, "", 0), ("deux", 0.8, "", 0), ("trois", 1, "", 0)],
        ),
        ('<prosody rate="80%"><prosody rate="50%">Un</prosody></prosody>', [("Un", 0.4, "", 0)]),
        (
            'Pour <lang xml:lang="en-GB">English, <emphasis>press</emphasis> 3</lang>.',
            [("Pour", 1, "", 0), ("English, press 3", 1, "en-GB", 0), (".", 1, "", 0)],
        ),
        ('La <sub alias="Société">S</sub> dit <w>six</w>.', [("La Société dit six.", 1, "", 0)]),
    ],
)
def test_a_say_is_cut_where_the_voice_changes_or_pauses(inner, pieces):
    found = play(f"<Say>{inner}</Say>")[0].pieces
    assert [(p.text, pytest.approx(p.rate), p.language, p.pause_s) for p in found] == pieces
