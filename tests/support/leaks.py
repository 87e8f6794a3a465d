"""Traces of a person in bytes: a number, a date or a name in any way to write it."""

from __future__ import annotations

import base64
import json

from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from prompts.values import in_twos, national, spaced


def ways_to_write(number: str) -> list[str]:
    """A number (E.164) as it may be written."""
    dialled = national(number)
    pairs = in_twos(dialled)
    written = [number, number[1:], number[3:], dialled, spaced(dialled), pairs]
    return [*written, pairs.replace(",", ""), pairs.replace(", ", "."), f"0033{number[3:]}"]


def encoded(secret: str) -> Iterator[bytes]:
    """The secret as it may stand in bytes."""
    raw = secret.encode()
    yield raw
    yield quote(secret).encode()
    yield quote_plus(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield raw.hex().encode()
    yield secret.encode("utf-16-le")
    # Inside longer base64 its letters depend on what stands before it: three cases.
    for before in range(3):
        inner = base64.b64encode(b"x" * before + raw).decode()
        sure = inner[(before * 8 + 5) // 6 : len(b"x" * before + raw) * 8 // 6]
        yield sure.encode()


def leaks(haystack: bytes, secrets: Iterable[str]) -> list[str]:
    return sorted({secret for secret in secrets for form in encoded(secret) if form in haystack})
