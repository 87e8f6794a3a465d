"""Requests are read whole, within limits, before a thread has anything to do with them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.admission.load_shedder import UnderWay
from web.environ import Environ
from web_server import IN_MEMORY, MOST_BYTES, WholeRequests

FORM = "application/x-www-form-urlencoded"


class Headers(list[tuple[str, str]]):
    """As the server gives them: in order, names in small letters."""

    def items(self) -> list[tuple[str, str]]:
        return list(self)

    def get(self, name: str) -> str | None:
        return next((value for key, value in self if key == name), None)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self)


@dataclass
class Scope:
    headers: Headers
    method: str = "POST"
    path: str = "/voice/incoming"
    query_string: str = ""
    client: str = "203.0.113.7:41000"
    server: str = "127.0.0.1:8000"
    scheme: str = "http"


@dataclass
class Client:
    """What the server has of one client: chunks that come, and then an end or nothing more."""

    chunks: list[bytes]
    comes_whole: bool = True
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def __call__(self) -> bytes:
        return b"".join([chunk async for chunk in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if not self.comes_whole:
            await asyncio.Event().wait()

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, dict(headers), body

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.response_bytes(status, headers, body.encode())

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        self.response_bytes(status, headers, Path(file).read_bytes())
        Path(file).unlink()


@pytest.fixture
def short_switches() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def tells(environ: Environ, start_response: Any) -> list[bytes]:
    """An application that says what it was asked, and by which thread it answers."""
    body = environ["wsgi.input"].read().decode()
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    seen |= {"body": body, "thread": threading.current_thread().name}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def sent(client: Client, scope: Scope, app: Any = tells, **given: Any) -> Client:
    """What the client gets."""

    async def serve() -> None:
        requests = WholeRequests(app, 2, **({"seconds": 0.05} | given))
        requests.__rsgi_init__(asyncio.get_running_loop())
        await requests.__rsgi__(scope, client)

    asyncio.run(serve())
    return client


def posted(*chunks: bytes, comes_whole: bool = True, **headers: str) -> tuple[Client, Scope]:
    given = Headers([("content-type", FORM)])
    given += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Client(list(chunks), comes_whole=comes_whole), Scope(given)


def test_a_form_is_there_whole_when_a_thread_begins():
    client = sent(*posted(b"a=1&", b"b=2", content_length="7"))
    told = json.loads(client.body)
    assert (client.status, told["body"], told["CONTENT_LENGTH"]) == (200, "a=1&b=2", "7")
    assert (told["REQUEST_METHOD"], told["PATH_INFO"]) == ("POST", "/voice/incoming")
    assert (told["REMOTE_ADDR"], told["CONTENT_TYPE"]) == ("203.0.113.7", FORM)
    assert told["thread"].startswith("answers-")


def test_a_worker_begins_its_work_once_before_anybody_asks():
    begun: list[int] = []

    async def serve() -> None:
        made = WholeRequests(tells, 1, begins=lambda: begun.append(threading.get_ident()))
        made.__rsgi_init__(asyncio.get_running_loop())

    asyncio.run(serve())
    assert begun == [threading.get_ident()]


def test_without_a_length_it_is_read_to_its_end():
    told = json.loads(sent(*posted(b"a=1", b"&b=2", transfer_encoding="chunked")).body)
    assert (told["body"], told["CONTENT_LENGTH"]) == ("a=1&b=2", "7")


@pytest.mark.parametrize("headers", [{"content_length": "10"}, {"transfer_encoding": "chunked"}])
def test_what_does_not_come_in_time_is_closed_and_reaches_no_thread(headers: dict[str, str]):
    reached = list[Environ]()
    client = sent(*posted(b"a=1", comes_whole=False, **headers), app=reached.append)
    assert (client.status, client.headers["Connection"], reached) == (408, "close", [])


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([], {"content_length": str(MOST_BYTES + 1)}),
        ([b"x" * MOST_BYTES, b"x"], {"transfer_encoding": "chunked"}),
    ],
)
def test_what_is_too_long_is_closed_before_it_is_read(chunks: list[bytes], headers: dict[str, str]):
    reached = list[Environ]()
    client = sent(*posted(*chunks, comes_whole=False, **headers), app=reached.append, seconds=9)
    assert (client.status, client.headers["Connection"], reached) == (413, "close", [])


def test_a_client_that_leaves_in_the_middle_reaches_no_thread():
    class Leaves(Client):
        async def __call__(self) -> bytes:
            raise RuntimeError("stream closed")

    reached = list[Environ]()
    client, scope = posted(content_length="10")
    sent(Leaves([]), scope, app=reached.append)
    assert (client.body, reached) == (b"", [])


def test_a_body_of_a_page_that_is_only_read_is_not_waited_for():
    scope = Scope(Headers([("content-length", "10")]), method="GET", path="/")
    told = json.loads(sent(Client([], comes_whole=False), scope).body)
    assert (told["body"], told["CONTENT_LENGTH"]) == ("", "0")


def test_a_header_with_an_underscore_is_not_taken_for_the_proxys():
    scope = Scope(
        Headers(
            [
                ("x-forwarded-for", "198.51.100.1"),
                ("x_forwarded_for", "203.0.113.9"),
                ("cookie", "a=1"),
                ("cookie", "b=2"),
                ("x-more", "1"),
                ("x-more", "2"),
            ]
        ),
        method="GET",
        path="/é",
        client="[2001:db8::1]:5000",
    )
    told = json.loads(sent(Client([]), scope).body)
    assert told["HTTP_X_FORWARDED_FOR"] == "198.51.100.1"
    assert (told["HTTP_COOKIE"], told["HTTP_X_MORE"]) == ("a=1;b=2", "1,2")
    assert told["REMOTE_ADDR"] == "2001:db8::1"
    assert told["PATH_INFO"].encode("latin-1").decode() == "/é"


def test_a_long_answer_goes_by_a_file_and_a_short_one_does_not():
    closed = []

    class Chunks:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x" * IN_MEMORY, b"yz", b"end"])

        def close(self) -> None:
            closed.append(True)

    def long(_environ: Environ, start_response: Any) -> Chunks:
        start_response("206 Partial Content", [("X-Kept", "yes")])
        return Chunks()

    client = sent(Client([]), Scope(Headers(), method="GET"), app=long)
    assert (client.status, client.headers["X-Kept"]) == (206, "yes")
    assert client.body == b"x" * IN_MEMORY + b"yzend"
    assert closed == [True]


def test_an_application_that_fails_is_an_answer_and_the_thread_goes_on():
    def fails(environ: Environ, start_response: Any) -> list[bytes]:
        raise LookupError

    assert sent(Client([]), Scope(Headers(), method="GET"), app=fails).status == 500


def test_what_needs_no_thread_is_answered_at_once():
    def at_once(environ: Environ, start_response: Any) -> list[bytes] | None:
        if environ["PATH_INFO"] != "/salle":
            return None
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]

    scope = Scope(Headers(), method="GET", path="/salle")
    assert sent(Client([]), scope, at_once=at_once).body == b"MainThread"
    other = json.loads(sent(Client([]), Scope(Headers(), method="GET"), at_once=at_once).body)
    assert other["thread"].startswith("answers-")


def test_a_failure_to_answer_at_once_is_left_to_a_thread():
    def at_once(environ: Environ, start_response: Any) -> list[bytes] | None:
        raise LookupError

    answer = json.loads(sent(Client([]), Scope(Headers(), method="GET"), at_once=at_once).body)
    assert answer["thread"].startswith("answers-")


def test_steps_of_calls_wait_without_a_thread_and_hold_up_no_page():
    inside, most, named = [0], [0], set[str]()
    counting, both_are_in, leave = threading.Lock(), threading.Event(), threading.Event()

    def slow(environ: Environ, start_response: Any) -> list[bytes]:
        named.add(threading.current_thread().name)
        if environ["PATH_INFO"].startswith("/voice/"):
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                if inside[0] == 2:
                    both_are_in.set()
            leave.wait(30)
            with counting:
                inside[0] -= 1
        else:
            both_are_in.wait(30)
        start_response("200 OK", [])
        return [b"done"]

    async def serve() -> list[Client]:
        requests = WholeRequests(slow, 20, steps=2)
        requests.__rsgi_init__(asyncio.get_running_loop())
        calls = [posted(b"", content_length="0") for _ in range(12)]
        running = [asyncio.create_task(requests.__rsgi__(scope, one)) for one, scope in calls]
        page, scope = Client([]), Scope(Headers(), method="GET", path="/rendez-vous")
        await requests.__rsgi__(scope, page)
        leave.set()
        await asyncio.gather(*running)
        return [page, *(one for one, _scope in calls)]

    assert [one.status for one in asyncio.run(serve())] == [200] * 13
    assert most == [2]
    # One for the page, and two for all calls.
    assert len(named) == 3


def test_a_step_that_was_given_up_in_line_is_not_answered_and_holds_up_no_other():
    begun, leave = threading.Event(), threading.Event()
    asked: list[str] = []

    def slow(environ: Environ, start_response: Any) -> list[bytes]:
        asked.append(environ["HTTP_X_NAME"])
        begun.set()
        leave.wait(30)
        return tells(environ, start_response)

    async def serve() -> list[int]:
        requests = WholeRequests(slow, 3, steps=1)
        requests.__rsgi_init__(asyncio.get_running_loop())
        calls = [posted(b"", content_length="0", x_name=name) for name in "abc"]
        running = [asyncio.create_task(requests.__rsgi__(scope, one)) for one, scope in calls]
        await asyncio.to_thread(begun.wait, 30)
        running[1].cancel()
        await asyncio.sleep(0)
        leave.set()
        await asyncio.gather(*running, return_exceptions=True)
        return [one.status for one, _scope in calls]

    assert asyncio.run(serve()) == [200, 0, 200]
    assert asked == ["a", "c"]


def test_a_client_that_takes_no_answer_costs_neither_a_thread_nor_a_turn():
    class Gone(Client):
        def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            raise RuntimeError("the stream is closed")

    async def serve() -> list[Client]:
        requests = WholeRequests(tells, 1, steps=1)
        requests.__rsgi_init__(asyncio.get_running_loop())
        calls = [posted(b"", content_length="0") for _ in range(3)]
        calls[0] = Gone([]), calls[0][1]
        await asyncio.gather(*(requests.__rsgi__(scope, one) for one, scope in calls))
        return [one for one, _scope in calls]

    assert [one.status for one in asyncio.run(serve())] == [0, 200, 200]


def test_no_turn_and_no_thread_is_lost_while_many_threads_answer(short_switches: None):
    inside, most, named = [0], [0], set[str]()
    counting, together = threading.Lock(), threading.Barrier(3)
    under_way = UnderWay()

    def quick(environ: Environ, start_response: Any) -> list[bytes]:
        named.add(threading.current_thread().name)
        is_step = environ["PATH_INFO"].startswith("/voice/")
        with counting:
            inside[0] += is_step
            most[0] = max(most[0], inside[0])
        if environ["PATH_INFO"] == "/voice/together":
            together.wait(30)
        answer = tells(environ, start_response)
        with counting:
            inside[0] -= is_step
        return answer

    async def serve() -> list[int]:
        requests = WholeRequests(quick, 5, steps=3, under_way=under_way)
        requests.__rsgi_init__(asyncio.get_running_loop())
        seen: list[int] = []

        async def asks(scope: Scope) -> None:
            client = Client([])
            await requests.__rsgi__(scope, client)
            seen.append(client.status)

        async def goes_on(path: str) -> None:
            for _ in range(25):
                await asks(Scope(Headers(), method="GET", path=path))

        await asyncio.gather(*map(goes_on, ["/voice/incoming", "/rendez-vous"] * 8))
        # Three steps that wait for each other, in as many turns.
        step = Scope(Headers(), method="GET", path="/voice/together")
        await asyncio.gather(*(asks(step) for _ in range(3)))
        return seen

    assert asyncio.run(serve()) == [200] * 403
    assert (under_way.requests, most, len(named) <= 8) == (0, [3], True)


def test_requests_are_under_way_from_when_they_were_read_until_they_are_answered():
    under_way, leave = UnderWay(), threading.Event()

    async def serve() -> list[int]:
        loop, is_in = asyncio.get_running_loop(), asyncio.Event()

        def slow(environ: Environ, start_response: Any) -> list[bytes]:
            loop.call_soon_threadsafe(is_in.set)
            leave.wait(30)
            return tells(environ, start_response)

        requests = WholeRequests(slow, 2, steps=1, under_way=under_way)
        requests.__rsgi_init__(loop)
        # One has the turn, two wait for it, and one has a body that does not come.
        calls = [posted(b"a=1", content_length="3") for _ in range(3)]
        calls.append(posted(comes_whole=False, content_length="3"))
        running = [asyncio.create_task(requests.__rsgi__(scope, one)) for one, scope in calls]
        await is_in.wait()
        seen = [under_way.requests]
        leave.set()
        await asyncio.gather(*running[:3])
        running[3].cancel()
        return [*seen, under_way.requests]

    assert asyncio.run(serve()) == [3, 0]
