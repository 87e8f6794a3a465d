"""A process of ours that answers questions over its standard input and output, one at a time."""

import contextlib
import os
import select
import subprocess
import time

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, cast

ROOT: Final = Path(__file__).resolve().parents[2]
# Four bytes, the highest first, say how long a question or an answer is.
LENGTH: Final = 4
# Ten minutes of µ-law; nothing that we ask for is longer.
MOST_BYTES: Final = 5_000_000
_CHUNK: Final = 65_536
_LEAVES_S: Final = 1.0


class Lost(Exception):
    """The process has died, says nothing in time, or talks nonsense; it is of no more use."""


class Piped:
    """One process. From one thread at a time."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it; raises Lost where that is not possible."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # What it complains of may hold what was said.
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                bufsize=0,
            )
        except OSError as error:
            raise Lost(str(error)) from error
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        os.set_blocking(self._in.fileno(), False)
        os.set_blocking(self._out.fileno(), False)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, question: bytes, patience_s: float) -> bytes:
        """Return the answer. Raises Lost when it is not there in time (seconds)."""
        until = time.monotonic() + patience_s
        try:
            self._write(len(question).to_bytes(LENGTH) + question, until)
            length = int.from_bytes(self._read(LENGTH, until))
            if length > MOST_BYTES:
                raise Lost(f"an answer of {length} bytes")
            return self._read(length, until)
        except (OSError, ValueError) as error:
            raise Lost(type(error).__name__) from error

    def _write(self, left: bytes, until: float) -> None:
        while left:
            self._ready(self._in.fileno(), select.POLLOUT, until)
            left = left[os.write(self._in.fileno(), left[:_CHUNK]) :]

    def _read(self, length: int, until: float) -> bytes:
        read = bytearray()
        while len(read) < length:
            self._ready(self._out.fileno(), select.POLLIN, until)
            piece = os.read(self._out.fileno(), min(_CHUNK, length - len(read)))
            if not piece:
                raise Lost("it has ended")
            read += piece
        return bytes(read)

    @staticmethod
    def _ready(descriptor: int, event: int, until: float) -> None:
        # Not select(): a process with many calls has descriptors above 1,024.
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            raise Lost("no answer in time")

    def close(self, *, kindly: bool = True) -> None:
        """End it: kindly, so that it leaves by itself, or at once."""
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self._process.wait(_LEAVES_S if kindly else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
