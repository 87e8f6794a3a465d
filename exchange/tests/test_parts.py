"""Signatures, segments, numbers, the extracts and the store."""

import json
import socket

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchange import __main__ as server
from exchange import numbers
from exchange.calls import CallRecord
from exchange.openapi import extract
from exchange.segments import segment_count
from exchange.settings import Settings
from exchange.signing import signature
from exchange.store import Store

SHARED = Path(__file__).parents[3] / "shared" / "data"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}


def shared(name) -> Any:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} lies in ../shared/data, which is absent here")
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://mycompany.com/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2#rc=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", "kvajT1Ptam85bY51eRf/AJRuM3w="),
    ],
)
def test_signature_vectors(url, expected):
    assert signature("12345", url, FORM) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
        ("é" * 160, 1), ("€" * 80, 1), ("€" * 81, 2), ("ê" + "a" * 69, 1), ("ê" + "a" * 70, 2),
        ("ê" + "a" * 133, 2), ("ê" + "a" * 134, 3), ("😜" * 35, 1), ("😜" * 36, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
    ],
)  # fmt: skip
def test_segments(text, count):
    assert segment_count(text) == count


def test_published_segment_vectors():
    for vector in shared("sms/segment_vectors.json")["vectors"]:
        if vector["encoding"] in {"GSM-7", "UCS-2"}:
            assert segment_count(vector["body"]) == vector["segments"], vector["name"]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0612345678", "+33612345678"), ("06 12 34 56 78", "+33612345678"),
        ("+33612345678", "+33612345678"), ("0033612345678", "+33612345678"),
        ("0692123456", "+262692123456"), ("0690123456", "+590690123456"),
        ("0639980001", "+33639980001"), ("withheld", "+266696687"),
        ("12", None), ("abc", None), ("+", None),
    ],
)  # fmt: skip
def test_numbers_as_they_are_typed(typed, number):
    assert numbers.to_e164(typed) == number


def test_the_extracts_are_what_the_script_makes():
    openapi = extract.extract_openapi(shared("twilio/twilio_api_v2010.json"))
    assert json.loads(extract.OPENAPI_EXTRACT.read_text("utf-8")) == openapi
    twiml = extract.extract_twiml(shared("twilio/twiml_schema.json"))
    assert json.loads(extract.TWIML_EXTRACT.read_text("utf-8")) == twiml


def test_webhooks_carry_the_names_of_real_ones(ring):
    known = {entry["name"]: set(entry["params"]) for entry in shared("twilio/examples.json")}
    table = {"/in": '<Gather input="dtmf speech" action="/in"/>'}
    call = ring(table)
    assert set(call.requests[0].form) == known["voice-incoming"]
    assert set(call.press("1").requests[-1].form) == known["gather-dtmf"]
    assert set(call.say("Un.").requests[-1].form) == known["gather-speech"]
    withheld = ring(table, sender=numbers.WITHHELD)
    assert set(withheld.requests[0].form) == known["voice-incoming-anonymous"]


def test_the_store_forgets_the_oldest():
    store: Store[CallRecord] = Store(capacity=2)
    now = datetime(2021, 1, 15, tzinfo=UTC)
    for sid in "abc":
        store.add(CallRecord("AC1", "", "", now, sid=sid))
    assert store.get("a") is None
    assert [record.sid for record in store.newest_first()] == ["c", "b"]


def test_settings_follow_the_port(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUBLIC_BASE_URL", "")
    monkeypatch.setenv("PORT", "9000")
    settings = Settings()
    assert settings.rest_port == 9010
    assert settings.public_base == settings.service_base == "http://127.0.0.1:9000"
    monkeypatch.setenv("SIMULATOR_PORT", "9500")
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://allo.example")
    assert (Settings().rest_port, Settings().public_base) == (9500, "https://allo.example")


def test_a_busy_port_is_said_in_one_sentence(monkeypatch, capsys):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(1)
        port = busy.getsockname()[1]
        monkeypatch.setattr("sys.argv", ["exchange", "--port", str(port)])
        assert server.main() == 1
    assert capsys.readouterr().err == f"exchange: port {port} of 127.0.0.1 is already in use.\n"
