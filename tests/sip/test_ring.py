"""The scripted SIP caller, against a service that is nothing but a socket and a few lines."""

from __future__ import annotations

import array
import asyncio
import io
import re
import socket
import struct
import xml.etree.ElementTree as ET

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exchange.sip.parts import FRAME, Law, Sound
from tests.sip.tones import loudness, tone
from tools.simulator import outcomes
from tools.simulator.ring import __main__ as ring
from tools.simulator.ring import files, picture
from tools.simulator.ring.handset import Handset, NotAnswered
from tools.simulator.ring.rtp import Traffic
from tools.simulator.ring.script import Caller, Listening, Recording

SOON = 20.0
QUICK = 0.001
PROMPT = tone((440.0,), 0.3)
PAUSE = Sound.silent(0.4)
SHORT = Sound.silent(0.1)
QUIET_S = 0.3


def played(what: Callable[[], Awaitable[Any]]) -> Any:
    """Run it on a loop of its own, and never for long."""

    async def within() -> Any:
        return await asyncio.wait_for(what(), SOON)

    return asyncio.run(within())


@dataclass
class FakeService:
    """Answers one call after the other. For each of `awaited` it speaks, then takes that many keys.

    Its sound comes as fast as the socket takes it; at the end it hangs up.
    """

    awaited: tuple[int, ...]
    refuses_with: int = 0
    loses_first: int = 0
    keys_type: int = 101
    payload: int = 0
    prompt: Sound = PROMPT
    ends: bool = True
    keys: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    acknowledged: int = 0
    byes: int = 0

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        self.sip, self.rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for one, reads in ((self.sip, self._asked), (self.rtp, self._sounds)):
            one.settimeout(0)
            one.bind(("127.0.0.1", 0))
            self.loop.add_reader(one, reads)
        self.turn = -1
        self.sequence = 65_530
        self.timestamp = 2**32 - 4 * FRAME
        self.seen: set[int] = set()
        self.over = asyncio.Event()
        return self

    async def __aexit__(self, *problem):
        for one in (self.sip, self.rtp):
            self.loop.remove_reader(one)
            one.close()

    @property
    def address(self):
        return self.sip.getsockname()

    def _asked(self) -> None:
        data, self.caller = self.sip.recvfrom(4096)
        text = data.decode()
        method = text.split(" ", 1)[0]
        self.asked.append(method)
        if self.loses_first:
            self.loses_first -= 1
        elif method == "INVITE":
            self._is_rung(text)
        elif method == "ACK":
            self.acknowledged += 1
            if self.turn < 0 and not self.refuses_with:
                self._speaks()
        elif method == "BYE":
            self.byes += 1
            self._answers(text, "200 OK")
            self.over.set()
        elif method == "INFO":
            self._answers(text, "200 OK")
            self._is_pressed(found("Signal=(.)", text))
        elif method == "SIP/2.0":
            self.over.set()

    def _is_rung(self, text: str) -> None:
        self.invite = text
        if self.refuses_with:
            self._answers(text, f"{self.refuses_with} No")
            return
        self.theirs = ("127.0.0.1", int(found(r"m=audio (\d+)", text)))
        port = self.rtp.getsockname()[1]
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP {self.payload} {self.keys_type}\r\n"
            f"a=rtpmap:{self.keys_type} telephone-event/8000\r\n"
        )
        self._answers(text, "180 Ringing")
        more = (
            f"Contact: <sip:service@127.0.0.1:{self.address[1]}>\r\n"
            "Content-Type: application/sdp\r\n"
        )
        self._answers(text, "200 OK", more, sdp)

    def _answers(self, text: str, status: str, more: str = "", body: str = "") -> None:
        kept = [line for line in text.split("\r\n") if re.match("(Via|From|Call-ID|CSeq):", line)]
        to = found("(?m)^(To: [^\r\n]+)", text)
        to = to if "tag=" in to else f"{to};tag=theirs"
        head = "\r\n".join([f"SIP/2.0 {status}", *kept, to])
        head += f"\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        self.sip.sendto((head + body).encode(), self.caller)

    def _speaks(self) -> None:
        self.turn += 1
        if self.turn < len(self.awaited):
            law: Law = "PCMA" if self.payload else "PCMU"
            self._plays(Sound(self.prompt.ulaw + PAUSE.ulaw).coded(law))
        elif self.ends:
            self._hangs_up()

    def _plays(self, coded: bytes) -> None:
        for at in range(0, len(coded), FRAME):
            header = struct.pack("!BBHII", 0x80, self.payload, self.sequence, self.timestamp, 7)
            self.sequence = (self.sequence + 1) % 2**16
            self.timestamp = (self.timestamp + FRAME) % 2**32
            self.rtp.sendto(header + coded[at : at + FRAME], self.theirs)

    def _sounds(self) -> None:
        packet, _ = self.rtp.recvfrom(2048)
        _, kind, _, timestamp, _ = struct.unpack_from("!BBHII", packet)
        if kind & 0x7F != self.keys_type or timestamp in self.seen:
            return
        self.seen.add(timestamp)
        self._is_pressed("0123456789*#"[packet[12]])

    def _is_pressed(self, key: str) -> None:
        self.keys.append(key)
        if len(self.keys) == sum(self.awaited[: self.turn + 1]):
            self._speaks()

    def _hangs_up(self) -> None:
        to, call = (found(f"(?m)^{name}: ([^\r\n]+)", self.invite) for name in ("From", "Call-ID"))
        contact = found("(?m)^Contact: <([^>]+)>", self.invite)
        self.sip.sendto(
            (
                f"BYE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKbye\r\n"
                f"From: <sip:service@127.0.0.1>;tag=theirs\r\nTo: {to}\r\n"
                f"Call-ID: {call}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            self.caller,
        )


def found(pattern: str, text: str) -> str:
    """The first group of a pattern that must be there."""
    match = re.search(pattern, text)
    assert match, f"no {pattern} in {text}"
    return match[1]


def rings(
    service: FakeService,
    *groups: str,
    longest_s: float = 10.0,
    leaves: bool = False,
) -> Any:
    """Ring the service and play these groups of keys; returns what came of it."""

    async def call():
        script = ring.key_groups(",".join(groups)) if groups else []
        caller = Caller(script, quiet_s=QUIET_S, longest_s=longest_s, leaves=leaves)
        async with (
            service,
            Handset(service.address, "+33612345678", pace_s=QUICK) as handset,
        ):
            rung = await caller.rings(handset, "+33974750001")
            await service.over.wait()
            return rung

    return played(call)


# ---------------------------------------------------------------- a call


def test_each_group_is_pressed_when_the_voice_has_fallen_silent():
    service = FakeService(awaited=(1, 8, 5))
    rung = rings(service, "1", "12031942", "75011")
    assert service.keys == list("11203194275011")
    assert rung.pressed == "11203194275011"
    assert (rung.prompts, rung.left_over, rung.ended) == (3, (), "they hung up")


def test_an_empty_group_lets_a_prompt_pass():
    service = FakeService(awaited=(1,), prompt=Sound(PROMPT.ulaw + PAUSE.ulaw + PROMPT.ulaw))
    rung = rings(service, "", "1")
    assert service.keys == ["1"]
    assert rung.prompts == 2


def test_keys_may_be_pressed_into_a_prompt():
    service = FakeService(awaited=(2,), prompt=tone((440.0,), 5))
    rung = rings(service, "12@0.2")
    assert service.keys == ["1", "2"]
    assert (rung.prompts, rung.left_over) == (0, ())


def test_whoever_leaves_hangs_up_when_all_is_said():
    service = FakeService(awaited=(1, 1))
    rung = rings(service, "1", leaves=True)
    assert (rung.ended, rung.prompts, service.byes) == ("we hung up", 2, 1)


def test_a_pause_between_two_sentences_does_not_end_a_prompt():
    service = FakeService(awaited=(1,), prompt=Sound(PROMPT.ulaw + SHORT.ulaw + PROMPT.ulaw))
    assert rings(service, "1").prompts == 1


def test_keys_go_out_with_the_payload_type_of_the_answer():
    service = FakeService(awaited=(3,), keys_type=96)
    rings(service, "*0#")
    assert service.keys == ["*", "0", "#"]


def test_an_answer_in_a_law_is_heard_in_that_law():
    service = FakeService(awaited=(1,), payload=8)
    rung = rings(service, "5")
    assert service.keys == ["5"]
    assert loudness(Sound(rung.recording.theirs.ulaw[: len(PROMPT.ulaw)]), 440) > 4000


def test_a_message_that_is_lost_is_sent_again():
    service = FakeService(awaited=(1,), loses_first=1)
    rings(service, "1")
    assert service.asked[:2] == ["INVITE", "INVITE"]


def test_a_refusal_is_told_with_its_status_and_acknowledged():
    service = FakeService(awaited=(), refuses_with=486)
    with pytest.raises(NotAnswered) as refused:
        rings(service, "1")
    assert refused.value.status == 486


def test_a_call_that_goes_on_for_ever_is_ended_by_the_caller():
    service = FakeService(awaited=(), ends=False)
    rung = rings(service, longest_s=0.1)
    assert (rung.ended, service.byes) == ("time was up", 1)


# ---------------------------------------------------------------- hearing


def test_noise_is_no_speech_and_a_click_no_prompt():
    listening = Listening(QUIET_S)
    hiss = array.array("h", [60, -60] * 80).tobytes()
    click = array.array("h", [9000, -9000] * 80).tobytes()
    frames = [hiss] * 50 + [click] + [hiss] * 50
    assert not any(listening.hears(frame) for frame in frames)


def test_a_late_packet_lies_where_its_timestamp_says():
    recording = Recording(60)
    one, two, three = (tone((hertz,), 0.02) for hertz in (300.0, 400.0, 500.0))
    recording.hears(1.0, 2**32 - FRAME, one)
    recording.hears(1.04, FRAME, three)
    recording.hears(1.05, 0, two)
    assert recording.theirs.ulaw[8000:] == one.ulaw + two.ulaw + three.ulaw


def test_a_recording_has_an_end():
    recording = Recording(1.0)
    recording.says(0.9, tone((300.0,), 5))
    recording.hears(500.0, 0, PROMPT)
    assert recording.samples == 8000


def test_lost_and_late_packets_are_counted_also_where_the_number_goes_round():
    traffic = Traffic()
    for at, sequence in enumerate((65_534, 65_535, 2, 1, 5)):
        traffic.came(sequence, at * 0.02 + (0.1 if sequence == 5 else 0))
    # 0, 3 and 4 never came; 1 came late.
    assert (traffic.packets, traffic.lost, traffic.late) == (5, 3, 1)
    assert traffic.gap_s == pytest.approx(0.12)


# ---------------------------------------------------------------- what is kept


def test_a_wav_has_the_caller_left_and_the_service_right(tmp_path: Path):
    file = tmp_path / "new" / "call.wav"
    files.write(file, PAUSE, PROMPT)
    data = file.read_bytes().partition(b"data")[2][4:]
    left, right = Sound(data[0::2]), Sound(data[1::2])
    assert (left, right) == (PAUSE, Sound(PROMPT.ulaw.ljust(len(PAUSE.ulaw), b"\xff")))
    # RIFF, WAVE, format 7 (µ-law), two channels, 8,000 samples of two bytes a second.
    assert file.read_bytes()[:12:4] == b"R" + bytes([len(file.read_bytes()) - 8 & 0xFF]) + b"W"
    assert struct.unpack_from("<HHIIHH", file.read_bytes(), 20) == (7, 2, 8000, 16000, 2, 8)


def test_the_picture_has_every_key_where_it_was_pressed():
    keys = [(2.0, "1"), (31.0, "7"), (31.2, "5"), (31.4, "0"), (40.0, "#")]
    drawn = ET.fromstring(picture.draw(Sound.silent(45), keys, "A call of 45 s"))  # noqa: S314
    space = "{http://www.w3.org/2000/svg}"
    chips = [text.text for text in drawn.iter(f"{space}text") if text.get("class") == "d"]
    assert chips == ["1", "750", "#"]
    lines = [line for line in drawn.iter(f"{space}line") if line.get("class") == "k"]
    assert [float(line.attrib["x1"]) for line in lines] == pytest.approx(
        [52 + 824 * at / 30 for at in (2.0, 1.0, 10.0)], abs=0.1
    )
    assert drawn.attrib["viewBox"].startswith("0 0 900 ")


def test_the_waveform_is_tall_where_somebody_speaks():
    voice = Sound(Sound.silent(5).ulaw + tone((440.0,), 5, 20_000).ulaw + Sound.silent(5).ulaw)
    points = found(r'<polygon class="w" points="([^"]+)"', picture.draw(voice, [], "x"))
    tall: dict[int, int] = {}
    for point in points.split():
        x, y = map(int, point.split(","))
        tall[x] = max(tall.get(x, 0), abs(y - 118))
    assert {tall[x] for x in range(54, 180, 2)} == {0}
    assert min(tall[x] for x in range(194, 320, 2)) > 25


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--keys", "1,2a"], "--keys: '2a' holds something that is no key."),
        (["--keys", "1@x"], "--keys: 'x' is no number of seconds."),
        (["--sip", "nowhere"], "--sip: 'nowhere' is not HOST:PORT."),
        (["--from", "12"], "--from: '12' is not a telephone number."),
        (["--silence", "60"], "--silence goes from 0.1 to 10 seconds"),
    ],
)
def test_wrong_arguments_are_one_sentence(capsys, arguments, sentence):
    assert ring.main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_reference_is_read_out_of_a_text():
    texts = ["Bonjour.", "Vos deux rendez-vous : jeudi. Référence 4521000002. Tél. 0974750001"]
    assert outcomes.reference_in(texts) == "4521000002"
    assert outcomes.reference_in(["Appelez le 0974750001"]) is None


def test_where_nobody_answers_it_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tools.simulator.ring.handset.GIVES_UP_S", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{deaf.getsockname()[1]}"
        code = ring.main(
            ["--sip", where, "--wav", str(tmp_path / "a.wav"), "--simulator", "http://127.0.0.1:9"],
            io.StringIO(),
        )
    assert code == 2
    said = capsys.readouterr().err
    assert "was not answered (408" in said
    # A service that was started before the telephones were installed has none.
    assert "started after `make sip`" in said
