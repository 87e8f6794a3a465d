"""A hundred calls of telephones, without one: what is asked, and what is said without the extra."""

from __future__ import annotations

import urllib.parse
import urllib.request

from pathlib import Path

from bench import sip
from exchange.twiml import parse


def test_without_the_extra_it_says_so_and_measures_nothing(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("exchange.sip.extra.missing", lambda: ["aiortp"])
    said: list[str] = []
    assert sip.measure(tmp_path, said.append) == ({}, [])
    assert said == ["telephones over SIP are left out: `make sip` installs what they need"]


def test_each_caller_is_asked_three_times_and_what_they_type_is_written_down():
    with sip._service() as service:
        path = "/voice/incoming"
        for number in range(sip.QUESTIONS):
            (gather,) = parse(asks(service.port, path, f"{number:04d}" if number else ""), XML)
            assert gather.attributes["numDigits"] == str(sip.KEYS)
            path = gather.attributes["action"]
        (say,) = parse(asks(service.port, path, "9999"), XML)
        assert say.name == "Say"
        assert service.typed == {"+33612000000": ["0001", "0002", "9999"]}


XML = "text/xml; charset=utf-8"


def asks(port: int, path: str, digits: str) -> bytes:
    form = {"From": "+33612000000"} | ({"Digits": digits} if digits else {})
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=10) as answer:
        return bytes(answer.read())
