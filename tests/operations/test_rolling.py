"""One machine after the other gets the next version, and all stops where one does not come back."""

from __future__ import annotations

import http.server
import threading

from dataclasses import dataclass, field

import pytest

from deploy import rolling
from deploy.rolling import Node, Rolling, Steps, Stopped

NODES = [Node(name, f"http://{name}") for name in ("web1", "web2", "web3")]
STEPS = Steps("replace {node}", "drain {node}", "join {node}")


@dataclass
class Machines:
    """Web servers that need some seconds after they were replaced; a broken one never answers."""

    broken: str = ""
    refuses: str = ""
    seconds: float = 0.0
    did: list[str] = field(default_factory=list)
    up_at: dict[str, float] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def run(self, command: str) -> tuple[int, str]:
        step, name = command.split()
        self.did.append(command)
        if command == self.refuses:
            return 3, "no such package"
        if step == "replace":
            self.up_at[name] = float("inf") if name == self.broken else self.seconds + 7
        return 0, ""

    def ready(self, url: str) -> tuple[int, str]:
        name = url.removeprefix("http://")
        if self.seconds < self.up_at.get(name, 0.0):
            return 503, "the store does not answer"
        return 200, "ready"

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def roll(self) -> None:
        Rolling(
            NODES,
            STEPS,
            run=self.run,
            ready=self.ready,
            ticks=lambda: self.seconds,
            wait=self.wait,
            say=self.said.append,
        ).roll()


def test_each_is_taken_out_replaced_waited_for_and_put_back():
    machines = Machines()
    machines.roll()
    assert machines.did == [
        f"{step} {node.name}" for node in NODES for step in ("drain", "replace", "join")
    ]
    # Seven until each is up, and three good answers in a row.
    assert machines.seconds == 3 * (7 + 2)


def test_it_stops_where_one_does_not_come_back_and_says_what_has_which_version():
    machines = Machines(broken="web2")
    with pytest.raises(Stopped) as stopped:
        machines.roll()
    assert str(stopped.value) == (
        "web2: did not come back within 120 s: /readyz says 503 the store does not answer; it is"
        " out, web1 has the next version, web3 the one before, and nothing more was done"
    )
    assert "join web2" not in machines.did
    assert not any("web3" in one for one in machines.did)


def test_a_command_that_fails_stops_it_too():
    machines = Machines(refuses="replace web1")
    with pytest.raises(Stopped, match=r"--replace ended with 3 \(no such package\); it is out, no"):
        machines.roll()
    assert machines.did == ["drain web1", "replace web1"]


def test_nothing_is_done_unless_all_are_ready():
    machines = Machines(up_at={"web3": 1.0})
    with pytest.raises(Stopped, match="web3 is not ready"):
        machines.roll()
    assert machines.did == []


def test_a_name_cannot_become_a_command(capsys: pytest.CaptureFixture[str]):
    did: list[str] = []
    nodes = [Node("a; rm -rf /", "http://a")]

    def run(command: str) -> tuple[int, str]:
        did.append(command)
        return 0, ""

    Rolling(nodes, Steps("up {node}"), run=run, ready=lambda _: (200, ""), steady=1).roll()
    assert did == ["up 'a; rm -rf /'"]


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b"ready\n")

    def log_message(self, *_: object) -> None:
        pass


def test_as_a_command_with_a_server(tmp_path, capfd: pytest.CaptureFixture[str]):
    server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    node = f"web1=http://127.0.0.1:{server.server_port}"
    replace = f"echo {{node}} >{tmp_path}/did"
    try:
        assert rolling.main(["--node", node, "--steady", "1", "--replace", replace]) == 0
        assert rolling.main(["--node", node, "--replace", "exit 4", "--steady", "1"]) == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (tmp_path / "did").read_text() == "web1\n"
    assert "--replace ended with 4" in capfd.readouterr().err
    # Nobody answers there any more.
    assert rolling.main(["--node", node, "--replace", "true"]) == 1
    assert "nobody answers" in capfd.readouterr().err
