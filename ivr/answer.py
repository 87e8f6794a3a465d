"""A document of the telephone as the answer to a webhook."""

from __future__ import annotations

from flask import Response


def xml(document: str) -> Response:
    """The answer; `document` is TwiML as `ivr.twiml` writes it."""
    return Response(document, content_type="text/xml; charset=utf-8")
