"""Telephones of others: baresip and sipp, each in a folder of its own, each with an ear."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import wave

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from exchange.sip.parts import FRAME, RATE, Sound, pcm_of
from exchange.testing.ports import free_port
from tests.sip.tones import tone
from tests.sip.town import PATIENCE_S, eventually

MODULES = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")
# Nobody listens to the tones that a baresip makes for who holds it. Its player of sound files ends
# the ringing tone while another thread still writes it: once in some 400 calls it crashed there.
NO_TONES = """ringback_disabled yes
ring_aufile none
callwaiting_aufile none
ringback_aufile none
notfound_aufile none
busy_aufile none
error_aufile none
"""
# Seconds that a telephone of a test can talk; its sound is a file.
TALKS_S = 240
# What stands before the samples in a file of baresip's, and in a packet.
HEADER, RTP_HEADER = 44, 12


def started(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start a program in a folder; what it says is in `log` there."""
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, kindly at first."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Baresip:
    """A baresip that says a tone all the time, and writes what it hears into a file."""

    def __init__(
        self, folder: Path, user: str, *, server: str = "", password: str = "", hertz: float = 0
    ) -> None:
        self.folder, self._file = folder, folder / "heard.wav"
        folder.mkdir()
        self._control = free_port()
        modules = next((one for one in MODULES if Path(one).is_dir()), MODULES[0])
        with wave.open(str(folder / "says.wav"), "wb") as says:
            says.setnchannels(1)
            says.setsampwidth(2)
            says.setframerate(RATE)
            second = tone((hertz,), 1) if hertz else Sound.silent(1)
            says.writeframes(second.pcm * TALKS_S)
        (folder / "config").write_text(
            f"""poll_method epoll
{NO_TONES}sip_listen 127.0.0.1:0
audio_player aufile,{self._file}
audio_source aufile,{folder / "says.wav"}
audio_alert aufile,/dev/null
net_interface 127.0.0.1
module_path {modules}
module g711.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{self._control}
""",
            "utf-8",
        )
        domain = server or "127.0.0.1"
        registers = f"auth_pass={password};regint=60" if password else "regint=0"
        (folder / "accounts").write_text(
            f"<sip:{user}@{domain}>;{registers};dtmfmode=rtpevent;audio_codecs=pcmu/8000/1\n",
            "utf-8",
        )
        (folder / "contacts").write_text("\n", "utf-8")
        self.process = started(["baresip", "-f", str(folder)], folder)
        try:
            self._line = eventually(self._connects, "baresip is ready")
        except BaseException:
            end(self.process)
            raise
        self._line.settimeout(PATIENCE_S)
        self._left = b""
        self.events: list[dict[str, Any]] = []

    def _connects(self) -> socket.socket | None:
        assert self.process.poll() is None, (self.folder / "log").read_text("utf-8", "replace")
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", self._control), timeout=1)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._line.close()
        end(self.process)

    def dies(self) -> None:
        """Be gone without a word."""
        self.process.kill()
        self.process.wait()

    def does(self, command: str, parameters: str = "") -> None:
        """Give a command of its menu, and wait until it says that it has done it."""
        message = json.dumps({"command": command, "params": parameters, "token": "t"}).encode()
        self._line.sendall(b"%d:%s," % (len(message), message))
        while not (told := self.hears_of()).get("response"):
            self.events.append(told)
        assert told["ok"], told

    def hears_of(self) -> dict[str, Any]:
        """The next thing that it tells; a netstring of JSON."""
        while b":" not in self._left:
            self._left += self._told()
        length, _, rest = self._left.partition(b":")
        while len(rest) <= int(length):
            rest += self._told()
        self._left = rest[int(length) + 1 :]
        return dict(json.loads(rest[: int(length)]))

    def _told(self) -> bytes:
        told = self._line.recv(4096)
        assert told, (
            f"baresip ended by itself ({self.process.wait(PATIENCE_S)}): "
            f"{(self.folder / 'log').read_text('utf-8', 'replace')}"
        )
        return told

    def waits_for(self, kind: str) -> dict[str, Any]:
        """Wait for an event, as CALL_ESTABLISHED."""
        for told in self.events:
            if told.get("type") == kind:
                self.events.remove(told)
                return told
        while (told := self.hears_of()).get("type") != kind:
            self.events.append(told)
        return told

    def presses(self, keys: str) -> None:
        for key in keys:
            self.does("sndcode", key)

    def heard(self) -> bytes:
        """All that it has heard, as 16-bit samples."""
        with suppress(OSError):
            pcm = self._file.read_bytes()[HEADER:]
            return pcm[: len(pcm) // 2 * 2]
        return b""


@dataclass
class Sipp:
    """A sipp that rings once and presses groups of keys in SIP INFO, each when it is told to.

    Its sound goes to a socket of the test's own. It takes orders as one half of a conference in
    sipp's way (3pcc): each lets it go on to the next group.
    """

    folder: Path
    server: tuple[str, int]
    user: str
    groups: Sequence[str]
    _heard: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ear.bind(("127.0.0.1", 0))
        self._ear.settimeout(0)
        self._orders = free_port()
        scenario = self.folder / "keys.xml"
        scenario.write_text(self._scenario(), "ascii")
        orders = ("-3pcc", f"127.0.0.1:{self._orders}")
        where = "{}:{}".format(*self.server)
        self.process = started(
            [
                *("sipp", "-sf", str(scenario), "-m", "1", "-nostdin", "-i", "127.0.0.1"),
                *("-s", "+33974750001", "-cid_str", "sipp-%u", *orders, where),
            ],
            self.folder,
        )
        try:
            self._line = eventually(self._connects, "sipp takes orders")
        except BaseException:
            end(self.process)
            self._ear.close()
            raise

    def _connects(self) -> socket.socket | None:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", self._orders), timeout=1)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self._line.close()
        self._ear.close()
        end(self.process)

    def ends(self) -> int:
        """Wait for the end of the call; 0 where all went as the scenario says."""
        return self.process.wait(PATIENCE_S)

    def presses(self, keys: str) -> None:
        """Let it go on to the next group, which is this."""
        self._line.sendall(b"Call-ID: sipp-1\r\n\r\n\x1b")

    def heard(self) -> bytes:
        """All that it has heard, as 16-bit samples."""
        with suppress(BlockingIOError):
            while True:
                packet = self._ear.recv(2048)
                if len(packet) == RTP_HEADER + FRAME:
                    self._heard += packet[RTP_HEADER:]
        return pcm_of(bytes(self._heard), "PCMU")

    def _scenario(self) -> str:
        port = self._ear.getsockname()[1]
        sdp = (
            "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
            f"m=audio {port} RTP/AVP 0\na=rtpmap:0 PCMU/8000"
        )
        steps = [
            self._send("INVITE", 1, "", "application/sdp", sdp),
            *(f'<recv response="{one}" optional="true"/>' for one in (100, 180, 183)),
            '<recv response="200"/>',
            self._send("ACK", 1, "[peer_tag_param]"),
        ]
        numbers = itertools.count(2)
        for group in self.groups:
            steps.append("<recvCmd/>")
            for key in group:
                body = f"Signal={key}\nDuration=160"
                kind = "application/dtmf-relay"
                steps += [
                    self._send("INFO", next(numbers), "[peer_tag_param]", kind, body),
                    '<recv response="200"/>',
                ]
        answer = "SIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n"
        steps += [
            '<recv request="BYE"/>',
            f"<send><![CDATA[\n{answer}[last_CSeq:]\nContent-Length: 0\n\n]]></send>",
        ]
        whole = "\n".join(steps)
        return f'<?xml version="1.0" encoding="us-ascii"?>\n<scenario>{whole}</scenario>\n'

    def _send(self, method: str, number: int, tag: str, kind: str = "", body: str = "") -> str:
        uri = "sip:[service]@[remote_ip]:[remote_port]"
        own = f"<sip:{self.user}@[local_ip]:[local_port]>"
        lines = [
            f"{method} {uri} SIP/2.0",
            "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]",
            f"From: {own};tag=[call_number]",
            f"To: <{uri}>{tag}",
            "Call-ID: [call_id]",
            f"CSeq: {number} {method}",
            f"Contact: {own}",
            "Max-Forwards: 70",
            f"Content-Type: {kind}\nContent-Length: [len]" if kind else "Content-Length: 0",
            "",
            body,
        ]
        again = "" if method == "ACK" else ' retrans="500"'
        return f"<send{again}><![CDATA[\n" + "\n".join(lines) + "\n]]></send>"
