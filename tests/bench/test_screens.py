"""Screens of the bench count from when they are told to."""

from __future__ import annotations

import asyncio

from typing import Any

import pytest

from bench import screens


def test_what_screens_got_before_they_are_told_to_count_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
):
    """The first answer is that a screen gives way; then the word comes, and others are fine."""
    monkeypatch.setattr(screens, "EACH_SECONDS", 0.0)
    told: list[dict[str, Any]] = []

    async def looks() -> None:
        asked, counts, enough = 0, asyncio.Event(), asyncio.Event()
        first_was_read = asyncio.Event()

        async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            while await reader.readuntil(b"\r\n\r\n"):
                asked += 1
                status = "503 Service Unavailable" if asked == 1 else "200 OK"
                if asked > 1:
                    first_was_read.set()
                    await counts.wait()
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
                if asked > 4:
                    enough.set()

        words = iter((screens.COUNT, "stop"))

        async def word() -> str:
            await (enough if told else first_was_read).wait()
            return next(words)

        def tell(**what: Any) -> None:
            told.append(what)
            counts.set()

        monkeypatch.setattr(screens, "word", word)
        monkeypatch.setattr(screens, "tell", tell)
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        await screens._run(server.sockets[0].getsockname()[1], ["/poste/etat allo=cookie"])
        server.close()

    asyncio.run(looks())
    assert told[0] == {}
    assert told[1]["bad"] == told[1]["broken"] == 0
    assert told[1]["answers"] >= 3
