"""What is written as JSON with every booking, by a writer that is made once.

`json.JSONEncoder.encode` makes Python's own writer anew for each value, which takes several times
as long as to write a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from json import JSONEncoder, encoder
from typing import Any

# Not among what Python promises to keep.
_WRITER: Any = getattr(encoder, "c_make_encoder", None)


def json_writer(
    *, ensure_ascii: bool = True, separators: tuple[str, str] | None = None
) -> Callable[[Any], str]:
    """As `json.dumps` with these; but what holds itself raises RecursionError."""
    made = JSONEncoder(ensure_ascii=ensure_ascii, separators=separators, check_circular=False)
    if _WRITER is None:
        return made.encode
    text = encoder.encode_basestring_ascii if ensure_ascii else encoder.encode_basestring
    write = _WRITER(
        None,
        made.default,
        text,
        None,
        made.key_separator,
        made.item_separator,
        made.sort_keys,
        made.skipkeys,
        made.allow_nan,
    )
    return lambda value: "".join(write(value, 0))
