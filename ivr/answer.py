"""A document of the telephone as the answer to a webhook."""

from __future__ import annotations

from typing import Final

from flask import Response

CONTENT_TYPE: Final = "text/xml; charset=utf-8"


def xml(document: str) -> Response:
    """The answer; `document` is TwiML as `ivr.twiml` writes it."""
    return Response(document, content_type=CONTENT_TYPE)
